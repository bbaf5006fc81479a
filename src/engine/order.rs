//! Which of the gateway's profiles would be used, in which order, and why not the others.
//!
//! Pure. The caller brings candidates with normalised providers and the lists that apply to one provider; `lastGood` plays
//! no part, as in the gateway. Times are milliseconds, as its stores keep them.

use std::collections::HashSet;

/// What decides about one stored profile.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Profile id.
    pub id: &'a str,
    /// Provider, normalised.
    pub provider: &'a str,
    /// Its type.
    pub kind: Type,
    /// Key or token not blank; for logins: access or refresh token not blank.
    pub has_secret: bool,
    /// `expires`, if it is a finite positive number.
    pub expires_ms: Option<f64>,
    /// `lastUsed`
    pub last_used_ms: Option<f64>,
    /// The later of `cooldownUntil` and `disabledUntil`.
    pub set_aside_until_ms: Option<f64>,
    /// What the config's `auth.profiles` says about this id.
    pub declared: Option<Declared<'a>>,
}

/// The three types, in the order in which the gateway prefers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// A login.
    Oauth,
    /// A token.
    Token,
    /// A key.
    ApiKey,
}

/// An entry of the config's `auth.profiles`.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    /// Its provider, normalised.
    pub provider: &'a str,
    /// Its mode; `None` if the config says something else than the three.
    pub mode: Option<Type>,
}

/// The lists that apply to one provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lists<'a> {
    /// `order` of the store.
    pub stored: Option<&'a [String]>,
    /// `auth.order` of the config; an empty one counts and yields nothing.
    pub configured: Option<&'a [String]>,
    /// Ids of `auth.profiles` for this provider; if there are any, profiles that are only in the store are not used.
    pub declared: &'a [&'a str],
}

/// Where the order comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// `order` in the store.
    StoreOrder,
    /// `auth.order` in the config.
    ConfigOrder,
    /// `auth.profiles` in the config: round robin over these.
    ConfigProfiles,
    /// Round robin over everything stored.
    RoundRobin,
}

/// The order for one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where it comes from.
    pub basis: Basis,
    /// Indices into the candidates, first to be used first.
    pub eligible: Vec<usize>,
    /// Why each of the other candidates of this provider is not in it.
    pub excluded: Vec<(usize, Exclusion)>,
}

/// Why a profile of the provider is never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// It is not in the explicit order.
    NotInOrder(Basis),
    /// The config's entry names another provider.
    OtherProvider,
    /// The config's entry names another mode.
    OtherMode,
    /// There is no secret in it.
    NoSecret,
    /// A token past its date.
    Expired,
}

impl Exclusion {
    /// One phrase for people.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotInOrder(Basis::StoreOrder) => "not in the store's order for this provider",
            Self::NotInOrder(Basis::ConfigOrder) => "not in auth.order for this provider",
            Self::NotInOrder(_) => "not among the config's auth.profiles, which name others for this provider",
            Self::OtherProvider => "the config's auth.profiles entry names another provider",
            Self::OtherMode => "the config's auth.profiles entry has another mode than the stored type",
            Self::NoSecret => "no secret in it",
            Self::Expired => "expired",
        }
    }
}

/// The gateway's order for `provider`.
///
/// `candidates` may hold profiles of other providers; explicit lists may name ids that do not exist.
#[must_use]
pub fn order(
    provider: &str,
    candidates: &[Candidate<'_>],
    lists: Lists<'_>,
    preferred: Option<&str>,
    now_ms: f64,
) -> Order {
    let of_provider: Vec<usize> = (0..candidates.len()).filter(|n| candidates[*n].provider == provider).collect();
    let (basis, explicit) = match (lists.stored, lists.configured) {
        (Some(list), _) => (Basis::StoreOrder, Some(list)),
        (None, Some(list)) => (Basis::ConfigOrder, Some(list)),
        (None, None) if !lists.declared.is_empty() => (Basis::ConfigProfiles, None),
        (None, None) => (Basis::RoundRobin, None),
    };
    let named = |ids: &mut dyn Iterator<Item = &str>| -> Vec<usize> {
        // One look-up table, so that a long list over a large store stays linear.
        let by_id: std::collections::HashMap<&str, usize> =
            of_provider.iter().map(|n| (candidates[*n].id, *n)).collect();
        let mut seen = HashSet::new();
        ids.filter_map(|id| by_id.get(id).copied()).filter(|n| seen.insert(*n)).collect()
    };
    let base = match explicit {
        Some(list) => named(&mut list.iter().map(String::as_str)),
        None if basis == Basis::ConfigProfiles => named(&mut lists.declared.iter().copied()),
        None => of_provider.clone(),
    };
    let mut excluded: Vec<(usize, Exclusion)> = Vec::new();
    let mut eligible: Vec<usize> = Vec::new();
    for n in &base {
        match exclusion(&candidates[*n], provider, now_ms) {
            Some(why) => excluded.push((*n, why)),
            None => eligible.push(*n),
        }
    }
    if base.len() != of_provider.len() {
        let listed: HashSet<usize> = base.iter().copied().collect();
        excluded.extend(of_provider.iter().filter(|n| !listed.contains(n)).map(|n| (*n, Exclusion::NotInOrder(basis))));
    }
    let until = |n: &usize| candidates[*n].set_aside_until_ms.filter(|until| now_ms < *until);
    let (mut available, mut aside): (Vec<usize>, Vec<usize>) = eligible.into_iter().partition(|n| until(n).is_none());
    if explicit.is_none() {
        let last_used = |n: usize| candidates[n].last_used_ms.unwrap_or(0.0);
        available.sort_by(|a, b| {
            let kinds = candidates[*a].kind.cmp(&candidates[*b].kind);
            kinds.then(last_used(*a).total_cmp(&last_used(*b)))
        });
    }
    aside.sort_by(|a, b| until(a).unwrap_or(0.0).total_cmp(&until(b).unwrap_or(0.0)));
    available.append(&mut aside);
    if let Some(at) = preferred.and_then(|id| available.iter().position(|n| candidates[*n].id == id)) {
        available[..=at].rotate_right(1);
    }
    Order { basis, eligible: available, excluded }
}

fn exclusion(candidate: &Candidate<'_>, provider: &str, now_ms: f64) -> Option<Exclusion> {
    if let Some(declared) = candidate.declared {
        if declared.provider != provider {
            return Some(Exclusion::OtherProvider);
        }
        // A config that says oauth accepts a stored token.
        let compatible = declared.mode == Some(candidate.kind)
            || (declared.mode == Some(Type::Oauth) && candidate.kind == Type::Token);
        if !compatible {
            return Some(Exclusion::OtherMode);
        }
    }
    if !candidate.has_secret {
        return Some(Exclusion::NoSecret);
    }
    let expired = candidate.kind == Type::Token && candidate.expires_ms.is_some_and(|at| now_ms >= at);
    expired.then_some(Exclusion::Expired)
}

/// What a request would use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effective {
    /// The AWS chain, found where the text says.
    Aws(&'static str),
    /// A profile: index into the candidates.
    Profile(usize),
    /// A key from the environment.
    Environment,
    /// The key in the config's `models.providers`.
    ModelsJson,
    /// Nothing.
    Nothing,
}

/// What the gateway finds besides profiles.
#[derive(Clone, Copy, Debug, Default)]
pub struct Besides<'a> {
    /// `models.providers.<id>.auth`
    pub auth_mode: Option<&'a str>,
    /// A provider key is in the environment.
    pub environment: bool,
    /// The config has a key for the provider.
    pub models_json: bool,
    /// Where the AWS chain would find something.
    pub aws: &'static str,
}

/// What a request to `provider` would use: the AWS chain if the config says so, else the first profile that yields a key,
/// else the environment, else the config's own key, else (Bedrock only) the AWS chain.
///
/// `yields` tells whether a profile gives a key now: an expired login does only if its owner can renew it.
#[must_use]
pub fn effective(
    provider: &str,
    order: &Order,
    mut yields: impl FnMut(usize) -> bool,
    besides: Besides<'_>,
) -> Effective {
    if besides.auth_mode == Some("aws-sdk") {
        return Effective::Aws(besides.aws);
    }
    if let Some(n) = order.eligible.iter().copied().find(|n| yields(*n)) {
        return Effective::Profile(n);
    }
    if besides.environment {
        return Effective::Environment;
    }
    if besides.models_json {
        return Effective::ModelsJson;
    }
    if provider == "amazon-bedrock" && besides.auth_mode.is_none() {
        return Effective::Aws(besides.aws);
    }
    Effective::Nothing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(id: &str) -> Candidate<'_> {
        Candidate {
            id,
            provider: "p",
            kind: Type::ApiKey,
            has_secret: true,
            expires_ms: None,
            last_used_ms: None,
            set_aside_until_ms: None,
            declared: None,
        }
    }

    fn ids<'a>(order: &Order, candidates: &[Candidate<'a>]) -> Vec<&'a str> {
        order.eligible.iter().map(|n| candidates[*n].id).collect()
    }

    #[test]
    fn an_empty_configured_order_yields_nothing() {
        let candidates = [key("a")];
        let lists = Lists { configured: Some(&[]), ..Lists::default() };
        let order = order("p", &candidates, lists, None, 0.0);
        assert!(order.eligible.is_empty());
        assert_eq!(order.excluded, [(0, Exclusion::NotInOrder(Basis::ConfigOrder))]);
    }

    #[test]
    fn declared_profiles_shut_out_the_others() {
        let candidates = [key("a"), key("b")];
        let order = order("p", &candidates, Lists { declared: &["b", "gone"], ..Lists::default() }, None, 0.0);
        assert_eq!(ids(&order, &candidates), ["b"]);
        assert_eq!(order.excluded, [(0, Exclusion::NotInOrder(Basis::ConfigProfiles))]);
    }

    #[test]
    fn effective_falls_through() {
        let candidates = [key("a")];
        let order = order("p", &candidates, Lists::default(), None, 0.0);
        let all = Besides { environment: true, models_json: true, ..Besides::default() };
        assert_eq!(effective("p", &order, |_| true, all), Effective::Profile(0));
        assert_eq!(effective("p", &order, |_| false, all), Effective::Environment);
        let config = Besides { models_json: true, ..Besides::default() };
        assert_eq!(effective("p", &order, |_| false, config), Effective::ModelsJson);
        assert_eq!(effective("p", &order, |_| false, Besides::default()), Effective::Nothing);
        let aws = Besides { aws: "chain", ..Besides::default() };
        assert_eq!(effective("amazon-bedrock", &order, |_| false, aws), Effective::Aws("chain"));
    }

    proptest! {
        #[test]
        fn every_profile_is_either_eligible_or_excluded_once(
            specs in proptest::collection::vec((0u8..3, any::<bool>(), proptest::option::of(0.0..200.0f64), proptest::option::of(0.0..200.0f64)), 0..12),
            listed in proptest::option::of(proptest::collection::vec(0usize..14, 0..14)),
        ) {
            let names: Vec<String> = (0..14).map(|n| format!("i{n}")).collect();
            let candidates: Vec<Candidate<'_>> = specs.iter().enumerate().map(|(n, (kind, secret, expires, aside))| Candidate {
                kind: [Type::Oauth, Type::Token, Type::ApiKey][usize::from(*kind)],
                has_secret: *secret, expires_ms: *expires, set_aside_until_ms: *aside, ..key(&names[n])
            }).collect();
            let list: Option<Vec<String>> = listed.map(|l| l.into_iter().map(|n| names[n].clone()).collect());
            let order = order("p", &candidates, Lists { stored: list.as_deref(), ..Lists::default() }, None, 100.0);
            let mut all: Vec<usize> = order.eligible.iter().copied().chain(order.excluded.iter().map(|(n, _)| *n)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..candidates.len()).collect::<Vec<_>>());
            // Set aside ones stand last.
            let aside: Vec<bool> = order.eligible.iter().map(|n| candidates[*n].set_aside_until_ms.is_some_and(|u| u > 100.0)).collect();
            prop_assert!(aside.windows(2).all(|w| w[0] <= w[1]));
        }
    }
}
