//! Properties of the client over any inputs.

use nuncio_core::caracal::{
    BearerToken, CallId, ClientEvent, ClientOutput, EdgeId, Generation, Kind, NewEdge, Response, Spawn,
    TransportFailure, Ttl,
};
use proptest::prelude::*;

use super::support::{Host, delegate, session, spawn};

/// The call that an event ends.
fn ends(event: &ClientEvent) -> Option<CallId> {
    match event {
        ClientEvent::Spawned { call, .. }
        | ClientEvent::SpawnedWithEdge { call, .. }
        | ClientEvent::Terminated { call, .. }
        | ClientEvent::Delegated { call, .. }
        | ClientEvent::Revoked { call, .. }
        | ClientEvent::Inbound { call, .. }
        | ClientEvent::LeaseAcquired { call, .. }
        | ClientEvent::Failed { call, .. } => Some(*call),
        ClientEvent::Suspended(_) | ClientEvent::Resumed(_) | ClientEvent::Ended { .. } | ClientEvent::Closed => None,
    }
}

fn ask(host: &mut Host, which: u8) -> Option<CallId> {
    let (now, client) = (host.now, &mut host.client);
    let kind = if which.is_multiple_of(2) { Kind::Service } else { Kind::Instance };
    let child = Spawn { kind, parent: Some(session("s1")), ttl: Ttl::from_secs(30), ..spawn() };
    let call = match which % 8 {
        0 | 1 => client.spawn(now, Spawn { kind, ..spawn() }),
        2 => client.delegate_to_spawn(now, child, NewEdge::default()),
        3 => client.terminate(now, session("s1")),
        4 => client.delegate(now, delegate("s1")),
        5 => client.revoke(now, EdgeId::new("e").unwrap()),
        6 => client.inbound(now, session("s1")),
        _ => client.acquire_lease(now, session("s1")),
    };
    call.ok()
}

const STATUSES: [u16; 9] = [200, 201, 204, 401, 404, 409, 429, 500, 503];
const BODIES: [&str; 5] = [
    "",
    r#"{"id":"s1","lease_generation":1}"#,
    r#"{"id":"s1","items":[]}"#,
    r#"{"error":"rate_limited"}"#,
    r#"{"agent":{"status":"suspended","lease_generation":2}}"#,
];

proptest! {
    #[test]
    fn every_call_ends_once_and_nothing_is_left_after_the_close(
        head in any::<bool>(), steps in prop::collection::vec((0_u8..6, any::<u8>(), any::<u8>()), 1..120)
    ) {
        let generation = if head { Generation::Head } else { Generation::May };
        let mut host = Host::without_token(generation, |config| {
            config.limits.calls = 12;
            config.limits.sessions = 6;
        });
        let (mut open, mut requests, mut closed) = (Vec::new(), Vec::new(), false);
        let finish = steps.len();
        // After the steps the client is closed, and every request is answered.
        for (at, (step, which, more)) in steps.into_iter().chain((0..2_000).map(|_| (6, 0, 0))).enumerate() {
            match step {
                0 | 1 => open.extend(ask(&mut host, which)),
                2 if !requests.is_empty() => {
                    let id = requests.swap_remove(usize::from(which) % requests.len());
                    let status = STATUSES[usize::from(more) % STATUSES.len()];
                    host.respond_later(id, status, Some("2"), BODIES[usize::from(which / 16) % BODIES.len()]);
                }
                3 if !requests.is_empty() => {
                    let id = requests.swap_remove(usize::from(which) % requests.len());
                    host.fail(id, if more.is_multiple_of(2) { TransportFailure::Lost } else { TransportFailure::NotSent });
                }
                4 => host.client.token(host.now, BearerToken::new("t").unwrap(), Some(host.now.plus_secs(u64::from(more)))),
                5 => {
                    host.now = host.now.plus_millis(u64::from(which) * 40);
                    host.client.handle_timeout(host.now);
                }
                6 => {
                    if at == finish {
                        host.client.close(host.now);
                    }
                    if let Some(id) = requests.pop() {
                        host.client.handle_response(host.now, id, &Response { status: 404, retry_after: None, body: b"" });
                    } else if host.client.poll_timeout().is_some() {
                        host.wait();
                    }
                }
                _ => {}
            }
            while let Some(output) = host.next() {
                prop_assert!(!closed, "{output:?} after the last event");
                match output {
                    ClientOutput::Request { id, .. } => requests.push(id),
                    ClientOutput::Abort(id) => requests.retain(|held| *held != id),
                    ClientOutput::TokenNeeded { .. } if step == 6 => host.client.token_failed(host.now),
                    ClientOutput::TokenNeeded { .. } => {}
                    ClientOutput::Event(ClientEvent::Closed) => closed = true,
                    ClientOutput::Event(event) => if let Some(call) = ends(&event) {
                        let place = open.iter().position(|held| *held == call);
                        prop_assert!(place.is_some(), "{event:?} ends a call that is not open");
                        open.swap_remove(place.unwrap_or_default());
                    },
                }
            }
            prop_assert!(host.client.bytes_held() < 64 << 10);
            if closed {
                break;
            }
        }
        prop_assert!(closed && open.is_empty(), "closed: {closed}, open: {open:?}");
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_outputs(whats in prop::collection::vec(any::<u8>(), 1..12)) {
        let run = || {
            let mut host = Host::new(Generation::Head, |_| {});
            let mut log = Vec::new();
            for what in &whats {
                let _ = ask(&mut host, *what);
                while let Some(output) = host.next() {
                    if let ClientOutput::Request { id, .. } = output {
                        host.fail(id, TransportFailure::NotSent);
                    }
                    log.push(format!("{output:?} {:?}", host.client.poll_timeout()));
                }
            }
            log
        };
        prop_assert_eq!(run(), run());
    }
}
