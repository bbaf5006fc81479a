//! What `doctor` shows: the JSON contract (`opensoul.doctor/v1`) and the text for people.

use std::collections::BTreeMap;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::status::lines::{clean, columns, padded, wrap};
use super::wording::{is_command, localised, marks, spoken};
use crate::domain::{Finding, Lang, Repair, Severity, Time};

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
    /// Where the gateway has each of its keys from.
    pub keys: Keys,
    /// What `--fix` did before this look; `None` without it.
    pub repairs: Option<&'a [Repaired]>,
    /// The reader's language; the document has none.
    pub lang: Lang,
}

/// Where the gateway has each of its keys from, or would have if it were started now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// How sure that is.
    pub sight: Sight,
    /// By name.
    pub keys: Vec<Key>,
}

/// How sure it is where keys come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// The running gateway was looked at: what is not listed, it has not.
    Running,
    /// By the files of a gateway that does not run; who starts it may add more.
    Planned,
    /// Nothing but files could be seen: the gateway may have more.
    #[default]
    Blind,
}

impl Sight {
    fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Planned => "planned",
            Self::Blind => "blind",
        }
    }
}

/// One variable that holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Whose key it holds.
    pub provider: String,
    /// Where the gateway has it from; `None`: it has not.
    pub from: Option<KeyFrom>,
    /// Set, and to nothing.
    pub blank: bool,
    /// It is set in the shell of the person who asks.
    pub in_shell: bool,
}

/// Where a gateway has a variable from, strongest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFrom {
    /// The environment that it was started with.
    Process,
    /// A file of its service.
    Unit(String),
    /// `.env` in its state directory.
    Dotenv(String),
    /// `env` in its config.
    Config(String),
    /// The login shell (`env.shellEnv`).
    LoginShell,
}

impl KeyFrom {
    fn word(&self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Unit(_) => "unit",
            Self::Dotenv(_) => "dotenv",
            Self::Config(_) => "config",
            Self::LoginShell => "login-shell",
        }
    }

    fn place(&self) -> Option<&str> {
        match self {
            Self::Unit(place) | Self::Dotenv(place) | Self::Config(place) => Some(place),
            Self::Process | Self::LoginShell => None,
        }
    }

    fn text(&self, home: Option<&Path>) -> String {
        match self {
            Self::Process => "the environment that it was started with".to_owned(),
            Self::Unit(unit) => format!("its service {unit}"),
            Self::Dotenv(path) => shortened(path, home),
            Self::Config(path) => format!("env in {}", shortened(path, home)),
            Self::LoginShell => "the login shell (env.shellEnv)".to_owned(),
        }
    }
}

/// One repair and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The check that proposed it.
    pub id: String,
    /// What it was to do.
    pub repair: Repair,
    /// `Ok`: done, with the backup if there is one, or `None`: there was nothing to do any more. `Err`: why it was not done.
    pub outcome: Result<Option<Backup>, String>,
}

/// Where the old content is kept, if there was one to keep.
pub type Backup = Option<std::path::PathBuf>;

impl<'a> Report<'a> {
    /// The findings that count.
    pub fn shown(&self) -> impl Iterator<Item = &'a Finding> {
        let min = self.severity_min.max(Severity::Info);
        self.findings.iter().filter(move |f| f.severity >= min)
    }

    fn said(&self, text: impl Into<String>) -> String {
        spoken(self.lang, text.into())
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
    environment: EnvironmentEntry<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repairs: Option<Vec<RepairEntry<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentEntry<'a> {
    sight: &'static str,
    keys: Vec<KeyEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyEntry<'a> {
    name: &'a str,
    provider: &'a str,
    from: Option<&'static str>,
    place: Option<&'a str>,
    blank: bool,
    in_shell: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RepairEntry<'a> {
    id: &'a str,
    path: String,
    what: String,
    outcome: &'static str,
    backup: Option<String>,
    why: Option<&'a str>,
}

impl<'a> RepairEntry<'a> {
    fn of(repaired: &'a Repaired) -> Self {
        let (outcome, backup, why) = match &repaired.outcome {
            Ok(Some(backup)) => ("done", backup.as_ref().map(|path| path.display().to_string()), None),
            Ok(None) => ("unneeded", None, None),
            Err(why) => ("failed", None, Some(why.as_str())),
        };
        let path = repaired.repair.path().display().to_string();
        Self { id: &repaired.id, path, what: repaired.repair.to_string(), outcome, backup, why }
    }
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
    repair: Option<String>,
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
            fixable: finding.repair.is_some(),
            repair: finding.repair.as_ref().map(ToString::to_string),
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
        environment: EnvironmentEntry {
            sight: report.keys.sight.word(),
            keys: report.keys.keys.iter().map(key_entry).collect(),
        },
        repairs: report.repairs.map(|repairs| repairs.iter().map(RepairEntry::of).collect()),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn key_entry(key: &Key) -> KeyEntry<'_> {
    KeyEntry {
        name: &key.name,
        provider: &key.provider,
        from: key.from.as_ref().map(KeyFrom::word),
        place: key.from.as_ref().and_then(KeyFrom::place),
        blank: key.blank,
        in_shell: key.in_shell,
    }
}

/// The heading that a finding stands under, as people know them from the original's report. The ids decide.
fn section(id: &str) -> &'static str {
    match id.split_once('.').unwrap_or((id, "")) {
        (_, "open-bind" | "public-topic" | "archived-secrets" | "subscription-only") => "Security",
        (_, "permissions" | "config-permissions" | "state-permissions" | "owner") => "State integrity",
        ("credential" | "provider", _) => "Model auth",
        ("profile", "cooldown" | "disabled") => "Auth profile cooldowns",
        ("profile" | "order" | "login", _) => "Auth profiles",
        ("auth" | "env" | "dotenv", _) | ("gateway", "env-stale") => "Environment",
        ("state" | "store" | "sessions", _) => "State integrity",
        ("config", _) => "Config",
        (
            "gateway",
            "no-service"
            | "not-enabled"
            | "several-services"
            | "program-missing"
            | "no-linger"
            | "version-manager-node",
        ) => "Gateway service",
        ("gateway", _) => "Gateway",
        ("own" | "monitor" | "receiver" | "export" | "heartbeat", _) => "Monitor",
        ("network", _) => "Network",
        _ => "This machine",
    }
}

/// For people: grouped by headings, the one with the worst finding first. With styles; who writes it to something else than a terminal strips
/// them. `home` is shortened to `~`.
#[must_use]
pub fn text(report: &Report<'_>, width: usize, home: Option<&Path>, local: &dyn Fn(Time) -> String) -> String {
    let width = width.clamp(24, 120);
    let mut areas: Vec<(&str, Vec<&Finding>)> = Vec::new();
    for finding in report.shown() {
        let area = section(&finding.id);
        match areas.iter_mut().find(|(name, _)| *name == area) {
            Some((_, findings)) => findings.push(finding),
            None => areas.push((area, vec![finding])),
        }
    }
    let mut out = String::new();
    for (area, findings) in &areas {
        let bold = Style::new().bold();
        out.push_str(&format!("{bold}{}{bold:#}\n", report.said(*area)));
        for finding in findings {
            one(&mut out, report, finding, width, home, local);
        }
        out.push('\n');
    }
    keys(&mut out, report, width, home);
    wrap(&mut out, &summary(report), width, 0);
    out
}

/// Each key, and where the gateway has it from.
fn keys(out: &mut String, report: &Report<'_>, width: usize, home: Option<&Path>) {
    let all = &report.keys;
    if all.keys.is_empty() {
        return;
    }
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    out.push_str(&format!("{bold}{}{bold:#}\n", report.said("Keys of the gateway")));
    let column = all.keys.iter().map(|key| columns(&key.name)).max().unwrap_or(0).min(40);
    for key in &all.keys {
        let from = match &key.from {
            Some(from) if key.blank => format!("set to nothing by {}", from.text(home)),
            Some(from) => from.text(home),
            None if all.sight == Sight::Running => "it does not have it".to_owned(),
            None => "none of its files has it".to_owned(),
        };
        let shell = if key.from.is_none() && key.in_shell { "; this shell has" } else { "" };
        let from = report.said(format!("{from}{shell}"));
        out.push_str(&format!("  {}  {}\n", padded(&clean(&key.name), column), clean(&from)));
    }
    let how = match all.sight {
        Sight::Running => return out.push('\n'),
        Sight::Planned => "It does not run: this is what its files would give it.",
        Sight::Blind => "Only its files could be looked at: it may have more.",
    };
    let mut lines = String::new();
    wrap(&mut lines, &report.said(how), width, 2);
    for line in lines.lines() {
        out.push_str(&format!("{dim}{line}{dim:#}\n"));
    }
    out.push('\n');
}

fn one(
    out: &mut String,
    report: &Report<'_>,
    finding: &Finding,
    width: usize,
    home: Option<&Path>,
    local: &dyn Fn(Time) -> String,
) {
    let style = style_of(finding.severity);
    let leads = marks(report.lang).1;
    out.push_str(&format!("  {style}{}{style:#}  {}\n", report.said(finding.severity.word()), finding.id));
    let message = localised(&report.said(finding.message.as_str()), local);
    wrap(out, &shortened(&message, home), width, 4);
    let place = finding.place.to_string();
    if !place.is_empty() {
        let dim = Style::new().dimmed();
        out.push_str(&format!("    {dim}{}{dim:#}\n", clean(&shortened(&place, home))));
    }
    if is_command(&finding.fix) {
        let cyan = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
        out.push_str(&format!(
            "    {}{leads}{cyan}{}{cyan:#}\n",
            report.said("Run"),
            clean(&report.said(finding.fix.as_str()))
        ));
    } else {
        let fix = format!("{}{leads}{}", report.said("Fix"), report.said(finding.fix.as_str()));
        wrap(out, &fix, width, 4);
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
    let mut sentences = Vec::new();
    if shown == 0 {
        sentences.push(format!("Nothing wrong found on {}.", report.host));
    } else {
        let counts = counts.iter().rev().map(|(severity, n)| report.said(format!("{n} {severity}")));
        let counts = counts.collect::<Vec<_>>().join(marks(report.lang).0);
        sentences.push(format!("{} on {}: {counts}.", plural(shown, "finding"), report.host));
    }
    match report.shown().filter(|finding| finding.repair.is_some()).count() {
        0 => {}
        n => sentences.push(format!("{n} of them can be mended by: opensoul doctor --fix.")),
    }
    match report.findings.len() - shown {
        0 => {}
        n => sentences.push(format!("Not shown: {n} below {}.", report.severity_min)),
    }
    let mut areas: Vec<&str> = Vec::new();
    for area in report.checks.iter().filter_map(|id| id.split('.').next()) {
        if !areas.contains(&area) {
            areas.push(area);
        }
    }
    sentences.push(format!("{} looked at: {}.", plural(report.checks.len(), "check"), areas.join(", ")));
    let between = if report.lang == Lang::English { " " } else { "" };
    sentences.into_iter().map(|sentence| report.said(sentence)).collect::<Vec<_>>().join(between)
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
            keys: Keys::default(),
            repairs: None,
            lang: Lang::English,
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
    fn keys_and_repairs_are_shown() {
        let key =
            |name: &str, from, blank, in_shell| Key { name: name.into(), provider: "p".into(), from, blank, in_shell };
        let mut findings = findings();
        findings[1].repair = Some(Repair::Close { path: "/home/ann/.opensoul/x.json".into(), keep: 0o600 });
        let repairs = [
            Repaired {
                id: "a.b".into(),
                repair: Repair::MakeDirectory { path: "/d".into() },
                outcome: Ok(Some(Some("/d.bak".into()))),
            },
            Repaired {
                id: "a.b".into(),
                repair: Repair::MakeDirectory { path: "/e".into() },
                outcome: Err("no".into()),
            },
        ];
        let mut report = report(&findings);
        report.repairs = Some(&repairs);
        report.keys = Keys {
            sight: Sight::Planned,
            keys: vec![
                key("ANTHROPIC_API_KEY", Some(KeyFrom::Dotenv("/home/ann/.opensoul/.env".into())), false, true),
                key("GROQ_API_KEY", None, false, true),
                key("XAI_API_KEY", Some(KeyFrom::Unit("opensoul-gateway.service".into())), true, false),
            ],
        };
        insta::assert_snapshot!(
            "doctor_keys",
            anstream::adapter::strip_str(&text(&report, 80, Some(Path::new("/home/ann")), &utc)).to_string()
        );
        insta::assert_snapshot!("doctor_keys_json", json(&report).expect("JSON"));
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
