//! The daemon: in this process where the heartbeat must be quick, and as the built program.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use opensoul::clock::{Clock, SystemClock};
use opensoul::doctor::Program;
use opensoul::domain::Environment;
use opensoul::monitor::daemon::{Start, run};
use opensoul::monitor::machine::Machine;
use opensoul::monitor::ticker;
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::write;

const LONG: Duration = Duration::from_secs(30);

/// A daemon in this process, in a home of its own.
struct Running {
    home: tempfile::TempDir,
    stop: CancellationToken,
    pages: mpsc::UnboundedReceiver<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(config: &str) -> Self {
        Self::beating(ticker::SECOND, config)
    }

    fn beating(beat: &'static str, config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("monitor.toml");
        write(&path, config);
        let env: Environment = [("HOME".to_owned(), home.path().to_str().unwrap().to_owned())].into_iter().collect();
        let (opened, pages) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let start = Start {
            env: env.clone(),
            config: Some(path),
            clock: Arc::new(SystemClock::new()),
            beat,
            stop: stop.clone(),
            opened: Some(opened),
        };
        let task = tokio::spawn(async move {
            run(start, move |ground| Ok(Machine::new(&env, Program::default(), ground)?.home_only())).await.unwrap();
        });
        Self { home, stop, pages, task }
    }

    async fn page(&mut self) -> String {
        let url = tokio::time::timeout(LONG, self.pages.recv()).await.expect("in time").unwrap();
        url.trim_start_matches("http://").to_owned()
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(LONG, self.task).await.expect("in time").unwrap();
    }
}

fn ask(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(format!("{head}Host: {address}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn get(address: &str, path: &str) -> String {
    let (address, head) = (address.to_owned(), format!("GET {path} HTTP/1.1\r\n"));
    tokio::task::spawn_blocking(move || ask(&address, &head)).await.unwrap()
}

/// Asks until the answer has it.
async fn until(address: &str, path: &str, has: &str) -> String {
    let mut last = String::new();
    for _ in 0..300 {
        last = get(address, path).await;
        if last.contains(has) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} never had {has:?}:\n{last}");
}

#[tokio::test]
async fn a_taken_port_is_tried_again_and_monitoring_goes_on() {
    // Bound twice: no other test is given the port between its one owner and the next, for whom it is free.
    let kept = TcpSocket::new_v4().unwrap();
    kept.set_reuseaddr(true).unwrap();
    kept.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = kept.local_addr().unwrap();
    let taken = TcpListener::bind(address).unwrap();
    let mut daemon = Running::start(&format!("[web]\nlisten = \"{address}\"\n"));
    // A cycle was committed although nobody can see it.
    let state = daemon.home.path().join(".local/state/opensoul");
    let committed = || {
        let reader = opensoul::store::Reader::open(&state).ok().flatten()?;
        reader.last_run("status").ok().flatten()
    };
    let clock = SystemClock::new();
    while committed().is_none() {
        assert!(clock.monotonic() < LONG, "no cycle");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(daemon.pages.try_recv().is_err(), "the port is taken");
    drop(taken);
    assert_eq!(daemon.page().await, address.to_string());
    until(&address.to_string(), "/-/ready", "200 OK").await;
    daemon.end().await;
}

/// The look at the clock that comes between a first attempt and its second finds nothing due; the second comes when it should,
/// and not with the next look.
#[tokio::test]
async fn a_beat_between_two_attempts_holds_up_nothing() {
    // Once in a minute, within the five seconds before the second attempt.
    let second = (SystemClock::new().now() + chrono::TimeDelta::seconds(3)).timestamp() % 60;
    let beat: &'static str = format!("{second} * * * * *").leak();
    // No other test is given this port.
    let nobody = "127.0.0.1:9";
    let mut daemon = Running::beating(
        beat,
        &format!(
            "[schedule]\nprobe = \"off\"\n[web]\nlisten = \"127.0.0.1:0\"\n[[receivers]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"http://{nobody}/\"\n\
             [[declared]]\nname = \"gone\"\nprovider = \"x\"\nexpires = 2026-01-01T00:00:00Z\nin_use = true\n"
        ),
    );
    let address = daemon.page().await;
    until(
        &address,
        "/metrics",
        r#"opensoul_notifications_failed_total{channel="webhook",reason="offline",receiver="ops"} 2"#,
    )
    .await;
    daemon.end().await;
}

#[tokio::test]
async fn a_bad_configuration_keeps_the_old_one_and_says_so() {
    let mut daemon =
        Running::start("[web]\nlisten = \"127.0.0.1:0\"\n[[declared]]\nname = \"old\"\nprovider = \"x\"\n");
    let address = daemon.page().await;
    until(&address, "/metrics", "credential=\"declared:old\"").await;
    let token = std::fs::read_to_string(daemon.home.path().join(".local/state/opensoul/token")).unwrap();
    let reload = || {
        let (address, token) = (address.clone(), token.trim().to_owned());
        let head = format!(
            "POST /-/reload HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 0\r\n"
        );
        tokio::task::spawn_blocking(move || ask(&address, &head))
    };
    let path = daemon.home.path().join("monitor.toml");

    write(&path, "[web]\nlisten = 5\n[nonsense]\n");
    let answer = reload().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("nonsense"), "{answer}");
    let metrics = get(&address, "/metrics").await;
    assert!(metrics.contains("opensoul_config_last_reload_successful 0"), "{metrics}");
    assert!(metrics.contains("credential=\"declared:old\""), "the old one is in use: {metrics}");
    assert!(get(&address, "/").await.contains("was not taken"));

    write(&path, "[web]\nlisten = \"127.0.0.1:0\"\n[[declared]]\nname = \"new\"\nprovider = \"x\"\n");
    let answer = reload().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let metrics = get(&address, "/metrics").await;
    assert!(metrics.contains("opensoul_config_last_reload_successful 1"), "{metrics}");
    assert!(metrics.contains("credential=\"declared:new\"") && !metrics.contains("declared:old"), "{metrics}");
    daemon.end().await;
}

/// The built program under a service manager that the test plays.
struct Service {
    child: Child,
    manager: UnixDatagram,
    home: tempfile::TempDir,
}

impl Service {
    fn start(config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(LONG)).unwrap();
        write(&home.path().join(".config/opensoul/monitor.toml"), config);
        let child = Self::command(&home.path().to_path_buf(), "run").env("NOTIFY_SOCKET", &socket).spawn().unwrap();
        Self { child, manager, home }
    }

    fn command(home: &PathBuf, what: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opensoul"));
        command.args(["monitor", what]).env_clear().env("HOME", home);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn told(&self, word: &str) {
        let mut buffer = [0; 512];
        loop {
            let heard = self.manager.recv(&mut buffer);
            // Whoever is stopped and goes on is woken from it.
            if heard.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::Interrupted) {
                continue;
            }
            let length = heard.expect("the service manager hears of it in time");
            if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == word) {
                return;
            }
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// How long its end took, its exit code, what it said, and its home.
    fn end(mut self) -> (Duration, Option<i32>, String, tempfile::TempDir) {
        let clock = SystemClock::new();
        self.signal(rustix::process::Signal::TERM);
        self.told("STOPPING=1");
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if clock.monotonic() > LONG {
                self.child.kill().unwrap();
                panic!("it never ends");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let took = clock.monotonic();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (took, status.code(), said, self.home)
    }
}

#[test]
fn the_program_tells_its_service_manager_reloads_and_ends_in_time() {
    // Where the machine is held up it ends late now and then; if it waits for its message, each time.
    let in_time = (0..3).any(|_| under_a_service_manager() < Duration::from_secs(5));
    assert!(in_time, "not within five seconds");
}

/// How long its end took.
fn under_a_service_manager() -> Duration {
    // A receiver that takes connections and never says a word: a message is under way when the end comes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "[web]\nlisten = \"127.0.0.1:0\"\n[[declared]]\nname = \"a\"\nprovider = \"x\"\nexpires = 2026-11-23\n\
         [[receivers]]\nname = \"mail\"\ntype = \"email\"\nserver = \"smtp://{}\"\nfrom = \"a@b.org\"\nto = [\"c@d.org\"]\n",
        silent.local_addr().unwrap()
    );
    let service = Service::start(&config);
    service.told("READY=1");
    let (_held, _) = silent.accept().unwrap();

    let home = service.home.path().to_path_buf();
    let once = Service::command(&home, "once").output().unwrap();
    assert_eq!(once.status.code(), Some(0), "{once:?}");
    assert!(String::from_utf8_lossy(&once.stdout).contains("runs already"), "{once:?}");
    let second = Service::command(&home, "run").output().unwrap();
    assert_eq!(second.status.code(), Some(75), "{second:?}");

    write(&home.join(".config/opensoul/monitor.toml"), "nonsense");
    service.signal(rustix::process::Signal::HUP);
    service.told("RELOADING=1");
    service.told("READY=1");
    let (took, code, said, _home) = service.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the last good one is in use"), "{said}");
    // What was under way is still there.
    let reader = opensoul::store::Reader::open(&home.join(".local/state/opensoul")).unwrap().unwrap();
    assert_eq!(reader.outbox().unwrap().iter().filter(|one| one.ended_at.is_none()).count(), 1);
    took
}

#[test]
fn once_commits_a_cycle_and_takes_turns() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_path_buf();
    let first = Service::command(&path, "once").output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let state = path.join(".local/state/opensoul");
    let reader = opensoul::store::Reader::open(&state).unwrap().unwrap();
    assert!(reader.last_run("status").unwrap().is_some());
    let opensoul::store::lock::Attempt::Ours(_lock) = opensoul::store::lock::Lock::acquire(&state, false).unwrap()
    else {
        panic!("nobody else has it");
    };
    let second = Service::command(&path, "once").output().unwrap();
    assert_eq!(second.status.code(), Some(75), "{second:?}");
    write(&path.join(".config/opensoul/monitor.toml"), "nonsense");
    assert_eq!(Service::command(&path, "once").output().unwrap().status.code(), Some(78));
}
