//! The outbox: messages that are on disk before they are sent and are marked sent only when the receiver's answer says so,
//! together with what the receivers then know.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreError, incidents, instant, millis};
use crate::domain::{
    FailureReason, Finding, ItemStatus, Notification, NotificationId, Outcome, Progress, Severity, Span, Time, Told,
};
use crate::engine::incidents::{Decision, Queued};
use crate::engine::retry;

/// An attempt that has not ended after this long has been forgotten by whoever began it.
const FORGOTTEN: Span = Span::minutes(10);

/// Sent and withdrawn messages are kept this long, for looking back.
const KEPT: Span = Span::days(14);

/// Characters of a receiver's answer that are kept.
const DETAIL: usize = 500;

/// A message that may be sent now.
#[derive(Clone, Debug, PartialEq)]
pub struct DueNotification {
    /// The message.
    pub notification: Notification,
    /// Failed attempts so far.
    pub attempts: u32,
    /// What is through already.
    pub progress: Progress,
}

/// What recording an outcome changed about the receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// It went into quarantine by this.
    pub quarantined: bool,
    /// It came out of quarantine by this.
    pub released: bool,
}

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

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxState {
    /// It waits, or is under way.
    Queued,
    /// The receiver has it.
    Sent,
    /// It stopped being true before it got through.
    Withdrawn,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntry {
    /// The message.
    pub notification: Notification,
    /// What became of it.
    pub state: OutboxState,
    /// Failed attempts.
    pub attempts: u32,
    /// Not tried before.
    pub next_at: Time,
    /// When it was sent or withdrawn.
    pub ended_at: Option<Time>,
    /// Class of the last failure.
    pub reason: Option<FailureReason>,
    /// The receiver's last words, redacted.
    pub detail: Option<String>,
}

/// Attempts that were under way when the process died: they may have got through.
pub(super) fn recover(db: &Connection) -> Result<(), StoreError> {
    db.execute(
        "UPDATE outbox SET begun_at = NULL, attempts = attempts + 1, uncertain = 1 WHERE begun_at IS NOT NULL",
        [],
    )?;
    Ok(())
}

/// `?1` = now, `?2` = the start before which an attempt is forgotten. A start in the future is one of another clock.
const UNDER_WAY: &str = "begun_at IS NOT NULL AND begun_at BETWEEN ?2 AND ?1";

/// Due by its own date, or the clock was set back since that date was made.
const DUE: &str = "state = 'queued' AND (next_at <= ?1 OR coalesce(last_at, created_at) > ?1)";

pub(super) fn queued(db: &Connection, now: Time) -> Result<Vec<Queued>, StoreError> {
    let mut read = db.prepare(&format!(
        "SELECT body, attempts, uncertain, {UNDER_WAY} FROM outbox WHERE state = 'queued' OR ({UNDER_WAY}) ORDER BY id"
    ))?;
    let mut rows = read.query([millis(now), millis(now - FORGOTTEN)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(notification) = notification(row)? {
            found.push(Queued { notification, attempts: row.get(1)?, uncertain: row.get(2)?, in_flight: row.get(3)? });
        }
    }
    Ok(found)
}

/// The message in the first column. One that cannot be read is left out: what it spoke of is said anew by the next cycle.
fn notification(row: &Row<'_>) -> Result<Option<Notification>, StoreError> {
    match serde_json::from_str(&row.get::<_, String>(0)?) {
        Ok(notification) => Ok(Some(notification)),
        Err(error) => {
            tracing::warn!(line = error.line(), "a message in state.db cannot be read");
            Ok(None)
        }
    }
}

pub(super) fn apply(db: &Connection, decision: &Decision, now: Time) -> Result<(), StoreError> {
    let mut withdraw =
        db.prepare("UPDATE outbox SET state = 'withdrawn', ended_at = ?2 WHERE id = ?1 AND state = 'queued'")?;
    for id in &decision.withdraw {
        withdraw.execute(params![id.as_str(), millis(now)])?;
    }
    let mut amend = db.prepare("UPDATE outbox SET urgency = ?2, body = ?3 WHERE id = ?1 AND state = 'queued'")?;
    for message in &decision.amend {
        amend.execute(params![message.id.as_str(), urgency(message.severity), serde_json::to_string(message)?])?;
    }
    // The same decision made again has the same id.
    let mut enqueue = db.prepare(
        "INSERT OR IGNORE INTO outbox (id, receiver, state, urgency, created_at, next_at, body)
         VALUES (?1, ?2, 'queued', ?3, ?4, ?4, ?5)",
    )?;
    for message in &decision.enqueue {
        enqueue.execute(params![
            message.id.as_str(),
            message.receiver,
            urgency(message.severity),
            millis(message.created_at),
            serde_json::to_string(message)?,
        ])?;
    }
    Ok(())
}

fn urgency(severity: Severity) -> u8 {
    match severity {
        Severity::None => 0,
        Severity::Info => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

pub(super) fn any_due(db: &Connection, now: Time) -> Result<bool, StoreError> {
    let mut read = db.prepare(&format!("SELECT EXISTS (SELECT 1 FROM outbox WHERE {DUE} AND NOT ({UNDER_WAY}))"))?;
    Ok(read.query_row([millis(now), millis(now - FORGOTTEN)], |row| row.get(0))?)
}

pub(super) fn next_due(db: &Connection) -> Result<Option<Time>, StoreError> {
    let next: Option<i64> = db.query_row(
        "SELECT min(max(outbox.next_at, coalesce(receiver.try_at, 0)))
         FROM outbox LEFT JOIN receiver ON receiver.name = outbox.receiver AND receiver.quarantined_at IS NOT NULL
         WHERE outbox.state = 'queued' AND outbox.begun_at IS NULL",
        [],
        |row| row.get(0),
    )?;
    Ok(next.map(instant))
}

pub(super) fn take_due(db: &Connection, now: Time) -> Result<Vec<DueNotification>, StoreError> {
    let mut read = db.prepare(&format!(
        "SELECT body, attempts, progress FROM outbox WHERE {DUE} AND NOT ({UNDER_WAY})
         ORDER BY urgency DESC, created_at, id"
    ))?;
    let mut quarantined: BTreeMap<String, bool> = quarantines(db)?
        .into_iter()
        // A try far ahead is one of another clock.
        .map(|(name, try_at)| (name, try_at <= now || try_at > now + retry::QUARANTINE))
        .collect();
    let mut rows = read.query([millis(now), millis(now - FORGOTTEN)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(notification) = notification(row)? else {
            continue;
        };
        if let Some(may) = quarantined.get_mut(&notification.receiver) {
            if !std::mem::replace(may, false) {
                continue;
            }
        }
        let progress = row.get::<_, Option<String>>(2)?;
        let progress = progress.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        due.push(DueNotification { notification, attempts: row.get(1)?, progress });
    }
    for entry in &due {
        let receiver = &entry.notification.receiver;
        db.execute(
            "UPDATE outbox SET begun_at = ?2 WHERE id = ?1",
            params![entry.notification.id.as_str(), millis(now)],
        )?;
        db.execute(
            "UPDATE receiver SET try_at = ?2 WHERE name = ?1 AND quarantined_at IS NOT NULL",
            params![receiver, millis(now + retry::QUARANTINE)],
        )?;
    }
    Ok(due)
}

fn quarantines(db: &Connection) -> Result<Vec<(String, Time)>, StoreError> {
    let mut read = db.prepare("SELECT name, coalesce(try_at, 0) FROM receiver WHERE quarantined_at IS NOT NULL")?;
    let rows = read.query_map([], |row| Ok((row.get(0)?, instant(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The row that an outcome is about.
struct Attempted {
    state: String,
    attempts: u32,
    notification: Option<Notification>,
    receiver: String,
}

pub(super) fn record(
    db: &Connection,
    id: &NotificationId,
    outcome: &Outcome,
    now: Time,
) -> Result<Recorded, StoreError> {
    let row = db
        .query_row("SELECT body, state, attempts, receiver FROM outbox WHERE id = ?1", [id.as_str()], |row| {
            Ok(Attempted {
                notification: serde_json::from_str(&row.get::<_, String>(0)?).ok(),
                state: row.get(1)?,
                attempts: row.get(2)?,
                receiver: row.get(3)?,
            })
        })
        .optional()?;
    let Some(row) = row.filter(|row| row.state != "sent") else {
        return Ok(Recorded::default());
    };
    let was_quarantined: bool = db
        .query_row("SELECT quarantined_at IS NOT NULL FROM receiver WHERE name = ?1", [&row.receiver], |r| r.get(0))
        .optional()?
        .unwrap_or(false);
    let attempts = row.attempts.saturating_add(1);
    match (outcome, retry::next(outcome, attempts, id.as_str(), now)) {
        (Outcome::Delivered { detail }, _) => {
            db.execute(
                "UPDATE outbox SET state = 'sent', begun_at = NULL, last_at = ?2, ended_at = ?2, detail = ?3 WHERE id = ?1",
                params![id.as_str(), millis(now), cut(detail)],
            )?;
            if let Some(notification) = &row.notification {
                told(db, notification, now)?;
            }
            db.execute(
                "INSERT INTO receiver (name, delivered, last_success) VALUES (?1, 1, ?2)
                 ON CONFLICT (name) DO UPDATE SET delivered = delivered + 1, last_success = ?2",
                params![row.receiver, millis(now)],
            )?;
            works_again(db, &row.receiver, now)?;
            Ok(Recorded { quarantined: false, released: was_quarantined })
        }
        (Outcome::Transient { reason, detail, progress, .. }, next) => {
            let next_at = if let retry::Next::At(at) = next { at } else { now };
            let progress = if progress.0.is_empty() { None } else { Some(serde_json::to_string(progress)?) };
            let uncertain = progress.is_some()
                || matches!(reason, FailureReason::Timeout | FailureReason::Offline | FailureReason::Parse);
            db.execute(
                "UPDATE outbox SET begun_at = NULL, attempts = ?2, last_at = ?3, next_at = ?4, reason = ?5, detail = ?6,
                   progress = coalesce(?7, progress), uncertain = uncertain OR ?8 WHERE id = ?1",
                params![
                    id.as_str(),
                    attempts,
                    millis(now),
                    millis(next_at),
                    reason.word(),
                    cut(detail),
                    progress,
                    uncertain
                ],
            )?;
            count_failure(db, &row.receiver, *reason)?;
            Ok(Recorded::default())
        }
        (Outcome::Permanent { reason, detail }, _) => {
            // The receiver's quarantine decides when it is tried again; the message itself is always ready.
            db.execute(
                "UPDATE outbox SET begun_at = NULL, attempts = ?2, last_at = ?3, next_at = ?3, reason = ?4, detail = ?5
                 WHERE id = ?1",
                params![id.as_str(), attempts, millis(now), reason.word(), cut(detail)],
            )?;
            db.execute(
                "INSERT INTO receiver (name, quarantined_at, try_at, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (name) DO UPDATE SET quarantined_at = coalesce(quarantined_at, ?2), try_at = ?3, reason = ?4,
                   detail = ?5",
                params![
                    row.receiver,
                    millis(now),
                    millis(now + retry::QUARANTINE),
                    reason.word(),
                    cut(detail)
                ],
            )?;
            count_failure(db, &row.receiver, *reason)?;
            Ok(Recorded { quarantined: !was_quarantined, released: false })
        }
    }
}

/// The receiver knows now what the message said.
fn told(db: &Connection, notification: &Notification, now: Time) -> Result<(), StoreError> {
    for item in &notification.items {
        let Some(mut incident) = incidents::one(db, &item.incident)? else {
            continue;
        };
        match item.status {
            ItemStatus::Firing => {
                incident.told.insert(notification.receiver.clone(), Told { at: now, severity: item.severity });
            }
            ItemStatus::Resolved | ItemStatus::WasDown => {
                incident.told.remove(&notification.receiver);
                incident.maybe_told.remove(&notification.receiver);
            }
        }
        incidents::save(db, &incident)?;
    }
    Ok(())
}

/// A receiver that took something: its quarantine ends, and what failed because it could not be reached need not wait.
fn works_again(db: &Connection, receiver: &str, now: Time) -> Result<(), StoreError> {
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

pub(super) fn enable(db: &Connection, receiver: &str, now: Time) -> Result<(), StoreError> {
    works_again(db, receiver, now)?;
    db.execute(
        "UPDATE outbox SET next_at = ?2 WHERE receiver = ?1 AND state = 'queued' AND next_at > ?2",
        params![receiver, millis(now)],
    )?;
    Ok(())
}

fn count_failure(db: &Connection, receiver: &str, reason: FailureReason) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO failure (receiver, reason, count) VALUES (?1, ?2, 1)
         ON CONFLICT (receiver, reason) DO UPDATE SET count = count + 1",
        params![receiver, reason.word()],
    )?;
    Ok(())
}

fn cut(detail: &str) -> String {
    detail.chars().take(DETAIL).collect()
}

fn reason(word: &str) -> Option<FailureReason> {
    FailureReason::ALL.into_iter().find(|reason| reason.word() == word)
}

/// SQLite has no unsigned integers.
fn count(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn of(states: &mut BTreeMap<String, ReceiverState>, name: String) -> &mut ReceiverState {
    states.entry(name.clone()).or_insert_with(|| ReceiverState { name, ..ReceiverState::default() })
}

pub(super) fn receiver_states(db: &Connection) -> Result<Vec<ReceiverState>, StoreError> {
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

pub(super) fn entries(db: &Connection) -> Result<Vec<OutboxEntry>, StoreError> {
    let mut read = db.prepare(
        "SELECT body, state, attempts, next_at, ended_at, reason, detail FROM outbox ORDER BY created_at DESC, id",
    )?;
    let mut rows = read.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(notification) = notification(row)? {
            found.push(OutboxEntry {
                notification,
                state: match row.get::<_, String>(1)?.as_str() {
                    "sent" => OutboxState::Sent,
                    "withdrawn" => OutboxState::Withdrawn,
                    _ => OutboxState::Queued,
                },
                attempts: row.get(2)?,
                next_at: instant(row.get(3)?),
                ended_at: row.get::<_, Option<i64>>(4)?.map(instant),
                reason: row.get::<_, Option<String>>(5)?.as_deref().and_then(reason),
                detail: row.get(6)?,
            });
        }
    }
    Ok(found)
}

pub(super) fn prune(db: &Connection, now: Time) -> Result<(), StoreError> {
    db.execute(
        "DELETE FROM outbox WHERE state <> 'queued' AND begun_at IS NULL AND ended_at < ?1",
        [millis(now - KEPT)],
    )?;
    Ok(())
}
