//! What the pages for people have in common: the reader's language and zone, and which advice is a command.

use super::chinese;
pub use super::status::lines::{columns, hanging, padded, relative, shortened};
use crate::domain::{Lang, Time, VerdictKind};

/// What came of asking a provider, as it stands before how long ago that was.
#[must_use]
pub fn answered(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Billing => "no credit",
        VerdictKind::Throttled => "asked too often",
        VerdictKind::ProviderDown => "provider in trouble",
        VerdictKind::Network => "provider not reached",
        VerdictKind::Unverifiable => "not proved",
        conclusive => conclusive.word(),
    }
}

/// Programs that a fix may begin with.
const PROGRAMS: [&str; 43] = [
    "opensoul",
    "openclaw",
    "clawdbot",
    "moltbot",
    "systemctl",
    "sudo",
    "loginctl",
    "launchctl",
    "chmod",
    "chown",
    "mkdir",
    "mv",
    "rm",
    "cp",
    "export",
    "(umask",
    "claude",
    "codex",
    "gemini",
    "gh",
    "gcloud",
    "aws",
    "qwen",
    "vercel",
    "opencode",
    "kimi",
    "amp",
    "az",
    "cli-proxy-api",
    "cline",
    "crush",
    "cursor-agent",
    "databricks",
    "devin",
    "goose",
    "grok",
    "hermes",
    "hf",
    "kilo",
    "kiro-cli",
    "llm",
    "ollama",
    "q",
];

/// Before what we say on stderr.
const PROGRAM: &str = "opensoul: ";

/// A text of ours in the reader's language; one that is not ours stays as it is.
#[must_use]
pub fn spoken(lang: Lang, text: String) -> String {
    match lang {
        Lang::English => text,
        Lang::Chinese => chinese::translate(&text).unwrap_or(text),
    }
}

/// The same, line by line: the blanks before a line stay, and so does the name of this program before what it says.
#[must_use]
pub fn spoken_lines(lang: Lang, text: String) -> String {
    if lang == Lang::English {
        return text;
    }
    let line = |line: &str| {
        let from = line.len() - line.trim_start().len();
        let from = if line[from..].starts_with(PROGRAM) { from + PROGRAM.len() } else { from };
        format!("{}{}", &line[..from], spoken(lang, line[from..].to_owned()))
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// What joins two remarks about one thing, and what leads from a name to what is said of it.
#[must_use]
pub fn marks(lang: Lang) -> (&'static str, &'static str) {
    match lang {
        Lang::English => (", ", ": "),
        Lang::Chinese => ("，", "："),
    }
}

/// A command stays on one line, so that it can be copied whole; a sentence is wrapped.
#[must_use]
pub fn is_command(fix: &str) -> bool {
    // Variables may go before the program.
    let program = fix.split_whitespace().find(|word| !word.contains('='));
    program.is_some_and(|program| PROGRAMS.contains(&program))
}

/// Lines that are stored and travel have their instants in UTC; a reader gets them as `local` writes them.
#[must_use]
pub fn localised(text: &str, local: &dyn Fn(Time) -> String) -> String {
    const SHAPE: &str = "dddd-dd-dd dd:dd UTC";
    let fits = |part: &str| {
        part.chars().zip(SHAPE.chars()).all(|(c, shape)| if shape == 'd' { c.is_ascii_digit() } else { c == shape })
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(" UTC") {
        let end = at + " UTC".len();
        let start = end.checked_sub(SHAPE.len()).filter(|start| rest.is_char_boundary(*start));
        let instant = start.filter(|start| fits(&rest[*start..end])).and_then(|start| {
            let digits = format!("{}:00Z", rest[start..at].replace(' ', "T"));
            Some((start, digits.parse::<Time>().ok()?))
        });
        match instant {
            Some((start, time)) => {
                out.push_str(&rest[..start]);
                out.push_str(&local(time));
            }
            None => out.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_in_lines_are_the_readers() {
        let east = |time: Time| (time + crate::domain::Span::hours(8)).format("%Y-%m-%d %H:%M").to_string();
        for (text, want) in [
            (
                "it ended 2026-09-21 20:13 UTC, and 2026-01-01 00:00 UTC.",
                "it ended 2026-09-22 04:13, and 2026-01-01 08:00.",
            ),
            ("UTC is a zone; so is é UTC, 2026-99-01 00:00 UTC", "UTC is a zone; so is é UTC, 2026-99-01 00:00 UTC"),
            ("", ""),
        ] {
            assert_eq!(localised(text, &east), want);
        }
    }

    #[test]
    fn commands_and_sentences() {
        for command in
            ["claude auth login", "opensoul configure", "CLAUDE_CONFIG_DIR=x claude auth login", "chmod 600 /x"]
        {
            assert!(is_command(command), "{command}");
        }
        for sentence in
            ["correct the entry, or remove it", "Make a new key", "restore it from a backup", "set X, or write Y"]
        {
            assert!(!is_command(sentence), "{sentence}");
        }
    }
}
