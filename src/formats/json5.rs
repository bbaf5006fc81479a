//! JSON5 documents as trees that remember where each value stands, over several files (`$include`).

use std::path::{Path, PathBuf};

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::ParseErrorKind;

use super::json::{Broken, line_column};
use crate::domain::Place;

/// A value and the place where it begins.
pub struct Node {
    file: usize,
    offset: usize,
    /// The value.
    pub value: Value,
}

/// A JSON5 value. May hold secrets: no `Debug`.
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Node>),
    /// An object; no key twice.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Object(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The entries of an object; of anything else none.
    #[must_use]
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Object(entries) => entries,
            _ => &[],
        }
    }

    /// The items of an array; of anything else none.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// As a plain JSON value, without places. A number that JSON cannot hold becomes `null`.
    #[must_use]
    pub fn into_json(self) -> serde_json::Value {
        match self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => value.into(),
            Value::Number(number) => number.into(),
            Value::String(text) => text.into(),
            Value::Array(items) => items.into_iter().map(Self::into_json).collect(),
            Value::Object(entries) => entries.into_iter().map(|(key, node)| (key, node.into_json())).collect(),
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.value {
            Value::Number(n) => Some(n),
            _ => None,
        }
    }

    /// `true` or `false`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(b) => Some(b),
            _ => None,
        }
    }

    /// The word for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }
}

/// The files of one document.
#[derive(Default)]
pub struct Files(Vec<(PathBuf, String)>);

impl Files {
    /// How many were parsed; one that is included twice counts twice.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Parses one more file.
    ///
    /// # Errors
    /// What is wrong, and where; never quotes the text.
    pub fn parse(&mut self, path: &Path, text: String) -> Result<Node, Broken> {
        let file = self.0.len();
        // JSON5 takes a byte-order mark for white space; a blank keeps the offsets.
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => format!("   {rest}"),
            None => text,
        };
        self.0.push((path.to_owned(), text));
        let text = &self.0[file].1;
        let options = jsonc_parser::ParseOptions { allow_missing_commas: false, ..Default::default() };
        let parsed = jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options);
        let parsed = parsed.map_err(|error| {
            let (line, column) = line_column(text, error.range().start);
            Broken { line, column, message: explain(error.kind()) }
        })?;
        match parsed.value {
            Some(value) => Ok(node(file, &value)),
            None => Err(Broken { line: 1, column: 1, message: "is empty".to_owned() }),
        }
    }

    /// Where a value stands.
    #[must_use]
    pub fn place(&self, node: &Node) -> Place {
        let (path, text) = &self.0[node.file];
        let (line, column) = line_column(text, node.offset);
        Place::file(path).at(line, column)
    }

    /// The file a value stands in.
    #[must_use]
    pub fn path(&self, node: &Node) -> &Path {
        &self.0[node.file].0
    }
}

fn explain(kind: &ParseErrorKind) -> String {
    match kind {
        ParseErrorKind::UnterminatedArray
        | ParseErrorKind::UnterminatedObject
        | ParseErrorKind::UnterminatedCommentBlock
        | ParseErrorKind::ExpectedObjectValue => {
            "ends in the middle of something, or a value is missing here".to_owned()
        }
        ParseErrorKind::ExpectedComma => "a comma is missing here".to_owned(),
        ParseErrorKind::ExpectedColonAfterObjectKey => "a colon is missing after this key".to_owned(),
        ParseErrorKind::NestingDepthExceeded => "is nested too deeply".to_owned(),
        ParseErrorKind::String(_) => "a string that is not closed or not valid begins here".to_owned(),
        _ => "is not valid JSON5 here".to_owned(),
    }
}

fn node(file: usize, value: &ast::Value<'_>) -> Node {
    let converted = match value {
        ast::Value::StringLit(lit) => Value::String(lit.value.to_string()),
        ast::Value::NumberLit(lit) => Value::Number(number(lit.value)),
        ast::Value::BooleanLit(lit) => Value::Bool(lit.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => Value::Array(array.elements.iter().map(|v| node(file, v)).collect()),
        ast::Value::Object(object) => {
            let entries = object.properties.iter().map(|p| (p.name.as_str().to_owned(), node(file, &p.value)));
            Value::Object(unique(entries))
        }
    };
    Node { file, offset: value.start(), value: converted }
}

/// JavaScript's objects: the last of several equal keys wins, in the place of the first; `__proto__` disappears.
fn unique(entries: impl Iterator<Item = (String, Node)>) -> Vec<(String, Node)> {
    let mut at = std::collections::HashMap::new();
    let mut out: Vec<(String, Node)> = Vec::new();
    for (key, value) in entries.filter(|(key, _)| key != "__proto__") {
        match at.get(&key) {
            Some(n) => {
                let slot: &mut (String, Node) = &mut out[*n];
                slot.1 = value;
            }
            None => {
                at.insert(key.clone(), out.len());
                out.push((key, value));
            }
        }
    }
    out
}

fn number(text: &str) -> f64 {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let value = match (hex, digits) {
        (Some(hex), _) => hex.chars().fold(0.0, |n, c| n * 16.0 + f64::from(c.to_digit(16).unwrap_or(0))),
        (None, "Infinity") => f64::INFINITY,
        (None, "NaN") => f64::NAN,
        (None, digits) => digits.parse().unwrap_or(f64::NAN),
    };
    sign * value
}

/// Merges `over` into `base` as the gateway merges included files: objects by key, arrays one after the other, everything
/// else replaced.
#[must_use]
pub fn merge(base: Node, over: Node) -> Node {
    match (base.value, over.value) {
        (Value::Object(mut entries), Value::Object(more)) => {
            for (key, value) in more {
                match entries.iter().position(|(k, _)| *k == key) {
                    Some(n) => {
                        let old = entries.remove(n).1;
                        entries.insert(n, (key, merge(old, value)));
                    }
                    None => entries.push((key, value)),
                }
            }
            Node { value: Value::Object(entries), ..over }
        }
        (Value::Array(mut items), Value::Array(more)) => {
            items.extend(more);
            Node { value: Value::Array(items), ..over }
        }
        (_, value) => Node { value, ..over },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Files, Result<Node, Broken>) {
        let mut files = Files::default();
        let parsed = files.parse(Path::new("/c.json"), text.to_owned());
        (files, parsed)
    }

    #[test]
    fn reads_json5() {
        let text =
            "\u{feff}// c\n{ a: 'x', \"b\": [1, .5, 0xff, +2, Infinity,], /* c */ $c: { d: \"l1\\\nl2\" }, a: 'y', }";
        let (files, root) = parse(text);
        let root = root.unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!(root.get("a").and_then(Node::as_str), Some("y"));
        let numbers: Vec<f64> =
            root.get("b").map(|b| b.items().iter().filter_map(Node::as_f64).collect()).unwrap_or_default();
        assert_eq!(numbers, [1.0, 0.5, 255.0, 2.0, f64::INFINITY]);
        assert_eq!(root.get("$c").and_then(|c| c.get("d")).and_then(Node::as_str), Some("l1l2"));
        assert_eq!(root.get("b").map(|b| files.place(b).to_string()), Some("/c.json:2:16".to_owned()));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, line, column) in [
            ("", 1, 1),
            ("// only a comment", 1, 1),
            ("{ agents: ", 1, 11),
            ("{\n a: 1\n b: 2 }", 2, 6),
            ("{ a 1 }", 1, 5),
            ("{ a: 'open }", 1, 6),
            ("{ a: 1 } x", 1, 10),
        ] {
            let broken = parse(text).1.err().expect(text);
            assert_eq!((broken.line, broken.column), (line, column), "{text:?} {broken:?}");
            assert!(!broken.message.is_empty());
        }
    }

    #[test]
    fn merges_as_the_gateway_does() {
        let mut files = Files::default();
        let base =
            files.parse(Path::new("a"), "{x: {p: 1, q: [1]}, y: 1}".into()).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let over = files
            .parse(Path::new("b"), "{x: {q: [2], r: 3}, y: 'z'}".into())
            .unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let merged = merge(base, over);
        let x = merged.get("x").expect("x");
        assert_eq!(x.entries().iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["p", "q", "r"]);
        assert_eq!(x.get("q").map(|q| q.items().len()), Some(2));
        assert_eq!(merged.get("y").and_then(Node::as_str), Some("z"));
    }
}
