//! The commands on a pseudo-terminal.

use std::process::{Command, Stdio};

use rexpect::session::{PtySession, spawn_command};

use super::runtime::Runtime;

/// Milliseconds after which a test that hangs fails. No test depends on how long anything takes.
const DEADLINE: u64 = 30_000;

fn on_a_terminal(mut command: Command) -> PtySession {
    // The pseudo-terminal is the child's stdin.
    command.stdin(Stdio::inherit());
    spawn_command(command, Some(DEADLINE)).unwrap()
}

/// Waits for the end. Returns the rest of the output and the exit code.
fn end(mut session: PtySession) -> (String, i32) {
    let shown = session.exp_eof().unwrap();
    match session.process().wait().unwrap() {
        rexpect::process::WaitStatus::Exited(_, code) => (shown, code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn determinate_progress_is_a_bar() {
    let runtime = Runtime::start();
    let mut session = on_a_terminal(runtime.command(&["submit", "steps"]));
    session.exp_regex(r"steps.*=+>.*25%.*1/4 steps, climbing").unwrap();
    runtime.gate.open(1);
    session.exp_regex(r"=+>.*50%.*2/4 steps, climbing").unwrap();
    runtime.gate.open(3);
    let (shown, code) = end(session);
    assert_eq!(code, 0);
    assert!(shown.contains(r#"{"steps":4}"#) && shown.contains("the job succeeded"), "{shown}");
    assert!(!shown.contains("#1 progress") && !shown.contains(" progress "), "it is not printed as a line: {shown}");
}

#[test]
fn indeterminate_progress_is_a_spinner() {
    let runtime = Runtime::start();
    let mut session = on_a_terminal(runtime.command(&["submit", "pulses"]));
    let (before, _) = session.exp_regex("12 rows").unwrap();
    assert!(!before.contains('%'), "{before}");
    // The spinner turns: it is drawn again although nothing has happened.
    session.exp_regex("12 rows").unwrap();
    runtime.gate.open(1);
    assert_eq!(end(session).1, 0);
}

#[test]
fn a_list_fits_the_terminal_and_shows_as_much_of_an_error_as_there_is_room_for() {
    let runtime = Runtime::start();
    runtime.run(&["submit", "fail", "--input", r#""the printer has no paper, and no ink either""#]);
    let (shown, code) = end(on_a_terminal(runtime.command(&["jobs"])));
    assert_eq!(code, 0, "{shown}");
    // The terminal of the test reads bytes, not characters.
    let shown = String::from_utf8(shown.chars().map(|byte| u8::try_from(byte).unwrap()).collect()).unwrap();
    let shown = console::strip_ansi_codes(&shown);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.contains("_ERROR: the printer ") && !shown.contains("either"), "the code stays: {shown}");
}

#[test]
fn a_question_that_is_too_long_for_a_row_is_shown_in_full_below_its_job() {
    let runtime = Runtime::start();
    let prompt = "Send the mail about the new prices to all 312 customers?";
    let choices = ["yes, send it", "no, do not send it"];
    let questions = serde_json::json!([{"prompt": prompt, "choices": choices}]).to_string();
    let mut following = runtime.start_command(&["submit", "asks", "--input", &questions]);
    let job = following.accepted();
    following.until("x-vendor.nuncio.question");
    let (shown, code) = end(on_a_terminal(runtime.command(&["questions"])));
    assert_eq!(code, 0, "{shown}");
    let shown = console::strip_ansi_codes(&shown);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.contains(&job) && shown.contains(prompt), "{shown}");
    assert!(shown.contains("yes, send it | no, do not send it"), "{shown}");
    following.interrupt();
    assert_eq!(following.end().code, Some(3));
}

#[test]
fn a_typed_line_answers_a_question() {
    let runtime = Runtime::start();
    let questions =
        r#"[{"prompt":"Send it?","choices":["yes","no"]},{"prompt":"How many?","schema":{"type":"integer"}}]"#;
    let mut session = on_a_terminal(runtime.command(&["submit", "asks", "--input", questions]));
    session.exp_regex(r"asks asks: Send it\?").unwrap();
    session.exp_regex(r"type the answer and press Enter \(yes \| no\):").unwrap();
    session.send_line("perhaps").unwrap();
    session.exp_regex("has to be one of").unwrap();
    session.exp_regex(r"asks asks: Send it\?").unwrap();
    session.send_line("yes").unwrap();
    session.exp_regex(r"asks asks: How many\?").unwrap();
    session.send_line("7").unwrap();
    let (shown, code) = end(session);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(r#"[["yes","alice",null],[7,"alice",null]]"#), "{shown}");
}

#[test]
fn a_budget_is_a_gauge() {
    let runtime = Runtime::start();
    let mut session = on_a_terminal(runtime.command(&["submit", "spends", "--budget", "USD:2"]));
    session.exp_regex(r"budget.*#+.*USD 0\.75 of 2 left").unwrap();
    runtime.gate.open(1);
    session.exp_regex(r"USD 0\.25 of 2 left").unwrap();
    runtime.gate.open(1);
    let (shown, code) = end(session);
    assert_eq!(code, 0);
    assert!(!shown.contains("cost.budget.remaining"), "it is not printed as a line: {shown}");
}

#[test]
fn colours_need_a_terminal_that_supports_them() {
    let runtime = Runtime::start();
    let colours =
        |shown: &str| shown.contains("\u{1b}[3") || shown.contains("\u{1b}[1m") || shown.contains("\u{1b}[2m");
    let (shown, _) = end(on_a_terminal(runtime.command(&["submit", "kinds"])));
    assert!(colours(&shown), "{shown:?}");
    assert!(!shown.contains("\u{1b}[31malert"), "control characters of the agent have no effect: {shown:?}");
    let (shown, _) = end(on_a_terminal(runtime.command(&["jobs"])));
    assert!(colours(&shown), "{shown:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        for arguments in [&["submit", "kinds"][..], &["submit", "steps"], &["jobs"]] {
            runtime.gate.open(4);
            let mut command = runtime.command(arguments);
            command.env(name, value);
            let (shown, _) = end(on_a_terminal(command));
            assert!(!colours(&shown), "{name} {arguments:?}: {shown:?}");
        }
    }
    let mut forced = runtime.command(&["submit", "kinds"]);
    let output = forced.env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!output.stderr.contains(&0x1b), "there are none without a terminal");
}

#[test]
fn ctrl_c_cancels_and_a_second_one_leaves() {
    let runtime = Runtime::start();
    let mut session = on_a_terminal(runtime.command(&["submit", "waits"]));
    session.exp_string("waiting").unwrap();
    session.send_control('c').unwrap();
    let (shown, code) = end(session);
    assert_eq!(code, 3, "{shown}");
    assert!(shown.contains("was cancelled"), "{shown}");

    let mut session = on_a_terminal(runtime.command(&["submit", "stubborn"]));
    session.exp_string("not listening").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("press Ctrl-C again to leave at once").unwrap();
    session.send_control('c').unwrap();
    assert_eq!(end(session).1, 130);
    runtime.gate.open(1);
}

#[test]
fn typing_the_input_can_be_interrupted() {
    let runtime = Runtime::start();
    let mut session = on_a_terminal(runtime.command(&["submit", "echo", "--input", "-"]));
    session.exp_string("Ctrl-D").unwrap();
    session.send_control('c').unwrap();
    let (shown, code) = end(session);
    assert_eq!(code, 3, "{shown}");
    assert!(shown.contains("nothing was submitted"), "{shown}");

    let mut session = on_a_terminal(runtime.command(&["submit", "echo", "--input", "-"]));
    session.exp_string("Ctrl-D").unwrap();
    session.send_line("[1]").unwrap();
    session.send_control('d').unwrap();
    let (shown, code) = end(session);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(r#"{"echoed":[1]}"#), "{shown}");
}

#[test]
fn an_empty_line_is_no_answer() {
    let runtime = Runtime::start();
    let questions = r#"[{"prompt": "Name?"}]"#;
    let mut session = on_a_terminal(runtime.command(&["submit", "asks", "--input", questions]));
    session.exp_string("Name?").unwrap();
    session.send_line("").unwrap();
    session.exp_string("nothing was typed").unwrap();
    session.exp_string("Name?").unwrap();
    session.send_line("\"\"").unwrap();
    let (shown, code) = end(session);
    assert!(code == 0 && shown.contains(r#"[["","#), "{shown}");
}

#[test]
fn a_streamed_result_does_not_control_the_terminal() {
    let runtime = Runtime::start();
    let (shown, code) = end(on_a_terminal(runtime.command(&["submit", "binary"])));
    assert_eq!(code, 0);
    let result = shown.rfind(r"text \u{1b}[2J").unwrap_or_else(|| panic!("{shown:?}"));
    assert!(!shown[result..].contains('\u{1b}'), "nothing is drawn over it: {shown:?}");
}

#[test]
fn bars_stay_while_a_result_is_written_to_a_file() {
    let runtime = Runtime::start();
    let mut session = on_a_terminal(runtime.command(&["submit", "pieces", "--output", &runtime.path("result")]));
    session.exp_regex("pieces.*result 6 B").unwrap();
    runtime.gate.open(1);
    assert_eq!(end(session).1, 0);
    assert_eq!(std::fs::read_to_string(runtime.path("result")).unwrap(), "first last\n");
}

#[test]
fn a_watch_redraws_the_list_in_place() {
    let runtime = Runtime::start();
    let mut job = runtime.start_command(&["submit", "waits"]);
    job.until("waiting");
    let mut session = on_a_terminal(runtime.command(&["jobs", "--watch=20ms"]));
    session.exp_regex("waits.*running").unwrap();
    runtime.gate.open(1);
    let (drawn, _) = session.exp_regex("waits.*success").unwrap();
    assert!(drawn.contains("\u{1b}[2K") || drawn.contains("\u{1b}[1A"), "the earlier lines are replaced: {drawn:?}");
    assert_eq!(job.end().code, Some(0));
    session.send_control('c').unwrap();
    assert_eq!(end(session).1, 0);
}
