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
                "[providers.anthropic]\nbase_url = \"{0}\"\n[providers.openai]\nbase_url = \"{0}\"\n",
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

    /// Asks, lets a cycle judge the answers, and gives state and verdict of each credential.
    async fn ask(&self) -> (Answers, Vec<(String, State, Option<Verdict>)>) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ground = Ground::open(&self.env, None, false, clock.now()).map_err(|error| error.to_string()).unwrap();
        let eyes = Arc::new(Machine::new(&self.env, Program::default(), &ground).unwrap().home_only());
        let config = Arc::clone(&ground.config);
        let (desk, _thread) = Desk::new(ground.store).unwrap();
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
