use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::super::page::tests::{credential, view};
use super::super::serve::{Door, serve};
use super::*;
use crate::clock::ManualClock;
use crate::config::Listen;
use crate::domain::{Severity, State as CredentialState};

struct Running {
    address: String,
    site: Arc<Site>,
    reloads: mpsc::Receiver<Reload>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn start() -> Running {
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let (sender, reloads) = mpsc::channel(1);
    let own = Arc::new(Own::new(now));
    let token = Some(Secret::new("the-token".into()));
    let site = Arc::new(Site::new(Arc::new(ManualClock::at(now)), own, token, sender));
    let door = Door::open(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let address = door.url().replace("http://", "");
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(door, router(Arc::clone(&site)), stop.clone()));
    Running { address, site, reloads, stop, task }
}

impl Running {
    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.replace("HOST", &self.address).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")).await
    }

    fn publish(&self) {
        self.site.publish(view(vec![credential("claude-code:default", CredentialState::Expiring, Severity::Warning)]));
    }
}

#[tokio::test]
async fn before_the_first_cycle_only_health_and_counters_answer() {
    let web = start().await;
    assert!(web.get("/-/healthy").await.starts_with("HTTP/1.1 200"));
    assert!(web.get("/-/ready").await.starts_with("HTTP/1.1 503"));
    assert!(web.get("/").await.starts_with("HTTP/1.1 503"));
    let metrics = web.get("/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("opensoul_build_info"));
    assert!(!metrics.contains("opensoul_x"));
}

#[tokio::test]
async fn after_it_everything_does() {
    let web = start().await;
    web.publish();
    assert!(web.get("/-/ready").await.starts_with("HTTP/1.1 200"));
    let page = web.get("/").await;
    assert!(page.contains("content-type: text/html; charset=utf-8"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'; style-src 'self'"), "{page}");
    assert!(page.contains("x-content-type-options: nosniff"), "{page}");
    assert!(page.contains("claude-code:default is expiring"), "{page}");
    let metrics = web.get("/metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{metrics}");
    assert!(metrics.contains("opensoul_x 1\n") && metrics.contains("opensoul_alerts{"), "{metrics}");
    let status = web.get("/api/v1/status").await;
    assert!(status.contains("content-type: application/json") && status.contains("opensoul.status/v1"), "{status}");
    assert!(web.get("/style.css").await.contains("content-type: text/css"));
}

#[tokio::test]
async fn other_methods_and_paths() {
    let web = start().await;
    web.publish();
    let head = web.ask("HEAD / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(web.get("/nothing").await.starts_with("HTTP/1.1 404"));
    let put = web.ask("PUT /metrics HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    assert!(put.starts_with("HTTP/1.1 405") && put.contains("allow: GET,HEAD"), "{put}");
    assert!(web.get("/-/reload").await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let web = start().await;
    web.publish();
    let ask = |host: &str| format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    assert!(web.ask(&ask("evil.example")).await.starts_with("HTTP/1.1 403"));
    assert!(web.ask(&ask("localhost:1")).await.starts_with("HTTP/1.1 200"));
    assert!(
        web.ask("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 403")
    );
    assert!(web.ask("GET / HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 400"));
    web.site.allow_hosts(vec!["box.example".into()]);
    assert!(web.ask(&ask("box.example")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn reload_needs_token_type_and_origin() {
    let mut web = start().await;
    let post = |headers: &str| {
        format!("POST /-/reload HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n")
    };
    let token = "Authorization: Bearer the-token\r\n";
    let json = "Content-Type: application/json\r\n";
    for (headers, code) in [
        (String::new(), 401),
        ("Authorization: Bearer wrong\r\n".to_owned() + json, 401),
        (token.to_owned(), 415),
        (token.to_owned() + "Content-Type: text/plain\r\n", 415),
        (format!("{token}{json}Origin: http://evil.example\r\n"), 403),
        (format!("{token}{json}Origin: null\r\n"), 403),
    ] {
        let answer = web.ask(&post(&headers)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{headers:?}: {answer}");
        assert!(web.reloads.try_recv().is_err(), "nothing may have happened");
    }
    for result in [Ok("Read again.".to_owned()), Err("line 3: no such key".to_owned())] {
        let request = post(&format!("{token}{json}Origin: http://{}\r\n", web.address));
        let expected = if result.is_ok() { "HTTP/1.1 200" } else { "HTTP/1.1 422" };
        let asking = {
            let address = web.address.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(&address).await.unwrap();
                stream.write_all(request.replace("HOST", &address).as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                answer
            })
        };
        web.reloads.recv().await.unwrap().send(result).unwrap();
        let answer = asking.await.unwrap();
        assert!(answer.starts_with(expected), "{answer}");
    }
}

#[tokio::test]
async fn it_stops_although_a_connection_stays_open() {
    let web = start().await;
    let _idle = TcpStream::connect(&web.address).await.unwrap();
    web.stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), web.task).await.expect("in time").unwrap();
}

#[tokio::test]
async fn a_unix_socket_works_too_and_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/web.sock");
    let listen = Listen::Unix(path.clone());
    let web = start().await;
    web.publish();
    let door = Door::open(&listen).await.unwrap();
    assert!(Door::open(&listen).await.is_err(), "it is in use");
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(door, router(Arc::clone(&web.site)), stop.clone()));
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));
    stop.cancel();
    task.await.unwrap();
    assert!(!path.exists());
}

/// Answers as the store would, and remembers what was wanted.
#[derive(Default)]
struct FakeClerk {
    wanted: std::sync::Mutex<Vec<(crate::domain::Action, String)>>,
}

#[async_trait::async_trait]
impl Clerk for FakeClerk {
    async fn act(
        &self,
        action: crate::domain::Action,
        by: String,
    ) -> Result<crate::domain::Acted, crate::store::ActionError> {
        use crate::domain::{Acted, Action, Refused};
        let answer = match &action {
            Action::Ack { incident, .. } if incident == "none" => {
                Err(Refused::Unknown { what: "open incident", id: incident.clone() }.into())
            }
            _ => Ok(Acted::Messages(vec![])),
        };
        self.wanted.lock().unwrap().push((action, by));
        answer
    }

    async fn act_from_afar(
        &self,
        action: crate::domain::Action,
        by: String,
    ) -> Result<crate::domain::Acted, crate::store::ActionError> {
        self.act(action, format!("{by}, from afar")).await
    }

    async fn alerts(
        &self,
    ) -> Result<(Vec<crate::domain::Incident>, Vec<crate::domain::Silence>), crate::store::ActionError> {
        Ok((vec![], vec![]))
    }

    async fn outbox(&self) -> Result<Vec<output::alerts::Message>, crate::store::ActionError> {
        Ok(vec![])
    }
}

#[tokio::test]
async fn alerts_are_read_freely_and_written_with_the_token() {
    let web = start().await;
    let clerk = Arc::new(FakeClerk::default());
    assert!(web.get("/api/v1/incidents").await.starts_with("HTTP/1.1 503"));
    web.publish();
    web.site.staff(Arc::clone(&clerk) as Arc<dyn Clerk>);
    for (path, schema) in
        [("incidents", "opensoul.alerts/v1"), ("silences", "opensoul.silences/v1"), ("outbox", "opensoul.outbox/v1")]
    {
        let answer = web.get(&format!("/api/v1/{path}")).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(schema), "{answer}");
        assert!(answer.contains("content-type: application/json"), "{answer}");
    }
    let send = |method: &str, path: &str, headers: &str, body: &str| {
        let length = body.len();
        format!(
            "{method} /api/v1/{path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
    };
    let token = "Authorization: Bearer the-token\r\n";
    let good = format!("{token}Content-Type: application/json\r\n");
    for (method, path) in [
        ("POST", "incidents/ab/ack"),
        ("POST", "incidents/ab/unack"),
        ("POST", "incidents/ab/snooze"),
        ("POST", "silences"),
        ("DELETE", "silences/ab"),
        ("POST", "outbox/retry"),
        ("POST", "outbox/drop"),
    ] {
        for (headers, code) in [
            (String::new(), 401),
            (token.to_owned(), 415),
            (format!("{good}Origin: http://evil.example\r\n"), 403),
            (format!("Authorization: Bearer wrong\r\n{}", "Content-Type: application/json\r\n"), 401),
        ] {
            let answer = web.ask(&send(method, path, &headers, "{}")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{path} {headers:?}: {answer}");
        }
    }
    assert!(clerk.wanted.lock().unwrap().is_empty(), "nothing may have happened");

    let acked =
        web.ask(&send("POST", "incidents/ab/ack", &good, r#"{"for":"2h","comment":"on it","author":"ann"}"#)).await;
    assert!(acked.starts_with("HTTP/1.1 200"), "{acked}");
    let silence = r#"{"matchers":["provider=anthropic"],"until":"2026-11-23","comment":"c"}"#;
    assert!(web.ask(&send("POST", "silences", &good, silence)).await.starts_with("HTTP/1.1 200"));
    assert!(web.ask(&send("DELETE", "silences/ab", &good, "")).await.starts_with("HTTP/1.1 200"));
    {
        use crate::domain::Action;
        let wanted = clerk.wanted.lock().unwrap();
        let until: Time = "2026-11-22T14:00:00Z".parse().unwrap();
        let comment = Some("on it".to_owned());
        assert_eq!(
            wanted[0],
            (Action::Ack { incident: "ab".to_owned(), until: Some(until), snooze: false, comment }, "ann".to_owned())
        );
        let Action::Silence { ends_at, .. } = &wanted[1].0 else { panic!("a silence") };
        assert_eq!(ends_at.to_rfc3339(), "2026-11-22T16:00:00+00:00", "the start of that day in the zone");
        assert_eq!(wanted[2], (Action::Unsilence { silence: "ab".to_owned() }, "api".to_owned()));
    }
    for (path, body, code) in [
        ("incidents/none/ack", "{}", 404),
        ("incidents/ab/ack", "{", 400),
        ("incidents/ab/ack", r#"{"fro":"2h"}"#, 400),
        ("incidents/ab/ack", r#"{"for":"soon"}"#, 422),
        ("incidents/ab/ack", r#"{"for":"2h","until":"2027-01-01"}"#, 422),
        ("silences", r#"{"matchers":["provider=anthropic"],"comment":"c"}"#, 422),
        ("silences", r#"{"matchers":["nonsense"],"for":"2h","comment":"c"}"#, 422),
    ] {
        let answer = web.ask(&send("POST", path, &good, body)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{path} {body}: {answer}");
    }
    let huge = format!("{{\"comment\":\"{}\"}}", "x".repeat(70_000));
    assert!(web.ask(&send("POST", "incidents/ab/ack", &good, &huge)).await.starts_with("HTTP/1.1 413"));
}
