//! What stays on record, by the rules of [`Record`].

use super::*;

const JOB: &str = "job_01J00000000000000000000001";
const CHILD: &str = "job_01J00000000000000000000002";
const SESSION: &str = "sess_01J00000000000000000000003";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn record(text: &str) -> Record {
    Record::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn opened() -> Record {
    record(&format!(
        r#"{{"v":1,"t":"session_opened","session":"{SESSION}","principal":"p","features":[],
            "token":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","at":1}}"#
    ))
}

fn accepted(job: &str, more: &str) -> Record {
    record(&format!(
        r#"{{"v":1,"t":"job_accepted","job":"{job}","principal":"p","agent":"a","lease":{{}},"features":[],
            "trace":"{TRACE}","created_at":1,"at":1{more}}}"#
    ))
}

/// An event that no session has received.
fn event(job: &str, position: u64, more: &str) -> Record {
    record(&format!(
        r#"{{"v":1,"t":"job_event","job":"{job}","trace":"{TRACE}","position":{position},"seq":{},"to":[],
            "payload":{{"kind":"metric","ts":"2026-01-01T00:00:00.000Z","body":{{"name":"cost","value":1}}}}{more}}}"#,
        position + 1
    ))
}

fn ended(job: &str) -> Record {
    record(&format!(
        r#"{{"v":1,"t":"job_ended","job":"{job}","trace":"{TRACE}","at":1,"status":"success","kind":"job.result","seq":9,
            "to":[],"payload":{{"final_status":"success"}}}}"#
    ))
}

fn forgotten(job: &str) -> Record {
    record(&format!(r#"{{"v":1,"t":"job_forgotten","job":"{job}"}}"#))
}

fn credential(kind: &str, id: &str) -> Record {
    record(&format!(r#"{{"v":1,"t":"{kind}","job":"{JOB}","id":"{id}"}}"#))
}

/// The records that stay of these, once they are too old to be replayed.
fn left(records: &[Record]) -> Vec<Record> {
    kept(records, false)
}

/// The records that stay of these. `fresh` says that they are young enough to be replayed.
fn kept(records: &[Record], fresh: bool) -> Vec<Record> {
    let mut retention = Retention::default();
    let numbered: Vec<(u64, Record)> = (1..).zip(records.iter().cloned()).collect();
    for (seq, record) in &numbered {
        retention.observe(*seq, record);
    }
    retention.divide(numbered, fresh).0.into_iter().map(|(_, record)| record).collect()
}

#[test]
fn a_credential_goes_once_all_of_its_values_are_revoked() {
    let [issued, revoked] = ["credential_issued", "credential_revoked"].map(|kind| move |id| credential(kind, id));
    let open = [issued("a"), issued("b"), issued("b"), revoked("b")];
    let over = [issued("c"), revoked("c"), issued("d"), issued("d"), revoked("d"), revoked("d")];
    assert_eq!(left(&[&open[..], &over].concat()), open);
}

/// The budget of a job that may be run again is known from what it and the jobs below it have spent.
#[test]
fn what_was_spent_stays_until_the_job_that_may_be_run_again_has_ended() {
    let cost = r#","unit":"USD","cost":1"#;
    let below = [accepted(CHILD, &format!(r#","parent":"{JOB}""#)), event(CHILD, 0, cost), ended(CHILD)];
    let head = [accepted(JOB, ""), event(JOB, 0, r#","since":1,"restarts":0"#), event(JOB, 1, cost)];
    let last = [event(JOB, 2, ""), forgotten(CHILD)];
    let all = [&head[..], &below, &last].concat();
    let spent = |records: &[Record]| records.iter().filter(|record| record.has_cost()).count();
    assert_eq!(spent(&left(&all)), 2);
    assert_eq!(left(&[&all[..], &[ended(JOB), forgotten(JOB)]].concat()), []);
}

/// What a session has received and acknowledged is not sent to it again.
#[test]
fn an_event_of_a_forgotten_job_stays_until_its_session_has_acknowledged_it() {
    let sent = |seq: u64| {
        record(&format!(
            r#"{{"v":1,"t":"job_event","job":"{JOB}","trace":"{TRACE}","position":{},"seq":{seq},
                "to":[{{"session":"{SESSION}","seq":{seq},"id":"01J00000000000000000000000"}}],
                "payload":{{"kind":"log","ts":"2026-01-01T00:00:00.000Z","body":{{"level":"info","message":"m"}}}}}}"#,
            seq - 1
        ))
    };
    let acknowledged = record(&format!(r#"{{"v":1,"t":"acknowledged","session":"{SESSION}","seq":2}}"#));
    let events = [1, 2, 3, 4].map(sent);
    let all =
        [&[opened(), accepted(JOB, "")], &events[..], &[acknowledged.clone(), ended(JOB), forgotten(JOB)]].concat();
    let events_of = |records: Vec<Record>| {
        records.into_iter().filter(|record| matches!(record, Record::JobEvent(_))).collect::<Vec<_>>()
    };
    assert_eq!(events_of(kept(&all, true)), events[2..], "those that were not acknowledged");
    assert_eq!(events_of(kept(&all, false)), events[3..], "the one after which the numbers of the session go on");
}

/// Only the last of them counts.
#[test]
fn what_a_session_watches_elsewhere_stays_until_it_watches_something_else_or_is_closed() {
    let opened = opened();
    let watching = |job: &str| {
        record(&format!(
            r#"{{"v":1,"t":"watching_elsewhere","session":"{SESSION}","jobs":[{{"job":"{job}","trace":"{TRACE}"}}]}}"#
        ))
    };
    let closed = record(&format!(r#"{{"v":1,"t":"session_closed","session":"{SESSION}"}}"#));
    let all = [opened.clone(), watching(JOB), watching(CHILD)];
    assert_eq!(left(&all), [opened, watching(CHILD)]);
    assert_eq!(left(&[&all[..], &[closed]].concat()), []);
}
