//! Incidents and known credentials: what stands, and how a decision changes it.

use rusqlite::{Connection, params};

use super::{StoreError, instant, millis, outbox};
use crate::domain::{CredentialId, Incident, IncidentId, Time};
use crate::engine::incidents::{Decision, Known, Standing};

pub(super) fn standing(db: &Connection, now: Time) -> Result<Standing, StoreError> {
    Ok(Standing {
        incidents: all(db)?,
        queued: outbox::queued(db, now)?,
        known: known(db)?,
        ever_committed: super::ledger::cycles(db)? > 0,
    })
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
    let mut note = db.prepare(
        "INSERT INTO credential (id, provider, source, in_use, absent_since, absent_cycles)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE SET provider = ?2, source = ?3, in_use = ?4, absent_since = ?5, absent_cycles = ?6",
    )?;
    for entry in &decision.known {
        note.execute(params![
            entry.id.as_str(),
            entry.provider,
            entry.source,
            entry.in_use,
            entry.absent_since.map(millis),
            entry.absent_cycles,
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
    let mut read =
        db.prepare("SELECT id, provider, source, in_use, absent_since, absent_cycles FROM credential ORDER BY id")?;
    let rows = read.query_map([], |row| {
        Ok(Known {
            id: CredentialId(row.get(0)?),
            provider: row.get(1)?,
            source: row.get(2)?,
            in_use: row.get(3)?,
            absent_since: row.get::<_, Option<i64>>(4)?.map(instant),
            absent_cycles: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
