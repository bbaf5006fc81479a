//! Odd servers, made by hand: what they say is a script. Real servers are spoken to by the end-to-end tests.

use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::config::{SecretRef, SmtpSecurity};
use crate::notify::samples::{attempt, expiring, notification, now};

/// A server on loopback that answers each command by a table (`RCPT TO:<x>` may have its own line); `!` closes instead,
/// `~` says nothing any more. Ends with the list of commands it was given.
async fn server(
    greeting: &'static str,
    answers: &'static [(&'static str, &'static str)],
) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let port = listener.local_addr().expect("address").port();
    let talk = async move {
        let mut seen = Vec::new();
        let (stream, _) = listener.accept().await.expect("connection");
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        if !say(&mut write, greeting).await {
            return seen;
        }
        let mut in_data = false;
        while let Ok(Some(line)) = lines.next_line().await {
            if in_data && line != "." {
                continue;
            }
            seen.push(line.clone());
            let command = if in_data { "." } else { line.as_str() };
            let answer = answers.iter().find(|(start, _)| command.starts_with(start)).map(|(_, answer)| *answer);
            let usual = match command {
                "DATA" => "354 go on",
                _ if command.starts_with("EHLO") => "250-fake\r\n250 AUTH PLAIN LOGIN",
                _ => "250 ok",
            };
            let answer = answer.unwrap_or(usual);
            in_data = command == "DATA" && answer.starts_with('3');
            if !say(&mut write, answer).await {
                return seen;
            }
        }
        seen
    };
    (port, tokio::spawn(talk))
}

async fn say(write: &mut (impl AsyncWriteExt + Unpin), text: &str) -> bool {
    match text {
        "!" => false,
        "~" => std::future::pending().await,
        _ => write.write_all(format!("{text}\r\n").as_bytes()).await.is_ok(),
    }
}

fn receiver(port: u16, login: bool) -> Email {
    let mut env = Environment::default();
    env.set("PASSWORD", "hunter2-hunter2");
    let config = config::Email {
        security: SmtpSecurity::Plain,
        host: "127.0.0.1".into(),
        port,
        username: login.then(|| "monitor".into()),
        password: login.then(|| SecretRef::Env("PASSWORD".into())),
        xoauth2: false,
        from: "opensoul <monitor@example.org>".into(),
        to: vec!["Ops <ops@example.org>".into(), "night@example.org".into()],
    };
    Email::new("mail".into(), config, Voice::default(), Arc::new(env.clone()), Clients::new(&env))
}

async fn deliver(
    greeting: &'static str,
    answers: &'static [(&'static str, &'static str)],
    before: &[&str],
) -> (Outcome, Vec<String>) {
    let login = answers.iter().any(|(start, _)| *start == "AUTH");
    let (port, seen) = server(greeting, answers).await;
    let progress = Progress(before.iter().map(|text| (*text).to_owned()).collect());
    let mut receiver = receiver(port, login);
    // Only silence is waited for: whoever speaks may be held up.
    let silent = greeting == "~" || answers.iter().any(|(_, answer)| *answer == "~");
    if silent {
        receiver.total = Duration::from_millis(400);
    }
    let outcome = receiver.deliver(&notification(vec![expiring()]), &Attempt { progress, ..attempt() }).await;
    let seen = if silent { Vec::new() } else { seen.await.expect("server") };
    (outcome, seen)
}

const HELLO: &str = "220 fake";

#[tokio::test]
async fn everybody_gets_it_in_one_conversation() {
    let (outcome, seen) = deliver(HELLO, &[("AUTH", "235 ok"), (".", "250 2.0.0 queued as 4711")], &[]).await;
    assert_eq!(outcome, Outcome::Delivered { detail: "250 2.0.0 queued as 4711".into(), keep: None });
    assert_eq!(seen[0], "EHLO build-7");
    assert_eq!(
        seen[2..6],
        ["MAIL FROM:<monitor@example.org>", "RCPT TO:<ops@example.org>", "RCPT TO:<night@example.org>", "DATA"]
    );
    assert_eq!(seen.last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn who_has_it_does_not_get_it_again() {
    let (outcome, seen) = deliver(HELLO, &[], &["ops@example.org"]).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }));
    assert!(seen.iter().all(|line| !line.contains("RCPT TO:<ops")), "{seen:?}");
}

fn shape(outcome: &Outcome) -> (&'static str, Option<FailureReason>, Vec<&str>) {
    match outcome {
        Outcome::Delivered { .. } => ("delivered", None, vec![]),
        Outcome::Permanent { reason, .. } => ("permanent", Some(*reason), vec![]),
        Outcome::Transient { reason, progress, .. } => {
            ("transient", Some(*reason), progress.0.iter().map(String::as_str).collect())
        }
    }
}

#[tokio::test]
async fn each_way_to_fail() {
    use FailureReason::{AuthRejected, Offline, Parse, Refused, ServerError, Timeout};
    const GONE: (&str, &str) = ("RCPT TO:<ops", "550 5.1.1 no such user");
    const LATER: (&str, &str) = ("RCPT TO:<ops", "450 4.2.0 greylisted");
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
        (&'static str, Option<FailureReason>, Vec<&'static str>),
    );
    let cases: Vec<Case> = vec![
        ("~", &[], &[], ("transient", Some(Timeout), vec![])),
        ("!", &[], &[], ("transient", Some(Offline), vec![])),
        ("421 busy", &[], &[], ("transient", Some(ServerError), vec![])),
        ("554 no service here", &[], &[], ("permanent", Some(Refused), vec![])),
        ("HTTP/1.1 400 Bad Request", &[], &[], ("transient", Some(Parse), vec![])),
        (HELLO, &[("EHLO", "~")], &[], ("transient", Some(Timeout), vec![])),
        (HELLO, &[("AUTH", "535 5.7.8 no")], &[], ("permanent", Some(AuthRejected), vec![])),
        (HELLO, &[("AUTH", "454 4.7.0 later")], &[], ("transient", Some(ServerError), vec![])),
        (HELLO, &[("MAIL", "530 5.7.0 log in first")], &[], ("permanent", Some(AuthRejected), vec![])),
        (HELLO, &[("MAIL", "451 4.3.0 later")], &[], ("transient", Some(ServerError), vec![])),
        (HELLO, &[GONE], &[], ("transient", Some(Refused), vec!["night@example.org"])),
        (HELLO, &[GONE], &["night@example.org"], ("delivered", None, vec![])),
        (HELLO, &[LATER], &[], ("transient", Some(ServerError), vec!["night@example.org"])),
        (HELLO, &[LATER], &["night@example.org"], ("transient", Some(ServerError), vec!["night@example.org"])),
        (HELLO, &[("RCPT", "550 5.1.1 no such user")], &[], ("permanent", Some(Refused), vec![])),
        (HELLO, &[LATER, ("RCPT TO:<night", "550 no")], &[], ("transient", Some(ServerError), vec![])),
        (HELLO, &[("RCPT TO:<night", "421 shutting down")], &[], ("transient", Some(ServerError), vec![])),
        (HELLO, &[("RCPT TO:<night", "!")], &[], ("transient", Some(Offline), vec![])),
        (HELLO, &[("DATA", "452 4.3.1 no space")], &[], ("transient", Some(ServerError), vec![])),
        (HELLO, &[(".", "!")], &[], ("transient", Some(Offline), vec![])),
        (HELLO, &[(".", "~")], &["ops@example.org"], ("transient", Some(Timeout), vec!["ops@example.org"])),
        (HELLO, &[(".", "554 5.7.1 spam")], &[], ("permanent", Some(Refused), vec![])),
        (HELLO, &[("QUIT", "!")], &[], ("delivered", None, vec![])),
    ];
    for (greeting, answers, before, expected) in cases {
        let (outcome, seen) = deliver(greeting, answers, before).await;
        assert_eq!(shape(&outcome), expected, "{greeting} {answers:?}: {outcome:?} {seen:?}");
        assert!(!format!("{outcome:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn nobody_listens() {
    // No other test is given this port.
    let outcome = receiver(9, false).deliver(&notification(vec![expiring()]), &attempt()).await;
    assert_eq!(shape(&outcome), ("transient", Some(FailureReason::Offline), vec![]), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_repeats_the_password() {
    // What PLAIN sends is base64 of it.
    let (outcome, _) = deliver(
        HELLO,
        &[("AUTH", "535 bad password hunter2-hunter2 aHVudGVyMi1odW50ZXIy AG1vbml0b3IAaHVudGVyMi1odW50ZXIy")],
        &[],
    )
    .await;
    assert_eq!(
        outcome,
        Outcome::Permanent { reason: FailureReason::AuthRejected, detail: "535 bad password …".into() }
    );
}

#[tokio::test]
async fn the_older_way_to_log_in() {
    let answers = &[
        ("EHLO", "250-fake\r\n250 AUTH LOGIN"),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("bW9uaXRvcg==", "334 UGFzc3dvcmQ6"),
        ("aHVudGVyMi1odW50ZXIy", "235 ok"),
    ];
    let (port, seen) = server(HELLO, answers).await;
    let outcome = receiver(port, true).deliver(&notification(vec![expiring()]), &attempt()).await;
    assert_eq!(shape(&outcome).0, "delivered", "{outcome:?}");
    assert_eq!(seen.await.expect("server")[1..4], ["AUTH LOGIN", "bW9uaXRvcg==", "aHVudGVyMi1odW50ZXIy"]);
}

#[tokio::test]
async fn an_access_token() {
    const OFFER: (&str, &str) = ("EHLO", "250-fake\r\n250 AUTH PLAIN XOAUTH2");
    const REFUSAL: (&str, &str) = ("AUTH", "334 eyJzdGF0dXMiOiI0MDEifQ==");
    let cases: [(&'static [(&str, &str)], _); 3] = [
        (&[OFFER, ("AUTH", "235 ok")], ("delivered", None, vec![])),
        (&[OFFER, REFUSAL], ("permanent", Some(FailureReason::AuthRejected), vec![])),
        (&[], ("transient", Some(FailureReason::AuthRejected), vec![])),
    ];
    for (answers, expected) in cases {
        let (port, seen) = server(HELLO, answers).await;
        let mut receiver = receiver(port, true);
        receiver.config.xoauth2 = true;
        let outcome = receiver.deliver(&notification(vec![expiring()]), &attempt()).await;
        assert_eq!(shape(&outcome), expected, "{outcome:?}");
        let seen = seen.await.expect("server");
        let token = "dXNlcj1tb25pdG9yAWF1dGg9QmVhcmVyIGh1bnRlcjItaHVudGVyMgEB";
        assert!(answers.is_empty() || seen[1] == format!("AUTH XOAUTH2 {token}"), "{seen:?}");
    }
}

#[tokio::test]
async fn without_tls_and_without_a_login_nothing_is_said() {
    let (port, seen) = server(HELLO, &[]).await;
    let mut receiver = receiver(port, true);
    receiver.config.security = SmtpSecurity::StartTls;
    let outcome = receiver.deliver(&notification(vec![expiring()]), &attempt()).await;
    assert_eq!(shape(&outcome), ("transient", Some(FailureReason::Tls), vec![]), "{outcome:?}");
    assert_eq!(seen.await.expect("server").len(), 1, "EHLO only");

    let (port, seen) = server(HELLO, &[("EHLO", "250 fake")]).await;
    let outcome = self::receiver(port, true).deliver(&notification(vec![expiring()]), &attempt()).await;
    assert_eq!(shape(&outcome), ("transient", Some(FailureReason::AuthRejected), vec![]), "{outcome:?}");
    assert_eq!(seen.await.expect("server").len(), 1, "EHLO only");
}

#[tokio::test]
async fn a_missing_password_is_said_and_nothing_is_sent() {
    let mut receiver = receiver(1, true);
    receiver.config.password = Some(SecretRef::Env("NONE".into()));
    let outcome = receiver.deliver(&notification(vec![expiring()]), &attempt()).await;
    assert_eq!(shape(&outcome), ("transient", Some(FailureReason::Config), vec![]), "{outcome:?}");
}

fn mail(notification: &Notification) -> String {
    let from = "opensoul <monitor@example.org>".parse().expect("address");
    let to = ["Ops <ops@example.org>".parse().expect("address")];
    let shown = Voice::default().render(notification, now());
    String::from_utf8(message(notification, &shown, &from, &to, now()).expect("mail").formatted()).expect("ascii")
}

#[test]
fn headers_of_a_mail() {
    let text = mail(&notification(vec![expiring()]));
    let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
    insta::assert_snapshot!("mail_head", head.replace("\r\n", "\n"));
    assert!(body.contains("Content-Type: text/plain") && body.contains("Content-Type: text/html"));
    assert!(text.lines().all(|line| line.len() < 998) && text.is_ascii());
}

#[test]
fn a_chinese_mail_is_plain_ascii_on_the_way() {
    let item = crate::domain::Item { title: "opensoul:main/anthropic:work must be renewed".into(), ..expiring() };
    let message = notification(vec![item; 30]);
    let shown = crate::notify::render(&message, crate::domain::Lang::Chinese, crate::domain::Zone::UTC, now());
    let from = "opensoul <monitor@example.org>".parse().expect("address");
    let to = ["Ops <ops@example.org>".parse().expect("address")];
    let mail = super::message(&message, &shown, &from, &to, now()).expect("mail").formatted();
    let text = String::from_utf8(mail).expect("ascii");
    assert!(text.is_ascii() && text.lines().all(|line| line.len() < 998));
    assert!(text.contains("Subject: [opensoul]") && text.contains("=?utf-8?b?"), "{}", &text[..600]);
}

#[test]
fn the_thread_holds_and_the_id_differs() {
    let first = notification(vec![expiring()]);
    let mut second = first.clone();
    second.id = crate::domain::NotificationId("other".into());
    let header = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    let (one, two) = (mail(&first), mail(&second));
    assert_eq!(header(&one, "References:"), header(&two, "References:"));
    assert_ne!(header(&one, "Message-ID:"), header(&two, "Message-ID:"));
    assert_eq!(one, mail(&first), "every attempt sends the same");
}

#[test]
fn hosts_as_domains() {
    for (host, shown) in
        [("build-7", "build-7"), ("a b\r\nc", "a-b--c"), ("", "localhost"), ("über..x.", "ber.x"), ("<>", "localhost")]
    {
        assert_eq!(domain(host), shown);
    }
}

proptest! {
    /// Titles and hosts come from files that others write: they never become headers.
    #[test]
    fn no_header_can_be_smuggled_in(evil in "(\\PC|[\r\n:<>@ ]){0,120}") {
        let mut message = notification(vec![crate::domain::Item { title: evil.clone(), subject: evil.clone(), ..expiring() }]);
        message.host = evil.clone();
        message.group_key = evil;
        let text = mail(&message);
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let plain = mail(&notification(vec![expiring()]));
        let names = |head: &str| {
            head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])).map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        prop_assert_eq!(names(head), names(plain.split("\r\n\r\n").next().unwrap_or_default()));
    }
}
