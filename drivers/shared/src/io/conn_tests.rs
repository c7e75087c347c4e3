//! A connection with a machine that only counts and echoes.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use event_listener::Event;
use futures_channel::oneshot;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use nuncio_link::{Cause, ClientOptions, Closed, HostPolicy, Link, LinkOptions, Request, ServerOptions, Utf8Bytes};

use super::{Patience, run};
use crate::io::BoxFuture;
use crate::io::Io;
use crate::io::by_hand::ByHand;
use crate::io::clock::timeout;
use crate::io::lane::Lane;
use crate::io::memory::End;
use crate::io::narrow::Narrow;
use crate::io::pipe::Pipe;
use crate::io::port::{Greeting, Port, Turn};
use crate::io::sync::lock;

#[path = "conn_ends_tests.rs"]
mod ends;

/// Takes frames while it is open; a server echoes them.
#[derive(Default)]
struct Machine {
    pipe: Arc<Pipe>,
    server: bool,
    shut: AtomicBool,
    /// It takes one frame in each turn.
    slow: AtomicBool,
    /// Nothing is known of the peer.
    unknown: AtomicBool,
    unread: AtomicUsize,
    lane: Option<Arc<Lane>>,
    opened: AtomicBool,
    sent: AtomicUsize,
    frames: Mutex<Vec<String>>,
    failed: Mutex<Option<io::ErrorKind>>,
    ended: Mutex<Option<Closed>>,
    /// Whether sockets are scarce.
    hurries: AtomicBool,
    changed: Event,
}

impl Machine {
    async fn until<T>(&self, mut reached: impl FnMut(&Machine) -> Option<T>) -> T {
        loop {
            let changed = self.changed.listen();
            if let Some(found) = reached(self) {
                return found;
            }
            changed.await;
        }
    }

    fn put(&self, frame: &str) {
        self.pipe.push(Bytes::copy_from_slice(frame.as_bytes()));
        self.pipe.wake();
    }
}

impl Machine {
    /// Like `put`, on the calling thread if that is possible.
    fn put_now(&self, frame: &str) {
        self.pipe.push(Bytes::copy_from_slice(frame.as_bytes()));
        self.pipe.write_now();
    }
}

impl Port for Machine {
    fn is_written_anywhere(&self) -> bool {
        true
    }

    fn opened(&self, _request: Option<&Request>) {
        self.opened.store(true, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
    }

    fn receive(&self, frames: &mut VecDeque<Utf8Bytes>) -> Turn {
        while !self.shut.load(Ordering::SeqCst) {
            let Some(frame) = frames.pop_front() else { break };
            if self.server {
                self.put(frame.as_str());
            }
            lock(&self.frames).push(frame.as_str().to_owned());
            if self.slow.load(Ordering::SeqCst) {
                self.changed.notify(usize::MAX);
                return Turn { goes_on: true, work: 0 };
            }
        }
        self.changed.notify(usize::MAX);
        Turn::default()
    }

    fn lane(&self) -> Option<Arc<Lane>> {
        self.lane.clone()
    }

    fn spoiled(&self, _closed: &Closed) {
        self.put("spoiled");
    }

    fn greeting(&self) -> Greeting {
        match (self.unknown.load(Ordering::SeqCst), self.shut.load(Ordering::SeqCst)) {
            (false, _) => Greeting::Done,
            (true, false) => Greeting::Awaited,
            (true, true) => Greeting::InDoubt,
        }
    }

    fn unread(&self, bytes: usize) {
        self.unread.store(bytes, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
    }

    fn sent(&self, frames: usize) {
        self.sent.fetch_add(frames, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
    }

    fn lingers(&self) -> bool {
        !self.hurries.load(Ordering::SeqCst)
    }

    fn failed(&self, error: io::Error) {
        *lock(&self.failed) = Some(error.kind());
    }

    fn ended(&self, closed: &Closed) {
        *lock(&self.ended) = Some(closed.clone());
        self.changed.notify(usize::MAX);
    }
}

fn machine(server: bool) -> Arc<Machine> {
    Arc::new(Machine { server, ..Machine::default() })
}

/// Tasks and timers of smol's own thread.
struct Smol;

impl Io for Smol {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        smol::spawn(task).detach();
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            smol::Timer::at(at).await;
        })
    }
}

fn start(machine: &Arc<Machine>, link: Link, stream: End) -> oneshot::Receiver<()> {
    let patience = Patience { open: None, linger: Duration::from_millis(50), link: LinkOptions::default() };
    let (done, ended) = oneshot::channel();
    let connection = run(
        Arc::new(Smol),
        Box::pin(stream),
        Arc::new(Mutex::new(link)),
        Arc::clone(&machine.pipe),
        Arc::clone(machine),
        patience,
    );
    smol::spawn(async move {
        connection.await;
        drop(done);
    })
    .detach();
    ended
}

fn pair(buffer: usize) -> (Arc<Machine>, Arc<Machine>) {
    let (ours, theirs) = End::pair(buffer);
    let (client, server) = (machine(false), machine(true));
    let options = ClientOptions::new("ws://localhost/arcp").expect("the URL is one");
    let _client = start(&client, Link::client(&options), ours);
    let _server = start(&server, Link::server(Arc::new(ServerOptions::new(HostPolicy::Loopback))), theirs);
    (client, server)
}

fn within<T>(test: impl Future<Output = T>) -> T {
    smol::block_on(timeout(&Smol, Duration::from_mins(1), test)).expect("the test hangs")
}

#[test]
fn frames_go_both_ways_in_order_however_small_the_pipe() {
    for buffer in [7, 1_000, 1_000_000] {
        within(async {
            let (client, _server) = pair(buffer);
            client.until(|client| client.opened.load(Ordering::SeqCst).then_some(())).await;
            let sent: Vec<_> = (0..1_000).map(|number| format!("frame {number}")).collect();
            for frame in &sent {
                client.put(frame);
            }
            client.until(|client| (lock(&client.frames).len() == sent.len()).then_some(())).await;
            assert_eq!(*lock(&client.frames), sent);
            client.until(|client| (client.sent.load(Ordering::SeqCst) == sent.len()).then_some(())).await;
        });
    }
}

/// Threads write at the same time as the task of the connection.
#[test]
fn frames_of_many_threads_arrive_in_the_order_of_each_however_small_the_pipe() {
    const THREADS: usize = 4;
    const EACH: usize = 500;
    for buffer in [7, 1_000, 1_000_000] {
        within(async {
            let (client, _server) = pair(buffer);
            client.until(|client| client.opened.load(Ordering::SeqCst).then_some(())).await;
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let client = &client;
                    scope.spawn(move || {
                        for number in 0..EACH {
                            let frame = format!("{thread} {number}");
                            // Some only wake the task.
                            if number % 5 == 0 { client.put(&frame) } else { client.put_now(&frame) }
                        }
                    });
                }
            });
            client.until(|client| (lock(&client.frames).len() == THREADS * EACH).then_some(())).await;
            for thread in 0..THREADS {
                let (frames, prefix) = (lock(&client.frames), format!("{thread} "));
                let numbers = frames.iter().filter_map(|frame| frame.strip_prefix(&prefix)?.parse::<usize>().ok());
                assert!(numbers.eq(0..EACH), "the frames of thread {thread} are in order");
            }
            client.until(|client| (client.sent.load(Ordering::SeqCst) == THREADS * EACH).then_some(())).await;
        });
    }
}

/// Runs a connection on an executor that never runs the task which writes.
#[test]
fn a_thread_writes_itself_what_the_stream_takes() {
    within(async {
        let stream = Narrow::default();
        let taken = Arc::clone(&stream.taken);
        lock(&taken).room = 8;
        let (machine, parked) = (machine(true), Arc::new(ByHand::default()));
        let mut connection = ends::by_hand(&parked, stream, &machine);
        assert!(futures_lite::future::poll_once(&mut connection).await.is_none(), "it waits for input");
        machine.put_now("short");
        assert_eq!((&*lock(&taken).bytes, machine.sent.load(Ordering::SeqCst)), (&b"short\n"[..], 1));
        // What the stream does not take is left to the task, and no thread writes in between.
        machine.put_now("longer than the room");
        machine.put_now("next");
        assert_eq!((&*lock(&taken).bytes, machine.sent.load(Ordering::SeqCst)), (&b"short\nlo"[..], 1));
        lock(&taken).give(usize::MAX);
        parked.poll();
        let written = b"short\nlonger than the room\nnext\n";
        assert_eq!((&*lock(&taken).bytes, machine.sent.load(Ordering::SeqCst)), (&written[..], 3));
    });
}

#[test]
fn a_machine_that_does_not_read_is_given_nothing_until_it_does() {
    within(async {
        let (client, server) = pair(1 << 20);
        client.until(|client| client.opened.load(Ordering::SeqCst).then_some(())).await;
        server.shut.store(true, Ordering::SeqCst);
        for number in 0..300 {
            client.put(&number.to_string());
        }
        client.until(|client| (client.sent.load(Ordering::SeqCst) == 300).then_some(())).await;
        assert!(lock(&server.frames).is_empty());
        server.shut.store(false, Ordering::SeqCst);
        server.pipe.read_on();
        server.pipe.wake();
        server.until(|server| (lock(&server.frames).len() == 300).then_some(())).await;
    });
}

/// What follows a hello waits for the decision about it, and then has the limits of a known peer.
#[test]
fn frames_behind_a_hello_wait_until_the_peer_is_known() {
    within(async {
        let (mut peer, theirs) = End::pair(1 << 20);
        let server = machine(true);
        server.unknown.store(true, Ordering::SeqCst);
        server.shut.store(true, Ordering::SeqCst);
        let mut link = Link::lines(LinkOptions::default());
        link.restrain(10);
        let _connection = start(&server, link, theirs);
        let long = "x".repeat(500_000);
        peer.write_all(format!("hello\n{long}\n").as_bytes()).await.expect("the pipe is open");
        // Nothing more is read than what one read brings.
        let held = server.until(|server| Some(server.unread.load(Ordering::SeqCst)).filter(|held| *held > 0)).await;
        assert!(held <= 64 << 10, "{held} bytes are held");
        server.unknown.store(false, Ordering::SeqCst);
        server.shut.store(false, Ordering::SeqCst);
        server.pipe.read_on();
        server.pipe.wake();
        server.until(|server| (lock(&server.frames).len() == 2).then_some(())).await;
        assert_eq!(*lock(&server.frames), ["hello".to_owned(), long]);
    });
}

#[test]
fn what_is_held_of_a_large_frame_is_reported_until_the_frame_is_complete() {
    within(async {
        let (mut peer, theirs) = End::pair(1 << 20);
        let server = machine(true);
        let _connection = start(&server, Link::lines(LinkOptions::default()), theirs);
        let long = "x".repeat(500_000);
        peer.write_all(long.as_bytes()).await.expect("the pipe is open");
        // In steps of 64 KiB.
        server.until(|server| (server.unread.load(Ordering::SeqCst) == 7 << 16).then_some(())).await;
        peer.write_all(b"\nshort\n").await.expect("the pipe is open");
        server.until(|server| (lock(&server.frames).len() == 2).then_some(())).await;
        server.until(|server| (server.unread.load(Ordering::SeqCst) == 0).then_some(())).await;
    });
}

#[test]
fn a_connection_waits_while_its_lane_rests_and_others_do_not() {
    within(async {
        let (lane, parked) = (Arc::new(Lane::new(1)), ByHand::default());
        lane.spend(1, &parked);
        let resting = Arc::new(Machine { server: true, lane: Some(Arc::clone(&lane)), ..Machine::default() });
        let other = machine(true);
        let mut peers = Vec::new();
        for server in [&resting, &other] {
            let (mut peer, theirs) = End::pair(1 << 20);
            let connection = start(server, Link::lines(LinkOptions::default()), theirs);
            peer.write_all(b"frame\n").await.expect("the pipe is open");
            peers.push((peer, connection));
        }
        other.until(|server| (lock(&server.frames).len() == 1).then_some(())).await;
        assert!(lock(&resting.frames).is_empty());
        drop(parked);
        resting.until(|server| (lock(&server.frames).len() == 1).then_some(())).await;
    });
}

#[test]
fn the_end_of_a_peer_is_seen_while_its_hello_is_decided_about() {
    within(async {
        let (peer, theirs) = End::pair(1 << 20);
        let server = machine(true);
        server.unknown.store(true, Ordering::SeqCst);
        server.shut.store(true, Ordering::SeqCst);
        let _connection = start(&server, Link::lines(LinkOptions::default()), theirs);
        drop(peer);
        server.until(|server| lock(&server.ended).clone()).await;
    });
}

#[test]
fn every_frame_arrives_at_a_machine_with_short_turns() {
    within(async {
        let (client, server) = pair(1 << 20);
        client.until(|client| client.opened.load(Ordering::SeqCst).then_some(())).await;
        server.slow.store(true, Ordering::SeqCst);
        for number in 0..300 {
            client.put(&number.to_string());
        }
        server.until(|server| (lock(&server.frames).len() == 300).then_some(())).await;
        assert!(lock(&server.frames).iter().enumerate().all(|(at, frame)| *frame == at.to_string()));
    });
}

#[test]
fn a_close_is_told_to_the_peer_after_what_was_sent_before() {
    within(async {
        let (client, server) = pair(64);
        client.until(|client| client.opened.load(Ordering::SeqCst).then_some(())).await;
        server.pipe.push(Bytes::from_static(b"last"));
        server.pipe.close(1001, "done");
        server.pipe.wake();
        let closed = client.until(|client| lock(&client.ended).clone()).await;
        assert_eq!((closed.cause, closed.code, closed.reason.as_str()), (Cause::Peer, 1001, "done"));
        assert_eq!(*lock(&client.frames), ["last"]);
        let closed = server.until(|server| lock(&server.ended).clone()).await;
        assert_eq!(closed.cause, Cause::Us);
    });
}

#[test]
fn a_peer_that_ignores_a_close_is_left_at_the_deadline() {
    within(async {
        let (mut peer, theirs) = End::pair(64);
        let server = machine(true);
        let connection = start(&server, Link::lines(nuncio_link::LinkOptions::default()), theirs);
        // More than the pipe holds, and nobody reads.
        server.put(&"x".repeat(1_000));
        server.pipe.close(1008, "too slow");
        server.pipe.wake();
        let _over = connection.await;
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.expect("the other half is dropped");
        assert!(rest.len() < 1_000);
    });
}

#[test]
fn a_peer_that_does_not_answer_a_close_frame_is_left_at_the_deadline() {
    within(async {
        let (mut peer, theirs) = End::pair(1 << 10);
        let server = machine(true);
        let connection = start(&server, Link::server_upgraded(LinkOptions::default()), theirs);
        server.pipe.close(1001, "going away");
        server.pipe.wake();
        let mut frame = [0; 2];
        peer.read_exact(&mut frame).await.expect("a close frame");
        assert_eq!(frame[0], 0x88);
        let _over = connection.await;
        let ended = lock(&server.ended).clone().expect("the machine is told");
        assert_eq!((ended.cause, &*ended.reason), (Cause::Lost, "the peer did not answer in time"));
    });
}

#[test]
fn lines_that_cannot_be_read_are_answered_before_the_end() {
    within(async {
        let (mut peer, theirs) = End::pair(64);
        let server = machine(true);
        let _connection = start(&server, Link::lines(nuncio_link::LinkOptions::default()), theirs);
        peer.write_all(b"good\n\xff\n").await.expect("the pipe is open");
        let mut answer = String::new();
        peer.read_to_string(&mut answer).await.expect("text");
        assert_eq!(answer, "good\nspoiled\n");
    });
}
