//! Which rule led to the state of a credential, and what would lead to another one.

use serde::Serialize;

use super::{Subject, when};
use crate::domain::{Assessed, Basis, Condition, Renewal, Severity, Snapshot, Span, State, VerdictKind};

/// How long a conclusive answer counts (DESIGN §7).
const ANSWER_COUNTS: Span = Span::hours(24);

/// The rule that decided (DESIGN §7, *precedence*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rule {
    pub id: &'static str,
    pub text: &'static str,
}

/// Which rule decided, in the order in which they are asked.
pub(super) fn rule(assessed: &Assessed, snapshot: &Snapshot) -> Rule {
    let (credential, state) = (&assessed.credential, assessed.judgement.state);
    let answered =
        |kinds: &[VerdictKind]| assessed.verdict.as_ref().is_some_and(|verdict| kinds.contains(&verdict.kind));
    let assumed = credential.clocks.grant_basis == Some(Basis::Assumed);
    let (id, text) = match (state, &credential.condition) {
        (State::Missing, _) => ("secret.absent", "without a secret nothing works"),
        (State::Unreadable, _) => ("secret.unreadable", "what cannot be read is neither well nor ended"),
        (State::Unknown, Condition::Damaged(_)) => ("secret.damaged", "what means nothing is not guessed at"),
        (State::Unknown, _) if snapshot.clock_problem.is_some() => ("clock", "a wrong clock judges no date"),
        (State::Unknown, _) => ("unknown", "nothing is known that would decide"),
        (State::Retired, Condition::Retired(_)) => {
            ("service.ended", "a service that has ended takes nothing, whatever its dates say")
        }
        (State::Rejected | State::Billing | State::Forbidden | State::Limited | State::Retired, _) => {
            ("provider", "what the provider said last counts, for a day")
        }
        (State::Expired, _) if answered(&[VerdictKind::Expired]) => {
            ("provider", "what the provider said last counts, for a day")
        }
        (State::Expired, _) => ("end.passed", "its date has passed, and nobody renews it by itself"),
        (State::RefreshOverdue, _) => {
            ("renewal.overdue", "its owner was active after it should have renewed it, and did not")
        }
        (State::Expiring, _) if assumed => ("end.assumed", "an assumed end is a warning and never more"),
        (State::Expiring, _) => ("end.near", "its end is inside the warning band of [thresholds]"),
        (State::Ok, _) if credential.renewal == Renewal::Auto => {
            ("renewal.auto", "its owner renews it when it is used: a passed access token alone is no problem")
        }
        (State::Ok, _) => ("end.far", "its end is beyond the warning band of [thresholds]"),
        (State::Static, _) => ("end.none", "no end is known: it works until somebody says otherwise"),
    };
    Rule { id, text }
}

/// What would make the judgement another one.
pub(super) fn changes(subject: &Subject<'_>) -> Vec<String> {
    let Subject { snapshot, assessed, .. } = *subject;
    let (credential, judgement) = (&assessed.credential, &assessed.judgement);
    let (id, now) = (&credential.id, snapshot.taken_at);
    let mut lines = Vec::new();
    if let Some(original) = &assessed.copy_of {
        lines
            .push(format!("whatever changes {original}, which stands for it: opensoul credentials explain {original}"));
    }
    let assumed = credential.clocks.grant_basis == Some(Basis::Assumed);
    if matches!(judgement.state, State::Ok | State::Static | State::Expiring | State::Limited) {
        let steps = [
            (judgement.warn_at, "a warning"),
            (judgement.critical_at.filter(|_| !assumed), "critical if nothing else is left"),
        ];
        for (at, what) in steps {
            lines.extend(at.filter(|at| *at > now).map(|at| format!("time: from {} it is {what}", when(at))));
        }
        lines.extend(
            judgement.expires.filter(|at| *at > now && !assumed).map(|at| format!("time: {} it ends", when(at))),
        );
    }
    lines.extend(of_state(assessed, snapshot));
    if assumed || judgement.state == State::Static {
        lines.push(format!("its real end, if you know it: opensoul credentials declare --for '{id}' --expires DATE"));
    }
    if let Some(bench) = credential.bench.as_ref().filter(|bench| bench.until > now) {
        lines.push(format!("time: {} its gateway tries it again", when(bench.until)));
    }
    if !judgement.in_use {
        lines.push(format!(
            "use: a configured model of {}, activity of its tool, or in_use = true in a [[declared]] for it",
            credential.provider
        ));
    } else if judgement.severity > Severity::None {
        lines.push("being unused: it would then be worth knowing, and alert nobody".to_owned());
    }
    if assessed.verdict.is_none() && credential.condition == Condition::Present && credential.fingerprint.is_some() {
        lines.push("an answer of the provider: opensoul status --probe".to_owned());
    }
    lines
}

fn of_state(assessed: &Assessed, snapshot: &Snapshot) -> Option<String> {
    let credential = &assessed.credential;
    Some(match assessed.judgement.state {
        State::Ok if credential.renewal == Renewal::Auto => {
            "a refused renewal, or signs that it was used after its access token ended and was not renewed".to_owned()
        }
        State::Ok | State::Static | State::Expiring => "a refusal by the provider".to_owned(),
        State::Expired => "a new login or key with a later end, or a provider that accepts it all the same".to_owned(),
        State::RefreshOverdue => "a renewal by its owner".to_owned(),
        State::Missing => "a new login or key in its place".to_owned(),
        State::Unreadable => "being readable".to_owned(),
        State::Unknown if snapshot.clock_problem.is_some() => "a clock that is right".to_owned(),
        State::Unknown => "an entry that means something".to_owned(),
        State::Retired if matches!(credential.condition, Condition::Retired(_)) => {
            "a credential of another service in its place".to_owned()
        }
        State::Rejected | State::Billing | State::Forbidden | State::Limited | State::Retired => {
            let until = assessed.verdict.as_ref().map(|verdict| when(verdict.at + ANSWER_COUNTS));
            let until = until.map(|until| format!(", or time: after {until} this answer does not count any more"));
            format!("a new secret, or another answer{}", until.unwrap_or_default())
        }
    })
}
