//! Every limit and deadline of the configurations has a test that reaches it.

use super::{has_test, read, rust_files};

/// Fields that are not limits, such as names, choices and policies.
const NO_LIMITS: [&str; 42] = [
    "dispatch",
    "resign",
    "records",
    "workers_deduplicate",
    "lost_worker",
    "name",
    "version",
    "token",
    "renews_token",
    "features",
    "provisioner",
    "dialect",
    "dialects",
    "policy",
    "operators",
    "approvers",
    "shards",
    "ask_first",
    "self_approval",
    "resume_by_token",
    "models_without_lease",
    "auto_ack",
    "journal",
    "limits",
    "id",
    "topics",
    "pool",
    "labels",
    "sdk_version",
    "reading",
    "verifier",
    "signer",
    "map_order",
    "result_scheme",
    "await_retries",
    "production",
    "agent_name",
    "result_ref",
    "check_stored",
    "share_errors",
    "trust",
    "key_id",
];

const RUNTIME: [(&str, &str); 76] = [
    ("replay_timeout", "ours_a_failed_read_refuses_the_resume_and_keeps_the_session"),
    ("replays", "ours_replays_are_limited"),
    ("relay_timeout", "a_runtime_that_does_not_answer_fails_the_request_and_no_more"),
    ("status_timeout", "ours_a_host_that_does_not_tell_its_state_is_an_internal_error"),
    ("status_requests", "limit_status_requests"),
    ("store_window", "ours_agents_wait_for_a_slow_journal"),
    ("heartbeat_interval", "s6_4_two_silent_intervals_are_heartbeat_lost_and_jobs_go_on"),
    ("resume_window", "s6_3_the_window_lapses_after_its_seconds_detached"),
    ("hello_timeout", "s6_1_no_hello_within_the_deadline_closes"),
    ("auth_timeout", "s6_1_no_authentication_answer_is_an_internal_error"),
    ("submit_timeout", "s7_1_a_host_that_does_not_answer_is_an_internal_error"),
    ("cancel_grace", "s7_4_the_grace_period_ends"),
    ("expiry_grace", "s9_5_without_an_attempt_the_job_ends_after_the_grace"),
    ("linger", "s6_7_the_closed_frame_waits_for_the_queue_but_not_for_ever"),
    ("approval_timeout", "ours_an_operation_that_is_not_approved_in_time_is_denied"),
    ("stall_timeout", "s6_4_a_peer_that_never_reads_is_closed_after_the_stall_timeout"),
    ("frame_bytes", "s5_a_frame_beyond_the_limit_closes_with_1009"),
    ("stdio_frame_bytes", "s5_an_event_that_would_not_fit_is_refused"),
    ("bytes", "limit_bytes"),
    ("bytes_per_principal", "limit_bytes_per_principal"),
    ("journal_bytes_per_principal", "limit_journal_bytes_per_principal"),
    ("connections", "limit_connections"),
    ("ungreeted", "limit_ungreeted"),
    ("ungreeted_per_address", "limit_ungreeted_per_address"),
    ("ungreeted_bytes", "limit_ungreeted_bytes"),
    ("hello_bytes", "limit_hello_bytes"),
    ("sessions", "limit_sessions"),
    ("sessions_per_principal", "limit_sessions_per_principal"),
    ("jobs", "limit_jobs"),
    ("input_bytes", "limit_input_bytes"),
    ("jobs_per_principal", "limit_jobs_per_principal"),
    ("input_bytes_per_principal", "limit_input_bytes_per_principal"),
    ("retained_jobs_per_principal", "limit_retained_jobs_per_principal"),
    ("retained_bytes_per_principal", "limit_retained_bytes_per_principal"),
    ("idempotency_records_per_principal", "limit_idempotency_records_per_principal"),
    ("idempotency_bytes_per_principal", "limit_idempotency_bytes_per_principal"),
    ("note_bytes", "limit_note_bytes"),
    ("jobs_per_session", "limit_jobs_per_session"),
    ("delegation_depth", "s10_depth_is_limited"),
    ("delegations_per_job", "limit_delegations_per_job"),
    ("reservations_per_job", "limit_reservations_per_job"),
    ("questions_per_job", "limit_questions_per_job"),
    ("open_questions_per_job", "limit_open_questions_per_job"),
    ("open_questions_per_principal", "limit_open_questions_per_principal"),
    ("question_bytes", "limit_question_bytes"),
    ("answer_bytes", "limit_answer_bytes"),
    ("subscriptions", "limit_subscriptions"),
    ("subscriptions_per_principal", "limit_subscriptions_per_principal"),
    ("submits_per_second", "limit_submits_per_second"),
    ("failed_logins_per_minute", "limit_failed_logins_per_minute"),
    ("log_events", "s6_5_a_full_log_drops_the_oldest_written_event"),
    ("log_bytes", "s6_5_bytes_block_like_events"),
    ("history_events", "s7_6_evicted_history_is_marked_truncated"),
    ("history_bytes", "limit_history_bytes"),
    ("retained_jobs", "limit_retained_jobs"),
    ("retained_bytes", "limit_retained_bytes"),
    ("job_retention", "s6_6_ended_jobs_are_dropped_after_the_retention"),
    ("idempotency_records", "s7_2_records_of_terminal_jobs_are_evicted_first"),
    ("idempotency_bytes", "limit_idempotency_bytes"),
    ("idempotency_window", "s7_2_records_last_24_hours"),
    ("submit_ids", "s5_the_last_submit_ids_are_remembered"),
    ("list_page", "limit_list_page"),
    ("send_window", "limit_send_window"),
    ("send_window_bytes", "limit_send_window_bytes_always_allow_one_frame"),
    ("reply_frames", "limit_replies_stop_reading"),
    ("reply_bytes", "limit_reply_bytes_stop_reading"),
    ("bad_frames", "s5_a_flood_of_malformed_frames_closes"),
    ("back_pressure", "s6_5_back_pressure_is_signalled_once_and_again_after_half"),
    ("pattern_work", "limit_pattern_work"),
    ("turn_work", "s6_6_a_listing_pauses_and_goes_on_in_later_turns"),
    ("chunk_bytes", "s14_a_chunk_beyond_the_cap_is_an_internal_error"),
    ("result_bytes", "s14_a_result_beyond_the_cap_is_an_internal_error"),
    ("writer_chunk_bytes", "s8_4_the_writer_splits_at_64_kib_or_48_for_small_frames"),
    ("small_writer_chunk_bytes", "s8_4_the_writer_splits_at_64_kib_or_48_for_small_frames"),
    ("credentials_per_job", "s9_8_too_many_credentials_are_refused_to_the_host"),
    ("revocations", "s14_submits_with_credentials_are_refused_beyond_the_revocation_limit"),
];

const CLIENT: [(&str, &str); 17] = [
    ("welcome_timeout", "no_welcome_in_time_is_a_lost_transport"),
    ("request_timeout", "a_cancel_without_an_answer_times_out_and_the_job_continues"),
    ("silence_timeout", "a_silent_job_is_looked_for_in_the_list_of_live_jobs"),
    ("terminal_timeout", "a_subscription_to_an_ended_job_ends_soon_after_its_last_frame"),
    ("close_timeout", "close_ends_after_a_second_of_silence"),
    ("frame_bytes", "one_frame_too_large_or_many_malformed_close_the_client"),
    ("bad_frames", "one_frame_too_large_or_many_malformed_close_the_client"),
    ("handles", "requests_and_handles_beyond_their_limits_are_refused"),
    ("requests", "requests_and_handles_beyond_their_limits_are_refused"),
    ("request_bytes", "requests_are_also_bounded_by_their_bytes"),
    ("events", "reading_stops_while_too_many_events_are_queued_and_continues_at_half"),
    ("event_bytes", "reading_stops_while_too_many_bytes_of_events_are_queued"),
    ("held_events", "held_events_are_bounded_and_their_loss_is_reported"),
    ("held_bytes", "events_of_unknown_jobs_are_also_bounded_by_their_bytes"),
    ("send_window", "frames_beyond_the_send_window_wait"),
    ("send_window_bytes", "the_send_window_always_allows_one_frame"),
    ("chunk_bytes", "chunks_and_results_beyond_their_limits_are_faults"),
];

const WORKER: [(&str, &str); 22] = [
    ("heartbeat_interval", "heartbeats_come_at_their_interval_with_jobs_and_load"),
    ("result_ttl", "an_output_is_stored_for_its_time"),
    ("io_timeout", "a_store_that_fails_or_is_silent_is_tried_again"),
    ("max_runtime", "a_deadline_ends_the_job_and_the_earlier_one_counts"),
    ("retries", "a_handler_that_fails_is_called_again_after_a_growing_pause"),
    ("backoff", "a_handler_that_fails_is_called_again_after_a_growing_pause"),
    ("max_backoff", "a_pause_is_bounded_and_a_job_can_be_cancelled_in_it"),
    ("retention", "an_ended_job_is_remembered_for_its_retention"),
    ("rerun_after", "the_pause_before_a_request_without_an_attempt_runs_again_is_a_setting"),
    ("alert_window", "s16_the_alerts_of_a_worker_are_few_and_none_waits_for_the_bus"),
    ("alerts", "s16_the_alerts_of_a_worker_are_few_and_none_waits_for_the_bus"),
    ("parallel", "no_more_handlers_run_than_there_are_slots"),
    ("queued", "a_job_beyond_the_queue_fails_and_can_be_tried_elsewhere"),
    ("retained", "the_oldest_ended_jobs_are_forgotten_first"),
    ("cancellations", "the_latest_cancellations_are_remembered"),
    ("context_bytes", "inputs_and_outputs_are_bounded"),
    ("result_bytes", "inputs_and_outputs_are_bounded"),
    ("job_id_bytes", "job_ids_and_error_messages_are_bounded"),
    ("error_bytes", "job_ids_and_error_messages_are_bounded"),
    ("artifacts", "artifacts_and_their_pointers_are_bounded"),
    ("pointer_bytes", "artifacts_and_their_pointers_are_bounded"),
    ("followers", "few_requests_follow_the_same_idempotency_key"),
];

const CAP_CLIENT: [(&str, &str); 6] = [
    ("resubmit_after", "a_request_of_which_nothing_is_heard_is_sent_again_a_few_times"),
    ("resubmissions", "a_request_of_which_nothing_is_heard_is_sent_again_a_few_times"),
    ("reconnected_after", "a_request_that_is_sent_on_a_new_connection_is_sent_again_soon_until_the_job_is_heard"),
    ("cancel_after", "a_cancellation_is_sent_and_the_result_awaited"),
    ("jobs", "the_jobs_that_are_awaited_are_bounded"),
    ("request_bytes", "the_jobs_that_are_awaited_are_bounded"),
];

const ROUTER: [(&str, &str); 32] = [
    ("check_timeout", "s6_a_policy_that_does_not_answer_denies"),
    ("approval_timeout", "s6_a_job_waits_for_a_person_and_its_submitter_knows"),
    ("worker_wait", "a_job_for_which_no_worker_comes_fails"),
    ("dispatch_timeout", "s7_a_job_of_which_nothing_is_heard_is_sent_again_and_then_times_out"),
    ("redispatches", "s7_a_job_of_which_nothing_is_heard_is_sent_again_and_then_times_out"),
    ("retries", "s7_retries_end_with_a_result_and_a_dead_letter"),
    ("backoff", "s7_a_job_of_which_nothing_is_heard_is_sent_again_and_then_times_out"),
    ("max_backoff", "the_pause_before_a_job_is_sent_again_is_bounded"),
    ("max_runtime", "the_runtime_of_every_job_can_be_bounded"),
    ("deadline_grace", "the_runtime_of_every_job_can_be_bounded"),
    ("cancel_timeout", "s7_a_worker_that_does_not_end_a_cancelled_job_is_not_awaited_for_ever"),
    ("heartbeat_interval", "s5_a_worker_is_lost_after_some_missed_heartbeats"),
    ("missed_heartbeats", "s5_a_worker_is_lost_after_some_missed_heartbeats"),
    ("retention", "ended_jobs_are_remembered_for_their_retention"),
    ("alert_window", "s16_refused_packets_are_reported_and_the_reports_are_few"),
    ("jobs", "a_job_beyond_a_limit_fails_and_can_be_tried_again"),
    ("topic_jobs", "a_job_beyond_a_limit_fails_and_can_be_tried_again"),
    ("live_bytes", "a_job_beyond_a_limit_fails_and_can_be_tried_again"),
    ("job_bytes", "a_job_that_is_too_large_fails"),
    ("job_id_bytes", "long_job_ids_are_refused_and_long_reasons_are_cut"),
    ("retained", "the_oldest_ended_jobs_are_forgotten_first"),
    ("retained_bytes", "the_oldest_ended_jobs_are_forgotten_first"),
    ("progress", "the_latest_progress_that_is_not_too_large_is_kept"),
    ("progress_bytes", "the_latest_progress_that_is_not_too_large_is_kept"),
    ("followers", "few_requests_follow_the_same_idempotency_key"),
    ("children", "few_children_are_cancelled_with_a_job"),
    ("cancellations", "the_latest_cancellations_are_remembered"),
    ("workers", "workers_and_their_topics_are_bounded"),
    ("worker_topics", "workers_and_their_topics_are_bounded"),
    ("alerts", "s16_refused_packets_are_reported_and_the_reports_are_few"),
    ("error_bytes", "long_job_ids_are_refused_and_long_reasons_are_cut"),
    ("unstored", "packets_are_not_taken_while_too_much_waits_for_the_store"),
];

const AUTHORITY: [(&str, &str); 5] = [
    ("challenge_lifetime", "s14_a_challenge_is_answered_before_it_expires"),
    ("session_lifetime", "s14_a_session_is_renewed_in_time_with_its_token_and_gets_another_one"),
    ("workers", "enrolled_workers_and_their_requests_and_challenges_are_bounded"),
    ("requests", "enrolled_workers_and_their_requests_and_challenges_are_bounded"),
    ("challenges", "enrolled_workers_and_their_requests_and_challenges_are_bounded"),
];

const PACE: [(&str, &str); 3] = [
    ("timeout", "s14_a_scheduler_that_cannot_be_reached_is_asked_three_times_and_again_later"),
    ("attempts", "s14_a_scheduler_that_cannot_be_reached_is_asked_three_times_and_again_later"),
    ("renew_interval", "s14_a_session_is_renewed_in_time_with_its_token_and_gets_another_one"),
];

pub(super) fn fields(path: &str, name: &str) -> Vec<String> {
    let text = read(path);
    let body = text.split_once(&format!("pub struct {name} {{")).unwrap().1.split_once("\n}").unwrap().0;
    let public = body.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(':'));
    public.map(|(field, _)| field.to_owned()).filter(|field| !NO_LIMITS.contains(&field.as_str())).collect()
}

pub(super) fn check(fields: &[String], table: &[(&str, &str)], tests: &str) {
    let sources: Vec<String> = rust_files(tests).iter().map(read).collect();
    for field in fields {
        assert!(table.iter().any(|(name, _)| name == field), "no test reaches {field}");
    }
    for (field, test) in table {
        assert!(fields.iter().any(|name| name == field), "there is no limit {field}");
        assert!(sources.iter().any(|text| has_test(text, test)), "{field}: there is no test {test}");
    }
}

#[test]
fn every_limit_of_the_runtime_is_reached() {
    let settings = "core/src/arcp/runtime/config.rs";
    let limits = [fields(settings, "Config"), fields(settings, "Limits")].concat();
    check(&limits, &RUNTIME, "tests/conformance");
}

#[test]
fn every_limit_of_the_client_is_reached() {
    let settings = "core/src/arcp/client/config.rs";
    let mut limits = [fields(settings, "ClientConfig"), fields(settings, "ClientLimits")].concat();
    // The sum over the chunks of a result; the test for one chunk reaches it as well.
    limits.retain(|field| field != "result_bytes");
    check(&limits, &CLIENT, "core/tests/client");
}

#[test]
fn every_limit_of_the_worker_is_reached() {
    let settings = "core/src/cap/worker/config.rs";
    let limits = [fields(settings, "WorkerConfig"), fields(settings, "WorkerLimits")].concat();
    check(&limits, &WORKER, "core/tests/cap/worker");
}

#[test]
fn every_limit_of_the_client_of_cap_is_reached() {
    let settings = "core/src/cap/client/config.rs";
    let limits = [fields(settings, "ClientConfig"), fields(settings, "ClientLimits")].concat();
    check(&limits, &CAP_CLIENT, "core/tests/cap");
}

#[test]
fn every_limit_of_the_router_is_reached() {
    let settings = "core/src/cap/router/config.rs";
    let limits = [fields(settings, "RouterConfig"), fields(settings, "RouterLimits")].concat();
    check(&limits, &ROUTER, "core/tests/cap/router");
}

#[test]
fn every_limit_of_trust_sessions_is_reached() {
    let settings = "core/src/cap/trust/authority/config.rs";
    let limits = [fields(settings, "AuthorityConfig"), fields(settings, "AuthorityLimits")].concat();
    check(&limits, &AUTHORITY, "core/tests/cap/trust");
    check(&fields("core/src/cap/trust/settings.rs", "TrustPace"), &PACE, "core/tests/cap/trust");
}
