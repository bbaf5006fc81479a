//! Codex's login: `auth.json` in `$CODEX_HOME` or `~/.codex`, once also in `~/.config/codex`.
//!
//! The access token is a JWT whose `exp` is an upper bound (the provider may refuse earlier). Refresh tokens are single-use:
//! nothing here ever sends one. `codex login status` says "logged in" to anything and is not asked.

use serde_json::{Map, Value};

use super::login::{Format, LoginFile, Shape};
use super::{Found, Harvest, Scene, Source, json};
use crate::domain::{Condition, Kind};
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
        let own_home = scene.env.get("CODEX_HOME");
        let home = own_home.map_or_else(|| scene.env.home().join(".codex"), |home| scene.env.expand(home));
        let mut looked = vec![home.clone()];
        if own_home.is_none() {
            looked.push(scene.env.home().join(".config/codex"));
        }
        let fix = match own_home {
            Some(home) => format!("CODEX_HOME={} codex login", super::shell_word(home)),
            None => "codex login".to_owned(),
        };
        for home in looked {
            // It writes these with every use.
            let signs = ["history.jsonl", "sessions", "log"].map(|name| home.join(name));
            let mut file = LoginFile::new(NAME, CHATGPT, home.join("auth.json"), fix.clone()).alive(signs);
            let there = file.exists();
            if let Some(object) = file.open(Format::Json, harvest) {
                logins(&file, object, scene, harvest);
            }
            file.close(harvest);
            // The old place counts only where the new one is empty.
            if there {
                break;
            }
        }
    }
}

const SHAPE: Shape = Shape { access: "access_token", refresh: "refresh_token", expires: None };

fn logins(login: &LoginFile, mut file: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let before = harvest.found.len();
    for (name, provider, kind) in
        [("OPENAI_API_KEY", "openai", Kind::ApiKey), ("personal_access_token", CHATGPT, Kind::Token)]
    {
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
            let found = chatgpt(login, tokens, &file, scene, harvest);
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
