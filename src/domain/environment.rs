//! A captured process environment. Captured once at the edge and passed down, so that rooms below never read the process's
//! own variables and tests can give any environment they like.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Variable name → value. Holds secrets: prints only names, and only their number.
#[derive(Default, Clone)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value, exactly as set; an empty value is `Some("")`.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The trimmed value; blank counts as absent (the rule of the original for keys and paths).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.raw(name).map(str::trim).filter(|v| !v.is_empty())
    }

    /// Sets or replaces a variable.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// All variables in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// `$HOME`, or the root directory when there is none (every path then simply does not exist).
    #[must_use]
    pub fn home(&self) -> PathBuf {
        PathBuf::from(self.get("HOME").unwrap_or("/"))
    }

    /// A path as users write it: trimmed, with a leading `~` replaced by the home directory.
    #[must_use]
    pub fn expand(&self, path: &str) -> PathBuf {
        let path = path.trim();
        match path.strip_prefix('~') {
            Some("") => self.home(),
            Some(rest) if rest.starts_with('/') => self.home().join(rest.trim_start_matches('/')),
            _ => PathBuf::from(path),
        }
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(iter: T) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}
