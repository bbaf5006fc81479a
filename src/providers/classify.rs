//! What an answer proves. PURE: status, headers, body, row and `now` in; a verdict with facts out.
//!
//! The body speaks before the status, because providers say "expired" with 400, "revoked" with 403 and "no money" with 400 or
//! 429. What is not understood is never a fault of the key and never a success: `unverifiable`, `network` or `provider_down`.

use serde_json::Value;

use super::answer::{Answer, haystack, instant, is_html, json, message, number, resets, retry_after, skew};
use super::catalog::{Dead, Probe, QuotaAt};
use super::redact::redact;
use crate::domain::{Balance, Quota, Secret, Span, Time, Verdict, VerdictKind};

/// Characters of a provider's own words that are shown.
const SHOWN: usize = 200;

/// What an answer says besides yes or no.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Not before this long from now.
    pub retry_after: Option<Span>,
    /// The provider's clock minus ours, if they differ by more than a minute.
    pub clock_skew: Option<Span>,
    /// When a used-up quota comes back.
    pub limited_until: Option<Time>,
    /// When the key ends, by the provider's word.
    pub expires: Option<Time>,
    /// What is left.
    pub balance: Option<Balance>,
    /// Used shares of windows.
    pub quota: Vec<Quota>,
}

/// A verdict and what came with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The verdict.
    pub verdict: Verdict,
    /// The rest.
    pub facts: Facts,
}

/// Texts of 401 and 403 that only a genuine key gets: it may not ask *this*, and works elsewhere.
const ALIVE: [&str; 4] = ["missing scopes", "missing_scope", "does not meet scope requirement", "insufficient_scope"];

/// Texts of refusals, lower-case, first match wins: the more particular before the more general.
const TEXTS: &[(VerdictKind, &[&str])] = &[
    (
        VerdictKind::Expired,
        &[
            "token has expired",
            "token expired",
            "api key expired",
            "key has expired",
            "expired_key",
            "token_expired",
            "refresh_token_expired",
            "expiredtoken",
            "security token included in the request is expired",
            "invalid_rapt",
            "aadsts70043",
            "aadsts700082",
        ],
    ),
    (
        VerdictKind::Revoked,
        &[
            "has been revoked",
            "token_revoked",
            "token_invalidated",
            "refresh_token_invalidated",
            "refresh_token_reused",
            "invalid_grant",
            "account_inactive",
            "reported as leaked",
        ],
    ),
    (
        VerdictKind::Limited,
        // "Out of extra usage" is a Claude subscription whose windows are used up: it comes back by itself.
        &["out of extra usage", "usage_limit_reached", "weekly limit", "quota exhausted"],
    ),
    (
        VerdictKind::Billing,
        &[
            "credit balance is too low",
            "insufficient_quota",
            "credit_balance_exhausted",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_disabled",
            "insufficient balance",
            "payment required",
            "payment_required",
            "arrearage",
            "spend limit",
            "spending limit",
            "notenoughbalance",
        ],
    ),
    (VerdictKind::Limited, &["resets at"]),
    (
        VerdictKind::Forbidden,
        &[
            "only authorized for use with claude code",
            "not allowed for this organization",
            "oauth_org_not_allowed",
            "organization has been disabled",
            "insufficient permissions",
            "country, region, or territory not supported",
            "user location is not supported",
            "ip address restriction",
            "ip allow list",
            "api_key_ip_address_blocked",
            "service_disabled",
            "api_key_service_blocked",
            "consumer_suspended",
            "not found for account",
        ],
    ),
    (VerdictKind::ProviderDown, &["overloaded_error", "server_is_overloaded", "at capacity"]),
    (
        VerdictKind::Rejected,
        &[
            "invalid_api_key",
            "incorrect api key",
            "invalid api key",
            "invalid x-api-key",
            "api key not valid",
            "api key not found",
            "api_key_invalid",
            "invalid api token",
            "authentication fails",
            "invalid_authentication_error",
        ],
    ),
];

/// Reads one answer. `now` is the instant it arrived.
#[must_use]
pub fn classify(answer: &Answer, probe: &Probe, secret: &Secret, now: Time) -> Reading {
    let json = json(answer);
    let mut facts = Facts {
        retry_after: retry_after(answer, json.as_ref(), now),
        clock_skew: skew(answer, now),
        ..Facts::default()
    };
    let (kind, say) = if is_html(answer) {
        html(answer.status)
    } else if !answer.complete && answer.status < 500 {
        (VerdictKind::Unverifiable, "the answer is larger than we read".to_owned())
    } else if (200..300).contains(&answer.status) {
        success(answer, json.as_ref(), probe, now, &mut facts)
    } else {
        refusal(answer, json.as_ref(), probe, now, &mut facts)
    };
    let mut detail = format!("{}: {say}", answer.status);
    // A provider's words are shown only where they explain something, and never from a success, which may list anything.
    if !(200..300).contains(&answer.status)
        && let Some(words) = json.as_ref().and_then(message)
    {
        let words = redact(&words, secret.expose(), SHOWN);
        if !words.is_empty() {
            detail = format!("{detail} (\"{words}\")");
        }
    }
    if let Some(skew) = facts.clock_skew {
        let way = if skew > Span::zero() { "behind" } else { "ahead of" };
        detail = format!("{detail}; this machine's clock is {} s {way} the provider's", skew.num_seconds().abs());
    }
    Reading { verdict: Verdict { kind, at: now, detail }, facts }
}

/// No answer at all. Never a fault of the key.
#[must_use]
pub fn unanswered(failure: Failure, now: Time) -> Verdict {
    let (kind, detail) = match failure {
        Failure::Name => {
            (VerdictKind::Network, "the provider's name could not be resolved to an address that may be spoken to")
        }
        Failure::Tls => (VerdictKind::Network, "no trustworthy TLS connection to the provider"),
        Failure::Unreachable => (VerdictKind::Network, "no connection to the provider"),
        Failure::Refused => (VerdictKind::ProviderDown, "the provider refused the connection"),
        Failure::Broken => (VerdictKind::ProviderDown, "the provider broke off the connection"),
        Failure::Silent => (VerdictKind::ProviderDown, "no answer in time"),
        Failure::Unsendable => (VerdictKind::Unverifiable, "it contains characters that no key has"),
    };
    Verdict { kind, at: now, detail: detail.to_owned() }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Name resolution.
    Name,
    /// TLS hand-shake.
    Tls,
    /// No connection, or no route.
    Unreachable,
    /// Connection refused.
    Refused,
    /// Broken off before or within the answer.
    Broken,
    /// No (whole) answer in time.
    Silent,
    /// Nothing was sent: the secret cannot stand where this request wants it.
    Unsendable,
}

/// The word and reason of `models status --probe` (CONTRACTS §3).
#[must_use]
pub fn probe_word(kind: VerdictKind) -> (&'static str, Option<&'static str>) {
    match kind {
        VerdictKind::Accepted => ("ok", None),
        VerdictKind::Rejected | VerdictKind::Expired | VerdictKind::Revoked => ("auth", None),
        VerdictKind::Forbidden => ("auth", Some("forbidden")),
        VerdictKind::Billing => ("billing", None),
        VerdictKind::Limited | VerdictKind::Throttled => ("rate_limit", None),
        VerdictKind::Network | VerdictKind::ProviderDown => ("timeout", None),
        VerdictKind::Unverifiable | VerdictKind::Retired => ("unknown", None),
    }
}

type Said = (VerdictKind, String);

fn html(status: u16) -> Said {
    match status {
        429 => (VerdictKind::Throttled, "an error page: too many requests".to_owned()),
        500.. => (VerdictKind::ProviderDown, "an error page in place of an answer".to_owned()),
        _ => (
            VerdictKind::Network,
            "a web page in place of an answer: a captive portal, a proxy or a challenge".to_owned(),
        ),
    }
}

fn success(answer: &Answer, json: Option<&Value>, probe: &Probe, now: Time, facts: &mut Facts) -> Said {
    let Some(body) = json else {
        return (VerdictKind::Unverifiable, "not the answer that is documented (no JSON)".to_owned());
    };
    let by_header = || instant(&Value::from(answer.header(probe.expiry_header.as_deref()?)?));
    let by_field = || instant(body.pointer(probe.expiry.as_deref()?)?);
    facts.expires = by_field().or_else(by_header);
    facts.balance = probe.balance.as_ref().and_then(|at| {
        let used = at.used.as_deref().and_then(|at| number(body.pointer(at)?)).unwrap_or(0.0);
        let amount = (number(body.pointer(&at.amount)?)? - used) * at.scale.unwrap_or(1.0);
        let found = at.currency_at.as_deref().and_then(|at| body.pointer(at)).and_then(Value::as_str);
        // A currency is three letters; whatever else stands there is not shown.
        let found = found.filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()));
        Some(Balance { amount, currency: at.currency.clone().or_else(|| found.map(str::to_owned)) })
    });
    facts.quota = probe.quota.iter().filter_map(|at| quota(at, body)).collect();
    if let Some(dead) = probe.dead.iter().find(|dead| applies(dead, body)) {
        if dead.verdict == VerdictKind::Limited {
            facts.limited_until = resets(answer, json, now);
        }
        return (dead.verdict, dead.says.clone());
    }
    if probe.expect.iter().any(|at| body.pointer(at).is_none()) {
        return error_in_a_success(answer, body, probe, now, facts);
    }
    // The provider's own date is compared with the provider's own clock: ours may be wrong.
    let theirs = now + facts.clock_skew.unwrap_or_default();
    if let Some(end) = facts.expires.filter(|end| *end <= theirs) {
        return (VerdictKind::Expired, format!("it ended on {}", end.format("%Y-%m-%d")));
    }
    let full = |at: &&QuotaAt| at.blocks && facts.quota.iter().any(|q| q.window == at.window && q.used_ratio >= 1.0);
    if let Some(window) = probe.quota.iter().find(full).map(|at| &at.window) {
        facts.limited_until =
            facts.quota.iter().find(|quota| quota.window == *window).and_then(|quota| quota.resets_at);
        return (VerdictKind::Limited, format!("it works, and its {window} quota is used up"));
    }
    let ends = facts.expires.map(|end| format!("; it ends on {}", end.format("%Y-%m-%d"))).unwrap_or_default();
    let open = probe.leaves_open.as_ref().map(|open| format!("; not proved: {open}")).unwrap_or_default();
    (VerdictKind::Accepted, format!("accepted{ends}{open}"))
}

/// A 200 that is not the documented answer: some servers put their refusals there. Only clear words count, and only where
/// the body calls itself an error.
fn error_in_a_success(answer: &Answer, body: &Value, probe: &Probe, now: Time, facts: &mut Facts) -> Said {
    let no = |at: &str| body.pointer(at) == Some(&Value::Bool(false));
    let error = body.get("error").is_some_and(|error| !error.is_null()) || no("/success") || no("/ok") || no("/status");
    let text = haystack(answer, Some(body));
    match spoken(&text, probe).filter(|_| error) {
        Some(kind) => {
            if kind == VerdictKind::Limited {
                facts.limited_until = resets(answer, Some(body), now);
            }
            (kind, words(kind, &text))
        }
        None => (VerdictKind::Unverifiable, "not the answer that is documented".to_owned()),
    }
}

fn quota(at: &QuotaAt, body: &Value) -> Option<Quota> {
    let read = |pointer: &Option<String>| number(body.pointer(pointer.as_deref()?)?);
    let whole = match &at.limit {
        Some(_) => read(&at.limit)?,
        None => at.of.unwrap_or(1.0),
    };
    if whole <= 0.0 {
        return None;
    }
    let share = read(&at.used).map(|used| used / whole).or_else(|| Some(1.0 - read(&at.remaining)? / whole))?;
    let resets_at = at.resets.as_deref().and_then(|pointer| instant(body.pointer(pointer)?));
    Some(Quota { window: at.window.clone(), used_ratio: share.max(0.0), resets_at })
}

/// What the words of an answer mean: the provider's own first.
fn spoken(text: &str, probe: &Probe) -> Option<VerdictKind> {
    let own = probe.says.iter().find(|says| text.contains(&says.text)).map(|says| says.verdict);
    let general =
        || TEXTS.iter().find(|(_, texts)| texts.iter().any(|part| text.contains(part))).map(|(kind, _)| *kind);
    own.or_else(general)
}

fn refusal(answer: &Answer, json: Option<&Value>, probe: &Probe, now: Time, facts: &mut Facts) -> Said {
    let status = answer.status;
    // A server in trouble may say anything; nothing of it is about the key.
    if status >= 500 || status == 408 {
        return (VerdictKind::ProviderDown, "the provider has trouble".to_owned());
    }
    let text = haystack(answer, json);
    if text.starts_with("error code: 1") {
        return (VerdictKind::Network, "turned away before the provider (Cloudflare)".to_owned());
    }
    let mut alive = probe.alive.iter().map(String::as_str).chain(ALIVE);
    if matches!(status, 401 | 403) && alive.any(|alive| text.contains(alive)) {
        return (VerdictKind::Accepted, "genuine, with too few scopes to be asked more".to_owned());
    }
    // A code of the provider's own is clearer than any status; its other conditions are about successes.
    let client = (400..500).contains(&status);
    let by_code = json
        .filter(|_| client)
        .and_then(|body| probe.dead.iter().find(|dead| dead.is.is_some() && applies(dead, body)));
    if let Some(dead) = by_code {
        if dead.verdict == VerdictKind::Limited {
            facts.limited_until = resets(answer, json, now);
        }
        return (dead.verdict, dead.says.clone());
    }
    let by_status = || probe.statuses.get(&status.to_string()).copied();
    // 429 says nothing about the key unless the body speaks of money or of a window that is used up.
    let credible = |kind: &VerdictKind| match status {
        429 => matches!(kind, VerdictKind::Billing | VerdictKind::Limited | VerdictKind::ProviderDown),
        _ => client,
    };
    if let Some(kind) = spoken(&text, probe).or_else(by_status).filter(credible) {
        if kind == VerdictKind::Limited {
            facts.limited_until = resets(answer, json, now).or_else(|| facts.retry_after.map(|after| now + after));
        }
        return (kind, words(kind, &text));
    }
    match status {
        401 => (VerdictKind::Rejected, words(VerdictKind::Rejected, &text)),
        402 => (VerdictKind::Billing, words(VerdictKind::Billing, &text)),
        // Every provider we ask explains itself in JSON; a bare 403 is a firewall's.
        403 if json.is_none() => (VerdictKind::Network, "turned away without a word: a proxy or a firewall".to_owned()),
        403 => (VerdictKind::Forbidden, words(VerdictKind::Forbidden, &text)),
        407 => (VerdictKind::Network, "a proxy wants a login".to_owned()),
        429 => (VerdictKind::Throttled, words(VerdictKind::Throttled, &text)),
        300..=399 => (VerdictKind::Network, "sent elsewhere, which a key does not follow".to_owned()),
        _ => (
            VerdictKind::Unverifiable,
            "the question is not understood: the provider changed it, or the base URL is wrong".to_owned(),
        ),
    }
}

fn words(kind: VerdictKind, text: &str) -> String {
    match kind {
        VerdictKind::Expired => "the provider says it has expired",
        VerdictKind::Revoked if text.contains("leaked") => "the provider found it in public and has blocked it",
        VerdictKind::Revoked => "the provider says it was revoked",
        VerdictKind::Limited => "it works, and its quota is used up",
        VerdictKind::Billing => "it is known, and there is no money behind it",
        VerdictKind::Forbidden if text.contains("only authorized for use with claude code") => {
            "it works in Claude Code only: use an Anthropic API key here"
        }
        VerdictKind::Forbidden => "it is genuine and not allowed to do this",
        VerdictKind::Throttled => "asked too often",
        VerdictKind::ProviderDown => "the provider has trouble",
        VerdictKind::Rejected => "the provider does not know it",
        VerdictKind::Accepted => "accepted",
        VerdictKind::Retired => "the service has ended",
        VerdictKind::Network => "the answer is not the provider's",
        VerdictKind::Unverifiable => "the answer proves nothing",
    }
    .to_owned()
}

fn applies(dead: &Dead, body: &Value) -> bool {
    let Some(value) = body.pointer(&dead.at) else { return false };
    let same = |other: &Value| value == other || number(value).is_some_and(|one| number(other) == Some(one));
    let is = dead.is.as_ref().is_some_and(|is| match is {
        Value::Array(any) => any.iter().any(same),
        one => same(one),
    });
    is || dead.is_not.as_ref().is_some_and(|is_not| !same(is_not))
        || dead.at_most.zip(number(value)).is_some_and(|(most, value)| value <= most)
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
