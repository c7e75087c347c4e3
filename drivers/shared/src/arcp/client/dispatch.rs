//! The client machine with the driver's tables, and the dispatch of its outputs.

use crate::io::Sanitized;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot;
use nuncio_core::arcp::client::{
    AnsweredQuestion, ClientEvent, ClientOutput, ClientRefused, Failed, HandleId, JobPage, LostReason, QuestionPage,
    RequestFailure, RequestId, SessionPage, Welcome,
};
use nuncio_core::arcp::{Client, JobId, RuntimeStatus};
use nuncio_core::time::Time;
use tracing::{debug, info, warn};

use super::action::Actions;
use super::error::{ClientError, ConnectError, SessionEnd};
use super::ledger::Ledger;
use super::link::LinkState;
use super::session::SessionEvent;
use super::slot::{Answer, Item, Slot};

/// The state that a client's lock guards: the machine, and a table for each kind of thing that its outputs name.
pub(super) struct State {
    /// The machine. Its outputs are dispatched after each input.
    pub(super) client: Client,
    /// Handles whose jobs have not ended.
    pub(super) slots: HashMap<HandleId, Arc<Slot>>,
    /// Listings that wait for their answers.
    pub(super) lists: HashMap<RequestId, oneshot::Sender<Result<JobPage, ClientError>>>,
    /// Answers to questions that wait to be taken.
    pub(super) answers: HashMap<RequestId, oneshot::Sender<Result<AnsweredQuestion, ClientError>>>,
    /// Lists of questions that wait for their answers.
    pub(super) questions: HashMap<RequestId, oneshot::Sender<Result<QuestionPage, ClientError>>>,
    /// Lists of sessions that wait for their answers.
    pub(super) sessions: HashMap<RequestId, oneshot::Sender<Result<SessionPage, ClientError>>>,
    /// Requests for the state of the runtime that wait for their answers.
    pub(super) statuses: HashMap<RequestId, oneshot::Sender<Result<RuntimeStatus, ClientError>>>,
    /// Cancels that wait for their answers.
    pub(super) cancels: HashMap<RequestId, oneshot::Sender<Result<(), ClientError>>>,
    pub(super) link: LinkState,
    /// Why the session has ended, once it has.
    pub(super) end: Option<SessionEnd>,
    /// Requests that failed in this dispatch because the client was closed.
    unanswered: Vec<Failed>,
    ledger: Ledger,
    /// The deadline that the timer waits for.
    armed: Time,
}

impl State {
    pub(super) fn new(client: Client) -> State {
        State {
            client,
            slots: HashMap::new(),
            lists: HashMap::new(),
            answers: HashMap::new(),
            questions: HashMap::new(),
            sessions: HashMap::new(),
            statuses: HashMap::new(),
            cancels: HashMap::new(),
            link: LinkState::default(),
            end: None,
            unanswered: Vec::new(),
            ledger: Ledger::default(),
            armed: Time::MAX,
        }
    }

    /// Adopts the machine's next deadline. Returns whether it is earlier than the one that the timer waits for.
    pub(super) fn arm(&mut self) -> bool {
        let next = self.client.poll_timeout().map_or(Time::MAX, |(deadline, _)| deadline);
        let earlier = next < self.armed;
        if earlier {
            self.armed = next;
        }
        earlier
    }

    /// Returns the error of a request that the machine refused: the end of the session, if that is the reason.
    pub(super) fn refusal(&self, refused: ClientRefused) -> ClientError {
        match (&self.end, refused) {
            (Some(end), ClientRefused::Closed) => ClientError::Ended(end.clone()),
            (_, refused) => ClientError::Refused(refused),
        }
    }

    /// Notes that the application has taken an event. The machine is told once all events before it have been taken, too.
    pub(super) fn take(&mut self, now: Time, index: u64) {
        let taken = self.ledger.take(index);
        if taken > 0 {
            self.client.handle_taken(now, taken);
        }
    }

    pub(super) fn armed(&self) -> Time {
        self.armed
    }

    /// Handles the deadline that the timer has waited for.
    pub(super) fn expire(&mut self, now: Time) {
        self.armed = Time::MAX;
        self.client.handle_timeout(now);
    }

    /// Dispatches every output.
    pub(super) fn dispatch(&mut self, now: Time, actions: &mut Actions) {
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Send(frame) => {
                    if let Some(pipe) = self.link.pipe() {
                        pipe.push(frame);
                        actions.wake(pipe);
                    }
                }
                ClientOutput::Connect { attempt, renew, .. } => {
                    self.link.want(attempt, renew);
                    actions.push(|host| host.connect());
                }
                ClientOutput::CloseTransport { code, reason } => {
                    if let Some(pipe) = self.link.detach() {
                        pipe.close(code, reason);
                        actions.wake(&pipe);
                    }
                }
                ClientOutput::Reading => {
                    if let Some(pipe) = self.link.pipe() {
                        pipe.read_on();
                        actions.wake(pipe);
                    }
                }
                ClientOutput::Event(event) => {
                    if is_progress(&event) {
                        self.link.progress();
                    }
                    let index = self.ledger.put();
                    if !self.event(now, index, event, actions) {
                        self.take(now, index);
                    }
                }
            }
        }
        for request in std::mem::take(&mut self.unanswered) {
            let end = self.end.clone().map(ClientError::Ended);
            self.failed(request, end.unwrap_or(ClientError::Failed(RequestFailure::Closed)), actions);
        }
    }

    /// Applies an event to the tables, and queues everything else as an action for when the lock is released. That
    /// includes logging, since a subscriber may write to a file. Returns whether the event waits for the application to
    /// take it.
    fn event(&mut self, now: Time, index: u64, event: ClientEvent, actions: &mut Actions) -> bool {
        match event {
            ClientEvent::Job(event) => return self.queue(event.handle, index, Item::Event(event), actions).is_none(),
            ClientEvent::Chunk(event) => return self.queue(event.handle, index, Item::Chunk(event), actions).is_none(),
            ClientEvent::ChunkFault { handle, reason } => {
                return self.queue(handle, index, Item::ChunkFault(reason), actions).is_none();
            }
            ClientEvent::Credentials { handle, credentials } => {
                return self.queue(handle, index, Item::Credentials(credentials), actions).is_none();
            }
            ClientEvent::Child { handle, parent, accepted } => {
                let (job, of) = (accepted.job_id.clone(), accepted.parent_job_id.clone());
                actions.push(move |_| {
                    info!(job = job.as_str(), parent = of.as_ref().map(JobId::as_str), "a child job was accepted");
                });
                let slot = Arc::new(Slot::default());
                self.slots.insert(handle, Arc::clone(&slot));
                let child = Item::Child(handle, accepted, slot);
                let unread = match parent {
                    Some(parent) => self.queue(parent, index, child, actions),
                    None => Some(child),
                };
                if unread.is_some() {
                    self.slots.remove(&handle);
                    self.client.release(now, handle);
                }
                return unread.is_none();
            }
            ClientEvent::Accepted { handle, accepted } => {
                let (job, trace) = (accepted.job_id.clone(), accepted.trace_id);
                actions.push(move |_| {
                    info!(job = job.as_str(), trace = trace.map(tracing::field::display), "the job is accepted");
                });
                self.answer(handle, Ok(Answer::Accepted(accepted)), actions);
            }
            ClientEvent::Subscribed { handle, subscribed } => {
                let job = subscribed.job_id.clone();
                actions.push(move |_| info!(job = job.as_str(), "the job is subscribed to"));
                self.answer(handle, Ok(Answer::Subscribed(subscribed)), actions);
            }
            ClientEvent::Terminal { handle, outcome } => {
                if let Some(slot) = self.slots.remove(&handle) {
                    let (seq, status) = (outcome.seq, outcome.status);
                    actions.push(move |_| debug!(seq, ?status, "a job has ended"));
                    actions.wake_reader(slot.end(Ok(outcome)));
                }
            }
            ClientEvent::Cancelled { request, .. } => reply(self.cancels.remove(&request), Ok(())),
            ClientEvent::Jobs { request, page } => reply(self.lists.remove(&request), Ok(*page)),
            ClientEvent::Answered { request, answered } => reply(self.answers.remove(&request), Ok(*answered)),
            ClientEvent::Questions { request, page } => reply(self.questions.remove(&request), Ok(*page)),
            ClientEvent::Sessions { request, page } => reply(self.sessions.remove(&request), Ok(*page)),
            ClientEvent::Status { request, status } => reply(self.statuses.remove(&request), Ok(*status)),
            // Why the client was closed comes last.
            ClientEvent::RequestFailed { request, why } if matches!(*why, RequestFailure::Closed) => {
                self.unanswered.push(request);
            }
            ClientEvent::RequestFailed { request, why } => self.failed(request, ClientError::Failed(*why), actions),
            ClientEvent::Welcome(welcome) => {
                self.link.welcomed(welcome.resume_window_sec.map(Duration::from_secs));
                let welcome: Arc<Welcome> = welcome.into();
                actions.announce(SessionEvent::Live(Arc::clone(&welcome)));
                actions.push(move |host| {
                    let (session, runtime) = (&welcome.session_id, &welcome.runtime_name);
                    info!(session = session.as_str(), resumed = welcome.resumed, runtime, "the session is live");
                    // After the event: a caller that has waited for the first welcome and then listens does not receive
                    // it again.
                    host.welcomed(welcome);
                });
            }
            ClientEvent::Lost(reason) => {
                let refused = match &reason {
                    LostReason::Refused(fault) => Some(ConnectError::Refused(fault.clone())),
                    _ => None,
                };
                self.link.lost(now, refused);
                actions.announce(SessionEvent::Lost(reason.clone()));
                actions.push(move |_| warn!(reason = %Sanitized(&reason), "the connection is lost"));
            }
            ClientEvent::Notice(fault) => {
                actions.announce(SessionEvent::Notice((*fault).clone()));
                actions.push(move |_| {
                    warn!(fault = %Sanitized(&fault), "the runtime has reported a fault that belongs to no request");
                });
            }
            ClientEvent::Gap { from, to } => {
                actions.announce(SessionEvent::Gap { from, to });
                actions.push(move |_| warn!(from, to, "events are lost"));
            }
            ClientEvent::Closed(reason) => self.finish(SessionEnd::Closed(*reason), actions),
        }
        false
    }

    /// Queues an item for the reader of a handle. Returns it if there is no reader.
    fn queue(&self, handle: HandleId, index: u64, item: Item, actions: &mut Actions) -> Option<Item> {
        let Some(slot) = self.slots.get(&handle) else { return Some(item) };
        match slot.push(index, item) {
            Ok(reader) => {
                actions.wake_reader(reader);
                None
            }
            Err(item) => Some(item),
        }
    }

    fn answer(&self, handle: HandleId, answer: Result<Answer, ClientError>, actions: &mut Actions) {
        if let Some(slot) = self.slots.get(&handle) {
            actions.wake_reader(slot.answer(answer));
        }
    }

    fn failed(&mut self, request: Failed, error: ClientError, actions: &mut Actions) {
        let message = error.to_string();
        actions.push(move |_| debug!(error = message, "a request failed"));
        match request {
            Failed::Submit(handle) | Failed::Subscribe(handle) => {
                self.answer(handle, Err(error), actions);
                self.slots.remove(&handle);
            }
            Failed::Cancel(request, _) => reply(self.cancels.remove(&request), Err(error)),
            Failed::List(request) => reply(self.lists.remove(&request), Err(error)),
            Failed::Answer(request) => reply(self.answers.remove(&request), Err(error)),
            Failed::Questions(request) => reply(self.questions.remove(&request), Err(error)),
            Failed::Sessions(request) => reply(self.sessions.remove(&request), Err(error)),
            Failed::Status(request) => reply(self.statuses.remove(&request), Err(error)),
        }
    }

    /// Ends every wait, because the session has ended. An earlier reason of the driver is kept.
    fn finish(&mut self, end: SessionEnd, actions: &mut Actions) {
        let end = self.end.get_or_insert(end).clone();
        for (_, slot) in self.slots.drain() {
            actions.wake_reader(slot.end(Err(end.clone())));
        }
        for (_, waiting) in self.lists.drain() {
            reply(Some(waiting), Err(ClientError::Ended(end.clone())));
        }
        for (_, waiting) in self.answers.drain() {
            reply(Some(waiting), Err(ClientError::Ended(end.clone())));
        }
        for (_, waiting) in self.questions.drain() {
            reply(Some(waiting), Err(ClientError::Ended(end.clone())));
        }
        for (_, waiting) in self.sessions.drain() {
            reply(Some(waiting), Err(ClientError::Ended(end.clone())));
        }
        for (_, waiting) in self.statuses.drain() {
            reply(Some(waiting), Err(ClientError::Ended(end.clone())));
        }
        for (_, waiting) in self.cancels.drain() {
            reply(Some(waiting), Err(ClientError::Ended(end.clone())));
        }
        actions.push(move |host| {
            info!(end = %Sanitized(&end), "the session is over");
            // Before the event: a caller that receives the event sees the end as well.
            host.finish(end.clone());
            host.announce(SessionEvent::Over(end));
        });
    }
}

/// Answers a request. Its caller may no longer wait.
fn reply<T>(waiting: Option<oneshot::Sender<Result<T, ClientError>>>, answer: Result<T, ClientError>) {
    if let Some(waiting) = waiting {
        drop(waiting.send(answer));
    }
}

/// Returns whether an event shows that the runtime has sent something new, and not only a welcome.
fn is_progress(event: &ClientEvent) -> bool {
    match event {
        ClientEvent::Accepted { .. }
        | ClientEvent::Child { .. }
        | ClientEvent::Subscribed { .. }
        | ClientEvent::Credentials { .. }
        | ClientEvent::Job(_)
        | ClientEvent::Chunk(_)
        | ClientEvent::ChunkFault { .. }
        | ClientEvent::Terminal { .. }
        | ClientEvent::Cancelled { .. }
        | ClientEvent::Jobs { .. }
        | ClientEvent::Answered { .. }
        | ClientEvent::Questions { .. }
        | ClientEvent::Sessions { .. }
        | ClientEvent::Status { .. } => true,
        ClientEvent::RequestFailed { why, .. } => matches!(**why, RequestFailure::Refused(_)),
        ClientEvent::Welcome(_)
        | ClientEvent::Lost(_)
        | ClientEvent::Notice(_)
        | ClientEvent::Gap { .. }
        | ClientEvent::Closed(_) => false,
    }
}
