//! How many connections there may be: in all, and from one address, so that one client can't take all places.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use ipnet::IpNet;

use crate::config::Http;

/// Counts places.
pub struct Places {
    most: usize,
    most_per_address: usize,
    /// These carry many clients each.
    proxies: Vec<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// The right to one connection; given back when dropped.
pub struct Place {
    of: Arc<Places>,
    address: Option<IpAddr>,
}

impl Places {
    pub fn new(config: &Http) -> Arc<Self> {
        Arc::new(Self {
            most: config.max_connections.get() as usize,
            most_per_address: config.max_connections_per_address.get() as usize,
            proxies: config.proxies(),
            taken: Mutex::default(),
        })
    }

    /// A place for a connection from `address`, or a word that says which limit is reached.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, &'static str> {
        let address = subscriber(address);
        let counted = (!self.proxies.iter().any(|net| net.contains(&address))).then_some(address);
        let mut taken = self.taken();
        if taken.all >= self.most {
            return Err("all_places_taken");
        }
        if let Some(address) = counted {
            let here = taken.by_address.entry(address).or_default();
            if *here >= self.most_per_address {
                return Err("too_many_from_one_address");
            }
            *here += 1;
        }
        taken.all += 1;
        metrics::gauge!("bedside_http_connections").set(taken.all as f64);
        Ok(Place { of: self.clone(), address: counted })
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().expect("no code panics while holding this lock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.all -= 1;
        metrics::gauge!("bedside_http_connections").set(taken.all as f64);
        if let Some(address) = self.address
            && let Some(here) = taken.by_address.get_mut(&address)
        {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

/// An IPv4 address, or an IPv6 /64, which one subscriber has to themselves.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn places() -> Arc<Places> {
        Places::new(&Http {
            max_connections: NonZeroU32::new(5).unwrap(),
            max_connections_per_address: NonZeroU32::new(2).unwrap(),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Http::default()
        })
    }

    #[test]
    fn one_address_gets_its_share_and_all_together_get_what_there_is() {
        let places = places();
        let take = |address: &str| places.take(address.parse().unwrap());
        let mut held = vec![take("192.0.2.1").ok().unwrap(), take("::ffff:192.0.2.1").ok().unwrap()];
        assert_eq!(take("192.0.2.1").err(), Some("too_many_from_one_address"));
        held.extend([take("2001:db8::1").ok().unwrap(), take("2001:db8::2").ok().unwrap()]);
        assert_eq!(take("2001:db8::3").err(), Some("too_many_from_one_address"));
        held.push(take("2001:db8:0:1::3").ok().unwrap());
        assert_eq!(take("192.0.2.9").err(), Some("all_places_taken"));
        held.clear();
        assert!(places.taken().by_address.is_empty() && places.taken().all == 0);
        take("192.0.2.1").ok().unwrap();
    }

    #[test]
    fn a_trusted_proxy_carries_many_clients() {
        let places = places();
        let held: Vec<_> = (0..5).map(|_| places.take("10.0.0.1".parse().unwrap()).ok().unwrap()).collect();
        assert_eq!(held.len(), 5);
    }
}
