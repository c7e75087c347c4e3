//! Caracal: an agent passes some of its authority to another application, and takes it back.

use std::error::Error;
use std::time::Duration;

use nuncio_examples::caracal::LocalCoordinator;
use nuncio_tokio::caracal::http_types::HeaderMap;
use nuncio_tokio::caracal::{CallError, Constraints, NewEdge, SessionId, Ttl};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let coordinator = LocalCoordinator::start(&["shop", "payments"]).await?;
    let shop = coordinator.application("shop")?.token(coordinator.delegating("shop")).build()?;
    let payments = coordinator.application("payments")?.build()?;

    // The other application's session, which it has told us of.
    let target = payments.spawn().await?;

    let source = shop.spawn().await?;
    source
        .run(async {
            let delegation = shop
                .delegate(target.session().clone())
                .application(payments.application().clone())
                .scopes(["payment:submit", "payment:read"])
                .constraints(Constraints {
                    resources: vec!["resource://payments".into()],
                    max_depth: Some(2),
                    ..Constraints::default()
                })
                .ttl(Duration::from_mins(5))
                .await?;
            println!("delegation edge: {}", delegation.edge().edge);
            let headers = HeaderMap::from(delegation.run(shop.headers()).await?);
            println!("calls carry {:?}", headers["baggage"]);
            assert!(headers["baggage"].to_str()?.ends_with("caracal.hop=1"));

            let inbound = payments.inbound(target.session().clone()).await?;
            assert_eq!(inbound.len(), 1);

            // A child with less authority than its parent has.
            let edge = NewEdge { scopes: vec!["payment:read".into()], ttl: Ttl::from_secs(60), ..NewEdge::default() };
            let hops = shop.delegate_to_spawn(edge).run(async { shop.current().map(|context| context.hop().count()) });
            assert_eq!(hops.await?, Some(1));

            // A revocation ends the edge, and the sessions that it leads to.
            let revoked = delegation.revoke().await?;
            println!("revoked: {revoked:?}");
            assert_eq!(revoked.edges, 1);
            Ok::<(), Box<dyn Error>>(())
        })
        .await?;
    assert_eq!(coordinator.live_sessions(), 0, "the target was terminated by the revocation");
    target.close().await?;

    let outside = shop.delegate(SessionId::new("any")?).scopes(["x"]).await;
    assert!(matches!(outside, Err(CallError::NoSession)));
    Ok(())
}
