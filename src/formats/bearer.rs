//! When a secret says by itself that it ends: JSON Web Tokens, and the short keys of Amazon Bedrock. One door, so that the same
//! value means the same in an environment, a `.env`, a store and a tool's file.
//!
//! Decoded, never proved: no signature is checked. That a provider refuses earlier is possible (the session that signed a
//! Bedrock key may end first); that it accepts later is not.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::NaiveDateTime;
use zeroize::Zeroizing;

use super::jwt;
use crate::domain::{Basis, Credential, Renewal, Secret, Span, Time};

/// What a secret says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bearer {
    /// When it ends; `None`: it is of a kind that could say so, and does not.
    pub expires: Option<Time>,
    /// When it was made.
    pub issued: Option<Time>,
    /// What was odd.
    pub notes: Vec<String>,
}

impl Bearer {
    /// Takes it over. One that ends is replaced by a person: nobody renews it.
    pub fn apply(self, credential: &mut Credential) {
        credential.notes.extend(self.notes);
        if let Some(end) = self.expires {
            credential.renewal = Renewal::Manual;
            credential.clocks.grant_expires = Some(end);
            credential.clocks.grant_basis = Some(Basis::Decoded);
            credential.clocks.issued = self.issued;
        }
    }
}

/// Reads what a secret says about itself; `None` for those that say nothing.
#[must_use]
pub fn read(secret: &Secret) -> Option<Bearer> {
    bedrock(secret.expose().trim()).or_else(|| {
        let claims = jwt::claims(secret)?;
        let fields = [("exp", &claims.expires), ("iat", &claims.issued)];
        let odd = fields.into_iter().filter_map(|(name, date)| Some(format!("{name} of the token {}", date.remark()?)));
        Some(Bearer { notes: odd.collect(), expires: claims.expires.at(), issued: claims.issued.at() })
    })
}

/// A short key is this and the base64 of a URL that AWS's own tools have signed.
const BEDROCK_SHORT: &str = "bedrock-api-key-";
/// A long key is an IAM credential for one service.
const BEDROCK_LONG: &str = "ABSK";
/// AWS accepts no short key for longer.
const BEDROCK_LIFE: Span = Span::hours(12);
/// Signed URLs with a session token have some 2 kB; longer ones are none.
const MAX_LENGTH: usize = 64 * 1024;

fn bedrock(key: &str) -> Option<Bearer> {
    if let Some(url) = key.strip_prefix(BEDROCK_SHORT) {
        let nothing = || Bearer { notes: vec![NO_END.to_owned()], ..Bearer::default() };
        return Some(signed_url(url).unwrap_or_else(nothing));
    }
    // Other providers' keys could begin so; IAM's are the base64 of a name and a secret, some 130 characters.
    (key.starts_with(BEDROCK_LONG) && key.len() >= 100)
        .then(|| Bearer { notes: vec![LONG_KEY.to_owned()], ..Bearer::default() })
}

const NO_END: &str = "a short Bedrock key from which no end can be read";
const LONG_KEY: &str = "a long-term Bedrock key: only IAM knows when it ends; write its date under [[declared]]";

fn signed_url(encoded: &str) -> Option<Bearer> {
    if encoded.len() > MAX_LENGTH {
        return None;
    }
    let tolerant = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if encoded.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let bytes = Zeroizing::new(GeneralPurpose::new(alphabet, tolerant).decode(encoded).ok()?);
    let url = std::str::from_utf8(&bytes).ok()?;
    let (_, query) = url.split_once('?')?;
    let field = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let issued = NaiveDateTime::parse_from_str(field("X-Amz-Date")?, "%Y%m%dT%H%M%SZ").ok()?.and_utc();
    let life = Span::try_seconds(field("X-Amz-Expires")?.parse().ok().filter(|seconds| *seconds > 0)?)?;
    let mut notes = Vec::new();
    if life > BEDROCK_LIFE {
        notes.push("it names a longer life than the 12 hours that AWS allows".to_owned());
    }
    if field("X-Amz-Security-Token").is_some() {
        notes.push("it ends earlier if the AWS session that signed it does".to_owned());
    }
    Some(Bearer { expires: issued.checked_add_signed(life.min(BEDROCK_LIFE)), issued: Some(issued), notes })
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn url(date: &str, expires: &str, more: &str) -> String {
        format!(
            "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAX%2F20270110%2Fus-east-1%2Fbedrock%2Faws4_request&X-Amz-Date={date}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host{more}&X-Amz-Signature=00&Version=1"
        )
    }

    fn key(url: &str) -> Secret {
        Secret::new(format!("{BEDROCK_SHORT}{}", BASE64_STANDARD.encode(url)))
    }

    fn at(text: &str) -> Option<Time> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn short_keys() {
        let made = "20270110T080000Z";
        for (expires, end, notes) in
            [("43200", "20:00", 0), ("3600", "09:00", 0), ("604800", "20:00", 1), ("1", "08:00:01", 0)]
        {
            let bearer = read(&key(&url(made, expires, ""))).unwrap();
            let end = if end.len() == 5 { format!("{end}:00") } else { end.to_owned() };
            assert_eq!(bearer.expires, at(&format!("2027-01-10T{end}Z")), "{expires}");
            assert_eq!((bearer.issued, bearer.notes.len()), (at("2027-01-10T08:00:00Z"), notes), "{expires}");
        }
        let session = read(&key(&url(made, "43200", "&X-Amz-Security-Token=abc"))).unwrap();
        assert!(session.notes[0].contains("session that signed it"));
        let unpadded = BASE64_URL_SAFE_NO_PAD.encode(url(made, "43200", "&x=?>~"));
        assert_eq!(
            read(&Secret::new(format!(" {BEDROCK_SHORT}{unpadded}\n"))).unwrap().expires,
            at("2027-01-10T20:00:00Z")
        );
    }

    #[test]
    fn keys_that_do_not_say_when_they_end() {
        let broken = [
            url("yesterday", "43200", ""),
            url("20270110T080000Z", "0", ""),
            url("20270110T080000Z", "-5", ""),
            url("20270110T080000Z", "9999999999999999999", ""),
            url("20271310T080000Z", "60", ""),
            String::new(),
            "no query".to_owned(),
        ];
        for url in broken {
            let bearer = read(&key(&url)).unwrap();
            assert_eq!((bearer.expires, bearer.notes.as_slice()), (None, [NO_END.to_owned()].as_slice()), "{url}");
        }
        assert_eq!(read(&Secret::new(format!("{BEDROCK_SHORT}%%%"))).unwrap().expires, None);
        let long = read(&Secret::new(format!("ABSK{}", "A".repeat(128)))).unwrap();
        assert!(long.expires.is_none() && long.notes[0].contains("IAM"));
        for other in ["", "sk-ant-api03-x", "ABSKshort", "AKIAIOSFODNN7EXAMPLE"] {
            assert!(read(&Secret::new(other.to_owned())).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,80}", encoded in "[A-Za-z0-9+/=_-]{0,80}", expires in "[0-9]{0,24}") {
            let _ = read(&Secret::new(text));
            let _ = read(&Secret::new(format!("{BEDROCK_SHORT}{encoded}")));
            let bearer = read(&key(&url("20270110T080000Z", &expires, ""))).unwrap();
            prop_assert!(bearer.expires.is_none_or(|end| end - bearer.issued.unwrap() <= BEDROCK_LIFE));
        }
    }
}
