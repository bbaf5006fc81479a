//! `opensoul onboard`: finds what is there, asks for what is missing, shows what it will do, does it, and shows what came of it.
//!
//! All is asked before anything is written, so a cancelled question leaves everything as it was (130). The same plan is made of
//! flags with `--non-interactive`. Safe to run again: what is there stays.

mod answers;
mod service;

use std::path::{Path, PathBuf};

use super::args::{Onboard, ServiceArg, Shell};
use super::exit::{Failure, FailureKind, Outcome};
use super::reading::Reading;
use super::{Context, alerts_test, ask, completions, credentials_declare};
use crate::clock::SystemClock;
use crate::config::{self, edit};
use crate::control::onboard::{self, Key, Whole, Wrote};
use crate::control::{Keeper, WriteError};
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
    if !args.non_interactive {
        ask::terminal("onboard")?;
        answers::show(&reading, &observed, &places.dotenv);
        answers::ask(&mut plan, &reading, &observed)?;
    }
    let lines = lines(&plan, &places, context);
    if lines.is_empty() {
        anstream::println!("Nothing to do. What is there can be looked at with: opensoul status; opensoul doctor");
        return Ok(0);
    }
    anstream::println!("\nThis will be done:");
    for line in &lines {
        anstream::println!("  {line}");
    }
    if !(args.non_interactive || ask::yes("Do it?", true)?) {
        anstream::println!("Nothing was changed.");
        return Ok(0);
    }
    apply(&plan, &places, context)?;
    let checked = check(&plan, context);
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
    let waiting = |lock: &Path| anstream::eprintln!("opensoul: waiting for {}", lock.display());
    let keeper = Keeper { clock: &clock, patience: Keeper::PATIENCE, waiting: &waiting };
    if !plan.keys.is_empty() {
        told(&onboard::keys(&places.dotenv, &plan.keys, &keeper).map_err(failure)?);
    }
    if touches_config(plan) {
        write_config(plan, &places.config, context)?;
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
        told(&onboard::whole(&Whole { path, text }, &keeper).map_err(failure)?);
    }
    if let Some(service) = plan.service {
        for file in service::files(service, context)? {
            told(&onboard::whole(&file, &keeper).map_err(failure)?);
        }
        service::start(service, context)?;
    }
    Ok(())
}

fn told(wrote: &Wrote) {
    let word = if wrote.changed { "wrote" } else { "kept" };
    anstream::println!("{word} {}", wrote.path.display());
}

pub(super) fn failure(error: WriteError) -> Failure {
    let kind = match &error {
        WriteError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            FailureKind::NoPermission
        }
        WriteError::NotOurs { .. } => FailureKind::NoPermission,
        WriteError::Busy { .. } | WriteError::Contended { .. } => FailureKind::TryAgain,
        _ => FailureKind::CannotCreate,
    };
    Failure::new(kind, error.to_string())
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
fn check(plan: &Plan, context: &Context) -> Outcome {
    let mut code = 0;
    if plan.verify {
        let mut reading = open(context)?;
        reading.probe(&context.program, false)?;
        let snapshot = reading.observe(context.program.clone()).snapshot;
        anstream::println!();
        for one in snapshot.credentials.iter().filter(|one| one.copy_of.is_none()) {
            let said = one.verdict.as_ref().map_or("not asked", |verdict| verdict.kind.word());
            anstream::println!("{:<50} {}", one.credential.id.as_str(), said.replace('_', " "));
        }
        let new = |variable: &str| {
            snapshot.credentials.iter().any(|one| {
                one.credential.id.as_str().ends_with(&format!("#{variable}")) && !one.judgement.state.is_usable()
            })
        };
        if plan.keys.iter().any(|key| new(&key.variable)) {
            code = 1;
        }
    }
    if plan.test {
        anstream::println!();
        alerts_test::run(None, false, context)?;
    }
    Ok(code)
}

fn next_steps(plan: &Plan, observed: &Observed) {
    anstream::println!();
    if !plan.keys.is_empty() && observed.gateway.process.is_some() {
        anstream::println!("The running gateway reads its .env when it starts: {}", observed.gateway.restart_command());
    }
    if plan.completions == Some(Shell::Zsh) {
        anstream::println!(
            "zsh looks there if ~/.zshrc has, before compinit: fpath=(~/.local/share/zsh/site-functions $fpath)"
        );
    }
    anstream::println!("Look at it all with: opensoul status; opensoul doctor");
}
