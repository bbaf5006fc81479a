//! The judgement: everything that was seen becomes one [`Snapshot`] (DESIGN §7).
//!
//! In steps, each a file: which places hold the same secret ([`copies`]), what each credential says for itself ([`state`]),
//! what uses it ([`in_use`]), how bad that is ([`blast_radius`]), and one line for each provider ([`providers`]).
//! It reads no clock and asks nobody.

mod blast_radius;
mod copies;
pub mod generation;
pub(super) mod in_use;
mod overdue;
mod providers;
mod state;
#[cfg(test)]
pub(crate) mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::observation::Observation;
use super::policy::Thresholds;
use super::tiers;
use crate::cores;
use crate::domain::{
    Assessed, Credential, CredentialId, Finding, GatewayState, Judgement, Owner, Renewal, Selection, Severity,
    Snapshot, Time, Verdict,
};
use copies::Secrets;
use state::{End, Facts, Reading};

/// Judges everything seen. Pure; the order of the input does not matter; cost grows as n log n.
#[must_use]
pub fn assess(observation: Observation, thresholds: &Thresholds, now: Time) -> Snapshot {
    let Observation {
        host,
        mut credentials,
        verdicts,
        mut allowances,
        previous,
        demand,
        gateway,
        mut findings,
        sources,
        clock_problem,
    } = observation;
    credentials.sort_by(|one, other| one.id.cmp(&other.id));
    let secrets = Secrets::number(&credentials);
    let mirrors = copies::mirrors(&credentials);
    let canonical = copies::canonical(&credentials, &secrets, &mirrors, &previous);
    let shared = Shared::collect(&credentials, &secrets, &verdicts);
    let gateway_runs = gateway.state == GatewayState::Up;
    let indices: Vec<usize> = (0..credentials.len()).collect();
    let alone = |&index: &usize| {
        let credential = &credentials[index];
        let facts = Facts {
            previous: previous.get(&credential.id).map(String::as_str),
            verdict: shared.verdict(index, credential, &verdicts),
            borrowed: shared.date(index, credential),
            gateway_runs,
            clock_problem: clock_problem.as_deref(),
            thresholds,
            now,
        };
        state::read(credential, &facts)
    };
    let mut readings: Vec<Reading> = cores::for_each(cores::THINKING, &indices, alone);
    for (mirror, login) in mirrors {
        // Its gateway copies the login again before it uses this one.
        let generation = std::mem::take(&mut readings[mirror].generation);
        readings[mirror] = Reading { generation, ..readings[login].clone() };
    }
    let used = in_use::in_use(&credentials, &demand, now);
    let severities = blast_radius::severities(&credentials, &readings, &canonical, &used, now);

    let mut group_used = vec![false; credentials.len()];
    let mut copies: BTreeMap<usize, Vec<CredentialId>> = BTreeMap::new();
    for (index, &group) in canonical.iter().enumerate() {
        group_used[group] |= used[index];
        if group != index {
            copies.entry(group).or_default().push(credentials[index].id.clone());
        }
    }
    let mut known: BTreeMap<usize, Verdict> = credentials
        .iter()
        .enumerate()
        .filter_map(|(index, one)| Some((index, shared.verdict(index, one, &verdicts)?.0.clone())))
        .collect();
    let mut ids: BTreeMap<usize, CredentialId> = BTreeMap::new();
    for (_, &group) in canonical.iter().enumerate().filter(|(index, group)| index != *group) {
        ids.entry(group).or_insert_with(|| credentials[group].id.clone());
    }

    let mut parts: Vec<(usize, (Box<Credential>, Reading))> =
        credentials.into_iter().zip(readings).enumerate().collect();
    // Stable, so those of one date stay in the order of their ids; and before they are made, as then they are larger.
    parts.sort_by_cached_key(|(_, (_, reading))| reading.expires.unwrap_or(Time::MAX_UTC));
    let assessed: Vec<Assessed> = parts
        .into_iter()
        .map(|(index, (credential, reading))| {
            let group = canonical[index];
            let copy_of = (group != index).then(|| ids[&group].clone());
            let judgement = judgement(&credential, reading, severities[index], group_used[group], &copy_of);
            let mut allowance = allowances.remove(&credential.id).map(Box::new);
            if let Some(allowance) = &mut allowance {
                let bands = allowance.runway.map(|runway| tiers::bands(runway.ends, None, thresholds));
                allowance.bands = bands.map(|bands| (bands.warn_at, bands.critical_at));
            }
            let copies = copies.remove(&index).unwrap_or_default();
            Assessed { credential, judgement, copies, copy_of, verdict: known.remove(&index), allowance }
        })
        .collect();
    worst_first(&mut findings);
    Snapshot {
        taken_at: now,
        host,
        providers: providers::summaries(&assessed, &demand, now),
        credentials: assessed,
        gateway,
        findings,
        sources,
        clock_problem,
        fleet: false,
    }
}

/// The order of findings in a snapshot: worst first, then by id and place.
pub fn worst_first(findings: &mut [Finding]) {
    findings.sort_by_cached_key(|finding| {
        (Reverse(finding.severity), finding.id.clone(), finding.place.to_string(), finding.message.clone())
    });
}

fn judgement(
    credential: &Credential,
    reading: Reading,
    severity: Severity,
    in_use: bool,
    copy_of: &Option<CredentialId>,
) -> Judgement {
    let Reading { state, expires, warn_at, critical_at, tier, mut because, fix, generation, .. } = reading;
    let generation = if copy_of.is_some() { generation::of_copy(generation) } else { generation };
    if let Some(original) = copy_of {
        because.push(["the same login or secret as ", original.as_str(), ", which is what alerts speak of"].concat());
    }
    if let Selection::Excluded(why) = &credential.selection {
        because.push(format!("its gateway would not take it: {why}"));
    }
    if !in_use {
        because.push("nothing uses it".to_owned());
        let left = credential.owner == Owner::Tool && credential.declared_in_use.is_none();
        if let Some(since) = credential.activity.owner_changed.filter(|_| left) {
            because.push(format!("neither it nor its tool has changed since {}", state::when(since)));
        }
    }
    Judgement { state, severity, in_use, expires, warn_at, critical_at, tier, generation, because, fix }
}

/// What places that hold the very same secret can tell each other: an answer to one is an answer to all, and a date that only
/// one of them carries is true of all.
struct Shared<'a> {
    secrets: &'a Secrets,
    verdicts: Vec<Option<(&'a Verdict, &'a CredentialId)>>,
    dates: Vec<Option<(End, &'a CredentialId)>>,
}

impl<'a> Shared<'a> {
    fn collect(
        credentials: &'a [Box<Credential>],
        secrets: &'a Secrets,
        verdicts: &'a BTreeMap<CredentialId, Verdict>,
    ) -> Self {
        let mut shared = Self { secrets, verdicts: vec![None; secrets.count], dates: vec![None; secrets.count] };
        for (index, credential) in credentials.iter().enumerate() {
            if let Some(secret) = secrets.access(index)
                && let Some(verdict) = verdicts.get(&credential.id)
            {
                let weight = |verdict: &Verdict| (verdict.kind.is_conclusive(), verdict.at);
                let best = shared.verdicts[secret].get_or_insert((verdict, &credential.id));
                if weight(verdict) > weight(best.0) {
                    *best = (verdict, &credential.id);
                }
            }
            let Some(end) = state::end(credential) else { continue };
            // The end of a login is true of its refresh token wherever that is; the end of an access token only of itself.
            let refresh = secrets.refresh(index).filter(|_| end.grant.is_some());
            for secret in [secrets.access(index), refresh].into_iter().flatten() {
                let soonest = shared.dates[secret].get_or_insert((end, &credential.id));
                if (end.is_assumed(), end.at) < (soonest.0.is_assumed(), soonest.0.at) {
                    *soonest = (end, &credential.id);
                }
            }
        }
        shared
    }

    /// Its own verdict if that is conclusive, else the best one that any place of the same secret has.
    fn verdict(
        &self,
        index: usize,
        credential: &Credential,
        verdicts: &'a BTreeMap<CredentialId, Verdict>,
    ) -> Option<(&'a Verdict, Option<&'a CredentialId>)> {
        let own = verdicts.get(&credential.id);
        let lent = self
            .secrets
            .access(index)
            .and_then(|secret| self.verdicts[secret])
            .filter(|(verdict, id)| **id != credential.id && verdict.kind.is_conclusive());
        match (own, lent) {
            (Some(own), _) if own.kind.is_conclusive() => Some((own, None)),
            (_, Some((lent, id))) => Some((lent, Some(id))),
            (own, None) => own.map(|own| (own, None)),
        }
    }

    /// A date for a credential that has none and that nobody renews by itself.
    fn date(&self, index: usize, credential: &Credential) -> Option<(End, &'a CredentialId)> {
        // The end of an access token that its owner renews says nothing.
        let counts = |end: &End| credential.renewal != Renewal::Auto || end.grant.is_some();
        [self.secrets.access(index), self.secrets.refresh(index)]
            .into_iter()
            .flatten()
            .filter_map(|secret| self.dates[secret])
            .find(|(end, id)| **id != credential.id && counts(end))
    }
}
