//! Where this machine is.

use daas_types::{ErrorCode, Problem};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use tokio::net::lookup_host;

/// The address other nodes reach this machine by: the configured one, else the one from which the master is reached.
pub async fn node_ip(configured: Option<IpAddr>, endpoint: &str) -> Result<Ipv4Addr, Problem> {
    let refused = |cause: String| Problem::new(ErrorCode::AddressRefused, cause);
    let address = if let Some(ip) = configured {
        ip
    } else {
        let (host, port) =
            daas_client::split(endpoint).ok_or_else(|| refused(format!("{endpoint} is not https://host:port")))?;
        leading_to(host, port).await.map_err(|e| refused(format!("no route to {endpoint}: {e}")))?
    };
    match address.to_canonical() {
        IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_unspecified() => Ok(ip),
        other => Err(refused(format!("{other} is not an IPv4 address that other nodes can reach"))),
    }
}

/// The machine's own address on the way there.
async fn leading_to(host: &str, port: u16) -> io::Result<IpAddr> {
    // A resolver may take its time: never on the thread that everything else is done on.
    let to = lookup_host((host, port)).await?.find(SocketAddr::is_ipv4).ok_or(io::ErrorKind::AddrNotAvailable)?;
    // Connecting a datagram socket sends nothing; it only asks the routing table.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_needs_an_address_others_reach() {
        let ip = |text: &str| Some(text.parse().unwrap());
        assert_eq!(node_ip(ip("10.0.0.1"), "").await.unwrap(), Ipv4Addr::new(10, 0, 0, 1));
        let refused = async |configured, endpoint| node_ip(configured, endpoint).await.unwrap_err().code;
        for bad in ["127.0.0.1", "0.0.0.0", "fd00::1"] {
            assert_eq!(refused(ip(bad), "").await, ErrorCode::AddressRefused, "{bad}");
        }
        for bad in ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443", "nothing"] {
            assert_eq!(refused(None, bad).await, ErrorCode::AddressRefused, "{bad}");
        }
    }
}
