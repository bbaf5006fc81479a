//! One request: to an address by the rules of [`net::address`], with the key in a header that is never logged, its answer
//! read up to a limit.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use zeroize::Zeroizing;

use super::answer::Answer;
use super::catalog::{Auth, Method, Probe};
use super::classify::Failure;
use super::sigv4;
use crate::domain::{Secret, Time};
use crate::net::{self, Clients};

/// No answer of a probe is longer than this; what is longer is not read.
const BODY_MAX: usize = 256 * 1024;

/// A request, all but the secret.
pub struct Request {
    /// How it is made and how its answer is read.
    pub probe: Arc<Probe>,
    /// Where to; `{key}` still stands where a key in the path goes.
    pub url: Url,
    client: Client,
}

impl Request {
    /// A request to this base URL.
    ///
    /// # Errors
    /// Why nothing may be sent there; never a part of the URL.
    pub fn new(probe: Arc<Probe>, base: &str, insecure: bool, clients: &Clients) -> Result<Self, String> {
        let url = address(base, &probe.path, insecure)?;
        Ok(Self { probe, client: clients.http(&url)?, url })
    }

    /// The same at another path of the same server.
    #[must_use]
    pub fn elsewhere(&self, probe: Probe) -> Option<Self> {
        let base = self.url.as_str().strip_suffix(self.probe.path.as_str())?;
        let url = Url::parse(&format!("{base}{}", probe.path)).ok()?;
        Some(Self { probe: Arc::new(probe), url, client: self.client.clone() })
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Asks once; without a secret, to see whether the answer depends on one. What is signed is signed for `now`.
    ///
    /// # Errors
    /// There was no whole answer.
    pub async fn ask(&self, secret: Option<&Secret>, now: Time, timeout: Duration) -> Result<Answer, Failure> {
        let Self { probe, url, client } = self;
        let method = match probe.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut url = url.clone();
        let mut headers = Vec::new();
        if let Some(secret) = secret {
            match &probe.auth {
                Auth::Bearer => headers.push((AUTHORIZATION, worded("Bearer", secret))),
                Auth::Header(name, word) => {
                    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Failure::Unsendable)?;
                    let bare = || Zeroizing::new(secret.expose().to_owned());
                    headers.push((name, word.as_ref().map_or_else(bare, |word| worded(word, secret))));
                }
                Auth::Path => url = in_path(&url, secret).ok_or(Failure::Unsendable)?,
                Auth::Aws => {
                    let signed = sigv4::headers(secret, &url, now).ok_or(Failure::Unsendable)?;
                    headers.extend(signed.into_iter().map(|(name, value)| (HeaderName::from_static(name), value)));
                }
            }
        }
        let mut request = client.request(method, url).timeout(timeout).header(ACCEPT, "application/json");
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(&value).map_err(|_| Failure::Unsendable)?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        for (name, value) in &probe.headers {
            request = request.header(name, value);
        }
        if probe.method == Method::Post {
            if probe.body.is_some() {
                request = request.header(CONTENT_TYPE, "application/json");
            }
            request = request.body(probe.body.clone().unwrap_or_default());
        }
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let headers = response.headers().iter();
        let headers = headers
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let mut answer = Answer { status: response.status().as_u16(), headers, body: Vec::new(), complete: true };
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            let room = BODY_MAX - answer.body.len();
            answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                answer.complete = false;
                break;
            }
        }
        Ok(answer)
    }
}

fn worded(word: &str, secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new(format!("{word} {}", secret.expose()))
}

/// The URL with the key in its place; none if the key has a character that would change the path.
fn in_path(url: &Url, secret: &Secret) -> Option<Url> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":_-.".contains(&b);
    let key = Some(secret.expose()).filter(|key| key.bytes().all(plain) && !key.contains(".."))?;
    // The URL standard has written the braces as %7B and %7D.
    let full = Zeroizing::new(url.as_str().replace("%7Bkey%7D", key).replace("{key}", key));
    Url::parse(&full).ok()
}

/// The address of a probe, by the rules of [`net::address`]; a base URL has no query.
fn address(base: &str, path: &str, insecure: bool) -> Result<Url, String> {
    let base = net::address::url(base.trim(), insecure)?;
    if base.query().is_some() || base.fragment().is_some() {
        return Err("the base URL has a query or a fragment: remove it".to_owned());
    }
    let full = format!("{}{path}", base.as_str().trim_end_matches('/'));
    // The URL itself is not repeated: people put tokens into them.
    Url::parse(&full).map_err(|error| format!("the base URL is not usable: {error}"))
}

/// Why there was no answer, from the causes behind the client's error.
fn failure(error: &reqwest::Error) -> Failure {
    if error.is_dns() {
        return Failure::Name;
    }
    for cause in std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source()) {
        let io = cause.downcast_ref::<io::Error>();
        if cause.is::<rustls::Error>()
            || io.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<rustls::Error>())
        {
            return Failure::Tls;
        }
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return Failure::Refused,
            Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkDown) => {
                return Failure::Unreachable;
            }
            _ => {}
        }
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, _) => Failure::Unreachable,
        (false, true) => Failure::Silent,
        (false, false) => Failure::Broken,
    }
}
