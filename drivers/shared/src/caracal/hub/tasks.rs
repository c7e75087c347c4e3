//! The tasks of a hub, on the driver's thread.

use std::sync::Arc;

use futures_lite::future::or;
use nuncio_core::caracal::{BearerToken, CallFailure, ClientEvent, Request, RequestId, TransportFailure};
use nuncio_link::http::header;
use tracing::{debug, info, warn};

use super::state::Action;
use super::{Hub, HubParts};
use crate::caracal::request::to_http;
use crate::io::sync::{CancellationToken, lock};
use crate::io::timer::watch_deadlines;
use crate::io::{Driver, Io as _, Sanitized};

/// Returns a hub whose tasks run on its thread until it is closed.
pub(in crate::caracal) fn start<D: Driver>(parts: HubParts<D>) -> Arc<Hub<D>> {
    let hub = Arc::new(Hub::new(parts));
    hub.thread.spawn(Box::pin(act(Arc::clone(&hub))));
    hub.thread.spawn(Box::pin(keep_time(Arc::clone(&hub))));
    hub
}

/// Does what the machine's outputs ask for, in their order.
async fn act<D: Driver>(hub: Arc<Hub<D>>) {
    while !hub.stopped.is_cancelled() {
        let actions = lock(&hub.state).take_actions();
        if actions.is_empty() {
            hub.wanted.notified().await;
        }
        for action in actions {
            perform(&hub, action);
        }
    }
}

fn perform<D: Driver>(hub: &Arc<Hub<D>>, action: Action) {
    match action {
        Action::Send { id, request, given_up } => {
            hub.thread.spawn(Box::pin(send(Arc::clone(hub), id, request, given_up)));
        }
        Action::GiveUp(given_up) => given_up.cancel(),
        Action::Token { refused } => hub.thread.spawn(Box::pin(fetch_token(Arc::clone(hub), refused))),
        Action::Answer { waiting, event } => {
            if let Err(event) = waiting.send(event) {
                unawaited(hub, &event);
            }
        }
        Action::Unawaited(event) => unawaited(hub, &event),
        Action::Report(event) => report(hub, event),
    }
}

/// Ends the session that was opened for a task that has stopped to wait for it.
pub(in crate::caracal) fn unawaited<D: Driver>(hub: &Hub<D>, event: &ClientEvent) {
    match event {
        ClientEvent::Spawned { session, .. } | ClientEvent::SpawnedWithEdge { session, .. } => {
            hub.abandon(session);
        }
        ClientEvent::Failed { why: CallFailure::Closed, .. } => {}
        ClientEvent::Failed { why, .. } => {
            warn!(error = %Sanitized(&why), "a call to the coordinator failed, for whose result no task waits");
        }
        _ => debug!("no task waits for the result of a call"),
    }
}

fn report<D: Driver>(hub: &Hub<D>, event: ClientEvent) {
    match event {
        ClientEvent::Suspended(session) => {
            info!(session = %Sanitized(&session), "the coordinator has suspended the session");
            hub.hooks.suspended(&session);
        }
        ClientEvent::Resumed(session) => {
            info!(session = %Sanitized(&session), "the coordinator has resumed the session");
            hub.hooks.resumed(&session);
        }
        ClientEvent::Ended { session, why } => {
            warn!(session = %Sanitized(&session), reason = ?why, "the session has ended by itself");
            hub.hooks.lost(&session, why);
        }
        ClientEvent::Closed => hub.stopped.cancel(),
        _ => {}
    }
}

/// Sends a request, unless it is given up, and reports what came of it.
async fn send<D: Driver>(hub: Arc<Hub<D>>, id: RequestId, request: Request, given_up: CancellationToken) {
    let exchange = async {
        let request = to_http(&hub.coordinator, &request)?;
        hub.http.exchange(&request).await
    };
    let answer = or(async { Some(exchange.await) }, async {
        given_up.cancelled().await;
        None
    });
    match answer.await {
        Some(Ok(response)) => {
            let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let status = response.status().as_u16();
            hub.run(|state, now| state.answered(now, id, status, retry_after, response.body()));
        }
        Some(Err(error)) => {
            warn!(error = %Sanitized(&error), "a request to the coordinator has no response");
            let failure = if error.is_uncertain() { TransportFailure::Lost } else { TransportFailure::NotSent };
            hub.run(|state, now| state.failed(now, id, failure, error.to_string()));
        }
        None => {}
    }
}

/// Supplies a token, other than the refused one.
async fn fetch_token<D: Driver>(hub: Arc<Hub<D>>, refused: Option<BearerToken>) {
    let token = hub.tokens.fresh(refused.as_ref()).await.ok();
    hub.run(|state, now| state.supplied(now, token));
}

/// Reports deadlines that have passed.
async fn keep_time<D: Driver>(hub: Arc<Hub<D>>) {
    let arm = || lock(&hub.state).arm();
    let expire = || hub.run(|state, now| state.client().handle_timeout(now));
    let time = watch_deadlines(&*hub.thread, &hub.clock, &hub.timer, arm, expire);
    or(hub.stopped.cancelled(), time).await;
}
