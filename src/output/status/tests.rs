//! The views, on one machine with a bit of everything.

use super::*;

use crate::domain::*;
use crate::engine::assess::assess;
use crate::engine::check::CheckScope;
use crate::engine::observation::{Demand, Observation};
use crate::engine::policy::Thresholds;

pub(super) fn now() -> Time {
    "2027-01-10T12:00:00Z".parse().unwrap()
}

pub(super) fn credential(id: &str, provider: &str, owner: Owner, ends: Option<Span>) -> Credential {
    Credential {
        id: id.into(),
        provider: provider.to_owned(),
        profile: "default".to_owned(),
        kind: Kind::Token,
        agent: None,
        origin: Origin {
            source: id.split(':').next().unwrap().to_owned().into(),
            path: Some(Path::new("/home/ann/.place").into()),
            modified: Some(now()),
        },
        owner,
        renewal: if owner == Owner::Tool { Renewal::Auto } else { Renewal::Manual },
        condition: Condition::Present,
        clocks: Clocks {
            grant_expires: ends.map(|ends| now() + ends),
            grant_basis: Some(Basis::Declared),
            ..Clocks::default()
        },
        account: None,
        scopes: None,
        fingerprint: FingerprintKey::new(&[7; 32]).fingerprint(&Secret::new(id.replace("copy of ", ""))),
        refresh_fingerprint: None,
        selection: if owner == Owner::GatewayStore { Selection::Eligible(0) } else { Selection::NotApplicable },
        bench: None,
        activity: Activity::default(),
        declared_in_use: None,
        fix: "claude auth login".to_owned(),
        notes: Vec::new(),
    }
}

pub(super) fn observation(credentials: Vec<Credential>) -> Observation {
    Observation {
        host: "box".to_owned(),
        credentials: credentials.into_iter().map(Box::new).collect(),
        verdicts: [(
            "codex:default".into(),
            Verdict { kind: VerdictKind::Rejected, at: now() - Span::hours(1), detail: "token|revoked\nx".into() },
        )]
        .into(),
        allowances: [].into(),
        previous: [].into(),
        demand: Demand { models_configured: true, providers: ["anthropic".to_owned(), "google".to_owned()].into() },
        gateway: Gateway { state: GatewayState::Up, detail: "answers on 127.0.0.1:18789".to_owned() },
        findings: vec![
            Finding::new("store.unparsable", Severity::Warning, "/home/ann/.x is not JSON", "Write it anew.")
                .at(Place::file("/home/ann/.x").at(3, 7)),
            Finding::new("files.mode", Severity::Info, "others may read it", "chmod 600 /home/ann/.y"),
        ],
        sources: vec![SourceReport {
            source: "claude-code".to_owned(),
            looked: vec!["/home/ann/.claude/.credentials.json".into()],
            up: true,
            hidden: false,
            credentials: 1,
        }],
        clock_problem: None,
    }
}

pub(super) fn machine() -> Snapshot {
    let mut copy = credential("env:ANTHROPIC_API_KEY", "anthropic", Owner::Environment, None);
    copy.fingerprint = credential("opensoul:main/anthropic:spare", "anthropic", Owner::GatewayStore, None).fingerprint;
    let credentials = vec![
        credential("claude-code:default", "anthropic", Owner::Tool, Some(Span::hours(50))),
        credential("codex:default", "openai-codex", Owner::Tool, None),
        credential("opensoul:main/anthropic:work", "anthropic", Owner::GatewayStore, Some(Span::days(9))),
        credential("opensoul:main/anthropic:spare", "anthropic", Owner::GatewayStore, None),
        credential("opensoul:main/mistral:old", "mistral", Owner::GatewayStore, Some(Span::days(-40))),
        copy,
    ];
    assess(observation(credentials), &Thresholds::default(), now())
}

fn plain(snapshot: &Snapshot, width: usize) -> String {
    let options = Options {
        width,
        zone: "Asia/Shanghai".parse().unwrap(),
        home: Some(Path::new("/home/ann")),
        lang: Lang::English,
    };
    anstream::adapter::strip_str(&text(&Report::of(snapshot), Incidents::heard(&[]), &options)).to_string()
}

#[test]
fn a_place_that_two_sources_read_is_named_once() {
    let nothing = Observation { demand: Demand::default(), findings: vec![], ..observation(vec![]) };
    let mut snapshot = assess(nothing, &Thresholds::default(), now());
    snapshot.sources.extend(snapshot.sources.clone());
    let shown = plain(&snapshot, 80);
    let places: Vec<&str> = shown.lines().filter(|line| line.trim_start().starts_with("~/")).collect();
    let once: std::collections::BTreeSet<&str> = places.iter().copied().collect();
    assert!(!places.is_empty() && once.len() == places.len(), "{shown}");
}

#[test]
fn as_text() {
    insta::assert_snapshot!("status_80", plain(&machine(), 80));
    insta::assert_snapshot!("status_40", plain(&machine(), 40));
    let nothing = Observation { demand: Demand::default(), findings: vec![], ..observation(vec![]) };
    insta::assert_snapshot!("status_nothing", plain(&assess(nothing, &Thresholds::default(), now()), 80));
}

#[test]
fn no_line_is_too_long_but_for_what_people_copy() {
    for width in [24, 40, 64, 80, 120] {
        for line in plain(&machine(), width).lines() {
            let words = line.split_whitespace().count();
            let copied = words == 1 || line.contains("Run:") || line.contains("copy of") || line.starts_with("warning");
            let head = line.contains("CST") || line.contains("usable") || line.contains("no credential");
            assert!(lines::columns(line) <= width || copied || head, "{width}: {line}");
        }
    }
}

#[test]
fn as_json() {
    let text = json(&Report::of(&machine()), Incidents::heard(&[]), Some(Path::new("/home/ann"))).unwrap();
    insta::assert_snapshot!("status_json", text);
}

#[test]
fn as_a_plugin() {
    let (line, code) = nagios::nagios(&Report::of(&machine()));
    insta::assert_snapshot!("status_nagios", line);
    assert_eq!(code, 2);
    assert_eq!(line.lines().next().unwrap().matches('|').count(), 1, "only performance data begins with a pipe");
    insta::assert_snapshot!("status_checkmk", checkmk::checkmk(&Report::of(&machine())));
}

#[test]
fn plugin_codes() {
    let of = |credentials: Vec<Credential>, clock: Option<&str>| {
        let mut observation = observation(credentials);
        (observation.findings, observation.demand) = (vec![], Demand::default());
        observation.clock_problem = clock.map(str::to_owned);
        nagios::nagios(&Report::of(&assess(observation, &Thresholds::default(), now()))).1
    };
    let key = |ends| credential("opensoul:main/a", "anthropic", Owner::GatewayStore, ends);
    assert_eq!(of(vec![key(None)], None), 0);
    assert_eq!(of(vec![key(Some(Span::days(9)))], None), 1);
    assert_eq!(of(vec![key(Some(Span::hours(9)))], None), 2);
    assert_eq!(of(vec![key(Some(Span::hours(-9)))], None), 2);
    assert_eq!(of(vec![key(Some(Span::hours(-9)))], Some("it went back")), 3);
    assert_eq!(of(vec![], None), 3);
}

#[test]
fn foreign_text_cannot_steer_a_terminal() {
    let evil = credential("opensoul:main/\u{1b}[2J\u{7}x", "anthropic", Owner::GatewayStore, None);
    let snapshot = assess(observation(vec![evil]), &Thresholds::default(), now());
    assert!(!plain(&snapshot, 80).contains(['\u{1b}', '\u{7}']));
    let (line, _) = nagios::nagios(&Report::of(&snapshot));
    assert!(!line.contains('\u{1b}') && !checkmk::checkmk(&Report::of(&snapshot)).contains('\u{1b}'));
}

#[test]
fn ten_thousand_are_rendered() {
    let all = (0..10_000).map(|n| {
        credential(
            &format!("opensoul:a{}/anthropic:{n}", n / 10),
            "anthropic",
            Owner::GatewayStore,
            Some(Span::days(n)),
        )
    });
    let snapshot = assess(observation(all.collect()), &Thresholds::default(), now());
    assert!(plain(&snapshot, 80).lines().count() > 10_000);
    assert!(json(&Report::of(&snapshot), Incidents::heard(&[]), None).unwrap().len() > 1_000_000);
}

#[test]
fn widths_and_times() {
    assert_eq!((lines::columns("abc"), lines::columns("认证"), lines::columns("e\u{301}")), (3, 4, 1));
    let relative = |span: Span| lines::relative(now() + span, now());
    assert_eq!(relative(Span::minutes(59)), "in 59 min");
    assert_eq!(relative(Span::minutes(72)), "in 1 h 12 min");
    assert_eq!(relative(-Span::minutes(9 * 60 + 59)), "9 h 59 min ago");
    assert_eq!(relative(Span::hours(6)), "in 6 h");
    assert_eq!(relative(Span::minutes(10 * 60 + 59)), "in 10 h");
    assert_eq!(relative(Span::hours(47)), "in 47 h");
    assert_eq!(relative(Span::days(3)), "in 3 d");
    assert_eq!(relative(Span::days(-3)), "3 d ago");
    assert_eq!((relative(Span::seconds(-59)), relative(Span::seconds(-60))), ("just now".into(), "1 min ago".into()));
    assert_eq!(
        lines::shortened("see /home/ann/x and /home/annie/y", Some(Path::new("/home/ann"))),
        "see ~/x and /home/annie/y"
    );
}

#[test]
fn a_balance_that_runs_out_is_no_ok() {
    let mut seen = observation(vec![credential("env:KEY", "mistral", Owner::Environment, None)]);
    seen.demand.providers = ["mistral".to_owned()].into();
    seen.verdicts.clear();
    seen.findings.clear();
    let balance = Some(Balance { amount: 4.5, currency: Some("USD".to_owned()) });
    let runway = |days| Some(Runway { ends: now() + Span::days(days), earliest: now(), latest: None });
    for (days, expected) in [(60, Overall::Ok), (10, Overall::Warning), (2, Overall::Critical)] {
        let allowance = Allowance { balance: balance.clone(), runway: runway(days), ..Allowance::default() };
        let observation = Observation { allowances: [("env:KEY".into(), allowance)].into(), ..seen.clone() };
        let snapshot = assess(observation, &Thresholds::default(), now());
        assert_eq!(overall(&snapshot, &check::exit_code(&snapshot, CheckScope::InUse)), expected, "{days}");
        let bad = expected != Overall::Ok;
        let options = Options { width: 80, zone: Zone::UTC, home: None, lang: Lang::English };
        let text = text(&Report::of(&snapshot), Incidents::heard(&[]), &options);
        assert_eq!(text.contains("4.50 USD behind env:KEY") && text.contains("Add credit"), bad, "{text}");
        assert_eq!(nagios::nagios(&Report::of(&snapshot)).0.contains("4.50 USD behind env:KEY"), bad, "{days}");
    }
}
