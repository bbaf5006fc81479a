//! What goes into a judgement: everything that sources, probes, the gateway and the doctor saw, before anybody judged it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Allowance, Credential, CredentialId, Finding, Gateway, SourceReport, Verdict};

/// Which providers the configured models of the gateways need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// True if any gateway config names a model; if none does, every provider that has a credential counts as in use.
    pub models_configured: bool,
    /// Providers of the default model, its fallbacks and the image models, normalised, aliases resolved.
    pub providers: BTreeSet<String>,
}

/// Everything seen at one instant.
#[derive(Clone, Debug)]
pub struct Observation {
    /// This machine's name.
    pub host: String,
    /// Every credential found; each apart, because those who sort and hand on ten thousand of these do not read them.
    pub credentials: Vec<Box<Credential>>,
    /// The verdict that counts for each: the last conclusive one of the same generation if it is at most 24 h old, else
    /// the last inconclusive one.
    pub verdicts: BTreeMap<CredentialId, Verdict>,
    /// What the provider said besides yes or no about the generation that is there.
    pub allowances: BTreeMap<CredentialId, Allowance>,
    /// The generation that the last judgement gave each, from our ledger; empty without one. An `auto` credential keeps it
    /// while only its access token is renewed, and a copy is known by it.
    pub previous: BTreeMap<CredentialId, String>,
    /// What the gateways' models need.
    pub demand: Demand,
    /// The gateway.
    pub gateway: Gateway,
    /// Findings of sources and doctor checks.
    pub findings: Vec<Finding>,
    /// How reading went.
    pub sources: Vec<SourceReport>,
    /// Why dates cannot be trusted now, if they cannot.
    pub clock_problem: Option<String>,
}
