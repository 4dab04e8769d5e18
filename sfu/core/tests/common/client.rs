//! A client made of str0m: offers as the contract says, sends synthetic Opus and VP8 in three simulcast layers, and
//! keeps what it receives. No sockets, no clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::SdpAnswer;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{ExtensionValues, RtpWrite, Vp8Descriptor};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

pub const RIDS: [&str; 3] = ["q", "h", "f"];
pub const WIDTHS: [u16; 3] = [320, 640, 1280];
/// RTP packets of one frame, by layer.
const PACKETS: [usize; 3] = [1, 2, 5];

/// A media packet as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub mid: String,
    pub seq: u64,
    pub time: u64,
    pub marker: bool,
    pub at: Instant,
    /// Who made it: written into every payload.
    pub from: u8,
    /// The sender's own count, for video.
    pub n: u32,
    /// Simulcast layer, for video.
    pub layer: Option<u8>,
    pub keyframe: bool,
    pub picture: Option<u16>,
    pub tl0: Option<u8>,
    pub level: Option<i8>,
}

pub struct Sending {
    pub seq: u64,
    pub time: u32,
    pub picture: u16,
    pub tl0: u8,
    pub wants_key: bool,
}

pub struct Client {
    pub rtc: Rtc,
    pub id: u8,
    pub address: SocketAddr,
    pub protocol: Protocol,
    pub connected: bool,
    pub outgoing: Vec<(SocketAddr, Vec<u8>)>,
    pub received: Vec<Received>,
    pub keyframe_requests: BTreeMap<String, u32>,
    pub deadline: Instant,
    pub mids: Vec<Mid>,
    pub layers: [Sending; 3],
    pub screen: Sending,
    pub audio: Sending,
    /// Video packets that it made so far.
    pub written: u32,
    /// Layers that it sends now.
    pub live: [bool; 3],
    /// Asks for lost packets again.
    pub repairs: bool,
}

fn sending(seq: u64, time: u32, picture: u16) -> Sending {
    Sending { seq, time, picture, tl0: picture as u8, wants_key: true }
}

impl Client {
    pub fn new(id: u8, address: SocketAddr, now: Instant) -> Self {
        Self::with(id, address, Protocol::Udp, Candidate::host(address, "udp").unwrap(), now)
    }

    /// A client in a network that lets only TCP out; `address` is its end of the connection.
    pub fn by_tcp(id: u8, address: SocketAddr, now: Instant) -> Self {
        let candidate = Candidate::builder().tcp().host(address).tcptype(TcpType::Active).build().unwrap();
        Self::with(id, address, Protocol::Tcp, candidate, now)
    }

    fn with(id: u8, address: SocketAddr, protocol: Protocol, candidate: Candidate, now: Instant) -> Self {
        let mut rtc =
            RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false).enable_vp8(true).build(now);
        rtc.add_local_candidate(candidate);
        Self {
            rtc,
            id,
            address,
            protocol,
            connected: false,
            outgoing: vec![],
            received: vec![],
            keyframe_requests: BTreeMap::new(),
            deadline: now,
            mids: vec![],
            layers: [sending(40_000, 9_000_000, 120), sending(3, 77, 32_760), sending(65_530, 4_294_960_000, 7)],
            screen: sending(100, 100, 100),
            audio: sending(500, 48_000, 0),
            written: 0,
            live: [true; 3],
            repairs: true,
        }
    }

    /// Audio, camera in three layers, screen, two audio and three video slots.
    pub fn offer(&mut self) -> (String, str0m::change::SdpPendingOffer) {
        let mut simulcast = Simulcast::new();
        for rid in RIDS {
            simulcast.add_send_layer(SimulcastLayer::new(rid));
        }
        let mut api = self.rtc.sdp_api();
        let send = Direction::SendOnly;
        let mut mids = vec![
            api.add_media(MediaKind::Audio, send, None, None, None),
            api.add_media(MediaKind::Video, send, None, None, Some(simulcast)),
            api.add_media(MediaKind::Video, send, None, None, None),
        ];
        for kind in [MediaKind::Audio, MediaKind::Audio, MediaKind::Video, MediaKind::Video, MediaKind::Video] {
            mids.push(api.add_media(kind, Direction::RecvOnly, None, None, None));
        }
        let (offer, pending) = api.apply().unwrap();
        self.mids = mids;
        (offer.to_sdp_string(), pending)
    }

    pub fn answer(&mut self, pending: str0m::change::SdpPendingOffer, answer: &str, now: Instant) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        self.tick(now);
    }

    pub fn tick(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain(now);
    }

    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        let Ok(receive) = Receive::new(self.protocol, from, self.address, datagram) else {
            return;
        };
        let input = Input::Receive(now, receive);
        if self.rtc.accepts(&input) {
            self.rtc.handle_input(input).unwrap();
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                Output::Transmit(t) => {
                    assert_eq!(t.proto, self.protocol, "no packet goes over what the network does not let out");
                    self.outgoing.push((t.destination, t.contents.to_vec()));
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::KeyframeRequest(request)) => {
                    let name = request.rid.map_or("-".to_owned(), |rid| rid.to_string());
                    *self.keyframe_requests.entry(format!("{}/{name}", request.mid)).or_default() += 1;
                    match request.rid.and_then(|rid| RIDS.iter().position(|name| **name == *rid)) {
                        Some(layer) => self.layers[layer].wants_key = true,
                        None => self.screen.wants_key = true,
                    }
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    let mut api = self.rtc.direct_api();
                    let stream = api.stream_rx(&packet.header.ssrc).unwrap();
                    stream.suppress_nack(!self.repairs);
                    let mid = stream.mid().to_string();
                    let video = Vp8Descriptor::parse(&packet.payload).ok().filter(|_| packet.payload[0] & 0x80 != 0);
                    let length = packet.payload.len();
                    self.received.push(Received {
                        mid,
                        seq: *packet.seq_no,
                        time: packet.time.numer(),
                        marker: packet.header.marker,
                        at: now,
                        from: packet.payload[length - 2],
                        n: packet
                            .payload
                            .last_chunk::<6>()
                            .map_or(0, |[a, b, c, d, ..]| u32::from_be_bytes([*a, *b, *c, *d])),
                        layer: video.map(|_| packet.payload[length - 1]),
                        keyframe: video.is_some_and(|vp8| vp8.starts_keyframe(&packet.payload)),
                        picture: video.and_then(|vp8| vp8.picture_id()),
                        tl0: video.and_then(|vp8| vp8.tl0_pic_idx()),
                        level: packet.header.ext_vals.audio_level,
                    });
                }
                Output::Event(_) => {}
            }
        }
    }

    fn pt(&self, codec: Codec) -> str0m::media::Pt {
        self.rtc.codec_config().find(|p| p.spec().codec == codec).unwrap().pt()
    }

    /// One 20 ms voice packet of this loudness (dBov, 0 to -127).
    pub fn speak(&mut self, level: i8, now: Instant) {
        if !self.connected {
            return;
        }
        let (pt, mid) = (self.pt(Codec::Opus), self.mids[0]);
        let extensions = ExtensionValues { audio_level: Some(level), voice_activity: Some(true), ..Default::default() };
        let mut payload = vec![0x78; 60];
        payload.extend_from_slice(&[self.id, 0]);
        let write = RtpWrite::new(pt, self.audio.seq.into(), self.audio.time, now, payload).ext_vals(extensions);
        self.rtc.direct_api().stream_tx_by_mid(mid, None).unwrap().write_rtp(write);
        self.audio.seq += 1;
        self.audio.time = self.audio.time.wrapping_add(960);
        self.tick(now);
    }

    /// One camera frame in every live layer.
    pub fn film(&mut self, now: Instant) {
        for layer in 0..3 {
            if self.live[layer] {
                self.frame(self.mids[1], Some(layer), now);
            }
        }
    }

    /// One frame of the shared screen.
    pub fn share(&mut self, now: Instant) {
        self.frame(self.mids[2], None, now);
    }

    fn frame(&mut self, mid: Mid, layer: Option<usize>, now: Instant) {
        if !self.connected {
            return;
        }
        let (pt, id) = (self.pt(Codec::Vp8), self.id);
        let sending = layer.map_or(&mut self.screen, |layer| &mut self.layers[layer]);
        let key = std::mem::take(&mut sending.wants_key);
        let packets = PACKETS[layer.unwrap_or(1)];
        let rid = layer.map(|layer| Rid::from(RIDS[layer]));
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, rid).unwrap();
        for n in 0..packets {
            let start = if n == 0 { 0x10 } else { 0 };
            let picture = 0x8000 | sending.picture;
            let mut payload = vec![0x80 | start, 0xe0, (picture >> 8) as u8, picture as u8, sending.tl0, 0x20];
            if n == 0 && key {
                let width = WIDTHS[layer.unwrap_or(2)].to_le_bytes();
                payload.extend_from_slice(&[0x10, 0, 0, 0x9d, 1, 0x2a, width[0], width[1], 0, 1]);
            } else if n == 0 {
                payload.push(0x11);
            }
            payload.resize(896, 0xaa);
            payload.extend_from_slice(&self.written.to_be_bytes());
            self.written += 1;
            payload.extend_from_slice(&[id, layer.unwrap_or(9) as u8]);
            let write = RtpWrite::new(pt, sending.seq.into(), sending.time, now, payload)
                .marker(n + 1 == packets)
                .nackable(true);
            stream.write_rtp(write);
            sending.seq += 1;
        }
        sending.time = sending.time.wrapping_add(3_000);
        sending.picture = (sending.picture + 1) & 0x7fff;
        sending.tl0 = sending.tl0.wrapping_add(1);
        self.tick(now);
    }

    pub fn on(&self, mid: usize) -> Vec<&Received> {
        let mid = self.mids[mid].to_string();
        self.received.iter().filter(|packet| packet.mid == mid).collect()
    }

    pub fn from(&self, id: u8) -> usize {
        self.received.iter().filter(|packet| packet.from == id).count()
    }
}

/// Frames of 33 ms and voice of 20 ms, as a metronome.
pub struct Metronome {
    pub voice: Instant,
    pub film: Instant,
}

impl Metronome {
    pub fn new(now: Instant) -> Self {
        Self { voice: now, film: now }
    }

    /// What is due: (voice, film).
    pub fn due(&mut self, now: Instant) -> (bool, bool) {
        let voice = now >= self.voice;
        let film = now >= self.film;
        if voice {
            self.voice += Duration::from_millis(20);
        }
        if film {
            self.film += Duration::from_millis(33);
        }
        (voice, film)
    }
}
