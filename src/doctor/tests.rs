use std::collections::BTreeSet;

use super::fixture::{self, Scene};
use super::*;
use crate::domain::*;
use crate::formats::auth_store;
use crate::formats::gateway_config::{DeclaredProfile, GatewayConfig};
use crate::formats::gateway_view::{SeenIn, Sight, Sighting, Stranger};
use crate::formats::installation::{Family, Layer, LayeredEnv, Trouble};
use crate::store::{Quarantine, ReceiverState};

/// What breaks a healthy machine, and the one check that must say so, with its severity.
type Breakage = (&'static str, Severity, fn(&mut Scene));

const BREAKAGES: &[Breakage] = &[
    ("credential.expired", Severity::Warning, |s| credential(s, State::Expired)),
    ("credential.expiring", Severity::Warning, |s| credential(s, State::Expiring)),
    ("credential.refresh-overdue", Severity::Warning, |s| credential(s, State::RefreshOverdue)),
    ("credential.rejected", Severity::Warning, |s| credential(s, State::Rejected)),
    ("credential.missing", Severity::Warning, |s| credential(s, State::Missing)),
    ("credential.unreadable", Severity::Warning, |s| credential(s, State::Unreadable)),
    ("credential.billing", Severity::Warning, |s| credential(s, State::Billing)),
    ("credential.limited", Severity::Warning, |s| credential(s, State::Limited)),
    ("credential.forbidden", Severity::Warning, |s| credential(s, State::Forbidden)),
    ("credential.retired", Severity::Warning, |s| credential(s, State::Retired)),
    ("credential.unknown", Severity::Warning, |s| credential(s, State::Unknown)),
    ("credential.stale-copy", Severity::Warning, |s| {
        for (agent, state) in [("main", State::Ok), ("mail", State::Expired)] {
            let id = format!("opensoul:{agent}/openai:work");
            let one = s.add_credential(&id, "openai", Owner::GatewayStore, state);
            (one.credential.agent, one.credential.profile) = (Some(agent.into()), "openai:work".into());
        }
    }),
    ("login.shared-refresh", Severity::Warning, |s| {
        let token = s.key.fingerprint(&Secret::new("r".into()));
        for source in ["codex", "opencode"] {
            let one = s.add_credential(&format!("{source}:default"), "openai-codex", Owner::Tool, State::Ok);
            (one.credential.origin.source, one.credential.renewal) = (source.into(), Renewal::Auto);
            one.credential.refresh_fingerprint = token;
        }
    }),
    ("login.overridden", Severity::Info, |s| {
        s.env.set("GH_TOKEN", "canary");
        let one = s.add_credential("gh:github.com", "github", Owner::Tool, State::Ok);
        one.credential.origin.source = "gh".into();
    }),
    ("login.same-account", Severity::Info, |s| {
        for source in ["codex", "opencode"] {
            let one = s.add_credential(&format!("{source}:default"), "openai-codex", Owner::Tool, State::Ok);
            (one.credential.kind, one.credential.account) = (Kind::Oauth, Some("me@x.org".into()));
        }
    }),
    ("provider.nothing-usable", Severity::Critical, |s| {
        let mut provider = s.snapshot.providers[0].clone();
        (provider.provider, provider.usable) = ("groq".into(), 0);
        s.snapshot.providers.push(provider);
    }),
    ("profile.cooldown", Severity::Warning, |s| bench(s, BenchKind::Cooldown)),
    ("profile.disabled", Severity::Critical, |s| bench(s, BenchKind::Disabled)),
    ("auth.env-not-inherited", Severity::Info, |s| s.env.set("GROQ_API_KEY", "gsk-canary")),
    ("auth.env-differs", Severity::Info, |s| s.env.set("OPENAI_API_KEY", "sk-canary")),
    ("auth.env-blank", Severity::Warning, |s| {
        let blank = Sighting::new(SeenIn::Process, None);
        s.view.visible.insert("XAI_API_KEY".into(), blank);
        std::fs::write(
            s.path(".opensoul/.env"),
            "A=1
XAI_API_KEY=xai-canary
",
        )
        .expect("file");
    }),
    ("order.unknown-profile", Severity::Warning, |s| {
        profiles(s, &["openai:work"]);
        let ids = vec!["openai:work".into(), "openai:wrok".into()];
        config(s).auth_order = vec![("openai".into(), ids)];
    }),
    ("profile.not-in-store", Severity::Warning, |s| declare(s, "openai:gone", "api_key")),
    ("profile.mode-mismatch", Severity::Warning, |s| {
        profiles(s, &["openai:work"]);
        declare(s, "openai:work", "token");
    }),
    ("profile.unused", Severity::Info, |s| {
        profiles(s, &["openai:work", "openai:other"]);
        declare(s, "openai:work", "api_key");
    }),
    ("gateway.down", Severity::Critical, |s| s.view.gateway.state = GatewayState::Down),
    ("gateway.env-stale", Severity::Warning, |s| s.view.units[0].files[0].1 = Some(s.now - Span::minutes(5))),
    ("gateway.no-linger", Severity::Info, |s| s.view.lingers = Some(false)),
    ("state.several-dirs", Severity::Warning, |s| s.add_installation(Family::Clawdbot, false)),
    ("store.archived-secrets", Severity::Info, |s| {
        s.file(".opensoul/agents/main/agent/auth-profiles.json.migrated-2026-06-01-x", 0o600);
    }),
    ("state.permissions", Severity::Info, |s| s.mode(".opensoul", 0o750)),
    ("state.owner", Severity::Warning, |s| s.uid = 4242),
    ("config.permissions", Severity::Warning, |s| open(s, ".opensoul/opensoul.json", 0o644)),
    ("store.permissions", Severity::Critical, |s| open(s, ".opensoul/agents/main/agent/auth-profiles.json", 0o644)),
    ("dotenv.permissions", Severity::Critical, |s| open(s, ".opensoul/.env", 0o604)),
    ("sessions.permissions", Severity::Warning, |s| open(s, ".opensoul/agents/main/sessions/sessions.json", 0o644)),
    ("login.permissions", Severity::Critical, |s| {
        let path = s.file(".claude/.credentials.json", 0o644);
        s.add_credential("claude-code:default", "anthropic", Owner::Tool, State::Ok).credential.origin.path =
            Some(path.into());
    }),
    ("own.config-permissions", Severity::Critical, |s| s.mode(".config/opensoul/monitor.toml", 0o622)),
    ("own.state-permissions", Severity::Warning, |s| s.mode(".local/state/opensoul", 0o755)),
    ("path.shadowed", Severity::Warning, |s| {
        s.file("first/opensoul", 0o755);
        let path = format!("{}:{}", s.path("first").display(), s.path("bin").display());
        s.env.set("PATH", path);
    }),
    ("gateway.port-conflict", Severity::Warning, |s| {
        s.view.listening.stranger = Some(Stranger { pid: 7, name: "python3".into() });
    }),
    ("gateway.open-bind", Severity::Critical, |s| config(s).gateway_bind = Some("lan".into())),
    ("gateway.no-service", Severity::Info, |s| s.view.units.clear()),
    ("gateway.not-enabled", Severity::Info, |s| s.view.units[0].enabled = false),
    ("gateway.several-services", Severity::Warning, |s| {
        let mut other = s.view.units[0].clone();
        (other.name, other.family) = ("clawdbot-gateway.service".into(), Family::Clawdbot);
        s.view.units.push(other);
    }),
    ("gateway.program-missing", Severity::Critical, |s| s.view.units[0].program = vec!["/nonexistent/node".into()]),
    ("gateway.version-manager-node", Severity::Info, |s| {
        s.view.units[0].program = vec![s.file(".nvm/versions/node/v22/bin/node", 0o755)];
    }),
    ("store.stale-lock", Severity::Info, |s| {
        std::fs::create_dir(s.path(".opensoul/agents/main/agent/auth-profiles.json.lock")).expect("directory");
    }),
    ("state.missing-directory", Severity::Warning, |s| {
        std::fs::remove_dir_all(s.path(".opensoul/agents/main/sessions")).expect("remove");
    }),
    ("profile.deprecated", Severity::Info, |s| {
        let text = r#"{"version":1,"profiles":{"anthropic:claude-cli":{"type":"oauth","provider":"anthropic","access":"canary","refresh":"canary"}}}"#;
        s.installations[0].agents[0].store = auth_store::parse(text).expect("a store").store;
    }),
    ("login.stale-mirror", Severity::Info, |s| {
        let id = "opensoul:main/anthropic:claude-cli";
        s.add_credential(id, "anthropic", Owner::GatewayStore, State::Expired);
        s.add_credential("claude-code:default", "anthropic", Owner::Tool, State::Ok).credential.origin.source =
            "claude-code".into();
    }),
    ("monitor.not-running", Severity::Warning, |s| s.last_cycle = Some(s.now - Span::days(2))),
    ("monitor.timer-not-firing", Severity::Warning, |s| {
        enable_timer(s);
        s.last_cycle = Some(s.now - Span::hours(2));
    }),
    ("monitor.no-linger", Severity::Info, |s| {
        enable_timer(s);
        s.view.lingers = Some(false);
    }),
    ("receiver.quarantined", Severity::Critical, |s| {
        receiver(s, "").quarantine = Some(Quarantine {
            since: "2036-11-19T12:00:00Z".parse().expect("a date"),
            next_try: "2036-11-20T12:30:00Z".parse().expect("a date"),
            reason: FailureReason::Refused,
            detail: "no such topic".into(),
        });
    }),
    ("receiver.waiting", Severity::Warning, |s| {
        let now = s.now;
        let state = receiver(s, "");
        (state.queued, state.oldest) = (2, Some(now - Span::hours(2)));
    }),
    ("receiver.public-topic", Severity::Warning, |s| {
        receiver(s, "url = 'https://ntfy.sh'");
    }),
    ("network.dns", Severity::Critical, |s| reach(s, Err(FailureReason::Dns))),
    ("network.tls", Severity::Critical, |s| reach(s, Err(FailureReason::Tls))),
    ("network.connection", Severity::Critical, |s| reach(s, Err(FailureReason::Timeout))),
    ("network.proxy", Severity::Critical, |s| {
        s.env.set("HTTPS_PROXY", "http://me:canary@proxy.example.org:3128");
        reach(s, Err(FailureReason::Offline));
    }),
    ("clock.skew", Severity::Critical, |s| reach(s, Ok(Some(Span::minutes(-5))))),
    ("clock.wrong", Severity::Critical, |s| s.snapshot.clock_problem = Some("it is before the build".into())),
];

fn enable_timer(scene: &Scene) {
    scene.file(".config/systemd/user/timers.target.wants/opensoul-check.timer", 0o644);
}

/// An ntfy receiver with a short topic, and what is known of it.
fn receiver<'a>(scene: &'a mut Scene, more: &str) -> &'a mut ReceiverState {
    let text = format!("[[receivers]]\nname = 'push'\ntype = 'ntfy'\ntopic = 'short'\n{more}\n");
    scene.config = fixture::config(&text);
    scene.receivers.push(ReceiverState { name: "push".into(), ..ReceiverState::default() });
    scene.receivers.last_mut().expect("just added")
}

fn reach(scene: &mut Scene, answer: Result<Option<Span>, FailureReason>) {
    let answer = answer.map_err(|reason| (reason, "it said no".to_owned()));
    scene.reached.push(Reached { provider: "anthropic".into(), host: "api.anthropic.com".into(), answer });
}

fn credential(scene: &mut Scene, state: State) {
    scene.add_credential("claude-code:default", "anthropic", Owner::Tool, state);
}

fn bench(scene: &mut Scene, kind: BenchKind) {
    let until = scene.now + Span::minutes(200);
    scene.snapshot.credentials[0].credential.bench = Some(Bench { kind, until, reason: Some("billing".into()) });
    scene.snapshot.providers[0].usable = usize::from(kind == BenchKind::Cooldown);
}

/// Puts keys of OpenAI into main's store.
fn profiles(scene: &mut Scene, ids: &[&str]) {
    let entries: Vec<String> =
        ids.iter().map(|id| format!(r#""{id}":{{"type":"api_key","provider":"openai","key":"sk-canary"}}"#)).collect();
    let text = format!(r#"{{"version":1,"profiles":{{{}}}}}"#, entries.join(","));
    scene.installations[0].agents[0].store = auth_store::parse(&text).expect("a store").store;
    config(scene);
}

fn config(scene: &mut Scene) -> &mut GatewayConfig {
    scene.installations[0].config.get_or_insert_default()
}

fn declare(scene: &mut Scene, id: &str, mode: &str) {
    let entry = DeclaredProfile { id: id.into(), provider: "openai".into(), mode: mode.into(), email: None };
    config(scene).auth_profiles.push(entry);
}

/// Opens a file and the directories around it: a mode counts only where others can get to it.
fn open(scene: &Scene, path: &str, mode: u32) {
    scene.mode(path, mode);
    scene.mode(".opensoul", 0o711);
}

#[test]
fn a_healthy_machine_has_no_findings() {
    assert_eq!(Scene::healthy().findings(), []);
}

#[test]
fn each_check_fires_with_a_fix_and_without_a_secret() {
    for (id, severity, break_it) in BREAKAGES {
        let mut scene = Scene::healthy();
        break_it(&mut scene);
        let found = scene.of(id);
        assert_eq!(found.len(), 1, "{id}: {:?}", scene.findings());
        assert_eq!(found[0].severity, *severity, "{id}");
        assert!(!found[0].fix.is_empty() && !found[0].message.is_empty(), "{id}");
        let text = format!("{found:?}");
        assert!(!text.contains("canary"), "{id} shows a secret: {text}");
    }
}

#[test]
fn every_check_is_tested_and_documented_once() {
    let ids: Vec<&str> = checks().map(|check| check.id).collect();
    let known: BTreeSet<&str> = checks::IDS.iter().copied().filter(|id| *id != "doctor.check-failed").collect();
    assert_eq!(known, ids.iter().copied().collect(), "domain/checks.rs names every id");
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "an id is there twice");
    let broken: BTreeSet<&str> = BREAKAGES.iter().map(|(id, ..)| *id).collect();
    let documented = include_str!("../../docs/doctor.md");
    for check in checks() {
        // Root may write everywhere; a full disk is judged in a test of its own.
        let elsewhere = ["state.not-writable", "disk.full"].contains(&check.id);
        let tested = matches!(check.by, By::Source) || elsewhere || broken.contains(check.id);
        assert!(tested, "no test breaks {}", check.id);
        assert!(documented.contains(&format!("`{}`", check.id)), "{} is not in docs/doctor.md", check.id);
        assert!(check.id.split('.').count() == 2 && !check.about.is_empty(), "{}", check.id);
    }
}

#[test]
fn the_monitor_does_not_retell_its_own_alerts() {
    let mut scene = Scene::healthy();
    credential(&mut scene, State::Expired);
    scene.view.gateway.state = GatewayState::Down;
    scene.mode(".local/state/opensoul", 0o755);
    let ids: Vec<String> =
        scene.seen(|context| run(context, &Filter::for_monitor())).into_iter().map(|f| f.id).collect();
    assert_eq!(ids, ["own.state-permissions"]);
}

#[test]
fn copies_and_what_is_not_severe_are_quiet() {
    let mut scene = Scene::healthy();
    scene.add_credential("a:b", "x", Owner::Tool, State::Expired).copy_of = Some("c:d".into());
    scene.add_credential("e:f", "x", Owner::Tool, State::Static).judgement.severity = Severity::None;
    assert_eq!(scene.findings(), []);
}

#[test]
fn a_check_that_panics_is_a_finding() {
    const BROKEN: Check = Check { id: "test.broken", about: "nothing", by: By::Doctor(|_| panic!("on purpose")) };
    let scene = Scene::healthy();
    let found = scene.seen(|context| run_checks([&BROKEN].into_iter(), context, &Filter::everything()));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, "doctor.check-failed");
    assert!(found[0].message.contains("test.broken"));
}

#[test]
fn sources_findings_come_in_once_and_worst_first() {
    let mut scene = Scene::healthy();
    scene.mode(".local/state/opensoul", 0o755);
    let theirs = Finding::new("store.damaged", Severity::Critical, "m", "f");
    scene.snapshot.findings = vec![theirs.clone(), theirs.clone()];
    let found = scene.seen(|context| report(context, &Filter::everything()));
    assert_eq!(found.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["store.damaged", "own.state-permissions"]);
}

#[test]
fn a_broken_login_file_is_said_once() {
    let mut scene = Scene::healthy();
    let path = scene.file(".codex/auth.json", 0o600);
    for (severity, kept) in [(Severity::Critical, "credential.unreadable"), (Severity::Warning, "store.unparsable")] {
        let one = scene.add_credential("codex:default", "openai-codex", Owner::Tool, State::Unreadable);
        (one.credential.origin.path, one.judgement.severity) = (Some(path.as_path().into()), severity);
        let said = Finding::new("store.unparsable", Severity::Warning, "the file is not JSON", "codex login");
        scene.snapshot.findings = vec![said.at(Place::file(&path).at(2, 5))];
        let ids: Vec<String> = scene
            .seen(|context| report(context, &Filter::everything()))
            .into_iter()
            .map(|finding| finding.id)
            .collect();
        assert_eq!(ids, [kept]);
        scene.snapshot.credentials.pop();
    }
    // One entry of several: what is said of another entry is another trouble.
    let one = scene.add_credential("opencode:x", "x", Owner::Tool, State::Unknown);
    one.credential.origin.path = Some(path.as_path().into());
    one.judgement.because = vec!["x.key is not a text".into()];
    let damaged = |what: &str| {
        Finding::new("store.damaged-profile", Severity::Warning, format!("{}: {what}", path.display()), "f")
            .at(Place::file(&path))
    };
    scene.snapshot.findings = vec![damaged("x.key is not a text"), damaged("y.key is not a text")];
    let found = scene.seen(|context| report(context, &Filter::everything()));
    assert_eq!(found.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>(), ["store.damaged-profile"; 2]);
}

#[test]
fn filters() {
    let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let chosen = Filter::new(&words(&["credential", "path.shadowed"]), &words(&["credential.expired"])).expect("known");
    assert!(chosen.takes("credential.rejected") && chosen.takes("path.shadowed"));
    assert!(!chosen.takes("credential.expired") && !chosen.takes("gateway.down"));
    let unknown = Filter::new(&words(&["credental.expired", "cred"]), &words(&["zzz"])).expect_err("unknown");
    let texts: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    assert_eq!(texts[0], "there is no check `credental.expired`; did you mean `credential.expired`?");
    assert_eq!(texts[2], "there is no check `zzz`");
    assert_eq!(unknown[1].suggestion, Some("credential"));
}

#[test]
fn a_shell_key_matters_only_where_the_gateway_needs_it() {
    // A stored profile is taken before any variable.
    let mut scene = Scene::healthy();
    scene.env.set("ANTHROPIC_API_KEY", "sk");
    assert_eq!(scene.findings(), []);
    // Without it the provider, which is in use, has nothing.
    scene.snapshot.credentials.clear();
    let found = scene.of("auth.env-not-inherited");
    assert_eq!(found[0].severity, Severity::Warning);
    assert!(
        found[0].fix.contains(".opensoul/.env") && found[0].fix.contains("systemctl --user restart opensoul-gateway")
    );
    // Another name of the same provider is as good.
    let seen = scene.view.visible["OPENAI_API_KEY"].clone();
    scene.view.visible.insert("ANTHROPIC_OAUTH_TOKEN".into(), seen);
    assert_eq!(scene.of("auth.env-not-inherited"), []);
    // What cannot be seen proves nothing, and a monitor's environment is its own.
    scene.view.visible.clear();
    for (sight, interactive) in [(Sight::Blind, true), (Sight::Planned, true), (Sight::Running, false)] {
        (scene.view.sight, scene.interactive) = (sight, interactive);
        assert_eq!(scene.of("auth.env-not-inherited"), []);
    }
}

#[test]
fn tools_own_variables_are_not_the_gateways() {
    let mut scene = Scene::healthy();
    scene.env.set("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-x");
    scene.env.set("DEEPSEEK_API_KEY", "sk");
    assert_eq!(scene.findings(), []);
}

#[test]
fn a_stale_environment_names_what_changed() {
    let mut scene = Scene::healthy();
    scene.view.units[0].environment.insert("GROQ_API_KEY".into(), scene.key.fingerprint(&Secret::new("new".into())));
    let found = scene.of("gateway.env-stale");
    assert!(found[0].message.contains("GROQ_API_KEY"), "{}", found[0].message);
    assert_eq!(found[0].fix, "systemctl --user restart opensoul-gateway.service");
    // A changed unit file must be reloaded first.
    scene.view.units[0].files[0].1 = Some(scene.now);
    assert_eq!(
        scene.of("gateway.env-stale")[0].fix,
        "systemctl --user daemon-reload && systemctl --user restart opensoul-gateway.service"
    );
    // The .env on the disk of this machine is as new as this test; the fixture's clock is ten years ahead.
    let process = scene.view.process.as_mut().expect("a process");
    process.started = Some("2020-01-01T00:00:00Z".parse().expect("a date"));
    assert!(scene.of("gateway.env-stale")[0].message.contains(".opensoul/.env"));
}

#[test]
fn config_and_stores_that_agree_are_quiet() {
    let mut scene = Scene::healthy();
    profiles(&mut scene, &["openai:work", "openai:home"]);
    config(&mut scene).auth_order = vec![("openai".into(), vec!["openai:home".into()])];
    assert_eq!(scene.findings(), [], "an order that leaves one out is somebody's wish");
    config(&mut scene).auth_order[0].1 = vec!["openai:wrok".into()];
    let found = scene.of("order.unknown-profile");
    assert_eq!(found[0].severity, Severity::Critical, "nothing is left");
    assert!(found[0].message.contains("is openai:work meant?"), "{}", found[0].message);
    // A store that could not be read may hold it.
    scene.installations[0].agents[0].trouble = Some(Trouble::Unreadable);
    assert_eq!(scene.of("order.unknown-profile"), []);
}

#[test]
fn a_gateway_that_asks_the_login_shell_may_see_more() {
    let mut scene = Scene::healthy();
    scene.env.set("GROQ_API_KEY", "gsk");
    scene.installations[0].env.login_shell = true;
    assert_eq!(scene.findings(), []);
}

#[test]
fn modes_count_only_where_others_can_get() {
    let scene = Scene::healthy();
    scene.mode(".opensoul/agents/main/agent/auth-profiles.json", 0o644);
    let found = scene.of("store.permissions");
    assert_eq!(found[0].severity, Severity::Info, "its directory is closed");
    scene.mode(".opensoul", 0o750);
    scene.mode(".opensoul/agents/main/agent/auth-profiles.json", 0o640);
    let found = scene.of("store.permissions");
    assert_eq!(found[0].severity, Severity::Warning, "open to the group");
    assert!(found[0].fix.starts_with("chmod 600 "));
}

#[test]
fn benched_profiles_say_until_when_and_what_the_provider_said() {
    let mut scene = Scene::healthy();
    bench(&mut scene, BenchKind::Disabled);
    let found = scene.of("profile.disabled");
    assert!(
        found[0].message.contains("until 2036-11-20 15:20 UTC (in 3h 20m) because of billing"),
        "{}",
        found[0].message
    );
    assert!(found[0].message.contains("the key itself may be fine"));
    scene.snapshot.credentials[0].verdict =
        Some(Verdict { kind: VerdictKind::Accepted, at: scene.now, detail: String::new() });
    assert!(
        scene.of("profile.disabled")[0].message.contains("the provider itself said accepted at 2036-11-20 12:00 UTC")
    );
    // Nothing else works: somebody must come at once. Another one does: that can wait.
    assert_eq!(scene.of("profile.disabled")[0].severity, Severity::Critical);
    scene.snapshot.providers[0].usable = 1;
    assert_eq!(scene.of("profile.disabled")[0].severity, Severity::Warning);
    // Over.
    scene.now += Span::hours(4);
    assert_eq!(scene.of("profile.disabled"), []);
    bench(&mut scene, BenchKind::Cooldown);
    assert_eq!(scene.of("profile.cooldown")[0].severity, Severity::Warning);
    scene.snapshot.providers[0].usable = 2;
    assert_eq!(scene.of("profile.cooldown")[0].severity, Severity::Info);
}

#[test]
fn who_wins_in_path() {
    let mut scene = Scene::healthy();
    scene.file("later/opensoul", 0o755);
    let path = |scene: &Scene, dirs: &[&str]| {
        dirs.iter().map(|d| scene.path(d).display().to_string()).collect::<Vec<_>>().join(":")
    };
    scene.env.set("PATH", path(&scene, &["bin", "later"]));
    assert_eq!(scene.of("path.shadowed")[0].severity, Severity::Info);
    // A link to this program is this program; what cannot run shadows nothing.
    std::fs::create_dir(scene.path("link")).expect("directory");
    std::os::unix::fs::symlink(scene.path("bin/opensoul"), scene.path("link/opensoul")).expect("link");
    scene.file("text/opensoul", 0o644);
    scene.env.set("PATH", path(&scene, &["link", "text", "bin"]));
    assert_eq!(scene.of("path.shadowed"), []);
    scene.env.set("PATH", path(&scene, &["later", "bin"]));
    scene.interactive = false;
    assert_eq!(scene.of("path.shadowed"), []);
}

#[test]
fn a_directory_that_cannot_be_written() {
    let scene = Scene::healthy();
    scene.mode(".opensoul/agents/main/agent", 0o500);
    let expected = usize::from(scene.uid != 0);
    assert_eq!(scene.of("state.not-writable").len(), expected, "root may write everywhere");
}

#[test]
fn a_gateway_that_asks_for_a_secret_may_be_anywhere() {
    let mut scene = Scene::healthy();
    config(&mut scene).gateway_bind = Some("lan".into());
    assert_eq!(scene.of("gateway.open-bind").len(), 1);
    // By its config, its process, its unit, or its .env.
    config(&mut scene).gateway_guarded = true;
    assert_eq!(scene.findings(), []);
    config(&mut scene).gateway_guarded = false;
    scene.view.listening.guarded = true;
    assert_eq!(scene.findings(), []);
    scene.view.listening.guarded = false;
    scene.view.units[0].guarded = true;
    assert_eq!(scene.findings(), []);
    scene.view.units[0].guarded = false;
    scene.installations[0].env.set_absent("OPENSOUL_GATEWAY_TOKEN", "t", &Layer::Process);
    assert_eq!(scene.findings(), []);
    // What it listens on counts more than what is written; and without a readable config nothing can be said.
    scene.installations[0].env = LayeredEnv::default();
    config(&mut scene).gateway_bind = None;
    assert_eq!(scene.findings(), []);
    scene.view.listening.outer = Some("0.0.0.0:18789".into());
    assert!(scene.of("gateway.open-bind")[0].message.contains("listens on 0.0.0.0:18789"));
    scene.installations[0].config = None;
    assert_eq!(scene.findings(), []);
}

#[test]
fn services_of_profiles_do_not_compete() {
    let mut scene = Scene::healthy();
    let mut other = scene.view.units[0].clone();
    other.name = "opensoul-gateway-work.service".into();
    scene.view.units.push(other);
    assert_eq!(scene.of("gateway.several-services"), []);
    let mut other = scene.view.units[0].clone();
    (other.name, other.family, other.port) = ("openclaw-gateway.service".into(), Family::OpenClaw, Some(1));
    scene.view.units.push(other);
    assert_eq!(scene.of("gateway.several-services"), [], "another port");
}

#[test]
fn only_what_is_set_up_must_run() {
    let mut scene = Scene::healthy();
    (scene.configured, scene.last_cycle) = (false, None);
    assert_eq!(scene.findings(), [], "nobody asked for a monitor");
    scene.configured = true;
    assert!(scene.of("monitor.not-running")[0].message.contains("it has never looked"));
    // A phone that slept, a timer that has some play.
    scene.last_cycle = Some(scene.now - Span::minutes(50));
    assert_eq!(scene.findings(), []);
}

#[test]
fn what_waits_for_receivers_that_are_gone_is_no_trouble() {
    let mut scene = Scene::healthy();
    let now = scene.now;
    let state = receiver(&mut scene, "url = 'https://ntfy.example.org'");
    (state.queued, state.oldest) = (1, Some(now - Span::minutes(5)));
    assert_eq!(scene.findings(), [], "it waits for minutes only, and the server is one's own");
    scene.receivers[0].oldest = Some(now - Span::days(1));
    assert_eq!(scene.of("receiver.waiting").len(), 1);
    scene.config = fixture::config("");
    assert_eq!(scene.findings(), []);
}

#[test]
fn one_provider_of_two_that_cannot_be_reached_is_a_warning() {
    let mut scene = Scene::healthy();
    reach(&mut scene, Err(FailureReason::Dns));
    reach(&mut scene, Ok(Some(Span::minutes(-5))));
    scene.env.set("HTTPS_PROXY", "proxy.example.org:3128");
    assert_eq!(scene.of("network.dns")[0].severity, Severity::Warning);
    assert_eq!(scene.of("network.proxy"), [], "the other one answered through it");
    // One clock that agrees with ours is enough.
    assert!(scene.of("clock.skew")[0].message.contains("300 s ahead of"));
    reach(&mut scene, Ok(Some(Span::seconds(2))));
    assert_eq!(scene.of("clock.skew"), []);
    scene.env.set("HTTPS_PROXY", "://");
    assert_eq!(scene.of("network.proxy")[0].severity, Severity::Warning);
}

#[test]
fn repairs_are_offered_only_where_they_are_safe() {
    let mut scene = Scene::healthy();
    profiles(&mut scene, &["openai:work", "openai:home"]);
    let mut repair_of = |order: &[&str]| {
        let ids = order.iter().map(|id| (*id).to_owned()).collect();
        config(&mut scene).auth_order = vec![("openai".into(), ids)];
        scene.of("order.unknown-profile").into_iter().map(|finding| finding.repair).collect::<Vec<_>>()
    };
    let repairs = repair_of(&["openai:work", "anthropic:gone", "zzz"]);
    let Some(Repair::PruneConfigOrder { ids, provider, .. }) = &repairs[0] else { panic!("{repairs:?}") };
    assert_eq!((provider.as_str(), ids.join(" ").as_str()), ("openai", "anthropic:gone zzz"));
    assert_eq!(repairs[0], repairs[1], "one change for all of one list");
    assert_eq!(repair_of(&["openai:work", "openai:hmoe"]), [None], "a slip of the finger is corrected, not forgotten");
    assert_eq!(repair_of(&["zzz"]), [None], "an empty list means something else");
    // Other tools' files are theirs.
    let scene = Scene::healthy();
    let text = scene.file(".codex/auth.json", 0o644);
    let mut scene = scene;
    scene.add_credential("codex:default", "openai", Owner::Tool, State::Ok).credential.origin.path = Some(text.into());
    assert_eq!(scene.of("login.permissions")[0].repair, None);
}

#[test]
fn a_login_under_the_id_of_earlier_gateways_is_renamed_if_it_is_clear_which() {
    let mut scene = Scene::healthy();
    let login = |email: &str| {
        format!(
            r#""anthropic:{email}":{{"type":"oauth","provider":"anthropic","access":"a","refresh":"r","expires":1,"email":"{email}"}}"#
        )
    };
    let mut repair_of = |declared: Option<&str>, stored: &[&str]| {
        let stored: Vec<String> = stored.iter().map(|email| login(email)).collect();
        let text = format!(r#"{{"version":1,"profiles":{{{}}}}}"#, stored.join(","));
        scene.installations[0].agents[0].store = auth_store::parse(&text).expect("a store").store;
        config(&mut scene).auth_profiles = vec![DeclaredProfile {
            id: "anthropic:default".into(),
            provider: "anthropic".into(),
            mode: "oauth".into(),
            email: declared.map(str::to_owned),
        }];
        let found = scene.of("profile.not-in-store");
        assert_eq!(found.len(), 1, "{found:?}");
        match found[0].repair.clone() {
            Some(Repair::RenameProfile { from, to, .. }) => {
                assert_eq!(from, "anthropic:default");
                Some(to)
            }
            other => {
                assert_eq!(other, None);
                None
            }
        }
    };
    assert_eq!(repair_of(None, &["a@x.org"]).as_deref(), Some("anthropic:a@x.org"), "there is one login");
    assert_eq!(repair_of(None, &["a@x.org", "b@x.org"]), None, "nobody can tell which");
    assert_eq!(repair_of(Some("b@x.org"), &["a@x.org", "b@x.org"]).as_deref(), Some("anthropic:b@x.org"));
    assert_eq!(repair_of(None, &[]), None);
    assert_eq!(repair_of(Some("b@x.org"), &["a@x.org"]), None, "another account's");
}

#[test]
fn a_directory_is_as_open_as_those_around_it_let() {
    for path in [".opensoul", ".local/state/opensoul"] {
        let id = if path == ".opensoul" { "state.permissions" } else { "own.state-permissions" };
        let scene = Scene::healthy();
        scene.mode(path, 0o777);
        assert_eq!(scene.of(id)[0].severity, Severity::Critical, "{id}");
        scene.mode("", 0o700);
        assert_eq!(scene.of(id)[0].severity, Severity::Info, "{id}: nobody gets that far");
    }
}

#[test]
fn the_file_of_an_application_is_its_own() {
    let mut scene = Scene::healthy();
    let path = scene.file("app/.env", 0o640);
    scene.add_credential("dotenv:app#K", "openai", Owner::Environment, State::Ok).credential.origin =
        Origin { source: "dotenv".into(), path: Some(path.clone().into()), modified: None };
    let found = scene.of("dotenv.permissions");
    assert_eq!((found[0].severity, &found[0].repair), (Severity::Info, &None), "its group may be meant to read it");
    scene.mode("app/.env", 0o644);
    let found = scene.of("dotenv.permissions");
    assert_eq!((found[0].severity, &found[0].repair), (Severity::Critical, &None));
    scene.mode("app/.env", 0o600);
    scene.mode(".opensoul/.env", 0o644);
    assert!(scene.of("dotenv.permissions")[0].repair.is_some(), "the gateway's");
}

#[test]
fn a_daemon_stops_at_logout_too() {
    let mut scene = Scene::healthy();
    scene.view.lingers = Some(false);
    assert_eq!(scene.of("monitor.no-linger"), []);
    scene.file(".config/systemd/user/default.target.wants/opensoul-monitor.service", 0o644);
    assert!(scene.of("monitor.no-linger")[0].message.starts_with("opensoul-monitor.service belongs to the user"));
}

#[test]
fn units_of_a_machine_that_systemd_does_not_manage_miss_nothing() {
    let mut scene = Scene::healthy();
    scene.view.units[0].program = vec!["/nonexistent/node".into()];
    assert_eq!(scene.of("gateway.program-missing").len(), 1);
    scene.view.systemd = false;
    assert_eq!(scene.of("gateway.program-missing"), [], "a container with the home of its host");
    scene.view.systemd = true;
    scene.view.units[0].program = vec!["/nonexistent/%j/node".into()];
    assert_eq!(scene.of("gateway.program-missing"), [], "nobody knows where that is");
}

#[test]
fn a_lock_that_is_in_use_is_left_alone() {
    let mut scene = Scene::healthy();
    let lock = scene.file(".opensoul/agents/main/agent/auth-profiles.json.lock", 0o600);
    let found = scene.of("store.stale-lock");
    assert_eq!(found[0].severity, Severity::Warning, "a file where a directory belongs is never taken over");
    assert!(matches!(&found[0].repair, Some(Repair::RemoveLock { path, .. }) if *path == lock));
    scene.now = Time::from(std::fs::metadata(&lock).expect("a lock").modified().expect("a time")) + Span::seconds(60);
    assert_eq!(scene.of("store.stale-lock"), []);
}

#[test]
fn a_gateway_that_was_never_started_needs_no_directories() {
    let mut scene = Scene::healthy();
    std::fs::remove_dir_all(scene.path(".opensoul/agents/main/sessions")).expect("remove");
    assert_eq!(scene.of("state.missing-directory").len(), 1);
    (scene.view.process, scene.view.units) = (None, Vec::new());
    assert_eq!(scene.findings(), []);
}

#[test]
fn wishes_of_the_configuration() {
    let wishes = fixture::config("[doctor]\nskip = ['own', 'store.unreadable']\nseverity = { 'config' = 'info', 'config.permissions' = 'critical' }").doctor;
    let mut scene = Scene::healthy();
    scene.mode(".local/state/opensoul", 0o755);
    open(&scene, ".opensoul/opensoul.json", 0o644);
    let id = |findings: &[Finding]| findings.iter().map(|f| (f.id.clone(), f.severity)).collect::<Vec<_>>();
    let filter = Filter::everything().preferring(&wishes);
    let found = scene.seen(|context| run(context, &filter));
    assert!(id(&found).contains(&("config.permissions".into(), Severity::Critical)), "{found:?}");
    assert!(!found.iter().any(|finding| finding.id.starts_with("own.")));
    // Named on the command line, it is made.
    let named = Filter::new(&["own.state-permissions".to_owned()], &[]).expect("known").preferring(&wishes);
    assert_eq!(scene.seen(|context| run(context, &named)).len(), 1);
    // Of what sources found `--check` needs this one, whatever is wished for; the doctor does not show it.
    scene.snapshot.findings = vec![
        Finding::new("store.unreadable", Severity::Warning, "m", "f"),
        Finding::new("config.invalid", Severity::Critical, "m", "f"),
    ];
    filter.apply(&mut scene.snapshot.findings);
    assert_eq!(
        id(&scene.snapshot.findings),
        [("store.unreadable".into(), Severity::Warning), ("config.invalid".into(), Severity::Info)]
    );
    assert!(!scene.seen(|context| report(context, &filter)).iter().any(|finding| finding.id == "store.unreadable"));
}
