//! The only door to the machine's clocks. Everything else takes `now` as an argument (enforced by `clippy.toml`).

use std::sync::Mutex;
use std::time::Duration;

use crate::domain::Time;

/// A wall clock that may jump, and a monotonic one that may not.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Time;
    /// Time since some fixed instant of this process; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's own clocks.
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn now(&self) -> Time {
        chrono::Utc::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when told to, for tests.
pub struct ManualClock(Mutex<(Time, Duration)>);

impl ManualClock {
    /// Stands at `now`.
    #[must_use]
    pub fn at(now: Time) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Both clocks go forward.
    pub fn advance(&self, by: Duration) {
        let mut inner = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.0 += by;
        inner.1 += by;
    }

    /// Only the wall clock is set, as a person or NTP would.
    pub fn set_wall(&self, now: Time) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1
    }
}
