//! Arguments, one file per command, exit codes. Commands tie the rooms together and hold no decisions of their own.

pub mod args;
mod check_config;
pub mod completions;
pub mod doctor;
pub mod exit;
pub mod handover;
mod models_status;
mod monitor_demo;
mod monitor_init;
mod monitor_once;
mod monitor_run;
pub mod reading;
mod status;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::doctor::Program;
use crate::domain::Environment;
use args::{Cli, Command, MonitorCommand};
use exit::{Failure, FailureKind, Outcome};

/// What every command gets.
pub struct Context {
    /// Options that every command takes.
    pub global: args::Global,
    /// The process environment, captured once; `--profile` has been applied to it.
    pub env: Environment,
    /// The same without `--profile`.
    pub env_as_given: Environment,
    /// How this program was started.
    pub program: Program,
}

/// The whole program.
#[must_use]
pub fn main(argv: Vec<OsString>, vars: Vec<(OsString, OsString)>) -> ExitCode {
    let env: Environment = vars
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let argv = match handover::whose(&argv) {
        handover::Whose::Ours(argv) => argv,
        handover::Whose::Foreign { words } => return report(handover::hand_over(&argv, &env, &words)),
    };
    let program = doctor::program(argv.first().map(OsString::as_os_str));
    let nagios = asks_for_nagios(&argv);
    let cli = match Cli::try_parse_from(argv) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, nagios),
    };
    let mut context = Context { global: cli.global, env_as_given: env.clone(), env, program };
    if let Err(failure) = apply_profile(&mut context) {
        return report(failure);
    }
    match dispatch(cli.command, &context) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => report(failure),
    }
}

fn report(failure: Failure) -> ExitCode {
    anstream::eprintln!("opensoul: {failure}");
    failure.into()
}

/// `--profile NAME` and `--dev`: another state directory, unless the environment names one.
fn apply_profile(context: &mut Context) -> Result<(), Failure> {
    let dev = context.global.dev.then_some("dev");
    let Some(name) = context.global.profile.as_deref().map(str::trim).or(dev) else { return Ok(()) };
    let fits = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !fits {
        let message = "--profile: a name has letters, digits, - and _ only, and begins with a letter or digit";
        return Err(Failure::new(FailureKind::Usage, message));
    }
    let directory =
        if name.eq_ignore_ascii_case("default") { ".opensoul".to_owned() } else { format!(".opensoul-{name}") };
    let state_dir = context.env.home().join(directory);
    let config = state_dir.join("opensoul.json");
    for (variable, path) in [("OPENSOUL_STATE_DIR", state_dir), ("OPENSOUL_CONFIG_PATH", config)] {
        if context.env.get(variable).is_none() {
            context.env.set(variable, path.to_string_lossy());
        }
    }
    Ok(())
}

/// True for `--exit-codes nagios` and `--format nagios`, seen before clap has understood the rest: a plugin with a mistake in
/// its command line is UNKNOWN (3) to a monitoring system, which knows no 64.
fn asks_for_nagios(argv: &[OsString]) -> bool {
    let options = ["--exit-codes", "--format"];
    argv.iter().zip(argv.iter().skip(1)).any(|(option, value)| options.iter().any(|o| option == o) && value == "nagios")
        || argv.iter().any(|word| options.iter().any(|option| *word == *format!("{option}=nagios")))
}

fn usage(error: &clap::Error, nagios: bool) -> ExitCode {
    // Help and version go to stdout with 0; everything else is an error of use (64, never clap's 2: that means "expiring").
    let _ = error.print();
    match (error.use_stderr(), nagios) {
        (false, _) => ExitCode::SUCCESS,
        (true, true) => ExitCode::from(3),
        (true, false) => Failure::new(FailureKind::Usage, "").into(),
    }
}

fn dispatch(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Monitor(args::Monitor { command: MonitorCommand::Init { force } }) => {
            monitor_init::run(context, force)
        }
        Command::Monitor(args::Monitor { command: MonitorCommand::Run }) => monitor_run::run(context),
        Command::Monitor(args::Monitor { command: MonitorCommand::Demo { r#for } }) => {
            monitor_demo::run(context, r#for.as_deref())
        }
        Command::Monitor(args::Monitor { command: MonitorCommand::Once }) => monitor_once::run(context),
        Command::Monitor(args::Monitor { command: MonitorCommand::CheckConfig }) => check_config::run(context),
        Command::Completions { shell } => completions::completions(shell, &mut std::io::stdout().lock()),
        Command::Man { dir } => completions::man(&dir, &mut std::io::stdout().lock()),
        Command::Doctor(args) => doctor::command(&args, context),
        Command::Models(models) => models_status::run(models, context),
        Command::Status(args) => status::run(&args, context),
    }
}
