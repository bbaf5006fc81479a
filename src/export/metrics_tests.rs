use std::collections::BTreeSet;

use super::*;
use crate::domain::{
    Activity, Clocks, Condition, Credential, CredentialId, Finding, Gateway, IncidentId, Judgement, Kind, Origin,
    Owner, ProviderSummary, Renewal, Selection, SourceReport, Subject, Verdict,
};
use crate::engine::windows::Period;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn credential(id: &str, state: State) -> Assessed {
    Assessed {
        credential: Box::new(Credential {
            id: CredentialId::from(id),
            provider: "anthropic".into(),
            profile: "default".into(),
            kind: Kind::Oauth,
            agent: None,
            origin: Origin { source: "claude-code".into(), path: None, modified: None },
            owner: Owner::Tool,
            renewal: Renewal::Manual,
            condition: Condition::Present,
            clocks: Clocks { access_expires: Some(at("2026-11-23T00:00:00.5Z")), ..Clocks::default() },
            account: Some("me@example.org".into()),
            scopes: None,
            fingerprint: None,
            refresh_fingerprint: None,
            selection: Selection::NotApplicable,
            bench: None,
            activity: Activity::default(),
            declared_in_use: None,
            fix: "claude auth login".into(),
            notes: vec![],
        }),
        judgement: Judgement {
            state,
            severity: Severity::Warning,
            in_use: true,
            expires: Some(at("2026-11-23T00:00:00.5Z")),
            warn_at: Some(at("2026-11-20T00:00:00Z")),
            critical_at: None,
            tier: None,
            generation: "g".into(),
            because: vec!["…".into()],
            fix: None,
        },
        copies: vec![],
        copy_of: None,
        verdict: None,
        allowance: None,
    }
}

fn snapshot(credentials: Vec<Assessed>) -> Snapshot {
    Snapshot {
        taken_at: at("2026-11-22T12:00:00Z"),
        host: "box".into(),
        credentials,
        providers: vec![ProviderSummary {
            provider: "anthropic".into(),
            state: State::Expiring,
            in_use: true,
            usable: 1,
            total: 1,
            effective: None,
        }],
        gateway: Gateway { state: GatewayState::Absent, detail: String::new() },
        findings: vec![Finding::new("x.y", Severity::Warning, "m", "f")],
        sources: vec![SourceReport {
            source: "claude-code".into(),
            looked: vec![],
            up: true,
            hidden: false,
            credentials: 1,
        }],
        clock_problem: None,
        fleet: false,
    }
}

fn incident(severity: Severity, status: IncidentStatus) -> Incident {
    let now = at("2026-11-22T12:00:00Z");
    Incident {
        severity,
        status,
        generation: "g".into(),
        ..Incident::new(
            IncidentId::of("CredentialExpiring", "claude-code:default", "box"),
            "CredentialExpiring",
            Subject::Credential(CredentialId::from("claude-code:default")),
            now,
        )
    }
}

fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))).collect()
}

#[test]
fn the_whole_text() {
    let names = Pseudonyms::default();
    insta::assert_snapshot!(snapshot_text(&snapshot(vec![credential("claude-code:default", State::Expiring)]), &names));
}

#[test]
fn a_login_is_recognised_in_a_fleet_that_shares_a_key_and_nowhere_else() {
    use crate::domain::{FingerprintKey, Secret};
    let key = FingerprintKey::new(&[5; 32]);
    let login = |refresh: &str| {
        let mut one = credential("claude-code:default", State::Ok);
        one.credential.fingerprint = key.fingerprint(&Secret::new(format!("access of {refresh}")));
        one.credential.refresh_fingerprint = key.fingerprint(&Secret::new(refresh.to_owned()));
        one
    };
    let info = |refresh: &str, fleet| {
        let snapshot = Snapshot { fleet, ..snapshot(vec![login(refresh)]) };
        let text = snapshot_text(&snapshot, &Pseudonyms::default());
        text.lines().find(|line| line.starts_with("opensoul_credential_info{")).unwrap().to_owned()
    };
    assert_eq!(info("one", true), info("one", true));
    assert_ne!(info("one", true), info("two", true));
    let whole = login("one").credential.refresh_fingerprint.unwrap().to_hex();
    assert!(
        info("one", true).contains(&format!("identity=\"{}\"", &whole[..12])) && !info("one", true).contains(&whole)
    );
    assert!(!info("one", false).contains("identity"), "no hash is anybody's business otherwise");
}

#[test]
fn what_is_unknown_is_left_out() {
    let mut one = credential("a:b", State::Static);
    one.judgement.expires = None;
    one.judgement.warn_at = None;
    one.credential.clocks.access_expires = None;
    let text = snapshot_text(&snapshot(vec![one]), &Pseudonyms::default());
    for name in ["expiration", "warn_at", "critical_at", "access_expiration", "refresh_due", "grant_expiration"] {
        assert!(!text.contains(&format!("opensoul_credential_{name}_timestamp_seconds")), "{name}\n{text}");
    }
    assert!(!text.contains("opensoul_credential_accepted"), "no probe, no verdict");
    assert!(!text.contains("opensoul_gateway_up"), "no gateway, no health");
}

#[test]
fn every_state_has_a_series_and_exactly_one_is_1() {
    for state in State::ALL {
        let text = snapshot_text(&snapshot(vec![credential("a:b", state)]), &Pseudonyms::default());
        let all = lines(&text, "opensoul_credential_state");
        assert_eq!(all.len(), 13);
        let set: Vec<_> = all.iter().filter(|l| l.ends_with(" 1")).collect();
        assert_eq!(set.len(), 1);
        assert!(set[0].contains(&format!("state=\"{}\"", state.word())));
    }
}

#[test]
fn a_verdict_shows_only_if_it_is_conclusive() {
    let accepted = |kind| {
        let mut one = credential("a:b", State::Ok);
        one.verdict = Some(Verdict { kind, at: at("2026-11-22T11:00:00Z"), detail: "…".into() });
        let text = snapshot_text(&snapshot(vec![one]), &Pseudonyms::default());
        lines(&text, "opensoul_credential_accepted").first().map(|l| l.ends_with(" 1"))
    };
    assert_eq!(accepted(VerdictKind::Accepted), Some(true));
    assert_eq!(accepted(VerdictKind::Limited), Some(true));
    assert_eq!(accepted(VerdictKind::Rejected), Some(false));
    assert_eq!(accepted(VerdictKind::Billing), Some(false));
    assert_eq!(accepted(VerdictKind::Throttled), None);
    assert_eq!(accepted(VerdictKind::Network), None);
}

#[test]
fn addresses_stay_here_and_series_stay_unique() {
    let all = vec![
        credential("opensoul:main/openai:a@x.org", State::Ok),
        credential("opensoul:main/openai:b@x.org", State::Ok),
        credential("opensoul:main/openai:c@x.org", State::Ok),
    ];
    let names = Pseudonyms::new([("c@x.org".to_owned(), 7)].into(), false);
    let text = snapshot_text(&snapshot(all), &names);
    assert!(!text.contains('@'), "{text}");
    assert!(text.contains("openai:user-7\""));
    let series: Vec<&str> =
        text.lines().filter(|l| !l.starts_with('#')).map(|l| l.rsplit_once(' ').unwrap().0).collect();
    let unique: BTreeSet<&str> = series.iter().copied().collect();
    assert_eq!(series.len(), unique.len(), "{text}");
}

#[test]
fn an_end_that_is_only_assumed_is_never_critical() {
    let mut one = credential("opensoul:main/anthropic:setup", State::Expiring);
    one.judgement.critical_at = Some(at("2026-11-22T00:00:00Z"));
    let text = |one: &Assessed| snapshot_text(&snapshot(vec![one.clone()]), &Pseudonyms::default());
    let critical = "opensoul_credential_critical_at_timestamp_seconds{";
    assert!(text(&one).contains(critical));
    one.credential.clocks.grant_expires = one.judgement.expires;
    one.credential.clocks.grant_basis = Some(Basis::Assumed);
    let text = text(&one);
    assert!(!text.contains(critical) && text.contains("opensoul_credential_warn_at_timestamp_seconds{"), "{text}");
}

#[test]
fn a_copy_is_listed_and_not_counted() {
    let mut copy = credential("opensoul:main/anthropic:claude-cli", State::Expiring);
    copy.copy_of = Some(CredentialId::from("claude-code:default"));
    let text = snapshot_text(
        &snapshot(vec![credential("claude-code:default", State::Expiring), copy]),
        &Pseudonyms::default(),
    );
    assert_eq!(lines(&text, "opensoul_credential_info").len(), 2);
    assert!(text.contains("copy_of=\"claude-code:default\""));
    assert_eq!(lines(&text, "opensoul_credential_expiration_timestamp_seconds").len(), 1);
    assert_eq!(lines(&text, "opensoul_credential_state").len(), 13);
}

#[test]
fn label_values_are_escaped() {
    let text = snapshot_text(&snapshot(vec![credential("dotenv:/a\"b\\c\nd#K", State::Ok)]), &Pseudonyms::default());
    assert!(text.contains(r#"credential="dotenv:/a\"b\\c\nd#K""#), "{text}");
}

#[test]
fn alerts_and_queues() {
    let standing = Standing {
        incidents: vec![incident(Severity::Critical, IncidentStatus::Firing)],
        receivers: vec![ReceiverHealth {
            name: "ops".into(),
            channel: "email",
            queued: 2,
            oldest_queued: Some(at("2026-11-22T12:00:00Z")),
            last_success: None,
            last_error: None,
            quarantined: None,
        }],
        pushes: [(crate::export::ALERTMANAGER, "am1:9093"), (crate::export::HEARTBEAT, "healthchecks")]
            .map(|(kind, name)| PushHealth {
                name: name.into(),
                kind,
                last_success: Some(at("2026-11-22T12:00:00Z")),
                failing_since: None,
                last_error: None,
            })
            .into(),
        last_cycle: Some(at("2026-11-22T12:00:00Z")),
        overdue: Some(at("2026-11-22T12:30:00Z")),
        ..Standing::default()
    };
    let window = |name: &str, open| Window { kind: "maintenance", name: name.into(), open };
    let date = at("2026-11-22T12:00:00Z");
    let open = Some(Period { since: date, until: date });
    let windows = [window("a", None), window("b", open), window("b", None)];
    insta::assert_snapshot!(standing_text(&standing, &BTreeMap::new(), &windows));
    let text = standing_text(&Standing::default(), &BTreeMap::new(), &[]);
    assert!(!text.contains("opensoul_cycle_") && !text.contains("digest"), "what has no date is left out");
}

#[test]
fn what_is_held_back_is_not_firing() {
    let one = incident(Severity::Critical, IncidentStatus::Firing);
    let id = one.id.clone();
    let date = at("2026-11-22T12:00:00Z");
    let standing = Standing {
        incidents: vec![one],
        last_cycle: Some(date),
        report: Some(ReportDates { last: Some(date), next: None }),
        ..Standing::default()
    };
    let why = |why| BTreeMap::from([(id.clone(), why)]);
    let ack = Withheld::Acked { by: "ann".into(), until: None, snoozed: false, comment: None };
    for (withheld, status) in [
        (BTreeMap::new(), "firing"),
        (why(ack), "acked"),
        (why(Withheld::Maintenance { name: "m".into(), until: date }), "silenced"),
        (why(Withheld::Quiet { until: date }), "firing"),
    ] {
        let text = standing_text(&standing, &withheld, &[]);
        for word in STATUSES {
            let value = u8::from(word == status);
            let line = format!("opensoul_alerts{{severity=\"critical\",status=\"{word}\"}} {value}");
            assert!(text.contains(&line), "{line}\n{text}");
        }
        assert!(text.contains("opensoul_digest_last_timestamp_seconds "), "{text}");
    }
}

#[test]
fn ten_thousand_credentials_are_one_series_each() {
    let all = (0..10_000).map(|n| credential(&format!("opensoul:main/p:{n}"), State::Ok)).collect();
    let text = snapshot_text(&snapshot(all), &Pseudonyms::default());
    assert_eq!(lines(&text, "opensoul_credential_info").len(), 10_000);
    assert_eq!(lines(&text, "opensoul_credential_state").len(), 130_000);
}
