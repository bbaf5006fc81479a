//! Which addresses may be spoken to (DESIGN §5.6): link-local and metadata addresses are refused after resolution, so that
//! no URL, whoever wrote it, makes us hand a key to a cloud's metadata service. Which these are: [`config::address`].
//!
//! [`config::address`]: crate::config::address

use std::io;
use std::net::SocketAddr;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::address::is_forbidden;
use crate::config::values;

/// A URL that a request may go to: https, or http on loopback or if `insecure`; no login inside; no forbidden address.
/// Names are judged when they are resolved.
///
/// # Errors
/// What is wrong; never a part of the URL.
pub fn url(text: &str, insecure: bool) -> Result<Url, String> {
    values::http_url(text, insecure).map_err(|(what, fix)| format!("the URL {what}: {fix}"))
}

const REFUSED: &str = "a link-local or metadata address is never spoken to";

/// The addresses of a host that may be spoken to.
///
/// # Errors
/// The name does not resolve, or only to addresses that are refused.
pub async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    if found.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| !is_forbidden(address.ip())).collect();
    if allowed.is_empty() { Err(io::Error::other(REFUSED)) } else { Ok(allowed) }
}

/// The system's resolver without the forbidden addresses, for HTTP clients.
pub(super) struct Guard;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0: the client puts in the one of the URL.
            let found = lookup(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_literal_addresses() {
        assert!(url("https://169.254.169.254/latest", true).is_err());
        // The URL standard reads this as 169.254.169.254.
        assert!(url("http://2852039166/", true).is_err());
        assert!(url("https://[fe80::1]/", true).is_err());
        assert!(url("http://127.0.0.1:1/", false).is_ok());
        assert!(url("http://10.0.0.1/", false).is_err());
        assert!(url("http://10.0.0.1/", true).is_ok());
    }

    #[tokio::test]
    async fn names_that_resolve_to_them_are_refused() {
        assert!(lookup("169.254.169.254", 80).await.is_err());
        assert!(lookup("localhost", 80).await.is_ok());
        assert!(Guard.resolve("localhost".parse().expect("name")).await.is_ok());
    }
}
