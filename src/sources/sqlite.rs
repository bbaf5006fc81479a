//! Other people's SQLite files: opened read-only and without leaving a trace.
//!
//! Merely opening a database that keeps a log (`-wal`) makes the log and its index beside it. So where there is no log to
//! read, it is opened as immutable; a database without a log is opened as usual, under the locks of its owner.

use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Params};
use zeroize::Zeroizing;

use crate::domain::Time;
use crate::files::{self, Trouble};

/// As large as the largest store that a gateway writes.
const MAX_ROW: usize = 16 << 20;
/// Every database begins with a header of this many bytes; the one at `WRITE_VERSION` is 2 if it keeps a log.
const HEADER: usize = 100;
const WRITE_VERSION: usize = 18;

/// An open database.
pub struct Database {
    connection: Connection,
    /// True if the newest changes may be missing: the database was not closed and its index is gone.
    pub stale: bool,
    /// When the file was last changed.
    pub modified: Option<Time>,
}

/// Opens a database; `None` if there is none.
///
/// # Errors
/// What is in the way.
pub fn open(path: &Path) -> Result<Option<Database>, Trouble> {
    let Some(metadata) = files::regular(path)? else { return Ok(None) };
    // The library would make an empty database of it, and lose the permission that is missing.
    let mut header = [0; HEADER];
    if files::reading(path)?.read_exact(&mut header).is_err() {
        return Err(Trouble { unparsable: true, why: "is empty or cut off, not a database".to_owned(), at: None });
    }
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display())).metadata().ok();
    let pending = beside("-wal").is_some_and(|wal| wal.len() > 0);
    let stale = pending && beside("-shm").is_none();
    let immutable = stale || (header[WRITE_VERSION] == 2 && !pending);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(path, immutable), flags).map_err(|error| explain(&error))?;
    let _ = connection.busy_timeout(std::time::Duration::from_millis(500));
    let modified = [metadata.modified().ok(), beside("-wal").and_then(|wal| wal.modified().ok())];
    Ok(Some(Database { connection, stale, modified: modified.into_iter().flatten().max().map(Time::from) }))
}

impl Database {
    /// The text in the first column of the first row; `None` if there is no such row, or no such table (another use of the
    /// same file).
    ///
    /// # Errors
    /// What is in the way.
    pub fn text(&self, sql: &str, params: impl Params) -> Result<Option<Zeroizing<String>>, Trouble> {
        let text = self.connection.query_row(sql, params, |row| {
            // Some owners declare texts as blobs.
            let value = row.get_ref(0)?;
            let Some(bytes) = value.as_bytes_or_null().map_err(rusqlite::Error::from)? else { return Ok(Ok(None)) };
            if bytes.len() > MAX_ROW {
                return Ok(Err(unreadable("holds a row larger than any owner writes")));
            }
            Ok(Ok(Some(Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()))))
        });
        match text.optional() {
            Ok(text) => text.unwrap_or(Ok(None)),
            Err(rusqlite::Error::SqliteFailure(_, Some(message))) if message.starts_with("no such table") => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }
}

impl Database {
    /// The texts in the first column, for a query without parameters; none if there is no such table.
    ///
    /// # Errors
    /// What is in the way.
    pub fn texts(&self, sql: &str) -> Result<Vec<String>, Trouble> {
        let texts = || {
            let mut query = self.connection.prepare(sql)?;
            let rows = query.query_map([], |row| Ok(row.get_ref(0)?.as_bytes_or_null()?.map(<[u8]>::to_vec)))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        match texts() {
            Ok(rows) => Ok(rows.into_iter().flatten().filter_map(|bytes| String::from_utf8(bytes).ok()).collect()),
            Err(rusqlite::Error::SqliteFailure(_, Some(message))) if message.starts_with("no such table") => {
                Ok(Vec::new())
            }
            Err(error) => Err(explain(&error)),
        }
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

/// Something that keeps a database from being read, but does not make it worthless.
pub fn unreadable(why: &str) -> Trouble {
    Trouble { unparsable: false, why: why.to_owned(), at: None }
}

fn explain(error: &rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            Trouble { unparsable: true, why: "is not a database, or a damaged one".to_owned(), at: None }
        }
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => unreadable("is locked"),
        Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied) => unreadable("cannot be opened"),
        // A change was begun and not finished: only its owner may undo it.
        Some(rusqlite::ErrorCode::ReadOnly) => unreadable("was not closed properly; its owner mends it when it starts"),
        Some(rusqlite::ErrorCode::SystemIoFailure) => unreadable("cannot be read: input/output error"),
        _ => Trouble { unparsable: true, why: "is a database, but not laid out as a store".to_owned(), at: None },
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, database};
    use super::*;

    const PLACE: &str = "x/data.db";
    const SQL: &str = "SELECT value FROM t WHERE key = ?1";

    fn make(home: &Home, wal: bool) -> Connection {
        database(home, PLACE, wal, "CREATE TABLE t(key TEXT, value BLOB)", ("t", &[("a", "1")]))
    }

    #[test]
    fn what_a_row_may_hold() {
        let home = Home::new();
        let db = make(&home, false);
        db.execute_batch("INSERT INTO t VALUES ('null', NULL), ('blob', X'C3A9'), ('number', 7)").unwrap();
        db.execute_batch(&format!("INSERT INTO t VALUES ('huge', zeroblob({}))", MAX_ROW + 1)).unwrap();
        drop(db);
        let database = open(&home.path(PLACE)).ok().flatten().unwrap();
        let text = |key: &str| database.text(SQL, [key]).map(|text| text.map(|text| text.to_string()));
        assert_eq!(text("a"), Ok(Some("1".to_owned())));
        assert_eq!((text("null"), text("none")), (Ok(None), Ok(None)));
        assert_eq!(text("blob"), Ok(Some("é".to_owned())));
        assert!(text("number").is_err_and(|trouble| trouble.unparsable));
        assert!(text("huge").is_err_and(|trouble| trouble.why.contains("larger")));
        assert_eq!(database.text("SELECT x FROM other", []).map(|text| text.is_some()), Ok(false));
        assert!(database.text("SELECT other FROM t", []).is_err_and(|trouble| trouble.unparsable));
        assert!(open(&home.path("x/absent.db")).is_ok_and(|database| database.is_none()));
    }

    #[test]
    fn what_its_owner_has_not_finished() {
        let home = Home::new();
        let db = make(&home, false);
        db.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let database = open(&home.path(PLACE)).ok().flatten().unwrap();
        assert!(database.text(SQL, ["a"]).is_err_and(|trouble| trouble.why == "is locked"));
        db.execute_batch("ROLLBACK; PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN").unwrap();
        for _ in 0..200 {
            db.execute("INSERT INTO t VALUES ('b', zeroblob(4000))", []).unwrap();
        }
        // As if the machine had been switched off here.
        let left = Home::new();
        for name in [PLACE, "x/data.db-journal"] {
            left.write(name, std::fs::read(home.path(name)).unwrap());
        }
        let before = left.tree();
        let database = open(&left.path(PLACE)).ok().flatten().unwrap();
        let trouble = database.text(SQL, ["a"]).err().unwrap();
        assert_eq!((trouble.unparsable, trouble.why.contains("not closed")), (false, true), "{}", trouble.why);
        drop(database);
        assert_eq!(left.tree(), before, "only its owner mends it");
    }

    #[test]
    fn what_is_in_the_log_counts_and_no_log_is_made() {
        let home = Home::new();
        let db = make(&home, true);
        db.execute_batch("INSERT INTO t VALUES ('new', '2')").unwrap();
        let read = || open(&home.path(PLACE)).ok().flatten().unwrap().text(SQL, ["new"]).ok().flatten();
        assert_eq!(read().as_deref().map(String::as_str), Some("2"));
        drop(db);
        let before = home.tree();
        assert_eq!(read().as_deref().map(String::as_str), Some("2"));
        assert_eq!(home.tree(), before);
    }
}
