//! Claude Code's login: `.credentials.json` in `$CLAUDE_CONFIG_DIR` or `~/.claude`.
//!
//! The access token lives for hours and is renewed when it is used; the login itself ends at `refreshTokenExpiresAt`, which a
//! refresh may or may not move, so it is read anew every time. A logout empties the tokens and keeps the rest. Its programs
//! (`claude auth status`, an `apiKeyHelper`) are never run: they may refresh, and they say "logged in" to anything.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::json::{self, Dates, Field};
use super::{Found, Harvest, Scene, Source};
use crate::domain::{
    Activity, Basis, Clocks, Condition, Credential, Finding, Kind, Origin, Owner, Place, Renewal, Selection, Severity,
    SourceReport, Time,
};
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
        let own_dir = scene.env.get("CLAUDE_CONFIG_DIR");
        let dir = own_dir.map_or_else(|| scene.env.home().join(".claude"), |dir| scene.env.expand(dir));
        let place = Login {
            path: dir.join(".credentials.json"),
            account: account_file(scene, own_dir),
            dir,
            fix: fix(own_dir),
        };
        let before = harvest.found.len();
        let up = match files::read(&place.path, LIMIT) {
            Ok(None) => true,
            Ok(Some(contents)) => match json::object(&contents.text) {
                Ok(object) => {
                    let said = harvest.findings.len();
                    place.login(object, contents.modified, scene, harvest);
                    json::place(&mut harvest.findings[said..], &place.path, &contents.text);
                    true
                }
                Err(trouble) => place.broken(&trouble, contents.modified, harvest),
            },
            Err(trouble) => place.broken(&trouble, None, harvest),
        };
        let credentials = harvest.found.len() - before;
        harvest.reports.push(SourceReport { source: NAME.to_owned(), looked: vec![place.path], up, credentials });
    }
}

struct Login {
    dir: PathBuf,
    path: PathBuf,
    account: PathBuf,
    fix: String,
}

impl Login {
    fn login(
        &self,
        mut object: serde_json::Map<String, Value>,
        modified: Option<Time>,
        scene: &Scene<'_>,
        harvest: &mut Harvest,
    ) {
        let mut login = match object.remove("claudeAiOauth") {
            // The same file may hold only logins of MCP servers.
            None | Some(Value::Null) => return,
            Some(Value::Object(login)) => login,
            Some(_) => {
                let what = "claudeAiOauth is not an object";
                harvest.findings.push(self.damaged("claudeAiOauth", what));
                return harvest.found.push(self.found(Condition::Damaged(what.to_owned()), modified));
            }
        };
        let access = json::secret(&mut login, "accessToken");
        let refresh = json::secret(&mut login, "refreshToken");
        let blank = |field: &Field| matches!(field, Field::Blank | Field::Absent);
        let condition = match (&access, &refresh) {
            (Field::Mistyped, _) => Condition::Damaged("accessToken is not a text".to_owned()),
            (_, Field::Mistyped) => Condition::Damaged("refreshToken is not a text".to_owned()),
            (Field::Absent, Field::Absent) => Condition::Absent("the login has no accessToken".to_owned()),
            (access, refresh) if blank(access) && blank(refresh) => Condition::Blanked,
            _ => Condition::Present,
        };
        let mut found = self.found(condition, modified);
        let credential = &mut found.credential;
        match &credential.condition {
            Condition::Damaged(what) => harvest.findings.push(self.damaged("claudeAiOauth", what)),
            Condition::Present => {
                let mut dates = Dates::of(&login, &self.path, "claudeAiOauth");
                credential.clocks = Clocks {
                    access_expires: dates.take("expiresAt", Unit::Milliseconds),
                    grant_expires: dates.take("refreshTokenExpiresAt", Unit::Milliseconds),
                    ..Clocks::default()
                };
                credential.clocks.grant_basis = credential.clocks.grant_expires.map(|_| Basis::Declared);
                credential.notes = dates.notes;
                harvest.findings.append(&mut dates.findings);
            }
            _ => {}
        }
        let (access, refresh) = (access.secret(), refresh.secret());
        if credential.condition == Condition::Present && refresh.is_none() {
            credential.renewal = Renewal::Manual;
            credential.notes.push("there is no refresh token: only a new login helps when it ends".to_owned());
        }
        if self.has_helper() {
            credential.notes.push(
                "settings.json names an apiKeyHelper; its key goes before this login, and is not asked for here"
                    .to_owned(),
            );
        }
        credential.account = self.email();
        credential.fingerprint = access.as_ref().and_then(|secret| scene.key.fingerprint(secret));
        credential.refresh_fingerprint = refresh.as_ref().and_then(|secret| scene.key.fingerprint(secret));
        found.secret = access;
        harvest.found.push(found);
    }

    /// The file is there, so there was a login: it is shown as one that cannot be judged.
    fn broken(&self, trouble: &Trouble, modified: Option<Time>, harvest: &mut Harvest) -> bool {
        harvest.findings.push(trouble.finding(&self.path, &self.fix));
        let why = format!("{} {}", self.path.display(), trouble.why);
        let condition = if trouble.unparsable { Condition::Damaged(why) } else { Condition::Unreadable(why) };
        harvest.found.push(self.found(condition, modified));
        false
    }

    fn damaged(&self, key: &str, what: &str) -> Finding {
        Finding::new("store.damaged-profile", Severity::Warning, format!("{}: {what}", self.path.display()), &self.fix)
            .at(Place::file(&self.path).key(key))
    }

    fn found(&self, condition: Condition, modified: Option<Time>) -> Found {
        // Signs that the tool is alive: it writes these with every use.
        let alive = ["history.jsonl", "projects", "todos", "statsig", "settings.json"]
            .map(|name| files::modified(&self.dir.join(name)));
        let owner_changed = alive.into_iter().flatten().chain(modified).max();
        let credential = Credential {
            id: "claude-code:default".into(),
            provider: "anthropic".to_owned(),
            profile: "default".to_owned(),
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

    fn has_helper(&self) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Settings {
            api_key_helper: Option<String>,
        }
        let settings = small::<Settings>(&self.dir.join("settings.json"));
        settings.and_then(|settings| settings.api_key_helper).is_some_and(|helper| !helper.trim().is_empty())
    }

    fn email(&self) -> Option<String> {
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
        small::<State>(&self.account)?.oauth_account?.email_address.filter(|email| !email.trim().is_empty())
    }
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
