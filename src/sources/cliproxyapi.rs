//! CLIProxyAPI: one file for each account in `~/.cli-proxy-api` (another directory can be set in its own configuration, which
//! may lie anywhere and is not looked for).
//!
//! It runs as a daemon and renews what it keeps. `type` says whose account it is; a file without one is something else.

use serde_json::{Map, Value};

use super::login::{Format, LoginFile, Shape, json_files};
use super::{Harvest, Scene, Source, json};
use crate::domain::{Condition, Kind};
use crate::formats::dates::Unit;

/// See the module.
pub struct CliProxyApi;

const NAME: &str = "cliproxyapi";
const SHAPE: Shape = Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expired", Unit::Text)) };
/// Google's accounts keep the token of Go's library in an object of its own.
const NESTED: Shape = Shape { expires: Some(("expiry", Unit::Text)), ..SHAPE };

impl Source for CliProxyApi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = scene.env.home().join(".cli-proxy-api");
        for path in json_files(NAME, &dir, "Log in again in CLIProxyAPI.", harvest) {
            let profile = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            // The name of the file begins with the type, which is all that is known of a broken one.
            let (provider, fix) = account(profile.split('-').next().unwrap_or_default());
            let mut file = LoginFile::new(NAME, provider, path, fix).profile(&profile);
            if let Some(object) = file.open(Format::Json, harvest) {
                login(&file, &profile, object, scene, harvest);
            }
            file.close(harvest);
        }
    }
}

fn login(file: &LoginFile, profile: &str, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let Some((provider, fix)) = json::text(&object, &["type"]).map(account) else { return };
    let nested = match object.get_mut("token") {
        Some(Value::Object(token)) => Some(std::mem::take(token)),
        _ => None,
    };
    let mut found = match nested {
        Some(mut token) => {
            // Older ones have the date of Google's own library.
            let shape = if token.contains_key("expiry_date") { &super::gemini::SHAPE } else { &NESTED };
            file.oauth(profile, &provider, &mut token, (shape, "token"), scene, harvest)
        }
        None if object.contains_key(SHAPE.access) || object.contains_key(SHAPE.refresh) => {
            file.oauth(profile, &provider, &mut object, (&SHAPE, ""), scene, harvest)
        }
        // A key, or an account of another kind (a service account), which is not read.
        None => match file.key_in((profile, &provider, Kind::ApiKey), &mut object, ("api_key", ""), scene, harvest) {
            Some(found) => super::opencode::elsewhere(found, &object),
            None => return,
        },
    };
    let credential = &mut found.credential;
    if credential.kind == Kind::Oauth && credential.condition == Condition::Present {
        let field = ("last_refresh", Unit::Text);
        credential.clocks.last_renewed = file.date(&object, field, "", &mut credential.notes, harvest);
    }
    credential.account = json::text(&object, &["email"]).map(str::to_owned);
    credential.fix = fix;
    if object.get("disabled") == Some(&Value::Bool(true)) {
        credential.declared_in_use = Some(false);
        credential.notes.push("it is disabled in CLIProxyAPI".to_owned());
    }
    harvest.found.push(found);
}

/// Our id for a type, and how to log in again.
fn account(kind: &str) -> (String, String) {
    let (provider, flag) = match kind {
        "claude" => ("anthropic", "-claude-login"),
        "codex" => ("openai-codex", "-codex-login"),
        "gemini" => (super::gemini::LOGIN, "-login"),
        "antigravity" => ("google-antigravity", "-antigravity-login"),
        "kimi" => ("kimi-coding", "-kimi-login"),
        "qwen" => ("qwen-portal", "-qwen-login"),
        "iflow" => ("iflowcn", "-iflow-login"),
        other => return (other.to_owned(), "Log in again in CLIProxyAPI.".to_owned()),
    };
    (provider.to_owned(), format!("cli-proxy-api {flag}"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, breaks, credentials, now, only};
    use super::*;

    const DIR: &str = ".cli-proxy-api";

    fn write(home: &Home, name: &str, text: &str) {
        home.write(&format!("{DIR}/{name}.json"), text);
    }

    #[test]
    fn accounts() {
        let home = Home::new();
        write(
            &home,
            "claude-me@x.org",
            r#"{"type":"claude","access_token":"a","refresh_token":"r","email":"me@x.org","last_refresh":"2027-01-10T04:00:00Z","expired":"2027-01-10T20:00:00+08:00","id_token":""}"#,
        );
        write(
            &home,
            "codex-me",
            r#"{"type":"codex","access_token":"a","refresh_token":"r","expired":"2027-01-10T12:00:00Z","disabled":true}"#,
        );
        write(
            &home,
            "gemini-me-p",
            r#"{"type":"gemini","email":"me@x.org","token":{"access_token":"ya29","refresh_token":"1//","expiry":"2027-01-10T12:00:00Z"}}"#,
        );
        write(&home, "proxy", r#"{"type":"claude","api_key":"k","base_url":"https://p.example"}"#);
        write(&home, "vertex-p", r#"{"type":"vertex","service_account":{}}"#);
        write(&home, "active-accounts", r#"{"claude":"me@x.org"}"#);
        home.write(".cli-proxy-api/notes.txt", "not looked at");
        let harvest = home.read(&CliProxyApi);
        let found = credentials(&harvest);
        let facts: Vec<_> = found.iter().map(|c| (c.id.as_str(), c.provider.as_str(), c.kind)).collect();
        assert_eq!(
            facts,
            [
                ("cliproxyapi:claude-me@x.org", "anthropic", Kind::Oauth),
                ("cliproxyapi:codex-me", "openai-codex", Kind::Oauth),
                ("cliproxyapi:gemini-me-p", "google-gemini-cli", Kind::Oauth),
                ("cliproxyapi:proxy", "anthropic", Kind::ApiKey),
            ]
        );
        assert!(found[..3].iter().all(|credential| credential.clocks.access_expires == Some(now())));
        assert_eq!(found[0].clocks.last_renewed, "2027-01-10T04:00:00Z".parse().ok());
        assert_eq!(
            (found[0].account.as_deref(), found[0].fix.as_str()),
            (Some("me@x.org"), "cli-proxy-api -claude-login")
        );
        assert_eq!((found[0].declared_in_use, found[1].declared_in_use), (None, Some(false)));
        assert!(harvest.found[3].secret.is_none() && harvest.found[0].secret.is_some());
        assert!(harvest.findings.is_empty());
    }

    #[test]
    fn broken_entries_and_files() {
        let damaged = |what: &str| Condition::Damaged(what.to_owned());
        for (text, condition) in [
            (r#"{"type":"codex","access_token":"","refresh_token":""}"#, Condition::Blanked),
            (r#"{"type":"codex","access_token":1}"#, damaged("access_token is not a text")),
            (r#"{"type":"gemini","token":{"access_token":[]}}"#, damaged("token.access_token is not a text")),
            (r#"{"type":"new","access_token":"a","expired":"soon"}"#, Condition::Present),
        ] {
            let home = Home::new();
            write(&home, "x", text);
            let (credential, harvest) = only(&home, &CliProxyApi);
            let said = usize::from(matches!(condition, Condition::Damaged(_)) || text.contains("soon"));
            assert_eq!((credential.condition, harvest.findings.len()), (condition, said), "{text}");
        }
        breaks(&CliProxyApi, ".cli-proxy-api/claude-x.json", true);
        let home = Home::new();
        write(&home, "claude-x", "broken");
        assert_eq!(only(&home, &CliProxyApi).0.provider, "anthropic");
    }
}
