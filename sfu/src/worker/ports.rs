//! Opens what a worker listens on.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::handle::StartError;

/// Socket buffers, bytes: about a quarter of a second of a busy worker.
const SOCKET_BUFFER: usize = 4 << 20;
/// Connections that may wait to be accepted.
const LISTEN_BACKLOG: i32 = 256;
/// Ports tried when the system chooses and TCP has to be free, too.
const PORTS_TRIED: usize = 16;

/// Opens the UDP socket and, if wanted, a TCP listener on the same port.
pub(super) fn open(address: SocketAddr, tcp: bool) -> Result<(UdpSocket, Option<TcpListener>), StartError> {
    let mut tries = 0;
    loop {
        let socket = datagrams(address).map_err(|source| failed(address, "UDP", source))?;
        if !tcp {
            return Ok((socket, None));
        }
        let bound = socket.local_addr().map_err(|source| failed(address, "UDP", source))?;
        match listen(bound) {
            Ok(listener) => return Ok((socket, Some(listener))),
            // The system chose the port for UDP alone: by TCP somebody else may have it.
            Err(_) if address.port() == 0 && tries < PORTS_TRIED => tries += 1,
            Err(source) => return Err(failed(bound, "TCP", source)),
        }
    }
}

pub(super) fn failed(address: SocketAddr, transport: &'static str, source: io::Error) -> StartError {
    match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken { port: address.port(), transport },
        _ => StartError::Socket { address, source },
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = if address.is_ipv6() { socket2::Domain::IPV6 } else { socket2::Domain::IPV4 };
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A server that is started again takes the port at once, whatever connections of the last one still linger.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

fn datagrams(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = if address.is_ipv6() { socket2::Domain::IPV6 } else { socket2::Domain::IPV4 };
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // The system may give less; that is no reason not to start.
    let _less: [io::Result<()>; 2] =
        [socket.set_recv_buffer_size(SOCKET_BUFFER), socket.set_send_buffer_size(SOCKET_BUFFER)];
    socket.bind(&address.into())?;
    Ok(socket.into())
}
