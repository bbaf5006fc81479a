//! `docs/config.md` and `docs/monitor.schema.json`: every key of `monitor.toml`. Which keys there are and what they take is what the parser itself says when it is
//! given a wrong one; what they mean is in the template that `monitor init` writes. A key that is in one of them only, or a section that
//! is not listed here, fails the test.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use opensoul::config::channels::{CHANNELS, Sort};
use opensoul::config::{self, Problem};
use opensoul::domain::{Environment, Zone};
use serde_json::{Map, Value, json};

/// Heading, the header of its table, what must be there besides, and where there is more to read.
const SECTIONS: [(&str, &str, &str, &str); 26] = [
    ("schedule", "[schedule]", "", ""),
    ("sources", "[sources]", "", "[sources.md](sources.md)"),
    ("declared", "[[declared]]", "", ""),
    ("providers.NAME", "[providers.mine]", "base_url = 'https://x.example.org'", "[providers.md](providers.md)"),
    (
        "providers.NAME.probe",
        "[providers.mine.probe]",
        "",
        "The keys are those of the rows of `src/providers/catalog/*.toml`",
    ),
    ("probe", "[probe]", "", "[providers.md](providers.md)"),
    ("thresholds", "[thresholds]", "", ""),
    ("receivers", "[[receivers]]", "", "Keys of each `type`: [channels.md](channels.md)"),
    ("routes", "[[routes]]", "", ""),
    ("escalation", "[[escalation]]", "", ""),
    ("maintenance", "[[maintenance]]", "", "[alerts.md](alerts.md)"),
    ("quiet_hours", "[quiet_hours]", "", "[alerts.md](alerts.md)"),
    ("digest", "[digest]", "", ""),
    ("web", "[web]", "", "[page.md](page.md)"),
    ("remote", "[remote]", "", "[alerts.md](alerts.md)"),
    ("actions", "[actions]", "", ""),
    ("export", "[export]", "", "[export.md](export.md)"),
    ("export.alertmanager", "[[export.alertmanager]]", "", "[export.md](export.md)"),
    (
        "export.remote_write",
        "[export.remote_write]",
        "url = 'https://x.example.org/api/v1/write'",
        "[export.md](export.md)",
    ),
    ("export.otlp", "[export.otlp]", "url = 'https://x.example.org/v1/metrics'", "[export.md](export.md)"),
    ("export.pushgateway", "[export.pushgateway]", "url = 'https://x.example.org'", "[export.md](export.md)"),
    ("heartbeat", "[[heartbeat]]", "type = 'gatus'", "[export.md](export.md)"),
    ("chat", "[chat]", "", "[chat.md](chat.md)"),
    ("doctor", "[doctor]", "", "[doctor.md](doctor.md)"),
    ("history", "[history]", "", ""),
    ("identity", "[identity]", "", "[fleet.md](fleet.md)"),
];

/// Sections whose keys depend on what is in them, and have a page or a file of their own.
const ELSEWHERE: [&str; 2] = ["receivers", "providers.NAME.probe"];

/// What the template leaves out, because it stands instead of something that it shows.
const INSTEAD: [(&str, &str, &str, &str); 5] = [
    (
        "providers.NAME",
        "status_page",
        "{ url = \"https://status.example.org/index.json\", format = \"better_stack\" }",
        "where it says that it has trouble, instead of the page that is known",
    ),
    ("export.alertmanager", "username", "\"monitor\"", "with `password`, instead of `token`"),
    ("export.alertmanager", "password", "{ file = \"~/.secrets/alertmanager\" }", "of `username`"),
    ("export.remote_write", "username", "\"monitor\"", "with `password`, instead of `token`"),
    ("export.remote_write", "password", "{ file = \"~/.secrets/prometheus\" }", "of `username`"),
];

/// Sections whose other keys the template shows once.
const AS: [(&str, &str); 2] = [("export.otlp", "export.remote_write"), ("export.pushgateway", "export.remote_write")];

/// Where several URLs may be written as a list.
const LISTS: [(&str, &str); 2] = [("export", "alertmanager"), ("export.alertmanager", "url")];

/// A key that nobody has.
const NONE: &str = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";

const HEAD: &str = "\
# The configuration

`~/.config/opensoul/monitor.toml`; `--config FILE` or `OPENSOUL_MONITOR_CONFIG` name another. Nothing has to be in it. `opensoul monitor
init` writes one with everything in it as comments, `opensoul monitor check-config` says all that is wrong with one, with line and column,
and asks nobody. A running monitor reads it again on SIGHUP (`POST /-/reload`). Written by the program's own tests from its parser.

- Only you or root may be able to write the file: it can name programs.
- A key that does not exist is an error, with the nearest one that does.
- A secret is never written here but is a reference: `{ file = \"~/.secrets/smtp\" }` (a file that only you can read),
  `{ env = \"NAME\" }`, or `{ credential = \"name\" }` (`LoadCredential=` of systemd).
- A bare date is the start of that day in `[schedule] zone`. A span is written `30m`, `12h`, `14d`.
";

fn problems(text: &str) -> Vec<Problem> {
    config::parse(text, None, &Environment::default(), Zone::UTC).err().unwrap_or_default()
}

/// What the parser names when it is asked for a key that nobody has.
fn known(text: &str) -> Vec<String> {
    let asked = problems(text).into_iter().find(|one| one.place.key.as_deref().is_some_and(|key| key.ends_with(NONE)));
    let fix = asked.unwrap_or_else(|| panic!("nothing is said about an unknown key in {text:?}")).fix;
    let names = fix.split_once("known here: ").unwrap_or_else(|| panic!("{fix}")).1;
    names.split(", ").map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What the parser expects where a date stands; nothing if a date will do, or several forms.
fn form(header: &str, besides: &str, key: &str) -> String {
    let said = |value: &str| {
        let rest: Vec<&str> = besides.lines().filter(|line| !line.starts_with(&format!("{key} "))).collect();
        let text = format!("{header}\n{key} = {value}\n{}\n", rest.join("\n"));
        let here = |one: &Problem| one.place.key.as_deref().is_some_and(|name| name.ends_with(&format!(".{key}")));
        problems(&text).into_iter().filter(here).find_map(|one| {
            let wanted = one.what.strip_prefix("expected ")?.rsplit_once(", found ")?.0.to_owned();
            Some(wanted)
        })
    };
    said("1979-05-27T07:32:00Z").unwrap_or_default()
}

/// What the template says of a key: its value there, and the remark beside it.
struct Shown {
    section: String,
    key: String,
    value: String,
    remark: String,
    /// The section itself is only an example.
    example: bool,
}

/// The template as a list of keys.
fn template() -> Vec<Shown> {
    let (mut found, mut section, mut example) = (Vec::<Shown>::new(), String::new(), false);
    for line in config::TEMPLATE.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.trim_start_matches('[').to_owned();
            example = line.starts_with('#');
            continue;
        }
        let Some((key, rest)) = bare.split_once(" = ").filter(|(key, _)| !key.contains(' ') && line.starts_with('#'))
        else {
            continue;
        };
        let (value, remark) = rest.split_once("  #").or(rest.split_once(" #")).unwrap_or((rest, ""));
        let texts = (value.trim().to_owned(), remark.trim().to_owned());
        found.push(Shown { section: section.clone(), key: key.to_owned(), value: texts.0, remark: texts.1, example });
    }
    found
}

/// The name that the template's own names stand for.
fn heading(section: &str) -> String {
    let mut parts: Vec<&str> = section.split('.').collect();
    if parts[0] == "providers" && parts.len() > 1 {
        parts[1] = "NAME";
    }
    parts.join(".")
}

/// What [`form`] says, as JSON Schema; several forms, and dates, are anything.
fn typed(form: &str, remark: &str) -> Value {
    let mut schema = match form {
        "a string" => json!({ "type": "string" }),
        "a URL" => json!({ "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/secret" }] }),
        "a list" => json!({ "type": "array" }),
        "a table" => json!({ "type": "object" }),
        "true or false" => json!({ "type": "boolean" }),
        "" => json!({}),
        number => {
            let range = number.strip_prefix("a whole number from ").and_then(|range| range.split_once(" to "));
            let (least, most) = range.unwrap_or_else(|| panic!("{number:?} is no form that is known here"));
            let bound = |text: &str| text.parse::<i64>().expect("a number");
            json!({ "type": "integer", "minimum": bound(least), "maximum": bound(most) })
        }
    };
    if !remark.is_empty() {
        schema["description"] = remark.into();
    }
    schema
}

fn closed(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// Each type has fields of its own beside those of all.
fn receiver() -> Value {
    let types: Vec<&str> = CHANNELS.iter().map(|channel| channel.name).chain(["email", "webhook"]).collect();
    let forms = types.iter().map(|name| {
        let header = format!("[[receivers]]\nname = 'x'\ntype = '{name}'");
        let fields = CHANNELS.iter().find(|channel| channel.name == *name).map_or(&[][..], |channel| channel.fields);
        let known = known(&format!("{header}\n{NONE} = 1\n")).into_iter();
        let properties = known.map(|key| {
            let schema = match fields.iter().find(|field| field.name == key) {
                None if ["name", "type"].contains(&key.as_str()) => json!({ "type": "string" }),
                None => typed(&form(&header, "", &key), ""),
                Some(field) => {
                    let mut schema = match field.sort {
                        Sort::Text | Sort::Path => json!({ "type": "string" }),
                        Sort::Secret => json!({ "$ref": "#/$defs/secret" }),
                        Sort::Url => json!({ "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/secret" }] }),
                        Sort::Choice(words) => json!({ "enum": words }),
                        Sort::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
                        Sort::Flag => json!({ "type": "boolean" }),
                        Sort::Texts => json!({ "type": "array", "items": { "type": "string" } }),
                    };
                    schema["description"] = field.about.into();
                    schema
                }
            };
            (key, schema)
        });
        let mut schema = closed(properties.collect());
        let needed = fields.iter().filter(|field| field.required).map(|field| field.name);
        schema["required"] = ["name", "type"].into_iter().chain(needed).collect();
        json!({ "if": { "properties": { "type": { "const": name } } }, "then": schema })
    });
    json!({
        "type": "object",
        "required": ["name", "type"],
        "properties": { "type": { "enum": types } },
        "allOf": forms.collect::<Vec<_>>(),
    })
}

/// The sections, each with what is in it, as one schema.
fn schema(mut sections: Vec<(&str, &str, Map<String, Value>)>) -> Value {
    let mut root = Map::new();
    // Those that stand in others first.
    sections.sort_by_key(|(name, ..)| std::cmp::Reverse(name.matches('.').count()));
    let mut inner: Vec<(&str, Value)> = Vec::new();
    for (name, header, mut properties) in sections {
        inner.retain(|(path, schema)| {
            let Some((_, key)) = path.rsplit_once('.').filter(|(parent, _)| *parent == name) else { return true };
            let whole = match properties.get(key) {
                Some(short) if short["type"] != "object" => json!({ "anyOf": [short, schema] }),
                _ => schema.clone(),
            };
            properties.insert(key.to_owned(), whole);
            false
        });
        let own = if name == "receivers" { receiver() } else { closed(properties) };
        let one_will_do = !problems(&format!("[{name}]\n")).iter().any(|one| one.what.contains("as one table"));
        let whole = match (header.starts_with("[["), one_will_do) {
            (true, true) => json!({ "anyOf": [own, { "type": "array", "items": own }] }),
            (true, false) => json!({ "type": "array", "items": own }),
            (false, _) => own,
        };
        match name.split_once('.') {
            None => drop(root.insert(name.to_owned(), whole)),
            Some((parent, "NAME")) => {
                drop(root.insert(parent.to_owned(), json!({ "type": "object", "additionalProperties": whole })));
            }
            Some(_) => inner.push((name, whole)),
        }
    }
    assert!(inner.is_empty(), "in no section: {inner:?}");
    let mut schema = closed(root);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "monitor.toml".into();
    schema["description"] =
        "The configuration of opensoul's monitor, for editors. `opensoul monitor check-config` knows more: what goes \
                             together, and what a text may be."
            .into();
    let reference = json!({
        "type": "object",
        "description": "Where a secret is: it is never written here.",
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": { "file": { "type": "string" }, "env": { "type": "string" }, "credential": { "type": "string" } },
    });
    schema["$defs"] = json!({ "secret": reference });
    schema
}

/// As it is in the repository, or written anew.
fn up_to_date(file: &str, fresh: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(path, fresh).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text == fresh, "{file} is not up to date: UPDATE_DOCS=1 cargo test --test it documented_config");
}

#[test]
fn the_documented_configuration_is_that_of_the_parser() {
    let roots: BTreeSet<String> = known(&format!("{NONE} = 1\n")).into_iter().collect();
    let listed: BTreeSet<String> =
        SECTIONS.iter().map(|(name, ..)| name.split('.').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(roots, listed, "every section has a row in this test");

    let shown = template();
    let mut fresh = HEAD.to_owned();
    let mut missing = Vec::new();
    let mut sections = Vec::new();
    for (name, header, besides, more) in SECTIONS {
        let of = |section: &str, key: &str| {
            let all = shown.iter().filter(|one| heading(&one.section) == section && one.key == key);
            // With words beside it, if it stands there several times.
            all.max_by_key(|one| !one.remark.is_empty())
        };
        let other = AS.iter().find(|(section, _)| *section == name).map_or(name, |(_, other)| *other);
        let (open, close) = if header.starts_with("[[") { ("[[", "]]") } else { ("[", "]") };
        write!(fresh, "\n## {open}{name}{close}\n\n").unwrap();
        if !more.is_empty() {
            writeln!(fresh, "{more}.\n").unwrap();
        }
        if name == "receivers" {
            sections.push((name, header, Map::new()));
            continue;
        }
        let keys = known(&format!("{header}\n{NONE} = 1\n{besides}\n"));
        if ELSEWHERE.contains(&name) {
            let all = keys.into_iter().map(|key| (typed(&form(header, besides, &key), ""), key));
            sections.push((name, header, all.map(|(schema, key)| (key, schema)).collect()));
            continue;
        }
        let mut properties = Map::new();
        let example = shown.iter().any(|one| heading(&one.section) == name && one.example);
        let what = if example { "for example" } else { "default" };
        writeln!(fresh, "| key | takes | {what} | |\n|---|---|---|---|").unwrap();
        for key in keys {
            let nested = SECTIONS.iter().any(|(other, ..)| *other == format!("{name}.{key}"));
            let instead = INSTEAD.iter().find(|(section, known, ..)| *section == other && *known == key);
            let row = match (of(name, &key).or_else(|| of(other, &key)), instead) {
                (Some(one), _) => (one.value.replace('|', "\\|"), one.remark.replace('|', "\\|")),
                (None, Some((_, _, value, remark))) => ((*value).to_owned(), (*remark).to_owned()),
                (None, None) if nested => (String::new(), "below".to_owned()),
                (None, None) => {
                    missing.push(format!("[{name}] {key}"));
                    continue;
                }
            };
            let value = if row.0.is_empty() { String::new() } else { format!("`{}`", row.0) };
            let form = form(header, besides, &key);
            writeln!(fresh, "| `{key}` | {form} | {value} | {} |", row.1).unwrap();
            let mut schema = typed(&form, &row.1);
            if LISTS.contains(&(name, key.as_str())) {
                schema = json!({ "anyOf": [schema, { "type": "array", "items": schema }] });
            }
            properties.insert(key, schema);
        }
        sections.push((name, header, properties));
    }
    assert!(missing.is_empty(), "src/config/template.toml does not show: {}", missing.join(", "));

    up_to_date("docs/config.md", &fresh);
    up_to_date("docs/monitor.schema.json", &(serde_json::to_string_pretty(&schema(sections)).unwrap() + "\n"));
}
