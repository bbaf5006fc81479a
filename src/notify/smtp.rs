//! One SMTP conversation: connect, TLS, login, one message to several recipients, and what the server said about each.
//! Decides nothing about retries. lettre's own transport gives up at the first refused recipient and bounds only the
//! connecting; so its connection is driven here command by command, under one outer limit (`email.rs`).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use zeroize::Zeroizing;

use crate::config::{Email, SmtpSecurity};
use crate::domain::{FailureReason, Secret};
use crate::net::{Clients, Roots, address, failure, redact};

/// What is sent to whom.
pub(super) struct Letter<'a> {
    /// How we introduce ourselves.
    pub hello: String,
    /// Envelope sender.
    pub from: &'a Address,
    /// Envelope recipients.
    pub to: &'a [Address],
    /// Headers and body.
    pub data: &'a [u8],
}

/// Why it did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub reason: FailureReason,
    /// The server's own code says that trying again is of no use.
    pub permanent: bool,
    pub detail: String,
}

/// What the server said about one recipient.
pub(super) type Answer = Result<(), Failure>;

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Greeting,
    Tls,
    Login,
    Message,
}

/// Has the conversation. The server's closing words, and for each recipient (in order) whether it accepted.
pub(super) async fn send(
    server: &Email,
    password: Option<&Secret>,
    clients: &Clients,
    connect: Duration,
    letter: &Letter<'_>,
) -> Result<(String, Vec<Answer>), Failure> {
    let hidden = hidden_forms(server, password);
    let hidden: Vec<&str> = hidden.iter().map(|form| form.as_str()).collect();
    let failed = |error: &Error, stage| failure_of(error, stage, &hidden);
    let mut connection = open(server, clients, connect, &letter.hello, &failed).await?;
    if let (Some(user), Some(password)) = (&server.username, password) {
        log_in(&mut connection, server.xoauth2, user, password, &failed).await?;
    }
    let mut options = Vec::new();
    if std::iter::once(letter.from).chain(letter.to).any(|address| !is_ascii(address)) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(local(FailureReason::Config, "the server takes only ASCII addresses (no SMTPUTF8)"));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    let message = |error: Error| failed(&error, Stage::Message);
    connection.command(Mail::new(Some(letter.from.clone()), options)).await.map_err(message)?;
    let mut answers = Vec::new();
    for to in letter.to {
        match connection.command(Rcpt::new(to.clone(), Vec::new())).await {
            Ok(_) => answers.push(Ok(())),
            // A refusal is about this recipient; a broken connection or "closing" (421) is about all of them.
            Err(error) if error.status().is_some_and(|code| code != CLOSING) => answers.push(Err(message(error))),
            Err(error) => return Err(message(error)),
        }
    }
    let mut said = String::new();
    if answers.iter().any(Result::is_ok) {
        connection.command(Data).await.map_err(message)?;
        let response = connection.message(letter.data).await.map_err(message)?;
        said = format!("{} {}", response.code(), response.first_line().unwrap_or_default());
    }
    // It has the message (or refused it): how the conversation ends changes nothing.
    let _ = tokio::time::timeout(Duration::from_secs(2), connection.quit()).await;
    Ok((redact::words(&said, &hidden, 200), answers))
}

/// The password as it is and as the ways to log in write it: a server may repeat what it was sent.
fn hidden_forms(server: &Email, password: Option<&Secret>) -> Vec<Zeroizing<String>> {
    let Some(password) = password.map(Secret::expose) else { return Vec::new() };
    let user = server.username.as_deref().unwrap_or_default();
    let written = [
        Zeroizing::new(password.to_owned()),
        Zeroizing::new(format!("\0{user}\0{password}")),
        Zeroizing::new(format!("user={user}\x01auth=Bearer {password}\x01\x01")),
    ];
    let encoded = written.iter().map(|text| Zeroizing::new(STANDARD.encode(text.as_bytes())));
    std::iter::once(Zeroizing::new(password.to_owned())).chain(encoded).collect()
}

const CLOSING: lettre::transport::smtp::response::Code = lettre::transport::smtp::response::Code {
    severity: lettre::transport::smtp::response::Severity::TransientNegativeCompletion,
    category: lettre::transport::smtp::response::Category::Connections,
    detail: lettre::transport::smtp::response::Detail::One,
};

fn is_ascii(address: &Address) -> bool {
    let text: &str = address.as_ref();
    text.is_ascii()
}

async fn open(
    server: &Email,
    clients: &Clients,
    connect: Duration,
    hello: &str,
    failed: &impl Fn(&Error, Stage) -> Failure,
) -> Result<AsyncSmtpConnection, Failure> {
    let hello = ClientId::Domain(hello.to_owned());
    let addresses = address::lookup(&server.host, server.port)
        .await
        .map_err(|error| local(FailureReason::Dns, redact::words(&error.to_string(), &[], 200)))?;
    let tls = match server.security {
        SmtpSecurity::Plain => None,
        SmtpSecurity::Tls | SmtpSecurity::StartTls => Some(trust(server, clients)?),
    };
    let implicit = tls.clone().filter(|_| server.security == SmtpSecurity::Tls);
    let mut connection = AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(connect), &hello, implicit, None)
        .await
        .map_err(|error| failed(&error, Stage::Greeting))?;
    if let (Some(tls), SmtpSecurity::StartTls) = (tls, server.security) {
        if !connection.can_starttls() {
            return Err(local(FailureReason::Tls, "the server does not offer STARTTLS; nothing was sent"));
        }
        connection.starttls(tls, &hello).await.map_err(|error| failed(&error, Stage::Tls))?;
    }
    Ok(connection)
}

fn trust(server: &Email, clients: &Clients) -> Result<TlsParameters, Failure> {
    let roots = clients.roots().map_err(|text| local(FailureReason::Tls, text))?;
    let mut builder = TlsParameters::builder(server.host.clone());
    match roots {
        Roots::BuiltIn => builder = builder.certificate_store(CertificateStore::WebpkiRoots),
        Roots::System(certificates) => {
            builder = builder.certificate_store(CertificateStore::None);
            for certificate in certificates {
                if let Ok(certificate) = Certificate::from_der(certificate.to_vec()) {
                    builder = builder.add_root_certificate(certificate);
                }
            }
        }
    }
    builder.build().map_err(|_| local(FailureReason::Tls, "no TLS with the certificates of this machine"))
}

async fn log_in(
    connection: &mut AsyncSmtpConnection,
    xoauth2: bool,
    user: &str,
    password: &Secret,
    failed: &impl Fn(&Error, Stage) -> Failure,
) -> Result<(), Failure> {
    let ways: &[Mechanism] = if xoauth2 { &[Mechanism::Xoauth2] } else { &[Mechanism::Plain, Mechanism::Login] };
    if connection.server_info().get_auth_mechanism(ways).is_none() {
        let wanted = if xoauth2 { "XOAUTH2" } else { "PLAIN or LOGIN" };
        return Err(local(FailureReason::AuthRejected, format!("the server does not offer to log in with {wanted}")));
    }
    let credentials = Credentials::new(user.to_owned(), password.expose().to_owned());
    match connection.auth(ways, &credentials).await {
        Ok(_) => Ok(()),
        // An access token that is not accepted is answered with a challenge that holds the reason (RFC 7628 in spirit).
        Err(error) if xoauth2 && error.is_client() => {
            Err(Failure { permanent: true, ..local(FailureReason::AuthRejected, "the access token was refused") })
        }
        Err(error) => Err(failed(&error, Stage::Login)),
    }
}

/// A failure that the server's code says nothing about.
pub(super) fn local(reason: FailureReason, detail: impl Into<String>) -> Failure {
    Failure { reason, permanent: false, detail: detail.into() }
}

fn failure_of(error: &Error, stage: Stage, hidden: &[&str]) -> Failure {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    let mut tls = failure::is_tls(cause);
    while let Some(next) = cause.source() {
        cause = next;
        tls |= failure::is_tls(cause);
    }
    let words = redact::words(&cause.to_string(), hidden, 200);
    let closed = cause.to_string() == "incomplete response";
    let reason = match (error.status().map(u16::from), stage) {
        _ if tls => FailureReason::Tls,
        (Some(_), Stage::Tls) => FailureReason::Tls,
        (Some(530 | 534 | 535 | 538), _) => FailureReason::AuthRejected,
        (Some(500..), Stage::Login) => FailureReason::AuthRejected,
        (Some(500..), _) => FailureReason::Refused,
        (Some(_), _) => FailureReason::ServerError,
        _ if error.is_timeout() => FailureReason::Timeout,
        _ if error.is_response() && !closed => FailureReason::Parse,
        _ if error.is_client() => FailureReason::Config,
        _ => FailureReason::Offline,
    };
    let detail = match error.status() {
        Some(code) => format!("{code} {words}"),
        None if closed => "the server closed the connection".to_owned(),
        None => words,
    };
    Failure { reason, permanent: error.is_permanent() && stage != Stage::Tls && !tls, detail }
}
