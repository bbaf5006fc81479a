//! `[USER@]SERVER[:PORT]`, as a person writes it behind `--host`. Decides what may reach `ssh` at all: nothing that it, or the
//! shell of another machine, could read as an option or as a command.

use std::fmt;
use std::str::FromStr;

/// Another machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// As whom; `None`: as ssh decides.
    user: Option<String>,
    /// A name of the DNS or of `~/.ssh/config`, or an address.
    server: String,
    /// Which port; `None`: as ssh decides.
    port: Option<u16>,
}

/// Why a text is no destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write [USER@]SERVER[:PORT]: letters, digits, `.`, `_` and `-`, not beginning with `-`; an IPv6 address in brackets; a port \
     from 1 to 65535"
)]
pub struct NoDestination;

/// Longest name of the DNS; nothing else is longer.
const LONGEST: usize = 253;

fn is_name(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && !text.starts_with(['-', '.'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl FromStr for Destination {
    type Err = NoDestination;

    fn from_str(text: &str) -> Result<Self, NoDestination> {
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (server, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(NoDestination)?;
                address.parse::<std::net::Ipv6Addr>().map_err(|_| NoDestination)?;
                let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(NoDestination)?) };
                (address, port)
            }
            None => {
                let (name, port) = rest.split_once(':').map_or((rest, None), |(name, port)| (name, Some(port)));
                if !is_name(name) {
                    return Err(NoDestination);
                }
                (name, port)
            }
        };
        if user.is_some_and(|user| !is_name(user)) {
            return Err(NoDestination);
        }
        let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten();
        let port = match port {
            Some(port) => Some(digits(port).filter(|port| *port > 0).ok_or(NoDestination)?),
            None => None,
        };
        Ok(Self { user: user.map(str::to_owned), server: server.to_owned(), port })
    }
}

impl Destination {
    /// The server without user and port.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Its port, if one was named.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// What `ssh` takes: `user@server`.
    #[must_use]
    pub fn login(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.server),
            None => self.server.clone(),
        }
    }
}

impl fmt::Display for Destination {
    /// As it was written. Has no `/` in it, so it is also the name of a directory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.server.contains(':') {
            write!(f, "[{}]", self.server)?
        } else {
            f.write_str(&self.server)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        for (text, login, port) in [
            ("box", "box", None),
            ("ann@box.example.org", "ann@box.example.org", None),
            ("a_b-c.d@192.0.2.7:2222", "a_b-c.d@192.0.2.7", Some(2222)),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("ann@[::1]:22", "ann@::1", Some(22)),
        ] {
            let destination: Destination = text.parse().unwrap();
            assert_eq!((destination.login().as_str(), destination.port()), (login, port), "{text}");
            assert_eq!(destination.to_string(), text);
        }
    }

    #[test]
    fn nothing_that_ssh_or_a_shell_could_take_for_something_else() {
        let long = "x".repeat(254);
        for text in [
            "",
            "-oProxyCommand=x",
            "ann@-oProxyCommand=x",
            "-ann@box",
            "box;rm",
            "box rm",
            "box\nrm",
            "$(x)",
            "`x`",
            "a'b",
            "a|b",
            "a&b",
            "a/b",
            "../x",
            "..",
            "@box",
            "ann@",
            "ann@b@c",
            "box:",
            "box:0",
            "box:65536",
            "box:+22",
            "box:22:23",
            "box:x",
            "::1",
            "[::1",
            "[::1]x",
            "[x]",
            "[fe80::1%eth0]",
            "[::1]:",
            "bücher",
            "%h",
            "a=b",
            &long,
        ] {
            assert_eq!(text.parse::<Destination>(), Err(NoDestination), "{text}");
        }
    }
}
