//! Codex's login: `auth.json` in `$CODEX_HOME` or `~/.codex`, once also in `~/.config/codex`; or an item of the keyring, where
//! `cli_auth_credentials_store` in its `config.toml` says so. What it keeps in the keyring it takes away from the file.
//!
//! The access token is a JWT whose `exp` is an upper bound (the provider may refuse earlier). Refresh tokens are single-use:
//! nothing here ever sends one. `codex login status` says "logged in" to anything and is not asked.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::keyring::{self, Answer, Item, Platform, Writer};
use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source, json, mcp};
use crate::domain::{Condition, CredentialId, Kind};
use crate::files;
use crate::formats::dates::Unit;
use crate::formats::jwt;

/// See the module.
pub struct Codex;

const NAME: &str = "codex";
/// The gateways' name for a ChatGPT login.
const CHATGPT: &str = "openai-codex";

impl Source for Codex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        read_on(Platform::HERE, scene, harvest);
    }
}

fn read_on(platform: Platform, scene: &Scene<'_>, harvest: &mut Harvest) {
    let own_home = scene.env.get("CODEX_HOME");
    let home = own_home.map_or_else(|| scene.env.home().join(".codex"), |home| scene.env.expand(home));
    let fix = match own_home {
        Some(home) => format!("CODEX_HOME={} codex login", super::shell_word(home)),
        None => "codex login".to_owned(),
    };
    let kept = Kept::of(&home);
    servers(&home, own_home, scene, harvest);
    let mut looked = vec![home.clone()];
    if own_home.is_none() {
        looked.push(scene.env.home().join(".config/codex"));
    }
    for home in looked {
        let mut file = LoginFile::new(NAME, CHATGPT, home.join("auth.json"), fix.clone()).alive(signs(&home));
        let (there, first) = (file.exists(), harvest.found.len());
        if let Some(object) = file.open(Format::Json, harvest) {
            logins(&file, object, scene, harvest);
        }
        if let Kept::Keyring | Kept::Nowhere = kept {
            for Found { credential, .. } in &mut harvest.found[first..] {
                // Not the name of what is in the keyring.
                credential.profile = format!("auth.json/{}", credential.profile);
                credential.id = CredentialId(format!("{NAME}:{}", credential.profile));
                credential.declared_in_use = Some(false);
                credential.notes.push(LEFTOVER.to_owned());
            }
        }
        file.close(harvest);
        // The old place counts only where the new one is empty, and the keyring (`auto`) only where both are.
        if there {
            if kept == Kept::Keyring {
                break;
            }
            return;
        }
    }
    if let Kept::Keyring | Kept::Auto = kept {
        from_keyring(platform, &home, fix, scene, harvest);
    }
}

/// The logins of MCP servers, where there is no keyring. In one they are an item each, whose names nobody lists.
fn servers(home: &Path, own_home: Option<&str>, scene: &Scene<'_>, harvest: &mut Harvest) {
    const LAYOUT: mcp::Layout = mcp::Layout {
        shape: Shape {
            access: "access_token",
            refresh: "refresh_token",
            expires: Some(("expires_at", Unit::Milliseconds)),
        },
        name: "server_name",
        url: "server_url",
        fix: "codex mcp login {name}",
    };
    let mut file = LoginFile::new(NAME, CHATGPT, home.join(".credentials.json"), "codex mcp login NAME").settings();
    let first = harvest.found.len();
    if let Some(object) = file.open(Format::Json, harvest) {
        mcp::logins(&file, object, (&LAYOUT, ""), scene, harvest);
    }
    for Found { credential, .. } in &mut harvest.found[first..] {
        if let Some(home) = own_home {
            credential.fix = format!("CODEX_HOME={} {}", super::shell_word(home), credential.fix);
        }
    }
    file.close(harvest);
}

const LEFTOVER: &str = "config.toml keeps logins elsewhere (cli_auth_credentials_store): Codex does not read this one";

/// It writes these with every use.
fn signs(home: &Path) -> [PathBuf; 3] {
    ["history.jsonl", "sessions", "log"].map(|name| home.join(name))
}

/// Where Codex keeps its login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    File,
    Keyring,
    /// In the keyring if there is one, else in the file.
    Auto,
    /// In memory only.
    Nowhere,
}

impl Kept {
    /// By its settings; whatever is wrong with those is no news, and the file is where it is kept by default.
    fn of(home: &Path) -> Self {
        let settings = toml::from_str::<toml::Table>(&files::text(&home.join("config.toml"))).unwrap_or_default();
        match settings.get("cli_auth_credentials_store").and_then(toml::Value::as_str) {
            Some("keyring") => Self::Keyring,
            Some("auto") => Self::Auto,
            Some("ephemeral") => Self::Nowhere,
            _ => Self::File,
        }
    }
}

/// The item is the same text that would be in the file. Its account is a hash of the home, links resolved.
fn from_keyring(platform: Platform, home: &Path, fix: String, scene: &Scene<'_>, harvest: &mut Harvest) {
    // Where Codex was never used nothing is asked.
    let Ok(canonical) = home.canonicalize() else { return };
    const SERVICE: &str = "Codex Auth";
    let account = format!("cli|{}", keyring::short_hash(&canonical.to_string_lossy(), 16));
    let mut item = LoginFile::keyring(NAME, CHATGPT, SERVICE, fix).alive(signs(home));
    match keyring::ask_on(
        platform,
        &Item { service: SERVICE, account: Some(&account), writer: Writer::Rust },
        scene.env,
    ) {
        Answer::Found(secret) => {
            if let Some(object) = item.open_text(&secret, harvest) {
                logins(&item, object, scene, harvest);
            }
        }
        Answer::Locked(why) | Answer::Unreadable(why) => item.withheld(why, harvest),
        Answer::Absent => {
            // Newer versions keep only the key of this file in the keyring.
            let encrypted = home.join("secrets/codex_auth.age");
            if encrypted.symlink_metadata().is_ok() {
                let why = format!("it is encrypted in {}, and only Codex opens that", encrypted.display());
                item.withheld(why, harvest);
            }
        }
    }
    item.close(harvest);
}

const SHAPE: Shape = Shape { access: "access_token", refresh: "refresh_token", expires: None };

pub(super) fn logins(login: &LoginFile, mut file: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let before = harvest.found.len();
    let mut keys = vec![("OPENAI_API_KEY", "openai", Kind::ApiKey), ("personal_access_token", CHATGPT, Kind::Token)];
    // Its shape was never written down: a text is a token, which may say itself when it ends.
    keys.extend(file.get("agent_identity").is_some_and(Value::is_string).then_some((
        "agent_identity",
        CHATGPT,
        Kind::Token,
    )));
    for (name, provider, kind) in keys {
        // Codex writes a blank or `null` for "none".
        let Some(mut found) = login.key_in((name, provider, kind), &mut file, (name, ""), scene, harvest) else {
            continue;
        };
        if found.credential.condition == Condition::Blanked {
            continue;
        }
        if kind == Kind::ApiKey {
            found.credential.fix = found.credential.fix.replace("codex login", "codex login --with-api-key");
        }
        harvest.found.push(found);
    }
    match file.remove("tokens") {
        Some(Value::Object(tokens)) => {
            let mut found = chatgpt(login, tokens, &file, scene, harvest);
            // Empty tokens beside a key are "none", as `null` is.
            if found.credential.condition == Condition::Blanked && harvest.found.len() > before {
                found.credential.declared_in_use = Some(false);
            }
            harvest.found.push(found);
        }
        Some(Value::Null) | None if harvest.found.len() > before || file.get("agent_identity").is_some() => {}
        Some(Value::Null) | None => {
            harvest.found.push(login.found("default", CHATGPT, Kind::Oauth, Condition::Blanked))
        }
        Some(_) => {
            let what = "tokens is not an object";
            harvest.findings.push(login.damaged("tokens", what));
            let condition = Condition::Damaged(what.to_owned());
            harvest.found.push(login.found("default", CHATGPT, Kind::Oauth, condition));
        }
    }
}

fn chatgpt(
    login: &LoginFile,
    mut tokens: Map<String, Value>,
    file: &Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Found {
    let mut found = login.oauth("default", CHATGPT, &mut tokens, (&SHAPE, "tokens"), scene, harvest);
    let credential = &mut found.credential;
    if let Condition::Absent(_) = credential.condition {
        credential.condition = Condition::Blanked;
    }
    if credential.condition == Condition::Present {
        let field = ("last_refresh", Unit::Text);
        credential.clocks.last_renewed = login.date(file, field, "", &mut credential.notes, harvest);
    }
    let identity = json::secret(&mut tokens, "id_token").secret().and_then(|token| jwt::claims(&token)?.email);
    let account = || tokens.get("account_id").and_then(Value::as_str).map(str::to_owned);
    credential.account = identity.or_else(account);
    found
}

#[cfg(test)]
#[path = "codex_tests.rs"]
mod tests;
