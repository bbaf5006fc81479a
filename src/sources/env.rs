//! Our own environment, by the names that stand for providers. A source only where that means something: in interactive
//! commands, or in the monitor with `[sources] env = true`.

use super::variables::{self, Place};
use super::{Harvest, Scene, Source, aws};
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
        let of = |(name, value)| {
            let known = variables::found(name, value, &place, scene);
            let known = known.map(|found| aws::among_variables(found, |name| scene.env.get(name), scene));
            known.or_else(|| variables::unknown(name, value, &place, scene))
        };
        harvest.found.extend(scene.env.iter().filter_map(of));
        let credentials = harvest.found.len() - before;
        harvest.reports.push(SourceReport {
            source: self.name().to_owned(),
            looked: Vec::new(),
            up: true,
            hidden: false,
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

    #[test]
    fn a_token_of_unknown_name_that_says_when_it_ends() {
        let mut home = Home::new();
        let dated = jwt(r#"{"exp":1803859200}"#);
        for (name, value) in [
            ("ACME_GATEWAY_TOKEN", dated.as_str()),
            ("ACME_API_KEY", "sk-opaque"),
            ("ACME_TICKET", dated.as_str()),
            ("ACME_AUTH", &jwt("{}")),
        ] {
            home.env.set(name, value);
        }
        let harvest = home.read(&Env);
        let [found] = harvest.found.as_slice() else { panic!("{}", harvest.found.len()) };
        let credential = &found.credential;
        assert_eq!(
            (credential.id.as_str(), credential.provider.as_str()),
            ("env:ACME_GATEWAY_TOKEN", "acme-gateway-token")
        );
        assert_eq!(credential.clocks.grant_expires.map(|end| end.timestamp()), Some(1_803_859_200));
        assert_eq!(credential.declared_in_use, Some(false), "nobody is woken by what may be anything");
        assert!(found.secret.is_none(), "it is sent nowhere");
    }

    #[test]
    fn bedrock_keys() {
        use base64::prelude::{BASE64_STANDARD, Engine};
        let url = "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Date=20270110T080000Z&X-Amz-Expires=43200&Version=1";
        let mut home = Home::new();
        home.env.set("AWS_BEARER_TOKEN_BEDROCK", format!("bedrock-api-key-{}", BASE64_STANDARD.encode(url)));
        let clocks = home.read(&Env).found[0].credential.clocks.clone();
        let end: Option<Time> = "2027-01-10T20:00:00Z".parse().ok();
        assert_eq!((clocks.grant_expires, clocks.grant_basis), (end, Some(Basis::Decoded)));
        assert_eq!(clocks.issued, "2027-01-10T08:00:00Z".parse().ok());
        home.env.set("AWS_BEARER_TOKEN_BEDROCK", format!("ABSK{}", "x".repeat(120)));
        let long = home.read(&Env).found.remove(0).credential;
        assert_eq!((long.clocks.grant_expires, long.notes.len()), (None, 1));
    }
}
