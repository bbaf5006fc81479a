//! `doctor`: looks for what is wrong with the set-up, and says what to do. It never writes.

use std::io::Write;
use std::path::PathBuf;

use anstream::{AutoStream, ColorChoice};

use super::Context;
use super::args::{Doctor, SeverityArg};
use super::exit::{Failure, FailureKind, Outcome};
use super::print;
use super::reading::Reading;
use crate::config;
use crate::doctor::{self, Filter, OwnPaths, Program};
use crate::domain::{Environment, Finding, FingerprintKey, Place, Severity, Snapshot, Time};
use crate::formats::gateway_view::GatewayView;
use crate::formats::installation::Installation;
use crate::monitor::observe::Observed;
use crate::output;

/// The whole command: one observation, the checks, the report on standard output.
///
/// # Errors
/// See [`run`].
pub fn command(args: &Doctor, context: &Context) -> Outcome {
    if args.fix {
        let message = "this version of doctor repairs nothing itself: run it without --fix, and it gives the command that mends each \
                       finding";
        return Err(Failure::new(FailureKind::Usage, message));
    }
    let reading = Reading::open(context).map_err(|error| Failure::new(FailureKind::Unavailable, error.to_string()))?;
    let own = OwnPaths { config: reading.location.config.clone(), state: reading.location.state.clone() };
    let (env, now) = (reading.env.clone(), reading.now);
    let see = || {
        let Observed { mut snapshot, installations, gateway, .. } = reading.observe(context.program.clone());
        snapshot.findings.extend(own_problems(&reading));
        Ok(Seen { snapshot, installations, gateway, key: reading.key })
    };
    let colours = if args.json || context.global.no_color { ColorChoice::Never } else { ColorChoice::Auto };
    let mut out = AutoStream::new(std::io::stdout(), colours);
    let width = print::width(&env);
    run(args, &env, own, context.program.clone(), now, see, Sink { out: &mut out, width })
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
}

/// Where the report goes.
pub struct Sink<'a> {
    /// Standard output; styles are stripped on the way if it is no terminal.
    pub out: &'a mut dyn Write,
    /// Columns.
    pub width: usize,
}

/// Runs the checks that the arguments choose over what `see` observes, and writes the report.
///
/// The exit code (CONTRACTS §2): with `--lint`, `--json` or `--non-interactive` 0 for nothing at or above the threshold, 1 for
/// findings, 2 if it could not run; for a person 0.
///
/// # Errors
/// A check that does not exist (64); what `see` failed with, unless it becomes 2; a report that cannot be written.
pub fn run(
    args: &Doctor,
    env: &Environment,
    own: OwnPaths,
    program: Program,
    now: Time,
    see: impl FnOnce() -> Result<Seen, Failure>,
    sink: Sink<'_>,
) -> Outcome {
    let filter = Filter::new(&args.only, &args.skip).map_err(|unknown| {
        let lines: Vec<String> = unknown.iter().map(ToString::to_string).collect();
        let list = "All checks are in docs/doctor.md; `opensoul doctor --json` lists those that ran.";
        Failure::new(FailureKind::Usage, format!("{}\n{list}", lines.join("\n")))
    })?;
    let strict = args.lint || args.json || args.non_interactive;
    let seen = match see() {
        Ok(seen) => seen,
        Err(failure) if strict => {
            anstream::eprintln!("opensoul: {failure}");
            return Ok(2);
        }
        Err(failure) => return Err(failure),
    };
    let context = doctor::Context {
        snapshot: &seen.snapshot,
        installations: &seen.installations,
        gateway: &seen.gateway,
        env,
        interactive: true,
        own,
        program,
        key: &seen.key,
        uid: rustix::process::getuid().as_raw(),
        now,
        monitor: None,
        reached: None,
        stored: Default::default(),
    };
    let findings = doctor::report(&context, &filter);
    let report = output::doctor::Report {
        taken_at: seen.snapshot.taken_at,
        host: &seen.snapshot.host,
        findings: &findings,
        checks: doctor::checks().filter(|check| filter.takes(check.id)).map(|check| check.id).collect(),
        severity_min: match args.severity_min {
            SeverityArg::Info => Severity::Info,
            SeverityArg::Warning => Severity::Warning,
            SeverityArg::Critical => Severity::Critical,
        },
    };
    let text = if args.json {
        output::doctor::json(&report).map_err(|error| Failure::new(FailureKind::Bug, error.to_string()))?
    } else {
        let zone = config::local_zone(env);
        let local = |at: Time| at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string();
        output::doctor::text(&report, sink.width, Some(&env.home()), &local)
    };
    match sink.out.write_all(text.as_bytes()).and_then(|()| sink.out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(Failure::new(FailureKind::Io, format!("cannot write the report: {error}")));
        }
        _ => {}
    }
    Ok(u8::from(strict && report.shown().next().is_some()))
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
    use crate::domain::{Gateway, GatewayState};
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
                lingers: None,
                listening: Listening::default(),
            },
            key: FingerprintKey::new(&[7; 32]),
        }
    }

    fn run_with(args: &Doctor, see: Result<Seen, Failure>) -> (Outcome, String) {
        let mut out = Vec::new();
        let sink = Sink { out: &mut out, width: 80 };
        let none = PathBuf::from("/nonexistent");
        let own = OwnPaths { config: none.clone(), state: none };
        let outcome = run(args, &Environment::default(), own, Program::default(), now(), || see, sink);
        (outcome, String::from_utf8(out).expect("UTF-8"))
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
