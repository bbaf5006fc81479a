//! Places where tests let the process die, to show that nothing is lost between deciding and delivering. They exist only in
//! builds with debug assertions.

/// Dies here (`abort`, as `kill -9` would) if `OPENSOUL_FAULT` is `name` or `name:n`, at the n-th passing. The names:
/// `before-commit`, `after-commit` (a cycle), `before-send`, `after-send` (the courier), `before-mark`, `after-mark`
/// (recording an outcome), `before-chat-commit`, `after-chat-commit` (an update of a chat), `write-locked`, `write-made`,
/// `write-synced`, `write-renaming`, `write-renamed` (a gateway's file).
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("OPENSOUL_FAULT").ok()?;
        Some(match text.split_once(':') {
            Some((name, count)) => (name.to_owned(), count.parse().ok()?),
            None => (text, 1),
        })
    });
    if let Some((wanted, count)) = wanted
        && wanted == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        std::process::abort();
    }
}

/// Nothing, in builds without debug assertions.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) {}
