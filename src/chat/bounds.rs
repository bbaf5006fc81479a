//! As much as one message holds. Pure.

/// UTF-16 code units of one message of Telegram (<https://core.telegram.org/bots/api#sendmessage>).
pub const TELEGRAM: usize = 4096;

/// Room for the line that says that there is more.
const MORE: usize = 64;

/// The text, or as many whole lines from its beginning as fit, and then what `more` says about the number of the others. A first
/// line that is too long by itself is cut.
#[must_use]
pub fn within(text: &str, limit: usize, more: impl FnOnce(usize) -> String) -> String {
    if units(text) <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(MORE);
    let mut kept = String::new();
    let mut left = text.lines().count();
    for line in text.lines() {
        let needed = units(line) + usize::from(!kept.is_empty());
        if units(&kept) + needed > room {
            break;
        }
        if !kept.is_empty() {
            kept.push('\n');
        }
        kept.push_str(line);
        left -= 1;
    }
    if kept.is_empty() {
        kept = cut(text.lines().next().unwrap_or_default(), room);
        left = left.saturating_sub(1);
    }
    if left > 0 {
        kept.truncate(kept.trim_end().len());
        kept.push('\n');
        kept.push_str(&cut(&more(left), MORE - 1));
    }
    kept
}

/// UTF-16 code units.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The longest beginning that fits, with an ellipsis.
fn cut(text: &str, limit: usize) -> String {
    if units(text) <= limit {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut size = 1;
    for character in text.chars() {
        size += character.len_utf16();
        if size > limit {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn more(lines: usize) -> String {
        format!("… {lines} more lines")
    }

    #[test]
    fn whole_lines_are_kept_and_the_others_counted() {
        assert_eq!(within("a\nb", 10, more), "a\nb");
        let text = "0123456789\n".repeat(20);
        assert_eq!(within(&text, 100, more), "0123456789\n0123456789\n0123456789\n… 17 more lines");
        assert_eq!(within(&"😀".repeat(100), 80, more), format!("{}…", "😀".repeat(7)));
    }

    proptest! {
        #[test]
        fn it_always_fits(text in "(\\PC{0,40}\n){0,30}", limit in 64usize..400) {
            prop_assert!(units(&within(&text, limit, more)) <= limit);
        }
    }
}
