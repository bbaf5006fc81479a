//! `auth-profiles.json` and its relatives: the split-off `auth-state.json`, the SQLite rows (same JSON), and the two legacy
//! files that the gateway would import. What the gateway drops in silence is kept here as damage, with its place.
//!
//! Decides nothing about expiry or order: `super::eligibility` and `engine` do.

use std::cmp::Ordering;

use super::javascript::trim;
use super::json::{self, Broken, Json};
use super::secret_shape::holds_key;
use crate::domain::Secret;

/// The three types of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileType {
    /// `api_key`
    ApiKey,
    /// `token`
    Token,
    /// `oauth`
    Oauth,
}

impl ProfileType {
    /// The word in the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Token => "token",
            Self::Oauth => "oauth",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::ApiKey, Self::Token, Self::Oauth].into_iter().find(|t| t.word() == word)
    }
}

/// What a gateway puts in place of tokens that it is renewing, or could not renew.
pub const FENCE: &str = "openclaw-oauth-refresh-fence:";

/// `expires` as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Expires {
    /// Not there.
    Absent,
    /// `null`, which means the same.
    Null,
    /// A number, meant as milliseconds.
    Number(f64),
    /// A string that looks like a date, a number or a short word. The gateway does not read it as a date.
    Text(String),
    /// Anything else.
    Wrong(&'static str),
}

impl Expires {
    /// What is wrong with it, as the rest of a sentence.
    #[must_use]
    pub fn oddity(&self) -> Option<String> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Text(_) => Some("is a string instead of a number of milliseconds".to_owned()),
            Self::Wrong(kind) => Some(format!("is {kind} instead of a number of milliseconds")),
            Self::Number(n) if *n <= 0.0 => Some("is zero or negative, which is no date".to_owned()),
            Self::Number(n) if (1e9..1e11).contains(n) => Some("is in seconds where milliseconds belong".to_owned()),
            Self::Number(n) => (!(1e11..=8.64e15).contains(n)).then(|| "cannot be a date".to_owned()),
        }
    }

    /// The number, if it is one that the gateway takes for a date: finite and positive.
    #[must_use]
    pub fn as_date(&self) -> Option<f64> {
        match self {
            Self::Number(n) if n.is_finite() && *n > 0.0 => Some(*n),
            _ => None,
        }
    }
}

/// Where a secret is kept instead of in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    /// `env`, `file`, `exec`, `store`.
    pub source: String,
    /// Name of a provider in the config's `secrets.providers`.
    pub provider: String,
    /// What to look up there.
    pub id: String,
}

/// One profile.
pub struct Profile {
    /// Its id.
    pub id: String,
    /// The provider as it is spelled in the store.
    pub provider: String,
    /// Its type.
    pub kind: ProfileType,
    /// `key`, `token` or `access`, if it is a string.
    pub secret: Option<Secret>,
    /// `refresh`, if it is a string.
    pub refresh: Option<Secret>,
    /// `keyRef` or `tokenRef`; whoever reads the store puts what it resolves to into `secret`.
    pub reference: Option<Box<SecretRef>>,
    /// Why the reference does not resolve.
    pub unresolved: Option<Box<str>>,
    /// `expires`
    pub expires: Expires,
    /// `email`, trimmed, if it is not blank.
    pub email: Option<String>,
    /// `accountId`
    pub account: Option<String>,
    /// What is wrong with it, though the gateway does not drop it; it stumbles over it instead.
    pub damage: Option<Box<str>>,
}

/// A profile that the gateway drops without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its id.
    pub id: String,
    /// The provider, if it can be told.
    pub provider: Option<String>,
    /// Why it is dropped.
    pub why: String,
}

/// `usageStats` of one profile. Times in milliseconds; what is no number is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// `lastUsed`
    pub last_used: Option<f64>,
    /// `cooldownUntil`
    pub cooldown_until: Option<f64>,
    /// `disabledUntil`
    pub disabled_until: Option<f64>,
    /// `disabledReason`
    pub disabled_reason: Option<String>,
    /// `lastFailureAt`
    pub last_failure: Option<f64>,
    /// `errorCount`
    pub error_count: Option<f64>,
}

impl Usage {
    /// Until when the gateway sets the profile aside: the later of cooldown and disabling; `None` if neither was ever set.
    #[must_use]
    pub fn unusable_until(&self) -> Option<f64> {
        let valid = |v: Option<f64>| v.filter(|n| n.is_finite() && *n > 0.0);
        match (valid(self.cooldown_until), valid(self.disabled_until)) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }
    }
}

/// The profiles of one agent, in the order in which the gateway sees them.
#[derive(Default)]
pub struct AuthStore {
    /// The profiles.
    pub profiles: Vec<Profile>,
    /// Those that the gateway drops.
    pub dropped: Vec<Dropped>,
    /// `order`: provider as spelled → ids.
    pub order: Vec<(String, Vec<String>)>,
    /// `usageStats`
    pub usage: Vec<(String, Usage)>,
    /// Whether `order`, `lastGood` or `usageStats` is there at all (an agent's store with nothing in it is main's as it is).
    pub has_state: bool,
    by_id: Vec<u32>,
    usage_by_id: Vec<u32>,
}

/// Something wrong inside a file that is otherwise readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The key, as a path.
    pub path: Vec<String>,
    /// Line and column, if they could be found.
    pub at: Option<(usize, usize)>,
    /// What is wrong, for people.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// A store and what is wrong inside it.
#[derive(Default)]
pub struct Parsed {
    /// The store.
    pub store: AuthStore,
    /// What is wrong inside it.
    pub damage: Vec<Damage>,
}

impl AuthStore {
    /// A profile by id, in logarithmic time.
    #[must_use]
    pub fn profile(&self, id: &str) -> Option<&Profile> {
        self.position(id).map(|n| &self.profiles[n])
    }

    /// Where a profile stands in `profiles`.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        let found = self.by_id.binary_search_by(|n| self.profiles[*n as usize].id.as_str().cmp(id)).ok()?;
        Some(self.by_id[found] as usize)
    }

    /// The usage of a profile.
    #[must_use]
    pub fn usage_of(&self, id: &str) -> Option<&Usage> {
        let found = self.usage_by_id.binary_search_by(|n| self.usage[*n as usize].0.as_str().cmp(id)).ok()?;
        Some(&self.usage[self.usage_by_id[found] as usize].1)
    }

    /// Adds a profile, or replaces the one with this id in its place.
    pub fn put(&mut self, profile: Profile) {
        if let Some(n) = self.position(&profile.id) {
            self.profiles[n] = profile;
            return;
        }
        self.profiles.push(profile);
        self.index();
    }

    fn index(&mut self) {
        self.by_id = sorted(self.profiles.len(), |a, b| self.profiles[a].id.cmp(&self.profiles[b].id));
        self.usage_by_id = sorted(self.usage.len(), |a, b| self.usage[a].0.cmp(&self.usage[b].0));
    }

    /// True if there is nothing in it that could override main's.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.profiles.is_empty() && !self.has_state
    }
}

fn sorted(len: usize, compare: impl Fn(usize, usize) -> Ordering) -> Vec<u32> {
    let mut index: Vec<u32> = (0..u32::try_from(len).unwrap_or(u32::MAX)).collect();
    index.sort_by(|a, b| compare(*a as usize, *b as usize));
    index
}

/// Parses a store: `auth-profiles.json` or `store_json` of SQLite.
///
/// # Errors
/// The text is not JSON, or not of the shape of a store: the gateway takes it for no store at all.
pub fn parse(text: &str) -> Result<Parsed, Broken> {
    plain(text).map_or_else(|| tree(text), Ok)
}

/// Whatever is in it.
fn tree(text: &str) -> Result<Parsed, Broken> {
    let root = json::parse(text)?;
    let profiles = match root.get("profiles") {
        Some(profiles) if profiles.is_container() => profiles,
        other => return Err(wrong_shape(&root, other)),
    };
    let mut parsed = Parsed::default();
    for (id, value) in profiles.entries() {
        read_profile(&id, value, &mut parsed);
    }
    read_state(&root, &mut parsed);
    parsed.store.index();
    parsed.place(text);
    Ok(parsed)
}

/// The same for a store whose profiles stand in the order in which the gateway sees them, none twice and none dropped: almost
/// every one. They are taken as they are read, for a tree of ten thousand would be five megabytes more.
fn plain(text: &str) -> Option<Parsed> {
    let mut parsed = Parsed::default();
    // About as many as there are: growing would copy the first ones again and again.
    parsed.store.profiles.reserve_exact(text.len() / 256 + 1);
    let mut ordered = true;
    let root = json::parse_each(text, "profiles", &mut |id, value| {
        ordered &= !json::moves(id);
        read_profile(id, &value, &mut parsed);
    })?;
    read_state(&root, &mut parsed);
    parsed.store.profiles.shrink_to_fit();
    parsed.store.index();
    let AuthStore { profiles, by_id, dropped, .. } = &parsed.store;
    let id = |n: &u32| &profiles[*n as usize].id;
    let distinct = dropped.is_empty() && by_id.is_sorted_by(|one, other| id(one) < id(other));
    if !(ordered && distinct) {
        return None;
    }
    parsed.place(text);
    Some(parsed)
}

/// Adds a split-off `auth-state.json`; what it says goes before what the store says.
///
/// # Errors
/// The text is not a JSON object.
pub fn add_state(store: &mut AuthStore, text: &str) -> Result<Vec<Damage>, Broken> {
    let root = object(text)?;
    let mut parsed = Parsed::default();
    read_state(&root, &mut parsed);
    let state = &mut parsed.store;
    if !state.order.is_empty() {
        store.order = std::mem::take(&mut state.order);
    }
    if !state.usage.is_empty() {
        store.usage = std::mem::take(&mut state.usage);
    }
    store.has_state |= state.has_state;
    store.index();
    parsed.place(text);
    Ok(parsed.damage)
}

/// Parses a legacy `auth.json` (`{provider: credential}`) into the profiles that the gateway would import, adds those that
/// are not there yet, and gives what is wrong with single entries.
///
/// # Errors
/// The text is not JSON, or not an object.
pub fn import_auth_json(store: &mut AuthStore, text: &str) -> Result<Vec<Damage>, Broken> {
    let root = object(text)?;
    // A store under the legacy name: the gateway does not import it.
    if root.get("profiles").is_some() {
        return Ok(Vec::new());
    }
    let mut parsed = Parsed::default();
    for (key, value) in root.entries() {
        match value.get("type").and_then(Json::as_str).and_then(ProfileType::parse) {
            Some(kind) => {
                let provider = value.get("provider").and_then(Json::as_str).unwrap_or(&key);
                take_legacy(&key, provider, kind, value, &mut parsed);
            }
            None => parsed.not_imported(&key, "is no credential with a `type` of api_key, token or oauth"),
        }
    }
    Ok(import(store, parsed, text))
}

/// Parses a legacy `credentials/oauth.json` likewise; profiles that exist stay.
///
/// # Errors
/// The text is not JSON, or not an object.
pub fn import_oauth_json(store: &mut AuthStore, text: &str) -> Result<Vec<Damage>, Broken> {
    let root = object(text)?;
    let mut parsed = Parsed::default();
    for (provider, value) in root.entries() {
        match value {
            Json::Object(_) if store.profile(&format!("{provider}:default")).is_some() => {}
            Json::Object(_) => take_legacy(&provider, &provider, ProfileType::Oauth, value, &mut parsed),
            Json::Null => {}
            other => parsed.not_imported(&provider, &format!("is {} instead of a login", other.kind())),
        }
    }
    Ok(import(store, parsed, text))
}

/// One entry of a legacy file; its damage is placed there, not in the store that it would become.
fn take_legacy(key: &str, provider: &str, kind: ProfileType, value: &Json<'_>, parsed: &mut Parsed) {
    let before = parsed.damage.len();
    take_profile(&format!("{key}:default"), provider, kind, value, parsed);
    for damage in &mut parsed.damage[before..] {
        damage.path.splice(..2, [key.to_owned()]);
    }
}

/// A text that must be one JSON object.
fn object(text: &str) -> Result<Json<'_>, Broken> {
    match json::parse(text)? {
        root @ Json::Object(_) => Ok(root),
        root => Err(Broken { line: 1, column: 1, message: format!("is {} instead of an object", root.kind()) }),
    }
}

/// Appends profiles whose ids are not there yet.
fn import(store: &mut AuthStore, mut parsed: Parsed, text: &str) -> Vec<Damage> {
    parsed.place(text);
    store.profiles.append(&mut parsed.store.profiles);
    store.index();
    parsed.damage
}

/// The login of another tool (`{access_token, refresh_token, expiry_date}`) that the gateway would mirror as profile `id`.
/// Applies the gateway's own rule when to replace what the store has. `true` if it was taken.
pub fn mirror_login(store: &mut AuthStore, id: &str, provider: &str, text: &str, now_ms: f64) -> bool {
    const NEAR_EXPIRY_MS: f64 = 600_000.0;
    let Ok(root) = json::parse(text) else { return false };
    let string = |key: &str| root.get(key).and_then(Json::as_str).filter(|v| !v.is_empty());
    let (Some(access), Some(refresh), Some(expires)) =
        (string("access_token"), string("refresh_token"), root.get("expiry_date").and_then(Json::as_f64))
    else {
        return false;
    };
    if let Some(existing) = store.profile(id)
        && existing.provider == provider
        && existing.kind != ProfileType::ApiKey
    {
        let Expires::Number(known) = existing.expires else { return false };
        let fresh = known > now_ms + NEAR_EXPIRY_MS;
        if fresh || (existing.kind == ProfileType::Oauth && known > now_ms && expires <= known) {
            return false;
        }
    }
    store.put(Profile {
        id: id.to_owned(),
        provider: provider.to_owned(),
        kind: ProfileType::Oauth,
        secret: Some(Secret::new(access.to_owned())),
        refresh: Some(Secret::new(refresh.to_owned())),
        reference: None,
        unresolved: None,
        expires: Expires::Number(expires),
        email: None,
        account: None,
        damage: None,
    });
    true
}

impl Parsed {
    fn report(&mut self, path: &[&str], message: String, fix: &str) {
        self.damage.push(Damage {
            path: path.iter().map(|p| (*p).to_owned()).collect(),
            at: None,
            message,
            fix: fix.to_owned(),
        });
    }

    fn not_imported(&mut self, key: &str, what: &str) {
        let fix = "correct the entry, or remove it: the gateway passes over it";
        self.report(&[key], format!("\"{key}\" {what}; the gateway does not import it"), fix);
    }

    /// Finds the places of the damage; a store without damage costs nothing here, one full of it is searched once a key up
    /// to a limit.
    fn place(&mut self, text: &str) {
        const MANY: usize = 20;
        for damage in self.damage.iter_mut().take(MANY) {
            let path: Vec<&str> = damage.path.iter().map(String::as_str).collect();
            damage.at = json::locate(text, &path).or_else(|| json::locate(text, &path[..path.len().saturating_sub(1)]));
        }
    }
}

fn wrong_shape(root: &Json<'_>, profiles: Option<&Json<'_>>) -> Broken {
    let message = match (root, profiles) {
        (Json::Object(_), None) => "has no `profiles`: not a store the gateway can read".to_owned(),
        (Json::Object(_), Some(value)) => format!("has `profiles` that are {} instead of an object", value.kind()),
        (other, _) => format!("is {} instead of an object", other.kind()),
    };
    Broken { line: 1, column: 1, message }
}

/// Shown in the place of what looks like a key and stands where a name belongs.
const HIDDEN: &str = "hidden";

/// A key where a name belongs. Names of providers are short and addresses have an `@`: of ten thousand, few are looked at.
fn misplaced(text: &str) -> bool {
    text.len() >= 12 && !text.contains('@') && holds_key(text)
}

fn read_profile(id: &str, value: &Json<'_>, parsed: &mut Parsed) {
    let provider = value.get("provider").and_then(Json::as_str);
    let drop = |parsed: &mut Parsed, field: Option<&str>, why: String| {
        let path: Vec<&str> = ["profiles", id].into_iter().chain(field).collect();
        let fix = "correct the entry, or remove it: the gateway ignores it and deletes it with its next write";
        parsed.report(&path, format!("profile \"{id}\" {why}; the gateway drops it without a word"), fix);
        let provider =
            provider.or_else(|| id.split_once(':').map(|(p, _)| p)).filter(|p| !misplaced(p)).map(str::to_owned);
        parsed.store.dropped.push(Dropped { id: id.to_owned(), provider, why });
    };
    if !matches!(value, Json::Object(_)) {
        return drop(parsed, None, format!("is {} instead of an object", value.kind()));
    }
    let kind = match value.get("type") {
        Some(Json::String(word)) => match ProfileType::parse(word) {
            Some(kind) => kind,
            None => {
                // A secret in the wrong field must not come out again: only what looks like a word is repeated.
                let is_word = word.len() <= 16
                    && !misplaced(word)
                    && word.chars().all(|c| c.is_ascii_alphabetic() || c == '_' || c == '-');
                let word = if is_word { format!(" \"{word}\"") } else { String::new() };
                return drop(parsed, Some("type"), format!("has an unknown type{word} (api_key, token or oauth)"));
            }
        },
        Some(other) => return drop(parsed, Some("type"), format!("has a `type` that is {}", other.kind())),
        None => return drop(parsed, None, "has no `type`".to_owned()),
    };
    match value.get("provider") {
        None | Some(Json::Null) => drop(parsed, None, "has no `provider`".to_owned()),
        Some(Json::String(name)) if name.is_empty() => {
            drop(parsed, Some("provider"), "has an empty `provider`".to_owned());
        }
        // Such a name of a provider would be shown, and sent in metrics.
        Some(Json::String(name)) if misplaced(name) => {
            parsed.report(
                &["profiles", id, "provider"],
                format!("profile \"{id}\": `provider` looks like a key"),
                "put the key into its own field, and the provider's name here",
            );
            take_profile(id, HIDDEN, kind, value, parsed);
        }
        Some(Json::String(name)) => take_profile(id, name, kind, value, parsed),
        Some(other) => drop(parsed, Some("provider"), format!("has a `provider` that is {}", other.kind())),
    }
}

fn take_profile(id: &str, provider: &str, kind: ProfileType, value: &Json<'_>, parsed: &mut Parsed) {
    const FIX: &str = "correct the field, or enter the credential again (opensoul models auth paste-token)";
    let mut damage: Option<Box<str>> = None;
    let mut wrong = |parsed: &mut Parsed, field: &str, what: String| {
        parsed.report(&["profiles", id, field], format!("profile \"{id}\": `{field}` {what}"), FIX);
        damage.get_or_insert_with(|| format!("`{field}` {what}").into());
    };
    let mut text = |parsed: &mut Parsed, field: &str| match value.get(field) {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text.as_ref().to_owned()),
        Some(other) => {
            wrong(parsed, field, format!("is {} instead of a string", other.kind()));
            None
        }
    };
    let (secret_field, ref_field) = match kind {
        ProfileType::ApiKey => ("key", "keyRef"),
        ProfileType::Token => ("token", "tokenRef"),
        ProfileType::Oauth => ("access", "accessRef"),
    };
    let secret = text(parsed, secret_field).map(Secret::new);
    let refresh = if kind == ProfileType::Oauth { text(parsed, "refresh").map(Secret::new) } else { None };
    let email = text(parsed, "email").map(|e| if trim(&e).len() == e.len() { e } else { trim(&e).to_owned() });
    let email = email.filter(|e| !e.is_empty()).map(|e| if misplaced(&e) { HIDDEN.to_owned() } else { e });
    let account =
        value.get("accountId").and_then(Json::as_str).map(|a| if misplaced(a) { HIDDEN } else { a }.to_owned());
    let reference = value.get(ref_field).and_then(read_reference).map(Box::new);
    if kind == ProfileType::Token && secret.is_none() && reference.is_none() && damage.is_none() {
        parsed.report(&["profiles", id], format!("profile \"{id}\" is a token without `token`"), FIX);
        damage = Some("there is no `token`".into());
    }
    let expires = read_expires(value.get("expires"));
    // With a mark of its own in place of the tokens, the gateway writes a date that means nothing.
    let fenced = secret.as_ref().is_some_and(|secret| secret.expose().starts_with(FENCE));
    let float = matches!(value.get("expires"), Some(Json::Float(_)));
    let float = || float.then(|| "is a float instead of a whole number of milliseconds".to_owned());
    if let Some(what) = expires.oddity().or_else(float).filter(|_| kind != ProfileType::ApiKey && !fenced) {
        let fix = "correct it to the end in milliseconds of Unix time, or remove it if there is no end";
        parsed.report(&["profiles", id, "expires"], format!("profile \"{id}\": `expires` {what}"), fix);
    }
    parsed.store.profiles.push(Profile {
        id: id.to_owned(),
        provider: provider.to_owned(),
        kind,
        secret,
        refresh,
        reference,
        unresolved: None,
        expires,
        email,
        account,
        damage,
    });
}

fn read_expires(value: Option<&Json<'_>>) -> Expires {
    match value {
        None => Expires::Absent,
        Some(Json::Null) => Expires::Null,
        Some(Json::Number(n) | Json::Float(n)) => Expires::Number(*n),
        Some(Json::String(text)) => {
            // Only what can be a date is kept: a token pasted into the wrong field must not come out again.
            let dateish = text.len() <= 40
                && text.chars().any(|c| c.is_ascii_digit())
                && text.chars().all(|c| c.is_ascii_digit() || "-+:. TZUCetz".contains(c));
            let word = text.len() <= 12 && text.chars().all(|c| c.is_ascii_alphabetic());
            if dateish || word { Expires::Text(text.as_ref().to_owned()) } else { Expires::Wrong("a string") }
        }
        Some(other) => Expires::Wrong(other.kind()),
    }
}

fn read_reference(value: &Json<'_>) -> Option<SecretRef> {
    let field = |name: &str| value.get(name).and_then(Json::as_str).map(|v| trim(v).to_owned());
    match value {
        Json::String(text) => shorthand(text),
        _ => Some(SecretRef {
            source: field("source")?,
            provider: field("provider").unwrap_or_else(|| "default".to_owned()),
            id: field("id")?,
        }),
    }
}

/// `${NAME}` and `$NAME`.
#[must_use]
pub fn shorthand(text: &str) -> Option<SecretRef> {
    let rest = trim(text).strip_prefix('$')?;
    let name = rest.strip_prefix('{').and_then(|r| r.strip_suffix('}')).unwrap_or(rest);
    let fits = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    fits.then(|| SecretRef { source: "env".to_owned(), provider: "default".to_owned(), id: name.to_owned() })
}

fn read_state(root: &Json<'_>, parsed: &mut Parsed) {
    const FIX: &str = "correct it; until then the gateway goes on as if it were not there";
    if let Some(order) = root.get("order").filter(|v| v.is_container()) {
        parsed.store.has_state = true;
        for (provider, ids) in order.entries() {
            let Json::Array(items) = ids else {
                let message = format!("`order.{provider}` is {} instead of a list of profile ids", ids.kind());
                parsed.report(&["order", &provider], message, FIX);
                continue;
            };
            let list: Vec<String> = items
                .iter()
                .filter_map(Json::as_str)
                .map(|id| trim(id).to_owned())
                .filter(|id| !id.is_empty())
                .collect();
            if list.len() != items.len() {
                let message = format!("`order.{provider}` holds entries that are no profile ids; they are passed over");
                parsed.report(&["order", &provider], message, FIX);
            }
            if !list.is_empty() {
                parsed.store.order.push((provider.into_owned(), list));
            }
        }
    }
    parsed.store.has_state |= root.get("lastGood").is_some_and(Json::is_container);
    if let Some(usage) = root.get("usageStats").filter(|v| v.is_container()) {
        parsed.store.has_state = true;
        for (id, stats) in usage.entries() {
            let number = |key: &str| stats.get(key).and_then(Json::as_f64);
            parsed.store.usage.push((
                id.into_owned(),
                Usage {
                    last_used: number("lastUsed"),
                    cooldown_until: number("cooldownUntil"),
                    disabled_until: number("disabledUntil"),
                    disabled_reason: stats.get("disabledReason").and_then(Json::as_str).map(str::to_owned),
                    last_failure: number("lastFailureAt"),
                    error_count: number("errorCount"),
                },
            ));
        }
    }
}

#[cfg(test)]
#[path = "auth_store_tests.rs"]
mod tests;
