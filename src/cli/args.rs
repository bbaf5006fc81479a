//! The command line as clap types, and nothing else (CONTRACTS §1).

use std::path::PathBuf;

use super::args_auth::{Aliases, Fallbacks, ModelsAuth};
use super::args_onboard::Onboard;
use crate::remote::Destination;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Knows whether every AI-provider credential works, and tells people before one stops.
#[derive(Debug, Parser)]
#[command(name = "opensoul", version, disable_help_subcommand = true, args_override_self = true)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The same with `models` alone: to build the whole command line takes longer than to answer the guide's question.
#[derive(Debug, Parser)]
#[command(name = "opensoul", version, disable_help_subcommand = true, args_override_self = true)]
pub struct ModelsOnly {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: ModelsWord,
}

/// See [`ModelsOnly`].
#[derive(Debug, Subcommand)]
pub enum ModelsWord {
    /// Models and the credentials behind them
    Models(Models),
}

/// Options that every command takes.
#[derive(Debug, Default, Args)]
pub struct Global {
    /// Our configuration file [default: ~/.config/opensoul/monitor.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Use the gateway's state directory ~/.opensoul-NAME
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "dev")]
    pub profile: Option<String>,
    /// Use the gateway's state directory ~/.opensoul-dev
    #[arg(long, global = true)]
    pub dev: bool,
    /// Say more on stderr (-vv: even more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No colours
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Speak English or Chinese to people [default: as the locale says]
    #[arg(long, global = true, value_name = "LANG")]
    pub lang: Option<Language>,
}

/// What people are spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English
    En,
    /// 简体中文
    Zh,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Models and the credentials behind them
    Models(Models),
    /// Every AI credential on this machine and the truth about it
    Status(Status),
    /// What is known of each credential, why it is judged as it is, and what only you know
    Credentials(Credentials),
    /// Look for what is wrong with the set-up, and say what to do
    Doctor(Doctor),
    /// Set it all up: keys for the gateway, the monitor and who it tells, who runs it
    Onboard(Onboard),
    /// What is wrong now and who was told; acknowledge, put off, silence
    Alerts(Alerts),
    /// Ask and order in a line of text: which model and credential a session uses, how things are, what is put aside
    Chat(Chat),
    /// Watch, export metrics, alert
    Monitor(Monitor),
    /// Print a shell completion script
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write manual pages into a directory
    Man {
        /// Where
        dir: PathBuf,
    },
}

/// Shells that a completion script can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "they are names")]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    #[value(alias = "nushell")]
    Nu,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
}

/// `models …`
#[derive(Debug, Args)]
pub struct Models {
    /// Which agent (before or after `status`)
    #[arg(long, value_name = "ID", global = true)]
    pub agent: Option<String>,
    /// Same as `models status --json`
    #[arg(long = "status-json", hide = true)]
    pub status_json: bool,
    /// Same as `models status --plain`
    #[arg(long = "status-plain", hide = true)]
    pub status_plain: bool,
    /// Same as `models status --json`
    #[arg(long, hide = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Option<ModelsCommand>,
}

/// `models …`
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// The models in use, the credentials behind them, and when they end
    Status(ModelsStatus),
    /// The credentials of an agent: add, list, order, remove
    Auth(ModelsAuth),
    /// The configured models
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
        /// One model a line
        #[arg(long, conflicts_with = "json")]
        plain: bool,
    },
    /// Set the default model
    Set {
        /// `provider/model`, or an alias
        model: String,
    },
    /// Short names of models
    Aliases {
        /// What to do
        #[command(subcommand)]
        command: Aliases,
    },
    /// Models that are used when the default fails
    Fallbacks {
        /// What to do
        #[command(subcommand)]
        command: Fallbacks,
    },
}

/// `models status`
#[derive(Debug, Default, Args)]
pub struct ModelsStatus {
    /// One JSON document
    #[arg(long)]
    pub json: bool,
    /// Only the default model
    #[arg(long)]
    pub plain: bool,
    /// Exit 1 if a provider in use has nothing usable, 2 if its last usable credential ends within 24 hours
    #[arg(long)]
    pub check: bool,
    /// What --check judges [default: in-use]
    #[arg(long, value_enum)]
    pub scope: Option<Scope>,
    /// What the exit code of --check means
    #[arg(long, value_enum, default_value_t = ExitCodes::Guide)]
    pub exit_codes: ExitCodes,
    /// Ask the providers: documented requests that cost nothing
    #[arg(long)]
    pub probe: bool,
    /// Only this provider
    #[arg(long, value_name = "P")]
    pub probe_provider: Option<String>,
    /// Only these profiles (repeatable, or comma-separated)
    #[arg(long, value_name = "ID")]
    pub probe_profile: Vec<String>,
    /// Time for one answer [default: 8000]
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    pub probe_timeout: Option<String>,
    /// How many at once [default: 2]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub probe_concurrency: Option<String>,
    /// Longest answer [default: 8]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub probe_max_tokens: Option<String>,
    /// Ask with a request of one token where a model is configured; shows the cost first
    #[arg(long)]
    pub probe_paid: bool,
}

/// What `--check` judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// The providers that configured models use
    InUse,
    /// Every stored profile, as OpenSoul 0.2 did
    Store,
}

/// What the exit code of `--check` means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExitCodes {
    /// 0 usable, 1 expired or missing, 2 ends within 24 hours
    #[default]
    Guide,
    /// 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    Nagios,
}

/// `status`
#[derive(Debug, Default, Args)]
pub struct Status {
    /// One JSON document (same as --format json)
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// How to print
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Exit as `models status --check`, over every credential
    #[arg(long)]
    pub check: bool,
    /// Ask the providers first: documented requests that cost nothing
    #[arg(long)]
    pub probe: bool,
    /// The same with requests of one token where a model is configured; shows the cost first
    #[arg(long)]
    pub probe_paid: bool,
    /// Ask another machine over ssh, which must work there without a question
    #[arg(long, value_name = "[USER@]SERVER[:PORT]", value_hint = clap::ValueHint::Hostname)]
    pub host: Option<Destination>,
}

/// `credentials …`
#[derive(Debug, Args)]
pub struct Credentials {
    /// What to do
    #[command(subcommand)]
    pub command: CredentialsCommand,
}

/// `credentials …`
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Every credential with its id, its state, and which are copies of which
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Every fact about one credential: where it comes from, how old it is, which rule decided, what would change it
    Explain {
        /// Its id, as `credentials list` shows it
        id: String,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Write into monitor.toml what no file shows: a credential elsewhere, or the end of one that was found
    Declare(Declare),
}

/// `credentials declare`
#[derive(Debug, Default, Args)]
pub struct Declare {
    /// A name of your choice, or the id of a credential that was found
    #[arg(required_unless_present = "about")]
    pub name: Option<String>,
    /// Whose credential it is (not needed for one that was found)
    #[arg(long, value_name = "P")]
    pub provider: Option<String>,
    /// When it ends; a bare date is the start of that day in `[schedule] zone`
    #[arg(long, value_name = "DATE", required_unless_present = "not_in_use")]
    pub expires: Option<String>,
    /// When it was issued
    #[arg(long, value_name = "DATE")]
    pub issued: Option<String>,
    /// Nothing uses it: its end is worth knowing and wakes nobody
    #[arg(long)]
    pub not_in_use: bool,
    /// It is about this credential, which was found
    #[arg(long = "for", value_name = "ID")]
    pub about: Option<String>,
}

/// How `status` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// A monitoring plugin's line, and its exit code
    Nagios,
    /// Prometheus text
    Prom,
    /// A Checkmk local check
    Checkmk,
}

/// `doctor`
#[derive(Debug, Default, Args)]
pub struct Doctor {
    /// Never write, never ask; exit 1 if there is a finding
    #[arg(long, conflicts_with = "fix")]
    pub lint: bool,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
    /// Mend what can be mended safely: shows what it will do, asks, and looks again
    #[arg(long, visible_alias = "repair")]
    pub fix: bool,
    /// Do not ask before mending
    #[arg(long, requires = "fix")]
    pub yes: bool,
    /// Never ask; exit 1 if there is a finding. With --fix, what is safe is mended without asking
    #[arg(long)]
    pub non_interactive: bool,
    /// Also try to reach the providers in use: names, TLS, proxy, clocks; no key is sent
    #[arg(long)]
    pub deep: bool,
    /// Report findings from this severity on
    #[arg(long, value_enum, default_value_t = SeverityArg::Info)]
    pub severity_min: SeverityArg,
    /// Run only these checks (ids or their first words, comma-separated)
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub only: Vec<String>,
    /// Leave out these checks
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub skip: Vec<String>,
}

/// A severity on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SeverityArg {
    /// Everything
    #[default]
    Info,
    /// Warnings and criticals
    Warning,
    /// Criticals
    Critical,
}

/// `alerts …`
#[derive(Debug, Args)]
pub struct Alerts {
    /// Those about another machine, which `monitor once --host` watches from here
    #[arg(long, global = true, value_name = "[USER@]SERVER[:PORT]", value_hint = clap::ValueHint::Hostname)]
    pub host: Option<Destination>,
    /// What to do
    #[command(subcommand)]
    pub command: AlertsCommand,
}

/// `alerts …`
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// Open incidents, who was told, and why nothing is said about some
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Everything about one incident
    Show {
        /// Its id, or the beginning of it
        id: String,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// "I have seen it": no reminders and no escalation, unless it gets worse
    Ack {
        /// Its id, or the beginning of it
        id: String,
        /// Until when [default: until it is over]
        #[command(flatten)]
        when: When,
        /// A remark
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// Who, and how it is answered
        #[command(flatten)]
        by: By,
    },
    /// Take an acknowledgement back
    Unack {
        /// The incident's id, or the beginning of it
        id: String,
        /// Who, and how it is answered
        #[command(flatten)]
        by: By,
    },
    /// "Not now": said again when the time is over, if it is still so
    Snooze {
        /// Its id, or the beginning of it
        id: String,
        /// Until when
        #[command(flatten)]
        when: When,
        /// A remark
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// Who, and how it is answered
        #[command(flatten)]
        by: By,
    },
    /// Say nothing about what fits, for a time; or `silence list`
    Silence(SilenceArgs),
    /// End a silence
    Unsilence {
        /// Its id, or the beginning of it
        id: String,
        /// Who, and how it is answered
        #[command(flatten)]
        by: By,
    },
    /// Send a test by the very way that alerts go, and print what the other side says
    Test {
        /// Which receiver [default: all]
        receiver: Option<String>,
        /// Also send that it is over
        #[arg(long)]
        resolve: bool,
    },
    /// Messages that wait, and those that were sent or withdrawn lately
    Outbox(Outbox),
}

/// Until when.
#[derive(Debug, Default, Args)]
pub struct When {
    /// For so long (`2h`, `30m`, `3d`)
    #[arg(long, value_name = "D", conflicts_with = "until")]
    pub r#for: Option<String>,
    /// Until then; a bare date is the start of that day in `[schedule] zone`
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
}

/// Who, and how it is answered.
#[derive(Debug, Default, Args)]
pub struct By {
    /// Who does it [default: the user]
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Answer with one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `alerts silence`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SilenceArgs {
    /// What to do instead
    #[command(subcommand)]
    pub command: Option<SilenceCommand>,
    /// What fits all of these: LABEL=VALUE, !=, =~ or !~ with * for any text; labels: alertname, provider, credential, check, severity, host
    #[arg(value_name = "MATCHER")]
    pub matchers: Vec<String>,
    /// Until when
    #[command(flatten)]
    pub when: When,
    /// From when [default: now]
    #[arg(long, value_name = "T")]
    pub start: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
    /// Who, and how it is answered
    #[command(flatten)]
    pub by: By,
}

/// `alerts silence …`
#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Silences that hold or will, and those that were over lately
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
}

/// `alerts outbox`
#[derive(Debug, Args)]
pub struct Outbox {
    /// What to do
    #[command(subcommand)]
    pub command: Option<OutboxCommand>,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// `alerts outbox …`
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// Messages that wait, and those that were sent or withdrawn lately
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Try messages again at once [default: all that wait]
    Retry {
        /// Their ids, or the beginnings of them
        ids: Vec<String>,
        /// Who, and how it is answered
        #[command(flatten)]
        by: By,
    },
    /// Give messages up
    Drop {
        /// Their ids, or the beginnings of them
        #[arg(required = true)]
        ids: Vec<String>,
        /// Who, and how it is answered
        #[command(flatten)]
        by: By,
    },
}

/// `chat`
#[derive(Debug, Default, Args)]
pub struct Chat {
    /// The session of the gateway that /model is about [default: the agent's main one]
    #[arg(long, value_name = "KEY")]
    pub session: Option<String>,
    /// Which agent [default: the gateway's default agent]
    #[arg(long, value_name = "ID")]
    pub agent: Option<String>,
    /// One line, such as `/model opus@anthropic:work`; without it a conversation begins
    #[arg(value_name = "TEXT")]
    pub text: Vec<String>,
}

/// `monitor …`
#[derive(Debug, Args)]
pub struct Monitor {
    /// What to do
    #[command(subcommand)]
    pub command: MonitorCommand,
}

/// `monitor …`
#[derive(Debug, Subcommand)]
pub enum MonitorCommand {
    /// Watch until told to stop: metrics, page, alerts
    Run,
    /// One cycle, for timers, cron and phones: same state, same alerts
    Once {
        /// Instead of this machine, alert about another one, asked over ssh; may be repeated
        #[arg(long, value_name = "[USER@]SERVER[:PORT]", value_hint = clap::ValueHint::Hostname)]
        host: Vec<Destination>,
    },
    /// Take back pushed metrics that would be shown for ever: groups of Pushgateways, the textfile
    Forget,
    /// Write a commented configuration file
    Init {
        /// Replace an existing file
        #[arg(long)]
        force: bool,
    },
    /// Check the configuration file: all problems at once
    CheckConfig,
    /// Copy the monitor's state (history, incidents, waiting messages) into a new file, also while it runs
    Backup {
        /// The new file
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Show everything on sample credentials in a throw-away home
    Demo {
        /// Stop by itself after this long (`90s`); until Ctrl-C otherwise
        #[arg(long, value_name = "DURATION")]
        r#for: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command, CommandFactory};

    /// What is on a command line, everybody on the machine can read, and a shell remembers it.
    #[test]
    fn no_option_takes_a_secret() {
        fn all(command: &Command, found: &mut Vec<String>) {
            let takes = |arg: &&Arg| arg.get_action().takes_values() && !arg.is_global_set();
            found.extend(command.get_arguments().filter(takes).map(|arg| {
                let names: Vec<String> =
                    arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
                format!("{}={}", arg.get_id(), names.join(" "))
            }));
            command.get_subcommands().for_each(|command| all(command, found));
        }
        let mut found = Vec::new();
        all(&super::Cli::command(), &mut found);
        let secret = |text: &&String| {
            ["secret", "token", "key", "password"].iter().any(|word| text.to_lowercase().contains(word))
        };
        let mut named: Vec<&str> = found.iter().filter(secret).map(String::as_str).collect();
        named.sort_unstable();
        named.dedup();
        let allowed = [
            // Where a key is, whose it is, where it goes; the key of a session is its name; so many tokens.
            "key_file=PROVIDER=FILE",
            "key_stdin=PROVIDER",
            "keys_in=KEYS_IN",
            "probe_max_tokens=N",
            // Secrets among its values are named by their files.
            "receiver=TYPE[:VALUE | :KEY=VALUE,…]",
            "session=KEY",
            "token_file=FILE",
        ];
        assert_eq!(named, allowed);
    }
}
