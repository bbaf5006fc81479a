//! Whether the owner of an `auto` credential failed to renew it. A passed access token alone is no evidence: owners renew
//! when they are used (DESIGN §7).

use super::state::when;
use crate::domain::{Credential, Owner, Selection, Span, Time};

/// A renewal that did not happen, and what shows that its owner was there to do it.
pub(super) struct Overdue {
    pub due: Time,
    pub evidence: String,
}

/// A running gateway gets this long after the end before we say so: it renews with the next request, not on the second.
const GATEWAY_GRACE: Span = Span::minutes(10);

pub(super) fn evidence(credential: &Credential, gateway_runs: bool, now: Time) -> Option<Overdue> {
    let clocks = &credential.clocks;
    if let (Some(refresh), Some(access)) = (clocks.refresh_due, clocks.access_expires)
        // Only sources of owners that renew by themselves give `refresh_due`; they get 30 % of what then remained.
        && now >= refresh + (access - refresh).max(Span::zero()) * 3 / 10
    {
        return Some(Overdue { due: refresh, evidence: "it renews without being used".to_owned() });
    }
    let due = clocks.access_expires.or(clocks.refresh_due)?;
    if now < due {
        return None;
    }
    let activity = &credential.activity;
    let signs = [(activity.last_used, "it was used"), (activity.last_failure, "a use of it failed")];
    for (at, text) in signs {
        if let Some(at) = at.filter(|at| *at > due && *at <= now) {
            return Some(Overdue { due, evidence: format!("{text} {}", when(at)) });
        }
    }
    let effective = credential.owner == Owner::GatewayStore && credential.selection == Selection::Eligible(0);
    (gateway_runs && effective && now >= due + GATEWAY_GRACE)
        .then(|| Overdue { due, evidence: "the gateway is running and would use it first".to_owned() })
}
