//! Which news share a message: one message for each (receiver, provider, host) and cycle; many at once, and the first cycle
//! ever, are one digest for each receiver.
//!
//! What still waits from earlier cycles is packed anew together with it, so that a receiver that was away hears the present
//! state once and not the story of its absence. A message that may already have got through stays as it is, under its id.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{IncidentId, Item, ItemStatus, Notification, NotificationId, NotificationKind, Severity, Time};
use crate::engine::incidents::Queued;
use crate::engine::policy::ReceiverPolicy;

/// Something that one receiver should hear.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub receiver: String,
    pub item: Item,
}

/// What packing has to know.
pub(super) struct Rules<'a> {
    pub host: &'a str,
    pub first_ever: bool,
    pub digest_over: usize,
    pub receivers: &'a [ReceiverPolicy],
    pub now: Time,
}

/// What becomes of the queue.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub enqueue: Vec<Notification>,
    pub amend: Vec<Notification>,
    pub withdraw: Vec<NotificationId>,
    /// Incidents of which something waits or is under way after this.
    pub mentioned: BTreeSet<IncidentId>,
}

/// Quick answers about what waits.
pub(super) struct Queue<'a> {
    /// (receiver, incident, it says "over") → it may have got through, or does so now.
    waiting: BTreeMap<(&'a str, &'a IncidentId, bool), bool>,
}

impl<'a> Queue<'a> {
    pub(super) fn new(queued: &'a [Queued]) -> Self {
        let mut waiting = BTreeMap::new();
        for entry in queued {
            for item in &entry.notification.items {
                let over = item.status != ItemStatus::Firing;
                let maybe = waiting.entry((entry.notification.receiver.as_str(), &item.incident, over)).or_default();
                *maybe |= entry.uncertain || entry.in_flight;
            }
        }
        Self { waiting }
    }

    /// Whether something about an incident waits for a receiver: that it is over, or that it is wrong.
    pub(super) fn has(&self, receiver: &str, incident: &IncidentId, over: bool) -> bool {
        self.waiting.contains_key(&(receiver, incident, over))
    }

    /// Whether "it is wrong" waits, and if so, whether it may have got through already.
    pub(super) fn firing(&self, receiver: &str, incident: &IncidentId) -> Option<bool> {
        self.waiting.get(&(receiver, incident, false)).copied()
    }
}

/// What waits for one receiver under one group key.
struct Pool<'a> {
    kind: NotificationKind,
    host: String,
    items: Vec<Item>,
    from: Vec<&'a Queued>,
}

/// Packs `wants` together with what waits. `reports` are messages of their own.
pub(super) fn plan(
    queued: &[Queued],
    still_true: impl Fn(&str, &Item) -> bool,
    wants: Vec<Want>,
    reports: Vec<Notification>,
    rules: &Rules<'_>,
) -> Plan {
    let mut plan = Plan::default();
    // A new word about an incident replaces an older one that still waits.
    let mut covered: BTreeSet<(String, IncidentId)> =
        wants.iter().map(|want| (want.receiver.clone(), want.item.incident.clone())).collect();
    let mut pools: BTreeMap<(String, String), Pool<'_>> = BTreeMap::new();

    let mut newest_first: Vec<&Queued> = queued.iter().collect();
    newest_first.sort_by(|a, b| {
        let (a, b) = (&a.notification, &b.notification);
        b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id))
    });
    for entry in newest_first {
        let message = &entry.notification;
        if message.kind == NotificationKind::Report {
            // One report waits for a receiver: the newest.
            let replaced = reports.iter().any(|report| report.receiver == message.receiver);
            let known = rules.receivers.iter().any(|receiver| receiver.name == message.receiver);
            if replaced || !known {
                plan.withdraw.push(message.id.clone());
            }
            continue;
        }
        let holds = |item: &Item| still_true(&message.receiver, item);
        if entry.in_flight {
            plan.mentioned.extend(message.items.iter().map(|item| item.incident.clone()));
            if !message.items.iter().all(holds) {
                plan.withdraw.push(message.id.clone());
            }
            continue;
        }
        let key = |item: &Item| (message.receiver.clone(), item.incident.clone());
        let mut items: Vec<Item> =
            message.items.iter().filter(|item| holds(item) && !covered.contains(&key(item))).cloned().collect();
        if entry.uncertain && items.len() == message.items.len() {
            covered.extend(items.iter().map(key));
            plan.mentioned.extend(items.into_iter().map(|item| item.incident));
            continue;
        }
        covered.extend(items.iter().map(key));
        let pool = pools.entry((message.receiver.clone(), message.group_key.clone())).or_insert_with(|| Pool {
            kind: message.kind,
            host: message.host.clone(),
            items: Vec::new(),
            from: Vec::new(),
        });
        // Older items stand before newer ones.
        items.append(&mut pool.items);
        pool.items = items;
        pool.from.push(entry);
    }

    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for want in &wants {
        *count.entry(want.receiver.clone()).or_default() += 1;
    }
    for want in wants {
        let digest = rules.first_ever || count.get(&want.receiver).is_some_and(|n| *n > rules.digest_over);
        let provider = if digest { "*" } else { want.item.provider.as_deref().unwrap_or_default() };
        let key = group_key(&want.receiver, provider, rules.host);
        let pool = pools.entry((want.receiver, key)).or_insert_with(|| Pool {
            kind: if digest { NotificationKind::Digest } else { NotificationKind::Alert },
            host: rules.host.to_owned(),
            items: Vec::new(),
            from: Vec::new(),
        });
        pool.items.push(want.item);
    }

    for ((receiver, key), pool) in pools {
        plan.mentioned.extend(pool.items.iter().map(|item| item.incident.clone()));
        pack(&mut plan, receiver, key, pool, rules.now);
    }
    plan.enqueue.extend(reports);
    plan
}

fn pack(plan: &mut Plan, receiver: String, group_key: String, pool: Pool<'_>, now: Time) {
    if let [only] = pool.from[..]
        && only.notification.items == pool.items
    {
        return;
    }
    // What was never sent may be rewritten under its id; what was tried is replaced, because its id stands for its words.
    let kept = if pool.items.is_empty() { None } else { pool.from.iter().rev().find(|entry| entry.attempts == 0) };
    let kept_id = kept.map(|entry| &entry.notification.id);
    for entry in &pool.from {
        if Some(&entry.notification.id) != kept_id {
            plan.withdraw.push(entry.notification.id.clone());
        }
    }
    if pool.items.is_empty() {
        return;
    }
    let severity = pool.items.iter().map(|item| item.severity).max().unwrap_or(Severity::None);
    if let Some(entry) = kept {
        plan.amend.push(Notification { severity, items: pool.items, ..entry.notification.clone() });
        return;
    }
    plan.enqueue.push(Notification {
        id: notification_id(&group_key, &pool.items, now),
        receiver,
        group_key,
        kind: pool.kind,
        severity,
        host: pool.host,
        created_at: now,
        items: pool.items,
    });
}

/// Stable for as long as receiver, provider and host have their names. `*` stands for the digest, empty for what has no
/// provider.
pub(super) fn group_key(receiver: &str, provider: &str, host: &str) -> String {
    format!("{{receiver={receiver:?}, provider={provider:?}, host={host:?}}}")
}

/// The same decision made again (after a crash before it was committed) has the same id; any other one has another.
pub(super) fn notification_id(group_key: &str, items: &[Item], now: Time) -> NotificationId {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut field = |text: &str| {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    };
    field(group_key);
    field(&now.timestamp_millis().to_string());
    for item in items {
        field(item.incident.as_str());
        field(&format!("{:?} {:?} {:?}", item.status, item.severity, item.tier));
    }
    NotificationId(context.finish().as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}
