//! Plain nouns of the field: what a credential, a verdict, a state, a finding, an incident *is*.
//!
//! No I/O and no clock here; everything above this room is a function over these types. Words are those of the
//! design: source, credential, copy, clocks, renewal, generation, verdict, state, severity, finding, snapshot, incident,
//! notification, receiver.

pub mod allowance;
pub mod checks;
pub mod credential;
pub mod delivery;
pub mod environment;
pub mod finding;
pub mod fingerprint;
pub mod ids;
pub mod incident;
pub mod lang;
pub mod link;
pub mod privacy;
pub mod repair;
pub mod secret;
pub mod silence;
pub mod snapshot;
pub mod state;
pub mod text;
pub mod verdict;
pub mod zone;

pub use allowance::{Allowance, Balance, Quota, Runway};
pub use credential::{
    Activity, Basis, Bench, BenchKind, Clocks, Condition, Credential, Kind, Origin, Owner, Renewal, Selection,
};
pub use delivery::{Attempt, FailureReason, Outcome, Progress};
pub use environment::Environment;
pub use finding::{Finding, Place};
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use ids::{CredentialId, IncidentId, NotificationId, SilenceId};
pub use incident::{Ended, Incident, IncidentStatus, Item, ItemStatus, Notification, NotificationKind, Subject, Told};
pub use lang::Lang;
pub use link::{Link, LinkId, LinkKey, Linked, LinkedIncident, NoLink};
pub use privacy::Pseudonyms;
pub use repair::Repair;
pub use secret::Secret;
pub use silence::{Ack, Acted, Action, Comparison, Inhibitor, Label, Matcher, Reach, Refused, Silence, Withheld};
pub use snapshot::{Assessed, Gateway, GatewayState, ProviderSummary, Snapshot, SourceReport};
pub use state::{Judgement, Severity, State, Tier};
pub use text::is_unprintable;
pub use verdict::{Verdict, VerdictKind};
pub use zone::{Minute, Zone};

/// An instant. Milliseconds are kept (OpenSoul stores use them), seconds are what metrics show.
pub type Time = chrono::DateTime<chrono::Utc>;
/// A span of time.
pub type Span = chrono::TimeDelta;
