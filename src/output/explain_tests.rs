//! One explanation whole, and every rule by example.

use super::*;
use crate::domain::{
    Activity, Basis, Bench, BenchKind, Clocks, Condition, Credential, Finding, Fingerprint, FingerprintKey, Kind,
    Origin, Place, Secret, Span, Verdict, VerdictKind,
};
use crate::engine::assess::assess;
use crate::engine::assess::tests::{login, observe, stored};
use crate::engine::observation::Observation;
use crate::engine::policy::Thresholds;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn now() -> Time {
    at("2027-01-10T12:00:00Z")
}

fn print(text: &str) -> Option<Fingerprint> {
    FingerprintKey::new(&[7; 32]).fingerprint(&Secret::new(text.to_owned()))
}

/// Claude Code's login with everything that can be known of one.
fn claude() -> Credential {
    Credential {
        id: "claude-code:default".into(),
        origin: Origin {
            source: "claude-code".into(),
            path: Some(Path::new("/home/u/.claude/.credentials.json").into()),
            modified: Some(now() - Span::hours(2)),
        },
        clocks: Clocks {
            access_expires: Some(now() + Span::hours(6)),
            grant_expires: Some(now() + Span::days(20)),
            grant_basis: Some(Basis::Declared),
            ..Clocks::default()
        },
        account: Some("me@x.org".to_owned()),
        scopes: None,
        activity: Activity { owner_changed: Some(now() - Span::hours(1)), ..Activity::default() },
        fix: "claude auth login".to_owned(),
        ..login("claude-code:default")
    }
}

fn observation() -> Observation {
    let mut copy = stored("opensoul:main/anthropic:work");
    copy.refresh_fingerprint = claude().refresh_fingerprint;
    let mut observation = observe(vec![claude(), copy]);
    let verdict = Verdict { kind: VerdictKind::Accepted, at: now() - Span::minutes(30), detail: "models".to_owned() };
    observation.verdicts.insert("claude-code:default".into(), verdict);
    observation.findings = vec![
        Finding::new(
            "login.overridden",
            Severity::Info,
            "ANTHROPIC_API_KEY goes before claude-code:default.",
            "unset it",
        ),
        Finding::new("x", Severity::Info, "about claude-code:default2", "nothing"),
        Finding::new("login.permissions", Severity::Warning, "others can read it", "chmod 600 it")
            .at(Place::file("/home/u/.claude/.credentials.json")),
    ];
    observation
}

fn explained(observation: Observation, id: &str, width: usize) -> String {
    let snapshot = assess(observation, &Thresholds::default(), now());
    let assessed = snapshot.credentials.iter().find(|one| one.credential.id.as_str() == id).unwrap();
    let history = [Past { at: now() - Span::days(3), state: State::Ok, severity: Severity::None }];
    let subject = Subject { snapshot: &snapshot, assessed, first_seen: Some(now() - Span::days(3)), history: &history };
    let options = Options { width, zone: Zone::UTC, home: Some(Path::new("/home/u")), lang: Lang::English };
    anstream::adapter::strip_str(&text(&subject, &options)).to_string()
}

#[test]
fn everything_about_one_login() {
    let expected = "\
claude-code:default
  ok; anthropic, in use

Why
  Rule: its owner renews it when it is used: a passed access token alone is no
  problem.
  - anthropic accepted it (2027-01-10 11:30): models
  - the login ends 2027-01-30 12:00
  - refreshable: its owner renews it when it is used; the access token lasts
    until 2027-01-10 18:00

Facts
  place: ~/.claude/.credentials.json
      read just now, changed 2 h ago
  secret: there, with a refresh token
      .credentials.json, changed 2 h ago
  kind: oauth, renewal auto
      .credentials.json, changed 2 h ago
  account: me@x.org
      its owner's files
  copies: opensoul:main/anthropic:work
      the same login or secret, compared by keyed hash
  answer: accepted: models
      anthropic, asked 30 min ago
  access token ends: 2027-01-10 18:00 (in 6 h)
      .credentials.json, changed 2 h ago
  login or key ends: 2027-01-30 12:00 (in 20 d)
      .credentials.json, changed 2 h ago
  owner's files changed: 2027-01-10 11:00 (1 h ago)
      the file system
  secret first seen: 2027-01-07 12:00 (3 d ago)
      the monitor's ledger
  warning from: 2027-01-16 12:00 (in 6 d)
      [thresholds] and what is known of its lifetime
  critical from: 2027-01-27 12:00 (in 17 d)
      [thresholds] and what is known of its lifetime

What would change it
  - time: from 2027-01-16 12:00 it is a warning
  - time: from 2027-01-27 12:00 it is critical if nothing else is left
  - time: 2027-01-30 12:00 it ends
  - a refused renewal, or signs that it was used after its access token ended
    and was not renewed

Findings
  warning login.permissions: others can read it
  info login.overridden: ANTHROPIC_API_KEY goes before claude-code:default.

Before
  2027-01-07 12:00 ok, none

What to run when it must be renewed
  claude auth login
";
    assert_eq!(explained(observation(), "claude-code:default", 80), expected);
}

#[test]
fn it_fits_on_a_phone() {
    let text = explained(observation(), "claude-code:default", 40);
    for line in text.lines() {
        let words = line.split_whitespace().count();
        assert!(line.chars().count() <= 40 || words == 1, "{line}");
    }
    let copy = explained(observation(), "opensoul:main/anthropic:work", 40);
    assert!(copy.contains("copy of: claude-code:default") && copy.contains("credentials explain"), "{copy}");
}

#[test]
fn the_document_has_the_same() {
    let snapshot = assess(observation(), &Thresholds::default(), now());
    let assessed = snapshot.credentials.iter().find(|one| one.copy_of.is_none()).unwrap();
    let subject = Subject { snapshot: &snapshot, assessed, first_seen: None, history: &[] };
    let document: serde_json::Value =
        serde_json::from_str(&json(&subject, Some(Path::new("/home/u"))).unwrap()).unwrap();
    assert_eq!(document["schema"], "opensoul.credential/v1");
    assert_eq!((&document["rule"]["id"], &document["state"]), (&"renewal.auto".into(), &"ok".into()));
    let fact = |name: &str| document["facts"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(fact("access token ends")["value"], "2027-01-10T18:00:00Z");
    assert_eq!(fact("place")["value"], "~/.claude/.credentials.json");
    assert_eq!(
        (&fact("place")["knownSince"], &fact("place")["ageSeconds"]),
        (&"2027-01-10T10:00:00Z".into(), &7200.into())
    );
    assert_eq!(document["findings"].as_array().unwrap().len(), 2);
    assert!(document["changes"].as_array().is_some_and(|lines| !lines.is_empty()));
}

#[test]
fn every_state_has_its_rule_and_a_way_out() {
    let ends = |days: i64| Clocks { access_expires: Some(now() + Span::days(days)), ..Clocks::default() };
    let assumed =
        Clocks { grant_expires: Some(now() + Span::days(2)), grant_basis: Some(Basis::Assumed), ..Clocks::default() };
    let with = |clocks: Clocks| Credential { clocks, fingerprint: print("x"), ..stored("a") };
    let condition = |condition: Condition| Credential { condition, ..stored("a") };
    let overdue = Credential {
        clocks: ends(-2),
        activity: Activity {
            last_used: Some(now() - Span::days(1)),
            owner_changed: Some(now()),
            ..Activity::default()
        },
        ..login("a")
    };
    let table = [
        (with(Clocks::default()), None, "end.none"),
        (with(ends(200)), None, "end.far"),
        (with(ends(2)), None, "end.near"),
        (with(assumed), None, "end.assumed"),
        (with(ends(-2)), None, "end.passed"),
        (login("a"), None, "renewal.auto"),
        (overdue, None, "renewal.overdue"),
        (with(Clocks::default()), Some(VerdictKind::Rejected), "provider"),
        (with(Clocks::default()), Some(VerdictKind::Expired), "provider"),
        (with(Clocks::default()), Some(VerdictKind::Limited), "provider"),
        (condition(Condition::Blanked), None, "secret.absent"),
        (condition(Condition::Absent("x".into())), None, "secret.absent"),
        (condition(Condition::Unreadable("x".into())), None, "secret.unreadable"),
        (condition(Condition::Damaged("x".into())), None, "secret.damaged"),
        (condition(Condition::Retired("x".into())), None, "service.ended"),
        (with(Clocks::default()), Some(VerdictKind::Retired), "provider"),
    ];
    for (credential, kind, expected) in table {
        let mut observation = observe(vec![credential]);
        if let Some(kind) = kind {
            observation.verdicts.insert("a".into(), Verdict { kind, at: now(), detail: String::new() });
        }
        let snapshot = assess(observation, &Thresholds::default(), now());
        let assessed = &snapshot.credentials[0];
        let subject = Subject { snapshot: &snapshot, assessed, first_seen: None, history: &[] };
        assert_eq!(rule(assessed, &snapshot).id, expected, "{:?}", assessed.judgement);
        assert!(!changes(&subject).is_empty(), "{expected}");
    }
    let mut wrong = observe(vec![with(ends(2))]);
    wrong.clock_problem = Some("set back".to_owned());
    let snapshot = assess(wrong, &Thresholds::default(), now());
    assert_eq!(rule(&snapshot.credentials[0], &snapshot).id, "clock");
}

#[test]
fn what_it_says_of_assumptions_rests_and_idleness() {
    let mut one = stored("env:T");
    one.provider = "mistral".to_owned();
    one.kind = Kind::ApiKey;
    one.clocks.grant_expires = Some(now() + Span::days(100));
    one.clocks.grant_basis = Some(Basis::Assumed);
    one.bench =
        Some(Bench { kind: BenchKind::Disabled, until: now() + Span::hours(5), reason: Some("billing".to_owned()) });
    let text = explained(observe(vec![one]), "env:T", 120);
    for expected in [
        "assumed; neither a file nor the provider says so",
        "credentials declare --for 'env:T' --expires DATE",
        "has disabled it until 2027-01-10 17:00 (billing)",
        "use: a configured model of mistral",
        "opensoul status --probe",
        "unused",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains("critical from 2"), "an assumption is never critical\n{text}");
}

#[test]
fn who_said_that_nothing_uses_it() {
    let idle = Credential { declared_in_use: Some(false), ..stored("gh:github.com/me") };
    let said = Credential { notes: vec![DECLARED_USE[0].to_owned()], ..idle.clone() };
    for (credential, expected, other) in [
        (idle, "counted as: not in use\n      how it is kept there", "monitor.toml"),
        (said, "declared: not in use\n      monitor.toml", "counted as"),
    ] {
        let id = credential.id.to_string();
        let text = explained(observe(vec![credential]), &id, 120);
        assert!(text.contains(expected) && !text.contains(other), "{text}");
    }
}

#[test]
fn nobody_was_asked_where_there_is_no_way() {
    let mut observation = observe(vec![stored("a")]);
    let verdict = Verdict { kind: VerdictKind::Unverifiable, at: now(), detail: "no way".to_owned() };
    observation.verdicts.insert("a".into(), verdict);
    let text = explained(observation, "a", 120);
    assert!(text.contains("looked at just now") && !text.contains("asked"), "{text}");
}

#[test]
fn what_is_left_is_a_fact() {
    use crate::domain::{Allowance, Balance, Quota, Runway};
    let mut observation = observe(vec![stored("a")]);
    let allowance = Allowance {
        balance: Some(Balance { amount: 4.5, currency: Some("USD".to_owned()) }),
        quota: vec![Quota { window: "5h".to_owned(), used_ratio: 0.4, resets_at: None }],
        runway: Some(Runway { ends: now() + Span::days(9), earliest: now() + Span::days(7), latest: None }),
        at: Some(now() - Span::hours(2)),
        ..Allowance::default()
    };
    observation.allowances.insert("a".into(), allowance);
    let text = explained(observation, "a", 120);
    for expected in [
        "balance: 4.50 USD\n      anthropic, asked 2 h ago",
        "balance ends about: 2027-01-19",
        "quota: 40 % of 5h used",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn an_id_is_named_as_a_whole() {
    for (text, expected) in [
        ("a:b is old", true),
        ("see (a:b), now", true),
        ("a:b2", false),
        ("x/a:b", false),
        ("a:b.", true),
        ("a:bé", false),
    ] {
        assert_eq!(mentions(text, "a:b"), expected, "{text}");
    }
}
