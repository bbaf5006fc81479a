//! Writes one `[[declared]]` into the text of a `monitor.toml`. It is a person's file: everything else in it stays as it is,
//! comments and order included. Pure; whether the result is a valid configuration is for the caller to find out.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

/// What to write. Dates are as TOML has them (`2027-01-31`, `2027-01-31T12:00:00Z`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declaration {
    /// Its name; not written for one that is about a credential which was found.
    pub name: Option<String>,
    /// The credential that it is about.
    pub about: Option<String>,
    /// Provider id.
    pub provider: Option<String>,
    /// When it ends.
    pub expires: Option<String>,
    /// When it was issued.
    pub issued: Option<String>,
    /// When this was said.
    pub as_of: Option<String>,
    /// Which secret it was said about.
    pub generation: Option<String>,
    /// Whether anything uses it; `None` leaves it as it is.
    pub in_use: Option<bool>,
}

impl Declaration {
    fn values(&self) -> Vec<(&'static str, Value)> {
        let text = |value: &Option<String>| value.as_deref().map(Value::from);
        let date = |value: &Option<String>| {
            let value = value.as_deref()?;
            // What is no date for TOML is one for us in a string (`2027-01-31 12:00`).
            Some(value.parse::<toml_edit::Datetime>().map_or_else(|_| Value::from(value), Value::from))
        };
        let all = [
            ("name", text(&self.name)),
            ("for", text(&self.about)),
            ("provider", text(&self.provider)),
            ("expires", date(&self.expires)),
            ("issued", date(&self.issued)),
            ("as_of", date(&self.as_of)),
            ("generation", text(&self.generation)),
            ("in_use", self.in_use.map(Value::from)),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    fn is(&self, table: &Table) -> bool {
        let text = |key: &str| table.get(key).and_then(Item::as_str).map(str::trim);
        match &self.about {
            Some(id) => text("for") == Some(id),
            None => text("for").is_none() && text("name") == self.name.as_deref(),
        }
    }
}

/// The text with the declaration in it: the entry of the same name (or about the same credential) is changed where it stands,
/// a new one comes last.
///
/// # Errors
/// The text is no TOML, or its declarations are written in one line; the message quotes nothing.
pub fn declare(text: &str, declaration: &Declaration) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|_| "is not TOML".to_owned())?;
    let mut changed = false;
    match document.get_mut("declared") {
        None => {}
        Some(Item::ArrayOfTables(tables)) => {
            for table in tables.iter_mut().filter(|table| declaration.is(table)).take(1) {
                if declaration.expires.is_some() {
                    // What was said before was about another secret.
                    table.remove("generation");
                }
                declaration.values().into_iter().for_each(|(key, value)| set(table, key, value));
                changed = true;
            }
        }
        Some(_) => return Err("has its declarations in one line; write them as [[declared]]".to_owned()),
    }
    if changed {
        return Ok(document.to_string());
    }
    // As text, not through the document: comments at the end of the file belong to the section before them.
    let mut out = text.to_owned();
    if !out.is_empty() {
        out.push_str(if out.ends_with('\n') { "\n" } else { "\n\n" });
    }
    out.push_str("[[declared]]\n");
    for (key, value) in declaration.values() {
        out.push_str(&format!("{key} = {}\n", value.to_string().trim()));
    }
    Ok(out)
}

/// A receiver to write: its name, its type, and the keys of that type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReceiver {
    /// Its name.
    pub name: String,
    /// `type`
    pub kind: String,
    /// Its other keys.
    pub values: Vec<(&'static str, NewValue)>,
}

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewValue {
    /// A text.
    Text(String),
    /// The path of the private file that has the secret in it.
    File(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
    /// Several texts.
    Texts(Vec<String>),
}

impl std::fmt::Display for NewValue {
    /// As TOML.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", Value::from(text.as_str())),
            Self::File(path) => write!(f, "{{ file = {} }}", Value::from(path.as_str())),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Texts(texts) => write!(f, "{}", Value::from_iter(texts.iter().map(String::as_str))),
        }
    }
}

impl NewReceiver {
    /// Whether this is what stands there already, under whatever name.
    fn is(&self, table: &Table) -> bool {
        let same = |key: &str, value: &NewValue| {
            let there =
                table.get(key).and_then(Item::as_value).map(|there| there.clone().decorated("", "").to_string());
            there == Some(value.to_string())
        };
        same("type", &NewValue::Text(self.kind.clone())) && self.values.iter().all(|(key, value)| same(key, value))
    }
}

/// The text with a receiver in it, and its name there: the one it is to have, or with a number where another has that name.
/// `None`: it is there already.
///
/// # Errors
/// The text is no TOML, or its receivers are written in one line; the message quotes nothing.
pub fn receiver(text: &str, new: &NewReceiver) -> Result<(String, Option<String>), String> {
    let document: DocumentMut = text.parse().map_err(|_| "is not TOML".to_owned())?;
    let none = ArrayOfTables::new();
    let tables = match document.get("receivers") {
        None => &none,
        Some(Item::ArrayOfTables(tables)) => tables,
        Some(_) => return Err("has its receivers in one line; write them as [[receivers]]".to_owned()),
    };
    if tables.iter().any(|table| new.is(table)) {
        return Ok((text.to_owned(), None));
    }
    let taken =
        |name: &str| tables.iter().any(|table| table.get("name").and_then(Item::as_str).map(str::trim) == Some(name));
    let numbered = (2..).map(|n| format!("{}-{n}", new.name));
    let name = std::iter::once(new.name.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or_default();
    let mut out = text.to_owned();
    if !out.is_empty() {
        out.push_str(if out.ends_with('\n') { "\n" } else { "\n\n" });
    }
    out.push_str("[[receivers]]\n");
    let own = [("name", NewValue::Text(name.clone())), ("type", NewValue::Text(new.kind.clone()))];
    for (key, value) in own.iter().chain(&new.values) {
        out.push_str(&format!("{key} = {value}\n"));
    }
    Ok((out, Some(name)))
}

/// The text with `[probe] undocumented` set.
///
/// # Errors
/// The text is no TOML, or its `probe` is no table; the message quotes nothing.
pub fn undocumented(text: &str, allowed: bool) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|_| "is not TOML".to_owned())?;
    let item = document.entry("probe").or_insert_with(toml_edit::table);
    let table = item.as_table_mut().ok_or("has its `probe` in one line; write it as [probe]")?;
    if table.get("undocumented").and_then(Item::as_bool) == Some(allowed) {
        return Ok(text.to_owned());
    }
    set(table, "undocumented", Value::from(allowed));
    Ok(document.to_string())
}

/// Keeps the comment behind the old value.
fn set(table: &mut Table, key: &str, mut value: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ci(expires: &str) -> Declaration {
        Declaration {
            name: Some("ci".to_owned()),
            provider: Some("anthropic".to_owned()),
            expires: Some(expires.to_owned()),
            ..Declaration::default()
        }
    }

    #[test]
    fn a_new_one_comes_last_and_touches_nothing() {
        let text = "# mine\n[web] # door\nenabled = false\n# listen = \"x\"";
        let written = declare(text, &ci("2027-01-31")).unwrap();
        assert_eq!(
            written,
            format!("{text}\n\n[[declared]]\nname = \"ci\"\nprovider = \"anthropic\"\nexpires = 2027-01-31\n")
        );
        let first = declare("", &Declaration { in_use: Some(false), ..ci("2027-01-31T12:00:00Z") }).unwrap();
        assert!(
            first.starts_with("[[declared]]\n") && first.ends_with("expires = 2027-01-31T12:00:00Z\nin_use = false\n")
        );
        let odd = declare("", &Declaration { name: Some("a \"b\"\\".to_owned()), ..ci("2027-01-31 12:00") }).unwrap();
        assert!(odd.parse::<DocumentMut>().is_ok(), "{odd}");
    }

    #[test]
    fn an_old_one_is_changed_where_it_stands() {
        let text = "[[declared]] # first\nname = \"ci\" # the build's\nprovider = \"anthropic\"\nexpires = 2026-01-31 # yearly\n\n[[declared]]\nname = \"other\"\nprovider = \"x\"\n\n[web]\nenabled = false\n";
        let written = declare(text, &Declaration { in_use: Some(false), ..ci("2027-01-31") }).unwrap();
        let expected =
            text.replace("expires = 2026-01-31 # yearly\n", "expires = 2027-01-31 # yearly\nin_use = false\n");
        assert_eq!(written, expected);

        let about = |id: &str| Declaration {
            about: Some(id.to_owned()),
            expires: Some("2027-02-01".to_owned()),
            as_of: Some("2026-11-22T10:00:00Z".to_owned()),
            ..Declaration::default()
        };
        let once = declare(text, &about("env:T")).unwrap();
        assert!(once.starts_with(text) && once.matches("[[declared]]").count() == 3);
        assert_eq!(declare(&once, &about("env:T")).unwrap(), once, "the same again changes nothing");
        assert_eq!(declare(&once, &about("env:U")).unwrap().matches("[[declared]]").count(), 4);

        let bound = Declaration { generation: Some("00aa-bb".to_owned()), ..about("env:T") };
        let bound = declare(&once, &bound).unwrap();
        assert!(bound.contains("generation = \"00aa-bb\""), "{bound}");
        assert_eq!(declare(&bound, &about("env:T")).unwrap(), once, "what is said anew is not about the old secret");
    }

    #[test]
    fn receivers_and_what_may_be_asked() {
        let new = NewReceiver {
            name: "push".into(),
            kind: "ntfy".into(),
            values: vec![
                ("topic", NewValue::Text("a \"b\"".into())),
                ("to", NewValue::Texts(vec!["a".into(), "b".into()])),
                ("retry", NewValue::Number(5)),
                ("loud", NewValue::Flag(true)),
                ("token", NewValue::File("~/.secrets/ntfy".into())),
            ],
        };
        let text = "# mine\n[web]\nenabled = false\n";
        let (with, name) = receiver(text, &new).unwrap();
        assert_eq!(name.as_deref(), Some("push"));
        assert!(with.starts_with(text) && with.ends_with("token = { file = \"~/.secrets/ntfy\" }\n"), "{with}");
        assert!(with.contains("to = [\"a\", \"b\"]\nretry = 5\nloud = true\n"), "{with}");
        assert!(with.parse::<DocumentMut>().is_ok(), "{with}");
        assert_eq!(receiver(&with, &new).unwrap(), (with.clone(), None), "again: nothing");
        let other = NewReceiver { values: vec![("topic", NewValue::Text("b".into()))], ..new.clone() };
        let (both, name) = receiver(&with, &other).unwrap();
        assert_eq!((both.matches("[[receivers]]").count(), name.as_deref()), (2, Some("push-2")));
        let third = NewReceiver { values: vec![("topic", NewValue::Text("c".into()))], ..new.clone() };
        assert_eq!(receiver(&both, &third).unwrap().1.as_deref(), Some("push-3"));
        assert_eq!(receiver(&both, &other).unwrap().1, None);
        assert!(receiver("receivers = [{ name = \"hunter2\" }]", &new).is_err_and(|why| !why.contains("hunter2")));
        let text = "[probe] # asking\nconcurrency = 2 # few\n\n[web]\n";
        let with = undocumented(text, true).unwrap();
        assert_eq!(with, "[probe] # asking\nconcurrency = 2 # few\nundocumented = true\n\n[web]\n");
        assert_eq!(undocumented(&with, true).unwrap(), with);
        assert!(undocumented(&with, false).unwrap().contains("undocumented = false"));
        assert!(undocumented("", true).unwrap().contains("[probe]\nundocumented = true"));
    }

    #[test]
    fn what_cannot_be_edited_is_said_and_not_quoted() {
        for text in ["declared = [{ name = \"hunter2\" }]", "hunter2 = = 1"] {
            assert!(declare(text, &ci("2027-01-31")).is_err_and(|error| !error.contains("hunter2")));
        }
    }
}
