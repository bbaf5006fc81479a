//! Pushgateway: one group for this machine, replaced as a whole (`PUT`) and taken away again (`DELETE`). Only addresses and what
//! belongs there; [`super::outlet`] sends it.

use std::collections::BTreeMap;

use base64::Engine;
use prometheus::proto::MetricFamily;
use reqwest::Url;

use super::metrics::encode;

/// The address of the group: `…/metrics/job/<job>/instance/<instance>/<label>/<value>…`
pub(super) fn group(base: &Url, job: &str, instance: &str, labels: &BTreeMap<String, String>) -> Url {
    let mut path = format!("{}/metrics", base.path().trim_end_matches('/'));
    let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in [("job", job), ("instance", instance)].into_iter().chain(labels) {
        // A slash would begin the next label, however it is escaped.
        if value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c)) && ![".", ".."].contains(&value) {
            path.push_str(&format!("/{name}/{value}"));
        } else {
            let value = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value);
            path.push_str(&format!("/{name}@base64/{value}"));
        }
    }
    let mut url = base.clone();
    url.set_path(&path);
    url
}

/// What others say of their own processes would be confused with ours: `process_*` stays out wherever no `instance` of a process
/// keeps them apart.
pub(super) fn text(families: &[MetricFamily]) -> String {
    let mut out = String::new();
    encode(&mut out, families.iter().filter(|family| !family.name().starts_with("process_")).cloned());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_a_name_stays_in_its_part_of_the_path() {
        let base = Url::parse("https://push.example.org/some/path/?tenant=1").unwrap();
        let of = |instance: &str, labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            group(&base, "opensoul", instance, &labels).to_string()
        };
        assert_eq!(
            of("build-7.example.org", &[("team", "ops")]),
            "https://push.example.org/some/path/metrics/job/opensoul/instance/build-7.example.org/team/ops?tenant=1"
        );
        assert_eq!(
            of("a/../b", &[("team", "Bücher")]),
            "https://push.example.org/some/path/metrics/job/opensoul/instance@base64/YS8uLi9i/team@base64/QsO8Y2hlcg?tenant=1"
        );
        assert!(of("..", &[]).contains("/instance@base64/Li4?"));
    }
}
