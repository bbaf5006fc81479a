//! `alerts`: what stands, and what a person does about it. Looking reads `state.db`; doing goes through the running monitor, or
//! where none runs into `state.db` under its lock ([`super::alerts_act`]).

use super::alerts_act::{act, author};
use super::args::{Alerts, AlertsCommand, OutboxCommand, SilenceArgs, SilenceCommand, When};
use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, alerts_test, print};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Location, values};
use crate::domain::{Action, Incident, Silence, Time};
use crate::engine::overlays::Overlays;
use crate::engine::silences;
use crate::monitor::{elsewhere, observe};
use crate::output::alerts::{self, Message, Options};
use crate::store::{FILE, Reader, StoreError};

/// What every one of these commands starts with.
pub(super) struct Scene<'a> {
    pub context: &'a Context,
    pub config: Config,
    pub location: Location,
    pub now: Time,
}

impl Scene<'_> {
    fn options(&self) -> Options {
        let env = &self.context.env;
        Options { width: print::width(env), zone: config::local_zone(env), lang: print::lang() }
    }
}

/// Runs the command.
///
/// # Errors
/// An id, condition or time that makes no sense (64), our own configuration (78), no way to the monitor (69).
pub fn run(args: Alerts, context: &Context) -> Outcome {
    if let AlertsCommand::Test { receiver, resolve } = &args.command {
        if args.host.is_some() {
            return Err(usage("a test goes to the receivers of this machine, whatever it is about: leave --host out"));
        }
        return alerts_test::run(receiver.as_deref(), *resolve, context);
    }
    let named = context.global.config.as_deref();
    let mut config = config::load(named, &context.env)
        .map_err(|problems| Failure::new(FailureKind::Config, config::report(&problems)))?;
    let mut location = config::locate(&context.env, named);
    if let Some(host) = &args.host {
        location.state = elsewhere::directory(&location.state, host);
        if !location.state.join(FILE).exists() {
            let message =
                format!("`opensoul monitor once --host {host}` has not run here: nothing is known of alerts about it");
            return Err(Failure::new(FailureKind::NoInput, message));
        }
        config.identity.host = Some(elsewhere::name(&location.state, host));
    }
    let scene = Scene { context, config, location, now: SystemClock::new().now() };
    match args.command {
        AlertsCommand::List { json } => list(&scene, json),
        AlertsCommand::Show { id, json } => show(&scene, &id, json),
        AlertsCommand::Ack { id, when, comment, by } => {
            let until = until(&scene, &when, scene.now)?;
            let action = Action::Ack { incident: id, until, snooze: false, comment };
            done(&scene, "Acknowledged", &action, &by.author, by.json)
        }
        AlertsCommand::Unack { id, by } => {
            done(&scene, "Not acknowledged any more", &Action::Unack { incident: id }, &by.author, by.json)
        }
        AlertsCommand::Snooze { id, when, comment, by } => {
            let until = until(&scene, &when, scene.now)?;
            if until.is_none() {
                return Err(usage("a snooze ends: write for example --for 2h"));
            }
            let action = Action::Ack { incident: id, until, snooze: true, comment };
            done(&scene, "Put off", &action, &by.author, by.json)
        }
        AlertsCommand::Silence(SilenceArgs { command: Some(SilenceCommand::List { json }), .. }) => {
            all_silences(&scene, json)
        }
        AlertsCommand::Silence(args) => silence(&scene, args),
        AlertsCommand::Unsilence { id, by } => {
            done(&scene, "Silence ended", &Action::Unsilence { silence: id }, &by.author, by.json)
        }
        AlertsCommand::Outbox(outbox) => match outbox.command {
            None => messages(&scene, outbox.json),
            Some(OutboxCommand::List { json }) => messages(&scene, json || outbox.json),
            Some(OutboxCommand::Retry { ids, by }) => {
                done(&scene, "Tried again now", &Action::Retry { messages: ids }, &by.author, by.json)
            }
            Some(OutboxCommand::Drop { ids, by }) => {
                done(&scene, "Given up", &Action::Drop { messages: ids }, &by.author, by.json)
            }
        },
        // Done above: it needs no store.
        AlertsCommand::Test { .. } => Ok(0),
    }
}

pub(super) fn usage(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Usage, message)
}

fn done(scene: &Scene<'_>, verb: &str, action: &Action, by: &Option<String>, json: bool) -> Outcome {
    let by = by.clone().unwrap_or_else(|| author(&scene.context.env));
    let document = act(scene, action, &by)?;
    if json {
        print::json(&document)?;
    } else {
        print::text(&alerts::acted(verb, &document, &scene.options()))?;
    }
    Ok(0)
}

fn silence(scene: &Scene<'_>, args: SilenceArgs) -> Outcome {
    let matchers = args.matchers.iter().map(|text| silences::parse(text)).collect::<Result<Vec<_>, _>>();
    let matchers = matchers.map_err(usage)?;
    if matchers.is_empty() {
        return Err(usage("say what is silenced, for example provider=anthropic; everything is alertname=~*"));
    }
    let starts_at = match &args.start {
        Some(text) => moment(scene, "--start", text)?,
        None => scene.now,
    };
    let Some(ends_at) = until(scene, &args.when, starts_at)? else {
        return Err(usage("a silence ends: write --for 2h or --until 2027-01-31"));
    };
    let Some(comment) = args.comment else {
        return Err(usage("say why: --comment \"…\""));
    };
    let action = Action::Silence { matchers, starts_at, ends_at, comment };
    done(scene, "Silenced", &action, &args.by.author, args.by.json)
}

fn until(scene: &Scene<'_>, when: &When, from: Time) -> Result<Option<Time>, Failure> {
    match (&when.r#for, &when.until) {
        (Some(text), _) => match values::duration(text) {
            Some(span) => Ok(Some(from + span)),
            None => Err(usage(format!("--for {text}: not a span of time; write for example 2h or 30m"))),
        },
        (None, Some(text)) => moment(scene, "--until", text).map(Some),
        (None, None) => Ok(None),
    }
}

fn moment(scene: &Scene<'_>, option: &str, text: &str) -> Result<Time, Failure> {
    let zone = scene.config.status.zone;
    values::moment(text, zone)
        .ok_or_else(|| usage(format!("{option} {text}: not a date; write 2027-01-31, or \"2027-01-31 12:00\"")))
}

/// What the monitor has written, if it ever ran here.
struct Known {
    incidents: Vec<Incident>,
    silences: Vec<Silence>,
}

fn known(scene: &Scene<'_>) -> Result<Option<Known>, Failure> {
    let Some(reader) = reader(scene)? else { return Ok(None) };
    let incidents = reader.incidents().map_err(|error| broken(&error))?;
    let silences = reader.silences().map_err(|error| broken(&error))?;
    Ok(Some(Known { incidents, silences }))
}

fn reader(scene: &Scene<'_>) -> Result<Option<Reader>, Failure> {
    Reader::open(&scene.location.state).map_err(|error| broken(&error))
}

pub(super) fn broken(error: &StoreError) -> Failure {
    let kind = if matches!(error, StoreError::Newer { .. }) { FailureKind::Config } else { FailureKind::Io };
    Failure::new(kind, error.to_string())
}

fn with<T>(scene: &Scene<'_>, known: &Known, show: impl FnOnce(&alerts::Alerts<'_>) -> T) -> T {
    let host = observe::host(&scene.config);
    let overlays = Overlays::new(&scene.config.alerts, &known.silences, &host, scene.now);
    let withheld = overlays.all(&known.incidents);
    let (incidents, silences) = (&known.incidents, &known.silences);
    let windows = scene.config.alerts.windows(scene.now);
    show(&alerts::Alerts { host: &host, now: scene.now, incidents, silences, windows: &windows, withheld: &withheld })
}

const NEVER: &str =
    "No monitor has run here yet: nothing is known of alerts. Start one: opensoul monitor run, or monitor once.";

fn list(scene: &Scene<'_>, json: bool) -> Outcome {
    let found = known(scene)?;
    if found.is_none() {
        note!("{NEVER}");
    }
    let found_some = found.is_some();
    let known = found.unwrap_or(Known { incidents: Vec::new(), silences: Vec::new() });
    if json {
        print::json(&with(scene, &known, alerts::document))?;
    } else if found_some {
        print::text(&with(scene, &known, |shown| alerts::incidents(shown, &scene.options())))?;
    }
    Ok(0)
}

fn show(scene: &Scene<'_>, id: &str, json: bool) -> Outcome {
    let Some(known) = known(scene)? else { return Err(Failure::new(FailureKind::NoInput, NEVER)) };
    let fitting: Vec<&Incident> =
        known.incidents.iter().filter(|one| !id.trim().is_empty() && one.id.as_str().starts_with(id.trim())).collect();
    let one = match fitting.as_slice() {
        [one] => *one,
        [] => return Err(usage(format!("there is no incident `{id}`; `opensoul alerts list` shows all"))),
        several => {
            let ids: Vec<&str> = several.iter().take(5).map(|one| one.id.as_str()).collect();
            return Err(usage(format!("`{id}` may be any of {}", ids.join(", "))));
        }
    };
    if json {
        print::json(&with(scene, &known, |shown| alerts::incident_json(one, shown.withheld.get(&one.id))))?;
    } else {
        print::text(&with(scene, &known, |shown| alerts::incident(one, shown, &scene.options())))?;
    }
    Ok(0)
}

fn all_silences(scene: &Scene<'_>, json: bool) -> Outcome {
    let silences = known(scene)?.map_or_else(Vec::new, |known| known.silences);
    if json {
        print::json(&alerts::silences_document(&silences, scene.now))?;
    } else {
        print::text(&alerts::silences(&silences, scene.now, &scene.options()))?;
    }
    Ok(0)
}

fn messages(scene: &Scene<'_>, json: bool) -> Outcome {
    let messages: Vec<Message> = match reader(scene)? {
        Some(reader) => reader.outbox().map_err(|error| broken(&error))?.into_iter().map(Into::into).collect(),
        None => Vec::new(),
    };
    if json {
        print::json(&alerts::outbox_document(&messages))?;
    } else {
        print::text(&alerts::outbox(&messages, scene.now, &scene.options()))?;
    }
    Ok(0)
}
