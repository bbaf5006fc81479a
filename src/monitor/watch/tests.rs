//! Against the real file system.
#![cfg(any(target_os = "linux", target_os = "android"))]

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::domain::{Gateway, GatewayState, SourceReport, Span};

fn snapshot(paths: &[PathBuf], read_at: Time) -> Snapshot {
    Snapshot {
        taken_at: read_at,
        host: "box".to_owned(),
        credentials: Vec::new(),
        providers: Vec::new(),
        gateway: Gateway { state: GatewayState::Absent, detail: String::new() },
        findings: Vec::new(),
        sources: vec![SourceReport {
            source: "x".to_owned(),
            looked: paths.to_vec(),
            up: true,
            hidden: false,
            credentials: 0,
        }],
        clock_problem: None,
        fleet: false,
    }
}

const LONG: Duration = Duration::from_secs(60);

struct Watched {
    dir: tempfile::TempDir,
    watch: Watch,
    changes: mpsc::Receiver<Changed>,
}

/// Long ago for files, or long ahead.
fn days(days: i64) -> Time {
    Time::from(std::time::UNIX_EPOCH) + Span::days(days)
}

impl Watched {
    /// Watches these places in a directory that is ready; everything in it is taken as read.
    async fn new(paths: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let (sender, changes) = mpsc::channel(1);
        let mut made = Self { dir, watch: Watch::start(sender), changes };
        made.follow(paths, days(0));
        // As if everything had changed just before the watch began: that it says so shows that it has begun.
        made.changed().await;
        made
    }

    fn follow(&self, paths: &[&str], read_at: Time) {
        let paths: Vec<PathBuf> = paths.iter().map(|path| self.path(path)).collect();
        self.watch.follow(&snapshot(&paths, read_at));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str) {
        std::fs::write(self.path(path), "x").unwrap();
    }

    /// How soon is shown by `pace`, whose clock no machine holds up.
    async fn changed(&mut self) {
        let change = tokio::time::timeout(LONG, self.changes.recv()).await;
        assert_eq!(change.expect("in time"), Some(Changed));
    }

    /// Nothing within a second: longer than any wait for quiet.
    async fn quiet(&mut self) {
        let change = tokio::time::timeout(Duration::from_millis(1200), self.changes.recv()).await;
        assert!(change.is_err(), "nothing of ours has changed");
    }
}

#[tokio::test]
async fn files_are_replaced_written_removed_and_made() {
    let mut it =
        Watched::new(&["auth.json", "later.json"], |dir| std::fs::write(dir.join("auth.json"), "").unwrap()).await;
    it.write("auth.json.new");
    std::fs::rename(it.path("auth.json.new"), it.path("auth.json")).unwrap();
    it.changed().await;
    it.write("auth.json");
    it.changed().await;
    it.write("later.json");
    it.changed().await;
    std::fs::remove_file(it.path("auth.json")).unwrap();
    it.changed().await;
    it.write("unrelated");
    it.quiet().await;
}

#[tokio::test]
async fn directories_that_appear_later_and_are_replaced() {
    let mut it = Watched::new(&[".tool/deep/auth.json"], |_| {}).await;
    std::fs::create_dir(it.path(".tool")).unwrap();
    it.changed().await;
    std::fs::create_dir(it.path(".tool/deep")).unwrap();
    it.changed().await;
    it.write(".tool/deep/auth.json");
    it.changed().await;
    std::fs::rename(it.path(".tool/deep"), it.path(".tool/old")).unwrap();
    std::fs::create_dir(it.path(".tool/deep")).unwrap();
    it.changed().await;
    it.write(".tool/deep/auth.json");
    it.changed().await;
    it.write(".tool/old/auth.json");
    it.quiet().await;
}

#[tokio::test]
async fn a_mounted_secret_is_switched() {
    use std::os::unix::fs::symlink;
    let mut it = Watched::new(&["token"], |dir| {
        for day in ["..1", "..2"] {
            std::fs::create_dir(dir.join(day)).unwrap();
            std::fs::write(dir.join(day).join("token"), day).unwrap();
        }
        symlink("..1", dir.join("..data")).unwrap();
        symlink("..data/token", dir.join("token")).unwrap();
    })
    .await;
    symlink("..2", it.path("..data_tmp")).unwrap();
    std::fs::rename(it.path("..data_tmp"), it.path("..data")).unwrap();
    it.changed().await;
    it.write("..2/token");
    it.changed().await;
    it.write("..1/token");
    it.quiet().await;
}

#[tokio::test]
async fn what_changed_before_the_watch_began_is_not_missed() {
    let mut it = Watched::new(&["a/x"], |dir| {
        for place in ["a", "b", "c"] {
            std::fs::create_dir(dir.join(place)).unwrap();
        }
    })
    .await;
    // `b` was read after its last change, `c` before.
    it.follow(&["a/x", "b/x"], days(365_000));
    it.quiet().await;
    it.follow(&["a/x", "b/x", "c/x"], days(0));
    it.changed().await;
    it.follow(&["c/x"], days(365_000));
    it.quiet().await;
    it.write("a/x");
    it.quiet().await;
}

#[tokio::test]
async fn a_storm_costs_a_few_looks() {
    let mut it = Watched::new(&["busy", "calm/auth"], |dir| std::fs::create_dir(dir.join("calm")).unwrap()).await;
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    let clock = SystemClock::new();
    let mut looks = 0;
    loop {
        beat.tick().await;
        // On a machine that is held up the first one may come later, and what comes then is not of these three seconds.
        if clock.monotonic() > Duration::from_secs(3) && looks > 0 {
            break;
        }
        assert!(clock.monotonic() < LONG, "no look");
        it.write("busy");
        looks += u32::from(it.changes.try_recv().is_ok());
    }
    assert!(looks <= 3, "{looks} looks in three seconds");
    it.write("calm/auth");
    it.changed().await;
}
