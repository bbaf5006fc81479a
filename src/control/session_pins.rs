//! Which model and which credential a session of the gateway uses: a few fields of one entry of the agent's `sessions.json`, changed
//! under that file's own lock. Sessions are the gateway's: none is made here.

use std::path::{Path, PathBuf};

use super::{Keeper, Protocol, WriteError, update};
use crate::formats::json::Broken;
use crate::formats::sessions::{self, Entry};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The file is not what it should be.
    #[error("{0}; nothing was changed")]
    Broken(String),
    /// The session is not there.
    #[error("{} has no session {session}; nothing was changed", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
        /// The session.
        session: String,
    },
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What is wrong with the file, and where.
#[must_use]
pub fn broken(path: &Path, what: &Broken) -> String {
    format!("{}:{}:{} {}", path.display(), what.line, what.column, what.message)
}

/// Lets `decide` say what a session shall be, seeing it as it is while nobody else writes it (`None`: as it is), and writes that.
/// Gives what it answered last: it is asked again if somebody writes without the lock.
///
/// # Errors
/// See [`PinError`].
pub fn change<T>(
    path: &Path,
    session: &str,
    keeper: &Keeper<'_>,
    decide: impl Fn(&Entry) -> (T, Option<Entry>),
) -> Result<T, PinError> {
    let wrong = |what: Broken| PinError::Broken(broken(path, &what));
    let gone = || PinError::Gone { path: path.to_owned(), session: session.to_owned() };
    // Where no session ever was, nothing is made either.
    if !path.exists() {
        return Err(gone());
    }
    let mut answer = None;
    update(path, Protocol::File, keeper, |text| {
        let text = text.ok_or_else(gone)?;
        let all = sessions::parse(text).map_err(wrong)?;
        let (said, changed) = decide(all.get(session).ok_or_else(gone)?);
        answer = Some(said);
        let Some(mut entry) = changed else { return Ok(None) };
        sessions::touch(&mut entry, keeper.clock.now().timestamp_millis());
        sessions::edit(text, session, &entry).map(Some).map_err(wrong)
    })?;
    answer.ok_or_else(gone)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::SystemClock;

    const FILE: &str = r#"{
  "agent:main:main": { "sessionId": "s1", "note": "as it was" },
  "agent:main:other": { "sessionId": "s2" }
}
"#;

    fn pin(entry: &Entry) -> (bool, Option<Entry>) {
        let mut entry = entry.clone();
        let changed = sessions::choose(&mut entry, "anthropic", "x", false, Some("anthropic:work"));
        (changed, changed.then_some(entry))
    }

    #[test]
    fn one_session_is_changed_and_the_lock_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions.json");
        std::fs::write(&path, FILE).unwrap();
        let clock = SystemClock::new();
        let keeper = Keeper { clock: &clock, patience: Duration::from_secs(1), waiting: &|_| {} };
        assert!(change(&path, "agent:main:main", &keeper, pin).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        let entry = &sessions::parse(&text).unwrap()["agent:main:main"];
        assert_eq!(sessions::chosen(entry).profile.unwrap().0, "anthropic:work");
        assert!(entry["updatedAt"].is_i64() && text.contains(r#""note": "as it was""#));
        assert!(!change(&path, "agent:main:main", &keeper, pin).unwrap(), "it is so already");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn no_session_is_made_and_nothing_broken_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions/sessions.json");
        let clock = SystemClock::new();
        let keeper = Keeper { clock: &clock, patience: Duration::from_millis(50), waiting: &|_| {} };
        assert!(matches!(change(&path, "a", &keeper, pin), Err(PinError::Gone { .. })));
        assert!(!dir.path().join("sessions").exists());
        std::fs::create_dir(dir.path().join("sessions")).unwrap();
        for (text, session) in [(FILE, "agent:main:gone"), ("{\"agent:main:main\": {", "agent:main:main")] {
            std::fs::write(&path, text).unwrap();
            assert!(change(&path, session, &keeper, pin).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        // Somebody else writes.
        std::fs::write(&path, FILE).unwrap();
        std::fs::write(dir.path().join("sessions/sessions.json.lock"), "{}").unwrap();
        let busy = change(&path, "agent:main:main", &keeper, pin);
        assert!(matches!(busy, Err(PinError::Write(WriteError::Busy { .. }))), "{busy:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), FILE);
    }
}
