//! What the kernel is told of every connection, ours and theirs.

use core::time::Duration;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use tokio::net::TcpStream;

/// After so long without a word it is asked whether the other side is there,
const IDLE: Duration = Duration::from_secs(30);
/// and again after so long,
const AGAIN: Duration = Duration::from_secs(15);
/// so often.
const TIMES: u32 = 4;
/// Small frames go at once, and a connection whose other side is gone ends. In the middle of bytes the kernel itself gives up
/// after some fifteen minutes; a bound of ours would count a window that is closed, too, and cut who only reads slowly: a
/// database busy with what came through `exec -i`, a terminal that was paused.
pub(crate) fn settle(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(IDLE).with_interval(AGAIN).with_retries(TIMES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn whoever_vanishes_is_missed_within_ninety_seconds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        settle(&tcp).unwrap();
        let socket = SockRef::from(&tcp);
        assert!(socket.keepalive().unwrap() && tcp.nodelay().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
        let asked = socket.tcp_keepalive_time().unwrap() + socket.tcp_keepalive_interval().unwrap() * 4;
        assert_eq!((asked, socket.tcp_keepalive_retries().unwrap()), (Duration::from_secs(90), 4));
    }
}
