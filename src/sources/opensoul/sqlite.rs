//! The stores of OpenClaw 2026.6 and later: which rows hold them.

use std::path::Path;

use zeroize::Zeroizing;

use super::super::sqlite;
use crate::files::Trouble;

/// The two documents of a store.
#[derive(Default)]
pub struct Rows {
    /// `{version, profiles}`
    pub store: Option<Zeroizing<String>>,
    /// `{version, order, usageStats, …}`
    pub state: Option<Zeroizing<String>>,
    /// True if the newest changes may be missing: the database was not closed and its index is gone.
    pub stale: bool,
}

/// An agent's own store.
///
/// # Errors
/// What is in the way.
pub fn agent(path: &Path) -> Result<Rows, Trouble> {
    let row = |table: &str, column: &str| format!("SELECT {column} FROM {table} ORDER BY updated_at DESC LIMIT 1");
    rows(path, &row("auth_profile_store", "store_json"), &row("auth_profile_state", "state_json"))
}

/// The store that all agents share.
///
/// # Errors
/// What is in the way.
pub fn shared(path: &Path) -> Result<Rows, Trouble> {
    let row = |key: &str| format!("SELECT value_json FROM config_machine_state WHERE state_key = '{key}'");
    rows(path, &row("authProfiles.store"), &row("authProfiles.state"))
}

fn rows(path: &Path, store: &str, state: &str) -> Result<Rows, Trouble> {
    let Some(database) = sqlite::open(path)? else { return Ok(Rows::default()) };
    let rows = Rows { store: database.text(store, [])?, state: database.text(state, [])?, stale: database.stale };
    if rows.stale && rows.store.is_none() {
        let why = "was not closed and its index (-shm) is gone: what it holds is in its log (-wal), which only the gateway completes";
        return Err(sqlite::unreadable(why));
    }
    Ok(rows)
}
