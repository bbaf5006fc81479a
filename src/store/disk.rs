//! Opening the file: modes, checks, setting a damaged one aside, and the way into memory and back when the disk fails.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params_from_iter};

use super::{FILE, Opened, Store, StoreError, migrate};
use crate::domain::{Finding, Place, Severity, Time};

/// Tables that make up the present; copied as a whole between file and memory.
const PRESENT: [&str; 15] = [
    "meta",
    "run",
    "incident",
    "outbox",
    "receiver",
    "failure",
    "credential",
    "verdict",
    "first_seen",
    "pseudonym",
    "refresh_token",
    "allowance",
    "silence",
    "ended",
    "thread",
];

/// Tables that only grow; what was added in memory is added to the file.
const PAST: [&str; 3] = ["cycle", "change", "balance"];

pub(super) fn open(dir: &Path, now: Time) -> Result<Opened, StoreError> {
    let path = dir.join(FILE);
    let mut notes = Vec::new();
    let mut result = open_file(dir, now, &mut notes);
    if matches!(&result, Err(StoreError::Sql(error)) if is_damage(error)) {
        match set_aside(&path, now) {
            Ok(aside) => {
                notes.push(
                    Finding::new(
                        "state.damaged",
                        Severity::Warning,
                        format!(
                            "our state was damaged and has been moved to {}; history starts afresh",
                            aside.display()
                        ),
                        "check the disk; remove the moved file when you do not need it any more",
                    )
                    .at(Place::file(&path)),
                );
                result = open_file(dir, now, &mut notes);
            }
            Err(error) => result = Err(error),
        }
    }
    let store = match result {
        Ok(db) => Store { db, dir: Some(dir.to_owned()), trouble: None },
        Err(error) if is_trouble(&error) => {
            // What can still be read is kept: a disk that is full or read-only has the past on it.
            let db = match super::Reader::open(dir) {
                Ok(Some(reader)) => to_memory(reader.connection())?,
                _ => memory()?,
            };
            Store { db, dir: Some(dir.to_owned()), trouble: Some(error.to_string()) }
        }
        Err(error) => return Err(error),
    };
    Ok(Opened { store, notes })
}

fn open_file(dir: &Path, now: Time, notes: &mut Vec<Finding>) -> Result<Connection, StoreError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io { path, source }
    };
    if !dir.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at(dir))?;
    }
    let path = dir.join(FILE);
    match fs::metadata(&path) {
        // SQLite gives its -wal and -shm the mode of the file.
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(at(&path))?;
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_private(&path)?,
        Err(error) => return Err(at(&path)(error)),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(&path, flags)?;
    db.busy_timeout(Duration::from_secs(5))?;
    // Refused before anything is written, WAL mode included.
    let found = migrate::version(&db)?;
    let ours = i64::try_from(migrate::STEPS.len()).unwrap_or(i64::MAX);
    if found > ours {
        return Err(StoreError::Newer { path, found, ours });
    }
    let health: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if health != "ok" {
        return Err(damage(&health));
    }
    // File systems without shared memory (sdcard) stay with a rollback journal: slower, and as safe.
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    if let Some(backup) = migrate::run(&mut db, &path, migrate::STEPS, now)? {
        notes.push(
            Finding::new(
                "state.migrated",
                Severity::Info,
                format!("our state was brought up to date; the old one is {}", backup.display()),
                "remove the old one when you do not need it any more",
            )
            .at(Place::file(&path)),
        );
    }
    Ok(db)
}

/// Makes an empty file that only we can read; one that is there already is an error.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

/// Writes a whole database into a new file that only we can read; if that fails, nothing is left of it.
pub(super) fn back_up(db: &Connection, target: &Path) -> Result<(), StoreError> {
    create_private(target)?;
    let at = |source| StoreError::Io { path: target.to_owned(), source };
    // VACUUM INTO takes an empty file as well as none, and keeps its mode.
    let written = db.execute("VACUUM INTO ?1", [target.to_string_lossy()]).map_err(StoreError::from);
    let done = written.and_then(|_| fs::File::open(target).and_then(|file| file.sync_all()).map_err(at));
    if done.is_err() {
        // What is left would look like a backup.
        let _ = fs::remove_file(target);
    }
    done
}

fn damage(what: &str) -> StoreError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    StoreError::Sql(rusqlite::Error::SqliteFailure(code, Some(what.to_owned())))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// The disk's fault: full, read-only, gone.
pub(super) fn is_trouble(error: &StoreError) -> bool {
    match error {
        StoreError::Io { .. } => true,
        StoreError::Sql(error) => matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::DatabaseCorrupt
            )
        ),
        _ => false,
    }
}

fn set_aside(path: &Path, now: Time) -> Result<PathBuf, StoreError> {
    let stamp = now.format("%Y%m%dT%H%M%SZ");
    let aside = |suffix: &str| path.with_file_name(format!("{FILE}.damaged-{stamp}{suffix}"));
    let with = |suffix: &str| path.with_file_name(format!("{FILE}{suffix}"));
    for suffix in ["-wal", "-shm"] {
        if with(suffix).exists() {
            rename(&with(suffix), &aside(suffix))?;
        }
    }
    rename(path, &aside(""))?;
    Ok(aside(""))
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|source| StoreError::Io { path: from.to_owned(), source })
}

/// An empty database in memory, of our version.
pub(super) fn memory() -> Result<Connection, StoreError> {
    let mut db = Connection::open_in_memory()?;
    migrate::run(&mut db, Path::new(FILE), migrate::STEPS, Time::UNIX_EPOCH)?;
    Ok(db)
}

/// The present of a file that cannot be written, in memory. What cannot be read any more starts empty.
pub(super) fn to_memory(from: &Connection) -> Result<Connection, StoreError> {
    let db = memory()?;
    for table in PRESENT {
        if let Err(error) = copy(from, &db, table, "INSERT OR REPLACE") {
            tracing::warn!(%error, table, "cannot be read from state.db");
        }
    }
    Ok(db)
}

/// The file again, with the present of memory and what was added to the past.
pub(super) fn from_memory(from: &Connection, dir: &Path, now: Time) -> Result<Connection, StoreError> {
    let mut db = open_file(dir, now, &mut Vec::new())?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for table in PRESENT {
        tx.execute(&format!("DELETE FROM {table}"), [])?;
        copy(from, &tx, table, "INSERT")?;
    }
    for table in PAST {
        copy(from, &tx, table, "INSERT OR IGNORE")?;
    }
    tx.commit()?;
    Ok(db)
}

fn copy(from: &Connection, to: &Connection, table: &str, insert: &str) -> Result<(), StoreError> {
    let mut read = from.prepare(&format!("SELECT * FROM {table}"))?;
    let columns: Vec<String> = read.column_names().map(str::to_owned).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    let mut write = to.prepare(&format!("{insert} INTO {table} ({}) VALUES ({marks})", columns.join(", ")))?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns.len()).map(|n| row.get::<_, Value>(n)).collect::<Result<Vec<_>, _>>()?;
        write.execute(params_from_iter(values))?;
    }
    Ok(())
}
