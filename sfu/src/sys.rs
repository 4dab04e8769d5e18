//! The system calls of a worker: wake-up, waiting, batched sending. All `unsafe` of this crate is here.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use sfu_core::Transmit;

/// Datagrams in one `sendmmsg`, after joining.
const MESSAGES: usize = 64;
/// Datagrams that the kernel splits off one message (UDP_SEGMENT), and their most bytes.
const SEGMENTS: usize = 60;
const SEGMENT_BYTES: usize = 60_000;

/// Interrupts [`wait`] from another thread.
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above made this descriptor and nobody else has it.
        Ok(Self(Arc::new(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    pub(crate) fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: writes 8 bytes from a buffer of 8. A full counter means that a wake-up is pending already.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    fn clear(&self) {
        let mut count = [0u8; 8];
        // SAFETY: reads at most 8 bytes into a buffer of 8.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

/// What is waited for at a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    None,
    Read,
    ReadAndWrite,
}

/// Which of many descriptors want attention (epoll, level-triggered).
#[derive(Debug)]
pub(crate) struct Readiness(OwnedFd);

/// Descriptors that are named in one call; the others come in the next.
const READY: usize = 256;

impl Readiness {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above made this descriptor and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub(crate) fn add(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    pub(crate) fn change(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    fn control(&self, what: libc::c_int, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        let events = match interest {
            Interest::None => 0,
            Interest::Read => libc::EPOLLIN,
            Interest::ReadAndWrite => libc::EPOLLIN | libc::EPOLLOUT,
        };
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: `event` lives until the call returns; a wrong descriptor is an error, not a fault.
        if unsafe { libc::epoll_ctl(self.0.as_raw_fd(), what, fd, &mut event) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// The tokens that want attention now; [`Interest::ReadAndWrite`] if there is room to write.
    pub(crate) fn ready(&self) -> Vec<(u64, Interest)> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; READY];
        // SAFETY: `events` has room for READY entries; a timeout of 0 never waits.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), READY as _, 0) };
        let named = events.iter().take(usize::try_from(count).unwrap_or(0));
        let writable = |events: u32| events & libc::EPOLLOUT as u32 != 0;
        let interest = |events| if writable(events) { Interest::ReadAndWrite } else { Interest::Read };
        named.map(|event| (event.u64, interest(event.events))).collect()
    }
}

/// Bounds what the kernel holds unsent on a stream (TCP_NOTSENT_LOWAT).
pub(crate) fn limit_unsent(socket: &impl AsRawFd, bytes: u32) -> io::Result<()> {
    let value = bytes.to_ne_bytes();
    // SAFETY: the option's value is 4 bytes, which live until the call returns.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            value.as_ptr().cast(),
            value.len() as _,
        )
    };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Waits until one of the sockets can be read, the waker is used, or the time is over.
pub(crate) fn wait(sockets: [RawFd; 2], waker: &Waker, timeout: Duration) {
    let mut fds =
        [sockets[0], sockets[1], waker.0.as_raw_fd()].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: `fds` has three entries and outlives the call; no signal mask is given. Negative descriptors are skipped.
    unsafe { libc::ppoll(fds.as_mut_ptr(), 3, &timeout, std::ptr::null()) };
    if fds[2].revents != 0 {
        waker.clear();
    }
}

/// Processor time that this thread has used, microseconds.
pub(crate) fn thread_cpu_us() -> u64 {
    // SAFETY: an all-zero timespec is valid, and the call fills it.
    let time = unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
        time
    };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

/// How a socket sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    pub fd: RawFd,
    /// The socket is IPv6 and reaches IPv4 by mapped addresses.
    pub v6: bool,
    /// Say from which address to send: the socket is bound to all.
    pub pin_source: bool,
    /// The kernel splits messages (UDP_SEGMENT).
    pub segments: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub packets: u64,
    pub bytes: u64,
    pub dropped: u64,
}

#[repr(align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 96]);

/// Sends all datagrams, joining runs of the same size to the same peer into one message. What the system does not
/// take now is dropped: late media is worthless, and what matters is asked for again.
pub(crate) fn send_all(how: &mut Sending, transmits: &[Transmit]) -> Sent {
    let mut sent = Sent::default();
    let mut at = 0;
    while at < transmits.len() {
        // SAFETY: all-zero is valid for these plain C structs.
        let (mut names, mut headers): ([libc::sockaddr_storage; MESSAGES], [libc::mmsghdr; MESSAGES]) =
            unsafe { (zeroed(), zeroed()) };
        let mut controls = [Control([0; 96]); MESSAGES];
        let mut iovecs: Vec<libc::iovec> = Vec::with_capacity((transmits.len() - at).min(MESSAGES * SEGMENTS));
        let mut runs = [0usize; MESSAGES];
        let mut count = 0;
        let mut next = at;
        while count < MESSAGES && next < transmits.len() {
            let run = if how.segments { run_length(&transmits[next..]) } else { 1 };
            if iovecs.len() + run > iovecs.capacity() {
                break;
            }
            let first = iovecs.len();
            for transmit in &transmits[next..next + run] {
                iovecs.push(libc::iovec {
                    iov_base: transmit.contents.as_ptr().cast_mut().cast(),
                    iov_len: transmit.contents.len(),
                });
            }
            let name_length = write_address(&mut names[count], transmits[next].path.remote, how.v6);
            let segment = (run > 1).then(|| transmits[next].contents.len());
            let source = how.pin_source.then(|| transmits[next].path.local.ip());
            let header = &mut headers[count].msg_hdr;
            header.msg_name = (&raw mut names[count]).cast();
            header.msg_namelen = name_length;
            // SAFETY: `first` is within the vector, whose capacity was reserved for all: it never moves.
            header.msg_iov = unsafe { iovecs.as_mut_ptr().add(first) };
            header.msg_iovlen = run as _;
            write_control(header, &mut controls[count], segment, source, how.v6);
            runs[count] = run;
            count += 1;
            next += run;
        }
        let mut done = 0;
        while done < count {
            // SAFETY: `headers[done..count]` point to names, vectors and controls that live until the call returns.
            let taken = unsafe {
                let left = &mut headers[done..count];
                libc::sendmmsg(how.fd, left.as_mut_ptr(), left.len() as _, libc::MSG_DONTWAIT as _)
            };
            if taken > 0 {
                for run in &runs[done..done + taken as usize] {
                    for transmit in &transmits[at..at + run] {
                        sent.packets += 1;
                        sent.bytes += transmit.contents.len() as u64;
                    }
                    at += run;
                }
                done += taken as usize;
                continue;
            }
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            if runs[done] > 1 && error.raw_os_error() == Some(libc::EIO) {
                // This interface cannot split messages: one by one from now on.
                how.segments = false;
                break;
            }
            sent.dropped += runs[done] as u64;
            at += runs[done];
            done += 1;
        }
    }
    sent
}

/// How many datagrams from the first on can go as one message.
fn run_length(transmits: &[Transmit]) -> usize {
    let first = &transmits[0];
    let size = first.contents.len();
    let mut total = size;
    let mut run = 1;
    for transmit in &transmits[1..] {
        let length = transmit.contents.len();
        let fits = length <= size && run < SEGMENTS && total + length <= SEGMENT_BYTES;
        if !fits || transmit.path != first.path {
            break;
        }
        total += length;
        run += 1;
        // Only the last one may be shorter.
        if length < size {
            break;
        }
    }
    run
}

fn write_address(storage: &mut libc::sockaddr_storage, address: SocketAddr, v6: bool) -> libc::socklen_t {
    match address {
        SocketAddr::V4(v4) if !v6 => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as _,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is made to hold, and is aligned for, every kind of address.
            unsafe { (&raw mut *storage).cast::<libc::sockaddr_in>().write(raw) };
            size_of::<libc::sockaddr_in>() as _
        }
        other => {
            let (ip, flow, scope) = match other {
                SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0, 0),
                SocketAddr::V6(v6) => (*v6.ip(), v6.flowinfo(), v6.scope_id()),
            };
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as _,
                sin6_port: other.port().to_be(),
                sin6_flowinfo: flow,
                sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
                sin6_scope_id: scope,
            };
            // SAFETY: as above.
            unsafe { (&raw mut *storage).cast::<libc::sockaddr_in6>().write(raw) };
            size_of::<libc::sockaddr_in6>() as _
        }
    }
}

fn write_control(
    header: &mut libc::msghdr,
    control: &mut Control,
    segment: Option<usize>,
    source: Option<IpAddr>,
    v6: bool,
) {
    if segment.is_none() && source.is_none() {
        return;
    }
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len() as _;
    let mut used = 0;
    // SAFETY: `control` is aligned for cmsghdr and has room for the two messages written here (24 + 40 bytes at
    // most); CMSG_NXTHDR stays within msg_controllen.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        if let Some(segment) = segment {
            (*message).cmsg_level = libc::SOL_UDP;
            (*message).cmsg_type = libc::UDP_SEGMENT;
            (*message).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as _) as _;
            libc::CMSG_DATA(message).cast::<u16>().write_unaligned(segment as u16);
            used += libc::CMSG_SPACE(size_of::<u16>() as _) as usize;
            message = libc::CMSG_NXTHDR(header, message);
        }
        match source {
            Some(IpAddr::V4(ip)) if !v6 => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                (*message).cmsg_level = libc::IPPROTO_IP;
                (*message).cmsg_type = libc::IP_PKTINFO;
                (*message).cmsg_len = libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as _) as _;
                libc::CMSG_DATA(message).cast::<libc::in_pktinfo>().write_unaligned(info);
                used += libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as _) as usize;
            }
            Some(ip) => {
                let octets = match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                    IpAddr::V6(ip) => ip.octets(),
                };
                let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: octets }, ipi6_ifindex: 0 };
                (*message).cmsg_level = libc::IPPROTO_IPV6;
                (*message).cmsg_type = libc::IPV6_PKTINFO;
                (*message).cmsg_len = libc::CMSG_LEN(size_of::<libc::in6_pktinfo>() as _) as _;
                libc::CMSG_DATA(message).cast::<libc::in6_pktinfo>().write_unaligned(info);
                used += libc::CMSG_SPACE(size_of::<libc::in6_pktinfo>() as _) as usize;
            }
            None => {}
        }
    }
    header.msg_controllen = used as _;
}

/// Every address of this machine that a client could reach; loopback only if there is nothing else.
pub(crate) fn local_addresses() -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut loopback = Vec::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs makes the list, which is walked by its own links and freed once.
    unsafe {
        if libc::getifaddrs(&mut list) != 0 {
            return found;
        }
        let mut at = list;
        while let Some(entry) = at.as_ref() {
            at = entry.ifa_next;
            let up = entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
            let Some(address) = entry.ifa_addr.as_ref().filter(|_| up) else {
                continue;
            };
            let ip = match i32::from(address.sa_family) {
                libc::AF_INET => {
                    let raw = entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    IpAddr::from(raw.sin_addr.s_addr.to_ne_bytes())
                }
                libc::AF_INET6 => {
                    IpAddr::from(entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned().sin6_addr.s6_addr)
                }
                _ => continue,
            };
            match ip {
                ip if ip.is_loopback() => loopback.push(ip),
                IpAddr::V6(ip) if ip.is_unicast_link_local() => {}
                ip => found.push(ip),
            }
        }
        libc::freeifaddrs(list);
    }
    if found.is_empty() { loopback } else { found }
}
