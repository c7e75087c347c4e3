//! What a shard has of each connection beside its machine: where its frames go, and the certificate of its client.

use std::collections::HashMap;
use std::sync::Arc;

use nuncio_core::arcp::ConnId;

use crate::auth::PeerCertificate;
use crate::io::pipe::Pipe;

/// The connections of a shard.
#[derive(Default)]
pub(super) struct Conns {
    pipes: HashMap<ConnId, Arc<Pipe>>,
    /// The certificates of clients that have presented one.
    certificates: HashMap<ConnId, PeerCertificate>,
}

impl Conns {
    /// Adds a connection, whose frames go through `pipe`.
    pub(super) fn insert(&mut self, conn: ConnId, pipe: Arc<Pipe>) {
        self.pipes.insert(conn, pipe);
    }

    /// Keeps the certificate of a connection's client for its hello.
    pub(super) fn certify(&mut self, conn: ConnId, certificate: PeerCertificate) {
        self.certificates.insert(conn, certificate);
    }

    pub(super) fn pipe(&self, conn: ConnId) -> Option<&Arc<Pipe>> {
        self.pipes.get(&conn)
    }

    pub(super) fn certificate(&self, conn: ConnId) -> Option<&PeerCertificate> {
        self.certificates.get(&conn)
    }

    /// Forgets a connection that has ended or moved.
    pub(super) fn remove(&mut self, conn: ConnId) {
        self.pipes.remove(&conn);
        self.certificates.remove(&conn);
    }
}
