//! A loop that does nothing but the commits of a delivery: takes every message that is due in a copy of a state directory and
//! marks it delivered, a hundred to a commit. `benches/run.py` measures the courier against it.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use opensoul::domain::{Outcome, Severity, Span};
use opensoul::notify::courier::UNRECORDED;
use opensoul::store::Store;

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("marks DIR")?);
    // Retries and quarantines are over by then.
    let now = chrono::Utc::now() + Span::days(2);
    let mut store = Store::open(&dir, now)?.store;
    let ids: Vec<_> =
        store.due_notifications(Severity::None, now)?.into_iter().map(|due| due.notification.id).collect();
    let began = Instant::now();
    for batch in ids.chunks(UNRECORDED) {
        let delivered = |id: &opensoul::domain::NotificationId| {
            (id.clone(), Outcome::Delivered { detail: "200 {}".to_owned(), keep: None })
        };
        store.record_outcomes(&batch.iter().map(delivered).collect::<Vec<_>>(), now)?;
    }
    writeln!(std::io::stdout(), "{} {:.6}", ids.len(), began.elapsed().as_secs_f64())?;
    Ok(())
}
