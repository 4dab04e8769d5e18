//! How often a transaction waits for PostgreSQL: counted on the wire, since time says nothing on a busy machine.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex};

use records::action::WriteNote;
use records::{KeyRing, Phi, Records, notes};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::cast::World;

/// What one connection asked for and then waited: a text of SQL, or the end of a prepared statement.
type Asked = Arc<Mutex<Vec<String>>>;

/// Stands between, and writes down what is asked, per connection.
async fn wire(folder: &Path, server: &Path) -> Arc<Mutex<Vec<Asked>>> {
    let all: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
    let (server, connections) = (server.join(".s.PGSQL.5432"), all.clone());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let asked = Asked::default();
            connections.lock().unwrap().push(asked.clone());
            let postgres = UnixStream::connect(&server).await.unwrap();
            let (from_client, mut to_client) = client.into_split();
            let (mut from_postgres, to_postgres) = postgres.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_postgres, &mut to_client).await });
            tokio::spawn(forward(from_client, to_postgres, asked));
        }
    });
    all
}

/// Messages of PostgreSQL's protocol: a kind (but for the first), the length, the body.
async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl tokio::io::AsyncWrite + Unpin, asked: Asked) {
    let mut first = true;
    loop {
        let mut head = vec![0; if first { 4 } else { 5 }];
        if from.read_exact(&mut head).await.is_err() {
            return;
        }
        let length = u32::from_be_bytes(head[head.len() - 4..].try_into().unwrap()) as usize;
        let mut body = vec![0; length - 4];
        from.read_exact(&mut body).await.unwrap();
        match (first, head[0]) {
            (false, b'Q') => asked.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned()),
            (false, b'P') => asked.lock().unwrap().push(PREPARES.to_owned()),
            (false, b'S') => asked.lock().unwrap().push("prepared".to_owned()),
            _ => {}
        }
        first = false;
        if to.write_all(&[head, body].concat()).await.is_err() {
            return;
        }
    }
}

/// A statement that this connection has not had before: that costs one more, once.
const PREPARES: &str = "prepares";

/// The round trips of each transaction that had all its statements prepared.
fn transactions(asked: &[String]) -> Vec<usize> {
    let begins = asked.iter().enumerate().filter(|(_, one)| one.contains("BEGIN")).map(|(at, _)| at);
    let whole = begins.filter_map(|at| {
        let end = asked[at..].iter().position(|one| one.starts_with("COMMIT"))?;
        Some(&asked[at..=at + end])
    });
    whole.filter(|one| !one.iter().any(|what| what == PREPARES)).map(<[String]>::len).collect()
}

#[tokio::test]
async fn a_transaction_waits_once_for_its_beginning_each_statement_each_audit_row_and_its_commit() {
    let world = World::new().await;
    let options = PgConnectOptions::from_str(&world.db.app_url()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let asked = wire(folder.path(), options.get_socket().unwrap()).await;
    let between = options.socket(folder.path()).to_url_lossy().to_string();
    let records = Records::connect(&between, KeyRing::open(&world.db.key_ring_path()).unwrap()).await.unwrap();
    // What it looks at when it starts is another matter.
    asked.lock().unwrap().iter().for_each(|one| one.lock().unwrap().clear());
    let site = &world.riverside;
    // More than a pool has connections, so that some are used again.
    for version in 0..40 {
        let mut tx = records.begin(site.as_provider()).await.unwrap();
        let may = tx.authorize(WriteNote(site.visit(0))).await.unwrap();
        let saved = notes::save(&mut tx, &may, version, &Phi::from(format!("Line {version}").as_str())).await.unwrap();
        tx.commit(saved).await.unwrap();
    }
    let counted = |asked: &Mutex<Vec<Asked>>| -> Vec<usize> {
        let asked = asked.lock().unwrap();
        asked.iter().flat_map(|one| transactions(&one.lock().unwrap())).collect()
    };
    let saved = counted(&asked);
    assert!(saved.len() >= 20 && saved.iter().all(|trips| *trips == NOTE), "{saved:?}");
    // Between two transactions of a connection the pool makes sure that it is there, once.
    for one in asked.lock().unwrap().iter() {
        let asked = one.lock().unwrap();
        for at in asked.iter().enumerate().filter(|(_, one)| one.starts_with("COMMIT")).map(|(at, _)| at) {
            let between = asked[at + 1..].iter().position(|one| one.contains("BEGIN"));
            assert!(between.is_none_or(|between| between == 1), "{asked:?}");
        }
    }
}

/// The beginning, seven statements (one of them: who may), the row of the log, the commit.
const NOTE: usize = 10;
