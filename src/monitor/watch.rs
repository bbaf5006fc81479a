//! Watching the places of credentials: a changed login is read again within two seconds, not at the next tick.
//!
//! What is watched are directories, because owners replace their files by renaming; which, follows from where the sources
//! looked ([`plan`]). How often a change may cause a look is decided in [`pace`]: at once, unless that file changes all the
//! time. Nothing is polled. What the system does not report (network file systems, more directories than may be watched, other
//! systems than Linux and Android) is seen by the schedule.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod pace;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::domain::{Snapshot, Time};

/// "Something that matters has changed."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed;

/// What is to be watched, and since when changes of it are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    paths: BTreeSet<PathBuf>,
    read_at: Time,
}

/// A running watch; ends with [`Watch::stop`] or the runtime.
pub struct Watch {
    wanted: watch::Sender<Wanted>,
    task: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts one that watches nothing yet. Where it cannot, it says so, and the schedule alone counts.
    #[must_use]
    pub fn start(changes: mpsc::Sender<Changed>) -> Self {
        let (wanted, wishes) = watch::channel(Wanted::default());
        Self { wanted, task: start(wishes, changes) }
    }

    /// Watches what this snapshot was read from, and nothing else.
    pub fn follow(&self, snapshot: &Snapshot) {
        if self.task.is_none() {
            return;
        }
        let looked = snapshot.sources.iter().flat_map(|source| &source.looked).map(PathBuf::as_path);
        let origins = snapshot.credentials.iter().filter_map(|one| one.credential.origin.path.as_deref());
        let paths: BTreeSet<PathBuf> =
            looked.chain(origins).filter(|path| path.is_absolute()).map(Into::into).collect();
        self.wanted.send_if_modified(|wanted| {
            let new = wanted.paths != paths;
            *wanted = Wanted { paths, read_at: snapshot.taken_at };
            new
        });
    }

    /// No change is reported after this.
    pub fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn start(_: watch::Receiver<Wanted>, _: mpsc::Sender<Changed>) -> Option<JoinHandle<()>> {
    tracing::info!("changes of files are not watched on this system: they are read when [schedule] status says so");
    None
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod inotify;

#[cfg(any(target_os = "linux", target_os = "android"))]
fn start(wishes: watch::Receiver<Wanted>, changes: mpsc::Sender<Changed>) -> Option<JoinHandle<()>> {
    match inotify::Eye::open() {
        Ok(eye) => Some(tokio::spawn(inotify::run(eye, wishes, changes))),
        Err(error) => {
            tracing::warn!(%error, "changes of files cannot be watched: they are read when [schedule] status says so");
            None
        }
    }
}
