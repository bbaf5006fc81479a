//! What one machine writes, another one reads: nothing is lost on the way, and nothing foreign gets through it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::read::{Answer, Misunderstood, read};
use super::tests::{credential, machine, now, observation};
use super::*;
use crate::domain::*;
use crate::engine::assess::assess;
use crate::engine::policy::Thresholds;

fn written(report: &Report<'_>, incidents: Incidents<'_>) -> String {
    json(report, incidents, Some(Path::new("/home/ann"))).unwrap()
}

fn again(text: &str) -> String {
    let answer = read(text.as_bytes()).unwrap();
    json(&answer.report(), answer.incidents(), None).unwrap()
}

fn of(document: &Value) -> Result<Answer, Misunderstood> {
    read(document.to_string().as_bytes())
}

fn sample() -> Value {
    serde_json::from_str(&written(&Report::of(&machine()), Incidents::heard(&[]))).unwrap()
}

fn time() -> impl Strategy<Value = Time> {
    (-400_i64 * 86_400..400 * 86_400).prop_map(|seconds| now() + Span::seconds(seconds))
}

fn dates() -> impl Strategy<Value = Option<Time>> {
    proptest::option::of(time())
}

prop_compose! {
    fn one()(
        n in 0..1_000_u32,
        owner in prop::sample::select(vec![Owner::Tool, Owner::GatewayStore, Owner::Environment, Owner::Declared]),
        provider in prop::sample::select(vec!["anthropic", "openai", "mistral", "google"]),
        kind in prop::sample::select(vec![Kind::ApiKey, Kind::Token, Kind::Oauth, Kind::Session, Kind::Cloud]),
        renewal in prop::sample::select(vec![Renewal::Auto, Renewal::Manual, Renewal::None]),
        access in dates(), refresh in dates(), grant in dates(), modified in dates(), bench in dates(),
        profile in "[ -~]{0,12}|[你好é]{1,4}",
        account in proptest::option::of("[a-z]{1,8}@[a-z]{1,8}\\.org"),
        excluded in proptest::option::of("[a-z ]{1,20}"),
    ) -> Credential {
        let mut one = credential(&format!("tool{n}:x"), provider, owner, None);
        one.clocks = Clocks {
            access_expires: access,
            refresh_due: refresh,
            grant_expires: grant,
            grant_basis: grant.map(|_| Basis::Server),
            ..Clocks::default()
        };
        one.selection = excluded.map_or(one.selection, Selection::Excluded);
        one.bench = bench.map(|until| Bench { kind: BenchKind::Disabled, until, reason: Some("billing".to_owned()) });
        Credential { kind, renewal, profile, account, origin: Origin { modified, ..one.origin.clone() }, ..one }
    }
}

prop_compose! {
    fn allowance()(
        amount in -80..8_000_000_i32, used in 0..16_u8, at in dates(), ends in time(), latest in dates(),
        some in 0..4_u8,
    ) -> Allowance {
        Allowance {
            balance: (some > 0).then(|| Balance { amount: f64::from(amount) / 8.0, currency: (some > 1).then(|| "USD".to_owned()) }),
            quota: vec![Quota { window: "5h".to_owned(), used_ratio: f64::from(used) / 8.0, resets_at: at }],
            runway: (some > 2).then(|| Runway { ends, earliest: ends - Span::days(2), latest }),
            bands: (some > 2).then(|| (ends - Span::days(9), ends - Span::days(3))),
            at: at.filter(|_| some > 0),
            ..Allowance::default()
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_on_the_way(
        all in prop::collection::vec((one(), proptest::option::of(allowance())), 0..12),
        clock in proptest::option::of(Just("it went back".to_owned())),
        fleet in any::<bool>(),
        verdict in prop::sample::select(vec![VerdictKind::Accepted, VerdictKind::Rejected, VerdictKind::Network]),
    ) {
        let mut seen = observation(Vec::new());
        let mut ids = std::collections::BTreeSet::new();
        for (one, said) in all {
            if ids.insert(one.id.clone()) {
                seen.verdicts.insert(one.id.clone(), Verdict { kind: verdict, at: now(), detail: "a word".to_owned() });
                seen.allowances.extend(said.map(|said| (one.id.clone(), said)));
                seen.credentials.push(Box::new(one));
            }
        }
        seen.clock_problem = clock;
        let mut snapshot = assess(seen, &Thresholds::default(), now());
        snapshot.fleet = fleet;
        let report = Report::of(&snapshot);
        let first = written(&report, Incidents::heard(&[]));
        prop_assert_eq!(&again(&first), &first);
        // And every view of it is the same.
        let answer = read(json(&report, Incidents::heard(&[]), None).unwrap().as_bytes()).unwrap();
        prop_assert_eq!(nagios::nagios(&answer.report()), nagios::nagios(&report));
        prop_assert_eq!(checkmk::checkmk(&answer.report()), checkmk::checkmk(&report));
        let there = text(&answer.report(), answer.incidents(), &options());
        prop_assert_eq!(there, text(&report, Incidents::heard(&[]), &options()));
    }

    #[test]
    fn no_bytes_are_too_odd(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&text);
    }

    /// Any value in the place of any other: refused, or made fit; never a panic.
    #[test]
    fn no_document_is_too_odd(at in any::<prop::sample::Index>(), value in prop::sample::select(vec![
        json!(null), json!(-1), json!(1e300), json!("\u{1b}[2J\u{202e}"), json!([]), json!({}), json!(true),
        json!(u64::MAX), json!("9999-12-31T23:59:59Z"), json!("1970-01-01T00:00:00Z"),
    ])) {
        let mut document = sample();
        let paths = pointers(&document);
        *document.pointer_mut(&paths[at.index(paths.len())]).unwrap() = value;
        if let Ok(answer) = of(&document) {
            let shown = text(&answer.report(), answer.incidents(), &options());
            let steers = anstream::adapter::strip_str(&shown).to_string().contains(['\u{1b}', '\u{202e}']);
            prop_assert!(!steers);
            let _ = nagios::nagios(&answer.report());
            let _ = checkmk::checkmk(&answer.report());
        }
    }
}

fn options() -> Options<'static> {
    Options { width: 80, zone: Zone::UTC, home: None, lang: Lang::English }
}

fn pointers(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(all) => {
            all.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(all) => all.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let below = |(key, value): (String, &Value)| {
        let path = format!("/{key}");
        pointers(value).into_iter().map(move |rest| format!("{path}{rest}")).collect::<Vec<_>>()
    };
    std::iter::once(String::new()).chain(inner.into_iter().flat_map(below)).collect()
}

#[test]
fn incidents_are_told_with_why_nothing_is_said() {
    let document = {
        let mut document = sample();
        document["incidents"] = json!([
            {"id": "0011223344556677", "name": "CredentialExpiring", "severity": "warning", "status": "acked",
             "since": "2027-01-09T12:00:00Z", "subject": "claude-code:default",
             "withheld": {"reason": "acked", "by": "ann\u{1b}", "until": null, "snoozed": false, "comment": "sk-ant-oat01-0123456789abcdefghij"}},
            {"id": "8899aabbccddeeff", "name": "GatewayDown", "severity": "critical", "status": "firing",
             "since": "2027-01-09T12:00:00Z", "subject": "gateway", "withheld": null},
        ]);
        document
    };
    let answer = of(&document).unwrap();
    assert_eq!((answer.incidents.len(), answer.withheld.len()), (2, 1));
    assert_eq!(answer.incidents[0].provider.as_deref(), Some("anthropic"));
    let shown = text(&answer.report(), answer.incidents(), &options());
    assert!(shown.contains("Alerts firing: 2, 1 of them held back"), "{shown}");
    let json = json(&answer.report(), answer.incidents(), None).unwrap();
    assert!(
        json.contains(r#""status": "acked""#) && !json.contains("0123456789abcdef") && !json.contains("u001b"),
        "{json}"
    );
}

#[test]
fn a_login_shell_may_speak_first() {
    let text = sample().to_string();
    for noise in ["", "Welcome to box!\nLast login: Mon\n", "{not json}\n{\"schema\": 3}\n", "\u{1b}[32mhello\n"] {
        assert!(read(format!("{noise}{text}\nlogout\n").as_bytes()).is_ok(), "{noise:?}");
    }
}

#[test]
fn what_is_no_status_of_ours_is_told_apart() {
    assert_eq!(read(b"").unwrap_err(), Misunderstood::Foreign);
    assert_eq!(read(b"{\"gateway\":{}}").unwrap_err(), Misunderstood::Foreign);
    let mut document = sample();
    document["schema"] = json!("opensoul.models-status/v1");
    assert_eq!(of(&document).unwrap_err(), Misunderstood::Foreign);
    document["schema"] = json!("opensoul.status/v2");
    assert_eq!(of(&document).unwrap_err(), Misunderstood::Version("opensoul.status/v2".to_owned()));
    let damaged = |change: fn(&mut Value)| {
        let mut document = sample();
        change(&mut document);
        let error = of(&document).unwrap_err();
        assert!(matches!(error, Misunderstood::Damaged(_)), "{error}");
        error.to_string()
    };
    damaged(|document| document["summary"]["exitCode"] = json!(3));
    damaged(|document| document["credentials"] = json!("none"));
    damaged(|document| document["credentials"][0]["id"] = document["credentials"][1]["id"].clone());
    damaged(|document| document["credentials"][0]["id"] = json!("x".repeat(600)));
    damaged(|document| document["takenAt"] = json!("0001-01-01T00:00:00Z"));
    damaged(|document| document["host"] = json!(" "));
    damaged(|document| document["providers"][0]["usable"] = json!(-1));
    let said = damaged(|document| {
        document["credentials"][0]["state"] = json!("\u{1b}]0;x\u{7}sk-ant-oat01-0123456789abcdefghij")
    });
    assert!(!said.contains('\u{1b}') && !said.contains("0123456789"), "{said}");
    let text = written(&Report::of(&machine()), Incidents::heard(&[]));
    assert!(matches!(read(&text.as_bytes()[..text.len() / 2]).unwrap_err(), Misunderstood::Damaged(_)));
}

#[test]
fn who_adds_a_field_is_understood_and_who_leaves_out_a_newer_one_too() {
    let mut document = sample();
    document["tomorrow"] = json!({"x": 1});
    document["credentials"][0]["tomorrow"] = json!([1]);
    for credential in document["credentials"].as_array_mut().unwrap() {
        let credential = credential.as_object_mut().unwrap();
        for newer in ["warnAt", "criticalAt", "setAside", "passedOver"] {
            credential.remove(newer);
        }
    }
    assert!(of(&document).is_ok());
}

#[test]
fn two_clocks_that_differ_make_no_date_worth_believing() {
    let answer = of(&sample()).unwrap();
    let same = answer.clone().heard_at(now() + Span::minutes(9));
    assert_eq!((same.snapshot.clock_problem, same.overall), (None, answer.overall));
    for (span, way) in [(Span::hours(2), "120 minutes behind"), (Span::hours(-2), "120 minutes ahead of")] {
        let problem = answer.clone().heard_at(now() + span).snapshot.clock_problem.unwrap();
        assert!(problem.contains(way), "{problem}");
    }
}

#[test]
fn another_machine_cannot_say_that_it_was_not_reached() {
    let mut document = sample();
    document["findings"][0]["id"] = json!("machine.unreached");
    let before = sample()["findings"].as_array().unwrap().len();
    assert_eq!(of(&document).unwrap().snapshot.findings.len(), before - 1);
}
