//! Arguments, one file per command, exit codes. Commands tie the rooms together and hold no decisions of their own.

// First, because its macros are for all the others.
#[macro_use]
mod print;

mod alerts;
mod alerts_act;
mod alerts_test;
pub mod args;
pub mod args_auth;
pub mod args_onboard;
mod asking;
mod chat;
mod check_config;
pub mod completions;
mod credentials;
mod credentials_declare;
pub mod doctor;
mod doctor_fix;
pub mod exit;
pub mod handover;
mod models_auth;
mod models_auth_list;
mod models_auth_login;
mod models_auth_order;
mod models_auth_paste;
mod models_config;
mod models_status;
mod monitor_backup;
mod monitor_demo;
mod monitor_forget;
mod monitor_init;
mod monitor_once;
mod monitor_run;
mod onboard;
mod owner;
mod plugin;
mod prompt;
pub mod reading;
mod status;
pub mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::doctor::Program;
use crate::domain::Environment;
use crate::monitor::logs;
use args::{Cli, Command, ModelsCommand, ModelsOnly, ModelsWord, MonitorCommand};
use exit::{Failure, FailureKind, Outcome};

/// What every command gets.
pub struct Context {
    /// Options that every command takes.
    pub global: args::Global,
    /// The process environment, captured once; `--profile` has been applied to it.
    pub env: Environment,
    /// The same without `--profile`.
    pub env_as_given: Environment,
    /// How this program was started.
    pub program: Program,
}

/// The whole program.
#[must_use]
pub fn main(argv: Vec<OsString>, vars: Vec<(OsString, OsString)>) -> ExitCode {
    let mut env: Environment = vars
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    // As the gateways do: without HOME, the home directory of the user's account.
    if env.get("HOME").is_none()
        && let Some(home) = std::env::home_dir().filter(|home| home.is_absolute())
    {
        env.set("HOME", home.to_string_lossy());
    }
    print::choose_language(&argv, &env);
    match run(&argv, env.clone()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) if plugin::asked(&argv) => ExitCode::from(plugin::unknown(&failure.message, &argv)),
        // Clap has said it already.
        Err(failure) if failure.message.is_empty() => failure.into(),
        Err(failure) => {
            let message = format!("opensoul: {failure}");
            match logs::last_words(&env, &message) {
                // The journal is a log, which is English.
                urgent if urgent != message => anstream::eprintln!("{urgent}"),
                _ => note!("{message}"),
            }
            failure.into()
        }
    }
}

fn run(argv: &[OsString], env: Environment) -> Outcome {
    // Where the narrow command line does not fit, the whole one says why.
    if argv.get(1).is_some_and(|word| word == "models")
        && argv.get(2).is_some_and(|word| word == "status")
        && let Ok(ModelsOnly { global, command: ModelsWord::Models(models) }) = ModelsOnly::try_parse_from(argv)
    {
        let program = doctor::program(argv.first().map(OsString::as_os_str));
        let mut context = Context { global, env_as_given: env.clone(), env, program };
        apply_profile(&mut context)?;
        return models_status::run(models, &context);
    }
    let argv = match handover::whose(argv) {
        handover::Whose::Ours(argv) => argv,
        handover::Whose::Foreign { words } => return Err(handover::hand_over(argv, &env, &words)),
    };
    let program = doctor::program(argv.first().map(OsString::as_os_str));
    let cli = match Cli::try_parse_from(&argv) {
        Ok(cli) => cli,
        Err(error) => return usage::tell(&error, &argv, &env),
    };
    let mut context = Context { global: cli.global, env_as_given: env.clone(), env, program };
    apply_profile(&mut context)?;
    dispatch(cli.command, &context)
}

/// `--profile NAME` and `--dev`: another state directory, unless the environment names one.
fn apply_profile(context: &mut Context) -> Result<(), Failure> {
    let dev = context.global.dev.then_some("dev");
    let Some(name) = context.global.profile.as_deref().map(str::trim).or(dev) else { return Ok(()) };
    let fits = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !fits {
        let message = "--profile: a name has letters, digits, - and _ only, and begins with a letter or digit";
        return Err(Failure::new(FailureKind::Usage, message));
    }
    let directory =
        if name.eq_ignore_ascii_case("default") { ".opensoul".to_owned() } else { format!(".opensoul-{name}") };
    let state_dir = context.env.home().join(directory);
    let config = state_dir.join("opensoul.json");
    for (variable, path) in [("OPENSOUL_STATE_DIR", state_dir), ("OPENSOUL_CONFIG_PATH", config)] {
        if context.env.get(variable).is_none() {
            context.env.set(variable, path.to_string_lossy());
        }
    }
    Ok(())
}

fn run_models(models: args::Models, context: &Context) -> Outcome {
    let agent = models.agent.clone();
    match models.command {
        Some(ModelsCommand::Auth(auth)) => models_auth::run(auth, agent.as_deref(), context),
        Some(ModelsCommand::List { json, plain }) => models_config::list(json, plain, context),
        Some(ModelsCommand::Set { model }) => models_config::set(&model, context),
        Some(ModelsCommand::Aliases { command }) => models_config::aliases(command, context),
        Some(ModelsCommand::Fallbacks { command }) => models_config::fallbacks(command, context),
        Some(ModelsCommand::Status(_)) | None => models_status::run(models, context),
    }
}

fn dispatch(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Monitor(args::Monitor { command: MonitorCommand::Init { force } }) => {
            monitor_init::run(context, force)
        }
        Command::Monitor(args::Monitor { command: MonitorCommand::Run }) => monitor_run::run(context),
        Command::Monitor(args::Monitor { command: MonitorCommand::Demo { r#for } }) => {
            monitor_demo::run(context, r#for.as_deref())
        }
        Command::Monitor(args::Monitor { command: MonitorCommand::Once { host } }) => monitor_once::run(context, &host),
        Command::Monitor(args::Monitor { command: MonitorCommand::Forget }) => monitor_forget::run(context),
        Command::Monitor(args::Monitor { command: MonitorCommand::CheckConfig }) => check_config::run(context),
        Command::Monitor(args::Monitor { command: MonitorCommand::Backup { file } }) => {
            monitor_backup::run(context, &file)
        }
        Command::Completions { shell } => completions::completions(shell, &mut std::io::stdout().lock()),
        Command::Man { dir } => completions::man(&dir, &mut std::io::stdout().lock()),
        Command::Credentials(args) => credentials::run(&args.command, context),
        Command::Doctor(args) => doctor::command(&args, context),
        Command::Onboard(args) => onboard::run(&args, context),
        Command::Alerts(args) => alerts::run(args, context),
        Command::Chat(args) => chat::run(&args, context),
        Command::Models(models) => run_models(models, context),
        Command::Status(args) => status::run(&args, context),
    }
}
