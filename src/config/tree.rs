//! The parsed file as tables that know where they are. Reading a key marks it as known; what nobody asked for is unknown.
//! Problems are collected, so that a person sees all of them at once. (Serde would stop at the first.)

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use crate::domain::Place;

/// The file and the problems found in it so far.
pub(super) struct File<'a> {
    path: Option<&'a Path>,
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> File<'a> {
    pub(super) fn new(path: Option<&'a Path>, text: &'a str) -> Self {
        Self { path, text, problems: RefCell::new(Vec::new()) }
    }

    /// Line and column (in characters) of a byte offset, both from 1.
    pub(super) fn place(&self, offset: usize, key: &str) -> Place {
        let before = self.text.get(..offset.min(self.text.len())).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            path: self.path.map(Path::to_path_buf),
            line: Some(before.matches('\n').count() + 1),
            column: Some(before[line_start..].chars().count() + 1),
            key: Some(key.to_owned()).filter(|key| !key.is_empty()),
        }
    }

    pub(super) fn problem(&self, place: Place, what: impl Into<String>, fix: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::new(place, what, fix));
    }

    /// Takes back what was said for a reason that is said in another way.
    pub(super) fn forget(&self, which: impl Fn(&Problem) -> bool) {
        self.problems.borrow_mut().retain(|problem| !which(problem));
    }

    /// Everything found, in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        problems.dedup();
        problems
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Value<'a> {
    file: &'a File<'a>,
    /// The last part of its key.
    pub(super) name: &'a str,
    pub(super) inner: &'a DeValue<'a>,
    pub(super) place: Place,
}

/// Something read, with its place.
#[derive(Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A table and what has been asked of it.
pub(super) struct Table<'a> {
    file: &'a File<'a>,
    entries: &'a DeTable<'a>,
    /// Where it begins; its key is the prefix of everything in it.
    pub(super) place: Place,
    known: Vec<&'static str>,
    future: Vec<&'static str>,
}

/// The nearest of several names, if one is near.
pub(super) fn nearest<'n>(name: &str, among: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    among
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase()), other))
        .filter(|(distance, other)| *distance <= 2.max(other.len() / 3) && *distance < other.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// A value as it may be shown in a message: only for keys that never hold a secret.
pub(super) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("`{}`", cut.trim())
}

impl<'a> Value<'a> {
    /// Says that something else was expected here. The value itself is never quoted: it might be a secret.
    pub(super) fn expected<T>(&self, what: &str) -> Option<T> {
        let found = match self.inner {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.file.problem(self.place.clone(), format!("expected {what}, found {found}"), format!("write {what}"));
        None
    }

    pub(super) fn problem(&self, what: impl Into<String>, fix: impl Into<String>) {
        self.file.problem(self.place.clone(), what, fix);
    }

    pub(super) fn text(&self) -> Option<At<&'a str>> {
        match self.inner {
            DeValue::String(text) => Some(At { value: text.as_ref(), place: self.place.clone() }),
            _ => self.expected("a string"),
        }
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        match self.inner {
            DeValue::Table(entries) => Some(Table {
                file: self.file,
                entries,
                place: self.place.clone(),
                known: Vec::new(),
                future: Vec::new(),
            }),
            _ => self.expected("a table"),
        }
    }

    /// The elements of a list; their places carry an index, from 1.
    pub(super) fn elements(&self) -> Option<Vec<Self>> {
        let DeValue::Array(elements) = self.inner else { return self.expected("a list") };
        let key = self.place.key.as_deref().unwrap_or_default();
        let value = |(index, element): (usize, &'a toml::Spanned<DeValue<'a>>)| Self {
            file: self.file,
            name: self.name,
            inner: element.get_ref(),
            place: self.file.place(element.span().start, &format!("{key}[{}]", index + 1)),
        };
        Some(elements.iter().enumerate().map(value).collect())
    }
}

impl<'a> Table<'a> {
    pub(super) fn root(file: &'a File<'a>, entries: &'a DeTable<'a>) -> Self {
        Self { file, entries, place: file.place(0, ""), known: Vec::new(), future: Vec::new() }
    }

    pub(super) fn problem(&self, place: Place, what: impl Into<String>, fix: impl Into<String>) {
        self.file.problem(place, what, fix);
    }

    /// The value of a key that this version knows.
    pub(super) fn value(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.know(name);
        let (key, value) = self.entries.get_key_value(name)?;
        Some(self.describe(key, value))
    }

    /// Whether a key that this version knows is there.
    pub(super) fn has(&mut self, name: &'static str) -> bool {
        self.know(name);
        self.entries.contains_key(name)
    }

    /// For who writes another one.
    fn know(&mut self, name: &'static str) {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
    }

    /// The value of a key that later versions know: if it is there, that is for the caller to say.
    pub(super) fn future(&mut self, name: &'static str) -> Option<Value<'a>> {
        let value = self.value(name);
        self.known.retain(|known| *known != name);
        self.future.push(name);
        value
    }

    /// All entries, for tables whose keys are names that people choose.
    pub(super) fn entries(&self) -> Vec<Value<'a>> {
        self.entries.iter().map(|(key, value)| self.describe(key, value)).collect()
    }

    fn describe(
        &self,
        key: &'a toml::Spanned<toml::de::DeString<'a>>,
        value: &'a toml::Spanned<DeValue<'a>>,
    ) -> Value<'a> {
        let name = key.get_ref().as_ref();
        let full = self.place.key.as_ref().map_or_else(|| name.to_owned(), |prefix| format!("{prefix}.{name}"));
        let place = self.file.place(key.span().start, &full);
        Value { file: self.file, name, inner: value.get_ref(), place }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<At<&'a str>> {
        self.value(name)?.text()
    }

    /// A string that must be there and not be blank.
    pub(super) fn required(&mut self, name: &'static str, example: &str) -> Option<At<&'a str>> {
        let fix = || format!("write for example {name} = {example}");
        let Some(value) = self.value(name) else {
            self.problem(self.place.clone(), format!("`{name}` is missing"), fix());
            return None;
        };
        let text = value.text()?;
        if text.value.trim().is_empty() {
            value.problem("is empty", fix());
            return None;
        }
        Some(text)
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let value = self.value(name)?;
        match value.inner {
            DeValue::Boolean(flag) => Some(*flag),
            _ => value.expected("true or false"),
        }
    }

    pub(super) fn number(&mut self, name: &'static str, within: RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(name)?;
        let wanted = format!("a whole number from {} to {}", within.start(), within.end());
        let DeValue::Integer(number) = value.inner else { return value.expected(&wanted) };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if within.contains(&number) => Some(number),
            _ => {
                value.problem("is out of range", format!("write {wanted}"));
                None
            }
        }
    }

    pub(super) fn texts(&mut self, name: &'static str) -> Option<Vec<At<&'a str>>> {
        let value = self.value(name)?;
        Some(value.elements()?.iter().filter_map(Value::text).collect())
    }

    pub(super) fn table(&mut self, name: &'static str) -> Option<Self> {
        let value = self.value(name)?;
        if matches!(value.inner, DeValue::Array(_)) {
            value.problem("is written as a list of tables", format!("write [{name}], once"));
            return None;
        }
        value.table()
    }

    /// `[[name]]`, as often as it is written.
    pub(super) fn tables(&mut self, name: &'static str) -> Vec<Self> {
        let Some(value) = self.value(name) else { return Vec::new() };
        if matches!(value.inner, DeValue::Table(_)) {
            value.problem("is written as one table", format!("write [[{name}]] with two brackets, once for each"));
            return Vec::new();
        }
        value.elements().unwrap_or_default().iter().filter_map(Value::table).collect()
    }

    /// Every key that nobody asked for is unknown. Call it last.
    pub(super) fn finish(&self) {
        for value in self.entries() {
            if self.known.contains(&value.name) || self.future.contains(&value.name) {
                continue;
            }
            let fix = match nearest(value.name, self.known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove it; known here: {}", self.known.join(", ")),
            };
            value.problem("unknown key", fix);
        }
    }
}
