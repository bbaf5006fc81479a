//! Hermes agent: `auth.json` and `.env` in `$HERMES_HOME` or `~/.hermes`.
//!
//! The shape of `auth.json` is known from its readers, not from a specification, and has changed: `providers.<id>` holds the
//! tokens or an object `tokens`, `credential_pool.<id>` a list of spare ones. What has no token in a known place is passed over
//! and never called a logout. Keys of the pool go to servers that Hermes chooses, so nobody is asked about them.

use serde_json::{Map, Value};

use super::login::{Format, LoginFile, Shape};
use super::{Harvest, Scene, Source, json, variables};
use crate::domain::Kind;
use crate::formats::dates::Unit;
use crate::formats::provider_id;

/// See the module.
pub struct Hermes;

const NAME: &str = "hermes";
const SHAPE: Shape =
    Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expires_at", Unit::Text)) };
/// The same where no date stands beside the tokens: the token may say it.
const JWT: Shape = Shape { expires: None, ..SHAPE };

impl Source for Hermes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = scene.env.get("HERMES_HOME");
        let dir = dir.map_or_else(|| scene.env.home().join(".hermes"), |dir| scene.env.expand(dir));
        let signs = || ["sessions", "logs", "state.db"].map(|name| dir.join(name));
        let mut file = LoginFile::new(NAME, NAME, dir.join("auth.json"), "hermes auth add").alive(signs());
        if let Some(mut object) = file.open(Format::Json, harvest) {
            if let Some(Value::Object(providers)) = object.remove("providers") {
                for (name, entry) in providers {
                    login(&file, &name, entry, scene, harvest);
                }
            }
            if let Some(Value::Object(pools)) = object.remove("credential_pool") {
                for (name, entries) in pools {
                    pool(&file, &name, entries, scene, harvest);
                }
            }
        }
        file.close(harvest);
        let mut file = LoginFile::new(NAME, NAME, dir.join(".env"), "hermes setup").settings().alive(signs());
        if let Some(object) = file.open(Format::Dotenv, harvest) {
            variables::of_tool(&file, object, ("", ""), scene, harvest);
        }
        file.close(harvest);
    }
}

fn login(file: &LoginFile, name: &str, entry: Value, scene: &Scene<'_>, harvest: &mut Harvest) {
    let Value::Object(mut entry) = entry else { return };
    let (mut tokens, prefix) = match entry.remove("tokens") {
        Some(Value::Object(tokens)) => (tokens, format!("providers.{name}.tokens")),
        _ => (std::mem::take(&mut entry), format!("providers.{name}")),
    };
    if !tokens.contains_key(SHAPE.access) {
        return;
    }
    let shape = if tokens.contains_key("expires_at") { &SHAPE } else { &JWT };
    let mut found = file.oauth(name, &provider_id::normalize(name), &mut tokens, (shape, &prefix), scene, harvest);
    let credential = &mut found.credential;
    let beside = if entry.is_empty() { &tokens } else { &entry };
    credential.clocks.last_renewed =
        file.date(beside, ("last_refresh", Unit::Text), &prefix, &mut credential.notes, harvest);
    credential.fix = format!("hermes auth add {}", super::shell_word(name));
    harvest.found.push(found);
}

fn pool(file: &LoginFile, name: &str, entries: Value, scene: &Scene<'_>, harvest: &mut Harvest) {
    let Value::Array(entries) = entries else { return };
    for (index, entry) in entries.into_iter().enumerate() {
        let Value::Object(mut entry) = entry else { continue };
        let own = json::text(&entry, &["id"]).map_or_else(|| index.to_string(), str::to_owned);
        let profile = format!("pool/{name}/{own}");
        let label = json::text(&entry, &["label"]).map(str::to_owned);
        if let Some(mut found) = spare(file, (&profile, name), &mut entry, scene, harvest) {
            found.credential.account = label;
            found.credential.fix = format!("hermes auth add {}", super::shell_word(name));
            harvest.found.push(found.unasked("it is for the server that Hermes chooses, which is not asked"));
        }
    }
}

fn spare(
    file: &LoginFile,
    (profile, name): (&str, &str),
    entry: &mut Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Option<super::Found> {
    // Entries that only name a variable hold nothing themselves.
    json::text(entry, &[SHAPE.access])?;
    let provider = provider_id::normalize(name);
    if json::text(entry, &["auth_type"]) == Some("oauth") {
        let shape = if entry.contains_key("expires_at") { &SHAPE } else { &JWT };
        return Some(file.oauth(profile, &provider, entry, (shape, "credential_pool"), scene, harvest));
    }
    let of = (profile, provider.as_str(), Kind::ApiKey);
    file.key_in(of, entry, (SHAPE.access, "credential_pool"), scene, harvest)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, breaks, credentials, jwt, now, only};
    use super::*;
    use crate::domain::{Condition, Renewal};

    const PLACE: &str = ".hermes/auth.json";

    #[test]
    fn logins_spares_and_keys() {
        let home = Home::new();
        let access = jwt(&format!(r#"{{"exp":{}}}"#, now().timestamp()));
        home.write(
            PLACE,
            format!(
                r#"{{"version":1,"active_provider":"nous","providers":{{
                "nous":{{"access_token":"n","refresh_token":"r","expires_at":"2027-01-10T12:00:00+00:00"}},
                "openai-codex":{{"tokens":{{"access_token":"{access}","refresh_token":"rt"}},
                    "last_refresh":"2027-01-09T12:00:00.5+00:00","auth_method":"chatgpt"}},
                "other":{{"oauth":true}}}},
                "credential_pool":{{
                "anthropic":[{{"source":"env:ANTHROPIC_TOKEN","auth_type":"oauth"}}],
                "openai-codex":[{{"id":"a1","label":"me@x.org","auth_type":"oauth","access_token":"{access}","refresh_token":"rt"}}],
                "openrouter":[{{"auth_type":"api_key","access_token":"sk-or-x"}}]}}}}"#
            ),
        );
        home.write(".hermes/.env", "GROQ_API_KEY=g\nOPENAI_API_KEY=k\nOPENAI_BASE_URL=http://127.0.0.1:8999/v1\n");
        let harvest = home.read(&Hermes);
        let found = credentials(&harvest);
        let facts: Vec<_> = found.iter().map(|c| (c.id.as_str(), c.provider.as_str(), c.kind)).collect();
        assert_eq!(
            facts,
            [
                ("hermes:nous", "nous", Kind::Oauth),
                ("hermes:openai-codex", "openai-codex", Kind::Oauth),
                ("hermes:pool/openai-codex/a1", "openai-codex", Kind::Oauth),
                ("hermes:pool/openrouter/0", "openrouter", Kind::ApiKey),
                ("hermes:GROQ_API_KEY", "groq", Kind::ApiKey),
                ("hermes:OPENAI_API_KEY", "openai", Kind::ApiKey),
            ]
        );
        assert!(found[..2].iter().all(|credential| credential.clocks.access_expires == Some(now())));
        assert!(found[1].clocks.last_renewed.is_some() && found[0].clocks.last_renewed.is_none());
        assert_eq!(found[1].refresh_fingerprint, found[2].refresh_fingerprint, "the spare is a copy");
        assert_eq!(
            (found[1].fix.as_str(), found[2].account.as_deref()),
            ("hermes auth add openai-codex", Some("me@x.org"))
        );
        let asked: Vec<bool> = harvest.found.iter().map(|found| found.secret.is_some()).collect();
        assert_eq!(asked, [true, true, false, false, true, false]);
        assert!(harvest.findings.is_empty(), "{:?}", harvest.findings);
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let mut home = Home::new();
        home.env.set("HERMES_HOME", "~/h");
        for text in [
            "{}",
            r#"{"providers":[],"credential_pool":[]}"#,
            r#"{"providers":{"nous":{}, "x":7},"credential_pool":{"a":{},"b":[7,{"access_token":5},{"access_token":" "}]}}"#,
        ] {
            home.write("h/auth.json", text);
            let harvest = home.read(&Hermes);
            assert!(harvest.found.is_empty() && harvest.findings.is_empty(), "{text}");
        }
        for (entry, condition, renewal) in [
            (r#"{"access_token":"","refresh_token":""}"#, Condition::Blanked, Renewal::Auto),
            (r#"{"access_token":"a","refresh_token":null}"#, Condition::Present, Renewal::Manual),
        ] {
            home.write("h/auth.json", format!(r#"{{"providers":{{"nous":{entry}}}}}"#));
            let (credential, _) = only(&home, &Hermes);
            assert_eq!((credential.condition, credential.renewal), (condition, renewal), "{entry}");
        }
        breaks(&Hermes, PLACE, true);
    }
}
