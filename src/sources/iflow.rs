//! iFlow: `~/.iflow/oauth_creds.json` (a login, and the key that was made with it) and the key in `~/.iflow/settings.json`.
//!
//! Its users report that the service stopped ([`super::retired`]); a token that was issued since says otherwise.

use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source, gemini};
use crate::domain::{Condition, Kind};

/// See the module.
pub struct Iflow;

const NAME: &str = "iflow";
const PROVIDER: &str = "iflowcn";
const FIX: &str = "Run `iflow`, then /auth.";

impl Source for Iflow {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = scene.env.home().join(".iflow");
        let key = ("apiKey", PROVIDER, Kind::ApiKey);
        let mut file = LoginFile::new(NAME, PROVIDER, dir.join("oauth_creds.json"), FIX);
        let mut with_login = false;
        if let Some(mut object) = file.open(Format::Json, harvest) {
            let found = file.key_in(key, &mut object, ("apiKey", ""), scene, harvest);
            let found = found.filter(|found| found.credential.condition != Condition::Blanked);
            with_login = found.is_some();
            let mut login = file.oauth("default", PROVIDER, &mut object, (&gemini::SHAPE, ""), scene, harvest);
            if let Condition::Absent(_) = login.credential.condition {
                login.credential.condition = Condition::Blanked;
            }
            if let Some(mut found) = found {
                // The key was made with the login, so it is as old as that.
                found.credential.clocks.last_renewed = login.credential.clocks.access_expires;
                harvest.found.push(found);
            }
            harvest.found.push(login);
        }
        file.close(harvest);
        let mut file = LoginFile::new(NAME, PROVIDER, dir.join("settings.json"), FIX).settings();
        if let Some(mut object) = file.open(Format::Json5, harvest) {
            let profile = if with_login { "settings/apiKey" } else { "apiKey" };
            let key = (profile, PROVIDER, Kind::ApiKey);
            let found = file.key_in(key, &mut object, ("apiKey", ""), scene, harvest);
            harvest.found.extend(found.filter(|found| found.credential.condition != Condition::Blanked));
        }
        file.close(harvest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, breaks, credentials, only};
    use super::*;

    const PLACE: &str = ".iflow/oauth_creds.json";

    fn read(home: &Home) -> Harvest {
        let mut harvest = home.read(&Iflow);
        for found in &mut harvest.found {
            super::super::retired::mark(found, super::super::testing::now());
        }
        harvest
    }

    fn creds(expiry: &str) -> String {
        format!(r#"{{"access_token":"a","refresh_token":"r","expiry_date":{expiry},"scope":"api","apiKey":"sk-i"}}"#)
    }

    #[test]
    fn it_has_ended_unless_a_newer_token_says_otherwise() {
        let home = Home::new();
        home.write(PLACE, creds("1779000000000"));
        home.write(".iflow/settings.json", r#"{"selectedAuthType":"iflow","apiKey":"sk-i"}"#);
        let harvest = read(&home);
        let found = credentials(&harvest);
        let ids: Vec<&str> = found.iter().map(|credential| credential.id.as_str()).collect();
        assert_eq!(ids, ["iflow:apiKey", "iflow:default", "iflow:settings/apiKey"]);
        assert!(found.iter().all(|credential| matches!(credential.condition, Condition::Retired(_))));
        assert!(harvest.found.iter().all(|found| found.secret.is_none()));
        assert_eq!(found[0].fingerprint, found[2].fingerprint);

        home.write(PLACE, creds("1799582400000"));
        let found = credentials(&read(&home));
        assert_eq!((&found[0].condition, &found[1].condition), (&Condition::Present, &Condition::Present));
        assert!(found[1].notes.iter().any(|note| note.contains("issued later")), "{:?}", found[1].notes);
    }

    #[test]
    fn shapes() {
        let home = Home::new();
        home.write(".iflow/settings.json", r#"{"apiKey":"sk-i", /* mine */}"#);
        assert_eq!(only(&home, &Iflow).0.id.as_str(), "iflow:apiKey");
        home.write(".iflow/settings.json", r#"{"apiKey":""}"#);
        assert!(home.read(&Iflow).found.is_empty());
        for (text, condition) in [
            (r#"{"access_token":"","refresh_token":"","apiKey":""}"#, Condition::Blanked),
            ("{}", Condition::Blanked),
            (r#"{"access_token":3}"#, Condition::Damaged("access_token is not a text".to_owned())),
        ] {
            home.write(PLACE, text);
            assert_eq!(only(&home, &Iflow).0.condition, condition, "{text}");
        }
        breaks(&Iflow, PLACE, true);
        breaks(&Iflow, ".iflow/settings.json", false);
    }
}
