//! A session of a gateway on this machine, as a line of a chat reaches it: read from the gateway's files, changed under their own
//! lock. The terminal and Telegram both come this way.

use std::path::PathBuf;
use std::time::Duration;

use crate::chat::model::{self, Answer, Directive, Said, Sessions, Trouble, TroubleKind, extract, reply};
use crate::clock::{Clock, SystemClock};
use crate::control::session_pins::{self, PinError};
use crate::control::{Keeper, WriteError};
use crate::domain::{Environment, Time};
use crate::files;
use crate::formats::eligibility::View;
use crate::formats::gateway_config::GatewayConfig;
use crate::formats::installation::{AgentStore, Family, Installation};
use crate::formats::provider_id::normalize_agent;
use crate::formats::sessions::{self, Entry};
use crate::output::models_status::short;
use crate::sources::Scene;
use crate::sources::opensoul::{self, Sweep};
use crate::store::key;

/// Which session, and how it is looked for.
pub struct GatewaySessions {
    /// The process environment.
    pub env: Environment,
    /// The working directory of a person's shell.
    pub cwd: Option<PathBuf>,
    /// The family whose state directory is preferred.
    pub preferred: Option<Family>,
    /// The session's key, or the last part of it; the agent's main one otherwise.
    pub session: Option<String>,
    /// The agent; the one in the key, or the gateway's default one otherwise.
    pub agent: Option<String>,
    /// How long to wait for the lock of the file.
    pub patience: Duration,
}

impl Sessions for GatewaySessions {
    fn ask(&self, line: &str) -> Result<Option<Said>, Trouble> {
        let mut words = line.split_whitespace();
        let models = words.next().is_some_and(|word| word.eq_ignore_ascii_case("/models"));
        let gateway = Gateway::read(self)?;
        if models {
            let text = gateway.shown(|scene| reply::models(scene, words.next()));
            return Ok(Some(Said { text, refused: false, changes: false }));
        }
        let directive = extract(line, &reply::aliases(gateway.config()));
        if directive.found { gateway.ask(&directive).map(Some) } else { Ok(None) }
    }

    fn order(&self, line: &str) -> Result<Said, Trouble> {
        let gateway = Gateway::read(self)?;
        let directive = extract(line, &reply::aliases(gateway.config()));
        gateway.order(&directive, self.patience)
    }
}

fn trouble(kind: TroubleKind, message: impl Into<String>) -> Trouble {
    Trouble { kind, message: message.into() }
}

/// The gateway that a session belongs to.
struct Gateway {
    installation: Installation,
    none: GatewayConfig,
    agent: String,
    session: String,
    file: PathBuf,
    home: PathBuf,
    now: Time,
}

impl Gateway {
    fn read(asked: &GatewaySessions) -> Result<Self, Trouble> {
        let named = asked.agent.as_deref().or_else(|| agent_of(asked.session.as_deref()?));
        let named = named.map(str::trim).filter(|agent| !agent.is_empty()).map(normalize_agent);
        let now = SystemClock::new().now();
        let read = |agent: Option<&str>| installation(asked, agent, now);
        let mut installation = read(named.as_deref())?;
        let agent =
            named.unwrap_or_else(|| installation.config.as_ref().map_or("main", |c| c.default_agent()).to_owned());
        if installation.agent(&agent).is_none() {
            installation = read(Some(&agent))?;
        }
        if let Some(problem) = installation.config_problems.first() {
            let place = format!("{}: {}", problem.place, problem.message);
            return Err(trouble(
                TroubleKind::Config,
                format!("the gateway refuses its config: {place}; {}", problem.fix),
            ));
        }
        let config = installation.config.as_ref();
        let main = config.and_then(|c| c.main_session.clone()).unwrap_or_else(|| "main".to_owned());
        let session = match asked.session.as_deref().map(str::trim).filter(|key| !key.is_empty()) {
            Some(key) if key.contains(':') || key == "global" => key.to_owned(),
            Some(key) => format!("agent:{agent}:{key}"),
            None => format!("agent:{agent}:{main}"),
        };
        let file = match config.and_then(|c| c.session_store.as_deref()) {
            Some(store) => asked.env.expand(&store.replace("{agentId}", &agent)),
            None => installation.state_dir.join("agents").join(&agent).join("sessions/sessions.json"),
        };
        let home = asked.env.home();
        Ok(Self { installation, none: GatewayConfig::default(), agent, session, file, home, now })
    }

    fn config(&self) -> &GatewayConfig {
        self.installation.config.as_ref().unwrap_or(&self.none)
    }

    /// With the session as it is in the file; an empty one if it is not there.
    fn shown<T>(&self, show: impl FnOnce(&model::Scene<'_>) -> T) -> T {
        let entry = self.entry().ok().flatten().unwrap_or_default();
        self.with(&entry, show)
    }

    fn with<T>(&self, entry: &Entry, show: impl FnOnce(&model::Scene<'_>) -> T) -> T {
        let now_ms = self.now.timestamp_millis();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
        let now = now_ms as f64;
        let nobody = AgentStore::default();
        let store = self.installation.agent(&self.agent).or_else(|| self.installation.main()).unwrap_or(&nobody);
        let view = View::new(&self.installation, store, self.config(), now);
        let env = &self.installation.env;
        show(&model::Scene {
            config: self.config(),
            agent: &self.agent,
            view: &view,
            env,
            entry,
            home: &self.home,
            now_ms,
        })
    }

    fn entry(&self) -> Result<Option<Entry>, Trouble> {
        if self.installation.sqlite {
            return Ok(None);
        }
        let contents = files::read(&self.file, files::LIMIT);
        let contents =
            contents.map_err(|found| trouble(TroubleKind::Absent, format!("{} {}", self.file.display(), found.why)))?;
        let Some(contents) = contents else { return Ok(None) };
        let mut sessions = sessions::parse(&contents.text)
            .map_err(|broken| trouble(TroubleKind::Broken, session_pins::broken(&self.file, &broken)))?;
        Ok(sessions.remove(&self.session))
    }

    /// What is answered. Where something would be changed, that it can be.
    fn ask(&self, directive: &Directive) -> Result<Said, Trouble> {
        let found = self.entry()?;
        let there = found.is_some();
        let entry = found.unwrap_or_default();
        let Answer { mut text, entry: changed, refused } = self.with(&entry, |scene| model::answer(scene, directive));
        let changes = changed.is_some();
        if changes && self.installation.sqlite {
            let program = self.installation.family.word();
            let message = format!(
                "this gateway keeps its sessions in a database, which only {program} itself changes; nothing was changed. Say it in its chat: {}",
                command(directive),
            );
            return Err(trouble(TroubleKind::Elsewhere, message));
        }
        if changes && !there {
            return Err(trouble(TroubleKind::Absent, format!("nothing was changed: {}", self.absent())));
        }
        if !there && !refused {
            text = format!("{text}\n{}", self.absent());
        }
        Ok(Said { text, refused, changes })
    }

    fn order(&self, directive: &Directive, patience: Duration) -> Result<Said, Trouble> {
        let asked = self.ask(directive)?;
        if !asked.changes {
            return Ok(asked);
        }
        let clock = SystemClock::new();
        let keeper = Keeper { clock: &clock, patience, waiting: &|_| {} };
        // Once more, with what is in the file while nobody else writes it.
        let answer = session_pins::change(&self.file, &self.session, &keeper, |entry| {
            let answer = self.with(entry, |scene| model::answer(scene, directive));
            let entry = answer.entry.clone();
            (answer, entry)
        });
        match answer {
            Ok(Answer { text, refused, entry }) => Ok(Said { text, refused, changes: entry.is_some() }),
            Err(error) => Err(trouble(sort(&error), error.to_string())),
        }
    }

    fn absent(&self) -> String {
        if self.installation.sqlite {
            return "(This gateway keeps its sessions in a database: what they have chosen is not seen here.)"
                .to_owned();
        }
        let file = files::text(&self.file);
        let known: Vec<String> =
            sessions::parse(&file).map(|all| all.into_keys().take(8).collect()).unwrap_or_default();
        let there =
            if known.is_empty() { "it has none yet".to_owned() } else { format!("there are {}", known.join(", ")) };
        format!("{} has no session {}; {there}", short(&self.file, &self.home), self.session)
    }
}

fn sort(error: &PinError) -> TroubleKind {
    match error {
        PinError::Broken(_) => TroubleKind::Broken,
        PinError::Gone { .. } => TroubleKind::Absent,
        PinError::Write(WriteError::Busy { .. } | WriteError::Contended { .. }) => TroubleKind::Busy,
        PinError::Write(_) => TroubleKind::Unwritten,
    }
}

fn command(directive: &Directive) -> String {
    let profile = directive.profile.as_deref().map(|profile| format!("@{profile}")).unwrap_or_default();
    format!("/model {}{profile}", directive.model.as_deref().unwrap_or_default())
}

/// The agent in `agent:ID:…`.
fn agent_of(session: &str) -> Option<&str> {
    session.trim().strip_prefix("agent:")?.split(':').next()
}

fn installation(asked: &GatewaySessions, agent: Option<&str>, now: Time) -> Result<Installation, Trouble> {
    let key = key::ephemeral().map_err(|error| trouble(TroubleKind::Absent, error.to_string()))?;
    let scene = Scene::of_gateway((&asked.env, asked.cwd.as_deref()), asked.preferred, &key, now);
    let found = opensoul::installations(&scene, Sweep::Chosen(agent)).pop();
    found.ok_or_else(|| trouble(TroubleKind::Absent, "there is no gateway"))
}
