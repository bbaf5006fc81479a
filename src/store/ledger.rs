//! Small memories: last runs, the last committed instant, answers of probes, first-seen dates, numbers of e-mail addresses.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{ProbeRecord, StoreError, instant, millis};
use crate::domain::{CredentialId, Fingerprint, Span, Time, Verdict, VerdictKind};

/// How long a conclusive verdict counts (DESIGN §7).
const COUNTS: Span = Span::hours(24);

/// A clock that went back and has gone on from there for so long is believed.
const BELIEVED_AFTER: Span = Span::days(1);

/// The last answers about one credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredVerdict {
    /// The last conclusive one, with the generation it is about.
    pub conclusive: Option<(String, Verdict)>,
    /// The last one of no conclusion, with the generation it is about.
    pub inconclusive: Option<(String, Verdict)>,
}

impl StoredVerdict {
    /// The one that counts for a generation now: the conclusive one if it is of this generation and at most 24 h old, else
    /// the inconclusive one.
    #[must_use]
    pub fn counting(&self, generation: &str, now: Time) -> Option<&Verdict> {
        let of_this = |stored: &&(String, Verdict)| stored.0 == generation;
        let fresh = |stored: &&(String, Verdict)| now - stored.1.at <= COUNTS;
        let conclusive = self.conclusive.as_ref().filter(of_this).filter(fresh);
        conclusive.or(self.inconclusive.as_ref().filter(of_this)).map(|stored| &stored.1)
    }
}

pub(super) fn last_run(db: &Connection, name: &str) -> Result<Option<Time>, StoreError> {
    let at = db.query_row("SELECT at FROM run WHERE name = ?1", [name], |row| row.get::<_, i64>(0)).optional()?;
    Ok(at.map(instant))
}

pub(super) fn set_last_run(db: &Connection, name: &str, at: Time) -> Result<(), StoreError> {
    db.execute("INSERT OR REPLACE INTO run (name, at) VALUES (?1, ?2)", params![name, millis(at)])?;
    Ok(())
}

fn meta(db: &Connection, name: &str) -> Result<Option<i64>, StoreError> {
    Ok(db.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).optional()?)
}

pub(super) fn cycles(db: &Connection) -> Result<i64, StoreError> {
    Ok(meta(db, "cycles")?.unwrap_or(0))
}

pub(super) fn last_time(db: &Connection) -> Result<Option<Time>, StoreError> {
    Ok(meta(db, "last_time")?.map(instant))
}

/// Not the greatest instant but the last one: after one cycle with a clock set right again, all is well.
/// A clock that goes wrong is not the next witness of itself: while its dates cannot be trusted, the last good time stays.
/// After a day of that the new time is taken, because it was the old one that ran ahead.
pub(super) fn count_cycle(db: &Connection, now: Time, clock_is_wrong: bool) -> Result<(), StoreError> {
    let since = meta(db, "clock_wrong_since")?.map(instant).filter(|since| *since <= now);
    let forget = "DELETE FROM meta WHERE name = 'clock_wrong_since'";
    let set = |name: &str| {
        db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", params![name, millis(now)])
    };
    match (clock_is_wrong, since) {
        (true, None) => {
            set("clock_wrong_since")?;
        }
        (true, Some(since)) if now - since < BELIEVED_AFTER => {}
        _ => {
            set("last_time")?;
            db.execute(forget, [])?;
        }
    }
    db.execute(
        "INSERT INTO meta (name, value) VALUES ('cycles', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
        [],
    )?;
    Ok(())
}

pub(super) fn record_verdict(db: &Connection, probe: &ProbeRecord) -> Result<(), StoreError> {
    let verdict = &probe.verdict;
    db.execute(
        "INSERT OR REPLACE INTO verdict (credential, conclusive, generation, kind, at, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            probe.credential.as_str(),
            verdict.kind.is_conclusive(),
            probe.generation,
            verdict.kind.word(),
            millis(verdict.at),
            verdict.detail,
        ],
    )?;
    Ok(())
}

pub(super) fn verdicts(db: &Connection) -> Result<BTreeMap<CredentialId, StoredVerdict>, StoreError> {
    let mut read = db.prepare("SELECT credential, conclusive, generation, kind, at, detail FROM verdict")?;
    let mut rows = read.query([])?;
    let mut found: BTreeMap<CredentialId, StoredVerdict> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(3)?;
        let Ok(kind) = serde_json::from_value::<VerdictKind>(word.into()) else {
            continue;
        };
        let verdict = Verdict { kind, at: instant(row.get(4)?), detail: row.get(5)? };
        let entry = found.entry(CredentialId(row.get(0)?)).or_default();
        let place = if row.get(1)? { &mut entry.conclusive } else { &mut entry.inconclusive };
        *place = Some((row.get(2)?, verdict));
    }
    Ok(found)
}

pub(super) fn pseudonyms(db: &Connection) -> Result<BTreeMap<String, u32>, StoreError> {
    let mut read = db.prepare("SELECT address, number FROM pseudonym")?;
    let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn add_pseudonyms(db: &Connection, addresses: &[&str]) -> Result<(), StoreError> {
    for address in addresses {
        db.execute(
            "INSERT OR IGNORE INTO pseudonym (address, number)
             VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM pseudonym))",
            [address],
        )?;
    }
    Ok(())
}

pub(super) fn first_seen(
    db: &Connection,
    fingerprints: &[Fingerprint],
) -> Result<BTreeMap<Fingerprint, Time>, StoreError> {
    let mut read = db.prepare("SELECT at FROM first_seen WHERE fingerprint = ?1")?;
    let mut found = BTreeMap::new();
    for one in fingerprints {
        if let Some(at) = read.query_row([one.to_hex()], |row| row.get(0)).optional()? {
            found.insert(*one, instant(at));
        }
    }
    Ok(found)
}

pub(super) fn add_first_seen(db: &Connection, fingerprints: &[Fingerprint], now: Time) -> Result<(), StoreError> {
    let mut write = db.prepare("INSERT OR IGNORE INTO first_seen (fingerprint, at) VALUES (?1, ?2)")?;
    for one in fingerprints {
        write.execute(params![one.to_hex(), millis(now)])?;
    }
    Ok(())
}
