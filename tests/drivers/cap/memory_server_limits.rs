//! Hostile clients of a bus and a store in memory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::cap::{Bus as _, MemoryBus, MemoryServer, MemoryServerLimits, MemoryStore, Message};
use crate::on::within;

/// A limit that a test reaches only if it fails.
const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(50);

struct Site {
    bus: MemoryBus,
    server: MemoryServer,
}

impl Site {
    async fn new(change: impl FnOnce(&mut MemoryServerLimits)) -> Site {
        let mut limits = MemoryServerLimits::default();
        (limits.connect_within, limits.write_within, limits.linger) = (LONG, LONG, LONG);
        change(&mut limits);
        let (bus, any) = (MemoryBus::new(), "127.0.0.1:0");
        let server = MemoryServer::start_within(&bus, &MemoryStore::new(), any, any, limits).await.unwrap();
        Site { bus, server }
    }

    fn nats(&self) -> Raw {
        Raw::connect(self.server.nats_url().strip_prefix("nats://").unwrap())
    }

    fn redis(&self) -> Raw {
        Raw::connect(self.server.redis_url().strip_prefix("redis://").unwrap().trim_end_matches("/0"))
    }

    /// Publishes messages of 1 MiB, more than the sockets of this system take.
    async fn flood(&self) {
        for _ in 0..64 {
            let payload = vec![b'x'; 1 << 20].into();
            self.bus.publish(Message { subject: "a".into(), reply: None, payload }).await.unwrap();
        }
    }
}

/// A client that does what it likes.
struct Raw(BufReader<TcpStream>);

impl Raw {
    fn connect(address: &str) -> Raw {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Raw(BufReader::new(stream))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// Says what a client of NATS says first.
    fn log_in(&mut self) {
        assert!(self.line().starts_with("INFO "));
        self.send("CONNECT {\"verbose\":false}\r\nPING\r\n");
        assert_eq!(self.line(), "PONG\r\n");
    }

    /// Reads until the server has closed the connection, and returns the end.
    fn end(mut self) -> String {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(bytes.get(bytes.len().saturating_sub(100)..).unwrap_or(&bytes)).into_owned()
    }
}

#[test]
fn clients_that_do_not_log_in_are_closed() {
    within(async {
        let site = Site::new(|limits| limits.connect_within = SHORT).await;
        let mut nats = site.nats();
        nats.send("PING\r\n");
        let told = nats.end();
        assert!(told.ends_with("-ERR 'Authentication Timeout'\r\n"), "{told}");
        assert_eq!(site.redis().end(), "");
    });
}

#[test]
fn connections_beyond_the_limit_are_told_so() {
    within(async {
        let site = Site::new(|limits| limits.connections = 1).await;
        let (mut nats, mut redis) = (site.nats(), site.redis());
        nats.log_in();
        redis.send("*1\r\n$4\r\nPING\r\n");
        assert_eq!(redis.line(), "+PONG\r\n");
        let told = site.nats().end();
        assert!(told.ends_with("-ERR 'maximum connections exceeded'\r\n"), "{told}");
        assert_eq!(site.redis().end(), "-ERR max number of clients reached\r\n");
        // Once a client has gone there is room for another.
        drop(nats);
        while !is_accepted(&mut site.nats()) {}
    });
}

/// Whether the server takes this client. It may have closed the connection already.
fn is_accepted(nats: &mut Raw) -> bool {
    drop(nats.0.get_mut().write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n"));
    let mut lines = [String::new(), String::new()];
    lines.iter_mut().all(|line| nats.0.read_line(line).is_ok()) && lines[1] == "PONG\r\n"
}

#[test]
fn a_client_of_the_store_is_told_how_many_keys_are_there_and_removed() {
    within(async {
        let site = Site::new(|_| {}).await;
        let mut redis = site.redis();
        for (command, reply) in [
            ("SET a 1", "+OK"),
            ("SET b 2", "+OK"),
            ("EXISTS a none b", ":2"),
            ("DEL a none b", ":2"),
            ("EXISTS a", ":0"),
            ("DEL a", ":0"),
        ] {
            let words: Vec<&str> = command.split(' ').collect();
            redis.send(&format!("*{}\r\n", words.len()));
            for word in words {
                redis.send(&format!("${}\r\n{word}\r\n", word.len()));
            }
            assert_eq!(redis.line().trim_end(), reply, "{command}");
        }
    });
}

#[test]
fn a_client_with_too_many_subscriptions_is_closed() {
    within(async {
        let site = Site::new(|limits| limits.subscriptions = 2).await;
        let mut nats = site.nats();
        nats.log_in();
        nats.send("SUB a 1\r\nSUB b 2\r\nPING\r\n");
        assert_eq!(nats.line(), "PONG\r\n");
        nats.send("SUB c 3\r\n");
        assert_eq!(nats.end(), "-ERR 'Maximum Subscriptions Exceeded'\r\n");
    });
}

#[test]
fn a_slow_consumer_is_told_so_and_closed() {
    within(async {
        let site = Site::new(|limits| limits.pending_bytes = 1 << 20).await;
        let mut nats = site.nats();
        nats.log_in();
        nats.send("SUB a 1\r\nPING\r\n");
        assert_eq!(nats.line(), "PONG\r\n");
        site.flood().await;
        let told = nats.end();
        assert!(told.ends_with("-ERR 'Slow Consumer'\r\n"), "{told}");
    });
}

#[test]
fn a_client_that_never_reads_does_not_keep_its_connection() {
    within(async {
        let site = Site::new(|limits| (limits.connections, limits.write_within) = (1, SHORT)).await;
        let mut nats = site.nats();
        nats.log_in();
        nats.send("SUB a 1\r\nPING\r\n");
        assert_eq!(nats.line(), "PONG\r\n");
        site.flood().await;
        while !is_accepted(&mut site.nats()) {}
    });
}

#[test]
fn a_client_of_the_store_that_never_reads_does_not_keep_its_connection() {
    within(async {
        let site = Site::new(|limits| (limits.connections, limits.write_within) = (1, SHORT)).await;
        let mut redis = site.redis();
        redis.send(&format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20)));
        assert_eq!(redis.line(), "+OK\r\n");
        redis.send(&"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(64));
        loop {
            let mut other = site.redis();
            // The server may have closed the connection already.
            drop(other.0.get_mut().write_all(b"*1\r\n$4\r\nPING\r\n"));
            let mut line = String::new();
            if other.0.read_line(&mut line).is_ok() && line == "+PONG\r\n" {
                break;
            }
        }
    });
}

#[test]
fn a_silent_client_is_sent_pings_and_closed() {
    within(async {
        let site =
            Site::new(|limits| (limits.ping_interval, limits.unanswered_pings) = (Duration::from_millis(300), 2)).await;
        let (mut lively, mut silent) = (site.nats(), site.nats());
        lively.log_in();
        silent.log_in();
        for _ in 0..5 {
            assert_eq!(lively.line(), "PING\r\n");
            lively.send("PONG\r\n");
        }
        assert_eq!(silent.end(), "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
        lively.send("PING\r\n");
        while lively.line() != "PONG\r\n" {}
    });
}
