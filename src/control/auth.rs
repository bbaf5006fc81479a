//! Auth profiles: an agent's `auth-profiles.json` and the config's `auth`, kept together.
//!
//! The store is written first: a pasted secret is not lost when the config cannot be written, and a profile that no config names
//! is found by the next command. Whether the config can be edited is found out before anything is written. Never used where the
//! installation keeps its credentials in SQLite.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Keeper, Protocol, Updated, WriteError, config, update};
use crate::files;
use crate::formats::auth_store_edit::{self as store_edit, NewProfile};
use crate::formats::config_edit;
use crate::formats::installation::{AgentStore, Installation};
use crate::formats::tree_edit::EditError;

/// How often, and after how long, a store that seems damaged is looked at again.
const LOOKS: u32 = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Where profiles are written.
pub struct Writer<'a> {
    /// The gateway.
    pub installation: &'a Installation,
    /// The agent whose store it is.
    pub agent: &'a AgentStore,
    /// How locks are waited for.
    pub keeper: Keeper<'a>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The store.
    pub store: Updated,
    /// The config.
    pub config: Updated,
    /// Profiles of legacy files that went into the new store, because the gateway does not import them beside one.
    pub imported: Vec<String>,
}

/// What was written before it failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Nothing.
    #[error(transparent)]
    Nothing(#[from] WriteError),
    /// The store; the config failed.
    #[error(
        "{} was written, but the gateway's config was not: {source}\nRun the same command again when that is repaired.", store.display()
    )]
    Half {
        /// The store that was written.
        store: PathBuf,
        /// Why the config was not.
        source: WriteError,
    },
}

impl AuthError {
    /// Why.
    #[must_use]
    pub fn cause(&self) -> &WriteError {
        match self {
            Self::Nothing(source) | Self::Half { source, .. } => source,
        }
    }
}

impl Writer<'_> {
    /// Writes a profile into the store and names it in the config.
    ///
    /// # Errors
    /// A store or config that cannot be read, locked or written.
    pub fn put(&self, profile: &NewProfile) -> Result<Written, AuthError> {
        let declare = |text: &str| config_edit::declare(text, &profile.id, &profile.provider, profile.kind.word());
        config::try_out(self.installation, &declare)?;
        let (fresh, legacy) = self.legacy()?;
        let mut imported = false;
        let store = self.store(|text| {
            imported = text.is_none();
            store_edit::put(Some(text.unwrap_or(&fresh)), profile).map(Some)
        })?;
        let imported = if imported { legacy } else { Vec::new() };
        let config = config::edit(self.installation, &self.keeper, &declare)
            .map_err(|source| AuthError::Half { store: store.path.clone(), source })?;
        Ok(Written { store, config, imported })
    }

    /// Removes a profile from the store, and from the config if `declared` says that no other agent has it. What is in neither
    /// changes nothing.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub fn remove(&self, id: &str, declared: bool) -> Result<Written, AuthError> {
        let forget = |text: &str| if declared { config_edit::forget(text, id) } else { Ok(text.to_owned()) };
        config::try_out(self.installation, &forget)?;
        let store = self.store(|text| text.map_or(Ok(None), |text| store_edit::remove(text, id)))?;
        // Last used, set aside, ordered: what speaks of it may stand apart.
        let state = self.agent.agent_dir.join("auth-state.json");
        if state.is_file() {
            let wrong = |wrong: EditError| WriteError::Unusable { path: state.clone(), why: wrong.to_string() };
            update(&state, Protocol::Directory, &self.keeper, |text| {
                text.map(|text| store_edit::remove_in_state(text, id)).transpose().map_err(wrong)
            })
            .map_err(|source| AuthError::Half { store: store.path.clone(), source })?;
        }
        let config = config::edit(self.installation, &self.keeper, &forget)
            .map_err(|source| AuthError::Half { store: store.path.clone(), source })?;
        Ok(Written { store, config, imported: Vec::new() })
    }

    /// Sets the order of a provider (normalised) for this agent, or clears it.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub fn order(&self, provider: &str, ids: Option<&[String]>) -> Result<Updated, WriteError> {
        // A split-off state file that speaks of orders is what the gateway goes by.
        let path = self.agent.agent_dir.join("auth-state.json");
        let mut split = false;
        if path.is_file() {
            let no_state = |wrong: EditError| WriteError::Unusable { path: path.clone(), why: wrong.to_string() };
            let state = update(&path, Protocol::Directory, &self.keeper, |text| {
                let edited = text
                    .map(|text| store_edit::order_in_state(text, provider, ids))
                    .transpose()
                    .map_err(no_state)?
                    .flatten();
                split = edited.is_some();
                Ok::<_, WriteError>(edited)
            })?;
            if split && ids.is_some() {
                return Ok(state);
            }
        }
        let (fresh, _) = self.legacy()?;
        let store = self.store(|text| match (text, ids) {
            (None, None) => Ok(None),
            _ => store_edit::order(Some(text.unwrap_or(&fresh)), provider, ids).map(Some),
        })?;
        Ok(Updated { changed: store.changed || split, ..store })
    }

    /// Edits the store. Some of the gateway's own commands write it in place and without the lock: what does not parse is looked
    /// at again before it is called damaged.
    fn store(
        &self,
        mut edit: impl FnMut(Option<&str>) -> Result<Option<String>, EditError>,
    ) -> Result<Updated, WriteError> {
        let path = self.agent.agent_dir.join("auth-profiles.json");
        let mut looks = 0;
        loop {
            let mut torn = false;
            let updated = update(&path, Protocol::Directory, &self.keeper, |text| {
                edit(text).map_err(|wrong| {
                    torn = matches!(wrong, EditError::Broken { .. });
                    self.no_store(&wrong)
                })
            });
            if !torn || looks == LOOKS {
                return updated;
            }
            looks += 1;
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn no_store(&self, wrong: &EditError) -> WriteError {
        let why = format!(
            "is no store that can be written to: it {wrong}. Restore it from a backup, or move it away and enter the credentials \
             again; opensoul doctor shows what can be read"
        );
        WriteError::Unusable { path: self.agent.agent_dir.join("auth-profiles.json"), why }
    }

    /// The store that the gateway would make of its legacy files at its next start: a store that we make instead would hide them.
    fn legacy(&self) -> Result<(Zeroizing<String>, Vec<String>), WriteError> {
        let mut text = Zeroizing::new(store_edit::EMPTY.to_owned());
        let mut taken = Vec::new();
        let mut files: Vec<&PathBuf> = self.agent.imported.values().collect();
        files.sort_by_key(|path| path.file_name() == Some("oauth.json".as_ref()));
        files.dedup();
        for path in files {
            let login = path.file_name() == Some("oauth.json".as_ref());
            if !login && path.file_name() != Some("auth.json".as_ref()) {
                // A tool's login, which the gateway mirrors into any store.
                continue;
            }
            let unusable = |why: String| WriteError::Unusable { path: path.clone(), why };
            let Some(contents) = files::read(path, files::LIMIT).map_err(|trouble| unusable(trouble.why))? else {
                continue;
            };
            let (more, ids) =
                store_edit::import(&text, &contents.text, login).map_err(|wrong| unusable(wrong.to_string()))?;
            text = Zeroizing::new(more);
            taken.extend(ids);
        }
        Ok((text, taken))
    }
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
