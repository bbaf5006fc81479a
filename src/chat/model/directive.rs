//! Where in a line the command is: `/model`, a space or a colon, then `model@profile`; or `/alias` of a configured alias. Only the
//! first one counts, and the rest of the line stays. The same grammar as the gateway's, letter for letter.

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directive {
    /// The line without it.
    pub cleaned: String,
    /// What is before the first `@`; may be empty.
    pub model: Option<String>,
    /// What is after it.
    pub profile: Option<String>,
    /// Whether there is one.
    pub found: bool,
}

/// White space as a regular expression of JavaScript sees it.
fn space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}')
}

/// Looks for it. `aliases` are those of the config.
#[must_use]
pub fn extract(body: &str, aliases: &[String]) -> Directive {
    let chars: Vec<char> = body.chars().collect();
    let aliases: Vec<Vec<char>> =
        aliases.iter().map(|alias| alias.trim().chars().collect()).filter(|a: &Vec<char>| !a.is_empty()).collect();
    let starts = || (0..=chars.len()).filter_map(|at| start(&chars, at));
    let model = starts().find_map(|(from, slash)| named(&chars, from, slash));
    let Some((from, to, raw)) =
        model.or_else(|| starts().find_map(|(from, slash)| alias(&chars, from, slash, &aliases)))
    else {
        return Directive { cleaned: body.trim_matches(space).to_owned(), ..Directive::default() };
    };
    let matched: String = chars[from..to].iter().collect();
    // The first place where these very characters stand, as the gateway takes them out.
    let cleaned = body.replacen(&matched, " ", 1);
    let cleaned = cleaned.split(space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let (model, profile) = match raw.as_deref().and_then(|raw| raw.split_once('@')) {
        Some((model, profile)) => {
            (Some(model.to_owned()), Some(profile.to_owned()).filter(|profile| !profile.is_empty()))
        }
        None => (raw, None),
    };
    Directive { cleaned, model, profile, found: true }
}

/// A slash at the beginning of the text or after a space: where what is taken out begins, and where the slash is.
fn start(chars: &[char], at: usize) -> Option<(usize, usize)> {
    if at == 0 && chars.first() == Some(&'/') {
        return Some((0, 0));
    }
    (chars.get(at).is_some_and(|c| space(*c)) && chars.get(at + 1) == Some(&'/')).then_some((at, at + 1))
}

fn word(chars: &[char], from: usize, word: &[char]) -> Option<usize> {
    let same = |a: char, b: char| a == b || (a.to_uppercase().eq(b.to_uppercase()) && a.is_ascii() == b.is_ascii());
    let end = from + word.len();
    let fits = end <= chars.len() && chars[from..end].iter().zip(word).all(|(a, b)| same(*a, *b));
    let ends = chars.get(end).is_none_or(|c| space(*c) || *c == ':');
    (fits && ends).then_some(end)
}

type Found = (usize, usize, Option<String>);

fn skip(chars: &[char], mut at: usize) -> usize {
    while chars.get(at).is_some_and(|c| space(*c)) {
        at += 1;
    }
    at
}

fn named(chars: &[char], from: usize, slash: usize) -> Option<Found> {
    let word_end = word(chars, slash + 1, &['m', 'o', 'd', 'e', 'l'])?;
    let spaces = skip(chars, word_end);
    // A colon belongs to it; a second one begins the name.
    let begin = if chars.get(spaces) == Some(&':') { skip(chars, spaces + 1) } else { spaces };
    let part = |c: &char| c.is_ascii_alphanumeric() || "_.:@-".contains(*c);
    let run = |at: usize| chars[at.min(chars.len())..].iter().take_while(|c| part(c)).count();
    let mut end = begin + run(begin);
    if end == begin {
        // Nothing that can be a name follows.
        return Some((from, begin, None));
    }
    while chars.get(end) == Some(&'/') && run(end + 1) > 0 {
        end += 1 + run(end + 1);
    }
    Some((from, end, Some(chars[begin..end].iter().collect())))
}

fn alias(chars: &[char], from: usize, slash: usize, aliases: &[Vec<char>]) -> Option<Found> {
    let end = aliases.iter().find_map(|alias| word(chars, slash + 1, alias))?;
    let raw: String = chars[slash + 1..end].iter().collect();
    let colon = skip(chars, end);
    let to = if chars.get(colon) == Some(&':') { skip(chars, colon + 1) } else { end };
    Some((from, to, Some(raw)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(body: &str) -> (String, Option<String>, Option<String>) {
        let one = extract(body, &["fast".to_owned(), "fast2".to_owned(), "a+b".to_owned()]);
        assert!(one.found, "{body}");
        (one.cleaned, one.model, one.profile)
    }

    #[test]
    fn what_is_taken_out_and_what_stays() {
        let some = |text: &str| Some(text.to_owned());
        for (body, cleaned, model, profile) in [
            ("/model", "", None, None),
            ("/MODEL: opus", "", some("opus"), None),
            ("/model:opus", "", some("opus"), None),
            ("/model:", "", None, None),
            ("/model a/b/", "/", some("a/b"), None),
            ("/model a//b", "//b", some("a"), None),
            ("/model a+b", "+b", some("a"), None),
            ("x\u{a0}/model y z", "x z", some("y"), None),
            ("/fast2 go", "go", some("fast2"), None),
            ("/fast : go", "go", some("fast"), None),
            ("/a+b", "", some("a+b"), None),
            ("/fast /model slow", "/fast", some("slow"), None),
            ("/model @", "", some(""), None),
            ("a /modelx /model", "a x /model", None, None),
        ] {
            assert_eq!(found(body), (cleaned.to_owned(), model, profile), "{body}");
        }
        for body in ["", "/models", "/fast@x", "x/model", "/fast3", "model"] {
            assert!(!extract(body, &["fast".to_owned()]).found, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(body in "[ /:@a-fmodel\u{3000}é日]{0,24}", alias in "[a-fé/]{0,4}") {
            let one = extract(&body, &[alias]);
            prop_assert!(one.found || one.cleaned == body.trim_matches(space));
        }
    }
}
