//! A file for the textfile collector of node_exporter. Written whole beside it and moved over it: a collector never reads half of
//! one. Everybody may read it, because the collector is somebody else.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Replaces the file. Blocking.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // No `.prom` at its end, so that nobody reads it before it is done.
    let mut file = tempfile::Builder::new().prefix(".opensoul-").suffix(".new").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Removes the file, if we wrote it. Blocking.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let mut start = String::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?.take(64).read_to_string(&mut start)?,
    };
    if !start.starts_with("# HELP opensoul_") {
        return Err(io::Error::other("is none of ours: its first line is another"));
    }
    std::fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_replaced_whole_and_everybody_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opensoul.prom");
        write(&path, "# HELP opensoul_a x\n").unwrap();
        let before = File::open(&path).unwrap();
        write(&path, "# HELP opensoul_b x\n").unwrap();
        // Who had it open reads on in the old one.
        let mut old = String::new();
        (&before).read_to_string(&mut old).unwrap();
        assert_eq!(old, "# HELP opensoul_a x\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# HELP opensoul_b x\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        remove(&path).unwrap();
        assert!(!path.exists() && remove(&path).is_ok());
    }

    #[test]
    fn what_somebody_else_wrote_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.prom");
        std::fs::write(&path, "# HELP other x\n").unwrap();
        assert!(remove(&path).is_err() && path.exists());
        assert!(write(&folder.path().join("no/such/folder.prom"), "x").is_err());
    }
}
