//! What is known about one provider: the shape of a row in the catalog and of `[providers.<id>]` in `monitor.toml`, and what
//! makes a row unsound. PURE data; how a question is put and an answer read is decided in `providers`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::{Kind, VerdictKind};

/// One provider.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Normalised provider id, as in `domain::Credential::provider`.
    pub id: String,
    /// Other ids of the same provider.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its name for people.
    pub name: String,
    /// Where its own documentation of keys or of the probe is.
    #[serde(default)]
    pub docs: String,
    /// Where its users send requests, by region; the first in the catalog is the usual one.
    #[serde(default)]
    pub regions: BTreeMap<String, String>,
    /// Variables that hold its secret.
    #[serde(default)]
    pub env: Vec<String>,
    /// Beginnings of keys that only this provider issues. A secret that begins so goes to nobody else.
    #[serde(default)]
    pub key_prefixes: Vec<String>,
    /// Beginnings of secrets of this provider that nothing here can judge, and why.
    #[serde(default)]
    pub refuses: BTreeMap<String, String>,
    /// What a person does to get a new credential.
    pub renew: String,
    /// Where it says how it is.
    pub status_page: Option<StatusPage>,
    /// Whose requests its API understands; how a paid question is put.
    pub compatible: Option<Shape>,
    /// How a paid question is put, where it is not put as the shape does.
    pub paid: Option<Paid>,
    /// Its service has ended: since when, and what is in its place. Nobody is asked.
    pub retired: Option<String>,
    /// Why there is no probe.
    pub unverifiable: Option<String>,
    /// Ways to ask, for different kinds of credential.
    #[serde(default, rename = "probe")]
    pub probes: Vec<Probe>,
}

/// Whose requests an API understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `GET /models`, `POST /chat/completions`; the base URL ends before these.
    Openai,
    /// `GET /v1/models`, `POST /v1/messages`.
    Anthropic,
    /// `GET /models` of Google's Generative Language API; the base URL ends with the version.
    Google,
}

/// A page on which a provider says how it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusPage {
    /// The machine-readable document.
    pub url: String,
    /// Its format.
    pub format: PageFormat,
    /// The part of the page that is about the API, lower-case; others are not our business.
    pub component: Option<String>,
}

/// Format of a status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageFormat {
    /// Atlassian Statuspage v2 `summary.json`, also spoken by others.
    Statuspage,
    /// Better Stack `index.json`.
    BetterStack,
    /// Instatus `summary.json`.
    Instatus,
    /// OnlineOrNot, the summary of its public API.
    Onlineornot,
    /// status.io, the status of its public API.
    StatusIo,
    /// Google Cloud's `incidents.json`.
    Google,
    /// The public events of the AWS Health Dashboard.
    Aws,
    /// Slack's own.
    Slack,
    /// For people only.
    Html,
}

/// An authenticated request and how its answer is read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The provider itself describes this request. The others are asked only with `[probe] undocumented = true`.
    pub documented: bool,
    /// `https`, no trailing slash; `[providers.<id>] base_url` takes its place. `None`: it is the user's own server.
    pub base_url: Option<String>,
    /// GET, or POST.
    #[serde(default)]
    pub method: Method,
    /// Path and query after the base URL.
    pub path: String,
    /// Body of a POST; empty if not given. JSON.
    pub body: Option<String>,
    /// Where the secret goes.
    #[serde(default)]
    pub auth: Auth,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Kinds of credential that it can prove; keys and tokens if not given.
    #[serde(default = "keys")]
    pub kinds: Vec<Kind>,
    /// Only for secrets that begin so; such a probe goes before the others.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Why the others cannot be proved.
    #[serde(default = "only_keys")]
    pub otherwise: String,
    /// JSON pointers that a genuine success has.
    pub expect: Vec<String>,
    /// What a success does not prove, for people.
    pub leaves_open: Option<String>,
    /// The same request without a key is sent once, to see whether the answer proves anything at all: for servers whose
    /// rules nobody knows.
    #[serde(default)]
    pub control: bool,
    /// Successes that are none, in order of precedence.
    #[serde(default)]
    pub dead: Vec<Dead>,
    /// Lower-case texts of a refusal that prove the key is genuine.
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
    /// Header with the expiry of the key.
    pub expiry_header: Option<String>,
    /// Where the balance is.
    pub balance: Option<BalanceAt>,
    /// Where used-up shares are.
    #[serde(default)]
    pub quota: Vec<QuotaAt>,
    /// Asked with the same header if the first says "too often": an expired token is told so only there.
    pub second: Option<Second>,
    /// The row of the same provider that is asked when this one does not know the key.
    pub other_region: Option<String>,
    /// Least minutes between two probes of one credential, where 15 are too few.
    pub every_minutes: Option<u16>,
}

/// Another place to ask.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Second {
    /// After the base URL.
    pub path: String,
    /// JSON pointers that a genuine success has.
    pub expect: Vec<String>,
}

/// Method of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// GET
    #[default]
    Get,
    /// POST
    Post,
}

/// Where the secret goes: `bearer`, `path` (in place of `{key}`), a header name, or `header: Scheme`; or nowhere (`aws`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Auth {
    /// `Authorization: Bearer …`
    #[default]
    Bearer,
    /// In this header, after this word if there is one.
    Header(String, Option<String>),
    /// In the path, in place of `{key}`; only where the provider has no other way.
    Path,
    /// It signs the request by AWS's rules and is not sent.
    Aws,
}

impl From<String> for Auth {
    fn from(text: String) -> Self {
        match (text.as_str(), text.split_once(':')) {
            ("bearer", _) => Self::Bearer,
            ("path", _) => Self::Path,
            ("aws", _) => Self::Aws,
            (_, Some((name, scheme))) => {
                Self::Header(name.trim().to_lowercase(), Some(scheme.trim().to_owned()).filter(|s| !s.is_empty()))
            }
            _ => Self::Header(text.trim().to_lowercase(), None),
        }
    }
}

/// A field of a 200 that says the credential is of no use all the same. Exactly one condition is set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dead {
    /// JSON pointer.
    pub at: String,
    /// It has this value, or one of these (also a number in a string) …
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Says {
    /// Lower-case.
    pub text: String,
    /// What it means.
    pub verdict: VerdictKind,
}

/// Where a balance is in an answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceAt {
    /// JSON pointer to a number, or a number in a string.
    pub amount: String,
    /// JSON pointer to what of it is used already.
    pub used: Option<String>,
    /// What one unit there is worth, such as 0.0001.
    pub scale: Option<f64>,
    /// The currency, if it is always the same.
    pub currency: Option<String>,
    /// JSON pointer to the currency.
    pub currency_at: Option<String>,
}

/// Where a share of a quota is in an answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaAt {
    /// Its name: `5h`, `7d`, `month`.
    pub window: String,
    /// JSON pointer to what is used …
    pub used: Option<String>,
    /// … or to what is left.
    pub remaining: Option<String>,
    /// JSON pointer to the whole …
    pub limit: Option<String>,
    /// … or the whole itself (100 for per cent); 1 if neither is given.
    pub of: Option<f64>,
    /// JSON pointer to when it begins anew.
    pub resets: Option<String>,
    /// When it is used up, nothing works any more until it begins anew.
    #[serde(default)]
    pub blocks: bool,
}

/// A question that costs a token.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paid {
    /// After the base URL.
    pub path: String,
    /// JSON; `{model}` stands for the name of the model as a JSON string.
    pub body: String,
    /// JSON pointers that a genuine success has.
    pub expect: Vec<String>,
}

/// Something wrong with a row: the key, what, and what to do.
pub type Unsound = (&'static str, String, String);

impl Probe {
    /// The host that its key belongs to.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let rest = self.base_url.as_deref()?.strip_prefix("https://")?;
        rest.split('/').next()
    }

    /// Everything that makes it unusable, whoever wrote it.
    #[must_use]
    pub fn unsound(&self) -> Vec<Unsound> {
        let mut found: Vec<Unsound> = Vec::new();
        let mut say = |key, what: &str, fix: &str| found.push((key, what.to_owned(), fix.to_owned()));
        if !self.path.starts_with('/') || self.path.contains(['#', ' ']) {
            say("path", "is not a path", "write for example \"/v1/models\"");
        }
        if (self.auth == Auth::Path) != self.path.contains("{key}") {
            say("auth", "`{key}` in the path and auth = \"path\" belong together", "write both or neither");
        }
        if self.auth == Auth::Aws && self.method != Method::Get {
            say("auth", "signs a GET only", "write method = \"get\"");
        }
        if let Auth::Header(name, scheme) = &self.auth {
            let scheme_ok = scheme.as_ref().is_none_or(|scheme| scheme.bytes().all(|b| b.is_ascii_graphic()));
            if !is_header(name) || !scheme_ok {
                say(
                    "auth",
                    "is not the name of a header",
                    "write \"bearer\", \"x-api-key\" or \"authorization: Token\"",
                );
            }
        }
        for (name, value) in &self.headers {
            if !is_header(name) || name.contains("authorization") || !value.bytes().all(|b| (b' '..=b'~').contains(&b))
            {
                say(
                    "headers",
                    "has a header that cannot be sent",
                    "use lower-case names and plain values; the key has its own place",
                );
            }
        }
        if self.method == Method::Get && self.body.is_some() {
            say("body", "is of no use with GET", "write method = \"post\" or remove the body");
        }
        if self.body.as_ref().is_some_and(|body| serde_json::from_str::<serde_json::Value>(body).is_err()) {
            say("body", "is not JSON", "write for example '{}'");
        }
        if self.kinds.is_empty() {
            say("kinds", "names no kind of credential", "write for example [\"api_key\"]");
        }
        if self.expect.is_empty() {
            say(
                "expect",
                "is missing: an answer of any shape would be believed",
                "name a field of the genuine answer, such as [\"/data\"]",
            );
        }
        if !self.pointers().all(|pointer| pointer.starts_with('/')) {
            say(
                "expect",
                "a place in the answer is not written as a JSON pointer",
                "begin it with a slash: \"/data/balance\"",
            );
        }
        for dead in &self.dead {
            let set = [dead.is.is_some(), dead.is_not.is_some(), dead.at_most.is_some()];
            if set.iter().filter(|set| **set).count() != 1 || dead.verdict == VerdictKind::Accepted {
                say(
                    "dead",
                    "needs exactly one of `is`, `is_not` and `at_most`, and a verdict that is not accepted",
                    "correct it",
                );
            }
        }
        for text in self.alive.iter().chain(self.says.iter().map(|says| &says.text)) {
            if text.len() < 6 || *text != text.to_lowercase() {
                say(
                    "says",
                    "has a text that is too short or not in lower case",
                    "write at least six characters, in lower case",
                );
            }
        }
        if self.says.iter().any(|says| says.verdict == VerdictKind::Accepted) {
            say("says", "calls a refusal accepted", "write that text into `alive`");
        }
        if self.statuses.keys().any(|status| !matches!(status.parse(), Ok(400..=499u16))) {
            say("statuses", "has a status that is no refusal", "write statuses from 400 to 499");
        }
        for quota in &self.quota {
            let whole = quota.limit.is_none() || quota.of.is_none();
            if quota.used.is_some() == quota.remaining.is_some() || !whole || quota.of.is_some_and(|of| of <= 0.0) {
                say("quota", "needs one of `used` and `remaining`, and at most one of `limit` and `of`", "correct it");
            }
        }
        found
    }

    fn pointers(&self) -> impl Iterator<Item = &String> {
        let balance =
            self.balance.iter().flat_map(|at| std::iter::once(&at.amount).chain(&at.used).chain(&at.currency_at));
        let quota =
            self.quota.iter().flat_map(|at| at.used.iter().chain(&at.remaining).chain(&at.limit).chain(&at.resets));
        let dead = self.dead.iter().map(|dead| &dead.at);
        self.expect.iter().chain(&self.expiry).chain(dead).chain(balance).chain(quota)
    }
}

fn keys() -> Vec<Kind> {
    vec![Kind::ApiKey, Kind::Token]
}

fn only_keys() -> String {
    "only keys can be asked about".to_owned()
}

fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
