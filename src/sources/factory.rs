//! Factory's droid: its login in `~/.factory`, and a key in the `.env` there.
//!
//! Newer versions encrypt the login; the key is in the keyring, or lies beside it. It is not decrypted here: what can be said
//! is that there is one, and when droid last wrote it. Older versions left `auth.json` in the open; once there is a newer one,
//! nobody reads that any more. Refresh tokens are single-use: nothing here ever sends one.

use serde_json::{Map, Value};

use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source};
use crate::domain::Condition;
use crate::files;
use crate::formats::provider_env;

/// See the module.
pub struct Factory;

const NAME: &str = "factory";
const FIX: &str = "Run `droid`, then /login.";
const SHAPE: Shape = Shape { access: "access_token", refresh: "refresh_token", expires: None };

impl Source for Factory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let own_home = scene.env.get("FACTORY_HOME_OVERRIDE");
        let home = own_home.map_or_else(|| scene.env.home(), |home| scene.env.expand(home)).join(".factory");
        let signs = || ["sessions", "history.json", "settings.json"].map(|name| home.join(name));
        let mut encrypted = false;
        for (name, keyring) in [
            ("auth.v2.keyring", true),
            ("auth.v2.loginkeychain", true),
            ("auth.v2.file", false),
            ("auth.encrypted", false),
        ] {
            let file = LoginFile::new(NAME, NAME, home.join(name), FIX).alive(signs());
            if encrypted || !file.exists() {
                continue;
            }
            encrypted = true;
            let found = sealed(&file, keyring);
            harvest.found.push(found);
            file.close_unread(harvest, 1);
        }
        let mut file = LoginFile::new(NAME, NAME, home.join("auth.json"), FIX).alive(signs());
        if !encrypted {
            if let Some(object) = file.open(Format::Json, harvest) {
                let found = login(&file, object, scene, harvest);
                harvest.found.push(found);
            }
            file.close(harvest);
        }
        let fix =
            "Make a new key at https://app.factory.ai/settings/api-keys, then set FACTORY_API_KEY in ~/.factory/.env.";
        let mut dotenv = LoginFile::new(NAME, NAME, home.join(".env"), fix).settings().alive(signs());
        if let Some(mut object) = dotenv.open(Format::Dotenv, harvest) {
            let names: Vec<String> = object.keys().cloned().collect();
            for name in names {
                let Some(provider) = provider_env::provider_of(&name) else { continue };
                let entry = (name.as_str(), provider, provider_env::kind_of(&name));
                let found = dotenv.key_in(entry, &mut object, (&name, ""), scene, harvest);
                // `NAME=` switches a key off.
                harvest.found.extend(found.filter(|found| found.credential.condition == Condition::Present));
            }
        }
        dotenv.close(harvest);
    }
}

fn sealed(file: &LoginFile, keyring: bool) -> Found {
    let path = file.path().display();
    let why = if keyring {
        format!("{path} is encrypted, and its key is kept in the keyring (service Factory CLI)")
    } else {
        format!("{path} is encrypted by droid")
    };
    let mut found = file.sealed("default", NAME, why);
    let credential = &mut found.credential;
    // It is written anew with each renewal: this is all that is known of its health.
    credential.clocks.last_renewed = files::modified(file.path());
    credential.activity.owner_changed = credential.activity.owner_changed.max(credential.clocks.last_renewed);
    credential.fix = "Set FACTORY_API_KEY, which can be watched, or watch this login in droid.".to_owned();
    found
}

/// `{access_token, refresh_token}`, at the top or below `tokens`.
fn login(file: &LoginFile, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) -> Found {
    match object.remove("tokens") {
        Some(Value::Object(mut tokens)) => file.oauth("default", NAME, &mut tokens, (&SHAPE, "tokens"), scene, harvest),
        _ => file.oauth("default", NAME, &mut object, (&SHAPE, ""), scene, harvest),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file, jwt, now};
    use super::*;
    use crate::domain::{Renewal, Span};

    const OLD: &str = ".factory/auth.json";
    const DOTENV: &str = ".factory/.env";

    #[test]
    fn a_login_in_the_open() {
        let end = now() + Span::hours(5);
        let token = jwt(&format!(r#"{{"exp":{}}}"#, end.timestamp()));
        let flat = format!(r#"{{"access_token":"{token}","refresh_token":"r"}}"#);
        for text in [flat.clone(), format!(r#"{{"tokens":{flat}}}"#)] {
            let home = Home::new();
            home.write(OLD, text);
            let harvest = home.read(&Factory);
            let credential = &harvest.found[0].credential;
            assert_eq!((credential.id.as_str(), credential.renewal), ("factory:default", Renewal::Auto));
            assert_eq!((credential.clocks.access_expires, harvest.findings.len()), (Some(end), 0));
        }
        let table = [
            (r#"{"access_token":"","refresh_token":""}"#, Condition::Blanked),
            ("{}", Condition::Absent("the login has no access_token".to_owned())),
            (r#"{"access_token":[]}"#, Condition::Damaged("access_token is not a text".to_owned())),
            (r#"{"access_token":"opaque","refresh_token":"r"}"#, Condition::Present),
        ];
        for (text, condition) in table {
            let home = Home::new();
            home.write(OLD, text);
            assert_eq!(home.read(&Factory).found[0].credential.condition, condition, "{text}");
        }
    }

    #[test]
    fn an_encrypted_one_is_shown_and_nothing_is_claimed() {
        for (name, word) in [
            ("auth.v2.file", "by droid"),
            ("auth.encrypted", "by droid"),
            ("auth.v2.keyring", "keyring"),
            ("auth.v2.loginkeychain", "keyring"),
        ] {
            let home = Home::new();
            home.write(&format!(".factory/{name}"), "iv:tag:ciphertext");
            home.write(".factory/auth.v2.key", "a2V5");
            home.write(OLD, "left over and broken");
            let harvest = home.read(&Factory);
            assert_eq!((harvest.found.len(), harvest.findings.len()), (1, 0), "{name}");
            let credential = &harvest.found[0].credential;
            assert!(
                matches!(&credential.condition, Condition::Unreadable(why) if why.contains(word) && why.contains(name))
            );
            assert_eq!((credential.declared_in_use, credential.clocks.last_renewed.is_some()), (Some(false), true));
            assert!(harvest.found[0].secret.is_none() && credential.fingerprint.is_none());
            assert_eq!(harvest.reports[0].credentials, 1);
        }
    }

    #[test]
    fn the_key_in_its_environment_file() {
        let mut home = Home::new();
        home.env.set("FACTORY_HOME_OVERRIDE", "~/f");
        home.write(
            "f/.factory/.env",
            "# words\nFACTORY_API_KEY=fk-1\nexport FACTORY_API_KEY='fk-2'\nOTHER=x\nOPENAI_API_KEY=\n",
        );
        let harvest = home.read(&Factory);
        let [found] = harvest.found.as_slice() else { panic!() };
        assert_eq!(
            (found.credential.id.as_str(), found.credential.provider.as_str()),
            ("factory:FACTORY_API_KEY", "factory")
        );
        assert_eq!(found.secret.as_ref().unwrap().expose(), "fk-2", "the last one counts");
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&Factory, OLD, &["", r#"{"access_token":"tell-nobody"#, "[]"], true);
        every_broken_file(&Factory, DOTENV, &[], false);
        assert!(Home::new().read(&Factory).found.is_empty());
    }
}
