//! What chats need to be remembered: how far each bot's updates are dealt with, what waits for somebody's button, and what is
//! still to be said. What is done about an update and the note that it was are one transaction.

use rusqlite::{Connection, OptionalExtension, params};

use super::{ActionError, StoreError, actions, incidents, instant, ledger, millis};
use crate::domain::{Acted, Action, Incident, Pseudonyms, Reach, Refused, Silence, Span, Time};

/// After a week without one, Telegram numbers its updates anew from anywhere
/// (<https://core.telegram.org/bots/api#update>); what is older than a day it has forgotten itself.
const NUMBERED: Span = Span::days(6);

/// What nobody answered, and what could not be said, is forgotten then.
const WAITS: Span = Span::hours(1);

/// As much is still to be said at a time; then the oldest is dropped.
const QUEUE: usize = 100;

/// One update being dealt with, inside its transaction.
pub struct Turn<'a> {
    db: &'a Connection,
    now: Time,
}

/// Something that is still to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// Its number.
    pub id: i64,
    /// Since when.
    pub at: Time,
    /// What, in the words of its mouth.
    pub body: String,
}

impl Turn<'_> {
    /// Incidents, open and over-but-not-told.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        incidents::all(self.db)
    }

    /// Silences that hold now or will.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        actions::silences(self.db, self.now)
    }

    /// The numbers of e-mail addresses.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn pseudonyms(&self, allow: bool) -> Result<Pseudonyms, StoreError> {
        Ok(Pseudonyms::new(ledger::pseudonyms(self.db)?, allow))
    }

    /// Does it; it is announced as done from afar.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn act(&self, action: &Action, by: &str) -> Result<Result<Acted, Refused>, StoreError> {
        match actions::apply(self.db, action, by, Reach::Afar, self.now) {
            Ok(acted) => Ok(Ok(acted)),
            // Nothing was written.
            Err(ActionError::Refused(why)) => Ok(Err(why)),
            Err(ActionError::Store(error)) => Err(error),
        }
    }

    /// Keeps something until its button is pressed; gives a name for it that nobody guesses.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn keep(&self, body: &str) -> Result<String, StoreError> {
        let id: String = super::key::random()?[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        self.db.execute("INSERT INTO wish (id, at, body) VALUES (?1, ?2, ?3)", params![id, millis(self.now), body])?;
        Ok(id)
    }

    /// What was kept, and when.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn kept(&self, id: &str) -> Result<Option<(Time, String)>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| Ok((instant(row.get(0)?), row.get(1)?));
        Ok(self.db.query_row("SELECT at, body FROM wish WHERE id = ?1", [id], read).optional()?)
    }

    /// It is not kept any longer: a button works once.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn forget(&self, id: &str) -> Result<(), StoreError> {
        self.db.execute("DELETE FROM wish WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Has something said, soon.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn say(&self, body: &str) -> Result<(), StoreError> {
        self.db.execute("INSERT INTO saying (at, body) VALUES (?1, ?2)", params![millis(self.now), body])?;
        Ok(())
    }
}

/// From which update on a bot's are new; `None`: from whatever there is.
pub(super) fn next(db: &Connection, bot: i64, now: Time) -> Result<Option<i64>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, instant(row.get(1)?)));
    let found: Option<(i64, Time)> =
        db.query_row("SELECT next, at FROM chat WHERE bot = ?1", [bot], read).optional()?;
    Ok(found.filter(|(_, at)| (now - *at).abs() < NUMBERED).map(|(next, _)| next))
}

/// Deals with one update, unless that was done before.
pub(super) fn turn<T>(
    db: &Connection,
    bot: i64,
    update: i64,
    now: Time,
    work: impl Fn(&Turn<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    if next(db, bot, now)?.is_some_and(|next| update < next) {
        return Ok(None);
    }
    db.execute("DELETE FROM wish WHERE at < ?1", [millis(now - WAITS)])?;
    let result = work(&Turn { db, now })?;
    db.execute(
        "INSERT INTO chat (bot, next, at) VALUES (?1, ?2, ?3) ON CONFLICT (bot) DO UPDATE SET next = ?2, at = ?3",
        params![bot, update.saturating_add(1), millis(now)],
    )?;
    Ok(Some(result))
}

/// What is still to be said, oldest first; what is too old or too much is dropped.
pub(super) fn sayings(db: &Connection, now: Time) -> Result<Vec<Saying>, StoreError> {
    let mut read = db.prepare("SELECT id, at, body FROM saying ORDER BY id")?;
    let rows = read.query_map([], |row| Ok(Saying { id: row.get(0)?, at: instant(row.get(1)?), body: row.get(2)? }))?;
    let all: Vec<Saying> = rows.collect::<Result<_, _>>()?;
    let many = all.len().saturating_sub(QUEUE);
    let since = now - WAITS;
    Ok(all.into_iter().skip(many).filter(|one| one.at > since).collect())
}

/// Whether anything is still to be said.
pub(super) fn has_sayings(db: &Connection) -> Result<bool, StoreError> {
    Ok(db.query_row("SELECT EXISTS (SELECT 1 FROM saying)", [], |row| row.get(0))?)
}

/// It was said, with everything before it, or never will be.
pub(super) fn said(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.execute("DELETE FROM saying WHERE id <= ?1", [id])?;
    Ok(())
}
