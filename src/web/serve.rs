//! Connections: where they come from, their limits, and how they end.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::Access;
use crate::config::Listen;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// Longest time to send a request's head; an idle connection ends after it too.
const HEAD: Duration = Duration::from_secs(30);
/// A request's head fits in this.
const HEAD_BYTES: usize = 64 * 1024;
/// How long answers under way may take after the shutdown began.
const GRACE: Duration = Duration::from_secs(2);

/// In every request: told when the server ends, for answers that have no end of their own.
#[derive(Clone, Default)]
pub(super) struct Closing(pub CancellationToken);

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

/// In the requests of a connection whose client has shown a certificate that we asked for.
#[derive(Clone)]
pub(super) struct Certified;

/// Serves until `stop`; then lets answers under way finish for a moment.
pub async fn serve(door: Door, router: Router, stop: CancellationToken) {
    serve_guarded(door, router, None, stop).await;
}

/// The same behind TLS, if the guard has it.
pub async fn serve_guarded(door: Door, router: Router, access: Option<Arc<Access>>, stop: CancellationToken) {
    let router = router.layer(axum::Extension(Closing(stop.clone())));
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
            Ok(incoming) => {
                let (router, stop, access) = (router.clone(), stop.clone(), access.clone());
                connections.spawn(async move {
                    let begun = tokio::select! {
                        begun = begin(incoming, access.as_deref()) => begun,
                        () = stop.cancelled() => None,
                    };
                    match begun {
                        Some((io, true)) => connection(io, router.layer(axum::Extension(Certified)), stop).await,
                        Some((io, false)) => connection(io, router, stop).await,
                        None => {}
                    }
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

enum Incoming {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

async fn accept(door: &Door) -> io::Result<Incoming> {
    Ok(match door {
        Door::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            Incoming::Tcp(stream, peer)
        }
        Door::Unix(listener, _) => Incoming::Unix(listener.accept().await?.0),
    })
}

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// A connection ready for HTTP, and whether its client has proved who it is. Where there is TLS, only this machine may do without:
/// the command line, which has the token, knows no name that the certificate is for.
async fn begin(incoming: Incoming, access: Option<&Access>) -> Option<(Box<dyn Stream>, bool)> {
    let (stream, peer) = match incoming {
        Incoming::Unix(stream) => return Some((Box::new(stream), false)),
        Incoming::Tcp(stream, peer) => (stream, peer),
    };
    let Some((tls, certified)) = access.and_then(Access::tls) else { return Some((Box::new(stream), false)) };
    let greeting = async {
        let mut first = [0];
        if stream.peek(&mut first).await.ok()? == 0 {
            return None;
        }
        if first[0] == HANDSHAKE {
            let accepted = TlsAcceptor::from(tls).accept(stream).await;
            let secured = accepted.inspect_err(|error| tracing::debug!(%error, "a TLS handshake failed")).ok()?;
            return Some((Box::new(secured) as Box<dyn Stream>, certified));
        }
        if peer.ip().to_canonical().is_loopback() {
            return Some((Box::new(stream) as Box<dyn Stream>, false));
        }
        let mut stream = stream;
        let answer =
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 24\r\nConnection: close\r\n\r\nThis is an HTTPS server.";
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
        None
    };
    tokio::time::timeout(HEAD, greeting).await.ok().flatten()
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
