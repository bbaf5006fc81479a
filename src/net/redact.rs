//! Makes URLs and foreign words fit to be shown, logged and stored: nothing of a secret, nothing that looks like one, no
//! control characters, no flood. PURE.

use reqwest::Url;

use crate::domain::is_unprintable;
use crate::formats::secret_shape::is_key;

/// Only this much of a foreign text is looked at.
const LOOK: usize = 4_000;
/// A run of letters and digits of this length is hidden, whatever it is.
const OPAQUE: usize = 24;
/// Path segments that may hold a token are at least this long.
const SEGMENT: usize = 12;

/// A URL with `…` for its login, the values of its query, and path segments that might be tokens.
#[must_use]
pub fn url(text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return "…".to_owned() };
    let Some(host) = url.host_str() else { return format!("{}:…", url.scheme()) };
    let mut out = format!("{}://", url.scheme());
    if !url.username().is_empty() || url.password().is_some() {
        out.push_str("…@");
    }
    out.push_str(host);
    if let Some(port) = url.port() {
        out.push_str(&format!(":{port}"));
    }
    let segment = |segment: &str| if token_like(segment) { "…".to_owned() } else { segment.to_owned() };
    out.push_str(&url.path().split('/').map(segment).collect::<Vec<_>>().join("/"));
    if url.query().is_some() {
        let names: Vec<String> = url.query_pairs().map(|(name, _)| format!("{}=…", words(&name, &[], 40))).collect();
        out.push('?');
        out.push_str(&names.join("&"));
    }
    out
}

/// The parts of a URL that [`url`] hides, so that they can be hidden in the answer of a server that repeats them.
#[must_use]
pub fn hidden_parts(url: &Url) -> Vec<String> {
    let path = url.path().split('/').filter(|segment| token_like(segment)).map(str::to_owned);
    let query = url.query_pairs().map(|(_, value)| value.into_owned());
    path.chain(query).chain(url.query().map(str::to_owned)).collect()
}

fn token_like(segment: &str) -> bool {
    let mixed = segment.bytes().any(|b| b.is_ascii_digit()) && segment.bytes().any(|b| b.is_ascii_alphabetic());
    segment.len() >= SEGMENT && (mixed || segment.len() >= OPAQUE) || is_key(segment)
}

/// Foreign words on one line, at most `limit` characters, with `…` for each of the `secrets` and for whatever looks like a
/// key, a token or an e-mail login.
#[must_use]
pub fn words(text: &str, secrets: &[&str], limit: usize) -> String {
    // Secrets first: a cut in the middle of one would leave its beginning.
    let mut shown = text.to_owned();
    let mut secrets: Vec<&str> =
        secrets.iter().map(|secret| secret.trim()).filter(|secret| secret.len() >= 4).collect();
    // The longest first: one may be a part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets {
        shown = shown.replace(secret, "…");
    }

    let shown: String = shown.chars().take(LOOK).map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    let mut out: Vec<String> = Vec::new();
    let mut hide_next = false;
    for word in shown.split_whitespace() {
        let hidden = hide_next;
        hide_next = word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic");
        let word = if hidden { "…".to_owned() } else { redact_word(word) };
        if word != "…" || out.last().is_none_or(|last| last != "…") {
            out.push(word);
        }
    }
    cut(&out.join(" "), limit)
}

fn redact_word(word: &str) -> String {
    if let Some(at) = word.find("://") {
        let scheme = word[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '+');
        let start = scheme.len();
        return format!(
            "{}{}",
            &word[..start],
            url(word[start..].trim_end_matches([',', '.', ')', '"', '\'', '>', ';']))
        );
    }
    let parts = word.split_inclusive(|c: char| !(c.is_alphanumeric() || "-_.+/=~".contains(c)));
    parts
        .map(|part| {
            let end = part.trim_end_matches(|c: char| !(c.is_alphanumeric() || "-_.+/=~".contains(c)));
            if is_key(end) || opaque(end) { format!("…{}", &part[end.len()..]) } else { part.to_owned() }
        })
        .collect()
}

/// A long run without a break, of letters and digits together: an id, a hash or a key.
fn opaque(word: &str) -> bool {
    word.split(['.', '/', '=']).any(|run| {
        run.len() >= OPAQUE && run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic())
    })
}

/// At most `limit` characters; cut words end in `…`.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(limit.saturating_sub(1)).collect();
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls() {
        for (given, shown) in [
            (
                "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnop1234",
                "https://hooks.slack.com/services/T00000000/B00000000/…",
            ),
            (
                "https://api.telegram.org/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage",
                "https://api.telegram.org/…/sendMessage",
            ),
            ("https://u:p@x.org:8443/a?key=abc&b=1", "https://…@x.org:8443/a?key=…&b=…"),
            ("http://127.0.0.1:9/hook", "http://127.0.0.1:9/hook"),
            ("https://x.org/api/v1/notifications", "https://x.org/api/v1/notifications"),
            ("not a url", "…"),
            ("mailto:me@x.org", "mailto:…"),
        ] {
            assert_eq!(url(given), shown);
        }
    }

    #[test]
    fn parts_that_are_hidden() {
        let parts = |text: &str| hidden_parts(&Url::parse(text).expect("url"));
        assert_eq!(parts("https://x.org/hook/token0123456789?key=ab%20c"), ["token0123456789", "ab c", "key=ab%20c"]);
        assert!(parts("https://x.org/hook").is_empty());
    }

    #[test]
    fn foreign_words() {
        for (given, shown) in [
            ("550 5.1.1 no such user", "550 5.1.1 no such user"),
            ("bad key sk-ant-api03-abcdefgh, sorry", "bad key …, sorry"),
            ("{\"error\":\"token ghp_0123456789abcdef is bad\"}", "{\"error\":\"token … is bad\"}"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
            ("my hunter2 is out", "my … is out"),
            ("id=0123456789abcdef0123456789abcdef", "…"),
            ("go to https://x.org/?token=abc, please", "go to https://x.org/?token=… please"),
            ("two\r\nlines\u{202e}\u{0}", "two lines"),
        ] {
            assert_eq!(words(given, &["hunter2"], 200), shown, "{given}");
        }
        assert_eq!(words("abcdefgh", &[], 4), "abc…");
    }

    proptest! {
        #[test]
        fn a_secret_never_survives(before in "[ -~]{0,20}", secret in "[a-zA-Z0-9_-]{8,40}", after in "\\PC{0,20}", limit in 0usize..80) {
            let shown = words(&format!("{before}{secret}{after}"), &[&secret], limit);
            prop_assert!(!shown.contains(&secret));
            prop_assert!(shown.chars().count() <= limit.max(1));
            prop_assert!(!shown.chars().any(char::is_control));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,200}") {
            let _ = (words(&text, &[], 50), url(&text));
        }
    }
}
