//! The arguments of `onboard`: clap types only.

use clap::{Args, ValueEnum};

use super::args::Shell;

/// `onboard`
#[derive(Debug, Default, Args)]
pub struct Onboard {
    /// Never ask: do what the other options say
    #[arg(long)]
    pub non_interactive: bool,
    /// Give the gateway the API key in this file (repeatable)
    #[arg(long, value_name = "PROVIDER=FILE")]
    pub key_file: Vec<String>,
    /// Give it the API key on standard input
    #[arg(long, value_name = "PROVIDER", requires = "non_interactive")]
    pub key_stdin: Option<String>,
    /// Where its keys go [default: env]
    #[arg(long, value_enum)]
    pub keys_in: Option<KeysIn>,
    /// Ask the providers afterwards whether the keys work: documented requests that cost nothing
    #[arg(long)]
    pub verify: bool,
    /// Also ask where a provider tolerates it without describing it
    #[arg(long, value_enum, value_name = "yes|no")]
    pub undocumented: Option<YesNo>,
    /// Who is told: ntfy:TOPIC, webhook:FILE (a file with the URL in it), email:server=URL,from=…,to=…, any type of
    /// docs/channels.md (repeatable)
    #[arg(long, value_name = "TYPE[:VALUE | :KEY=VALUE,…]")]
    pub receiver: Vec<String>,
    /// Send a test message to each receiver afterwards
    #[arg(long)]
    pub test: bool,
    /// Who runs the monitor
    #[arg(long, value_enum)]
    pub service: Option<ServiceArg>,
    /// Install the completion of a shell
    #[arg(long, value_enum, value_name = "SHELL")]
    pub completions: Option<Shell>,
}

/// Yes or no on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    /// Yes
    Yes,
    /// No
    No,
}

impl YesNo {
    /// True for yes.
    #[must_use]
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

/// Where the gateway has its API keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeysIn {
    /// In its .env, which it reads when it starts
    Env,
    /// In auth profiles (PROVIDER:default), which can be ordered and pinned
    Profiles,
}

/// Who runs the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServiceArg {
    /// A timer, every 15 minutes (a job on a phone)
    Timer,
    /// A service that always runs: metrics, page
    Daemon,
    /// Nobody yet
    None,
}
