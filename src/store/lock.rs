//! One monitor at a time: an exclusive `flock` on a file in our state directory. It ends with the process, however that ends,
//! and works where `std`'s locks do not (Android).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::StoreError;

/// The file's name.
pub const FILE: &str = "lock";

/// Held for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Whether we have it.
#[derive(Debug)]
pub enum Attempt {
    /// We do.
    Ours(Lock),
    /// Another process does.
    Held(Holder),
}

/// Who has it, as far as the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its process number.
    pub pid: Option<u32>,
    /// It is the daemon, which goes on; anything else ends by itself.
    pub daemon: bool,
}

impl Lock {
    /// Tries to take the lock of a state directory, which must be there, for the daemon or for something short. Never waits.
    ///
    /// # Errors
    /// If the file cannot be made or locked for another reason than that somebody has it.
    pub fn acquire(dir: &Path, daemon: bool) -> Result<Attempt, StoreError> {
        let path = dir.join(FILE);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // Only for people; the lock itself is what counts.
                let noted = file
                    .set_len(0)
                    .and_then(|()| writeln!(file, "{} {}", std::process::id(), if daemon { DAEMON } else { "once" }));
                if let Err(error) = noted {
                    tracing::debug!(%error, "our number could not be written into the lock file");
                }
                Ok(Attempt::Ours(Self { _file: file }))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(Attempt::Held(holder(&mut file))),
            Err(error) => Err(failed(io::Error::from(error))),
        }
    }

    /// Whether a monitor runs on this state directory: its number if it can be read. Creates nothing.
    #[must_use]
    pub fn holder(dir: &Path) -> Option<Option<u32>> {
        let mut file = File::open(dir.join(FILE)).ok()?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => Some(holder(&mut file).pid),
            _ => None,
        }
    }
}

const DAEMON: &str = "run";

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    if file.take(64).read_to_string(&mut text).is_err() {
        return Holder::default();
    }
    let mut words = text.split_whitespace();
    Holder { pid: words.next().and_then(|word| word.parse().ok()), daemon: words.next() == Some(DAEMON) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_free_again() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Lock::holder(dir.path()).is_none());
        assert!(!dir.path().join(FILE).exists(), "asking creates nothing");
        let Attempt::Ours(first) = Lock::acquire(dir.path(), true).unwrap() else { panic!("nobody else has it") };
        assert_eq!(Lock::holder(dir.path()), Some(Some(std::process::id())));
        let Attempt::Held(who) = Lock::acquire(dir.path(), true).unwrap() else { panic!("it is held") };
        assert_eq!(who, Holder { pid: Some(std::process::id()), daemon: true });
        drop(first);
        // A program that another test starts holds it too, from its fork until its exec.
        let soon = |free: &dyn Fn() -> bool| {
            (0..60_000).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(1));
                free()
            })
        };
        assert!(soon(&|| Lock::holder(dir.path()).is_none()));
        assert!(soon(&|| matches!(Lock::acquire(dir.path(), true).unwrap(), Attempt::Ours(_))));
    }
}
