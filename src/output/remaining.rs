//! Spans for people.

/// What is left, in the original's words: minutes below an hour, hours below two days, else days; rounded, never below one
/// minute; nothing left is `0m`.
#[must_use]
pub fn remaining(ms: Option<f64>) -> String {
    let Some(ms) = ms.filter(|ms| ms.is_finite()) else { return "unknown".to_owned() };
    if ms <= 0.0 {
        return "0m".to_owned();
    }
    let minutes = round(ms / 60_000.0).max(1.0);
    if minutes < 60.0 {
        return format!("{minutes}m");
    }
    let hours = round(minutes / 60.0);
    if hours < 48.0 { format!("{hours}h") } else { format!("{}d", round(hours / 24.0)) }
}

/// `Math.round`: halves go up.
fn round(n: f64) -> f64 {
    (n + 0.5).floor()
}
