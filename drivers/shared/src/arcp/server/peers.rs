//! Who is at the other end of connections and sessions, for logs.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use nuncio_core::arcp::{ConnId, SessionUlid};

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    Socket(SocketAddr),
    /// What a stream is that has no address.
    Stream(&'static str),
}

impl Peer {
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Peer::Socket(address) => Some(address.ip()),
            Peer::Stream(_) => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Socket(address) => address.fmt(f),
            Peer::Stream(kind) => f.write_str(kind),
        }
    }
}

/// What a client has said of itself, and why it was refused. Only the log shows it.
#[derive(Debug, Default)]
pub(super) struct RefusedClaim {
    /// The `client.name` of its hello.
    pub(super) client: Option<String>,
    /// Why the verifiers have refused it.
    pub(super) reason: Option<String>,
}

/// The peers of all connections, and of the sessions that have one.
#[derive(Debug, Default)]
pub(super) struct Peers {
    conns: HashMap<ConnId, Peer>,
    sessions: HashMap<SessionUlid, (ConnId, Option<Peer>)>,
    refused: HashMap<ConnId, RefusedClaim>,
}

impl Peers {
    /// Notes the peer of a new connection.
    pub(super) fn connected(&mut self, conn: ConnId, peer: Peer) {
        self.conns.insert(conn, peer);
    }

    /// Forgets a connection that has ended.
    pub(super) fn disconnected(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        self.refused.remove(&conn);
    }

    /// Notes which connection carries a session.
    pub(super) fn live(&mut self, session: SessionUlid, conn: ConnId) {
        self.sessions.insert(session, (conn, self.of_conn(conn)));
    }

    /// Forgets the connection of a session that has lost it. Returns who was at its other end.
    pub(super) fn detached(&mut self, session: SessionUlid) -> Option<Peer> {
        self.sessions.remove(&session)?.1
    }

    /// Notes why the claim of a connection is refused, for the line about the refusal. Of a connection that has ended meanwhile,
    /// nothing is noted.
    pub(super) fn refused(&mut self, conn: ConnId, claim: RefusedClaim) {
        if self.conns.contains_key(&conn) {
            self.refused.insert(conn, claim);
        }
    }

    /// Returns what was noted about the refused claim of a connection.
    pub(super) fn take_refused(&mut self, conn: ConnId) -> RefusedClaim {
        self.refused.remove(&conn).unwrap_or_default()
    }

    /// Returns the peer of a connection that is there.
    pub(super) fn of_conn(&self, conn: ConnId) -> Option<Peer> {
        self.conns.get(&conn).copied()
    }

    /// Returns the peer of a session that is connected.
    pub(super) fn of_session(&self, session: SessionUlid) -> Option<Peer> {
        self.sessions.get(&session).and_then(|(conn, _)| self.of_conn(*conn))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use nuncio_core::arcp::{Config, Runtime, Via};
    use nuncio_core::time::Time;

    use super::*;

    #[test]
    fn nothing_is_kept_of_a_connection_that_has_ended() {
        let mut runtime = Runtime::new(Config::default(), [7; 32], Time(0));
        let conn = runtime.handle_open(Time(0), Via::Memory);
        let session = SessionUlid::parse("sess_00000000000000000000000001").unwrap();
        let claim = || RefusedClaim { client: Some("c".to_owned()), reason: None };
        let mut peers = Peers::default();
        peers.connected(conn, Peer::Stream("this process"));
        peers.live(session, conn);
        peers.refused(conn, claim());
        assert!(peers.of_session(session).is_some());
        peers.disconnected(conn);
        assert!(peers.of_session(session).is_none() && peers.take_refused(conn).client.is_none());
        // A verifier answers late.
        peers.refused(conn, claim());
        assert!(peers.take_refused(conn).client.is_none());
        assert!(peers.detached(session).is_some(), "the log says whose connection it was");
        assert!(peers.conns.is_empty() && peers.sessions.is_empty() && peers.refused.is_empty());
    }
}
