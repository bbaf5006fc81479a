//! Who is logged in on the page. A person shows the token of our state directory once, in a form; from then on the browser shows
//! a random name for that (a cookie for this site only, which no script can read), and every form a second one made from it.
//!
//! Three things guard a form against other sites (DESIGN §5.7): the cookie, which the browser does not send along from there; the
//! origin, because another port of this host is the same site; and the form's own code. None guards against a web server on
//! another port of this host that the person opens: it is sent the cookie, and who has that can read the code. Sessions are in
//! memory only and end with the monitor.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, header};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};

use crate::domain::{Span, Time};

/// The cookie's name.
pub(super) const COOKIE: &str = "opensoul_session";
/// A session ends after this, used or not.
const LASTS: Span = Span::hours(12);
/// As many people at a time; the oldest has to go.
const MOST: usize = 32;

/// Everybody who is logged in.
pub(super) struct Sessions {
    key: hmac::Key,
    open: Mutex<BTreeMap<[u8; 32], Open>>,
}

struct Open {
    name: String,
    since: Time,
}

/// One of them, as one request shows it.
pub(super) struct Session {
    id: [u8; 32],
    pub name: String,
    pub csrf: String,
}

impl Sessions {
    /// Nobody. `None` if the system gives no random numbers.
    pub fn new() -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(Self { key, open: Mutex::default() })
    }

    /// Lets somebody in; the value of the cookie.
    pub fn begin(&self, name: String, now: Time) -> Option<String> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let value = hex(&bytes);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, one| holds(one, now));
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, one)| one.since).map(|(id, _)| *id)
        {
            open.remove(&oldest);
        }
        open.insert(id(&value), Open { name, since: now });
        Some(value)
    }

    /// Whose request this is.
    pub fn find(&self, headers: &HeaderMap, now: Time) -> Option<Session> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else's cookie of the same name may come too.
        cookies(headers, COOKIE).find_map(|value| {
            let id = id(value);
            let one = open.get(&id).filter(|one| holds(one, now))?;
            let csrf = hex(hmac::sign(&self.key, &id).as_ref());
            Some(Session { id, name: one.name.clone(), csrf })
        })
    }

    /// Whether a form was made for this session.
    pub fn made(&self, session: &Session, code: &str) -> bool {
        let mut tag = [0; 32];
        unhex(code, &mut tag) && hmac::verify(&self.key, &session.id, &tag).is_ok()
    }

    pub fn end(&self, session: &Session) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&session.id);
    }
}

fn holds(one: &Open, now: Time) -> bool {
    one.since <= now && now - one.since < LASTS
}

/// What is kept of a cookie: looking it up says nothing about it.
fn id(value: &str) -> [u8; 32] {
    let mut id = [0; 32];
    id.copy_from_slice(digest::digest(&digest::SHA256, value.as_bytes()).as_ref());
    id
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str, out: &mut [u8; 32]) -> bool {
    text.len() == 64
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && out.iter_mut().zip(text.as_bytes().chunks(2)).all(|(byte, pair)| {
            let pair = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
            pair.inspect(|value| *byte = *value).is_some()
        })
}

/// The values of a cookie.
pub(super) fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(move |pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    })
}

/// `Set-Cookie` for a session, or with an empty value for its end.
pub(super) fn set_cookie(value: &str, secure: bool) -> Option<HeaderValue> {
    let life = if value.is_empty() { 0 } else { LASTS.num_seconds() };
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life}{secure}");
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Time {
        "2026-11-22T12:00:00Z".parse::<Time>().unwrap() + Span::hours(hours)
    }

    fn headers(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers
    }

    #[test]
    fn a_session_begins_holds_and_ends() {
        let sessions = Sessions::new().unwrap();
        let value = sessions.begin("ann".into(), at(0)).unwrap();
        let mine = headers(&format!("lang=zh; {COOKIE}=x; {COOKIE}={value}"));
        let session = sessions.find(&mine, at(11)).unwrap();
        assert_eq!(session.name, "ann");
        assert!(sessions.made(&session, &session.csrf));
        assert!(!sessions.made(&session, "") && !sessions.made(&session, &value), "another code");
        assert!(sessions.find(&mine, at(12)).is_none(), "too old");
        assert!(sessions.find(&mine, at(-1)).is_none(), "from the future");
        assert!(sessions.find(&headers("other=1"), at(1)).is_none());
        let other = sessions.begin("bob".into(), at(0)).unwrap();
        let his = sessions.find(&headers(&format!("{COOKIE}={other}")), at(1)).unwrap();
        assert!(!sessions.made(&his, &session.csrf), "somebody else's form");
        sessions.end(&session);
        assert!(sessions.find(&mine, at(1)).is_none());
    }

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let sessions = Sessions::new().unwrap();
        let values: Vec<_> =
            (0..=MOST as i64).map(|n| sessions.begin(n.to_string(), at(0) + Span::minutes(n)).unwrap()).collect();
        let found = |value: &str| sessions.find(&headers(&format!("{COOKIE}={value}")), at(1)).is_some();
        assert!(!found(&values[0]) && values[1..].iter().all(|value| found(value)));
    }

    #[test]
    fn the_cookie_is_for_this_site_and_no_script() {
        let text = set_cookie("v", true).unwrap();
        assert_eq!(text, "opensoul_session=v; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure");
        assert!(set_cookie("", false).unwrap().to_str().unwrap().ends_with("SameSite=Strict; Max-Age=0"));
    }
}
