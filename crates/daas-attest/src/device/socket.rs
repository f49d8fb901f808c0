//! The simulated NSM: the same bytes on a Unix socket, each message after its length (u32, big-endian).

use super::MAX_RESPONSE;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::TimeVal;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Of each: connecting, sending, receiving.
const TIMEOUT_SECS: i64 = 3;

pub(super) fn exchange(path: &Path, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = open(path)?;
    let len = u32::try_from(request.len()).map_err(io::Error::other)?;
    let mut frame = len.to_be_bytes().to_vec();
    frame.extend_from_slice(request);
    stream.write_all(&frame)?;

    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let len = usize::try_from(u32::from_be_bytes(len)).map_err(io::Error::other)?;
    if len > MAX_RESPONSE {
        return Err(io::Error::other(format!("expected at most {MAX_RESPONSE} bytes, got {len}")));
    }
    let mut response = vec![0; len];
    stream.read_exact(&mut response)?;
    Ok(response)
}

/// The timeouts are set first, because they bound the connecting too.
fn open(path: &Path) -> io::Result<UnixStream> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let timeout = TimeVal::new(TIMEOUT_SECS, 0);
    setsockopt(&fd, sockopt::SendTimeout, &timeout)?;
    setsockopt(&fd, sockopt::ReceiveTimeout, &timeout)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(fd.into())
}
