//! nginx and HAProxy, set up as well as their manuals allow for this work: TLS 1.3 on both sides, the server verified,
//! connections kept, no log, a worker for each core.

use daas_testkit::bench::process::{Process, put};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

/// A peer that serves.
pub(crate) struct Peer {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
}

/// nginx; it speaks HTTP/1.1 to servers.
pub(crate) fn nginx(folder: &Path, upstream: &str) -> Option<Peer> {
    let (addr, at) = (free(), folder.display());
    let text = format!(
        "daemon off; worker_processes auto; pid {at}/nginx.pid; error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {at}/nginx-body; proxy_temp_path {at}/nginx-proxy;
  fastcgi_temp_path {at}/nginx-f; uwsgi_temp_path {at}/nginx-u; scgi_temp_path {at}/nginx-s;
  keepalive_requests 1000000000;
  upstream api {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen {addr} ssl http2; ssl_protocols TLSv1.3; ssl_session_cache shared:s:10m;
    ssl_certificate {at}/server.crt; ssl_certificate_key {at}/server.key;
    proxy_http_version 1.1; proxy_ssl_protocols TLSv1.3; proxy_max_temp_file_size 0;
    proxy_ssl_verify on; proxy_ssl_trusted_certificate {at}/ca.crt; proxy_ssl_name kubernetes;
    location / {{ proxy_pass https://api; proxy_set_header Connection \"\"; }}
    location ~ /exec$ {{ proxy_pass https://api; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }}
  }}
}}
"
    );
    let file = put(folder, "nginx.conf", &text);
    start("/usr/sbin/nginx", &["-c", &file, "-p", &at.to_string(), "-e", "stderr"], addr)
}

/// `HAProxy`; it speaks HTTP/2 to servers.
pub(crate) fn haproxy(folder: &Path, upstream: &str) -> Option<Peer> {
    let (addr, at) = (free(), folder.display());
    let text = format!(
        "global
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
  tune.h2.initial-window-size 1048576
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind {addr} ssl crt {at}/server.pem alpn h2,http/1.1
  default_backend b
backend b
  server s {upstream} ssl verify required ca-file {at}/ca.crt sni str(kubernetes) verifyhost kubernetes alpn h2 ws h1
"
    );
    let file = put(folder, "haproxy.cfg", &text);
    start("/usr/sbin/haproxy", &["-db", "-q", "-f", &file], addr)
}

#[expect(clippy::disallowed_methods, reason = "nothing else runs in a benchmark's own process")]
fn start(program: &str, arguments: &[&str], addr: SocketAddr) -> Option<Peer> {
    if !Path::new(program).exists() {
        return None;
    }
    let process = Process::peer(program, arguments);
    for _ in 0..200 {
        if TcpStream::connect(addr).is_ok() {
            return Some(Peer { process, addr });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{program} does not listen on {addr}");
}

/// A port that nobody has at the moment.
fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
