use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::domain::{Severity, Span};
use crate::engine::policy::Rhythm;

fn env() -> Environment {
    [("HOME".to_owned(), "/home/a".to_owned())].into_iter().collect()
}

pub(super) fn good(text: &str) -> Config {
    parse(text, None, &env(), Zone::UTC).unwrap_or_else(|problems| panic!("{}", report(&problems)))
}

pub(super) fn bad(text: &str) -> Vec<String> {
    let problems = parse(text, Some(Path::new("m.toml")), &env(), Zone::UTC).expect_err("a problem");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_unit_that_has_a_directory_for_its_run_time_listens_there() {
    let mut env = env();
    env.set("RUNTIME_DIRECTORY", "/run/opensoul-ann:/run/other");
    let door = |text: &str| parse(text, None, &env, Zone::UTC).unwrap_or_else(|p| panic!("{}", report(&p))).web.listen;
    assert_eq!(door(""), Listen::Unix("/run/opensoul-ann/http.sock".into()));
    assert_eq!(door("[web]\nlisten = '127.0.0.1:9'"), Listen::Tcp("127.0.0.1:9".parse().unwrap()));
    assert_eq!(good("").web.listen, Listen::Tcp("127.0.0.1:10177".parse().unwrap()));
}

const FULL: &str = r#"
[schedule]
status = "5m"
probe = "0 */2 * * *"
zone = "Asia/Shanghai"
[sources]
env = true
dotenv = ["~/a/.env"]
secrets = ["~/mnt"]
litellm = ["~/proxy.yaml"]
[[declared]]
name = "ci"
provider = "anthropic"
expires = 2027-01-31
issued = "2026-01-31T00:00:00Z"
in_use = false
fix = "make one"
[providers.anthropic]
base_url = "https://proxy.example.org/"
[thresholds]
warn = "10d"
critical_share = 5
remind_critical = "2h"
digest_over = 3
[[receivers]]
name = "mail"
type = "email"
server = "smtp+starttls://mail.example.org:2525"
username = "monitor"
password = { file = "~/.secrets/smtp" }
from = "opensoul <monitor@example.org>"
to = ["ops@example.org", "Night <night@example.org>", "ops@example.org"]
[[receivers]]
name = "hook"
type = "webhook"
url = { env = "HOOK_URL" }
secret = [{ env = "NEW" }, { credential = "old" }]
headers = { X-Team = "ops", Authorization = { env = "AUTH" } }
send_resolved = false
[[routes]]
severity = ["critical"]
receivers = ["mail", "hook"]
continue = true
[[escalation]]
after = "30m"
receivers = ["hook"]
[[maintenance]]
schedule = "0 2 * * 0"
duration = "2h"
zone = "Europe/Berlin"
providers = ["anth*"]
matchers = ["severity!=critical", "credential=~codex:*"]
[quiet_hours]
from = "22:00"
to = "07:30"
[digest]
schedule = "daily"
receivers = ["mail"]
[web]
listen = "unix:/run/o.sock"
allowed_hosts = ["Status.example.org"]
[remote]
url = "https://Monitor.example.org/opensoul"
[export]
emails = true
[[export.alertmanager]]
url = ["https://am1.example.org:9093", { env = "AM2" }, "https://am1.example.org:9093/tenant"]
username = "us"
password = { file = "am" }
labels = { team = "ops" }
[[heartbeat]]
type = "uptime-kuma"
url = "https://kuma.example.org/api/push/abc"
[[heartbeat]]
type = "gatus"
name = "night watch"
url = "https://gatus.example.org/api/v1/endpoints/a_b/external"
token = { env = "GATUS" }
on_critical = "fail"
[history]
max_mb = 1
[identity]
host = "build-7"
key = { file = "fleet" }
"#;

#[test]
fn every_section_is_read() {
    let config = good(FULL);
    assert_eq!(config.status.rhythm, Rhythm::Every(Span::minutes(5)));
    assert_eq!(config.probe.as_ref().map(|probe| probe.zone), Some("Asia/Shanghai".parse().unwrap()));
    let litellm = vec!["/home/a/proxy.yaml".into()];
    assert_eq!(
        config.sources,
        Sources { env: true, dotenv: vec!["/home/a/a/.env".into()], litellm, secrets: vec!["/home/a/mnt".into()] }
    );
    assert_eq!(config.declared[0].expires.map(|t| t.to_rfc3339()).as_deref(), Some("2027-01-30T16:00:00+00:00"));
    assert_eq!(config.declared[0].in_use, Some(false));
    assert_eq!(config.providers["anthropic"].base_url.as_deref(), Some("https://proxy.example.org"));
    assert_eq!((config.thresholds.warn, config.thresholds.warn_long), (Span::days(10), Span::days(30)));
    assert_eq!(config.thresholds.critical_share, 5);
    assert_eq!((config.alerts.remind_critical_first, config.alerts.digest_over), (Span::hours(2), 3));
    assert_eq!(config.alerts.routes[0].severity, [Severity::Critical]);
    assert!(config.alerts.routes[0].proceed);
    assert_eq!(config.alerts.receivers.iter().map(|r| r.send_resolved).collect::<Vec<_>>(), [true, false]);
    let alerts = &config.alerts;
    assert_eq!(
        (alerts.escalation[0].after, &alerts.escalation[0].to.severity[..]),
        (Span::minutes(30), &[Severity::Critical][..])
    );
    assert_eq!(alerts.escalation[0].to.receivers, ["hook"]);
    let remote = config.remote.as_ref().expect("[remote]");
    assert_eq!((&*remote.url, &*remote.host), ("https://monitor.example.org/opensoul/", "monitor.example.org"));
    let window = &alerts.maintenance[0];
    assert_eq!(
        (window.name.as_str(), window.duration, &window.providers[..]),
        ("maintenance 1", Span::hours(2), &["anth*".to_owned()][..])
    );
    let matchers: Vec<String> = window.matchers.iter().map(ToString::to_string).collect();
    assert_eq!(matchers, ["severity!=critical", "credential=~codex:*"]);
    assert_eq!(window.schedule.zone, "Europe/Berlin".parse().unwrap());
    let quiet = alerts.quiet.unwrap();
    assert_eq!(
        (quiet.from.to_string(), quiet.to.to_string(), quiet.zone),
        ("22:00:00".into(), "07:30:00".into(), "Asia/Shanghai".parse().unwrap())
    );
    let report = alerts.report.as_ref().unwrap();
    assert_eq!((&report.schedule.rhythm, report.horizon), (&Rhythm::Cron("0 9 * * *".into()), Span::days(30)));
    assert_eq!(report.receivers, ["mail"]);
    let ReceiverKind::Email(mail) = &config.receivers[0].kind else { panic!("email") };
    assert_eq!((mail.security, mail.host.as_str(), mail.port), (SmtpSecurity::StartTls, "mail.example.org", 2525));
    assert_eq!(mail.password, Some(SecretRef::File("/home/a/.secrets/smtp".into())));
    assert_eq!(mail.to, ["ops@example.org", "Night <night@example.org>"]);
    let ReceiverKind::Webhook(hook) = &config.receivers[1].kind else { panic!("webhook") };
    assert_eq!(hook.secrets, [SecretRef::Env("NEW".into()), SecretRef::Credential("old".into())]);
    assert_eq!(hook.headers.len(), 2);
    assert_eq!(config.web.listen, Listen::Unix("/run/o.sock".into()));
    assert_eq!(config.web.allowed_hosts, ["status.example.org"]);
    assert!(config.export_emails);
    let names: Vec<&str> = config.alertmanagers[0].peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["am1.example.org:9093", "AM2", "am1.example.org:9093-2"]);
    assert_eq!(config.alertmanagers[0].login, Some(Login::Basic("us".into(), SecretRef::File("am".into()))));
    assert_eq!(config.alertmanagers[0].labels["team"], "ops");
    let beats = config.heartbeats.iter().map(|one| (one.name.as_str(), one.kind, one.fail_on_critical));
    let expected = [("uptime-kuma", HeartbeatKind::UptimeKuma, false), ("night watch", HeartbeatKind::Gatus, true)];
    assert_eq!(beats.collect::<Vec<_>>(), expected);
    assert_eq!(config.history.max_bytes, 1024 * 1024);
    assert_eq!(config.identity.key, Some(SecretRef::File("fleet".into())));
}

#[test]
fn nothing_written_means_the_defaults() {
    let config = good("");
    assert_eq!(config.status.rhythm, Rhythm::Cron("*/5 * * * *".into()));
    assert_eq!(config.thresholds, Thresholds::default());
    assert_eq!(config.alerts, AlertPolicy::default());
    assert!(config.web.enabled && config.receivers.is_empty() && !config.export_emails);
    let phone = [("TERMUX_VERSION".to_owned(), "0.118".to_owned())].into_iter().collect();
    assert!(!parse("", None, &phone, Zone::UTC).expect("defaults").web.enabled);
}

/// One wrong thing each, and what is said about it.
#[test]
fn each_problem_has_its_place_and_remedy() {
    const MAIL: &str = "[[receivers]]\nname='m'\ntype='email'\nfrom='a@b.org'\nto=['c@d.org']\n";
    const HOOK: &str = "[[receivers]]\nname='h'\ntype='webhook'\n";
    let cases: Vec<(String, &str)> = [
        ("", "[schedul]\n", "m.toml:1:2 schedul: unknown key — did you mean `schedule`?"),
        ("", "[schedule]\nstats = '5m'", "m.toml:2:1 schedule.stats: unknown key — did you mean `status`?"),
        ("", "[schedule]\nxyzzy = 1", "unknown key — remove it; known here: zone, status, probe"),
        ("", "[schedule]\nstatus = 5", "m.toml:2:1 schedule.status: expected a string, found an integer"),
        ("", "[schedule]\nstatus = '99 * * * *'", "nor a cron pattern"),
        ("", "[schedule]\nzone = 'Asia/Shangai'", "did you mean \"Asia/Shanghai\"?"),
        ("", "schedule = 1", "m.toml:1:1 schedule: expected a table"),
        ("", "[probe]\nundocumentd = true", "probe.undocumentd: unknown key — did you mean `undocumented`?"),
        ("", "[probe]\nconcurrency = 65", "probe.concurrency: is out of range"),
        ("", "[probe]\ntimeout = '1h'", "probe.timeout: is not a span of time up to ten minutes"),
        ("", "[probe]\npaid = true", "a schedule never spends anything"),
        ("", "[providers.x]\ncompatible = 'openai'", "providers.x: `base_url` is missing"),
        ("", "[providers.x]\nbase_url = 'https://x.org'\ncompatible = 'opnai'", "providers.x.compatible: is none of"),
        (
            "",
            "[providers.x]\nbase_url = 'https://x.org'\n[providers.x.probe]\n",
            "providers.x.probe: `path` is missing",
        ),
        (
            "",
            "[providers.x]\nbase_url = 'https://x.org'\nprobe = {path='/a'}",
            "an answer of any shape would be believed",
        ),
        (
            "",
            "[providers.x]\nbase_url = 'https://x.org'\nprobe = {path='/a',expect=['data']}",
            "not written as a JSON pointer",
        ),
        (
            "",
            "[providers.x]\nbase_url = 'https://x.org'\nprobe = {path='/a',expect=['/d'],says=[{txt='expired'}]}",
            "probe.says[1]: cannot be read",
        ),
        (
            "",
            "[providers.x]\nbase_url = 'https://x.org'\nprobe = {path='/a',expect=['/d'],auth='x y'}",
            "is not the name of a header",
        ),
        ("", "[remote]\n", "`url` is missing"),
        ("", "[remote]\nurl='http://monitor.example.org'\n", "remote.url"),
        ("", "[remote]\nurl='https://ann:pw@monitor.example.org'\n", "contains a login"),
        ("", "[remote]\nurl='https://monitor.example.org/?a=b'\n", "has a query or a fragment"),
        ("", "[remote]\nurl='https://169.254.169.254/'\n", "link-local"),
        ("", "[remote]\nurl='https://x.org'\n[web]\nenabled=false\n", "leads to a page that is switched off"),
        ("", "[schedule]\nself_test='1h'\n", "is not a span of a day or more"),
        ("", "[quiet_hours]\nfrom='22:00'\n", "`to` is missing"),
        ("", "[quiet_hours]\nfrom='25:00'\nto='7:00'\n", "quiet_hours.from: `25:00` is not a time of day"),
        ("", "[quiet_hours]\nfrom='07:00'\nto='07:00'\n", "begins when it ends"),
        ("", "[[escalation]]\nafter='soon'\nreceivers=['hook']\n", "is not a span of time"),
        ("", "[[escalation]]\nafter='30m'\n", "goes to no receiver"),
        ("", "[[escalation]]\nafter='30m'\nreceivers=['hooks']\n", "there is no receiver `hooks`"),
        ("", "[[escalation]]\nafter='30m'\nreceivers=['hook']\nseverity=['high']\n", "is not a severity"),
        ("", "[[maintenance]]\nduration='2h'\n", "`schedule` is missing"),
        ("", "[[maintenance]]\nschedule='5m'\nduration='2h'\n", "is an interval"),
        ("", "[[maintenance]]\nschedule='0 2 * * 0'\n", "`duration` is missing"),
        ("", "[[maintenance]]\nschedule='0 2 * * 0'\nduration='2h'\nzone='Mars'\n", "is not the name of a time zone"),
        (
            "",
            "[[maintenance]]\nschedule='0 2 * * 0'\nduration='2h'\nmatchers=['provider']\n",
            "maintenance[1].matchers[1]: \"provider\" is not a condition",
        ),
        ("", "[digest]\nschedule='monthly'\n", "neither an interval"),
        ("", "[digest]\nreceivers=['nobody']\n", "there is no receiver `nobody`"),
        ("", "[digest]\nhorizon='soon'\n", "is not a span of time"),
        ("", "[declared]\nname='x'", "write [[declared]] with two brackets"),
        ("", "[[web]]\n", "write [web], once"),
        ("", "[[declared]]\nname='x'\nprovider='p'\nexpires=1", "declared[1].expires: expected a date"),
        ("", "[[declared]]\nname='x'\nprovider='p'\nexpires='soon'", "is not a date"),
        (
            "",
            "[[declared]]\nname='x'\nprovider='p'\nexpires=2026-01-01\nissued=2026-02-01",
            "ends before it was issued",
        ),
        ("", "[[declared]]\nname='x'", "declared[1]: `provider` is missing"),
        (
            "",
            "[[declared]]\nname='x'\nprovider='p'\n[[declared]]\nname='x'\nprovider='q'",
            "m.toml:5:1 declared[2].name: `x` exists already",
        ),
        ("", "[providers.a]\nbase_url='http://a.org'", "providers.a.base_url: is not encrypted"),
        (
            "",
            "[providers.a]\nbase_url='https://169.254.169.254/v1'",
            "m.toml:2:1 providers.a.base_url: names a link-local",
        ),
        (
            "",
            "[providers.a]\nbase_url='http://[fe80::1]:80'\ninsecure=true",
            "providers.a.base_url: names a link-local or metadata address, to which nothing is ever sent",
        ),
        ("", "[providers.a]\nbase_url='https://metadata.google.internal'", "providers.a.base_url: names a link-local"),
        ("", "[providers.a]\nstatus_page='https://169.254.1.1/s'", "providers.a.status_page: names a link-local"),
        ("", "[providers.a]\nbase_url='https://a.org/v1?key=k'", "providers.a.base_url: has a query"),
        ("", "[thresholds]\nwarn='0d'", "is not a span of time"),
        ("", "[thresholds]\nwarn='1d'\ncritical='2d'", "`critical` is longer than `warn`"),
        ("", "[thresholds]\nwarn_share=0", "is out of range — write a whole number from 1 to 1000"),
        ("", "[web]\nlisten='0.0.0.0:10177'", "is beyond loopback"),
        ("", "[web]\nlisten='[::]:10177'", "is beyond loopback"),
        ("", "[web]\nlisten='10177'", "is not an address to listen on"),
        ("", "[web]\nenabled='yes'", "expected true or false, found a string"),
        ("", "[identity]\nkey='0123'", "a secret is written here in the open"),
        ("", "[identity]\nkey={ evn = 'X' }", "did you mean `env`?"),
        ("", "[identity]\nkey={ env = 'X', file = 'y' }", "a reference names one place"),
        ("", "[identity]\nkey={}", "a reference names one place"),
        ("", "[identity]\nkey={ env = 'sk-1' }", "is not the name of a variable"),
        ("", "[identity]\nkey={ credential = '../x' }", "is not the name of a systemd credential"),
        ("", "[[receivers]]\nname='x'\ntype='mail'", "did you mean \"email\"?"),
        ("", "[[receivers]]\nname='x'\ntype='carrier pigeon'", "there are email, webhook, bark"),
        ("", "[[receivers]]\nname='x'\ntype='telegrm'", "did you mean \"telegram\"?"),
        ("", "[[receivers]]\nname='x'\ntype='telegram'\nchat='-1'", "`token` is missing"),
        ("", "[[receivers]]\nname='x'\ntype='telegram'\ntoken={ env = 'T' }\nchat='me'", "is not the id of a chat"),
        (
            "",
            "[[receivers]]\nname='x'\ntype='telegram'\ntoken='123:abc'\nchat='1'",
            "a secret is written here in the open",
        ),
        (
            "",
            "[[receivers]]\nname='x'\ntype='feishu'\nurl='https://open.feishu.cn/open-apis/bot/v2/hook/x'",
            "holds the right to send",
        ),
        (
            "",
            "[[receivers]]\nname='x'\ntype='pagerduty'\nrouting_key={ env = 'K' }\nregion='mars'",
            "write one of \"us\", \"eu\"",
        ),
        ("", "[[receivers]]\nname='x'\ntype='slack'", "says neither where nor who"),
        ("", "[[receivers]]\nname='x'\ntype='slack'\ntoken={ env = 'K' }", "needs a channel"),
        ("", "[[receivers]]\nname='x'\ntype='ntfy'\ntopic='a b'", "is not a topic of ntfy"),
        ("", "[[receivers]]\nname='x'\ntype='exec'\nargv=['page-me']", "full path of a program"),
        (
            "",
            "[[receivers]]\nname='x'\ntype='matrix'\nurl='https://m.org'\ntoken={ env = 'T' }\nroom='#ops:m.org'",
            "is not the id of a room",
        ),
        ("", "[[receivers]]\nname='x'\ntype='bark'\nkey={ env = 'K' }\nlang='tlh'", "is not a language of ours"),
        ("", "[[receivers]]\nname='x'\ntype='bark'\nkey={ env = 'K' }\nloudd=true", "did you mean `loud`?"),
        ("", "[[receivers]]\nname='x'", "`type` is missing"),
        (MAIL, "", "`server` is missing"),
        (MAIL, "server='mail.example.org'", "is not the URL of a mail server"),
        (MAIL, "server='smtps://u:p@x.org'", "contains a login"),
        (MAIL, "server='smtps://x.org/path'", "has more than a host and a port"),
        (MAIL, "server='smtps://x.org'\nusername='u'", "has no password"),
        (MAIL, "server='smtps://x.org'\npassword={env='X'}", "has no `username`"),
        (MAIL, "server='smtps://x.org'\nusername='u'\npassword='hunter2'", "a secret is written here in the open"),
        (MAIL, "server='smtp://x.org'\nusername='u'\npassword={env='X'}", "without encryption"),
        (MAIL, "server='smtps://x.org'\nauth='xoauth2'", "xoauth2 needs a login"),
        (MAIL, "server='smtps://x.org'\nauth='magic'", "is not a way to log in"),
        ("", "[[receivers]]\nname='m'\ntype='email'\nserver='smtps://x.org'\nfrom='a b'\nto=[]", "names nobody"),
        (
            "",
            "[[receivers]]\nname='m'\ntype='email'\nserver='smtps://x.org'\nfrom='a b'\nto='x@y.org'",
            "is not a mail address",
        ),
        (HOOK, "", "`url` is missing"),
        (HOOK, "url='http://x.org'", "is not encrypted"),
        (HOOK, "url='https://u:hunter2@x.org'", "contains a login"),
        (HOOK, "url='https://x.org'\nsecret='hunter2'", "a secret is written here in the open"),
        (
            HOOK,
            "url='https://x.org'\nheaders={ Authorization = 'Bearer hunter2' }",
            "a secret is written here in the open",
        ),
        (HOOK, "url='https://x.org'\nheaders={ webhook-id = 'x' }", "is set by us"),
        (HOOK, "url='https://x.org'\nbody='xml'", "is not a form of body"),
        (HOOK, "url='https://x.org'\nbody={ path='x' }", "`template` is missing"),
        (HOOK, "url='https://x.org'\ntemplate={ text='x' }", "write body = { template"),
        ("", "[[receivers]]\nname='x'\ntype='ntfy'\ntopic='x'\ntemplate={ html='x' }", "html"),
        ("", "[[receivers]]\nname='x'\ntype='ntfy'\ntopic='x'\ntemplate={ text='' }", "has no path"),
        ("", "[[receivers]]\nname='x'\ntype='journal'\ntemplate={ text='x' }", "messages are for programs"),
        ("[actions]\n", "runbook_url='https://x.org/{alert}'", "other holes"),
        ("[actions]\n", "runbook_url='wiki'", "is not a URL"),
        ("[actions]\n", "runbook='https://x.org'", "unknown key"),
        ("[doctor]\n", "skip=['gateway.no-lingr']", "did you mean \"gateway.no-linger\"?"),
        ("[doctor]\n", "skip=['zzz']", "is no check of the doctor"),
        ("[doctor]\n", "severity={ 'gateway.no-linger' = 'none' }", "is not a severity"),
        ("[doctor]\n", "severity={ gateway.no-lingr = 'info' }", "did you mean \"gateway.no-linger\"?"),
        ("[doctor]\n", "severty={}", "did you mean `severity`?"),
        (HOOK, "url='https://x.org'\nheaders={ x = \"a\\nb\" }", "has characters that a header cannot carry"),
        ("", "[[routes]]\nreceivers=['x']", "add [[receivers]] first"),
        (HOOK, "url='https://x.org'\n[[routes]]\nreceivers=['x']", "there is no receiver `x` — there are: h"),
        (HOOK, "url='https://x.org'\n[[routes]]\nseverity=['bad']\nreceivers=['h']", "is not a severity"),
        (HOOK, "url='https://x.org'\n[[routes]]\nreceivers=[]", "goes to no receiver"),
        ("", "[schedule\n", "m.toml:1:10: is not TOML"),
        ("", "password = hunter2", "is not TOML"),
        ("", "a = 1\na = 2", "is not TOML: duplicate key"),
    ]
    .into_iter()
    .map(|(before, text, expected)| (format!("{before}{text}"), expected))
    .collect();
    for (text, expected) in cases {
        let problems = bad(&text);
        assert!(problems.iter().any(|p| p.contains(expected)), "{text}\n  expected: {expected}\n  got: {problems:#?}");
        assert!(!problems.iter().any(|p| p.contains("hunter2")), "{problems:#?}");
        assert!(problems.iter().all(|p| p.starts_with("m.toml:") && p.contains(" — ")), "{problems:#?}");
    }
}

#[test]
fn a_date_that_does_not_exist_hides_nothing() {
    let problems = bad(
        "[[declared]]\nname='x'\nprovider='y'\nexpires = 2026-13-40\n[web]\nlisten = 3\n[schedule]\nstatus = '*/61 * * * *'\n\
         [quiet_hours]\nfrom = 25:00:00\nto = '07:00'",
    );
    let [date, listen, step, time] = &problems[..] else { panic!("{problems:#?}") };
    assert!(date.starts_with("m.toml:4:") && date.contains("invalid date") && date.contains("2026-12-31"), "{date}");
    assert!(listen.starts_with("m.toml:6:"), "{listen}");
    assert!(step.starts_with("m.toml:8:") && step.contains("minutes (60)") && step.contains("90m"), "{step}");
    assert!(time.starts_with("m.toml:10:") && time.contains("invalid time"), "{time}");
    // Of a text that is no TOML besides, the rest means nothing.
    assert_eq!(bad("a = 2026-13-40\n[b\nc = 5").len(), 2);
}

#[test]
fn a_good_neighbour_is_not_called_wrong() {
    // The receiver has a problem of its own; the route to it is right.
    let problems = bad("[[receivers]]\nname='m'\ntype='webhook'\nurl='x'\n[[routes]]\nreceivers=['m']");
    assert_eq!(problems.len(), 1, "{problems:#?}");
}

#[test]
fn declarations_about_what_was_found() {
    let config = good(
        "[[declared]]\nfor = 'env:T'\nexpires = 2027-01-31\nas_of = 2026-01-31T12:00:00Z\n[thresholds]\nmax_age='off'",
    );
    let one = &config.declared[0];
    assert_eq!((one.name.as_str(), one.provider.as_str(), one.in_use), ("env:T", "", None));
    assert_eq!(one.about.as_ref().map(|id| id.as_str()), Some("env:T"));
    assert!(one.expires.is_some() && one.as_of.is_some() && config.thresholds.max_age.is_none());
    for (text, expected) in [
        ("for='nonsense'\nexpires=2027-01-31", "is not the id of a credential"),
        ("for='env:T'", "says nothing about the credential"),
        ("for='env:T'\nin_use=false\n[[declared]]\nfor='env:T'\nin_use=true", "exists already"),
        ("name='x'", "`provider` is missing"),
        ("provider='x'", "`name` is missing"),
        ("for='env:T'\nin_use=false\n[providers.x]\nmax_age='soon'", "is not a span of time"),
    ] {
        let problems = bad(&format!("[[declared]]\n{text}"));
        assert!(problems.len() == 1 && problems[0].contains(expected), "{text}: {problems:#?}");
    }
}

#[test]
fn all_problems_at_once_in_the_order_of_the_file() {
    let problems = bad("[web]\nlisten='0.0.0.0:1'\nx=1\n[schedule]\nzone='Mars'\nstatus='1 2 3'\n[escalation]\n");
    let lines: Vec<&str> = problems.iter().map(|p| p.split(':').nth(1).unwrap_or("")).collect();
    assert_eq!(lines, ["2", "3", "5", "6", "7"]);
}

#[test]
fn what_strangers_can_read_is_known_as_far_as_it_can_be_seen() {
    let public = |receiver: &str| {
        let text = format!("[[receivers]]\nname='x'\n{receiver}\n");
        good(&text).receivers[0].is_public()
    };
    for (receiver, expected) in [
        ("type='ntfy'\ntopic='t'", true),
        ("type='ntfy'\ntopic='t'\nurl='https://ntfy.example.org'", true),
        ("type='ntfy'\ntopic='t'\ntoken={ env = 'T' }", true),
        ("type='ntfy'\ntopic='t'\nurl='https://ntfy.sh/'\ntoken={ env = 'T' }", true),
        ("type='ntfy'\ntopic='t'\nurl='https://ntfy.example.org'\ntoken={ env = 'T' }", false),
        ("type='telegram'\nchat='@status'\ntoken={ env = 'T' }", true),
        ("type='telegram'\nchat='-100123'\ntoken={ env = 'T' }", false),
        ("type='webhook'\nurl='https://hooks.example.org/x'", false),
    ] {
        assert_eq!(public(receiver), expected, "{receiver}");
    }
}

#[test]
fn tests_of_receivers_are_asked_for() {
    assert_eq!(good("").alerts.self_test, None);
    assert_eq!(good("[schedule]\nself_test='off'\n").alerts.self_test, None);
    assert_eq!(good("[schedule]\nself_test='7d'\n").alerts.self_test, Some(Span::days(7)));
    let pager = "[[receivers]]\nname='x'\ntype='pagerduty'\nrouting_key={ env = 'K' }\n";
    assert!(!good(pager).alerts.receivers[0].testable, "a test would wake somebody up");
}

/// The lines of the template that are settings, with their comment signs taken away.
fn uncommented() -> String {
    let setting =
        |line: &&str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    TEMPLATE.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).filter(setting).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_template_shows_the_defaults_and_only_keys_that_exist() {
    let written = good(TEMPLATE);
    let plain = good("");
    assert_eq!(format!("{written:?}"), format!("{plain:?}"));
    let text = uncommented();
    let config = good(&text);
    assert_eq!((config.receivers.len(), config.alerts.routes.len(), config.declared.len()), (3, 1, 2), "{text}");
    assert_eq!((config.alertmanagers.len(), config.heartbeats.len(), config.outlets.len()), (1, 2, 4), "{text}");
    // What it says the defaults are is what they are.
    assert_eq!((&config.thresholds, config.history.max_bytes), (&plain.thresholds, plain.history.max_bytes));
    let rhythm = |config: &Config| config.probe.as_ref().map(|probe| probe.rhythm.clone());
    assert_eq!((&config.status.rhythm, rhythm(&config)), (&plain.status.rhythm, rhythm(&plain)));
    let off = good("[schedule]\nprobe = \"off\"");
    assert_eq!(off.probe, None);
    assert_eq!(config.alerts.remind_daily, plain.alerts.remind_daily);
    // A file of users has no default: it is an example.
    assert!(config.web.file.is_some());
    let web = Web { file: None, ..config.web };
    assert_eq!((web, config.export_emails), (plain.web, plain.export_emails));
}

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("directory"))
    }
    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(&path, text).expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        path
    }
    fn env(&self) -> Environment {
        [("HOME".to_owned(), self.0.path().to_string_lossy().into_owned())].into_iter().collect()
    }
    fn problems(&self, path: Option<&Path>) -> String {
        report(&load(path, &self.env()).expect_err("a problem"))
    }
}

#[test]
fn an_absent_file_is_only_a_problem_if_somebody_named_it() {
    let home = Home::new();
    let usual = locate(&home.env(), None).config;
    assert_eq!(load(None, &home.env()).expect("defaults").path, None);
    assert_eq!(load(Some(&usual), &home.env()).expect("defaults").path, None);
    assert!(home.problems(Some(Path::new("/nonexistent/m.toml"))).contains("opensoul monitor init"));
    let mut env = home.env();
    env.set("OPENSOUL_MONITOR_CONFIG", "/nonexistent/m.toml");
    assert!(load(None, &env).is_err());
    let path = home.write(".config/opensoul/monitor.toml", "", 0o600);
    assert_eq!(load(None, &home.env()).expect("empty").path, Some(path));
}

#[test]
fn a_file_that_others_can_write_is_refused_with_all_its_other_problems() {
    let home = Home::new();
    let path = home.write("m.toml", "x = 1\n[identity]\nkey = { file = 'none' }\n", 0o666);
    let text = home.problems(Some(&path));
    assert!(text.contains("can be written by others") && text.contains("chmod go-w"), "{text}");
    assert!(text.contains("1:1 x: unknown key"), "{text}");
    assert!(text.contains("3:1 identity.key: ") && text.contains("no such file"), "{text}");
}

#[test]
fn secret_files_are_private() {
    let home = Home::new();
    home.write("secret", "s", 0o644);
    let path = home.write("m.toml", "[identity]\nkey = { file = 'secret' }\n", 0o600);
    assert!(home.problems(Some(&path)).contains("can be read by others"));
    home.write("secret", "s", 0o600);
    let config = load(Some(&path), &home.env()).expect("good");
    assert_eq!(config.identity.key, Some(SecretRef::File(home.0.path().join("secret"))));
}

#[test]
fn what_is_not_a_configuration_file() {
    let home = Home::new();
    assert!(home.problems(Some(home.0.path())).contains("not a file"));
    let path = home.write("m.toml", "", 0o600);
    std::fs::write(&path, [0xff, 0xfe, 0]).expect("write");
    assert!(home.problems(Some(&path)).contains("UTF-8"));
    std::fs::write(&path, vec![b'#'; 2 * 1024 * 1024]).expect("write");
    assert!(home.problems(Some(&path)).contains("1 MiB"));
}

#[test]
fn alertmanagers_in_every_form() {
    let names = |text: &str| {
        let clusters = good(&format!("[export]\n{text}")).alertmanagers;
        let of =
            |cluster: &Alertmanager| cluster.peers.iter().map(|peer| peer.name.clone()).collect::<Vec<_>>().join(" ");
        clusters.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(names("alertmanager = 'https://a.org'"), ["a.org"]);
    assert_eq!(names("alertmanager = ['https://a.org:9093', 'http://127.0.0.1:9093']"), ["a.org:9093 127.0.0.1:9093"]);
    assert_eq!(names("alertmanager = ['https://a.org', { file = '/run/am-url' }]"), ["a.org am-url"]);
    assert_eq!(names("alertmanager = { env = 'AM' }"), ["AM"]);
    assert_eq!(names("alertmanager = { url = 'https://a.org' }"), ["a.org"]);
    let two = "[[export.alertmanager]]\nurl = 'https://a.org'\nheaders = { x-scope-orgid = '1' }\n\
               [[export.alertmanager]]\nurl = 'https://a.org'\nheaders = { x-scope-orgid = '2' }";
    assert_eq!(names(two), ["a.org", "a.org-2"]);
}

#[test]
fn problems_of_pushes() {
    let cluster = "[[export.alertmanager]]\nurl = 'https://a.org'\n";
    let beat = "[[heartbeat]]\nurl = 'https://hc-ping.com/x'\n";
    for (start, text, expected) in [
        ("[export]\n", "alertmanager = []", "names no Alertmanager"),
        ("[export]\n", "alertmanager = 5", "expected a URL, found an integer"),
        ("[export]\n", "alertmanager = ['http://a.org']", "export.alertmanager[1]: is not encrypted"),
        ("[export]\n", "alertmanager = ['https://a.org', 'https://a.org']", "export.alertmanager[2]: is there already"),
        ("[export]\n", "alertmanger = 'https://a.org'", "did you mean `alertmanager`?"),
        ("[[export.alertmanager]]\n", "insecure = true", "`url` is missing"),
        (cluster, "token = 'abc'", "export.alertmanager[1].token: a secret is written here in the open"),
        (cluster, "username = 'a'", "has no password"),
        (cluster, "password = { env = 'P' }", "has no `username`"),
        (cluster, "tokn = { env = 'P' }", "did you mean `token`?"),
        (
            cluster,
            "token = { env = 'T' }\nusername = 'a'\npassword = { env = 'P' }",
            "is one login, `username` another",
        ),
        (cluster, "labels = { 'a-b' = 'x' }", "is not the name of a label"),
        (cluster, "labels = { severity = 'x' }", "labels.severity: is set by us"),
        (cluster, "labels = { a = '' }", "is empty"),
        (beat, "type = 'healthcheck'", "did you mean \"healthchecks\"?"),
        (beat, "type = 'dead'", "there are healthchecks, uptime-kuma, gatus"),
        (beat, "", "`type` is missing"),
        (beat, "type = 'healthchecks'\non_critical = 'panic'", "is no answer to a critical"),
        (beat, "type = 'healthchecks'\ntoken = { env = 'T' }", "heartbeat[1].token: unknown key"),
        (beat, "type = 'uptime-kuma'", "is not the push URL of a monitor"),
        (beat, "type = 'gatus'\ntoken = { env = 'T' }", "is not the URL of an external endpoint"),
        (
            "",
            "[heartbeat]\ntype = 'healthchecks'\nurl = 'https://hc-ping.com/x/fail'",
            "says already what a ping is to say",
        ),
        ("", "[heartbeat]\ntype = 'healthchecks'\nurl = 'https://hc-ping.com'", "names no check"),
        ("", "[heartbeat]\ntype = 'healthchecks'", "heartbeat: `url` is missing"),
        ("", "[heartbeat]\ntype='gatus'\nurl='https://g.org/api/v1/endpoints/a_b/external'", "`token` is missing"),
        (
            beat,
            "type = 'healthchecks'\n[[heartbeat]]\ntype = 'healthchecks'\nurl = 'https://hc-ping.com/y'",
            "there is a healthchecks already",
        ),
    ] {
        let problems = bad(&format!("{start}{text}"));
        assert!(problems.len() == 1 && problems[0].contains(expected), "{start}{text}: {problems:#?}");
    }
    let told = bad("[heartbeat]\ntype = 'uptime-kuma'\nurl = 'https://kuma.org/hidden-token'").concat();
    assert!(!told.contains("hidden-token"), "{told}");
}

proptest! {
    /// No text makes us panic, and whatever is wrong has a place and a remedy.
    #[test]
    fn no_text_makes_it_panic(text in "([\\[\\]{}='\"#.,\\n a-z0-9_é-]|\\[\\[receivers\\]\\]\\n|name = |type = 'email'\\n){0,60}") {
        if let Err(problems) = parse(&text, None, &env(), Zone::UTC) {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|p| p.place.line.is_some() && !p.fix.is_empty()));
        }
    }
}

#[test]
fn providers_and_probing() {
    let config = good(
        "[probe]\nundocumented = true\nconcurrency = 64\nper_host = 4\ntimeout = '3s'\nper_day = 10\nstatus_pages = false\n\
         [providers.mine]\nbase_url = 'https://x.org/v1/'\ncompatible = 'anthropic'\n\
         [providers.other]\nbase_url = 'https://y.org'\n\
         probe = { path = '/me', method = 'post', auth = 'authorization: Token', expect = ['/ok'], \
         kinds = ['oauth'], statuses = { 498 = 'revoked' }, dead = [{ at = '/ok', is = false, verdict = 'rejected', says = 'no' }] }",
    );
    let probing = &config.probing;
    assert!(probing.undocumented && !probing.status_pages);
    assert_eq!((probing.concurrency, probing.per_host, probing.per_day), (64, 4, 10));
    assert_eq!(probing.timeout, std::time::Duration::from_secs(3));
    assert_eq!(config.providers["mine"].base_url.as_deref(), Some("https://x.org/v1"));
    let probe = config.providers["other"].probe.clone().unwrap();
    assert!(probe.control && probe.documented && probe.dead.len() == 1 && probe.statuses.len() == 1);
    assert_eq!(probe.kinds, [crate::domain::Kind::Oauth]);
    assert_eq!(good("").probing, Probing::default());
}

#[test]
fn beyond_loopback_with_a_file_or_on_ones_own_word() {
    for (more, url) in [("config = 'web.yml'", "http://0.0.0.0:10177/"), ("insecure = true", "http://0.0.0.0:10177/")] {
        let config = good(&format!("[web]\nlisten = '0.0.0.0:10177'\n{more}\n"));
        assert_eq!(config.web.url().as_deref(), Some(url), "{more}");
    }
}

#[test]
fn wishes_about_checks() {
    let doctor = good("[doctor]\nskip=['path', 'gateway.no-linger']\n[doctor.severity]\nstate='critical'\ngateway.down='info'\n'own.state-permissions'='warning'").doctor;
    assert_eq!(doctor.skip, ["path", "gateway.no-linger"]);
    let severities: Vec<(&str, &str)> =
        doctor.severity.iter().map(|(id, severity)| (id.as_str(), severity.word())).collect();
    assert_eq!(severities, [("gateway.down", "info"), ("own.state-permissions", "warning"), ("state", "critical")]);
}
