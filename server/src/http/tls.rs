//! TLS 1.3, and 1.2 for those who have nothing newer, by rustls on aws-lc-rs.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Http;

/// The name of HTTP/2 in the handshake.
pub const HTTP2: &[u8] = b"h2";
/// The name of TURN in the handshake (RFC 7443). Browsers give none.
pub const TURN: &[u8] = b"stun.turn";

/// What answers handshakes; `None` if no certificate is configured.
///
/// # Errors
/// The files can't be read, or don't belong together.
pub fn acceptor(config: &Http) -> Result<Option<TlsAcceptor>> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else { return Ok(None) };
    of_files(certificate, key, &[HTTP2, b"http/1.1", TURN]).map(Some).context("http.tls_certificate, http.tls_key")
}

/// What answers handshakes with this certificate, and speaks these protocols.
///
/// # Errors
/// The files can't be read, or don't belong together.
pub fn of_files(certificate: &Path, key: &Path, protocols: &[&[u8]]) -> Result<TlsAcceptor> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("{}: not a PEM certificate chain", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("{}: not a PEM private key", key.display()))?;
    let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("must be PEM files that belong together")?;
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(tls)))
}
