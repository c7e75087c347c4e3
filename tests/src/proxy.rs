//! A TCP proxy that cuts, stalls, half-closes or trickles a connection at chosen bytes. It never sleeps.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A step in the treatment of one direction. After the last step, all remaining bytes pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Passes this many bytes.
    Pass(usize),
    /// Passes this many bytes, each in a write of its own.
    Trickle(usize),
    /// Passes nothing until the other direction has carried this many bytes in total.
    After(usize),
    /// Passes nothing until [`Proxy::release`] is called.
    Stall,
    /// Ends the stream for the receiver; the other direction continues.
    HalfClose,
    /// Breaks both directions.
    Cut,
}

/// The treatment of one connection.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Steps for the bytes from the client to the server.
    pub up: Vec<Step>,
    /// Steps for the bytes from the server to the client.
    pub down: Vec<Step>,
}

/// A proxy on a free local port. It runs until the process ends.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    connections: AtomicUsize,
    cuts: AtomicUsize,
    stalled: AtomicUsize,
    released: Mutex<bool>,
    release: Condvar,
}

impl Proxy {
    /// Starts a proxy in front of `server`; `plan` returns the treatment of each connection by its number, counted from
    /// 0.
    ///
    /// # Panics
    /// If there is no free port.
    pub fn start(server: SocketAddr, plan: impl Fn(usize) -> Plan + Send + 'static) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                // If the server is gone, the client's connection just ends.
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                connect(&client, &upstream, plan(number), &shared);
            }
        });
        Proxy { address, state }
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the WebSocket URL of the server through the proxy.
    pub fn url(&self) -> String {
        format!("ws://{}/arcp", self.address)
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Returns the number of connections cut so far.
    pub fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// Returns how often a direction has stalled so far.
    pub fn stalled(&self) -> usize {
        self.state.stalled.load(Ordering::SeqCst)
    }

    /// Releases all stalled directions, and all that reach a stall later.
    pub fn release(&self) {
        *lock(&self.state.released) = true;
        self.state.release.notify_all();
    }
}

/// The state shared by the two directions of a connection.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Bytes carried so far, to the server and to the client.
    carried: Mutex<[usize; 2]>,
    moved: Condvar,
    over: AtomicBool,
    state: Arc<State>,
}

fn connect(client: &TcpStream, server: &TcpStream, plan: Plan, state: &Arc<State>) {
    let (Ok(client), Ok(server)) = (client.try_clone(), server.try_clone()) else { return };
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("a TCP socket has the option");
    }
    let connection = Arc::new(Connection {
        client,
        server,
        carried: Mutex::default(),
        moved: Condvar::new(),
        over: AtomicBool::new(false),
        state: Arc::clone(state),
    });
    for (direction, steps) in [(0, plan.up), (1, plan.down)] {
        let connection = Arc::clone(&connection);
        thread::spawn(move || connection.carry(direction, steps));
    }
}

impl Connection {
    fn carry(&self, direction: usize, steps: Vec<Step>) {
        let (from, to) = if direction == 0 { (&self.client, &self.server) } else { (&self.server, &self.client) };
        for step in steps.into_iter().chain([Step::Pass(usize::MAX)]) {
            let goes_on = match step {
                Step::Pass(bytes) => self.pass(direction, from, to, bytes, 16 * 1024),
                Step::Trickle(bytes) => self.pass(direction, from, to, bytes, 1),
                Step::After(bytes) => {
                    let mut carried = lock(&self.carried);
                    while carried.get(1 - direction).is_some_and(|other| *other < bytes) && !self.is_over() {
                        carried = self.moved.wait(carried).unwrap_or_else(PoisonError::into_inner);
                    }
                    true
                }
                Step::Stall => {
                    self.state.stalled.fetch_add(1, Ordering::SeqCst);
                    let mut released = lock(&self.state.released);
                    while !*released {
                        released = self.state.release.wait(released).unwrap_or_else(PoisonError::into_inner);
                    }
                    true
                }
                Step::HalfClose => {
                    // If the peer is already gone, the stream has ended anyway.
                    let _gone = to.shutdown(Shutdown::Write);
                    // Anything that still arrives is discarded.
                    let _end = std::io::copy(&mut &*from, &mut std::io::sink());
                    false
                }
                Step::Cut => {
                    self.state.cuts.fetch_add(1, Ordering::SeqCst);
                    self.end();
                    false
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Passes up to `left` bytes; returns false once either end is gone.
    fn pass(&self, direction: usize, mut from: &TcpStream, mut to: &TcpStream, mut left: usize, piece: usize) -> bool {
        let mut buffer = vec![0; piece];
        while left > 0 {
            let most = piece.min(left);
            let Some(space) = buffer.get_mut(..most) else { return false };
            let count = match from.read(space) {
                Ok(0) => {
                    // The end of one side's stream is passed on to the other.
                    let _gone = to.shutdown(Shutdown::Write);
                    self.wake();
                    return false;
                }
                Ok(count) => count,
                Err(_) => {
                    self.end();
                    return false;
                }
            };
            if buffer.get(..count).is_none_or(|bytes| to.write_all(bytes).is_err()) {
                self.end();
                return false;
            }
            left -= count;
            if let Some(carried) = lock(&self.carried).get_mut(direction) {
                *carried += count;
            }
            self.moved.notify_all();
        }
        true
    }

    fn end(&self) {
        for socket in [&self.client, &self.server] {
            // The socket may already be shut down.
            let _gone = socket.shutdown(Shutdown::Both);
        }
        self.wake();
    }

    fn wake(&self) {
        self.over.store(true, Ordering::SeqCst);
        drop(lock(&self.carried));
        self.moved.notify_all();
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
