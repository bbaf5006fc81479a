//! opencode, and Kilo, which is made from it: logins and keys in `auth.json`, keys in the settings.
//!
//! `expires: 0` means that no date is known (a Copilot login never ends by date), not 1970. `$OPENCODE_AUTH_CONTENT` stands for
//! the whole file; where it is no JSON the file counts, as for its owner.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::copilot::at_host;
use super::json;
use super::login::{Format, LoginFile, Shape};
use super::reference::{self, Reference};
use super::{Found, Harvest, Scene, Source, bases};
use crate::domain::{Condition, Kind, Renewal};
use crate::formats::dates::Unit;
use crate::formats::provider_id;

/// See the module.
pub struct Opencode;
/// See the module.
pub struct Kilo;

/// How one tool of this kind writes its entries.
pub(super) struct Dialect {
    /// The `type` of an entry with a key.
    pub key: &'static str,
    /// How a key says that it is elsewhere.
    pub reference: fn(&str) -> Option<Reference>,
    /// Our id for the tool's name of a provider; `true`: the entry is a login.
    pub provider: fn(&str, bool) -> String,
}

pub(super) const DIALECT: Dialect = Dialect { key: "api", reference: |_| None, provider };
const SHAPE: Shape = Shape { access: "access", refresh: "refresh", expires: Some(("expires", Unit::Milliseconds)) };

impl Source for Opencode {
    fn name(&self) -> &'static str {
        "opencode"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let own = scene.env.get("OPENCODE_DATA_DIR");
        let data = own.map_or_else(|| bases::data(scene.env).join("opencode"), |dir| scene.env.expand(dir));
        let config = bases::config(scene.env).join("opencode");
        let named = scene.env.get("OPENCODE_CONFIG").filter(|_| scene.env_is_source).map(|path| scene.env.expand(path));
        let settings = named.into_iter().chain(["opencode.jsonc", "opencode.json"].map(|name| config.join(name)));
        let content = scene.env.get("OPENCODE_AUTH_CONTENT").filter(|_| scene.env_is_source);
        Tool { name: self.name(), fix: "opencode auth login", data, settings: settings.collect() }
            .read(content, scene, harvest);
    }
}

impl Source for Kilo {
    fn name(&self) -> &'static str {
        "kilo"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let data = bases::data(scene.env).join("kilo");
        let config = bases::config(scene.env).join("kilo");
        let settings = ["kilo.jsonc", "kilo.json", "opencode.json"].map(|name| config.join(name)).into();
        Tool { name: self.name(), fix: "kilo auth login", data, settings }.read(None, scene, harvest);
    }
}

/// opencode or a fork of it.
struct Tool {
    name: &'static str,
    fix: &'static str,
    data: PathBuf,
    /// Files of settings; the first that names a provider counts for it.
    settings: Vec<PathBuf>,
}

impl Tool {
    fn read(&self, content: Option<&str>, scene: &Scene<'_>, harvest: &mut Harvest) {
        if let Some(object) = content.and_then(|content| json::object(content).ok()) {
            let path = PathBuf::from("$OPENCODE_AUTH_CONTENT");
            let file = LoginFile::new(self.name, self.name, path, self.fix).alive(self.signs());
            let first = harvest.found.len();
            entries(&file, object, &DIALECT, scene, harvest);
            for found in &mut harvest.found[first..] {
                found.credential.origin.path = None;
                found.credential.notes.push("it stands in OPENCODE_AUTH_CONTENT".to_owned());
            }
            let credentials = harvest.found.len() - first;
            harvest.report(self.name, file.path().to_owned(), true, credentials);
        } else {
            let path = self.data.join("auth.json");
            let mut file = LoginFile::new(self.name, self.name, path, self.fix).alive(self.signs());
            if let Some(object) = file.open(Format::Json, harvest) {
                entries(&file, object, &DIALECT, scene, harvest);
            }
            file.close(harvest);
        }
        let mut named = Vec::new();
        for path in &self.settings {
            let mut file = LoginFile::new(self.name, self.name, path.clone(), self.fix).settings().alive(self.signs());
            if let Some(object) = file.open(Format::Json5, harvest) {
                settings(&file, object, &mut named, scene, harvest);
            }
            file.close(harvest);
        }
    }

    /// It writes these with every use.
    fn signs(&self) -> [PathBuf; 4] {
        ["storage", "log", "snapshot", "opencode.db"].map(|name| self.data.join(name))
    }
}

/// Every entry of a file that maps names of providers to logins and keys.
pub(super) fn entries(
    file: &LoginFile,
    object: Map<String, Value>,
    dialect: &Dialect,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    for (name, entry) in object {
        let found = match entry {
            Value::Object(entry) => read(file, &name, entry, dialect, scene, harvest),
            _ => Some(damaged(file, &name, Kind::ApiKey, "the entry is not an object", harvest)),
        };
        harvest.found.extend(found);
    }
}

fn read(
    file: &LoginFile,
    name: &str,
    mut entry: Map<String, Value>,
    dialect: &Dialect,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Option<Found> {
    match json::text(&entry, &["type"]) {
        Some("oauth") => Some(login(file, name, entry, dialect, scene, harvest)),
        Some("wellknown") => {
            // A token for an organisation's own server, whose address is the name of the entry.
            let found = key(file, (name, "wellknown", Kind::Token), &mut entry, "token", dialect, scene, harvest)?;
            Some(found.unasked("it is for its organisation's own server, which is not asked"))
        }
        Some(kind) if kind == dialect.key => {
            let provider = (dialect.provider)(name, false);
            let found = key(file, (name, &provider, Kind::ApiKey), &mut entry, "key", dialect, scene, harvest)?;
            Some(elsewhere(found, &entry))
        }
        _ => Some(damaged(file, name, Kind::ApiKey, "the entry has a type that is not known", harvest)),
    }
}

fn login(
    file: &LoginFile,
    name: &str,
    mut entry: Map<String, Value>,
    dialect: &Dialect,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Found {
    let provider = (dialect.provider)(name, true);
    let dateless = entry.get("expires").and_then(Value::as_f64) == Some(0.0);
    if dateless {
        entry.remove("expires");
    }
    let enterprise = json::text(&entry, &["enterpriseUrl"]).map(str::to_owned);
    let account = json::text(&entry, &["email"]).or_else(|| json::text(&entry, &["accountId"])).map(str::to_owned);
    let mut found = file.oauth(name, &provider, &mut entry, (&SHAPE, name), scene, harvest);
    let credential = &mut found.credential;
    credential.account = account;
    if let Condition::Absent(_) = credential.condition {
        credential.condition = Condition::Blanked;
    }
    if dateless && provider == "github-copilot" && credential.condition == Condition::Present {
        // Both fields hold GitHub's own token, which no date ends.
        credential.renewal = Renewal::None;
    }
    match enterprise {
        Some(url) => at_host(found, host(&url)),
        None => found,
    }
}

/// A key in a field, or where it says that the key is.
fn key(
    file: &LoginFile,
    (name, provider, kind): (&str, &str, Kind),
    entry: &mut Map<String, Value>,
    field: &str,
    dialect: &Dialect,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Option<Found> {
    if let Some(reference) = json::text(entry, &[field]).and_then(dialect.reference) {
        return reference::follow(&reference, file, (name, provider, kind), scene);
    }
    let found = file.key_in((name, provider, kind), entry, (field, name), scene, harvest);
    let absent = || file.found(name, provider, kind, Condition::Absent(format!("the entry has no {field}")));
    Some(found.unwrap_or_else(absent))
}

/// A key with an address of its own is for that address only.
pub(super) fn elsewhere(found: Found, beside: &Map<String, Value>) -> Found {
    match ["baseURL", "baseUrl", "base_url"].iter().find_map(|name| json::text(beside, &[name])) {
        Some(url) => {
            let host = host(url).to_owned();
            found.unasked(format!("it is for {host}, which is not asked"))
        }
        None => found,
    }
}

/// The host of an address, with or without `https://` and a path.
pub(super) fn host(url: &str) -> &str {
    let bare = url.split_once("://").map_or(url, |(_, bare)| bare);
    let authority = bare.split(['/', '?', '#']).next().unwrap_or_default();
    // A password in an address is not for people's eyes.
    authority.rsplit('@').next().unwrap_or_default()
}

fn settings(
    file: &LoginFile,
    mut object: Map<String, Value>,
    named: &mut Vec<String>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let Some(Value::Object(providers)) = object.remove("provider") else { return };
    for (name, entry) in providers {
        let Value::Object(mut entry) = entry else { continue };
        let Some(Value::Object(mut options)) = entry.remove("options") else { continue };
        let profile = format!("config/{name}");
        if named.contains(&profile) {
            continue;
        }
        let provider = provider(&name, false);
        let of = (profile.as_str(), provider.as_str(), Kind::ApiKey);
        let prefix = format!("provider.{name}.options");
        let found = match json::text(&options, &["apiKey"]).and_then(reference::in_braces) {
            Some(reference) => reference::follow(&reference, file, of, scene),
            None => file.key_in(of, &mut options, ("apiKey", &prefix), scene, harvest).map(|mut found| {
                let place = file.path().display();
                found.credential.fix = format!("Make a new key at {provider}, then set it in {place}.");
                found
            }),
        };
        // An empty text means "none": people leave it for servers that ask for no key.
        if let Some(found) = found.filter(|found| found.credential.condition != Condition::Blanked) {
            harvest.found.push(elsewhere(found, &options));
            named.push(profile);
        }
    }
}

fn damaged(file: &LoginFile, name: &str, kind: Kind, what: &str, harvest: &mut Harvest) -> Found {
    harvest.findings.push(file.damaged(name, what));
    file.found(name, &provider_id::normalize(name), kind, Condition::Damaged(what.to_owned()))
}

/// These tools use the names of a public catalogue of models, in which a login and a key of one vendor have one name.
fn provider(name: &str, login: bool) -> String {
    match (name, login) {
        ("openai", true) => "openai-codex".to_owned(),
        ("google", true) => super::gemini::LOGIN.to_owned(),
        ("moonshotai", _) => "moonshot".to_owned(),
        ("moonshotai-cn", _) => "moonshot-cn".to_owned(),
        ("kimi-for-coding", _) => "kimi-coding".to_owned(),
        ("vercel", _) => "vercel-ai-gateway".to_owned(),
        _ => provider_id::normalize(name),
    }
}

#[cfg(test)]
#[path = "opencode_tests.rs"]
mod tests;
