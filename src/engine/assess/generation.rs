//! One issue of a credential (DESIGN §2, *generation*), as a word that is compared and never read by people.
//!
//! What a person renews changes with its keyed hash. What its owner renews changes only with the account, with a login
//! after a logout, or when the grant's end moves later by more than a tenth of the grant.

use crate::domain::{Condition, Credential, IncidentId, Renewal, Span, Time, Verdict, VerdictKind};

const LOGGED_OUT: &str = "auto:out";
/// Marks the generation of a copy, so that the next judgement knows that it was one.
const COPY: &str = "copy:";

/// The generation; `previous` is that of the last judgement, if there was one.
#[must_use]
pub fn generation(credential: &Credential, previous: Option<&str>) -> String {
    let previous = previous.map(unmarked);
    if credential.renewal == Renewal::Auto { automatic(credential, previous) } else { manual(credential, previous) }
}

/// When its owner renewed a credential after the provider had refused what was there before, if it did: the refusal was of
/// another access token and counts no longer, although the generation is the same.
#[must_use]
pub fn renewed_after(credential: &Credential, refusal: &Verdict) -> Option<Time> {
    let clocks = &credential.clocks;
    let renewed = clocks.last_renewed.max(clocks.issued).filter(|renewed| *renewed > refusal.at)?;
    let newer = clocks.access_expires.is_none_or(|access| access > refusal.at);
    let refused = matches!(refusal.kind, VerdictKind::Rejected | VerdictKind::Revoked | VerdictKind::Expired);
    (newer && refused).then_some(renewed)
}

/// The account of a credential, hashed, because it is mostly an e-mail address and this word is stored.
#[must_use]
pub fn account(credential: &Credential) -> Option<String> {
    let account = credential.account.as_ref()?;
    Some(IncidentId::of("account", &credential.provider, account).0)
}

/// The generation without the mark of a copy.
#[must_use]
pub fn unmarked(generation: &str) -> &str {
    generation.strip_prefix(COPY).unwrap_or(generation)
}

/// The same, marked as that of a copy.
#[must_use]
pub fn of_copy(mut generation: String) -> String {
    generation.reserve_exact(COPY.len());
    generation.insert_str(0, COPY);
    generation
}

pub(super) fn was_copy(generation: &str) -> bool {
    generation.starts_with(COPY)
}

fn manual(credential: &Credential, previous: Option<&str>) -> String {
    match (&credential.fingerprint, &credential.condition, previous) {
        (Some(fingerprint), ..) => fingerprint.to_hex(),
        // It could not be read this time, which says nothing about a new issue.
        (None, Condition::Unreadable(_) | Condition::Damaged(_), Some(previous)) => previous.to_owned(),
        (None, Condition::Present, _) => format!("dated:{}", number(super::state::end(credential).map(|end| end.at))),
        (None, ..) => "none".to_owned(),
    }
}

fn automatic(credential: &Credential, previous: Option<&str>) -> String {
    match (&credential.condition, previous) {
        (Condition::Present | Condition::Retired(_), _) => {}
        (Condition::Unreadable(_) | Condition::Damaged(_), Some(previous)) => return previous.to_owned(),
        _ => return LOGGED_OUT.to_owned(),
    }
    let account = account(credential).unwrap_or_else(|| "-".to_owned());
    let grant = credential.clocks.grant_expires;
    if let Some(previous) = previous
        && let Some((old_account, old_grant)) = parse(previous)
        && old_account == account
        && !moved(old_grant, grant, credential.clocks.issued)
    {
        return previous.to_owned();
    }
    let mut word = format!("auto:{account}:{}", number(grant));
    if previous == Some(LOGGED_OUT) {
        // Nothing else may tell this login from the one before the logout (Codex has no grant date).
        let clocks = &credential.clocks;
        let since = clocks.issued.or(clocks.last_renewed).or(credential.origin.modified).or(clocks.access_expires);
        word = format!("{word}:{}", number(since));
    }
    word
}

/// True if the grant's end is later by more than a tenth of the grant; a grant of unknown length counts as 30 days.
fn moved(old: Option<Time>, new: Option<Time>, issued: Option<Time>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => {
            let length = issued.map(|issued| new - issued).filter(|length| *length > Span::zero());
            new - old > length.unwrap_or(Span::days(30)) / 10
        }
        // The field appeared or vanished: a newer version of the owner, not a new login.
        _ => false,
    }
}

fn parse(word: &str) -> Option<(&str, Option<Time>)> {
    let mut fields = word.strip_prefix("auto:")?.split(':');
    let (account, grant) = (fields.next()?, fields.next()?);
    Some((account, grant.parse().ok().and_then(chrono::DateTime::from_timestamp_millis)))
}

fn number(time: Option<Time>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.timestamp_millis().to_string())
}
