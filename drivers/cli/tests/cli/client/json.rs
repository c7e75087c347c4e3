//! `--json`.

use serde_json::{Value, json};

use super::runtime::{Done, Runtime};

fn types(done: &Done) -> Vec<String> {
    done.lines().iter().map(|line| line["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn accepted_events_and_outcome_are_one_object_per_line() {
    let runtime = Runtime::start();
    let done = runtime.run(&["submit", "echo", "--input", "[1]", "--json", "--budget", "USD:1.5"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(types(&done), ["accepted", "event", "event", "outcome"]);
    let lines = done.lines();
    assert_eq!(lines[0]["budget"], json!({"USD": "1.5"}));
    assert_eq!(lines[0]["lease"], json!({"cost.budget": ["USD:1.5"]}));
    assert_eq!(lines[2]["kind"], "log");
    assert_eq!(lines[2]["body"]["message"], "echo started");
    let end = &lines[3];
    assert_eq!((&end["status"], &end["exit_code"]), (&json!("success"), &json!(0)));
    assert_eq!(end["result"], json!({"echoed": [1]}));
    assert!(lines.iter().all(|line| line["job_id"] == lines[0]["job_id"]));
}

#[test]
fn chunks_are_text_or_base64() {
    let runtime = Runtime::start();
    let done = runtime.run(&["submit", "binary", "--json"]);
    let chunks: Vec<Value> = done.lines().into_iter().filter(|line| line["type"] == "chunk").collect();
    assert_eq!((&chunks[0]["text"], &chunks[0]["more"]), (&json!("text \u{1b}[2J"), &json!(true)));
    assert_eq!((&chunks[1]["base64"], &chunks[1]["more"]), (&json!("AP8K"), &json!(false)));
    assert_eq!(done.lines().last().unwrap()["streamed_bytes"], 12);

    let path = runtime.path("result");
    let done = runtime.run(&["submit", "binary", "--json", "--output", &path]);
    assert!(!types(&done).contains(&"chunk".to_owned()), "they are in the file");
    assert_eq!(done.lines().last().unwrap()["output"], path.as_str());
    assert_eq!(std::fs::read(path).unwrap().len(), 12);
}

#[test]
fn failures_and_refusals_are_lines_with_their_exit_code() {
    let runtime = Runtime::start();
    let done = runtime.run(&["submit", "fail", "--json"]);
    let end = done.lines().pop().unwrap();
    assert_eq!((done.code, &end["exit_code"], &end["type"]), (Some(1), &json!(1), &json!("outcome")));
    assert_eq!(end["error"]["code"], "INTERNAL_ERROR");
    let done = runtime.run(&["submit", "nobody", "--json"]);
    let end = done.lines().pop().unwrap();
    assert_eq!((done.code, &end["exit_code"], &end["type"]), (Some(5), &json!(5), &json!("error")));
    assert!(!done.stderr.is_empty(), "the error is also on stderr");
}

#[test]
fn delegated_jobs_have_their_own_lines() {
    let runtime = Runtime::start();
    runtime.gate.open(1);
    let done = runtime.run(&["submit", "parent", "--json", "--lease", r#"{"agent.delegate":["echo"]}"#]);
    let lines = done.lines();
    let child = lines.iter().find(|line| line["type"] == "delegated").unwrap();
    assert_eq!((&child["parent_job_id"], &child["delegate_id"]), (&lines[0]["job_id"], &json!("d1")));
    let end = lines.iter().find(|line| line["type"] == "child_outcome").unwrap();
    assert_eq!((&end["job_id"], &end["status"]), (&child["job_id"], &json!("success")));
    assert!(end["exit_code"].is_null(), "only the last line has one");
}
