//! Early configs named every login `anthropic:default`; the store then got one under its own id. Which one the config means.

/// A stored login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// Profile id.
    pub id: &'a str,
    /// `email`
    pub email: Option<&'a str>,
}

/// The id that the config's login `legacy` (with this `email`) stands for now; `None` if it stands for itself, or nobody can
/// tell. `logins` are those of the provider, `last_good` the one that last worked.
#[must_use]
pub fn successor<'a>(
    legacy: &str,
    email: Option<&str>,
    logins: &[Login<'a>],
    last_good: Option<&str>,
) -> Option<&'a str> {
    let of_account = || logins.iter().find(|login| email.is_some() && login.email == email);
    let worked = || logins.iter().find(|login| Some(login.id) == last_good);
    let only = || {
        let mut others = logins.iter().filter(|login| login.id != legacy);
        others.next().filter(|_| others.next().is_none())
    };
    of_account().or_else(worked).or_else(only).map(|login| login.id).filter(|id| *id != legacy)
}
