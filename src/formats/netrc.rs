//! `.netrc`: which password belongs to which machine (the manual of ftp, as curl and Python read it).

use serde_json::{Map, Value};

/// The password of each machine; of two entries for one machine the first counts, as for those who use the file. Nothing in
/// such a file can break it: what is none of its words is passed over.
#[must_use]
pub fn parse(text: &str) -> Map<String, Value> {
    let mut machines = Map::new();
    let mut current: Option<String> = None;
    let mut macro_of_lines = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        // A macro ends with a blank line.
        if macro_of_lines {
            macro_of_lines = !line.trim().is_empty();
            continue;
        }
        let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
        while let Some(word) = words.next() {
            match word {
                "machine" => current = words.next().map(str::to_lowercase),
                // For every other machine: nobody's key.
                "default" => current = None,
                "login" | "account" => {
                    words.next();
                }
                "password" => {
                    if let (Some(machine), Some(password)) = (&current, words.next()) {
                        let password = Value::String(password.trim_matches('"').to_owned());
                        machines.entry(machine.clone()).or_insert(password);
                    }
                }
                "macdef" => {
                    macro_of_lines = true;
                    break;
                }
                _ => {}
            }
        }
    }
    machines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn machines_and_their_passwords() {
        let text = "# mine\nmachine API.wandb.ai\n  login user\n  password one\nmachine b login x password \"two\" # why\n\
                    macdef init\nmachine c password no\n\nmachine b password later\ndefault login y password nobody\nmachine d password";
        assert_eq!(Value::Object(parse(text)), json!({"api.wandb.ai": "one", "b": "two"}));
        assert_eq!(parse(""), Map::new());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(machine|password|default|macdef|login|[a-z\\n ]){0,20}\\PC{0,20}") {
            let _ = parse(&text);
        }
    }
}
