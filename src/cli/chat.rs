//! `chat`: one line, or a conversation on a terminal. `/model` is about a session of the gateway; the other commands are those of
//! every chat ([`crate::chat`]), answered from a look at this machine now. Who types here is on the machine itself, so nothing is
//! asked back.

use std::io::{BufRead, IsTerminal, Write};

use super::alerts::Scene as Desk;
use super::alerts_act::{act, author};
use super::args::Chat;
use super::exit::{Failure, FailureKind, Outcome};
use super::reading::Reading;
use super::{Context, print};
use crate::chat::answer::Scene;
use crate::chat::command::{NotOne, parse};
use crate::chat::conversation::{self, Reply, Speaker};
use crate::chat::model::{Said, Sessions, Trouble, TroubleKind};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::control::Keeper;
use crate::domain::Pseudonyms;
use crate::engine::overlays::Overlays;
use crate::formats::installation::Family;
use crate::monitor::sessions::GatewaySessions;
use crate::output::alerts;
use crate::store::Reader;

/// Runs the command.
///
/// # Errors
/// What was wanted is not possible (65), the session or its file is not there (66), sessions are kept where we do not write (69).
pub fn run(args: &Chat, context: &Context) -> Outcome {
    if !args.text.is_empty() {
        let said = line(&args.text.join(" "), args, context)?;
        print::text(&(said.text + "\n"))?;
        return Ok(if said.refused { Failure::new(FailureKind::Data, "").code() } else { 0 });
    }
    converse(args, context)
}

fn converse(args: &Chat, context: &Context) -> Outcome {
    let stdin = std::io::stdin();
    let person = stdin.is_terminal();
    if person {
        note!("/model, /status, /expiring, /doctor, /help; /quit or Ctrl-D ends.");
    }
    loop {
        if person {
            anstream::eprint!("> ");
            let _ = std::io::stderr().flush();
        }
        let mut typed = String::new();
        let read = stdin.lock().read_line(&mut typed);
        if read
            .map_err(|error| Failure::new(FailureKind::Io, format!("cannot read what is typed: {}", error.kind())))?
            == 0
        {
            return Ok(0);
        }
        match typed.trim() {
            "" => {}
            "/quit" | "/exit" => return Ok(0),
            typed => match line(typed, args, context) {
                Ok(said) => print::text(&(said.text + "\n"))?,
                // A conversation goes on.
                Err(failure) => note!("opensoul: {failure}"),
            },
        }
    }
}

fn line(typed: &str, args: &Chat, context: &Context) -> Result<Said, Failure> {
    // An alias is a command of its own, but ours come first.
    if matches!(parse(typed, None), Err(NotOne::Unknown | NotOne::Talk)) {
        let sessions = GatewaySessions {
            env: context.env.clone(),
            cwd: std::env::current_dir().ok(),
            preferred: Family::of_program(&context.program.name),
            session: args.session.clone(),
            agent: args.agent.clone(),
            patience: Keeper::PATIENCE,
        };
        let ours = |said: Said| Said { text: print::spoken(said.text), ..said };
        match sessions.ask(typed).map_err(failed)? {
            Some(said) if said.changes => return sessions.order(typed).map(ours).map_err(failed),
            Some(said) => return Ok(ours(said)),
            None => {}
        }
    }
    others(typed, context)
}

fn failed(trouble: Trouble) -> Failure {
    let kind = match trouble.kind {
        TroubleKind::Config => FailureKind::Config,
        TroubleKind::Absent => FailureKind::NoInput,
        TroubleKind::Broken => FailureKind::Data,
        TroubleKind::Elsewhere => FailureKind::Unavailable,
        TroubleKind::Busy => FailureKind::TryAgain,
        TroubleKind::Unwritten => FailureKind::Io,
    };
    Failure::new(kind, trouble.message)
}

/// `/status`, `/ack` and so on.
fn others(typed: &str, context: &Context) -> Result<Said, Failure> {
    let broken = |error: crate::store::StoreError| super::alerts::broken(&error);
    let reading = Reading::open(context).map_err(broken)?;
    if !reading.config_problems.is_empty() {
        return Err(Failure::new(FailureKind::Config, config::report(&reading.config_problems)));
    }
    let observed = reading.observe(context.program.clone());
    let reader = Reader::open(&reading.location.state).map_err(broken)?;
    let (incidents, silences) = match &reader {
        Some(reader) => (reader.incidents().map_err(broken)?, reader.silences().map_err(broken)?),
        None => (Vec::new(), Vec::new()),
    };
    let host = observed.snapshot.host.clone();
    let withheld = Overlays::new(&reading.config.alerts, &silences, &host, reading.now).all(&incidents);
    let names = Pseudonyms::new([].into(), true);
    let home = reading.env.home();
    let zone = config::local_zone(&reading.env);
    let scene = Scene {
        snapshot: Some(&observed.snapshot),
        incidents: &incidents,
        silences: &silences,
        withheld: &withheld,
        names: &names,
        host: &host,
        home: &home,
        zone,
        lang: print::lang(),
        writes: true,
        now: reading.now,
    };
    let speaker = Speaker { our_name: None, alone: true, who: "you" };
    match conversation::reply(&scene, typed, &speaker) {
        Reply::Nothing => Ok(Said { text: String::new(), refused: false, changes: false }),
        Reply::Text(text) => Ok(Said { text, refused: false, changes: false }),
        Reply::Ask { write, .. } => {
            let now = SystemClock::new().now();
            let desk = Desk { context, config: reading.config.clone(), location: reading.location.clone(), now };
            let document = act(&desk, &write.action(now), &author(&context.env))?;
            let options = alerts::Options { width: print::width(&context.env), zone, lang: print::lang() };
            Ok(Said {
                text: alerts::acted("Done", &document, &options).trim_end().to_owned(),
                refused: false,
                changes: false,
            })
        }
    }
}
