//! `opensoul monitor demo`: everything on sample credentials in a throw-away home.

use std::sync::Arc;
use std::time::Duration;

use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, monitor_run, print};
use crate::clock::SystemClock;
use crate::domain::Environment;
use crate::monitor::demo::{DemoError, demo};
use crate::monitor::logs;

/// Runs the command. `lasts` is how long, as a person writes it (`90s`); until a signal otherwise.
///
/// # Errors
/// A duration that is none (64), or a demonstration that cannot start.
pub fn run(context: &Context, lasts: Option<&str>) -> Outcome {
    let lasts = lasts.map(duration).transpose()?;
    // What the monitor logs would hide what it is about, unless somebody asks.
    let mut env = Environment::default();
    env.set(
        "RUST_LOG",
        context.env.get("RUST_LOG").unwrap_or(if context.global.verbose > 0 { "info" } else { "error" }),
    );
    logs::init(&env, 0);
    let runtime = monitor_run::runtime()?;
    let mut out = anstream::stdout();
    let shown = runtime.block_on(demo(&context.env, lasts, Arc::new(SystemClock::new()), (&mut out, print::lang())));
    runtime.shutdown_timeout(Duration::from_millis(200));
    match shown {
        Ok(()) => Ok(0),
        Err(DemoError::Start(error)) => Err(monitor_run::failure(&error)),
        Err(DemoError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(Failure::new(FailureKind::CannotCreate, error.to_string())),
    }
}

fn duration(text: &str) -> Result<Duration, Failure> {
    let wrong = |_| Failure::new(FailureKind::Usage, format!("--for {text}: write a duration such as 90s or 5m"));
    humantime::parse_duration(text.trim()).map_err(wrong)
}
