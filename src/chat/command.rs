//! What a line means. Pure.

use crate::config::values;
use crate::domain::{Action, Matcher, Span, Time};
use crate::engine::silences;

/// Longest time for which something is put aside from afar: whoever has got hold of a phone must not silence a machine for a
/// year. The command line on the machine itself allows more.
pub const LONGEST: Span = Span::days(7);

/// As far ahead `/expiring` looks if nothing is said.
const AHEAD: Span = Span::days(30);

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `/help`, `/start`
    Help,
    /// `/status`
    Status,
    /// `/doctor`
    Doctor,
    /// `/expiring [SPAN]`
    Expiring(Span),
    /// One that changes something.
    Write(Write),
}

/// What somebody wants to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// `/ack ID [SPAN] [WORDS]`
    Ack {
        /// Which incident, or the beginning of its id.
        incident: String,
        /// For how long.
        lasts: Span,
        /// A remark.
        comment: Option<String>,
    },
    /// `/unack ID`
    Unack {
        /// Which incident.
        incident: String,
    },
    /// `/snooze ID SPAN [WORDS]`
    Snooze {
        /// Which incident.
        incident: String,
        /// For how long.
        lasts: Span,
        /// A remark.
        comment: Option<String>,
    },
    /// `/silence MATCHER… SPAN [WORDS]`
    Silence {
        /// All must fit.
        matchers: Vec<Matcher>,
        /// For how long.
        lasts: Span,
        /// Why.
        comment: Option<String>,
    },
    /// `/unsilence ID`
    Unsilence {
        /// Which.
        silence: String,
    },
}

impl Write {
    /// The action, from now on.
    #[must_use]
    pub fn action(&self, now: Time) -> Action {
        match self.clone() {
            Self::Ack { incident, lasts, comment } => {
                Action::Ack { incident, until: Some(now + lasts), snooze: false, comment }
            }
            Self::Unack { incident } => Action::Unack { incident },
            Self::Snooze { incident, lasts, comment } => {
                Action::Ack { incident, until: Some(now + lasts), snooze: true, comment }
            }
            Self::Silence { matchers, lasts, comment } => Action::Silence {
                matchers,
                starts_at: now,
                ends_at: now + lasts,
                comment: comment.unwrap_or_else(|| "from a chat".to_owned()),
            },
            Self::Unsilence { silence } => Action::Unsilence { silence },
        }
    }

    /// The incident it is about, as it was written.
    #[must_use]
    pub fn incident(&self) -> Option<&str> {
        match self {
            Self::Ack { incident, .. } | Self::Unack { incident } | Self::Snooze { incident, .. } => Some(incident),
            Self::Silence { .. } | Self::Unsilence { .. } => None,
        }
    }

    /// As a line that means the same.
    #[must_use]
    pub fn line(&self) -> String {
        let span = |lasts: &Span| format!("{}s", lasts.num_seconds());
        let parts: Vec<String> = match self {
            Self::Ack { incident, lasts, comment } => {
                let mut parts = vec!["/ack".to_owned(), incident.clone(), span(lasts)];
                parts.extend(comment.clone());
                parts
            }
            Self::Unack { incident } => vec!["/unack".to_owned(), incident.clone()],
            Self::Snooze { incident, lasts, comment } => {
                let mut parts = vec!["/snooze".to_owned(), incident.clone(), span(lasts)];
                parts.extend(comment.clone());
                parts
            }
            Self::Silence { matchers, lasts, comment } => {
                let mut parts = vec!["/silence".to_owned()];
                parts.extend(
                    matchers
                        .iter()
                        .map(|one| format!("{}{}\"{}\"", one.label.word(), one.comparison.sign(), one.value)),
                );
                parts.push(span(lasts));
                parts.extend(comment.clone());
                parts
            }
            Self::Unsilence { silence } => vec!["/unsilence".to_owned(), silence.clone()],
        };
        parts.join(" ")
    }
}

/// Why a line is no command of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOne {
    /// Talk, or meant for another bot.
    Talk,
    /// A command that we do not have.
    Unknown,
    /// One of ours with something wrong, which is said.
    Wrong(String),
}

/// Reads a line. `name`: what the bot is called (`/status@name` is meant for it, `/status@other` is not); a terminal has none.
///
/// # Errors
/// Why it is no command of ours.
pub fn parse(line: &str, name: Option<&str>) -> Result<Command, NotOne> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let word = first.strip_prefix('/').ok_or(NotOne::Talk)?;
    let word = match (word.split_once('@'), name) {
        (Some((word, whose)), Some(name)) if whose.eq_ignore_ascii_case(name) => word,
        (Some(_), _) => return Err(NotOne::Talk),
        (None, _) => word,
    };
    let word = word.to_lowercase();
    // `/ack_1a2b` is one link to tap on; with a space it would end there.
    let (word, tail) = word.split_once('_').map_or((word.as_str(), ""), |(word, tail)| (word, tail));
    let rest = format!("{tail} {rest}");
    command(word, &mut Words { left: &rest })
}

fn command(word: &str, words: &mut Words<'_>) -> Result<Command, NotOne> {
    match word {
        "help" | "start" => Ok(Command::Help),
        "status" => Ok(Command::Status),
        "doctor" => Ok(Command::Doctor),
        "expiring" => match words.next() {
            None => Ok(Command::Expiring(AHEAD)),
            Some(text) => {
                let span = values::duration(&text).ok_or_else(|| wrong_span(&text))?;
                Ok(Command::Expiring(span))
            }
        },
        "ack" => {
            let incident = words.id("/ack ID, or /ack ID 2h")?;
            let lasts = words.span()?.unwrap_or(LONGEST);
            Ok(Command::Write(Write::Ack { incident, lasts, comment: words.remark() }))
        }
        "unack" => Ok(Command::Write(Write::Unack { incident: words.id("/unack ID")? })),
        "snooze" => {
            let incident = words.id("/snooze ID 2h")?;
            let Some(lasts) = words.span()? else {
                return Err(wrong("A snooze ends: write for example /snooze ID 2h"));
            };
            Ok(Command::Write(Write::Snooze { incident, lasts, comment: words.remark() }))
        }
        "silence" => {
            let mut matchers = Vec::new();
            while let Some(text) = words.peek().filter(|text| text.contains(['=', '!', '~'])) {
                words.next();
                let matcher = silences::parse(&text).map_err(NotOne::Wrong)?;
                if matcher.value.contains('"') {
                    return Err(wrong("A value cannot have quotes in it."));
                }
                matchers.push(matcher);
            }
            if matchers.is_empty() {
                return Err(wrong("Say what is silenced and for how long: /silence provider=anthropic 2h"));
            }
            let Some(lasts) = words.span()? else {
                return Err(wrong("A silence ends: write for example /silence provider=anthropic 2h"));
            };
            Ok(Command::Write(Write::Silence { matchers, lasts, comment: words.remark() }))
        }
        "unsilence" => Ok(Command::Write(Write::Unsilence { silence: words.id("/unsilence ID")? })),
        _ => Err(NotOne::Unknown),
    }
}

fn wrong(text: &str) -> NotOne {
    NotOne::Wrong(text.to_owned())
}

fn wrong_span(text: &str) -> NotOne {
    let text: String = text.chars().take(40).collect();
    NotOne::Wrong(format!("\"{text}\" is not a span of time: write for example 2h or 3d"))
}

/// The words of a line that are left.
struct Words<'a> {
    left: &'a str,
}

impl Words<'_> {
    /// The next word; what is between quotes belongs together.
    fn peek(&self) -> Option<String> {
        self.cut().map(|(word, _)| word)
    }

    fn next(&mut self) -> Option<String> {
        let (word, end) = self.cut()?;
        self.left = &self.left[end..];
        Some(word)
    }

    fn cut(&self) -> Option<(String, usize)> {
        let start = self.left.len() - self.left.trim_start().len();
        let mut quoted = false;
        let end = self.left[start..].char_indices().find(|(_, c)| {
            quoted ^= *c == '"';
            c.is_whitespace() && !quoted
        });
        let end = end.map_or(self.left.len(), |(at, _)| start + at);
        (end > start).then(|| (self.left[start..end].to_owned(), end))
    }

    fn id(&mut self, usage: &str) -> Result<String, NotOne> {
        match self.next() {
            Some(id) if id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
                Ok(id.to_lowercase())
            }
            _ => Err(NotOne::Wrong(format!("Say which, as /status shows it: {usage}"))),
        }
    }

    /// A span, if one is next.
    fn span(&mut self) -> Result<Option<Span>, NotOne> {
        let Some(text) = self.peek().filter(|text| text.starts_with(|c: char| c.is_ascii_digit())) else {
            return Ok(None);
        };
        let span = values::duration(&text).filter(|span| *span >= Span::seconds(1)).ok_or_else(|| wrong_span(&text))?;
        if span > LONGEST {
            return Err(wrong(
                "From here nothing is put aside for longer than 7 days; on the machine itself: opensoul alerts",
            ));
        }
        self.next();
        Ok(Some(span))
    }

    fn remark(&self) -> Option<String> {
        Some(self.left.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Result<Command, NotOne> {
        parse(line, Some("WatchBot"))
    }

    fn write(line: &str) -> Write {
        match read(line) {
            Ok(Command::Write(write)) => write,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_lines_mean() {
        for (line, meaning) in [
            ("/help", Command::Help),
            ("/start", Command::Help),
            (" /STATUS ", Command::Status),
            ("/status@watchbot now", Command::Status),
            ("/doctor", Command::Doctor),
            ("/expiring", Command::Expiring(Span::days(30))),
            ("/expiring 7d", Command::Expiring(Span::days(7))),
        ] {
            assert_eq!(read(line), Ok(meaning), "{line}");
        }
        let ack = |lasts, comment: Option<&str>| Write::Ack {
            incident: "1a2b".into(),
            lasts,
            comment: comment.map(Into::into),
        };
        assert_eq!(write("/ack 1A2B"), ack(LONGEST, None));
        assert_eq!(write("/ack_1a2b"), ack(LONGEST, None));
        assert_eq!(write("/ack_1a2b@WatchBot"), ack(LONGEST, None));
        assert_eq!(write("/ack 1a2b 2h on  it"), ack(Span::hours(2), Some("on it")));
        assert_eq!(write("/ack 1a2b on it"), ack(LONGEST, Some("on it")));
        let snooze = Write::Snooze { incident: "1a2b".into(), lasts: Span::minutes(30), comment: None };
        assert_eq!(write("/snooze 1a2b 30m"), snooze);
        let Write::Silence { matchers, lasts, comment } =
            write("/silence provider=anthropic credential=~\"a b*\" 1d moving")
        else {
            panic!("a silence");
        };
        assert_eq!(
            matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["provider=anthropic", "credential=~a b*"]
        );
        assert_eq!((lasts, comment.as_deref()), (Span::days(1), Some("moving")));
    }

    #[test]
    fn what_is_not_for_us_and_what_is_wrong() {
        for line in ["", "hello", "status", "/status@other", "see /status"] {
            assert_eq!(read(line), Err(NotOne::Talk), "{line}");
        }
        assert_eq!(parse("/status@watchbot", None), Err(NotOne::Talk));
        for line in ["/", "/reboot", "/statusx"] {
            assert_eq!(read(line), Err(NotOne::Unknown), "{line}");
        }
        for (line, part) in [
            ("/ack", "/ack ID"),
            ("/ack ../etc", "/ack ID"),
            ("/ack 1a2b 2parsecs", "is not a span of time"),
            ("/ack 1a2b 30d", "longer than 7 days"),
            ("/snooze 1a2b", "A snooze ends"),
            ("/silence 2h", "Say what is silenced"),
            ("/silence provider=x", "A silence ends"),
            ("/silence owner=me 2h", "is not a label"),
            ("/expiring soon", "is not a span of time"),
        ] {
            assert!(matches!(read(line), Err(NotOne::Wrong(said)) if said.contains(part)), "{line}: {:?}", read(line));
        }
    }

    proptest! {
        #[test]
        fn a_wish_is_kept_as_a_line(line in "/(ack|snooze|unack|unsilence) [a-f0-9]{4,16}( [1-9]h)?( [a-z=!]{1,8}){0,3}") {
            if let Ok(Command::Write(write)) = read(&line) {
                prop_assert_eq!(read(&write.line()), Ok(Command::Write(write.clone())), "{}", write.line());
            }
        }

        #[test]
        fn a_silence_too(value in "[a-z:* ]{1,12}", remark in "( [a-z]{1,8}){0,3}") {
            if let Ok(Command::Write(write)) = read(&format!("/silence credential=~\"{value}\" 2h{remark}")) {
                prop_assert_eq!(read(&write.line()), Ok(Command::Write(write.clone())));
            }
        }

        #[test]
        fn no_line_is_too_odd(line in "\\PC{0,60}") {
            let _ = read(&line);
            let _ = read(&format!("/silence {line}"));
        }
    }
}
