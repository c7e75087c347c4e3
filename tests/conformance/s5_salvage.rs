//! §5: the id in the refusal of a frame that is not an envelope.

use nuncio_tests::world::World;

#[test]
fn s5_a_refusal_names_a_frame_that_is_not_json_by_its_own_id() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for rest in [
        r#""type":"job.submit","payload":{"agent":"echo","input":{"score":NaN}}}"#,
        r#""type":"job.submit","payload":{"agent":"echo","input":-Infinity}}"#,
        r#""type":"job.submit","payload":{"#,
        r#""type":"job.submit","payload":{}} trailing"#,
    ] {
        w.send_text(a, &format!(r#"{{"arcp":"1.1","id":"m-7",{rest}"#));
        assert_eq!(w.refusal(a, "INVALID_REQUEST").payload()["request_id"], "m-7", "{rest}");
    }
    for frame in [
        r#"{"arcp":NaN,"id":"m-7"}"#,
        r#"{"arcp":"1.1","type":"job.submit","payload":{"agent":"echo","input":{"id":"m-8","score":NaN}},"id":"m-7"}"#,
    ] {
        w.send_text(a, frame);
        assert_eq!(w.refusal(a, "INVALID_REQUEST").payload()["request_id"], "m-7", "{frame}");
    }
    w.send_bytes(a, b"{\"arcp\":\"1.1\",\"type\":\"\xff\",\"id\":\"m-7\"}");
    assert_eq!(w.refusal(a, "INVALID_REQUEST").payload()["request_id"], "m-7");
    for frame in [
        r#"{"id":7,"type":NaN}"#,
        r#"{"id":"m-7","id":"m-8","type":NaN}"#,
        r#"{"type":"job.submit","payload":{"agent":"echo","input":NaN,"id":"m-7"}}"#,
        r#"{"type":"job.submit","payload":{"input":"\"id\":\"m-7\"","score":NaN}}"#,
        r#"{"type":"job.submit","payload":{"id":"m-7","input":"#,
    ] {
        w.send_text(a, frame);
        assert!(w.refusal(a, "INVALID_REQUEST").payload().get("request_id").is_none(), "{frame}");
    }
}

#[test]
fn s5_a_refusal_does_not_repeat_an_id_that_is_too_long() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let id = "x".repeat(100_000);
    for rest in [r#""arcp":"9","type":"session.list_jobs","payload":{}}"#, r#""arcp":"1.1","type":NaN}"#] {
        w.send_text(a, &format!(r#"{{"id":"{id}",{rest}"#));
        assert!(w.refusal(a, "INVALID_REQUEST").payload().get("request_id").is_none());
    }
}
