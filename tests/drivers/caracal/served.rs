//! The client and the coordinator of this workspace against each other, over HTTP, in both generations.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use futures_lite::future::yield_now;
use nuncio_tokio::caracal::{Coordinator, CoordinatorServer, HttpLimits, MemoryRecords};

use super::caracal::{
    ApplicationId, CallError, Caracal, CaracalBuilder, Constraints, DelegateBuilder, EndReason, Generation, Kind,
    Lifecycle, NewEdge, Scope, Secret, SessionId, TokenFault, TokenSource, Ttl, ZoneId,
};
use crate::on::within;

const BOTH: [Generation; 2] = [Generation::May, Generation::Head];
/// A lease is renewed after a third of it.
const LEASE: Duration = Duration::from_secs(6);

/// A coordinator of app-a, app-b and app-c, which can delegate to the next one. It keeps its records and its address when
/// it is started again.
pub(super) struct Site {
    generation: Generation,
    records: MemoryRecords,
    address: SocketAddr,
    running: Option<(Coordinator, CoordinatorServer)>,
}

impl Site {
    pub(super) async fn start(generation: Generation) -> Site {
        let (records, address) = (MemoryRecords::default(), ([127, 0, 0, 1], 0).into());
        let mut site = Site { generation, records, address, running: None };
        site.run().await;
        site
    }

    async fn run(&mut self) {
        let mut builder = Coordinator::builder().zone("z1").generation(self.generation).records(self.records.clone());
        for name in ["app-a", "app-b", "app-c"] {
            builder = builder.application(name, Secret::new(name));
        }
        let coordinator = builder
            .grant("app-a", "coordinator.delegate_to:app-b")
            .grant("app-b", "coordinator.delegate_to:app-c")
            .grant("app-a", "read")
            .configure(|config| config.lease = LEASE)
            .start()
            .unwrap();
        let server = loop {
            match CoordinatorServer::listen(coordinator.clone(), self.address, HttpLimits::default()).await {
                Ok(server) => break server,
                // The socket of a server that was dropped closes when its task ends.
                Err(error) if error.kind() == ErrorKind::AddrInUse => yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        self.address = server.address();
        self.running = Some((coordinator, server));
    }

    /// Ends the coordinator in order, or at once like a crash, and starts it again.
    async fn restart(&mut self, is_crash: bool) {
        let (coordinator, server) = self.running.take().unwrap();
        if is_crash {
            drop(server);
        } else {
            server.stop().await;
        }
        coordinator.close().await;
        self.run().await;
    }

    fn builder(&self, name: &str, source: impl FnOnce(&str) -> TokenSource) -> CaracalBuilder {
        let url = format!("http://{}", self.address);
        Caracal::builder(&url, ZoneId::new("z1").unwrap(), ApplicationId::new(name).unwrap())
            .token(source(&url))
            .generation(self.generation)
    }

    pub(super) fn application(&self, name: &str, scopes: &[&str]) -> Caracal {
        self.builder(name, |url| TokenSource::secret(url, Secret::new(name)).scopes(scopes)).build().unwrap()
    }

    fn applications(&self) -> [Caracal; 3] {
        [
            self.application("app-a", &["coordinator.delegate_to:app-b"]),
            self.application("app-b", &["coordinator.delegate_to:app-c"]),
            self.application("app-c", &[]),
        ]
    }

    /// Returns the numbers of sessions that have not ended, and of edges that are active.
    pub(super) fn live(&self) -> (usize, usize) {
        let (coordinator, _) = self.running.as_ref().unwrap();
        (coordinator.live_sessions(), coordinator.active_edges())
    }
}

fn limits(hops: u32) -> Constraints {
    Constraints { resources: vec!["resource://r".into()], max_depth: Some(hops), ..Constraints::default() }
}

fn edge(from: &Caracal, to: &Caracal, target: &Scope, scopes: &[&str], hops: u32, secs: u64) -> DelegateBuilder {
    from.delegate(target.session().clone())
        .application(to.application().clone())
        .scopes(scopes.iter().copied())
        .constraints(limits(hops))
        .ttl(Duration::from_secs(secs))
}

fn new_edge(scopes: &[&str], hops: u32, secs: u32) -> NewEdge {
    let scopes = scopes.iter().map(|scope| (*scope).into()).collect();
    NewEdge { scopes, parent_edge: None, constraints: Some(limits(hops)), ttl: Ttl::from_secs(secs) }
}

#[track_caller]
fn refused<T>(result: Result<T, CallError>) -> u16 {
    match result {
        Err(CallError::Refused(fault)) => fault.status,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was allowed"),
    }
}

#[test]
fn sessions_nest_and_end_with_their_parents_and_scopes() {
    within(async {
        for generation in BOTH {
            let site = Site::start(generation).await;
            let [caracal, ..] = site.applications();
            let root = caracal.spawn().metadata(&serde_json::json!({"job": 7})).await.unwrap();
            let child = root.context().run(caracal.spawn().kind(Kind::Ephemeral).into_future()).await.unwrap();
            assert_eq!(site.live(), (2, 0), "{generation:?}");
            let other = caracal.spawn().ttl(Duration::from_mins(2)).await.unwrap();
            assert_eq!(other.run(async { site.live() }).await, (3, 0), "{generation:?}");
            root.close().await.unwrap();
            assert_eq!(site.live(), (0, 0), "{generation:?}");
            assert_eq!(child.close().await, Ok(()), "it had ended before");
            drop(caracal.spawn().await.unwrap());
            caracal.close().await;
            assert_eq!(site.live(), (0, 0), "{generation:?}");
        }
    });
}

#[test]
fn an_edge_that_is_revoked_ends_those_that_follow_it() {
    within(async {
        for generation in BOTH {
            let site = Site::start(generation).await;
            let [a, b, c] = site.applications();
            let (source, middle, target) =
                (a.spawn().await.unwrap(), b.spawn().await.unwrap(), c.spawn().await.unwrap());
            let first = edge(&a, &b, &middle, &["read", "write"], 2, 60).from(source.context()).await.unwrap();
            assert_eq!(first.edge().scopes.join(" "), "read write");
            assert_eq!((first.context().session(), first.context().hop().count()), (Some(source.session()), 1));

            let wide = edge(&b, &c, &target, &["admin"], 1, 50).from(middle.context());
            assert_eq!(refused(wide.await), 403, "an edge is no wider than the one before it");
            let second = edge(&b, &c, &target, &["read"], 1, 50).from(middle.context()).await.unwrap();
            let inbound = c.inbound(target.session().clone()).await.unwrap();
            assert_eq!((inbound.len(), &inbound[0].edge, &*inbound[0].status), (1, &second.edge().edge, "active"));
            assert_eq!(site.live(), (3, 2), "{generation:?}");

            let (id, revoked) = (first.edge().edge.clone(), first.revoke().await.unwrap());
            assert_eq!((revoked.edges, revoked.terminated), (2, 2), "{generation:?}");
            assert_eq!(site.live(), (1, 0), "the sessions at their ends are terminated, {generation:?}");
            assert_eq!(refused(a.revoke(id).await), 404, "it is final");
            let again = edge(&a, &b, &middle, &["read"], 1, 60).from(source.context());
            assert_eq!(refused(again.await), 404, "nothing is delegated to a session that has ended");
            let inbound = c.inbound(target.session().clone()).await.unwrap();
            let active = inbound.iter().filter(|edge| &*edge.status == "active").count();
            assert_eq!(active, 0, "{inbound:?}");
            assert_eq!(middle.close().await, Ok(()));
        }
    });
}

#[test]
fn a_session_opens_with_an_edge_or_not_at_all() {
    within(async {
        for generation in BOTH {
            let site = Site::start(generation).await;
            let [a, b, _] = site.applications();
            let (root, target) = (a.spawn().await.unwrap(), b.spawn().await.unwrap());
            let child = root.context().run(a.delegate_to_spawn(new_edge(&["read"], 3, 60)).into_future());
            let child = child.await.unwrap();
            assert_eq!(child.edge().map(|edge| &edge.edge), child.context().edge());
            assert_eq!(child.context().hop().count(), 1);
            let onward = edge(&a, &b, &target, &["read"], 1, 50).from(child.context()).await.unwrap();
            assert_eq!(onward.context().parent_edge(), child.context().edge());
            assert_eq!(site.live(), (3, 2), "{generation:?}");

            let wide = child.context().run(a.delegate_to_spawn(new_edge(&["read", "write"], 1, 50)).into_future());
            assert_eq!(refused(wide.await), 403);
            // Its session is terminated by a call of its own.
            while site.live() != (3, 2) {
                yield_now().await;
            }
            let revoked = a.revoke(child.edge().unwrap().edge.clone()).await.unwrap();
            assert_eq!((revoked.edges, revoked.terminated), (2, 2), "{generation:?}");
            a.close().await;
            assert_eq!(site.live(), (1, 0), "the session of the refused edge is terminated again, {generation:?}");
        }
    });
}

#[test]
fn a_coordinator_that_is_started_again_goes_on_with_its_clients() {
    within(async {
        for (generation, is_crash) in BOTH.into_iter().flat_map(|generation| [(generation, false), (generation, true)])
        {
            let mut site = Site::start(generation).await;
            let [a, b, _] = site.applications();
            let (source, target) = (a.spawn().await.unwrap(), b.spawn().await.unwrap());
            let delegation = edge(&a, &b, &target, &["read"], 1, 60).from(source.context()).await.unwrap();
            site.restart(is_crash).await;
            assert_eq!(site.live(), (2, 1), "{generation:?}");
            // A call on the connection that was lost is one whose effect is known.
            let inbound = b.inbound(target.session().clone()).await.unwrap();
            assert_eq!(inbound[0].edge, delegation.edge().edge);
            let child = source.context().run(a.spawn().into_future()).await.unwrap();
            site.restart(is_crash).await;
            assert_eq!(delegation.revoke().await.unwrap().edges, 1, "{generation:?}");
            assert_eq!(site.live(), (2, 0), "{generation:?}");
            child.close().await.unwrap();
            source.close().await.unwrap();
            assert_eq!(site.live(), (0, 0), "{generation:?}");
        }
    });
}

#[test]
fn a_session_that_a_process_has_left_is_attached_to() {
    within(async {
        for generation in BOTH {
            let site = Site::start(generation).await;
            let [a, b, _] = site.applications();
            let (left, target) = (a.spawn().await.unwrap().leave(), b.spawn().await.unwrap());
            let [other, ..] = site.applications();
            let context = other.attach(left.clone()).await.unwrap();
            assert_eq!((context.session(), context.edge(), context.hop().count()), (Some(&left), None, 0));
            edge(&other, &b, &target, &["read"], 1, 60).from(&context).await.unwrap();
            let child = context.run(other.spawn().into_future()).await.unwrap();
            assert_eq!(site.live(), (3, 1), "{generation:?}");
            drop(context);
            other.terminate(left).await.unwrap();
            assert_eq!(site.live(), (1, 0), "the child has ended with it, {generation:?}");
            child.close().await.unwrap();
        }
    });
}

/// Tells of the sessions that are lost.
struct Lost(Mutex<smol::channel::Sender<(SessionId, EndReason)>>);

impl Lifecycle for Lost {
    fn lost(&self, session: &SessionId, why: EndReason) {
        self.0.lock().unwrap().try_send((session.clone(), why)).unwrap();
    }
}

#[test]
fn a_lease_that_is_taken_over_is_lost_to_its_former_holder() {
    within(async {
        let site = Site::start(Generation::Head).await;
        let (told, lost) = smol::channel::unbounded();
        let source = |url: &str| TokenSource::secret(url, Secret::new("app-a"));
        let holder = site.builder("app-a", source).hook(Lost(Mutex::new(told))).build().unwrap();
        let service = holder.spawn().kind(Kind::Service).await.unwrap();
        let held = service.lease().unwrap();
        let [next, ..] = site.applications();
        let taken = next.acquire_lease(service.session().clone()).await.unwrap();
        assert!(taken.generation > held.generation);
        assert_eq!(lost.recv().await.unwrap(), (service.session().clone(), EndReason::LeaseLost));
        assert_eq!(site.live(), (1, 0), "the session goes on");
        assert!(!next.terminate(service.session().clone()).await.unwrap());
        assert_eq!(site.live(), (0, 0));
        assert!(next.terminate(service.session().clone()).await.unwrap(), "it had ended before");
        assert_eq!(service.close().await, Ok(()), "so it had for its former holder, who has no lease of it");
    });
}

#[test]
fn a_wrong_secret_and_a_scope_that_was_not_granted_give_no_token() {
    within(async {
        for generation in BOTH {
            let site = Site::start(generation).await;
            let wrong = site.builder("app-a", |url| TokenSource::secret(url, Secret::new("s3cret"))).build().unwrap();
            let ungranted = site.application("app-b", &["coordinator.admin"]);
            for (caracal, status) in [(wrong, 401), (ungranted, 403)] {
                let Err(CallError::NoToken(TokenFault::Exchange(why))) = caracal.spawn().await.map(Scope::leave) else {
                    panic!("a token was issued")
                };
                let text = why.to_string();
                assert!(text.contains(&status.to_string()) && !text.contains("s3cret"), "{text}");
            }
            // Without the scope, nothing is delegated to another application of 0.1; that of 1.0 asks for none.
            let (caracal, [_, b, _]) = (site.application("app-a", &[]), site.applications());
            let (source, target) = (caracal.spawn().await.unwrap(), b.spawn().await.unwrap());
            let delegated = edge(&caracal, &b, &target, &["read"], 1, 60).from(source.context()).await;
            match generation {
                Generation::May => assert_eq!(refused(delegated), 403),
                Generation::Head => assert_eq!(delegated.unwrap().edge().scopes.join(" "), "read"),
            }
        }
    });
}

#[test]
fn a_service_passes_a_request_on_by_its_own_edge() {
    within(async {
        let site = Site::start(Generation::May).await;
        let [a, b, c] = site.applications();
        let (source, middle, target) = (a.spawn().await.unwrap(), b.spawn().await.unwrap(), c.spawn().await.unwrap());
        let first = edge(&a, &b, &middle, &["read"], 2, 60).from(source.context()).await.unwrap();
        let second = edge(&b, &c, &target, &["read"], 1, 50).from(middle.context()).await.unwrap();
        let received = b.bind_from_headers(&first.run(a.headers()).await.unwrap().into()).unwrap();
        let onward = second.context_after(&received).unwrap();
        let seen = c.bind_from_headers(&onward.run(b.headers()).await.unwrap().into()).unwrap();
        assert_eq!((seen.session(), seen.edge()), (Some(source.session()), Some(&second.edge().edge)));
        assert_eq!((seen.parent_edge(), seen.hop().count()), (Some(&first.edge().edge), 2));
        assert_eq!((seen.token(), seen.trace()), (received.token(), received.trace()), "it is the caller's request");
    });
}

#[test]
fn a_mandate_is_taken_by_its_resource_and_by_nothing_else() {
    within(async {
        for generation in BOTH {
            let site = Site::start(generation).await;
            let url = format!("http://{}", site.address);
            let mandate = |resource: &str, scope: &str| {
                let source = TokenSource::mandate(&url, Secret::new("app-a"), [resource], [scope]);
                site.builder("app-a", |_| source).build().unwrap()
            };
            let [service, caller, ..] = site.applications();
            let verifier = service.mandates(&url, "nuncio", "resource://r").unwrap();
            let verifier = verifier.targets(["resource://r"]).scopes(["read"]);
            let asked = async |caracal: &Caracal| {
                let headers = caracal.headers().await.unwrap().into();
                let token = service.bind_from_headers(&headers).unwrap().token().clone();
                verifier.verify(&token).await.map(|mandate| mandate.application)
            };
            assert_eq!(asked(&mandate("resource://r", "read")).await, Ok("app-a".to_owned()), "{generation:?}");
            let elsewhere = asked(&mandate("resource://other", "read")).await.unwrap_err();
            assert_eq!(elsewhere.code(), "invalid_token", "{generation:?}");
            let own = asked(&caller).await.unwrap_err();
            assert_eq!(own.code(), "invalid_token", "a token for the coordinator is not a mandate, {generation:?}");
            // A mandate is not a token for the coordinator.
            assert_eq!(refused(mandate("resource://r", "read").spawn().await), 401, "{generation:?}");
            let ungranted = mandate("resource://r", "write").headers().await.unwrap_err();
            assert!(ungranted.to_string().contains("403"), "{ungranted}");
        }
    });
}
