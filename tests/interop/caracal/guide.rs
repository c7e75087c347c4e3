//! The programs of the guide of the SDK 0.1.1 (`guide.md`), unchanged, against our coordinator.

use std::process::Command;

use nuncio_tests::peers::{CaracalSdk, Server, wanted};
use nuncio_tokio::caracal::{CoordinatorEvent, Generation};

use super::site::{Site, printed};

pub(super) fn program(site: &Site, name: &str) -> Command {
    let mut command = site.program(CaracalSdk::V0_1.python().unwrap(), &format!("guide/{name}"));
    let scope = "agent:lifecycle coordinator.delegate_to:payments-service";
    command.env("CARACAL_SUBJECT_TOKEN", site.token("my-app", "s3cret", scope));
    command
}

/// Starts the service of the guide, which has the middleware, and leads the hosts of the guide to it.
fn with_service(site: &Site, command: &mut Command) -> Server {
    let service = Server::start(program(site, "service.py"));
    let port = service.url().rsplit(':').next().unwrap().to_owned();
    command.env("NUNCIO_TEST_HOSTS", format!("inventory={port},invoices={port}"));
    service
}

/// The sessions that were opened and ended so far, each with its parent.
fn history(site: &Site) -> (Vec<(String, Option<String>)>, Vec<String>) {
    let (mut started, mut ended) = (Vec::new(), Vec::new());
    for event in site.events.try_iter() {
        match event {
            CoordinatorEvent::Started { session, parent, .. } => {
                started.push((session.as_str().to_owned(), parent.map(|parent| parent.as_str().to_owned())));
            }
            CoordinatorEvent::Ended { session, .. } => ended.push(session.as_str().to_owned()),
            _ => {}
        }
    }
    (started, ended)
}

#[test]
fn sessions_are_opened_with_their_options_nested_and_ended() {
    if !wanted("sessions_are_opened_with_their_options_nested_and_ended") {
        return;
    }
    let site = Site::start(Generation::May);
    let lines = printed(program(&site, "spawn.py"));
    let [first, processing, options, nested] = <[Vec<String>; 4]>::try_from(lines).unwrap();
    assert_eq!(processing, ["processing", "inv-001", &first[0], "my-zone", "None", "0"]);
    let (started, ended) = history(&site);
    let [outer, inner] = <[String; 2]>::try_from(nested).unwrap();
    let all = [
        (first[0].clone(), None),
        (options[0].clone(), None),
        (outer.clone(), None),
        (inner.clone(), Some(outer.clone())),
    ];
    assert_eq!(started, all);
    assert_eq!(ended, [first[0].clone(), options[0].clone(), inner, outer]);
    assert_eq!(site.live_sessions(), 0);
    let token = site.token("my-app", "s3cret", "agent:lifecycle");
    let shown = site.ask("GET", &format!("/zones/my-zone/agents/{}", options[0]), &token, "");
    assert_eq!((&shown["id"], &shown["status"]), (&options[0].as_str().into(), &"terminated".into()));
}

/// B1: the key that the SDK derives is the same for all children, which the deployed coordinator makes one session of.
#[test]
fn siblings_are_sessions_of_their_own() {
    if !wanted("siblings_are_sessions_of_their_own") {
        return;
    }
    let site = Site::start(Generation::May);
    let mut siblings = printed(program(&site, "siblings.py")).remove(0);
    siblings.sort();
    siblings.dedup();
    assert_eq!((siblings.len(), site.live_sessions()), (3, 0));
}

#[test]
fn a_delegation_is_an_edge_that_calls_carry() {
    if !wanted("a_delegation_is_an_edge_that_calls_carry") {
        return;
    }
    let site = Site::start(Generation::May);
    let target = site.payments();
    let mut command = program(&site, "delegate.py");
    command.env("TARGET_AGENT_SESSION_ID", &target);
    let _service = with_service(&site, &mut command);
    let lines = printed(command);
    let (edge, seen) = (&lines[0][0], &lines[1]);
    assert_eq!(
        *seen,
        [seen[0].clone(), seen[0].clone(), edge.clone(), "1".to_owned()],
        "the session, the edge, the hop"
    );
    let token = site.token("payments-service", "other", "agent:lifecycle");
    let inbound = site.ask("GET", &format!("/zones/my-zone/delegations/inbound/{target}"), &token, "");
    let held = &inbound["items"][0];
    assert_eq!(
        (&held["id"], &held["scopes"]),
        (&edge.as_str().into(), &serde_json::json!(["payment:submit", "payment:read"]))
    );
    // Its source has ended, and the edge with it (core/docs/caracal.md).
    assert_eq!(held["status"], "revoked");
}

#[test]
fn calls_carry_the_session_to_the_middleware_of_a_service() {
    if !wanted("calls_carry_the_session_to_the_middleware_of_a_service") {
        return;
    }
    let site = Site::start(Generation::May);
    let mut command = program(&site, "transport.py");
    let _service = with_service(&site, &mut command);
    let items = printed(command).remove(0);
    assert_eq!(items[0], items[1]);
}

#[test]
fn inbound_headers_are_bound() {
    if !wanted("inbound_headers_are_bound") {
        return;
    }
    let site = Site::start(Generation::May);
    let bound = printed(program(&site, "bind.py")).remove(0);
    assert_eq!(bound, [bound[0].clone(), bound[0].clone(), "0".to_owned()]);
}

#[test]
fn a_client_is_configured_by_the_program() {
    if !wanted("a_client_is_configured_by_the_program") {
        return;
    }
    let site = Site::start(Generation::May);
    assert_eq!(printed(program(&site, "configured.py")).len(), 1);
    assert_eq!((history(&site).0.len(), site.live_sessions()), (1, 0));
}

#[test]
fn the_complete_example_processes_its_batch_in_one_session() {
    if !wanted("the_complete_example_processes_its_batch_in_one_session") {
        return;
    }
    let site = Site::start(Generation::May);
    let mut command = program(&site, "batch.py");
    let _service = with_service(&site, &mut command);
    let lines = printed(command);
    assert_eq!(lines.len(), 4);
    let (started, ended) = history(&site);
    assert_eq!((started.len(), ended.len()), (1, 1));
    for (line, invoice) in lines[1..].iter().zip(["inv-001", "inv-002", "inv-003"]) {
        let text = line.join(" ");
        assert!(text.contains(invoice) && text.contains(&started[0].0), "{text}");
    }
}
