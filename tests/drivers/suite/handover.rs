//! A session that is closed by one client and resumed by another.

use nuncio_shared::arcp::{
    ClientBuildError, ClientError, CloseReason, ErrorCode, Failure, FinalStatus, JobContext, Level, RequestFailure,
    ResumePoint, Secret, SessionEnd, Submit, Subscribe,
};
use serde_json::Value;

use super::client::Client;
use super::support::{builder, connect, memory_connector, within};

async fn waits(_: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.log(Level::Info, "waiting").await?;
    ctx.cancelled().await;
    Err(Failure::new(ErrorCode::Cancelled, "it was cancelled"))
}

#[test]
fn a_client_that_resumes_a_session_may_cancel_its_jobs() {
    within(async {
        let server = builder().agent("waits", waits).build().unwrap();
        let first = connect(&server, "tok-alice").await;
        let job = first.submit(&Submit::new("waits")).await.unwrap();
        let point = first.resume_point().unwrap();
        first.close().await;

        // Another session of the same principal is not the owner (§7.4).
        let other = connect(&server, "tok-alice2").await;
        let watch = other.subscribe(job.job_id(), Subscribe::default()).await.unwrap();
        let refused = watch.cancel(None).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = refused else { panic!("{refused}") };
        assert_eq!(fault.known(), Some(ErrorCode::PermissionDenied));

        let owner = Client::over(memory_connector(&server), "tok-alice").resume(point).connect().await.unwrap();
        assert!(owner.welcome().unwrap().resumed);
        let mut job = owner.subscribe(job.job_id(), Subscribe::default()).await.unwrap();
        job.cancel(Some("enough")).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
        // The session still has the features of its first hello.
        assert!(owner.list(&nuncio_shared::arcp::ListQuery::default()).await.is_ok());
    });
}

#[test]
fn a_client_whose_session_is_taken_over_ends_and_leaves_the_other_one_alone() {
    within(async {
        let server = builder().agent("waits", waits).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let client = || Client::builder(listening.url(), "tok-alice").unwrap();
        let first = client().connect().await.unwrap();
        let mut job = first.submit(&Submit::new("waits")).await.unwrap();
        let point = first.resume_point().unwrap();
        let second = client().resume(point).connect().await.unwrap();

        let ended = job.outcome().await.unwrap_err();
        assert!(matches!(ended, SessionEnd::Closed(CloseReason::TakenOver)), "{ended}");
        assert!(ended.to_string().contains("another client has resumed the session"), "{ended}");
        let refused = first.submit(&Submit::new("waits")).await.unwrap_err();
        assert!(matches!(refused, ClientError::Ended(SessionEnd::Closed(CloseReason::TakenOver))), "{refused}");

        let mut job = second.subscribe(job.job_id(), Subscribe::default()).await.unwrap();
        job.cancel(None).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
        assert_eq!(server.stats().totals.resumes, 1, "the first client did not come back");
    });
}

#[test]
fn a_wrong_token_or_another_principal_resumes_nothing() {
    within(async {
        let server = builder().agent("waits", waits).build().unwrap();
        let first = connect(&server, "tok-alice").await;
        first.submit(&Submit::new("waits")).await.unwrap();
        let point = first.resume_point().unwrap();
        assert!(!format!("{point:?}").contains(point.token.expose()), "a token is not printed");
        first.close().await;
        let forged = ResumePoint { token: Secret::new("rt_0"), ..point.clone() };
        for (point, token) in [(forged, "tok-alice"), (point, "tok-bob")] {
            let refused = Client::over(memory_connector(&server), token).resume(point).connect().await.unwrap_err();
            let ClientBuildError::Session(SessionEnd::Closed(CloseReason::Refused(fault))) = refused else {
                panic!("{refused}")
            };
            assert_eq!(fault.known(), Some(ErrorCode::ResumeWindowExpired));
        }
    });
}
