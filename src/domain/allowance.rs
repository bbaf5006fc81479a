//! What a provider says about a key besides yes or no: when it ends, what is left behind it, how much of its windows is used.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Time;

/// Money or points that are left, or a limit counted in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// How much.
    pub amount: f64,
    /// Of what: `USD`, or the provider's own unit (`points`).
    pub currency: Option<String>,
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.currency {
            Some(currency) => write!(f, "{:.2} {currency}", self.amount),
            None => write!(f, "{:.2}", self.amount),
        }
    }
}

/// How much of one window is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// Its name: `5h`, `7d`, `month`, `plan`.
    pub window: String,
    /// 0 to 1, and above if the provider lets one overdraw.
    pub used_ratio: f64,
    /// When it begins anew.
    pub resets_at: Option<Time>,
}

/// When a balance will be used up if it goes on as it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Runway {
    /// The best estimate.
    pub ends: Time,
    /// It could end as early as this …
    pub earliest: Time,
    /// … or as late as this; `None`: it may never.
    pub latest: Option<Time>,
}

/// The last of it that a provider said about one generation of a credential; what a later answer did not say stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allowance {
    /// When the key ends, by the provider's word.
    pub expires: Option<Time>,
    /// What is left.
    pub balance: Option<Balance>,
    /// Used shares.
    pub quota: Vec<Quota>,
    /// When the balance will be used up.
    pub runway: Option<Runway>,
    /// From when that is a warning, and from when it is critical; the judgement says so.
    pub bands: Option<(Time, Time)>,
    /// When that was said.
    pub at: Option<Time>,
}
