//! Templates of messages: ours, embedded, and those that a receiver brings along. All see a [`super::Rendered`] under its names;
//! what is not there is an error, never an empty text. Names that end in `.html` are escaped for pages, `.json` for JSON.

use std::path::Path;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, HtmlEscape, UndefinedBehavior, Value};

use crate::files;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = environment();
    for (name, source) in [
        ("message.txt", include_str!("templates/message.txt")),
        ("message.html", include_str!("templates/message.html")),
    ] {
        templates.add_template(name, source).expect("embedded templates are parsed by a test");
    }
    templates
});

/// A larger file is no template.
const LIMIT: u64 = 256 * 1024;
/// Steps of a template; a message of a hundred items takes some ten thousand.
const FUEL: u64 = 2_000_000;
/// Characters of what a template makes; no channel takes more.
const LONGEST: usize = 1_000_000;

fn environment() -> Environment<'static> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    templates.set_syntax(syntax.expect("the usual delimiters"));
    templates.add_filter("dates", |text: &str| Value::from_safe_string(unbroken_dates(text)));
    templates
}

/// A text for a page, escaped, in which no date is broken over two lines.
fn unbroken_dates(text: &str) -> String {
    const SHAPE: &[u8] = b"dddd-dd-dd dd:dd";
    let fits = |part: &[u8]| {
        let each = |(byte, shape): (&u8, &u8)| if *shape == b'd' { byte.is_ascii_digit() } else { byte == shape };
        part.iter().zip(SHAPE).all(each)
    };
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(at) = rest.as_bytes().windows(SHAPE.len()).position(fits) {
        let (before, date) = rest.split_at(at);
        let (date, after) = date.split_at(SHAPE.len());
        out.push_str(&format!("{}<span class=\"date\">{date}</span>", HtmlEscape(before)));
        rest = after;
    }
    out + &HtmlEscape(rest).to_string()
}

/// Fills one of our templates.
pub(super) fn fill(name: &str, view: &Value) -> String {
    let template = TEMPLATES.get_template(name).expect("embedded");
    template.render(view).expect("every variable is given, which the tests of `render` show for each kind of message")
}

/// What a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Html,
    Json,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Line and column, from 1, if it is somewhere.
    pub place: Option<(usize, usize)>,
    pub what: String,
    pub fix: String,
}

/// Fills a template of somebody's own, read anew each time: an edit counts at once. It may be anything: bounded in size and time.
pub(super) fn fill_own(path: &Path, form: Form, view: &Value) -> Result<String, Trouble> {
    let trouble = |what: String, fix: &str| Trouble { place: None, what, fix: fix.to_owned() };
    let source = match files::read(path, LIMIT) {
        Ok(Some(contents)) => contents.text,
        Ok(None) => return Err(trouble("is not there".to_owned(), "write it, or correct the path in monitor.toml")),
        Err(why) => return Err(trouble(why.why, "make it a readable text file")),
    };
    fill_source(&source, form, view)
}

fn fill_source(source: &str, form: Form, view: &Value) -> Result<String, Trouble> {
    let mut templates = environment();
    templates.set_fuel(Some(FUEL));
    let name = match form {
        Form::Text => "own.txt",
        Form::Html => "own.html",
        Form::Json => "own.json",
    };
    let text = templates.render_named_str(name, source, view).map_err(|error| explained(&error, source))?;
    let trouble = |what: String, fix: &str| Err(Trouble { place: None, what, fix: fix.to_owned() });
    if text.chars().count() > LONGEST {
        return trouble("makes more than a million characters".to_owned(), "write less");
    }
    if form == Form::Json
        && let Err(error) = serde_json::from_str::<serde_json::Value>(&text)
    {
        let what = format!("does not make JSON: at line {} of what it makes, {}", error.line(), reason(&error));
        return trouble(what, "write values as {{ subject }}, without quotes: they get theirs");
    }
    if text.trim().is_empty() {
        return trouble("makes an empty text".to_owned(), "write something outside of the conditions");
    }
    Ok(text)
}

fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

fn explained(error: &minijinja::Error, source: &str) -> Trouble {
    let place = error.line().map(|line| {
        let text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let at = error.range().map(|range| range.start);
        let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let column = at.and_then(|at| at.checked_sub(start)).and_then(|end| text.get(..end));
        (line, column.map_or_else(|| text.len() - text.trim_start().len(), |before| before.chars().count()) + 1)
    });
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let fix = match error.kind() {
        ErrorKind::UndefinedError => {
            "names are those of docs/templates.md: subject, lead, items, labels, …; `{% if x is defined %}` asks first"
        }
        ErrorKind::OutOfFuel => "it goes on for too long: loop over less",
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
            "only what minijinja brings along can be used"
        }
        _ => "correct it; the syntax is that of Jinja",
    };
    Trouble { place, what: format!("{}{detail}", error.kind()), fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn dates_stay_whole() {
        for (text, page) in [
            ("é <b> 2026-11-24 19:00 CST", "é &lt;b&gt; <span class=\"date\">2026-11-24 19:00</span> CST"),
            ("2026-11-24", "2026-11-24"),
            ("", ""),
        ] {
            assert_eq!(unbroken_dates(text), page);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let view = context! { subject => "a \"b\" <c>", items => Vec::<String>::new() };
        let made = |source: &str, form| fill_source(source, form, &view);
        assert_eq!(made("{{ subject }}", Form::Text).as_deref(), Ok("a \"b\" <c>"));
        assert_eq!(made("<p>{{ subject }}</p>", Form::Html).as_deref(), Ok("<p>a &quot;b&quot; &lt;c&gt;</p>"));
        assert_eq!(made("{\"text\": {{ subject }}}", Form::Json).as_deref(), Ok(r#"{"text": "a \"b\" <c>"}"#));
        for (source, form, place, what) in [
            ("one\n  {{ sibject }}", Form::Text, Some(2), "undefined"),
            ("{% for item in items %}", Form::Text, Some(1), "syntax error"),
            ("{{ subject | shout }}", Form::Text, Some(1), "unknown filter"),
            ("{\"text\": \"{{ subject }}\"}", Form::Json, None, "does not make JSON"),
            ("{% if items %}x{% endif %}", Form::Text, None, "an empty text"),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
                Form::Text,
                Some(1),
                "fuel",
            ),
        ] {
            let trouble = made(source, form).expect_err(source);
            assert_eq!(trouble.place.map(|(line, _)| line), place, "{source}: {trouble:?}");
            assert!(trouble.what.contains(what) && !trouble.fix.is_empty(), "{source}: {trouble:?}");
        }
    }
}
