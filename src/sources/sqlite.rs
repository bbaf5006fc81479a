//! Other people's SQLite files: opened read-only and without leaving a trace.
//!
//! Merely opening a database that keeps a log (`-wal`) makes the log and its index beside it. So where there is no log to
//! read, it is opened as immutable; a database without a log is opened as usual, under the locks of its owner. Whoever reads
//! without locks looks afterwards whether it was changed or exchanged meanwhile.

use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Params};
use zeroize::Zeroizing;

use crate::domain::{Finding, Place, Severity, Time};
use crate::files::{self, Trouble};

/// As large as the largest store that a gateway writes.
const MAX_ROW: usize = 16 << 20;
/// Every database begins with a header of this many bytes; the one at `WRITE_VERSION` is 2 if it keeps a log.
const HEADER: usize = 100;
const WRITE_VERSION: usize = 18;

/// An open database.
pub struct Database {
    path: PathBuf,
    connection: Connection,
    /// What was there when it was opened, for one that its owner's locks do not guard.
    unguarded: Option<Seen>,
    /// True if the newest changes may be missing: the database was not closed and its index is gone.
    pub stale: bool,
    /// When the file was last changed.
    pub modified: Option<Time>,
}

/// How often it is opened anew because it was exchanged meanwhile.
const TRIES: usize = 3;

/// Opens a database; `None` if there is none.
///
/// # Errors
/// What is in the way.
pub fn open(path: &Path) -> Result<Option<Database>, Trouble> {
    for _ in 0..TRIES {
        let Some(before) = Seen::of(path)? else { return Ok(None) };
        let database = before.open(path);
        // One that was exchanged in between would be read by the rules of the other.
        if Seen::of(path)?.is_some_and(|after| after.rules() == before.rules()) {
            return database.map(Some);
        }
    }
    Err(unreadable(UNREST))
}

const UNREST: &str = "was exchanged again and again while it was read";

/// What a database looks like from outside: the file that the path leads to, and what lies beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// Where links lead: the log lies beside that.
    real: PathBuf,
    file: Mark,
    log: Option<Mark>,
    index: bool,
}

/// Device, inode, length, and time of the last change in nanoseconds.
type Mark = (u64, u64, u64, i128);

impl Seen {
    fn of(path: &Path) -> Result<Option<Self>, Trouble> {
        let Some(metadata) = files::regular(path)? else { return Ok(None) };
        let real = path.canonicalize().map_err(|_| unreadable("cannot be opened"))?;
        let beside = |suffix: &str| {
            let mut name = real.clone().into_os_string();
            name.push(suffix);
            PathBuf::from(name).metadata().ok()
        };
        let log = beside("-wal").filter(|log| log.len() > 0);
        let index = beside("-shm").is_some();
        Ok(Some(Self { file: mark(&metadata), log: log.as_ref().map(mark), index, real }))
    }

    /// By which it is opened: a log that grows changes none of them.
    fn rules(&self) -> (&Path, u64, u64, bool, bool) {
        (&self.real, self.file.0, self.file.1, self.log.is_some(), self.index)
    }

    fn open(&self, path: &Path) -> Result<Database, Trouble> {
        // The library would make an empty database of it, and lose the permission that is missing.
        let mut header = [0; HEADER];
        if files::reading(&self.real)?.read_exact(&mut header).is_err() {
            return Err(Trouble { unparsable: true, why: "is empty or cut off, not a database".to_owned(), at: None });
        }
        files::meanwhile::happen(path);
        let stale = self.log.is_some() && !self.index;
        let immutable = stale || (header[WRITE_VERSION] == 2 && self.log.is_none());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(uri(&self.real, immutable), flags).map_err(|error| explain(&error))?;
        // The log is opened with the first question; what is wrong is said to the next.
        let _ = connection.query_row("PRAGMA schema_version", [], |_| Ok(()));
        let _ = connection.busy_timeout(std::time::Duration::from_millis(500));
        let at = |mark: &Mark| Time::from_timestamp_nanos(i64::try_from(mark.3).unwrap_or_default());
        let modified = self.log.iter().chain([&self.file]).map(at).max();
        let unguarded = immutable.then(|| self.clone());
        Ok(Database { path: path.to_owned(), connection, unguarded, stale, modified })
    }
}

fn mark(metadata: &Metadata) -> Mark {
    let nanos = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    (metadata.dev(), metadata.ino(), metadata.len(), nanos)
}

impl Database {
    /// Asks, and asks anew if what no lock guards was changed meanwhile.
    fn steady<T>(&self, ask: impl Fn(&Connection) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let answer = ask(&self.connection);
        files::meanwhile::happen(&self.path);
        let unchanged = |seen: &Seen| Seen::of(&self.path).is_ok_and(|now| now.as_ref() == Some(seen));
        if self.unguarded.as_ref().is_none_or(unchanged) {
            return answer;
        }
        let again = open(&self.path)?.ok_or_else(|| unreadable("was taken away while it was read"))?;
        let answer = ask(&again.connection)?;
        let rested = again.unguarded.as_ref().is_none_or(unchanged);
        if rested && again.stale <= self.stale { Ok(answer) } else { Err(unreadable(UNREST)) }
    }

    /// The text in the first column of the first row; `None` if there is no such row, or no such table (another use of the
    /// same file).
    ///
    /// # Errors
    /// What is in the way.
    pub fn text(&self, sql: &str, params: impl Params + Clone) -> Result<Option<Zeroizing<String>>, Trouble> {
        self.steady(|connection| {
            let text = connection.query_row(sql, params.clone(), |row| {
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
                Err(rusqlite::Error::SqliteFailure(_, Some(message))) if message.starts_with("no such table") => {
                    Ok(None)
                }
                Err(error) => Err(explain(&error)),
            }
        })
    }

    /// The texts in the first column, for a query without parameters; none if there is no such table.
    ///
    /// # Errors
    /// What is in the way.
    pub fn texts(&self, sql: &str) -> Result<Vec<String>, Trouble> {
        self.steady(|connection| {
            let texts = || {
                let mut query = connection.prepare(sql)?;
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
        })
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

/// Says that a database may hold more than can be seen.
pub fn stale(path: &Path, fix: &str) -> Finding {
    let message = "the database was not closed and its index is gone: the newest changes may be missing here";
    Finding::new("store.stale", Severity::Warning, message, fix).at(Place::file(path))
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

    /// Between the look at a database and its opening, or during a question, another takes its place.
    #[test]
    fn what_is_exchanged_while_it_is_read_is_read_anew() {
        use crate::files::meanwhile;
        for (old, new) in [(true, false), (true, true), (false, true), (false, false)] {
            for moment in 0..2_u32 {
                let home = Home::new();
                drop(make(&home, old));
                // The new one has a row more, in its log if it keeps one.
                let next =
                    database(&home, "y/data.db", new, "CREATE TABLE t(key TEXT, value BLOB)", ("t", &[("b", "2")]));
                let moves: Vec<_> = ["", "-wal", "-shm"]
                    .into_iter()
                    .map(|end| (home.path(&format!("y/data.db{end}")), home.path(&format!("{PLACE}{end}"))))
                    .filter(|(from, _)| from.exists())
                    .collect();
                let (mut countdown, mut left) = (moment, moves);
                let exchange = move || {
                    if countdown == 0 {
                        left.drain(..).rev().for_each(|(from, to)| std::fs::rename(from, to).unwrap());
                    }
                    countdown = countdown.wrapping_sub(1);
                };
                let read = || open(&home.path(PLACE)).ok().flatten().unwrap().text(SQL, ["b"]).ok().flatten();
                let text = meanwhile::always(&home.path(PLACE), exchange, read);
                // Under locks, an open database is whole, whatever its path leads to by now.
                let of_the_old = moment == 1 && !old;
                let expected = (!of_the_old).then_some("2");
                assert_eq!(text.as_deref().map(String::as_str), expected, "{old} {new} {moment}");
                drop(next);
            }
        }
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
