//! A throw-away home for the tests of sources.

use std::path::PathBuf;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};

use super::{Harvest, Scene, Source};
use crate::config::Declared;
use crate::domain::{Condition, Credential, Environment, FingerprintKey, Time};

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
        self.seen(|scene| {
            let mut harvest = Harvest::default();
            source.read(scene, &mut harvest);
            harvest
        })
    }

    /// Every source, as in the product.
    pub fn everything(&self) -> Harvest {
        self.seen(super::harvest)
    }

    fn seen(&self, look: impl FnOnce(&Scene<'_>) -> Harvest) -> Harvest {
        look(&Scene {
            env: &self.env,
            cwd: self.cwd.as_deref(),
            preferred: None,
            env_is_source: self.env_is_source,
            dotenv: &self.dotenv,
            declared: &self.declared,
            now: now(),
            key: &FingerprintKey::new(&[3; 32]),
        })
    }
}

/// Every way in which a whole file of a tool breaks: one finding, at its place, without a word of what is in it; a report that
/// is not up; and a credential that cannot be judged, if `shown` (a file of settings shows none).
#[track_caller]
pub(super) fn breaks(source: &dyn Source, place: &str, shown: bool) {
    type Make = fn(&Home, &str);
    let table: [(&str, Make, &str); 8] = [
        ("truncated", |home, place| home.write(place, "{\"a\": {\n \"secret\": \"sec"), "store.unparsable"),
        ("a word", |home, place| home.write(place, "[secret"), "store.unparsable"),
        ("no object", |home, place| home.write(place, "[\"secret\"]"), "store.unparsable"),
        ("binary", |home, place| home.write(place, [b'{', 0xff, 0]), "store.unparsable"),
        ("huge", |home, place| home.write(place, vec![b' '; 9 << 20]), "store.unreadable"),
        ("directory", |home, place| std::fs::create_dir_all(home.path(place)).unwrap(), "store.unreadable"),
        ("loop of links", |home, place| link(home, place, place), "store.unreadable"),
        ("link to nothing", |home, place| link(home, "nowhere", place), "store.unreadable"),
    ];
    for (name, make, id) in table {
        // A list in brackets is a heading there.
        if name == "no object" && place.ends_with(".toml") {
            continue;
        }
        let home = Home::new();
        make(&home, place);
        let harvest = home.read(source);
        let [finding] = harvest.findings.as_slice() else { panic!("{name}: {:?}", harvest.findings) };
        assert_eq!(finding.id, id, "{name}");
        assert_eq!(finding.place.path, Some(home.path(place)), "{name}");
        assert!(!finding.message.contains("secret") && !finding.fix.is_empty(), "{name}: {finding:?}");
        assert_eq!(harvest.found.len(), usize::from(shown), "{name}");
        assert!(!harvest.reports[0].up, "{name}");
        for found in &harvest.found {
            let condition = &found.credential.condition;
            assert!(matches!(condition, Condition::Damaged(_) | Condition::Unreadable(_)), "{name}: {condition:?}");
        }
    }
}

fn link(home: &Home, to: &str, place: &str) {
    std::fs::create_dir_all(home.path(place).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(home.path(to), home.path(place)).unwrap();
}

/// The facts alone, in the order in which they were found.
pub(super) fn credentials(harvest: &Harvest) -> Vec<Credential> {
    harvest.found.iter().map(|found| found.credential.clone()).collect()
}

/// The only credential of `home` in the eyes of `source`.
#[track_caller]
pub(super) fn only(home: &Home, source: &dyn Source) -> (Credential, Harvest) {
    let harvest = home.read(source);
    assert_eq!(harvest.found.len(), 1, "{:?} {:?}", credentials(&harvest), harvest.findings);
    (harvest.found[0].credential.clone(), harvest)
}
