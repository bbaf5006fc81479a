//! Who hears of what: the first route that matches, and the next ones while a match says `proceed`. Without routes,
//! warnings and criticals go to every receiver. Info goes only where a route names it (DESIGN §7).

use crate::domain::{Severity, Subject};
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
        return if severity >= Severity::Warning { known.collect() } else { Vec::new() };
    }
    let mut named = Vec::new();
    for route in &policy.routes {
        if matches(route, severity, provider, subject) {
            named.extend(route.receivers.iter().map(String::as_str));
            if !route.proceed {
                break;
            }
        }
    }
    known.filter(|name| named.contains(name)).collect()
}

fn matches(route: &Route, severity: Severity, provider: Option<&str>, subject: &Subject) -> bool {
    let severity_fits =
        if route.severity.is_empty() { severity >= Severity::Warning } else { route.severity.contains(&severity) };
    let provider_fits =
        route.providers.is_empty() || provider.is_some_and(|name| route.providers.iter().any(|wanted| wanted == name));
    let subject_fits =
        route.subjects.is_empty() || route.subjects.iter().any(|pattern| fits(pattern, subject.as_str()));
    severity_fits && provider_fits && subject_fits
}

/// `*` stands for any text, also none; everything else stands for itself.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::policy::ReceiverPolicy;

    fn policy(routes: Vec<Route>) -> AlertPolicy {
        let receivers = ["mail", "hook", "pager"]
            .map(|name| ReceiverPolicy { name: name.to_owned(), send_resolved: true })
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
    fn subjects_take_stars_and_unknown_receivers_are_left_out() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("codex:*", "codex:default", true),
            ("codex:*", "xcodex:default", false),
            ("*default", "codex:default", true),
            ("c*:*t", "codex:default", true),
            ("a*a", "a", false),
            ("codex:default", "codex:default", true),
            ("codex", "codex:default", false),
            ("*x*y*", "axbyc", true),
            ("*y*x*", "axbyc", false),
            ("*ü*", "grüße", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} on {text}");
        }
        let routes = vec![Route { subjects: vec!["codex:*".into()], ..route(&["mail", "gone"]) }];
        assert_eq!(ask(&policy(routes), Severity::Critical, "openai", "codex:default"), ["mail"]);
    }
}
