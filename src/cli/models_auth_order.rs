//! `models auth order get | set | clear`: which profiles of a provider an agent uses, and in which order.

use serde::Serialize;

use super::args_auth::{OrderCommand, OrderOf};
use super::exit::{Failure, FailureKind, Outcome};
use super::models_auth::{Gateway, Unnamed, agent_words, by_owner, not_written, provider};
use super::models_auth_list::whole;
use super::{Context, print};
use crate::formats::javascript::trim;
use crate::output::models_status::short;

/// The answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    agent_id: &'a str,
    agent_dir: String,
    provider: &'a str,
    auth_store_path: String,
    order: Option<Vec<String>>,
}

/// Runs the command.
///
/// # Errors
/// A profile that is not there or another provider's (64), a store that cannot be written.
pub fn run(command: OrderCommand, agent: Option<&str>, context: &Context) -> Outcome {
    match command {
        OrderCommand::Get(of) => get(&of, agent, context),
        OrderCommand::Set { of, ids } => set(&of, &ids, agent, context),
        OrderCommand::Clear(of) => clear(&of, agent, context),
    }
}

fn get(of: &OrderOf, agent: Option<&str>, context: &Context) -> Outcome {
    let provider = provider(&of.provider)?;
    let gateway = Gateway::open(agent, Unnamed::Default, context)?;
    show(of, &provider, &gateway, context)
}

fn set(of: &OrderOf, ids: &[String], agent: Option<&str>, context: &Context) -> Outcome {
    let provider = provider(&of.provider)?;
    let mut wanted: Vec<String> = Vec::new();
    for id in ids.iter().map(|id| trim(id)).filter(|id| !id.is_empty()) {
        if !wanted.iter().any(|known| known == id) {
            wanted.push(id.to_owned());
        }
    }
    let usage = |message: String| Failure::new(FailureKind::Usage, message);
    if wanted.is_empty() {
        return Err(usage("name at least one profile id; opensoul models auth list shows them".to_owned()));
    }
    let gateway = Gateway::open(agent, Unnamed::Default, context)?;
    let view = gateway.view()?;
    let place = short(&gateway.store()?.store_path, &context.env.home());
    for id in &wanted {
        match view.profiles.iter().find(|shown| shown.profile.id == *id) {
            None => {
                return Err(usage(format!(
                    "Auth profile \"{id}\" not found in {place}; opensoul models auth list shows what is there"
                )));
            }
            Some(shown) if view.providers[shown.provider].id != provider => {
                let theirs = &view.providers[shown.provider].id;
                return Err(usage(format!("Auth profile \"{id}\" is for {theirs}, not {provider}")));
            }
            Some(_) => {}
        }
    }
    if gateway.installation.sqlite {
        let mut words = vec!["models", "auth", "order", "set", "--provider", &provider];
        words = agent_words(&words, agent);
        words.extend(wanted.iter().map(String::as_str));
        return by_owner(&gateway, &words, context);
    }
    gateway.writer()?.order(&provider, Some(&wanted)).map_err(|error| not_written(&error))?;
    show(of, &provider, &Gateway::open(agent, Unnamed::Default, context)?, context)
}

fn clear(of: &OrderOf, agent: Option<&str>, context: &Context) -> Outcome {
    let provider = provider(&of.provider)?;
    let gateway = Gateway::open(agent, Unnamed::Default, context)?;
    if gateway.installation.sqlite {
        let words = agent_words(&["models", "auth", "order", "clear", "--provider", &provider], agent);
        return by_owner(&gateway, &words, context);
    }
    gateway.writer()?.order(&provider, None).map_err(|error| not_written(&error))?;
    let after = Gateway::open(agent, Unnamed::Default, context)?;
    if !of.json {
        say!("Cleared the order for {provider}; the gateway takes its own.");
    }
    show(of, &provider, &after, context)
}

fn show(of: &OrderOf, provider: &str, gateway: &Gateway, context: &Context) -> Outcome {
    let store = gateway.store()?;
    let view = gateway.view()?;
    // As the gateway's own command: an order under another spelling of the provider is heeded, but not shown as this one.
    let spelled = store.store.order.iter().find(|(name, _)| name == provider);
    let inherited = || {
        view.stored_order(provider).filter(|_| {
            store.store.order.iter().all(|(name, _)| crate::formats::provider_id::normalize(name) != provider)
        })
    };
    let order = spelled.map(|(_, ids)| ids.clone()).or_else(|| inherited().map(<[String]>::to_vec));
    if let Some(trouble) = store.findings.iter().find(|_| store.trouble.is_some()) {
        note!("opensoul: {}: {}", trouble.place, trouble.message);
    }
    let auth_store_path = short(&store.store_path, &context.env.home());
    if of.json {
        let agent_dir = store.agent_dir.display().to_string();
        print::json(&Answer { agent_id: &gateway.agent, agent_dir, provider, auth_store_path, order })?;
        return whole(store);
    }
    let order = order.map_or_else(|| "(none)".to_owned(), |ids| ids.join(", "));
    print::text(&print::spoken(format!(
        "Agent: {}\nProvider: {provider}\nAuth file: {auth_store_path}\nOrder override: {order}\n",
        gateway.agent
    )))?;
    whole(store)
}
