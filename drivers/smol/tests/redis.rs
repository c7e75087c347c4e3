//! What this driver's store on Redis does with its connection; the rest is tested in `tests/interop/cap`.
#![cfg(feature = "cap")]
#![allow(missing_docs, clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use nuncio_smol::cap::{BlobError, BlobStore as _, RedisOptions, RedisStore};
use smol::future::poll_once;

/// A server that a test plays.
struct Server(TcpListener);

impl Server {
    fn new() -> (Server, RedisOptions) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = RedisOptions::new(&format!("redis://{}", listener.local_addr().unwrap())).unwrap();
        (Server(listener), options)
    }

    /// Accepts connections until one asks for a PONG, and answers it. Others were given up before.
    fn accept(&self) -> BufReader<TcpStream> {
        loop {
            let mut stream = BufReader::new(self.0.accept().unwrap().0);
            if await_line(&mut stream, "PING") && stream.get_mut().write_all(b"+PONG\r\n").is_ok() {
                return stream;
            }
        }
    }
}

/// Reads up to a line. Returns whether it came before the end of the connection.
fn await_line(stream: &mut BufReader<TcpStream>, expected: &str) -> bool {
    let mut line = String::new();
    while line.trim_end() != expected {
        line.clear();
        if matches!(stream.read_line(&mut line), Ok(0) | Err(_)) {
            return false;
        }
    }
    true
}

/// Reads until the connection is closed. It is reset if the store has not read all of an answer.
fn until_closed(stream: &mut BufReader<TcpStream>) {
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
}

#[test]
fn a_store_that_is_dropped_closes_its_connection() {
    let (server, options) = Server::new();
    let store = RedisStore::new(options).unwrap();
    let mut stream = server.accept();
    drop(store);
    until_closed(&mut stream);
}

#[test]
fn a_connection_on_which_nothing_is_answered_is_given_up_for_another() {
    let (server, mut options) = Server::new();
    options.timeout = Duration::from_millis(100);
    options.first_pause = Duration::ZERO;
    let store = RedisStore::new(options).unwrap();
    let (given_up, first_closed) = mpsc::channel();
    // Every later connection is served: on a busy machine an answer may be late, and then the store makes one more.
    std::thread::spawn(move || {
        until_closed(&mut server.accept());
        given_up.send(()).unwrap();
        loop {
            let mut stream = server.accept();
            while await_line(&mut stream, "key") && stream.get_mut().write_all(b"$-1\r\n").is_ok() {}
        }
    });
    smol::block_on(async {
        store.ping().await.unwrap_err();
        let error = store.get("none", 1).await.unwrap_err();
        assert!(matches!(error, BlobError::Unreachable(_)), "{error}");
        // Until the next connection is there, each request fails at once.
        while store.get("key", 1).await != Ok(None) {
            smol::future::yield_now().await;
        }
    });
    first_closed.recv().unwrap();
}

#[test]
fn a_request_beyond_those_that_may_be_answered_later_is_refused() {
    let (server, mut options) = Server::new();
    options.pipeline = 3;
    let store = RedisStore::new(options).unwrap();
    let _stream = server.accept();
    smol::block_on(async {
        // Those that are made before the connection is there wait for it; three later ones are sent on it.
        let mut waiting = Vec::new();
        loop {
            let mut get = Box::pin(store.get("key", 1));
            match poll_once(&mut get).await {
                Some(Err(BlobError::Refused(_))) => break,
                Some(other) => panic!("{other:?}"),
                None => waiting.push(get),
            }
            smol::future::yield_now().await;
        }
        assert!(waiting.len() >= 3, "{} were taken", waiting.len());
    });
}
