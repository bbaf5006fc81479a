//! `opensoul alerts test [RECEIVER] [--resolve]`: a message by the very way that alerts go, and what the other side said to it. Tried
//! once; nothing is kept for later. A receiver that takes it comes out of its quarantine.

use std::sync::Arc;
use std::time::Duration;

use super::alerts::Scene;
use super::alerts_act::{act, author};
use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, monitor_run};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::domain::{self, Action, Attempt, Progress, Time};
use crate::net::Clients;
use crate::notify::{self, Receiver, trial};

/// For one message; receivers have tighter limits of their own.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the command: 0 only if every receiver's own answer says that it has the message.
///
/// # Errors
/// One has not (69), there is none (78), or there is none of that name (64).
pub fn run(receiver: Option<&str>, resolve: bool, context: &Context) -> Outcome {
    let config = config::load(context.global.config.as_deref(), &context.env)
        .map_err(|problems| Failure::new(FailureKind::Config, config::report(&problems)))?;
    let wanted = wanted(&config, receiver)?;
    let clock = SystemClock::new();
    let clients = Clients::new(&context.env);
    let host = crate::monitor::observe::host(&config);
    let all = notify::build(&config, &context.env, &clients, None);
    let runtime = monitor_run::runtime()?;
    let mut took = Vec::new();
    for (settings, receiver) in config.receivers.iter().zip(all).filter(|(one, _)| wanted.contains(&one.name.as_str()))
    {
        let resolve = resolve || trial::must_end(settings.channel());
        let trial = Trial { receiver, channel: settings.channel(), host: &host, clock: &clock };
        if runtime.block_on(trial.run(resolve)) {
            took.push(settings.name.clone());
        }
    }
    runtime.shutdown_timeout(Duration::from_millis(200));
    let all_took = wanted.len() == took.len();
    release(&took, config, context, clock.now());
    match all_took {
        true => Ok(0),
        false => Err(Failure::new(FailureKind::Unavailable, "not every receiver has the message; see above")),
    }
}

fn wanted<'c>(config: &'c Config, receiver: Option<&str>) -> Result<Vec<&'c str>, Failure> {
    let names = || config.receivers.iter().map(|one| one.name.as_str());
    match receiver {
        _ if config.receivers.is_empty() => {
            let what =
                "there is no receiver: add [[receivers]] to monitor.toml (`opensoul monitor init` writes examples)";
            Err(Failure::new(FailureKind::Config, what))
        }
        None => Ok(names().collect()),
        Some(name) => names().find(|known| *known == name).map(|name| vec![name]).ok_or_else(|| {
            let all = names().collect::<Vec<_>>().join(", ");
            Failure::new(FailureKind::Usage, format!("there is no receiver {name:?}; there are: {all}"))
        }),
    }
}

/// One receiver's test.
struct Trial<'a> {
    receiver: Arc<dyn Receiver>,
    channel: &'static str,
    host: &'a str,
    clock: &'a SystemClock,
}

impl Trial<'_> {
    async fn run(&self, resolve: bool) -> bool {
        let began = self.clock.now();
        let (took, keep) = self.send(false, began, None).await;
        if took && resolve { self.send(true, began, keep).await.0 } else { took }
    }

    /// Sends one message and prints what came of it; whether it was taken, and what the receiver keeps.
    async fn send(&self, over: bool, began: Time, keep: Option<String>) -> (bool, Option<String>) {
        let (name, now) = (self.receiver.name(), self.clock.now());
        let message = trial::message(name, self.channel, self.host, over, began, now);
        let attempt = Attempt { progress: Progress::default(), keep, now };
        let start = self.clock.monotonic();
        let outcome = tokio::time::timeout(LIMIT, self.receiver.deliver(&message, &attempt)).await;
        let took = self.clock.monotonic().saturating_sub(start).as_millis();
        let what = if over { "end of the test" } else { "test" };
        let say = |word: &str, text: &str| say!("{name} ({}): {what} {word} in {took} ms: {text}", self.channel);
        match outcome {
            Ok(domain::Outcome::Delivered { detail, keep }) => {
                say("delivered", &detail);
                return (true, keep);
            }
            Ok(domain::Outcome::Permanent { reason, detail }) => {
                say("refused", &format!("{}: {detail}", reason.word()))
            }
            Ok(domain::Outcome::Transient { reason, detail, .. }) => {
                say("not delivered", &format!("{}: {detail}", reason.word()));
            }
            Err(_) => say("not delivered", "timeout"),
        }
        (false, None)
    }
}

/// Takes receivers that work out of their quarantine, and has what waits for them tried at once: by the monitor if one runs.
fn release(names: &[String], config: Config, context: &Context, now: Time) {
    let location = config::locate(&context.env, context.global.config.as_deref());
    // Nobody is in quarantine where no monitor has ever run, and we make no file of its.
    if names.is_empty() || !location.state.join(crate::store::FILE).exists() {
        return;
    }
    let scene = Scene { context, config, location, now };
    for name in names {
        let action = Action::Enable { receiver: name.clone() };
        if let Err(failure) = act(&scene, &action, &author(&context.env)) {
            // It has the message, which is what was asked. The next hourly try ends a quarantine all the same.
            note!("opensoul: {name} works; the monitor was not told: {}", failure.message);
        }
    }
}
