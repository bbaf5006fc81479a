//! A bot has one listener: whoever polls it takes the messages from whoever else does. So a gateway's own bot is refused before
//! it is polled the first time.

use std::path::Path;

use crate::config::{self, Config, Problem, resolve};
use crate::domain::{Environment, Place, Secret};
use crate::files;
use crate::formats::json5::Node;
use crate::formats::{config_document, dotenv};
use crate::sources::opensoul::locate::{self, Home};
use crate::store::key;

/// Reads `monitor.toml` as [`config::load`] does, and refuses the bot of a gateway in it too.
///
/// # Errors
/// All problems at once.
pub fn load(path: Option<&Path>, env: &Environment) -> Result<Config, Vec<Problem>> {
    let config = config::load(path, env)?;
    match rival(&config, env) {
        Some(problem) => Err(vec![problem]),
        None => Ok(config),
    }
}

/// The problem, if there is one.
fn rival(config: &Config, env: &Environment) -> Option<Problem> {
    let chat = config.chat.as_ref()?;
    // One that cannot be read is no rival; that it cannot be read is said by who needs it.
    let ours = resolve(&chat.token, env).ok()?;
    let homes = locate::homes(env, None);
    let place = homes.iter().find_map(|home| same(&ours, home))?;
    let what = format!("is the bot of the gateway ({place}), whose messages we would take from it");
    let fix = "make a bot of its own for this with @BotFather, and write its token here";
    Some(Problem::new(chat.token_place.clone(), what, fix))
}

/// Where a gateway has the same token.
fn same(ours: &Secret, home: &Home) -> Option<String> {
    let key = key::ephemeral().ok()?;
    let print = |text: &str| key.fingerprint(&Secret::new(text.trim().to_owned()));
    let wanted = print(ours.expose())?;
    let is_ours = |text: &str| print(text) == Some(wanted);
    let env_path = home.state_dir.join(".env");
    let file = files::text(&env_path);
    let variables = dotenv::parse(&file);
    let variable = |name: &str| variables.iter().rev().find(|one| one.name == name).map(|one| one.value.clone());
    if variable("TELEGRAM_BOT_TOKEN").is_some_and(|value| is_ours(&value)) {
        return Some(Place::file(&env_path).key("TELEGRAM_BOT_TOKEN").to_string());
    }
    let Ok(Some(contents)) = files::read(&home.config_path, files::LIMIT) else { return None };
    let mut load = |path: &Path| Ok(files::text(path).as_str().to_owned());
    let mut document = config_document::read(&home.config_path, contents.text.as_str().to_owned(), &mut load).ok()?;
    let own = document.env_entries();
    let set =
        |name: &str| variable(name).or_else(|| own.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()));
    document.substitute(&|name| set(name));
    if set("TELEGRAM_BOT_TOKEN").is_some_and(|value| is_ours(&value)) {
        return Some(Place::file(&home.config_path).key("env.TELEGRAM_BOT_TOKEN").to_string());
    }
    let telegram = document.root.get("channels").and_then(|all| all.get("telegram"))?;
    let accounts = telegram.get("accounts").map(Node::entries).unwrap_or_default();
    let accounts = accounts.iter().map(|(name, node)| (format!("channels.telegram.accounts.{name}"), node));
    for (key, node) in std::iter::once(("channels.telegram".to_owned(), telegram)).chain(accounts) {
        let text = |field: &str| node.get(field).and_then(Node::as_str);
        let in_file = text("tokenFile").map(|path| files::text(Path::new(path)));
        let found = [("botToken", text("botToken")), ("tokenFile", in_file.as_deref().map(|text| text.as_str()))];
        for (field, value) in found {
            if value.is_some_and(is_ours) {
                return Some(Place::file(&home.config_path).key(format!("{key}.{field}")).to_string());
            }
        }
    }
    None
}
