//! Crush's keys and logins: `providers` in `crush.json`, one in the data directory (what it writes itself), one in the
//! settings directory (what people write) and the system's.
//!
//! What stands further up wins, provider by provider, as in Crush. `$NAME` is looked up, `$(command)` is never run. What Crush
//! takes from the environment is the environment's: in the monitor, whose environment is another, it is not shown here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::json::{self, Field};
use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source, models, reference};
use crate::domain::{Condition, Kind};
use crate::formats::dates::Unit;

/// See the module.
pub struct Crush;

const NAME: &str = "crush";
const SHAPE: Shape =
    Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expires_at", Unit::Seconds)) };

impl Source for Crush {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = |name: &str, usual: PathBuf| {
            scene.env.get(name).map_or_else(|| usual.join("crush"), |dir| scene.env.expand(dir))
        };
        let data = dir("CRUSH_GLOBAL_DATA", super::bases::data(scene.env));
        let config = dir("CRUSH_GLOBAL_CONFIG", super::bases::config(scene.env));
        let mut seen = BTreeSet::new();
        for dir in [data, config, PathBuf::from("/etc/crush")] {
            let signs = ["projects.json", "providers.json"].map(|name| dir.join(name));
            let path = dir.join("crush.json");
            let mut file = LoginFile::new(NAME, "unknown", path, "crush login").settings().alive(signs);
            if let Some(mut object) = file.open(Format::Json, harvest) {
                match object.remove("providers") {
                    Some(Value::Object(providers)) => {
                        for (id, entry) in providers {
                            let Value::Object(entry) = entry else { continue };
                            if let Some(found) = provider(&file, &id, entry, scene, harvest)
                                && seen.insert(id)
                            {
                                harvest.found.push(found);
                            }
                        }
                    }
                    None | Some(Value::Null) => {}
                    Some(_) => harvest.findings.push(file.damaged("providers", "providers is not an object")),
                }
            }
            file.close(harvest);
        }
    }
}

/// What one provider's entry holds; `None` if it holds nothing (the key then comes from the environment).
fn provider(
    file: &LoginFile,
    id: &str,
    mut entry: Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Option<Found> {
    let provider = models::provider(id, entry.get("base_url").and_then(Value::as_str));
    let prefix = format!("providers.{id}");
    let mut found = match entry.remove("oauth") {
        // `api_key` then mirrors the access token.
        Some(Value::Object(mut login)) => {
            let place = format!("{prefix}.oauth");
            file.oauth(id, &provider, &mut login, (&SHAPE, &place), scene, harvest)
        }
        _ => key(file, (id, &provider, Kind::ApiKey), &mut entry, scene, harvest)?,
    };
    if entry.get("disable").and_then(Value::as_bool) == Some(true) {
        found.credential.declared_in_use = Some(false);
        found.credential.notes.push("its provider is switched off (disable)".to_owned());
    }
    Some(found)
}

fn key(
    file: &LoginFile,
    what: (&str, &str, Kind),
    entry: &mut Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Option<Found> {
    let (id, provider, _) = what;
    let field = format!("providers.{id}.api_key");
    let mut found = match json::secret(entry, "api_key") {
        // A provider without a key is switched off, not logged out.
        Field::Absent | Field::Blank => return None,
        Field::Mistyped => {
            let odd = format!("{field} is not a text");
            harvest.findings.push(file.damaged(&field, &odd));
            file.found(id, provider, Kind::ApiKey, Condition::Damaged(odd))
        }
        Field::Text(text) => match reference::in_shell(text.expose()) {
            None => file.key(id, provider, Kind::ApiKey, text, scene),
            Some(reference) => {
                let mut found = reference::follow(&reference, file, what, scene)?;
                // Crush passes over a provider whose key it does not find: nobody misses it.
                if found.secret.is_none() {
                    found.credential.declared_in_use = Some(false);
                }
                return Some(found);
            }
        },
    };
    found.credential.fix = format!("Make a new key at {provider}, then set {field} in {}.", file.path().display());
    Some(found)
}

#[cfg(test)]
#[path = "crush_tests.rs"]
mod tests;
