//! Writes one variable into the text of a `.env`: every other line and comment stays as it is. Pure; what is written is read
//! back by `dotenv`, which is how the gateways read it.

use super::dotenv;

/// Why a value cannot stand in a `.env`. Quotes nothing of it.
pub const UNFIT: &str =
    "has characters that cannot stand in a .env (line breaks, control characters, or all three kinds of quotes)";

/// Why nothing was written: quotes in the file reach over lines.
pub const TANGLED: &str = "has a quote that is not closed, so that a new line would change others; correct it first";

/// The text with `name` set to `value`: where it is set already, its last line is changed (the last one counts), else a new
/// line comes at the end.
///
/// # Errors
/// The value cannot be written so that it is read as it is.
pub fn set(text: &str, name: &str, value: &str) -> Result<String, &'static str> {
    let written = quoted(value).ok_or(UNFIT)?;
    let line = format!("{name}={written}");
    let windows = text.contains("\r\n");
    let plain = text.replace("\r\n", "\n");
    let after = match dotenv::last_of(&plain, name) {
        Some((value_at, end)) => {
            // The blanks and the comment behind the old value stay.
            let old = &plain[value_at..end];
            let tail = &old[old.trim_end().len()..];
            let lead = &old[..old.len() - old.trim_start().len()];
            let lead = if lead.contains('\n') { "" } else { lead };
            format!("{}{lead}{written}{tail}{}", &plain[..value_at], &plain[end..])
        }
        None if plain.is_empty() || plain.ends_with('\n') => format!("{plain}{line}\n"),
        None => format!("{plain}\n{line}\n"),
    };
    // A quote that is never closed reaches into what follows it: rather nothing than another variable changed.
    let others =
        |text: &str| dotenv::parse(text).into_iter().filter(|one| one.name != name).map(|one| (one.name, one.value));
    let read = dotenv::parse(&after).into_iter().rev().find(|one| one.name == name);
    if read.is_none_or(|read| read.value != value) {
        return Err(UNFIT);
    }
    if !others(&after).eq(others(&plain)) {
        return Err(TANGLED);
    }
    Ok(if windows { after.replace('\n', "\r\n") } else { after })
}

/// As plain as it can be: a key mostly needs no quotes.
fn quoted(value: &str) -> Option<String> {
    if value.chars().any(char::is_control) {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./+=:@,%~".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return Some(value.to_owned());
    }
    // In double quotes `\n` would become a line break.
    let quote = ['\'', '`', '"']
        .into_iter()
        .find(|quote| !value.contains(*quote) && (*quote != '"' || !value.contains('\\')))?;
    Some(format!("{quote}{value}{quote}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_other_line_stays() {
        let text = "# keys\nexport A=1\n\nB='two' # mine\nC=3";
        for (name, value, after) in [
            ("A", "9", "# keys\nexport A=9\n\nB='two' # mine\nC=3"),
            ("B", "sk-x_1", "# keys\nexport A=1\n\nB=sk-x_1 # mine\nC=3"),
            ("B", "a b", "# keys\nexport A=1\n\nB='a b' # mine\nC=3"),
            ("D", "4", "# keys\nexport A=1\n\nB='two' # mine\nC=3\nD=4\n"),
        ] {
            assert_eq!(set(text, name, value).as_deref(), Ok(after));
        }
        assert_eq!(set("", "A", "1").as_deref(), Ok("A=1\n"));
        assert_eq!(set("A=1\nA=2\n", "A", "3").as_deref(), Ok("A=1\nA=3\n"), "the last one counts");
        assert_eq!(set("A=1\r\nB=2\r\n", "A", "3").as_deref(), Ok("A=3\r\nB=2\r\n"));
        assert_eq!(set("A=\nB=2\n", "A", "3").as_deref(), Ok("A=3\nB=2\n"));
        assert_eq!(set("A=\"x\ny\" # z\nB=2\n", "A", "3").as_deref(), Ok("A=3 # z\nB=2\n"), "over several lines");
        assert_eq!(set("", "A", "a\nb"), Err(UNFIT));
        assert_eq!(set("", "A", "'`\""), Err(UNFIT));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever is there: what was written is read back, and no other variable changed.
        #[test]
        fn what_is_written_is_read_and_nothing_else_changes(text in "([AB]=[ -~]{0,8}\n|#[ -~]{0,6}\n|[ -~]{0,8}\n|'|\"|\r\n){0,6}", value in "[ -~]{0,16}") {
            if let Ok(after) = set(&text, "A", &value) {
                let last = |text: &str, name: &str| dotenv::parse(text).into_iter().rev().find(|one| one.name == name).map(|one| one.value);
                prop_assert_eq!(last(&after, "A"), Some(value));
                prop_assert_eq!(last(&after, "B"), last(&text, "B"));
            }
        }
    }
}
