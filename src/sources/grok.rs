//! The Grok command line's logins: `auth.json` in `$GROK_HOME` or `~/.grok`, one entry for each way in: an OIDC login
//! (`https://auth.x.ai::<client>`), an older sign-in, an API key (`xai::api_key`).

use serde_json::Value;

use super::login::{Format, LoginFile, Shape};
use super::{Harvest, Scene, Source};
use crate::domain::{Condition, Kind};
use crate::formats::dates::Unit;

/// See the module.
pub struct Grok;

const NAME: &str = "grok";
const PROVIDER: &str = "xai";
const SHAPE: Shape = Shape { access: "key", refresh: "refresh_token", expires: Some(("expires_at", Unit::Text)) };

impl Source for Grok {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let own_home = scene.env.get("GROK_HOME");
        let home = own_home.map_or_else(|| scene.env.home().join(".grok"), |home| scene.env.expand(home));
        let fix = match own_home {
            Some(home) => format!("GROK_HOME={} grok login", super::shell_word(home)),
            None => "grok login".to_owned(),
        };
        let signs = ["sessions", "config.toml", "history.jsonl"].map(|name| home.join(name));
        let mut file = LoginFile::new(NAME, PROVIDER, home.join("auth.json"), fix).alive(signs);
        if let Some(object) = file.open(Format::Json, harvest) {
            for (scope, entry) in object {
                // Other tools' entries for other services may stand beside its own.
                if !scope.starts_with("https://auth.x.ai")
                    && !scope.starts_with("https://accounts.x.ai")
                    && scope != KEY
                {
                    continue;
                }
                let Value::Object(mut entry) = entry else {
                    let what = "its entry is not an object";
                    harvest.findings.push(file.damaged(&scope, what));
                    harvest.found.push(file.found(&scope, PROVIDER, Kind::Oauth, Condition::Damaged(what.to_owned())));
                    continue;
                };
                let account = entry.get("email").and_then(Value::as_str).map(str::to_owned);
                let is_key = scope == KEY || entry.get("auth_mode").and_then(Value::as_str) == Some("api_key");
                let found = if is_key {
                    file.key_in((&scope, PROVIDER, Kind::ApiKey), &mut entry, ("key", &scope), scene, harvest)
                } else {
                    Some(file.oauth(&scope, PROVIDER, &mut entry, (&SHAPE, &scope), scene, harvest))
                };
                harvest.found.extend(found.map(|mut found| {
                    found.credential.account = account.filter(|account| !account.trim().is_empty());
                    found
                }));
            }
        }
        file.close(harvest);
    }
}

const KEY: &str = "xai::api_key";

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file, now};
    use super::*;
    use crate::domain::{Renewal, Span, Time};

    const PLACE: &str = ".grok/auth.json";

    #[test]
    fn a_login_and_a_key() {
        let mut home = Home::new();
        let text = r#"{"https://auth.x.ai::b1a0":{"key":"eyJ","refresh_token":"r","expires_at":"2027-01-15T12:00:00.123456789Z",
            "auth_mode":"oidc","email":"me@x.org"},"xai::api_key":{"key":"xai-1","auth_mode":"api_key"},
            "https://accounts.x.ai/sign-in":{"key":"old"},"oauth/openai-codex":{"key":"no"}}"#;
        home.write(PLACE, text);
        let harvest = home.read(&Grok);
        let ids: Vec<_> = harvest.found.iter().map(|found| found.credential.id.as_str()).collect();
        assert_eq!(ids, ["grok:https://accounts.x.ai/sign-in", "grok:https://auth.x.ai::b1a0", "grok:xai::api_key"]);
        let [old, login, key] = [0, 1, 2].map(|at| &harvest.found[at].credential);
        let end: Time = now() + Span::days(5) + Span::milliseconds(123);
        assert_eq!(login.clocks.access_expires.map(|at| at.timestamp_millis()), Some(end.timestamp_millis()));
        assert_eq!((login.renewal, login.account.as_deref()), (Renewal::Auto, Some("me@x.org")));
        assert_eq!((key.kind, key.renewal, key.provider.as_str()), (Kind::ApiKey, Renewal::None, "xai"));
        assert_eq!((old.renewal, old.kind), (Renewal::Manual, Kind::Oauth), "nothing renews it");
        assert!(harvest.findings.is_empty());

        home.env.set("GROK_HOME", "~/my grok");
        home.write("my grok/auth.json", text);
        home.write(PLACE, "not looked at");
        let harvest = home.read(&Grok);
        assert_eq!((harvest.found.len(), harvest.findings.len()), (3, 0));
        assert_eq!(harvest.found[0].credential.fix, "GROK_HOME='~/my grok' grok login");
    }

    #[test]
    fn conditions_of_an_entry() {
        let damaged = |what: &str| Condition::Damaged(what.to_owned());
        let table = [
            (r#"{"key":"","refresh_token":"","expires_at":""}"#, Condition::Blanked, 0),
            (r#"{"email":"x"}"#, Condition::Absent("the login has no key".to_owned()), 0),
            (r#"{"key":7}"#, damaged("https://auth.x.ai::c.key is not a text"), 1),
            (r#""text""#, damaged("its entry is not an object"), 1),
            (r#"{"key":"k","refresh_token":"r","expires_at":"soon"}"#, Condition::Present, 1),
            (r#"{"key":"k","refresh_token":"r","expires_at":1799582400}"#, Condition::Present, 0),
        ];
        for (text, condition, findings) in table {
            let home = Home::new();
            home.write(PLACE, format!(r#"{{"https://auth.x.ai::c":{text}}}"#));
            let harvest = home.read(&Grok);
            assert_eq!(harvest.found[0].credential.condition, condition, "{text}");
            assert_eq!(harvest.findings.len(), findings, "{text}");
        }
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&Grok, PLACE, &["", r#"{"xai::api_key":{"key":"tell-nobody"#, "[]"], true);
        assert!(Home::new().read(&Grok).found.is_empty());
    }
}
