//! One problem of a configuration: where it is, what it is, what to do about it. Never quotes a value that might be a secret.

use crate::domain::{Place, is_unprintable};

/// One problem of `monitor.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File, line, column and key, as far as they are known.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What to do; never empty.
    pub fix: String,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn new(place: Place, what: impl Into<String>, fix: impl Into<String>) -> Self {
        // Some words quote the file, and a string in it may hold a line end.
        let line = |text: String| text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
        Self { place, what: line(what.into()), fix: line(fix.into()) }
    }
}

impl std::fmt::Display for Problem {
    /// `path:line:column key: what — remedy`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} — {}", self.place, self.what, self.fix)
    }
}

/// All problems, one a line.
#[must_use]
pub fn report(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
