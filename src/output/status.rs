//! `status`: every credential of this machine and the truth about it, as JSON (the contract), text, a plugin's line for
//! Nagios and its heirs, and a Checkmk local check. All of them are views of one [`Snapshot`].

pub mod checkmk;
mod fields;
pub(super) mod lines;
mod model;
pub mod nagios;
pub mod read;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::{Assessed, Incident, IncidentId, Severity, Snapshot, State, Withheld};
use crate::engine::check::{self, CheckResult, CheckScope};
use crate::engine::runway;

pub use text::{Options, text};

/// What the whole machine is, worst first (CONTRACTS §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// Everything in use works.
    Ok,
    /// Something hides the answer.
    Unknown,
    /// Somebody should act.
    Warning,
    /// Something stops, or has stopped.
    Critical,
}

impl Overall {
    /// The word used in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Judges the machine as a whole; `check` is the answer of `--check` for [`CheckScope::InUse`].
#[must_use]
pub fn overall(snapshot: &Snapshot, check: &CheckResult) -> Overall {
    let of = |severity: Severity| match severity {
        Severity::Critical => Overall::Critical,
        Severity::Warning => Overall::Warning,
        Severity::Info | Severity::None => Overall::Ok,
    };
    let running_out =
        |a: &Assessed| runway::alarm(a, snapshot, snapshot.taken_at).map_or(Severity::None, |(how, _)| how);
    let severity = |a: &Assessed| a.judgement.severity.max(running_out(a));
    let worst = snapshot.credentials.iter().map(|a| of(severity(a))).max().unwrap_or(Overall::Ok);
    let hidden = snapshot.clock_problem.is_some()
        || snapshot.providers.is_empty()
        // What is only a remark (nobody is known to have a login there) hides nothing.
        || snapshot
            .findings
            .iter()
            .filter(|f| f.severity > Severity::Info)
            .any(|f| [check::STORE_UNREADABLE, check::STORE_UNPARSABLE].contains(&f.id.as_str()))
        || snapshot.credentials.iter().any(|a| a.judgement.in_use && a.judgement.state == State::Unknown);
    let dead = match check.code {
        1 if check.unseen => Overall::Unknown,
        // Nothing found is no outage, and a wrong clock proves none.
        1 if !snapshot.providers.is_empty() && snapshot.clock_problem.is_none() => Overall::Critical,
        2 if snapshot.clock_problem.is_none() => Overall::Warning,
        _ => Overall::Ok,
    };
    worst.max(dead).max(if hidden { Overall::Unknown } else { Overall::Ok })
}

/// A snapshot with what the machine is as a whole: judged here, or as another machine judged itself.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Everything known.
    pub snapshot: &'a Snapshot,
    /// The answer of `--check`.
    pub check: CheckResult,
    /// The worst of it.
    pub overall: Overall,
}

impl<'a> Report<'a> {
    /// Judges it here.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let check = check::exit_code(snapshot, CheckScope::InUse);
        Self { overall: overall(snapshot, &check), check, snapshot }
    }
}

/// Incidents, and why nothing is said about some.
#[derive(Clone, Copy, Debug)]
pub struct Incidents<'a> {
    /// All that stand.
    pub all: &'a [Incident],
    /// Why nothing is said.
    pub withheld: &'a BTreeMap<IncidentId, Withheld>,
}

impl<'a> Incidents<'a> {
    /// Incidents of which nothing is held back.
    #[must_use]
    pub fn heard(all: &'a [Incident]) -> Self {
        static NONE: BTreeMap<IncidentId, Withheld> = BTreeMap::new();
        Self { all, withheld: &NONE }
    }
}

/// `status --json`: the document of CONTRACTS §3. `home` is shortened to `~` in paths.
///
/// # Errors
/// Never for these types; the signature is that of the serialiser.
pub fn json(report: &Report<'_>, incidents: Incidents<'_>, home: Option<&Path>) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(&document(report, incidents, home))? + "\n")
}

/// The same, to be written elsewhere.
pub fn document<'a>(report: &'a Report<'a>, incidents: Incidents<'a>, home: Option<&'a Path>) -> impl Serialize + 'a {
    model::Document::of(report, incidents, home)
}

/// Everything that counts for a plugin's answer: originals, not copies.
fn originals(snapshot: &Snapshot) -> impl Iterator<Item = &Assessed> {
    snapshot.credentials.iter().filter(|assessed| assessed.copy_of.is_none())
}
