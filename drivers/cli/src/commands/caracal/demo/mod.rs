//! `nuncio caracal demo`: a coordinator, an agent and two services within this process, and a delegation that is revoked.
//!
//! ```text
//! mod.rs        the story, and the check of what the services have seen
//! service.rs    a service, which verifies who calls and passes calls on
//! ledger.rs     the calls that were received
//! narration.rs  what is printed; failure.rs, why the demonstration has failed
//! ```

mod failure;
mod ledger;
mod narration;
mod service;

use std::time::Duration;

use axum::http::{Request, StatusCode};
use clap::Args;
use nuncio_tokio::caracal::{
    ApplicationId, CallError, Caracal, Constraints, Coordinator, CoordinatorServer, Delegation, HttpLimits, NewEdge,
    ResourceBinding, Scope, Secret, TokenSource, Ttl, ZoneId,
};
use tokio::net::TcpListener;
use tokio::time::timeout;

use self::failure::Failure;
use self::ledger::{Ledger, Seen};
use self::narration::narrate;
use self::service::{Onward, Service};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::{count, print_line};

/// Far longer than the demonstration takes.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The issuer and the audience of tokens.
const ISSUER: &str = "nuncio-demo";

const AFTER_HELP: &str = "\
The coordinator, the agent and its services speak HTTP on this machine alone,
and verify the token of every call. The last line is OK with how many calls
were answered and refused.

Example:
  nuncio caracal demo

Exit codes:
  0  everything happened as expected
  1  something else happened; the error says what
  6  the system refused an address or a resource";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {}

pub(super) async fn run(_options: &Options) -> Result<Exit, Error> {
    match timeout(TIMEOUT, demonstrate()).await {
        Ok(Ok(())) => Ok(Exit::Success),
        Ok(Err(Failure(error))) => Err(error),
        Err(_) => Err(Error::NotFound("the demonstration did not end in time".to_owned())),
    }
}

/// The coordinator, and what applications need to find it.
struct Zone {
    id: ZoneId,
    coordinator: Coordinator,
    server: CoordinatorServer,
}

impl Zone {
    async fn start() -> Result<Zone, Failure> {
        let mut builder = Coordinator::builder().zone("demo").issuer(ISSUER);
        for name in ["agent", "orders", "stock"] {
            builder = builder.application(name, secret(name));
        }
        // An application of the zone consents to what it is given.
        let builder = builder.grant("agent", "coordinator.delegate_to:orders");
        let coordinator = builder.grant("orders", "coordinator.delegate_to:stock").start()?;
        let listening = CoordinatorServer::listen(coordinator.clone(), "127.0.0.1:0", HttpLimits::default()).await;
        let server = listening.map_err(Failure::system)?;
        Ok(Zone { id: ZoneId::new("demo")?, coordinator, server })
    }

    /// Returns an application that may delegate to another one, and that calls services.
    fn application(&self, name: &str, delegates_to: Option<&str>, calls: &[&str]) -> Result<Caracal, Failure> {
        let scopes = delegates_to.map(|other| format!("coordinator.delegate_to:{other}"));
        let source = TokenSource::secret(&self.server.url(), secret(name)).scopes(scopes);
        let builder = Caracal::builder(&self.server.url(), self.id.clone(), ApplicationId::new(name)?).token(source);
        let bindings = calls.iter().map(|url| ResourceBinding { resource: (*url).into(), prefix: (*url).into() });
        Ok(bindings.fold(builder, nuncio_tokio::caracal::CaracalBuilder::resource).build()?)
    }

    async fn service(
        &self,
        name: &'static str,
        caracal: Caracal,
        socket: (TcpListener, String),
        ledger: &Ledger,
    ) -> Result<Service, Failure> {
        let verifier = caracal.mandates(&self.server.url(), ISSUER, ISSUER)?;
        Service::start(name, caracal, verifier, socket, ledger.clone()).await
    }
}

fn secret(name: &str) -> Secret {
    Secret::new(format!("secret of {name}"))
}

async fn socket() -> Result<(TcpListener, String), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::system)?;
    let url = format!("http://{}", listener.local_addr().map_err(Failure::system)?);
    Ok((listener, url))
}

async fn demonstrate() -> Result<(), Failure> {
    print_line(
        "An agent and two services. Each call carries the edge that it is made by; a revocation stops the calls.",
    );
    print_line("");
    let (zone, ledger) = (Zone::start().await?, Ledger::default());
    narrate("coordinator", &format!("serves agent, orders and stock on {}", zone.server.url()));

    let (stock_socket, orders_socket) = (socket().await?, socket().await?);
    let agent = zone.application("agent", Some("orders"), &[&orders_socket.1, &stock_socket.1])?;
    let orders = zone.application("orders", Some("stock"), &[&stock_socket.1])?;
    let stock = zone.application("stock", None, &[])?;
    let stock = zone.service("stock", stock, stock_socket, &ledger).await?;
    let orders = zone.service("orders", orders, orders_socket, &ledger).await?;
    narrate("orders", "opens a session, and so does stock");

    let root = agent.spawn().await?;
    let new = NewEdge { scopes: scopes(&["order", "reserve"]), ttl: Ttl::from_secs(300), ..NewEdge::default() };
    let planner = root.context().run(agent.delegate_to_spawn(new).into_future()).await?;
    narrate(
        "agent",
        &format!("opens a session, and one below it by {}: order, reserve", ledger.edges(planner.context())),
    );
    let first = agent
        .delegate(orders.scope.session().clone())
        .from(planner.context())
        .application(orders.caracal.application().clone())
        .scopes(["order", "reserve"])
        .constraints(Constraints { max_depth: Some(2), ..Constraints::default() })
        .ttl(Duration::from_mins(4))
        .await?;
    narrate("agent", &format!("delegates order, reserve to orders: {}", ledger.edges(first.context())));

    let refused = onward(&orders, &stock, "refund").await.err();
    let Some(CallError::Refused(fault)) = refused else {
        return Err(Failure::check("orders has delegated what it was not given"));
    };
    narrate("orders", &format!("is REFUSED to delegate refund, which it was not given: {}", fault.status));
    let second = onward(&orders, &stock, "reserve").await?;
    let second_id = second.edge().edge.clone();
    narrate("orders", &format!("delegates reserve to stock: {}", ledger.name(&second_id)));
    orders.pass_on(Onward { url: stock.url.clone(), delegation: second })?;

    expect(call(&agent, &first, "stock", &stock.url).await?, StatusCode::FORBIDDEN)?;
    expect(call(&agent, &first, "orders", &orders.url).await?, StatusCode::OK)?;
    let first_id = first.edge().edge.clone();
    let context = first.context().clone();
    let revoked = first.revoke().await?;
    let (edges, sessions) = (count(revoked.edges, "edge"), count(revoked.terminated, "session"));
    narrate("agent", &format!("REVOKES {}: {edges} and {sessions} end", ledger.name(&first_id)));
    if (revoked.edges, revoked.terminated) != (2, 2) {
        return Err(Failure::check(format_args!("the revocation has ended {edges} and {sessions}, not 2 and 2")));
    }
    expect(context.run(send(&agent, "orders", &orders.url)).await?, StatusCode::FORBIDDEN)?;

    let by = |service, edge: &nuncio_tokio::caracal::EdgeId, parent: Option<_>, hop, is_refused| Seen {
        service,
        caller: "agent".to_owned(),
        session: Some(planner.session().to_string()),
        edge: Some(edge.clone()),
        parent_edge: parent,
        hop,
        trace: context.trace().map(|trace| trace.id.to_string()),
        is_refused,
    };
    let before = planner.context().edge().cloned();
    let wanted = [
        by("stock", &first_id, before.clone(), 2, true),
        by("orders", &first_id, before.clone(), 2, false),
        by("stock", &second_id, Some(first_id.clone()), 3, false),
        by("orders", &first_id, before, 2, true),
    ];
    if ledger.seen() != wanted {
        return Err(Failure::check(format_args!("the services have seen {:?}, not {wanted:?}", ledger.seen())));
    }
    end(zone, [planner, root, orders.scope, stock.scope]).await?;
    print_line("");
    print_line("OK: calls answered 1, hops 3, refusals 3, edges revoked 2, sessions left 0.");
    Ok(())
}

/// Closes all sessions, and checks that the coordinator has none.
async fn end(zone: Zone, scopes: [Scope; 4]) -> Result<(), Failure> {
    for scope in scopes {
        scope.close().await?;
    }
    let left = (zone.coordinator.live_sessions(), zone.coordinator.active_edges());
    zone.server.stop().await;
    zone.coordinator.close().await;
    if left != (0, 0) {
        return Err(Failure::check(format_args!("{} sessions and {} edges are left", left.0, left.1)));
    }
    Ok(())
}

/// Delegates from one service to another.
async fn onward(from: &Service, to: &Service, scope: &str) -> Result<Delegation, CallError> {
    from.caracal
        .delegate(to.scope.session().clone())
        .from(from.scope.context())
        .application(to.caracal.application().clone())
        .scopes([scope])
        .ttl(Duration::from_mins(3))
        .await
}

/// Calls a service by an edge.
async fn call(agent: &Caracal, by: &Delegation, service: &str, url: &str) -> Result<StatusCode, Failure> {
    by.run(send(agent, service, url)).await
}

async fn send(agent: &Caracal, service: &str, url: &str) -> Result<StatusCode, Failure> {
    narrate("agent", &format!("calls {service}"));
    let answer = agent.transport().send(Request::post(url).body("")?).await?;
    let text = String::from_utf8_lossy(answer.body());
    narrate("agent", &format!("has the answer {}: {text}", answer.status().as_u16()));
    Ok(answer.status())
}

fn expect(status: StatusCode, wanted: StatusCode) -> Result<(), Failure> {
    if status == wanted {
        return Ok(());
    }
    Err(Failure::check(format_args!("the answer is {status}, not {wanted}")))
}

fn scopes(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| (*name).into()).collect()
}
