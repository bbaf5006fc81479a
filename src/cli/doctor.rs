//! `doctor`: looks for what is wrong with the set-up, and says what to do. It never writes.

use std::io::Write;
use std::path::PathBuf;

use super::args::{Doctor, SeverityArg};
use super::exit::{Failure, FailureKind, Outcome};
use crate::doctor::{self, Filter, OwnPaths, Program};
use crate::domain::{Environment, FingerprintKey, Severity, Snapshot, Time};
use crate::formats::gateway_view::GatewayView;
use crate::formats::installation::Installation;
use crate::output;

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
        output::doctor::text(&report, sink.width, Some(&env.home()))
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
