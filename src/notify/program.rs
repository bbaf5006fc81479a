//! Running a program of this machine for a receiver (DESIGN §5.8): an argv, never a shell; a bare environment; a limit of time that ends
//! the whole process group; what it says is bounded and redacted. Decides nothing about what an exit code means.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::domain::{Environment, FailureReason};
use crate::net::redact;

/// What is read of what it says.
const OUTPUT: u64 = 8 * 1024;

/// What a program ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Its exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    /// What it said, redacted.
    pub said: String,
}

/// Variables that a program needs to find its files, its desktop and its language, and that hold no secret.
const KEPT: [&str; 12] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "PREFIX",
    "TMPDIR",
    "TERMUX_VERSION",
    "ANDROID_DATA",
    "ANDROID_ROOT",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
];

/// Runs a program to its end, or ends it with everything that it started.
pub(super) async fn run(
    argv: &[String],
    stdin: Vec<u8>,
    env: &Environment,
    limit: Duration,
) -> Result<Ended, (FailureReason, String)> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err((FailureReason::Config, "no program is named".to_owned()));
    };
    let kept = KEPT.into_iter().filter_map(|name| Some((name, env.raw(name)?)));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(kept).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |error: std::io::Error| (FailureReason::Config, format!("{program} cannot be run: {error}"));
    let mut child = command.spawn().map_err(failed)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let write = async {
            if let Some(mut input) = input {
                // A program that does not read is no failure of ours.
                let _ = input.write_all(&stdin).await;
            }
        };
        let ((), out, err) = tokio::join!(write, read(out), read(err));
        (child.wait().await, out, err)
    };
    let ended = tokio::time::timeout(limit, talk).await;
    if ended.is_err()
        && let Some(group) = group
    {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let Ok((status, out, err)) = ended else {
        return Err((FailureReason::Timeout, format!("{program} did not end within {} s", limit.as_secs())));
    };
    let said = redact::words(&format!("{out} {err}"), &[], 200);
    Ok(Ended { code: status.map_err(failed)?.code(), said })
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = (&mut stream).take(OUTPUT).read_to_end(&mut bytes).await;
        // Whoever says more must not be held up by a full pipe.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    fn env() -> Environment {
        [("PATH", "/usr/bin:/bin"), ("SECRET_OF_OURS", "x"), ("HOME", "/nowhere")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    async fn ends(script: &str) -> Result<Ended, (FailureReason, String)> {
        run(&argv(script), b"hello".to_vec(), &env(), Duration::from_secs(20)).await
    }

    #[tokio::test]
    async fn what_goes_in_and_what_comes_out() {
        let ended = ends("cat; echo \" $HOME\" >&2; exit 3").await.unwrap();
        assert_eq!((ended.code, ended.said.as_str()), (Some(3), "hello /nowhere"));
        let ended = ends("env").await.unwrap();
        assert!(!ended.said.contains("SECRET_OF_OURS") && ended.said.contains("HOME=/nowhere"), "{ended:?}");
        let ended = ends("head -c 10000000 /dev/zero | tr '\\0' 'a b'; kill -9 $$").await.unwrap();
        assert!(ended.code.is_none() && ended.said.chars().count() <= 200);
        assert!(ends("exec 0<&-; exit 0").await.is_ok(), "a program that does not read");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let (fifo, begun) = (dir.path().join("alive"), dir.path().join("begun"));
        let (alive, mark) = (fifo.display(), begun.display());
        let script = format!("mkfifo {alive}; (exec 3>{alive}; : >{mark}; sleep 600) & cat {alive}; sleep 600");
        // A machine that is held up gets to that later.
        for limit in [700, 7_000, 70_000].map(Duration::from_millis) {
            let ended = run(&argv(&script), Vec::new(), &env(), limit).await;
            assert!(matches!(ended, Err((FailureReason::Timeout, _))), "{ended:?}");
            if begun.exists() {
                break;
            }
        }
        assert!(begun.exists(), "it has started nothing");
        // The child that held the other end is gone: nobody is left who could write.
        let reading = std::fs::OpenOptions::new().read(true).custom_flags(nonblocking()).open(&fifo).unwrap();
        let mut end = Vec::new();
        for _ in 0..3_000 {
            match std::io::Read::read_to_end(&mut &reading, &mut end) {
                Ok(_) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("something still holds {}", fifo.display());
    }

    fn nonblocking() -> i32 {
        i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap()
    }

    use std::os::unix::fs::OpenOptionsExt;

    #[tokio::test]
    async fn a_program_that_is_not_there() {
        let ended = run(&["/nowhere/x".to_owned()], Vec::new(), &env(), Duration::from_secs(1)).await;
        assert!(matches!(ended, Err((FailureReason::Config, _))), "{ended:?}");
    }
}
