//! One profile in the words of the original.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::HashMap;

use super::{Input, Number, ProfileHealth, Unusable, display_label};
use crate::domain::{Assessed, Selection};
use crate::formats::auth_store::{Expires, ProfileType, Usage};
use crate::formats::eligibility::{Shown, View};
use crate::output::remaining::remaining;

const WARN_AFTER_MS: f64 = 86_400_000.0;

/// A secret as people see it: that there is one.
pub(super) fn masked(present: bool) -> String {
    if present { "…" } else { "missing" }.to_owned()
}

pub(super) fn label<'a>(id: &'a str, email: Option<&str>) -> Cow<'a, str> {
    match email {
        Some(email) => [id, " (", email, ")"].concat().into(),
        None => id.into(),
    }
}

/// `id=…`, `id=token:…`, `id=OAuth (email)`, with what the gateway has against it.
pub(super) fn store_label(input: &Input<'_>, shown: &Shown<'_>) -> String {
    let profile = shown.profile;
    let secret = || match &profile.reference {
        Some(reference) => format!("ref({}:{})", reference.source, reference.id),
        None => masked(profile.secret.as_ref().is_some_and(|s| !s.is_blank())),
    };
    let base = match profile.kind {
        ProfileType::ApiKey => format!("{}={}", profile.id, secret()),
        ProfileType::Token => format!("{}=token:{}", profile.id, secret()),
        ProfileType::Oauth => match super::email(input, profile) {
            Some(email) => format!("{}=OAuth ({email})", profile.id),
            None => format!("{}=OAuth", profile.id),
        },
    };
    let Some(usage) = shown.usage else { return base };
    match usage.unusable_until().filter(|until| input.now_ms < *until) {
        None => base,
        Some(until) => {
            let left = remaining(Some(until - input.now_ms));
            match (kind(usage, input.now_ms), &usage.disabled_reason) {
                ("disabled", Some(reason)) => format!("{base} [disabled:{reason} {left}]"),
                (kind, _) => format!("{base} [{kind} {left}]"),
            }
        }
    }
}

fn kind(usage: &Usage, now_ms: f64) -> &'static str {
    if usage.disabled_until.is_some_and(|until| now_ms < until) { "disabled" } else { "cooldown" }
}

/// Profiles that the gateway has set aside, soonest back first.
pub(super) fn unusable(view: &View<'_>, now_ms: f64) -> Vec<Unusable> {
    // Mostly none is set aside, and then nothing has to be looked up.
    let providers: LazyCell<HashMap<&str, &str>, _> =
        LazyCell::new(|| view.profiles.iter().map(|s| (s.profile.id.as_str(), s.profile.provider.as_str())).collect());
    let mut out: Vec<Unusable> = view
        .usages()
        .into_iter()
        .filter_map(|(id, usage)| {
            let until = usage.unusable_until().filter(|until| now_ms < *until)?;
            Some(Unusable {
                profile_id: id.to_owned(),
                provider: providers.get(id).map(|p| (*p).to_owned()),
                kind: kind(usage, now_ms),
                reason: usage.disabled_reason.clone(),
                until: Number(until),
                remaining_ms: Number(until - now_ms),
            })
        })
        .collect();
    out.sort_by(|a, b| a.remaining_ms.0.total_cmp(&b.remaining_ms.0));
    out
}

/// A profile's health in the original's words, and ours.
pub(super) fn health<'a>(
    input: &'a Input<'a>,
    shown: &'a Shown<'a>,
    provider: &'a str,
    assessed: Option<&'a Assessed>,
) -> ProfileHealth<'a> {
    let profile = shown.profile;
    let date = profile.expires.as_date();
    let by_time = |at: f64| {
        let left = at - input.now_ms;
        let status = if left <= 0.0 {
            "expired"
        } else if left <= WARN_AFTER_MS {
            "expiring"
        } else {
            "ok"
        };
        (status, left)
    };
    let refreshable = profile.refresh.as_ref().is_some_and(|r| !r.expose().is_empty());
    let (status, left, echo) = match (profile.kind, date) {
        // The original stumbles over these and says nothing at all.
        _ if profile.damage.is_some() => ("missing", None, None),
        (ProfileType::ApiKey, _) => ("static", None, None),
        (ProfileType::Token, None) => ("static", None, None),
        (ProfileType::Token, Some(at)) => {
            let (status, left) = by_time(at);
            (status, Some(left), Some(number(at)))
        }
        (ProfileType::Oauth, None) => ("missing", None, echo(&profile.expires)),
        (ProfileType::Oauth, Some(at)) => {
            let (status, left) = by_time(at);
            let status = if refreshable && status != "ok" { "ok" } else { status };
            (status, Some(left), Some(number(at)))
        }
    };
    let expires_ms = match (&profile.expires, &echo) {
        (Expires::Number(n), Some(_)) => Some(*n),
        _ => None,
    };
    let mut why: Cow<'_, [String]> = assessed.map(|a| a.judgement.because.as_slice()).unwrap_or_default().into();
    if why.is_empty()
        && let Selection::Excluded(reason) = &shown.selection
    {
        why = vec![format!("its gateway would not take it: {reason}")].into();
    }
    ProfileHealth {
        profile_id: &profile.id,
        provider,
        r#type: profile.kind.word(),
        status,
        expires_at: echo,
        remaining_ms: left.map(Number),
        source: "store",
        label: display_label(input, profile),
        expires_ms,
        state: assessed.map(|a| a.judgement.state),
        why,
        remedy: assessed.and_then(|a| a.judgement.fix.as_deref()),
        ends: assessed.and_then(|a| a.judgement.expires),
    }
}

fn number(n: f64) -> serde_json::Value {
    serde_json::to_value(Number(n)).unwrap_or(serde_json::Value::Null)
}

fn echo(expires: &Expires) -> Option<serde_json::Value> {
    match expires {
        Expires::Absent | Expires::Wrong(_) => None,
        Expires::Null => Some(serde_json::Value::Null),
        Expires::Number(n) => Some(number(*n)),
        Expires::Text(text) => Some(serde_json::Value::String(text.clone())),
    }
}
