//! Programs that write no messages: what they print, or how they exit, is the result.

use super::*;
use crate::support::run;

/// A server with one agent, `it`, whose result is made in this way.
fn plain(command: &str, source: &str) -> Serving {
    serving(&["--agent", &format!("it={command}"), "--result", &format!("it={source}")])
}

#[test]
fn what_a_program_prints_is_the_result() {
    let serving = plain("sort", "stdout");
    let output = submit(&serving, &["--input", r#""pear\napple\n""#]);
    assert_eq!(succeeded(&output), r#""apple\npear\n""#, "a text is read as it is");
    assert_eq!(succeeded(&submit(&serving, &["--input", r#"{"a": 1}"#])), r#""{\"a\": 1}\n""#);
    assert_eq!(succeeded(&submit(&serving, &[])), r#""""#, "without an input there is nothing to read");
}

#[test]
fn a_long_output_is_streamed_and_so_is_one_that_is_no_text() {
    let serving = plain(r#"python3 -c 'print("x" * 200_000, end="")'"#, "stdout");
    assert_eq!(succeeded(&submit(&serving, &[])).len(), 200_000);
    let serving = plain(r"printf '\377\376'", "stdout");
    let output = submit(&serving, &[]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &[0xff, 0xfe][..]), "{}", stderr(&output));
}

#[test]
fn a_program_that_prints_json_has_it_as_its_result() {
    let program = r#"python3 -c 'import json, sys; print(json.dumps({"read": json.load(sys.stdin)}, indent=1))'"#;
    let serving = plain(program, "json");
    for (input, expected) in [(&["--input", "[1, 2]"][..], "[1,2]"), (&[], "null")] {
        let result = succeeded(&submit(&serving, input));
        let result: serde_json::Value = serde_json::from_str(&result).expect("JSON");
        assert_eq!(result["read"].to_string(), expected);
    }
    let serving = plain("echo no JSON", "json");
    let output = submit(&serving, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is not one JSON value"), "{}", stderr(&output));
}

#[test]
fn halves_of_a_character_reach_neither_the_program_nor_the_client() {
    let serving = plain(r#"sh -c 'read -r line; echo "[$line, \"a\\ud800x\"]"'"#, "json");
    let result = succeeded(&submit(&serving, &["--input", r#""\ude00""#]));
    assert_eq!(result.replace(' ', ""), r#"["\ufffd","a\ufffdx"]"#);
    let serving = plain("cat", "stdout");
    assert_eq!(succeeded(&submit(&serving, &["--input", r#""a\ud83d""#])), "\"a\u{fffd}\"", "it is a text");
}

#[test]
fn an_exit_status_is_the_result() {
    let serving = plain("sh -c 'echo looking; exit 3'", "exit");
    let output = submit(&serving, &[]);
    assert_eq!(succeeded(&output), "3");
    assert!(stderr(&output).contains("info: looking"), "{}", stderr(&output));
    let serving = plain("sh -c 'kill -9 $$'", "exit");
    assert_eq!(submit(&serving, &[]).status.code(), Some(1), "a signal leaves no exit status");
}

#[test]
fn a_program_that_fails_has_no_result() {
    let serving = plain("sh -c 'echo partly; exit 2'", "stdout");
    let output = submit(&serving, &[]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    assert!(stderr(&output).contains("exit status 2"), "{}", stderr(&output));
}

#[test]
fn two_agents_of_one_name_are_refused() {
    for arguments in [
        &["--agent", "a=cat", "--agent", "a=sort"][..],
        &["--demo-agents", "--agent", "echo=cat"],
        &["--agent", "a=cat", "--result", "b=json"],
        &["--agent", "a=cat", "--result", "a=xml"],
    ] {
        let output = run(&[&["serve", "--check"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
    for name in ["a", "a@1"] {
        let (one, other) = (format!("{name}=cat"), format!("{name}=sort"));
        let output = run(&["serve", "--check", "--agent", &one, "--agent", &other]);
        let said = format!(
            "nuncio: the agent {name} is offered twice; give each a name of its own, or a version of its own as in a@1 and a@2"
        );
        assert_eq!(stderr(&output).trim_end(), said);
    }
    let output = run(&["serve", "--check", "--agent", "a=cat", "--result", "a=json"]);
    assert!(stdout(&output).contains("a: cat (the result is json)"), "{}", stdout(&output));
}
