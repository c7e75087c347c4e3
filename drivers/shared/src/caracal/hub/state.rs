//! What the lock of a hub guards.

use std::collections::BTreeMap;

use futures_channel::oneshot;
use nuncio_core::caracal::{
    BearerToken, CallId, Client, ClientEvent, ClientOutput, MAX_ANSWER_BYTES, Request, RequestId, Response,
    TransportFailure,
};
use nuncio_core::time::Time;

use crate::io::clock::{Reading, WallClock, WallStep};
use crate::io::sync::CancellationToken;
use crate::io::timer::Armed;

/// What is done once the lock is free.
pub(super) enum Action {
    Send {
        id: RequestId,
        request: Request,
        given_up: CancellationToken,
    },
    GiveUp(CancellationToken),
    /// A token is needed, other than the refused one.
    Token {
        refused: Option<BearerToken>,
    },
    Answer {
        waiting: oneshot::Sender<ClientEvent>,
        event: ClientEvent,
    },
    /// The event of a call for which no task waits.
    Unawaited(ClientEvent),
    /// An event that belongs to no call.
    Report(ClientEvent),
}

pub(super) struct State {
    client: Client,
    /// What the machine was told of the wall clock.
    wall: WallClock,
    /// Who waits for the event of a call.
    waiting: BTreeMap<CallId, oneshot::Sender<ClientEvent>>,
    /// The requests that are under way, which the machine may give up.
    under_way: BTreeMap<RequestId, CancellationToken>,
    /// The token that the machine was given last.
    supplied: Option<BearerToken>,
    /// Why the coordinator was not reached last.
    unreachable: Option<String>,
    /// What is to be done, in its order.
    actions: Vec<Action>,
    /// The time that the timer waits for.
    armed: Armed,
}

impl State {
    pub(super) fn new(client: Client) -> State {
        State {
            client,
            // The machine was made with the time of the clock, which began with the wall clock.
            wall: WallClock::default(),
            waiting: BTreeMap::new(),
            under_way: BTreeMap::new(),
            supplied: None,
            unreachable: None,
            actions: Vec::new(),
            armed: Armed::default(),
        }
    }

    /// Returns what the machine was told of the wall clock.
    pub(super) fn wall(&self) -> WallClock {
        self.wall
    }

    /// Tells the machine of the wall clock if that was set. Returns the time of the next input, and the step if it is to be
    /// logged.
    pub(super) fn read_clock(&mut self, reading: Reading) -> (Time, Option<WallStep>) {
        let client = &mut self.client;
        (reading.now, self.wall.follow(reading, |now, wall| client.handle_wall(now, wall)))
    }

    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Returns where the event of a call arrives.
    pub(super) fn wait(&mut self, call: CallId) -> oneshot::Receiver<ClientEvent> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(call, sender);
        receiver
    }

    /// Takes in all outputs of the machine, in their order.
    pub(super) fn dispatch(&mut self) {
        while let Some(output) = self.client.poll_output() {
            let action = match output {
                ClientOutput::Request { id, request } => {
                    let given_up = CancellationToken::new();
                    self.under_way.insert(id, given_up.clone());
                    Some(Action::Send { id, request, given_up })
                }
                ClientOutput::Abort(id) => self.under_way.remove(&id).map(Action::GiveUp),
                ClientOutput::TokenNeeded { rejected } => {
                    Some(Action::Token { refused: self.supplied.clone().filter(|_| rejected) })
                }
                ClientOutput::Event(event) => Some(self.event(event)),
            };
            self.actions.extend(action);
        }
    }

    /// Takes what is to be done, in its order.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn event(&mut self, event: ClientEvent) -> Action {
        let call = match &event {
            ClientEvent::Spawned { call, .. }
            | ClientEvent::SpawnedWithEdge { call, .. }
            | ClientEvent::Terminated { call, .. }
            | ClientEvent::Delegated { call, .. }
            | ClientEvent::Revoked { call, .. }
            | ClientEvent::Inbound { call, .. }
            | ClientEvent::LeaseAcquired { call, .. }
            | ClientEvent::Failed { call, .. } => *call,
            ClientEvent::Suspended(_) | ClientEvent::Resumed(_) | ClientEvent::Ended { .. } | ClientEvent::Closed => {
                return Action::Report(event);
            }
        };
        match self.waiting.remove(&call) {
            Some(waiting) => Action::Answer { waiting, event },
            // Sessions without a handle are terminated without anyone who waits.
            None => Action::Unawaited(event),
        }
    }

    /// Takes the response to a request.
    pub(super) fn answered(&mut self, now: Time, id: RequestId, status: u16, retry_after: Option<&str>, body: &[u8]) {
        self.under_way.remove(&id);
        self.unreachable = None;
        // One byte more than the machine reads shows that there is too much.
        let body = body.get(..MAX_ANSWER_BYTES.saturating_add(1)).unwrap_or(body);
        self.client.handle_response(now, id, &Response { status, retry_after, body });
    }

    /// Takes the failure of a request.
    pub(super) fn failed(&mut self, now: Time, id: RequestId, failure: TransportFailure, reason: String) {
        self.under_way.remove(&id);
        self.unreachable = Some(reason);
        self.client.handle_failure(now, id, failure);
    }

    /// Gives the machine a token and the time at which it expires, if that is known, or says that there is none.
    pub(super) fn supplied(&mut self, now: Time, token: Option<(BearerToken, Option<Time>)>) {
        match token {
            Some((token, expires_at)) => {
                self.supplied = Some(token.clone());
                self.client.token(now, token, expires_at);
            }
            None => self.client.token_failed(now),
        }
    }

    pub(super) fn unreachable(&self) -> Option<&str> {
        self.unreachable.as_deref()
    }

    /// Returns the next deadline, which the timer waits for from now on.
    pub(super) fn arm(&mut self) -> Option<Time> {
        self.armed.set(self.deadline())
    }

    /// Returns whether the next deadline is earlier than the one that the timer waits for.
    pub(super) fn is_earlier(&self) -> bool {
        self.armed.is_after(self.deadline())
    }

    fn deadline(&self) -> Option<Time> {
        self.client.poll_timeout().map(|(at, _)| at)
    }
}
