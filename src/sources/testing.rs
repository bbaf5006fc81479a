//! A throw-away home for the tests of sources.

use std::path::PathBuf;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};

use super::{Harvest, Scene, Source};
use crate::config::Declared;
use crate::domain::{Environment, FingerprintKey, Time};

pub(super) struct Home {
    dir: tempfile::TempDir,
    pub env: Environment,
    pub env_is_source: bool,
    pub cwd: Option<PathBuf>,
    pub dotenv: Vec<PathBuf>,
    pub declared: Vec<Declared>,
}

pub(super) fn now() -> Time {
    "2027-01-10T12:00:00Z".parse().unwrap()
}

pub(super) fn jwt(claims: &str) -> String {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(claims), part("signature"))
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut env = Environment::default();
        env.set("HOME", dir.path().to_str().unwrap());
        Self { dir, env, env_is_source: true, cwd: None, dotenv: Vec::new(), declared: Vec::new() }
    }

    pub fn path(&self, place: &str) -> PathBuf {
        self.dir.path().join(place)
    }

    pub fn write(&self, place: &str, content: impl AsRef<[u8]>) {
        let path = self.path(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// A text with the home directory written `~`.
    pub fn relative(&self, text: &str) -> String {
        text.replace(self.dir.path().to_str().unwrap(), "~")
    }

    pub fn read(&self, source: &dyn Source) -> Harvest {
        let scene = Scene {
            env: &self.env,
            cwd: self.cwd.as_deref(),
            preferred: None,
            env_is_source: self.env_is_source,
            dotenv: &self.dotenv,
            declared: &self.declared,
            now: now(),
            key: &FingerprintKey::new(&[3; 32]),
        };
        let mut harvest = Harvest::default();
        source.read(&scene, &mut harvest);
        harvest
    }
}
