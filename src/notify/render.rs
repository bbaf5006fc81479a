//! What a message says to people: a notification → subject, plain text and HTML, in English. PURE: the same input gives the
//! same words. Everything it shows comes out of the frozen items of the notification.

use crate::domain::Zone;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::template;
use crate::domain::{Item, ItemStatus, Lang, Notification, NotificationKind, Severity, Span, Time};

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
    /// How many of what, in one line.
    pub lead: String,
    /// How long it waited, if that is worth saying.
    pub delayed: Option<String>,
    /// What it is about, one by one; for channels with a markup of their own.
    pub items: Vec<Entry>,
    /// Items that are only counted.
    pub hidden: usize,
    /// What stands before a command.
    pub todo: String,
    /// The machine it speaks of.
    pub host: String,
    /// How it should look as a whole.
    pub mood: Mood,
    /// What can be done from within the message.
    pub actions: Vec<Action>,
}

/// A button of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What it says.
    pub label: String,
    /// A signed link (CONTRACTS §6) or a page to read.
    pub url: String,
    /// Whether a POST to it acts at once; a GET only shows what would be done.
    pub post: bool,
}

impl Rendered {
    /// How many more there are, and where they can be seen.
    #[must_use]
    pub fn more(&self, hidden: usize) -> String {
        format!("… and {hidden} more. See all on {}: opensoul status", self.host)
    }
}

/// How something should look: colours, signs and priorities follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mood {
    /// It is over.
    Over,
    /// For information.
    Info,
    /// A warning.
    Warning,
    /// Critical.
    Critical,
}

impl Mood {
    /// A sign for chats.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Over => "✅",
            Self::Info => "ℹ️",
            Self::Warning => "⚠️",
            Self::Critical => "🔴",
        }
    }
}

/// One item in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// How it should look.
    pub mood: Mood,
    /// `CRITICAL`, `OVER`, ….
    pub mark: &'static str,
    /// What it is, one line.
    pub title: String,
    /// What is true now; empty if the title says it.
    pub summary: String,
    /// `Credential` or `Check`.
    pub what_name: &'static str,
    /// Which.
    pub subject: String,
    /// Of which provider.
    pub provider: Option<String>,
    /// Dates.
    pub times: Vec<Line>,
    /// Why we believe it.
    pub because: Vec<String>,
    /// What to run.
    pub fix: Option<String>,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What it is.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// Renders a message as of `now`, with times in `zone` and in UTC.
#[must_use]
pub fn render(notification: &Notification, _lang: Lang, zone: Zone, now: Time) -> Rendered {
    let host = line(&notification.host);
    let shown = &notification.items[..notification.items.len().min(ITEMS)];
    let items: Vec<Entry> = shown.iter().map(|item| entry(item, zone, now)).collect();
    let hidden = notification.items.len() - shown.len();
    let mut out = Rendered {
        subject: subject(notification, &host),
        text: String::new(),
        html: String::new(),
        lead: lead(notification, &host),
        delayed: delay(notification, now).map(|span| {
            let written = moment(notification.created_at, zone);
            format!("This message is delayed by {}: it was written {written}.", words(span))
        }),
        mood: notification.items.iter().map(mood).max().unwrap_or(Mood::Info),
        actions: Vec::new(),
        items,
        hidden,
        todo: format!("What to do, on {host}"),
        host,
    };
    let view = context! {
        subject => &out.subject,
        host => &out.host,
        lead => &out.lead,
        delayed => &out.delayed,
        items => Value::from(Serde(out.items.clone())),
        more => (hidden > 0).then(|| out.more(hidden)),
        footer => format!("Sent by opensoul on {}. All credentials: opensoul status", out.host),
    };
    out.text = template::fill("message.txt", &view);
    out.html = template::fill("message.html", &view);
    out
}

fn mood(item: &Item) -> Mood {
    match (item.status, item.severity) {
        (ItemStatus::Resolved | ItemStatus::WasDown, _) => Mood::Over,
        (ItemStatus::Firing, Severity::Critical) => Mood::Critical,
        (ItemStatus::Firing, Severity::Warning) => Mood::Warning,
        (ItemStatus::Firing, Severity::Info | Severity::None) => Mood::Info,
    }
}

/// How long a message has been waiting, if it is worth saying.
#[must_use]
pub fn delay(notification: &Notification, now: Time) -> Option<Span> {
    Some(now - notification.created_at).filter(|span| *span > DELAY)
}

fn subject(notification: &Notification, host: &str) -> String {
    let text = match (notification.kind, notification.items.as_slice()) {
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
    if parts.is_empty() {
        parts.push("nothing needs attention".to_owned());
    }
    format!("On {host}: {}.", parts.join("; "))
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn entry(item: &Item, zone: Zone, now: Time) -> Entry {
    let mood = mood(item);
    let mark = match (item.status, mood) {
        (ItemStatus::WasDown, _) => "WAS WRONG, IS OVER",
        (_, Mood::Over) => "OVER",
        (_, Mood::Critical) => "CRITICAL",
        (_, Mood::Warning) => "WARNING",
        (_, Mood::Info) => "INFO",
    };
    let firing = item.status == ItemStatus::Firing;
    Entry {
        mood,
        mark,
        title: line(&item.title),
        summary: Some(line(&item.summary)).filter(|summary| *summary != line(&item.title)).unwrap_or_default(),
        what_name: if item.provider.is_some() { "Credential" } else { "Check" },
        subject: line(&item.subject),
        provider: item.provider.as_deref().map(line),
        times: times(item, zone, now),
        because: item.because.iter().map(|text| line(text)).filter(|text| !text.is_empty()).collect(),
        // What is over needs no command.
        fix: item.fix.as_deref().filter(|_| firing).map(line).filter(|fix| !fix.is_empty()),
    }
}

fn times(item: &Item, zone: Zone, now: Time) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |name, value| lines.push(Line { name, value });
    if let Some(end) = item.expires {
        let (name, relative) = if end > now {
            (
                if item.status == ItemStatus::Firing { "Ends" } else { "Now good until" },
                format!("in {}", words(end - now)),
            )
        } else {
            ("Ended", format!("{} ago", words(now - end)))
        };
        say(name, format!("{relative}, {}", moment(end, zone)));
    }
    match (item.status, item.ended) {
        (ItemStatus::Firing, _) => say("Seen since", moment(item.since, zone)),
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
