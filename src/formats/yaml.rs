//! YAML as far as tools write their settings in it: one document, bounded in depth and size, aliases included. Quotes nothing of the text
//! in its errors.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use serde_json::{Map, Number, Value};

/// Nested deeper than this, it was not written for us.
const DEPTH: usize = 64;
/// Values in one document, those that aliases repeat counted each time.
const VALUES: usize = 200_000;

/// Why a text is not YAML that we read. Lines and columns from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong, without a word of the text.
    pub why: &'static str,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// Reads the first document. Names that are not texts become texts; a name given twice keeps its last value.
///
/// # Errors
/// Where it stops being YAML, or what bound it breaks.
pub fn parse(text: &str) -> Result<Value, Broken> {
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Value> = HashMap::new();
    let mut left = VALUES;
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let (event, span) = event.map_err(|error| at_scan(&error))?;
        let broken = |why| Broken { why, line: span.start.line(), column: span.start.col() + 1 };
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = matches!(style, ScalarStyle::Plain) && !tagged;
                (if plain { scalar(&text) } else { Value::String(text.into_owned()) }, anchor)
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(value) => {
                    left = left.checked_sub(count(value)).ok_or_else(|| broken("its aliases repeat too much"))?;
                    (value.clone(), 0)
                }
                None => return Err(broken("an alias stands inside of what it names")),
            },
            Event::SequenceStart(anchor, _) => {
                open.push(Open { anchor, name: None, value: Value::Array(Vec::new()) });
                if open.len() > DEPTH {
                    return Err(broken("it is nested too deep"));
                }
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open { anchor, name: None, value: Value::Object(Map::new()) });
                if open.len() > DEPTH {
                    return Err(broken("it is nested too deep"));
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(closed) => (closed.value, closed.anchor),
                None => continue,
            },
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
        };
        left = left.checked_sub(1).ok_or_else(|| broken("it holds too many values"))?;
        if anchor != 0 {
            left = left.checked_sub(count(&value)).ok_or_else(|| broken("its aliases repeat too much"))?;
            anchors.insert(anchor, value.clone());
        }
        match open.last_mut() {
            None => return Ok(value),
            Some(outer) => outer.take(value),
        }
    }
    Ok(Value::Null)
}

/// A sequence or mapping that is not at its end yet.
struct Open {
    anchor: usize,
    /// The name whose value comes next, in a mapping.
    name: Option<String>,
    value: Value,
}

impl Open {
    fn take(&mut self, value: Value) {
        match &mut self.value {
            Value::Array(items) => items.push(value),
            Value::Object(entries) => match self.name.take() {
                Some(name) => {
                    entries.insert(name, value);
                }
                None => {
                    self.name = Some(match value {
                        Value::String(text) => text,
                        other => other.to_string(),
                    });
                }
            },
            _ => {}
        }
    }
}

/// A plain scalar by the core schema of YAML 1.2 (`yes` and `on` are texts).
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            // `1e999` and the like stay texts, and so do keys that only look like numbers: `007`.
            let canonical = |number: &Number| number.to_string() == text;
            let integer = text.parse::<i64>().ok().map(Number::from).filter(canonical);
            let number = integer.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64).filter(canonical));
            number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
        }
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(entries) => 1 + entries.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

fn at_scan(error: &ScanError) -> Broken {
    Broken {
        why: "its text breaks off or is out of place",
        line: error.marker().line(),
        column: error.marker().col() + 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_tools_write() {
        let text = "# hosts\ngithub.com:\n    user: me\n    oauth_token: gho_1  # why\n    n: 12\n    id: 007\n    on: yes\n    none:\nlist:\n- a\n- {b: 'c', d: \"e\\n\"}\n";
        let expected = json!({
            "github.com": {"user": "me", "oauth_token": "gho_1", "n": 12, "id": "007", "on": "yes", "none": null},
            "list": ["a", {"b": "c", "d": "e\n"}],
        });
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(parse(""), Ok(Value::Null));
        assert_eq!(parse("# only words\n"), Ok(Value::Null));
        assert_eq!(parse("a: &x {b: 1}\nc: *x\n"), Ok(json!({"a": {"b": 1}, "c": {"b": 1}})));
        assert_eq!(parse("a: 1\n---\nb: 2\n"), Ok(json!({"a": 1})));
        assert_eq!(parse("a: !!str 12\nx: |\n  two\n  lines\n"), Ok(json!({"a": "12", "x": "two\nlines\n"})));
    }

    #[test]
    fn what_is_broken_or_hostile_is_refused_with_its_place() {
        assert_eq!(parse("a: 1\nb: [1, 2\n").map_err(|broken| broken.line), Err(3));
        assert!(parse("a: b: c\n").is_err());
        assert!(parse(&format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000))).is_err());
        let deep: String = (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert_eq!(parse(&deep).map_err(|broken| broken.why), Err("it is nested too deep"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..20 {
            let row = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.push_str(&format!("a{n}: &a{n} [{row}]\n"));
        }
        assert_eq!(parse(&bomb).map_err(|broken| broken.why), Err("its aliases repeat too much"));
        assert!(parse("a: &a [*a]\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_on_what_looks_like_yaml(text in "[-:\\[\\]{}&*!|>'\"%@#a1 \n\t,?]{0,120}") {
            let _ = parse(&text);
        }
    }
}
