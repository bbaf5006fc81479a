//! Crush's keys and logins: `providers` in `crush.json`, one in the data directory (what it writes itself), one in the
//! settings directory (what people write) and the system's; for interactive commands also the project's (`crush.json`,
//! `.crush.json`), which goes before all of them.
//!
//! What stands further up wins, provider by provider, as in Crush. A project's entries have names of their own, because they
//! hold there only, and nothing that they refer to is looked up. `$NAME` is looked up, `$(command)` is never run. What Crush
//! takes from the environment is the environment's: in the monitor, whose environment is another, it is not shown here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::json::{self, Field};
use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source, models, project, reference};
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
        let system = scene.machine.map(|root| root.join("etc/crush"));
        let mut seen = BTreeSet::new();
        for dir in [data, config].into_iter().chain(system) {
            let signs = ["projects.json", "providers.json"].map(|name| dir.join(name));
            let path = dir.join("crush.json");
            let file = LoginFile::new(NAME, "unknown", path, "crush login").settings().alive(signs);
            read(file, false, &mut seen, scene, harvest);
        }
        for path in
            project::roots(scene).iter().flat_map(|root| ["crush.json", ".crush.json"].map(|name| root.join(name)))
        {
            let file = LoginFile::new(NAME, "unknown", path, "crush login").of_project();
            read(file, true, &mut BTreeSet::new(), scene, harvest);
        }
    }
}

/// Reads one file. `seen`: the providers that another one, which goes before it, has.
fn read(mut file: LoginFile, of_project: bool, seen: &mut BTreeSet<String>, scene: &Scene<'_>, harvest: &mut Harvest) {
    if let Some(mut object) = file.open(Format::Json, harvest) {
        match object.remove("providers") {
            Some(Value::Object(providers)) => {
                for (id, entry) in providers {
                    let Value::Object(entry) = entry else { continue };
                    if of_project && refers(&entry) {
                        continue;
                    }
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

fn refers(entry: &Map<String, Value>) -> bool {
    entry.get("api_key").and_then(Value::as_str).is_some_and(|text| reference::in_shell(text).is_some())
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
