//! `.env` files as the gateways read them (dotenv 17): `export` prefix, three kinds of quotes that may span lines, `\n` only
//! inside double quotes, `KEY: value`, comments. No expansion of variables. Adds line numbers.
//!
//! The original is one regular expression; where it backtracks (a quote that is never closed), so do we.

use super::javascript::{is_space, trim};

/// One `NAME=value`. The value may be a secret: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The name.
    pub name: String,
    /// The value, unquoted; empty if there is none.
    pub value: String,
    /// The line of the name, from 1.
    pub line: usize,
}

/// Every assignment in the order of the file. Of two with one name the last counts (the caller decides, as it also decides
/// between files). Lines that are no assignment are passed over.
#[must_use]
pub fn parse(text: &str) -> Vec<Assignment> {
    scan(text).0
}

/// The same, with the lines (from 1) that are passed over although they are neither blank nor a comment.
#[must_use]
pub fn scan(text: &str) -> (Vec<Assignment>, Vec<usize>) {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    let (mut line_start, mut counted, mut line) = (0, 0, 1);
    while line_start <= text.len() {
        let mut next = line_start;
        if let Some(hit) = match_at(&text, line_start) {
            line += text[counted..hit.name_at].matches('\n').count();
            counted = hit.name_at;
            found.push(Assignment { name: hit.name.to_owned(), value: unquote(hit.value), line });
            next = hit.end;
        } else {
            let rest = trim(text[line_start..].split('\n').next().unwrap_or_default());
            if !rest.is_empty() && !rest.starts_with('#') {
                line += text[counted..line_start].matches('\n').count();
                counted = line_start;
                skipped.push(line);
            }
        }
        match text[next..].find('\n') {
            Some(at) => line_start = next + at + 1,
            None => break,
        }
    }
    (found, skipped)
}

/// Where the value of the last assignment of a name begins and ends; the text has `\n` only.
pub(super) fn last_of(text: &str, name: &str) -> Option<(usize, usize)> {
    let mut found = None;
    let mut line_start = 0;
    while line_start <= text.len() {
        let mut next = line_start;
        if let Some(hit) = match_at(text, line_start) {
            next = hit.end;
            if hit.name == name {
                found = Some((hit.end - hit.value.len(), hit.end));
            }
        }
        match text[next..].find('\n') {
            Some(at) => line_start = next + at + 1,
            None => break,
        }
    }
    found
}

struct Hit<'a> {
    name: &'a str,
    name_at: usize,
    value: &'a str,
    end: usize,
}

fn skip_space(text: &str, at: usize) -> usize {
    text[at..].find(|c| !is_space(c)).map_or(text.len(), |n| at + n)
}

fn name_end(text: &str, at: usize) -> usize {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text[at..].find(|c| !is_name(c)).map_or(text.len(), |n| at + n)
}

/// Where the value may begin, after `=` or after `:` and one blank.
fn separator(text: &str, at: usize) -> Option<usize> {
    let equals = skip_space(text, at);
    if text[equals..].starts_with('=') {
        return Some(equals + 1);
    }
    let rest = text[at..].strip_prefix(':')?;
    rest.chars().next().filter(|c| is_space(*c)).map(|c| at + 1 + c.len_utf8())
}

fn match_at(text: &str, line_start: usize) -> Option<Hit<'_>> {
    let first = skip_space(text, line_start);
    let assignment = |name_at: usize| {
        let end = name_end(text, name_at);
        (end > name_at).then(|| separator(text, end).map(|value_at| (name_at, end, value_at))).flatten()
    };
    let exported = text[first..].strip_prefix("export").filter(|rest| rest.starts_with(is_space));
    let (name_at, name_end, value_at) =
        exported.and_then(|_| assignment(skip_space(text, first + "export".len()))).or_else(|| assignment(first))?;
    let end = quoted(text, value_at).unwrap_or_else(|| {
        let rest = &text[value_at..];
        value_at + rest.find(['#', '\n']).unwrap_or(rest.len())
    });
    Some(Hit { name: &text[name_at..name_end], name_at, value: &text[value_at..end], end })
}

/// The end of a quoted value, if one begins here and nothing but a comment follows it on its last line.
fn quoted(text: &str, value_at: usize) -> Option<usize> {
    let open = skip_space(text, value_at);
    let quote = text[open..].chars().next().filter(|c| matches!(c, '\'' | '"' | '`'))?;
    // The first quote that is not escaped closes; if that cannot be, the last escaped one before it does, and so on back.
    let mut candidates = Vec::new();
    let mut escaped = false;
    for (n, c) in text[open + 1..].char_indices() {
        if c == quote {
            candidates.push(open + 1 + n + 1);
            if !escaped {
                break;
            }
        }
        escaped = c == '\\';
    }
    candidates.into_iter().rev().find(|end| {
        let rest = text[*end..].trim_start_matches(|c| c != '\n' && is_space(c));
        rest.is_empty() || rest.starts_with(['\n', '#'])
    })
}

fn unquote(raw: &str) -> String {
    let value = trim(raw);
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '\'' | '"' | '`')) else {
        return value.to_owned();
    };
    let inner = value[1..].strip_suffix(quote).unwrap_or(value);
    if quote == '"' { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        parse(text).into_iter().map(|a| (a.name, a.value, a.line)).collect()
    }

    #[test]
    fn forms() {
        for (text, want) in [
            ("A=1", vec![("A", "1", 1)]),
            ("\u{feff}A=1", vec![("A", "1", 1)]),
            ("# c\n\n export A = x y \r\nB=", vec![("A", "x y", 3), ("B", "", 4)]),
            ("A: v\nB:v\nC : v", vec![("A", "v", 1)]),
            ("A=a#b\nB=#x\nC='a # b' # c", vec![("A", "a", 1), ("B", "", 2), ("C", "a # b", 3)]),
            (
                r#"A="x\ny"
B='x\ny'
C=x\ny"#,
                vec![("A", "x\ny", 1), ("B", r"x\ny", 2), ("C", r"x\ny", 3)],
            ),
            ("A=\"one\ntwo\"\nB=2", vec![("A", "one\ntwo", 1), ("B", "2", 3)]),
            ("A=\"open\nB=\"x\"", vec![("A", "\"open", 1), ("B", "x", 2)]),
            ("A=\"C:\\\"\nB=\"x\"", vec![("A", "C:\\", 1), ("B", "x", 2)]),
            (r#"A="a" "b""#, vec![("A", r#"a" "b"#, 1)]),
            ("A='it\\'s'", vec![("A", "it\\'s", 1)]),
            ("export=1\nexport =2", vec![("export", "1", 1), ("export", "2", 2)]),
            ("nothing here\nA$=1\nB.c-d=2", vec![("B.c-d", "2", 3)]),
            ("A=\"", vec![("A", "\"", 1)]),
            ("A=\n'x'\nB=1", vec![("A", "x", 1), ("B", "1", 3)]),
            ("", vec![]),
        ] {
            let want: Vec<_> = want.into_iter().map(|(n, v, l)| (n.to_owned(), v.to_owned(), l)).collect();
            assert_eq!(pairs(text), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_lines_rise(text in "(?s)[A-C=:'\"`\\\\#\n\r \u{feff}\u{3000}é]{0,60}") {
            let found = parse(&text);
            prop_assert!(found.windows(2).all(|w| w[0].line <= w[1].line));
        }

        #[test]
        fn plain_values_come_back(name in "[A-Z][A-Z0-9_]{0,9}", value in "[a-zA-Z0-9_/+.=-]{1,30}") {
            prop_assert_eq!(pairs(&format!("X=1\n{name}={value}\n")).pop(), Some((name, value, 2)));
        }
    }
}
