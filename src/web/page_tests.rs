use std::sync::Arc;

use super::*;
use crate::domain::{
    Activity, Clocks, Condition, Credential, CredentialId, Gateway, Judgement, Kind, Origin, Owner, ProviderSummary,
    Renewal, Selection, Snapshot, SourceReport, State,
};
use crate::domain::{Lang, Quota, Zone};
use crate::engine::policy::QuietHours;
use crate::export::metrics::{ReceiverHealth, Standing};

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
                source: "claude-code".into(),
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
    // What nobody sums up would hide the answer.
    let provider = ProviderSummary {
        provider: "anthropic".into(),
        state: State::Ok,
        in_use: true,
        usable: credentials.len(),
        total: credentials.len(),
        effective: None,
    };
    let snapshot = Snapshot {
        taken_at: at("2026-11-22T11:58:00Z"),
        host: "box".into(),
        providers: if credentials.is_empty() { vec![] } else { vec![provider] },
        credentials,
        gateway: Gateway { state: GatewayState::Absent, detail: "no process, no unit".into() },
        findings: vec![],
        sources: vec![SourceReport {
            source: "claude-code".into(),
            looked: vec![],
            up: true,
            hidden: false,
            credentials: 1,
        }],
        clock_problem: None,
        fleet: false,
    };
    View {
        snapshot: Arc::new(snapshot),
        standing: Standing::default(),
        metrics: "opensoul_x 1\n".into(),
        policy: Arc::default(),
        zone: "Asia/Shanghai".parse().unwrap(),
        names: Arc::default(),
        home: "/home/me".into(),
        notes: vec![],
    }
}

fn html_in(lang: Lang, view: &View, pasts: &Pasts, now: Time) -> String {
    let reader = Reader { lang, zone: view.zone, now, home: &view.home };
    plain(&templates::render("page.html", lang, &page(view, pasts, shell(lang), &reader)))
}

/// A slash is escaped too.
fn plain(html: &str) -> String {
    html.replace("&#x2f;", "/").replace("<wbr>", "")
}

fn shell(lang: Lang) -> Shell {
    Shell { lang, host: "box".into(), other: "/?lang=zh".into(), version: "1", writable: true, ..Shell::default() }
}

fn html(view: &View) -> String {
    html_in(Lang::English, view, &Pasts::new(), at("2026-11-22T12:00:00Z"))
}

/// What a reader hears: without tags, and blanks as one.
fn read(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push(' ');
        text.push_str(part.split_once('>').map_or(part, |(_, after)| after));
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn it_says_what_is_wrong_and_what_fixes_it() {
    let text = html(&view(vec![credential("claude-code:default", State::Expiring, Severity::Critical)]));
    let said = read(&text);
    assert!(said.contains("Something needs you now 1 critical · As of 2 min ago 2026-11-22 19:58 CST"), "{said}");
    assert!(said.contains("critical claude-code:default ends soon in 2 d 2026-11-24 23:00 CST"), "{said}");
    assert!(said.contains("What to do claude auth login Copy the grant ends soon ~/.claude/x.json"), "{said}");
    assert!(text.contains("<time datetime=\"2026-11-22T11:58:00Z\" title=\"2026-11-22 19:58 CST\">2 min ago</time>"));
    assert!(text.contains("<code><span>claude</span> <span>auth</span> <span>login</span></code>"), "{text}");
    assert!(said.contains("Nobody is told."), "{said}");
}

#[test]
fn it_says_so_when_nothing_is_wrong() {
    let said = read(&html(&view(vec![credential("a:b", State::Ok, Severity::None)])));
    assert!(said.contains("Everything works") && said.contains("Nothing. Every credential in use works."), "{said}");
    assert!(html(&view(vec![])).contains("No credentials found."));
}

#[test]
fn the_worst_comes_first_and_a_copy_only_by_name() {
    let mut copy = credential("z:copy", State::Expired, Severity::Critical);
    copy.copy_of = Some(CredentialId::from("b:critical"));
    let mut canonical = credential("b:critical", State::Expired, Severity::Critical);
    canonical.copies = vec![CredentialId::from("z:copy")];
    let all = vec![credential("a:warning", State::Expiring, Severity::Warning), canonical, copy];
    let text = html(&view(all));
    let rows: Vec<_> = text.match_indices("<tr class=\"").map(|(at, _)| &text[at..]).collect();
    assert_eq!(rows.len(), 2, "{text}");
    assert!(rows[0].contains("b:critical"), "{text}");
    assert!(text.find("id=b:critical").unwrap() < text.find("id=a:warning").unwrap());
    assert!(text.contains("<a href=\"/credential?id=z:copy\">z:copy</a>"), "{text}");
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
        quota: vec![Quota { window: "5h".into(), used_ratio: 1.25, resets_at: Some(at("2026-11-22T14:00:00Z")) }],
        runway: Some(runway),
        bands: Some((at("2026-11-20T12:00:00Z"), at("2026-11-21T12:00:00Z"))),
        ..Allowance::default()
    }));
    let past =
        Past { changes: vec![], balances: vec![(at("2026-11-20T12:00:00Z"), 9.0), (at("2026-11-22T12:00:00Z"), 4.5)] };
    let pasts: Pasts = [(one.credential.id.clone(), past)].into();
    let now = at("2026-11-22T12:00:00Z");
    let text = html_in(Lang::English, &view(vec![one.clone()]), &pasts, now);
    let said = read(&text);
    assert!(
        said.contains(
            "4.50 USD left, probably used up in 2 d (at the earliest 2026-11-23 20:00 CST, at the latest 2026-11-26 20:00 CST)"
        ),
        "{said}"
    );
    assert!(
        said.contains("env:OPENROUTER_API_KEY its balance of 4.50 USD is probably used up in 2 d 2026-11-24 20:00 CST"),
        "{said}"
    );
    assert!(
        said.contains("Add credit to the anthropic account.") && said.contains("Something needs you now"),
        "{said}"
    );
    assert!(said.contains("5h 125 % used begins anew in 2 h"), "{said}");
    assert!(text.contains("class=\"fill critical\" width=\"100.0%\""), "{text}");
    assert!(text.contains("d=\"M0 4L50 52\"") && text.contains("class=\"ahead\""), "{text}");
    assert!(said.contains("env:OPENROUTER_API_KEY balance in 2 d"), "on the line of what ends next: {said}");
    if let Some(allowance) = &mut one.allowance {
        allowance.runway = None;
    }
    let said = read(&html(&view(vec![one])));
    assert!(said.contains("4.50 USD left ") && said.contains("Everything works"), "{said}");
}

#[test]
fn what_ends_next_stands_on_a_line() {
    let mut far = credential("b:far", State::Ok, Severity::None);
    far.judgement.expires = Some(at("2027-11-22T12:00:00Z"));
    far.judgement.warn_at = Some(at("2027-10-23T12:00:00Z"));
    let mut over = credential("c:over", State::Expired, Severity::None);
    over.judgement.expires = Some(at("2026-11-21T12:00:00Z"));
    let many = (0..20).map(|n| credential(&format!("n:{n:02}"), State::Ok, Severity::None));
    let text = html(&view(many.chain([far.clone(), over.clone()]).collect()));
    assert_eq!(text.matches("class=\"rail\"").count(), COMING);
    assert!(read(&text).contains("and later: 9"), "{}", read(&text));
    let text = html(&view(vec![far, over]));
    assert!(text.contains("cx=\"100.0%\"") && text.matches("class=\"rail\"").count() == 1, "{text}");
}

#[test]
fn text_from_files_cannot_become_markup() {
    let mut bad = credential("dotenv:/<script>alert(1)</script>#K", State::Expired, Severity::Critical);
    bad.judgement.because = vec!["\"><img src=x onerror=alert(1)>".into()];
    bad.judgement.fix = Some("</code><script>".into());
    let shown = view(vec![bad]);
    let reader = Reader { lang: Lang::English, zone: shown.zone, now: at("2026-11-22T12:00:00Z"), home: &shown.home };
    let id = "dotenv:/<script>alert(1)</script>#K";
    let alone = one(&shown, id, &Past::default(), shell(Lang::English), &reader).unwrap();
    for text in [html(&shown), templates::render("credential.html", Lang::English, &alone)] {
        assert!(!text.contains("<script>") && !text.contains("<img"), "{text}");
        assert!(text.contains("&lt;script&gt;"), "{text}");
        assert!(text.contains("&lt;/code&gt;") || text.contains("&lt;&#x2f;code&gt;"), "{text}");
    }
}

#[test]
fn nothing_in_a_page_is_a_script_or_a_style() {
    let text = html(&view(vec![credential("a:b", State::Expired, Severity::Critical)]));
    assert!(!text.contains(" style=") && !text.contains("<style"), "{text}");
    let handlers = text.match_indices(" on").map(|(at, _)| text[at + 3..].trim_start_matches(char::is_alphanumeric));
    assert!(!handlers.into_iter().any(|rest| rest.starts_with('=')), "{text}");
    assert_eq!(text.matches("<script").count(), 1);
    assert!(!text.contains("http://") && !text.contains("https://"), "nothing from elsewhere: {text}");
}

#[test]
fn a_page_of_one_credential_explains_it() {
    use crate::store::Change;
    let mut known = credential("claude-code:default", State::Expiring, Severity::Critical);
    known.credential.clocks.access_expires = Some(at("2026-11-22T18:00:00Z"));
    let shown = view(vec![known]);
    let change = |at_: &str, state, severity, generation: &str| Change {
        at: at(at_),
        state,
        severity,
        expires: Some(at("2026-11-24T15:00:00Z")),
        generation: generation.into(),
    };
    let past = Past {
        changes: vec![
            change("2026-10-25T12:00:00Z", State::Ok, Severity::None, "f"),
            change("2026-11-10T12:00:00Z", State::Ok, Severity::None, "g"),
            change("2026-11-20T12:00:00Z", State::Expiring, Severity::Critical, "g"),
        ],
        balances: vec![],
    };
    let page = |lang| {
        let reader = Reader { lang, zone: shown.zone, now: at("2026-11-22T12:00:00Z"), home: &shown.home };
        let found = one(&shown, "claude-code:default", &past, shell(lang), &reader).unwrap();
        plain(&templates::render("credential.html", lang, &found))
    };
    let said = read(&page(Lang::English));
    assert!(said.contains("What to do Run claude auth login"), "{said}");
    assert!(said.contains("Why its end is inside the warning band of [thresholds] the grant ends soon"), "{said}");
    assert!(said.contains("access token ends in 6 h 2026-11-23 02:00 CST"), "{said}");
    assert!(said.contains("place ~/.claude/x.json"), "{said}");
    let history = said.split("History").nth(1).unwrap();
    assert!(history.contains("2 d ago 2026-11-20 20:00 CST ends soon critical 2026-11-24 23:00 CST"), "{history}");
    assert!(history.contains("12 d ago 2026-11-10 20:00 CST works a new login or key"), "{history}");
    assert!(!read(&page(Lang::Chinese)).contains("What"), "{}", read(&page(Lang::Chinese)));
    let reader = Reader { lang: Lang::English, zone: shown.zone, now: shown.snapshot.taken_at, home: &shown.home };
    assert!(one(&shown, "no:such", &past, shell(Lang::English), &reader).is_none());
}

fn troubled() -> (View, Time) {
    use crate::engine::incidents::world::{World, credential, snapshot};
    let mut world = World::with(&["mail"]);
    let broken = |id| credential(id, State::Rejected, Severity::Critical);
    let seen = snapshot(vec![broken("claude-code:default"), broken("codex:default")]);
    world.tick(&seen);
    world.silence("provider=anthropic", Span::hours(3));
    world.ack("CredentialRejected", None, false);
    let time = |text| chrono::NaiveTime::parse_from_str(text, "%H:%M").unwrap();
    world.policy.quiet = Some(QuietHours { from: time("08:00"), to: time("10:00"), zone: Zone::UTC });
    let mut shown = view(vec![]);
    shown.snapshot = Arc::new(seen);
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
    (shown, world.now)
}

#[test]
fn it_shows_why_nothing_is_said_and_by_whom() {
    let (shown, now) = troubled();
    let text = html_in(Lang::English, &shown, &Pasts::new(), now);
    let said = read(&text);
    assert!(said.contains("acknowledged by ann until it is over or gets worse"), "{said}");
    assert!(said.contains("silenced by ann until 2026-01-05 20:00"), "{said}");
    assert!(text.contains("<h2 id=\"silences\">Silences</h2>") && text.contains("provider=anthropic"), "{text}");
    assert!(said.contains("moving house") && said.contains("refuses us"), "{said}");
    assert!(said.contains("quiet hours: only criticals are sent"), "{said}");
    let chinese = read(&html_in(Lang::Chinese, &shown, &Pasts::new(), now));
    assert!(chinese.contains("静默时段：只发送严重告警"), "{chinese}");
}

#[test]
fn forms_are_only_for_those_who_are_logged_in() {
    let (shown, now) = troubled();
    let reader = Reader { lang: Lang::English, zone: shown.zone, now, home: &shown.home };
    let form = "<form method=\"post\" action=\"/incidents/";
    let guest =
        templates::render("page.html", Lang::English, &page(&shown, &Pasts::new(), shell(Lang::English), &reader));
    assert!(!guest.contains("<form") && guest.contains("href=\"/login\""), "{guest}");
    let who = Some(templates::Who { name: "ann".into(), csrf: "c0de".into() });
    let shell = Shell { who, ..shell(Lang::English) };
    let known = templates::render("page.html", Lang::English, &page(&shown, &Pasts::new(), shell, &reader));
    assert!(known.contains(form) && known.contains("action=\"/logout\""), "{known}");
    assert_eq!(known.matches("<form").count(), known.matches("name=\"csrf\" value=\"c0de\"").count());
}

/// Words of English on the Chinese page: only names and what others say.
#[test]
fn the_chinese_page_is_chinese() {
    let (mut shown, now) = troubled();
    shown.notes = vec![];
    let said = read(&html_in(Lang::Chinese, &shown, &Pasts::new(), now));
    assert!(said.contains("现在需要处理") && said.contains("当前问题") && said.contains("由 ann 确认"), "{said}");
    let words: Vec<&str> = said
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| ["the", "is", "it", "of", "until", "and", "has", "to"].contains(word))
        .collect();
    // "it says so" is what the sample says.
    assert!(words.len() < 3, "{words:?} in {said}");
}
