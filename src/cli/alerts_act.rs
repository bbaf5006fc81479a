//! How a command changes what the monitor keeps. There is one writer of `state.db`: a running monitor is asked over HTTP, with
//! the token that only its user can read; where none runs, we are the writer for a moment, under its lock.

use std::path::Path;
use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::alerts::{Scene, broken, usage};
use super::exit::{Failure, FailureKind};
use super::monitor_run;
use crate::config::Listen;
use crate::domain::{Action, Environment, Time};
use crate::net::client::Local;
use crate::output::alerts::acted_json;
use crate::store::lock::{Attempt, Holder, Lock};
use crate::store::{ActionError, FILE, Store, token};

/// Longest wait for a `monitor once` to end, in steps.
const STEPS: u32 = 100;
const STEP: Duration = Duration::from_millis(100);

/// Who does it, if nobody is named.
pub(super) fn author(env: &Environment) -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| env.get(name));
    named
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()), str::to_owned)
}

/// Does it, and gives the document that says what came of it.
///
/// # Errors
/// It is not possible (64), the monitor cannot be reached (69), or is busy for long (75).
pub(super) fn act(scene: &Scene<'_>, action: &Action, by: &str) -> Result<Value, Failure> {
    let state = &scene.location.state;
    if !state.join(FILE).exists() {
        // A silence may be planned before the first run; everything else needs something that is there.
        if !matches!(action, Action::Silence { .. }) {
            let message = "no monitor has run here yet: there is nothing to act on";
            return Err(Failure::new(FailureKind::NoInput, message));
        }
        make_private(state)?;
    }
    for _ in 0..STEPS {
        match Lock::acquire(state, false).map_err(|error| broken(&error))? {
            Attempt::Ours(lock) => {
                let done = by_ourselves(state, action, by, scene.now);
                drop(lock);
                return done;
            }
            Attempt::Held(holder) if holder.daemon => return by_the_monitor(scene, &holder, action, by),
            // A `monitor once` ends by itself.
            Attempt::Held(_) => std::thread::sleep(STEP),
        }
    }
    Err(Failure::new(FailureKind::TryAgain, "a `monitor once` is at work and does not end; try again"))
}

fn make_private(state: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
    made.map_err(|error| Failure::new(FailureKind::CannotCreate, format!("{}: {error}", state.display())))
}

fn by_ourselves(state: &Path, action: &Action, by: &str, now: Time) -> Result<Value, Failure> {
    let mut opened = Store::open(state, now).map_err(|error| broken(&error))?;
    if let Some(trouble) = opened.store.trouble() {
        return Err(Failure::new(FailureKind::Io, format!("nothing was changed: {}", trouble.message)));
    }
    match opened.store.act(action, by, now) {
        Ok(acted) => match opened.store.trouble() {
            None => Ok(acted_json(&acted, now)),
            Some(trouble) => Err(Failure::new(FailureKind::Io, format!("nothing was changed: {}", trouble.message))),
        },
        Err(ActionError::Refused(why)) => Err(usage(format!("{why}{}", hint(action)))),
        Err(ActionError::Store(error)) => Err(broken(&error)),
    }
}

/// Where the ids are.
fn hint(action: &Action) -> &'static str {
    match action {
        Action::Ack { .. } | Action::Unack { .. } => " (opensoul alerts list shows what there is)",
        Action::Unsilence { .. } => " (opensoul alerts silence list shows what there is)",
        Action::Retry { .. } | Action::Drop { .. } => " (opensoul alerts outbox shows what there is)",
        Action::Silence { .. } | Action::Enable { .. } => "",
    }
}

fn by_the_monitor(scene: &Scene<'_>, holder: &Holder, action: &Action, by: &str) -> Result<Value, Failure> {
    let who = holder.pid.map_or_else(|| "the monitor".to_owned(), |pid| format!("the monitor (process {pid})"));
    let unreachable = |why: String| Failure::new(FailureKind::Unavailable, format!("{who} cannot be reached: {why}"));
    if !scene.config.web.enabled {
        return Err(unreachable(
            "write enabled = true into [web] of monitor.toml and restart it, or stop it first".into(),
        ));
    }
    let token = match token::load(&scene.location.state) {
        Ok(Some(token)) => token,
        Ok(None) => return Err(unreachable("its token is not there; restart it".into())),
        Err(error) => return Err(Failure::new(FailureKind::NoPermission, error.to_string())),
    };
    let (method, path, body) = request(action, by)?;
    let listen = &scene.config.web.listen;
    let answer = monitor_run::runtime()?.block_on(async {
        let local = match listen {
            Listen::Tcp(address) => Local::tcp(reachable(*address)),
            Listen::Unix(path) => Local::unix(path),
        }?;
        local.send(method, &path, &token, body.to_string()).await
    });
    let (status, text) = answer.map_err(unreachable)?;
    match status {
        200 => serde_json::from_str(&text).map_err(|error| Failure::new(FailureKind::Bug, error.to_string())),
        404 if text.starts_with("Not found.") => Err(unreachable("it is an older version; restart it".into())),
        400 | 404 | 409 | 422 => Err(usage(format!("{}{}", text.trim(), hint(action)))),
        401 | 403 => Err(Failure::new(FailureKind::NoPermission, format!("{who} refuses: {}", text.trim()))),
        408 | 503 => Err(Failure::new(FailureKind::TryAgain, format!("{who} is busy: {}", text.trim()))),
        _ => Err(unreachable(format!("it answers {status}: {}", text.trim()))),
    }
}

/// Where a monitor that listens everywhere is on this machine. (Without TLS, also where it has some: it lets this machine do so.)
fn reachable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// The request that stands for an action.
fn request(action: &Action, by: &str) -> Result<(&'static str, String, Value), Failure> {
    let time = |at: &Time| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    Ok(match action {
        Action::Ack { incident, until, snooze, comment } => {
            let word = if *snooze { "snooze" } else { "ack" };
            let until = until.as_ref().map(time);
            let body = json!({ "until": until, "comment": comment, "author": by });
            ("POST", format!("/api/v1/incidents/{}/{word}", id(incident)?), body)
        }
        Action::Unack { incident } => {
            ("POST", format!("/api/v1/incidents/{}/unack", id(incident)?), json!({ "author": by }))
        }
        Action::Silence { matchers, starts_at, ends_at, comment } => {
            let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
            let body = json!({
                "matchers": matchers,
                "start": time(starts_at),
                "until": time(ends_at),
                "comment": comment,
                "author": by,
            });
            ("POST", "/api/v1/silences".to_owned(), body)
        }
        Action::Unsilence { silence } => {
            ("DELETE", format!("/api/v1/silences/{}", id(silence)?), json!({ "author": by }))
        }
        Action::Retry { messages } => {
            ("POST", "/api/v1/outbox/retry".to_owned(), json!({ "ids": messages, "author": by }))
        }
        Action::Drop { messages } => {
            ("POST", "/api/v1/outbox/drop".to_owned(), json!({ "ids": messages, "author": by }))
        }
        Action::Enable { receiver } => {
            ("POST", "/api/v1/receivers/enable".to_owned(), json!({ "receiver": receiver, "author": by }))
        }
    })
}

/// An id as a part of a path: ours are letters and digits.
fn id(text: &str) -> Result<&str, Failure> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if fits { Ok(text) } else { Err(usage(format!("`{text}` is not an id; `opensoul alerts list` shows them"))) }
}
