//! Whether clients can get to media: tried once at the start and by `bedside doctor`, and said in plain words.
//!
//! It is tried from this machine, which can't see what a firewall in front of it does. What fails here need not fail from outside;
//! what the words say is therefore what to open, not that it is closed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sfu::Sfu;

use crate::config::Config;
use crate::turn::Relay;

/// How long a way is tried.
const WITHIN: Duration = Duration::from_secs(2);

/// One way for media, and what is known of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// `udp`, `tcp`, `turn` or `address`.
    pub way: &'static str,
    /// Where.
    pub address: String,
    /// It worked from here.
    pub works: bool,
    /// What to do if it is needed and does not work; empty if there is nothing.
    pub advice: String,
}

/// Tries every way.
pub async fn look(config: &Config, sfu: &Sfu, relay: Option<&Relay>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for way in sfu.try_ways(WITHIN).await {
        let name = if way.tcp { "tcp" } else { "udp" };
        let advice = if way.works { String::new() } else { not_from_here(name, way.address, config) };
        findings.push(Finding { way: name, address: way.address.to_string(), works: way.works, advice });
    }
    for door in relay.map(Relay::doors).unwrap_or_default() {
        let works = tokio::time::timeout(WITHIN, crate::turn::answers(&door)).await.unwrap_or(false);
        let advice = if works {
            String::new()
        } else {
            format!(
                "the relay does not answer at {door} from this machine: open that port inwards, and see that the name leads here"
            )
        };
        findings.push(Finding { way: "turn", address: door, works, advice });
    }
    findings.extend(reach(&sfu.candidates(), config.origin().starts_with("https://")));
    findings
}

fn not_from_here(way: &str, address: SocketAddr, config: &Config) -> String {
    let upper = way.to_uppercase();
    if config.media.public_addresses.contains(&address.ip()) {
        format!(
            "{upper} to {address} did not come back to this machine. Address translation often does not turn back: try from outside. If it does not work there, forward {upper} port {} to this machine and open it inwards",
            address.port()
        )
    } else {
        format!(
            "{upper} to {address} does not arrive: open {upper} port {} inwards on this machine's firewall",
            address.port()
        )
    }
}

/// Who can get to these addresses at all.
fn reach(addresses: &[SocketAddr], is_public: bool) -> Option<Finding> {
    let all = |is: fn(IpAddr) -> bool| {
        !addresses.is_empty() && addresses.iter().all(|address| is(address.ip().to_canonical()))
    };
    let advice = if all(|ip| ip.is_loopback()) {
        "only browsers on this machine can send media: set media.listen to 0.0.0.0:3478 (or [::]:3478)"
    } else if all(|ip| ip.is_loopback() || is_private(ip)) {
        "only clients of the same private network can send media: set media.public_addresses to the addresses that the others reach this server at"
    } else {
        return None;
    };
    // On a machine that serves itself alone that is as it should be.
    is_public.then(|| Finding {
        way: "address",
        address: addresses.first().map(ToString::to_string).unwrap_or_default(),
        works: false,
        advice: advice.into(),
    })
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        // 100.64.0.0/10 is a carrier's own.
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_link_local() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Says it in the log and in `/metrics`.
pub async fn tell(config: Config, sfu: Sfu, relay: Option<Relay>) {
    metrics::describe_gauge!(
        "bedside_media_way_works",
        "1: a way for media that worked from this machine at the start."
    );
    for Finding { way, address, works, advice } in look(&config, &sfu, relay.as_ref()).await {
        let labels = [("way", way.to_owned()), ("address", address.clone())];
        metrics::gauge!("bedside_media_way_works", &labels).set(f64::from(u8::from(works)));
        if works {
            tracing::info!(kind = way, address, "media can come this way");
        } else {
            tracing::warn!(kind = way, address, error = advice, "media may not come this way");
        }
    }
}

/// For `bedside doctor`: a line each.
///
/// # Errors
/// Media can't be started at all.
pub fn examine(config: &Config) -> Result<Vec<Finding>, String> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let (sfu, _events) = Sfu::start(crate::serve::sfu_config(config)).map_err(|error| error.to_string())?;
        let findings = look(config, &sfu, None).await;
        sfu.shutdown().await;
        Ok(findings)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_others_cant_reach_are_named() {
        let of = |texts: &[&str]| {
            let addresses: Vec<SocketAddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
            reach(&addresses, true).map(|finding| finding.advice)
        };
        assert!(of(&["127.0.0.1:3478", "[::1]:3478"]).unwrap().contains("media.listen"));
        for private in [
            "10.0.0.1:1",
            "192.168.1.4:1",
            "172.20.0.2:1",
            "100.64.0.9:1",
            "169.254.1.1:1",
            "[fd00::1]:1",
            "[fe80::1]:1",
        ] {
            assert!(of(&[private, "127.0.0.1:1"]).unwrap().contains("public_addresses"), "{private}");
            assert_eq!(of(&[private, "203.0.113.7:1"]), None);
        }
        assert_eq!(of(&["[2001:db8::7]:1"]), None);
        assert_eq!(of(&["100.128.0.1:1"]), None);
        assert_eq!(reach(&["127.0.0.1:1".parse().unwrap()], false), None, "a demonstration on one machine");
    }
}
