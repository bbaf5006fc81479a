//! `[export]` and `[heartbeat]`: where state is pushed to. Tree → validated values. Pure.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Url;
use toml::de::DeValue;

use super::outlets::{Outlet, outlets};
use super::receivers::headers;
use super::tree::{At, Table, Value, nearest, shown};
use super::{Context, MaybeSecret, SecretRef, values};

/// One cluster of Alertmanagers: every peer is told everything, in the same words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alertmanager {
    /// All of them; they settle among themselves who speaks.
    pub peers: Vec<Peer>,
    /// How we log in.
    pub login: Option<Login>,
    /// Additional headers.
    pub headers: Vec<(String, MaybeSecret)>,
    /// Plain http beyond loopback is allowed.
    pub insecure: bool,
    /// Labels of every alert besides our own. They belong to its identity, so they are those of the cluster, never of a peer.
    pub labels: BTreeMap<String, String>,
}

/// One Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it is called in metrics and on the page: its host and port, or the name of the reference.
    pub name: String,
    /// Its address, with the path before `/api/v2/alerts` if there is one.
    pub url: MaybeSecret,
}

/// How we log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// `token`: `Authorization: Bearer …`
    Bearer(SecretRef),
    /// `username` and `password`: `Authorization: Basic …`
    Basic(String, SecretRef),
}

/// `[heartbeat]`, or one of several `[[heartbeat]]`: somebody who raises an alarm when we fall silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Its name in metrics and on the page; its type, if none is written.
    pub name: String,
    /// Whose language it speaks.
    pub kind: HeartbeatKind,
    /// Where.
    pub url: MaybeSecret,
    /// Gatus: the token of the external endpoint.
    pub token: Option<SecretRef>,
    /// Additional headers.
    pub headers: Vec<(String, MaybeSecret)>,
    /// Plain http beyond loopback is allowed.
    pub insecure: bool,
    /// `on_critical = "fail"`: it is told of criticals as of a failure. Otherwise it learns only whether we live.
    pub fail_on_critical: bool,
}

fn reference(value: &MaybeSecret) -> Option<&SecretRef> {
    if let MaybeSecret::Ref(reference) = value { Some(reference) } else { None }
}

impl Login {
    /// Where its secret is.
    #[must_use]
    pub fn secret(&self) -> &SecretRef {
        match self {
            Self::Bearer(secret) | Self::Basic(_, secret) => secret,
        }
    }
}

impl Alertmanager {
    /// Every reference to a secret that it needs.
    #[must_use]
    pub fn references(&self) -> Vec<&SecretRef> {
        let values = self.peers.iter().map(|peer| &peer.url).chain(self.headers.iter().map(|(_, value)| value));
        values.filter_map(reference).chain(self.login.as_ref().map(Login::secret)).collect()
    }
}

impl Heartbeat {
    /// Every reference to a secret that it needs.
    #[must_use]
    pub fn references(&self) -> Vec<&SecretRef> {
        let values = std::iter::once(&self.url).chain(self.headers.iter().map(|(_, value)| value));
        values.filter_map(reference).chain(&self.token).collect()
    }
}

/// Whose language a heartbeat speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatKind {
    /// healthchecks.io and what speaks like it.
    Healthchecks,
    /// A push monitor of Uptime Kuma.
    UptimeKuma,
    /// An external endpoint of Gatus.
    Gatus,
}

impl HeartbeatKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Healthchecks, Self::UptimeKuma, Self::Gatus];

    /// The word of `type`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthchecks => "healthchecks",
            Self::UptimeKuma => "uptime-kuma",
            Self::Gatus => "gatus",
        }
    }
}

/// What is in `[export]`.
#[derive(Default)]
pub(super) struct Export {
    /// E-mail addresses may leave the machine.
    pub emails: bool,
    pub alertmanagers: Vec<Alertmanager>,
    pub outlets: Vec<Outlet>,
}

/// `[export]`
pub(super) fn export(root: &mut Table<'_>, context: &Context<'_>) -> Export {
    let Some(mut table) = root.table("export") else { return Export::default() };
    let emails = table.flag("emails").unwrap_or(false);
    let alertmanagers = table.value("alertmanager").map(|value| alertmanagers(&value, context)).unwrap_or_default();
    let outlets = outlets(&mut table, context);
    table.finish();
    Export { emails, alertmanagers, outlets }
}

/// One address, a list of addresses (one cluster), or `[[export.alertmanager]]` (a cluster each).
fn alertmanagers(value: &Value<'_>, context: &Context<'_>) -> Vec<Alertmanager> {
    let mut names = BTreeSet::new();
    let tables: Vec<Value<'_>> = match value.inner {
        DeValue::Array(all) if !all.is_empty() && all.iter().all(|one| is_table(one.get_ref())) => {
            value.elements().unwrap_or_default()
        }
        inner if is_table(inner) => vec![value.clone()],
        _ => {
            let peers = peers(value, false, context, &mut names);
            let plain = |peers| Alertmanager {
                peers,
                login: None,
                headers: Vec::new(),
                insecure: false,
                labels: BTreeMap::new(),
            };
            return (!peers.is_empty()).then(|| plain(peers)).into_iter().collect();
        }
    };
    tables.iter().filter_map(|value| cluster(&mut value.table()?, context, &mut names)).collect()
}

/// A table, and not a reference to an address.
pub(super) fn is_table(value: &DeValue<'_>) -> bool {
    let DeValue::Table(entries) = value else { return false };
    !["env", "file", "credential"].iter().any(|sort| entries.contains_key(*sort))
}

fn cluster(table: &mut Table<'_>, context: &Context<'_>, names: &mut BTreeSet<String>) -> Option<Alertmanager> {
    let insecure = table.flag("insecure").unwrap_or(false);
    let url = table.value("url");
    if url.is_none() {
        table.problem(
            table.place.clone(),
            "`url` is missing",
            "write url = [\"https://…\", …]: every peer of the cluster",
        );
    }
    let peers = url.map(|value| peers(&value, insecure, context, names)).unwrap_or_default();
    let login = login(table, context);
    let (headers, labels) = (headers(table, context), labels(table));
    table.finish();
    (!peers.is_empty()).then_some(Alertmanager { peers, login, headers, insecure, labels })
}

fn peers(value: &Value<'_>, insecure: bool, context: &Context<'_>, names: &mut BTreeSet<String>) -> Vec<Peer> {
    let all = match value.inner {
        DeValue::Array(_) => value.elements().unwrap_or_default(),
        _ => vec![value.clone()],
    };
    if all.is_empty() {
        value.problem(
            "names no Alertmanager",
            "write every peer of the cluster: [\"https://am1:9093\", \"https://am2:9093\"]",
        );
    }
    let mut seen: Vec<MaybeSecret> = Vec::new();
    let mut peers = Vec::new();
    for one in all {
        let Some((url, host)) = address(&one, insecure, context) else { continue };
        if seen.contains(&url) {
            one.problem("is there already", "write every peer once");
            continue;
        }
        seen.push(url.clone());
        let name = match (&url, host) {
            (MaybeSecret::Ref(reference), _) => name_of(reference),
            (MaybeSecret::Plain(_), host) => host,
        };
        // Two clusters may be behind one address (tenants, paths).
        let free = |name: &String| !names.contains(name);
        let name = std::iter::once(name.clone()).chain((2..).map(|n| format!("{name}-{n}"))).find(free);
        let name = name.unwrap_or_default();
        names.insert(name.clone());
        peers.push(Peer { name, url });
    }
    peers
}

/// A URL or a reference to one; with its host and port, if it is written.
pub(super) fn address(value: &Value<'_>, insecure: bool, context: &Context<'_>) -> Option<(MaybeSecret, String)> {
    let text = match value.inner {
        DeValue::String(text) => text.trim(),
        DeValue::Table(_) => return context.secret(value).map(|found| (MaybeSecret::Ref(found), String::new())),
        _ => return value.expected("a URL"),
    };
    match values::http_url(text, insecure) {
        Ok(url) => Some((MaybeSecret::Plain(text.to_owned()), host(&url))),
        Err((what, fix)) => {
            value.problem(what, fix);
            None
        }
    }
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

pub(super) fn name_of(reference: &SecretRef) -> String {
    match reference {
        SecretRef::Env(name) | SecretRef::Credential(name) => name.clone(),
        SecretRef::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

pub(super) fn login(table: &mut Table<'_>, context: &Context<'_>) -> Option<Login> {
    let token = table.value("token");
    let username = table.text("username");
    let password = table.value("password");
    if let (Some(token), Some(_)) = (&token, &username) {
        token.problem("is one login, `username` another", "write `token`, or `username` and `password`");
    }
    let token = token.and_then(|value| context.secret(&value));
    let secret = password.as_ref().and_then(|value| context.secret(value));
    match (&username, &password) {
        (Some(name), None) => {
            table.problem(name.place.clone(), "has no password", "add password = { file = \"path\" }")
        }
        (None, Some(value)) => value.problem("has no `username`", "add username = \"…\""),
        _ => {}
    }
    token.map(Login::Bearer).or_else(|| Some(Login::Basic(username?.value.to_owned(), secret?)))
}

/// What our alerts are told apart by.
const OURS: [&str; 6] = ["alertname", "severity", "host", "provider", "credential", "check"];

fn labels(table: &mut Table<'_>) -> BTreeMap<String, String> {
    let Some(all) = table.table("labels") else { return BTreeMap::new() };
    let mut labels = BTreeMap::new();
    for entry in all.entries() {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if entry.name.starts_with(|c: char| c.is_ascii_digit()) || !entry.name.chars().all(good) {
            entry.problem("is not the name of a label", "letters, digits and `_` only, no digit first");
        } else if OURS.contains(&entry.name) {
            entry.problem("is set by us", "remove it, or choose another name");
        } else if let Some(text) = entry.text() {
            if text.value.is_empty() {
                entry.problem("is empty, and Alertmanager drops empty labels", "write a value, or remove it");
            }
            labels.insert(entry.name.to_owned(), text.value.to_owned());
        }
    }
    labels
}

/// `[heartbeat]` or `[[heartbeat]]`
pub(super) fn heartbeats(root: &mut Table<'_>, context: &Context<'_>) -> Vec<Heartbeat> {
    let Some(value) = root.value("heartbeat") else { return Vec::new() };
    let all = match value.inner {
        DeValue::Array(_) => value.elements().unwrap_or_default(),
        _ => vec![value],
    };
    let mut names = BTreeSet::new();
    all.iter().filter_map(|value| heartbeat(&mut value.table()?, context, &mut names)).collect()
}

fn heartbeat(table: &mut Table<'_>, context: &Context<'_>, names: &mut BTreeSet<String>) -> Option<Heartbeat> {
    let words = HeartbeatKind::ALL.map(HeartbeatKind::word);
    let text = table.required("type", "\"healthchecks\"")?;
    let Some(kind) = HeartbeatKind::ALL.into_iter().find(|kind| kind.word() == text.value) else {
        let fix = nearest(text.value, words)
            .map_or_else(|| format!("there are {}", words.join(", ")), |near| format!("did you mean \"{near}\"?"));
        table.problem(text.place, format!("{} is not a type of heartbeat", shown(text.value)), fix);
        return None;
    };
    let name = if table.has("name") {
        super::sections::unique_name(table, names)
    } else if names.insert(kind.word().to_owned()) {
        Some(kind.word().to_owned())
    } else {
        table.problem(
            table.place.clone(),
            format!("there is a {} already", kind.word()),
            "give each a `name` of its own",
        );
        None
    };
    let insecure = table.flag("insecure").unwrap_or(false);
    let url = match table.value("url") {
        Some(value) => address(&value, insecure, context).map(|(url, _)| {
            if let MaybeSecret::Plain(text) = &url
                && let Some((what, fix)) = misshapen(kind, text)
            {
                value.problem(what, fix);
            }
            url
        }),
        None => {
            table.problem(
                table.place.clone(),
                "`url` is missing",
                format!("write for example url = \"{}\"", example(kind)),
            );
            None
        }
    };
    let token = (kind == HeartbeatKind::Gatus).then(|| table.value("token")).flatten();
    if kind == HeartbeatKind::Gatus && token.is_none() {
        table.problem(
            table.place.clone(),
            "`token` is missing",
            "write token = { file = \"path\" }: that of the external endpoint",
        );
    }
    let token = token.and_then(|value| context.secret(&value));
    let fail_on_critical = match table.text("on_critical") {
        Some(At { value: "fail", .. }) => true,
        Some(At { value: "success", .. }) | None => false,
        Some(text) => {
            table.problem(
                text.place,
                format!("{} is no answer to a critical", shown(text.value)),
                "write \"success\" (we live) or \"fail\"",
            );
            false
        }
    };
    let headers = headers(table, context);
    table.finish();
    Some(Heartbeat { name: name?, kind, url: url?, token, headers, insecure, fail_on_critical })
}

fn example(kind: HeartbeatKind) -> &'static str {
    match kind {
        HeartbeatKind::Healthchecks => "https://hc-ping.com/<uuid>",
        HeartbeatKind::UptimeKuma => "https://kuma.example.org/api/push/<token>",
        HeartbeatKind::Gatus => "https://gatus.example.org/api/v1/endpoints/<group_name>/external",
    }
}

/// What is wrong with the path of a URL. Never a part of it.
fn misshapen(kind: HeartbeatKind, text: &str) -> Option<(&'static str, String)> {
    let url = Url::parse(text).ok()?;
    let path = url.path().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    let whole = || format!("write it in full: {}", example(kind));
    match kind {
        HeartbeatKind::Healthchecks if path.is_empty() => Some(("names no check", whole())),
        HeartbeatKind::Healthchecks if ["start", "fail", "log"].contains(&last) => {
            Some(("says already what a ping is to say", "take the last part of the path away".to_owned()))
        }
        HeartbeatKind::UptimeKuma if !path.contains("/api/push/") => {
            Some(("is not the push URL of a monitor", whole()))
        }
        HeartbeatKind::Gatus if last != "external" => Some(("is not the URL of an external endpoint", whole())),
        _ => None,
    }
}
