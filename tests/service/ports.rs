//! Where programs may listen that tests start.

use std::net::{SocketAddr, TcpListener};

/// Ports that nobody listens on now.
pub fn free_ports<const N: usize>() -> [SocketAddr; N] {
    let bound = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    bound.map(|listener| listener.local_addr().unwrap())
}
