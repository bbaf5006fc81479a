//! Whether anything uses a credential, and which credentials could replace each other (DESIGN §7, *in use*).

use std::collections::BTreeSet;

use crate::domain::{Bench, BenchKind, Credential, Owner, Selection, Span, State, Time};
use crate::engine::observation::Demand;
use crate::engine::order::Exclusion;

/// A tool's login counts as used if its file or the tool's state changed within this.
const TOOL_ALIVE: Span = Span::days(30);

/// Who takes a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) enum User<'a> {
    /// One tool.
    Tool(&'a str),
    /// One gateway of the family: another gateway's store is out of its reach.
    Gateway(&'a str),
    /// Whoever runs in an environment; every gateway does.
    Anyone,
}

/// Credentials that replace each other when one ends: those of one user for one provider. A gateway can fall back on an
/// environment, but not on a tool's login, nor a tool on the gateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) struct Pool<'a> {
    pub provider: &'a str,
    pub user: User<'a>,
}

impl<'a> Pool<'a> {
    pub fn of(credential: &'a Credential) -> Self {
        let user = match credential.owner {
            Owner::Tool | Owner::Secondhand => User::Tool(&credential.origin.source),
            Owner::GatewayStore => User::Gateway(&credential.origin.source),
            Owner::Environment | Owner::Declared => User::Anyone,
        };
        Self { provider: &credential.provider, user }
    }

    /// True if what is in the other pool could stand in for what is in this one.
    pub fn reaches(&self, other: &Pool<'_>) -> bool {
        let gateways =
            matches!((self.user, other.user), (User::Gateway(_), User::Anyone) | (User::Anyone, User::Gateway(_)));
        self.provider == other.provider && (gateways || self.user == other.user)
    }
}

/// True if the gateways' models ask for this provider.
pub(super) fn demanded(demand: &Demand, provider: &str) -> bool {
    !demand.models_configured || demand.providers.contains(provider)
}

/// For each credential whether it is in use by itself (its copies are looked at elsewhere).
pub(super) fn in_use(credentials: &[Box<Credential>], demand: &Demand, now: Time) -> Vec<bool> {
    // Where the gateway would take nothing at all, every entry is what its user is missing.
    let offering: BTreeSet<Pool<'_>> =
        credentials.iter().filter(|one| !excluded(one)).map(|one| Pool::of(one)).collect();
    let nothing_eligible = |credential: &Credential| {
        let pool = Pool::of(credential);
        !offering.contains(&pool) && !offering.iter().any(|other| pool.reaches(other))
    };
    let used = |credential: &Credential| match (credential.declared_in_use, credential.owner) {
        (Some(declared), _) => declared,
        (None, Owner::Declared) => true,
        (None, Owner::Tool | Owner::Secondhand) => {
            credential.activity.owner_changed.is_none_or(|changed| now - changed <= TOOL_ALIVE)
        }
        (None, Owner::GatewayStore | Owner::Environment) => {
            demanded(demand, &credential.provider)
                && (!excluded(credential) || itself(credential) || nothing_eligible(credential))
        }
    };
    credentials.iter().map(|one| used(one)).collect()
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
