//! ClamAV's daemon, asked by its INSTREAM command: the document goes over in pieces, a line comes back.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::Refused;

/// A scan that takes longer counts as none.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Bytes that are sent at once.
const PIECE: usize = 64 * 1024;
/// Longest answer that is read.
const MAX_ANSWER: u64 = 4_096;

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clamd {
    /// Over the network.
    Tcp(SocketAddr),
    /// On this machine.
    Unix(PathBuf),
}

impl Clamd {
    /// Whether the daemon finds nothing in `bytes`. Without a clear answer the document counts as not scanned.
    pub(super) async fn scan(&self, bytes: &[u8]) -> Result<(), Refused> {
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.ask(bytes)).await;
        let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| {
            tracing::error!(error = %error.kind(), "the virus scanner does not answer: uploads are refused");
            Refused::NotScanned
        })?;
        // `stream: OK`, `stream: <name of what was found> FOUND`, or an error in words.
        match answer.trim_end_matches(['\0', '\n', ' ']) {
            "stream: OK" => Ok(()),
            found if found.starts_with("stream: ") && found.ends_with(" FOUND") => Err(Refused::Infected),
            _ => {
                tracing::error!("the virus scanner could not scan: uploads are refused");
                Err(Refused::NotScanned)
            }
        }
    }

    async fn ask(&self, bytes: &[u8]) -> io::Result<String> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        match self {
            Self::Tcp(address) => {
                let stream =
                    tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await.map_err(late)??;
                instream(stream, bytes).await
            }
            Self::Unix(path) => {
                let stream = tokio::time::timeout(CONNECT_WITHIN, UnixStream::connect(path)).await.map_err(late)??;
                instream(stream, bytes).await
            }
        }
    }
}

async fn instream<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, bytes: &[u8]) -> io::Result<String> {
    let sent = send(&mut stream, bytes).await;
    // A daemon that has enough says so and hangs up while we still send: its words count more than that.
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    if answer.is_empty() {
        sent?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(b"zINSTREAM\0").await?;
    for piece in bytes.chunks(PIECE) {
        stream.write_u32(u32::try_from(piece.len()).expect("pieces are small")).await?;
        stream.write_all(piece).await?;
    }
    stream.write_u32(0).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    /// A daemon that takes one document and says `answer`; gives back what it was sent.
    async fn asked(answer: &'static [u8], document: Vec<u8>) -> (Result<(), Refused>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clamd");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut command = [0; 10];
            stream.read_exact(&mut command).await.unwrap();
            assert_eq!(&command, b"zINSTREAM\0");
            let mut document = Vec::new();
            loop {
                let length = stream.read_u32().await.unwrap() as usize;
                if length == 0 {
                    break;
                }
                let begun = document.len();
                document.resize(begun + length, 0);
                stream.read_exact(&mut document[begun..]).await.unwrap();
            }
            stream.write_all(answer).await.unwrap();
            document
        });
        let verdict = Clamd::Unix(path).scan(&document).await;
        (verdict, daemon.await.unwrap())
    }

    #[tokio::test]
    async fn only_a_clear_yes_lets_a_document_pass() {
        let document: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let (verdict, seen) = asked(b"stream: OK\0", document.clone()).await;
        assert_eq!(verdict, Ok(()));
        assert!(seen == document);
        for (answer, refused) in [
            (&b"stream: Eicar-Test-Signature FOUND\0"[..], Refused::Infected),
            (b"INSTREAM size limit exceeded. ERROR\0", Refused::NotScanned),
            (b"stream: OK, but ERROR\0", Refused::NotScanned),
            (b"", Refused::NotScanned),
            (b"\0", Refused::NotScanned),
        ] {
            assert_eq!(asked(answer, b"x".to_vec()).await.0, Err(refused), "{}", String::from_utf8_lossy(answer));
        }
    }

    #[tokio::test]
    async fn nobody_there_is_a_no() {
        let nowhere = Clamd::Unix("/nowhere/clamd".into());
        assert_eq!(nowhere.scan(b"x").await, Err(Refused::NotScanned));
    }
}
