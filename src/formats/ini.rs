//! Files of `name = value` under `[section]`, as AWS, Hugging Face and Databricks write them. Nothing in such a file can break
//! it: a line that is none of this is passed over.

use serde_json::{Map, Value};

/// Each section as an object of texts; lines before the first section stand under `""`. A section or name given twice keeps
/// its last values; a value that is indented below its name (AWS) is passed over.
#[must_use]
pub fn parse(text: &str) -> Map<String, Value> {
    let mut sections = Map::new();
    let mut current = String::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let (indented, line) = (line.starts_with([' ', '\t']), line.trim());
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
            current = name.trim().to_owned();
            sections.entry(current.clone()).or_insert_with(|| Value::Object(Map::new()));
        } else if let Some((name, value)) = line.split_once('=')
            && !indented
        {
            let section = sections.entry(current.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(section) = section {
                section.insert(name.trim().to_owned(), Value::String(value.trim().to_owned()));
            }
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sections_names_values() {
        let text = "\u{feff}top=1\n# words\n[default]\naws_access_key_id = AKIA1\ns3 =\n  max = 3\n\n[ two ]\nkey=a=b ; c\nrubbish\n[default]\nmore = x\n";
        let expected = json!({
            "": {"top": "1"},
            "default": {"aws_access_key_id": "AKIA1", "s3": "", "more": "x"},
            "two": {"key": "a=b ; c"},
        });
        assert_eq!(Value::Object(parse(text)), expected);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
