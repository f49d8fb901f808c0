//! `/dev/nsm`: one ioctl that carries a request and takes a response. The driver bounds how long it takes.

use super::MAX_RESPONSE;
use nix::libc;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

const MAGIC: u8 = 0x0a;
const RAW: u8 = 0;

#[repr(C)]
struct Message {
    request: libc::iovec,
    response: libc::iovec,
}

#[expect(unsafe_code, reason = "there is no safe wrapper for the driver's ioctl")]
pub(super) fn exchange(device: &File, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut response = vec![0_u8; MAX_RESPONSE];
    let mut message = Message {
        request: libc::iovec { iov_base: request.as_ptr().cast_mut().cast(), iov_len: request.len() },
        response: libc::iovec { iov_base: response.as_mut_ptr().cast(), iov_len: response.len() },
    };
    let code = nix::request_code_readwrite!(MAGIC, RAW, size_of::<Message>());
    // SAFETY: `message` has the driver's layout and outlives the call; it points at `request`, which the driver only
    // reads, and at `response`, of which it writes at most `iov_len` bytes, and both outlive the call too.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), code, &raw mut message) };
    nix::errno::Errno::result(result)?;
    response.truncate(message.response.iov_len);
    Ok(response)
}
