//! Claude Code's login: `.credentials.json` in `$CLAUDE_CONFIG_DIR` or `~/.claude`; on macOS an item of the keychain, and the
//! file only where the keychain has none (a login over ssh). Besides: the keys in the `env` of its `settings.json`, the key of a
//! console account in `~/.claude.json`, and what versions of long ago left in `~/.config/claude-code/auth.json`.
//!
//! The access token lives for hours and is renewed when it is used; the login itself ends at `refreshTokenExpiresAt`, which a
//! refresh may or may not move, so it is read anew every time. A logout empties the tokens and keeps the rest. Its programs
//! (`claude auth status`, an `apiKeyHelper`) are never run: they may refresh, and they say "logged in" to anything.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::keyring::{self, Answer, Item, Platform, Writer};
use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source, cloud, mcp, variables};
use crate::domain::{Basis, Condition, CredentialId, Environment, Finding, Kind, Secret, Severity};
use crate::files::{self, LIMIT, Trouble};
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

/// Where Claude Code keeps its things, and how it was told so.
struct Dirs<'a> {
    own: Option<&'a str>,
    dir: PathBuf,
    state: State,
}

impl Dirs<'_> {
    /// It writes these with every use.
    fn signs(&self) -> [PathBuf; 5] {
        ["history.jsonl", "projects", "todos", "statsig", "settings.json"].map(|name| self.dir.join(name))
    }
}

fn read_on(platform: Platform, scene: &Scene<'_>, harvest: &mut Harvest) {
    let own = scene.env.get("CLAUDE_CONFIG_DIR");
    let dir = own.map_or_else(|| scene.env.home().join(".claude"), |dir| scene.env.expand(dir));
    let state = state(account_file(scene, own), harvest);
    let dirs = Dirs { own, dir, state };
    let first = harvest.found.len();
    logins(platform, &dirs, scene, harvest);
    let last = harvest.found.len();
    let notes = settings(&dirs, scene, harvest);
    let logins = harvest.found[first..last].iter_mut().map(|found| &mut found.credential);
    for login in logins.filter(|login| login.kind == Kind::Oauth && login.provider == "anthropic") {
        // It is not what models are called with: its end is nobody's loss.
        login.declared_in_use = login.declared_in_use.or((!notes.is_empty()).then_some(false));
        login.notes.extend(notes.iter().cloned());
        // Whoever has a key here needs no login; one that is there may still be somebody's in another shell.
        if let (Condition::Blanked, Some(name)) = (&login.condition, instead(scene.env)) {
            login.declared_in_use = Some(false);
            login.notes.push(format!("{name} is set here, which goes before this login"));
        }
    }
    if own.is_none() {
        of_long_ago(scene, harvest);
    }
    harvest.report(NAME, account_file(scene, own), true, 0);
}

fn logins(platform: Platform, dirs: &Dirs<'_>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let fix = || fix(dirs.own);
    let path = dirs.dir.join(".credentials.json");
    let mut file = LoginFile::new(NAME, "anthropic", path, fix()).alive(dirs.signs());
    let mut note = None;
    console_key(dirs, scene, harvest);
    // Where Claude Code was never used nothing is asked.
    if platform == Platform::Mac && dirs.dir.is_dir() {
        let suffix = suffix(scene.env);
        api_key(&format!("Claude Code{suffix}"), dirs.signs(), scene, harvest);
        let service = format!("Claude Code-credentials{suffix}");
        let mut item = LoginFile::keyring(NAME, "anthropic", &service, fix()).alive(dirs.signs());
        match keyring::ask_on(platform, &written_by_security(&service), scene.env) {
            Answer::Found(secret) => {
                if let Some(object) = item.open_text(&secret, harvest) {
                    login(&item, object, dirs, scene, harvest);
                }
                return item.close(harvest);
            }
            Answer::Absent => {}
            Answer::Locked(why) | Answer::Unreadable(why) if file.exists() => {
                note = Some(format!("another login may go before this one: {why}"));
            }
            Answer::Locked(why) | Answer::Unreadable(why) => {
                item.withheld(why, harvest);
                return item.close(harvest);
            }
        }
    }
    let first = harvest.found.len();
    if let Some(object) = file.open(Format::Json, harvest) {
        login(&file, object, dirs, scene, harvest);
    }
    harvest.found[first..].iter_mut().for_each(|found| found.credential.notes.extend(note.clone()));
    file.close(harvest);
}

/// The variables that it sets for itself; what its login is to be noted with: they go before it.
fn settings(dirs: &Dirs<'_>, scene: &Scene<'_>, harvest: &mut Harvest) -> Vec<String> {
    let path = dirs.dir.join("settings.json");
    let fix = format!("Correct {}.", path.display());
    let mut file = LoginFile::new(NAME, "anthropic", path, fix).settings().alive(dirs.signs());
    let mut notes = Vec::new();
    if let Some(mut object) = file.open(Format::Json, harvest) {
        let helper = object.get("apiKeyHelper").and_then(Value::as_str).is_some_and(|helper| !helper.trim().is_empty());
        notes.extend(helper.then(|| HELPER.to_owned()));
        if let Some(Value::Object(env)) = object.remove("env") {
            let cloud = cloud::of_claude_code(|name| env.get(name).is_some_and(cloud::is_on));
            notes.extend(cloud.map(|name| format!("settings.json sets {name}: models are called through that cloud")));
            let first = harvest.found.len();
            variables::of_tool(&file, env, ("settings/", "env"), scene, harvest);
            let over = |found: &&Found| BEFORE_LOGIN.iter().any(|name| found.credential.profile.ends_with(name));
            let over = harvest.found[first..].iter().find(over).map(|found| found.credential.profile.clone());
            let name = over.as_deref().and_then(|profile| profile.rsplit('/').next());
            notes.extend(name.map(|name| format!("settings.json sets {name}, which goes before this login")));
        }
    }
    file.close(harvest);
    notes
}

/// What an environment has in place of the login.
fn instead(env: &Environment) -> Option<&'static str> {
    let cloud = cloud::of_claude_code(|name| env.get(name).is_some_and(cloud::is_on_word));
    cloud.or_else(|| BEFORE_LOGIN.into_iter().find(|name| env.get(name).is_some()))
}

const BEFORE_LOGIN: [&str; 3] = ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"];

/// The key that was made at login with a console account; on macOS it is in the keychain.
fn console_key(dirs: &Dirs<'_>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let path = account_file(scene, dirs.own);
    let key = dirs.state.primary_api_key.clone().map(Secret::new);
    if let Some(key) = key.filter(|key| !key.is_blank()) {
        let file = LoginFile::new(NAME, "anthropic", path, fix(dirs.own)).settings().alive(dirs.signs());
        harvest.found.push(file.key("api-key", "anthropic", Kind::ApiKey, key, scene));
        file.close_unread(harvest, 1);
    }
}

/// A file that no version of today reads. Its shape was never written down: what has no token in a known place is passed over.
fn of_long_ago(scene: &Scene<'_>, harvest: &mut Harvest) {
    let path = super::bases::config(scene.env).join("claude-code/auth.json");
    let mut file = LoginFile::new(NAME, "anthropic", path, fix(None)).settings();
    if let Some(mut object) = file.open(Format::Json, harvest) {
        let login = match object.remove("claudeAiOauth") {
            Some(Value::Object(login)) => login,
            _ => object,
        };
        if login.contains_key(SHAPE.access) {
            let mut found = read_login(&file, login, scene, harvest);
            let credential = &mut found.credential;
            credential.profile = "legacy".to_owned();
            credential.id = CredentialId(format!("{NAME}:legacy"));
            credential.declared_in_use = Some(false);
            credential.notes.push("left by a version of long ago: Claude Code does not read it".to_owned());
            harvest.found.push(found);
        }
    }
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
fn login(file: &LoginFile, mut object: Map<String, Value>, dirs: &Dirs<'_>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let servers = object.remove("mcpOAuth");
    match object.remove("claudeAiOauth") {
        None | Some(Value::Null) => {}
        Some(Value::Object(login)) => {
            let mut found = read_login(file, login, scene, harvest);
            found.credential.account = dirs.state.email();
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

pub(super) fn read_login(
    file: &LoginFile,
    mut login: Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Found {
    let mut found = file.oauth("default", "anthropic", &mut login, (&SHAPE, "claudeAiOauth"), scene, harvest);
    let credential = &mut found.credential;
    if credential.condition == Condition::Present {
        let field = ("refreshTokenExpiresAt", Unit::Milliseconds);
        credential.clocks.grant_expires = file.date(&login, field, "claudeAiOauth", &mut credential.notes, harvest);
        credential.clocks.grant_basis = credential.clocks.grant_expires.map(|_| Basis::Declared);
    }
    found
}

/// `.claude.json`, as far as it is looked at.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    oauth_account: Option<Account>,
    primary_api_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    email_address: Option<String>,
}

impl State {
    fn email(&self) -> Option<String> {
        let email = self.oauth_account.as_ref()?.email_address.as_ref()?;
        Some(email.clone()).filter(|email| !email.trim().is_empty())
    }
}

/// Besides a key that few have it only adds a word: what is wrong with it is said, and alarms nobody.
fn state(path: PathBuf, harvest: &mut Harvest) -> State {
    let broken = |error: serde_json::Error| Trouble {
        unparsable: true,
        why: "is not JSON as Claude Code writes it".to_owned(),
        at: Some((error.line().max(1), error.column().max(1))),
    };
    let read = files::if_seen(files::read(&path, LIMIT))
        .and_then(|contents| contents.map(|contents| serde_json::from_str(&contents.text).map_err(broken)).transpose());
    let state = read.unwrap_or_else(|trouble| {
        let fix = format!("Quit Claude Code, then: mv {0} {0}.damaged", super::shell_word(&path.to_string_lossy()));
        harvest.findings.push(Finding { severity: Severity::Info, ..trouble.finding(&path, &fix) });
        None
    });
    state.unwrap_or_default()
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
