//! GitHub's command line: `hosts.yml` in `$GH_CONFIG_DIR`, else `$XDG_CONFIG_HOME/gh`. One file for several hosts, several users
//! at each; where there is a keyring it holds the tokens, and the file only names the users.
//!
//! A token here serves GitHub Models, and Copilot where nothing else does. It has no visible date: only GitHub's answers show
//! the end of a fine-grained one.

use serde_json::{Map, Value};

use super::copilot::{at_host, in_keyring};
use super::json::{self, Field};
use super::keyring::{Item, Writer};
use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source, bases};
use crate::domain::{Condition, Kind};

/// See the module.
pub struct Gh;

const NAME: &str = "gh";
const PROVIDER: &str = "github";

impl Source for Gh {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let own = scene.env.get("GH_CONFIG_DIR");
        let dir = own.map_or_else(|| bases::config(scene.env).join("gh"), |dir| scene.env.expand(dir));
        // It looks for its own updates when it is used, and writes the answer there.
        let signs = ["state.yml", "device-id"].map(|name| bases::state(scene.env).join(NAME).join(name));
        let mut file = LoginFile::new(NAME, PROVIDER, dir.join("hosts.yml"), "gh auth login").alive(signs);
        if let Some(object) = file.open(Format::Yaml, harvest) {
            for (host, entry) in object {
                match entry {
                    Value::Object(entry) => logins(&file, &host, entry, scene, harvest),
                    // A host without settings.
                    Value::Null => {}
                    _ => {
                        let what = format!("{host} is not a table of names");
                        harvest.findings.push(file.damaged(&host, &what));
                        harvest.found.push(file.found(&host, PROVIDER, Kind::Token, Condition::Damaged(what)));
                    }
                }
            }
        }
        file.close(harvest);
    }
}

fn logins(file: &LoginFile, host: &str, mut entry: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let active = json::text(&entry, &["user"]).map(str::to_owned);
    // The token of the active user stands beside the list of users as well; before 2.40 only there.
    let mut current = json::secret(&mut entry, "oauth_token");
    let mut users = match entry.remove("users") {
        Some(Value::Object(users)) => users,
        _ => Map::new(),
    };
    if let Some(active) = &active {
        users.entry(active).or_insert(Value::Null);
    } else if users.is_empty() && !matches!(current, Field::Absent) {
        users.insert(String::new(), Value::Null);
    }
    for (user, settings) in users {
        let is_active = user.is_empty() || active.as_deref() == Some(&user);
        let mut token = match settings {
            Value::Object(mut settings) => json::secret(&mut settings, "oauth_token"),
            _ => Field::Absent,
        };
        if is_active && matches!(token, Field::Absent) {
            token = std::mem::replace(&mut current, Field::Absent);
        }
        let profile = if user.is_empty() { host.to_owned() } else { format!("{host}/{user}") };
        let plain = |condition| file.found(&profile, PROVIDER, Kind::Token, condition);
        let mut found = match token {
            Field::Text(token) => at_host(file.key(&profile, PROVIDER, Kind::Token, token, scene), host),
            Field::Blank => plain(Condition::Blanked),
            Field::Mistyped => {
                let what = format!("the oauth_token of {profile} is not a text");
                harvest.findings.push(file.damaged(host, &what));
                plain(Condition::Damaged(what))
            }
            Field::Absent => {
                let service = format!("gh:{host}");
                let item = Item { service: &service, account: Some(&user), writer: Writer::Go };
                at_host(in_keyring(file, (&profile, PROVIDER), (&item, &user), scene), host)
            }
        };
        let credential = &mut found.credential;
        if !matches!(credential.condition, Condition::Unreadable(_)) {
            credential.fix = format!("gh auth login --hostname {}", super::shell_word(host));
        }
        credential.account = Some(user).filter(|user| !user.is_empty());
        if !is_active {
            credential.declared_in_use = Some(false);
            credential.notes.push("gh uses another user at this host; `gh auth switch` changes that".to_owned());
        }
        let names: &[&str] = if host == "github.com" { &["GH_TOKEN", "GITHUB_TOKEN"] } else { &[] };
        let over = names.iter().filter(|_| scene.env_is_source).find(|name| scene.env.get(name).is_some());
        credential.notes.extend(over.map(|name| format!("{name} is set, and gh takes that before this login")));
        harvest.found.push(found);
    }
}

#[cfg(test)]
#[path = "gh_tests.rs"]
mod tests;
