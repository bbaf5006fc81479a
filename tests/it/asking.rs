//! A round of questions as the monitor asks them, against the fake provider.

use std::sync::Arc;
use std::time::Duration;

use opensoul::clock::{Clock, SystemClock};
use opensoul::config;
use opensoul::doctor::Program;
use opensoul::domain::{Environment, State, Verdict, VerdictKind};
use opensoul::export::own::Own;
use opensoul::monitor::cycle::{Monitor, cycle};
use opensoul::monitor::desk::Desk;
use opensoul::monitor::ground::Ground;
use opensoul::monitor::machine::Machine;
use opensoul::monitor::probing::{Answers, round};
use opensoul::monitor::systemd::Progress;
use opensoul::net::Clients;

use crate::fake_provider::FakeProvider;

/// Whoever answers may be held up.
const TIMEOUT: &str = "[probe]\ntimeout = \"60s\"\n";

struct Home {
    dir: tempfile::TempDir,
    env: Environment,
    provider: FakeProvider,
}

impl Home {
    /// A home whose gateway keeps one Anthropic and one OpenAI key.
    async fn new(anthropic: &str, openai: &str) -> Self {
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
            env: Environment::default(),
            provider: FakeProvider::start().await,
        };
        home.write(
            ".config/opensoul/monitor.toml",
            &format!(
                "{TIMEOUT}[providers.anthropic]\nbase_url = \"{0}\"\n[providers.openai]\nbase_url = \"{0}\"\n",
                home.provider.url(),
            ),
        );
        home.keys(anthropic, openai);
        let mut env = Environment::default();
        env.set("HOME", home.dir.path().to_string_lossy());
        Self { env, ..home }
    }

    fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn keys(&self, anthropic: &str, openai: &str) {
        let store = format!(
            r#"{{"version":1,"profiles":{{
                "anthropic:default":{{"type":"api_key","provider":"anthropic","key":"{anthropic}"}},
                "openai:default":{{"type":"api_key","provider":"openai","key":"{openai}"}}}}}}"#
        );
        self.write(".opensoul/agents/main/agent/auth-profiles.json", &store);
    }

    /// A program that another test starts holds our lock too, from its fork until its exec: asked for until it is free.
    async fn ground(&self, clock: &dyn Clock) -> Ground {
        for _ in 0..60_000 {
            match Ground::open(&self.env, None, false, clock.now()) {
                Ok(ground) => return ground,
                Err(error) if error.to_string().contains("another opensoul monitor") => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the lock is never free");
    }

    /// Asks, lets a cycle judge the answers, and gives state and verdict of each credential.
    async fn ask(&self) -> (Answers, Vec<(String, State, Option<Verdict>)>) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ground = self.ground(&*clock).await;
        let eyes = Arc::new(Machine::new(&self.env, Program::default(), &ground).unwrap().home_only());
        let config = Arc::clone(&ground.config);
        let (desk, thread) = Desk::new(ground.store).unwrap();
        let own = Arc::new(Own::new(clock.now()));
        let home = self.dir.path().to_path_buf();
        let monitor = Monitor::new(&clock, desk, own, None, eyes, Progress::new(&clock), home);
        let clients = Clients::new(&self.env);
        let answers = round(&monitor, &config, &self.env, &clients, Duration::from_millis(1)).await.unwrap();
        let committed = cycle(&monitor, &config, &answers, &[]).await.unwrap();
        let of = |one: &opensoul::domain::Assessed| {
            (one.credential.profile.clone(), one.judgement.state, one.verdict.clone())
        };
        let mut seen: Vec<_> = committed.snapshot.credentials.iter().map(of).collect();
        seen.sort_by(|one, other| one.0.cmp(&other.0));
        // Whoever opens the store next finds it closed.
        drop(monitor);
        thread.join().unwrap();
        (answers, seen)
    }
}

#[tokio::test]
async fn a_refusal_is_heard_twice_and_remembered() {
    let home = Home::new("key-good-0000000000001", "key-wrong-000000000001").await;
    let (_, seen) = home.ask().await;
    assert_eq!((seen[0].0.as_str(), seen[0].1), ("anthropic:default", State::Static));
    assert_eq!(seen[0].2.as_ref().unwrap().kind, VerdictKind::Accepted);
    assert_eq!((seen[1].0.as_str(), seen[1].1), ("openai:default", State::Rejected));
    assert_eq!(home.provider.seen().len(), 3, "the good key once, the refused one twice");

    // Within a quarter of an hour nobody is asked again, and what was said still counts, in another process too.
    let (answers, seen) = home.ask().await;
    assert!(answers.records.is_empty() && home.provider.seen().len() == 3);
    assert_eq!(seen[1].1, State::Rejected);

    // A new key is a new generation: the refusal was of the old one.
    home.keys("key-good-0000000000001", "key-good-0000000000002");
    let (_, seen) = home.ask().await;
    assert_eq!(seen[1].1, State::Static);
}

#[tokio::test]
async fn no_key_goes_where_its_user_does_not_send_it() {
    let home = Home::new("key-wrong-000000000001", "key-wrong-000000000002").await;
    home.write(
        ".opensoul/opensoul.json",
        r#"{"models":{"providers":{"openai":{"baseUrl":"https://proxy.example.org/v1","models":[]}}}}"#,
    );
    let (answers, seen) = home.ask().await;
    assert_eq!((seen[0].1, seen[1].1), (State::Rejected, State::Static));
    let openai = answers.records.iter().find(|one| one.credential.as_str().ends_with("openai:default")).unwrap();
    assert!(openai.verdict.detail.contains("models.providers.openai.baseUrl"), "{}", openai.verdict.detail);
    let config = config::load(None, &home.env).map_err(|problems| config::report(&problems)).unwrap();
    assert!(config.probe.is_some());
}

#[tokio::test]
async fn a_server_in_the_gateways_config_is_asked_with_its_own_key_only() {
    let home = Home::new("key-good-0000000000001", "key-good-0000000000002").await;
    let base = home.provider.url();
    home.write(
        ".opensoul/opensoul.json",
        &format!(
            r#"{{"models":{{"providers":{{
                "my-proxy":{{"baseUrl":"{base}/v1","api":"openai-completions","apiKey":"own-good-000001","models":[]}},
                "my-other":{{"baseUrl":"{base}","api":"anthropic-messages","apiKey":"own-wrong-00001","models":[]}},
                "openai":{{"baseUrl":"{base}/v1","api":"openai-completions","models":[]}}}}}}}}"#
        ),
    );
    let (answers, _) = home.ask().await;
    let of =
        |id: &str| answers.records.iter().find(|one| one.credential.as_str().contains(id)).unwrap().verdict.clone();
    assert_eq!(
        of("models.providers.my-proxy").kind,
        VerdictKind::Accepted,
        "{}",
        of("models.providers.my-proxy").detail
    );
    assert_eq!(of("models.providers.my-other").kind, VerdictKind::Rejected);
    // The profile's key is not that server's.
    assert_eq!(of("openai:default").kind, VerdictKind::Unverifiable);
    let keys: Vec<_> = home.provider.seen().into_iter().map(|asked| (asked.path, asked.key)).collect();
    assert!(keys.contains(&("/v1/models".into(), "own-good-000001".into())), "{keys:?}");
    assert!(keys.contains(&("/v1/models?limit=1".into(), "own-wrong-00001".into())), "{keys:?}");
    assert!(keys.iter().all(|(_, key)| key != "key-good-0000000000002"), "{keys:?}");
}

/// Runs the built program in a home, on a thread of its own: the fake provider needs this one.
async fn program(
    home: &Home,
    args: &'static [&'static str],
    vars: &[(&'static str, &'static str)],
) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_opensoul"));
    command.args(args).env_clear().env("HOME", home.dir.path()).env("PATH", "/usr/bin:/bin").envs(vars.iter().copied());
    command.current_dir(home.dir.path()).stdin(std::process::Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_paid_question_shows_its_cost_and_is_put_by_hand_only() {
    let home = Home::new("key-good-0000000000001", "key-good-0000000000002").await;
    home.write(
        ".opensoul/opensoul.json",
        r#"{"agents":{"defaults":{"model":{"primary":"anthropic/claude-sonnet-4-5"}}}}"#,
    );
    let free = program(&home, &["status", "--probe", "--json"], &[]).await;
    assert!(free.status.success() && home.provider.seen().iter().all(|asked| asked.method == "GET"));
    assert!(free.stderr.is_empty(), "no counting where nobody looks");
    let before = home.provider.seen().len();
    for args in [&["status", "--probe-paid", "--json"][..], &["models", "status", "--probe-paid", "--json"]] {
        let paid = program(&home, args, &[]).await;
        let said = String::from_utf8_lossy(&paid.stderr);
        assert!(said.contains("anthropic:default  claude-sonnet-4-5") && said.contains("USD each"), "{said}");
        assert!(!said.contains("openai:default"), "no model is configured for it: {said}");
        serde_json::from_slice::<serde_json::Value>(&paid.stdout).expect("one whole document");
    }
    let asked: Vec<_> = home.provider.seen()[before..].iter().map(|a| format!("{} {}", a.method, a.path)).collect();
    assert_eq!(asked.iter().filter(|asked| *asked == "POST /v1/messages").count(), 2, "{asked:?}");
}

#[tokio::test]
async fn what_a_provider_says_besides_is_shown() {
    use crate::fake_provider::Known;
    let key = "sk-or-v1-0123456789abcdef";
    let body = r#"{"data":{"limit_remaining":74.5,"usage":25.5,"expires_at":"2099-12-31T23:59:59Z"}}"#;
    let known = |asks: &str, header: String, body: &str| Known {
        asks: asks.to_owned(),
        header,
        status: 200,
        headers: Vec::new(),
        body: body.to_owned(),
    };
    let quota = r#"{"key":{"usage":1},"account":{"plan_usage":500,"plan_limit":1000}}"#;
    let provider = FakeProvider::knowing(vec![
        known("GET /key", format!("authorization: Bearer {key}"), body),
        known("GET /usage", "authorization: Bearer tvly-dev-1".to_owned(), quota),
    ])
    .await;
    let home = Home::new("key-good-0000000000001", "key-good-0000000000002").await;
    let url = provider.url();
    home.write(
        ".config/opensoul/monitor.toml",
        &format!("{TIMEOUT}[providers.openrouter]\nbase_url = \"{url}\"\n[providers.tavily]\nbase_url = \"{url}\"\n"),
    );
    std::fs::remove_dir_all(home.dir.path().join(".opensoul")).unwrap();
    let vars = [("OPENROUTER_API_KEY", key), ("TAVILY_API_KEY", "tvly-dev-1")];
    let out = program(&home, &["status", "--probe", "--json"], &vars).await;
    let document: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let of = |id: &str| document["credentials"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
    let openrouter = of("env:OPENROUTER_API_KEY");
    assert_eq!(openrouter["verdict"]["kind"], "accepted", "{openrouter}");
    assert!(openrouter["verdict"]["ageSeconds"].as_i64().unwrap() < 60);
    assert_eq!((&openrouter["balance"]["amount"], &openrouter["balance"]["currency"]), (&74.5.into(), &"USD".into()));
    assert_eq!(openrouter["balance"]["runwayDays"], serde_json::Value::Null, "one answer is no history");
    assert_eq!(openrouter["grantExpiresAt"], "2099-12-31T23:59:59Z");
    assert_eq!(openrouter["grantBasis"], "server");
    assert_eq!(
        of("env:TAVILY_API_KEY")["quota"][0],
        serde_json::json!({"window": "plan", "usedRatio": 0.5, "resetsAt": null})
    );
    let out = program(&home, &["status", "--probe", "--format", "prom"], &vars).await;
    let metrics = String::from_utf8_lossy(&out.stdout).into_owned();
    for line in [
        r#"opensoul_balance{credential="env:OPENROUTER_API_KEY",currency="USD",kind="api_key",provider="openrouter"} 74.5"#,
        r#"opensoul_quota_used_ratio{credential="env:TAVILY_API_KEY",kind="api_key",provider="tavily",window="plan"} 0.5"#,
    ] {
        let sorted = |line: &str| {
            let mut parts: Vec<_> = line.split(['{', '}', ',']).map(str::to_owned).collect();
            parts.sort();
            parts
        };
        assert!(metrics.lines().any(|found| sorted(found) == sorted(line)), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn an_address_from_an_environment_is_never_used() {
    let home = Home::new("key-good-0000000000001", "key-good-0000000000002").await;
    std::fs::remove_dir_all(home.dir.path().join(".opensoul")).unwrap();
    home.write(".config/opensoul/monitor.toml", "");
    let vars = [("OPENAI_API_KEY", "key-good-1"), ("OPENAI_BASE_URL", "https://proxy.example.org/v1")];
    let out = program(&home, &["status", "--probe", "--json"], &vars).await;
    let document: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let verdict = &document["credentials"][0]["verdict"];
    assert_eq!(verdict["kind"], "unverifiable", "{document}");
    let detail = verdict["detail"].as_str().unwrap();
    assert!(detail.contains("OPENAI_BASE_URL") && !detail.contains("proxy.example.org"), "{detail}");
}
