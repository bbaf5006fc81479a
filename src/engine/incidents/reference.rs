//! The life-cycle against a reference: one credential, one receiver that is told at once and one that is told when nobody acts,
//! everything delivered at once. Written from the rules (DESIGN §8), not from the code: after each cycle it says which
//! messages must have come, and nothing else may.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::*;
use crate::domain::*;
use crate::engine::policy::{Escalation, Route};

const LOGIN: &str = "claude-code:default";
const HOUR: i64 = 60;
const FLAP: i64 = HOUR;
const ESCALATES: i64 = HOUR;
const TIERS: [Tier; 5] = [Tier::Days14, Tier::Days7, Tier::Days3, Tier::Hours6, Tier::Expired];

#[derive(Clone, Debug)]
enum Step {
    /// What is wrong from now on: the tier, and whether it is critical. And whether it is another key.
    Look(Option<(usize, bool)>, bool),
    /// So many minutes pass, and a cycle runs.
    Cycle(i64),
    Ack(Option<i64>),
    Snooze(i64),
    Unack,
    Silence(i64),
    Unsilence,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::option::weighted(0.75, (0..TIERS.len(), any::<bool>())), prop::bool::weighted(0.15))
            .prop_map(|(look, new)| Step::Look(look, new)),
        8 => prop_oneof![3 => 1_i64..40, 2 => 40_i64..400, 1 => 400_i64..3000].prop_map(Step::Cycle),
        1 => prop::option::of(1_i64..2000).prop_map(Step::Ack),
        1 => (1_i64..500).prop_map(Step::Snooze),
        1 => Just(Step::Unack),
        1 => (1_i64..500).prop_map(Step::Silence),
        1 => Just(Step::Unsilence),
        1 => Just(Step::Restart),
    ]
}

/// What was last said.
#[derive(Clone, Copy, Debug)]
struct Said {
    at: i64,
    severity: Option<bool>,
    tier: Option<usize>,
    reminders: u32,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    until: Option<i64>,
    snooze: bool,
    critical: bool,
    expired: bool,
}

/// Time in minutes; critical is `true`.
#[derive(Default, Debug)]
struct Model {
    wrong: bool,
    key: u32,
    /// It is over, and that was not said yet.
    over: Option<i64>,
    last_end: Option<(i64, u32)>,
    came_back: Option<i64>,
    said: Option<Said>,
    clock: Option<i64>,
    taken: Option<Taken>,
    knows: BTreeSet<&'static str>,
    look: Option<(usize, bool)>,
}

impl Model {
    /// Which messages must have come in this cycle, given whether the routed receiver heard something (a reminder may come
    /// half an hour later or sooner).
    fn cycle(
        &mut self,
        look: Option<(usize, bool)>,
        key: u32,
        silenced: bool,
        now: i64,
        spoke: bool,
    ) -> BTreeSet<String> {
        self.look = look;
        match look {
            None => self.fine(now),
            Some((tier, critical)) => self.wrong(tier, critical, key, silenced, now, spoke),
        }
    }

    fn fine(&mut self, now: i64) -> BTreeSet<String> {
        if self.wrong {
            self.wrong = false;
            self.over = Some(now);
            self.last_end = Some((now, self.key));
            self.taken = None;
            self.clock = None;
        }
        let Some(over) = self.over else { return BTreeSet::new() };
        let flaps = self.came_back.is_some_and(|back| over - back <= FLAP);
        if flaps && now < over + FLAP && !self.knows.is_empty() {
            return BTreeSet::new();
        }
        self.over = None;
        self.said = None;
        self.came_back = None;
        std::mem::take(&mut self.knows).into_iter().map(|name| format!("{name} resolved")).collect()
    }

    fn wrong(
        &mut self,
        tier: usize,
        critical: bool,
        key: u32,
        silenced: bool,
        now: i64,
        spoke: bool,
    ) -> BTreeSet<String> {
        let expired = TIERS[tier] == Tier::Expired;
        if !self.wrong {
            match self.over.take() {
                Some(over) if now - over <= FLAP => {
                    if key == self.key {
                        self.came_back = Some(now);
                    }
                    self.clock = self.said.map(|_| now);
                }
                Some(_) => (self.said, self.came_back, self.clock) = (None, None, None),
                None => {
                    let back = self.last_end.is_some_and(|(at, old)| now - at <= FLAP && old == key);
                    self.came_back = back.then_some(now);
                    (self.said, self.clock) = (None, None);
                    self.key = key;
                }
            }
            self.wrong = true;
        }
        if self.key != key {
            self.key = key;
            self.taken = None;
            if let Some(said) = &mut self.said {
                (said.severity, said.tier) = (None, None);
            }
        }
        if self.taken.is_some_and(|taken| critical && !taken.critical || expired && !taken.expired) {
            self.taken = None;
        }
        if self.taken.is_some_and(|taken| !taken.snooze && taken.until.is_some_and(|until| until <= now)) {
            self.taken = None;
            self.clock = self.said.map(|_| now);
        }
        if silenced {
            return BTreeSet::new();
        }
        let acked = self.taken.is_some_and(|taken| taken.until.is_none_or(|until| now < until));
        let again = !acked && self.taken.is_some_and(|taken| taken.snooze);
        let worse = self.said.is_none_or(|said| Some(critical) > said.severity);
        let news = worse || self.said.is_none_or(|said| Some(tier) > said.tier);
        let reminder =
            !again && !news && expired && self.said.is_some_and(|said| self.reminds(&said, critical, now, spoke));
        let speaks = !acked && (again || news || reminder);
        if speaks {
            if again || worse {
                self.clock = Some(now);
            }
            let reminders = if again || reminder { self.said.map_or(0, |said| said.reminders) + 1 } else { 0 };
            let tier = self.said.and_then(|said| said.tier).max(Some(tier));
            self.said = Some(Said { at: now, severity: Some(critical), tier, reminders });
            self.taken = None;
        }
        let mut told = vec!["mail"];
        if critical && !acked && self.clock.is_some_and(|clock| now - clock >= ESCALATES) {
            told.push("pager");
        }
        let says: BTreeSet<&'static str> =
            told.into_iter().filter(|name| speaks || (!acked && !self.knows.contains(name))).collect();
        self.knows.extend(says.iter().copied());
        says.into_iter().map(|name| format!("{name} firing")).collect()
    }

    /// A critical after four hours, then daily; a warning daily; the first one up to half an hour later.
    fn reminds(&self, said: &Said, critical: bool, now: i64, spoke: bool) -> bool {
        let first = said.reminders == 0;
        let wait = if critical && first { 4 * HOUR } else { 24 * HOUR };
        let elapsed = now - said.at + 1;
        elapsed >= wait && (spoke || elapsed >= wait + if first { HOUR / 2 } else { 0 })
    }

    fn take(&mut self, until: Option<i64>, snooze: bool) {
        let (_, critical) = self.look.unwrap_or_default();
        let expired = self.said.and_then(|said| said.tier).is_some_and(|tier| TIERS[tier] == Tier::Expired);
        self.taken = Some(Taken { until, snooze, critical, expired });
    }
}

fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::with(&["mail", "pager"]);
    let to = Route { severity: vec![Severity::Critical], receivers: vec!["pager".to_owned()], ..Route::default() };
    world.policy.escalation = vec![Escalation { after: Span::minutes(ESCALATES), to }];
    let mut model = Model::default();
    let (mut look, mut key) = (None, 0_u32);
    let minutes = |world: &World| (world.now - start()).num_minutes();
    for step in steps {
        let now = minutes(&world);
        // Only what a cycle has shown can be taken up.
        let shown = model.wrong;
        match *step {
            Step::Look(next, new) => {
                look = next;
                key += u32::from(new);
            }
            Step::Ack(lasts) if shown => {
                world.ack("CredentialExpiring", lasts.map(|lasts| world.now + Span::minutes(lasts)), false);
                model.take(lasts.map(|lasts| now + lasts), false);
            }
            Step::Snooze(lasts) if shown => {
                world.ack("CredentialExpiring", Some(world.now + Span::minutes(lasts)), true);
                model.take(Some(now + lasts), true);
            }
            Step::Unack if shown => {
                world.unack("CredentialExpiring");
                model.taken = None;
                model.clock = model.said.map(|_| now);
            }
            Step::Silence(lasts) => {
                world.silence("provider=anthropic", Span::minutes(lasts));
            }
            Step::Unsilence => world.standing.silences.clear(),
            Step::Restart => world.restart(),
            Step::Cycle(after) => {
                let severity = |critical| if critical { Severity::Critical } else { Severity::Warning };
                let one = look.map_or_else(|| ok(LOGIN), |(tier, bad)| expiring(LOGIN, TIERS[tier], severity(bad)));
                let seen = snapshot(vec![generation(one, &format!("g{key}"))]);
                let heard: Vec<String> = world.wait(Span::minutes(after)).tick(&seen);
                let heard: Vec<String> =
                    heard.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
                let now = minutes(&world);
                let silenced = world.standing.silences.iter().any(|silence| silence.holds(world.now));
                let spoke = heard.iter().any(|line| line == "mail firing");
                let expected = model.cycle(look, key, silenced, now, spoke);
                prop_assert_eq!(heard.len(), expected.len(), "{:?} {:?} {:?}", heard, expected, model);
                prop_assert_eq!(heard.iter().cloned().collect::<BTreeSet<_>>(), expected);
                prop_assert!(world.standing.queued.is_empty() && world.standing.incidents.len() <= 1);
                prop_assert!(world.standing.ended.len() <= 200);
                let told: BTreeSet<&str> =
                    world.standing.incidents.iter().flat_map(|one| one.told.keys().map(String::as_str)).collect();
                prop_assert_eq!(&told, &model.knows.iter().copied().collect::<BTreeSet<_>>());
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_is_what_the_rules_say(steps in prop::collection::vec(step(), 1..80)) {
        run(&steps)?;
    }
}
