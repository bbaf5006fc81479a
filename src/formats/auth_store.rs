//! `auth-profiles.json` and its relatives.

/// The profiles of one agent.
#[derive(Default)]
pub struct AuthStore {}
