//! One client's peer connection: the only file that names `Rtc`.
//!
//! str0m wants every change followed by draining it completely before the next. Here everything that changes the
//! `Rtc` goes through [`Peer::act`], which does that; [`Peer::write`] alone only queues, so that a batch of packets
//! for one receiver is sealed by one [`Peer::flush`].

mod said;

use std::time::{Duration, Instant};

use str0m::bwe::{Bitrate, BweKind};
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::format::Codec as RtcCodec;
use str0m::media::{KeyframeRequestKind, Mid, Pt, Rid};
use str0m::net::{DatagramSend, Protocol, Receive, TcpType};
use str0m::rtp::{Extension, ExtensionValues, RtpPacket, RtpWrite, Ssrc};
use str0m::stats::{MediaEgressStats, MediaIngressStats};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig, RtcError};

use crate::guard::{Guard, Verdict};
use crate::net::{Candidates, Path, Transmit, Transport, is_relayed};
use crate::offer::{LineUse, OfferError, Outline, outline};
use crate::tap::{Codec, Source};
pub(crate) use said::{Incoming, Outgoing, Said};

/// How often str0m sums up its statistics: they drive the loss-based choice of layers.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// Packets kept per video slot to answer NACKs, and for how long.
/// At 300 ms from here to there and back a packet can be asked for twice.
const RESEND_VIDEO: (usize, Duration) = (256, Duration::from_millis(750));
/// Above this share of retransmitted bytes str0m stops resending.
const RESEND_SHARE: f32 = 0.5;
/// What a client's way is taken to carry until its feedback tells: enough for a middle picture, and probed further at once.
const FIRST_ESTIMATE: Bitrate = Bitrate::kbps(1_000);
/// The pacer asks for its next turn this much later, at most.
const TURN: Duration = Duration::from_micros(1);
/// Most packets that one flush lets out; more means that the pacer never comes to an end.
const PER_FLUSH: usize = 4_096;
/// A slot's first outgoing sequence number. Below 65536: receivers start their rollover counter at zero.
pub(crate) const FIRST_SEQ: u64 = 1_000;

/// What all peers of a process have in common.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    cert: DtlsCert,
}

impl Identity {
    /// Makes a new DTLS certificate. Clients pin it by the fingerprint in the answer.
    pub(crate) fn new() -> Self {
        let cert = str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .expect("making a self-signed certificate needs nothing from outside");
        Self { cert }
    }
}

/// The bytes of a packet to send.
pub type PacketBytes = DatagramSend;

struct Known {
    ssrc: u32,
    line: usize,
    rid: Option<Rid>,
}

pub(crate) struct Line {
    pub mid: String,
    pub audio: bool,
    pub use_: LineUse,
    id: Mid,
    /// Slots: the stream to write on, and the payload type of each codec.
    ssrc: Option<Ssrc>,
    opus: Option<Pt>,
    vp8: Option<Pt>,
}

pub(crate) struct Peer {
    rtc: Rtc,
    guard: Guard,
    fingerprint: String,
    pub lines: Vec<Line>,
    known: Vec<Known>,
    codecs: [Option<Codec>; 128],
    timeout: Instant,
    pub ufrag: String,
    alive: bool,
}

impl Peer {
    /// Answers a first offer.
    pub(crate) fn new(
        identity: &Identity,
        candidates: &Candidates,
        sdp: &str,
        now: Instant,
        said: &mut Vec<Said>,
    ) -> Result<(Peer, String), OfferError> {
        let plan = outline(sdp)?;
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .set_dtls_cert(identity.cert.clone())
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_bwe(Some(FIRST_ESTIMATE))
            .set_stats_interval(Some(STATS_EVERY))
            .build(now);
        for address in &candidates.udp {
            let candidate = Candidate::host(*address, "udp").map_err(|_unusable| OfferError::Malformed)?;
            rtc.add_local_candidate(candidate);
        }
        for address in &candidates.tcp {
            let candidate = Candidate::builder().tcp().host(*address).tcptype(TcpType::Passive).build();
            rtc.add_local_candidate(candidate.map_err(|_unusable| OfferError::Malformed)?);
        }
        let mut peer = Peer {
            rtc,
            guard: Guard::default(),
            fingerprint: String::new(),
            lines: Vec::new(),
            known: Vec::new(),
            codecs: [None; 128],
            timeout: now,
            ufrag: String::new(),
            alive: true,
        };
        let answer = peer.negotiate(sdp, plan, now, said)?;
        Ok((peer, answer))
    }

    /// Whether an offer comes from the same peer connection (a re-offer) rather than from a reloaded page.
    pub(crate) fn is_from(&self, sdp: &str) -> Result<bool, OfferError> {
        Ok(self.alive && self.rtc.is_alive() && outline(sdp)?.fingerprint == self.fingerprint)
    }

    /// Answers a further offer of the same connection: more slots, changed directions, an ICE restart.
    pub(crate) fn renegotiate(&mut self, sdp: &str, now: Instant, said: &mut Vec<Said>) -> Result<String, OfferError> {
        let plan = outline(sdp)?;
        self.negotiate(sdp, plan, now, said)
    }

    fn negotiate(
        &mut self,
        sdp: &str,
        plan: Outline,
        now: Instant,
        said: &mut Vec<Said>,
    ) -> Result<String, OfferError> {
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|_error| OfferError::Malformed)?;
        let mut answer = None;
        self.act(now, said, |rtc| {
            answer = Some(rtc.sdp_api().accept_offer(offer)?.to_sdp_string());
            Ok(())
        });
        let answer = answer.ok_or(OfferError::Malformed)?;
        self.fingerprint = plan.fingerprint;
        self.ufrag = self.rtc.direct_api().local_ice_credentials().ufrag;
        self.codecs = [None; 128];
        for params in self.rtc.codec_config().params() {
            self.codecs[usize::from(*params.pt() & 0x7f)] = codec(params.spec().codec);
        }
        let before = std::mem::take(&mut self.lines);
        for line in plan.lines {
            let id = Mid::from(line.mid.as_str());
            let pt = |wanted: RtcCodec| {
                let media = self.rtc.media(id)?;
                let mut all = self.rtc.codec_config().params().iter();
                all.find(|p| p.spec().codec == wanted && media.remote_pts().contains(&p.pt())).map(|p| p.pt())
            };
            let (opus, vp8) = (pt(RtcCodec::Opus), pt(RtcCodec::Vp8));
            if let Some(media) = self.rtc.media(id) {
                self.guard.learn(
                    media.remote_extmap().id_of(Extension::RtpMid),
                    media.remote_extmap().id_of(Extension::RtpStreamId),
                    media.remote_extmap().id_of(Extension::RepairedRtpStreamId),
                );
            }
            let known = before.iter().any(|old| old.id == id && old.ssrc.is_some());
            let mut ssrc = None;
            if line.use_ == LineUse::Slot
                && let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(id, None)
            {
                // Pictures come from their publishers paced already; a second pacer here would only delay them.
                stream.set_unpaced(true);
                if !known && !line.audio {
                    stream.set_rtx_cache(RESEND_VIDEO.0, RESEND_VIDEO.1, Some(RESEND_SHARE));
                }
                ssrc = Some(stream.ssrc());
            }
            self.lines.push(Line { mid: line.mid, audio: line.audio, use_: line.use_, id, ssrc, opus, vp8 });
        }
        self.flush(now, said);
        Ok(answer)
    }

    /// When [`Peer::flush`] is due at the latest.
    pub(crate) fn timeout(&self) -> Instant {
        self.timeout
    }

    /// The m-line on which the client sends this source.
    pub(crate) fn line_of(&self, source: Source) -> Option<usize> {
        self.lines.iter().position(|line| line.use_ == LineUse::Sends(source))
    }

    /// Whether this is a STUN message that proves to know this peer's ICE password (or another kind of packet
    /// from where it is already known).
    pub(crate) fn accepts(&self, path: Path, packet: &[u8], now: Instant) -> bool {
        received(path, packet).is_some_and(|r| self.rtc.accepts(&Input::Receive(now, r)))
    }

    /// Takes a packet that arrived. False: a guard refused it, nothing happened.
    pub(crate) fn receive(&mut self, path: Path, packet: &[u8], now: Instant, said: &mut Vec<Said>) -> bool {
        let verdict = self.guard.judge(packet, now);
        let tried = match verdict {
            Verdict::Pass => None,
            Verdict::Try { ssrc, evicted } => {
                if let Some(evicted) = evicted {
                    self.known.retain(|known| known.ssrc != evicted);
                    self.act(now, said, |rtc| {
                        rtc.direct_api().remove_stream_rx(Ssrc::from(evicted));
                        Ok(())
                    });
                }
                Some(ssrc)
            }
            Verdict::Refuse => return false,
        };
        let Some(receive) = received(path, packet) else {
            return false;
        };
        let before = said.len();
        self.act(now, said, |rtc| rtc.handle_input(Input::Receive(now, receive)));
        // str0m says nothing of a packet that fails authentication: media that came out proves the SSRC.
        if let Some(ssrc) = tried
            && said[before..].iter().any(|s| matches!(s, Said::Media(_)))
        {
            self.guard.proved(ssrc, now);
        }
        true
    }

    /// Queues a packet on a slot; [`Peer::flush`] sends it. False if this slot cannot carry it.
    pub(crate) fn write(&mut self, line: usize, out: Outgoing<'_>, now: Instant) -> bool {
        let Some(Line { ssrc: Some(ssrc), opus, vp8, .. }) = self.lines.get(line) else {
            return false;
        };
        let (ssrc, pt) = match out.packet.codec {
            Codec::Opus => (*ssrc, *opus),
            Codec::Vp8 => (*ssrc, *vp8),
            Codec::H264 => return false,
        };
        let Some(pt) = pt else { return false };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx(&ssrc) else {
            return false;
        };
        let packet = out.packet;
        let extensions = ExtensionValues {
            audio_level: packet.level.map(|level| -i8::try_from(level.min(127)).unwrap_or(i8::MAX)),
            voice_activity: packet.voice,
            video_orientation: packet.rotation,
            ..ExtensionValues::default()
        };
        let mut write = RtpWrite::new(pt, out.seq.into(), out.time, now, packet.payload.clone())
            .marker(packet.marker)
            .ext_vals(extensions)
            .nackable(packet.codec != Codec::Opus);
        if let Some(patch) = out.patch {
            write = write.vp8_patch(patch);
        }
        stream.write_rtp(write);
        true
    }

    /// Forgets what was sent on a slot, so that no NACK brings it back.
    pub(crate) fn forget(&mut self, line: usize, now: Instant, said: &mut Vec<Said>) {
        let Some(Line { ssrc: Some(ssrc), audio: false, .. }) = self.lines.get(line) else {
            return;
        };
        let ssrc = *ssrc;
        self.act(now, said, |rtc| {
            if let Some(stream) = rtc.direct_api().stream_tx(&ssrc) {
                stream.set_rtx_cache(RESEND_VIDEO.0, RESEND_VIDEO.1, Some(RESEND_SHARE));
            }
            Ok(())
        });
    }

    /// Asks the client for a keyframe of a layer that it sends. False if nothing of that layer ever came.
    pub(crate) fn request_keyframe(&mut self, line: usize, rid: Option<Rid>) -> bool {
        let Some(line) = self.lines.get(line) else {
            return false;
        };
        let id = line.id;
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_rx_by_mid(id, rid) else {
            return false;
        };
        stream.request_keyframe(KeyframeRequestKind::Pli);
        true
    }

    /// Lets time pass and sends what is queued. With bandwidth estimation each turn lets out one packet and asks for the
    /// next turn a microsecond later: those turns are taken here, all at once.
    pub(crate) fn flush(&mut self, now: Instant, said: &mut Vec<Said>) {
        let mut at = now;
        for _ in 0..PER_FLUSH {
            self.act(now, said, |rtc| rtc.handle_input(Input::Timeout(at)));
            if self.timeout > at + TURN {
                return;
            }
            at = at.max(self.timeout);
        }
    }

    /// There is something to send from now on: what the way to this client takes is found out by probing it.
    pub(crate) fn explore(&mut self) {
        self.rtc.bwe().reset(FIRST_ESTIMATE);
    }

    /// How much would be sent if the way to this client took everything: it is probed for that much.
    pub(crate) fn desire(&mut self, bps: f64) {
        self.rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::from(bps as u64));
    }

    /// Says goodbye (RTCP BYE, DTLS close_notify).
    pub(crate) fn close(&mut self, now: Instant, said: &mut Vec<Said>) {
        self.act(now, said, |rtc| rtc.close());
        self.flush(now, said);
    }

    /// The one door: changes, then drains until only a timeout is left.
    fn act(&mut self, now: Instant, said: &mut Vec<Said>, change: impl FnOnce(&mut Rtc) -> Result<(), RtcError>) {
        if let Err(error) = change(&mut self.rtc) {
            self.failed(&error);
        }
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at;
                    break;
                }
                Ok(Output::Transmit(t)) => {
                    let transport = match t.proto {
                        Protocol::Udp if is_relayed(t.destination) => Transport::Relay,
                        Protocol::Udp => Transport::Udp,
                        _ => Transport::Tcp,
                    };
                    let path = Path { transport, remote: t.destination, local: t.source };
                    said.push(Said::Transmit(Transmit { path, contents: t.contents }));
                }
                Ok(Output::Event(event)) => self.heard(event, said),
                Err(error) => {
                    self.failed(&error);
                    self.timeout = now + Duration::from_secs(3_600);
                    break;
                }
            }
        }
        if self.alive && !self.rtc.is_alive() {
            self.alive = false;
            said.push(Said::Closed);
        }
    }

    fn failed(&self, error: &RtcError) {
        // The error's text may quote SDP; its kind is enough to find the place.
        tracing::debug!(kind = kind(error), "peer connection refused input");
    }

    fn heard(&mut self, event: Event, said: &mut Vec<Said>) {
        match event {
            Event::Connected => said.push(Said::Connected),
            Event::Closed => said.push(Said::Closed),
            Event::RtpPacket(packet) => {
                if let Some(incoming) = self.incoming(packet) {
                    said.push(Said::Media(incoming));
                }
            }
            Event::KeyframeRequest(request) => {
                if let Some(line) = self.line(request.mid) {
                    said.push(Said::KeyframeWanted { line });
                }
            }
            Event::MediaEgressStats(MediaEgressStats { mid, loss, rtt, nacks, packets, bytes, remote, .. }) => {
                if let Some(line) = self.line(mid) {
                    let jitter = remote.map_or(0, |r| r.jitter);
                    said.push(Said::Egress { line, loss, rtt, jitter, nacks, packets, bytes });
                }
            }
            Event::MediaIngressStats(MediaIngressStats { rtt, .. }) => said.push(Said::Ingress { rtt }),
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, can_probe: true }) => {
                said.push(Said::Estimate { bps: estimate.as_f64() });
            }
            Event::PeerStats(stats) => said.push(Said::Transport { rtt: stats.rtt }),
            _ => {}
        }
    }

    fn line(&self, mid: Mid) -> Option<usize> {
        self.lines.iter().position(|line| line.id == mid)
    }

    fn incoming(&mut self, packet: RtpPacket) -> Option<Incoming> {
        let ssrc = *packet.header.ssrc;
        let (line, rid) = match self.known.iter().find(|known| known.ssrc == ssrc) {
            Some(known) => (known.line, known.rid),
            None => {
                let mut api = self.rtc.direct_api();
                let stream = api.stream_rx(&packet.header.ssrc)?;
                let (mid, rid) = (stream.mid(), stream.rid());
                let line = self.line(mid)?;
                self.known.push(Known { ssrc, line, rid });
                (line, rid)
            }
        };
        let header = packet.header;
        Some(Incoming {
            line,
            rid,
            ssrc,
            codec: self.codecs[usize::from(*header.payload_type & 0x7f)]?,
            seq: *packet.seq_no,
            time: packet.time.numer(),
            marker: header.marker,
            payload: packet.payload,
            level: header.ext_vals.audio_level.map(|level| level.unsigned_abs()),
            voice: header.ext_vals.voice_activity,
            rotation: header.ext_vals.video_orientation,
            report: packet.last_sender_info.map(|info| (info.rtp_time.numer(), info.ntp_time)),
        })
    }
}

fn codec(codec: RtcCodec) -> Option<Codec> {
    match codec {
        RtcCodec::Opus => Some(Codec::Opus),
        RtcCodec::Vp8 => Some(Codec::Vp8),
        _ => None,
    }
}

fn received(path: Path, packet: &[u8]) -> Option<Receive<'_>> {
    let protocol = match path.transport {
        Transport::Udp | Transport::Relay => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    };
    Receive::new(protocol, path.remote, path.local, packet).ok()
}

fn kind(error: &RtcError) -> &'static str {
    match error {
        RtcError::RemoteSdp(_) => "sdp",
        RtcError::Rtp(_) => "rtp",
        RtcError::Io(_) => "io",
        RtcError::Net(_) => "net",
        RtcError::Dtls(_) => "dtls",
        _ => "other",
    }
}
