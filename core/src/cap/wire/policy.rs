//! Rules, bundles and decisions of a policy service (2.17), which are exchanged over gRPC and not on the bus.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::codec::message::messages;
use super::codec::open_enum::open_enums;
use super::known::{Struct, Timestamp};
use super::safety::DecisionType;

open_enums! {
    /// What a rule looks at.
    RuleType {
        /// Not said.
        UNSPECIFIED = 0,
        /// The input.
        INPUT = 1,
        /// The output.
        OUTPUT = 2,
        /// How often something happens.
        VELOCITY = 3,
        /// What happens at the edge.
        EDGE = 4,
    }

    /// Where a rule stands.
    RuleStatus {
        /// Not said.
        UNSPECIFIED = 0,
        /// It is being written.
        DRAFT = 1,
        /// It is in force.
        PUBLISHED = 2,
        /// It is no longer used.
        DEPRECATED = 3,
    }

    /// What a decision is about.
    DecisionSource {
        /// Not said.
        UNSPECIFIED = 0,
        /// A job.
        JOB = 1,
        /// A tool at the edge.
        EDGE = 2,
    }

    /// What a rule applies to.
    RuleScopeKind {
        /// Not said.
        UNSPECIFIED = 0,
        /// Everything.
        GLOBAL = 1,
        /// A tenant.
        TENANT = 2,
        /// A workflow.
        WORKFLOW = 3,
        /// A fleet at the edge.
        EDGE_FLEET = 4,
        /// A user at the edge.
        EDGE_USER = 5,
    }

    /// How strictly an edge follows its rules.
    EdgeMode {
        /// Not said.
        UNSPECIFIED = 0,
        /// It reports.
        OBSERVE = 1,
        /// It enforces.
        ENFORCE = 2,
        /// It enforces, and denies what no rule allows.
        ENTERPRISE_STRICT = 3,
    }
}

messages! {
    /// What a rule applies to.
    RuleScope {
        /// The kind.
        kind: RuleScopeKind = 1,
        /// Which one of its kind.
        value: String = 2,
    }

    /// Who made and changed something, and when.
    AuditMetadata {
        /// When it was made.
        created_at: Option<Timestamp> = 1,
        /// Who made it.
        created_by: String = 2,
        /// When it was changed last.
        updated_at: Option<Timestamp> = 3,
        /// Who changed it last.
        updated_by: String = 4,
    }

    /// A rule of a policy.
    Rule {
        /// Its id.
        id: String = 1,
        /// Its name.
        name: String = 2,
        /// What it looks at.
        r#type: RuleType = 3,
        /// What it applies to.
        scope: Option<RuleScope> = 4,
        /// Where it stands.
        status: RuleStatus = 5,
        /// Its version.
        version: String = 6,
        /// Who made and changed it.
        audit: Option<AuditMetadata> = 7,
        /// When it applies.
        r#match: Option<Struct> = 8,
        /// What it decides.
        decide: Option<Struct> = 9,
        /// What it is for.
        description: String = 10,
    }

    /// One rule's part in a decision.
    TraceStep {
        /// The rule.
        rule_id: String = 1,
        /// Its bundle.
        bundle_id: String = 2,
        /// What it decided.
        decision_type: DecisionType = 3,
        /// Why, as a sentence for people.
        reason: String = 4,
        /// When.
        timestamp: Option<Timestamp> = 5,
        /// The constraints that it adds.
        constraints: Option<Struct> = 6,
    }

    /// A decision of the policy.
    Decision {
        /// What it is about.
        source: DecisionSource = 1,
        /// The rule that decided.
        rule_id: String = 2,
        /// Its bundle.
        bundle_id: String = 3,
        /// The version of the bundle.
        bundle_version: String = 4,
        /// The decision.
        r#type: DecisionType = 5,
        /// How it came about.
        trace: Vec<TraceStep> = 6,
        /// Where the input is.
        input_ref: String = 7,
        /// Where the output is.
        output_ref: String = 8,
        /// The digest for the audit.
        audit_hash: String = 9,
        /// When it was made.
        timestamp: Option<Timestamp> = 10,
    }

    /// Facts about a bundle.
    BundleMetadata {
        /// How strictly edges follow it.
        edge_mode: EdgeMode = 1,
    }

    /// A version of a bundle.
    BundleVersion {
        /// The version.
        version: String = 1,
        /// Its rules.
        rule_snapshot: Vec<Rule> = 2,
        /// When it came into force.
        deployed_at: Option<Timestamp> = 3,
        /// The digest for the audit.
        audit_hash: String = 4,
    }

    /// Rules that are published together.
    Bundle {
        /// Its id.
        id: String = 1,
        /// Its name.
        name: String = 2,
        /// Its rules.
        rule_ids: Vec<String> = 3,
        /// What it applies to.
        scope_binding: Option<RuleScope> = 4,
        /// Its versions.
        versions: Vec<BundleVersion> = 5,
        /// Facts about it.
        metadata: Option<BundleMetadata> = 6,
    }

    /// A job that the policy looks at.
    JobEvaluationContext {
        /// The tenant.
        tenant_id: String = 1,
        /// The id of the job.
        job_id: String = 2,
        /// The workflow.
        workflow_id: String = 3,
        /// The topic.
        topic: String = 4,
        /// The principal.
        principal_id: String = 5,
        /// Labels.
        labels: BTreeMap<String, String> = 6,
        /// The logical corpus.
        memory_id: String = 7,
        /// What the job needs.
        capability: String = 8,
        /// What makes the job risky.
        risk_tags: Vec<String> = 9,
        /// The input.
        input_content: Vec<u8> = 20,
        /// The media type of the input.
        input_content_type: String = 21,
        /// The size of the input in bytes.
        input_size_bytes: i64 = 22,
    }

    /// The use of a tool at the edge that the policy looks at.
    EdgeEvaluationContext {
        /// The tenant.
        tenant_id: String = 1,
        /// The principal.
        principal_id: String = 2,
        /// The session.
        session_id: String = 3,
        /// The execution.
        execution_id: String = 4,
        /// The product that the agent is.
        agent_product: String = 5,
        /// The tool.
        tool_name: String = 6,
        /// The input of the tool, redacted.
        tool_input_redacted: Option<Struct> = 7,
        /// The digest of the input.
        input_hash: String = 8,
        /// The digest of the input of the tool.
        tool_input_hash: String = 9,
        /// Labels.
        labels: BTreeMap<String, String> = 10,
        /// What makes it risky.
        risk_tags: Vec<String> = 11,
    }

    /// A question: what does the policy say?
    PolicyEvaluateRequest {
        /// A rule to try.
        rule: Option<Rule> = 1,
        /// A bundle to try.
        bundle_id: String = 2,
        /// What the rule applies to.
        scope: Option<RuleScope> = 3,
        /// The job to look at.
        job_context: Option<JobEvaluationContext> = 10,
        /// The use of a tool to look at.
        edge_context: Option<EdgeEvaluationContext> = 11,
    }

    /// The answer to a [`PolicyEvaluateRequest`].
    PolicyEvaluateResponse {
        /// The decision.
        decision: Option<Decision> = 1,
    }
}
