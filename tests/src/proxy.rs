//! A TCP proxy that misbehaves at chosen bytes: it cuts, stalls, delays, half-closes and trickles. It never sleeps.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What becomes of the bytes of one direction. After the last step the rest passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes pass.
    Pass(usize),
    /// So many bytes pass, each in a write of its own.
    Trickle(usize),
    /// Nothing passes until the other direction has carried so many bytes in all.
    After(usize),
    /// Nothing passes until [`Proxy::release`].
    Stall,
    /// The receiver sees the end of the stream; the other direction goes on.
    HalfClose,
    /// Both directions break.
    Cut,
}

/// What becomes of one connection.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// From who connects to the proxy.
    pub up: Vec<Step>,
    /// To who connects to the proxy.
    pub down: Vec<Step>,
}

/// A proxy on a free port of this machine. It ends with the process.
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
    /// Starts a proxy in front of `server`; `plan` says what becomes of each connection, by its number from 0.
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
                // A server that is gone is a connection that ends.
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                connect(&client, &upstream, plan(number), &shared);
            }
        });
        Proxy { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The WebSocket URL of the server behind it.
    pub fn url(&self) -> String {
        format!("ws://{}/arcp", self.address)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Connections that were cut so far.
    pub fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// Times that a direction stalled so far.
    pub fn stalled(&self) -> usize {
        self.state.stalled.load(Ordering::SeqCst)
    }

    /// Lets all that is stalled go on, and all that would stall later.
    pub fn release(&self) {
        *lock(&self.state.released) = true;
        self.state.release.notify_all();
    }
}

/// What the two directions of a connection know of each other.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Bytes carried up and down.
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
                    // The peer may be gone; then it is over anyway.
                    let _gone = to.shutdown(Shutdown::Write);
                    // What still comes is not for anybody.
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

    /// False once either end is gone.
    fn pass(&self, direction: usize, mut from: &TcpStream, mut to: &TcpStream, mut left: usize, piece: usize) -> bool {
        let mut buffer = vec![0; piece];
        while left > 0 {
            let most = piece.min(left);
            let Some(space) = buffer.get_mut(..most) else { return false };
            let count = match from.read(space) {
                Ok(0) => {
                    // A half that ends ends for the other side, too.
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
            // It may be shut down already.
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
