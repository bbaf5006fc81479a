//! `models status` for people: what is used, what ends when, what is wrong and what to do. Soonest end first.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use super::{ModelsStatus, ProfileHealth, Provider, Unusable, short};
use crate::domain::{Lang, State, Time};
use crate::engine::check::{STORE_UNPARSABLE, STORE_UNREADABLE};
use crate::output::remaining::remaining;
use crate::output::status::lines::{padded, parts};
use crate::output::wording::{columns, is_command, localised, marks, spoken};

/// How wide, and how an instant is written in the reader's zone.
pub struct Page<'a> {
    /// Columns.
    pub width: usize,
    /// Now.
    pub now: Time,
    /// An instant, local.
    pub local: &'a dyn Fn(Time) -> String,
    /// Where was looked, if nothing at all was found.
    pub looked: &'a [String],
    /// Home directory, shown as `~`.
    pub home: &'a Path,
    /// The reader's language.
    pub lang: Lang,
}

impl Page<'_> {
    fn said(&self, text: impl Into<String>) -> String {
        spoken(self.lang, text.into())
    }

    /// A text after what it is about, such as `fix: `.
    fn led(&self, lead: &str) -> String {
        format!("{}{}", self.said(lead), marks(self.lang).1)
    }
}

/// The whole page.
#[must_use]
pub fn render(status: &ModelsStatus<'_>, page: &Page<'_>) -> String {
    let mut out = String::new();
    head(&mut out, status, page);
    if status.auth.providers.is_empty() && status.auth.oauth.profiles.is_empty() {
        let lost = |id: &str| [STORE_UNREADABLE, STORE_UNPARSABLE].contains(&id);
        if status.findings.iter().any(|f| lost(&f.id)) {
            title(&mut out, "Credentials", page);
            let lost = page.said("not known: the store cannot be used (see Problems)");
            wrapped(&mut out, "  x  ", &lost, page.width);
        } else {
            nothing(&mut out, page);
        }
    }
    credentials(&mut out, status, page);
    providers(&mut out, status, page);
    missing(&mut out, status, page);
    problems(&mut out, status, page);
    probes(&mut out, status, page);
    out
}

fn head(out: &mut String, status: &ModelsStatus<'_>, page: &Page<'_>) {
    let default = if status.default_model == status.resolved_default {
        status.resolved_default.clone()
    } else {
        page.said(format!("{} (from {})", status.resolved_default, status.default_model))
    };
    field(out, "Default", &default, page);
    list(out, "Fallbacks", &status.fallbacks, page);
    if let Some(image) = &status.image_model {
        field(out, "Image model", image, page);
    }
    list(out, "Image fallb.", &status.image_fallbacks, page);
    let aliases: Vec<String> = status.aliases.0.iter().map(|(alias, key)| format!("{alias} → {key}")).collect();
    list(out, "Aliases", &aliases, page);
    if let Some(agent) = &status.agent_id {
        field(out, "Agent", agent, page);
    }
    field(out, "Store", &short(Path::new(&status.auth.store_path), page.home), page);
    field(out, "Config", &short(Path::new(&status.config_path), page.home), page);
    let shell = &status.auth.shell_env_fallback;
    if shell.enabled {
        let keys = shell.applied_keys.join(", ");
        let text = if keys.is_empty() { "asked; nothing taken".to_owned() } else { format!("gave {keys}") };
        field(out, "Login shell", &page.said(text), page);
    }
}

fn nothing(out: &mut String, page: &Page<'_>) {
    title(out, "No credentials found", page);
    wrapped(out, &format!("  {} ", page.said("looked in")), &page.looked.join(marks(page.lang).0), page.width);
    let advice = page.said(
        "On the machine with Claude Code run: claude setup-token. Then, here: opensoul models auth setup-token --provider anthropic. \
         Or set a provider's key, such as ANTHROPIC_API_KEY, where the gateway starts.",
    );
    wrapped(out, "  ", &advice, page.width);
}

fn mark(state: Option<State>) -> &'static str {
    match state {
        Some(State::Ok | State::Static) => "ok",
        Some(State::Expiring | State::Limited | State::RefreshOverdue | State::Unknown) | None => "! ",
        Some(_) => "x ",
    }
}

fn credentials(out: &mut String, status: &ModelsStatus<'_>, page: &Page<'_>) {
    let mut profiles: Vec<&ProfileHealth<'_>> = status.auth.oauth.profiles.iter().map(AsRef::as_ref).collect();
    if profiles.is_empty() {
        return;
    }
    title(out, "Credentials", page);
    profiles.sort_by_key(|p| (p.ends.is_none(), p.ends));
    let mut aside: HashMap<&str, &Unusable> =
        status.auth.unusable_profiles.iter().map(|u| (u.profile_id.as_str(), u)).collect();
    for profile in profiles {
        let joins = marks(page.lang).0;
        let state = page.said(profile.state.map_or("unknown", State::word));
        let mut line = format!("{} {state}", page.said(profile.r#type));
        if let Some(at) = profile.ends {
            let ends = page.said(format!("{} ({})", relative(at, page.now), (page.local)(at)));
            let _ = write!(line, "{joins}{ends}");
        }
        let set_aside = aside.remove(profile.profile_id);
        if let Some(aside) = set_aside {
            let _ = write!(line, "{joins}{}", page.said(against(aside)));
        }
        let fine = matches!(profile.state, Some(State::Ok | State::Static));
        let mark = if fine && set_aside.is_some() { "! " } else { mark(profile.state) };
        entry(out, mark, &profile.label, &line, page);
        if !fine {
            // The line has said when it ends.
            let said = |line: &&String| line.starts_with("it ends ") || line.starts_with("it ended ");
            for reason in profile.why.iter().filter(|line| !(profile.ends.is_some() && said(line))) {
                wrapped(out, "     ", &localised(&page.said(reason.as_str()), page.local), page.width);
            }
            if let Some(fix) = &profile.remedy {
                advice(out, fix, page);
            }
        }
    }
    for gone in status.auth.unusable_profiles.iter().filter(|u| aside.contains_key(u.profile_id.as_str())) {
        entry(out, "! ", &gone.profile_id, &page.said(format!("not stored any more; {}", against(gone))), page);
    }
}

/// What the gateway has against a profile, and for how long.
fn against(aside: &Unusable) -> String {
    let reason = aside.reason.as_deref().filter(|_| aside.kind == "disabled").map(|r| format!(" ({r})"));
    format!("{}{} for {}", aside.kind, reason.unwrap_or_default(), remaining(Some(aside.remaining_ms.0)))
}

fn providers(out: &mut String, status: &ModelsStatus<'_>, page: &Page<'_>) {
    if status.auth.providers.is_empty() {
        return;
    }
    title(out, "Providers", page);
    for provider in &status.auth.providers {
        let mut text = page.said(provider.selection.state.map_or("unknown", State::word));
        if provider.selection.in_use {
            text = format!("{text}{}{}", marks(page.lang).0, page.said("in use"));
        }
        entry(out, mark(provider.selection.state), &provider.provider, &text, page);
        wrapped(out, "     ", &uses(provider, page), page.width);
    }
}

fn uses(provider: &Provider<'_>, page: &Page<'_>) -> String {
    let why = page.said(provider.selection.why.as_str());
    let leads = marks(page.lang).1;
    match &provider.selection.chosen {
        None => format!("{}{leads}{why}", page.said("would use nothing")),
        Some(chosen) => {
            let what = chosen.profile_id.as_deref().or(chosen.source.as_deref()).unwrap_or(chosen.kind);
            let next: Vec<&str> =
                provider.selection.order.iter().filter(|id| chosen.profile_id.as_deref() != Some(id)).collect();
            let then = match next.len() {
                0 => String::new(),
                1..=3 => page.said(format!("; then {}", next.join(", "))),
                n => page.said(format!("; then {} and {} more", next[..2].join(", "), n - 2)),
            };
            format!("{} {what}{leads}{why}{then}", page.said("would use"))
        }
    }
}

fn missing(out: &mut String, status: &ModelsStatus<'_>, page: &Page<'_>) {
    if status.auth.missing_providers_in_use.is_empty() {
        return;
    }
    title(out, "Missing", page);
    for provider in &status.auth.missing_providers_in_use {
        entry(out, "x ", provider, &page.said("a configured model needs it, and there is no credential"), page);
        let fix = if provider == "anthropic" {
            "run claude setup-token, then opensoul models auth setup-token; or opensoul configure".to_owned()
        } else {
            let names = crate::formats::provider_env::gateway_names(provider);
            match names.last() {
                Some(name) => format!("run opensoul configure, or set {name}"),
                None => "run opensoul configure".to_owned(),
            }
        };
        wrapped(out, &format!("     {}", page.led("fix")), &page.said(fix), page.width);
    }
}

fn problems(out: &mut String, status: &ModelsStatus<'_>, page: &Page<'_>) {
    if status.findings.is_empty() {
        return;
    }
    title(out, "Problems", page);
    for finding in &status.findings {
        let mark = if finding.severity == "critical" { "x" } else { "!" };
        let place = match (&finding.path, finding.line, finding.column) {
            (Some(path), Some(line), Some(column)) => format!("{path}:{line}:{column}: "),
            (Some(path), _, _) => format!("{path}: "),
            _ => String::new(),
        };
        wrapped(out, &format!("  {mark}  "), &format!("{place}{}", page.said(finding.message.as_str())), page.width);
        advice(out, &finding.fix, page);
    }
}

fn probes(out: &mut String, status: &ModelsStatus<'_>, page: &Page<'_>) {
    let Some(probes) = &status.auth.probes else { return };
    title(out, "Probes", page);
    if probes.results.is_empty() {
        wrapped(out, "     ", &page.said("no target"), page.width);
    }
    for probed in &probes.results {
        let said = page.said(probed.error.as_deref().unwrap_or("no answer"));
        let text = format!("{}{said}", page.led(probed.status));
        entry(out, "! ", &format!("{} {}", probed.provider, probed.label), &text, page);
    }
}

/// A command stays on one line, so that it can be copied whole.
fn advice(out: &mut String, fix: &str, page: &Page<'_>) {
    if is_command(fix) {
        let _ = writeln!(out, "     {}{}", page.led("run"), page.said(fix));
    } else {
        wrapped(out, &format!("     {}", page.led("fix")), &page.said(fix), page.width);
    }
}

/// `in 3d`, `2h ago`.
fn relative(at: Time, now: Time) -> String {
    let left = at - now;
    #[expect(clippy::cast_precision_loss, reason = "spans of years are exact")]
    let ms = left.num_milliseconds() as f64;
    if ms >= 0.0 { format!("in {}", remaining(Some(ms))) } else { format!("{} ago", remaining(Some(-ms))) }
}

fn field(out: &mut String, label: &str, value: &str, page: &Page<'_>) {
    wrapped(out, &padded(&page.said(label), 13), value, page.width);
}

fn title(out: &mut String, text: &str, page: &Page<'_>) {
    let _ = writeln!(out, "\n{}", page.said(text));
}

fn list(out: &mut String, label: &str, items: &[String], page: &Page<'_>) {
    if !items.is_empty() {
        field(out, label, &items.join(", "), page);
    }
}

/// A line of a table on a wide page, two lines on a narrow one.
fn entry(out: &mut String, mark: &str, name: &str, text: &str, page: &Page<'_>) {
    let long = columns(name) > 34 || 5 + 35 + columns(text) > page.width;
    if page.width < 60 || long {
        wrapped(out, &format!("  {mark} "), name, page.width);
        wrapped(out, "     ", text, page.width);
    } else if text.is_empty() || text.contains(char::is_control) {
        wrapped(out, &format!("  {mark} {} ", padded(name, 34)), text, page.width);
    } else {
        // It fits: nothing has to be broken, of ten thousand lines.
        let _ = writeln!(out, "  {mark} {} {text}", padded(name, 34));
    }
}

/// True for words of plain characters with single blanks between them: almost every text.
fn is_one_line(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
        && bytes.first().is_some_and(|first| *first != b' ')
        && bytes.last() != Some(&b' ')
        && bytes.windows(2).all(|pair| pair != b"  ")
}

/// Text after a lead, broken at blanks, later lines indented under the first; a word longer than the line is left whole so
/// that it can be copied.
fn wrapped(out: &mut String, lead: &str, text: &str, width: usize) {
    let indent = columns(lead).min(width / 3);
    let room = width.max(20);
    let mut column = columns(lead);
    let mut fresh = true;
    out.push_str(lead);
    if column + text.len() <= room && is_one_line(text) {
        out.push_str(text);
        out.push('\n');
        return;
    }
    for word in text.split_whitespace() {
        for (at, part) in parts(word).into_iter().enumerate() {
            let blank = usize::from(at == 0);
            if !fresh && column + blank + columns(part) > room {
                let _ = write!(out, "\n{:indent$}", "");
                column = indent;
                fresh = true;
            }
            if !fresh && blank > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(part);
            column += columns(part);
            fresh = false;
        }
    }
    while out.ends_with(' ') {
        out.pop();
    }
    out.push('\n');
}
