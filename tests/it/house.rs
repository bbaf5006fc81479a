//! The rules of the house that the compiler cannot check: who may use whom, and which rooms are pure.
//!
//! The list of rooms and their order is read from the table in `src/lib.rs`, so that there is one list.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms between these two, both included, do not use each other.
const SIBLINGS: (&str, &str) = ("sources", "remote");

/// Pure rooms, and pure files of other rooms.
const PURE: [&str; 13] = [
    "domain/",
    "engine/",
    "formats/",
    "output/",
    "notify/render.rs",
    "notify/signer.rs",
    "providers/classify.rs",
    "chat/answer.rs",
    "chat/bounds.rs",
    "chat/command.rs",
    "chat/conversation.rs",
    "chat/model/",
    "chat/telegram/update.rs",
];

/// What a pure room cannot have. Types of `std::net` are data, but whoever needs them there is about to do I/O.
const IMPURE: [&str; 18] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "tokio",
    "tracing",
    "reqwest",
    "rusqlite",
    "rustix",
    "SystemTime",
    "Instant",
    ".exists()",
    ".is_file()",
    ".is_dir()",
    ".canonicalize()",
    ".metadata()",
    ".read_dir()",
];

/// The rooms in the order of the table in `src/lib.rs`.
fn rooms(lib: &str) -> Vec<String> {
    lib.lines()
        .filter_map(|line| line.strip_prefix("//! | [`")?.split_once("`]"))
        .map(|(room, _)| room.to_owned())
        .collect()
}

/// The text with comments, strings and characters blanked, line breaks kept.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |out: &mut String, from: usize, to: usize| {
        out.extend(chars[from..to.min(chars.len())].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
    };
    let find = |from: usize, end: &str| {
        let end: Vec<char> = end.chars().collect();
        (from..chars.len()).find(|i| chars[*i..].starts_with(&end)).map_or(chars.len(), |i| i + end.len())
    };
    while at < chars.len() {
        let rest = &chars[at..];
        let before = at.checked_sub(1).map(|i| chars[i]);
        let end = match rest {
            ['/', '/', ..] => find(at, "\n") - usize::from(find(at, "\n") < chars.len()),
            ['/', '*', ..] => find(at + 2, "*/"),
            ['r', '#' | '"', ..] if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') => {
                let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
                if rest.get(1 + hashes) == Some(&'"') {
                    find(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes)))
                } else {
                    at
                }
            }
            ['"', ..] => {
                let mut i = at + 1;
                while i < chars.len() && chars[i] != '"' {
                    i += if chars[i] == '\\' { 2 } else { 1 };
                }
                i + 1
            }
            ['\'', '\\', ..] => find(at + 3, "'"),
            ['\'', _, '\'', ..] => at + 3,
            _ => at,
        };
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            blank(&mut out, at, end);
            at = end;
        }
    }
    out
}

/// The code without what is compiled for tests only: by the convention of this house, from the first
/// `#[cfg(test)]` module with a body to the end of the file.
fn without_tests(code: &str) -> &str {
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]").map(|i| i + from) {
        let after = code[found + "#[cfg(test)]".len()..].trim_start();
        let head = after.split(['{', ';']).next().unwrap_or("");
        if after.starts_with("mod ") && after[head.len()..].starts_with('{') {
            return &code[..found];
        }
        from = found + 1;
    }
    code
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn ident(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

/// The names right after a path prefix: one, or each of a group.
fn names_after(text: &str) -> Vec<String> {
    let Some(group) = text.trim_start().strip_prefix('{') else { return vec![ident(text).to_owned()] };
    let mut names = Vec::new();
    let (mut depth, mut start) = (0, true);
    for (at, c) in group.char_indices() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                names.push(ident(&group[at..]).to_owned());
                start = false;
            }
            _ => {}
        }
    }
    names
}

/// Every use of a room in a file: line and room.
fn uses(code: &str, rooms: &[String], file: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // From `room/file.rs` the crate's root is two up, from `room/mod.rs` one.
    let depth = file.matches('/').count() + usize::from(!file.ends_with("/mod.rs"));
    for prefix in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let names = names_after(&code[at + prefix.len()..]);
            found.extend(names.into_iter().filter(|n| rooms.contains(n)).map(|n| (line_of(code, at), n)));
        }
    }
    found
}

fn wrong_uses(file: &str, text: &str, rooms: &[String]) -> Vec<String> {
    let own = file.split(['/', '.']).next().unwrap_or("");
    let place = |room: &str| rooms.iter().position(|r| r == room);
    let Some(own_place) = place(own) else { return Vec::new() };
    let (Some(first), Some(last)) = (place(SIBLINGS.0), place(SIBLINGS.1)) else {
        return vec![format!("src/lib.rs: the table has no {} or {}", SIBLINGS.0, SIBLINGS.1)];
    };
    let siblings = first..=last;
    let code = code_of(text);
    let mut wrong = Vec::new();
    for (line, used) in uses(&code, rooms, file) {
        let Some(used_place) = place(&used).filter(|p| *p != own_place) else { continue };
        if used_place > own_place {
            wrong.push(format!(
                "src/{file}:{line}: `{own}` uses `{used}`, which stands below it in the table of src/lib.rs"
            ));
        } else if siblings.contains(&own_place) && siblings.contains(&used_place) {
            wrong.push(format!(
                "src/{file}:{line}: `{own}` uses `{used}`; rooms from {} to {} do not use each other (monitor, web and cli tie \
                 them together)",
                SIBLINGS.0, SIBLINGS.1
            ));
        }
    }
    wrong
}

fn impurities(file: &str, text: &str) -> Vec<String> {
    let is_test = file.ends_with("tests.rs") || file.ends_with("fixture.rs") || file.contains("/tests/");
    if is_test || !PURE.iter().any(|pure| file.starts_with(pure)) {
        return Vec::new();
    }
    let code = code_of(text);
    let code = without_tests(&code);
    let mut wrong = Vec::new();
    for word in IMPURE {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if !word.starts_with('.') && (inside(before) || inside(after)) {
                continue;
            }
            wrong.push(format!("src/{file}:{}: `{word}` in a pure room", line_of(code, at)));
        }
    }
    for (at, _) in code.match_indices("std::{") {
        for name in names_after(&code[at + "std::".len()..]) {
            if IMPURE.contains(&format!("std::{name}").as_str()) {
                wrong.push(format!("src/{file}:{}: `std::{name}` in a pure room", line_of(code, at)));
            }
        }
    }
    wrong
}

/// Every source file below `src`, as a path from there.
fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("src can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&src, &mut paths);
    paths.sort();
    let relative = |path: &Path| path.strip_prefix(&src).expect("below src").display().to_string();
    paths.iter().map(|path| (relative(path), fs::read_to_string(path).expect("a source file"))).collect()
}

#[test]
fn rooms_use_only_what_stands_above_them() {
    let sources = sources();
    let lib = &sources.iter().find(|(file, _)| file == "lib.rs").expect("lib.rs").1;
    let rooms = rooms(lib);
    for (file, _) in &sources {
        let room = file.split(['/', '.']).next().unwrap_or("");
        assert!(
            ["lib", "main"].contains(&room) || rooms.iter().any(|r| r == room),
            "src/{file} is in no room of the table in src/lib.rs"
        );
    }
    let wrong: Vec<String> = sources.iter().flat_map(|(file, text)| wrong_uses(file, text, &rooms)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn pure_rooms_are_pure() {
    let wrong: Vec<String> = sources().iter().flat_map(|(file, text)| impurities(file, text)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The ids that a text gives to findings: written where the finding is made, given by a constant, or set afterwards.
fn finding_ids(text: &str, constant: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let written = |rest: &str| Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned());
    let named = |rest: &str| {
        let path = rest.trim_start().split_once(',')?.0;
        constant(path.rsplit("::").next().unwrap_or(path))
    };
    let made = text.split("Finding::new(").skip(1).filter_map(|rest| written(rest).or_else(|| named(rest)));
    let set = text.split(".id = ").skip(1).filter_map(written).filter(|id| id.contains('.'));
    made.chain(set).collect()
}

/// The value of `const NAME: &str` anywhere in the sources.
fn constant(sources: &[(String, String)], name: &str) -> Option<String> {
    let is_constant = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let start = format!("const {name}: &str = \"");
    let find = |text: &String| Some(text.split_once(&start)?.1.split_once('"')?.0.to_owned());
    is_constant.then(|| sources.iter().find_map(|(_, text)| find(text)).expect("the constant of a finding's id"))
}

#[test]
fn findings_are_in_the_doctors_registry() {
    let known: Vec<&str> = opensoul::doctor::checks().map(|check| check.id).chain(["doctor.check-failed"]).collect();
    let documented = include_str!("../../docs/doctor.md");
    let sources = sources();
    let mut seen = Vec::new();
    for (file, text) in &sources {
        if file.ends_with("tests.rs") || file.ends_with("fixture.rs") {
            continue;
        }
        for id in finding_ids(without_tests(text), |name| constant(&sources, name)) {
            assert!(known.contains(&id.as_str()), "src/{file} makes `{id}`: add it to src/doctor/sources.rs");
            assert!(documented.contains(&format!("`{id}`")), "src/{file} makes `{id}`: add it to docs/doctor.md");
            seen.push(id);
        }
    }
    for id in ["env.login-shell", "store.unparsable", "config.unreadable", "config.invalid", "own.config-invalid"] {
        assert!(seen.iter().any(|s| s == id), "`{id}` not found: is it made in another way now?");
    }
}

mod of_the_tests_themselves {
    use super::*;

    fn table() -> Vec<String> {
        rooms(
            "//! | room | x |\n//! | [`domain`] | x |\n//! | [`engine`] | x |\n//! | [`sources`] | x |\n//! | [`gateway`] | x |\n//! | [`export`] | x |\n//! | [`chat`] | x |\n//! | [`remote`] | x |\n//! | [`web`] | x |\n",
        )
    }

    #[test]
    fn a_use_of_a_lower_room_is_found_wherever_it_is() {
        let bad = [
            ("engine/x.rs", "use crate::sources::Found;"),
            ("engine/x.rs", "use crate::{domain::Time, sources::{self, Found}};"),
            ("engine/x.rs", "fn f(a: &crate::web::Page) {}"),
            ("engine/mod.rs", "use super::sources;"),
            ("engine/deep/x.rs", "use super::super::super::web::Page;"),
            ("sources/x.rs", "pub use crate::gateway::look;"),
            ("export/x.rs", "use crate::{\n    domain::{A, B},\n    gateway,\n};"),
        ];
        for (file, text) in bad {
            assert_eq!(wrong_uses(file, text, &table()).len(), 1, "{file}: {text}");
        }
    }

    #[test]
    fn what_is_allowed_or_is_no_code_is_quiet() {
        let good = [
            ("engine/x.rs", "use crate::domain::Time;"),
            ("web/x.rs", "use crate::{sources, gateway};"),
            ("engine/x.rs", "// crate::sources\n/// [`crate::sources`]\n/* crate::web */ let a = \"crate::web\";"),
            ("engine/x.rs", "let a = r#\"crate::web \" crate::web\"#; let b = '\"'; let c = \"\\\"crate::web\";"),
            ("engine/x.rs", "fn f<'a>(x: &'a str) { mycrate::web::x() }"),
            ("engine/x.rs", "use super::web;"),
        ];
        for (file, text) in good {
            assert_eq!(wrong_uses(file, text, &table()), [] as [&str; 0], "{file}: {text}");
        }
    }

    #[test]
    fn impurity_is_found_and_tests_may_be_impure() {
        for text in [
            "use std::fs;",
            "use std::{collections::BTreeMap, fs::File};",
            "let now = std::time::Instant::now();",
            "async fn f() { tokio::time::sleep(d).await }",
            "if path.is_file() {}",
        ] {
            assert!(!impurities("formats/x.rs", text).is_empty(), "{text}");
            assert!(impurities("gateway/x.rs", text).is_empty(), "{text}");
            let tested = format!("fn pure() {{}}\n#[cfg(test)]\nmod tests {{\n{text}\n}}\n");
            assert!(impurities("formats/x.rs", &tested).is_empty(), "{text}");
            let after = format!("#[cfg(test)]\nmod tests;\n{text}\n");
            assert!(!impurities("formats/x.rs", &after).is_empty(), "{text}");
        }
        assert!(impurities("formats/x.rs", "/// unlike std::fs\nlet instant = an_Instant_of;").is_empty());
    }

    #[test]
    fn ids_are_found_over_line_breaks() {
        let text = "Finding::new(\"a.b\", x); Finding::new(\n    \"c.d\",\n y); Finding::new(id, z); \
                    Finding::new(check::E, z); f.id = \"g.h\".to_owned()";
        let constant = |name: &str| (name == "E").then(|| "e.f".to_owned());
        assert_eq!(finding_ids(text, constant), ["a.b", "c.d", "e.f", "g.h"]);
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let text = "//! a\n/* b\n */\nlet x = \"c\n\";\nuse crate::web;\n";
        assert!(wrong_uses("engine/x.rs", text, &table())[0].starts_with("src/engine/x.rs:6: "));
    }
}
