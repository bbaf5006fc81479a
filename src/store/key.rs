//! The key of all fingerprints: 32 random bytes in our state directory, made by the monitor only (DESIGN §5.2). Commands that
//! read use it if it is there, and else one of their own process.

use std::io;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::StoreError;
use crate::domain::{FingerprintKey, Secret};

/// The file's name.
pub const FILE: &str = "key";

/// The machine's key; made if there is none. A lost key beside a `state.db` only means that every secret looks new.
///
/// # Errors
/// If the file can be neither read nor made; the monitor then uses [`ephemeral`].
pub fn load_or_create(dir: &Path) -> Result<FingerprintKey, StoreError> {
    if let Some(key) = load(dir)? {
        return Ok(key);
    }
    let bytes = random()?;
    match super::token::write_new(&dir.join(FILE), &*bytes) {
        Ok(()) => Ok(FingerprintKey::new(&bytes)),
        // Somebody was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match load(dir)? {
            Some(key) => Ok(key),
            None => Err(damaged(dir)),
        },
        Err(source) => Err(StoreError::Io { path: dir.join(FILE), source }),
    }
}

/// The machine's key, if there is one.
///
/// # Errors
/// If it is there and cannot be read, or is not 32 bytes.
pub fn load(dir: &Path) -> Result<Option<FingerprintKey>, StoreError> {
    let path = dir.join(FILE);
    match std::fs::read(&path).map(Zeroizing::new) {
        Ok(bytes) => match <&[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Ok(Some(FingerprintKey::new(bytes))),
            Err(_) => Err(damaged(dir)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Io { path, source }),
    }
}

/// The key that a fleet shares (`[identity] key`): any text of a person's choice becomes 32 bytes.
#[must_use]
pub fn shared(text: &Secret) -> FingerprintKey {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.expose().trim().as_bytes());
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(digest.as_ref());
    FingerprintKey::new(&bytes)
}

/// A key for this process alone.
///
/// # Errors
/// If the system has no random bytes.
pub fn ephemeral() -> Result<FingerprintKey, StoreError> {
    Ok(FingerprintKey::new(&*random()?))
}

fn damaged(dir: &Path) -> StoreError {
    let why = "is not 32 bytes long; remove it, and a new one is made (every secret then looks new once)";
    StoreError::Io { path: dir.join(FILE), source: io::Error::new(io::ErrorKind::InvalidData, why) }
}

pub(super) fn random() -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *bytes).map_err(|_| StoreError::Io {
        path: "/dev/urandom".into(),
        source: io::Error::other("the system gives no random bytes"),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_made_once_private_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).unwrap().is_none());
        let secret = Secret::new("x".to_owned());
        let first = load_or_create(dir.path()).unwrap().fingerprint(&secret);
        assert_eq!(load_or_create(dir.path()).unwrap().fingerprint(&secret), first);
        assert_eq!(load(dir.path()).unwrap().unwrap().fingerprint(&secret), first);
        assert_ne!(ephemeral().unwrap().fingerprint(&secret), first);
        let mode = dir.path().join(FILE).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_one_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), b"short").unwrap();
        assert!(load_or_create(dir.path()).is_err_and(|error| error.to_string().contains("32 bytes")));
        assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), b"short");
    }
}
