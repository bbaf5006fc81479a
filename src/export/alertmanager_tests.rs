use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::{Login, MaybeSecret, SecretRef};
use crate::domain::{Pseudonyms, Severity, Span};
use alerts::{Board, Words, tests::incident};

fn now() -> Time {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn alerts(count: usize) -> Vec<Alert> {
    let all: Vec<_> =
        (0..count).map(|n| incident("CredentialExpired", &format!("a:{n:03}"), Severity::Critical)).collect();
    let names = Pseudonyms::default();
    Board::new(&all).alerts(&Words { host: "box", names: &names, link: "" }, Span::minutes(15), now())
}

fn peer(url: &str, login: Option<Login>, env: &[(&str, &str)]) -> Arc<Peer> {
    let env: Environment = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let clients = Clients::new(&env);
    let cluster = config::Alertmanager {
        peers: vec![config::Peer { name: "am".into(), url: MaybeSecret::Plain(url.to_owned()) }],
        login,
        headers: vec![("x-scope-orgid".into(), MaybeSecret::Plain("ops".into()))],
        insecure: false,
        labels: [("team".to_owned(), "ops".to_owned())].into(),
    };
    peers(&[cluster], &Arc::new(env), &clients).remove(0)
}

async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    server
}

#[test]
fn the_interface_is_below_the_address() {
    for (address, expected) in [
        ("https://am.example.org", "https://am.example.org/api/v2/alerts"),
        ("https://am.example.org/alertmanager/", "https://am.example.org/alertmanager/api/v2/alerts"),
        ("https://am.example.org/api/v2/alerts", "https://am.example.org/api/v2/alerts"),
    ] {
        assert_eq!(endpoint(&Url::parse(address).unwrap()).as_str(), expected);
    }
}

#[tokio::test]
async fn everything_is_sent_with_login_and_labels_even_if_it_is_nothing() {
    let server = MockServer::start().await;
    let good = || Mock::given(method("POST")).and(path("/prefix/api/v2/alerts")).and(header("x-scope-orgid", "ops"));
    let ok = || ResponseTemplate::new(200).insert_header("date", "Sun, 22 Nov 2026 12:00:00 GMT");
    good()
        .and(header("authorization", "Bearer t0ken"))
        .and(body_string_contains("\"team\":\"ops\""))
        .respond_with(ok())
        .expect(2)
        .mount(&server)
        .await;
    good().and(header("authorization", "Basic dXM6cHc6cHc=")).respond_with(ok()).expect(1).mount(&server).await;
    let url = format!("{}/prefix", server.uri());
    let env = [("T", "t0ken"), ("P", "pw:pw")];
    let reference = |name: &str| SecretRef::Env(name.into());
    let bearer = peer(&url, Some(Login::Bearer(reference("T"))), &env);
    bearer.push(&alerts(BATCH + 1), now()).await.unwrap();
    let basic = peer(&url, Some(Login::Basic("us".into(), reference("P"))), &env);
    basic.push(&[], now()).await.unwrap();
    let sizes: Vec<usize> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| serde_json::from_slice::<Vec<serde_json::Value>>(&request.body).unwrap().len())
        .collect();
    assert_eq!(sizes, [BATCH, 1, 0]);
}

#[tokio::test]
async fn only_its_own_answer_is_believed() {
    use FailureReason as R;
    let date = "Sun, 22 Nov 2026 12:14:00 GMT";
    let answer =
        |status: u16, body: &str| ResponseTemplate::new(status).insert_header("date", date).set_body_string(body);
    for (answer, expected) in [
        (answer(200, ""), None),
        (answer(202, "{}"), None),
        (answer(200, "<!DOCTYPE html><html>log in</html>"), Some(R::Parse)),
        (answer(200, "please log in"), Some(R::Parse)),
        (answer(400, "\"bad start time\""), Some(R::Refused)),
        (answer(404, "<html>"), Some(R::Parse)),
        (answer(401, ""), Some(R::AuthRejected)),
        (answer(429, ""), Some(R::RateLimited)),
        (answer(503, "<html>"), Some(R::ServerError)),
        (answer(302, "").insert_header("location", "https://elsewhere.example.org/?token=abc"), Some(R::Refused)),
        // A clock so far ahead that what we say is over as it arrives.
        (answer(200, "").insert_header("date", "Sun, 22 Nov 2026 12:15:00 GMT"), Some(R::Refused)),
    ] {
        let server = server(answer).await;
        let result = peer(&server.uri(), None, &[]).push(&alerts(1), now()).await;
        assert_eq!(result.as_ref().err().map(|failure| failure.reason), expected, "{result:?}");
        assert!(!format!("{result:?}").contains("token=abc"));
    }
    let gone = peer("http://127.0.0.1:9", None, &[]).push(&[], now()).await.unwrap_err();
    assert_eq!(gone.reason, R::Offline);
    let unset = peer("http://127.0.0.1:9", Some(Login::Bearer(SecretRef::Env("NONE".into()))), &[]);
    assert_eq!(unset.push(&[], now()).await.unwrap_err().reason, R::Config);
}

#[tokio::test]
async fn a_server_that_repeats_our_secret_does_not_get_it_into_the_log() {
    let server = server(ResponseTemplate::new(403).set_body_string("bad token t0ken-t0ken")).await;
    let peer = peer(&server.uri(), Some(Login::Bearer(SecretRef::Env("T".into()))), &[("T", "t0ken-t0ken")]);
    let failure = peer.push(&[], now()).await.unwrap_err();
    assert!(!failure.detail.contains("t0ken") && failure.detail.contains("bad token …"), "{}", failure.detail);
}
