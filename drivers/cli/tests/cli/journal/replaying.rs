//! `nuncio replay`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Output, Stdio};

use nuncio_tests::raw::{Wire, job_id};
use serde_json::{Value, json};

use super::{Folder, serve};
use crate::support::{Serving, nuncio, run, send, stderr, stdout};

fn replay(journal: &str, session: &str, more: &[&str]) -> Output {
    run(&[&["replay", "--journal", journal, "--session", session][..], more].concat())
}

fn frames(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The frames that a resume would repeat, of those that a client has received.
fn repeatable(seen: &[Value]) -> Vec<Value> {
    seen.iter().filter(|frame| !frame["event_seq"].is_null() || frame["type"] == "job.accepted").cloned().collect()
}

/// A `nuncio replay --follow` whose lines are read one by one.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Following {
    fn start(journal: &str, session: &str) -> Following {
        let mut command = nuncio(&["replay", "--journal", journal, "--session", session, "--follow"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Following { child, lines }
    }

    /// The next frame; `None` at the end.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Closes stdout and waits for the end: the exit code and stderr.
    fn ended(self) -> (Option<i32>, String) {
        drop(self.lines);
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), stderr(&output).to_owned())
    }
}

#[test]
fn frames_are_printed_as_they_were_sent() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut wire = Wire::connect(&serving.url, "t");
    wire.run(&json!({"agent": "echo", "input": {"a": 1}}));
    let (second, _) = wire.run(&json!({"agent": "progress", "input": {"n": 3}}));
    let expected = repeatable(&wire.seen);
    assert_eq!(expected.first().map(|frame| &frame["type"]), Some(&json!("job.accepted")));
    let session = wire.session_id.clone();
    assert_eq!(frames(&replay(&journal, &session, &[])), expected, "while it is served");

    let after: Vec<Value> = expected.iter().filter(|frame| frame["event_seq"].as_u64() > Some(4)).cloned().collect();
    assert_eq!(frames(&replay(&journal, &session, &["--after-seq", "4"])), after);
    let of_second: Vec<Value> = expected.iter().filter(|frame| job_id(frame) == second).cloned().collect();
    assert_eq!(frames(&replay(&journal, &session, &["--job", &second])), of_second);

    serving.stop("KILL");
    assert_eq!(frames(&replay(&journal, &session, &[])), expected, "after it was killed");
    serve(&journal).stop("TERM");
    assert_eq!(frames(&replay(&journal, &session, &[])), expected, "after it was restarted and has ended");
}

/// A resume does not send it either: the client would take it for the answer to another submit.
#[test]
fn a_client_that_does_not_want_it_has_no_accepted_job_again() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut wire = Wire::connect_with(&serving.url, "t", &[]);
    wire.run(&json!({"agent": "echo"}));
    let numbered: Vec<Value> = wire.seen.iter().filter(|frame| !frame["event_seq"].is_null()).cloned().collect();
    assert!(numbered.iter().all(|frame| frame["type"] != "job.accepted") && !numbered.is_empty());
    assert_eq!(frames(&replay(&journal, &wire.session_id, &[])), numbered);
}

#[test]
fn a_frame_is_one_line_for_every_reader() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut wire = Wire::connect(&serving.url, "t");
    wire.run(&json!({"agent": "echo", "input": "a\u{2028}b\u{85}c\u{2029}\u{e9}"}));
    let output = replay(&journal, &wire.session_id, &[]);
    assert_eq!(frames(&output), repeatable(&wire.seen));
    let submitted = serving.submit("t", &["echo", "--json", "--input", "\"a\u{2028}b\u{85}c\u{2029}\u{e9}\""]);
    for output in [output, submitted] {
        let text = stdout(&output);
        assert!(text.contains("\\u2028b\\u0085c\\u2029\u{e9}"), "{text}");
        assert!(!text.contains(['\u{2028}', '\u{2029}', '\u{85}']), "{text}");
    }
}

#[test]
fn a_part_of_an_id_stands_for_a_session() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    // Ids are random and begin with one of 8 characters, so two of 9 begin alike.
    let mut wires: Vec<Wire> = (0..9).map(|_| Wire::connect(&serving.url, "t")).collect();
    for wire in &mut wires {
        wire.run(&json!({"agent": "echo"}));
    }
    let pairs = wires.iter().enumerate().flat_map(|(at, one)| wires[..at].iter().map(move |other| (one, other)));
    let first = |wire: &Wire| wire.session_id[..6].to_owned();
    let (one, other) = pairs.into_iter().find(|(one, other)| first(one) == first(other)).unwrap();
    let end = one.session_id[one.session_id.len() - 8..].to_lowercase();
    assert_eq!(frames(&replay(&journal, &end, &[])), repeatable(&one.seen));
    let refused = replay(&journal, &first(one), &[]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    for wire in [one, other] {
        assert!(stderr(&refused).contains(&wire.session_id), "{}", stderr(&refused));
    }
    let unknown = replay(&journal, "sess_UUUU", &[]);
    assert_eq!((unknown.status.code(), stdout(&unknown)), (Some(1), ""), "{}", stderr(&unknown));
    assert!(stderr(&unknown).contains("has no session with an id like \"sess_UUUU\""), "{}", stderr(&unknown));
}

#[test]
fn a_job_alone_is_printed_from_the_session_that_submitted_it() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut wires = [Wire::connect(&serving.url, "t"), Wire::connect(&serving.url, "t")];
    let [first, second] = wires.each_mut().map(|wire| wire.run(&json!({"agent": "progress", "input": {"n": 2}})).0);
    let watched = run(&["tail", &second, "--url", &serving.url, "--token", "t"]);
    assert_eq!(watched.status.code(), Some(0), "{}", stderr(&watched));
    let printed = |arguments: &[&str]| frames(&run(&[&["replay", "--journal", &journal][..], arguments].concat()));
    for (job, wire) in [(&first, &wires[0]), (&second, &wires[1])] {
        assert_eq!(printed(&["--job", job]), repeatable(&wire.seen));
    }
    let kinds: Vec<Value> = printed(&["--job", &first, "--kinds", "progress"])
        .into_iter()
        .filter(|frame| frame["type"] == "job.event")
        .map(|frame| frame["payload"]["kind"].clone())
        .collect();
    assert_eq!(kinds, ["progress"; 3], "and no status");
    let text = run(&["replay", "--journal", &journal, "--job", &first, "--text"]);
    let lines: Vec<&str> = stdout(&text).lines().collect();
    assert_eq!(lines.len(), repeatable(&wires[0].seen).len(), "{}", stdout(&text));
    assert!(lines.iter().any(|line| line.starts_with('+') && line.contains(" progress 1/2 steps")), "{lines:#?}");
    assert!(lines.last().is_some_and(|line| line.contains("has ended: success")), "{lines:#?}");
    // A part of an id that no other job has stands for it.
    assert_eq!(printed(&["--job", &first[first.len() - 6..]]), printed(&["--job", &first]));
    let both = run(&["replay", "--journal", &journal, "--job", &first[..8]]);
    assert_eq!(both.status.code(), Some(2));
    assert!(stderr(&both).contains(&first) && stderr(&both).contains(&second), "{}", stderr(&both));
    let none = run(&["replay", "--journal", &journal, "--job", "nowhere"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("has no job with an id like \"nowhere\""), "{}", stderr(&none));
    let unknown = run(&["replay", "--journal", &journal, "--job", "job_00000000000000000000000000"]);
    assert_eq!((unknown.status.code(), stdout(&unknown)), (Some(1), ""));
    assert!(stderr(&unknown).contains("has no events of a job job_0000"), "{}", stderr(&unknown));
    assert_eq!(run(&["replay", "--journal", &journal]).status.code(), Some(2), "one of the two is needed");
}

#[test]
fn other_sessions_are_not_printed() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut wires = [Wire::connect(&serving.url, "t"), Wire::connect(&serving.url, "t")];
    for (number, wire) in wires.iter_mut().enumerate() {
        wire.run(&json!({"agent": "echo", "input": number}));
    }
    for wire in &wires {
        assert_eq!(frames(&replay(&journal, &wire.session_id, &[])), repeatable(&wire.seen));
    }
}

#[test]
fn new_frames_are_followed_until_a_signal() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    for signal in ["INT", "TERM"] {
        let mut wire = Wire::connect(&serving.url, "t");
        wire.run(&json!({"agent": "echo", "input": 1}));
        let mut following = Following::start(&journal, &wire.session_id);
        let mut printed = Vec::new();
        while printed.len() < repeatable(&wire.seen).len() {
            printed.push(following.next().unwrap());
        }
        // At the end of the journal it waits for more.
        wire.run(&json!({"agent": "progress", "input": {"n": 2}}));
        while printed.len() < repeatable(&wire.seen).len() {
            printed.push(following.next().unwrap());
        }
        assert_eq!(printed, repeatable(&wire.seen));
        send(signal, &following.child);
        assert_eq!(following.next(), None);
        assert_eq!(following.ended(), (Some(0), String::new()), "SIG{signal}");
    }
}

#[test]
fn following_ends_with_the_session() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = Serving::start(&["--token", "t=me", "--journal", &journal, "--resume-window", "1s"]);
    let mut wire = Wire::connect(&serving.url, "t");
    wire.run(&json!({"agent": "echo", "input": 1}));
    let mut following = Following::start(&journal, &wire.session_id);
    let expected = repeatable(&wire.seen).len();
    wire.cut();
    let mut printed = 0;
    while following.next().is_some() {
        printed += 1;
    }
    assert_eq!(printed, expected);
    assert_eq!(
        following.ended(),
        (Some(0), "nuncio: the session is over, because it can no longer be resumed\n".to_owned())
    );
}

#[test]
fn a_closed_pipe_ends_it() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut wire = Wire::connect(&serving.url, "t");
    wire.run(&json!({"agent": "echo", "input": 1}));
    let mut following = Following::start(&journal, &wire.session_id);
    following.next().unwrap();
    assert_eq!(following.ended(), (Some(0), String::new()), "though nothing more is printed");
}

#[test]
fn deleted_events_are_reported() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut wire = Wire::connect(&serving.url, "t");
    wire.run(&json!({"agent": "progress", "input": {"n": 200}}));
    serving.stop("TERM");
    let compact = run(&["journal", "compact", &journal, "--retain", "0s"]);
    assert_eq!(compact.status.code(), Some(0), "{}", stderr(&compact));
    let output = replay(&journal, &wire.session_id, &[]);
    let left = frames(&output);
    assert!(left.len() < 100, "{}", left.len());
    assert_eq!(left.last(), repeatable(&wire.seen).last(), "the last one is never deleted");
    assert!(stderr(&output).contains("are no longer in the journal"), "{}", stderr(&output));
}

#[test]
fn an_unknown_session_or_journal_is_an_error() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let wire = Wire::connect(&serving.url, "t");
    assert_eq!(frames(&replay(&journal, &wire.session_id, &[])), Vec::<Value>::new(), "it has no frames yet");
    let unknown = replay(&journal, "sess_00000000000000000000000000", &[]);
    assert_eq!((unknown.status.code(), stdout(&unknown)), (Some(1), ""));
    assert!(stderr(&unknown).contains("has no session sess_0000"), "{}", stderr(&unknown));
    // No id has such a character.
    assert_eq!(replay(&journal, "sess_U", &[]).status.code(), Some(1));
    assert_eq!(replay(&journal, "sess_", &[]).status.code(), Some(2));
    let missing = replay(&folder.file("another"), &wire.session_id, &[]);
    assert_eq!(missing.status.code(), Some(6));
    assert!(stderr(&missing).contains("another; check that the path is right"), "{}", stderr(&missing));
    assert!(!folder.names().contains(&"another".to_owned()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stdout_is_an_error() {
    let folder = Folder::new();
    let journal = folder.file("journal");
    let serving = serve(&journal);
    let mut wire = Wire::connect(&serving.url, "t");
    wire.run(&json!({"agent": "echo", "input": 1}));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = nuncio(&["replay", "--journal", &journal, "--session", &wire.session_id]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}
