//! When a bus is connected, and when a component is ready.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future::poll_once;
use nuncio_shared::auth::{Authorities, ClientTls};
use nuncio_shared::io::BoxFuture;
use serde_json::Value;

use super::cap::{
    Bus, BusError, BusState, Client, JobContext, MemoryBus, MemoryStore, Message, NatsBus, NatsOptions, Router,
    Subscription, Worker,
};
use crate::on::within;

/// A NATS server that breaks its first connection off, and answers the second one as told.
fn server(last_words: &'static str) -> (NatsOptions, std::thread::JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = NatsOptions::new(&format!("nats://{}", listener.local_addr().unwrap())).unwrap();
    options.connect_within = Duration::from_hours(1);
    let serving = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        let info = r#"INFO {"server_id":"s","server_name":"s","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576}"#;
        stream.write_all(format!("{info}\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "PING" {}
        stream.write_all(last_words.as_bytes()).unwrap();
        stream
    });
    (options, serving)
}

#[test]
fn a_connection_that_breaks_off_is_tried_again() {
    within(async {
        let (options, serving) = server("PONG\r\n");
        let bus = NatsBus::connect(options).await.unwrap();
        assert!(matches!(bus.state(), BusState::Connected(_)));
        drop((bus, serving.join()));
    });
}

#[test]
fn a_bus_that_is_dropped_closes_its_connection() {
    within(async {
        let (options, serving) = server("PONG\r\n");
        let bus = NatsBus::connect(options).await.unwrap();
        let mut stream = serving.join().unwrap();
        drop(bus);
        let ended = smol::unblock(move || stream.read_to_end(&mut Vec::new()));
        ended.await.unwrap();
    });
}

#[test]
fn a_refused_login_is_not_tried_again() {
    within(async {
        let (options, serving) = server("-ERR 'Authorization Violation'\r\n");
        // Each driver has an error of its own.
        let refused = format!("{:?}", NatsBus::connect(options).await.unwrap_err());
        assert!(refused.starts_with("Refused"), "{refused}");
        drop(serving.join());
    });
}

#[test]
fn a_server_that_is_not_there_is_not_a_refusal() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut options = NatsOptions::new(&format!("nats://{}", listener.local_addr().unwrap())).unwrap();
        options.connect_within = Duration::ZERO;
        drop(listener);
        let error = format!("{:?}", NatsBus::connect(options).await.unwrap_err());
        assert!(error.starts_with("Disconnected") || error.starts_with("Unreachable"), "{error}");
    });
}

/// Returns what a bus sends first to a server that has said this of TLS.
async fn first_byte(scheme: &str, info: &str, tls: Option<ClientTls>) -> Option<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = NatsOptions::new(&format!("{scheme}://{}", listener.local_addr().unwrap())).unwrap();
    (options.connect_within, options.tls) = (Duration::ZERO, tls);
    let info = format!("INFO {{\"server_id\":\"s\",\"version\":\"2.10.0\",\"max_payload\":1024{info}}}\r\n");
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(info.as_bytes()).unwrap();
        let mut first = [0];
        stream.read_exact(&mut first).ok().map(|()| first[0])
    });
    assert!(NatsBus::connect(options).await.is_err(), "the server breaks the connection off");
    serving.join().unwrap()
}

#[test]
fn a_bus_logs_in_without_tls_only_where_nobody_demands_it() {
    const CLEAR: Option<u8> = Some(b'C');
    const TLS: Option<u8> = Some(22);
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let trusting = || Some(ClientTls::new(Authorities::from_pem(made.cert.pem().as_bytes()).unwrap()).unwrap());
    let (required, offered) = (r#","tls_required":true"#, r#","tls_available":true"#);
    within(async {
        for (scheme, info, tls, expected) in [
            ("nats", "", None, CLEAR),
            ("nats", "", trusting(), CLEAR),
            ("nats", offered, None, CLEAR),
            ("nats", offered, trusting(), CLEAR),
            ("nats", required, trusting(), TLS),
            ("tls", required, trusting(), TLS),
            ("tls", offered, trusting(), TLS),
        ] {
            assert_eq!(first_byte(scheme, info, tls).await, expected, "{scheme} {info}");
        }
        // A machine without certificates of its own gives up before the handshake.
        let byte = first_byte("nats", required, None).await;
        assert!(byte.is_none() || byte == TLS, "{byte:?}");
    });
}

/// A bus whose server never says that it has everything.
struct Unflushed(MemoryBus);

impl Bus for Unflushed {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), BusError>> {
        self.0.publish(message)
    }

    fn subscribe(&self, subject: &str, group: Option<&str>) -> BoxFuture<'_, Result<Subscription, BusError>> {
        self.0.subscribe(subject, group)
    }

    fn request(&self, subject: &str, payload: Bytes, limit: Duration) -> BoxFuture<'_, Result<Message, BusError>> {
        self.0.request(subject, payload, limit)
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(std::future::pending())
    }

    fn state(&self) -> BusState {
        self.0.state()
    }

    fn changed(&self, seen: BusState) -> BoxFuture<'_, BusState> {
        self.0.changed(seen)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }
}

struct Pool(Worker, Client, Router);

impl Pool {
    fn on<B: Bus + 'static>(bus: impl Fn() -> B) -> Pool {
        let echo = |_: JobContext, input: Value| async move { Ok(input) };
        let worker = Worker::builder().id("worker-1").job("job.echo", echo).start(bus(), MemoryStore::new()).unwrap();
        let client = Client::builder().id("client-1").connect(bus(), MemoryStore::new()).unwrap();
        let router = Router::builder().id("router-1").start(bus()).unwrap();
        Pool(worker, client, router)
    }

    /// Polls each a few times, so that the tasks behind them do what they can.
    async fn is_waiting(&self) {
        for _ in 0..100 {
            assert_eq!(poll_once(self.0.ready()).await, None);
            assert_eq!(poll_once(self.1.ready()).await, None);
            assert_eq!(poll_once(self.2.ready()).await, None);
            smol::future::yield_now().await;
        }
    }

    async fn ready(&self) -> [Result<(), BusError>; 3] {
        [self.0.ready().await, self.1.ready().await, self.2.ready().await]
    }
}

#[test]
fn nobody_is_ready_without_a_connection() {
    within(async {
        let (bus, cut) = (MemoryBus::new(), std::cell::RefCell::new(Vec::new()));
        let pool = Pool::on(|| {
            let connection = bus.another();
            connection.cut();
            cut.borrow_mut().push(connection.clone());
            connection
        });
        pool.is_waiting().await;
        for connection in cut.borrow().iter() {
            connection.restore();
        }
        assert_eq!(pool.ready().await, [Ok(()), Ok(()), Ok(())]);
    });
}

#[test]
fn nobody_is_ready_before_the_server_has_everything() {
    within(async {
        let bus = MemoryBus::new();
        Pool::on(|| Unflushed(bus.another())).is_waiting().await;
    });
}

#[test]
fn nobody_is_ready_on_a_bus_that_is_closed() {
    within(async {
        let (bus, all) = (MemoryBus::new(), std::cell::RefCell::new(Vec::new()));
        let pool = Pool::on(|| {
            let connection = bus.another();
            all.borrow_mut().push(connection.clone());
            connection
        });
        for connection in all.take() {
            connection.close().await;
        }
        assert_eq!(pool.ready().await, [Err(BusError::Closed), Err(BusError::Closed), Err(BusError::Closed)]);
    });
}
