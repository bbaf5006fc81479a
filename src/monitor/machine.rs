//! This machine, as a cycle sees it.

use crate::config::{self, Config, Location};
use crate::doctor::Program;
use crate::domain::{Environment, FingerprintKey, Time};
use crate::store::{Remembered, key};

use super::cycle::Eyes;
use super::ground::{Ground, StartError};
use super::observe::{Look, Observed, observe, observe_home_only};

/// Looks at this machine, or at one home on it.
pub struct Machine {
    env: Environment,
    location: Location,
    program: Program,
    key: FingerprintKey,
    home_only: bool,
}

impl Machine {
    /// Makes the fingerprint key if there is none: only the monitor does.
    ///
    /// # Errors
    /// If the shared key of `[identity]` cannot be read.
    pub fn new(env: &Environment, program: Program, ground: &Ground) -> Result<Self, StartError> {
        let Ground { config, location, .. } = ground;
        let key = match &config.identity.key {
            Some(reference) => key::shared(&config::resolve(reference, env).map_err(StartError::Key)?),
            None => key::load_or_create(&location.state).or_else(|error| {
                tracing::warn!(%error, "secrets are told apart by a key of this process only");
                key::ephemeral()
            })?,
        };
        Ok(Self { env: env.clone(), location: location.clone(), program, key, home_only: false })
    }

    /// Looks at nothing but the home of its environment.
    #[must_use]
    pub fn home_only(self) -> Self {
        Self { home_only: true, ..self }
    }
}

impl Eyes for Machine {
    fn look(&self, config: &Config, remembered: &Remembered, now: Time) -> Observed {
        let look = Look {
            env: &self.env,
            cwd: None,
            config,
            location: &self.location,
            program: self.program.clone(),
            remembered,
            key: &self.key,
            keep_secrets: true,
            now,
        };
        if self.home_only { observe_home_only(&look) } else { observe(&look) }
    }
}
