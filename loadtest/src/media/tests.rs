use super::*;

/// The other end of a test call, answering with the same library.
struct Answerer {
    connection: Arc<dyn PeerConnection>,
    gathered: watch::Receiver<bool>,
    tally: Arc<Mutex<Tally>>,
    wire: Arc<Wire>,
}

struct Gathering(watch::Sender<bool>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Gathering {
    async fn on_ice_gathering_state_change(&self, state: webrtc::peer_connection::RTCIceGatheringState) {
        self.0.send_replace(state == webrtc::peer_connection::RTCIceGatheringState::Complete);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        tokio::spawn(async move { while track.poll().await.is_some() {} });
    }
}

impl Answerer {
    async fn new(speaker: Arc<Wire>) -> Self {
        let (tell, gathered) = watch::channel(false);
        let (wire, tally) = (Arc::new(Wire::default()), Arc::new(Mutex::new(Tally::default())));
        let mut engine = media_engine().expect("codecs");
        configure_simulcast_extension_headers(&mut engine).expect("extensions");
        let registry = configure_rtcp_reports(Registry::new());
        let ear = Ear::new(Arc::clone(&tally), speaker, mpsc::unbounded_channel().0);
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(registry.with(Slot::from(EAR_SLOT), ear))
            .with_runtime(Arc::new(CountingRuntime(Arc::clone(&wire))))
            .with_handler(Arc::new(Gathering(tell)))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await
            .expect("a peer connection");
        Self { connection: Arc::new(connection), gathered, tally, wire }
    }

    async fn answer(&mut self, offer: String) -> String {
        let offer = RTCSessionDescription::offer(offer).expect("SDP");
        self.connection.set_remote_description(offer).await.expect("the offer applies");
        let answer = self.connection.create_answer(None).await.expect("an answer");
        self.connection.set_local_description(answer).await.expect("the answer applies");
        self.gathered.wait_for(|done| *done).await.expect("candidates");
        self.connection.local_description().await.expect("an answer").sdp
    }
}

fn loopback() -> (String, u16) {
    ("127.0.0.1".to_owned(), 9)
}

async fn caller(simulcast: bool) -> (Media, Arc<Wire>) {
    let wire = Arc::new(Wire::of(fresh_ssrc()));
    let sends = Camera { simulcast, payload_bytes: crate::synthetic::VIDEO_PAYLOAD_BYTES };
    let media = Media::new(&loopback(), Arc::clone(&wire), Arc::default(), sends).await;
    (media.expect("a peer connection"), wire)
}

#[tokio::test]
async fn the_offer_has_the_agreed_m_lines_in_order() {
    let (media, _) = caller(true).await;
    let sdp = media.offer().await.expect("an offer");
    let sections: Vec<&str> = sdp.split("\r\nm=").skip(1).collect();
    let kinds: Vec<(&str, &str)> = sections
        .iter()
        .map(|section| {
            let direction = section.lines().find(|line| matches!(*line, "a=sendonly" | "a=recvonly" | "a=sendrecv"));
            (section.split(' ').next().unwrap_or_default(), direction.unwrap_or_default())
        })
        .collect();
    let sends = [("audio", "a=sendonly"), ("video", "a=sendonly"), ("video", "a=sendonly")];
    let slots = [("audio", "a=recvonly"); AUDIO_SLOTS].into_iter().chain([("video", "a=recvonly"); VIDEO_SLOTS]);
    assert_eq!(kinds, sends.into_iter().chain(slots).collect::<Vec<_>>());
    assert!(sections[1].contains("a=simulcast:send q;h;f"), "the camera is the first video line");
    assert!(!sections[2].contains("a=simulcast"));
    assert!(sdp.contains("a=group:BUNDLE 0 1 2 3 4 5 6 7"));
    assert!(sections.iter().all(|section| section.contains("a=rtcp-mux")));
    media.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voice_and_three_layers_arrive_and_are_counted_alike_in_the_socket_and_above() {
    let (mut media, wire) = caller(true).await;
    let mut answerer = Answerer::new(wire).await;
    let answer = answerer.answer(media.offer().await.expect("an offer")).await;
    media.connect(answer).await.expect("a connection");
    assert_eq!(answerer.wire.rtp_in(), 0, "nothing before sending begins");
    media.send().await.expect("sending");
    let enough = |tally: &Tally| tally.streams() == 4 && tally.voice_packets > 60 && tally.first_picture.is_some();
    let heard = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            let tally = answerer.tally.lock().expect("tally").clone();
            if enough(&tally) {
                return tally;
            }
        }
    };
    let tally = tokio::time::timeout(Duration::from_secs(20), heard).await.expect("voice and three layers");
    assert_eq!((tally.lost(), tally.repeated), (0, 0));
    assert!(!tally.delays.is_empty(), "stamped voice was recognised");
    assert!(answerer.wire.rtp_in() >= tally.packets);
    media.close().await;
    answerer.connection.close().await.expect("closed");
}
