//! Whether anything uses a credential, and which credentials could replace each other (DESIGN §7, *in use*).

use std::collections::BTreeMap;

use crate::domain::{Bench, BenchKind, Credential, Owner, Selection, Span, State, Time};
use crate::engine::observation::Demand;
use crate::engine::order::Exclusion;

/// A tool's login counts as used if its file or the tool's state changed within this.
const TOOL_ALIVE: Span = Span::days(30);

/// Credentials that replace each other when one ends: those the gateway (or an environment) offers for one provider, or
/// those of one tool for one provider. A gateway cannot fall back on a tool's login, nor a tool on the gateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) struct Pool<'a> {
    pub provider: &'a str,
    pub tool: Option<&'a str>,
}

impl<'a> Pool<'a> {
    pub fn of(credential: &'a Credential) -> Self {
        let tool = (credential.owner == Owner::Tool).then_some(credential.origin.source.as_str());
        Self { provider: &credential.provider, tool }
    }
}

/// True if the gateways' models ask for this provider.
pub(super) fn demanded(demand: &Demand, provider: &str) -> bool {
    !demand.models_configured || demand.providers.contains(provider)
}

/// For each credential whether it is in use by itself (its copies are looked at elsewhere).
pub(super) fn in_use(credentials: &[Credential], demand: &Demand, now: Time) -> Vec<bool> {
    // Pools in which the gateway would take nothing at all: there every entry is what its user is missing.
    let mut nothing_eligible: BTreeMap<Pool<'_>, bool> = BTreeMap::new();
    for credential in credentials {
        let entry = nothing_eligible.entry(Pool::of(credential)).or_insert(true);
        *entry &= excluded(credential);
    }
    let used = |credential: &Credential| match (credential.declared_in_use, credential.owner) {
        (Some(declared), _) => declared,
        (None, Owner::Declared) => true,
        (None, Owner::Tool) => credential.activity.owner_changed.is_none_or(|changed| now - changed <= TOOL_ALIVE),
        (None, Owner::GatewayStore | Owner::Environment) => {
            demanded(demand, &credential.provider)
                && (!excluded(credential) || itself(credential) || nothing_eligible[&Pool::of(credential)])
        }
    };
    credentials.iter().map(used).collect()
}

fn excluded(credential: &Credential) -> bool {
    matches!(credential.selection, Selection::Excluded(_))
}

/// True if the gateway passes over it only because of what we judge ourselves: it has ended, or there is nothing in it. Its
/// user did mean it to be used, so its end is no spare's end.
fn itself(credential: &Credential) -> bool {
    let own = [Exclusion::Expired.reason(), Exclusion::NoSecret.reason()];
    matches!(&credential.selection, Selection::Excluded(why) if own.contains(&why.as_str()) || why.starts_with("damaged"))
}

/// True if the one who wants it would get something that works: its state allows it, and its gateway does not refuse it.
pub(in crate::engine) fn offered(credential: &Credential, state: State, now: Time) -> bool {
    let disabled = |bench: &Bench| bench.kind == BenchKind::Disabled && bench.until > now;
    // Not renewed when it should have been: that works for as long as the access token does.
    let lapsed = state == State::RefreshOverdue && credential.clocks.access_expires.is_none_or(|end| end <= now);
    state.is_usable() && !lapsed && !excluded(credential) && !credential.bench.as_ref().is_some_and(disabled)
}
