//! Who hears of what: the first route that matches, and the next ones while a match says `proceed`. Without routes,
//! warnings and criticals go to every receiver that no escalation names. Info goes only where a route names it (DESIGN §7).

use crate::domain::{Incident, Severity, Subject};
use crate::engine::glob::fits;
use crate::engine::policy::{AlertPolicy, Route};

/// Names of the receivers that hear of a problem, in the order of the policy, each once.
#[must_use]
pub fn receivers<'a>(
    policy: &'a AlertPolicy,
    severity: Severity,
    provider: Option<&str>,
    subject: &Subject,
) -> Vec<&'a str> {
    if severity == Severity::None {
        return Vec::new();
    }
    let known = policy.receivers.iter().map(|receiver| receiver.name.as_str());
    if policy.routes.is_empty() {
        // Whoever is only to be told when nobody else acts is not told at once.
        let later = |name: &&str| policy.escalation.iter().any(|step| step.to.receivers.iter().any(|to| to == name));
        return if severity >= Severity::Warning { known.filter(|name| !later(name)).collect() } else { Vec::new() };
    }
    let mut named = Vec::new();
    for route in &policy.routes {
        if fits_route(route, severity, provider, subject) {
            named.extend(route.receivers.iter().map(String::as_str));
            if !route.proceed {
                break;
            }
        }
    }
    known.filter(|name| named.contains(name)).collect()
}

/// Whether a route means an incident.
#[must_use]
pub fn matches(route: &Route, incident: &Incident) -> bool {
    fits_route(route, incident.severity, incident.provider.as_deref(), &incident.subject)
}

fn fits_route(route: &Route, severity: Severity, provider: Option<&str>, subject: &Subject) -> bool {
    let severity_fits =
        if route.severity.is_empty() { severity >= Severity::Warning } else { route.severity.contains(&severity) };
    let provider_fits =
        route.providers.is_empty() || provider.is_some_and(|name| route.providers.iter().any(|wanted| wanted == name));
    let subject_fits =
        route.subjects.is_empty() || route.subjects.iter().any(|pattern| fits(pattern, subject.as_str()));
    severity_fits && provider_fits && subject_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::policy::ReceiverPolicy;

    fn policy(routes: Vec<Route>) -> AlertPolicy {
        let receivers = ["mail", "hook", "pager"]
            .map(|name| ReceiverPolicy { name: name.to_owned(), send_resolved: true, testable: true })
            .to_vec();
        AlertPolicy { receivers, routes, ..AlertPolicy::default() }
    }

    fn route(receivers: &[&str]) -> Route {
        Route { receivers: receivers.iter().map(|&name| name.to_owned()).collect(), ..Route::default() }
    }

    fn ask(policy: &AlertPolicy, severity: Severity, provider: &str, id: &str) -> Vec<String> {
        let subject = Subject::Credential(id.into());
        receivers(policy, severity, Some(provider), &subject).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn without_routes_everybody_hears_of_warnings_and_criticals() {
        let policy = policy(vec![]);
        assert_eq!(ask(&policy, Severity::Warning, "anthropic", "a"), ["mail", "hook", "pager"]);
        assert_eq!(ask(&policy, Severity::Critical, "anthropic", "a"), ["mail", "hook", "pager"]);
        assert!(ask(&policy, Severity::Info, "anthropic", "a").is_empty());
        assert!(ask(&policy, Severity::None, "anthropic", "a").is_empty());
    }

    #[test]
    fn the_first_match_wins_unless_it_proceeds() {
        let first = Route { providers: vec!["anthropic".into()], ..route(&["pager"]) };
        let routes = vec![first.clone(), route(&["mail"])];
        assert_eq!(ask(&policy(routes), Severity::Warning, "anthropic", "a"), ["pager"]);
        let routes = vec![Route { proceed: true, ..first.clone() }, route(&["mail", "pager"])];
        assert_eq!(ask(&policy(routes), Severity::Warning, "anthropic", "a"), ["mail", "pager"], "each once");
        assert_eq!(ask(&policy(vec![first.clone()]), Severity::Warning, "openai", "a"), [""; 0]);
        assert!(
            receivers(&policy(vec![first]), Severity::Warning, None, &Subject::Check("gateway".into())).is_empty(),
            "a route for a provider does not fit what has none"
        );
    }

    #[test]
    fn info_goes_only_to_routes_that_name_it() {
        let named = Route { severity: vec![Severity::Info], ..route(&["mail"]) };
        assert!(ask(&policy(vec![route(&["hook"])]), Severity::Info, "x", "a").is_empty());
        assert_eq!(ask(&policy(vec![route(&["hook"]), named]), Severity::Info, "x", "a"), ["mail"]);
    }

    #[test]
    fn who_is_named_by_an_escalation_is_not_told_at_once() {
        let mut policy = policy(vec![]);
        let to = route(&["pager"]);
        policy.escalation = vec![crate::engine::policy::Escalation { after: crate::domain::Span::minutes(30), to }];
        assert_eq!(ask(&policy, Severity::Critical, "anthropic", "a"), ["mail", "hook"]);
        policy.routes = vec![route(&["pager"])];
        assert_eq!(ask(&policy, Severity::Critical, "anthropic", "a"), ["pager"], "a route that is written counts");
    }

    #[test]
    fn subjects_take_stars_and_unknown_receivers_are_left_out() {
        let routes = vec![Route { subjects: vec!["codex:*".into()], ..route(&["mail", "gone"]) }];
        assert_eq!(ask(&policy(routes), Severity::Critical, "openai", "codex:default"), ["mail"]);
    }
}
