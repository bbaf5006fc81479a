//! Cline's keys and logins: `settings/providers.json` in its data directory, and the older flat `secrets.json` beside it for
//! what the newer file does not hold. (Its editor extension keeps its own in the editor's encrypted storage: [`super::vscode`].)

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::json::{self, Field};
use super::login::{Format, LoginFile, Shape};
use super::{Harvest, Scene, Source, models};
use crate::domain::{Condition, Environment, Kind};
use crate::formats::dates::Unit;

/// See the module.
pub struct Cline;

const NAME: &str = "cline";
const FIX: &str = "cline auth";
const SHAPE: Shape =
    Shape { access: "accessToken", refresh: "refreshToken", expires: Some(("expiresAt", Unit::Milliseconds)) };
/// The account in the older file counts seconds.
const ACCOUNT_SHAPE: Shape =
    Shape { access: "idToken", refresh: "refreshToken", expires: Some(("expiresAt", Unit::Seconds)) };
pub(super) const ACCOUNT: &str = "cline:clineAccountId";

/// The older file's names for keys, and whose they are. `openAiApiKey` is for any service that speaks like OpenAI's.
pub(super) const KEYS: [(&str, &str); 29] = [
    ("apiKey", "anthropic"),
    ("clineApiKey", "cline"),
    ("openRouterApiKey", "openrouter"),
    ("openAiApiKey", "custom"),
    ("openAiNativeApiKey", "openai"),
    ("geminiApiKey", "google"),
    ("awsBedrockApiKey", "amazon-bedrock"),
    ("ollamaApiKey", "ollama"),
    ("deepSeekApiKey", "deepseek"),
    ("requestyApiKey", "requesty"),
    ("togetherApiKey", "togetherai"),
    ("fireworksApiKey", "fireworks-ai"),
    ("qwenApiKey", "alibaba"),
    ("doubaoApiKey", "volcengine"),
    ("mistralApiKey", "mistral"),
    ("liteLlmApiKey", "litellm"),
    ("xaiApiKey", "xai"),
    ("moonshotApiKey", "moonshot"),
    ("zaiApiKey", "zai"),
    ("huggingFaceApiKey", "huggingface"),
    ("nebiusApiKey", "nebius"),
    ("sambanovaApiKey", "sambanova"),
    ("cerebrasApiKey", "cerebras"),
    ("groqApiKey", "groq"),
    ("basetenApiKey", "baseten"),
    ("vercelAiGatewayApiKey", "vercel-ai-gateway"),
    ("minimaxApiKey", "minimax"),
    ("aihubmixApiKey", "aihubmix"),
    ("wandbApiKey", "wandb"),
];

impl Source for Cline {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let data = data(scene.env);
        let signs = || ["globalState.json", "sessions", "db", "state"].map(|name| data.join(name));
        let before = harvest.found.len();
        let path = scene.env.get("CLINE_PROVIDER_SETTINGS_PATH").map(|path| scene.env.expand(path));
        let path = path.unwrap_or_else(|| data.join("settings/providers.json"));
        let mut file = LoginFile::new(NAME, "unknown", path, FIX).settings().alive(signs());
        if let Some(mut object) = file.open(Format::Json, harvest) {
            match object.remove("providers") {
                Some(Value::Object(providers)) => {
                    for (id, entry) in providers {
                        provider(&file, &id, entry, scene, harvest);
                    }
                }
                None | Some(Value::Null) => {}
                Some(_) => harvest.findings.push(file.damaged("providers", "providers is not an object")),
            }
        }
        file.close(harvest);

        let mut file = LoginFile::new(NAME, "unknown", data.join("secrets.json"), FIX).settings().alive(signs());
        if let Some(mut object) = file.open(Format::Json, harvest) {
            let newer: Vec<String> =
                harvest.found[before..].iter().map(|found| found.credential.provider.clone()).collect();
            for (name, provider) in KEYS {
                if newer.iter().any(|newer| newer == provider) {
                    continue;
                }
                let found = file.key_in((name, provider, Kind::ApiKey), &mut object, (name, ""), scene, harvest);
                // What is not set is an empty text.
                harvest.found.extend(found.filter(|found| found.credential.condition != Condition::Blanked));
            }
            if !newer.iter().any(|newer| newer == NAME)
                && let Field::Text(text) = json::secret(&mut object, ACCOUNT)
            {
                account(&file, text.expose(), scene, harvest);
            }
        }
        file.close(harvest);
    }
}

fn data(env: &Environment) -> PathBuf {
    match (env.get("CLINE_DATA_DIR"), env.get("CLINE_DIR")) {
        (Some(data), _) => env.expand(data),
        (None, Some(dir)) => env.expand(dir).join("data"),
        (None, None) => env.home().join(".cline/data"),
    }
}

/// `{settings: {apiKey, baseUrl, auth: {accessToken, refreshToken, expiresAt}}}`: a key, a login, or both.
fn provider(file: &LoginFile, id: &str, entry: Value, scene: &Scene<'_>, harvest: &mut Harvest) {
    let Value::Object(mut entry) = entry else { return };
    let Some(Value::Object(mut settings)) = entry.remove("settings") else { return };
    let place = format!("providers.{id}.settings");
    // Some versions keep two names for one service.
    let whose = match id {
        "cline-pass" => NAME.to_owned(),
        "openai-compatible" => models::provider("openai", settings.get("baseUrl").and_then(Value::as_str)),
        id => models::provider(id, settings.get("baseUrl").and_then(Value::as_str)),
    };
    let login = match settings.remove("auth") {
        Some(Value::Object(mut auth)) if has_token(&auth) => {
            Some(file.oauth(id, &whose, &mut auth, (&SHAPE, &format!("{place}.auth")), scene, harvest))
        }
        _ => None,
    };
    let profile = if login.is_some() { format!("{id}/key") } else { id.to_owned() };
    let key = file.key_in((&profile, &whose, Kind::ApiKey), &mut settings, ("apiKey", &place), scene, harvest);
    let key = key.filter(|found| found.credential.condition != Condition::Blanked).map(|mut found| {
        found.credential.fix =
            format!("Make a new key at {whose}, then: cline auth --provider {}", super::shell_word(id));
        found
    });
    harvest.found.extend(login.into_iter().chain(key));
}

/// An entry may also hold nothing but an account's id.
fn has_token(auth: &Map<String, Value>) -> bool {
    auth.contains_key(SHAPE.access) || auth.contains_key(SHAPE.refresh)
}

/// The account of the older file is JSON in a text; a bare token was there before.
fn account(file: &LoginFile, text: &str, scene: &Scene<'_>, harvest: &mut Harvest) {
    let Ok(mut object) = json::object(text) else {
        let what = format!("{ACCOUNT} is not a login");
        harvest.findings.push(file.damaged(ACCOUNT, &what));
        harvest.found.push(file.found(NAME, NAME, Kind::Oauth, Condition::Damaged(what)));
        return;
    };
    let email = object.get("userInfo").and_then(|user| user.get("email")?.as_str().map(str::to_owned));
    let mut found = file.oauth(NAME, NAME, &mut object, (&ACCOUNT_SHAPE, ACCOUNT), scene, harvest);
    found.credential.account = email.filter(|email| !email.trim().is_empty());
    harvest.found.push(found);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file, now};
    use super::*;
    use crate::domain::{Renewal, Span};

    const NEW: &str = ".cline/data/settings/providers.json";
    const OLD: &str = ".cline/data/secrets.json";

    fn list(harvest: &Harvest) -> Vec<(&str, &str, Kind)> {
        let credentials = harvest.found.iter().map(|found| &found.credential);
        credentials.map(|c| (c.id.as_str(), c.provider.as_str(), c.kind)).collect()
    }

    #[test]
    fn the_newer_file_and_what_only_the_older_one_holds() {
        let home = Home::new();
        let end = now() + Span::minutes(30);
        home.write(
            NEW,
            format!(
                r#"{{"version":1,"lastUsedProvider":"cline","providers":{{
                  "cline":{{"settings":{{"provider":"cline","apiKey":"ck-1","auth":{{"accessToken":"workos:a","refreshToken":"r","accountId":"x","expiresAt":{}}}}},"tokenSource":"oauth"}},
                  "anthropic":{{"settings":{{"apiKey":"sk-ant-1"}},"tokenSource":"manual"}},
                  "openai-compatible":{{"settings":{{"baseUrl":"http://localhost:4000/v1","apiKey":"dummy"}}}},
                  "gemini":{{"settings":{{"apiKey":"","auth":{{"accountId":"x"}}}}}},
                  "odd":{{"settings":{{"apiKey":7}}}}, "odder":[]}}}}"#,
                end.timestamp_millis()
            ),
        );
        home.write(OLD, r#"{"apiKey":"sk-ant-old","groqApiKey":"gsk","xaiApiKey":"","cline:clineAccountId":"not looked at","authNonce":"n"}"#);
        let harvest = home.read(&Cline);
        let expected = [
            ("cline:anthropic", "anthropic", Kind::ApiKey),
            ("cline:cline", "cline", Kind::Oauth),
            ("cline:cline/key", "cline", Kind::ApiKey),
            ("cline:odd", "odd", Kind::ApiKey),
            ("cline:openai-compatible", "localhost", Kind::ApiKey),
            ("cline:groqApiKey", "groq", Kind::ApiKey),
        ];
        assert_eq!(list(&harvest), expected);
        let login = &harvest.found[1].credential;
        assert_eq!((login.renewal, login.clocks.access_expires, login.fix.as_str()), (Renewal::Auto, Some(end), FIX));
        assert!(login.notes.is_empty());
        assert_eq!(harvest.findings.len(), 1, "{:?}", harvest.findings);
    }

    #[test]
    fn the_older_file_alone() {
        let mut home = Home::new();
        let end = now() + Span::minutes(30);
        let account = format!(
            r#"{{"idToken":"t","refreshToken":"r","expiresAt":{},"userInfo":{{"email":"me@x.org"}}}}"#,
            end.timestamp()
        );
        let text = serde_json::json!({"geminiApiKey": "g-1", ACCOUNT: account}).to_string();
        home.env.set("CLINE_DIR", "~/c");
        home.write("c/data/secrets.json", &text);
        let harvest = home.read(&Cline);
        assert_eq!(
            list(&harvest),
            [("cline:geminiApiKey", "google", Kind::ApiKey), ("cline:cline", "cline", Kind::Oauth)]
        );
        let login = &harvest.found[1].credential;
        assert_eq!((login.clocks.access_expires, login.account.as_deref()), (Some(end), Some("me@x.org")));
        home.env.set("CLINE_DATA_DIR", "~/d");
        home.env.set("CLINE_PROVIDER_SETTINGS_PATH", "~/p.json");
        assert!(home.read(&Cline).found.is_empty());
        home.write("d/secrets.json", &text);
        home.write("p.json", r#"{"providers":{"gemini":{"settings":{"apiKey":"g-2"}}}}"#);
        assert_eq!(
            list(&home.read(&Cline)),
            [("cline:gemini", "google", Kind::ApiKey), ("cline:cline", "cline", Kind::Oauth)]
        );
    }

    #[test]
    fn conditions_of_a_login() {
        let auth = |text: &str| (NEW, format!(r#"{{"providers":{{"cline":{{"settings":{{"auth":{text}}}}}}}}}"#));
        let account = |text: &str| (OLD, serde_json::json!({ ACCOUNT: text }).to_string());
        let damaged = |what: &str| Condition::Damaged(what.to_owned());
        let table = [
            (auth(r#"{"accessToken":"","refreshToken":"","expiresAt":0}"#), Condition::Blanked, 0),
            (auth(r#"{"accessToken":[]}"#), damaged("providers.cline.settings.auth.accessToken is not a text"), 1),
            (auth(r#"{"accessToken":"a","refreshToken":"r","expiresAt":"soon"}"#), Condition::Present, 1),
            (account("bare-token"), damaged("cline:clineAccountId is not a login"), 1),
            (account("{}"), Condition::Absent("the login has no idToken".to_owned()), 0),
        ];
        for ((place, text), condition, findings) in table {
            let home = Home::new();
            home.write(place, &text);
            let harvest = home.read(&Cline);
            assert_eq!(harvest.found[0].credential.condition, condition, "{text}");
            assert_eq!(harvest.findings.len(), findings, "{text}");
        }
        let home = Home::new();
        home.write(NEW, r#"{"providers":[]}"#);
        assert_eq!(home.read(&Cline).findings.len(), 1);
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&Cline, NEW, &["", r#"{"providers":{"a":"tell-nobody"#, "[]"], false);
        every_broken_file(&Cline, OLD, &["", r#"{"apiKey":"tell-nobody"#, "[]"], false);
        assert!(Home::new().read(&Cline).found.is_empty());
    }
}
