//! The plan of `onboard`, made of flags or of a person's answers. Writes nothing.

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum;

use super::super::args::{Onboard, ServiceArg, Shell};
use super::super::exit::{Failure, FailureKind};
use super::super::models_auth_paste::{from_file, from_pipe};
use super::super::print::spoken;
use super::super::prompt::Terminal;
use super::super::reading::Reading;
use super::Plan;
use crate::config::edit::NewReceiver;
use crate::config::is_termux;
use crate::control::onboard::Key;
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
/// A provider that the gateway reads no key of from its environment, a key that is none, a receiver of another form.
pub(super) fn of_flags(args: &Onboard) -> Result<Plan, Failure> {
    let mut keys = Vec::new();
    for text in &args.key_file {
        let (provider, path) =
            text.split_once('=').ok_or_else(|| usage("--key-file: write PROVIDER=FILE, such as anthropic=key.txt"))?;
        keys.push(key(provider, from_file("--key-file", Path::new(path))?)?);
    }
    if let Some(provider) = &args.key_stdin {
        keys.push(key(provider, from_pipe()?)?);
    }
    Ok(Plan {
        keys,
        undocumented: args.undocumented.map(|answer| answer.is_yes()),
        receivers: args.receiver.iter().map(|text| receiver(text)).collect::<Result<_, _>>()?,
        service: args.service,
        completions: args.completions,
        verify: args.verify,
        test: args.test,
    })
}

/// A key for the gateway's environment.
fn key(provider: &str, secret: Secret) -> Result<Key, Failure> {
    let provider = normalize(provider);
    let Some(variable) = variable(&provider) else {
        return Err(usage(format!(
            "the gateway reads no key of {provider} from its environment: opensoul models auth paste-token --provider {provider}"
        )));
    };
    match problem(&secret) {
        Some(why) => Err(usage(format!("the key of {provider} {why}"))),
        None => Ok(Key { provider, variable: variable.to_owned(), secret }),
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

/// `ntfy:TOPIC`, `webhook:FILE`, `desktop`, `termux`.
fn receiver(text: &str) -> Result<NewReceiver, Failure> {
    let (kind, value) = text.split_once(':').unwrap_or((text, ""));
    let made = |texts: Vec<(&'static str, String)>, files: Vec<(&'static str, String)>| NewReceiver {
        name: kind.to_owned(),
        kind: kind.to_owned(),
        texts,
        files,
    };
    match (kind, value) {
        ("ntfy", topic) if !topic.is_empty() => Ok(made(vec![("topic", topic.to_owned())], Vec::new())),
        ("webhook", file) if !file.is_empty() => Ok(made(Vec::new(), vec![("url", file.to_owned())])),
        ("desktop" | "termux", "") => Ok(made(Vec::new(), Vec::new())),
        _ => Err(usage(
            "--receiver: write ntfy:TOPIC, webhook:FILE (a file with the URL in it), desktop or termux; docs/channels.md has the \
             others, for monitor.toml",
        )),
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
pub(super) fn ask(terminal: &Terminal, plan: &mut Plan, reading: &Reading, observed: &Observed) -> Result<(), Failure> {
    keys(terminal, plan, observed)?;
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
fn keys(terminal: &Terminal, plan: &mut Plan, observed: &Observed) -> Result<(), Failure> {
    let given: BTreeSet<String> = plan.keys.iter().map(|key| key.provider.clone()).collect();
    let missing = observed
        .snapshot
        .providers
        .iter()
        .filter(|one| one.in_use && one.usable == 0 && !given.contains(&one.provider));
    for provider in missing.filter(|one| variable(&one.provider).is_some()) {
        let question = format!("API key for {} (a configured model needs it; Enter: none)", provider.provider);
        if let Some(secret) = secret(terminal, &question)? {
            plan.keys.push(key(&provider.provider, secret)?);
        }
    }
    while terminal.confirm("Add the API key of another provider?", false)? {
        let name = terminal.line("Provider (anthropic, openai, openrouter, …)", "", |_| None)?;
        let provider = normalize(&name);
        if variable(&provider).is_none() {
            say!("The gateway reads no key of {provider:?} from its environment.");
        } else if let Some(secret) = secret(terminal, &format!("API key for {provider} (Enter: none)"))? {
            plan.keys.retain(|key| key.provider != provider);
            plan.keys.push(key(&provider, secret)?);
        }
    }
    Ok(())
}

/// A key that can be one; asks again until it is, or empty.
fn secret(terminal: &Terminal, question: &str) -> Result<Option<Secret>, Failure> {
    let wrong = |text: &str| problem(&Secret::new(text.to_owned())).map(|why| format!("What was pasted {why}."));
    terminal.secret_or_none(question, wrong)
}

fn monitor(terminal: &Terminal, plan: &mut Plan, reading: &Reading) -> Result<(), Failure> {
    let phone = is_termux(&reading.env);
    if plan.receivers.is_empty() && reading.config.receivers.is_empty() {
        const LATER: &str = "nobody yet (docs/channels.md has the other ways)";
        let own =
            if phone { "termux: a notification of this phone" } else { "desktop: a notification of this machine" };
        let ways = ["ntfy: a push message to your phone", "webhook: a URL of yours", own, LATER];
        let way = terminal.choose("Who is told before a credential stops?", &ways)?;
        let made = match way {
            0 => {
                let topic =
                    terminal.line("Topic (whoever knows its name can read it)", &suggested_topic(), |_| None)?;
                Some(receiver(&format!("ntfy:{topic}"))?)
            }
            1 => {
                let file = terminal.line(
                    "File that has the URL in it (only you can read it)",
                    "~/.secrets/webhook",
                    |_| None,
                )?;
                Some(receiver(&format!("webhook:{file}"))?)
            }
            2 => Some(receiver(if phone { "termux" } else { "desktop" })?),
            _ => None,
        };
        plan.receivers.extend(made);
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

/// A topic that nobody guesses.
fn suggested_topic() -> String {
    format!("opensoul-{}", &uuid::Uuid::now_v7().simple().to_string()[12..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_where_the_gateway_reads_them() {
        let made = |provider: &str, secret: &str| key(provider, Secret::new(secret.into())).map(|key| key.variable);
        assert_eq!(made("anthropic", "sk-ant-api03-x"), Ok("ANTHROPIC_API_KEY".to_owned()));
        assert_eq!(made("Z.AI", "x"), Ok("ZAI_API_KEY".to_owned()));
        assert_eq!(made("github-copilot", "x"), Ok("COPILOT_GITHUB_TOKEN".to_owned()));
        for (provider, secret, why) in [
            ("anthropic", "sk-ant-oat01-canary", "only authorized for use with Claude Code"),
            ("openai", " ", "is empty"),
            ("openai", "sk-canary 2", "has blanks"),
            ("nobody", "canary", "reads no key of nobody"),
        ] {
            let failure = made(provider, secret).expect_err(provider);
            assert!(failure.code() == 64 && failure.message.contains(why), "{failure}");
            assert!(!failure.message.contains("canary"));
        }
    }

    #[test]
    fn receivers_in_short() {
        let made = receiver("ntfy:my-topic").expect("good");
        assert_eq!((made.name.as_str(), &made.texts[0]), ("ntfy", &("topic", "my-topic".to_owned())));
        assert_eq!(receiver("webhook:~/url").expect("good").files, [("url", "~/url".to_owned())]);
        for text in ["ntfy", "ntfy:", "webhook", "desktop:x", "slack:x", ""] {
            assert_eq!(receiver(text).expect_err(text).code(), 64, "{text}");
        }
        assert!(suggested_topic().len() > 24 && suggested_topic() != suggested_topic());
    }
}
