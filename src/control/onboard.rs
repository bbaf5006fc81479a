//! What `onboard` writes, when all is asked and agreed: keys into the gateway's `.env`, secrets of receivers, the units that run
//! the monitor, the completion of a shell. Each file is replaced in one step; what is there already stays, so that it can be run
//! again. Asks nobody.

use std::path::{Path, PathBuf};

use super::repair::{self, Applied};
use super::{Keeper, Protocol, Updated, WriteError, update};
use crate::domain::Secret;
use crate::formats::dotenv_edit;

/// A file that a step writes whole.
pub struct Whole {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub text: String,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrote {
    /// Which.
    pub path: PathBuf,
    /// False if it was so already.
    pub changed: bool,
}

/// Puts keys, each with its variable, into a `.env`: every other line stays, and afterwards only its owner can read it.
///
/// # Errors
/// It cannot be read, edited, locked or written; then none of the keys is in it.
pub fn keys(path: &Path, keys: &[(&str, Secret)], keeper: &Keeper<'_>) -> Result<Wrote, WriteError> {
    let updated = update(path, Protocol::Directory, keeper, |before| {
        let mut text = before.unwrap_or_default().to_owned();
        for (variable, key) in keys {
            text = dotenv_edit::set(&text, variable, key.expose().trim())
                .map_err(|why| WriteError::Unusable { path: path.to_owned(), why: format!("({variable}) {why}") })?;
        }
        Ok::<_, WriteError>(Some(text))
    })?;
    private(updated)
}

/// Puts a secret of a receiver into a file of its own, which only its owner can read.
///
/// # Errors
/// It cannot be locked or written.
pub fn secret(path: &Path, secret: &Secret, keeper: &Keeper<'_>) -> Result<Wrote, WriteError> {
    private(update(path, Protocol::Directory, keeper, |_| {
        Ok::<_, WriteError>(Some(format!("{}\n", secret.expose().trim())))
    })?)
}

/// What was written is closed; what was so already may be open.
fn private(updated: Updated) -> Result<Wrote, WriteError> {
    let path = updated.path;
    let closed = if updated.changed { Ok(Applied::Unneeded) } else { repair::close(&path, 0o600) };
    let closed = closed.map_err(|error| WriteError::Unusable { path: path.clone(), why: error.to_string() })?;
    Ok(Wrote { path, changed: updated.changed || closed != Applied::Unneeded })
}

/// Writes a file of ours; one that says something else is replaced only if it is ours by its first line.
///
/// # Errors
/// There is another file, or it cannot be written.
pub fn whole(file: &Whole, keeper: &Keeper<'_>) -> Result<Wrote, WriteError> {
    let updated = update(&file.path, Protocol::Directory, keeper, |before| {
        let ours = |text: &str| text.lines().next() == file.text.lines().next();
        match before {
            Some(text) if !ours(text) => {
                let why =
                    "is there already and was not made by this command; move it away, or leave this out".to_owned();
                Err(WriteError::Unusable { path: file.path.clone(), why })
            }
            _ => Ok(Some(file.text.clone())),
        }
    })?;
    Ok(Wrote { path: updated.path, changed: updated.changed })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::clock::SystemClock;

    fn key<'a>(variable: &'a str, secret: &str) -> (&'a str, Secret) {
        (variable, Secret::new(secret.into()))
    }

    #[test]
    fn keys_go_in_together_and_the_rest_stays() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("state/.env");
        let clock = SystemClock::new();
        let keeper = Keeper { clock: &clock, patience: Keeper::PATIENCE, waiting: &|_| {} };
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
        let wrote = keys(&path, &[key("A", "one")], &keeper).expect("written");
        assert!(wrote.changed && mode(&path) == 0o600 && mode(&dir.path().join("state")) == 0o700);
        fs::write(&path, "# mine\nB=2\nA=old # note\n").expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("mode");
        keys(&path, &[key("A", "two"), key("C", "three")], &keeper).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "# mine\nB=2\nA=two # note\nC=three\n");
        assert_eq!(mode(&path), 0o600, "others could read it before");
        assert!(!keys(&path, &[key("A", "two")], &keeper).expect("again").changed);
        // One that cannot be written: none is.
        let before = fs::read_to_string(&path).expect("read");
        let refused = keys(&path, &[key("D", "four"), key("E", "fi\nve")], &keeper).expect_err("unfit");
        assert!(refused.to_string().contains("(E)") && !refused.to_string().contains("ve\""), "{refused}");
        assert_eq!(fs::read_to_string(&path).expect("read"), before);
    }

    #[test]
    fn a_secret_is_private() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("secrets/email-password");
        let clock = SystemClock::new();
        let keeper = Keeper { clock: &clock, patience: Keeper::PATIENCE, waiting: &|_| {} };
        let write = |text: &str| secret(&path, &Secret::new(text.into()), &keeper).expect("written").changed;
        assert!(write("one") && write("two") && !write("two"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("mode");
        assert!(write("two"), "others could read it");
        assert_eq!(fs::read_to_string(&path).expect("read"), "two\n");
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("directory"))), (0o600, 0o700));
    }

    #[test]
    fn only_files_of_ours_are_replaced() {
        let dir = tempfile::tempdir().expect("directory");
        let clock = SystemClock::new();
        let keeper = Keeper { clock: &clock, patience: Keeper::PATIENCE, waiting: &|_| {} };
        let file = |text: &str| Whole { path: dir.path().join("a/x.timer"), text: text.into() };
        assert!(whole(&file("# ours\none\n"), &keeper).expect("written").changed);
        assert!(!whole(&file("# ours\none\n"), &keeper).expect("again").changed);
        assert!(whole(&file("# ours\ntwo\n"), &keeper).expect("newer").changed);
        fs::write(dir.path().join("a/x.timer"), "# theirs\n").expect("write");
        assert!(whole(&file("# ours\ntwo\n"), &keeper).is_err());
        assert_eq!(fs::read_to_string(dir.path().join("a/x.timer")).expect("read"), "# theirs\n");
    }
}
