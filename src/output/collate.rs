//! Order of names for people: punctuation, digits, letters; case and accents only break ties. As close to the usual
//! alphabetical order of the web as ids need, without a table of all scripts.

use std::cmp::Ordering;

const PUNCTUATION: &str = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";

/// Compares two names.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        // Ids are ASCII almost always, and ten thousand of them are sorted at once.
        let weight = |byte: u8| ASCII[usize::from(byte)];
        let primary = a.bytes().map(weight).cmp(b.bytes().map(weight));
        let upper = |byte: u8| byte.is_ascii_uppercase();
        return primary.then_with(|| a.bytes().map(upper).cmp(b.bytes().map(upper))).then_with(|| a.cmp(b));
    }
    any(a, b)
}

fn any(a: &str, b: &str) -> Ordering {
    let primary = a.chars().filter_map(weight).cmp(b.chars().filter_map(weight));
    primary.then_with(|| a.chars().map(accent).cmp(b.chars().map(accent))).then_with(|| {
        // Lower case first.
        a.chars().map(char::is_uppercase).cmp(b.chars().map(char::is_uppercase)).then_with(|| a.cmp(b))
    })
}

/// The weights of [`weight`] for ASCII, in one byte each.
const ASCII: [u8; 128] = {
    let punctuation = PUNCTUATION.as_bytes();
    let mut table = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        let c = (byte as u8).to_ascii_lowercase();
        table[byte] = match c {
            b'\t'..=b'\r' | b' ' => 0,
            b'0'..=b'9' => 128 + (c - b'0'),
            b'a'..=b'z' => 160 + (c - b'a'),
            // Control characters.
            127 => 64 + 33,
            _ => 64 + c,
        };
        byte += 1;
    }
    let mut place = 0;
    while place < punctuation.len() {
        table[punctuation[place] as usize] = 1 + place as u8;
        place += 1;
    }
    table
};

fn weight(c: char) -> Option<(u8, u32)> {
    let base = base(c);
    Some(match base {
        c if c.is_whitespace() => (0, 0),
        c if PUNCTUATION.contains(c) => (1, u32::try_from(PUNCTUATION.find(c)?).ok()?),
        '0'..='9' => (3, u32::from(base)),
        'a'..='z' => (4, u32::from(base)),
        c if c.is_alphabetic() => (5, u32::from(c)),
        c => (2, u32::from(c)),
    })
}

/// The letter under case and the accents of Latin-1.
fn base(c: char) -> char {
    let c = c.to_lowercase().next().unwrap_or(c);
    match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        'ß' => 's',
        c => c,
    }
}

fn accent(c: char) -> bool {
    let lower = c.to_lowercase().next().unwrap_or(c);
    base(c) != lower
}

#[cfg(test)]
mod tests {
    proptest::proptest! {
        #[test]
        fn ascii_is_compared_as_everything_else(a in "[ -~\t\u{1}\u{7f}]{0,6}", b in "[ -~\t\u{1}\u{7f}]{0,6}") {
            proptest::prop_assert_eq!(super::compare(&a, &b), super::any(&a, &b));
        }
    }

    #[test]
    fn names_are_in_the_order_that_people_expect() {
        let sorted = [
            "", " ", "_", "-", ":", ".", "@", "🦞", "10", "9", "a", "A", "ä", "a b", "a_b", "a-b", "a:b", "a.b", "ab",
            "b", "B", "e", "é", "z", "Z", "日",
        ];
        let mut mixed = sorted;
        mixed.reverse();
        mixed.sort_by(|a, b| super::compare(a, b));
        assert_eq!(mixed, sorted);
    }
}
