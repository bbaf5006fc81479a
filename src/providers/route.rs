//! Where a question about a credential goes, and which question it is (DESIGN §5.6): to the provider's own host, or to a base
//! URL from `monitor.toml` or from the gateway's config file, and then only with that entry's own key.

use std::sync::Arc;

use super::catalog::{Auth, Catalog, Method, Paid, Probe, Provider, StatusPage, Unasked, sendable};
use super::probe::{Settings, Target};
use super::request::Request;
use crate::config;
use crate::config::values::is_loopback;
use crate::domain::{Kind, Secret};
use crate::formats::provider_row::Shape;
use crate::net::Clients;

/// Where a question goes.
pub(super) struct Route {
    pub ask: Request,
    /// The same provider's other region, asked when the first does not know the key; never beside a configured base URL.
    pub other: Option<Request>,
    /// Where that provider says how it is.
    pub page: Option<StatusPage>,
}

/// The question about a target.
///
/// # Errors
/// Why there is none, for people; never a part of the secret or of a URL.
pub(super) fn plan(target: &Target, settings: &Settings, clients: &Clients) -> Result<Route, String> {
    let catalog = Catalog::get();
    let row = catalog.provider(&target.provider);
    let entry = entry(target, row, settings);
    let text = sendable(&target.secret).map_err(Unasked::text)?;
    let place = Place::of(target, entry);
    if settings.paid
        && let Some((probe, base)) = paid(target, row, entry, place.as_ref())
    {
        refuse_foreign(row, target, text)?;
        let ask = Request::new(Arc::new(probe), &base, place.is_some_and(|place| place.insecure), clients)?;
        return Ok(Route { ask, other: None, page: None });
    }
    if let Some(place) = place {
        let own = entry.and_then(|entry| entry.probe.clone()).filter(|_| target.base_url.is_none());
        let probe = match (own, place.shape) {
            (Some(probe), _) => {
                refuse_foreign(row, target, text)?;
                if !probe.kinds.contains(&target.kind) {
                    return Err(probe.otherwise);
                }
                probe
            }
            (None, Some(shape)) => {
                refuse_foreign(row, target, text)?;
                if !matches!(target.kind, Kind::ApiKey | Kind::Token) {
                    return Err("only keys and tokens are sent to a server of one's own".to_owned());
                }
                catalog.shape(shape).probe.clone()
            }
            (None, None) if row.is_none() => {
                return Err(format!(
                    "opensoul does not know this provider: write compatible = \"openai\" or a probe into \
                     [providers.{}] of monitor.toml",
                    target.provider
                ));
            }
            (None, None) => known(target, settings)?.1.clone(),
        };
        let base = if probe.auth == Auth::Aws && !signs_for(place.base) {
            // That is where models are called; who the key is, another service of the same provider tells.
            probe.base_url.as_deref().unwrap_or(place.base)
        } else if place.shape == Some(Shape::Anthropic) && probe.path.starts_with("/v1/") {
            // The gateway's own client adds the version, and people write it too.
            place.base.trim_end_matches('/').trim_end_matches("/v1")
        } else {
            place.base
        };
        let base = base.to_owned();
        let mut ask = Request::new(Arc::new(probe), &base, place.insecure, clients)?;
        // Somebody configured the other region: its row knows the currency.
        let other = ask.probe.other_region.as_deref().and_then(|id| catalog.provider(id)?.probes.first());
        if let Some(other) = other.filter(|other| other.host() == Some(ask.host())) {
            ask.probe = Arc::new(other.clone());
        }
        return Ok(Route { ask, other: None, page: entry.and_then(|entry| entry.status_page.clone()) });
    }
    let (row, probe) = known(target, settings)?;
    let other = probe.other_region.as_deref().and_then(|id| catalog.provider(id)?.probes.first());
    let own = |probe: &Probe| {
        let base = probe.base_url.as_deref().ok_or_else(|| {
            format!("its address is your own: write it as base_url into [providers.{}] of monitor.toml", row.id)
        })?;
        Request::new(Arc::new(probe.clone()), base, false, clients)
    };
    Ok(Route { ask: own(probe)?, other: other.map(own).transpose()?, page: row.status_page.clone() })
}

/// Whether a configured address is that of AWS's token service, or a stand-in on this machine.
fn signs_for(base: &str) -> bool {
    let url = reqwest::Url::parse(base).ok();
    url.as_ref().and_then(|url| url.host_str()).is_some_and(|host| host.starts_with("sts.") || is_loopback(host))
}

fn known<'a>(target: &Target, settings: &Settings) -> Result<(&'a Provider, &'a Probe), String> {
    let found = Catalog::get().plan(&target.provider, target.kind, &target.secret, settings.undocumented);
    found.map_err(Unasked::text)
}

/// A server of one's own is asked only with keys that no known provider issues.
fn refuse_foreign(row: Option<&Provider>, target: &Target, text: &str) -> Result<(), String> {
    let catalog = Catalog::get();
    match (row, catalog.issuer(text)) {
        (Some(row), _) => catalog.may_go(row, &target.secret).map_err(Unasked::text),
        (None, Some(other)) => {
            Err(format!("it looks like a key of {}, so it was not sent to {}", other.name, target.provider))
        }
        (None, None) => Ok(()),
    }
}

/// `[providers.<id>]`, under whatever name it was written.
fn entry<'a>(target: &Target, row: Option<&Provider>, settings: &'a Settings) -> Option<&'a config::Provider> {
    let other = row.into_iter().flat_map(|row| std::iter::once(&row.id).chain(&row.aliases)).map(String::as_str);
    let mut names = std::iter::once(target.provider.as_str()).chain(other);
    names.find_map(|name| settings.providers.get(name))
}

/// A configured address.
struct Place<'a> {
    base: &'a str,
    insecure: bool,
    shape: Option<Shape>,
}

impl<'a> Place<'a> {
    fn of(target: &'a Target, entry: Option<&'a config::Provider>) -> Option<Self> {
        if let Some(base) = &target.base_url {
            return Some(Self { base, insecure: false, shape: target.shape });
        }
        let entry = entry?;
        Some(Self { base: entry.base_url.as_deref()?, insecure: entry.insecure, shape: entry.compatible })
    }
}

/// A question for one token, where a model is known and the server understands one of the shapes.
fn paid(
    target: &Target,
    row: Option<&Provider>,
    entry: Option<&config::Provider>,
    place: Option<&Place<'_>>,
) -> Option<(Probe, String)> {
    let model = target.model.as_deref().filter(|_| matches!(target.kind, Kind::ApiKey | Kind::Token))?;
    let configured = place.and_then(|place| place.shape);
    let shape = configured.or(entry.and_then(|entry| entry.compatible)).or(row?.compatible)?;
    if has_another_form(row, shape, target.secret.expose().trim()) {
        return None;
    }
    let shapes = Catalog::get().shape(shape);
    let own = row.and_then(|row| row.paid.as_ref()).filter(|_| place.is_none());
    let Paid { path, body, expect } = own.or(shapes.paid.as_ref())?;
    let base = match place {
        Some(place) => place.base.to_owned(),
        None => row?.regions.get("global").or_else(|| row?.regions.values().next())?.clone(),
    };
    let base = if shape == Shape::Anthropic { base.trim_end_matches("/v1").to_owned() } else { base };
    let probe = Probe {
        method: Method::Post,
        path: path.clone(),
        body: Some(body.replace("{model}", &serde_json::Value::from(model).to_string())),
        expect: expect.clone(),
        says: row.and_then(|row| row.probes.first()).map(|probe| probe.says.clone()).unwrap_or_default(),
        control: false,
        ..shapes.probe.clone()
    };
    Some((probe, base))
}

/// Whether a paid question could be put to this provider with this secret.
#[must_use]
pub fn can_be_paid(provider: &str, entry: Option<&config::Provider>, secret: &Secret) -> bool {
    let row = Catalog::get().provider(provider);
    let shape = entry.and_then(|entry| entry.compatible).or_else(|| row?.compatible);
    shape.is_some_and(|shape| {
        Catalog::get().shape(shape).paid.is_some() && !has_another_form(row, shape, secret.expose().trim())
    })
}

/// Whether its provider takes secrets that begin so in another header than the keys of its API. A subscription's token in the
/// place of a key is refused whatever it is worth, and the refusal would be believed.
fn has_another_form(row: Option<&Provider>, shape: Shape, text: &str) -> bool {
    let usual = &Catalog::get().shape(shape).probe.auth;
    let made_for_it = |probe: &&Probe| probe.prefixes.iter().any(|prefix| text.starts_with(prefix));
    row.is_some_and(|row| row.probes.iter().filter(made_for_it).any(|probe| probe.auth != *usual))
}
