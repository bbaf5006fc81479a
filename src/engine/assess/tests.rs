//! Every rule of DESIGN §7 by example (this file) and by property ([`properties`]).

mod properties;

use super::state::when;
use super::*;
use crate::domain::*;
use crate::engine::observation::Demand;

pub(crate) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn now() -> Time {
    at("2027-01-10T12:00:00Z")
}

fn days(days: i64) -> Option<Time> {
    Some(now() + Span::days(days))
}

fn hours(hours: i64) -> Option<Time> {
    Some(now() + Span::hours(hours))
}

fn fingerprint(text: &str) -> Option<Fingerprint> {
    FingerprintKey::new(&[7; 32]).fingerprint(&Secret::new(text.to_owned()))
}

/// A credential of a gateway's store that works and has no date.
pub(crate) fn stored(id: &str) -> Credential {
    Credential {
        id: id.into(),
        provider: "anthropic".to_owned(),
        profile: "default".to_owned(),
        kind: Kind::Token,
        agent: Some("main".into()),
        origin: Origin { source: "opensoul".into(), path: Some(std::path::Path::new("/store").into()), modified: None },
        owner: Owner::GatewayStore,
        renewal: Renewal::Manual,
        condition: Condition::Present,
        clocks: Clocks::default(),
        account: None,
        scopes: None,
        fingerprint: fingerprint(id),
        refresh_fingerprint: None,
        selection: Selection::Eligible(0),
        bench: None,
        activity: Activity::default(),
        declared_in_use: None,
        fix: "renew it".to_owned(),
        notes: Vec::new(),
    }
}

/// A tool's login that is alive.
pub(crate) fn login(id: &str) -> Credential {
    Credential {
        kind: Kind::Oauth,
        agent: None,
        origin: Origin { source: "claude-code".into(), ..stored(id).origin },
        owner: Owner::Tool,
        renewal: Renewal::Auto,
        refresh_fingerprint: fingerprint(&format!("refresh of {id}")),
        selection: Selection::NotApplicable,
        activity: Activity { owner_changed: days(-1), ..Activity::default() },
        ..stored(id)
    }
}

pub(crate) fn observe(credentials: Vec<Credential>) -> Observation {
    Observation {
        host: "box".to_owned(),
        credentials: credentials.into_iter().map(Box::new).collect(),
        verdicts: BTreeMap::new(),
        allowances: BTreeMap::new(),
        previous: BTreeMap::new(),
        demand: Demand { models_configured: true, providers: ["anthropic".to_owned()].into() },
        gateway: Gateway { state: GatewayState::Absent, detail: String::new() },
        findings: Vec::new(),
        sources: Vec::new(),
        clock_problem: None,
    }
}

fn judge(observation: Observation) -> Snapshot {
    assess(observation, &Thresholds::default(), now())
}

fn one(credential: Credential) -> Assessed {
    judge(observe(vec![credential])).credentials.remove(0)
}

fn verdict(kind: VerdictKind, at: Option<Time>) -> Verdict {
    Verdict { kind, at: at.unwrap(), detail: "words".to_owned() }
}

fn with_verdict(credential: Credential, kind: VerdictKind, at: Option<Time>) -> Assessed {
    let mut observation = observe(vec![credential]);
    observation.verdicts.insert(observation.credentials[0].id.clone(), verdict(kind, at));
    judge(observation).credentials.remove(0)
}

fn ends(credential: Credential, access: Option<Time>) -> Credential {
    Credential { clocks: Clocks { access_expires: access, ..credential.clocks.clone() }, ..credential }
}

fn grant(credential: Credential, grant: Option<Time>, basis: Basis) -> Credential {
    let clocks = Clocks { grant_expires: grant, grant_basis: Some(basis), ..credential.clocks.clone() };
    Credential { clocks, ..credential }
}

#[track_caller]
fn is(assessed: &Assessed, state: State, severity: Severity) {
    let judgement = &assessed.judgement;
    assert_eq!((judgement.state, judgement.severity), (state, severity), "{:?}", judgement.because);
    assert!(!judgement.because.is_empty());
    let needs_fix = !matches!(state, State::Ok | State::Static | State::Limited);
    assert_eq!(judgement.fix.is_some(), needs_fix, "{judgement:?}");
}

#[test]
fn what_is_there() {
    let table = [
        (Condition::Present, State::Static, Severity::None),
        (Condition::Blanked, State::Missing, Severity::Critical),
        (Condition::Absent("no key".into()), State::Missing, Severity::Critical),
        (Condition::Unresolved("env:KEY".into()), State::Missing, Severity::Critical),
        (Condition::Unreadable("locked".into()), State::Unreadable, Severity::Warning),
        (Condition::Damaged("type is 7".into()), State::Unknown, Severity::Warning),
        (Condition::Retired("since spring".into()), State::Retired, Severity::Critical),
    ];
    for (condition, state, severity) in table {
        is(&one(Credential { condition, ..stored("a") }), state, severity);
    }
}

#[test]
fn dates_of_what_a_person_renews() {
    let table = [
        (None, State::Static, Severity::None, None),
        (days(15), State::Ok, Severity::None, None),
        (days(14), State::Expiring, Severity::Warning, Some(Tier::Days14)),
        (days(5), State::Expiring, Severity::Warning, Some(Tier::Days7)),
        (days(3), State::Expiring, Severity::Critical, Some(Tier::Days3)),
        (hours(24), State::Expiring, Severity::Critical, Some(Tier::Hours24)),
        (hours(5), State::Expiring, Severity::Critical, Some(Tier::Hours6)),
        (hours(1), State::Expiring, Severity::Critical, Some(Tier::Hour1)),
        (hours(0), State::Expired, Severity::Critical, Some(Tier::Expired)),
        (days(-400), State::Expired, Severity::Critical, Some(Tier::Expired)),
    ];
    for (end, state, severity, tier) in table {
        for credential in [ends(stored("a"), end), grant(stored("a"), end, Basis::Declared)] {
            let assessed = one(credential);
            is(&assessed, state, severity);
            assert_eq!((assessed.judgement.tier, assessed.judgement.expires), (tier, end));
        }
    }
}

#[test]
fn a_known_lifetime_moves_the_bands() {
    let issued = |credential: Credential, issued| Credential {
        clocks: Clocks { issued, ..credential.clocks.clone() },
        ..credential
    };
    is(&one(issued(ends(stored("a"), days(30)), days(-335))), State::Expiring, Severity::Warning);
    is(&one(issued(ends(stored("a"), hours(5)), hours(-7))), State::Ok, Severity::None);
    is(&one(issued(ends(stored("a"), hours(4)), hours(-8))), State::Expiring, Severity::Warning);
    is(&one(issued(ends(stored("a"), hours(1)), hours(-11))), State::Expiring, Severity::Critical);
}

#[test]
fn an_idle_login_is_ok_whatever_its_access_token_says() {
    for access in [days(-20), hours(-1), hours(1), None] {
        let assessed = one(ends(login("a"), access));
        is(&assessed, State::Ok, Severity::None);
        assert!(assessed.judgement.because[0].starts_with("refreshable: its owner renews it"));
        assert_eq!((assessed.judgement.expires, assessed.judgement.tier), (None, None));
    }
}

#[test]
fn the_end_of_a_login_counts() {
    let table = [
        (days(20), State::Ok, Severity::None, None),
        (days(2), State::Expiring, Severity::Critical, Some(Tier::Days3)),
        (days(-1), State::Expired, Severity::Critical, Some(Tier::Expired)),
    ];
    for (end, state, severity, tier) in table {
        let assessed = one(grant(ends(login("a"), hours(3)), end, Basis::Declared));
        is(&assessed, state, severity);
        assert_eq!((assessed.judgement.tier, assessed.judgement.expires), (tier, end));
    }
}

#[test]
fn whoever_cannot_refresh_has_an_expired_access_token() {
    let credential = Credential {
        kind: Kind::Oauth,
        refresh_fingerprint: fingerprint("refresh"),
        ..grant(ends(stored("a"), hours(-1)), days(20), Basis::Declared)
    };
    let assessed = one(credential);
    is(&assessed, State::Expired, Severity::Critical);
    assert_eq!(assessed.judgement.expires, hours(-1));
}

#[test]
fn an_assumed_end_is_never_called_expired() {
    is(&one(grant(stored("a"), days(2), Basis::Assumed)), State::Expiring, Severity::Warning);
    let past = one(grant(stored("a"), days(-2), Basis::Assumed));
    is(&past, State::Expiring, Severity::Warning);
    assert_eq!(past.judgement.tier, Some(Tier::Hour1));
    assert!(past.judgement.because[0].contains("assumed"));
}

#[test]
fn a_renewal_is_overdue_only_with_evidence() {
    let gateways = |access| Credential { kind: Kind::Oauth, renewal: Renewal::Auto, ..ends(stored("a"), access) };
    let active = |access, used, failed| Credential {
        activity: Activity { last_used: used, last_failure: failed, owner_changed: None },
        ..gateways(access)
    };
    is(&one(active(hours(-3), hours(-4), hours(-4))), State::Ok, Severity::None);
    is(&one(active(hours(-3), hours(-1), None)), State::RefreshOverdue, Severity::Critical);
    is(&one(active(hours(-3), None, hours(-1))), State::RefreshOverdue, Severity::Critical);
    is(&one(active(hours(1), hours(-1), hours(-1))), State::Ok, Severity::None);

    let mut running = observe(vec![gateways(hours(-1))]);
    running.gateway.state = GatewayState::Up;
    is(&judge(running.clone()).credentials[0], State::RefreshOverdue, Severity::Critical);
    running.credentials[0].selection = Selection::Eligible(1);
    is(&judge(running.clone()).credentials[0], State::Ok, Severity::None);
    running.credentials = vec![Box::new(ends(login("a"), hours(-1)))];
    is(&judge(running.clone()).credentials[0], State::Ok, Severity::None);
    running.credentials = vec![Box::new(gateways(Some(now() - Span::minutes(9))))];
    is(&judge(running).credentials[0], State::Ok, Severity::None);

    let daemon =
        |refresh_due| Credential { clocks: Clocks { refresh_due, ..gateways(hours(7)).clocks }, ..gateways(hours(7)) };
    // Ten hours remained when it was due: three of them are patience.
    is(&one(daemon(hours(-3))), State::RefreshOverdue, Severity::Warning);
    is(&one(daemon(hours(-2))), State::Ok, Severity::None);
}

#[test]
fn a_refusal_before_the_own_date_says_how_long_before() {
    let said = |credential, kind| with_verdict(credential, kind, hours(-1)).judgement.because;
    let renewed = |credential: Credential, at| Credential {
        clocks: Clocks { last_renewed: at, ..credential.clocks.clone() },
        ..credential
    };
    let because = said(renewed(ends(login("a"), days(7)), hours(-9)), VerdictKind::Expired);
    assert!(because[0].contains("says that it has ended"), "{because:?}");
    assert_eq!(because[1], "that was 7 d before its own date, 2027-01-17 12:00 UTC");
    let because = said(grant(stored("a"), hours(9), Basis::Declared), VerdictKind::Revoked);
    assert_eq!(because[1], "that was 10 h before its own date, 2027-01-10 21:00 UTC");
    for (credential, kind) in [
        (ends(stored("a"), hours(-2)), VerdictKind::Rejected),
        (stored("a"), VerdictKind::Rejected),
        // It may be the date of another token than the one that was refused.
        (ends(login("a"), days(7)), VerdictKind::Expired),
        (ends(stored("a"), days(7)), VerdictKind::Billing),
    ] {
        let because = said(credential, kind);
        assert!(!because.iter().any(|line| line.contains("own date")), "{because:?}");
    }
}

#[test]
fn verdicts_of_the_provider() {
    use VerdictKind::*;
    let table = [
        (Accepted, State::Static, Severity::None),
        (Rejected, State::Rejected, Severity::Critical),
        (Revoked, State::Rejected, Severity::Critical),
        (Expired, State::Expired, Severity::Critical),
        (Limited, State::Limited, Severity::Warning),
        (Billing, State::Billing, Severity::Critical),
        (Forbidden, State::Forbidden, Severity::Critical),
        (Retired, State::Retired, Severity::Critical),
        (Throttled, State::Static, Severity::None),
        (ProviderDown, State::Static, Severity::None),
        (Network, State::Static, Severity::None),
        (Unverifiable, State::Static, Severity::None),
    ];
    for (kind, state, severity) in table {
        let assessed = with_verdict(stored("a"), kind, hours(-1));
        is(&assessed, state, severity);
        assert_eq!(assessed.verdict.map(|verdict| verdict.kind), Some(kind));
        // A refusal says more than a date that is still to come; a logout says more than any answer.
        if kind.is_conclusive() && kind != Accepted {
            is(&with_verdict(ends(stored("a"), days(200)), kind, hours(-1)), state, severity);
            let blanked = Credential { condition: Condition::Blanked, ..stored("a") };
            is(&with_verdict(blanked, kind, hours(-1)), State::Missing, Severity::Critical);
        }
    }
}

#[test]
fn accepted_disproves_only_dates_before_it() {
    let accepted = |credential, at| with_verdict(credential, VerdictKind::Accepted, at);
    is(&accepted(ends(stored("a"), hours(-2)), hours(-1)), State::Ok, Severity::None);
    is(&accepted(ends(stored("a"), hours(-2)), hours(-3)), State::Expired, Severity::Critical);
    is(&accepted(ends(stored("a"), hours(2)), hours(-1)), State::Expiring, Severity::Critical);
    let used = Credential {
        activity: Activity { last_used: hours(-1), ..Activity::default() },
        ..ends(login("a"), hours(-3))
    };
    is(&one(used.clone()), State::RefreshOverdue, Severity::Critical);
    is(&accepted(used, hours(-1)), State::Ok, Severity::None);
}

#[test]
fn a_renewal_after_a_refusal_outdates_it() {
    let renewed = |access, at| {
        let credential = ends(login("a"), access);
        Credential { clocks: Clocks { last_renewed: at, ..credential.clocks.clone() }, ..credential }
    };
    let refused = |credential| with_verdict(credential, VerdictKind::Rejected, hours(-2));
    is(&refused(renewed(hours(8), hours(-1))), State::Ok, Severity::None);
    is(&refused(renewed(hours(8), hours(-3))), State::Rejected, Severity::Critical);
    is(&refused(renewed(hours(-3), hours(-1))), State::Rejected, Severity::Critical);
}

#[test]
fn a_wrong_clock_makes_dates_unknown_and_nothing_else() {
    let with_problem = |credentials: Vec<Credential>| {
        let mut observation = observe(credentials);
        observation.clock_problem = Some("the clock went back".to_owned());
        observation
    };
    let judged = judge(with_problem(vec![
        ends(stored("dead"), days(-3)),
        stored("static"),
        ends(login("tool"), days(-3)),
        Credential { condition: Condition::Blanked, ..stored("empty") },
    ]));
    for assessed in &judged.credentials {
        let (state, severity) = match assessed.credential.id.as_str() {
            "dead" => (State::Unknown, Severity::None),
            "static" => (State::Static, Severity::None),
            "tool" => (State::Ok, Severity::None),
            _ => (State::Missing, Severity::Warning),
        };
        is(assessed, state, severity);
        assert_eq!(assessed.judgement.tier, None);
    }
    let mut refused = with_problem(vec![ends(stored("a"), days(3))]);
    refused.verdicts.insert("a".into(), verdict(VerdictKind::Rejected, hours(-1)));
    is(&judge(refused).credentials[0], State::Rejected, Severity::Critical);
}

#[test]
fn what_is_in_use() {
    let of = |provider: &str, credential: Credential| Credential { provider: provider.to_owned(), ..credential };
    let excluded = |id| Credential { selection: Selection::Excluded("not in auth.order".into()), ..stored(id) };
    let changed =
        |id, days| Credential { activity: Activity { owner_changed: days, ..Activity::default() }, ..login(id) };
    let declared = |id, in_use| Credential { owner: Owner::Declared, declared_in_use: in_use, ..of("hf", stored(id)) };
    let table = [
        (stored("demanded"), true),
        (excluded("excluded"), false),
        (of("openai", stored("not demanded")), false),
        (Credential { owner: Owner::Environment, selection: Selection::NotApplicable, ..stored("env") }, true),
        (of("openai", changed("tool alive", days(-29))), true),
        (of("openai", changed("tool abandoned", days(-31))), false),
        (of("openai", changed("tool of unknown age", None)), true),
        (declared("declared", None), true),
        (declared("declared in use", Some(true)), true),
        (declared("declared idle", Some(false)), false),
    ];
    let judged = judge(observe(table.iter().map(|(credential, _)| credential.clone()).collect()));
    for (credential, expected) in &table {
        let found = judged.credentials.iter().find(|a| a.credential.id == credential.id).unwrap();
        assert_eq!(found.judgement.in_use, *expected, "{}", credential.id);
        assert_eq!(!expected, found.judgement.because.contains(&"nothing uses it".to_owned()));
        let since = "neither it nor its tool has changed since 2026-12-10 12:00 UTC".to_owned();
        assert_eq!(credential.id == "tool abandoned".into(), found.judgement.because.contains(&since));
    }

    let mut unconfigured =
        observe(vec![of("openai", stored("a")), changed("old", days(-31)), changed("new", days(-1))]);
    unconfigured.demand = Demand::default();
    let judged = judge(unconfigured);
    let used = |id: &str| judged.credentials.iter().find(|a| a.credential.id.as_str() == id).unwrap().judgement.in_use;
    assert_eq!((used("a"), used("old"), used("new")), (true, false, true));
}

#[test]
fn an_order_that_excludes_everything_hides_nothing() {
    let excluded = |id, why: &str| Credential { selection: Selection::Excluded(why.into()), ..stored(id) };
    let dead = |why| ends(excluded("a", why), days(-1));
    let order = "not in auth.order for this provider";
    is(&one(dead(order)), State::Expired, Severity::Critical);
    is(&judge(observe(vec![dead(order), stored("b")])).credentials[0], State::Expired, Severity::Info);
    // The gateway passes over what has ended; its user meant it to be used all the same.
    is(&judge(observe(vec![dead("expired"), stored("b")])).credentials[0], State::Expired, Severity::Warning);
}

#[test]
fn blast_radius() {
    let severities = |credentials: Vec<Credential>| -> Vec<Severity> {
        let judged = judge(observe(credentials));
        let mut list: Vec<_> =
            judged.credentials.iter().map(|a| (a.credential.id.clone(), a.judgement.severity)).collect();
        list.sort();
        list.into_iter().map(|(_, severity)| severity).collect()
    };
    use Severity::*;
    let dead = |id| ends(stored(id), days(-1));
    let dying = |id| ends(stored(id), hours(5));
    let disabled = |id| Credential {
        bench: Some(Bench { kind: BenchKind::Disabled, until: now() + Span::hours(2), reason: Some("billing".into()) }),
        ..stored(id)
    };
    let unused = |credential: Credential| Credential { provider: "mistral".to_owned(), ..credential };
    assert_eq!(severities(vec![dead("a")]), [Critical]);
    assert_eq!(severities(vec![dead("a"), stored("b")]), [Warning, None]);
    assert_eq!(severities(vec![dead("a"), dead("b")]), [Critical, Critical]);
    assert_eq!(severities(vec![unused(dead("a"))]), [Info]);
    assert_eq!(severities(vec![dying("a"), stored("b")]), [Warning, None]);
    // Two that end together are no reserve for each other; nor is one that its gateway has disabled or would not take.
    assert_eq!(severities(vec![dying("a"), dying("b")]), [Critical, Critical]);
    assert_eq!(severities(vec![dead("a"), disabled("b")]), [Critical, None]);
    let excluded = Credential { selection: Selection::Excluded("order".into()), ..stored("b") };
    assert_eq!(severities(vec![dead("a"), excluded]), [Critical, None]);
    // A gateway cannot fall back on a tool's login, nor a tool on the gateway's.
    assert_eq!(severities(vec![dead("a"), login("b")]), [Critical, None]);
    assert_eq!(severities(vec![stored("a"), grant(login("b"), days(-1), Basis::Declared)]), [None, Critical]);
    assert_eq!(severities(vec![grant(login("a"), days(-1), Basis::Declared), login("b")]), [Warning, None]);
}

#[test]
fn a_used_up_quota_is_no_news_while_others_work() {
    let mut observation = observe(vec![stored("a"), stored("b")]);
    observation.verdicts.insert("a".into(), verdict(VerdictKind::Limited, hours(-1)));
    is(&judge(observation).credentials[0], State::Limited, Severity::Info);
}

#[test]
fn copies_have_one_voice() {
    let secret = |credential: Credential| Credential { fingerprint: fingerprint("same"), ..credential };
    let mut tool = grant(secret(login("z-tool")), days(-1), Basis::Declared);
    tool.refresh_fingerprint = fingerprint("refresh");
    let copy = Credential { renewal: Renewal::Auto, refresh_fingerprint: fingerprint("refresh"), ..stored("b-store") };
    let env = Credential { owner: Owner::Environment, ..secret(stored("a-env")) };
    let other = Credential { provider: "openai".to_owned(), ..secret(stored("other-provider")) };
    let judged = judge(observe(vec![env, copy, tool, other]));
    let get = |id: &str| judged.credentials.iter().find(|a| a.credential.id.as_str() == id).unwrap();
    assert_eq!(get("z-tool").copies, ["a-env".into(), "b-store".into()]);
    assert_eq!(get("a-env").copy_of, Some("z-tool".into()));
    assert_eq!(get("b-store").copy_of, Some("z-tool".into()));
    assert_eq!(get("other-provider").copy_of, None);
    is(get("z-tool"), State::Expired, Severity::Critical);
    assert_eq!(get("b-store").judgement.state, State::Expired, "one login has one end");
    assert_eq!((get("a-env").judgement.severity, get("b-store").judgement.severity), (Severity::None, Severity::None));
    assert_eq!(judged.providers[0].total, 1);
}

#[test]
fn a_mirror_is_judged_at_its_owner() {
    let mirror = |family: &str, profile: &str| Credential {
        profile: profile.to_owned(),
        origin: Origin { source: family.to_owned().into(), ..stored("m").origin },
        account: Some("Me@x.org".to_owned()),
        ..ends(stored("mirror"), days(-1))
    };
    let owner = |account: &str| Credential { account: Some(account.to_owned()), ..login("tool") };
    let copied = |mirror: Credential, owner: Credential| {
        let judged = judge(observe(vec![mirror, owner]));
        let mirror = judged.credentials.iter().find(|a| a.credential.id == "mirror".into()).unwrap();
        (mirror.copy_of.is_some(), mirror.judgement.state, mirror.judgement.severity)
    };
    let cli = "anthropic:claude-cli";
    assert_eq!(
        copied(mirror("openclaw", cli), owner("me@x.org")),
        (true, State::Ok, Severity::None),
        "a stale snapshot alarms nobody"
    );
    let own = (false, State::Expired, Severity::Critical);
    assert_eq!(copied(mirror("opensoul", cli), owner("me@x.org")), own, "copies nothing");
    assert!(!copied(mirror("openclaw", "anthropic:work"), owner("me@x.org")).0);
    assert!(!copied(mirror("openclaw", cli), owner("you@x.org")).0, "another account");
}

#[test]
fn a_canonical_place_stays_canonical_until_it_is_gone() {
    let same = |id| Credential { fingerprint: fingerprint("same"), ..stored(id) };
    let mut observation = observe(vec![same("a"), same("b"), same("c")]);
    observation.previous = [("b".into(), "g".to_owned()), ("c".into(), "copy:g".to_owned())].into();
    for _ in 0..3 {
        let judged = judge(observation.clone());
        assert_eq!(judged.credentials.iter().find(|a| a.copy_of.is_none()).unwrap().credential.id, "b".into());
        let words = judged.credentials.iter().map(|a| (a.credential.id.clone(), a.judgement.generation.clone()));
        observation.previous = words.collect();
    }
    observation.credentials.retain(|c| c.id != "b".into());
    assert_eq!(judge(observation).credentials[0].copy_of, None);
}

#[test]
fn places_of_one_secret_share_dates_and_answers() {
    let same = |id| Credential { fingerprint: fingerprint("same"), ..stored(id) };
    let mut observation = observe(vec![same("a"), ends(same("b"), days(2))]);
    let judged = judge(observation.clone());
    let a = judged.credentials.iter().find(|a| a.credential.id == "a".into()).unwrap();
    is(a, State::Expiring, Severity::Critical);
    assert_eq!(a.judgement.expires, days(2));
    observation.verdicts.insert("b".into(), verdict(VerdictKind::Rejected, hours(-1)));
    for assessed in judge(observation).credentials {
        assert_eq!(assessed.judgement.state, State::Rejected);
    }
}

#[test]
fn what_one_place_knows_counts_before_what_is_assumed_of_another() {
    let same = |id| Credential { fingerprint: fingerprint("same"), ..stored(id) };
    let assumed = |id| grant(same(id), days(2), Basis::Assumed);
    let judged = judge(observe(vec![assumed("a"), grant(same("b"), days(300), Basis::Declared), assumed("c")]));
    for one in &judged.credentials {
        assert_eq!((one.judgement.expires, one.judgement.state), (days(300), State::Ok), "{}", one.credential.id);
    }
    let alone = judge(observe(vec![assumed("a"), assumed("c")]));
    is(alone.credentials.iter().find(|a| a.copy_of.is_none()).unwrap(), State::Expiring, Severity::Warning);
}

#[test]
fn generations() {
    let key = |c: &Credential, previous: Option<&str>| generation::generation(c, previous);
    let a = stored("a");
    assert_eq!(key(&a, None), key(&ends(a.clone(), days(9)), None), "a date alone is no new issue");
    assert_ne!(key(&a, None), key(&Credential { fingerprint: fingerprint("new"), ..a.clone() }, Some(&key(&a, None))));
    let declared = |end| Credential { fingerprint: None, ..ends(stored("a"), end) };
    assert_ne!(key(&declared(days(3)), None), key(&declared(days(300)), None));

    let login = |end, account: &str, access| Credential {
        account: Some(account.to_owned()),
        fingerprint: fingerprint(access),
        ..grant(login("l"), end, Basis::Declared)
    };
    let first = key(&login(days(20), "me@x.org", "1"), None);
    assert!(!first.contains("me@x.org"));
    assert_eq!(key(&login(days(20), "me@x.org", "2"), Some(&first)), first, "a renewed access token");
    assert_eq!(key(&login(days(23), "me@x.org", "2"), Some(&first)), first, "a tenth of 30 days");
    assert_ne!(key(&login(days(24), "me@x.org", "2"), Some(&first)), first, "a later grant");
    assert_eq!(key(&login(days(10), "me@x.org", "2"), Some(&first)), first, "an earlier one");
    assert_ne!(key(&login(days(20), "you@x.org", "2"), Some(&first)), first, "another account");

    let out = Credential { condition: Condition::Blanked, ..login(None, "me@x.org", "1") };
    let gone = key(&out, Some(&first));
    assert_ne!(gone, first);
    let modified = |at| {
        let c = login(None, "me@x.org", "3");
        Credential { origin: Origin { modified: at, ..c.origin.clone() }, ..c }
    };
    let again = key(&modified(days(0)), Some(&gone));
    assert!(again != gone && again != key(&modified(days(0)), None), "the login after a logout is a new one");
    assert_eq!(key(&modified(days(1)), Some(&again)), again, "and stays the same");
    let locked = Credential { condition: Condition::Unreadable("locked".into()), ..login(None, "me@x.org", "1") };
    assert_eq!(key(&locked, Some(&first)), first);
}

#[test]
fn providers_in_one_line() {
    let benched = |id, kind| Credential {
        bench: Some(Bench { kind, until: now() + Span::hours(1), reason: Some("billing".into()) }),
        ..stored(id)
    };
    let second = Credential { selection: Selection::Eligible(1), ..stored("b") };
    let line = |credentials| judge(observe(credentials)).providers.remove(0);
    let both = line(vec![ends(stored("a"), days(-1)), second.clone()]);
    assert_eq!((both.state, both.usable, both.total, both.in_use), (State::Static, 1, 2, true));
    assert_eq!(both.effective, Some("a".into()), "the gateway's own order, whatever the state");
    assert_eq!(line(vec![]).state, State::Missing);
    assert_eq!(line(vec![login("tool")]).state, State::Missing, "the gateway does not read a tool's login");
    assert_eq!(line(vec![benched("a", BenchKind::Disabled)]).state, State::Billing);
    assert_eq!(line(vec![benched("a", BenchKind::Cooldown)]).state, State::Static);
    let env = Credential { owner: Owner::Environment, selection: Selection::NotApplicable, ..stored("env") };
    assert_eq!(line(vec![env]).effective, Some("env".into()));
}

#[test]
fn soonest_first() {
    let judged = judge(observe(vec![stored("none"), ends(stored("late"), days(90)), ends(stored("soon"), days(1))]));
    let ids: Vec<&str> = judged.credentials.iter().map(|a| a.credential.id.as_str()).collect();
    assert_eq!(ids, ["soon", "late", "none"]);
}

proptest::proptest! {
    #[test]
    fn an_instant_is_written_as_chrono_writes_it(seconds in -62_135_596_800_i64..253_402_300_800) {
        let time = Time::from_timestamp(seconds, 0).unwrap();
        proptest::prop_assert_eq!(when(time).to_string(), time.format("%Y-%m-%d %H:%M UTC").to_string());
    }
}
