//! Answers to requests, and which request they belong to (core/docs/arcp.md, "The client").

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;

use bytes::Bytes;

use super::Client;
use super::event::ClientEvent;
use super::receive::Frame;
use super::requests::{Request, What};
use super::track::{Role, Track};
use super::types::{HandleId, RequestId};
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::reply::read::{self, payload};
use crate::arcp::wire::request::write;
use crate::json::Text;

impl Client {
    /// `job.accepted`: of a submit, of a child, or once more after a resume.
    pub(super) fn accepted(&mut self, frame: &Bytes, envelope: &Frame<'_>) {
        let grant: read::Grant<'_> = payload(envelope);
        let on_envelope = envelope.job_id.as_ref().map(Text::as_str);
        let Some(job_id) = grant.job_id.as_str().or(on_envelope).filter(|id| is_plain(id)) else { return };
        let delegated = grant.is_delegated();
        let is_submit = |request: &Request| matches!(request.what, What::Submit(_));
        let request = match grant.request_id.as_str() {
            Some(id) => self.requests.by_envelope(id).filter(|id| self.requests.get(*id).is_some_and(is_submit)),
            None if delegated => None,
            None => self.requests.oldest(is_submit),
        };
        let accepted = Box::new(grant.accepted(frame, job_id, envelope.trace_id.as_ref()));
        let bytes = frame.len();
        if let Some(handle) = request.and_then(|id| self.answered(id)) {
            self.tracks.bind(handle, job_id);
            if !self.released(handle) {
                self.emit(ClientEvent::Accepted { handle, accepted }, bytes);
            }
            self.send_waiting_cancels(handle, job_id);
        } else if let Some(key) = self.tracks.find(job_id) {
            let members = self.tracks.jobs.get(key).map(|job| job.members.clone()).unwrap_or_default();
            for handle in members {
                if !accepted.credentials.is_empty() && !self.released(handle) {
                    let credentials = accepted.credentials.clone();
                    self.emit(ClientEvent::Credentials { handle, credentials }, bytes);
                }
            }
        } else if delegated && grant.request_id.0.is_none() && self.tracks.handles.len() < self.config.handles {
            let parent = grant.parent_job_id.as_str().and_then(|parent| self.follower(parent));
            let handle = self.tracks.handles.insert(Track::new(Role::Child));
            self.tracks.bind(handle, job_id);
            self.emit(ClientEvent::Child { handle, parent, accepted }, bytes);
        } else if grant.request_id.0.is_some() && self.requests.oldest(is_submit).is_some() {
            // It may answer an early copy of a submit that was repeated often: what comes of the job is held until the
            // answer to the last copy says so.
            return;
        } else {
            // Nobody waits for it any more, or there is no room for one more child.
            self.held.take(job_id);
            return self.tracks.retire(Arc::from(job_id));
        }
        self.release_held(job_id);
    }

    /// `job.subscribed`
    pub(super) fn subscribed(&mut self, frame: &Bytes, envelope: &Frame<'_>) {
        let grant: read::Grant<'_> = payload(envelope);
        let on_envelope = envelope.job_id.as_ref().map(Text::as_str);
        let job_id = grant.job_id.as_str().or(on_envelope).unwrap_or_default();
        let of_job = |request: &Request| {
            matches!(request.what, What::Subscribe(_)) && request.job.as_deref().is_some_and(|job| job == job_id)
        };
        let request = match grant.request_id.as_str() {
            Some(id) => self.requests.by_envelope(id).filter(|id| self.requests.get(*id).is_some_and(of_job)),
            None => self.requests.oldest(of_job),
        };
        let Some(handle) = request.and_then(|id| self.answered(id)) else { return };
        let subscribed = Box::new(grant.subscribed(frame, job_id, envelope.trace_id.as_ref()));
        let ended = grant.current_status.as_str().and_then(FinalStatus::parse);
        self.emit(ClientEvent::Subscribed { handle, subscribed }, frame.len());
        if let Some(outcome) = self.tracks.handles.get_mut(handle).and_then(|track| track.parked.take()) {
            self.end(handle, outcome, frame.len());
        } else if let Some(status) = ended {
            let due = self.out.clock.read(self.now).plus_micros(self.config.request_timeout);
            self.tracks.settle(handle, due, status);
        }
    }

    /// `job.cancelled`
    pub(super) fn cancelled(&mut self, envelope: &Frame<'_>) {
        let note: read::Cancelled<'_> = payload(envelope);
        let on_envelope = envelope.job_id.as_ref().map(Text::as_str);
        let request = match (note.request_id.as_str(), note.job_id.as_str().or(on_envelope)) {
            (Some(id), _) => self.requests.by_envelope(id),
            (None, Some(job)) => self.requests.oldest(|request| {
                matches!(request.what, What::Cancel(_)) && request.job.as_deref().is_some_and(|of| of == job)
            }),
            (None, None) => None,
        };
        let Some(id) = request else { return };
        let Some(What::Cancel(handle)) = self.requests.get(id).map(|request| request.what) else { return };
        self.requests.remove(id);
        if let Some(track) = self.tracks.handles.get_mut(handle) {
            track.cancels.retain(|cancel| cancel.request != id);
        }
        self.emit(ClientEvent::Cancelled { request: id, handle, acknowledged: true }, 0);
    }

    /// `session.jobs`
    pub(super) fn jobs(&mut self, frame: &Bytes, envelope: &Frame<'_>) {
        let jobs: read::Jobs<'_> = payload(envelope);
        let is_list = |request: &Request| request.what == What::List;
        let request = match jobs.request_id.as_str() {
            Some(id) => self.requests.by_envelope(id).filter(|id| self.requests.get(*id).is_some_and(is_list)),
            None => self.requests.oldest(is_list),
        };
        let Some(request) = request else { return };
        self.requests.remove(request);
        let page = Box::new(jobs.page(frame));
        self.emit(ClientEvent::Jobs { request, page }, frame.len());
    }

    /// The handle whose submit or subscribe is answered.
    fn answered(&mut self, id: RequestId) -> Option<HandleId> {
        let (What::Submit(handle) | What::Subscribe(handle)) = self.requests.remove(id)?.what else { return None };
        self.tracks.handles.get_mut(handle)?.asked = None;
        Some(handle)
    }

    /// The job is known: what was to cancel it goes out.
    fn send_waiting_cancels(&mut self, handle: HandleId, job_id: &str) {
        let Some(track) = self.tracks.handles.get_mut(handle) else { return };
        let job: Arc<str> = Arc::from(job_id.to_string());
        for cancel in &mut track.cancels {
            let payload = write::cancel(job_id, cancel.reason.take().as_deref());
            self.requests.complete(cancel.request, job.clone(), payload);
        }
    }

    fn released(&self, handle: HandleId) -> bool {
        self.tracks.handles.get(handle).is_none_or(|track| track.released)
    }

    /// A handle through which the application follows a job.
    fn follower(&mut self, job_id: &str) -> Option<HandleId> {
        let key = self.tracks.find(job_id)?;
        let members = &self.tracks.jobs.get(key)?.members;
        members.iter().copied().find(|handle| !self.released(*handle))
    }
}
