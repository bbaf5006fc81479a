//! The book: every link of the documents leads somewhere, every document can be reached from its index, and the README in Chinese
//! says what the other one says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every document for people: the READMEs, and everything below `docs` and beside what is shipped.
fn documents() -> Vec<PathBuf> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|end| end == "md") {
                into.push(path);
            }
        }
    }
    let mut found: Vec<PathBuf> =
        ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)).into();
    for folder in ["docs", "dashboards", "deploy", "systemd", "termux"] {
        walk(&root().join(folder), &mut found);
    }
    found.sort();
    found
}

/// Lines that are not code.
fn prose(text: &str) -> Vec<&str> {
    let mut code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            lines.push(line);
        }
    }
    lines
}

/// The targets of `[text](target)`, outside of code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // What stands between backticks is shown, not linked; the text of a link may have some.
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, more)) = after.split_once(')') else { break };
            found.push(target.split(' ').next().unwrap_or_default().to_owned());
            rest = more;
        }
    }
    found
}

/// The anchors of a document, as GitHub makes them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let mut found = BTreeSet::new();
    for line in prose(text) {
        let Some(heading) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()) else { continue };
        let kept = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == ' ';
        let name: String = heading
            .chars()
            .filter(|c| kept(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect::<String>()
            .to_lowercase();
        let times = seen.entry(name.clone()).or_default();
        found.insert(if *times == 0 { name.clone() } else { format!("{name}-{times}") });
        *times += 1;
    }
    found
}

/// A path without `..` in it.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// What a link of a document leads to in this repository, with the anchor; nothing for links to elsewhere.
fn target(document: &Path, link: &str) -> Option<(PathBuf, Option<String>)> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor.to_owned())));
    let path = if path.is_empty() { document.to_owned() } else { document.parent().expect("a folder").join(path) };
    Some((plain(&path), anchor))
}

#[test]
fn every_link_leads_somewhere() {
    let (mut broken, mut seen) = (Vec::new(), 0);
    for document in documents() {
        for link in links(&read(&document)) {
            let Some((path, anchor)) = target(&document, &link) else { continue };
            seen += 1;
            let inside = path.starts_with(root()) && path.exists();
            let there = inside
                && anchor.is_none_or(|anchor| {
                    path.extension().is_none_or(|end| end != "md") || anchors(&read(&path)).contains(&anchor)
                });
            if !there {
                broken.push(format!("{}: {link}", document.strip_prefix(root()).expect("inside").display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(seen > 100, "the reader of links has gone blind: {seen}");
}

#[test]
fn every_document_is_in_the_book() {
    let index = root().join("docs/README.md");
    let mut reached = BTreeSet::from([index.clone()]);
    let mut open = vec![index];
    while let Some(document) = open.pop() {
        for (path, _) in links(&read(&document)).iter().filter_map(|link| target(&document, link)) {
            if path.extension().is_some_and(|end| end == "md")
                && path.starts_with(root().join("docs"))
                && reached.insert(path.clone())
            {
                open.push(path);
            }
        }
    }
    let lost: Vec<String> = documents()
        .into_iter()
        .filter(|path| path.starts_with(root().join("docs")) && !reached.contains(path))
        .map(|path| path.display().to_string())
        .collect();
    assert!(lost.is_empty(), "docs/README.md leads to none of these: {}", lost.join(", "));
}

/// What must be the same in both languages: the levels of headings, code, links, words in backticks, and every number.
#[derive(Debug, PartialEq, Eq)]
struct Bones {
    headings: Vec<usize>,
    code: Vec<String>,
    links: BTreeSet<String>,
    words: BTreeSet<String>,
    numbers: Vec<String>,
    rows: usize,
}

impl Bones {
    fn of(text: &str) -> Self {
        let prose = prose(text);
        let level = |line: &&str| line.starts_with('#').then(|| line.chars().take_while(|c| *c == '#').count());
        let mut code = Vec::new();
        for (number, block) in text.split("```").enumerate() {
            if number % 2 == 1 {
                // Remarks are translated.
                let bare = block.lines().map(|line| line.split("  #").next().unwrap_or_default().trim_end());
                code.push(bare.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"));
            }
        }
        let digits = |line: &str| line.split(|c: char| !c.is_ascii_digit()).map(str::to_owned).collect::<Vec<_>>();
        let mut numbers: Vec<String> =
            prose.iter().flat_map(|line| digits(line)).filter(|number| !number.is_empty()).collect();
        numbers.sort();
        let quoted = prose.iter().flat_map(|line| line.split('`').skip(1).step_by(2));
        Self {
            headings: prose.iter().filter_map(level).collect(),
            code,
            // Each names the other.
            links: links(text).into_iter().filter(|link| !link.starts_with("README")).collect(),
            words: quoted.map(str::to_owned).collect(),
            numbers,
            rows: prose.iter().filter(|line| line.starts_with('|')).count(),
        }
    }
}

#[test]
fn the_chinese_readme_is_true_to_the_other() {
    let (english, chinese) = (read(&root().join("README.md")), read(&root().join("README.zh-CN.md")));
    assert!(english.contains("](README.zh-CN.md)") && chinese.contains("](README.md)"), "each leads to the other");
    assert_eq!(Bones::of(&english), Bones::of(&chinese));
    // No line of the other's was left as it was.
    let said = |line: &&str| line.split(' ').filter(|word| word.chars().all(|c| c.is_ascii_lowercase())).count() > 3;
    let left: Vec<&str> = prose(&chinese).into_iter().filter(said).collect();
    assert!(left.is_empty(), "not translated: {}", left.join("\n"));
}

/// What a document has without a word in its description.
fn undescribed(value: &Value, schema: &Value, all: &Value, place: &str, missing: &mut BTreeSet<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &all[name.rsplit('/').next().expect("a name")],
        None => schema,
    };
    match value {
        Value::Object(fields) => {
            // What is described as an object only is open to anything.
            let Some(known) = schema["properties"].as_object() else { return };
            for (name, value) in fields {
                let place = format!("{place}.{name}");
                match known.get(name) {
                    Some(schema) => undescribed(value, schema, all, &place, missing),
                    None => drop(missing.insert(place)),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| undescribed(item, &schema["items"], all, place, missing)),
        _ => {}
    }
}

/// `/api/v1/status` serves the document of `status --json`.
#[test]
fn the_api_is_described_with_every_field_of_a_status() {
    let parsed = |path: &str| -> Value { serde_json::from_str(&read(&root().join(path))).expect(path) };
    let (api, mut status) = (parsed("docs/openapi.json"), parsed("tests/fixtures/home.golden.json"));
    let schemas = &api["components"]["schemas"];
    // What the golden home has none of.
    let at = "2026-11-22T12:00:00Z";
    status["credentials"][0]["balance"] = json!({
        "amount": 1.0, "currency": "USD", "at": at, "runwayDays": 3, "runwayDaysLeast": 2, "runwayDaysMost": null,
        "runsOut": { "at": at, "earliest": at, "latest": null, "warnAt": at, "criticalAt": null },
    });
    let mut missing = BTreeSet::new();
    undescribed(&status, &schemas["Status"], schemas, "Status", &mut missing);
    assert!(missing.is_empty(), "not in docs/openapi.json: {missing:?}");
    status["credentials"][0]["unheardOf"] = json!(1);
    undescribed(&status, &schemas["Status"], schemas, "Status", &mut missing);
    assert_eq!(missing, BTreeSet::from(["Status.credentials.unheardOf".to_owned()]));
}
