//! Programs ask people.

use super::*;
use crate::support::run;

#[test]
fn a_program_asks_people() {
    let serving = python(
        r#"hear()
say(ask={"prompt": "First?", "choices": ["yes", "no"]}, id=1)
say(ask={"prompt": "Second?", "default": 7, "schema": {"type": "integer"}, "deadline_sec": 0}, id=2)
say(ask={"prompt": "Third?", "schema": {"format": "date"}}, id=3)
answers = sorted([hear(), hear(), hear()], key=lambda answer: answer["id"])
answers[2]["ask"]["error"].pop("message")
print("got", json.dumps(answers), flush=True)
"#,
        &["--approver", "bob", "--token", "u=bob"],
    );
    let mut following = Following::start(&serving, &[]);
    let accepted = following.until("accepted ");
    let job = accepted.split(' ').nth(1).expect("the job's id");
    following.until("First?");
    let answered = run(&["answer", job, "q1", "yes", "--note", "go on", "--url", &serving.url, "--token", "u"]);
    assert_eq!(answered.status.code(), Some(0), "{}", stderr(&answered));
    let line = following.until("got ");
    let answers = line.split_once("got ").map_or("", |(_, answers)| answers);
    let answers: serde_json::Value =
        serde_json::Deserializer::from_str(answers).into_iter().next().expect("a value").expect("JSON");
    let expected = serde_json::json!([
        {"ask": {"outcome": "answered", "value": "yes", "by": "bob", "note": "go on"}, "id": 1},
        {"ask": {"outcome": "default", "value": 7}, "id": 2},
        {"ask": {"error": {"code": "INVALID_REQUEST"}}, "id": 3},
    ]);
    assert_eq!(answers, expected);
    assert_eq!(following.end().0, Some(0));
}

/// A program such as `sort` reads its input to the end.
#[test]
fn the_stdin_of_a_program_that_asks_nothing_ends_after_the_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("serve.toml");
    let program = r#"sh -c 'read -r input; cat; echo "{\"result\":$input}"'"#;
    std::fs::write(&config, format!("[agents.it]\ncommand = {program:?}\nquestions = false\n")).expect("a file");
    let serving = serving(&["--config", config.to_str().expect("a path that is text")]);
    // A limit that is reached only if the program waits for more.
    let output = submit(&serving, &["--input", "7", "--max-runtime", "1m"]);
    assert_eq!(succeeded(&output), "7");
}

#[test]
fn the_answer_to_authorize_comes_when_people_have_decided() {
    let serving = python(
        r#"hear()
for target in ["payments.a", "payments.b", "payments.c", "search"]:
    say(authorize={"cap": "tool.call", "target": target, "reserve": {"currency": "USD", "amount": 0.25}}, id=target)
print("got", json.dumps(hear()), flush=True)
say(authorize={"cap": "model.use", "target": "big/one"}, id="model")
answers = {}
for _ in range(4):
    answer = hear()
    answers[answer["id"]] = answer["authorize"]
say(kind="metric", body={"name": "cost.pay", "value": 0.1, "unit": "USD"}, reservation=answers["payments.a"]["reservation"])
say(result=answers)
"#,
        &["--ask", "tool.call=payments.*", "--ask", "model.use=big/*", "--approver", "bob", "--token", "u=bob"],
    );
    let lease = r#"{"tool.call":["payments.*","search"],"model.use":["**"],"cost.budget":["USD:1.00"]}"#;
    let mut following = Following::start(&serving, &["--lease", lease]);
    let accepted = following.until("accepted ");
    let job = accepted.split(' ').nth(1).expect("the job's id");
    let line = following.until("got ");
    assert!(line.contains(r#""allowed": true, "target": "search""#), "the others wait, and this one does not: {line}");
    let answers =
        [("q1", "approve", "go on"), ("q2", "refuse", "too much"), ("q4", "approve", "yes"), ("q3", "refuse", "no")];
    following.until("Approve model.use \"big/one\"");
    for (question, value, note) in answers {
        let answered = run(&["answer", job, question, value, "--note", note, "--url", &serving.url, "--token", "u"]);
        assert_eq!(answered.status.code(), Some(0), "{}", stderr(&answered));
    }
    let (code, rest) = following.end();
    assert_eq!(code, Some(0), "{rest}");
    let result = run(&["tail", job, "--from", "0", "--json", "--url", &serving.url, "--token", "t"]);
    let result = stdout(&result).lines().last().expect("a line").to_owned();
    let result: serde_json::Value = serde_json::from_str(&result).expect("JSON");
    let expected = serde_json::json!({
        "payments.a": {"allowed": true, "target": "payments.a", "reservation": 2},
        "payments.b": {"allowed": false, "code": "PERMISSION_DENIED",
            "reason": "bob has refused tool.call \"payments.b\": too much"},
        "payments.c": {"allowed": false, "code": "PERMISSION_DENIED",
            "reason": "bob has refused tool.call \"payments.c\": no"},
        "model": {"allowed": true, "target": "big/one"},
    });
    assert_eq!(result["result"], expected, "{result}");
}

#[test]
fn an_operation_that_nobody_approves_in_time_is_denied() {
    let serving = python(
        r#"hear()
say(authorize={"cap": "tool.call", "target": "payments.a"})
say(result=hear()["authorize"]["reason"])
"#,
        &["--ask", "tool.call=payments.*", "--approval-timeout", "1ms"],
    );
    let output = submit(&serving, &["--lease", r#"{"tool.call":["payments.*"]}"#]);
    assert_eq!(succeeded(&output), r#""tool.call \"payments.a\" was not approved in time""#);
}

#[test]
fn a_program_that_repeats_a_question_awaits_a_limited_number_of_answers() {
    let serving = python(
        r#"hear()
question = {"prompt": "Go on?", "key": "again", "choices": ["yes", "no"]}
for number in range(1001):
    say(ask=question, id=number)
refused = [hear()]
say(authorize={"cap": "tool.call", "target": "payments.a"}, id="pay")
refused.append(hear())
print("refused", json.dumps(refused), flush=True)
answers = [hear() for _ in range(1000)]
say(ask=question, id="more")
more = hear()
ids = sorted(answer["id"] for answer in answers) == list(range(1000))
say(result=[ids, {answer["ask"]["value"] for answer in answers} == {"yes"}, more["id"], more["ask"]["value"]])
"#,
        &["--ask", "tool.call=payments.*", "--approver", "bob", "--token", "u=bob"],
    );
    let mut following = Following::start(&serving, &["--lease", r#"{"tool.call":["payments.*"]}"#]);
    let accepted = following.until("accepted ");
    let job = accepted.split(' ').nth(1).expect("the job's id");
    let line = following.until("refused ");
    let refused = line.split_once("refused ").map_or("", |(_, refused)| refused);
    let refused: serde_json::Value =
        serde_json::Deserializer::from_str(refused).into_iter().next().expect("a value").expect("JSON");
    let reason =
        "the program already waits for 1000 answers of people, which is the limit; ask again when one has come";
    let expected = serde_json::json!([
        {"ask": {"error": {"code": "INTERNAL_ERROR", "message": reason}}, "id": 1000},
        {"authorize": {"allowed": false, "code": "INTERNAL_ERROR", "reason": reason}, "id": "pay"},
    ]);
    assert_eq!(refused, expected);
    let answered = run(&["answer", job, "q1", "yes", "--url", &serving.url, "--token", "u"]);
    assert_eq!(answered.status.code(), Some(0), "{}", stderr(&answered));
    let (code, rest) = following.end();
    assert_eq!(code, Some(0), "{rest}");
    let result = run(&["tail", job, "--from", "0", "--json", "--url", &serving.url, "--token", "t"]);
    let result = stdout(&result).lines().last().expect("a line").to_owned();
    let result: serde_json::Value = serde_json::from_str(&result).expect("JSON");
    assert_eq!(result["result"], serde_json::json!([true, true, "more", "yes"]), "{result}");
}
