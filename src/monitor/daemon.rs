//! `monitor run`: start-up read top to bottom, the loop, reload, the end.
//!
//! One worker does one thing at a time: a cycle, a reload, a look at the outbox. Messages under way and pages are tasks beside
//! it. It ends within five seconds of a signal, whatever hangs, but for the disk that has its own state.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config, Listen, Location};
use crate::domain::{Environment, Snapshot, Time};
use crate::engine::due::due;
use crate::engine::policy::Schedule;
use crate::export::own::Own;
use crate::net::Clients;
use crate::notify::Signer;
use crate::store::{links, token};
use crate::web::{self, Door, Passes, Reload, Site};

use super::chat::{Listener, gateway_sessions, rivals};
use super::clerk::DeskClerk;
use super::cycle::{self, CycleError, Eyes, Monitor, PROBE, STATUS};
use super::delivery::{Mail, deliver};
use super::desk::Desk;
use super::ground::{Ground, StartError};
use super::observe::host;
use super::probing::{self, Answers};
use super::pushes::{Begun, Pushes};
use super::systemd;
use super::ticker::{Tick, Ticker};
use super::watch::{Changed, Watch};

/// How a daemon is started.
pub struct Start {
    /// The environment.
    pub env: Environment,
    /// The value of `--config`.
    pub config: Option<PathBuf>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// How often to look at it ([`super::ticker`]).
    pub beat: &'static str,
    /// Ends it from within; signals do so too.
    pub stop: CancellationToken,
    /// Told the address of the page, each time it opens.
    pub opened: Option<mpsc::UnboundedSender<String>>,
}

/// How long a cycle under way may take after the end has begun.
const DRAIN: Duration = Duration::from_secs(2);
/// How long messages under way may take after that.
const LAST_MAIL: Duration = Duration::from_millis(1500);

/// Runs until told to stop.
///
/// # Errors
/// If it cannot start. Nothing that happens later ends it.
pub async fn run<E: Eyes + 'static>(
    start: Start,
    eyes: impl FnOnce(&Ground) -> Result<E, StartError>,
) -> Result<(), StartError> {
    let clock = Arc::clone(&start.clock);
    let system = |what| move |source| StartError::System { what, source };

    let ground = Ground::open(&start.env, start.config.as_deref(), true, clock.now())?;
    let eyes: Arc<dyn Eyes> = Arc::new(eyes(&ground)?);
    let Ground { location, config, lock, store } = ground;
    say_what_is_odd(&config, &start.env);

    let (desk, store_thread) = Desk::new(store).map_err(system("no thread for state.db"))?;
    let own = Arc::new(Own::new(clock.now()));
    let (reload_sender, reloads) = mpsc::channel(1);
    let token = token::load_or_create(&location.state);
    let token = token.inspect_err(|error| tracing::warn!(%error, "reload over HTTP is not possible")).ok();
    let site = Arc::new(Site::new(Arc::clone(&clock), Arc::clone(&own), token, reload_sender));
    site.keep_at(&location.state);
    let pass = |file| token::named(&location.state, file);
    match (pass(token::CALENDAR), pass(token::BADGE)) {
        (Ok(calendar), Ok(badge)) => site.hand_out(Passes { calendar, badge }),
        (Err(error), _) | (_, Err(error)) => tracing::warn!(%error, "no calendar and no badges"),
    }
    let progress = systemd::Progress::new(&clock);
    let monitor = Monitor::new(&clock, desk, own, Some(Arc::clone(&site)), eyes, progress.clone(), start.env.home());

    let stop_on_signals = stop_on_signals(start.stop.clone()).map_err(system("no signals"))?;
    let hangups = signal(SignalKind::hangup()).map_err(system("no signals"))?;
    let (tick_sender, ticks) = mpsc::channel(1);
    let ticker = Ticker::start(start.beat, tick_sender).await;
    let ticker =
        ticker.map_err(|error| StartError::System { what: "no heartbeat", source: std::io::Error::other(error) })?;
    let watchdog = tokio::spawn(systemd::feed_watchdog(progress));

    let (change_sender, changes) = mpsc::channel(1);
    site.staff(Arc::new(DeskClerk::new(monitor.desk.clone(), clock, change_sender.clone())));
    let env = start.env.clone();
    site.talk_about(Arc::new(move |session, agent| Box::new(gateway_sessions(&env, session, agent))));
    let watch = Watch::start(change_sender.clone());
    let mut daemon = Daemon::new(start, location, config, monitor, site, watch, change_sender);
    daemon.open_door().await;
    systemd::ready();
    daemon.work(Events { ticks, changes, hangups, reloads }).await;

    systemd::stopping();
    ticker.stop().await;
    stop_on_signals.abort();
    watchdog.abort();
    daemon.end().await;
    let closing = tokio::task::spawn_blocking(move || store_thread.join());
    let _ = tokio::time::timeout(Duration::from_millis(500), closing).await;
    drop(lock);
    tracing::info!("stopped");
    Ok(())
}

fn say_what_is_odd(config: &Config, env: &Environment) {
    match &config.path {
        Some(path) => tracing::info!("configuration: {}", path.display()),
        None => {
            tracing::info!("no configuration file: everything has its default (`opensoul monitor init` writes one)")
        }
    }
    if config.receivers.is_empty() {
        tracing::warn!(
            "nobody is told of anything: add [[receivers]] to monitor.toml (`opensoul monitor init` writes examples)"
        );
    }
    if config::is_termux(env) {
        tracing::warn!(
            "this keeps the processor of a phone awake; `opensoul monitor once` every 15 minutes (termux-job-scheduler) does the same without"
        );
    }
}

/// Ends everything on the first SIGTERM or SIGINT.
fn stop_on_signals(stop: CancellationToken) -> std::io::Result<JoinHandle<()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        stop.cancel();
    }))
}

/// What the worker waits for.
struct Events {
    ticks: mpsc::Receiver<Tick>,
    changes: mpsc::Receiver<Changed>,
    hangups: tokio::signal::unix::Signal,
    reloads: mpsc::Receiver<Reload>,
}

/// Before a provider's refusal is heard a second time, at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// The page's door while it is open.
struct OpenDoor {
    listen: Listen,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

struct Daemon {
    start: Start,
    location: Location,
    config: Arc<Config>,
    clients: Arc<Clients>,
    mail: Arc<Mail>,
    pushes: Arc<Pushes>,
    monitor: Monitor,
    site: Arc<Site>,
    door: Option<OpenDoor>,
    /// Reports changed files between the ticks.
    watch: Watch,
    /// Begins a cycle.
    wake: mpsc::Sender<Changed>,
    /// Listens to the chat.
    listener: Option<Listener>,
    /// Messages under way.
    delivering: Option<JoinHandle<usize>>,
    /// They were begun because something was due.
    expected: bool,
    /// Providers are being asked.
    asking: Option<JoinHandle<Result<Answers, CycleError>>>,
    /// State pushes under way; they end with the daemon.
    pushing: JoinSet<()>,
    /// The outbox has nothing that can be tried before the next tick or cycle.
    idle: bool,
    /// When this process last completed a cycle.
    last_cycle: Option<Time>,
    /// What it saw then.
    seen: Option<Arc<Snapshot>>,
    /// From when on a login that was renewed after a refusal may be asked about.
    proof_at: Option<Time>,
    /// Why the configuration in use is not the one in the file.
    not_taken: Option<String>,
}

impl Daemon {
    fn new(
        start: Start,
        location: Location,
        config: Arc<Config>,
        monitor: Monitor,
        site: Arc<Site>,
        watch: Watch,
        wake: mpsc::Sender<Changed>,
    ) -> Self {
        let clients = Clients::new(&start.env);
        let signer = new_signer(&config, &location, &site);
        let mail = new_mail(&config, &start, &clients, &monitor, signer.as_ref());
        let pushes = new_pushes(&config, None, &start, &clients, &monitor);
        site.allow_hosts(config.web.allowed_hosts.clone());
        Self {
            start,
            location,
            config,
            clients,
            mail,
            pushes,
            monitor,
            site,
            door: None,
            watch,
            wake,
            listener: None,
            delivering: None,
            expected: false,
            asking: None,
            pushing: JoinSet::new(),
            idle: false,
            last_cycle: None,
            seen: None,
            proof_at: None,
            not_taken: None,
        }
    }

    async fn work(&mut self, mut events: Events) {
        let stop = self.start.stop.clone();
        self.cycle(&Answers::default()).await;
        self.listen().await;
        while !stop.is_cancelled() {
            let next_message = self.next_message().await;
            if next_message.is_zero() && !self.idle && self.start_delivery() {
                self.expected = true;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(answer) = events.reloads.recv() => {
                    let _ = answer.send(self.reload().await);
                }
                _ = events.hangups.recv() => {
                    let _ = self.reload().await;
                }
                _ = events.ticks.recv() => self.tick().await,
                Some(Changed) = events.changes.recv() => self.cycle(&Answers::default()).await,
                tried = ended(self.delivering.as_mut()) => {
                    self.delivering = None;
                    // A round of the tick that finds nothing says nothing about what becomes due right after it.
                    self.idle = std::mem::take(&mut self.expected) && tried.unwrap_or(0) == 0;
                }
                asked = ended(self.asking.as_mut()) => {
                    self.asking = None;
                    self.answered(asked).await;
                }
                () = tokio::time::sleep(next_message), if !next_message.is_zero() => {}
            }
        }
    }

    /// A minute has passed (or a suspend): runs what is due.
    async fn tick(&mut self) {
        // Also what a clock that was set back has made due.
        self.start_delivery();
        if self.door.is_none() {
            self.open_door().await;
        }
        let now = self.monitor.clock.now();
        let last = match self.monitor.desk.with(|store| store.last_run(STATUS)).await {
            Ok(Ok(last)) => last,
            // Not knowing when it last ran is a reason to run.
            _ => self.last_cycle,
        };
        if due(&self.config.status, last, now).now {
            self.count_missed(now);
            self.cycle(&Answers::default()).await;
        } else {
            self.monitor.progress.made();
            self.push_again();
        }
        self.probe().await;
    }

    /// Asks the providers if that is due; the next cycle judges what they say.
    async fn probe(&mut self) {
        let last = match self.monitor.desk.with(|store| store.last_run(PROBE)).await {
            Ok(Ok(last)) => last,
            // Not knowing is no reason to ask again and again.
            _ => return,
        };
        let now = self.monitor.clock.now();
        let all = self.config.probe.as_ref().is_some_and(|probe| due(probe, last, now).now);
        let renewed = self.proof_at.is_some_and(|at| at <= now);
        if self.asking.is_some() || !(all || renewed) {
            return;
        }
        // Beside the cycles: hearing a refusal twice takes half a minute, in which files are judged as ever.
        let (monitor, config, clients) = (self.monitor.clone(), Arc::clone(&self.config), Arc::clone(&self.clients));
        let env = self.start.env.clone();
        self.asking = Some(tokio::spawn(async move {
            if all {
                probing::round(&monitor, &config, &env, &clients, PATIENCE).await
            } else {
                probing::prove_renewed(&monitor, &config, &env, &clients, PATIENCE).await
            }
        }));
    }

    /// The providers have answered (or the task that asked them died).
    async fn answered(&mut self, asked: Option<Result<Answers, CycleError>>) {
        match asked {
            Some(Ok(answers)) => self.cycle(&answers).await,
            Some(Err(error)) => tracing::error!(%error, "the providers were not asked"),
            None => {}
        }
    }

    /// A cycle; given up when it still runs a moment after the end has begun.
    async fn cycle(&mut self, answers: &Answers) {
        let given_up = {
            let stop = self.start.stop.clone();
            async move {
                stop.cancelled().await;
                tokio::time::sleep(DRAIN).await;
            }
        };
        let begun = self.pushes.begin(&self.monitor).await;
        let notes: Vec<String> = self.not_taken.iter().cloned().collect();
        let done = tokio::select! {
            done = cycle::cycle(&self.monitor, &self.config, answers, &notes) => done,
            () = given_up => return,
        };
        self.idle = false;
        match done {
            Ok(committed) => {
                self.last_cycle = Some(committed.snapshot.taken_at);
                self.seen = Some(Arc::clone(&committed.snapshot));
                self.proof_at = committed.proof_at;
                self.watch.follow(&committed.snapshot);
                let count = committed.snapshot.credentials.len();
                tracing::debug!(credentials = count, messages = committed.messages, "cycle");
                systemd::status(&format!("{count} credentials watched"));
                self.push(begun, &committed.snapshot);
            }
            Err(error) => tracing::error!(%error, "this cycle came to nothing"),
        }
        if let Err(error) = cycle::tidy(&self.monitor, &self.config).await {
            tracing::warn!(%error, "old entries of state.db could not be dropped");
        }
    }

    /// Beside the cycles and the messages: neither waits for an Alertmanager.
    fn push(&mut self, begun: Option<Begun>, seen: &Arc<Snapshot>) {
        while let Some(ended) = self.pushing.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a push panicked; this one tries again");
            }
        }
        if let Some(begun) = begun {
            let (monitor, config, seen) = (self.monitor.clone(), Arc::clone(&self.config), Arc::clone(seen));
            self.pushing.spawn(Arc::clone(&self.pushes).push(monitor, config, seen, begun));
        }
    }

    /// What is pushed and would be forgotten before the next round is said again.
    fn push_again(&mut self) {
        if let Some(seen) = &self.seen {
            let (monitor, config, seen) = (self.monitor.clone(), Arc::clone(&self.config), Arc::clone(seen));
            self.pushing.spawn(Arc::clone(&self.pushes).again(monitor, config, seen));
        }
    }

    fn count_missed(&self, now: Time) {
        let Some(last) = self.last_cycle else { return };
        let missed = slots(&self.config.status, last, now).saturating_sub(1);
        if missed > 0 {
            tracing::info!(missed, "cycles were missed (suspended, or the last one took long)");
            self.monitor.own.missed(missed);
        }
    }

    /// Sends what is due, unless the last round is still under way (then `false`).
    fn start_delivery(&mut self) -> bool {
        if self.delivering.is_some() {
            return false;
        }
        let (monitor, config, mail) = (self.monitor.clone(), Arc::clone(&self.config), Arc::clone(&self.mail));
        self.delivering = Some(tokio::spawn(async move {
            deliver(&monitor, &config, &mail).await.unwrap_or_else(|error| {
                tracing::error!(%error, "messages could not be delivered");
                0
            })
        }));
        true
    }

    /// How long until the next message is due. The tick comes each minute all the same: a machine that slept keeps no timer.
    async fn next_message(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        let least = self.config.alerts.least_severity(self.monitor.clock.now());
        match self.monitor.desk.with(move |store| store.next_due(least)).await {
            Ok(Ok(Some(at))) => (at - self.monitor.clock.now()).to_std().unwrap_or_default().min(LONGEST),
            _ => LONGEST,
        }
    }

    /// Reads the configuration again. A bad one changes nothing and says so.
    async fn reload(&mut self) -> Result<String, String> {
        systemd::reloading();
        let result = match rivals::load(self.start.config.as_deref(), &self.start.env) {
            Ok(config) => {
                self.adopt(config).await;
                self.monitor.own.reloaded(Ok(self.monitor.clock.now()));
                self.not_taken = None;
                tracing::info!("the configuration was read again");
                Ok("The configuration was read again.".to_owned())
            }
            Err(problems) => {
                self.monitor.own.reloaded(Err(()));
                let report = config::report(&problems);
                self.not_taken = Some(format!(
                    "{} has {} problem(s) and was not taken; the last good one is in use. `opensoul monitor check-config` lists them.",
                    self.location.config.display(),
                    problems.len(),
                ));
                tracing::error!("the configuration was not taken, the last good one is in use:\n{report}");
                Err(report)
            }
        };
        systemd::ready();
        self.cycle(&Answers::default()).await;
        result
    }

    async fn adopt(&mut self, config: Config) {
        let old = std::mem::replace(&mut self.config, Arc::new(config));
        say_what_is_odd(&self.config, &self.start.env);
        // A certificate store may have changed too.
        self.clients = Clients::new(&self.start.env);
        let signer = new_signer(&self.config, &self.location, &self.site);
        self.mail = new_mail(&self.config, &self.start, &self.clients, &self.monitor, signer.as_ref());
        let pushes = new_pushes(&self.config, Some(&self.pushes), &self.start, &self.clients, &self.monitor);
        let before = std::mem::replace(&mut self.pushes, pushes);
        self.pushing.spawn(before.leave(Arc::clone(&self.pushes), host(&old), host(&self.config)));
        // A change is the usual cure of a receiver that refused us.
        let now = self.monitor.clock.now();
        let changed = |name: &str| old.receivers.iter().find(|one| one.name == name);
        for receiver in self.config.receivers.iter().filter(|one| changed(&one.name) != Some(*one)) {
            let name = receiver.name.clone();
            let enabled = self.monitor.desk.with(move |store| store.enable_receiver(&name, now)).await;
            if !matches!(enabled, Ok(Ok(()))) {
                tracing::warn!(receiver = receiver.name, "stays as it was: state.db cannot be written");
            }
        }
        self.site.allow_hosts(self.config.web.allowed_hosts.clone());
        let web = &self.config.web;
        let other = (&old.web.file, old.web.insecure) != (&web.file, web.insecure);
        if self.door.as_ref().is_some_and(|door| !web.enabled || door.listen != web.listen || other) {
            self.close_door().await;
        }
        if self.door.is_none() {
            self.open_door().await;
        }
        self.listen().await;
    }

    /// Listens to the chat of the configuration in use, and to no other any more.
    async fn listen(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.end().await;
        }
        let (config, env) = (&self.config, &self.start.env);
        self.listener = Listener::start(config, env, &self.clients, &self.monitor, self.wake.clone());
    }

    /// A taken port is a warning; each tick tries again.
    async fn open_door(&mut self) {
        if !self.config.web.enabled {
            return;
        }
        let listen = self.config.web.listen.clone();
        let access = match web::Access::open(&self.config.web) {
            Ok(access) => Arc::new(access),
            Err(why) => {
                tracing::warn!(why, "no page and no metrics; monitoring goes on, and this is tried again each minute");
                return;
            }
        };
        match Door::open(&listen).await {
            Ok(door) => {
                let url = if self.config.web.tls { door.url().replacen("http:", "https:", 1) } else { door.url() };
                tracing::info!("page and metrics: {url}");
                if let Some(opened) = &self.start.opened {
                    let _ = opened.send(url);
                }
                let stop = self.start.stop.child_token();
                let router = web::router(Arc::clone(&self.site));
                self.site.guarded_by(Arc::clone(&access));
                let serving = tokio::spawn(web::serve_guarded(door, router, Some(access), stop.clone()));
                self.door = Some(OpenDoor { listen, stop, serving });
            }
            Err(error) => {
                let place = match &listen {
                    Listen::Tcp(address) => address.to_string(),
                    Listen::Unix(path) => path.display().to_string(),
                };
                tracing::warn!(%error, "no page and no metrics on {place}; monitoring goes on, and this is tried again each minute");
            }
        }
    }

    async fn close_door(&mut self) {
        if let Some(door) = self.door.take() {
            door.stop.cancel();
            let _ = door.serving.await;
        }
    }

    /// Lets go of everything within the time that is left.
    async fn end(mut self) {
        self.watch.stop();
        if let Some(listener) = self.listener.take() {
            listener.end().await;
        }
        if let Some(asking) = self.asking.take() {
            asking.abort();
        }
        self.pushing.shutdown().await;
        if let Some(mut delivering) = self.delivering.take()
            && tokio::time::timeout(LAST_MAIL, &mut delivering).await.is_err()
        {
            // They stay in the outbox, and the next start sends them under the same ids.
            delivering.abort();
            let _ = delivering.await;
        }
        self.close_door().await;
    }
}

/// Waits for a task of ours; for ever if there is none. `None`: it panicked.
async fn ended<T>(task: Option<&mut JoinHandle<T>>) -> Option<T> {
    let Some(task) = task else { return std::future::pending().await };
    match task.await {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::error!(%error, "a task panicked; nothing is lost, what was not recorded is done again");
            None
        }
    }
}

/// Makes links for messages and lets the site follow them, where `[remote]` says how people reach it.
fn new_signer(config: &Config, location: &Location, site: &Site) -> Option<Signer> {
    let remote = config.remote.as_ref();
    let key = remote.and_then(|_| {
        let key = links::load_or_create(&location.state);
        key.inspect_err(|error| tracing::warn!(%error, "messages carry no links")).ok().map(Arc::new)
    });
    let both = key.zip(remote);
    site.follow_links(both.as_ref().map(|(key, remote)| (Arc::clone(key), remote.host.clone())));
    both.map(|(key, remote)| Signer::new(key, remote.url.clone()))
}

fn new_mail(
    config: &Config,
    start: &Start,
    clients: &Arc<Clients>,
    monitor: &Monitor,
    signer: Option<&Signer>,
) -> Arc<Mail> {
    let mail = Mail::new(config, &start.env, clients, &start.clock, signer);
    mail.announce(&monitor.own);
    Arc::new(mail)
}

fn new_pushes(
    config: &Config,
    before: Option<&Pushes>,
    start: &Start,
    clients: &Arc<Clients>,
    monitor: &Monitor,
) -> Arc<Pushes> {
    let pushes = Pushes::new(config, before, &start.env, clients);
    pushes.announce(&monitor.own);
    pushes
}

/// How often a schedule came round in the time after `from` up to `to`.
fn slots(schedule: &Schedule, from: Time, to: Time) -> u64 {
    const ENOUGH: u64 = 10_000;
    let (mut at, mut count) = (from, 0);
    while count < ENOUGH {
        match due(schedule, Some(at), at).next {
            Some(next) if next <= to && next > at => at = next,
            _ => break,
        }
        count += 1;
    }
    count
}
