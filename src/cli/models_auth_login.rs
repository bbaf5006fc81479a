//! `models auth login`: runs the login command of whoever owns the login. No login flow of ours: a token that was issued to
//! another product's client is not ours to ask for.

use super::exit::{Failure, FailureKind, Outcome};
use super::models_auth::{Gateway, Unnamed, agent_words, provider};
use super::{Context, handover};
use crate::formats::auth_store::ProfileType;
use crate::formats::installation::Family;
use crate::formats::provider_id::normalize;
use crate::formats::shell;

/// Provider, and the words that log its own tool in (`facts`: re-authentication of each source).
const TOOLS: [(&str, &[&str]); 11] = [
    ("anthropic", &["claude", "auth", "login"]),
    ("openai-codex", &["codex", "login"]),
    ("openai", &["codex", "login"]),
    ("github-copilot", &["copilot", "login"]),
    ("github", &["gh", "auth", "login"]),
    ("huggingface", &["hf", "auth", "login"]),
    ("amazon-bedrock", &["aws", "sso", "login"]),
    ("google-vertex", &["gcloud", "auth", "application-default", "login"]),
    ("azure", &["az", "login"]),
    ("databricks", &["databricks", "auth", "login"]),
    ("opencode", &["opencode", "auth", "login"]),
];

/// Runs the command.
///
/// # Errors
/// Nobody here can do it (69, with what would), or it does not succeed.
pub fn run(whose: &str, agent: Option<&str>, context: &Context) -> Outcome {
    let provider = provider(whose)?;
    let gateway = Gateway::open(agent, Unnamed::Main, context)?;
    let family = gateway.installation.family;
    // A login that is in the gateway's store is the gateway's: no other program renews it.
    let stored = gateway
        .store()?
        .store
        .profiles
        .iter()
        .any(|profile| profile.kind == ProfileType::Oauth && normalize(&profile.provider) == provider);
    let words = agent_words(&["models", "auth", "login", "--provider", &provider], agent);
    let tool = TOOLS.iter().find(|(id, _)| *id == provider).map(|(_, words)| *words);
    let own = handover::program_of(family.word(), &context.env);
    let tool_here = tool.and_then(|words| Some((handover::program_of(words[0], &context.env)?, words)));
    let choice = match (own, tool_here) {
        (Some(own), tool) if stored || tool.is_none() => (own, family.word(), words.clone()),
        (_, Some((program, words))) if !stored => (program, words[0], words[1..].to_vec()),
        _ => return Err(nobody(&provider, family, &words, tool.filter(|_| !stored))),
    };
    let (program, name, words) = choice;
    let line = line(name, &words);
    note!("opensoul: running {line}");
    let mut command = std::process::Command::new(program);
    let status = command.args(&words).envs(super::owner::variables(context)).status();
    match status {
        Ok(status) if status.success() => {
            if name != family.word() {
                say!("The login is {name}'s own; {name} renews it. What the gateway uses: opensoul models status");
            }
            Ok(0)
        }
        Ok(status) => Err(Failure::new(FailureKind::Unavailable, format!("`{line}` did not succeed ({status})"))),
        Err(error) => Err(Failure::new(FailureKind::Unavailable, format!("`{line}` cannot be run: {error}"))),
    }
}

fn line(name: &str, words: &[&str]) -> String {
    std::iter::once(name).chain(words.iter().copied()).map(shell::word).collect::<Vec<_>>().join(" ")
}

fn nobody(provider: &str, family: Family, words: &[&str], tool: Option<&[&str]>) -> Failure {
    let mut lines = vec![format!("no program that logs in to {provider} is in PATH. Run one of these where it is:")];
    lines.extend(tool.map(|tool| format!("  {}", line(tool[0], &tool[1..]))));
    lines.push(format!("  {}", line(family.word(), words)));
    lines.push(format!(
        "Or store a key or token: opensoul models auth add (paste-token --provider {})",
        shell::word(provider)
    ));
    Failure::new(FailureKind::Unavailable, lines.join("\n"))
}
