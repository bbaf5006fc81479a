//! `models auth paste-token`, `setup-token` and `add`: a secret from a person (or a pipe, or a private file) into an agent's store and
//! the gateway's config. Nobody is called, unless the person asks for it.

use std::io::{IsTerminal, Read, stdin};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::args_auth::PasteToken;
use super::exit::{Failure, FailureKind, Outcome};
use super::models_auth::{Gateway, Unnamed, agent_words, provider, refused};
use super::owner::Owner;
use super::prompt::Terminal;
use super::{Context, handover, reading};
use crate::config;
use crate::control;
use crate::domain::{Credential, Secret, Selection, VerdictKind};
use crate::files;
use crate::formats::auth_store::ProfileType;
use crate::formats::auth_store_edit::NewProfile;
use crate::formats::config_edit;
use crate::formats::javascript::trim;
use crate::formats::pasted::{self, SETUP_TOKEN};
use crate::formats::shell;
use crate::output::models_status::short;
use crate::providers::Catalog;
use crate::store::lock::{Attempt, Lock};
use crate::store::{self, Store, key};

/// Longest secret from a pipe or a file.
const LONGEST: u64 = 64 << 10;

/// A profile that is going to be written, but for its secret.
pub(super) struct Entry<'a> {
    gateway: Gateway,
    /// Its own program, where only that may write.
    owner: Option<Owner>,
    agent: Option<&'a str>,
    provider: String,
    id: String,
    kind: ProfileType,
    /// Milliseconds from now.
    life: Option<f64>,
    verify: bool,
}

/// Runs `paste-token`.
///
/// # Errors
/// Wrong use (64), no secret (65), a file that is not writable, a refusal by the provider (65) with `--verify`.
pub fn paste_token(args: &PasteToken, agent: Option<&str>, context: &Context) -> Outcome {
    let provider = provider(&args.provider)?;
    let id = args.profile_id.as_deref().map(trim).filter(|id| !id.is_empty());
    let id = id.map_or_else(|| format!("{provider}:manual"), str::to_owned);
    let life = args.expires_in.as_deref().map(trim).filter(|text| !text.is_empty()).map(life).transpose()?;
    let entry = Entry::new(provider, id, ProfileType::Token, life.flatten(), args.verify, agent, context)?;
    let secret = match (&args.token_file, args.stdin && !stdin().is_terminal()) {
        (Some(path), _) => from_file("--token-file", path)?,
        (None, true) => from_pipe()?,
        (None, false) => {
            let instead = "pass the token on standard input with --stdin, or name a private file with --token-file";
            let question = format!("Paste token for {}", entry.provider);
            Terminal::need(instead)?.secret(&question, |_| None)?
        }
    };
    entry.write(secret, context)
}

/// Runs `setup-token`.
///
/// # Errors
/// As [`paste_token`]; there is no terminal (64).
pub fn setup_token(whose: &str, yes: bool, verify: bool, agent: Option<&str>, context: &Context) -> Outcome {
    let provider = provider(whose)?;
    if provider != "anthropic" {
        let message = format!(
            "setup-tokens are Anthropic's; for {provider}: opensoul models auth paste-token --provider {}",
            shell::word(&provider)
        );
        return Err(Failure::new(FailureKind::Usage, message));
    }
    let terminal = Terminal::need("for scripts: opensoul models auth paste-token --provider anthropic --stdin")?;
    let id = format!("{provider}:manual");
    let entry = Entry::new(provider, id, ProfileType::Token, None, verify, agent, context)?;
    if !yes
        && !terminal.confirm("Have you run `claude setup-token` and copied the token?", true)?
        && !make_one(&terminal, context)?
    {
        return Ok(0);
    }
    let wrong = |token: &str| pasted::setup_token_problem(token).map(str::to_owned);
    let secret = terminal.secret("Paste Anthropic setup-token", wrong)?;
    entry.write(secret, context)
}

/// Runs `claude setup-token` if the person wants it; false if there is nothing to paste yet.
fn make_one(terminal: &Terminal, context: &Context) -> Result<bool, Failure> {
    let Some(claude) = handover::program_of("claude", &context.env) else {
        say!(
            "`claude setup-token` makes one. It needs Claude Code (the `claude` command, which is not in PATH here) and a Claude Max \
             or Pro subscription. Run it on any machine, then paste what it prints:\n  opensoul models auth setup-token --provider \
             anthropic\nWithout a subscription, use an API key: opensoul models auth add"
        );
        return Ok(false);
    };
    if !terminal.confirm("Run `claude setup-token` now? (It needs a Claude Max or Pro subscription.)", true)? {
        say!("Nothing was changed. Run `claude setup-token`, then this again.");
        return Ok(false);
    }
    match std::process::Command::new(claude).arg("setup-token").status() {
        Ok(status) if status.success() => Ok(true),
        Ok(status) => {
            let message = format!("`claude setup-token` did not succeed ({status}); nothing was changed");
            Err(Failure::new(FailureKind::Unavailable, message))
        }
        Err(error) => {
            let message = format!("`claude setup-token` cannot be run: {error}; nothing was changed");
            Err(Failure::new(FailureKind::Unavailable, message))
        }
    }
}

/// Runs `add`: asks for everything.
///
/// # Errors
/// As [`paste_token`]; there is no terminal (64).
pub fn add(agent: Option<&str>, context: &Context) -> Outcome {
    let terminal = Terminal::need("for scripts: opensoul models auth paste-token --provider P --stdin")?;
    let unknown = |text: &str| provider(text).err().map(|_| "name a provider, such as anthropic".to_owned());
    let provider = provider(&terminal.line("Provider", "anthropic", unknown)?)?;
    if Catalog::get().provider(&provider).is_none() {
        note!("{provider} is not one of the providers known here; its key is stored all the same.");
    }
    let setup = provider == "anthropic";
    let kinds = ["API key", "Token (a bearer token, with or without an end)", "Setup-token of a Claude subscription"];
    let kind = terminal.choose("What is it?", &kinds[..if setup { 3 } else { 2 }])?;
    let kind = match kind {
        0 => ProfileType::ApiKey,
        1 => ProfileType::Token,
        _ => return setup_token(&provider, false, false, agent, context),
    };
    let usual = format!("{provider}:{}", if kind == ProfileType::ApiKey { "default" } else { "manual" });
    let wrong =
        |id: &str| pasted::profile_id_problem(id).map(|what| format!("a profile id that {what} cannot be used"));
    let id = terminal.line("Profile id", &usual, wrong)?;
    let mut end = None;
    if kind == ProfileType::Token {
        let text = terminal.line("Ends in (365d, 12h; nothing if that is not known)", "", |text| {
            if text.is_empty() { None } else { life(text).err().map(|failure| failure.message) }
        })?;
        end = if text.is_empty() { None } else { life(&text)? };
    }
    let mut entry = Entry::new(provider, id, kind, end, false, agent, context)?;
    if entry.gateway.store()?.store.profile(&entry.id).is_some()
        && !terminal.confirm(&format!("{} exists. Replace it?", entry.id), false)?
    {
        say!("Nothing was changed.");
        return Ok(0);
    }
    let what = if kind == ProfileType::ApiKey { "API key" } else { "token" };
    let secret = terminal.secret(&format!("Paste {what} for {}", entry.provider), |_| None)?;
    entry.verify =
        terminal.confirm(&format!("Ask {} now whether it accepts it? (a free request)", entry.provider), false)?;
    entry.write(secret, context)
}

/// How long a token lives; none for zero, as in the gateway.
fn life(text: &str) -> Result<Option<f64>, Failure> {
    let wrong = |why: String| Failure::new(FailureKind::Usage, format!("--expires-in: {why}; write 365d, 12h or 30m"));
    let life = pasted::life(text).map_err(wrong)?;
    // A hundred years: what cannot be a date is no end.
    if life > 3.2e12 {
        return Err(wrong(format!("{} is longer than a hundred years", trim(text))));
    }
    Ok(Some(life).filter(|life| *life > 0.0))
}

/// The one token in a file that only its owner can read; `flag` is how the file was named.
///
/// # Errors
/// It is not there (66), open to others (77), empty (65).
pub(super) fn from_file(flag: &str, path: &Path) -> Result<Secret, Failure> {
    let refuse = |kind, why: &str| Failure::new(kind, format!("{flag}: {} {why}", path.display()));
    let facts = files::regular(path).map_err(|trouble| refuse(FailureKind::NoInput, &trouble.why))?;
    let facts = facts.ok_or_else(|| refuse(FailureKind::NoInput, "does not exist"))?;
    if facts.permissions().mode() & 0o077 != 0 {
        let how = format!("can be read by others; first: chmod 600 {}", shell::word(&path.to_string_lossy()));
        return Err(refuse(FailureKind::NoPermission, &how));
    }
    let contents = files::read(path, LONGEST).map_err(|trouble| refuse(FailureKind::NoInput, &trouble.why))?;
    let contents = contents.ok_or_else(|| refuse(FailureKind::NoInput, "does not exist"))?;
    one_line(&contents.text).ok_or_else(|| refuse(FailureKind::Data, "is empty"))
}

/// The one token on standard input.
///
/// # Errors
/// It is no text, empty or longer than any token (65).
pub(super) fn from_pipe() -> Result<Secret, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LONGEST).unwrap_or(0)));
    let wrong =
        |why: &str| Failure::new(FailureKind::Data, format!("the token on standard input {why}; nothing was changed"));
    stdin().lock().take(LONGEST).read_to_string(&mut text).map_err(|_| wrong("is not text"))?;
    if text.len() as u64 == LONGEST {
        return Err(wrong("is longer than 64 KiB"));
    }
    one_line(&text).ok_or_else(|| wrong("is empty"))
}

/// A token that was copied over several lines is one.
fn one_line(text: &str) -> Option<Secret> {
    let joined = Zeroizing::new(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect::<String>());
    let token = joined.trim();
    (!token.is_empty()).then(|| Secret::new(token.to_owned()))
}

impl<'a> Entry<'a> {
    /// Everything that can be found out before a secret is asked for.
    fn new(
        provider: String,
        id: String,
        kind: ProfileType,
        life: Option<f64>,
        verify: bool,
        agent: Option<&'a str>,
        context: &Context,
    ) -> Result<Self, Failure> {
        if let Some(what) = pasted::profile_id_problem(&id) {
            return Err(Failure::new(FailureKind::Usage, format!("--profile-id: an id that {what} cannot be used")));
        }
        let gateway = Gateway::open(agent, Unnamed::Main, context)?;
        let mut entry = Self { gateway, owner: None, agent, provider, id, kind, life, verify };
        if entry.gateway.installation.sqlite {
            let text = entry.life.map(|life| format!("{life}ms"));
            let what = if kind == ProfileType::ApiKey { "paste-api-key" } else { "paste-token" };
            let mut words = vec!["models", "auth", what, "--provider", &entry.provider, "--profile-id", &entry.id];
            words.extend(text.iter().flat_map(|text| ["--expires-in", text.as_str()]));
            entry.owner = Some(Owner::of(&entry.gateway.installation, &agent_words(&words, agent), context)?);
        } else {
            entry.gateway.writer()?;
            let declare = |text: &str| config_edit::declare(text, &entry.id, &entry.provider, kind.word());
            control::config::try_out(&entry.gateway.installation, &declare)
                .map_err(|error| super::models_auth::not_written(&error))?;
        }
        Ok(entry)
    }

    /// The API key of a provider under its usual id, which a login does not lose to it.
    ///
    /// # Errors
    /// Its store or the config cannot be written.
    pub(super) fn api_key(provider: String, context: &Context) -> Result<Entry<'static>, Failure> {
        let provider = self::provider(&provider)?;
        let of = |name: &str| {
            Entry::new(provider.clone(), format!("{provider}:{name}"), ProfileType::ApiKey, None, false, None, context)
        };
        let usual = of("default")?;
        let there = usual.gateway.store()?.store.profile(&usual.id).map(|profile| profile.kind);
        if there.is_none_or(|kind| kind == ProfileType::ApiKey) { Ok(usual) } else { of("api-key") }
    }

    /// What will be done, for the person who is asked.
    pub(super) fn line(&self, context: &Context) -> Result<String, Failure> {
        if let Some(owner) = &self.owner {
            return Ok(format!("give the key to `{owner}`, on its standard input"));
        }
        let store = self.gateway.store()?;
        let verb = if store.store.profile(&self.id).is_some() { "replace the key of" } else { "write" };
        let place = short(&store.store_path, &context.env.home());
        Ok(format!(
            "{verb} the auth profile {} in {place} (only you can read it), and name it in the gateway's config",
            self.id
        ))
    }

    /// Whose.
    pub(super) fn provider(&self) -> &str {
        &self.provider
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether this is what was written.
    pub(super) fn is(&self, one: &Credential) -> bool {
        let path = self.gateway.store().ok().map(|store| store.store_path.as_path());
        one.profile == self.id && path.is_some() && one.origin.path.as_deref() == path
    }

    /// Writes it.
    ///
    /// # Errors
    /// As [`paste_token`].
    pub(super) fn write(&self, secret: Secret, context: &Context) -> Outcome {
        let setup = secret.expose().starts_with(SETUP_TOKEN);
        if let Some(owner) = &self.owner {
            owner.run(Some(&secret))?;
            caution(self, &secret);
            return self.verified(context);
        }
        let home = context.env.home();
        let ledger = if setup && self.life.is_none() { fingerprint(&secret, context) } else { None };
        caution(self, &secret);
        #[expect(clippy::cast_possible_truncation, reason = "a hundred years of milliseconds are exact")]
        let expires = self.life.map(|life| self.gateway.now.timestamp_millis() + life as i64);
        let profile =
            NewProfile { id: self.id.clone(), provider: self.provider.clone(), kind: self.kind, secret, expires };
        let written = self.gateway.writer()?.put(&profile).map_err(|error| refused(&error))?;
        drop(profile);
        say!("Auth profile: {} ({}/{})", self.id, self.provider, self.kind.word());
        say!("Store: {}", short(&written.store.path, &home));
        if written.config.changed {
            say!("Config: {}", short(&written.config.path, &home));
        }
        if !written.imported.is_empty() {
            say!("Into the new store went also what the gateway would have imported: {}", written.imported.join(", "));
        }
        if setup && self.life.is_none() {
            if let Some(ledger) = ledger {
                ledger.note(self);
            }
            say!(
                "It says nowhere when it ends; a setup-token lives about a year, so an end in 365 days is assumed (not written into the store)."
            );
        }
        self.say_if_unused(context)?;
        self.verified(context)
    }

    /// A profile that the gateway would not use is not what the person wanted.
    fn say_if_unused(&self, context: &Context) -> Result<(), Failure> {
        let gateway = Gateway::open(self.agent, Unnamed::Main, context)?;
        let view = gateway.view()?;
        let Some(shown) = view.profiles.iter().find(|shown| shown.profile.id == self.id) else { return Ok(()) };
        if let Selection::Excluded(why) = &shown.selection {
            say!(
                "The gateway will not use it: {why}. To put it first: opensoul models auth order set --provider {} {}",
                shell::word(&self.provider),
                shell::word(&self.id)
            );
        }
        let until = shown.usage.and_then(|usage| usage.unusable_until()).filter(|until| *until > gateway.now_ms());
        if let Some(until) = until {
            let left = crate::output::remaining::remaining(Some(until - gateway.now_ms()));
            let why = shown.usage.and_then(|usage| usage.disabled_reason.as_deref()).unwrap_or("cooldown");
            say!("The gateway has set this profile aside for another {left} ({why}); a new secret does not end that.");
        }
        let left_out = |other: &&crate::formats::eligibility::Shown<'_>| {
            other.provider == shown.provider
                && matches!(&other.selection, Selection::Excluded(why) if why.contains("auth.profiles, which name others"))
        };
        let left_out: Vec<&str> =
            view.profiles.iter().filter(left_out).map(|other| other.profile.id.as_str()).collect();
        if !left_out.is_empty() {
            say!(
                "The config's auth.profiles now names {}, so the gateway leaves out those of {} that it does not name: {}. To use \
                 them too: opensoul models auth order set --provider {} {} {}",
                self.id,
                self.provider,
                left_out.join(", "),
                shell::word(&self.provider),
                shell::word(&self.id),
                left_out.iter().map(|id| shell::word(id)).collect::<Vec<_>>().join(" ")
            );
        }
        Ok(())
    }

    /// `--verify`: the only thing here that calls anybody.
    fn verified(&self, context: &Context) -> Outcome {
        if !self.verify {
            return Ok(0);
        }
        let gateway = Gateway::open(self.agent, Unnamed::Main, context)?;
        let path = &gateway.store()?.store_path;
        let verdict = reading::verify(context, path, &self.id)?;
        let (kind, detail) =
            verdict.map_or((VerdictKind::Unverifiable, String::new()), |verdict| (verdict.kind, verdict.detail));
        let said = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        let provider = &self.provider;
        match kind {
            VerdictKind::Accepted => {
                say!("{provider} accepts it.");
                Ok(0)
            }
            VerdictKind::Limited => {
                say!("{provider} accepts it; its quota is used up now{said}");
                Ok(0)
            }
            kind if kind.is_conclusive() => {
                let message = format!("it was written, but {provider} does not accept it ({}){said}", kind.word());
                Err(Failure::new(FailureKind::Data, message))
            }
            kind => {
                let message = format!("it was written, but could not be verified ({}){said}", kind.word());
                Err(Failure::new(FailureKind::Unavailable, message))
            }
        }
    }
}

/// What is worth knowing about what was pasted; quotes nothing of it.
fn caution(entry: &Entry<'_>, secret: &Secret) {
    let text = secret.expose();
    if text.starts_with(SETUP_TOKEN) {
        note!(
            "Note: Anthropic lets a subscription's token be used by Claude Code only. If a request fails with \"This credential is \
             only authorized for use with Claude Code and cannot be used for other API requests\", use an Anthropic API key: \
             opensoul models auth add"
        );
        if let Some(what) = pasted::setup_token_problem(text) {
            note!("Note: {what}.");
        }
    } else if entry.kind == ProfileType::Token && text.starts_with("sk-ant-api") {
        note!("Note: this looks like an API key, not a token; opensoul models auth add stores it as one.");
    }
    if text.contains(char::is_whitespace) && !text.starts_with('{') {
        note!("Note: there are blanks in it; was more copied than the token?");
    }
}

/// The monitor's ledger, where it has one: when this token was first seen is where its assumed year begins.
struct Ledger {
    state: std::path::PathBuf,
    fingerprint: crate::domain::Fingerprint,
}

fn fingerprint(secret: &Secret, context: &Context) -> Option<Ledger> {
    let location = config::locate(&context.env, context.global.config.as_deref());
    let state = location.state;
    if !state.join(store::FILE).exists() {
        return None;
    }
    let shared = config::load(context.global.config.as_deref(), &context.env)
        .ok()
        .and_then(|config| config.identity.key)
        .and_then(|reference| config::resolve(&reference, &context.env).ok());
    let key = match shared {
        Some(shared) => key::shared(&shared),
        None => key::load(&state).ok().flatten()?,
    };
    Some(Ledger { fingerprint: key.fingerprint(secret)?, state })
}

impl Ledger {
    /// A running monitor sees the file within seconds and notes it itself; where none runs, we note it for the next.
    fn note(&self, entry: &Entry<'_>) {
        if let Ok(Attempt::Ours(_lock)) = Lock::acquire(&self.state, false)
            && let Ok(mut opened) = Store::open(&self.state, entry.gateway.now)
            && let Err(error) = opened.store.first_seen(&[self.fingerprint], entry.gateway.now)
        {
            tracing::debug!(%error, "the ledger could not be written; the next cycle does it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_and_tokens() {
        assert_eq!(life("365d").unwrap(), Some(31_536_000_000.0));
        assert_eq!(life("0").unwrap(), None, "as the gateway: no end is noted");
        for wrong in ["1w", "99999999999999999999d", "-1d"] {
            assert_eq!(life(wrong).unwrap_err().kind, FailureKind::Usage, "{wrong}");
        }
        assert_eq!(one_line("  sk-ant-\r\noat01-x\n").unwrap().expose(), "sk-ant-oat01-x");
        assert!(one_line(" \n ").is_none());
    }
}
