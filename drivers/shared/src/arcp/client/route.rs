//! Where a client machine's events go.

use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::client::{ClientEvent, Failed, HandleId};
use nuncio_core::time::Time;
use tracing::{debug, info, warn};

use super::error::{ClientError, ConnectError, SessionEnd};
use super::hub::{Effects, State};
use super::session::SessionEvent;
use super::slot::{Answer, Item, Slot};

impl State {
    pub(super) fn route(&mut self, now: Time, event: ClientEvent, effects: &mut Effects) {
        let index = self.ledger.put();
        if !self.queue(now, index, event, effects) {
            self.take(now, index);
        }
    }

    /// True if the event waits for the application; anything else is taken by being heard.
    fn queue(&mut self, now: Time, index: u64, event: ClientEvent, effects: &mut Effects) -> bool {
        match event {
            ClientEvent::Job(event) => self.item(event.handle, index, Item::Event(event), effects).is_none(),
            ClientEvent::Chunk(event) => self.item(event.handle, index, Item::Chunk(event), effects).is_none(),
            ClientEvent::ChunkFault { handle, reason } => {
                self.item(handle, index, Item::ChunkFault(reason), effects).is_none()
            }
            ClientEvent::Credentials { handle, credentials } => {
                self.item(handle, index, Item::Credentials(credentials), effects).is_none()
            }
            ClientEvent::Child { handle, parent, accepted } => {
                info!(job = accepted.job_id, parent = accepted.parent_job_id, "a child job was accepted");
                let slot = Arc::new(Slot::default());
                self.slots.insert(handle, Arc::clone(&slot));
                let child = Item::Child(handle, accepted, slot);
                let unread = match parent {
                    Some(parent) => self.item(parent, index, child, effects),
                    None => Some(child),
                };
                if unread.is_some() {
                    self.slots.remove(&handle);
                    self.client.release(now, handle);
                }
                unread.is_none()
            }
            ClientEvent::Accepted { handle, accepted } => {
                info!(
                    job = accepted.job_id,
                    trace = accepted.trace_id.map(tracing::field::display),
                    "the job is accepted"
                );
                self.answer(handle, Ok(Answer::Accepted(accepted)), effects);
                false
            }
            ClientEvent::Subscribed { handle, subscribed } => {
                info!(job = subscribed.job_id, "the job is subscribed to");
                self.answer(handle, Ok(Answer::Subscribed(subscribed)), effects);
                false
            }
            ClientEvent::Terminal { handle, outcome } => {
                if let Some(slot) = self.slots.remove(&handle) {
                    debug!(seq = outcome.seq, status = ?outcome.status, "a job has ended");
                    effects.wakers.extend(slot.end(Ok(outcome)));
                }
                false
            }
            ClientEvent::Cancelled { request, .. } => {
                if let Some(waiting) = self.cancels.remove(&request) {
                    // Who asked may have stopped waiting.
                    drop(waiting.send(Ok(())));
                }
                false
            }
            ClientEvent::Jobs { request, page } => {
                if let Some(waiting) = self.lists.remove(&request) {
                    // Who asked may have stopped waiting.
                    drop(waiting.send(Ok(*page)));
                }
                false
            }
            ClientEvent::RequestFailed { request, why } => {
                self.failed(request, ClientError::Failed(*why), effects);
                false
            }
            ClientEvent::Welcome(welcome) => {
                info!(
                    session = welcome.session_id,
                    resumed = welcome.resumed,
                    runtime = welcome.runtime_name,
                    "the session is live"
                );
                self.link.welcomed = true;
                self.link.lost_at = None;
                self.link.window = welcome.resume_window_sec.map(Duration::from_secs);
                let welcome = Arc::<_>::from(welcome);
                effects.welcome = Some(Arc::clone(&welcome));
                effects.events.push(SessionEvent::Live(welcome));
                false
            }
            ClientEvent::Lost(reason) => {
                warn!(%reason, "the connection is lost");
                self.link.lost_at.get_or_insert(now);
                if let nuncio_core::arcp::client::LostReason::Refused(fault) = &reason {
                    self.link.last = Some(ConnectError::Refused(fault.clone()));
                }
                effects.events.push(SessionEvent::Lost(reason));
                false
            }
            ClientEvent::Notice(fault) => {
                warn!(%fault, "the runtime complains");
                effects.events.push(SessionEvent::Notice(*fault));
                false
            }
            ClientEvent::Gap { from, to } => {
                warn!(from, to, "events are lost");
                effects.events.push(SessionEvent::Gap { from, to });
                false
            }
            ClientEvent::Closed(reason) => {
                self.finish(SessionEnd::Closed(*reason), effects);
                false
            }
        }
    }

    /// The item comes back if nobody reads it.
    fn item(&self, handle: HandleId, index: u64, item: Item, effects: &mut Effects) -> Option<Item> {
        let Some(slot) = self.slots.get(&handle) else { return Some(item) };
        match slot.push(index, item) {
            Ok(waker) => {
                effects.wakers.extend(waker);
                None
            }
            Err(item) => Some(item),
        }
    }

    fn answer(&self, handle: HandleId, answer: Result<Answer, ClientError>, effects: &mut Effects) {
        if let Some(slot) = self.slots.get(&handle) {
            effects.wakers.extend(slot.answer(answer));
        }
    }

    fn failed(&mut self, request: Failed, error: ClientError, effects: &mut Effects) {
        debug!(%error, "a request failed");
        match request {
            Failed::Submit(handle) | Failed::Subscribe(handle) => {
                self.answer(handle, Err(error), effects);
                self.slots.remove(&handle);
            }
            Failed::Cancel(request, _) => {
                if let Some(waiting) = self.cancels.remove(&request) {
                    // Who asked may have stopped waiting.
                    drop(waiting.send(Err(error)));
                }
            }
            Failed::List(request) => {
                if let Some(waiting) = self.lists.remove(&request) {
                    // Who asked may have stopped waiting.
                    drop(waiting.send(Err(error)));
                }
            }
        }
    }

    /// The session is over: whoever waits is told why. A reason the driver had before stays.
    fn finish(&mut self, end: SessionEnd, effects: &mut Effects) {
        let end = self.end.get_or_insert(end).clone();
        info!(%end, "the session is over");
        for (_, slot) in self.slots.drain() {
            effects.wakers.extend(slot.end(Err(end.clone())));
        }
        for (_, waiting) in self.lists.drain() {
            // Who asked may have stopped waiting.
            drop(waiting.send(Err(ClientError::Ended(end.clone()))));
        }
        for (_, waiting) in self.cancels.drain() {
            // Who asked may have stopped waiting.
            drop(waiting.send(Err(ClientError::Ended(end.clone()))));
        }
        effects.events.push(SessionEvent::Over(end.clone()));
        effects.end = Some(end);
    }
}
