use super::*;
use crate::domain::{CredentialId, Zone};
use crate::engine::policy::Rhythm;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn now() -> Time {
    at("2026-11-22T12:00:00Z")
}

pub(in crate::export) fn incident(name: &str, subject: &str, severity: Severity) -> Incident {
    Incident {
        provider: Some("anthropic".into()),
        severity,
        since: now() - Span::hours(2),
        generation: "g".into(),
        title: format!("{subject} must be renewed"),
        summary: format!("{subject} expires 2026-11-24 12:00 UTC"),
        because: vec!["the grant ends soon".into()],
        fix: Some("claude auth login".into()),
        expires: Some(at("2026-11-24T12:00:00Z")),
        ..Incident::new(
            IncidentId::of(name, subject, "box"),
            name,
            Subject::Credential(CredentialId::from(subject)),
            now(),
        )
    }
}

fn expiring(severity: Severity) -> Incident {
    incident("CredentialExpiring", "claude-code:default", severity)
}

fn said(board: &Board, now: Time) -> Vec<Alert> {
    let names = Pseudonyms::default();
    board.alerts(&Words { host: "box", names: &names, link: "http://127.0.0.1:10177/" }, Span::minutes(15), now)
}

/// Name, and whether it fires.
fn names(board: &Board, now: Time) -> Vec<(String, bool)> {
    said(board, now).iter().map(|alert| (alert.labels["alertname"].clone(), alert.ends_at > now)).collect()
}

#[test]
fn as_alertmanager_wants_it() {
    let extra = [("team".to_owned(), "ops".to_owned())].into();
    let alerts = said(&Board::new(&[expiring(Severity::Critical)]), now());
    let value: serde_json::Value = serde_json::from_slice(&body(&alerts, &extra)).unwrap();
    insta::assert_json_snapshot!(value);
}

#[test]
fn what_changes_is_no_part_of_the_identity() {
    let first = said(&Board::new(&[expiring(Severity::Critical)]), now());
    let later = now() + Span::hours(20);
    let worse = Incident {
        summary: "something else".into(),
        because: vec![],
        expires: None,
        last_seen: later,
        ..expiring(Severity::Critical)
    };
    let second = said(&Board::new(&[worse]), later);
    assert_eq!(first[0].labels, second[0].labels);
    assert_eq!(first[0].starts_at, second[0].starts_at);
    assert_ne!(first[0].annotations, second[0].annotations);
}

#[test]
fn a_severity_that_rises_is_another_alert_and_the_first_one_ends() {
    let mut board = Board::new(&[]);
    board.turn(&[expiring(Severity::Warning)], now());
    assert_eq!(names(&board, now()), [("CredentialExpiringWarning".to_owned(), true)]);
    let later = now() + Span::minutes(5);
    board.turn(&[expiring(Severity::Critical)], later);
    let both = [("CredentialExpiringCritical".to_owned(), true), ("CredentialExpiringWarning".to_owned(), false)];
    assert_eq!(names(&board, later), both);
    // It comes back down.
    let back = later + Span::minutes(5);
    board.turn(&[expiring(Severity::Warning)], back);
    let both = [("CredentialExpiringWarning".to_owned(), true), ("CredentialExpiringCritical".to_owned(), false)];
    assert_eq!(names(&board, back), both);
}

#[test]
fn an_end_is_said_for_a_while_and_with_one_date() {
    // What stood before we began may be known there.
    let mut board = Board::new(&[expiring(Severity::Critical)]);
    board.turn(&[], now());
    for minutes in [0, 5, 15] {
        let later = now() + Span::minutes(minutes);
        board.turn(&[], later);
        let alerts = said(&board, later);
        assert_eq!(alerts.iter().map(|alert| alert.ends_at).collect::<Vec<_>>(), [now()], "after {minutes} min");
    }
    let later = now() + Span::minutes(16);
    board.turn(&[], later);
    assert!(said(&board, later).is_empty());

    board.turn(&[expiring(Severity::Critical)], later);
    board.turn(&[], later);
    board.turn(&[expiring(Severity::Critical)], later);
    assert_eq!(names(&board, later), [("CredentialExpiringCritical".to_owned(), true)], "it is back: no end of it");
}

#[test]
fn info_pending_and_over_are_no_alerts() {
    let info = expiring(Severity::Info);
    let pending = Incident { status: IncidentStatus::Pending, ..expiring(Severity::Critical) };
    let over = Incident { status: IncidentStatus::Resolved, ..expiring(Severity::Critical) };
    assert!(said(&Board::new(&[info, pending, over]), now()).is_empty());
}

#[test]
fn addresses_stay_here_and_checks_are_no_credentials() {
    let mut one = incident("DoctorFinding", "opensoul:main/openai:me@x.org", Severity::Warning);
    let board = Board::new(std::slice::from_ref(&one));
    let names = Pseudonyms::new([("me@x.org".to_owned(), 3)].into(), false);
    let words = Words { host: "box", names: &names, link: "" };
    let alerts = board.alerts(&words, Span::minutes(15), now());
    let text = String::from_utf8(body(&alerts, &BTreeMap::new())).unwrap();
    assert!(text.contains("openai:user-3") && !text.contains('@') && !text.contains("generatorURL"), "{text}");

    one.subject = Subject::Check("store.damaged#1".into());
    one.provider = None;
    let alerts = said(&Board::new(&[one]), now());
    assert_eq!(alerts[0].labels["check"], "store.damaged#1");
    assert!(!alerts[0].labels.contains_key("credential") && !alerts[0].labels.contains_key("provider"));
}

#[test]
fn nothing_begins_after_its_end() {
    let ahead = Incident { since: now() + Span::hours(3), ..expiring(Severity::Critical) };
    let mut board = Board::new(&[ahead]);
    assert!(said(&board, now()).iter().all(|alert| alert.starts_at <= alert.ends_at));
    board.turn(&[], now());
    assert!(said(&board, now()).iter().all(|alert| alert.starts_at <= alert.ends_at));
}

#[test]
fn it_counts_for_three_rounds() {
    let schedule = |rhythm| Schedule { rhythm, zone: Zone::UTC };
    let every = |span| schedule(Rhythm::Every(span));
    let cron = |text: &str| schedule(Rhythm::Cron(text.to_owned()));
    let before = |span: Span| Some(now() - span);
    let minute = Span::minutes(1);
    for (schedule, before, expected) in [
        (every(minute), before(minute), Span::minutes(15)),
        (every(Span::hours(1)), before(minute), Span::minutes(181)),
        // Nine to five: over night it is sixteen hours to the next look.
        (cron("0 9-12 * * *"), before(Span::hours(1)), Span::hours(23) + minute),
        // Whoever starts us keeps no schedule of ours.
        (every(minute), before(Span::hours(4)), Span::hours(12)),
        (every(minute), None, Span::hours(1)),
        // Months without us were no rhythm, and a clock that went back is none.
        (every(minute), before(Span::days(90)), Span::days(3)),
        (every(minute), before(-Span::days(90)), Span::minutes(15)),
        (cron("0 0 30 2 *"), before(minute), Span::days(1)),
    ] {
        assert_eq!(hold(&schedule, before, now()), expected, "{schedule:?} {before:?}");
    }
}
