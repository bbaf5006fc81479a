//! Asking the providers, when that is due: which credentials, where not, and hearing a failure twice (DESIGN §7, *live
//! verdicts*). The answers go into the cycle that follows; nothing is written here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Assessed, Condition, CredentialId, Environment, Owner, Secret, Snapshot, Time};
use crate::engine::clock_trust::ProviderDate;
use crate::files;
use crate::formats::dotenv;
use crate::formats::installation::Installation;
use crate::net::Clients;
use crate::providers::{
    Asked, Catalog, Probed, Settings, Target, confirmation_delay, is_due, needs_confirmation, probe,
};
use crate::store::{ProbeRecord, Remembered, StoredVerdict};

use super::cycle::{CycleError, Monitor, PROBE, STATUS, look};
use super::observe::Observed;

/// What the providers said.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// For the store.
    pub records: Vec<ProbeRecord>,
    /// What a provider's clock shows, if every provider that answered disagrees with ours.
    pub provider_date: Option<ProviderDate>,
    asked: bool,
}

impl Answers {
    /// Adds them to what earlier cycles know, for the judgement of this very cycle.
    pub fn teach(&self, remembered: &mut Remembered) {
        for record in &self.records {
            remembered.verdicts.entry(record.credential.clone()).or_default().learn(record);
        }
    }

    /// The jobs that a cycle with these answers has done.
    pub(super) fn runs(&self) -> &'static [&'static str] {
        if self.asked { &[STATUS, PROBE] } else { &[STATUS] }
    }
}

/// Whoever asks.
pub struct Asker<'a> {
    /// HTTP.
    pub clients: &'a Clients,
    /// The clock.
    pub clock: &'a Arc<dyn Clock>,
    /// How.
    pub settings: Settings,
    /// For variables that name another place than the provider's own.
    pub env: &'a Environment,
}

/// One round of the monitor: looks, and asks about what is due.
///
/// # Errors
/// If looking fails.
pub async fn round(
    monitor: &Monitor,
    config: &Arc<Config>,
    env: &Environment,
    clients: &Clients,
    patience: Duration,
) -> Result<Answers, CycleError> {
    let remembered = monitor.desk.with(|store| store.remembered()).await??;
    let again = || look(monitor, config, remembered.clone(), monitor.clock.now());
    let seen = again().await?;
    let settings = Settings { providers: config.providers.clone(), ..Settings::default() };
    let asker = Asker { clients, clock: &monitor.clock, settings, env };
    let now = monitor.clock.now();
    let due = |one: &&Assessed| is_due_now(one, remembered.verdicts.get(&one.credential.id), now);
    let wanted: Vec<CredentialId> =
        seen.snapshot.credentials.iter().filter(due).map(|one| one.credential.id.clone()).collect();
    let answers = asker.ask_twice(seen, &wanted, again, patience).await?;
    monitor.progress.made();
    *monitor.provider_date.lock().unwrap_or_else(PoisonError::into_inner) = answers.provider_date;
    Ok(answers)
}

impl Asker<'_> {
    /// Asks, and asks a second time after looking again, wherever the first answer would raise an alarm. It waits for that 5 to
    /// 30 s, at most `patience`.
    ///
    /// # Errors
    /// What `look_again` fails with.
    pub async fn ask_twice<E>(
        &self,
        mut seen: Observed,
        wanted: &[CredentialId],
        look_again: impl AsyncFnOnce() -> Result<Observed, E>,
        patience: Duration,
    ) -> Result<Answers, E> {
        let mut answers = self.ask(&seen.snapshot, &mut seen.secrets, &seen.installations, wanted).await;
        let doubtful: Vec<CredentialId> =
            answers.iter().filter(|one| needs_confirmation(&one.verdict)).map(|one| one.id.clone()).collect();
        let now = self.clock.now();
        if let Some(wait) = doubtful.iter().map(|id| confirmation_delay(id, now)).max() {
            tokio::time::sleep(wait.min(patience)).await;
            // Its owner may have renewed it meanwhile.
            seen = look_again().await?;
            let again = self.ask(&seen.snapshot, &mut seen.secrets, &seen.installations, &doubtful).await;
            // The second answer counts, whatever it is; where there is no second question any more, there is no answer.
            answers.retain(|one| !doubtful.contains(&one.id));
            answers.extend(again);
        }
        Ok(collect(answers, &seen.snapshot, self.clock.now()))
    }

    /// One question about each of `wanted` that may be asked about. Takes their secrets out of `secrets`.
    pub async fn ask(
        &self,
        snapshot: &Snapshot,
        secrets: &mut BTreeMap<CredentialId, Secret>,
        installations: &[Installation],
        wanted: &[CredentialId],
    ) -> Vec<Probed> {
        let mut targets = Vec::new();
        let wanted: BTreeSet<&CredentialId> = wanted.iter().collect();
        for one in &snapshot.credentials {
            let credential = &one.credential;
            // The answer about one place of a secret is an answer about all its copies.
            let may = wanted.contains(&credential.id)
                && one.copy_of.is_none()
                && credential.condition == Condition::Present
                && !goes_elsewhere(one, installations, self.env);
            if may && let Some(secret) = secrets.remove(&credential.id) {
                targets.push(Target {
                    id: credential.id.clone(),
                    provider: credential.provider.clone(),
                    kind: credential.kind,
                    secret,
                    base_url: None,
                });
            }
        }
        probe(targets, &self.settings, self.clients, self.clock).await
    }
}

/// For the store: each answer with the generation that it is about.
#[must_use]
pub fn collect(answers: Vec<Probed>, snapshot: &Snapshot, now: Time) -> Answers {
    let generations: BTreeMap<&CredentialId, &String> =
        snapshot.credentials.iter().map(|one| (&one.credential.id, &one.judgement.generation)).collect();
    // A clock is wrong if all who answered say so; one provider (or a proxy) may be wrong itself.
    let answered = || answers.iter().filter(|one| one.latency.is_some() && one.verdict.kind.is_conclusive());
    let skews: Option<Vec<_>> = answered().map(|one| one.facts.clock_skew).collect();
    let least = skews.and_then(|skews| skews.into_iter().min_by_key(|skew| skew.abs()));
    let provider_date = least.map(|skew| ProviderDate { said: now + skew, seen: now });
    let records = answers
        .into_iter()
        .filter_map(|one| {
            let generation = (*generations.get(&one.id)?).clone();
            let not_before = one.latency.and_then(|_| Asked::new(one.verdict.at, &one.facts).not_before);
            Some(ProbeRecord { credential: one.id, generation, verdict: one.verdict, not_before })
        })
        .collect();
    Answers { records, provider_date, asked: true }
}

fn is_due_now(one: &Assessed, stored: Option<&StoredVerdict>, now: Time) -> bool {
    let Some(row) = Catalog::get().provider(&one.credential.provider).and_then(|row| row.probe.as_ref()) else {
        // No request comes of it, only the word that there is none.
        return true;
    };
    let last = stored.and_then(|stored| Some(Asked { at: stored.last_asked()?, not_before: stored.not_before }));
    is_due(&one.credential.id, row, last.as_ref(), now)
}

/// Whether its user sends it to another place than the provider's own, where the provider's refusal would prove nothing
/// and the key has no business (DESIGN §5.6).
fn goes_elsewhere(one: &Assessed, installations: &[Installation], env: &Environment) -> bool {
    let credential = &one.credential;
    match credential.owner {
        Owner::GatewayStore => installations
            .iter()
            .filter(|gateway| gateway.family.word() == credential.origin.source)
            .filter_map(|gateway| gateway.config.as_ref()?.provider(&credential.provider)?.base_url.as_deref())
            .any(|base| !is_own_host(&credential.provider, base)),
        Owner::Environment => {
            let Some((stem, beside)) = stem_of(&credential.profile, credential.origin.path.as_deref()) else {
                return false;
            };
            let names = ["BASE_URL", "API_BASE", "API_BASE_URL", "ENDPOINT"].map(|end| format!("{stem}_{end}"));
            let in_file = beside.iter().filter(|one| names.contains(&one.name)).map(|one| one.value.as_str());
            let set = names.iter().filter_map(|name| env.get(name)).chain(in_file);
            set.map(str::trim).any(|base| !base.is_empty() && !is_own_host(&credential.provider, base))
        }
        Owner::Tool | Owner::Declared => false,
    }
}

/// `OPENAI` of `OPENAI_API_KEY`, and the assignments that stand in the same file.
fn stem_of(name: &str, file: Option<&std::path::Path>) -> Option<(String, Vec<dotenv::Assignment>)> {
    let ends = ["_API_KEY", "_OAUTH_TOKEN", "_AUTH_TOKEN", "_API_TOKEN", "_TOKEN", "_KEY"];
    let stem = ends.iter().find_map(|end| name.strip_suffix(end))?;
    let beside = file.map_or_else(Vec::new, |path| dotenv::parse(&files::text(path)));
    Some((stem.to_owned(), beside))
}

fn is_own_host(provider: &str, base: &str) -> bool {
    let host = |url: &str| reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let row = Catalog::get().provider(provider).and_then(|row| row.probe.as_ref());
    row.is_some_and(|row| host(&row.base_url) == host(base) && host(base).is_some())
}
