//! Google Cloud: application default credentials (a JSON file that libraries find by themselves), and the accounts of the
//! `gcloud` command line (two SQLite files).
//!
//! Access tokens live for an hour and are made anew from a refresh token; a passed one is normal. When an organisation asks for
//! a new login is its own policy and nowhere on disk. Keys of service accounts have no end unless an organisation set one,
//! which only Google knows. Programs that such a file names are never run.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::cloud::GOOGLE;
use super::json::{self, Field};
use super::login::{Format, LoginFile};
use super::{Found, Harvest, Scene, Source};
use crate::domain::{Condition, Kind, Renewal, Secret};
use crate::files;
use crate::formats::dates::{self, Unit};

/// See the module.
pub struct Gcloud;

const NAME: &str = "gcloud";
/// The gateways' name for models behind Google Cloud.
const VERTEX: &str = "google-vertex";
const LOGIN: &str = "gcloud auth application-default login";

impl Source for Gcloud {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let first = harvest.found.len();
        let own = scene.env.get("CLOUDSDK_CONFIG").map(|dir| scene.env.expand(dir));
        let dir = own.unwrap_or_else(|| scene.env.home().join(".config/gcloud"));
        let named = scene.env.get("GOOGLE_APPLICATION_CREDENTIALS").map(|path| scene.env.expand(path));
        let usual = dir.join("application_default_credentials.json");
        if named.as_ref() != Some(&usual) {
            default_credentials("application-default", usual, scene, harvest);
        }
        if let Some(path) = named {
            let there = path.symlink_metadata().is_ok();
            default_credentials("GOOGLE_APPLICATION_CREDENTIALS", path.clone(), scene, harvest);
            if !there {
                let why = format!("GOOGLE_APPLICATION_CREDENTIALS names {}, which is not there", path.display());
                let file =
                    LoginFile::new(NAME, VERTEX, path, "Set GOOGLE_APPLICATION_CREDENTIALS to a file that is there.");
                let condition = Condition::Unresolved(why);
                harvest.found.push(file.found("GOOGLE_APPLICATION_CREDENTIALS", VERTEX, Kind::Cloud, condition));
            }
        }
        accounts(&dir, scene, harvest);
        GOOGLE.judge_use(first, scene, harvest);
    }
}

fn default_credentials(profile: &str, path: PathBuf, scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut file = LoginFile::new(NAME, VERTEX, path, LOGIN);
    if let Some(mut object) = file.open(Format::Json, harvest) {
        let found = of_type(&file, profile, &mut object, scene);
        if let Condition::Damaged(what) = &found.credential.condition {
            harvest.findings.push(file.damaged("type", what));
        }
        harvest.found.push(found);
    }
    file.close(harvest);
}

/// What a credentials file of Google's libraries holds, by its own word for it.
fn of_type(file: &LoginFile, profile: &str, object: &mut Map<String, Value>, scene: &Scene<'_>) -> Found {
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text = |object: &Map<String, Value>, name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let new = |condition| file.found(profile, VERTEX, Kind::Cloud, condition);
    match kind.as_str() {
        "authorized_user" | "external_account_authorized_user" => {
            let refresh = json::secret(object, "refresh_token");
            let mut found = new(condition(&refresh, "refresh_token"));
            found.credential.refresh_fingerprint = refresh.secret().and_then(|secret| scene.key.fingerprint(&secret));
            found.credential.account = text(object, "account").filter(|account| !account.is_empty());
            found
        }
        "service_account" => {
            let key = json::secret(object, "private_key");
            let mut found = new(condition(&key, "private_key"));
            let credential = &mut found.credential;
            credential.renewal = Renewal::None;
            credential.fingerprint = key.secret().and_then(|secret| scene.key.fingerprint(&secret));
            credential.account = text(object, "client_email");
            let whose = credential.account.as_deref().unwrap_or("the service account");
            credential.fix = format!("Make a new key for {whose}, and put it into {}.", file.path().display());
            found
        }
        "impersonated_service_account" => {
            let whom = text(object, "service_account_impersonation_url")
                .and_then(|url| Some(url.rsplit_once('/')?.1.split(':').next()?.to_owned()));
            let mut found = match object.remove("source_credentials") {
                Some(Value::Object(mut source))
                    if source.get("type").and_then(Value::as_str) != Some("impersonated_service_account") =>
                {
                    of_type(file, profile, &mut source, scene)
                }
                _ => new(Condition::Damaged("source_credentials is not a credential".to_owned())),
            };
            found.credential.notes.extend(whom.map(|whom| format!("it acts as {whom}")));
            found
        }
        "external_account" => external(object, scene, &new),
        "" => new(Condition::Damaged("there is no type: not a credentials file".to_owned())),
        _ => new(Condition::Damaged("its type is not known here".to_owned())),
    }
}

/// A login somewhere else is exchanged for one here: nothing is kept in the file, only where that login is.
fn external(object: &Map<String, Value>, scene: &Scene<'_>, new: &impl Fn(Condition) -> Found) -> Found {
    let Some(Value::Object(source)) = object.get("credential_source") else {
        return new(Condition::Damaged("credential_source is not an object".to_owned()));
    };
    if let Some(path) = source.get("file").and_then(Value::as_str) {
        let path = scene.env.expand(path);
        let token = files::text(&path);
        let condition = match files::regular(&path) {
            Ok(Some(_)) if token.trim().is_empty() => Condition::Blanked,
            Ok(Some(_)) => Condition::Present,
            Ok(None) => Condition::Unresolved(format!("its token file {} is not there", path.display())),
            Err(trouble) => Condition::Unreadable(format!("its token file {} {}", path.display(), trouble.why)),
        };
        let mut found = new(condition);
        found.credential.fingerprint = scene.key.fingerprint(&Secret::new(token.trim().to_owned()));
        found.credential.notes.push(format!("its token is in {}, which whoever writes it renews", path.display()));
        return found;
    }
    let from = if source.contains_key("executable") {
        "a program makes its token; it is not run from here"
    } else if source.contains_key("environment_id") {
        "its token is made from the AWS credentials of this machine"
    } else if source.contains_key("url") {
        "its token comes from a service that is not asked from here"
    } else {
        "where its token comes from is not known here"
    };
    let mut found = new(Condition::Present);
    found.credential.notes.push(from.to_owned());
    found
}

fn condition(secret: &Field, name: &str) -> Condition {
    match secret {
        Field::Text(_) => Condition::Present,
        Field::Blank => Condition::Blanked,
        Field::Absent => Condition::Absent(format!("the file has no {name}")),
        Field::Mistyped => Condition::Damaged(format!("{name} is not a text")),
    }
}

/// More accounts than this are not somebody's.
const MANY: usize = 64;

/// The accounts of the command line. Their access tokens are in a file of their own, which may be absent.
fn accounts(dir: &Path, scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut tokens = LoginFile::new(NAME, VERTEX, dir.join("access_tokens.db"), "gcloud auth login").settings();
    let expiries = rows(&mut tokens, harvest, "SELECT account_id AS id, token_expiry AS value FROM access_tokens");
    tokens.close(harvest);

    let mut file = LoginFile::new(NAME, VERTEX, dir.join("credentials.db"), "gcloud auth login");
    for (account, value) in
        rows(&mut file, harvest, "SELECT account_id AS id, CAST(value AS TEXT) AS value FROM credentials")
    {
        let mut found = match value.as_deref().map(json::object) {
            Some(Ok(mut object)) => of_type(&file, &account, &mut object, scene),
            _ => {
                let what = "its row is not a credential".to_owned();
                harvest.findings.push(file.damaged(&account, &what));
                file.found(&account, VERTEX, Kind::Cloud, Condition::Damaged(what))
            }
        };
        let credential = &mut found.credential;
        if credential.renewal == Renewal::Auto {
            credential.fix = format!("gcloud auth login {}", super::shell_word(&account));
        }
        if credential.condition == Condition::Present
            && let Some((_, Some(expiry))) = expiries.iter().find(|(id, _)| *id == account)
        {
            // Written by Python's `datetime` in UTC and without a zone: that is how it always is, and nothing to say.
            credential.clocks.access_expires = dates::from_text(expiry, Unit::Text).at();
            if credential.clocks.access_expires.is_none() {
                credential.notes.push("token_expiry is no date: the end of the access token is not known".to_owned());
            }
        }
        credential.account = Some(account);
        harvest.found.push(found);
    }
    file.close(harvest);
}

/// Rows of a name and a value.
fn rows(file: &mut LoginFile, harvest: &mut Harvest, sql: &str) -> Vec<(String, Option<String>)> {
    let Some(database) = file.open_database(harvest) else { return Vec::new() };
    let all = format!("SELECT json_group_array(json_array(id, value)) FROM ({sql} ORDER BY id LIMIT {MANY})");
    match database.text(&all, []) {
        Ok(rows) => rows.and_then(|rows| serde_json::from_str(&rows).ok()).unwrap_or_default(),
        Err(trouble) => {
            file.broken(&trouble, harvest);
            Vec::new()
        }
    }
}

#[cfg(test)]
#[path = "gcloud_tests.rs"]
mod tests;
