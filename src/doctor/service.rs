//! The gateway as a service: who starts it, with which program, on which port, and who may talk to it.

use super::{By, Check, Context};
use crate::domain::{Finding, Place, Severity};
use crate::formats::gateway_view::{GatewayUnit, UnitScope};
use crate::formats::installation::Installation;

pub(super) const CHECKS: &[Check] = &[
    Check { id: "gateway.port-conflict", about: "other programs on the gateway's port", by: By::Doctor(port_conflict) },
    Check {
        id: "gateway.open-bind",
        about: "a gateway beyond loopback that asks for nothing",
        by: By::Doctor(open_bind),
    },
    Check {
        id: "gateway.no-service",
        about: "a gateway that nobody starts after a reboot",
        by: By::Doctor(no_service),
    },
    Check { id: "gateway.not-enabled", about: "a service that is not started at boot", by: By::Doctor(not_enabled) },
    Check { id: "gateway.several-services", about: "several services on one port", by: By::Doctor(several) },
    Check { id: "gateway.program-missing", about: "services whose program is gone", by: By::Doctor(program_missing) },
    Check {
        id: "gateway.version-manager-node",
        about: "services that run the Node of a version manager",
        by: By::Doctor(version_manager),
    },
];

/// Where version managers keep their Nodes. What is installed there moves with each upgrade.
const VERSION_MANAGERS: [(&str, &str); 11] = [
    ("/.nvm/", "nvm"),
    ("/.fnm/", "fnm"),
    ("/fnm/node-versions/", "fnm"),
    ("/fnm_multishells/", "fnm"),
    ("/.volta/", "Volta"),
    ("/.asdf/", "asdf"),
    ("/mise/installs/", "mise"),
    ("/.nodenv/", "nodenv"),
    ("/.nodebrew/", "nodebrew"),
    ("/.n/", "n"),
    ("/nvs/", "nvs"),
];

fn chosen<'a>(context: &'a Context<'_>) -> Option<&'a Installation> {
    context.installations.iter().find(|i| i.chosen)
}

fn place(unit: &GatewayUnit) -> Place {
    Place::file(&unit.path)
}

/// A name of the family's own program, for its commands.
fn program(context: &Context<'_>) -> &'static str {
    chosen(context).map_or("opensoul", |i| i.family.word())
}

fn port_conflict(context: &Context<'_>) -> Vec<Finding> {
    let view = context.gateway;
    let Some(stranger) = &view.listening.stranger else { return Vec::new() };
    let expected = !view.units.is_empty() || context.installations.iter().any(|i| i.state_dir.is_dir());
    if !expected {
        return Vec::new();
    }
    let message = format!(
        "Port {}, the gateway's, is held by process {} ({}), which does not look like a gateway: none can start there, and what \
         answers is something else.",
        view.port, stranger.pid, stranger.name
    );
    let fix =
        format!("Stop that program, or set gateway.port in the gateway's config; then {}", view.restart_command());
    vec![Finding::new("gateway.port-conflict", Severity::Warning, message, fix)]
}

/// Beyond loopback by its config or by what it listens on, and nothing says that it asks who connects for a secret.
fn open_bind(context: &Context<'_>) -> Vec<Finding> {
    let view = context.gateway;
    // Without its config nothing can be said about what it asks for.
    let Some((installation, config)) = chosen(context).and_then(|i| Some((i, i.config.as_ref()?))) else {
        return Vec::new();
    };
    let written = config.gateway_bind.as_deref().filter(|bind| !["loopback", "auto"].contains(bind));
    let seen = view.process.as_ref().and(view.listening.outer.as_ref());
    let how = match (seen, written) {
        (Some(address), _) => format!("listens on {address}"),
        (None, Some(bind)) => format!("is told to listen beyond this machine (gateway.bind is {bind})"),
        (None, None) => return Vec::new(),
    };
    let of_environment = |name: &str| {
        ["OPENSOUL", "OPENCLAW", "CLAWDBOT"]
            .iter()
            .any(|family| installation.env.get(&format!("{family}_GATEWAY_{name}")).is_some())
    };
    let guarded = config.gateway_guarded
        || view.listening.guarded
        || view.units.iter().any(|unit| unit.guarded)
        || of_environment("TOKEN")
        || of_environment("PASSWORD");
    if guarded {
        return Vec::new();
    }
    let message = format!(
        "The gateway {how}, and nothing says that it asks for a token or a password: whoever reaches it uses your logins."
    );
    let fix = format!(
        "Set gateway.auth.token, or gateway.bind to \"loopback\", in {}; then {}",
        installation.config_path.display(),
        view.restart_command()
    );
    let place = Place::file(&installation.config_path).key("gateway.auth");
    vec![Finding::new("gateway.open-bind", Severity::Critical, message, fix).at(place)]
}

fn no_service(context: &Context<'_>) -> Vec<Finding> {
    let view = context.gateway;
    // Whether systemd is here is known by whether it could let the user's services linger.
    let (Some(process), true, Some(_)) = (&view.process, view.units.is_empty(), view.lingers) else {
        return Vec::new();
    };
    let message =
        format!("The gateway (process {}) runs without a service: after a reboot nobody starts it.", process.pid);
    let fix = format!("{} gateway install", program(context));
    vec![Finding::new("gateway.no-service", Severity::Info, message, fix)]
}

fn not_enabled(context: &Context<'_>) -> Vec<Finding> {
    let view = context.gateway;
    let running = view.process.as_ref().and_then(|process| process.unit.as_ref());
    let Some(unit) = view.units.iter().find(|unit| running == Some(&unit.name) && !unit.enabled) else {
        return Vec::new();
    };
    let fix = match unit.scope {
        UnitScope::User => format!("systemctl --user enable {}", unit.name),
        UnitScope::System => format!("sudo systemctl enable {}", unit.name),
        UnitScope::Launchd => return Vec::new(),
    };
    let message = format!("{} runs and is not enabled: after a reboot nobody starts it.", unit.name);
    vec![Finding::new("gateway.not-enabled", Severity::Info, message, fix).at(place(unit))]
}

/// Those that would listen on one port. Services with a name of their own (`…-gateway-work`) have a config, and so mostly a
/// port, of their own.
fn several(context: &Context<'_>) -> Vec<Finding> {
    let view = context.gateway;
    let plain = |unit: &&GatewayUnit| {
        let stem = unit.name.strip_suffix(".service").unwrap_or(&unit.name);
        unit.enabled && unit.scope != UnitScope::Launchd && (stem == unit.family.word() || stem.ends_with("-gateway"))
    };
    let port = |unit: &GatewayUnit| unit.port.unwrap_or(view.port);
    let enabled: Vec<&GatewayUnit> = view.units.iter().filter(plain).collect();
    let Some((first, others)) = enabled.split_first() else { return Vec::new() };
    let rivals: Vec<&&GatewayUnit> = others.iter().filter(|unit| port(unit) == port(first)).collect();
    if rivals.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = rivals.iter().map(|unit| unit.name.as_str()).collect();
    let message = format!(
        "{} and {} are both started at boot and want port {}: one of them fails again and again.",
        first.name,
        names.join(", "),
        port(first)
    );
    let disable = |unit: &&&GatewayUnit| match unit.scope {
        UnitScope::System => format!("sudo systemctl disable --now {}", unit.name),
        _ => format!("systemctl --user disable --now {}", unit.name),
    };
    let fix = rivals.iter().map(disable).collect::<Vec<_>>().join(" && ");
    vec![Finding::new("gateway.several-services", Severity::Warning, message, fix).at(place(first))]
}

/// A program or script of an enabled service that is not there. What cannot be looked at is not said to be gone: a container
/// with the home of its host has other programs.
fn program_missing(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let runs_here = |unit: &&GatewayUnit| unit.scope == UnitScope::Launchd || context.gateway.systemd;
    for unit in context.gateway.units.iter().filter(|unit| unit.enabled).filter(runs_here) {
        let script =
            |path: &std::path::PathBuf| path.extension().is_some_and(|e| ["js", "mjs", "cjs"].iter().any(|s| e == *s));
        let needed = unit.program.iter().enumerate().filter(|(at, path)| *at == 0 || script(path));
        // A specifier of systemd that we do not know stays in the path.
        let gone = |path: &std::path::PathBuf| {
            !path.to_string_lossy().contains('%') && path.try_exists().is_ok_and(|there| !there)
        };
        let Some((_, path)) = needed.into_iter().find(|(_, path)| gone(path)) else { continue };
        let message = format!("{} runs {}, which does not exist: it cannot start again.", unit.name, path.display());
        let fix = format!("{} gateway install --force", unit.family.word());
        findings.push(Finding::new("gateway.program-missing", Severity::Critical, message, fix).at(place(unit)));
    }
    findings
}

fn version_manager(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in context.gateway.units.iter().filter(|unit| unit.enabled) {
        let of_manager = |path: &std::path::PathBuf| {
            let text = path.to_string_lossy().into_owned();
            VERSION_MANAGERS.iter().find(|(part, _)| text.contains(part)).map(|(_, name)| (path.clone(), *name))
        };
        let Some((path, manager)) = unit.program.iter().find_map(of_manager) else { continue };
        let message = format!(
            "{} runs {}, which belongs to {manager}: the next upgrade or removal of that Node leaves the service without a \
             program.",
            unit.name,
            path.display()
        );
        let fix = format!(
            "Install Node for the whole system (your package manager's), then: {} gateway install --force",
            unit.family.word()
        );
        findings.push(Finding::new("gateway.version-manager-node", Severity::Info, message, fix).at(place(unit)));
    }
    findings
}
