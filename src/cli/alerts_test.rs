//! `opensoul alerts test [RECEIVER] [--resolve]`: a message by the very way that alerts go, and what the other side said to it. Tried
//! once; nothing is kept for later. A receiver that takes it comes out of its quarantine. Each peer of an Alertmanager counts as a
//! receiver here, by the name that `check-config` shows.

use std::sync::Arc;
use std::time::Duration;

use super::alerts::Scene;
use super::alerts_act::{act, author};
use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, monitor_run};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::domain::{self, Action, Attempt, FailureReason, Progress, Span, Time};
use crate::export::alertmanager::{Peer, alerts, peers};
use crate::net::Clients;
use crate::notify::{self, Receiver, trial};

/// For one message; receivers have tighter limits of their own.
const LIMIT: Duration = Duration::from_secs(60);

/// Between a test and its end, if it has to be.
const PAUSE: Duration = Duration::from_secs(5);

/// For so long an Alertmanager holds a test to be true that nobody ends: it would wait before it tells anybody.
const FIRES: Span = Span::minutes(5);

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
    let mut refused = false;
    for (settings, receiver) in config.receivers.iter().zip(all).filter(|(one, _)| wanted.contains(&one.name.as_str()))
    {
        let resolve = resolve || trial::must_end(settings.channel());
        let trial = Trial { receiver, channel: settings.channel(), host: &host, clock: &clock };
        if runtime.block_on(trial.run(resolve)) {
            took.push(settings.name.clone());
        } else {
            refused = true;
        }
    }
    let peers = peers(&config.alertmanagers, &Arc::new(context.env.clone()), &clients);
    for peer in peers.iter().filter(|peer| wanted.contains(&peer.name.as_str())) {
        refused |= !runtime.block_on(push(peer, resolve, &host, &clock));
    }
    runtime.shutdown_timeout(Duration::from_millis(200));
    release(&took, config, context, clock.now());
    match refused {
        false => Ok(0),
        true => Err(Failure::new(FailureKind::Unavailable, "not every receiver has the message; see above")),
    }
}

fn wanted<'c>(config: &'c Config, receiver: Option<&str>) -> Result<Vec<&'c str>, Failure> {
    let peers = config.alertmanagers.iter().flat_map(|cluster| &cluster.peers).map(|peer| peer.name.as_str());
    let names: Vec<&str> = config.receivers.iter().map(|one| one.name.as_str()).chain(peers).collect();
    match receiver {
        _ if names.is_empty() => {
            let what =
                "there is no receiver: add [[receivers]] to monitor.toml (`opensoul monitor init` writes examples)";
            Err(Failure::new(FailureKind::Config, what))
        }
        None => Ok(names),
        Some(name) => names.iter().find(|known| **known == name).map(|name| vec![*name]).ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("there is no receiver {name:?}; there are: {}", names.join(", ")))
        }),
    }
}

/// Prints what came of one message.
fn say(receiver: (&str, &str), over: bool, took: Duration, word: &str, text: &str) {
    let (name, channel) = receiver;
    let what = if over { "end of the test" } else { "test" };
    say!("{name} ({channel}): {what} {word} in {} ms: {text}", took.as_millis());
}

/// The test of an Alertmanager; without `resolve` it ends by itself.
async fn push(peer: &Peer, resolve: bool, host: &str, clock: &SystemClock) -> bool {
    const CHANNEL: &str = "alertmanager";
    let began = clock.now();
    let item = trial::message(&peer.name, CHANNEL, host, false, began, began).items.remove(0);
    for over in [false, true].into_iter().filter(|over| resolve || !over) {
        let (now, start) = (clock.now(), clock.monotonic());
        let alert = alerts::test(&item, host, if over { now } else { now + FIRES });
        let outcome = tokio::time::timeout(LIMIT, peer.push(&[alert], now)).await;
        let took = clock.monotonic().saturating_sub(start);
        let say = |word: &str, text: &str| say((&peer.name, CHANNEL), over, took, word, text);
        match &outcome {
            Ok(Ok(())) => say("delivered", "it took the alert"),
            Ok(Err(failure)) => say("not delivered", &format!("{}: {}", failure.reason.word(), failure.detail)),
            Err(_) => say("not delivered", "timeout"),
        }
        if !matches!(outcome, Ok(Ok(()))) {
            return false;
        }
    }
    true
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
        let (name, start) = (self.receiver.name(), self.clock.monotonic());
        let message = trial::message(name, self.channel, self.host, over, began, self.clock.now());
        let attempt = || Attempt { progress: Progress::default(), keep: keep.clone(), now: self.clock.now() };
        let mut outcome = tokio::time::timeout(LIMIT, self.receiver.deliver(&message, &attempt())).await;
        // The end comes at the heels of the test, which is too fast for some.
        if let (true, Some(wait)) = (over, soon(&outcome)) {
            tokio::time::sleep(wait).await;
            outcome = tokio::time::timeout(LIMIT, self.receiver.deliver(&message, &attempt())).await;
        }
        let took = self.clock.monotonic().saturating_sub(start);
        let say = |word: &str, text: &str| say((name, self.channel), over, took, word, text);
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

/// How long to wait, if somebody takes no more at this moment and will in another.
fn soon<E>(outcome: &Result<domain::Outcome, E>) -> Option<Duration> {
    match outcome {
        Ok(domain::Outcome::Transient { reason: FailureReason::RateLimited, retry_after, .. }) => {
            retry_after.filter(|wait| *wait <= PAUSE)
        }
        _ => None,
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
