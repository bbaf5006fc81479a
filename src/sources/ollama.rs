//! Ollama's device key. It is made at the first start whether or not anybody signs in, and whether the account still knows it
//! is not to be seen from here: it is shown, never opened, and counts as used by nothing. (`OLLAMA_API_KEY` is the
//! environment's.)

use super::login::LoginFile;
use super::{Harvest, Scene, Source};
use crate::domain::{Condition, Kind, Renewal};
use crate::files;

/// See the module.
pub struct Ollama;

const NAME: &str = "ollama";

impl Source for Ollama {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let path = scene.env.home().join(".ollama/id_ed25519");
        let file = LoginFile::new(NAME, NAME, path, "ollama signin");
        let there = file.exists();
        if there {
            let mut found = match files::regular(file.path()) {
                Ok(_) => file.found("device", NAME, Kind::Session, Condition::Present),
                Err(trouble) => {
                    let why = format!("{} {}", file.path().display(), trouble.why);
                    file.found("device", NAME, Kind::Session, Condition::Unreadable(why))
                }
            };
            let credential = &mut found.credential;
            credential.origin.modified = files::modified(file.path());
            credential.renewal = Renewal::None;
            credential.declared_in_use = Some(false);
            credential.notes.push("a key of this device; whether it is signed in, only Ollama knows".to_owned());
            harvest.found.push(found);
        }
        file.close_unread(harvest, usize::from(there));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::*;

    #[test]
    fn shown_and_never_opened() {
        let home = Home::new();
        assert!(home.read(&Ollama).found.is_empty());
        home.write(".ollama/id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----");
        let harvest = home.read(&Ollama);
        let found = &harvest.found[0];
        assert_eq!((found.credential.id.as_str(), found.credential.declared_in_use), ("ollama:device", Some(false)));
        assert!(found.secret.is_none() && found.credential.fingerprint.is_none());
        assert_eq!(found.credential.condition, Condition::Present);
        assert!(found.credential.origin.modified.is_some());
        let home = Home::new();
        std::fs::create_dir_all(home.path(".ollama/id_ed25519")).unwrap();
        let harvest = home.read(&Ollama);
        assert!(matches!(harvest.found[0].credential.condition, Condition::Unreadable(_)));
    }
}
