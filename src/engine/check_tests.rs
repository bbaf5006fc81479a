//! CONTRACTS §2, line by line.

use super::*;
use crate::domain::*;
use crate::engine::assess::assess;
use crate::engine::assess::tests::{at, login, observe, stored};
use crate::engine::observation::Observation;
use crate::engine::policy::Thresholds;

fn now() -> Time {
    at("2027-01-10T12:00:00Z")
}

fn code(observation: Observation) -> u8 {
    exit_code(&assess(observation, &Thresholds::default(), now()), CheckScope::InUse).code
}

fn ends(credential: Credential, hours: i64) -> Credential {
    let clocks = Clocks { grant_expires: Some(now() + Span::hours(hours)), ..Clocks::default() };
    Credential { clocks, ..credential }
}

fn of(provider: &str, credential: Credential) -> Credential {
    Credential { provider: provider.to_owned(), ..credential }
}

#[test]
fn the_table() {
    let with = |condition| Credential { condition, ..stored("a") };
    let excluded = Credential { selection: Selection::Excluded("not in auth.order".into()), ..stored("a") };
    let benched = |kind| Credential {
        bench: Some(Bench { kind, until: now() + Span::hours(3), reason: Some("billing".into()) }),
        ..stored("a")
    };
    let overdue = |access: i64| Credential {
        renewal: Renewal::Auto,
        clocks: Clocks {
            access_expires: Some(now() + Span::hours(access)),
            refresh_due: Some(now() - Span::hours(9)),
            ..Clocks::default()
        },
        ..stored("a")
    };
    let elsewhere = |id: &str| {
        let mut other = stored(id);
        other.id = CredentialId(format!("clawdbot:main/{id}"));
        other.origin.source = "clawdbot".into();
        other
    };
    let env_key = || {
        let mut key = stored("env");
        key.id = "env:ANTHROPIC_API_KEY".into();
        (key.owner, key.selection) = (Owner::Environment, Selection::NotApplicable);
        key
    };
    let unused = |one: Credential| Credential { declared_in_use: Some(false), ..one };
    let parked = |one: Credential| Credential {
        owner: Owner::Secondhand,
        selection: Selection::NotApplicable,
        origin: Origin { source: "caam".into(), ..one.origin.clone() },
        ..unused(one)
    };
    let table: Vec<(&str, Vec<Credential>, u8)> = vec![
        ("usable", vec![stored("a")], 0),
        ("parked and dead, beside a good one", vec![stored("a"), parked(ends(stored("b"), -1))], 0),
        ("a model asks, and there is nothing but what is parked", vec![parked(stored("b"))], 1),
        ("a parked one is no reserve", vec![ends(stored("a"), -1), parked(stored("b"))], 1),
        ("expired", vec![ends(stored("a"), -1)], 1),
        ("ends within 24 h", vec![ends(stored("a"), 24)], 2),
        ("ends in 25 h", vec![ends(stored("a"), 25)], 0),
        ("one of several is dead", vec![ends(stored("a"), -1), stored("b")], 0),
        ("one of several is dying", vec![ends(stored("a"), 3), stored("b")], 0),
        ("the rest is dying", vec![ends(stored("a"), -1), ends(stored("b"), 3)], 2),
        ("blanked", vec![with(Condition::Blanked)], 1),
        ("unreadable and nothing else", vec![with(Condition::Unreadable("x".into()))], 1),
        ("unreadable beside a good one", vec![with(Condition::Unreadable("x".into())), stored("b")], 0),
        ("damaged", vec![with(Condition::Damaged("x".into()))], 1),
        ("the order excludes all", vec![excluded], 1),
        ("all disabled", vec![benched(BenchKind::Disabled)], 1),
        ("another gateway's store is out of reach", vec![ends(stored("a"), -1), elsewhere("claude")], 1),
        ("the environment is not", vec![ends(stored("a"), -1), env_key()], 0),
        ("nor is what nobody takes a reserve", vec![ends(stored("a"), -1), unused(stored("b"))], 1),
        ("cooling down", vec![benched(BenchKind::Cooldown)], 0),
        ("not renewed, and still lasting", vec![overdue(1)], 0),
        ("not renewed, and lapsed", vec![overdue(-1)], 1),
        ("not renewed, and another works", vec![overdue(-1), stored("b")], 0),
        ("demanded and absent", vec![of("openai", stored("a"))], 1),
        ("an unused provider is dead", vec![stored("a"), of("openai", ends(stored("b"), -1))], 0),
        ("a tool's login is no answer to the gateway", vec![login("a")], 1),
        ("nor is one that is dying", vec![ends(login("a"), 3)], 1),
        ("a tool's own login is dead", vec![stored("a"), of("openai-codex", ends(login("b"), -1))], 1),
        ("a tool's own login is dying", vec![stored("a"), ends(login("b"), 3)], 2),
    ];
    for (name, credentials, expected) in table {
        assert_eq!(code(observe(credentials)), expected, "{name}");
    }
}

#[test]
fn money_that_is_surely_gone_tomorrow_is_an_end_like_any_other() {
    let key = FingerprintKey::new(&[1; 32]).fingerprint(&Secret::new("the same".to_owned()));
    let a = || Credential { fingerprint: key, ..stored("a") };
    let hours = |hours: i64| now() + Span::hours(hours);
    let left = |ends: i64, latest: Option<i64>, seen: i64| {
        let runway = Runway { ends: hours(ends), earliest: now(), latest: latest.map(hours) };
        Allowance { runway: Some(runway), at: Some(hours(-seen)), ..Allowance::default() }
    };
    let judge = |credentials: Vec<Credential>, allowance: Allowance, clock: Option<String>| {
        let mut observation = observe(credentials);
        observation.clock_problem = clock;
        observation.allowances = [(a().id, allowance)].into();
        exit_code(&assess(observation, &Thresholds::default(), now()), CheckScope::InUse)
    };
    let copy = || Credential { id: "opensoul:mail/a".into(), agent: Some("mail".into()), ..a() };
    let table = [
        ("surely within a day", vec![a()], left(10, Some(20), 1), 2),
        ("probably within a day", vec![a()], left(10, Some(30), 1), 0),
        ("perhaps never", vec![a()], left(10, None, 1), 0),
        ("that was said two days ago", vec![a()], left(10, Some(20), 48), 0),
        ("another one lasts", vec![a(), stored("b")], left(10, Some(20), 1), 0),
        ("its copy is no reserve", vec![a(), copy()], left(10, Some(20), 1), 2),
        ("the other one ends too", vec![a(), ends(stored("b"), 3)], left(10, Some(20), 1), 2),
        ("its own date comes first", vec![ends(a(), 3)], left(10, Some(20), 1), 2),
    ];
    for (name, credentials, allowance, expected) in table {
        let result = judge(credentials, allowance, None);
        assert_eq!(result.code, expected, "{name}: {:?}", result.reasons);
    }
    let said = judge(vec![a()], left(10, Some(20), 1), None).reasons;
    assert!(said[0].contains("no money behind it from 2027-01-11 08:00 UTC on"), "{said:?}");
    assert_eq!(judge(vec![a()], left(10, Some(20), 1), Some("wrong".to_owned())).code, 0, "no date is believed");
}

#[test]
fn nothing_configured_and_nothing_found() {
    let mut observation = observe(vec![]);
    observation.demand.models_configured = false;
    let result = exit_code(&assess(observation, &Thresholds::default(), now()), CheckScope::InUse);
    assert_eq!((result.code, result.reasons), (1, vec!["No credentials found".to_owned()]));
}

#[test]
fn an_abandoned_dead_login_alone_is_not_fine() {
    let mut abandoned = ends(login("a"), -1);
    abandoned.activity.owner_changed = Some(now() - Span::days(90));
    let mut observation = observe(vec![abandoned]);
    observation.demand.models_configured = false;
    assert_eq!(code(observation.clone()), 1);
    observation.credentials.push(Box::new(of("openai", stored("b"))));
    assert_eq!(code(observation), 0);
}

#[test]
fn a_copy_where_nobody_takes_it_is_no_loss() {
    let fingerprint = FingerprintKey::new(&[1; 32]).fingerprint(&Secret::new("the same".to_owned()));
    let key = of("xai", Credential { fingerprint, ..login("a") });
    let left_over = Credential {
        fingerprint,
        owner: Owner::Environment,
        selection: Selection::Excluded("only what this file starts has it".to_owned()),
        declared_in_use: Some(false),
        ..of("xai", stored("b"))
    };
    let mut observation = observe(vec![key, left_over]);
    observation.demand.models_configured = false;
    let snapshot = assess(observation, &Thresholds::default(), now());
    assert!(snapshot.credentials.iter().any(|one| one.copy_of.is_some()));
    let result = exit_code(&snapshot, CheckScope::InUse);
    assert_eq!((result.code, result.reasons), (0, vec![]));
}

#[test]
fn one_dead_login_is_one_reason() {
    let fingerprint = FingerprintKey::new(&[1; 32]).fingerprint(&Secret::new("the same".to_owned()));
    let gone = || Condition::Retired("it has ended".to_owned());
    let tool = of("qwen-portal", Credential { fingerprint, condition: gone(), ..login("qwen-code:default") });
    let mirror = of("qwen-portal", Credential { fingerprint, condition: gone(), ..stored("opensoul:main/qwen") });
    let mut observation = observe(vec![tool, mirror]);
    observation.demand.models_configured = false;
    let result = exit_code(&assess(observation, &Thresholds::default(), now()), CheckScope::InUse);
    assert_eq!((result.code, result.reasons.len()), (1, 1), "{:?}", result.reasons);
    assert!(result.reasons[0].contains("qwen-code:default"), "{:?}", result.reasons);
}

#[test]
fn limited_is_fine() {
    let mut observation = observe(vec![stored("a")]);
    let verdict = Verdict { kind: VerdictKind::Limited, at: now(), detail: String::new() };
    observation.verdicts.insert("a".into(), verdict);
    assert_eq!(code(observation), 0);
}

#[test]
fn a_whole_store_that_hides_the_answer() {
    for (id, expected) in [(STORE_UNREADABLE, 66), (STORE_UNPARSABLE, 78), ("files.mode", 1)] {
        let finding = || Finding::new(id, Severity::Warning, "it is broken", "mend it").at(Place::file("/store"));
        let with = |credentials| Observation { findings: vec![finding()], ..observe(credentials) };
        assert_eq!(code(with(vec![])), expected, "{id}");
        assert_eq!(code(with(vec![stored("a")])), 0, "another credential of the provider is usable");
        assert_eq!(code(with(vec![ends(stored("a"), -1)])), 1, "what is surely dead is 1");
    }
}

#[test]
fn the_whole_store_as_opensoul_0_2_did() {
    let code =
        |credentials| exit_code(&assess(observe(credentials), &Thresholds::default(), now()), CheckScope::Store).code;
    assert_eq!(code(vec![stored("a")]), 0);
    assert_eq!(code(vec![stored("a"), of("openai", ends(stored("b"), -1))]), 1);
    assert_eq!(code(vec![stored("a"), ends(stored("b"), 3)]), 2);
    assert_eq!(code(vec![]), 1);
}

#[test]
fn a_key_that_its_gateway_has_set_aside_is_not_blamed() {
    let until = now() + Span::hours(3);
    let bench = Bench { kind: BenchKind::Disabled, until, reason: Some("billing".into()) };
    let observation = observe(vec![Credential { bench: Some(bench), ..stored("a") }]);
    let reasons = exit_code(&assess(observation, &Thresholds::default(), now()), CheckScope::InUse).reasons;
    let want = format!("set aside by its gateway until {}", until.format("%Y-%m-%d %H:%M UTC"));
    assert!(reasons.iter().any(|reason| reason.ends_with(&want)), "{reasons:?}");
}

#[test]
fn what_nobody_takes_is_nobodys_loss() {
    let alone = |credential: Credential| {
        let mut observation = observe(vec![Credential { declared_in_use: Some(false), ..credential }]);
        observation.demand.models_configured = false;
        exit_code(&assess(observation, &Thresholds::default(), now()), CheckScope::InUse)
    };
    let sealed = Credential { condition: Condition::Unreadable("it is in the keyring".into()), ..login("gh:default") };
    for one in [sealed, ends(login("aws-sso:x"), -1), ends(stored("mcp"), -1)] {
        assert_eq!(alone(one.clone()), CheckResult::default(), "{}", one.id);
    }
}

#[test]
fn what_cannot_be_seen_is_not_called_dead() {
    let hidden = Credential { condition: Condition::Unreadable("locked".into()), ..login("a") };
    let mut observation = observe(vec![hidden, ends(of("openai", login("b")), 99)]);
    observation.demand.models_configured = false;
    let judge = |observation: &Observation| {
        let result = exit_code(&assess(observation.clone(), &Thresholds::default(), now()), CheckScope::InUse);
        (result.code, result.unseen)
    };
    assert_eq!(judge(&observation), (1, true));
    observation.credentials[1].clocks.grant_expires = Some(now() - Span::hours(1));
    assert_eq!(judge(&observation), (1, false), "the other one surely is");
}

#[test]
fn a_guess_is_no_end() {
    for hours in [5, -900] {
        let mut token = ends(stored("a"), hours);
        token.clocks.grant_basis = Some(Basis::Assumed);
        let result = exit_code(&assess(observe(vec![token.clone()]), &Thresholds::default(), now()), CheckScope::InUse);
        assert_eq!((result.code, result.reasons), (0, vec![]), "{hours}");
        token.clocks.grant_basis = Some(Basis::Declared);
        assert_ne!(code(observe(vec![token])), 0, "{hours}");
    }
}
