//! `opensoul monitor forget`: takes back pushed metrics that would be shown for ever, before a monitor is given up.

use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, monitor_run};
use crate::monitor::chat::rivals;
use crate::monitor::observe::host;
use crate::monitor::pushes::Pushes;
use crate::net::Clients;

/// Runs the command: 0 if nothing is left anywhere, 69 if somebody did not let it go.
///
/// # Errors
/// The configuration is wrong (78).
pub fn run(context: &Context) -> Outcome {
    let config = rivals::load(context.global.config.as_deref(), &context.env)
        .map_err(|problems| Failure::new(FailureKind::Config, crate::config::report(&problems)))?;
    let pushes = Pushes::new(&config, None, &context.env, &Clients::new(&context.env));
    let done = monitor_run::runtime()?.block_on(pushes.forget(&host(&config), |_| true));
    if done.is_empty() {
        say!("Nothing is pushed that would stay: [export] has neither `pushgateway` nor `textfile`.");
    }
    let mut left = Vec::new();
    for (way, name, result) in done {
        match result {
            Ok(()) => say!("{way} {name}: taken back"),
            Err(failure) => left.push(format!("{way} {name}: is still there: {}", failure.detail)),
        }
    }
    if left.is_empty() { Ok(0) } else { Err(Failure::new(FailureKind::Unavailable, left.join("\n"))) }
}
