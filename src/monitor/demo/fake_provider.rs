//! A provider for one machine and one minute: answers the question for its models as the real ones do, so that the demonstration
//! shows an accepted and a refused key without asking anybody.

use std::io;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use crate::config::Listen;
use crate::web::{Door, serve};

/// The key that it refuses.
pub const REFUSED: &str = "demo-api-key-that-was-deleted";

/// Serves on a port of loopback that the system chooses, until `stop`; its base URL.
///
/// # Errors
/// If no port can be had.
pub async fn start(stop: CancellationToken) -> io::Result<String> {
    let door = Door::open(&Listen::Tcp(([127, 0, 0, 1], 0).into())).await?;
    let url = door.url();
    tokio::spawn(serve(door, Router::new().fallback(answer), stop));
    Ok(url)
}

async fn answer(headers: HeaderMap) -> Response {
    let carries = |key: &str| headers.values().any(|value| value.to_str().is_ok_and(|value| value.contains(key)));
    let json = [(header::CONTENT_TYPE, "application/json")];
    if carries(REFUSED) {
        let body = r#"{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
        return (StatusCode::UNAUTHORIZED, json, body).into_response();
    }
    (StatusCode::OK, json, r#"{"object":"list","data":[{"id":"demo-model","object":"model"}]}"#).into_response()
}
