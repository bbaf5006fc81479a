//! Incidents and known credentials: what stands, and how a decision changes it.

use rusqlite::{Connection, params};

use super::{StoreError, actions, instant, millis, outbox};
use crate::domain::{CredentialId, Ended, Incident, IncidentId, Span, Time};
use crate::engine::incidents::{Decision, Known, Standing};

pub(super) fn standing(db: &Connection, now: Time) -> Result<Standing, StoreError> {
    Ok(Standing {
        incidents: all(db)?,
        queued: outbox::queued(db, now)?,
        known: known(db)?,
        ever_committed: super::ledger::cycles(db)? > 0,
        silences: actions::silences(db, now)?,
        ended: ended(db)?,
        ailing: outbox::receivers::ailing(db)?,
        last_report: super::ledger::last_run(db, REPORT)?,
        heard: outbox::receivers::heard(db)?,
    })
}

/// The name of the report's date in the ledger of last runs.
pub(super) const REPORT: &str = "report";

/// As many incidents that ended are remembered …
const ENDED: i64 = 1_000;
/// … and for so long: a report may come once a month.
const REMEMBERED: Span = Span::days(35);

fn ended(db: &Connection) -> Result<Vec<Ended>, StoreError> {
    let mut read = db.prepare("SELECT body FROM ended ORDER BY at")?;
    let rows = read.query_map([], |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for row in rows {
        found.extend(serde_json::from_str(&row?).ok());
    }
    Ok(found)
}

pub(super) fn all(db: &Connection) -> Result<Vec<Incident>, StoreError> {
    let mut read = db.prepare("SELECT id, body FROM incident ORDER BY id")?;
    let rows = read.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut found = Vec::new();
    for row in rows {
        let (id, body) = row?;
        match serde_json::from_str(&body) {
            Ok(incident) => found.push(incident),
            // It begins anew if it is still there: better said twice than never again.
            Err(error) => tracing::warn!(id, line = error.line(), "an incident in state.db cannot be read"),
        }
    }
    Ok(found)
}

pub(super) fn one(db: &Connection, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
    let mut read = db.prepare("SELECT body FROM incident WHERE id = ?1")?;
    let mut rows = read.query([id.as_str()])?;
    Ok(match rows.next()? {
        Some(row) => serde_json::from_str(&row.get::<_, String>(0)?).ok(),
        None => None,
    })
}

pub(super) fn save(db: &Connection, incident: &Incident) -> Result<(), StoreError> {
    db.prepare(
        "INSERT OR REPLACE INTO incident (id, name, status, severity, since, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        incident.id.as_str(),
        incident.name,
        incident.status.word(),
        incident.severity.word(),
        millis(incident.since),
        serde_json::to_string(incident)?,
    ])?;
    Ok(())
}

pub(super) fn apply(db: &Connection, decision: &Decision) -> Result<(), StoreError> {
    for incident in &decision.upsert {
        save(db, incident)?;
    }
    for id in &decision.delete {
        db.execute("DELETE FROM incident WHERE id = ?1", [id.as_str()])?;
    }
    for silence in &decision.silences {
        actions::save(db, silence)?;
    }
    if let Some(at) = decision.report_at {
        super::ledger::set_last_run(db, REPORT, at)?;
    }
    for ended in &decision.ended {
        db.execute(
            "INSERT OR REPLACE INTO ended (incident, at, body) VALUES (?1, ?2, ?3)",
            params![ended.incident.as_str(), millis(ended.at), serde_json::to_string(ended)?],
        )?;
    }
    if let Some(newest) = decision.ended.iter().map(|ended| ended.at).max() {
        db.execute("DELETE FROM ended WHERE at < ?1 OR at > ?2", [millis(newest - REMEMBERED), millis(newest)])?;
        db.execute("DELETE FROM ended WHERE at < (SELECT at FROM ended ORDER BY at DESC LIMIT 1 OFFSET ?1)", [ENDED])?;
    }
    // The generation is kept by `history`, which runs after this.
    let mut note = db.prepare(
        "INSERT INTO credential (id, provider, source, in_use, absent_since, absent_cycles, account, scopes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET provider = ?2, source = ?3, in_use = ?4, absent_since = ?5, absent_cycles = ?6,
           account = ?7, scopes = ?8",
    )?;
    for entry in &decision.known {
        note.execute(params![
            entry.id.as_str(),
            entry.provider,
            entry.source,
            entry.in_use,
            entry.absent_since.map(millis),
            entry.absent_cycles,
            entry.account,
            entry.scopes.as_ref().map(serde_json::to_string).transpose()?,
        ])?;
    }
    for id in &decision.forget {
        db.execute("DELETE FROM credential WHERE id = ?1", [id.as_str()])?;
        db.execute("DELETE FROM verdict WHERE credential = ?1", [id.as_str()])?;
    }
    Ok(())
}

/// Hashes made with a key that is lost mean nothing any more; first-seen dates kept under them neither, nor verdicts.
pub(super) fn adopt_generations(db: &Connection) -> Result<(), StoreError> {
    for mut incident in all(db)? {
        incident.generation.clear();
        save(db, &incident)?;
    }
    db.execute("UPDATE credential SET generation = NULL", [])?;
    db.execute("DELETE FROM verdict", [])?;
    Ok(())
}

fn known(db: &Connection) -> Result<Vec<Known>, StoreError> {
    let mut read = db.prepare(
        "SELECT id, provider, source, in_use, absent_since, absent_cycles, generation, account, scopes
         FROM credential ORDER BY id",
    )?;
    let rows = read.query_map([], |row| {
        Ok(Known {
            id: CredentialId(row.get(0)?),
            provider: row.get(1)?,
            source: row.get(2)?,
            in_use: row.get(3)?,
            absent_since: row.get::<_, Option<i64>>(4)?.map(instant),
            absent_cycles: row.get(5)?,
            generation: row.get(6)?,
            account: row.get(7)?,
            scopes: row.get::<_, Option<String>>(8)?.and_then(|text| serde_json::from_str(&text).ok()),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
