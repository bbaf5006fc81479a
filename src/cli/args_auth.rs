//! The arguments of `models auth`, `aliases` and `fallbacks`: clap types only.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `models aliases …`
#[derive(Debug, Subcommand)]
pub enum Aliases {
    /// Alias and model, one a line
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
        /// Without headings
        #[arg(long, conflicts_with = "json")]
        plain: bool,
    },
    /// Give a model a short name
    Add {
        /// The short name
        alias: String,
        /// `provider/model`, or an alias
        model: String,
    },
    /// Take a short name away
    Remove {
        /// The short name
        alias: String,
    },
}

/// `models fallbacks …`
#[derive(Debug, Subcommand)]
pub enum Fallbacks {
    /// One model a line, first to be used first
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
        /// Without headings
        #[arg(long, conflicts_with = "json")]
        plain: bool,
    },
    /// Add one at the end
    Add {
        /// `provider/model`, or an alias
        model: String,
    },
    /// Remove one
    Remove {
        /// `provider/model`, or an alias
        model: String,
    },
    /// Remove all
    Clear,
}

/// `models auth …`
#[derive(Debug, Args)]
pub struct ModelsAuth {
    /// What to do
    #[command(subcommand)]
    pub command: AuthCommand,
}

/// `models auth …`
#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// The stored profiles, without their secrets
    List {
        /// Only this provider's
        #[arg(long, value_name = "P")]
        provider: Option<String>,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Add a key or token; asks for everything
    Add,
    /// Run the login command of whoever owns this provider's login
    Login {
        /// Whose login
        #[arg(long, value_name = "P")]
        provider: String,
    },
    /// Remove a profile from the store and from the gateway's config
    Remove {
        /// Its id
        id: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Paste what `claude setup-token` printed (Claude Max or Pro)
    SetupToken {
        /// Only anthropic has setup-tokens
        #[arg(long, value_name = "P", default_value = "anthropic")]
        provider: String,
        /// Do not ask whether `claude setup-token` was run
        #[arg(long, short)]
        yes: bool,
        /// Ask the provider afterwards whether it accepts the token
        #[arg(long)]
        verify: bool,
    },
    /// Paste a token; for scripts, --stdin or --token-file
    PasteToken(PasteToken),
    /// Which profiles of a provider are used, and in which order
    Order {
        /// What to do
        #[command(subcommand)]
        command: OrderCommand,
    },
}

/// `models auth paste-token`
#[derive(Debug, Default, Args)]
pub struct PasteToken {
    /// Whose token
    #[arg(long, value_name = "P")]
    pub provider: String,
    /// Its profile id [default: <provider>:manual]
    #[arg(long, value_name = "ID")]
    pub profile_id: Option<String>,
    /// When it ends: 365d, 12h, 30m; a bare number is days [default: not noted]
    #[arg(long, value_name = "D", allow_hyphen_values = true)]
    pub expires_in: Option<String>,
    /// Read it from standard input (never from the command line: everybody can read that)
    #[arg(long)]
    pub stdin: bool,
    /// Read it from a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "stdin")]
    pub token_file: Option<PathBuf>,
    /// Ask the provider afterwards whether it accepts the token
    #[arg(long)]
    pub verify: bool,
}

/// `models auth order …`
#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// Show it
    Get(OrderOf),
    /// Set it
    Set {
        /// Whose
        #[command(flatten)]
        of: OrderOf,
        /// Profile ids, first to be used first
        #[arg(value_name = "PROFILE_ID", required = true)]
        ids: Vec<String>,
    },
    /// Go back to the gateway's own order
    Clear(OrderOf),
}

/// Of which provider, and how it is answered.
#[derive(Debug, Args)]
pub struct OrderOf {
    /// Whose profiles
    #[arg(long, value_name = "P")]
    pub provider: String,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}
