//! What a message says to people: a notification → subject, plain text and HTML, in English. PURE: the same input gives the
//! same words. Everything it shows comes out of the frozen items of the notification.

use crate::domain::Zone;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::template;
use crate::domain::{Item, ItemStatus, Notification, NotificationKind, Severity, Span, Time};

/// More items than this are only counted.
const ITEMS: usize = 100;
/// Characters of a subject.
const SUBJECT: usize = 180;
/// A message that waited longer than this says so.
const DELAY: Span = Span::minutes(10);

/// A message, ready for a channel that can show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line; the same for as long as the problem lasts, so that mail programs keep the thread.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as a page.
    pub html: String,
}

#[derive(Serialize)]
struct Entry {
    mark: &'static str,
    class: &'static str,
    title: String,
    summary: String,
    what_name: &'static str,
    subject: String,
    provider: Option<String>,
    times: Vec<Line>,
    because: Vec<String>,
    fix: Option<String>,
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    value: String,
}

/// Renders a message as of `now`, with times in `zone` and in UTC.
#[must_use]
pub fn render(notification: &Notification, zone: Zone, now: Time) -> Rendered {
    let host = line(&notification.host);
    let subject = subject(notification, &host);
    let shown = &notification.items[..notification.items.len().min(ITEMS)];
    let items: Vec<Entry> = shown.iter().map(|item| entry(item, zone, now)).collect();
    let hidden = notification.items.len() - shown.len();
    let view = context! {
        subject => &subject,
        host => &host,
        lead => lead(notification, &host),
        delayed => delay(notification, now).map(|span| format!(
            "This message is delayed by {}: it was written {}.",
            words(span), moment(notification.created_at, zone)
        )),
        items => Value::from(Serde(items)),
        more => (hidden > 0).then(|| format!("… and {hidden} more. See all on {host}: opensoul status")),
        footer => format!("Sent by opensoul on {host}. All credentials: opensoul status"),
    };
    Rendered { subject, text: template::fill("message.txt", &view), html: template::fill("message.html", &view) }
}

/// How long a message has been waiting, if it is worth saying.
#[must_use]
pub fn delay(notification: &Notification, now: Time) -> Option<Span> {
    Some(now - notification.created_at).filter(|span| *span > DELAY)
}

fn subject(notification: &Notification, host: &str) -> String {
    let text = match (notification.kind, notification.items.as_slice()) {
        (NotificationKind::Report, _) => format!("[opensoul] {host}: report"),
        (NotificationKind::Alert, [one]) => format!("[opensoul] {host}: {}", line(&one.title)),
        (NotificationKind::Alert, [first, rest @ ..]) if rest.iter().all(|item| item.provider == first.provider) => {
            let provider = first.provider.as_deref().map_or_else(|| "several checks".to_owned(), line);
            format!("[opensoul] {host}: {provider} needs attention")
        }
        _ => format!("[opensoul] {host}: several credentials need attention"),
    };
    if text.chars().count() <= SUBJECT { text } else { text.chars().take(SUBJECT - 1).chain(['…']).collect() }
}

fn lead(notification: &Notification, host: &str) -> String {
    let count = |wanted: fn(&Item) -> bool| notification.items.iter().filter(|item| wanted(item)).count();
    let firing = count(|item| item.status == ItemStatus::Firing);
    let over = count(|item| item.status == ItemStatus::Resolved);
    let past = count(|item| item.status == ItemStatus::WasDown);
    let mut parts = Vec::new();
    if firing > 0 {
        parts.push(format!(
            "{firing} {} {} attention",
            plural(firing, "problem"),
            if firing == 1 { "needs" } else { "need" }
        ));
    }
    if over > 0 {
        parts.push(format!("{over} {} over", if over == 1 { "is" } else { "are" }));
    }
    if past > 0 {
        parts.push(format!("{past} came and went before a message could get out"));
    }
    let notices = notification.items.iter().filter(|item| item.status == ItemStatus::Notice);
    for (named, one, several) in NOTICES {
        match notices.clone().filter(|item| mark_of(&item.name) == named).count() {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            count => parts.push(format!("{count} {several}")),
        }
    }
    if parts.is_empty() {
        parts.push("nothing needs attention".to_owned());
    }
    format!("On {host}: {}.", parts.join("; "))
}

/// The marks of notices, and how many of each there are: one, several.
const NOTICES: [(&str, &str, &str); 5] = [
    ("ENDS", "ends soon or has ended", "end soon or have ended"),
    ("FIXED", "was fixed", "were fixed"),
    ("RECEIVER", "receiver fails", "receivers fail"),
    ("SILENCED", "silence or acknowledgement", "silences and acknowledgements"),
    ("NOTE", "change worth knowing", "changes worth knowing"),
];

/// The mark of a notice by its name.
fn mark_of(name: &str) -> &'static str {
    match name {
        "ReportExpiring" => "ENDS",
        "ReportFixed" => "FIXED",
        "ReportReceiver" => "RECEIVER",
        "ReportSilence" | "ReportAcked" => "SILENCED",
        "ReportEmpty" => "ALL WELL",
        _ => "NOTE",
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn entry(item: &Item, zone: Zone, now: Time) -> Entry {
    let (mark, class) = match (item.status, item.severity) {
        (ItemStatus::Resolved, _) => ("OVER", "over"),
        (ItemStatus::WasDown, _) => ("WAS WRONG, IS OVER", "over"),
        (ItemStatus::Notice, _) => (mark_of(&item.name), "info"),
        (ItemStatus::Firing, Severity::Critical) => ("CRITICAL", "critical"),
        (ItemStatus::Firing, Severity::Warning) => ("WARNING", "warning"),
        (ItemStatus::Firing, Severity::Info | Severity::None) => ("INFO", "info"),
    };
    let firing = item.status == ItemStatus::Firing;
    Entry {
        mark,
        class,
        title: line(&item.title),
        summary: Some(line(&item.summary)).filter(|summary| *summary != line(&item.title)).unwrap_or_default(),
        what_name: if item.provider.is_some() { "Credential" } else { "Check" },
        subject: line(&item.subject),
        provider: item.provider.as_deref().map(line),
        times: times(item, zone, now),
        because: item.because.iter().map(|text| line(text)).filter(|text| !text.is_empty()).collect(),
        // What is over needs no command.
        fix: item
            .fix
            .as_deref()
            .filter(|_| firing || item.status == ItemStatus::Notice)
            .map(line)
            .filter(|fix| !fix.is_empty()),
    }
}

fn times(item: &Item, zone: Zone, now: Time) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |name, value| lines.push(Line { name, value });
    let over = matches!(item.status, ItemStatus::Resolved | ItemStatus::WasDown);
    if let Some(end) = item.expires {
        let (name, relative) = if end > now {
            (if over { "Now good until" } else { "Ends" }, format!("in {}", words(end - now)))
        } else {
            ("Ended", format!("{} ago", words(now - end)))
        };
        say(name, format!("{relative}, {}", moment(end, zone)));
    }
    match (item.status, item.ended) {
        (ItemStatus::Firing, _) => say("Seen since", moment(item.since, zone)),
        (ItemStatus::Notice, None) => {}
        (_, None) => say("Was wrong from", moment(item.since, zone)),
        (_, Some(ended)) => say(
            "Was wrong",
            format!("from {} to {} ({})", moment(item.since, zone), moment(ended, zone), words(ended - item.since)),
        ),
    }
    lines
}

/// `2026-11-24 19:00 CET (18:00 UTC)`: the local time that people think in, and the one that logs have.
fn moment(time: Time, zone: Zone) -> String {
    let local = time.with_timezone(&zone);
    if zone == Zone::UTC {
        return time.format("%Y-%m-%d %H:%M UTC").to_string();
    }
    let same_day = local.date_naive() == time.date_naive();
    let utc = time.format(if same_day { "%H:%M UTC" } else { "%Y-%m-%d %H:%M UTC" });
    format!("{} ({utc})", local.format("%Y-%m-%d %H:%M %Z"))
}

/// `2 days 4 h`, `3 h 20 min`, `45 s`: the two largest units.
#[must_use]
pub fn words(span: Span) -> String {
    let seconds = span.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |first: String, second: i64, unit: &str| {
        if second == 0 { first } else { format!("{first} {second} {unit}") }
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => two(format!("{hours} h"), minutes, "min"),
        (1, _, _) => two("1 day".to_owned(), hours, "h"),
        (2..14, _, _) => two(format!("{days} days"), hours, "h"),
        _ => format!("{days} days"),
    }
}

/// One line without control characters: what came from files and providers must break neither a header nor the layout.
fn line(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
