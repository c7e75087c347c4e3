//! The server side of the specification, rule by rule, over `Runtime` alone: in virtual time and without IO.
//!
//! Each test is named after the section that its rule comes from, and asserts the rule as the specification and, where
//! that is silent, `core/docs/arcp.md` state it. The world itself (`nuncio_tests::world`) checks the rules that hold for every frame.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![expect(
    clippy::many_single_char_names,
    reason = "w is the world; a, b and c are connections in the order they were opened"
)]
#![expect(clippy::needless_pass_by_value, reason = "payloads are written inline with json!")]

mod contract;
mod durability;
mod durability_credentials;
mod durability_damage;
mod durability_jobs;
mod durability_notes;
mod durability_replay;
mod durability_restored;
mod durability_shutdown;
mod durability_stalled;
mod durability_transcript;
mod durability_watching;
mod s10_delegation;
mod s10_families;
mod s10_turns;
mod s5_envelope;
mod s5_salvage;
mod s5_trace;
mod s5_user_data;
mod s6_1_hello;
mod s6_1_refusals;
mod s6_2_features;
mod s6_3_replay;
mod s6_3_resume;
mod s6_4_heartbeat;
mod s6_5_log;
mod s6_6_list;
mod s6_6_rows;
mod s6_6_turns;
mod s6_7_close;
mod s6_order;
mod s7_1_submit;
mod s7_2_idempotency;
mod s7_3_terminals;
mod s7_4_cancel;
mod s7_6_subscribe;
mod s7_6_turns;
mod s7_6_watching;
mod s8_2_events;
mod s8_4_results;
mod s9_2_leases;
mod s9_5_expiry;
mod s9_6_budgets;
mod s9_6_reservations;
mod s9_8_credentials;
mod s_approvals;
mod s_clock;
mod s_compat;
mod s_dialects;
mod s_elsewhere;
mod s_elsewhere_again;
mod s_elsewhere_limits;
mod s_fixtures;
mod s_limits;
mod s_limits_hello;
mod s_limits_journal;
mod s_limits_memory;
mod s_limits_peers;
mod s_limits_principals;
mod s_limits_work;
mod s_questions;
mod s_questions_durable;
mod s_questions_limits;
mod s_sessions;
mod s_shards;
mod s_stats;
mod s_status;
mod shards;
