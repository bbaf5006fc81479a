//! The few rules of JavaScript that the gateways' files depend on: which characters are blank, how a number is made of an
//! object's key.

/// What `\s` and `String.prototype.trim` take for blank: Unicode white space plus the byte-order mark, without U+0085.
#[must_use]
pub fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

/// `text.trim()`.
#[must_use]
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The number that an object's key stands for if it is an array index: such keys come first, in numeric order.
#[must_use]
pub fn array_index(key: &str) -> Option<u32> {
    if key.len() > 10 || (key.len() > 1 && key.starts_with('0')) || !key.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    key.parse::<u32>().ok().filter(|n| *n != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_those_of_javascript() {
        assert_eq!(trim("\u{feff} \u{a0}x\u{3000}\n"), "x");
        assert_eq!(trim("\u{85}x"), "\u{85}x");
    }

    #[test]
    fn array_indices() {
        for (key, want) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("01", None),
            ("", None),
            ("-1", None),
            ("4294967294", Some(4_294_967_294)),
            ("4294967295", None),
            ("1.0", None),
        ] {
            assert_eq!(array_index(key), want, "{key}");
        }
    }
}
