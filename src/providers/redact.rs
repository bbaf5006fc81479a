//! Takes out of a provider's words whatever echoes the secret that was sent, in whole or in part; the rest (anything that
//! looks like a key, control characters) is [`net::redact`]'s.
//!
//! Providers echo keys whole (LiteLLM), masked (OpenAI, DeepSeek, xAI) or cut (OpenRouter). PURE.

use crate::net;

/// A word that shares this many characters in a row with the secret is hidden.
const WINDOW: usize = 5;
/// Only this much of an answer is looked at.
const LOOK: usize = 2_000;

/// `text` with suspicious words replaced by `…`, on one line, at most `limit` characters.
#[must_use]
pub fn redact(text: &str, secret: &str, limit: usize) -> String {
    let line = net::redact::words(text, &[], LOOK);
    let secret = secret.trim().to_lowercase();
    let words: Vec<&str> = line.split(' ').map(|word| if echoes(word, &secret) { "…" } else { word }).collect();
    net::redact::cut(&words.join(" "), limit)
}

fn echoes(word: &str, secret: &str) -> bool {
    let masked = word.contains("**") || word.contains("...") || word.contains('…');
    let address = word.contains('@') && word.contains('.');
    masked || address || shares(word, secret) || end_of(word, secret)
}

/// "the key ending in 1c96": providers call that harmless, we do not.
fn end_of(word: &str, secret: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    bare.chars().count() >= 3 && secret.ends_with(&bare.to_lowercase())
}

fn shares(word: &str, secret: &str) -> bool {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let secret: Vec<char> = secret.chars().collect();
    let window = WINDOW.min(secret.len());
    window > 0 && secret.windows(window).any(|part| word.windows(window).any(|other| part == other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hides_keys_however_they_are_echoed() {
        let secret = "sk-proj-abcDEF1234567890xyz";
        for (text, shown) in [
            ("Incorrect API key provided: sk-pr***0xyz.", "Incorrect API key provided: …"),
            (
                "Incorrect API key provided: sk-proj-abcDEF1234567890xyz. See https://x.org/keys",
                "Incorrect API key provided: … See https://x.org/keys",
            ),
            ("key=SK-PROJ-ABC is wrong", "… is wrong"),
            ("label sk-proj-ab...xyz", "label …"),
            ("Your api key: ****0xyz is invalid", "Your api key: … is invalid"),
            ("key ending in 'xyz' and sk-proj-a…0xyz", "key ending in … and …"),
            ("request 0a1b2c3d4e5f607182930a1b failed", "request … failed"),
            ("of joe@example.org\n\u{1b}[31m or so", "of … [31m or so"),
        ] {
            assert_eq!(redact(text, secret, 200), shown);
        }
    }

    proptest! {
        #[test]
        fn never_shows_a_piece_of_the_secret(secret in "[!-~]{8,60}", before in ".{0,40}", after in ".{0,40}", from in 0usize..8) {
            let piece = &secret[from.min(secret.len() - WINDOW)..];
            let shown = redact(&format!("{before}{piece}{after}"), &secret, 300).to_lowercase();
            let lower = secret.to_lowercase();
            for part in lower.as_bytes().windows(WINDOW) {
                prop_assert!(!shown.contains(std::str::from_utf8(part).unwrap()), "{shown}");
            }
        }
    }
}
