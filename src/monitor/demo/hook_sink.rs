//! A webhook receiver for one machine and one minute: takes our messages on loopback, checks their signature and shows them.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Listen;
use crate::web::{Door, serve};

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// `firing` or `resolved`.
    pub status: String,
    /// One line for each alert.
    pub alerts: Vec<String>,
    /// The signature is that of our secret.
    pub signed: bool,
}

struct Sink {
    hooks: mpsc::Sender<Hook>,
    key: hmac::Key,
}

/// The key inside a secret as Standard Webhooks writes them.
#[must_use]
pub fn key(secret: &str) -> Vec<u8> {
    STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap_or_default()
}

/// Serves on a port of loopback that the system chooses, until `stop`; the URL to post to.
///
/// # Errors
/// If no port can be had.
pub async fn start(key: &[u8], hooks: mpsc::Sender<Hook>, stop: CancellationToken) -> io::Result<String> {
    let door = Door::open(&Listen::Tcp(([127, 0, 0, 1], 0).into())).await?;
    let url = format!("{}/hook", door.url());
    let sink = Arc::new(Sink { hooks, key: hmac::Key::new(hmac::HMAC_SHA256, key) });
    let router = Router::new().route("/hook", post(take)).layer(DefaultBodyLimit::max(1024 * 1024)).with_state(sink);
    tokio::spawn(serve(door, router, stop));
    Ok(url)
}

async fn take(State(sink): State<Arc<Sink>>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    let Ok(message) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "this is not JSON");
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
    let alerts = message["alerts"].as_array().map_or(&[][..], Vec::as_slice);
    let hook = Hook {
        status: text(&message["status"]),
        alerts: alerts
            .iter()
            .map(|alert| {
                let (name, severity) = (&alert["labels"]["alertname"], &alert["labels"]["severity"]);
                let summary = text(&alert["annotations"]["summary"]);
                format!("{} {}: {summary}", text(severity), text(name))
            })
            .collect(),
        signed: signed(&sink.key, &headers, &body),
    };
    let _ = sink.hooks.send(hook).await;
    (StatusCode::OK, "ok")
}

/// Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; any of several signatures counts.
fn signed(key: &hmac::Key, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(time), Some(signatures)) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
    else {
        return false;
    };
    let mut content = format!("{id}.{time}.").into_bytes();
    content.extend_from_slice(body);
    signatures
        .split(' ')
        .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
        .any(|tag| hmac::verify(key, &content, &tag).is_ok())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn post(url: &str, signature: &str, body: &str) -> String {
        let address = url.trim_start_matches("http://").trim_end_matches("/hook");
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "POST /hook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nwebhook-id: m1\r\nwebhook-timestamp: 1\r\n\
             webhook-signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_takes_a_message_and_knows_whose_it_is() {
        let (sender, mut hooks) = mpsc::channel(4);
        let url = start(b"key", sender, CancellationToken::new()).await.unwrap();
        let body = r#"{"status":"firing","alerts":[{"labels":{"alertname":"A","severity":"critical"},"annotations":{"summary":"s"}}]}"#;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"key"), format!("m1.1.{body}").as_bytes());
        let good = format!("v1,AAAA v1,{}", STANDARD.encode(tag));
        assert!(post(&url, &good, body).await.starts_with("HTTP/1.1 200"));
        let hook = hooks.recv().await.unwrap();
        assert_eq!(hook, Hook { status: "firing".into(), alerts: vec!["critical A: s".into()], signed: true });
        assert!(post(&url, "v1,AAAA", body).await.starts_with("HTTP/1.1 200"));
        assert!(!hooks.recv().await.unwrap().signed);
        assert!(post(&url, &good, "no").await.starts_with("HTTP/1.1 400"));
    }
}
