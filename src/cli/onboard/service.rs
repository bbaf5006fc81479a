//! Who runs the monitor: a timer or a service of the user's systemd, or a job on a phone. The units are those that packages
//! install, with this program's own path in them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::Context;
use super::super::args_onboard::ServiceArg;
use super::super::exit::{Failure, FailureKind};
use crate::config::{self, is_termux};
use crate::control::onboard::Whole;

const CHECK_SERVICE: &str = include_str!("../../../systemd/user/opensoul-check.service");
const CHECK_TIMER: &str = include_str!("../../../systemd/user/opensoul-check.timer");
const MONITOR_SERVICE: &str = include_str!("../../../systemd/user/opensoul-monitor.service");

/// What the units of packages start.
const PACKAGED: &str = "/usr/bin/opensoul-monitor";
/// The first line, by which our own files are known again.
const MARK: &str = "# Made by opensoul onboard, from the unit of the same name that packages install.\n";

/// The unit that is started.
fn unit(service: ServiceArg) -> Option<&'static str> {
    match service {
        ServiceArg::Timer => Some("opensoul-check.timer"),
        ServiceArg::Daemon => Some("opensoul-monitor.service"),
        ServiceArg::None => None,
    }
}

/// What will be done, for the person who is asked.
pub(super) fn lines(service: ServiceArg, context: &Context) -> Vec<String> {
    let Some(unit) = unit(service) else { return Vec::new() };
    if is_termux(&context.env) {
        return vec!["schedule a job of Termux every 15 minutes: opensoul-phone schedule".to_owned()];
    }
    let dir = user_units(context);
    let files = units(service).iter().map(|(name, _)| format!("write {}", dir.join(name).display()));
    files.chain([format!("systemctl --user enable {unit}"), format!("systemctl --user restart {unit}")]).collect()
}

fn user_units(context: &Context) -> PathBuf {
    let config = context.env.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    config.unwrap_or_else(|| context.env.home().join(".config")).join("systemd/user")
}

/// The units, where a package has not installed them already.
///
/// # Errors
/// This program does not know its own path, or has one that a unit cannot have.
pub(super) fn files(service: ServiceArg, context: &Context) -> Result<Vec<Whole>, Failure> {
    if is_termux(&context.env) || service == ServiceArg::None {
        return Ok(Vec::new());
    }
    let Some(exe) = command(context) else {
        let message =
            "a unit cannot name this program or its configuration; move them to paths without blanks and quotes";
        return Err(Failure::new(FailureKind::Unavailable, message));
    };
    let (dir, places) = (user_units(context), places(context));
    let whole = |name: &str, text: &str| Whole {
        path: dir.join(name),
        text: format!(
            "{MARK}{}",
            text.replace(PACKAGED, &exe)
                .replace("OnFailure=opensoul-failed@%N.service\n", "")
                .replace("[Service]\n", &format!("[Service]\n{places}"))
        ),
    };
    // Those that a package or `deploy/install.sh` has put there do as well, unless they would watch something else.
    let plain = !exe.contains(' ') && places.is_empty();
    let theirs = |name: &str, text: &str| {
        let about = |text: &str| text.lines().find(|line| line.starts_with("Description=")).map(str::to_owned);
        let dirs = [dir.as_path(), Path::new("/etc/systemd/user"), Path::new("/usr/lib/systemd/user")];
        let same = |there: &Path| {
            std::fs::read_to_string(there.join(name))
                .is_ok_and(|there| !there.starts_with(MARK) && about(&there) == about(text))
        };
        plain && dirs.into_iter().any(same)
    };
    let units = units(service).iter().filter(|(name, text)| !theirs(name, text));
    Ok(units.map(|(name, text)| whole(name, text)).collect())
}

fn units(service: ServiceArg) -> &'static [(&'static str, &'static str)] {
    match service {
        ServiceArg::Timer => &[("opensoul-check.service", CHECK_SERVICE), ("opensoul-check.timer", CHECK_TIMER)],
        ServiceArg::Daemon => &[("opensoul-monitor.service", MONITOR_SERVICE)],
        ServiceArg::None => &[],
    }
}

/// Variables that say where things are: what is set here must hold for the unit too, or it would watch other places.
const PLACES: [&str; 9] = [
    "OPENSOUL_MONITOR_STATE",
    "OPENSOUL_STATE_DIR",
    "OPENCLAW_STATE_DIR",
    "CLAWDBOT_STATE_DIR",
    "MOLTBOT_STATE_DIR",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
];

/// The lines of a unit that set them (systemd.syntax(7): quoted, with `%%` for `%`).
fn places(context: &Context) -> String {
    let line = |name: &&str| {
        let value = context.env.get(name).filter(|value| !value.contains(char::is_control))?;
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
        Some(format!("Environment=\"{name}={value}\"\n"))
    };
    PLACES.iter().filter_map(line).collect()
}

/// By the name under which a shell finds it: what a package manager puts behind that name changes with each version.
fn program(context: &Context) -> Option<PathBuf> {
    let exe = context.program.exe.as_ref()?;
    let path = context.env.get("PATH").unwrap_or_default();
    let by_name =
        std::env::split_paths(path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(&context.program.name));
    let ours = |named: &PathBuf| named.canonicalize().is_ok_and(|real| real == *exe);
    Some(by_name.into_iter().find(ours).unwrap_or_else(|| exe.clone()))
}

/// This program with what it was started with: the unit must watch what was set up. `None`: a unit cannot say it.
fn command(context: &Context) -> Option<String> {
    let location = config::locate(&context.env, context.global.config.as_deref());
    let mut words = vec![program(context)?.display().to_string()];
    if location.named {
        let path = std::path::absolute(&location.config).unwrap_or(location.config);
        words.extend(["--config".to_owned(), path.display().to_string()]);
    }
    if context.global.dev {
        words.push("--dev".to_owned());
    }
    if let Some(name) = &context.global.profile {
        words.extend(["--profile".to_owned(), name.trim().to_owned()]);
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || "\"'%\\$".contains(c);
    words.iter().all(|word| !word.contains(odd)).then(|| words.join(" "))
}

/// Starts it, now and at each login.
///
/// # Errors
/// There is no manager to start it, or it refused (69). What was written stays.
pub(super) fn start(service: ServiceArg, context: &Context) -> Result<(), Failure> {
    let Some(unit) = unit(service) else { return Ok(()) };
    let commands: Vec<Vec<&str>> = if is_termux(&context.env) {
        vec![vec!["opensoul-phone", "schedule"]]
    } else {
        // One that runs already would go on with what it has read.
        vec![
            vec!["systemctl", "--user", "daemon-reload"],
            vec!["systemctl", "--user", "enable", unit],
            vec!["systemctl", "--user", "restart", unit],
        ]
    };
    for words in commands {
        let line = words.join(" ");
        say!("run   {line}");
        let ended = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).status();
        let why = match ended {
            Ok(ended) if ended.success() => continue,
            Ok(ended) => format!("it ended with {ended}"),
            Err(error) => error.to_string(),
        };
        let message = format!(
            "what was written stays, but `{line}` did not work: {why}. Without systemd, let cron run: opensoul monitor once"
        );
        return Err(Failure::new(FailureKind::Unavailable, message));
    }
    Ok(())
}
