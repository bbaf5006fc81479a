//! Claude Code's login: `.credentials.json` in `$CLAUDE_CONFIG_DIR` or `~/.claude`; on macOS an item of the keychain, and the
//! file only where the keychain has none (a login over ssh).
//!
//! The access token lives for hours and is renewed when it is used; the login itself ends at `refreshTokenExpiresAt`, which a
//! refresh may or may not move, so it is read anew every time. A logout empties the tokens and keeps the rest. Its programs
//! (`claude auth status`, an `apiKeyHelper`) are never run: they may refresh, and they say "logged in" to anything.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::keyring::{self, Answer, Item, Platform, Writer};
use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source, mcp};
use crate::domain::{Basis, Condition, Environment, Kind};
use crate::files::{self, LIMIT};
use crate::formats::dates::Unit;

/// See the module.
pub struct ClaudeCode;

const NAME: &str = "claude-code";

impl Source for ClaudeCode {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        read_on(Platform::HERE, scene, harvest);
    }
}

fn read_on(platform: Platform, scene: &Scene<'_>, harvest: &mut Harvest) {
    let own_dir = scene.env.get("CLAUDE_CONFIG_DIR");
    let dir = own_dir.map_or_else(|| scene.env.home().join(".claude"), |dir| scene.env.expand(dir));
    // It writes these with every use.
    let signs = || ["history.jsonl", "projects", "todos", "statsig", "settings.json"].map(|name| dir.join(name));
    let mut file = LoginFile::new(NAME, "anthropic", dir.join(".credentials.json"), fix(own_dir)).alive(signs());
    let mut note = None;
    // Where Claude Code was never used nothing is asked.
    if platform == Platform::Mac && dir.is_dir() {
        let suffix = suffix(scene.env);
        api_key(&format!("Claude Code{suffix}"), signs(), scene, harvest);
        let service = format!("Claude Code-credentials{suffix}");
        let mut item = LoginFile::keyring(NAME, "anthropic", &service, fix(own_dir)).alive(signs());
        match keyring::ask_on(platform, &written_by_security(&service), scene.env) {
            Answer::Found(secret) => {
                if let Some(object) = item.open_text(&secret, harvest) {
                    login(&item, object, (&dir, own_dir), scene, harvest);
                }
                return item.close(harvest);
            }
            Answer::Absent => {}
            Answer::Unreadable(why) if file.exists() => {
                note = Some(format!("another login may go before this one: {why}"));
            }
            Answer::Unreadable(why) => {
                item.withheld(why, harvest);
                return item.close(harvest);
            }
        }
    }
    let first = harvest.found.len();
    if let Some(object) = file.open(Format::Json, harvest) {
        login(&file, object, (&dir, own_dir), scene, harvest);
    }
    harvest.found[first..].iter_mut().for_each(|found| found.credential.notes.extend(note.clone()));
    file.close(harvest);
}

fn written_by_security(service: &str) -> Item<'_> {
    Item { service, account: None, writer: Writer::Security }
}

/// A key that was made at login with a console account; not being there or not readable, it is not missed.
fn api_key(service: &str, signs: [PathBuf; 5], scene: &Scene<'_>, harvest: &mut Harvest) {
    if let Answer::Found(key) = keyring::ask_on(Platform::Mac, &written_by_security(service), scene.env)
        && !key.is_blank()
    {
        let item = LoginFile::keyring(NAME, "anthropic", service, "claude auth login").alive(signs);
        harvest.found.push(item.key("api-key", "anthropic", Kind::ApiKey, key, scene));
        harvest.report(NAME, item.path().to_owned(), true, 1);
    }
}

/// What is added to the names of keychain items: nothing by default, else a hash of the directory exactly as it was written
/// (even if it is the default one, and with a slash at its end if there is one).
fn suffix(env: &Environment) -> String {
    let dir = env.raw("CLAUDE_SECURESTORAGE_CONFIG_DIR").or_else(|| env.raw("CLAUDE_CONFIG_DIR")).unwrap_or_default();
    if dir.is_empty() { String::new() } else { format!("-{}", keyring::short_hash(dir, 8)) }
}

/// The login in a file or item, and those of MCP servers beside it; there may be only these.
fn login(
    file: &LoginFile,
    mut object: Map<String, Value>,
    (dir, own_dir): (&Path, Option<&str>),
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let servers = object.remove("mcpOAuth");
    match object.remove("claudeAiOauth") {
        None | Some(Value::Null) => {}
        Some(Value::Object(login)) => {
            let mut found = read_login(file, login, scene, harvest);
            if has_helper(dir) {
                found.credential.notes.push(HELPER.to_owned());
            }
            found.credential.account = email(&account_file(scene, own_dir));
            harvest.found.push(found);
        }
        Some(_) => {
            let what = "claudeAiOauth is not an object";
            harvest.findings.push(file.damaged("claudeAiOauth", what));
            let condition = Condition::Damaged(what.to_owned());
            harvest.found.push(file.found("default", "anthropic", Kind::Oauth, condition));
        }
    }
    if let Some(Value::Object(servers)) = servers {
        mcp::logins(file, servers, (&SERVERS, "mcpOAuth"), scene, harvest);
    }
}

const HELPER: &str = "settings.json names an apiKeyHelper; its key goes before this login, and is not asked for here";
const SHAPE: Shape =
    Shape { access: "accessToken", refresh: "refreshToken", expires: Some(("expiresAt", Unit::Milliseconds)) };

const SERVERS: mcp::Layout = mcp::Layout {
    shape: SHAPE,
    name: "serverName",
    url: "serverUrl",
    fix: "Log in to {name} in Claude Code: claude, then /mcp",
};

fn read_login(file: &LoginFile, mut login: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) -> Found {
    let mut found = file.oauth("default", "anthropic", &mut login, (&SHAPE, "claudeAiOauth"), scene, harvest);
    let credential = &mut found.credential;
    if credential.condition == Condition::Present {
        let field = ("refreshTokenExpiresAt", Unit::Milliseconds);
        credential.clocks.grant_expires = file.date(&login, field, "claudeAiOauth", &mut credential.notes, harvest);
        credential.clocks.grant_basis = credential.clocks.grant_expires.map(|_| Basis::Declared);
    }
    found
}

fn has_helper(dir: &Path) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Settings {
        api_key_helper: Option<String>,
    }
    let settings = small::<Settings>(&dir.join("settings.json"));
    settings.and_then(|settings| settings.api_key_helper).is_some_and(|helper| !helper.trim().is_empty())
}

fn email(account: &Path) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Account {
        email_address: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct State {
        oauth_account: Option<Account>,
    }
    small::<State>(account)?.oauth_account?.email_address.filter(|email| !email.trim().is_empty())
}

/// A side file that only adds a word: whatever is wrong with it is no news.
fn small<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let contents = files::read(path, LIMIT).ok()??;
    serde_json::from_str(&contents.text).ok()
}

fn account_file(scene: &Scene<'_>, own_dir: Option<&str>) -> PathBuf {
    own_dir.map_or_else(|| scene.env.home(), |dir| scene.env.expand(dir)).join(".claude.json")
}

fn fix(own_dir: Option<&str>) -> String {
    match own_dir {
        Some(dir) => format!("CLAUDE_CONFIG_DIR={} claude auth login", super::shell_word(dir)),
        None => "claude auth login".to_owned(),
    }
}

#[cfg(test)]
#[path = "claude_code_tests.rs"]
mod tests;
