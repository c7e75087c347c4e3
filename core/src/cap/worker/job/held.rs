//! Counts the bytes that a job of a worker holds.

use alloc::string::String;

use bytes::Bytes;

use super::{Asker, Job, Verdict};
use crate::cap::wire::codec::write::MapOrder;

impl Job {
    /// Returns the approximate number of bytes that the job holds.
    pub(in crate::cap::worker) fn bytes(&self) -> usize {
        let request = self.request.as_ref().map_or(0, |request| request.encode(MapOrder::Lexicographic).len());
        let blobs =
            self.input.as_ref().map_or(0, Bytes::len) + self.output.as_ref().map_or(0, |output| output.bytes.len());
        let askers: usize = self.askers.iter().map(asker).sum();
        let verdict = self.verdict.as_ref().map_or(0, verdict);
        size_of::<Job>() + request + blobs + askers + verdict + self.topic.len() + self.context_ptr.len()
    }
}

fn asker(asker: &Asker) -> usize {
    let dispatch = asker.dispatch.as_ref().map_or(0, |dispatch| dispatch.encode(MapOrder::Lexicographic).len());
    let identity = asker.identity.as_ref().map_or(0, |identity| identity.encode(MapOrder::Lexicographic).len());
    size_of::<Asker>() + asker.job_id.len() + asker.trace_id.len() + dispatch + identity
}

fn verdict(verdict: &Verdict) -> usize {
    let resources = verdict.resources.as_ref().map_or(0, |resources| {
        let refs = resources.result_ref.iter().chain(&resources.artifact_refs);
        let refs: usize = refs.map(|resource| resource.encode(MapOrder::Lexicographic).len()).sum();
        refs + resources.artifact_ptrs.iter().map(String::len).sum::<usize>()
    });
    verdict.result_ptr.len() + verdict.message.len() + resources
}
