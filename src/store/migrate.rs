//! The schema and its versions (`PRAGMA user_version`). A file of an older version is copied before it is changed.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::StoreError;
use crate::domain::Time;

/// What leads from version n to n + 1, from an empty file on. Published steps are never changed.
pub(super) const STEPS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
];

/// Brings a database up to date. Returns the backup that was made, if one was needed.
///
/// # Errors
/// If a newer program wrote it, or SQLite fails.
pub(super) fn run(db: &mut Connection, path: &Path, steps: &[&str], now: Time) -> Result<Option<PathBuf>, StoreError> {
    let found = version(db)?;
    let ours = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if found > ours {
        return Err(StoreError::Newer { path: path.to_owned(), found, ours });
    }
    if found == ours {
        return Ok(None);
    }
    let backup = if found > 0 { Some(back_up(db, path, found, now)?) } else { None };
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for step in steps.iter().skip(usize::try_from(found).unwrap_or_default()) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", ours)?;
    tx.commit()?;
    Ok(backup)
}

/// The schema version of a database; 0 for an empty one.
pub(super) fn version(db: &Connection) -> Result<i64, StoreError> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn back_up(db: &Connection, path: &Path, version: i64, now: Time) -> Result<PathBuf, StoreError> {
    let name = format!("{}.v{version}-{}", super::FILE, now.format("%Y%m%dT%H%M%SZ"));
    let target = path.with_file_name(name);
    super::disk::back_up(db, &target)?;
    Ok(target)
}
