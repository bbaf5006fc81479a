//! One result of a check: what is wrong, where, and what to do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Repair, Severity};

/// Where something is: as much as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file or directory.
    pub path: Option<PathBuf>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column, from 1.
    pub column: Option<usize>,
    /// The key inside the file, as a path of names (`profiles.anthropic:default.expires`).
    pub key: Option<String>,
}

impl Place {
    /// A whole file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// The same file, at a line and column.
    #[must_use]
    pub fn at(mut self, line: usize, column: usize) -> Self {
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    /// The same file, at a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl std::fmt::Display for Place {
    /// `path:line:column key`, leaving out what is not known.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}", path.display())?;
        }
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{}{key}", if self.path.is_some() { " " } else { "" })?;
        }
        Ok(())
    }
}

/// One result of a check. Ids are stable and documented (`docs/doctor.md`); people write them into scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable id, `area.what`: `store.damaged-profile`, `auth.env-not-inherited`.
    pub id: String,
    /// How bad.
    pub severity: Severity,
    /// What happened, in one sentence, without a secret.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to do; never empty.
    pub fix: String,
    /// What `doctor --fix` would do about it, if there is a safe thing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

impl Finding {
    /// A finding about no particular place.
    #[must_use]
    pub fn new(id: &str, severity: Severity, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            severity,
            message: message.into(),
            place: Place::default(),
            fix: fix.into(),
            repair: None,
        }
    }

    /// The same finding, at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }
    /// The same finding, with what would mend it.
    #[must_use]
    pub fn mended_by(mut self, repair: Repair) -> Self {
        self.repair = Some(repair);
        self
    }
}
