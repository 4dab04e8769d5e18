//! Configuration: `bedside.toml`, overridden by `BEDSIDE__SECTION__KEY`, overridden by flags.
//!
//! Everything is parsed and checked here, before a port is bound or a file is touched.

mod keys;
mod log;
mod mail;
mod net;
mod outer;
mod secret;
mod secret_url;
mod sso;
mod turn;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use api::RateLimits;
use ipnet::IpNet;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

pub use keys::{KeyProvider, Keys};
pub use log::{Log, LogFormat};
pub use mail::{Mail, MailTls, SmtpSettings};
pub use net::Net;
pub use outer::{Clamav, Redis, Uploads};
pub use secret::Secret;
pub use secret_url::SecretUrl;
pub use sso::Sso;
pub use turn::Turn;

/// Read from the working folder when no file is named.
const DEFAULT_FILE: &str = "bedside.toml";
/// More is no limit; a load test needs no more either.
const MOST_PER_MINUTE: u32 = 1_000_000;

/// The whole configuration. Every key has a default that suits one machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Control plane.
    pub http: Http,
    /// Media plane.
    pub media: Media,
    /// The relay for networks that let little out.
    pub turn: Turn,
    /// What is kept on this machine.
    pub data: Data,
    /// PostgreSQL.
    pub database: Database,
    /// The key-encryption keys.
    pub keys: Keys,
    /// What people see of this installation.
    pub site: Site,
    /// Mail.
    pub mail: Mail,
    /// The clinics' own sign-in.
    pub sso: Vec<Sso>,
    /// Staff's passwords and second factors.
    pub identity: Identity,
    /// Logs.
    pub log: Log,
    /// How often one may ask.
    pub limits: RateLimits,
    /// Counting over several nodes.
    pub redis: Redis,
    /// Patients' documents.
    pub uploads: Uploads,
    /// The virus scanner.
    pub clamav: Clamav,
}

/// `[identity]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// A sorted list of SHA-1 hashes of stolen passwords, as "Have I Been Pwned" publishes it. Default: none.
    pub breached_passwords: Option<PathBuf>,
}

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port of the API, the pages and the websocket.
    pub listen: SocketAddr,
    /// The address people type, scheme included; a browser's `Origin` must equal it. Default: `http://` and `listen`.
    pub public_url: Option<String>,
    /// PEM certificate chain. Without it only loopback addresses may be listened on.
    pub tls_certificate: Option<PathBuf>,
    /// PEM private key of the certificate.
    pub tls_key: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` counts: addresses or networks.
    pub trusted_proxies: Vec<Net>,
    /// Open connections in all.
    pub max_connections: NonZeroU32,
    /// Open connections of one address (IPv6: one /64); trusted proxies have no such limit.
    pub max_connections_per_address: NonZeroU32,
    /// How long a request's head may take, and a connection without one may stay, seconds.
    pub header_timeout_s: NonZeroU32,
}

impl Http {
    /// The trusted proxies.
    #[must_use]
    pub fn proxies(&self) -> Vec<IpNet> {
        self.trusted_proxies.iter().map(|net| net.0).collect()
    }
}

/// `[media]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// UDP and TCP address of the first worker; worker n listens on the port plus n.
    pub listen: SocketAddr,
    /// Tell clients of UDP. Off where nothing but TCP gets in.
    pub udp: bool,
    /// Take media by TCP as well, on the same ports, from networks that let no UDP out (ICE-TCP, RFC 6544).
    pub tcp: bool,
    /// Addresses that clients reach the media port at, when they differ from `listen` (NAT).
    pub public_addresses: Vec<IpAddr>,
    /// Worker threads; 0 = one per core.
    pub workers: usize,
    /// People in one visit at most.
    pub max_participants: usize,
}

/// `[data]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Folder for the private database, recordings and the key ring. Default: `data`, as root `/var/lib/bedside`.
    pub dir: PathBuf,
    /// Refuse to start, and to begin a recording, below this much free space, MiB.
    pub min_free_mib: u64,
}

/// `[database]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// PostgreSQL 15 or later, as the role `bedside_app`. Default: a private PostgreSQL in the data folder.
    pub url: Option<SecretUrl>,
    /// The same database as its owner, for migrations.
    pub owner_url: Option<SecretUrl>,
}

/// `[site]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Name on the pages.
    pub name: String,
    /// Whom a patient calls for help.
    pub support_phone: String,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            tls_certificate: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            max_connections: NonZeroU32::new(4_096).expect("not zero"),
            max_connections_per_address: NonZeroU32::new(512).expect("not zero"),
            header_timeout_s: NonZeroU32::new(15).expect("not zero"),
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3478)),
            udp: true,
            tcp: true,
            public_addresses: Vec::new(),
            workers: 0,
            max_participants: 8,
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        // As root PostgreSQL runs as another user, who may not enter a folder below /root.
        let dir = if rustix::process::geteuid().is_root() { "/var/lib/bedside" } else { "data" };
        Self { dir: PathBuf::from(dir), min_free_mib: 256 }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self { name: "Bedside".into(), support_phone: String::new() }
    }
}

/// What the command line overrides.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// Configuration file [default: bedside.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for the private database, recordings and the key ring
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address and port of the API, the pages and the websocket
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    pub http: Option<SocketAddr>,
    /// Address and port of media, UDP and TCP; worker n listens on the port plus n
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    pub media: Option<SocketAddr>,
}

/// Why the configuration can't be used. One line, naming the key and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that `--config` names is not there.
    #[error("configuration file {0} does not exist; correct --config or leave it out")]
    NoFile(PathBuf),
    /// A key or value is not understood.
    #[error("configuration: {0}")]
    Invalid(String),
    /// Values that parse but don't fit.
    #[error("configuration: {key}: {problem}")]
    Value {
        /// Dotted key.
        key: &'static str,
        /// What is wrong, and what is allowed.
        problem: String,
    },
}

impl Config {
    /// Reads file, environment and flags, and checks all of it.
    ///
    /// # Errors
    /// [`ConfigError`], one line.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        match &flags.config {
            Some(file) if !file.exists() => return Err(ConfigError::NoFile(file.clone())),
            Some(file) => figment = figment.merge(Toml::file_exact(file)),
            None if Path::new(DEFAULT_FILE).exists() => figment = figment.merge(Toml::file_exact(DEFAULT_FILE)),
            None => {}
        }
        figment = figment.merge(Env::prefixed("BEDSIDE__").split("__"));
        let mut config: Self = figment.extract().map_err(|error| ConfigError::Invalid(one_line(error)))?;
        if let Some(dir) = &flags.data {
            config.data.dir.clone_from(dir);
        }
        if let Some(listen) = flags.http {
            config.http.listen = listen;
        }
        if let Some(listen) = flags.media {
            config.media.listen = listen;
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, problem: String| Err(ConfigError::Value { key, problem });
        let tls = match (&self.http.tls_certificate, &self.http.tls_key) {
            (Some(_), Some(_)) => true,
            (None, None) => false,
            _ => {
                return wrong("http.tls_certificate, http.tls_key", "give both or neither".into());
            }
        };
        if !tls && !self.http.listen.ip().is_loopback() {
            return wrong(
                "http.listen",
                format!(
                    "{} is not a loopback address and no certificate is configured; set http.tls_certificate and http.tls_key, or listen on 127.0.0.1 behind a proxy that ends TLS",
                    self.http.listen
                ),
            );
        }
        if let Some(url) = &self.http.public_url {
            let good = (url.starts_with("https://") || url.starts_with("http://"))
                && !url
                    .trim_end_matches('/')
                    .trim_start_matches("https://")
                    .trim_start_matches("http://")
                    .contains('/')
                && url.len() > 8;
            if !good {
                return wrong(
                    "http.public_url",
                    format!(
                        "`{url}` is not an origin; allowed is scheme://host[:port], such as https://visits.example.org"
                    ),
                );
            }
        }
        if let Some(list) = self.identity.breached_passwords.as_ref().filter(|list| !list.is_file()) {
            return wrong(
                "identity.breached_passwords",
                format!("{} is not a file; name a sorted list of SHA-1 hashes, or leave it out", list.display()),
            );
        }
        if self.media.workers > 256 {
            return wrong(
                "media.workers",
                format!("{} is too many; allowed are 0 (one per core) to 256", self.media.workers),
            );
        }
        if !(2..=32).contains(&self.media.max_participants) {
            return wrong(
                "media.max_participants",
                format!("{} is out of range; allowed are 2 to 32", self.media.max_participants),
            );
        }
        if !self.media.udp && !self.media.tcp {
            return wrong("media.udp, media.tcp", "one of the two must be on: media has no other way".into());
        }
        if self.media.listen.port() == 0 {
            return wrong(
                "media.listen",
                "port 0 is not allowed, since clients are told the port; choose one, such as 3478".into(),
            );
        }
        self.turn.check(&self.http, &self.media)?;
        self.keys.check()?;
        if self.database.url.is_some() != self.database.owner_url.is_some() {
            return wrong(
                "database.url, database.owner_url",
                "give both (the app's role and the owner's) or neither for a private PostgreSQL".into(),
            );
        }
        for (key, url) in [("database.url", &self.database.url), ("database.owner_url", &self.database.owner_url)] {
            if let Some(url) = url
                && !url.reveal().starts_with("postgres://")
                && !url.reveal().starts_with("postgresql://")
            {
                return wrong(key, "must begin with postgres://".into());
            }
        }
        self.mail.smtp()?;
        sso::check(&self.sso)?;
        self.check_edges()
    }

    fn check_edges(&self) -> Result<(), ConfigError> {
        let wrong = |key, problem: String| Err(ConfigError::Value { key, problem });
        if let Some((key, _)) = self.limits.named().into_iter().find(|(_, n)| n.get() > MOST_PER_MINUTE) {
            return wrong(key, format!("allowed are 1 to {MOST_PER_MINUTE} per minute"));
        }
        let over_tls = self.redis.url.as_ref().is_some_and(|url| url.reveal().starts_with("rediss://"));
        if let Some(url) = &self.redis.url
            && !over_tls
            && !url.reveal().starts_with("redis://")
        {
            return wrong(
                "redis.url",
                "must be redis://[user:password@]host:port[/database], or rediss:// for TLS".into(),
            );
        }
        if self.redis.ca.is_some() && !over_tls {
            return wrong("redis.ca", "is for TLS alone: let redis.url begin with rediss://".into());
        }
        if self.uploads.max_mib.get() > 100
            || self.uploads.max_megapixels.get() > 200
            || self.uploads.at_once.get() > 64
        {
            return wrong(
                "uploads",
                "allowed are max_mib 1 to 100, max_megapixels 1 to 200, at_once 1 to 64: all of it is held in memory"
                    .into(),
            );
        }
        if self.clamav.tcp.is_some() && self.clamav.socket.is_some() {
            return wrong("clamav.tcp, clamav.socket", "give one of the two".into());
        }
        if self.http.header_timeout_s.get() > 300 {
            return wrong("http.header_timeout_s", "allowed are 1 to 300 seconds".into());
        }
        Ok(())
    }

    /// The origin that browsers come from.
    #[must_use]
    pub fn origin(&self) -> String {
        match &self.http.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                let scheme = if self.http.tls_certificate.is_some() { "https" } else { "http" };
                format!("{scheme}://{}", self.http.listen)
            }
        }
    }

    /// Every origin that is accepted: the public one and, on loopback, `localhost` too.
    #[must_use]
    pub fn origins(&self) -> Vec<String> {
        let mut origins = vec![self.origin()];
        if self.http.public_url.is_none() && self.http.listen.ip().is_loopback() {
            origins.push(format!("http://localhost:{}", self.http.listen.port()));
        }
        origins
    }
}

fn one_line(error: figment::Error) -> String {
    let mut lines: Vec<String> = error
        .into_iter()
        .map(|error| {
            let key = error.path.join(".");
            let source = error.metadata.as_ref().map(|m| match &m.source {
                Some(source) => format!(" (in {source})"),
                None => format!(" (in {})", m.name),
            });
            let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
            format!("{key}{}{}", error.kind, source.unwrap_or_default())
        })
        .collect();
    lines.dedup();
    lines.join("; ").replace('\n', " ")
}

#[cfg(test)]
pub(crate) mod tests;
