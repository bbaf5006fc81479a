//! The stores of OpenClaw 2026.6 and later. Opened read-only and without leaving a trace: where no `-wal` lies beside the
//! database it is opened as immutable, so that not even the side files are made.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use zeroize::Zeroizing;

use crate::files::{self, Trouble};

/// Rows hold JSON; larger ones than the limit of JSON stores are refused.
const MAX_ROW: usize = super::store::LIMIT as usize;

/// Every database begins with a header of this many bytes.
const HEADER: u64 = 100;

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
    let Some(metadata) = files::regular(path)? else { return Ok(Rows::default()) };
    // The library would make an empty database of it, and lose the permission that is missing.
    if metadata.len() < HEADER {
        return Err(Trouble { unparsable: true, why: "is empty or cut off, not a database".to_owned(), at: None });
    }
    files::reading(path)?;
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display())).metadata().ok();
    let pending = beside("-wal").is_some_and(|wal| wal.len() > 0);
    let stale = pending && beside("-shm").is_none();
    let immutable = !pending || stale;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(path, immutable), flags).map_err(|error| explain(&error))?;
    let _ = connection.busy_timeout(std::time::Duration::from_millis(500));
    let rows = Rows { store: one(&connection, store)?, state: one(&connection, state)?, stale };
    if stale && rows.store.is_none() {
        let why = "was not closed and its index (-shm) is gone: what it holds is in its log (-wal), which only the gateway completes";
        return Err(unreadable(why));
    }
    Ok(rows)
}

fn one(connection: &Connection, sql: &str) -> Result<Option<Zeroizing<String>>, Trouble> {
    let text = connection.query_row(sql, [], |row| row.get::<_, String>(0)).optional();
    match text {
        Ok(Some(text)) if text.len() > MAX_ROW => Err(unreadable("holds a store larger than any gateway writes")),
        Ok(text) => Ok(text.map(Zeroizing::new)),
        // Not a store of this kind: another use of the same file.
        Err(rusqlite::Error::SqliteFailure(_, Some(message))) if message.starts_with("no such table") => Ok(None),
        Err(error) => Err(explain(&error)),
    }
}

fn uri(path: &Path, immutable: bool) -> String {
    let mut out = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(*byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out.push_str(if immutable { "?mode=ro&immutable=1" } else { "?mode=ro" });
    out
}

fn unreadable(why: &str) -> Trouble {
    Trouble { unparsable: false, why: why.to_owned(), at: None }
}

fn explain(error: &rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            Trouble { unparsable: true, why: "is not a database, or a damaged one".to_owned(), at: None }
        }
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => unreadable("is locked"),
        Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied) => unreadable("cannot be opened"),
        Some(rusqlite::ErrorCode::SystemIoFailure) => unreadable("cannot be read: input/output error"),
        _ => Trouble { unparsable: true, why: "is a database, but not laid out as a store".to_owned(), at: None },
    }
}
