//! The state of one credential by itself: what is there > a conclusive verdict > the grant's end > an overdue renewal > the
//! access token's end (DESIGN §7, *precedence*). How much it matters is decided in [`super::blast_radius`].

use std::fmt::{self, Write};

use super::{generation, overdue};
use crate::domain::{
    Basis, Condition, Credential, CredentialId, Minute, Renewal, Severity, Span, State, Tier, Time, Verdict,
    VerdictKind,
};
use crate::engine::policy::Thresholds;
use crate::engine::{runway, tiers};

/// What is known beside the credential itself.
pub(super) struct Facts<'a> {
    /// The generation of the last judgement.
    pub previous: Option<&'a str>,
    /// The verdict that counts, and that of which place it is if not of this one.
    pub verdict: Option<(&'a Verdict, Option<&'a CredentialId>)>,
    /// A date that only a copy of the same secret carries.
    pub borrowed: Option<(End, &'a CredentialId)>,
    pub gateway_runs: bool,
    pub clock_problem: Option<&'a str>,
    pub thresholds: &'a Thresholds,
    pub now: Time,
}

/// What one credential says for itself.
#[derive(Clone)]
pub(super) struct Reading {
    pub state: State,
    /// How bad it is if everything depends on it.
    pub band: Severity,
    pub expires: Option<Time>,
    pub warn_at: Option<Time>,
    pub critical_at: Option<Time>,
    pub tier: Option<Tier>,
    pub because: Vec<String>,
    pub fix: Option<String>,
    /// Which issue of the credential this is.
    pub generation: String,
}

/// The date that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub at: Time,
    /// `None`: the access token itself.
    pub grant: Option<Basis>,
    pub issued: Option<Time>,
}

impl End {
    pub fn is_assumed(self) -> bool {
        self.grant == Some(Basis::Assumed)
    }

    /// What ends, and how that is known.
    fn words(self, credential: &Credential) -> (&'static str, &'static str) {
        let login = self.grant.is_some() && credential.renewal == Renewal::Auto;
        let known = match self.grant {
            Some(Basis::Assumed) => " (assumed: neither a file nor the provider says so)",
            Some(Basis::Decoded) => " (written in the token itself)",
            Some(Basis::Server) => " (the provider says so)",
            Some(Basis::Declared) | None => "",
        };
        (if login { "the login" } else { "it" }, known)
    }
}

/// The grant's end; for what nobody renews by itself, the access token's if that is sooner.
pub(super) fn end(credential: &Credential) -> Option<End> {
    let clocks = &credential.clocks;
    let grant = clocks.grant_expires.map(|at| End {
        at,
        grant: Some(clocks.grant_basis.unwrap_or(Basis::Declared)),
        issued: clocks.issued,
    });
    let access = clocks.access_expires.filter(|_| credential.renewal != Renewal::Auto).map(|at| End {
        at,
        grant: None,
        issued: clocks.issued,
    });
    match (grant, access) {
        (Some(grant), Some(access)) => Some(if access.at < grant.at { access } else { grant }),
        (one, other) => one.or(other),
    }
}

pub(super) fn read(credential: &Credential, facts: &Facts<'_>) -> Reading {
    let own = end(credential);
    // What somebody knows of the very same secret counts before what is only assumed of it.
    let better = |lent: &End| own.is_none_or(|own| own.is_assumed() && !lent.is_assumed());
    let borrowed = facts.borrowed.filter(|(lent, _)| better(lent));
    let end = borrowed.map(|(lent, _)| lent).or(own);
    let bands = end.map(|end| tiers::bands(end.at, end.issued, facts.thresholds));
    let mut reading = Reading {
        state: State::Ok,
        band: Severity::None,
        expires: end.map(|end| end.at),
        warn_at: bands.map(|bands| bands.warn_at),
        critical_at: bands.map(|bands| bands.critical_at),
        tier: None,
        because: Vec::new(),
        fix: None,
        generation: generation::generation(credential, facts.previous),
    };
    if let Some((_, lender)) = borrowed {
        reading.because.push(format!("its date is known from {lender}, which holds the same secret"));
    }
    let judged = by_condition(credential, &mut reading)
        || by_verdict(credential, facts, &mut reading)
        || by_clock_problem(facts, end.is_some(), &mut reading)
        || end.is_some_and(|end| by_past_end(credential, facts, end, &mut reading))
        || by_overdue_renewal(credential, facts, end, &mut reading)
        || end.is_some_and(|end| by_coming_end(credential, facts, end, &mut reading));
    if !judged {
        works(credential, facts, end, &mut reading);
    }
    if let Some(bench) = credential.bench.as_ref().filter(|bench| bench.until > facts.now) {
        let reason = bench.reason.as_deref().unwrap_or("no reason given");
        reading.because.push(format!("its gateway does not use it until {} ({reason})", when(bench.until)));
    }
    if let Some((verdict, _)) = facts.verdict.filter(|(verdict, _)| !verdict.kind.is_conclusive()) {
        reading.because.push(inconclusive(verdict));
    }
    reading.because.extend(credential.notes.iter().cloned());
    reading
}

impl Reading {
    fn decide(&mut self, state: State, band: Severity, because: String, fix: Option<String>) -> bool {
        (self.state, self.band, self.fix) = (state, band, fix);
        self.because.insert(0, because);
        true
    }
}

fn by_condition(credential: &Credential, reading: &mut Reading) -> bool {
    let renew = Some(credential.fix.clone());
    match &credential.condition {
        Condition::Present => false,
        Condition::Blanked => {
            let line = "logged out: its owner emptied the secret and kept the rest".to_owned();
            reading.decide(State::Missing, Severity::Critical, line, renew)
        }
        Condition::Absent(what) => {
            reading.decide(State::Missing, Severity::Critical, format!("there is nothing to use: {what}"), renew)
        }
        Condition::Unresolved(what) => {
            let line = format!("the secret is elsewhere and was not found there: {what}");
            reading.decide(State::Missing, Severity::Critical, line, renew)
        }
        Condition::Unreadable(why) => {
            let fix = match &credential.origin.path {
                Some(path) => format!("Make {} readable for this user.", path.display()),
                None => credential.fix.clone(),
            };
            reading.decide(State::Unreadable, Severity::Warning, format!("it cannot be read: {why}"), Some(fix))
        }
        Condition::Damaged(what) => {
            reading.decide(State::Unknown, Severity::Warning, format!("it cannot be judged: {what}"), renew)
        }
        Condition::Retired(why) => {
            reading.decide(State::Retired, Severity::Critical, format!("the service behind it has ended: {why}"), renew)
        }
    }
}

/// A conclusive answer that says it does not work. `accepted` decides nothing alone: a key that works can be about to end.
fn by_verdict(credential: &Credential, facts: &Facts<'_>, reading: &mut Reading) -> bool {
    let Some((verdict, of)) = facts.verdict else { return false };
    let (state, band, text) = match verdict.kind {
        VerdictKind::Rejected => (State::Rejected, Severity::Critical, "refused it"),
        VerdictKind::Revoked => (State::Rejected, Severity::Critical, "says that somebody revoked it"),
        VerdictKind::Expired => (State::Expired, Severity::Critical, "says that it has ended"),
        VerdictKind::Limited => (State::Limited, Severity::Warning, "accepts it; its quota is used up for now"),
        VerdictKind::Billing => (State::Billing, Severity::Critical, "accepts it; there is no money behind it"),
        VerdictKind::Forbidden => (State::Forbidden, Severity::Critical, "knows it and does not allow it this use"),
        VerdictKind::Retired => (State::Retired, Severity::Critical, "has ended the service behind it"),
        _ => return false,
    };
    let clocks = &credential.clocks;
    if generation::renewed_after(credential, verdict).is_some() {
        reading.because.push(format!("its owner renewed it after the provider's refusal of {}", when(verdict.at)));
        return false;
    }
    let fix = match state {
        State::Limited => None,
        State::Billing => Some(runway::top_up(&credential.provider)),
        State::Retired => {
            Some(format!("Choose another plan or provider: {} has ended this service.", credential.provider))
        }
        _ => Some(credential.fix.clone()),
    };
    if state == State::Expired {
        reading.tier = Some(Tier::Expired);
    }
    // A date in a token or a file is an upper bound: the provider may end it sooner, and people then look at the date.
    // That date must be of what was refused: a login may have been renewed since, and not every owner says when.
    let same = credential.renewal != Renewal::Auto || clocks.last_renewed.is_some_and(|renewed| renewed <= verdict.at);
    let own = clocks.access_expires.max(clocks.grant_expires).filter(|end| *end > verdict.at);
    if let Some(own) = own.filter(|_| same && matches!(state, State::Rejected | State::Expired)) {
        reading.because.insert(0, format!("that was {} before its own date, {}", apart(own - verdict.at), when(own)));
    }
    reading.decide(state, band, answer(&credential.provider, text, verdict, of), fix)
}

fn by_clock_problem(facts: &Facts<'_>, dated: bool, reading: &mut Reading) -> bool {
    match facts.clock_problem {
        // Silent by itself: the wrong clock is one incident, not one for every credential.
        Some(problem) if dated => {
            let line = format!("its date cannot be judged: {problem}");
            reading.decide(State::Unknown, Severity::None, line, Some("Set this machine's clock.".to_owned()))
        }
        _ => false,
    }
}

fn by_past_end(credential: &Credential, facts: &Facts<'_>, end: End, reading: &mut Reading) -> bool {
    if facts.now < end.at {
        return false;
    }
    let (what, known) = end.words(credential);
    if let Some((verdict, of)) = facts.verdict
        && verdict.kind == VerdictKind::Accepted
        && verdict.at >= end.at
    {
        reading.because.push(answer(&credential.provider, "accepted it", verdict, of));
        let line = format!("by its own date {what} ended {}{known}, yet it still works", when(end.at));
        return reading.decide(State::Ok, Severity::None, line, None);
    }
    let renew = Some(credential.fix.clone());
    if end.grant == Some(Basis::Assumed) {
        // A guess is never called "expired", and never wakes anybody at night.
        reading.tier = Some(Tier::Hour1);
        let line = format!("{what} should have been replaced by {}{known}", when(end.at));
        return reading.decide(State::Expiring, Severity::Warning, line, renew);
    }
    reading.tier = Some(Tier::Expired);
    reading.decide(State::Expired, Severity::Critical, format!("{what} ended {}{known}", when(end.at)), renew)
}

fn by_coming_end(credential: &Credential, facts: &Facts<'_>, end: End, reading: &mut Reading) -> bool {
    let (Some(warn_at), Some(critical_at)) = (reading.warn_at, reading.critical_at) else { return false };
    if facts.now < warn_at || facts.now >= end.at {
        return false;
    }
    let (what, known) = end.words(credential);
    reading.tier = tiers::tier(end.at, end.issued, warn_at, facts.now);
    let critical = facts.now >= critical_at && end.grant != Some(Basis::Assumed);
    let band = if critical { Severity::Critical } else { Severity::Warning };
    let line = format!("{what} ends {}{known}", when(end.at));
    reading.decide(State::Expiring, band, line, Some(credential.fix.clone()))
}

fn by_overdue_renewal(credential: &Credential, facts: &Facts<'_>, end: Option<End>, reading: &mut Reading) -> bool {
    // An access token's end says nothing while the clock is wrong.
    if credential.renewal != Renewal::Auto || facts.clock_problem.is_some() {
        return false;
    }
    let Some(overdue) = overdue::evidence(credential, facts.gateway_runs, facts.now) else { return false };
    if let Some((verdict, of)) = facts.verdict
        && verdict.kind == VerdictKind::Accepted
        && verdict.at >= overdue.due
    {
        reading.because.push(answer(&credential.provider, "accepted it", verdict, of));
        return false;
    }
    // It still works while the access token lasts.
    let lasts = credential.clocks.access_expires.is_some_and(|access| access > facts.now);
    let band = if lasts { Severity::Warning } else { Severity::Critical };
    let line =
        format!("its owner should have renewed it {} and did not, although {}", when(overdue.due), overdue.evidence);
    if let Some(end) = end
        && let Some(warn_at) = reading.warn_at
    {
        // The login's own end is said at its steps all the same.
        reading.tier = tiers::tier(end.at, end.issued, warn_at, facts.now);
        if reading.tier.is_some() {
            reading.because.push(format!("{} ends {}", end.words(credential).0, when(end.at)));
        }
    }
    reading.decide(State::RefreshOverdue, band, line, Some(credential.fix.clone()))
}

/// Nothing speaks against it: says why we believe that.
fn works(credential: &Credential, facts: &Facts<'_>, end: Option<End>, reading: &mut Reading) {
    let clocks = &credential.clocks;
    // Its lines, and room for the two of the judgement; each in one piece, for there is one of each of ten thousand.
    let mut because = Vec::with_capacity(3 + reading.because.len());
    if let Some((verdict, of)) = facts.verdict.filter(|(verdict, _)| verdict.kind == VerdictKind::Accepted) {
        because.push(answer(&credential.provider, "accepted it", verdict, of));
    }
    if let Some(end) = end {
        let (what, known) = end.words(credential);
        let mut line = String::with_capacity(48);
        let _ = write!(line, "{what} ends {}{known}", when(end.at));
        because.push(line);
    }
    match (credential.renewal, end) {
        (Renewal::Auto, _) => {
            let mut line = String::with_capacity(112);
            line.push_str("refreshable: its owner renews it when it is used");
            if let Some(renewed) = clocks.last_renewed {
                let _ = write!(line, ", last renewed {}", when(renewed));
            }
            if let Some(access) = clocks.access_expires {
                let verb = if access > facts.now { "lasts until" } else { "ended" };
                let _ = write!(line, "; the access token {verb} {}", when(access));
            }
            because.push(line);
        }
        (_, None) => {
            reading.state = State::Static;
            because.push("no expiry is known".to_owned());
        }
        (_, Some(_)) => {}
    }
    because.append(&mut reading.because);
    reading.because = because;
}

fn answer(provider: &str, what: &str, verdict: &Verdict, of: Option<&CredentialId>) -> String {
    let of = of.map(|id| format!(", asked with the same secret from {id}")).unwrap_or_default();
    let detail = if verdict.detail.is_empty() { String::new() } else { format!(": {}", verdict.detail) };
    format!("{provider} {what} ({}{of}){detail}", when(verdict.at))
}

fn inconclusive(verdict: &Verdict) -> String {
    let what = match verdict.kind {
        VerdictKind::Throttled => "the last check was put off by the provider (asked too often)",
        VerdictKind::ProviderDown => "the last check met trouble at the provider",
        VerdictKind::Network => "the last check did not reach the provider",
        _ if verdict.detail.is_empty() => "the provider cannot be asked for free",
        _ => return format!("not proved ({}): {}", when(verdict.at), verdict.detail),
    };
    format!("{what} ({}), which says nothing about the credential", when(verdict.at))
}

/// A span in days, or in hours below two days.
fn apart(span: Span) -> String {
    match span.num_hours() {
        hours @ ..48 => format!("{hours} h"),
        hours => format!("{} d", hours / 24),
    }
}

/// An instant in a `because` line: absolute and in UTC, because lines are stored and travel.
pub(super) fn when(time: Time) -> When {
    When(time)
}

/// See [`when`].
pub(super) struct When(Time);

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Minute(self.0.naive_utc()).fmt(f)?;
        f.write_str(" UTC")
    }
}
