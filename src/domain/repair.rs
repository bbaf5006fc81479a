//! What a check proposes to change: a value, so that it can be shown before anything happens. `control::repair` applies it;
//! whoever proposes one never writes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One safe change. Each does nothing where it has been done already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Repair {
    /// Takes permissions away from others; never gives any.
    Close {
        /// The file or directory; a link is followed.
        path: PathBuf,
        /// What remains at most (`0o600`, `0o700`).
        keep: u32,
    },
    /// The same for every file directly in a directory.
    CloseFilesIn {
        /// The directory.
        path: PathBuf,
        /// What remains at most.
        keep: u32,
    },
    /// Makes a directory that its owner expects, for its owner only. The one around it must be there.
    MakeDirectory {
        /// Where.
        path: PathBuf,
    },
    /// Takes a lock away whose holder is gone: older than its owner's own rules let a lock be.
    RemoveLock {
        /// The lock, a file or an empty directory.
        path: PathBuf,
        /// Age from which it is stale, in seconds; looked at again before it is removed.
        stale_after: u64,
    },
    /// Takes names out of a store's order that no store holds. The file is backed up before.
    PruneStoreOrder {
        /// `auth-profiles.json`
        path: PathBuf,
        /// The key of `order`, as spelled there.
        provider: String,
        /// The names.
        ids: Vec<String>,
    },
    /// The same in the `auth.order` of a gateway's config; its comments stay. The file is backed up before.
    PruneConfigOrder {
        /// The config.
        path: PathBuf,
        /// The key of `auth.order`, as spelled there.
        provider: String,
        /// The names.
        ids: Vec<String>,
    },
    /// Gives a login of a gateway's config (`auth.profiles`, `auth.order`) the id that it has in the store. The file is backed up
    /// before.
    RenameProfile {
        /// The config.
        path: PathBuf,
        /// The id there.
        from: String,
        /// The id in the store.
        to: String,
    },
}

impl Repair {
    /// What is changed.
    #[must_use]
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Close { path, .. }
            | Self::CloseFilesIn { path, .. }
            | Self::MakeDirectory { path }
            | Self::RemoveLock { path, .. }
            | Self::PruneStoreOrder { path, .. }
            | Self::PruneConfigOrder { path, .. }
            | Self::RenameProfile { path, .. } => path,
        }
    }
}

impl std::fmt::Display for Repair {
    /// What it will do, for the person who is asked: `chmod go= /x`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path().display();
        match self {
            Self::Close { keep, .. } => write!(f, "{path}: take every permission beyond {keep:04o} away"),
            Self::CloseFilesIn { keep, .. } => {
                write!(f, "the files in {path}: take every permission beyond {keep:04o} away")
            }
            Self::MakeDirectory { .. } => write!(f, "{path}: make this directory, for its owner only (0700)"),
            Self::RemoveLock { .. } => write!(f, "{path}: remove this lock, whose holder is gone"),
            Self::PruneStoreOrder { provider, ids, .. } => {
                write!(f, "{path}: take {} out of order.{provider}, after a backup", ids.join(", "))
            }
            Self::PruneConfigOrder { provider, ids, .. } => {
                write!(f, "{path}: take {} out of auth.order.{provider}, after a backup", ids.join(", "))
            }
            Self::RenameProfile { from, to, .. } => {
                write!(f, "{path}: call {from} {to} in auth.profiles and auth.order, after a backup")
            }
        }
    }
}
