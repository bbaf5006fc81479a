//! `type = "file"`: a line of JSON for each incident; `type = "journal"`: the same for journald, with its priorities
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>). For machines whose logs are collected anyway.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::net::UnixDatagram;

use super::{Receiver, transient};
use crate::domain::{Attempt, FailureReason, Item, ItemStatus, Notification, Outcome, Progress, Severity};

/// Where journald listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a journald is waited for that does not come to read what its socket holds.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Appends to a file that only we can read.
pub(super) struct Lines {
    pub name: String,
    pub path: PathBuf,
}

/// Sends to journald.
pub(super) struct Journal {
    pub name: String,
    pub socket: PathBuf,
    pub patience: Duration,
}

fn status(item: &Item) -> &'static str {
    match item.status {
        ItemStatus::Firing => "firing",
        ItemStatus::Resolved => "resolved",
        ItemStatus::WasDown => "was-down",
        ItemStatus::Notice => "notice",
    }
}

fn lines(notification: &Notification, attempt: &Attempt) -> String {
    let line = |item: &Item| {
        let line = json!({
            "at": attempt.now.to_rfc3339(),
            "notification": notification.id.as_str(),
            "host": notification.host,
            "incident": item.incident.as_str(),
            "name": item.name,
            "status": status(item),
            "severity": item.severity.word(),
            "subject": item.subject,
            "provider": item.provider,
            "since": item.since.to_rfc3339(),
            "ended": item.ended.map(|at| at.to_rfc3339()),
            "expires": item.expires.map(|at| at.to_rfc3339()),
            "title": item.title,
            "summary": item.summary,
            "because": item.because,
            "fix": item.fix,
        });
        format!("{line}\n")
    };
    notification.items.iter().map(line).collect()
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file: File = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    // One write: lines of two programs do not mix.
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

fn entry(notification: &Notification, item: &Item) -> Vec<u8> {
    let priority = match (item.status, item.severity) {
        (ItemStatus::Resolved | ItemStatus::WasDown, _) => "5",
        (_, Severity::Critical) => "2",
        (_, Severity::Warning) => "4",
        (_, Severity::Info | Severity::None) => "6",
    };
    let message = format!("{}: {} ({})", item.title, item.summary, status(item));
    let mut out = Vec::new();
    let mut field = |name: &str, value: &str| {
        // The form with a length: values may have more than one line.
        out.extend_from_slice(format!("{name}\n").as_bytes());
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    };
    field("MESSAGE", &message);
    field("PRIORITY", priority);
    field("SYSLOG_IDENTIFIER", "opensoul");
    field("OPENSOUL_INCIDENT", item.incident.as_str());
    field("OPENSOUL_NAME", &item.name);
    field("OPENSOUL_STATUS", status(item));
    field("OPENSOUL_SEVERITY", item.severity.word());
    field("OPENSOUL_SUBJECT", &item.subject);
    field("OPENSOUL_PROVIDER", item.provider.as_deref().unwrap_or_default());
    field("OPENSOUL_NOTIFICATION", notification.id.as_str());
    field("OPENSOUL_FIX", item.fix.as_deref().unwrap_or_default());
    out
}

fn outcome(done: std::io::Result<()>, place: &Path, progress: &Progress) -> Outcome {
    match done {
        Ok(()) => Outcome::Delivered { detail: format!("written to {}", place.display()), keep: None },
        Err(error) => transient(FailureReason::ServerError, format!("{}: {error}", place.display()), progress),
    }
}

#[async_trait]
impl Receiver for Lines {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        let (path, text) = (self.path.clone(), lines(notification, attempt));
        // A disk may hang; the runtime must not.
        let written = tokio::task::spawn_blocking(move || append(&path, &text)).await;
        outcome(written.unwrap_or_else(|error| Err(std::io::Error::other(error))), &self.path, &attempt.progress)
    }
}

#[async_trait]
impl Receiver for Journal {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        let mut progress = attempt.progress.clone();
        let sending = async {
            let sender = UnixDatagram::unbound()?;
            // The kernel tells only who is connected that there is room again.
            sender.connect(&self.socket)?;
            for (place, item) in notification.items.iter().enumerate() {
                let key = place.to_string();
                if !progress.0.contains(&key) {
                    sender.send(&entry(notification, item)).await?;
                    progress.0.insert(key);
                }
            }
            Ok(())
        };
        let late = || std::io::Error::other(format!("full, and not read for {:?}", self.patience));
        let sent = tokio::time::timeout(self.patience, sending).await.unwrap_or_else(|_| Err(late()));
        outcome(sent, &self.socket, &progress)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::notify::samples::{attempt, expiring, notification};
    use crate::notify::testing::{Channel, failure};

    #[tokio::test]
    async fn a_line_of_json_for_each() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let bench = Channel::new(&format!("type = \"file\"\npath = {path:?}")).await;
        for _ in 0..2 {
            assert_eq!(failure(&bench.deliver(&notification(vec![expiring(), expiring()])).await), None);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            (lines.len(), &lines[0]["status"], &lines[0]["severity"]),
            (4, &"firing".into(), &"critical".into())
        );
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let bench = Channel::new("type = \"file\"\npath = \"/nowhere/at/all\"").await;
        assert_eq!(
            failure(&bench.deliver(&notification(vec![expiring()])).await),
            Some((false, FailureReason::ServerError))
        );
    }

    #[tokio::test]
    async fn what_journald_gets() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let server = UnixDatagram::bind(&socket).unwrap();
        let journal = Journal { name: "j".into(), socket, patience: PATIENCE };
        let item = Item { summary: "two\nlines".into(), ..expiring() };
        assert_eq!(failure(&journal.deliver(&notification(vec![item]), &attempt()).await), None);
        let mut buffer = [0; 8192];
        let length = server.recv(&mut buffer).unwrap();
        let mut rest = &buffer[..length];
        let mut fields = std::collections::BTreeMap::new();
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
            let name = String::from_utf8(rest[..end].to_vec()).unwrap();
            let size = usize::try_from(u64::from_le_bytes(rest[end + 1..end + 9].try_into().unwrap())).unwrap();
            fields.insert(name, String::from_utf8(rest[end + 9..end + 9 + size].to_vec()).unwrap());
            assert_eq!(rest[end + 9 + size], b'\n');
            rest = &rest[end + 10 + size..];
        }
        assert_eq!((fields["PRIORITY"].as_str(), fields["OPENSOUL_STATUS"].as_str()), ("2", "firing"));
        assert!(fields["MESSAGE"].contains("two\nlines"));
        drop(server);
        std::fs::remove_file(journal.socket.clone()).unwrap();
        let failed = failure(&journal.deliver(&notification(vec![expiring()]), &attempt()).await);
        assert_eq!(failed, Some((false, FailureReason::ServerError)));
    }

    /// More than the socket holds.
    fn many() -> Notification {
        let item = |number: usize| Item { title: format!("number {number}"), ..expiring() };
        notification((0..500).map(item).collect())
    }

    /// What is in the socket now, by number.
    fn waiting(server: &UnixDatagram) -> Vec<usize> {
        let mut buffer = [0; 8192];
        let mut numbers = Vec::new();
        while let Ok(length) = server.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]);
            let number = text.split("number ").nth(1).and_then(|rest| rest.split(':').next()).expect("a title");
            numbers.push(number.parse().unwrap());
        }
        numbers
    }

    #[tokio::test]
    async fn what_a_stuck_journald_has_got_is_not_sent_again() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let server = UnixDatagram::bind(&socket).unwrap();
        server.set_nonblocking(true).unwrap();
        let journal = Journal { name: "j".into(), socket, patience: Duration::from_millis(20) };
        let (mut attempt, mut got, mut tries) = (attempt(), Vec::new(), 0);
        loop {
            let outcome = journal.deliver(&many(), &attempt).await;
            got.extend(waiting(&server));
            tries += 1;
            match outcome {
                Outcome::Transient { detail, progress, .. } => {
                    assert!(detail.contains("not read for 20ms"), "{detail}");
                    assert!(progress.0.len() > attempt.progress.0.len() && progress.0.len() == got.len());
                    attempt.progress = progress;
                }
                Outcome::Delivered { .. } => break,
                Outcome::Permanent { .. } => panic!("{outcome:?}"),
            }
        }
        assert!(tries > 1, "the socket held all");
        assert_eq!(got, (0..500).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_busy_journald_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let server = tokio::net::UnixDatagram::bind(&socket).unwrap();
        let journal = Journal { name: "j".into(), socket, patience: PATIENCE };
        let (many, first) = (many(), attempt());
        let reading = async {
            let mut buffer = [0; 8192];
            for _ in 0..many.items.len() {
                server.recv(&mut buffer).await.unwrap();
            }
        };
        let (outcome, ()) = tokio::join!(journal.deliver(&many, &first), reading);
        assert_eq!(failure(&outcome), None);
    }
}
