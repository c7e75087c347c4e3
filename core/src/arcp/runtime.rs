//! Composes connections, sessions and jobs.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{
    AgentSpec, Body, Chunk, Config, ConnId, Credential, Delegate, Denied, Failure, Fault, JobId, JobResult, JobUlid, JobView,
    Output, Refused, RevocationId, Secret, Timer, Via,
};
use crate::lease::Operation;
use crate::time::Time;

/// The runtime's side of ARCP: all connections, sessions and jobs of one process.
#[derive(Clone, Debug)]
pub struct Runtime {
    config: Config,
}

#[allow(unused_variables, missing_docs, clippy::needless_pass_by_value)]
impl Runtime {
    pub fn new(config: Config, seed: [u8; 32], now: Time) -> Runtime { todo!() }
    /// Puts an agent on offer; a known name is replaced, its running jobs go on.
    pub fn register(&mut self, agent: AgentSpec) -> Result<(), Refused> { todo!() }

    // the wire
    pub fn handle_open(&mut self, now: Time, via: Via) -> ConnId { todo!() }
    pub fn handle_frame(&mut self, now: Time, conn: ConnId, frame: &[u8]) { todo!() }
    pub fn handle_sent(&mut self, now: Time, conn: ConnId, frames: usize) { todo!() }
    pub fn handle_close(&mut self, now: Time, conn: ConnId) { todo!() }
    pub fn reading(&self, conn: ConnId) -> bool { todo!() }
    pub fn handle_timeout(&mut self, now: Time) { todo!() }

    // the host
    pub fn admit(&mut self, now: Time, conn: ConnId, principal: &str) -> Result<(), Refused> { todo!() }
    /// `fault` is UNAUTHENTICATED for a bad token, INTERNAL_ERROR where the verifier could not tell.
    pub fn reject(&mut self, now: Time, conn: ConnId, fault: Fault) -> Result<(), Refused> { todo!() }
    pub fn start(&mut self, now: Time, job: JobId, credentials: Vec<Credential>) -> Result<(), Refused> { todo!() }
    pub fn decline(&mut self, now: Time, job: JobId, fault: Fault) -> Result<(), Refused> { todo!() }
    pub fn authorize(&mut self, now: Time, job: JobId, operation: &Operation) -> Result<(), Denied> { todo!() }
    pub fn emit(&mut self, now: Time, job: JobId, body: &Body) -> Result<(), Refused> { todo!() }
    /// One piece of the streamed result; at most `Config::writer_chunk_bytes` per call are taken: Ok(bytes taken).
    pub fn write_chunk(&mut self, now: Time, job: JobId, chunk: Chunk<'_>, last: bool) -> Result<usize, Refused> { todo!() }
    pub fn delegate(&mut self, now: Time, job: JobId, request: &Delegate<'_>) -> Result<JobId, Denied> { todo!() }
    pub fn rotate(&mut self, now: Time, job: JobId, credential: &str, value: Secret) -> Result<(), Refused> { todo!() }
    pub fn finish(&mut self, now: Time, job: JobId, result: JobResult<'_>) -> Result<(), Refused> { todo!() }
    pub fn fail(&mut self, now: Time, job: JobId, failure: Failure) -> Result<(), Refused> { todo!() }
    pub fn revoked(&mut self, now: Time, revocation: RevocationId) -> Result<(), Refused> { todo!() }
    pub fn revoke_failed(&mut self, now: Time, revocation: RevocationId) -> Result<(), Refused> { todo!() }
    /// Takes no new sessions and submits; Event::Drained once no job is left.
    pub fn shutdown(&mut self, now: Time) { todo!() }
    /// Ends every job with INTERNAL_ERROR and closes every connection (1001).
    pub fn abort(&mut self, now: Time) { todo!() }

    // out
    pub fn poll_output(&mut self) -> Option<Output> { todo!() }
    pub fn poll_timeout(&self) -> Option<(Time, Timer)> { todo!() }

    // looking
    pub fn job(&self, job: JobId) -> Option<JobView<'_>> { todo!() }
    pub fn find(&self, job: JobUlid) -> Option<JobId> { todo!() }
    pub fn config(&self) -> &Config { &self.config }
    pub fn bytes_held(&self) -> usize { todo!() }
}
