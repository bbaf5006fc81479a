//! `models auth list` and `remove`.

use serde::Serialize;

use super::exit::{Failure, FailureKind, Outcome};
use super::models_auth::{Gateway, Unnamed, agent_words, by_owner, provider, refused};
use super::print::spoken;
use super::prompt::Terminal;
use super::{Context, print};
use crate::domain::Selection;
use crate::formats::installation::{AgentStore, Trouble};
use crate::formats::javascript::trim;
use crate::output::models_status::short;
use crate::output::remaining::remaining;
use crate::output::wording::{columns, marks, padded};

/// The answer of `list`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    agent_id: &'a str,
    agent_dir: String,
    auth_store_path: String,
    profiles: Vec<Row<'a>>,
}

/// One profile, without its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    id: &'a str,
    provider: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<f64>,
    /// It shows through from main's store.
    inherited: bool,
    /// Its place in the gateway's order, from 1.
    position: Option<usize>,
    /// Why the gateway would never use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded: Option<&'a str>,
    /// Until when the gateway has set it aside, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    aside_until: Option<f64>,
}

/// Runs `list`.
///
/// # Errors
/// The gateway's config is not usable (66, 78), or does not know the agent (64).
pub fn list(whose: Option<&str>, json: bool, agent: Option<&str>, context: &Context) -> Outcome {
    let whose = whose.map(provider).transpose()?;
    let gateway = Gateway::open(agent, Unnamed::Main, context)?;
    let (store, view, now) = (gateway.store()?, gateway.view()?, gateway.now_ms());
    let rows = view.profiles.iter().filter_map(|shown| {
        let provider = view.providers[shown.provider].id.as_str();
        if whose.as_deref().is_some_and(|whose| whose != provider) {
            return None;
        }
        let (position, excluded) = match &shown.selection {
            Selection::Eligible(n) => (Some(n + 1), None),
            Selection::Excluded(why) => (None, Some(why.as_str())),
            Selection::NotApplicable => (None, None),
        };
        Some(Row {
            id: &shown.profile.id,
            provider,
            r#type: shown.profile.kind.word(),
            email: shown.profile.email.as_deref(),
            expires_at: shown.profile.expires.as_date(),
            inherited: !shown.own,
            position,
            excluded,
            aside_until: shown.usage.and_then(|usage| usage.unusable_until()).filter(|until| *until > now),
        })
    });
    let list = List {
        agent_id: &gateway.agent,
        agent_dir: store.agent_dir.display().to_string(),
        auth_store_path: short(&store.store_path, &context.env.home()),
        profiles: rows.collect(),
    };
    for finding in &store.findings {
        note!("opensoul: {}: {}", finding.place, finding.message);
    }
    if json {
        print::json(&list)?;
    } else {
        print::text(&text(&list, now))?;
    }
    whole(store)
}

/// What cannot be read is not empty.
///
/// # Errors
/// The store cannot be read (66), or is damaged (78).
pub(super) fn whole(store: &AgentStore) -> Outcome {
    match store.trouble {
        None => Ok(0),
        Some(Trouble::Unreadable) => Err(Failure::new(FailureKind::NoInput, "the store cannot be read; see above")),
        Some(_) => Err(Failure::new(FailureKind::Config, "the store is damaged; see above")),
    }
}

fn text(list: &List<'_>, now: f64) -> String {
    let mut out = spoken(format!("Agent: {}\nAuth file: {}\n\n", list.agent_id, list.auth_store_path));
    if list.profiles.is_empty() {
        out.push_str(&spoken("No profiles. Add one: opensoul models auth add\n"));
        return out;
    }
    let joins = marks(print::lang()).0;
    let width = list.profiles.iter().map(|row| columns(row.id)).max().unwrap_or(0).min(48);
    for row in &list.profiles {
        let left = |at: f64| remaining(Some(at - now));
        let mut said = vec![format!("{}/{}", row.provider, row.r#type)];
        said.extend(row.email.map(str::to_owned));
        let ends = |at: f64| if at > now { format!("ends in {}", left(at)) } else { "expired".to_owned() };
        said.extend(row.expires_at.map(|at| spoken(ends(at))));
        said.extend(row.aside_until.map(|at| spoken(format!("set aside for {}", left(at)))));
        let place = |n| if n == 1 { "used first".to_owned() } else { format!("used {n}.") };
        said.extend(row.position.map(|n| spoken(place(n))));
        said.extend(row.excluded.map(|why| spoken(format!("not used: {why}"))));
        said.extend(row.inherited.then(|| spoken("main's")));
        out.push_str(&format!("{}  {}\n", padded(row.id, width), said.join(joins)));
    }
    out
}

/// Runs `remove`.
///
/// # Errors
/// It is not there (64), nobody can be asked (64), a file that cannot be written.
pub fn remove(id: &str, yes: bool, agent: Option<&str>, context: &Context) -> Outcome {
    let id = trim(id);
    let gateway = Gateway::open(agent, Unnamed::Main, context)?;
    let store = gateway.store()?;
    let stored = store.store.profile(id).map(|profile| profile.provider.clone());
    let declared = gateway.installation.config.as_ref().is_some_and(|config| config.declared(id).is_some());
    let dropped = store.store.dropped.iter().any(|dropped| dropped.id == id);
    let home = context.env.home();
    let path = short(&store.store_path, &home);
    if stored.is_none() && !declared && !dropped {
        let main = gateway.installation.main().filter(|main| main.store.profile(id).is_some());
        let hint = main.map_or_else(
            || "; opensoul models auth list shows what is there".to_owned(),
            |_| "; it shows through from main's store: remove it there with --agent main".to_owned(),
        );
        return Err(Failure::new(FailureKind::Usage, format!("Auth profile \"{id}\" not found in {path}{hint}")));
    }
    if let Some(legacy) = store.imported.get(id) {
        let message = format!("{id} is in {}; remove its entry there", legacy.display());
        return Err(Failure::new(FailureKind::Usage, message));
    }
    if !yes {
        let terminal = Terminal::need("say --yes to remove it without being asked")?;
        if !terminal.confirm(&format!("Remove {id} from {path} and from the gateway's config?"), false)? {
            say!("Nothing was changed.");
            return Ok(0);
        }
    }
    if gateway.installation.sqlite {
        return by_owner(&gateway, &agent_words(&["models", "auth", "logout", id, "--yes"], agent), context);
    }
    // The config's names are for all agents.
    let agents = &gateway.installation.agents;
    let elsewhere = agents.iter().any(|one| one.agent_dir != store.agent_dir && one.store.profile(id).is_some());
    let written = gateway.writer()?.remove(id, !elsewhere).map_err(|error| refused(&error))?;
    if declared && !elsewhere && !written.config.changed {
        let config = gateway.installation.config_path.display();
        let message = format!("{id} is in the store no more; {config} still names it, through a file that it includes");
        return Err(Failure::new(FailureKind::Config, message));
    }
    say!("Removed {id}.");
    for (what, file) in [("Store", &written.store), ("Config", &written.config)] {
        if file.changed {
            say!("{what}: {}", short(&file.path, &home));
        }
    }
    say!("It is gone from here only: a key that nobody should use any more must be revoked at its provider.");
    if let Some(provider) = stored {
        let after = Gateway::open(agent, Unnamed::Main, context)?;
        let view = after.view()?;
        let provider = crate::formats::provider_id::normalize(&provider);
        if view.provider(&provider).is_none_or(|left| left.order.is_empty()) {
            say!("No usable profile of {provider} is left.");
        }
    }
    Ok(0)
}
