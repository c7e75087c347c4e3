//! Decides which records a store still needs.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Change, CoordinatorRecord, Receipt};
use crate::caracal::coordinator::ids::Uuid;
use crate::caracal::wire::ids::ZoneId;
use crate::time::Time;

impl CoordinatorRecord {
    /// Returns the numbers of the records that a restart still needs, in their order. A store may delete the others.
    ///
    /// `records` are all records of the store, in the order of their numbers. Two kinds of records are not needed:
    /// those of sessions and edges that were forgotten, unless a session below them is still shown or a receipt is
    /// still valid; and those of leases that were renewed later, without a suspension in between. The last record is
    /// always needed, because the numbers continue after it.
    pub fn needed(records: &[(u64, CoordinatorRecord)]) -> Vec<u64> {
        let log = Log::of(records);
        let last = records.last().map(|(number, _)| *number);
        let needed = records.iter().filter(|(number, record)| last == Some(*number) || log.needs(*number, record));
        needed.map(|(number, _)| *number).collect()
    }
}

/// What a log says about which of its records are needed.
struct Log<'a> {
    /// The sessions whose records are needed.
    sessions: BTreeSet<Uuid>,
    /// The edges whose records are needed.
    edges: BTreeSet<Uuid>,
    /// The renewals of leases that no later one makes superfluous.
    leases: BTreeSet<u64>,
    /// The last record of each zone that says what was forgotten, which has the number of changes of its edges.
    forgotten: BTreeMap<&'a ZoneId, u64>,
}

impl<'a> Log<'a> {
    fn of(records: &'a [(u64, CoordinatorRecord)]) -> Log<'a> {
        let now = records.iter().map(|(_, record)| record.at).max().unwrap_or(Time(0));
        let mut log = Log {
            sessions: BTreeSet::new(),
            edges: BTreeSet::new(),
            leases: BTreeSet::new(),
            forgotten: BTreeMap::new(),
        };
        // The generation and the number of the last renewal of each session since it was suspended.
        let mut renewed = BTreeMap::new();
        let mut gone = BTreeSet::new();
        for (number, record) in records {
            match &record.change {
                Change::Leased { session, generation, .. } => {
                    log.leases.insert(*number);
                    if let Some((same, before)) = renewed.insert(*session, (*generation, *number))
                        && same == *generation
                    {
                        log.leases.remove(&before);
                    }
                }
                // A suspension depends on the lease as it was then.
                Change::Suspended { sessions, .. } => {
                    for session in sessions {
                        renewed.remove(session);
                    }
                }
                Change::Forgotten { sessions, edges, .. } => {
                    gone.extend(sessions.iter().chain(edges).copied());
                    log.forgotten.insert(&record.zone, *number);
                }
                Change::Opened { .. }
                | Change::Resumed { .. }
                | Change::Delegated { .. }
                | Change::Ended { .. }
                | Change::Expired { .. } => {}
            }
        }
        let is_valid = |record: &CoordinatorRecord, receipt: Option<&Receipt>| {
            receipt.is_some_and(|receipt| record.deadline(receipt.expires_at) > now)
        };
        // A session is opened after the one above it, so that the way back meets it first.
        for (_, record) in records.iter().rev() {
            match &record.change {
                Change::Opened { session, inherited, receipt } => {
                    let is_held = !gone.contains(&session.id) || is_valid(record, receipt.as_deref());
                    if is_held || log.sessions.contains(&session.id) {
                        log.sessions.insert(session.id);
                        log.sessions.extend(session.parent);
                        // The record creates the edge again, so that what became of it is needed too.
                        log.edges.extend(inherited.iter().map(|edge| edge.id));
                    }
                }
                Change::Delegated { edge, receipt } => {
                    if !gone.contains(&edge.id) || is_valid(record, receipt.as_deref()) {
                        log.edges.insert(edge.id);
                        // An edge is created between sessions that are there.
                        log.sessions.extend([edge.source, edge.target]);
                    }
                }
                Change::Suspended { .. }
                | Change::Resumed { .. }
                | Change::Leased { .. }
                | Change::Ended { .. }
                | Change::Expired { .. }
                | Change::Forgotten { .. } => {}
            }
        }
        log
    }

    fn needs(&self, number: u64, record: &CoordinatorRecord) -> bool {
        let any = |sessions: &[Uuid]| sessions.iter().any(|id| self.sessions.contains(id));
        match &record.change {
            Change::Opened { session, .. } => any(&[session.id]),
            Change::Suspended { sessions, .. } | Change::Resumed { sessions, .. } => any(sessions),
            Change::Leased { session, .. } => any(&[*session]) && self.leases.contains(&number),
            Change::Delegated { edge, .. } => self.edges.contains(&edge.id),
            Change::Ended { sessions, edges, .. } => {
                sessions.iter().any(|ended| self.sessions.contains(&ended.id))
                    || edges.iter().any(|edge| self.edges.contains(edge))
            }
            Change::Expired { edges } => edges.iter().any(|edge| self.edges.contains(edge)),
            Change::Forgotten { sessions, edges, .. } => {
                self.forgotten.get(&record.zone) == Some(&number)
                    || any(sessions)
                    || edges.iter().any(|edge| self.edges.contains(edge))
            }
        }
    }
}
