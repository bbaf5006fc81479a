//! From a reference to the secret itself, at the moment it is needed. No error here ever holds a part of a secret.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{MaybeSecret, SecretRef};
use crate::domain::{Environment, Secret};
use crate::files;

/// Larger files are not secrets but mistakes.
const LIMIT: u64 = 64 * 1024;

impl std::fmt::Display for SecretRef {
    /// As a person wrote it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Credential(name) => write!(f, "systemd credential {name}"),
        }
    }
}

/// Reads the secret; surrounding white space is not part of it.
///
/// # Errors
/// Which reference does not resolve, and why.
pub fn resolve(reference: &SecretRef, env: &Environment) -> Result<Secret, String> {
    let secret = match reference {
        SecretRef::Env(name) => Secret::new(env.get(name).ok_or_else(|| format!("{reference} is not set"))?.to_owned()),
        SecretRef::File(path) => read(path)?,
        SecretRef::Credential(name) => read(&credential_path(name, env)?)?,
    };
    if secret.is_blank() { Err(format!("{reference} is empty")) } else { Ok(secret) }
}

/// Reads a value that may be written plainly.
///
/// # Errors
/// Which reference does not resolve, and why.
pub fn resolve_maybe(value: &MaybeSecret, env: &Environment) -> Result<Secret, String> {
    match value {
        MaybeSecret::Plain(text) => Ok(Secret::new(text.clone())),
        MaybeSecret::Ref(reference) => resolve(reference, env),
    }
}

fn credential_path(name: &str, env: &Environment) -> Result<PathBuf, String> {
    let directory = env
        .get("CREDENTIALS_DIRECTORY")
        .ok_or_else(|| format!("systemd credential {name}: CREDENTIALS_DIRECTORY is not set (only systemd sets it)"))?;
    Ok(Path::new(directory).join(name))
}

fn read(path: &Path) -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("file {}: {}", path.display(), plain(&error));
    let file = files::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    // Read into one buffer that never grows: growing would leave copies behind.
    let mut text =
        zeroize::Zeroizing::new(String::with_capacity(usize::try_from(facts.len().min(LIMIT)).unwrap_or(0) + 1));
    file.take(LIMIT + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => format!("file {} is not text", path.display()),
        _ => failed(error),
    })?;
    if text.len() as u64 > LIMIT {
        return Err(format!("file {} is larger than {} KiB", path.display(), LIMIT / 1024));
    }
    Ok(Secret::new(text.trim().to_owned()))
}

/// The system's own words, without the error number.
pub(super) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_reference() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("secret");
        std::fs::write(&path, " s3cret\n").expect("write");
        let mut env = Environment::default();
        env.set("TOKEN", "  t  ");
        env.set("EMPTY", " ");
        env.set("CREDENTIALS_DIRECTORY", dir.path().to_string_lossy());
        let get = |reference: SecretRef| resolve(&reference, &env).map(|secret| secret.expose().to_owned());
        assert_eq!(get(SecretRef::Env("TOKEN".into())).as_deref(), Ok("t"));
        assert_eq!(get(SecretRef::File(path)).as_deref(), Ok("s3cret"));
        assert_eq!(get(SecretRef::Credential("secret".into())).as_deref(), Ok("s3cret"));
        assert!(get(SecretRef::Env("EMPTY".into())).expect_err("blank").contains("EMPTY"));
        assert!(get(SecretRef::Credential("none".into())).expect_err("absent").contains("no such file"));
        assert!(get(SecretRef::File(dir.path().into())).expect_err("directory").contains("not a file"));
        std::fs::write(dir.path().join("big"), vec![b'x'; 70_000]).expect("write");
        assert!(get(SecretRef::File(dir.path().join("big"))).expect_err("big").contains("larger"));
        std::fs::write(dir.path().join("binary"), [0xff, 0xfe]).expect("write");
        assert!(get(SecretRef::File(dir.path().join("binary"))).expect_err("binary").contains("not text"));
    }
}
