//! For people, at any width from 24 columns on: the provider that needs somebody most comes first, then the soonest expiry;
//! within it the same. What is fine takes one line, what is not says why and what to run.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::domain::Zone;
use anstyle::{AnsiColor, Style};

use super::lines::{clean, columns, relative, shortened, wrap};
use super::{Incidents, Overall, Report};
use crate::cores;
use crate::domain::{
    Assessed, BenchKind, GatewayState, IncidentStatus, Lang, ProviderSummary, Renewal, Severity, Snapshot, Span, State,
    Time, VerdictKind,
};
use crate::engine::runway;
use crate::output::wording::{answered, is_command, localised, marks, spoken};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Columns of the terminal.
    pub width: usize,
    /// The reader's zone.
    pub zone: Zone,
    /// Shortened to `~`.
    pub home: Option<&'a Path>,
    /// The reader's language.
    pub lang: Lang,
}

/// From this width on a credential is one row; below, its state gets a line of its own.
const TABLE: usize = 72;

/// The report. With styles; who writes it to something else than a terminal strips them.
#[must_use]
pub fn text(report: &Report<'_>, incidents: Incidents<'_>, options: &Options<'_>) -> String {
    let options = Options { width: options.width.clamp(24, 120), ..*options };
    let snapshot = report.snapshot;
    let page = Page { report, snapshot, options };
    let mut out = String::new();
    page.head(&mut out);
    if snapshot.credentials.is_empty() {
        page.nothing(&mut out);
    }
    page.providers(&mut out);
    page.findings(&mut out);
    page.foot(&mut out, incidents);
    out
}

struct Page<'a> {
    report: &'a Report<'a>,
    snapshot: &'a Snapshot,
    options: Options<'a>,
}

impl Page<'_> {
    fn absolute(&self, time: Time) -> String {
        self.options.zone.minute(time)
    }

    /// A line in the reader's language.
    fn said<'l>(&self, line: impl Into<Cow<'l, str>>) -> Cow<'l, str> {
        match self.options.lang {
            Lang::English => line.into(),
            lang => spoken(lang, line.into().into_owned()).into(),
        }
    }

    /// The same, with paths and instants as the reader writes them.
    fn read(&self, line: &str) -> String {
        localised(&shortened(&self.said(line), self.options.home), &|time| self.absolute(time))
    }

    fn head(&self, out: &mut String) {
        let (word, style) = match self.report.overall {
            Overall::Ok => ("OK", colour(AnsiColor::Green)),
            Overall::Unknown => ("UNKNOWN", colour(AnsiColor::Magenta)),
            Overall::Warning => ("WARNING", colour(AnsiColor::Yellow)),
            Overall::Critical => ("CRITICAL", colour(AnsiColor::Red)),
        };
        let now = self.snapshot.taken_at.with_timezone(&self.options.zone).format("%Y-%m-%d %H:%M %Z");
        out.push_str(&format!("{style}{}{style:#}  {}  {now}\n", self.said(word), clean(&self.snapshot.host)));
        let found = !self.snapshot.providers.is_empty();
        for reason in self.report.check.reasons.iter().filter(|_| found) {
            wrap(out, &self.read(reason), self.options.width, 2);
        }
        if let Some(problem) = &self.snapshot.clock_problem {
            wrap(out, &self.said(format!("No date can be judged: {problem}.")), self.options.width, 2);
        }
        out.push('\n');
    }

    fn nothing(&self, out: &mut String) {
        let width = self.options.width;
        wrap(out, &self.said("No credentials found. Looked at:"), width, 0);
        // Some sources read the same file: an old gateway imports the logins of tools.
        let mut named = BTreeSet::new();
        let places = self.snapshot.sources.iter().flat_map(|report| &report.looked);
        for place in places.filter(|place| named.insert(*place)) {
            wrap(out, &shortened(&place.display().to_string(), self.options.home), width, 2);
        }
        wrap(out, &self.said("and at the known variables of the environment, where that is a source."), width, 2);
        wrap(out, &self.said("To have one, log in with a tool, or for the gateway run:"), width, 0);
        out.push_str("  claude setup-token\n  opensoul models auth setup-token --provider anthropic\n\n");
    }

    fn providers(&self, out: &mut String) {
        let mut by_provider: BTreeMap<&str, Vec<&Assessed>> = BTreeMap::new();
        for assessed in &self.snapshot.credentials {
            by_provider.entry(&assessed.credential.provider).or_default().push(assessed);
        }
        let mut sections: Vec<(&ProviderSummary, Vec<&Assessed>)> = self
            .snapshot
            .providers
            .iter()
            .map(|summary| (summary, by_provider.remove(summary.provider.as_str()).unwrap_or_default()))
            .collect();
        for (_, members) in &mut sections {
            // Stable: a snapshot has them by date and id already.
            members.sort_by_key(|a| Reverse(a.judgement.severity));
        }
        sections.sort_by_key(|(summary, members)| {
            let missing = summary.in_use && !summary.state.is_usable();
            let worst = members.first().map(|a| (Reverse(a.judgement.severity), urgency(a)));
            (!missing, worst.is_none(), worst, !summary.in_use, summary.provider.as_str())
        });
        let longest = self.snapshot.credentials.iter().map(|a| columns(a.credential.id.as_str())).max().unwrap_or(0);
        let column = longest.min(self.options.width.saturating_sub(46));
        let rows = |members: &[&Assessed]| {
            let mut out = String::with_capacity(members.len() * 128);
            for assessed in members {
                self.credential(&mut out, assessed, column);
            }
            out
        };
        for (summary, members) in sections {
            self.provider(out, summary);
            out.extend(cores::for_shares(cores::THINKING, &members, rows));
            out.push('\n');
        }
    }

    fn provider(&self, out: &mut String, summary: &ProviderSummary) {
        let bold = Style::new().bold();
        let count = match (summary.in_use, summary.total) {
            (true, 0) => "in use, no credential".to_owned(),
            (true, total) => format!("in use, {} of {total} usable", summary.usable),
            (false, total) => format!("not in use, {} of {total} usable", summary.usable),
        };
        let (name, count) = (clean(&summary.provider), self.said(count));
        let apart = if columns(&name) + 2 + columns(&count) <= self.options.width { "  " } else { "\n  " };
        out.push_str(&format!("{bold}{name}{bold:#}{apart}{count}\n"));
    }

    fn credential(&self, out: &mut String, assessed: &Assessed, column: usize) {
        let judgement = &assessed.judgement;
        let id = clean(assessed.credential.id.as_str());
        let quiet = assessed.copy_of.is_some() || (!judgement.in_use && judgement.severity <= Severity::Info);
        let style = if quiet { Style::new().dimmed() } else { state_style(judgement.state, judgement.severity) };
        let when = self.when(assessed);
        let word = self.said(judgement.state.word());
        let size = columns(&id);
        let fits =
            if self.options.width >= TABLE && size <= column && column + 20 + columns(&when) <= self.options.width {
                let pad = if when.is_empty() { 0 } else { 16usize.saturating_sub(columns(&word)) };
                let gap = column - size;
                writeln!(out, "  {id}{:gap$}  {style}{word}{style:#}{:pad$}{when}", "", "")
            } else if self.options.width >= 6 + columns(&word) + columns(&when) {
                let apart = if when.is_empty() { "" } else { "  " };
                writeln!(out, "  {id}\n    {style}{word}{style:#}{apart}{when}")
            } else {
                let written = writeln!(out, "  {id}\n    {style}{word}{style:#}");
                wrap(out, &when, self.options.width, 4);
                written
            };
        fits.expect("a text takes whatever is written");
        if let Some((_, line)) = runway::alarm(assessed, self.snapshot, self.snapshot.taken_at) {
            wrap(out, &self.read(&line), self.options.width, 4);
            self.fix(out, &runway::top_up(&assessed.credential.provider));
        }
        if assessed.copy_of.is_some() || judgement.severity == Severity::None {
            return;
        }
        // The row has said when it ends and that it is unused.
        let said = |line: &&String| {
            let ends = line.starts_with("it ends ") || line.starts_with("it ended ");
            (ends && judgement.expires.is_some()) || *line == "nothing uses it"
        };
        for line in judgement.because.iter().filter(|line| !said(line)) {
            wrap(out, &self.read(line), self.options.width, 4);
        }
        if let Some(fix) = judgement.fix.as_deref().filter(|_| judgement.severity > Severity::Info) {
            self.fix(out, fix);
        }
    }

    /// A sentence is wrapped; a command stays on one line, so that it can be copied whole.
    fn fix(&self, out: &mut String, fix: &str) {
        let fix = shortened(fix, self.options.home);
        let fix = clean(&fix);
        let leads = marks(self.options.lang).1;
        if !is_command(&fix) {
            let text = format!("{}{leads}{}", self.said("Fix"), self.read(&fix));
            wrap(out, &text, self.options.width, 4);
        } else {
            let cyan = colour(AnsiColor::Cyan);
            // Some have a remark of ours behind them.
            let fix = self.said(fix.as_ref());
            out.push_str(&format!("    {}{leads}{cyan}{fix}{cyan:#}\n", self.said("Run")));
        }
    }

    fn when(&self, assessed: &Assessed) -> Cow<'_, str> {
        let (judgement, credential) = (&assessed.judgement, &assessed.credential);
        let now = self.snapshot.taken_at;
        let bench = credential.bench.as_ref().filter(|bench| bench.until > now);
        let joins = marks(self.options.lang).0;
        let mut text = match (judgement.expires, credential.renewal) {
            (Some(end), _) => self.said(format!("{} ({})", relative(end, now), self.absolute(end))),
            (None, Renewal::Auto) if judgement.state == State::Ok => self.said("renews itself"),
            (None, _) if matches!(judgement.state, State::Static) => self.said("no expiry known"),
            _ => "".into(),
        };
        if let Some(bench) = bench {
            let reason = bench.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let kind = match bench.kind {
                BenchKind::Cooldown => "resting",
                BenchKind::Disabled => "disabled",
            };
            text = self.said(format!("{kind}{} until {}", clean(&reason), self.absolute(bench.until)));
        }
        if let Some(proof) = self.proof(assessed) {
            text = if text.is_empty() { proof } else { [&text, joins, &proof].concat().into() };
        }
        if let Some(original) = &assessed.copy_of {
            text = self.said(["copy of ", &clean(original.as_str())].concat());
        } else if !judgement.in_use {
            let unused = self.said("unused");
            text = if text.is_empty() { unused } else { [&text, joins, &unused].concat().into() };
        }
        text
    }

    /// How old the provider's yes is, and what is left, or why there is none; what is wrong has lines of its own.
    fn proof(&self, assessed: &Assessed) -> Option<Cow<'_, str>> {
        let verdict = assessed.verdict.as_ref()?;
        let word = answered(verdict.kind);
        match verdict.kind {
            VerdictKind::Unverifiable => return Some(self.said(word)),
            VerdictKind::Accepted => {}
            kind if kind.is_conclusive() => return None,
            _ => {}
        }
        let now = self.snapshot.taken_at;
        let age = if now - verdict.at < Span::minutes(1) { "now".to_owned() } else { relative(verdict.at, now) };
        let left = assessed
            .allowance
            .as_ref()
            .and_then(|allowance| allowance.balance.as_ref())
            .map(|balance| clean(&format!("{}{balance}", marks(self.options.lang).0)).into_owned());
        let said = self.said(format!("{word} {age}"));
        Some(match left {
            Some(left) => [&said, left.as_str()].concat().into(),
            None => said,
        })
    }

    fn findings(&self, out: &mut String) {
        let told = |severity: Severity| severity >= Severity::Warning;
        for finding in self.snapshot.findings.iter().filter(|finding| told(finding.severity)) {
            let style = state_style(State::Unknown, finding.severity);
            let severity = self.said(finding.severity.word());
            out.push_str(&format!("{style}{severity}{style:#}  {}\n", clean(&finding.id)));
            wrap(out, &self.read(&finding.message), self.options.width, 4);
            let place = shortened(&finding.place.to_string(), self.options.home);
            if !place.is_empty() {
                out.push_str(&format!("    {}\n", clean(&place)));
            }
            self.fix(out, &finding.fix);
            out.push('\n');
        }
    }

    fn foot(&self, out: &mut String, incidents: Incidents<'_>) {
        let width = self.options.width;
        let gateway = &self.snapshot.gateway;
        if gateway.state != GatewayState::Absent {
            let line = format!("Gateway {}: {}", gateway.state.word(), gateway.detail);
            wrap(out, &self.said(line), width, 0);
        }
        let firing = || incidents.all.iter().filter(|incident| incident.status == IncidentStatus::Firing);
        if firing().next().is_some() {
            let quiet = firing().filter(|one| incidents.withheld.contains_key(&one.id)).count();
            let quiet =
                if quiet > 0 { format!(", {quiet} of them held back (opensoul alerts list)") } else { String::new() };
            wrap(out, &self.said(format!("Alerts firing: {}{quiet}", firing().count())), width, 0);
        }
        let notes = self.snapshot.findings.iter().filter(|finding| finding.severity == Severity::Info).count();
        if notes > 0 {
            let remarks = if notes == 1 { "remark" } else { "remarks" };
            wrap(out, &self.said(format!("{notes} more {remarks}: opensoul doctor")), width, 0);
        }
    }
}

/// Sorts by date; what has none comes last.
fn urgency(assessed: &Assessed) -> (bool, Option<Time>) {
    (assessed.judgement.expires.is_none(), assessed.judgement.expires)
}

fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(colour.into())).bold()
}

fn state_style(state: State, severity: Severity) -> Style {
    match (severity, state) {
        (Severity::Critical, _) => colour(AnsiColor::Red),
        (Severity::Warning, _) => colour(AnsiColor::Yellow),
        (Severity::Info, _) => Style::new().fg_color(Some(AnsiColor::Blue.into())),
        (Severity::None, State::Ok | State::Static) => Style::new().fg_color(Some(AnsiColor::Green.into())),
        (Severity::None, _) => Style::new().fg_color(Some(AnsiColor::Magenta.into())),
    }
}
