use super::world::*;
use crate::domain::*;
use crate::engine::policy::{ReceiverPolicy, Route};

const LOGIN: &str = "claude-code:default";
const TICK: Span = Span::minutes(5);

fn warning(tier: Tier) -> Snapshot {
    snapshot(vec![expiring(LOGIN, tier, Severity::Warning)])
}

fn critical(tier: Tier) -> Snapshot {
    snapshot(vec![expiring(LOGIN, tier, Severity::Critical)])
}

fn well() -> Snapshot {
    snapshot(vec![generation(ok(LOGIN), "g2")])
}

fn rejected(at: Time) -> Snapshot {
    snapshot(vec![answered(credential(LOGIN, State::Rejected, Severity::Critical), VerdictKind::Rejected, at)])
}

#[test]
fn a_credential_walks_from_ok_to_expired_and_back() {
    let mut world = World::with(&["mail"]);
    let mut heard = Vec::new();
    let walk = [
        (snapshot(vec![ok(LOGIN)]), 3),
        (warning(Tier::Days14), 5),
        (warning(Tier::Days7), 5),
        (critical(Tier::Days3), 5),
        (critical(Tier::Hours24), 5),
        (critical(Tier::Expired), 3),
        (well(), 5),
    ];
    for (snapshot, cycles) in walk {
        for _ in 0..cycles {
            heard.extend(world.wait(TICK).tick(&snapshot));
        }
    }
    assert_eq!(
        heard,
        [
            "mail firing CredentialExpiring warning Days14",
            "mail firing CredentialExpiring warning Days7",
            "mail firing CredentialExpiring critical Days3",
            "mail firing CredentialExpiring critical Hours24",
            "mail firing CredentialExpiring critical Expired",
            "mail resolved CredentialExpiring critical Expired",
        ]
    );
    assert!(world.standing.incidents.is_empty() && world.standing.queued.is_empty());
}

#[test]
fn after_missed_runs_only_the_tightest_tier_is_said() {
    let mut world = World::with(&["mail"]);
    assert_eq!(world.tick(&warning(Tier::Days14)), ["mail firing CredentialExpiring warning Days14"]);
    world.wait(Span::days(13));
    assert_eq!(world.tick(&critical(Tier::Hours6)), ["mail firing CredentialExpiring critical Hours6"]);
    assert!(world.wait(TICK).tick(&critical(Tier::Hours24)).is_empty(), "a looser tier of the same generation is over");
}

#[test]
fn a_new_generation_arms_the_tiers_anew() {
    let mut world = World::with(&["mail"]);
    world.tick(&warning(Tier::Days7));
    let renewed = snapshot(vec![generation(expiring(LOGIN, Tier::Days14, Severity::Warning), "g2")]);
    assert_eq!(world.wait(TICK).tick(&renewed), ["mail firing CredentialExpiring warning Days14"]);
    assert!(world.wait(TICK).tick(&renewed).is_empty());
}

#[test]
fn what_is_broken_is_said_again_after_four_hours_then_daily() {
    let mut world = World::with(&["mail"]);
    world.tick(&critical(Tier::Expired));
    let began = world.now;
    let mut hours = Vec::new();
    for _ in 0..(3 * 24 * 12) {
        if !world.wait(TICK).tick(&critical(Tier::Expired)).is_empty() {
            hours.push((world.now - began).num_minutes());
        }
    }
    assert_eq!(hours.len(), 3, "{hours:?}");
    assert!((235..=275).contains(&hours[0]), "{hours:?}");
    assert_eq!((hours[1] - hours[0], hours[2] - hours[1]), (1440, 1440));
}

#[test]
fn a_warning_that_is_broken_is_said_again_daily_and_one_that_expires_only_by_tiers() {
    let mut world = World::with(&["mail"]);
    let refused = snapshot(vec![credential(LOGIN, State::Rejected, Severity::Warning)]);
    assert_eq!(world.tick(&refused).len(), 1);
    assert!(world.wait(Span::hours(23)).tick(&refused).is_empty());
    assert_eq!(world.wait(Span::hours(2)).tick(&refused).len(), 1);

    let mut world = World::with(&["mail"]);
    assert_eq!(world.tick(&warning(Tier::Days7)).len(), 1);
    for _ in 0..4 {
        assert!(world.wait(Span::hours(23)).tick(&warning(Tier::Days7)).is_empty());
    }
}

#[test]
fn a_severity_rise_is_said_at_once_and_a_fall_is_not() {
    let mut world = World::with(&["mail"]);
    world.tick(&warning(Tier::Days3));
    assert_eq!(world.wait(TICK).tick(&critical(Tier::Days3)), ["mail firing CredentialExpiring critical Days3"]);
    assert!(world.wait(TICK).tick(&warning(Tier::Days3)).is_empty());
    assert!(world.wait(TICK).tick(&critical(Tier::Days3)).is_empty(), "it was said already");
}

#[test]
fn the_first_cycle_ever_is_one_digest_for_each_receiver() {
    let mut world = World::new(&["mail", "hook"]);
    let both = snapshot(vec![
        expiring(LOGIN, Tier::Days7, Severity::Warning),
        credential("codex:default", State::Rejected, Severity::Critical),
    ]);
    let decision = world.cycle(&both);
    assert_eq!(decision.enqueue.len(), 2);
    assert!(decision.enqueue.iter().all(|n| n.kind == NotificationKind::Digest && n.items.len() == 2));
    assert!(decision.enqueue.iter().all(|n| n.severity == Severity::Critical));
    world.deliver();
    assert!(world.wait(TICK).tick(&both).is_empty());
}

#[test]
fn one_message_for_each_receiver_provider_and_host() {
    let mut world = World::with(&["mail"]);
    let three = snapshot(vec![
        expiring(LOGIN, Tier::Days7, Severity::Warning),
        expiring("opensoul:main/a", Tier::Days7, Severity::Critical),
        expiring("codex:default", Tier::Days7, Severity::Warning),
    ]);
    let decision = world.cycle(&three);
    let mut shape: Vec<_> =
        decision.enqueue.iter().map(|n| (n.group_key.as_str(), n.items.len(), n.severity)).collect();
    shape.sort();
    assert_eq!(
        shape,
        [
            (r#"{receiver="mail", provider="anthropic", host="box"}"#, 2, Severity::Critical),
            (r#"{receiver="mail", provider="openai", host="box"}"#, 1, Severity::Warning),
        ]
    );
    assert!(decision.enqueue.iter().all(|n| n.kind == NotificationKind::Alert));
}

#[test]
fn more_than_twenty_are_a_digest() {
    for (count, digest) in [(20, false), (21, true)] {
        let mut world = World::with(&["mail"]);
        let many =
            snapshot((0..count).map(|n| expiring(&format!("codex:{n}"), Tier::Days7, Severity::Warning)).collect());
        let decision = world.cycle(&many);
        assert_eq!(decision.enqueue.len(), 1);
        assert_eq!(decision.enqueue[0].kind == NotificationKind::Digest, digest);
        assert_eq!(decision.enqueue[0].items.len(), count);
    }
}

#[test]
fn resolved_is_told_to_those_who_were_told_and_once() {
    let mut world = World::with(&["mail", "hook"]);
    world.away.insert("hook".to_owned());
    world.tick(&critical(Tier::Expired));
    assert_eq!(world.wait(Span::hours(1)).tick(&well()), ["mail resolved CredentialExpiring critical Expired"]);
    assert!(world.wait(TICK).tick(&well()).is_empty());
    world.away.clear();
    assert_eq!(world.wait(TICK).tick(&well()), ["hook was-down CredentialExpiring critical Expired"]);
    assert!(world.wait(TICK).tick(&well()).is_empty());
    assert!(world.standing.incidents.is_empty() && world.standing.queued.is_empty());
}

#[test]
fn a_resolve_that_cannot_be_delivered_keeps_the_incident() {
    let mut world = World::with(&["mail"]);
    world.tick(&critical(Tier::Expired));
    world.away.insert("mail".to_owned());
    for _ in 0..50 {
        assert!(world.wait(Span::hours(5)).tick(&well()).is_empty());
        assert_eq!(world.standing.queued.len(), 1);
        assert!(world.incident("CredentialExpiring").is_some());
    }
    world.away.clear();
    assert_eq!(world.wait(TICK).tick(&well()), ["mail resolved CredentialExpiring critical Expired"]);
}

#[test]
fn a_short_problem_that_nobody_heard_of_is_withdrawn_without_a_word() {
    let mut world = World::with(&["mail"]);
    world.cycle(&critical(Tier::Expired));
    let decision = world.wait(Span::minutes(1)).cycle(&well());
    assert_eq!(decision.withdraw.len(), 1);
    assert!(world.deliver().is_empty());
    world.wait(TICK).cycle(&well());
    assert!(world.standing.incidents.is_empty() && world.standing.queued.is_empty());
}

#[test]
fn receivers_that_do_not_want_resolves_get_none_and_hold_nothing_up() {
    let mut world = World::with(&["mail"]);
    world.policy.receivers[0].send_resolved = false;
    assert_eq!(world.tick(&critical(Tier::Expired)).len(), 1);
    assert!(world.wait(TICK).tick(&well()).is_empty());
    assert!(world.standing.incidents.is_empty());
}

#[test]
fn an_incident_that_was_never_told_can_still_be_told_as_past_without_resolves() {
    let mut world = World::with(&["mail"]);
    world.policy.receivers[0].send_resolved = false;
    world.away.insert("mail".to_owned());
    world.tick(&critical(Tier::Expired));
    world.wait(Span::hours(3)).tick(&well());
    world.away.clear();
    assert_eq!(world.tick(&well()), ["mail was-down CredentialExpiring critical Expired"]);
}

#[test]
fn a_receiver_that_was_away_hears_the_present_once() {
    let mut world = World::with(&["mail"]);
    world.away.insert("mail".to_owned());
    for tier in [Tier::Days14, Tier::Days7, Tier::Days3, Tier::Hours24] {
        world.wait(Span::days(3)).tick(&warning(tier));
        assert_eq!(world.standing.queued.len(), 1);
    }
    world.away.clear();
    assert_eq!(world.tick(&warning(Tier::Hours24)), ["mail firing CredentialExpiring warning Hours24"]);
}

#[test]
fn what_was_never_tried_is_rewritten_and_what_was_tried_is_replaced() {
    let mut world = World::with(&["mail"]);
    let first = world.cycle(&warning(Tier::Days7)).enqueue.remove(0);
    let decision = world.wait(TICK).cycle(&critical(Tier::Days3));
    assert_eq!((decision.enqueue.len(), decision.withdraw.len()), (0, 0));
    assert_eq!(decision.amend[0].id, first.id);
    assert_eq!(decision.amend[0].severity, Severity::Critical);

    let id = world.take().remove(0);
    world.end(&id, End::Failed);
    let decision = world.wait(TICK).cycle(&critical(Tier::Hours24));
    assert_eq!(decision.withdraw, std::slice::from_ref(&first.id));
    assert_ne!(decision.enqueue[0].id, first.id);
}

#[test]
fn what_may_have_got_through_keeps_its_id_while_it_is_true() {
    let mut world = World::with(&["mail"]);
    let first = world.cycle(&warning(Tier::Days7)).enqueue.remove(0);
    let id = world.take().remove(0);
    world.end(&id, End::Unclear);
    world.wait(TICK).cycle(&warning(Tier::Days7));
    // Something else of the same group begins: it gets a message of its own.
    let both = snapshot(vec![
        expiring(LOGIN, Tier::Days7, Severity::Warning),
        expiring("opensoul:main/a", Tier::Days7, Severity::Warning),
    ]);
    let decision = world.wait(TICK).cycle(&both);
    assert!(decision.withdraw.is_empty() && decision.amend.is_empty());
    assert_eq!(decision.enqueue[0].items.len(), 1);
    assert!(world.standing.queued.iter().any(|q| q.notification == first));
}

#[test]
fn who_may_have_heard_is_told_of_the_end_even_if_a_newer_word_took_the_place() {
    let mut world = World::with(&["mail"]);
    world.cycle(&warning(Tier::Days7));
    let id = world.take().remove(0);
    world.end(&id, End::Unclear);
    let newer = world.wait(Span::minutes(1)).cycle(&critical(Tier::Days3));
    assert_eq!((newer.withdraw.len(), newer.enqueue.len()), (1, 1));
    assert_eq!(world.wait(Span::minutes(1)).tick(&well()), ["mail was-down CredentialExpiring critical Days3"]);
    world.wait(TICK).cycle(&well());
    assert!(world.standing.incidents.is_empty());
}

#[test]
fn what_ends_while_it_is_being_sent_is_closed_either_way() {
    for end in [End::Delivered, End::Failed, End::Unclear] {
        let mut world = World::with(&["mail"]);
        world.cycle(&critical(Tier::Expired));
        let flying = world.take().remove(0);
        world.wait(TICK).cycle(&well());
        world.end(&flying, end);
        let mut heard = world.deliver();
        for _ in 0..3 {
            heard.extend(world.wait(TICK).tick(&well()));
        }
        assert_eq!(heard.iter().filter(|line| line.contains("was-down")).count(), 1, "{end:?}: {heard:?}");
        assert!(!heard.iter().any(|line| line.contains("firing")), "{end:?}: {heard:?}");
        assert!(world.standing.incidents.is_empty() && world.standing.queued.is_empty(), "{end:?}");
    }
}

#[test]
fn news_while_an_older_word_is_being_sent_is_not_lost() {
    for end in [End::Delivered, End::Failed] {
        let mut world = World::with(&["mail"]);
        world.cycle(&warning(Tier::Days7));
        let flying = world.take().remove(0);
        world.wait(TICK).cycle(&critical(Tier::Days3));
        world.end(&flying, end);
        let mut heard = world.tick(&critical(Tier::Days3));
        heard.extend(world.wait(TICK).tick(&critical(Tier::Days3)));
        let news = heard.iter().filter(|line| line.ends_with("critical Days3")).count();
        assert_eq!(news, 1, "{end:?}: {heard:?}");
        assert_eq!(world.standing.queued.len(), 0, "the older word is not sent again");
    }
}

#[test]
fn expiry_is_not_a_resolve() {
    let mut world = World::with(&["mail"]);
    world.tick(&critical(Tier::Hour1));
    let id = world.incident("CredentialExpiring").unwrap().id.clone();
    world.wait(Span::hours(1)).tick(&critical(Tier::Expired));
    let incident = world.incident("CredentialExpiring").unwrap();
    assert_eq!((incident.id.clone(), incident.status), (id, IncidentStatus::Firing));
    assert_eq!(world.standing.incidents.len(), 1);
}

#[test]
fn a_wrong_clock_holds_what_comes_from_dates() {
    let mut world = World::with(&["mail"]);
    world.tick(&warning(Tier::Days7));
    let mut wrong = snapshot(vec![credential(LOGIN, State::Unknown, Severity::None)]);
    wrong.clock_problem = Some("now is before the build date".to_owned());
    world.now = start() - Span::days(365 * 20);
    assert_eq!(world.tick(&wrong), ["mail firing ClockWrong warning"]);
    assert!(world.wait(TICK).tick(&wrong).is_empty());
    // Even if a judgement let a date through.
    let mut strayed = critical(Tier::Expired);
    strayed.clock_problem.clone_from(&wrong.clock_problem);
    assert!(world.wait(TICK).tick(&strayed).is_empty());
    // What a provider said does not depend on our clock.
    let mut refused = rejected(world.now);
    refused.clock_problem.clone_from(&wrong.clock_problem);
    assert_eq!(world.wait(TICK).tick(&refused), ["mail firing CredentialRejected critical"]);
    world.now = start() + Span::hours(1);
    let clear =
        snapshot(vec![answered(expiring(LOGIN, Tier::Days7, Severity::Warning), VerdictKind::Accepted, world.now)]);
    assert_eq!(world.tick(&clear), ["mail resolved ClockWrong warning", "mail resolved CredentialRejected critical"]);
}

#[test]
fn nothing_is_over_because_we_cannot_see_it() {
    let mut world = World::with(&["mail"]);
    world.tick(&critical(Tier::Expired));
    let unknown = snapshot(vec![credential(LOGIN, State::Unknown, Severity::Warning)]);
    assert!(world.wait(TICK).tick(&unknown).is_empty());
    let mut unreadable = snapshot(vec![]);
    unreadable.sources[0].up = false;
    for _ in 0..5 {
        world.wait(TICK).tick(&unreadable);
        assert_eq!(world.incident("CredentialExpiring").unwrap().status, IncidentStatus::Firing);
    }
    assert!(world.heard.iter().all(|heard| heard.item.status == ItemStatus::Firing));
}

#[test]
fn a_refusal_ends_by_a_yes_or_a_new_generation_and_not_by_silence() {
    let quiet = snapshot(vec![ok(LOGIN)]);
    let throttled = |at| snapshot(vec![answered(ok(LOGIN), VerdictKind::Throttled, at)]);
    for (proof, told) in [
        (quiet, false),
        (throttled(start()), false),
        (snapshot(vec![answered(ok(LOGIN), VerdictKind::Accepted, start())]), true),
        (well(), true),
    ] {
        let mut world = World::with(&["mail"]);
        world.tick(&rejected(start()));
        let heard = world.wait(TICK).tick(&proof);
        assert_eq!(!heard.is_empty(), told, "{heard:?}");
        assert_eq!(world.incident("CredentialRejected").is_none_or(|i| i.status == IncidentStatus::Resolved), told);
    }
}

#[test]
fn a_credential_announces_one_problem_in_one_cycle() {
    let mut world = World::with(&["mail"]);
    world.tick(&warning(Tier::Days7));
    assert_eq!(world.wait(TICK).tick(&rejected(start())), ["mail firing CredentialRejected critical"]);
    assert_eq!(world.incident("CredentialExpiring").unwrap().status, IncidentStatus::Firing, "inhibited, not over");
    let fixed = snapshot(vec![answered(generation(ok(LOGIN), "g2"), VerdictKind::Accepted, world.now)]);
    assert_eq!(
        world.wait(TICK).tick(&fixed),
        ["mail resolved CredentialExpiring warning Days7", "mail resolved CredentialRejected critical",]
    );
}

#[test]
fn a_used_up_quota_does_not_hide_the_end_of_the_login() {
    let mut world = World::with(&["mail"]);
    let mut limited = answered(credential(LOGIN, State::Limited, Severity::Info), VerdictKind::Limited, start());
    assert!(world.tick(&snapshot(vec![limited.clone()])).is_empty(), "info goes nowhere by itself");
    limited.judgement.warn_at = Some(start());
    limited.judgement.critical_at = Some(start() + Span::days(2));
    limited.judgement.tier = Some(Tier::Days7);
    assert_eq!(world.tick(&snapshot(vec![limited.clone()])), ["mail firing CredentialExpiring warning Days7"]);
    limited.judgement.tier = Some(Tier::Hours24);
    world.wait(Span::days(2));
    assert_eq!(world.tick(&snapshot(vec![limited])), ["mail firing CredentialExpiring critical Hours24"]);
}

/// As `monitor once --host` sees a machine that does not answer.
fn unreached() -> Snapshot {
    let mut nothing = Snapshot { providers: vec![], sources: vec![], ..snapshot(vec![]) };
    nothing.gateway.state = GatewayState::Unknown;
    nothing.findings.push(Finding::new(super::UNREACHED, Severity::Warning, "no route", "look"));
    nothing
}

#[test]
fn of_a_machine_that_is_not_reached_nothing_is_over_and_nothing_is_gone() {
    let mut world = World::with(&["mail"]);
    let mut seen =
        snapshot(vec![credential("claude-code:default", State::Rejected, Severity::Critical), ok("codex:default")]);
    seen.gateway.state = GatewayState::Down;
    seen.findings.push(Finding::new("files.mode", Severity::Warning, "others may read it", "chmod"));
    world.tick(&seen);
    let told = world.wait(TICK).tick(&seen);
    let before: Vec<_> = world.standing.incidents.iter().map(|one| (one.id.clone(), one.status)).collect();
    assert_eq!(before.len(), 3, "{told:?}");
    assert!(world.wait(TICK).tick(&unreached()).is_empty(), "a tunnel");
    assert_eq!(world.wait(TICK).tick(&unreached()), ["mail firing DoctorFinding warning"]);
    for _ in 0..30 {
        let heard = world.wait(Span::days(1)).tick(&unreached());
        assert!(heard.is_empty(), "{heard:?}");
    }
    for (id, status) in before {
        let now = world.standing.incidents.iter().find(|one| one.id == id).map(|one| one.status);
        assert_eq!(now, Some(status));
    }
    let heard = world.wait(TICK).tick(&seen);
    assert!(heard.contains(&"mail resolved DoctorFinding warning".to_owned()), "{heard:?}");
    assert!(!heard.iter().any(|line| line.contains("Gone")), "{heard:?}");
}

#[test]
fn gone_needs_a_readable_source_two_cycles_and_a_provider_in_need() {
    let mut world = World::with(&["mail"]);
    world.tick(&snapshot(vec![ok(LOGIN)]));
    let mut empty = snapshot(vec![]);
    empty.providers = snapshot(vec![credential(LOGIN, State::Missing, Severity::None)]).providers;
    let mut blind = empty.clone();
    blind.sources[0].up = false;
    for _ in 0..3 {
        let heard = world.wait(TICK).tick(&blind);
        assert!(heard.iter().all(|line| line.contains("SourceUnreadable")), "{heard:?}");
    }
    let heard = world.wait(TICK).tick(&empty);
    assert!(heard.iter().all(|line| line.contains("resolved SourceUnreadable")), "{heard:?}");
    assert_eq!(world.wait(TICK).tick(&empty), ["mail firing CredentialGone critical"]);
    assert!(world.wait(TICK).tick(&empty).is_empty());
    assert_eq!(world.wait(TICK).tick(&snapshot(vec![ok(LOGIN)])), ["mail resolved CredentialGone critical"]);
}

#[test]
fn two_cycles_in_a_moment_prove_nothing() {
    let second = Span::seconds(1);
    let mut world = World::with(&["mail"]);
    world.tick(&snapshot(vec![ok(LOGIN)]));
    let mut down = snapshot(vec![]);
    down.providers = snapshot(vec![credential(LOGIN, State::Missing, Severity::None)]).providers;
    down.gateway.state = GatewayState::Down;
    for _ in 0..10 {
        assert!(world.wait(second).tick(&down).is_empty(), "being replaced, being restarted");
    }
    let heard = world.wait(Span::seconds(15)).tick(&down);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard.iter().any(|line| line.contains("CredentialGone critical")), "{heard:?}");
    assert!(heard.iter().any(|line| line.contains("GatewayDown critical")), "{heard:?}");
}

#[test]
fn the_only_login_going_away_is_said_once_where_nothing_asks_for_it() {
    let mut world = World::with(&["mail"]);
    world.tick(&snapshot(vec![ok(LOGIN)]));
    assert!(world.wait(TICK).tick(&snapshot(vec![])).is_empty());
    assert_eq!(world.wait(TICK).tick(&snapshot(vec![])), ["mail firing CredentialGone warning"]);
    for _ in 0..6 {
        assert!(world.wait(Span::days(1)).tick(&snapshot(vec![])).is_empty());
    }
    assert_eq!(world.wait(Span::days(1)).tick(&snapshot(vec![])), ["mail resolved CredentialGone warning"]);
    assert!(world.heard.last().is_some_and(|heard| heard.item.because[1].contains("forgotten")));
    assert!(world.standing.known.is_empty());
}

#[test]
fn a_removed_credential_that_nothing_misses_ends_its_incidents() {
    let mut world = World::with(&["mail"]);
    let two = snapshot(vec![expiring(LOGIN, Tier::Expired, Severity::Warning), ok("opensoul:main/a")]);
    world.tick(&two);
    let one = snapshot(vec![ok("opensoul:main/a")]);
    assert!(world.wait(TICK).tick(&one).is_empty(), "not before the second cycle");
    assert_eq!(world.wait(TICK).tick(&one), ["mail resolved CredentialExpiring warning Expired"]);
    world.wait(Span::days(8)).tick(&one);
    assert_eq!(world.standing.known.len(), 1, "and is forgotten");
}

#[test]
fn a_gateway_must_be_down_twice() {
    let mut world = World::with(&["mail"]);
    let mut down = snapshot(vec![]);
    down.gateway = Gateway { state: GatewayState::Down, detail: "no answer".to_owned() };
    down.findings.push(Finding::new("gateway.unit-failed", Severity::Critical, "it failed", "restart it"));
    assert!(world.tick(&down).is_empty());
    assert!(world.wait(TICK).tick(&snapshot(vec![])).is_empty());
    assert!(world.standing.incidents.is_empty(), "a restart is not an outage");
    assert!(world.wait(TICK).tick(&down).is_empty());
    assert_eq!(world.wait(TICK).tick(&down), ["mail firing GatewayDown critical"]);
    let mut unknown = snapshot(vec![]);
    unknown.gateway.state = GatewayState::Unknown;
    assert!(world.wait(TICK).tick(&unknown).is_empty());
    assert_eq!(world.wait(TICK).tick(&snapshot(vec![])), ["mail resolved GatewayDown critical"]);
}

#[test]
fn copies_never_alert_and_info_goes_where_it_is_named() {
    let mut world = World::with(&["mail", "hook"]);
    let mut copy = expiring("opensoul:main/a", Tier::Expired, Severity::Critical);
    copy.copy_of = Some(LOGIN.into());
    assert!(world.tick(&snapshot(vec![copy])).is_empty());
    let unused = snapshot(vec![expiring(LOGIN, Tier::Expired, Severity::Info)]);
    assert!(world.wait(TICK).tick(&unused).is_empty());
    world.policy.routes =
        vec![Route { severity: vec![Severity::Info], receivers: vec!["hook".to_owned()], ..Route::default() }];
    assert_eq!(world.wait(TICK).tick(&unused), ["hook firing CredentialExpiring info Expired"]);
}

#[test]
fn a_receiver_added_later_hears_of_what_stands() {
    let mut world = World::with(&["mail"]);
    world.tick(&critical(Tier::Expired));
    world.policy.receivers.push(ReceiverPolicy { name: "hook".to_owned(), send_resolved: true, testable: true });
    assert_eq!(world.wait(TICK).tick(&critical(Tier::Expired)), ["hook firing CredentialExpiring critical Expired"]);
    world.policy.receivers.remove(0);
    assert_eq!(world.wait(TICK).tick(&well()), ["hook resolved CredentialExpiring critical Expired"]);
    world.wait(TICK).tick(&well());
    assert!(world.standing.incidents.is_empty(), "a receiver that is not configured any more is owed nothing");
}

#[test]
fn findings_alert_once_for_each_check_and_place() {
    let mut world = World::with(&["mail"]);
    let at = |line| {
        let place = Place::file("/home/me@x.org/auth.json").at(line, 1);
        Finding::new("store.permissions", Severity::Warning, "others can read me@x.org", "chmod 600 it").at(place)
    };
    let mut found = snapshot(vec![]);
    found.findings = vec![
        at(3),
        at(9),
        Finding::new("credential.expired", Severity::Critical, "speaks for itself elsewhere", "-"),
        Finding::new("small.thing", Severity::Info, "only said by doctor", "-"),
    ];
    assert_eq!(world.tick(&found), ["mail firing DoctorFinding warning"]);
    let item = &world.heard[0].item;
    assert!(item.subject.starts_with("store.permissions#") && item.subject.len() == 18 + 8, "{}", item.subject);
    found.findings.remove(0);
    for _ in 0..3 {
        assert!(world.wait(Span::days(1)).tick(&found).is_empty(), "no reminders of what is not broken");
    }
    let json = serde_json::to_string(&world.heard[0].item).unwrap();
    assert!(!json.contains("x.org"), "{json}");
    assert_eq!(world.wait(TICK).tick(&snapshot(vec![])), ["mail resolved DoctorFinding warning"]);
}

#[test]
fn one_cause_is_one_alert() {
    let mut world = World::with(&["mail"]);
    let mut broken = snapshot(vec![]);
    broken.sources[0].up = false;
    broken.findings.push(
        Finding::new("store.unreadable", Severity::Critical, "cannot be read", "chmod")
            .at(Place::file(broken.sources[0].looked[0].clone())),
    );
    world.tick(&broken);
    assert_eq!(world.wait(TICK).tick(&broken), ["mail firing SourceUnreadable warning"]);
}

#[test]
fn addresses_do_not_leave_the_machine() {
    let mut world = World::with(&["mail"]);
    world.names = Pseudonyms::new([("me@x.org".to_owned(), 7)].into(), false);
    world.tick(&snapshot(vec![expiring("opensoul:main/openai:me@x.org", Tier::Days7, Severity::Warning)]));
    let item = &world.heard[0].item;
    assert_eq!(item.subject, "opensoul:main/openai:user-7");
    assert!(!serde_json::to_string(item).unwrap().contains("x.org"));
    assert_eq!(world.standing.incidents[0].subject.as_str(), "opensoul:main/openai:me@x.org", "ours are whole");
}

#[test]
fn three_days_of_sleep_bring_one_message() {
    let mut world = World::with(&["mail"]);
    world.tick(&rejected(start()));
    world.wait(Span::days(3));
    assert_eq!(world.tick(&rejected(world.now)).len(), 1);
    for _ in 0..12 {
        assert!(world.wait(TICK).tick(&rejected(start())).is_empty());
    }
}

#[test]
fn a_clock_set_forward_and_back_neither_floods_nor_silences() {
    let mut world = World::with(&["mail"]);
    world.tick(&rejected(start()));
    world.wait(Span::days(400));
    assert_eq!(world.tick(&rejected(start())).len(), 1, "one reminder");
    world.now = start() + Span::minutes(10);
    assert!(world.tick(&rejected(start())).is_empty());
    let mut said = 0;
    for _ in 0..(25 * 12) {
        said += world.wait(TICK).tick(&rejected(start())).len();
    }
    assert_eq!(said, 1, "the next one comes a day after the clock was set right");
    assert!(world.incident("CredentialRejected").unwrap().since <= world.now);
}

#[test]
fn what_flaps_goes_on_and_what_comes_back_later_is_new() {
    let mut world = World::with(&["mail"]);
    world.tick(&rejected(start()));
    let yes = |at| snapshot(vec![answered(ok(LOGIN), VerdictKind::Accepted, at)]);
    // The end never gets out before it is wrong again: nothing to say.
    world.wait(TICK).cycle(&yes(start()));
    assert!(world.wait(TICK).tick(&rejected(start())).is_empty());
    assert_eq!(world.incident("CredentialRejected").unwrap().since, start());
    // It came back within the hour: its end is believed only when it has lasted as long.
    assert!(world.wait(TICK).tick(&yes(start())).is_empty());
    let incident = world.incident("CredentialRejected").unwrap();
    assert_eq!(incident.status, IncidentStatus::Resolved);
    assert!(matches!(world.withheld("CredentialRejected"), Some(Withheld::Flapping { .. })));
    assert!(world.wait(TICK).tick(&rejected(start())).is_empty(), "they know that it is wrong");
    assert!(world.wait(TICK).tick(&yes(start())).is_empty());
    assert_eq!(world.wait(Span::minutes(61)).tick(&yes(start())).len(), 1);
    // Long after that it is a new problem.
    assert_eq!(world.wait(TICK).tick(&rejected(start())).len(), 1);
    // The end cannot be told for hours, then it is wrong again: a new episode.
    world.away.insert("mail".to_owned());
    world.wait(TICK).tick(&yes(start()));
    world.wait(Span::hours(6)).tick(&rejected(start()));
    world.away.clear();
    assert_eq!(world.deliver(), ["mail firing CredentialRejected critical"]);
    assert_eq!(world.incident("CredentialRejected").unwrap().since, world.now);
}

#[test]
fn another_host_name_ends_the_old_incidents() {
    let mut world = World::with(&["mail"]);
    world.tick(&critical(Tier::Expired));
    let mut renamed = critical(Tier::Expired);
    renamed.host = "other".to_owned();
    let heard = world.wait(TICK).tick(&renamed);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(world.wait(TICK).tick(&renamed).is_empty());
    assert_eq!(world.standing.incidents.len(), 1);
}

/// A key that works and whose balance ends `left` from now.
fn running_out(left: Span, now: Time) -> Snapshot {
    let ends = now + left;
    let mut one = answered(ok(LOGIN), VerdictKind::Accepted, now);
    one.allowance = Some(Box::new(Allowance {
        balance: Some(Balance { amount: 4.5, currency: Some("USD".into()) }),
        runway: Some(Runway { ends, earliest: ends - Span::hours(5), latest: None }),
        bands: Some((ends - Span::days(14), ends - Span::days(3))),
        at: Some(now),
        ..Default::default()
    }));
    snapshot(vec![one])
}

#[test]
fn a_balance_that_ends_is_said_like_an_expiry() {
    let mut world = World::with(&["mail"]);
    assert!(world.tick(&running_out(Span::days(20), start())).is_empty());
    assert_eq!(
        world.wait(TICK).tick(&running_out(Span::days(6), start())),
        ["mail firing CredentialBalanceEnding warning Days7"]
    );
    assert!(world.wait(TICK).tick(&running_out(Span::days(5), start())).is_empty(), "the same step is said once");
    let now = world.wait(Span::days(3)).now;
    assert_eq!(
        world.tick(&running_out(Span::days(2), now)),
        ["mail firing CredentialBalanceEnding critical Days3"],
        "the last usable key of its provider"
    );
    let incident = world.incident("CredentialBalanceEnding").unwrap();
    assert!(incident.fix.as_ref().unwrap().contains("Add credit"));
    // Used up: the provider's own word takes over, and this one waits.
    let mut empty = running_out(Span::days(2), now);
    empty.credentials[0] = answered(credential(LOGIN, State::Billing, Severity::Critical), VerdictKind::Billing, now);
    assert_eq!(world.wait(TICK).tick(&empty), ["mail firing CredentialBilling critical"]);
    // Topped up: both are over.
    let now = world.wait(TICK).now;
    let heard = world.tick(&running_out(Span::days(90), now));
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard.iter().all(|line| line.contains("resolved")), "{heard:?}");
}

#[test]
fn a_file_that_is_rewritten_looks_empty_for_a_moment() {
    let mut world = World::with(&["mail"]);
    world.tick(&snapshot(vec![ok(LOGIN)]));
    let mut torn = snapshot(vec![credential(LOGIN, State::Missing, Severity::Critical)]);
    torn.findings.push(
        Finding::new("store.damaged-side-file", Severity::Warning, "the file is empty", "correct it")
            .at(Place::file("/home/u/.opensoul/agents/main/agent/auth-state.json")),
    );
    assert!(world.wait(TICK).tick(&torn).is_empty(), "a second look decides");
    assert!(world.wait(TICK).tick(&snapshot(vec![ok(LOGIN)])).is_empty());
    world.wait(TICK).tick(&torn);
    let heard = world.wait(TICK).tick(&torn);
    assert_eq!(heard, ["mail firing CredentialMissing critical", "mail firing DoctorFinding warning"]);
}

#[test]
fn what_a_closed_directory_hides_is_not_gone() {
    let closed = |source: usize, severity| {
        let mut closed = snapshot(vec![]);
        closed.providers = snapshot(vec![credential(LOGIN, State::Missing, Severity::None)]).providers;
        closed.sources[source].hidden = true;
        let dir = Place::file(closed.sources[source].looked[0].clone());
        closed.findings.push(Finding::new("store.unreadable", severity, "cannot be looked into", "chown").at(dir));
        closed
    };
    let mut world = World::with(&["mail"]);
    world.tick(&snapshot(vec![ok(LOGIN)]));
    let hidden = closed(0, Severity::Warning);
    assert!(world.wait(TICK).tick(&hidden).is_empty());
    assert_eq!(world.wait(TICK).tick(&hidden), ["mail firing SourceUnreadable critical"], "one alert, and not gone");
    assert_eq!(world.wait(TICK).tick(&snapshot(vec![ok(LOGIN)])), ["mail resolved SourceUnreadable critical"]);

    // Where nothing was ever seen, the directory is a word, and no source is down.
    let mut world = World::with(&["mail"]);
    world.tick(&snapshot(vec![ok(LOGIN)]));
    let mut elsewhere = closed(1, Severity::Info);
    elsewhere.credentials = snapshot(vec![ok(LOGIN)]).credentials;
    for _ in 0..3 {
        assert!(world.wait(TICK).tick(&elsewhere).is_empty());
    }
}
