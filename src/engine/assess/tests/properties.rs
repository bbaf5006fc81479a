//! What must be true of any input.

use proptest::prelude::*;

use super::*;
use crate::engine::check::{CheckScope, exit_code};

fn any_time() -> impl Strategy<Value = Option<Time>> {
    proptest::option::of((-60_i64 * 24..60 * 24).prop_map(|hours| now() + Span::hours(hours)))
}

fn any_credential() -> impl Strategy<Value = Credential> {
    let word = |words: &'static [&'static str]| proptest::sample::select(words);
    let owner = proptest::sample::select(vec![Owner::Tool, Owner::GatewayStore, Owner::Environment, Owner::Declared]);
    let renewal = proptest::sample::select(vec![Renewal::Auto, Renewal::Manual, Renewal::None]);
    let condition = prop_oneof![
        6 => Just(Condition::Present),
        1 => Just(Condition::Blanked),
        1 => Just(Condition::Unreadable("why".into())),
        1 => Just(Condition::Damaged("what".into())),
    ];
    let selection = prop_oneof![
        2 => Just(Selection::NotApplicable),
        3 => (0..3_usize).prop_map(Selection::Eligible),
        1 => Just(Selection::Excluded("order".into())),
    ];
    let bench = proptest::option::of((any::<bool>(), 1_i64..50).prop_map(|(long, hours)| Bench {
        kind: if long { BenchKind::Disabled } else { BenchKind::Cooldown },
        until: now() + Span::hours(hours),
        reason: None,
    }));
    let clocks = (any_time(), any_time(), any_time(), any_time(), 0..3_usize);
    (
        word(&["anthropic", "openai", "groq"]),
        word(&["1", "2", "3", "4", "5"]),
        owner,
        renewal,
        condition,
        selection,
        bench,
        clocks,
        any_time(),
    )
        .prop_map(|(provider, secret, owner, renewal, condition, selection, bench, clocks, used)| Credential {
            provider: provider.to_owned(),
            fingerprint: (condition == Condition::Present).then(|| fingerprint(secret)).flatten(),
            owner,
            renewal,
            condition,
            selection,
            bench,
            clocks: Clocks {
                access_expires: clocks.0,
                grant_expires: clocks.1,
                grant_basis: [None, Some(Basis::Decoded), Some(Basis::Server)][clocks.4],
                refresh_due: clocks.2,
                issued: clocks.3,
                last_renewed: None,
            },
            activity: Activity { last_used: used, last_failure: None, owner_changed: used },
            ..stored("")
        })
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let verdict = (0..12_usize, 1_i64..24).prop_map(|(kind, hours)| {
        use VerdictKind::*;
        let kinds = [
            Accepted,
            Rejected,
            Expired,
            Revoked,
            Limited,
            Billing,
            Forbidden,
            Retired,
            Throttled,
            ProviderDown,
            Network,
            Unverifiable,
        ];
        Verdict { kind: kinds[kind], at: now() - Span::hours(hours), detail: String::new() }
    });
    let entry = (any_credential(), proptest::option::of(verdict));
    (
        proptest::collection::vec(entry, 0..9),
        any::<bool>(),
        any::<bool>(),
        proptest::option::weighted(0.2, Just("wrong".to_owned())),
    )
        .prop_map(|(entries, configured, up, clock_problem)| {
            let mut observation = observe(Vec::new());
            observation.demand.models_configured = configured;
            observation.clock_problem = clock_problem;
            observation.gateway.state = if up { GatewayState::Up } else { GatewayState::Absent };
            for (number, (mut credential, verdict)) in entries.into_iter().enumerate() {
                credential.id = CredentialId(format!("id{number}"));
                if let Some(verdict) = verdict {
                    observation.verdicts.insert(credential.id.clone(), verdict);
                }
                observation.credentials.push(Box::new(credential));
            }
            observation
        })
}

proptest! {
    #[test]
    fn nothing_is_said_without_a_reason_and_nothing_unused_is_urgent(observation in any_observation()) {
        for assessed in judge(observation).credentials {
            let judgement = &assessed.judgement;
            prop_assert!(!judgement.because.is_empty());
            prop_assert!(judgement.because.iter().all(|line| !line.trim().is_empty()));
            prop_assert!(!judgement.generation.is_empty());
            if !judgement.in_use {
                prop_assert!(judgement.severity <= Severity::Info);
            }
            if assessed.copy_of.is_some() || matches!(judgement.state, State::Ok | State::Static) {
                prop_assert_eq!(judgement.severity, Severity::None);
            }
            if judgement.severity >= Severity::Warning {
                prop_assert!(judgement.fix.is_some() || judgement.state == State::Limited);
            }
            if let (Some(warn), Some(critical), Some(end)) = (judgement.warn_at, judgement.critical_at, judgement.expires) {
                prop_assert!(warn <= critical && critical <= end);
            }
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(observation in any_observation(), seed in any::<u64>()) {
        let mut shuffled = observation.clone();
        shuffled.credentials.sort_by_key(|c| IncidentId::of("shuffle", c.id.as_str(), &seed.to_string()));
        prop_assert_eq!(judge(observation), judge(shuffled));
    }

    /// Waiting alone repairs nothing: what has ended stays ended, what was ending never becomes fine.
    #[test]
    fn time_only_makes_dates_worse(observation in any_observation(), later in 1_i64..24 * 90) {
        let badness = |state: State| match state {
            State::Ok | State::Static => 0,
            State::Expiring => 1,
            State::RefreshOverdue | State::Expired => 2,
            _ => 3,
        };
        let before = judge(observation.clone());
        let after = assess(observation, &Thresholds::default(), now() + Span::hours(later));
        for old in &before.credentials {
            let new = after.credentials.iter().find(|new| new.credential.id == old.credential.id).unwrap();
            prop_assert!(badness(new.judgement.state) >= badness(old.judgement.state), "{:?}\n{:?}", old, new);
            prop_assert!(new.judgement.tier >= old.judgement.tier);
            prop_assert_eq!(&new.judgement.generation, &old.judgement.generation);
        }
    }

    #[test]
    fn precedence(observation in any_observation()) {
        let failing = |kind: VerdictKind| kind.is_conclusive() && kind != VerdictKind::Accepted;
        let wrong_clock = observation.clock_problem.is_some();
        for assessed in judge(observation).credentials {
            let (credential, state) = (&assessed.credential, assessed.judgement.state);
            match &credential.condition {
                Condition::Blanked => prop_assert_eq!(state, State::Missing),
                Condition::Unreadable(_) => prop_assert_eq!(state, State::Unreadable),
                Condition::Damaged(_) => prop_assert_eq!(state, State::Unknown),
                _ if assessed.verdict.as_ref().is_some_and(|v| failing(v.kind)) && credential.clocks.issued.is_none() => {
                    prop_assert!(!matches!(state, State::Ok | State::Static | State::Expiring | State::RefreshOverdue));
                }
                _ if wrong_clock => prop_assert!(!matches!(state, State::Expiring | State::RefreshOverdue)),
                _ if credential.renewal == Renewal::Auto && assessed.judgement.expires.is_none() => {
                    prop_assert!(!matches!(state, State::Expiring), "access expiry alone never alerts");
                }
                _ => {}
            }
        }
    }

    #[test]
    fn the_check_agrees_with_the_summary(observation in any_observation()) {
        let configured = observation.demand.models_configured;
        let snapshot = judge(observation);
        let result = exit_code(&snapshot, CheckScope::InUse);
        prop_assert_eq!(result.code == 0, result.reasons.is_empty());
        prop_assert!(matches!(result.code, 0..=2));
        if configured && snapshot.providers.iter().any(|provider| provider.in_use && !provider.state.is_usable()) {
            prop_assert_eq!(result.code, 1);
        }
    }
}

#[test]
fn ten_thousand_take_no_time() {
    let credentials: Vec<Credential> =
        (0..10_000).map(|number| ends(stored(&format!("id{number}")), days(number % 400))).collect();
    let observation = observe(credentials);
    // Quadratic steps would take minutes here; the bound only has to tell them from n log n on a busy machine.
    let judged = judge(observation);
    assert_eq!(judged.credentials.len(), 10_000);
}
