//! A network or a single address, as proxies are listed.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `10.0.0.0/8` or `10.0.0.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Net(pub IpNet);

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<IpAddr>()
            .map(IpNet::from)
            .or_else(|_| text.parse())
            .map(Self)
            .map_err(|_| format!("`{text}` is neither an address, such as 10.0.0.1, nor a network, such as 10.0.0.0/8"))
    }
}

impl TryFrom<String> for Net {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Net> for String {
    fn from(net: Net) -> Self {
        net.0.to_string()
    }
}
