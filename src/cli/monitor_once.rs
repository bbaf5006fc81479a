//! `opensoul monitor once`: one cycle, for timers, cron and phones.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, monitor_run};
use crate::clock::{Clock, SystemClock};
use crate::domain::{Severity, Snapshot};
use crate::engine::incidents::UNREACHED;
use crate::monitor::elsewhere::once_about;
use crate::monitor::ground::StartError;
use crate::monitor::logs;
use crate::monitor::machine::Machine;
use crate::monitor::once::{BUDGET, Once, OnceError, once};
use crate::remote::Destination;

/// Runs the command: 0 if the cycle was committed, whatever it found, or if a daemon does the work; 75 if another one is at
/// it or the time was up.
///
/// # Errors
/// It could not start, or came to nothing.
pub fn run(context: &Context, hosts: &[Destination]) -> Outcome {
    logs::init(&context.env, context.global.verbose);
    if !hosts.is_empty() {
        return elsewhere(context, hosts);
    }
    let program = context.program.clone();
    let env = context.env.clone();
    let runtime = monitor_run::runtime()?;
    let clock = Arc::new(SystemClock::new());
    let done = runtime
        .block_on(once(&env, context.global.config.clone(), clock, |ground| Machine::new(&env, program, ground)));
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended(done, None)
}

/// The same about other machines, all at once; their order does not matter, and none waits for another.
fn elsewhere(context: &Context, hosts: &[Destination]) -> Outcome {
    let hosts: BTreeSet<&Destination> = hosts.iter().collect();
    let runtime = monitor_run::runtime()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let cycles = hosts.iter().map(|host| {
        let (host, env, clock) = ((*host).clone(), context.env.clone(), Arc::clone(&clock));
        let named = context.global.config.clone();
        runtime.spawn(async move { once_about(&host, &env, named, clock).await })
    });
    let cycles: Vec<_> = cycles.collect();
    let mut failure = None;
    for (host, cycle) in hosts.iter().zip(cycles) {
        let outcome = match runtime.block_on(cycle) {
            Ok(done) => ended(done, Some(host)),
            Err(_) => Err(Failure::new(FailureKind::Bug, format!("the cycle about {host} panicked"))),
        };
        // Everyone's is said; the first one's code is ours.
        if let Err(one) = outcome {
            let one = Failure::new(one.kind, format!("{host}: {one}"));
            match &failure {
                None => failure = Some(one),
                Some(_) => note!("opensoul: {one}"),
            }
        }
    }
    runtime.shutdown_timeout(Duration::from_millis(200));
    failure.map_or(Ok(0), Err)
}

fn ended(done: Result<Once, OnceError>, host: Option<&Destination>) -> Outcome {
    match done {
        Ok(Once::Done(committed)) => {
            let line = summary(&committed.snapshot);
            match host {
                None => say!("{line}"),
                Some(host) => match committed.snapshot.findings.iter().find(|finding| finding.id == UNREACHED) {
                    Some(unreached) => say!("{host}: not seen: {}", unreached.message),
                    None => say!("{host}: {line}"),
                },
            }
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
