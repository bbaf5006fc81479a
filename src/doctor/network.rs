//! `--deep`: whether the providers in use can be reached from here. The looking is done before (`net::reach`); this judges.

use std::collections::BTreeSet;

use super::{By, Check, Context};
use crate::domain::{Environment, FailureReason, Finding, Place, Severity, Span};
use crate::net::reach::Reached;

pub(super) const CHECKS: &[Check] = &[
    Check { id: "network.dns", about: "names of the providers' servers", by: By::Deep(dns) },
    Check { id: "network.tls", about: "certificates of the providers' servers", by: By::Deep(tls) },
    Check { id: "network.connection", about: "connections to the providers' servers", by: By::Deep(connection) },
    Check { id: "network.proxy", about: "the proxy that requests go through", by: By::Deep(proxy) },
    Check { id: "clock.skew", about: "this machine's clock beside those of the providers", by: By::Deep(skew) },
];

/// Signed requests and tokens are refused from about here on (DESIGN §6).
const TOLERANCE: Span = Span::seconds(60);

/// The variables that name a proxy for https, in the order in which they are asked.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

fn proxy_of(env: &Environment) -> Option<(&'static str, &str)> {
    PROXIES.iter().find_map(|name| Some((*name, env.get(name)?)))
}

fn failed<'a>(reached: &'a [Reached], reasons: &[FailureReason]) -> Vec<(&'a Reached, &'a str)> {
    let one = |one: &'a Reached| match &one.answer {
        Err((reason, why)) if reasons.contains(reason) => Some((one, why.as_str())),
        _ => None,
    };
    reached.iter().filter_map(one).collect()
}

fn hosts(found: &[(&Reached, &str)]) -> String {
    let hosts: Vec<&str> = found.iter().map(|(one, _)| one.host.as_str()).collect();
    hosts.join(", ")
}

fn reasons(found: &[(&Reached, &str)]) -> String {
    let reasons: BTreeSet<&str> = found.iter().map(|(_, why)| *why).collect();
    reasons.into_iter().collect::<Vec<_>>().join("; ")
}

/// One provider that cannot be reached is a warning; if none can, nothing works.
fn severity(found: &[(&Reached, &str)], reached: &[Reached]) -> Severity {
    if found.len() == reached.len() { Severity::Critical } else { Severity::Warning }
}

fn dns(_: &Context<'_>, reached: &[Reached]) -> Vec<Finding> {
    let found = failed(reached, &[FailureReason::Dns]);
    if found.is_empty() {
        return Vec::new();
    }
    let message = format!("These names cannot be resolved from here: {} ({}).", hosts(&found), reasons(&found));
    let fix =
        format!("Look at /etc/resolv.conf and your network; getent hosts {} must give an address.", found[0].0.host);
    vec![Finding::new("network.dns", severity(&found, reached), message, fix)]
}

fn tls(_: &Context<'_>, reached: &[Reached]) -> Vec<Finding> {
    let found = failed(reached, &[FailureReason::Tls, FailureReason::Config]);
    if found.is_empty() {
        return Vec::new();
    }
    let message = format!("No trusted connection to {}: {}.", hosts(&found), reasons(&found));
    let fix = "Look at the clock of this machine; if a proxy of your company opens TLS, put its certificate into the system's \
               store or name it in SSL_CERT_FILE, here and where the gateway is started (NODE_EXTRA_CA_CERTS).";
    vec![Finding::new("network.tls", severity(&found, reached), message, fix)]
}

fn connection(_: &Context<'_>, reached: &[Reached]) -> Vec<Finding> {
    let found = failed(
        reached,
        &[FailureReason::Timeout, FailureReason::Offline, FailureReason::Parse, FailureReason::ServerError],
    );
    if found.is_empty() {
        return Vec::new();
    }
    let message = format!("No answer from {}: {}.", hosts(&found), reasons(&found));
    let fix = format!(
        "Look at this machine's connection and its firewall; curl -sSI https://{}/ must answer.",
        found[0].0.host
    );
    vec![Finding::new("network.connection", severity(&found, reached), message, fix)]
}

/// A proxy that is set, and through which nobody is reached. Its address may hold a password: it is not shown.
fn proxy(context: &Context<'_>, reached: &[Reached]) -> Vec<Finding> {
    let Some((name, value)) = proxy_of(context.env) else { return Vec::new() };
    let address = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let place = Place::default().key(name);
    if reqwest::Url::parse(&address).ok().and_then(|url| url.host_str().map(str::to_owned)).is_none() {
        let message = format!("{name} is not the address of a proxy, so requests do not go through it.");
        let fix = format!("Write {name}=http://host:port, or unset it.");
        return vec![Finding::new("network.proxy", Severity::Warning, message, fix).at(place)];
    }
    let none = !reached.is_empty() && reached.iter().all(|one| one.answer.is_err());
    if !none {
        return Vec::new();
    }
    let message = format!("{name} is set, and no provider can be reached through that proxy.");
    let fix = format!("Correct it or unset {name}; hosts that need no proxy go into NO_PROXY.");
    vec![Finding::new("network.proxy", Severity::Critical, message, fix).at(place)]
}

/// Every server that said its time disagrees with ours: then it is ours that is wrong.
fn skew(context: &Context<'_>, reached: &[Reached]) -> Vec<Finding> {
    let skews: Vec<Span> = reached.iter().filter_map(|one| one.answer.clone().ok().flatten()).collect();
    let least = skews.iter().min_by_key(|skew| skew.abs()).copied();
    let Some(least) = least.filter(|least| least.abs() > TOLERANCE && context.snapshot.clock_problem.is_none()) else {
        return Vec::new();
    };
    let seconds = least.num_seconds().abs();
    let message = if least > Span::zero() {
        format!("The clock of this machine is {seconds} s behind those of all providers that answered.")
    } else {
        format!("The clock of this machine is {seconds} s ahead of those of all providers that answered.")
    };
    vec![Finding::new("clock.skew", Severity::Critical, message, super::clock::fix(context))]
}
