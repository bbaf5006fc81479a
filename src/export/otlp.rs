//! Metrics in the words of OpenTelemetry: OTLP 1.x over HTTP, as JSON. Only encoding and what an answer means;
//! [`super::outlet`] sends it.

use std::collections::BTreeMap;

use prometheus::proto::MetricType;
use serde::{Deserialize, Serialize};

use super::series::Series;
use crate::domain::Time;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE: u8 = 2;
/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`: the series has ended.
const NO_VALUE: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_metrics: [ResourceMetrics<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    resource: Resource<'a>,
    scope_metrics: [ScopeMetrics<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
struct ScopeMetrics<'a> {
    scope: Scope,
    metrics: Vec<Metric<'a>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Metric<'a> {
    name: &'a str,
    description: &'a str,
    #[serde(flatten)]
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Data<'a> {
    #[serde(rename_all = "camelCase")]
    Gauge { data_points: Vec<Point<'a>> },
    #[serde(rename_all = "camelCase")]
    Sum { aggregation_temporality: u8, is_monotonic: bool, data_points: Vec<Point<'a>> },
}

/// Numbers of 64 bits are strings in this JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Point<'a> {
    attributes: Vec<Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time_unix_nano: Option<String>,
    time_unix_nano: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_double: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<u32>,
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'a str,
    value: Text<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Text<'a> {
    string_value: &'a str,
}

fn attribute<'a>(key: &'a str, value: &'a str) -> Attribute<'a> {
    Attribute { key, value: Text { string_value: value } }
}

/// Who speaks: `job` and `instance` are made of it.
pub(super) struct Speaker<'a> {
    pub job: &'a str,
    pub instance: &'a str,
    pub labels: &'a BTreeMap<String, String>,
    /// Since when the counters count.
    pub counting: Option<Time>,
}

/// The body of one request.
pub(super) fn body(series: &[Series<'_>], who: &Speaker<'_>, at: Time) -> Result<Vec<u8>, String> {
    let nanos = |time: Time| time.timestamp_nanos_opt().unwrap_or_default().to_string();
    let mut metrics: Vec<Metric<'_>> = Vec::new();
    // JSON has no number for what is none.
    for one in series.iter().filter(|one| one.value.is_none_or(f64::is_finite)) {
        let counts = one.family.get_field_type() == MetricType::COUNTER;
        let own = one.labels.iter().map(|label| attribute(label.name(), label.value()));
        let yours = who.labels.iter().map(|(name, value)| attribute(name, value));
        let point = Point {
            attributes: own.chain(yours).filter(|label| !label.value.string_value.is_empty()).collect(),
            start_time_unix_nano: who.counting.filter(|_| counts).map(nanos),
            time_unix_nano: nanos(at),
            as_double: one.value,
            flags: one.value.is_none().then_some(NO_VALUE),
        };
        let name = one.family.name();
        if metrics.last().is_none_or(|last| last.name != name) {
            let data = if counts {
                Data::Sum { aggregation_temporality: CUMULATIVE, is_monotonic: true, data_points: Vec::new() }
            } else {
                Data::Gauge { data_points: Vec::new() }
            };
            metrics.push(Metric { name, description: one.family.help(), data });
        }
        if let Some(Metric { data: Data::Gauge { data_points } | Data::Sum { data_points, .. }, .. }) =
            metrics.last_mut()
        {
            data_points.push(point);
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    let attributes = vec![
        attribute("service.name", who.job),
        attribute("service.instance.id", who.instance),
        attribute("service.version", version),
    ];
    let scope_metrics = [ScopeMetrics { scope: Scope { name: "opensoul", version }, metrics }];
    let resource_metrics = [ResourceMetrics { resource: Resource { attributes }, scope_metrics }];
    serde_json::to_vec(&Request { resource_metrics }).map_err(|error| error.to_string())
}

/// Why a success is none: a part was refused, in the words of the other side.
pub(super) fn refused_in_part(answer: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        partial_success: Option<Partial>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Partial {
        #[serde(default)]
        rejected_data_points: serde_json::Value,
        #[serde(default)]
        error_message: String,
    }
    let partial = serde_json::from_str::<Answer>(answer).ok()?.partial_success?;
    let count = match &partial.rejected_data_points {
        serde_json::Value::String(text) => text.parse().ok()?,
        other => other.as_u64().unwrap_or(0),
    };
    (count > 0_u64).then(|| format!("{count} series were refused: {}", partial.error_message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::series::tests::families;
    use super::super::series::{gone, present};
    use super::*;

    fn encoded(series: &[Series<'_>]) -> serde_json::Value {
        let at: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let labels = BTreeMap::from([("team".to_owned(), "ops".to_owned())]);
        let who = Speaker { job: "opensoul", instance: "box", labels: &labels, counting: Some(at) };
        serde_json::from_slice(&body(series, &who, at).unwrap()).unwrap()
    }

    #[test]
    fn gauges_and_sums_as_the_specification_writes_them() {
        let families = families(&[("a", 1.5), ("b", f64::NAN)]);
        let found = encoded(&present(&families).collect::<Vec<_>>());
        let scope = &found["resourceMetrics"][0]["scopeMetrics"][0];
        let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let nanos = "1795348800000000000";
        assert_eq!(
            scope["metrics"],
            json!([
                { "name": "opensoul_x", "description": "Help \"x\".", "gauge": { "dataPoints": [
                    { "attributes": [text("credential", "a"), text("team", "ops")], "timeUnixNano": nanos, "asDouble": 1.5 }
                ] } },
                { "name": "opensoul_cycles_total", "description": "Cycles.", "sum": {
                    "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
                        { "attributes": [text("team", "ops")], "startTimeUnixNano": nanos, "timeUnixNano": nanos, "asDouble": 3.0 }
                    ] } },
            ])
        );
        let resource = &found["resourceMetrics"][0]["resource"]["attributes"];
        assert_eq!(resource[0], text("service.name", "opensoul"));
        assert_eq!(resource[1], text("service.instance.id", "box"));
    }

    #[test]
    fn what_is_gone_has_no_value() {
        let (before, now) = (families(&[("a", 1.0)]), families(&[]));
        let found = encoded(&gone(&before, &now));
        let point = &found["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"][0];
        assert_eq!(point["flags"], 1);
        assert!(point.get("asDouble").is_none(), "{point}");
    }

    #[test]
    fn a_partial_success_is_a_failure() {
        for good in ["", "{}", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":{"rejectedDataPoints":"0"}}"#] {
            assert_eq!(refused_in_part(good), None, "{good}");
        }
        for bad in [
            r#"{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"too old"}}"#,
            r#"{"partialSuccess":{"rejectedDataPoints":2,"errorMessage":"too old"}}"#,
        ] {
            assert_eq!(refused_in_part(bad).unwrap(), "2 series were refused: too old");
        }
    }
}
