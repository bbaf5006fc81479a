//! `[[declared]]` of `monitor.toml`: what nobody but its user can know (a setup-token on another machine, a key with an end in
//! some dashboard).

use super::{Found, Harvest, Scene, Source};
use crate::config::Declared as Declaration;
use crate::domain::{
    Activity, Basis, Clocks, Condition, Credential, CredentialId, Kind, Origin, Owner, Renewal, Selection,
};

/// See the module.
pub struct Declared;

const NAME: &str = "declared";

impl Source for Declared {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        // What is declared about a credential that another source shows is added there (`monitor::known`).
        let own: Vec<Found> = scene.declared.iter().filter(|one| one.about.is_none()).map(found).collect();
        harvest.take(NAME, own);
    }
}

fn found(declared: &Declaration) -> Found {
    let fix = declared.fix.clone().unwrap_or_else(|| {
        format!(
            "Renew it at {}, then: opensoul credentials declare {} --provider {} --expires DATE",
            declared.provider,
            super::shell_word(&declared.name),
            declared.provider
        )
    });
    let credential = Box::new(Credential {
        id: CredentialId(format!("{NAME}:{}", declared.name)),
        provider: declared.provider.clone(),
        profile: declared.name.clone(),
        kind: Kind::Token,
        agent: None,
        origin: Origin { source: NAME.into(), path: None, modified: None },
        owner: Owner::Declared,
        renewal: if declared.expires.is_some() { Renewal::Manual } else { Renewal::None },
        condition: Condition::Present,
        clocks: Clocks {
            grant_expires: declared.expires,
            grant_basis: declared.expires.map(|_| Basis::Declared),
            issued: declared.issued,
            ..Clocks::default()
        },
        account: None,
        scopes: None,
        fingerprint: None,
        refresh_fingerprint: None,
        selection: Selection::NotApplicable,
        bench: None,
        activity: Activity::default(),
        declared_in_use: Some(declared.in_use.unwrap_or(true)),
        fix,
        notes: declared.note.iter().cloned().collect(),
    });
    Found { credential, secret: None }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::*;
    use crate::domain::Time;

    #[test]
    fn what_a_person_said() {
        let at = |text: &str| text.parse::<Time>().ok();
        let mut home = Home::new();
        assert!(home.read(&Declared).reports.is_empty());
        home.declared = vec![
            Declaration {
                name: "ci".to_owned(),
                provider: "anthropic".to_owned(),
                expires: at("2027-10-12T00:00:00Z"),
                issued: at("2026-10-12T00:00:00Z"),
                about: None,
                as_of: None,
                generation: None,
                in_use: None,
                fix: Some("gh secret set X".to_owned()),
                note: Some("in the secrets of CI".to_owned()),
            },
            Declaration {
                name: "spare".to_owned(),
                provider: "hf".to_owned(),
                expires: None,
                issued: None,
                about: None,
                as_of: None,
                generation: None,
                in_use: Some(false),
                fix: None,
                note: None,
            },
        ];
        let harvest = home.read(&Declared);
        let [ci, spare] = [&harvest.found[0].credential, &harvest.found[1].credential];
        assert_eq!((ci.id.as_str(), ci.fix.as_str()), ("declared:ci", "gh secret set X"));
        assert_eq!((ci.clocks.grant_expires, ci.clocks.issued), (home.declared[0].expires, home.declared[0].issued));
        assert_eq!((ci.declared_in_use, spare.declared_in_use), (Some(true), Some(false)));
        assert_eq!((ci.renewal, spare.renewal), (Renewal::Manual, Renewal::None));
        assert!(spare.fix.contains("credentials declare spare --provider hf"));
        assert!(harvest.found.iter().all(|found| found.secret.is_none()));
    }
}
