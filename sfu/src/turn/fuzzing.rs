//! The relay as fuzzers reach it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun_types::attribute::{AttributeType, Nonce, RawAttribute, Realm, Username};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageWrite as _, MessageWriteExt as _, MessageWriteVec,
    Method,
};
use turn_types::attribute::RequestedTransport;
use turn_types::message::ALLOCATE;

use super::Limits;
use super::credentials::{Credentials, Secret};
use super::relay::{Act, Flow, Relay};

/// Messages on a stream: each takes at least four bytes and no more than there are.
pub(crate) fn framing(stream: &[u8]) {
    let mut rest = stream;
    while let super::stream::Found::Whole { packet, taken } = super::stream::message(rest) {
        assert!(4 <= packet && packet <= taken && taken <= rest.len());
        rest = &rest[taken..];
    }
}

/// A relay with one client that has an address.
pub(crate) struct Stage {
    relay: Relay,
    media: SocketAddr,
    client: SocketAddr,
    relayed: Option<SocketAddr>,
    user: Credentials,
    nonce: String,
    now: Instant,
    now_s: u64,
}

impl Stage {
    pub(crate) fn new(now: Instant) -> Self {
        let secret = Secret::new();
        let media = SocketAddr::from(([203, 0, 113, 7], 3_478));
        let client = SocketAddr::from(([198, 51, 100, 4], 50_000));
        let user = secret.issue("someone", 1_000_000);
        let nonce = secret.nonce(&client.to_string(), 1_000_000);
        let relay = Relay::new(secret, Limits::default(), vec![media]);
        let mut stage = Self { relay, media, client, relayed: None, user, nonce, now, now_s: 1 };
        let transport = RequestedTransport::new(RequestedTransport::UDP);
        let mut message = Message::builder_request(ALLOCATE, MessageWriteVec::new());
        message.add_attribute(&transport).expect("it fits");
        let request = stage.sign(message);
        stage.of_client(&request);
        assert!(stage.relay.knows(Flow::Udp(client)));
        stage.relayed = Some(sfu_core::net::relayed(false, 1));
        stage
    }

    pub(crate) fn later(&mut self, by: Duration) {
        self.now += by;
        self.now_s += by.as_secs();
        self.relay.sweep(self.now);
    }

    pub(crate) fn of_stranger(&mut self, message: &[u8]) {
        let stranger = SocketAddr::from(([198, 51, 100, 5], 1));
        let act = self.relay.of_client(Flow::Udp(stranger), stranger, message, self.now, self.now_s);
        assert!(!matches!(act, Act::Media { .. }));
        assert!(!self.relay.knows(Flow::Udp(stranger)));
    }

    pub(crate) fn of_client(&mut self, message: &[u8]) {
        let act = self.relay.of_client(Flow::Udp(self.client), self.client, message, self.now, self.now_s);
        if let Act::Media { to, .. } = act {
            assert_eq!(to, self.media);
        }
    }

    /// A request with the method and the attributes that the bytes say, rightly signed.
    pub(crate) fn signed(&mut self, bytes: &[u8]) {
        let [method, rest @ ..] = bytes else { return };
        let mut message = Message::builder_request(Method::new(u16::from(*method & 0xf)), MessageWriteVec::new());
        let mut rest = rest;
        while let [kind, length, after @ ..] = rest {
            let (value, after) = after.split_at(usize::from(*length).min(after.len()));
            let kind = AttributeType::new(u16::from(*kind));
            // Those that sign and name it come last.
            if ![6, 8, 0x14, 0x15, 0x1c].contains(&kind.value()) {
                message.push_attribute_unchecked(&RawAttribute::new(kind, value));
            }
            rest = after;
        }
        let request = self.sign(message);
        self.of_client(&request);
    }

    pub(crate) fn of_media(&mut self, packet: &[u8]) {
        if let Some(relayed) = self.relayed {
            for from in [self.media, self.client] {
                let to = self.relay.of_media(relayed, from, packet, self.now);
                assert!(to.is_none_or(|(flow, _)| flow == Flow::Udp(self.client) && from == self.media));
            }
        }
    }

    fn sign(&self, mut message: MessageWriteVec) -> Vec<u8> {
        let name = Username::new(&self.user.username).expect("short");
        let (realm, nonce) = (Realm::new("bedside").expect("short"), Nonce::new(&self.nonce).expect("short"));
        for attribute in [&name as &dyn stun_types::attribute::AttributeWrite, &realm, &nonce] {
            message.push_attribute_unchecked(attribute);
        }
        let (name, password) = (self.user.username.clone(), self.user.password.clone());
        let key = LongTermKeyCredentials::new(name, password, "bedside".to_owned());
        let _twice = message.add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1);
        message.finish()
    }
}
