//! `doctor`: looks for what is wrong with the set-up, and says what to do. Only with `--fix` it writes, by `control::repair`.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anstream::{AutoStream, ColorChoice};
use reqwest::Url;

use super::args::{Doctor, SeverityArg};
use super::exit::{Failure, FailureKind, Outcome};
use super::reading::Reading;
use super::{Context, doctor_fix, monitor_run, print};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::doctor::{self, By, Filter, MonitorSeen, OwnPaths, Program};
use crate::domain::{Environment, Finding, FingerprintKey, Place, Severity, Snapshot, Time};
use crate::formats::gateway_view::GatewayView;
use crate::formats::installation::Installation;
use crate::monitor::observe::Observed;
use crate::net::{Clients, reach};
use crate::output;
use crate::output::doctor::Keys;
use crate::providers::Catalog;
use crate::store::{Reader, ReceiverState, lock::Lock};

/// The whole command: one observation, the checks, the report on standard output.
///
/// # Errors
/// See [`run`].
pub fn command(args: &Doctor, context: &Context) -> Outcome {
    let location = config::locate(&context.env, context.global.config.as_deref());
    let own = OwnPaths { config: location.config, state: location.state };
    let see = || {
        let unavailable = |error: crate::store::StoreError| Failure::new(FailureKind::Unavailable, error.to_string());
        let mut reading = Reading::open(context).map_err(unavailable)?;
        // The doctor itself weighs them, after its own checks.
        let wishes = std::mem::take(&mut reading.config.doctor);
        let Observed { mut snapshot, installations, gateway, .. } = reading.observe(context.program.clone());
        reading.config.doctor = wishes;
        snapshot.findings.extend(own_problems(&reading));
        let receivers = Reader::open(&reading.location.state)
            .and_then(|reader| reader.map_or_else(|| Ok(Vec::new()), |reader| reader.receiver_states()))
            .unwrap_or_default();
        let reached = if args.deep { Some(reach_out(&reading, &snapshot)?) } else { None };
        Ok(Seen {
            configured: reading.location.config.is_file(),
            running: Lock::holder(&reading.location.state).is_some(),
            last_cycle: reading.remembered.last_time,
            snapshot,
            installations,
            gateway,
            receivers,
            reached,
            key: reading.key,
            config: reading.config,
            now: reading.now,
        })
    };
    let colours = if args.json || context.global.no_color { ColorChoice::Never } else { ColorChoice::Auto };
    let mut out = AutoStream::new(std::io::stdout(), colours);
    let width = print::width(&context.env);
    let place = Machine { env: &context.env, own, program: context.program.clone() };
    run(args, &place, see, doctor_fix::consent, Sink { out: &mut out, width })
}

/// The servers of the providers in use, looked at without a key. A server of this very machine is the gateway's business.
fn reach_out(reading: &Reading, snapshot: &Snapshot) -> Result<Vec<reach::Reached>, Failure> {
    let catalog = Catalog::get();
    let base = |provider: &str| {
        let configured = reading.config.providers.get(provider).and_then(|entry| entry.base_url.clone());
        let row = catalog.provider(provider);
        let probe = || row?.probes.iter().find_map(|probe| probe.base_url.clone());
        let region = || row?.regions.get("global").or_else(|| row?.regions.values().next()).cloned();
        let url = Url::parse(&configured.or_else(probe).or_else(region)?).ok()?;
        let here = url.host_str().is_none_or(config::values::is_loopback);
        (!here).then(|| (provider.to_owned(), url))
    };
    let servers = snapshot.providers.iter().filter(|one| one.in_use).filter_map(|one| base(&one.provider)).collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Ok(monitor_run::runtime()?.block_on(reach::all(servers, &Clients::new(&reading.env), &clock)))
}

/// Our own files that could not be used: the doctor says so and goes on without them.
fn own_problems(reading: &Reading) -> Vec<Finding> {
    let config = reading.config_problems.iter().map(|problem| {
        let message = format!("monitor.toml: {}.", problem.what.trim_end_matches('.'));
        Finding::new("own.config-invalid", Severity::Critical, message, problem.fix.clone()).at(problem.place.clone())
    });
    let key = reading.key_problem.iter().map(|problem| {
        let message = format!("monitor.toml: {}.", problem.trim_end_matches('.'));
        let fix = "Correct the reference, or remove the key: each machine then has its own.";
        Finding::new("own.config-invalid", Severity::Warning, message, fix).at(Place::file(&reading.location.config))
    });
    let store = reading.store_problem.iter().map(|error| {
        let message = format!("What the monitor has stored cannot be read, so its memory is not used here: {error}.");
        let fix = "If it is damaged, the monitor sets it aside when it starts: opensoul monitor once";
        Finding::new("own.state-unreadable", Severity::Warning, message, fix).at(Place::file(&reading.location.state))
    });
    config.chain(key).chain(store).collect()
}

/// What one observation gives to the doctor.
pub struct Seen {
    /// Judged credentials and what sources found.
    pub snapshot: Snapshot,
    /// The gateways of this machine.
    pub installations: Vec<Installation>,
    /// The look at the running one.
    pub gateway: GatewayView,
    /// Key of its fingerprints.
    pub key: FingerprintKey,
    /// The monitor's configuration; the defaults if it is broken.
    pub config: Config,
    /// There is a `monitor.toml`.
    pub configured: bool,
    /// The monitor runs.
    pub running: bool,
    /// When it last looked.
    pub last_cycle: Option<Time>,
    /// How its deliveries went.
    pub receivers: Vec<ReceiverState>,
    /// Which servers could be reached (`--deep`).
    pub reached: Option<Vec<reach::Reached>>,
    /// The instant of the observation.
    pub now: Time,
}

/// Where the doctor is.
pub struct Machine<'a> {
    /// The process environment.
    pub env: &'a Environment,
    /// Where our own files are.
    pub own: OwnPaths,
    /// How this program was started.
    pub program: Program,
}

/// Where the report goes.
pub struct Sink<'a> {
    /// Standard output; styles are stripped on the way if it is no terminal.
    pub out: &'a mut dyn Write,
    /// Columns.
    pub width: usize,
}

/// Runs the checks that the arguments choose over what `see` observes, and writes the report; with `--fix`, mends what can be
/// mended if `consent` lets it, and looks again before it reports.
///
/// The exit code (CONTRACTS §2): with `--lint`, `--json` or `--non-interactive` 0 for nothing at or above the threshold, 1 for
/// findings, 2 if it could not run; for a person 0.
///
/// # Errors
/// A check that does not exist (64); what `see` failed with, unless it becomes 2; a cancelled question; for a person, a repair
/// that failed; a report that cannot be written.
pub fn run(
    args: &Doctor,
    machine: &Machine<'_>,
    mut see: impl FnMut() -> Result<Seen, Failure>,
    consent: impl FnOnce(&Doctor, &[&Finding]) -> Result<bool, Failure>,
    sink: Sink<'_>,
) -> Outcome {
    let filter = Filter::new(&args.only, &args.skip).map_err(|unknown| {
        let lines: Vec<String> = unknown.iter().map(ToString::to_string).collect();
        let list = "All checks are in docs/doctor.md; `opensoul doctor --json` lists those that ran.";
        Failure::new(FailureKind::Usage, format!("{}\n{list}", lines.join("\n")))
    })?;
    let strict = args.lint || args.json || args.non_interactive;
    let severity_min = match args.severity_min {
        SeverityArg::Info => Severity::Info,
        SeverityArg::Warning => Severity::Warning,
        SeverityArg::Critical => Severity::Critical,
    };
    let mut look = || see().map(|seen| Looked::at(seen, machine, &filter));
    let looked = match look() {
        Ok(looked) => looked,
        Err(failure) if strict => {
            note!("opensoul: {failure}");
            return Ok(2);
        }
        Err(failure) => return Err(failure),
    };
    let (looked, repairs) = if args.fix {
        let repairs = doctor_fix::mend(args, &looked.findings, severity_min, consent)?;
        // What was mended must be seen to be so.
        (if repairs.is_empty() { looked } else { look()? }, Some(repairs))
    } else {
        (looked, None)
    };
    let Looked { seen, filter, findings, keys } = &looked;
    let ran = |by: By| !matches!(by, By::Deep(_)) || args.deep;
    let report = output::doctor::Report {
        taken_at: seen.snapshot.taken_at,
        host: &seen.snapshot.host,
        findings,
        checks: doctor::checks().filter(|one| filter.takes(one.id) && ran(one.by)).map(|one| one.id).collect(),
        severity_min,
        keys: keys.clone(),
        repairs: repairs.as_deref(),
        lang: print::lang(),
    };
    let text = if args.json {
        output::doctor::json(&report).map_err(|error| Failure::new(FailureKind::Bug, error.to_string()))?
    } else {
        let zone = config::local_zone(machine.env);
        let local = |at: Time| at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string();
        output::doctor::text(&report, sink.width, Some(&machine.env.home()), &local)
    };
    match sink.out.write_all(text.as_bytes()).and_then(|()| sink.out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(Failure::new(FailureKind::Io, format!("cannot write the report: {error}")));
        }
        _ => {}
    }
    let failed = repairs.iter().flatten().filter(|one| one.outcome.is_err()).count();
    if failed > 0 && !strict {
        return Err(Failure::new(
            FailureKind::Io,
            format!("{failed} of the repairs could not be made; the reasons are above"),
        ));
    }
    Ok(u8::from(strict && (report.shown().next().is_some() || failed > 0)))
}

/// What one look showed.
struct Looked {
    seen: Seen,
    filter: Filter,
    findings: Vec<Finding>,
    keys: Keys,
}

impl Looked {
    fn at(seen: Seen, machine: &Machine<'_>, filter: &Filter) -> Self {
        let filter = filter.clone().preferring(&seen.config.doctor);
        let monitor = MonitorSeen {
            config: &seen.config,
            configured: seen.configured,
            running: seen.running,
            last_cycle: seen.last_cycle,
            receivers: &seen.receivers,
        };
        let context = doctor::Context {
            snapshot: &seen.snapshot,
            installations: &seen.installations,
            gateway: &seen.gateway,
            env: machine.env,
            interactive: true,
            own: machine.own.clone(),
            program: machine.program.clone(),
            key: &seen.key,
            uid: rustix::process::getuid().as_raw(),
            now: seen.now,
            monitor: Some(&monitor),
            reached: seen.reached.as_deref(),
            surveyed: Default::default(),
        };
        let findings = doctor::report(&context, &filter);
        let keys = doctor::environment::keys(&context);
        Self { seen, filter, findings, keys }
    }
}

/// How this program was started, for the check that looks at `PATH`.
#[must_use]
pub fn program(argv0: Option<&std::ffi::OsStr>) -> Program {
    let name = argv0.map(PathBuf::from).and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    Program { exe: std::env::current_exe().ok(), name: name.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Gateway, GatewayState, Repair};
    use crate::formats::gateway_view::{Listening, Sight};

    fn now() -> Time {
        "2026-11-20T12:00:00Z".parse().expect("a date")
    }

    fn seen(findings: Vec<Finding>) -> Seen {
        let gateway = Gateway { state: GatewayState::Absent, detail: "nothing".into() };
        Seen {
            snapshot: Snapshot {
                taken_at: now(),
                host: "here".into(),
                credentials: Vec::new(),
                providers: Vec::new(),
                gateway: gateway.clone(),
                findings,
                sources: Vec::new(),
                clock_problem: None,
                fleet: false,
            },
            installations: Vec::new(),
            gateway: GatewayView {
                gateway,
                port: 1,
                process: None,
                units: Vec::new(),
                visible: [].into(),
                sight: Sight::Blind,
                systemd: false,
                lingers: None,
                listening: Listening::default(),
            },
            key: FingerprintKey::new(&[7; 32]),
            config: config::parse("", None, &Environment::default(), crate::domain::Zone::UTC).expect("defaults"),
            configured: false,
            running: false,
            last_cycle: None,
            receivers: Vec::new(),
            reached: None,
            now: now(),
        }
    }

    fn run_with(args: &Doctor, see: Result<Seen, Failure>) -> (Outcome, String) {
        let mut see = Some(see);
        run_seeing(args, || see.take().expect("one look"), |_, _| panic!("nothing to ask"))
    }

    fn run_seeing(
        args: &Doctor,
        see: impl FnMut() -> Result<Seen, Failure>,
        consent: impl FnOnce(&Doctor, &[&Finding]) -> Result<bool, Failure>,
    ) -> (Outcome, String) {
        let mut out = Vec::new();
        let sink = Sink { out: &mut out, width: 80 };
        let none = PathBuf::from("/nonexistent");
        let own = OwnPaths { config: none.clone(), state: none };
        let env = Environment::default();
        let outcome = run(args, &Machine { env: &env, own, program: Program::default() }, see, consent, sink);
        (outcome, String::from_utf8(out).expect("UTF-8"))
    }

    /// A directory that a finding wants made, as long as it is not there.
    fn missing(path: &std::path::Path) -> Vec<Finding> {
        let finding = Finding::new("state.missing-directory", Severity::Warning, "m", "f").at(Place::file(path));
        let repair = Repair::MakeDirectory { path: path.to_owned() };
        if path.exists() { Vec::new() } else { vec![finding.mended_by(repair)] }
    }

    #[test]
    fn what_is_mended_is_looked_at_again() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("sessions");
        let fix = |args: Doctor| Doctor { fix: true, ..args };
        let json = fix(Doctor { json: true, non_interactive: true, ..Doctor::default() });
        // Refused, nothing happens; a person's answer is no failure.
        let (outcome, text) = run_seeing(&fix(Doctor::default()), || Ok(seen(missing(&path))), |_, _| Ok(false));
        assert!(outcome == Ok(0) && text.contains("state.missing-directory") && !path.exists(), "{outcome:?} {text}");
        // Cancelled: 130.
        let cancelled = |_: &Doctor, _: &[&Finding]| Err(Failure::new(FailureKind::Cancelled, "nothing was changed"));
        let (outcome, text) = run_seeing(&fix(Doctor::default()), || Ok(seen(missing(&path))), cancelled);
        assert!(text.is_empty() && !path.exists());
        assert_eq!(outcome.expect_err("cancelled").code(), 130);
        let (outcome, text) = run_seeing(&json, || Ok(seen(missing(&path))), |_, _| Ok(true));
        let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(outcome == Ok(0) && path.is_dir(), "{outcome:?} {text}");
        assert_eq!((&report["findings"], &report["repairs"][0]["outcome"]), (&serde_json::json!([]), &"done".into()));
        // Again: nothing to do, nobody is asked.
        let (outcome, text) = run_seeing(&json, || Ok(seen(missing(&path))), |_, _| panic!("nothing to ask"));
        assert!(outcome == Ok(0) && text.contains("\"repairs\": []"), "{outcome:?} {text}");
    }

    #[test]
    fn a_repair_that_fails_is_a_failure() {
        let nowhere = PathBuf::from("/nonexistent/a/b");
        let yes = Doctor { fix: true, yes: true, ..Doctor::default() };
        let (outcome, text) = run_seeing(&yes, || Ok(seen(missing(&nowhere))), |_, _| Ok(true));
        assert!(text.contains("state.missing-directory"));
        assert_eq!(outcome.expect_err("failed").code(), 74);
        let json = Doctor { json: true, ..yes };
        let (outcome, text) = run_seeing(&json, || Ok(seen(missing(&nowhere))), |_, _| Ok(true));
        assert!(outcome == Ok(1) && text.contains("\"outcome\": \"failed\""), "{text}");
    }

    #[test]
    fn exit_codes() {
        let warning = || vec![Finding::new("store.unreadable", Severity::Warning, "m", "f")];
        let person = Doctor::default();
        let lint = Doctor { lint: true, ..Doctor::default() };
        let json = Doctor { json: true, ..Doctor::default() };
        let quiet = Doctor { non_interactive: true, severity_min: SeverityArg::Critical, ..Doctor::default() };
        assert_eq!(run_with(&person, Ok(seen(warning()))).0, Ok(0));
        assert_eq!(run_with(&lint, Ok(seen(warning()))).0, Ok(1));
        assert_eq!(run_with(&lint, Ok(seen(Vec::new()))).0, Ok(0));
        assert_eq!(run_with(&quiet, Ok(seen(warning()))).0, Ok(0), "below the threshold");
        let (outcome, text) = run_with(&json, Ok(seen(warning())));
        assert_eq!(outcome, Ok(1));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["findings"][0]["id"],
            "store.unreadable"
        );
        let broken = || Err(Failure::new(FailureKind::Config, "x"));
        assert_eq!(run_with(&lint, broken()).0, Ok(2));
        assert_eq!(run_with(&person, broken()).0.expect_err("broken").code(), 78);
    }

    #[test]
    fn checks_are_chosen() {
        let findings = || vec![Finding::new("store.unreadable", Severity::Warning, "m", "f")];
        let skip = Doctor { lint: true, skip: vec!["store".into()], ..Doctor::default() };
        assert_eq!(run_with(&skip, Ok(seen(findings()))).0, Ok(0));
        let only = Doctor { json: true, only: vec!["clock.wrong".into()], ..Doctor::default() };
        let (outcome, text) = run_with(&only, Ok(seen(findings())));
        assert_eq!(outcome, Ok(0));
        assert!(text.contains("\"checks\": [\n    \"clock.wrong\"\n  ]"), "{text}");
        let wrong = Doctor { only: vec!["stroe".into()], ..Doctor::default() };
        let failure = run_with(&wrong, Ok(seen(findings()))).0.expect_err("unknown");
        assert_eq!(failure.code(), 64);
        assert!(failure.message.contains("did you mean `store`?"), "{failure}");
    }
}
