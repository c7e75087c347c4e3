//! Questions of agents: `questions`, `answer`, and prompts.

use serde_json::{Value, json};

use super::runtime::{Running, Runtime};

/// Submits the agent `asks` with its questions as the input, and returns the job's id and the command that follows it.
fn asked(runtime: &Runtime, questions: &Value) -> (String, Running) {
    let mut following = runtime.start_command(&["submit", "asks", "--input", &questions.to_string()]);
    let id = following.accepted();
    for _ in questions.as_array().unwrap() {
        following.until("x-vendor.nuncio.question");
    }
    (id, following)
}

#[test]
fn a_question_is_listed_and_answered() {
    let runtime = Runtime::start();
    let question = json!({"prompt": "Send the \u{1b}[31mmail?", "choices": ["yes", "no"]});
    let (job, following) = asked(&runtime, &json!([question]));
    let listed = runtime.run(&["questions"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert!(listed.stdout.contains(&job) && listed.stdout.contains("yes | no"), "{}", listed.stdout);
    assert!(!listed.stdout.contains('\u{1b}'), "control characters have no effect");
    let listed = runtime.run(&["questions", &job, "--json"]);
    let line: Value = serde_json::from_str(&listed.stdout).unwrap();
    let expected = json!({"type": "question", "job_id": job, "agent": "asks", "principal": "alice", "may_answer": true,
        "question": {"question_id": "q1", "prompt": "Send the \u{1b}[31mmail?", "choices": ["yes", "no"]}});
    assert_eq!(line, expected);
    let refused = runtime.run(&["answer", &job, "perhaps"]);
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    assert!(refused.stderr.contains("has to be one of"), "{}", refused.stderr);
    let answered = runtime.run(&["answer", &job, "yes", "--note", "go ahead"]);
    assert_eq!(answered.code, Some(0), "{}", answered.stderr);
    let done = following.end();
    assert_eq!((done.code, done.stdout.trim()), (Some(0), r#"[["yes","alice","go ahead"]]"#));
    assert!(done.stderr.contains(r#"q1 answered "yes" by alice: go ahead"#), "{}", done.stderr);
    let late = runtime.run(&["answer", &job, "yes"]);
    assert_eq!(late.code, Some(5));
    assert!(late.stderr.contains("no open question"), "{}", late.stderr);
    let repeated = runtime.run(&["answer", &job, "q1", "yes"]);
    assert_eq!(repeated.code, Some(0), "the same answer is taken again: {}", repeated.stderr);
    for (question, value, said) in [
        ("q1", "no", "the runtime refused the request: INVALID_REQUEST: the question was answered before"),
        ("q9", "yes", "the job has no open question q9; `nuncio questions` lists those of all jobs"),
    ] {
        let refused = runtime.run(&["answer", &job, question, value]);
        assert_eq!((refused.code, refused.stderr), (Some(5), format!("nuncio: {said}\n")));
    }
    assert!(runtime.run(&["questions"]).stderr.contains("no open questions"));
}

#[test]
fn without_a_terminal_the_command_that_answers_is_shown() {
    let runtime = Runtime::start();
    let (job, mut following) = asked(&runtime, &json!([{"prompt": "Send it?"}, {"prompt": "Why?"}]));
    for question in ["q1", "q2"] {
        let line = following.until(&format!("{question} waits"));
        let (_, command) = line.split_once("`nuncio ").unwrap();
        let (command, _) = command.split_once('`').unwrap();
        assert_eq!(command, format!("answer {job} {question} VALUE"));
        let answered = runtime.run(&command.replace("VALUE", "yes").split(' ').collect::<Vec<_>>());
        assert_eq!(answered.code, Some(0), "{}", answered.stderr);
    }
    assert_eq!(following.end().code, Some(0));
    // A history whose questions were answered needs no answer.
    let history = runtime.run(&["tail", &job]);
    assert!(history.stderr.contains("Send it?") && !history.stderr.contains("waits"), "{}", history.stderr);
}

#[test]
fn one_of_several_questions_is_named() {
    let runtime = Runtime::start();
    let schema = json!({"type": "integer"});
    let (job, following) = asked(&runtime, &json!([{"prompt": "How many?", "schema": schema}, {"prompt": "Why?"}]));
    let refused = runtime.run(&["answer", &job, "7"]);
    assert_eq!(refused.code, Some(2));
    let open = "q1 How many? (JSON that fits {\"type\":\"integer\"}); q2 Why? (any text)";
    let several = format!("nuncio: the job has 2 open questions: {open}; write `nuncio answer JOB QUESTION VALUE`\n");
    assert_eq!(refused.stderr, several);
    let refused = runtime.run(&["answer", &job, "q3", "7"]);
    assert_eq!(refused.code, Some(5));
    assert_eq!(refused.stderr, format!("nuncio: the job has no open question q3; open: {open}\n"));
    let refused = runtime.run(&["answer", &job, "q1", "many"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("is not JSON"), "{}", refused.stderr);
    for (question, value) in [("q2", "7"), ("q1", "7")] {
        let answered = runtime.run(&["answer", &job, question, value]);
        assert_eq!(answered.code, Some(0), "{}", answered.stderr);
    }
    assert_eq!(following.end().stdout.trim(), r#"[[7,"alice",null],["7","alice",null]]"#);
}

#[test]
fn a_watch_prints_each_question_once() {
    let runtime = Runtime::start();
    let (job, following) = asked(&runtime, &json!([{"prompt": "First?"}]));
    let mut watching = runtime.start_command(&["questions", "--watch=10ms", "--json"]);
    watching.read_out("First?");
    let (other, _follows) = asked(&runtime, &json!([{"prompt": "Second?"}]));
    let line: Value = serde_json::from_str(&watching.read_out("question_id")).unwrap();
    assert_eq!((line["job_id"].as_str(), line["question"]["prompt"].as_str()), (Some(&*other), Some("Second?")));
    runtime.run(&["answer", &job, "x"]);
    assert_eq!(following.end().code, Some(0));
}
