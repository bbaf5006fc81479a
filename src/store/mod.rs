//! Our own SQLite file, `state.db`: history, incidents, the outbox, last runs, and the ledger of first-seen dates and
//! pseudonyms. One writer (the monitor, under [`lock`]); reading commands use [`Reader`], which never creates anything.
//!
//! A cycle is one transaction ([`Store::commit_cycle`]): it reads what stands, has the decision made, and writes all of it or
//! nothing. When the disk fails us the store goes on in memory, says so ([`Store::trouble`]) and goes back to the file as soon
//! as it can.
//!
//! No secret ever comes in here, only keyed hashes.

mod actions;
mod allowance;
mod chat;
mod disk;
pub mod fault;
mod history;
mod incidents;
pub mod key;
mod ledger;
pub mod links;
pub mod lock;
mod migrate;
mod outbox;
mod reader;
mod remembered;
pub mod token;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::config::History;
use crate::domain::{
    Acted, Action, Allowance, CredentialId, Finding, Fingerprint, Incident, Link, LinkId, Linked, NotificationId,
    Outcome, Pseudonyms, Reach, Severity, Silence, Snapshot, Time, Verdict,
};
use crate::engine::clock_trust::ProviderDate;
use crate::engine::incidents::{Decision, Standing};

pub use actions::ActionError;
pub use chat::{Saying, Turn};
pub use history::Change;
pub use ledger::{HeldToken, StoredVerdict};
pub use outbox::{DueNotification, OutboxEntry, OutboxState, Quarantine, ReceiverState, Recorded};
pub use reader::Reader;
pub use remembered::Remembered;

/// The file's name in our state directory.
pub const FILE: &str = "state.db";

/// What went wrong with our own file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A newer opensoul wrote it.
    #[error("{} was written by a newer opensoul (its version is {found}, this one knows {ours}); install that one again, or move the file away to start afresh", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// Ours.
        ours: i64,
    },
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite said no.
    #[error("state.db: {0}")]
    Sql(#[from] rusqlite::Error),
    /// Something of ours cannot be written as JSON: a bug.
    #[error("state.db: {0}")]
    Json(#[from] serde_json::Error),
}

/// A store that was opened, and what is worth saying about it.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Findings: a damaged file set aside, a migration with its backup, a disk that cannot be written.
    pub notes: Vec<Finding>,
}

/// Everything that one cycle has seen, besides what is decided about it.
pub struct CycleRecord<'a> {
    /// What is known.
    pub snapshot: &'a Snapshot,
    /// Answers of this cycle's probes, with the generation they are about.
    pub verdicts: &'a [ProbeRecord],
    /// Names of the jobs that ran now (`status`, `probe`).
    pub runs: &'a [&'a str],
    /// Now.
    pub now: Time,
}

/// One answer of one probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeRecord {
    /// Which credential.
    pub credential: CredentialId,
    /// The generation that was probed.
    pub generation: String,
    /// The answer.
    pub verdict: Verdict,
    /// Not to be asked before, by the provider's own wish.
    pub not_before: Option<Time>,
    /// What it said besides.
    pub allowance: Allowance,
}

/// The one writer of `state.db`. Blocking: the monitor gives it a thread of its own.
pub struct Store {
    db: Connection,
    /// Our state directory; `None` for a store that was never meant to have a file.
    dir: Option<PathBuf>,
    /// Why it is in memory although it should be in a file.
    trouble: Option<String>,
}

impl Store {
    /// Opens or makes `state.db` in `dir` (which is made too, 0700). A damaged file is set aside; an unwritable disk leads to
    /// a store in memory; both are in the notes. Deliveries that were under way when the last process died count as failed
    /// attempts that may have got through.
    ///
    /// # Errors
    /// Only if a newer opensoul wrote the file, or another process keeps it locked.
    pub fn open(dir: &Path, now: Time) -> Result<Opened, StoreError> {
        let mut opened = disk::open(dir, now)?;
        opened.store.write(|tx| outbox::recover(tx))?;
        opened.notes.extend(opened.store.trouble());
        Ok(opened)
    }

    /// A store without a file.
    ///
    /// # Errors
    /// If SQLite cannot make one.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self { db: disk::memory()?, dir: None, trouble: None })
    }

    /// The finding `state.disk`, while the store is in memory because the disk failed it.
    #[must_use]
    pub fn trouble(&self) -> Option<Finding> {
        let why = self.trouble.as_ref()?;
        let dir = self.dir.clone().unwrap_or_default();
        Some(
            Finding::new(
                "state.disk",
                Severity::Critical,
                format!(
                    "our state cannot be written ({why}): monitoring goes on in memory, alerts are still sent, and a restart \
                     would repeat some of them"
                ),
                format!("make room on the disk of {0}, or make {0} writable", dir.display()),
            )
            .at(crate::domain::Place::file(dir.join(FILE))),
        )
    }

    /// Open incidents, the queue, known credentials.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn standing(&self, now: Time) -> Result<Standing, StoreError> {
        incidents::standing(&self.db, now)
    }

    /// One cycle, in one transaction: reads what stands, has `decide` decide, writes history, incidents, outbox and last
    /// runs. If the disk fails, the whole is done again in memory. (`decide` runs inside, so that no outcome recorded between
    /// reading and writing can be lost.)
    ///
    /// # Errors
    /// If SQLite fails for another reason than the disk.
    pub fn commit_cycle(
        &mut self,
        cycle: &CycleRecord<'_>,
        decide: impl Fn(&Standing) -> Decision,
    ) -> Result<Decision, StoreError> {
        self.return_to_disk(cycle.now);
        let decision = self.write(|tx| {
            let decision = decide(&incidents::standing(tx, cycle.now)?);
            incidents::apply(tx, &decision)?;
            outbox::apply(tx, &decision, cycle.now)?;
            history::record(tx, cycle)?;
            ledger::record_refresh_tokens(tx, cycle)?;
            for probe in cycle.verdicts {
                ledger::record_verdict(tx, probe)?;
            }
            allowance::record(tx, cycle.verdicts)?;
            for name in cycle.runs {
                ledger::set_last_run(tx, name, cycle.now)?;
            }
            ledger::count_cycle(tx, cycle.now, cycle.snapshot.clock_problem.is_some())?;
            fault::point("before-commit");
            Ok(decision)
        })?;
        fault::point("after-commit");
        Ok(decision)
    }

    /// What may be sent now, most urgent first, marked as under way until [`Store::record_outcomes`] is called for it (or ten
    /// minutes have passed, or the process has died). Of a receiver in quarantine one message an hour. Nothing below `least`:
    /// in quiet hours that is critical.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn due_notifications(&mut self, least: Severity, now: Time) -> Result<Vec<DueNotification>, StoreError> {
        if !outbox::any_due(&self.db, least, now)? {
            return Ok(Vec::new());
        }
        self.write(|tx| outbox::take_due(tx, least, now))
    }

    /// When [`Store::due_notifications`] will next have something, as things stand.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn next_due(&self, least: Severity) -> Result<Option<Time>, StoreError> {
        outbox::next_due(&self.db, least)
    }

    /// Does what a person wants about alerts; `by` is who it was. Whole or not at all. A cycle after it draws the
    /// consequences: messages that need not be sent any more, and those that must be.
    ///
    /// # Errors
    /// It is not possible, or SQLite fails.
    pub fn act(&mut self, action: &Action, by: &str, now: Time) -> Result<Acted, ActionError> {
        let acted = self.write(|tx| match actions::apply(tx, action, by, Reach::Here, now) {
            Ok(acted) => Ok(Ok(acted)),
            // Nothing was written.
            Err(ActionError::Refused(why)) => Ok(Err(why)),
            Err(ActionError::Store(error)) => Err(error),
        })?;
        Ok(acted?)
    }

    /// Deals with an update of a chat: what `work` does in there and the note that the update is dealt with are one commit.
    /// `None`: it was dealt with before.
    ///
    /// # Errors
    /// If SQLite fails; then nothing of it was done.
    pub fn converse<T>(
        &mut self,
        bot: i64,
        update: i64,
        now: Time,
        work: impl Fn(&Turn<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let done = self.write(|tx| {
            let done = chat::turn(tx, bot, update, now, &work)?;
            fault::point("before-chat-commit");
            Ok(done)
        })?;
        fault::point("after-chat-commit");
        Ok(done)
    }

    /// From which update on those of a bot are new; `None`: from whatever there is.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn next_update(&self, bot: i64, now: Time) -> Result<Option<i64>, StoreError> {
        chat::next(&self.db, bot, now)
    }

    /// What is still to be said in chats, oldest first.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn sayings(&self, now: Time) -> Result<Vec<Saying>, StoreError> {
        if chat::has_sayings(&self.db)? { chat::sayings(&self.db, now) } else { Ok(Vec::new()) }
    }

    /// It was said, with everything before it, or never will be.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn said(&mut self, id: i64) -> Result<(), StoreError> {
        self.write(|tx| chat::said(tx, id))
    }

    /// What stands about a link.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn look_at_link(&self, link: &Link, id: &LinkId, now: Time) -> Result<Linked, StoreError> {
        links::look(&self.db, link, id, now)
    }

    /// Uses a link, as far as it can be used; `by` is who did.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn follow_link(&mut self, link: &Link, id: &LinkId, by: &str, now: Time) -> Result<Linked, ActionError> {
        let followed = self.write(|tx| match links::follow(tx, link, id, by, now) {
            Ok(linked) => Ok(Ok(linked)),
            Err(ActionError::Refused(why)) => Ok(Err(why)),
            Err(ActionError::Store(error)) => Err(error),
        })?;
        Ok(followed?)
    }

    /// Every silence, also those that were over lately, by their end.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        actions::all_silences(&self.db)
    }

    /// When the last report was due.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn last_report(&self) -> Result<Option<Time>, StoreError> {
        ledger::last_run(&self.db, incidents::REPORT)
    }

    /// What became of attempts: the outbox rows, what the receivers now know of each incident, and the receivers' health, in
    /// one transaction. Gives what each changed about its receiver.
    ///
    /// # Errors
    /// If SQLite fails; then nothing of it is kept.
    pub fn record_outcomes(
        &mut self,
        outcomes: &[(NotificationId, Outcome)],
        now: Time,
    ) -> Result<Vec<Recorded>, StoreError> {
        fault::point("before-mark");
        let recorded = self.write(|tx| outbox::record(tx, outcomes, now))?;
        fault::point("after-mark");
        Ok(recorded)
    }

    /// [`Store::record_outcomes`] for one.
    #[cfg(test)]
    fn record_outcome(&mut self, id: &NotificationId, outcome: &Outcome, now: Time) -> Result<Recorded, StoreError> {
        let recorded = self.record_outcomes(&[(id.clone(), outcome.clone())], now)?;
        Ok(recorded[0])
    }

    /// Ends a receiver's quarantine and lets its queue be tried now (after a change of configuration or a successful test).
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn enable_receiver(&mut self, name: &str, now: Time) -> Result<(), StoreError> {
        self.write(|tx| outbox::receivers::enable(tx, name, now))
    }

    /// Health and queue of every receiver that was ever tried or has something waiting.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn receiver_states(&self) -> Result<Vec<ReceiverState>, StoreError> {
        outbox::receivers::states(&self.db)
    }

    /// Everything in the outbox, newest first, sent and withdrawn messages of the last days included.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn outbox(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        outbox::entries(&self.db)
    }

    /// Incidents, open and over-but-not-told.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        incidents::all(&self.db)
    }

    /// When a job last ran.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn last_run(&self, name: &str) -> Result<Option<Time>, StoreError> {
        ledger::last_run(&self.db, name)
    }

    /// Notes that a job ran.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn set_last_run(&mut self, name: &str, at: Time) -> Result<(), StoreError> {
        self.write(|tx| ledger::set_last_run(tx, name, at))
    }

    /// Notes what a provider's clock showed at this round of questions; `None` if it agreed with ours. Processes that live for
    /// one cycle only would forget it.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn set_provider_date(&mut self, date: Option<ProviderDate>) -> Result<(), StoreError> {
        self.write(|tx| ledger::set_provider_date(tx, date))
    }

    /// The last answers of probes.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn verdicts(&self) -> Result<BTreeMap<CredentialId, StoredVerdict>, StoreError> {
        ledger::verdicts(&self.db)
    }

    /// The numbers of e-mail addresses; those in `texts` (ids, accounts) that have none yet get one.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn pseudonyms<'a>(
        &mut self,
        texts: impl IntoIterator<Item = &'a str>,
        allow: bool,
    ) -> Result<Pseudonyms, StoreError> {
        let mut numbers = ledger::pseudonyms(&self.db)?;
        let fresh: Vec<&str> =
            texts.into_iter().flat_map(Pseudonyms::addresses).filter(|a| !numbers.contains_key(*a)).collect();
        if !fresh.is_empty() {
            self.write(|tx| ledger::add_pseudonyms(tx, &fresh))?;
            numbers = ledger::pseudonyms(&self.db)?;
        }
        Ok(Pseudonyms::new(numbers, allow))
    }

    /// When each secret was first seen; those not seen before are noted with `now`.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn first_seen(
        &mut self,
        fingerprints: &[Fingerprint],
        now: Time,
    ) -> Result<BTreeMap<Fingerprint, Time>, StoreError> {
        let known = ledger::first_seen(&self.db, fingerprints)?;
        if fingerprints.iter().all(|one| known.contains_key(one)) {
            return Ok(known);
        }
        self.write(|tx| ledger::add_first_seen(tx, fingerprints, now))?;
        ledger::first_seen(&self.db, fingerprints)
    }

    /// The last `now` that was committed: a clock that shows less was set back.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn last_persisted_time(&self) -> Result<Option<Time>, StoreError> {
        ledger::last_time(&self.db)
    }

    /// Compares the key of this cycle's fingerprints ([`FingerprintKey::id`]) with the one that those in here were made with.
    /// If that is another one (it was lost, or a fleet's key came in), what is there now is taken for the same as before:
    /// first-seen dates go on, no generation begins, nothing is said twice. `now_there`: each place and the fingerprint of its
    /// secret.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn adopt_key(&mut self, key: i64, now_there: &[(CredentialId, Fingerprint)]) -> Result<(), StoreError> {
        match ledger::key(&self.db)? {
            Some(known) if known == key => Ok(()),
            Some(_) => self.write(|tx| ledger::adopt_key(tx, key, now_there)),
            None => self.write(|tx| ledger::note_key(tx, key)),
        }
    }

    /// Changes of one credential, oldest first.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn history(&self, credential: &CredentialId) -> Result<Vec<Change>, StoreError> {
        history::of(&self.db, credential)
    }

    /// What was left behind a credential, oldest first; a change of currency begins anew.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn balances(&self, credential: &CredentialId, since: Time) -> Result<Vec<(Time, f64)>, StoreError> {
        allowance::balances(&self.db, credential, since)
    }

    /// Drops what is older than `keep` says, and more if the file would still be too big. Once a day is enough.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn prune(&mut self, keep: &History, now: Time) -> Result<(), StoreError> {
        self.write(|tx| {
            history::prune(tx, keep, now)?;
            tx.execute("DELETE FROM refresh_token WHERE credential NOT IN (SELECT id FROM credential)", [])?;
            actions::prune(tx, now)?;
            links::prune(tx, now)?;
            outbox::prune(tx, now)
        })?;
        history::shrink(&self.db, keep)
    }

    /// Runs one write transaction; if the disk fails it, goes over to memory and runs it there.
    fn write<T>(&mut self, work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match transact(&mut self.db, &work) {
            Err(error) if self.dir.is_some() && self.trouble.is_none() && disk::is_trouble(&error) => {
                self.db = disk::to_memory(&self.db)?;
                self.trouble = Some(error.to_string());
                tracing::error!(%error, "state.db cannot be written: going on in memory");
                transact(&mut self.db, &work)
            }
            result => result,
        }
    }

    /// While in memory because of the disk: back to the file if it can be written again.
    fn return_to_disk(&mut self, now: Time) {
        let (Some(dir), true) = (&self.dir, self.trouble.is_some()) else {
            return;
        };
        match disk::from_memory(&self.db, dir, now) {
            Ok(db) => {
                self.db = db;
                self.trouble = None;
                tracing::info!("state.db can be written again");
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }
}

fn transact<T>(db: &mut Connection, work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&tx)?;
    tx.commit()?;
    Ok(result)
}

/// An instant as it is stored.
fn millis(at: Time) -> i64 {
    at.timestamp_millis()
}

/// A stored instant.
fn instant(millis: i64) -> Time {
    Time::from_timestamp_millis(millis).unwrap_or_default()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
