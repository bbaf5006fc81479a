//! For people, at any width from 24 columns on.

use serde_json::Value;

use super::{Alerts, Message, kind, silence_state, status};
use crate::domain::{Incident, IncidentStatus, Lang, Severity, Silence, Time, Withheld, Zone};
use crate::engine::windows::Window;
use crate::output::status::lines::{relative, wrap};
use crate::output::wording::{marks, spoken};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Columns of the terminal.
    pub width: usize,
    /// The reader's zone.
    pub zone: Zone,
    /// The reader's language.
    pub lang: Lang,
}

impl Options {
    /// A text of ours in the reader's language, within the columns.
    fn line(&self, out: &mut String, text: &str, indent: usize) {
        wrap(out, &self.said(text), self.width.clamp(24, 120), indent);
    }

    fn said(&self, text: &str) -> String {
        spoken(self.lang, text.to_owned())
    }

    fn when(&self, at: Time, now: Time) -> String {
        format!("{} ({})", self.zone.minute(at), relative(at, now))
    }
}

/// The list, worst first, with the silences that hold or will.
#[must_use]
pub fn incidents(alerts: &Alerts<'_>, options: &Options) -> String {
    let mut out = String::new();
    let mut open: Vec<&Incident> =
        alerts.incidents.iter().filter(|one| one.status != IncidentStatus::Resolved).collect();
    open.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.since.cmp(&b.since)).then_with(|| a.id.cmp(&b.id)));
    let head = match open.len() {
        0 => format!("Nothing is wrong on {}, as far as the last cycle of the monitor saw.", alerts.host),
        1 => format!("1 open incident on {}", alerts.host),
        count => format!("{count} open incidents on {}", alerts.host),
    };
    options.line(&mut out, &head, 0);
    for one in open {
        out.push('\n');
        let withheld = alerts.withheld.get(&one.id);
        options.line(&mut out, &format!("{} {}", mark(one.severity), one.title), 0);
        let status = status(one, withheld);
        options.line(
            &mut out,
            &format!("{} {}, {status} since {}", one.id, one.name, options.when(one.since, alerts.now)),
            2,
        );
        if let Some(reason) = withheld {
            options.line(&mut out, &why(reason, alerts.now, options.zone), 2);
        }
        options.line(&mut out, &told(one), 2);
    }
    let held = alerts.incidents.iter().filter(|one| one.status == IncidentStatus::Resolved);
    for one in held {
        if let Some(reason @ Withheld::Flapping { .. }) = alerts.withheld.get(&one.id) {
            out.push('\n');
            options.line(&mut out, &format!("OVER {}", one.title), 0);
            options.line(&mut out, &format!("{} {}", one.id, one.name), 2);
            options.line(&mut out, &why(reason, alerts.now, options.zone), 2);
        }
    }
    let running: Vec<&Silence> = alerts.silences.iter().filter(|one| alerts.now < one.ends_at).collect();
    if !running.is_empty() {
        out.push('\n');
        options.line(&mut out, "Silences", 0);
        for one in running {
            silence(&mut out, one, alerts.now, options);
        }
    }
    let open: Vec<String> = alerts.windows.iter().filter_map(|one| window(one, alerts.now, options)).collect();
    if !open.is_empty() {
        out.push('\n');
        options.line(&mut out, "By the calendar", 0);
        open.iter().for_each(|line| options.line(&mut out, line, 0));
    }
    out
}

fn window(one: &Window, now: Time, options: &Options) -> Option<String> {
    let until = options.when(one.open?.until, now);
    Some(match one.kind {
        "maintenance" => {
            format!("maintenance window {:?} until {until}: nothing is said about what it concerns", one.name)
        }
        _ => format!("{} until {until}: only criticals are sent", one.name),
    })
}

/// Everything about one.
#[must_use]
pub fn incident(one: &Incident, alerts: &Alerts<'_>, options: &Options) -> String {
    let mut out = String::new();
    let withheld = alerts.withheld.get(&one.id);
    options.line(&mut out, &format!("{} {}", mark(one.severity), one.title), 0);
    let leads = marks(options.lang).1;
    let mut line = |name: &str, value: &str| {
        let text = format!("{}{leads}{}", options.said(name), options.said(value));
        wrap(&mut out, &text, options.width.clamp(24, 120), 2);
    };
    line("id", one.id.as_str());
    line("alert", &one.name);
    line("about", one.subject.as_str());
    if let Some(provider) = &one.provider {
        line("provider", provider);
    }
    line("status", status(one, withheld));
    line("since", &options.when(one.since, alerts.now));
    if let Some(at) = one.resolved_at {
        line("over since", &options.when(at, alerts.now));
    }
    if let Some(at) = one.expires {
        line("ends", &options.when(at, alerts.now));
    }
    line("now", &one.summary);
    for reason in &one.because {
        line("because", reason);
    }
    if let Some(fix) = &one.fix {
        line("fix", fix);
    }
    if let Some(reason) = withheld {
        line("nothing is said", &why(reason, alerts.now, options.zone));
    }
    for (name, told) in &one.told {
        line("told", &format!("{name}, {}, as {}", options.when(told.at, alerts.now), told.severity));
    }
    if one.told.is_empty() {
        options.line(&mut out, "told: nobody yet", 2);
    }
    out
}

fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "WARNING",
        Severity::Info | Severity::None => "INFO",
    }
}

fn told(one: &Incident) -> String {
    let names: Vec<&str> = one.told.keys().map(String::as_str).collect();
    if names.is_empty() { "told: nobody yet".to_owned() } else { format!("told: {}", names.join(", ")) }
}

/// Why nothing is said, in words.
#[must_use]
pub fn why(why: &Withheld, now: Time, zone: Zone) -> String {
    let until = |at: &Time| format!("until {} ({})", zone.minute(*at), relative(*at, now));
    match why {
        Withheld::Acked { by, until: end, snoozed, comment } => {
            let word = if *snoozed { "put off" } else { "acknowledged" };
            let end = end.as_ref().map_or_else(|| "until it is over or gets worse".to_owned(), until);
            let comment = comment.as_ref().map_or_else(String::new, |text| format!(": {text}"));
            format!("{word} by {by} {end}{comment}")
        }
        Withheld::Silenced { by, until: end, comment, silence } => {
            format!("silenced by {by} {} (silence {silence}): {comment}", until(end))
        }
        Withheld::Maintenance { name, until: end } => format!("maintenance window {name:?} {}", until(end)),
        Withheld::Inhibited { by } => format!("held back: {} ({}) explains it", by.name, by.incident),
        Withheld::Flapping { until: end } => {
            format!("it comes and goes: that it is over is said when it stays so {}", until(end))
        }
        Withheld::Unrouted => "no route leads it to a receiver".to_owned(),
        Withheld::Quiet { until: end } => format!("quiet hours {}: it waits", until(end)),
    }
}

/// Silences, also those that were over lately.
#[must_use]
pub fn silences(all: &[Silence], now: Time, options: &Options) -> String {
    let mut out = String::new();
    if all.is_empty() {
        options.line(&mut out, "Nothing is silenced.", 0);
    }
    for one in all {
        silence(&mut out, one, now, options);
    }
    out
}

fn silence(out: &mut String, one: &Silence, now: Time, options: &Options) {
    options.line(out, &format!("{} {}: {}", one.id, silence_state(one, now), one.matchers_text()), 0);
    let mut period = format!("until {}", options.when(one.ends_at, now));
    if now < one.starts_at {
        period = format!("from {} {period}", options.when(one.starts_at, now));
    }
    options.line(out, &format!("{period}, by {}: {}", one.author, one.comment), 2);
}

/// What waits, then what was sent or withdrawn lately.
#[must_use]
pub fn outbox(messages: &[Message], now: Time, options: &Options) -> String {
    let mut out = String::new();
    let waiting = messages.iter().filter(|one| one.state == "queued").count();
    options.line(&mut out, &format!("{waiting} waiting, {} sent or withdrawn lately", messages.len() - waiting), 0);
    let (first, rest): (Vec<&Message>, Vec<&Message>) = messages.iter().partition(|one| one.state == "queued");
    for one in first.into_iter().chain(rest) {
        let message = &one.notification;
        out.push('\n');
        options.line(&mut out, &format!("{} to {}: {}", one.state, message.receiver, kind(message.kind)), 0);
        let made = options.when(message.created_at, now);
        options.line(&mut out, &format!("{} {}, made {made}", message.id, message.severity), 2);
        if let Some(at) = one.next_at {
            let tried = if one.attempts > 0 { format!("failed {} times, ", one.attempts) } else { String::new() };
            options.line(&mut out, &format!("{tried}next try {}", options.when(at, now)), 2);
        }
        if let Some(at) = one.ended_at {
            options.line(&mut out, &options.when(at, now), 2);
        }
        if let Some(detail) = one.detail.as_deref().filter(|detail| !detail.is_empty()) {
            options.line(&mut out, detail, 2);
        }
        for item in message.items.iter().take(5) {
            options.line(&mut out, &item.title, 2);
        }
        if message.items.len() > 5 {
            options.line(&mut out, &format!("… and {} more", message.items.len() - 5), 2);
        }
    }
    out
}

/// What came of what somebody wanted, from the document that all mouths get ([`super::acted_json`]).
#[must_use]
pub fn acted(verb: &str, document: &Value, options: &Options) -> String {
    let mut out = String::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let at = |value: &Value| {
        let time = value.as_str().and_then(|text| text.parse::<Time>().ok());
        time.map(|time| format!(" until {}", options.zone.minute(time))).unwrap_or_default()
    };
    let line = if let Some(incident) = document.get("incident") {
        let until = at(&incident["ack"]["until"]);
        format!("{verb}{until}: {} ({})", text(&incident["title"]), text(&incident["id"]))
    } else if let Some(silence) = document.get("silence") {
        let matchers = silence["matchers"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ");
        let until = if silence["state"] == "expired" { String::new() } else { at(&silence["endsAt"]) };
        format!("{verb}{until}: {matchers} ({})", text(&silence["id"]))
    } else if let Some(receiver) = document.get("receiver") {
        format!("{verb}: {}", text(receiver))
    } else {
        let count = document["messages"].as_array().map_or(0, Vec::len);
        format!("{verb}: {count} {}", if count == 1 { "message" } else { "messages" })
    };
    options.line(&mut out, &line, 0);
    out
}
