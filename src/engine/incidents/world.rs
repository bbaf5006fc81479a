//! A world for tests: snapshots made by hand, an outbox that works as the store's does, receivers that can be away.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::*;
use crate::engine::incidents::{Decision, Queued, Standing, decide};
use crate::engine::overlays::Overlays;
use crate::engine::policy::{AlertPolicy, ReceiverPolicy};

/// A Monday.
pub fn start() -> Time {
    "2026-01-05T09:00:00Z".parse().unwrap()
}

pub fn credential(id: &str, state: State, severity: Severity) -> Assessed {
    let provider = if id.starts_with("codex") { "openai" } else { "anthropic" };
    Assessed {
        credential: Box::new(Credential {
            id: id.into(),
            provider: provider.to_owned(),
            profile: "default".to_owned(),
            kind: Kind::Token,
            agent: None,
            origin: Origin { source: id.split(':').next().unwrap().to_owned().into(), path: None, modified: None },
            owner: Owner::Tool,
            renewal: Renewal::Manual,
            condition: Condition::Present,
            clocks: Clocks::default(),
            account: None,
            scopes: None,
            fingerprint: None,
            refresh_fingerprint: None,
            selection: Selection::NotApplicable,
            bench: None,
            activity: Activity::default(),
            declared_in_use: None,
            fix: "log in".to_owned(),
            notes: Vec::new(),
        }),
        judgement: Judgement {
            state,
            severity,
            in_use: true,
            expires: None,
            warn_at: None,
            critical_at: None,
            tier: None,
            generation: "g1".to_owned(),
            because: vec!["it says so".to_owned()],
            fix: Some("log in".to_owned()),
        },
        copies: Vec::new(),
        copy_of: None,
        verdict: None,
        allowance: None,
    }
}

pub fn expiring(id: &str, tier: Tier, severity: Severity) -> Assessed {
    let mut assessed = credential(id, if tier == Tier::Expired { State::Expired } else { State::Expiring }, severity);
    assessed.judgement.tier = Some(tier);
    assessed
}

pub fn ok(id: &str) -> Assessed {
    credential(id, State::Ok, Severity::None)
}

pub fn answered(mut assessed: Assessed, kind: VerdictKind, at: Time) -> Assessed {
    assessed.verdict = Some(Verdict { kind, at, detail: String::new() });
    assessed
}

pub fn generation(mut assessed: Assessed, generation: &str) -> Assessed {
    assessed.judgement.generation = generation.to_owned();
    assessed
}

pub fn snapshot(credentials: Vec<Assessed>) -> Snapshot {
    let mut providers: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for assessed in &credentials {
        let counts = providers.entry(assessed.credential.provider.clone()).or_default();
        counts.0 += usize::from(assessed.judgement.state.is_usable());
        counts.1 += 1;
    }
    let report = |source: &str| SourceReport {
        source: source.to_owned(),
        looked: vec![format!("/home/u/.{source}").into()],
        up: true,
        hidden: false,
        credentials: 0,
    };
    Snapshot {
        taken_at: start(),
        host: "box".to_owned(),
        credentials,
        providers: providers
            .into_iter()
            .map(|(provider, (usable, total))| ProviderSummary {
                provider,
                state: State::Ok,
                in_use: true,
                usable,
                total,
                effective: None,
            })
            .collect(),
        gateway: Gateway { state: GatewayState::Absent, detail: String::new() },
        findings: Vec::new(),
        sources: ["claude-code", "codex"].map(report).to_vec(),
        clock_problem: None,
        fleet: false,
    }
}

/// How a delivery ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Delivered,
    Failed,
    /// Failed, as far as we know.
    Unclear,
}

/// One item that a receiver got.
#[derive(Clone, Debug)]
pub struct Heard {
    pub receiver: String,
    pub id: NotificationId,
    pub item: Item,
}

pub struct World {
    pub standing: Standing,
    pub policy: AlertPolicy,
    pub names: Pseudonyms,
    pub now: Time,
    pub away: BTreeSet<String>,
    pub heard: Vec<Heard>,
    /// Withdrawn while under way.
    pub withdrawn: BTreeSet<NotificationId>,
    /// Withdrawn before that: nobody may ever hear them.
    pub gone: BTreeSet<NotificationId>,
}

impl World {
    /// With these receivers, and a first cycle behind it.
    pub fn with(receivers: &[&str]) -> Self {
        let mut world = Self::new(receivers);
        world.cycle(&snapshot(vec![]));
        world
    }

    pub fn new(receivers: &[&str]) -> Self {
        let receivers = receivers
            .iter()
            .map(|name| ReceiverPolicy { name: (*name).to_owned(), send_resolved: true, testable: true })
            .collect();
        Self {
            standing: Standing::default(),
            policy: AlertPolicy { receivers, ..AlertPolicy::default() },
            names: Pseudonyms::default(),
            now: start(),
            away: BTreeSet::new(),
            heard: Vec::new(),
            withdrawn: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    pub fn wait(&mut self, span: Span) -> &mut Self {
        self.now += span;
        self
    }

    /// Decides and commits.
    pub fn cycle(&mut self, snapshot: &Snapshot) -> Decision {
        let decision = decide(&self.standing, snapshot, &self.policy, &self.names, self.now);
        let again = decide(&self.standing, snapshot, &self.policy, &self.names, self.now);
        assert_eq!(decision, again, "the same input decides the same");
        self.commit(&decision);
        decision
    }

    fn commit(&mut self, decision: &Decision) {
        let standing = &mut self.standing;
        standing.ever_committed = true;
        standing
            .incidents
            .retain(|i| !decision.delete.contains(&i.id) && !decision.upsert.iter().any(|changed| changed.id == i.id));
        standing.incidents.extend(decision.upsert.iter().cloned());
        standing.known.retain(|k| !decision.forget.contains(&k.id) && !decision.known.iter().any(|n| n.id == k.id));
        standing.known.extend(decision.known.iter().cloned());
        standing.silences.retain(|s| !decision.silences.iter().any(|changed| changed.id == s.id));
        standing.silences.extend(decision.silences.iter().cloned());
        standing.ended.extend(decision.ended.iter().cloned());
        let newest = decision.ended.iter().map(|ended| ended.at).max();
        standing.ended.retain(|one| newest.is_none_or(|newest| one.at <= newest && newest - one.at < Span::days(35)));
        standing.last_report = decision.report_at.or(standing.last_report);
        let now = self.now;
        standing.silences.retain(|one| now - one.ends_at < Span::days(5));
        for id in &decision.withdraw {
            if standing.queued.iter().any(|q| q.notification.id == *id && q.in_flight) {
                self.withdrawn.insert(id.clone());
            } else {
                self.gone.insert(id.clone());
            }
        }
        standing.queued.retain(|q| q.in_flight || !decision.withdraw.contains(&q.notification.id));
        for changed in &decision.amend {
            let entry = standing.queued.iter_mut().find(|q| q.notification.id == changed.id).unwrap();
            assert!(entry.attempts == 0 && !entry.in_flight, "only what was never tried is rewritten");
            entry.notification = changed.clone();
        }
        for new in &decision.enqueue {
            assert!(standing.queued.iter().all(|q| q.notification.id != new.id), "a new message has a new id");
            // Only a clock that was set back can make the same words at the same instant again.
            self.gone.remove(&new.id);
            standing.queued.push(Queued { notification: new.clone(), attempts: 0, in_flight: false, uncertain: false });
        }
    }

    /// Takes everything that may be sent now to receivers that are not away: in quiet hours only what is critical.
    pub fn take(&mut self) -> Vec<NotificationId> {
        let quiet = self.policy.quiet.is_some_and(|hours| hours.open(self.now).is_some());
        let mut taken = Vec::new();
        for entry in &mut self.standing.queued {
            let may = !quiet || entry.notification.severity >= Severity::Critical;
            if may && !entry.in_flight && !self.away.contains(&entry.notification.receiver) {
                entry.in_flight = true;
                taken.push(entry.notification.id.clone());
            }
        }
        taken
    }

    /// Ends one delivery as the store would record it. `got` is whether the receiver has it, whatever we know.
    pub fn end(&mut self, id: &NotificationId, end: End) {
        let at = self.standing.queued.iter().position(|q| q.notification.id == *id).unwrap();
        if end != End::Failed {
            let message = self.standing.queued[at].notification.clone();
            assert!(!self.gone.contains(id), "withdrawn, and sent all the same: {message:?}");
            for item in &message.items {
                self.heard.push(Heard {
                    receiver: message.receiver.clone(),
                    id: message.id.clone(),
                    item: item.clone(),
                });
            }
        }
        let entry = &mut self.standing.queued[at];
        entry.in_flight = false;
        entry.attempts += 1;
        entry.uncertain |= end == End::Unclear;
        if end == End::Delivered {
            let message = self.standing.queued.remove(at).notification;
            for item in &message.items {
                if let Some(incident) = self.standing.incidents.iter_mut().find(|i| i.id == item.incident) {
                    match item.status {
                        ItemStatus::Firing => {
                            let told = Told { at: self.now, severity: item.severity };
                            incident.told.insert(message.receiver.clone(), told);
                        }
                        ItemStatus::Resolved | ItemStatus::WasDown => {
                            incident.told.remove(&message.receiver);
                            incident.maybe_told.remove(&message.receiver);
                        }
                        ItemStatus::Notice => {}
                    }
                }
            }
        } else if self.withdrawn.contains(id) {
            self.standing.queued.remove(at);
        }
    }

    /// Sends everything that can be sent; receivers that are away fail it. Returns what arrived, as short words.
    pub fn deliver(&mut self) -> Vec<String> {
        let before = self.heard.len();
        let away = std::mem::take(&mut self.away);
        for id in self.take() {
            let receiver =
                &self.standing.queued.iter().find(|q| q.notification.id == id).unwrap().notification.receiver;
            let end = if away.contains(receiver) { End::Failed } else { End::Delivered };
            self.end(&id, end);
        }
        self.away = away;
        self.heard[before..].iter().map(brief).collect()
    }

    /// A cycle and its deliveries.
    pub fn tick(&mut self, snapshot: &Snapshot) -> Vec<String> {
        self.cycle(snapshot);
        let mut arrived = self.deliver();
        arrived.sort();
        arrived
    }

    /// The process dies and starts again.
    pub fn restart(&mut self) {
        let text = serde_json::to_string(&self.standing).unwrap();
        self.standing = serde_json::from_str(&text).unwrap();
        let withdrawn = std::mem::take(&mut self.withdrawn);
        self.standing.queued.retain(|q| !(q.in_flight && withdrawn.contains(&q.notification.id)));
        for entry in &mut self.standing.queued {
            if std::mem::replace(&mut entry.in_flight, false) {
                entry.attempts += 1;
                entry.uncertain = true;
            }
        }
    }

    /// Does what a person wants, as the store does it.
    pub fn ack(&mut self, name: &str, until: Option<Time>, snooze: bool) {
        let now = self.now;
        let incident = self.standing.incidents.iter_mut().find(|incident| incident.name == name).unwrap();
        let (severity, tier) = (incident.severity, incident.announced_tier);
        let (by, unannounced) = ("ann".to_owned(), false);
        incident.ack = Some(Ack { by, comment: None, at: now, until, snooze, severity, tier, unannounced });
    }

    pub fn unack(&mut self, name: &str) {
        let now = self.now;
        let incident = self.standing.incidents.iter_mut().find(|incident| incident.name == name).unwrap();
        incident.ack = None;
        incident.unacked_since = incident.announced_at.map(|_| now);
    }

    /// A silence from now on.
    pub fn silence(&mut self, matcher: &str, lasts: Span) -> SilenceId {
        let id = SilenceId(format!("s{}", self.standing.silences.len()));
        self.standing.silences.push(Silence {
            id: id.clone(),
            matchers: vec![crate::engine::silences::parse(matcher).unwrap()],
            starts_at: self.now,
            ends_at: self.now + lasts,
            created_at: self.now,
            author: "ann".to_owned(),
            comment: "moving house".to_owned(),
            unannounced: false,
        });
        id
    }

    /// Why nothing is said about an incident now.
    pub fn withheld(&self, name: &str) -> Option<Withheld> {
        let overlays = Overlays::new(&self.policy, &self.standing.silences, "box", self.now);
        self.standing.incidents.iter().filter(|one| one.name == name).find_map(|one| overlays.withheld(one))
    }

    pub fn incident(&self, name: &str) -> Option<&Incident> {
        self.standing.incidents.iter().find(|incident| incident.name == name)
    }
}

/// `mail firing CredentialExpiring warning days7`
fn brief(heard: &Heard) -> String {
    let item = &heard.item;
    let status = match item.status {
        ItemStatus::Firing => "firing",
        ItemStatus::Resolved => "resolved",
        ItemStatus::WasDown => "was-down",
        ItemStatus::Notice => "notice",
    };
    let tier = item.tier.map(|tier| format!(" {tier:?}")).unwrap_or_default();
    format!("{} {status} {} {}{tier}", heard.receiver, item.name, item.severity)
}
