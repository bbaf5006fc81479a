//! Signed links (CONTRACTS §6): what one allows, and the key that makes and recognises them. A link is a bearer's right to hush up
//! a few named incidents for some hours: whoever holds it may use it once, and nothing else.
//!
//! Its last part is a token: version, flags, minutes, end, incidents and receiver, then HMAC-SHA256 of all that. Nothing of it is
//! kept here: a token that was not used leaves no trace, and of a used one only a hash stays.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};

use super::{IncidentId, Lang, Severity, Span, Time};

const VERSION: u8 = 1;
/// Signed together with every token, so that the key could never vouch for anything else.
const PURPOSE: &[u8] = b"opensoul: a link, version 1\0";
const TAG: usize = 32;
/// No token of ours is longer.
const LONGEST: usize = 1024;

const SNOOZE: u8 = 1;
const PUBLIC: u8 = 2;
const CHINESE: u8 = 4;
const CRITICAL: u8 = 8;

/// What a link allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// These incidents and no others.
    pub incidents: Vec<IncidentId>,
    /// "Not now" in place of "I have seen it".
    pub snooze: bool,
    /// For so long from its use on, in whole minutes.
    pub lasts: Span,
    /// Of no use from then on.
    pub expires: Time,
    /// In whose message it is.
    pub receiver: String,
    /// That message can be read by people whom nobody invited.
    pub public: bool,
    /// The language of the message.
    pub lang: Lang,
    /// The message told of something critical: whoever uses the link has seen that.
    pub critical: bool,
}

/// Tells one link from others: a hash, from which it cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkId(pub String);

/// Why a token is no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLink {
    /// This machine did not make it, or somebody changed it.
    Foreign,
    /// It was one.
    Expired,
}

/// The key of links. Like [`super::Secret`] it can be neither shown nor copied.
pub struct LinkKey(hmac::Key);

impl LinkKey {
    /// A key from 32 random bytes; who makes and keeps them is decided elsewhere (`store::links`).
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The token of a link; the same for the same link. `None` if an incident has no id of ours.
    #[must_use]
    pub fn sign(&self, link: &Link) -> Option<String> {
        let mut bytes = vec![VERSION];
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let (chinese, critical) = (flag(link.lang == Lang::Chinese, CHINESE), flag(link.critical, CRITICAL));
        bytes.push(flag(link.snooze, SNOOZE) | flag(link.public, PUBLIC) | chinese | critical);
        bytes.extend(u16::try_from(link.lasts.num_minutes()).ok()?.to_be_bytes());
        bytes.extend(link.expires.timestamp().to_be_bytes());
        bytes.push(u8::try_from(link.incidents.len()).ok()?);
        for incident in &link.incidents {
            bytes.extend(number(incident.as_str())?.to_be_bytes());
        }
        bytes.extend(link.receiver.as_bytes());
        let tag = hmac::sign(&self.0, &[PURPOSE, &bytes].concat());
        bytes.extend(tag.as_ref());
        let token = URL_SAFE_NO_PAD.encode(&bytes);
        (token.len() <= LONGEST).then_some(token)
    }

    /// What a token allows at `now`, and which it is. The signature is compared in constant time, before anything is believed.
    ///
    /// # Errors
    /// It is none of ours, or its time is over.
    pub fn read(&self, token: &str, now: Time) -> Result<(Link, LinkId), NoLink> {
        let bytes = Some(token).filter(|token| token.len() <= LONGEST);
        let bytes = bytes.and_then(|token| URL_SAFE_NO_PAD.decode(token).ok()).ok_or(NoLink::Foreign)?;
        let at = bytes.len().checked_sub(TAG).ok_or(NoLink::Foreign)?;
        let (signed, tag) = bytes.split_at(at);
        hmac::verify(&self.0, &[PURPOSE, signed].concat(), tag).map_err(|_| NoLink::Foreign)?;
        let link = parse(signed).ok_or(NoLink::Foreign)?;
        if now >= link.expires {
            return Err(NoLink::Expired);
        }
        let hash = digest::digest(&digest::SHA256, &bytes);
        Ok((link, LinkId(super::fingerprint::hex(&hash.as_ref()[..16]))))
    }
}

fn number(id: &str) -> Option<u64> {
    if id.len() == 16 { u64::from_str_radix(id, 16).ok() } else { None }
}

fn parse(bytes: &[u8]) -> Option<Link> {
    let (&[version, flags], bytes) = bytes.split_first_chunk()?;
    let (minutes, bytes) = bytes.split_first_chunk()?;
    let (expires, bytes) = bytes.split_first_chunk()?;
    let (&count, bytes) = bytes.split_first()?;
    let (incidents, receiver) = bytes.split_at_checked(8 * usize::from(count))?;
    let id = |bytes: &[u8]| IncidentId(super::fingerprint::hex(bytes));
    (version == VERSION).then_some(())?;
    Some(Link {
        incidents: incidents.chunks(8).map(id).collect(),
        snooze: flags & SNOOZE != 0,
        lasts: Span::minutes(u16::from_be_bytes(*minutes).into()),
        expires: Time::from_timestamp(i64::from_be_bytes(*expires), 0)?,
        receiver: String::from_utf8(receiver.to_vec()).ok()?,
        public: flags & PUBLIC != 0,
        lang: if flags & CHINESE != 0 { Lang::Chinese } else { Lang::English },
        critical: flags & CRITICAL != 0,
    })
}

/// What stands about a link's incidents, in words that may leave the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// When the link was used before this.
    pub used: Option<Time>,
    /// Its use changed something just now.
    pub acted: bool,
    /// Its incidents, those that are over and forgotten left out.
    pub open: Vec<LinkedIncident>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedIncident {
    /// Its title, without e-mail addresses.
    pub title: String,
    /// How bad it is now.
    pub severity: Severity,
    /// It has become critical since the message of the link: whoever uses that does not know.
    pub worse: bool,
    /// Who has taken it up, as it is now, and until when.
    pub taken: Option<(String, Option<Time>)>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Time {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn key(byte: u8) -> LinkKey {
        LinkKey::new(&[byte; 32])
    }

    fn link() -> Link {
        Link {
            incidents: vec![IncidentId::of("A", "x", "box"), IncidentId::of("B", "x", "box")],
            snooze: true,
            lasts: Span::hours(2),
            expires: now() + Span::hours(24),
            receiver: "手机 phone".to_owned(),
            public: true,
            lang: Lang::Chinese,
            critical: true,
        }
    }

    #[test]
    fn what_was_signed_is_read_and_nothing_else_is() {
        let token = key(1).sign(&link()).unwrap();
        assert_eq!(token, key(1).sign(&link()).unwrap(), "the same each time");
        let (read, id) = key(1).read(&token, now()).unwrap();
        assert_eq!((read, id.0.len()), (link(), 32));
        assert!(!token.contains(&id.0));
        assert_eq!(key(2).read(&token, now()), Err(NoLink::Foreign), "another machine's");
        assert_eq!(key(1).read(&token, now() + Span::hours(24)), Err(NoLink::Expired));
        assert!(key(1).read(&token, now() + Span::hours(24) - Span::seconds(1)).is_ok());
        for other in ["", "x", "%", &"A".repeat(5000), &token[1..], &format!("{token}A"), &format!("{token}=")] {
            assert_eq!(key(1).read(other, now()), Err(NoLink::Foreign), "{other}");
        }
        let plain = Link { snooze: false, public: false, lang: Lang::English, critical: false, ..link() };
        assert_eq!(key(1).read(&key(1).sign(&plain).unwrap(), now()).unwrap().0, plain);
        assert_eq!(key(1).sign(&Link { incidents: vec!["x".into()], ..link() }), None);
    }

    proptest! {
        #[test]
        fn one_changed_character_is_enough(at in 0usize..100, to in "[A-Za-z0-9_-]") {
            let token = key(1).sign(&link()).unwrap();
            let mut changed = token.clone();
            let at = at % token.len();
            changed.replace_range(at..=at, &to);
            // The last character has bits that mean nothing; the decoder wants them to be zero.
            prop_assert!(changed == token || key(1).read(&changed, now()).is_err());
        }
    }
}
