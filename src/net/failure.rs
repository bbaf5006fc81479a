//! Why a request failed, as a reason and in words, without its URL (which may hold a token).

use std::error::Error;

use crate::domain::FailureReason;

/// The class of a failed request, and the innermost cause in words.
#[must_use]
pub fn of(error: reqwest::Error) -> (FailureReason, String) {
    let error = error.without_url();
    let reason = if error.is_timeout() {
        FailureReason::Timeout
    } else if error.is_dns() {
        FailureReason::Dns
    } else if chain(&error).any(is_tls) {
        FailureReason::Tls
    } else if error.is_builder() {
        FailureReason::Config
    } else if error.is_decode() {
        FailureReason::Parse
    } else {
        FailureReason::Offline
    };
    // The outer layers only repeat each other: "error sending request: client error (Connect): …".
    let cause = chain(&error).last().map_or_else(|| error.to_string(), ToString::to_string);
    let words = if reason == FailureReason::Timeout {
        "no answer in time".to_owned()
    } else {
        super::redact::words(&cause, &[], 200)
    };
    (reason, words)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// An I/O error may hold another error that its `source` jumps over.
pub(crate) fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || inner.is_some_and(|inner| is_tls(inner))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::Url;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::domain::Environment;
    use crate::net::Clients;

    const SHORT: Duration = Duration::from_millis(300);
    /// Whoever answers may be held up.
    const LONG: Duration = Duration::from_secs(60);

    async fn failure(url: &str, patience: Duration) -> (FailureReason, String) {
        let url = Url::parse(url).expect("url");
        let client = Clients::new(&Environment::default()).http(&url).expect("client");
        let error = client.get(url).timeout(patience).send().await.expect_err("failure");
        of(error)
    }

    #[tokio::test]
    async fn each_failure_has_its_reason_and_hides_the_url() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let silent = listener.local_addr().expect("address");
        let rude = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let rude_address = rude.local_addr().expect("address");
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = rude.accept().await {
                let _ = stream.write_all(b"220 not tls and not http\r\n").await;
            }
        });
        for (url, patience, reason) in [
            (format!("http://{silent}/token-4711"), SHORT, FailureReason::Timeout),
            // No other test is given this port.
            ("http://127.0.0.1:9/token-4711".to_owned(), LONG, FailureReason::Offline),
            (format!("https://{rude_address}/token-4711"), LONG, FailureReason::Tls),
        ] {
            let (found, words) = failure(&url, patience).await;
            assert_eq!(found, reason, "{url}: {words}");
            assert!(!words.contains("4711") && !words.is_empty(), "{words}");
        }
        server.abort();
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist() {
        // Reserved for this by RFC 2606; needs no network to fail.
        let (reason, words) = failure("http://nothing.invalid/", SHORT).await;
        assert!(matches!(reason, FailureReason::Dns | FailureReason::Timeout), "{words}");
    }
}
