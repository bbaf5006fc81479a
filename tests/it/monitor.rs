//! The monitor's flow under a clock that the test moves, on a home that the test writes; and the daemon itself.

mod daemon;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opensoul::clock::{Clock, ManualClock};
use opensoul::config::{self, Config};
use opensoul::doctor::Program;
use opensoul::domain::{
    Attempt, Environment, FailureReason, ItemStatus, Notification, NotificationKind, Outcome, Severity, State, Tier,
    Time,
};
use opensoul::export::own::Own;
use opensoul::monitor::cycle::{Committed, Monitor, cycle};
use opensoul::monitor::delivery::{Mail, deliver};
use opensoul::monitor::desk::Desk;
use opensoul::monitor::ground::Ground;
use opensoul::monitor::machine::Machine;
use opensoul::monitor::probing::Answers;
use opensoul::monitor::systemd::Progress as Watched;
use opensoul::notify::Receiver;

/// One receiver that takes everything, or nothing.
#[derive(Default)]
struct Recorder {
    taken: Mutex<Vec<Notification>>,
    away: Mutex<bool>,
}

#[async_trait]
impl Receiver for Recorder {
    fn name(&self) -> &str {
        "ops"
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        if *self.away.lock().unwrap() {
            let (reason, detail) = (FailureReason::Offline, "not there".to_owned());
            return Outcome::Transient { reason, detail, retry_after: None, progress: attempt.progress.clone() };
        }
        self.taken.lock().unwrap().push(notification.clone());
        Outcome::Delivered { detail: "ok".to_owned(), keep: None }
    }
}

const CONFIG: &str = r#"
[schedule]
zone = "UTC"
[[receivers]]
name = "ops"
type = "webhook"
url = "http://127.0.0.1:9/never-asked"
[web]
enabled = false
[identity]
host = "box"
"#;

struct Bench {
    home: tempfile::TempDir,
    clock: Arc<ManualClock>,
    monitor: Monitor,
    config: Arc<Config>,
    recorder: Arc<Recorder>,
    mail: Mail,
}

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

const START: &str = "2026-12-01T12:00:00Z";

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(at(START)));
        let env: Environment = [("HOME".to_owned(), home.path().to_str().unwrap().to_owned())].into_iter().collect();
        let path = home.path().join(".config/opensoul/monitor.toml");
        write(&path, CONFIG);
        let ground = Ground::open(&env, Some(&path), false, clock.now()).unwrap();
        let eyes = Arc::new(Machine::new(&env, Program::default(), &ground).unwrap().home_only());
        let Ground { config, store, .. } = ground;
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let (desk, _) = Desk::new(store).unwrap();
        let own = Arc::new(Own::new(clock.now()));
        let monitor = Monitor::new(&shared, desk, own, None, eyes, Watched::new(&shared), home.path().into());
        let recorder = Arc::new(Recorder::default());
        let receiver: Arc<dyn Receiver> = Arc::clone(&recorder) as Arc<dyn Receiver>;
        let mail = Mail::with(&config, vec![receiver], &shared);
        Self { home, clock, monitor, config, recorder, mail }
    }

    /// A Claude Code login as the tool writes it: it renews its access token by itself until the grant ends.
    fn login(&self, name: &str, ends: Time) {
        let access = (self.clock.now() + Duration::from_secs(8 * 3600)).timestamp_millis();
        let text = format!(
            r#"{{"claudeAiOauth":{{"accessToken":"access-{name}","refreshToken":"refresh-{name}","expiresAt":{access},"refreshTokenExpiresAt":{},"scopes":["user:inference"]}}}}"#,
            ends.timestamp_millis()
        );
        write(&self.home.path().join(".claude/.credentials.json"), &text);
    }

    async fn cycle(&self) -> Committed {
        let committed = cycle(&self.monitor, &self.config, &Answers::default(), &[]).await.unwrap();
        deliver(&self.monitor, &self.config, &self.mail).await.unwrap();
        committed
    }

    async fn cycle_at(&self, now: Time) -> Committed {
        self.clock.set_wall(now);
        self.cycle().await
    }

    fn taken(&self) -> Vec<Notification> {
        std::mem::take(&mut self.recorder.taken.lock().unwrap())
    }

    /// What was said since the last question: one line for each item.
    fn said(&self) -> Vec<String> {
        let line = |item: &opensoul::domain::Item| {
            let tier = item.tier.map(|tier| format!(" {tier:?}")).unwrap_or_default();
            format!("{:?} {} {}{tier}", item.status, item.severity, item.name)
        };
        self.taken().iter().flat_map(|message| message.items.iter().map(line).collect::<Vec<_>>()).collect()
    }
}

fn write(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_login_walks_through_its_tiers_expires_and_is_renewed() {
    let bench = Bench::new();
    let ends = at("2026-12-21T12:00:00Z");
    bench.login("one", ends);
    let before = |hours: i64| ends - chrono::TimeDelta::hours(hours);
    let minute = chrono::TimeDelta::minutes(1);
    let mut said = Vec::new();
    // Just before and at each step, and again between the steps.
    for hours in [20 * 24, 14 * 24, 10 * 24, 7 * 24, 3 * 24, 24, 6, 1] {
        for now in [before(hours) - minute, before(hours), before(hours) + minute] {
            bench.cycle_at(now).await;
            said.extend(bench.said());
        }
    }
    bench.cycle_at(ends).await;
    bench.cycle_at(ends + minute).await;
    said.extend(bench.said());
    assert_eq!(
        said,
        [
            "Firing warning CredentialExpiring Days14",
            "Firing warning CredentialExpiring Days7",
            "Firing critical CredentialExpiring Days3",
            "Firing critical CredentialExpiring Hours24",
            "Firing critical CredentialExpiring Hours6",
            "Firing critical CredentialExpiring Hour1",
            "Firing critical CredentialExpiring Expired",
        ]
    );
    bench.login("two", ends + chrono::TimeDelta::days(30));
    let committed = bench.cycle_at(ends + minute * 2).await;
    assert_eq!(committed.snapshot.credentials[0].judgement.state, State::Ok);
    bench.cycle_at(ends + minute * 3).await;
    let last = bench.said();
    assert_eq!(last.len(), 1, "{last:?}");
    assert!(last[0].starts_with("Resolved critical CredentialExpiring"), "{last:?}");
}

/// A token that a person pastes in place of another: the first cycle that sees it judges it as the next ones do.
#[tokio::test]
async fn a_replaced_token_is_judged_the_same_from_the_first_cycle_on() {
    let bench = Bench::new();
    let token = |name: &str, lasts: Duration| {
        let ends = (bench.clock.now() + lasts).timestamp_millis();
        let text = format!(
            r#"{{"version":1,"profiles":{{"anthropic:work":{{"type":"token","provider":"anthropic","token":"sk-ant-oat01-{name:0>40}","expires":{ends}}}}}}}"#
        );
        write(&bench.home.path().join(".opensoul/agents/main/agent/auth-profiles.json"), &text);
    };
    let judged = |committed: Committed| {
        let one = &committed.snapshot.credentials[0];
        (one.judgement.state, one.judgement.severity, one.judgement.tier)
    };
    token("old", Duration::from_secs(300 * 86_400));
    bench.cycle().await;
    bench.clock.advance(Duration::from_secs(300));
    token("new", Duration::from_secs(1_800));
    let first = judged(bench.cycle().await);
    bench.clock.advance(Duration::from_secs(60));
    let second = judged(bench.cycle().await);
    assert_eq!(first, second);
    assert_eq!(bench.said(), [""; 0], "nothing is announced and taken back");
    // A third of its half hour is left: now it is said, once.
    bench.clock.advance(Duration::from_secs(1_200));
    bench.cycle().await;
    assert_eq!(bench.said().len(), 1);
}

#[tokio::test]
async fn all_steps_are_one_thread() {
    let bench = Bench::new();
    let ends = at("2026-12-21T12:00:00Z");
    bench.login("one", ends);
    bench.cycle().await;
    for days in [14, 7, 3] {
        bench.cycle_at(ends - chrono::TimeDelta::days(days)).await;
    }
    let messages = bench.taken();
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|one| one.group_key == messages[0].group_key));
    assert_eq!(messages.iter().map(|one| &one.id).collect::<std::collections::BTreeSet<_>>().len(), 3);
}

#[tokio::test]
async fn after_a_suspend_of_three_days_only_the_tightest_step_is_said() {
    let bench = Bench::new();
    let ends = at("2026-12-21T12:00:00Z");
    bench.login("one", ends);
    bench.cycle_at(ends - chrono::TimeDelta::days(15)).await;
    assert!(bench.said().is_empty());
    // Slept over the steps at 14, 7 and 3 days.
    bench.cycle_at(ends - chrono::TimeDelta::days(15) + chrono::TimeDelta::days(3)).await;
    assert_eq!(bench.said(), ["Firing warning CredentialExpiring Days14"]);
    bench.cycle_at(ends - chrono::TimeDelta::days(2)).await;
    assert_eq!(bench.said(), ["Firing critical CredentialExpiring Days3"]);
}

#[tokio::test]
async fn the_first_cycle_ever_is_one_digest() {
    let bench = Bench::new();
    bench.login("one", at("2026-12-03T12:00:00Z"));
    let token = |name: &str, days: i64| {
        let ends = (at(START) + chrono::TimeDelta::days(days)).timestamp_millis();
        format!(r#""{name}:a":{{"type":"token","provider":"{name}","token":"t-{name}","expires":{ends}}}"#)
    };
    let store = format!(r#"{{"version":1,"profiles":{{{},{}}}}}"#, token("openai", 2), token("mistral", -2));
    write(&bench.home.path().join(".opensoul/agents/main/agent/auth-profiles.json"), &store);
    bench.cycle().await;
    let messages = bench.taken();
    assert_eq!(messages.len(), 1, "{messages:#?}");
    assert_eq!(messages[0].kind, NotificationKind::Digest);
    assert_eq!(messages[0].items.len(), 3, "{:#?}", messages[0].items);
    // The next new problem is told on its own.
    bench.clock.advance(Duration::from_secs(300));
    bench.cycle().await;
    assert!(bench.taken().is_empty());
}

#[tokio::test]
async fn a_clock_that_goes_back_is_one_incident_and_moves_nothing_else() {
    let bench = Bench::new();
    let ends = at("2026-12-21T12:00:00Z");
    bench.login("one", ends);
    bench.cycle_at(at("2026-12-08T12:00:00Z")).await;
    assert_eq!(bench.said(), ["Firing warning CredentialExpiring Days14"]);
    // For hours the clock is five days wrong, and would say that nothing is near.
    for hour in 0..5 {
        let committed = bench.cycle_at(at("2026-12-03T12:00:00Z") + chrono::TimeDelta::hours(hour)).await;
        assert!(committed.snapshot.clock_problem.is_some(), "hour {hour}");
        assert_eq!(committed.snapshot.credentials[0].judgement.state, State::Unknown, "hour {hour}");
    }
    let said = bench.said();
    assert_eq!(said.iter().filter(|line| line.contains("ClockWrong")).count(), 1, "{said:?}");
    assert!(!said.iter().any(|line| line.contains("CredentialExpiring")), "{said:?}");
    // Set right again.
    bench.cycle_at(at("2026-12-08T18:00:00Z")).await;
    bench.cycle_at(at("2026-12-08T18:05:00Z")).await;
    let said = bench.said();
    assert!(said.iter().any(|line| line.starts_with("Resolved") && line.contains("ClockWrong")), "{said:?}");
    assert!(!said.iter().any(|line| line.contains("CredentialExpiring")), "already told: {said:?}");
}

#[tokio::test]
async fn a_clock_that_ran_ahead_is_believed_again_after_a_day() {
    let bench = Bench::new();
    bench.login("one", at("2028-01-01T00:00:00Z"));
    bench.cycle_at(at("2027-06-01T00:00:00Z")).await;
    let right = at("2026-12-02T00:00:00Z");
    assert!(bench.cycle_at(right).await.snapshot.clock_problem.is_some());
    assert!(bench.cycle_at(right + chrono::TimeDelta::hours(23)).await.snapshot.clock_problem.is_some());
    bench.cycle_at(right + chrono::TimeDelta::hours(24)).await;
    let committed = bench.cycle_at(right + chrono::TimeDelta::hours(25)).await;
    assert_eq!(committed.snapshot.clock_problem, None);
    assert_eq!(committed.snapshot.credentials[0].judgement.state, State::Ok);
}

#[tokio::test]
async fn what_a_receiver_that_was_away_gets_is_what_is_still_true() {
    let bench = Bench::new();
    let ends = at("2026-12-21T12:00:00Z");
    bench.login("one", ends);
    bench.cycle().await;
    *bench.recorder.away.lock().unwrap() = true;
    bench.cycle_at(ends - chrono::TimeDelta::days(14)).await;
    bench.cycle_at(ends - chrono::TimeDelta::days(7)).await;
    assert!(bench.taken().is_empty());
    let failed = r#"opensoul_notifications_failed_total{channel="webhook",reason="offline",receiver="ops"} 2"#;
    assert!(bench.monitor.own.text().contains(failed), "{}", bench.monitor.own.text());
    *bench.recorder.away.lock().unwrap() = false;
    bench.cycle_at(ends - chrono::TimeDelta::days(6)).await;
    let messages = bench.taken();
    assert_eq!(messages.len(), 1, "{messages:#?}");
    assert_eq!(messages[0].items.len(), 1);
    assert_eq!((messages[0].items[0].tier, messages[0].items[0].severity), (Some(Tier::Days7), Severity::Warning));
    assert_eq!(messages[0].items[0].status, ItemStatus::Firing);
}

#[test]
fn a_due_time_follows_the_zone_over_a_change_of_clocks() {
    use opensoul::engine::due::due;
    let toml = "[schedule]\nstatus = \"0 9 * * *\"\nzone = \"America/New_York\"\n";
    let config = config::parse(toml, None, &Environment::default(), opensoul::domain::Zone::UTC).unwrap();
    let last = at("2026-10-31T13:00:00Z");
    // 1 November 2026: clocks go back; nine in the morning is 14:00 UTC from then on.
    assert!(!due(&config.status, Some(last), at("2026-11-01T13:59:59Z")).now);
    assert!(due(&config.status, Some(last), at("2026-11-01T14:00:00Z")).now);
}
