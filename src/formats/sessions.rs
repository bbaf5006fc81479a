//! An agent's `sessions.json`: `{ session key: entry }`. What of an entry chooses the model and the credential, how the gateway
//! goes from there when a turn begins, and how these fields are changed without touching anything else in the file.
//!
//! Facts: fields `providerOverride`, `modelOverride`, `authProfileOverride`, `authProfileOverrideSource` (`user`, `auto`),
//! `authProfileOverrideCompactionCount`, `compactionCount`, `updatedAt` (milliseconds).

use std::collections::BTreeMap;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde_json::{Map, Value};

use super::eligibility::View;
use super::json::Broken;
use super::provider_id::normalize;

/// One session, as it is in the file.
pub type Entry = Map<String, Value>;

const PROVIDER: &str = "providerOverride";
const MODEL: &str = "modelOverride";
const PROFILE: &str = "authProfileOverride";
const SOURCE: &str = "authProfileOverrideSource";
const COUNT: &str = "authProfileOverrideCompactionCount";
const UPDATED: &str = "updatedAt";

/// The fields that may be changed; everything else of an entry stays as it is written.
const OURS: [&str; 6] = [PROVIDER, MODEL, PROFILE, SOURCE, COUNT, UPDATED];

/// Who pinned a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinnedBy {
    /// A person.
    User,
    /// The gateway, for as long as it likes.
    Gateway,
}

/// What a session has chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Provider and model, if it is not the default.
    pub model: Option<(Option<String>, String)>,
    /// The pinned profile, and who pinned it.
    pub profile: Option<(String, PinnedBy)>,
}

/// Every session of the file.
///
/// # Errors
/// It is not what it should be; where, as far as that is known.
pub fn parse(text: &str) -> Result<BTreeMap<String, Entry>, Broken> {
    let broken = |line, column, message: &str| Broken { line, column, message: message.to_owned() };
    let value: Value =
        serde_json::from_str(text).map_err(|error| broken(error.line(), error.column(), "is not JSON"))?;
    let Value::Object(sessions) = value else { return Err(broken(1, 1, "is not an object of sessions")) };
    let entry = |(key, value)| if let Value::Object(entry) = value { Some((key, entry)) } else { None };
    Ok(sessions.into_iter().filter_map(entry).collect())
}

fn text(entry: &Entry, field: &str) -> Option<String> {
    entry.get(field)?.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// What a session has chosen.
#[must_use]
pub fn chosen(entry: &Entry) -> Chosen {
    let model = text(entry, MODEL).map(|model| (text(entry, PROVIDER), model));
    let by = match entry.get(SOURCE).and_then(Value::as_str) {
        Some("auto") => PinnedBy::Gateway,
        // Entries of older gateways do not say who.
        None if entry.get(COUNT).is_some_and(Value::is_number) => PinnedBy::Gateway,
        _ => PinnedBy::User,
    };
    Chosen { model, profile: text(entry, PROFILE).map(|profile| (profile, by)) }
}

/// Chooses a model (the default one: nothing is written for it) and, if one is given, pins a profile for a person; without one a
/// pin that is there goes. Gives whether anything changed; who writes it sets [`touch`] too.
pub fn choose(entry: &mut Entry, provider: &str, model: &str, is_default: bool, profile: Option<&str>) -> bool {
    let before = entry.clone();
    if is_default {
        entry.remove(PROVIDER);
        entry.remove(MODEL);
    } else {
        entry.insert(PROVIDER.to_owned(), provider.into());
        entry.insert(MODEL.to_owned(), model.into());
    }
    entry.remove(COUNT);
    match profile {
        Some(profile) => {
            entry.insert(PROFILE.to_owned(), profile.into());
            entry.insert(SOURCE.to_owned(), "user".into());
        }
        None => {
            entry.remove(PROFILE);
            entry.remove(SOURCE);
        }
    }
    *entry != before
}

/// Notes when an entry was last changed.
pub fn touch(entry: &mut Entry, now_ms: i64) {
    entry.insert(UPDATED.to_owned(), now_ms.into());
}

/// The profile that the gateway takes for a turn of this session, and what it writes into the entry on the way: a pin of a person
/// holds for the session, also while the profile is set aside, but a new session moves on to the next profile whoever pinned it.
/// `None`: none of the provider's profiles can be used.
pub fn begin_turn(entry: &mut Entry, view: &View<'_>, provider: &str, is_new: bool, now_ms: i64) -> Option<String> {
    let provider = normalize(provider);
    let order: Vec<&str> =
        view.order_preferring(&provider, None).iter().map(|n| view.profiles[*n].profile.id.as_str()).collect();
    let shown = |id: &str| view.profiles.iter().find(|shown| shown.profile.id == id);
    let mut current = text(entry, PROFILE);
    let usable = |id: &str| {
        shown(id).is_some_and(|found| normalize(&found.profile.provider) == provider)
            && (order.is_empty() || order.contains(&id))
    };
    if current.as_deref().is_some_and(|id| !usable(id)) {
        for field in [PROFILE, SOURCE, COUNT] {
            entry.remove(field);
        }
        touch(entry, now_ms);
        current = None;
    }
    let first = order.first()?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
    let now = now_ms as f64;
    let aside = |id: &str| shown(id).and_then(|found| found.usage?.unusable_until()).is_some_and(|until| now < until);
    let first_free = || order.iter().find(|id| !aside(id)).unwrap_or(first);
    let next_free = |active: &str| match order.iter().position(|id| *id == active) {
        None => first_free(),
        Some(at) => {
            let mut others = (1..=order.len()).map(|step| &order[(at + step) % order.len()]);
            others.find(|id| !aside(id)).unwrap_or(&order[at])
        }
    };
    let number = |field: &str| entry.get(field).and_then(Value::as_f64);
    let compactions =
        entry.get("compactionCount").filter(|value| value.is_number()).cloned().unwrap_or_else(|| 0.into());
    let grown = compactions.as_f64() > number(COUNT).or(compactions.as_f64());
    let pinned_by = chosen(entry).profile.map(|(_, by)| by);
    let next: String = match current.as_deref() {
        Some(id) if pinned_by == Some(PinnedBy::User) && !is_new => return Some(id.to_owned()),
        Some(id) if is_new || grown => (*next_free(id)).to_owned(),
        Some(id) if !aside(id) => id.to_owned(),
        _ => (*first_free()).to_owned(),
    };
    let kept = entry.get(PROFILE).and_then(Value::as_str) == Some(&next)
        && entry.get(SOURCE).and_then(Value::as_str) == Some("auto")
        && number(COUNT) == compactions.as_f64();
    if !kept {
        entry.insert(PROFILE.to_owned(), next.clone().into());
        entry.insert(SOURCE.to_owned(), "auto".into());
        entry.insert(COUNT.to_owned(), compactions);
        touch(entry, now_ms);
    }
    Some(next)
}

/// The text of the file with the fields of one session as they are in `entry`; every other character stays.
///
/// # Errors
/// There is no such session, or more than one, or it is not JSON.
pub fn edit(whole: &str, key: &str, entry: &Entry) -> Result<String, Broken> {
    let broken = |offset: usize, message: &str| {
        let (line, column) = super::json::line_column(whole, offset);
        Broken { line, column, message: message.to_owned() }
    };
    let parsed = jsonc_parser::parse_to_ast(
        whole,
        &jsonc_parser::CollectOptions::default(),
        &jsonc_parser::ParseOptions::default(),
    );
    let Ok(jsonc_parser::ParseResult { value: Some(ast::Value::Object(sessions)), .. }) = parsed else {
        return Err(broken(0, "is not an object of sessions"));
    };
    let named: Vec<&ast::ObjectProp<'_>> =
        sessions.properties.iter().filter(|property| property.name.as_str() == key).collect();
    let object = match named.as_slice() {
        [one] => match &one.value {
            ast::Value::Object(object) => object,
            other => return Err(broken(other.start(), "is not a session")),
        },
        [] => return Err(broken(0, "has no such session")),
        [_, again, ..] => return Err(broken(again.start(), "names this session twice")),
    };
    let mut parts: Vec<String> = Vec::new();
    let mut written: Vec<&str> = Vec::new();
    for property in &object.properties {
        let name = property.name.as_str();
        match OURS.iter().find(|ours| **ours == name) {
            None => parts.push(whole[property.start()..property.end()].to_owned()),
            Some(ours) => {
                if let (Some(value), false) = (entry.get(*ours), written.contains(ours)) {
                    parts.push(format!("\"{ours}\": {value}"));
                }
                written.push(ours);
            }
        }
    }
    for ours in OURS.iter().filter(|ours| !written.contains(*ours)) {
        parts.extend(entry.get(*ours).map(|value| format!("\"{ours}\": {value}")));
    }
    let indent = "\n    ";
    let body =
        if parts.is_empty() { String::new() } else { format!("{indent}{}\n  ", parts.join(&format!(",{indent}"))) };
    Ok(format!("{}{{{body}}}{}", &whole[..object.start()], &whole[object.end()..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn entry(value: Value) -> Entry {
        value.as_object().unwrap().clone()
    }

    const FILE: &str = r#"{
  "agent:main:main": {
    "sessionId": "s1",
    "updatedAt": 17,
    "skillsSnapshot": { "prompt": "a \"b\" {c}", "n": 1.50 },
    "authProfileOverride": "anthropic:old"
  },
  "agent:main:group:x": { "sessionId": "s2", "modelOverride": "m" }
}
"#;

    #[test]
    fn only_the_fields_of_one_session_change() {
        let mut one = parse(FILE).unwrap()["agent:main:main"].clone();
        assert!(choose(&mut one, "openai", "gpt-5.2", false, Some("openai:a")));
        touch(&mut one, 18);
        let edited = edit(FILE, "agent:main:main", &one).unwrap();
        assert_eq!(parse(&edited).unwrap()["agent:main:main"], one);
        assert!(edited.contains(r#""n": 1.50"#), "as it was written: {edited}");
        let rest = r#"  "agent:main:group:x": { "sessionId": "s2", "modelOverride": "m" }"#;
        assert!(edited.contains(rest), "{edited}");
        assert!(choose(&mut one, "openai", "gpt-5.2", true, None));
        let edited = edit(&edited, "agent:main:main", &one).unwrap();
        assert!(!edited.contains("Override\": \"openai") && edited.contains("\"updatedAt\": 18"), "{edited}");
    }

    #[test]
    fn what_cannot_be_edited_is_said() {
        for (text, part) in [
            ("[]", "is not an object"),
            ("{", "is not an object"),
            (r#"{"b": {}}"#, "no such session"),
            (r#"{"a": {}, "a": {}}"#, "twice"),
            (r#"{"a": 1}"#, "not a session"),
        ] {
            let said = edit(text, "a", &Entry::new()).unwrap_err();
            assert!(said.message.contains(part), "{text}: {}", said.message);
        }
    }

    #[test]
    fn who_pinned() {
        let by = |value| chosen(&entry(value)).profile.map(|(_, by)| by);
        assert_eq!(
            by(json!({ "authProfileOverride": "a", "authProfileOverrideSource": "user" })),
            Some(PinnedBy::User)
        );
        assert_eq!(
            by(json!({ "authProfileOverride": "a", "authProfileOverrideSource": "auto" })),
            Some(PinnedBy::Gateway)
        );
        assert_eq!(
            by(json!({ "authProfileOverride": "a", "authProfileOverrideCompactionCount": 0 })),
            Some(PinnedBy::Gateway)
        );
        assert_eq!(by(json!({ "authProfileOverride": "a" })), Some(PinnedBy::User));
        assert_eq!(by(json!({ "authProfileOverride": " " })), None);
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let value = prop_oneof![
            "[a-z\"\\\\{},]{0,6}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(json!({ "x": [1, "}", null] }))
        ];
        let name = prop_oneof![
            Just("sessionId"),
            Just("x"),
            Just(PROFILE),
            Just(SOURCE),
            Just(COUNT),
            Just(MODEL),
            Just(UPDATED)
        ];
        proptest::collection::vec((name, value), 0..6)
            .prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    proptest! {
        #[test]
        fn nobodys_change_is_lost(sessions in proptest::collection::btree_map("[a-c:\"]{1,3}", any_entry(), 1..4), profile in proptest::option::of("[a-z:]{1,5}")) {
            let key = sessions.keys().next().unwrap().clone();
            let whole = serde_json::to_string_pretty(&sessions).unwrap();
            let mut wanted = sessions.clone();
            let one = wanted.get_mut(&key).unwrap();
            choose(one, "p", "m", profile.is_none(), profile.as_deref());
            touch(one, 5);
            let edited = edit(&whole, &key, one).unwrap();
            prop_assert_eq!(parse(&edited).unwrap(), wanted);
        }
    }
}
