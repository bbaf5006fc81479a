//! Kimi's two command lines: kimi-cli (`$KIMI_SHARE_DIR` or `~/.kimi`) and kimi-code (`$KIMI_CODE_HOME` or `~/.kimi-code`). Both
//! keep logins in `credentials/<name>.json` and settings with keys in `config.toml`.
//!
//! The access token lives for 15 minutes and is renewed at half of that while the tool runs: one that has ended says nothing.

use std::path::Path;

use serde_json::{Map, Value};

use super::login::{Format, LoginFile, Shape, json_files};
use super::{Harvest, Scene, Source, json, opencode};
use crate::domain::{Condition, Kind, Span};
use crate::formats::dates::Unit;

/// kimi-cli, in Python.
pub struct KimiCli;
/// kimi-code, in Node.
pub struct KimiCode;

/// Kimi's plan for coding; keys of the open platform belong to `moonshot`.
const PROVIDER: &str = "kimi-coding";
const SHAPE: Shape =
    Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expires_at", Unit::Seconds)) };

impl Source for KimiCli {
    fn name(&self) -> &'static str {
        "kimi"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        read(self.name(), ("KIMI_SHARE_DIR", ".kimi"), scene, harvest);
    }
}

impl Source for KimiCode {
    fn name(&self) -> &'static str {
        "kimi-code"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        read(self.name(), ("KIMI_CODE_HOME", ".kimi-code"), scene, harvest);
    }
}

fn read(name: &'static str, (variable, usual): (&str, &str), scene: &Scene<'_>, harvest: &mut Harvest) {
    let own = scene.env.get(variable);
    let dir = own.map_or_else(|| scene.env.home().join(usual), |dir| scene.env.expand(dir));
    let prefix = own.map(|dir| format!("{variable}={} ", super::shell_word(dir))).unwrap_or_default();
    let fix = format!("Run `{prefix}kimi`, then /login.");
    let signs = || ["sessions", "logs", "user-history", "kimi.json"].map(|name| dir.join(name));
    let mut logins = Vec::new();
    for path in json_files(name, &dir.join("credentials"), &fix, harvest) {
        let profile = stem(&path);
        let mut file = LoginFile::new(name, PROVIDER, path, fix.clone()).profile(&profile).alive(signs());
        if let Some(object) = file.open(Format::Json, harvest) {
            login(&file, &profile, object, scene, harvest);
        }
        file.close(harvest);
        logins.push(profile);
    }
    let mut file = LoginFile::new(name, PROVIDER, dir.join("config.toml"), fix).settings().alive(signs());
    if let Some(object) = file.open(Format::Toml, harvest) {
        settings(&file, object, &logins, scene, harvest);
    }
    file.close(harvest);
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn login(file: &LoginFile, profile: &str, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut found = file.oauth(profile, PROVIDER, &mut object, (&SHAPE, ""), scene, harvest);
    let credential = &mut found.credential;
    if let Condition::Absent(_) = credential.condition {
        credential.condition = Condition::Blanked;
    }
    // It is issued for so many seconds.
    let length = object.get("expires_in").and_then(Value::as_f64).filter(|length| (1.0..=1e9).contains(length));
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let length = length.map(|length| Span::seconds(length as i64));
    credential.clocks.last_renewed = credential.clocks.access_expires.zip(length).map(|(end, length)| end - length);
    harvest.found.push(found);
}

/// `[providers.<name>]`: a key, or where the login is.
fn settings(
    file: &LoginFile,
    mut object: Map<String, Value>,
    logins: &[String],
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let Some(Value::Object(providers)) = object.remove("providers") else { return };
    for (name, entry) in providers {
        let Value::Object(mut entry) = entry else { continue };
        let (provider, known) = provider(&entry, &name);
        let profile = format!("config/{name}");
        let prefix = format!("providers.{name}");
        let of = (profile.as_str(), provider.as_str(), Kind::ApiKey);
        let found = file.key_in(of, &mut entry, ("api_key", &prefix), scene, harvest);
        // A login has an empty key beside it.
        if let Some(mut found) = found.filter(|found| found.credential.condition != Condition::Blanked) {
            found.credential.fix = format!("Make a new key at {provider}, then set it in {}.", file.path().display());
            harvest.found.push(if known { found } else { opencode::elsewhere(found, &entry) });
        }
        let account = json::text(&entry, &["oauth", "key"]);
        if let (Some("keyring"), Some(account)) = (json::text(&entry, &["oauth", "storage"]), account) {
            let login = account.rsplit('/').next().unwrap_or(account);
            // The file goes first, as for its owner, who moves logins there.
            if !logins.iter().any(|file| file == login) {
                let why = format!("it is kept in the keyring (service kimi-code, account {account})");
                let mut found = file.found(login, PROVIDER, Kind::Oauth, Condition::Unreadable(why));
                found.credential.origin.path = None;
                harvest.found.push(found);
            }
        }
    }
}

/// Whose key it is, and whether that one's own server is meant.
fn provider(entry: &Map<String, Value>, name: &str) -> (String, bool) {
    let Some(url) = json::text(entry, &["base_url"]) else {
        return (json::text(entry, &["type"]).unwrap_or(name).to_owned(), false);
    };
    let known = match opencode::host(url) {
        "api.kimi.com" => PROVIDER,
        "api.moonshot.ai" => "moonshot",
        "api.moonshot.cn" => "moonshot-cn",
        "api.openai.com" => "openai",
        "api.anthropic.com" => "anthropic",
        _ => return (name.to_owned(), false),
    };
    (known.to_owned(), true)
}

#[cfg(test)]
#[path = "kimi_tests.rs"]
mod tests;
