//! A websocket client that shares no code with the server's side.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use visit::ParticipantId;
use visit::wire::{ClientMessage, CloseReason, PhaseView, RefusalCode, RoomView, ServerMessage};

use crate::clinic::{Clinic, ORIGIN, Who};

/// Ends a test that waits for what never comes.
const HANG: Duration = Duration::from_secs(60);

pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(HANG, future).await {
        Ok(done) => done,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

pub fn request(address: SocketAddr, origin: Option<&str>, protocol: Option<&str>) -> Request {
    let mut request = format!("ws://{address}/signal").into_client_request().unwrap();
    let headers = request.headers_mut();
    if let Some(origin) = origin {
        headers.insert("origin", origin.parse().unwrap());
    }
    if let Some(protocol) = protocol {
        headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
    }
    request
}

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
}

impl Client {
    /// Opens a websocket without a word.
    pub async fn open(clinic: &Clinic) -> Self {
        Self::try_open(request(clinic.address, Some(ORIGIN), Some("bedside.v1")), None).await.unwrap()
    }

    pub async fn try_open(request: Request, receive_buffer: Option<u32>) -> Result<Self, Box<Error>> {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let address = request.uri().authority().unwrap().as_str().parse().unwrap();
        let stream = socket.connect(address).await.unwrap();
        let (socket, _) = client_async(request, stream).await.map_err(Box::new)?;
        Ok(Self { socket })
    }

    /// Opens one and says hello.
    pub async fn join(clinic: &Clinic, who: Who) -> Self {
        let mut client = Self::open(clinic).await;
        client.say(ClientMessage::Hello { ticket: clinic.ticket(who) }).await;
        client
    }

    /// The same, with a seat.
    pub async fn seated(clinic: &Clinic, who: Who) -> Self {
        let mut client = Self::join(clinic, who).await;
        client.until("welcome", |message| matches!(message, ServerMessage::Welcome { .. }).then_some(())).await;
        client
    }

    pub async fn say(&mut self, message: ClientMessage) {
        self.say_raw(serde_json::to_string(&message).unwrap()).await;
    }

    pub async fn say_raw(&mut self, text: String) {
        // A socket that the server has closed: the test sees why when it reads.
        let _ = self.socket.send(Message::text(text)).await;
    }

    /// The next message of the protocol; `None` when the connection is over.
    pub async fn next(&mut self) -> Option<ServerMessage> {
        loop {
            match in_time("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    pub async fn until<T>(&mut self, what: &str, wanted: impl Fn(&ServerMessage) -> Option<T>) -> T {
        loop {
            let message = self.next().await;
            let Some(message) = message else { panic!("closed before {what}") };
            if let Some(found) = wanted(&message) {
                return found;
            }
        }
    }

    pub async fn until_view(&mut self, what: &str, wanted: impl Fn(&RoomView) -> bool) -> RoomView {
        let view = |message: &ServerMessage| match message {
            ServerMessage::Room(view) if wanted(view) => Some(view.clone()),
            _ => None,
        };
        self.until(what, view).await
    }

    pub async fn until_phase(&mut self, of: ParticipantId, wanted: impl Fn(PhaseView) -> bool) {
        self.until_view("a phase", |view| {
            view.participants.iter().any(|seen| seen.participant == of && wanted(seen.phase))
        })
        .await;
    }

    pub async fn until_refused(&mut self) -> (RefusalCode, String) {
        let refused = |message: &ServerMessage| match message {
            ServerMessage::Refused { code, about, .. } => Some((*code, about.clone())),
            _ => None,
        };
        self.until("a refusal", refused).await
    }

    pub async fn until_closed(&mut self) -> CloseReason {
        let closed = |message: &ServerMessage| match message {
            ServerMessage::Closed { reason } => Some(*reason),
            _ => None,
        };
        let reason = self.until("the last message", closed).await;
        assert!(self.next().await.is_none(), "nothing after the last message");
        reason
    }
}

pub fn waiting(phase: PhaseView) -> bool {
    matches!(phase, PhaseView::Waiting { .. })
}

pub fn reconnecting(phase: PhaseView) -> bool {
    matches!(phase, PhaseView::Reconnecting { .. })
}

pub fn admitted(phase: PhaseView) -> bool {
    phase == PhaseView::Admitted
}

/// Provider in, patient in line.
pub async fn with_patient_waiting(clinic: &Clinic) -> (Client, Client) {
    let mut provider = Client::seated(clinic, crate::clinic::PROVIDER).await;
    let mut patient = Client::seated(clinic, crate::clinic::PATIENT).await;
    patient.say(ClientMessage::JoinWaitingRoom).await;
    provider.until_phase(crate::clinic::PATIENT.seat(), waiting).await;
    (provider, patient)
}

/// Both in the visit.
pub async fn with_patient_admitted(clinic: &Clinic) -> (Client, Client) {
    let (mut provider, mut patient) = with_patient_waiting(clinic).await;
    let participant = crate::clinic::PATIENT.seat();
    provider.say(ClientMessage::Admit { participant }).await;
    provider.until_phase(participant, admitted).await;
    patient.until_phase(participant, admitted).await;
    (provider, patient)
}
