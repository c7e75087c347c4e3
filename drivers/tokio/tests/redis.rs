//! What this driver's store on Redis does with its connection; the rest is tested in `tests/interop/cap`.
#![cfg(feature = "cap")]
#![allow(missing_docs, clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use nuncio_link::resp::{RespCommand, RespReply, RespServerConfig, RespServerLink};
use nuncio_tokio::cap::{BlobError, BlobStore as _, RedisOptions, RedisStore};
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

/// A limit that a test reaches only if it fails.
const LONG: Duration = Duration::from_mins(1);

/// What a server does about a command.
enum Answer {
    Reply(RespReply),
    /// It closes the connection.
    Close,
    /// It says nothing, and goes on reading.
    None,
}

/// A server that a test plays. It accepts connections until the test has ended.
struct Server {
    options: RedisOptions,
    /// The numbers of connections, and of commands that a test has made.
    connections: Arc<AtomicUsize>,
    commands: Arc<AtomicUsize>,
    /// The numbers of connections that have ended.
    ended: mpsc::Receiver<usize>,
}

impl Server {
    /// `answer` is called with the number of the connection, from 0 on, for each DEL on it, and for each SELECT of another
    /// database than the first.
    fn start(answer: impl Fn(usize) -> Answer + Clone + Send + 'static) -> Server {
        Log::start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut options = RedisOptions::new(&format!("redis://{}", listener.local_addr().unwrap())).unwrap();
        (options.connect_timeout, options.timeout) = (LONG, LONG);
        let (connections, commands) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (end, ended) = mpsc::channel();
        let (accepted, made) = (Arc::clone(&connections), Arc::clone(&commands));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                let (answer, made, end) = (answer.clone(), Arc::clone(&made), end.clone());
                std::thread::spawn(move || {
                    serve(&stream, || {
                        made.fetch_add(1, Ordering::SeqCst);
                        answer(number)
                    });
                    // The test may have ended.
                    drop((stream.shutdown(Shutdown::Both), end.send(number)));
                });
            }
        });
        Server { options, connections, commands, ended }
    }

    fn store(&self) -> RedisStore {
        RedisStore::new(self.options.clone()).unwrap()
    }

    /// How many connections there were, and how many commands that a test has made.
    fn seen(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.commands.load(Ordering::SeqCst))
    }
}

/// Serves a connection to its end.
fn serve(mut stream: &TcpStream, answer: impl Fn() -> Answer) {
    let mut link = RespServerLink::new(RespServerConfig::default());
    let (mut buffer, mut bytes) = ([0; 4096], Vec::new());
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        link.receive(&buffer[..count]);
        while let Ok(Some(command)) = link.poll_command() {
            match command {
                RespCommand::Delete(_) | RespCommand::Select(1..) => match answer() {
                    Answer::Reply(reply) => link.reply(&reply),
                    Answer::Close => return,
                    Answer::None => {}
                },
                // What a client says at the beginning.
                _ => link.reply(&RespReply::Simple("OK".to_owned())),
            }
        }
        link.take_output(&mut bytes);
        if stream.write_all(&bytes).is_err() {
            return;
        }
        bytes.clear();
    }
}

async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, test).await.expect("the test hangs")
}

#[tokio::test]
async fn a_command_whose_connection_is_lost_is_made_again_on_another() {
    let server = Server::start(|connection| match connection {
        0 => Answer::Close,
        _ => Answer::Reply(RespReply::Integer(1)),
    });
    let store = server.store();
    within(async {
        store.delete("key").await.unwrap();
        let said = Log::take();
        assert!(said.contains("the connection to Redis is lost") && said.lines().count() == 1, "{said}");
        assert_eq!(server.seen(), (2, 2));
        store.delete("key").await.unwrap();
        assert_eq!(server.seen(), (2, 3), "the second connection stays");
    })
    .await;
}

#[tokio::test]
async fn a_command_is_made_twice_at_most() {
    let server = Server::start(|_| Answer::Close);
    let error = within(server.store().delete("key")).await.unwrap_err();
    assert!(matches!(error, BlobError::Unreachable(_)), "{error}");
    assert_eq!(server.seen(), (2, 2));
}

#[tokio::test]
async fn a_command_that_the_server_refuses_is_not_made_again() {
    let server = Server::start(|_| Answer::Reply(RespReply::Error("ERR no".to_owned())));
    let store = server.store();
    let error = within(store.delete("key")).await.unwrap_err();
    assert!(matches!(error, BlobError::Refused(_)), "{error}");
    within(store.ping()).await.unwrap();
    assert_eq!(server.seen(), (1, 1), "the connection stays");
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_answered_is_given_up_for_another() {
    let mut server = Server::start(|connection| match connection {
        0 => Answer::None,
        _ => Answer::Reply(RespReply::Integer(1)),
    });
    server.options.timeout = Duration::from_millis(100);
    server.options.first_pause = Duration::ZERO;
    let store = server.store();
    within(async {
        // On a busy machine the answers on later connections may be late, too.
        while let Err(error) = store.delete("key").await {
            assert!(matches!(error, BlobError::Unreachable(_)), "{error}");
        }
    })
    .await;
    assert_eq!(server.ended.recv_timeout(LONG), Ok(0), "it is closed");
}

#[tokio::test]
async fn after_a_failed_attempt_to_connect_there_is_a_pause() {
    let mut server = Server::start(|_| Answer::Reply(RespReply::Error("ERR there is no such database".to_owned())));
    server.options.database = 3;
    (server.options.first_pause, server.options.longest_pause) = (LONG, LONG);
    let store = server.store();
    let first = within(store.ping()).await.unwrap_err();
    assert!(matches!(&first, BlobError::Refused(reason) if reason.contains("no such database")), "{first}");
    assert_eq!(within(store.ping()).await, Err(first), "what was said last is said again");
    assert_eq!(server.seen().0, 1, "during the pause no attempt is made");
    server.options.first_pause = Duration::ZERO;
    let store = server.store();
    within(store.ping()).await.unwrap_err();
    within(store.ping()).await.unwrap_err();
    assert_eq!(server.seen().0, 3, "after it there is one");
}

thread_local! {
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What this driver logs on this thread.
struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Keeps it from now on. Each test does so before anything is logged, since a line that is first logged while the subscriber
    /// is set may be lost.
    fn start() {
        static STARTED: OnceLock<()> = OnceLock::new();
        STARTED.get_or_init(|| {
            let ours = Targets::new().with_target("nuncio_tokio", Level::INFO);
            let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Log);
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.with_filter(ours)))
                .unwrap();
        });
    }

    /// Takes the lines that were logged since the last call.
    fn take() -> String {
        String::from_utf8(LOG.take()).unwrap()
    }
}

#[tokio::test]
async fn the_log_says_when_redis_is_lost_not_reached_and_reached_again() {
    let mut server = Server::start(|connection| match connection {
        0 => Answer::Close,
        1 => Answer::Reply(RespReply::Error("ERR not now".to_owned())),
        _ => Answer::Reply(RespReply::Integer(1)),
    });
    // So that the server is asked before each connection is used.
    server.options.database = 3;
    server.options.first_pause = Duration::ZERO;
    let store = server.store();
    within(async {
        store.ping().await.unwrap_err();
        let said = Log::take();
        assert!(said.contains("WARN") && said.contains("Redis is not reached"), "{said}");
        store.ping().await.unwrap_err();
        assert!(Log::take().contains("not now"), "with the reason");
        store.ping().await.unwrap();
        let said = Log::take();
        assert!(said.contains("Redis is reached again") && said.lines().count() == 1, "{said}");
        store.ping().await.unwrap();
        assert_eq!(Log::take(), "", "an open connection is no news");
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_dropped_closes_its_connection() {
    let server = Server::start(|_| Answer::Reply(RespReply::Integer(1)));
    let store = server.store();
    within(store.delete("key")).await.unwrap();
    drop(store);
    let ended = tokio::task::spawn_blocking(move || server.ended.recv_timeout(LONG)).await.unwrap();
    assert_eq!(ended, Ok(0));
}
