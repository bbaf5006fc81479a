//! A mail server for one machine and one minute: takes every message on loopback and shows its subject. It speaks as much of
//! RFC 5321 as a client without TLS and login needs.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Addresses it was given for.
    pub to: Vec<String>,
    /// Its subject, decoded.
    pub subject: String,
}

/// A client that sends more than this in one line, or more lines than this in one message, is not ours.
const LINE: u64 = 64 * 1024;
const LINES: usize = 20_000;
/// Longest silence of a client.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves on a port of loopback that the system chooses, until `stop`.
///
/// # Errors
/// If no port can be had.
pub async fn start(mails: mpsc::Sender<Mail>, stop: CancellationToken) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let mails = mails.clone();
            tokio::spawn(async move {
                let talk = tokio::time::timeout(PATIENCE, talk(stream, &mails));
                if let Ok(Err(error)) = talk.await {
                    tracing::debug!(%error, "a mail client left early");
                }
            });
        }
    }));
    Ok(address)
}

async fn talk(stream: TcpStream, mails: &mpsc::Sender<Mail>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    say(&mut stream, "220 opensoul demo").await?;
    let mut to = Vec::new();
    while let Some(line) = line(&mut stream).await? {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-localhost\r\n250-8BITMIME\r\n250 SMTPUTF8",
            "HELO" | "NOOP" => "250 ok",
            "MAIL" | "RSET" => {
                to.clear();
                "250 ok"
            }
            "RCPT" => {
                to.extend(line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(a, _)| a.to_owned()));
                "250 ok"
            }
            "DATA" if to.is_empty() => "503 for whom?",
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                let subject = message(&mut stream).await?;
                let _ = mails.send(Mail { to: std::mem::take(&mut to), subject }).await;
                "250 kept"
            }
            "QUIT" => {
                say(&mut stream, "221 bye").await?;
                return Ok(());
            }
            _ => "502 not here",
        };
        say(&mut stream, answer).await?;
    }
    Ok(())
}

async fn say(stream: &mut BufReader<TcpStream>, answer: &str) -> io::Result<()> {
    stream.write_all(format!("{answer}\r\n").as_bytes()).await
}

async fn line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if stream.take(LINE).read_until(b'\n', &mut bytes).await? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned()))
}

/// Reads a message to its end and gives its subject.
async fn message(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let (mut subject, mut in_subject, mut in_head) = (String::new(), false, true);
    for _ in 0..LINES {
        let Some(line) = line(stream).await? else { break };
        if line == "." {
            return Ok(decode(&subject));
        }
        in_head &= !line.is_empty();
        if !in_head {
            continue;
        }
        // A header goes on in the next line if that begins with white space.
        if line.starts_with([' ', '\t']) {
            if in_subject {
                subject.push(' ');
                subject.push_str(line.trim());
            }
            continue;
        }
        in_subject = line.len() >= 8 && line[..8].eq_ignore_ascii_case("subject:");
        if in_subject {
            line[8..].trim().clone_into(&mut subject);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Encoded words (RFC 2047) in base64, as our own mailer writes them; anything else stays as it is.
fn decode(subject: &str) -> String {
    let mut out = String::new();
    let mut after_encoded = false;
    for word in subject.split(' ').filter(|word| !word.is_empty()) {
        let encoded = word
            .strip_prefix("=?utf-8?b?")
            .and_then(|rest| rest.strip_suffix("?="))
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        // White space between two encoded words is not part of the text.
        let between = after_encoded && encoded.is_some();
        if !out.is_empty() && !between {
            out.push(' ');
        }
        after_encoded = encoded.is_some();
        out.push_str(encoded.as_deref().unwrap_or(word));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_takes_a_mail() {
        let (sender, mut mails) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let address = start(sender, stop.clone()).await.unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        let talk = "EHLO x\r\nDATA\r\nMAIL FROM:<a@b.org>\r\nRCPT TO:<ops@localhost>\r\nDATA\r\nFrom: a@b.org\r\n\
            Subject: [critical] two\r\n lines\r\nX: y\r\n\r\nSubject: not this\r\n..\r\n.\r\nQUIT\r\n";
        client.write_all(talk.as_bytes()).await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert!(said.contains("503 ") && said.contains("354 ") && said.ends_with("221 bye\r\n"), "{said}");
        let mail = mails.recv().await.unwrap();
        assert_eq!(mail, Mail { to: vec!["ops@localhost".into()], subject: "[critical] two lines".into() });
        stop.cancel();
    }

    #[test]
    fn encoded_words() {
        assert_eq!(decode("plain words"), "plain words");
        assert_eq!(decode("a =?utf-8?b?4oCm?= =?utf-8?b?4oCm?= b"), "a …… b");
        assert_eq!(decode("=?utf-8?b?%%?="), "=?utf-8?b?%%?=");
    }
}
