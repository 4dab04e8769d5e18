//! One person's media: a peer connection of crate `webrtc` that offers what the web client offers.
//!
//! Here: the offer in the agreed order of m-lines (microphone, camera with rids `q`, `h`, `f`, screen, then two
//! audio and three video slots), synthetic sending, answering keyframe requests. Not here: counting (`ear`,
//! `socket`) and signalling.
//!
//! Crate `webrtc` 0.21 sends all three simulcast layers but differs from a browser: it neither adapts to the
//! bandwidth estimate nor stops a layer that nobody watches, it answers NACK on the media SSRC instead of by RTX,
//! and its screen track stays silent.

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use rtc::interceptor::Slot;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8};
use rtc::rtp::header::Header;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sdp::extmap::{SDES_MID_URI, SDES_RTP_STREAM_ID_URI};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCPeerConnectionState,
    RTCSessionDescription, Registry, configure_nack, configure_rtcp_reports, configure_simulcast_extension_headers,
    configure_twcc,
};
use webrtc::rtp_transceiver::RtpTransceiver;

use crate::ear::{Ear, Tally};
use crate::socket::{CountingRuntime, Wire};
use crate::synthetic::{
    Layer, OPUS_FRAME_TICKS, Playback, Stamp, VIDEO_FRAME_TICKS, VIDEO_FRAMES_PER_SECOND, camera, stamped, voice,
};

/// RTP payload type of Opus in our offer.
pub const OPUS_PAYLOAD_TYPE: u8 = 111;
/// RTP payload type of VP8 in our offer.
pub const VP8_PAYLOAD_TYPE: u8 = 96;
const RTX_PAYLOAD_TYPE: u8 = 97;
const AUDIO_SLOTS: usize = 2;
const VIDEO_SLOTS: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Behind every interceptor of the library, so that it sees what the application would.
const EAR_SLOT: usize = 14_000;

/// What everybody's camera sends.
#[derive(Debug, Clone, Copy)]
pub struct Camera {
    /// Three layers, or the largest alone.
    pub simulcast: bool,
    /// Largest RTP payload, bytes; a small one makes many packets of the same picture.
    pub payload_bytes: u16,
}

/// A person's peer connection and what it sends.
pub struct Media {
    connection: Arc<dyn PeerConnection>,
    state: watch::Receiver<RTCPeerConnectionState>,
    tally: Arc<Mutex<Tally>>,
    wire: Arc<Wire>,
    voice: Outgoing,
    layers: Vec<(Outgoing, Layer)>,
    payload_bytes: u16,
    keyframe_wanted: Option<mpsc::UnboundedReceiver<u32>>,
    sending: Vec<JoinHandle<()>>,
}

/// One stream that is sent.
#[derive(Clone)]
struct Outgoing {
    track: Arc<TrackLocalStaticRTP>,
    transceiver: Arc<dyn RtpTransceiver>,
    ssrc: u32,
    rid: &'static str,
}

impl Media {
    /// A peer connection that will talk to a server at `server`. `wire` is this person's socket, `speaker`
    /// the other's.
    ///
    /// # Errors
    /// When no socket can be bound or the library refuses the configuration.
    pub async fn new(server: &(String, u16), wire: Arc<Wire>, speaker: Arc<Wire>, sends: Camera) -> Result<Self> {
        let Camera { simulcast, payload_bytes } = sends;
        let voice_ssrc = wire.voice_ssrc();
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (tell_state, state) = watch::channel(RTCPeerConnectionState::New);
        let (want_keyframe, keyframe_wanted) = mpsc::unbounded_channel();
        let mut engine = media_engine()?;
        let registry = configure_nack(Registry::new(), &mut engine);
        configure_simulcast_extension_headers(&mut engine)?;
        let registry = configure_rtcp_reports(configure_twcc(registry, &mut engine)?);
        let registry = registry.with(Slot::from(EAR_SLOT), Ear::new(Arc::clone(&tally), speaker, want_keyframe));
        let connection: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_media_engine(engine)
                .with_interceptor_registry(registry)
                .with_runtime(Arc::new(CountingRuntime(Arc::clone(&wire))))
                .with_handler(Arc::new(Events { state: tell_state }))
                .with_udp_addrs(vec![local_address_towards(server)?])
                .build()
                .await?,
        );
        let clips = camera(simulcast)?;
        let microphone = track("microphone", RtpCodecKind::Audio, vec![encoding(voice_ssrc, "", opus())]);
        let camera_ssrcs: Vec<u32> = clips.iter().map(|_| fresh_ssrc()).collect();
        let rid = |layer: &Layer| if simulcast { layer.rid } else { "" };
        let encodings = clips.iter().zip(&camera_ssrcs).map(|(layer, &ssrc)| RTCRtpEncodingParameters {
            scale_resolution_down_by: simulcast.then_some(layer.scale_down_by),
            ..encoding(ssrc, rid(layer), vp8())
        });
        let camera = track("camera", RtpCodecKind::Video, encodings.collect());
        let screen = track("screen", RtpCodecKind::Video, vec![encoding(fresh_ssrc(), "", vp8())]);

        let microphone_line = add_sending(&connection, &microphone).await?;
        let camera_line = add_sending(&connection, &camera).await?;
        add_sending(&connection, &screen).await?;
        for (kind, slots) in [(RtpCodecKind::Audio, AUDIO_SLOTS), (RtpCodecKind::Video, VIDEO_SLOTS)] {
            for _ in 0..slots {
                connection
                    .add_transceiver_from_kind(kind, Some(direction(RTCRtpTransceiverDirection::Recvonly)))
                    .await?;
            }
        }
        let voice = Outgoing { track: microphone, transceiver: microphone_line, ssrc: voice_ssrc, rid: "" };
        let layers = clips
            .into_iter()
            .zip(camera_ssrcs)
            .map(|(layer, ssrc)| {
                let (track, transceiver) = (Arc::clone(&camera), Arc::clone(&camera_line));
                (Outgoing { track, transceiver, ssrc, rid: rid(&layer) }, layer)
            })
            .collect();
        let keyframe_wanted = Some(keyframe_wanted);
        Ok(Self { connection, state, tally, wire, voice, layers, payload_bytes, keyframe_wanted, sending: Vec::new() })
    }

    /// Makes the offer and applies it locally.
    ///
    /// # Errors
    /// When the library can't make one.
    pub async fn offer(&self) -> Result<String> {
        let offer = self.connection.create_offer(None).await?;
        let sdp = offer.sdp.clone();
        self.connection.set_local_description(offer).await?;
        Ok(sdp)
    }

    /// Applies the server's answer and waits until media could flow.
    ///
    /// # Errors
    /// When the answer can't be used, or ICE and DTLS do not come up in time.
    pub async fn connect(&mut self, answer: String) -> Result<()> {
        let answer = RTCSessionDescription::answer(answer).context("the server's answer is not SDP")?;
        self.connection.set_remote_description(answer).await.context("the server's answer can't be applied")?;
        let mut state = self.state.clone();
        let up = state.wait_for(|state| {
            matches!(
                state,
                RTCPeerConnectionState::Connected | RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed
            )
        });
        let reached = tokio::time::timeout(CONNECT_TIMEOUT, up)
            .await
            .map_err(|_| {
                anyhow!("media did not connect within {} s: is UDP to the server open?", CONNECT_TIMEOUT.as_secs())
            })?
            .map(|state| *state)?;
        anyhow::ensure!(reached == RTCPeerConnectionState::Connected, "media connection became {reached}");
        Ok(())
    }

    /// Begins to send voice and camera; they go on until [`Self::close`].
    ///
    /// # Errors
    /// When the streams were not negotiated.
    pub async fn send(&mut self) -> Result<()> {
        let mut keyframe_wanted = self.keyframe_wanted.take().context("already sending")?;
        let mut speech = Packets::of(&self.voice, OPUS_PAYLOAD_TYPE).await?;
        let frames = voice()?;
        self.sending.push(tokio::spawn(async move {
            let mut tick = ticks(Duration::from_millis(20));
            for frame in frames.iter().cycle() {
                tick.tick().await;
                let stamp = Stamp { ssrc: speech.header.ssrc, seq: speech.header.sequence_number };
                if speech.send(vec![stamped(frame, stamp)], OPUS_FRAME_TICKS).await.is_err() {
                    break;
                }
            }
        }));
        let mut layers = Vec::new();
        for (outgoing, layer) in &self.layers {
            layers.push((Packets::of(outgoing, VP8_PAYLOAD_TYPE).await?, Playback::new(layer, self.payload_bytes)));
        }
        self.sending.push(tokio::spawn(async move {
            let mut tick = ticks(Duration::from_secs(1) / VIDEO_FRAMES_PER_SECOND);
            loop {
                tick.tick().await;
                while let Ok(ssrc) = keyframe_wanted.try_recv() {
                    layers
                        .iter_mut()
                        .filter(|(packets, _)| packets.header.ssrc == ssrc)
                        .for_each(|(_, clip)| clip.restart());
                }
                for (packets, clip) in &mut layers {
                    let Ok(payloads) = clip.next_frame() else { return };
                    if packets.send(payloads, VIDEO_FRAME_TICKS).await.is_err() {
                        return;
                    }
                }
            }
        }));
        Ok(())
    }

    /// What was received so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the first whole picture came.
    #[must_use]
    pub fn first_picture(&self) -> Option<Instant> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).first_picture
    }

    /// RTP datagrams that reached this person's socket, and that left it.
    #[must_use]
    pub fn rtp_in_out(&self) -> (u64, u64) {
        (self.wire.rtp_in(), self.wire.rtp_out())
    }

    /// Stops sending and closes the connection.
    pub async fn close(&self) {
        self.sending.iter().for_each(JoinHandle::abort);
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing a peer connection");
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.sending.iter().for_each(JoinHandle::abort);
    }
}

/// Numbers the packets of one stream.
struct Packets {
    track: Arc<TrackLocalStaticRTP>,
    header: Header,
}

impl Packets {
    async fn of(outgoing: &Outgoing, payload_type: u8) -> Result<Self> {
        let mut header = Header { version: 2, payload_type, ssrc: outgoing.ssrc, ..Header::default() };
        let sender = outgoing.transceiver.sender().await?.context("a sending m-line without sender")?;
        let negotiated = sender.get_parameters().await?.rtp_parameters.header_extensions;
        let mid = outgoing.transceiver.mid().await?.context("an m-line without mid")?;
        for (uri, value) in [(SDES_MID_URI, mid.as_str()), (SDES_RTP_STREAM_ID_URI, outgoing.rid)] {
            if let Some(extension) = negotiated.iter().find(|extension| extension.uri == uri && !value.is_empty()) {
                header.set_extension(extension.id as u8, Bytes::copy_from_slice(value.as_bytes()))?;
            }
        }
        Ok(Self { track: Arc::clone(&outgoing.track), header })
    }

    async fn send(&mut self, payloads: Vec<Bytes>, ticks: u32) -> Result<()> {
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            let mut header = self.header.clone();
            header.marker = index == last && header.payload_type == VP8_PAYLOAD_TYPE;
            self.track.write_rtp(rtc::rtp::Packet { header, payload }).await?;
            self.header.sequence_number = self.header.sequence_number.wrapping_add(1);
        }
        self.header.timestamp = self.header.timestamp.wrapping_add(ticks);
        Ok(())
    }
}

struct Events {
    state: watch::Sender<RTCPeerConnectionState>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        // Counted already; taken off the queue so that the library has nothing to complain about.
        tokio::spawn(async move { while track.poll().await.is_some() {} });
    }
}

fn media_engine() -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    let rtx = RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.to_owned(),
        clock_rate: 90_000,
        sdp_fmtp_line: format!("apt={VP8_PAYLOAD_TYPE}"),
        ..RTCRtpCodec::default()
    };
    for (rtp_codec, payload_type, kind) in [
        (opus(), OPUS_PAYLOAD_TYPE, RtpCodecKind::Audio),
        (vp8(), VP8_PAYLOAD_TYPE, RtpCodecKind::Video),
        (rtx, RTX_PAYLOAD_TYPE, RtpCodecKind::Video),
    ] {
        engine.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, kind)?;
    }
    let mid = RTCRtpHeaderExtensionCapability { uri: SDES_MID_URI.to_owned() };
    engine.register_header_extension(mid, RtpCodecKind::Audio, None)?;
    Ok(engine)
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: vec![],
    }
}

fn vp8() -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    RTCRtpCodec {
        mime_type: MIME_TYPE_VP8.to_owned(),
        clock_rate: 90_000,
        rtcp_feedback: vec![feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")],
        ..RTCRtpCodec::default()
    }
}

fn encoding(ssrc: u32, rid: &str, codec: RTCRtpCodec) -> RTCRtpEncodingParameters {
    RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), rid: rid.to_owned(), ..Default::default() },
        active: true,
        codec,
        ..Default::default()
    }
}

fn track(name: &str, kind: RtpCodecKind, encodings: Vec<RTCRtpEncodingParameters>) -> Arc<TrackLocalStaticRTP> {
    let track = MediaStreamTrack::new("synthetic".to_owned(), name.to_owned(), name.to_owned(), kind, encodings);
    Arc::new(TrackLocalStaticRTP::new(track))
}

fn direction(direction: RTCRtpTransceiverDirection) -> RTCRtpTransceiverInit {
    RTCRtpTransceiverInit { direction, ..RTCRtpTransceiverInit::default() }
}

async fn add_sending(
    connection: &Arc<dyn PeerConnection>,
    track: &Arc<TrackLocalStaticRTP>,
) -> Result<Arc<dyn RtpTransceiver>> {
    let track = Arc::clone(track) as Arc<dyn TrackLocal>;
    Ok(connection.add_transceiver_from_track(track, Some(direction(RTCRtpTransceiverDirection::Sendonly))).await?)
}

/// A random SSRC that is not 0.
#[must_use]
pub fn fresh_ssrc() -> u32 {
    uuid::Uuid::new_v4().as_u64_pair().0 as u32 | 1
}

/// The local address from which the server's address is reached, with a port yet to be chosen.
fn local_address_towards((host, port): &(String, u16)) -> Result<SocketAddr> {
    let server = (host.as_str(), *port).to_socket_addrs()?.next().with_context(|| format!("{host} has no address"))?;
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let probe = UdpSocket::bind(any)?;
    probe.connect(server)?;
    Ok(SocketAddr::new(probe.local_addr()?.ip(), 0))
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
    interval
}
#[cfg(test)]
mod tests;
