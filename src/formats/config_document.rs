//! The gateway's config as a document: `$include`, then `${VAR}`. What its keys mean is `gateway_config`'s business.

use std::path::{Path, PathBuf};

use super::javascript::trim;
use super::json5::{Files, Node, Value, merge};
use crate::domain::{Finding, Place, Severity};

/// How deep includes may nest, as in the gateway.
const MAX_DEPTH: usize = 10;
/// As many includes as no person writes; files that include each other twice double with each step.
const MAX_FILES: usize = 1000;

/// Reads an included file; the error says why it cannot be read.
pub type Loader<'a> = dyn FnMut(&Path) -> Result<String, String> + 'a;

/// A config with its includes resolved.
pub struct Document {
    /// Its files, for places.
    pub files: Files,
    /// The merged tree.
    pub root: Node,
}

/// Finding id of a config that the gateway would refuse.
pub const INVALID: &str = "config.invalid";

/// A problem that makes the gateway refuse its config.
#[must_use]
pub fn problem(place: Place, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding::new(INVALID, Severity::Critical, message, fix).at(place)
}

/// Parses a config and resolves `$include`.
///
/// # Errors
/// Everything that is wrong with its syntax or its includes.
pub fn read(path: &Path, text: String, load: &mut Loader<'_>) -> Result<Document, Vec<Finding>> {
    let mut files = Files::default();
    let mut problems = Vec::new();
    let root = parse(&mut files, path, text, &mut problems)
        .and_then(|root| include(&mut files, root, &mut vec![path.to_owned()], load, &mut problems));
    match root {
        Some(root) if problems.is_empty() => Ok(Document { files, root }),
        _ => Err(problems),
    }
}

fn parse(files: &mut Files, path: &Path, text: String, problems: &mut Vec<Finding>) -> Option<Node> {
    files
        .parse(path, text)
        .map_err(|broken| {
            let place = Place::file(path).at(broken.line, broken.column);
            let message = format!("the gateway's config does not parse: {}", broken.message);
            problems.push(problem(place, message, "correct the file there (it is JSON5)"));
        })
        .ok()
}

fn include(
    files: &mut Files,
    mut node: Node,
    chain: &mut Vec<PathBuf>,
    load: &mut Loader<'_>,
    problems: &mut Vec<Finding>,
) -> Option<Node> {
    match std::mem::replace(&mut node.value, Value::Null) {
        Value::Array(items) => {
            let items = items.into_iter().filter_map(|item| include(files, item, chain, load, problems));
            node.value = Value::Array(items.collect());
            Some(node)
        }
        Value::Object(mut entries) => {
            let directive = entries.iter().position(|(key, _)| key == "$include").map(|n| entries.remove(n).1);
            let mut kept = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                kept.push((key, include(files, value, chain, load, problems)?));
            }
            let alone = kept.is_empty();
            node.value = Value::Object(kept);
            match directive {
                None => Some(node),
                Some(directive) => {
                    let included = included(files, &directive, chain, load, problems)?;
                    if alone {
                        return Some(included);
                    }
                    if !matches!(included.value, Value::Object(_)) {
                        let message = "`$include` with keys beside it needs a file that holds an object";
                        let place = files.place(&directive).key("$include");
                        problems.push(problem(place, message, "move the keys into the file, or make it an object"));
                        return None;
                    }
                    Some(merge(included, node))
                }
            }
        }
        value => {
            node.value = value;
            Some(node)
        }
    }
}

fn included(
    files: &mut Files,
    directive: &Node,
    chain: &mut Vec<PathBuf>,
    load: &mut Loader<'_>,
    problems: &mut Vec<Finding>,
) -> Option<Node> {
    let place = files.place(directive).key("$include");
    let names: Vec<&Node> = match &directive.value {
        Value::String(_) => vec![directive],
        Value::Array(items) if items.iter().all(|i| i.as_str().is_some()) => items.iter().collect(),
        _ => {
            let message = format!("`$include` is {} instead of a file name or a list of them", directive.kind());
            problems.push(problem(place, message, "name one file or several"));
            return None;
        }
    };
    let mut merged: Option<Node> = None;
    for name in names {
        let base = files.path(name).parent().unwrap_or(Path::new("/"));
        let path = normal(&base.join(name.as_str().unwrap_or_default()));
        if chain.contains(&path) || chain.len() > MAX_DEPTH {
            let message = format!("`$include` of {} goes in a circle or is nested too deeply", path.display());
            problems.push(problem(place, message, "remove one of the includes"));
            return None;
        }
        if files.count() >= MAX_FILES {
            let message = format!("`$include` names more than {MAX_FILES} files, each counted as often as it is named");
            problems.push(problem(place, message, "include less"));
            return None;
        }
        let text = match load(&path) {
            Ok(text) => text,
            Err(why) => {
                let message = format!("`$include` names {}, which {why}", path.display());
                problems.push(problem(place, message, "create the file, or remove the include"));
                return None;
            }
        };
        let node = parse(files, &path, text, problems)?;
        chain.push(path);
        let node = include(files, node, chain, load, problems);
        chain.pop();
        let node = node?;
        merged = Some(match merged {
            Some(base) => merge(base, node),
            None => node,
        });
    }
    merged
}

/// `a/./b/../c` → `a/c`, without asking the file system.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

impl Document {
    /// The variables that the config sets (`env.vars.NAME`, then `env.NAME`), as written.
    #[must_use]
    pub fn env_entries(&self) -> Vec<(String, String)> {
        let Some(env) = self.root.get("env") else { return Vec::new() };
        let vars = env.get("vars").map(Node::entries).unwrap_or_default().iter();
        let direct = env.entries().iter().filter(|(key, _)| key != "vars" && key != "shellEnv");
        let mut out: Vec<(String, String)> = Vec::new();
        for (key, node) in vars.chain(direct) {
            let Some(value) = node.as_str().filter(|v| !trim(v).is_empty()) else { continue };
            match out.iter_mut().find(|(k, _)| k == key) {
                Some(slot) => value.clone_into(&mut slot.1),
                None => out.push((key.clone(), value.to_owned())),
            }
        }
        out
    }

    /// Replaces `${NAME}` in every string; `$${NAME}` stays as `${NAME}`.
    pub fn substitute(&mut self, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
        let mut problems = Vec::new();
        substitute(&self.files, &mut self.root, &mut String::new(), lookup, &mut problems);
        problems
    }
}

fn substitute(
    files: &Files,
    node: &mut Node,
    path: &mut String,
    lookup: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Finding>,
) {
    let length = path.len();
    let mut missing = Vec::new();
    match &mut node.value {
        Value::String(text) if text.contains('$') => *text = expand(text, lookup, &mut missing),
        Value::Array(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                path.push_str(&format!("[{n}]"));
                substitute(files, item, path, lookup, problems);
                path.truncate(length);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(key);
                substitute(files, value, path, lookup, problems);
                path.truncate(length);
            }
        }
        _ => {}
    }
    for name in missing {
        let message = format!("`{path}` needs the variable {name}, which is not set");
        let fix = format!("set {name}, or write $${{{name}}} if the text is meant literally");
        problems.push(problem(files.place(node).key(path.clone()), message, fix));
    }
}

fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>, missing: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(name) = rest.strip_prefix('$').and_then(|r| r.strip_prefix('$')).and_then(variable) {
            out.push_str(&rest[1..=name.len() + 3]);
            rest = &rest[name.len() + 4..];
        } else if let Some(name) = rest.strip_prefix('$').and_then(variable) {
            match lookup(name).filter(|v| !v.is_empty()) {
                Some(value) => out.push_str(&value),
                None => missing.push(name.to_owned()),
            }
            rest = &rest[name.len() + 3..];
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// The name in `{NAME}…`.
fn variable(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_uppercase() || c == '_');
    (first && chars.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<Document, Vec<Finding>> {
        let find = |path: &Path| {
            files
                .iter()
                .find(|(p, _)| Path::new(p) == path)
                .map(|(_, t)| (*t).to_owned())
                .ok_or("is missing".to_owned())
        };
        read(Path::new(files[0].0), files[0].1.to_owned(), &mut |path| find(path))
    }

    #[test]
    fn includes_merge_relative_to_their_file() {
        let document = load(&[
            ("/c/main.json", "{ $include: ['./a.json5', 'sub/b.json5'], x: { own: 1 } }"),
            ("/c/a.json5", "{ x: { a: 1, list: [1] } }"),
            ("/c/sub/b.json5", "{ x: { $include: '../c.json5', list: [2] } }"),
            ("/c/c.json5", "{ c: 3 }"),
        ]);
        let document = document.unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let x = document.root.get("x").expect("x");
        assert_eq!(x.entries().iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["a", "list", "c", "own"]);
        assert_eq!(x.get("list").map(|l| l.items().len()), Some(2));
    }

    #[test]
    fn broken_includes_are_said() {
        for (files, says) in [
            (&[("/m", "{ $include: './nope' }")][..], "names /nope, which is missing"),
            (&[("/m", "{ $include: './m' }")], "circle"),
            (&[("/m", "{ $include: 5 }")], "is a number instead"),
            (&[("/m", "{ $include: './a', b: 1 }"), ("/a", "[]")], "needs a file that holds an object"),
            (&[("/m", "{ $include: './a' }"), ("/a", "{ x: ")], "does not parse"),
        ] {
            let problems = load(files).err().expect(says);
            assert!(problems[0].message.contains(says), "{problems:?}");
            assert!(problems[0].place.line.is_some() && !problems[0].fix.is_empty());
        }
    }

    #[test]
    fn includes_that_multiply_end() {
        let text = |n: usize| format!("{{ $include: [{}] }}", format!("'./{}', ", n + 1).repeat(9));
        let mut asked = 0;
        let mut reader = |path: &Path| {
            asked += 1;
            Ok(text(path.file_name().unwrap().to_str().unwrap().parse().unwrap()))
        };
        let problems = read(Path::new("/0"), text(0), &mut reader).map(|_| ()).unwrap_err();
        assert!(asked <= 2 * MAX_FILES, "{asked}");
        assert!(!problems.is_empty() && problems.len() <= MAX_FILES, "{}", problems.len());
    }

    #[test]
    fn variables() {
        let lookup = |name: &str| (name == "SET").then(|| "value".to_owned());
        for (text, want, missing) in [
            ("${SET}", "value", 0),
            ("a${SET}b${SET}", "avaluebvalue", 0),
            ("$${SET}", "${SET}", 0),
            ("$${MY_KEY}-1", "${MY_KEY}-1", 0),
            ("$SET ${lower} $ ${", "$SET ${lower} $ ${", 0),
            ("${UNSET}", "", 1),
        ] {
            let mut names = Vec::new();
            assert_eq!(expand(text, &lookup, &mut names), want, "{text}");
            assert_eq!(names.len(), missing, "{text}");
        }
        let mut document = load(&[("/m", "{ a: { b: ['${NOPE}'] } }")]).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let problems = document.substitute(&|_| None);
        assert_eq!(problems[0].place.to_string(), "/m:1:12 a.b[0]");
    }
}
