//! Operations that people approve before an agent does them.

use nuncio_shared::arcp::journal::MemoryJournal;
use nuncio_shared::arcp::{
    Delegation, Denied, Failure, FinalStatus, JobContext, JobHandle, Lease, LeaseRequest, Namespace, Number, OnRestart,
    OrFail, Submit, Subscribe,
};
use serde_json::{Value, json};

use super::server::{Server, ServerBuilder};
use super::support::{builder, connect, within};

fn lease() -> LeaseRequest {
    LeaseRequest::new()
        .allow(Namespace::ToolCall, "payments.*")
        .allow(Namespace::AgentDelegate, "pays")
        .budget("USD", "1.00")
}

fn marked() -> Lease {
    LeaseRequest::new().allow(Namespace::ToolCall, "payments.*").build().unwrap()
}

fn gated() -> ServerBuilder {
    builder().ask_first(marked()).agent("pays", pays)
}

async fn pays(target: Value, ctx: JobContext) -> Result<Value, Failure> {
    let target = target.as_str().unwrap_or("payments.send");
    Ok(match ctx.approve("tool.call", target).await {
        Ok(operation) => json!(["paid", operation.target()]),
        Err(denied) => json!([denied.fault().code.as_str(), denied.fault().message]),
    })
}

/// Reads events up to the next question; returns its id and its prompt.
async fn asked(job: &mut JobHandle) -> (String, String) {
    loop {
        let event = job.events().try_next().await.unwrap().expect("the job has not ended");
        if let Some(question) = event.question() {
            return (question.question_id, question.prompt);
        }
    }
}

#[test]
fn an_operation_is_done_once_people_have_approved_it() {
    within(async {
        let server = gated().build().unwrap();
        let client = connect(&server, "tok-alice").await;
        for (value, note, expected) in [
            ("approve", None, json!(["paid", "payments.send"])),
            (
                "refuse",
                Some("too much"),
                json!(["PERMISSION_DENIED", "alice has refused tool.call \"payments.send\": too much"]),
            ),
        ] {
            let mut job = client.submit(&Submit::new("pays").lease(&lease())).await.unwrap();
            let (id, prompt) = asked(&mut job).await;
            assert_eq!(prompt, "Approve tool.call \"payments.send\" of the agent pays?");
            job.answer(&id, value, note).await.unwrap();
            assert_eq!(job.result::<Value>().await.unwrap(), expected);
        }
        let mut job = client.submit(&Submit::new("pays").input("mail").lease(&lease())).await.unwrap();
        assert_eq!(job.result::<Value>().await.unwrap()[0], "PERMISSION_DENIED", "no one is asked about it");
    });
}

#[test]
fn an_agent_that_does_not_wait_is_told_that_people_have_to_decide() {
    within(async {
        let agent = |_: Value, ctx: JobContext| async move {
            let operation = match ctx.authorize("tool.call", "payments.send") {
                Err(Denied::NeedsApproval(operation)) => operation,
                other => return Err(Failure::internal(format!("{other:?}"))),
            };
            let most = Number::parse("0.40").or_fail("a number")?;
            let posed = ctx.pose_approval(&operation).await?;
            let held = ctx.approve_reserving("tool.call", "payments.send", "USD", most).await?;
            posed.decided().await?;
            ctx.authorize_operation(&operation)?;
            let left = ctx.budget().and_then(|budget| budget.remaining_of("USD")).or_fail("a budget")?;
            drop(held);
            Ok(left.to_string())
        };
        let server = gated().agent("agent", agent).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("agent").lease(&lease())).await.unwrap();
        let (id, _) = asked(&mut job).await;
        job.answer(&id, "approve", None).await.unwrap();
        assert_eq!(job.result::<String>().await.unwrap(), "0.6");
    });
}

#[test]
fn a_delegation_and_the_delegated_job_wait_for_people() {
    within(async {
        let parent = |_: Value, ctx: JobContext| async move {
            let within = LeaseRequest::new().allow(Namespace::ToolCall, "payments.*");
            let mut child = ctx.delegate(&Delegation::new("pays").lease(&within)).await?;
            Ok(child.result::<Value>().await?)
        };
        let marked = lease().build().unwrap();
        let server = gated().ask_first(marked).agent("parent", parent).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("parent").lease(&lease())).await.unwrap();
        let (id, prompt) = asked(&mut job).await;
        assert_eq!(prompt, "Approve agent.delegate \"pays\" of the agent parent?");
        job.answer(&id, "approve", None).await.unwrap();
        let child = loop {
            let event = job.events().try_next().await.unwrap().expect("the job has not ended");
            let body: Value = serde_json::from_str(event.body.as_str()).unwrap();
            if let Some(child) = body["child_job_id"].as_str() {
                break child.to_owned();
            }
        };
        let from_the_beginning = Subscribe { history: true, ..Subscribe::default() };
        let person = connect(&server, "tok-alice2").await;
        let mut child = person.subscribe(child, from_the_beginning).await.unwrap();
        let question = loop {
            let event = child.events().try_next().await.unwrap().expect("the job has not ended");
            if let Some(question) = event.question() {
                break question;
            }
        };
        assert_eq!(question.prompt, "Approve tool.call \"payments.send\" of the agent pays?");
        child.answer(&question.question_id, "approve", None).await.unwrap();
        assert_eq!(job.result::<Value>().await.unwrap(), json!(["paid", "payments.send"]));
    });
}

#[test]
fn a_cancelled_job_stops_waiting_for_its_approval() {
    within(async {
        let server = gated().build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("pays").lease(&lease())).await.unwrap();
        asked(&mut job).await;
        job.cancel(None).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
    });
}

#[test]
fn an_approval_is_not_asked_for_again_after_a_restart_of_the_server() {
    within(async {
        let twice = |_: Value, ctx: JobContext| async move {
            ctx.approve("tool.call", "payments.one").await?;
            ctx.approve("tool.call", "payments.two").await?;
            Ok(ctx.restarts())
        };
        let start = |journal: MemoryJournal| -> Server {
            gated().journal(journal).agent("twice", twice).on_restart("twice", OnRestart::Rerun).build().unwrap()
        };
        let journal = MemoryJournal::new();
        let server = start(journal.clone());
        let client = connect(&server, "tok-alice").await;
        let submit = Submit::new("twice").lease(&lease()).idempotency_key("k");
        let mut job = client.submit(&submit).await.unwrap();
        let (first, _) = asked(&mut job).await;
        job.answer(&first, "approve", None).await.unwrap();
        asked(&mut job).await;
        let server = start(journal.snapshot());
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&submit).await.unwrap();
        let open = job.questions().await.unwrap().questions;
        assert_eq!(open.len(), 1);
        assert!(open[0].question.prompt.contains("payments.two"), "{}", open[0].question.prompt);
        job.answer(&open[0].question.question_id, "approve", None).await.unwrap();
        assert_eq!(job.result::<u32>().await.unwrap(), 1);
    });
}
