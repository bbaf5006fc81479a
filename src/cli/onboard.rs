//! `opensoul onboard`: finds what is there, asks for what is missing, shows what it will do, does it, and shows what came of it.
//!
//! All is asked before anything is written, so a cancelled question leaves everything as it was (130). The same plan is made of
//! flags with `--non-interactive`. Safe to run again: what is there stays.

mod answers;
mod receivers;
mod service;

use std::path::{Path, PathBuf};

use super::args::Shell;
use super::args_onboard::{KeysIn, Onboard, ServiceArg};
use super::exit::{Failure, FailureKind, Outcome};
use super::models_auth::not_written;
use super::models_auth_paste::Entry;
use super::prompt::Terminal;
use super::reading::Reading;
use super::{Context, alerts_test, completions, credentials_declare, print};
use crate::clock::SystemClock;
use crate::config;
use crate::config::edit::{self, NewValue};
use crate::control::onboard::{self, Whole, Wrote};
use crate::control::{Keeper, WriteError};
use crate::domain::{Credential, Secret, VerdictKind};
use crate::formats::installation::Installation;
use crate::monitor::observe::Observed;

/// One API key for the gateway, and where it goes.
struct Key {
    place: Place,
    secret: Secret,
}

/// Where a key goes.
enum Place {
    /// Into the gateway's `.env`.
    Dotenv {
        /// Whose.
        provider: String,
        /// The variable that the gateway reads.
        variable: &'static str,
    },
    /// Into the main agent's store.
    Profile(Box<Entry<'static>>),
}

impl Place {
    fn provider(&self) -> &str {
        match self {
            Self::Dotenv { provider, .. } => provider,
            Self::Profile(entry) => entry.provider(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Dotenv { variable, .. } => variable,
            Self::Profile(entry) => entry.id(),
        }
    }

    /// Whether this is what was found there.
    fn is(&self, one: &Credential, dotenv: &Path) -> bool {
        match self {
            Self::Dotenv { variable, .. } => one.id.as_str() == format!("dotenv:{}#{variable}", dotenv.display()),
            Self::Profile(entry) => entry.is(one),
        }
    }
}

/// Everything that is agreed.
pub struct Plan {
    /// Keys for the gateway.
    keys: Vec<Key>,
    /// Where they go, once that was said.
    keys_in: Option<KeysIn>,
    /// `[probe] undocumented`
    undocumented: Option<bool>,
    /// Receivers of the monitor.
    receivers: Vec<receivers::Receiver>,
    /// Who runs the monitor.
    service: Option<ServiceArg>,
    /// Whose completion is installed.
    completions: Option<Shell>,
    /// Afterwards the providers are asked whether the keys work.
    verify: bool,
    /// Afterwards each receiver gets a test.
    test: bool,
}

/// Where things are.
struct Places {
    /// The gateway's `.env`.
    dotenv: PathBuf,
    /// `monitor.toml`
    config: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// A flag that makes no sense (64), a cancelled question (130), what could not be written (73 to 77).
pub fn run(args: &Onboard, context: &Context) -> Outcome {
    let reading = open(context)?;
    if !reading.config_problems.is_empty() {
        let message = format!("correct monitor.toml first:\n{}", config::report(&reading.config_problems));
        return Err(Failure::new(FailureKind::Config, message));
    }
    let observed = reading.observe(context.program.clone());
    let places = places(&reading, &observed.installations)?;
    let mut plan = answers::of_flags(args, context)?;
    let terminal = match args.non_interactive {
        true => None,
        false => Some(Terminal::need("add --non-interactive and say what you want (--help)")?),
    };
    if let Some(terminal) = &terminal {
        answers::show(&reading, &observed, &places.dotenv);
        answers::ask(terminal, &mut plan, &reading, &observed, context)?;
    }
    // What would be refused is refused before anything is written.
    let toml = if touches_config(&plan) { Some(toml(&plan, &places.config, context)?) } else { None };
    let lines = lines(&plan, toml.as_ref(), &places, context)?;
    if lines.is_empty() {
        say!("Nothing to do. What is there can be looked at with: opensoul status; opensoul doctor");
        return Ok(0);
    }
    say!("\nThis will be done:");
    for line in &lines {
        say!("  {line}");
    }
    if let Some(terminal) = &terminal
        && !terminal.confirm("Do it?", true)?
    {
        say!("Nothing was changed.");
        return Ok(0);
    }
    let keys = apply(&mut plan, toml.as_ref(), &places, context)?;
    let checked = check(&plan, &keys, &places, context);
    let changed = toml.is_some_and(|toml| toml.before.as_deref() != Some(toml.after.as_str()));
    if changed && plan.service != Some(ServiceArg::Daemon) {
        credentials_declare::tell_the_monitor(&reading.location.state);
    }
    next_steps(&plan, &keys, &observed);
    checked
}

fn open(context: &Context) -> Result<Reading, Failure> {
    Reading::open(context).map_err(|error| Failure::new(FailureKind::Unavailable, error.to_string()))
}

fn places(reading: &Reading, installations: &[Installation]) -> Result<Places, Failure> {
    let chosen = installations.iter().find(|installation| installation.chosen);
    let state = chosen.map_or_else(|| reading.env.home().join(".opensoul"), |chosen| chosen.state_dir.clone());
    let config = credentials_declare::target(&reading.location.config)?;
    Ok(Places { dotenv: state.join(".env"), config })
}

/// What will be done, in the words of the person who is asked. No secret.
fn lines(plan: &Plan, toml: Option<&Toml>, places: &Places, context: &Context) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    for key in &plan.keys {
        lines.push(match &key.place {
            Place::Dotenv { variable, .. } => {
                format!("write {variable}=… into {} (only you can read it)", places.dotenv.display())
            }
            Place::Profile(entry) => entry.line(context)?,
        });
    }
    for (path, _) in plan.receivers.iter().flat_map(|receiver| &receiver.secrets) {
        lines.push(format!("write {} (only you can read it)", path.display()));
    }
    if touches_config(plan) {
        let what = if places.config.exists() { "change" } else { "write" };
        lines.push(format!("{what} {}", places.config.display()));
    }
    if let Some(allowed) = plan.undocumented {
        lines.push(format!("  [probe] undocumented = {allowed}"));
    }
    for name in toml.map(|toml| toml.receivers.as_slice()).unwrap_or_default() {
        lines.push(format!("  the receiver {name}"));
    }
    if let Some(service) = plan.service {
        lines.extend(service::lines(service, context));
    }
    if let Some(path) = plan.completions.and_then(|shell| completion_path(shell, context)) {
        lines.push(format!("write {} (completion of the shell)", path.display()));
    }
    if plan.verify {
        lines.push("ask the providers whether the keys work (documented requests that cost nothing)".to_owned());
    }
    if plan.test {
        lines.push("send a test message to each receiver".to_owned());
    }
    Ok(lines)
}

fn touches_config(plan: &Plan) -> bool {
    plan.undocumented.is_some() || !plan.receivers.is_empty() || plan.service.is_some_and(|s| s != ServiceArg::None)
}

/// Does it; what it did with keys.
fn apply(plan: &mut Plan, toml: Option<&Toml>, places: &Places, context: &Context) -> Result<Vec<Place>, Failure> {
    let clock = SystemClock::new();
    let waiting = |lock: &Path| note!("opensoul: waiting for {}", lock.display());
    let keeper = Keeper { clock: &clock, patience: Keeper::PATIENCE, waiting: &waiting };
    let (mut keys, mut variables) = (Vec::new(), Vec::new());
    for Key { place, secret } in std::mem::take(&mut plan.keys) {
        match &place {
            Place::Dotenv { variable, .. } => variables.push((*variable, secret)),
            Place::Profile(entry) => {
                entry.write(secret, context)?;
            }
        }
        keys.push(place);
    }
    if !variables.is_empty() {
        told(&onboard::keys(&places.dotenv, &variables, &keeper).map_err(|error| not_written(&error))?);
    }
    for (path, secret) in plan.receivers.iter().flat_map(|receiver| &receiver.secrets) {
        told(&onboard::secret(path, secret, &keeper).map_err(|error| not_written(&error))?);
    }
    if let Some(Toml { before, after, .. }) = toml {
        let changed = before.as_deref() != Some(after.as_str());
        if changed {
            credentials_declare::write(&places.config, before.as_deref(), after)?;
        }
        told(&Wrote { path: places.config.clone(), changed });
    }
    if let Some(service) = plan.service {
        for file in service::files(service, context)? {
            told(&onboard::whole(&file, &keeper).map_err(|error| not_written(&error))?);
        }
        service::start(service, context)?;
    }
    if let Some(shell) = plan.completions
        && let Some(path) = completion_path(shell, context)
    {
        let mut script = b"# opensoul: completion, made by opensoul onboard\n".to_vec();
        // What zsh autoloads must begin with its own line.
        if shell == Shell::Zsh {
            script.clear();
        }
        completions::completions(shell, &mut script)?;
        let text = String::from_utf8_lossy(&script).into_owned();
        match onboard::whole(&Whole { path, text }, &keeper) {
            // Somebody else's, such as a package's, will do.
            Err(WriteError::Unusable { path, .. }) => told(&Wrote { path, changed: false }),
            wrote => told(&wrote.map_err(|error| not_written(&error))?),
        }
    }
    Ok(keys)
}

fn told(wrote: &Wrote) {
    let word = if wrote.changed { "wrote" } else { "kept" };
    say!("{word} {}", wrote.path.display());
}

/// `monitor.toml` as it is and as it will be.
struct Toml {
    before: Option<String>,
    after: String,
    /// The names that new receivers have in it.
    receivers: Vec<String>,
}

/// A person's file: what is in it stays, and nothing is made of it that would not be read again.
fn toml(plan: &Plan, path: &Path, context: &Context) -> Result<Toml, Failure> {
    let before = credentials_declare::read(path)?;
    let mut after = before.clone().unwrap_or_else(|| config::TEMPLATE.to_owned());
    let wrong = |what: String| Failure::new(FailureKind::Config, format!("{}: {what}", path.display()));
    if let Some(allowed) = plan.undocumented {
        after = edit::undocumented(&after, allowed).map_err(wrong)?;
    }
    let mut receivers = Vec::new();
    for receiver in &plan.receivers {
        let name;
        (after, name) = edit::receiver(&after, &receiver.entry).map_err(wrong)?;
        receivers.extend(name);
        // A monitor does not start without them.
        let files = receiver.entry.values.iter().filter_map(|(_, value)| match value {
            NewValue::File(path) => Some(context.env.expand(path)),
            _ => None,
        });
        let made = |path: &PathBuf| receiver.secrets.iter().any(|(made, _)| made == path);
        if let Some(gone) = files.filter(|path| !made(path)).find(|path| !path.is_file()) {
            let what = format!(
                "the receiver {} has its secret in {}, which is not there: write it first, for yourself only (chmod 600)",
                receiver.entry.kind,
                gone.display()
            );
            return Err(Failure::new(FailureKind::NoInput, what));
        }
    }
    config::parse(&after, Some(path), &context.env, config::local_zone(&context.env)).map_err(|problems| {
        Failure::new(FailureKind::Config, format!("monitor.toml was not written:\n{}", config::report(&problems)))
    })?;
    Ok(Toml { before, after, receivers })
}

/// Where a shell finds the completion of a program by itself; `None`: it has no such place.
fn completion_path(shell: Shell, context: &Context) -> Option<PathBuf> {
    let home = context.env.home();
    let base = |variable: &str, default: &str| {
        context
            .env
            .get(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| home.join(default))
    };
    match shell {
        Shell::Bash => Some(base("XDG_DATA_HOME", ".local/share").join("bash-completion/completions/opensoul")),
        Shell::Fish => Some(base("XDG_CONFIG_HOME", ".config").join("fish/completions/opensoul.fish")),
        Shell::Zsh => Some(base("XDG_DATA_HOME", ".local/share").join("zsh/site-functions/_opensoul")),
        _ => None,
    }
}

/// Asks providers and receivers, when all is written: what they say does not undo it, and is in the exit code.
fn check(plan: &Plan, keys: &[Place], places: &Places, context: &Context) -> Outcome {
    let (mut code, mut unproved) = (0, Vec::new());
    if plan.verify {
        let mut reading = open(context)?;
        reading.probe(&context.program, false)?;
        let snapshot = reading.observe(context.program.clone()).snapshot;
        say!();
        for one in snapshot.credentials.iter().filter(|one| one.copy_of.is_none()) {
            let said = one.verdict.as_ref().map_or("not asked", |verdict| verdict.kind.word());
            say!("{:<50} {}", one.credential.id.as_str(), print::spoken(said.replace('_', " ")));
        }
        let all = &snapshot.credentials;
        for key in keys {
            let of = all.iter().find(|one| key.is(&one.credential, &places.dotenv));
            let of = of.map(|one| one.copy_of.as_ref().unwrap_or(&one.credential.id));
            let verdict = of.and_then(|id| all.iter().find(|one| one.credential.id == *id)?.verdict.as_ref());
            match verdict.map(|verdict| verdict.kind) {
                Some(VerdictKind::Accepted | VerdictKind::Limited) => {}
                Some(kind) if kind.is_conclusive() => code = 1,
                _ => unproved.push(key.name()),
            }
        }
    }
    if plan.test {
        say!();
        alerts_test::run(None, false, context)?;
    }
    if code == 0 && !unproved.is_empty() {
        let message =
            format!("what was written stays, but nobody could tell whether these keys work: {}", unproved.join(", "));
        return Err(Failure::new(FailureKind::Unavailable, message));
    }
    Ok(code)
}

fn next_steps(plan: &Plan, keys: &[Place], observed: &Observed) {
    say!();
    if keys.iter().any(|key| matches!(key, Place::Dotenv { .. })) && observed.gateway.process.is_some() {
        say!("The running gateway reads its .env when it starts: {}", observed.gateway.restart_command());
    }
    if plan.service.is_some_and(|service| service != ServiceArg::None) && observed.gateway.lingers == Some(false) {
        say!("So that it goes on when you log out, and begins when the machine starts: loginctl enable-linger");
    }
    if plan.completions == Some(Shell::Zsh) {
        say!("zsh looks there if ~/.zshrc has, before compinit: fpath=(~/.local/share/zsh/site-functions $fpath)");
    }
    say!("Look at it all with: opensoul status; opensoul doctor");
}
