//! What providers said about keys besides yes or no, and the history of balances.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{ProbeRecord, StoreError, instant, millis};
use crate::domain::{Allowance, Balance, CredentialId, Span, Time, VerdictKind};
use crate::engine::runway::{Point, runway};

/// A balance that has not changed is noted again after this.
const UNCHANGED: Span = Span::hours(1);
/// The history that a runway looks at.
const LOOK_BACK: Span = Span::days(30);

/// The last of it for each credential, with the generation it is about.
pub(super) type Allowances = BTreeMap<CredentialId, (String, Allowance)>;

impl ProbeRecord {
    /// Whether this answer says anything besides yes or no. A refusal says nothing of it, so the last good numbers stay.
    #[must_use]
    pub fn counts(&self) -> Option<&Allowance> {
        let said = &self.allowance;
        let anything = said.expires.is_some() || said.balance.is_some() || !said.quota.is_empty();
        (anything || self.verdict.kind == VerdictKind::Accepted).then_some(said)
    }
}

pub(super) fn record(db: &Connection, answers: &[ProbeRecord]) -> Result<(), StoreError> {
    let mut write = db.prepare(
        "INSERT OR REPLACE INTO allowance (credential, generation, at, expires, amount, currency, quota)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for answer in answers {
        let Some(said) = answer.counts() else { continue };
        let (id, at) = (answer.credential.as_str(), answer.verdict.at);
        let balance = said.balance.as_ref().filter(|balance| balance.amount.is_finite());
        write.execute(params![
            id,
            answer.generation,
            millis(at),
            said.expires.map(millis),
            balance.map(|balance| balance.amount),
            balance.and_then(|balance| balance.currency.as_deref()),
            serde_json::to_string(&said.quota)?,
        ])?;
        if let Some(balance) = balance {
            note(db, id, at, balance)?;
        }
    }
    Ok(())
}

fn note(db: &Connection, id: &str, at: Time, balance: &Balance) -> Result<(), StoreError> {
    let last: Option<(i64, f64, Option<String>)> = db
        .query_row(
            "SELECT at, amount, currency FROM balance WHERE credential = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1",
            params![id, millis(at)],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    if let Some((before, amount, currency)) = last {
        #[expect(clippy::float_cmp, reason = "the very same number")]
        let same = amount == balance.amount && currency == balance.currency;
        if same && at - instant(before) < UNCHANGED {
            return Ok(());
        }
        if currency != balance.currency {
            db.execute("DELETE FROM balance WHERE credential = ?1", [id])?;
        }
    }
    db.execute(
        "INSERT OR REPLACE INTO balance (credential, at, amount, currency) VALUES (?1, ?2, ?3, ?4)",
        params![id, millis(at), balance.amount, balance.currency],
    )?;
    Ok(())
}

/// A newer answer than what is remembered; its runway stays the one of the history before it.
pub(super) fn learn(known: &mut Allowances, answer: &ProbeRecord) {
    let Some(said) = answer.counts() else { return };
    let before = known.get(&answer.credential).filter(|(generation, _)| *generation == answer.generation);
    let runway = before.and_then(|(_, allowance)| allowance.runway).filter(|_| said.balance.is_some());
    let allowance = Allowance { runway, at: Some(answer.verdict.at), ..said.clone() };
    known.insert(answer.credential.clone(), (answer.generation.clone(), allowance));
}

pub(super) fn all(db: &Connection) -> Result<Allowances, StoreError> {
    let mut read = db.prepare("SELECT credential, generation, at, expires, amount, currency, quota FROM allowance")?;
    let mut rows = read.query([])?;
    let mut found = Allowances::new();
    while let Some(row) = rows.next()? {
        let id = CredentialId(row.get(0)?);
        let at = instant(row.get(2)?);
        let currency: Option<String> = row.get(5)?;
        let balance = row.get::<_, Option<f64>>(4)?.map(|amount| Balance { amount, currency });
        let runway = if balance.is_some() { runway(&history(db, &id, at)?) } else { None };
        let quota: String = row.get(6)?;
        let expires = row.get::<_, Option<i64>>(3)?.map(instant);
        let quota = serde_json::from_str(&quota).unwrap_or_default();
        found.insert(id, (row.get(1)?, Allowance { expires, balance, quota, runway, bands: None, at: Some(at) }));
    }
    Ok(found)
}

fn history(db: &Connection, id: &CredentialId, at: Time) -> Result<Vec<Point>, StoreError> {
    balances(db, id, at - LOOK_BACK)
}

/// What was left since then, oldest first.
pub(super) fn balances(db: &Connection, id: &CredentialId, since: Time) -> Result<Vec<Point>, StoreError> {
    let mut read = db.prepare("SELECT at, amount FROM balance WHERE credential = ?1 AND at >= ?2 ORDER BY at")?;
    let rows = read.query_map(params![id.as_str(), millis(since)], |row| Ok((instant(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
