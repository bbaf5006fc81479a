//! Dates as owners write them. The unit is told by magnitude (from 10¹² on milliseconds, from 10⁹ on seconds), and what was
//! odd about a value is said; what cannot be a date is never taken for one (DESIGN §6).

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use serde_json::Value;

use crate::domain::Time;

/// The unit in which an owner is known to write a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds since 1970.
    Milliseconds,
    /// Seconds since 1970.
    Seconds,
    /// Text, mostly RFC 3339.
    Text,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Date {
    /// There is no such field, or it is `null`.
    Absent,
    /// Zero or blank: what owners leave behind after a logout.
    Blank,
    /// A date.
    At {
        /// The instant.
        at: Time,
        /// What was odd about it, to follow the field's name: `is in seconds, not milliseconds`.
        odd: Option<&'static str>,
    },
    /// Something else; the text follows the field's name: `is true, not a date`.
    Invalid(&'static str),
}

impl Date {
    /// The instant, if it is one.
    #[must_use]
    pub fn at(&self) -> Option<Time> {
        match self {
            Self::At { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// What to say about it, if anything.
    #[must_use]
    pub fn remark(&self) -> Option<&'static str> {
        match self {
            Self::At { odd, .. } => *odd,
            Self::Invalid(what) => Some(what),
            Self::Absent | Self::Blank => None,
        }
    }
}

/// Reads a JSON field that its owner writes in `usual`.
#[must_use]
pub fn from_json(value: Option<&Value>, usual: Unit) -> Date {
    match value {
        None | Some(Value::Null) => Date::Absent,
        Some(Value::Number(number)) => match number.as_f64() {
            Some(number) => from_number(number, usual),
            None => Date::Invalid(NOT_A_DATE),
        },
        Some(Value::String(text)) => from_text(text, usual),
        Some(Value::Bool(_)) => Date::Invalid("is true or false, not a date"),
        Some(Value::Array(_)) => Date::Invalid("is a list, not a date"),
        Some(Value::Object(_)) => Date::Invalid("is an object, not a date"),
    }
}

/// Reads a text: RFC 3339 and its relatives, or a number in quotes.
#[must_use]
pub fn from_text(text: &str, usual: Unit) -> Date {
    match as_text(text, usual) {
        // Go writes "never set" so; others write the beginning of their own count.
        Date::At { at, .. } if at.timestamp() == 0 || at.year() == 1 => Date::Blank,
        Date::At { at, .. } if at.timestamp() < FIRST => Date::Invalid(NOT_A_DATE),
        date => date,
    }
}

/// No date of a credential is older than that, in seconds, as for numbers.
const FIRST: i64 = 1_000_000_000;

fn as_text(text: &str, usual: Unit) -> Date {
    let text = text.trim();
    if text.is_empty() {
        return Date::Blank;
    }
    if let Ok(number) = text.parse::<f64>() {
        return match from_number(number, usual) {
            Date::At { at, odd: None } => Date::At { at, odd: Some("is a number in quotes") },
            other => other,
        };
    }
    let odd = (usual != Unit::Text).then_some("is text, not a number");
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Date::At { at: at.to_utc(), odd };
    }
    let (bare, zoned) = match text.strip_suffix("UTC").or_else(|| text.strip_suffix("GMT")) {
        Some(bare) => (bare.trim_end(), true),
        None => (text, false),
    };
    let odd = odd.or((!zoned).then_some("names no time zone; UTC is assumed"));
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(bare, format) {
            return Date::At { at: at.and_utc(), odd };
        }
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(at) = DateTime::parse_from_str(text, format) {
            return Date::At { at: at.to_utc(), odd: (usual != Unit::Text).then_some("is text, not a number") };
        }
    }
    match NaiveDate::parse_from_str(bare, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0)) {
        Some(at) => Date::At { at: at.and_utc(), odd: odd.or(Some("is a day without a time")) },
        None => Date::Invalid(NOT_A_DATE),
    }
}

const NOT_A_DATE: &str = "is no date";

/// Reads a number of milliseconds or seconds, whichever its size says.
#[must_use]
pub fn from_number(number: f64, usual: Unit) -> Date {
    if number == 0.0 {
        return Date::Blank;
    }
    if number < 0.0 {
        return Date::Invalid("is negative, which is no date");
    }
    // 10¹⁴ ms and 10¹¹ s are both in the year 5138.
    let (milliseconds, unit) = if (1e12..1e14).contains(&number) {
        (number, Unit::Milliseconds)
    } else if (1e9..1e11).contains(&number) {
        (number * 1000.0, Unit::Seconds)
    } else if number < 1e9 {
        return Date::Invalid("is too small for a date");
    } else {
        return Date::Invalid("is neither milliseconds nor seconds");
    };
    let odd = match (usual, unit) {
        (Unit::Milliseconds, Unit::Seconds) => Some("is in seconds where milliseconds belong; read as seconds"),
        (Unit::Seconds, Unit::Milliseconds) => Some("is in milliseconds where seconds belong; read as milliseconds"),
        (Unit::Text, _) => Some("is a number, not text"),
        _ => None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "below 10¹⁴; the fraction of a millisecond may go")]
    match DateTime::from_timestamp_millis(milliseconds as i64) {
        Some(at) => Date::At { at, odd },
        None => Date::Invalid(NOT_A_DATE),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form() {
        let at: Time = "2027-10-12T09:00:00Z".parse().unwrap();
        let (ms, s) = (at.timestamp_millis(), at.timestamp());
        let good = |odd| Date::At { at, odd };
        use Unit::*;
        let table = [
            (json!(ms), Milliseconds, good(None)),
            (json!(s), Seconds, good(None)),
            (json!(s as f64 + 0.0004), Seconds, good(None)),
            (json!(s), Milliseconds, good(Some("is in seconds where milliseconds belong; read as seconds"))),
            (json!(ms), Seconds, good(Some("is in milliseconds where seconds belong; read as milliseconds"))),
            (json!(ms.to_string()), Milliseconds, good(Some("is a number in quotes"))),
            (json!("2027-10-12T09:00:00Z"), Text, good(None)),
            (json!("2027-10-12T09:00:00.000Z"), Text, good(None)),
            (json!("2027-10-12T17:00:00+08:00"), Text, good(None)),
            (json!(" 2027-10-12 09:00:00 UTC "), Text, good(None)),
            (json!("2027-10-12T09:00:00UTC"), Text, good(None)),
            (json!("2027-10-12 17:00:00 +0800"), Text, good(None)),
            (json!("2027-10-12T09:00:00"), Text, good(Some("names no time zone; UTC is assumed"))),
            (json!("2027-10-12T09:00:00Z"), Milliseconds, good(Some("is text, not a number"))),
            (json!(null), Milliseconds, Date::Absent),
            (json!(0), Milliseconds, Date::Blank),
            (json!(0.0), Milliseconds, Date::Blank),
            (json!("0"), Milliseconds, Date::Blank),
            (json!(" "), Text, Date::Blank),
            (json!(-1), Milliseconds, Date::Invalid("is negative, which is no date")),
            (json!(7), Milliseconds, Date::Invalid("is too small for a date")),
            (json!(1e300), Milliseconds, Date::Invalid("is neither milliseconds nor seconds")),
            (json!(ms * 1000), Milliseconds, Date::Invalid("is neither milliseconds nor seconds")),
            (json!("soon"), Text, Date::Invalid("is no date")),
            (json!("NaN"), Text, Date::Invalid("is neither milliseconds nor seconds")),
            (json!(true), Text, Date::Invalid("is true or false, not a date")),
            (json!([]), Text, Date::Invalid("is a list, not a date")),
            (json!({}), Text, Date::Invalid("is an object, not a date")),
        ];
        for (value, usual, expected) in table {
            assert_eq!(from_json(Some(&value), usual), expected, "{value} {usual:?}");
        }
        assert_eq!(from_json(None, Text), Date::Absent);
        for never in ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01 00:00:00 UTC"] {
            assert_eq!(from_text(never, Text), Date::Blank, "{never}");
        }
        assert!(from_text("9999-12-31T23:59:59Z", Text).at().is_some(), "never, in some programs");
        for odd in ["20-06-15", "1969-12-31T23:59:59Z"] {
            assert_eq!(from_text(odd, Text), Date::Invalid(NOT_A_DATE), "{odd}");
        }
        assert_eq!(from_text("2027-10-12", Text).at(), Some("2027-10-12T00:00:00Z".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn never_panics_never_1970(text in ".{0,40}", number in any::<f64>()) {
            let year_2001: Time = "2001-01-01T00:00:00Z".parse().unwrap();
            prop_assert!(from_number(number, Unit::Seconds).at().is_none_or(|at| at > year_2001));
            let _ = from_text(&text, Unit::Text);
        }
    }
}
