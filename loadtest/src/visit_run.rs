//! One visit of two people, from the link to the end.
//!
//! Here: the steps of a patient and of a provider, their times, and what must hold on the way: nothing is
//! forwarded before `Admit`, media in both directions after it. Not here: how many visits, the report.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use visit::wire::{ClientMessage, ClientQuality, PhaseView};
use visit::{ParticipantId, VisitId};

use crate::clinic::{Invitation, Provider};
use crate::ear::Tally;
use crate::http::{Browser, Server};
use crate::media::{Camera, Media, fresh_ssrc};
use crate::signal::Signal;
use crate::socket::Wire;

/// Longest time from `Admit` to the first complete picture.
const PICTURE_TIMEOUT: Duration = Duration::from_secs(15);
const QUALITY_EVERY: Duration = Duration::from_secs(5);

/// One person in a visit.
struct Person {
    signal: Signal,
    media: Media,
    seat: ParticipantId,
}

/// A visit whose patient waits and whose provider is there.
pub struct Visit {
    id: VisitId,
    patient: Person,
    provider: Person,
    link_to_waiting: Duration,
    admitted_at: Option<Instant>,
    heard_before_admit: u64,
}

/// How one visit went.
#[derive(Debug, Clone, Serialize)]
pub struct VisitReport {
    /// The visit.
    pub visit: VisitId,
    /// From opening the link to standing in the waiting room, waits for rate limits excluded, milliseconds.
    pub link_to_waiting_ms: f64,
    /// RTP datagrams that reached either socket before `Admit`; anything but 0 is a leak.
    pub packets_before_admit: u64,
    /// What the patient received.
    pub patient: Received,
    /// What the provider received.
    pub provider: Received,
}

/// What one person received, and sent.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    /// From `Admit` to the first media packet, milliseconds; null when none came.
    pub admit_to_first_packet_ms: Option<f64>,
    /// From `Admit` to the first complete keyframe, milliseconds; null when none came.
    pub admit_to_first_picture_ms: Option<f64>,
    /// Media packets.
    pub packets: u64,
    /// Voice packets among them.
    pub voice_packets: u64,
    /// Packets missing at the end.
    pub lost: u64,
    /// `lost` of all that should have come, 0 to 1.
    pub loss: f64,
    /// Payload bytes.
    pub bytes: u64,
    /// Video frames.
    pub frames: u64,
    /// RTP datagrams sent.
    pub sent: u64,
    /// From the other's socket to this one, for each voice packet, microseconds.
    #[serde(skip)]
    pub delays_us: Vec<f64>,
}

impl Visit {
    /// The patient opens the link, checks in, connects and waits; the provider comes.
    ///
    /// # Errors
    /// When any step is refused or takes too long; the error says which.
    pub async fn join(
        server: &Server,
        provider: &Provider<'_>,
        invitation: &Invitation,
        sends: Camera,
    ) -> Result<Self> {
        let [patient_wire, provider_wire] = [fresh_ssrc(), fresh_ssrc()].map(|ssrc| Arc::new(Wire::of(ssrc)));
        let media = |own: &Arc<Wire>, other: &Arc<Wire>| {
            let (own, other) = (Arc::clone(own), Arc::clone(other));
            async move { Media::new(&server.authority(), own, other, sends).await }
        };

        let opened = Instant::now();
        let browser = Browser::new(server);
        let ticket = check_in(&browser, invitation).await?;
        let patient = Person::enter(server, ticket, media(&patient_wire, &provider_wire)).await.context("patient")?;
        patient.signal.say(ClientMessage::JoinWaitingRoom)?;
        let waiting = |phase: &PhaseView| matches!(phase, PhaseView::Waiting { .. });
        patient
            .signal
            .until("place in the waiting room", |heard| heard.me().filter(|me| waiting(&me.phase)).map(drop))
            .await?;
        let held = Duration::from_millis(browser.held_ms());
        let link_to_waiting = opened.elapsed().saturating_sub(held);

        let ticket: Ticket = provider
            .browser
            .post(&format!("/visits/{}/ticket", invitation.visit), &json!({}))
            .await
            .context("the provider's ticket")?;
        let provider =
            Person::enter(server, ticket.ticket, media(&provider_wire, &patient_wire)).await.context("provider")?;
        provider
            .signal
            .until("sight of the waiting patient", |heard| {
                heard.person(patient.seat).filter(|person| waiting(&person.phase)).map(drop)
            })
            .await?;
        let id = invitation.visit;
        Ok(Self { id, patient, provider, link_to_waiting, admitted_at: None, heard_before_admit: 0 })
    }

    /// The provider presses `Admit`; waits until both have a whole picture. What reached either socket until
    /// then is kept as a leak.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn admit(&mut self) -> Result<()> {
        self.heard_before_admit = self.patient.media.rtp_in_out().0 + self.provider.media.rtp_in_out().0;
        let patient = self.patient.seat;
        self.admitted_at = Some(Instant::now());
        self.provider.signal.say(ClientMessage::Admit { participant: patient })?;
        let inside = |phase: &PhaseView| matches!(phase, PhaseView::Admitted | PhaseView::Live);
        self.patient.signal.until("admission", |heard| heard.me().filter(|me| inside(&me.phase)).map(drop)).await?;
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let both_see = async {
            while self.people().iter().any(|person| person.media.first_picture().is_none()) {
                look.tick().await;
            }
        };
        let _ = tokio::time::timeout(PICTURE_TIMEOUT, both_see).await;
        Ok(())
    }

    /// Both report what they measure every five seconds, as browsers do, for as long as this is polled.
    pub async fn report_quality(&self) {
        let mut every = tokio::time::interval(QUALITY_EVERY);
        every.tick().await;
        let mut before = self.people().map(|person| person.media.tally());
        loop {
            every.tick().await;
            for (person, before) in self.people().into_iter().zip(&mut before) {
                let now = person.media.tally();
                person.signal.report_quality(quality(before, &now));
                *before = now;
            }
        }
    }

    /// The patient leaves, the provider ends the visit.
    ///
    /// # Errors
    /// When the server does not let them go properly.
    pub async fn end(self) -> Result<VisitReport> {
        let report = self.report();
        let left = async {
            self.patient.signal.say(ClientMessage::Leave)?;
            anyhow::ensure!(self.patient.signal.closed().await, "the server did not say goodbye to the patient");
            self.provider.signal.say(ClientMessage::EndVisit)?;
            anyhow::ensure!(self.provider.signal.closed().await, "the server did not say goodbye to the provider");
            Ok(())
        };
        let left = left.await;
        self.patient.media.close().await;
        self.provider.media.close().await;
        left.map(|()| report)
    }

    /// The visit.
    #[must_use]
    pub fn id(&self) -> VisitId {
        self.id
    }

    fn people(&self) -> [&Person; 2] {
        [&self.patient, &self.provider]
    }

    fn report(&self) -> VisitReport {
        let received = |person: &Person| {
            let tally = person.media.tally();
            let since_admit =
                |at: Option<Instant>| Some(milliseconds(at?.saturating_duration_since(self.admitted_at?)));
            Received {
                admit_to_first_packet_ms: since_admit(tally.first_packet),
                admit_to_first_picture_ms: since_admit(tally.first_picture),
                packets: tally.packets,
                voice_packets: tally.voice_packets,
                lost: tally.lost(),
                loss: tally.loss(),
                bytes: tally.bytes,
                frames: tally.frames,
                sent: person.media.rtp_in_out().1,
                delays_us: tally.delays.iter().map(|delay| delay.as_secs_f64() * 1e6).collect(),
            }
        };
        VisitReport {
            visit: self.id,
            link_to_waiting_ms: milliseconds(self.link_to_waiting),
            packets_before_admit: self.heard_before_admit,
            patient: received(&self.patient),
            provider: received(&self.provider),
        }
    }
}

impl Person {
    /// Opens the websocket, connects media and begins to send at once: whoever waits sends too, so that
    /// forwarding it would be noticed.
    async fn enter(server: &Server, ticket: String, media: impl Future<Output = Result<Media>>) -> Result<Self> {
        let (signal, seat) = Signal::connect(server, ticket).await?;
        let mut media = media.await?;
        signal.say(ClientMessage::Offer { sdp: media.offer().await? })?;
        let answer = signal.until("answer to the offer", |heard| heard.answer.clone()).await?;
        media.connect(answer).await?;
        media.send().await?;
        Ok(Self { signal, media, seat })
    }
}

#[derive(Deserialize)]
struct Ticket {
    ticket: String,
}

async fn check_in(browser: &Browser<'_>, invitation: &Invitation) -> Result<String> {
    #[derive(Deserialize)]
    struct Text {
        version: String,
        lang: String,
    }
    let token = &invitation.token;
    browser.post::<Value>("/join/open", &json!({"token": token})).await?;
    browser
        .post::<Value>("/join/identity", &json!({"token": token, "date_of_birth": invitation.date_of_birth}))
        .await?;
    let place =
        json!({"region": "CA", "callback_phone": "+1 555 0100", "emergency_address": "1 Test Street, Springfield"});
    browser.put::<Value>("/join/location", &place).await?;
    let text: Text = browser.get("/texts/telehealth_consent?lang=en").await?;
    browser.post::<Value>("/join/consent", &json!({"text_version": text.version, "lang": text.lang})).await?;
    let ticket: Ticket = browser.post("/join/ticket", &json!({})).await?;
    Ok(ticket.ticket)
}

fn quality(before: &Tally, now: &Tally) -> ClientQuality {
    let samples = (now.voice_packets - before.voice_packets) * u64::from(crate::synthetic::OPUS_FRAME_TICKS);
    ClientQuality {
        interval_ms: QUALITY_EVERY.as_millis() as u32,
        total_samples: samples,
        frames_decoded: (now.frames - before.frames) as u32,
        packets_lost: now.lost() as i64 - before.lost() as i64,
        packets_received: now.packets - before.packets,
        bytes_received: now.bytes - before.bytes,
        ..ClientQuality::default()
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
