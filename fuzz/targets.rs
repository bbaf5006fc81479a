//! Every parser of foreign data as a function of bytes: one list for `tests/it/fuzz.rs`, which runs it on stable in each test
//! run, and for `fuzz/fuzz_targets`, which a coverage-guided fuzzer runs (`cargo +nightly fuzz run <name>`).
//!
//! Each returns what people would get to see of its errors, findings and `Debug`, so that the caller can look for secrets in it.
//! A panic, a hang or an answer that is much larger than the question is a failure in both.

use std::fmt::{Debug, Write};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use opensoul::chat::command::{self, Command};
use opensoul::chat::telegram::{api, update};
use opensoul::config::channels::CHANNELS;
use opensoul::config::{self, web_file};
use opensoul::domain::{
    Attempt, Environment, FingerprintKey, IncidentId, Item, ItemStatus, LinkKey, Notification, NotificationId,
    NotificationKind, Outcome, Progress, Secret, Severity, Time, Zone,
};
use opensoul::engine::due;
use opensoul::engine::policy::Schedule;
use opensoul::formats::auth_store::ProfileType;
use opensoul::formats::auth_store_edit::NewProfile;
use opensoul::formats::config_edit::ModelEdit;
use opensoul::formats::dates::Unit;
use opensoul::formats::shell_startup::Shell;
use opensoul::formats::systemd_unit::{self, Specifiers};
use opensoul::formats::{
    auth_store, auth_store_edit, bearer, bounded_json, config_document, config_edit, dates, dotenv, dotenv_edit,
    gateway_config, ini, json, json5, jwt, keyring_answer, model_ref, netrc, order_prune, pasted, plist, proc_text,
    provider_id, secret_shape, sessions, shell_startup, yaml,
};
use opensoul::net::{self, redact};
use opensoul::notify;
use opensoul::output::status;
use opensoul::providers::answer::Answer;
use opensoul::providers::catalog::{Catalog, PageFormat, StatusPage};
use opensoul::providers::{classify, status_page};
use opensoul::remote::Destination;
use opensoul::sources::{self, Scene};

/// A parser and its name, which is also that of its directory in `fuzz/corpus`.
pub type Target = (&'static str, fn(&[u8]) -> String);

/// All of them.
pub const TARGETS: [Target; 32] = [
    ("auth_store", auth_store),
    ("auth_legacy", auth_legacy),
    ("chat_line", chat_line),
    ("config_document", config_document),
    ("dates", dates),
    ("dotenv", dotenv),
    ("edits", edits),
    ("http_words", http_words),
    ("ini", ini),
    ("json", json),
    ("jwt", jwt),
    ("keyring_answer", keyring_answer),
    ("link_token", link_token),
    ("monitor_toml", monitor_toml),
    ("netrc", netrc),
    ("other_machine", other_machine),
    ("pasted", pasted),
    ("plist", plist),
    ("proc_environ", proc_environ),
    ("proc_text", proc_text),
    ("provider_answer", provider_answer),
    ("rhythm", rhythm),
    ("sessions", sessions),
    ("shell_startup", shell_startup),
    ("source_file", source_file),
    ("sqlite_file", sqlite_file),
    ("status_page", status_page),
    ("systemd_unit", systemd_unit),
    ("telegram_answer", telegram_answer),
    ("vendor_answer", vendor_answer),
    ("web_file", web_file),
    ("yaml", yaml),
];

/// Runs the parser of this name.
#[allow(dead_code, reason = "the fuzzer names one, the test runs all")]
pub fn run(name: &str, data: &[u8]) -> String {
    TARGETS.iter().find(|(target, _)| *target == name).map_or_else(String::new, |(_, parse)| parse(data))
}

/// Between the parts of an input that stands for several texts.
pub const CUT: &str = "\n%%\n";
/// Stands where a secret of ours would: an answer that repeats it must not be shown with it.
const OURS: &str = "sk-seen-by-none-0123456789";
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

/// The JSON reader that remembers places, and the one for strangers.
fn json(data: &[u8]) -> String {
    let text = text(data);
    let _ = json::locate(&text, &["profiles", "a", "b"]);
    let tree = bounded_json::parse(data, &[], 1 << 20);
    assert!(tree.is_none() || tree == serde_json::from_slice(data).ok(), "a tree is the whole text's or none");
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

/// Status, headers, body.
type Http<'a> = (u16, Vec<(String, String)>, &'a [u8]);

/// An answer as it comes from the network: the status in three digits, headers, an empty line, the body.
fn answer(data: &[u8]) -> Http<'_> {
    let (status, rest) = data.split_at(data.len().min(3));
    let status = std::str::from_utf8(status).ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let cut = rest.windows(2).position(|two| two == b"\n\n");
    let (head, body) = cut.map_or((&rest[..0], rest), |at| (&rest[..at], &rest[at + 2..]));
    let headers = text(head);
    let headers = headers.lines().filter_map(|line| line.split_once(':'));
    (status, headers.map(|(name, value)| (name.trim().to_lowercase(), value.to_owned())).collect(), body)
}

/// An [`answer`], read with the probe of each provider in turn.
fn provider_answer(data: &[u8]) -> String {
    let (status, headers, body) = answer(data);
    let answer = Answer { status, headers, body: body.to_vec(), complete: true };
    let secret = Secret::new("sk-tell-nobody-0123456789".to_owned());
    let mut out = String::new();
    for probe in Catalog::get().rows().flat_map(|row| &row.probes) {
        let reading = classify::classify(&answer, probe, &secret, now());
        assert!(reading.verdict.detail.chars().count() < 1000, "words of a provider are short");
        out = said(&reading.verdict);
        assert!(!out.contains(secret.expose()), "a provider's words repeat the key");
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

/// What people write to us in a chat; `/ack`, `/silence` and the like come back as the line that the button under them has.
fn chat_line(data: &[u8]) -> String {
    let text = text(data);
    let mut out = String::new();
    for name in [None, Some("a_bot")] {
        match command::parse(&text, name) {
            Ok(Command::Write(write)) => {
                let _ = write.action(now());
                let again = command::parse(&write.line(), None);
                assert_eq!(again, Ok(Command::Write(write)), "the line of a button means something else");
            }
            Ok(_) => {}
            Err(not) => out += &said(not),
        }
    }
    out
}

/// The edits that we make in a gateway's files: what they leave can be read again and says what was to be said, or nothing is
/// written.
fn edits(data: &[u8]) -> String {
    let text = text(data);
    let mut out = String::new();
    let profile = || NewProfile {
        id: "x:y".to_owned(),
        provider: "x".to_owned(),
        kind: ProfileType::Token,
        secret: Secret::new(OURS.to_owned()),
        expires: Some(1_907_841_600_000),
    };
    match auth_store_edit::put(Some(&text), &profile()) {
        Ok(written) => {
            let read = auth_store::parse(&written).ok();
            assert!(read.is_some_and(|parsed| parsed.store.profile("x:y").is_some()), "a store that was written");
            assert!(
                auth_store_edit::remove(&written, "x:y").is_ok_and(|left| left.is_some()),
                "what was put can be taken"
            );
        }
        Err(error) => out += &said(error),
    }
    let ids = ["x:y".to_owned()];
    let _ = auth_store_edit::order(Some(&text), "x", Some(&ids));
    let _ = (auth_store_edit::import(&text, &text, true), order_prune::prune(&text, &["order", "x"], &ids));
    let readable = |written: &str| {
        json5::Files::default().parse(Path::new("/c.json"), written.to_owned()).is_ok()
            || json5::Files::default().parse(Path::new("/c.json"), text.clone()).is_err()
    };
    let changes = [
        config_edit::declare(&text, "x:y", "x", "token"),
        config_edit::forget(&text, "x:y"),
        config_edit::rename(&text, "a:b", "x:y"),
        config_edit::model(&text, &ModelEdit::Primary("x/m".to_owned())),
        config_edit::model(&text, &ModelEdit::Alias("m".to_owned(), "x/m".to_owned())),
    ];
    for change in changes {
        match change {
            Ok(written) => assert!(readable(&written), "a config that was written: {written}"),
            Err(error) => out += &said(error),
        }
    }
    if let Ok(written) = dotenv_edit::set(&text, "OPENAI_API_KEY", OURS) {
        let last = dotenv::parse(&written).into_iter().rev().find(|one| one.name == "OPENAI_API_KEY");
        assert!(last.is_some_and(|one| one.value == OURS), "a .env that was written");
    }
    out
}

/// Foreign words and headers, in front of whatever shows them: without a secret, short, on one line.
fn http_words(data: &[u8]) -> String {
    let text = text(data);
    let shown = redact::words(&text, &[OURS], 200);
    assert!(!shown.contains(OURS) && shown.chars().count() <= 200 && !shown.contains(char::is_control), "{shown}");
    let place = redact::url(&format!("https://x.org/{text}/{OURS}"));
    assert!(!place.contains(OURS), "{place}");
    for line in text.lines() {
        let (_, _, _) = (net::http::date(line), net::http::retry_after(line, now()), net::http::is_html(line));
        let _ = (secret_shape::is_placeholder(line), secret_shape::holds_key(line));
    }
    shown + &place
}

/// What `secret-tool` and `security` print, and what tools wrap their values in.
fn keyring_answer(data: &[u8]) -> String {
    let _ = keyring_answer::found_by_search(data);
    if let Some(value) = keyring_answer::value(data) {
        assert!(value.expose().len() <= data.len(), "a value is no longer than what stands for it");
    }
    String::new()
}

/// Anybody can send us the last part of a link.
fn link_token(data: &[u8]) -> String {
    match LinkKey::new(&[7; 32]).read(&text(data), now()) {
        Ok(_) => panic!("nobody but us can make one"),
        Err(why) => said(why),
    }
}

fn netrc(data: &[u8]) -> String {
    said(netrc::parse(&text(data)).len())
}

/// What another machine says of itself, after whatever its shell says, and what people call it: an answer that is understood can
/// be shown and handed on, and means the same to whoever reads it then.
fn other_machine(data: &[u8]) -> String {
    let text = text(data);
    for line in text.lines().take(20) {
        if let Ok(destination) = line.parse::<Destination>() {
            assert!(!destination.login().starts_with('-') && !destination.server().is_empty(), "an option of ssh");
        }
    }
    let answer = match status::read::read(data) {
        Ok(answer) => answer,
        Err(why) => return why.to_string(),
    };
    let written = status::json(&answer.report(), answer.incidents(), None).unwrap_or_default();
    let again = status::read::read(written.as_bytes());
    let again = again.ok().and_then(|again| status::json(&again.report(), again.incidents(), None).ok());
    assert_eq!(again.as_ref(), Some(&written), "what was understood is not handed on");
    assert!(!written.contains('\u{202e}') && !written.contains('\u{1b}'), "it turns or colours text");
    written
}

/// What people paste.
fn pasted(data: &[u8]) -> String {
    let text = text(data);
    if let Ok(life) = pasted::life(&text) {
        assert!(life >= 0.0, "a life is not negative");
    }
    let _ = (pasted::setup_token_problem(&text), pasted::profile_id_problem(&text));
    String::new()
}

/// A job of launchd.
fn plist(data: &[u8]) -> String {
    fn count(value: &plist::Value) -> usize {
        1 + match value {
            plist::Value::Array(items) => items.iter().map(count).sum(),
            plist::Value::Dict(entries) => entries.iter().map(|(_, value)| count(value)).sum(),
            plist::Value::Text(_) | plist::Value::Flag(_) => 0,
        }
    }
    let Some(value) = plist::parse(&text(data)) else { return String::new() };
    assert!(count(&value) <= data.len(), "no value is made of nothing");
    said(value.get("ProgramArguments").map(|arguments| arguments.texts().len()))
}

/// `net/tcp`, `status`, `cgroup`, `stat`, `uptime` and the like, each read as all of them.
fn proc_text(data: &[u8]) -> String {
    let text = text(data);
    let rows = proc_text::listeners(&text).count();
    assert!(rows <= text.lines().count(), "no row is two sockets");
    let _ = (proc_text::real_uid(&text), proc_text::start_ticks(&text), proc_text::uptime(&text));
    let _ = (proc_text::socket(&text), proc_text::program(data));
    let unit = proc_text::unit(&text, &["gateway.service"]);
    assert!(unit.is_none_or(|unit| text.contains(&unit)), "a unit that is not there");
    String::new()
}

/// When something is to be done, as people write it.
fn rhythm(data: &[u8]) -> String {
    let text = text(data);
    let rhythm = match due::parse(&text) {
        Ok(rhythm) => rhythm,
        Err(why) => return why,
    };
    for zone in [Zone::UTC, "America/New_York".parse().unwrap_or(Zone::UTC)] {
        let schedule = Schedule { rhythm: rhythm.clone(), zone };
        let next = due::next_after(&schedule, now());
        assert!(next.is_none_or(|next| next > now()), "what comes next comes later");
        let due = due::due(&schedule, Some(now()), now());
        assert!(!due.now && due.next == next, "what has just run is not due");
    }
    String::new()
}

/// An agent's `sessions.json`; a pin is written into each session of it.
fn sessions(data: &[u8]) -> String {
    let text = text(data);
    let all = match sessions::parse(&text) {
        Ok(all) => all,
        Err(broken) => return said(broken),
    };
    let mut out = String::new();
    for (key, entry) in all.iter().take(3) {
        let _ = sessions::chosen(entry);
        let mut entry = entry.clone();
        sessions::choose(&mut entry, "x", "m", false, Some("x:y"));
        match sessions::edit(&text, key, &entry) {
            Ok(written) => {
                let again = sessions::parse(&written).ok();
                assert_eq!(again.and_then(|mut all| all.remove(key)), Some(entry), "what was pinned is pinned");
            }
            Err(broken) => out += &said(broken),
        }
    }
    out
}

/// An answer of Telegram: to a request of ours, and what people wrote to the bot.
fn telegram_answer(data: &[u8]) -> String {
    let text = text(data);
    let token = Secret::new(OURS.to_owned());
    let mut out = String::new();
    for status in [200, 429, 401] {
        match api::judge(status, &text, Some(u64::MAX), &token) {
            Ok(result) => {
                let mut env = Environment::default();
                env.set("HOME", "/home/x");
                let chat = "[chat]\ntoken = { env = \"T\" }\nchats = [7, -9]\nusers = [7]\n";
                let config = config::parse(chat, None, &env, Zone::UTC);
                let Some(settings) = config.ok().and_then(|config| config.chat) else { panic!("a chat is configured") };
                for update in result.as_array().into_iter().flatten() {
                    if let Some((_, Ok(heard))) = update::read(update, &settings, now()) {
                        assert!(heard.user == 7 && [7, -9].contains(&heard.chat), "only who is listed is heard");
                        assert!(heard.name.chars().count() <= 40);
                    }
                }
            }
            Err(trouble) => {
                assert!(trouble.words().chars().count() <= 200, "words are short");
                out += trouble.words();
            }
        }
    }
    assert!(!out.contains(OURS), "an answer repeats the token");
    out
}

/// An [`answer`] to each part of a message to each vendor.
fn vendor_answer(data: &[u8]) -> String {
    let (status, headers, body) = answer(data);
    let body = text(body);
    let mut out = String::new();
    for (receiver, env) in receivers() {
        for outcome in notify::reading(receiver, env, &message(), &attempt(), (status, &headers, &body)) {
            let delivered = matches!(outcome, Outcome::Delivered { .. });
            assert!(!delivered || ((200..300).contains(&status) && !net::http::is_html(&body)), "{outcome:?}");
            let words = said(outcome);
            assert!(words.chars().count() < 2000, "{}: words are short", receiver.name);
            assert!(!words.contains(OURS), "{}: an answer repeats a secret: {words}", receiver.name);
            if out.len() < 10_000 {
                out += &words;
            }
        }
    }
    out
}

/// One receiver for each vendor, with what it needs.
fn receivers() -> &'static [(config::Receiver, Environment)] {
    static ALL: std::sync::OnceLock<Vec<(config::Receiver, Environment)>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        let mut env = Environment::default();
        env.set("HOME", "/home/x");
        let mut with = |channel: &config::channels::Channel, every: bool| {
            let mut lines = format!("[[receivers]]\nname = \"{0}\"\ntype = \"{0}\"\n", channel.name);
            let secret = |field: &config::channels::Field| field.example.contains("env");
            for field in channel.fields.iter().filter(|field| every || field.required || secret(field)) {
                let _ = writeln!(lines, "{} = {}", field.name, field.example);
                if let Some(name) = field.example.split('"').nth(1).filter(|_| secret(field)) {
                    let url = field.name.contains("url");
                    env.set(name, if url { format!("https://127.0.0.1:9/{OURS}") } else { OURS.to_owned() });
                }
            }
            let config = config::parse(&lines, None, &env, Zone::UTC).ok()?;
            Some((config.receivers.into_iter().next()?, env.clone()))
        };
        let mut of = |channel: &config::channels::Channel| with(channel, false).or_else(|| with(channel, true));
        let all: Vec<_> = CHANNELS.iter().filter_map(&mut of).collect();
        assert_eq!(all.len(), CHANNELS.len(), "each channel can be configured by what its fields show");
        all
    })
}

fn message() -> Notification {
    let item = Item {
        incident: IncidentId::of("CredentialExpiring", "env:X", "build-7"),
        name: "CredentialExpiring".to_owned(),
        subject: "env:X".to_owned(),
        provider: Some("x".to_owned()),
        status: ItemStatus::Firing,
        severity: Severity::Critical,
        tier: None,
        since: now(),
        ended: None,
        expires: Some(now()),
        title: "x is about to end".to_owned(),
        summary: "It ends today.".to_owned(),
        because: Vec::new(),
        fix: None,
    };
    Notification {
        id: NotificationId("01938c0e-0000-7000-8000-000000000001".to_owned()),
        receiver: "it".to_owned(),
        group_key: "it/x/build-7".to_owned(),
        kind: NotificationKind::Alert,
        severity: Severity::Critical,
        host: "build-7".to_owned(),
        created_at: now(),
        items: vec![item],
    }
}

fn attempt() -> Attempt {
    Attempt { progress: Progress::default(), keep: None, now: now() }
}

/// The file of `[web] config`, in the shape of exporter-toolkit. Hashes stay in it.
fn web_file(data: &[u8]) -> String {
    match web_file::parse(&text(data), Path::new("/etc/opensoul")) {
        Ok(file) => said((file.tls.map(|tls| tls.client), file.users.len())),
        Err(why) => why,
    }
}
