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
