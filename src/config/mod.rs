//! `monitor.toml`: raw (serde) → validated, all problems at once, each with its place and remedy.
//!
//! The file is refused when it is not owned by us or root, or is writable by others: it can name programs to run
//! (DESIGN §5.8). Secrets in it are references; a literal secret is an error.

pub mod address;
mod alerting;
pub mod channels;
mod chat;
pub mod edit;
mod exports;
mod load;
mod locate;
mod outlets;
mod problem;
mod providers;
mod receivers;
mod secret_ref;
mod sections;
mod tree;
pub mod values;
pub mod web_file;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::Zone;

use crate::domain::{Environment, Lang, Place, Severity};
use crate::engine::policy::{AlertPolicy, ReceiverPolicy, Schedule, Thresholds};

pub use chat::{Chat, NOBODY};
pub use exports::{Alertmanager, Heartbeat, HeartbeatKind, Login, Peer};
pub use load::load;
pub use locate::{Location, is_termux, local_zone, locate};
pub use outlets::{Outlet, Protocol, Server, Way};
pub use problem::{Problem, report};
pub use providers::{Probing, Provider};
pub use secret_ref::{resolve, resolve_maybe};

/// What `monitor init` writes: every key with its default, commented out.
pub const TEMPLATE: &str = include_str!("template.toml");

/// Reads a configuration from its text: pure, so secret files are not looked at and paths need not exist. `path` is where
/// the text came from, `local` the zone that counts when `[schedule] zone` is not written.
///
/// # Errors
/// All problems at once.
pub fn parse(text: &str, path: Option<&Path>, env: &Environment, local: Zone) -> Result<Config, Vec<Problem>> {
    match read(text, path, env, local) {
        (Some((config, _)), problems) if problems.is_empty() => Ok(config),
        (_, problems) => Err(problems),
    }
}

/// As many errors of syntax are shown: what follows is mostly their consequence, and a file of another format has no end of them.
const SYNTAX_PROBLEMS: usize = 20;

/// The references of a file, with their places.
type Secrets = Vec<(Place, SecretRef)>;

/// What can be made of a text, and every problem in it. Without a configuration the syntax was wrong; with both, the
/// configuration is only good for looking at the secrets it names.
fn read(text: &str, path: Option<&Path>, env: &Environment, local: Zone) -> (Option<(Config, Secrets)>, Vec<Problem>) {
    let file = tree::File::new(path, text);
    let (document, errors) = toml::de::DeTable::parse_recoverable(text);
    // A date that does not exist hides nothing: it stands for a value, and the rest of the file is as it is written.
    let (dates, errors): (Vec<_>, Vec<_>) = errors
        .into_iter()
        .partition(|error| ["invalid date", "invalid time"].iter().any(|w| error.message().starts_with(w)));
    let place = |error: &toml::de::Error| file.place(error.span().map_or(0, |span| span.start), "");
    let (unread, whole) = (dates.iter().map(&place).collect::<Vec<_>>(), errors.is_empty());
    for error in errors.iter().take(SYNTAX_PROBLEMS) {
        // The message is about the grammar and quotes nothing; the `Display` of the error would quote the line.
        file.problem(place(error), format!("is not TOML: {}", error.message()), "correct the syntax");
    }
    let mut found = None;
    if whole {
        let context = Context { env, directory: path.and_then(Path::parent), secrets: RefCell::default() };
        let config = validate(&file, document.get_ref(), &context, path, local);
        file.forget(|problem| unread.iter().any(|place| place.line == problem.place.line));
        found = Some((config, context.secrets.into_inner()));
    }
    for (error, place) in dates.iter().zip(unread).take(SYNTAX_PROBLEMS) {
        file.problem(place, format!("is not TOML: {}", error.message()), "write a moment that exists: 2026-12-31");
    }
    (found, file.into_problems())
}

fn validate<'a>(
    file: &'a tree::File<'a>,
    document: &'a toml::de::DeTable<'a>,
    context: &Context<'_>,
    path: Option<&Path>,
    local: Zone,
) -> Config {
    let root = &mut tree::Table::root(file, document);
    let mut alerts = AlertPolicy::default();
    let (status, probe) = sections::schedule(root, local, &mut alerts);
    let thresholds = sections::thresholds(root, &mut alerts);
    let (receivers, names) = receivers::receivers(root, context);
    alerts.routes = receivers::routes(root, &names);
    alerts.escalation = alerting::escalation(root, &names);
    alerts.maintenance = alerting::maintenance(root, status.zone);
    alerts.quiet = alerting::quiet_hours(root, status.zone);
    alerts.report = alerting::digest(root, &names, status.zone);
    alerts.receivers = receivers
        .iter()
        .map(|receiver| ReceiverPolicy {
            name: receiver.name.clone(),
            send_resolved: receiver.send_resolved,
            testable: !["pagerduty", "opsgenie", "jsm"].contains(&receiver.channel()),
        })
        .collect();
    let exports::Export { emails: export_emails, alertmanagers, outlets } = exports::export(root, context);
    let web = sections::web(root, context);
    let config = Config {
        path: path.map(Path::to_path_buf),
        sources: sections::sources(root, context),
        declared: sections::declared(root, status.zone),
        providers: providers::providers(root),
        probing: providers::probing(root),
        remote: sections::remote(root, &web),
        web,
        export_emails,
        alertmanagers,
        outlets,
        heartbeats: exports::heartbeats(root, context),
        chat: chat::chat(root, context),
        doctor: sections::doctor(root),
        history: sections::history(root),
        identity: sections::identity(root, context),
        runbook: sections::runbook(root),
        status,
        probe,
        thresholds,
        receivers,
        alerts,
    };
    root.finish();
    config
}

/// What validation needs besides the tree.
struct Context<'a> {
    env: &'a Environment,
    directory: Option<&'a Path>,
    secrets: RefCell<Secrets>,
}

impl Context<'_> {
    /// A path as written: `~` is the home directory, and a relative one begins where the configuration is.
    fn path(&self, text: &str) -> PathBuf {
        let path = self.env.expand(text);
        self.directory.map_or_else(|| path.clone(), |directory| directory.join(&path))
    }

    fn secret(&self, value: &tree::Value<'_>) -> Option<SecretRef> {
        let reference = sections::reference(value, self)?;
        self.secrets.borrow_mut().push((value.place.clone(), reference.clone()));
        Some(reference)
    }
}

/// A validated configuration. Policies are `engine`'s types; the rest is what the edges need.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from; `None` = defaults, there is no file.
    pub path: Option<PathBuf>,
    /// When files are read and judged.
    pub status: Schedule,
    /// When providers are asked; `None`: never (`probe = "off"`).
    pub probe: Option<Schedule>,
    /// `[sources]`
    pub sources: Sources,
    /// `[[declared]]`
    pub declared: Vec<Declared>,
    /// `[providers.<id>]`
    pub providers: BTreeMap<String, Provider>,
    /// `[probe]`
    pub probing: Probing,
    /// `[thresholds]`
    pub thresholds: Thresholds,
    /// `[[receivers]]`
    pub receivers: Vec<Receiver>,
    /// `[[routes]]`, `[[escalation]]`, `[[maintenance]]`, `[quiet_hours]`, `[digest]`, reminders, names of receivers.
    pub alerts: AlertPolicy,
    /// `[web]`
    pub web: Web,
    /// `[remote]`
    pub remote: Option<Remote>,
    /// `[export] emails`: e-mail addresses inside ids may leave the machine.
    pub export_emails: bool,
    /// `[export] alertmanager`: clusters that the state is pushed to.
    pub alertmanagers: Vec<Alertmanager>,
    /// `[export] textfile, pushgateway, remote_write, otlp`: where metrics are pushed to.
    pub outlets: Vec<Outlet>,
    /// `[heartbeat]`: who is told that we live.
    pub heartbeats: Vec<Heartbeat>,
    /// `[chat]`: who may ask and act over Telegram; `None`: nobody.
    pub chat: Option<Chat>,
    /// `[doctor]`
    pub doctor: Doctor,
    /// `[history]`
    pub history: History,
    /// `[identity]`
    pub identity: Identity,
    /// `[actions] runbook_url`: a URL with `{name}`, `{provider}` and `{subject}` in it.
    pub runbook: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Our own environment is a source in the monitor too.
    pub env: bool,
    /// `.env` files to read.
    pub dotenv: Vec<PathBuf>,
    /// Folders of secrets, one file for each.
    pub secrets: Vec<PathBuf>,
    /// Settings of LiteLLM proxies to read.
    pub litellm: Vec<PathBuf>,
}

impl Default for Sources {
    fn default() -> Self {
        Self { env: false, dotenv: Vec::new(), litellm: Vec::new(), secrets: vec![PathBuf::from(CONTAINER_SECRETS)] }
    }
}

/// Where containers find their secrets.
const CONTAINER_SECRETS: &str = "/run/secrets";

/// `[[declared]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Provider id; empty if it is about a credential that was found, which has one.
    pub provider: String,
    /// `for`: it is about this credential, which some source shows, and adds to what is known of it.
    pub about: Option<crate::domain::CredentialId>,
    /// When that was said: it is about the secret that was there then.
    pub as_of: Option<crate::domain::Time>,
    /// Which secret was there then, in the words of [`crate::domain::FingerprintKey::mark`]; nobody writes that by hand.
    pub generation: Option<String>,
    /// When it ends.
    pub expires: Option<crate::domain::Time>,
    /// When it was issued.
    pub issued: Option<crate::domain::Time>,
    /// Whether anything uses it; what is only declared counts as used if this is not said.
    pub in_use: Option<bool>,
    /// What to do when it ends.
    pub fix: Option<String>,
    /// A remark.
    pub note: Option<String>,
}

/// `[[receivers]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Whether it wants to be told that something is over.
    pub send_resolved: bool,
    /// The language of its messages.
    pub lang: Lang,
    /// Its own words in place of ours.
    pub templates: Templates,
    /// What it is.
    pub kind: ReceiverKind,
}

/// `template = { subject = "path", text = "path", html = "path" }`: minijinja, in place of our words. They are read when a
/// message is made, and tried by `monitor check-config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    /// Of the one line on top.
    pub subject: Option<PathBuf>,
    /// Of the plain text.
    pub text: Option<PathBuf>,
    /// Of the page; email only.
    pub html: Option<PathBuf>,
}

/// What a receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    /// `type = "email"`
    Email(Email),
    /// `type = "webhook"`
    Webhook(Webhook),
    /// Any other: its row of the table of channels, and what was written.
    Channel(channels::Settings),
}

impl Receiver {
    /// The word for what it is, as in `type = "…"`: in metrics and on the page too.
    #[must_use]
    pub fn channel(&self) -> &'static str {
        match &self.kind {
            ReceiverKind::Email(_) => "email",
            ReceiverKind::Webhook(_) => "webhook",
            ReceiverKind::Channel(settings) => settings.channel.name,
        }
    }

    /// Whether people can read its messages whom nobody invited: a topic of ntfy that only its name protects (without a login, or
    /// at the public server, where any name can be subscribed to), a Telegram channel with a public name. What cannot be seen
    /// from here, such as a room that its owners opened to everybody, counts as private.
    #[must_use]
    pub fn is_public(&self) -> bool {
        let at_ntfy = |url: &str| url.to_ascii_lowercase().contains("//ntfy.sh");
        let settings = match &self.kind {
            ReceiverKind::Channel(settings) => settings,
            ReceiverKind::Webhook(hook) => return matches!(&hook.url, MaybeSecret::Plain(url) if at_ntfy(url)),
            ReceiverKind::Email(_) => return false,
        };
        match settings.channel.name {
            "ntfy" => {
                let login = settings.value("token").is_some() || settings.text("username").is_some();
                let elsewhere = |url: &MaybeSecret| matches!(url, MaybeSecret::Plain(url) if !at_ntfy(url));
                !login || !settings.value("url").is_some_and(elsewhere)
            }
            "telegram" => settings.text("chat").is_some_and(|chat| chat.starts_with('@')),
            _ => false,
        }
    }

    /// Every reference to a secret that it needs.
    #[must_use]
    pub fn references(&self) -> Vec<&SecretRef> {
        match &self.kind {
            ReceiverKind::Email(email) => email.password.iter().collect(),
            ReceiverKind::Webhook(webhook) => {
                let values = std::iter::once(&webhook.url).chain(webhook.headers.iter().map(|(_, value)| value));
                let values = values.filter_map(|value| match value {
                    MaybeSecret::Ref(reference) => Some(reference),
                    MaybeSecret::Plain(_) => None,
                });
                webhook.secrets.iter().chain(values).collect()
            }
            ReceiverKind::Channel(settings) => settings.references().collect(),
        }
    }
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
    /// What is sent.
    pub body: Body,
}

/// `body = …` of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// As Alertmanager (version 4) would post it.
    Alertmanager,
    /// Plain JSON of our own.
    Json,
    /// What a template makes, which must be JSON.
    Template(PathBuf),
}

/// `[web]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Off on Termux by default (any app on a phone can reach loopback).
    pub enabled: bool,
    /// Address and port, or the path of a unix socket.
    pub listen: Listen,
    /// Additional values of the `Host` header that are answered.
    pub allowed_hosts: Vec<String>,
    /// Users and TLS ([`web_file`]).
    pub file: Option<PathBuf>,
    /// Beyond loopback without TLS all the same.
    pub insecure: bool,
    /// The file has TLS in it; known once it was loaded.
    pub tls: bool,
}

impl Web {
    /// Where a browser of this machine finds the page; nothing for a socket.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let Listen::Tcp(address) = &self.listen else { return None };
        Some(format!("{}://{address}/", if self.tls { "https" } else { "http" }))
    }
}

/// `[remote]`: under which address people far away reach our web server, to follow links (CONTRACTS §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The URL, with a slash at its end: https, or http on loopback or with `insecure = true`.
    pub url: String,
    /// Its host.
    pub host: String,
}

/// Where the web server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Address and port.
    Tcp(std::net::SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// `[doctor]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doctor {
    /// Checks that are not made: ids, or the beginnings of them.
    pub skip: Vec<String>,
    /// Findings of these checks have this severity.
    pub severity: BTreeMap<String, Severity>,
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
