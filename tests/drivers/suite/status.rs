//! The state of a runtime, for its operators.

use nuncio_shared::arcp::journal::{JournalError, MemoryJournal};
use nuncio_shared::arcp::{
    ClientError, ClientRefused, Config, ErrorCode, Failure, Feature, Features, JobContext, Level, ListQuery,
    RequestFailure, Submit,
};
use serde_json::Value;

use super::failing::Failing;
use super::server::ServerBuilder;
use super::support::{builder, connect, within};

/// A server whose operator is bob.
fn operated() -> ServerBuilder {
    builder().config(config())
}

fn config() -> Config {
    Config::default().with(|config| _ = config.operators.insert("bob".to_owned()))
}

#[test]
fn an_operator_reads_the_state_and_nobody_else_does() {
    within(async {
        let server = operated().build().unwrap();
        let alice = connect(&server, "tok-alice").await;
        let mut job = alice.submit(&Submit::new("echo").input(&1)).await.unwrap();
        job.result::<Value>().await.unwrap();
        let operator = connect(&server, "tok-bob").await;
        let status = operator.status().await.unwrap();
        let counts = status.counts;
        assert_eq!((counts.connections, counts.sessions_live, counts.jobs_kept, counts.jobs_running), (2, 2, 1, 0));
        assert_eq!(counts.bytes_limit, 1 << 30);
        assert!(counts.bytes_held > 0);
        assert_eq!((status.journal, status.pools, status.shards), (None, vec![], vec![]));
        let refused = alice.status().await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = refused else { panic!("{refused}") };
        assert_eq!(fault.code, ErrorCode::PermissionDenied.as_str());
        // Both go on.
        assert_eq!(alice.list(&ListQuery::default()).await.unwrap().jobs.len(), 1);
        assert_eq!(operator.status().await.unwrap().counts.sessions_live, 2);
    });
}

#[test]
fn a_runtime_that_does_not_know_the_request_is_not_asked() {
    within(async {
        let config = config().with(|config| config.features = Features::ALL.without(Feature::Status));
        let server = builder().config(config).build().unwrap();
        let operator = connect(&server, "tok-bob").await;
        let refused = operator.status().await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused(ClientRefused::NotNegotiated(_))), "{refused}");
    });
}

#[test]
fn the_commits_of_the_journal_are_counted() {
    within(async {
        let server = operated().journal(MemoryJournal::new()).build().unwrap();
        let operator = connect(&server, "tok-bob").await;
        let journal = operator.status().await.unwrap().journal.unwrap();
        assert!(journal.commits > 0 && journal.last_commit.is_some() && journal.committed.is_some(), "{journal:?}");
        assert_eq!((journal.bytes, journal.max_bytes, journal.free_bytes), (None, None, None), "it is in memory");
        assert_eq!((journal.failing, journal.error), (None, None));
    });
}

#[test]
fn the_state_is_told_while_the_journal_fails() {
    within(async {
        let journal = Failing::default();
        let (tell, told) = smol::channel::unbounded::<()>();
        let agent = move |_: Value, ctx: JobContext| {
            let told = told.clone();
            async move {
                while told.recv().await.is_ok() {
                    ctx.log(Level::Info, "told").await?;
                }
                Ok::<_, Failure>(1_u64)
            }
        };
        let server = operated().agent("tells", agent).journal(journal.clone()).build().unwrap();
        let operator = connect(&server, "tok-bob").await;
        let mut job = operator.submit(&Submit::new("tells")).await.unwrap();
        tell.send(()).await.unwrap();
        while job.events().try_next().await.unwrap().unwrap().kind.as_str() != "log" {}
        // The client's first frame after the welcome proves its token.
        operator.list(&ListQuery::default()).await.unwrap();

        journal.fail(Some(JournalError::Full));
        // This event waits for the journal on the operator's connection.
        tell.send(()).await.unwrap();
        journal.noticed().await;
        let status = operator.status().await.unwrap().journal.unwrap();
        assert!(status.failing.is_some());
        assert_eq!(status.error, Some(JournalError::Full.to_string()));

        journal.fail(None);
        while job.events().try_next().await.unwrap().unwrap().kind.as_str() != "log" {}
        let status = operator.status().await.unwrap().journal.unwrap();
        assert_eq!((status.failing, status.error), (None, None));
        drop(tell);
        assert_eq!(job.result::<u64>().await.unwrap(), 1);
    });
}
