//! Gemini CLI: its Google login in `~/.gemini/oauth_creds.json` and its key in `~/.gemini/.env`; `$GEMINI_CLI_HOME` stands for
//! the home directory.
//!
//! The access token lives for an hour and is renewed when it is used. Which of login and key is used is said by
//! `settings.json`, and only where that is silent by what is there. With encrypted storage the login cannot be read by us.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::keyring::{self, Answer, Item, Writer};
use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source, json};
use crate::domain::{Condition, Kind};
use crate::formats::dates::Unit;
use crate::formats::{jwt, provider_env};

/// See the module.
pub struct Gemini;

const NAME: &str = "gemini-cli";
/// The gateways' name for a Google login of this kind.
pub(super) const LOGIN: &str = "google-gemini-cli";
/// What Google's own libraries call the fields.
pub(super) const SHAPE: Shape =
    Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expiry_date", Unit::Milliseconds)) };

impl Source for Gemini {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let home = scene.env.get("GEMINI_CLI_HOME");
        let dir = dir(scene);
        let prefix = home.map(|home| format!("GEMINI_CLI_HOME={} ", super::shell_word(home))).unwrap_or_default();
        let fix = format!("Run `{prefix}gemini`, then /auth.");
        // It writes these with every use. The rest of the directory is shared with Antigravity.
        let signs = || ["tmp", "history", "state.json", "google_accounts.json"].map(|name| dir.join(name));

        let first = harvest.found.len();
        let mut file = LoginFile::new(NAME, LOGIN, dir.join("oauth_creds.json"), fix.clone()).alive(signs());
        if let Some(object) = file.open(Format::Json, harvest) {
            login(&file, object, scene, harvest);
        }
        if harvest.found.len() == first {
            hidden(&file, &dir, scene, harvest);
        }
        file.close(harvest);
        let last = harvest.found.len();

        let place = dir.join(".env");
        let fix = format!("Make a new key at https://aistudio.google.com/apikey, then set it in {}.", place.display());
        let mut file = LoginFile::new(NAME, "google", place, fix).settings().alive(signs());
        if let Some(object) = file.open(Format::Dotenv, harvest) {
            keys(&file, object, scene, harvest);
        }
        file.close(harvest);
        if harvest.found.len() > first {
            choice(&dir, scene, harvest, (first, last));
        }
    }
}

/// Where Gemini CLI and its relatives keep things.
pub(super) fn dir(scene: &Scene<'_>) -> PathBuf {
    let home = scene.env.get("GEMINI_CLI_HOME");
    home.map_or_else(|| scene.env.home(), |home| scene.env.expand(home)).join(".gemini")
}

pub(super) fn login(file: &LoginFile, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut found = file.oauth("default", LOGIN, &mut object, (&SHAPE, ""), scene, harvest);
    if let Condition::Absent(_) = found.credential.condition {
        found.credential.condition = Condition::Blanked;
    }
    let identity = json::secret(&mut object, "id_token").secret().and_then(|token| jwt::claims(&token)?.email);
    found.credential.account = file.path().parent().and_then(active).or(identity);
    harvest.found.push(found);
}

/// The account that is logged in; the file stays behind after a logout with `null`.
fn active(dir: &Path) -> Option<String> {
    json::text(&json::aside(&dir.join("google_accounts.json")), &["active"]).map(str::to_owned)
}

/// A login that we know of and cannot read.
fn hidden(file: &LoginFile, dir: &Path, scene: &Scene<'_>, harvest: &mut Harvest) {
    let encrypted = dir.join("gemini-credentials.json");
    let forced = scene.env.get("GEMINI_FORCE_ENCRYPTED_FILE_STORAGE") == Some("true");
    let mut found = if encrypted.symlink_metadata().is_ok() {
        file.sealed("default", LOGIN, format!("it is encrypted by Gemini CLI, in {}", encrypted.display()))
    } else if forced && active(dir).is_some() {
        let item = Item { service: "gemini-cli-oauth", account: Some("main-account"), writer: Writer::Node };
        match keyring::ask(&item, scene.env) {
            Answer::Found(secret) => match json::object(secret.expose()) {
                Ok(object) => in_item(file, object, scene, harvest),
                Err(_) => file.sealed("default", LOGIN, "what the keyring has is not what Gemini CLI writes"),
            },
            // Logged out.
            Answer::Absent => return,
            Answer::Locked(why) | Answer::Unreadable(why) => file.locked("default", LOGIN, why),
        }
    } else {
        return;
    };
    found.credential.account = active(dir);
    harvest.found.push(found);
}

/// The same login under other names; some versions put it one level down.
fn in_item(file: &LoginFile, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) -> Found {
    const ITEM: Shape =
        Shape { access: "accessToken", refresh: "refreshToken", expires: Some(("expiresAt", Unit::Milliseconds)) };
    if let Some(Value::Object(inner)) = object.remove("token") {
        object = inner;
    }
    let mut found = file.oauth("default", LOGIN, &mut object, (&ITEM, ""), scene, harvest);
    found.credential.origin.path = None;
    found
}

fn keys(file: &LoginFile, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let names: Vec<String> =
        object.keys().filter(|name| provider_env::provider_of(name) == Some("google")).cloned().collect();
    for name in names {
        let entry = (name.as_str(), "google", Kind::ApiKey);
        // A name without a value means "none".
        let found = file.key_in(entry, &mut object, (&name, ""), scene, harvest);
        harvest.found.extend(found.filter(|found| found.credential.condition == Condition::Present));
    }
}

/// What the user chose, told to the login (`first..last`) and the keys after it.
fn choice(dir: &Path, scene: &Scene<'_>, harvest: &mut Harvest, (first, last): (usize, usize)) {
    let settings = json::aside(&dir.join("settings.json"));
    let chosen = json::text(&settings, &["security", "auth", "selectedType"])
        .or_else(|| json::text(&settings, &["selectedAuthType"]));
    let uses_login = match chosen {
        Some("oauth-personal") => Some(true),
        Some("gemini-api-key" | "vertex-ai" | "cloud-shell" | "compute-default-credentials") => Some(false),
        _ => None,
    };
    let overridden = harvest.found.len() > last || (scene.env_is_source && scene.env.get("GEMINI_API_KEY").is_some());
    for found in &mut harvest.found[first..last] {
        if uses_login == Some(false) {
            let chosen = chosen.unwrap_or_default();
            found.credential.declared_in_use = Some(false);
            found.credential.notes.push(format!("settings.json chose {chosen}: Gemini CLI does not use this login"));
        } else if overridden {
            let note = "there is a key as well, and without a terminal Gemini CLI uses that instead of this login";
            found.credential.notes.push(note.to_owned());
        }
    }
}

#[cfg(test)]
#[path = "gemini_tests.rs"]
mod tests;
