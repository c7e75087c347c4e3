//! Sessions that end or change without a call: heartbeats, leases and lifetimes (§2.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nuncio_core::time::Time;

use super::caracal::{Caracal, EndReason, Generation, Kind, Lifecycle, SessionId, TokenSource};
use super::support::{Answer, Seen, Server, builder, reply, token};
use crate::on::within;

/// Sends on what it hears of sessions that change by themselves.
struct Told(smol::channel::Sender<String>);

impl Told {
    fn tell(&self, what: &str, session: &SessionId) {
        self.0.try_send(format!("{what} {session}")).unwrap();
    }
}

impl Lifecycle for Told {
    fn suspended(&self, session: &SessionId) {
        self.tell("suspended", session);
    }

    fn resumed(&self, session: &SessionId) {
        self.tell("resumed", session);
    }

    fn lost(&self, session: &SessionId, why: EndReason) {
        self.tell(&format!("{why:?}"), session);
    }
}

/// Returns an application of a coordinator of 1.0, and what its hook hears.
fn told(coordinator: &Server) -> (Caracal, smol::channel::Receiver<String>) {
    let (sender, heard) = smol::channel::unbounded();
    let builder = builder(&coordinator.url()).generation(Generation::Head);
    (builder.token(TokenSource::fixed(token("t"))).hook(Told(sender)).build().unwrap(), heard)
}

/// Returns the time that is `seconds` from now, as a coordinator writes it.
fn after(seconds: u64) -> String {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(seconds);
    Time(u64::try_from(at.as_micros()).unwrap()).to_rfc3339()
}

fn opened(lease_seconds: u64) -> Answer {
    let until = after(lease_seconds);
    let body = format!(r#"{{"agent_session_id":"s-1","lease_generation":1,"heartbeat_deadline_at":"{until}"}}"#);
    reply(201, body)
}

fn is_heartbeat(request: &Seen) -> bool {
    request.line == "POST /zones/z1/agents/s-1/heartbeat"
}

#[test]
fn a_service_is_kept_alive_and_told_what_the_coordinator_does_to_it() {
    within(async {
        let coordinator = Server::start(|at, _| {
            let renewed = |status: &str| {
                let until = after(6);
                let agent =
                    format!(r#"{{"status":"{status}","lease_generation":1,"heartbeat_deadline_at":"{until}"}}"#);
                reply(200, format!(r#"{{"agent":{agent}}}"#))
            };
            match at {
                0 => opened(6),
                1 => renewed("suspended"),
                2 => renewed("active"),
                _ => reply(409, r#"{"error":"session_lease_fenced"}"#),
            }
        });
        let (caracal, heard) = told(&coordinator);
        let scope = caracal.spawn().kind(Kind::Service).await.unwrap();
        assert_eq!(scope.lease().unwrap().generation.number(), 1);
        for expected in ["suspended s-1", "resumed s-1", "LeaseLost s-1"] {
            assert_eq!(heard.recv().await.unwrap(), expected);
        }
        let seen = coordinator.seen();
        assert!(seen.len() == 4 && seen[1..].iter().all(is_heartbeat), "{seen:?}");
        assert!(seen[1..].iter().all(|beat| beat.body == r#"{"status":"healthy","lease_generation":1}"#));
        caracal.close().await;
        assert!(heard.is_empty() && coordinator.seen().len() == 4, "a lost session is left alone");
    });
}

#[test]
fn a_lease_that_cannot_be_renewed_lapses() {
    within(async {
        let coordinator = Server::start(|at, _| if at == 0 { opened(2) } else { Answer::Hang });
        let (caracal, heard) = told(&coordinator);
        let scope = caracal.spawn().kind(Kind::Service).await.unwrap();
        assert_eq!(heard.recv().await.unwrap(), "LeaseLapsed s-1");
        assert!(coordinator.seen()[1..].iter().all(is_heartbeat));
        drop(scope);
    });
}

#[test]
fn a_session_ends_with_its_lifetime() {
    within(async {
        let coordinator = Server::coordinator();
        let (caracal, heard) = told(&coordinator);
        let scope = caracal.spawn().ttl(Duration::from_secs(1)).await.unwrap();
        assert_eq!(heard.recv().await.unwrap(), format!("Expired {}", scope.session()));
    });
}
