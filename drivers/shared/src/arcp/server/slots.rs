//! The slots of agents whose number of jobs is limited over all shards.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use nuncio_core::arcp::AgentSpec;

use crate::io::sync::lock;

/// Lends each slot to one shard at a time, to those first that have waited the longest.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<HashMap<String, Agent>>);

#[derive(Debug, Default)]
struct Agent {
    free: u32,
    /// The shards that wait for a slot, once for each of their jobs.
    waiting: VecDeque<u32>,
}

impl Slots {
    pub(super) fn of(agents: &[AgentSpec]) -> Slots {
        let limited = agents.iter().filter_map(|agent| {
            let free = agent.max_concurrent?;
            Some((agent.name.clone(), Agent { free, waiting: VecDeque::new() }))
        });
        Slots(Mutex::new(limited.collect()))
    }

    /// Takes a free slot for a shard. If there is none, the shard waits, and the answer is false.
    pub(super) fn take(&self, agent: &str, shard: u32) -> bool {
        let mut agents = lock(&self.0);
        let Some(agent) = agents.get_mut(agent) else { return false };
        if agent.free > 0 {
            agent.free -= 1;
            return true;
        }
        agent.waiting.push_back(shard);
        false
    }

    /// Takes a slot back. Returns the shard to which it is lent next.
    pub(super) fn give_back(&self, agent: &str) -> Option<u32> {
        let mut agents = lock(&self.0);
        let agent = agents.get_mut(agent)?;
        let next = agent.waiting.pop_front();
        if next.is_none() {
            agent.free += 1;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_go_to_those_that_have_waited_the_longest() {
        let spec = AgentSpec { max_concurrent: Some(2), ..AgentSpec::new("narrow") };
        let slots = Slots::of(&[spec, AgentSpec::new("wide")]);
        assert!(slots.take("narrow", 0) && slots.take("narrow", 1), "both are free");
        assert!(!slots.take("narrow", 1) && !slots.take("narrow", 0) && !slots.take("narrow", 1));
        let next: Vec<_> = (0..5).map(|_| slots.give_back("narrow")).collect();
        assert_eq!(next, [Some(1), Some(0), Some(1), None, None]);
        assert!(slots.take("narrow", 0) && slots.take("narrow", 0) && !slots.take("narrow", 0), "two are free again");
        assert!(!slots.take("wide", 0) && slots.give_back("wide").is_none(), "it has no limit");
    }
}
