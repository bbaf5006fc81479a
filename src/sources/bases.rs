//! The XDG base directories of the person whose tools are read. Many tools use these on macOS as well.

use std::path::PathBuf;

use crate::domain::Environment;

/// `$XDG_CONFIG_HOME`, else `~/.config`.
pub(super) fn config(env: &Environment) -> PathBuf {
    base(env, "XDG_CONFIG_HOME", ".config")
}

/// `$XDG_DATA_HOME`, else `~/.local/share`.
pub(super) fn data(env: &Environment) -> PathBuf {
    base(env, "XDG_DATA_HOME", ".local/share")
}

/// `$XDG_STATE_HOME`, else `~/.local/state`.
pub(super) fn state(env: &Environment) -> PathBuf {
    base(env, "XDG_STATE_HOME", ".local/state")
}

/// `$XDG_CACHE_HOME`, else `~/.cache`.
pub(super) fn cache(env: &Environment) -> PathBuf {
    base(env, "XDG_CACHE_HOME", ".cache")
}

/// The specification says that a relative path in the variable is to be ignored.
fn base(env: &Environment, name: &str, default: &str) -> PathBuf {
    let named = env.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named.unwrap_or_else(|| env.home().join(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_go_first_if_they_are_absolute() {
        let mut env = Environment::default();
        env.set("HOME", "/h");
        assert_eq!(config(&env), PathBuf::from("/h/.config"));
        assert_eq!(state(&env), PathBuf::from("/h/.local/state"));
        for (value, expected) in [("/d", "/d"), ("d", "/h/.local/share"), (" ", "/h/.local/share")] {
            env.set("XDG_DATA_HOME", value);
            assert_eq!(data(&env), PathBuf::from(expected), "{value:?}");
        }
    }
}
