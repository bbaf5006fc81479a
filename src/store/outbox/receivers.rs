//! The receivers' health: quarantine, successes, failures by class, queues.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use crate::domain::{FailureReason, Finding, Severity, Time};
use crate::engine::incidents::Ailing;
use crate::store::{StoreError, instant, millis};

/// Why a receiver is left alone but for one try an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Since when.
    pub since: Time,
    /// The next try.
    pub next_try: Time,
    /// Class of the failure.
    pub reason: FailureReason,
    /// The receiver's words, redacted.
    pub detail: String,
}

/// Health and queue of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverState {
    /// Its name.
    pub name: String,
    /// Whether it is in quarantine.
    pub quarantine: Option<Quarantine>,
    /// When it last took a message.
    pub last_success: Option<Time>,
    /// How many messages it took, ever.
    pub delivered: u64,
    /// Failed attempts, ever, by class.
    pub failed: BTreeMap<FailureReason, u64>,
    /// How many messages wait for it.
    pub queued: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<Time>,
}

impl ReceiverState {
    /// The finding `receiver.quarantined`, which the monitor adds to its snapshot: so another receiver hears of it.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let quarantine = self.quarantine.as_ref()?;
        let mut finding = Finding::new(
            "receiver.quarantined",
            Severity::Critical,
            format!("receiver {} refuses our messages: {}", self.name, quarantine.detail),
            format!("correct [[receivers]] {0:?} in monitor.toml, then: opensoul alerts test {0}", self.name),
        );
        finding.place.key = Some(format!("receivers.{}", self.name));
        Some(finding)
    }
}

/// Receivers in quarantine, and those for which something waits that was tried in vain.
pub(in crate::store) fn ailing(db: &Connection) -> Result<Vec<Ailing>, StoreError> {
    let mut read = db.prepare(
        "SELECT name, min(since), coalesce(max(own), max(detail), ''), sum(queued) FROM (
           SELECT name, quarantined_at AS since, detail AS own, NULL AS detail, 0 AS queued
             FROM receiver WHERE quarantined_at IS NOT NULL
           UNION ALL
           SELECT receiver, min(CASE WHEN attempts > 0 THEN created_at END), NULL, max(detail), count(*)
             FROM outbox WHERE state = 'queued' GROUP BY receiver)
         GROUP BY name HAVING min(since) IS NOT NULL ORDER BY name",
    )?;
    let mut rows = read.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let since = instant(row.get(1)?);
        found.push(Ailing { name: row.get(0)?, since, detail: row.get(2)?, queued: count(row, 3)? });
    }
    Ok(found)
}

/// When each receiver last took a message.
pub(in crate::store) fn heard(db: &Connection) -> Result<BTreeMap<String, Time>, StoreError> {
    let mut read = db.prepare("SELECT name, last_success FROM receiver WHERE last_success IS NOT NULL")?;
    let rows = read.query_map([], |row| Ok((row.get(0)?, instant(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(in crate::store) fn quarantines(db: &Connection) -> Result<Vec<(String, Time)>, StoreError> {
    let mut read = db.prepare("SELECT name, coalesce(try_at, 0) FROM receiver WHERE quarantined_at IS NOT NULL")?;
    let rows = read.query_map([], |row| Ok((row.get(0)?, instant(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A receiver that took something: its quarantine ends, and what failed because it could not be reached need not wait.
pub(in crate::store) fn works_again(db: &Connection, receiver: &str, now: Time) -> Result<(), StoreError> {
    db.execute(
        "UPDATE receiver SET quarantined_at = NULL, try_at = NULL, reason = NULL, detail = NULL WHERE name = ?1",
        [receiver],
    )?;
    db.execute(
        "UPDATE outbox SET next_at = ?2 WHERE receiver = ?1 AND state = 'queued' AND next_at > ?2
           AND reason IN ('timeout', 'dns', 'tls', 'offline', 'auth_rejected', 'config')",
        params![receiver, millis(now)],
    )?;
    Ok(())
}

pub(in crate::store) fn enable(db: &Connection, receiver: &str, now: Time) -> Result<(), StoreError> {
    works_again(db, receiver, now)?;
    db.execute(
        "UPDATE outbox SET next_at = ?2 WHERE receiver = ?1 AND state = 'queued' AND next_at > ?2",
        params![receiver, millis(now)],
    )?;
    Ok(())
}

pub(in crate::store) fn count_failure(
    db: &Connection,
    receiver: &str,
    reason: FailureReason,
) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO failure (receiver, reason, count) VALUES (?1, ?2, 1)
         ON CONFLICT (receiver, reason) DO UPDATE SET count = count + 1",
        params![receiver, reason.word()],
    )?;
    Ok(())
}

pub(in crate::store) fn reason(word: &str) -> Option<FailureReason> {
    FailureReason::ALL.into_iter().find(|reason| reason.word() == word)
}

/// SQLite has no unsigned integers.
fn count(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn of(states: &mut BTreeMap<String, ReceiverState>, name: String) -> &mut ReceiverState {
    states.entry(name.clone()).or_insert_with(|| ReceiverState { name, ..ReceiverState::default() })
}

pub(in crate::store) fn states(db: &Connection) -> Result<Vec<ReceiverState>, StoreError> {
    let mut states: BTreeMap<String, ReceiverState> = BTreeMap::new();
    let mut read =
        db.prepare("SELECT name, delivered, last_success, quarantined_at, try_at, reason, detail FROM receiver")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let state = of(&mut states, row.get(0)?);
        state.delivered = count(row, 1)?;
        state.last_success = row.get::<_, Option<i64>>(2)?.map(instant);
        let since: Option<i64> = row.get(3)?;
        state.quarantine = match since {
            Some(since) => Some(Quarantine {
                since: instant(since),
                next_try: instant(row.get::<_, Option<i64>>(4)?.unwrap_or(since)),
                reason: row.get::<_, Option<String>>(5)?.as_deref().and_then(reason).unwrap_or(FailureReason::Refused),
                detail: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
            }),
            None => None,
        };
    }
    let mut read = db.prepare("SELECT receiver, reason, count FROM failure")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(reason) = reason(&row.get::<_, String>(1)?) {
            of(&mut states, row.get(0)?).failed.insert(reason, count(row, 2)?);
        }
    }
    let mut read =
        db.prepare("SELECT receiver, count(*), min(created_at) FROM outbox WHERE state = 'queued' GROUP BY receiver")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let state = of(&mut states, row.get(0)?);
        state.queued = count(row, 1)?;
        state.oldest = row.get::<_, Option<i64>>(2)?.map(instant);
    }
    Ok(states.into_values().collect())
}
