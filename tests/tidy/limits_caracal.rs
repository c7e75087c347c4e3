//! Every limit and deadline of the machines of Caracal has a test that reaches it.

use super::limits::{check, fields};

/// Fields that are not limits.
const NO_LIMITS: [&str; 4] = ["zone", "zones", "generation", "enforcement"];

const CARACAL_CLIENT: [(&str, &str); 10] = [
    ("request_timeout", "an_unanswered_request_is_given_up_and_its_late_answer_ignored"),
    ("token_timeout", "calls_fail_if_there_is_no_token_in_time"),
    ("token_margin", "a_token_is_replaced_a_minute_before_it_expires"),
    ("retries", "s1_7_a_lost_spawn_is_repeated_twice_with_the_same_key_and_growing_delays"),
    ("repeat_within", "a_lost_spawn_is_not_repeated_once_its_key_may_be_forgotten"),
    ("retry_after_limit", "s1_7_retry_after_is_honoured_up_to_its_limit"),
    ("lease", "a_lease_whose_end_is_not_told_lasts_for_two_minutes"),
    ("calls", "calls_bytes_and_sessions_beyond_their_limits_are_refused"),
    ("call_bytes", "calls_bytes_and_sessions_beyond_their_limits_are_refused"),
    ("sessions", "calls_bytes_and_sessions_beyond_their_limits_are_refused"),
];

const COORDINATOR: [(&str, &str); 18] = [
    ("default_ttl", "a_session_lives_for_an_hour_and_a_lease_for_two_minutes_unless_told_otherwise"),
    ("lease", "a_session_lives_for_an_hour_and_a_lease_for_two_minutes_unless_told_otherwise"),
    ("retention", "what_has_ended_is_shown_for_its_retention"),
    ("receipt_retention", "s2_2_receipts_are_kept_for_7_days_and_those_of_generated_keys_for_one"),
    ("generated_receipt_retention", "receipts_are_bounded_in_number_bytes_and_time"),
    ("body_bytes", "bodies_and_metadata_are_bounded"),
    ("metadata_bytes", "bodies_and_metadata_are_bounded"),
    ("sessions_per_zone", "sessions_of_a_zone_are_bounded"),
    ("sessions_per_application", "sessions_of_an_application_are_bounded"),
    ("children", "children_and_depth_are_bounded"),
    ("depth", "children_and_depth_are_bounded"),
    ("hops", "hops_are_bounded"),
    ("edges_per_zone", "edges_of_a_zone_are_bounded"),
    ("ended_sessions", "the_oldest_ended_sessions_and_edges_are_forgotten_first"),
    ("ended_edges", "the_oldest_ended_sessions_and_edges_are_forgotten_first"),
    ("receipts_per_application", "receipts_are_bounded_in_number_bytes_and_time"),
    ("receipt_bytes", "receipts_are_bounded_in_number_bytes_and_time"),
    ("list_page", "pages_are_bounded"),
];

/// The limits of two structs of a file.
fn limits(path: &str, structs: [&str; 2]) -> Vec<String> {
    let mut limits = structs.map(|name| fields(path, name)).concat();
    limits.retain(|field| !NO_LIMITS.contains(&field.as_str()));
    limits
}

#[test]
fn every_limit_of_the_client_of_caracal_is_reached() {
    let limits = limits("core/src/caracal/client/config.rs", ["ClientConfig", "ClientLimits"]);
    check(&limits, &CARACAL_CLIENT, "core/tests/caracal/client");
}

#[test]
fn every_limit_of_the_coordinator_is_reached() {
    let limits = limits("core/src/caracal/coordinator/config.rs", ["CoordinatorConfig", "CoordinatorLimits"]);
    check(&limits, &COORDINATOR, "core/tests/caracal/coordinator");
}
