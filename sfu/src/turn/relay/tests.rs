use stun_types::attribute::{AttributeWrite, ErrorCode, XorMappedAddress};
use stun_types::message::{MessageWriteExt as _, Method};
use turn_types::attribute::XorRelayedAddress;

use super::super::credentials::Credentials;
use super::*;

const MEDIA: &str = "203.0.113.7:3478";
const SECOND: &str = "203.0.113.7:3479";
const NOW_S: u64 = 1_000_000;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A relay, its time, and one client that does as RFC 8656 says.
struct Stage {
    relay: Relay,
    now: Instant,
    now_s: u64,
    flow: Flow,
    source: SocketAddr,
    user: Credentials,
    nonce: String,
}

/// What was answered: an error's code or 0, and the message.
struct Answer {
    code: u16,
    bytes: Vec<u8>,
}

impl Stage {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let secret = Secret::new();
        let user = secret.issue("someone", NOW_S + 60);
        let source = at("198.51.100.4:50000");
        let mut stage = Self {
            relay: Relay::new(secret, limits, vec![at(MEDIA), at(SECOND), at("[2001:db8::7]:3478")]),
            now: Instant::now(),
            now_s: NOW_S,
            flow: Flow::Udp(source),
            source,
            user,
            nonce: String::new(),
        };
        stage.learn_nonce();
        stage
    }

    fn learn_nonce(&mut self) {
        let bytes = Message::builder_request(ALLOCATE, MessageWriteVec::new()).finish();
        let answer = self.give(&bytes);
        assert_eq!(answer.code, 401);
        self.nonce = Message::from_bytes(&answer.bytes).unwrap().attribute::<Nonce>().unwrap().nonce().to_owned();
    }

    fn becomes(&mut self, source: &str) {
        self.source = at(source);
        self.flow = Flow::Udp(self.source);
        self.learn_nonce();
    }

    fn later(&mut self, by: Duration) {
        self.now += by;
        self.now_s += by.as_secs();
        self.relay.sweep(self.now);
    }

    fn act(&mut self, bytes: &[u8]) -> Act {
        self.relay.of_client(self.flow, self.source, bytes, self.now, self.now_s)
    }

    fn give(&mut self, bytes: &[u8]) -> Answer {
        let Act::Reply(bytes) = self.act(bytes) else { panic!("no answer") };
        let message = Message::from_bytes(&bytes).unwrap();
        let code = message.attribute::<ErrorCode>().map_or(0, |error| error.code());
        Answer { code, bytes }
    }

    fn request(&self, method: Method, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
        self.signed(Message::builder_request(method, MessageWriteVec::new()), attributes)
    }

    fn signed(&self, mut message: MessageWriteVec, attributes: &[&dyn AttributeWrite]) -> Vec<u8> {
        for attribute in attributes {
            message.add_attribute(*attribute).unwrap();
        }
        message.add_attribute(&Username::new(&self.user.username).unwrap()).unwrap();
        message.add_attribute(&Realm::new(REALM).unwrap()).unwrap();
        message.add_attribute(&Nonce::new(&self.nonce).unwrap()).unwrap();
        let credentials =
            LongTermKeyCredentials::new(self.user.username.clone(), self.user.password.clone(), REALM.to_owned());
        message.add_message_integrity(&credentials.into(), IntegrityAlgorithm::Sha1).unwrap();
        message.finish()
    }

    fn ask(&mut self, method: Method, attributes: &[&dyn AttributeWrite]) -> Answer {
        let request = self.request(method, attributes);
        self.give(&request)
    }

    fn allocate(&mut self) -> Answer {
        self.ask(ALLOCATE, &[&RequestedTransport::new(RequestedTransport::UDP)])
    }

    /// For addresses in a request: they are written with its transaction.
    fn ask_about(&mut self, method: Method, peers: &[&str], channel: Option<u16>) -> Answer {
        let message = Message::builder_request(method, MessageWriteVec::new());
        let peers: Vec<_> = peers.iter().map(|peer| XorPeerAddress::new(at(peer), message.transaction_id())).collect();
        let number = channel.map(ChannelNumber::new);
        let mut attributes: Vec<&dyn AttributeWrite> =
            number.iter().map(|number| number as &dyn AttributeWrite).collect();
        attributes.extend(peers.iter().map(|peer| peer as &dyn AttributeWrite));
        // More than one of a kind is allowed here alone.
        let mut message = message;
        let multiple = attributes.len() > 1 && channel.is_none();
        if multiple {
            for attribute in &attributes {
                message.push_attribute_unchecked(*attribute);
            }
            attributes.clear();
        }
        let request = self.signed(message, &attributes);
        self.give(&request)
    }

    fn permit(&mut self, peer: &str) -> u16 {
        self.ask_about(CREATE_PERMISSION, &[peer], None).code
    }

    fn bind(&mut self, channel: u16, peer: &str) -> u16 {
        self.ask_about(CHANNEL_BIND, &[peer], Some(channel)).code
    }

    fn send(&mut self, peer: &str, packet: &[u8]) -> Act {
        let mut message = Message::builder_indication(SEND, MessageWriteVec::new());
        let peer = XorPeerAddress::new(at(peer), message.transaction_id());
        message.add_attribute(&peer).unwrap();
        message.add_attribute(&Data::new(packet)).unwrap();
        let bytes = message.finish();
        self.act(&bytes)
    }

    fn relayed(&self) -> SocketAddr {
        self.relay.allocations[&self.flow].relayed
    }
}

#[test]
fn a_client_gets_an_address_and_speaks_to_media_from_it() {
    let mut stage = Stage::new();
    let answer = stage.allocate();
    assert_eq!(answer.code, 0);
    let message = Message::from_bytes(&answer.bytes).unwrap();
    let relayed = message.attribute::<XorRelayedAddress>().unwrap().addr(message.transaction_id());
    assert!(sfu_core::net::is_relayed(relayed));
    assert_eq!(message.attribute::<XorMappedAddress>().unwrap().addr(message.transaction_id()), stage.source);
    assert_eq!(message.attribute::<Lifetime>().unwrap().seconds(), 600);
    assert_eq!(stage.send(MEDIA, b"early"), Act::Nothing, "no permission yet");
    assert_eq!(stage.permit(MEDIA), 0);
    assert_eq!(stage.send(MEDIA, b"hello"), Act::Media { relayed, to: at(MEDIA), packet: b"hello".to_vec() });
    let (flow, indication) = stage.relay.of_media(relayed, at(MEDIA), b"yes?", stage.now).unwrap();
    assert_eq!(flow, stage.flow);
    let indication = Message::from_bytes(&indication).unwrap();
    assert_eq!(indication.attribute::<Data<'_>>().unwrap().data(), b"yes?");
    assert_eq!(indication.attribute::<XorPeerAddress>().unwrap().addr(indication.transaction_id()), at(MEDIA));
    assert_eq!(stage.bind(0x4001, MEDIA), 0);
    let (_, framed) = stage.relay.of_media(relayed, at(MEDIA), b"abcde", stage.now).unwrap();
    assert_eq!(framed, [b"\x40\x01\x00\x05abcde".as_slice(), &[0; 3]].concat());
    let sent = stage.act(b"\x40\x01\x00\x03abc\0");
    assert_eq!(sent, Act::Media { relayed, to: at(MEDIA), packet: b"abc".to_vec() });
    let counters = stage.relay.counters;
    assert_eq!((counters.allocations, counters.packets_to_media, counters.packets_to_clients), (1, 2, 2));
}

#[test]
fn nothing_but_media_can_be_reached() {
    let mut stage = Stage::new();
    stage.allocate();
    let forbidden = [
        "127.0.0.1:3478",
        "127.0.0.1:5432",
        "0.0.0.0:3478",
        "169.254.169.254:80",
        "10.0.0.1:3478",
        "172.16.0.1:3478",
        "192.168.1.1:3478",
        "100.64.0.1:3478",
        "224.0.0.1:3478",
        "255.255.255.255:3478",
        "192.0.2.1:1",
        "8.8.8.8:53",
    ];
    for peer in forbidden {
        assert_eq!(stage.permit(peer), 403, "{peer}");
        assert_eq!(stage.bind(0x4000, peer), 403, "{peer}");
        assert_eq!(stage.send(peer, b"x"), Act::Nothing, "{peer}");
    }
    for peer in ["[::1]:3478", "[fe80::1]:3478", "[fd00::1]:3478", "[fd00:ec2::254]:80", "[2001:db8::7]:3478"] {
        assert_eq!((stage.permit(peer), stage.bind(0x4000, peer)), (443, 443), "{peer}: another family");
        assert_eq!(stage.send(peer, b"x"), Act::Nothing, "{peer}");
    }
    // Addresses of IPv4 written as IPv6 are what they stand for.
    assert_eq!(stage.permit("[::ffff:127.0.0.1]:3478"), 403);
    assert_eq!(stage.bind(0x4000, "[::ffff:169.254.169.254]:80"), 403);
    // One bad address spoils the request; nothing of it is granted.
    assert_eq!(stage.ask_about(CREATE_PERMISSION, &[MEDIA, "127.0.0.1:1"], None).code, 403);
    assert_eq!(stage.send(MEDIA, b"x"), Act::Nothing);
    // Our own machine, but another program's port.
    assert_eq!(stage.permit("203.0.113.7:5432"), 0, "a permission is for an address");
    assert_eq!(stage.bind(0x4000, "203.0.113.7:5432"), 403);
    assert_eq!(stage.send("203.0.113.7:5432", b"x"), Act::Nothing);
    assert_eq!(stage.relay.counters.forbidden, 2 * forbidden.len() as u64 + 4);
    assert_eq!(stage.relay.counters.packets_to_media, 0);
}

#[test]
fn an_ipv6_client_reaches_ipv6_media_only() {
    let mut stage = Stage::new();
    let transport = RequestedTransport::new(RequestedTransport::UDP);
    let family = RequestedAddressFamily::new(AddressFamily::IPV6);
    assert_eq!(stage.ask(ALLOCATE, &[&transport, &family]).code, 0);
    assert!(stage.relayed().is_ipv6());
    for peer in ["[::1]:3478", "[fe80::1]:3478", "[fd00:ec2::254]:80", "[::]:3478"] {
        assert_eq!(stage.permit(peer), 403, "{peer}");
    }
    assert_eq!((stage.permit(MEDIA), stage.permit("[2001:db8::7]:9")), (443, 0));
    stage.relay.media.retain(SocketAddr::is_ipv4);
    stage.becomes("198.51.100.4:50001");
    assert_eq!(stage.ask(ALLOCATE, &[&transport, &family]).code, 440, "media has no such address");
}

#[test]
fn only_good_credentials_begin() {
    let mut stage = Stage::new();
    let good = stage.user.clone();
    let mut refused = 0;
    let mut refuses = |stage: &mut Stage, user: Credentials, why: &str| {
        stage.user = user;
        assert_eq!(stage.allocate().code, 401, "{why}");
        refused += 1;
        assert_eq!(stage.relay.counters.refused_credentials, refused, "{why}");
    };
    let named = |username: &str| Credentials { username: username.to_owned(), ..good.clone() };
    refuses(&mut stage, named(&good.username.replace("1000060", "9999999")), "prolonged by hand");
    refuses(&mut stage, named("1000060:someone else"), "another's password");
    refuses(&mut stage, named("someone"), "no time");
    refuses(&mut stage, named(""), "no name");
    refuses(&mut stage, Credentials { password: String::new(), ..good.clone() }, "no password");
    refuses(&mut stage, Secret::new().issue("someone", NOW_S + 60), "another server's");
    let expired = stage.relay.secret.issue("someone", NOW_S);
    refuses(&mut stage, expired, "expired");
    let endless = stage.relay.secret.password("never:someone");
    refuses(&mut stage, Credentials { username: "never:someone".into(), password: endless }, "no number");
    assert!(stage.relay.allocations.is_empty());
    stage.user = good;
    stage.nonce = Secret::new().nonce(&stage.source.to_string(), NOW_S + 10);
    assert_eq!(stage.allocate().code, 438, "another server's nonce");
    stage.learn_nonce();
    let mine = stage.nonce.clone();
    stage.becomes("198.51.100.9:1");
    stage.nonce = mine;
    assert_eq!(stage.allocate().code, 438, "another client's nonce");
    stage.learn_nonce();
    assert_eq!(stage.allocate().code, 0);
}

#[test]
fn a_changed_request_is_refused() {
    let mut stage = Stage::new();
    let request = stage.request(ALLOCATE, &[&RequestedTransport::new(RequestedTransport::UDP)]);
    // The transport's value is the first after the header: 4 bytes of type and length, then 17.
    for (position, value) in [(24, 6), (8, 0x55)] {
        let mut changed = request.clone();
        changed[position] = value;
        assert_eq!(stage.give(&changed).code, 401, "byte {position}");
    }
    assert_eq!(stage.give(&request).code, 0);
}

#[test]
fn who_has_begun_goes_on_when_the_credentials_have_expired_and_nobody_takes_it_over() {
    let mut stage = Stage::new();
    stage.allocate();
    let mine = stage.user.clone();
    stage.later(Duration::from_secs(500));
    assert_eq!((stage.ask(REFRESH, &[]).code, stage.permit(MEDIA)), (0, 0), "expired 440 s ago");
    stage.user = stage.relay.secret.issue("another", stage.now_s + 60);
    assert_eq!((stage.ask(REFRESH, &[]).code, stage.permit(MEDIA)), (441, 441));
    stage.user = mine;
    stage.becomes("198.51.100.9:1");
    assert_eq!(stage.allocate().code, 401, "it can't begin anew");
}

#[test]
fn everything_ends_that_is_not_renewed() {
    let mut stage = Stage::new();
    stage.allocate();
    let relayed = stage.relayed();
    assert_eq!((stage.permit(MEDIA), stage.bind(0x4000, SECOND)), (0, 0));
    stage.later(Duration::from_secs(299));
    assert!(matches!(stage.send(MEDIA, b"x"), Act::Media { .. }));
    stage.later(Duration::from_secs(1));
    assert_eq!(stage.send(MEDIA, b"x"), Act::Nothing, "the permission is over");
    assert_eq!(stage.act(b"\x40\0\0\x01x\0\0\0"), Act::Nothing, "a channel needs one too");
    assert_eq!(stage.relay.of_media(relayed, at(MEDIA), b"x", stage.now), None);
    assert_eq!(stage.permit(MEDIA), 0);
    stage.later(Duration::from_secs(299));
    assert_eq!(stage.ask(REFRESH, &[]).code, 0);
    stage.later(Duration::from_secs(2));
    assert_eq!(stage.act(b"\x40\0\0\x01x\0\0\0"), Act::Nothing, "the channel is over");
    stage.later(Duration::from_secs(600));
    assert!(stage.relay.allocations.is_empty() && stage.relay.by_relayed.is_empty() && stage.relay.by_whom.is_empty());
    assert_eq!(stage.relay.counters.allocations, 0);
}

#[test]
fn no_address_is_kept_for_ever() {
    let mut stage = Stage::new();
    stage.allocate();
    let mut kept = 0;
    while !stage.relay.allocations.is_empty() {
        stage.learn_nonce();
        stage.ask(REFRESH, &[]);
        stage.later(Duration::from_secs(500));
        kept += 500;
        assert!(kept <= LONGEST.as_secs() + 500, "{kept} s");
    }
    assert!(kept >= LONGEST.as_secs());
}

#[test]
fn requests_out_of_order_are_told_so() {
    let mut stage = Stage::new();
    assert_eq!((stage.ask(REFRESH, &[]).code, stage.permit(MEDIA), stage.bind(0x4000, MEDIA)), (437, 437, 437));
    assert_eq!(stage.ask(REFRESH, &[&Lifetime::new(0)]).code, 0, "giving back nothing is done");
    assert_eq!(stage.ask(ALLOCATE, &[]).code, 400);
    assert_eq!(stage.ask(ALLOCATE, &[&RequestedTransport::new(RequestedTransport::TCP)]).code, 442);
    let transport = RequestedTransport::new(RequestedTransport::UDP);
    let strange = turn_types::attribute::EvenPort::new(true);
    assert_eq!(stage.ask(ALLOCATE, &[&transport, &strange]).code, 420);
    let request = stage.request(ALLOCATE, &[&transport]);
    assert_eq!((stage.give(&request).code, stage.give(&request).code), (0, 0), "the same again");
    assert_eq!(stage.relay.counters.allocated, 1);
    assert_eq!(stage.allocate().code, 437, "another while there is one");
    assert_eq!((stage.bind(0x3fff, MEDIA), stage.bind(0x5000, MEDIA)), (400, 400));
    assert_eq!((stage.bind(0x4000, MEDIA), stage.bind(0x4000, SECOND), stage.bind(0x4001, MEDIA)), (0, 400, 400));
    assert_eq!(stage.bind(0x4000, MEDIA), 0, "renewed");
    assert_eq!(stage.ask_about(CREATE_PERMISSION, &[], None).code, 400);
    assert_eq!(stage.ask_about(CREATE_PERMISSION, &[MEDIA; 17], None).code, 400);
    assert_eq!(stage.ask(REFRESH, &[&Lifetime::new(0)]).code, 0);
    assert!(!stage.relay.knows(stage.flow));
    assert_eq!(stage.ask(turn_types::message::CONNECT, &[]).code, 400, "no relay to TCP");
}

#[test]
fn each_person_and_all_together_are_bounded() {
    let mut stage = Stage::with(Limits { allocations: 5, per_user: 3, bytes_per_second: 1_000, ..Limits::default() });
    let mut codes = vec![];
    for n in 0..4 {
        stage.becomes(&format!("198.51.100.4:{}", 1_000 + n));
        // Other credentials, the same person.
        stage.user = stage.relay.secret.issue("someone", NOW_S + 60 + n);
        codes.push(stage.allocate().code);
    }
    for n in 0..3 {
        stage.becomes(&format!("198.51.100.4:{}", 2_000 + n));
        stage.user = stage.relay.secret.issue(&format!("person {n}"), NOW_S + 60);
        codes.push(stage.allocate().code);
    }
    assert_eq!(codes, [0, 0, 0, 486, 0, 0, 508]);
    assert_eq!(stage.relay.counters.refused_quota, 2);
    stage.becomes("198.51.100.4:2001");
    stage.user = stage.relay.secret.issue("person 1", NOW_S + 60);
    assert_eq!(stage.permit(MEDIA), 0);
    let sent = (0..20).filter(|_| matches!(stage.send(MEDIA, &[1; 100]), Act::Media { .. })).count();
    assert_eq!(sent, 10, "a second's worth");
    let relayed = stage.relayed();
    let now = stage.now;
    let got = (0..20).filter(|_| stage.relay.of_media(relayed, at(MEDIA), &[1; 100], now).is_some()).count();
    assert_eq!(got, 10);
}

#[test]
fn a_stranger_can_ask_where_it_is_and_nothing_else() {
    let mut stage = Stage::new();
    let bytes = Message::builder_request(BINDING, MessageWriteVec::new()).finish();
    let answer = stage.give(&bytes);
    assert!(answer.bytes.len() <= 2 * bytes.len(), "{} for {}", answer.bytes.len(), bytes.len());
    for _ in 0..10_000 {
        stage.source.set_port(stage.source.port().wrapping_add(1));
        stage.flow = Flow::Udp(stage.source);
        stage.learn_nonce();
        assert_eq!(stage.act(b"\x40\0\0\x01x\0\0\0"), Act::Nothing);
        assert_eq!(stage.send(MEDIA, b"x"), Act::Nothing);
    }
    assert_eq!(stage.relay.allocations.len() + stage.relay.by_relayed.len() + stage.relay.by_whom.len(), 0);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), cookie: bool) {
        let mut stage = Stage::new();
        stage.allocate();
        if cookie && bytes.len() >= 20 {
            let length = (bytes.len() - 20) as u16 & !3;
            bytes[0] &= 3;
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            bytes[4..8].copy_from_slice(&0x2112_a442u32.to_be_bytes());
        }
        let act = stage.act(&bytes);
        assert!(!matches!(act, Act::Media { .. }));
        let mut request = stage.request(CHANNEL_BIND, &[]);
        for (at, byte) in bytes.iter().enumerate() {
            let n = at * 7 % request.len();
            request[n] ^= byte & if n < 8 { 0 } else { 0xff };
        }
        stage.act(&request);
        proptest::prop_assert_eq!(stage.relay.allocations.len(), 1);
    }
}
