//! JSON of strangers as a tree that cannot be large: as a tree, a text of small objects is a hundred times what it is as text. Pure.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// About what a value, an entry of an object, and an object with anything in it take in memory, in bytes.
const VALUE: usize = 32;
const ENTRY: usize = 64;
const OBJECT: usize = 700;

/// The tree of a text, without the entries of objects that are called as in `unread`; `None` if it is not JSON or would take more
/// than about `room` bytes.
#[must_use]
pub fn parse(bytes: &[u8], unread: &[&str], room: usize) -> Option<Value> {
    let mut room = Room { left: room, unread };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Tree(&mut room).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

struct Room<'a> {
    left: usize,
    unread: &'a [&'a str],
}

impl Room<'_> {
    fn take<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| E::custom(""))?;
        Ok(())
    }
}

struct Tree<'r, 'a>(&'r mut Room<'a>);

impl<'de> DeserializeSeed<'de> for Tree<'_, '_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.take(VALUE)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.0.take(text.len())?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Tree(&mut *self.0))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.0.unread.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            self.0.take(ENTRY + key.len() + if entries.is_empty() { OBJECT } else { 0 })?;
            let value = map.next_value_seed(Tree(&mut *self.0))?;
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_unread_costs_nothing_and_what_is_too_much_is_none() {
        let text = format!(r#"{{"a":1,"updates":[{}0],"b":{{"updates":2,"c":null}}}}"#, r#"{"x":0},"#.repeat(10_000));
        let kept = serde_json::json!({"a": 1, "b": {"c": null}});
        assert_eq!(parse(text.as_bytes(), &["updates"], 4_000), Some(kept));
        assert_eq!(parse(text.as_bytes(), &[], 1 << 20), None);
        assert!(parse(text.as_bytes(), &[], 16 << 20).is_some());
        for broken in ["", "{", "[1]]", "{\"a\":1} x", "nul"] {
            assert_eq!(parse(broken.as_bytes(), &[], 1 << 20), None, "{broken}");
        }
        assert_eq!(parse("[".repeat(1_000).as_bytes(), &[], 1 << 20), None, "depth has its limit too");
    }

    proptest! {
        #[test]
        fn within_its_room_it_is_the_usual_reader(text in r#"[\[\]{}",:a0-9.e\\ -]{0,60}"#, number in any::<f64>(), word in ".*") {
            let words = serde_json::json!({"a": [number, word, -1, u64::MAX], "": {"b": true}}).to_string();
            for text in [text.as_str(), words.as_str()] {
                prop_assert_eq!(parse(text.as_bytes(), &[], 1 << 20), serde_json::from_str(text).ok());
            }
        }
    }
}
