//! What a message says to people: a notification → subject, plain text and HTML, in the receiver's language. PURE: the same
//! input gives the same words. Everything it shows comes out of the frozen items of the notification.
//!
//! Every sentence is made in English and passes [`spoken`]: a new one needs a row in `output/chinese/notify.txt`.

use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::{Signer, template};
use crate::domain::{
    Item, ItemStatus, Lang, Notification, NotificationKind, Severity, Span, Time, Zone, is_unprintable,
};
use crate::output::wording::{localised, spoken};

/// More items than this are only counted.
const ITEMS: usize = 100;
/// Characters of a subject.
const SUBJECT: usize = 180;
/// A message that waited longer than this says so.
const DELAY: Span = Span::minutes(10);

/// How a receiver is spoken to.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// In which language.
    pub lang: Lang,
    /// With times of which zone, beside UTC.
    pub zone: Zone,
    /// Where the runbook of an alert is: a URL with `{name}`, `{provider}` and `{subject}` in it.
    pub runbook: Option<String>,
    /// Makes links that act; `None`: there are none.
    pub signer: Option<Signer>,
}

/// A message, ready for a channel that can show it. Templates see it under these names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rendered {
    /// `en` or `zh-CN`.
    pub lang: Lang,
    /// One line; the same for as long as the problem lasts, so that mail programs keep the thread.
    pub subject: String,
    /// Plain text.
    #[serde(skip)]
    pub text: String,
    /// The same as a page.
    #[serde(skip)]
    pub html: String,
    /// The text that a template of the receiver made, for channels that compose theirs of the items.
    #[serde(skip)]
    pub own: Option<String>,
    /// How many of what, in one line.
    pub lead: String,
    /// How long it waited, if that is worth saying.
    pub delayed: Option<String>,
    /// What went wrong with the message itself.
    pub notice: Option<String>,
    /// What it is about, one by one; for channels with a markup of their own.
    pub items: Vec<Entry>,
    /// Items that are only counted.
    pub hidden: usize,
    /// How many those are, and where they can be seen.
    pub more: Option<String>,
    /// Names of things, in the receiver's language.
    pub labels: Labels,
    /// The machine it speaks of.
    pub host: String,
    /// Who sent it.
    pub footer: String,
    /// How it should look as a whole.
    pub mood: Mood,
    /// What can be done from within the message.
    pub actions: Vec<Action>,
}

/// Names of things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// Of the machine.
    pub host: String,
    /// What stands before the reasons.
    pub why: String,
    /// What stands before a command.
    pub todo: String,
    /// Of the link to a runbook.
    pub runbook: String,
    /// What stands between a name and its value.
    pub colon: &'static str,
}

/// A button of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
        spoken(self.lang, format!("… and {hidden} more. See all on {}: opensoul status", self.host))
    }

    /// Plain text and page anew, after something else has changed.
    pub fn fill(&mut self) {
        let view = Value::from(Serde(self.clone()));
        self.text = template::fill("message.txt", &view);
        self.html = template::fill("message.html", &view);
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
    pub mark: String,
    /// What it is, one line.
    pub title: String,
    /// What is true now; empty if the title says it.
    pub summary: String,
    /// `Credential` or `Check`.
    pub what_name: String,
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
    /// Where to read on.
    pub runbook: Option<String>,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Renders a message as of `now`, with times in `zone` and in UTC.
#[must_use]
pub fn render(notification: &Notification, lang: Lang, zone: Zone, now: Time) -> Rendered {
    render_in(notification, &Manner { lang, zone, ..Manner::default() }, now)
}

/// Renders a message as of `now`.
#[must_use]
pub fn render_in(notification: &Notification, manner: &Manner, now: Time) -> Rendered {
    let lang = manner.lang;
    let say = |text: String| spoken(lang, text);
    let host = line(&notification.host);
    let shown = &notification.items[..notification.items.len().min(ITEMS)];
    let items: Vec<Entry> = shown.iter().map(|item| entry(item, manner, now)).collect();
    let hidden = notification.items.len() - shown.len();
    // What acts comes first: a channel that shows one link shows that.
    let mut actions = manner.signer.as_ref().map_or_else(Vec::new, |signer| signer.actions(notification, lang, now));
    actions.extend(runbooks(&items, lang));
    let mut out = Rendered {
        lang,
        subject: shortened(&subject(notification, &host, lang)),
        text: String::new(),
        html: String::new(),
        own: None,
        lead: say(lead(notification, &host)),
        delayed: delay(notification, now).map(|span| {
            let written = moment(notification.created_at, manner.zone);
            say(format!("This message is delayed by {}: it was written {written}.", words(span)))
        }),
        notice: None,
        // A notice beside what is over does not make it go on.
        mood: notification
            .items
            .iter()
            .filter(|item| item.status != ItemStatus::Notice)
            .map(mood)
            .max()
            .unwrap_or(Mood::Info),
        actions,
        items,
        hidden,
        more: None,
        labels: Labels {
            host: say("Host".to_owned()),
            why: say("Why we believe it".to_owned()),
            todo: say(format!("What to do, on {host}")),
            runbook: say("Runbook".to_owned()),
            colon: match lang {
                Lang::English => ": ",
                Lang::Chinese => "：",
            },
        },
        footer: say(format!("Sent by opensoul on {host}. All credentials: opensoul status")),
        host,
    };
    out.more = (hidden > 0).then(|| out.more(hidden));
    out.fill();
    out
}

/// A button for each runbook; the first ones, because no vendor shows many.
fn runbooks(items: &[Entry], lang: Lang) -> Vec<Action> {
    const MOST: usize = 2;
    let mut urls: Vec<&String> = items.iter().filter_map(|item| item.runbook.as_ref()).collect();
    urls.sort_unstable();
    urls.dedup();
    let label = spoken(lang, "Runbook".to_owned());
    urls.into_iter().take(MOST).map(|url| Action { label: label.clone(), url: url.clone(), post: false }).collect()
}

/// The address of an item's runbook. What is put into it is escaped, so that it stays one part of a path or one value.
pub(super) fn runbook(template: &str, item: &Item) -> String {
    let escaped = |text: &str| {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
        text.bytes().map(|b| if safe(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect::<String>()
    };
    // A finding's place is hashed behind its check; a page is about the check.
    let subject =
        item.subject.rsplit_once('#').filter(|_| item.provider.is_none()).map_or(&*item.subject, |(id, _)| id);
    template
        .replace("{name}", &escaped(&item.name))
        .replace("{provider}", &escaped(item.provider.as_deref().unwrap_or("none")))
        .replace("{subject}", &escaped(subject))
}

fn mood(item: &Item) -> Mood {
    match (item.status, item.severity) {
        (ItemStatus::Resolved | ItemStatus::WasDown, _) => Mood::Over,
        (ItemStatus::Firing, Severity::Critical) => Mood::Critical,
        (ItemStatus::Firing, Severity::Warning) => Mood::Warning,
        (ItemStatus::Firing, Severity::Info | Severity::None) | (ItemStatus::Notice, _) => Mood::Info,
    }
}

/// How long a message has been waiting, if it is worth saying.
#[must_use]
pub fn delay(notification: &Notification, now: Time) -> Option<Span> {
    Some(now - notification.created_at).filter(|span| *span > DELAY)
}

/// The same for as long as the problem lasts: a title does not change, nor does its translation.
fn subject(notification: &Notification, host: &str, lang: Lang) -> String {
    let text = match (notification.kind, notification.items.as_slice()) {
        (NotificationKind::Report, _) => format!("[opensoul] {host}: report"),
        (_, [one]) => format!("[opensoul] {host}: {}", line(&one.title)),
        (_, [first, rest @ ..]) if rest.iter().all(|item| item.provider == first.provider) => {
            match first.provider.as_deref().map(line) {
                Some(provider) => format!("[opensoul] {host}: {provider} needs attention"),
                None => format!("[opensoul] {host}: several checks need attention"),
            }
        }
        _ => format!("[opensoul] {host}: several credentials need attention"),
    };
    spoken(lang, text)
}

/// A subject: one line, and not too long.
pub(super) fn shortened(text: &str) -> String {
    let text = line(text);
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
const NOTICES: [(&str, &str, &str); 6] = [
    ("ENDS", "ends soon or has ended", "end soon or have ended"),
    ("FIXED", "was fixed", "were fixed"),
    ("RECEIVER", "receiver fails", "receivers fail"),
    ("SILENCED", "silence or acknowledgement", "silences and acknowledgements"),
    ("TEST", "test of this receiver", "tests of this receiver"),
    ("NOTE", "change worth knowing", "changes worth knowing"),
];

/// The mark of a notice by its name.
fn mark_of(name: &str) -> &'static str {
    match name {
        "ReportExpiring" => "ENDS",
        "ReportFixed" => "FIXED",
        "ReportReceiver" => "RECEIVER",
        "ReportSilence" | "ReportAcked" | "AlertAcknowledged" | "AlertSilenced" => "SILENCED",
        "ReportEmpty" => "ALL WELL",
        "ReceiverTest" => "TEST",
        _ => "NOTE",
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn entry(item: &Item, manner: &Manner, now: Time) -> Entry {
    let mood = mood(item);
    let mark = match (item.status, mood) {
        (ItemStatus::WasDown, _) => "WAS WRONG, IS OVER",
        (ItemStatus::Notice, _) => mark_of(&item.name),
        (_, Mood::Over) => "OVER",
        (_, Mood::Critical) => "CRITICAL",
        (_, Mood::Warning) => "WARNING",
        (_, Mood::Info) => "INFO",
    };
    let firing = item.status == ItemStatus::Firing;
    let say = |text: String| spoken(manner.lang, text);
    // Instants in stored lines are in UTC; people think in their own zone.
    let read = |text: &str| localised(&say(line(text)), &|at| moment(at, manner.zone));
    Entry {
        mood,
        mark: say(mark.to_owned()),
        title: say(line(&item.title)),
        summary: Some(read(&item.summary)).filter(|summary| *summary != read(&item.title)).unwrap_or_default(),
        what_name: say(if item.provider.is_some() { "Credential" } else { "Check" }.to_owned()),
        subject: line(&item.subject),
        provider: item.provider.as_deref().map(line),
        times: times(item, manner, now),
        because: item.because.iter().map(|text| read(text)).filter(|text| !text.is_empty()).collect(),
        // What is over needs no command.
        fix: item
            .fix
            .as_deref()
            .filter(|_| firing || item.status == ItemStatus::Notice)
            .map(|fix| say(line(fix)))
            .filter(|fix| !fix.is_empty()),
        runbook: manner.runbook.as_deref().filter(|_| firing).map(|template| runbook(template, item)),
    }
}

fn times(item: &Item, manner: &Manner, now: Time) -> Vec<Line> {
    let zone = manner.zone;
    let mut lines = Vec::new();
    let mut say = |name: &str, value| {
        lines.push(Line { name: spoken(manner.lang, name.to_owned()), value: spoken(manner.lang, value) });
    };
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
        (ItemStatus::Firing, _) => {
            let ago = Some(now - item.since).filter(|span| *span >= Span::minutes(1));
            let ago = ago.map_or_else(String::new, |span| format!("{} ago, ", words(span)));
            say("Seen since", format!("{ago}{}", moment(item.since, zone)));
        }
        (ItemStatus::Notice, None) => {}
        (_, None) => say("Was wrong from", moment(item.since, zone)),
        (_, Some(ended)) => say(
            "Was wrong",
            format!("for {}, from {} to {}", words(ended - item.since), moment(item.since, zone), moment(ended, zone)),
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
    let shown: String = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
