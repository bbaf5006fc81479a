//! `models auth`: the credentials of one agent of the gateway. Which gateway and which agent is decided here; what each word does
//! is in the files beside this one.

use std::path::Path;
use std::time::Duration;

use super::args_auth::{AuthCommand, ModelsAuth};
use super::exit::{Failure, FailureKind, Outcome};
use super::models_status::{known_agent, refuse_invalid_config};
use super::{Context, models_auth_list, models_auth_login, models_auth_order, models_auth_paste, owner};
use crate::clock::{Clock, SystemClock};
use crate::control::{AuthError, Keeper, WriteError, Writer};
use crate::domain::Time;
use crate::formats::eligibility::View;
use crate::formats::gateway_config::GatewayConfig;
use crate::formats::installation::{AgentStore, Family, Installation, Trouble};
use crate::formats::javascript::trim;
use crate::formats::provider_id::{normalize, normalize_agent};
use crate::sources::Scene;
use crate::sources::opensoul::{self, Sweep};
use crate::store::key;

/// How often, and after how long, a store that seems damaged is looked at again.
const LOOKS: u32 = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Runs the command. `agent`: what `--agent` says.
///
/// # Errors
/// Those of its words.
pub fn run(auth: ModelsAuth, agent: Option<&str>, context: &Context) -> Outcome {
    match auth.command {
        AuthCommand::List { provider, json } => models_auth_list::list(provider.as_deref(), json, agent, context),
        AuthCommand::Add => models_auth_paste::add(agent, context),
        AuthCommand::Login { provider } => models_auth_login::run(&provider, agent, context),
        AuthCommand::Remove { id, yes } => models_auth_list::remove(&id, yes, agent, context),
        AuthCommand::SetupToken { provider, yes, verify } => {
            models_auth_paste::setup_token(&provider, yes, verify, agent, context)
        }
        AuthCommand::PasteToken(args) => models_auth_paste::paste_token(&args, agent, context),
        AuthCommand::Order { command } => models_auth_order::run(command, agent, context),
    }
}

/// Which agent's, if nobody names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// Main's, or the directory that a variable names.
    Main,
    /// The config's default agent.
    Default,
}

/// The chosen gateway and one of its agents.
pub struct Gateway {
    /// The gateway.
    pub installation: Installation,
    /// The agent's id.
    pub agent: String,
    /// When it was looked at.
    pub now: Time,
    clock: SystemClock,
}

impl Gateway {
    /// Reads the chosen gateway. A config that the gateway would refuse is refused.
    ///
    /// # Errors
    /// The config is not usable (66, 78), or does not know the agent (64).
    pub fn open(agent: Option<&str>, unnamed: Unnamed, context: &Context) -> Result<Self, Failure> {
        let wanted = agent.map(trim).filter(|agent| !agent.is_empty()).map(normalize_agent);
        let first = Self::read(wanted.as_deref(), context)?;
        let none = GatewayConfig::default();
        let config = first.installation.config.as_ref().unwrap_or(&none);
        known_agent(wanted.as_deref(), agent, config)?;
        if wanted.is_none() && unnamed == Unnamed::Default {
            let default = config.default_agent().to_owned();
            return Self::read(Some(&default), context);
        }
        Ok(first)
    }

    fn read(agent: Option<&str>, context: &Context) -> Result<Self, Failure> {
        let clock = SystemClock::new();
        let now = clock.now();
        let key = key::ephemeral().map_err(|error| Failure::new(FailureKind::Unavailable, error.to_string()))?;
        let cwd = std::env::current_dir().ok();
        // Keys of a login shell change nothing about what is stored, and to ask it may take 15 s. This is the gateway's own word.
        let mut env = context.env.clone();
        env.set("OPENSOUL_DEFER_SHELL_ENV_FALLBACK", "1");
        let scene = Scene::of_gateway((&env, cwd.as_deref()), Family::of_program(&context.program.name), &key, now);
        // The gateway writes its store in place: who looks in that moment sees half of it, and looks again.
        let torn =
            |gateway: &Installation| gateway.agents.iter().any(|agent| agent.trouble == Some(Trouble::Unparsable));
        let look = || opensoul::installations(&scene, Sweep::Chosen(agent)).pop();
        let mut installation = look();
        for _ in 0..LOOKS {
            if !installation.as_ref().is_some_and(torn) {
                break;
            }
            std::thread::sleep(LOOK_AGAIN);
            installation = look();
        }
        let installation = installation.ok_or_else(|| Failure::new(FailureKind::Bug, "no state directory"))?;
        refuse_invalid_config(&installation)?;
        Ok(Self { installation, agent: agent.unwrap_or("main").to_owned(), now, clock })
    }

    /// The agent's store.
    ///
    /// # Errors
    /// There is no such agent: a bug.
    pub fn store(&self) -> Result<&AgentStore, Failure> {
        let found = self.installation.agent(&self.agent).or_else(|| self.installation.main());
        found.ok_or_else(|| Failure::new(FailureKind::Bug, "no agent"))
    }

    /// What the agent's gateway sees of it.
    ///
    /// # Errors
    /// As [`Gateway::store`].
    pub fn view(&self) -> Result<View<'_>, Failure> {
        static NONE: std::sync::LazyLock<GatewayConfig> = std::sync::LazyLock::new(GatewayConfig::default);
        let config = self.installation.config.as_ref().unwrap_or(&NONE);
        Ok(View::new(&self.installation, self.store()?, config, self.now_ms()))
    }

    /// Now, in the milliseconds of the stores.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
    pub fn now_ms(&self) -> f64 {
        self.now.timestamp_millis() as f64
    }

    /// Writes for this agent.
    ///
    /// # Errors
    /// The store is damaged (78) or cannot be read (66): to write over it would lose what can still be saved.
    pub fn writer(&self) -> Result<Writer<'_>, Failure> {
        let agent = self.store()?;
        if let Some(trouble) = agent.trouble {
            let kind = if trouble == Trouble::Unreadable { FailureKind::NoInput } else { FailureKind::Config };
            let said: Vec<String> = agent
                .findings
                .iter()
                .filter(|finding| finding.place.path.as_deref() == Some(&agent.store_path))
                .map(|finding| format!("{}: {}; {}", finding.place, finding.message, finding.fix))
                .collect();
            return Err(Failure::new(kind, format!("nothing was changed:\n{}", said.join("\n"))));
        }
        Ok(Writer { installation: &self.installation, agent, keeper: self.keeper() })
    }

    /// How locks are waited for.
    pub fn keeper(&self) -> Keeper<'_> {
        Keeper { clock: &self.clock, patience: Keeper::PATIENCE, waiting: &waiting }
    }
}

/// Said once, when it takes long.
fn waiting(lock: &Path) {
    note!("waiting for {} (another program is writing)", lock.display());
}

/// A provider as it was typed, normalised.
///
/// # Errors
/// It is blank (64).
pub fn provider(text: &str) -> Result<String, Failure> {
    let provider = normalize(text);
    if provider.is_empty() || provider.chars().any(char::is_control) {
        return Err(Failure::new(FailureKind::Usage, "--provider: name a provider, such as anthropic"));
    }
    Ok(provider)
}

/// Nothing was written, or only one of two.
pub fn refused(error: &AuthError) -> Failure {
    Failure::new(kind(error.cause()), error.to_string())
}

/// Nothing was written.
pub fn not_written(error: &WriteError) -> Failure {
    Failure::new(kind(error), error.to_string())
}

fn kind(error: &WriteError) -> FailureKind {
    use std::io::ErrorKind;
    match error {
        WriteError::NotOurs { .. } => FailureKind::NoPermission,
        WriteError::Busy { .. } | WriteError::Contended { .. } => FailureKind::TryAgain,
        WriteError::Unusable { .. } => FailureKind::Config,
        WriteError::Blocked { .. } => FailureKind::CannotCreate,
        WriteError::Io { source, .. } => match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => FailureKind::NoPermission,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FailureKind::Io,
            _ => FailureKind::CannotCreate,
        },
    }
}

/// The words after the owner's program for an agent: `--agent ID` where one is named.
pub fn agent_words<'a>(words: &[&'a str], agent: Option<&'a str>) -> Vec<&'a str> {
    let agent = agent.map(trim).filter(|agent| !agent.is_empty());
    words.iter().copied().chain(agent.into_iter().flat_map(|agent| ["--agent", agent])).collect()
}

/// Where the installation keeps its credentials in SQLite, its own program does it.
///
/// # Errors
/// That program is missing (69, with the command), or fails.
pub fn by_owner(gateway: &Gateway, words: &[&str], context: &Context) -> Outcome {
    owner::Owner::of(&gateway.installation, words, context)?.run(None)
}
