//! The fields of the document. Written, they are what they hold; read, they come from another machine, so they are made fit to
//! be shown and kept: no character that steers a terminal or turns text, nothing that looks like a key, no flood, no odd date.

use std::borrow::Cow;

use chrono::{Datelike, SecondsFormat};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{Time, is_unprintable};
use crate::formats::secret_shape;

/// A longer text is cut.
const LONGEST_TEXT: usize = 2_000;
/// A longer id is no id.
const LONGEST_ID: usize = 512;

/// An instant: RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub Time);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: Time = text.parse().map_err(|_| D::Error::custom("not a date and time of RFC 3339"))?;
        // What an owner's file claims may be far away, but it has to be a date that can be calculated with.
        if !(1970..=9999).contains(&time.year()) {
            return Err(D::Error::custom("a date out of this calendar"));
        }
        Ok(Self(time))
    }
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<'a>(Cow<'a, str>);

/// An identifier: a text that is compared, so it is never cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id<'a>(Cow<'a, str>);

macro_rules! text_field {
    ($name:ident) => {
        impl $name<'_> {
            pub fn into_string(self) -> String {
                self.0.into_owned()
            }
        }

        impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for $name<'a> {
            fn from(text: &'a T) -> Self {
                Self(text.as_ref().into())
            }
        }

        impl From<String> for $name<'_> {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl Serialize for $name<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

text_field!(Text);
text_field!(Id);

impl<'de> Deserialize<'de> for Text<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(fit(text, LONGEST_TEXT).into()))
    }
}

impl<'de> Deserialize<'de> for Id<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.len() > LONGEST_ID {
            return Err(D::Error::custom(format!("an identifier of {} bytes", text.len())));
        }
        Ok(Self(fit(text, LONGEST_ID).into()))
    }
}

/// Foreign text as it may be shown, stored and sent, at most `limit` characters.
pub(super) fn fit(text: String, limit: usize) -> String {
    let text = if text.contains(is_unprintable) { text.replace(is_unprintable, " ") } else { text };
    let mut text = if secret_shape::holds_key(&text) { secret_shape::without_keys(&text) } else { text };
    if let Some((end, _)) = text.char_indices().nth(limit) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_machine_says_is_made_fit() {
        let text = |json: &str| serde_json::from_str::<Text<'_>>(json).unwrap().into_string();
        assert_eq!(text(r#""a\u001b[2Jb\u202ec""#), "a [2Jb c");
        assert_eq!(
            text(r#""(sk-ant-oat01-abcdefgh), key-personal-account-of-ann""#),
            "(…), key-personal-account-of-ann"
        );
        assert_eq!(text(&format!("\"{}\"", "ü".repeat(3_000))).chars().count(), LONGEST_TEXT + 1);
        let id = |json: &str| serde_json::from_str::<Id<'_>>(json).map(Id::into_string);
        assert_eq!(id(r#""codex:default""#).unwrap(), "codex:default");
        assert!(id("\"\"").is_err() && id(&format!("\"{}\"", "x".repeat(600))).is_err());
    }

    #[test]
    fn a_date_is_one_of_this_calendar() {
        let at = |json: &str| serde_json::from_str::<At>(json);
        assert_eq!(
            serde_json::to_string(&at("\"2027-01-10T12:00:00.5+02:00\"").unwrap()).unwrap(),
            r#""2027-01-10T10:00:00.500Z""#
        );
        for wrong in [
            "\"soon\"",
            "\"0000-01-01T00:00:00Z\"",
            "\"1969-12-31T23:59:59Z\"",
            "1700000000",
            "\"+12345-01-01T00:00:00Z\"",
        ] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
