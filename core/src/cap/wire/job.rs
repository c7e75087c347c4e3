//! Jobs: requests, results, progress and cancellation.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::codec::map::PrivateMap;
use super::codec::message::messages;
use super::codec::open_enum::open_enums;
use super::common::{DispatchIdentity, IdentityBinding, ResourceRef};

open_enums! {
    /// How urgent a job is.
    JobPriority {
        /// Not said.
        UNSPECIFIED = 0,
        /// Somebody waits for it.
        INTERACTIVE = 1,
        /// Nobody waits for it.
        BATCH = 2,
        /// Before all others.
        CRITICAL = 3,
    }

    /// Where a job stands (spec/07).
    JobStatus {
        /// Not said.
        UNSPECIFIED = 0,
        /// Submitted.
        PENDING = 1,
        /// Accepted by the scheduler.
        SCHEDULED = 2,
        /// Sent to a worker.
        DISPATCHED = 3,
        /// A worker runs it.
        RUNNING = 4,
        /// It has succeeded.
        SUCCEEDED = 5,
        /// It has failed.
        FAILED = 6,
        /// It was cancelled.
        CANCELLED = 7,
        /// The policy does not allow it.
        DENIED = 8,
        /// It took too long.
        TIMEOUT = 9,
        /// It has failed, and another attempt may succeed.
        FAILED_RETRYABLE = 10,
        /// It has failed, and every further attempt will.
        FAILED_FATAL = 11,
    }

    /// What kind of actor a job is for.
    ActorType {
        /// Not said.
        UNSPECIFIED = 0,
        /// A person.
        HUMAN = 1,
        /// A program.
        SERVICE = 2,
    }

    /// Why something failed. Numbers from 1000 to 9999 belong to applications.
    ErrorCode {
        /// Not said.
        UNSPECIFIED = 0,
        /// The protocol version is not supported.
        PROTOCOL_VERSION_MISMATCH = 100,
        /// A packet cannot be decoded.
        PROTOCOL_MALFORMED_PACKET = 101,
        /// A packet has no payload that is known.
        PROTOCOL_UNKNOWN_PAYLOAD = 102,
        /// A signature does not verify.
        PROTOCOL_SIGNATURE_INVALID = 103,
        /// A signature is missing.
        PROTOCOL_SIGNATURE_MISSING = 104,
        /// The job took too long.
        JOB_TIMEOUT = 200,
        /// The job used up what it may use.
        JOB_RESOURCE_EXHAUSTED = 201,
        /// The job may not do what it tried.
        JOB_PERMISSION_DENIED = 202,
        /// The job's input is invalid.
        JOB_INVALID_INPUT = 203,
        /// There is no such job, or its input is gone.
        JOB_NOT_FOUND = 204,
        /// There is another job with the same idempotency key.
        JOB_DUPLICATE = 205,
        /// There is no worker for the job.
        JOB_WORKER_UNAVAILABLE = 206,
        /// The policy denies the job.
        SAFETY_DENIED = 300,
        /// The job violates the policy.
        SAFETY_POLICY_VIOLATION = 301,
        /// A risk tag of the job is blocked.
        SAFETY_RISK_TAG_BLOCKED = 302,
        /// Publishing has failed.
        TRANSPORT_PUBLISH_FAILED = 400,
        /// Subscribing has failed.
        TRANSPORT_SUBSCRIBE_FAILED = 401,
        /// The connection was lost.
        TRANSPORT_CONNECTION_LOST = 402,
    }
}

messages! {
    /// How a worker may use the context of a job.
    ContextHints {
        /// The most tokens of the input.
        max_input_tokens: i32 = 1,
        /// Whether the context may be summarised.
        allow_summarization: bool = 2,
        /// Whether more context may be retrieved.
        allow_retrieval: bool = 3,
        /// Tags for the choice of context.
        tags: Vec<String> = 4,
    }

    /// What a job may use.
    Budget {
        /// The most tokens of its input.
        max_input_tokens: i64 = 1,
        /// The most tokens of its output.
        max_output_tokens: i64 = 2,
        /// The most tokens in total.
        max_total_tokens: i64 = 3,
        /// The time it may take, in milliseconds; 0 for no limit.
        deadline_ms: i64 = 4,
    }

    /// Facts about a job for policy and bookkeeping.
    JobMetadata {
        /// The tenant.
        tenant_id: String = 1,
        /// The actor.
        actor_id: String = 2,
        /// The kind of actor.
        actor_type: ActorType = 3,
        /// Requests with the same key are the same job.
        idempotency_key: String = 4,
        /// What the job needs.
        capability: String = 5,
        /// What makes the job risky.
        risk_tags: Vec<String> = 6,
        /// What a worker must have.
        requires: Vec<String> = 7,
        /// The pack that the job belongs to.
        pack_id: String = 8,
        /// Labels.
        labels: BTreeMap<String, String> = 9,
    }

    /// The job that undoes a job. Fields that are absent are taken from that job.
    Compensation {
        /// The topic.
        topic: String = 1,
        /// The pointer to the input.
        context_ptr: String = 2,
        /// The priority.
        priority: JobPriority = 3,
        /// The adapter.
        adapter_id: String = 4,
        /// The environment.
        env: PrivateMap = 5,
        /// The logical corpus.
        memory_id: String = 6,
        /// How the context may be used.
        context_hints: Option<ContextHints> = 7,
        /// What it may use.
        budget: Option<Budget> = 8,
        /// The tenant.
        tenant_id: String = 9,
        /// The principal.
        principal_id: String = 10,
        /// Labels.
        labels: BTreeMap<String, String> = 11,
        /// Facts for policy and bookkeeping.
        meta: Option<JobMetadata> = 12,
        /// Who it is for (2.17).
        identity: Option<IdentityBinding> = 13,
        /// Its dispatch (2.17).
        dispatch: Option<DispatchIdentity> = 14,
        /// Where the input is (2.17).
        context_ref: Option<ResourceRef> = 15,
    }

    /// A request to run a job.
    JobRequest {
        /// The id of the job, which its submitter chooses.
        job_id: String = 1,
        /// The topic that workers of this kind of job listen on.
        topic: String = 2,
        /// The priority.
        priority: JobPriority = 3,
        /// The pointer to the input, such as `redis://ctx:JOB`.
        context_ptr: String = 4,
        /// The adapter.
        adapter_id: String = 5,
        /// The environment.
        env: PrivateMap = 6,
        /// The job that asked for this one.
        parent_job_id: String = 7,
        /// The workflow that the job belongs to.
        workflow_id: String = 8,
        /// The step of the workflow.
        step_index: i32 = 9,
        /// The logical corpus, such as `repo:owner/name`.
        memory_id: String = 10,
        /// How the context may be used.
        context_hints: Option<ContextHints> = 11,
        /// What the job may use.
        budget: Option<Budget> = 12,
        /// The tenant.
        tenant_id: String = 13,
        /// The principal.
        principal_id: String = 14,
        /// Labels.
        labels: BTreeMap<String, String> = 15,
        /// Facts for policy and bookkeeping.
        meta: Option<JobMetadata> = 16,
        /// The job that undoes this one.
        compensation: Option<Box<Compensation>> = 17,
        /// Who the job is for (2.17).
        identity: Option<IdentityBinding> = 18,
        /// Its dispatch (2.17).
        dispatch: Option<DispatchIdentity> = 19,
        /// Where the input is (2.17).
        context_ref: Option<ResourceRef> = 20,
    }

    /// How a job has ended.
    JobResult {
        /// The id of the job.
        job_id: String = 1,
        /// Its last status.
        status: JobStatus = 2,
        /// The pointer to the output, such as `redis://res:JOB`.
        result_ptr: String = 3,
        /// The worker.
        worker_id: String = 4,
        /// How long it took, in milliseconds.
        execution_ms: i64 = 5,
        /// The name of the error.
        error_code: String = 6,
        /// The error as a sentence for people.
        error_message: String = 7,
        /// Pointers to artifacts.
        artifact_ptrs: Vec<String> = 8,
        /// The code of the error.
        error_code_enum: ErrorCode = 9,
        /// The dispatch that has ended (2.17).
        dispatch: Option<DispatchIdentity> = 10,
        /// Who the job is for (2.17).
        identity: Option<IdentityBinding> = 11,
        /// Where the output is (2.17).
        result_ref: Option<ResourceRef> = 12,
        /// Where the artifacts are (2.17).
        artifact_refs: Vec<ResourceRef> = 13,
    }

    /// How far a job is.
    JobProgress {
        /// The id of the job.
        job_id: String = 1,
        /// The step of the job.
        step_id: String = 2,
        /// How much of it is done, 0 to 100.
        percent: i32 = 3,
        /// A sentence for people.
        message: String = 4,
        /// The pointer to an output so far.
        result_ptr: String = 5,
        /// Pointers to artifacts.
        artifact_ptrs: Vec<String> = 6,
        /// Where the job stands.
        status: JobStatus = 7,
        /// The dispatch that runs (2.17).
        dispatch: Option<DispatchIdentity> = 8,
        /// Who the job is for (2.17).
        identity: Option<IdentityBinding> = 9,
        /// Where the output so far is (2.17).
        result_ref: Option<ResourceRef> = 10,
        /// Where the artifacts are (2.17).
        artifact_refs: Vec<ResourceRef> = 11,
    }

    /// A request to stop a job.
    JobCancel {
        /// The id of the job.
        job_id: String = 1,
        /// The reason, as a sentence for people.
        reason: String = 2,
        /// Who asks for it.
        requested_by: String = 3,
        /// The dispatch that is to stop (2.17).
        dispatch: Option<DispatchIdentity> = 4,
        /// Who the job is for (2.17).
        identity: Option<IdentityBinding> = 5,
    }
}
