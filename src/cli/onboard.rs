//! `opensoul onboard`: finds what is there, asks for what is missing, shows what it will do, does it, and shows what came of it.
//!
//! All is asked before anything is written, so a cancelled question leaves everything as it was (130). The same plan is made of
//! flags with `--non-interactive`. Safe to run again: what is there stays.

mod answers;
mod service;

use std::path::{Path, PathBuf};

use super::args::{Onboard, ServiceArg, Shell};
use super::exit::{Failure, FailureKind, Outcome};
use super::models_auth::not_written;
use super::prompt::Terminal;
use super::reading::Reading;
use super::{Context, alerts_test, completions, credentials_declare, print};
use crate::clock::SystemClock;
use crate::config::{self, edit};
use crate::control::onboard::{self, Key, Whole, Wrote};
use crate::control::{Keeper, WriteError};
use crate::domain::VerdictKind;
use crate::formats::installation::Installation;
use crate::monitor::observe::Observed;

/// Everything that is agreed.
#[derive(Default)]
pub struct Plan {
    /// Keys for the gateway's `.env`.
    keys: Vec<Key>,
    /// `[probe] undocumented`
    undocumented: Option<bool>,
    /// Receivers of the monitor.
    receivers: Vec<edit::NewReceiver>,
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
    let mut plan = answers::of_flags(args)?;
    let terminal = match args.non_interactive {
        true => None,
        false => Some(Terminal::need("add --non-interactive and say what you want (--help)")?),
    };
    if let Some(terminal) = &terminal {
        answers::show(&reading, &observed, &places.dotenv);
        answers::ask(terminal, &mut plan, &reading, &observed)?;
    }
    let lines = lines(&plan, &places, context);
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
    apply(&plan, &places, context)?;
    let checked = check(&plan, &places, context);
    next_steps(&plan, &observed);
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
fn lines(plan: &Plan, places: &Places, context: &Context) -> Vec<String> {
    let mut lines = Vec::new();
    for key in &plan.keys {
        lines.push(format!("write {}=… into {} (only you can read it)", key.variable, places.dotenv.display()));
    }
    if touches_config(plan) {
        let what = if places.config.exists() { "change" } else { "write" };
        lines.push(format!("{what} {}", places.config.display()));
    }
    if let Some(allowed) = plan.undocumented {
        lines.push(format!("  [probe] undocumented = {allowed}"));
    }
    for receiver in &plan.receivers {
        lines.push(format!("  the receiver {} ({})", receiver.name, receiver.kind));
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
    lines
}

fn touches_config(plan: &Plan) -> bool {
    plan.undocumented.is_some() || !plan.receivers.is_empty() || plan.service.is_some_and(|s| s != ServiceArg::None)
}

fn apply(plan: &Plan, places: &Places, context: &Context) -> Result<(), Failure> {
    let clock = SystemClock::new();
    let waiting = |lock: &Path| note!("opensoul: waiting for {}", lock.display());
    let keeper = Keeper { clock: &clock, patience: Keeper::PATIENCE, waiting: &waiting };
    if !plan.keys.is_empty() {
        told(&onboard::keys(&places.dotenv, &plan.keys, &keeper).map_err(|error| not_written(&error))?);
    }
    if touches_config(plan) {
        write_config(plan, &places.config, context)?;
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
    Ok(())
}

fn told(wrote: &Wrote) {
    let word = if wrote.changed { "wrote" } else { "kept" };
    say!("{word} {}", wrote.path.display());
}

/// A person's file: what is in it stays, and nothing is written that would not be read again.
fn write_config(plan: &Plan, path: &Path, context: &Context) -> Result<(), Failure> {
    let before = credentials_declare::read(path)?;
    let mut text = before.clone().unwrap_or_else(|| config::TEMPLATE.to_owned());
    let wrong = |what: String| Failure::new(FailureKind::Config, format!("{}: {what}", path.display()));
    if let Some(allowed) = plan.undocumented {
        text = edit::undocumented(&text, allowed).map_err(wrong)?;
    }
    for receiver in &plan.receivers {
        text = edit::receiver(&text, receiver).map_err(wrong)?;
    }
    config::parse(&text, Some(path), &context.env, config::local_zone(&context.env)).map_err(|problems| {
        Failure::new(FailureKind::Config, format!("monitor.toml was not written:\n{}", config::report(&problems)))
    })?;
    let changed = before.as_deref() != Some(text.as_str());
    if changed {
        credentials_declare::write(path, before.as_deref(), &text)?;
    }
    told(&Wrote { path: path.to_owned(), changed });
    Ok(())
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
fn check(plan: &Plan, places: &Places, context: &Context) -> Outcome {
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
        for key in &plan.keys {
            let id = format!("dotenv:{}#{}", places.dotenv.display(), key.variable);
            let of = all.iter().find(|one| one.credential.id.as_str() == id);
            let of = of.map(|one| one.copy_of.as_ref().unwrap_or(&one.credential.id));
            let verdict = of.and_then(|id| all.iter().find(|one| one.credential.id == *id)?.verdict.as_ref());
            match verdict.map(|verdict| verdict.kind) {
                Some(VerdictKind::Accepted | VerdictKind::Limited) => {}
                Some(kind) if kind.is_conclusive() => code = 1,
                _ => unproved.push(key.variable.as_str()),
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

fn next_steps(plan: &Plan, observed: &Observed) {
    say!();
    if !plan.keys.is_empty() && observed.gateway.process.is_some() {
        say!("The running gateway reads its .env when it starts: {}", observed.gateway.restart_command());
    }
    if plan.completions == Some(Shell::Zsh) {
        say!("zsh looks there if ~/.zshrc has, before compinit: fpath=(~/.local/share/zsh/site-functions $fpath)");
    }
    say!("Look at it all with: opensoul status; opensoul doctor");
}
