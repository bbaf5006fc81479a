//! Reading other people's files: bounded, never blocking, and with words for whatever is in the way. Never writes.

pub mod meanwhile;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::{Clock, SystemClock};
use crate::domain::{Finding, Place, Severity, Time};
use crate::engine::check::{STORE_UNPARSABLE, STORE_UNREADABLE};

/// A file's text. May hold secrets, so it is wiped when dropped.
pub struct Contents {
    /// The text.
    pub text: Zeroizing<String>,
    /// When the file was last changed.
    pub modified: Option<Time>,
}

/// Something is there and cannot be used as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// It could be read, and means nothing (exit code 78 instead of 66).
    pub unparsable: bool,
    /// What is wrong; follows the path in a sentence: `is a directory`.
    pub why: String,
    /// Line and column, from 1.
    pub at: Option<(usize, usize)>,
}

/// Login files have a few kilobytes; what is larger than this is something else.
pub const LIMIT: u64 = 8 << 20;

/// What is known of a file that could be read; `None` if there is none.
///
/// # Errors
/// What is in the way: no permission on the way, a directory, a loop of links, a pipe.
pub fn regular(path: &Path) -> Result<Option<Metadata>, Trouble> {
    let followed = |metadata: Metadata| if metadata.is_symlink() { std::fs::metadata(path) } else { Ok(metadata) };
    let metadata = match path.symlink_metadata().map(followed) {
        Ok(Ok(metadata)) => metadata,
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => return Err(unreadable("is a link to nothing")),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // A file where a directory of the path should be: whatever it is, our file is not there.
        Ok(Err(error)) | Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(unreadable(HIDDEN)),
        Ok(Err(error)) | Err(error) => return Err(in_the_way(&error)),
    };
    plain(metadata).map(Some)
}

fn plain(metadata: Metadata) -> Result<Metadata, Trouble> {
    if metadata.is_dir() {
        return Err(unreadable("is a directory, not a file"));
    }
    // Pipes and devices could block or never end.
    if !metadata.is_file() {
        return Err(unreadable("is not a regular file"));
    }
    Ok(metadata)
}

/// Takes what nobody can see ([`HIDDEN`]) for not being there: what is said about it is said once for its directory
/// ([`closed`]), and not by everybody who might keep something in it.
///
/// # Errors
/// Everything else that is in the way.
pub fn if_seen<T>(read: Result<Option<T>, Trouble>) -> Result<Option<T>, Trouble> {
    match read {
        Err(trouble) if trouble.why == HIDDEN => Ok(None),
        read => read,
    }
}

/// The directory that hides whether there is something at `path` or, where that is a directory, in it.
#[must_use]
pub fn closed(path: &Path) -> Option<PathBuf> {
    let denied = |error: &std::io::Error| error.kind() == ErrorKind::PermissionDenied;
    match path.symlink_metadata() {
        Ok(facts) if facts.is_dir() => std::fs::read_dir(path).err().filter(denied).map(|_| path.to_owned()),
        Err(error) if denied(&error) => {
            path.ancestors().skip(1).find(|dir| dir.symlink_metadata().is_ok()).map(Path::to_owned)
        }
        _ => None,
    }
}

/// Reads a whole file; `None` if there is none.
///
/// # Errors
/// What is in the way: no permission, a directory, a loop of links, a pipe, too large, not text.
pub fn read(path: &Path, limit: u64) -> Result<Option<Contents>, Trouble> {
    let Some(Look { mut bytes, modified, .. }) = settled(path, limit)? else { return Ok(None) };
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Some(Contents { text: Zeroizing::new(text), modified })),
        Err(error) => {
            let bytes = Zeroizing::new(error.into_bytes());
            Err(Trouble { unparsable: true, why: "is not text (not UTF-8)".to_owned(), at: not_text(&bytes) })
        }
    }
}

/// Reads a file of lines that each stand for themselves (`.env`): what is no text becomes U+FFFD, as for their owners, and is
/// reported beside the rest. A value with such a character is not the value that was meant.
///
/// # Errors
/// As [`read`], but for what is not text.
pub fn read_lines(path: &Path, limit: u64) -> Result<Option<(Contents, Option<Trouble>)>, Trouble> {
    let Some(Look { bytes, modified, .. }) = settled(path, limit)? else { return Ok(None) };
    let trouble = not_text(&bytes).map(|at| Trouble {
        unparsable: true,
        why: "has bytes that are not text (not UTF-8); the other lines count".to_owned(),
        at: Some(at),
    });
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    Ok(Some((Contents { text, modified }, trouble)))
}

/// Line and column, from 1, of the first byte that is no text.
fn not_text(bytes: &[u8]) -> Option<(usize, usize)> {
    let before = &bytes[..std::str::from_utf8(bytes).err()?.valid_up_to()];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Some((line, column))
}

/// A file that changed a short time ago may still be on its way from the old to the new: it is looked at again, and believed once
/// it has been the same for this long. Most owners rename a whole file into place; some empty it and write it under our eyes.
const QUIET: Duration = Duration::from_millis(10);
/// The same for one in which there is nothing, as nobody writes for its own sake.
const EMPTIED: Duration = Duration::from_millis(100);
/// How many times that a file's date must be in the past to be believed at the first look: files are dated by a clock that
/// stands still between two ticks of the kernel, which on a machine that is held up may be many times their usual length apart.
const LONG_AGO: u32 = 10;
/// One that never is quiet is taken as it is in the end.
const LOOKS: usize = 8;

/// What a look at a file showed.
struct Look {
    bytes: Zeroizing<Vec<u8>>,
    /// When it had changed, by its own date.
    modified: Option<Time>,
    /// How long ago that was; `None` if it changed while it was read.
    age: Option<Duration>,
}

fn settled(path: &Path, limit: u64) -> Result<Option<Look>, Trouble> {
    let mut before = None;
    for _ in 1..LOOKS {
        let Some(look) = once(path, limit)? else { return Ok(None) };
        let quiet = if look.bytes.is_empty() { EMPTIED } else { QUIET };
        let seen = Some((look.modified, look.bytes.len()));
        if look.age.is_some_and(|age| age >= quiet * LONG_AGO || seen == before) {
            return Ok(Some(look));
        }
        std::thread::sleep(quiet);
        before = seen;
    }
    once(path, limit)
}

fn once(path: &Path, limit: u64) -> Result<Option<Look>, Trouble> {
    let Some(metadata) = regular(path)? else { return Ok(None) };
    meanwhile::happen(path);
    let too_large = || unreadable(&format!("is larger than {} MiB, which no owner writes", limit >> 20));
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut file = match open(path) {
        Ok(file) => file,
        // What is in the way by now has better words than the opening of it.
        Err(error) => return regular(path)?.map_or(Ok(None), |_| Err(in_the_way(&error))),
    };
    let facts = |file: &File| file.metadata().map_err(|error| in_the_way(&error));
    // What was a file when we looked may be something else by now.
    plain(facts(&file)?)?;
    // One allocation of the final size, for growing would leave copies of secrets behind; and one read of it, for the end of
    // a regular file is where a read comes back short.
    let size = usize::try_from(metadata.len()).unwrap_or(0);
    let mut bytes = Zeroizing::new(vec![0; size + 1]);
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                if filled == size {
                    break;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(in_the_way(&error)),
        }
    }
    bytes.truncate(filled);
    // It grows while it is read: the rest comes in its own time.
    if filled > size {
        (&mut file).take(limit + 1 - size as u64).read_to_end(&mut bytes).map_err(|error| in_the_way(&error))?;
    }
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    // Before the last look at it: who is held up after that must not take the time for quiet.
    let now = SystemClock::new().now();
    let after = facts(&file)?;
    let modified = after.modified().ok();
    let changed = metadata.modified().ok() != modified || metadata.len() != after.len();
    let modified = modified.map(Time::from);
    // The clock of a file system may be a little ahead of ours.
    let age = modified.map_or(Duration::MAX, |modified| (now - modified).abs().to_std().unwrap_or(Duration::MAX));
    Ok(Some(Look { bytes, modified, age: (!changed).then_some(age) }))
}

/// Opens for reading without waiting for the other end of a pipe.
///
/// # Errors
/// The system's.
pub fn open(path: &Path) -> std::io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// The same with words for what is in the way.
///
/// # Errors
/// No permission, mostly.
pub fn reading(path: &Path) -> Result<File, Trouble> {
    open(path).map_err(|error| in_the_way(&error))
}

/// A file's text where nothing but its text matters: empty for whatever is in the way (which somebody else reports).
#[must_use]
pub fn text(path: &Path) -> Zeroizing<String> {
    read(path, LIMIT).ok().flatten().map_or_else(Zeroizing::default, |contents| contents.text)
}

/// When a file or directory last changed; a sign of life of its owner.
#[must_use]
pub fn modified(path: &Path) -> Option<Time> {
    path.metadata().ok()?.modified().ok().map(Time::from)
}

impl Trouble {
    /// As a finding about the whole file.
    #[must_use]
    pub fn finding(&self, path: &Path, fix: &str) -> Finding {
        let id = if self.unparsable { STORE_UNPARSABLE } else { STORE_UNREADABLE };
        let place = Place::file(path);
        let place = self.at.map_or(place.clone(), |(line, column)| place.at(line, column));
        let message = format!("{} {}", path.display(), self.why);
        Finding::new(id, Severity::Warning, message, fix).at(place)
    }
}

fn unreadable(why: &str) -> Trouble {
    Trouble { unparsable: false, why: why.to_owned(), at: None }
}

/// Whether there is a file nobody can see.
pub const HIDDEN: &str = "cannot be seen: permission denied for its directory";

/// There is a file, and it is not for us.
pub const DENIED: &str = "cannot be read: permission denied";

fn in_the_way(error: &std::io::Error) -> Trouble {
    unreadable(match error.kind() {
        ErrorKind::PermissionDenied => DENIED,
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => "is a loop of symbolic links",
        ErrorKind::InvalidInput | ErrorKind::InvalidFilename => "has a path that cannot exist",
        _ => "cannot be read: input/output error",
    })
}

#[cfg(test)]
mod tests;
