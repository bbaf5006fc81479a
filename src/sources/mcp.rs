//! The logins that coding tools keep for MCP servers, beside their own: each is a credential of its own, of the server's host.
//! No model needs them, so by themselves they never wake anybody; what is to be seen is that they are there, when they end for
//! good, and that two tools hold one refresh token, which ends the login for both when it is used twice.
//!
//! Their tokens belong to servers that anybody may run: they are hashed, and handed to nobody.

use serde_json::{Map, Value};

use super::login::{LoginFile, Shape};
use super::{Harvest, Scene};
use crate::domain::{Activity, Condition};

/// How a tool writes them.
pub(super) struct Layout {
    /// The tokens of one login.
    pub shape: Shape,
    /// Its field with the name of the server …
    pub name: &'static str,
    /// … and that with its address.
    pub url: &'static str,
    /// What a person does to log in again; `{name}` stands for the server's.
    pub fix: &'static str,
}

/// The logins in `servers`, which stands at `prefix` in the file (empty for the file itself): one under each key.
pub(super) fn logins(
    file: &LoginFile,
    servers: Map<String, Value>,
    (layout, prefix): (&Layout, &str),
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let mut taken = Vec::new();
    for (key, server) in servers {
        let Value::Object(mut server) = server else { continue };
        // `linear|3f9a1c4b7e2d8f06`: a server at another address may have the same name.
        let own = server.get(layout.name).and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty());
        let name = own.unwrap_or_else(|| key.split('|').next().unwrap_or(&key)).to_owned();
        let profile = if taken.contains(&name) { format!("mcp/{key}") } else { format!("mcp/{name}") };
        let url = server.get(layout.url).and_then(Value::as_str).and_then(|url| reqwest::Url::parse(url).ok());
        let provider = format!("mcp:{}", url.as_ref().and_then(reqwest::Url::host_str).unwrap_or(&name));
        let place = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let mut found = file.oauth(&profile, &provider, &mut server, (&layout.shape, &place), scene, harvest);
        // A server that was registered and never logged in to has no tokens, or blank ones.
        if matches!(found.credential.condition, Condition::Absent(_) | Condition::Blanked) {
            continue;
        }
        found.secret = None;
        let credential = &mut found.credential;
        credential.fix = layout.fix.replace("{name}", &super::shell_word(&name));
        credential.declared_in_use = Some(false);
        // The tool renews it when it talks to that server, which a sign of life of the tool does not show.
        credential.activity = Activity::default();
        credential.notes.push("a login of an MCP server: no model needs it".to_owned());
        taken.push(name);
        harvest.found.push(found);
    }
}
