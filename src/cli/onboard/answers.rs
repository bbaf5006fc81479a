//! The plan of `onboard`, made of flags or of a person's answers. Writes nothing.

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum;

use super::super::Context;
use super::super::args::Shell;
use super::super::args_onboard::{KeysIn, Onboard, ServiceArg};
use super::super::exit::{Failure, FailureKind};
use super::super::models_auth_paste::{Entry, from_file, from_pipe};
use super::super::print::spoken;
use super::super::prompt::Terminal;
use super::super::reading::Reading;
use super::{Key, Place, Plan, receivers};
use crate::config::is_termux;
use crate::domain::Secret;
use crate::formats::pasted::SETUP_TOKEN;
use crate::formats::provider_env;
use crate::formats::provider_id::normalize;
use crate::monitor::observe::Observed;

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Usage, message)
}

/// What the flags say.
///
/// # Errors
/// A provider whose key the gateway takes from nowhere like that, a key that is none, a receiver of another form.
pub(super) fn of_flags(args: &Onboard, context: &Context) -> Result<Plan, Failure> {
    let mut keys = Vec::new();
    let keys_in = args.keys_in.unwrap_or(KeysIn::Env);
    for text in &args.key_file {
        let (provider, path) =
            text.split_once('=').ok_or_else(|| usage("--key-file: write PROVIDER=FILE, such as anthropic=key.txt"))?;
        let place = place(provider, keys_in, context)?;
        keys.push(key(place, from_file("--key-file", Path::new(path))?)?);
    }
    if let Some(provider) = &args.key_stdin {
        let place = place(provider, keys_in, context)?;
        keys.push(key(place, from_pipe()?)?);
    }
    Ok(Plan {
        keys,
        keys_in: args.keys_in,
        undocumented: args.undocumented.map(|answer| answer.is_yes()),
        receivers: args.receiver.iter().map(|text| receivers::of_flag(text, &context.env)).collect::<Result<_, _>>()?,
        service: args.service,
        completions: args.completions,
        verify: args.verify,
        test: args.test,
    })
}

/// Where the key of a provider goes.
///
/// # Errors
/// The gateway reads none from its environment (64), or its auth profiles cannot be written.
fn place(provider: &str, keys_in: KeysIn, context: &Context) -> Result<Place, Failure> {
    let provider = normalize(provider);
    if keys_in == KeysIn::Profiles {
        return Ok(Place::Profile(Box::new(Entry::api_key(provider, context)?)));
    }
    match variable(&provider) {
        Some(variable) => Ok(Place::Dotenv { provider, variable }),
        None => Err(usage(format!(
            "the gateway reads no key of {provider} from its environment; an auth profile can hold it: --keys-in profiles"
        ))),
    }
}

/// A key for the gateway.
fn key(place: Place, secret: Secret) -> Result<Key, Failure> {
    match problem(&secret) {
        Some(why) => Err(usage(format!("the key of {} {why}", place.provider()))),
        None => Ok(Key { place, secret }),
    }
}

/// The variable that the gateway reads an API key of this provider from.
fn variable(provider: &str) -> Option<&'static str> {
    let names = provider_env::TABLE.iter().find(|row| row.provider == provider)?.gateway;
    names.iter().find(|name| name.ends_with("_API_KEY")).or(names.first()).copied()
}

/// Why this is no API key; quotes nothing of it.
fn problem(secret: &Secret) -> Option<&'static str> {
    let text = secret.expose().trim();
    if text.is_empty() {
        Some("is empty")
    } else if text.starts_with(SETUP_TOKEN) {
        Some(
            "is the token of a Claude subscription, only authorized for use with Claude Code: make an API key in Anthropic's \
             console, or give the gateway this token with: opensoul models auth setup-token --provider anthropic",
        )
    } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("has blanks or line breaks in it: is there more than the key?")
    } else {
        None
    }
}

/// What is there.
pub(super) fn show(reading: &Reading, observed: &Observed, dotenv: &Path) {
    let snapshot = &observed.snapshot;
    say!("Gateway      {}", snapshot.gateway.detail);
    say!("Its .env     {}{}", dotenv.display(), if dotenv.exists() { "" } else { " (not there yet)" });
    for provider in snapshot.providers.iter().filter(|one| one.in_use || one.total > 0) {
        let used = if provider.in_use { "" } else { ", unused" };
        let usable = format!("{} ({} of {} usable{used})", provider.state, provider.usable, provider.total);
        say!("{:<12} {}", provider.provider, spoken(usable));
    }
    if snapshot.providers.is_empty() {
        say!("Credentials  none found");
    }
    let config = &reading.location.config;
    let receivers = reading.config.receivers.len();
    let monitor =
        if config.exists() { format!("{} ({receivers} receivers)", config.display()) } else { "not set up".to_owned() };
    say!("Monitor      {monitor}\n");
}

/// Asks for what the flags have not said.
///
/// # Errors
/// A cancelled question.
pub(super) fn ask(
    terminal: &Terminal,
    plan: &mut Plan,
    reading: &Reading,
    observed: &Observed,
    context: &Context,
) -> Result<(), Failure> {
    let _unseen = terminal.unseen()?;
    keys(terminal, plan, observed, context)?;
    if !plan.verify {
        plan.verify = terminal
            .confirm("Ask the providers whether the keys work? (documented requests that cost nothing)", true)?;
    }
    if plan.verify && plan.undocumented.is_none() && !reading.config.probing.undocumented {
        let question = "Also ask where a provider tolerates it without describing it (logins of subscriptions)?";
        plan.undocumented = terminal.confirm(question, false)?.then_some(true);
    }
    monitor(terminal, plan, reading)?;
    if plan.completions.is_none() {
        let shell = reading.env.get("SHELL").and_then(|path| path.rsplit('/').next());
        let shell = shell.and_then(|name| Some((name, Shell::from_str(name, true).ok()?)));
        if let Some((name, shell)) = shell
            && terminal.confirm(&format!("Install the completion for {name}?"), true)?
        {
            plan.completions = Some(shell);
        }
    }
    Ok(())
}

/// A key for each provider in use that has nothing usable, and for any other that the person names.
fn keys(terminal: &Terminal, plan: &mut Plan, observed: &Observed, context: &Context) -> Result<(), Failure> {
    let given: BTreeSet<String> = plan.keys.iter().map(|key| key.place.provider().to_owned()).collect();
    let missing = observed
        .snapshot
        .providers
        .iter()
        .filter(|one| one.in_use && one.usable == 0 && !given.contains(&one.provider));
    for provider in missing.filter(|one| variable(&one.provider).is_some()) {
        let question = format!("API key for {} (a configured model needs it; Enter: none)", provider.provider);
        if let Some(secret) = secret(terminal, &question)? {
            let place = place(&provider.provider, keys_in(terminal, plan)?, context)?;
            plan.keys.push(key(place, secret)?);
        }
    }
    while terminal.confirm("Add the API key of another provider?", false)? {
        let unnamed = |name: &str| normalize(name).is_empty().then(|| "name a provider".to_owned());
        let provider = normalize(&terminal.line("Provider (anthropic, openai, openrouter, …)", "", unnamed)?);
        let place = match place(&provider, keys_in(terminal, plan)?, context) {
            Ok(place) => place,
            Err(failure) => {
                note!("{failure}");
                continue;
            }
        };
        if let Some(secret) = secret(terminal, &format!("API key for {provider} (Enter: none)"))? {
            plan.keys.retain(|key| key.place.provider() != provider);
            plan.keys.push(key(place, secret)?);
        }
    }
    Ok(())
}

/// Where keys go; asked once.
fn keys_in(terminal: &Terminal, plan: &mut Plan) -> Result<KeysIn, Failure> {
    if let Some(known) = plan.keys_in {
        return Ok(known);
    }
    let ways = [
        "env: into the gateway's .env, which it reads when it starts",
        "profiles: as auth profiles, which can be ordered and pinned",
    ];
    let chosen = match terminal.choose("Where shall the gateway have its keys?", &ways)? {
        0 => KeysIn::Env,
        _ => KeysIn::Profiles,
    };
    plan.keys_in = Some(chosen);
    Ok(chosen)
}

/// A key that can be one; asks again until it is, or empty.
fn secret(terminal: &Terminal, question: &str) -> Result<Option<Secret>, Failure> {
    let wrong = |text: &str| problem(&Secret::new(text.to_owned())).map(|why| format!("What was pasted {why}."));
    terminal.secret_or_none(question, wrong)
}

fn monitor(terminal: &Terminal, plan: &mut Plan, reading: &Reading) -> Result<(), Failure> {
    let phone = is_termux(&reading.env);
    if plan.receivers.is_empty() && reading.config.receivers.is_empty() {
        let folder = reading.location.config.parent().unwrap_or(Path::new("."));
        plan.receivers.extend(receivers::ask(terminal, folder, &reading.env)?);
    }
    let told = !(plan.receivers.is_empty() && reading.config.receivers.is_empty());
    if told && !plan.test {
        plan.test = terminal.confirm("Send a test message when it is set up?", true)?;
    }
    if plan.service.is_none() {
        let ways = ["a timer, every 15 minutes", "a service that always runs (metrics, page)", "I will see to that"];
        // All the time is what a phone is not on.
        let ways: &[&str] = if phone { &[ways[0], ways[2]] } else { &ways };
        plan.service = match (phone, terminal.choose("Who runs the monitor?", ways)?) {
            (_, 0) => Some(ServiceArg::Timer),
            (false, 1) => Some(ServiceArg::Daemon),
            _ => None,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_where_the_gateway_reads_them() {
        assert_eq!(variable("anthropic"), Some("ANTHROPIC_API_KEY"));
        assert_eq!(variable(&normalize("Z.AI")), Some("ZAI_API_KEY"));
        assert_eq!(variable("github-copilot"), Some("COPILOT_GITHUB_TOKEN"));
        assert_eq!(variable("nobody"), None);
        let made = |secret: &str| {
            let place = Place::Dotenv { provider: "openai".into(), variable: "OPENAI_API_KEY" };
            key(place, Secret::new(secret.into()))
        };
        assert!(made("sk-ant-api03-x").is_ok());
        for (secret, why) in [
            ("sk-ant-oat01-canary", "only authorized for use with Claude Code"),
            (" ", "is empty"),
            ("sk-canary 2", "has blanks"),
        ] {
            let Err(failure) = made(secret) else { panic!("{why}") };
            assert!(failure.code() == 64 && failure.message.contains(why), "{failure}");
            assert!(!failure.message.contains("canary"));
        }
    }
}
