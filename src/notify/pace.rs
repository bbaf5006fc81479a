//! How fast a vendor may be spoken to. PURE: time comes in.
//!
//! Some vendors punish a flood: DingTalk shuts a robot out for ten minutes after the 21st message of a minute. It is better to
//! wait than to be shut out.

use std::time::Duration;

use crate::domain::{Span, Time};

/// At most `burst` messages at once, and one more each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub burst: u32,
    pub every: Duration,
}

/// What is left of a pace.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// When the bucket would be full again.
    full_at: Option<Time>,
}

impl Bucket {
    /// Takes the right to one message.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&mut self, pace: Pace, now: Time) -> Result<(), Duration> {
        let every = Span::from_std(pace.every).unwrap_or_else(|_| Span::zero());
        let whole = every * i32::try_from(pace.burst).unwrap_or(i32::MAX);
        // A clock that was set back must not shut us out.
        let full_at = self.full_at.filter(|at| *at - now <= whole).unwrap_or(now).max(now);
        let next = full_at + every;
        if next - now > whole {
            return Err((next - now - whole).to_std().unwrap_or_default());
        }
        self.full_at = Some(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::samples::now;

    #[test]
    fn a_burst_and_then_one_by_one() {
        let pace = Pace { burst: 3, every: Duration::from_secs(3) };
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.take(pace, now()), Ok(()));
        }
        assert_eq!(bucket.take(pace, now()), Err(Duration::from_secs(3)));
        assert_eq!(bucket.take(pace, now() + Span::seconds(2)), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(pace, now() + Span::seconds(3)), Ok(()));
        assert_eq!(bucket.take(pace, now() + Span::seconds(3)), Err(Duration::from_secs(3)));
        for _ in 0..3 {
            assert_eq!(bucket.take(pace, now() + Span::hours(1)), Ok(()));
        }
        assert_eq!(bucket.take(pace, now() - Span::days(1)), Ok(()), "a clock that was set back");
    }
}
