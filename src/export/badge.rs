//! `/badge/<credential>.svg`: the state of one credential in a picture, for a wiki or a README. PURE. It leaves this machine: no
//! e-mail address, no place, no reason is in it.

use crate::domain::{Assessed, Lang, Pseudonyms, Severity, State};
use crate::output::wording::spoken;

/// Longest name that is shown.
const NAME: usize = 48;

/// The picture. `None` stands for a credential that is not there.
#[must_use]
pub fn badge(name: &str, found: Option<&Assessed>, names: &Pseudonyms, lang: Lang) -> String {
    let (word, colour) = match found {
        None => ("unknown".to_owned(), "#6d7580"),
        Some(one) => {
            let state = one.judgement.state;
            let colour = match (one.judgement.severity, state) {
                (Severity::Critical, _) => "#b4232a",
                (Severity::Warning, _) => "#8f5400",
                // Green is what works; what does not and is used by nobody is grey.
                (_, State::Ok | State::Static | State::Expiring) => "#2c7a4b",
                _ => "#6d7580",
            };
            (spoken(lang, state.word().to_owned()).replace('_', " "), colour)
        }
    };
    let name: String = names.apply(name).chars().filter(|c| !c.is_control()).take(NAME).collect();
    let (left, right) = (width(&name), width(&word));
    let whole = left + right;
    let (name_at, word_at) = (left / 2, left + right / 2);
    let (name, word) = (escaped(&name), escaped(&word));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" aria-label=\"{name}: {word}\">\
         <title>{name}: {word}</title><clipPath id=\"r\"><rect width=\"{whole}\" height=\"20\" rx=\"3\"/></clipPath>\
         <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"#41474e\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/></g>\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"system-ui,Verdana,sans-serif\" font-size=\"11\">\
         <text x=\"{name_at}\" y=\"14\" textLength=\"{name_long}\" lengthAdjust=\"spacingAndGlyphs\">{name}</text>\
         <text x=\"{word_at}\" y=\"14\" textLength=\"{word_long}\" lengthAdjust=\"spacingAndGlyphs\">{word}</text></g></svg>\n",
        name_long = left - 12,
        word_long = right - 12,
    )
}

/// About what its letters take, with room on both sides.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 13 } else { 22 }).sum::<usize>() / 2 + 12
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_public_and_no_markup() {
        let names = Pseudonyms::new([("me@x.org".to_owned(), 3)].into(), false);
        let text = badge("openai:me@x.org<script>\"&", None, &names, Lang::English);
        assert!(text.contains("<title>openai:user-3&lt;script&gt;&quot;&amp;: unknown</title>"), "{text}");
        assert!(!text.contains("me@x") && !text.contains("<script"), "{text}");
        let long = badge(&"x".repeat(500), None, &names, Lang::English);
        assert!(long.contains(&"x".repeat(NAME)) && !long.contains(&"x".repeat(NAME + 1)));
    }
}
