//! What stands at the edges: `[redis]`, `[uploads]`, `[clamav]`. How often one may ask, `[limits]`, is [`api::RateLimits`].

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SecretUrl;

/// `[redis]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `redis://[user:password@]host:port[/database]`, or `rediss://` for TLS: limits are counted over all nodes that share it.
    /// Default: none, each node counts for itself.
    pub url: Option<SecretUrl>,
    /// PEM file with the authorities that may have signed its certificate. Default: those that the system believes.
    pub ca: Option<PathBuf>,
}

/// `[uploads]`
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uploads {
    /// Largest document, MiB.
    pub max_mib: NonZeroU32,
    /// Most pixels of a picture, millions.
    pub max_megapixels: NonZeroU32,
    /// Uploads that may be on their way at once; each holds its whole document in memory.
    pub at_once: NonZeroU32,
}

impl Default for Uploads {
    fn default() -> Self {
        const fn number(n: u32) -> NonZeroU32 {
            NonZeroU32::new(n).expect("not zero")
        }
        Self { max_mib: number(20), max_megapixels: number(50), at_once: number(8) }
    }
}

/// `[clamav]`: one of the two addresses of a `clamd`, or neither. With one, nothing is stored that it has not passed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clamav {
    /// `host:port` as address and port.
    pub tcp: Option<SocketAddr>,
    /// A unix socket.
    pub socket: Option<PathBuf>,
}
