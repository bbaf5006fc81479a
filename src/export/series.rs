//! What is pushed at one moment: every family, and which series were there the last time and are gone. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use crate::domain::Time;

/// Everything that is known at one moment.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Families with at least one series each.
    pub families: Arc<Vec<MetricFamily>>,
    /// The moment.
    pub at: Time,
    /// The machine.
    pub host: String,
    /// Since when the counters count; `None` in a run that has none.
    pub counting: Option<Time>,
}

/// A series at the moment of its batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series<'a> {
    /// The name of its metric.
    pub family: &'a MetricFamily,
    /// Its own labels.
    pub labels: &'a [LabelPair],
    /// `None`: it is there no longer.
    pub value: Option<f64>,
}

/// The value of a series, whichever sort of ours it is.
fn value(family: &MetricFamily, series: &Metric) -> f64 {
    match family.get_field_type() {
        MetricType::COUNTER => series.get_counter().get_value(),
        _ => series.get_gauge().get_value(),
    }
}

/// Each series of a batch.
pub(super) fn present(families: &[MetricFamily]) -> impl Iterator<Item = Series<'_>> {
    families.iter().flat_map(|family| {
        let of = move |one| Series { family, labels: Metric::get_label(one), value: Some(value(family, one)) };
        family.get_metric().iter().map(of)
    })
}

/// What stood in `before` and stands in `now` no longer. Whoever receives pushes would show it for minutes as if it were true.
pub(super) fn gone<'a>(before: &'a [MetricFamily], now: &[MetricFamily]) -> Vec<Series<'a>> {
    let is: HashSet<(&str, Vec<(&str, &str)>)> = present(now).map(|one| key(&one)).collect();
    let was = present(before).filter(|one| !is.contains(&key(one)));
    was.map(|one| Series { value: None, ..one }).collect()
}

fn key<'a>(one: &Series<'a>) -> (&'a str, Vec<(&'a str, &'a str)>) {
    (one.family.name(), one.labels.iter().map(|label| (label.name(), label.value())).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::metrics::{counter, family, gauge, label};
    use super::*;

    /// Two gauges of one family and a counter.
    pub fn families(values: &[(&str, f64)]) -> Vec<MetricFamily> {
        let mut in_use = family("opensoul_x", "Help \"x\".", MetricType::GAUGE);
        in_use.set_metric(values.iter().map(|(id, value)| gauge(vec![label("credential", *id)], *value)).collect());
        let mut cycles = family("opensoul_cycles_total", "Cycles.", MetricType::COUNTER);
        cycles.set_metric(vec![counter(Vec::new(), 3.0)]);
        vec![in_use, cycles]
    }

    #[test]
    fn what_is_gone_is_told_by_name_and_labels_not_by_value() {
        let (before, now) = (families(&[("a", 1.0), ("b", 1.0)]), families(&[("a", 2.0)]));
        let gone = gone(&before, &now);
        assert_eq!(gone.len(), 1);
        assert_eq!((gone[0].family.name(), gone[0].labels[0].value(), gone[0].value), ("opensoul_x", "b", None));
        assert!(super::gone(&now, &before).is_empty());
        assert_eq!(present(&before).filter_map(|one| one.value).collect::<Vec<_>>(), [1.0, 1.0, 3.0]);
    }
}
