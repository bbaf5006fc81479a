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
    assert!(
        page.contains("content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'"),
        "{page}"
    );
    assert!(!page.contains("unsafe-"), "{page}");
    assert!(page.contains("x-content-type-options: nosniff"), "{page}");
    assert!(page.contains("Something needs you soon") && page.contains("claude-code:default"), "{page}");
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
    // Sooner than an idle connection ends by itself.
    tokio::time::timeout(Duration::from_secs(20), web.task).await.expect("in time").unwrap();
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
    wanted: Mutex<Vec<(crate::domain::Action, String)>>,
}

#[async_trait::async_trait]
impl Clerk for FakeClerk {
    async fn act(&self, action: crate::domain::Action, by: String) -> Result<Acted, crate::store::ActionError> {
        use crate::domain::{Action, Refused};
        let answer = match &action {
            Action::Ack { incident, .. } if incident == "none" => {
                Err(Refused::Unknown { what: "open incident", id: incident.clone() }.into())
            }
            _ => Ok(Acted::Messages(vec![])),
        };
        self.wanted.lock().unwrap().push((action, by));
        answer
    }

    async fn look_at_link(
        &self,
        link: crate::domain::Link,
        _: crate::domain::LinkId,
    ) -> Result<crate::domain::Linked, crate::store::ActionError> {
        let one = |id: &IncidentId| crate::domain::LinkedIncident {
            title: format!("<b>{id}</b>"),
            severity: Severity::Critical,
            worse: false,
            taken: None,
        };
        Ok(crate::domain::Linked { open: link.incidents.iter().map(one).collect(), ..Default::default() })
    }

    async fn follow_link(
        &self,
        link: crate::domain::Link,
        id: crate::domain::LinkId,
        by: String,
    ) -> Result<crate::domain::Linked, crate::store::ActionError> {
        let action = crate::domain::Action::Unack { incident: id.0.clone() };
        self.wanted.lock().unwrap().push((action, by));
        Ok(crate::domain::Linked { acted: true, ..self.look_at_link(link, id).await? })
    }

    async fn alerts(
        &self,
    ) -> Result<(Vec<crate::domain::Incident>, Vec<crate::domain::Silence>), crate::store::ActionError> {
        Ok((vec![], vec![]))
    }

    async fn outbox(&self) -> Result<Vec<output::alerts::Message>, crate::store::ActionError> {
        Ok(vec![])
    }

    async fn pasts(
        &self,
        _: Vec<crate::domain::CredentialId>,
        _: Time,
    ) -> Result<crate::web::Pasts, crate::store::ActionError> {
        Ok(crate::web::Pasts::new())
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
        ("POST", "receivers/enable"),
        ("POST", "chat"),
    ] {
        let documented = path.replace("/ab", "/{id}");
        assert!(
            include_str!("../../docs/openapi.json").contains(&format!("\"/api/v1/{documented}\"")),
            "{path} is not in docs/openapi.json"
        );
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

fn link(key: &LinkKey, lang: crate::domain::Lang, snooze: bool) -> String {
    let link = crate::domain::Link {
        incidents: vec![IncidentId::of("A", "x", "box")],
        snooze,
        lasts: crate::engine::links::ACK,
        expires: "2026-11-23T12:00:00Z".parse().unwrap(),
        receiver: "phone".to_owned(),
        public: false,
        lang,
        critical: true,
    };
    format!("/link/{}", key.sign(&link).unwrap())
}

#[tokio::test]
async fn a_link_shows_on_get_and_acts_on_post() {
    use crate::domain::Lang;
    let web = start().await;
    let clerk = Arc::new(FakeClerk::default());
    web.publish();
    web.site.staff(Arc::clone(&clerk) as Arc<dyn Clerk>);
    let key = Arc::new(LinkKey::new(&[1; 32]));
    let path = link(&key, Lang::English, false);
    assert!(web.get(&path).await.starts_with("HTTP/1.1 404"), "there are no links");
    web.site.follow_links(Some((Arc::clone(&key), "monitor.example.org".to_owned())));

    let shown = web.get(&path).await;
    assert!(shown.starts_with("HTTP/1.1 200") && shown.contains("Acknowledge this?"), "{shown}");
    assert!(shown.contains("form-action 'self'") && shown.contains("<form method=\"post\">"), "{shown}");
    assert!(shown.contains("cache-control: no-store") && shown.contains("referrer-policy: same-origin"), "{shown}");
    assert!(shown.contains("&lt;b&gt;") && !shown.contains("<b>") && !shown.contains("<script"), "{shown}");
    let head = web.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(clerk.wanted.lock().unwrap().is_empty(), "looking changes nothing");

    let post = |host: &str, path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Origin: null\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let done = web.ask(&post("monitor.example.org", &path, "name=ann")).await;
    assert!(done.starts_with("HTTP/1.1 200") && done.contains("<h1>Acknowledged</h1>"), "{done}");
    assert_eq!(clerk.wanted.lock().unwrap()[0].1, "ann (a link sent to phone)");
    let chinese = web.get(&link(&key, Lang::Chinese, true)).await;
    for part in ["<html lang=\"zh-CN\">", "稍后再提醒？", "您的姓名（可不填）", "2026-11-23 20:00 CST 之前不再提醒"]
    {
        assert!(chinese.contains(part), "{part}: {chinese}");
    }

    // Nothing else of this machine is shown under the name of the links.
    for (path, code) in [("/", 404), ("/metrics", 404), ("/api/v1/status", 404), ("/style.css", 200), (&*path, 200)] {
        let answer =
            web.ask(&format!("GET {path} HTTP/1.1\r\nHost: monitor.example.org\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{path}: {answer}");
    }
    let foreign = LinkKey::new(&[2; 32]);
    for bad in [link(&foreign, Lang::English, false), format!("{path}A"), "/link/x".to_owned()] {
        let answer = web.ask(&post("HOST", &bad, "")).await;
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("no link of this monitor"), "{bad}: {answer}");
    }
    assert!(web.ask(&post("evil.example", &path, "")).await.starts_with("HTTP/1.1 403"));
    assert!(web.ask(&post("HOST", &path, &"x".repeat(5000))).await.starts_with("HTTP/1.1 413"));
    assert_eq!(clerk.wanted.lock().unwrap().len(), 1);

    let mut last = String::new();
    for _ in 0..70 {
        last = web.get(&path).await;
    }
    assert!(last.starts_with("HTTP/1.1 429") && last.contains("retry-after: 60"), "{last}");
}

#[tokio::test]
async fn a_link_of_yesterday_is_of_no_use() {
    use crate::domain::Lang;
    let web = start().await;
    web.publish();
    web.site.staff(Arc::new(FakeClerk::default()) as Arc<dyn Clerk>);
    let key = Arc::new(LinkKey::new(&[1; 32]));
    web.site.follow_links(Some((Arc::clone(&key), "monitor.example.org".to_owned())));
    let old = crate::domain::Link {
        incidents: Vec::new(),
        snooze: false,
        lasts: crate::engine::links::ACK,
        expires: "2026-11-22T12:00:00Z".parse().unwrap(),
        receiver: "phone".to_owned(),
        public: false,
        lang: Lang::English,
        critical: true,
    };
    let answer = web.get(&format!("/link/{}", key.sign(&old).unwrap())).await;
    assert!(answer.starts_with("HTTP/1.1 410") && answer.contains("This link has expired"), "{answer}");
}

fn cookie(answer: &str) -> String {
    let line = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    assert!(line.contains("HttpOnly") && line.contains("SameSite=Strict"), "{line}");
    line.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn forms_need_session_origin_and_their_own_code() {
    let web = start().await;
    let clerk = Arc::new(FakeClerk::default());
    web.publish();
    web.site.staff(Arc::clone(&clerk) as Arc<dyn Clerk>);
    let own = format!("Origin: http://{}\r\n", web.address);
    let send = |path: &str, headers: &str, body: &str| {
        let (length, kind) = (body.len(), "Content-Type: application/x-www-form-urlencoded");
        format!(
            "POST {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n{kind}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
    };
    // Logging in: with the token, from a page of ours.
    for (headers, body, code) in [
        (own.as_str(), "token=wrong", 401),
        (own.as_str(), "token=", 401),
        (own.as_str(), "nothing=x", 422),
        ("", "token=the-token", 403),
        ("Origin: null\r\n", "token=the-token", 403),
        ("Origin: http://127.0.0.1:1\r\n", "token=the-token", 403),
    ] {
        let answer = web.ask(&send("/login", headers, body)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{headers:?} {body}: {answer}");
        assert!(!answer.contains("opensoul_session") && !answer.contains("the-token"), "{answer}");
    }
    let answer = web.ask(&send("/login", &own, "token=the-token&name=ann")).await;
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: /?done=in"), "{answer}");
    let mine = format!("{own}Cookie: {}\r\n", cookie(&answer));
    let page = web.ask(&format!("GET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n{mine}\r\n")).await;
    assert!(page.contains(">ann<") && page.contains("action=\"/logout\""), "{page}");
    let code = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    // A form: with the cookie, the code, and from here.
    let body = format!("csrf={code}&action=ack&for=2h&comment=on+it");
    let foreign = mine.replace(&own, "Origin: http://evil.example\r\n");
    let originless = mine.replace(&own, "");
    for (headers, body, code) in [
        (&own, &body, 403),
        (&foreign, &body, 403),
        (&originless, &body, 403),
        (&mine, &"csrf=00&action=ack".to_owned(), 403),
        (&mine, &"action=ack".to_owned(), 422),
        (&mine, &format!("csrf={code}&action=ack&for=soon"), 422),
        (&mine, &format!("csrf={code}&action=explode"), 422),
    ] {
        let answer = web.ask(&send("/incidents/ab", headers, body)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{headers:?} {body}: {answer}");
    }
    assert!(clerk.wanted.lock().unwrap().is_empty(), "nothing may have happened");
    let done = web.ask(&send("/incidents/ab", &mine, &body)).await;
    assert!(done.starts_with("HTTP/1.1 303") && done.contains("location: /?done=ack#i-ab"), "{done}");
    let unknown = web.ask(&send("/incidents/none", &mine, &body)).await;
    assert!(unknown.starts_with("HTTP/1.1 404") && unknown.contains("there is no open incident"), "{unknown}");
    {
        use crate::domain::Action;
        let until = Some("2026-11-22T14:00:00Z".parse().unwrap());
        let wanted = clerk.wanted.lock().unwrap();
        let comment = Some("on it".to_owned());
        let ack = Action::Ack { incident: "ab".into(), until, snooze: false, comment };
        assert_eq!(wanted[0], (ack, "ann".to_owned()));
    }

    // The end of the session is the end of its forms.
    let out = web.ask(&send("/logout", &mine, &format!("csrf={code}"))).await;
    assert!(out.starts_with("HTTP/1.1 303") && cookie(&out).ends_with('='), "{out}");
    assert!(web.ask(&send("/incidents/ab", &mine, &body)).await.starts_with("HTTP/1.1 403"));
    assert_eq!(clerk.wanted.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_page_is_told_when_there_is_something_new() {
    let web = start().await;
    web.publish();
    let mut stream = TcpStream::connect(&web.address).await.unwrap();
    let ask = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", web.address);
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let mut read = async |until: &str| {
        while !seen.contains(until) {
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    read("text/event-stream").await;
    read("\r\n\r\n").await;
    web.publish();
    read("event: change\ndata: 2\n\n").await;
    // An endless answer does not hold the end up: it is brought to one, with the last chunk.
    web.stop.cancel();
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, read("\n\n\r\n0\r\n\r\n")).await.expect("in time");
    tokio::time::timeout(limit, web.task).await.expect("in time").unwrap();
}

#[tokio::test]
async fn calendar_and_badges_have_tokens_of_their_own() {
    let web = start().await;
    web.publish();
    let first = web.get("/calendar.ics?token=cal").await;
    assert!(first.starts_with("HTTP/1.1 401"), "nobody has one yet: {first}");
    let secret = |text: &str| Secret::new(text.to_owned());
    web.site.hand_out(Passes { calendar: secret("cal"), badge: secret("bad") });
    let badge = "/badge/claude-code:default.svg";
    for (path, code) in [
        ("/calendar.ics", 401),
        ("/calendar.ics?token=", 401),
        ("/calendar.ics?token=bad", 401),
        ("/calendar.ics?token=the-token", 401),
        ("/calendar.ics?token=cal", 200),
        (badge, 401),
        ("/badge/claude-code:default.svg?token=cal", 401),
        ("/badge/claude-code:default.svg?token=bad", 200),
        ("/badge/no/such%23one.svg?token=bad", 404),
        ("/badge/claude-code:default?token=bad", 404),
    ] {
        let answer = web.get(path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{path}: {answer}");
    }
    let calendar = web.get("/calendar.ics?token=cal").await;
    assert!(calendar.contains("content-type: text/calendar; charset=utf-8"), "{calendar}");
    assert!(calendar.contains("DTSTART:20261124T150000Z\r\n") && calendar.contains("TRIGGER:-P"), "{calendar}");
    assert!(calendar.contains("SUMMARY:claude-code:default ends\r\n") && !calendar.contains("/home/me"), "{calendar}");
    assert!(web.get("/calendar.ics?token=cal&lang=zh").await.contains("SUMMARY:claude-code:default 到期"));
    let svg = web.get("/badge/claude-code:default.svg?token=bad").await;
    assert!(svg.contains("claude-code:default: expiring") && svg.contains("resource-policy: cross-origin"), "{svg}");
    let by_header =
        "GET /calendar.ics HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nAuthorization: Bearer cal\r\n\r\n";
    assert!(web.ask(by_header).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn languages_and_one_credential() {
    let web = start().await;
    web.publish();
    let get = async |path: &str, more: &str| {
        web.ask(&format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n{more}\r\n")).await
    };
    assert!(get("/", "Accept-Language: zh-CN,zh;q=0.9\r\n").await.contains("<html lang=\"zh-CN\">"));
    let chosen = get("/?lang=zh", "Accept-Language: en\r\n").await;
    assert!(chosen.contains("近期需要处理") && cookie(&chosen) == "opensoul_lang=zh-CN", "{chosen}");
    assert!(get("/", "Cookie: opensoul_lang=zh-CN\r\n").await.contains("近期需要处理"));
    let one = get("/credential?id=claude-code:default", "").await;
    assert!(one.starts_with("HTTP/1.1 200") && one.contains("<h1>claude-code:default</h1>"), "{one}");
    assert!(get("/credential?id=no", "").await.starts_with("HTTP/1.1 404"));
    assert!(get("/credential", "").await.starts_with("HTTP/1.1 404"));
    for (path, kind) in [("/script.js", "text/javascript"), ("/icon.svg", "image/svg+xml"), ("/login", "text/html")] {
        let answer = get(path, "").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&format!("content-type: {kind}")), "{answer}");
    }
}

#[tokio::test]
async fn a_link_needs_no_password_where_everything_else_does() {
    let web = start().await;
    web.publish();
    web.site.staff(Arc::new(FakeClerk::default()) as Arc<dyn Clerk>);
    let key = Arc::new(LinkKey::new(&[1; 32]));
    // The name of the links is a name of the page too.
    web.site.allow_hosts(vec!["monitor.example.org".to_owned()]);
    web.site.follow_links(Some((Arc::clone(&key), "monitor.example.org".to_owned())));
    let listen = Listen::Tcp("192.0.2.1:443".parse().unwrap());
    let settings =
        crate::config::Web { enabled: true, listen, allowed_hosts: vec![], file: None, insecure: true, tls: false };
    web.site.guarded_by(Arc::new(Access::open(&settings).unwrap()));
    let path = link(&key, crate::domain::Lang::English, false);
    for (method, path, code) in [("GET", "/metrics", 401), ("GET", &path, 200), ("POST", &path, 200)] {
        let answer = web
            .ask(&format!(
                "{method} {path} HTTP/1.1\r\nHost: monitor.example.org\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            ))
            .await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{method} {path}: {answer}");
    }
}
