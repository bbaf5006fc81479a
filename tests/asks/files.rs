//! What the owners of credentials write: their files in the documented shapes, made up of the few things that a story is about.

use base64::Engine as _;
use opensoul::domain::Time;
use serde_json::{Value, json};

pub const CLAUDE: &str = ".claude/.credentials.json";
pub const CODEX: &str = ".codex/auth.json";
pub const STORE: &str = ".opensoul/agents/main/agent/auth-profiles.json";
pub const OPENCLAW: &str = ".openclaw/agents/main/agent/auth-profiles.json";
pub const GATEWAY: &str = ".opensoul/opensoul.json";

/// Claude Code: the access token is `sk-ant-oat01-<name>`.
pub fn claude(name: &str, access_ends: Time, login_ends: Option<Time>) -> String {
    let mut login = json!({
        "accessToken": setup_token(name), "refreshToken": format!("sk-ant-ort01-{name}"),
        "expiresAt": access_ends.timestamp_millis(), "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    });
    if let Some(ends) = login_ends {
        login["refreshTokenExpiresAt"] = ends.timestamp_millis().into();
    }
    json!({ "claudeAiOauth": login }).to_string()
}

/// Claude Code after a login died: the secrets are emptied in place, the rest stays.
pub fn claude_emptied() -> String {
    let login = json!({
        "accessToken": "", "refreshToken": "", "expiresAt": 0, "scopes": ["user:inference"], "subscriptionType": "max",
    });
    json!({ "claudeAiOauth": login }).to_string()
}

pub fn setup_token(name: &str) -> String {
    format!("sk-ant-oat01-{name}-Zq7Wv8Zq7Wv8")
}

/// An access token that says itself when it ends.
pub fn jwt(name: &str, ends: Time) -> String {
    let part = |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "sub": name, "exp": ends.timestamp() });
    format!("{}.{}.c2lnbmF0dXJl{name}", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims))
}

/// Codex: the access token is [`jwt`] of the same name.
pub fn codex(name: &str, access_ends: Time, renewed: Time) -> String {
    codex_with(name, &format!("rt_{name}"), access_ends, renewed)
}

/// The same with a refresh token of another name.
pub fn codex_with(name: &str, refresh: &str, access_ends: Time, renewed: Time) -> String {
    codex_of("me@example.org", name, refresh, access_ends, renewed)
}

/// The same of another account.
pub fn codex_of(account: &str, name: &str, refresh: &str, access_ends: Time, renewed: Time) -> String {
    let tokens = json!({
        "access_token": jwt(name, access_ends), "refresh_token": refresh, "id_token": "", "account_id": account,
    });
    json!({ "OPENAI_API_KEY": null, "tokens": tokens, "last_refresh": renewed.to_rfc3339() }).to_string()
}

/// A gateway's store.
pub fn store<const N: usize>(profiles: [(&str, Value); N]) -> String {
    store_with(profiles, json!({}))
}

/// The same with what the gateway remembers of their use.
pub fn store_with<const N: usize>(profiles: [(&str, Value); N], usage: Value) -> String {
    let profiles: serde_json::Map<String, Value> =
        profiles.into_iter().map(|(id, profile)| (id.to_owned(), profile)).collect();
    json!({ "version": 1, "profiles": profiles, "usageStats": usage }).to_string()
}

pub fn oauth(provider: &str, name: &str, ends: Time) -> Value {
    json!({ "type": "oauth", "provider": provider, "access": format!("access-{name}"),
            "refresh": format!("refresh-{name}"), "expires": ends.timestamp_millis() })
}

pub fn token(provider: &str, secret: &str, ends: Option<Time>) -> Value {
    let mut token = json!({ "type": "token", "provider": provider, "token": secret });
    if let Some(ends) = ends {
        token["expires"] = ends.timestamp_millis().into();
    }
    token
}

pub fn key(provider: &str, secret: &str) -> Value {
    json!({ "type": "api_key", "provider": provider, "key": secret })
}

/// The gateway's config with these models.
pub fn models(primary: &str, fallbacks: &[&str]) -> String {
    json!({ "agents": { "defaults": { "model": { "primary": primary, "fallbacks": fallbacks } } } }).to_string()
}
