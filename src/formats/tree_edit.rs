//! Edits in other people's JSON and JSON5: only what was asked for changes, comments and layout stay. Keys mean what they mean in
//! JavaScript: of several equal ones the last counts.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject, CstObjectProp, CstRootNode};

use super::json::line_column;

/// Why a text cannot be edited. Quotes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It does not parse.
    #[error("does not parse at line {line}, column {column}")]
    Broken {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A key holds something else than it should.
    #[error("`{key}` is not {wanted}")]
    Shape {
        /// The key, as a path.
        key: String,
        /// What it should be.
        wanted: &'static str,
    },
}

/// A text being edited.
pub struct Tree {
    root: CstRootNode,
    bom: bool,
}

impl Tree {
    /// Parses JSON5; a text of nothing but white space is an empty object.
    ///
    /// # Errors
    /// It does not parse.
    pub fn parse(text: &str) -> Result<Self, EditError> {
        let (text, bom) = text.strip_prefix('\u{feff}').map_or((text, false), |rest| (rest, true));
        let text = if text.trim().is_empty() { "{}\n" } else { text };
        let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
        let root = CstRootNode::parse(text, &options).map_err(|error| {
            let (line, column) = line_column(text, error.range().start);
            EditError::Broken { line, column }
        })?;
        Ok(Self { root, bom })
    }

    /// The object that the text is.
    ///
    /// # Errors
    /// It is something else.
    pub fn object(&self) -> Result<CstObject, EditError> {
        let wrong = || EditError::Shape { key: "the whole file".to_owned(), wanted: "an object" };
        self.root.object_value().ok_or_else(wrong)
    }

    /// The edited text.
    #[must_use]
    pub fn into_text(self) -> String {
        let text = self.root.to_string();
        if self.bom { format!("\u{feff}{text}") } else { text }
    }
}

/// The property that counts for a key.
#[must_use]
pub fn property(object: &CstObject, key: &str) -> Option<CstObjectProp> {
    object.properties().into_iter().rfind(|property| property.decoded_name().as_deref() == Some(key))
}

/// Follows a path of keys as far as there are objects.
#[must_use]
pub fn find(object: &CstObject, path: &[&str]) -> Option<CstObject> {
    path.iter().try_fold(object.clone(), |object, key| property(&object, key)?.object_value())
}

/// Follows a path of keys and makes the objects that are missing.
///
/// # Errors
/// Something on the way is no object.
pub fn reach(object: &CstObject, path: &[&str]) -> Result<CstObject, EditError> {
    let mut here = object.clone();
    for (depth, key) in path.iter().enumerate() {
        here = match property(&here, key) {
            None => here.append(key, CstInputValue::Object(Vec::new())).object_value_or_set(),
            Some(property) => property
                .object_value()
                .ok_or_else(|| EditError::Shape { key: path[..=depth].join("."), wanted: "an object" })?,
        };
    }
    Ok(here)
}

/// Sets a key to a value: in its place if it is there, else at the end. A value that is already so is not touched.
pub fn set(object: &CstObject, key: &str, value: CstInputValue) {
    match property(object, key) {
        None => {
            object.append(key, value);
        }
        Some(property) => {
            let same = match (&value, property.value()) {
                (CstInputValue::String(new), Some(old)) => {
                    old.as_string_lit().and_then(|old| old.decoded_value().ok()).as_ref() == Some(new)
                }
                (CstInputValue::Number(new), Some(old)) => old.to_string() == *new,
                _ => false,
            };
            if !same {
                property.set_value(value);
            }
        }
    }
}

/// Removes a key, however often it is there; true if it was.
pub fn remove(object: &CstObject, key: &str) -> bool {
    let those: Vec<CstObjectProp> =
        object.properties().into_iter().filter(|property| property.decoded_name().as_deref() == Some(key)).collect();
    let found = !those.is_empty();
    those.into_iter().for_each(CstObjectProp::remove);
    found
}

/// The text of a string.
#[must_use]
pub fn text_of(node: &CstNode) -> Option<String> {
    node.as_string_lit()?.decoded_value().ok()
}

/// The strings of an array.
#[must_use]
pub fn strings(array: &CstArray) -> Vec<String> {
    array.elements().iter().filter_map(text_of).collect()
}

/// Takes every such string out of an array; true if there was one.
pub fn remove_string(array: &CstArray, text: &str) -> bool {
    let those: Vec<CstNode> =
        array.elements().into_iter().filter(|node| text_of(node).as_deref() == Some(text)).collect();
    let found = !those.is_empty();
    those.into_iter().for_each(CstNode::remove);
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edited(text: &str, edit: impl FnOnce(&CstObject)) -> String {
        let tree = Tree::parse(text).unwrap();
        edit(&tree.object().unwrap());
        tree.into_text()
    }

    #[test]
    fn comments_and_layout_stay() {
        let text = "// mine\n{\n  // about a\n  a: 1, // one\n  'b': [1, 2,], /* two */\n}\n";
        let added = edited(text, |root| {
            let c = reach(root, &["c", "d"]).unwrap();
            set(&c, "e", "x".into());
        });
        assert!(
            added.starts_with("// mine\n{\n  // about a\n  a: 1, // one\n  'b': [1, 2,], /* two */\n  \"c\": {"),
            "{added}"
        );
        let gone = edited(&added, |root| assert!(remove(root, "c")));
        assert_eq!(gone, text);
        assert_eq!(edited(text, |root| set(root, "b", CstInputValue::Null)), text.replace("[1, 2,]", "null"));
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        let text = "{\"a\": 1, \"a\": 2}";
        assert_eq!(edited(text, |root| set(root, "a", 3_u32.into())), "{\"a\": 1, \"a\": 3}");
        assert!(!edited(text, |root| assert!(remove(root, "a"))).contains('a'));
    }

    #[test]
    fn from_nothing_and_from_one_line() {
        assert_eq!(edited("", |root| set(root, "a", "b".into())), "{\n  \"a\": \"b\"\n}\n");
        let grown = edited("{\"v\":1,\"p\":{}}", |root| set(&reach(root, &["p"]).unwrap(), "é\"", "1".into()));
        let read: serde_json::Value = serde_json::from_str(&grown).unwrap();
        assert_eq!(read["p"]["é\""], "1", "{grown}");
        assert!(edited("\u{feff}{}", |root| set(root, "a", "b".into())).starts_with("\u{feff}{"));
    }

    #[test]
    fn what_is_in_the_way_is_said() {
        assert_eq!(Tree::parse("{\n \"a\": hunter2\n}").err(), Some(EditError::Broken { line: 2, column: 7 }));
        let tree = Tree::parse("{a: {b: 1}}").unwrap();
        let wrong = reach(&tree.object().unwrap(), &["a", "b", "c"]).unwrap_err();
        assert_eq!(wrong.to_string(), "`a.b` is not an object");
        assert!(Tree::parse("[]").unwrap().object().is_err());
    }

    proptest! {
        #[test]
        fn never_panics_and_gives_json_for_json(
            text in "(?s)[{}\\[\\]\",:a1/* \\n]{0,40}", key in "[a-z\"\\\\é]{0,4}", value in "\\PC{0,8}"
        ) {
            if let Ok(tree) = Tree::parse(&text) && let Ok(root) = tree.object() {
                if let Ok(inner) = reach(&root, &["p", &key]) {
                    set(&inner, &value, value.as_str().into());
                }
                remove(&root, &key);
                let after = tree.into_text();
                if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&after).is_ok(), "{text:?} {after:?}");
                }
                prop_assert!(Tree::parse(&after).is_ok(), "{text:?} {after:?}");
            }
        }
    }
}
