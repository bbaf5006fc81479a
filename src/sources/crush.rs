//! Crush's keys and logins: `providers` in `crush.json`, one in the data directory (what it writes itself), one in the
//! settings directory (what people write) and the system's.
//!
//! What stands further up wins, provider by provider, as in Crush. `$NAME` is looked up, `$(command)` is never run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::json::{self, Field};
use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source, reference};
use crate::domain::{Condition, Kind};
use crate::formats::dates::Unit;
use crate::formats::provider_id;

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
        let data = dir("CRUSH_GLOBAL_DATA", super::data_home(scene.env));
        let config = dir("CRUSH_GLOBAL_CONFIG", super::config_home(scene.env));
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
    let base_url = entry.get("base_url").and_then(Value::as_str).and_then(provider_id::of_url);
    let provider = base_url.unwrap_or_else(|| provider_id::of_tool(id));
    let prefix = format!("providers.{id}");
    let mut found = match entry.remove("oauth") {
        // `api_key` then mirrors the access token.
        Some(Value::Object(mut login)) => {
            let place = format!("{prefix}.oauth");
            file.oauth(id, &provider, &mut login, (&SHAPE, &place), scene, harvest)
        }
        _ => {
            let mut found = match json::secret(&mut entry, "api_key") {
                Field::Absent => return None,
                Field::Text(text) => {
                    let key = reference::shell(text.expose(), scene.env);
                    file.referred((id, &provider, Kind::ApiKey), key, scene)
                }
                // A provider without a key is switched off, not logged out.
                Field::Blank => return None,
                Field::Mistyped => {
                    let what = format!("{prefix}.api_key is not a text");
                    harvest.findings.push(file.damaged(&format!("{prefix}.api_key"), &what));
                    file.found(id, &provider, Kind::ApiKey, Condition::Damaged(what))
                }
            };
            if !matches!(found.credential.condition, Condition::Unresolved(_)) {
                let path = file.path().display();
                found.credential.fix = format!("Make a new key at {provider}, then set {prefix}.api_key in {path}.");
            }
            found
        }
    };
    if entry.get("disable").and_then(Value::as_bool) == Some(true) {
        found.credential.declared_in_use = Some(false);
        found.credential.notes.push("its provider is switched off (disable)".to_owned());
    }
    Some(found)
}

#[cfg(test)]
#[path = "crush_tests.rs"]
mod tests;
