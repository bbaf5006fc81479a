//! Secrets that a store keeps elsewhere (`keyRef`, `tokenRef`): variables and files are looked up, programs are never run.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::domain::{Environment, Secret};
use crate::files;
use crate::formats::auth_store::{AuthStore, SecretRef, shorthand};
use crate::formats::gateway_config::GatewayConfig;
use crate::formats::installation::LayeredEnv;

/// As large as a gateway accepts.
const LIMIT: u64 = 1 << 20;

/// Looks up every reference of a store. `${NAME}` in place of a secret counts only for gateways that know it.
pub fn resolve(store: &mut AuthStore, env: &LayeredEnv, config: &GatewayConfig, own: &Environment, short: bool) {
    let mut files: BTreeMap<String, Result<Zeroizing<String>, String>> = BTreeMap::new();
    for profile in &mut store.profiles {
        if short && profile.reference.is_none() {
            profile.reference = profile.secret.as_ref().and_then(|secret| shorthand(secret.expose())).map(Box::new);
        }
        let Some(reference) = &profile.reference else { continue };
        match look_up(reference, env, config, own, &mut files) {
            Ok(secret) => profile.secret = Some(secret),
            Err(why) => {
                profile.secret = None;
                profile.unresolved = Some(why.into());
            }
        }
    }
}

fn look_up(
    reference: &SecretRef,
    env: &LayeredEnv,
    config: &GatewayConfig,
    own: &Environment,
    files: &mut BTreeMap<String, Result<Zeroizing<String>, String>>,
) -> Result<Secret, String> {
    let SecretRef { source, provider, id } = reference;
    match source.as_str() {
        "env" => match env.get(id) {
            Some(value) => Ok(Secret::new(value.to_owned())),
            None => Err(format!("the variable {id} is not set")),
        },
        "file" => {
            let Some(entry) = config.secret_files.iter().find(|f| f.name == *provider) else {
                return Err(format!("the config's secrets.providers has no file named {provider}"));
            };
            let path = own.expand(&entry.path);
            let text = files.entry(entry.path.clone()).or_insert_with(|| match files::read(&path, LIMIT) {
                Ok(Some(contents)) => Ok(contents.text),
                Ok(None) => Err(format!("{} does not exist", path.display())),
                Err(trouble) => Err(format!("{} {}", path.display(), trouble.why)),
            });
            from_file(text.as_deref().map_err(Clone::clone)?, id)
                .ok_or_else(|| format!("{} holds nothing at {id}", path.display()))
        }
        "exec" => Err(format!("a program ({provider}) would give it; programs are never run here")),
        "store" => Err(format!("it is in the gateway's own secret store ({id}), which only the gateway reads")),
        _ => Err("the reference is of an unknown kind".to_owned()),
    }
}

fn from_file(text: &str, id: &str) -> Option<Secret> {
    let value = if id == "value" {
        text.trim().to_owned()
    } else {
        let document: serde_json::Value = serde_json::from_str(text).ok()?;
        document.pointer(id)?.as_str()?.trim().to_owned()
    };
    (!value.is_empty()).then(|| Secret::new(value))
}
