//! What a person's shell has and the running gateway has not.
//!
//! All three checks need the environment of the running process: without it, the absence of a name proves nothing.

use std::collections::BTreeSet;

use super::{By, Check, Context};
use crate::domain::{Finding, Owner, Place, Secret, Severity};
use crate::formats::dotenv;
use crate::formats::gateway_view::{SeenIn, Sight};
use crate::formats::installation::Installation;
use crate::formats::provider_env::{self, ProviderEnv};
use crate::output::doctor::{self, Key, KeyFrom, Keys};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "auth.env-not-inherited",
        about: "keys in this shell that the running gateway does not see",
        by: By::Doctor(not_inherited),
    },
    Check {
        id: "auth.env-differs",
        about: "keys that differ between this shell and the gateway",
        by: By::Doctor(differs),
    },
    Check { id: "auth.env-blank", about: "blank variables that hide keys in .env", by: By::Doctor(blank) },
];

/// The shell's variable that the gateway would read for a provider: the first of its names that is not blank.
fn in_shell(context: &Context<'_>, row: &ProviderEnv) -> Option<(&'static str, Secret)> {
    row.gateway.iter().find_map(|name| Some((*name, Secret::new(context.env.get(name)?.to_owned()))))
}

fn can_compare(context: &Context<'_>) -> bool {
    context.interactive && context.gateway.sight == Sight::Running
}

/// Each provider once; a name that two providers read belongs to the first.
fn rows() -> impl Iterator<Item = &'static ProviderEnv> {
    provider_env::TABLE
        .iter()
        .filter(|row| row.gateway.iter().any(|name| provider_env::provider_of(name) == Some(row.provider)))
}

/// Where the gateway has each key from that it or this shell has.
#[must_use]
pub fn keys(context: &Context<'_>) -> Keys {
    let sight = match context.gateway.sight {
        Sight::Running => doctor::Sight::Running,
        Sight::Planned => doctor::Sight::Planned,
        Sight::Blind => doctor::Sight::Blind,
    };
    let installed = !context.gateway.units.is_empty() || context.installations.iter().any(|i| i.state_dir.is_dir());
    let in_shell = |name: &str| context.interactive && context.env.get(name).is_some();
    let of_shell = provider_env::TABLE.iter().flat_map(|row| row.gateway).filter(|name| in_shell(name));
    let names: BTreeSet<&str> = context.gateway.visible.keys().map(String::as_str).chain(of_shell.copied()).collect();
    let key = |name: &str| {
        let seen = context.gateway.visible.get(name);
        let from = seen.map(|seen| match &seen.from {
            SeenIn::Process => KeyFrom::Process,
            SeenIn::Unit(unit) => KeyFrom::Unit(unit.clone()),
            SeenIn::StateDotenv(path) => KeyFrom::Dotenv(path.display().to_string()),
            SeenIn::Config(path) => KeyFrom::Config(path.display().to_string()),
            SeenIn::LoginShell => KeyFrom::LoginShell,
        });
        Some(Key {
            name: name.to_owned(),
            provider: provider_env::provider_of(name)?.to_owned(),
            from,
            blank: seen.is_some_and(|seen| seen.blank),
            in_shell: in_shell(name),
        })
    };
    // Where there is no gateway, nobody asks where it has its keys from.
    Keys { sight, keys: if installed { names.into_iter().filter_map(key).collect() } else { Vec::new() } }
}

fn not_inherited(context: &Context<'_>) -> Vec<Finding> {
    // A gateway that asks the login shell may have got there what a person has here.
    if !can_compare(context) || chosen(context).is_some_and(|i| i.env.login_shell) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for row in rows() {
        let Some((name, _)) = in_shell(context, row) else { continue };
        let seen = |name: &&str| context.gateway.visible.get(*name).is_some_and(|s| !s.blank);
        if row.gateway.iter().any(seen) || has_usable_profile(context, row.provider) {
            continue;
        }
        let in_use = context.snapshot.providers.iter().any(|p| p.provider == row.provider && p.in_use);
        let severity = if in_use { Severity::Warning } else { Severity::Info };
        let message = format!(
            "{name} is set in this shell, and the running gateway does not see it: to the gateway {} has no key.",
            row.provider
        );
        let dotenv = chosen(context).map(|i| i.state_dir.join(".env"));
        let fix = match &dotenv {
            // A line of its own, whether or not the last one ends.
            Some(path) => format!(
                "Add the line {name}=… to the gateway's .env and restart it: (umask 077; printf '\\n{name}=%s\\n' \"${name}\" \
                 >> {}) && {}",
                super::files::quoted(path),
                context.gateway.restart_command()
            ),
            None => format!("Set {name} where the gateway is started, then {}", context.gateway.restart_command()),
        };
        let place = Place { path: dotenv, key: Some(name.to_owned()), ..Place::default() };
        findings.push(Finding::new("auth.env-not-inherited", severity, message, fix).at(place));
    }
    findings
}

/// A usable profile in a gateway store is taken before any variable.
fn has_usable_profile(context: &Context<'_>, provider: &str) -> bool {
    context.snapshot.credentials.iter().any(|a| {
        a.credential.owner == Owner::GatewayStore && a.credential.provider == provider && a.judgement.state.is_usable()
    })
}

fn chosen<'a>(context: &'a Context<'_>) -> Option<&'a Installation> {
    context.installations.iter().find(|i| i.chosen)
}

fn differs(context: &Context<'_>) -> Vec<Finding> {
    if !can_compare(context) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for row in rows() {
        let Some((name, secret)) = in_shell(context, row) else { continue };
        let Some(seen) = context.gateway.visible.get(name) else { continue };
        if seen.fingerprint.is_none() || seen.fingerprint == context.key.fingerprint(&secret) {
            continue;
        }
        let from = match &seen.from {
            SeenIn::Process => "its own environment".to_owned(),
            SeenIn::Unit(unit) => unit.clone(),
            SeenIn::StateDotenv(path) | SeenIn::Config(path) => path.display().to_string(),
            SeenIn::LoginShell => "the login shell".to_owned(),
        };
        findings.push(
            Finding::new(
                "auth.env-differs",
                Severity::Info,
                format!("The running gateway uses another {name} than this shell; it has it from {from}."),
                format!(
                    "If this shell's is the right one, set it there and run: {}",
                    context.gateway.restart_command()
                ),
            )
            .at(Place::default().key(name)),
        );
    }
    findings
}

fn blank(context: &Context<'_>) -> Vec<Finding> {
    if context.gateway.sight == Sight::Blind {
        return Vec::new();
    }
    let Some(path) = chosen(context).map(|i| i.state_dir.join(".env")) else { return Vec::new() };
    let mut findings = Vec::new();
    for assignment in dotenv::parse(&crate::files::text(&path)) {
        let name = &assignment.name;
        let Some(seen) = context.gateway.visible.get(name).filter(|seen| seen.blank) else { continue };
        if assignment.value.trim().is_empty() || !matches!(seen.from, SeenIn::Process | SeenIn::Unit(_)) {
            continue;
        }
        findings.push(
            Finding::new(
                "auth.env-blank",
                Severity::Warning,
                format!("The gateway is started with an empty {name}, which hides the one in its .env."),
                format!(
                    "Remove the empty {name} where the gateway is started, then {}",
                    context.gateway.restart_command()
                ),
            )
            .at(Place { line: Some(assignment.line), ..Place::file(&path).key(name) }),
        );
    }
    findings
}
