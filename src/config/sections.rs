//! The sections of `monitor.toml` one by one, except receivers and routes: tree → validated values. Pure.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::domain::Zone;
use toml::de::DeValue;

use super::tree::{At, Table, Value, shown};
use super::{Context, Declared, Doctor, History, Identity, Listen, Remote, Sources, Web, values};
use crate::domain::{CredentialId, Environment, Place, Severity, Span, Time, checks};
use crate::engine::due;
use crate::engine::policy::{AlertPolicy, Rhythm, Schedule, Thresholds};

/// `[schedule]`: when files are read, when providers are asked, in which zone; when silent receivers are tested.
pub(super) fn schedule(root: &mut Table<'_>, local: Zone, alerts: &mut AlertPolicy) -> (Schedule, Option<Schedule>) {
    let mut zone = local;
    let mut status = Rhythm::Cron("*/5 * * * *".to_owned());
    let mut probe = Some(Rhythm::Cron("*/30 * * * *".to_owned()));
    if let Some(mut table) = root.table("schedule") {
        zone = self::zone(&mut table).unwrap_or(zone);
        for name in ["status", "probe"] {
            let Some(text) = table.text(name) else { continue };
            match due::parse(text.value) {
                _ if name == "probe" && text.value.trim() == "off" => probe = None,
                Ok(found) if name == "probe" => probe = Some(found),
                Ok(found) => status = found,
                Err(what) => table.problem(text.place, what, "write for example \"5m\" or \"*/5 * * * *\""),
            }
        }
        alerts.self_test = self_test(&mut table);
        table.finish();
    }
    (Schedule { rhythm: status, zone }, probe.map(|rhythm| Schedule { rhythm, zone }))
}

/// `self_test`: a day at least, because a test is a message too.
fn self_test(table: &mut Table<'_>) -> Option<Span> {
    let text = table.text("self_test").filter(|text| text.value.trim() != "off")?;
    let found = values::duration(text.value).filter(|span| *span >= Span::days(1));
    if found.is_none() {
        table.problem(text.place, "is not a span of a day or more", "write \"7d\", or \"off\"");
    }
    found
}

/// `zone = …`, wherever it is written.
pub(super) fn zone(table: &mut Table<'_>) -> Option<Zone> {
    let text = table.text("zone")?;
    let found = values::zone(text.value);
    if found.is_none() {
        let near = super::tree::nearest(text.value, Zone::names());
        let fix = near.map_or_else(
            || "write an IANA name such as \"Europe/Berlin\"".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        table.problem(text.place, format!("{} is not the name of a time zone", shown(text.value)), fix);
    }
    found
}

/// `[sources]`
pub(super) fn sources(root: &mut Table<'_>, context: &Context<'_>) -> Sources {
    let Some(mut table) = root.table("sources") else { return Sources::default() };
    let env = table.flag("env").unwrap_or(false);
    let mut paths =
        |name| -> Option<Vec<_>> { Some(table.texts(name)?.iter().map(|path| context.path(path.value)).collect()) };
    let (dotenv, litellm) = (paths("dotenv").unwrap_or_default(), paths("litellm").unwrap_or_default());
    let secrets = paths("secrets").unwrap_or_else(|| Sources::default().secrets);
    table.finish();
    Sources { env, dotenv, litellm, secrets }
}

/// `[[declared]]`
pub(super) fn declared(root: &mut Table<'_>, zone: Zone) -> Vec<Declared> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for mut table in root.tables("declared") {
        let about = table.text("for").and_then(|id| credential_id(&table, id));
        let found = table.has("for");
        let provider = if found { table.text("provider") } else { table.required("provider", "\"anthropic\"") };
        let name = match &about {
            Some(id) if !table.has("name") => distinct(&table, id.as_str(), &table.place, &mut names),
            None if found => None,
            _ => unique_name(&mut table, &mut names),
        };
        let expires = moment(&mut table, "expires", zone);
        let issued = moment(&mut table, "issued", zone);
        if let (Some(end), Some(start)) = (&expires, &issued)
            && end.value <= start.value
        {
            table.problem(end.place.clone(), "ends before it was issued", "correct `expires` or `issued`");
        }
        let as_of = moment(&mut table, "as_of", zone).map(|at| at.value);
        let generation = table.text("generation").map(|mark| mark.value.trim().to_owned());
        let in_use = table.flag("in_use");
        let text = |value: Option<At<&str>>| value.map(|text| text.value.trim().to_owned()).filter(|t| !t.is_empty());
        let (fix, note) = (text(table.text("fix")), text(table.text("note")));
        if about.is_some() && expires.is_none() && in_use.is_none() && fix.is_none() && note.is_none() {
            table.problem(
                table.place.clone(),
                "says nothing about the credential",
                "write `expires`, or `in_use = false`",
            );
        }
        table.finish();
        if let Some(name) = name.filter(|_| about.is_some() || provider.is_some()) {
            all.push(Declared {
                name,
                provider: provider.map(|provider| provider.value.trim().to_owned()).unwrap_or_default(),
                about,
                as_of,
                generation,
                expires: expires.map(|at| at.value),
                issued: issued.map(|at| at.value),
                in_use,
                fix,
                note,
            });
        }
    }
    all
}

/// `name = …` in a list of tables: there, printable, and only once.
pub(super) fn unique_name(table: &mut Table<'_>, names: &mut BTreeSet<String>) -> Option<String> {
    let name = table.required("name", "\"ops-mail\"")?;
    let text = name.value.trim();
    if text.chars().any(char::is_control) || text.len() > 100 {
        table.problem(name.place, "is not a usable name", "write a short name of printable characters");
        return None;
    }
    distinct(table, text, &name.place, names)
}

fn distinct(table: &Table<'_>, text: &str, place: &Place, names: &mut BTreeSet<String>) -> Option<String> {
    if !names.insert(text.to_owned()) {
        table.problem(place.clone(), format!("`{text}` exists already"), "give each its own name");
        return None;
    }
    Some(text.to_owned())
}

/// The id of a credential (CONTRACTS §3): a source, a colon, the rest.
fn credential_id(table: &Table<'_>, id: At<&str>) -> Option<CredentialId> {
    let text = id.value.trim();
    let source = text.split_once(':').filter(|(source, rest)| !source.is_empty() && !rest.is_empty());
    if source.is_none() || text.chars().any(char::is_control) {
        table.problem(id.place, "is not the id of a credential", "copy one from `opensoul credentials list`");
        return None;
    }
    Some(text.into())
}

fn moment(table: &mut Table<'_>, name: &'static str, zone: Zone) -> Option<At<Time>> {
    let value = table.value(name)?;
    let found = match value.inner {
        DeValue::String(text) => values::moment(text, zone),
        DeValue::Datetime(date) => values::moment(&date.to_string(), zone),
        _ => return value.expected("a date"),
    };
    if found.is_none() {
        value.problem("is not a date", "write 2027-01-31, or 2027-01-31T12:00:00Z");
    }
    found.map(|value_at| At { value: value_at, place: value.place })
}

/// `[thresholds]`, with the reminders.
pub(super) fn thresholds(root: &mut Table<'_>, alerts: &mut AlertPolicy) -> Thresholds {
    let mut out = Thresholds::default();
    let Some(mut table) = root.table("thresholds") else { return out };
    span(&mut table, "warn", &mut out.warn);
    span(&mut table, "warn_long", &mut out.warn_long);
    span(&mut table, "critical", &mut out.critical);
    out.max_age = max_age(&mut table);
    for (name, share) in [("warn_share", &mut out.warn_share), ("critical_share", &mut out.critical_share)] {
        if let Some(number) = table.number(name, 1..=1000) {
            *share = i32::try_from(number).unwrap_or(*share);
        }
    }
    span(&mut table, "remind_critical", &mut alerts.remind_critical_first);
    span(&mut table, "remind_daily", &mut alerts.remind_daily);
    if let Some(number) = table.number("digest_over", 1..=10_000) {
        alerts.digest_over = usize::try_from(number).unwrap_or(alerts.digest_over);
    }
    if out.critical > out.warn || out.critical > out.warn_long {
        table.problem(
            table.place.clone(),
            "`critical` is longer than `warn`",
            "a warning must come first: exchange them",
        );
    }
    table.finish();
    out
}

fn span(table: &mut Table<'_>, name: &'static str, into: &mut Span) {
    let Some(text) = table.text(name) else { return };
    match values::duration(text.value) {
        Some(span) => *into = span,
        None => table.problem(text.place, "is not a span of time", "write for example \"14d\", \"12h\" or \"2h 30m\""),
    }
}

/// `max_age` of `[thresholds]` and of a provider.
pub(super) fn max_age(table: &mut Table<'_>) -> Option<Span> {
    let text = table.text("max_age")?;
    let found = values::duration(text.value);
    if found.is_none() && text.value.trim() != "off" {
        table.problem(text.place, "is not a span of time", "write for example \"90d\", or \"off\"");
    }
    found
}

/// `[web]`
pub(super) fn web(root: &mut Table<'_>, context: &Context<'_>) -> Web {
    let mut out = Web {
        enabled: !super::locate::is_termux(context.env),
        listen: usual_door(context.env),
        allowed_hosts: Vec::new(),
        file: None,
        insecure: false,
        tls: false,
    };
    let Some(mut table) = root.table("web") else { return out };
    if let Some(enabled) = table.flag("enabled") {
        out.enabled = enabled;
    }
    out.file = table.text("config").map(|text| context.path(text.value));
    out.insecure = table.flag("insecure").unwrap_or(false);
    if let Some(text) = table.text("listen") {
        match listen(text.value, context) {
            Ok(Listen::Tcp(address)) if !address.ip().is_loopback() && out.file.is_none() && !out.insecure => {
                let what = format!(
                    "{} is beyond loopback, where nothing listens without TLS and authentication",
                    shown(text.value)
                );
                let fix = "write \"127.0.0.1:10177\" and put a reverse proxy with TLS and a login in front of it, or name a file with \
                           tls_server_config in `config` (docs/page.md)";
                table.problem(text.place, what, fix);
            }
            Ok(listen) => out.listen = listen,
            Err((what, fix)) => table.problem(text.place, what, fix),
        }
    }
    for host in table.texts("allowed_hosts").unwrap_or_default() {
        let name = host.value.trim().to_lowercase();
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "/@*".contains(c)) {
            table.problem(host.place, "is not a host name", "write the name only, such as \"status.example.org\"");
        } else {
            out.allowed_hosts.push(name);
        }
    }
    table.finish();
    out
}

/// Where we listen if nobody says where. A unit that makes a directory for its run time (`RuntimeDirectory=` of systemd) gets a
/// socket in it: several of them share one machine, and one port would be taken by the first.
fn usual_door(env: &Environment) -> Listen {
    match env.get("RUNTIME_DIRECTORY").and_then(|list| list.split(':').next()).filter(|dir| dir.starts_with('/')) {
        Some(dir) => Listen::Unix(PathBuf::from(dir).join("http.sock")),
        None => Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 10177))),
    }
}

fn listen(text: &str, context: &Context<'_>) -> Result<Listen, (String, String)> {
    let text = text.trim();
    let path = text.strip_prefix("unix:").or_else(|| (text.starts_with('/') || text.starts_with('~')).then_some(text));
    if let Some(path) = path {
        return Ok(Listen::Unix(context.path(path)));
    }
    let address = text.replacen("localhost:", "127.0.0.1:", 1).parse::<SocketAddr>().map_err(|_| {
        (
            format!("{} is not an address to listen on", shown(text)),
            "write \"127.0.0.1:10177\", or \"unix:\" and a path".to_owned(),
        )
    })?;
    Ok(Listen::Tcp(address))
}

/// `[remote]`; `web` is where links would be answered.
pub(super) fn remote(root: &mut Table<'_>, web: &Web) -> Option<Remote> {
    let mut table = root.table("remote")?;
    let insecure = table.flag("insecure").unwrap_or(false);
    let given = table.required("url", "\"https://monitor.example.org/\"");
    table.finish();
    let given = given?;
    let wrong = |what: &str, fix: &str| {
        table.problem(given.place.clone(), what, fix);
        None
    };
    let mut url = match values::http_url(given.value, insecure) {
        Ok(url) => url,
        Err((what, fix)) => return wrong(&what, &fix),
    };
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("has a query or a fragment", "write the address that leads here and nothing behind its path");
    }
    if !web.enabled {
        return wrong("leads to a page that is switched off", "write enabled = true into [web], or remove [remote]");
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    Some(Remote { url: url.into(), host })
}

/// `[doctor]`: which checks are not made, and which findings are worse or less bad than we say.
pub(super) fn doctor(root: &mut Table<'_>) -> Doctor {
    let mut out = Doctor::default();
    let Some(mut table) = root.table("doctor") else { return out };
    for word in table.texts("skip").unwrap_or_default() {
        if known_check(&table, word.value, &word.place) {
            out.skip.push(word.value.trim().to_owned());
        }
    }
    if let Some(value) = table.value("severity")
        && let Some(severities) = value.table()
    {
        // `gateway.no-linger` without quotes is a table in a table.
        for entry in severities.entries() {
            match entry.inner {
                DeValue::Table(_) => {
                    let inner = entry.table().map(|table| table.entries()).unwrap_or_default();
                    for each in inner {
                        severity(&table, &format!("{}.{}", entry.name, each.name), &each, &mut out);
                    }
                }
                _ => severity(&table, entry.name, &entry, &mut out),
            }
        }
    }
    table.finish();
    out
}

fn severity(table: &Table<'_>, name: &str, value: &Value<'_>, out: &mut Doctor) {
    let Some(text) = value.text() else { return };
    let all = [Severity::Info, Severity::Warning, Severity::Critical];
    match all.into_iter().find(|severity| severity.word() == text.value.trim()) {
        Some(severity) if known_check(table, name, &value.place) => {
            out.severity.insert(name.trim().to_owned(), severity);
        }
        Some(_) => {}
        None => {
            value.problem("is not a severity", "write \"info\", \"warning\" or \"critical\"; `skip` leaves a check out")
        }
    }
}

fn known_check(table: &Table<'_>, word: &str, place: &Place) -> bool {
    let word = word.trim();
    let known = checks::is_known(word);
    if !known {
        let fix = checks::suggestion(word).map_or_else(
            || "docs/doctor.md has the ids of all checks".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        table.problem(place.clone(), format!("{} is no check of the doctor", shown(word)), fix);
    }
    known
}

/// `[history]`
pub(super) fn history(root: &mut Table<'_>) -> History {
    let mut out = History { raw_days: 90, daily_days: 730, max_bytes: 64 * 1024 * 1024 };
    let Some(mut table) = root.table("history") else { return out };
    for (name, days) in [("raw_days", &mut out.raw_days), ("daily_days", &mut out.daily_days)] {
        if let Some(number) = table.number(name, 1..=36_500) {
            *days = u32::try_from(number).unwrap_or(*days);
        }
    }
    if let Some(number) = table.number("max_mb", 1..=1_000_000) {
        out.max_bytes = u64::try_from(number).unwrap_or(64) * 1024 * 1024;
    }
    table.finish();
    out
}

/// `[identity]`
pub(super) fn identity(root: &mut Table<'_>, context: &Context<'_>) -> Identity {
    let Some(mut table) = root.table("identity") else { return Identity::default() };
    let key = table.value("key").and_then(|value| context.secret(&value));
    let host = table.text("host").and_then(|text| {
        let name = text.value.trim();
        let usable =
            !name.is_empty() && name.len() <= 253 && name.chars().all(|c| c.is_alphanumeric() || "-._".contains(c));
        if !usable {
            table.problem(text.place, "is not a host name", "letters, digits, `-`, `.` and `_` only");
        }
        usable.then(|| name.to_owned())
    });
    table.finish();
    Identity { key, host }
}

/// `[actions] runbook_url`
pub(super) fn runbook(root: &mut Table<'_>) -> Option<String> {
    const HOLES: [&str; 3] = ["{name}", "{provider}", "{subject}"];
    let mut table = root.table("actions")?;
    let found = table.text("runbook_url").and_then(|text| {
        let filled = HOLES.iter().fold(text.value.trim().to_owned(), |url, hole| url.replace(hole, "x"));
        if filled.contains(['{', '}']) {
            table.problem(text.place, "has other holes than {name}, {provider} and {subject}", "correct their names");
            return None;
        }
        // A link that people follow; nothing is sent there.
        match values::http_url(&filled, true) {
            Ok(_) => Some(text.value.trim().to_owned()),
            Err((what, fix)) => {
                table.problem(text.place, what, fix);
                None
            }
        }
    });
    table.finish();
    found
}

/// A value that is not a secret and must not look like one is written plainly everywhere else; this one is a reference.
pub(super) fn reference(value: &Value<'_>, context: &Context<'_>) -> Option<super::SecretRef> {
    use super::SecretRef;
    let DeValue::Table(_) = value.inner else {
        value.problem(
            "a secret is written here in the open",
            "write a reference: { env = \"NAME\" }, { file = \"path\" } or { credential = \"name\" }",
        );
        return None;
    };
    let mut table = value.table()?;
    let given: Vec<(&str, At<&str>)> =
        ["env", "file", "credential"].into_iter().filter_map(|name| Some((name, table.text(name)?))).collect();
    table.finish();
    let [(sort, text)] = given.as_slice() else {
        if given.len() > 1 || table.entries().is_empty() {
            value.problem("a reference names one place", "write one of env, file and credential");
        }
        return None;
    };
    let text = text.value.trim();
    let bad = |what: &str, fix: &str| {
        value.problem(what, fix);
        None
    };
    match *sort {
        "env"
            if text.is_empty()
                || text.starts_with(|c: char| c.is_ascii_digit())
                || text.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') =>
        {
            bad("is not the name of a variable", "write the name only, such as { env = \"SMTP_PASSWORD\" }")
        }
        "credential" if text.is_empty() || text.contains('/') || text.starts_with('.') => {
            bad("is not the name of a systemd credential", "write the name given in LoadCredential=")
        }
        "file" if text.is_empty() => bad("has no path", "write the path of a file"),
        "env" => Some(SecretRef::Env(text.to_owned())),
        "file" => Some(SecretRef::File(context.path(text))),
        _ => Some(SecretRef::Credential(text.to_owned())),
    }
}
