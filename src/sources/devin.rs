//! The keys of Devin's command line and of Windsurf, which is the same service: `credentials.toml`.

use super::json::{self, Field};
use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source};
use crate::domain::{Condition, Kind};

/// Devin's command line.
pub struct Devin;

/// Windsurf's own place.
pub struct Windsurf;

/// What both call the field, and the service behind both.
const FIELD: &str = "windsurf_api_key";
const PROVIDER: &str = "windsurf";

impl Source for Devin {
    fn name(&self) -> &'static str {
        "devin"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        for dir in [super::bases::data(scene.env), super::bases::config(scene.env)] {
            let file = LoginFile::new("devin", PROVIDER, dir.join("devin/credentials.toml"), "devin auth login");
            if read(file, scene, harvest) {
                break;
            }
        }
    }
}

impl Source for Windsurf {
    fn name(&self) -> &'static str {
        "windsurf"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let path = scene.env.home().join(".codeium/windsurf/credentials.toml");
        read(LoginFile::new("windsurf", PROVIDER, path, "Open Windsurf and sign in again."), scene, harvest);
    }
}

/// Reads one place; true if there is something.
fn read(mut file: LoginFile, scene: &Scene<'_>, harvest: &mut Harvest) -> bool {
    let there = file.exists();
    if let Some(mut object) = file.open(Format::Toml, harvest) {
        let found = match json::secret(&mut object, FIELD) {
            Field::Text(key) => {
                // A login through the browser leaves a session where a key belongs: that one ends, and does not say when.
                let kind = if key.expose().starts_with("devin-session-token$") { Kind::Session } else { Kind::ApiKey };
                file.key("default", PROVIDER, kind, key, scene)
            }
            Field::Blank => file.found("default", PROVIDER, Kind::ApiKey, Condition::Blanked),
            Field::Absent => {
                let what = format!("there is no {FIELD}");
                file.found("default", PROVIDER, Kind::ApiKey, Condition::Absent(what))
            }
            Field::Mistyped => {
                let what = format!("{FIELD} is not a text");
                harvest.findings.push(file.damaged(FIELD, &what));
                file.found("default", PROVIDER, Kind::ApiKey, Condition::Damaged(what))
            }
        };
        harvest.found.push(found);
    }
    file.close(harvest);
    there
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file};
    use super::*;
    use crate::domain::Renewal;

    const DEVIN: &str = ".local/share/devin/credentials.toml";
    const WINDSURF: &str = ".codeium/windsurf/credentials.toml";

    #[test]
    fn the_documented_shape() {
        let table: [(&dyn Source, &str, &str); 3] = [
            (&Devin, DEVIN, "devin:default"),
            (&Devin, ".config/devin/credentials.toml", "devin:default"),
            (&Windsurf, WINDSURF, "windsurf:default"),
        ];
        for (source, place, id) in table {
            let home = Home::new();
            home.write(place, "api_server_url = \"https://server.codeium.com\"\nwindsurf_api_key = \"sk-ws-01-x\"\n");
            let harvest = home.read(source);
            let credential = &harvest.found[0].credential;
            assert_eq!((credential.id.as_str(), credential.provider.as_str()), (id, "windsurf"));
            assert_eq!((credential.kind, credential.renewal), (Kind::ApiKey, Renewal::None));
            assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "sk-ws-01-x");
        }
    }

    #[test]
    fn conditions_of_a_key() {
        let table = [
            ("windsurf_api_key = \"devin-session-token$x\"", Condition::Present, Kind::Session, 0),
            ("windsurf_api_key = \"\"", Condition::Blanked, Kind::ApiKey, 0),
            ("", Condition::Absent("there is no windsurf_api_key".to_owned()), Kind::ApiKey, 0),
            ("windsurf_api_key = 7", Condition::Damaged("windsurf_api_key is not a text".to_owned()), Kind::ApiKey, 1),
        ];
        for (text, condition, kind, findings) in table {
            let home = Home::new();
            home.write(DEVIN, text);
            let harvest = home.read(&Devin);
            let credential = &harvest.found[0].credential;
            assert_eq!((&credential.condition, credential.kind), (&condition, kind), "{text}");
            assert_eq!(harvest.findings.len(), findings, "{text}");
        }
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&Devin, DEVIN, &["windsurf_api_key = \"tell-nobody", "tell-nobody"], true);
        every_broken_file(&Windsurf, WINDSURF, &["[tell-nobody"], true);
        assert!(Home::new().read(&Devin).found.is_empty() && Home::new().read(&Windsurf).found.is_empty());
    }
}
