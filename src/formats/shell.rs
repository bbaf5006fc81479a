//! Words of command lines that people copy.

use std::borrow::Cow;

/// A word for a command line that people copy.
#[must_use]
pub fn word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-~@+=:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_survive_a_shell() {
        assert_eq!(super::word("/a/b.json"), "/a/b.json");
        assert_eq!(super::word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(super::word(""), "''");
    }
}
