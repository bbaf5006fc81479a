//! The outbox: messages that are on disk before they are sent and are marked sent only when the receiver's answer says so,
//! together with what the receivers then know.

pub(super) mod receivers;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{StoreError, incidents, instant, millis};
use crate::domain::{
    FailureReason, ItemStatus, Notification, NotificationId, Outcome, Progress, Severity, Span, Time, Told,
};
use crate::engine::incidents::{Decision, Queued};
use crate::engine::retry;
use crate::output::alerts::Message;

pub use receivers::{Quarantine, ReceiverState};

/// An attempt that has not ended after this long has been forgotten by whoever began it.
const FORGOTTEN: Span = Span::minutes(10);

/// Sent and withdrawn messages are kept this long, for looking back.
const KEPT: Span = Span::days(14);

/// What a receiver keeps for a group is of no use after this long: vendors do not let so old a message be edited, and a person
/// does not find it.
const THREAD_KEPT: Span = Span::days(90);

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
    /// What the receiver kept with the last message of the group.
    pub keep: Option<String>,
}

/// What recording an outcome changed about the receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// It went into quarantine by this.
    pub quarantined: bool,
    /// It came out of quarantine by this.
    pub released: bool,
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

impl From<OutboxEntry> for Message {
    fn from(entry: OutboxEntry) -> Self {
        let waits = entry.state == OutboxState::Queued;
        Self {
            notification: entry.notification,
            state: match entry.state {
                OutboxState::Queued => "queued",
                OutboxState::Sent => "sent",
                OutboxState::Withdrawn => "withdrawn",
            },
            attempts: entry.attempts,
            next_at: waits.then_some(entry.next_at),
            ended_at: entry.ended_at,
            reason: entry.reason.map(FailureReason::word),
            detail: entry.detail,
        }
    }
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

/// Lets messages be tried at once; a quarantine of their receiver ends with it.
pub(super) fn retry(db: &Connection, ids: &[NotificationId], now: Time) -> Result<(), StoreError> {
    for id in ids {
        db.execute(
            "UPDATE outbox SET next_at = min(next_at, ?2) WHERE id = ?1 AND state = 'queued'",
            params![id.as_str(), millis(now)],
        )?;
        db.execute(
            "UPDATE receiver SET try_at = ?2 WHERE quarantined_at IS NOT NULL
               AND name = (SELECT receiver FROM outbox WHERE id = ?1)",
            params![id.as_str(), millis(now)],
        )?;
    }
    Ok(())
}

/// Gives messages up: the next cycle does not say the same again.
pub(super) fn give_up(db: &Connection, ids: &[NotificationId], by: &str, now: Time) -> Result<(), StoreError> {
    for id in ids {
        let row: Option<String> = db
            .query_row("SELECT body FROM outbox WHERE id = ?1 AND state = 'queued'", [id.as_str()], |row| row.get(0))
            .optional()?;
        let Some(body) = row else { continue };
        if let Ok(notification) = serde_json::from_str::<Notification>(&body) {
            not_to_be_told(db, &notification)?;
        }
        db.execute(
            "UPDATE outbox SET state = 'withdrawn', begun_at = NULL, ended_at = ?2, detail = ?3 WHERE id = ?1",
            params![id.as_str(), millis(now), cut(&format!("given up by {by}"))],
        )?;
    }
    Ok(())
}

fn not_to_be_told(db: &Connection, notification: &Notification) -> Result<(), StoreError> {
    for item in &notification.items {
        let Some(mut incident) = incidents::one(db, &item.incident)? else { continue };
        match item.status {
            ItemStatus::Firing => {
                incident.given_up.insert(notification.receiver.clone());
            }
            ItemStatus::Resolved | ItemStatus::WasDown => {
                incident.told.remove(&notification.receiver);
                incident.maybe_told.remove(&notification.receiver);
            }
            ItemStatus::Notice => continue,
        }
        incidents::save(db, &incident)?;
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

pub(super) fn any_due(db: &Connection, least: Severity, now: Time) -> Result<bool, StoreError> {
    let mut read = db.prepare(&format!(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE urgency >= ?3 AND {DUE} AND NOT ({UNDER_WAY}))"
    ))?;
    Ok(read.query_row(params![millis(now), millis(now - FORGOTTEN), urgency(least)], |row| row.get(0))?)
}

pub(super) fn next_due(db: &Connection, least: Severity) -> Result<Option<Time>, StoreError> {
    let next: Option<i64> = db.query_row(
        "SELECT min(max(outbox.next_at, coalesce(receiver.try_at, 0)))
         FROM outbox LEFT JOIN receiver ON receiver.name = outbox.receiver AND receiver.quarantined_at IS NOT NULL
         WHERE outbox.state = 'queued' AND outbox.begun_at IS NULL AND outbox.urgency >= ?1",
        [urgency(least)],
        |row| row.get(0),
    )?;
    Ok(next.map(instant))
}

pub(super) fn take_due(db: &Connection, least: Severity, now: Time) -> Result<Vec<DueNotification>, StoreError> {
    let mut read = db.prepare(&format!(
        "SELECT body, attempts, progress,
           (SELECT keep FROM thread WHERE thread.receiver = outbox.receiver AND group_key = json_extract(body, '$.group_key'))
         FROM outbox WHERE urgency >= ?3 AND {DUE} AND NOT ({UNDER_WAY})
         ORDER BY urgency DESC, created_at, id"
    ))?;
    let mut quarantined: BTreeMap<String, bool> = receivers::quarantines(db)?
        .into_iter()
        // A try far ahead is one of another clock.
        .map(|(name, try_at)| (name, try_at <= now || try_at > now + retry::QUARANTINE))
        .collect();
    let mut rows = read.query(params![millis(now), millis(now - FORGOTTEN), urgency(least)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(notification) = notification(row)? else {
            continue;
        };
        if let Some(may) = quarantined.get_mut(&notification.receiver)
            && !std::mem::replace(may, false)
        {
            continue;
        }
        let progress = row.get::<_, Option<String>>(2)?;
        let progress = progress.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        due.push(DueNotification { notification, attempts: row.get(1)?, progress, keep: row.get(3)? });
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

/// The row that an outcome is about.
struct Attempted {
    state: String,
    attempts: u32,
    notification: Option<Notification>,
    receiver: String,
    progress: Option<String>,
}

impl Attempted {
    /// Whether more is through than before: such a message is not one that fails again and again.
    fn got_on(&self, outcome: &Outcome) -> bool {
        let Outcome::Transient { progress, .. } = outcome else { return false };
        let before = self.progress.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let Progress(before) = before;
        progress.0.len() > before.len()
    }
}

pub(super) fn record(
    db: &Connection,
    outcomes: &[(NotificationId, Outcome)],
    now: Time,
) -> Result<Vec<Recorded>, StoreError> {
    // What a success sets free is looked for once, until the receiver fails again: it is a walk over everything that waits.
    let mut well = BTreeSet::new();
    outcomes.iter().map(|(id, outcome)| record_one(db, id, outcome, now, &mut well)).collect()
}

fn record_one(
    db: &Connection,
    id: &NotificationId,
    outcome: &Outcome,
    now: Time,
    well: &mut BTreeSet<String>,
) -> Result<Recorded, StoreError> {
    let row = db
        .query_row("SELECT body, state, attempts, receiver, progress FROM outbox WHERE id = ?1", [id.as_str()], |row| {
            Ok(Attempted {
                notification: serde_json::from_str(&row.get::<_, String>(0)?).ok(),
                state: row.get(1)?,
                attempts: row.get(2)?,
                receiver: row.get(3)?,
                progress: row.get(4)?,
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
    if !matches!(outcome, Outcome::Delivered { .. }) {
        well.remove(&row.receiver);
    }
    let attempts = if row.got_on(outcome) { 1 } else { row.attempts.saturating_add(1) };
    match (outcome, retry::next(outcome, attempts, id.as_str(), now)) {
        (Outcome::Delivered { detail, keep }, _) => {
            db.execute(
                "UPDATE outbox SET state = 'sent', begun_at = NULL, last_at = ?2, ended_at = ?2, detail = ?3 WHERE id = ?1",
                params![id.as_str(), millis(now), cut(detail)],
            )?;
            if let Some(notification) = &row.notification {
                told(db, notification, now)?;
                if let Some(keep) = keep {
                    db.execute(
                        "INSERT INTO thread (receiver, group_key, keep, at) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (receiver, group_key) DO UPDATE SET keep = ?3, at = ?4",
                        params![row.receiver, notification.group_key, keep, millis(now)],
                    )?;
                }
            }
            db.execute(
                "INSERT INTO receiver (name, delivered, last_success) VALUES (?1, 1, ?2)
                 ON CONFLICT (name) DO UPDATE SET delivered = delivered + 1, last_success = ?2",
                params![row.receiver, millis(now)],
            )?;
            if well.insert(row.receiver.clone()) {
                receivers::works_again(db, &row.receiver, now)?;
            }
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
            receivers::count_failure(db, &row.receiver, *reason)?;
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
            receivers::count_failure(db, &row.receiver, *reason)?;
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
            ItemStatus::Notice => continue,
        }
        incidents::save(db, &incident)?;
    }
    Ok(())
}

fn cut(detail: &str) -> String {
    detail.chars().take(DETAIL).collect()
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
                reason: row.get::<_, Option<String>>(5)?.as_deref().and_then(receivers::reason),
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
    db.execute("DELETE FROM thread WHERE at < ?1", [millis(now - THREAD_KEPT)])?;
    Ok(())
}
