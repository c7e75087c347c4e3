//! One test per case of the scripts in `py/`, each against our server with the flags that the case needs.

use super::serve;
use crate::cases::{cases, listed};

cases! {
    client_session {
        connect [], connect_with_few_features [], credential_features_need_a_provisioner [], bad_token [],
        heartbeat_answered ["--heartbeat", "2"], heartbeat_lost ["--heartbeat", "1"],
        no_heartbeat_without_the_feature ["--heartbeat", "1"],
        ack [], auto_ack [], back_pressure ["--back-pressure", "50"], principals_are_isolated [],
    }
    client_jobs {
        submit [], inputs [], events [], progress [], versions [], fail [], panic [], cancel [], only_the_owner_may_cancel [],
        stubborn ["--cancel-grace-ms", "300"], timeout [], idempotency [], idempotency_races [], parent_of_a_submit [],
        bad_submits [],
    }
    client_leases {
        patterns [], no_lease [], tools [], budget [], budget_is_exact [], budget_refusals [], expiry [],
        expiry_without_an_operation [], models [], credentials ["--creds"], rotation ["--creds", "--open-policy"],
    }
    client_delegation {
        delegate [], submit_during_a_delegation [], refusals [], subsets [], family_budget [], cancelled_family [],
        cancelled_child [],
    }
    client_results {
        collect [], iterate [], binary [], large [], empty [], too_large_a_chunk [], broken_streams [],
        without_the_feature [],
    }
    client_watch {
        list_jobs [], filters [], pages [], subscribe_live [], subscribe_with_history [], subscribe_to_many [],
        subscribe_to_an_own_job [], subscribe_refused [], open_policy ["--open-policy"], unsubscribe [],
    }
    client_resume {
        resume_after_a_drop [], resume_many_times [], resume_with_a_key [], resume_after_bye [], resume_when_caught_up [],
        resume_before_the_first_event [], wrong_resumes [], takeover [], lapsed_window ["--resume-window", "3"],
        subscriptions_survive [],
    }
    client_load {
        hundred_jobs [], thousand_echoes [], flood [], refused_request [],
    }
    client_vendor {
        vendor_events [], unknown_members [], vendor_messages [], traced [], errors_are_typed [],
    }
}

#[test]
fn the_table_has_every_case_of_every_script() {
    for (name, cases) in TABLE {
        let listed = listed(name);
        assert!(listed.is_empty() || listed == *cases, "{name}: {listed:?}");
    }
}
