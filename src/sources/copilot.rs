//! GitHub Copilot: what its editor extensions keep in `github-copilot/apps.json` (once `hosts.json`), and the login of Copilot
//! CLI in `~/.copilot/config.json` or the keyring.
//!
//! These are GitHub tokens without a visible date. The session token that is made from one every half hour is no credential:
//! it is derived when needed, and wherever it is cached its expiry means nothing.

use serde_json::{Map, Value};

use super::keyring::{self, Answer, Item, Writer};
use super::login::{Format, LoginFile};
use super::{Found, Harvest, Scene, Source, bases, json};
use crate::domain::{Condition, Kind, Renewal};
use crate::formats::dates::Unit;

/// The editor extensions.
pub struct Copilot;
/// Copilot CLI.
pub struct CopilotCli;

const NAME: &str = "copilot";
const CLI: &str = "copilot-cli";
const PROVIDER: &str = "github-copilot";

impl Source for Copilot {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = bases::config(scene.env).join("github-copilot");
        let fix = "Sign in to GitHub Copilot in the editor again.";
        let mut newer = false;
        for name in ["apps.json", "hosts.json"] {
            // The extensions come and go with other files in the same directory.
            let signs = [dir.clone(), dir.join("versions.json")];
            let mut file = LoginFile::new(NAME, PROVIDER, dir.join(name), fix).alive(signs);
            if newer {
                // What is left of an older version is no login that anybody would miss.
                file = file.settings();
            }
            newer |= file.exists();
            if let Some(object) = file.open(Format::Json, harvest) {
                for (key, entry) in object {
                    app(&file, &key, entry, scene, harvest);
                }
            }
            file.close(harvest);
        }
    }
}

/// `github.com:<app id>`, in `hosts.json` only `github.com`.
fn app(file: &LoginFile, key: &str, entry: Value, scene: &Scene<'_>, harvest: &mut Harvest) {
    let Value::Object(mut entry) = entry else {
        let what = "the entry of a host is not an object";
        harvest.findings.push(file.damaged(key, what));
        harvest.found.push(file.found(key, PROVIDER, Kind::Token, Condition::Damaged(what.to_owned())));
        return;
    };
    let user = json::text(&entry, &["user"]).map(str::to_owned);
    let found = file.key_in((key, PROVIDER, Kind::Token), &mut entry, ("oauth_token", ""), scene, harvest);
    let absent =
        || file.found(key, PROVIDER, Kind::Token, Condition::Absent("the entry has no oauth_token".to_owned()));
    let mut found = found.unwrap_or_else(absent);
    found.credential.renewal = Renewal::Manual;
    found.credential.account = user;
    let host = key.split(':').next().unwrap_or_default();
    harvest.found.push(at_host(found, host));
}

/// A token is for its own host only, and github.com is the one that is asked. One for a company's host does not stand in for
/// it either, so it counts as another provider's.
pub(super) fn at_host(mut found: Found, host: &str) -> Found {
    if host == "github.com" {
        return found;
    }
    found.credential.provider.push_str("-enterprise");
    found.unasked(format!("it is for {host}, which is not asked"))
}

impl Source for CopilotCli {
    fn name(&self) -> &'static str {
        CLI
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let own = scene.env.get("COPILOT_HOME");
        let dir = own.map_or_else(|| scene.env.home().join(".copilot"), |dir| scene.env.expand(dir));
        let prefix = own.map(|dir| format!("COPILOT_HOME={} ", super::shell_word(dir))).unwrap_or_default();
        let fix = format!("Run `{prefix}copilot`, then /login.");
        let signs = ["history-session-state", "session-state", "logs"].map(|name| dir.join(name));
        let mut file = LoginFile::new(CLI, PROVIDER, dir.join("config.json"), fix).settings().alive(signs);
        // It begins with two lines of comment.
        if let Some(object) = file.open(Format::Json5, harvest) {
            let first = harvest.found.len();
            logins(&file, object, scene, harvest);
            let variables = ["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"].into_iter();
            let over = variables.filter(|_| scene.env_is_source).find(|name| scene.env.get(name).is_some());
            for found in &mut harvest.found[first..] {
                let note = over.map(|name| format!("{name} is set, and Copilot CLI takes that before this login"));
                found.credential.notes.extend(note);
            }
        }
        file.close(harvest);
    }
}

fn logins(file: &LoginFile, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut shown = Vec::new();
    match object.remove("copilotTokens") {
        None | Some(Value::Null) => {}
        Some(Value::Object(mut tokens)) => {
            let keys: Vec<String> = tokens.keys().cloned().collect();
            for key in keys {
                if let Some(found) = token(file, &key, &mut tokens, scene, harvest) {
                    harvest.found.push(at_host(found, host(&key)));
                    shown.push(key);
                }
            }
        }
        Some(_) => harvest.findings.push(file.damaged("copilotTokens", "copilotTokens is not an object")),
    }
    let users = object.get("loggedInUsers").or_else(|| object.get("logged_in_users")).and_then(Value::as_array);
    for user in users.into_iter().flatten() {
        // Where there is a keyring the token is there, and this list is all that the file shows.
        let field = |name: &str| user.get(name).and_then(Value::as_str).map(|text| text.trim_end_matches('/'));
        let (Some(host_of), Some(login)) = (field("host"), field("login")) else { continue };
        let key = format!("{host_of}:{login}");
        if !shown.contains(&key) {
            let item = Item { service: "copilot-cli", account: Some(&key), writer: Writer::Node };
            harvest.found.push(in_keyring(file, (&key, PROVIDER), (&item, login), scene));
            shown.push(key);
        }
    }
}

/// A text; some versions wrote an object with a date.
fn token(
    file: &LoginFile,
    key: &str,
    tokens: &mut Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Option<Found> {
    let entry = (key, PROVIDER, Kind::Token);
    let mut found = if let Some(Value::Object(token)) = tokens.get_mut(key) {
        let mut found = file.key_in(entry, token, ("token", "copilotTokens"), scene, harvest)?;
        let field = ("expiresAt", Unit::Text);
        let clocks = &mut found.credential.clocks;
        clocks.access_expires = file.date(token, field, "copilotTokens", &mut found.credential.notes, harvest);
        found
    } else {
        file.key_in(entry, tokens, (key, "copilotTokens"), scene, harvest)?
    };
    found.credential.renewal = Renewal::Manual;
    found.credential.account = key.rsplit_once(':').map(|(_, login)| login.to_owned());
    Some(found)
}

/// The host of `https://github.com:<login>`.
fn host(key: &str) -> &str {
    let bare = key.strip_prefix("https://").unwrap_or(key);
    bare.split([':', '/']).next().unwrap_or_default()
}

/// A token that its owner's file says is in the keyring.
pub(super) fn in_keyring(
    file: &LoginFile,
    (profile, provider): (&str, &str),
    (item, user): (&Item<'_>, &str),
    scene: &Scene<'_>,
) -> Found {
    let mut found = match keyring::ask(item, scene.env) {
        Answer::Found(token) if !token.is_blank() => file.key(profile, provider, Kind::Token, token, scene),
        Answer::Found(_) => file.found(profile, provider, Kind::Token, Condition::Blanked),
        // Its file is not sure to be right, nor are we about the item's name.
        Answer::Absent => {
            let why = format!("its file says that it is in the keyring, which has no service {} for it", item.service);
            file.sealed(profile, provider, why)
        }
        Answer::Locked(why) | Answer::Unreadable(why) => file.locked(profile, provider, why),
    };
    let credential = &mut found.credential;
    credential.kind = Kind::Token;
    credential.renewal = Renewal::Manual;
    // No permission on the file would help.
    credential.origin.path = None;
    credential.account = Some(user.to_owned());
    found
}

#[cfg(test)]
#[path = "copilot_tests.rs"]
mod tests;
