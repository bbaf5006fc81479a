//! The file of `[web] config`: the subset of exporter-toolkit's `web.config.file` that we can keep (facts: TLS, client
//! certificates, users with bcrypt hashes). PURE: the text in, what it means out. What we do not do is an error, so that nobody
//! believes to be guarded by it. Values are never quoted: they may be hashes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::domain::Secret;
use crate::formats::yaml;

/// A hash of a higher cost would keep a phone busy for many seconds.
const COST: u32 = 15;

/// What the file says.
#[derive(Default)]
pub struct WebFile {
    /// `tls_server_config`
    pub tls: Option<Tls>,
    /// `basic_auth_users`: name → bcrypt hash.
    pub users: BTreeMap<String, Secret>,
}

/// `tls_server_config`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and what leads to its root, PEM.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Who signs certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// Whether a client must show one.
    pub client: Client,
    /// Nothing below TLS 1.3.
    pub only_13: bool,
}

/// `client_auth_type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `NoClientCert`
    Anybody,
    /// `VerifyClientCertIfGiven`
    IfGiven,
    /// `RequireAndVerifyClientCert`
    Certified,
}

/// Reads it. Relative paths begin at `directory`, where the file is.
///
/// # Errors
/// The first thing that is wrong, with its key.
pub fn parse(text: &str, directory: &Path) -> Result<WebFile, String> {
    let value = yaml::parse(text).map_err(|broken| format!("line {}: {}", broken.line, broken.why))?;
    let mut out = WebFile::default();
    let Some(root) = table(&value, "the file")? else { return Ok(out) };
    for (key, value) in root {
        match key.as_str() {
            "tls_server_config" => {
                if let Some(entries) = table(value, key)? {
                    out.tls = Some(tls(entries, directory)?);
                }
            }
            "basic_auth_users" => {
                for (name, hash) in table(value, key)?.into_iter().flatten() {
                    out.users.insert(name.clone(), hash_of(name, hash)?);
                }
            }
            "http_server_config" => {
                for (key, value) in table(value, key)?.into_iter().flatten() {
                    match (key.as_str(), value) {
                        // We speak HTTP/1.1, whatever is allowed.
                        ("http2", Value::Bool(_)) => {}
                        ("http2", _) => return Err("http_server_config.http2: write true or false".to_owned()),
                        _ => return Err(format!("http_server_config.{key}: is not supported; remove it")),
                    }
                }
            }
            _ => return Err(format!("{key}: is not a key that is supported here; remove it")),
        }
    }
    Ok(out)
}

fn tls(entries: &Map<String, Value>, directory: &Path) -> Result<Tls, String> {
    let text = |key: &str| match entries.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("tls_server_config.{key}: expected a string")),
    };
    const KNOWN: [&str; 5] = ["cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version"];
    if let Some(key) = entries.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("tls_server_config.{key}: is not supported; there are {}", KNOWN.join(", ")));
    }
    let path = |key: &str| Ok::<_, String>(text(key)?.map(|path| directory.join(path)));
    let needed = |key: &str| path(key)?.ok_or_else(|| format!("tls_server_config.{key}: is missing"));
    let client = match text("client_auth_type")? {
        None | Some("NoClientCert") => Client::Anybody,
        Some("VerifyClientCertIfGiven") => Client::IfGiven,
        Some("RequireAndVerifyClientCert") => Client::Certified,
        Some(_) => {
            return Err("tls_server_config.client_auth_type: there are NoClientCert, VerifyClientCertIfGiven and \
                        RequireAndVerifyClientCert"
                .to_owned());
        }
    };
    let client_ca = path("client_ca_file")?;
    if (client == Client::Anybody) != client_ca.is_none() {
        return Err("tls_server_config: client_ca_file and a client_auth_type that verifies go together".to_owned());
    }
    let only_13 = match text("min_version")? {
        None | Some("TLS12") => false,
        Some("TLS13") => true,
        Some(_) => return Err("tls_server_config.min_version: there are TLS12 and TLS13".to_owned()),
    };
    Ok(Tls { cert: needed("cert_file")?, key: needed("key_file")?, client_ca, client, only_13 })
}

fn table<'a>(value: &'a Value, key: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Object(entries) => Ok(Some(entries)),
        _ => Err(format!("{key}: expected a table")),
    }
}

fn hash_of(name: &str, value: &Value) -> Result<Secret, String> {
    let wrong = || format!("basic_auth_users.{name}: is not a bcrypt hash; make one with `htpasswd -nBC 10 {name}`");
    let text = value.as_str().ok_or_else(wrong)?;
    let parts: Vec<&str> = text.split('$').collect();
    let ["", "2a" | "2b" | "2y", cost, rest] = parts[..] else { return Err(wrong()) };
    let cost: u32 = cost.parse().map_err(|_| wrong())?;
    if rest.len() != 53 || !(4..=31).contains(&cost) {
        return Err(wrong());
    }
    if cost > COST {
        return Err(format!("basic_auth_users.{name}: cost {cost} takes too long; {COST} is the most"));
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

    #[test]
    fn what_prometheus_takes_is_taken() {
        let text = format!(
            "tls_server_config:\n  cert_file: server.crt\n  key_file: /k/server.key\n  min_version: TLS13\n\
             http_server_config:\n  http2: true\nbasic_auth_users:\n  alice: {HASH}\n  bob: '{HASH}'\n"
        );
        let found = parse(&text, Path::new("/etc/o")).map_err(|why| panic!("{why}")).unwrap();
        let tls = found.tls.unwrap();
        assert_eq!((tls.cert, tls.key), ("/etc/o/server.crt".into(), "/k/server.key".into()));
        assert!(tls.only_13 && tls.client == Client::Anybody);
        assert_eq!(found.users.keys().collect::<Vec<_>>(), ["alice", "bob"]);
        for empty in ["", "{}", "tls_server_config:\nbasic_auth_users:\n"] {
            let found = parse(empty, Path::new("/")).map_err(|why| panic!("{why}")).unwrap();
            assert!(found.tls.is_none() && found.users.is_empty());
        }
    }

    #[test]
    fn what_would_not_guard_is_an_error() {
        let tls = "tls_server_config: {cert_file: a, key_file: b";
        for (text, problem) in [
            ("basic_auth_user: {}".to_owned(), "basic_auth_user: is not a key"),
            ("rate_limit: {interval: 1s}".to_owned(), "rate_limit: is not a key"),
            ("basic_auth_users: {a: secret-in-plain}".to_owned(), "basic_auth_users.a: is not a bcrypt hash"),
            (format!("basic_auth_users: {{a: {}}}", HASH.replace("10", "20")), "cost 20 takes too long"),
            ("http_server_config: {headers: {}}".to_owned(), "http_server_config.headers: is not supported"),
            ("tls_server_config: {cert_file: a}".to_owned(), "tls_server_config.key_file: is missing"),
            (format!("{tls}, cipher_suites: [x]}}"), "tls_server_config.cipher_suites: is not supported"),
            (format!("{tls}, min_version: TLS10}}"), "there are TLS12 and TLS13"),
            (format!("{tls}, client_auth_type: RequireAnyClientCert}}"), "client_auth_type: there are"),
            (format!("{tls}, client_auth_type: RequireAndVerifyClientCert}}"), "go together"),
            (format!("{tls}, client_ca_file: x}}"), "go together"),
            ("- a".to_owned(), "the file: expected a table"),
            ("a: [".to_owned(), "line "),
        ] {
            let why = parse(&text, Path::new("/")).err().unwrap_or_default();
            assert!(why.contains(problem), "{text}: {why}");
            assert!(!why.contains("secret-in-plain"), "{why}");
        }
    }
}
