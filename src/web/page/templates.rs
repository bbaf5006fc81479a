//! The layout that all pages share, and the only door to HTML.
//!
//! `base.html` is the frame; a page extends it and has a [`Shell`] under the name `shell`. Texts of the templates are English and
//! pass through the filter `t`, which says them in the reader's language; `output/chinese/web.txt` has the rows.

use std::sync::LazyLock;

use minijinja::Environment;
use serde::Serialize;

use crate::domain::Lang;
use crate::output::wording::spoken;

/// The style sheet.
pub(in crate::web) const STYLE: &str = include_str!("../assets/style.css");
/// The little that makes the page better.
pub(in crate::web) const SCRIPT: &str = include_str!("../assets/script.js");
/// The picture in the tab.
pub(in crate::web) const ICON: &str = include_str!("../assets/icon.svg");

const SOURCES: [(&str, &str); 6] = [
    ("base.html", include_str!("../templates/base.html")),
    ("macros.html", include_str!("../templates/macros.html")),
    ("page.html", include_str!("../templates/page.html")),
    ("credential.html", include_str!("../templates/credential.html")),
    ("login.html", include_str!("../templates/login.html")),
    ("notice.html", include_str!("../templates/notice.html")),
];

/// What the frame needs.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::web) struct Shell {
    /// `en`, `zh-CN`.
    pub lang: Lang,
    /// This page in the other language.
    pub other: String,
    pub version: &'static str,
    pub host: String,
    pub title: String,
    /// Colours the mark in the frame: `ok`, `warning`, `critical`, …
    pub mood: &'static str,
    /// Who is logged in.
    pub who: Option<Who>,
    /// Somebody can log in at all.
    pub writable: bool,
    /// What was just done, said once.
    pub done: Option<String>,
}

/// Somebody who is logged in.
#[derive(Clone, Debug, Serialize)]
pub(in crate::web) struct Who {
    pub name: String,
    /// Goes with every form.
    pub csrf: String,
}

impl Shell {
    pub fn titled(mut self, title: &str, mood: &'static str) -> Self {
        title.clone_into(&mut self.title);
        self.mood = mood;
        self
    }
}

/// A page with nothing but a sentence: an error, or what comes of something.
#[derive(Serialize)]
pub(in crate::web) struct Notice {
    pub shell: Shell,
    pub text: String,
}

/// A page as HTML.
pub(in crate::web) fn render(name: &str, lang: Lang, page: &impl Serialize) -> String {
    static ENGLISH: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Lang::English));
    static CHINESE: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Lang::Chinese));
    let environment = match lang {
        Lang::English => &ENGLISH,
        Lang::Chinese => &CHINESE,
    };
    let template = environment.get_template(name).expect("an embedded template");
    template
        .render(minijinja::Value::from(minijinja::value::Serde(page)))
        .expect("the template uses only what the page has")
}

fn environment(lang: Lang) -> Environment<'static> {
    let mut made = Environment::new();
    made.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    made.add_filter("t", move |text: String| spoken(lang, text));
    made.add_filter("breakable", |text: String| minijinja::Value::from_safe_string(breakable(&text)));
    made.add_filter("words", |text: String| minijinja::Value::from_safe_string(words(&text)));
    for (name, source) in SOURCES {
        // The name decides: minijinja escapes in templates whose name ends in .html, and in no other.
        made.add_template(name, source).expect("the embedded templates are valid");
    }
    made
}

/// An id or a path that may be broken where one reads a pause, not only in the middle of a word.
fn breakable(text: &str) -> String {
    let parts: Vec<_> = text.split_inclusive('/').map(|part| minijinja::HtmlEscape(part).to_string()).collect();
    parts.join("<wbr>")
}

/// A command, whose words stay whole as long as they fit: `-` at the end of a line and `-yes` on the next are something else.
fn words(text: &str) -> String {
    let words: Vec<_> = text.split(' ').map(|word| format!("<span>{}</span>", minijinja::HtmlEscape(word))).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text of the templates, `"…"|t`.
    fn texts() -> Vec<&'static str> {
        let ends =
            SOURCES.iter().flat_map(|(_, source)| source.match_indices("\"|t").map(move |(at, _)| &source[..at]));
        ends.filter_map(|before| before.rsplit_once('"')).map(|(_, text)| text).collect()
    }

    #[test]
    fn every_text_has_a_row() {
        let texts = texts();
        assert!(texts.len() > 80, "the reader of templates has gone blind: {}", texts.len());
        let missing: Vec<_> =
            texts.into_iter().filter(|text| spoken(Lang::Chinese, (*text).to_owned()) == *text).collect();
        assert!(missing.is_empty(), "add rows to src/output/chinese/web.txt:\n{}", missing.join("\n"));
    }

    /// What stands between tags and is no expression.
    #[test]
    fn no_text_goes_by_the_filter() {
        for (name, source) in SOURCES {
            let mut text = String::new();
            let mut rest = source;
            while let Some(at) = rest.find(['<', '{']) {
                text.push_str(&rest[..at]);
                text.push('\n');
                let end = match rest.as_bytes().get(at..at + 2) {
                    Some(b"{{") => "}}",
                    Some(b"{%") => "%}",
                    Some(b"{#") => "#}",
                    _ => ">",
                };
                rest = rest[at..].split_once(end).map_or("", |(_, after)| after);
            }
            let said: Vec<&str> = text
                .split(['\n', '·'])
                .filter(|line| line.chars().filter(|c| c.is_alphabetic()).count() > 1)
                .filter(|line| !["opensoul", "English", "OpenAPI", "JSON"].contains(&line.trim()))
                .collect();
            assert!(said.is_empty(), "{name}: {said:?}");
        }
    }
}
