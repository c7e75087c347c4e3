//! The same conversations with the runtime of every SDK (core/docs/arcp.md, "The client").

use core::time::Duration;

use crate::runtimes::{Ended, Foreign, ROWS, Row};
use crate::support::Harness;
use nuncio_core::arcp::client::{ClientConfig, SubmitArgs, Subscribe};

const WATCHED: &str = "job_watched";

fn connect(row: Row) -> Foreign {
    let config = ClientConfig::default().with(|config| {
        config.auto_ack = None;
        config.silence_timeout = Duration::from_secs(20);
    });
    Foreign::new(row, Harness::idle(config))
}

fn submit(foreign: &mut Foreign, agent: &str, key: &str) -> Vec<String> {
    let args = SubmitArgs {
        agent: agent.to_owned().into(),
        idempotency_key: Some(key.to_owned().into()),
        ..SubmitArgs::default()
    };
    let handle = foreign.harness.client.submit(foreign.harness.now, &args).unwrap();
    foreign.harness.handles.push(handle);
    foreign.pump()
}

fn cancel(foreign: &mut Foreign, handle: usize) -> Vec<String> {
    let handle = foreign.harness.handles[handle];
    foreign.harness.client.cancel(foreign.harness.now, handle, None).unwrap();
    foreign.pump()
}

fn watch(foreign: &mut Foreign, job: &str) -> Vec<String> {
    let subscribe = Subscribe { history: true, from_event_seq: None };
    let handle = foreign.harness.client.subscribe(foreign.harness.now, job, subscribe).unwrap();
    foreign.harness.handles.push(handle);
    foreign.pump()
}

/// Returns the lines without those of frames that were sent, and without the numbers of events.
fn told(lines: &[String]) -> Vec<String> {
    let told = lines.iter().filter(|line| !line.starts_with('>'));
    told.map(|line| line.split(' ').filter(|word| !word.starts_with('#')).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_job_runs_to_its_result() {
    for row in ROWS {
        let mut foreign = connect(row);
        let mut lines = submit(&mut foreign, "echo", "k");
        let job = foreign.last_job();
        lines.extend(foreign.emit(&job, 1));
        lines.extend(foreign.finish(&job));
        let expected = ["h0 accepted job_1", r#"h0 status {"phase":"running"}"#, r#"h0 log {"n":1}"#, "h0 success 1"];
        assert_eq!(told(&lines), expected, "{}", row.name);
    }
}

#[test]
fn a_refused_submit_affects_no_other_job() {
    for row in ROWS {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        let lines = submit(&mut foreign, "nope", "l");
        assert_eq!(told(&lines), ["h1 submit failed: AGENT_NOT_AVAILABLE"], "{}", row.name);
        let lines = foreign.finish("job_1");
        assert_eq!(told(&lines), ["h0 success 1"], "{}", row.name);
    }
}

#[test]
fn a_cancelled_job_ends_and_the_numbers_go_on() {
    for row in ROWS {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        submit(&mut foreign, "echo", "l");
        let lines = cancel(&mut foreign, 0);
        let expected = ["h0 cancelled acknowledged=true", "h0 cancelled nothing CANCELLED"];
        assert_eq!(told(&lines), expected, "{}", row.name);
        let lines = foreign.emit("job_2", 1);
        assert_eq!(told(&lines), [r#"h1 log {"n":1}"#], "{}", row.name);
    }
}

#[test]
fn a_refused_cancel_ends_no_watched_job() {
    for row in ROWS {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        watch(&mut foreign, WATCHED);
        let lines = cancel(&mut foreign, 1);
        assert_eq!(told(&lines), ["h1 cancel failed: PERMISSION_DENIED"], "{}", row.name);
        let mut lines = foreign.emit(WATCHED, 1);
        lines.extend(foreign.emit("job_1", 2));
        lines.extend(foreign.finish(WATCHED));
        assert_eq!(told(&lines), [r#"h1 log {"n":1}"#, r#"h0 log {"n":2}"#, "h1 success 1"], "{}", row.name);
    }
}

#[test]
fn a_refused_subscribe_ends_nothing_but_its_handle() {
    for row in ROWS {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        let lines = watch(&mut foreign, "job_unknown");
        let failed = told(&lines);
        assert_eq!(failed, ["h1 subscribe failed: JOB_NOT_FOUND"], "{}", row.name);
        let lines = foreign.finish("job_1");
        assert_eq!(told(&lines), ["h0 success 1"], "{}", row.name);
    }
}

#[test]
fn events_go_on_after_a_cut() {
    for row in ROWS.into_iter().filter(|row| row.streams_after_resume || row.renews_subscriptions) {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        foreign.emit("job_1", 1);
        let mut lines = foreign.cut();
        lines.extend(foreign.emit("job_1", 2));
        lines.extend(foreign.cut());
        lines.extend(foreign.finish("job_1"));
        lines.retain(|line| line.starts_with('h'));
        assert_eq!(told(&lines), [r#"h0 log {"n":2}"#, "h0 success 1"], "{}", row.name);
    }
}

#[test]
fn events_of_the_time_without_a_connection_arrive_once() {
    for row in ROWS.into_iter().filter(|row| row.streams_after_resume || row.renews_subscriptions) {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        foreign.harness.cut();
        // The connection is gone, and the runtime notes the event.
        foreign.emit("job_1", 1);
        let mut lines = foreign.cut();
        lines.extend(foreign.emit("job_1", 2));
        lines.retain(|line| line.starts_with('h'));
        assert_eq!(told(&lines), [r#"h0 log {"n":1}"#, r#"h0 log {"n":2}"#], "{}", row.name);
    }
}

#[test]
fn the_repeat_of_a_job_that_has_ended_ends() {
    for row in ROWS {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        foreign.finish("job_1");
        let lines = submit(&mut foreign, "echo", "k");
        assert_eq!(told(&lines), ["h1 accepted job_1"], "{}", row.name);
        let lines = told(&foreign.wait(60));
        let end = lines.last().map(String::as_str);
        let expected = match row.ended {
            Ended::Status => "h1 success unknown",
            Ended::Terminal => "h1 success 1",
            Ended::Forgotten => "h1 error unknown JOB_NOT_FOUND",
        };
        assert_eq!(end, Some(expected), "{}: {lines:?}", row.name);
    }
}

#[test]
fn the_watch_of_a_job_that_has_ended_ends() {
    for row in ROWS {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        foreign.finish("job_1");
        let mut lines = watch(&mut foreign, "job_1");
        lines.extend(foreign.wait(10));
        let lines = told(&lines);
        let end = lines.last().map(String::as_str);
        let expected = match row.ended {
            Ended::Status => "h1 success unknown",
            Ended::Terminal => "h1 success 1",
            Ended::Forgotten => "h1 subscribe failed: JOB_NOT_FOUND",
        };
        assert_eq!(end, Some(expected), "{}: {lines:?}", row.name);
    }
}

#[test]
fn a_job_that_ends_in_silence_ends() {
    for row in ROWS {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        foreign.finish_silently("job_1");
        let lines = told(&foreign.wait(60));
        let end = lines.last().map(String::as_str);
        let expected = match row.ended {
            Ended::Status => "h0 success unknown",
            Ended::Terminal => "h0 success 1",
            Ended::Forgotten => "h0 error unknown JOB_NOT_FOUND",
        };
        assert_eq!(end, Some(expected), "{}: {lines:?}", row.name);
    }
}

#[test]
fn a_runtime_that_falls_silent_after_a_cut_hangs_no_job() {
    for row in ROWS {
        let mut foreign = connect(row);
        submit(&mut foreign, "echo", "k");
        foreign.cut();
        foreign.finish("job_1");
        let lines = told(&foreign.wait(60));
        let all = foreign.harness.handles.clone();
        let live = all.iter().filter(|handle| foreign.harness.client.job_id(**handle).is_some()).count();
        assert_eq!(live, 0, "{}: {lines:?}", row.name);
    }
}
