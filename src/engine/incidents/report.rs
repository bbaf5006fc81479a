//! The report of `[digest]`: what ends soon, what was fixed since the last one, which receivers fail, what is silenced. Sent
//! by the calendar, also when there is nothing to report: that it comes is a sign of life.
//!
//! The first one comes at the first date after the first cycle; after missed dates one comes, not several. While the clock is
//! wrong there is none.

use crate::domain::{
    Ended, Incident, IncidentId, Item, ItemStatus, Notification, NotificationKind, Pseudonyms, Severity, Silence,
    Snapshot, Time,
};
use crate::engine::due::due;
use crate::engine::grouping;
use crate::engine::overlays::Overlays;
use crate::engine::policy::{AlertPolicy, Report};

use super::{Ailing, Standing};

/// Lines of one section.
const LINES: usize = 100;

/// What came of looking at the calendar.
#[derive(Default)]
pub(super) struct Reports {
    /// For each receiver.
    pub messages: Vec<Notification>,
    /// From when the next date counts, if that changed.
    pub at: Option<Time>,
}

/// What a report can tell.
pub(super) struct Facts<'a> {
    pub standing: &'a Standing,
    pub incidents: &'a [&'a Incident],
    pub silences: &'a [Silence],
    pub snapshot: &'a Snapshot,
    pub overlays: &'a Overlays<'a>,
    pub names: &'a Pseudonyms,
    pub now: Time,
}

/// The reports that are due.
pub(super) fn reports(policy: &AlertPolicy, facts: &Facts<'_>) -> Reports {
    let Some(report) = policy.report.as_ref().filter(|_| facts.snapshot.clock_problem.is_none()) else {
        return Reports::default();
    };
    let Some(last) = facts.standing.last_report else {
        return Reports { messages: Vec::new(), at: Some(facts.now) };
    };
    if !due(&report.schedule, Some(last), facts.now).now {
        return Reports::default();
    }
    let items = items(report, last, facts);
    let known = policy.receivers.iter().filter(|receiver| report.receivers.contains(&receiver.name));
    let messages = known.map(|receiver| {
        let group_key = grouping::group_key(&receiver.name, "*report", &facts.snapshot.host);
        Notification {
            id: grouping::notification_id(&group_key, &items, facts.now),
            receiver: receiver.name.clone(),
            group_key,
            kind: NotificationKind::Report,
            severity: Severity::Info,
            host: facts.snapshot.host.clone(),
            created_at: facts.now,
            items: items.clone(),
        }
    });
    Reports { messages: messages.collect(), at: Some(facts.now) }
}

fn items(report: &Report, last: Time, facts: &Facts<'_>) -> Vec<Item> {
    let days = report.horizon.num_days();
    let mut items = section(coming(report, facts), facts);
    items.extend(section(fixed(last, facts), facts));
    items.extend(section(facts.standing.ailing.iter().map(|one| ailing(one, facts)).collect(), facts));
    items.extend(section(quiet(facts), facts));
    if items.is_empty() {
        let title = format!("nothing ends in the next {days} days, nothing was fixed, and every receiver works");
        items.push(line("ReportEmpty", "report", title, facts));
    }
    items
}

fn section(mut lines: Vec<Item>, facts: &Facts<'_>) -> Vec<Item> {
    let hidden = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if let (Some(name), true) = (lines.last().map(|item| item.name.clone()), hidden > 0) {
        lines.push(line(&name, "more", format!("… and {hidden} more"), facts));
    }
    lines
}

fn coming(report: &Report, facts: &Facts<'_>) -> Vec<Item> {
    let until = facts.now + report.horizon;
    let originals = facts.snapshot.credentials.iter().filter(|one| one.copy_of.is_none());
    let ending = originals.filter(|one| one.judgement.expires.is_some_and(|end| end <= until));
    ending
        .map(|one| {
            let (id, unused) = (&one.credential.id, if one.judgement.in_use { "" } else { " (not in use)" });
            let ended = one.judgement.expires.is_some_and(|end| end <= facts.now);
            let title = format!("{id} {}{unused}", if ended { "has ended" } else { "ends soon" });
            Item {
                provider: Some(one.credential.provider.clone()),
                expires: one.judgement.expires,
                fix: one.judgement.fix.as_deref().map(|fix| facts.names.apply(fix)),
                ..line("ReportExpiring", id.as_str(), title, facts)
            }
        })
        .collect()
}

fn fixed(last: Time, facts: &Facts<'_>) -> Vec<Item> {
    let since = |one: &&Ended| one.at > last && one.at <= facts.now && one.severity >= Severity::Warning;
    let mut ended: Vec<&Ended> = facts.standing.ended.iter().filter(since).collect();
    // What came and went several times is one line: the last time.
    ended.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.incident.cmp(&b.incident)));
    let mut told = std::collections::BTreeSet::new();
    ended.retain(|one| told.insert(&one.incident));
    let item = |one: &Ended| Item {
        provider: one.provider.clone(),
        since: one.since,
        ended: Some(one.at),
        ..line("ReportFixed", &one.subject, format!("fixed: {}", one.title), facts)
    };
    ended.into_iter().map(item).collect()
}

fn ailing(one: &Ailing, facts: &Facts<'_>) -> Item {
    let mut item = line("ReportReceiver", &one.name, format!("receiver {} fails", one.name), facts);
    item.since = one.since;
    let waiting = format!("{} message(s) wait for it", one.queued);
    item.because = [Some(facts.names.apply(&one.detail)).filter(|detail| !detail.is_empty()), Some(waiting)]
        .into_iter()
        .flatten()
        .collect();
    item.fix = Some(format!("opensoul alerts test {}", one.name));
    item
}

fn quiet(facts: &Facts<'_>) -> Vec<Item> {
    let day = |at: Time| at.format("%Y-%m-%d %H:%M UTC");
    let running = facts.silences.iter().filter(|silence| facts.now < silence.ends_at);
    let silences = running.map(|silence| {
        let title = format!("silenced until {}: {}", day(silence.ends_at), silence.matchers_text());
        let mut item = line("ReportSilence", silence.id.as_str(), title, facts);
        item.because = vec![facts.names.apply(&format!("{}: {}", silence.author, silence.comment))];
        item.since = silence.starts_at;
        item
    });
    let acked = facts.incidents.iter().filter(|one| facts.overlays.acked(one)).map(|one| {
        let ack = one.ack.as_ref();
        let by = ack.map(|ack| ack.by.as_str()).unwrap_or_default();
        let until = ack.and_then(|ack| ack.until).map_or_else(String::new, |at| format!(" until {}", day(at)));
        let title = format!("acknowledged by {by}{until}: {}", one.title);
        let mut item = line("ReportAcked", one.subject.as_str(), title, facts);
        item.provider.clone_from(&one.provider);
        item.since = one.since;
        item
    });
    silences.chain(acked).collect()
}

fn line(name: &str, subject: &str, title: String, facts: &Facts<'_>) -> Item {
    let title = facts.names.apply(&title);
    Item {
        incident: IncidentId::of(name, subject, &facts.snapshot.host),
        name: name.to_owned(),
        subject: facts.names.apply(subject),
        provider: None,
        status: ItemStatus::Notice,
        severity: Severity::Info,
        tier: None,
        since: facts.now,
        ended: None,
        expires: None,
        summary: title.clone(),
        title,
        because: Vec::new(),
        fix: None,
    }
}
