//! What a provider says about itself on its status page. Looked at only to explain an outage that was met, never to clear one,
//! and never with a key. Reading a page is PURE; nothing in it can do more than be shown.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;

use super::catalog::{PageFormat, StatusPage};
use crate::net::{self, Clients};

/// No page is longer than this; a longer one is not understood.
const BODY_MAX: usize = 512 * 1024;
/// Characters of its words that are shown.
const SHOWN: usize = 160;

/// What a page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// Something is wrong; its words, fit to be shown.
    Trouble(String),
    /// All is well.
    Fine,
    /// It could not be read.
    Silent,
}

/// The pages that were looked at: each once, however many credentials ask.
#[derive(Debug, Default)]
pub struct Pages(Mutex<BTreeMap<String, Page>>);

impl Pages {
    /// What this page says; looks at it if nobody has.
    pub async fn look(&self, page: &StatusPage, clients: &Clients, timeout: Duration) -> Page {
        if page.format == PageFormat::Html {
            return Page::Silent;
        }
        let key = format!("{}#{}", page.url, page.component.as_deref().unwrap_or_default());
        let mut seen = self.0.lock().await;
        if let Some(known) = seen.get(&key) {
            return known.clone();
        }
        let found = fetch(&page.url, clients, timeout).await;
        let found = found.map_or(Page::Silent, |body| read(page, &body));
        seen.insert(key, found.clone());
        found
    }
}

async fn fetch(url: &str, clients: &Clients, timeout: Duration) -> Option<Value> {
    let url: Url = net::address::url(url, false).ok()?;
    let response = clients.http(&url).ok()?.get(url).timeout(timeout).send().await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    serde_json::from_str(&net::body(response, BODY_MAX).await.ok()?).ok()
}

/// Reads a page.
#[must_use]
pub fn read(page: &StatusPage, body: &Value) -> Page {
    let troubles = match page.format {
        PageFormat::Statuspage => statuspage(page, body),
        PageFormat::BetterStack => better_stack(body),
        PageFormat::Instatus => instatus(body),
        PageFormat::Html => None,
    };
    match troubles {
        None => Page::Silent,
        Some(lines) if lines.is_empty() => Page::Fine,
        Some(lines) => Page::Trouble(net::redact::words(&lines.join("; "), &[], SHOWN)),
    }
}

fn statuspage(page: &StatusPage, body: &Value) -> Option<Vec<String>> {
    let indicator = body.pointer("/status/indicator")?.as_str()?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |name: &str| body.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let wanted = |name: &str| page.component.as_ref().is_none_or(|part| name.to_lowercase().contains(part));
    let parts: Vec<Value> = list("components").into_iter().filter(|part| wanted(&text(part, "name"))).collect();
    // A component that is not there any more says nothing; then the whole page counts.
    let whole = page.component.is_none() || parts.is_empty();
    let broken =
        parts.iter().filter(|part| !matches!(text(part, "status").as_str(), "operational" | "under_maintenance" | ""));
    let mut lines: Vec<String> =
        broken.map(|part| format!("{}: {}", text(part, "name"), text(part, "status").replace('_', " "))).collect();
    if whole && lines.is_empty() && indicator != "none" {
        lines.push(body.pointer("/status/description").and_then(Value::as_str).unwrap_or(indicator).to_owned());
    }
    if !lines.is_empty() {
        let open = list("incidents")
            .into_iter()
            .find(|one| !matches!(text(one, "status").as_str(), "resolved" | "postmortem"));
        lines.extend(open.map(|one| text(&one, "name")).filter(|name| !name.is_empty()));
    }
    Some(lines)
}

fn better_stack(body: &Value) -> Option<Vec<String>> {
    let state = body.pointer("/data/attributes/aggregate_state")?.as_str()?;
    Some(if state == "operational" { Vec::new() } else { vec![state.to_owned()] })
}

fn instatus(body: &Value) -> Option<Vec<String>> {
    let state = body.pointer("/page/status")?.as_str()?;
    if state == "UP" {
        return Some(Vec::new());
    }
    let incidents = body.get("activeIncidents").and_then(Value::as_array);
    let name = incidents.and_then(|list| list.first()?.get("name")?.as_str().map(str::to_owned));
    Some(vec![name.unwrap_or_else(|| state.to_lowercase().replace('_', " "))])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(format: PageFormat, component: Option<&str>) -> StatusPage {
        StatusPage { url: "https://status.example.org".into(), format, component: component.map(str::to_owned) }
    }

    #[test]
    fn what_pages_say() {
        let parts = |api: &str, web: &str| {
            json!({"status": {"indicator": "major", "description": "Partial System Outage"},
                "components": [{"name": "API", "status": api}, {"name": "Website", "status": web}],
                "incidents": [{"name": "Elevated errors", "status": "investigating"}]})
        };
        let trouble = |text: &str| Page::Trouble(text.to_owned());
        use PageFormat::*;
        for (format, component, body, expected) in [
            (
                Statuspage,
                Some("api"),
                parts("major_outage", "operational"),
                trouble("API: major outage; Elevated errors"),
            ),
            (Statuspage, Some("api"), parts("operational", "major_outage"), Page::Fine),
            (
                Statuspage,
                Some("gone"),
                parts("operational", "operational"),
                trouble("Partial System Outage; Elevated errors"),
            ),
            (Statuspage, None, json!({"status": {"indicator": "none"}}), Page::Fine),
            (Statuspage, None, json!({"status": 3}), Page::Silent),
            (BetterStack, None, json!({"data": {"attributes": {"aggregate_state": "operational"}}}), Page::Fine),
            (BetterStack, None, json!({"data": {"attributes": {"aggregate_state": "downtime"}}}), trouble("downtime")),
            (Instatus, None, json!({"page": {"status": "UP"}}), Page::Fine),
            (
                Instatus,
                None,
                json!({"page": {"status": "HASISSUES"}, "activeIncidents": [{"name": "Slow"}]}),
                trouble("Slow"),
            ),
            (Instatus, None, json!([]), Page::Silent),
        ] {
            assert_eq!(read(&page(format, component), &body), expected, "{format:?} {component:?} {body}");
        }
    }
}
