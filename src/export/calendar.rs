//! `/calendar.ics`: what ends, as events with alarms (RFC 5545), for the calendar of whoever has to renew it. PURE.
//!
//! A calendar leaves this machine: ids have no e-mail addresses in them, nothing says where a credential is kept, and only what a
//! person must do something about has a date in it. An event keeps its UID for as long as there is the credential, so that
//! a renewal moves it.

use std::fmt::Write;

use chrono::SecondsFormat;
use ring::digest;

use crate::domain::{Assessed, Lang, Pseudonyms, Snapshot, Span, Time};
use crate::engine::runway;
use crate::output::wording::{localised, spoken};

/// A line is folded after as many bytes (RFC 5545 §3.1).
const LINE: usize = 75;
/// The alarms of an event without a warning band of its own.
const ALARMS: [Span; 2] = [Span::days(7), Span::days(1)];

/// The calendar of what ends after `now`.
#[must_use]
pub fn calendar(snapshot: &Snapshot, names: &Pseudonyms, lang: Lang, now: Time) -> String {
    let say = |text: &str| spoken(lang, text.to_owned());
    let mut out = String::new();
    let mut line = |text: &str| fold(&mut out, text);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line("PRODID:-//opensoul//credentials//EN");
    line("CALSCALE:GREGORIAN");
    line("METHOD:PUBLISH");
    line(&format!("X-WR-CALNAME:{}", escaped(&format!("opensoul {}", snapshot.host))));
    line("REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    line("X-PUBLISHED-TTL:PT1H");
    for one in snapshot.credentials.iter().filter(|one| one.copy_of.is_none() && one.judgement.in_use) {
        let id = names.apply(one.credential.id.as_str());
        let bands = one.judgement.warn_at.into_iter().chain(one.judgement.critical_at).collect::<Vec<_>>();
        if let Some(at) = one.judgement.expires.filter(|at| *at > now) {
            let summary = say(&format!("{id} ends"));
            event(&mut line, &Event { one, snapshot, what: "ends", summary, at, bands: &bands }, names, lang);
        }
        let allowance = one.allowance.as_ref();
        if let Some(runway) = allowance.and_then(|allowance| allowance.runway).filter(|runway| runway.ends > now) {
            let bands =
                allowance.and_then(|allowance| allowance.bands).map_or(vec![], |(warn, critical)| vec![warn, critical]);
            let summary = say(&format!("the balance behind {id} is used up about now"));
            event(
                &mut line,
                &Event { one, snapshot, what: "balance", summary, at: runway.ends, bands: &bands },
                names,
                lang,
            );
        }
    }
    line("END:VCALENDAR");
    out
}

struct Event<'a> {
    one: &'a Assessed,
    snapshot: &'a Snapshot,
    what: &'a str,
    summary: String,
    at: Time,
    bands: &'a [Time],
}

fn event(line: &mut impl FnMut(&str), event: &Event<'_>, names: &Pseudonyms, lang: Lang) {
    let Event { one, snapshot, what, summary, at, bands } = event;
    let say = |text: &str| {
        let local = |time: Time| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        names.apply(&localised(&spoken(lang, text.to_owned()), &local))
    };
    line("BEGIN:VEVENT");
    // Of the name that leaves the machine: another could be guessed and compared.
    let id = names.apply(one.credential.id.as_str());
    line(&format!("UID:{}@opensoul", uid(&[&snapshot.host, &id, what])));
    line(&format!("DTSTAMP:{}", stamp(snapshot.taken_at)));
    line(&format!("DTSTART:{}", stamp(*at)));
    line("DURATION:PT15M");
    line("TRANSP:TRANSPARENT");
    line(&format!("SUMMARY:{}", escaped(summary)));
    line(&format!("CATEGORIES:{}", escaped(&one.credential.provider)));
    let mut text = vec![format!("{} {}", say("On"), snapshot.host)];
    if *what == "ends" {
        text.extend(one.judgement.because.iter().filter(|reason| is_placeless(reason)).map(|reason| say(reason)));
        let fix = one.judgement.fix.as_deref().unwrap_or(&one.credential.fix);
        if is_placeless(fix) {
            text.push(format!("{}: {}", say("What to do"), names.apply(fix)));
        }
    } else {
        text.push(say(&runway::top_up(&one.credential.provider)));
    }
    line(&format!("DESCRIPTION:{}", escaped(&text.join("\n"))));
    let before: Vec<Span> = bands.iter().map(|band| *at - *band).filter(|span| *span > Span::zero()).collect();
    for span in if before.is_empty() { &ALARMS[..] } else { &before } {
        line("BEGIN:VALARM");
        line("ACTION:DISPLAY");
        line(&format!("DESCRIPTION:{}", escaped(summary)));
        line(&format!("TRIGGER:-{}", duration(*span)));
        line("END:VALARM");
    }
    line("END:VEVENT");
}

/// Whether a line names no place of this machine: the calendar leaves it.
fn is_placeless(text: &str) -> bool {
    let words = text.split(|c: char| c.is_whitespace() || "=:(\"'`".contains(c));
    !words.into_iter().any(|word| word.starts_with(['/', '~']))
}

fn uid(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    context.finish().as_ref()[..12].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn stamp(at: Time) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// `P7D`, `PT36H`: whole minutes.
fn duration(span: Span) -> String {
    match span.num_minutes().max(1) {
        minutes if minutes % 1440 == 0 => format!("P{}D", minutes / 1440),
        minutes if minutes % 60 == 0 => format!("PT{}H", minutes / 60),
        minutes => format!("PT{minutes}M"),
    }
}

/// TEXT of RFC 5545 §3.3.11.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Adds a content line, folded between characters.
fn fold(out: &mut String, text: &str) {
    let mut length = 0;
    for c in text.chars() {
        if length + c.len_utf8() > LINE {
            out.push_str("\r\n ");
            length = 1;
        }
        out.push(c);
        length += c.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_characters() {
        let mut out = String::new();
        fold(&mut out, &format!("SUMMARY:{}", "密钥".repeat(40)));
        let lines: Vec<&str> = out.split("\r\n").collect();
        assert!(lines.iter().all(|line| line.len() <= LINE) && lines.len() > 3, "{lines:?}");
        assert!(lines[1].starts_with(' '));
        assert_eq!(out.replace("\r\n ", "").trim_end(), format!("SUMMARY:{}", "密钥".repeat(40)));
    }

    #[test]
    fn text_and_spans() {
        assert_eq!(escaped("a;b,c\\d\ne\r"), "a\\;b\\,c\\\\d\\ne");
        assert_eq!(duration(Span::days(14)), "P14D");
        assert_eq!(duration(Span::hours(36)), "PT36H");
        assert_eq!(duration(Span::minutes(90)), "PT90M");
        assert_eq!(duration(Span::seconds(3)), "PT1M");
    }
}
