//! `[providers.<id>]` and `[probe]`: where and how providers are asked. Pure.
//!
//! A provider of one's own is written with the keys of the catalog (`formats::provider_row`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use toml::de::DeValue;

use super::tree::{Table, Value};
use super::values;
use crate::domain::Span;
use crate::formats::provider_row::{Auth, BalanceAt, Dead, PageFormat, Probe, QuotaAt, Says, Shape, StatusPage};

/// `[providers.<id>]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provider {
    /// This provider's probes go there instead.
    pub base_url: Option<String>,
    /// Plain http beyond loopback is allowed for it.
    pub insecure: bool,
    /// Keys and tokens of it that show no end are to be replaced after this long.
    pub max_age: Option<Span>,
    /// Whose requests it understands.
    pub compatible: Option<Shape>,
    /// Where it says how it is.
    pub status_page: Option<StatusPage>,
    /// How it is asked.
    pub probe: Option<Probe>,
}

/// `[probe]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probing {
    /// Endpoints that their providers do not describe may be asked too.
    pub undocumented: bool,
    /// Requests at the same time.
    pub concurrency: usize,
    /// Requests at the same time to one host.
    pub per_host: usize,
    /// For one whole answer.
    pub timeout: Duration,
    /// Most requests about one credential in a day, by schedule.
    pub per_day: u32,
    /// Status pages are looked at when a provider has trouble; no key goes there.
    pub status_pages: bool,
}

impl Default for Probing {
    fn default() -> Self {
        Self {
            undocumented: false,
            concurrency: 8,
            per_host: 2,
            timeout: Duration::from_secs(8),
            per_day: 96,
            status_pages: true,
        }
    }
}

/// `[probe]`
pub(super) fn probing(root: &mut Table<'_>) -> Probing {
    let mut out = Probing::default();
    let Some(mut table) = root.table("probe") else { return out };
    out.undocumented = table.flag("undocumented").unwrap_or(out.undocumented);
    out.status_pages = table.flag("status_pages").unwrap_or(out.status_pages);
    let size = |number: i64| usize::try_from(number).unwrap_or(1);
    out.concurrency = table.number("concurrency", 1..=64).map_or(out.concurrency, size);
    out.per_host = table.number("per_host", 1..=16).map_or(out.per_host, size);
    let day = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    out.per_day = table.number("per_day", 1..=1_000).map_or(out.per_day, day);
    if let Some(text) = table.text("timeout") {
        let short = |span: &Span| *span <= Span::minutes(10);
        match values::duration(text.value).filter(short).and_then(|span| span.to_std().ok()) {
            Some(timeout) => out.timeout = timeout,
            None => table.problem(text.place, "is not a span of time up to ten minutes", "write for example \"8s\""),
        }
    }
    if let Some(value) = table.future("paid") {
        value.problem(
            "does not exist: a schedule never spends anything",
            "remove it; ask by hand with opensoul status --probe-paid",
        );
    }
    table.finish();
    out
}

/// `[providers.<id>]`
pub(super) fn providers(root: &mut Table<'_>) -> BTreeMap<String, Provider> {
    let Some(all) = root.table("providers") else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for entry in all.entries() {
        let Some(mut table) = entry.table() else { continue };
        let insecure = table.flag("insecure").unwrap_or(false);
        let base_url = table.text("base_url").and_then(|text| match values::http_url(text.value, insecure) {
            // People put tokens there, and the path of the question comes after it.
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                table.problem(text.place, "has a query or a fragment", "write it without what begins with ? or #");
                None
            }
            Ok(_) => Some(text.value.trim().trim_end_matches('/').to_owned()),
            Err((what, fix)) => {
                table.problem(text.place, what, fix);
                None
            }
        });
        let max_age = super::sections::max_age(&mut table);
        let compatible =
            table.value("compatible").and_then(|value| word(&value, "\"openai\", \"anthropic\" or \"google\""));
        let status_page = table.value("status_page").and_then(|value| status_page(&value));
        let probe = table.table("probe").map(probe);
        if (probe.is_some() || compatible.is_some()) && table.value("base_url").is_none() {
            let place = table.place.clone();
            table.problem(
                place,
                "`base_url` is missing",
                "write for example base_url = \"https://llm.example.org/v1\"",
            );
        }
        table.finish();
        let provider = Provider { base_url, insecure, max_age, compatible, status_page, probe };
        found.insert(entry.name.to_owned(), provider);
    }
    found
}

/// The URL of a page that speaks Statuspage v2, or a table as in the catalog.
fn status_page(value: &Value<'_>) -> Option<StatusPage> {
    const FORM: &str =
        "a URL, or a table such as { url = \"https://status.example.org/index.json\", format = \"better_stack\" }";
    let page = match value.inner {
        DeValue::String(url) => {
            Some(StatusPage { url: url.trim().to_owned(), format: PageFormat::Statuspage, component: None })
        }
        _ => form_of::<StatusPage>(value),
    };
    let Some(mut page) = page else {
        value.problem(format!("is not {FORM}"), "write one of them");
        return None;
    };
    match values::http_url(&page.url, false) {
        Ok(url) => {
            page.component = page.component.map(|part| part.to_lowercase());
            Some(StatusPage { url: url.into(), ..page })
        }
        Err((what, fix)) => {
            value.problem(what, fix);
            None
        }
    }
}

/// `[providers.<id>.probe]`: one request, as in the catalog.
fn probe(mut table: Table<'_>) -> Probe {
    let mut out = Probe { documented: true, control: true, ..Probe::default() };
    out.kinds = vec![crate::domain::Kind::ApiKey, crate::domain::Kind::Token];
    out.otherwise = "[providers] in monitor.toml does not say that its probe can judge this kind".to_owned();
    let text = |table: &mut Table<'_>, name| table.text(name).map(|text| text.value.to_owned());
    if let Some(path) = table.required("path", "\"/v1/models\"") {
        path.value.clone_into(&mut out.path);
    }
    if let Some(value) = table.value("method")
        && let Some(method) = word(&value, "\"get\" or \"post\"")
    {
        out.method = method;
    }
    out.body = text(&mut table, "body");
    if let Some(auth) = text(&mut table, "auth") {
        out.auth = Auth::from(auth);
    }
    read(&mut table, "headers", "a table of header names and values", &mut out.headers);
    read(&mut table, "kinds", "a list such as [\"api_key\", \"token\"]", &mut out.kinds);
    read(&mut table, "expect", "a list of JSON pointers such as [\"/data\"]", &mut out.expect);
    read(&mut table, "alive", "a list of texts", &mut out.alive);
    read(&mut table, "statuses", "a table such as { \"498\" = \"revoked\" }", &mut out.statuses);
    out.says = list::<Says>(&mut table, "says", "tables such as { text = \"key expired\", verdict = \"expired\" }");
    out.dead = list::<Dead>(
        &mut table,
        "dead",
        "tables such as { at = \"/ok\", is = false, verdict = \"rejected\", says = \"refused\" }",
    );
    out.quota = list::<QuotaAt>(
        &mut table,
        "quota",
        "tables such as { window = \"month\", used = \"/used\", limit = \"/limit\" }",
    );
    out.expiry = text(&mut table, "expiry");
    out.expiry_header = text(&mut table, "expiry_header").map(|name| name.to_lowercase());
    let mut balance: Option<BalanceAt> = None;
    read(&mut table, "balance", "a table such as { amount = \"/balance\", currency = \"USD\" }", &mut balance);
    out.balance = balance;
    out.every_minutes = table.number("every_minutes", 15..=10_080).and_then(|minutes| u16::try_from(minutes).ok());
    for (key, what, fix) in out.unsound() {
        let mut place = table.place.clone();
        place.key = place.key.map(|prefix| format!("{prefix}.{key}"));
        table.problem(place, what, fix);
    }
    table.finish();
    out
}

/// Reads a value of a known form; anything else is one problem, which quotes nothing of it.
fn read<T: DeserializeOwned>(table: &mut Table<'_>, name: &'static str, form: &str, into: &mut T) {
    let Some(value) = table.value(name) else { return };
    match form_of(&value) {
        Some(found) => *into = found,
        None => value.problem(format!("is not {form}"), format!("write {form}")),
    }
}

/// A list of which every entry is judged by itself.
fn list<T: DeserializeOwned>(table: &mut Table<'_>, name: &'static str, form: &str) -> Vec<T> {
    let Some(value) = table.value(name) else { return Vec::new() };
    let mut found = Vec::new();
    for element in value.elements().unwrap_or_default() {
        match form_of(&element) {
            Some(entry) => found.push(entry),
            None => element.problem("cannot be read", format!("write {form}")),
        }
    }
    found
}

fn word<T: DeserializeOwned>(value: &Value<'_>, among: &str) -> Option<T> {
    let found = form_of(value);
    if found.is_none() {
        value.problem(format!("is none of {among}"), format!("write {among}"));
    }
    found
}

fn form_of<T: DeserializeOwned>(value: &Value<'_>) -> Option<T> {
    serde_json::from_value(json(value.inner)).ok()
}

/// The same value in JSON, where it can be read without an error that quotes it.
fn json(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_or(Json::Null, Json::from),
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Json::Null, Json::from),
        DeValue::Boolean(flag) => Json::from(*flag),
        DeValue::Datetime(date) => Json::from(date.to_string()),
        DeValue::Array(list) => list.iter().map(|one| json(one.get_ref())).collect(),
        DeValue::Table(table) => {
            Json::Object(table.iter().map(|(key, one)| (key.get_ref().to_string(), json(one.get_ref()))).collect())
        }
    }
}
