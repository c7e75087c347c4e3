//! Our router: its machine on a real bus, with its records in memory, so that it can be killed and go on from them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_lite::StreamExt as _;
use futures_lite::future::or;
use nuncio_core::cap::{
    Authentication, ComponentId, JobStatus, Reading, Router, RouterConfig, RouterEvent, RouterOutput, RouterRecord,
    Subject,
};
use nuncio_core::time::Time;
use nuncio_shared::cap::{Bus, BusError, BusState, Message, Received, RingVerifier, Subscription};
use smol::channel::{Receiver, Sender, unbounded};

use super::on;
use super::support::{Peers, keys, signer};

/// A router. Dropping it is its crash.
pub(super) struct RunningRouter {
    _task: smol::Task<()>,
    ended: Receiver<(String, JobStatus)>,
}

impl RunningRouter {
    /// Waits until the router knows that a job has ended, and returns how.
    pub(super) fn ended(&self, job: &str) -> JobStatus {
        on::block_on(async {
            loop {
                let (ended, status) = self.ended.recv().await.expect("the router runs");
                if ended == job {
                    return status;
                }
            }
        })
    }
}

/// What routers have stored. A router that is started with the records of another one goes on from them.
#[derive(Clone, Default)]
pub(super) struct Records(Arc<Mutex<BTreeMap<u64, RouterRecord>>>);

impl Records {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, RouterRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The settings of a router that signs, and accepts the packets of these senders.
pub(super) fn signed(trusted: &[(&str, u8)]) -> RouterConfig {
    quick(Authentication::Signed(keys(trusted))).with(|config| config.signer = Some(Arc::new(signer(4))))
}

/// The settings of a router that neither signs nor verifies.
pub(super) fn unsigned() -> RouterConfig {
    quick(Authentication::Unsigned)
}

fn quick(authentication: Authentication) -> RouterConfig {
    let id = ComponentId::new("rust-router").unwrap();
    RouterConfig::new(id, Reading::new(authentication), Arc::new(RingVerifier)).with(|config| {
        config.records = true;
        // What is lost while the server is away is sent again after this.
        config.dispatch_timeout = Duration::from_secs(1);
        config.redispatches = 30;
        config.backoff = Duration::from_millis(10);
        config.max_backoff = Duration::from_millis(10);
        config.heartbeat_interval = Duration::from_millis(200);
    })
}

/// Starts a router, and waits until it misses no job.
pub(super) fn run(peers: &Peers, config: RouterConfig, records: &Records) -> RunningRouter {
    on::block_on(async {
        let bus = on::bus(&peers.nats.url()).await;
        // All subjects that a router subscribes to are among these.
        let packets = bus.subscribe("sys.>", None).await.unwrap();
        bus.flush().await.unwrap();
        let stored: Vec<(u64, RouterRecord)> =
            records.all().iter().map(|(number, record)| (*number, record.clone())).collect();
        let machine = Router::restore(config, [7; 32], now(), stored).unwrap();
        let (sender, ended) = unbounded();
        let host = Host { bus, machine, records: records.clone(), ended: sender };
        RunningRouter { _task: smol::spawn(host.run(packets)), ended }
    })
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Time(u64::try_from(since.as_micros()).unwrap())
}

struct Host<B> {
    bus: B,
    machine: Router,
    records: Records,
    ended: Sender<(String, JobStatus)>,
}

enum Input {
    Packet(Option<Received>),
    Bus(BusState),
    Due,
}

impl<B: Bus> Host<B> {
    async fn run(mut self, mut packets: Subscription) {
        let mut state = BusState::Disconnected;
        loop {
            self.act().await;
            let packet = async { Input::Packet(packets.next().await) };
            let changed = async {
                Input::Bus(if state == self.bus.state() { self.bus.changed(state).await } else { self.bus.state() })
            };
            let due = async {
                match self.machine.poll_timeout() {
                    Some((at, _)) => smol::Timer::after(Duration::from_micros(at.since(now()))).await,
                    None => std::future::pending().await,
                };
                Input::Due
            };
            match or(changed, or(packet, due)).await {
                Input::Packet(Some(Received { message, .. })) => {
                    if let Ok(subject) = Subject::parse(&message.subject) {
                        self.machine.handle_packet(now(), &subject, &message.payload, None);
                    }
                }
                Input::Packet(None) | Input::Bus(BusState::Closed) => return,
                Input::Bus(next) => {
                    state = next;
                    self.machine.handle_disconnected(now());
                    if matches!(state, BusState::Connected(_)) {
                        self.machine.handle_connected(now());
                    }
                }
                Input::Due => self.machine.handle_timeout(now()),
            }
        }
    }

    /// Carries out the outputs of the machine.
    async fn act(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                RouterOutput::Publish { subject, bytes } => {
                    let message = Message { subject: subject.to_string(), reply: None, payload: bytes };
                    match self.bus.publish(message).await {
                        Ok(()) | Err(BusError::Disconnected(_)) => {}
                        Err(error) => panic!("{subject}: {error}"),
                    }
                }
                RouterOutput::Store { number, record } => {
                    self.records.all().insert(number, record);
                    self.machine.handle_stored(now(), number);
                }
                RouterOutput::Event(RouterEvent::Ended { job, status }) => {
                    if let Some(view) = self.machine.job(job) {
                        // A test need not wait for it.
                        let _unheard = self.ended.try_send((view.job_id.to_owned(), status));
                    }
                }
                RouterOutput::Subscribe { .. } | RouterOutput::Acknowledge { .. } | RouterOutput::Event(_) => {}
            }
        }
    }
}
