//! Where our configuration and our state are (CONTRACTS §4), and in which zone this machine lives. Decides nothing else,
//! makes nothing.

use std::path::{Path, PathBuf};

use crate::domain::Zone;

use super::values;
use crate::domain::Environment;

/// Our two places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// `monitor.toml`; it need not exist.
    pub config: PathBuf,
    /// A person named it (`--config`, `OPENSOUL_MONITOR_CONFIG`): then it must exist.
    pub named: bool,
    /// Directory of `state.db`, `lock`, `key` and `token`; it need not exist.
    pub state: PathBuf,
}

/// Finds both places; `config` is the value of `--config`.
#[must_use]
pub fn locate(env: &Environment, config: Option<&Path>) -> Location {
    let named = config
        .map(|path| env.expand(&path.to_string_lossy()))
        .or_else(|| env.get("OPENSOUL_MONITOR_CONFIG").map(|path| env.expand(path)));
    Location {
        named: named.is_some(),
        config: named.unwrap_or_else(|| base(env, "XDG_CONFIG_HOME", ".config").join("opensoul/monitor.toml")),
        state: state(env),
    }
}

fn state(env: &Environment) -> PathBuf {
    if let Some(path) = env.get("OPENSOUL_MONITOR_STATE") {
        return env.expand(path);
    }
    // systemd separates several directories by colons; ours is the first.
    if let Some(path) = env.get("STATE_DIRECTORY").and_then(|list| list.split(':').next()).filter(|p| !p.is_empty()) {
        return PathBuf::from(path);
    }
    base(env, "XDG_STATE_HOME", ".local/state").join("opensoul")
}

/// An XDG base directory. The specification says that a relative path in the variable is to be ignored.
fn base(env: &Environment, variable: &str, default: &str) -> PathBuf {
    env.get(variable).map(PathBuf::from).filter(|path| path.is_absolute()).unwrap_or_else(|| env.home().join(default))
}

/// The zone people on this machine think in: `$TZ`, else the system's, else UTC.
#[must_use]
pub fn local_zone(env: &Environment) -> Zone {
    env.get("TZ")
        .and_then(|name| values::zone(name.trim_start_matches(':')))
        .or_else(|| iana_time_zone::get_timezone().ok().and_then(|name| values::zone(&name)))
        .unwrap_or(Zone::UTC)
}

/// True on Termux, where any app can reach loopback.
#[must_use]
pub fn is_termux(env: &Environment) -> bool {
    env.get("TERMUX_VERSION").is_some() || env.get("PREFIX").is_some_and(|prefix| prefix.contains("com.termux"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_first_that_is_set_wins() {
        let at = |pairs: &[(&str, &str)], option: Option<&str>| locate(&env(pairs), option.map(Path::new));
        let home = ("HOME", "/home/a");
        let plain = at(&[home], None);
        assert_eq!(plain.config, Path::new("/home/a/.config/opensoul/monitor.toml"));
        assert_eq!(plain.state, Path::new("/home/a/.local/state/opensoul"));
        assert!(!plain.named);
        let xdg = at(&[home, ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s")], None);
        assert_eq!(
            (xdg.config.as_path(), xdg.state.as_path()),
            (Path::new("/c/opensoul/monitor.toml"), Path::new("/s/opensoul"))
        );
        let relative = at(&[home, ("XDG_CONFIG_HOME", "c"), ("XDG_STATE_HOME", " ")], None);
        assert_eq!(relative, plain);
        let systemd = at(&[home, ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/s")], None);
        assert_eq!(systemd.state, Path::new("/var/lib/a"));
        let named = at(&[home, ("OPENSOUL_MONITOR_CONFIG", "~/m.toml"), ("OPENSOUL_MONITOR_STATE", "~/s")], None);
        assert_eq!(
            (named.config.as_path(), named.state.as_path()),
            (Path::new("/home/a/m.toml"), Path::new("/home/a/s"))
        );
        assert!(named.named);
        let option = at(&[home, ("OPENSOUL_MONITOR_CONFIG", "/m.toml")], Some("/o.toml"));
        assert_eq!(option.config, Path::new("/o.toml"));
    }

    #[test]
    fn zones() {
        assert_eq!(local_zone(&env(&[("TZ", ":Asia/Shanghai")])), "Asia/Shanghai".parse().unwrap());
        assert!(is_termux(&env(&[("PREFIX", "/data/data/com.termux/files/usr")])));
        assert!(!is_termux(&env(&[("PREFIX", "/usr")])));
    }
}
