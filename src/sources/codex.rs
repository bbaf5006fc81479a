//! Codex's login: `auth.json` in `$CODEX_HOME` or `~/.codex`, once also in `~/.config/codex`.
//!
//! The access token is a JWT whose `exp` is an upper bound (the provider may refuse earlier). Refresh tokens are single-use:
//! nothing here ever sends one. `codex login status` says "logged in" to anything and is not asked.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::json::{self, Dates, Field};
use super::{Found, Harvest, Scene, Source};
use crate::domain::{
    Activity, Clocks, Condition, Credential, CredentialId, Finding, Kind, Origin, Owner, Place, Renewal, Secret,
    Selection, Severity, SourceReport, Time,
};
use crate::files::{self, LIMIT, Trouble};
use crate::formats::dates::{Date, Unit};
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
        let before = harvest.found.len();
        let mut up = true;
        for home in &looked {
            let place = Login { path: home.join("auth.json"), home: home.clone(), fix: fix.clone() };
            match files::read(&place.path, LIMIT) {
                Ok(None) => continue,
                Ok(Some(contents)) => match json::object(&contents.text) {
                    Ok(object) => {
                        let said = harvest.findings.len();
                        place.logins(object, contents.modified, scene, harvest);
                        json::place(&mut harvest.findings[said..], &place.path, &contents.text);
                    }
                    Err(trouble) => up = place.broken(&trouble, contents.modified, harvest),
                },
                Err(trouble) => up = place.broken(&trouble, None, harvest),
            }
            // The old place counts only where the new one is empty.
            break;
        }
        let looked = looked.into_iter().map(|home| home.join("auth.json")).collect();
        let credentials = harvest.found.len() - before;
        harvest.reports.push(SourceReport { source: NAME.to_owned(), looked, up, credentials });
    }
}

struct Login {
    home: PathBuf,
    path: PathBuf,
    fix: String,
}

impl Login {
    fn logins(&self, mut file: Map<String, Value>, modified: Option<Time>, scene: &Scene<'_>, harvest: &mut Harvest) {
        let before = harvest.found.len();
        match json::secret(&mut file, "OPENAI_API_KEY") {
            Field::Text(key) => harvest.found.push(self.static_key("OPENAI_API_KEY", "openai", key, modified, scene)),
            Field::Mistyped => harvest.findings.push(self.damaged("OPENAI_API_KEY", "is not a text")),
            Field::Absent | Field::Blank => {}
        }
        match json::secret(&mut file, "personal_access_token") {
            Field::Text(token) => {
                harvest.found.push(self.static_key("personal_access_token", CHATGPT, token, modified, scene));
            }
            Field::Mistyped => harvest.findings.push(self.damaged("personal_access_token", "is not a text")),
            Field::Absent | Field::Blank => {}
        }
        match file.remove("tokens") {
            Some(Value::Object(tokens)) => self.chatgpt(tokens, &file, modified, scene, harvest),
            Some(Value::Null) | None if harvest.found.len() > before || file.get("agent_identity").is_some() => {}
            Some(Value::Null) | None => {
                harvest.found.push(self.found("default", CHATGPT, Condition::Blanked, modified))
            }
            Some(_) => {
                harvest.findings.push(self.damaged("tokens", "is not an object"));
                let condition = Condition::Damaged("tokens is not an object".to_owned());
                harvest.found.push(self.found("default", CHATGPT, condition, modified));
            }
        }
    }

    fn chatgpt(
        &self,
        mut tokens: Map<String, Value>,
        file: &Map<String, Value>,
        modified: Option<Time>,
        scene: &Scene<'_>,
        harvest: &mut Harvest,
    ) {
        let access = json::secret(&mut tokens, "access_token");
        let refresh = json::secret(&mut tokens, "refresh_token");
        let condition = match (&access, &refresh) {
            (Field::Mistyped, _) => Condition::Damaged("tokens.access_token is not a text".to_owned()),
            (_, Field::Mistyped) => Condition::Damaged("tokens.refresh_token is not a text".to_owned()),
            (Field::Text(_), _) | (_, Field::Text(_)) => Condition::Present,
            _ => Condition::Blanked,
        };
        let mut found = self.found("default", CHATGPT, condition, modified);
        let credential = &mut found.credential;
        let (access, refresh) = (access.secret(), refresh.secret());
        if let Condition::Damaged(what) = &credential.condition {
            harvest.findings.push(self.damaged("tokens", what));
        }
        if credential.condition == Condition::Present {
            let mut dates = Dates::of(file, &self.path, "");
            credential.clocks.last_renewed = dates.take("last_refresh", Unit::Text);
            harvest.findings.append(&mut dates.findings);
            credential.notes = dates.notes;
            credential.clocks.access_expires =
                access.as_ref().and_then(|token| self.expiry(token, &mut credential.notes));
            if refresh.is_none() {
                credential.renewal = Renewal::Manual;
                credential.notes.push("there is no refresh token: only a new login helps when it ends".to_owned());
            }
        }
        let identity = json::secret(&mut tokens, "id_token").secret().and_then(|token| jwt::claims(&token)?.email);
        let account = || tokens.get("account_id").and_then(Value::as_str).map(str::to_owned);
        credential.account = identity.or_else(account);
        credential.fingerprint = access.as_ref().and_then(|secret| scene.key.fingerprint(secret));
        credential.refresh_fingerprint = refresh.as_ref().and_then(|secret| scene.key.fingerprint(secret));
        found.secret = access;
        harvest.found.push(found);
    }

    fn expiry(&self, token: &Secret, notes: &mut Vec<String>) -> Option<Time> {
        let Some(claims) = jwt::claims(token) else {
            notes.push("the access token is no JWT: its end is not known".to_owned());
            return None;
        };
        match &claims.expires {
            Date::Absent | Date::Blank => notes.push("the access token does not say when it ends".to_owned()),
            date => notes.extend(date.remark().map(|odd| format!("exp of the access token {odd}"))),
        }
        claims.expires.at()
    }

    fn static_key(&self, name: &str, provider: &str, key: Secret, modified: Option<Time>, scene: &Scene<'_>) -> Found {
        let mut found = self.found(name, provider, Condition::Present, modified);
        let credential = &mut found.credential;
        (credential.kind, credential.renewal) = (Kind::ApiKey, Renewal::None);
        if name == "personal_access_token" {
            (credential.kind, credential.renewal) = (Kind::Token, Renewal::Manual);
        } else {
            credential.fix = self.fix.replace("codex login", "codex login --with-api-key");
        }
        if let Some(claims) = jwt::claims(&key) {
            super::decoded(credential, &claims);
        }
        credential.fingerprint = scene.key.fingerprint(&key);
        found.secret = Some(key);
        found
    }

    fn broken(&self, trouble: &Trouble, modified: Option<Time>, harvest: &mut Harvest) -> bool {
        harvest.findings.push(trouble.finding(&self.path, &self.fix));
        let why = format!("{} {}", self.path.display(), trouble.why);
        let condition = if trouble.unparsable { Condition::Damaged(why) } else { Condition::Unreadable(why) };
        harvest.found.push(self.found("default", CHATGPT, condition, modified));
        false
    }

    fn damaged(&self, key: &str, what: &str) -> Finding {
        let message = format!("{}: {key} {what}", self.path.display());
        Finding::new("store.damaged-profile", Severity::Warning, message, &self.fix)
            .at(Place::file(&self.path).key(key))
    }

    fn found(&self, profile: &str, provider: &str, condition: Condition, modified: Option<Time>) -> Found {
        let alive = ["history.jsonl", "sessions", "log"].map(|name| files::modified(&self.home.join(name)));
        let owner_changed = alive.into_iter().flatten().chain(modified).max();
        let credential = Credential {
            id: CredentialId(format!("{NAME}:{profile}")),
            provider: provider.to_owned(),
            profile: profile.to_owned(),
            kind: Kind::Oauth,
            agent: None,
            origin: Origin { source: NAME.to_owned(), path: Some(self.path.clone()), modified },
            owner: Owner::Tool,
            renewal: Renewal::Auto,
            condition,
            clocks: Clocks::default(),
            account: None,
            fingerprint: None,
            refresh_fingerprint: None,
            selection: Selection::NotApplicable,
            bench: None,
            activity: Activity { owner_changed, ..Activity::default() },
            declared_in_use: None,
            fix: self.fix.clone(),
            notes: Vec::new(),
        };
        Found { credential, secret: None }
    }
}

#[cfg(test)]
#[path = "codex_tests.rs"]
mod tests;
