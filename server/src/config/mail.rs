//! `[mail]`: the clinic's mail server.

use std::path::PathBuf;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use serde::{Deserialize, Serialize};

use super::{ConfigError, Secret};

/// `[mail]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// Host name of the mail server. Without it no mail is sent: messages wait until they are of no use any more.
    pub host: Option<String>,
    /// Its port. Default: 587 with `starttls`, 465 with `implicit`, 25 with `none`.
    pub port: Option<u16>,
    /// How the connection is kept secret: `starttls`, `implicit`, or `none` (on this machine only).
    pub tls: MailTls,
    /// PEM file of an authority to trust besides the public ones, for a mail server with a certificate of the house.
    pub ca_certificate: Option<PathBuf>,
    /// Account on the mail server, if it wants one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The sender, e.g. `Riverside Family Clinic <visits@riverside.example>`.
    pub from: Option<String>,
}

/// How the connection to the mail server is kept secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// Begins in clear and must change to TLS before anything is said.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// None; only to a mail server on this machine.
    None,
}

/// A mail server, all of it checked.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How secret.
    pub tls: MailTls,
    /// What TLS trusts.
    pub trust: Option<TlsParameters>,
    /// Account and password.
    pub credentials: Option<Credentials>,
    /// Sender.
    pub from: Mailbox,
}

impl Mail {
    /// The mail server, if there is one.
    ///
    /// # Errors
    /// [`ConfigError::Value`], naming the key.
    pub fn smtp(&self) -> Result<Option<SmtpSettings>, ConfigError> {
        let wrong = |key, problem: &str| Err(ConfigError::Value { key, problem: problem.into() });
        let Some(host) = self.host.clone() else {
            if self.from.is_some() || self.user.is_some() || self.password.is_some() || self.port.is_some() {
                return wrong("mail.host", "is missing beside other keys of [mail]; name the mail server");
            }
            return Ok(None);
        };
        if host.is_empty() || host.contains(['/', ':', ' ', '@']) {
            return wrong("mail.host", "is not a host name; give it alone, without scheme or port");
        }
        if self.tls == MailTls::None && !["localhost", "127.0.0.1", "::1"].contains(&host.as_str()) {
            return wrong(
                "mail.tls",
                "`none` is allowed for a mail server on this machine only; choose `starttls` or `implicit`",
            );
        }
        let Some(from) = &self.from else {
            return wrong("mail.from", "is missing; give the sender, such as `Our Clinic <visits@clinic.example>`");
        };
        let Ok(from) = from.parse::<Mailbox>() else {
            return wrong("mail.from", "is not a sender such as `Our Clinic <visits@clinic.example>`");
        };
        let credentials = match (&self.user, &self.password) {
            (Some(user), Some(password)) => Some(Credentials::new(user.clone(), password.reveal().to_owned())),
            (None, None) => None,
            _ => return wrong("mail.user, mail.password", "give both or neither"),
        };
        let port = self.port.unwrap_or(match self.tls {
            MailTls::Starttls => 587,
            MailTls::Implicit => 465,
            MailTls::None => 25,
        });
        let trust = if self.tls == MailTls::None { None } else { Some(self.trust(&host)?) };
        Ok(Some(SmtpSettings { host, port, tls: self.tls, trust, credentials, from }))
    }

    fn trust(&self, host: &str) -> Result<TlsParameters, ConfigError> {
        let wrong = |problem: String| ConfigError::Value { key: "mail.ca_certificate", problem };
        let mut trust = TlsParameters::builder(host.to_owned());
        if let Some(file) = &self.ca_certificate {
            let pem = std::fs::read(file).map_err(|error| wrong(format!("{}: {error}", file.display())))?;
            let certificate = Certificate::from_pem(&pem)
                .map_err(|_| wrong(format!("{} is not a certificate in PEM form", file.display())))?;
            trust = trust.add_root_certificate(certificate);
        }
        trust
            .build()
            .map_err(|error| ConfigError::Value { key: "mail.host", problem: format!("TLS to {host}: {error}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(toml: &str) -> Result<Option<SmtpSettings>, String> {
        use figment::providers::{Format as _, Toml};
        let mail: Mail = figment::Figment::from(Toml::string(toml)).extract().expect("known keys");
        mail.smtp().map_err(|error| error.to_string())
    }

    #[test]
    fn no_host_is_no_mail_and_the_port_follows_the_security() {
        assert!(mail("").unwrap().is_none());
        let from = "from = \"Our Clinic <visits@clinic.example>\"\n";
        for (tls, port) in [("starttls", 587), ("implicit", 465)] {
            let smtp = mail(&format!("host = \"smtp.clinic.example\"\ntls = \"{tls}\"\n{from}")).unwrap().unwrap();
            assert_eq!((smtp.port, smtp.from.email.to_string().as_str()), (port, "visits@clinic.example"));
        }
        assert_eq!(mail(&format!("host = \"localhost\"\ntls = \"none\"\n{from}")).unwrap().unwrap().port, 25);
    }

    #[test]
    fn what_can_not_work_or_would_send_in_clear_is_refused_by_its_key() {
        let host = "host = \"smtp.clinic.example\"\n";
        let from = "from = \"visits@clinic.example\"\n";
        for (toml, key) in [
            (from.to_owned(), "mail.host"),
            (format!("host = \"smtp://x\"\n{from}"), "mail.host"),
            (host.to_owned(), "mail.from"),
            (format!("{host}from = \"nobody\"\n"), "mail.from"),
            (format!("{host}{from}user = \"u\"\n"), "mail.user"),
            (format!("{host}{from}tls = \"none\"\n"), "mail.tls"),
            (format!("{host}{from}ca_certificate = \"/nowhere.pem\"\n"), "mail.ca_certificate"),
        ] {
            let problem = mail(&toml).err().expect("refused");
            assert!(problem.contains(key), "{toml}: {problem}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let mail: Mail = serde_json::from_str(r#"{"password": "canary"}"#).unwrap();
        let shown = format!("{mail:?} {}", serde_json::to_string(&mail).unwrap());
        assert!(!shown.contains("canary") && shown.contains("(set)"), "{shown}");
    }
}
