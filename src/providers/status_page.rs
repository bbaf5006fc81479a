//! What a provider says about itself on its status page. Looked at only to explain an outage that was met, never to clear one,
//! and never with a key. Reading a page is PURE ([`formats`]: one function for each kind of page); nothing in it can do more
//! than be shown, and a page that cannot be read says nothing.

mod formats;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;

use super::catalog::{PageFormat, StatusPage};
use crate::formats::bounded_json;
use crate::net::{self, Clients};

/// No page is longer than this (Google's lists the incidents of a year); a longer one is not understood.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// What it may take in memory as a tree, without [`UNREAD`], in bytes.
const ROOM: usize = 8 * 1024 * 1024;
/// The greater part of pages, in which nothing is looked for: each step of an incident, each place it was seen in.
const UNREAD: [&str; 6] = [
    "affected_locations",
    "currently_affected_locations",
    "event_log",
    "incident_updates",
    "previously_affected_locations",
    "updates",
];
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
    parse(&net::bytes(response, BODY_MAX).await.ok()?)
}

/// The document: JSON, of which one provider (AWS) makes UTF-16.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Value> {
    let wide = |unit: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        bounded_json::parse(String::from_utf16(&units).ok()?.as_bytes(), &UNREAD, ROOM)
    };
    match bytes {
        [0xfe, 0xff, rest @ ..] => wide(u16::from_be_bytes, rest),
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        bytes => bounded_json::parse(bytes, &UNREAD, ROOM),
    }
}

/// Reads a page.
#[must_use]
pub fn read(page: &StatusPage, body: &Value) -> Page {
    let part = page.component.as_deref();
    let troubles = match page.format {
        PageFormat::Statuspage => formats::statuspage(part, body),
        PageFormat::BetterStack => formats::better_stack(part, body),
        PageFormat::Instatus => formats::instatus(body),
        PageFormat::Onlineornot => formats::onlineornot(part, body),
        PageFormat::StatusIo => formats::status_io(part, body),
        PageFormat::Google => formats::google(part, body),
        PageFormat::Aws => formats::aws(part, body),
        PageFormat::Slack => formats::slack(part, body),
        PageFormat::Html => None,
    };
    match troubles {
        None => Page::Silent,
        Some(lines) if lines.is_empty() => Page::Fine,
        Some(lines) => Page::Trouble(net::redact::words(&lines.join("; "), &[], SHOWN)),
    }
}
