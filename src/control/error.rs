//! Why nothing was written.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why nothing was written. The messages name the place and what to do, and quote nothing.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refused.
    #[error("{}: {}; nothing was changed there", path.display(), words(source))]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is there and cannot be used as a file.
    #[error("{} {why}; nothing was changed", path.display())]
    Unusable {
        /// Where.
        path: PathBuf,
        /// What is wrong; follows the path in a sentence.
        why: String,
    },
    /// It belongs to another user.
    #[error("{} belongs to another user (uid {uid}); run this as that user", path.display())]
    NotOurs {
        /// Where.
        path: PathBuf,
        /// Whose.
        uid: u32,
    },
    /// Somebody else holds the lock.
    #[error(
        "{} has been held by another program for {} s (a gateway that is writing?); nothing was changed. Try again; if no \
         gateway runs: {remedy}",
        lock.display(), waited.as_secs()
    )]
    Busy {
        /// The lock.
        lock: PathBuf,
        /// How long we tried.
        waited: Duration,
        /// How a person removes it.
        remedy: String,
    },
    /// Something that no program of the owner leaves there is in the place of the lock.
    #[error("{} {why}, so that nobody can lock the file; nothing was changed. Look at it and move it away", lock.display())]
    Blocked {
        /// The lock's place.
        lock: PathBuf,
        /// What it is; follows the path in a sentence.
        why: &'static str,
    },
    /// Somebody writes without the lock, again and again, or took the lock from us.
    #[error("{} was changed by another program in the same moment, {times} times; nothing was changed by us. Try again", path.display())]
    Contended {
        /// Where.
        path: PathBuf,
        /// How often we tried.
        times: u32,
    },
}

impl WriteError {
    /// For `map_err` at a place.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }
}

/// In words that a person can act on.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "your quota of the disk is used up".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
