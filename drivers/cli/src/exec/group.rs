//! Process groups.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// A program and everything it has started, except processes that have joined another group.
///
/// A group that is dropped without [`release`](Group::release), because a task was aborted, is killed.
pub(crate) struct Group(Option<Pid>);

impl Group {
    /// The group of a child that was started as the leader of its own group.
    pub(crate) fn of(child: &Child) -> Group {
        Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    /// The id of the group, if the child had not ended already.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.0
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _empty = kill_process_group(group, signal);
        }
    }

    pub(crate) fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
