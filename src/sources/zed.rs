//! Zed's keys: in the keyring, under the address of each provider's API, and nowhere else; a variable of the environment goes
//! before them. Its settings say which providers it uses.
//!
//! Asked are only the provider that its assistant uses and those that its settings speak of. Where the keyring does not answer,
//! only the first is shown: that one has a key there, of the others nobody knows.

use serde_json::{Map, Value};

use super::json;
use super::keyring::{self, Answer, Item, Platform, Writer};
use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source, models};
use crate::domain::{Environment, Kind};
use crate::formats::provider_env;

/// See the module.
pub struct Zed;

const NAME: &str = "zed";
/// More than anybody has set up: each is a program that is run.
const MANY: usize = 6;

/// Zed's name of a provider, ours, and the address that it uses by default.
const PROVIDERS: [(&str, &str, &str); 8] = [
    ("anthropic", "anthropic", "https://api.anthropic.com"),
    ("openai", "openai", "https://api.openai.com/v1"),
    ("google", "google", "https://generativelanguage.googleapis.com"),
    ("mistral", "mistral", "https://api.mistral.ai/v1"),
    ("deepseek", "deepseek", "https://api.deepseek.com/v1"),
    ("open_router", "openrouter", "https://openrouter.ai/api/v1"),
    ("x_ai", "xai", "https://api.x.ai/v1"),
    ("vercel", "v0", "https://api.v0.dev/v1"),
];

impl Source for Zed {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        read_on(Platform::HERE, scene, harvest);
    }
}

fn read_on(platform: Platform, scene: &Scene<'_>, harvest: &mut Harvest) {
    let dir = super::bases::config(scene.env).join("zed");
    let signs = [super::bases::data(scene.env).join("zed/db"), dir.join("prompts")];
    let mut file =
        LoginFile::new(NAME, "unknown", dir.join("settings.json"), "Correct it in Zed (zed: open settings).")
            .settings()
            .alive(signs);
    if let Some(object) = file.open(Format::Json5, harvest) {
        for place in places(&object, scene.env).into_iter().take(MANY) {
            ask(platform, &file, &place, scene, harvest);
        }
    }
    file.close(harvest);
}

/// An address under which there may be a key.
struct Place {
    name: String,
    provider: String,
    url: String,
    /// Its assistant uses it.
    chosen: bool,
}

/// The providers that the settings name and that have no key in the environment.
fn places(object: &Map<String, Value>, env: &Environment) -> Vec<Place> {
    let chosen = json::text(object, &["agent", "default_model", "provider"])
        .or_else(|| json::text(object, &["assistant", "default_model", "provider"]));
    let settings = object.get("language_models").and_then(Value::as_object);
    let of = |name: &str| settings.and_then(|settings| settings.get(name)?.as_object());
    let mut places: Vec<Place> = Vec::new();
    for (name, provider, usual) in PROVIDERS {
        let own = of(name);
        if chosen != Some(name) && own.is_none() {
            continue;
        }
        let url = own.and_then(|own| json::text(own, &["api_url"])).unwrap_or(usual);
        let provider = if url == usual { provider.to_owned() } else { models::provider(provider, Some(url)) };
        places.push(Place { name: name.to_owned(), provider, url: url.to_owned(), chosen: chosen == Some(name) });
    }
    for (name, entry) in of("openai_compatible").into_iter().flatten() {
        let Some(url) = entry.get("api_url").and_then(Value::as_str) else { continue };
        let provider = models::provider("openai", Some(url));
        let chosen = chosen == Some(name);
        places.push(Place { name: name.clone(), provider, url: url.to_owned(), chosen });
    }
    places.retain(|place| {
        let known = provider_env::TABLE.iter().find(|row| row.provider == place.provider);
        let own = format!("{}_API_KEY", place.name.to_uppercase().replace(['-', ' '], "_"));
        env.get(&own).is_none() && known.is_none_or(|row| row.names().all(|name| env.get(name).is_none()))
    });
    places.sort_by_key(|place| !place.chosen);
    places
}

fn ask(platform: Platform, file: &LoginFile, place: &Place, scene: &Scene<'_>, harvest: &mut Harvest) {
    let item = Item { service: &place.url, account: None, writer: Writer::Zed };
    let mut found = match keyring::ask_on(platform, &item, scene.env) {
        Answer::Found(key) if !key.is_blank() => file.key(&place.name, &place.provider, Kind::ApiKey, key, scene),
        Answer::Found(_) | Answer::Absent => return,
        Answer::Locked(why) => file.locked(&place.name, &place.provider, why),
        Answer::Unreadable(why) if place.chosen => file.locked(&place.name, &place.provider, why),
        Answer::Unreadable(_) => return,
    };
    let credential = &mut found.credential;
    credential.kind = Kind::ApiKey;
    credential.origin.path = None;
    if found.secret.is_some() {
        credential.fix = format!("Make a new key at {}, then set it in Zed (agent: open settings).", place.provider);
    }
    harvest.found.push(found);
}

#[cfg(test)]
#[path = "zed_tests.rs"]
mod tests;
