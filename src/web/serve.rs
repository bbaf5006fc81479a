//! Connections: where they come from, their limits, and how they end.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Listen;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// Longest time to send a request's head; an idle connection ends after it too.
const HEAD: Duration = Duration::from_secs(30);
/// A request's head fits in this.
const HEAD_BYTES: usize = 64 * 1024;
/// How long answers under way may take after the shutdown began.
const GRACE: Duration = Duration::from_secs(2);

/// An open door.
pub enum Door {
    /// Address and port.
    Tcp(TcpListener),
    /// A unix socket, removed when the door closes.
    Unix(UnixListener, PathBuf),
}

impl Door {
    /// Opens it. A unix socket that nobody listens on any more is replaced; it is for its owner only.
    ///
    /// # Errors
    /// The address is taken, or the socket cannot be made.
    pub async fn open(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Listen::Unix(path) => {
                use std::os::unix::fs::{FileTypeExt, PermissionsExt};
                if let Ok(found) = std::fs::symlink_metadata(path) {
                    let dead = found.file_type().is_socket() && std::os::unix::net::UnixStream::connect(path).is_err();
                    if !dead {
                        return Err(io::ErrorKind::AddrInUse.into());
                    }
                    std::fs::remove_file(path)?;
                }
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
                Ok(Self::Unix(listener, path.clone()))
            }
        }
    }

    /// How a person reaches it.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "http://?".to_owned(), |a| format!("http://{a}"))
            }
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }
}

/// Serves until `stop`; then lets answers under way finish for a moment.
pub async fn serve(door: Door, router: Router, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot.expect("the semaphore is never closed"),
            () = stop.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = accept(&door) => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok(io) => {
                let serving = connection(io, router.clone(), stop.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            // Out of file descriptors, or the peer is gone already: neither is a reason to spin.
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    connections.close();
    let _ = tokio::time::timeout(GRACE, connections.wait()).await;
    if let Door::Unix(_, path) = &door {
        let _ = std::fs::remove_file(path);
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn accept(door: &Door) -> io::Result<Box<dyn Stream>> {
    Ok(match door {
        Door::Tcp(listener) => Box::new(listener.accept().await?.0),
        Door::Unix(listener, _) => Box::new(listener.accept().await?.0),
    })
}

async fn connection(io: Box<dyn Stream>, router: Router, stop: CancellationToken) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
