//! Claude Code's login: `.credentials.json` in `$CLAUDE_CONFIG_DIR` or `~/.claude`.
//!
//! The access token lives for hours and is renewed when it is used; the login itself ends at `refreshTokenExpiresAt`, which a
//! refresh may or may not move, so it is read anew every time. A logout empties the tokens and keeps the rest. Its programs
//! (`claude auth status`, an `apiKeyHelper`) are never run: they may refresh, and they say "logged in" to anything.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source};
use crate::domain::{Basis, Condition, Kind};
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
        let own_dir = scene.env.get("CLAUDE_CONFIG_DIR");
        let dir = own_dir.map_or_else(|| scene.env.home().join(".claude"), |dir| scene.env.expand(dir));
        // It writes these with every use.
        let signs = ["history.jsonl", "projects", "todos", "statsig", "settings.json"].map(|name| dir.join(name));
        let mut file = LoginFile::new(NAME, "anthropic", dir.join(".credentials.json"), fix(own_dir)).alive(signs);
        if let Some(mut object) = file.open(Format::Json, harvest) {
            match object.remove("claudeAiOauth") {
                // The same file may hold only logins of MCP servers.
                None | Some(Value::Null) => {}
                Some(Value::Object(login)) => {
                    let mut found = read_login(&file, login, scene, harvest);
                    if has_helper(&dir) {
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
        }
        file.close(harvest);
    }
}

const HELPER: &str = "settings.json names an apiKeyHelper; its key goes before this login, and is not asked for here";
const SHAPE: Shape =
    Shape { access: "accessToken", refresh: "refreshToken", expires: Some(("expiresAt", Unit::Milliseconds)) };

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
