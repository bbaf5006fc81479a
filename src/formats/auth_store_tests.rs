use proptest::prelude::*;

use super::*;

fn ids(parsed: &Parsed) -> Vec<&str> {
    parsed.store.profiles.iter().map(|p| p.id.as_str()).collect()
}

fn ok(text: &str) -> Parsed {
    parse(text).unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

#[test]
fn no_store_at_all() {
    for (text, line, column, says) in [
        ("", 1, 1, "empty"),
        ("\u{feff}{\"profiles\":{}}", 1, 1, "byte-order"),
        ("{\"version\":1,\n \"profiles\": {\n  \"a\"", 3, 5, "truncated"),
        ("[]", 1, 1, "an array instead"),
        ("5", 1, 1, "a number instead"),
        ("{\"anthropic\":{\"type\":\"api_key\"}}", 1, 1, "no `profiles`"),
        ("{\"profiles\":\"x\"}", 1, 1, "a string instead"),
        ("{\"profiles\":null}", 1, 1, "null instead"),
        ("{// c\n}", 1, 2, "not valid"),
        ("\u{0}\u{1}PNG", 1, 1, "binary"),
    ] {
        let broken = parse(text).err().expect(text);
        assert!(broken.message.contains(says), "{text:?}: {broken:?}");
        assert_eq!((broken.line, broken.column), (line, column), "{text:?}: {broken:?}");
    }
}

#[test]
fn damaged_profiles_do_not_hide_the_rest() {
    let text = r#"{"profiles": {
  "good": {"type":"api_key","provider":"p","key":"k"},
  "typo": {"type":"apikey","provider":"p","key":"k"},
  "five": 5,
  "none": {"type":"token","token":"t"},
  "numb": {"type":"api_key","provider":"p","key":7},
  "bare": {"type":"token","provider":"p"},
  "prov": {"type":"token","provider":3,"token":"t"},
  "mail": {"type":"oauth","provider":"p","access":"a","email":[]}
}}"#;
    let parsed = ok(text);
    assert_eq!(ids(&parsed), ["good", "numb", "bare", "mail"]);
    assert_eq!(
        parsed.store.dropped.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(),
        ["typo", "five", "none", "prov"]
    );
    let found: Vec<_> = parsed.damage.iter().map(|d| (d.path.join("."), d.at)).collect();
    assert_eq!(
        found,
        [
            ("profiles.typo.type".to_owned(), Some((3, 19))),
            ("profiles.five".to_owned(), Some((4, 11))),
            ("profiles.none".to_owned(), Some((5, 11))),
            ("profiles.numb.key".to_owned(), Some((6, 50))),
            ("profiles.bare".to_owned(), Some((7, 11))),
            ("profiles.prov.provider".to_owned(), Some((8, 38))),
            ("profiles.mail.email".to_owned(), Some((9, 63))),
        ]
    );
    assert!(parsed.damage.iter().all(|d| !d.fix.is_empty()));
}

#[test]
fn a_float_is_a_date_and_is_said() {
    let warned = |kind: &str, form: &str| {
        let parsed = ok(&format!(
            r#"{{"profiles":{{"a":{{"type":"{kind}","provider":"p","key":"k","token":"t","expires":{form}}}}}}}"#
        ));
        let said =
            parsed.damage.iter().map(|d| (d.path.join("."), d.message.contains("is a float"))).collect::<Vec<_>>();
        (parsed.store.profiles[0].expires.as_date(), said)
    };
    let here = || vec![("profiles.a.expires".to_owned(), true)];
    for form in ["1799582400000.5", "1799582400000.0", "1.7995824e12"] {
        let date = form.parse().ok();
        assert_eq!(warned("token", form), (date, here()), "{form}");
        assert_eq!(warned("api_key", form), (date, vec![]), "nobody reads it there");
    }
    assert_eq!(warned("token", "1799582400000"), (Some(1_799_582_400_000.0), vec![]));
    assert_eq!(
        warned("token", "1799582400.5").1,
        [("profiles.a.expires".to_owned(), false)],
        "one thing is said of it"
    );
}

#[test]
fn forms_of_expires() {
    let forms = [
        ("null", Expires::Null),
        ("0", Expires::Number(0.0)),
        ("-5", Expires::Number(-5.0)),
        ("1.5", Expires::Number(1.5)),
        ("1e300", Expires::Number(1e300)),
        ("\"1790000000000\"", Expires::Text("1790000000000".into())),
        ("\"2027-01-01T00:00:00Z\"", Expires::Text("2027-01-01T00:00:00Z".into())),
        ("\"sk-ant-oat01-secret\"", Expires::Wrong("a string")),
        ("true", Expires::Wrong("true or false")),
        ("[]", Expires::Wrong("an array")),
    ];
    for (form, want) in forms {
        let text = format!(r#"{{"profiles":{{"a":{{"type":"token","provider":"p","token":"t","expires":{form}}}}}}}"#);
        assert_eq!(ok(&text).store.profiles[0].expires, want, "{form}");
    }
}

#[test]
fn javascript_semantics() {
    let text = r#"{"profiles":{
        "b":{"type":"api_key","provider":"p","key":"1"}, "7":{"type":"api_key","provider":"p","key":"2"},
        "__proto__":{"type":"api_key","provider":"p","key":"3"}, "b":{"type":"token","provider":"q","token":"4"}}}"#;
    let parsed = ok(text);
    assert_eq!(ids(&parsed), ["7", "b"]);
    assert_eq!(parsed.store.profile("b").map(|p| p.kind), Some(ProfileType::Token));
    let array = ok(r#"{"profiles":[{"type":"api_key","provider":"p","key":"1"}]}"#);
    assert_eq!(ids(&array), ["0"]);
}

#[test]
fn order_and_usage() {
    let parsed = ok(r#"{"profiles":{},"order":{"p":[" a ","",3,"b"],"q":"a","r":[]},
        "usageStats":{"a":{"cooldownUntil":5,"disabledUntil":"x","lastUsed":1},"b":7}}"#);
    assert_eq!(parsed.store.order, [("p".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
    assert_eq!(parsed.store.usage_of("a").and_then(Usage::unusable_until), Some(5.0));
    assert_eq!(parsed.store.usage_of("b"), Some(&Usage::default()));
    assert_eq!(parsed.damage.len(), 2);
    assert!(parsed.store.has_state && !parsed.store.is_blank());
    assert!(ok(r#"{"profiles":{}}"#).store.is_blank());
}

#[test]
fn legacy_files() {
    let mut store = AuthStore::default();
    let auth = r#"{"anthropic":{"type":"api_key","key":"k"},"x":{"type":"nope"},"y":{"type":"token","provider":"z","token":"t"}}"#;
    let said = |damage: Vec<Damage>| -> Vec<(String, Option<(usize, usize)>)> {
        damage.into_iter().map(|d| (d.path.join("."), d.at)).collect()
    };
    let damage = said(import_auth_json(&mut store, auth).unwrap());
    assert_eq!(damage, [("x".to_owned(), Some((1, 47)))], "what the gateway passes over is said");
    let oauth =
        r#"{"anthropic":{"access":"a","refresh":"r","expires":1},"google":{"access":"b","refresh":""},"bad":5}"#;
    let damage = said(import_oauth_json(&mut store, oauth).unwrap());
    assert_eq!(damage, [("bad".to_owned(), Some((1, 98)))]);
    let got: Vec<_> = store.profiles.iter().map(|p| (p.id.as_str(), p.provider.as_str(), p.kind.word())).collect();
    assert_eq!(
        got,
        [
            ("anthropic:default", "anthropic", "api_key"),
            ("y:default", "z", "token"),
            ("google:default", "google", "oauth")
        ]
    );
    assert_eq!(import_auth_json(&mut store, r#"{"profiles":{},"a":{"type":"api_key"}}"#), Ok(Vec::new()));
    assert_eq!(store.profiles.len(), 3);
    let damage = said(import_oauth_json(&mut store, r#"{"zai":{"access":[1],"refresh":"r"}}"#).unwrap());
    assert_eq!(damage, [("zai.access".to_owned(), Some((1, 18)))], "a place in the file that it is in");
    for importer in [import_auth_json, import_oauth_json] {
        assert!(importer(&mut store, "{").is_err());
        let broken = importer(&mut store, r#"[{"access":"a"}]"#).unwrap_err();
        assert_eq!((broken.line, broken.column, broken.message.as_str()), (1, 1, "is an array instead of an object"));
    }
}

#[test]
fn mirrored_logins_follow_the_gateways_rule() {
    let login = |expiry: f64| format!(r#"{{"access_token":"a","refresh_token":"r","expiry_date":{expiry}}}"#);
    let stored = |expires: f64| {
        let text = format!(
            r#"{{"profiles":{{"q:c":{{"type":"oauth","provider":"q","access":"x","refresh":"y","expires":{expires}}}}}}}"#
        );
        ok(&text).store
    };
    let now = 1e12;
    let minute = 60_000.0;
    for (have, offered, taken) in [
        (None, now - minute, true),
        (Some(now + 60.0 * minute), now + 90.0 * minute, false),
        (Some(now + 5.0 * minute), now + 90.0 * minute, true),
        (Some(now + 5.0 * minute), now + minute, false),
        (Some(now - minute), now - 2.0 * minute, true),
    ] {
        let mut store = have.map_or_else(AuthStore::default, stored);
        assert_eq!(mirror_login(&mut store, "q:c", "q", &login(offered), now), taken, "{have:?} {offered}");
    }
    assert!(!mirror_login(&mut AuthStore::default(), "q:c", "q", r#"{"access_token":"a"}"#, now));
}

#[test]
fn references() {
    let parsed = ok(r#"{"profiles":{
        "a":{"type":"api_key","provider":"p","keyRef":{"source":"env","provider":"default","id":"NAME"}},
        "b":{"type":"token","provider":"p","tokenRef":{"source":"exec","provider":"vault","id":"x"}}}}"#);
    assert!(parsed.damage.is_empty());
    assert_eq!(parsed.store.profiles[0].reference.as_ref().map(|r| r.id.as_str()), Some("NAME"));
    assert_eq!(parsed.store.profiles[1].reference.as_ref().map(|r| r.source.as_str()), Some("exec"));
    assert_eq!(shorthand("${A_B}").map(|r| r.id), Some("A_B".to_owned()));
    assert_eq!(shorthand("$A").map(|r| r.id), Some("A".to_owned()));
    assert_eq!(shorthand("$lower"), None);
}

#[test]
fn a_key_where_a_name_belongs_does_not_come_out() {
    const KEY: &str = "sk-ant-api03-canarycanary";
    let text = |field: &str| {
        format!(r#"{{"profiles":{{"p":{{"type":"api_key","provider":"openai","key":"k","{field}":"{KEY}"}}}}}}"#)
    };
    for field in ["provider", "email", "accountId", "type"] {
        let parsed = ok(&text(field));
        let profile = parsed.store.profiles.first();
        let names = profile.map(|p| (p.provider.clone(), p.email.clone(), p.account.clone()));
        let shown = format!("{names:?} {:?} {:?}", parsed.store.dropped, parsed.damage);
        assert!(!shown.contains("canary"), "{field}: {shown}");
        assert!(field == "type" || shown.contains("hidden"), "{field}: {shown}");
    }
}

proptest! {
    #[test]
    fn a_plain_store_is_what_its_tree_says(
        entries in proptest::collection::vec(("[ab]|1|20|__proto__", "key|token|api_key|oauth"), 0..5),
        rest in prop_oneof![Just(""), Just(r#","profiles":{}"#), Just(r#","order":{"p":["b","a"]},"usageStats":{"a":{"lastUsed":7}}"#)],
    ) {
        let entry = |(id, kind): &(String, String)| format!(r#""{id}":{{"type":"{kind}","provider":"p","key":1,"expires":"x"}}"#);
        let body: Vec<String> = entries.iter().map(entry).collect();
        let text = format!(r#"{{"profiles":{{{}}}{rest}}}"#, body.join(","));
        let told = |parsed: Parsed| {
            let ids: Vec<String> = parsed.store.profiles.iter().map(|p| p.id.clone()).collect();
            (ids, parsed.store.dropped, parsed.store.order, parsed.store.usage, parsed.damage)
        };
        let distinct: std::collections::BTreeSet<&str> = entries.iter().map(|(id, _)| id.as_str()).collect();
        let usual = distinct.iter().all(|id| ["a", "b"].contains(id)) && distinct.len() == entries.len();
        let usual = usual && entries.iter().all(|(_, kind)| kind != "key") && !rest.contains("profiles");
        let plain = plain(&text);
        prop_assert_eq!(plain.is_some(), usual, "{}", text);
        if let Some(plain) = plain {
            prop_assert_eq!(told(plain), told(tree(&text).unwrap()));
        }
    }

    #[test]
    fn never_panics(text in "(?s)\\{\"profiles\":.{0,60}\\}") {
        let _ = parse(&text);
    }

    #[test]
    fn every_profile_is_found_by_its_id(names in proptest::collection::btree_set("[a-z0-9:_]{1,6}", 0..40)) {
        let body: Vec<String> = names.iter().map(|n| format!(r#""{n}":{{"type":"api_key","provider":"p","key":"k"}}"#)).collect();
        let parsed = ok(&format!("{{\"profiles\":{{{}}}}}", body.join(",")));
        for name in &names {
            prop_assert_eq!(parsed.store.profile(name).map(|p| p.id.as_str()), Some(name.as_str()));
        }
    }
}
