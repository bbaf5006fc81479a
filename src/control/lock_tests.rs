use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use super::*;
use crate::clock::{ManualClock, SystemClock};

const NOBODY: &dyn Fn(&Path) = &|_| {};

fn keeper(clock: &dyn Clock) -> Keeper<'_> {
    Keeper { clock, patience: Duration::from_millis(50), waiting: NOBODY }
}

fn age(path: &Path, by: Duration, clock: &dyn Clock) {
    let then = SystemTime::from(clock.now()) - by;
    File::open(path).and_then(|file| file.set_modified(then)).unwrap();
}

#[test]
fn both_protocols_look_as_their_owners_make_them() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let target = dir.path().join("auth-profiles.json");
    let place = dir.path().join("auth-profiles.json.lock");
    let lock = Lock::acquire(&target, Protocol::Directory, &keeper(&clock)).unwrap();
    assert!(place.is_dir() && lock.is_ours());
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "the owner's rmdir must work");
    drop(lock);
    assert!(!place.exists());

    let lock = Lock::acquire(&target, Protocol::File, &keeper(&clock)).unwrap();
    let inside: serde_json::Value = serde_json::from_str(&fs::read_to_string(&place).unwrap()).unwrap();
    assert_eq!(inside["pid"], std::process::id());
    assert!(inside["startedAt"].as_i64().is_some_and(|at| at > 1_700_000_000_000));
    drop(lock);
    assert!(!place.exists());
}

#[test]
fn a_held_lock_is_waited_for_and_then_named() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let target = dir.path().join("x");
    for protocol in [Protocol::Directory, Protocol::File] {
        let held = Lock::acquire(&target, protocol, &keeper(&clock)).unwrap();
        let busy = Lock::acquire(&target, protocol, &keeper(&clock)).unwrap_err();
        let said = busy.to_string();
        assert!(
            said.contains("x.lock") && said.contains(if protocol == Protocol::File { "rm " } else { "rmdir " }),
            "{said}"
        );
        assert!(held.is_ours());
    }
}

#[test]
fn a_stale_one_is_taken_over_and_a_fresh_or_future_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    // Stands still, so that nothing grows old while the machine is held up; nor is anything waited for.
    let clock = ManualClock::at(SystemClock::new().now());
    let keeper = Keeper { patience: Duration::ZERO, ..keeper(&clock) };
    let target = dir.path().join("x");
    let place = dir.path().join("x.lock");
    for protocol in [Protocol::Directory, Protocol::File] {
        for (seconds, taken) in [(31, true), (28, false)] {
            match protocol {
                Protocol::Directory => fs::create_dir(&place).unwrap(),
                Protocol::File => fs::write(&place, "{}").unwrap(),
            }
            age(&place, Duration::from_secs(seconds), &clock);
            let got = Lock::acquire(&target, protocol, &keeper);
            assert_eq!(got.is_ok(), taken, "{protocol:?} {seconds}");
            drop(got);
            assert_eq!(place.exists(), !taken, "a fresh one stays its holder's");
            let _ = fs::remove_dir(&place).or_else(|_| fs::remove_file(&place));
        }
    }
    fs::create_dir(&place).unwrap();
    let ahead = SystemTime::from(clock.now()) + Duration::from_secs(1);
    File::open(&place).and_then(|file| file.set_modified(ahead)).unwrap();
    assert!(Lock::acquire(&target, Protocol::Directory, &keeper).is_err());
}

#[test]
fn what_no_owner_leaves_there_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let target = dir.path().join("x");
    let place = dir.path().join("x.lock");
    let patient = Keeper { patience: Duration::from_secs(3600), ..keeper(&clock) };
    fs::write(&place, "").unwrap();
    assert!(matches!(Lock::acquire(&target, Protocol::Directory, &patient), Err(WriteError::Blocked { .. })));
    fs::remove_file(&place).unwrap();
    fs::create_dir_all(place.join("full")).unwrap();
    assert!(matches!(Lock::acquire(&target, Protocol::File, &patient), Err(WriteError::Blocked { .. })));
    age(&place, Duration::from_secs(60), &clock);
    assert!(matches!(Lock::acquire(&target, Protocol::Directory, &patient), Err(WriteError::Blocked { .. })));
}

#[test]
fn who_lost_it_knows_and_does_not_remove_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let target = dir.path().join("x");
    let place = dir.path().join("x.lock");
    let lost = Lock::acquire(&target, Protocol::Directory, &keeper(&clock)).unwrap();
    // By a clock that is ahead: whoever is held up renews it meanwhile.
    let ahead = ManualClock::at(clock.now() + Duration::from_secs(3600));
    let keeper = Keeper { patience: Duration::ZERO, ..keeper(&ahead) };
    let taken = Lock::acquire(&target, Protocol::Directory, &keeper).unwrap();
    assert!(!lost.is_ours() && taken.is_ours());
    drop(lost);
    assert!(place.is_dir() && taken.is_ours());
}

/// Many find the same stale lock at the same time; never two hold it.
#[test]
fn one_at_a_time_even_over_a_stale_one() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let target = dir.path().join("x");
    let place = dir.path().join("x.lock");
    for protocol in [Protocol::Directory, Protocol::File] {
        match protocol {
            Protocol::Directory => fs::create_dir(&place).unwrap(),
            Protocol::File => fs::write(&place, "{}").unwrap(),
        }
        age(&place, Duration::from_secs(60), &clock);
        let inside = AtomicUsize::new(0);
        let turns = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let keeper = Keeper { patience: Duration::from_secs(60), ..keeper(&clock) };
                    for _ in 0..20 {
                        let lock = Lock::acquire(&target, protocol, &keeper).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        turns.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        assert!(lock.is_ours());
                    }
                });
            }
        });
        assert_eq!(turns.load(Ordering::SeqCst), 16 * 20);
        assert!(!place.exists());
    }
}

#[test]
fn patience_is_counted_on_the_clock_that_never_jumps() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(SystemClock::new().now());
    let target = dir.path().join("x");
    let place = dir.path().join("x.lock");
    fs::create_dir(&place).unwrap();
    // Fresh for as long as this takes.
    let ahead = SystemTime::from(clock.now()) + Duration::from_secs(1 << 30);
    File::open(&place).and_then(|file| file.set_modified(ahead)).unwrap();
    let told = AtomicUsize::new(0);
    let patience = Duration::from_secs(1 << 28);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let waiting = |_: &Path| {
                told.fetch_add(1, Ordering::SeqCst);
            };
            let keeper = Keeper { clock: &clock, patience, waiting: &waiting };
            Lock::acquire(&target, Protocol::Directory, &keeper).unwrap_err().to_string()
        });
        // Small steps against this patience: what is told is told long before it ends.
        while told.load(Ordering::SeqCst) == 0 {
            clock.advance(Duration::from_secs(2));
            thread::yield_now();
        }
        clock.advance(patience);
        assert!(waiter.join().unwrap().contains("has been held"));
    });
    assert_eq!(told.load(Ordering::SeqCst), 1);
}
