//! Copies and races: logins that are in several places, and what happens between those.
//!
//! Pure functions over the judged credentials. A state that alerts already is only explained here (`credential.stale-copy`);
//! what no single credential shows is a finding of its own.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::{By, Check, Context};
use crate::domain::{
    Assessed, Condition, Credential, CredentialId, Finding, Fingerprint, Kind, Owner, Place, Renewal, Severity,
    Snapshot, State,
};
use crate::engine::assess::generation;
use crate::store::HeldToken;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "credential.stale-copy",
        about: "agents that were left behind when a login was renewed in another",
        by: By::Doctor(stale_copies),
    },
    Check {
        id: "login.shared-refresh",
        about: "single-use refresh tokens that two owners could spend",
        by: By::Doctor(shared_refresh),
    },
    Check { id: "login.overridden", about: "keys in this shell that go before a login", by: By::Doctor(overridden) },
    Check {
        id: "login.same-account",
        about: "accounts that are logged in several times",
        by: By::Doctor(same_account),
    },
    Check {
        id: "login.stale-mirror",
        about: "a gateway's copies of a tool's login that were left behind",
        by: By::Doctor(stale_mirrors),
    },
    // Made by `went_backwards`, which needs what earlier cycles know.
    Check { id: "login.went-backwards", about: "refresh tokens that were replaced and came back", by: By::Source },
];

/// Providers that give a new refresh token with each renewal and end the login when an old one comes again.
const SINGLE_USE: [&str; 4] = ["anthropic", "openai", "openai-codex", "factory"];

/// Profiles that their gateway copies from a tool's login at each start: one login, by design.
const MIRRORS: [&str; 5] = [
    "anthropic:claude-cli",
    "openai-codex:codex-cli",
    "openai-codex:default",
    "qwen-portal:qwen-cli",
    "minimax-portal:minimax-cli",
];

fn credentials<'a>(context: &'a Context<'_>) -> impl Iterator<Item = &'a Assessed> {
    context.snapshot.credentials.iter()
}

/// The same profile in several agents of one gateway, where some work and some have ended with another secret: the login was
/// renewed in the ones and not in the others.
fn stale_copies(context: &Context<'_>) -> Vec<Finding> {
    let of_agents = || {
        credentials(context).filter(|one| one.credential.owner == Owner::GatewayStore && one.credential.agent.is_some())
    };
    // Mostly nothing has ended, and then nothing has to be compared.
    let mut profiles: BTreeMap<_, Vec<&Assessed>> =
        of_agents().filter(|one| ended(one)).map(|one| (profile(&one.credential), Vec::new())).collect();
    if profiles.is_empty() {
        return Vec::new();
    }
    for one in of_agents() {
        if let Some(places) = profiles.get_mut(&profile(&one.credential)) {
            places.push(one);
        }
    }
    profiles.into_values().filter_map(|places| stale(&places)).collect()
}

/// What is the same profile, whichever agent has it.
fn profile(credential: &Credential) -> (&str, &str, &str) {
    (&credential.origin.source, &credential.provider, &credential.profile)
}

fn ended(one: &Assessed) -> bool {
    matches!(
        one.judgement.state,
        State::Expired | State::Rejected | State::Missing | State::RefreshOverdue | State::Expiring
    )
}

fn stale(places: &[&Assessed]) -> Option<Finding> {
    let works = |one: &&&Assessed| {
        matches!(one.judgement.state, State::Ok | State::Static) && one.credential.condition == Condition::Present
    };
    let fresh: Vec<&Assessed> = places.iter().filter(works).copied().collect();
    let other_account = |one: &Assessed, other: &Assessed| {
        let accounts = (&one.credential.account, &other.credential.account);
        matches!(accounts, (Some(one), Some(other)) if one != other)
    };
    let left: Vec<&Assessed> = places
        .iter()
        .filter(|one| ended(one))
        .copied()
        .filter(|one| {
            fresh.iter().any(|fresh| !same_secret(&one.credential, &fresh.credential) && !other_account(one, fresh))
        })
        .collect();
    let (first, renewed) = (left.first()?, fresh.first()?);
    let agents = |all: &[&Assessed]| names(all.iter().filter_map(|one| one.credential.agent.as_deref()));
    let where_ = |all: &[&Assessed]| names(all.iter().filter_map(|one| path(&one.credential)));
    let message = format!(
        "{} works in {} and is still the old one in {} ({}).",
        renewed.credential.profile,
        agents(&fresh),
        agents(&left),
        where_(&left)
    );
    let mut fixes: Vec<String> = left.iter().map(|one| one.credential.fix.clone()).collect();
    fixes.dedup();
    let fix = match fixes.as_slice() {
        [one] => one.clone(),
        several => format!("For each of these agents: {}", several.join("; ")),
    };
    let severity = left.iter().map(|one| one.judgement.severity).max().unwrap_or_default().max(Severity::Info);
    Some(Finding::new("credential.stale-copy", severity, message, fix).at(place(&first.credential)))
}

fn same_secret(one: &Credential, other: &Credential) -> bool {
    let same = |a: Option<Fingerprint>, b: Option<Fingerprint>| a.is_some() && a == b;
    same(one.fingerprint, other.fingerprint) || same(one.refresh_fingerprint, other.refresh_fingerprint)
}

/// One refresh token in the hands of two owners that both renew: whoever comes second is logged out, mostly both are.
fn shared_refresh(context: &Context<'_>) -> Vec<Finding> {
    let token = |assessed: &Assessed| {
        let credential = &assessed.credential;
        let renews = credential.renewal == Renewal::Auto && credential.condition == Condition::Present;
        credential.refresh_fingerprint.filter(|_| renews && single_use(&credential.provider))
    };
    let mut tokens: Vec<((Fingerprint, &str), &Assessed)> = credentials(context)
        .filter_map(|assessed| Some(((token(assessed)?, assessed.credential.provider.as_str()), assessed)))
        .collect();
    tokens.sort_by_key(|(token, _)| *token);
    let holders = tokens.chunk_by(|(one, _), (other, _)| one == other);
    holders.filter_map(|holders| shared(&holders.iter().map(|(_, assessed)| *assessed).collect::<Vec<_>>())).collect()
}

fn single_use(provider: &str) -> bool {
    // OAuth 2.1, which MCP servers speak, has it so.
    SINGLE_USE.contains(&provider) || provider.starts_with("mcp:")
}

/// Who would renew: a tool, or the gateway of a family with all its agents.
fn renewer(credential: &Credential) -> &str {
    &credential.origin.source
}

fn is_mirror(credential: &Credential) -> bool {
    credential.owner == Owner::GatewayStore && MIRRORS.contains(&credential.profile.as_str())
}

fn shared(places: &[&Assessed]) -> Option<Finding> {
    let parked = |one: &Assessed| one.credential.owner == Owner::Secondhand;
    let mut own: Vec<&Assessed> = places.iter().copied().filter(|one| !is_mirror(&one.credential)).collect();
    // Who renews matters more than what lies aside.
    own.sort_by_key(|one| parked(one));
    let (first, rest) = own.split_first()?;
    let second = rest.iter().find(|one| renewer(&one.credential) != renewer(&first.credential));
    // One gateway renews for all its agents under a lock, which has been seen to fail: worth knowing, no more.
    let agents = rest.iter().find(|one| one.credential.agent != first.credential.agent);
    let aside = second.is_some_and(|second| parked(second));
    let (severity, effect) = match (second, agents) {
        (Some(_), _) if aside => (
            Severity::Info,
            "a parked copy is of no use once the other has been renewed, and putting it back may end the login",
        ),
        (Some(_), _) => {
            (Severity::Warning, "each renews it by itself, and the one that comes second is logged out, or both are")
        }
        (None, Some(_)) => (Severity::Info, "their gateway renews it for each agent, one after the other at best"),
        (None, None) => return None,
    };
    let message = format!(
        "{} hold the same refresh token of {}, which can be used once: {effect} ({}).",
        names(own.iter().map(|one| one.credential.id.as_str())),
        first.credential.provider,
        names(own.iter().filter_map(|one| path(&one.credential))),
    );
    let keep = second.unwrap_or(first);
    let fix = match aside {
        true => "Nothing needs to be done; switch accounts with the program that parked it, which takes the newer one."
            .to_owned(),
        false => format!("Log in once more in one of them, so that each has its own: {}", keep.credential.fix),
    };
    Some(Finding::new("login.shared-refresh", severity, message, fix).at(place(&first.credential)))
}

/// The tool whose login a mirror shows, by the name of its source.
fn mirrored(profile: &str) -> Option<&'static str> {
    match profile {
        "anthropic:claude-cli" => Some("claude-code"),
        "openai-codex:codex-cli" => Some("codex"),
        "qwen-portal:qwen-cli" => Some("qwen-code"),
        _ => None,
    }
}

/// A mirror that no longer works while the login that it shows does, with another token: the copy was not renewed with it.
fn stale_mirrors(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in credentials(context).filter(|one| is_mirror(&one.credential) && !one.judgement.state.is_usable()) {
        let Some(source) = mirrored(&one.credential.profile) else { continue };
        let login = credentials(context).find(|other| {
            other.credential.origin.source == source
                && other.credential.owner == Owner::Tool
                && other.judgement.state.is_usable()
                && !same_secret(&other.credential, &one.credential)
        });
        let Some(login) = login else { continue };
        let message = format!(
            "{} is {}, and {}, which it was copied from, works: the copy was not renewed with it.",
            one.credential.id, one.judgement.state, login.credential.id
        );
        let fix = match source {
            // Read again at each start and with each command of a gateway that mirrors it.
            "qwen-code" => {
                format!("{} models status (the gateway's own, which copies it again)", one.credential.origin.source)
            }
            _ => format!("Log the gateway in by itself: {}", one.credential.fix),
        };
        // That it is dead is its own alert; this says why.
        findings.push(Finding::new("login.stale-mirror", Severity::Info, message, fix).at(place(&one.credential)));
    }
    findings
}

/// A tool, and the variables that go before its login, most powerful first.
struct Precedence {
    source: &'static str,
    /// Ends of the paths that it is true of; none: all.
    files: &'static [&'static str],
    variables: &'static [&'static str],
    /// When they do.
    when: &'static str,
}

const PRECEDENCE: [Precedence; 4] = [
    Precedence {
        source: "claude-code",
        files: &[],
        variables: &["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"],
        when: "",
    },
    Precedence {
        source: "gemini-cli",
        files: &[],
        variables: &["GEMINI_API_KEY"],
        when: " in runs without a terminal",
    },
    // Its command line only; editors keep a login of their own that no variable touches.
    Precedence {
        source: "copilot",
        files: &[".copilot/config.json"],
        variables: &["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"],
        when: "",
    },
    Precedence { source: "gh", files: &[], variables: &["GH_TOKEN", "GITHUB_TOKEN"], when: "" },
];

/// A variable of a person's shell that a tool takes before its own login, without a word. Only there: the monitor's
/// environment is not that of the tools.
fn overridden(context: &Context<'_>) -> Vec<Finding> {
    if !context.interactive {
        return Vec::new();
    }
    PRECEDENCE.iter().filter_map(|tool| overridden_by(tool, context)).collect()
}

fn overridden_by(tool: &Precedence, context: &Context<'_>) -> Option<Finding> {
    let file = |path: &Path| tool.files.is_empty() || tool.files.iter().any(|end| path.ends_with(end));
    let login = credentials(context).find(|one| {
        let Credential { origin, condition, .. } = &*one.credential;
        origin.source == tool.source
            && origin.path.as_deref().is_none_or(file)
            && *condition == Condition::Present
            && one.judgement.state.is_usable()
    })?;
    let name = *tool.variables.iter().find(|name| context.env.get(name).is_some())?;
    let id = format!("env:{name}");
    let key = credentials(context).find(|one| one.credential.id.as_str() == id);
    // The same secret in both places overrides nothing.
    if key.is_some_and(|key| same_secret(&key.credential, &login.credential)) {
        return None;
    }
    let bad = key.filter(|key| !key.judgement.state.is_usable());
    let (severity, effect) = match bad {
        Some(key) => {
            (Severity::Warning, format!(", and is {}: the tool fails although the login is fine", key.judgement.state))
        }
        None => (Severity::Info, String::new()),
    };
    let message = format!(
        "{name} is set in this shell and goes before the login {}{}{effect} ({}).",
        login.credential.id,
        tool.when,
        path(&login.credential).unwrap_or(Cow::Borrowed("no file")),
    );
    let fix = format!("If the login is what you want: unset {name}, and take it out of where this shell gets it from.");
    Some(Finding::new("login.overridden", severity, message, fix).at(place(&login.credential).key(name)))
}

/// Two logins, each with tokens of its own, of one account: they share its limits, and some providers allow only so many.
fn same_account(context: &Context<'_>) -> Vec<Finding> {
    let mut accounts: BTreeMap<(&str, String), Vec<&Assessed>> = BTreeMap::new();
    for assessed in credentials(context) {
        let credential = &assessed.credential;
        let login =
            matches!(credential.kind, Kind::Oauth | Kind::Session) && credential.condition == Condition::Present;
        let own = login && assessed.copy_of.is_none() && assessed.judgement.in_use && !is_mirror(credential);
        if let Some(account) = credential.account.as_deref().filter(|account| own && !account.trim().is_empty()) {
            accounts.entry((&credential.provider, account.trim().to_lowercase())).or_default().push(assessed);
        }
    }
    let several = accounts.into_iter().filter(|(_, logins)| logins.len() > 1);
    several
        .map(|((provider, _), logins)| {
            let message = format!(
                "{} are separate logins of the same {provider} account: they share its limits, and a logout of one does not end \
                 the others ({}).",
                names(logins.iter().map(|one| one.credential.id.as_str())),
                names(logins.iter().filter_map(|one| path(&one.credential))),
            );
            let fix = "Nothing needs to be done; log out where you do not use it.";
            Finding::new("login.same-account", Severity::Info, message, fix).at(place(&logins[0].credential))
        })
        .collect()
}

/// Places whose refresh token had been replaced by a newer one, and that hold the older one again: somebody wrote back what it
/// had in memory or in a backup. The provider takes an old one for stolen, and ends the login.
#[must_use]
pub fn went_backwards(snapshot: &Snapshot, held: &BTreeMap<CredentialId, Vec<HeldToken>>) -> Vec<Finding> {
    snapshot.credentials.iter().filter_map(|one| backwards(&one.credential, held.get(&one.credential.id)?)).collect()
}

fn backwards(credential: &Credential, held: &[HeldToken]) -> Option<Finding> {
    let token = credential.refresh_fingerprint.filter(|_| credential.condition == Condition::Present)?;
    if !single_use(&credential.provider) {
        return None;
    }
    let hex = token.to_hex();
    let now = held.iter().find(|one| one.fingerprint == hex)?;
    // Who changes between accounts brings back old tokens that nobody has replaced.
    let account = generation::account(credential).unwrap_or_default();
    if now.account != account {
        return None;
    }
    let newer =
        held.iter().filter(|one| one.account == account && one.first > now.first).max_by_key(|one| one.first)?;
    // Without a known account it may be another one.
    let severity = if account.is_empty() { Severity::Info } else { Severity::Warning };
    let message = format!(
        "{} holds a refresh token again that had been replaced {}: the next renewal will fail, and may end the login{}.",
        credential.id,
        newer.first.format("%Y-%m-%d %H:%M UTC"),
        path(credential).map(|path| format!(" ({path})")).unwrap_or_default(),
    );
    let fix = format!(
        "Find out what wrote it back (a second machine, a backup, a gateway with an old copy), then: {}",
        credential.fix
    );
    Some(Finding::new("login.went-backwards", severity, message, fix).at(place(credential)))
}

fn place(credential: &Credential) -> Place {
    Place {
        path: credential.origin.path.as_deref().map(Into::into),
        key: Some(credential.profile.clone()),
        ..Place::default()
    }
}

fn path(credential: &Credential) -> Option<Cow<'_, str>> {
    credential.origin.path.as_deref().map(Path::to_string_lossy)
}

/// `a`, `a and b`, `a, b and c`, `a, b and 7 more`; each once.
fn names<T: AsRef<str>>(all: impl Iterator<Item = T>) -> String {
    const MANY: usize = 8;
    let all: Vec<T> = all.collect();
    let mut seen = HashSet::with_capacity(all.len());
    let all: Vec<&str> = all.iter().map(T::as_ref).filter(|name| seen.insert(*name)).collect();
    if all.len() > MANY {
        let more = all.len() - MANY;
        return format!("{} and {more} more", all[..MANY].join(", "));
    }
    match all.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
#[path = "copies_tests.rs"]
mod tests;
