//! Delegated jobs that act in sessions of their own.

use std::time::Duration;

use futures_lite::future::yield_now;
use serde_json::{Value, json};

use super::arcp::{Delegation, Failure, JobContext, LeaseRequest, Namespace, Server, Shutdown, Submit};
use super::bridge::DelegateJobError;
use super::caracal::{CallError, Caracal, Generation};
use super::served::Site;
use super::support::application;
use super::{DELEGATE, HttpServer, SPAWN, bodies, connect, server};
use crate::on::within;

const MINUTE: Duration = Duration::from_mins(1);

fn scope_namespace() -> Namespace {
    Namespace::parse("x-vendor.caracal.scope").unwrap()
}

fn lease(scopes: &[&str]) -> LeaseRequest {
    let lease = LeaseRequest::new().allow(Namespace::AgentDelegate, "*");
    scopes.iter().fold(lease, |lease, scope| lease.allow(scope_namespace(), *scope))
}

/// The baggage of a call, without the ids of sessions and edges.
async fn baggage(caracal: &Caracal) -> String {
    caracal.headers().await.unwrap().get("baggage").unwrap().to_owned()
}

/// A server whose agent `child` returns its session and the baggage of a call, and whose agent `parent` delegates to it.
fn family(caracal: &Caracal, delegation: Delegation) -> Server {
    let (parents, children) = (caracal.clone(), caracal.clone());
    let child = move |_: Value, ctx: JobContext| {
        let caracal = children.clone();
        async move {
            let job = ctx.caracal(&caracal);
            let session = job.context().and_then(|context| context.session().map(ToString::to_string));
            let baggage = job.run(async { baggage(&caracal).await }).await?;
            Ok::<_, Failure>(json!([session, baggage]))
        }
    };
    let parent = move |_: Value, ctx: JobContext| {
        let (caracal, delegation) = (parents.clone(), delegation.clone());
        async move {
            let work =
                async { caracal.delegate_job(&ctx, &delegation).await?.result::<Value>().await.map_err(Failure::from) };
            ctx.caracal(&caracal).run(work).await?
        }
    };
    server().agent("child", child).agent("parent", parent).build().unwrap()
}

#[test]
fn a_delegated_job_acts_in_a_session_with_an_edge_that_ends_with_it() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let caracal = application(&coordinator);
        let lease = lease(&["read", "write"]).allow(Namespace::ToolCall, "search.*");
        let delegation = Delegation::new("child").lease(&LeaseRequest::new().allow(scope_namespace(), "read"));
        let server = family(&caracal, delegation);
        let mut job = connect(&server).await.submit(&Submit::new("parent").lease(&lease)).await.unwrap();
        let expected = json!(["s-2", "caracal.agent_session=s-2,caracal.delegation_edge=e-1,caracal.hop=1"]);
        assert_eq!(job.result::<Value>().await.unwrap(), expected);
        let requests = coordinator.await_requests(5).await;
        assert_eq!(bodies(&requests, SPAWN)[1]["parent_id"], "s-1");
        let edge = &bodies(&requests, DELEGATE)[0];
        assert_eq!((&edge["source_session_id"], &edge["target_session_id"]), (&json!("s-1"), &json!("s-2")));
        assert_eq!(edge["scopes"], json!(["read"]));
        assert!(edge["constraints"]["expires_at"].is_string(), "{edge}");
        let mut ended: Vec<&str> = requests[3..].iter().map(|seen| &*seen.line).collect();
        ended.sort_unstable();
        assert_eq!(ended, ["DELETE /zones/z1/agents/s-1", "DELETE /zones/z1/agents/s-2"]);
    });
}

/// Delegates from the agent of a job with this lease. Returns what goes wrong.
async fn refused(caracal: &Caracal, submit: Submit, delegation: Delegation, is_in_session: bool) -> String {
    let caracal = caracal.clone();
    let parent = move |_: Value, ctx: JobContext| {
        let (caracal, delegation) = (caracal.clone(), delegation.clone());
        async move {
            let work = async { caracal.delegate_job(&ctx, &delegation).await.map(drop) };
            let delegated = if is_in_session { caracal.spawn().run(work).await? } else { work.await };
            Ok::<_, Failure>(delegated.map_err(|error| error.to_string()).unwrap_err())
        }
    };
    let server = server().agent("parent", parent).agent("child", |_: Value, _: JobContext| async { Ok(1) });
    let server = server.build().unwrap();
    let mut job = connect(&server).await.submit(&submit).await.unwrap();
    job.result().await.unwrap()
}

#[test]
fn nothing_is_left_open_by_a_delegation_that_is_refused() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let caracal = application(&coordinator);
        let (all, read) = (Submit::new("parent").lease(&lease(&["read"])), lease(&["read"]));
        let child = |lease: &LeaseRequest| Delegation::new("child").lease(lease);
        let error = refused(&caracal, all.clone(), child(&read), false).await;
        assert_eq!(error, CallError::NoSession.to_string());
        assert!(coordinator.seen().is_empty());

        let error = refused(&caracal, all.clone(), child(&lease(&["write"])), true).await;
        assert!(error.contains("LEASE_SUBSET_VIOLATION"), "{error}");
        let error = refused(&caracal, all.clone(), Delegation::new("child"), true).await;
        assert_eq!(error, DelegateJobError::NoScopes.to_string());
        let error = refused(&caracal, all.clone(), Delegation::new("child").lease(&json!({"fs.read": []})), true).await;
        assert!(error.contains("INVALID_REQUEST"), "{error}");
        assert!(bodies(&coordinator.seen(), DELEGATE).is_empty(), "nothing was opened for the child");

        // The server refuses what it alone knows once the session is open, which is terminated then.
        let before = coordinator.seen().len();
        let error = refused(&caracal, all, Delegation::new("nobody").lease(&read), true).await;
        assert!(error.contains("AGENT_NOT_AVAILABLE"), "{error}");
        let requests = coordinator.await_requests(before + 5).await;
        let lines = |method: &str| requests[before..].iter().filter(|seen| seen.line.starts_with(method)).count();
        assert_eq!((lines("POST"), lines("DELETE")), (3, 2));
    });
}

#[test]
fn an_edge_is_never_wider_than_the_one_before_it() {
    within(async {
        for generation in [Generation::May, Generation::Head] {
            let site = Site::start(generation).await;
            let caracal = site.application("app-a", &[]);
            // Each agent delegates its input's lease to the next one, and returns the scopes of the edge into its session.
            let agents = caracal.clone();
            let step = move |leases: Vec<Vec<String>>, ctx: JobContext| {
                let caracal = agents.clone();
                async move {
                    let job = ctx.caracal(&caracal);
                    let mut all = vec![job.scopes().to_vec()];
                    if let Some((next, rest)) = leases.split_first() {
                        let next: Vec<&str> = next.iter().map(String::as_str).collect();
                        let delegation = Delegation::new("step").input(rest).lease(&lease(&next));
                        let work = async {
                            let delegated = caracal.delegate_job(&ctx, &delegation).resources(["resource://r"]);
                            delegated.max_depth(3).await?.result::<Vec<Vec<Box<str>>>>().await.map_err(Failure::from)
                        };
                        all.extend(job.run(work).await??);
                    }
                    Ok::<_, Failure>(all)
                }
            };
            let server = server().agent("step", step).build().unwrap();
            let client = connect(&server).await;
            let run = |leases: Value| {
                let submit = Submit::new("step").input(&leases).lease(&lease(&["payment:*", "mail"]));
                let client = client.clone();
                async move {
                    client.submit(&submit).await.unwrap().result::<Value>().await.map_err(|error| error.to_string())
                }
            };
            let leases = json!([["payment:read", "payment:submit", "mail"], ["payment:submit"]]);
            let first = ["agent.delegate:*", "payment:read", "payment:submit", "mail"];
            let second = ["agent.delegate:*", "payment:submit"];
            assert_eq!(run(leases).await.unwrap(), json!([[], first, second]), "{generation:?}");
            // A part of a scope is no scope, so that nothing of it is passed on.
            let scopes = run(json!([["payment:*"], ["payment:read"]])).await.unwrap();
            assert_eq!(scopes[2], json!(["agent.delegate:*"]), "{generation:?}");
            let error = run(json!([["payment:read"], ["mail"]])).await.unwrap_err();
            assert!(error.contains("LEASE_SUBSET_VIOLATION"), "{error}");
            // All sessions end with their jobs, and the edges with them.
            while site.live() != (0, 0) {
                yield_now().await;
            }
            caracal.close().await;
        }
    });
}

#[test]
fn the_session_of_a_child_ends_with_it_however_it_ends() {
    within(async {
        for is_stopped in [false, true] {
            let coordinator = HttpServer::coordinator();
            let caracal = application(&coordinator);
            let agent = move |_: Value, ctx: JobContext| {
                let caracal = caracal.clone();
                async move {
                    let child = Delegation::new("child").lease(&LeaseRequest::new().allow(scope_namespace(), "read"));
                    // Nobody waits for the child.
                    let delegated = async { caracal.delegate_job(&ctx, &child).await.map(drop) };
                    ctx.caracal(&caracal).run(delegated).await??;
                    ctx.cancelled().await;
                    Ok::<_, Failure>(())
                }
            };
            let child = |_: Value, ctx: JobContext| async move {
                ctx.cancelled().await;
                Ok(())
            };
            let server = server().agent("parent", agent).agent("child", child).build().unwrap();
            let client = connect(&server).await;
            let job = client.submit(&Submit::new("parent").lease(&lease(&["read"]))).await.unwrap();
            let requests = coordinator.await_requests(4).await;
            assert_eq!(requests[3].line, "DELETE /zones/z1/agents/s-1", "that of the parent has ended");
            if is_stopped {
                assert_eq!(server.shutdown(Duration::ZERO).await, Shutdown::Aborted);
            } else {
                job.cancel(None).await.unwrap();
            }
            let requests = coordinator.await_requests(5).await;
            assert_eq!(requests[4].line, "DELETE /zones/z1/agents/s-2");
        }
    });
}

#[test]
fn scopes_can_be_limited_to_those_of_an_edge() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let caracal = application(&coordinator);
        let agent = move |_: Value, ctx: JobContext| {
            let caracal = caracal.clone();
            async move {
                let all = LeaseRequest::new().allow(scope_namespace(), "payment:*").allow(scope_namespace(), "mail");
                let child = Delegation::new("child").lease(&all);
                let limited = async {
                    caracal
                        .delegate_job(&ctx, &child)
                        .within(["payment:read", "files"])
                        .lifetime(MINUTE)
                        .await
                        .map(drop)
                };
                ctx.caracal(&caracal).run(limited).await??;
                Ok::<_, Failure>(())
            }
        };
        let server = server().agent("parent", agent).agent("child", |_: Value, _: JobContext| async { Ok(1) });
        let server = server.build().unwrap();
        let submit = Submit::new("parent").lease(&lease(&["payment:*", "mail"]));
        connect(&server).await.submit(&submit).await.unwrap().result::<()>().await.unwrap();
        let seen = coordinator.seen();
        assert_eq!(bodies(&seen, DELEGATE)[0]["scopes"], json!(["payment:read"]));
        assert_eq!(bodies(&seen, SPAWN)[1]["ttl_seconds"], 60, "the session does not outlive its edge");
    });
}

#[test]
fn a_session_of_another_application_is_not_the_agents() {
    within(async {
        let coordinator = HttpServer::coordinator();
        let (caracal, other) = (application(&coordinator), super::support::named(&coordinator, "app-b"));
        let agents = caracal.clone();
        let parent = move |_: Value, ctx: JobContext| {
            let caracal = agents.clone();
            async move {
                let delegation = Delegation::new("child").lease(&lease(&["read"]));
                let work = async {
                    caracal.delegate_job(&ctx, &delegation).await?.result::<Value>().await.map_err(Failure::from)
                };
                ctx.caracal(&caracal).run(work).await?
            }
        };
        let child = move |_: Value, ctx: JobContext| {
            let (caracal, other) = (caracal.clone(), other.clone());
            async move { Ok(json!([ctx.caracal(&caracal).context().is_some(), ctx.caracal(&other).context().is_some()])) }
        };
        let server = server().agent("parent", parent).agent("child", child).build().unwrap();
        let submit = Submit::new("parent").lease(&lease(&["read"]));
        let mut job = connect(&server).await.submit(&submit).await.unwrap();
        assert_eq!(job.result::<Value>().await.unwrap(), json!([true, false]));
    });
}
