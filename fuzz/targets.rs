//! Every parser of foreign data as a function of bytes: one list for `tests/it/fuzz.rs`, which runs it on stable in each test
//! run, and for `fuzz/fuzz_targets`, which a coverage-guided fuzzer runs (`cargo +nightly fuzz run <name>`).
//!
//! Each returns what people would get to see of its errors, findings and `Debug`, so that the caller can look for secrets in it.
//! A panic, a hang or an answer that is much larger than the question is a failure in both.

use std::fmt::{Debug, Write};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use opensoul::config;
use opensoul::domain::{Environment, FingerprintKey, Secret, Time, Zone};
use opensoul::formats::dates::Unit;
use opensoul::formats::shell_startup::Shell;
use opensoul::formats::systemd_unit::{self, Specifiers};
use opensoul::formats::{
    auth_store, bearer, config_document, dates, dotenv, gateway_config, ini, json, jwt, model_ref, provider_id,
    shell_startup, yaml,
};
use opensoul::providers::answer::Answer;
use opensoul::providers::catalog::{Catalog, PageFormat, StatusPage};
use opensoul::providers::{classify, status_page};
use opensoul::sources::{self, Scene};

/// A parser and its name, which is also that of its directory in `fuzz/corpus`.
pub type Target = (&'static str, fn(&[u8]) -> String);

/// All of them.
pub const TARGETS: [Target; 17] = [
    ("auth_store", auth_store),
    ("auth_legacy", auth_legacy),
    ("config_document", config_document),
    ("dates", dates),
    ("dotenv", dotenv),
    ("ini", ini),
    ("json", json),
    ("jwt", jwt),
    ("monitor_toml", monitor_toml),
    ("proc_environ", proc_environ),
    ("provider_answer", provider_answer),
    ("shell_startup", shell_startup),
    ("source_file", source_file),
    ("sqlite_file", sqlite_file),
    ("status_page", status_page),
    ("systemd_unit", systemd_unit),
    ("yaml", yaml),
];

/// Runs the parser of this name.
#[allow(dead_code, reason = "the fuzzer names one, the test runs all")]
pub fn run(name: &str, data: &[u8]) -> String {
    TARGETS.iter().find(|(target, _)| *target == name).map_or_else(String::new, |(_, parse)| parse(data))
}

/// Between the parts of an input that stands for several texts.
pub const CUT: &str = "\n%%\n";
/// Where `sqlite_file` puts its database; `sources::opensoul` reads it.
const DATABASE: &str = ".openclaw/agents/main/agent/openclaw-agent.sqlite";

fn now() -> Time {
    "2030-06-15T12:00:00Z".parse().unwrap_or_default()
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

fn said(what: impl Debug) -> String {
    format!("{what:?}")
}

/// `auth-profiles.json` of every version, and `store_json`, `state_json` of SQLite.
fn auth_store(data: &[u8]) -> String {
    let text = text(data);
    let (store, state) = text.split_once(CUT).unwrap_or((&text, ""));
    let mut parsed = match auth_store::parse(store) {
        Ok(parsed) => parsed,
        Err(broken) => return said(broken),
    };
    let state = auth_store::add_state(&mut parsed.store, state);
    for profile in &parsed.store.profiles {
        assert!(parsed.store.profile(&profile.id).is_some());
    }
    said((&parsed.damage, state))
}

/// `auth.json`, `oauth.json`, and the login of a tool that a gateway mirrors.
fn auth_legacy(data: &[u8]) -> String {
    let text = text(data);
    let mut store = auth_store::AuthStore::default();
    let mut out = said(auth_store::import_auth_json(&mut store, &text));
    out += &said(auth_store::import_oauth_json(&mut store, &text));
    let now = now().timestamp_millis() as f64;
    for (id, provider) in [("anthropic:claude-cli", "anthropic"), ("openai-codex:codex-cli", "openai-codex")] {
        auth_store::mirror_login(&mut store, id, provider, &text, now);
    }
    out
}

/// The gateway's config; each include is the text after the next [`CUT`].
fn config_document(data: &[u8]) -> String {
    let text = text(data);
    let mut parts = text.split(CUT);
    let first = parts.next().unwrap_or_default().to_owned();
    let mut load = |_: &Path| parts.next().map(str::to_owned).ok_or_else(|| "is not there".to_owned());
    let mut document = match config_document::read(Path::new("/home/x/opensoul.json"), first, &mut load) {
        Ok(document) => document,
        Err(problems) => return said(problems),
    };
    let missing = document.substitute(&|name| (name == "SET").then(|| "value".to_owned()));
    let _ = document.env_entries();
    let mut out = said(missing);
    for strict in [true, false] {
        let (config, problems) = gateway_config::interpret(&document, strict);
        let _ = (config.aliases(), config.default_agent().to_owned(), config.model_texts(None).len());
        let _ = write!(out, "{problems:?}");
    }
    out
}

fn dates(data: &[u8]) -> String {
    let text = text(data);
    let value = serde_json::from_str(&text).ok();
    let mut out = String::new();
    for unit in [Unit::Milliseconds, Unit::Seconds] {
        for date in [dates::from_text(&text, unit), dates::from_json(value.as_ref(), unit)] {
            out += date.remark().unwrap_or_default();
            assert!(date.at().is_none_or(|at| at.timestamp() > 0), "1970 or before");
        }
    }
    let _ = (model_ref::parse(&text), provider_id::normalize(&text), provider_id::of_url(&text));
    out
}

fn dotenv(data: &[u8]) -> String {
    let (assignments, odd) = dotenv::scan(&text(data));
    assert!(assignments.len() <= data.len() && odd.len() <= data.len() + 1);
    said(odd)
}

fn ini(data: &[u8]) -> String {
    said(ini::parse(&text(data)).len())
}

/// The JSON reader that remembers places.
fn json(data: &[u8]) -> String {
    let text = text(data);
    let _ = json::locate(&text, &["profiles", "a", "b"]);
    json::parse(&text).err().map(said).unwrap_or_default()
}

/// Every kind of token that says itself when it ends.
fn jwt(data: &[u8]) -> String {
    let secret = Secret::new(text(data));
    let _ = bearer::read(&secret);
    jwt::claims(&secret).map_or_else(String::new, |claims| said((claims.expires.remark(), claims.issued.remark())))
}

/// Our own configuration, with providers in the shape of the catalog.
fn monitor_toml(data: &[u8]) -> String {
    let mut env = Environment::default();
    env.set("HOME", "/home/x");
    match config::parse(&text(data), Some(Path::new("/home/x/monitor.toml")), &env, Zone::UTC) {
        Ok(config) => said(config),
        Err(problems) => config::report(&problems),
    }
}

/// `/proc/<pid>/environ` of the gateway.
fn proc_environ(data: &[u8]) -> String {
    said(opensoul::gateway::variables(data).keys().collect::<Vec<_>>())
}

/// An answer as it comes from the network: the status in two bytes, headers, an empty line, the body; read with the probe of
/// each provider in turn.
fn provider_answer(data: &[u8]) -> String {
    let (status, rest) = data.split_at(data.len().min(3));
    let status = std::str::from_utf8(status).ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let cut = rest.windows(2).position(|two| two == b"\n\n");
    let (head, body) = cut.map_or((&rest[..0], rest), |at| (&rest[..at], &rest[at + 2..]));
    let headers = text(head);
    let headers = headers.lines().filter_map(|line| line.split_once(':'));
    let answer = Answer {
        status,
        headers: headers.map(|(name, value)| (name.trim().to_lowercase(), value.to_owned())).collect(),
        body: body.to_vec(),
        complete: true,
    };
    let secret = Secret::new("sk-tell-nobody-0123456789".to_owned());
    let mut out = String::new();
    for probe in Catalog::get().rows().flat_map(|row| &row.probes) {
        let reading = classify::classify(&answer, probe, &secret, now());
        assert!(reading.verdict.detail.chars().count() < 1000, "words of a provider are short");
        out = said(&reading.verdict);
    }
    out
}

fn shell_startup(data: &[u8]) -> String {
    let text = text(data);
    let mut out = String::new();
    for shell in [Shell::Posix, Shell::Fish] {
        out += &said(shell_startup::exports(&text, shell).keys().collect::<Vec<_>>());
    }
    out
}

/// Everything that reads files, over a home with one file: its place in the first line, its content in the rest.
fn source_file(data: &[u8]) -> String {
    let Some(cut) = data.iter().position(|byte| *byte == b'\n') else { return String::new() };
    let Ok(place) = std::str::from_utf8(&data[..cut]) else { return String::new() };
    over_a_home(place, &data[cut + 1..])
}

/// A gateway's database: its bytes, or rows for an intact one.
fn sqlite_file(data: &[u8]) -> String {
    over_a_home(DATABASE, data)
}

fn over_a_home(place: &str, content: &[u8]) -> String {
    let place = Path::new(place);
    let inside = place.components().all(|part| matches!(part, Component::Normal(_)));
    if place.as_os_str().is_empty()
        || !inside
        || place.as_os_str().len() > 200
        || place.to_str().is_none_or(|p| p.contains('\0'))
    {
        return String::new();
    }
    let Ok(dir) = tempfile::tempdir() else { return String::new() };
    let path = dir.path().join(place);
    let made = path.parent().map(fs::create_dir_all).transpose().and_then(|_| fs::write(&path, content));
    if made.is_err() {
        return String::new();
    }
    let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o600));
    let mut env = Environment::default();
    env.set("HOME", dir.path().to_string_lossy());
    let litellm = [dir.path().join("proxy/config.yaml")];
    let dotenv = [dir.path().join("service/.env")];
    let secrets = [dir.path().join("secrets")];
    let harvest = sources::harvest(&Scene {
        env: &env,
        cwd: None,
        preferred: None,
        machine: None,
        env_is_source: true,
        dotenv: &dotenv,
        secrets: &secrets,
        litellm: &litellm,
        declared: &[],
        receivers: &[],
        chat: None,
        now: now(),
        key: &FingerprintKey::new(&[3; 32]),
    });
    let shown: Vec<_> = harvest.found.iter().map(|found| &found.credential).collect();
    said((shown, &harvest.findings, &harvest.reports))
}

fn status_page(data: &[u8]) -> String {
    let Some(body) = status_page::parse(data) else { return String::new() };
    let mut out = String::new();
    use PageFormat::{Aws, BetterStack, Google, Html, Instatus, Onlineornot, Slack, StatusIo, Statuspage};
    for format in [Statuspage, BetterStack, Instatus, Onlineornot, StatusIo, Google, Aws, Slack, Html] {
        for component in [None, Some("api".to_owned())] {
            let page = StatusPage { url: "https://status.example.org/".to_owned(), format, component };
            let read = said(status_page::read(&page, &body));
            assert!(read.chars().count() < 1000, "words of a page are short");
            out += &read;
        }
    }
    out
}

/// A unit, its drop-ins, and the file that it names.
fn systemd_unit(data: &[u8]) -> String {
    let text = text(data);
    let specifiers =
        Specifiers { home: "/home/x".to_owned(), user: "x".to_owned(), unit: "a@b.service".to_owned(), dirs: vec![] };
    let settings = systemd_unit::parse(text.split(CUT), &specifiers);
    let environment = systemd_unit::parse_environment_file(&text);
    let words = settings.exec_start.len() + settings.environment.len() + settings.environment_files.len();
    assert!(words + settings.unset.len() + environment.len() <= 2 * data.len() + 2);
    String::new()
}

fn yaml(data: &[u8]) -> String {
    yaml::parse(&text(data)).err().map(said).unwrap_or_default()
}
