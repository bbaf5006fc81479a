//! An honest fake of the providers in our catalog: it answers each request by the key it carries, with the bodies that the
//! real ones send, and remembers what it was asked. Loopback, port 0.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub key: String,
}

/// A running fake; stops when dropped.
pub struct FakeProvider {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Asked>>>,
    known: Table,
    task: JoinHandle<()>,
}

/// Request and header with the key → what is answered.
type Table = Arc<Mutex<BTreeMap<String, Known>>>;

impl FakeProvider {
    /// The polite one: speaks HTTP, answers by key. Keys contain one of the words of [`answer`].
    pub async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let app = Router::new().fallback(handle).with_state(seen.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("serving") });
        Self { address, seen, known: Arc::default(), task }
    }

    /// The one that knows these requests and no others: method and path, the header with the key, and its answer. To any
    /// other key it says that it does not know it, and repeats it.
    pub async fn knowing(known: Vec<Known>) -> Self {
        let seen: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let known: Table = Arc::new(Mutex::new(known.into_iter().map(|one| (one.place(), one)).collect()));
        let shared = (known.clone(), seen.clone());
        let answer = move |request: Request| {
            let (known, seen) = shared.clone();
            async move {
                let asked = asked(&request);
                let place = format!("{} {}", asked.method, asked.path);
                let found = {
                    let known = known.lock().expect("no panic while held");
                    let in_path = known.get(&format!("{place} "));
                    let by_header = || {
                        let pairs = asked.headers.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
                        pairs.into_iter().find_map(|(name, value)| known.get(&format!("{place} {name}: {value}")))
                    };
                    in_path.or_else(by_header).cloned()
                };
                let key = asked.key.clone();
                seen.lock().expect("no panic while held").push(asked);
                match found {
                    Some(known) => known.response(),
                    None => unknown(&key),
                }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let app = Router::new().fallback(answer);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("serving") });
        Self { address, seen, known, task }
    }

    /// From now on it answers this request so.
    pub fn learn(&self, one: Known) {
        self.known.lock().expect("no panic while held").insert(one.place(), one);
    }

    /// The rude one: takes connections and does this with each.
    pub async fn rude(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(misbehave(stream, manner));
            }
        });
        Self { address, seen: Arc::default(), known: Arc::default(), task }
    }

    /// A base URL on which nobody listens: no other test is given this port.
    pub const ABSENT: &str = "http://127.0.0.1:9";

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything it was asked so far.
    pub fn seen(&self) -> Vec<Asked> {
        self.seen.lock().expect("no panic while held").clone()
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request and what it is answered.
#[derive(Clone, Debug)]
pub struct Known {
    /// Method and path with query.
    pub asks: String,
    /// `name: value` with the key; empty if the key is in the path.
    pub header: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Known {
    fn place(&self) -> String {
        format!("{} {}", self.asks, self.header)
    }

    fn response(self) -> Response {
        let mut response = json(self.status, &self.body);
        for (name, value) in self.headers {
            let name: axum::http::HeaderName = name.parse().expect("a header");
            response.headers_mut().insert(name, value.parse().expect("a header"));
        }
        response
    }
}

/// How a rude server behaves.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Reads the request and never answers.
    Silent,
    /// Closes without a word.
    Reset,
    /// Announces more than it sends.
    HalfBody,
    /// Sends 100 MB of JSON, as long as somebody reads.
    Flood,
    /// Is no web server.
    NotHttp,
    /// Sends headers as long as somebody reads.
    EndlessHeaders,
    /// Sends a byte now and then.
    Drip,
    /// Says gzip and sends what becomes 100 MB.
    GzipBomb,
    /// Is no text in any encoding.
    NotUtf8,
    /// Lists in lists in lists.
    DeepJson,
}

async fn misbehave(mut stream: TcpStream, manner: Manner) {
    let mut request = [0; 4096];
    match manner {
        // Closing with unread data resets the connection.
        Manner::Reset => return,
        _ => drop(stream.read(&mut request).await),
    }
    match manner {
        Manner::Silent => drop(stream.read(&mut request).await),
        Manner::HalfBody => {
            drop(stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 500\r\n\r\n{\"error\":").await)
        }
        Manner::NotHttp => drop(stream.write_all(b"220 mail.example.org ESMTP\r\n").await),
        Manner::Flood => {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n{\"data\":\"";
            let chunk = vec![b'x'; 1 << 16];
            if stream.write_all(head.as_bytes()).await.is_ok() {
                for _ in 0..1600 {
                    if stream.write_all(&chunk).await.is_err() {
                        return;
                    }
                }
            }
        }
        Manner::EndlessHeaders => {
            if stream.write_all(b"HTTP/1.1 200 OK\r\n").await.is_ok() {
                let line = format!("x-more: {}\r\n", "y".repeat(1000));
                // 100 MB, if anybody takes them.
                for _ in 0..100_000 {
                    if stream.write_all(line.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        }
        Manner::Drip => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
            if stream.write_all(head.as_bytes()).await.is_ok() {
                while stream.write_all(b"[").await.is_ok() {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        }
        Manner::GzipBomb => {
            // A deflate block that repeats one byte costs next to nothing: these are 100 kB that would become 100 MB.
            let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
            body.extend(std::iter::repeat_n(0x00, 100_000));
            drop(answer_with(&mut stream, "content-encoding: gzip\r\n", &body).await);
        }
        Manner::NotUtf8 => {
            let mut body = b"{\"data\":\"".to_vec();
            body.extend([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]);
            body.extend(b"\",\"error\":null}");
            drop(answer_with(&mut stream, "", &body).await);
        }
        Manner::DeepJson => {
            let mut body = b"{\"data\":".to_vec();
            body.extend(std::iter::repeat_n(b'[', 120_000));
            body.extend(std::iter::repeat_n(b']', 120_000));
            body.push(b'}');
            drop(answer_with(&mut stream, "", &body).await);
        }
        Manner::Reset => {}
    }
}

async fn answer_with(stream: &mut TcpStream, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await
}

async fn handle(State(seen): State<Arc<Mutex<Vec<Asked>>>>, request: Request) -> Response {
    let asked = asked(&request);
    let (key, path) = (asked.key.clone(), asked.path.clone());
    seen.lock().expect("no panic while held").push(asked);
    answer(&key, &path)
}

fn asked(request: &Request) -> Asked {
    let headers = request.headers().clone();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bearer = text("authorization").and_then(|value| value.split_once(' ').map(|(_, key)| key.to_owned()));
    let other = || ["x-api-key", "x-goog-api-key"].into_iter().find_map(text);
    let key = bearer.or_else(other).unwrap_or_default();
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    Asked { method: request.method().to_string(), path, headers, key }
}

fn json(status: u16, body: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_owned()).into_response()
}

fn answer(key: &str, path: &str) -> Response {
    let word = |word: &str| key.contains(word);
    if word("good") {
        good(path)
    } else if word("expired") {
        json(
            400,
            r#"{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
        )
    } else if word("revoked") {
        json(
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"OAuth token has been revoked. Please obtain a new token."}}"#,
        )
    } else if word("broke") {
        json(
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
        )
    } else if word("quota") {
        json(
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
        )
    } else if word("limited") {
        json(429, r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":3600}}"#)
    } else if word("throttled") {
        let mut response = json(429, r#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#);
        response.headers_mut().insert(header::RETRY_AFTER, "120".parse().expect("a header"));
        response
    } else if word("scope") {
        json(
            403,
            r#"{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: api.model.read.","code":"missing_scope"}}"#,
        )
    } else if word("restricted") {
        json(
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"This credential is only authorized for use with Claude Code and cannot be used for other API requests."}}"#,
        )
    } else if word("overloaded") {
        json(529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#)
    } else if word("portal") {
        (StatusCode::OK, [(header::CONTENT_TYPE, "text/html")], "<html><title>Hotel WiFi: sign in</title></html>")
            .into_response()
    } else if word("moved") {
        (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")], "").into_response()
    } else if word("gzip") {
        // `{"data":[]}` compressed, although nobody said that it may be.
        let bytes: &[u8] = &[
            0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56, 0x4a, 0x49, 0x2c, 0x49, 0x54, 0xb2, 0x8a, 0x8e, 0xad, 5, 0,
            0x1d, 0x17, 0x8f, 0x9e, 0x0b, 0, 0, 0,
        ];
        (StatusCode::OK, [(header::CONTENT_ENCODING, "gzip")], Body::from(bytes)).into_response()
    } else if word("skewed") {
        let mut response = good(path);
        response.headers_mut().insert(header::DATE, "Sun, 22 Nov 2026 13:00:00 GMT".parse().expect("a header"));
        response
    } else {
        unknown(key)
    }
}

/// The whole key comes back, as some proxies do it.
fn unknown(key: &str) -> Response {
    let body = serde_json::json!({"error": {"message": format!("Incorrect API key provided: {key}."), "code": "invalid_api_key", "param": key}});
    json(401, &body.to_string())
}

/// What a provider answers to a genuine key.
fn good(path: &str) -> Response {
    let body = match path.split('?').next().unwrap_or_default() {
        "/v1/models" | "/models" | "/v1/models/" => r#"{"object":"list","data":[{"id":"a-model"}]}"#,
        "/v1beta/models" => r#"{"models":[{"name":"models/gemini"}]}"#,
        "/users/me/balance" => r#"{"code":0,"data":{"available_balance":49.5},"status":true}"#,
        "/chat/completions" => r#"{"id":"c","choices":[{"message":{"content":"."}}]}"#,
        "/v1/messages" => r#"{"id":"m","content":[{"type":"text","text":"."}]}"#,
        _ => return json(404, r#"{"error":{"message":"Not found"}}"#),
    };
    json(200, body)
}
