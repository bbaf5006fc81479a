//! Which credentials are there, and which have gone: "gone" needs a source that could be read and two cycles (DESIGN §7).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{CredentialId, Snapshot, Span, Time};
use crate::engine::assess::generation;

use super::Known;
use super::conditions::unseen;
use super::life::SETTLED;

/// After this long a credential that is gone is forgotten, and what was wrong with it is over.
const REMEMBERED: Span = Span::days(7);

/// Cycles that a credential must be absent before we believe it, [`SETTLED`] apart.
const CYCLES: u32 = 2;

/// The count of one that is known to be gone.
const GONE: u32 = CYCLES + 1;

/// What became of the credentials of earlier cycles.
#[derive(Default)]
pub(super) struct Presence {
    /// Absent for two cycles or more, although their source could be read.
    pub gone: BTreeMap<CredentialId, Known>,
    /// Not seen this time, and not known to be gone.
    pub uncertain: BTreeMap<CredentialId, Known>,
    /// Those of them that were not known to be gone before.
    pub newly_gone: Vec<Known>,
    /// New and changed entries.
    pub changed: Vec<Known>,
    /// Entries to drop.
    pub forget: Vec<CredentialId>,
}

/// Compares the credentials of earlier cycles with what is there now.
pub(super) fn update(known: &[Known], snapshot: &Snapshot, now: Time) -> Presence {
    let mut result = Presence::default();
    if unseen(snapshot) {
        // Not even the days until something is forgotten go by.
        result.uncertain = known.iter().map(|entry| (entry.id.clone(), entry.clone())).collect();
        return result;
    }
    let readable: BTreeSet<&str> =
        snapshot.sources.iter().filter(|source| source.up && !source.hidden).map(|s| s.source.as_str()).collect();
    let before: BTreeMap<&CredentialId, &Known> = known.iter().map(|entry| (&entry.id, entry)).collect();

    let mut here = BTreeSet::new();
    for assessed in &snapshot.credentials {
        let credential = &assessed.credential;
        here.insert(&credential.id);
        let entry = Known {
            id: credential.id.clone(),
            provider: credential.provider.clone(),
            source: credential.origin.source.to_string(),
            in_use: assessed.copy_of.is_none() && assessed.judgement.in_use,
            absent_since: None,
            absent_cycles: 0,
            generation: Some(assessed.judgement.generation.clone()),
            account: generation::account(credential),
            scopes: credential.scopes.clone(),
        };
        if before.get(&credential.id) != Some(&&entry) {
            result.changed.push(entry);
        }
    }
    for entry in known.iter().filter(|entry| !here.contains(&entry.id)) {
        // The first instant counts for unreadable sources too, so that one which never comes back is forgotten in the end.
        let since = entry.absent_since.filter(|since| *since <= now).unwrap_or(now);
        let cycles = entry.absent_cycles + u32::from(readable.contains(entry.source.as_str()));
        if now - since >= REMEMBERED {
            result.forget.push(entry.id.clone());
            continue;
        }
        let mut absent = Known { absent_since: Some(since), absent_cycles: cycles.min(GONE), ..entry.clone() };
        if absent.absent_cycles >= CYCLES && now - since >= SETTLED {
            absent.absent_cycles = GONE;
            if entry.absent_cycles < GONE {
                result.newly_gone.push(absent.clone());
            }
            result.gone.insert(absent.id.clone(), absent.clone());
        } else {
            if entry.absent_cycles < GONE {
                absent.absent_cycles = absent.absent_cycles.min(CYCLES);
            }
            result.uncertain.insert(absent.id.clone(), absent.clone());
        }
        if absent != *entry {
            result.changed.push(absent);
        }
    }
    result
}
