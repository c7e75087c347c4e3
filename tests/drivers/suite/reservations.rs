//! Amounts that agents reserve before their operations (§9.6, ours).

use nuncio_shared::arcp::{
    ChildOutcome, Delegation, Denied, ErrorCode, Failure, FinalStatus, JobContext, Number, OrFail, Refused, Submit,
};
use serde_json::{Value, json};

use super::support::{builder, connect, within};

fn usd(text: &str) -> Number {
    Number::parse(text).unwrap()
}

/// What remains of the budget in USD.
fn remaining(ctx: &JobContext) -> String {
    ctx.budget().unwrap().remaining_of("USD").unwrap().to_string()
}

fn submit(agent: &str) -> Submit {
    let lease = json!({"cost.budget": ["USD:1.00"], "tool.call": ["t"], "agent.delegate": ["*"]});
    Submit::new(agent).lease(&lease)
}

fn is_exhausted<T>(answer: &Result<T, Denied>) -> bool {
    matches!(answer, Err(Denied::Fault(fault)) if fault.code == ErrorCode::BudgetExhausted)
}

#[test]
fn a_reservation_is_settled_released_or_dropped() {
    async fn spends(_: Value, ctx: JobContext) -> Result<String, Failure> {
        let first = ctx.reserve("USD", usd("0.80"))?;
        assert_eq!((first.id(), first.currency()), (1, "USD"));
        assert_eq!(remaining(&ctx), "0.2");
        assert!(is_exhausted(&ctx.reserve("USD", usd("0.21"))));
        ctx.metric("cost.search", usd("0.30")).settle(first).await?;
        assert_eq!(remaining(&ctx), "0.7", "what was not spent is available again");

        let (operation, held) = ctx.authorize_reserving("tool.call", "t", "USD", usd("0.7"))?;
        assert_eq!((operation.target(), remaining(&ctx).as_str()), ("t", "0"));
        ctx.authorize("tool.call", "t")?;
        drop(held);
        assert_eq!(remaining(&ctx), "0.7");

        let denied = ctx.authorize_reserving("tool.call", "other", "USD", usd("0.7"));
        assert!(matches!(denied, Err(Denied::Fault(fault)) if fault.code == ErrorCode::PermissionDenied));
        assert_eq!(remaining(&ctx), "0.7");

        let mut held = ctx.reserve("USD", 0.5)?;
        let wrong = ctx.metric("cost.search", 1).unit("EUR");
        let kept = ctx.reserve("USD", 0.1)?;
        assert!(matches!(wrong.settle(kept).await, Err(Refused::Invalid(_))));
        assert_eq!(remaining(&ctx), "0.2", "a charge that fails releases its reservation");
        let cost = nuncio_shared::arcp::Body::metric("cost.search", &usd("0.5"), Some("USD"), None);
        let cost = cost.map_err(Refused::from)?;
        held.settle(&cost).await?;
        assert!(matches!(held.settle(&cost).await, Err(Refused::Stale)), "it is settled once");
        Ok(remaining(&ctx))
    }
    within(async {
        let server = builder().agent("spends", spends).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&submit("spends")).await.unwrap();
        assert_eq!(job.result::<String>().await.unwrap(), "0.2");
    });
}

#[test]
fn six_children_that_reserve_spend_what_their_parent_was_granted() {
    within(async {
        let (told, refused) = smol::channel::unbounded();
        let (delegated, all_run) = smol::channel::unbounded::<()>();
        // The one that has reserved the amount waits until all others have asked.
        let spender = move |_: Value, ctx: JobContext| {
            let (told, refused, all_run) = (told.clone(), refused.clone(), all_run.clone());
            async move {
                all_run.recv().await.or_fail("the parent has failed")?;
                match ctx.authorize_reserving("tool.call", "t", "USD", 1) {
                    Ok((_, held)) => {
                        for _ in 0..5 {
                            refused.recv().await.or_fail("nobody was refused")?;
                        }
                        ctx.metric("cost.work", 1).settle(held).await?;
                        Ok(())
                    }
                    Err(denied) => {
                        told.send(()).await.or_fail("nobody waits")?;
                        Err(Failure::from(denied))
                    }
                }
            }
        };
        let parent = move |_: Value, ctx: JobContext| {
            let delegated = delegated.clone();
            async move {
                let (mut children, mut ends) = (Vec::new(), Vec::new());
                for _ in 0..6 {
                    let lease = json!({"tool.call": ["t"]});
                    children.push(ctx.delegate(&Delegation::new("spender").lease(&lease)).await?);
                }
                for _ in 0..6 {
                    delegated.send(()).await.or_fail("nobody waits")?;
                }
                for mut child in children {
                    ends.push(child.outcome().await);
                }
                let code = |end: &ChildOutcome| end.fault.as_ref().map(|fault| fault.code);
                let succeeded = ends.iter().filter(|end| end.status == FinalStatus::Success).count();
                let exhausted = ends.iter().filter(|end| code(end) == Some(ErrorCode::BudgetExhausted)).count();
                Ok(json!({"succeeded": succeeded, "exhausted": exhausted, "remaining": remaining(&ctx)}))
            }
        };
        let server = builder().agent("parent", parent).agent("spender", spender).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&submit("parent")).await.unwrap();
        let seen: Value = job.result().await.unwrap();
        assert_eq!(seen, json!({"succeeded": 1, "exhausted": 5, "remaining": "0"}));
    });
}

#[test]
fn a_reservation_of_an_ended_job_is_of_no_effect() {
    within(async {
        let (told, held) = smol::channel::unbounded();
        let leaks = move |_: Value, ctx: JobContext| {
            let told = told.clone();
            async move {
                let reservation = ctx.reserve("USD", 1)?;
                told.send((ctx.clone(), reservation)).await.or_fail("nobody listens")?;
                Ok(())
            }
        };
        let server = builder().agent("leaks", leaks).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&submit("leaks")).await.unwrap();
        job.result::<()>().await.unwrap();
        let (ctx, reservation) = held.recv().await.unwrap();
        assert_eq!(remaining(&ctx), "1", "the end of the job has released it");
        let late = ctx.metric("cost.work", 1).settle(reservation).await;
        assert!(matches!(late, Err(Refused::Terminal)), "{late:?}");
        assert!(matches!(ctx.reserve("USD", 1), Err(Denied::NotRunning)));
        assert_eq!(remaining(&ctx), "1");
    });
}
