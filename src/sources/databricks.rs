//! Databricks: profiles in `$DATABRICKS_CONFIG_FILE` or `~/.databrickscfg`, and the logins of its command line in
//! `~/.databricks/token-cache.json`.
//!
//! A personal access token shows no date. A profile may hold no secret at all: `auth_type` then says whose login is used, which
//! is that owner's to report.

use serde_json::{Map, Value};

use super::login::{Format, LoginFile, Shape};
use super::{Harvest, Scene, Source};
use crate::domain::{Condition, Kind};
use crate::formats::dates::Unit;

/// See the module.
pub struct Databricks;

const NAME: &str = "databricks";
const SHAPE: Shape = Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expiry", Unit::Text)) };

impl Source for Databricks {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        profiles(scene, harvest);
        logins(scene, harvest);
    }
}

fn profiles(scene: &Scene<'_>, harvest: &mut Harvest) {
    let own = scene.env.get("DATABRICKS_CONFIG_FILE").map(|path| scene.env.expand(path));
    let path = own.unwrap_or_else(|| scene.env.home().join(".databrickscfg"));
    let mut file = LoginFile::new(NAME, NAME, path, "databricks configure");
    if let Some(sections) = file.open(Format::Ini, harvest) {
        for (profile, section) in sections {
            let Value::Object(mut section) = section else { continue };
            let host = section.get("host").and_then(Value::as_str).map(host_of).filter(|host| !host.is_empty());
            // A token that a person makes; what a service principal proves itself with.
            for (field, name, kind) in [
                ("token", profile.clone(), Kind::Token),
                ("client_secret", format!("{profile}/client_secret"), Kind::Cloud),
                ("azure_client_secret", format!("{profile}/azure_client_secret"), Kind::Cloud),
            ] {
                let place = (name.as_str(), NAME, kind);
                let Some(mut found) = file.key_in(place, &mut section, (field, &profile), scene, harvest) else {
                    continue;
                };
                let credential = &mut found.credential;
                credential.fix = match kind {
                    Kind::Token => format!("databricks configure --profile {}", super::shell_word(&profile)),
                    _ => format!("Make a new secret, then set {field} of [{profile}] in {}.", file.path().display()),
                };
                credential.account.clone_from(&host);
                if kind == Kind::Cloud {
                    // It is exchanged for a token, and is none itself.
                    found.secret = None;
                }
                harvest.found.push(found);
            }
        }
    }
    file.close(harvest);
}

fn logins(scene: &Scene<'_>, harvest: &mut Harvest) {
    let path = scene.env.home().join(".databricks/token-cache.json");
    let mut file = LoginFile::new(NAME, NAME, path, "databricks auth login");
    if let Some(mut cache) = file.open(Format::Json, harvest) {
        match cache.remove("tokens") {
            Some(Value::Object(tokens)) => {
                for (key, login) in tokens {
                    let name = host_of(&key);
                    match login {
                        Value::Object(login) => one(&file, (&key, &name), login, scene, harvest),
                        _ => {
                            let what = format!("tokens.{key} is not an object");
                            harvest.findings.push(file.damaged("tokens", &what));
                            harvest.found.push(file.found(&name, NAME, Kind::Oauth, Condition::Damaged(what)));
                        }
                    }
                }
            }
            None | Some(Value::Null) => {}
            Some(_) => harvest.findings.push(file.damaged("tokens", "tokens is not an object")),
        }
    }
    file.close(harvest);
}

fn one(
    file: &LoginFile,
    (key, name): (&str, &str),
    mut login: Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let mut found = file.oauth(name, NAME, &mut login, (&SHAPE, ""), scene, harvest);
    let credential = &mut found.credential;
    credential.fix = match key.contains("://") {
        true => format!("databricks auth login --host {}", super::shell_word(key)),
        false => format!("databricks auth login --profile {}", super::shell_word(key)),
    };
    harvest.found.push(found);
}

/// The host of an address; a profile's name stays as it is.
fn host_of(address: &str) -> String {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    bare.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file};
    use super::*;
    use crate::domain::{Credential, Renewal, Time};

    const CONFIG: &str = ".databrickscfg";
    const CACHE: &str = ".databricks/token-cache.json";

    fn read(home: &Home) -> (Vec<Credential>, Harvest) {
        let harvest = home.read(&Databricks);
        (harvest.found.iter().map(|found| *found.credential.clone()).collect(), harvest)
    }

    #[test]
    fn profiles_with_and_without_a_secret() {
        let mut home = Home::new();
        home.write(
            CONFIG,
            "; words\n[DEFAULT]\nhost = https://adb-1.azuredatabricks.net/\ntoken = dapi1\n[robot]\nhost=https://x.cloud.databricks.com\nclient_id=c\nclient_secret=dose2\n[login]\nhost = https://y\nauth_type = databricks-cli\n[blank]\ntoken =\n[]\n",
        );
        let (credentials, harvest) = read(&home);
        let shown: Vec<(&str, Kind, &Condition)> =
            credentials.iter().map(|c| (c.id.as_str(), c.kind, &c.condition)).collect();
        let expected = [
            ("databricks:DEFAULT", Kind::Token, &Condition::Present),
            ("databricks:blank", Kind::Token, &Condition::Blanked),
            ("databricks:robot/client_secret", Kind::Cloud, &Condition::Present),
        ];
        assert_eq!(shown, expected);
        assert_eq!(credentials[0].account.as_deref(), Some("adb-1.azuredatabricks.net"));
        assert_eq!(credentials[0].fix, "databricks configure --profile DEFAULT");
        assert_eq!(harvest.found[0].secret.as_ref().map(crate::domain::Secret::expose), Some("dapi1"));
        assert!(harvest.found[2].secret.is_none() && harvest.findings.is_empty());
        home.env.set("DATABRICKS_CONFIG_FILE", "~/other");
        assert!(read(&home).0.is_empty());
    }

    #[test]
    fn logins_of_the_command_line() {
        let home = Home::new();
        home.write(
            CACHE,
            r#"{"version":1,"tokens":{"https://y.cloud.databricks.com":{"access_token":"eyJ","token_type":"Bearer","refresh_token":"doau","expiry":"2027-01-10T09:00:00.5+01:00"},"work":{"access_token":"a","refresh_token":"","expiry":1799580600},"out":{"access_token":"","refresh_token":""},"odd":7}}"#,
        );
        let (credentials, harvest) = read(&home);
        let of = |name: &str| credentials.iter().find(|credential| credential.profile == name).unwrap();
        let host = of("y.cloud.databricks.com");
        let end: Option<Time> = "2027-01-10T08:00:00.5Z".parse().ok();
        assert_eq!((host.clocks.access_expires, host.renewal), (end, Renewal::Auto));
        assert_eq!(host.fix, "databricks auth login --host https://y.cloud.databricks.com");
        assert_eq!(
            (of("work").renewal, of("work").fix.as_str()),
            (Renewal::Manual, "databricks auth login --profile work")
        );
        assert!(of("work").notes.iter().any(|note| note.contains("a number, not text")));
        assert_eq!(of("out").condition, Condition::Blanked);
        assert!(matches!(of("odd").condition, Condition::Damaged(_)));
        assert_eq!(harvest.findings.len(), 1);
        home.write(CACHE, r#"{"tokens":[]}"#);
        assert_eq!(read(&home).1.findings.len(), 1);
        home.write(CACHE, r#"{"version":1}"#);
        assert_eq!(read(&home).1.findings.len(), 0);
    }

    #[test]
    fn broken_files() {
        every_broken_file(&Databricks, CACHE, &["{\"tokens\":{\"tell-nobody", "", "[]", "null"], true);
        every_broken_file(&Databricks, CONFIG, &[], true);
    }
}
