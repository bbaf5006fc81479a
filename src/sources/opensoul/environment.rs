//! The variables as the gateway would see them if it were started from here: process, `.env` files, config, login shell.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::domain::{Environment, Finding, Place, Severity};
use crate::files;
use crate::formats::installation::{Layer, LayeredEnv};
use crate::formats::provider_env::LOGIN_SHELL_KEYS;
use crate::formats::{dotenv, provider_env};

/// Finding id of a login shell that did not answer.
pub const LOGIN_SHELL: &str = "env.login-shell";

const DEFAULT_TIMEOUT_MS: u64 = 15_000;
/// What a login shell prints at most.
const MAX_SHELL_OUTPUT: u64 = 1 << 20;

/// Process environment, then the `.env` of the working directory (provider keys only), then that of the state directory.
pub fn files(env: &Environment, cwd: Option<&Path>, state_dir: &Path) -> LayeredEnv {
    let mut layers = LayeredEnv::default();
    for (name, value) in env.iter() {
        layers.set_absent(name, value, &Layer::Process);
    }
    if let Some(cwd) = cwd {
        let path = cwd.join(".env");
        add(&mut layers, &path, &Layer::CwdDotenv(path.clone()), |name| provider_env::provider_of(name).is_some());
    }
    let path = state_dir.join(".env");
    add(&mut layers, &path, &Layer::StateDotenv(path.clone()), |_| true);
    // The gateway copies the one spelling to the other when it starts.
    if let Some((value, layer)) = layers.vars.get("Z_AI_API_KEY").filter(|(v, _)| !v.trim().is_empty()).cloned() {
        layers.set_blank("ZAI_API_KEY", &value, &layer);
    }
    layers
}

fn add(layers: &mut LayeredEnv, path: &Path, layer: &Layer, wanted: impl Fn(&str) -> bool) {
    let fix = format!("make {} a readable text file", path.display());
    match files::read_lines(path, files::LIMIT) {
        Ok(None) => {}
        Ok(Some((contents, trouble))) => {
            layers.problems.extend(trouble.map(|trouble| trouble.finding(path, &fix)));
            // In one file the last of several equal names wins; between files the first file.
            for assignment in dotenv::parse(&contents.text)
                .into_iter()
                .rev()
                .filter(|a| wanted(&a.name) && !a.value.contains('\u{fffd}'))
            {
                layers.set_absent(&assignment.name, &assignment.value, layer);
            }
        }
        Err(trouble) => {
            layers.problems.push(trouble.finding(path, &fix));
        }
    }
}

/// Adds what the config sets, where nothing is set yet.
pub fn config(layers: &mut LayeredEnv, entries: &[(String, String)]) {
    for (name, value) in entries {
        layers.set_blank(name, value, &Layer::Config);
    }
}

/// Whether Google's application default credentials are usable.
pub fn google(layers: &mut LayeredEnv, home: &Path) {
    let file = layers
        .get("GOOGLE_APPLICATION_CREDENTIALS")
        .map_or_else(|| home.join(".config/gcloud/application_default_credentials.json"), PathBuf::from);
    let any = |names: [&str; 2]| names.iter().any(|name| layers.get(name).is_some());
    layers.gcloud_adc = any(["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"])
        && layers.get("GOOGLE_CLOUD_LOCATION").is_some()
        && file.is_file();
}

fn truthy(env: &LayeredEnv, names: [&str; 2]) -> bool {
    let on = |value: &str| matches!(value.to_lowercase().as_str(), "1" | "true" | "yes" | "on");
    names.iter().find_map(|name| env.get(name)).is_some_and(on)
}

/// Asks the login shell under the gateway's own rules: if its config or a variable says so, and if none of the names is set.
/// `may_run`: only interactive commands run it.
pub fn login_shell(layers: &mut LayeredEnv, env: &Environment, enabled: bool, timeout_ms: Option<u64>, may_run: bool) {
    layers.login_shell = enabled || truthy(layers, ["OPENSOUL_LOAD_SHELL_ENV", "OPENCLAW_LOAD_SHELL_ENV"]);
    let deferred = truthy(layers, ["OPENSOUL_DEFER_SHELL_ENV_FALLBACK", "OPENCLAW_DEFER_SHELL_ENV_FALLBACK"]);
    let known = LOGIN_SHELL_KEYS.iter().any(|name| layers.get(name).is_some());
    if !layers.login_shell || deferred || known || !may_run {
        return;
    }
    let from_env = ["OPENSOUL_SHELL_ENV_TIMEOUT_MS", "OPENCLAW_SHELL_ENV_TIMEOUT_MS"];
    let from_env = from_env.iter().find_map(|name| layers.get(name)).and_then(|ms| ms.parse().ok());
    let timeout = timeout_ms.or(from_env).filter(|ms| *ms > 0).unwrap_or(DEFAULT_TIMEOUT_MS);
    // The shell is the user's own, from the process: no file may name a program to run.
    let shell = env.get("SHELL").unwrap_or("/bin/sh");
    match ask(shell, Duration::from_millis(timeout)) {
        Ok(output) => {
            for entry in output.split(|byte| *byte == 0) {
                let Some((name, value)) = std::str::from_utf8(entry).ok().and_then(|e| e.split_once('=')) else {
                    continue;
                };
                if LOGIN_SHELL_KEYS.contains(&name) && !value.trim().is_empty() && layers.get(name).is_none() {
                    layers.set_blank(name, value, &Layer::LoginShell);
                    layers.from_login_shell.push(name.to_owned());
                }
            }
            let position = |name: &String| LOGIN_SHELL_KEYS.iter().position(|key| key == name);
            layers.from_login_shell.sort_by_key(position);
        }
        Err(why) => {
            let message = format!("the login shell {shell} {why}; its keys are not known");
            let fix =
                format!("run `{shell} -l -c 'env -0'` and correct what it says, or set env.shellEnv.enabled to false");
            layers.problems.push(Finding::new(LOGIN_SHELL, Severity::Warning, message, fix).at(Place::file(shell)));
        }
    }
}

fn ask(shell: &str, timeout: Duration) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
    let mut child = Command::new(shell)
        .args(["-l", "-c", "env -0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot be started ({})", error.kind()))?;
    let stdout = child.stdout.take().ok_or("has no output")?;
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut output = zeroize::Zeroizing::new(Vec::new());
        let done = stdout.take(MAX_SHELL_OUTPUT).read_to_end(&mut output).is_ok();
        let _ = send.send(done.then_some(output));
    });
    let answer = receive.recv_timeout(timeout);
    if answer.is_err()
        && let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let status = child.wait();
    match (answer, status) {
        (Err(_), _) => Err(format!("did not answer within {} ms", timeout.as_millis())),
        (Ok(Some(output)), Ok(status)) if status.success() => Ok(output),
        _ => Err("failed".to_owned()),
    }
}
