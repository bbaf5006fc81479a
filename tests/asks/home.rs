//! A home in which a story happens: files that the story writes, a clock that it moves, a provider that answers what it says,
//! and the monitor's own cycles over all of it. Loopback only; nothing waits.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opensoul::chat;
use opensoul::clock::{Clock, ManualClock, SystemClock};
use opensoul::config::{self, Config};
use opensoul::doctor::Program;
use opensoul::domain::{
    Assessed, Attempt, Environment, Finding, Incident, Item, ItemStatus, Lang, Notification, Outcome, Progress,
    Pseudonyms, Severity, Snapshot, Span, State, Time, Zone,
};
use opensoul::engine::check::{CheckScope, exit_code};
use opensoul::export::metrics::snapshot_text;
use opensoul::export::own::Own;
use opensoul::monitor::cycle::{Committed, Eyes, Monitor, cycle};
use opensoul::monitor::delivery::{Mail, deliver};
use opensoul::monitor::desk::Desk;
use opensoul::monitor::ground::Ground;
use opensoul::monitor::machine::Machine;
use opensoul::monitor::observe::{Look, Observed, observe_home_only};
use opensoul::monitor::probing::{Answers, prove_renewed, round};
use opensoul::monitor::systemd::Progress as Watched;
use opensoul::net::Clients;
use opensoul::notify::{self, Receiver, render};
use opensoul::output::chinese::translate;
use opensoul::output::status::{Incidents, Options, Report, json, text};
use opensoul::output::wording::is_command;
use opensoul::store::Remembered;

use crate::fake_provider::{FakeProvider, Known};

/// Where a story begins, unless it says otherwise.
pub const START: &str = "2026-12-01T12:00:00Z";

/// The variable with the key that the machines of a fleet share.
pub const FLEET_KEY: &str = "FLEET_KEY";

/// Nothing in these stories may ask the real ones.
const PROVIDERS: [&str; 7] =
    ["anthropic", "openai", "openai-codex", "github-copilot", "github", "google", "openrouter"];

pub fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub fn hours(count: i64) -> Span {
    Span::hours(count)
}

pub fn days(count: i64) -> Span {
    Span::days(count)
}

/// A question that the product puts, and the header with the key.
#[derive(Clone, Copy)]
pub struct Question(&'static str, &'static str);

/// How a Claude subscription is asked about (not documented by its provider).
pub const CLAUDE_USAGE: Question = Question("GET /api/oauth/usage", "authorization: Bearer ");
/// How a ChatGPT login is asked about (not documented by its provider).
pub const CODEX_USAGE: Question = Question("GET /wham/usage", "authorization: Bearer ");
pub const ANTHROPIC_MODELS: Question = Question("GET /v1/models?limit=1", "x-api-key: ");
pub const OPENAI_MODELS: Question = Question("GET /models", "authorization: Bearer ");
pub const GITHUB_LIMITS: Question = Question("GET /rate_limit", "authorization: Bearer ");

pub const CLAUDE_YES: &str = r#"{"five_hour":{"utilization":10.0},"seven_day":{"utilization":20.0}}"#;
pub const CODEX_YES: &str = r#"{"plan_type":"plus","rate_limit":{"allowed":true,"limit_reached":false,
    "primary_window":{"used_percent":10},"secondary_window":{"used_percent":20}}}"#;
pub const LIST: &str = r#"{"object":"list","data":[{"id":"a-model"}]}"#;

/// Receivers that take everything, and keep it in one pile.
struct Recorder {
    name: String,
    pile: Arc<Mutex<Vec<Notification>>>,
}

#[async_trait]
impl Receiver for Recorder {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, _attempt: &Attempt) -> Outcome {
        self.pile.lock().unwrap().push(notification.clone());
        Outcome::Delivered { detail: "ok".to_owned(), keep: None }
    }
}

type Happening = Box<dyn FnOnce() + Send>;

/// Looks at the home, and lets things happen there just before.
struct Watcher {
    machine: Machine,
    before: Arc<Mutex<VecDeque<Happening>>>,
}

impl Eyes for Watcher {
    fn look(&self, config: &Config, remembered: &Remembered, now: Time) -> Observed {
        let happens = self.before.lock().unwrap().pop_front();
        if let Some(happens) = happens {
            happens();
        }
        self.machine.look(config, remembered, now)
    }
}

pub struct Home {
    dir: tempfile::TempDir,
    env: Environment,
    clock: Arc<ManualClock>,
    provider: FakeProvider,
    answers: Mutex<BTreeMap<String, Known>>,
    monitor: Monitor,
    config: Arc<Config>,
    pile: Arc<Mutex<Vec<Notification>>>,
    mail: Mail,
    before: Arc<Mutex<VecDeque<Happening>>>,
}

impl Home {
    /// An empty home; providers may be asked in ways that they do not document.
    pub async fn new() -> Self {
        Self::with("[probe]\nundocumented = true\nstatus_pages = false\n", &[]).await
    }

    /// The same with these additions to `monitor.toml`, and with these variables.
    pub async fn with(settings: &str, vars: &[(&str, &str)]) -> Self {
        Self::at(at(START), settings, vars).await
    }

    /// For stories in which the built program runs too: it has the machine's own clock.
    pub async fn today(settings: &str) -> Self {
        Self::at(SystemClock::new().now(), settings, &[]).await
    }

    async fn at(now: Time, settings: &str, vars: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(now));
        let provider = FakeProvider::knowing(Vec::new()).await;
        let mut toml = settings.to_owned();
        if !toml.contains("[[receivers]]") {
            toml += "[[receivers]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/never-asked\"\n";
        }
        toml += "[schedule]\nzone = \"UTC\"\n[web]\nenabled = false\n[identity]\nhost = \"box\"\n";
        if vars.iter().any(|(name, _)| *name == FLEET_KEY) {
            toml += &format!("key = {{ env = \"{FLEET_KEY}\" }}\n");
        }
        for id in PROVIDERS {
            toml += &format!("[providers.{id}]\nbase_url = \"{}\"\n", provider.url());
        }
        write(dir.path(), ".config/opensoul/monitor.toml", &toml, now);
        let home = dir.path().to_str().unwrap();
        let mut env = Environment::default();
        let bin = format!("{home}/bin");
        for (name, value) in [&[("HOME", home), ("PATH", bin.as_str())], vars].concat() {
            env.set(name, value);
        }
        let ground = ground(&env, now);
        let machine = Machine::new(&env, Program::default(), &ground).unwrap().home_only();
        let Ground { config, store, .. } = ground;
        let mut config = Config::clone(&config);
        // Whoever answers may be held up.
        config.probing.timeout = Duration::from_secs(60);
        let config = Arc::new(config);
        let before = Arc::default();
        let eyes = Arc::new(Watcher { machine, before: Arc::clone(&before) });
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let (desk, _) = Desk::new(store).unwrap();
        let own = Arc::new(Own::new(now));
        let monitor = Monitor::new(&shared, desk, own, None, eyes, Watched::new(&shared), dir.path().into());
        let pile: Arc<Mutex<Vec<Notification>>> = Arc::default();
        let receiver = |one: &config::Receiver| -> Arc<dyn Receiver> {
            Arc::new(Recorder { name: one.name.clone(), pile: Arc::clone(&pile) })
        };
        let receivers = config.receivers.iter().map(receiver).collect();
        let mail = Mail::with(&config, receivers, &shared);
        Self { dir, env, clock, provider, answers: Mutex::default(), monitor, config, pile, mail, before }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// In so long, from now.
    pub fn after(&self, span: Span) -> Time {
        self.now() + span
    }

    /// So long before now.
    pub fn ago(&self, span: Span) -> Time {
        self.now() - span
    }

    /// A file that its owner writes now.
    pub fn file(&self, name: &str, text: &str) -> &Self {
        write(self.dir.path(), name, text, self.now());
        self
    }

    /// A file that its owner wrote then, and nobody has touched since.
    pub fn old_file(&self, name: &str, text: &str, written: Time) -> &Self {
        write(self.dir.path(), name, text, written);
        self
    }

    /// Time passes.
    pub fn later(&self, span: Span) -> &Self {
        self.clock.advance(span.to_std().unwrap());
        self
    }

    /// It is that time now.
    pub fn until(&self, time: Time) -> &Self {
        self.later(time - self.now())
    }

    /// From now on the provider says this to whoever asks with that key.
    pub fn says(&self, question: Question, key: &str, status: u16, body: &str) -> &Self {
        self.says_with(question, key, status, &[], body)
    }

    /// The same with headers.
    pub fn says_with(&self, question: Question, key: &str, status: u16, headers: &[(&str, &str)], body: &str) -> &Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let header = format!("{}{key}", question.1);
        let place = format!("{}{header}", question.0);
        let known = Known { asks: question.0.to_owned(), header, status, headers, body: body.to_owned() };
        self.answers.lock().unwrap().insert(place, known);
        self
    }

    /// Happens while the next round of questions is under way: after the first answers, before the second question.
    pub fn between_the_questions(&self, happens: impl FnOnce() + Send + 'static) -> &Self {
        let mut before = self.before.lock().unwrap();
        before.push_back(Box::new(|| ()));
        before.push_back(Box::new(happens));
        drop(before);
        self
    }

    /// What the provider was asked so far: method and path.
    pub fn asked(&self) -> Vec<String> {
        self.provider.seen().into_iter().map(|one| format!("{} {}", one.method, one.path)).collect()
    }

    /// One cycle: the files as they are now.
    pub async fn cycle(&self) -> Seen {
        self.cycle_with(&Answers::default()).await
    }

    /// One round of questions to the providers, and the cycle that judges their answers.
    pub async fn ask(&self) -> Seen {
        self.teach();
        let clients = Clients::new(&Environment::default());
        let patience = Duration::from_millis(1);
        let answers = round(&self.monitor, &self.config, &self.env, &clients, patience).await.unwrap();
        self.cycle_with(&answers).await
    }

    /// What the monitor asks between the rounds: only about logins that were renewed after a refusal.
    pub async fn prove(&self) -> Seen {
        self.teach();
        let clients = Clients::new(&Environment::default());
        let patience = Duration::from_millis(1);
        let answers = prove_renewed(&self.monitor, &self.config, &self.env, &clients, patience).await.unwrap();
        self.cycle_with(&answers).await
    }

    /// The provider hears what it is to say.
    fn teach(&self) {
        let date = self.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        for known in self.answers.lock().unwrap().values() {
            let mut known = known.clone();
            if !known.headers.iter().any(|(name, _)| name == "date") {
                known.headers.push(("date".to_owned(), date.clone()));
            }
            self.provider.learn(known);
        }
    }

    async fn cycle_with(&self, answers: &Answers) -> Seen {
        let committed = cycle(&self.monitor, &self.config, answers, &[]).await.unwrap();
        deliver(&self.monitor, &self.config, &self.mail).await.unwrap();
        let Committed { snapshot, proof_at, .. } = committed;
        let incidents = self.monitor.desk.with(|store| store.incidents()).await.unwrap().unwrap();
        have_chinese(&snapshot, &incidents);
        Seen { snapshot, incidents, proof_at, home: self.dir.path().to_owned() }
    }

    /// What somebody at a shell of this home sees, with these variables set there besides.
    pub async fn person(&self, vars: &[(&str, &str)]) -> Seen {
        let mut env = self.env.clone();
        for (name, value) in vars {
            env.set(*name, *value);
        }
        let remembered = self.monitor.desk.with(|store| store.remembered()).await.unwrap().unwrap();
        let location = config::locate(&env, None);
        let key = opensoul::store::key::load(&location.state).unwrap().unwrap();
        let look = Look {
            env: &env,
            cwd: Some(self.dir.path()),
            config: &self.config,
            location: &location,
            program: Program::default(),
            remembered: &remembered,
            key: &key,
            keep_secrets: false,
            now: self.now(),
        };
        let snapshot = Arc::new(observe_home_only(&look).snapshot);
        Seen { snapshot, incidents: remembered.incidents, proof_at: None, home: self.dir.path().to_owned() }
    }

    /// What was sent since the last question.
    pub fn sent(&self) -> Vec<Notification> {
        std::mem::take(&mut self.pile.lock().unwrap())
    }

    /// Brings a message to its receiver as it is configured, over the network.
    pub async fn hand_over(&self, message: &Notification) -> Outcome {
        let clients = Arc::new(Clients::new(&self.env));
        let receivers = notify::build(&self.config, &self.env, &clients, None);
        let receiver = receivers.iter().find(|one| one.name() == message.receiver).expect("it is configured");
        let attempt = Attempt { progress: Progress::default(), keep: None, now: self.now() };
        receiver.deliver(message, &attempt).await
    }

    /// The same as single problems.
    pub fn items(&self) -> Vec<Item> {
        self.sent().into_iter().flat_map(|message| message.items).collect()
    }

    /// The same in a line each: `critical CredentialRejected codex:default`, with `over` before what has ended.
    pub fn told(&self) -> Vec<String> {
        let line = |item: &Item| {
            let over = if item.status == ItemStatus::Firing { "" } else { "over: " };
            format!("{over}{} {} {}", item.severity, item.name, item.subject)
        };
        self.items().iter().map(line).collect()
    }

    /// The same as a person reads it in the mail.
    pub fn letters(&self) -> Vec<String> {
        let text = |message: &Notification| render(message, Lang::default(), Zone::UTC, self.now()).text;
        self.sent().iter().map(text).collect()
    }

    /// Runs the built program here: exit code, stdout, stderr.
    pub async fn run(&self, args: &[&str], vars: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opensoul"));
        command.args(args).env_clear().env("HOME", self.dir.path()).envs(vars.iter().copied());
        if !vars.iter().any(|(name, _)| *name == "PATH") {
            command.env("PATH", "/usr/bin:/bin");
        }
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        let run = move || command.output().unwrap();
        let Output { status, stdout, stderr } = tokio::task::spawn_blocking(run).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Every file of this home but ours, with its content and the time of its last change.
    pub fn tree(&self) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.dir.path().to_owned()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.ends_with("opensoul") {
                    continue;
                }
                let changed = entry.metadata().unwrap().modified().unwrap();
                if path.is_dir() {
                    found.insert(path.clone(), (Vec::new(), changed));
                    open.push(path);
                } else {
                    found.insert(path.clone(), (std::fs::read(&path).unwrap(), changed));
                }
            }
        }
        found
    }

    /// Everything that we have written ourselves, as bytes.
    pub fn ours(&self) -> Vec<u8> {
        let state = self.path(".local/state/opensoul");
        let files = std::fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
    }
}

/// A program that another test starts holds our lock too, from its fork until its exec.
fn ground(env: &Environment, now: Time) -> Ground {
    for _ in 0..60_000 {
        match Ground::open(env, None, false, now) {
            Ok(ground) => return ground,
            Err(error) if error.to_string().contains("another opensoul monitor") => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the lock is never free");
}

fn write(home: &Path, name: &str, text: &str, written: Time) {
    use std::os::unix::fs::PermissionsExt;
    let path = home.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    for dir in path.ancestors().skip(1).take_while(|dir| *dir != home) {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = std::fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(written.into()).unwrap();
}

/// What a cycle, or a person, sees.
pub struct Seen {
    pub snapshot: Arc<Snapshot>,
    pub incidents: Vec<Incident>,
    /// From when on a login that was renewed after a refusal may be asked about.
    pub proof_at: Option<Time>,
    home: PathBuf,
}

impl Seen {
    pub fn of(&self, id: &str) -> &Assessed {
        let all = || self.snapshot.credentials.iter();
        all().find(|one| one.credential.id.as_str() == id).unwrap_or_else(|| {
            panic!("no {id}, only {:?}", all().map(|one| one.credential.id.as_str()).collect::<Vec<_>>())
        })
    }

    /// That credential is in this state, and that bad.
    #[track_caller]
    pub fn is(&self, id: &str, state: State, severity: Severity) -> &Self {
        let judgement = &self.of(id).judgement;
        assert_eq!((judgement.state, judgement.severity), (state, severity), "{id}: {:#?}", judgement.because);
        self
    }

    /// Why, in one line.
    pub fn because(&self, id: &str) -> String {
        self.of(id).judgement.because.join("; ")
    }

    /// What to do.
    pub fn fix(&self, id: &str) -> String {
        self.of(id).judgement.fix.clone().unwrap_or_default()
    }

    /// The exit code of `--check`.
    pub fn exit(&self) -> u8 {
        exit_code(&self.snapshot, CheckScope::InUse).code
    }

    /// The state of a provider, and how many of its credentials work.
    pub fn provider(&self, id: &str) -> (State, usize) {
        let provider = self.snapshot.providers.iter().find(|one| one.provider == id).unwrap();
        (provider.state, provider.usable)
    }

    pub fn findings(&self, id: &str) -> Vec<&Finding> {
        self.snapshot.findings.iter().filter(|finding| finding.id == id).collect()
    }

    #[track_caller]
    pub fn finding(&self, id: &str) -> &Finding {
        let all = || self.snapshot.findings.iter();
        all()
            .find(|finding| finding.id == id)
            .unwrap_or_else(|| panic!("no {id}, only {:#?}", all().collect::<Vec<_>>()))
    }

    /// `status`, as a person reads it.
    pub fn text(&self) -> String {
        let options = Options { lang: Lang::English, width: 120, zone: Zone::UTC, home: Some(&self.home) };
        text(&Report::of(&self.snapshot), Incidents::heard(&self.incidents), &options)
    }

    /// What `/status` is answered in a chat then.
    pub fn said_in_a_chat(&self, now: Time) -> String {
        chat::answer::status(&chat::answer::Scene {
            snapshot: Some(&self.snapshot),
            incidents: &self.incidents,
            silences: &[],
            withheld: &BTreeMap::new(),
            names: &Pseudonyms::new([].into(), true),
            host: "box",
            home: &self.home,
            zone: Zone::UTC,
            lang: Lang::English,
            writes: false,
            now,
        })
    }

    /// A scrape.
    pub fn metrics(&self) -> String {
        snapshot_text(&self.snapshot, &Pseudonyms::new([].into(), true))
    }

    /// `status --json`.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(
            &json(&Report::of(&self.snapshot), Incidents::heard(&self.incidents), Some(&self.home)).unwrap(),
        )
        .unwrap()
    }

    /// One credential of it.
    pub fn json_of(&self, id: &str) -> serde_json::Value {
        self.json()["credentials"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone()
    }
}

/// A remedy that a person has declared.
const OWN_WORDS: [&str; 1] = ["log in at claude.ai again"];

/// Whatever comes up can be said in Chinese as well.
fn have_chinese(snapshot: &Snapshot, incidents: &[Incident]) {
    // The title and the reason of a finding are its id and place.
    let others = incidents.iter().filter(|one| one.name != "DoctorFinding");
    let others = others.flat_map(|one| std::iter::once(&one.title).chain(&one.because));
    let incidents = incidents.iter().flat_map(|one| std::iter::once(&one.summary).chain(&one.fix)).chain(others);
    let findings = snapshot.findings.iter().flat_map(|finding| [&finding.message, &finding.fix]);
    let judgements = snapshot.credentials.iter().map(|one| &one.judgement);
    let judgements = judgements.flat_map(|judgement| judgement.because.iter().chain(&judgement.fix));
    // What a person has written is said in that person's words.
    let own = |text: &&String| OWN_WORDS.contains(&text.as_str());
    for text in incidents.chain(findings).chain(judgements).filter(|text| !own(text)) {
        assert!(is_command(text) || translate(text).is_some(), "add a row to src/output/chinese/*.txt: {text}");
    }
}
