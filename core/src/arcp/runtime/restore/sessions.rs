//! Sessions of a journal, and the jobs they are shown.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Restoring;
use crate::arcp::runtime::host::SessionKey;
use crate::arcp::runtime::job::{Deadlines, History, Job, JobState};
use crate::arcp::runtime::log::Log;
use crate::arcp::runtime::record::{First, JobAccepted, SessionOpened, Watching};
use crate::arcp::runtime::repeat::Record as IdempotencyRecord;
use crate::arcp::runtime::session::{Cursor, Role, Session, SessionState};
use crate::arcp::wire::envelope;
use crate::arcp::wire::ids::SessionId;
use crate::budget::Budget;
use crate::time::Time;

impl Restoring {
    pub(super) fn opened(&mut self, opened: SessionOpened) -> Option<()> {
        self.latest = self.latest.max(opened.at);
        let runtime = &mut self.runtime;
        let full = runtime.sessions.len() >= runtime.config.limits.sessions;
        if full || runtime.session_ids.contains_key(&opened.session) {
            return None;
        }
        let principal = match runtime.principals.get_key_value(&opened.principal) {
            Some((known, _)) => Arc::clone(known),
            None => opened.principal,
        };
        *runtime.principals.entry(Arc::clone(&principal)).or_default() += 1;
        let key = runtime.sessions.insert(Session {
            id: opened.session,
            principal,
            state: SessionState::Detached,
            features: opened.features,
            python: opened.python,
            stdio: opened.stdio,
            conn: None,
            epoch: 0,
            hello: 0,
            newest: opened.token,
            proved: None,
            log: Log::new(),
            recorded_ack: None,
            fetching: false,
            watches: BTreeMap::new(),
            replaying: BTreeSet::new(),
            blocked: BTreeSet::new(),
            jobs: 0,
            unanswered: 0,
            submits: VecDeque::new(),
            head: envelope::head(&opened.session, None, None).into(),
            lapses: None,
            goodbye: false,
        });
        runtime.session_ids.insert(opened.session, key);
        runtime.tokens.insert(opened.token, key);
        Some(())
    }

    pub(super) fn set_tokens(&mut self, key: SessionKey, newest: [u8; 32], proved: Option<[u8; 32]>) -> Option<()> {
        let session = self.runtime.sessions.get_mut(key)?;
        let before = [Some(session.newest), session.proved];
        session.newest = newest;
        session.proved = proved;
        for token in before.into_iter().flatten() {
            self.runtime.tokens.remove(&token);
        }
        for token in proved.into_iter().chain([newest]) {
            self.runtime.tokens.insert(token, key);
        }
        Some(())
    }

    pub(super) fn closed(&mut self, session: SessionId) -> Option<()> {
        let key = self.session(session)?;
        self.runtime.lapse(key);
        Some(())
    }

    pub(super) fn accepted(&mut self, record: JobAccepted) -> Option<()> {
        let accepted = record.accepted;
        self.last_id = self.last_id.max(accepted.id.0);
        self.latest = self.latest.max(accepted.accepted_at).max(accepted.created_at);
        if self.runtime.job_ids.contains_key(&accepted.id) || self.runtime.live_jobs >= self.runtime.config.limits.jobs
        {
            return None;
        }
        let parent = accepted.parent.and_then(|parent| self.job(parent));
        let runtime = &mut self.runtime;
        let granted = accepted.lease.budget().cloned();
        if let (Some(amounts), Some(parent)) = (&granted, parent) {
            // What was granted once is granted; only what is shown as remaining depends on it.
            let _ = runtime.set_aside(parent, amounts);
        }
        let depth = parent.and_then(|id| runtime.jobs.get(id)).map_or(0, |parent| parent.depth.saturating_add(1));
        let key = record.key.map(|(key, asked)| ((Arc::clone(&accepted.principal), key), asked));
        if key.is_some() {
            runtime.make_record_room();
        }
        let id = runtime.jobs.insert(Job {
            state: JobState::Pending,
            // Its session comes with `Watching`, or never knew of it.
            owner: None,
            features: record.features,
            small_chunks: record.small_chunks,
            input: None,
            extensions: None,
            max_runtime_secs: None,
            budget: granted.clone().map(Budget::new),
            granted,
            parent,
            children: Vec::new(),
            delegate_ids: BTreeSet::new(),
            depth,
            delegated_at: 0,
            credentials: Vec::new(),
            last_seq: 0,
            history: History::default(),
            watchers: Vec::new(),
            stream: None,
            gathered: None,
            tail: None,
            waiters: Vec::new(),
            key: key.as_ref().map(|(key, _)| key.clone()),
            expired: false,
            blocked: false,
            deadlines: Deadlines::default(),
            terminal: None,
            accepted: Arc::clone(&accepted),
        });
        if let Some((key, digest)) = key {
            let (ulid, at) = (accepted.id, accepted.created_at);
            let accepted = Some(Arc::clone(&accepted));
            // A key that was used again replaces what was known of it.
            if let Some(old) = runtime.records.get(&key).map(|record| record.ulid) {
                runtime.forget_record(old);
            }
            runtime.record_order.insert(ulid, key.clone());
            runtime.records.insert(key, IdempotencyRecord { digest, job: id, ulid, at, accepted, terminal: None });
        }
        runtime.job_ids.insert(accepted.id, id);
        runtime.live_jobs += 1;
        if let Some(parent) = parent.and_then(|id| runtime.jobs.get_mut(id)) {
            parent.children.push(id);
        }
        Some(())
    }

    pub(super) fn watching(&mut self, record: Watching) -> Option<()> {
        let (key, id) = (self.session(record.session)?, self.job(record.job)?);
        let runtime = &mut self.runtime;
        if let Some(announced) = record.announced {
            self.last_id = self.last_id.max(announced.0);
        }
        if let Some(request_id) = &record.request_id {
            runtime.remember(key, request_id, id);
        }
        let Some(role) = record.role else { return Some(()) };
        let live = runtime.jobs.get(id)?.state.is_live();
        if !live && record.from.is_none() {
            return Some(());
        }
        if !runtime.sessions.get(key)?.watches.contains_key(&id) {
            let watches = runtime.sessions.get(key)?.watches.len();
            if watches >= runtime.config.limits.subscriptions.saturating_add(runtime.config.limits.jobs_per_session) {
                return None;
            }
            runtime.watch(key, id, role);
        }
        if live && role == Role::Owner && runtime.jobs.get(id)?.owner.is_none() {
            runtime.jobs.get_mut(id)?.owner = Some(key);
            runtime.sessions.get_mut(key)?.jobs += 1;
        }
        let first = record.announced.map(|id| First { id, request_id: record.request_id });
        let announcement = first.and_then(|first| runtime.announcement(&first, record.job));
        let session = runtime.sessions.get_mut(key)?;
        let watch = session.watches.get_mut(&id)?;
        let other = role == Role::Owner && runtime.jobs.get(id)?.owner != Some(key);
        watch.role = if other { Role::Attached } else { role };
        if announcement.is_some() {
            watch.announcement = announcement;
        }
        if let Some(at) = record.from {
            watch.cursor = Some(Cursor { at, not_before: Time(0), after: 0, asked: false });
            session.replaying.insert(id);
        }
        Some(())
    }
}
