//! What people do about alerts: acks, silences, the outbox. One function for all mouths (command line, API, links, chats), with
//! who it was. Everything ends by itself; a cycle after it draws the consequences.

use rusqlite::{Connection, params};

use super::{StoreError, incidents, millis, outbox};
use crate::domain::{
    Ack, Acted, Action, Incident, IncidentStatus, NotificationId, Reach, Refused, Severity, Silence, SilenceId, Span,
    Time,
};

/// A silence that is over is kept so long, for looking back.
const KEPT: Span = Span::days(5);

/// Longest ack and silence: longer is a change of the configuration.
const LONGEST: Span = Span::days(366);

/// Silences that can hold at a time.
const MOST: usize = 500;

/// Characters of a name and of a remark.
const NAME: usize = 100;
const REMARK: usize = 500;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// What was asked for is not possible.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Our own file.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for ActionError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Does it, in the transaction of `db`. `by` is whoever asked for it, from `reach`.
pub(super) fn apply(db: &Connection, action: &Action, by: &str, reach: Reach, now: Time) -> Result<Acted, ActionError> {
    let unannounced = reach == Reach::Afar;
    let by = one_line(by, NAME);
    if by.is_empty() {
        return Err(senseless("an author must have a name"));
    }
    match action {
        Action::Ack { incident, until, snooze, comment } => {
            let incident = open(db, incident)?;
            if let Some(until) = until {
                sensible(now, *until)?;
            } else if *snooze {
                return Err(senseless("a snooze needs a time at which it ends"));
            }
            let comment = comment.as_deref().map(|text| one_line(text, REMARK)).filter(|text| !text.is_empty());
            let ack = Ack {
                by,
                comment,
                at: now,
                until: *until,
                snooze: *snooze,
                severity: incident.severity,
                tier: incident.announced_tier,
                unannounced,
            };
            keep(db, Incident { ack: Some(ack), ..incident })
        }
        Action::Unack { incident } => {
            let incident = open(db, incident)?;
            if incident.ack.is_none() {
                return Err(senseless(&format!("{} is not acknowledged", incident.id)));
            }
            // Nobody has taken it up from now on.
            let unacked_since = incident.announced_at.map(|_| now);
            keep(db, Incident { ack: None, unacked_since, ..incident })
        }
        Action::Silence { matchers, starts_at, ends_at, comment } => {
            let comment = one_line(comment, REMARK);
            if matchers.is_empty() || comment.is_empty() {
                return Err(senseless("a silence needs a condition and a comment"));
            }
            if starts_at >= ends_at {
                return Err(senseless("a silence must begin before it ends"));
            }
            sensible(now, *ends_at)?;
            if silences(db, now)?.len() >= MOST {
                return Err(senseless(&format!("there are {MOST} silences already; end some of them first")));
            }
            let made = Silence {
                id: SilenceId(random()?),
                matchers: matchers.clone(),
                starts_at: *starts_at,
                ends_at: *ends_at,
                created_at: now,
                author: by,
                comment,
                unannounced,
            };
            save(db, &made)?;
            Ok(Acted::Silence(made))
        }
        Action::Unsilence { silence } => {
            let all = silences(db, now)?;
            let found = pick("silence", silence, all.iter().map(|one| (one.id.as_str(), one)))?;
            // One that had not begun never was.
            let ended = Silence { starts_at: found.starts_at.min(now), ends_at: now, ..found.clone() };
            save(db, &ended)?;
            Ok(Acted::Silence(ended))
        }
        Action::Retry { messages } => {
            let chosen = if messages.is_empty() { waiting(db)? } else { named(db, messages)? };
            outbox::retry(db, &chosen, now)?;
            Ok(Acted::Messages(chosen))
        }
        Action::Drop { messages } => {
            if messages.is_empty() {
                return Err(senseless("say which messages are given up"));
            }
            let chosen = named(db, messages)?;
            outbox::give_up(db, &chosen, &by, now)?;
            Ok(Acted::Messages(chosen))
        }
        Action::Enable { receiver } => {
            outbox::receivers::enable(db, receiver, now)?;
            Ok(Acted::Receiver(receiver.clone()))
        }
    }
}

fn senseless(why: &str) -> ActionError {
    Refused::Senseless(why.to_owned()).into()
}

/// One line without control characters, cut.
fn one_line(text: &str, most: usize) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(most).collect()
}

fn sensible(now: Time, until: Time) -> Result<(), ActionError> {
    if until <= now {
        return Err(senseless("it would end before it begins to count"));
    }
    if until - now > LONGEST {
        return Err(senseless("it would last longer than a year; change the routes in monitor.toml instead"));
    }
    Ok(())
}

/// As few characters of an id stand for it: less is a slip of the hand, and something would be hushed up by it.
const SHORTEST: usize = 4;

/// The one thing whose id is `id` or begins with it.
fn pick<'a, T>(what: &'static str, id: &str, all: impl Iterator<Item = (&'a str, T)>) -> Result<T, Refused> {
    let id = id.trim();
    let mut found: Vec<(&str, T)> = all.filter(|(known, _)| !id.is_empty() && known.starts_with(id)).collect();
    if let Some(exact) = found.iter().position(|(known, _)| *known == id) {
        return Ok(found.swap_remove(exact).1);
    }
    if id.len() < SHORTEST {
        return Err(Refused::Senseless(format!("an id needs at least its first {SHORTEST} characters")));
    }
    match found.len() {
        0 => Err(Refused::Unknown { what, id: id.to_owned() }),
        1 => Ok(found.swap_remove(0).1),
        _ => {
            let candidates = found.iter().take(5).map(|(known, _)| (*known).to_owned()).collect();
            Err(Refused::Ambiguous { id: id.to_owned(), candidates })
        }
    }
}

fn open(db: &Connection, id: &str) -> Result<Incident, ActionError> {
    let all = incidents::all(db)?;
    let open = all.iter().filter(|one| one.status != IncidentStatus::Resolved);
    let found = pick("open incident", id, open.map(|one| (one.id.as_str(), one)))?;
    if found.severity == Severity::None {
        return Err(senseless("nothing is said about it"));
    }
    Ok(found.clone())
}

fn keep(db: &Connection, incident: Incident) -> Result<Acted, ActionError> {
    incidents::save(db, &incident)?;
    Ok(Acted::Incident(Box::new(incident)))
}

fn waiting(db: &Connection) -> Result<Vec<NotificationId>, StoreError> {
    let mut read = db.prepare("SELECT id FROM outbox WHERE state = 'queued' ORDER BY created_at, id")?;
    let rows = read.query_map([], |row| Ok(NotificationId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn named(db: &Connection, ids: &[String]) -> Result<Vec<NotificationId>, ActionError> {
    let all = waiting(db)?;
    let one = |id: &String| pick("waiting message", id, all.iter().map(|one| (one.as_str(), one))).cloned();
    let mut chosen = ids.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

fn random() -> Result<String, StoreError> {
    Ok(super::key::random()?[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn save(db: &Connection, silence: &Silence) -> Result<(), StoreError> {
    db.execute(
        "INSERT OR REPLACE INTO silence (id, created_at, ends_at, body) VALUES (?1, ?2, ?3, ?4)",
        params![
            silence.id.as_str(),
            millis(silence.created_at),
            millis(silence.ends_at),
            serde_json::to_string(silence)?
        ],
    )?;
    Ok(())
}

/// Silences that hold now or will.
pub(super) fn silences(db: &Connection, now: Time) -> Result<Vec<Silence>, StoreError> {
    Ok(all_silences(db)?.into_iter().filter(|silence| silence.ends_at > now).collect())
}

/// Every silence, also those that were over lately, by their end.
pub(super) fn all_silences(db: &Connection) -> Result<Vec<Silence>, StoreError> {
    let mut read = db.prepare("SELECT id, body FROM silence ORDER BY ends_at, id")?;
    let rows = read.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut found = Vec::new();
    for row in rows {
        let (id, body) = row?;
        match serde_json::from_str(&body) {
            Ok(silence) => found.push(silence),
            // Better heard than silenced by what nobody can read.
            Err(error) => tracing::warn!(id, line = error.line(), "a silence in state.db cannot be read"),
        }
    }
    Ok(found)
}

pub(super) fn prune(db: &Connection, now: Time) -> Result<(), StoreError> {
    db.execute("DELETE FROM silence WHERE ends_at < ?1", [millis(now - KEPT)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_may_be_several_is_refused() {
        let known = ["a1b2c3", "a1b2d4", "a1b2"];
        let named = |id| pick("open incident", id, known.iter().map(|one| (*one, *one)));
        assert_eq!(named("a1b2c").ok(), Some("a1b2c3"));
        assert_eq!(named(" a1b2 ").ok(), Some("a1b2"), "a whole id is no beginning of another");
        assert!(matches!(named("ffff"), Err(Refused::Unknown { .. })));
        for short in ["", "a", "a1b"] {
            assert!(matches!(named(short), Err(Refused::Senseless(_))), "{short}");
        }
        let two = pick("open incident", "a1b2", known[..2].iter().map(|one| (*one, *one)));
        assert!(matches!(two, Err(Refused::Ambiguous { candidates, .. }) if candidates == known[..2]));
    }
}
