use serde_json::{Value, json};

use super::*;

const STORE: &str = r#"{
  "version": 2,
  "profiles": {
    "anthropic:a": { "type": "token", "provider": "anthropic", "token": "old", "expires": 5, "email": "x@y.z", "mine": [1.50] },
    "junk": { "type": "zzz" },
    "anthropic:o": { "type": "oauth", "provider": "anthropic", "access": "A", "refresh": "R", "expires": 9, "email": "o@y.z" }
  },
  "order": { "anthropic": ["anthropic:a", "anthropic:o", "anthropic:a"], "openai": ["anthropic:a"], "odd": 5 },
  "lastGood": { "anthropic": "anthropic:a", "openai": "x" },
  "usageStats": { "anthropic:a": { "errorCount": 1 }, "x": {} },
  "custom": { "kept": 1.25e3 }
}"#;

fn profile(id: &str, kind: ProfileType, expires: Option<i64>) -> NewProfile {
    NewProfile { id: id.into(), provider: "anthropic".into(), kind, secret: Secret::new("n\"é\u{1}".into()), expires }
}

/// As a value; the number that is none (and stays as it is written) is taken out first.
fn value(text: &str) -> Value {
    serde_json::from_str(&text.replace("1.25e3", "1")).unwrap()
}

#[test]
fn a_profile_is_replaced_in_its_place_and_nothing_else() {
    let store = STORE.replace("1.25e3", "1");
    let after = put(Some(&store), &profile("anthropic:a", ProfileType::Token, None)).unwrap();
    let same_type =
        json!({"type": "token", "provider": "anthropic", "token": "n\"é\u{1}", "email": "x@y.z", "mine": [1.5]});
    assert_eq!(value(&after)["profiles"]["anthropic:a"], same_type);
    let mut want = value(&store);
    want["profiles"]["anthropic:a"] = same_type;
    assert_eq!(value(&after), want);
    assert!(after.contains("[1.50]") && after.find("anthropic:a") < after.find("junk"), "{after}");

    let after = put(Some(&store), &profile("anthropic:o", ProfileType::ApiKey, Some(7))).unwrap();
    let another = json!({"type": "api_key", "provider": "anthropic", "key": "n\"é\u{1}", "expires": 7});
    assert_eq!(value(&after)["profiles"]["anthropic:o"], another, "a dead refresh token does not stay");
}

#[test]
fn the_first_profile_makes_the_store_of_the_gateway() {
    for text in [None, Some("{}"), Some(EMPTY), Some("{\"version\":1,\"profiles\":{}}")] {
        let after = put(text, &profile("anthropic:manual", ProfileType::Token, Some(1_795_000_000_000))).unwrap();
        let want =
            json!({"type": "token", "provider": "anthropic", "token": "n\"é\u{1}", "expires": 1_795_000_000_000_i64});
        assert_eq!(value(&after)["profiles"]["anthropic:manual"], want, "{after}");
    }
    let first =
        put(None, &NewProfile { secret: Secret::new("t".into()), ..profile("a:b", ProfileType::Token, None) }).unwrap();
    assert_eq!(
        first,
        "{\n  \"version\": 1,\n  \"profiles\": {\n    \"a:b\": {\n      \"type\": \"token\",\n      \"provider\": \"anthropic\",\n      \"token\": \"t\"\n    }\n  }\n}\n"
    );
}

#[test]
fn a_profile_goes_with_everything_about_it() {
    let store = STORE.replace("1.25e3", "1");
    let after = remove(&store, "anthropic:a").unwrap().unwrap();
    let mut want = value(&store);
    want["profiles"].as_object_mut().unwrap().remove("anthropic:a");
    want["order"] = json!({"anthropic": ["anthropic:o"], "odd": 5});
    want["lastGood"] = json!({"openai": "x"});
    want["usageStats"] = json!({"x": {}});
    assert_eq!(value(&after), want);
    assert_eq!(remove(&store, "nobody").unwrap(), None);
}

#[test]
fn orders() {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let text = r#"{"profiles":{},"order":{"z.ai":["old"],"Z-AI":["older"],"x":["y"]}}"#;
    let after = order(Some(text), "zai", Some(&ids(&["b", "a"]))).unwrap();
    assert_eq!(value(&after)["order"], json!({"x": ["y"], "zai": ["b", "a"]}), "one spelling of a provider");
    let cleared = order(Some(text), "zai", None).unwrap();
    assert_eq!(value(&cleared)["order"], json!({"x": ["y"]}));
    let none = order(Some(r#"{"profiles":{},"order":{"x":["y"]}}"#), "x", None).unwrap();
    assert_eq!(value(&none), json!({"profiles": {}}));
    assert_eq!(order(Some(text), "groq", None).unwrap(), text, "what is not there is cleared by doing nothing");
    let first = order(None, "x", Some(&ids(&["y"]))).unwrap();
    assert_eq!(value(&first), json!({"version": 1, "profiles": {}, "order": {"x": ["y"]}}));

    assert_eq!(order_in_state(r#"{"version":1,"lastGood":{}}"#, "x", Some(&ids(&["y"]))).unwrap(), None);
    let state = order_in_state(r#"{"version":1,"order":{"a":["b"]}}"#, "x", Some(&ids(&["y"]))).unwrap().unwrap();
    assert_eq!(value(&state)["order"], json!({"a": ["b"], "x": ["y"]}));
}

#[test]
fn what_is_no_store_is_not_written_over() {
    for (text, says) in [
        ("", "line 1"),
        ("{\"profiles\": {", "does not parse"),
        ("\u{feff}{\"profiles\":{}}", "line 1, column 1"),
        ("{\"profiles\": {}, // no comments here\n}", "does not parse"),
        ("{\"profiles\": []}", "`profiles` is not an object"),
        ("{\"profiles\": null}", "`profiles` is not an object"),
        ("[]", "the whole file"),
        ("{\"profiles\": {}, \"order\": 5}", "`order` is not an object"),
    ] {
        let refused = order(Some(text), "x", Some(&["y".to_owned()])).unwrap_err();
        assert!(refused.to_string().contains(says), "{text}: {refused}");
    }
}

#[test]
fn legacy_files_become_what_the_gateway_would_make_of_them() {
    let auth = r#"{"anthropic":{"type":"api_key","key":"k"},"x":{"type":"oauth","provider":"y","access":"a","refresh":"r","expires":1795000000000},"z":{"type":"odd"},"w":5}"#;
    let (store, ids) = import(EMPTY, auth, false).unwrap();
    assert_eq!(ids, ["anthropic:default", "x:default"]);
    let logins = r#"{"x":{"access":"other"},"chutes":{"access":"a","refresh":"r","expires":1}}"#;
    let (store, ids) = import(&store, logins, true).unwrap();
    assert_eq!(ids, ["chutes:default"]);
    assert_eq!(
        value(&store)["profiles"],
        json!({
            "anthropic:default": {"type": "api_key", "provider": "anthropic", "key": "k"},
            "x:default": {"type": "oauth", "provider": "y", "access": "a", "refresh": "r", "expires": 1_795_000_000_000_i64},
            "chutes:default": {"type": "oauth", "provider": "chutes", "access": "a", "refresh": "r", "expires": 1},
        })
    );
    assert!(import(EMPTY, "{", true).is_err());
}
