//! The answer of `--check` (CONTRACTS §2): 0 fine, 1 something in use has nothing that works, 2 the last that works ends
//! within 24 hours, by its date or because the money behind it is then used up for certain ([`runway::at_the_latest`]); 66 and
//! 78 where a whole store that cannot be read or understood hides the answer.

use std::collections::{BTreeMap, BTreeSet};

use super::assess::in_use::{Pool, User, offered};
use super::runway;
use crate::domain::{Assessed, Basis, CredentialId, Finding, Kind, Snapshot, Span, State, Time};

/// What is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckScope {
    /// Each provider in use, over what still works.
    #[default]
    InUse,
    /// Every stored token and login by itself, as OpenSoul 0.2 did.
    Store,
}

/// The exit code and the reasons for it, one a line; no reason means 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckResult {
    /// 0, 1, 2, 66 or 78.
    pub code: u8,
    /// Why.
    pub reasons: Vec<String>,
    /// Nothing is known to be dead: what could tell cannot be seen.
    pub unseen: bool,
}

/// Finding id of a whole store that cannot be read.
pub const STORE_UNREADABLE: &str = "store.unreadable";
/// Finding id of a whole store that cannot be understood.
pub const STORE_UNPARSABLE: &str = "store.unparsable";

/// The last credential that works may end so soon: exit code 2.
const SOON: Span = Span::hours(24);

/// The exit code of `--check`.
#[must_use]
pub fn exit_code(snapshot: &Snapshot, scope: CheckScope) -> CheckResult {
    let mut lines = match scope {
        CheckScope::InUse => in_use(snapshot),
        CheckScope::Store => store(snapshot),
    };
    let dead = lines.iter().any(|line| matches!(line.0, Answer::Dead));
    let hidden = lines.iter().any(|line| matches!(line.0, Answer::Unseen));
    let code = match hidden.then(|| hiding(&snapshot.findings)).flatten() {
        // What is surely dead is 1 whatever else could not be read.
        Some((code, why)) if !dead => {
            lines.push((Answer::Unseen, why));
            code
        }
        _ if dead || hidden => 1,
        _ => {
            if lines.is_empty() {
                0
            } else {
                2
            }
        }
    };
    if code != 2 {
        lines.retain(|(answer, _)| !matches!(answer, Answer::Soon));
    }
    let reasons = lines.into_iter().map(|(_, reason)| reason).collect();
    CheckResult { code, reasons, unseen: hidden && !dead }
}

enum Answer {
    /// Nothing works, and we know why.
    Dead,
    /// Nothing works as far as can be seen, and something could not be seen.
    Unseen,
    /// It ends within 24 hours.
    Soon,
}

fn in_use(snapshot: &Snapshot) -> Vec<(Answer, String)> {
    if snapshot.providers.is_empty() {
        return vec![(Answer::Unseen, "No credentials found".to_owned())];
    }
    // Where nothing at all is in use, everything found is judged: a machine with one dead login is not fine.
    let nothing_used = !snapshot.providers.iter().any(|provider| provider.in_use);
    let mut pools: BTreeMap<Pool<'_>, Vec<&Assessed>> = BTreeMap::new();
    // What nobody is known to take (parked, of a cloud that no model is called through, a copy at a place that is not read) is
    // nobody's loss, and what only its tool can open may well be fine.
    let unwanted = |a: &Assessed| a.credential.declared_in_use == Some(false);
    let counts = |a: &&Assessed| !unwanted(a) && (nothing_used || a.judgement.in_use);
    for assessed in snapshot.credentials.iter().filter(counts) {
        pools.entry(Pool::of(&assessed.credential)).or_default().push(assessed);
    }
    // A gateway's provider is its own store and the environment together.
    let own: Vec<Pool<'_>> = pools.keys().copied().filter(|pool| matches!(pool.user, User::Gateway(_))).collect();
    for gateway in &own {
        let anyone = Pool { user: User::Anyone, ..*gateway };
        let shared = pools.get(&anyone).cloned().unwrap_or_default();
        pools.entry(*gateway).or_default().extend(shared);
    }
    pools.retain(|pool, _| pool.user != User::Anyone || !own.iter().any(|gateway| gateway.provider == pool.provider));
    let mut lines = Vec::new();
    let mut explained = BTreeSet::new();
    let now = snapshot.taken_at;
    // While the clock is wrong, no date is believed.
    let dated = snapshot.credentials.iter().filter(|_| snapshot.clock_problem.is_none());
    let spent: Spent = dated.filter_map(|a| Some((&a.credential.id, runway::at_the_latest(a, now)?))).collect();
    let judged: Vec<_> =
        pools.iter().filter_map(|(pool, members)| Some((pool, members, judge(pool, members, &spent, now)?))).collect();
    let dead = judged.iter().filter(|(_, _, line)| matches!(line.0, Answer::Dead));
    let named: BTreeSet<&CredentialId> =
        dead.flat_map(|(_, members, _)| members.iter().map(|one| &one.credential.id)).collect();
    for (pool, members, line) in judged {
        // A tool's login that works for a while yet says nothing of a gateway that has none.
        if !matches!(line.0, Answer::Soon) {
            explained.insert(pool.provider);
        }
        // One dead login is one reason, however many places have a copy of it.
        if !members.iter().all(|one| one.copy_of.as_ref().is_some_and(|original| named.contains(original))) {
            lines.push(line);
        }
    }
    // Asked for, and nobody who could answer has anything; a tool's login is no answer to the gateway.
    let unanswered = snapshot.providers.iter().filter(|p| p.in_use && !p.state.is_usable());
    lines.extend(
        unanswered
            .filter(|provider| !explained.contains(provider.provider.as_str()))
            .map(|provider| (Answer::Unseen, format!("{}: no credential that its user could take", provider.provider))),
    );
    lines
}

/// When the balances behind credentials are used up for certain.
type Spent<'a> = BTreeMap<&'a CredentialId, Time>;

/// What makes a credential that works come to an end.
enum Ends {
    Itself(Time),
    Balance(Time),
}

/// The first thing that ends it; a copy has the money of its original.
fn ends(one: &Assessed, spent: &Spent<'_>) -> Option<Ends> {
    let balance = spent.get(one.copy_of.as_ref().unwrap_or(&one.credential.id)).copied();
    // A guess is worth a warning, and no end that a script acts on.
    let clocks = &one.credential.clocks;
    let guessed = clocks.grant_basis == Some(Basis::Assumed) && one.judgement.expires == clocks.grant_expires;
    match (one.judgement.expires.filter(|_| !guessed), balance) {
        (Some(own), Some(balance)) if balance < own => Some(Ends::Balance(balance)),
        (Some(own), _) => Some(Ends::Itself(own)),
        (None, balance) => balance.map(Ends::Balance),
    }
}

fn judge(pool: &Pool<'_>, members: &[&Assessed], spent: &Spent<'_>, now: Time) -> Option<(Answer, String)> {
    let name = match pool.user {
        User::Tool(tool) => format!("{} ({tool})", pool.provider),
        User::Gateway(_) | User::Anyone => pool.provider.to_owned(),
    };
    let works = || members.iter().filter(|a| offered(&a.credential, a.judgement.state, now));
    if works().next().is_none() {
        let unseen = members.iter().all(|a| matches!(a.judgement.state, State::Unreadable | State::Unknown));
        let states: Vec<String> =
            members.iter().map(|a| format!("{} is {}", a.credential.id, why_not(a, now))).collect();
        let answer = if unseen { Answer::Unseen } else { Answer::Dead };
        return Some((answer, format!("{name}: nothing usable: {}", states.join(", "))));
    }
    // The one that lasts longest decides; one without a date lasts.
    let at = |end: &Ends| match end {
        Ends::Itself(at) | Ends::Balance(at) => *at,
    };
    let (last, end) =
        works().map(|a| (a, ends(a, spent))).max_by_key(|(_, end)| (end.is_none(), end.as_ref().map(at)))?;
    let end = end.filter(|end| at(end) <= now + SOON)?;
    let when = at(&end).format("%Y-%m-%d %H:%M UTC");
    let how = match end {
        Ends::Itself(_) if last.judgement.state != State::Expiring => return None,
        Ends::Itself(_) => format!("ends {when}"),
        Ends::Balance(_) => format!("has no money behind it from {when} on at the latest, at the pace of its history"),
    };
    Some((Answer::Soon, format!("{name}: the last usable credential, {}, {how}", last.credential.id)))
}

/// What keeps a credential from being of use: its state, or its gateway.
fn why_not(assessed: &Assessed, now: Time) -> String {
    let bench = assessed.credential.bench.as_ref().filter(|bench| bench.until > now);
    match bench {
        Some(bench) if assessed.judgement.state.is_usable() => {
            format!("set aside by its gateway until {}", bench.until.format("%Y-%m-%d %H:%M UTC"))
        }
        _ if assessed.judgement.state == State::RefreshOverdue => assessed.judgement.state.to_string(),
        _ if assessed.judgement.state.is_usable() => "not taken by its gateway".to_owned(),
        _ => assessed.judgement.state.to_string(),
    }
}

/// The rule of OpenSoul 0.2: any expired or missing token or login is 1, any that ends within 24 hours is 2.
fn store(snapshot: &Snapshot) -> Vec<(Answer, String)> {
    let now = snapshot.taken_at;
    let mut lines: Vec<(Answer, String)> = snapshot
        .providers
        .iter()
        .filter(|provider| provider.in_use && provider.total == 0)
        .map(|provider| (Answer::Unseen, format!("{}: no credential", provider.provider)))
        .collect();
    let stored = snapshot.credentials.iter().filter(|a| matches!(a.credential.kind, Kind::Token | Kind::Oauth));
    lines.extend(stored.filter_map(|a| {
        let (id, state) = (&a.credential.id, a.judgement.state);
        let soon = a.judgement.expires.is_some_and(|end| end <= now + SOON);
        match state {
            State::Unreadable | State::Unknown => Some((Answer::Unseen, format!("{id} is {state}"))),
            State::Expiring if soon => Some((Answer::Soon, format!("{id} ends within 24 hours"))),
            _ if state.is_usable() => None,
            _ => Some((Answer::Dead, format!("{id} is {state}"))),
        }
    }));
    lines
}

/// The whole store that hides an answer, if there is one.
fn hiding(findings: &[Finding]) -> Option<(u8, String)> {
    [(STORE_UNREADABLE, 66), (STORE_UNPARSABLE, 78)].into_iter().find_map(|(id, code)| {
        let finding = findings.iter().find(|finding| finding.id == id)?;
        Some((code, format!("{}: {}", finding.place, finding.message)))
    })
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
