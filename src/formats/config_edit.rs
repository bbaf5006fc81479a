//! Edits in the gateway's config: entries of `auth.profiles` and `auth.order`, the default model, fallbacks, aliases. It is JSON5
//! with comments, `$include` and `${VAR}`: only what was asked for changes, and nothing is resolved into it.

use jsonc_parser::cst::{CstInputValue, CstObject};

use super::auth_store_edit::forget_in_order;
use super::provider_id::normalize;
use super::tree_edit::{self, EditError, Tree};

/// A config with nothing in it.
pub const EMPTY: &str = "{}\n";

/// The text with a profile in `auth.profiles`, and first in `auth.order` of its provider if there is such an order. `email`
/// stays if the entry was the same provider's.
///
/// # Errors
/// The text is no config of this shape.
pub fn declare(text: &str, id: &str, provider: &str, mode: &str) -> Result<String, EditError> {
    edit(text, |root| {
        let entry = tree_edit::reach(root, &["auth", "profiles", id])?;
        let old = tree_edit::property(&entry, "provider").and_then(|p| p.value()).as_ref().and_then(tree_edit::text_of);
        if old.is_some_and(|old| normalize(&old) != provider) {
            tree_edit::remove(&entry, "email");
        }
        tree_edit::set(&entry, "provider", provider.into());
        tree_edit::set(&entry, "mode", mode.into());
        let Some(order) = tree_edit::find(root, &["auth", "order"]) else { return Ok(()) };
        for property in order.properties() {
            let Some(ids) = property.array_value() else { continue };
            let same = property.decoded_name().is_some_and(|name| normalize(&name) == provider);
            if same && tree_edit::strings(&ids).first().map(String::as_str) != Some(id) {
                tree_edit::remove_string(&ids, id);
                ids.insert(0, id.into());
            }
        }
        Ok(())
    })
}

/// The text without a profile: neither in `auth.profiles` nor in any `auth.order`.
///
/// # Errors
/// The text is no config.
pub fn forget(text: &str, id: &str) -> Result<String, EditError> {
    edit(text, |root| {
        if let Some(profiles) = tree_edit::find(root, &["auth", "profiles"]) {
            tree_edit::remove(&profiles, id);
        }
        forget_in_order(root, &["auth", "order"], id);
        Ok(())
    })
}

/// The text with an entry of `auth.profiles` under another id, also in `auth.order`.
///
/// # Errors
/// The text is no config of this shape.
pub fn rename(text: &str, from: &str, to: &str) -> Result<String, EditError> {
    edit(text, |root| {
        let Some(profiles) = tree_edit::find(root, &["auth", "profiles"]) else { return Ok(()) };
        let Some(old) = tree_edit::property(&profiles, from).and_then(|property| property.object_value()) else {
            return Ok(());
        };
        let entry = tree_edit::reach(&profiles, &[to])?;
        for field in ["provider", "mode", "email"] {
            let value = tree_edit::property(&old, field).and_then(|p| p.value()).as_ref().and_then(tree_edit::text_of);
            if let Some(value) = value {
                tree_edit::set(&entry, field, value.into());
            }
        }
        tree_edit::remove(&profiles, from);
        let Some(order) = tree_edit::find(root, &["auth", "order"]) else { return Ok(()) };
        for property in order.properties() {
            let Some(list) = property.array_value() else { continue };
            let known = tree_edit::strings(&list).iter().any(|id| id == to);
            for old in list.elements().iter().filter(|one| tree_edit::text_of(one).as_deref() == Some(from)) {
                let Some(old) = old.as_string_lit() else { continue };
                if known {
                    old.remove();
                } else {
                    old.replace_with(to.into());
                }
            }
        }
        Ok(())
    })
}

/// What a model setting is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelEdit {
    /// The default model; it joins the list of allowed models if there is one.
    Primary(String),
    /// One more fallback, behind the others.
    AddFallback(String),
    /// These fallbacks no more, as they are written.
    DropFallbacks(Vec<String>),
    /// No fallbacks.
    NoFallbacks,
    /// An alias of a model (`provider/model`).
    Alias(String, String),
    /// No such alias any more.
    NoAlias(String),
}

/// The text with a setting of `agents.defaults`.
///
/// # Errors
/// The text is no config of this shape.
pub fn model(text: &str, change: &ModelEdit) -> Result<String, EditError> {
    edit(text, |root| {
        match change {
            ModelEdit::Primary(model) => {
                tree_edit::set(&choice(root)?, "primary", model.as_str().into());
                allow(root, model)?;
            }
            ModelEdit::AddFallback(model) => {
                let choice = choice(root)?;
                match tree_edit::property(&choice, "fallbacks").and_then(|property| property.array_value()) {
                    Some(list) if tree_edit::strings(&list).contains(model) => {}
                    Some(list) => {
                        list.append(model.as_str().into());
                    }
                    None => {
                        let list = CstInputValue::Array(vec![model.as_str().into()]);
                        tree_edit::set(&choice, "fallbacks", list);
                    }
                }
                allow(root, model)?;
            }
            ModelEdit::DropFallbacks(texts) => {
                let choice = tree_edit::find(root, &["agents", "defaults", "model"]);
                let list = choice.and_then(|choice| tree_edit::property(&choice, "fallbacks")?.array_value());
                for text in texts {
                    if let Some(list) = &list {
                        tree_edit::remove_string(list, text);
                    }
                }
            }
            ModelEdit::NoFallbacks => {
                tree_edit::set(&choice(root)?, "fallbacks", CstInputValue::Array(Vec::new()));
            }
            ModelEdit::Alias(alias, model) => {
                no_alias(root, alias);
                let entry = tree_edit::reach(root, &["agents", "defaults", "models", model])?;
                tree_edit::set(&entry, "alias", alias.as_str().into());
            }
            ModelEdit::NoAlias(alias) => no_alias(root, alias),
        }
        Ok(())
    })
}

/// `agents.defaults.model` as an object; a plain string becomes its primary.
fn choice(root: &CstObject) -> Result<CstObject, EditError> {
    let defaults = tree_edit::reach(root, &["agents", "defaults"])?;
    let plain = tree_edit::property(&defaults, "model").and_then(|p| p.value()).as_ref().and_then(tree_edit::text_of);
    if let Some(model) = plain {
        let object = vec![("primary".to_owned(), CstInputValue::String(model))];
        tree_edit::set(&defaults, "model", CstInputValue::Object(object));
    }
    tree_edit::reach(&defaults, &["model"])
}

/// A list of models is a list of those that are allowed: what is to be used must be in it.
fn allow(root: &CstObject, model: &str) -> Result<(), EditError> {
    let Some(models) = tree_edit::find(root, &["agents", "defaults", "models"]) else { return Ok(()) };
    if !models.properties().is_empty() && model.contains('/') {
        tree_edit::reach(&models, &[model])?;
    }
    Ok(())
}

fn no_alias(root: &CstObject, alias: &str) {
    let Some(models) = tree_edit::find(root, &["agents", "defaults", "models"]) else { return };
    for entry in models.properties().into_iter().filter_map(|property| property.object_value()) {
        let old = tree_edit::property(&entry, "alias").and_then(|p| p.value()).as_ref().and_then(tree_edit::text_of);
        if old.is_some_and(|old| old.trim().eq_ignore_ascii_case(alias)) {
            tree_edit::remove(&entry, "alias");
        }
    }
}

fn edit(text: &str, change: impl FnOnce(&CstObject) -> Result<(), EditError>) -> Result<String, EditError> {
    let tree = Tree::parse(text)?;
    change(&tree.object()?)?;
    Ok(tree.into_text())
}

#[cfg(test)]
#[path = "config_edit_tests.rs"]
mod tests;
