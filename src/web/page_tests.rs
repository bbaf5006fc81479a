use std::sync::Arc;

use super::*;
use crate::domain::{
    Activity, Clocks, Condition, Credential, CredentialId, Gateway, Judgement, Kind, Origin, Owner, Renewal, Selection,
    Snapshot, SourceReport, State,
};
use crate::export::metrics::Standing;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub(in crate::web) fn credential(id: &str, state: State, severity: Severity) -> Assessed {
    Assessed {
        credential: Box::new(Credential {
            id: CredentialId::from(id),
            provider: "anthropic".into(),
            profile: "default".into(),
            kind: Kind::Oauth,
            agent: None,
            origin: Origin {
                source: "claude-code",
                path: Some(std::path::Path::new("/home/me/.claude/x.json").into()),
                modified: None,
            },
            owner: Owner::Tool,
            renewal: Renewal::Manual,
            condition: Condition::Present,
            clocks: Clocks::default(),
            account: None,
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
            severity,
            in_use: true,
            expires: Some(at("2026-11-24T15:00:00Z")),
            warn_at: None,
            critical_at: None,
            tier: None,
            generation: "g".into(),
            because: vec!["the grant ends soon".into()],
            fix: Some("claude auth login".into()),
        },
        copies: vec![],
        copy_of: None,
        verdict: None,
        allowance: None,
    }
}

pub(in crate::web) fn view(credentials: Vec<Assessed>) -> View {
    let snapshot = Snapshot {
        taken_at: at("2026-11-22T11:58:00Z"),
        host: "box".into(),
        credentials,
        providers: vec![],
        gateway: Gateway { state: GatewayState::Absent, detail: "no process, no unit".into() },
        findings: vec![],
        sources: vec![SourceReport { source: "claude-code".into(), looked: vec![], up: true, credentials: 1 }],
        clock_problem: None,
        fleet: false,
    };
    View {
        snapshot: Arc::new(snapshot),
        standing: Standing::default(),
        metrics: "opensoul_x 1\n".into(),
        policy: Arc::default(),
        zone: "Asia/Shanghai".parse().unwrap(),
        home: "/home/me".into(),
        notes: vec![],
    }
}

fn html(view: &View) -> String {
    render(&model(view, at("2026-11-22T12:00:00Z")))
}

#[test]
fn it_says_what_is_wrong_and_what_fixes_it() {
    let text = html(&view(vec![credential("claude-code:default", State::Expiring, Severity::Critical)]));
    assert!(text.contains("<h1>box: critical</h1>"), "{text}");
    assert!(text.contains("claude-code:default is expiring — in 2 d 3 h (2026-11-24 23:00 CST)"), "{text}");
    assert!(text.contains("<code>claude auth login</code>"), "{text}");
    assert!(
        text.contains("As of <time datetime=\"2026-11-22T11:58:00Z\" title=\"2026-11-22 19:58 CST\">2 min ago</time>")
    );
    assert!(text.contains("Nobody is told."), "{text}");
}

#[test]
fn it_says_so_when_nothing_is_wrong() {
    let text = html(&view(vec![credential("a:b", State::Ok, Severity::None)]));
    assert!(text.contains("every credential in use works") && text.contains("<p>Nothing.</p>"), "{text}");
    assert!(html(&view(vec![])).contains("No credentials found."));
}

#[test]
fn the_worst_comes_first_and_a_copy_not_at_all() {
    let mut copy = credential("z:copy", State::Expired, Severity::Critical);
    copy.copy_of = Some(CredentialId::from("c:c"));
    let all = vec![
        credential("a:warning", State::Expiring, Severity::Warning),
        credential("b:critical", State::Expired, Severity::Critical),
        copy,
    ];
    let text = html(&view(all));
    assert!(text.find("b:critical is").unwrap() < text.find("a:warning is").unwrap());
    assert!(!text.contains("z:copy"), "{text}");
}

#[test]
fn what_is_left_and_until_when() {
    use crate::domain::{Allowance, Balance, Runway};
    let mut one = credential("env:OPENROUTER_API_KEY", State::Static, Severity::None);
    let runway = Runway {
        ends: at("2026-11-24T12:00:00Z"),
        earliest: at("2026-11-23T12:00:00Z"),
        latest: Some(at("2026-11-26T12:00:00Z")),
    };
    one.judgement.expires = None;
    one.allowance = Some(Box::new(Allowance {
        balance: Some(Balance { amount: 4.5, currency: Some("USD".to_owned()) }),
        runway: Some(runway),
        bands: Some((at("2026-11-20T12:00:00Z"), at("2026-11-21T12:00:00Z"))),
        ..Allowance::default()
    }));
    let text = html(&view(vec![one.clone()]));
    assert!(text.contains("4.50 USD left, used up about <time datetime=\"2026-11-24T12:00:00Z\""), "{text}");
    assert!(text.contains("at the earliest 2026-11-23 20:00 CST, at the latest 2026-11-26 20:00 CST"), "{text}");
    assert!(text.contains("the 4.50 USD behind env:OPENROUTER_API_KEY will be used up"), "{text}");
    assert!(text.contains("Add credit to the anthropic account.") && text.contains("<h1>box: warning"), "{text}");
    if let Some(allowance) = &mut one.allowance {
        allowance.runway = None;
    }
    let text = html(&view(vec![one]));
    assert!(text.contains("4.50 USD left</span>") && text.contains("<p>Nothing.</p>"), "{text}");
}

#[test]
fn text_from_files_cannot_become_markup() {
    let mut one = credential("dotenv:/<script>alert(1)</script>#K", State::Expired, Severity::Critical);
    one.judgement.because = vec!["\"><img src=x onerror=alert(1)>".into()];
    one.judgement.fix = Some("</code><script>".into());
    let text = html(&view(vec![one]));
    assert!(!text.contains("<script>") && !text.contains("<img"), "{text}");
    assert!(text.contains("&lt;script&gt;"), "{text}");
}

#[test]
fn spans_in_words() {
    let words = [(0, "in 0 s"), (59, "in 59 s"), (61, "in 1 min"), (3600, "in 1 h"), (7260, "in 2 h 1 min")];
    for (seconds, text) in words {
        assert_eq!(relative(Span::seconds(seconds)), text);
    }
    assert_eq!(relative(Span::days(3)), "in 3 d");
    assert_eq!(relative(-Span::hours(25)), "1 d 1 h ago");
}

#[test]
fn it_shows_why_nothing_is_said_and_by_whom() {
    use crate::engine::incidents::world::{World, credential, snapshot};
    let mut world = World::with(&["mail"]);
    let broken = |id| credential(id, State::Rejected, Severity::Critical);
    world.tick(&snapshot(vec![broken("claude-code:default"), broken("codex:default")]));
    world.silence("provider=anthropic", Span::hours(3));
    world.ack("CredentialRejected", None, false);
    let mut shown = view(vec![]);
    shown.policy = Arc::new(world.policy.clone());
    shown.standing.incidents = world.standing.incidents.clone();
    shown.standing.silences = world.standing.silences.clone();
    shown.standing.receivers = vec![ReceiverHealth {
        name: "mail".into(),
        channel: "email",
        queued: 1,
        oldest_queued: None,
        last_success: None,
        last_error: Some("550 no such user".into()),
        quarantined: Some(world.now + Span::hours(1)),
    }];
    let text = render(&model(&shown, world.now));
    assert!(text.contains("acknowledged by ann until it is over or gets worse"), "{text}");
    assert!(text.contains("silenced by ann until 2026-01-05 20:00"), "{text}");
    assert!(text.contains("<h2 id=\"silences\">Silences</h2>") && text.contains("provider=anthropic"), "{text}");
    assert!(text.contains("moving house") && text.contains("refuses us"), "{text}");
}
