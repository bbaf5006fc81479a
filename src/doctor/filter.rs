//! Which checks a run takes.

use std::fmt;

use super::checks;

/// `--only` and `--skip`: ids, or their first words (`credential` takes `credential.expired`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    only: Vec<String>,
    skip: Vec<String>,
    monitor: bool,
}

/// A word that is no check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCheck {
    /// The word.
    pub word: String,
    /// What was probably meant.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for UnknownCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no check `{}`", self.word)?;
        match self.suggestion {
            Some(id) => write!(f, "; did you mean `{id}`?"),
            None => Ok(()),
        }
    }
}

impl Filter {
    /// Every check.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// What the monitor runs in each cycle: not what its own alerts tell.
    #[must_use]
    pub fn for_monitor() -> Self {
        Self { monitor: true, ..Self::default() }
    }

    /// As a person chose.
    ///
    /// # Errors
    /// Every word that names no check.
    pub fn new(only: &[String], skip: &[String]) -> Result<Self, Vec<UnknownCheck>> {
        let clean = |words: &[String]| -> Vec<String> {
            words.iter().map(|w| w.trim().to_lowercase()).filter(|w| !w.is_empty()).collect()
        };
        let filter = Self { only: clean(only), skip: clean(skip), monitor: false };
        let unknown: Vec<UnknownCheck> = filter
            .only
            .iter()
            .chain(&filter.skip)
            .filter(|word| !known().any(|id| covers(word, id)))
            .map(|word| UnknownCheck { word: word.clone(), suggestion: suggest(word) })
            .collect();
        if unknown.is_empty() { Ok(filter) } else { Err(unknown) }
    }

    /// True if the check is taken.
    #[must_use]
    pub fn takes(&self, id: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|word| covers(word, id)))
            && !self.skip.iter().any(|word| covers(word, id))
    }

    /// True if checks run that retell what the monitor alerts on by itself.
    pub(super) fn retells(&self) -> bool {
        !self.monitor
    }
}

/// Every id that a finding may have.
fn known() -> impl Iterator<Item = &'static str> {
    checks().map(|check| check.id).chain(["doctor.check-failed"])
}

fn covers(word: &str, id: &str) -> bool {
    id.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn suggest(word: &str) -> Option<&'static str> {
    let areas = known().filter_map(|id| id.split_once('.').map(|(area, _)| area));
    known()
        .chain(areas)
        .map(|id| (strsim::jaro_winkler(word, id), id))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, id)| id)
}
