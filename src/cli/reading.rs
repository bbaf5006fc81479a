//! What every command that only looks starts with: our configuration, what the monitor remembers (read-only, and only if it
//! is there), one observation.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::exit::{Failure, FailureKind};
use super::{Context, asking, monitor_run};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Location, Problem};
use crate::doctor::Program;
use crate::domain::{Assessed, CredentialId, Environment, FingerprintKey, Secret, Time, Verdict};
use crate::monitor::observe::{self, Look, Observed};
use crate::monitor::probing::Asker;
use crate::net::Clients;
use crate::providers::Settings;
use crate::store::{Reader, Remembered, StoreError, key};

/// Before a refusal is heard a second time: a person waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Everything that an observation needs.
pub struct Reading {
    /// The environment; `--profile` has been applied to it.
    pub env: Environment,
    /// Where our own files are.
    pub location: Location,
    /// The configuration; the defaults if it is broken.
    pub config: Config,
    /// What is wrong with it.
    pub config_problems: Vec<Problem>,
    /// What earlier cycles know.
    pub remembered: Remembered,
    /// Why that could not be read.
    pub store_problem: Option<StoreError>,
    /// Why the shared key of `[identity]` cannot be had.
    pub key_problem: Option<String>,
    /// Key of the fingerprints.
    pub key: FingerprintKey,
    /// The instant of the observation.
    pub now: Time,
}

impl Reading {
    /// Reads our own files; makes nothing. Broken ones are said and worked around: the caller decides whether that will do.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn open(context: &Context) -> Result<Self, StoreError> {
        let env = context.env.clone();
        let named = context.global.config.as_deref();
        let location = config::locate(&env, named);
        let (mut config, config_problems) = match config::load(named, &env) {
            Ok(config) => (config, Vec::new()),
            Err(problems) => {
                let defaults = config::parse("", None, &env, config::local_zone(&env));
                (defaults.unwrap_or_else(|_| unreachable!("an empty configuration is valid")), problems)
            }
        };
        let shared = config.identity.key.as_ref().map(|reference| config::resolve(reference, &env)).transpose();
        let (shared, key_problem) = match shared {
            Ok(shared) => (shared, None),
            Err(why) => (None, Some(format!("[identity] key: {why}"))),
        };
        if key_problem.is_some() {
            // Hashes that are made with another key are no identities.
            config.identity.key = None;
        }
        let (remembered, key, store_problem) = recall(&location.state, shared.as_ref())?;
        let now = SystemClock::new().now();
        Ok(Self { env, location, config, config_problems, remembered, store_problem, key_problem, key, now })
    }

    /// One observation in a person's shell.
    #[must_use]
    pub fn observe(&self, program: Program) -> Observed {
        self.look(program, false)
    }

    fn look(&self, program: Program, keep_secrets: bool) -> Observed {
        let cwd = std::env::current_dir().ok();
        observe::observe(&Look {
            env: &self.env,
            cwd: Some(cwd.as_deref().unwrap_or(Path::new("/"))),
            config: &self.config,
            location: &self.location,
            program,
            remembered: &self.remembered,
            key: &self.key,
            keep_secrets,
            now: self.now,
        })
    }

    /// Asks the providers about everything found, for the next [`Reading::observe`]; nothing of it is stored. A refusal is heard
    /// a second time, which takes up to 10 s. With `paid`, for one token where a model is configured; the cost is shown first.
    ///
    /// # Errors
    /// If there is no runtime, or the person does not want to pay.
    pub fn probe(&mut self, program: &Program, paid: bool) -> Result<(), Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let clients = Clients::new(&self.env);
        let seen = self.look(program.clone(), true);
        let settings = Settings { paid, watcher: asking::watcher(), ..Settings::of(&self.config) };
        let models = if paid { asking::models(&seen.installations) } else { BTreeMap::new() };
        let asker = Asker { clients: &clients, clock: &clock, settings, env: &self.env, models };
        if paid {
            asking::consent(&asker.paid_questions(&seen.snapshot, &seen.secrets))?;
        }
        let wanted: Vec<CredentialId> = seen.snapshot.credentials.iter().map(|one| one.credential.id.clone()).collect();
        let again = async || Ok::<_, Infallible>(self.look(program.clone(), true));
        let Ok(answers) = monitor_run::runtime()?.block_on(asker.ask_twice(seen, &wanted, again, PATIENCE));
        answers.teach(&mut self.remembered);
        self.remembered.provider_date = answers.provider_date;
        Ok(())
    }
}

/// What the provider says about the profile that was just written into the store at `path`; `None` if it was not found there.
/// Nothing of it is stored. A refusal is heard a second time, which takes up to 10 s.
///
/// # Errors
/// If there is no runtime, or the system has no random bytes.
pub fn verify(context: &Context, path: &Path, profile: &str) -> Result<Option<Verdict>, Failure> {
    let failed = |error: StoreError| Failure::new(FailureKind::Unavailable, error.to_string());
    let reading = Reading::open(context).map_err(failed)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let clients = Clients::new(&reading.env);
    let look = || reading.look(context.program.clone(), true);
    let seen = look();
    let here =
        |one: &&Assessed| one.credential.profile == profile && one.credential.origin.path.as_deref() == Some(path);
    let Some(found) = seen.snapshot.credentials.iter().find(here) else { return Ok(None) };
    // The answer about one place of a secret is an answer about all its copies.
    let id = found.copy_of.as_ref().unwrap_or(&found.credential.id).clone();
    let settings = Settings { watcher: asking::watcher(), ..Settings::of(&reading.config) };
    let asker = Asker { clients: &clients, clock: &clock, settings, env: &reading.env, models: BTreeMap::new() };
    let again = async || Ok::<_, Infallible>(look());
    let wanted = [id.clone()];
    let Ok(answers) = monitor_run::runtime()?.block_on(asker.ask_twice(seen, &wanted, again, PATIENCE));
    Ok(answers.records.into_iter().find(|record| record.credential == id).map(|record| record.verdict))
}

/// What the monitor that keeps `state` remembers, and the key of its fingerprints; nothing and a key of our own if there is
/// none, or if that cannot be read, which is said.
///
/// # Errors
/// If the system has no random bytes.
pub fn recall(
    state: &Path,
    shared: Option<&Secret>,
) -> Result<(Remembered, FingerprintKey, Option<StoreError>), StoreError> {
    let mut problem = None;
    let remembered = Reader::open(state)
        .and_then(|reader| reader.map_or_else(|| Ok(Remembered::default()), |reader| reader.remembered()))
        .unwrap_or_else(|error| {
            problem = Some(error);
            Remembered::default()
        });
    let key = match (shared, key::load(state)) {
        (Some(secret), _) => key::shared(secret),
        (None, Ok(Some(key))) => key,
        (None, Ok(None)) => key::ephemeral()?,
        (None, Err(error)) => {
            problem.get_or_insert(error);
            key::ephemeral()?
        }
    };
    Ok((remembered, key, problem))
}
