//! What people want not to hear, who is told besides, what is worth a notice, and the report: one rule, one test.

use chrono::NaiveTime;

use super::Ailing;
use super::world::*;
use crate::domain::*;
use crate::engine::policy::{Escalation, Maintenance, QuietHours, Report, Rhythm, Route, Schedule};

const LOGIN: &str = "claude-code:default";
const TICK: Span = Span::minutes(5);

fn warning(tier: Tier) -> Snapshot {
    snapshot(vec![expiring(LOGIN, tier, Severity::Warning)])
}

fn critical(tier: Tier) -> Snapshot {
    snapshot(vec![expiring(LOGIN, tier, Severity::Critical)])
}

fn broken() -> Snapshot {
    snapshot(vec![credential(LOGIN, State::Rejected, Severity::Critical)])
}

fn well() -> Snapshot {
    snapshot(vec![generation(ok(LOGIN), "g2")])
}

fn to(receivers: &[&str]) -> Route {
    Route { receivers: receivers.iter().map(|name| (*name).to_owned()).collect(), ..Route::default() }
}

fn escalate(world: &mut World, minutes: i64, receiver: &str) {
    let to = Route { severity: vec![Severity::Critical], ..to(&[receiver]) };
    world.policy.escalation.push(Escalation { after: Span::minutes(minutes), to });
}

fn curious(world: &mut World) {
    let route =
        |severity: &[Severity], receiver| Route { severity: severity.to_vec(), proceed: true, ..to(&[receiver]) };
    world.policy.routes =
        vec![route(&[Severity::Warning, Severity::Critical], "mail"), route(&[Severity::Info], "hook")];
}

/// Cycles for so long; what was heard, with the hours since.
fn hours(world: &mut World, hours: i64, snapshot: &Snapshot) -> Vec<(i64, String)> {
    let began = world.now;
    let mut heard = Vec::new();
    for _ in 0..hours * 12 {
        for line in world.wait(TICK).tick(snapshot) {
            heard.push(((world.now - began).num_hours(), line));
        }
    }
    heard
}

#[test]
fn an_ack_stops_reminders_until_it_ends_and_the_told_are_told_of_the_end() {
    let mut world = World::with(&["mail"]);
    world.tick(&broken());
    world.ack("CredentialRejected", None, false);
    assert!(hours(&mut world, 72, &broken()).is_empty());
    assert!(matches!(world.withheld("CredentialRejected"), Some(Withheld::Acked { until: None, .. })));
    assert_eq!(world.wait(TICK).tick(&well()), ["mail resolved CredentialRejected critical"]);

    let mut world = World::with(&["mail"]);
    world.tick(&broken());
    let until = world.now + Span::hours(30);
    world.ack("CredentialRejected", Some(until), false);
    let heard = hours(&mut world, 40, &broken());
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].0, 30, "the reminder that was due meanwhile");
}

#[test]
fn an_ack_ends_when_it_gets_worse() {
    let mut world = World::with(&["mail"]);
    world.tick(&warning(Tier::Days7));
    world.ack("CredentialExpiring", None, false);
    assert!(world.wait(TICK).tick(&warning(Tier::Days3)).is_empty(), "nearer is no worse");
    assert_eq!(world.wait(TICK).tick(&critical(Tier::Days3)), ["mail firing CredentialExpiring critical Days3"]);
    world.ack("CredentialExpiring", None, false);
    assert!(world.wait(TICK).tick(&critical(Tier::Hours6)).is_empty());
    // What was going to end has ended: that is something else.
    assert_eq!(world.wait(TICK).tick(&critical(Tier::Expired)), ["mail firing CredentialExpiring critical Expired"]);
    world.ack("CredentialExpiring", None, false);
    assert!(hours(&mut world, 48, &critical(Tier::Expired)).is_empty());
    let renewed = snapshot(vec![generation(expiring(LOGIN, Tier::Days7, Severity::Warning), "g2")]);
    assert_eq!(
        world.wait(TICK).tick(&renewed),
        ["mail firing CredentialExpiring warning Days7"],
        "another key is another problem"
    );
}

#[test]
fn an_ack_withdraws_a_reminder_that_waits_and_not_the_first_word() {
    let mut world = World::with(&["mail", "hook"]);
    world.away.insert("hook".to_owned());
    assert_eq!(world.tick(&broken()), ["mail firing CredentialRejected critical"]);
    world.away.insert("mail".to_owned());
    assert!(world.wait(Span::hours(5)).tick(&broken()).is_empty());
    assert_eq!(world.standing.queued.len(), 2);
    world.ack("CredentialRejected", None, false);
    world.wait(TICK).cycle(&broken());
    world.away.clear();
    assert_eq!(world.deliver(), ["hook firing CredentialRejected critical"], "who has not heard of it hears of it");
}

#[test]
fn what_is_put_off_is_said_again_when_the_time_is_over() {
    let mut world = World::with(&["mail"]);
    world.tick(&warning(Tier::Days7));
    let until = world.now + Span::hours(2);
    world.ack("CredentialExpiring", Some(until), true);
    let heard = hours(&mut world, 10, &warning(Tier::Days7));
    assert_eq!(heard, [(2, "mail firing CredentialExpiring warning Days7".to_owned())]);
    assert!(world.incident("CredentialExpiring").unwrap().ack.is_none());
    // Fixed meanwhile: nothing but the end.
    let mut world = World::with(&["mail"]);
    world.tick(&warning(Tier::Days7));
    let until = world.now + Span::hours(2);
    world.ack("CredentialExpiring", Some(until), true);
    assert_eq!(hours(&mut world, 10, &well()).len(), 1);
}

#[test]
fn taking_an_ack_back_brings_what_was_due() {
    let mut world = World::with(&["mail"]);
    world.tick(&broken());
    world.ack("CredentialRejected", None, false);
    assert!(hours(&mut world, 30, &broken()).is_empty());
    world.unack("CredentialRejected");
    assert_eq!(world.wait(TICK).tick(&broken()).len(), 1);
}

#[test]
fn an_ack_given_by_a_clock_that_ran_ahead_does_not_last_longer() {
    let mut world = World::with(&["mail"]);
    world.tick(&broken());
    world.wait(Span::days(400));
    let until = world.now + Span::hours(10);
    world.ack("CredentialRejected", Some(until), false);
    let silence = world.silence("alertname=GatewayDown", Span::hours(10));
    world.now = start() + TICK;
    let heard = hours(&mut world, 30, &broken());
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].0, 10, "the reminder that was due meanwhile: {heard:?}");
    let kept = world.standing.silences.iter().find(|one| one.id == silence).unwrap();
    assert!(kept.ends_at <= start() + Span::minutes(10) + Span::hours(10), "{kept:?}");
}

#[test]
fn silenced_from_the_start_and_over_is_nothing() {
    let mut world = World::with(&["mail"]);
    world.silence("credential=~claude-code:*", Span::hours(10));
    assert!(hours(&mut world, 2, &broken()).is_empty());
    let withheld = world.withheld("CredentialRejected");
    assert!(
        matches!(&withheld, Some(Withheld::Silenced { by, comment, .. }) if by == "ann" && comment == "moving house")
    );
    assert!(hours(&mut world, 2, &well()).is_empty());
    assert!(world.standing.incidents.is_empty() && world.standing.queued.is_empty());
}

#[test]
fn a_silence_that_ends_while_the_problem_goes_on_lets_it_be_said() {
    let mut world = World::with(&["mail"]);
    world.silence("provider=anthropic", Span::hours(3));
    let heard = hours(&mut world, 4, &broken());
    assert_eq!(heard, [(3, "mail firing CredentialRejected critical".to_owned())]);
    // Known before it was silenced: no second first word, and reminders in their time.
    let mut world = World::with(&["mail"]);
    world.tick(&broken());
    world.silence("severity=critical", Span::hours(3));
    let heard = hours(&mut world, 6, &broken());
    assert_eq!(heard.iter().map(|(hour, _)| *hour).collect::<Vec<_>>(), [4], "{heard:?}");
}

#[test]
fn a_silence_withdraws_what_waits_and_not_the_end() {
    let mut world = World::with(&["mail", "hook"]);
    world.away.insert("hook".to_owned());
    world.tick(&broken());
    world.silence("alertname=CredentialRejected", Span::hours(9));
    world.wait(TICK).cycle(&broken());
    assert!(world.standing.queued.is_empty());
    world.away.clear();
    assert_eq!(
        world.wait(Span::hours(1)).tick(&well()),
        ["mail resolved CredentialRejected critical"],
        "who was told is told, who was not is not"
    );
}

#[test]
fn a_silence_of_warnings_does_not_hold_a_critical() {
    let mut world = World::with(&["mail"]);
    world.silence("severity=warning", Span::hours(9));
    assert!(world.tick(&warning(Tier::Days7)).is_empty());
    assert_eq!(world.wait(TICK).tick(&critical(Tier::Days3)), ["mail firing CredentialExpiring critical Days3"]);
}

#[test]
fn a_silence_that_begins_later_begins_later() {
    let mut world = World::with(&["mail"]);
    world.silence("alertname=~*", Span::hours(2));
    world.standing.silences[0].starts_at += Span::hours(1);
    assert_eq!(world.tick(&warning(Tier::Days7)).len(), 1);
    world.wait(Span::minutes(90));
    assert!(world.tick(&critical(Tier::Days3)).is_empty());
}

#[test]
fn maintenance_is_a_silence_by_the_calendar() {
    let mut world = World::with(&["mail"]);
    world.policy.maintenance.push(Maintenance {
        name: "rotation".to_owned(),
        schedule: Schedule { rhythm: Rhythm::Cron("0 9 * * *".to_owned()), zone: Zone::UTC },
        duration: Span::hours(2),
        providers: vec!["anth*".to_owned()],
        subjects: Vec::new(),
        matchers: vec![crate::engine::silences::parse("severity=critical").unwrap()],
    });
    let both = snapshot(vec![
        credential(LOGIN, State::Rejected, Severity::Critical),
        credential("codex:default", State::Rejected, Severity::Critical),
    ]);
    assert_eq!(world.tick(&both).len(), 1, "the other provider is not concerned");
    assert!(
        matches!(world.withheld("CredentialRejected"), Some(Withheld::Maintenance { until, .. }) if until == start() + Span::hours(2))
    );
    let heard = hours(&mut world, 3, &both);
    assert_eq!(heard, [(2, "mail firing CredentialRejected critical".to_owned())]);
    // What does not fit all of it is not concerned.
    let mut world = World::with(&["mail"]);
    world.policy.maintenance.push(Maintenance {
        name: "only expiries".to_owned(),
        schedule: Schedule { rhythm: Rhythm::Cron("0 9 * * *".to_owned()), zone: Zone::UTC },
        duration: Span::hours(2),
        providers: vec!["anthropic".to_owned()],
        subjects: Vec::new(),
        matchers: vec![crate::engine::silences::parse("alertname=CredentialExpiring").unwrap()],
    });
    assert_eq!(world.tick(&both).len(), 2);
    assert!(world.tick(&warning(Tier::Days7)).iter().all(|line| !line.contains("firing CredentialExpiring")));
}

fn quiet_world() -> World {
    let mut world = World::with(&["mail"]);
    let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    world.policy.quiet = Some(QuietHours { from: at(22), to: at(7), zone: Zone::UTC });
    world.now = "2026-01-05T23:00:00Z".parse().unwrap();
    world
}

#[test]
fn quiet_hours_hold_a_warning_and_send_it_once_if_it_is_still_true() {
    let mut world = quiet_world();
    let heard = hours(&mut world, 12, &warning(Tier::Days7));
    assert_eq!(heard, [(8, "mail firing CredentialExpiring warning Days7".to_owned())]);

    let mut world = quiet_world();
    world.tick(&warning(Tier::Days7));
    assert!(matches!(world.withheld("CredentialExpiring"), Some(Withheld::Quiet { .. })));
    assert!(hours(&mut world, 12, &well()).is_empty(), "it came and went at night");
    assert!(world.standing.incidents.is_empty() && world.standing.queued.is_empty());
}

#[test]
fn a_critical_passes_through_quiet_hours_and_so_does_its_end() {
    let mut world = quiet_world();
    assert_eq!(world.tick(&critical(Tier::Hours6)).len(), 1);
    assert_eq!(world.wait(TICK).tick(&well()), ["mail resolved CredentialExpiring critical Hours6"]);
    // A warning that becomes critical at night does not wait any more.
    let mut world = quiet_world();
    assert!(world.tick(&warning(Tier::Days7)).is_empty());
    assert_eq!(world.wait(TICK).tick(&critical(Tier::Days3)), ["mail firing CredentialExpiring critical Days3"]);
}

#[test]
fn the_end_of_a_warning_waits_for_the_morning() {
    let mut world = World::with(&["mail"]);
    world.tick(&warning(Tier::Days7));
    let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    world.policy.quiet = Some(QuietHours { from: at(22), to: at(7), zone: Zone::UTC });
    world.now = "2026-01-05T23:00:00Z".parse().unwrap();
    let heard = hours(&mut world, 12, &well());
    assert_eq!(heard, [(8, "mail resolved CredentialExpiring warning Days7".to_owned())]);
}

#[test]
fn what_began_before_the_night_and_could_not_be_told_is_told_as_past() {
    let mut world = quiet_world();
    world.now = "2026-01-05T20:00:00Z".parse().unwrap();
    world.away.insert("mail".to_owned());
    world.tick(&warning(Tier::Days7));
    world.away.clear();
    world.now = "2026-01-05T23:00:00Z".parse().unwrap();
    let heard = hours(&mut world, 12, &well());
    assert_eq!(heard, [(8, "mail was-down CredentialExpiring warning Days7".to_owned())]);
}

#[test]
fn nobody_takes_it_up_so_others_are_told_and_hear_the_end() {
    let mut world = World::with(&["mail", "pager", "boss"]);
    escalate(&mut world, 30, "pager");
    escalate(&mut world, 120, "boss");
    assert_eq!(world.tick(&broken()), ["mail firing CredentialRejected critical"]);
    let heard: Vec<_> = hours(&mut world, 3, &broken());
    assert_eq!(
        heard,
        [
            (0, "pager firing CredentialRejected critical".to_owned()),
            (2, "boss firing CredentialRejected critical".to_owned())
        ]
    );
    let heard = world.wait(TICK).tick(&well());
    assert_eq!(heard, ["boss", "mail", "pager"].map(|name| format!("{name} resolved CredentialRejected critical")));
}

#[test]
fn an_ack_stops_escalation_and_its_end_starts_it_anew() {
    let mut world = World::with(&["mail", "pager"]);
    escalate(&mut world, 30, "pager");
    world.tick(&broken());
    world.wait(Span::minutes(20));
    let until = world.now + Span::hours(2);
    world.ack("CredentialRejected", Some(until), false);
    assert!(hours(&mut world, 2, &broken()).iter().all(|(hour, _)| *hour >= 2));
    let heard = hours(&mut world, 1, &broken());
    assert_eq!(heard, [(0, "pager firing CredentialRejected critical".to_owned())]);
    // Acknowledged after the page waits: the page is not sent.
    let mut world = World::with(&["mail", "pager"]);
    escalate(&mut world, 30, "pager");
    world.tick(&broken());
    world.away.insert("pager".to_owned());
    hours(&mut world, 1, &broken());
    world.ack("CredentialRejected", None, false);
    world.away.clear();
    assert!(world.wait(TICK).tick(&broken()).is_empty() && world.standing.queued.is_empty());
}

#[test]
fn warnings_and_what_is_silenced_do_not_escalate() {
    let mut world = World::with(&["mail", "pager"]);
    escalate(&mut world, 30, "pager");
    assert_eq!(world.tick(&warning(Tier::Days7)).len(), 1);
    assert!(hours(&mut world, 3, &warning(Tier::Days7)).is_empty());
    // It becomes critical: the clock starts with that.
    let heard = hours(&mut world, 1, &critical(Tier::Days3));
    assert_eq!(heard.iter().map(|(_, line)| line.split(' ').next().unwrap()).collect::<Vec<_>>(), ["mail", "pager"]);
    let mut world = World::with(&["mail", "pager"]);
    escalate(&mut world, 30, "pager");
    world.silence("alertname=~*", Span::hours(2));
    let heard = hours(&mut world, 3, &broken());
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(heard[1].0, 2, "half an hour after it was said: {heard:?}");
}

fn network_down() -> Finding {
    Finding::new("network.unreachable", Severity::Warning, "none of 3 providers could be reached", "check it")
}

#[test]
fn one_cause_holds_back_what_follows_from_it() {
    let mut gateway = snapshot(vec![]);
    gateway.gateway.state = GatewayState::Down;
    gateway.findings.push(Finding::new("channels.telegram", Severity::Warning, "no answer", "look"));
    let mut network = broken();
    network.findings.push(network_down());
    let mut provider = broken();
    let mut trouble = Finding::new("provider.trouble", Severity::Info, "it says so", "wait");
    trouble.place.key = Some("anthropic".to_owned());
    provider.findings.push(trouble);
    for (snapshot, cause, held) in [
        (gateway, "GatewayDown", "DoctorFinding"),
        (network, "DoctorFinding", "CredentialRejected"),
        (provider, "ProviderTrouble", "CredentialRejected"),
    ] {
        let mut world = World::with(&["mail"]);
        let mut heard = world.tick(&snapshot);
        heard.extend(world.wait(TICK).tick(&snapshot));
        assert!(!heard.iter().any(|line| line.contains(held)), "{cause}: {heard:?}");
        let by = world.standing.incidents.iter().find(|one| one.name == held).unwrap().inhibited_by.clone();
        assert_eq!(by.map(|by| by.name).as_deref(), Some(cause));
        // The cause is gone, and it is still so.
        let mut after = snapshot.clone();
        after.gateway.state = GatewayState::Up;
        after.findings.retain(|finding| finding.id == "channels.telegram");
        let heard = world.wait(TICK).tick(&after);
        assert!(heard.iter().any(|line| line.contains(&format!("firing {held}"))), "{cause}: {heard:?}");
    }
}

#[test]
fn an_expiry_is_no_matter_of_the_network() {
    let mut world = World::with(&["mail"]);
    let mut both = critical(Tier::Hours6);
    both.findings.push(network_down());
    assert_eq!(world.tick(&both).len(), 2);
}

#[test]
fn what_a_harder_problem_hides_is_shown_as_held_back() {
    let mut world = World::with(&["mail"]);
    world.tick(&warning(Tier::Days7));
    world.wait(TICK).tick(&broken());
    assert!(
        matches!(world.withheld("CredentialExpiring"), Some(Withheld::Inhibited { by }) if by.name == "CredentialRejected")
    );
}

#[test]
fn what_no_route_leads_anywhere_is_shown_as_such() {
    let mut world = World::with(&["mail"]);
    world.policy.routes = vec![Route { severity: vec![Severity::Critical], ..to(&["mail"]) }];
    assert!(world.tick(&warning(Tier::Days7)).is_empty());
    assert_eq!(world.withheld("CredentialExpiring"), Some(Withheld::Unrouted));
}

fn holding(secret: &str, renewal: Renewal, account: &str, scopes: &[&str]) -> Snapshot {
    let mut one = generation(ok(LOGIN), secret);
    one.credential.renewal = renewal;
    one.credential.account = Some(account.to_owned());
    one.credential.scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
    snapshot(vec![one])
}

#[test]
fn changes_are_noticed_once_and_only_by_those_who_ask_for_info() {
    let first = holding("aa", Renewal::Manual, "me", &["read", "write"]);
    for (after, expected) in [
        (first.clone(), None),
        (holding("bb", Renewal::Manual, "me", &["read", "write"]), Some("CredentialRotated")),
        (holding("bb", Renewal::Auto, "me", &["read", "write"]), None),
        (holding("bb", Renewal::Auto, "you", &["read", "write"]), Some("CredentialAccountChanged")),
        (holding("aa", Renewal::Manual, "me", &["read"]), Some("CredentialScopesReduced")),
        (holding("aa", Renewal::Manual, "me", &["read", "write", "admin"]), None),
    ] {
        let mut world = World::with(&["mail", "hook"]);
        curious(&mut world);
        assert_eq!(world.tick(&first), ["hook notice CredentialAdded info"]);
        let heard = world.wait(TICK).tick(&after);
        let expected: Vec<String> = expected.map(|name| format!("hook notice {name} info")).into_iter().collect();
        assert_eq!(heard, expected);
        assert!(world.wait(TICK).tick(&after).is_empty());
    }
    let mut world = World::with(&["mail", "hook"]);
    world.tick(&first);
    assert!(world.wait(TICK).tick(&holding("bb", Renewal::Manual, "me", &[])).is_empty(), "no route names info");
}

#[test]
fn the_first_cycle_has_nothing_to_compare_with_and_a_lost_key_changes_nothing() {
    let mut world = World::new(&["mail", "hook"]);
    curious(&mut world);
    assert!(world.tick(&holding("aa", Renewal::Manual, "me", &[])).is_empty());
    world.standing.known[0].generation = None;
    assert!(world.wait(TICK).tick(&holding("bb", Renewal::Manual, "me", &[])).is_empty());
}

#[test]
fn a_credential_that_is_gone_and_not_missed_is_a_notice() {
    let mut world = World::with(&["mail", "hook"]);
    curious(&mut world);
    let two = snapshot(vec![ok(LOGIN), ok("opensoul:main/a")]);
    world.tick(&two);
    let one = snapshot(vec![ok("opensoul:main/a")]);
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.extend(world.wait(TICK).tick(&one));
    }
    assert_eq!(heard, ["hook notice CredentialRemoved info"]);
    // Missed: that is a problem, and said as one.
    heard.clear();
    for _ in 0..5 {
        heard.extend(world.wait(TICK).tick(&snapshot(vec![])));
    }
    assert_eq!(heard, ["mail firing CredentialGone warning"]);
}

#[test]
fn fixed_is_a_notice_for_those_who_were_not_told_of_the_problem() {
    let mut world = World::with(&["mail", "hook"]);
    curious(&mut world);
    world.tick(&broken());
    let heard = world.wait(Span::minutes(6)).tick(&snapshot(vec![answered(ok(LOGIN), VerdictKind::Accepted, start())]));
    assert_eq!(heard, ["hook notice ProblemFixed info", "mail resolved CredentialRejected critical"]);
    assert!(world.heard.iter().any(|heard| heard.item.title == "claude-code:default is refused: fixed after 6 min"));
}

#[test]
fn a_notice_waits_for_a_receiver_that_is_away_and_is_dropped_after_a_week() {
    let mut world = World::with(&["mail", "hook"]);
    curious(&mut world);
    world.away.insert("hook".to_owned());
    world.tick(&holding("aa", Renewal::Manual, "me", &[]));
    world.wait(Span::days(6)).tick(&holding("bb", Renewal::Manual, "me", &[]));
    assert_eq!(world.standing.queued.iter().map(|one| one.notification.items.len()).sum::<usize>(), 2);
    world.wait(Span::days(2)).cycle(&holding("bb", Renewal::Manual, "me", &[]));
    world.away.clear();
    assert_eq!(world.deliver(), ["hook notice CredentialRotated info"]);
}

#[test]
fn a_silence_holds_notices_too() {
    let mut world = World::with(&["mail", "hook"]);
    curious(&mut world);
    world.silence("alertname=CredentialAdded", Span::hours(1));
    assert!(world.tick(&snapshot(vec![ok(LOGIN)])).is_empty());
}

fn reporting(receivers: &[&str]) -> World {
    let mut world = World::new(receivers);
    world.policy.report = Some(Report {
        schedule: Schedule { rhythm: Rhythm::Cron("0 12 * * *".to_owned()), zone: Zone::UTC },
        receivers: vec!["mail".to_owned()],
        horizon: Span::days(30),
    });
    world
}

#[test]
fn the_report_comes_by_the_calendar_and_says_what_is_coming_fixed_failing_and_silenced() {
    let mut world = reporting(&["mail", "hook"]);
    let mut soon = ok(LOGIN);
    soon.judgement.expires = Some(start() + Span::days(20));
    let mut later = ok("codex:default");
    later.judgement.expires = Some(start() + Span::days(40));
    let calm = snapshot(vec![soon.clone(), later.clone()]);
    assert!(world.tick(&calm).is_empty(), "the first cycle only sets the date");
    let bad = snapshot(vec![soon, credential("codex:default", State::Rejected, Severity::Critical)]);
    world.wait(TICK).tick(&bad);
    let fixed = snapshot(vec![calm.credentials[0].clone(), answered(later, VerdictKind::Accepted, start())]);
    world.wait(Span::minutes(30)).tick(&fixed);
    world.silence("provider=groq", Span::days(2));
    world.standing.ailing =
        vec![Ailing { name: "hook".to_owned(), since: start(), detail: "410 Gone".to_owned(), queued: 2 }];
    let mut heard = hours(&mut world, 3, &fixed);
    heard.sort();
    assert_eq!(
        heard.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>(),
        [
            "mail notice ReportExpiring info",
            "mail notice ReportFixed info",
            "mail notice ReportReceiver info",
            "mail notice ReportSilence info"
        ]
    );
    let report = world.heard.iter().rev().find(|heard| heard.item.name == "ReportExpiring").unwrap();
    assert_eq!((report.item.subject.as_str(), report.item.expires), (LOGIN, Some(start() + Span::days(20))));
    // Fixed is what was fixed since the last one.
    world.standing.ailing.clear();
    let heard = hours(&mut world, 24, &fixed);
    assert!(!heard.iter().any(|(_, line)| line.contains("ReportFixed")), "{heard:?}");
}

#[test]
fn after_missed_dates_one_report_comes_and_a_newer_one_takes_the_place_of_one_that_waits() {
    let mut world = reporting(&["mail"]);
    world.tick(&snapshot(vec![ok(LOGIN)]));
    world.wait(Span::days(10));
    assert_eq!(world.tick(&snapshot(vec![ok(LOGIN)])), ["mail notice ReportEmpty info"]);
    world.away.insert("mail".to_owned());
    for _ in 0..3 {
        world.wait(Span::days(1)).tick(&snapshot(vec![ok(LOGIN)]));
        assert_eq!(world.standing.queued.len(), 1);
    }
    world.away.clear();
    assert_eq!(world.deliver().len(), 1);
    let mut wrong = snapshot(vec![ok(LOGIN)]);
    wrong.clock_problem = Some("wrong".to_owned());
    world.wait(Span::days(2));
    assert!(!world.tick(&wrong).iter().any(|line| line.contains("Report")), "not while the clock is wrong");
}

#[test]
fn everything_said_about_alerts_survives_a_restart() {
    let mut world = World::with(&["mail", "pager"]);
    escalate(&mut world, 30, "pager");
    world.tick(&broken());
    world.ack("CredentialRejected", None, false);
    world.silence("provider=openai", Span::hours(1));
    let before = world.standing.clone();
    world.restart();
    assert_eq!(world.standing, before);
    assert!(hours(&mut world, 30, &broken()).is_empty());
}

#[test]
fn what_is_done_from_afar_is_told_once_to_those_who_know_and_to_nobody_else() {
    let mut world = World::with(&["mail", "hook"]);
    world.policy.routes = vec![Route { severity: vec![Severity::Critical], ..to(&["mail"]) }];
    assert_eq!(world.tick(&broken()).len(), 1);
    let afar = |world: &mut World, snooze, hours: i64| {
        let until = world.now + Span::hours(hours);
        world.ack("CredentialRejected", Some(until), snooze);
        let incident = world.standing.incidents.iter_mut().find(|one| one.name == "CredentialRejected").unwrap();
        incident.ack.as_mut().unwrap().unannounced = true;
        until
    };
    let until = afar(&mut world, false, 4);
    // The cycle that should have told of it is cut short, and comes again.
    world.restart();
    assert_eq!(world.wait(TICK).tick(&broken()), ["mail notice AlertAcknowledged critical"]);
    let item = &world.heard.last().unwrap().item;
    let expected = format!("acknowledged by ann until {}: ", until.format("%Y-%m-%d %H:%M UTC"));
    assert!(item.title.starts_with(&expected), "{}", item.title);
    assert_eq!(item.fix.as_deref().map(|fix| fix.starts_with("opensoul alerts unack ")), Some(true));
    assert!(world.wait(TICK).tick(&broken()).is_empty(), "once");
    assert!(!world.incident("CredentialRejected").unwrap().ack.as_ref().unwrap().unannounced);

    afar(&mut world, true, 1);
    assert_eq!(world.wait(TICK).tick(&broken()), ["mail notice AlertAcknowledged critical"], "another one is said too");
    assert!(world.heard.last().unwrap().item.title.starts_with("put off by ann until"));

    // Over before the cycle that tells of it: both are said.
    afar(&mut world, false, 4);
    let mut both = world.wait(TICK).tick(&well());
    both.sort();
    assert_eq!(both, ["mail notice AlertAcknowledged critical", "mail resolved CredentialRejected critical"]);
}

#[test]
fn an_ack_from_this_machine_is_not_announced_and_a_silence_from_afar_is() {
    let mut world = World::with(&["mail"]);
    world.tick(&broken());
    world.ack("CredentialRejected", None, false);
    assert!(world.wait(TICK).tick(&broken()).is_empty());
    world.silence("provider=~*", Span::hours(1));
    world.standing.silences[0].unannounced = true;
    assert_eq!(world.wait(TICK).tick(&broken()), ["mail notice AlertSilenced critical"]);
    assert!(world.heard.last().unwrap().item.title.starts_with("silenced by ann until "));
    assert!(world.wait(TICK).tick(&broken()).is_empty());
    world.silence("provider=nobody", Span::hours(1));
    world.standing.silences[1].unannounced = true;
    assert_eq!(
        world.wait(TICK).tick(&broken()),
        ["mail notice AlertSilenced info"],
        "what it will hush up is not known yet"
    );
}

#[test]
fn a_receiver_that_took_nothing_for_a_week_gets_one_quiet_test() {
    let mut world = World::with(&["mail", "hook", "pager"]);
    world.policy.routes = vec![Route { severity: vec![Severity::Critical], ..to(&["mail"]) }];
    world.policy.receivers[2].testable = false;
    world.tick(&well());
    world.policy.self_test = Some(Span::days(7));
    let now = world.now;
    world.standing.heard = [("mail".to_owned(), now), ("hook".to_owned(), now - Span::days(6))].into();
    assert!(world.tick(&well()).is_empty());
    assert_eq!(world.wait(Span::days(1)).tick(&well()), ["hook notice ReceiverTest info"]);
    let item = &world.heard.last().unwrap().item;
    assert!(item.summary.starts_with("no message has gone to it for 7 days"), "{}", item.summary);
    world.standing.heard.insert("hook".to_owned(), world.now);
    assert!(world.wait(Span::days(5)).tick(&well()).is_empty());
    // What is said anyway shows the same.
    assert_eq!(world.wait(Span::days(1)).tick(&broken()).len(), 1);
    assert!(world.heard.iter().all(|heard| heard.receiver != "pager"));
}

#[test]
fn one_test_waits_at_most_and_none_is_made_by_a_wrong_clock() {
    let tests = |world: &World| {
        let items = world.standing.queued.iter().flat_map(|queued| &queued.notification.items);
        items.filter(|item| item.name == "ReceiverTest").count()
    };
    let begin = || {
        let mut world = World::with(&["mail"]);
        world.tick(&well());
        world.policy.self_test = Some(Span::days(7));
        world
    };
    let mut wrong = begin();
    wrong.cycle(&Snapshot { clock_problem: Some("it is wrong".to_owned()), ..well() });
    assert_eq!(tests(&wrong), 0);
    let mut world = begin();
    for _ in 0..3 {
        world.now += TICK;
        world.cycle(&well());
        assert_eq!(tests(&world), 1, "never heard of: at once, and once");
    }
    assert_eq!(world.deliver(), ["mail notice ReceiverTest info"]);
}
