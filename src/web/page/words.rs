//! How the page speaks to one reader: language, zone, dates as spans. PURE.

use std::path::Path;

use chrono::SecondsFormat;
use serde::Serialize;

use crate::domain::{Lang, Severity, State, Time, VerdictKind, Zone};
use crate::output::wording::{answered, is_command, localised, relative, shortened, spoken};

/// To whom the page speaks, and when.
#[derive(Clone, Copy)]
pub(in crate::web) struct Reader<'a> {
    pub lang: Lang,
    pub zone: Zone,
    pub now: Time,
    /// Shortened to `~`.
    pub home: &'a Path,
}

/// An instant, three ways.
#[derive(Clone, Debug, Serialize)]
pub(in crate::web) struct When {
    /// `in 3 d 4 h`
    pub relative: String,
    /// In the reader's zone.
    pub absolute: String,
    /// RFC 3339, UTC.
    pub machine: String,
    /// It lies behind us.
    pub past: bool,
}

/// What to do: a command can be copied, a sentence is read.
#[derive(Clone, Debug, Serialize)]
pub(in crate::web) struct Fix {
    pub text: String,
    pub command: bool,
}

impl Reader<'_> {
    /// A text of ours in the reader's language, with its instants in the reader's zone.
    pub fn say(&self, text: &str) -> String {
        let spoken = spoken(self.lang, text.to_owned());
        let local = |time: Time| self.zone.minute(time);
        shortened(&localised(&spoken, &local), Some(self.home))
    }

    pub fn all(&self, lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| self.say(line)).collect()
    }

    pub fn path(&self, path: &Path) -> String {
        shortened(&path.display().to_string(), Some(self.home))
    }

    pub fn when(&self, at: Time) -> When {
        When {
            relative: spoken(self.lang, relative(at, self.now)),
            absolute: at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M %Z").to_string(),
            machine: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            past: at < self.now,
        }
    }

    /// Nothing for no advice.
    pub fn fix(&self, text: &str) -> Option<Fix> {
        if text.trim().is_empty() {
            return None;
        }
        // A command stays whole: a shell does not know our abbreviations.
        let command = is_command(text);
        Some(Fix { text: if command { text.to_owned() } else { self.say(text) }, command })
    }

    pub fn state(&self, state: State) -> String {
        self.say(match state {
            State::Ok => "works",
            State::Static => "no known end",
            State::Expiring => "ends soon",
            State::Expired => "has ended",
            State::RefreshOverdue => "not renewed",
            State::Rejected => "is refused",
            State::Limited => "quota used up",
            State::Billing => "no credit",
            State::Forbidden => "is not allowed",
            State::Missing => "not there",
            State::Unreadable => "not readable",
            State::Retired => "service ended",
            State::Unknown => "not known",
        })
    }

    /// What came of asking its provider.
    pub fn verdict(&self, kind: VerdictKind) -> String {
        self.say(answered(kind))
    }

    pub fn severity(&self, severity: Severity) -> String {
        self.say(match severity {
            Severity::None => "no problem",
            Severity::Info => "note",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        })
    }
}

/// The language of a request: what was asked for, what was chosen before, what the browser prefers.
pub(in crate::web) fn language(asked: Option<&str>, chosen: Option<&str>, accepted: Option<&str>) -> Lang {
    asked
        .and_then(Lang::parse)
        .or_else(|| chosen.and_then(Lang::parse))
        .or_else(|| accepted.and_then(preferred))
        .unwrap_or_default()
}

/// The best of `Accept-Language` (RFC 9110 §12.5.4) among ours; equal weights in the order in which they stand.
fn preferred(header: &str) -> Option<Lang> {
    let mut best: Option<(f32, Lang)> = None;
    for range in header.split(',').take(32) {
        let mut parts = range.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let lang = if name == "*" { Some(Lang::English) } else { Lang::parse(name) };
        if let Some(lang) = lang.filter(|_| weight > 0.0 && best.is_none_or(|(other, _)| weight > other)) {
            best = Some((weight, lang));
        }
    }
    best.map(|(_, lang)| lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_a_request() {
        use Lang::{Chinese, English};
        for (asked, chosen, accepted, lang) in [
            (None, None, None, English),
            (None, None, Some("zh-CN,zh;q=0.9,en;q=0.8"), Chinese),
            (None, None, Some("en-US,en;q=0.9,zh;q=0.8"), English),
            (None, None, Some("de,zh;q=0.4,en;q=0.3"), Chinese),
            (None, None, Some("de, fr"), English),
            (None, None, Some("zh;q=0, *;q=0.1"), English),
            (None, Some("zh-CN"), Some("en"), Chinese),
            (Some("en"), Some("zh"), Some("zh"), English),
            (Some("xx"), None, Some("zh"), Chinese),
        ] {
            assert_eq!(language(asked, chosen, accepted), lang, "{asked:?} {chosen:?} {accepted:?}");
        }
    }
}
