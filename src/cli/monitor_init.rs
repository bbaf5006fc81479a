//! `opensoul monitor init`: writes a commented `monitor.toml` that changes nothing until it is edited.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::Context;
use super::exit::{Failure, FailureKind, Outcome};
use crate::config::{TEMPLATE, locate};

/// Runs the command.
///
/// # Errors
/// There is a file already and no `--force`, or it cannot be written.
pub fn run(context: &Context, force: bool) -> Outcome {
    let path = locate(&context.env, context.global.config.as_deref()).config;
    write(&path, force)?;
    say!("Wrote {}.", path.display());
    say!("Everything in it is commented out: add a receiver, then run `opensoul monitor check-config`.");
    Ok(0)
}

fn write(path: &Path, force: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let kind = match error.kind() {
            ErrorKind::PermissionDenied => FailureKind::NoPermission,
            _ => FailureKind::CannotCreate,
        };
        Failure::new(kind, format!("{}: {error}", path.display()))
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The mode counts for what is made now; directories that exist stay as they are.
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(facts) if !facts.is_file() => {
            let what = if facts.is_symlink() { "is a symbolic link" } else { "is not a file" };
            let text = format!("{} {what}; remove it, or name another place with --config", path.display());
            return Err(Failure::new(FailureKind::CannotCreate, text));
        }
        Ok(_) if !force => {
            let text = format!("{} exists; --force replaces it with the template", path.display());
            return Err(Failure::new(FailureKind::CannotCreate, text));
        }
        Ok(_) => {
            // Replaced in one step: a reader sees the old file or the new one. Temporary files are made 0600.
            let mut new = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
            new.write_all(TEMPLATE.as_bytes()).map_err(failed)?;
            new.as_file().sync_all().map_err(failed)?;
            new.persist(path).map_err(|error| failed(error.error))?;
            return Ok(());
        }
    }
    // Exclusive creation: a link that somebody puts there in this moment is not followed.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(TEMPLATE.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::domain::Environment;

    #[test]
    fn writes_a_private_file_that_loads_and_never_overwrites() {
        let home = tempfile::tempdir().expect("directory");
        let path = home.path().join("a/b/monitor.toml");
        write(&path, false).expect("written");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!((mode(&path), mode(&home.path().join("a/b")), mode(&home.path().join("a"))), (0o600, 0o700, 0o700));
        assert!(crate::config::load(Some(&path), &Environment::default()).is_ok());

        std::fs::write(&path, "mine").expect("write");
        assert_eq!(write(&path, false).expect_err("exists").kind, FailureKind::CannotCreate);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "mine");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
        write(&path, true).expect("replaced");
        assert_eq!((std::fs::read_to_string(&path).expect("read").as_str(), mode(&path)), (TEMPLATE, 0o600));
    }

    #[test]
    fn links_are_not_followed() {
        let home = tempfile::tempdir().expect("directory");
        let (path, target) = (home.path().join("monitor.toml"), home.path().join("precious"));
        for there in [false, true] {
            if there {
                std::fs::write(&target, "precious").expect("write");
            }
            symlink(&target, &path).expect("link");
            assert!(write(&path, true).is_err() && write(&path, false).is_err());
            assert_eq!(target.exists(), there);
            std::fs::remove_file(&path).expect("remove");
        }
        assert_eq!(std::fs::read_to_string(&target).expect("read"), "precious");
    }
}
