//! The payload of a JSON Web Token: when it ends and whose it is. The signature is not checked: who holds the file could
//! also forge it, and we only want the date.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::dates::{self, Date, Unit};
use crate::domain::Secret;

/// What a payload says. No `Debug`: claims name people.
pub struct Claims {
    /// `exp`.
    pub expires: Date,
    /// `iat`.
    pub issued: Date,
    /// `email`, if it is a text.
    pub email: Option<String>,
}

/// Longer ones are no tokens.
const MAX_LENGTH: usize = 64 * 1024;

/// Reads the payload; `None` if it is no JWT.
#[must_use]
pub fn claims(token: &Secret) -> Option<Claims> {
    let token = token.expose().trim();
    if token.len() > MAX_LENGTH {
        return None;
    }
    let mut parts = token.split('.');
    let (header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !object(header)?.contains_key("alg") {
        return None;
    }
    let payload = object(payload)?;
    let email = payload.get("email").and_then(Value::as_str).map(str::to_owned);
    Some(Claims {
        expires: dates::from_json(payload.get("exp"), Unit::Seconds),
        issued: dates::from_json(payload.get("iat"), Unit::Seconds),
        email,
    })
}

/// A base64 part that holds a JSON object. Padding and both alphabets are taken.
fn object(part: &str) -> Option<serde_json::Map<String, Value>> {
    let tolerant = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if part.contains(['+', '/']) { &alphabet::STANDARD } else { &alphabet::URL_SAFE };
    let bytes = GeneralPurpose::new(alphabet, tolerant).decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, payload: &str, padded: bool) -> Secret {
        let encode = |text: &str| {
            if padded { BASE64_STANDARD.encode(text) } else { BASE64_URL_SAFE_NO_PAD.encode(text) }
        };
        Secret::new(format!("{}.{}.c2ln", encode(header), encode(payload)))
    }

    #[test]
    fn exp_in_every_shape() {
        let at: crate::domain::Time = "2027-10-12T09:00:00Z".parse().unwrap();
        for exp in ["1823331600", "1823331600.25", "1823331600000", "\"1823331600\"", "1.8233316e9"] {
            for padded in [true, false] {
                let claims = claims(&token(r#"{"alg":"RS256"}"#, &format!(r#"{{"exp":{exp},"x":"ü?>~"}}"#), padded));
                let found = claims.unwrap().expires.at().unwrap();
                assert_eq!(found.timestamp(), at.timestamp(), "{exp}");
            }
        }
    }

    #[test]
    fn whatever_is_no_token() {
        for text in ["", "a.b.c", "sk-ant-oat01-x", "e30.e30.c2ln", "a.b.c.d", "..", "{}.{}.{}"] {
            assert!(claims(&Secret::new(text.to_owned())).is_none(), "{text}");
        }
        let no_object = token(r#"{"alg":"none"}"#, "[1]", false);
        assert!(claims(&no_object).is_none());
        let bare = claims(&token(r#"{"alg":"none"}"#, r#"{"email":"me@x.org","exp":true}"#, false)).unwrap();
        assert!(matches!(bare.expires, Date::Invalid(_)));
        assert_eq!((bare.issued, bare.email.as_deref()), (Date::Absent, Some("me@x.org")));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[A-Za-z0-9+/=_.-]{0,80}", any in ".{0,60}") {
            let _ = (claims(&Secret::new(text)), claims(&Secret::new(any)));
        }
    }
}
