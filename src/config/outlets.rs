//! Where metrics are pushed to: `textfile`, `pushgateway`, `remote_write` and `otlp` of `[export]`. Tree → validated values.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use toml::de::DeValue;

use super::exports::{Login, address, is_table, login, name_of};
use super::receivers::headers;
use super::tree::{Table, Value};
use super::{Context, MaybeSecret, SecretRef};

/// One place that the metrics are pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlet {
    /// What it is called in metrics and on the page: its host and port, or the name of the reference or file.
    pub name: String,
    /// How metrics get there.
    pub way: Way,
}

/// How metrics get somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A file for the textfile collector of node_exporter.
    Textfile(PathBuf),
    /// A server that takes them over HTTP.
    Http(Protocol, Server),
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Pushgateway of Prometheus.
    Pushgateway,
    /// Remote-write 1.0 of Prometheus.
    RemoteWrite,
    /// OTLP over HTTP, as JSON.
    Otlp,
}

/// A server that takes metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its address; for remote-write and OTLP with the whole path.
    pub url: MaybeSecret,
    /// How we log in.
    pub login: Option<Login>,
    /// Additional headers.
    pub headers: Vec<(String, MaybeSecret)>,
    /// Plain http beyond loopback is allowed.
    pub insecure: bool,
    /// The label `job`: nobody who scrapes adds it.
    pub job: String,
    /// The label `instance`; the name of this machine if it is not written.
    pub instance: Option<String>,
    /// Further labels of every series.
    pub labels: BTreeMap<String, String>,
}

impl Way {
    /// The word in metrics, on the page and in the ledger.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Textfile(_) => "textfile",
            Self::Http(Protocol::Pushgateway, _) => "pushgateway",
            Self::Http(Protocol::RemoteWrite, _) => "remote-write",
            Self::Http(Protocol::Otlp, _) => "otlp",
        }
    }
}

impl Outlet {
    /// Every reference to a secret that it needs.
    #[must_use]
    pub fn references(&self) -> Vec<&SecretRef> {
        let Way::Http(_, server) = &self.way else { return Vec::new() };
        let values = std::iter::once(&server.url).chain(server.headers.iter().map(|(_, value)| value));
        let values = values.filter_map(|value| if let MaybeSecret::Ref(found) = value { Some(found) } else { None });
        values.chain(server.login.as_ref().map(Login::secret)).collect()
    }
}

const PROTOCOLS: [(&str, Protocol); 3] =
    [("pushgateway", Protocol::Pushgateway), ("remote_write", Protocol::RemoteWrite), ("otlp", Protocol::Otlp)];

/// All of them, in the order of this file.
pub(super) fn outlets(export: &mut Table<'_>, context: &Context<'_>) -> Vec<Outlet> {
    let mut all: Vec<Outlet> = textfile(export, context).into_iter().collect();
    for (key, protocol) in PROTOCOLS {
        let Some(value) = export.value(key) else { continue };
        let mut names = BTreeSet::new();
        let servers = match value.inner {
            DeValue::Array(_) => value.elements().unwrap_or_default(),
            _ => vec![value],
        };
        for value in servers {
            let read = if is_table(value.inner) {
                value.table().and_then(|mut table| described(&mut table, protocol, context))
            } else {
                place(&value, protocol, false, context).map(|(url, host)| (host, plain(url)))
            };
            let Some((host, server)) = read else { continue };
            let base = if let MaybeSecret::Ref(reference) = &server.url { name_of(reference) } else { host };
            let mut candidates = std::iter::once(base.clone()).chain((2..).map(|n| format!("{base}-{n}")));
            let name = candidates.find(|name| names.insert(name.clone())).unwrap_or_default();
            all.push(Outlet { name, way: Way::Http(protocol, server) });
        }
    }
    all
}

/// node_exporter reads what ends in `.prom` and nothing else.
fn textfile(export: &mut Table<'_>, context: &Context<'_>) -> Option<Outlet> {
    let text = export.text("textfile")?;
    let path = context.path(text.value);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    match name.filter(|_| path.extension().is_some_and(|end| end == "prom")) {
        Some(name) if path.is_absolute() || context.directory.is_none() => {
            Some(Outlet { name, way: Way::Textfile(path) })
        }
        _ => {
            let fix = "write for example \"/var/lib/node_exporter/textfile/opensoul.prom\"";
            export.problem(text.place, "is not a file that node_exporter would read: its name must end in .prom", fix);
            None
        }
    }
}

fn plain(url: MaybeSecret) -> Server {
    Server {
        url,
        login: None,
        headers: Vec::new(),
        insecure: false,
        job: JOB.to_owned(),
        instance: None,
        labels: BTreeMap::new(),
    }
}

/// What the rules and dashboards expect.
const JOB: &str = "opensoul";

fn described(table: &mut Table<'_>, protocol: Protocol, context: &Context<'_>) -> Option<(String, Server)> {
    let insecure = table.flag("insecure").unwrap_or(false);
    let url = match table.value("url") {
        Some(value) => place(&value, protocol, insecure, context),
        None => {
            let fix = format!("write for example url = \"{}\"", example(protocol));
            table.problem(table.place.clone(), "`url` is missing", fix);
            None
        }
    };
    let login = login(table, context);
    let mut word = |name| {
        let text = table.text(name)?;
        let value = text.value.trim();
        if value.is_empty() || value.chars().any(char::is_control) {
            table.problem(text.place, "is empty or cannot be a label", "write a short name");
            return None;
        }
        Some(value.to_owned())
    };
    let (job, instance) = (word("job").unwrap_or_else(|| JOB.to_owned()), word("instance"));
    let (headers, labels) = (headers(table, context), labels(table));
    table.finish();
    let (url, host) = url?;
    Some((host, Server { url, login, headers, insecure, job, instance, labels }))
}

fn example(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Pushgateway => "https://pushgateway.example.org",
        Protocol::RemoteWrite => "https://prometheus.example.org/api/v1/write",
        Protocol::Otlp => "https://prometheus.example.org/api/v1/otlp/v1/metrics",
    }
}

/// An address, whose path is that of the interface where we add nothing to it.
fn place(
    value: &Value<'_>,
    protocol: Protocol,
    insecure: bool,
    context: &Context<'_>,
) -> Option<(MaybeSecret, String)> {
    let (url, host) = address(value, insecure, context)?;
    if let MaybeSecret::Plain(text) = &url {
        let parsed = reqwest::Url::parse(text).ok()?;
        let path = parsed.path().trim_end_matches('/');
        let whole = format!("write it in full: {}", example(protocol));
        match protocol {
            Protocol::RemoteWrite if path.is_empty() => value.problem("has no path", whole),
            Protocol::Otlp if !path.ends_with("/v1/metrics") => value.problem("does not end in /v1/metrics", whole),
            Protocol::Pushgateway if path.contains("/metrics") => value
                .problem("names a group already", "leave out the path from /metrics on: `job` and `labels` make it"),
            _ => {}
        }
    }
    Some((url, host))
}

/// The labels that our series have themselves; `tests` hold them against docs/metrics.md.
pub(super) const OURS: [&str; 22] = [
    "job",
    "instance",
    "credential",
    "provider",
    "kind",
    "source",
    "renewal",
    "copy_of",
    "identity",
    "state",
    "severity",
    "currency",
    "window",
    "status",
    "receiver",
    "channel",
    "reason",
    "peer",
    "outlet",
    "version",
    "target",
    "le",
];

fn labels(table: &mut Table<'_>) -> BTreeMap<String, String> {
    let Some(all) = table.table("labels") else { return BTreeMap::new() };
    let mut labels = BTreeMap::new();
    for entry in all.entries() {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let digit = entry.name.starts_with(|c: char| c.is_ascii_digit());
        if entry.name.starts_with("__") || digit || !entry.name.chars().all(good) {
            entry.problem("is not the name of a label", "letters, digits and `_` only, no digit and no `__` first");
        } else if ["job", "instance"].contains(&entry.name) {
            entry.problem("is a key of its own", format!("write {} beside `labels`", entry.name));
        } else if OURS.contains(&entry.name) {
            entry.problem("is a label of our series", "choose another name");
        } else if let Some(text) = entry.text() {
            if text.value.trim().is_empty() {
                entry.problem("is empty, and Prometheus drops empty labels", "write a value, or remove it");
            }
            labels.insert(entry.name.to_owned(), text.value.to_owned());
        }
    }
    labels
}

#[cfg(test)]
#[path = "outlets_tests.rs"]
mod tests;
