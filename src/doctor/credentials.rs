//! Credentials that need somebody, as the snapshot judged them, and profiles that the gateway has set aside.

use super::{By, Check, Context};
use crate::domain::{Assessed, BenchKind, Finding, Place, Severity, State, Time};

macro_rules! state_checks {
    ($($state:ident $id:literal $about:literal),* $(,)?) => {
        pub(super) const CHECKS: &[Check] = &[
            $(Check { id: $id, about: $about, by: By::Retelling(|context| in_state(context, State::$state, $id)) },)*
            Check { id: "provider.nothing-usable", about: "providers in use without a usable credential", by: By::Retelling(nothing_usable) },
            Check { id: "profile.cooldown", about: "profiles that the gateway rests for minutes", by: By::Doctor(cooldown) },
            Check { id: "profile.disabled", about: "profiles that the gateway has disabled for hours", by: By::Doctor(disabled) },
        ];
    };
}

state_checks! {
    Expired "credential.expired" "credentials whose date has passed",
    Expiring "credential.expiring" "credentials that end soon",
    RefreshOverdue "credential.refresh-overdue" "logins that their owner should have renewed",
    Rejected "credential.rejected" "credentials that the provider refuses",
    Missing "credential.missing" "logged out, emptied or unresolved credentials",
    Unreadable "credential.unreadable" "credentials that cannot be read",
    Billing "credential.billing" "credentials without money behind them",
    Limited "credential.limited" "credentials with a used-up quota",
    Forbidden "credential.forbidden" "credentials that may not do this",
    Retired "credential.retired" "credentials of services that have ended",
    Unknown "credential.unknown" "credentials that cannot be judged",
}

fn in_state(context: &Context<'_>, state: State, id: &str) -> Vec<Finding> {
    let told =
        |a: &&Assessed| a.judgement.state == state && a.judgement.severity > Severity::None && a.copy_of.is_none();
    context.snapshot.credentials.iter().filter(told).map(|assessed| finding(assessed, id)).collect()
}

fn finding(assessed: &Assessed, id: &str) -> Finding {
    let (credential, judgement) = (&assessed.credential, &assessed.judgement);
    let because = judgement.because.join("; ");
    let message = format!("{} ({}) is {}: {because}.", credential.id, credential.provider, judgement.state);
    let fix = judgement.fix.clone().unwrap_or_else(|| credential.fix.clone());
    Finding::new(id, judgement.severity, message, fix).at(place(assessed))
}

fn place(assessed: &Assessed) -> Place {
    let origin = &assessed.credential.origin;
    Place {
        path: origin.path.as_deref().map(Into::into),
        key: Some(assessed.credential.profile.clone()),
        ..Place::default()
    }
}

fn nothing_usable(context: &Context<'_>) -> Vec<Finding> {
    // With a credential of its own that is broken, the finding about that credential says more.
    let has_one = |provider: &str| context.snapshot.credentials.iter().any(|a| a.credential.provider == provider);
    context
        .snapshot
        .providers
        .iter()
        .filter(|p| p.in_use && p.usable == 0 && !has_one(&p.provider))
        .map(|p| {
            Finding::new(
                "provider.nothing-usable",
                Severity::Critical,
                format!("A configured model needs {}, and there is no credential for it.", p.provider),
                format!("opensoul models auth paste-token --provider {}", p.provider),
            )
        })
        .collect()
}

fn cooldown(context: &Context<'_>) -> Vec<Finding> {
    benched(context, BenchKind::Cooldown, "profile.cooldown")
}

fn disabled(context: &Context<'_>) -> Vec<Finding> {
    benched(context, BenchKind::Disabled, "profile.disabled")
}

fn benched(context: &Context<'_>, kind: BenchKind, id: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for assessed in &context.snapshot.credentials {
        let credential = &assessed.credential;
        let Some(bench) = credential.bench.as_ref().filter(|b| b.kind == kind && b.until > context.now) else {
            continue;
        };
        // One that rests still counts as usable, one that is disabled does not.
        let itself = usize::from(kind == BenchKind::Cooldown && assessed.judgement.state.is_usable());
        let alone = context.snapshot.providers.iter().any(|p| p.provider == credential.provider && p.usable <= itself);
        let severity = match (kind, assessed.judgement.in_use, alone) {
            (BenchKind::Disabled, true, true) => Severity::Critical,
            (BenchKind::Disabled, true, false) | (BenchKind::Cooldown, true, true) => Severity::Warning,
            _ => Severity::Info,
        };
        let word = match kind {
            BenchKind::Cooldown => "rests",
            BenchKind::Disabled => "has disabled",
        };
        let reason = bench.reason.as_deref().map(|r| format!(" because of {r}")).unwrap_or_default();
        let key = match &assessed.verdict {
            Some(verdict) if verdict.kind.is_conclusive() => {
                format!("the provider itself said {} at {}", verdict.kind.word().replace('_', " "), instant(verdict.at))
            }
            _ => "the key itself may be fine".to_owned(),
        };
        let message = format!(
            "The gateway {word} {} until {} (in {}){reason}; {key}.",
            credential.id,
            instant(bench.until),
            span(bench.until - context.now),
        );
        let fix = match (kind, bench.reason.as_deref()) {
            (BenchKind::Cooldown, _) => {
                format!("Wait until {}, or use another profile or provider meanwhile.", instant(bench.until))
            }
            (BenchKind::Disabled, Some("billing")) => format!(
                "Top up the account at {}. The gateway tries again by itself; to try at once, stop it, remove \
                 usageStats.\"{}\".disabledUntil from its store, and start it.",
                credential.provider, credential.profile
            ),
            (BenchKind::Disabled, _) => format!(
                "The gateway tries again by itself; to try at once, stop it, remove usageStats.\"{}\".disabledUntil \
                 from its store, and start it.",
                credential.profile
            ),
        };
        findings.push(Finding::new(id, severity, message, fix).at(place(assessed)));
    }
    findings
}

fn instant(at: Time) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// The two largest units: `3d 4h`, `4h 5m`, `5m`.
fn span(span: crate::domain::Span) -> String {
    let minutes = span.num_minutes().max(1);
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, m) => format!("{m}m"),
        (0, h, 0) => format!("{h}h"),
        (0, h, m) => format!("{h}h {m}m"),
        (d, 0, _) => format!("{d}d"),
        (d, h, _) => format!("{d}d {h}h"),
    }
}
