//! Applies the repairs that checks propose (`doctor --fix`): one at a time, each safe to do again, each looked at once more
//! before it is done. Decides nothing about what is wrong.

use std::fs::{self, DirBuilder, Metadata};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::replace::back_up;
use super::{Keeper, Protocol, WriteError, update};
use crate::clock::Clock;
use crate::domain::{Repair, Span, Time};
use crate::formats::{config_edit, order_prune};

/// What became of one repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is done; where the old content is kept, if there was one to keep.
    Done {
        /// The backup.
        backup: Option<PathBuf>,
    },
    /// There was nothing to do any more.
    Unneeded,
}

/// Why a repair was not done, or not wholly: of a directory, the other files are closed all the same.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: Error,
    },
    /// Something else is there than was expected.
    #[error("{}: {why}", path.display())]
    Refused {
        /// Where.
        path: PathBuf,
        /// What.
        why: String,
    },
    /// A file could not be replaced.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Does it, unless it is done already.
///
/// # Errors
/// Why it was not done.
pub fn apply(repair: &Repair, clock: &dyn Clock) -> Result<Applied, Failed> {
    match repair {
        Repair::Close { path, keep } => close(path, *keep),
        Repair::CloseFilesIn { path, keep } => close_files(path, *keep),
        Repair::MakeDirectory { path } => make(path),
        Repair::RemoveLock { path, stale_after } => remove_lock(path, *stale_after, clock.now()),
        Repair::PruneStoreOrder { path, provider, ids } => {
            let keys = ["order", provider.as_str()];
            edit(path, clock, |text| order_prune::prune(text, &keys, ids).map_err(str::to_owned))
        }
        Repair::PruneConfigOrder { path, provider, ids } => {
            let keys = ["auth", "order", provider.as_str()];
            edit(path, clock, |text| order_prune::prune(text, &keys, ids).map_err(str::to_owned))
        }
        Repair::RenameProfile { path, from, to } => edit(path, clock, |text| {
            let after = config_edit::rename(text, from, to).map_err(|error| error.to_string())?;
            Ok(Some(after).filter(|after| after != text))
        }),
    }
}

fn io(path: &Path) -> impl Fn(Error) -> Failed {
    move |source| Failed::Io { path: path.to_owned(), source }
}

fn refused(path: &Path, why: &str) -> Failed {
    Failed::Refused { path: path.to_owned(), why: why.to_owned() }
}

/// What is there, links followed; `None` if nothing is any more.
fn found(path: &Path) -> Result<Option<Metadata>, Failed> {
    match fs::metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path)(error)),
    }
}

/// Only ever takes permissions away. A file of somebody else's is left to him, even by root: he may need it so.
pub(super) fn close(path: &Path, keep: u32) -> Result<Applied, Failed> {
    let Some(meta) = found(path)? else { return Ok(Applied::Unneeded) };
    if !(meta.is_file() || meta.is_dir()) {
        return Err(refused(path, "is neither a file nor a directory"));
    }
    let mode = meta.mode() & 0o7777;
    if mode & !keep == 0 {
        return Ok(Applied::Unneeded);
    }
    let uid = rustix::process::getuid().as_raw();
    if meta.uid() != uid {
        let why = format!(
            "belongs to user number {}, not to you ({uid}); run the command of the finding as that user",
            meta.uid()
        );
        return Err(refused(path, &why));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & keep)).map_err(io(path))?;
    Ok(Applied::Done { backup: None })
}

fn close_files(dir: &Path, keep: u32) -> Result<Applied, Failed> {
    let (mut applied, mut failed) = (Applied::Unneeded, None);
    for entry in fs::read_dir(dir).map_err(io(dir))?.filter_map(Result::ok) {
        // Where a link leads is another place, which nobody asked about.
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        match close(&entry.path(), keep) {
            Ok(Applied::Unneeded) => {}
            Ok(done) => applied = done,
            Err(why) => failed = failed.or(Some(why)),
        }
    }
    failed.map_or(Ok(applied), Err)
}

fn make(path: &Path) -> Result<Applied, Failed> {
    // Not its parents: what they should be like is not known.
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(Applied::Done { backup: None }),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(Applied::Unneeded),
        Err(error) => Err(io(path)(error)),
    }
}

/// Removes a lock that is still as old as it was. The directory of a lock is empty; a file is at most a note about its holder.
fn remove_lock(path: &Path, stale_after: u64, now: Time) -> Result<Applied, Failed> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Applied::Unneeded),
        Err(error) => return Err(io(path)(error)),
    };
    let modified = meta.modified().map(Time::from).map_err(io(path))?;
    let stale = Span::from_std(Duration::from_secs(stale_after)).unwrap_or(Span::MAX);
    if now - modified <= stale {
        return Err(refused(path, "somebody holds it again"));
    }
    if !(meta.is_dir() || meta.is_file() && meta.len() <= 4096) {
        return Err(refused(path, "does not look like a lock"));
    }
    // As those who wait for it do: only the very one that was judged, and only one of us at a time.
    let judged = fs::File::open(path).map_err(io(path))?;
    if flock(&judged, FlockOperation::NonBlockingLockExclusive).is_err() || !super::lock::same(&judged, path) {
        return Err(refused(path, "somebody holds it again"));
    }
    let removed = if meta.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    match removed {
        Ok(()) => Ok(Applied::Done { backup: None }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Applied::Unneeded),
        Err(error) => Err(io(path)(error)),
    }
}

/// Under the lock of the file's owner; the old text is kept beside it.
fn edit(
    path: &Path,
    clock: &dyn Clock,
    change: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<Applied, Failed> {
    let keeper = Keeper { clock, patience: Keeper::PATIENCE, waiting: &|_| {} };
    let mut backup = None;
    let updated = update(path, Protocol::Directory, &keeper, |before| {
        let Some(before) = before else { return Ok(None) };
        let after = change(before).map_err(|why| WriteError::Unusable { path: path.to_owned(), why })?;
        if after.is_some() {
            backup = Some(back_up(&path.canonicalize().unwrap_or_else(|_| path.to_owned()), before)?);
        }
        Ok::<_, WriteError>(after)
    })?;
    Ok(if updated.changed { Applied::Done { backup } } else { Applied::Unneeded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    fn clock_after(path: &Path, seconds: i64) -> ManualClock {
        let modified = Time::from(fs::symlink_metadata(path).expect("there").modified().expect("a time"));
        ManualClock::at(modified + Span::seconds(seconds))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o7777
    }

    fn now() -> ManualClock {
        ManualClock::at("2026-11-20T12:00:00Z".parse().expect("a date"))
    }

    const DONE: Applied = Applied::Done { backup: None };

    #[test]
    fn permissions_are_taken_and_never_given() {
        let dir = dir();
        let path = dir.path().join("x");
        fs::write(&path, "x").expect("file");
        for (before, after) in
            [(0o644, Some(0o600)), (0o640, Some(0o600)), (0o400, None), (0o600, None), (0o4755, Some(0o600))]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).expect("mode");
            let repair = Repair::Close { path: path.clone(), keep: 0o600 };
            let expected = if after.is_some() { DONE } else { Applied::Unneeded };
            assert_eq!(apply(&repair, &now()).expect("applied"), expected, "{before:o}");
            assert_eq!(mode(&path), after.unwrap_or(before));
            assert_eq!(apply(&repair, &now()).expect("again"), Applied::Unneeded);
        }
        let gone = Repair::Close { path: dir.path().join("gone"), keep: 0o600 };
        assert_eq!(apply(&gone, &now()).expect("nothing there"), Applied::Unneeded);
    }

    #[test]
    fn files_in_a_directory_are_closed_and_links_are_not_followed() {
        let (dir, other) = (dir(), dir());
        let (inside, outside) = (dir.path().join("a.jsonl"), other.path().join("b"));
        for path in [&inside, &outside] {
            fs::write(path, "x").expect("file");
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("mode");
        }
        std::os::unix::fs::symlink(&outside, dir.path().join("link")).expect("link");
        let repair = Repair::CloseFilesIn { path: dir.path().to_owned(), keep: 0o600 };
        assert_eq!(apply(&repair, &now()).expect("applied"), DONE);
        assert_eq!((mode(&inside), mode(&outside)), (0o600, 0o644));
        assert_eq!(apply(&repair, &now()).expect("again"), Applied::Unneeded);
    }

    #[test]
    fn a_directory_is_made_for_its_owner_and_only_where_its_parent_is() {
        let dir = dir();
        let path = dir.path().join("sessions");
        let repair = Repair::MakeDirectory { path: path.clone() };
        assert_eq!(apply(&repair, &now()).expect("applied"), DONE);
        assert_eq!(mode(&path), 0o700);
        assert_eq!(apply(&repair, &now()).expect("again"), Applied::Unneeded);
        assert!(apply(&Repair::MakeDirectory { path: dir.path().join("a/b") }, &now()).is_err());
        fs::write(dir.path().join("file"), "x").expect("file");
        assert!(apply(&Repair::MakeDirectory { path: dir.path().join("file") }, &now()).is_err());
    }

    #[test]
    fn only_a_lock_that_is_stale_and_empty_is_removed() {
        let dir = dir();
        let path = dir.path().join("x.lock");
        let repair = Repair::RemoveLock { path: path.clone(), stale_after: 30 };
        assert_eq!(apply(&repair, &now()).expect("nothing there"), Applied::Unneeded);
        fs::create_dir(&path).expect("lock");
        assert!(apply(&repair, &clock_after(&path, 30)).is_err() && path.exists(), "held");
        fs::write(path.join("x"), "x").expect("file");
        assert!(apply(&repair, &clock_after(&path, 31)).is_err() && path.exists(), "it is no lock");
        fs::remove_file(path.join("x")).expect("remove");
        assert_eq!(apply(&repair, &clock_after(&path, 31)).expect("applied"), DONE);
        fs::write(&path, vec![b'x'; 5000]).expect("file");
        assert!(apply(&repair, &clock_after(&path, 31)).is_err() && path.exists(), "too large for a lock");
        fs::write(&path, "{\"pid\":1}").expect("file");
        assert_eq!(apply(&repair, &clock_after(&path, 31)).expect("applied"), DONE);
    }

    #[test]
    fn dead_names_leave_an_order_and_the_old_text_is_kept() {
        let dir = dir();
        let path = dir.path().join("auth-profiles.json");
        let text = r#"{"version":1,"profiles":{},"order":{"openai":["openai:work","gone"]},"mine":7}"#;
        fs::write(&path, text).expect("file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("mode");
        let repair =
            Repair::PruneStoreOrder { path: path.clone(), provider: "openai".into(), ids: vec!["gone".into()] };
        let clock = crate::clock::SystemClock::new();
        let Applied::Done { backup: Some(backup) } = apply(&repair, &clock).expect("applied") else {
            panic!("no backup")
        };
        assert_eq!(fs::read_to_string(&path).expect("read"), text.replace(r#","gone""#, ""));
        assert_eq!((fs::read_to_string(&backup).expect("read").as_str(), mode(&backup)), (text, 0o600));
        assert_eq!(apply(&repair, &clock).expect("again"), Applied::Unneeded);
        assert!(!dir.path().join("auth-profiles.json.lock").exists());
        let all =
            Repair::PruneStoreOrder { path: path.clone(), provider: "openai".into(), ids: vec!["openai:work".into()] };
        assert!(apply(&all, &clock).is_err(), "an empty order means something else");
        let config = Repair::PruneConfigOrder { path, provider: "openai".into(), ids: vec!["gone".into()] };
        assert!(apply(&config, &clock).is_err(), "it is not written there");
    }

    #[test]
    fn a_login_gets_the_id_of_the_store() {
        let dir = dir();
        let path = dir.path().join("openclaw.json");
        let text = "{ // mine\n  auth: {profiles: {'anthropic:default': {provider: 'anthropic', mode: 'oauth'}}, order: {anthropic: ['anthropic:default']}} }\n";
        fs::write(&path, text).expect("write");
        let (from, to) = ("anthropic:default".to_owned(), "anthropic:me@example.org".to_owned());
        let repair = Repair::RenameProfile { path: path.clone(), from, to };
        let clock = crate::clock::SystemClock::new();
        assert!(matches!(apply(&repair, &clock).expect("applied"), Applied::Done { backup: Some(_) }));
        let after = fs::read_to_string(&path).expect("read");
        assert!(after.contains("// mine") && !after.contains("anthropic:default"), "{after}");
        assert_eq!(after.matches("anthropic:me@example.org").count(), 2, "{after}");
        assert_eq!(apply(&repair, &clock).expect("again"), Applied::Unneeded);
    }
}
