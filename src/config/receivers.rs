//! `[[receivers]]` and `[[routes]]`: tree → validated values. Pure.

use std::collections::BTreeSet;

use lettre::message::Mailbox;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use toml::de::DeValue;

use super::channels::{self, CHANNELS};
use super::sections::unique_name;
use super::tree::{At, Table, Value, nearest, shown};
use super::{
    Body, Context, Email, MaybeSecret, Receiver, ReceiverKind, SecretRef, SmtpSecurity, Templates, Webhook, values,
};
use crate::domain::{Lang, Severity};
use crate::engine::policy::Route;

/// Every `type` there is.
fn types() -> impl Iterator<Item = &'static str> {
    ["email", "webhook"].into_iter().chain(CHANNELS.iter().map(|channel| channel.name))
}

/// `[[receivers]]`; also the names of those that have a problem, so that routes to them are not called wrong as well.
pub(super) fn receivers(root: &mut Table<'_>, context: &Context<'_>) -> (Vec<Receiver>, BTreeSet<String>) {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for mut table in root.tables("receivers") {
        let name = unique_name(&mut table, &mut names);
        let send_resolved = table.flag("send_resolved").unwrap_or(true);
        let lang = lang(&mut table);
        let kind = match table.required("type", "\"email\"") {
            Some(text) if text.value == "email" => email(&mut table, context).map(ReceiverKind::Email),
            Some(text) if text.value == "webhook" => webhook(&mut table, context).map(ReceiverKind::Webhook),
            Some(text) => match channels::channel(text.value) {
                Some(channel) => channels::settings(channel, &mut table, context).map(ReceiverKind::Channel),
                None => {
                    let fix = nearest(text.value, types()).map_or_else(
                        || format!("there are {}", types().collect::<Vec<_>>().join(", ")),
                        |near| format!("did you mean \"{near}\"?"),
                    );
                    table.problem(text.place, format!("{} is not a type of receiver", shown(text.value)), fix);
                    continue;
                }
            },
            // What its keys mean depends on the type: without it they cannot be judged.
            None => continue,
        };
        let templates = templates(&mut table, context, kind.as_ref());
        table.finish();
        if let (Some(name), Some(kind)) = (name, kind) {
            all.push(Receiver { name, send_resolved, lang, templates, kind });
        }
    }
    (all, names)
}

pub(super) fn lang(table: &mut Table<'_>) -> Lang {
    let Some(text) = table.text("lang") else { return Lang::default() };
    Lang::parse(text.value).unwrap_or_else(|| {
        let what = format!("{} is not a language of ours", shown(text.value));
        table.problem(text.place, what, "write \"en\" or \"zh-CN\"");
        Lang::default()
    })
}

/// `template = { … }`: which parts there are depends on what a channel shows.
fn templates(table: &mut Table<'_>, context: &Context<'_>, kind: Option<&ReceiverKind>) -> Templates {
    /// Channels whose messages are data.
    const PROGRAMS: [&str; 3] = ["exec", "file", "journal"];
    let Some(value) = table.value("template") else { return Templates::default() };
    let fixed = match kind {
        Some(ReceiverKind::Webhook(_)) => Some("write body = { template = \"path\" }"),
        Some(ReceiverKind::Channel(settings)) if PROGRAMS.contains(&settings.channel.name) => Some("remove it"),
        _ => None,
    };
    if let Some(fix) = fixed {
        value.problem("its messages are for programs and have no words to replace", fix);
        return Templates::default();
    }
    let Some(mut parts) = value.table() else { return Templates::default() };
    let mut path = |name| {
        let text = parts.text(name)?;
        if text.value.trim().is_empty() {
            parts.problem(text.place, "has no path", "write the path of a template");
            return None;
        }
        Some(context.path(text.value.trim()))
    };
    let (subject, text) = (path("subject"), path("text"));
    let html = if matches!(kind, Some(ReceiverKind::Channel(_))) { None } else { path("html") };
    parts.finish();
    Templates { subject, text, html }
}

/// `body = "alertmanager"`, `"json"` or `{ template = "path" }`.
fn body(table: &mut Table<'_>, context: &Context<'_>) -> Body {
    const FORMS: &str = "write \"alertmanager\", \"json\" or { template = \"path\" }";
    let Some(value) = table.value("body") else { return Body::Alertmanager };
    match value.inner {
        DeValue::String(text) if text.trim() == "alertmanager" => return Body::Alertmanager,
        DeValue::String(text) if text.trim() == "json" => return Body::Json,
        DeValue::Table(_) => {}
        _ => {
            value.problem("is not a form of body", FORMS);
            return Body::Alertmanager;
        }
    }
    let path = value.table().and_then(|mut table| {
        let path = table.required("template", "\"~/hook.json\"");
        table.finish();
        path
    });
    path.map_or(Body::Alertmanager, |path| Body::Template(context.path(path.value.trim())))
}

fn email(table: &mut Table<'_>, context: &Context<'_>) -> Option<Email> {
    let server = table.required("server", "\"smtps://mail.example.org\"").and_then(|text| {
        server(text.value)
            .map_err(|(what, fix)| table.problem(text.place.clone(), what, fix))
            .ok()
            .map(|server| At { value: server, place: text.place })
    });
    let username = table.text("username");
    let password = table.value("password");
    let reference = password.as_ref().and_then(|value| context.secret(value));
    let xoauth2 = table.text("auth").is_some_and(|text| match text.value {
        "xoauth2" => true,
        "plain" | "login" | "password" => false,
        _ => {
            table.problem(text.place, "is not a way to log in", "write \"password\" or \"xoauth2\"");
            false
        }
    });
    let insecure = table.flag("insecure").unwrap_or(false);
    match (&username, &password) {
        (Some(name), None) => {
            table.problem(name.place.clone(), "has no password", "add password = { file = \"path\" }")
        }
        (None, Some(value)) => value.problem("has no `username`", "add username = \"…\""),
        (None, None) if xoauth2 => {
            table.problem(
                table.place.clone(),
                "xoauth2 needs a login",
                "add `username` and `password` (the access token)",
            );
        }
        _ => {}
    }
    if let (Some(At { value: (SmtpSecurity::Plain, host, _), place }), Some(_)) = (&server, &username)
        && !values::is_loopback(host)
        && !insecure
    {
        table.problem(
            place.clone(),
            "would send the password without encryption",
            "use smtps:// or smtp+starttls://, or write insecure = true",
        );
    }
    let from = table.required("from", "\"opensoul <monitor@example.org>\"").and_then(|text| mailbox(table, &text));
    let to = recipients(table);
    let (security, host, port) = server?.value;
    Some(Email {
        security,
        host,
        port,
        username: username.map(|text| text.value.to_owned()),
        password: reference,
        xoauth2,
        from: from?,
        to,
    })
}

fn recipients(table: &mut Table<'_>) -> Vec<String> {
    let example = "to = [\"ops@example.org\"]";
    let Some(value) = table.value("to") else {
        table.problem(table.place.clone(), "`to` is missing", format!("write for example {example}"));
        return Vec::new();
    };
    let texts: Vec<At<&str>> = match value.inner {
        DeValue::String(_) => value.text().into_iter().collect(),
        _ => value.elements().unwrap_or_default().iter().filter_map(Value::text).collect(),
    };
    if texts.is_empty() && matches!(value.inner, DeValue::Array(elements) if elements.is_empty()) {
        value.problem("names nobody", format!("write for example {example}"));
    }
    let mut seen = BTreeSet::new();
    texts
        .iter()
        .filter_map(|text| mailbox(table, text))
        .filter(|text| {
            seen.insert(text.parse::<Mailbox>().map(|mailbox| mailbox.email.to_string()).unwrap_or_default())
        })
        .collect()
}

fn mailbox(table: &Table<'_>, text: &At<&str>) -> Option<String> {
    if text.value.parse::<Mailbox>().is_ok() && !text.value.contains(char::is_control) {
        return Some(text.value.trim().to_owned());
    }
    table.problem(
        text.place.clone(),
        "is not a mail address",
        "write \"ops@example.org\" or \"Name <ops@example.org>\"",
    );
    None
}

fn server(text: &str) -> Result<(SmtpSecurity, String, u16), (String, String)> {
    const FORMS: &str =
        "write smtps://host, smtp+starttls://host or smtp://host (without encryption), with :port if unusual";
    let wrong = |what: &str| Err((what.to_owned(), FORMS.to_owned()));
    let Ok(url) = Url::parse(text.trim()) else { return wrong("is not the URL of a mail server") };
    let (security, port) = match url.scheme() {
        "smtps" => (SmtpSecurity::Tls, 465),
        "smtp+starttls" => (SmtpSecurity::StartTls, 587),
        "smtp" => (SmtpSecurity::Plain, 25),
        _ => return wrong("is not the URL of a mail server"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("contains a login".to_owned(), "write `username` and `password` as keys of their own".to_owned()));
    }
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || !host.is_ascii() || host.contains('%') {
        return wrong("has no usable host name");
    }
    if super::address::is_forbidden_host(host) {
        return wrong("names a link-local or metadata address, to which nothing is ever sent");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return wrong("has more than a host and a port");
    }
    Ok((security, host.to_owned(), url.port().unwrap_or(port)))
}

fn webhook(table: &mut Table<'_>, context: &Context<'_>) -> Option<Webhook> {
    let insecure = table.flag("insecure").unwrap_or(false);
    let url = match table.value("url") {
        None => {
            table.problem(
                table.place.clone(),
                "`url` is missing",
                "write for example url = \"https://hooks.example.org/x\"",
            );
            None
        }
        Some(value) => match value.inner {
            DeValue::String(text) => match values::http_url(text, insecure) {
                Ok(_) => Some(MaybeSecret::Plain(text.trim().to_owned())),
                Err((what, fix)) => {
                    value.problem(what, fix);
                    None
                }
            },
            _ => context.secret(&value).map(MaybeSecret::Ref),
        },
    };
    let secrets: Vec<SecretRef> = match table.value("secret") {
        None => Vec::new(),
        Some(value) if matches!(value.inner, DeValue::Array(_)) => {
            value.elements().unwrap_or_default().iter().filter_map(|element| context.secret(element)).collect()
        }
        Some(value) => context.secret(&value).into_iter().collect(),
    };
    let headers = headers(table, context);
    let body = body(table, context);
    Some(Webhook { url: url?, secrets, headers, insecure, body })
}

pub(super) fn headers(table: &mut Table<'_>, context: &Context<'_>) -> Vec<(String, MaybeSecret)> {
    let Some(all) = table.table("headers") else { return Vec::new() };
    let mut headers = Vec::new();
    for entry in all.entries() {
        let lower = entry.name.to_ascii_lowercase();
        if HeaderName::from_bytes(lower.as_bytes()).is_err() {
            entry.problem("is not the name of a header", "letters, digits and `-` only");
            continue;
        }
        if lower.starts_with("webhook-")
            || [
                "content-type",
                "content-length",
                "content-encoding",
                "host",
                "user-agent",
                "transfer-encoding",
                "connection",
            ]
            .contains(&lower.as_str())
        {
            entry.problem("is set by us", "remove it");
            continue;
        }
        let secret =
            ["authorization", "cookie", "token", "secret", "key", "password", "auth"].iter().any(|w| lower.contains(w));
        let value = match entry.inner {
            DeValue::String(text) if !secret => {
                if HeaderValue::from_str(text).is_err() {
                    entry.problem("has characters that a header cannot carry", "printable ASCII only");
                    continue;
                }
                Some(MaybeSecret::Plain(text.to_string()))
            }
            _ => context.secret(&entry).map(MaybeSecret::Ref),
        };
        headers.extend(value.map(|value| (lower, value)));
    }
    headers
}

/// `[[routes]]`; `names` are the receivers that exist.
pub(super) fn routes(root: &mut Table<'_>, names: &BTreeSet<String>) -> Vec<Route> {
    let mut routes = Vec::new();
    for mut table in root.tables("routes") {
        let plain = |texts: Option<Vec<At<&str>>>| {
            texts.unwrap_or_default().iter().map(|text| text.value.trim().to_owned()).collect::<Vec<_>>()
        };
        let severity = table.texts("severity").unwrap_or_default();
        let severity = severity.into_iter().filter_map(|text| severity_of(&table, text)).collect();
        let providers = plain(table.texts("providers"));
        let subjects = plain(table.texts("subjects"));
        let receivers = table.texts("receivers");
        let receivers = named(&table, receivers, names);
        let proceed = table.flag("continue").unwrap_or(false);
        table.finish();
        routes.push(Route { severity, providers, subjects, receivers, proceed });
    }
    routes
}

/// Names of receivers, of which each must exist and one at least must be there.
pub(super) fn named(table: &Table<'_>, receivers: Option<Vec<At<&str>>>, names: &BTreeSet<String>) -> Vec<String> {
    if receivers.as_ref().is_none_or(Vec::is_empty) {
        table.problem(table.place.clone(), "goes to no receiver", "write receivers = [\"…\"]");
    }
    for receiver in receivers.iter().flatten() {
        if !names.contains(receiver.value.trim()) {
            let fix = match nearest(receiver.value, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if names.is_empty() => "add [[receivers]] first".to_owned(),
                None => format!("there are: {}", names.iter().cloned().collect::<Vec<_>>().join(", ")),
            };
            table.problem(receiver.place.clone(), format!("there is no receiver {}", shown(receiver.value)), fix);
        }
    }
    receivers.unwrap_or_default().iter().map(|text| text.value.trim().to_owned()).collect()
}

pub(super) fn severity_of(table: &Table<'_>, text: At<&str>) -> Option<Severity> {
    match text.value {
        "info" => Some(Severity::Info),
        "warning" => Some(Severity::Warning),
        "critical" => Some(Severity::Critical),
        _ => {
            table.problem(
                text.place,
                format!("{} is not a severity", shown(text.value)),
                "write \"info\", \"warning\" or \"critical\"",
            );
            None
        }
    }
}
