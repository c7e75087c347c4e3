//! Streamed results (core/docs/arcp.md §8.4).

use crate::support::{Harness, kind, result};
use nuncio_core::arcp::client::{ClientConfig, ClientEvent, ClientOutput};

fn chunk(seq: u64, chunk_seq: u64, data: &str, encoding: &str, more: bool) -> String {
    let body = format!(
        r#"{{"result_id":"res_1","chunk_seq":{chunk_seq},"data":"{data}","encoding":"{encoding}","more":{more}}}"#
    );
    kind("j", seq, "result_chunk", &body)
}

fn end(seq: u64, members: &str) -> String {
    result("j", seq, &format!(r#""final_status":"success"{members}"#))
}

#[test]
fn chunks_are_decoded_and_counted() {
    let mut harness = Harness::live();
    harness.job("j");
    let lines = harness.frames([
        &*chunk(1, 0, "he\\u006clo ", "utf8", true),
        &chunk(2, 1, "d29ybGQ=", "base64", true),
        &chunk(3, 2, "IQ", "base64", false),
        &end(4, r#","result_id":"res_1","result_size":12,"summary":"s""#),
    ]);
    assert_eq!(
        lines,
        [
            r#"h0 #1 chunk 0 "hello " more=true"#,
            r#"h0 #2 chunk 1 "world" more=true"#,
            r#"h0 #3 chunk 2 "!" more=false"#,
            "h0 #4 success streamed 12 complete=true"
        ]
    );
}

#[test]
fn the_last_chunk_may_be_empty_and_the_terminal_may_omit_the_result_id() {
    for members in ["", r#","result":null"#, r#","result_id":"res_1""#] {
        let mut harness = Harness::live();
        harness.job("j");
        let lines =
            harness.frames([&*chunk(1, 0, "all", "utf8", true), &chunk(2, 1, "", "utf8", false), &end(3, members)]);
        assert_eq!(
            lines[1..],
            [r#"h0 #2 chunk 1 "" more=false"#, "h0 #3 success streamed 3 complete=true"],
            "{members}"
        );
    }
}

/// A runtime that keeps text in units of 16 bits may cut it between the halves of a character.
#[test]
fn a_character_that_is_cut_between_two_chunks_is_joined() {
    let mut harness = Harness::live();
    harness.job("j");
    let lines = harness.frames([
        &*chunk(1, 0, r"a\ud83d", "utf8", true),
        &chunk(2, 1, r"\ude00b\ude00", "utf8", true),
        &chunk(3, 2, r"c\ud83d", "utf8", true),
        &chunk(4, 3, "IQ", "base64", true),
        &chunk(5, 4, r"\ud83d", "utf8", false),
    ]);
    assert_eq!(
        lines,
        [
            r#"h0 #1 chunk 0 "a" more=true"#,
            "h0 #2 chunk 1 \"\u{1f600}b\u{fffd}\" more=true",
            r#"h0 #3 chunk 2 "c" more=true"#,
            "h0 #4 chunk 3 \"\u{fffd}!\" more=true",
            "h0 #5 chunk 4 \"\u{fffd}\" more=false",
        ]
    );
}

#[test]
fn a_streamed_result_may_have_no_chunks() {
    for (members, complete) in [("", true), (r#","result_size":0"#, true), (r#","result_size":5"#, false)] {
        let mut harness = Harness::live();
        harness.job("j");
        let lines = harness.frame(&end(1, &format!(r#","result_id":"res_1"{members}"#)));
        assert_eq!(lines, [format!("h0 #1 success streamed 0 complete={complete}")]);
    }
}

#[test]
fn an_incomplete_stream_is_not_reported_as_complete() {
    let mut harness = Harness::live();
    harness.job("j");
    let lines = harness.frames([&*chunk(1, 0, "abc", "utf8", true), &end(2, r#","result_id":"res_1""#)]);
    assert_eq!(lines[1], "h0 #2 success streamed 3 complete=false", "the last chunk is missing");

    let mut harness = Harness::live();
    harness.job("j");
    let lines = harness.frames([&*chunk(1, 0, "abc", "utf8", false), &end(2, r#","result_size":4"#)]);
    assert_eq!(lines[1], "h0 #2 success streamed 3 complete=false", "the size differs");
}

#[test]
fn a_broken_stream_is_reported_once_and_does_not_change_the_jobs_end() {
    let other =
        kind("j", 2, "result_chunk", r#"{"result_id":"other","chunk_seq":1,"data":"","encoding":"utf8","more":true}"#);
    let faults = [
        (chunk(2, 2, "", "utf8", true), "a chunk is missing"),
        (chunk(2, 1, "?", "base64", true), "the data of a chunk is not valid base64"),
        (chunk(2, 1, "", "rot13", true), "the encoding of a chunk is neither utf8 nor base64"),
        (other, "a chunk belongs to another result"),
    ];
    for (bad, reason) in faults {
        let mut harness = Harness::live();
        harness.job("j");
        harness.frame(&chunk(1, 0, "abc", "utf8", true));
        assert_eq!(harness.frame(&bad), [format!("h0 chunk fault: {reason}")]);
        assert!(harness.frame(&chunk(3, 1, "def", "utf8", false)).is_empty());
        assert_eq!(harness.frame(&end(4, "")), ["h0 #4 success streamed 3 complete=false"]);
    }
    let mut harness = Harness::live();
    harness.job("j");
    harness.frame(&chunk(1, 0, "abc", "utf8", false));
    assert_eq!(harness.frame(&chunk(2, 1, "d", "utf8", true)), ["h0 chunk fault: a chunk follows the last one"]);
}

#[test]
fn a_chunk_that_cannot_be_read_is_delivered_as_an_event() {
    let mut harness = Harness::live();
    harness.job("j");
    let odd = kind("j", 1, "result_chunk", r#"{"data":7}"#);
    assert_eq!(harness.frame(&odd), [r#"h0 #1 result_chunk {"data":7}"#]);
    assert_eq!(harness.frame(&end(2, "")), ["h0 #2 success streamed 0 complete=false"]);
}

#[test]
fn chunks_and_results_beyond_their_limits_are_faults() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| {
        config.limits.chunk_bytes = 4;
        config.limits.result_bytes = 6;
    }));
    harness.job("j");
    assert_eq!(harness.frame(&chunk(1, 0, "YWJjZA==", "base64", true)), [r#"h0 #1 chunk 0 "abcd" more=true"#]);
    assert_eq!(
        harness.frame(&chunk(2, 1, "abcd", "utf8", true)),
        ["h0 chunk fault: the result is larger than the limit"]
    );
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.chunk_bytes = 4));
    harness.job("j");
    assert_eq!(
        harness.frame(&chunk(1, 0, "abcde", "utf8", true)),
        ["h0 chunk fault: a chunk is larger than the limit"]
    );
}

#[test]
fn a_handle_that_starts_in_the_middle_of_a_stream_receives_the_rest() {
    let mut subscribed = Harness::live();
    subscribed.subscribe("j");
    subscribed.frame(r#"{"type":"job.subscribed","payload":{"job_id":"j","current_status":"running"}}"#);
    // A submit may be answered with a job that is already running (§7.2).
    let mut attached = Harness::live();
    attached.job("j");
    for mut harness in [subscribed, attached] {
        let lines = harness.frames([&*chunk(1, 5, "fgh", "utf8", true), &chunk(2, 6, "i", "utf8", false), &end(3, "")]);
        assert_eq!(
            lines,
            [
                r#"h0 #1 chunk 5 "fgh" more=true"#,
                r#"h0 #2 chunk 6 "i" more=false"#,
                "h0 #3 success streamed 4 complete=false"
            ]
        );
    }
}

#[test]
fn a_replayed_chunk_is_delivered_once() {
    let mut harness = Harness::live();
    harness.subscribe("j");
    harness.frame(r#"{"type":"job.subscribed","payload":{"job_id":"j","current_status":"running"}}"#);
    harness.frame(&chunk(1, 0, "a", "utf8", true));
    assert!(harness.frame(&chunk(2, 0, "a", "utf8", true)).is_empty());
    assert_eq!(harness.frame(&chunk(3, 1, "b", "utf8", true)), [r#"h0 #3 chunk 1 "b" more=true"#]);
}

#[test]
fn a_result_id_that_is_too_long_is_a_fault() {
    let mut harness = Harness::live();
    harness.job("j");
    let before = harness.client.bytes_held();
    let body =
        format!(r#"{{"result_id":"{}","chunk_seq":0,"data":"x","encoding":"utf8","more":true}}"#, "r".repeat(500_000));
    let lines = harness.frame(&kind("j", 1, "result_chunk", &body));
    assert_eq!(lines, ["h0 chunk fault: the result_id of a chunk is too long"]);
    assert!(harness.client.bytes_held() < before + 1_000);
}

#[test]
fn an_inline_result_in_base64_has_its_bytes() {
    let results = [
        (r#""result":"d/9ybGQ=","encoding":"base64""#, Some(&b"w\xffrld"[..])),
        (r#""result":"d/9ybGQ=""#, None),
        (r#""result":7,"encoding":"base64""#, None),
        (r#""result":"%","encoding":"base64""#, None),
    ];
    for (members, bytes) in results {
        let mut harness = Harness::live();
        harness.job("j");
        let frame = result("j", 1, &format!(r#""final_status":"success",{members}"#));
        harness.client.handle_frame(harness.now, &bytes::Bytes::from(frame));
        let Some(ClientOutput::Event(ClientEvent::Terminal { outcome, .. })) = harness.client.poll_output() else {
            panic!("no terminal")
        };
        assert_eq!(outcome.inline_bytes().as_deref(), bytes, "{members}");
    }
}
