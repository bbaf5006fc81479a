use proptest::prelude::*;

use super::*;
use crate::notify::samples::{expiring, notification, now};

fn text(notification: &Notification, zone: Zone) -> String {
    let shown = render(notification, Lang::English, zone, now());
    format!("Subject: {}\n\n{}", shown.subject, shown.text)
}

#[test]
fn a_credential_that_ends_soon() {
    let message = notification(vec![expiring()]);
    insta::assert_snapshot!("expiring_text", text(&message, "Europe/Berlin".parse().unwrap()));
    insta::assert_snapshot!(
        "expiring_html",
        render(&message, Lang::English, "Europe/Berlin".parse().unwrap(), now()).html
    );
}

#[test]
fn over_and_past() {
    let over = Item {
        status: ItemStatus::Resolved,
        ended: Some(now()),
        expires: Some(now() + Span::days(365)),
        summary: "A new token is there.".into(),
        ..expiring()
    };
    let past = Item {
        name: "GatewayDown".into(),
        subject: "gateway".into(),
        provider: None,
        status: ItemStatus::WasDown,
        severity: Severity::Warning,
        expires: None,
        ended: Some(now() - Span::minutes(20)),
        title: "the gateway did not answer".into(),
        summary: "the gateway did not answer".into(),
        because: vec![],
        fix: None,
        ..expiring()
    };
    let mut message = notification(vec![over, past]);
    message.created_at = now() - Span::minutes(130);
    insta::assert_snapshot!("over_and_past_text", text(&message, Zone::UTC));
}

#[test]
fn a_digest_counts_what_it_does_not_show() {
    let mut message = notification(vec![expiring(); 130]);
    message.kind = NotificationKind::Digest;
    message.items[1].provider = Some("openai".into());
    let shown = render(&message, Lang::English, Zone::UTC, now());
    assert_eq!(shown.subject, "[opensoul] build-7: several credentials need attention");
    assert_eq!(shown.text.matches("CRITICAL: ").count(), 100);
    assert!(shown.text.contains("and 30 more"));
}

/// The first message that a newcomer gets is a digest, most often of one problem.
#[test]
fn a_digest_of_one_problem_or_one_provider_names_it() {
    for (items, said) in [(1, expiring().title), (7, "anthropic needs attention".to_owned())] {
        let mut message = notification(vec![expiring(); items]);
        message.kind = NotificationKind::Digest;
        let shown = render(&message, Lang::English, Zone::UTC, now());
        assert_eq!(shown.subject, format!("[opensoul] build-7: {said}"));
    }
}

#[test]
fn the_subject_stays_the_same_while_the_problem_lasts() {
    let first = notification(vec![expiring()]);
    let mut later = notification(vec![Item {
        severity: Severity::Warning,
        status: ItemStatus::Resolved,
        summary: "other".into(),
        expires: None,
        ..expiring()
    }]);
    later.created_at = now() + Span::days(1);
    assert_eq!(
        render(&first, Lang::English, Zone::UTC, now()).subject,
        render(&later, Lang::English, Zone::UTC, now() + Span::days(2)).subject
    );
}

#[test]
fn delays_are_said_from_ten_minutes_on() {
    let mut message = notification(vec![expiring()]);
    for (minutes, said) in [(0, false), (10, false), (11, true), (-60, false)] {
        message.created_at = now() - Span::minutes(minutes);
        assert_eq!(text(&message, Zone::UTC).contains("delayed by"), said, "{minutes}");
    }
}

#[test]
fn spans_in_words() {
    for (seconds, said) in [
        (-5, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400, "1 day"),
        (187_200, "2 days 4 h"),
        (86_400 * 20 + 5, "20 days"),
    ] {
        assert_eq!(words(Span::seconds(seconds)), said);
    }
}

#[test]
fn moments_name_both_days_when_they_differ() {
    assert_eq!(moment(now(), "Asia/Tokyo".parse().unwrap()), "2026-11-23 03:00 JST (2026-11-22 18:00 UTC)");
    assert_eq!(moment(now(), "Europe/Berlin".parse().unwrap()), "2026-11-22 19:00 CET (18:00 UTC)");
    assert_eq!(moment(now(), Zone::UTC), "2026-11-22 18:00 UTC");
}

proptest! {
    /// Whatever foreign files and providers say: no second header, no markup, no panic.
    #[test]
    fn foreign_text_stays_text(evil in "(\\PC|[\r\n<>&\"'{}%]){0,80}") {
        let item = Item {
            title: evil.clone(), summary: evil.clone(), subject: evil.clone(), provider: Some(evil.clone()),
            because: vec![evil.clone()], fix: Some(evil.clone()), ..expiring()
        };
        let mut message = notification(vec![item]);
        message.host = evil.clone();
        let shown = render(&message, Lang::English, Zone::UTC, now());
        prop_assert!(!shown.subject.chars().any(char::is_control));
        prop_assert!(shown.subject.chars().count() <= 180);
        let plain = render(&notification(vec![expiring()]), Lang::English, Zone::UTC, now()).html;
        for sign in ["<script", "<img", "<a"] {
            prop_assert_eq!(shown.html.matches(sign).count(), 0);
        }
        prop_assert!(shown.html.matches('<').count() <= plain.matches('<').count());
    }
}

/// One message of each kind, in both languages, as a phone in Shanghai shows them.
#[test]
fn every_kind_in_both_languages() {
    let zone: Zone = "Asia/Shanghai".parse().unwrap();
    let real = Item {
        title: "opensoul:main/anthropic:work must be renewed".into(),
        summary: "opensoul:main/anthropic:work expires 2026-11-24 22:00 UTC".into(),
        because: vec![
            "it ends 2026-11-24 22:00 UTC (written in the token itself)".into(),
            "its gateway does not use it until 2026-11-23 01:00 UTC (billing)".into(),
            "nothing else of anthropic works".into(),
        ],
        ..expiring()
    };
    let gone = Item {
        name: "GatewayDown".into(),
        subject: "gateway".into(),
        provider: None,
        severity: Severity::Warning,
        expires: None,
        title: "the gateway does not answer".into(),
        summary: "the gateway does not answer".into(),
        because: vec!["openclaw-gateway.service is enabled and not running; nothing answers on port 18789".into()],
        fix: Some("systemctl --user start openclaw-gateway".into()),
        ..real.clone()
    };
    let over = |item: &Item, status| Item { status, ended: Some(now() - Span::minutes(20)), ..item.clone() };
    let firing = notification(vec![real.clone()]);
    let late = Notification { created_at: now() - Span::minutes(130), ..firing.clone() };
    let digest = Notification { kind: NotificationKind::Digest, ..notification(vec![real.clone(), gone.clone()]) };
    let messages = [
        ("firing", firing),
        (
            "over",
            notification(vec![Item { expires: Some(now() + Span::days(365)), ..over(&real, ItemStatus::Resolved) }]),
        ),
        ("was_down", notification(vec![over(&gone, ItemStatus::WasDown)])),
        ("digest", digest),
        ("delayed", late),
    ];
    for (name, message) in messages {
        for (lang, code) in [(Lang::English, "en"), (Lang::Chinese, "zh")] {
            let manner = Manner {
                lang,
                zone,
                runbook: Some("https://wiki.example.org/{name}?of={provider}&at={subject}".into()),
                signer: None,
            };
            let shown = render_in(&message, &manner, now());
            insta::assert_snapshot!(format!("{name}_{code}"), format!("Subject: {}\n\n{}", shown.subject, shown.text));
            assert!(shown.html.contains(&format!("<html lang=\"{}\">", if code == "en" { "en" } else { "zh-CN" })));
        }
    }
}

#[test]
fn what_is_wrong_can_be_taken_up_from_within_the_message() {
    let key = || crate::domain::LinkKey::new(&[7; 32]);
    let signer = Signer::new(std::sync::Arc::new(key()), "https://monitor.example.org/".to_owned());
    let shown = |item: Item, public, lang| {
        let runbook = Some("https://wiki.example.org/{name}".to_owned());
        let manner = Manner { signer: Some(signer.of(public)), lang, runbook, ..Manner::default() };
        render_in(&notification(vec![item]), &manner, now())
    };
    let message = shown(expiring(), false, Lang::English);
    let labels: Vec<(&str, bool)> = message.actions.iter().map(|one| (&*one.label, one.post)).collect();
    assert_eq!(labels, [("Ack 24 h", true), ("Snooze 2 h", true), ("Runbook", false)], "what acts comes first");
    let url = &message.actions[0].url;
    let token = url.strip_prefix("https://monitor.example.org/link/").unwrap();
    let (link, _) = key().read(token, now()).unwrap();
    assert_eq!((&link.incidents[0], link.snooze, link.public), (&expiring().incident, false, false));
    assert!(message.text.contains(&format!("Ack 24 h: {url}")), "{}", message.text);
    let html = message.html.replace("&#x2f;", "/");
    assert!(html.contains(&format!("<a class=\"act\" href=\"{url}\">Ack 24 h</a>")), "{html}");
    assert_eq!(message, shown(expiring(), false, Lang::English), "the same each time");
    // What a vendor repeats of it is not shown.
    assert!(!crate::net::redact::words(&format!("{{\"url\":\"{url}\"}} {token}"), &[], 2000).contains(&token[..30]));

    let public = shown(expiring(), true, Lang::Chinese);
    let labels: Vec<&str> = public.actions.iter().map(|one| &*one.label).collect();
    assert_eq!(labels, ["确认 4 小时", "2 小时后再提醒", "运维手册"], "a critical, where strangers may read along");
    let over = shown(Item { status: ItemStatus::Resolved, ..expiring() }, false, Lang::English);
    assert_eq!(over.actions, []);
}

#[test]
fn a_runbook_is_linked_while_it_is_wrong() {
    let manner = |url: &str| Manner { runbook: Some(url.into()), ..Manner::default() };
    let finding = Item {
        name: "DoctorFinding".into(),
        subject: "auth.env-not-inherited#0a1b2c3d".into(),
        provider: None,
        ..expiring()
    };
    let url = "https://wiki.example.org/{name}/{provider}?at={subject}";
    let shown = render_in(&notification(vec![expiring(), finding]), &manner(url), now());
    let urls: Vec<&str> = shown.actions.iter().map(|action| action.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://wiki.example.org/CredentialExpiring/anthropic?at=opensoul:main%2Fanthropic:work",
            "https://wiki.example.org/DoctorFinding/none?at=auth.env-not-inherited",
        ]
    );
    for url in urls {
        assert!(shown.text.contains(url), "{}", shown.text);
    }
    assert_eq!(shown.html.matches("<a href=\"https:").count(), 2);
    assert!(shown.actions.iter().all(|action| action.label == "Runbook" && !action.post));
    let over = Item { status: ItemStatus::Resolved, ..expiring() };
    assert_eq!(render_in(&notification(vec![over]), &manner(url), now()).actions, []);
}

#[test]
fn the_subject_is_stable_in_chinese_too() {
    let item = Item { title: "opensoul:main/anthropic:work must be renewed".into(), ..expiring() };
    let subject = |item: Item, at| render(&notification(vec![item]), Lang::Chinese, Zone::UTC, at).subject;
    let over = Item { status: ItemStatus::Resolved, summary: "other".into(), ..item.clone() };
    let said = subject(item, now());
    assert_eq!(said, "[opensoul] build-7：opensoul:main/anthropic:work 需要续期");
    assert_eq!(said, subject(over, now() + Span::days(2)));
}
