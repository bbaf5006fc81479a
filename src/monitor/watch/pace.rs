//! When a change is worth a look. Pure; time is a duration since some fixed instant.
//!
//! A change is looked at once its file has been quiet for a moment, or after a second if it never is. A file that changes
//! again and again is looked at ever more rarely, for itself alone: a login that is renewed beside a busy store is seen at once.

use std::collections::BTreeMap;
use std::time::Duration;

/// Writers write in several steps.
const QUIET: Duration = Duration::from_millis(300);
/// The longest wait for quiet.
const PATIENCE: Duration = Duration::from_secs(1);
/// After a look the same file gets this much rest, doubled each time that it changes again within [`CALM`] …
const REST: Duration = Duration::from_millis(500);
/// … up to this.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// After this long without a look it starts anew.
const CALM: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// First and last change that nobody has looked at.
    waiting: Option<(Duration, Duration)>,
    looked: Option<Duration>,
    rest: Duration,
}

impl Place {
    fn due(&self) -> Option<Duration> {
        let (first, last) = self.waiting?;
        let ready = (last + QUIET).min(first + PATIENCE);
        Some(self.looked.map_or(ready, |looked| ready.max(looked + self.rest)))
    }
}

/// The changes of several places.
#[derive(Debug)]
pub(super) struct Pace<K>(BTreeMap<K, Place>);

impl<K: Ord> Pace<K> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Something changed there.
    pub(super) fn changed(&mut self, place: K, now: Duration) {
        let waiting = &mut self.0.entry(place).or_default().waiting;
        *waiting = Some(waiting.map_or((now, now), |(first, _)| (first, now)));
    }

    /// When to look next, if anything waits.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.values().filter_map(Place::due).min()
    }

    /// True if it is time for a look; then everything that has come to rest counts as looked at.
    pub(super) fn look(&mut self, now: Duration) -> bool {
        if self.next().is_none_or(|next| next > now) {
            return false;
        }
        for place in self.0.values_mut() {
            let Some((_, last)) = place.waiting else { continue };
            if last + QUIET > now && place.due().is_none_or(|due| due > now) {
                continue;
            }
            let again = place.looked.is_some_and(|looked| now.saturating_sub(looked) < CALM);
            place.rest = if again { (place.rest * 2).min(LONGEST_REST) } else { REST };
            place.looked = Some(now);
            place.waiting = None;
        }
        // What has been calm needs no memory.
        self.0.retain(|_, place| {
            place.waiting.is_some() || place.looked.is_some_and(|looked| now.saturating_sub(looked) < CALM)
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// When looks happen, with changes at these milliseconds.
    fn looks(changes: &[(u64, u8)], until: u64) -> Vec<u64> {
        let mut pace = Pace::new();
        let mut changes = changes.iter().peekable();
        let mut looks = Vec::new();
        for now in 0..until {
            while let Some((_, place)) = changes.next_if(|(at, _)| *at <= now) {
                pace.changed(*place, ms(now));
            }
            if pace.look(ms(now)) {
                looks.push(now);
            }
        }
        looks
    }

    #[test]
    fn one_change_one_look() {
        assert_eq!(looks(&[(0, 1)], 5000), [300]);
        assert_eq!(looks(&[(0, 1), (200, 1), (450, 1)], 5000), [750], "a writer in several steps");
        assert_eq!(looks(&[(0, 1), (100, 2)], 5000), [300, 400], "each is looked at when it is quiet");
        assert_eq!(looks(&[(0, 1), (3000, 1), (6000, 1)], 9000), [300, 3300, 6300], "logged out, then in again");
    }

    #[test]
    fn a_storm_costs_a_few_looks_and_hides_nothing_else() {
        let mut storm: Vec<(u64, u8)> = (0..60_000).step_by(10).map(|at| (at, 1)).collect();
        let alone = looks(&storm, 61_000);
        assert!(alone.len() <= 8, "{alone:?}");
        assert!(alone[0] <= 1000 && alone.iter().filter(|at| **at < 10_000).count() <= 5, "{alone:?}");
        storm.push((40_000, 2));
        storm.sort_unstable();
        assert!(looks(&storm, 61_000).contains(&40_300), "a login beside it is seen at once");
        let after: Vec<(u64, u8)> = vec![(0, 1), (600, 1), (1200, 1), (200_000, 1)];
        assert_eq!(looks(&after, 201_000).last(), Some(&200_300), "calm is forgiven");
    }

    proptest! {
        #[test]
        fn nothing_is_forgotten_and_nothing_comes_twice(mut times in proptest::collection::vec((0u64..20_000, 0u8..3), 1..40)) {
            times.sort_unstable();
            let looks = looks(&times, 120_000);
            prop_assert!(looks.len() <= times.len());
            // After the last change there is a look.
            let last = times.last().unwrap().0;
            prop_assert!(looks.last().is_some_and(|look| *look > last));
        }
    }
}
