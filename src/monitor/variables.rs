//! Variables as a gateway takes them: those that only the running gateway has, and which of several names it would use.
//! Decides about environments what no source can know by itself, because it takes the gateway and its models to know it.

use std::collections::BTreeMap;

use crate::domain::{Activity, Clocks, Condition, Credential, CredentialId, Kind, Origin, Owner, Renewal, Selection};
use crate::engine::observation::Demand;
use crate::formats::gateway_view::{GatewayUnit, GatewayView, SeenIn};
use crate::formats::provider_env;

/// Credentials that were seen in the environment of the running gateway or in its unit. Their secrets stay there: only their
/// fingerprints are known.
pub fn of_the_gateway(view: &GatewayView) -> Vec<Box<Credential>> {
    let one = |(name, sighting): (&String, &crate::formats::gateway_view::Sighting)| {
        let provider = provider_env::provider_of(name)?;
        let fingerprint = Some(sighting.fingerprint?);
        let (id, source, path) = match &sighting.from {
            SeenIn::Unit(unit) => (format!("unit:{unit}#{name}"), "unit", None),
            SeenIn::Process | SeenIn::LoginShell => (format!("gateway-env:{name}"), "gateway-env", None),
            SeenIn::Config(path) => (format!("gateway-env:{name}"), "gateway-env", Some(path.as_path().into())),
            // The source of `.env` files reads that one itself.
            SeenIn::StateDotenv(_) => return None,
        };
        let kind = provider_env::kind_of(name);
        let mut credential = Box::new(Credential {
            id: CredentialId(id),
            provider: provider.to_owned(),
            profile: name.clone(),
            kind,
            agent: None,
            origin: Origin { source: source.into(), path, modified: None },
            owner: Owner::Environment,
            renewal: if kind == Kind::Token { Renewal::Manual } else { Renewal::None },
            condition: Condition::Present,
            clocks: Clocks::default(),
            account: None,
            scopes: None,
            fingerprint,
            refresh_fingerprint: None,
            selection: Selection::NotApplicable,
            bench: None,
            activity: Activity::default(),
            declared_in_use: None,
            fix: format!("Set {name} anew where the gateway has it from, then run `{}`.", view.restart_command()),
            notes: Vec::new(),
        });
        if let Some(bearer) = sighting.bearer.clone() {
            bearer.apply(&mut credential);
        }
        Some(credential)
    };
    let mut all: Vec<Box<Credential>> = view.visible.iter().filter_map(one).collect();
    let restart = view.restart_command();
    all.extend(view.units.first().into_iter().flat_map(|unit| given(unit, &restart)));
    all
}

/// What systemd gives to the gateway's unit as files. No variable, so nothing that the gateway looks up by itself; its config
/// may refer to the file.
fn given<'a>(unit: &'a GatewayUnit, restart: &'a str) -> impl Iterator<Item = Box<Credential>> + 'a {
    unit.credentials.iter().filter_map(move |(name, file)| {
        let provider = provider_env::provider_of(&file.variable)?;
        let kind = provider_env::kind_of(&file.variable);
        let (condition, fingerprint) = match &file.content {
            Ok(Some(fingerprint)) => (Condition::Present, Some(*fingerprint)),
            Ok(None) => (Condition::Absent("the credential is empty".to_owned()), None),
            Err(why) => (Condition::Unreadable(format!("the credential {name} of {} {why}", unit.name)), None),
        };
        // Whoever cannot see it is not told that it is broken.
        let unseen = file.content.is_err();
        let place = file.path.as_ref().filter(|_| !unseen);
        let at = place.map_or_else(|| format!("{name} of {}", unit.name), |path| path.display().to_string());
        let mut credential = Box::new(Credential {
            id: CredentialId(format!("unit:{}#credentials/{name}", unit.name)),
            provider: provider.to_owned(),
            profile: format!("credentials/{name}"),
            kind,
            agent: None,
            origin: Origin { source: "unit".into(), path: place.map(|path| path.as_path().into()), modified: None },
            owner: Owner::Environment,
            renewal: if kind == Kind::Token { Renewal::Manual } else { Renewal::None },
            condition,
            clocks: Clocks::default(),
            account: None,
            scopes: None,
            fingerprint,
            refresh_fingerprint: None,
            selection: Selection::NotApplicable,
            bench: None,
            activity: Activity::default(),
            declared_in_use: unseen.then_some(false),
            fix: format!("Make a new key at {provider}, then write it to {at} and run `{restart}`."),
            notes: Vec::new(),
        });
        if let Some(bearer) = file.bearer.clone() {
            bearer.apply(&mut credential);
        }
        Some(credential)
    })
}

/// For providers that the gateway's models ask for: a name that it does not read, or that comes after another, is not used.
/// A name that stands for several providers (`MINIMAX_API_KEY`) goes to the one that is asked for.
pub fn as_the_gateway_reads_them(credentials: &mut [Box<Credential>], demand: &Demand) {
    if !demand.models_configured {
        return;
    }
    let in_environment = |credential: &Credential| credential.owner == Owner::Environment;
    for credential in credentials.iter_mut().filter(|c| in_environment(c)) {
        let reads = |provider: &&String| provider_env::gateway_names(provider).contains(&credential.profile.as_str());
        if !demand.providers.contains(&credential.provider)
            && let Some(provider) = demand.providers.iter().find(reads)
        {
            credential.provider.clone_from(provider);
        }
    }
    // The first name that is there, for each provider.
    let mut first: BTreeMap<String, &'static str> = BTreeMap::new();
    for credential in credentials.iter().filter(|c| in_environment(c)) {
        let names = provider_env::gateway_names(&credential.provider);
        let rank = |name: &str| names.iter().position(|known| *known == name);
        let Some(mine) = rank(&credential.profile) else { continue };
        let best = first.entry(credential.provider.clone()).or_insert(names[mine]);
        if rank(best).is_none_or(|other| mine < other) {
            *best = names[mine];
        }
    }
    for credential in credentials.iter_mut().filter(|c| in_environment(c) && demand.providers.contains(&c.provider)) {
        let names = provider_env::gateway_names(&credential.provider);
        let (name, first) = (credential.profile.as_str(), first.get(&credential.provider));
        if !names.is_empty() && !names.contains(&name) {
            credential.selection = Selection::Excluded(format!("the gateway does not read {name}"));
        } else if let Some(first) = first.filter(|first| **first != name) {
            credential.selection = Selection::Excluded(format!("{first} goes before {name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FingerprintKey, Gateway, GatewayState, Secret};
    use crate::formats::bearer::Bearer;
    use crate::formats::gateway_view::{Listening, Sight, Sighting};

    #[test]
    fn a_variable_of_the_gateway_keeps_what_its_value_says_about_its_end() {
        let end = "2027-01-10T20:00:00Z".parse().ok();
        let fingerprint = FingerprintKey::new(&[3; 32]).fingerprint(&Secret::new("value".to_owned()));
        let bearer = Bearer { expires: end, issued: None, notes: vec!["odd".to_owned()] };
        let unit = SeenIn::Unit("opensoul-gateway.service".to_owned());
        let visible = [
            ("AWS_BEARER_TOKEN_BEDROCK".to_owned(), Sighting::new(SeenIn::Process, fingerprint).dated(Some(bearer))),
            ("OPENAI_API_KEY".to_owned(), Sighting::new(unit, fingerprint)),
            ("GROQ_API_KEY".to_owned(), Sighting::new(SeenIn::Process, None)),
        ];
        let gateway = Gateway { state: GatewayState::Up, detail: String::new() };
        let view = GatewayView {
            gateway,
            port: 1,
            process: None,
            units: Vec::new(),
            visible: visible.into(),
            sight: Sight::Running,
            systemd: false,
            lingers: None,
            listening: Listening::default(),
        };
        let found = of_the_gateway(&view);
        let ids: Vec<&str> = found.iter().map(|credential| credential.id.as_str()).collect();
        assert_eq!(ids, ["gateway-env:AWS_BEARER_TOKEN_BEDROCK", "unit:opensoul-gateway.service#OPENAI_API_KEY"]);
        assert_eq!((found[0].clocks.grant_expires, found[0].renewal), (end, Renewal::Manual));
        assert_eq!(found[0].notes, ["odd"]);
        assert_eq!(found[1].clocks, Clocks::default());
    }
}
