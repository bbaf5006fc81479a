//! How a gateway sets a profile aside after failures, and takes it back: what its `usageStats` become. Times in milliseconds.

use std::collections::BTreeMap;

const HOUR: f64 = 3_600_000.0;
/// A cooldown is a minute, then five times as long with each failure in a row, at most an hour.
const COOLDOWN: f64 = 60_000.0;

/// `usageStats` of one profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// `lastUsed`
    pub last_used: Option<f64>,
    /// `cooldownUntil`
    pub cooldown_until: Option<f64>,
    /// `disabledUntil`
    pub disabled_until: Option<f64>,
    /// `disabledReason`
    pub disabled_reason: Option<String>,
    /// `errorCount`
    pub errors: Option<u32>,
    /// `failureCounts`
    pub failures: BTreeMap<String, u32>,
    /// `lastFailureAt`
    pub last_failure: Option<f64>,
}

/// `auth.cooldowns`, for one provider. Hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// `billingBackoffHours`, or that of `billingBackoffHoursByProvider`.
    pub billing: f64,
    /// `billingMaxHours`
    pub billing_max: f64,
    /// `failureWindowHours`: failures further apart do not add up.
    pub window: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { billing: 5.0, billing_max: 24.0, window: 24.0 }
    }
}

impl Stats {
    /// A request with it failed for `reason`.
    #[must_use]
    pub fn after_failure(mut self, reason: &str, backoff: Backoff, now: f64) -> Self {
        if self.last_failure.is_some_and(|at| now - at > backoff.window * HOUR) {
            self.errors = None;
            self.failures.clear();
        }
        let errors = self.errors.unwrap_or(0).saturating_add(1);
        let same = self.failures.entry(reason.to_owned()).or_default();
        *same = same.saturating_add(1);
        if reason == "billing" {
            let doublings = i32::try_from(*same - 1).unwrap_or(i32::MAX).min(10);
            let hours = (backoff.billing * 2_f64.powi(doublings)).min(backoff.billing_max);
            self.disabled_until = Some(now + hours * HOUR);
            self.disabled_reason = Some(reason.to_owned());
        } else {
            let steps = i32::try_from(errors - 1).unwrap_or(i32::MAX).min(3);
            self.cooldown_until = Some(now + (COOLDOWN * 5_f64.powi(steps)).min(HOUR));
        }
        self.errors = Some(errors);
        self.last_failure = Some(now);
        self
    }

    /// A request with it succeeded.
    #[must_use]
    pub fn after_use(self, now: f64) -> Self {
        Self { last_used: Some(now), last_failure: self.last_failure, errors: Some(0), ..Self::default() }
    }

    /// Its cooldown was lifted; what disabled it stays.
    #[must_use]
    pub fn after_clearing(self) -> Self {
        Self { cooldown_until: None, errors: Some(0), ..self }
    }
}
