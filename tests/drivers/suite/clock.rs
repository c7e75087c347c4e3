//! The machine's clock may be set back while a server is down.

use std::time::Duration;

use nuncio_shared::arcp::journal::{Journal, MemoryJournal, Record};
use nuncio_shared::arcp::{FinalStatus, Submit};
use serde_json::Value;

use super::support::{builder, connect, within};

async fn holds(_: Value, _: nuncio_shared::arcp::JobContext) -> Result<Value, nuncio_shared::arcp::Failure> {
    std::future::pending().await
}

#[test]
fn deadlines_pass_even_if_the_journal_is_from_the_future() {
    within(async {
        let mut journal = MemoryJournal::new();
        // The record is from the year 2100.
        let record = format!(
            r#"{{"v":1,"t":"session_opened","session":"sess_01J00000000000000000000000","principal":"p","features":[],
                "token":"{}","at":4102444800000000}}"#,
            "A".repeat(43)
        );
        journal.commit(&[(1, Record::decode(record.as_bytes()).unwrap())]).unwrap();
        let server = builder().agent("holds", holds).journal(journal).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let submit = Submit::new("holds").max_runtime(Duration::from_secs(1));
        let outcome = client.submit(&submit).await.unwrap().outcome().await.unwrap();
        assert_eq!(outcome.status, FinalStatus::TimedOut);
    });
}
