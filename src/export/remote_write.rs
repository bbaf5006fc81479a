//! Prometheus remote-write 1.0: three messages of protobuf, written by hand because a generator would be larger than they are,
//! in a block of Snappy. Only encoding; [`super::outlet`] sends it.
//!
//! ```text
//! WriteRequest { repeated TimeSeries timeseries = 1; }
//! TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
//! Label        { string name = 1; string value = 2; }      Sample { double value = 1; int64 timestamp = 2; }
//! ```

use std::collections::BTreeMap;

use super::series::Series;
use crate::domain::Time;

/// What Prometheus writes where a series has ended, instead of a number (its `value.StaleNaN`).
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A field that is a length and so many bytes.
const BYTES: u8 = 2;
/// A field that is eight bytes.
const EIGHT: u8 = 1;
/// A field that is a number of as many bytes as it needs.
const VARINT: u8 = 0;

/// The body of one request. `labels` are those that no series has itself: `job`, `instance`, yours.
pub(super) fn body(series: &[Series<'_>], labels: &BTreeMap<&str, &str>, at: Time) -> Result<Vec<u8>, String> {
    let mut request = Vec::new();
    let mut one = Vec::new();
    for each in series {
        one.clear();
        timeseries(&mut one, each, labels, at);
        bytes(&mut request, 1, &one);
    }
    snap::raw::Encoder::new().compress_vec(&request).map_err(|error| error.to_string())
}

fn timeseries(out: &mut Vec<u8>, series: &Series<'_>, labels: &BTreeMap<&str, &str>, at: Time) {
    let own = series.labels.iter().map(|label| (label.name(), label.value()));
    let name = std::iter::once(("__name__", series.family.name()));
    // The receiver wants them sorted, and none that is empty.
    let all: BTreeMap<&str, &str> = labels.iter().map(|(name, value)| (*name, *value)).chain(own).chain(name).collect();
    let mut label = Vec::new();
    for (name, value) in all.into_iter().filter(|(_, value)| !value.is_empty()) {
        label.clear();
        bytes(&mut label, 1, name.as_bytes());
        bytes(&mut label, 2, value.as_bytes());
        bytes(out, 1, &label);
    }
    let mut sample = vec![1 << 3 | EIGHT];
    let value = series.value.unwrap_or(f64::from_bits(STALE));
    sample.extend(value.to_bits().to_le_bytes());
    sample.push(2 << 3 | VARINT);
    varint(&mut sample, at.timestamp_millis().cast_unsigned());
    bytes(out, 2, &sample);
}

fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | BYTES);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::super::series::tests::families;
    use super::super::series::{gone, present};
    use super::*;

    fn encoded(series: &[Series<'_>]) -> Vec<u8> {
        let labels = BTreeMap::from([("job", "opensoul"), ("instance", "box"), ("zone", "z")]);
        let at = "2026-11-22T12:00:00Z".parse().unwrap();
        snap::raw::Decoder::new().decompress_vec(&body(series, &labels, at).unwrap()).unwrap()
    }

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        let families = families(&[("a", 1.0)]);
        let series: Vec<_> = present(&families).take(1).collect();
        let mut expected: Vec<u8> = vec![0x0a, 107];
        let labels =
            [("__name__", "opensoul_x"), ("credential", "a"), ("instance", "box"), ("job", "opensoul"), ("zone", "z")];
        for (name, value) in labels {
            expected.extend([0x0a, u8::try_from(name.len() + value.len() + 4).unwrap(), 0x0a]);
            expected.push(u8::try_from(name.len()).unwrap());
            expected.extend(name.as_bytes());
            expected.extend([0x12, u8::try_from(value.len()).unwrap()]);
            expected.extend(value.as_bytes());
        }
        expected.extend([0x12, 16, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        // 1795348800000
        expected.extend([0x10, 0x80, 0xc4, 0x82, 0x99, 0xa0, 0x34]);
        expected[1] = u8::try_from(expected.len() - 2).unwrap();
        assert_eq!(encoded(&series), expected);
    }

    #[test]
    fn what_is_gone_has_the_mark_of_prometheus_and_empty_labels_are_left_out() {
        let (before, now) = (families(&[("", 1.0)]), families(&[]));
        let bytes = encoded(&gone(&before, &now));
        let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|part| part == wanted);
        assert!(has(&[0x09, 2, 0, 0, 0, 0, 0, 0xf0, 0x7f]), "{bytes:?}");
        assert!(has(b"opensoul_x") && !has(b"credential"));
    }
}
