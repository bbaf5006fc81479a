//! Edits in `auth-profiles.json`: one profile, one provider's order. Everything else stays as it is written, also what the gateway
//! does not know. The result is strict JSON, or there is none.

use jsonc_parser::cst::{CstInputValue, CstObject};

use super::auth_store::{self, ProfileType};
use super::json;
use super::provider_id::normalize;
use super::tree_edit::{self, EditError, Tree};
use crate::domain::Secret;

/// A profile to write.
pub struct NewProfile {
    /// Its id.
    pub id: String,
    /// Provider, normalised.
    pub provider: String,
    /// `api_key` or `token`: logins are their owners' to write.
    pub kind: ProfileType,
    /// The key or token.
    pub secret: Secret,
    /// Milliseconds; only what a person says.
    pub expires: Option<i64>,
}

/// What belongs to the secret that was there before.
const OF_THE_SECRET: [&str; 9] =
    ["key", "token", "access", "refresh", "expires", "keyRef", "tokenRef", "clientId", "accountId"];

/// A store with nothing in it, as the gateway makes it.
pub const EMPTY: &str = "{\n  \"version\": 1,\n  \"profiles\": {}\n}\n";

/// The text (`None`: there is none yet) with a profile added, or replaced in its place.
///
/// # Errors
/// The text is no store.
pub fn put(text: Option<&str>, profile: &NewProfile) -> Result<String, EditError> {
    edit(text, |root| {
        let profiles = tree_edit::reach(root, &["profiles"])?;
        let known = tree_edit::property(&profiles, &profile.id).and_then(|property| property.object_value());
        let kind = |old: &CstObject| tree_edit::property(old, "type")?.value().as_ref().and_then(tree_edit::text_of);
        let object = match known {
            // Another type: nothing of the old one is true of it.
            Some(old) if kind(&old).as_deref() == Some(profile.kind.word()) => old,
            _ => {
                tree_edit::set(&profiles, &profile.id, CstInputValue::Object(Vec::new()));
                tree_edit::reach(&profiles, &[&profile.id])?
            }
        };
        let secret = if profile.kind == ProfileType::ApiKey { "key" } else { "token" };
        for field in OF_THE_SECRET.into_iter().filter(|field| *field != secret) {
            tree_edit::remove(&object, field);
        }
        tree_edit::set(&object, "type", profile.kind.word().into());
        tree_edit::set(&object, "provider", profile.provider.as_str().into());
        tree_edit::set(&object, secret, profile.secret.expose().into());
        if let Some(expires) = profile.expires {
            tree_edit::set(&object, "expires", expires.into());
        }
        Ok(())
    })
}

/// The text without a profile: its usage, its places in orders and in `lastGood` go with it. `None` if it is not there.
///
/// # Errors
/// The text is no store.
pub fn remove(text: &str, id: &str) -> Result<Option<String>, EditError> {
    let mut found = false;
    let text = edit(Some(text), |root| {
        if let Some(profiles) = tree_edit::find(root, &["profiles"]) {
            found = tree_edit::remove(&profiles, id);
        }
        forget(root, id);
        Ok(())
    })?;
    Ok(found.then_some(text))
}

/// The same for a split-off `auth-state.json`, which holds no profiles.
///
/// # Errors
/// The text is no object.
pub fn remove_in_state(text: &str, id: &str) -> Result<String, EditError> {
    let tree = Tree::parse(text)?;
    forget(&tree.object()?, id);
    Ok(tree.into_text())
}

fn forget(root: &CstObject, id: &str) {
    if let Some(usage) = tree_edit::find(root, &["usageStats"]) {
        tree_edit::remove(&usage, id);
    }
    if let Some(last_good) = tree_edit::find(root, &["lastGood"]) {
        for property in last_good.properties() {
            if property.value().as_ref().and_then(tree_edit::text_of).as_deref() == Some(id) {
                property.remove();
            }
        }
    }
    forget_in_order(root, &["order"], id);
    if tree_edit::find(root, &["order"]).is_some_and(|order| order.properties().is_empty()) {
        tree_edit::remove(root, "order");
    }
}

/// The text with an explicit order for a provider (normalised), or without one. Another spelling of the provider is replaced.
///
/// # Errors
/// The text is no store.
pub fn order(text: Option<&str>, provider: &str, ids: Option<&[String]>) -> Result<String, EditError> {
    edit(text, |root| {
        if ids.is_some() {
            // Without it the gateway takes the file for no store.
            tree_edit::reach(root, &["profiles"])?;
        }
        set_order(root, provider, ids)
    })
}

/// The same for a split-off `auth-state.json`; `None` if it says nothing about order, so that the store decides.
///
/// # Errors
/// The text is no object.
pub fn order_in_state(text: &str, provider: &str, ids: Option<&[String]>) -> Result<Option<String>, EditError> {
    let tree = Tree::parse(text)?;
    let root = tree.object()?;
    if tree_edit::find(&root, &["order"]).is_none_or(|order| order.properties().is_empty()) {
        return Ok(None);
    }
    set_order(&root, provider, ids)?;
    Ok(Some(tree.into_text()))
}

/// The store with the credentials of a legacy file that are not in it yet, as the gateway would import them: `auth.json`
/// (`{provider: credential}`), or with `logins` `oauth.json` (`{provider: login}`). Also the ids of those.
///
/// # Errors
/// One of the texts is not what it should be.
pub fn import(store: &str, legacy: &str, logins: bool) -> Result<(String, Vec<String>), EditError> {
    let broken = |broken: json::Broken| EditError::Broken { line: broken.line, column: broken.column };
    let root = json::parse(legacy).map_err(broken)?;
    let mut taken = Vec::new();
    let text = edit(Some(store), |store| {
        let profiles = tree_edit::reach(store, &["profiles"])?;
        for (key, entry) in root.entries() {
            let kind = entry.get("type").and_then(json::Json::as_str).and_then(ProfileType::parse);
            let kind = if logins { Some(ProfileType::Oauth) } else { kind };
            let id = format!("{key}:default");
            let (Some(kind), json::Json::Object(fields)) = (kind, entry) else { continue };
            if tree_edit::property(&profiles, &id).is_some() {
                continue;
            }
            let provider = entry.get("provider").and_then(json::Json::as_str).filter(|_| !logins).unwrap_or(&key);
            let mut object = vec![
                ("type".to_owned(), CstInputValue::from(kind.word())),
                ("provider".to_owned(), CstInputValue::from(provider)),
            ];
            let rest = fields.iter().filter(|(name, _)| name != "type" && name != "provider");
            object.extend(rest.map(|(name, value)| (name.clone().into_owned(), input(value))));
            tree_edit::set(&profiles, &id, CstInputValue::Object(object));
            taken.push(id);
        }
        Ok(())
    })?;
    Ok((text, taken))
}

fn input(value: &json::Json<'_>) -> CstInputValue {
    match value {
        json::Json::Null => CstInputValue::Null,
        json::Json::Bool(value) => CstInputValue::Bool(*value),
        json::Json::Number(number) | json::Json::Float(number) => CstInputValue::Number(number.to_string()),
        json::Json::String(text) => CstInputValue::String(text.clone().into_owned()),
        json::Json::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        json::Json::Object(fields) => CstInputValue::Object(
            fields.iter().map(|(name, value)| (name.clone().into_owned(), input(value))).collect(),
        ),
    }
}

fn set_order(root: &CstObject, provider: &str, ids: Option<&[String]>) -> Result<(), EditError> {
    if ids.is_none() && tree_edit::find(root, &["order"]).is_none() {
        return Ok(());
    }
    let order = tree_edit::reach(root, &["order"])?;
    for property in order.properties() {
        let Some(name) = property.decoded_name() else { continue };
        if normalize(&name) == provider && (ids.is_none() || name != provider) {
            property.remove();
        }
    }
    match ids {
        Some(ids) => {
            tree_edit::set(&order, provider, CstInputValue::Array(ids.iter().map(|id| id.as_str().into()).collect()))
        }
        None if order.properties().is_empty() => {
            tree_edit::remove(root, "order");
        }
        None => {}
    }
    Ok(())
}

/// Takes an id out of every order below `path`. An order that becomes empty goes: the gateway would take it for "none of them".
pub(super) fn forget_in_order(root: &CstObject, path: &[&str], id: &str) -> bool {
    let Some(order) = tree_edit::find(root, path) else { return false };
    let mut found = false;
    for property in order.properties() {
        let Some(ids) = property.array_value() else { continue };
        if tree_edit::remove_string(&ids, id) {
            found = true;
            if ids.elements().is_empty() {
                property.remove();
            }
        }
    }
    found
}

/// Edits a store. One that the gateway takes for none is refused: to write over it would lose what can still be saved.
fn edit(text: Option<&str>, change: impl FnOnce(&CstObject) -> Result<(), EditError>) -> Result<String, EditError> {
    let text = text.unwrap_or(EMPTY);
    let root = json::parse(text).map_err(|broken| EditError::Broken { line: broken.line, column: broken.column })?;
    let missing = matches!(root, json::Json::Object(_)) && root.get("profiles").is_none();
    if !missing && !matches!(root.get("profiles"), Some(json::Json::Object(_))) {
        let whole = !matches!(root, json::Json::Object(_));
        let key = if whole { "the whole file" } else { "profiles" };
        return Err(EditError::Shape { key: key.to_owned(), wanted: "an object" });
    }
    let tree = Tree::parse(text)?;
    let root = tree.object()?;
    change(&root)?;
    let text = tree.into_text();
    debug_assert!(tree_edit::find(&root, &["profiles"]).is_none() || auth_store::parse(&text).is_ok());
    Ok(text)
}

#[cfg(test)]
#[path = "auth_store_edit_tests.rs"]
mod tests;
