//! What is said. Pure: a function of what the monitor last published and of what the store knows.
//!
//! Plain text without any markup, because ids and words of providers are in it. It leaves the machine: no e-mail address of an
//! id goes with it unless that was allowed.

use std::collections::BTreeMap;
use std::path::Path;

use super::command::Write;
use crate::domain::{
    Acted, Assessed, GatewayState, Incident, IncidentId, IncidentStatus, Lang, Pseudonyms, Severity, Silence, Snapshot,
    Span, State, Time, Withheld, Zone, is_unprintable,
};
use crate::engine::check::{CheckScope, exit_code};
use crate::engine::silences::{self, Labels};
use crate::output::status::{Overall, overall};
use crate::output::wording::{localised, relative, shortened, spoken};

/// How long a question waits for its button.
pub const PATIENCE: Span = Span::minutes(5);

/// What there is to be said at one instant, and to whom.
pub struct Scene<'a> {
    /// What was last observed; `None` before the first cycle.
    pub snapshot: Option<&'a Snapshot>,
    /// Incidents as they are now.
    pub incidents: &'a [Incident],
    /// Silences.
    pub silences: &'a [Silence],
    /// Why nothing is said about an incident.
    pub withheld: &'a BTreeMap<IncidentId, Withheld>,
    /// What takes the place of e-mail addresses.
    pub names: &'a Pseudonyms,
    /// This machine's name.
    pub host: &'a str,
    /// Shortened to `~`.
    pub home: &'a Path,
    /// The reader's zone.
    pub zone: Zone,
    /// The reader's language.
    pub lang: Lang,
    /// Whether anything may be done from here.
    pub writes: bool,
    /// The instant.
    pub now: Time,
}

/// Lines that are put together.
struct Page<'s, 'a> {
    scene: &'s Scene<'a>,
    out: String,
}

impl Scene<'_> {
    fn page(&self) -> Page<'_, '_> {
        Page { scene: self, out: String::new() }
    }

    /// A sentence of ours, with what is the reader's: language, zone, home; without e-mail addresses and control characters.
    #[must_use]
    pub fn say(&self, text: &str) -> String {
        let said = spoken(self.lang, self.names.apply(text));
        let said = localised(&shortened(&said, Some(self.home)), &|time| self.zone.minute(time));
        said.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect()
    }

    /// `in 3 d (2027-01-31 08:05)`
    fn when(&self, at: Time) -> String {
        format!("{} ({})", spoken(self.lang, relative(at, self.now)), self.zone.minute(at))
    }

    fn open(&self) -> Vec<&Incident> {
        let mut open: Vec<&Incident> = self
            .incidents
            .iter()
            .filter(|one| one.status == IncidentStatus::Firing && one.severity > Severity::None)
            .collect();
        open.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.since.cmp(&b.since)).then_with(|| a.id.cmp(&b.id)));
        open
    }
}

impl Page<'_, '_> {
    fn line(&mut self, text: &str) -> &mut Self {
        self.put("", text)
    }

    fn put(&mut self, before: &str, text: &str) -> &mut Self {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(before);
        self.out.push_str(&self.scene.say(text));
        self
    }

    /// As it is: commands and what was translated already.
    fn raw(&mut self, text: &str) -> &mut Self {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(text);
        self
    }

    fn gap(&mut self) -> &mut Self {
        self.out.push('\n');
        self
    }
}

/// `/help`
#[must_use]
pub fn help(scene: &Scene<'_>) -> String {
    let mut page = scene.page();
    page.line("What I understand:");
    for (command, meaning) in [
        ("/status", "whether everything works, how long it lasts, what is wrong"),
        ("/expiring 7d", "what ends soon"),
        ("/doctor", "what is wrong with the set-up"),
        ("/model", "which model and which credential a session of the gateway uses"),
    ] {
        page.raw(&format!("{command}  {}", scene.say(meaning)));
    }
    let writes = [
        ("/ack ID 2h", "\"I have seen it\": no reminders until then, or until it is over"),
        ("/snooze ID 2h", "\"not now\": said again after that"),
        ("/silence provider=anthropic 2h", "say nothing about what fits"),
        ("/unack ID, /unsilence ID", "take it back"),
    ];
    if scene.writes {
        for (command, meaning) in writes {
            page.raw(&format!("{command}  {}", scene.say(meaning)));
        }
    } else {
        page.line("Nothing can be changed from here: [chat] writes is not true in monitor.toml.");
    }
    page.out
}

/// `/status`
#[must_use]
pub fn status(scene: &Scene<'_>) -> String {
    let Some(snapshot) = scene.snapshot else { return nothing_yet(scene) };
    let mut page = scene.page();
    let (mark, word) = match overall(snapshot, &exit_code(snapshot, CheckScope::InUse)) {
        Overall::Ok => ("✅", "all is well"),
        Overall::Unknown => ("❔", "not everything is known"),
        Overall::Warning => ("⚠️", "something needs attention"),
        Overall::Critical => ("🔴", "something is broken or about to be"),
    };
    page.raw(&format!("{mark} {}: {}", scene.say(scene.host), scene.say(word)));
    page.raw(&scene.when(snapshot.taken_at));
    if let Some(problem) = &snapshot.clock_problem {
        page.line(&format!("No date can be judged: {problem}."));
    }
    page.gap();
    for provider in snapshot.providers.iter().filter(|one| one.in_use) {
        let usable = provider.usable > 0;
        let mark = if usable { "✓" } else { "✗" };
        let count = format!("{} of {} usable", provider.usable, provider.total);
        let mut line = format!("{mark} {}: {}", scene.say(&provider.provider), scene.say(&count));
        if let Some(end) = soonest(snapshot, &provider.provider).filter(|_| usable) {
            line = format!("{line}, {} {}", scene.say("the next ends"), scene.when(end));
        }
        page.raw(&line);
    }
    if snapshot.credentials.is_empty() {
        page.line("No credentials found.");
    }
    if snapshot.gateway.state != GatewayState::Absent {
        page.line(&format!("Gateway {}: {}", snapshot.gateway.state.word(), snapshot.gateway.detail));
    }
    open_incidents(scene, &mut page);
    page.out
}

fn nothing_yet(scene: &Scene<'_>) -> String {
    scene.say("The first look at this machine is not done yet; ask again in a moment.")
}

/// The soonest end of what works for a provider and is used.
fn soonest(snapshot: &Snapshot, provider: &str) -> Option<Time> {
    let of_provider = |one: &&Assessed| {
        one.credential.provider == provider
            && one.copy_of.is_none()
            && one.judgement.in_use
            && one.judgement.state.is_usable()
    };
    snapshot.credentials.iter().filter(of_provider).filter_map(|one| one.judgement.expires).min()
}

fn open_incidents(scene: &Scene<'_>, page: &mut Page<'_, '_>) {
    let open = scene.open();
    page.gap();
    if open.is_empty() {
        page.line("No open incidents.");
        return;
    }
    for one in open {
        incident(scene, page, one);
    }
    let silences = scene.silences.iter().filter(|one| one.holds(scene.now));
    for one in silences {
        let until = scene.when(one.ends_at);
        page.raw(&format!("🔕 {} {} {until}", scene.say(&one.matchers_text()), scene.say("until")));
        page.raw(&format!("   {} · /unsilence_{}", scene.say(&one.author), one.id));
    }
}

fn incident(scene: &Scene<'_>, page: &mut Page<'_, '_>, one: &Incident) {
    let mark = match one.severity {
        Severity::Critical => "🔴",
        Severity::Warning => "⚠️",
        Severity::Info | Severity::None => "ℹ️",
    };
    page.put(&format!("{mark} "), &one.title);
    if one.summary != one.title {
        page.put("   ", &one.summary);
    }
    if let Some(fix) = &one.fix {
        page.put("   ➜ ", fix);
    }
    match scene.withheld.get(&one.id) {
        Some(Withheld::Acked { by, until, snoozed, .. }) => {
            let word = if *snoozed { "put off by" } else { "acknowledged by" };
            let until = until.map(|at| format!(" {} {}", scene.say("until"), scene.when(at))).unwrap_or_default();
            page.raw(&format!("   👀 {} {}{until} · /unack_{}", scene.say(word), scene.say(by), one.id));
        }
        other => {
            let why = other.map(|why| format!("🔕 {} · ", scene.say(why.word()))).unwrap_or_default();
            page.raw(&format!("   {why}/ack_{}", one.id));
        }
    }
}

/// `/doctor`
#[must_use]
pub fn doctor(scene: &Scene<'_>) -> String {
    let Some(snapshot) = scene.snapshot else { return nothing_yet(scene) };
    let told = |severity: Severity| severity >= Severity::Warning;
    let mut page = scene.page();
    let count = snapshot.findings.iter().filter(|one| told(one.severity)).count();
    match count {
        0 => page.line("Nothing is wrong with the set-up."),
        1 => page.line("1 thing is wrong with the set-up:"),
        count => page.line(&format!("{count} things are wrong with the set-up:")),
    };
    for one in snapshot.findings.iter().filter(|one| told(one.severity)) {
        let mark = if one.severity == Severity::Critical { "🔴" } else { "⚠️" };
        page.put(&format!("{mark} "), &one.message);
        let place = one.place.to_string();
        if !place.is_empty() {
            page.put("   ", &place);
        }
        page.put("   ➜ ", &one.fix);
    }
    let remarks = snapshot.findings.len() - count;
    if remarks > 0 {
        page.line(&format!("{remarks} more remarks: opensoul doctor"));
    }
    page.out
}

/// `/expiring`
#[must_use]
pub fn expiring(scene: &Scene<'_>, within: Span) -> String {
    let Some(snapshot) = scene.snapshot else { return nothing_yet(scene) };
    // One that has ended without a date of its own comes first.
    let ends = |one: &&Assessed| match one.judgement.expires {
        Some(at) => at <= scene.now + within,
        None => one.judgement.state == State::Expired,
    };
    let mut ending: Vec<&Assessed> =
        snapshot.credentials.iter().filter(|one| one.copy_of.is_none()).filter(ends).collect();
    ending.sort_by(|a, b| {
        let dates = a.judgement.expires.cmp(&b.judgement.expires);
        dates.then_with(|| a.credential.id.cmp(&b.credential.id))
    });
    let mut page = scene.page();
    let span = scene.zone.minute(scene.now + within);
    if ending.is_empty() {
        page.line(&format!("Nothing ends before {span}."));
    } else {
        page.line(&format!("What ends before {span}, or has ended:"));
    }
    for one in ending {
        let mark = match one.judgement.severity {
            Severity::Critical => "🔴",
            Severity::Warning => "⚠️",
            Severity::Info | Severity::None => "•",
        };
        let state = spoken(scene.lang, one.judgement.state.word().to_owned());
        let at = one.judgement.expires.map(|at| format!(", {}", scene.when(at))).unwrap_or_default();
        page.raw(&format!("{mark} {}: {state}{at}", scene.say(one.credential.id.as_str())));
        if let Some(fix) = one.judgement.fix.as_deref().filter(|_| one.judgement.severity >= Severity::Warning) {
            page.put("   ➜ ", fix);
        }
    }
    page.out
}

/// The answer to what is no command of ours.
#[must_use]
pub fn unknown(scene: &Scene<'_>) -> String {
    scene.say("I do not understand that. /help says what I do.")
}

/// Nothing may be done from here.
#[must_use]
pub fn no_writes(scene: &Scene<'_>) -> String {
    scene.say("Nothing can be changed from here: [chat] writes is not true in monitor.toml.")
}

/// The question whether it is really meant; `title` is that of the incident, if it is about one.
#[must_use]
pub fn question(scene: &Scene<'_>, write: &Write, title: Option<&str>, who: &str) -> String {
    let mut page = scene.page();
    let until = |lasts: Span| scene.when(scene.now + lasts);
    match write {
        Write::Ack { lasts, .. } => page.raw(&ask(scene, "Acknowledge it until {}?", &until(*lasts))),
        Write::Unack { .. } => page.line("Take the acknowledgement back?"),
        Write::Snooze { lasts, .. } => page.raw(&ask(scene, "Put it off until {}?", &until(*lasts))),
        Write::Silence { matchers, lasts, .. } => {
            let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
            page.raw(&ask(scene, "Say nothing until {} about what fits this?", &until(*lasts)));
            page.raw(&scene.say(&texts.join(" ")));
            let fitting = fitting(scene, write);
            page.line(&format!("It fits {fitting} of {} open incidents now.", scene.open().len()))
        }
        Write::Unsilence { silence } => page.line(&format!("End the silence {silence}?")),
    };
    if let Some(title) = title {
        page.line(title);
    }
    page.raw(&who_may_answer(scene, who));
    page.out
}

/// Whose button it is.
#[must_use]
pub fn who_may_answer(scene: &Scene<'_>, who: &str) -> String {
    scene.say(&format!("Only {who} can answer, within {} minutes.", PATIENCE.num_minutes()))
}

/// A sentence with something in it that has its own language already.
fn ask(scene: &Scene<'_>, sentence: &str, inside: &str) -> String {
    scene.say(&sentence.replace("{}", "…")).replace('…', inside)
}

fn fitting(scene: &Scene<'_>, write: &Write) -> usize {
    let Write::Silence { matchers, .. } = write else { return 0 };
    let silence = Silence {
        id: "".into(),
        matchers: matchers.clone(),
        starts_at: scene.now,
        ends_at: scene.now,
        created_at: scene.now,
        author: String::new(),
        comment: String::new(),
        unannounced: false,
    };
    scene.open().iter().filter(|one| silences::matches(&silence, &Labels::of(one, scene.host))).count()
}

/// It is done.
#[must_use]
pub fn done(scene: &Scene<'_>, write: &Write, acted: &Acted, by: &str) -> String {
    let mut page = scene.page();
    let end = match acted {
        Acted::Incident(incident) => incident.ack.as_ref().and_then(|ack| ack.until),
        Acted::Silence(silence) => Some(silence.ends_at),
        Acted::Messages(_) | Acted::Receiver(_) => None,
    };
    let end = end.map(|at| scene.when(at));
    match (write, &end) {
        (Write::Ack { .. }, Some(end)) => page.raw(&ask(scene, "Acknowledged until {}.", end)),
        (Write::Snooze { .. }, Some(end)) => page.raw(&ask(scene, "Put off until {}.", end)),
        (Write::Silence { .. }, Some(end)) => page.raw(&ask(scene, "Silenced until {}.", end)),
        (Write::Unsilence { .. }, _) => page.line("The silence has ended."),
        _ => page.line("Not acknowledged any more."),
    };
    match acted {
        Acted::Incident(incident) => page.line(&incident.title),
        Acted::Silence(silence) => page.line(&silence.matchers_text()),
        Acted::Messages(_) | Acted::Receiver(_) => &mut page,
    };
    page.raw(&format!("— {}", scene.say(by)));
    page.out
}

/// The incident that an id or its beginning means, if it is one.
#[must_use]
pub fn meant<'a>(scene: &Scene<'a>, id: &str) -> Option<&'a Incident> {
    let mut fitting = scene.incidents.iter().filter(|one| {
        one.status == IncidentStatus::Firing && one.severity > Severity::None && one.id.as_str().starts_with(id)
    });
    let first = fitting.next()?;
    fitting.next().is_none().then_some(first)
}

/// Which open incidents there are, for somebody who named none or a wrong one.
#[must_use]
pub fn which(scene: &Scene<'_>, why: &str) -> String {
    let mut page = scene.page();
    page.line(why);
    open_incidents(scene, &mut page);
    page.out
}
