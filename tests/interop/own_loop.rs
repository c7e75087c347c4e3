//! The example `own_loop`: the core and the link on `mio`, with some of the agents. Runs the cases that need only those.

use std::process::Command;

use nuncio_tests::peers::{Server, example};

use crate::cases::{cases, listed};

#[path = "raw/bad_input.rs"]
mod bad_input;
#[path = "raw/hostile.rs"]
mod hostile;
#[path = "raw/sessions.rs"]
mod sessions;

fn serve(flags: &[&str]) -> Server {
    let mut command = Command::new(example("own_loop"));
    command.args(["--port", "0"]).args(flags);
    Server::start(command)
}

cases! {
    client_session {
        credential_features_need_a_provisioner [], bad_token [], heartbeat_answered ["--heartbeat", "2"], heartbeat_lost ["--heartbeat", "1"], no_heartbeat_without_the_feature ["--heartbeat", "1"], ack [], auto_ack [], principals_are_isolated [],
    }
    client_jobs {
        submit [], inputs [], progress [], versions [], fail [], panic [], cancel [], only_the_owner_may_cancel [], timeout [], idempotency [], idempotency_races [], parent_of_a_submit [], bad_submits [],
    }
    client_leases {
        expiry_without_an_operation [],
    }
    client_watch {
        filters [], pages [], subscribe_live [], subscribe_with_history [], subscribe_to_many [], subscribe_to_an_own_job [], subscribe_refused [], unsubscribe [],
    }
    client_resume {
        resume_after_a_drop [], resume_many_times [], resume_with_a_key [], resume_after_bye [], resume_when_caught_up [], resume_before_the_first_event [], wrong_resumes [], takeover [], subscriptions_survive [],
    }
    client_load {
        hundred_jobs [], thousand_echoes [], flood [], refused_request [],
    }
    client_vendor {
        unknown_members [], vendor_messages [], traced [], errors_are_typed [],
    }
}

#[test]
fn the_scripts_have_every_case_of_the_table() {
    for (name, cases) in TABLE {
        let listed = listed(name);
        let unknown: Vec<_> = cases.iter().filter(|case| !listed.iter().any(|known| known == *case)).collect();
        assert!(listed.is_empty() || unknown.is_empty(), "{name}: {unknown:?}");
    }
}
