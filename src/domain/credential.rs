//! A credential as its owner's file, store or environment shows it: facts only, no judgement (that is
//! [`super::state::Judgement`], made by `engine::assess`), and never the secret itself.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CredentialId, Fingerprint, Time};

/// What sort of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A key that a provider's console made.
    ApiKey,
    /// A bearer token that nobody can renew without a person (setup-token, personal access token).
    Token,
    /// An access token with (usually) a refresh token.
    Oauth,
    /// A browser or tool session.
    Session,
    /// A cloud identity (AWS, Google Cloud, Azure).
    Cloud,
}

impl Kind {
    /// The word used in JSON and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Token => "token",
            Self::Oauth => "oauth",
            Self::Session => "session",
            Self::Cloud => "cloud",
        }
    }
}

/// Who makes a new one when this one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// Its owner renews it, mostly when it is used: a passed access expiry is normal.
    Auto,
    /// A person must.
    Manual,
    /// It has no expiry.
    None,
}

impl Renewal {
    /// The word used in JSON and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Manual => "manual",
            Self::None => "none",
        }
    }
}

/// How we know a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A person or the owner's file says so.
    Declared,
    /// Read out of the token itself (JWT `exp`).
    Decoded,
    /// The provider said so.
    Server,
    /// Nobody said so: first seen plus the usual life.
    Assumed,
}

impl Basis {
    /// The word used in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Decoded => "decoded",
            Self::Server => "server",
            Self::Assumed => "assumed",
        }
    }
}

/// The three clocks of a credential (DESIGN §2). A date that is not known is `None`, never zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clocks {
    /// When the access token ends.
    pub access_expires: Option<Time>,
    /// When its owner should have renewed it.
    pub refresh_due: Option<Time>,
    /// When the login or key itself ends.
    pub grant_expires: Option<Time>,
    /// How `grant_expires` is known.
    pub grant_basis: Option<Basis>,
    /// When this generation was issued, if the data, a person or a witnessed renewal says so; gives the lifetime.
    pub issued: Option<Time>,
    /// When its owner last renewed it, if the data says so.
    pub last_renewed: Option<Time>,
}

/// What the place shows of the secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is one.
    Present,
    /// The owner emptied it and kept the rest: logged out.
    Blanked,
    /// There never was one (an entry without `key` or `token`, a key of white space); the text says what is absent.
    Absent(String),
    /// It is a reference that does not resolve; the text says which.
    Unresolved(String),
    /// It could not be read (permissions, locked keyring, damaged file); the text says why.
    Unreadable(String),
    /// The place holds something that cannot be judged (unknown type, mistyped field); the text says what.
    Damaged(String),
    /// It is there, and the service that it was for has ended; the text says since when and what its users do now.
    Retired(String),
}

/// Where a credential was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The source's word: `claude-code`, `opensoul`, `env`, `dotenv`, `declared`, …
    pub source: Cow<'static, str>,
    /// The file, if it is a file; one file often holds many.
    pub path: Option<Arc<Path>>,
    /// When that file was last changed.
    pub modified: Option<Time>,
}

/// Who keeps the place; decides which of several copies is canonical: the lowest is (DESIGN §2, *copy*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A tool's own login file.
    Tool,
    /// A gateway's auth store.
    GatewayStore,
    /// An environment or `.env`.
    Environment,
    /// A declaration in our config.
    Declared,
    /// A tool's entry that has its secret from another place: settings that only name a variable, a copy parked for later.
    /// While that other place is known, it is the one that people are told of.
    Secondhand,
}

/// Whether the gateway that keeps a credential would use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// No gateway chooses about it (a tool's own login, a declaration).
    NotApplicable,
    /// It is in the gateway's order for its provider; 0 is what would be used now.
    Eligible(usize),
    /// The gateway would never take it; the text says why ("not in auth.order", "mode mismatch").
    Excluded(String),
}

/// Why the gateway itself has set a profile aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BenchKind {
    /// Short: 1 to 60 minutes.
    Cooldown,
    /// Long: billing.
    Disabled,
}

/// A profile that the gateway does not use until `until`. Says nothing about the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bench {
    /// Cooldown or disabled.
    pub kind: BenchKind,
    /// When the gateway will try again.
    pub until: Time,
    /// The gateway's own word (`billing`, `rate_limit`, …).
    pub reason: Option<String>,
}

/// Evidence that somebody uses the credential.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activity {
    /// The owner's own `lastUsed`.
    pub last_used: Option<Time>,
    /// The owner's own last failure with it.
    pub last_failure: Option<Time>,
    /// Last change of the owner's file or state, a sign that the tool is alive.
    pub owner_changed: Option<Time>,
}

/// One key, token or login in one place. The secret is held apart (`sources::Found`).
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    /// Identity (CONTRACTS §3).
    pub id: CredentialId,
    /// Provider id, normalised as the original does (`z.ai` → `zai`).
    pub provider: String,
    /// The owner's own name for it.
    pub profile: String,
    /// What sort of thing it is.
    pub kind: Kind,
    /// The agent whose store holds it, for gateway stores.
    pub agent: Option<Arc<str>>,
    /// Where it was read.
    pub origin: Origin,
    /// Who keeps that place.
    pub owner: Owner,
    /// Who renews it.
    pub renewal: Renewal,
    /// What is there.
    pub condition: Condition,
    /// Its dates.
    pub clocks: Clocks,
    /// An account name or e-mail address that the owner stored beside it. Local output only.
    pub account: Option<String>,
    /// What it is allowed to do, in its provider's words, where the owner keeps that.
    pub scopes: Option<BTreeSet<String>>,
    /// Keyed hash of the secret (of the access token, for logins).
    pub fingerprint: Option<Fingerprint>,
    /// Keyed hash of the refresh token.
    pub refresh_fingerprint: Option<Fingerprint>,
    /// Whether the gateway would use it.
    pub selection: Selection,
    /// Whether the gateway has set it aside.
    pub bench: Option<Bench>,
    /// Signs of use.
    pub activity: Activity,
    /// `Some(false)`: a person declared that nothing uses it; `Some(true)`: declared in use.
    pub declared_in_use: Option<bool>,
    /// The exact command that renews or replaces it.
    pub fix: String,
    /// Facts worth saying that are not problems ("expires was in seconds").
    pub notes: Vec<String>,
}
