//! One line for each provider: what a request would meet.

use std::collections::{BTreeMap, BTreeSet};

use super::in_use::{demanded, offered};
use crate::domain::{Assessed, Bench, BenchKind, CredentialId, Owner, ProviderSummary, Selection, State, Time};
use crate::engine::observation::Demand;

/// Every provider that has a credential or is asked for, by name.
pub(super) fn summaries(credentials: &[Assessed], demand: &Demand, now: Time) -> Vec<ProviderSummary> {
    let mut by_provider: BTreeMap<&str, Vec<&Assessed>> = BTreeMap::new();
    if demand.models_configured {
        for provider in &demand.providers {
            by_provider.entry(provider).or_default();
        }
    }
    for assessed in credentials {
        by_provider.entry(&assessed.credential.provider).or_default().push(assessed);
    }
    by_provider.into_iter().map(|(provider, all)| summary(provider, &all, demand, now)).collect()
}

fn summary(provider: &str, all: &[&Assessed], demand: &Demand, now: Time) -> ProviderSummary {
    let asked_for = demand.models_configured && demanded(demand, provider);
    let works = |assessed: &Assessed| offered(&assessed.credential, assessed.judgement.state, now);
    // What is parked is nobody's until somebody puts it back.
    let counts = |a: &Assessed| {
        works(a) && !(a.credential.owner == Owner::Secondhand && a.credential.declared_in_use == Some(false))
    };
    let originals = || all.iter().filter(|assessed| assessed.copy_of.is_none());
    // One that counts and its copies are one. Put in one by one: collected, all would be sorted first.
    let mut lent: BTreeSet<&CredentialId> = BTreeSet::new();
    lent.extend(all.iter().filter(|assessed| counts(assessed)).filter_map(|assessed| assessed.copy_of.as_ref()));
    let alone = originals().filter(|assessed| counts(assessed) && !lent.contains(&assessed.credential.id)).count();
    // Where the gateway asks, a tool's own login does not answer.
    let candidates: Vec<&Assessed> = all
        .iter()
        .copied()
        .filter(|a| !asked_for || !matches!(a.credential.owner, Owner::Tool | Owner::Secondhand))
        .collect();
    let in_use = asked_for || all.iter().any(|assessed| assessed.judgement.in_use);
    let met = candidates.iter().filter(|a| a.judgement.in_use || !in_use).map(|a| match a.judgement.state {
        State::RefreshOverdue => State::RefreshOverdue,
        state if state.is_usable() && !works(a) => refused(a),
        state => state,
    });
    ProviderSummary {
        provider: provider.to_owned(),
        state: met.min_by_key(|state| goodness(*state)).unwrap_or(State::Missing),
        in_use,
        usable: lent.len() + alone,
        total: originals().count(),
        effective: effective(&candidates, counts),
    }
}

/// What a request meets that would only work if its gateway let it.
fn refused(assessed: &Assessed) -> State {
    match &assessed.credential.bench {
        Some(Bench { kind: BenchKind::Disabled, reason: Some(reason), .. }) if reason == "billing" => State::Billing,
        Some(Bench { kind: BenchKind::Disabled, .. }) => State::Unknown,
        _ => State::Missing,
    }
}

/// What the gateway would take first, else what works best.
fn effective(candidates: &[&Assessed], works: impl Fn(&Assessed) -> bool) -> Option<CredentialId> {
    let first = candidates.iter().filter(|a| a.credential.selection == Selection::Eligible(0));
    let best = candidates.iter().filter(|a| works(a) && a.copy_of.is_none());
    let rank = |a: &Assessed| (!a.judgement.in_use, !works(a), goodness(a.judgement.state), a.credential.owner);
    let better =
        |a: &&&Assessed, b: &&&Assessed| rank(a).cmp(&rank(b)).then_with(|| a.credential.id.cmp(&b.credential.id));
    first.min_by(better).or_else(|| best.min_by(better)).map(|a| a.credential.id.clone())
}

/// Best first.
fn goodness(state: State) -> usize {
    const ORDER: [State; 13] = [
        State::Ok,
        State::Static,
        State::Expiring,
        State::Limited,
        State::RefreshOverdue,
        State::Unknown,
        State::Unreadable,
        State::Billing,
        State::Forbidden,
        State::Rejected,
        State::Expired,
        State::Missing,
        State::Retired,
    ];
    ORDER.iter().position(|other| *other == state).unwrap_or(ORDER.len())
}
