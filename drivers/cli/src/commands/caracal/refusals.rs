//! What the codes of a coordinator's refusals mean, and what to do about them.

/// Says what a refusal with this status and code means for the commands, and what to do.
pub(super) fn advice_on(status: u16, code: Option<&str>) -> Option<&'static str> {
    match (status, code) {
        // A coordinator says what it does not know.
        (404, None) => Some("check the URL of --coordinator or CARACAL_COORDINATOR_URL, whose path may be wrong"),
        (_, code) => code.and_then(advice),
    }
}

fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "delegation_endpoint_not_found" => {
            "one of the two sessions is not known or has ended: `nuncio caracal list` shows those that have not"
        }
        "delegation_not_found" => {
            "the edge is not known, or was revoked before: `nuncio caracal list --edges --all` shows those that it keeps"
        }
        "parent_not_found" => {
            "the session of --parent is not known or has ended: `nuncio caracal list` shows those that have not"
        }
        "self_delegation_denied" => "FROM and TO are the same session: give two different ones",
        "receiver_consent_required" => {
            "TO belongs to another application, and the token does not allow that: ask for the scope with --token-scope \
             coordinator.delegate_to:APP, which the coordinator must grant, as with its option --grant"
        }
        "delegation_application_mismatch" => {
            "FROM has to be a session of --application, and TO one of --to-application, or of the same application without that \
             option: `nuncio caracal list` shows the application of each"
        }
        "issuer_ownership_required" => {
            "FROM belongs to another application: delegate from a session of --application, or give that application and its secret"
        }
        "parent_ownership_required" => {
            "the session of --parent belongs to another application: name one of --application, or give that application and its \
             secret"
        }
        "application_ownership_required" => {
            "it belongs to another application: give that application with --application, and its secret"
        }
        "delegation_cycle_denied" => {
            "edges already lead from TO to FROM: revoke one of them, or delegate to another session"
        }
        "delegation_exceeds_parent_authority" | "delegation_scopes_exceed_resource" => {
            "the edge would pass on more than FROM may: give fewer of --scope and --resource, or a shorter --ttl"
        }
        "parent_delegation_not_active" => {
            "the edge of --parent-edge is not known or not active: `nuncio caracal list --edges` shows those that are"
        }
        "parent_delegation_ambiguous" => "several edges lead to FROM: name the one to follow with --parent-edge",
        "resource_not_found" => "the coordinator does not know the resource: check --resource",
        "broad_delegation_permission_required" => "an edge without limits is not allowed: give --resource",
        _ if code.ends_with("_limit_exceeded") => {
            "the coordinator keeps no more of them: end sessions with `nuncio caracal terminate`, or revoke edges"
        }
        _ => return None,
    })
}
