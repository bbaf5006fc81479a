//! A healthy machine in a temporary directory; each test breaks one thing of it.

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::domain::*;
use crate::formats::gateway_view::{GatewayProcess, GatewayUnit, Listening, SeenIn, Sight, Sighting, UnitScope};
use crate::formats::installation::{AgentStore, Family, LayeredEnv};

pub(super) struct Scene {
    pub dir: tempfile::TempDir,
    pub snapshot: Snapshot,
    pub installations: Vec<Installation>,
    pub view: GatewayView,
    pub env: Environment,
    pub interactive: bool,
    pub program: Program,
    pub uid: u32,
    pub key: FingerprintKey,
    pub now: Time,
    pub config: Config,
    pub configured: bool,
    pub last_cycle: Option<Time>,
    pub receivers: Vec<ReceiverState>,
    pub reached: Vec<Reached>,
}

impl Scene {
    pub fn healthy() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        // Open on the way, as /home is: else nothing in it could be exposed.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        let now: Time = "2036-11-20T12:00:00Z".parse().expect("a date");
        let mut env = Environment::default();
        env.set("HOME", dir.path().display().to_string());
        let key = FingerprintKey::new(&[7; 32]);
        let mut scene = Self {
            snapshot: Snapshot {
                taken_at: now,
                host: "here".into(),
                credentials: Vec::new(),
                providers: Vec::new(),
                gateway: Gateway { state: GatewayState::Up, detail: "answers".into() },
                findings: Vec::new(),
                sources: Vec::new(),
                clock_problem: None,
                fleet: false,
            },
            installations: Vec::new(),
            view: GatewayView {
                gateway: Gateway { state: GatewayState::Up, detail: "answers".into() },
                port: 18789,
                process: Some(GatewayProcess {
                    pid: 42,
                    started: Some(now - Span::hours(1)),
                    unit: Some("opensoul-gateway.service".into()),
                }),
                units: vec![GatewayUnit {
                    name: "opensoul-gateway.service".into(),
                    family: Family::OpenSoul,
                    scope: UnitScope::User,
                    path: "/u/opensoul-gateway.service".into(),
                    enabled: true,
                    files: vec![("/u/opensoul-gateway.service".into(), Some(now - Span::days(9)))],
                    environment: [("OPENAI_API_KEY".to_owned(), key.fingerprint(&Secret::new("sk-one".into())))].into(),
                    credentials: std::collections::BTreeMap::new(),
                    program: vec!["/bin/sh".into()],
                    port: None,
                    guarded: false,
                }],
                visible: [(
                    "OPENAI_API_KEY".to_owned(),
                    Sighting::new(SeenIn::Process, key.fingerprint(&Secret::new("sk-one".into()))),
                )]
                .into(),
                sight: Sight::Running,
                systemd: true,
                lingers: Some(true),
                listening: Listening::default(),
            },
            env,
            interactive: true,
            program: Program::default(),
            uid: rustix::process::getuid().as_raw(),
            key,
            now,
            config: config(""),
            configured: true,
            last_cycle: Some(now - Span::minutes(3)),
            receivers: Vec::new(),
            reached: Vec::new(),
            dir,
        };
        scene.env.set("OPENAI_API_KEY", "sk-one");
        scene.add_installation(Family::OpenSoul, true);
        scene.file(".config/opensoul/monitor.toml", 0o600);
        scene.file(".local/state/opensoul/key", 0o600);
        scene.mode(".local/state/opensoul", 0o700);
        let exe = scene.file("bin/opensoul", 0o755);
        scene.env.set("PATH", scene.dir.path().join("bin").display().to_string());
        scene.program = Program { exe: Some(exe), name: "opensoul".into() };
        scene.add_credential("opensoul:main/anthropic:default", "anthropic", Owner::GatewayStore, State::Ok);
        scene.snapshot.providers.push(ProviderSummary {
            provider: "anthropic".into(),
            state: State::Ok,
            in_use: true,
            usable: 1,
            total: 1,
            effective: Some("opensoul:main/anthropic:default".into()),
        });
        scene
    }

    pub fn add_installation(&mut self, family: Family, chosen: bool) {
        let word = format!(".{}", family.word());
        let store_path = self.file(&format!("{word}/agents/main/agent/auth-profiles.json"), 0o600);
        self.file(&format!("{word}/agents/main/sessions/sessions.json"), 0o600);
        self.file(&format!("{word}/.env"), 0o600);
        let config_path = self.file(&format!("{word}/{}.json", family.word()), 0o600);
        self.mode(&word, 0o700);
        let agent_dir = store_path.parent().expect("a directory").to_owned();
        self.installations.push(Installation {
            family,
            state_dir: self.dir.path().join(word),
            chosen,
            config_path,
            config: None,
            config_problems: Vec::new(),
            beside: Vec::new(),
            agents: vec![AgentStore { agent: "main".into(), agent_dir, store_path, ..AgentStore::default() }],
            env: LayeredEnv::default(),
            sqlite: false,
        });
    }

    pub fn add_credential(&mut self, id: &str, provider: &str, owner: Owner, state: State) -> &mut Assessed {
        let severity = if state == State::Ok { Severity::None } else { Severity::Warning };
        self.snapshot.credentials.push(Assessed {
            credential: Box::new(Credential {
                id: id.into(),
                provider: provider.into(),
                profile: id.rsplit('/').next().unwrap_or(id).into(),
                kind: Kind::ApiKey,
                agent: None,
                origin: Origin { source: "opensoul".into(), path: None, modified: None },
                owner,
                renewal: Renewal::None,
                condition: Condition::Present,
                clocks: Clocks::default(),
                account: None,
                scopes: None,
                fingerprint: None,
                refresh_fingerprint: None,
                selection: Selection::NotApplicable,
                bench: None,
                activity: Activity::default(),
                declared_in_use: None,
                fix: "renew it".into(),
                notes: Vec::new(),
            }),
            judgement: Judgement {
                state,
                severity,
                in_use: true,
                expires: None,
                warn_at: None,
                critical_at: None,
                tier: None,
                generation: "g".into(),
                because: vec![format!("it is {state}")],
                fix: None,
            },
            copies: Vec::new(),
            copy_of: None,
            verdict: None,
            allowance: None,
        });
        self.snapshot.credentials.last_mut().expect("just added")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn file(&self, path: &str, mode: u32) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
        fs::write(&path, "x").expect("file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
        path
    }

    pub fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).expect("mode");
    }

    /// What is seen of this scene, given to a look at it.
    pub fn seen<T>(&self, look: impl FnOnce(&Context<'_>) -> T) -> T {
        let monitor = MonitorSeen {
            config: &self.config,
            configured: self.configured,
            running: false,
            last_cycle: self.last_cycle,
            receivers: &self.receivers,
        };
        look(&Context {
            snapshot: &self.snapshot,
            installations: &self.installations,
            gateway: &self.view,
            env: &self.env,
            interactive: self.interactive,
            own: OwnPaths {
                config: self.path(".config/opensoul/monitor.toml"),
                state: self.path(".local/state/opensoul"),
            },
            program: self.program.clone(),
            key: &self.key,
            uid: self.uid,
            now: self.now,
            monitor: Some(&monitor),
            reached: Some(&self.reached),
            surveyed: OnceCell::new(),
        })
    }

    pub fn findings(&self) -> Vec<Finding> {
        self.seen(|context| run(context, &Filter::everything()))
    }

    pub fn of(&self, id: &str) -> Vec<Finding> {
        self.findings().into_iter().filter(|f| f.id == id).collect()
    }
}

/// A configuration of the monitor.
pub(super) fn config(text: &str) -> Config {
    crate::config::parse(text, None, &Environment::default(), Zone::UTC).expect("a good configuration")
}
