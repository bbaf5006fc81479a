//! An owner's JSON object: parsed whole, with the place of whatever is broken, and fields taken out one by one so that each
//! oddity is said and the rest still read.

use std::path::Path;

use serde_json::{Map, Value};

use crate::domain::{Finding, Place, Secret, Severity, Time};
use crate::files::{self, LIMIT, Trouble};
use crate::formats::dates::{self, Date, Unit};
use crate::formats::json5;

/// What is wrong with a file of which there is nothing yet …
pub const EMPTY: &str = "is empty";
/// … and with one of which only the beginning is there.
pub const CUT_OFF: &str = "ends too early: it was cut off";

/// Parses a whole file that must hold one object.
///
/// # Errors
/// What is wrong and where; never a word of the text itself.
pub fn object(text: &str) -> Result<Map<String, Value>, Trouble> {
    let broken = |why: &str, at| Err(Trouble { unparsable: true, why: why.to_owned(), at });
    // Editors on Windows add a mark in front; the owners' own readers skip it as well.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return broken(EMPTY, Some((1, 1)));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => broken("is JSON, but not an object", Some((1, 1))),
        Err(error) => {
            let why = match error.classify() {
                serde_json::error::Category::Eof => CUT_OFF,
                _ if text.contains('\0') => "is not JSON: binary data",
                _ => "is not JSON",
            };
            broken(why, Some((error.line().max(1), error.column().max(1))))
        }
    }
}

/// A side file that only adds a word (settings, account names), with or without comments: whatever is wrong with it is no
/// news, and it is then empty.
pub fn aside(path: &Path) -> Map<String, Value> {
    let Ok(Some(contents)) = files::read(path, LIMIT) else { return Map::new() };
    let parsed = json5::Files::default().parse(path, contents.text.to_string());
    match parsed.map(json5::Node::into_json) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// The text at a path of keys, if there is one.
pub fn text<'a>(object: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a str> {
    let (last, way) = keys.split_last()?;
    let object = way.iter().try_fold(object, |object, key| object.get(*key)?.as_object())?;
    object.get(*last)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// What a field that should hold a secret holds.
pub enum Field {
    /// No such field, or `null`.
    Absent,
    /// A blank text.
    Blank,
    /// A text.
    Text(Secret),
    /// Something that is not a text.
    Mistyped,
}

impl Field {
    /// The secret, if there is one.
    #[must_use]
    pub fn secret(self) -> Option<Secret> {
        match self {
            Self::Text(secret) => Some(secret),
            _ => None,
        }
    }
}

/// Takes a secret out of an object.
pub fn secret(object: &mut Map<String, Value>, name: &str) -> Field {
    match object.remove(name) {
        None | Some(Value::Null) => Field::Absent,
        Some(Value::String(text)) if text.trim().is_empty() => Field::Blank,
        Some(Value::String(text)) => Field::Text(Secret::new(text)),
        Some(_) => Field::Mistyped,
    }
}

/// Reads dates out of one object, and remembers what was odd about them.
pub struct Dates<'a> {
    object: &'a Map<String, Value>,
    path: &'a Path,
    prefix: &'a str,
    /// Oddities that still gave a date, for the credential's notes.
    pub notes: Vec<String>,
    /// Values that gave none.
    pub findings: Vec<Finding>,
}

impl<'a> Dates<'a> {
    /// For the object at `prefix` in the file `path`.
    #[must_use]
    pub fn of(object: &'a Map<String, Value>, path: &'a Path, prefix: &'a str) -> Self {
        Self { object, path, prefix, notes: Vec::new(), findings: Vec::new() }
    }

    /// The date in a field. A zero beside a secret is no date, and that is said.
    pub fn take(&mut self, name: &str, usual: Unit) -> Option<Time> {
        let date = dates::from_json(self.object.get(name), usual);
        match &date {
            Date::Blank => self.notes.push(format!("{name} is zero or blank: no date is known from it")),
            Date::Invalid(what) => {
                let key = if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) };
                self.notes.push(format!("{name} {what}"));
                let message = format!("{key} {what}; its date is unknown");
                let fix = "Log in again, so that its owner writes it anew.";
                let place = Place::file(self.path).key(key);
                self.findings.push(Finding::new("store.damaged-profile", Severity::Warning, message, fix).at(place));
            }
            _ => self.notes.extend(date.remark().map(|odd| format!("{name} {odd}"))),
        }
        date.at()
    }
}

/// Gives findings about keys of one file their line and column there.
pub fn place(findings: &mut [Finding], path: &Path, text: &str) {
    for finding in findings.iter_mut().filter(|f| f.place.path.as_deref() == Some(path) && f.place.line.is_none()) {
        let Some(key) = finding.place.key.clone() else { continue };
        let keys: Vec<&str> = key.split('.').collect();
        if let Some((line, column)) = crate::formats::json::locate(text, &keys) {
            finding.place = finding.place.clone().at(line, column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_files_name_the_place_and_never_quote() {
        let at = |text: &str| object(text).err().map(|trouble| (trouble.why, trouble.at));
        let says = |why: &str, line, column| Some((why.to_owned(), Some((line, column))));
        assert_eq!(at("{\"a\":1}"), None);
        assert_eq!(at("\u{feff}{}"), None);
        assert_eq!(at("  \n"), says("is empty", 1, 1));
        assert_eq!(at("[1]"), says("is JSON, but not an object", 1, 1));
        assert_eq!(at("{\"a\":1,\n \"b\""), says("ends too early: it was cut off", 2, 4));
        assert_eq!(at("sk-ant-secret"), says("is not JSON", 1, 1));
        assert_eq!(at("\0\0"), says("is not JSON: binary data", 1, 1));
        assert!(object(&"[".repeat(100_000)).is_err());
    }
}
