//! Checks: one file per area; a check is a function from what was seen to findings, and never writes.
//!
//! Ids are `area.what`, stable, and documented in `docs/doctor.md`; people write them into scripts. What sources find while
//! they read comes in through the snapshot and is not looked for again.

mod clock;
pub mod copies;
mod credentials;
mod disk;
pub mod environment;
mod files;
mod filter;
mod gateway;
mod locks;
mod monitor;
mod network;
mod own;
mod profiles;
mod program;
mod service;
mod sources;
mod state;

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::config::Config;
use crate::domain::{Environment, Finding, FingerprintKey, Severity, Snapshot, Time};
use crate::formats::gateway_view::GatewayView;
use crate::formats::installation::Installation;
use crate::net::reach::Reached;
use crate::store::ReceiverState;

pub use files::{Surveyed, survey};
pub use filter::{Filter, UnknownCheck};

/// Everything a check may look at, beside the files that these name.
pub struct Context<'a> {
    /// Judged credentials, and what sources found.
    pub snapshot: &'a Snapshot,
    /// The gateways of this machine.
    pub installations: &'a [Installation],
    /// What the running gateway sees.
    pub gateway: &'a GatewayView,
    /// Our environment.
    pub env: &'a Environment,
    /// True in a person's shell. A monitor's environment and `PATH` are its own business.
    pub interactive: bool,
    /// Where our own files are.
    pub own: OwnPaths,
    /// How this program was started.
    pub program: Program,
    /// Key of the fingerprints in `gateway`.
    pub key: &'a FingerprintKey,
    /// Our real user id.
    pub uid: u32,
    /// The instant of the run.
    pub now: Time,
    /// The monitor as others see it; `None` in the monitor itself.
    pub monitor: Option<&'a MonitorSeen<'a>>,
    /// What became of a look at the providers' servers (`--deep`).
    pub reached: Option<&'a [Reached]>,
    /// What [`survey`] found, if somebody looked already; else the first check that needs it does.
    pub surveyed: OnceCell<Vec<Surveyed<'a>>>,
}

/// What is known of the monitor of this user.
pub struct MonitorSeen<'a> {
    /// Its configuration.
    pub config: &'a Config,
    /// There is a `monitor.toml`.
    pub configured: bool,
    /// The daemon runs, or a cycle is under way.
    pub running: bool,
    /// When a cycle was last committed.
    pub last_cycle: Option<Time>,
    /// How deliveries went.
    pub receivers: &'a [ReceiverState],
}

/// Where our own files are, whether or not they exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnPaths {
    /// `monitor.toml`
    pub config: PathBuf,
    /// The directory of `state.db`, `key`, `token`, `lock`.
    pub state: PathBuf,
}

/// How this program was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The file that runs, links followed.
    pub exe: Option<PathBuf>,
    /// The name it was called by (`opensoul`, `opensoul-monitor`).
    pub name: String,
}

/// One entry of the registry.
#[derive(Clone, Copy)]
pub struct Check {
    /// Stable id, `area.what`; every finding of the check has it.
    pub id: &'static str,
    /// What is looked at, in a few words.
    pub about: &'static str,
    /// Who says it.
    pub by: By,
}

/// Who makes the findings of a check.
#[derive(Clone, Copy)]
pub enum By {
    /// A function here.
    Doctor(fn(&Context<'_>) -> Vec<Finding>),
    /// A function here that retells what the snapshot says by itself. Only for people who ask the doctor: the monitor
    /// already alerts on the credential, the gateway or the clock.
    Retelling(fn(&Context<'_>) -> Vec<Finding>),
    /// A function here that judges what was seen of the network; only with `--deep`.
    Deep(fn(&Context<'_>, &[Reached]) -> Vec<Finding>),
    /// A source, while it reads; the finding is in the snapshot.
    Source,
}

/// The registry, by area.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        credentials::CHECKS,
        copies::CHECKS,
        profiles::CHECKS,
        environment::CHECKS,
        gateway::CHECKS,
        service::CHECKS,
        state::CHECKS,
        locks::CHECKS,
        files::CHECKS,
        own::CHECKS,
        monitor::CHECKS,
        program::CHECKS,
        disk::CHECKS,
        clock::CHECKS,
        network::CHECKS,
        sources::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Runs the selected checks. A check that panics becomes a finding of its own. Worst first, then by id and place.
#[must_use]
pub fn run(context: &Context<'_>, filter: &Filter) -> Vec<Finding> {
    run_checks(checks(), context, filter)
}

/// The findings of [`run`] with those that sources made, each once: what `doctor` shows.
#[must_use]
pub fn report(context: &Context<'_>, filter: &Filter) -> Vec<Finding> {
    let mut findings = run(context, filter);
    let mut others: Vec<Finding> =
        context.snapshot.findings.iter().filter(|finding| filter.takes(&finding.id)).cloned().collect();
    filter.weigh(&mut others);
    for finding in others {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    each_trouble_once(findings)
}

/// A broken login file is told by its source, with the place in it, and by the credential that was in it: the worse of the two
/// is kept, and of two that are as bad the one that knows the place.
fn each_trouble_once(mut findings: Vec<Finding>) -> Vec<Finding> {
    let one = |retold: &Finding, said: &Finding| {
        let unseen = ["credential.unreadable", "credential.unknown"].contains(&retold.id.as_str());
        let here = retold.place.path.is_some() && retold.place.path == said.place.path;
        let what = said.message.split_once(": ").map_or(said.message.as_str(), |(_, what)| what);
        let same = match said.id.as_str() {
            "store.unreadable" | "store.unparsable" => true,
            "store.damaged-profile" => retold.message.contains(what),
            _ => false,
        };
        unseen && here && same
    };
    let mut dropped = vec![false; findings.len()];
    for (at, retold) in findings.iter().enumerate() {
        for (other, said) in findings.iter().enumerate().filter(|(_, said)| one(retold, said)) {
            let worse = retold.severity > said.severity;
            dropped[if worse { other } else { at }] = true;
        }
    }
    let mut dropped = dropped.into_iter();
    findings.retain(|_| !dropped.next().unwrap_or_default());
    sort(&mut findings);
    findings
}

fn run_checks<'c>(checks: impl Iterator<Item = &'c Check>, context: &Context<'_>, filter: &Filter) -> Vec<Finding> {
    let mut findings = Vec::new();
    for check in checks.filter(|check| filter.takes(check.id)) {
        let run: &dyn Fn() -> Vec<Finding> = match (check.by, context.reached) {
            (By::Doctor(run), _) => &move || run(context),
            (By::Retelling(run), _) if filter.retells() => &move || run(context),
            (By::Deep(run), Some(reached)) => &move || run(context, reached),
            (By::Retelling(_) | By::Deep(_) | By::Source, _) => continue,
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(found) => findings.extend(found),
            Err(_) => findings.push(Finding::new(
                "doctor.check-failed",
                Severity::Warning,
                format!("The check {} stopped with an internal error; what it looks for is not known.", check.id),
                format!("Run the rest with: opensoul doctor --skip {}; and report this as a bug.", check.id),
            )),
        }
    }
    filter.weigh(&mut findings);
    sort(&mut findings);
    findings
}

fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (b.severity.cmp(&a.severity))
            .then_with(|| a.id.cmp(&b.id))
            .then_with(|| a.place.path.cmp(&b.place.path))
            .then_with(|| a.place.key.cmp(&b.place.key))
            .then_with(|| a.message.cmp(&b.message))
    });
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
