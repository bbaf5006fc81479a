//! What `doctor` shows: the JSON contract (`opensoul.doctor/v1`) and the text for people.

use std::collections::BTreeMap;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::status::lines::clean;
use super::wording::{is_command, localised};
use crate::domain::{Finding, Severity, Time};

/// Everything that either view needs.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// When it was looked at.
    pub taken_at: Time,
    /// This machine's name.
    pub host: &'a str,
    /// All findings of the checks below, worst first.
    pub findings: &'a [Finding],
    /// Ids of the checks that ran.
    pub checks: Vec<&'a str>,
    /// Findings below this are not shown.
    pub severity_min: Severity,
}

impl<'a> Report<'a> {
    /// The findings that count.
    pub fn shown(&self) -> impl Iterator<Item = &'a Finding> {
        let min = self.severity_min.max(Severity::Info);
        self.findings.iter().filter(move |f| f.severity >= min)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    taken_at: String,
    host: &'a str,
    findings: Vec<Entry<'a>>,
    checks: &'a [&'a str],
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    severity: &'static str,
    message: &'a str,
    path: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    key: Option<&'a str>,
    fix: &'a str,
    fixable: bool,
}

impl<'a> Entry<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            id: &finding.id,
            severity: finding.severity.word(),
            message: &finding.message,
            path: finding.place.path.as_ref().map(|p| p.display().to_string()),
            line: finding.place.line,
            column: finding.place.column,
            key: finding.place.key.as_deref(),
            fix: &finding.fix,
            // Nothing repairs by itself yet.
            fixable: false,
        }
    }
}

/// One JSON document with a line end. Nothing in it depends on the language or the terminal.
///
/// # Errors
/// Never for these types; the signature is that of the serialiser.
pub fn json(report: &Report<'_>) -> serde_json::Result<String> {
    let document = Document {
        schema: "opensoul.doctor/v1",
        taken_at: report.taken_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        host: report.host,
        findings: report.shown().map(Entry::of).collect(),
        checks: &report.checks,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// For people: grouped by area, the worst area first. With styles; who writes it to something else than a terminal strips
/// them. `home` is shortened to `~`.
#[must_use]
pub fn text(report: &Report<'_>, width: usize, home: Option<&Path>, local: &dyn Fn(Time) -> String) -> String {
    let width = width.clamp(24, 120);
    let mut areas: Vec<(&str, Vec<&Finding>)> = Vec::new();
    for finding in report.shown() {
        let area = finding.id.split('.').next().unwrap_or(&finding.id);
        match areas.iter_mut().find(|(name, _)| *name == area) {
            Some((_, findings)) => findings.push(finding),
            None => areas.push((area, vec![finding])),
        }
    }
    let mut out = String::new();
    for (area, findings) in &areas {
        let bold = Style::new().bold();
        out.push_str(&format!("{bold}{area}{bold:#}\n"));
        for finding in findings {
            one(&mut out, finding, width, home, local);
        }
        out.push('\n');
    }
    out.push_str(&wrapped(&summary(report), width, 0));
    out
}

fn one(out: &mut String, finding: &Finding, width: usize, home: Option<&Path>, local: &dyn Fn(Time) -> String) {
    let style = style_of(finding.severity);
    out.push_str(&format!("  {style}{}{style:#}  {}\n", finding.severity, finding.id));
    out.push_str(&wrapped(&clean(&shortened(&localised(&finding.message, local), home)), width, 4));
    let place = finding.place.to_string();
    if !place.is_empty() {
        let dim = Style::new().dimmed();
        out.push_str(&format!("    {dim}{}{dim:#}\n", clean(&shortened(&place, home))));
    }
    if is_command(&finding.fix) {
        let cyan = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
        out.push_str(&format!("    Run: {cyan}{}{cyan:#}\n", clean(&finding.fix)));
    } else {
        out.push_str(&wrapped(&format!("Fix: {}", clean(&finding.fix)), width, 4));
    }
}

fn style_of(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Critical => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info | Severity::None => AnsiColor::Blue,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

fn summary(report: &Report<'_>) -> String {
    let mut counts: BTreeMap<Severity, usize> = BTreeMap::new();
    for finding in report.shown() {
        *counts.entry(finding.severity).or_default() += 1;
    }
    let shown: usize = counts.values().sum();
    let hidden = report.findings.len() - shown;
    let below = match hidden {
        0 => String::new(),
        n => format!(" Not shown: {n} below {}.", report.severity_min),
    };
    let mut areas: Vec<&str> = report.checks.iter().filter_map(|id| id.split('.').next()).collect();
    areas.dedup();
    let mut once: Vec<&str> = Vec::new();
    for area in areas {
        if !once.contains(&area) {
            once.push(area);
        }
    }
    let checked = format!("{} looked at: {}.", plural(report.checks.len(), "check"), once.join(", "));
    if shown == 0 {
        return format!("Nothing wrong found on {}.{below} {checked}", report.host);
    }
    let counts: Vec<String> = counts.iter().rev().map(|(severity, n)| format!("{n} {severity}")).collect();
    format!("{} on {}: {}.{below} {checked}", plural(shown, "finding"), report.host, counts.join(", "))
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

fn shortened(text: &str, home: Option<&Path>) -> String {
    let home = home.map(|home| home.display().to_string()).filter(|home| home.len() > 1);
    match home.and_then(|home| text.strip_prefix(home.as_str()).map(str::to_owned)) {
        Some(rest) if rest.starts_with('/') => format!("~{rest}"),
        _ => text.to_owned(),
    }
}

/// Lines of at most `width` columns, each indented; a word that is longer stands alone.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let room = width.saturating_sub(indent).max(1);
    let mut out = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let size = word.chars().count();
        if length > 0 && length + 1 + size <= room {
            out.push(' ');
            length += 1 + size;
        } else {
            if length > 0 {
                out.push('\n');
            }
            out.push_str(&" ".repeat(indent));
            length = size;
        }
        out.push_str(word);
    }
    if length > 0 {
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Place;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::new(
                "gateway.down",
                Severity::Critical,
                "The gateway is down: process 42 (opensoul-gateway.service) runs, and nothing answers on port 18789.",
                "systemctl --user restart opensoul-gateway.service",
            )
            .at(Place::file("/home/ann/.config/systemd/user/opensoul-gateway.service")),
            Finding::new(
                "store.damaged",
                Severity::Warning,
                "One profile is damaged.",
                "Write it anew. Then look again.",
            )
            .at(Place::file("/home/ann/.opensoul/x.json").at(3, 7).key("profiles.a")),
            Finding::new("gateway.no-linger", Severity::Info, "It stops at logout.", "loginctl enable-linger"),
        ]
    }

    fn report(findings: &[Finding]) -> Report<'_> {
        Report {
            taken_at: "2026-11-20T12:00:00Z".parse().expect("a date"),
            host: "here",
            findings,
            checks: vec!["gateway.down", "gateway.no-linger", "store.damaged"],
            severity_min: Severity::Info,
        }
    }

    fn utc(time: Time) -> String {
        time.format("%Y-%m-%d %H:%M UTC").to_string()
    }

    #[test]
    fn as_text() {
        let findings = findings();
        insta::assert_snapshot!(
            "doctor_80",
            anstream::adapter::strip_str(&text(&report(&findings), 80, Some(Path::new("/home/ann")), &utc)).to_string()
        );
        insta::assert_snapshot!(
            "doctor_40",
            anstream::adapter::strip_str(&text(&report(&findings), 40, None, &utc)).to_string()
        );
    }

    #[test]
    fn as_json() {
        let findings = findings();
        insta::assert_snapshot!("doctor_json", json(&report(&findings)).expect("JSON"));
    }

    #[test]
    fn prose_keeps_to_the_width() {
        let findings = findings();
        let text =
            anstream::adapter::strip_str(&text(&report(&findings), 40, Some(Path::new("/home/ann")), &utc)).to_string();
        let long =
            text.lines().filter(|line| !line.contains("Run: ") && !line.contains('/') && line.chars().count() > 40);
        assert_eq!(long.collect::<Vec<_>>(), [] as [&str; 0]);
    }

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        let bad = "a\u{1b}]0;x\u{7}b\u{9b}31m\rc";
        let findings = [Finding::new("a.b", Severity::Info, bad, bad).at(Place::file(bad).key(bad))];
        let text = anstream::adapter::strip_str(&text(&report(&findings), 80, None, &utc)).to_string();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.contains("a?]0;x?b?31m c"), "{text:?}");
    }

    #[test]
    fn all_is_well_says_what_was_checked() {
        let text = text(&report(&[]), 80, None, &utc);
        assert_eq!(text, "Nothing wrong found on here. 3 checks looked at: gateway, store.\n");
        let findings = findings();
        let mut report = report(&findings);
        report.severity_min = Severity::Critical;
        let text = anstream::adapter::strip_str(&super::text(&report, 200, None, &utc)).to_string();
        assert!(
            text.ends_with(
                "1 finding on here: 1 critical. Not shown: 2 below critical. 3 checks looked at: gateway, store.\n"
            ),
            "{text}"
        );
        report.findings = &findings[2..];
        assert!(
            super::text(&report, 80, None, &utc)
                .starts_with("Nothing wrong found on here. Not shown: 1 below critical.")
        );
    }
}
