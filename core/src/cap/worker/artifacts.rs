//! Artifacts that handlers name, and outputs in the structured form of 2.17.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Worker;
use super::job::{Resources, Verdict};
use super::output::{JobOutput, WorkerJob, WorkerRefused};
use crate::cap::wire::common::ResourceRef;
use crate::cap::wire::known::Timestamp;
use crate::digest::sha256;

/// The length of a SHA-256 digest in bytes.
const DIGEST: usize = 32;

impl Worker {
    /// Checks that few enough artifacts are named, by pointers that are short enough.
    pub(super) fn check_artifacts(&self, ptrs: &[String], refs: &[ResourceRef]) -> Result<(), WorkerRefused> {
        let limits = &self.config.limits;
        if ptrs.len().saturating_add(refs.len()) > limits.artifacts {
            return Err(WorkerRefused::Limit { limit: "artifacts", max: limits.artifacts });
        }
        let is_long = |text: &String| text.len() > limits.pointer_bytes;
        let is_large = |resource: &ResourceRef| {
            let texts = [&resource.resolver_id, &resource.uri, &resource.media_type, &resource.purpose];
            texts.into_iter().any(is_long) || resource.sha256.len() > DIGEST
        };
        if ptrs.iter().any(is_long) || refs.iter().any(is_large) {
            return Err(WorkerRefused::Limit { limit: "pointer_bytes", max: limits.pointer_bytes });
        }
        Ok(())
    }

    /// Decides that a job whose output is stored has succeeded.
    pub(super) fn succeed(&mut self, key: WorkerJob) {
        let pointer = self.pointer(key).map_or_else(String::new, |pointer| alloc::format!("{pointer}"));
        let output = self.jobs.get(key).and_then(|job| job.output().cloned()).unwrap_or_default();
        let result_ref = self.reference(&pointer, &output.bytes);
        let JobOutput { artifact_ptrs, artifact_refs, .. } = output;
        let resources = Resources { result_ref, artifact_ptrs, artifact_refs };
        let resources = (resources != Resources::default()).then(|| Box::new(resources));
        self.settle(key, Verdict { resources, ..Verdict::succeeded(pointer) });
    }

    /// Returns the structured form of the pointer to an output, if results have one. An output without bytes has none,
    /// because receivers refuse a size of 0.
    fn reference(&self, pointer: &str, output: &Bytes) -> Option<ResourceRef> {
        let terms = self.config.result_ref.as_ref().filter(|_| !output.is_empty())?;
        Some(ResourceRef {
            resolver_id: terms.resolver_id.clone(),
            uri: pointer.into(),
            sha256: Vec::from(sha256(output)),
            media_type: terms.media_type.clone(),
            size_bytes: output.len() as u64,
            expires_at: Some(Timestamp::from_time(self.clock.wall().plus(self.config.result_ttl))),
            purpose: terms.purpose.clone(),
            ..ResourceRef::default()
        })
    }
}
