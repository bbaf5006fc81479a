//! Foreign text, as far as it may be shown.

/// Controls, and characters that change how the text around them is displayed (directions, joiners, marks of byte order): a
/// name that holds them could pass for another.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_turns_text_is_not_shown() {
        for c in ['\n', '\u{7f}', '\u{9b}', '\u{200d}', '\u{202e}', '\u{2066}', '\u{feff}'] {
            assert!(is_unprintable(c), "{c:?}");
        }
        for c in ['a', ' ', '…', '“', '你', 'é', '|'] {
            assert!(!is_unprintable(c), "{c:?}");
        }
    }
}
