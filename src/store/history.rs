//! What was when: one row for each cycle and one for each change of a credential, thinned out with age.

use rusqlite::{Connection, params};

use super::{CycleRecord, StoreError, instant, millis};
use crate::config::History;
use crate::domain::{CredentialId, Severity, Span, State, Time};

const DAY: i64 = 86_400_000;

/// From this instant on a credential was so, until its next change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it was first seen so.
    pub at: Time,
    /// Its state.
    pub state: State,
    /// How bad that was.
    pub severity: Severity,
    /// The date that counted.
    pub expires: Option<Time>,
    /// The generation.
    pub generation: String,
}

pub(super) fn record(db: &Connection, cycle: &CycleRecord<'_>) -> Result<(), StoreError> {
    let at = millis(cycle.now);
    let all = &cycle.snapshot.credentials;
    let problems = all.iter().filter(|assessed| assessed.judgement.severity >= Severity::Warning).count();
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    db.execute(
        "INSERT OR REPLACE INTO cycle (at, credentials, problems) VALUES (?1, ?2, ?3)",
        params![at, number(all.len()), number(problems)],
    )?;
    // The row of a known credential was made by the decision just before.
    let mut note = db.prepare(
        "UPDATE credential SET state = ?2, severity = ?3, expires = ?4, generation = ?5
         WHERE id = ?1 AND (state, severity, expires, generation) IS NOT (?2, ?3, ?4, ?5)",
    )?;
    let mut add = db.prepare(
        "INSERT OR REPLACE INTO change (credential, at, state, severity, expires, generation)
         VALUES (?1, ?6, ?2, ?3, ?4, ?5)",
    )?;
    for assessed in all {
        let judgement = &assessed.judgement;
        let (id, state, severity) =
            (assessed.credential.id.as_str(), judgement.state.word(), judgement.severity.word());
        let expires = judgement.expires.map(millis);
        if note.execute(params![id, state, severity, expires, judgement.generation])? > 0 {
            add.execute(params![id, state, severity, expires, judgement.generation, at])?;
        }
    }
    Ok(())
}

pub(super) fn of(db: &Connection, credential: &CredentialId) -> Result<Vec<Change>, StoreError> {
    let mut read =
        db.prepare("SELECT at, state, severity, expires, generation FROM change WHERE credential = ?1 ORDER BY at")?;
    let mut rows = read.query([credential.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (state, severity): (String, String) = (row.get(1)?, row.get(2)?);
        if let (Ok(state), Ok(severity)) =
            (serde_json::from_value(state.into()), serde_json::from_value(severity.into()))
        {
            found.push(Change {
                at: instant(row.get(0)?),
                state,
                severity,
                expires: row.get::<_, Option<i64>>(3)?.map(instant),
                generation: row.get(4)?,
            });
        }
    }
    Ok(found)
}

/// Beyond `raw_days` one change and one cycle a day are kept (the last), beyond `daily_days` nothing. Dates ahead of now
/// (a clock that ran ahead) go too.
pub(super) fn prune(db: &Connection, keep: &History, now: Time) -> Result<(), StoreError> {
    let raw = millis(now - Span::days(i64::from(keep.raw_days)));
    let daily = millis(now - Span::days(i64::from(keep.daily_days.max(keep.raw_days))));
    let ahead = millis(now + Span::days(1));
    for table in ["change", "cycle", "balance"] {
        db.execute(&format!("DELETE FROM {table} WHERE at < ?1 OR at > ?2"), params![daily, ahead])?;
    }
    db.execute(
        "DELETE FROM balance WHERE at < ?1 AND EXISTS (SELECT 1 FROM balance later
           WHERE later.credential = balance.credential AND later.at > balance.at AND later.at / ?2 = balance.at / ?2)",
        params![raw, DAY],
    )?;
    db.execute(
        "DELETE FROM change WHERE at < ?1 AND EXISTS (SELECT 1 FROM change later
           WHERE later.credential = change.credential AND later.at > change.at AND later.at / ?2 = change.at / ?2)",
        params![raw, DAY],
    )?;
    db.execute(
        "DELETE FROM cycle WHERE at < ?1 AND at NOT IN (SELECT max(at) FROM cycle WHERE at < ?1 GROUP BY at / ?2)",
        params![raw, DAY],
    )?;
    Ok(())
}

/// Drops the oldest tenth of the history until the file is small enough, and gives the space back.
pub(super) fn shrink(db: &Connection, keep: &History) -> Result<(), StoreError> {
    let size = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let limit = i64::try_from(keep.max_bytes).unwrap_or(i64::MAX);
    let used =
        || -> Result<i64, StoreError> { Ok((size("page_count")? - size("freelist_count")?) * size("page_size")?) };
    let mut dropped = false;
    while used()? > limit {
        let mut gone = 0;
        for table in ["change", "cycle", "balance"] {
            gone += db.execute(
                &format!(
                    "DELETE FROM {table} WHERE at <= (SELECT at FROM {table} ORDER BY at
                       LIMIT 1 OFFSET (SELECT count(*) / 10 FROM {table}))"
                ),
                [],
            )?;
        }
        if gone == 0 {
            break;
        }
        dropped = true;
    }
    if dropped || size("page_count")? * size("page_size")? > limit {
        db.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
    }
    Ok(())
}
