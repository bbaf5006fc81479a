//! Makes a provider's words fit to be shown: nothing of the secret, nothing that looks like one, no control characters.
//!
//! Providers echo keys, whole (LiteLLM), masked (OpenAI, DeepSeek, xAI) or cut (OpenRouter). PURE.

/// A word shares this much with the secret: it is hidden.
const WINDOW: usize = 5;
/// A run of letters and digits of this length is hidden, whatever it is.
const OPAQUE: usize = 20;
/// Only this much of an answer is looked at.
const LOOK: usize = 2_000;

/// `text` with suspicious words replaced by `…`, on one line, at most `limit` characters.
#[must_use]
pub fn redact(text: &str, secret: &str, limit: usize) -> String {
    let shown: String = text
        .chars()
        .take(LOOK)
        .map(|c| if c.is_alphanumeric() || c.is_ascii_graphic() || c == '…' { c } else { ' ' })
        .collect();
    let mut words: Vec<&str> = Vec::new();
    for word in shown.split_whitespace() {
        let word = if suspicious(word, secret) { "…" } else { word };
        if word != "…" || words.last() != Some(&"…") {
            words.push(word);
        }
    }
    let line = words.join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    let cut: String = line.chars().take(limit).collect();
    // Whole words only: half a word says little.
    format!("{} …", cut.rsplit_once(' ').map_or("", |(whole, _)| whole)).trim_start().to_owned()
}

fn suspicious(word: &str, secret: &str) -> bool {
    word.contains("**")
        || word.contains("...")
        || word.contains('…')
        || (word.contains('@') && word.contains('.'))
        || opaque(word)
        || shares(word, secret)
        || end_of(word, secret)
}

/// "the key ending in 1c96": providers call that harmless, we do not.
fn end_of(word: &str, secret: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    bare.chars().count() >= 3 && secret.trim().ends_with(bare)
}

/// A long run of letters, digits, `-`, `_` with at least one letter and one digit: an id, a hash or a key.
fn opaque(word: &str) -> bool {
    word.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).any(|run| {
        run.len() >= OPAQUE && run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic())
    })
}

fn shares(word: &str, secret: &str) -> bool {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let secret: Vec<char> = secret.trim().to_lowercase().chars().collect();
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
            ("request 0a1b2c3d4e5f60718293 failed", "request … failed"),
            ("of joe@example.org\n\u{1b}[31m or so", "of … [31m or so"),
        ] {
            assert_eq!(redact(text, secret, 200), shown);
        }
    }

    #[test]
    fn cuts_at_words() {
        assert_eq!(redact("one two three", "unrelated", 8), "one two …");
        assert_eq!(redact("one two", "unrelated", 7), "one two");
        assert_eq!(redact(&"x".repeat(50), "unrelated", 8), "…");
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
