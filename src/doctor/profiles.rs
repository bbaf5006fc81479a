//! Where the gateway's config and its stores disagree about profiles. The gateway is silent about all of it.

use super::files::present;
use super::{By, Check, Context};
use crate::domain::{Finding, Place, Repair, Selection, Severity};
use crate::engine::oauth_id::{Login, successor};
use crate::engine::order::{Basis, Exclusion};
use crate::formats::auth_store::ProfileType;
use crate::formats::eligibility::View;
use crate::formats::gateway_config::{DeclaredProfile, GatewayConfig};
use crate::formats::installation::{AgentStore, Installation};
use crate::formats::provider_id::normalize;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "order.unknown-profile",
        about: "orders that name profiles that do not exist",
        by: By::Doctor(unknown),
    },
    Check {
        id: "profile.not-in-store",
        about: "profiles in the config that no store holds",
        by: By::Doctor(not_in_store),
    },
    Check {
        id: "profile.mode-mismatch",
        about: "profiles whose type or provider differs between config and store",
        by: By::Doctor(mismatch),
    },
    Check { id: "profile.unused", about: "stored profiles that the config leaves out", by: By::Doctor(unused) },
    Check {
        id: "profile.deprecated",
        about: "profiles that were copied from a tool and that nobody renews",
        by: By::Doctor(deprecated),
    },
];

/// Copies of a tool's login that earlier gateways kept up to date. Today's read neither `~/.claude` nor `~/.codex`, and their
/// own doctor takes these out.
const DEPRECATED: [(&str, &str); 2] = [
    ("anthropic:claude-cli", "claude setup-token, then opensoul models auth setup-token --provider anthropic"),
    ("openai-codex:codex-cli", "opensoul models auth login --provider openai-codex"),
];

/// Installations whose config and stores could all be read: of others, what is missing may be in what we cannot see.
fn readable<'a>(context: &'a Context<'_>) -> Vec<(&'a Installation, &'a GatewayConfig)> {
    present(context)
        .into_iter()
        .filter(|i| i.agents.iter().all(|agent| agent.trouble.is_none()))
        .filter_map(|i| Some((i, i.config.as_ref()?)))
        .collect()
}

/// True if a store has an entry of that id, even one that the gateway drops (the source says so).
fn holds(agent: &AgentStore, id: &str) -> bool {
    agent.store.profile(id).is_some() || agent.store.dropped.iter().any(|dropped| dropped.id == id)
}

fn anywhere(installation: &Installation, id: &str) -> bool {
    installation.agents.iter().any(|agent| holds(agent, id))
}

fn unknown(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (installation, config) in readable(context) {
        for (provider, ids) in &config.auth_order {
            let missing: Vec<String> = ids.iter().filter(|id| !anywhere(installation, id)).cloned().collect();
            let path = installation.config_path.clone();
            let place = Place::file(&path).key(format!("auth.order.{provider}"));
            let repair = Repair::PruneConfigOrder { path, provider: provider.clone(), ids: missing.clone() };
            let one = |id: &String| unknown_one(installation, provider, id, ids, place.clone(), &repair);
            findings.extend(missing.iter().map(one));
        }
        for agent in &installation.agents {
            let main = installation.main();
            for (provider, ids) in &agent.store.order {
                let dead = |id: &&String| !holds(agent, id) && !main.is_some_and(|main| holds(main, id));
                let missing: Vec<String> = ids.iter().filter(dead).cloned().collect();
                let path = agent.store_path.clone();
                let place = Place::file(&path).key(format!("order.{provider}"));
                let repair = Repair::PruneStoreOrder { path, provider: provider.clone(), ids: missing.clone() };
                let one = |id: &String| unknown_one(installation, provider, id, ids, place.clone(), &repair);
                findings.extend(missing.iter().map(one));
            }
        }
    }
    findings
}

fn unknown_one(
    installation: &Installation,
    provider: &str,
    id: &str,
    ids: &[String],
    place: Place,
    repair: &Repair,
) -> Finding {
    let stored = installation.agents.iter().flat_map(|a| &a.store.profiles).map(|p| p.id.as_str());
    let near = stored
        .filter(|stored| !ids.iter().any(|listed| listed == stored))
        .map(|stored| (strsim::jaro_winkler(stored, id), stored))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let meant = near.map(|(_, stored)| format!(" (is {stored} meant?)")).unwrap_or_default();
    let nothing_left = !ids.iter().any(|id| anywhere(installation, id));
    let (severity, effect) = if nothing_left {
        (Severity::Critical, "nothing in it exists, so the gateway uses no profile of this provider")
    } else {
        (Severity::Warning, "the gateway passes over it without a word")
    };
    let message = format!("The order for {provider} names {id}, which no store holds{meant}: {effect}.");
    let fix =
        format!("Correct the order: {} models auth order set --provider {provider} …", installation.family.word());
    let finding = Finding::new("order.unknown-profile", severity, message, fix).at(place);
    // A misspelt name is to be corrected, not forgotten, and an order that would be empty means something else.
    let safe = near.is_none() && !nothing_left && !installation.sqlite;
    if safe { finding.mended_by(repair.clone()) } else { finding }
}

fn not_in_store(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (installation, config) in readable(context) {
        for declared in config.auth_profiles.iter().filter(|d| !anywhere(installation, &d.id)) {
            let provider = normalize(&declared.provider);
            let alone = !config
                .auth_profiles
                .iter()
                .any(|other| normalize(&other.provider) == provider && anywhere(installation, &other.id));
            let effect = if alone {
                "and it is the only one of its provider there, so stored profiles of that provider are not used either"
            } else {
                "so the gateway passes over it"
            };
            let place = Place::file(&installation.config_path).key(format!("auth.profiles.{}", declared.id));
            if let Some(to) = renamed(installation, declared) {
                let (path, from) = (installation.config_path.clone(), declared.id.clone());
                let message = format!("The config names the login {from}, which the store has as {to}, {effect}.");
                let fix = "opensoul doctor --fix";
                let finding = Finding::new("profile.not-in-store", Severity::Warning, message, fix).at(place);
                findings.push(finding.mended_by(Repair::RenameProfile { path, from, to }));
                continue;
            }
            let message = format!("The config names the profile {}, which no store holds, {effect}.", declared.id);
            let fix = format!(
                "{} models auth paste-token --provider {provider} --profile-id {} (or remove the entry from the config)",
                installation.family.word(),
                declared.id
            );
            findings.push(Finding::new("profile.not-in-store", Severity::Warning, message, fix).at(place));
        }
    }
    findings
}

/// The id that a login has in the store today, where the config has the one that earlier gateways gave to every login
/// (`anthropic:default`). Which login worked last is not looked at: of several, a person says which.
fn renamed(installation: &Installation, declared: &DeclaredProfile) -> Option<String> {
    let provider = normalize(&declared.provider);
    if declared.mode != "oauth" || installation.sqlite || !declared.id.ends_with(":default") {
        return None;
    }
    let stored = &installation.main()?.store.profiles;
    let logins = stored.iter().filter(|one| one.kind == ProfileType::Oauth && normalize(&one.provider) == provider);
    let logins: Vec<Login<'_>> = logins.map(|one| Login { id: &one.id, email: one.email.as_deref() }).collect();
    let to = successor(&declared.id, declared.email.as_deref(), &logins, None)?;
    // The gateway takes the only login there is; whoever edits a file for somebody does not give away another account.
    let stored = logins.iter().find(|login| login.id == to)?.email;
    let other = declared.email.as_deref().is_some_and(|email| stored != Some(email));
    (!other).then(|| to.to_owned())
}

/// Stored profiles of an agent that the gateway leaves out for one of these reasons.
fn excluded<'a>(
    context: &'a Context<'_>,
    reasons: &[Exclusion],
) -> Vec<(&'a Installation, &'a AgentStore, String, String)> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age of the world are far below 2^53")]
    let now_ms = context.now.timestamp_millis() as f64;
    let mut found = Vec::new();
    for (installation, config) in readable(context) {
        for agent in &installation.agents {
            let view = View::new(installation, agent, config, now_ms);
            for shown in view.profiles.iter().filter(|shown| shown.own) {
                let Selection::Excluded(why) = &shown.selection else { continue };
                if reasons.iter().any(|reason| reason.reason() == why) {
                    found.push((installation, agent, shown.profile.id.clone(), why.clone()));
                }
            }
        }
    }
    found
}

fn mismatch(context: &Context<'_>) -> Vec<Finding> {
    excluded(context, &[Exclusion::OtherMode, Exclusion::OtherProvider])
        .into_iter()
        .filter_map(|(installation, agent, id, why)| {
            let stored = agent.store.profile(&id)?;
            let message = format!("The gateway never uses {id}: {why}.");
            let fix = format!(
                "In {} set auth.profiles.\"{id}\" to provider \"{}\" and mode \"{}\", or store it again as what the config says.",
                installation.config_path.display(),
                stored.provider,
                stored.kind.word()
            );
            let place = Place::file(&installation.config_path).key(format!("auth.profiles.{id}"));
            Some(Finding::new("profile.mode-mismatch", Severity::Warning, message, fix).at(place))
        })
        .collect()
}

/// An explicit order that leaves one out is somebody's wish; the list of `auth.profiles` does it as a side effect.
fn unused(context: &Context<'_>) -> Vec<Finding> {
    excluded(context, &[Exclusion::NotInOrder(Basis::ConfigProfiles)])
        .into_iter()
        .map(|(installation, agent, id, why)| {
            let message = format!("The gateway never uses {id}: {why}.");
            let fix = format!(
                "Add \"{id}\" to auth.profiles in {}, or remove it from the store.",
                installation.config_path.display()
            );
            let place = Place::file(&agent.store_path).key(format!("profiles.{id}"));
            Finding::new("profile.unused", Severity::Info, message, fix).at(place)
        })
        .collect()
}

fn deprecated(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for installation in present(context).into_iter().filter(|i| !i.sqlite) {
        for agent in &installation.agents {
            let deprecated = |id: &str| DEPRECATED.iter().find(|(one, _)| *one == id);
            for (id, instead) in agent.store.profiles.iter().filter_map(|profile| deprecated(&profile.id)) {
                let message = format!(
                    "{id} is a copy of a tool's login that no gateway keeps up to date any more: it ends with its token."
                );
                let fix = format!("Log the gateway in by itself: {instead}; then remove {id} from the store.");
                let place = Place::file(&agent.store_path).key(format!("profiles.{id}"));
                findings.push(Finding::new("profile.deprecated", Severity::Info, message, fix).at(place));
            }
        }
    }
    findings
}
