//! What `nuncio caracal coordinator` logs.

use super::{ask, coordinator, exchange, token};

#[test]
fn what_a_coordinator_opens_ends_and_refuses_leaves_a_line_each() {
    let serving = coordinator(&["--application", "app-a=s3cret"]);
    let bearer = token(&serving, "app-a", "s3cret");
    let spawned = ask(&serving, "POST", "/zones/z1/agents", &bearer, r#"{"application_id":"app-a"}"#);
    let session = spawned.1["id"].as_str().unwrap().to_owned();
    assert_eq!(ask(&serving, "DELETE", &format!("/zones/z1/agents/{session}"), &bearer, "").0, 204);
    assert_eq!(exchange(&serving, "app-a", "wr0ng").0, 401);
    assert_eq!(ask(&serving, "GET", "/zones/z1/elsewhere", &bearer, "").0, 404);
    let log = serving.log();
    let line = |what: &str| {
        let lines: Vec<&String> = log.iter().filter(|line| line.contains(what)).collect();
        assert_eq!(lines.len(), 1, "{what}: {log:#?}");
        lines[0].clone()
    };
    let opened = line("a session was opened");
    assert!(opened.contains(&session) && opened.contains("app-a"), "{opened}");
    assert!(line("a session has ended").contains(&session));
    let refused = line("a client was refused");
    assert!(refused.contains("WARN") && refused.contains("peer=127.0.0.1:"), "{refused}");
    assert!(refused.contains("/oauth/2/token") && refused.contains("status=401"), "{refused}");
    assert!(line("a request was refused").contains("status=404"));
    assert!(!log.concat().contains("s3cret") && !log.concat().contains("wr0ng"), "no secret is logged");
}
