//! Cursor's two logins: the command line's (`auth.json`, or an account named in `cli-config.json` with the tokens in a keyring)
//! and the application's (`state.vscdb`). Tokens are JWTs that say themselves when they end.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::keyring::{self, Answer, Item, Platform, Writer};
use super::login::{Format, LoginFile, Shape};
use super::sqlite::Database;
use super::{Harvest, Scene, Source};
use crate::domain::Condition;
use crate::files::Trouble;

/// The command line (`cursor-agent`).
pub struct CursorCli;

/// The application.
pub struct CursorApp;

const CLI: &str = "cursor";
const APP: &str = "cursor-app";
const PROVIDER: &str = "cursor";
pub(super) const SHAPE: Shape = Shape { access: "accessToken", refresh: "refreshToken", expires: None };

impl Source for CursorCli {
    fn name(&self) -> &'static str {
        CLI
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        read_on(Platform::HERE, scene, harvest);
    }
}

/// On macOS its tokens are in the keychain, unless `AGENT_CLI_CREDENTIAL_STORE` says `file`; with `memory` they are nowhere.
fn read_on(platform: Platform, scene: &Scene<'_>, harvest: &mut Harvest) {
    let store = scene.env.get("AGENT_CLI_CREDENTIAL_STORE").filter(|_| scene.env_is_source);
    let before = harvest.found.len();
    files(scene, harvest);
    if store == Some("memory") {
        for found in &mut harvest.found[before..] {
            found.credential.declared_in_use = Some(false);
            found.credential.notes.push("AGENT_CLI_CREDENTIAL_STORE is memory: no file is read".to_owned());
        }
        return;
    }
    let home = scene.env.home().join(".cursor");
    let written = harvest.found[before..].iter().any(|found| matches!(found.credential.condition, Condition::Present));
    // Where Cursor was never used nothing is asked.
    if platform != Platform::Mac || store == Some("file") || written || !home.is_dir() {
        return;
    }
    let item = Item { service: SERVICE, account: Some("cursor-user"), writer: Writer::Node };
    if let Answer::Locked(why) = keyring::ask_on(platform, &item, scene.env) {
        let mut file = LoginFile::keyring(CLI, PROVIDER, SERVICE, FIX).alive(signs(&home));
        let account = harvest.found.drain(before..).find_map(|found| found.credential.account);
        file.withheld(why, harvest);
        harvest.found[before].credential.account = account;
        file.close(harvest);
    }
}

const SERVICE: &str = "cursor-access-token";
const FIX: &str = "cursor-agent login";

fn signs(home: &Path) -> [PathBuf; 2] {
    ["chats", "projects"].map(|name| home.join(name))
}

fn files(scene: &Scene<'_>, harvest: &mut Harvest) {
    let home = scene.env.home().join(".cursor");
    let own_dir = scene.env.get("CURSOR_CONFIG_DIR").map(|dir| scene.env.expand(dir));
    let usual = [super::bases::config(scene.env).join("cursor"), home.clone()];
    let dirs: Vec<PathBuf> = own_dir.into_iter().chain(usual).collect();
    let first = |name: &str| dirs.iter().map(|dir| dir.join(name)).find(|path| path.symlink_metadata().is_ok());
    let place = |name: &str| first(name).unwrap_or_else(|| dirs[0].join(name));
    let before = harvest.found.len();
    let mut file = LoginFile::new(CLI, PROVIDER, place("auth.json"), FIX).alive(signs(&home));
    if let Some(mut object) = file.open(Format::Json, harvest) {
        let found = file.oauth("default", PROVIDER, &mut object, (&SHAPE, ""), scene, harvest);
        harvest.found.push(found);
    }
    file.close(harvest);
    let mut file = LoginFile::new(CLI, PROVIDER, place("cli-config.json"), FIX).settings();
    if let Some(mut object) = file.open(Format::Json, harvest)
        && let Some(Value::Object(mut account)) = object.remove("authInfo")
    {
        let email = email(&account);
        if harvest.found.len() == before {
            let mut found = if account.contains_key(SHAPE.access) {
                file.oauth("default", PROVIDER, &mut account, (&SHAPE, "authInfo"), scene, harvest)
            } else {
                let why = "its account is named in cli-config.json and its tokens are kept in the keyring \
                               (service cursor-access-token, account cursor-user)";
                file.sealed("default", PROVIDER, why)
            };
            found.credential.account = email;
            harvest.found.push(found);
        } else if let [found] = &mut harvest.found[before..] {
            found.credential.account = email;
        }
    }
    file.close(harvest);
}

fn email(account: &Map<String, Value>) -> Option<String> {
    account.get("email")?.as_str().map(str::trim).filter(|email| !email.is_empty()).map(str::to_owned)
}

impl Source for CursorApp {
    fn name(&self) -> &'static str {
        APP
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        const STATE: &str = "Cursor/User/globalStorage/state.vscdb";
        let fix = "Open Cursor and sign in again (Settings, Account).";
        let bases: [PathBuf; 2] =
            [super::bases::config(scene.env), scene.env.home().join("Library/Application Support")];
        for base in bases {
            // It holds everything the application remembers: nothing is known to be lost with it.
            let mut file = LoginFile::new(APP, PROVIDER, base.join(STATE), fix).settings();
            let there = file.exists();
            if let Some(database) = file.open_database(harvest) {
                match rows(&database) {
                    // Without a row nobody ever signed in; a sign-out leaves them empty.
                    Ok((object, _)) if object.is_empty() => {}
                    Ok((mut object, account)) => {
                        let mut found = file.oauth("default", PROVIDER, &mut object, (&SHAPE, ""), scene, harvest);
                        found.credential.account = account.filter(|email| !email.trim().is_empty());
                        harvest.found.push(found);
                    }
                    Err(trouble) => file.broken(&trouble, harvest),
                }
            }
            file.close(harvest);
            if there {
                break;
            }
        }
    }
}

/// The tokens, and the account's address.
fn rows(database: &Database) -> Result<(Map<String, Value>, Option<String>), Trouble> {
    let row = |name: &str| -> Result<Option<String>, Trouble> {
        let text = database.text("SELECT value FROM ItemTable WHERE key = ?1", [format!("cursorAuth/{name}")])?;
        Ok(text.map(|text| unquoted(&text)))
    };
    let mut object = Map::new();
    for name in [SHAPE.access, SHAPE.refresh] {
        object.extend(row(name)?.map(|text| (name.to_owned(), Value::String(text))));
    }
    Ok((object, row("cachedEmail")?))
}

/// Some versions write the text itself, some a JSON string.
fn unquoted(text: &str) -> String {
    if text.starts_with('"') { serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()) } else { text.to_owned() }
}

#[cfg(test)]
#[path = "cursor_tests.rs"]
mod tests;
