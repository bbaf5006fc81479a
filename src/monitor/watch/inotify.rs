//! The Linux side: one inotify queue, one task.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

use super::pace::Pace;
use super::plan::{Names, What, plan};
use super::{Changed, Wanted};
use crate::clock::{Clock, SystemClock};
use crate::domain::{Span, Time};
use crate::files;

/// More directories than this are left to the schedule: the system's own limit is for all programs of a user.
const MOST: usize = 2048;

/// What is read from the queue before anything else gets its turn.
const AT_ONCE: usize = 4096;

/// File systems stamp changes with a clock that ticks in steps.
const STEP: Span = Span::milliseconds(50);

/// A directory and the name in it that changed; no name: the directory itself, or more than can be told.
type Place = (PathBuf, OsString);

/// An open queue and what each of its watches is for.
pub(super) struct Eye {
    queue: AsyncFd<OwnedFd>,
    watched: HashMap<i32, Watched>,
    /// The limit has been said.
    said: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Watched {
    dir: PathBuf,
    names: Names,
}

impl Eye {
    #[expect(
        deprecated,
        reason = "unsound only for types whose descriptor may change; the other way needs unsafe code"
    )]
    pub(super) fn open() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { queue: AsyncFd::new(queue)?, watched: HashMap::new(), said: false })
    }

    /// Watches these directories and no others. Returns what was not watched before.
    fn follow(&mut self, plan: BTreeMap<PathBuf, Names>) -> Vec<Watched> {
        let mut watched: HashMap<i32, Watched> = HashMap::new();
        let mut problem = (plan.len() > MOST).then(|| format!("more than {MOST} directories"));
        for (dir, names) in plan.into_iter().take(MOST) {
            match inotify::add_watch(&self.queue, &dir, mask(&names)) {
                Ok(number) => {
                    let entry = watched.entry(number).or_insert_with(|| Watched { dir, names: Names::default() });
                    entry.names.join(&names);
                }
                Err(Errno::NOSPC) => {
                    problem = Some("fs.inotify.max_user_watches is reached".to_owned());
                    break;
                }
                // Gone in this moment, or not ours to look into: the schedule says so if it matters.
                Err(_) => {}
            }
        }
        if let Some(why) = problem.filter(|_| !std::mem::replace(&mut self.said, true)) {
            tracing::warn!(why, "not everything can be watched: the rest is read when [schedule] status says so");
        }
        for number in self.watched.keys().filter(|number| !watched.contains_key(number)) {
            let _ = inotify::remove_watch(&self.queue, *number);
        }
        let new = watched.iter().filter(|(number, entry)| self.watched.get(number) != Some(entry));
        let new = new.map(|(_, entry)| entry.clone()).collect();
        self.watched = watched;
        new
    }

    /// Takes what has happened out of the queue. Returns false if there may be more.
    fn read(&self, mut happened: impl FnMut(Place)) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = Reader::new(self.queue.get_ref(), &mut buffer);
        for _ in 0..AT_ONCE {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::WOULDBLOCK) => return Ok(true),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                happened(Place::default());
                continue;
            }
            let Some(entry) = self.watched.get(&event.wd()) else { continue };
            match event.file_name().map(|name| OsStr::from_bytes(name.to_bytes())) {
                Some(name) => {
                    let what = match flags - ReadFlags::ISDIR {
                        ReadFlags::MODIFY => What::Write,
                        ReadFlags::CLOSE_WRITE | ReadFlags::ATTRIB => What::Touch,
                        _ => What::Other,
                    };
                    if entry.names.matters(name, what) {
                        happened((entry.dir.clone(), name.to_owned()));
                    }
                }
                None if flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT) => {
                    happened((entry.dir.clone(), OsString::new()));
                }
                None => {}
            }
        }
        Ok(false)
    }
}

fn mask(names: &Names) -> WatchFlags {
    let mask = WatchFlags::CREATE
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::ATTRIB
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
        // Two ways to one directory add up.
        | WatchFlags::MASK_ADD;
    if names.open.is_empty() { mask } else { mask | WatchFlags::MODIFY }
}

/// Reports changes until nobody wants to hear of them any more.
pub(super) async fn run(mut eye: Eye, mut wishes: watch::Receiver<Wanted>, changes: mpsc::Sender<Changed>) {
    let clock = SystemClock::new();
    let mut pace: Pace<Place> = Pace::new();
    loop {
        let wait = pace.next().map(|next| next.saturating_sub(clock.monotonic()));
        tokio::select! {
            wish = wishes.changed() => {
                if wish.is_err() {
                    return;
                }
                let wanted = wishes.borrow_and_update().clone();
                let read_at = wanted.read_at;
                let new = follow(&mut eye, wanted).await;
                // Between the look and this moment nobody watched.
                for place in tokio::task::spawn_blocking(move || missed(&new, read_at)).await.unwrap_or_default() {
                    pace.changed(place, clock.monotonic());
                }
            }
            ready = eye.queue.readable() => {
                let now = clock.monotonic();
                let empty = ready.and_then(|mut ready| {
                    let empty = eye.read(|place| pace.changed(place, now))?;
                    if empty {
                        ready.clear_ready();
                    }
                    Ok(empty)
                });
                match empty {
                    Ok(true) => {}
                    Ok(false) => tokio::task::yield_now().await,
                    Err(error) => return ended(&error),
                }
            }
            () = tokio::time::sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {
                // Before the look, so that nothing falls between: directories may have appeared, links may lead elsewhere.
                let wanted = wishes.borrow().clone();
                follow(&mut eye, wanted).await;
                if pace.look(clock.monotonic()) {
                    tracing::debug!("a watched file has changed");
                    // One that still waits is enough.
                    let _ = changes.try_send(Changed);
                }
            }
        }
    }
}

fn ended(error: &io::Error) {
    tracing::warn!(%error, "changes of files are not watched any more: they are read when [schedule] status says so");
}

/// Looking at paths may hang on a dead file system: beside everything else.
async fn follow(eye: &mut Eye, wanted: Wanted) -> Vec<Watched> {
    let planned = tokio::task::spawn_blocking(move || plan(wanted.paths.iter().map(PathBuf::as_path))).await;
    planned.map(|plan| eye.follow(plan)).unwrap_or_default()
}

/// What has changed in these directories since.
fn missed(new: &[Watched], since: Time) -> Vec<Place> {
    let later = |path: &Path| files::modified(path).is_some_and(|at| at >= since - STEP);
    let changed =
        |entry: &&Watched| later(&entry.dir) || entry.names.some.iter().any(|name| later(&entry.dir.join(name)));
    new.iter().filter(changed).map(|entry| (entry.dir.clone(), OsString::new())).collect()
}
