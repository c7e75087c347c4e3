//! Tests of the messages.

use std::time::Duration;

use nuncio_core::lease::Operation;
use nuncio_tokio::arcp::{Answer, ErrorCode, Failure, Fault, Json, Output, Question};
use serde_json::json;

use super::{Chunk, Id, Message, parse, too_long};
use crate::exec::answer::{
    allowed, answered, delegated, denied, input, invalid, not_asked, not_delegated, not_reserved, reserved,
};
use crate::exec::ending::Ending;

fn message(line: &str) -> Message {
    parse(line.as_bytes()).expect("the line is not empty")
}

fn raw(json: &str) -> Box<Json> {
    Json::from_string(json.to_owned()).expect("JSON")
}

fn reason(line: &str) -> String {
    match message(line) {
        Message::Invalid(reason) => reason,
        other => panic!("{line} is {other:?}"),
    }
}

fn unreadable(line: &str) -> String {
    match message(line) {
        Message::Unreadable(reason) => reason,
        other => panic!("{line} is {other:?}"),
    }
}

#[test]
fn a_line_that_is_not_a_json_object_is_text() {
    for line in
        ["hello", "  hello \r", "42", "[1]", "\"x\"", "null", "{'a': 1}", "{a: 1}", "{\"resul", "{} {}", "{", "}"]
    {
        assert!(matches!(message(line), Message::Text(text) if text == line.trim()), "{line}");
    }
    assert!(matches!(parse(b"\xff\xfe"), Some(Message::Text(text)) if text == "\u{fffd}\u{fffd}"));
    assert!(parse(b" \t").is_none());
}

/// Python prints a dictionary so. A debug line of this form does no harm to a job that has a result.
#[test]
fn a_result_in_single_quotes_may_be_lost_and_other_text_in_them_is_text() {
    for line in ["{'result': 42}", "{ 'chunk': 'a'}", "{'error': {'message': \"a\"}}"] {
        let Message::Unknown(reason) = message(line) else { panic!("{line} may be a result") };
        assert_eq!(reason, format!("JSON has double quotes, not single ones, in {line}"));
    }
    // Node.js prints an object so.
    let Message::Unknown(reason) = message("{ result: 'a' }") else { panic!("it may be a result") };
    assert_eq!(reason, "JSON has its names in double quotes, in { result: 'a' }");
    for line in ["{'kind': 'log'}", "{'results': 1}", "'result'", "{results: 'a'}", "{result}", "{'a': {'result': 1}}"]
    {
        assert!(matches!(message(line), Message::Text(text) if text == line), "{line}");
    }
    assert!(
        matches!(too_long(b"{'result': [", 99), Message::Unknown(reason) if reason.contains("begins with {'result'"))
    );
}

#[test]
fn an_event_has_a_kind_and_a_body_of_that_kind() {
    let Message::Event(body, None) = message(r#"{"kind":"progress","body":{"current":1,"total":2}}"#) else {
        panic!("an event")
    };
    assert_eq!((body.kind(), body.json()), ("progress", r#"{"current":1,"total":2}"#));
    assert!(matches!(message(r#"{"body":[1],"kind":"x-vendor.acme.any"}"#), Message::Event(_, None)));
    insta::assert_snapshot!(reason(r#"{"kind":"progress","body":{"current":-1}}"#), @"progress cannot be negative");
    insta::assert_snapshot!(reason(r#"{"kind":"nonsense","body":{}}"#), @"the kind is unknown; use log, thought, status, metric, progress, tool_call, tool_result, artifact_ref or x-vendor.<vendor>.<name>");
    insta::assert_snapshot!(reason(r#"{"kind":7,"body":{}}"#), @"kind: invalid type: integer `7`, expected a string");
    insta::assert_snapshot!(reason(r#"{"kind":"delegate","body":{}}"#), @r#"write {"delegate": {...}} to delegate, not an event"#);
}

#[test]
fn an_object_that_is_not_a_message_is_invalid_for_a_reason() {
    let two = reason(r#"{"resul":1,"more":2}"#);
    insta::assert_snapshot!(two, @"unknown field `resul` (did you mean `result`?)");
    let mixed = reason("{}");
    insta::assert_snapshot!(mixed, @"a message has kind and body, or one of result, chunk, error, authorize, delegate, reserve, release and ask; authorize, delegate, reserve and ask may also have an id, and an event a reservation");
    for line in [r#"{"kind":"log"}"#, r#"{"body":{}}"#, r#"{"level":"info","msg":"a line of another log"}"#] {
        assert!(!reason(line).is_empty(), "{line}");
    }
}

#[test]
fn a_misspelled_result_is_no_success_without_a_result() {
    let Message::Unknown(reason) = message(r#"{"resutl":42}"#) else { panic!("it is one member that is not known") };
    assert!(reason.starts_with("unknown field `resutl`") && reason.ends_with(r#", in {"resutl":42}"#), "{reason}");
    let mut ending = Ending::default();
    ending.unknown(7, &reason);
    let failed = show(ending.conclude(true, "exit status: 0", &json!({})));
    assert!(failed.contains("the program gave no result, and line 7 is no message: unknown field"), "{failed}");
    // Programs that log objects succeed with their result.
    let mut ending = Ending::default();
    ending.unknown(7, &reason);
    assert_eq!(ending.result(raw("1")), Ok(()));
    assert_eq!(show(ending.conclude(true, "exit status: 0", &json!({}))), "1");
    let mut ending = Ending::default();
    ending.unknown(7, &reason);
    assert_eq!(ending.chunk(), Ok(()));
    assert_eq!(show(ending.conclude(true, "exit status: 0", &json!({}))), "streamed");
}

#[test]
fn a_line_that_may_have_been_a_result_is_unreadable_and_shows_the_place() {
    insta::assert_snapshot!(unreadable(r#"{"result": {"score": NaN}}"#), @"expected value at …NaN}}");
    insta::assert_snapshot!(unreadable(r#"{ "chunk": "to be contin"#), @r#"it ends within a message, after { "chunk": "to be contin"#);
    insta::assert_snapshot!(unreadable(r#"{"id":1,"result":NaN}"#), @"expected value at …NaN}");
    insta::assert_snapshot!(unreadable(r#"{"id":1,"delegate":{"agent":"x","input":NaN}}"#), @"expected value at …NaN}}");
    insta::assert_snapshot!(unreadable(r#"{"score":NaN,"result":1}"#), @r#"expected value at …NaN,"result":1}"#);
    insta::assert_snapshot!(unreadable(r#"{"authorize":"#), @r#"it ends within a message, after {"authorize":"#);
    insta::assert_snapshot!(unreadable(r#"{"result":1,"result":2}"#), @r#"duplicate field `result`, in {"result":1,"result":2}"#);
    insta::assert_snapshot!(unreadable(r#"{"result":1,"chunk":"a"}"#), @r#"a message has kind and body, or one of result, chunk, error, authorize, delegate, reserve, release and ask; authorize, delegate, reserve and ask may also have an id, and an event a reservation, in {"result":1,"chunk":"a"}"#);
    insta::assert_snapshot!(unreadable("{\"error\":\"\u{9b}2J\u{202e}\"}"), @r#"error: invalid type: string "\u{9b}2J\u{202e}", expected an object with a message, in {"error":"\u{9b}2J\u{202e}"}"#);
    assert!(matches!(too_long(b"{\"result\": [1, 2", 10), Message::Unreadable(reason) if reason.contains("10 bytes")));
    assert!(matches!(too_long(b"{\"level\": 1", 10), Message::Invalid(_)));

    let mut ending = Ending::default();
    ending.unreadable(3, "why");
    ending.unreadable(4, "again");
    assert_eq!(ending.result(raw("1")), Ok(()));
    let failed = show(ending.conclude(true, "ended with exit status 0", &json!({})));
    assert!(failed.contains("line 3 of the program's output cannot be read: why"), "{failed}");
}

#[test]
fn halves_of_a_character_become_a_replacement_character() {
    assert!(matches!(message(r#"{"result":"a\ud83d"}"#), Message::Result(json) if json.get() == r#""a\ufffd""#));
    let Message::Event(body, None) = message(r#"{"kind":"log","body":{"level":"info","message":"\ude00"}}"#) else {
        panic!("an event")
    };
    assert!(body.json().contains(r"\ufffd"), "{}", body.json());
    assert_eq!(
        input(Some(&raw(r#"{"a":"\ud83d","b":"\ud83d\ude00"}"#))),
        "{\"a\":\"\\ufffd\",\"b\":\"\\ud83d\\ude00\"}\n"
    );
    let given = Answer::Given { value: raw(r#""\udc00""#).into(), by: "alice".into(), note: None };
    assert!(answered(&None, &given).contains(r#""value":"\ufffd""#));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_line() {
    assert!(matches!(message("\u{feff}{\"result\":5}"), Message::Result(json) if json.get() == "5"));
    assert!(matches!(message("\u{feff}hello"), Message::Text(text) if text == "hello"));
    insta::assert_snapshot!(unreadable("\u{feff}{\"result\":NaN}"), @"expected value at …NaN}");
    assert!(parse("\u{feff}\r".as_bytes()).is_none());
    assert!(matches!(too_long("\u{feff}{\"result\":".as_bytes(), 9), Message::Unreadable(_)));
}

#[test]
fn a_message_is_utf_8() {
    let parsed = |line| parse(line).expect("the line is not empty");
    for line in [
        &b" {\"result\":\"a\xff\"}"[..],
        b"{\"chunk\":\"\xff\"}",
        b"{\"kind\":\"log\",\"body\":{\"level\":\"info\",\"message\":\"\xff\"}}",
    ] {
        let Message::Unreadable(reason) = parsed(line) else { panic!("{line:?}") };
        assert!(reason.starts_with("it is not UTF-8 at …\u{fffd}\""), "{reason}");
    }
    assert!(matches!(parsed(b"{\"result\":\"a\xe2\x82"), Message::Unreadable(_)));
    assert!(matches!(parsed(b"{\"level\":\"\xff\",\"message\":1}"), Message::Invalid(_)));
    assert!(matches!(parsed(b"a\xff{\"result\":1}"), Message::Text(_)));
}

#[test]
fn a_result_may_be_null() {
    assert!(matches!(message(r#"{"result":null}"#), Message::Result(json) if json.get() == "null"));
    assert!(
        matches!(message(r#" {"result": [1, {"a": 0.10}]} "#), Message::Result(json) if json.get() == r#"[1, {"a": 0.10}]"#)
    );
}

#[test]
fn a_chunk_is_text_or_base64() {
    let chunk = |line| match message(line) {
        Message::Chunk(chunk) => chunk,
        other => panic!("{line} is {other:?}"),
    };
    assert!(matches!(chunk(r#"{"chunk":"a\nb"}"#), Chunk::Text(json) if json.get() == r#""a\nb""#));
    assert!(matches!(chunk(r#"{"chunk":{"base64":"AP8="}}"#), Chunk::Bytes(bytes) if bytes == [0, 255]));
    insta::assert_snapshot!(unreadable(r#"{"chunk":{"base64":"?"}}"#), @r#"chunk: not valid Base64: Invalid symbol 63, offset 0., in {"chunk":{"base64":"?"}}"#);
    insta::assert_snapshot!(unreadable(r#"{"chunk":7}"#), @r#"chunk: write a string, or {"base64": "..."}, in {"chunk":7}"#);
}

#[test]
fn questions_carry_an_id_of_any_kind() {
    let Message::Authorize(id, question) = message(r#"{"authorize":{"cap":"net.fetch","target":"a"},"id":{"n":1}}"#)
    else {
        panic!("a question")
    };
    assert_eq!((question.cap.as_str(), question.target.as_str()), ("net.fetch", "a"));
    assert_eq!(id.expect("the id").get(), r#"{"n":1}"#);
    assert!(matches!(message(r#"{"delegate":{"agent":"search"}}"#), Message::Delegate(None, _)));
    insta::assert_snapshot!(reason(r#"{"authorize":{"cap":"x"}}"#), @"authorize: missing field `target`");
    insta::assert_snapshot!(reason(r#"{"delegate":{"agnt":"x"}}"#), @"delegate: unknown field `agnt` (did you mean `agent`?)");
}

#[test]
fn amounts_are_reserved_settled_and_released_by_number() {
    let Message::Reserve(Some(id), amount) = message(r#"{"reserve":{"currency":"USD","amount":0.10},"id":1}"#) else {
        panic!("an amount to reserve")
    };
    assert_eq!((id.get(), amount.currency.as_str(), amount.amount.as_str()), ("1", "USD", "0.10"), "exact");
    let ask = r#"{"authorize":{"cap":"tool.call","target":"t","reserve":{"currency":"USD","amount":1}}}"#;
    assert!(matches!(message(ask), Message::Authorize(None, question) if question.reserve.is_some()));
    let cost = r#"{"kind":"metric","body":{"name":"cost.x","value":0.1,"unit":"USD"},"reservation":7}"#;
    assert!(matches!(message(cost), Message::Event(_, Some(7))));
    assert!(matches!(message(r#"{"release":7}"#), Message::Release(7)));
    for line in [
        r#"{"reserve":{"currency":"USD","amount":"0.1"}}"#,
        r#"{"reserve":{"currency":"USD"}}"#,
        r#"{"reserve":1}"#,
        r#"{"release":-1}"#,
        r#"{"release":1,"id":1}"#,
        r#"{"reservation":1}"#,
        r#"{"kind":"log","body":{"level":"info","message":"m"},"reservation":"1"}"#,
    ] {
        assert!(!reason(line).is_empty(), "{line}");
    }
}

#[test]
fn people_are_asked_with_choices_a_schema_or_neither() {
    let Message::Ask(Some(id), question) = message(r#"{"ask":{"prompt":"Send it?","choices":["yes","no"]},"id":4}"#)
    else {
        panic!("a question")
    };
    assert_eq!((id.get(), *question), ("4", Question::new("Send it?").choices(["yes", "no"])));
    let whole = r#"{"ask":{"prompt":"?","schema":{"type":"null"},"default":null,"deadline_sec":60,"key":"k"}}"#;
    let Message::Ask(None, question) = message(whole) else { panic!("a question") };
    let expected = Question::new("?").schema(&json!({"type": "null"})).default(&()).key("k");
    assert_eq!(*question, expected.deadline(Duration::from_mins(1)));
    for line in [r#"{"ask":{}}"#, r#"{"ask":"?"}"#, r#"{"ask":{"prompt":"?","choice":[]}}"#, r#"{"ask":{"prompt":1}}"#]
    {
        assert!(!reason(line).is_empty(), "{line}");
    }
}

#[test]
fn answers_are_one_line_each() {
    let id: Id = Some(raw("7"));
    let operation = Operation::new("net.fetch", "https://example.com/a").expect("an operation");
    let fault = Fault::new(ErrorCode::PermissionDenied, "no\nway");
    let answers = [
        allowed(&id, &operation, None),
        allowed(&id, &operation, Some(1)),
        denied(&id, &fault),
        delegated(&None, "job_1"),
        not_delegated(&id, &fault),
        reserved(&id, 2),
        not_reserved(&id, &fault),
        answered(&id, &Answer::Given { value: raw("\"yes\"").into(), by: "alice".into(), note: Some("a\nb".into()) }),
        answered(&None, &Answer::Default { value: raw("[1,\n2]").into() }),
        answered(&id, &Answer::Expired),
        not_asked(&id, &fault),
        invalid(3, "because"),
        input(Some(&raw("{\n  \"a\": 1\n}"))),
        input(None),
    ];
    assert!(answers.iter().all(|answer| answer.matches('\n').count() == 1 && answer.ends_with('\n')));
    insta::assert_snapshot!(answers.concat(), @r#"
    {"authorize":{"allowed":true,"target":"https://example.com/a"},"id":7}
    {"authorize":{"allowed":true,"target":"https://example.com/a","reservation":1},"id":7}
    {"authorize":{"allowed":false,"code":"PERMISSION_DENIED","reason":"no\nway"},"id":7}
    {"delegate":{"job_id":"job_1"}}
    {"delegate":{"error":{"code":"PERMISSION_DENIED","message":"no\nway"}},"id":7}
    {"reserve":{"reservation":2},"id":7}
    {"reserve":{"error":{"code":"PERMISSION_DENIED","message":"no\nway"}},"id":7}
    {"ask":{"outcome":"answered","value":"yes","by":"alice","note":"a\nb"},"id":7}
    {"ask":{"outcome":"default","value":[1, 2]}}
    {"ask":{"outcome":"expired"},"id":7}
    {"ask":{"error":{"code":"PERMISSION_DENIED","message":"no\nway"}},"id":7}
    {"invalid":{"line":3,"reason":"because"}}
    {   "a": 1 }
    null
    "#);
}

fn show(ended: Result<Output, Failure>) -> String {
    match ended {
        Ok(Output::Inline(json)) => json.get().to_owned(),
        Ok(Output::Streamed { .. }) => "streamed".to_owned(),
        Err(failure) => format!("{failure:?}"),
    }
}

#[test]
fn the_first_result_counts_and_only_with_success() {
    let mut ending = Ending::default();
    assert_eq!(ending.result(raw("1")), Ok(()));
    assert!(ending.result(raw("2")).is_err());
    assert!(ending.chunk().is_err());
    assert_eq!(show(ending.conclude(true, "ended with exit status 0", &json!({}))), "1");

    let mut ending = Ending::default();
    assert_eq!(ending.result(raw("1")), Ok(()));
    let failed = show(ending.conclude(false, "ended with exit status 3", &json!({ "exit_status": 3 })));
    assert!(failed.contains("ended with exit status 3") && failed.contains("INTERNAL_ERROR"), "{failed}");
}

#[test]
fn the_result_is_null_without_a_message() {
    assert_eq!(show(Ending::default().conclude(true, "", &json!({}))), "null");
}

#[test]
fn chunks_are_the_result() {
    let mut ending = Ending::default();
    assert_eq!((ending.chunk(), ending.chunk()), (Ok(()), Ok(())));
    assert!(ending.result(raw("1")).is_err());
    assert_eq!(show(ending.conclude(true, "", &json!({}))), "streamed");
}

#[test]
fn an_error_fails_the_job_whatever_the_exit_status() {
    for success in [true, false] {
        let Message::Failure(failure) = message(r#"{"error":{"code":"INVALID_REQUEST","message":"no pages"}}"#) else {
            panic!("an error")
        };
        let mut ending = Ending::default();
        assert_eq!(ending.failure(failure), Ok(()));
        let failed = show(ending.conclude(success, "ended with exit status 1", &json!({})));
        assert!(failed.contains("INVALID_REQUEST") && failed.contains("no pages"), "{failed}");
    }
    assert!(matches!(message(r#"{"error":{"message":"m"}}"#), Message::Failure(_)));
}
