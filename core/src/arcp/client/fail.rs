//! The failure of requests, and the end of handles.

use alloc::boxed::Box;

use super::Client;
use super::event::{ClientEvent, RequestFailure};
use super::requests::Ask;
use super::types::{HandleId, Outcome, RequestId};

impl Client {
    /// Fails a request. It is reported to the application, unless that has released the handle.
    pub(super) fn fail(&mut self, id: RequestId, why: RequestFailure) {
        let Some(request) = self.requests.remove(id) else { return };
        let mut released = false;
        match request.ask {
            Ask::Submit(handle) | Ask::Subscribe(handle) => {
                if let Some(closed) = self.jobs.close(handle) {
                    released = closed.released;
                    for cancel in closed.cancels {
                        self.fail(cancel, why.clone());
                    }
                }
            }
            Ask::Cancel(handle) => {
                self.jobs.remove_cancel(handle, id);
                if let RequestFailure::Refused(_) = why {
                    self.jobs.cancel_refused(handle);
                }
            }
            Ask::List | Ask::Unsubscribe => {}
        }
        if let Some(request) = request.ask.failed(id).filter(|_| !released) {
            self.emit(ClientEvent::RequestFailed { request, why: Box::new(why) }, 0);
        }
    }

    /// Fails every request, because the client is closed.
    pub(super) fn fail_all(&mut self) {
        for id in self.requests.ids() {
            self.fail(id, RequestFailure::Closed);
        }
    }

    /// Ends a handle whose job has ended. Its cancels are answered by that, and the terminal event is its last one.
    pub(super) fn end_handle(&mut self, handle: HandleId, outcome: Box<Outcome>, bytes: usize) {
        let Some(closed) = self.jobs.close(handle) else { return };
        for request in closed.cancels {
            if self.requests.remove(request).is_some() {
                self.emit(ClientEvent::Cancelled { request, handle, acknowledged: false }, 0);
            }
        }
        if !closed.released {
            let before = self.before(outcome.seq);
            let event = ClientEvent::Terminal { handle, outcome };
            self.outbox.event(&self.config.limits, self.now, event, before, bytes);
        }
    }
}
