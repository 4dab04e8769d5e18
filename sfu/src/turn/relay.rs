//! The relay's rules (RFC 8656), without sockets and clocks.
//!
//! It lends addresses that lie on no network: a packet "sent from" one goes to the media workers of this process and
//! nowhere else. That it can't be made to reach anything else is not a check; there is no socket that could.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use stun_types::AddressFamily;
use stun_types::attribute::{
    Attribute as _, AttributeStaticType as _, AttributeType, MessageIntegrity, MessageIntegritySha256, Nonce, Realm,
    Username,
};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageWrite as _, MessageWriteVec,
    TransactionId,
};
use turn_types::attribute::{
    ChannelNumber, Data, Lifetime, RequestedAddressFamily, RequestedTransport, XorPeerAddress,
};
use turn_types::channel::ChannelData;
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};

use super::allowance::Allowance;
use super::credentials::{Secret, parts};
use super::message::{Signature, challenge, data, done, lifetime, mapped, refused, relayed};
use super::{Limits, TurnCounters};

/// An address that is not renewed is given back after this time (RFC 8656, 7.2).
const LIFETIME: Duration = Duration::from_secs(600);
const PERMISSION: Duration = Duration::from_secs(300);
const CHANNEL: Duration = Duration::from_secs(600);
/// Nobody's visit is longer.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// How long a nonce is good, seconds.
const NONCE_S: u64 = 3_600;
const REALM: &str = "bedside";
/// What a request may contain that has to be understood. Of what is missing (DONT-FRAGMENT, EVEN-PORT,
/// RESERVATION-TOKEN) a client is told so by 420.
const UNDERSTOOD: [AttributeType; 11] = [
    Username::TYPE,
    Realm::TYPE,
    Nonce::TYPE,
    MessageIntegrity::TYPE,
    MessageIntegritySha256::TYPE,
    ChannelNumber::TYPE,
    Lifetime::TYPE,
    XorPeerAddress::TYPE,
    RequestedAddressFamily::TYPE,
    RequestedTransport::TYPE,
    Data::TYPE,
];

/// A client, as its packets come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flow {
    Udp(SocketAddr),
    /// A connection, by its number.
    Stream(u64),
}

/// What a client's packet leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Nothing,
    Reply(Vec<u8>),
    /// To media: from the client's lent address, to one of ours.
    Media {
        relayed: SocketAddr,
        to: SocketAddr,
        packet: Vec<u8>,
    },
}

struct Allocation {
    flow: Flow,
    whom: String,
    username: String,
    credentials: LongTermKeyCredentials,
    relayed: SocketAddr,
    transaction: TransactionId,
    born: Instant,
    until: Instant,
    permissions: Vec<(IpAddr, Instant)>,
    channels: Vec<(u16, SocketAddr, Instant)>,
    up: Allowance,
    down: Allowance,
}

/// The relay.
pub(crate) struct Relay {
    secret: Secret,
    limits: Limits,
    /// The addresses of media: nothing else exists for the relay.
    media: Vec<SocketAddr>,
    allocations: HashMap<Flow, Allocation>,
    by_relayed: HashMap<SocketAddr, Flow>,
    by_whom: HashMap<String, usize>,
    next_port: u16,
    pub counters: TurnCounters,
}

/// Who a request comes from, proved.
struct Proof {
    username: String,
    whom: String,
    credentials: LongTermKeyCredentials,
    algorithm: IntegrityAlgorithm,
}

impl Relay {
    pub(crate) fn new(secret: Secret, limits: Limits, media: Vec<SocketAddr>) -> Self {
        Self {
            secret,
            limits,
            media,
            allocations: HashMap::new(),
            by_relayed: HashMap::new(),
            by_whom: HashMap::new(),
            next_port: 1,
            counters: TurnCounters::default(),
        }
    }

    /// Whether this client has an address.
    pub(crate) fn knows(&self, flow: Flow) -> bool {
        self.allocations.contains_key(&flow)
    }

    /// Takes one packet (a datagram, or one message of a stream) of a client at `source`.
    pub(crate) fn of_client(&mut self, flow: Flow, source: SocketAddr, packet: &[u8], now: Instant, now_s: u64) -> Act {
        match packet.first() {
            Some(0x40..=0x4f) => self.channel_data(flow, packet, now),
            Some(0..=3) => {
                let Ok(message) = Message::from_bytes(packet) else {
                    self.counters.dropped += 1;
                    return Act::Nothing;
                };
                match message.class() {
                    MessageClass::Request => Act::Reply(self.request(flow, source, &message, now, now_s)),
                    MessageClass::Indication if message.has_method(SEND) => self.send(flow, &message, now),
                    _ => Act::Nothing,
                }
            }
            _ => {
                self.counters.dropped += 1;
                Act::Nothing
            }
        }
    }

    /// A packet from media to a lent address, as its client is to get it.
    pub(crate) fn of_media(
        &mut self,
        relayed: SocketAddr,
        from: SocketAddr,
        packet: &[u8],
        now: Instant,
    ) -> Option<(Flow, Vec<u8>)> {
        let flow = *self.by_relayed.get(&relayed)?;
        let allocation = self.allocations.get_mut(&flow)?;
        if !allocation.permits(from.ip(), now) || !allocation.down.takes(packet.len(), now) {
            self.counters.dropped += 1;
            return None;
        }
        self.counters.packets_to_clients += 1;
        let Some(channel) = allocation.channel_of(from, now) else { return Some((flow, data(from, packet))) };
        // On a stream it has to end at a multiple of four; elsewhere it may.
        let mut framed = vec![0; 4 + packet.len().next_multiple_of(4)];
        ChannelData::new(channel, packet).write_into_unchecked(&mut framed[..4 + packet.len()]);
        Some((flow, framed))
    }

    /// A client's connection has ended.
    pub(crate) fn gone(&mut self, flow: Flow) {
        let Some(allocation) = self.allocations.remove(&flow) else { return };
        self.by_relayed.remove(&allocation.relayed);
        if let Some(count) = self.by_whom.get_mut(&allocation.whom) {
            *count -= 1;
            if *count == 0 {
                self.by_whom.remove(&allocation.whom);
            }
        }
        self.counters.allocations = self.allocations.len() as u64;
    }

    /// Takes back what was not renewed.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let over = |allocation: &&Allocation| now >= allocation.until;
        let over: Vec<Flow> = self.allocations.values().filter(over).map(|allocation| allocation.flow).collect();
        over.into_iter().for_each(|flow| self.gone(flow));
    }

    fn request(&mut self, flow: Flow, source: SocketAddr, request: &Message<'_>, now: Instant, now_s: u64) -> Vec<u8> {
        if request.has_method(BINDING) {
            return done(request, &[&mapped(request, source)], None);
        }
        if ![ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND].contains(&request.method()) {
            return refused(request, 400, None);
        }
        let strange = |kind: &AttributeType| kind.comprehension_required() && !UNDERSTOOD.contains(kind);
        let strange: Vec<_> = request.iter_attributes().map(|(_, a)| a.get_type()).filter(strange).collect();
        if !strange.is_empty() {
            return Message::unknown_attributes(request, &strange, MessageWriteVec::new()).finish();
        }
        if self.allocations.get(&flow).is_some_and(|allocation| now >= allocation.until) {
            self.gone(flow);
        }
        let proof = match self.prove(flow, source, request, now_s) {
            Ok(proof) => proof,
            Err(answer) => return answer,
        };
        let signature = Some((&proof.credentials, proof.algorithm));
        match request.method() {
            ALLOCATE => self.allocate(flow, source, request, &proof, now),
            REFRESH => self.refresh(flow, request, signature, now),
            CREATE_PERMISSION => self.create_permission(flow, request, signature, now),
            _ => self.bind_channel(flow, request, signature, now),
        }
    }

    /// RFC 8489, 9.2.4.
    fn prove(&mut self, flow: Flow, source: SocketAddr, request: &Message<'_>, now_s: u64) -> Result<Proof, Vec<u8>> {
        let place = source.to_string();
        let ask = |relay: &Self, code| challenge(request, code, REALM, &relay.secret.nonce(&place, now_s + NONCE_S));
        let signed =
            request.has_attribute(MessageIntegrity::TYPE) || request.has_attribute(MessageIntegritySha256::TYPE);
        if !signed {
            return Err(ask(self, 401));
        }
        let (Ok(username), Ok(realm), Ok(nonce)) =
            (request.attribute::<Username>(), request.attribute::<Realm>(), request.attribute::<Nonce>())
        else {
            return Err(refused(request, 400, None));
        };
        if !self.secret.is_fresh(nonce.nonce(), &place, now_s) {
            return Err(ask(self, 438));
        }
        let username = username.username().to_owned();
        let known = self.allocations.get(&flow);
        if known.is_some_and(|allocation| allocation.username != username) {
            return Err(refused(request, 441, None));
        }
        // Who has an address may keep it: a visit can be longer than the credentials that began it.
        let good = parts(&username).filter(|(until, _)| known.is_some() || now_s < *until);
        let whom = good.map(|(_, whom)| whom.to_owned()).filter(|_| realm.realm() == REALM);
        let password = self.secret.password(&username);
        let credentials = LongTermKeyCredentials::new(username.clone(), password, REALM.to_owned());
        match (whom, request.validate_integrity(&credentials.clone().into())) {
            (Some(whom), Ok(algorithm)) => Ok(Proof { username, whom, credentials, algorithm }),
            _ => {
                self.counters.refused_credentials += 1;
                Err(ask(self, 401))
            }
        }
    }

    fn allocate(
        &mut self,
        flow: Flow,
        source: SocketAddr,
        request: &Message<'_>,
        proof: &Proof,
        now: Instant,
    ) -> Vec<u8> {
        let signature: Signature<'_> = Some((&proof.credentials, proof.algorithm));
        let answer = |code| refused(request, code, signature);
        if let Some(allocation) = self.allocations.get(&flow) {
            // The same request again: its answer was lost.
            if allocation.transaction != request.transaction_id() {
                return answer(437);
            }
            let address = relayed(request, allocation.relayed);
            let left = allocation.until.saturating_duration_since(now).as_secs();
            return done(request, &[&address, &lifetime(left), &mapped(request, source)], signature);
        }
        match request.attribute::<RequestedTransport>() {
            Ok(transport) if transport.protocol() == RequestedTransport::UDP => {}
            Ok(_) => return answer(442),
            Err(_) => return answer(400),
        }
        let Some(v6) = self.family(request) else { return answer(440) };
        if self.by_whom.get(&proof.whom).copied().unwrap_or_default() >= self.limits.per_user {
            self.counters.refused_quota += 1;
            return answer(486);
        }
        let free = if self.allocations.len() < self.limits.allocations { self.free_address(v6) } else { None };
        let Some(address) = free else {
            self.counters.refused_quota += 1;
            return answer(508);
        };
        let allowance = Allowance::new(self.limits.bytes_per_second, now);
        let allocation = Allocation {
            flow,
            whom: proof.whom.clone(),
            username: proof.username.clone(),
            credentials: proof.credentials.clone(),
            relayed: address,
            transaction: request.transaction_id(),
            born: now,
            until: now + LIFETIME,
            permissions: Vec::new(),
            channels: Vec::new(),
            up: allowance,
            down: allowance,
        };
        let signature = Some((&allocation.credentials, proof.algorithm));
        let attributes = (relayed(request, address), lifetime(LIFETIME.as_secs()), mapped(request, source));
        let answer = done(request, &[&attributes.0, &attributes.1, &attributes.2], signature);
        self.by_relayed.insert(address, flow);
        *self.by_whom.entry(proof.whom.clone()).or_default() += 1;
        self.allocations.insert(flow, allocation);
        self.counters.allocated += 1;
        self.counters.allocations = self.allocations.len() as u64;
        answer
    }

    /// Whether the address is to be IPv6: as asked, else as media has it. `None`: media has none of that family.
    fn family(&self, request: &Message<'_>) -> Option<bool> {
        let has = |v6: bool| self.media.iter().any(|address| address.is_ipv6() == v6);
        match request.attribute::<RequestedAddressFamily>() {
            Ok(asked) => Some(asked.family() == AddressFamily::IPV6).filter(|v6| has(*v6)),
            Err(_) => Some(!has(false)).filter(|v6| has(*v6)),
        }
    }

    fn free_address(&mut self, v6: bool) -> Option<SocketAddr> {
        for _ in 1..=u16::MAX {
            let address = sfu_core::net::relayed(v6, self.next_port);
            self.next_port = self.next_port.checked_add(1).unwrap_or(1);
            if !self.by_relayed.contains_key(&address) {
                return Some(address);
            }
        }
        None
    }

    fn refresh(&mut self, flow: Flow, request: &Message<'_>, signature: Signature<'_>, now: Instant) -> Vec<u8> {
        let ends = request.attribute::<Lifetime>().is_ok_and(|asked| asked.seconds() == 0);
        let Some(allocation) = self.allocations.get_mut(&flow) else {
            return if ends { done(request, &[&lifetime(0)], signature) } else { refused(request, 437, signature) };
        };
        if ends {
            self.gone(flow);
            return done(request, &[&lifetime(0)], signature);
        }
        allocation.until = (now + LIFETIME).min(allocation.born + LONGEST);
        let left = allocation.until.saturating_duration_since(now).as_secs();
        done(request, &[&lifetime(left)], signature)
    }

    fn create_permission(
        &mut self,
        flow: Flow,
        request: &Message<'_>,
        signature: Signature<'_>,
        now: Instant,
    ) -> Vec<u8> {
        let Some(allocation) = self.allocations.get_mut(&flow) else { return refused(request, 437, signature) };
        let transaction = request.transaction_id();
        let peers = |n| request.nth_attribute::<XorPeerAddress>(n).ok();
        let asked: Vec<IpAddr> = (0..self.limits.peers_per_request + 1)
            .map_while(|n| peers(n).map(|peer| peer.addr(transaction).ip().to_canonical()))
            .collect();
        if asked.is_empty() || asked.len() > self.limits.peers_per_request {
            return refused(request, 400, signature);
        }
        if asked.iter().any(|ip| ip.is_ipv6() != allocation.relayed.is_ipv6()) {
            return refused(request, 443, signature);
        }
        if !asked.iter().all(|ip| self.media.iter().any(|media| media.ip() == *ip)) {
            self.counters.forbidden += 1;
            return refused(request, 403, signature);
        }
        for ip in asked {
            allocation.permit(ip, now);
        }
        done(request, &[], signature)
    }

    fn bind_channel(&mut self, flow: Flow, request: &Message<'_>, signature: Signature<'_>, now: Instant) -> Vec<u8> {
        let Some(allocation) = self.allocations.get_mut(&flow) else { return refused(request, 437, signature) };
        let (Ok(number), Ok(peer)) = (request.attribute::<ChannelNumber>(), request.attribute::<XorPeerAddress>())
        else {
            return refused(request, 400, signature);
        };
        let (number, peer) = (number.channel(), canonical(peer.addr(request.transaction_id())));
        if !(0x4000..=0x4fff).contains(&number) {
            return refused(request, 400, signature);
        }
        if peer.is_ipv6() != allocation.relayed.is_ipv6() {
            return refused(request, 443, signature);
        }
        if !self.media.contains(&peer) {
            self.counters.forbidden += 1;
            return refused(request, 403, signature);
        }
        allocation.channels.retain(|(.., until)| now < *until);
        let clash = |(n, p, _): &(u16, SocketAddr, Instant)| (*n == number) != (*p == peer);
        if allocation.channels.iter().any(clash) {
            return refused(request, 400, signature);
        }
        allocation.channels.retain(|(n, ..)| *n != number);
        allocation.channels.push((number, peer, now + CHANNEL));
        allocation.permit(peer.ip(), now);
        done(request, &[], signature)
    }

    fn send(&mut self, flow: Flow, message: &Message<'_>, now: Instant) -> Act {
        let (Ok(peer), Ok(data)) = (message.attribute::<XorPeerAddress>(), message.attribute::<Data<'_>>()) else {
            self.counters.dropped += 1;
            return Act::Nothing;
        };
        self.hand_on(flow, canonical(peer.addr(message.transaction_id())), data.data(), now)
    }

    fn channel_data(&mut self, flow: Flow, packet: &[u8], now: Instant) -> Act {
        let bound = ChannelData::parse(packet).ok().and_then(|data| {
            let channels = &self.allocations.get(&flow)?.channels;
            let found = channels.iter().find(|(n, _, until)| *n == data.id() && now < *until)?;
            Some((found.1, data.data().to_vec()))
        });
        match bound {
            Some((peer, data)) => self.hand_on(flow, peer, &data, now),
            None => {
                self.counters.dropped += 1;
                Act::Nothing
            }
        }
    }

    /// The only way out of the relay.
    fn hand_on(&mut self, flow: Flow, to: SocketAddr, packet: &[u8], now: Instant) -> Act {
        let ours = self.media.contains(&to);
        let allowed = self
            .allocations
            .get_mut(&flow)
            .filter(|allocation| ours && now < allocation.until && allocation.permits(to.ip(), now));
        let allowed = allowed.and_then(|allocation| allocation.up.takes(packet.len(), now).then_some(allocation));
        let Some(allocation) = allowed else {
            self.counters.dropped += 1;
            return Act::Nothing;
        };
        self.counters.packets_to_media += 1;
        Act::Media { relayed: allocation.relayed, to, packet: packet.to_vec() }
    }
}

impl Allocation {
    fn permit(&mut self, ip: IpAddr, now: Instant) {
        self.permissions.retain(|(permitted, until)| *permitted != ip && now < *until);
        self.permissions.push((ip, now + PERMISSION));
    }

    fn permits(&self, ip: IpAddr, now: Instant) -> bool {
        self.permissions.iter().any(|(permitted, until)| *permitted == ip && now < *until)
    }

    fn channel_of(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        self.channels.iter().find(|(_, bound, until)| *bound == peer && now < *until).map(|(n, ..)| *n)
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests;
