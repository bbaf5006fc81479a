//! Asking the providers, when that is due: which credentials, where not, and hearing a failure twice (DESIGN §7, *live
//! verdicts*). The answers go into the cycle that follows; nothing is written here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{
    Allowance, Assessed, Condition, CredentialId, Environment, Kind, Owner, Renewal, Secret, Snapshot, Time, Verdict,
    VerdictKind,
};
use crate::engine::assess::generation;
use crate::engine::clock_trust::ProviderDate;
use crate::files;
use crate::formats::dotenv;
use crate::formats::gateway_config::ModelProvider;
use crate::formats::installation::Installation;
use crate::formats::provider_row::Shape;
use crate::net::Clients;
use crate::providers::route::can_be_paid;
use crate::providers::{
    Asked, Catalog, Facts, Pace, Probed, Settings, Target, after_renewal, confirmation_delay, is_due,
    needs_confirmation, probe,
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
            remembered.learn(record);
        }
    }

    /// The jobs that a cycle with these answers has done.
    pub(super) fn runs(&self) -> &'static [&'static str] {
        if self.asked { &[STATUS, PROBE] } else { &[STATUS] }
    }
}

/// What can be asked about.
pub struct Askable {
    /// Everything judged.
    pub snapshot: Snapshot,
    /// Its secrets.
    pub secrets: BTreeMap<CredentialId, Secret>,
    /// The gateways that it was found in.
    pub installations: Vec<Installation>,
}

impl From<Observed> for Askable {
    fn from(seen: Observed) -> Self {
        Self { snapshot: seen.snapshot, secrets: seen.secrets, installations: seen.installations }
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
    /// The model that a paid question names, by provider; empty unless a person asked for paid ones.
    pub models: BTreeMap<String, String>,
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
    let answers = ask_about(monitor, config, env, clients, patience, is_due_now).await?;
    let said = answers.provider_date;
    monitor.desk.with(move |store| store.set_provider_date(said)).await??;
    Ok(answers)
}

/// The same between the rounds, and only about logins that were renewed after the provider's refusal ([`proof_at`]).
///
/// # Errors
/// If looking fails.
pub async fn prove_renewed(
    monitor: &Monitor,
    config: &Arc<Config>,
    env: &Environment,
    clients: &Clients,
    patience: Duration,
) -> Result<Answers, CycleError> {
    let waits = |one: &Assessed, stored: Option<&StoredVerdict>, per_day, now| {
        proof_at(one, stored, per_day).is_some_and(|at| at <= now)
    };
    let answers = ask_about(monitor, config, env, clients, patience, waits).await?;
    // The round of the schedule is still to come.
    Ok(Answers { asked: false, ..answers })
}

async fn ask_about(
    monitor: &Monitor,
    config: &Arc<Config>,
    env: &Environment,
    clients: &Clients,
    patience: Duration,
    due: impl Fn(&Assessed, Option<&StoredVerdict>, u32, Time) -> bool,
) -> Result<Answers, CycleError> {
    let remembered = monitor.desk.with(|store| store.remembered()).await??;
    let again = || look(monitor, config, remembered.clone(), monitor.clock.now());
    let seen = again().await?;
    let asker = Asker { clients, clock: &monitor.clock, settings: Settings::of(config), env, models: BTreeMap::new() };
    let now = monitor.clock.now();
    let due = |one: &&Assessed| due(one, remembered.verdicts.get(&one.credential.id), config.probing.per_day, now);
    let wanted: Vec<CredentialId> =
        seen.snapshot.credentials.iter().filter(due).map(|one| one.credential.id.clone()).collect();
    let answers = asker.ask_twice(seen, &wanted, again, patience).await?;
    monitor.progress.made();
    Ok(answers)
}

impl Asker<'_> {
    /// [`Asker::ask_until_sure`], for the store.
    ///
    /// # Errors
    /// What `look_again` fails with.
    pub async fn ask_twice<E>(
        &self,
        seen: Observed,
        wanted: &[CredentialId],
        look_again: impl AsyncFnOnce() -> Result<Observed, E>,
        patience: Duration,
    ) -> Result<Answers, E> {
        let look_again = async || Ok(Askable::from(look_again().await?));
        let (answers, snapshot) = self.ask_until_sure(seen.into(), wanted, look_again, patience).await?;
        Ok(collect(answers, &snapshot, self.clock.now()))
    }

    /// Asks, and asks a second time after looking again, wherever the first answer would raise an alarm. It waits for that 5 to
    /// 30 s, at most `patience`. With what was seen last.
    ///
    /// # Errors
    /// What `look_again` fails with.
    pub async fn ask_until_sure<E>(
        &self,
        mut seen: Askable,
        wanted: &[CredentialId],
        look_again: impl AsyncFnOnce() -> Result<Askable, E>,
        patience: Duration,
    ) -> Result<(Vec<Probed>, Snapshot), E> {
        let mut answers = self.ask(&seen.snapshot, &mut seen.secrets, &seen.installations, wanted).await;
        let doubtful: Vec<CredentialId> = answers
            .iter()
            .filter(|one| one.latency.is_some() && needs_confirmation(&one.verdict))
            .map(|one| one.id.clone())
            .collect();
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
        Ok((answers, seen.snapshot))
    }

    /// Which credentials would be asked about for a token, and with which model.
    #[must_use]
    pub fn paid_questions(
        &self,
        snapshot: &Snapshot,
        secrets: &BTreeMap<CredentialId, Secret>,
    ) -> Vec<(CredentialId, String)> {
        let question = |one: &Assessed| {
            let credential = &one.credential;
            let model = self.models.get(&credential.provider)?;
            let entry = self.settings.providers.get(&credential.provider);
            let asked = one.copy_of.is_none()
                && credential.condition == Condition::Present
                && matches!(credential.kind, Kind::ApiKey | Kind::Token)
                && secrets.get(&credential.id).is_some_and(|secret| can_be_paid(&credential.provider, entry, secret));
            asked.then(|| (credential.id.clone(), model.clone()))
        };
        snapshot.credentials.iter().filter_map(question).collect()
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
        let mut unasked = Vec::new();
        let wanted: BTreeSet<&CredentialId> = wanted.iter().collect();
        for one in &snapshot.credentials {
            let credential = &one.credential;
            // The answer about one place of a secret is an answer about all its copies.
            if !wanted.contains(&credential.id) || one.copy_of.is_some() || credential.condition != Condition::Present {
                continue;
            }
            let place = match lapsed(one, self.clock.now()) {
                Some(why) => Place::Nowhere(why),
                None => place(one, installations, self.env),
            };
            let (base_url, shape) = match place {
                Place::Own => (None, None),
                Place::At(base, shape) => (Some(base), shape),
                Place::Nowhere(detail) => {
                    let verdict = Verdict { kind: VerdictKind::Unverifiable, at: self.clock.now(), detail };
                    let facts = Facts::default();
                    unasked.push(Probed { id: credential.id.clone(), verdict, facts, latency: None });
                    continue;
                }
            };
            if let Some(secret) = secrets.remove(&credential.id) {
                targets.push(Target {
                    id: credential.id.clone(),
                    provider: credential.provider.clone(),
                    kind: credential.kind,
                    secret,
                    base_url,
                    shape,
                    model: self.models.get(&credential.provider).cloned(),
                });
            }
        }
        let mut answers = probe(targets, &self.settings, self.clients, self.clock).await;
        answers.extend(unasked);
        answers
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
            let Facts { expires, balance, quota, .. } = one.facts;
            let allowance = Allowance { expires, balance, quota, at: Some(one.verdict.at), ..Allowance::default() };
            Some(ProbeRecord { credential: one.id, generation, verdict: one.verdict, not_before, allowance })
        })
        .collect();
    Answers { records, provider_date, asked: true }
}

/// When a login that its owner renewed after the provider's refusal may be asked about again. It is judged anew at once, but
/// its incident is over only when the provider says so.
#[must_use]
pub fn proof_at(one: &Assessed, stored: Option<&StoredVerdict>, per_day: u32) -> Option<Time> {
    let refusal = one.verdict.as_ref().filter(|verdict| verdict.kind.is_conclusive())?;
    let askable = one.copy_of.is_none() && one.credential.condition == Condition::Present;
    let renewed = generation::renewed_after(&one.credential, refusal).filter(|_| askable)?;
    after_renewal(Pace::new(None, per_day), &last(stored)?, renewed)
}

fn is_due_now(one: &Assessed, stored: Option<&StoredVerdict>, per_day: u32, now: Time) -> bool {
    if proof_at(one, stored, per_day).is_some_and(|at| at <= now) {
        return true;
    }
    let Some(row) = Catalog::get().provider(&one.credential.provider).filter(|row| !row.probes.is_empty()) else {
        // No request comes of it, only the word that there is none; or it is a server of one's own, asked as usual.
        return is_due(&one.credential.id, Pace::new(None, per_day), last(stored).as_ref(), now);
    };
    let least = row.probes.iter().filter_map(|probe| probe.every_minutes).max();
    is_due(&one.credential.id, Pace::new(least, per_day), last(stored).as_ref(), now)
}

fn last(stored: Option<&StoredVerdict>) -> Option<Asked> {
    let stored = stored?;
    let at = stored.last_asked()?;
    let twice = stored.conclusive.as_ref().is_some_and(|(_, verdict)| verdict.at == at && needs_confirmation(verdict));
    Some(Asked { at, not_before: stored.not_before, twice })
}

/// A login whose access token has lapsed is renewed when it is used: a refusal of the old token would say nothing.
fn lapsed(one: &Assessed, now: Time) -> Option<String> {
    let credential = &one.credential;
    let lapsed = credential.renewal == Renewal::Auto && credential.clocks.access_expires.is_some_and(|at| at <= now);
    lapsed.then(|| "its access token has lapsed, and only its owner may renew it: it does when it is used".to_owned())
}

/// Where a credential's user sends it.
enum Place {
    /// To its provider.
    Own,
    /// To this base URL, which the gateway's config file names for this very entry.
    At(String, Option<Shape>),
    /// Somewhere else, where the key has no business with us (DESIGN §5.6) and a refusal would prove nothing; the reason.
    Nowhere(String),
}

fn place(one: &Assessed, installations: &[Installation], env: &Environment) -> Place {
    let credential = &one.credential;
    let in_config = credential.id.as_str().contains(":config#models.providers.");
    match credential.owner {
        Owner::Environment if in_config => in_the_gateways_config(one, installations),
        Owner::GatewayStore => in_the_gateways_config(one, installations),
        Owner::Environment => {
            let Some((stem, beside)) = stem_of(&credential.profile, credential.origin.path.as_deref()) else {
                return Place::Own;
            };
            let names = ["BASE_URL", "API_BASE", "API_BASE_URL", "ENDPOINT"].map(|end| format!("{stem}_{end}"));
            let in_file = beside.iter().map(|one| (one.name.as_str(), one.value.as_str()));
            let set = names.iter().filter_map(|name| Some((name.as_str(), env.get(name)?)));
            let elsewhere = |(name, base): &(&str, &str)| {
                let base = base.trim();
                names.iter().any(|known| known == name) && !base.is_empty() && !is_own_host(&credential.provider, base)
            };
            match set.chain(in_file).find(elsewhere) {
                Some((name, _)) => Place::Nowhere(format!(
                    "{name} names another server, and a key goes to no address from an environment: write base_url into \
                     [providers.{}] of monitor.toml",
                    credential.provider
                )),
                None => Place::Own,
            }
        }
        Owner::Tool | Owner::Declared | Owner::Secondhand => Place::Own,
    }
}

/// Where the gateway sends what it keeps.
fn in_the_gateways_config(one: &Assessed, installations: &[Installation]) -> Place {
    let credential = &one.credential;
    let gateways = installations.iter().filter(|gateway| gateway.family.word() == credential.origin.source);
    let entries = gateways.filter_map(|gateway| gateway.config.as_ref()?.provider(&credential.provider));
    let elsewhere =
        |entry: &&ModelProvider| entry.base_url.as_ref().is_some_and(|base| !is_own_host(&credential.provider, base));
    let Some((entry, base)) = entries.filter(elsewhere).find_map(|e| Some((e, e.base_url.as_ref()?))) else {
        return Place::Own;
    };
    // The key in that entry is that server's, and so is one of a provider that nobody else knows.
    let its_own = credential.id.as_str().ends_with(&format!(":config#models.providers.{}", entry.id));
    if its_own || Catalog::get().provider(&credential.provider).is_none() {
        Place::At(base.clone(), shape(entry.api.as_deref()))
    } else {
        Place::Nowhere(format!(
            "its gateway sends it to another server (models.providers.{}.baseUrl), where only that entry's own key \
             goes",
            entry.id
        ))
    }
}

/// The gateway's words for whose requests a server understands.
fn shape(api: Option<&str>) -> Option<Shape> {
    match api? {
        "openai-completions" | "openai-responses" => Some(Shape::Openai),
        "anthropic-messages" => Some(Shape::Anthropic),
        "google-generative-ai" => Some(Shape::Google),
        _ => None,
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
    let Some(row) = Catalog::get().provider(provider) else { return false };
    let own = row.probes.iter().filter_map(|probe| probe.base_url.as_ref()).chain(row.regions.values());
    let base = host(base);
    base.is_some() && own.into_iter().any(|own| host(own) == base)
}
