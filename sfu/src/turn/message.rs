//! The answers of a TURN server, written by `stun-types`.

use std::net::SocketAddr;

use stun_types::attribute::{AttributeWrite, ErrorCode, Nonce, Realm, XorMappedAddress};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageWrite as _, MessageWriteExt as _, MessageWriteVec,
};
use turn_types::attribute::{Data, Lifetime, XorPeerAddress, XorRelayedAddress};
use turn_types::message::DATA;

/// What answers are signed with, if the client proved to know it.
pub(crate) type Signature<'a> = Option<(&'a LongTermKeyCredentials, IntegrityAlgorithm)>;

/// A request was done.
pub(crate) fn done(request: &Message<'_>, attributes: &[&dyn AttributeWrite], signature: Signature<'_>) -> Vec<u8> {
    finished(Message::builder_success(request, MessageWriteVec::new()), attributes, signature)
}

/// A request was not done. `code` is one of RFC 8656's.
pub(crate) fn refused(request: &Message<'_>, code: u16, signature: Signature<'_>) -> Vec<u8> {
    let mut message = Message::builder_error(request, MessageWriteVec::new());
    if let Ok(error) = ErrorCode::new(code, ErrorCode::default_reason_for_code(code)) {
        put(&mut message, &error);
    }
    finished(message, &[], signature)
}

/// Asks the client to prove who it is.
pub(crate) fn challenge(request: &Message<'_>, code: u16, realm: &str, nonce: &str) -> Vec<u8> {
    let mut message = Message::builder_error(request, MessageWriteVec::new());
    let reason = if code == 438 { "Stale Nonce" } else { "Unauthorized" };
    if let (Ok(error), Ok(realm), Ok(nonce)) = (ErrorCode::new(code, reason), Realm::new(realm), Nonce::new(nonce)) {
        put(&mut message, &error);
        put(&mut message, &realm);
        put(&mut message, &nonce);
    }
    message.finish()
}

/// The address that a request came from.
pub(crate) fn mapped(request: &Message<'_>, source: SocketAddr) -> XorMappedAddress {
    XorMappedAddress::new(source, request.transaction_id())
}

/// The address that was lent to the client.
pub(crate) fn relayed(request: &Message<'_>, address: SocketAddr) -> XorRelayedAddress {
    XorRelayedAddress::new(address, request.transaction_id())
}

/// For how long.
pub(crate) fn lifetime(seconds: u64) -> Lifetime {
    Lifetime::new(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// A packet from media, for a client that has no channel for it.
pub(crate) fn data(from: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let mut message = Message::builder_indication(DATA, MessageWriteVec::with_capacity(packet.len() + 64));
    let peer = XorPeerAddress::new(from, message.transaction_id());
    put(&mut message, &peer);
    put(&mut message, &Data::new(packet));
    message.finish()
}

fn finished(mut message: MessageWriteVec, attributes: &[&dyn AttributeWrite], signature: Signature<'_>) -> Vec<u8> {
    for attribute in attributes {
        put(&mut message, *attribute);
    }
    if let Some((credentials, algorithm)) = signature {
        let signed = message.add_message_integrity(&credentials.clone().into(), algorithm);
        debug_assert!(signed.is_ok(), "{signed:?}");
    }
    message.finish()
}

/// A message without one of its attributes is one that the client refuses; that is all that can come of a failure.
fn put(message: &mut MessageWriteVec, attribute: &dyn AttributeWrite) {
    let put = message.add_attribute(attribute);
    debug_assert!(put.is_ok(), "{put:?}");
}
