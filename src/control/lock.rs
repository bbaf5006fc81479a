//! The locks of the files' owners, so that their programs and ours wait for each other.
//!
//! Two protocols, both beside the file and named `<real path of the file>.lock`:
//! - a DIRECTORY (`auth-profiles.json`): made with mkdir; stale when its mtime is more than 30 s old, so a holder renews it every
//!   15 s; released with rmdir. An mtime ahead of the clock is fresh: the owner's programs set it up to a second ahead.
//! - a FILE (`sessions.json`): made exclusively, with the holder's process number inside; stale by the same 30 s; unlinked.
//!
//! Nothing else may lie in the directory: the owner's rmdir would fail for ever.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::WriteError;
use crate::clock::Clock;
use crate::domain::{Span, Time};
use crate::formats::shell;

/// A lock that nobody renewed for so long has no holder.
const STALE: Span = Span::seconds(30);
/// How often a holder renews it.
const RENEW: Duration = Duration::from_secs(15);
/// The waits between two attempts begin with the first and double up to the second.
const WAITS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(64));

/// How the owner of a file locks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A directory beside it (`auth-profiles.json`; we lock the config so too, which its owner does not).
    Directory,
    /// A file beside it (`sessions.json`).
    File,
}

/// How we wait for locks.
pub struct Keeper<'a> {
    /// The machine's clocks.
    pub clock: &'a dyn Clock,
    /// How long to wait for one lock. Longer than 30 s, and what a killed program left is taken over.
    pub patience: Duration,
    /// Told once, after a second, which lock is waited for.
    pub waiting: &'a dyn Fn(&Path),
}

impl Keeper<'_> {
    /// What a person's command waits: enough for a lock that a killed program left in this moment.
    pub const PATIENCE: Duration = Duration::from_secs(35);
}

/// Held for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    protocol: Protocol,
    /// Open, so that its inode cannot be given to another's lock while we compare.
    held: File,
    renewing: Option<(mpsc::Sender<()>, thread::JoinHandle<()>)>,
}

impl Lock {
    /// Waits for the lock of `target`, whose links must be resolved already and whose directory must be there.
    ///
    /// # Errors
    /// It stays held, something else is in its place, or it cannot be made.
    pub fn acquire(target: &Path, protocol: Protocol, keeper: &Keeper<'_>) -> Result<Self, WriteError> {
        let path = beside(target);
        let began = keeper.clock.monotonic();
        let mut told = false;
        let mut wait = WAITS.0;
        loop {
            if let Some(held) = make(&path, protocol, keeper.clock.now())? {
                let renewing = renew(&path, &held);
                return Ok(Self { path, protocol, held, renewing });
            }
            if evict(&path, protocol, keeper.clock.now())? {
                continue;
            }
            let waited = keeper.clock.monotonic().saturating_sub(began);
            if waited >= keeper.patience {
                let remove = if protocol == Protocol::Directory { "rmdir" } else { "rm" };
                let remedy = format!("{remove} {}", shell::word(&path.to_string_lossy()));
                return Err(WriteError::Busy { lock: path, waited, remedy });
            }
            if !told && waited >= Duration::from_secs(1) {
                told = true;
                (keeper.waiting)(&path);
            }
            // Those who wait together do not knock together.
            thread::sleep(wait + Duration::from_micros(u64::from(std::process::id() % 997)));
            wait = (wait * 2).min(WAITS.1);
        }
    }

    /// False if somebody took it from us for stale (this machine slept, or the disk did): then nothing may be written.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        same(&self.held, &self.path)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some((stop, renewing)) = self.renewing.take() {
            drop(stop);
            // It holds nothing and ends by itself.
            let _ = renewing.join();
        }
        if self.is_ours() {
            // What cannot be removed is stale in 30 s.
            let _ = match self.protocol {
                Protocol::Directory => fs::remove_dir(&self.path),
                Protocol::File => fs::remove_file(&self.path),
            };
        }
    }
}

/// `<target>.lock`
fn beside(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Makes the lock; `None` if somebody has it.
fn make(path: &Path, protocol: Protocol, now: Time) -> Result<Option<File>, WriteError> {
    let made = match protocol {
        Protocol::Directory => DirBuilder::new().mode(0o700).create(path).and_then(|()| File::open(path)),
        Protocol::File => {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
                let (pid, at) = (std::process::id(), now.timestamp_millis());
                write!(file, "{{\"pid\":{pid},\"startedAt\":{at}}}")?;
                Ok(file)
            })
        }
    };
    match made {
        Ok(held) => Ok(Some(held)),
        // Removed between mkdir and open, by somebody whose clock is far ahead: tried again.
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound && path.parent().is_some_and(Path::is_dir) => Ok(None),
        Err(error) => {
            if protocol == Protocol::File && error.kind() == ErrorKind::StorageFull {
                // Made, but for its text.
                let _ = fs::remove_file(path);
            }
            Err(WriteError::at(path)(error))
        }
    }
}

/// Removes a stale lock; true if it is worth trying at once. Two of us who find the same one stale do not remove each other's
/// new one: who removes has locked the very directory (or file) that he judged.
fn evict(path: &Path, protocol: Protocol, now: Time) -> Result<bool, WriteError> {
    let blocked = |why| WriteError::Blocked { lock: path.to_owned(), why };
    let facts = match path.symlink_metadata() {
        Ok(facts) => facts,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(WriteError::at(path)(error)),
    };
    match protocol {
        Protocol::Directory if !facts.is_dir() => return Err(blocked("is a file where a directory locks")),
        Protocol::File if !facts.is_file() => return Err(blocked("is no file")),
        _ => {}
    }
    if !stale(&facts, now) {
        return Ok(false);
    }
    let Ok(judged) = File::open(path) else { return Ok(false) };
    if flock(&judged, FlockOperation::NonBlockingLockExclusive).is_err()
        || !same(&judged, path)
        || !judged.metadata().is_ok_and(|facts| stale(&facts, now))
    {
        return Ok(false);
    }
    let removed = match protocol {
        Protocol::Directory => fs::remove_dir(path),
        Protocol::File => fs::remove_file(path),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
            Err(blocked("is a directory with something in it"))
        }
        Err(error) => Err(WriteError::at(path)(error)),
    }
}

fn stale(facts: &Metadata, now: Time) -> bool {
    facts.modified().is_ok_and(|modified| Time::from(modified) < now - STALE)
}

/// Whether what is open is what stands at the path.
pub(super) fn same(open: &File, path: &Path) -> bool {
    match (open.metadata(), path.symlink_metadata()) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Renews the lock while it is held, by the open file: whoever has taken the path is not renewed.
fn renew(path: &Path, held: &File) -> Option<(mpsc::Sender<()>, thread::JoinHandle<()>)> {
    let held = held.try_clone().ok()?;
    let path = path.to_owned();
    let (stop, stopped) = mpsc::channel::<()>();
    let work = move || {
        while stopped.recv_timeout(RENEW) == Err(mpsc::RecvTimeoutError::Timeout) {
            let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
            let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
            if let Err(error) = rustix::fs::futimens(&held, &times) {
                tracing::debug!(%error, lock = %path.display(), "the lock cannot be renewed");
            }
        }
    };
    let thread = thread::Builder::new().name("lock".to_owned()).spawn(work).ok()?;
    Some((stop, thread))
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
