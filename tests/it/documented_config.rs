//! `docs/config.md`: every key of `monitor.toml`. Which keys there are and what they take is what the parser itself says when it is
//! given a wrong one; what they mean is in the template that `monitor init` writes. A key that is in one of them only, or a section that
//! is not listed here, fails the test.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use opensoul::config::{self, Problem};
use opensoul::domain::{Environment, Zone};

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

#[test]
fn the_documented_configuration_is_that_of_the_parser() {
    let roots: BTreeSet<String> = known(&format!("{NONE} = 1\n")).into_iter().collect();
    let listed: BTreeSet<String> =
        SECTIONS.iter().map(|(name, ..)| name.split('.').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(roots, listed, "every section has a row in this test");

    let shown = template();
    let mut fresh = HEAD.to_owned();
    let mut missing = Vec::new();
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
        if ELSEWHERE.contains(&name) {
            continue;
        }
        let keys = known(&format!("{header}\n{NONE} = 1\n{besides}\n"));
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
            writeln!(fresh, "| `{key}` | {} | {value} | {} |", form(header, besides, &key), row.1).unwrap();
        }
    }
    assert!(missing.is_empty(), "src/config/template.toml does not show: {}", missing.join(", "));

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(path, fresh).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text == fresh, "docs/config.md is not up to date: UPDATE_DOCS=1 cargo test --test it documented_config");
}
