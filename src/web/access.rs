//! Who may look, and through what: the file of `[web] config` at work (users, TLS), and the rule that nothing beyond loopback is
//! shown without authentication (DESIGN §5.7). The file and the certificates are read again when they change, so that
//! a renewed certificate needs no restart; one that cannot be read leaves the last good one in use.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

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

/// As many right passwords are remembered: bcrypt for every scrape is dear on a phone.
const REMEMBERED: usize = 64;
/// As many passwords are hashed at a time.
const HASHING: usize = 2;
/// No file of this sort is larger.
const LIMIT: u64 = 1024 * 1024;

/// The guard of one door.
pub struct Access {
    file: Option<PathBuf>,
    beyond: bool,
    insecure: bool,
    loaded: Mutex<Loaded>,
    key: hmac::Key,
    known: Mutex<HashSet<[u8; 32]>>,
    hashing: Arc<Semaphore>,
}

#[derive(Default)]
struct Loaded {
    users: Arc<HashMap<String, Secret>>,
    tls: Option<Arc<ServerConfig>>,
    /// Nobody comes through TLS without a certificate of his own.
    certified: bool,
    /// Of the file and of what it names, just before they were read.
    seen: Vec<(PathBuf, Stamp)>,
}

/// When a file was changed, its owner and mode too; `None`: it is not there.
type Stamp = Option<(i64, i64)>;

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
        let mut seen = Vec::new();
        let loaded = Loaded { seen: Vec::new(), ..made.load(&mut seen)? };
        let loaded = Loaded { seen, ..loaded };
        *made.loaded.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(made)
    }

    /// `seen` learns what is read, also if that fails: a file that is missing may come.
    fn load(&self, seen: &mut Vec<(PathBuf, Stamp)>) -> Result<Loaded, String> {
        let mut loaded = Loaded::default();
        if let Some(path) = &self.file {
            seen.push((path.clone(), changed(path)));
            let WebFile { tls, users } = read(path)?;
            loaded.users = Arc::new(users.into_iter().collect());
            if let Some(tls) = &tls {
                for file in [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()].into_iter().flatten() {
                    seen.push((file.clone(), changed(file)));
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
        if loaded.seen.iter().any(|(path, then)| changed(path) != *then) {
            let mut seen = Vec::new();
            match self.load(&mut seen) {
                Ok(fresh) => {
                    *loaded = Loaded { seen, ..fresh };
                    self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                Err(why) => {
                    tracing::warn!(why, "the file of [web] config was not taken, the last good one is in use");
                    loaded.seen = seen;
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
        let loaded = self.look();
        self.beyond || loaded.certified || !loaded.users.is_empty()
    }

    /// Whether the request shows a user's password.
    pub(super) async fn knows(&self, headers: &HeaderMap) -> bool {
        let Some((name, password)) = basic(headers) else { return false };
        let users = Arc::clone(&self.look().users);
        if users.is_empty() {
            return false;
        }
        let mut tag = [0; 32];
        let said = format!("{}\0{}", name, password.expose());
        tag.copy_from_slice(hmac::sign(&self.key, Secret::new(said).expose().as_bytes()).as_ref());
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&tag) {
            return true;
        }
        let Ok(turn) = Arc::clone(&self.hashing).acquire_owned().await else { return false };
        let among = Arc::clone(&users);
        let right = tokio::task::spawn_blocking(move || {
            // Until it is done, whether or not somebody still waits for it.
            let _turn = turn;
            // A user who is not there costs what one who is does.
            let Some(hash) = among.get(&name).or_else(|| among.values().next()) else { return false };
            bcrypt::verify(password.expose(), hash.expose()).unwrap_or(false) && among.contains_key(&name)
        });
        let right = right.await.unwrap_or(false);
        // Of a file that was exchanged meanwhile nothing is remembered.
        if right && Arc::ptr_eq(&users, &self.look().users) {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(tag);
        }
        right
    }
}

fn changed(path: &Path) -> Stamp {
    path.metadata().ok().map(|facts| (facts.ctime(), facts.ctime_nsec()))
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
