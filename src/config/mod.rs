//! `monitor.toml`: raw (serde) → validated, all problems at once, each with its place and remedy.
//!
//! The file is refused when it is not owned by us or root, or is writable by others: it can name programs to run
//! (DESIGN §5.8). Secrets in it are references; a literal secret is an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::engine::policy::{AlertPolicy, Schedule, Thresholds};

/// A validated configuration. Policies are `engine`'s types; the rest is what the edges need.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from; `None` = defaults, there is no file.
    pub path: Option<PathBuf>,
    /// When files are read and judged.
    pub status: Schedule,
    /// When providers are asked.
    pub probe: Schedule,
    /// `[sources]`
    pub sources: Sources,
    /// `[[declared]]`
    pub declared: Vec<Declared>,
    /// `[providers.<id>]`
    pub providers: BTreeMap<String, Provider>,
    /// `[thresholds]`
    pub thresholds: Thresholds,
    /// `[[receivers]]`
    pub receivers: Vec<Receiver>,
    /// `[[routes]]`, reminders, names of receivers.
    pub alerts: AlertPolicy,
    /// `[web]`
    pub web: Web,
    /// `[export] emails`: e-mail addresses inside ids may leave the machine.
    pub export_emails: bool,
    /// `[history]`
    pub history: History,
    /// `[identity]`
    pub identity: Identity,
}

/// Where a secret is. Never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// `{ env = "NAME" }`
    Env(String),
    /// `{ file = "path" }`
    File(PathBuf),
    /// `{ credential = "name" }`: `$CREDENTIALS_DIRECTORY/name` (systemd).
    Credential(String),
}

/// A value that may be written plainly or as a reference, because it contains a token in some services (webhook URLs).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaybeSecret {
    /// Written plainly.
    Plain(String),
    /// A reference.
    Ref(SecretRef),
}

/// `[sources]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Our own environment is a source in the monitor too.
    pub env: bool,
    /// `.env` files to read.
    pub dotenv: Vec<PathBuf>,
}

/// `[[declared]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Provider id.
    pub provider: String,
    /// When it ends.
    pub expires: Option<crate::domain::Time>,
    /// When it was issued.
    pub issued: Option<crate::domain::Time>,
    /// Whether anything uses it.
    pub in_use: bool,
    /// What to do when it ends.
    pub fix: Option<String>,
    /// A remark.
    pub note: Option<String>,
}

/// `[providers.<id>]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provider {
    /// This provider's probes go there instead.
    pub base_url: Option<String>,
    /// Plain http beyond loopback is allowed for it.
    pub insecure: bool,
}

/// `[[receivers]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Whether it wants to be told that something is over.
    pub send_resolved: bool,
    /// What it is.
    pub kind: ReceiverKind,
}

/// What a receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    /// `type = "email"`
    Email(Email),
    /// `type = "webhook"`
    Webhook(Webhook),
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// `smtp://`: no TLS; only when asked for.
    Plain,
    /// `smtp+starttls://`: TLS is required before anything is said.
    StartTls,
    /// `smtps://`: TLS from the first byte.
    Tls,
}

/// `type = "email"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// TLS or not.
    pub security: SmtpSecurity,
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Login name.
    pub username: Option<String>,
    /// Password, or access token with `auth = "xoauth2"`.
    pub password: Option<SecretRef>,
    /// The token is an OAuth access token.
    pub xoauth2: bool,
    /// Sender, `Name <address>`.
    pub from: String,
    /// Recipients, `Name <address>` or `address`.
    pub to: Vec<String>,
}

/// `type = "webhook"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub url: MaybeSecret,
    /// Signing secrets (Standard Webhooks), newest first; several during a rotation.
    pub secrets: Vec<SecretRef>,
    /// Additional headers.
    pub headers: Vec<(String, MaybeSecret)>,
    /// Plain http beyond loopback is allowed.
    pub insecure: bool,
}

/// `[web]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Off on Termux by default (any app on a phone can reach loopback).
    pub enabled: bool,
    /// Loopback address and port, or the path of a unix socket.
    pub listen: Listen,
    /// Additional values of the `Host` header that are answered.
    pub allowed_hosts: Vec<String>,
}

/// Where the web server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Address and port; only loopback for now.
    Tcp(std::net::SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// `[history]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Days of every observation.
    pub raw_days: u32,
    /// Days of one observation a day.
    pub daily_days: u32,
    /// Upper limit of the file.
    pub max_bytes: u64,
}

/// `[identity]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// A fingerprint key shared by a fleet, instead of this machine's own.
    pub key: Option<SecretRef>,
    /// The name of this machine in messages and metrics, instead of its host name.
    pub host: Option<String>,
}
