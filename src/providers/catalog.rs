//! What is known about each provider: the rows of `catalog.toml`, and whether a given secret may be asked about at all.
//!
//! Decides *whether* and *where*; makes no request and reads no answer.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::domain::{Kind, Secret, VerdictKind};

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Normalised provider id, as in `domain::Credential::provider`.
    pub id: String,
    /// Other ids of the same provider.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its name for people.
    pub name: String,
    /// Beginnings of keys that only this provider issues. A secret that begins so goes to nobody else.
    #[serde(default)]
    pub key_prefixes: Vec<String>,
    /// Beginnings of secrets of this provider that its probe cannot judge, and why.
    #[serde(default)]
    pub refuses: BTreeMap<String, String>,
    /// What a person does to get a new credential.
    pub renew: String,
    /// Machine-readable status page, if there is one.
    pub status_page: Option<String>,
    /// Why there is no probe.
    pub unverifiable: Option<String>,
    /// How to ask.
    pub probe: Option<Probe>,
}

/// A free, documented, authenticated request and how its answer is read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The provider itself describes this request.
    pub documented: bool,
    /// `https`, no trailing slash; `[providers.<id>] base_url` takes its place.
    pub base_url: String,
    /// GET, or POST without a body.
    pub method: Method,
    /// Path and query after the base URL.
    pub path: String,
    /// Where the secret goes.
    pub auth: Auth,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Kinds of credential that it can prove.
    pub kinds: Vec<Kind>,
    /// Why it cannot prove the others.
    pub otherwise: String,
    /// JSON pointers that a genuine success has.
    pub expect: Vec<String>,
    /// Successes that are none, in order of precedence.
    #[serde(default)]
    pub dead: Vec<Dead>,
    /// Lower-case texts of a refusal (401, 403) that prove the key is genuine.
    #[serde(default)]
    pub alive: Vec<String>,
    /// This provider's own texts, before the general ones.
    #[serde(default)]
    pub says: Vec<Says>,
    /// This provider's own status codes, before the general ones.
    #[serde(default)]
    pub statuses: BTreeMap<String, VerdictKind>,
    /// JSON pointer to the expiry of the key.
    pub expiry: Option<String>,
    /// Where the balance is.
    pub balance: Option<BalanceAt>,
    /// The row of the same provider that is asked when this one does not know the key.
    pub other_region: Option<String>,
    /// Least minutes between two probes of one credential, where 15 are too few.
    pub every_minutes: Option<u16>,
}

/// Method of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// GET
    Get,
    /// POST without a body
    Post,
}

/// Header that carries the secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer,
    /// The secret alone, in this header.
    Header(String),
}

impl From<String> for Auth {
    fn from(text: String) -> Self {
        if text == "bearer" { Self::Bearer } else { Self::Header(text) }
    }
}

/// A field of a 200 that says the credential is of no use all the same. Exactly one condition is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dead {
    /// JSON pointer.
    pub at: String,
    /// It has this value …
    pub is: Option<serde_json::Value>,
    /// … or it is there and has another one …
    pub is_not: Option<serde_json::Value>,
    /// … or it is a number (also one in a string) not above this.
    pub at_most: Option<f64>,
    /// What that means.
    pub verdict: VerdictKind,
    /// The same for people.
    pub says: String,
}

/// A text in an error answer and what it means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Says {
    /// Lower-case.
    pub text: String,
    /// What it means.
    pub verdict: VerdictKind,
}

/// Where a balance is in an answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceAt {
    /// JSON pointer to a number, or a number in a string.
    pub amount: String,
    /// The currency, if it is always the same.
    pub currency: Option<String>,
    /// JSON pointer to the currency.
    pub currency_at: Option<String>,
}

/// All rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    provider: Vec<Provider>,
}

impl Catalog {
    /// The embedded catalog; parsed when first used.
    #[must_use]
    pub fn get() -> &'static Self {
        static CATALOG: LazyLock<Catalog> =
            LazyLock::new(|| toml::from_str(include_str!("catalog.toml")).expect("a test parses the embedded catalog"));
        &CATALOG
    }

    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = &Provider> {
        self.provider.iter()
    }

    /// The row of a provider, by id or alias.
    #[must_use]
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.rows().find(|row| row.id == id || row.aliases.iter().any(|alias| alias == id))
    }

    /// Whether and how a secret may be asked about: the row with its probe, or the reason why not.
    ///
    /// # Errors
    /// The reason, for people; it never quotes the secret.
    pub fn plan(&self, provider: &str, kind: Kind, secret: &Secret) -> Result<(&Provider, &Probe), String> {
        let row = self.provider(provider).ok_or("no free, documented way to ask this provider is known")?;
        let no_probe = || row.unverifiable.clone().unwrap_or_default();
        let probe = row.probe.as_ref().ok_or_else(no_probe)?;
        if !probe.documented {
            return Err("the only free way to ask is undocumented".to_owned());
        }
        let text = secret.expose().trim();
        if text.is_empty() {
            return Err("there is no secret to ask about".to_owned());
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(
                "it contains characters that no key has: look for a line break or a typographic quote".to_owned()
            );
        }
        let refused = row.refuses.iter().filter(|(prefix, _)| text.starts_with(*prefix));
        if let Some((_, why)) = refused.max_by_key(|(prefix, _)| prefix.len()) {
            return Err(why.clone());
        }
        let issuer = self.issuer(text);
        if let Some(other) = issuer.filter(|other| other.id != row.id) {
            return Err(format!("it looks like a key of {}, so it was not sent to {}", other.name, row.name));
        }
        if !probe.kinds.contains(&kind) {
            return Err(probe.otherwise.clone());
        }
        Ok((row, probe))
    }

    /// The provider whose keys alone begin like this.
    fn issuer(&self, text: &str) -> Option<&Provider> {
        let claims = self.rows().flat_map(|row| row.key_prefixes.iter().map(move |prefix| (prefix, row)));
        let longest = claims.filter(|(prefix, _)| text.starts_with(*prefix)).max_by_key(|(prefix, _)| prefix.len());
        longest.map(|(_, row)| row)
    }
}

impl Probe {
    /// The host that its key belongs to.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.base_url.strip_prefix("https://").unwrap_or(&self.base_url);
        rest.split('/').next().unwrap_or(rest)
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
