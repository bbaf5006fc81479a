use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::domain::*;
use crate::engine::incidents::decide;
use crate::engine::incidents::world::{answered, credential, expiring, generation, ok, snapshot, start};
use crate::engine::policy::{AlertPolicy, ReceiverPolicy};

const LOGIN: &str = "claude-code:default";
const KEEP: History = History { raw_days: 90, daily_days: 730, max_bytes: 64 << 20 };

fn policy() -> AlertPolicy {
    let receivers =
        ["mail", "hook"].map(|name| ReceiverPolicy { name: name.to_owned(), send_resolved: true, testable: true });
    AlertPolicy { receivers: receivers.to_vec(), ..AlertPolicy::default() }
}

fn cycle(store: &mut Store, snapshot: &Snapshot, now: Time) -> Decision {
    let record = CycleRecord { snapshot, verdicts: &[], runs: &["status"], now };
    store.commit_cycle(&record, |standing| decide(standing, snapshot, &policy(), &Pseudonyms::default(), now)).unwrap()
}

fn open(dir: &Path) -> Store {
    let opened = Store::open(dir, start()).unwrap();
    assert_eq!(opened.notes, []);
    opened.store
}

fn broken() -> Snapshot {
    snapshot(vec![expiring(LOGIN, Tier::Expired, Severity::Critical)])
}

fn well() -> Snapshot {
    snapshot(vec![generation(ok(LOGIN), "g2")])
}

fn delivered() -> Outcome {
    Outcome::Delivered { detail: "250 ok".to_owned(), keep: None }
}

fn transient(reason: FailureReason) -> Outcome {
    Outcome::Transient { reason, detail: "no".to_owned(), retry_after: None, progress: Progress::default() }
}

/// Delivers everything that is due; returns the receivers.
fn deliver(store: &mut Store, now: Time) -> Vec<String> {
    let due = store.due_notifications(Severity::None, now).unwrap();
    for entry in &due {
        store.record_outcome(&entry.notification.id, &delivered(), now).unwrap();
    }
    due.into_iter().map(|entry| entry.notification.receiver).collect()
}

fn minutes(n: i64) -> Time {
    start() + Span::minutes(n)
}

#[test]
fn what_is_made_is_private_and_found_again() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a/state");
    let mut store = open(&dir);
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    cycle(&mut store, &broken(), start());
    for file in fs::read_dir(&dir).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
    let before = store.standing(start()).unwrap();
    assert_eq!((before.incidents.len(), before.queued.len(), before.known.len()), (1, 2, 1));
    assert!(before.ever_committed);
    drop(store);
    let store = open(&dir);
    assert_eq!(store.standing(start()).unwrap(), before);
    assert_eq!(store.last_run("status").unwrap(), Some(start()));
    assert_eq!(store.last_run("probe").unwrap(), None);
    assert_eq!(store.last_persisted_time().unwrap(), Some(start()));
    assert_eq!(store.history(&LOGIN.into()).unwrap().len(), 1);
    assert!(store.db.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0)).unwrap() >= 1);
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join(FILE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(dir.path()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_a_providers_clock_showed_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let date = ProviderDate { said: minutes(-90), seen: minutes(1) };
    let mut store = open(dir.path());
    assert_eq!(store.remembered().unwrap().provider_date, None);
    store.set_provider_date(Some(date)).unwrap();
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.remembered().unwrap().provider_date, Some(date));
    store.set_provider_date(None).unwrap();
    assert_eq!(store.remembered().unwrap().provider_date, None);
}

#[test]
fn a_cycle_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    cycle(&mut store, &snapshot(vec![]), start());
    let before = store.standing(start()).unwrap();
    let snapshot = broken();
    let record = CycleRecord { snapshot: &snapshot, verdicts: &[], runs: &["status"], now: minutes(5) };
    // Dies after the decision, with half of it written.
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = transact(&mut store.db, |tx| {
            let standing = incidents::standing(tx, record.now)?;
            let decision = decide(&standing, record.snapshot, &policy(), &Pseudonyms::default(), record.now);
            incidents::apply(tx, &decision)?;
            outbox::apply(tx, &decision, record.now)?;
            panic!("killed")
        }) as Result<(), StoreError>;
    }));
    assert!(died.is_err());
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.standing(start()).unwrap(), before);
    assert_eq!(store.last_persisted_time().unwrap(), Some(start()));
    assert_eq!(cycle(&mut store, &snapshot, minutes(5)).enqueue.len(), 2, "and is decided again, the same way");
}

#[test]
fn what_is_delivered_is_told_and_what_is_over_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    cycle(&mut store, &snapshot(vec![]), start());
    cycle(&mut store, &broken(), minutes(5));
    assert_eq!(deliver(&mut store, minutes(5)).len(), 2);
    let incident = store.incidents().unwrap().remove(0);
    assert_eq!(incident.told.keys().collect::<Vec<_>>(), ["hook", "mail"]);
    assert_eq!(incident.told["mail"], Told { at: minutes(5), severity: Severity::Critical });
    assert!(store.due_notifications(Severity::None, minutes(6)).unwrap().is_empty());
    cycle(&mut store, &well(), minutes(10));
    assert_eq!(deliver(&mut store, minutes(10)).len(), 2);
    cycle(&mut store, &well(), minutes(15));
    assert!(store.incidents().unwrap().is_empty());
    assert!(deliver(&mut store, minutes(15)).is_empty());
    let entries = store.outbox().unwrap();
    assert_eq!(entries.len(), 4, "sent messages stay for looking back");
    assert!(entries.iter().all(|entry| entry.state == OutboxState::Sent && entry.detail.as_deref() == Some("250 ok")));
    // The same answer again changes nothing.
    store.record_outcome(&entries[0].notification.id, &delivered(), minutes(20)).unwrap();
    assert!(store.receiver_states().unwrap().iter().all(|state| state.delivered == 2));
    store.prune(&KEEP, start() + Span::days(15)).unwrap();
    assert!(store.outbox().unwrap().is_empty());
}

#[test]
fn an_attempt_cut_short_is_made_again_under_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    cycle(&mut store, &broken(), start());
    let first = store.due_notifications(Severity::None, start()).unwrap();
    assert_eq!(first.len(), 2);
    assert!(store.due_notifications(Severity::None, minutes(1)).unwrap().is_empty(), "it is under way");
    assert!(store.standing(minutes(1)).unwrap().queued.iter().all(|queued| queued.in_flight));
    drop(store);
    let mut store = open(dir.path());
    let standing = store.standing(minutes(1)).unwrap();
    assert!(standing.queued.iter().all(|q| !q.in_flight && q.uncertain && q.attempts == 1));
    cycle(&mut store, &broken(), minutes(2));
    let again = store.due_notifications(Severity::None, minutes(2)).unwrap();
    let ids = |due: &[DueNotification]| due.iter().map(|d| d.notification.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&again), ids(&first));
    // Whoever began it and never came back does not block it for ever.
    assert!(store.due_notifications(Severity::None, minutes(11)).unwrap().is_empty());
    assert_eq!(ids(&store.due_notifications(Severity::None, minutes(13)).unwrap()), ids(&first));
}

#[test]
fn what_was_withdrawn_while_it_was_sent_is_closed() {
    for outcome in [delivered(), transient(FailureReason::Timeout)] {
        let mut store = Store::in_memory().unwrap();
        cycle(&mut store, &snapshot(vec![]), start());
        cycle(&mut store, &broken(), minutes(1));
        let flying = store.due_notifications(Severity::None, minutes(1)).unwrap();
        cycle(&mut store, &well(), minutes(6));
        for entry in &flying {
            store.record_outcome(&entry.notification.id, &outcome, minutes(7)).unwrap();
        }
        assert_eq!(deliver(&mut store, minutes(7)).len(), 2, "was down, to both");
        cycle(&mut store, &well(), minutes(11));
        let more = deliver(&mut store, minutes(11));
        cycle(&mut store, &well(), minutes(16));
        assert!(more.is_empty(), "{more:?}");
        assert!(store.incidents().unwrap().is_empty());
        assert!(store.due_notifications(Severity::None, start() + Span::days(3)).unwrap().is_empty());
    }
}

#[test]
fn failures_wait_longer_and_longer_and_retry_after_is_kept() {
    let mut store = Store::in_memory().unwrap();
    cycle(&mut store, &broken(), start());
    let both = store.due_notifications(Severity::None, start()).unwrap();
    let id = both[0].notification.id.clone();
    store.record_outcome(&both[1].notification.id, &delivered(), start()).unwrap();
    store.record_outcome(&id, &transient(FailureReason::ServerError), start()).unwrap();
    assert!(store.due_notifications(Severity::None, start() + Span::seconds(4)).unwrap().is_empty());
    let due = store.due_notifications(Severity::None, start() + Span::seconds(6)).unwrap().remove(0);
    assert_eq!((due.notification.id.clone(), due.attempts), (id.clone(), 1));
    let wish = Outcome::Transient {
        reason: FailureReason::RateLimited,
        detail: "x".repeat(10_000),
        retry_after: Some(Duration::from_secs(3 * 3600)),
        progress: Progress(["a@x.org".to_owned()].into()),
    };
    store.record_outcome(&id, &wish, minutes(1)).unwrap();
    assert!(store.due_notifications(Severity::None, minutes(180)).unwrap().is_empty());
    assert_eq!(store.outbox().unwrap().iter().filter_map(|e| e.detail.as_ref()).map(String::len).max(), Some(500));
    let due = store.due_notifications(Severity::None, minutes(182)).unwrap();
    let due = &due[0];
    assert_eq!((due.attempts, due.progress.0.len()), (1, 1), "a message that got on begins its waits anew");
    let state = store.receiver_states().unwrap().into_iter().find(|s| s.name == due.notification.receiver).unwrap();
    assert_eq!(
        state.failed.into_iter().collect::<Vec<_>>(),
        [(FailureReason::RateLimited, 1), (FailureReason::ServerError, 1)]
    );
}

#[test]
fn a_clock_set_back_does_not_hold_the_queue_up() {
    let mut store = Store::in_memory().unwrap();
    let ahead = start() + Span::days(400);
    cycle(&mut store, &broken(), ahead);
    assert_eq!(store.due_notifications(Severity::None, start()).unwrap().len(), 2, "made by a clock that ran ahead");
    assert_eq!(store.last_persisted_time().unwrap(), Some(ahead));
    cycle(&mut store, &broken(), start());
    assert_eq!(store.last_persisted_time().unwrap(), Some(start()), "the last, not the greatest");
}

#[test]
fn a_receiver_that_refuses_is_tried_once_an_hour_until_it_takes_something() {
    let mut store = Store::in_memory().unwrap();
    cycle(&mut store, &snapshot(vec![]), start());
    let two = snapshot(vec![
        expiring(LOGIN, Tier::Expired, Severity::Critical),
        credential("codex:default", State::Rejected, Severity::Warning),
    ]);
    cycle(&mut store, &two, start());
    let refused = Outcome::Permanent { reason: FailureReason::AuthRejected, detail: "535 no".to_owned() };
    let mut news = 0;
    for entry in store.due_notifications(Severity::None, start()).unwrap() {
        let outcome = if entry.notification.receiver == "mail" { refused.clone() } else { delivered() };
        news += usize::from(store.record_outcome(&entry.notification.id, &outcome, start()).unwrap().quarantined);
    }
    assert_eq!(news, 1, "it goes into quarantine once");
    let mail = store.receiver_states().unwrap().into_iter().find(|state| state.name == "mail").unwrap();
    assert_eq!((mail.queued, mail.oldest), (2, Some(start())));
    assert!(mail.finding().is_some_and(|f| f.id == "receiver.quarantined" && f.message.contains("535 no")));
    assert_eq!(store.next_due(Severity::None).unwrap(), Some(minutes(60)));
    assert!(store.due_notifications(Severity::None, minutes(59)).unwrap().is_empty());
    let due = store.due_notifications(Severity::None, minutes(60)).unwrap();
    assert_eq!(due.len(), 1, "the most urgent one");
    assert_eq!(due[0].notification.severity, Severity::Critical);
    store.record_outcome(&due[0].notification.id, &transient(FailureReason::Timeout), minutes(61)).unwrap();
    assert!(
        store.due_notifications(Severity::None, minutes(110)).unwrap().is_empty(),
        "another failure does not end it"
    );
    let due = store.due_notifications(Severity::None, minutes(121)).unwrap();
    assert_eq!(due.len(), 1);
    let recorded = store.record_outcome(&due[0].notification.id, &delivered(), minutes(121)).unwrap();
    assert!(recorded.released);
    assert_eq!(store.due_notifications(Severity::None, minutes(121)).unwrap().len(), 1, "the rest follows at once");
}

#[test]
fn a_quarantine_ends_by_hand() {
    let mut store = Store::in_memory().unwrap();
    cycle(&mut store, &broken(), start());
    for entry in store.due_notifications(Severity::None, start()).unwrap() {
        let refused = Outcome::Permanent { reason: FailureReason::Config, detail: String::new() };
        store.record_outcome(&entry.notification.id, &refused, start()).unwrap();
    }
    store.enable_receiver("mail", minutes(1)).unwrap();
    let due = store.due_notifications(Severity::None, minutes(1)).unwrap();
    assert_eq!(due.iter().map(|d| d.notification.receiver.as_str()).collect::<Vec<_>>(), ["mail"]);
}

#[test]
fn a_success_lets_those_try_again_that_failed_to_reach_the_receiver() {
    let mut store = Store::in_memory().unwrap();
    cycle(&mut store, &snapshot(vec![]), start());
    cycle(&mut store, &broken(), start());
    for entry in store.due_notifications(Severity::None, start()).unwrap() {
        for _ in 0..5 {
            store.record_outcome(&entry.notification.id, &transient(FailureReason::Offline), start()).unwrap();
        }
    }
    assert!(store.due_notifications(Severity::None, minutes(60)).unwrap().is_empty());
    let mut more = broken();
    more.credentials.push(credential("codex:default", State::Rejected, Severity::Warning));
    cycle(&mut store, &more, minutes(60));
    assert_eq!(deliver(&mut store, minutes(60)).len(), 2);
    assert_eq!(store.due_notifications(Severity::None, minutes(60)).unwrap().len(), 2);
}

#[test]
fn a_damaged_file_is_set_aside_and_a_fresh_one_made() {
    for damage in ["garbage", "middle"] {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        cycle(&mut store, &broken(), start());
        drop(store);
        let path = dir.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        if damage == "garbage" {
            bytes = b"this is no database, and long enough to be looked at as one".repeat(100);
        } else {
            let len = bytes.len();
            bytes[4096..len].fill(0x5a);
        }
        fs::write(&path, &bytes).unwrap();
        fs::write(dir.path().join("state.db-wal"), b"left over").unwrap();
        let Opened { mut store, notes } = Store::open(dir.path(), minutes(5)).unwrap();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert_eq!(notes[0].id, "state.damaged");
        let aside = dir.path().join("state.db.damaged-20260105T090500Z");
        assert_eq!(fs::read(&aside).unwrap(), bytes, "kept as it was");
        assert!(!store.standing(start()).unwrap().ever_committed);
        cycle(&mut store, &broken(), minutes(5));
        assert!(store.trouble().is_none());
        drop(store);
        assert_eq!(open(dir.path()).incidents().unwrap().len(), 1);
    }
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.db.pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let before = fs::read(dir.path().join(FILE)).unwrap();
    let error = Store::open(dir.path(), start()).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }));
    assert!(error.to_string().contains("newer opensoul"), "{error}");
    assert!(matches!(Reader::open(dir.path()), Err(StoreError::Newer { .. })));
    assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), before);
}

/// A file as version 1 left it.
const VERSION_1: &str = include_str!("../../tests/fixtures/state-v1.sql");

fn version_1(dir: &Path) {
    let db = Connection::open(dir.join(FILE)).unwrap();
    db.execute_batch(VERSION_1).unwrap();
}

#[test]
fn a_file_of_version_1_opens_with_everything_in_it() {
    let dir = tempfile::tempdir().unwrap();
    version_1(dir.path());
    let store = Store::open(dir.path(), start()).unwrap().store;
    let standing = store.standing(start()).unwrap();
    assert_eq!((standing.incidents.len(), standing.queued.len(), standing.known.len()), (1, 1, 1));
    assert_eq!(standing.incidents[0].told.len(), 1);
    assert_eq!(store.verdicts().unwrap().len(), 1);
    assert_eq!(store.history(&LOGIN.into()).unwrap().len(), 1);
    assert_eq!(store.last_persisted_time().unwrap(), Some(start()));
}

#[test]
fn a_migration_copies_the_file_first_and_keeps_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    version_1(dir.path());
    let path = dir.path().join(FILE);
    let mut db = Connection::open(&path).unwrap();
    let steps = [migrate::STEPS[0], "ALTER TABLE incident ADD COLUMN note TEXT"];
    let backup = migrate::run(&mut db, &path, &steps, start()).unwrap().unwrap();
    assert_eq!(backup.file_name().unwrap(), "state.db.v1-20260105T090000Z");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let old = Connection::open(&backup).unwrap();
    assert_eq!(migrate::version(&old).unwrap(), 1);
    assert_eq!(incidents::all(&old).unwrap().len(), 1);
    assert_eq!(migrate::version(&db).unwrap(), 2);
    assert_eq!(incidents::all(&db).unwrap().len(), 1);
    db.query_row("SELECT note FROM incident", [], |row| row.get::<_, Option<String>>(0)).unwrap();
    // A step that fails leaves the old version whole.
    let broken = [steps[0], steps[1], "CREATE TABLE half (x); nonsense"];
    assert!(migrate::run(&mut db, &path, &broken, minutes(1)).is_err());
    assert_eq!(migrate::version(&db).unwrap(), 2);
    assert!(db.execute("SELECT * FROM half", []).is_err());
}

#[test]
fn a_full_disk_sends_everything_to_memory_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    cycle(&mut store, &snapshot(vec![ok(LOGIN)]), start());
    let pages: i64 = store.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    store.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    let many = (0..500).map(|n| expiring(&format!("codex:{n}"), Tier::Expired, Severity::Critical));
    let many = snapshot(many.chain([ok(LOGIN)]).collect());
    let record = CycleRecord { snapshot: &many, verdicts: &[], runs: &[], now: minutes(5) };
    let decision = store
        .commit_cycle(&record, |standing| {
            assert!(standing.ever_committed, "the past came along");
            decide(standing, &many, &policy(), &Pseudonyms::default(), minutes(5))
        })
        .unwrap();
    assert_eq!(decision.upsert.len(), 500);
    let trouble = store.trouble().unwrap();
    assert_eq!((trouble.id.as_str(), trouble.severity), ("state.disk", Severity::Critical));
    assert!(trouble.message.contains("full"), "{}", trouble.message);
    assert_eq!(deliver(&mut store, minutes(5)).len(), 2, "alerts are still sent");
    assert_eq!(store.last_persisted_time().unwrap(), Some(minutes(5)));
    // The next cycle finds room again (its own connection has no limit) and takes everything along.
    cycle(&mut store, &many, minutes(10));
    assert!(store.trouble().is_none());
    drop(store);
    let mut store = open(dir.path());
    let standing = store.standing(minutes(10)).unwrap();
    assert_eq!(standing.incidents.len(), 500);
    assert!(standing.incidents.iter().all(|incident| incident.told.len() == 2));
    assert_eq!(store.history(&"codex:7".into()).unwrap().len(), 1);
    assert!(deliver(&mut store, minutes(10)).is_empty(), "nothing is said twice");
}

#[test]
fn without_a_place_for_the_file_it_goes_on_in_memory_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let Opened { mut store, notes } = Store::open(&dir.path().join("file/state"), start()).unwrap();
    assert_eq!(notes.iter().map(|note| note.id.as_str()).collect::<Vec<_>>(), ["state.disk"]);
    cycle(&mut store, &broken(), start());
    assert!(store.trouble().is_some());
    assert_eq!(deliver(&mut store, start()).len(), 2);
}

#[test]
fn history_has_changes_only_and_thins_out_with_age() {
    let mut store = Store::in_memory().unwrap();
    let id: CredentialId = LOGIN.into();
    // Changes twice an hour for two days, then quiet.
    for n in 0..96 {
        let look = if n % 2 == 0 { ok(LOGIN) } else { expiring(LOGIN, Tier::Days7, Severity::Warning) };
        cycle(&mut store, &snapshot(vec![look]), minutes(30 * n));
    }
    for n in 96..200 {
        cycle(&mut store, &snapshot(vec![ok(LOGIN)]), minutes(30 * n));
    }
    assert_eq!(store.history(&id).unwrap().len(), 97);
    store.prune(&KEEP, start() + Span::days(89)).unwrap();
    assert_eq!(store.history(&id).unwrap().len(), 97);
    store.prune(&KEEP, start() + Span::days(95)).unwrap();
    let kept = store.history(&id).unwrap();
    assert_eq!(kept.len(), 3, "one a day");
    assert!(kept.windows(2).all(|pair| pair[0].at.date_naive() < pair[1].at.date_naive()));
    let cycles =
        |store: &Store| store.db.query_row("SELECT count(*) FROM cycle", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(cycles(&store), 5);
    store.prune(&KEEP, start() + Span::days(740)).unwrap();
    assert_eq!((store.history(&id).unwrap().len(), cycles(&store)), (0, 0));
}

#[test]
fn a_file_that_grew_too_big_loses_its_oldest_history() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for n in 0..40_i64 {
        let state = if n % 2 == 0 { State::Ok } else { State::Static };
        let all = (0..200).map(|m| credential(&format!("codex:{m}"), state, Severity::None)).collect();
        cycle(&mut store, &snapshot(all), minutes(n));
    }
    let size = || fs::metadata(dir.path().join(FILE)).unwrap().len();
    let before = store.history(&"codex:7".into()).unwrap();
    assert_eq!(before.len(), 40);
    let keep = History { max_bytes: 400_000, ..KEEP };
    store.prune(&keep, minutes(60)).unwrap();
    assert!(size() <= 400_000, "{}", size());
    let after = store.history(&"codex:7".into()).unwrap();
    assert!(!after.is_empty() && after.len() < 40);
    assert_eq!(after.last(), before.last(), "the newest stay");
    assert_eq!(store.standing(minutes(60)).unwrap().known.len(), 200, "the present is never dropped");
}

#[test]
fn a_lost_key_says_nothing_twice_and_ends_nothing() {
    let mut store = Store::in_memory().unwrap();
    let both = |name: &str| {
        let expired = expiring(LOGIN, Tier::Expired, Severity::Critical);
        let refused = credential("codex:default", State::Rejected, Severity::Critical);
        snapshot(vec![generation(expired, name), generation(refused, name)])
    };
    store.adopt_key(1, &[]).unwrap();
    cycle(&mut store, &both("one"), start());
    assert_eq!(deliver(&mut store, start()).len(), 2);
    store.adopt_key(2, &[]).unwrap();
    cycle(&mut store, &both("two"), minutes(5));
    assert!(deliver(&mut store, minutes(5)).is_empty());
    store.adopt_key(3, &[]).unwrap();
    let silent = snapshot(vec![generation(ok(LOGIN), "three"), generation(ok("codex:default"), "three")]);
    cycle(&mut store, &silent, minutes(10));
    assert_eq!(deliver(&mut store, minutes(10)).len(), 2, "the date is newer: that is over");
    let left = store.incidents().unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|i| (i.status == IncidentStatus::Firing) == (i.name == "CredentialRejected")));
}

#[test]
fn first_sight_outlives_the_key() {
    let mut store = Store::in_memory().unwrap();
    let keys = [FingerprintKey::new(&[1; 32]), FingerprintKey::new(&[2; 32])];
    let print = |key: &FingerprintKey| key.fingerprint(&Secret::new("sk-ant-oat01-x".to_owned())).unwrap();
    let with = |key: &FingerprintKey| {
        let mut one = generation(ok("env:A"), &print(key).to_hex());
        one.credential.fingerprint = Some(print(key));
        one.credential.refresh_fingerprint = Some(print(key));
        one
    };
    let mut turn = |key: &FingerprintKey, now| {
        let one = with(key);
        store.adopt_key(key.id(), &[(one.credential.id.clone(), print(key))]).unwrap();
        store.first_seen(&[print(key)], now).unwrap();
        cycle(&mut store, &snapshot(vec![one]), now);
        store.remembered().unwrap()
    };
    let before = turn(&keys[0], start());
    assert_eq!(before.refresh_tokens[&"env:A".into()].len(), 1);
    // In the very cycle that finds the key lost, and in those after it.
    let lost = with(&keys[1]).credential;
    assert_eq!(before.first_seen_of(&lost, &keys[1]), Some(start()));
    let after = turn(&keys[1], minutes(5));
    assert_eq!(after.first_seen_of(&lost, &keys[1]), Some(start()));
    assert!(after.begun.is_empty(), "a new key is no renewal");
    assert_eq!(after.key, Some(keys[1].id()));
    let other = Credential { fingerprint: keys[1].fingerprint(&Secret::new("new".to_owned())), ..*lost };
    assert_eq!(after.first_seen_of(&other, &keys[1]), None, "a changed secret begins anew");
}

#[test]
fn refresh_tokens_are_remembered_up_to_a_number() {
    let mut store = Store::in_memory().unwrap();
    let key = FingerprintKey::new(&[1; 32]);
    for n in 0..30 {
        let mut one = ok(LOGIN);
        one.credential.account = Some("me@x.org".to_owned());
        one.credential.refresh_fingerprint = key.fingerprint(&Secret::new(format!("r{}", n / 2 * 2)));
        cycle(&mut store, &snapshot(vec![one]), minutes(n));
    }
    let held = store.remembered().unwrap().refresh_tokens.remove(&LOGIN.into()).unwrap();
    assert_eq!((held.len(), held[0].first, held[14].first), (15, minutes(0), minutes(28)));
    assert!(held.iter().all(|one| !one.account.is_empty() && !one.account.contains('@')));
    for n in 100..130 {
        let mut one = ok(LOGIN);
        one.credential.refresh_fingerprint = key.fingerprint(&Secret::new(format!("r{n}")));
        cycle(&mut store, &snapshot(vec![one]), minutes(n));
    }
    let held = store.remembered().unwrap().refresh_tokens.remove(&LOGIN.into()).unwrap();
    assert_eq!((held.len(), held[19].first), (20, minutes(129)), "the newest stay");
}

#[test]
fn a_token_that_was_asked_about_is_no_newer_than_the_answer() {
    let mut store = Store::in_memory().unwrap();
    let mut one = ok(LOGIN);
    one.credential.refresh_fingerprint = FingerprintKey::new(&[1; 32]).fingerprint(&Secret::new("refresh".to_owned()));
    let snapshot = snapshot(vec![one]);
    let probe = ProbeRecord {
        credential: LOGIN.into(),
        generation: "g1".to_owned(),
        verdict: Verdict { kind: VerdictKind::Rejected, at: minutes(4), detail: String::new() },
        not_before: None,
        allowance: Allowance::default(),
    };
    // The cycle that commits the answer is later than the question.
    let record = CycleRecord { snapshot: &snapshot, verdicts: &[probe], runs: &["probe"], now: minutes(5) };
    store.commit_cycle(&record, |_| Decision::default()).unwrap();
    let held = store.remembered().unwrap().refresh_tokens.remove(&LOGIN.into()).unwrap();
    assert_eq!(held[0].first, minutes(4));
}

/// Every file with its bytes and dates.
fn picture(dir: &Path) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap(), file.metadata().unwrap().modified().unwrap())
        })
        .collect();
    all.sort();
    all.push(("the directory".to_owned(), vec![], fs::metadata(dir).unwrap().modified().unwrap()));
    all
}

#[test]
fn readers_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Reader::open(&dir.path().join("nowhere")).unwrap().is_none());
    assert!(Reader::open(dir.path()).unwrap().is_none());
    assert_eq!(picture(dir.path()).len(), 1, "nothing is made");

    let mut store = open(dir.path());
    cycle(&mut store, &broken(), start());
    let look = |dir: &Path| {
        let reader = Reader::open(dir).unwrap().unwrap();
        assert_eq!(reader.incidents().unwrap().len(), 1);
        assert_eq!(reader.receiver_states().unwrap().len(), 2);
        assert_eq!(reader.outbox().unwrap().len(), 2);
        assert_eq!(reader.last_persisted_time().unwrap(), Some(start()));
        assert!(reader.verdicts().unwrap().is_empty());
    };
    // While the monitor runs: its -wal has the news.
    let before = picture(dir.path());
    assert_eq!(before.len(), 4, "state.db, -wal, -shm");
    assert!(child("read", dir.path(), None), "another process");
    assert!(picture(dir.path()) == before);
    // After the monitor was killed: the same three files, nobody there.
    let crashed = tempfile::tempdir().unwrap();
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        fs::copy(dir.path().join(file), crashed.path().join(file)).unwrap();
    }
    let before = picture(crashed.path());
    look(crashed.path());
    assert!(picture(crashed.path()) == before);
    // After it ended in good order.
    drop(store);
    let before = picture(dir.path());
    assert_eq!(before.len(), 2);
    look(dir.path());
    assert!(picture(dir.path()) == before);
}

#[test]
fn a_reader_takes_any_path() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a b?c#d%20ü");
    let mut store = open(&dir);
    cycle(&mut store, &broken(), start());
    drop(store);
    assert_eq!(Reader::open(&dir).unwrap().unwrap().incidents().unwrap().len(), 1);
}

#[test]
fn addresses_have_stable_numbers_and_secrets_first_dates() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let names = store.pseudonyms(["openai:a@x.org", "b@x.org", "no address"], false).unwrap();
    assert_eq!((names.apply("a@x.org"), names.apply("b@x.org")), ("user-1".to_owned(), "user-2".to_owned()));
    let names = store.pseudonyms(["c@x.org b@x.org"], false).unwrap();
    assert_eq!((names.apply("b@x.org"), names.apply("c@x.org")), ("user-2".to_owned(), "user-3".to_owned()));
    let key = FingerprintKey::new(&[7; 32]);
    let print = |text: &str| key.fingerprint(&Secret::new(text.to_owned())).unwrap();
    let first = store.first_seen(&[print("one")], start()).unwrap();
    assert_eq!(first[&print("one")], start());
    let both = store.first_seen(&[print("one"), print("two")], minutes(9)).unwrap();
    assert_eq!((both[&print("one")], both[&print("two")]), (start(), minutes(9)));
    drop(store);
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    assert_eq!(reader.pseudonyms(false).unwrap().apply("b@x.org"), "user-2");
    assert_eq!(reader.first_seen(&[print("two"), print("new")]).unwrap().len(), 1);
}

#[test]
fn a_conclusive_verdict_counts_for_a_day_and_its_generation() {
    let mut store = Store::in_memory().unwrap();
    let snapshot = snapshot(vec![answered(ok(LOGIN), VerdictKind::Accepted, start())]);
    let say = |store: &mut Store, generation: &str, kind, at| {
        let verdict = Verdict { kind, at, detail: "said".to_owned() };
        let probe = ProbeRecord {
            credential: LOGIN.into(),
            generation: generation.to_owned(),
            verdict,
            not_before: None,
            allowance: Allowance::default(),
        };
        let record = CycleRecord { snapshot: &snapshot, verdicts: &[probe], runs: &["probe"], now: at };
        store.commit_cycle(&record, |_| Decision::default()).unwrap();
    };
    say(&mut store, "g1", VerdictKind::Rejected, start());
    say(&mut store, "g1", VerdictKind::Throttled, minutes(30));
    let stored = store.verdicts().unwrap().remove(&LOGIN.into()).unwrap();
    let kind = |generation: &str, now| stored.counting(generation, now).map(|verdict| verdict.kind);
    assert_eq!(kind("g1", minutes(40)), Some(VerdictKind::Rejected));
    assert_eq!(kind("g1", start() + Span::hours(25)), Some(VerdictKind::Throttled));
    assert_eq!(kind("g2", minutes(40)), None);
    assert_eq!(store.last_run("probe").unwrap(), Some(minutes(30)));
}

/// Runs [`as_child`] in a process of its own; true if it ended well.
fn child(what: &str, dir: &Path, fault: Option<&str>) -> bool {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::tests::as_child"]).env("OPENSOUL_TEST_CHILD", what).env("OPENSOUL_TEST_DIR", dir);
    if let Some(fault) = fault {
        command.env("OPENSOUL_FAULT", fault);
    }
    command.output().unwrap().status.success()
}

/// What another process does; nothing in the process of the tests themselves.
#[test]
fn as_child() {
    let (Ok(what), Ok(dir)) = (std::env::var("OPENSOUL_TEST_CHILD"), std::env::var("OPENSOUL_TEST_DIR")) else {
        return;
    };
    let dir = Path::new(&dir);
    if what == "read" {
        let reader = Reader::open(dir).unwrap().unwrap();
        assert_eq!(reader.incidents().unwrap().len(), 1);
        assert_eq!(reader.outbox().unwrap().len(), 2);
        return;
    }
    let mut store = Store::open(dir, start()).unwrap().store;
    cycle(&mut store, &broken(), start());
    for entry in store.due_notifications(Severity::None, start()).unwrap() {
        store.record_outcome(&entry.notification.id, &delivered(), start()).unwrap();
    }
}

#[test]
fn death_at_any_step_loses_nothing() {
    // (where, cycles on disk, deliveries marked) after the death.
    for (fault, cycles, marked) in [
        ("before-commit", false, 0),
        ("after-commit", true, 0),
        ("before-mark", true, 0),
        ("after-mark", true, 1),
        ("before-mark:2", true, 1),
        ("after-mark:2", true, 2),
    ] {
        let dir = tempfile::tempdir().unwrap();
        assert!(!child("cycle", dir.path(), Some(fault)), "{fault}: it dies");
        let mut store = open(dir.path());
        assert_eq!(store.standing(start()).unwrap().ever_committed, cycles, "{fault}");
        let sent = |store: &Store| store.outbox().unwrap().iter().filter(|e| e.state == OutboxState::Sent).count();
        assert_eq!(sent(&store), marked, "{fault}");
        let ids = |store: &Store| store.outbox().unwrap().into_iter().map(|e| e.notification.id).collect::<Vec<_>>();
        let before = ids(&store);
        cycle(&mut store, &broken(), start());
        assert_eq!(deliver(&mut store, minutes(1)).len(), 2 - marked, "{fault}");
        assert_eq!(sent(&store), 2, "{fault}");
        assert!(before.is_empty() || ids(&store) == before, "{fault}: under the same ids");
    }
}

#[test]
fn balances_are_kept_and_give_a_runway() {
    let mut store = Store::in_memory().unwrap();
    let snapshot = snapshot(vec![ok(LOGIN)]);
    let say = |store: &mut Store, kind, at, amount: Option<f64>, quota: Vec<Quota>| {
        let balance = amount.map(|amount| Balance { amount, currency: Some("USD".to_owned()) });
        let probe = ProbeRecord {
            credential: LOGIN.into(),
            generation: "g1".to_owned(),
            verdict: Verdict { kind, at, detail: String::new() },
            not_before: None,
            allowance: Allowance { balance, quota, ..Allowance::default() },
        };
        let record = CycleRecord { snapshot: &snapshot, verdicts: &[probe], runs: &["probe"], now: at };
        store.commit_cycle(&record, |_| Decision::default()).unwrap();
    };
    let known = |store: &Store| store.remembered().unwrap().allowances.remove(&LOGIN.into()).unwrap().1;
    let window = || vec![Quota { window: "5h".into(), used_ratio: 0.5, resets_at: None }];
    for hour in 0..=24u32 {
        let at = start() + Span::hours(hour.into());
        say(&mut store, VerdictKind::Accepted, at, Some(48.0 - f64::from(hour)), window());
    }
    let found = known(&store);
    assert_eq!(found.runway.map(|runway| runway.ends), Some(start() + Span::hours(48)));
    // Throttled or refused: the last good numbers stay.
    say(&mut store, VerdictKind::Throttled, start() + Span::hours(25), None, Vec::new());
    say(&mut store, VerdictKind::Rejected, start() + Span::hours(25), None, Vec::new());
    assert_eq!(known(&store), found);
    assert_eq!(found.quota, window());
    // Topped up: what was says nothing about what will be.
    say(&mut store, VerdictKind::Accepted, start() + Span::hours(26), Some(500.0), Vec::new());
    let topped_up = known(&store);
    assert_eq!((topped_up.runway, topped_up.quota.len()), (None, 0));
    // Unchanged within the hour: one row.
    let rows =
        |store: &Store| store.db.query_row("SELECT count(*) FROM balance", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = rows(&store);
    say(&mut store, VerdictKind::Accepted, start() + Span::hours(26) + Span::minutes(30), Some(500.0), Vec::new());
    assert_eq!(rows(&store), before);
    store.prune(&KEEP, start() + Span::days(800)).unwrap();
    assert_eq!(rows(&store), 0);
}

fn ack(incident: &str) -> Action {
    Action::Ack { incident: incident.to_owned(), until: None, snooze: false, comment: Some(" on\tit ".to_owned()) }
}

fn silence(matcher: &str, from: Time, to: Time) -> Action {
    let matchers = vec![crate::engine::silences::parse(matcher).unwrap()];
    Action::Silence { matchers, starts_at: from, ends_at: to, comment: "moving".to_owned() }
}

fn refusal(result: Result<Acted, ActionError>) -> String {
    match result {
        Err(ActionError::Refused(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ack_is_kept_with_who_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    cycle(&mut store, &broken(), start());
    deliver(&mut store, start());
    let id = store.incidents().unwrap()[0].id.clone();
    let acted = store.act(&ack(&id.as_str()[..4]), "ann", minutes(5)).unwrap();
    let Acted::Incident(incident) = acted else { panic!("an incident") };
    let given = incident.ack.unwrap();
    assert_eq!((given.by.as_str(), given.comment.as_deref(), given.at), ("ann", Some("on it"), minutes(5)));
    drop(store);
    let mut store = open(dir.path());
    for hour in 1..30 {
        cycle(&mut store, &broken(), minutes(hour * 60));
        assert!(deliver(&mut store, minutes(hour * 60)).is_empty());
    }
    store.act(&Action::Unack { incident: id.to_string() }, "ann", minutes(1800)).unwrap();
    cycle(&mut store, &broken(), minutes(1801));
    assert_eq!(deliver(&mut store, minutes(1801)).len(), 2, "the reminder that was due");
}

#[test]
fn a_silence_is_kept_counts_at_once_and_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    cycle(&mut store, &broken(), start());
    let acted = store.act(&silence("provider=anthropic", start(), minutes(60)), "bob", start()).unwrap();
    let Acted::Silence(made) = acted else { panic!("a silence") };
    assert_eq!((made.author.as_str(), made.id.as_str().len()), ("bob", 16));
    cycle(&mut store, &broken(), minutes(1));
    assert!(deliver(&mut store, minutes(1)).is_empty(), "what waited is withdrawn");
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.silences().unwrap(), std::slice::from_ref(&made));
    assert_eq!(Reader::open(dir.path()).unwrap().unwrap().silences().unwrap().len(), 1);
    cycle(&mut store, &broken(), minutes(61));
    assert_eq!(deliver(&mut store, minutes(61)).len(), 2);
    store.prune(&KEEP, minutes(60) + Span::days(4)).unwrap();
    assert_eq!(store.silences().unwrap().len(), 1, "kept for looking back");
    store.prune(&KEEP, minutes(60) + Span::days(6)).unwrap();
    assert!(store.silences().unwrap().is_empty());
}

#[test]
fn a_silence_that_is_taken_back_ends_now() {
    let mut store = Store::in_memory().unwrap();
    let Acted::Silence(made) = store.act(&silence("host=box", start(), minutes(60)), "bob", start()).unwrap() else {
        panic!("a silence")
    };
    let unsilence = Action::Unsilence { silence: made.id.as_str()[..6].to_owned() };
    store.act(&unsilence, "bob", minutes(5)).unwrap();
    assert_eq!(store.silences().unwrap()[0].ends_at, minutes(5));
    assert!(refusal(store.act(&unsilence, "bob", minutes(6))).contains("there is no silence"));
    assert!(store.standing(minutes(6)).unwrap().silences.is_empty());
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let mut store = Store::in_memory().unwrap();
    let two = snapshot(vec![
        credential(LOGIN, State::Rejected, Severity::Critical),
        credential("codex:default", State::Rejected, Severity::Critical),
    ]);
    cycle(&mut store, &two, start());
    let before = store.standing(start()).unwrap();
    let id = before.incidents[0].id.to_string();
    let until = |until| Action::Ack { incident: id.clone(), until, snooze: true, comment: None };
    let no_comment = match silence("host=box", start(), minutes(9)) {
        Action::Silence { matchers, starts_at, ends_at, .. } => {
            Action::Silence { matchers, starts_at, ends_at, comment: " ".to_owned() }
        }
        other => other,
    };
    for (action, by, part) in [
        (ack("zzzz"), "ann", "there is no open incident"),
        (ack(""), "ann", "at least its first 4 characters"),
        (ack(&id[..3]), "ann", "at least its first 4 characters"),
        (ack(&id), " ", "must have a name"),
        (Action::Unack { incident: id.clone() }, "ann", "is not acknowledged"),
        (until(None), "ann", "needs a time"),
        (until(Some(start())), "ann", "would end before"),
        (until(Some(start() + Span::days(400))), "ann", "longer than a year"),
        (silence("host=box", minutes(9), minutes(9)), "ann", "begin before it ends"),
        (silence("host=box", minutes(-9), minutes(-1)), "ann", "would end before"),
        (no_comment, "ann", "a condition and a comment"),
        (Action::Drop { messages: vec![] }, "ann", "say which"),
        (Action::Retry { messages: vec!["zzzz".to_owned()] }, "ann", "there is no waiting message"),
    ] {
        let said = refusal(store.act(&action, by, start()));
        assert!(said.contains(part), "{action:?}: {said}");
    }
    assert_eq!(store.standing(start()).unwrap(), before);
}

#[test]
fn messages_can_be_tried_at_once_and_given_up() {
    let mut store = Store::in_memory().unwrap();
    cycle(&mut store, &broken(), start());
    for entry in store.due_notifications(Severity::None, start()).unwrap() {
        let outcome = transient(FailureReason::Refused);
        store.record_outcome(&entry.notification.id, &outcome, start()).unwrap();
        store.due_notifications(Severity::None, start()).unwrap();
    }
    assert!(store.due_notifications(Severity::None, start() + Span::seconds(1)).unwrap().is_empty());
    let Acted::Messages(all) = store.act(&Action::Retry { messages: vec![] }, "ann", start()).unwrap() else {
        panic!("messages")
    };
    assert_eq!(all.len(), 2);
    let due = store.due_notifications(Severity::None, start() + Span::seconds(1)).unwrap();
    assert_eq!(due.len(), 2);
    for entry in due {
        store.record_outcome(&entry.notification.id, &transient(FailureReason::Refused), minutes(1)).unwrap();
    }
    let drop = Action::Drop { messages: all.iter().map(ToString::to_string).collect() };
    store.act(&drop, "ann", minutes(2)).unwrap();
    assert!(store.outbox().unwrap().iter().all(|one| one.state == OutboxState::Withdrawn));
    assert_eq!(store.outbox().unwrap()[0].detail.as_deref(), Some("given up by ann"));
    cycle(&mut store, &broken(), minutes(5));
    assert!(deliver(&mut store, minutes(5)).is_empty(), "not said again by itself");
    cycle(&mut store, &broken(), minutes(300));
    assert_eq!(deliver(&mut store, minutes(300)).len(), 2, "the reminder is another message");
}

#[test]
fn in_quiet_hours_only_criticals_leave() {
    let mut store = Store::in_memory().unwrap();
    cycle(&mut store, &snapshot(vec![credential(LOGIN, State::Rejected, Severity::Warning)]), start());
    assert!(store.due_notifications(Severity::Critical, start()).unwrap().is_empty());
    assert_eq!(store.next_due(Severity::Critical).unwrap(), None);
    assert!(store.next_due(Severity::None).unwrap().is_some());
    cycle(&mut store, &broken(), minutes(5));
    assert_eq!(store.due_notifications(Severity::Critical, minutes(5)).unwrap().len(), 2);
}

#[test]
fn what_ended_and_what_credentials_were_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut first = credential(LOGIN, State::Rejected, Severity::Critical);
    first.credential.account = Some("me@x.org".to_owned());
    first.credential.scopes = Some(["read".to_owned()].into());
    cycle(&mut store, &snapshot(vec![first]), start());
    let mut second = ok(LOGIN);
    second.verdict = Some(Verdict { kind: VerdictKind::Accepted, at: minutes(5), detail: String::new() });
    cycle(&mut store, &snapshot(vec![second]), minutes(5));
    drop(store);
    let store = open(dir.path());
    let standing = store.standing(minutes(6)).unwrap();
    assert_eq!(standing.ended.iter().map(|one| one.at).collect::<Vec<_>>(), [minutes(5)]);
    let known = &standing.known[0];
    assert_eq!(known.generation.as_deref(), Some("g1"));
    assert_eq!((known.account.as_deref(), known.scopes.as_ref()), (None, None), "as they were last seen");
    let raw = fs::read(dir.path().join(FILE)).unwrap();
    assert!(!raw.windows(8).any(|window| window == b"me@x.org"), "an account is kept as a hash");
}

/// A success sets free what failed before it, not what fails after it, also within one commit.
#[test]
fn outcomes_of_one_commit_count_in_their_order() {
    let mut store = Store::in_memory().unwrap();
    cycle(&mut store, &snapshot(vec![]), start());
    cycle(&mut store, &broken(), start());
    let old = store.due_notifications(Severity::None, start()).unwrap();
    let fail = |entry: &DueNotification| (entry.notification.id.clone(), transient(FailureReason::Offline));
    for _ in 0..5 {
        store.record_outcomes(&old.iter().map(fail).collect::<Vec<_>>(), start()).unwrap();
    }
    let mut more = broken();
    more.credentials.push(credential("codex:default", State::Rejected, Severity::Warning));
    cycle(&mut store, &more, minutes(60));
    let new = store.due_notifications(Severity::None, minutes(60)).unwrap();
    let [first, second] = &new[..] else { panic!("{new:?}") };
    let of =
        |new: &DueNotification| old.iter().find(|old| old.notification.receiver == new.notification.receiver).unwrap();
    let done = |entry: &DueNotification| (entry.notification.id.clone(), delivered());
    store.record_outcomes(&[done(first), fail(of(first)), fail(of(second)), done(second)], minutes(60)).unwrap();
    let due = store.due_notifications(Severity::None, minutes(60)).unwrap();
    assert_eq!(due.iter().map(|entry| &entry.notification.id).collect::<Vec<_>>(), [&of(second).notification.id]);
}

fn link_to(incident: &IncidentId, public: bool) -> Link {
    Link {
        incidents: vec![incident.clone(), IncidentId::of("A", "gone", "box")],
        snooze: false,
        lasts: crate::engine::links::ACK,
        expires: minutes(24 * 60),
        receiver: "phone".to_owned(),
        public,
        lang: Lang::English,
        critical: true,
    }
}

#[test]
fn a_link_is_used_once_and_the_told_hear_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    cycle(&mut store, &broken(), minutes(0));
    deliver(&mut store, minutes(0));
    let incident = store.incidents().unwrap()[0].id.clone();
    let (link, id) = (link_to(&incident, true), LinkId("one".to_owned()));

    let seen = store.look_at_link(&link, &id, minutes(1)).unwrap();
    assert_eq!((seen.used, seen.acted, seen.open.len(), &seen.open[0].taken), (None, false, 1, &None));
    let done = store.follow_link(&link, &id, "a link sent to phone", minutes(1)).unwrap();
    assert!(done.acted && done.used.is_none());
    let until = Some(minutes(1) + Span::hours(4));
    assert_eq!(
        done.open[0].taken,
        Some(("a link sent to phone".to_owned(), until)),
        "a critical, and strangers read along"
    );
    let ack = store.incidents().unwrap()[0].ack.clone().unwrap();
    assert!(ack.unannounced && ack.until == until && !ack.snooze);
    drop(store);

    let mut store = open(dir.path());
    let again = store.follow_link(&link, &id, "somebody", minutes(2)).unwrap();
    assert_eq!((again.acted, again.used), (false, Some(minutes(1))), "also after a restart");
    assert_eq!(store.incidents().unwrap()[0].ack.as_ref().unwrap().by, "a link sent to phone");
    let decision = cycle(&mut store, &broken(), minutes(2));
    let told: Vec<(&str, &str)> = decision.enqueue.iter().map(|one| (&*one.receiver, &*one.items[0].name)).collect();
    assert_eq!(told, [("hook", "AlertAcknowledged"), ("mail", "AlertAcknowledged")]);
    assert!(!store.incidents().unwrap()[0].ack.as_ref().unwrap().unannounced);

    // Of a message that spoke of a warning, or of an earlier episode.
    let warned = Link { critical: false, ..link.clone() };
    let worse = store.follow_link(&warned, &LinkId("worse".to_owned()), "somebody", minutes(3)).unwrap();
    assert_eq!((worse.acted, worse.open.len(), worse.open[0].worse), (false, 1, true));
    let early = Link { expires: minutes(24 * 60 - 1), ..link.clone() };
    let later = store.follow_link(&early, &LinkId("early".to_owned()), "somebody", minutes(3)).unwrap();
    assert_eq!((later.acted, later.open.len()), (false, 0));

    // Taken up for longer already: the link stays good and shortens nothing.
    store.act(&ack_of(&incident), "ann", minutes(3)).unwrap();
    let other = LinkId("two".to_owned());
    let kept = store.follow_link(&link, &other, "somebody", minutes(4)).unwrap();
    assert_eq!((kept.acted, kept.open[0].taken.clone()), (false, Some(("ann".to_owned(), None))));
    assert_eq!(store.look_at_link(&link, &other, minutes(4)).unwrap().used, None);

    cycle(&mut store, &well(), minutes(5));
    let over = store.follow_link(&link, &other, "somebody", minutes(6)).unwrap();
    assert_eq!((over.acted, over.open.len()), (false, 0), "over: nothing is done, and nothing is used up");
    store.prune(&KEEP, minutes(24 * 60 + 1)).unwrap();
    assert_eq!(store.look_at_link(&link, &id, minutes(5)).unwrap().used, None, "forgotten when it has expired anyway");
}

fn ack_of(incident: &IncidentId) -> Action {
    Action::Ack { incident: incident.to_string(), until: None, snooze: false, comment: None }
}

#[test]
fn a_receiver_that_was_seen_to_work_is_tried_at_once() {
    let mut store = Store::in_memory().unwrap();
    cycle(&mut store, &broken(), minutes(0));
    for entry in store.due_notifications(Severity::None, minutes(0)).unwrap() {
        let outcome = Outcome::Permanent { reason: FailureReason::AuthRejected, detail: "no".to_owned() };
        store.record_outcome(&entry.notification.id, &outcome, minutes(0)).unwrap();
    }
    assert!(store.due_notifications(Severity::None, minutes(1)).unwrap().is_empty());
    let enabled = store.act(&Action::Enable { receiver: "hook".to_owned() }, "ann", minutes(1)).unwrap();
    assert_eq!(enabled, Acted::Receiver("hook".to_owned()));
    let due = store.due_notifications(Severity::None, minutes(1)).unwrap();
    assert_eq!(due.iter().map(|one| &*one.notification.receiver).collect::<Vec<_>>(), ["hook"]);
    assert_eq!(store.standing(minutes(2)).unwrap().heard, BTreeMap::new());
}
