//! What lies in the way of the gateway's own writes: locks that nobody holds any more, and directories that are not there.

use std::fs::{self, DirEntry, Metadata};
use std::path::{Path, PathBuf};

use super::files::{Surveyed, quoted, surveyed};
use super::{By, Check, Context};
use crate::domain::{Finding, Place, Repair, Severity, Span, Time};
use crate::formats::installation::Installation;

pub(super) const CHECKS: &[Check] = &[
    Check { id: "store.stale-lock", about: "locks whose holder is gone", by: By::Doctor(stale_locks) },
    Check { id: "state.missing-directory", about: "directories that the gateway needs", by: By::Doctor(missing) },
];

/// The gateway takes over a lock of this age itself (`facts` §3 of the original); a holder renews it every 15 s.
const STALE: u64 = 30;
/// Twice that, and some: nobody is just about to renew it.
const GONE: Span = Span::seconds(90);

fn age(meta: &Metadata, now: Time) -> Option<Span> {
    Some(now - Time::from(meta.modified().ok()?))
}

/// The file of an agent's credentials, and that of its sessions.
pub(super) const STORE: &str = "auth-profiles.json";
pub(super) const SESSIONS: &str = "sessions.json";

/// Whether an entry of a directory says that `file` in it may be locked: its lock, or a link that leads elsewhere.
pub(super) fn concerns(entry: &DirEntry, name: &str, file: &str) -> bool {
    match name.strip_prefix(file) {
        Some(".lock") => true,
        Some("") => entry.file_type().is_ok_and(|kind| kind.is_symlink()),
        _ => false,
    }
}

/// Where the lock of a file is.
pub(super) fn beside(path: &Path) -> PathBuf {
    // The gateway follows links before it locks; those on the way lead to the same place.
    let real = if path.is_symlink() { path.canonicalize().ok() } else { None };
    let mut name = real.unwrap_or_else(|| path.to_owned()).into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

fn stale_locks(context: &Context<'_>) -> Vec<Finding> {
    let now = context.now;
    let mut findings = Vec::new();
    for Surveyed { dirs, sessions, .. } in surveyed(context).iter().filter(|seen| !seen.installation.sqlite) {
        findings.extend(dirs.iter().filter_map(|dir| store_lock(dir.lock.as_deref()?, now)));
        findings.extend(sessions.iter().filter_map(|sessions| sessions_lock(sessions.lock.as_deref()?, now)));
    }
    findings
}

/// A directory, by the protocol. One that is a file is never taken over: it stops every writer.
fn store_lock(path: &Path, now: Time) -> Option<Finding> {
    let meta = fs::symlink_metadata(path).ok()?;
    let age = age(&meta, now).filter(|age| *age > GONE)?;
    let (severity, effect) = if meta.is_dir() {
        (Severity::Info, "whoever writes next takes it over")
    } else {
        (Severity::Warning, "it is a file where a directory belongs, so it stops every command that writes the store")
    };
    Some(stale(path, age, severity, effect, &meta))
}

fn sessions_lock(path: &Path, now: Time) -> Option<Finding> {
    let meta = fs::symlink_metadata(path).ok()?;
    let age = age(&meta, now).filter(|age| *age > GONE)?;
    Some(stale(path, age, Severity::Info, "whoever writes next takes it over", &meta))
}

fn stale(path: &Path, age: Span, severity: Severity, effect: &str, meta: &Metadata) -> Finding {
    let message =
        format!("A lock has been lying here for {} minutes, and its holder is gone: {effect}.", age.num_minutes());
    let how = if meta.is_dir() { "rmdir" } else { "rm" };
    Finding::new("store.stale-lock", severity, message, format!("{how} {}", quoted(path)))
        .at(Place::file(path))
        .mended_by(Repair::RemoveLock { path: path.to_owned(), stale_after: STALE })
}

/// Only where a gateway runs or is installed as a service: one that was never started has made nothing yet.
fn missing(context: &Context<'_>) -> Vec<Finding> {
    if context.gateway.units.is_empty() && context.gateway.process.is_none() {
        return Vec::new();
    }
    let Some(installation) = context.installations.iter().find(|i| i.chosen) else { return Vec::new() };
    if !installation.state_dir.exists() {
        let message = "The gateway is installed, and its state directory is not there: logins and conversations are elsewhere or lost.";
        // Made anew, it would hide that the old one was moved.
        let fix = format!(
            "Bring it back from a backup, or set OPENSOUL_STATE_DIR to where it is; then {}",
            context.gateway.restart_command()
        );
        let place = Place::file(&installation.state_dir);
        return vec![Finding::new("state.missing-directory", Severity::Critical, message, fix).at(place)];
    }
    needed(installation)
        .into_iter()
        .filter(|dir| !dir.exists() && dir.parent().is_some_and(Path::is_dir))
        .map(made)
        .collect()
}

/// What the gateway writes to and does not always make by itself.
fn needed(installation: &Installation) -> Vec<PathBuf> {
    let of_agent = |agent: &str| installation.state_dir.join("agents").join(agent).join("sessions");
    if installation.sqlite { Vec::new() } else { vec![of_agent("main")] }
}

fn made(dir: PathBuf) -> Finding {
    let message = "A directory that the gateway keeps conversations in is missing: sessions cannot be stored.";
    let fix = format!("mkdir -m 700 {}", quoted(&dir));
    Finding::new("state.missing-directory", Severity::Warning, message, fix)
        .at(Place::file(&dir))
        .mended_by(Repair::MakeDirectory { path: dir })
}
