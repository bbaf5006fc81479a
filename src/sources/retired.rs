//! Services that have ended for everybody: no probe has to be sent to know it, and wherever a login for one of them lies, it is
//! dead.

use chrono::{TimeZone, Utc};

use super::Found;
use crate::domain::{Condition, Kind, Span, Time};

/// One service that has ended.
struct Ended {
    provider: &'static str,
    /// Which of its credentials are dead with it.
    kinds: &'static [Kind],
    /// Its last day was the one before: year, month, day.
    since: (i32, u32, u32),
    why: &'static str,
    fix: &'static str,
    /// The end is only reported by users: a token that was issued later than a month after it says otherwise.
    reported: bool,
}

const TABLE: &[Ended] = &[
    Ended {
        provider: "qwen-portal",
        kinds: &[Kind::Oauth],
        since: (2026, 4, 15),
        why: "Qwen's free login ended 2026-04-15, and every request with it is refused, even right after logging in",
        fix: "Get an Alibaba Coding Plan or an API key, run `qwen`, then /auth.",
        // New logins are still issued; they do not work either.
        reported: false,
    },
    Ended {
        provider: "iflowcn",
        kinds: &[Kind::Oauth, Kind::ApiKey],
        since: (2026, 6, 1),
        why: "iFlow's users report that it stopped in June 2026",
        fix: "Choose another provider.",
        reported: true,
    },
];

/// Marks a credential whose service has ended. One that its owner emptied belongs to nobody any more.
pub(super) fn mark(found: &mut Found, now: Time) {
    let credential = &mut found.credential;
    let of = |ended: &&Ended| ended.provider == credential.provider && ended.kinds.contains(&credential.kind);
    let Some(ended) = TABLE.iter().find(of) else { return };
    let (year, month, day) = ended.since;
    let Some(since) = Utc.with_ymd_and_hms(year, month, day, 0, 0, 0).single() else { return };
    if now < since {
        return;
    }
    let clocks = &credential.clocks;
    let issued = clocks.access_expires.max(clocks.last_renewed).max(clocks.issued);
    if ended.reported && issued.is_some_and(|issued| issued > since + Span::days(30)) {
        credential.notes.push(format!("{}, yet this was issued later", ended.why));
        return;
    }
    match credential.condition {
        Condition::Present => {}
        Condition::Blanked | Condition::Absent(_) => credential.declared_in_use = Some(false),
        _ => return,
    }
    credential.condition = Condition::Retired(ended.why.to_owned());
    ended.fix.clone_into(&mut credential.fix);
    // Nobody has to be asked.
    found.secret = None;
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, credentials};
    use super::*;

    #[test]
    fn wherever_it_lies() {
        let home = Home::new();
        let store = r#"{"version":1,"profiles":{
            "qwen-portal:qwen-cli":{"type":"oauth","provider":"qwen-portal","access":"a","refresh":"r","expires":1799582400000},
            "qwen-portal:key":{"type":"api_key","provider":"qwen-portal","key":"k"}}}"#;
        home.write(".openclaw/agents/main/agent/auth-profiles.json", store);
        let login = r#"{"access_token":"a","refresh_token":"r","expiry_date":1799582400000}"#;
        home.write(".qwen/oauth_creds.json", login);
        let harvest = home.everything();
        let retired: Vec<(String, bool)> = credentials(&harvest)
            .into_iter()
            .map(|credential| (credential.id.0, matches!(credential.condition, Condition::Retired(_))))
            .collect();
        let expected = [
            ("openclaw:main/qwen-portal:key", false),
            ("openclaw:main/qwen-portal:qwen-cli", true),
            ("qwen-code:default", true),
        ];
        let mut sorted: Vec<(&str, bool)> = retired.iter().map(|(id, retired)| (id.as_str(), *retired)).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
    }

    #[test]
    fn the_table_is_sound() {
        for ended in TABLE {
            let (year, month, day) = ended.since;
            assert!(Utc.with_ymd_and_hms(year, month, day, 0, 0, 0).single().is_some(), "{}", ended.provider);
            assert!(!ended.kinds.is_empty() && !ended.why.is_empty() && !ended.fix.is_empty(), "{}", ended.provider);
        }
    }
}
