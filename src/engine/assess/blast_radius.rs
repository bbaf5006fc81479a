//! How bad a state is for those who depend on it: the last that works is critical, one of several is a warning, an unused one
//! is worth knowing (DESIGN §7, *blast radius*).

use std::collections::BTreeMap;

use super::in_use::{Pool, User, offered};
use super::state::Reading;
use crate::domain::{Credential, Severity, State, Time};

/// For each credential how bad it is. `canonical` and `used` as [`super::copies`] and [`super::in_use`] decided.
pub(super) fn severities(
    credentials: &[Box<Credential>],
    readings: &[Reading],
    canonical: &[usize],
    used: &[bool],
    now: Time,
) -> Vec<Severity> {
    // Who would carry on in each pool; two groups tell whether there is another. What is about to end itself is nobody's reserve.
    let mut reserves: BTreeMap<Pool<'_>, Vec<usize>> = BTreeMap::new();
    for (index, (credential, reading)) in credentials.iter().zip(readings).enumerate() {
        let ending = reading.critical_at.is_some_and(|critical| critical <= now) && reading.state == State::Expiring;
        // Nor is what lies where nobody would take it from.
        let reachable = credential.declared_in_use != Some(false);
        let lasts = reading.state != State::RefreshOverdue && !ending;
        if offered(credential, reading.state, now) && reachable && lasts {
            let groups = reserves.entry(Pool::of(credential)).or_default();
            if groups.len() < 2 && !groups.contains(&canonical[index]) {
                groups.push(canonical[index]);
            }
        }
    }
    // A group is the last of its kind if it is so in any pool where it is used.
    let mut in_use = vec![false; credentials.len()];
    let mut last = vec![false; credentials.len()];
    for (index, credential) in credentials.iter().enumerate().filter(|(index, _)| used[*index]) {
        let group = canonical[index];
        in_use[group] = true;
        let pool = Pool::of(credential);
        let within = Pool { provider: pool.provider, user: User::Tool("") }..=Pool {
            provider: pool.provider,
            user: User::Anyone,
        };
        let others = reserves.range(within).filter(|(other, _)| pool.reaches(other));
        last[group] |= !others.flat_map(|(_, groups)| groups).any(|other| *other != group);
    }
    let of = |index: usize| {
        let reading = &readings[index];
        match (reading.band, reading.state) {
            // Copies are shown, never alerted on.
            _ if canonical[index] != index => Severity::None,
            (Severity::None, _) => Severity::None,
            _ if !in_use[index] => Severity::Info,
            (band, _) if last[index] => band,
            // Its quota comes back by itself, and others work meanwhile.
            (_, State::Limited) => Severity::Info,
            (band, _) => band.min(Severity::Warning),
        }
    };
    (0..credentials.len()).map(of).collect()
}
