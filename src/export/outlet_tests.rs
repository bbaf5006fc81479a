use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::series::tests::families;
use super::*;
use crate::config::{Login, SecretRef};

fn server(url: &str) -> Server {
    Server {
        url: MaybeSecret::Plain(url.to_owned()),
        login: Some(Login::Bearer(SecretRef::Env("T".into()))),
        headers: vec![("x-scope-orgid".into(), MaybeSecret::Plain("ops".into()))],
        insecure: false,
        job: "opensoul".into(),
        instance: None,
        labels: [("team".to_owned(), "ops".to_owned())].into(),
    }
}

fn outlet(way: Way) -> Outlet {
    let env: Environment = [("T".to_owned(), "t0ken-t0ken".to_owned())].into_iter().collect();
    let config = config::Outlet { name: "to".into(), way };
    let (env, clients) = (Arc::new(env.clone()), Clients::new(&env));
    Outlet { pauses: [Duration::ZERO; 2], ..Outlet::new(&config, &[], &env, &clients) }
}

fn http(protocol: Protocol, url: &str) -> Outlet {
    outlet(Way::Http(protocol, server(url)))
}

fn batch(values: &[(&str, f64)]) -> Batch {
    let at = "2026-11-22T12:00:00Z".parse().unwrap();
    Batch { families: Arc::new(families(values)), at, host: "box".into(), counting: Some(at) }
}

async fn sink(answers: &[ResponseTemplate]) -> MockServer {
    let server = MockServer::start().await;
    for (number, answer) in answers.iter().enumerate() {
        let last = number + 1 == answers.len();
        let mock = Mock::given(header("authorization", "Bearer t0ken-t0ken")).respond_with(answer.clone());
        let mock = if last { mock } else { mock.up_to_n_times(1) };
        mock.mount(&server).await;
    }
    server
}

async fn bodies(server: &MockServer) -> Vec<Vec<u8>> {
    server.received_requests().await.unwrap().into_iter().map(|asked| asked.body).collect()
}

fn status(code: u16) -> ResponseTemplate {
    ResponseTemplate::new(code)
}

#[tokio::test]
async fn remote_write_says_what_it_is_and_marks_what_has_ended_once() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/api/v1/write"))
        .and(header("content-encoding", "snappy"))
        .and(header("content-type", "application/x-protobuf"))
        .and(header("x-prometheus-remote-write-version", "0.1.0"))
        .and(header("x-scope-orgid", "ops"))
        .respond_with(status(204))
        .expect(4)
        .mount(&server)
        .await;
    let outlet = http(Protocol::RemoteWrite, &format!("{}/api/v1/write", server.uri()));
    let stale = |bytes: &[u8]| {
        let text = snap::raw::Decoder::new().decompress_vec(bytes).unwrap();
        text.windows(9).filter(|part| *part == [0x09, 2, 0, 0, 0, 0, 0, 0xf0, 0x7f]).count()
    };
    for (values, ended) in [(&[("a", 1.0), ("b", 1.0)][..], 0), (&[("a", 1.0)], 1), (&[("a", 1.0)], 0)] {
        outlet.push(&batch(values)).await.unwrap();
        assert_eq!(stale(bodies(&server).await.last().unwrap()), ended, "{values:?}");
    }
    // The one that follows after a reload knows what was there.
    let next = Outlet::new(
        &outlet.config.clone(),
        &[Arc::new(outlet)],
        &Arc::default(),
        &Clients::new(&Environment::default()),
    );
    assert!(next.taken.lock().unwrap().is_some());
    let next = Outlet { env: Arc::new([("T".to_owned(), "t0ken-t0ken".to_owned())].into_iter().collect()), ..next };
    next.push(&batch(&[])).await.unwrap();
    assert_eq!(stale(bodies(&server).await.last().unwrap()), 1);
}

#[tokio::test]
async fn trouble_and_being_asked_to_wait_are_tried_again_and_a_refusal_is_not() {
    let wait = |seconds: &str| status(429).insert_header("retry-after", seconds);
    let html = status(200).set_body_string("<!DOCTYPE html><html>log in</html>");
    for (answers, requests, reason) in [
        (vec![status(503), status(500), status(204)], 3, None),
        (vec![status(503)], 3, Some(FailureReason::ServerError)),
        (vec![wait("0"), status(204)], 2, None),
        (vec![wait("600")], 1, Some(FailureReason::RateLimited)),
        (vec![status(400).set_body_string("out of order sample t0ken-t0ken")], 1, Some(FailureReason::Refused)),
        (vec![status(401)], 1, Some(FailureReason::AuthRejected)),
        (vec![status(404)], 1, Some(FailureReason::Refused)),
        (vec![html], 1, Some(FailureReason::Parse)),
        (vec![status(302).insert_header("location", "https://elsewhere.org")], 1, Some(FailureReason::Refused)),
    ] {
        let server = sink(&answers).await;
        for protocol in [Protocol::RemoteWrite, Protocol::Otlp, Protocol::Pushgateway] {
            server.reset().await;
            for (number, answer) in answers.iter().enumerate() {
                let mock = Mock::given(header("authorization", "Bearer t0ken-t0ken")).respond_with(answer.clone());
                let last = number + 1 == answers.len();
                if last { mock } else { mock.up_to_n_times(1) }.mount(&server).await;
            }
            let result = http(protocol, &format!("{}/x", server.uri())).push(&batch(&[("a", 1.0)])).await;
            assert_eq!(result.as_ref().err().map(|failure| failure.reason), reason, "{protocol:?} {answers:?}");
            assert_eq!(bodies(&server).await.len(), requests, "{protocol:?} {answers:?}");
            assert!(!format!("{result:?}").contains("t0ken"), "{result:?}");
        }
    }
}

#[tokio::test]
async fn otlp_that_was_refused_in_part_is_a_failure() {
    let partial = r#"{"partialSuccess":{"rejectedDataPoints":"1","errorMessage":"too old"}}"#;
    let server = sink(&[status(200).set_body_string(partial)]).await;
    let failure =
        http(Protocol::Otlp, &format!("{}/v1/metrics", server.uri())).push(&batch(&[("a", 1.0)])).await.unwrap_err();
    assert_eq!((failure.reason, failure.detail.as_str()), (FailureReason::Refused, "1 series were refused: too old"));
    let sent = &server.received_requests().await.unwrap()[0];
    assert_eq!(sent.headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_group_is_put_whole_and_deleted() {
    let server = MockServer::start().await;
    let group = "/metrics/job/opensoul/instance/box/team/ops";
    Mock::given(method("PUT")).and(path(group)).respond_with(status(200)).expect(1).mount(&server).await;
    Mock::given(method("DELETE")).and(path(group)).respond_with(status(202)).expect(1).mount(&server).await;
    let outlet = http(Protocol::Pushgateway, &server.uri());
    outlet.push(&batch(&[("a", 1.0)])).await.unwrap();
    outlet.forget("box").await.unwrap();
    let text = String::from_utf8(bodies(&server).await.remove(0)).unwrap();
    assert!(text.contains("opensoul_x{credential=\"a\"} 1\n") && text.contains("opensoul_cycles_total 3\n"), "{text}");
}

#[tokio::test]
async fn many_series_go_in_several_requests() {
    let server = sink(&[status(204)]).await;
    let many: Vec<(String, f64)> = (0..BATCH).map(|n| (n.to_string(), 1.0)).collect();
    let many: Vec<(&str, f64)> = many.iter().map(|(id, value)| (id.as_str(), *value)).collect();
    http(Protocol::RemoteWrite, &format!("{}/w", server.uri())).push(&batch(&many)).await.unwrap();
    assert_eq!(bodies(&server).await.len(), 2);
}

#[tokio::test]
async fn a_file_without_the_series_of_a_process_which_its_collector_has_too() {
    use super::super::metrics::{family, gauge};
    use prometheus::proto::MetricType;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("opensoul.prom");
    let mut with = families(&[("a", 1.0)]);
    let mut start = family("process_start_time_seconds", "Start.", MetricType::GAUGE);
    start.set_metric(vec![gauge(Vec::new(), 1.0)]);
    with.push(start);
    let outlet = outlet(Way::Textfile(place.clone()));
    outlet.push(&Batch { families: Arc::new(with), ..batch(&[]) }).await.unwrap();
    let text = std::fs::read_to_string(&place).unwrap();
    assert!(text.contains("opensoul_x") && !text.contains("process_"), "{text}");
    outlet.forget("box").await.unwrap();
    assert!(!place.exists());
}

#[test]
fn what_is_left_at_the_same_place_is_the_same() {
    let file = |name: &str| outlet(Way::Textfile(name.into()));
    assert!(file("/a.prom").trace("x") == file("/a.prom").trace("y"));
    assert!(file("/a.prom").trace("x") != file("/b.prom").trace("x"));
    let gateway = http(Protocol::Pushgateway, "https://a.org");
    assert!(gateway.trace("x") == http(Protocol::Pushgateway, "https://a.org").trace("x"));
    assert!(gateway.trace("x") != gateway.trace("y"), "the group of another machine");
    assert!(http(Protocol::Otlp, "https://a.org").trace("x").is_none());
}
