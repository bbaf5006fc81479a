//! What earlier cycles know and a new judgement needs: the same for the monitor's own store and for commands that only look.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{HeldToken, ProbeRecord, Reader, Store, StoreError, StoredVerdict, allowance, incidents, instant, ledger};
use crate::domain::{Allowance, Credential, CredentialId, FingerprintKey, Incident, Time};
use crate::engine::assess::generation;
use crate::engine::clock_trust::ProviderDate;

/// What earlier cycles know. Empty where there is no `state.db`.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// The generation that the last judgement gave each credential.
    pub generations: BTreeMap<CredentialId, String>,
    /// Since when a generation holds, if its beginning was witnessed: the cycle before saw another, not long before.
    pub begun: BTreeMap<CredentialId, Time>,
    /// The last answers of probes.
    pub verdicts: BTreeMap<CredentialId, StoredVerdict>,
    /// What providers said besides yes or no, with the generation that it is about.
    pub allowances: BTreeMap<CredentialId, (String, Allowance)>,
    /// When each secret was first seen, by the hexadecimal form of its fingerprint.
    pub first_seen: BTreeMap<String, Time>,
    /// The refresh tokens that each place holds and has held, oldest first.
    pub refresh_tokens: BTreeMap<CredentialId, Vec<HeldToken>>,
    /// Which key the fingerprints were made with ([`FingerprintKey::id`]).
    pub key: Option<i64>,
    /// Incidents, open and over-but-not-told.
    pub incidents: Vec<Incident>,
    /// The last `now` that a cycle committed.
    pub last_time: Option<Time>,
    /// What a provider's clock showed at the last round of questions, if all who answered disagreed with ours.
    pub provider_date: Option<ProviderDate>,
}

impl Remembered {
    /// When the secret of a credential was first seen. Under another key than before nothing can be recognised: then each place
    /// is taken to hold what it held.
    #[must_use]
    pub fn first_seen_of(&self, credential: &Credential, key: &FingerprintKey) -> Option<Time> {
        let own = credential.fingerprint?.to_hex();
        if let Some(at) = self.first_seen.get(&own) {
            return Some(*at);
        }
        if self.key.is_none_or(|known| known == key.id()) {
            return None;
        }
        let before = self.generations.get(&credential.id)?;
        self.first_seen.get(generation::unmarked(before)).copied()
    }

    /// Takes in a new answer.
    pub fn learn(&mut self, answer: &ProbeRecord) {
        self.verdicts.entry(answer.credential.clone()).or_default().learn(answer);
        allowance::learn(&mut self.allowances, answer);
    }
}

impl Reader {
    /// Everything that a judgement needs.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn remembered(&self) -> Result<Remembered, StoreError> {
        read(self.connection())
    }
}

impl Store {
    /// Everything that a judgement needs.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn remembered(&self) -> Result<Remembered, StoreError> {
        read(&self.db)
    }
}

fn read(db: &Connection) -> Result<Remembered, StoreError> {
    Ok(Remembered {
        generations: pairs(db, "SELECT id, generation FROM credential WHERE generation IS NOT NULL")?,
        // A beginning counts only if a cycle within the day before it still saw the old generation.
        begun: pairs(
            db,
            "SELECT id, at FROM (SELECT c.id AS id, (SELECT min(at) FROM change n
                WHERE n.credential = c.id AND n.generation = c.generation) AS at
               FROM credential c WHERE EXISTS (SELECT 1 FROM change o
                WHERE o.credential = c.id AND o.generation <> c.generation)) AS b
             WHERE EXISTS (SELECT 1 FROM cycle y WHERE y.at < b.at AND y.at >= b.at - 86400000)
               AND EXISTS (SELECT 1 FROM change o WHERE o.credential = b.id AND o.at < b.at)",
        )?
        .into_iter()
        .map(|(id, at)| (id, instant(at)))
        .collect(),
        verdicts: ledger::verdicts(db)?,
        allowances: allowance::all(db)?,
        first_seen: by_name(db, "SELECT fingerprint, at FROM first_seen")?,
        refresh_tokens: ledger::held_tokens(db)?,
        key: ledger::key(db)?,
        incidents: incidents::all(db)?,
        last_time: ledger::last_time(db)?,
        provider_date: ledger::provider_date(db)?,
    })
}

fn by_name(db: &Connection, query: &str) -> Result<BTreeMap<String, Time>, StoreError> {
    let mut read = db.prepare(query)?;
    let rows = read.query_map([], |row| Ok((row.get(0)?, instant(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn pairs<T: rusqlite::types::FromSql>(db: &Connection, query: &str) -> Result<BTreeMap<CredentialId, T>, StoreError> {
    let mut read = db.prepare(query)?;
    let rows = read.query_map([], |row| Ok((CredentialId(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
