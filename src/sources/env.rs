//! Our own environment, by the names that stand for providers. A source only where that means something: in interactive
//! commands, or in the monitor with `[sources] env = true`.

use super::variables::{self, Place};
use super::{Harvest, Scene, Source};
use crate::domain::SourceReport;

/// See the module.
pub struct Env;

impl Source for Env {
    fn name(&self) -> &'static str {
        "env"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        if !scene.env_is_source {
            return;
        }
        let before = harvest.found.len();
        let place = Place { source: self.name(), prefix: "env:".to_owned(), path: None, modified: None };
        harvest.found.extend(scene.env.iter().filter_map(|(name, value)| variables::found(name, value, &place, scene)));
        let credentials = harvest.found.len() - before;
        harvest.reports.push(SourceReport {
            source: self.name().to_owned(),
            looked: Vec::new(),
            up: true,
            credentials,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, jwt};
    use super::*;
    use crate::domain::{Basis, Kind, Renewal, Time};

    #[test]
    fn known_names_with_a_value() {
        let mut home = Home::new();
        for (name, value) in [
            ("ANTHROPIC_API_KEY", " sk-ant-api03-x "),
            ("OPENAI_API_KEY", "  "),
            ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-x"),
            ("GLM_API_KEY", "glm"),
            ("SOMETHING_ELSE", "sk-x"),
        ] {
            home.env.set(name, value);
        }
        let at: Time = "2027-03-01T00:00:00Z".parse().unwrap();
        home.env.set("VERCEL_OIDC_TOKEN", jwt(&format!(r#"{{"exp":{},"iat":1}}"#, at.timestamp())));
        let harvest = home.read(&Env);
        let ids: Vec<_> = harvest.found.iter().map(|found| found.credential.id.as_str()).collect();
        assert_eq!(
            ids,
            ["env:ANTHROPIC_API_KEY", "env:CLAUDE_CODE_OAUTH_TOKEN", "env:GLM_API_KEY", "env:VERCEL_OIDC_TOKEN"]
        );
        assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "sk-ant-api03-x");
        assert_eq!(harvest.found[1].credential.kind, Kind::Token);
        assert_eq!(harvest.found[2].credential.provider, "zai");
        let dated = &harvest.found[3].credential;
        assert_eq!((dated.clocks.grant_expires, dated.clocks.grant_basis), (Some(at), Some(Basis::Decoded)));
        assert_eq!((dated.renewal, dated.fix.as_str()), (Renewal::Manual, "vercel env pull"));
        assert!(dated.notes.iter().any(|note| note.contains("iat")), "{:?}", dated.notes);

        home.env_is_source = false;
        assert!(home.read(&Env).reports.is_empty());
    }
}
