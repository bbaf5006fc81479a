//! `opensoul monitor once`: one cycle, for timers, cron and phones.

use std::sync::Arc;
use std::time::Duration;

use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, monitor_run};
use crate::clock::SystemClock;
use crate::domain::{Severity, Snapshot};
use crate::monitor::ground::StartError;
use crate::monitor::logs;
use crate::monitor::machine::Machine;
use crate::monitor::once::{BUDGET, Once, OnceError, once};

/// Runs the command: 0 if the cycle was committed, whatever it found, or if a daemon does the work; 75 if another one is at
/// it or the time was up.
///
/// # Errors
/// It could not start, or came to nothing.
pub fn run(context: &Context) -> Outcome {
    logs::init(&context.env, context.global.verbose);
    let program = context.program.clone();
    let env = context.env.clone();
    let runtime = monitor_run::runtime()?;
    let clock = Arc::new(SystemClock::new());
    let done = runtime
        .block_on(once(&env, context.global.config.clone(), clock, |ground| Machine::new(&env, program, ground)));
    runtime.shutdown_timeout(Duration::from_millis(200));
    match done {
        Ok(Once::Done(committed)) => {
            say!("{}", summary(&committed.snapshot));
            Ok(0)
        }
        Ok(Once::OutOfTime { committed }) => Err(out_of_time(committed)),
        Err(OnceError::Start(StartError::Held(holder))) if holder.daemon => {
            let who = holder.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            say!("The monitor runs already{who} and does this by itself; nothing was done.");
            Ok(0)
        }
        Err(OnceError::Start(error)) => Err(monitor_run::failure(&error)),
        Err(OnceError::Cycle(error)) => Err(Failure::new(FailureKind::TryAgain, error.to_string())),
    }
}

fn out_of_time(committed: bool) -> Failure {
    let seconds = BUDGET.as_secs();
    let what = if committed {
        format!("not everything was sent within {seconds} s; it is kept, and the next run goes on")
    } else {
        format!("no end within {seconds} s; nothing was changed, the next run tries again")
    };
    Failure::new(FailureKind::TryAgain, what)
}

fn summary(snapshot: &Snapshot) -> String {
    let of = |severity| {
        let bad = |one: &&crate::domain::Assessed| one.copy_of.is_none() && one.judgement.severity == severity;
        snapshot.credentials.iter().filter(bad).count()
    };
    let count = snapshot.credentials.iter().filter(|one| one.copy_of.is_none()).count();
    let noun = if count == 1 { "credential" } else { "credentials" };
    format!("{count} {noun}: {} critical, {} warning", of(Severity::Critical), of(Severity::Warning))
}
