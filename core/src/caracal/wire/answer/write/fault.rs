//! Refusals as a coordinator writes them: [`Refusal`], with the status and the code of each generation (§1.1).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::Reply;
use crate::caracal::wire::request::read::body::{Issue, issue_list, zod_message};
use crate::caracal::wire::request::spawn::Generation;
use crate::json::Object;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    MissingToken,
    InvalidToken,
    IdentityRevoked,
    AuthorityRequired,
    MissingScope,
    ZoneMismatch,
    AdminRequired,
    UnknownRoute {
        method: String,
        path: String,
    },
    InvalidParams,
    InvalidQuery,
    InvalidCursor,
    /// The body is no JSON.
    MalformedBody,
    BodyTooLarge,
    InvalidBody(Vec<Issue>),
    SubjectRequired,
    SubjectNotFound,
    ApplicationOwnership,
    ParentOwnership,
    IssuerOwnership,
    ReceiverConsent,
    ResourceOwnership,
    ApplicationNotFound,
    ParentNotFound,
    SessionNotFound,
    ServiceNotFound,
    NotActive,
    NotSuspended,
    NotLive,
    NotService,
    Suspended,
    SubjectInactive,
    LeaseRequired,
    LeaseFenced,
    LeaseExpired,
    TaskParent,
    InheritedInactive,
    InheritedAmbiguous,
    ZoneLimit,
    ApplicationLimit,
    ChildrenLimit,
    DepthLimit,
    /// Ours: the zone has too many edges.
    EdgeLimit,
    KeyMultiple,
    KeyInvalid,
    KeyConflict {
        delegation: bool,
    },
    ResultInactive {
        delegation: bool,
    },
    ReceiptLimit,
    ExpiryRequired,
    SelfDelegation,
    EdgeExpired,
    InvalidConstraint(Option<&'static str>),
    EndpointNotFound,
    ApplicationMismatch,
    ResourceNotFound,
    ResourceMismatch,
    ScopesExceedResource,
    BroadPermission,
    ParentEdgeInactive,
    ParentEdgeAmbiguous,
    ExceedsParent,
    Cycle,
    EdgeNotFound,
}

/// The name of a session in the codes of a generation.
const fn noun(generation: Generation) -> &'static str {
    match generation {
        Generation::May => "agent",
        Generation::Head => "session",
    }
}

impl Refusal {
    fn status(&self) -> u16 {
        match self {
            Refusal::InvalidParams
            | Refusal::InvalidQuery
            | Refusal::InvalidCursor
            | Refusal::MalformedBody
            | Refusal::InvalidBody(_)
            | Refusal::SubjectRequired
            | Refusal::LeaseRequired
            | Refusal::KeyMultiple
            | Refusal::KeyInvalid
            | Refusal::ExpiryRequired
            | Refusal::SelfDelegation
            | Refusal::EdgeExpired
            | Refusal::InvalidConstraint(_)
            | Refusal::ResourceMismatch => 400,
            Refusal::MissingToken | Refusal::InvalidToken | Refusal::IdentityRevoked | Refusal::AuthorityRequired => {
                401
            }
            Refusal::MissingScope
            | Refusal::ZoneMismatch
            | Refusal::AdminRequired
            | Refusal::ApplicationOwnership
            | Refusal::ParentOwnership
            | Refusal::IssuerOwnership
            | Refusal::ReceiverConsent
            | Refusal::ResourceOwnership
            | Refusal::ScopesExceedResource
            | Refusal::BroadPermission
            | Refusal::ParentEdgeInactive
            | Refusal::ExceedsParent => 403,
            Refusal::UnknownRoute { .. }
            | Refusal::SubjectNotFound
            | Refusal::ApplicationNotFound
            | Refusal::ParentNotFound
            | Refusal::SessionNotFound
            | Refusal::ServiceNotFound
            | Refusal::EndpointNotFound
            | Refusal::ResourceNotFound
            | Refusal::EdgeNotFound => 404,
            Refusal::NotActive
            | Refusal::NotSuspended
            | Refusal::NotLive
            | Refusal::NotService
            | Refusal::Suspended
            | Refusal::SubjectInactive
            | Refusal::LeaseFenced
            | Refusal::LeaseExpired
            | Refusal::TaskParent
            | Refusal::InheritedInactive
            | Refusal::InheritedAmbiguous
            | Refusal::KeyConflict { .. }
            | Refusal::ResultInactive { .. }
            | Refusal::ApplicationMismatch
            | Refusal::ParentEdgeAmbiguous
            | Refusal::Cycle => 409,
            Refusal::BodyTooLarge => 413,
            Refusal::ZoneLimit
            | Refusal::ApplicationLimit
            | Refusal::ChildrenLimit
            | Refusal::DepthLimit
            | Refusal::EdgeLimit
            | Refusal::ReceiptLimit => 429,
        }
    }

    fn code(&self, generation: Generation) -> Cow<'static, str> {
        let of_session = |rest: &str| Cow::Owned(alloc::format!("{}_{rest}", noun(generation)));
        let is_may = generation == Generation::May;
        Cow::Borrowed(match self {
            Refusal::MissingToken => "missing_token",
            Refusal::IdentityRevoked if !is_may => "identity_revoked",
            Refusal::InvalidToken | Refusal::IdentityRevoked => "invalid_token",
            Refusal::AuthorityRequired => "authority_record_required",
            Refusal::MissingScope => "missing_scope",
            Refusal::ZoneMismatch => "zone_mismatch",
            Refusal::AdminRequired => "coordinator_admin_required",
            Refusal::UnknownRoute { .. } => "Not Found",
            Refusal::InvalidParams => "invalid_params",
            Refusal::InvalidQuery => "invalid_query",
            Refusal::InvalidCursor => "invalid_cursor",
            Refusal::MalformedBody if is_may => "Bad Request",
            Refusal::BodyTooLarge if is_may => "Payload Too Large",
            Refusal::InvalidBody(_) if is_may => "Internal Server Error",
            Refusal::BodyTooLarge => "body_too_large",
            Refusal::MalformedBody | Refusal::InvalidBody(_) => "invalid_body",
            Refusal::SubjectRequired if is_may => "session_sid_required",
            Refusal::SubjectRequired => "subject_session_id_required",
            Refusal::SubjectNotFound => "session_not_found",
            Refusal::ApplicationOwnership => "application_ownership_required",
            Refusal::ParentOwnership => "parent_ownership_required",
            Refusal::IssuerOwnership => "issuer_ownership_required",
            Refusal::ReceiverConsent => "receiver_consent_required",
            Refusal::ResourceOwnership => "resource_ownership_required",
            Refusal::ApplicationNotFound => "application_not_found",
            Refusal::ParentNotFound => "parent_not_found",
            Refusal::SessionNotFound => return of_session("not_found"),
            Refusal::ServiceNotFound => "agent_service_not_found",
            Refusal::NotActive => return of_session("not_found_or_not_active"),
            Refusal::NotSuspended => return of_session("not_found_or_not_suspended"),
            Refusal::NotLive => return of_session("not_live"),
            Refusal::NotService => "session_not_service",
            Refusal::Suspended => "session_suspended",
            Refusal::SubjectInactive => "session_subject_inactive",
            Refusal::LeaseRequired => "lease_generation_required",
            Refusal::LeaseFenced => "session_lease_fenced",
            Refusal::LeaseExpired => "session_lease_expired",
            Refusal::TaskParent => "task_session_cannot_start_service",
            Refusal::InheritedInactive => "inherit_parent_edge_not_active",
            Refusal::InheritedAmbiguous => "inherit_parent_edge_ambiguous",
            Refusal::ZoneLimit => return of_session("zone_limit_exceeded"),
            Refusal::ApplicationLimit => return of_session("limit_exceeded"),
            Refusal::ChildrenLimit => return of_session("children_limit_exceeded"),
            Refusal::DepthLimit => return of_session("depth_limit_exceeded"),
            Refusal::EdgeLimit => "delegation_zone_limit_exceeded",
            Refusal::KeyMultiple => "idempotency_key_multiple",
            Refusal::KeyInvalid => "idempotency_key_invalid",
            Refusal::KeyConflict { .. } => "idempotency_key_conflict",
            Refusal::ResultInactive { .. } => "idempotency_result_inactive",
            Refusal::ReceiptLimit => "idempotency_receipt_limit_exceeded",
            Refusal::ExpiryRequired => "delegation_expiry_required",
            Refusal::SelfDelegation => "self_delegation_denied",
            Refusal::EdgeExpired => "delegation_expired",
            Refusal::InvalidConstraint(None) => "invalid_delegation_constraint",
            Refusal::InvalidConstraint(Some(name)) => return Cow::Owned(alloc::format!("invalid_{name}")),
            Refusal::EndpointNotFound => "delegation_endpoint_not_found",
            Refusal::ApplicationMismatch => "delegation_application_mismatch",
            Refusal::ResourceNotFound => "resource_not_found",
            Refusal::ResourceMismatch => "delegation_resource_scope_mismatch",
            Refusal::ScopesExceedResource => "delegation_scopes_exceed_resource",
            Refusal::BroadPermission => "broad_delegation_permission_required",
            Refusal::ParentEdgeInactive => "parent_delegation_not_active",
            Refusal::ParentEdgeAmbiguous => "parent_delegation_ambiguous",
            Refusal::ExceedsParent => "delegation_exceeds_parent_authority",
            Refusal::Cycle => "delegation_cycle_denied",
            Refusal::EdgeNotFound => "delegation_not_found",
        })
    }

    /// Writes the answer. `request_id` names the request in the answers of the generation 1.0 that have an id.
    pub(crate) fn reply(&self, generation: Generation, request_id: &str) -> Reply {
        let code = self.code(generation);
        let error = |status: u16| Object::new().value("statusCode", status).text("error", &code);
        let described = |text: &str| {
            Object::new().text("error", &code).text("error_description", text).text("requestId", request_id)
        };
        let is_may = generation == Generation::May;
        if let Refusal::InvalidBody(issues) = self {
            if is_may {
                return Reply::json(500, error(500).text("message", &zod_message(issues)).close());
            }
            let details = Object::new().json("issues", &issue_list(issues)).close();
            return Reply::json(400, described("Request body failed validation").json("details", &details).close());
        }
        if let Refusal::UnknownRoute { method, path } = self {
            let message = alloc::format!("Route {method}:{path} not found");
            let body = Object::new().text("message", &message).text("error", &code).value("statusCode", 404);
            return Reply::json(404, body.close());
        }
        let status = self.status();
        if matches!(self, Refusal::MalformedBody | Refusal::BodyTooLarge) {
            let sentence =
                if *self == Refusal::MalformedBody { "the body is not JSON" } else { "the body is too large" };
            let object = if is_may { error(status).text("message", sentence) } else { described(sentence) };
            return Reply::json(status, object.close());
        }
        let object = Object::new().text("error", &code);
        let object = object.opt_text("detail", self.detail(generation)).opt_text("message", self.message());
        let has_id = matches!(self, Refusal::KeyMultiple | Refusal::KeyInvalid);
        Reply::json(status, object.opt_text("request_id", has_id.then_some(request_id)).close())
    }

    fn detail(&self, generation: Generation) -> Option<&'static str> {
        if *self != Refusal::SubjectNotFound {
            return None;
        }
        Some(match generation {
            Generation::May => "session_sid must be the authority record of the token or of the parent session",
            Generation::Head => "subject_session_id must be the authority record of the token or of the parent session",
        })
    }

    fn message(&self) -> Option<&'static str> {
        let sentences = [
            (Refusal::KeyMultiple, "the idempotency key must be sent once"),
            (Refusal::KeyInvalid, "an idempotency key has 1 to 255 bytes without white space at its ends"),
            (Refusal::KeyConflict { delegation: false }, "the idempotency key belongs to another spawn"),
            (Refusal::KeyConflict { delegation: true }, "the idempotency key belongs to another delegation"),
            (Refusal::ResultInactive { delegation: false }, "the session of this idempotency key has ended"),
            (Refusal::ResultInactive { delegation: true }, "the edge of this idempotency key is no longer active"),
        ];
        sentences.into_iter().find(|(refusal, _)| refusal == self).map(|(_, sentence)| sentence)
    }
}
