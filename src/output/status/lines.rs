//! Lines for people: widths, wrapping, times near and far.

use std::borrow::Cow;
use std::path::Path;

use crate::domain::{Span, Time, is_unprintable};

/// Characters that take two columns: those of East Asia, and emoji.
fn wide(c: char) -> bool {
    matches!(c as u32, 0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
}

/// Columns that a text takes; characters of East Asia and emoji take two.
pub fn columns(text: &str) -> usize {
    let none = |c: char| matches!(c as u32, 0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f);
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(|c| if none(c) { 0 } else { 1 + usize::from(wide(c)) }).sum()
}

/// Ids, paths and details come from foreign files: what could steer a terminal is shown as a question mark.
pub(in crate::output) fn clean(text: &str) -> Cow<'_, str> {
    // Bytes are looked through much faster than characters; these three begin what is meant beyond ASCII.
    let suspect = |byte: u8| byte.is_ascii_control() || matches!(byte, 0xc2 | 0xe2 | 0xef);
    if !text.bytes().any(suspect) || !text.contains(is_unprintable) {
        return text.into();
    }
    text.chars().map(|c| if is_unprintable(c) { if c.is_whitespace() { ' ' } else { '?' } } else { c }).collect()
}

/// A text and blanks up to a number of columns.
pub fn padded(text: &str, size: usize) -> String {
    let gap = size.saturating_sub(columns(text));
    format!("{text}{:gap$}", "")
}

/// A word in the parts between which a line may end: Chinese has no blanks, but no line begins with the mark that ends a
/// clause, or ends with the one that opens a bracket.
pub(in crate::output) fn parts(word: &str) -> Vec<&str> {
    const NOT_FIRST: &str = "，。、：；！？）」』】》〉”’…—·,.:;!?)]}";
    const NOT_LAST: &str = "（「『【《〈“‘([{";
    if word.is_ascii() {
        return vec![word];
    }
    let (mut parts, mut from, mut before) = (Vec::new(), 0, None);
    for (at, c) in word.char_indices() {
        let may = |before: char| (wide(before) || wide(c)) && !NOT_FIRST.contains(c) && !NOT_LAST.contains(before);
        if before.is_some_and(may) {
            parts.push(&word[from..at]);
            from = at;
        }
        before = Some(c);
    }
    parts.push(&word[from..]);
    parts
}

/// Appends lines of at most `width` columns, indented; a word that is longer stands alone, so that it can be copied whole.
pub(in crate::output) fn wrap(out: &mut String, text: &str, width: usize, indent: usize) {
    let room = width.saturating_sub(indent).max(1);
    let mut length = 0;
    for word in clean(text).split_whitespace() {
        for (at, part) in parts(word).into_iter().enumerate() {
            let (blank, size) = (if at == 0 { " " } else { "" }, columns(part));
            if length > 0 && length + blank.len() + size <= room {
                out.push_str(blank);
                length += blank.len() + size;
            } else {
                if length > 0 {
                    out.push('\n');
                }
                out.extend(std::iter::repeat_n(' ', indent));
                length = size;
            }
            out.push_str(part);
        }
    }
    if length > 0 {
        out.push('\n');
    }
}

/// Appends a text behind a head of `column` columns; further lines stand under its first word.
pub fn hanging(out: &mut String, head: &str, column: usize, text: &str, width: usize) {
    let start = out.len();
    wrap(out, text, width, column);
    if out.len() > start {
        out.replace_range(start..start + column, head);
    }
}

/// Wherever the home directory begins a path in the text, `~`.
pub fn shortened(text: &str, home: Option<&Path>) -> String {
    let Some(home) = home.and_then(Path::to_str).filter(|home| home.len() > 1) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(home) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        rest = &from[home.len()..];
        out.push_str(if rest.starts_with('/') { "~" } else { home });
    }
    out.push_str(rest);
    out
}

/// `in 3 d`, `5 h ago`, `just now`: minutes below an hour, hours and minutes below ten hours, hours below two days.
pub fn relative(time: Time, now: Time) -> String {
    let span = time - now;
    let size = span.abs();
    if span <= Span::zero() && size < Span::minutes(1) {
        return "just now".to_owned();
    }
    let text = if size < Span::hours(1) {
        format!("{} min", size.num_minutes())
    } else if size < Span::hours(10) && size.num_minutes() % 60 > 0 {
        format!("{} h {} min", size.num_hours(), size.num_minutes() % 60)
    } else if size < Span::hours(48) {
        format!("{} h", size.num_hours())
    } else {
        format!("{} d", size.num_days())
    };
    if span >= Span::zero() { format!("in {text}") } else { format!("{text} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_broken_between_characters_and_never_before_a_mark() {
        let mut out = String::new();
        wrap(&mut out, "该登录（opensoul:main）已于昨天到期，请重新登录。 claude auth login", 24, 2);
        assert!(out.lines().all(|line| columns(line) <= 24), "{out}");
        assert!(out.contains("opensoul:main"), "an id stays whole: {out}");
        assert!(!out.lines().any(|line| line.trim_start().starts_with(['，', '。', '）'])), "{out}");
        assert!(!out.lines().any(|line| line.ends_with('（')), "{out}");
        assert_eq!(
            out.split_whitespace().collect::<String>(),
            "该登录（opensoul:main）已于昨天到期，请重新登录。claudeauthlogin"
        );
    }

    #[test]
    fn columns_are_straight_with_wide_characters() {
        for text in ["额度已用尽", "ok", "Store", "日"] {
            assert_eq!(columns(&padded(text, 13)), 13, "{text}");
        }
        assert_eq!(padded("longer than that", 3), "longer than that");
    }
}
