//! What is known about each provider: the rows of `catalog/*.toml`, those of `monitor.toml`, and whether a given secret may be
//! asked about at all.
//!
//! Decides *whether*, *how* and *where*; makes no request and reads no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::domain::{Kind, Secret};
pub use crate::formats::provider_row::{
    Auth, BalanceAt, Dead, Method, PageFormat, Paid, Probe, Provider, QuotaAt, Says, Shape, StatusPage,
};

/// All rows.
#[derive(Debug)]
pub struct Catalog {
    rows: Vec<Provider>,
    shapes: BTreeMap<Shape, ShapeRow>,
    /// Row of each id and alias.
    names: BTreeMap<String, usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: Vec<Provider>,
}

/// How servers of unknown make are asked.
#[derive(Debug, Deserialize)]
pub struct ShapeRow {
    /// For free.
    #[serde(flatten)]
    pub probe: Probe,
    /// For a token.
    pub paid: Option<Paid>,
}

/// Why a credential is not asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// There is no way that may be taken; the text is for people.
    NoWay(String),
    /// There is one, and nobody has allowed it.
    Undocumented(String),
}

impl Unasked {
    /// For people; never quotes a secret.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::NoWay(text) | Self::Undocumented(text) => text,
        }
    }
}

impl Catalog {
    /// The embedded catalog; parsed when first used.
    #[must_use]
    pub fn get() -> &'static Self {
        const FILES: [&str; 4] = [
            include_str!("catalog/vendors.toml"),
            include_str!("catalog/china.toml"),
            include_str!("catalog/hosts.toml"),
            include_str!("catalog/tools.toml"),
        ];
        static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
            let parse = |text| toml::from_str::<File>(text).expect("a test parses the embedded catalog").provider;
            let shapes = toml::from_str(include_str!("catalog/shapes.toml"));
            Catalog::new(
                FILES.into_iter().flat_map(parse).collect(),
                shapes.expect("a test parses the embedded shapes"),
            )
        });
        &CATALOG
    }

    fn new(rows: Vec<Provider>, shapes: BTreeMap<Shape, ShapeRow>) -> Self {
        let names = |(index, row): (usize, &Provider)| {
            std::iter::once(&row.id).chain(&row.aliases).map(move |name| (name.clone(), index)).collect::<Vec<_>>()
        };
        Self { names: rows.iter().enumerate().flat_map(names).collect(), rows, shapes }
    }

    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = &Provider> {
        self.rows.iter()
    }

    /// The row of a provider, by id or alias.
    #[must_use]
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.names.get(id).map(|index| &self.rows[*index])
    }

    /// How servers are asked of which only that is known whose requests they understand.
    #[must_use]
    pub fn shape(&self, shape: Shape) -> &ShapeRow {
        self.shapes.get(&shape).expect("a test looks for every shape")
    }

    /// Whether and how a secret may be asked about: the row with its probe, or the reason why not.
    ///
    /// # Errors
    /// The reason, for people; it never quotes the secret.
    pub fn plan(
        &self,
        provider: &str,
        kind: Kind,
        secret: &Secret,
        undocumented: bool,
    ) -> Result<(&Provider, &Probe), Unasked> {
        let row = self.provider(provider);
        let row =
            row.ok_or_else(|| Unasked::NoWay("no free, documented way to ask this provider is known".to_owned()))?;
        if let Some(why) = row.unverifiable.as_ref().or(row.retired.as_ref()) {
            return Err(Unasked::NoWay(why.clone()));
        }
        self.may_go(row, secret)?;
        Ok((row, row.choose(kind, secret.expose().trim(), undocumented)?))
    }

    /// Whether a secret may be put into a request to this provider at all.
    ///
    /// # Errors
    /// The reason, for people; it never quotes the secret.
    pub fn may_go(&self, row: &Provider, secret: &Secret) -> Result<(), Unasked> {
        let text = sendable(secret)?;
        let refused = row.refuses.iter().filter(|(prefix, _)| text.starts_with(*prefix));
        if let Some((_, why)) = refused.max_by_key(|(prefix, _)| prefix.len()) {
            return Err(Unasked::NoWay(why.clone()));
        }
        match self.issuer(text).filter(|other| other.id != row.id && !shares_host(other, row)) {
            Some(other) => Err(Unasked::NoWay(format!(
                "it looks like a key of {}, so it was not sent to {}",
                other.name, row.name
            ))),
            None => Ok(()),
        }
    }

    /// The provider whose keys alone begin like this.
    #[must_use]
    pub fn issuer(&self, text: &str) -> Option<&Provider> {
        let claims = self.rows().flat_map(|row| row.key_prefixes.iter().map(move |prefix| (prefix, row)));
        let longest = claims.filter(|(prefix, _)| text.starts_with(*prefix)).max_by_key(|(prefix, _)| prefix.len());
        longest.map(|(_, row)| row)
    }
}

/// The text of a secret, if it can stand in a request.
///
/// # Errors
/// Why it cannot; never a part of it.
pub fn sendable(secret: &Secret) -> Result<&str, Unasked> {
    let text = secret.expose().trim();
    if text.is_empty() {
        return Err(Unasked::NoWay("there is no secret to ask about".to_owned()));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        let why = "it contains characters that no key has: look for a line break or a typographic quote";
        return Err(Unasked::NoWay(why.to_owned()));
    }
    Ok(text)
}

/// A key that goes to its issuer's own host is in good hands, whatever it is kept for.
fn shares_host(one: &Provider, other: &Provider) -> bool {
    let hosts = |row: &Provider| row.probes.iter().filter_map(|probe| probe.host().map(str::to_owned)).collect();
    let (one, other): (BTreeSet<_>, BTreeSet<_>) = (hosts(one), hosts(other));
    !other.is_empty() && other.is_subset(&one)
}

impl Provider {
    /// The probe for a secret of this kind that begins so. Undocumented ones tell more, so they go first where they are
    /// allowed.
    fn choose(&self, kind: Kind, text: &str, undocumented: bool) -> Result<&Probe, Unasked> {
        let begins =
            |probe: &Probe| probe.prefixes.iter().filter(|prefix| text.starts_with(*prefix)).map(String::len).max();
        let longest = self.probes.iter().filter_map(begins).max();
        // Where a probe is made for secrets that begin so, the general ones cannot judge them.
        let made_for_it = |probe: &&Probe| match longest {
            Some(longest) => begins(probe) == Some(longest),
            None => probe.prefixes.is_empty() || probe.kinds.contains(&Kind::Oauth) && kind == Kind::Oauth,
        };
        let fit: Vec<&Probe> =
            self.probes.iter().filter(made_for_it).filter(|probe| probe.kinds.contains(&kind)).collect();
        let documented = fit.iter().find(|probe| probe.documented);
        let other = fit.iter().find(|probe| !probe.documented);
        match (documented, other) {
            (_, Some(probe)) if undocumented => Ok(probe),
            (Some(probe), _) => Ok(probe),
            (None, Some(_)) => Err(Unasked::Undocumented(
                "the only free way to ask is undocumented; [probe] undocumented = true in monitor.toml allows it"
                    .to_owned(),
            )),
            (None, None) => Err(Unasked::NoWay(self.probes.first().map_or_else(String::new, |p| p.otherwise.clone()))),
        }
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
