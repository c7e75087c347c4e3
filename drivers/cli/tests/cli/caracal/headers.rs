//! `nuncio caracal inspect-headers`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{nuncio, run, stdout};

#[test]
fn headers_are_explained() {
    let baggage = "baggage: caracal.agent_session=s%2F1,caracal.delegation_edge=e1,caracal.hop=2,tenant=acme";
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let output = run(&["caracal", "inspect-headers", "--json", baggage, trace, "Authorization: Bearer s3cret"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!stdout(&output).contains("s3cret"));
    let read: Value = serde_json::from_str(stdout(&output)).unwrap();
    let wanted = json!({
        "session": "s/1", "edge": "e1", "parent_edge": null, "authority": null, "hop": 2, "hop_is_number": true, "has_token": true,
        "token_expires_at": null, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "parent_span": "00f067aa0ba902b7",
        "other_baggage": ["tenant=acme"],
    });
    assert_eq!(read, wanted);
    // JSON keeps what is escaped for people.
    let hidden = "baggage: caracal.agent_session=%E2%80%AEx";
    let output = run(&["caracal", "inspect-headers", "--json", hidden]);
    let read: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(read["session"], "\u{202e}x");
    // The form of the guide, with semicolons, from stdin.
    let mut command = nuncio(&["caracal", "inspect-headers", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let request = "GET / HTTP/1.1\r\nhost: x\r\nbaggage: caracal.agent_session=s1;caracal.hop=3\r\n\r\n";
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.contains("session       s1\n") && text.contains("hop           3\n"), "{text}");
    for row in ["edge          none\n", "token         none\n", "other baggage none\n"] {
        assert!(text.contains(row), "{row}: {text}");
    }
    assert!(!text.lines().any(|line| line.ends_with(" -")), "{text}");
    let tenant = run(&["caracal", "inspect-headers", baggage]);
    assert!(stdout(&tenant).contains("other baggage tenant=acme\n"), "{}", stdout(&tenant));
    for (hop, row) in [
        (",caracal.hop=xx", "hop           not a number, which counts as 0\n"),
        (",caracal.hop=-1", "hop           0\n"),
        (",caracal.hop=0", "hop           0\n"),
        ("", "hop           none\n"),
    ] {
        let output = run(&["caracal", "inspect-headers", &format!("baggage: caracal.agent_session=s1{hop}")]);
        assert!(stdout(&output).contains(row), "{hop}: {}", stdout(&output));
    }
    assert_eq!(run(&["caracal", "inspect-headers", "host: x"]).status.code(), Some(1));
    assert_eq!(run(&["caracal", "inspect-headers", "no header"]).status.code(), Some(2));
}
