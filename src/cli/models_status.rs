//! `opensoul models status`: reads the gateway's stores, judges them (with the monitor's last verdicts, if it ever ran here)
//! and prints. No runtime and no network, but for `--probe`.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::domain::{
    Credential, CredentialId, Environment, Finding, FingerprintKey, Gateway, GatewayState, Secret, Selection, Snapshot,
    SourceReport, Time, VerdictKind,
};
use crate::engine::assess::assess;
use crate::engine::check::{CheckResult, CheckScope, exit_code};
use crate::engine::observation::{Demand, Observation};
use crate::engine::policy::Thresholds;
use crate::formats::eligibility::View;
use crate::formats::gateway_config::GatewayConfig;
use crate::formats::installation::{AgentStore, Family, Installation};
use crate::formats::javascript::trim;
use crate::formats::model_ref;
use crate::formats::provider_id::normalize_agent;
use crate::monitor::observe;
use crate::monitor::probing::{Answers, Askable, Asker, collect};
use crate::net::Clients;
use crate::output::models_status::{self as document, Input, ModelsStatus, Number, probes, text};
use crate::providers::{Settings, probe_word};
use crate::sources::opensoul::{self, Sweep};
use crate::sources::{Found, Scene};
use crate::store::{Remembered, StoreError};

use super::args::{ExitCodes, Models, ModelsCommand, ModelsStatus as Args, Scope};
use super::exit::{Failure, FailureKind, Outcome};
use super::reading::{PATIENCE, Reading, recall};
use super::{Context, asking, monitor_run, print};

/// Runs `models` and `models status`.
pub fn run(models: Models, context: &Context) -> Outcome {
    let mut args = match models.command {
        Some(ModelsCommand::Status(args)) => args,
        _ => Args::default(),
    };
    args.json |= models.status_json || models.json;
    args.plain |= models.status_plain;
    status(&args, models.agent.as_deref(), context)
}

fn status(args: &Args, agent: Option<&str>, context: &Context) -> Outcome {
    let options = options(args)?;
    let scope = scope(args, &context.env)?;
    let clock = SystemClock::new();
    let now = clock.now();
    let (mut memory, key) = Memory::open(context)?;
    let cwd = std::env::current_dir().ok();
    let scene = Scene::of_gateway((&context.env, cwd.as_deref()), Family::of_program(&context.program.name), &key, now);
    let wanted = agent.map(trim).filter(|a| !a.is_empty()).map(normalize_agent);
    let installation = read(&scene, wanted.as_deref())?;
    // What is large is not dropped here and below: the process ends with this command, and to take ten thousand profiles
    // apart would only cost time.
    let installation = ManuallyDrop::new(installation);
    refuse_invalid_config(&installation)?;
    let none = GatewayConfig::default();
    let config = installation.config.as_ref().unwrap_or(&none);
    let agent_id = wanted.as_deref();
    known_agent(agent_id, agent, config)?;
    let store = store_of(&installation, agent_id)?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
    let now_ms = now.timestamp_millis() as f64;
    let view = ManuallyDrop::new(View::new(&installation, store, config, now_ms));
    without_provider(config, agent_id);
    let compat = scope == CheckScope::Store;
    let rows = document::rows(config, &installation.env, &view, agent_id, compat);
    if args.plain {
        let (_, resolved) = document::default_model(config, agent_id);
        print::text(&format!("{resolved}\n"))?;
        if !args.check {
            return Ok(0);
        }
    }
    let judged = |memory: &Memory| {
        let (snapshot, _) = judge(&installation, &view, agent_id, &rows, &scene, memory, false);
        let check = exit_code(&snapshot, CheckScope::InUse);
        (ManuallyDrop::new(snapshot), check)
    };
    let (snapshot, check) = judged(&memory);
    let (answered, then);
    let home = context.env.home();
    let mut input = Input {
        installation: &installation,
        config,
        view: &view,
        agent: agent_id,
        compat,
        rows: &rows,
        snapshot: &snapshot,
        check: &check,
        home: &home,
        now_ms,
        index: document::Index::new(config, &rows, &snapshot),
    };
    let mut asked = None;
    if args.probe || args.probe_paid {
        let mut block = probes::plan(&input, options, now.timestamp_millis());
        let look = || {
            let installation = read(&scene, agent_id)?;
            let config = installation.config.as_ref().unwrap_or(&none);
            let view = View::new(&installation, store_of(&installation, agent_id)?, config, now_ms);
            let (snapshot, secrets) = judge(&installation, &view, agent_id, &rows, &scene, &memory, true);
            drop(view);
            Ok(Askable { snapshot, secrets, installations: vec![installation] })
        };
        let place = Place { env: &context.env, config: memory.config.as_ref(), paid: args.probe_paid };
        let answers = ask(&mut block, look, &place)?;
        // What they say counts, for the exit code too.
        answers.teach(&mut memory.remembered);
        (answered, then) = judged(&memory);
        (input.snapshot, input.check) = (&answered, &then);
        input.index = document::Index::new(config, &rows, &answered);
        asked = Some(block);
    }
    let mut status = ManuallyDrop::new(document::build(&input));
    if compat {
        let CheckResult { code, reasons, .. } = document::store_check(&status);
        status.check = document::Check { exit_code: code, because: reasons };
        // OpenSoul 0.2 shows the path that it would have taken without --profile.
        if let Some(home) = opensoul::locate::homes(&context.env_as_given, scene.preferred).first() {
            status.config_path = home.config_path.display().to_string();
        }
    }
    status.auth.probes = asked;
    show(args, &status, input.snapshot, &context.env, now)?;
    let code = match args.exit_codes {
        _ if !args.check => 0,
        ExitCodes::Guide => status.check.exit_code,
        ExitCodes::Nagios => nagios(status.check.exit_code),
    };
    Ok(code)
}

/// The gateway's files.
fn read(scene: &Scene<'_>, agent: Option<&str>) -> Result<Installation, Failure> {
    let found = opensoul::installations(scene, Sweep::Chosen(agent)).pop();
    found.ok_or_else(|| Failure::new(FailureKind::Bug, "no state directory"))
}

fn store_of<'a>(installation: &'a Installation, agent: Option<&str>) -> Result<&'a AgentStore, Failure> {
    let store = agent.and_then(|id| installation.agent(id)).or_else(|| installation.main());
    store.ok_or_else(|| Failure::new(FailureKind::Bug, "no agent"))
}

fn nagios(code: u8) -> u8 {
    match code {
        0 => 0,
        1 => 2,
        2 => 1,
        _ => 3,
    }
}

fn show(
    args: &Args,
    status: &ModelsStatus<'_>,
    snapshot: &Snapshot,
    env: &Environment,
    now: Time,
) -> Result<(), Failure> {
    if args.plain {
        return Ok(());
    }
    if args.json {
        return print::json(status);
    }
    let home = env.home();
    let looked: Vec<String> =
        snapshot.sources.iter().flat_map(|s| s.looked.iter()).map(|p| document::short(p, &home)).collect();
    let zone = config::local_zone(env);
    let local = |at: Time| zone.minute(at);
    let width = print::width(env).clamp(30, 120);
    let page = text::Page { width, now, local: &local, looked: &looked, home: &home, lang: print::lang() };
    print::text(&text::render(status, &page))
}

fn options(args: &Args) -> Result<probes::Options, Failure> {
    if args.json && args.plain {
        return Err(Failure::new(FailureKind::Usage, "choose either --json or --plain, not both"));
    }
    if args.plain && (args.probe || args.probe_paid) {
        return Err(Failure::new(FailureKind::Usage, "--probe cannot be used with --plain"));
    }
    let number = |flag: &str, text: &Option<String>, default: f64| match text.as_deref().map(trim) {
        None | Some("") => Ok(Number(default)),
        Some(text) => match text.parse::<f64>() {
            Ok(n) if n.is_finite() && n > 0.0 => Ok(Number(n)),
            _ => Err(Failure::new(FailureKind::Usage, format!("{flag} must be a number above 0"))),
        },
    };
    let ids = args.probe_profile.iter().flat_map(|list| list.split(','));
    Ok(probes::Options {
        provider: args.probe_provider.as_deref().map(trim).filter(|p| !p.is_empty()).map(str::to_owned),
        profile_ids: ids.map(trim).filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        timeout_ms: number("--probe-timeout", &args.probe_timeout, 8000.0)?,
        concurrency: number("--probe-concurrency", &args.probe_concurrency, 2.0)?,
        max_tokens: number("--probe-max-tokens", &args.probe_max_tokens, 8.0)?,
    })
}

fn scope(args: &Args, env: &Environment) -> Result<CheckScope, Failure> {
    match (args.scope, env.get("OPENSOUL_CHECK_SCOPE")) {
        (Some(Scope::InUse), _) | (None, None | Some("in-use")) => Ok(CheckScope::InUse),
        (Some(Scope::Store), _) | (None, Some("store")) => Ok(CheckScope::Store),
        (None, Some(_)) => Err(Failure::new(
            FailureKind::Usage,
            "OPENSOUL_CHECK_SCOPE is neither in-use nor store; correct or unset it",
        )),
    }
}

pub(super) fn refuse_invalid_config(installation: &Installation) -> Result<(), Failure> {
    let problems = &installation.config_problems;
    if problems.is_empty() {
        return Ok(());
    }
    let unreadable = problems.iter().any(|p| p.id == "config.unreadable");
    let kind = if unreadable { FailureKind::NoInput } else { FailureKind::Config };
    let lines: Vec<String> =
        problems.iter().map(|p| format!("  {}: {}\n    fix: {}", p.place, p.message, p.fix)).collect();
    let path = installation.config_path.display();
    Err(Failure::new(kind, format!("the gateway's config {path} is not usable:\n{}", lines.join("\n"))))
}

pub(super) fn known_agent(agent: Option<&str>, raw: Option<&str>, config: &GatewayConfig) -> Result<(), Failure> {
    let Some(agent) = agent else { return Ok(()) };
    let known: Vec<&str> = config.agents.iter().map(|a| a.id.as_str()).collect();
    let known = if known.is_empty() { vec!["main"] } else { known };
    if known.contains(&agent) {
        return Ok(());
    }
    let raw = raw.unwrap_or(agent);
    Err(Failure::new(FailureKind::Usage, format!("unknown agent \"{raw}\"; the config knows {}", known.join(", "))))
}

/// What the monitor knows, if it ever ran here: our thresholds and the last verdicts; and its key. Never a reason to fail: the
/// gateway's files are what was asked about.
struct Memory {
    /// `None` if nobody wrote one.
    config: Option<Config>,
    remembered: Remembered,
}

impl Memory {
    fn open(context: &Context) -> Result<(Self, FingerprintKey), Failure> {
        let failed = |error: StoreError| Failure::new(FailureKind::Unavailable, error.to_string());
        let location = config::locate(&context.env, context.global.config.as_deref());
        if !location.named && location.config.symlink_metadata().is_err() {
            // Most machines that ask this have no monitor: what reads and explains its configuration is not even loaded.
            let (remembered, key, _) = recall(&location.state, None).map_err(failed)?;
            return Ok((Self { config: None, remembered }, key));
        }
        let Reading { config, config_problems, key, remembered, .. } = Reading::open(context).map_err(failed)?;
        if !config_problems.is_empty() {
            note!("opensoul: monitor.toml has problems and was left out; see opensoul monitor check-config");
        }
        Ok((Self { config: Some(config), remembered }, key))
    }

    fn thresholds(&self) -> Thresholds {
        self.config.as_ref().map(|config| config.thresholds.clone()).unwrap_or_default()
    }
}

/// Whose credentials are asked about, and how.
struct Place<'a> {
    env: &'a Environment,
    config: Option<&'a Config>,
    paid: bool,
}

/// Asks the providers about the targets of the block that may be asked about, and writes the answers into it. A refusal is heard
/// twice, which takes up to 10 s.
fn ask(
    block: &mut probes::Probes,
    look: impl Fn() -> Result<Askable, Failure>,
    place: &Place<'_>,
) -> Result<Answers, Failure> {
    let Place { env, config, paid } = *place;
    let seen = look()?;
    let snapshot = &seen.snapshot;
    let of = |target: &probes::Probed| {
        let provider = target.ask.as_ref()?;
        let mut those = snapshot.credentials.iter().filter(|one| one.credential.provider == *provider);
        let found = those.find(|one| match &target.profile_id {
            Some(id) => one.credential.agent.is_some() && one.credential.profile == *id,
            None => one.credential.agent.is_none() && !matches!(one.credential.selection, Selection::Excluded(_)),
        })?;
        Some(found.copy_of.as_ref().unwrap_or(&found.credential.id).clone())
    };
    let wanted: Vec<Option<CredentialId>> = block.results.iter().map(of).collect();
    if wanted.iter().all(Option::is_none) {
        return Ok(Answers::default());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let clients = Clients::new(env);
    let timeout = Duration::from_secs_f64((block.options.timeout_ms.0 / 1000.0).clamp(0.001, 600.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let concurrency = block.options.concurrency.0.clamp(1.0, 64.0) as usize;
    let settings = Settings {
        timeout,
        concurrency,
        paid,
        watcher: asking::watcher(),
        ..config.map(Settings::of).unwrap_or_default()
    };
    let models = if paid { models_of(block) } else { BTreeMap::new() };
    let asker = Asker { clients: &clients, clock: &clock, settings, env, models };
    if paid {
        let mut questions = asker.paid_questions(snapshot, &seen.secrets);
        questions.retain(|(id, _)| wanted.iter().flatten().any(|wanted| wanted == id));
        asking::consent(&questions)?;
    }
    let ids: Vec<CredentialId> = wanted.iter().flatten().cloned().collect();
    let again = async || look();
    let (answers, snapshot) = monitor_run::runtime()?.block_on(asker.ask_until_sure(seen, &ids, again, PATIENCE))?;
    for (target, id) in block.results.iter_mut().zip(&wanted) {
        let Some(answer) = id.as_ref().and_then(|id| answers.iter().find(|answer| answer.id == *id)) else { continue };
        let (status, reason) = probe_word(answer.verdict.kind);
        let unverifiable = answer.verdict.kind == VerdictKind::Unverifiable;
        target.status = status;
        target.reason_code = reason.or(unverifiable.then_some("unverifiable"));
        target.error = (status != "ok").then(|| answer.verdict.detail.clone());
        target.latency_ms = answer.latency.and_then(|latency| u64::try_from(latency.as_millis()).ok());
    }
    block.finished_at = clock.now().timestamp_millis();
    block.duration_ms = block.finished_at - block.started_at;
    Ok(collect(answers, &snapshot, clock.now()))
}

/// The model that the block names for each provider, without the provider's name.
fn models_of(block: &probes::Probes) -> BTreeMap<String, String> {
    let named = block.results.iter().filter_map(|target| {
        let (_, model) = target.model.as_deref()?.split_once('/')?;
        Some((target.ask.clone()?, model.to_owned()))
    });
    named.collect()
}

/// The gateway's own warning, for models that are neither `provider/model` nor an alias.
fn without_provider(config: &GatewayConfig, agent: Option<&str>) {
    let aliases = config.aliases();
    let mut told = BTreeSet::new();
    for text in config.model_texts(agent).into_iter().filter(|text| model_ref::is_bare(text, &aliases)) {
        if let Some(model) = model_ref::resolve(text, &aliases).filter(|_| told.insert(text)) {
            let text = trim(text);
            note!(
                "opensoul: model \"{text}\" is configured without a provider, so the gateway takes it for \"{model}\"; write \
                 \"{model}\" in its config"
            );
        }
    }
}

/// Judges what this agent's gateway could use; with its secrets if they are to be asked about.
fn judge(
    installation: &Installation,
    view: &View<'_>,
    agent: Option<&str>,
    rows: &[document::Row],
    scene: &Scene<'_>,
    memory: &Memory,
    keep_secrets: bool,
) -> (Snapshot, BTreeMap<CredentialId, Secret>) {
    let none = GatewayConfig::default();
    let config = installation.config.as_ref().unwrap_or(&none);
    let providers: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut unique = providers.clone();
    unique.sort_unstable();
    unique.dedup();
    let mut found = opensoul::credentials_of(installation, view, &unique, scene.key);
    crate::sources::retire(&mut found, scene.now);
    let models_configured = !config.model_texts(agent).is_empty();
    let in_use = rows.iter().filter(|row| row.in_use && models_configured).map(|row| row.id.clone());
    let mut findings: Vec<Finding> = view.agent.findings.clone();
    let main = installation.main().filter(|main| main.agent != view.agent.agent);
    if let Some(main) = main {
        findings.extend(main.findings.iter().cloned());
    }
    findings.extend(installation.env.problems.iter().cloned());
    let mut looked = vec![installation.config_path.clone(), view.agent.store_path.clone()];
    looked.extend(main.map(|m| m.store_path.clone()));
    looked.push(installation.state_dir.join(".env"));
    let mut secrets = BTreeMap::new();
    let part = |Found { credential, secret }| {
        if let Some(secret) = secret.filter(|_| keep_secrets) {
            secrets.insert(credential.id.clone(), secret);
        }
        credential
    };
    let mut credentials: Vec<Box<Credential>> = found.into_iter().map(part).collect();
    let allowances = observe::allowances(&credentials, &memory.remembered);
    for credential in &mut credentials {
        observe::ends_by_the_providers_word(credential, &allowances);
    }
    let observation = Observation {
        host: String::new(),
        verdicts: observe::verdicts(&credentials, &memory.remembered, scene.now),
        allowances,
        credentials,
        previous: memory.remembered.generations.clone(),
        demand: Demand { models_configured, providers: in_use.collect() },
        gateway: Gateway { state: GatewayState::Unknown, detail: "not looked at".to_owned() },
        findings,
        sources: vec![SourceReport {
            source: installation.family.word().to_owned(),
            looked,
            up: view.agent.trouble.is_none(),
            hidden: false,
            credentials: view.profiles.len(),
        }],
        clock_problem: None,
    };
    (assess(observation, &memory.thresholds(), scene.now), secrets)
}
