//! The throw-away home: files as the tools themselves write them, with credentials that end within minutes. Nothing in them is
//! a secret of anybody.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::fake_provider::REFUSED;
use crate::domain::{Environment, Span, Time};

/// Warnings begin this long before the end, criticals half as long.
const WARN: Span = Span::seconds(40);
const CRITICAL: Span = Span::seconds(20);
/// When each sample ends, from the last renewal.
const KEY_ENDS: Span = Span::seconds(30);
const LOGIN_ENDS: Span = Span::seconds(45);
const TOKEN_ENDS: Span = Span::seconds(60);
/// When the demonstration renews what a person would have to.
pub const RENEWED_AFTER: std::time::Duration = std::time::Duration::from_secs(70);

/// Where the monitor is to send its messages.
pub struct Sinks {
    /// `host:port` of the mail sink.
    pub mail: String,
    /// URL of the webhook sink.
    pub hook: String,
    /// Base URL of the fake provider; every key in here goes there.
    pub provider: String,
    /// Port of the page.
    pub web: u16,
}

/// A throw-away home.
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// In an empty directory that the caller deletes.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// The environment of whoever lives there: nothing of ours but the zone.
    #[must_use]
    pub fn environment(&self, ours: &Environment) -> Environment {
        let mut env = Environment::default();
        env.set("HOME", self.root.to_string_lossy());
        env.set("OPENSOUL_MONITOR_STATE", self.root.join("state").to_string_lossy());
        for name in ["TZ", "LANG", "LC_ALL"] {
            if let Some(value) = ours.raw(name) {
                env.set(name, value);
            }
        }
        env
    }

    /// `monitor.toml`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join(".config/opensoul/monitor.toml")
    }

    /// Where the webhook secret is.
    fn secret(&self) -> PathBuf {
        self.root.join("webhook-secret")
    }

    /// Writes the configuration and everything that stays as it is.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn furnish(&self, sinks: &Sinks, secret: &str, now: Time) -> io::Result<()> {
        let (mail, hook, secret_file) = (&sinks.mail, &sinks.hook, self.secret());
        let config = format!(
            r#"[sources]
secrets = []
[schedule]
status = "1s"
probe = "15s"

[providers.openai]
base_url = "{provider}"

[providers.anthropic]
base_url = "{provider}"

[providers.groq]
base_url = "{provider}"

[thresholds]
warn = "{warn}s"
critical = "{critical}s"

[[declared]]
name = "ci-key"
provider = "mistral"
expires = {expires}
fix = "make a new key in the console, and put it into the CI settings"

[[receivers]]
name = "mail"
type = "email"
server = "smtp://{mail}"
from = "opensoul <monitor@demo.invalid>"
to = ["you@demo.invalid"]

[[receivers]]
name = "hook"
type = "webhook"
url = "{hook}"
secret = {{ file = "{secret_file}" }}

[web]
enabled = true
listen = "127.0.0.1:{web}"

[identity]
host = "demo"
"#,
            provider = sinks.provider,
            web = sinks.web,
            warn = WARN.num_seconds(),
            critical = CRITICAL.num_seconds(),
            expires = rfc3339(now + KEY_ENDS),
            secret_file = secret_file.display(),
        );
        write(&self.secret(), secret)?;
        write(&self.config(), &config)?;
        let gateway = json!({
            "agents": { "defaults": { "model": { "primary": "anthropic/claude-sonnet-4-5", "fallbacks": ["openai/gpt-5", "groq/llama-4"] } } },
        });
        write(&self.root.join(".opensoul/opensoul.json"), &gateway.to_string())?;
        // A subscription login that its tool renews by itself: fine, whatever its access token says.
        let codex = json!({
            "OPENAI_API_KEY": null,
            "tokens": {
                "id_token": token(now + Span::hours(1)),
                "access_token": token(now + Span::days(10)),
                "refresh_token": "demo-refresh-token",
                "account_id": "demo",
            },
            "last_refresh": rfc3339(now),
        });
        write(&self.root.join(".codex/auth.json"), &codex.to_string())
    }

    /// Writes what a person has to renew, as if they had just done so.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn renew(&self, round: u32, now: Time) -> io::Result<()> {
        let claude = json!({
            "claudeAiOauth": {
                "accessToken": format!("demo-access-{round}"),
                "refreshToken": format!("demo-refresh-{round}"),
                "expiresAt": (now + Span::hours(8)).timestamp_millis(),
                "refreshTokenExpiresAt": (now + LOGIN_ENDS).timestamp_millis(),
                "scopes": ["user:inference"],
                "subscriptionType": "max",
            },
        });
        write(&self.root.join(".claude/.credentials.json"), &claude.to_string())?;
        let store = json!({
            "version": 1,
            "profiles": {
                "anthropic:demo": {
                    "type": "token",
                    "provider": "anthropic",
                    "token": format!("demo-setup-token-{round}"),
                    "expires": (now + TOKEN_ENDS).timestamp_millis(),
                },
                "openai:default": { "type": "api_key", "provider": "openai", "key": "demo-api-key" },
                // Looks well, and the provider does not know it any more: only asking shows that.
                "groq:default": { "type": "api_key", "provider": "groq", "key": REFUSED },
                "openai-codex:default": {
                    "type": "oauth",
                    "provider": "openai-codex",
                    "access": "demo-access",
                    "refresh": "demo-refresh",
                    "expires": (now + Span::hours(1)).timestamp_millis(),
                },
            },
        });
        write(&self.root.join(".opensoul/agents/main/agent/auth-profiles.json"), &store.to_string())
    }
}

fn rfc3339(at: Time) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A web token that ends at a date; its signature is a word.
fn token(ends: Time) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.demo", part(json!({ "alg": "none" })), part(json!({ "exp": ends.timestamp() })))
}

/// In one step, as the tools do it: the monitor must never see half a file.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    fs::rename(new, path)
}
