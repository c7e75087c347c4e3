//! §8.4: results streamed by the writer and by raw chunks.

use nuncio_core::arcp::{Body, Chunk, JobResult, Refused, Via};
use nuncio_tests::world::{FEATURES, Frame, Job, World, json_text};
use serde_json::{Value, json};

fn chunks(frames: &[Frame]) -> Vec<&Value> {
    frames.iter().filter(|frame| frame.event() == "result_chunk").map(Frame::body).collect()
}

fn raw_chunk(w: &mut World, job: &Job, body: &Value) -> Result<(), Refused> {
    let body = Body::raw("result_chunk", &json_text(&body.to_string())).unwrap();
    w.try_emit(job, &body)
}

fn chunk(id: &str, seq: u64, data: &str, more: bool) -> Value {
    json!({"result_id": id, "chunk_seq": seq, "data": data, "encoding": "utf8", "more": more})
}

#[test]
fn s8_4_chunks_are_contiguous_and_the_terminal_carries_id_and_size() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.chunk(&job, Chunk::Bytes(b""), false).unwrap();
    w.chunk(&job, Chunk::Text("hello "), false).unwrap();
    w.chunk(&job, Chunk::Bytes(b"w\xffrld"), true).unwrap();
    let result = JobResult::Streamed { summary: Some("2 chunks".into()) };
    w.runtime.finish(w.now, job.key, result).unwrap();
    w.advance(0);
    let frames = w.drain(a);
    let bodies = chunks(&frames);
    let id = bodies[0]["result_id"].as_str().unwrap();
    assert!(id.starts_with("res_") && id.len() == 30, "{id}");
    assert_eq!(
        *bodies[0],
        json!({"result_id": id, "chunk_seq": 0, "data": "aGVsbG8g", "encoding": "base64", "more": true})
    );
    assert_eq!(
        *bodies[1],
        json!({"result_id": id, "chunk_seq": 1, "data": "d/9ybGQ=", "encoding": "base64", "more": false})
    );
    let terminal = frames.last().unwrap();
    assert_eq!(
        *terminal.payload(),
        json!({"final_status": "success", "result_id": id, "result_size": 11, "summary": "2 chunks", "completed_at": "2026-05-13T19:30:00.000Z"})
    );
}

#[test]
fn s8_4_a_result_has_one_encoding_which_its_first_chunk_decides() {
    let (text, bytes) = (Chunk::Text("\u{fc}"), Chunk::Bytes(b"b"));
    for (pieces, encoding) in [([text, bytes], "utf8"), ([bytes, text], "base64")] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        for piece in pieces {
            w.chunk(&job, piece, false).unwrap();
        }
        w.finish_streamed(&job);
        let frames = w.drain(a);
        let bodies = chunks(&frames);
        assert_eq!(bodies.len(), 3, "the stream gets an empty last chunk");
        assert!(bodies.iter().all(|body| body["encoding"] == encoding), "{bodies:?}");
        assert_eq!(frames.last().unwrap().payload()["result_size"], 3);
    }
}

#[test]
fn s8_4_bytes_after_text_change_the_encoding_once_unless_they_were_announced() {
    let invalid = Chunk::Bytes(b"\xff");
    let pieces = [Chunk::Text("a"), invalid, Chunk::Text("b")];
    for (announced, encodings) in [(false, ["utf8", "base64", "base64", "base64"]), (true, ["base64"; 4])] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        if announced {
            assert_eq!(w.chunk(&job, Chunk::Bytes(b""), false), Ok(0));
        }
        for piece in pieces {
            assert_eq!(w.chunk(&job, piece, false), Ok(1));
        }
        w.finish_streamed(&job);
        let frames = w.drain(a);
        let seen: Vec<_> = chunks(&frames).iter().map(|body| body["encoding"].as_str().unwrap().to_owned()).collect();
        assert_eq!(seen, encodings);
        assert_eq!(frames.last().unwrap().payload()["result_size"], 3);
    }
}

#[test]
fn s8_4_text_is_cut_between_characters_in_either_encoding() {
    for first in [Chunk::Text("t"), Chunk::Bytes(b"b")] {
        let mut w = World::with(|config| config.limits.writer_chunk_bytes = 7);
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        w.chunk(&job, first, false).unwrap();
        let mut rest = "\u{fc}\u{20ac}\u{fc}\u{20ac}\u{fc}";
        while !rest.is_empty() {
            let taken = w.chunk(&job, Chunk::Text(rest), false).unwrap();
            assert!(rest.is_char_boundary(taken) && taken > 0, "{taken} bytes of {rest}");
            rest = &rest[taken..];
        }
        w.finish_streamed(&job);
        assert_eq!(w.drain(a).last().unwrap().payload()["result_size"], 13);
    }
}

#[test]
fn s8_4_an_open_stream_gets_the_empty_final_chunk() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.chunk(&job, Chunk::Text("hello"), false).unwrap();
    w.finish_streamed(&job);
    let frames = w.drain(a);
    let bodies = chunks(&frames);
    assert_eq!(bodies.len(), 2);
    assert_eq!(
        (&bodies[1]["data"], &bodies[1]["more"], &bodies[1]["chunk_seq"]),
        (&json!(""), &json!(false), &json!(1))
    );
    assert_eq!(frames.last().unwrap().payload()["result_size"], 5);
}

#[test]
fn s8_4_a_failing_agent_leaves_the_stream_open_and_no_result_id() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.chunk(&job, Chunk::Text("hello"), false).unwrap();
    w.fail(&job, "INTERNAL_ERROR", "x").unwrap();
    let frames = w.drain(a);
    assert_eq!(chunks(&frames).len(), 1);
    let terminal = frames.last().unwrap();
    assert_eq!(terminal.kind(), "job.error");
    assert!(terminal.payload().get("result_id").is_none());
}

#[test]
fn s8_4_no_chunk_follows_the_last() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.chunk(&job, Chunk::Text("hello"), true).unwrap();
    assert!(w.chunk(&job, Chunk::Text("more"), false).is_err());
    w.finish_streamed(&job);
    assert_eq!(chunks(&w.drain(a)).len(), 1);
}

#[test]
fn s8_4_chunks_are_never_mixed_with_an_inline_result() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.chunk(&job, Chunk::Text("hello"), true).unwrap();
    let _ = w.try_finish(&job, "1");
    let frames = w.drain(a);
    let terminal = frames.last().unwrap();
    assert_eq!((terminal.kind(), &terminal.payload()["code"]), ("job.error", &json!("INVALID_REQUEST")));
}

#[test]
fn s8_4_a_streamed_result_without_chunks_is_an_empty_inline_one_or_stream() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.finish_streamed(&job);
    let frames = w.drain(a);
    let terminal = frames.last().unwrap();
    assert_eq!(terminal.kind(), "job.result");
    assert_eq!(terminal.payload()["final_status"], "success");
}

#[test]
fn s8_4_the_writer_splits_at_64_kib_or_48_for_small_frames() {
    for (via, python, size) in [(Via::Tls, false, 64 << 10), (Via::Stdio, false, 48 << 10), (Via::Tls, true, 48 << 10)]
    {
        let mut w = World::new();
        let a = if python { w.login_python("tok-alice") } else { w.login_via("tok-alice", &FEATURES, via) };
        let job = w.job(a, "echo");
        // On stdio, base64 brings a chunk close to the frame limit.
        let data = vec![b'x'; 200_000];
        let mut rest = &data[..];
        while !rest.is_empty() {
            let taken = w.chunk(&job, Chunk::Bytes(rest), true).unwrap();
            assert!(taken > 0 && taken <= size, "{taken} of {size}");
            rest = &rest[taken..];
        }
        w.finish_streamed(&job);
        let frames = w.drain(a);
        let terminal = frames.last().unwrap();
        assert_eq!(terminal.payload()["result_size"], 200_000);
        let bodies = chunks(&frames);
        assert!(bodies.iter().rev().skip(1).all(|body| body["more"] == true));
        assert_eq!(bodies.last().unwrap()["more"], false);
    }
}

#[test]
fn s8_4_text_is_split_at_character_boundaries() {
    let mut w = World::with(|config| config.limits.writer_chunk_bytes = 10);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let text = "äöü🦀".repeat(20);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let taken = w.chunk(&job, Chunk::Text(rest), true).unwrap();
        rest = &rest[taken..];
    }
    w.finish_streamed(&job);
    let frames = w.drain(a);
    let assembled: String = chunks(&frames).iter().map(|body| body["data"].as_str().unwrap()).collect();
    assert_eq!(assembled, text);
    assert_eq!(frames.last().unwrap().payload()["result_size"], text.len());
}

#[test]
fn s8_4_raw_chunks_in_order_are_a_stream() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    raw_chunk(&mut w, &job, &chunk("mine", 0, "hello ", true)).unwrap();
    let base64 = json!({"result_id": "mine", "chunk_seq": 1, "data": "d29ybGQ=", "encoding": "base64", "more": false});
    raw_chunk(&mut w, &job, &base64).unwrap();
    w.finish_streamed(&job);
    let frames = w.drain(a);
    assert_eq!(chunks(&frames), [&chunk("mine", 0, "hello ", true), &base64]);
    let terminal = frames.last().unwrap();
    assert_eq!((&terminal.payload()["result_id"], &terminal.payload()["result_size"]), (&json!("mine"), &json!(11)));
}

#[test]
fn s8_4_raw_chunks_that_break_the_rules_end_the_job() {
    let mut cases: Vec<(Vec<Value>, Value)> = vec![
        (vec![], chunk("r", 1, "x", true)),
        (vec![chunk("r", 0, "x", true)], chunk("r", 0, "x", true)),
        (vec![chunk("r", 0, "x", true)], chunk("r", 2, "x", true)),
        (vec![chunk("r", 0, "x", true)], chunk("other", 1, "x", true)),
        (vec![chunk("r", 0, "x", false)], chunk("r", 1, "x", false)),
        (vec![], json!({"result_id": "r", "chunk_seq": 0, "data": "%%%", "encoding": "base64", "more": true})),
        (vec![], json!({"result_id": "r", "chunk_seq": 0, "data": "x", "encoding": "hex", "more": true})),
    ];
    for member in ["result_id", "chunk_seq", "data", "encoding", "more"] {
        let mut without = chunk("r", 0, "x", true);
        without.as_object_mut().unwrap().remove(member);
        cases.push((vec![], without));
        let mut null = chunk("r", 0, "x", true);
        null[member] = Value::Null;
        cases.push((vec![], null));
    }
    for (good, bad) in cases {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        for body in &good {
            raw_chunk(&mut w, &job, body).unwrap();
        }
        let _ = raw_chunk(&mut w, &job, &bad);
        let frames = w.drain(a);
        assert_eq!(chunks(&frames).len(), good.len(), "it is not sent: {bad}");
        let terminal = frames.last().unwrap_or_else(|| panic!("{bad} ends the job"));
        assert_eq!((terminal.kind(), &terminal.payload()["code"]), ("job.error", &json!("INVALID_REQUEST")), "{bad}");
        assert_eq!(w.try_finish(&job, "1"), Err(Refused::Terminal));
    }
}

#[test]
fn s8_4_an_inline_result_after_raw_chunks_is_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    raw_chunk(&mut w, &job, &chunk("r", 0, "x", false)).unwrap();
    let _ = w.try_finish(&job, "1");
    let terminal = w.drain(a).pop().unwrap();
    assert_eq!((terminal.kind(), &terminal.payload()["code"]), ("job.error", &json!("INVALID_REQUEST")));
}

#[test]
fn s8_4_a_raw_stream_left_open_gets_the_empty_final_chunk() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    raw_chunk(&mut w, &job, &chunk("mine", 0, "x", true)).unwrap();
    w.finish_streamed(&job);
    let frames = w.drain(a);
    let bodies = chunks(&frames);
    assert_eq!(
        (&bodies[1]["result_id"], &bodies[1]["chunk_seq"], &bodies[1]["more"]),
        (&json!("mine"), &json!(1), &json!(false))
    );
}

#[test]
fn s14_a_chunk_beyond_the_cap_is_an_internal_error() {
    let mut w = World::with(|config| config.limits.chunk_bytes = 100);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let _ = raw_chunk(&mut w, &job, &chunk("r", 0, &"x".repeat(101), true));
    let terminal = w.drain(a).pop().unwrap();
    assert_eq!((terminal.kind(), &terminal.payload()["code"]), ("job.error", &json!("INTERNAL_ERROR")));
    assert_eq!(terminal.payload()["details"]["limit"], "chunk_bytes");
}

#[test]
fn s14_a_result_beyond_the_cap_is_an_internal_error() {
    let mut w = World::with(|config| config.limits.result_bytes = 100);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.chunk(&job, Chunk::Text(&"x".repeat(100)), false).unwrap();
    assert_eq!(chunks(&w.drain(a)).len(), 1);
    let _ = w.chunk(&job, Chunk::Text("x"), true);
    let frames = w.drain(a);
    assert_eq!(chunks(&frames).len(), 0);
    let terminal = frames.last().unwrap();
    assert_eq!((terminal.kind(), &terminal.payload()["code"]), ("job.error", &json!("INTERNAL_ERROR")));
    assert_eq!(terminal.payload()["details"]["limit"], "result_bytes");
}

#[test]
fn s8_4_a_raw_chunk_beyond_the_frame_limit_is_not_sent() {
    let mut w = World::with(|config| config.limits.frame_bytes = 4096);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let refused = raw_chunk(&mut w, &job, &chunk("r", 0, &"x".repeat(5000), true));
    let frames = w.drain(a);
    assert!(chunks(&frames).is_empty());
    let ended = frames.last().is_some_and(|frame| frame.payload()["code"] == "INTERNAL_ERROR");
    assert!(ended || matches!(refused, Err(Refused::TooLarge { .. })), "{refused:?} {frames:?}");
}

#[test]
fn s8_4_chunks_block_like_events() {
    let mut w = World::with(|config| {
        config.limits.log_events = 8;
        config.limits.send_window = 1;
    });
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.hold_writes(a);
    let mut written = String::new();
    for n in 0..20 {
        let piece = n.to_string();
        if w.chunk(&job, Chunk::Text(&piece), false) == Err(Refused::Blocked) {
            break;
        }
        written.push_str(&piece);
    }
    assert!(written.len() < 20, "the writer is blocked");
    w.release_writes(a);
    w.finish_streamed(&job);
    let frames = w.drain(a);
    let assembled: String = chunks(&frames).iter().map(|body| body["data"].as_str().unwrap()).collect();
    assert_eq!(assembled, written);
}
