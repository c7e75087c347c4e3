//! Questions to the safety kernel (spec/06), which are asked over gRPC and not on the bus.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::codec::message::messages;
use super::codec::open_enum::open_enums;
use super::common::{IdentityBinding, ResourceRef};
use super::job::{Budget, JobMetadata, JobPriority};

open_enums! {
    /// What the policy says about a job.
    DecisionType {
        /// Not said.
        UNSPECIFIED = 0,
        /// The job may run.
        ALLOW = 1,
        /// The job may not run.
        DENY = 2,
        /// A person decides.
        REQUIRE_HUMAN = 3,
        /// The job may run later.
        THROTTLE = 4,
        /// The job may run within constraints.
        ALLOW_WITH_CONSTRAINTS = 5,
        /// The job is put aside (2.17).
        QUARANTINE = 6,
        /// The job may run with redacted content (2.17).
        REDACT = 7,
    }
}

messages! {
    /// A question: may this job run?
    PolicyCheckRequest {
        /// The id of the job.
        job_id: String = 1,
        /// The topic.
        topic: String = 2,
        /// The tenant.
        tenant: String = 3,
        /// The priority.
        priority: JobPriority = 4,
        /// What it may cost.
        estimated_cost: f64 = 5,
        /// What the job may use.
        budget: Option<Budget> = 6,
        /// The principal.
        principal_id: String = 7,
        /// Labels.
        labels: BTreeMap<String, String> = 8,
        /// The logical corpus.
        memory_id: String = 9,
        /// The configuration that is in force.
        effective_config: Vec<u8> = 10,
        /// Facts for policy and bookkeeping.
        meta: Option<JobMetadata> = 11,
        /// Who the job is for (2.17).
        identity: Option<IdentityBinding> = 12,
        /// Where the input is (2.17).
        input_ref: Option<ResourceRef> = 13,
        /// The input.
        input_content: Vec<u8> = 20,
        /// The media type of the input.
        input_content_type: String = 21,
        /// The size of the input in bytes.
        input_size_bytes: i64 = 22,
    }

    /// Bounds on what a job uses.
    BudgetConstraints {
        /// The most milliseconds that it may run.
        max_runtime_ms: i64 = 1,
        /// The most retries.
        max_retries: i32 = 2,
        /// The most bytes of its artifacts.
        max_artifact_bytes: i64 = 3,
        /// The most jobs at the same time.
        max_concurrent_jobs: i32 = 4,
    }

    /// The sandbox that a job runs in.
    SandboxProfile {
        /// Whether it is isolated.
        isolated: bool = 1,
        /// The hosts that it may reach.
        network_allowlist: Vec<String> = 2,
        /// The paths that it may read.
        fs_read_only: Vec<String> = 3,
        /// The paths that it may write.
        fs_read_write: Vec<String> = 4,
    }

    /// The tools that a job may use.
    ToolchainConstraints {
        /// Names of tools.
        allowed_tools: Vec<String> = 1,
        /// Names of commands.
        allowed_commands: Vec<String> = 2,
    }

    /// Bounds on the changes that a job may make.
    DiffConstraints {
        /// The most files.
        max_files: i32 = 1,
        /// The most lines.
        max_lines: i32 = 2,
        /// Patterns of paths that it may not touch.
        deny_path_globs: Vec<String> = 3,
    }

    /// The constraints of a job that is allowed.
    PolicyConstraints {
        /// What it may use.
        budgets: Option<BudgetConstraints> = 1,
        /// Where it runs.
        sandbox: Option<SandboxProfile> = 2,
        /// Which tools it may use.
        toolchain: Option<ToolchainConstraints> = 3,
        /// What it may change.
        diff: Option<DiffConstraints> = 4,
        /// How much is redacted.
        redaction_level: String = 5,
    }

    /// What would make a job acceptable.
    PolicyRemediation {
        /// The id of the remediation.
        id: String = 1,
        /// Its title.
        title: String = 2,
        /// What it does.
        summary: String = 3,
        /// The topic to use instead.
        replacement_topic: String = 4,
        /// The capability to use instead.
        replacement_capability: String = 5,
        /// Labels to add.
        add_labels: BTreeMap<String, String> = 6,
        /// Labels to remove.
        remove_labels: Vec<String> = 7,
    }

    /// The answer to a [`PolicyCheckRequest`].
    PolicyCheckResponse {
        /// The decision.
        decision: DecisionType = 1,
        /// Why, as a sentence for people.
        reason: String = 2,
        /// The pointer to the redacted input, which is used in place of the input.
        redacted_context_ptr: String = 3,
        /// The snapshot of the policy that was asked.
        policy_snapshot: String = 4,
        /// The rule that decided.
        rule_id: String = 5,
        /// The constraints of an allowed job.
        constraints: Option<PolicyConstraints> = 6,
        /// Whether a person has to approve.
        approval_required: bool = 7,
        /// The approval that is awaited.
        approval_ref: String = 8,
        /// What would make the job acceptable.
        remediations: Vec<PolicyRemediation> = 9,
        /// Where the redacted input is (2.17).
        redacted_context_ref: Option<ResourceRef> = 10,
        /// Who the job is for (2.17).
        identity: Option<IdentityBinding> = 11,
    }

    /// Asks for the list of snapshots of the policy.
    ListSnapshotsRequest {}

    /// The answer to a [`ListSnapshotsRequest`].
    ListSnapshotsResponse {
        /// The names of the snapshots.
        snapshots: Vec<String> = 1,
    }
}
