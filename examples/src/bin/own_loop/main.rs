//! ARCP over WebSocket in a custom event loop: one thread, `mio`, the core and the link, but no async runtime. It
//! serves some of the interop agents, and the interop tests run against it.
//!
//! Each turn of the loop waits for sockets and for the next deadline of the runtime or an agent, passes what it read to
//! the runtime, handles the outputs, and writes. `cargo run -p nuncio-examples --bin own_loop -- --port 7801`

mod agents;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use nuncio_core::arcp::{Config, ConnId, ErrorCode, Event, Fault, JobKey, JobResult, Output, Refused, Runtime, Via};
use nuncio_core::time::Time;
use nuncio_link::{HostPolicy, Link, LinkEvent, Refusal, ServerOptions};

use crate::agents::{Step, Work};

/// Serves some of the interop agents from one thread.
#[derive(Parser)]
struct Options {
    /// The port of 127.0.0.1 to listen on; 0 takes a free one
    #[arg(long, default_value_t = 7801)]
    port: u16,
    /// Seconds between heartbeats
    #[arg(long, default_value_t = 30)]
    heartbeat: u64,
}

struct Conn {
    stream: TcpStream,
    link: Link,
    id: ConnId,
    /// Whether the socket may have more to read.
    readable: bool,
    /// Frames in the link's output that were not yet reported to the runtime as sent.
    unsent: usize,
    /// Set once the runtime has closed the connection: until then the rest is written and the peer's close awaited.
    over: Option<Time>,
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    accepts: Arc<ServerOptions>,
    runtime: Runtime,
    conns: BTreeMap<usize, Conn>,
    tokens: HashMap<ConnId, usize>,
    next_token: usize,
    work: BTreeMap<JobKey, Work>,
    start: (Time, Instant),
}

const LISTENER: Token = Token(0);
/// How long a closing connection may take for that, in microseconds.
const LINGER: u64 = 2_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut server = Server::bind(&options)?;
    let address = server.listener.local_addr()?;
    println!("READY ws://{address}/arcp pid={}", std::process::id());
    let mut events = Events::with_capacity(256);
    loop {
        server.turn(&mut events)?;
    }
}

impl Server {
    fn bind(options: &Options) -> Result<Server, Box<dyn Error>> {
        let config =
            Config::default().with(|config| config.heartbeat_interval = Duration::from_secs(options.heartbeat));
        let micros = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let mut runtime = Runtime::new(config, seed, Time(micros));
        agents::offered().into_iter().try_for_each(|spec| runtime.register(spec))?;
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], options.port)))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Server {
            poll,
            listener,
            accepts: Arc::new(ServerOptions::new(HostPolicy::Loopback)),
            runtime,
            conns: BTreeMap::new(),
            tokens: HashMap::new(),
            next_token: 1,
            work: BTreeMap::new(),
            start: (Time(micros), Instant::now()),
        })
    }

    fn now(&self) -> Time {
        self.start.0.plus_micros(u64::try_from(self.start.1.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        let agents = self.work.values().filter_map(|work| work.due);
        let closing = self.conns.values().filter_map(|conn| conn.over);
        let due = agents.chain(closing).chain(self.runtime.poll_timeout().map(|(at, _)| at)).min();
        let now = self.now();
        let wait = due.map(|at| Duration::from_micros(at.since(now)));
        match self.poll.poll(events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            polled => polled?,
        }
        for event in &*events {
            if let Some(conn) = self.conns.get_mut(&event.token().0) {
                conn.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            }
        }
        let now = self.now();
        self.accept(now)?;
        self.runtime.handle_timeout(now);
        // Reading causes outputs, and writing frees space for more of both, so repeat until nothing happens.
        let mut busy = true;
        while busy {
            busy = false;
            for token in self.conns.keys().copied().collect::<Vec<_>>() {
                busy |= self.read(token, now);
            }
            busy |= self.drain(now) | self.advance_agents(now);
            for token in self.conns.keys().copied().collect::<Vec<_>>() {
                busy |= self.write(token, now);
            }
        }
        Ok(())
    }

    /// Accepts connections in every turn, so that those for which there were no file descriptors are retried.
    fn accept(&mut self, now: Time) -> io::Result<()> {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let token = self.next_token;
            self.next_token += 1;
            self.poll.registry().register(&mut stream, Token(token), Interest::READABLE | Interest::WRITABLE)?;
            let id = self.runtime.handle_open(now, Via::Loopback);
            self.tokens.insert(id, token);
            let link = Link::server(Arc::clone(&self.accepts));
            self.conns.insert(token, Conn { stream, link, id, readable: true, unsent: 0, over: None });
        }
        Ok(())
    }

    /// Passes frames to the runtime while it wants to read. Returns whether anything was done.
    fn read(&mut self, token: usize, now: Time) -> bool {
        let Some(conn) = self.conns.get_mut(&token) else { return false };
        let mut buffer = [0; 16 * 1024];
        let mut worked = false;
        while conn.over.is_some() || self.runtime.reading(conn.id) {
            match conn.link.poll_event() {
                Some(LinkEvent::Open(_)) => {}
                Some(LinkEvent::Frame(text)) => self.runtime.handle_frame(now, conn.id, text.as_bytes()),
                Some(LinkEvent::Closed(_)) => {
                    self.runtime.handle_close(now, conn.id);
                    conn.over = conn.over.or(Some(now.plus_micros(LINGER)));
                }
                None if conn.link.wants_input() && conn.readable => match conn.stream.read(&mut buffer) {
                    Ok(0) => conn.link.receive_end(),
                    Ok(count) => conn.link.receive(buffer.get(..count).unwrap_or_default()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => conn.readable = false,
                    Err(_) => conn.link.receive_end(),
                },
                None => break,
            }
            worked = true;
        }
        worked
    }

    /// Handles all outputs in order. Returns whether there were any.
    fn drain(&mut self, now: Time) -> bool {
        let mut worked = false;
        while let Some(output) = self.runtime.poll_output() {
            worked = true;
            match output {
                Output::Send { conn, frame, .. } => {
                    if let Some(conn) = self.conn(conn) {
                        conn.link.send(&frame);
                        conn.unsent += 1;
                    }
                }
                Output::Close { conn, code, reason } => {
                    if let Some(conn) = self.conn(conn) {
                        // If the upgrade request is still incomplete, the hello timeout has passed.
                        conn.link.refuse(Refusal::Slow);
                        conn.link.close(code, reason);
                        conn.over = Some(now.plus_micros(LINGER));
                    }
                }
                // The next round asks again whether to read, and there is no journal to store in.
                Output::Reading { .. } | Output::Store { .. } => {}
                Output::Event { event, .. } => report(self.event(now, event)),
            }
        }
        worked
    }

    fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.tokens.get(&id).and_then(|token| self.conns.get_mut(token))
    }

    /// Writes as much as the socket takes. Returns whether that freed space in the runtime or the link.
    fn write(&mut self, token: usize, now: Time) -> bool {
        let Some(conn) = self.conns.get_mut(&token) else { return false };
        let mut gone = conn.over.is_some_and(|until| until <= now);
        while !conn.link.output().is_empty() && !gone {
            match conn.stream.write(conn.link.output()) {
                Ok(count) => conn.link.consume(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => gone = true,
            }
        }
        let sent = std::mem::take(&mut conn.unsent);
        self.runtime.handle_sent(now, conn.id, sent);
        if gone || conn.link.is_finished() {
            self.runtime.handle_close(now, conn.id);
            self.tokens.remove(&conn.id);
            // Dropping the socket also removes it from the poll.
            self.conns.remove(&token);
        }
        sent > 0
    }

    fn event(&mut self, now: Time, event: Event) -> Result<(), Refused> {
        match event {
            Event::Authenticate { conn, token, .. } => match token.expose() {
                "tok-alice" | "tok-alice2" => self.runtime.admit(now, conn, "alice")?,
                "tok-bob" => self.runtime.admit(now, conn, "bob")?,
                _ => self.runtime.reject(now, conn, Fault::new(ErrorCode::Unauthenticated, "unknown token"))?,
            },
            Event::Submitted { job, .. } => self.runtime.start(now, job, Vec::new())?,
            Event::Start { job } => {
                if let Some(steps) = self.runtime.job(job).map(|view| agents::steps(&view)) {
                    self.work.insert(job, Work::new(steps, now));
                }
            }
            Event::Cancel { job, .. } => {
                self.work.insert(job, Work::new(agents::cancelled(), now));
            }
            Event::Unblocked { job } => {
                if let Some(work) = self.work.get_mut(&job) {
                    work.due = Some(now);
                }
            }
            Event::Ended { job, .. } => drop(self.work.remove(&job)),
            // This program ignores sessions and refusals, issues no credentials and does not drain.
            _ => {}
        }
        Ok(())
    }

    /// Advances the agents whose deadline has come. Returns whether there were any.
    fn advance_agents(&mut self, now: Time) -> bool {
        let due = |work: &Work| work.due.is_some_and(|due| due <= now);
        let ready: Vec<JobKey> = self.work.iter().filter(|(_, work)| due(work)).map(|(job, _)| *job).collect();
        for job in &ready {
            report(self.advance(now, *job));
        }
        !ready.is_empty()
    }

    /// Takes an agent's steps until it sleeps, waits for space in the log, or ends.
    fn advance(&mut self, now: Time, job: JobKey) -> Result<(), Refused> {
        let Some(work) = self.work.get_mut(&job) else { return Ok(()) };
        work.due = None;
        while let Some(step) = work.next.take().or_else(|| work.steps.next()) {
            match step {
                Step::Emit(body) => match self.runtime.emit(now, job, &body) {
                    Err(Refused::Blocked) => {
                        work.next = Some(Step::Emit(body));
                        return Ok(());
                    }
                    emitted => emitted?,
                },
                Step::Sleep(pause) => {
                    work.due = Some(now.plus_micros(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX)));
                    return Ok(());
                }
                Step::Finish(result) => return self.runtime.finish(now, job, JobResult::Inline(&result)),
                Step::Fail(failure) => return self.runtime.fail(now, job, failure),
            }
        }
        Ok(())
    }
}

/// Prints refusals. A command is refused if its job or session has ended in the meantime.
fn report(done: Result<(), Refused>) {
    if let Err(refused) = done {
        eprintln!("a command was refused: {refused}");
    }
}
