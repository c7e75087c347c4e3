//! The registered agents, and the slots in which their jobs run (§7.5).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::line::Line;
use crate::arcp::runtime::stats::{AgentCounts, AgentStats};
use crate::arcp::wire::agent::{AgentSpec, OnRestart};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::job::FinalStatus;

/// All agents by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Agents {
    known: BTreeMap<String, Agent>,
    /// Agents with a free slot and with jobs that wait for it.
    freed: VecDeque<Box<str>>,
    /// Whether the host lends the slots of agents whose number of jobs is limited.
    borrowing: bool,
}

#[derive(Clone, Debug)]
struct Agent {
    spec: AgentSpec,
    running: u32,
    waiting: Line<JobKey>,
    counts: AgentCounts,
}

/// Whether a job may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// It has a slot now.
    Taken,
    /// It waits until another job of its agent ends.
    Waiting,
    /// There is no such agent.
    NoAgent,
}

impl Agent {
    fn has_slot(&self) -> bool {
        self.spec.max_concurrent.is_none_or(|max| self.running < max)
    }
}

impl Agents {
    /// `borrowing` says whether the host lends the slots of agents whose number of jobs is limited.
    pub(super) fn new(borrowing: bool) -> Agents {
        Agents { borrowing, ..Agents::default() }
    }

    /// Registers an agent. One of the same name is replaced, and its jobs go on.
    pub(super) fn register(&mut self, spec: AgentSpec) {
        match self.known.get_mut(&spec.name) {
            Some(agent) => agent.spec = spec,
            None => {
                let counts = AgentCounts::default();
                let agent = Agent { running: 0, waiting: Line::default(), counts, spec };
                self.known.insert(agent.spec.name.clone(), agent);
            }
        }
    }

    pub(super) fn specs(&self) -> impl Iterator<Item = &AgentSpec> {
        self.known.values().map(|agent| &agent.spec)
    }

    /// Returns the version that a reference resolves to (§7.5), or `None` for an agent without versions.
    pub(super) fn resolve(&self, name: &str, pinned: Option<&str>) -> Result<Option<String>, Fault> {
        let agent = self
            .known
            .get(name)
            .ok_or_else(|| Fault::new(ErrorCode::AgentNotAvailable, alloc::format!("there is no agent {name:?}")))?;
        match pinned {
            None => Ok(agent.spec.resolved_default().map(Into::into)),
            Some(version) if agent.spec.versions.iter().any(|known| known == version) => Ok(Some(version.into())),
            Some(version) => Err(Fault::new(
                ErrorCode::AgentVersionNotAvailable,
                alloc::format!("the agent {name:?} has no version {version:?}"),
            )),
        }
    }

    /// Returns what becomes of a job that was accepted for this agent and version, or that the agent is no longer there.
    pub(super) fn still(&self, name: &str, version: Option<&str>) -> Result<OnRestart, Fault> {
        self.resolve(name, version)?;
        let spec = self.known.get(name).map(|agent| &agent.spec);
        // An agent without versions cannot be replaced by a version of it.
        match spec.filter(|spec| version.is_some() || spec.versions.is_empty()) {
            Some(spec) => Ok(spec.on_restart),
            None => Err(Fault::new(
                ErrorCode::AgentNotAvailable,
                alloc::format!("there is no agent {name:?} without versions any more"),
            )),
        }
    }

    /// Whether running jobs of an agent are run again after a restart.
    pub(super) fn reruns(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|agent| agent.spec.on_restart == OnRestart::Rerun)
    }

    /// Whether the jobs of an agent run in slots that the host lends.
    pub(super) fn borrows(&self, name: &str) -> bool {
        self.borrowing && self.known.get(name).is_some_and(|agent| agent.spec.max_concurrent.is_some())
    }

    /// Takes a slot for a job, or puts the job behind those that wait for one. A slot that the host lends is never free.
    pub(super) fn claim(&mut self, name: &str, job: JobKey) -> Slot {
        let borrows = self.borrows(name);
        let Some(agent) = self.known.get_mut(name) else { return Slot::NoAgent };
        if agent.has_slot() && !borrows {
            agent.running += 1;
            Slot::Taken
        } else {
            agent.waiting.push(job);
            Slot::Waiting
        }
    }

    /// Takes a slot that was lent for the job that has waited for one the longest.
    pub(super) fn borrow(&mut self, name: &str) -> Option<JobKey> {
        let agent = self.known.get_mut(name)?;
        let job = agent.waiting.pop()?;
        agent.running += 1;
        Some(job)
    }

    /// Notes that a running job of the agent has ended. Its slot is for the next one, unless the host lends it.
    pub(super) fn release(&mut self, name: &str) {
        let borrows = self.borrows(name);
        let Some(agent) = self.known.get_mut(name) else { return };
        agent.running = agent.running.saturating_sub(1);
        if !borrows && !agent.waiting.is_empty() {
            self.freed.push_back(name.into());
        }
    }

    /// Notes that a job that may have been waiting for a slot waits no longer.
    pub(super) fn leave(&mut self, name: &str, job: JobKey) {
        if let Some(agent) = self.known.get_mut(name) {
            agent.waiting.remove(job);
        }
    }

    /// Takes a freed slot for the job that has waited for it the longest.
    pub(super) fn next_to_run(&mut self) -> Option<JobKey> {
        while let Some(name) = self.freed.pop_front() {
            if let Some(agent) = self.known.get_mut(&*name).filter(|agent| agent.has_slot())
                && let Some(job) = agent.waiting.pop()
            {
                agent.running += 1;
                return Some(job);
            }
        }
        None
    }

    // Numbers for metrics. Only agents that are known have some, so that there are no more of them than agents.

    pub(super) fn stats(&self) -> impl Iterator<Item = AgentStats> {
        self.known.iter().map(|(name, agent)| AgentStats {
            name: name.clone(),
            jobs_waiting: agent.waiting.len(),
            jobs_running: agent.running as usize,
            counts: agent.counts,
        })
    }

    pub(super) fn count_accepted(&mut self, name: &str) {
        if let Some(agent) = self.known.get_mut(name) {
            agent.counts.jobs += 1;
        }
    }

    /// Counts a job that runs after it has waited.
    pub(super) fn count_run(&mut self, name: &str, waited: Duration) {
        if let Some(agent) = self.known.get_mut(name) {
            agent.counts.waits.observe(waited);
        }
    }

    /// Counts a job that has ended; `ran` says how long it has run, if it has.
    pub(super) fn count_ended(&mut self, name: &str, status: FinalStatus, ran: Option<Duration>) {
        if let Some(agent) = self.known.get_mut(name) {
            agent.counts.count_ended(status, ran);
        }
    }
}
