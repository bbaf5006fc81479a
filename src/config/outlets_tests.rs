use super::super::tests::{bad, good};
use super::*;

fn outlets(text: &str) -> Vec<Outlet> {
    good(&format!("[export]\n{text}")).outlets
}

fn names(text: &str) -> Vec<String> {
    outlets(text).iter().map(|one| format!("{} {}", one.way.word(), one.name)).collect()
}

#[test]
fn outlets_in_every_form() {
    assert_eq!(names("textfile = '/var/lib/x/opensoul.prom'"), ["textfile opensoul.prom"]);
    assert_eq!(names("pushgateway = 'https://push.org:9091'"), ["pushgateway push.org:9091"]);
    let write = "remote_write = ['https://a.org/api/v1/write', 'https://a.org/other', { env = 'WRITE_URL' }]";
    assert_eq!(names(write), ["remote-write a.org", "remote-write a.org-2", "remote-write WRITE_URL"]);
    let tables =
        "[[export.otlp]]\nurl = 'https://a.org/v1/metrics'\n[[export.otlp]]\nurl = 'http://127.0.0.1:4318/v1/metrics'";
    assert_eq!(names(tables), ["otlp a.org", "otlp 127.0.0.1:4318"]);
    let all = "pushgateway = { url = 'http://push.org', insecure = true, job = 'keys', instance = 'a/b', username = 'u', \
               password = { env = 'P' }, labels = { team = 'ops' }, headers = { x-scope-orgid = '1' } }";
    let found = outlets(all).remove(0);
    let Way::Http(Protocol::Pushgateway, server) = &found.way else { panic!("{found:?}") };
    assert_eq!((server.job.as_str(), server.instance.as_deref(), server.insecure), ("keys", Some("a/b"), true));
    assert_eq!((server.labels["team"].as_str(), server.headers.len()), ("ops", 1));
    assert_eq!(found.references(), [&SecretRef::Env("P".into())]);
}

#[test]
fn problems_of_outlets() {
    let server = "[export.remote_write]\nurl = 'https://a.org/write'\n";
    for (text, expected) in [
        ("[export]\ntextfile = '/var/lib/x/opensoul.txt'", "must end in .prom"),
        ("[export]\nremote_write = 'https://a.org'", "export.remote_write: has no path"),
        ("[export]\notlp = 'https://a.org/v1'", "does not end in /v1/metrics"),
        ("[export]\npushgateway = 'https://a.org/metrics/job/x'", "names a group already"),
        ("[export]\npushgateway = 'http://a.org'", "is not encrypted"),
        ("[export]\npushgatway = 'https://a.org'", "did you mean `pushgateway`?"),
        ("[export.remote_write]\njob = 'x'", "`url` is missing"),
        (&format!("{server}token = 'abc'"), "a secret is written here in the open"),
        (&format!("{server}job = ''"), "is empty or cannot be a label"),
        (&format!("{server}tken = {{ env = 'T' }}"), "did you mean `token`?"),
        (&format!("{server}labels = {{ instance = 'x' }}"), "labels.instance: is a key of its own"),
        (&format!("{server}labels = {{ severity = 'x' }}"), "is a label of our series"),
        (&format!("{server}labels = {{ __x = 'x' }}"), "is not the name of a label"),
        (&format!("{server}labels = {{ a = '' }}"), "is empty"),
    ] {
        let said = bad(text).join("\n");
        assert!(said.contains(expected), "{text}\n{said}");
    }
}

/// A label that a series of ours has and somebody sets besides would make two series one.
#[test]
fn our_labels_are_those_of_the_documented_metrics() {
    let documented = include_str!("../../docs/metrics.md");
    let cells = documented.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split(" | ").nth(2));
    for label in cells.flat_map(|cell| cell.split(", ")).map(|label| label.trim_matches('`')).filter(|l| !l.is_empty())
    {
        assert!(OURS.contains(&label), "{label}: add it to OURS");
    }
}
