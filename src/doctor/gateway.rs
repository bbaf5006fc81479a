//! The gateway itself: does it run, and does it run with what its files say now.

use std::fs;
use std::path::PathBuf;

use super::{By, Check, Context};
use crate::domain::{Finding, GatewayState, Place, Severity, Time};
use crate::formats::gateway_view::{GatewayUnit, SeenIn, Sight, UnitScope};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "gateway.down", about: "whether the gateway answers", by: By::Retelling(down) },
    Check {
        id: "gateway.env-stale",
        about: "environment files changed since the gateway started",
        by: By::Doctor(env_stale),
    },
    Check { id: "gateway.no-linger", about: "whether the gateway outlives a logout", by: By::Doctor(no_linger) },
];

fn down(context: &Context<'_>) -> Vec<Finding> {
    if context.gateway.gateway.state != GatewayState::Down {
        return Vec::new();
    }
    let fix = match context.gateway.units.first() {
        Some(unit) if unit.scope == UnitScope::User => {
            format!("{}; if it stops again: journalctl --user -u {} -n 50", unit.restart_command(), unit.name)
        }
        Some(unit) if unit.scope == UnitScope::System => {
            format!("{}; if it stops again: sudo journalctl -u {} -n 50", unit.restart_command(), unit.name)
        }
        _ => context.gateway.restart_command(),
    };
    let message = format!("The gateway is down: {}.", context.gateway.gateway.detail);
    let place = context.gateway.units.first().map_or_else(Place::default, |u| Place::file(&u.path));
    vec![Finding::new("gateway.down", Severity::Critical, message, fix).at(place)]
}

/// Times of files are compared with a process's start to the second; both clocks are the machine's.
fn is_later(at: Time, started: Time, now: Time) -> bool {
    at > started + crate::domain::Span::seconds(1) && at <= now
}

fn env_stale(context: &Context<'_>) -> Vec<Finding> {
    let Some(process) = &context.gateway.process else { return Vec::new() };
    let unit = context.gateway.units.first().filter(|u| process.unit.as_ref() == Some(&u.name));
    let mut changed: Vec<PathBuf> = Vec::new();
    if let Some(started) = process.started {
        let dotenv = context.installations.iter().filter(|i| i.chosen).map(|i| i.state_dir.join(".env"));
        let dotenv = dotenv.map(|path| {
            let at = fs::metadata(&path).and_then(|meta| meta.modified()).ok().map(Time::from);
            (path, at)
        });
        let files = unit.iter().flat_map(|u| u.files.iter().cloned());
        changed.extend(
            dotenv
                .chain(files)
                .filter(|(_, at)| at.is_some_and(|at| is_later(at, started, context.now)))
                .map(|(path, _)| path),
        );
    }
    let names = unit.map(|unit| differing(context, unit)).unwrap_or_default();
    if changed.is_empty() && names.is_empty() {
        return Vec::new();
    }
    let mut what = Vec::new();
    if !changed.is_empty() {
        let list: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
        what.push(format!("{} changed since it started", list.join(", ")));
    }
    if !names.is_empty() {
        what.push(format!("it does not have the {} that its unit now sets", names.join(", ")));
    }
    let unit_changed =
        unit.is_some_and(|u| u.files.iter().any(|(path, _)| changed.contains(path) && is_unit_file(path)));
    let reload = match unit.map(|u| u.scope) {
        Some(UnitScope::User) if unit_changed => "systemctl --user daemon-reload && ",
        Some(UnitScope::System) if unit_changed => "sudo systemctl daemon-reload && ",
        _ => "",
    };
    let message = format!("The running gateway (process {}) has an old environment: {}.", process.pid, what.join("; "));
    let place = changed.first().map_or_else(Place::default, Place::file);
    let fix = format!("{reload}{}", context.gateway.restart_command());
    vec![Finding::new("gateway.env-stale", Severity::Warning, message, fix).at(place)]
}

fn is_unit_file(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|e| e == "service" || e == "conf")
}

/// Known variables whose value in the unit's files is not the one that the process was started with.
fn differing(context: &Context<'_>, unit: &GatewayUnit) -> Vec<String> {
    if context.gateway.sight != Sight::Running {
        return Vec::new();
    }
    let running = |name: &String| {
        context.gateway.visible.get(name).filter(|seen| seen.from == SeenIn::Process).and_then(|seen| seen.fingerprint)
    };
    unit.environment
        .iter()
        .filter(|(name, fingerprint)| fingerprint.is_some() && **fingerprint != running(name))
        .map(|(name, _)| name.clone())
        .collect()
}

fn no_linger(context: &Context<'_>) -> Vec<Finding> {
    let user_unit = context.gateway.units.iter().find(|u| u.scope == UnitScope::User && u.enabled);
    let (Some(unit), Some(false)) = (user_unit, context.gateway.lingers) else { return Vec::new() };
    let message = format!("{} is a user service: it stops at logout and does not start at boot.", unit.name);
    vec![
        Finding::new("gateway.no-linger", Severity::Info, message, "loginctl enable-linger")
            .at(Place::file(&unit.path)),
    ]
}
