//! One observation: every source is read, the gateway looked at, all of it judged, and the checks run over the result.
//! Shared by every command and by each cycle of the monitor; it reads only, and asks no provider.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::known::{self, Beyond};
use super::remedy;
use super::variables;
use crate::config::{Config, Location};
use crate::cores;
use crate::doctor::{self, Filter, OwnPaths, Program};
use crate::domain::{
    Allowance, Assessed, Basis, Credential, CredentialId, Environment, Finding, FingerprintKey, Gateway, GatewayState,
    Renewal, Secret, Severity, Snapshot, Span, Time, Verdict, VerdictKind,
};
use crate::engine::assess::{assess, generation, worst_first};
use crate::engine::clock_trust::{self, Witnesses};
use crate::engine::observation::Observation;
use crate::formats::gateway_view::{GatewayView, Listening, Sight};
use crate::formats::installation::{Family, Installation};
use crate::gateway;
use crate::sources::{self, Found, Harvest, Scene};
use crate::store::Remembered;

/// Who looks, and with what.
pub struct Look<'a> {
    /// The process environment.
    pub env: &'a Environment,
    /// The working directory of a person's shell, whose `.env` may hold provider keys; `None` in the monitor.
    pub cwd: Option<&'a Path>,
    /// Our configuration.
    pub config: &'a Config,
    /// Where our own files are.
    pub location: &'a Location,
    /// How this program was started.
    pub program: Program,
    /// What earlier cycles know.
    pub remembered: &'a Remembered,
    /// Key of the fingerprints.
    pub key: &'a FingerprintKey,
    /// Whether providers are to be asked afterwards; otherwise the secrets are forgotten at once.
    pub keep_secrets: bool,
    /// The instant of the observation.
    pub now: Time,
}

/// What came of it.
pub struct Observed {
    /// Everything judged.
    pub snapshot: Snapshot,
    /// The secrets of this very observation, for the probes that follow it; none if they were not to be kept.
    pub secrets: BTreeMap<CredentialId, Secret>,
    /// The gateways of this machine.
    pub installations: Vec<Installation>,
    /// The look at the running one.
    pub gateway: GatewayView,
    /// Which key the fingerprints were made with ([`FingerprintKey::id`]).
    pub key: i64,
}

/// Looks, judges and checks.
#[must_use]
pub fn observe(look: &Look<'_>) -> Observed {
    observe_with(look, Some(Path::new("/")), |installations| gateway::look(installations, look.env, look.key, look.now))
}

/// The same inside one home only: nothing is asked of this machine's own gateway, whose environment is somebody's.
#[must_use]
pub fn observe_home_only(look: &Look<'_>) -> Observed {
    observe_with(look, None, |_| not_looked_at())
}

/// What another machine saw of itself: none of its secrets, and nothing of its gateway but the word in the snapshot.
#[must_use]
pub fn of_another(snapshot: Snapshot, key: i64) -> Observed {
    Observed { snapshot, secrets: BTreeMap::new(), installations: Vec::new(), gateway: not_looked_at(), key }
}

fn not_looked_at() -> GatewayView {
    GatewayView {
        gateway: Gateway { state: GatewayState::Absent, detail: "not looked for".to_owned() },
        port: gateway::DEFAULT_PORT,
        process: None,
        units: Vec::new(),
        visible: BTreeMap::new(),
        sight: Sight::Blind,
        systemd: false,
        lingers: None,
        listening: Listening::default(),
    }
}

fn observe_with(
    look: &Look<'_>,
    machine: Option<&Path>,
    see_gateway: impl FnOnce(&[Installation]) -> GatewayView,
) -> Observed {
    let interactive = look.cwd.is_some();
    let scene = Scene {
        env: look.env,
        cwd: look.cwd,
        preferred: Family::of_program(&look.program.name),
        machine,
        env_is_source: interactive || look.config.sources.env,
        dotenv: &look.config.sources.dotenv,
        secrets: &look.config.sources.secrets,
        litellm: &look.config.sources.litellm,
        declared: &look.config.declared,
        receivers: &look.config.receivers,
        chat: look.config.chat.as_ref(),
        now: look.now,
        key: look.key,
    };
    let Harvest { found, mut findings, reports, demand, installations } = sources::harvest(&scene);
    let view = see_gateway(&installations);

    let beyond = Beyond { config: look.config, remembered: look.remembered, key: look.key };
    let mut secrets = BTreeMap::new();
    let mut misplaced = Vec::new();
    let part = |Found { mut credential, secret }| {
        if let Some(secret) = secret {
            misplaced.extend(known::misplaced(&credential, &secret));
            beyond.assume(&mut credential, &secret);
            if look.keep_secrets {
                secrets.insert(credential.id.clone(), secret);
            }
        }
        credential
    };
    let mut credentials: Vec<Box<Credential>> = found.into_iter().map(part).collect();
    findings.extend(misplaced);
    credentials.extend(variables::of_the_gateway(&view));
    variables::as_the_gateway_reads_them(&mut credentials, &demand);
    // Before generations are compared: those of earlier cycles knew of it too.
    findings.extend(beyond.correct(&mut credentials));
    for credential in &mut credentials {
        begun(credential, look.remembered, look.key, look.now);
        renewed(credential, look.remembered, look.key);
    }
    let allowances = allowances(&credentials, look.remembered);
    for credential in &mut credentials {
        ends_by_the_providers_word(credential, &allowances);
    }
    let witnesses = Witnesses {
        built: clock_trust::built(),
        last_persisted: look.remembered.last_time,
        provider: look.remembered.provider_date,
    };
    let observation = Observation {
        host: host(look.config),
        verdicts: verdicts(&credentials, look.remembered, look.now),
        allowances,
        credentials,
        previous: look.remembered.generations.clone(),
        demand,
        gateway: view.gateway.clone(),
        findings,
        sources: reports,
        clock_problem: clock_trust::clock_problem(look.now, &witnesses),
    };
    // The checks will want to know what lies beside the stores; with many agents that takes as long as the judgement.
    let many = installations.iter().map(|installation| installation.agents.len()).sum::<usize>() >= cores::WAITING;
    let (surveyed, mut snapshot) =
        cores::both(many, || doctor::survey(&installations), || assess(observation, &look.config.thresholds, look.now));
    snapshot.fleet = look.config.identity.key.is_some();
    remedy::addresses(&mut snapshot);

    let context = doctor::Context {
        snapshot: &snapshot,
        installations: &installations,
        gateway: &view,
        env: look.env,
        interactive,
        own: OwnPaths { config: look.location.config.clone(), state: look.location.state.clone() },
        program: look.program.clone(),
        key: look.key,
        uid: rustix::process::getuid().as_raw(),
        now: look.now,
        monitor: None,
        reached: None,
        surveyed: surveyed.into(),
    };
    let filter = Filter::for_monitor().preferring(&look.config.doctor);
    let checked = doctor::run(&context, &filter);
    let remembered = look.remembered;
    let backwards = if remembered.key == Some(look.key.id()) {
        doctor::copies::went_backwards(&snapshot, &remembered.refresh_tokens)
    } else {
        Vec::new()
    };
    let unreachable = own_network(&snapshot, look.remembered);
    let troubled = troubled(&snapshot, look.remembered);
    snapshot.findings.extend(unreachable.into_iter().chain(troubled));
    for finding in checked.into_iter().chain(backwards) {
        if !snapshot.findings.contains(&finding) {
            snapshot.findings.push(finding);
        }
    }
    filter.apply(&mut snapshot.findings);
    worst_first(&mut snapshot.findings);
    Observed { snapshot, secrets, installations, gateway: view, key: look.key.id() }
}

/// The verdicts that count, each for the generation that is there now.
#[must_use]
pub fn verdicts(credentials: &[Box<Credential>], known: &Remembered, now: Time) -> BTreeMap<CredentialId, Verdict> {
    let one = |credential: &Credential| {
        let stored = known.verdicts.get(&credential.id)?;
        let previous = known.generations.get(&credential.id).map(String::as_str);
        let word = generation::generation(credential, previous);
        let counting = stored.counting(&word, now).or_else(|| stored.counting(&generation::of_copy(word.clone()), now));
        Some((credential.id.clone(), counting?.clone()))
    };
    credentials.iter().filter_map(|credential| one(credential)).collect()
}

/// What providers said besides yes or no, each for the generation that is there now.
#[must_use]
pub fn allowances(credentials: &[Box<Credential>], known: &Remembered) -> BTreeMap<CredentialId, Allowance> {
    let one = |credential: &Credential| {
        let (about, allowance) = known.allowances.get(&credential.id)?;
        let previous = known.generations.get(&credential.id).map(String::as_str);
        let word = generation::generation(credential, previous);
        let same = *about == word || *about == generation::of_copy(word.clone());
        same.then(|| (credential.id.clone(), allowance.clone()))
    };
    credentials.iter().filter_map(|credential| one(credential)).collect()
}

/// The provider's own date for a key goes before what somebody declared or assumed; what is written in a token itself holds
/// too, so then the sooner one counts. Logins that their owner renews have dates of their own.
pub fn ends_by_the_providers_word(credential: &mut Credential, known: &BTreeMap<CredentialId, Allowance>) {
    let said = known.get(&credential.id).and_then(|allowance| allowance.expires);
    let Some(said) = said.filter(|_| credential.renewal != Renewal::Auto) else { return };
    let clocks = &mut credential.clocks;
    let decoded = clocks.grant_expires.filter(|_| clocks.grant_basis == Some(Basis::Decoded));
    if decoded.is_none_or(|decoded| said < decoded) {
        (clocks.grant_expires, clocks.grant_basis) = (Some(said), Some(Basis::Server));
    }
}

/// The provider's last answer of any sort, and whose it is; none if it was never asked.
fn last_answer<'a>(one: &'a Assessed, known: &'a Remembered) -> Option<(&'a String, &'a Verdict)> {
    let stored = known.verdicts.get(&one.credential.id)?;
    let answers = [&stored.conclusive, &stored.inconclusive];
    let newest = answers.into_iter().flatten().map(|(_, verdict)| verdict).max_by_key(|verdict| verdict.at)?;
    (newest.kind != VerdictKind::Unverifiable).then_some((&one.credential.provider, newest))
}

/// Answers of one round of probes are within this of each other.
const ROUND: Span = Span::minutes(10);
/// A round that is longer ago says nothing about the network now.
const STALE: Span = Span::hours(2);

/// In the last round of probes at least two providers were asked, and none was reached: that is this machine's own network,
/// said once instead of once for each of them.
fn own_network(snapshot: &Snapshot, known: &Remembered) -> Option<Finding> {
    let answers: Vec<(&String, &Verdict)> =
        snapshot.credentials.iter().filter_map(|one| last_answer(one, known)).collect();
    let newest = answers.iter().map(|(_, verdict)| verdict.at).max()?;
    let round = || answers.iter().filter(|(_, verdict)| newest - verdict.at <= ROUND);
    let providers: BTreeSet<_> = round().map(|(provider, _)| provider).collect();
    let none = round().all(|(_, verdict)| verdict.kind == VerdictKind::Network);
    (none && providers.len() >= 2 && snapshot.taken_at - newest <= STALE).then(|| {
        Finding::new(
            "network.unreachable",
            Severity::Warning,
            format!(
                "none of {} providers could be reached: this machine's own network, which says nothing about credentials",
                providers.len()
            ),
            "check this machine's connection, name resolution and HTTPS_PROXY",
        )
    })
}

/// Providers that had trouble of their own in the last round of probes, whichever of their credentials was asked about: said
/// once, and no reason to doubt a credential.
fn troubled(snapshot: &Snapshot, known: &Remembered) -> Vec<Finding> {
    let mut by_provider: BTreeMap<&String, Vec<&Verdict>> = BTreeMap::new();
    for (provider, verdict) in snapshot.credentials.iter().filter_map(|one| last_answer(one, known)) {
        by_provider.entry(provider).or_default().push(verdict);
    }
    let mut findings = Vec::new();
    for (provider, answers) in by_provider {
        let Some(newest) = answers.iter().max_by_key(|verdict| verdict.at) else { continue };
        let mut round = answers.iter().filter(|verdict| newest.at - verdict.at <= ROUND);
        let all = round.all(|verdict| verdict.kind == VerdictKind::ProviderDown);
        if all && snapshot.taken_at - newest.at <= STALE {
            let message = format!("{provider} has trouble of its own: {}", newest.detail);
            let mut finding = Finding::new(
                "provider.trouble",
                Severity::Info,
                message,
                "wait; its status page says more. This says nothing about its credentials",
            );
            finding.place.key = Some(provider.clone());
            findings.push(finding);
        }
    }
    findings
}

/// How long before a beginning somebody must have looked, for it to be witnessed (as in `store::remembered`).
const WITNESSED: Span = Span::days(1);

/// A login whose beginning was witnessed has a known lifetime: from earlier cycles, or because this look is the first that sees
/// it. Were it known only from the next cycle on, the first would judge it by other bands, and announce what the next takes back.
fn begun(credential: &mut Credential, known: &Remembered, key: &FingerprintKey, now: Time) {
    if credential.clocks.issued.is_some() {
        return;
    }
    let Some(previous) = known.generations.get(&credential.id) else { return };
    let generation = generation::generation(credential, Some(previous));
    if *previous == generation {
        credential.clocks.issued = known.begun.get(&credential.id).copied();
        return;
    }
    // Under another key every secret looks new.
    let comparable = known.key == Some(key.id());
    let watched = known.last_time.is_some_and(|last| last < now && now - last <= WITNESSED);
    if comparable && watched && generation::unmarked(previous) != generation {
        credential.clocks.issued = Some(now);
    }
}

/// A login whose owner does not say when it renewed it: when its refresh token was seen to replace another.
fn renewed(credential: &mut Credential, known: &Remembered, key: &FingerprintKey) {
    if credential.renewal != Renewal::Auto || credential.clocks.last_renewed.is_some() || known.key != Some(key.id()) {
        return;
    }
    let (Some(token), Some(held)) = (credential.refresh_fingerprint, known.refresh_tokens.get(&credential.id)) else {
        return;
    };
    let hex = token.to_hex();
    let first = held.iter().find(|one| one.fingerprint == hex).map(|one| one.first);
    // The first that we saw there replaced nothing that we know of.
    credential.clocks.last_renewed = first.filter(|first| held.iter().any(|other| other.first < *first));
}

/// This machine's name, as the configuration or the system has it.
#[must_use]
pub fn host(config: &Config) -> String {
    config.identity.host.clone().unwrap_or_else(host_name)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
