//! pi: `auth.json` in `$PI_CODING_AGENT_DIR` or `~/.pi/agent`, one entry for each provider.
//!
//! The gateways are built on it and point the same variable at an agent's directory, where `auth.json` is a cache of their own
//! store: that one is passed over.

use super::login::{Format, LoginFile};
use super::opencode::{self, Dialect};
use super::{Harvest, Scene, Source, reference};
use crate::formats::provider_id;

/// See the module.
pub struct Pi;

const NAME: &str = "pi";
/// The gateways' names of providers are pi's.
const DIALECT: Dialect =
    Dialect { key: "api_key", reference: reference::in_shell, provider: |name, _| provider_id::normalize(name) };

impl Source for Pi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let own = scene.env.get("PI_CODING_AGENT_DIR");
        let dir = own.map_or_else(|| scene.env.home().join(".pi/agent"), |dir| scene.env.expand(dir));
        let stores = ["auth-profiles.json", "openclaw-agent.sqlite"];
        if own.is_some() && stores.iter().any(|store| dir.join(store).symlink_metadata().is_ok()) {
            return;
        }
        let prefix = own.map(|dir| format!("PI_CODING_AGENT_DIR={} ", super::shell_word(dir))).unwrap_or_default();
        let fix = format!("Run `{prefix}pi`, then /login.");
        let signs = ["sessions", "settings.json", "models-store.json"].map(|name| dir.join(name));
        let mut file = LoginFile::new(NAME, NAME, dir.join("auth.json"), fix).alive(signs);
        if let Some(object) = file.open(Format::Json, harvest) {
            opencode::entries(&file, object, &DIALECT, scene, harvest);
        }
        file.close(harvest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, breaks, credentials, now, only};
    use super::*;
    use crate::domain::{Condition, Kind, Renewal};

    const PLACE: &str = ".pi/agent/auth.json";

    #[test]
    fn logins_and_keys() {
        let mut home = Home::new();
        home.env.set("GROQ_API_KEY", "gsk_x");
        let expires = now().timestamp_millis();
        home.write(
            PLACE,
            format!(
                r#"{{"anthropic":{{"type":"oauth","access":"sk-ant-oat01-a","refresh":"r","expires":{expires}}},
                "groq":{{"type":"api_key","key":"$GROQ_API_KEY"}},
                "mine":{{"type":"api_key","key":"sk-local","baseUrl":"http://user:secret@127.0.0.1:8317/v1"}},
                "openrouter":{{"type":"api_key","key":"sk-or-x"}},
                "xai":{{"type":"api_key","key":"!op read op://ai/xai"}},
                "zai":{{"type":"api_key","key":"${{ZAI_API_KEY}}"}}}}"#
            ),
        );
        let harvest = home.read(&Pi);
        let found = credentials(&harvest);
        let [anthropic, groq, mine, openrouter, xai, zai] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (anthropic.id.as_str(), anthropic.kind, anthropic.renewal),
            ("pi:anthropic", Kind::Oauth, Renewal::Auto)
        );
        assert_eq!(anthropic.clocks.access_expires, Some(now()));
        assert_eq!(anthropic.fix, "Run `pi`, then /login.");
        assert_eq!((groq.provider.as_str(), &groq.condition), ("groq", &Condition::Present));
        assert!(groq.notes[0].contains("GROQ_API_KEY in the environment"));
        assert_eq!((openrouter.kind, openrouter.renewal), (Kind::ApiKey, Renewal::None));
        assert!(mine.notes[0].contains("127.0.0.1:8317") && !mine.notes[0].contains("secret"));
        assert_eq!(xai.condition, Condition::Unreadable("it comes from a command, which is never run here".to_owned()));
        assert_eq!(zai.condition, Condition::Unresolved("ZAI_API_KEY is not set here".to_owned()));
        let asked: Vec<bool> = harvest.found.iter().map(|found| found.secret.is_some()).collect();
        assert_eq!(asked, [true, true, false, true, false, false]);
        assert!(harvest.findings.is_empty());

        home.env_is_source = false;
        assert_eq!(home.read(&Pi).found.len(), 4, "what the environment holds is shown where that is read");
    }

    #[test]
    fn its_directory_and_the_gateways() {
        let mut home = Home::new();
        home.write(PLACE, "not looked at");
        home.write("agent/auth.json", r#"{"openai-codex":{"type":"oauth","access":"a","refresh":"r","expires":0}}"#);
        home.env.set("PI_CODING_AGENT_DIR", "~/agent");
        let (login, harvest) = only(&home, &Pi);
        assert_eq!((login.provider.as_str(), login.clocks.access_expires), ("openai-codex", None));
        assert_eq!(
            (login.fix.as_str(), harvest.findings.len()),
            ("Run `PI_CODING_AGENT_DIR=~/agent pi`, then /login.", 0)
        );
        home.write("agent/auth-profiles.json", "{}");
        assert!(home.read(&Pi).found.is_empty(), "a gateway's cache");
    }

    #[test]
    fn broken_files_and_entries() {
        breaks(&Pi, PLACE, true);
        let damaged = |what: &str| Condition::Damaged(what.to_owned());
        for (entry, condition) in [
            (r#"{"type":"oauth","access":"","refresh":"","expires":0}"#, Condition::Blanked),
            (r#"{"type":"oauth"}"#, Condition::Blanked),
            (r#"{"type":"oauth","access":1}"#, damaged("x.access is not a text")),
            (r#"{"type":"api_key","key":" "}"#, Condition::Blanked),
            (r#"{"type":"api_key"}"#, Condition::Absent("the entry has no key".to_owned())),
            (r#"{"type":"api_key","key":["k"]}"#, damaged("x.key is not a text")),
            (r#"{"type":"new"}"#, damaged("the entry has a type that is not known")),
            ("7", damaged("the entry is not an object")),
        ] {
            let home = Home::new();
            home.write(PLACE, format!(r#"{{"x":{entry}}}"#));
            let (credential, harvest) = only(&home, &Pi);
            assert_eq!(credential.condition, condition, "{entry}");
            assert_eq!(harvest.findings.len(), usize::from(matches!(condition, Condition::Damaged(_))), "{entry}");
        }
    }
}
