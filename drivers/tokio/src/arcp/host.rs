//! Mounting a server on an existing HTTP server (feature `hyper`, and `axum` for a route of an axum application).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nuncio_link::{DialectCheck, HostPolicy, InvalidPolicy, OriginPolicy, Refusal, ServerOptions};
use nuncio_shared::arcp::{Dialect, Via};
use nuncio_shared::auth::PeerCertificate;

use crate::arcp::Server;
use crate::stream;

/// Which upgrade requests are accepted, and what is known of their connections.
#[derive(Clone, Debug)]
pub struct MountOptions {
    options: Arc<ServerOptions>,
    via: Via,
    behind_proxy: bool,
    certificate: Option<PeerCertificate>,
    peer: Option<SocketAddr>,
}

impl MountOptions {
    /// Accepts requests that name one of these hosts, such as `agents.example` or `127.0.0.1:7777`. A web page cannot get
    /// in by pointing a name of its own at this machine.
    pub fn for_hosts<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<MountOptions, InvalidPolicy> {
        Ok(MountOptions::new(HostPolicy::list(hosts)?))
    }

    /// Accepts requests that name such a host and are not from web pages, over connections that others could listen to.
    pub fn new(hosts: HostPolicy) -> MountOptions {
        let mut options = ServerOptions::new(hosts);
        options.dialects = DialectCheck::new(|name| name.parse::<Dialect>().is_ok());
        MountOptions { options: Arc::new(options), via: Via::Plain, behind_proxy: false, certificate: None, peer: None }
    }

    /// Sets which web pages may connect. Default: none.
    pub fn origins(mut self, origins: OriginPolicy) -> MountOptions {
        Arc::make_mut(&mut self.options).origins = origins;
        self
    }

    /// Sets who could listen to the connections. Default: [`Via::Plain`], where credentials are not shown. Set
    /// [`Via::Tls`] if the HTTP server or a proxy before it speaks TLS.
    pub fn via(mut self, via: Via) -> MountOptions {
        self.via = via;
        self
    }

    /// Says that all requests come by a proxy, which is believed. It has to say itself, in `X-Forwarded-Proto` or `Forwarded`,
    /// whether the client has used TLS; what does not say so is [`Via::Plain`].
    pub fn behind_proxy(mut self) -> MountOptions {
        self.behind_proxy = true;
        self
    }

    /// Sets the certificate that the client has presented to the HTTP server, which has verified it.
    pub fn certificate(mut self, certificate: PeerCertificate) -> MountOptions {
        self.certificate = Some(certificate);
        self
    }

    /// Sets the address of the client, for which the limits of an address then hold: of connections without a session, and of
    /// refused tokens. Default: unknown, and only the limits of all clients hold.
    pub fn peer(mut self, peer: SocketAddr) -> MountOptions {
        self.peer = Some(peer);
        self
    }
}

impl Default for MountOptions {
    /// Accepts requests that name this machine: `localhost`, `127.0.0.1`, `[::1]`.
    fn default() -> MountOptions {
        MountOptions::new(HostPolicy::Loopback)
    }
}

/// Answers an upgrade request of a [`hyper`] server that [serves upgrades], and has `server` serve the WebSocket that
/// comes of it until either side ends it, or [`Server::shutdown`] does.
///
/// A request that is not let in is answered with a 4xx and a sentence, and any request after a shutdown's drain with a 503. The
/// path of the request is not looked at.
///
/// [serves upgrades]: hyper::server::conn::http1::Connection::with_upgrades
pub fn upgrade<B>(server: &Server, request: &mut Request<B>, options: &MountOptions) -> Response<String> {
    if !server.accepts_connections() {
        return Refusal::Busy.response();
    }
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    head.headers_mut().clone_from(request.headers());
    *head.version_mut() = request.version();
    let (accepted, response) = match options.options.upgrade(&head) {
        Ok(accepted) => accepted,
        Err(refusal) => return refusal.response(),
    };
    let upgrading = hyper::upgrade::on(request);
    let upgrading = async move { Ok(stream(TokioIo::new(upgrading.await.map_err(io::Error::other)?))) };
    let via = accepted.via(options.via, options.behind_proxy);
    server.accept_upgrading(upgrading, via, options.certificate.clone(), Some(accepted), options.peer);
    response.map(|()| String::new())
}
