//! `models list`, `set`, `aliases` and `fallbacks`: the models in the gateway's config.

use serde::Serialize;

use super::args_auth::{Aliases, Fallbacks};
use super::exit::{Failure, FailureKind, Outcome};
use super::models_auth::{Gateway, Unnamed, by_owner, not_written};
use super::{Context, print};
use crate::control;
use crate::formats::config_edit::{self, ModelEdit};
use crate::formats::gateway_config::GatewayConfig;
use crate::formats::javascript::trim;
use crate::formats::model_ref;
use crate::output::models_status::{default_model, short};
use crate::output::wording::marks;

/// One configured model.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    key: String,
    tags: Vec<String>,
}

/// Runs `list`.
///
/// # Errors
/// The gateway's config is not usable (66, 78).
pub fn list(json: bool, plain: bool, context: &Context) -> Outcome {
    let gateway = Gateway::open(None, Unnamed::Main, context)?;
    let none = GatewayConfig::default();
    let rows = rows(gateway.installation.config.as_ref().unwrap_or(&none));
    if json {
        print::json(&serde_json::json!({ "count": rows.len(), "models": rows }))?;
    } else {
        let joins = marks(print::lang()).0;
        let tags = |row: &Row| row.tags.iter().map(print::spoken).collect::<Vec<_>>().join(joins);
        let line = |row: &Row| {
            if plain { format!("{}\n", row.key) } else { format!("{:40}  {}\n", row.key, tags(row)) }
        };
        print::text(&rows.iter().map(line).collect::<String>())?;
    }
    Ok(0)
}

/// The default model, its fallbacks, the image models and everything else that is configured; no model twice.
fn rows(config: &GatewayConfig) -> Vec<Row> {
    let aliases = config.aliases();
    let mut rows: Vec<Row> = Vec::new();
    let mut add = |text: &str, tag: String| {
        let Some(model) = model_ref::resolve(text, &aliases).map(|model| model.to_string()) else { return };
        match rows.iter_mut().find(|row| row.key == model) {
            Some(row) => row.tags.push(tag),
            None => rows.push(Row { key: model, tags: vec![tag] }),
        }
    };
    let (_, default) = default_model(config, None);
    add(&default.to_string(), "default".to_owned());
    let image = &config.image_model;
    for (n, text) in config.model.fallbacks.iter().flatten().enumerate() {
        add(text, format!("fallback#{}", n + 1));
    }
    if let Some(text) = &image.primary {
        add(text, "image".to_owned());
    }
    for (n, text) in image.fallbacks.iter().flatten().enumerate() {
        add(text, format!("img-fallback#{}", n + 1));
    }
    for (key, _) in &config.models {
        add(key, "configured".to_owned());
    }
    for (alias, model) in &aliases {
        if let Some(row) = rows.iter_mut().find(|row| row.key == *model) {
            row.tags.push(format!("alias:{alias}"));
        }
    }
    rows
}

/// Runs `set`.
///
/// # Errors
/// No such model (64), a config that cannot be written.
pub fn set(model: &str, context: &Context) -> Outcome {
    let gateway = Gateway::open(None, Unnamed::Main, context)?;
    let model = resolve(model, &gateway)?;
    change(&gateway, &["models", "set", &model], ModelEdit::Primary(model.clone()), context)?;
    say!("Default model: {model}");
    Ok(0)
}

/// Runs `aliases …`.
///
/// # Errors
/// No such model or alias (64), a config that cannot be written.
pub fn aliases(command: Aliases, context: &Context) -> Outcome {
    let gateway = Gateway::open(None, Unnamed::Main, context)?;
    let none = GatewayConfig::default();
    let config = gateway.installation.config.as_ref().unwrap_or(&none);
    let known = config.aliases();
    let usage = |message: String| Failure::new(FailureKind::Usage, message);
    match command {
        Aliases::List { json, plain } => {
            if json {
                let map: serde_json::Map<String, serde_json::Value> =
                    known.into_iter().map(|(alias, model)| (alias, model.into())).collect();
                print::json(&serde_json::json!({ "aliases": map }))?;
            } else {
                let mut text: String = known.iter().map(|(alias, model)| format!("{alias} {model}\n")).collect();
                if text.is_empty() && !plain {
                    text.push_str(&print::spoken("No aliases.\n"));
                }
                print::text(&text)?;
            }
        }
        Aliases::Add { alias, model } => {
            let alias = trim(&alias);
            let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
            if alias.is_empty() || !alias.chars().all(fits) {
                return Err(usage(
                    "an alias has letters, digits, dots, underscores, colons and dashes only".to_owned(),
                ));
            }
            let model = resolve(&model, &gateway)?;
            let edit = ModelEdit::Alias(alias.to_owned(), model.clone());
            change(&gateway, &["models", "aliases", "add", alias, &model], edit, context)?;
            say!("Alias {alias} -> {model}");
        }
        Aliases::Remove { alias } => {
            let alias = trim(&alias);
            let there = config.models.iter().filter_map(|(_, own)| own.as_deref());
            if !there.into_iter().any(|own| trim(own).eq_ignore_ascii_case(alias)) {
                let known = if known.iter().any(|(name, _)| name.eq_ignore_ascii_case(alias)) {
                    "it is built in, and not in the config"
                } else {
                    "opensoul models aliases list shows what there is"
                };
                return Err(usage(format!("no alias \"{alias}\"; {known}")));
            }
            let edit = ModelEdit::NoAlias(alias.to_owned());
            if !change(&gateway, &["models", "aliases", "remove", alias], edit, context)? {
                return Err(elsewhere(&gateway));
            }
            say!("Removed alias {alias}.");
        }
    }
    Ok(0)
}

/// Runs `fallbacks …`.
///
/// # Errors
/// No such model (64), a config that cannot be written.
pub fn fallbacks(command: Fallbacks, context: &Context) -> Outcome {
    let gateway = Gateway::open(None, Unnamed::Main, context)?;
    let none = GatewayConfig::default();
    let config = gateway.installation.config.as_ref().unwrap_or(&none);
    let aliases = config.aliases();
    let models: Vec<String> = config.model.fallbacks.clone().unwrap_or_default();
    let same =
        |text: &str, model: &str| model_ref::resolve(text, &aliases).is_some_and(|known| known.to_string() == model);
    let (words, edit) = match command {
        Fallbacks::List { json, plain } => {
            if json {
                print::json(&serde_json::json!({ "fallbacks": models }))?;
            } else if models.is_empty() && !plain {
                print::text(&print::spoken("No fallbacks.\n"))?;
            } else {
                print::text(&models.iter().map(|model| format!("{model}\n")).collect::<String>())?;
            }
            return Ok(0);
        }
        Fallbacks::Add { model } => {
            let model = resolve(&model, &gateway)?;
            if models.iter().any(|known| same(known, &model)) {
                say!("{model} is a fallback already.");
                return Ok(0);
            }
            (vec!["add".to_owned(), model.clone()], ModelEdit::AddFallback(model))
        }
        Fallbacks::Remove { model } => {
            let model = resolve(&model, &gateway)?;
            let written: Vec<String> = models.iter().filter(|known| same(known, &model)).cloned().collect();
            if written.is_empty() {
                return Err(Failure::new(FailureKind::Usage, format!("{model} is no fallback")));
            }
            (vec!["remove".to_owned(), model], ModelEdit::DropFallbacks(written))
        }
        Fallbacks::Clear => (vec!["clear".to_owned()], ModelEdit::NoFallbacks),
    };
    let words: Vec<&str> = ["models", "fallbacks"].into_iter().chain(words.iter().map(String::as_str)).collect();
    let removes = matches!(edit, ModelEdit::DropFallbacks(_));
    if !change(&gateway, &words, edit, context)? && removes {
        return Err(elsewhere(&gateway));
    }
    // As the gateway reads it now.
    let after = Gateway::open(None, Unnamed::Main, context)?;
    let models =
        after.installation.config.as_ref().and_then(|config| config.model.fallbacks.clone()).unwrap_or_default();
    say!("Fallbacks: {}", if models.is_empty() { "none".to_owned() } else { models.join(", ") });
    Ok(0)
}

/// `provider/model` of what was typed.
fn resolve(text: &str, gateway: &Gateway) -> Result<String, Failure> {
    let none = GatewayConfig::default();
    let aliases = gateway.installation.config.as_ref().unwrap_or(&none).aliases();
    let model = model_ref::resolve(text, &aliases).filter(|_| !model_ref::is_bare(text, &aliases));
    model.map(|model| model.to_string()).ok_or_else(|| {
        let message = format!("\"{}\" is neither provider/model nor an alias", trim(text));
        Failure::new(FailureKind::Usage, message)
    })
}

/// Edits the config, or lets its owner do it where we may not write.
/// True if that changed something, as far as we can see.
fn change(gateway: &Gateway, words: &[&str], edit: ModelEdit, context: &Context) -> Result<bool, Failure> {
    if gateway.installation.sqlite {
        return by_owner(gateway, words, context).map(|_| true);
    }
    let change = |text: &str| config_edit::model(text, &edit);
    let updated = control::config::edit(&gateway.installation, &gateway.keeper(), &change)
        .map_err(|error| not_written(&error))?;
    if updated.changed {
        say!("Config: {}", short(&updated.path, &context.env.home()));
    }
    Ok(updated.changed)
}

/// What is in force and not in the file that is edited.
fn elsewhere(gateway: &Gateway) -> Failure {
    let path = gateway.installation.config_path.display();
    let message = format!("nothing was changed: it is not written in {path} itself (does it include another file?)");
    Failure::new(FailureKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::gateway_config::ModelChoice;

    #[test]
    fn every_configured_model_once_with_what_it_is_for() {
        let choice = |primary: &str, fallbacks: &[&str]| ModelChoice {
            primary: Some(primary.to_owned()),
            fallbacks: Some(fallbacks.iter().map(|text| (*text).to_owned()).collect()),
        };
        let config = GatewayConfig {
            model: choice("fast", &["openai/gpt-5.2", "groq/llama"]),
            image_model: choice("openai/gpt-5.2", &[]),
            models: vec![("groq/llama".to_owned(), Some("fast".to_owned())), ("xai/grok".to_owned(), None)],
            ..GatewayConfig::default()
        };
        let rows = rows(&config);
        let shown: Vec<(&str, String)> = rows.iter().map(|row| (row.key.as_str(), row.tags.join(" "))).collect();
        assert_eq!(
            shown,
            [
                ("groq/llama", "default fallback#2 configured alias:fast".to_owned()),
                ("openai/gpt-5.2", "fallback#1 image".to_owned()),
                ("xai/grok", "configured".to_owned()),
            ]
        );
    }
}
