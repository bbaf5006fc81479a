//! Logins that switchers of accounts keep for later: the vault of caam (`caam/vault/<tool>/<account>/`, copies of the tools' own
//! files) and that of claude-swap (`credentials/.creds-<n>-<account>.enc`, Claude Code's file in base64; on macOS in the keychain).
//!
//! Nobody uses a login from there, and nobody renews it there: it is no reserve, it is not in use, its dates wake nobody, and it
//! is never asked about. The one that is in use now lies in both places, and is told of where its tool has it. What is to be
//! known of the others: how old they are, when they end, and that they are there at all.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::keyring::{self, Answer, Item, Platform, Writer};
use super::login::{Format, LoginFile, entries};
use super::{Harvest, Scene, Source, antigravity, claude_code, codex, cursor, gemini, json, opencode};
use crate::domain::{Kind, Owner, Severity};

/// caam (coding agent account manager).
pub struct Caam;
/// claude-swap.
pub struct ClaudeSwap;

const CAAM: &str = "caam";
const SWAP: &str = "claude-swap";
const NOTE: &str = "parked: nothing uses it from here";

type Read = fn(&LoginFile, Map<String, Value>, &Scene<'_>, &mut Harvest);

/// A tool's files in the vault, under the names that they have at home, and whose login they hold.
const TOOLS: [(&str, &str, &str, Read); 7] = [
    ("claude", ".credentials.json", "anthropic", claude),
    ("codex", "auth.json", "openai-codex", codex::logins),
    ("gemini", "oauth_creds.json", gemini::LOGIN, gemini::login),
    ("agy", "antigravity-oauth-token", "google-antigravity", |file, object, scene, harvest| {
        antigravity::login(file, "default", object, scene, harvest);
    }),
    ("opencode", "auth.json", "opencode", |file, object, scene, harvest| {
        opencode::entries(file, object, &opencode::DIALECT, scene, harvest);
    }),
    ("cursor", "auth.json", "cursor", cursor_login),
    ("cursor", "cli-config.json", "cursor", |file, mut object, scene, harvest| {
        if let Some(Value::Object(account)) = object.remove("authInfo")
            && account.contains_key(cursor::SHAPE.access)
        {
            cursor_login(file, account, scene, harvest);
        }
    }),
];

fn claude(file: &LoginFile, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    // The same file may hold only logins of MCP servers.
    if let Some(Value::Object(login)) = object.remove("claudeAiOauth") {
        let found = claude_code::read_login(file, login, scene, harvest);
        harvest.found.push(found);
    }
}

fn cursor_login(file: &LoginFile, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let found = file.oauth("default", "cursor", &mut object, (&cursor::SHAPE, ""), scene, harvest);
    harvest.found.push(found);
}

impl Source for Caam {
    fn name(&self) -> &'static str {
        CAAM
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let own = scene.env.get("CAAM_HOME").map(|home| scene.env.expand(home).join("data"));
        let vault = own.unwrap_or_else(|| super::bases::data(scene.env).join("caam")).join("vault");
        for tool in folders(&vault, harvest) {
            for account in folders(&tool, harvest) {
                let (tool, account) = (name(&tool), Named { name: name(&account), dir: account });
                for (_, file, provider, read) in TOOLS.iter().filter(|(of, ..)| *of == tool) {
                    let path = account.dir.join(file);
                    let fix =
                        format!("Log in to it again, then: caam backup {tool} {}", super::shell_word(&account.name));
                    let within = format!("{tool}/{}", account.name);
                    let file = LoginFile::new(CAAM, *provider, path, fix).within(within);
                    park(file, Format::Json, *read, scene, harvest);
                }
            }
        }
    }
}

struct Named {
    name: String,
    dir: PathBuf,
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Hidden ones are what the switcher set aside for itself.
fn folders(dir: &Path, harvest: &mut Harvest) -> Vec<PathBuf> {
    let wanted = |path: &Path| path.is_dir() && !name(path).starts_with('.');
    entries(CAAM, dir, wanted, "Make it a directory that this user can list.", harvest)
}

impl Source for ClaudeSwap {
    fn name(&self) -> &'static str {
        SWAP
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        swapped(Platform::HERE, scene, harvest);
    }
}

fn swapped(platform: Platform, scene: &Scene<'_>, harvest: &mut Harvest) {
    let fix = "Log in to it again in Claude Code, then: cswap add";
    // Older versions and those for macOS have the second.
    let dirs = [super::bases::data(scene.env).join(SWAP), scene.env.home().join(".claude-swap-backup")];
    for dir in dirs {
        let wanted = |path: &Path| account(path).is_some();
        let files = entries(SWAP, &dir.join("credentials"), wanted, fix, harvest);
        for path in &files {
            let within = account(path).unwrap_or_default();
            let file = LoginFile::new(SWAP, "anthropic", path.clone(), fix).within(within);
            park(file, Format::Base64, secret_of_claude, scene, harvest);
        }
        if platform == Platform::Mac && dir.is_dir() {
            let written: Vec<String> = files.iter().filter_map(|path| account(path)).collect();
            in_keychain(&dir, &written, fix, scene, harvest);
        }
    }
}

/// `1-me@example.org` of `.creds-1-me@example.org.enc`.
fn account(path: &Path) -> Option<String> {
    Some(name(path).strip_prefix(".creds-")?.strip_suffix(".enc")?.to_owned())
}

/// Accounts with a key hold that alone.
fn secret_of_claude(file: &LoginFile, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    match json::secret(&mut object, "") {
        json::Field::Text(key) => harvest.found.push(file.key("default", "anthropic", Kind::ApiKey, key, scene)),
        _ => claude(file, object, scene, harvest),
    }
}

/// Where a file is written it goes before the keychain, as for its owner.
fn in_keychain(dir: &Path, written: &[String], fix: &str, scene: &Scene<'_>, harvest: &mut Harvest) {
    let sequence = json::aside(&dir.join("sequence.json"));
    let accounts = sequence.get("accounts").and_then(Value::as_object);
    for (number, entry) in accounts.into_iter().flatten() {
        let Some(email) = entry.get("email").and_then(Value::as_str) else { continue };
        let within = format!("{number}-{email}");
        if written.contains(&within) {
            continue;
        }
        let account = format!("account-{within}");
        let item = Item { service: SWAP, account: Some(&account), writer: Writer::Security };
        let mut file = LoginFile::keyring(SWAP, "anthropic", &format!("{SWAP} ({account})"), fix).within(within);
        let first = harvest.found.len();
        match keyring::ask_on(Platform::Mac, &item, scene.env) {
            Answer::Found(secret) if secret.expose().starts_with('{') => {
                if let Some(object) = file.open_text(&secret, harvest) {
                    claude(&file, object, scene, harvest);
                }
            }
            Answer::Found(key) => harvest.found.push(file.key("default", "anthropic", Kind::ApiKey, key, scene)),
            Answer::Absent => {}
            Answer::Locked(why) | Answer::Unreadable(why) => file.withheld(why, harvest),
        }
        set_aside(first, harvest);
        let credentials = harvest.found.len() - first;
        file.close_unread(harvest, credentials);
    }
}

/// Reads one parked file.
fn park(mut file: LoginFile, format: Format, read: Read, scene: &Scene<'_>, harvest: &mut Harvest) {
    if !file.exists() {
        return;
    }
    let (first, said) = (harvest.found.len(), harvest.findings.len());
    if let Some(object) = file.open(format, harvest) {
        read(&file, object, scene, harvest);
    }
    set_aside(first, harvest);
    file.close(harvest);
    // Nothing stops working with it.
    for finding in &mut harvest.findings[said..] {
        finding.severity = Severity::Info;
    }
}

fn set_aside(first: usize, harvest: &mut Harvest) {
    for found in &mut harvest.found[first..] {
        found.secret = None;
        let credential = &mut found.credential;
        credential.owner = Owner::Secondhand;
        credential.declared_in_use = Some(false);
        credential.notes.push(NOTE.to_owned());
    }
}

#[cfg(test)]
#[path = "parked_tests.rs"]
mod tests;
