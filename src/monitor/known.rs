//! What is known of a credential beyond its file: assumed ends from the ledger of first-seen dates, and what a person declared
//! about it (`[[declared]] for = "…"`). Pure; nothing of it ever goes into a store of the owner.

use crate::config::{Config, Declared};
use crate::domain::{
    Basis, Condition, Credential, Finding, FingerprintKey, Kind, Place, Renewal, Secret, Severity, Span, Time,
};
use crate::output::explain::{DECLARED_END, DECLARED_USE};
use crate::store::Remembered;

/// What `claude setup-token` makes begins so; it lives a year and says so nowhere.
const SETUP_TOKEN: &str = "sk-ant-oat01-";
const SETUP_TOKEN_LIFE: Span = Span::days(365);

/// A declaration is made about what was there then; the next cycle after it may be the first to see that.
const SLACK: Span = Span::days(1);

/// A token of a Claude subscription where an API key belongs, or with another provider: Anthropic answers "only authorized
/// for use with Claude Code". As a token of the gateway it may work, and its own errors say if it does not.
#[must_use]
pub fn misplaced(credential: &Credential, secret: &Secret) -> Option<Finding> {
    let elsewhere = credential.provider != "anthropic" || credential.kind == Kind::ApiKey;
    if !elsewhere
        || credential.condition != Condition::Present
        || !secret.expose().trim_start().starts_with(SETUP_TOKEN)
    {
        return None;
    }
    let message = format!(
        "{} is a token of a Claude subscription (setup-token), used where a key of {} belongs: it is only authorized for use \
         with Claude Code.",
        credential.id, credential.provider
    );
    let fix = "Put an API key there (console.anthropic.com, API keys), or the token where it belongs: \
               CLAUDE_CODE_OAUTH_TOKEN, or opensoul models auth setup-token --provider anthropic.";
    let place = Place {
        path: credential.origin.path.as_deref().map(Into::into),
        key: Some(credential.profile.clone()),
        ..Place::default()
    };
    Some(Finding::new("credential.subscription-only", Severity::Warning, message, fix).at(place))
}

/// What it is judged with.
pub struct Beyond<'a> {
    /// Policies and declarations.
    pub config: &'a Config,
    /// The ledger.
    pub remembered: &'a Remembered,
    /// Key of the fingerprints.
    pub key: &'a FingerprintKey,
}

impl Beyond<'_> {
    /// A key or token without a date gets the end of its usual life, or that of `max_age`, counted from the day on which it
    /// was issued or our ledger first saw it. What its owner renews gets none.
    pub fn assume(&self, credential: &mut Credential, secret: &Secret) {
        let dated = credential.clocks.grant_expires.is_some() || credential.clocks.access_expires.is_some();
        let fits = matches!(credential.kind, Kind::Token | Kind::ApiKey)
            && credential.renewal != Renewal::Auto
            && credential.condition == Condition::Present;
        if dated || !fits {
            return;
        }
        let own = self.config.providers.get(&credential.provider).and_then(|provider| provider.max_age);
        let policy = own.or(self.config.thresholds.max_age);
        let usual =
            (credential.kind == Kind::Token && secret.expose().starts_with(SETUP_TOKEN)).then_some(SETUP_TOKEN_LIFE);
        let Some(life) = usual.into_iter().chain(policy).min() else { return };
        let seen = self.remembered.first_seen_of(credential, self.key);
        let Some(start) = credential.clocks.issued.or(seen) else { return };
        let began = if credential.clocks.issued.is_some() { "issued" } else { "first seen" };
        let why = if Some(life) == usual {
            "a setup-token lives that long, and nothing but its maker shows it".to_owned()
        } else {
            "max_age in monitor.toml".to_owned()
        };
        let clocks = &mut credential.clocks;
        clocks.grant_expires = Some(start + life);
        clocks.grant_basis = Some(Basis::Assumed);
        // With an assumed end the assumed life is its length: a year gets a month's notice, a week does not.
        clocks.issued = Some(start);
        credential.renewal = Renewal::Manual;
        credential.notes.push(format!("assumed: {began} {}, {} days ({why})", when(start), life.num_days()));
    }

    /// What a person said about credentials that were found. A declared date counts before an assumed one, and elsewhere only
    /// if it is sooner: what a file or a provider says is not overruled by a later wish.
    pub fn correct(&self, credentials: &mut [Box<Credential>]) -> Vec<Finding> {
        let mut unmatched = Vec::new();
        for said in &self.config.declared {
            let Some(id) = &said.about else { continue };
            match credentials.iter_mut().find(|credential| credential.id == *id) {
                Some(credential) => self.correct_one(credential, said),
                None => unmatched.push(unknown(said, self.config)),
            }
        }
        unmatched
    }

    fn correct_one(&self, credential: &mut Credential, said: &Declared) {
        if let Some(in_use) = said.in_use {
            credential.declared_in_use = Some(in_use);
            credential.notes.push(DECLARED_USE[usize::from(in_use)].to_owned());
        }
        if let Some(fix) = &said.fix {
            credential.fix.clone_from(fix);
        }
        credential.notes.extend(said.note.clone());
        let Some(expires) = said.expires else { return };
        if let Some(how) = self.another_since(credential, said) {
            let line =
                format!("the end that was declared for it ({}) was that of an earlier secret{how}", when(expires));
            credential.notes.push(line);
            return;
        }
        let clocks = &mut credential.clocks;
        let assumed = clocks.grant_basis == Some(Basis::Assumed);
        let access = clocks.access_expires.filter(|_| credential.renewal != Renewal::Auto);
        let known = clocks.grant_expires.filter(|_| !assumed).into_iter().chain(access).min();
        if let Some(known) = known.filter(|known| *known < expires) {
            let line = format!("declared to end {}, but its owner says {}, which counts", when(expires), when(known));
            credential.notes.push(line);
            return;
        }
        if assumed {
            clocks.issued = None;
            credential.notes.retain(|note| !note.starts_with("assumed: "));
        }
        clocks.grant_expires = Some(expires);
        clocks.grant_basis = Some(Basis::Declared);
        clocks.issued = said.issued.or(clocks.issued);
        if credential.renewal == Renewal::None {
            credential.renewal = Renewal::Manual;
        }
        credential.notes.push(DECLARED_END.to_owned());
    }

    /// How it is known that the secret which is there now is not the one that was meant, if it is not. `credentials declare`
    /// notes which one it means; otherwise only a ledger that is older than the declaration can know.
    fn another_since(&self, credential: &Credential, said: &Declared) -> Option<String> {
        let as_of = said.as_of?;
        let ledger = self.remembered;
        let seen = match credential.renewal {
            Renewal::Auto => ledger.begun.get(&credential.id).copied(),
            _ => ledger.first_seen_of(credential, self.key),
        };
        let first_seen = |at: Time| format!(": this one was first seen {}", when(at));
        // What its owner renews has another secret every few hours.
        let lasting = credential.fingerprint.filter(|_| credential.renewal != Renewal::Auto);
        let meant = lasting.and_then(|secret| self.key.recognises(said.generation.as_deref()?, secret));
        if let Some(same) = meant {
            return (!same).then(|| seen.map(first_seen).unwrap_or_default());
        }
        let watched = ledger.first_seen.values().any(|at| *at <= as_of);
        seen.filter(|seen| watched && *seen > as_of + SLACK).map(first_seen)
    }
}

fn unknown(said: &Declared, config: &Config) -> Finding {
    let message = format!("[[declared]] \"{}\" is about a credential that was not found here.", said.name);
    let fix = "List what there is with: opensoul credentials list; then correct `for`, or remove the entry.";
    let place = config.path.as_ref().map(Place::file).unwrap_or_default();
    Finding::new("own.declared-unknown", Severity::Info, message, fix).at(place.key(format!("declared.{}", said.name)))
}

fn when(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
