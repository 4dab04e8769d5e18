//! SMTP (RFC 5321), command by command: who refuses what decides whether a message is tried again.

use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use records::outbox::{Delivery, Failure};
use tokio::time::timeout;

use crate::config::{MailTls, SmtpSettings};

/// Longest wait for the mail server's answer to one step.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The clinic's mail server.
#[derive(Clone)]
pub struct Smtp {
    settings: SmtpSettings,
}

/// The mail server can't be used at all.
#[derive(Debug, thiserror::Error)]
pub enum AwayError {
    /// No connection, no TLS, or not our account. The text is the library's; it names no recipient.
    #[error("{host}:{port}: {problem}")]
    Refused {
        /// Whom we tried.
        host: String,
        /// Where.
        port: u16,
        /// What happened.
        problem: String,
    },
}

/// What came of one message.
pub(super) enum Sent {
    Taken,
    Failed(Failure),
}

/// An open, secured and authenticated connection.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
}

impl Smtp {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(settings: SmtpSettings) -> Self {
        Self { settings }
    }

    /// Who sends.
    pub(super) fn sender(&self) -> &Mailbox {
        &self.settings.from
    }

    /// Connects, secures and signs in.
    pub(super) async fn connect(&self) -> Result<Connection, AwayError> {
        let SmtpSettings { host, port, tls, trust, credentials, .. } = &self.settings;
        let away = |problem: String| AwayError::Refused { host: host.clone(), port: *port, problem };
        let hello = ClientId::default();
        let opened = async {
            let implicit = trust.clone().filter(|_| *tls == MailTls::Implicit);
            let server = (host.as_str(), *port);
            let mut smtp =
                AsyncSmtpConnection::connect_tokio1(server, Some(ANSWER_WITHIN), &hello, implicit, None).await?;
            if let (MailTls::Starttls, Some(trust)) = (tls, trust.clone()) {
                smtp.starttls(trust, &hello).await?;
            }
            if let Some(credentials) = credentials {
                smtp.auth(DEFAULT_MECHANISMS, credentials).await?;
            }
            Ok::<_, lettre::transport::smtp::Error>(smtp)
        };
        match timeout(ANSWER_WITHIN, opened).await {
            Ok(Ok(smtp)) => Ok(Connection { smtp }),
            Ok(Err(error)) => Err(away(explained(&error))),
            Err(_) => Err(away(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))),
        }
    }

    /// Whether the mail server can be used, in words for `bedside doctor`.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn check(&self) -> Result<String, AwayError> {
        let connection = self.connect().await?;
        connection.close().await;
        let SmtpSettings { host, port, tls, credentials, from, .. } = &self.settings;
        let secret = if *tls == MailTls::None { "without TLS" } else { "by TLS" };
        let account = if credentials.is_some() { ", signed in" } else { "" };
        Ok(format!("{host}:{port} answers {secret}{account}; mail comes from {}", from.email))
    }
}

/// An error with what caused it.
fn explained(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

impl Connection {
    /// Whether more can be sent on it.
    pub(super) fn is_usable(&self) -> bool {
        !self.smtp.has_broken()
    }

    /// Says goodbye. If the server does not listen any more, that is no loss.
    pub(super) async fn close(mut self) {
        let _ = timeout(ANSWER_WITHIN, self.smtp.quit()).await;
    }

    /// Sends one message.
    pub(super) async fn send(&mut self, from: &Mailbox, delivery: &Delivery) -> Sent {
        let Some((to, mail)) = written(from, delivery) else {
            return Sent::Failed(Failure::Unsendable);
        };
        let outcome = timeout(ANSWER_WITHIN, self.steps(from, to, &mail)).await;
        match outcome {
            Ok(Ok(())) => Sent::Taken,
            Ok(Err(failure)) => {
                // The next message begins anew, or on another connection.
                if !matches!(timeout(ANSWER_WITHIN, self.smtp.command(Rset)).await, Ok(Ok(_))) {
                    self.give_up().await;
                }
                Sent::Failed(failure)
            }
            Err(_) => {
                self.give_up().await;
                Sent::Failed(Failure::NotNow { code: None })
            }
        }
    }

    async fn give_up(&mut self) {
        let _ = timeout(Duration::from_secs(1), self.smtp.abort()).await;
    }

    async fn steps(&mut self, from: &Mailbox, to: Address, mail: &[u8]) -> Result<(), Failure> {
        let mut parameters = Vec::new();
        if !to.to_string().is_ascii() {
            if !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(Failure::Unsendable);
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        // A refused sender is a fault of the configuration, never of this message.
        let sender = self.smtp.command(Mail::new(Some(from.email.clone()), parameters)).await;
        sender.map_err(|error| Failure::NotNow { code: error.status().map(u16::from) })?;
        self.judged_command(Rcpt::new(to, Vec::new())).await?;
        self.judged_command(Data).await?;
        let taken = self.smtp.message(mail).await;
        self.judged(taken)
    }

    async fn judged_command(&mut self, command: impl std::fmt::Display) -> Result<(), Failure> {
        let answer = self.smtp.command(command).await;
        self.judged(answer)
    }

    fn judged<T>(&mut self, answer: Result<T, lettre::transport::smtp::Error>) -> Result<(), Failure> {
        match answer {
            Ok(_) => Ok(()),
            Err(error) => match error.status().map(u16::from) {
                Some(code) if error.is_permanent() => Err(Failure::Refused { code }),
                code => Err(Failure::NotNow { code }),
            },
        }
    }
}

/// The mail as bytes, and its one recipient; `None` if the address is none. All but the boundary between parts is the same each time.
fn written(from: &Mailbox, delivery: &Delivery) -> Option<(Address, Vec<u8>)> {
    let to: Address = delivery.recipient.expose().trim().parse().ok()?;
    let builder = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(delivery.subject.expose().clone())
        .date(SystemTime::from(delivery.created_at))
        .message_id(Some(format!("<{}@{}>", delivery.id, from.email.domain())))
        // RFC 3834: a machine wrote this; out-of-office programs need not answer.
        .raw_header(lettre::message::header::HeaderValue::new(
            lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    let text = SinglePart::plain(delivery.body.expose().clone());
    let mail = match &delivery.calendar {
        None => builder.singlepart(text),
        Some(calendar) => {
            let kind = ContentType::parse("text/calendar; charset=utf-8; method=PUBLISH").ok()?;
            let entry = Attachment::new("appointment.ics".to_owned()).body(calendar.expose().clone(), kind);
            builder.multipart(MultiPart::mixed().singlepart(text).singlepart(entry))
        }
    };
    Some((to, mail.ok()?.formatted()))
}
