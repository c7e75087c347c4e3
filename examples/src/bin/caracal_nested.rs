//! Caracal: sessions below each other, and tasks that run in the session of who has spawned them.

use std::error::Error;

use nuncio_examples::caracal::LocalCoordinator;
use nuncio_tokio::caracal::{CallError, current, in_current_context};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = LocalCoordinator::start(&["planner"]).await?;
    let caracal = coordinator.application("planner")?.build()?;

    let outer = caracal.spawn().await?;
    let trace = outer.context().trace().cloned();
    outer
        .run(async {
            // Children of one session are sessions of their own, also if they are opened at the same time.
            let tasks: Vec<_> = (0..3)
                .map(|_| {
                    let caracal = caracal.clone();
                    tokio::spawn(in_current_context(async move {
                        let scope = caracal.spawn().await?;
                        let session = scope.session().clone();
                        // All calls belong to one trace.
                        let trace = scope.run(async { current().and_then(|context| context.trace().cloned()) }).await;
                        Ok::<_, CallError>((session, trace))
                    }))
                })
                .collect();
            let mut sessions = Vec::new();
            for task in tasks {
                let (session, child_trace) = task.await??;
                assert_eq!(child_trace, trace);
                sessions.push(session);
            }
            sessions.sort();
            sessions.dedup();
            assert_eq!(sessions.len(), 3);
            println!("children: {sessions:?}");
            assert_eq!(coordinator.live_sessions(), 1, "the children have ended");

            // What ends takes everything below it along.
            let child = caracal.spawn().await?;
            child.context().run(async { caracal.spawn().await.map(nuncio_tokio::caracal::Scope::leave) }).await?;
            assert_eq!(coordinator.live_sessions(), 3);
            child.close().await?;
            assert_eq!(coordinator.live_sessions(), 1);
            Ok::<(), Box<dyn Error>>(())
        })
        .await?;
    assert_eq!(coordinator.live_sessions(), 0);
    Ok(())
}
