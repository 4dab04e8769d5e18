//! AWS KMS as keeper of the key-encryption keys, against a real server of its protocol (moto), reached through a proxy
//! that can be gone, silent, or answer with an error.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use records::action::SearchPatients;
use records::demo::{DemoSite, seed};
use records::keys;
use records::patients::{self, SearchError, Wanted};
use records::testing::TestDatabase;
use records::{
    Actor, AwsKms, Error, KeyRing, KeyServiceError, Keys, KmsSettings, Origin, Phi, Records, RequestContext,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use visit::{ClinicId, Role, StaffId};

use crate::cast::NOW;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Forward,
    Refuse,
    Silent,
    /// Every call is answered with this error, as KMS words it.
    Error(&'static str),
}

/// moto, and the proxy before it.
struct Kms {
    client: Client,
    endpoint: String,
    mode: watch::Sender<Mode>,
    refused: Arc<AtomicUsize>,
    _moto: Child,
}

impl Kms {
    async fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let tools = Command::new(root.join("scripts/test-tools")).stderr(Stdio::inherit()).output().await.unwrap();
        assert!(tools.status.success(), "scripts/test-tools installs moto");
        let folder = String::from_utf8(tools.stdout).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut moto = Command::new(Path::new(folder.trim()).join("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(moto.try_wait().unwrap().is_none(), "moto has ended");
            tokio::task::yield_now().await;
        }
        let (mode, modes) = watch::channel(Mode::Forward);
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", proxy.local_addr().unwrap());
        let refused = Arc::new(AtomicUsize::new(0));
        tokio::spawn(accept(proxy, port, modes, refused.clone()));
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-2"))
            .endpoint_url(format!("http://127.0.0.1:{port}"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self { client: Client::from_conf(config), endpoint, mode, refused, _moto: moto }
    }

    async fn key(&self) -> String {
        self.client.create_key().send().await.unwrap().key_metadata.unwrap().key_id
    }

    async fn connect(&self, key: &str) -> Result<AwsKms, KeyServiceError> {
        AwsKms::connect(&KmsSettings {
            key: key.to_owned(),
            region: Some("us-east-2".to_owned()),
            endpoint: Some(self.endpoint.clone()),
            credentials: Some(("test".to_owned(), "test".to_owned())),
        })
        .await
    }
}

async fn accept(proxy: TcpListener, port: u16, modes: watch::Receiver<Mode>, refused: Arc<AtomicUsize>) {
    loop {
        let Ok((client, _)) = proxy.accept().await else { return };
        let (mut modes, refused) = (modes.clone(), refused.clone());
        let mode = *modes.borrow_and_update();
        tokio::spawn(async move {
            // What a connection was made for ends when the mode changes.
            tokio::select! {
                _ = modes.changed() => {}
                () = serve(client, port, mode, &refused) => {}
            }
        });
    }
}

async fn serve(mut client: TcpStream, port: u16, mode: Mode, refused: &AtomicUsize) {
    match mode {
        Mode::Refuse => {}
        Mode::Silent => std::future::pending().await,
        Mode::Forward => {
            let mut moto = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut moto).await;
        }
        Mode::Error(code) => {
            let mut request = [0; 16_384];
            if client.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                refused.fetch_add(1, Ordering::SeqCst);
                let body = format!(r#"{{"__type":"{code}","message":"as KMS says it"}}"#);
                let answer = format!(
                    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = client.write_all(answer.as_bytes()).await;
            }
        }
    }
}

async fn search(records: &Records, clinic: ClinicId, name: &str) -> Result<usize, Error> {
    let actor = Actor::Staff { id: StaffId(uuid::Uuid::nil()), role: Role::FrontDesk, clinic };
    let mut tx =
        records.begin(RequestContext { actor, at: NOW, origin: Origin::default(), second_factor_at: None }).await?;
    let may = tx.authorize(SearchPatients).await?;
    let wanted = Wanted { name: Some(Phi::from(name)), ..Wanted::default() };
    match patients::search(&mut tx, &may, &wanted, None).await {
        Ok(page) => Ok(tx.commit(page).await?.items.len()),
        Err(SearchError::Failed(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

fn away(outcome: Result<usize, Error>) -> bool {
    matches!(outcome, Err(Error::Keys(KeyServiceError::Away(_))))
}

#[tokio::test]
async fn data_keys_are_wrapped_by_kms_and_what_was_read_is_read_on_while_it_is_away() {
    let kms = Kms::start().await;
    let key = kms.key().await;
    let db = TestDatabase::new().await;
    let records = Records::connect(&db.app_url(), Keys::kms(kms.connect(&key).await.unwrap(), None)).await.unwrap();
    let demo = seed(&records, DemoSite::Riverside, None, "http://127.0.0.1:8080", NOW).await.unwrap();
    let mut owner = db.owner().await;
    let wrapping: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT wrapping_key FROM data_key").fetch_all(&mut owner).await.unwrap();
    assert_eq!(wrapping.len(), 1);
    assert!(wrapping[0].starts_with("aws-kms:arn:aws:kms:us-east-2:") && wrapping[0].ends_with(&key), "{wrapping:?}");

    // A server that starts now knows nothing and asks.
    let fresh = Records::connect(&db.app_url(), Keys::kms(kms.connect(&key).await.unwrap(), None)).await.unwrap();
    assert_eq!(search(&fresh, demo.clinic.id, "fern").await.unwrap(), 1);
    for mode in [Mode::Refuse, Mode::Silent, Mode::Error("ThrottlingException")] {
        kms.mode.send_replace(mode);
        assert_eq!(search(&fresh, demo.clinic.id, "fern").await.unwrap(), 1, "{mode:?}: still in memory");
        assert!(away(search(&fresh, demo.clinic.id, "whit").await), "{mode:?}: not in memory, and a clear error");
        assert!(
            matches!(kms.connect(&key).await.map(|_| ()), Err(KeyServiceError::Away(_))),
            "{mode:?}: a server does not start"
        );
        // The next request does not wait for another silence.
        assert!(away(search(&fresh, demo.clinic.id, "whit").await));
        kms.mode.send_replace(Mode::Forward);
        kms.connect(&key).await.unwrap();
    }
    assert!(kms.refused.load(Ordering::SeqCst) >= 2, "tried again when throttled");
    let again = Records::connect(&db.app_url(), Keys::kms(kms.connect(&key).await.unwrap(), None)).await.unwrap();
    assert_eq!(search(&again, demo.clinic.id, "whit").await.unwrap(), 1, "it answers again");
}

#[tokio::test]
async fn a_wrapped_key_does_not_unwrap_for_another_patient_nor_under_a_disabled_key() {
    let kms = Kms::start().await;
    let key = kms.key().await;
    let db = TestDatabase::new().await;
    let connect = async || {
        let keys = Keys::kms(kms.connect(&key).await.unwrap(), None);
        Records::connect(&db.app_url(), keys).await.unwrap()
    };
    let records = connect().await;
    let demo = seed(&records, DemoSite::Riverside, None, "http://127.0.0.1:8080", NOW).await.unwrap();
    let [a, b] = [demo.patients[0].patient_id, demo.patients[1].patient_id];
    let swap = format!(
        "UPDATE data_key k SET wrapped = o.wrapped FROM data_key o
         WHERE (k.owner_id = '{a}' AND o.owner_id = '{b}') OR (k.owner_id = '{b}' AND o.owner_id = '{a}')"
    );
    db.execute_as_owner(&swap).await;
    assert!(matches!(search(&connect().await, demo.clinic.id, "whit").await, Err(Error::Sealed("data key"))));
    db.execute_as_owner(&swap).await;
    let records = connect().await;
    assert_eq!(search(&records, demo.clinic.id, "whit").await.unwrap(), 1);

    // moto goes on decrypting under a disabled key, so the proxy gives KMS's answer to that.
    kms.mode.send_replace(Mode::Error("DisabledException"));
    let refused = search(&records, demo.clinic.id, "bell").await.unwrap_err();
    assert!(matches!(&refused, Error::Keys(KeyServiceError::Refused(why)) if why.contains("Disabled")), "{refused}");
    kms.mode.send_replace(Mode::Forward);
    kms.client.disable_key().key_id(&key).send().await.unwrap();
    let refused = kms.connect(&key).await.err().expect("does not start").to_string();
    assert!(refused.contains("disabled"), "{refused}");
    let unknown = kms.connect("00000000-0000-0000-0000-000000000000").await.err().expect("no such key").to_string();
    assert!(unknown.contains("NotFound"), "{unknown}");
}

#[tokio::test]
async fn moving_from_the_key_ring_to_kms_and_back_is_a_rotation() {
    let kms = Kms::start().await;
    let (first, second) = (kms.key().await, kms.key().await);
    let db = TestDatabase::new().await;
    let demo = seed(&db.records(), DemoSite::Riverside, None, "http://127.0.0.1:8080", NOW).await.unwrap();
    let ring = || KeyRing::open(&db.key_ring_path()).unwrap();
    let now = || NOW;

    let both = Keys::kms(kms.connect(&first).await.unwrap(), Some(ring()));
    let records = Records::connect(&db.app_url(), both).await.unwrap();
    assert!(keys::status(&records, NOW).await.unwrap().something_is_left());
    let moved = keys::rewrap(&records, &now).await.unwrap();
    assert_eq!(moved.data_keys, 2 + 4, "the clinic's two and one of each patient");
    assert!(moved.wrapping_key.ends_with(&first));
    assert!(!keys::status(&records, NOW).await.unwrap().something_is_left());

    // From one key of KMS to another, and without the ring.
    let alone = Keys::kms(kms.connect(&second).await.unwrap(), None);
    let records = Records::connect(&db.app_url(), alone).await.unwrap();
    assert_eq!(keys::rewrap(&records, &now).await.unwrap().data_keys, 6);
    let verified = keys::verify(&records, &now).await.unwrap();
    assert_eq!((verified.data_keys, verified.bad_keys.len(), verified.bad_values.len()), (6, 0, 0));
    assert!(verified.values > 12);

    // The ring alone can't read it now, and says so; with KMS to unwrap it can, and takes over.
    let refused = Records::connect(&db.app_url(), ring()).await.err().expect("KMS is not configured").to_string();
    assert!(refused.contains("key ring is not the one"), "{refused}");
    let back = Keys::ring(ring(), Some(kms.connect(&second).await.unwrap()));
    let records = Records::connect(&db.app_url(), back).await.unwrap();
    assert_eq!(keys::rewrap(&records, &now).await.unwrap().data_keys, 6);
    let records = Records::connect(&db.app_url(), ring()).await.unwrap();
    assert_eq!(search(&records, demo.clinic.id, "fern").await.unwrap(), 1);
}
