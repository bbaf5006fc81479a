//! Antigravity and its command line `agy`: a Google login in files below `~/.gemini`, or in the keyring (service `gemini`,
//! account `antigravity`), which no file tells of: only on macOS, where that is the usual place, it is asked for.
//!
//! Which of the files is used depends on version and edition, so all are read: what holds one login is shown as copies. The
//! shape is that of Go's OAuth library and known from several readers, not from a specification; what is different there is
//! shown as a login without a date. CodexBar's own copy of a login is read as well: two programs that renew one login can log
//! each other out.

use serde_json::{Map, Value};

use super::keyring::{self, Answer, Item, Platform, Writer};
use super::login::{Format, LoginFile, Shape};
use super::{Harvest, Scene, Source, gemini, json};
use crate::domain::Condition;
use crate::formats::dates::Unit;
use crate::formats::jwt;

/// See the module.
pub struct Antigravity;

const NAME: &str = "antigravity";
const PROVIDER: &str = "google-antigravity";
const FIX: &str = "Sign in again in Antigravity, or run `agy`.";
const UNKNOWN: &str = "it has no access_token where other versions have one";
const SHAPE: Shape = Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expiry", Unit::Text)) };

impl Source for Antigravity {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        read_on(Platform::HERE, scene, harvest);
    }
}

fn read_on(platform: Platform, scene: &Scene<'_>, harvest: &mut Harvest) {
    let dir = gemini::dir(scene);
    let first = harvest.found.len();
    let places = [
        ("cli", dir.join("antigravity-cli/antigravity-oauth-token")),
        ("jetski", dir.join("jetski-standalone-oauth-token")),
        ("codexbar", scene.env.home().join(".codexbar/antigravity/oauth_creds.json")),
    ];
    for (profile, path) in places {
        let mut file = LoginFile::new(NAME, PROVIDER, path, FIX).profile(profile);
        if let Some(object) = file.open(Format::Json, harvest) {
            login(&file, profile, object, scene, harvest);
        }
        file.close(harvest);
    }
    // Where it was never used nothing is asked.
    let used = ["antigravity-cli", "antigravity"].iter().any(|name| dir.join(name).is_dir());
    if platform == Platform::Mac && used && harvest.found.len() == first {
        // Only whether it is there: who wrote it, and so who may read it unasked, is not known.
        let item = Item { service: "gemini", account: Some("antigravity"), writer: Writer::Node };
        if let Answer::Locked(why) = keyring::ask_on(platform, &item, scene.env) {
            let mut file = LoginFile::keyring(NAME, PROVIDER, item.service, FIX);
            file.withheld(why, harvest);
            file.close(harvest);
        }
    }
}

/// `{token: {…}, auth_method, id_token}`, or the token's fields alone.
pub(super) fn login(
    file: &LoginFile,
    profile: &str,
    mut object: Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let identity = json::secret(&mut object, "id_token").secret().and_then(|token| jwt::claims(&token)?.email);
    let (mut token, prefix) = match object.remove("token") {
        Some(Value::Object(token)) => (token, "token"),
        _ => (object, ""),
    };
    let shape = if token.contains_key("expiry_date") { &gemini::SHAPE } else { &SHAPE };
    let mut found = file.oauth(profile, PROVIDER, &mut token, (shape, prefix), scene, harvest);
    if let Condition::Absent(_) = found.credential.condition {
        // Not "logged out": we know the shape only from others.
        found.credential.condition = Condition::Damaged(UNKNOWN.to_owned());
    }
    found.credential.account = identity;
    harvest.found.push(found);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, breaks, credentials, jwt, now, only};
    use super::*;
    use crate::domain::Renewal;

    const CLI: &str = ".gemini/antigravity-cli/antigravity-oauth-token";
    const JETSKI: &str = ".gemini/jetski-standalone-oauth-token";

    fn token(expiry: &str) -> String {
        let id = jwt(r#"{"email":"me@x.org"}"#);
        format!(
            r#"{{"token":{{"access_token":"ya29.a","token_type":"Bearer","refresh_token":"1//r","expiry":{expiry}}},"auth_method":"consumer","id_token":"{id}"}}"#
        )
    }

    #[test]
    fn the_known_files() {
        let home = Home::new();
        home.write(CLI, token("\"2027-01-10T13:00:00.5+01:00\""));
        home.write(JETSKI, token("\"2027-01-10T12:00:00Z\""));
        home.write(
            ".codexbar/antigravity/oauth_creds.json",
            r#"{"access_token":"ya29.b","refresh_token":"1//r","expiry_date":1799582400000}"#,
        );
        let harvest = home.read(&Antigravity);
        let found = credentials(&harvest);
        let ids: Vec<&str> = found.iter().map(|credential| credential.id.as_str()).collect();
        assert_eq!(ids, ["antigravity:cli", "antigravity:jetski", "antigravity:codexbar"]);
        assert!(
            found.iter().all(|c| (c.provider.as_str(), c.renewal) == (PROVIDER, Renewal::Auto) && c.notes.is_empty())
        );
        assert_eq!(found[1].clocks.access_expires, Some(now()));
        assert_eq!(found[2].clocks.access_expires, Some(now()));
        assert_eq!(found[0].account.as_deref(), Some("me@x.org"));
        assert!(found.iter().all(|credential| credential.refresh_fingerprint == found[0].refresh_fingerprint));
        assert!(harvest.findings.is_empty());
    }

    #[test]
    fn odd_shapes() {
        for (text, condition, notes) in [
            (r#"{"access_token":"a","refresh_token":"r"}"#.to_owned(), Condition::Present, 0),
            (token("1799582400"), Condition::Present, 1),
            (r#"{"token":{"access_token":"","refresh_token":""}}"#.to_owned(), Condition::Blanked, 0),
            (r#"{"token":"ya29"}"#.to_owned(), Condition::Damaged(UNKNOWN.to_owned()), 0),
            (
                r#"{"token":{"access_token":[]}}"#.to_owned(),
                Condition::Damaged("token.access_token is not a text".to_owned()),
                0,
            ),
        ] {
            let home = Home::new();
            home.write(JETSKI, &text);
            let (credential, _) = only(&home, &Antigravity);
            assert_eq!((credential.condition, credential.notes.len()), (condition, notes), "{text}");
        }
    }

    #[test]
    fn on_a_mac_it_is_in_the_keychain() {
        let mut home = Home::new();
        let check = "[ \"$*\" = 'find-generic-password -s gemini -a antigravity' ] || exit 44";
        keyring::tests::stand_in(&mut home, "security", &format!("{check}\necho keychain"));
        let read = |home: &Home| home.with_scene(|scene, harvest| read_on(Platform::Mac, scene, harvest));
        assert!(read(&home).found.is_empty(), "never used here");
        home.write(".gemini/antigravity-cli/settings.json", "{}");
        let harvest = read(&home);
        let credential = &harvest.found[0].credential;
        assert!(matches!(&credential.condition, Condition::Unreadable(why) if why.contains("its own tool only")));
        assert_eq!((credential.id.as_str(), credential.declared_in_use), ("antigravity:default", Some(false)));
        home.write(CLI, token("\"2027-01-10T12:00:00Z\""));
        assert_eq!(read(&home).found[0].credential.id.as_str(), "antigravity:cli");
        let mut home = Home::new();
        home.write(".gemini/antigravity-cli/settings.json", "{}");
        keyring::tests::stand_in(&mut home, "security", "exit 44");
        assert!(read(&home).found.is_empty());
    }

    #[test]
    fn broken_files() {
        for (place, id) in [(CLI, "antigravity:cli"), (JETSKI, "antigravity:jetski")] {
            breaks(&Antigravity, place, true);
            let home = Home::new();
            home.write(place, "broken");
            assert_eq!(only(&home, &Antigravity).0.id.as_str(), id);
        }
        assert!(Home::new().read(&Antigravity).found.is_empty());
    }
}
