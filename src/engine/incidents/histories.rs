//! Random histories: whatever happens in whatever order, no alert is lost and nobody is nagged.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::world::*;
use crate::domain::*;
use crate::engine::overlays::Overlays;
use crate::engine::policy::{Escalation, Maintenance, QuietHours, Rhythm, Route, Schedule};

const IDS: [&str; 3] = ["claude-code:default", "opensoul:main/a", "codex:default"];
/// Told at once.
const RECEIVERS: [&str; 2] = ["mail", "hook"];
/// Told when nobody acts.
const PAGER: &str = "pager";

/// What a credential looks like.
#[derive(Clone, Debug)]
enum Look {
    Fine,
    Expiring(usize, bool),
    Refused,
    Unknown,
    Absent,
}

#[derive(Clone, Debug)]
enum Step {
    /// A credential looks different from now on; the flag: a new generation.
    Look(usize, Look, bool),
    /// Time passes and a cycle runs.
    Cycle(i64),
    /// Everything that waits is tried; the receivers named fail.
    Deliver([bool; 3]),
    /// Something is being sent while a cycle runs; then it ends.
    Overlap(u8),
    /// Somebody takes up what is wrong with a credential, for so many minutes.
    Ack(usize, Option<i64>),
    /// Somebody puts it off.
    Snooze(usize, i64),
    /// Somebody takes that back.
    Unack(usize),
    /// What fits one of some matchers is silenced for so many minutes, from so many on.
    Silence(usize, i64, i64),
    /// All silences are ended.
    Unsilence,
    /// The process starts anew.
    Restart,
    /// The process dies while sending; the flag: the messages got through.
    Crash,
    /// The clock is set.
    Jump(i64),
    /// The clock is known to be wrong for one cycle.
    WrongClock,
}

fn look() -> impl Strategy<Value = Look> {
    prop_oneof![
        3 => Just(Look::Fine),
        4 => (0_usize..8, any::<bool>()).prop_map(|(tier, bad)| Look::Expiring(tier, bad)),
        2 => Just(Look::Refused),
        1 => Just(Look::Unknown),
        1 => Just(Look::Absent),
    ]
}

/// Failures are certain and the clock is right.
fn calm_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..IDS.len(), look(), prop::bool::weighted(0.2)).prop_map(|(id, look, new)| Step::Look(id, look, new)),
        6 => (1_i64..600).prop_map(Step::Cycle),
        4 => any::<[bool; 3]>().prop_map(Step::Deliver),
        1 => Just(Step::Restart),
        1 => (0..IDS.len(), prop::option::of(1_i64..3000)).prop_map(|(id, lasts)| Step::Ack(id, lasts)),
        1 => (0..IDS.len()).prop_map(Step::Unack),
        1 => (0..MATCHERS.len(), 0_i64..300, 1_i64..1000).prop_map(|(n, after, lasts)| Step::Silence(n, after, lasts)),
        1 => Just(Step::Unsilence),
    ]
}

const MATCHERS: [&str; 4] =
    ["provider=anthropic", "alertname=CredentialRejected", "severity=warning", "credential=~codex:*"];

fn rough_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => calm_step(),
        2 => (0_u8..3).prop_map(Step::Overlap),
        1 => Just(Step::Crash),
        1 => (0..IDS.len(), 1_i64..1000).prop_map(|(id, lasts)| Step::Snooze(id, lasts)),
        1 => (-100_000_i64..100_000).prop_map(Step::Jump),
        1 => Just(Step::WrongClock),
    ]
}

struct History {
    world: World,
    looks: [(Look, u32); 3],
    wrong_clock: bool,
    /// (receiver, incident, generation, tier, severity) said since the incident was last over.
    said: BTreeSet<(String, IncidentId, String, Option<Tier>, Severity)>,
    calm: bool,
    checked: usize,
}

impl History {
    fn new(calm: bool) -> Self {
        let mut world = World::with(&[RECEIVERS[0], RECEIVERS[1], PAGER]);
        let to = Route { receivers: vec![PAGER.to_owned()], ..Route::default() };
        world.policy.escalation = vec![Escalation { after: Span::minutes(30), to }];
        let at = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        world.policy.quiet = Some(QuietHours { from: at(22), to: at(7), zone: Zone::UTC });
        world.policy.maintenance = vec![Maintenance {
            name: "window".to_owned(),
            schedule: Schedule { rhythm: Rhythm::Cron("0 12 * * *".to_owned()), zone: Zone::UTC },
            duration: Span::hours(2),
            providers: vec!["openai".to_owned()],
            subjects: Vec::new(),
            matchers: Vec::new(),
        }];
        Self {
            world,
            looks: [(Look::Fine, 0), (Look::Fine, 0), (Look::Fine, 0)],
            wrong_clock: false,
            said: BTreeSet::new(),
            calm,
            checked: 0,
        }
    }

    fn snapshot(&self) -> Snapshot {
        let tiers = [
            Tier::Days30,
            Tier::Days14,
            Tier::Days7,
            Tier::Days3,
            Tier::Hours24,
            Tier::Hours6,
            Tier::Hour1,
            Tier::Expired,
        ];
        let now = self.world.now;
        let mut all = Vec::new();
        for (id, (look, number)) in IDS.iter().zip(&self.looks) {
            let mut one = match look {
                Look::Absent => continue,
                Look::Fine => answered(ok(id), VerdictKind::Accepted, now),
                Look::Unknown => credential(id, State::Unknown, Severity::Warning),
                Look::Refused => {
                    answered(credential(id, State::Rejected, Severity::Critical), VerdictKind::Rejected, now)
                }
                Look::Expiring(tier, bad) => {
                    expiring(id, tiers[*tier], if *bad { Severity::Critical } else { Severity::Warning })
                }
            };
            one.judgement.generation = format!("g{number}");
            one.judgement.because = vec![format!("g{number}")];
            all.push(one);
        }
        let mut snapshot = snapshot(all);
        if self.wrong_clock {
            snapshot.clock_problem = Some("wrong".to_owned());
        }
        snapshot
    }

    fn cycle(&mut self) -> Result<(), TestCaseError> {
        let snapshot = self.snapshot();
        self.world.cycle(&snapshot);
        self.check(&snapshot)
    }

    fn check(&mut self, snapshot: &Snapshot) -> Result<(), TestCaseError> {
        let standing = &self.world.standing;
        let mut waiting: BTreeMap<(&str, &IncidentId), (usize, bool)> = BTreeMap::new();
        for queued in &standing.queued {
            for item in &queued.notification.items {
                let entry = waiting.entry((queued.notification.receiver.as_str(), &item.incident)).or_default();
                entry.0 += usize::from(!queued.in_flight);
                entry.1 |= item.status == ItemStatus::Firing;
                prop_assert!(standing.incidents.iter().any(|i| i.id == item.incident), "its incident is kept");
                if !queued.in_flight {
                    let incident = standing.incidents.iter().find(|i| i.id == item.incident).unwrap();
                    let fits = (item.status == ItemStatus::Firing) == (incident.status == IncidentStatus::Firing);
                    prop_assert!(fits, "what waits is true");
                }
            }
        }
        prop_assert!(waiting.values().all(|(count, _)| *count <= 1), "one item waits for one incident and receiver");
        prop_assert!(standing.incidents.len() <= 3 * 3 + 1 && standing.known.len() <= 3, "bounded by what there is");
        prop_assert!(standing.ended.len() <= 60 * 3, "one for each end");
        // Nothing grows inside: each thing that is kept has its size, however long it lasts and whatever became of it.
        let items: usize = standing.queued.iter().map(|queued| 1 + queued.notification.items.len()).sum();
        let things = standing.incidents.len() + standing.known.len() + standing.ended.len() + standing.silences.len();
        let size = serde_json::to_string(standing).map_or(usize::MAX, |text| text.len());
        prop_assert!(size <= 2_000 * (1 + things + items), "{size} bytes for {things} things and {items} items");
        for incident in &standing.incidents {
            let names = incident.told.len().max(incident.maybe_told.len()).max(incident.given_up.len());
            prop_assert!(names <= 3 && incident.because.len() <= 6, "{incident:?}");
        }
        let ids: BTreeSet<_> = standing.queued.iter().map(|queued| &queued.notification.id).collect();
        prop_assert_eq!(ids.len(), standing.queued.len());
        let overlays = Overlays::new(&self.world.policy, &standing.silences, "box", self.world.now);
        for incident in &standing.incidents {
            let silenced = overlays.muted(incident).is_some();
            if incident.status == IncidentStatus::Firing && incident.last_seen == self.world.now {
                for receiver in overlays.receivers(incident) {
                    let waits = waiting.get(&(receiver, &incident.id)).is_some_and(|(_, firing)| *firing);
                    let heard = incident.told.contains_key(receiver) || waits;
                    let why = overlays.withheld(incident);
                    let held = silenced || overlays.acked(incident);
                    prop_assert!(heard || held, "{receiver} neither knows nor will know of {}", incident.name);
                    prop_assert!(!held || why.is_some(), "and nobody can see why");
                    prop_assert!(!waits || !silenced || self.flying(receiver, &incident.id), "silenced, and waits");
                }
                prop_assert!(overlays.receivers(incident).len() >= RECEIVERS.len());
            }
            if incident.status == IncidentStatus::Resolved {
                self.said.retain(|said| said.1 != incident.id);
            }
        }
        let open: BTreeSet<_> = standing.incidents.iter().map(|incident| incident.id.clone()).collect();
        self.said.retain(|said| open.contains(&said.1));
        // Every problem that is seen is an incident.
        for assessed in &snapshot.credentials {
            let from_dates = matches!(assessed.judgement.state, State::Expiring | State::Expired);
            let problem = from_dates || assessed.judgement.state == State::Rejected;
            if problem && !(from_dates && self.wrong_clock) {
                let subject = Subject::Credential(assessed.credential.id.clone());
                let found = standing.incidents.iter().any(|i| i.subject == subject && i.last_seen == self.world.now);
                prop_assert!(found);
            }
        }
        Ok(())
    }

    /// It is being sent at this moment.
    fn flying(&self, receiver: &str, incident: &IncidentId) -> bool {
        let about = |queued: &crate::engine::incidents::Queued| {
            let message = &queued.notification;
            message.receiver == receiver && message.items.iter().any(|item| item.incident == *incident)
        };
        self.world.standing.queued.iter().any(|queued| queued.in_flight && about(queued))
    }

    /// The name of an open incident of a credential.
    fn open(&self, id: usize) -> Option<String> {
        let subject = Subject::Credential(IDS[id].into());
        let open = |one: &&Incident| one.subject == subject && one.status == IncidentStatus::Firing;
        self.world.standing.incidents.iter().find(open).map(|one| one.name.clone())
    }

    /// Does something to the incident of one credential; names alone may mean another one.
    fn with_incident(&mut self, id: usize, act: impl FnOnce(&mut Incident, Time)) {
        let Some(name) = self.open(id) else { return };
        let (subject, now) = (Subject::Credential(IDS[id].into()), self.world.now);
        let mine = |one: &&mut Incident| one.subject == subject && one.name == name;
        if let Some(incident) = self.world.standing.incidents.iter_mut().find(mine) {
            act(incident, now);
        }
    }

    fn ack(&mut self, id: usize, lasts: Option<i64>, snooze: bool) {
        self.with_incident(id, |incident, now| {
            incident.ack = Some(Ack {
                by: "ann".to_owned(),
                comment: None,
                at: now,
                until: lasts.map(|lasts| now + Span::minutes(lasts)),
                snooze,
                severity: incident.severity,
                tier: incident.announced_tier,
                unannounced: false,
            });
        });
    }

    /// What was heard since the last look.
    fn listen(&mut self) -> Result<(), TestCaseError> {
        for heard in &self.world.heard[self.checked..] {
            let item = &heard.item;
            if self.calm && item.status == ItemStatus::Firing && item.tier.is_some_and(|tier| tier < Tier::Expired) {
                let key =
                    (heard.receiver.clone(), item.incident.clone(), item.because[0].clone(), item.tier, item.severity);
                prop_assert!(self.said.insert(key), "said twice: {item:?}");
            }
        }
        self.checked = self.world.heard.len();
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Look(id, look, new) => {
                self.looks[*id].0 = look.clone();
                self.looks[*id].1 += u32::from(*new);
            }
            Step::Cycle(minutes) => {
                self.world.wait(Span::minutes(*minutes));
                self.cycle()?;
            }
            Step::Deliver(away) => {
                self.world.away = [RECEIVERS[0], RECEIVERS[1], PAGER]
                    .iter()
                    .zip(away)
                    .filter(|(_, away)| **away)
                    .map(|(name, _)| (*name).to_owned())
                    .collect();
                self.world.deliver();
            }
            Step::Overlap(end) => {
                self.world.away.clear();
                let flying = self.world.take();
                self.world.wait(Span::minutes(5));
                self.cycle()?;
                for id in flying {
                    self.world.end(&id, [End::Delivered, End::Failed, End::Unclear][usize::from(*end)]);
                }
            }
            Step::Ack(id, lasts) => self.ack(*id, *lasts, false),
            Step::Snooze(id, lasts) => self.ack(*id, Some(*lasts), true),
            Step::Unack(id) => self.with_incident(*id, |incident, now| {
                incident.ack = None;
                incident.unacked_since = incident.announced_at.map(|_| now);
            }),
            Step::Silence(matcher, after, lasts) => {
                self.world.silence(MATCHERS[*matcher], Span::minutes(*lasts));
                let made = self.world.standing.silences.last_mut().unwrap();
                made.starts_at += Span::minutes(*after);
                made.ends_at += Span::minutes(*after);
            }
            Step::Unsilence => self.world.standing.silences.clear(),
            Step::Restart => self.world.restart(),
            Step::Crash => {
                self.world.away.clear();
                self.world.take();
                self.world.restart();
            }
            Step::Jump(minutes) => {
                self.world.wait(Span::minutes(*minutes));
            }
            Step::WrongClock => {
                self.wrong_clock = true;
                self.cycle()?;
                self.wrong_clock = false;
            }
        }
        self.listen()
    }

    /// Everything is well again and everybody can be reached: everybody who was told of something is told of its end.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        for look in &mut self.looks {
            *look = (Look::Fine, look.1 + 1);
        }
        self.world.away.clear();
        // What comes and goes is over when it has been so for an hour, and what is no critical waits for the morning.
        for _ in 0..11 {
            self.world.wait(Span::minutes(90));
            self.cycle()?;
            self.world.deliver();
        }
        self.world.wait(Span::minutes(5));
        self.cycle()?;
        prop_assert!(self.world.standing.incidents.is_empty(), "{:?}", self.world.standing.incidents);
        prop_assert!(self.world.standing.queued.is_empty());
        let mut open: BTreeMap<(&str, &IncidentId), bool> = BTreeMap::new();
        let mut ids: BTreeSet<&NotificationId> = BTreeSet::new();
        let mut last: Option<&NotificationId> = None;
        for heard in &self.world.heard {
            // A message that arrived twice under one id is one for a receiver that looks at ids.
            if last != Some(&heard.id) && !ids.insert(&heard.id) {
                continue;
            }
            last = Some(&heard.id);
            let state = open.entry((heard.receiver.as_str(), &heard.item.incident)).or_default();
            if heard.item.status == ItemStatus::Resolved && self.calm {
                prop_assert!(*state, "an end without a beginning, or twice: {:?}", heard.item);
            }
            *state = heard.item.status == ItemStatus::Firing;
        }
        prop_assert!(open.values().all(|open| !open), "somebody still believes that something is wrong");
        Ok(())
    }
}

fn run(steps: &[Step], calm: bool) -> Result<(), TestCaseError> {
    let mut history = History::new(calm);
    for step in steps {
        history.step(step)?;
    }
    history.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn calm_histories(steps in prop::collection::vec(calm_step(), 1..60)) {
        run(&steps, true)?;
    }

    #[test]
    fn rough_histories(steps in prop::collection::vec(rough_step(), 1..60)) {
        run(&steps, false)?;
    }
}
