//! The key of signed links, a file of its own beside `key` and `token`, made by the monitor only; and which links were used.

use std::io;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::{ActionError, StoreError, actions, incidents, instant, key, ledger, millis, token};
use crate::domain::{
    Action, Incident, IncidentStatus, Link, LinkId, LinkKey, Linked, LinkedIncident, Pseudonyms, Reach, Time,
};
use crate::engine::links;

/// The file's name.
pub const FILE: &str = "link-key";

/// The key; made if there is none. Without the file no link of before is recognised any more, and that is all.
///
/// # Errors
/// If the file can be neither read nor made, or is not 32 bytes long.
pub fn load_or_create(dir: &Path) -> Result<LinkKey, StoreError> {
    if let Some(key) = load(dir)? {
        return Ok(key);
    }
    let bytes = key::random()?;
    let failed = |source| StoreError::Io { path: dir.join(FILE), source };
    match token::write_new(&dir.join(FILE), &*bytes) {
        Ok(()) => Ok(LinkKey::new(&bytes)),
        // Somebody was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => load(dir)?.ok_or_else(|| failed(error)),
        Err(error) => Err(failed(error)),
    }
}

fn load(dir: &Path) -> Result<Option<LinkKey>, StoreError> {
    let path = dir.join(FILE);
    match std::fs::read(&path).map(Zeroizing::new) {
        Ok(bytes) => match <&[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Ok(Some(LinkKey::new(bytes))),
            Err(_) => {
                let why = "is not 32 bytes long; remove it, and a new one is made (links of before are then of no use)";
                Err(StoreError::Io { path, source: io::Error::new(io::ErrorKind::InvalidData, why) })
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Io { path, source }),
    }
}

/// What stands about a link.
pub(super) fn look(db: &Connection, link: &Link, id: &LinkId, now: Time) -> Result<Linked, StoreError> {
    let used: Option<i64> =
        db.query_row("SELECT at FROM used_link WHERE id = ?1", [&id.0], |row| row.get(0)).optional()?;
    let names = Pseudonyms::new(ledger::pseudonyms(db)?, false);
    let mut open = Vec::new();
    for incident in open_ones(db, link)? {
        let ack = incident.ack.as_ref().filter(|ack| ack.holds(now));
        open.push(LinkedIncident {
            title: names.apply(&incident.title),
            severity: incident.severity,
            worse: links::is_worse(link, incident.severity),
            taken: ack.map(|ack| (names.apply(&ack.by), ack.until)),
        });
    }
    Ok(Linked { used: used.map(instant), acted: false, open })
}

/// Uses a link: the effect, and that it is used up, in the transaction of `db`. One that was used, and one whose incidents are
/// over or taken up for longer already, changes nothing.
pub(super) fn follow(db: &Connection, link: &Link, id: &LinkId, by: &str, now: Time) -> Result<Linked, ActionError> {
    let before = look(db, link, id, now)?;
    if before.used.is_some() {
        return Ok(before);
    }
    let mut acted = false;
    for incident in open_ones(db, link)? {
        if links::is_worse(link, incident.severity) {
            continue;
        }
        let until = links::until(link, incident.severity, now);
        let longer = |end: Option<Time>| end.is_none_or(|end| end >= until);
        if incident.ack.as_ref().is_some_and(|ack| ack.holds(now) && longer(ack.until)) {
            continue;
        }
        let incident = incident.id.to_string();
        let action = Action::Ack { incident, until: Some(until), snooze: link.snooze, comment: None };
        actions::apply(db, &action, by, Reach::Afar, now)?;
        acted = true;
    }
    if acted {
        db.execute(
            "INSERT INTO used_link (id, at, expires) VALUES (?1, ?2, ?3)",
            params![id.0, millis(now), millis(link.expires)],
        )?;
    }
    Ok(Linked { used: None, acted, ..look(db, link, id, now)? })
}

fn open_ones(db: &Connection, link: &Link) -> Result<Vec<Incident>, StoreError> {
    let mut open = Vec::new();
    for id in &link.incidents {
        let meant = |one: &Incident| one.status == IncidentStatus::Firing && links::is_meant(link, one.since);
        open.extend(incidents::one(db, id)?.filter(meant));
    }
    Ok(open)
}

/// Forgets links that are of no use any more by their date.
pub(super) fn prune(db: &Connection, now: Time) -> Result<(), StoreError> {
    db.execute("DELETE FROM used_link WHERE expires < ?1", [millis(now)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_private_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let link = Link {
            incidents: Vec::new(),
            snooze: false,
            lasts: links::ACK,
            expires: "2026-11-22T12:00:00Z".parse().unwrap(),
            receiver: "phone".to_owned(),
            public: false,
            lang: crate::domain::Lang::English,
            critical: true,
        };
        let token = load_or_create(dir.path()).unwrap().sign(&link);
        assert_eq!(load_or_create(dir.path()).unwrap().sign(&link), token);
        assert_eq!(dir.path().join(FILE).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(dir.path().join(FILE), b"short").unwrap();
        assert!(load_or_create(dir.path()).is_err_and(|error| error.to_string().contains("32 bytes")));
    }
}
