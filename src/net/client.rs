//! TLS trust and HTTP clients. Made when the first request is, because reading the system's certificates takes
//! milliseconds and an idle monitor should be small.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Client, Response, Url};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::address::Guard;
use crate::config::values::is_loopback;
use crate::domain::{Environment, Secret};

/// What our requests call themselves.
pub const USER_AGENT: &str = concat!("opensoul/", env!("CARGO_PKG_VERSION"));

/// A whole request takes at most this long, unless it sets a limit of its own.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Whom we trust to name servers.
pub enum Roots {
    /// The system's certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`; each one can be used.
    System(Vec<CertificateDer<'static>>),
    /// This machine has none (a bare container): Mozilla's list, built in.
    BuiltIn,
}

/// The way to our own monitor on this machine: an address of loopback or a socket, never a proxy, never TLS.
pub struct Local {
    client: Client,
    base: String,
}

/// A monitor that is there answers sooner.
const PATIENCE: Duration = Duration::from_secs(20);

impl Local {
    /// Over an address.
    ///
    /// # Errors
    /// If there is no client to be had.
    pub fn tcp(address: std::net::SocketAddr) -> Result<Self, String> {
        Self::new(format!("http://{address}"), None)
    }

    /// Over a socket.
    ///
    /// # Errors
    /// If there is no client to be had.
    pub fn unix(socket: &std::path::Path) -> Result<Self, String> {
        Self::new("http://localhost".to_owned(), Some(socket))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place where clients come from")]
    fn new(base: String, socket: Option<&std::path::Path>) -> Result<Self, String> {
        // It speaks no TLS, so nobody need be trusted.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("no TLS: {error}"))?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(USER_AGENT)
            .timeout(PATIENCE);
        if let Some(socket) = socket {
            builder = builder.unix_socket(socket);
        }
        let client = builder.build().map_err(|error| format!("no HTTP client: {}", error.without_url()))?;
        Ok(Self { client, base })
    }

    /// Sends a JSON body with the monitor's token; gives the status and the text of the answer.
    ///
    /// # Errors
    /// Nobody answers there.
    pub async fn send(&self, method: &str, path: &str, token: &Secret, json: String) -> Result<(u16, String), String> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(token.expose().trim())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(json);
        let failed = |error: reqwest::Error| super::failure::of(error).1;
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(failed)?))
    }
}

/// Makes clients when they are first needed and keeps them.
pub struct Clients {
    file: Option<PathBuf>,
    directory: Option<PathBuf>,
    roots: OnceLock<Result<Roots, String>>,
    anchors: OnceLock<Result<Arc<RootCertStore>, String>>,
    remote: OnceLock<Result<Client, String>>,
    local: OnceLock<Result<Client, String>>,
}

impl Clients {
    /// Nothing is read yet. Of the environment, `SSL_CERT_FILE` and `SSL_CERT_DIR` count.
    #[must_use]
    pub fn new(env: &Environment) -> Arc<Self> {
        let path = |name| env.get(name).map(PathBuf::from);
        Arc::new(Self {
            file: path("SSL_CERT_FILE"),
            directory: path("SSL_CERT_DIR"),
            roots: OnceLock::new(),
            anchors: OnceLock::new(),
            remote: OnceLock::new(),
            local: OnceLock::new(),
        })
    }

    /// The client for a URL: no redirects, bounded in time, TLS by our own rules, forbidden addresses refused. Loopback is
    /// never reached through a proxy.
    ///
    /// # Errors
    /// `SSL_CERT_FILE` holds nothing usable.
    pub fn http(&self, url: &Url) -> Result<Client, String> {
        let local = url.host_str().is_some_and(is_loopback);
        let cell = if local { &self.local } else { &self.remote };
        cell.get_or_init(|| self.build(local)).clone()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place where clients come from")]
    fn build(&self, local: bool) -> Result<Client, String> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(self.tls()?)
            .dns_resolver(Arc::new(Guard))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(USER_AGENT)
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(15));
        if local {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| format!("no HTTP client: {}", error.without_url()))
    }

    /// Whom HTTP trusts. Of the certificates only what proves others by them is kept, a third of their size.
    fn anchors(&self) -> Result<Arc<RootCertStore>, String> {
        let load = || {
            let mut store = RootCertStore::empty();
            match self.load()? {
                Roots::System(certificates) => {
                    store.add_parsable_certificates(certificates);
                }
                Roots::BuiltIn => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            }
            Ok(Arc::new(store))
        };
        self.anchors.get_or_init(load).clone()
    }

    fn tls(&self) -> Result<rustls::ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("no TLS: {error}"))?
            .with_root_certificates(self.anchors()?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Whom we trust, for protocols that are not HTTP and want the certificates themselves.
    ///
    /// # Errors
    /// `SSL_CERT_FILE` holds nothing usable: silently trusting others instead would be wrong.
    pub fn roots(&self) -> Result<&Roots, String> {
        self.roots.get_or_init(|| self.load()).as_ref().map_err(Clone::clone)
    }

    fn load(&self) -> Result<Roots, String> {
        let chosen = self.file.is_some() || self.directory.is_some();
        let found = if chosen {
            rustls_native_certs::load_certs_from_paths(self.file.as_deref(), self.directory.as_deref())
        } else {
            rustls_native_certs::load_native_certs()
        };
        let mut probe = RootCertStore::empty();
        let usable: Vec<_> = found.certs.into_iter().filter(|der| probe.add(der.clone()).is_ok()).collect();
        match (usable.is_empty(), chosen) {
            (false, _) => Ok(Roots::System(usable)),
            (true, false) => Ok(Roots::BuiltIn),
            (true, true) => Err("SSL_CERT_FILE or SSL_CERT_DIR is set and holds no usable certificate".to_owned()),
        }
    }
}

/// The body of an answer, as text; at most `limit` bytes of it are read.
///
/// # Errors
/// The connection broke or timed out.
pub async fn body(response: Response, limit: usize) -> Result<String, reqwest::Error> {
    Ok(String::from_utf8_lossy(&bytes(response, limit).await?).into_owned())
}

/// The same as it came.
///
/// # Errors
/// The connection broke or timed out.
pub async fn bytes(mut response: Response, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        let Some(chunk) = response.chunk().await? else { break };
        bytes.extend_from_slice(&chunk[..chunk.len().min(limit - bytes.len())]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_chosen_but_empty_trust_store_is_an_error() {
        let clients = Clients::new(&env(&[("SSL_CERT_FILE", "/nonexistent/ca.pem")]));
        assert!(clients.roots().err().is_some_and(|text| text.contains("SSL_CERT_FILE")));
        assert!(clients.http(&Url::parse("https://example.org").expect("url")).is_err());
    }

    #[tokio::test]
    async fn redirects_are_not_followed_and_bodies_are_bounded() {
        let server = MockServer::start().await;
        let answer =
            ResponseTemplate::new(302).insert_header("location", "/elsewhere").set_body_string("x".repeat(5000));
        Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
        let url = Url::parse(&server.uri()).expect("url");
        let client = Clients::new(&env(&[])).http(&url).expect("client");
        let response = client.get(url).send().await.expect("answer");
        assert_eq!(response.status(), 302);
        assert_eq!(body(response, 1000).await.expect("body").len(), 1000);
        let asked = server.received_requests().await.expect("requests");
        assert_eq!(asked[0].headers.get("user-agent").and_then(|v| v.to_str().ok()), Some(USER_AGENT));
    }
}
