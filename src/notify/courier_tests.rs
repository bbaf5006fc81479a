use std::sync::Mutex;

use super::*;
use crate::clock::ManualClock;
use crate::notify::samples::{expiring, notification, now};

/// Does what the message's id says.
struct Scripted(&'static str);

#[async_trait]
impl Receiver for Scripted {
    fn name(&self) -> &str {
        self.0
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        let script = notification.id.as_str();
        match script.split('-').next().unwrap_or_default() {
            "panic" => panic!("a bug"),
            "hang" => std::future::pending().await,
            "down" => transient(FailureReason::Offline, "nobody there", &attempt.progress),
            "refused" => transient(FailureReason::Refused, "not this one", &attempt.progress),
            "gone" => Outcome::Permanent { reason: FailureReason::Refused, detail: "410".into() },
            _ => {
                tokio::task::yield_now().await;
                Outcome::Delivered { detail: script.to_owned(), keep: None }
            }
        }
    }
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

#[async_trait]
impl Ledger for Notes {
    async fn record(&self, outcomes: Vec<(NotificationId, Outcome)>) {
        for (id, outcome) in outcomes {
            let word = match outcome {
                Outcome::Delivered { .. } => "ok".to_owned(),
                Outcome::Permanent { .. } => "gone".to_owned(),
                Outcome::Transient { reason, detail, .. } => {
                    format!("{}{}", reason.word(), if detail.starts_with("not tried") { " untried" } else { "" })
                }
            };
            self.0.lock().expect("notes").push(format!("{id} {word}"));
        }
    }

    fn point(&self, name: &'static str) {
        self.0.lock().expect("notes").push(name.to_owned());
    }
}

fn due(receiver: &str, id: &str) -> Due {
    let mut message = notification(vec![expiring()]);
    message.receiver = receiver.to_owned();
    message.id = NotificationId(id.to_owned());
    Due { notification: message, progress: Progress::default(), keep: None }
}

/// Begins to deliver them, with this limit for each.
fn begin(messages: &[(&str, &str)], limit: Duration) -> (Arc<Notes>, tokio::task::JoinHandle<()>) {
    let receivers: Vec<Arc<dyn Receiver>> = vec![Arc::new(Scripted("a")), Arc::new(Scripted("b"))];
    let mut courier = Courier::new(receivers, Arc::new(ManualClock::at(now())));
    courier.limit = limit;
    let due = messages.iter().map(|(receiver, id)| due(receiver, id)).collect();
    let notes = Arc::new(Notes::default());
    let ledger: Arc<dyn Ledger> = Arc::clone(&notes) as _;
    (notes, tokio::spawn(async move { courier.deliver(due, &ledger).await }))
}

async fn deliver_within(limit: Duration, messages: &[(&str, &str)]) -> Vec<String> {
    let (notes, work) = begin(messages, limit);
    work.await.expect("delivered");
    notes.0.lock().expect("notes").clone()
}

async fn deliver(messages: &[(&str, &str)]) -> Vec<String> {
    deliver_within(LONG, messages).await
}

/// No machine is held up for so long.
const LONG: Duration = Duration::from_secs(3600);

/// Waits until it is so.
async fn until(so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it never is");
}

fn outcomes(notes: Vec<String>) -> Vec<String> {
    notes.into_iter().filter(|note| !note.ends_with("-send")).collect()
}

#[tokio::test]
async fn in_order_and_each_recorded() {
    let notes = deliver(&[("a", "1"), ("a", "2"), ("a", "3")]).await;
    assert_eq!(notes.iter().filter(|note| note.ends_with("-send")).count(), 6);
    assert_eq!(outcomes(notes), ["1 ok", "2 ok", "3 ok"]);
}

/// Lets everything else come to where it cannot go on.
async fn settled() {
    for _ in 0..20_000 {
        tokio::task::yield_now().await;
    }
    // Gathering takes real time.
    tokio::time::sleep(GATHER * 2).await;
    for _ in 0..20_000 {
        tokio::task::yield_now().await;
    }
}

/// A disk: how much is written in one commit, and how many messages have been sent without.
struct Disk {
    commits: Mutex<Vec<usize>>,
    sent: std::sync::atomic::AtomicUsize,
    turn: Semaphore,
}

impl Disk {
    fn written(&self) -> usize {
        self.commits.lock().expect("commits").iter().sum()
    }
}

#[async_trait]
impl Ledger for Disk {
    async fn record(&self, outcomes: Vec<(NotificationId, Outcome)>) {
        self.turn.acquire().await.expect("a turn").forget();
        self.commits.lock().expect("commits").push(outcomes.len());
    }

    fn point(&self, name: &'static str) {
        if name == "after-send" {
            self.sent.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn a_slow_disk_is_given_many_at_once_and_a_crash_repeats_a_hundred_at_most() {
    let turn = Semaphore::new(0);
    let disk = Arc::new(Disk { commits: Mutex::default(), sent: 0.into(), turn });
    let courier = Courier::new(vec![Arc::new(Scripted("a"))], Arc::new(ManualClock::at(now())));
    let messages = (0..1000).map(|n| due("a", &n.to_string())).collect();
    let ledger: Arc<dyn Ledger> = Arc::clone(&disk) as _;
    let work = tokio::spawn(async move { courier.deliver(messages, &ledger).await });
    settled().await;
    let sent = || disk.sent.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(sent(), UNRECORDED, "no more until some are on disk");
    // So slow that it is waited for each time: how much comes together in the meantime is not a matter of time then.
    while disk.written() < 1000 {
        let before = disk.written();
        until(|| sent() == 1000.min(before + UNRECORDED)).await;
        disk.turn.add_permits(1);
        until(|| disk.written() > before).await;
    }
    work.await.unwrap();
    let commits = disk.commits.lock().expect("commits").clone();
    assert_eq!(commits.iter().sum::<usize>(), 1000);
    assert!(commits.iter().all(|&count| count <= BATCH) && commits.len() <= 2 * 1000 / BATCH, "{commits:?}");
}

#[tokio::test]
async fn what_was_through_when_the_courier_was_ended_is_recorded() {
    let turn = Semaphore::new(0);
    let disk = Arc::new(Disk { commits: Mutex::default(), sent: 0.into(), turn });
    let courier = Courier::new(vec![Arc::new(Scripted("a"))], Arc::new(ManualClock::at(now())));
    let messages = ["1", "2", "hang"].map(|id| due("a", id)).into();
    let ledger: Arc<dyn Ledger> = Arc::clone(&disk) as _;
    let work = tokio::spawn(async move { courier.deliver(messages, &ledger).await });
    settled().await;
    work.abort();
    disk.turn.add_permits(10);
    // Together or, where the machine was held up between them, one after the other.
    until(|| disk.written() == 2).await;
}

#[tokio::test]
async fn one_receiver_does_not_hold_up_another() {
    let (notes, work) = begin(&[("a", "hang"), ("a", "1"), ("b", "2"), ("b", "3")], LONG);
    until(|| outcomes(notes.0.lock().expect("notes").clone()) == ["2 ok", "3 ok"]).await;
    work.abort();
    let notes = outcomes(deliver_within(Duration::from_millis(50), &[("a", "hang"), ("a", "1")]).await);
    assert_eq!(notes, ["hang timeout", "1 timeout untried"]);
}

#[tokio::test]
async fn every_message_gets_an_outcome() {
    assert_eq!(outcomes(deliver(&[("a", "panic"), ("a", "1")]).await), ["panic parse", "1 ok"]);
    assert_eq!(outcomes(deliver(&[("a", "refused"), ("a", "1")]).await), ["refused refused", "1 ok"]);
    assert_eq!(outcomes(deliver(&[("a", "down"), ("a", "1")]).await), ["down offline", "1 offline untried"]);
    assert_eq!(outcomes(deliver(&[("a", "gone"), ("a", "1")]).await), ["gone gone", "1 gone"]);
    assert_eq!(outcomes(deliver(&[("nobody", "1")]).await), ["1 config"]);
    assert!(deliver(&[]).await.is_empty());
}

#[tokio::test]
async fn what_is_under_way_ends_with_the_courier() {
    struct Guard(Arc<dyn Fn() + Send + Sync>);
    impl Drop for Guard {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    struct Waits(mpsc::UnboundedSender<&'static str>);
    #[async_trait]
    impl Receiver for Waits {
        fn name(&self) -> &str {
            "a"
        }
        async fn deliver(&self, _: &Notification, _: &Attempt) -> Outcome {
            let ended = self.0.clone();
            let _guard = Guard(Arc::new(move || {
                let _ = ended.send("ended");
            }));
            let _ = self.0.send("begun");
            std::future::pending().await
        }
    }
    let (send, mut receive) = mpsc::unbounded_channel();
    let courier = Courier::new(vec![Arc::new(Waits(send))], Arc::new(ManualClock::at(now())));
    let ledger: Arc<dyn Ledger> = Arc::new(Notes::default());
    let work = tokio::spawn(async move {
        courier.deliver(vec![due("a", "1")], &ledger).await;
    });
    assert_eq!(receive.recv().await, Some("begun"));
    work.abort();
    assert_eq!(receive.recv().await, Some("ended"));
}
