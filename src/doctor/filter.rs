//! Which checks a run takes.

use std::collections::BTreeMap;
use std::fmt;

use crate::config;
use crate::domain::checks::{covers, is_known, suggestion};
use crate::domain::{Finding, Severity};
use crate::engine::check::{STORE_UNPARSABLE, STORE_UNREADABLE};

/// `--only` and `--skip`: ids, or their first words (`credential` takes `credential.expired`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    only: Vec<String>,
    skip: Vec<String>,
    severity: BTreeMap<String, Severity>,
    monitor: bool,
}

/// What `--check` rests on: no wish makes it forget that a store could not be read.
const NEEDED: [&str; 2] = [STORE_UNREADABLE, STORE_UNPARSABLE];

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
        let filter = Self { only: clean(only), skip: clean(skip), ..Self::default() };
        let unknown: Vec<UnknownCheck> = filter
            .only
            .iter()
            .chain(&filter.skip)
            .filter(|word| !is_known(word))
            .map(|word| UnknownCheck { word: word.clone(), suggestion: suggestion(word) })
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

    /// With what `[doctor]` of monitor.toml says. A check that was named on the command line is made all the same.
    #[must_use]
    pub fn preferring(mut self, wishes: &config::Doctor) -> Self {
        let named = |word: &&String| !self.only.iter().any(|only| covers(word, only));
        let skip: Vec<String> = wishes.skip.iter().filter(named).cloned().collect();
        self.skip.extend(skip);
        self.severity = wishes.severity.clone();
        self
    }

    /// Gives findings the severity that was wished for.
    pub(super) fn weigh(&self, findings: &mut [Finding]) {
        for finding in findings {
            // The longest word is the most exact one.
            let wishes = self.severity.iter().filter(|(word, _)| covers(word, &finding.id));
            if let Some((_, severity)) = wishes.max_by_key(|(word, _)| word.len()) {
                finding.severity = *severity;
            }
        }
    }

    /// The same for what sources found, for everybody who looks: what was to be skipped is left out too.
    pub fn apply(&self, findings: &mut Vec<Finding>) {
        findings.retain(|finding| self.takes(&finding.id) || NEEDED.contains(&finding.id.as_str()));
        self.weigh(findings);
    }
}
