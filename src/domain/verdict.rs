//! What a live probe proved.

use serde::{Deserialize, Serialize};

use super::Time;

/// The words of DESIGN §2. The first eight are conclusive: they say something about the credential. The rest say
/// something about the road to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// The provider took it.
    Accepted,
    /// The provider does not know it.
    Rejected,
    /// The provider says it has ended.
    Expired,
    /// The provider says somebody ended it.
    Revoked,
    /// It works, and its quota is used up until a date.
    Limited,
    /// It works, and there is no money behind it.
    Billing,
    /// It is genuine and not allowed to do this.
    Forbidden,
    /// The service behind it has ended.
    Retired,
    /// We asked too often.
    Throttled,
    /// The provider has trouble of its own.
    ProviderDown,
    /// The answer came from the network between us.
    Network,
    /// There is no free, documented way to ask.
    Unverifiable,
}

impl VerdictKind {
    /// True if it says something about the credential.
    #[must_use]
    pub fn is_conclusive(self) -> bool {
        !matches!(self, Self::Throttled | Self::ProviderDown | Self::Network | Self::Unverifiable)
    }

    /// The word used in JSON and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Limited => "limited",
            Self::Billing => "billing",
            Self::Forbidden => "forbidden",
            Self::Retired => "retired",
            Self::Throttled => "throttled",
            Self::ProviderDown => "provider_down",
            Self::Network => "network",
            Self::Unverifiable => "unverifiable",
        }
    }
}

/// One answer of one probe, redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it proved.
    pub kind: VerdictKind,
    /// When.
    pub at: Time,
    /// What the provider said, redacted and cut.
    pub detail: String,
}
