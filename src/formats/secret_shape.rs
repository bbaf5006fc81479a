//! What a text looks like: a key, or what stands in the place of one until somebody fills it in. Pure, and only by its looks:
//! whether a key works is never decided here.

/// How keys of well-known makers begin.
const KEY_STARTS: [&str; 22] = [
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "key-",
    "whsec_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xox",
    "AIza",
    "ya29.",
    "eyJ",
    "AKIA",
    "ASIA",
    "hf_",
    "gsk_",
    "xai-",
    "SG.",
];

/// Words, without what divides them, that examples have where a key belongs.
const EXAMPLES: [&str; 8] =
    ["yourapikey", "apikeyhere", "keyhere", "tokenhere", "changeme", "replaceme", "replacewith", "placeholder"];

/// Whether a word is a key by its looks.
#[must_use]
pub fn is_key(word: &str) -> bool {
    KEY_STARTS.iter().any(|start| word.starts_with(start) && word.len() >= start.len() + 6)
}

/// Whether a key is anywhere in a text.
#[must_use]
pub fn holds_key(text: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).any(is_key)
}

/// Shorter than this, or without a digit, a word that begins like a key may be the name that somebody gave to one
/// (`key-personal`).
const SURELY: usize = 20;

/// The text with `…` for each word that can hardly be anything but a key; names that people give to keys stay.
#[must_use]
pub fn without_keys(text: &str) -> String {
    let divides = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    let shown = |part: &str| {
        let word = part.trim_end_matches(divides);
        let secret = is_key(word) && word.len() >= SURELY && word.bytes().any(|byte| byte.is_ascii_digit());
        if secret { ["…", &part[word.len()..]].concat() } else { part.to_owned() }
    };
    text.split_inclusive(divides).map(shown).collect()
}

/// Whether a value is what somebody forgot to replace by a key: `${NAME}`, `{{ secrets.NAME }}`, `<your key>`, `op://…`,
/// `your-api-key-here`, `sk-…xxxx`. Short words that people give to servers of their own (`dummy`, `none`) are keys.
#[must_use]
pub fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let enclosed = |start: &str, end: &str| value.starts_with(start) && value.ends_with(end);
    let variable = value.strip_prefix('$').is_some_and(|name| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(char::is_numeric)
    });
    let elsewhere = value.split_once(':').is_some_and(|(scheme, rest)| {
        rest.starts_with("//")
            && !scheme.is_empty()
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let cross = |c: char| matches!(c, 'x' | 'X' | '*' | '.' | '…');
    let crossed_out = value.ends_with(cross)
        && value.rsplit(['-', '_']).next().is_some_and(|last| last.chars().count() >= 3 && last.chars().all(cross));
    variable
        || enclosed("${", "}")
        || enclosed("$(", ")")
        || enclosed("<", ">")
        || (value.contains("{{") && value.contains("}}"))
        || elsewhere
        || crossed_out
        || is_example(value)
}

/// Whether it says in words that a key belongs there, however they are written: `your-api-key`, `CHANGE_ME`. Every secret of the
/// machine comes by here: none is copied, and a letter that begins none of the words costs nothing.
fn is_example(value: &str) -> bool {
    let letters = |from: usize| {
        let bytes = value.as_bytes()[from..].iter();
        bytes.filter(|byte| !matches!(byte, b'-' | b'_' | b' ')).map(u8::to_ascii_lowercase)
    };
    let begins = |from: usize, word: &str| {
        let mut letters = letters(from);
        word.bytes().all(|letter| letters.next() == Some(letter))
    };
    let ends = |word: &str| {
        let mut letters = letters(0).rev();
        word.bytes().rev().all(|letter| letters.next() == Some(letter))
    };
    let named = |(at, byte): (usize, u8)| {
        let first = byte.to_ascii_lowercase();
        let may = matches!(first, b'a' | b'c' | b'k' | b'p' | b'r' | b't' | b'y');
        may && EXAMPLES.iter().any(|example| example.as_bytes()[0] == first && begins(at, example))
    };
    value.bytes().enumerate().any(named)
        || (begins(0, "your") && ["key", "token", "secret"].into_iter().any(ends))
        || ["null", "undefined"].into_iter().any(|word| letters(0).eq(word.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_place_of_a_key() {
        for value in [
            "${GROQ}",
            "$X",
            "$GROQ_API_KEY",
            "$(pass show groq)",
            "{{ secrets.GROQ }}",
            "${{ secrets.GROQ }}",
            "<your key>",
            "op://vault/groq/key",
            "your-api-key-here",
            "YOUR_API_KEY",
            "your_openai_token",
            "sk-...",
            "sk-ant-api03-xxxxxxxx",
            "sk-XXXX",
            "changeme",
            "null",
            " ${GROQ} ",
            "Replace-With your key",
            "sk-proj-PLACEHOLDER",
        ] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in [
            "sk-ant-api03-abcdefXXX",
            "gsk_abcdef",
            "dummy",
            "none",
            "lm-studio",
            "$2b$12$abcdefghijk",
            "a<b>c",
            "yourself",
            "0123456789abcdef",
            "xx",
            "eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDM4NTkyMDB9.c2ln",
            "",
        ] {
            assert!(!is_placeholder(value), "{value}");
        }
    }

    #[test]
    fn every_example_is_found() {
        for example in EXAMPLES {
            assert!(is_placeholder(&format!("sk-{example}")) && is_placeholder(&example.to_uppercase()), "{example}");
        }
    }

    #[test]
    fn a_key_in_a_text() {
        assert!(holds_key("sk-ant-api03-abcdef") && holds_key("of (sk-proj-abcdef)!") && holds_key("x AKIAABCDEF y"));
        assert!(!holds_key("ann@example.org") && !holds_key("openai-codex") && !holds_key("sk-") && !holds_key(""));
    }
}
