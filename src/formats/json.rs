//! Strict JSON as the gateways read it (`JSON.parse`), in the order of the document, borrowing from the text.
//!
//! No BOM, no comments. Object keys that are data (profile ids) get JavaScript's order: array indices first, the rest in
//! order of first appearance, the last of several equal keys wins, `__proto__` disappears.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::javascript::array_index;

/// A JSON value. May hold secrets: no `Debug`.
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as JavaScript holds it.
    Number(f64),
    /// One that is written with a fraction or an exponent; JavaScript knows no difference.
    Float(f64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, as written: doubles included.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Why a text is not JSON, and where. Never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

/// Parses a whole text.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(text: &str) -> Result<Json<'_>, Broken> {
    if text.starts_with('\u{feff}') {
        let message = "begins with a byte-order mark, which the gateway cannot read".to_owned();
        return Err(Broken { line: 1, column: 1, message });
    }
    if text.trim().is_empty() {
        return Err(Broken { line: 1, column: 1, message: "is empty".to_owned() });
    }
    serde_json::from_str(text).map_err(|error| {
        let message = match error.classify() {
            serde_json::error::Category::Eof => "ends in the middle (truncated?)",
            _ if error.to_string().starts_with("recursion limit") => "is nested too deeply",
            _ if error.to_string().starts_with("number out of range") => {
                "has a number here that is too large to be one"
            }
            _ if text.contains('\0') => "is not JSON (binary data)",
            _ => "is not valid JSON here",
        };
        Broken { line: error.line().max(1), column: error.column().max(1), message: message.to_owned() }
    })
}

/// Parses a whole text and hands on the entries of the one object under `key` as written, each as soon as it has been read, so
/// that there is never more than one of them; the rest comes back. `None`: the text is not of that shape.
pub fn parse_each<'a>(text: &'a str, key: &str, each: &mut dyn FnMut(&str, Json<'a>)) -> Option<Json<'a>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let root = reader.deserialize_map(Apart { key, each }).ok()?;
    reader.end().ok()?;
    Some(root)
}

impl<'a> Json<'a> {
    /// The value of a key; of several equal ones the last.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(entries) => entries.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(n) | Self::Float(n) => Some(*n),
            _ => None,
        }
    }

    /// What JavaScript's `typeof x === "object"` with a truthy `x` accepts.
    #[must_use]
    pub fn is_container(&self) -> bool {
        matches!(self, Self::Object(_) | Self::Array(_))
    }

    /// The word for people: "a number", "an object", …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// `Object.entries(value)` in JavaScript's order; arrays have their indices as keys, other values nothing.
    #[must_use]
    pub fn entries(&self) -> Vec<(Cow<'_, str>, &Json<'a>)> {
        match self {
            Self::Array(items) => items.iter().enumerate().map(|(n, v)| (Cow::Owned(n.to_string()), v)).collect(),
            Self::Object(entries) => object_entries(entries),
            _ => Vec::new(),
        }
    }
}

/// True for a key that JavaScript does not leave where it is written.
#[must_use]
pub fn moves(key: &str) -> bool {
    key == "__proto__" || array_index(key).is_some()
}

fn object_entries<'s, 'a>(entries: &'s [(Cow<'a, str>, Json<'a>)]) -> Vec<(Cow<'s, str>, &'s Json<'a>)> {
    let mut last: HashMap<&str, usize> = HashMap::with_capacity(entries.len());
    for (n, (key, _)) in entries.iter().enumerate() {
        last.insert(key, n);
    }
    let doubles = last.len() != entries.len();
    let mut seen = std::collections::HashSet::new();
    let mut out: Vec<(Cow<'s, str>, &Json<'a>)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if key == "__proto__" || (doubles && !seen.insert(key.as_ref())) {
            continue;
        }
        let value = if doubles { &entries[last[key.as_ref()]].1 } else { value };
        out.push((Cow::Borrowed(key.as_ref()), value));
    }
    if out.iter().any(|(key, _)| array_index(key).is_some()) {
        // A stable sort: indices by number, everything else where it was, after them.
        out.sort_by_key(|(key, _)| array_index(key).map_or(u64::MAX, u64::from));
    }
    out
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(v))
    }
    #[expect(clippy::cast_precision_loss, reason = "JavaScript has no other numbers")]
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(v as f64))
    }
    #[expect(clippy::cast_precision_loss, reason = "JavaScript has no other numbers")]
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Json::Number(v as f64))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Json::Float(v))
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Borrowed(v)))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Owned(v.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            entries.push((key, map.next_value()?));
        }
        Ok(Json::Object(entries))
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

/// An object whose entries under one key are handed on.
struct Apart<'k, 'de> {
    key: &'k str,
    each: &'k mut dyn FnMut(&str, Json<'de>),
}

impl<'de> Visitor<'de> for Apart<'_, 'de> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { key, each } = self;
        let mut each = Some(each);
        let mut entries = Vec::new();
        while let Some(Key(found)) = map.next_key()? {
            if found == key {
                map.next_value_seed(Each(each.take().ok_or_else(|| A::Error::duplicate_field("key"))?))?;
            } else {
                entries.push((found, map.next_value()?));
            }
        }
        if each.is_some() {
            return Err(A::Error::missing_field("key"));
        }
        Ok(Json::Object(entries))
    }
}

/// The entries themselves.
struct Each<'k, 'de>(&'k mut dyn FnMut(&str, Json<'de>));

impl<'de> DeserializeSeed<'de> for Each<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Each<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            (self.0)(&key, map.next_value()?);
        }
        Ok(())
    }
}

/// serde's own `Cow<str>` never borrows.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(v.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Where the value at a path of keys begins in a strict JSON text, as line and column from 1. For error messages only: it
/// parses the text again.
#[must_use]
pub fn locate(text: &str, path: &[&str]) -> Option<(usize, usize)> {
    let parsed = jsonc_parser::parse_to_ast(
        text,
        &jsonc_parser::CollectOptions::default(),
        &jsonc_parser::ParseOptions::default(),
    )
    .ok()?;
    let mut value = parsed.value.as_ref()?;
    for key in path {
        value = match value {
            jsonc_parser::ast::Value::Object(object) => {
                &object.properties.iter().rev().find(|p| p.name.as_str() == *key)?.value
            }
            jsonc_parser::ast::Value::Array(array) => array.elements.get(key.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(line_column(text, jsonc_parser::common::Ranged::range(value).start))
}

/// Line and column, from 1, of a byte offset.
#[must_use]
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(text: &str) -> Vec<String> {
        let parsed = parse(text).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        parsed.entries().into_iter().map(|(k, _)| k.into_owned()).collect()
    }

    #[test]
    fn key_order_is_that_of_javascript() {
        assert_eq!(keys(r#"{"b":1,"10":1,"a":1,"9":1,"__proto__":1,"01":1}"#), ["9", "10", "b", "a", "01"]);
        assert_eq!(keys(r#"{"a":1,"b":1,"a":2}"#), ["a", "b"]);
        assert_eq!(keys("[1,2]"), ["0", "1"]);
        let doubled = parse(r#"{"a":1,"b":1,"a":2}"#).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!(doubled.entries()[0].1.as_f64(), Some(2.0));
        assert_eq!(doubled.get("a").and_then(Json::as_f64), Some(2.0));
    }

    #[test]
    fn what_is_wrong_and_where() {
        for (text, line, column, says) in [
            ("\u{feff}{}", 1, 1, "byte-order"),
            ("", 1, 1, "empty"),
            ("{\"a\": 1,\n\"b\"", 2, 3, "truncated"),
            ("{\"a\": 1,\n}", 2, 1, "not valid"),
            ("{\"a\": NaN}", 1, 7, "not valid"),
            ("{} x", 1, 4, "not valid"),
            ("\0\u{1}\u{2}", 1, 1, "binary"),
        ] {
            let broken = parse(text).err().expect("broken");
            assert_eq!((broken.line, broken.column), (line, column), "{text:?} {broken:?}");
            assert!(broken.message.contains(says), "{text:?} {broken:?}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn positions() {
        let text = "{\n  \"profiles\": {\n    \"é\": 1, \"x\": [1, 22]\n  }\n}";
        assert_eq!(locate(text, &["profiles", "x"]), Some((3, 18)));
        assert_eq!(locate(text, &["profiles", "x", "1"]), Some((3, 22)));
        assert_eq!(locate(text, &["profiles", "nope"]), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "(?s).{0,80}") {
            let _ = parse(&text);
            let _ = locate(&text, &["a"]);
        }
    }
}
