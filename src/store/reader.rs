//! `state.db` for commands that only look: opened if it is there, never made, never changed; neither are `-wal` and `-shm`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{
    Change, FILE, OutboxEntry, ReceiverState, StoreError, StoredVerdict, history, incidents, ledger, migrate, outbox,
};
use crate::domain::{CredentialId, Fingerprint, Incident, Pseudonyms, Silence, Time};

/// Looks into `state.db`.
pub struct Reader {
    db: Connection,
}

impl Reader {
    /// Opens `state.db` in `dir`; `None` if there is none, or none that was ever written.
    ///
    /// # Errors
    /// If it cannot be read, or a newer opensoul wrote it.
    pub fn open(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join(FILE);
        match path.metadata() {
            Ok(found) if found.len() > 0 => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { path, source }),
        }
        // Without a -wal nobody writes now, and SQLite need not look for one (it would make a -shm). With one, the index that
        // the writer keeps is used as it is, or rebuilt in our own memory.
        let wal = dir.join(format!("{FILE}-wal")).exists();
        let how = if wal { "readonly_shm=1" } else { "immutable=1" };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(uri(&path, how), flags)?;
        db.busy_timeout(Duration::from_millis(500))?;
        let found = migrate::version(&db)?;
        let ours = i64::try_from(migrate::STEPS.len()).unwrap_or(i64::MAX);
        if found > ours {
            return Err(StoreError::Newer { path, found, ours });
        }
        // An older one is brought up to date by the monitor; until then there is nothing to be had from it.
        Ok((found == ours).then_some(Self { db }))
    }

    /// Writes everything as it is now, under a running monitor too, into a new file that only its owner can read.
    ///
    /// # Errors
    /// The file is there already or cannot be made or written; then nothing is left of it.
    pub fn back_up(&self, target: &Path) -> Result<(), StoreError> {
        super::disk::back_up(&self.db, target)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.db
    }

    /// Incidents, open and over-but-not-told.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        incidents::all(&self.db)
    }

    /// The last answers of probes.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn verdicts(&self) -> Result<BTreeMap<CredentialId, StoredVerdict>, StoreError> {
        ledger::verdicts(&self.db)
    }

    /// The numbers of e-mail addresses.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn pseudonyms(&self, allow: bool) -> Result<Pseudonyms, StoreError> {
        Ok(Pseudonyms::new(ledger::pseudonyms(&self.db)?, allow))
    }

    /// When each secret was first seen, as far as it is known.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn first_seen(&self, fingerprints: &[Fingerprint]) -> Result<BTreeMap<Fingerprint, Time>, StoreError> {
        ledger::first_seen(&self.db, fingerprints)
    }

    /// Health and queue of every receiver that was ever tried or has something waiting.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn receiver_states(&self) -> Result<Vec<ReceiverState>, StoreError> {
        outbox::receivers::states(&self.db)
    }

    /// Every silence, also those that were over lately, by their end.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        super::actions::all_silences(&self.db)
    }

    /// Everything in the outbox, newest first.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn outbox(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        outbox::entries(&self.db)
    }

    /// Changes of one credential, oldest first.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn history(&self, credential: &CredentialId) -> Result<Vec<Change>, StoreError> {
        history::of(&self.db, credential)
    }

    /// When a job last ran.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn last_run(&self, name: &str) -> Result<Option<Time>, StoreError> {
        ledger::last_run(&self.db, name)
    }

    /// The last `now` that a cycle committed.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn last_persisted_time(&self) -> Result<Option<Time>, StoreError> {
        ledger::last_time(&self.db)
    }
}

/// A file name for SQLite, with the characters that mean something in a URI escaped.
fn uri(path: &Path, how: &str) -> String {
    let mut text = String::from("file:");
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => text.push_str("%25"),
            '?' => text.push_str("%3f"),
            '#' => text.push_str("%23"),
            other => text.push(other),
        }
    }
    text + "?mode=ro&" + how
}
