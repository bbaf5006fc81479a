//! One line of somebody who may speak, and what is answered. Pure: what is to be done is handed back, never done.

use super::answer::{self, Scene};
use super::command::{Command, NotOne, Write, parse};
use crate::domain::{Acted, Refused};

/// Who speaks, and where.
#[derive(Clone, Copy, Debug)]
pub struct Speaker<'a> {
    /// What we are called there; a terminal calls us nothing.
    pub our_name: Option<&'a str>,
    /// Nobody else is spoken to there: what is no command of ours is answered too.
    pub alone: bool,
    /// What the speaker is called.
    pub who: &'a str,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: it was not said to us.
    Nothing,
    /// A text.
    Text(String),
    /// Something would be done: is that meant?
    Ask {
        /// The question.
        question: String,
        /// What would be done, with ids written out.
        write: Write,
    },
}

/// Answers a line.
#[must_use]
pub fn reply(scene: &Scene<'_>, line: &str, speaker: &Speaker<'_>) -> Reply {
    let text = match parse(line, speaker.our_name) {
        Ok(Command::Help) => answer::help(scene),
        Ok(Command::Status) => answer::status(scene),
        Ok(Command::Doctor) => answer::doctor(scene),
        Ok(Command::Expiring(within)) => answer::expiring(scene, within),
        Ok(Command::Write(_)) | Err(NotOne::Wrong(_)) if !scene.writes => answer::no_writes(scene),
        Ok(Command::Write(write)) => return ask(scene, write, speaker),
        Err(NotOne::Wrong(why)) => scene.say(&why),
        Err(NotOne::Unknown | NotOne::Talk) if speaker.alone => answer::unknown(scene),
        Err(NotOne::Unknown | NotOne::Talk) => return Reply::Nothing,
    };
    Reply::Text(text)
}

fn ask(scene: &Scene<'_>, mut write: Write, speaker: &Speaker<'_>) -> Reply {
    let mut title = None;
    if let Some(id) = write.incident() {
        let Some(incident) = answer::meant(scene, id) else {
            return Reply::Text(answer::which(
                scene,
                &format!("No open incident, or more than one, begins with {id}."),
            ));
        };
        title = Some(incident.title.clone());
        if let Write::Ack { incident: id, .. } | Write::Unack { incident: id } | Write::Snooze { incident: id, .. } =
            &mut write
        {
            *id = incident.id.to_string();
        }
    }
    Reply::Ask { question: answer::question(scene, &write, title.as_deref(), speaker.who), write }
}

/// What is said when it is done, or could not be.
#[must_use]
pub fn outcome(scene: &Scene<'_>, write: &Write, result: &Result<Acted, Refused>, by: &str) -> String {
    match result {
        Ok(acted) => answer::done(scene, write, acted, by),
        Err(why) => scene.say(&format!("Nothing was done: {why}")),
    }
}
