//! Arguments, one file per command, exit codes. Commands tie the rooms together and hold no decisions of their own.

pub mod args;
pub mod completions;
pub mod doctor;
pub mod exit;
pub mod handover;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::domain::Environment;
use args::{Cli, Command};
use exit::{Failure, FailureKind, Outcome};

/// What every command gets.
pub struct Context {
    /// Options that every command takes.
    pub global: args::Global,
    /// The process environment, captured once.
    pub env: Environment,
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
    let cli = match Cli::try_parse_from(argv) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let context = Context { global: cli.global, env };
    match dispatch(cli.command, &context) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => report(failure),
    }
}

fn report(failure: Failure) -> ExitCode {
    anstream::eprintln!("opensoul: {failure}");
    failure.into()
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version go to stdout with 0; everything else is an error of use (64, never clap's 2: that means "expiring").
    let _ = error.print();
    if error.use_stderr() { Failure::new(FailureKind::Usage, "").into() } else { ExitCode::SUCCESS }
}

fn dispatch(command: Command, _context: &Context) -> Outcome {
    match command {
        Command::Completions { shell } => completions::completions(shell, &mut std::io::stdout().lock()),
        Command::Man { dir } => completions::man(&dir, &mut std::io::stdout().lock()),
        Command::Models(_) | Command::Status(_) | Command::Doctor(_) | Command::Monitor(_) => {
            Err(Failure::new(FailureKind::Unavailable, "not built yet"))
        }
    }
}
