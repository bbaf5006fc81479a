//! Codebuff (once Manicode; Freebuff is the same program): `~/.config/manicode/credentials.json` on every system.
//!
//! Each account is an object with a session token, which shows no date; beside them a Claude login that the user connected.

use serde_json::{Map, Value};

use super::login::{Format, LoginFile, Shape};
use super::{Harvest, Scene, Source, json};
use crate::domain::{Condition, Kind, Renewal};
use crate::formats::dates::Unit;

/// See the module.
pub struct Codebuff;

const NAME: &str = "codebuff";
const FIX: &str = "Run `codebuff` and log in again.";
const CLAUDE: &str = "claudeOAuth";
const SHAPE: Shape =
    Shape { access: "accessToken", refresh: "refreshToken", expires: Some(("expiresAt", Unit::Milliseconds)) };

impl Source for Codebuff {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = scene.env.home().join(".config/manicode");
        let signs = ["projects", "settings.json"].map(|name| dir.join(name));
        let mut file = LoginFile::new(NAME, NAME, dir.join("credentials.json"), FIX).alive(signs);
        if let Some(object) = file.open(Format::Json, harvest) {
            for (name, entry) in object {
                match entry {
                    Value::Object(login) if name == CLAUDE => {
                        let mut login = login;
                        let of = (&SHAPE, CLAUDE);
                        let found = file.oauth(&name, "anthropic", &mut login, of, scene, harvest);
                        harvest.found.push(found);
                    }
                    Value::Object(account) => session(&file, &name, account, scene, harvest),
                    // Whatever else it keeps there is no credential.
                    _ => {}
                }
            }
        }
        file.close(harvest);
    }
}

fn session(file: &LoginFile, name: &str, mut account: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let whose = json::text(&account, &["email"]).or_else(|| json::text(&account, &["name"])).map(str::to_owned);
    let looks_like_an_account = whose.is_some() || account.contains_key("fingerprintId");
    for (field, kind) in [("authToken", Kind::Session), ("apiKey", Kind::ApiKey)] {
        if let Some(mut found) = file.key_in((name, NAME, kind), &mut account, (field, name), scene, harvest) {
            found.credential.account = whose;
            harvest.found.push(found);
            return;
        }
    }
    if looks_like_an_account {
        let mut found = file.found(name, NAME, Kind::Session, Condition::Blanked);
        found.credential.renewal = Renewal::Manual;
        harvest.found.push(found);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, breaks, credentials, now, only};
    use super::*;

    const PLACE: &str = ".config/manicode/credentials.json";

    #[test]
    fn accounts_and_a_connected_login() {
        let home = Home::new();
        let expires = now().timestamp_millis();
        home.write(
            PLACE,
            format!(
                r#"{{"default":{{"id":"u1","name":"Me","email":"me@x.org","authToken":"t","fingerprintId":"f"}},
                "old":{{"apiKey":"k"}},"version":2,"other":{{"theme":"dark"}},
                "claudeOAuth":{{"accessToken":"a","refreshToken":"r","expiresAt":{expires},"connectedAt":1}}}}"#
            ),
        );
        let harvest = home.read(&Codebuff);
        let found = credentials(&harvest);
        let facts: Vec<_> = found.iter().map(|c| (c.id.as_str(), c.provider.as_str(), c.kind, c.renewal)).collect();
        assert_eq!(
            facts,
            [
                ("codebuff:claudeOAuth", "anthropic", Kind::Oauth, Renewal::Auto),
                ("codebuff:default", "codebuff", Kind::Session, Renewal::Manual),
                ("codebuff:old", "codebuff", Kind::ApiKey, Renewal::None),
            ]
        );
        assert_eq!((found[1].account.as_deref(), found[0].clocks.access_expires), (Some("me@x.org"), Some(now())));
        assert!(harvest.findings.is_empty() && harvest.found.iter().all(|found| found.secret.is_some()));
    }

    #[test]
    fn broken_entries_and_files() {
        let damaged = |what: &str| Condition::Damaged(what.to_owned());
        for (entry, condition) in [
            (r#""default":{"authToken":""}"#, Condition::Blanked),
            (r#""default":{"email":"me@x.org"}"#, Condition::Blanked),
            (r#""default":{"authToken":{}}"#, damaged("default.authToken is not a text")),
            (r#""claudeOAuth":{"accessToken":"","refreshToken":"","expiresAt":0}"#, Condition::Blanked),
            (r#""claudeOAuth":{"accessToken":0}"#, damaged("claudeOAuth.accessToken is not a text")),
        ] {
            let home = Home::new();
            home.write(PLACE, format!("{{{entry}}}"));
            assert_eq!(only(&home, &Codebuff).0.condition, condition, "{entry}");
        }
        breaks(&Codebuff, PLACE, true);
        assert!(Home::new().read(&Codebuff).found.is_empty());
    }
}
