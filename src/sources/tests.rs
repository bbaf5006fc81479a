//! What holds for all sources together.

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::testing::Home;

#[test]
fn every_source_is_listed_once_under_its_own_name() {
    let sources = super::all();
    let names: BTreeSet<&str> = sources.iter().map(|source| source.name()).collect();
    assert_eq!(names.len(), sources.len());
    // Each file of this directory that is a source is in the list.
    let text = include_str!("mod.rs");
    for module in text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(text.contains(&format!("Box::new({module}::")), "{module}");
    }
}

#[test]
fn an_empty_home_has_nothing_and_nothing_to_say() {
    let harvest = Home::new().everything();
    assert!(harvest.found.is_empty() && harvest.findings.is_empty());
    assert!(harvest.reports.iter().all(|report| report.up && report.credentials == 0));
}

#[test]
fn two_entries_of_one_name_are_two() {
    let home = Home::new();
    for name in ["apps", "hosts"] {
        let entry = format!(r#"{{"github.com":{{"oauth_token":"ghu_{name}"}}}}"#);
        home.write(&format!(".config/github-copilot/{name}.json"), entry);
    }
    let harvest = home.everything();
    let ids: Vec<&str> = harvest.found.iter().map(|found| found.credential.id.as_str()).collect();
    assert_eq!(ids, ["copilot:github.com", "copilot:github.com#2"]);
}

/// Every file that some source looks at, and one in each directory that is listed.
fn places(home: &Home) -> Vec<PathBuf> {
    let root = home.path("");
    let looked = home.everything().reports.into_iter().flat_map(|report| report.looked);
    let mut places: Vec<PathBuf> = looked.filter(|place| place.starts_with(&root)).collect();
    // A directory is not written as a file; and beside a database nobody reads the files of before.
    let all = places.clone();
    places.retain(|place| !all.iter().any(|other| other != place && other.starts_with(place)));
    places.retain(|place| place.extension().is_none_or(|extension| extension != "sqlite"));
    for dir in [".kimi/credentials", ".kimi-code/credentials", ".llxprt/oauth", ".cli-proxy-api"] {
        places.retain(|place| *place != home.path(dir));
        places.push(home.path(dir).join("claude-x.json"));
    }
    places
}

const SECRET: &str = "s3cr3t";

/// Fields whose value people must never see.
const SECRETS: [&str; 15] = [
    "access_token",
    "refresh_token",
    "id_token",
    "accessToken",
    "refreshToken",
    "access",
    "refresh",
    "oauth_token",
    "token",
    "key",
    "apiKey",
    "api_key",
    "authToken",
    "https://github.com:octo",
    "OPENAI_API_KEY",
];
const OTHERS: [&str; 36] = [
    "type",
    "expiry_date",
    "expiry",
    "expires",
    "expires_at",
    "expiresAt",
    "expires_in",
    "expired",
    "last_refresh",
    "claudeAiOauth",
    "tokens",
    "copilotTokens",
    "loggedInUsers",
    "host",
    "login",
    "github.com",
    "user",
    "users",
    "octo",
    "provider",
    "providers",
    "options",
    "baseURL",
    "base_url",
    "oauth",
    "credential_pool",
    "auth_type",
    "default",
    "claudeOAuth",
    "email",
    "anthropic",
    "openai",
    "github-copilot",
    "enterpriseUrl",
    "env",
    "disabled",
];

fn leaf() -> impl Strategy<Value = Value> {
    let words = [
        "oauth",
        "api",
        "api_key",
        "wellknown",
        "claude",
        "gemini",
        "",
        "2027-01-10T12:00:00Z",
        "github.com",
        "{env:X}",
    ];
    prop_oneof![
        4 => prop::sample::select(words.to_vec()).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => prop::sample::select(vec![json!(0), json!(-1), json!(1_799_582_400), json!(1_799_582_400_000_i64), json!(1e300)]),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        let secret = prop_oneof![4 => Just(json!(SECRET)), 1 => Just(json!([SECRET])), 1 => inner.clone()];
        let secrets = prop::collection::vec((prop::sample::select(SECRETS.to_vec()), secret), 0..4);
        let others = prop::collection::vec((prop::sample::select(OTHERS.to_vec()), inner.clone()), 0..6);
        let object = (secrets, others).prop_map(|(secrets, others)| {
            let fields = secrets.into_iter().chain(others).map(|(name, value)| (name.to_owned(), value));
            Value::Object(fields.collect::<Map<_, _>>())
        });
        prop_oneof![6 => object, 1 => prop::collection::vec(inner, 0..3).prop_map(Value::from)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever stands in whichever file: nobody panics, nobody repeats a secret, and no two credentials have one name.
    #[test]
    fn foreign_data_never_breaks_anything(document in tree()) {
        let home = Home::new();
        let text = document.to_string();
        let places = places(&home);
        prop_assert!(places.len() > 30, "{places:?}");
        for place in places {
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, &text).unwrap();
        }
        let harvest = home.everything();
        let mut ids = BTreeSet::new();
        for found in &harvest.found {
            let shown = format!("{:?}", found.credential);
            prop_assert!(!shown.contains(SECRET), "{shown}");
            prop_assert!(ids.insert(&found.credential.id), "twice: {}", found.credential.id.as_str());
        }
        let said = format!("{:?} {:?}", harvest.findings, harvest.reports);
        prop_assert!(!said.contains(SECRET), "{said}");
    }
}
