//! `monitor once --host`: one cycle about another machine. What it says of itself takes the place of a look at this one; from there
//! on everything is the same: incidents, one transaction, delivery. Its state has a directory of its own below ours, so that
//! nothing of two machines is ever mixed.
//!
//! What must hold: a machine that is not reached is no machine on which all is well, and none on which everything is gone. That is
//! said as a finding of its own, and whatever stood before stands still. No provider is asked from here, and neither heartbeats
//! nor metrics are pushed: those speak of the machine that sends them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::domain::{Environment, Finding, Gateway, GatewayState, Place, Severity, Snapshot, Time};
use crate::engine::incidents::UNREACHED;
use crate::output::status::read::{Answer, Misunderstood, read};
use crate::remote::{Destination, Probing, Unreached, ask};
use crate::store::Remembered;

use super::cycle::Eyes;
use super::ground::Ground;
use super::observe::{Observed, of_another};
use super::once::{BUDGET, Once, OnceError, upon};

/// Below our state directory.
const HOSTS: &str = "hosts";
/// How the machine called itself when it was last heard: incidents belong to that name.
const NAME: &str = "host";
/// No name is longer.
const LONGEST_NAME: u64 = 1024;

/// Why nothing is known of another machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// It was not reached.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// It was, and cannot be understood.
    #[error("the answer of {host} cannot be used: {why}")]
    Misunderstood {
        /// Which machine.
        host: String,
        /// Why.
        why: Misunderstood,
    },
}

/// Asks another machine for its status.
///
/// # Errors
/// It was not reached or not understood.
pub async fn hear(to: &Destination, probing: Probing, env: &Environment, clock: &dyn Clock) -> Result<Answer, Unheard> {
    let answer = read(&ask(to, probing, env).await?);
    let answer = answer.map_err(|why| Unheard::Misunderstood { host: to.to_string(), why })?;
    Ok(answer.heard_at(clock.now()))
}

/// Where what is remembered of another machine is kept.
#[must_use]
pub fn directory(state: &Path, to: &Destination) -> PathBuf {
    state.join(HOSTS).join(to.to_string())
}

/// Runs one cycle about another machine; everything within the time of a cycle.
///
/// # Errors
/// If it could not start, or came to nothing. That the machine was not reached is none: it is what the cycle found.
pub async fn once_about(
    to: &Destination,
    env: &Environment,
    named: Option<PathBuf>,
    clock: Arc<dyn Clock>,
) -> Result<Once, OnceError> {
    let begun = clock.monotonic();
    let heard = hear(to, Probing::None, env, &*clock).await;
    let mut env = env.clone();
    let state = directory(&config::locate(&env, named.as_deref()).state, to);
    env.set("OPENSOUL_MONITOR_STATE", state.to_string_lossy());
    let mut ground = Ground::open(&env, named.as_deref(), false, clock.now())?;
    ground.config = Arc::new(about_another(&ground.config));
    let name = remembered_name(&state);
    if let Ok(answer) = &heard
        && name.as_ref() != Some(&answer.snapshot.host)
        && let Err(error) = remember_name(&state, &answer.snapshot.host)
    {
        tracing::warn!(%error, "the name of {to} cannot be written down");
    }
    let name = name.unwrap_or_else(|| to.server().to_owned());
    let eyes = Arc::new(Hearsay { to: to.clone(), heard, name });
    let left = BUDGET.saturating_sub(clock.monotonic().saturating_sub(begun));
    upon(ground, &env, clock, eyes, left).await
}

/// The same receivers and routes; nothing that is about this machine.
fn about_another(config: &Config) -> Config {
    let mut config = config.clone();
    config.probe = None;
    config.heartbeats.clear();
    config.outlets.clear();
    config.chat = None;
    config.web.enabled = false;
    config
}

/// What was heard, as a cycle sees it.
struct Hearsay {
    to: Destination,
    heard: Result<Answer, Unheard>,
    /// How the machine is called if it was not heard.
    name: String,
}

impl Eyes for Hearsay {
    fn look(&self, _: &Config, _: &Remembered, now: Time) -> Observed {
        let mut snapshot = match &self.heard {
            Ok(answer) => answer.snapshot.clone(),
            Err(why) => unseen(&self.name, &self.to, why, now),
        };
        // Hashes that another machine's key made say nothing here.
        snapshot.fleet = false;
        for assessed in &mut snapshot.credentials {
            assessed.credential.fingerprint = None;
        }
        of_another(snapshot, 0)
    }
}

/// Nothing is known of it but that.
fn unseen(name: &str, to: &Destination, why: &Unheard, now: Time) -> Snapshot {
    let fix = format!("opensoul status --host {to}");
    let finding = Finding::new(UNREACHED, Severity::Warning, why.to_string(), fix);
    Snapshot {
        taken_at: now,
        host: name.to_owned(),
        credentials: Vec::new(),
        providers: Vec::new(),
        gateway: Gateway { state: GatewayState::Unknown, detail: "not seen".to_owned() },
        findings: vec![finding.at(Place::default().key(to.to_string()))],
        sources: Vec::new(),
        clock_problem: None,
        fleet: false,
    }
}

/// What another machine is called in alerts: as it called itself last. `state` is where it is remembered.
#[must_use]
pub fn name(state: &Path, to: &Destination) -> String {
    remembered_name(state).unwrap_or_else(|| to.server().to_owned())
}

fn remembered_name(state: &Path) -> Option<String> {
    let file = std::fs::File::open(state.join(NAME)).ok()?;
    let mut name = String::new();
    file.take(LONGEST_NAME).read_to_string(&mut name).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn remember_name(state: &Path, name: &str) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(state)?;
    writeln!(file, "{name}")?;
    file.persist(state.join(NAME)).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(remembered_name(dir.path()), None);
        remember_name(dir.path(), "box").unwrap();
        remember_name(dir.path(), "other").unwrap();
        assert_eq!(remembered_name(dir.path()).as_deref(), Some("other"));
    }

    #[test]
    fn who_was_not_heard_is_unseen() {
        let to: Destination = "ann@box".parse().unwrap();
        let why = Unheard::Unreached(Unreached::Late { host: to.to_string(), seconds: 20 });
        let now = "2027-01-10T12:00:00Z".parse().unwrap();
        let snapshot = unseen("box.example.org", &to, &why, now);
        assert_eq!((snapshot.findings.len(), snapshot.findings[0].id.as_str()), (1, "machine.unreached"));
        assert!(snapshot.findings[0].message.contains("did not answer within 20 s"));
        assert_eq!(snapshot.host, "box.example.org");
    }
}
