//! What the service manager is told (sd_notify), and nothing else. Without a service manager every call does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock::Clock;

/// Start-up is over.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins; [`ready`] ends it. systemd insists on the time for `Type=notify-reload`.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// When the monitor last made progress. The watchdog is fed only while it does, so that a monitor that hangs is restarted.
#[derive(Clone)]
pub struct Progress {
    clock: Arc<dyn Clock>,
    /// Milliseconds of the monotonic clock.
    last: Arc<AtomicU64>,
}

/// Ticks come each minute and a cycle has a budget below that; three of them missed is a hang.
const STUCK: Duration = Duration::from_secs(180);

impl Progress {
    /// Progress begins now.
    #[must_use]
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        let progress = Self { clock: Arc::clone(clock), last: Arc::default() };
        progress.made();
        progress
    }

    /// Something was done.
    pub fn made(&self) {
        self.last.store(self.millis(), Ordering::Relaxed);
    }

    /// Whether nothing was done for too long.
    #[must_use]
    pub fn stuck(&self) -> bool {
        u128::from(self.millis().saturating_sub(self.last.load(Ordering::Relaxed))) > STUCK.as_millis()
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Feeds the watchdog for as long as there is progress; ends at once where there is no watchdog.
pub async fn feed_watchdog(progress: Progress) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    feed(&progress, patience / 2, || tell(&[NotifyState::Watchdog])).await;
    tracing::error!("no progress for {} s: the watchdog is not fed any more", STUCK.as_secs());
}

async fn feed(progress: &Progress, pause: Duration, mut feed: impl FnMut()) {
    while !progress.stuck() {
        feed();
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn progress_is_measured_by_the_clock_that_does_not_jump() {
        let clock = Arc::new(ManualClock::at("2026-11-22T12:00:00Z".parse().unwrap()));
        let progress = Progress::new(&(Arc::clone(&clock) as Arc<dyn Clock>));
        clock.set_wall("2030-01-01T00:00:00Z".parse().unwrap());
        assert!(!progress.stuck());
        clock.advance(STUCK);
        assert!(!progress.stuck());
        clock.advance(Duration::from_secs(1));
        assert!(progress.stuck());
        progress.made();
        assert!(!progress.stuck());
    }

    #[tokio::test]
    async fn who_hangs_is_not_fed() {
        let clock = Arc::new(ManualClock::at("2026-11-22T12:00:00Z".parse().unwrap()));
        let progress = Progress::new(&(Arc::clone(&clock) as Arc<dyn Clock>));
        let (meal, mut meals) = tokio::sync::mpsc::unbounded_channel();
        let feeder = {
            let progress = progress.clone();
            tokio::spawn(async move { feed(&progress, Duration::from_millis(1), || _ = meal.send(())).await })
        };
        for _ in 0..5 {
            clock.advance(STUCK / 2);
            progress.made();
            meals.recv().await.expect("who gets on is fed");
        }
        clock.advance(STUCK + Duration::from_secs(1));
        tokio::time::timeout(Duration::from_secs(20), feeder).await.expect("fed although it hangs").unwrap();
    }
}
