//! Stored profiles and keys of a gateway's config as credentials: what is there, when it ends, who renews it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::locate::AGENT_OF_VARIABLE;
use crate::domain::{
    Activity, Basis, Bench, BenchKind, Clocks, Condition, Credential, CredentialId, Fingerprint, FingerprintKey, Kind,
    Origin, Owner, Renewal, Secret, Selection, Time,
};
use crate::formats::auth_store::{Expires, FENCE, Profile, ProfileType, Usage};
use crate::formats::eligibility::{Shown, can_refresh};
use crate::formats::installation::{AgentStore, EnvKey, Installation, Layer};
use crate::sources::{Found, decode, shell_word};

/// A number of milliseconds as an instant; `None` for what cannot be a date.
#[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
fn instant(ms: f64) -> Option<Time> {
    (ms.is_finite() && (1e11..=8.64e15).contains(&ms)).then(|| Time::from_timestamp_millis(ms as i64)).flatten()
}

/// What `expires` means.
enum End {
    None,
    At(Time),
    Damaged(String),
}

fn end(profile: &Profile, sqlite: bool, notes: &mut Vec<String>) -> End {
    let refreshable = can_refresh(profile);
    match &profile.expires {
        Expires::Absent | Expires::Null => End::None,
        Expires::Text(_) | Expires::Wrong(_) => {
            let what = match profile.expires {
                Expires::Wrong(kind) => kind,
                _ => "a string",
            };
            End::Damaged(format!(
                "`expires` is {what} instead of a number of milliseconds, and the gateway does not take it for a date"
            ))
        }
        Expires::Number(n) if *n <= 0.0 => {
            if profile.kind == ProfileType::Token && sqlite {
                return End::Damaged(
                    "`expires` is not a date (invalid_expires): the gateway does not use it".to_owned(),
                );
            }
            if profile.kind == ProfileType::Oauth && !refreshable {
                return End::Damaged("`expires` is not a date: the gateway takes it for expired".to_owned());
            }
            notes.push("`expires` is zero or negative, which the gateway takes for no date".to_owned());
            End::None
        }
        Expires::Number(n) if (1e9..1e11).contains(n) => match instant(n * 1000.0) {
            Some(at) => {
                notes.push("`expires` is in seconds; the gateway reads it as milliseconds, so as long past".to_owned());
                End::At(at)
            }
            None => End::Damaged("`expires` cannot be a date".to_owned()),
        },
        Expires::Number(n) => match instant(*n) {
            Some(at) => End::At(at),
            None => End::Damaged("`expires` cannot be a date".to_owned()),
        },
    }
}

fn condition(profile: &Profile) -> Condition {
    if let Some(why) = &profile.damage {
        return Condition::Damaged(why.to_string());
    }
    if let Some(why) = &profile.unresolved {
        return Condition::Unresolved(why.to_string());
    }
    let blank = |secret: Option<&Secret>| secret.map(Secret::is_blank);
    let fence = [&profile.secret, &profile.refresh].into_iter().flatten().find(|s| s.expose().starts_with(FENCE));
    if let Some(fence) = fence {
        return if fence.expose().contains(":failed:") {
            Condition::Absent("the gateway failed to renew it and put a mark in place of its tokens".to_owned())
        } else {
            Condition::Unreadable("the gateway is renewing it just now".to_owned())
        };
    }
    match (profile.kind, blank(profile.secret.as_ref()), blank(profile.refresh.as_ref())) {
        (ProfileType::Oauth, Some(false), _) | (ProfileType::Oauth, _, Some(false)) => Condition::Present,
        (ProfileType::Oauth, None, None) => Condition::Absent("there are no tokens".to_owned()),
        (ProfileType::Oauth, _, _) => Condition::Blanked,
        (_, Some(false), _) => Condition::Present,
        (ProfileType::ApiKey, None, _) => Condition::Absent("there is no `key`".to_owned()),
        (ProfileType::ApiKey, Some(true), _) => Condition::Absent("`key` is blank".to_owned()),
        (ProfileType::Token, None, _) => Condition::Absent("there is no `token`".to_owned()),
        (ProfileType::Token, Some(true), _) => Condition::Absent("`token` is blank".to_owned()),
    }
}

/// The store that a profile is in, which need not be the one through which it is seen.
pub struct Owning<'a> {
    agent: &'a AgentStore,
    path: Arc<Path>,
    name: Arc<str>,
}

impl<'a> From<&'a AgentStore> for Owning<'a> {
    fn from(agent: &'a AgentStore) -> Self {
        Self { agent, path: agent.store_path.as_path().into(), name: agent.agent.as_str().into() }
    }
}

/// The fingerprints of a profile's secret and of its refresh token.
pub type Prints = [Option<Fingerprint>; 2];

/// Makes them.
pub fn prints(profile: &Profile, key: &FingerprintKey) -> Prints {
    [&profile.secret, &profile.refresh].map(|secret| secret.as_ref().and_then(|secret| key.fingerprint(secret)))
}

/// A stored profile.
pub fn profile(
    installation: &Installation,
    Owning { agent: owner, path, name }: &Owning<'_>,
    shown: &Shown<'_>,
    provider: &str,
    [fingerprint, refresh_fingerprint]: Prints,
) -> Found {
    let Shown { profile, usage, selection, .. } = shown;
    let usage = *usage;
    let mut notes = Vec::new();
    let mut condition = condition(profile);
    let refreshable = can_refresh(profile);
    let mut clocks = Clocks::default();
    if profile.kind == ProfileType::ApiKey {
        if !matches!(profile.expires, Expires::Absent | Expires::Null) {
            notes.push("it carries an `expires`, which the gateway ignores for keys".to_owned());
        }
    } else {
        match end(profile, installation.sqlite, &mut notes) {
            End::None => {}
            End::At(at) if profile.kind == ProfileType::Token => {
                clocks.grant_expires = Some(at);
                clocks.grant_basis = Some(Basis::Declared);
            }
            End::At(at) => clocks.access_expires = Some(at),
            End::Damaged(why) if condition == Condition::Present => condition = Condition::Damaged(why),
            End::Damaged(why) => notes.push(why),
        }
        if profile.kind == ProfileType::Oauth
            && condition == Condition::Present
            && matches!(profile.expires, Expires::Absent | Expires::Null)
            && !refreshable
        {
            let why = "there is no `expires`: the gateway takes it for expired, and cannot renew it";
            condition = Condition::Damaged(why.to_owned());
        }
    }
    let mut path = Arc::clone(path);
    if let Some(imported) = owner.imported.get(&profile.id) {
        notes.push(format!("the gateway would import it from {} at its next start", imported.display()));
        path = imported.as_path().into();
    }
    let word = installation.family.word();
    let (kind, renewal) = match profile.kind {
        ProfileType::ApiKey => (Kind::ApiKey, Renewal::None),
        ProfileType::Token => (Kind::Token, Renewal::Manual),
        ProfileType::Oauth => (Kind::Oauth, if refreshable { Renewal::Auto } else { Renewal::Manual }),
    };
    let milliseconds = |value: Option<f64>| value.and_then(instant);
    let credential = Box::new(Credential {
        id: CredentialId([word, ":", &owner.agent, "/", &profile.id].concat()),
        provider: provider.to_owned(),
        profile: profile.id.clone(),
        kind,
        agent: Some(Arc::clone(name)),
        origin: Origin { source: word.into(), path: Some(path), modified: owner.modified },
        owner: Owner::GatewayStore,
        renewal,
        condition,
        clocks,
        account: profile.email.clone().or_else(|| profile.account.clone()),
        scopes: None,
        fingerprint,
        refresh_fingerprint,
        selection: selection.clone(),
        bench: usage.and_then(bench),
        activity: Activity {
            last_used: usage.and_then(|u| milliseconds(u.last_used)),
            last_failure: usage.and_then(|u| milliseconds(u.last_failure)),
            owner_changed: owner.modified,
        },
        declared_in_use: None,
        fix: unresolved(profile, installation).unwrap_or_else(|| fix(profile, provider, &owner.agent)),
        notes,
    });
    let secret = profile.secret.as_ref().filter(|s| !s.is_blank()).map(Secret::share);
    Found { credential, secret }.unless_placeholder()
}

fn bench(usage: &Usage) -> Option<Bench> {
    let until = instant(usage.unusable_until()?)?;
    let disabled = usage.disabled_until.is_some_and(|at| Some(at) == usage.unusable_until());
    let kind = if disabled { BenchKind::Disabled } else { BenchKind::Cooldown };
    Some(Bench { kind, until, reason: usage.disabled_reason.clone().filter(|_| disabled) })
}

/// What to do about a reference that leads nowhere.
fn unresolved(profile: &Profile, installation: &Installation) -> Option<String> {
    let reference = profile.reference.as_ref().filter(|_| profile.unresolved.is_some())?;
    let (id, config) = (&reference.id, installation.config_path.display());
    let entry = format!("secrets.providers.{} of {config}", reference.provider);
    Some(match reference.source.as_str() {
        "env" => format!("Set {id} in {}, or where the gateway starts.", installation.state_dir.join(".env").display()),
        "file" => format!("Write the secret to the file that {entry} names ({id})."),
        "exec" => format!("Run the program that {entry} names in your own shell: it must print the secret."),
        "store" => format!("Look for {id} in the gateway's own secret store, which nobody else reads."),
        _ => return None,
    })
}

fn fix(profile: &Profile, provider: &str, agent: &str) -> String {
    // Without `--agent` the gateway means main, or what the variable names.
    let (flag, agent) = match agent {
        "main" | AGENT_OF_VARIABLE => ("", Cow::Borrowed("")),
        agent => (" --agent ", shell_word(agent)),
    };
    match profile.kind {
        ProfileType::Token => {
            let first = if provider == "anthropic" { "claude setup-token && " } else { "" };
            let (provider, id) = (shell_word(provider), shell_word(&profile.id));
            // One piece of the right size: there is one for each of ten thousand profiles.
            let paste = "opensoul models auth paste-token --provider ";
            [first, paste, &provider, " --profile-id ", &id, flag, &agent].concat()
        }
        ProfileType::Oauth => ["opensoul models auth login --provider ", &shell_word(provider)].concat(),
        ProfileType::ApiKey => "opensoul configure".to_owned(),
    }
}

/// Profiles that the gateway drops: they are shown as damaged, never forgotten.
pub fn dropped(installation: &Installation, agent: &AgentStore) -> Vec<Found> {
    let word = installation.family.word();
    let path: Arc<Path> = agent.store_path.as_path().into();
    let one = |d: &crate::formats::auth_store::Dropped| {
        let provider = d.provider.as_deref().map(crate::formats::provider_id::normalize).unwrap_or_default();
        let origin = Origin { source: word.into(), path: Some(Arc::clone(&path)), modified: agent.modified };
        let mut credential = plain(format!("{word}:{}/{}", agent.agent, d.id), &provider, &d.id, origin);
        credential.owner = Owner::GatewayStore;
        credential.agent = Some(agent.agent.as_str().into());
        credential.condition = Condition::Damaged(format!("the profile {}; the gateway drops it", d.why));
        credential.selection = Selection::Excluded("damaged: the gateway drops it".to_owned());
        credential.fix = format!("correct the profile in {}", agent.store_path.display());
        Found { credential, secret: None }
    };
    agent.store.dropped.iter().map(one).collect()
}

fn plain(id: String, provider: &str, profile: &str, origin: Origin) -> Box<Credential> {
    Box::new(Credential {
        id: CredentialId(id),
        provider: provider.to_owned(),
        profile: profile.to_owned(),
        kind: Kind::ApiKey,
        agent: None,
        origin,
        owner: Owner::Environment,
        renewal: Renewal::None,
        condition: Condition::Present,
        clocks: Clocks::default(),
        account: None,
        scopes: None,
        fingerprint: None,
        refresh_fingerprint: None,
        selection: Selection::NotApplicable,
        bench: None,
        activity: Activity::default(),
        declared_in_use: None,
        fix: String::new(),
        notes: Vec::new(),
    })
}

/// The key of a `models.providers` entry.
pub fn config_key(
    installation: &Installation,
    id: &str,
    provider: &str,
    secret: &Secret,
    key: &FingerprintKey,
) -> Found {
    let word = installation.family.word();
    let path = &installation.config_path;
    let modified = crate::files::modified(path);
    let origin = Origin { source: word.into(), path: Some(path.as_path().into()), modified };
    let mut credential = plain(format!("{word}:config#models.providers.{id}"), provider, id, origin);
    credential.fix =
        format!("make a new key at {provider}, then set models.providers.{id}.apiKey in {}", path.display());
    Found { credential, secret: None }.with(secret, key)
}

/// A key in the gateway's environment, as its credential id names the layer.
pub fn env_key(installation: &Installation, provider: &str, found: &EnvKey<'_>, key: &FingerprintKey) -> Found {
    let word = installation.family.word();
    let name = found.name.unwrap_or("GOOGLE_APPLICATION_CREDENTIALS");
    let at = |path: &Path| (format!("dotenv:{}#{name}", path.display()), "dotenv", Some(path.into()));
    let (id, source, path): (_, _, Option<Arc<Path>>) = match found.layer {
        Layer::Process => (format!("env:{name}"), "env", None),
        Layer::CwdDotenv(path) | Layer::StateDotenv(path) => at(path),
        Layer::Config => (format!("{word}:config#env.{name}"), word, Some(installation.config_path.as_path().into())),
        Layer::LoginShell => (format!("shell:{name}"), "shell", None),
    };
    let modified = path.as_deref().and_then(crate::files::modified);
    let mut credential = plain(id, provider, name, Origin { source: source.into(), path, modified });
    if found.name.is_none() {
        credential.kind = Kind::Cloud;
    } else {
        credential.kind = crate::formats::provider_env::kind_of(name);
        if credential.kind == Kind::Token {
            credential.renewal = Renewal::Manual;
        }
    }
    credential.fix = format!("make a new key at {provider}, then set {name}");
    let found = Found { credential, secret: None };
    match installation.env.get(name) {
        Some(value) => found.with(&Secret::new(value.to_owned()), key),
        None => found,
    }
}

impl Found {
    fn with(mut self, secret: &Secret, key: &FingerprintKey) -> Self {
        self.credential.fingerprint = key.fingerprint(secret);
        decode(&mut self.credential, secret);
        self.secret = Some(secret.share());
        self.unless_placeholder()
    }
}
