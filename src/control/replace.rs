//! A file replaced in one step: whoever reads sees the old one or the new one, whole, at every moment and after every crash.
//!
//! Temporary file in the same directory (0600), fsync, rename, fsync of the directory. A symbolic link is followed once, at the
//! start, and its target replaced. The owner stays who it was. What a killed run left behind is removed by the next one.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Keeper, Lock, Protocol, WriteError};
use crate::files::{self, Contents};
use crate::store::fault;

/// How large a file of an owner may be (ten thousand profiles have three megabytes).
const LIMIT: u64 = 16 << 20;

/// How often somebody who writes without a lock may come between.
const TIMES: u32 = 5;

/// What temporary files end with; with the file's name before it nobody else's file is called so.
const SUFFIX: &str = ".opensoul-tmp";

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The file itself: links are resolved.
    pub path: PathBuf,
    /// There was none before.
    pub created: bool,
    /// False if the edit wanted nothing else than what was there.
    pub changed: bool,
}

/// Locks the file, reads it, lets `edit` say what it shall be (`None`: as it is), and replaces it. A directory that is
/// missing is made (0700). If a program that knows no lock changes the file meanwhile, `edit` is asked again with the new text.
///
/// # Errors
/// Those of `edit`; a lock that stays held; whatever the system refuses. Nothing is changed then.
pub fn update<E: From<WriteError>>(
    path: &Path,
    protocol: Protocol,
    keeper: &Keeper<'_>,
    mut edit: impl FnMut(Option<&str>) -> Result<Option<String>, E>,
) -> Result<Updated, E> {
    let path = real(path)?;
    make_directory(path.parent().unwrap_or(Path::new("/")))?;
    for _ in 0..TIMES {
        let lock = Lock::acquire(&path, protocol, keeper)?;
        fault::point("write-locked");
        sweep(&path);
        let before = read(&path)?;
        let created = before.is_none();
        let old = before.as_ref().map(|contents| contents.text.as_str());
        let new = edit(old)?.filter(|new| Some(new.as_str()) != old).map(zeroize::Zeroizing::new);
        let Some(new) = new else { return Ok(Updated { path, created: false, changed: false }) };
        if replace(&path, old, &new, &lock)? {
            return Ok(Updated { path, created, changed: true });
        }
    }
    Err(WriteError::Contended { path, times: TIMES }.into())
}

/// Writes a private copy beside a file (`<file>.bak`), as its owner does: four older ones are kept. What is there already
/// is not written again.
///
/// # Errors
/// Whatever the system refuses.
pub fn back_up(path: &Path, text: &str) -> Result<PathBuf, WriteError> {
    let numbered = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if n == 0 { ".bak".to_owned() } else { format!(".bak.{n}") });
        PathBuf::from(name)
    };
    let newest = numbered(0);
    if read(&newest).ok().flatten().is_some_and(|kept| kept.text.as_str() == text) {
        return Ok(newest);
    }
    for n in (0..4).rev() {
        match fs::rename(numbered(n), numbered(n + 1)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(WriteError::at(&numbered(n))(error)),
            _ => {}
        }
    }
    let new = temporary(&newest, text, path.metadata().ok().as_ref())?;
    new.persist(&newest).map_err(|error| WriteError::at(&newest)(error.error))?;
    Ok(newest)
}

/// The file itself, where the path is a link to one; a file that is missing stands where the path says.
fn real(path: &Path) -> Result<PathBuf, WriteError> {
    match path.canonicalize() {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_ok() => {
            Err(WriteError::Unusable { path: path.to_owned(), why: "is a link to nothing".to_owned() })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Its directory may be reached by links: the owner's lock is beside the real file.
            let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
            Ok(parent.zip(path.file_name()).map_or_else(|| path.to_owned(), |(parent, name)| parent.join(name)))
        }
        Err(error) => Err(WriteError::at(path)(error)),
    }
}

fn read(path: &Path) -> Result<Option<Contents>, WriteError> {
    files::read(path, LIMIT).map_err(|trouble| WriteError::Unusable { path: path.to_owned(), why: trouble.why })
}

/// Makes what is missing of a directory, private; for root, with the owner of what is there already.
fn make_directory(dir: &Path) -> Result<(), WriteError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_directory(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {
            let made = File::open(dir).map_err(WriteError::at(dir))?;
            give(&made, dir.parent().and_then(|parent| parent.metadata().ok()).as_ref()).map_err(WriteError::at(dir))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(WriteError::at(dir)(error)),
    }
}

/// False if the file was changed meanwhile, or the lock was taken from us: nothing is changed then.
fn replace(path: &Path, before: Option<&str>, after: &str, lock: &Lock) -> Result<bool, WriteError> {
    let facts = path.metadata().ok();
    let us = rustix::process::geteuid();
    if let Some(uid) = facts.as_ref().map(Metadata::uid).filter(|uid| !us.is_root() && *uid != us.as_raw()) {
        return Err(WriteError::NotOurs { path: path.to_owned(), uid });
    }
    let new = temporary(path, after, facts.as_ref())?;
    let there = read(path)?;
    if !lock.is_ours() || there.as_ref().map(|contents| contents.text.as_str()) != before {
        return Ok(false);
    }
    fault::point("write-renaming");
    new.persist(path).map_err(|error| WriteError::at(path)(error.error))?;
    fault::point("write-renamed");
    // The content is safe; a crash of the machine could still bring the old name back. That is no reason to say it failed.
    if let Err(error) = path.parent().map_or(Ok(()), |dir| File::open(dir).and_then(|dir| dir.sync_all())) {
        tracing::debug!(%error, path = %path.display(), "the directory cannot be synchronised");
    }
    Ok(true)
}

/// A private temporary file beside `path` with this text, safely on the disk; it vanishes unless it is persisted.
fn temporary(path: &Path, text: &str, facts: Option<&Metadata>) -> Result<tempfile::NamedTempFile, WriteError> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut new =
        tempfile::Builder::new().prefix(&prefix(path)).suffix(SUFFIX).tempfile_in(dir).map_err(WriteError::at(dir))?;
    fault::point("write-made");
    let whose = facts.map_or_else(|| dir.metadata().ok(), |facts| Some(facts.clone()));
    new.write_all(text.as_bytes())
        .and_then(|()| give(new.as_file(), whose.as_ref()))
        .and_then(|()| new.as_file().sync_all())
        .map_err(WriteError::at(path))?;
    fault::point("write-synced");
    Ok(new)
}

/// Root gives a file to whom it belonged.
fn give(file: &File, owner: Option<&Metadata>) -> std::io::Result<()> {
    let Some(owner) = owner.filter(|_| rustix::process::geteuid().is_root()) else { return Ok(()) };
    std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
}

fn prefix(path: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name
}

/// Removes temporary files of runs that were killed: they hold secrets. Under the lock, nobody is writing one now.
fn sweep(path: &Path) {
    let prefix = prefix(path);
    let Some(entries) = path.parent().and_then(|dir| fs::read_dir(dir).ok()) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.starts_with(prefix.as_encoded_bytes()) && name.ends_with(SUFFIX.as_bytes()) {
            // What cannot be removed is tried again by the next.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[path = "replace_tests.rs"]
mod tests;
