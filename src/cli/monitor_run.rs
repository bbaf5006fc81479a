//! `opensoul monitor run`: the daemon.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, reading};
use crate::clock::SystemClock;
use crate::monitor::daemon::{self, Start};
use crate::monitor::ground::StartError;
use crate::monitor::machine::Machine;
use crate::monitor::{logs, ticker};
use crate::store::StoreError;

/// Runs the command.
///
/// # Errors
/// The monitor cannot start: configuration (78), another one at work (75), files.
pub fn run(context: &Context) -> Outcome {
    logs::init(&context.env, context.global.verbose);
    let program = context.program.clone();
    let mut env = context.env.clone();
    reading::apply_profile(&context.global, &mut env);
    let start = Start {
        env: env.clone(),
        config: context.global.config.clone(),
        clock: Arc::new(SystemClock::new()),
        beat: ticker::MINUTE,
        stop: CancellationToken::new(),
        opened: None,
    };
    let runtime = runtime()?;
    let ended = runtime.block_on(daemon::run(start, move |ground| Machine::new(&env, program, ground)));
    // A look that hangs on a dead network file system must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended.map(|()| 0).map_err(|error| failure(&error))
}

/// One thread: the monitor waits nearly all of its life.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FailureKind::Unavailable, format!("no runtime: {error}")))
}

/// What a person is told when the monitor does not start.
pub fn failure(error: &StartError) -> Failure {
    let kind = match error {
        StartError::Config(_) | StartError::Key(_) => FailureKind::Config,
        StartError::Held(_) => FailureKind::TryAgain,
        StartError::Store(StoreError::Newer { .. }) => FailureKind::Config,
        StartError::Store(_) => FailureKind::Io,
        StartError::System { .. } => FailureKind::Unavailable,
    };
    Failure::new(kind, error.to_string())
}
