//! The bearer token for every write over HTTP, on loopback too (DESIGN §5.7): a random file that only we can read. The
//! daemon makes it; commands read it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{StoreError, key};
use crate::domain::Secret;

/// The file's name.
pub const FILE: &str = "token";
/// Lets somebody read the calendar, and nothing else.
pub const CALENDAR: &str = "calendar-token";
/// Lets somebody see badges, and nothing else.
pub const BADGE: &str = "badge-token";

/// The token; made if there is none.
///
/// # Errors
/// If the file can be neither read nor made.
pub fn load_or_create(dir: &Path) -> Result<Secret, StoreError> {
    named(dir, FILE)
}

/// The token of that name; made if there is none.
///
/// # Errors
/// If the file can be neither read nor made.
pub fn named(dir: &Path, file: &str) -> Result<Secret, StoreError> {
    if let Some(token) = read(dir, file)? {
        return Ok(token);
    }
    let text = key::random()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match write_new(&dir.join(file), text.as_bytes()) {
        Ok(()) => Ok(Secret::new(text)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match read(dir, file)? {
            Some(token) => Ok(token),
            None => Err(StoreError::Io { path: dir.join(file), source: error }),
        },
        Err(source) => Err(StoreError::Io { path: dir.join(file), source }),
    }
}

/// The token, if there is one.
///
/// # Errors
/// If it is there and cannot be read, or is too short to be one.
pub fn load(dir: &Path) -> Result<Option<Secret>, StoreError> {
    read(dir, FILE)
}

fn read(dir: &Path, file: &str) -> Result<Option<Secret>, StoreError> {
    let path = dir.join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let token = Secret::new(text.trim().to_owned());
            drop(Secret::new(text));
            if token.expose().len() < 32 {
                let why = "is shorter than 32 characters; remove it, and the monitor makes a new one";
                return Err(StoreError::Io { path, source: io::Error::new(io::ErrorKind::InvalidData, why) });
            }
            Ok(Some(token))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Io { path, source }),
    }
}

/// Writes a private file that must not be there yet.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key would be worse than none.
        let _ = std::fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_made_once_private_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).unwrap().is_none());
        let made = load_or_create(dir.path()).unwrap();
        assert_eq!(made.expose().len(), 64);
        assert_eq!(load(dir.path()).unwrap().unwrap().expose(), made.expose());
        assert_eq!(load_or_create(dir.path()).unwrap().expose(), made.expose());
        assert_eq!(dir.path().join(FILE).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_empty_one_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "\n").unwrap();
        assert!(load(dir.path()).is_err());
    }
}
