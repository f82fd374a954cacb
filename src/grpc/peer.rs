//! One connection: who is at its other end, and a stream that ends when that one may no longer be here.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::gate::Admission;
use crate::pki::trust::Caller;

/// What a handler finds in the request's extensions: from the verified certificate, never from the request.
#[derive(Debug)]
pub struct Peer {
    /// Who is calling.
    pub caller: Caller,
    /// From where.
    pub addr: SocketAddr,
    /// The epoch of the trust set that let the connection in.
    pub epoch: u64,
    /// The key exchange, as TLS names it.
    pub kx: &'static str,
    /// Cancelled when the connection is cut. Long streams end on it.
    pub revoked: CancellationToken,
}

/// A TLS stream with its peer. When it is cut it reads as ended, and not one more byte of ours is accepted.
#[derive(Debug)]
pub struct PeerStream {
    io: TlsStream<TcpStream>,
    peer: Arc<Peer>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Gives the place back when the stream is dropped.
    _admission: Admission,
}

impl PeerStream {
    pub(super) fn new(io: TlsStream<TcpStream>, admission: Admission, addr: SocketAddr, kx: &'static str) -> Self {
        let revoked = admission.cancel.clone();
        let cut = Box::pin(revoked.clone().cancelled_owned());
        let peer = Arc::new(Peer { caller: admission.caller.clone(), addr, epoch: admission.epoch, kx, revoked });
        Self { io, peer, cut, _admission: admission }
    }
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }
    /// Asked by every operation, so that the task wakes whichever of them it waits in.
    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        self.peer.revoked.is_cancelled() || self.cut.as_mut().poll(cx).is_ready()
    }
    #[cfg(test)]
    pub(super) fn tcp(&self) -> &TcpStream {
        self.io.get_ref().0
    }
}

impl Connected for PeerStream {
    type ConnectInfo = Arc<Peer>;
    fn connect_info(&self) -> Arc<Peer> {
        self.peer.clone()
    }
}

fn aborted() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was cut")
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            // The end rather than an error: HTTP/2 then closes its streams and the connection in order.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(aborted()));
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(aborted()));
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let cut = self.is_cut(cx);
        match Pin::new(&mut self.io).poll_flush(cx) {
            // A peer that does not read cannot hold the connection open by it.
            Poll::Pending if cut => Poll::Ready(Err(aborted())),
            other => other,
        }
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let cut = self.is_cut(cx);
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Pending if cut => Poll::Ready(Err(aborted())),
            other => other,
        }
    }
}
