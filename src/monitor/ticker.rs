//! The heartbeat, and the only use of tokio-cron-scheduler: ONE job in UTC that says "look at the clock".
//!
//! It decides nothing. Its repeated jobs die after a suspend, its zones freeze at creation, it does not prevent overlap and
//! swallows panics; so what is due is asked of [`crate::engine::due`] with the last runs from `state.db`, and the one worker
//! that receives the ticks works them off one after the other.

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Each minute, at its beginning.
pub const MINUTE: &str = "0 * * * * *";
/// Each second, for the demonstration.
pub const SECOND: &str = "* * * * * *";

/// "Look at the clock."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick;

/// A running heartbeat; stops when dropped with the runtime, or by [`Ticker::stop`].
pub struct Ticker {
    scheduler: JobScheduler,
}

impl Ticker {
    /// Starts it. A tick that finds the last one still waiting is dropped: one look is enough.
    ///
    /// # Errors
    /// If the scheduler cannot start, which its own source gives no reason for.
    pub async fn start(pattern: &str, ticks: mpsc::Sender<Tick>) -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        let job = Job::new(pattern, move |_, _| {
            let _ = ticks.try_send(Tick);
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok(Self { scheduler })
    }

    /// No tick comes after this.
    pub async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!(%error, "the heartbeat did not stop in order");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_beats_and_stops() {
        let (sender, mut ticks) = mpsc::channel(1);
        let ticker = Ticker::start(SECOND, sender).await.unwrap();
        for _ in 0..2 {
            let tick = tokio::time::timeout(Duration::from_secs(60), ticks.recv()).await.expect("in time");
            assert_eq!(tick, Some(Tick));
        }
        ticker.stop().await;
    }
}
