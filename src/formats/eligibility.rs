//! One agent's stored profiles as its gateway sees them: merged over main's, in its order, with the reason why others are
//! left out. Glue between parsed stores and `engine::order`.

use std::collections::{BTreeMap, HashMap};

use super::auth_store::{AuthStore, Profile, ProfileType, Usage};
use super::gateway_config::GatewayConfig;
use super::installation::{AgentStore, Installation};
use super::provider_id::normalize;
use crate::domain::{Secret, Selection};
use crate::engine::order::{self, Basis, Besides, Candidate, Declared, Effective, Lists, Order, Type};

/// A profile as one agent's gateway sees it.
pub struct Shown<'a> {
    /// The profile.
    pub profile: &'a Profile,
    /// True if it is in the agent's own store, false if it shows through from main's.
    pub own: bool,
    /// Its usage.
    pub usage: Option<&'a Usage>,
    /// Its normalised provider: index into [`View::providers`].
    pub provider: usize,
    /// Its place in the order of its provider, or why it has none.
    pub selection: Selection,
}

/// A provider that has profiles.
pub struct ProviderView {
    /// Its id, normalised.
    pub id: String,
    /// Its profiles: indices into [`View::profiles`], in store order.
    pub members: Vec<usize>,
    /// Where the order comes from.
    pub basis: Basis,
    /// Those that may be used, first to be used first.
    pub order: Vec<usize>,
}

/// What an agent's gateway sees.
pub struct View<'a> {
    /// The agent's own store.
    pub agent: &'a AgentStore,
    /// Its profiles in the order of the merged store.
    pub profiles: Vec<Shown<'a>>,
    /// Its providers, by id.
    pub providers: Vec<ProviderView>,
    main: Option<&'a AuthStore>,
    /// `order` of the merged store by normalised provider.
    stored: HashMap<String, &'a [String]>,
}

fn kind(profile: ProfileType) -> Type {
    match profile {
        ProfileType::ApiKey => Type::ApiKey,
        ProfileType::Token => Type::Token,
        ProfileType::Oauth => Type::Oauth,
    }
}

fn filled(secret: Option<&Secret>) -> bool {
    secret.is_some_and(|s| !s.is_blank())
}

/// True if the profile holds anything that could be sent.
#[must_use]
pub fn has_secret(profile: &Profile) -> bool {
    filled(profile.secret.as_ref()) || (profile.kind == ProfileType::Oauth && filled(profile.refresh.as_ref()))
}

impl<'a> View<'a> {
    /// The view of one agent of an installation.
    #[must_use]
    pub fn new(installation: &'a Installation, agent: &'a AgentStore, config: &'a GatewayConfig, now_ms: f64) -> Self {
        let main = installation.main().filter(|main| main.agent != agent.agent).map(|main| &main.store);
        Self::of(agent, main, config, now_ms)
    }

    /// The view of a store over another.
    #[must_use]
    pub fn of(agent: &'a AgentStore, main: Option<&'a AuthStore>, config: &'a GatewayConfig, now_ms: f64) -> Self {
        let mut view = Self { agent, profiles: Vec::new(), providers: Vec::new(), main, stored: HashMap::new() };
        view.stored = view.stored_orders();
        view.merge();
        view.sort(config, now_ms);
        view
    }

    fn merge(&mut self) {
        let (own, main) = (&self.agent.store, self.main);
        let inherited = main.map(|m| m.profiles.as_slice()).unwrap_or_default();
        let from_main =
            inherited.iter().map(|profile| own.profile(&profile.id).map_or((profile, false), |p| (p, true)));
        let added = own.profiles.iter().filter(|p| main.is_none_or(|m| m.profile(&p.id).is_none()));
        let merged = from_main.chain(added.map(|p| (p, true)));
        self.profiles.reserve_exact(inherited.len() + own.profiles.len());
        let mut providers: BTreeMap<String, usize> = BTreeMap::new();
        // Those of one provider mostly stand together.
        let mut before: Option<(&str, usize)> = None;
        for (profile, own) in merged {
            let provider = match before {
                Some((spelled, provider)) if spelled == profile.provider => provider,
                _ => {
                    let next = providers.len();
                    *providers.entry(normalize(&profile.provider)).or_insert(next)
                }
            };
            before = Some((&profile.provider, provider));
            let usage = self.usage(&profile.id);
            let selection = Selection::NotApplicable;
            self.profiles.push(Shown { profile, own, usage, provider, selection });
        }
        // Providers by id: the numbers given above are mapped to places in the sorted list.
        let mut place = vec![0; providers.len()];
        for (at, (id, number)) in providers.into_iter().enumerate() {
            place[number] = at;
            self.providers.push(ProviderView { id, members: Vec::new(), basis: Basis::RoundRobin, order: Vec::new() });
        }
        for (n, shown) in self.profiles.iter_mut().enumerate() {
            shown.provider = place[shown.provider];
            self.providers[shown.provider].members.push(n);
        }
    }

    fn sort(&mut self, config: &GatewayConfig, now_ms: f64) {
        let declared: HashMap<&str, (String, Option<Type>)> = config
            .auth_profiles
            .iter()
            .map(|d| {
                let mode = match d.mode.as_str() {
                    "api_key" => Some(Type::ApiKey),
                    "token" => Some(Type::Token),
                    "oauth" => Some(Type::Oauth),
                    _ => None,
                };
                (d.id.as_str(), (normalize(&d.provider), mode))
            })
            .collect();
        let mut declared_of: HashMap<&str, Vec<&str>> = HashMap::new();
        for entry in &config.auth_profiles {
            if let Some((provider, _)) = declared.get(entry.id.as_str()) {
                declared_of.entry(provider).or_default().push(&entry.id);
            }
        }
        let mut configured: HashMap<String, &[String]> = HashMap::new();
        for (key, list) in &config.auth_order {
            configured.entry(normalize(key)).or_insert(list);
        }
        for at in 0..self.providers.len() {
            let provider = &self.providers[at];
            let candidates: Vec<Candidate<'_>> = provider
                .members
                .iter()
                .map(|n| {
                    let Shown { profile, usage, .. } = &self.profiles[*n];
                    Candidate {
                        id: &profile.id,
                        provider: &provider.id,
                        kind: kind(profile.kind),
                        has_secret: has_secret(profile),
                        expires_ms: profile.expires.as_date(),
                        last_used_ms: usage.and_then(|u| u.last_used),
                        set_aside_until_ms: usage.and_then(Usage::unusable_until),
                        declared: declared
                            .get(profile.id.as_str())
                            .map(|(provider, mode)| Declared { provider, mode: *mode }),
                    }
                })
                .collect();
            let lists = Lists {
                stored: self.stored_order(&provider.id),
                configured: configured.get(&provider.id).copied(),
                declared: declared_of.get(provider.id.as_str()).map(Vec::as_slice).unwrap_or_default(),
            };
            let found = order::order(&provider.id, &candidates, lists, None, now_ms);
            let members = provider.members.clone();
            for (rank, n) in found.eligible.iter().enumerate() {
                self.profiles[members[*n]].selection = Selection::Eligible(rank);
            }
            for (n, why) in &found.excluded {
                self.profiles[members[*n]].selection = Selection::Excluded(why.reason().to_owned());
            }
            self.providers[at].basis = found.basis;
            self.providers[at].order = found.eligible.iter().map(|n| members[*n]).collect();
        }
    }

    fn usage(&self, id: &str) -> Option<&'a Usage> {
        self.agent.store.usage_of(id).or_else(|| self.main.and_then(|main| main.usage_of(id)))
    }

    /// Merged by key as spelled, the agent's list wins; of keys that normalise alike the first, main's before the agent's.
    fn stored_orders(&self) -> HashMap<String, &'a [String]> {
        let own = &self.agent.store.order;
        let main = self.main.map(|m| m.order.as_slice()).unwrap_or_default();
        let overriding: HashMap<&str, &[String]> = own.iter().map(|(k, list)| (k.as_str(), list.as_slice())).collect();
        let mut out = HashMap::new();
        for (key, list) in main.iter().chain(own) {
            let list = overriding.get(key.as_str()).copied().unwrap_or(list);
            out.entry(normalize(key)).or_insert(list);
        }
        out
    }

    /// `order` of the merged store for a normalised provider.
    #[must_use]
    pub fn stored_order(&self, provider: &str) -> Option<&'a [String]> {
        self.stored.get(provider).copied()
    }

    /// Every usage entry of the merged store, also of profiles that are gone.
    #[must_use]
    pub fn usages(&self) -> Vec<(&'a str, &'a Usage)> {
        let own = &self.agent.store;
        let main = self.main.map(|m| m.usage.as_slice()).unwrap_or_default();
        let inherited = main.iter().filter(|(id, _)| own.usage_of(id).is_none());
        inherited.chain(&own.usage).map(|(id, usage)| (id.as_str(), usage)).collect()
    }

    /// A provider's view.
    #[must_use]
    pub fn provider(&self, id: &str) -> Option<&ProviderView> {
        self.providers.binary_search_by(|p| p.id.as_str().cmp(id)).ok().map(|n| &self.providers[n])
    }

    /// The order of a normalised provider with one profile put first, if it is in it (a session's pin).
    #[must_use]
    pub fn order_preferring(&self, provider: &str, preferred: Option<&str>) -> Vec<usize> {
        let mut order = self.provider(provider).map(|p| p.order.clone()).unwrap_or_default();
        if let Some(at) = order.iter().position(|n| Some(self.profiles[*n].profile.id.as_str()) == preferred) {
            order[..=at].rotate_right(1);
        }
        order
    }

    /// What a request to a normalised provider would use now. Profiles: index into [`View::profiles`].
    #[must_use]
    pub fn effective(&self, provider: &str, config: &GatewayConfig, besides: Besides<'_>, now_ms: f64) -> Effective {
        let none = Vec::new();
        let eligible = self.provider(provider).map_or(&none, |p| &p.order).clone();
        let order = Order { basis: Basis::RoundRobin, eligible, excluded: Vec::new() };
        order::effective(provider, &order, |n| self.yields(n, config, now_ms), besides)
    }

    fn yields(&self, n: usize, config: &GatewayConfig, now_ms: f64) -> bool {
        let shown = &self.profiles[n];
        let profile = shown.profile;
        // Here the gateway compares providers as spelled.
        if config.declared(&profile.id).is_some_and(|d| d.provider != profile.provider) {
            return false;
        }
        if profile.kind != ProfileType::Oauth {
            return filled(profile.secret.as_ref());
        }
        let current = profile.expires.as_date().is_some_and(|at| now_ms < at) && filled(profile.secret.as_ref());
        current || can_refresh(profile)
    }
}

/// `order`-like list for a normalised provider; the first key that fits.
#[must_use]
pub fn find_order<'a>(orders: &'a [(String, Vec<String>)], provider: &str) -> Option<&'a [String]> {
    orders.iter().find(|(key, _)| normalize(key) == provider).map(|(_, list)| list.as_slice())
}

/// The providers whose logins the gateway itself can renew.
const REFRESHABLE: &[&str] = &[
    "anthropic",
    "openai-codex",
    "github-copilot",
    "google-gemini-cli",
    "google-antigravity",
    "chutes",
    "qwen-portal",
];

/// True if the gateway can renew this login by itself.
#[must_use]
pub fn can_refresh(profile: &Profile) -> bool {
    profile.kind == ProfileType::Oauth
        && filled(profile.refresh.as_ref())
        && (REFRESHABLE.contains(&profile.provider.as_str())
            || REFRESHABLE.contains(&normalize(&profile.provider).as_str()))
}
