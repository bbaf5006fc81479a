//! Amp's key: `secrets.json` in `$AMP_HOME` or the data directory, under `apiKey@<address of the service>`.

use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source};
use crate::domain::Kind;
use crate::formats::provider_id;

/// See the module.
pub struct Amp;

const NAME: &str = "amp";
/// Where Amp itself is; other addresses are other installations.
const SERVICE: &str = "ampcode.com";

impl Source for Amp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = match scene.env.get("AMP_HOME") {
            Some(dir) => scene.env.expand(dir),
            None => super::bases::data(scene.env).join("amp"),
        };
        let signs = ["session.json", "history.jsonl", "threads"].map(|name| dir.join(name));
        let mut file = LoginFile::new(NAME, NAME, dir.join("secrets.json"), "amp login").alive(signs);
        if let Some(mut object) = file.open(Format::Json, harvest) {
            let names: Vec<String> = object.keys().filter(|name| name.starts_with("apiKey@")).cloned().collect();
            // Written with and without a slash at the end; with it is what Amp itself writes, and comes last in the alphabet.
            for name in names.into_iter().rev() {
                let address = &name["apiKey@".len()..];
                let host = provider_id::of_url(address).unwrap_or_else(|| "custom".to_owned());
                let own = host == SERVICE;
                let (profile, provider) = if own { ("default", NAME) } else { (host.as_str(), host.as_str()) };
                let found = file.key_in((profile, provider, Kind::ApiKey), &mut object, (&name, ""), scene, harvest);
                let ids: Vec<_> = harvest.found.iter().map(|found| found.credential.id.clone()).collect();
                harvest.found.extend(found.filter(|found| !ids.contains(&found.credential.id)));
            }
        }
        file.close(harvest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file};
    use super::*;
    use crate::domain::{Condition, Renewal};

    const PLACE: &str = ".local/share/amp/secrets.json";

    #[test]
    fn the_documented_shape() {
        let mut home = Home::new();
        let text = r#"{"apiKey@https://ampcode.com/":"sgamp_user_1","apiKey@https://ampcode.com":"sgamp_user_1",
            "apiKey@https://amp.work.example/":"sgamp_user_2","apiKey@https://old.example/":"","other":"x"}"#;
        home.write(PLACE, text);
        let harvest = home.read(&Amp);
        let list: Vec<_> = harvest
            .found
            .iter()
            .map(|found| {
                let credential = &found.credential;
                let secret = found.secret.as_ref().map(|secret| secret.expose().to_owned());
                (credential.id.as_str(), credential.provider.as_str(), credential.renewal, secret)
            })
            .collect();
        let expected = [
            ("amp:amp.work.example", "amp.work.example", Renewal::None, Some("sgamp_user_2".to_owned())),
            ("amp:default", "amp", Renewal::None, Some("sgamp_user_1".to_owned())),
            ("amp:old.example", "old.example", Renewal::None, None),
        ];
        let mut sorted = list;
        sorted.sort_by_key(|row| row.0);
        assert_eq!(sorted, expected);
        assert_eq!(harvest.found[0].credential.fix, "amp login");
        assert!(harvest.findings.is_empty());

        for (name, dir) in [("XDG_DATA_HOME", "data"), ("AMP_HOME", "own")] {
            home.env.set(name, home.path(dir).to_str().unwrap());
            assert!(home.read(&Amp).found.is_empty());
            home.write(if dir == "own" { "own/secrets.json" } else { "data/amp/secrets.json" }, text);
            assert_eq!(home.read(&Amp).found.len(), 3);
        }
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&Amp, PLACE, &["", r#"{"apiKey@https://ampcode.com/":"tell-nobody"#, "[]"], true);
        let home = Home::new();
        home.write(PLACE, r#"{"apiKey@https://ampcode.com/":7}"#);
        let harvest = home.read(&Amp);
        assert!(matches!(harvest.found[0].credential.condition, Condition::Damaged(_)));
        assert_eq!(harvest.findings.len(), 1);
        assert!(Home::new().read(&Amp).found.is_empty());
    }
}
