//! Who may look, and through what: the file of `[web] config` at work (users, TLS), and the rule that nothing beyond loopback is
//! shown without authentication (DESIGN §5.7). The file and the certificates are read again when they change, so that
//! a renewed certificate needs no restart; one that cannot be read leaves the last good one in use.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, rand};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::Semaphore;

use crate::config::web_file::{self, Client, Tls, WebFile};
use crate::config::{Listen, Web};
use crate::domain::Secret;

/// As many answers about passwords are remembered: bcrypt for every scrape is dear on a phone.
const REMEMBERED: usize = 64;
/// As many passwords are hashed at a time.
const HASHING: usize = 2;
/// No file of this sort is larger.
const LIMIT: u64 = 1024 * 1024;
/// The hash of some password: an unknown user takes as long as a known one.
const NOBODY: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// The guard of one door.
pub struct Access {
    file: Option<PathBuf>,
    beyond: bool,
    insecure: bool,
    loaded: Mutex<Loaded>,
    key: hmac::Key,
    known: Mutex<HashMap<[u8; 32], bool>>,
    hashing: Arc<Semaphore>,
}

#[derive(Default)]
struct Loaded {
    users: Arc<HashMap<String, Secret>>,
    tls: Option<Arc<ServerConfig>>,
    /// Nobody comes through TLS without a certificate of his own.
    certified: bool,
    /// Of the file and of what it names, when they were read.
    seen: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Access {
    /// The guard that `[web]` asks for.
    ///
    /// # Errors
    /// The file or a certificate cannot be used, or the door would be open to everybody; the text says what to do.
    pub fn open(web: &Web) -> Result<Self, String> {
        let beyond = matches!(&web.listen, Listen::Tcp(address) if !address.ip().is_loopback());
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new());
        let made = Self {
            file: web.file.clone(),
            beyond,
            insecure: web.insecure,
            loaded: Mutex::default(),
            key: key.map_err(|_| "the system gives no random numbers".to_owned())?,
            known: Mutex::default(),
            hashing: Arc::new(Semaphore::new(HASHING)),
        };
        let loaded = made.load()?;
        *made.loaded.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(made)
    }

    fn load(&self) -> Result<Loaded, String> {
        let mut loaded = Loaded::default();
        if let Some(path) = &self.file {
            let WebFile { tls, users } = read(path)?;
            loaded.seen.push((path.clone(), modified(path)));
            loaded.users = Arc::new(users.into_iter().collect());
            if let Some(tls) = &tls {
                for file in [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()].into_iter().flatten() {
                    loaded.seen.push((file.clone(), modified(file)));
                }
                loaded.tls = Some(Arc::new(server(tls)?));
                loaded.certified = tls.client == Client::Certified;
            }
        }
        if self.beyond && loaded.tls.is_none() && !self.insecure {
            return Err(
                "beyond loopback nothing listens without TLS: add tls_server_config to the file of [web] config, \
                        or write insecure = true"
                    .to_owned(),
            );
        }
        Ok(loaded)
    }

    /// Reads again what has changed.
    fn look(&self) -> std::sync::MutexGuard<'_, Loaded> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.seen.iter().any(|(path, then)| modified(path) != *then) {
            match self.load() {
                Ok(fresh) => {
                    *loaded = fresh;
                    self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                Err(why) => {
                    tracing::warn!(why, "the file of [web] config was not taken, the last good one is in use");
                    for (path, then) in &mut loaded.seen {
                        *then = modified(path);
                    }
                }
            }
        }
        loaded
    }

    /// TLS of a new connection, and whether it proves who comes.
    pub(super) fn tls(&self) -> Option<(Arc<ServerConfig>, bool)> {
        let loaded = self.look();
        loaded.tls.clone().map(|tls| (tls, loaded.certified))
    }

    /// Whether there is TLS at all.
    pub(super) fn secure(&self) -> bool {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).tls.is_some()
    }

    /// Other machines may come.
    pub(super) fn beyond(&self) -> bool {
        self.beyond
    }

    /// There are users with passwords.
    pub(super) fn has_users(&self) -> bool {
        !self.look().users.is_empty()
    }

    /// Whether somebody has to say who he is in order to look.
    pub(super) fn closed(&self) -> bool {
        self.beyond || self.has_users()
    }

    /// Whether the request shows a user's password.
    pub(super) async fn knows(&self, headers: &HeaderMap) -> bool {
        let Some((name, password)) = basic(headers) else { return false };
        let users = Arc::clone(&self.look().users);
        let mut tag = [0; 32];
        let said = format!("{}\0{}", name, password.expose());
        tag.copy_from_slice(hmac::sign(&self.key, Secret::new(said).expose().as_bytes()).as_ref());
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&tag) {
            return *known;
        }
        let Ok(_turn) = self.hashing.acquire().await else { return false };
        let right = tokio::task::spawn_blocking(move || {
            let hash = users.get(&name).map_or(NOBODY, Secret::expose);
            bcrypt::verify(password.expose(), hash).unwrap_or(false) && users.contains_key(&name)
        });
        let right = right.await.unwrap_or(false);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(tag, right);
        right
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|facts| facts.modified()).ok()
}

/// The file of `[web] config`.
///
/// # Errors
/// It cannot be read or understood.
pub fn read(path: &Path) -> Result<WebFile, String> {
    let text = text(path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    web_file::parse(&text, directory).map_err(|why| format!("{}: {why}", path.display()))
}

fn text(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut text = String::new();
    crate::files::open(path).map_err(failed)?.take(LIMIT).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn server(tls: &Tls) -> Result<ServerConfig, String> {
    let say = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, String> {
        let text = text(path)?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let found = found.map_err(|error| say(path, &error))?;
        if found.is_empty() { Err(say(path, &"has no certificate in it")) } else { Ok(found) }
    };
    let pem = Secret::new(text(&tls.key)?);
    // The error would be about the text, which is not to be quoted.
    let key = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())
        .map_err(|_| say(&tls.key, &"has no private key in it (PEM)"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[_] =
        if tls.only_13 { &[&rustls::version::TLS13] } else { &[&rustls::version::TLS12, &rustls::version::TLS13] };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| format!("no TLS: {error}"))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| say(path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if tls.client == Client::IfGiven { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| say(path, &error))?)
        }
    };
    let mut config = builder.with_single_cert(certificates(&tls.cert)?, key).map_err(|error| say(&tls.cert, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Name and password of `Authorization: Basic`.
fn basic(headers: &HeaderMap) -> Option<(String, Secret)> {
    let (scheme, encoded) = super::guard::only(headers, header::AUTHORIZATION)?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let decoded = Secret::new(decoded);
    let (name, password) = decoded.expose().split_once(':')?;
    Some((name.to_owned(), Secret::new(password.to_owned())))
}
