//! Small memories: last runs, the last committed instant, answers of probes, first-seen dates, refresh tokens that were held,
//! numbers of e-mail addresses.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{CycleRecord, ProbeRecord, StoreError, incidents, instant, millis};
use crate::domain::{Condition, CredentialId, Fingerprint, Span, Time, Verdict, VerdictKind};
use crate::engine::assess::generation;
use crate::engine::clock_trust::ProviderDate;

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
    /// Not to be asked before, by the provider's own wish with its last answer.
    pub not_before: Option<Time>,
}

impl StoredVerdict {
    /// Takes in a new answer.
    pub fn learn(&mut self, probe: &ProbeRecord) {
        let answer = Some((probe.generation.clone(), probe.verdict.clone()));
        if probe.verdict.kind.is_conclusive() {
            self.conclusive = answer;
        } else {
            self.inconclusive = answer;
        }
        self.not_before = probe.not_before;
    }

    /// When it was last asked about.
    #[must_use]
    pub fn last_asked(&self) -> Option<Time> {
        let at = |answer: &Option<(String, Verdict)>| answer.as_ref().map(|(_, verdict)| verdict.at);
        at(&self.conclusive).max(at(&self.inconclusive))
    }

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

/// What a provider's clock showed, and what ours showed then.
pub(super) fn provider_date(db: &Connection) -> Result<Option<ProviderDate>, StoreError> {
    let date = |name| Ok::<_, StoreError>(meta(db, name)?.map(instant));
    let (said, seen) = (date("provider_said")?, date("provider_seen")?);
    Ok(said.zip(seen).map(|(said, seen)| ProviderDate { said, seen }))
}

pub(super) fn set_provider_date(db: &Connection, date: Option<ProviderDate>) -> Result<(), StoreError> {
    let Some(ProviderDate { said, seen }) = date else {
        db.execute("DELETE FROM meta WHERE name IN ('provider_said', 'provider_seen')", [])?;
        return Ok(());
    };
    db.execute(
        "INSERT OR REPLACE INTO meta (name, value) VALUES ('provider_said', ?1), ('provider_seen', ?2)",
        params![millis(said), millis(seen)],
    )?;
    Ok(())
}

pub(super) fn record_verdict(db: &Connection, probe: &ProbeRecord) -> Result<(), StoreError> {
    let verdict = &probe.verdict;
    db.execute(
        "INSERT OR REPLACE INTO verdict (credential, conclusive, generation, kind, at, detail, not_before)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            probe.credential.as_str(),
            verdict.kind.is_conclusive(),
            probe.generation,
            verdict.kind.word(),
            millis(verdict.at),
            verdict.detail,
            probe.not_before.map(millis),
        ],
    )?;
    Ok(())
}

pub(super) fn verdicts(db: &Connection) -> Result<BTreeMap<CredentialId, StoredVerdict>, StoreError> {
    let mut read =
        db.prepare("SELECT credential, conclusive, generation, kind, at, detail, not_before FROM verdict ORDER BY at")?;
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
        entry.not_before = row.get::<_, Option<i64>>(6)?.map(instant);
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

/// A refresh token that a place holds or has held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldToken {
    /// Its fingerprint, in hexadecimal.
    pub fingerprint: String,
    /// A hash of the account it was for; empty where the owner shows none.
    pub account: String,
    /// When it was first seen there.
    pub first: Time,
}

/// So many for one place: months of renewals, and an upper bound for the file.
const HELD: i64 = 20;

/// Notes the refresh tokens of this cycle where they are new.
pub(super) fn record_refresh_tokens(db: &Connection, cycle: &CycleRecord<'_>) -> Result<(), StoreError> {
    let mut write = db.prepare(
        "INSERT OR IGNORE INTO refresh_token (credential, fingerprint, account, first) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut trim = db.prepare(
        "DELETE FROM refresh_token WHERE credential = ?1 AND fingerprint NOT IN
           (SELECT fingerprint FROM refresh_token WHERE credential = ?1 ORDER BY first DESC LIMIT ?2)",
    )?;
    // What was asked about was there then: whoever compares must not take it for newer than the answer.
    let asked: BTreeMap<&CredentialId, Time> =
        cycle.verdicts.iter().map(|record| (&record.credential, record.verdict.at)).collect();
    for assessed in &cycle.snapshot.credentials {
        let credential = &assessed.credential;
        let first = asked.get(&credential.id).map_or(cycle.now, |at| cycle.now.min(*at));
        let Some(token) = credential.refresh_fingerprint.filter(|_| credential.condition == Condition::Present) else {
            continue;
        };
        let id = credential.id.as_str();
        let account = generation::account(credential).unwrap_or_default();
        if write.execute(params![id, token.to_hex(), account, millis(first)])? > 0 {
            trim.execute(params![id, HELD])?;
        }
    }
    Ok(())
}

pub(super) fn held_tokens(db: &Connection) -> Result<BTreeMap<CredentialId, Vec<HeldToken>>, StoreError> {
    let mut read = db.prepare("SELECT credential, fingerprint, account, first FROM refresh_token ORDER BY first")?;
    let mut rows = read.query([])?;
    let mut found: BTreeMap<CredentialId, Vec<HeldToken>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let held = HeldToken { fingerprint: row.get(1)?, account: row.get(2)?, first: instant(row.get(3)?) };
        found.entry(CredentialId(row.get(0)?)).or_default().push(held);
    }
    Ok(found)
}

/// Which key the fingerprints in here were made with.
pub(super) fn key(db: &Connection) -> Result<Option<i64>, StoreError> {
    meta(db, "key")
}

/// Takes over what is known under a key that is lost: each place is taken to hold what it held, so its first-seen date goes on
/// under the new fingerprint, and nothing counts as renewed. Hashes made with the old key mean nothing any more.
pub(super) fn adopt_key(
    db: &Connection,
    key: i64,
    now_there: &[(CredentialId, Fingerprint)],
) -> Result<(), StoreError> {
    let mut carry = db.prepare(
        "INSERT OR IGNORE INTO first_seen (fingerprint, at)
           SELECT ?2, s.at FROM credential c JOIN first_seen s
             ON s.fingerprint = replace(c.generation, 'copy:', '') WHERE c.id = ?1",
    )?;
    // In the past too, or the change of the key would look like a renewal that was witnessed.
    let mut rename = db.prepare(
        "UPDATE change SET generation = replace(generation, old.hex, ?2)
           FROM (SELECT replace(generation, 'copy:', '') AS hex FROM credential WHERE id = ?1) AS old
          WHERE change.credential = ?1 AND replace(change.generation, 'copy:', '') = old.hex",
    )?;
    for (id, fingerprint) in now_there {
        carry.execute(params![id.as_str(), fingerprint.to_hex()])?;
        rename.execute(params![id.as_str(), fingerprint.to_hex()])?;
    }
    incidents::adopt_generations(db)?;
    db.execute("DELETE FROM refresh_token", [])?;
    db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('key', ?1)", [key])?;
    Ok(())
}

/// Notes the key of a store that knows of none.
pub(super) fn note_key(db: &Connection, key: i64) -> Result<(), StoreError> {
    db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('key', ?1)", [key])?;
    Ok(())
}
