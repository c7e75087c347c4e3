//! `nuncio cap bus`.

use clap::Args;
use nuncio_tokio::cap::{MemoryBus, MemoryServer, MemoryStore};

use crate::descriptors;
use crate::error::Error;
use crate::exit::Exit;
use crate::logging::LogOptions;
use crate::signals::Termination;
use crate::text::eprint_line;

const AFTER_HELP: &str = "\
Example:
  nuncio cap bus
  nuncio cap router --id router-1 --unsigned

Use it for first steps and for tests, instead of a nats-server and a Redis
server. Clients of NATS and of Redis connect to it, also those of the Python
SDK. Everything is in memory and is lost when the command ends. There is no
login and no TLS, so it accepts connections from this machine only. Other users
of this machine can read and write everything on it.

A message has at most 1 MiB and no headers. There is no JetStream. Redis has
GET, GETRANGE, SET, STRLEN, EXISTS, DEL, PING and HELLO in database 0. Clients
get an error for everything else.

Exit codes:
  0  ended by a signal
  2  invalid usage
  6  an address cannot be listened on";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Address for clients of NATS, as HOST:PORT; port 0 takes a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4222")]
    listen: String,
    /// Address for clients of Redis, as HOST:PORT; port 0 takes a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:6379")]
    listen_redis: String,
    #[command(flatten)]
    pub(super) logs: LogOptions,
}

pub(super) async fn run(options: &Options) -> Result<Exit, Error> {
    let mut termination = Termination::listen().map_err(Error::System)?;
    descriptors::raise_limit();
    let (nats, redis) = (options.listen.as_str(), options.listen_redis.as_str());
    let server = MemoryServer::start(&MemoryBus::new(), &MemoryStore::new(), nats, redis).await;
    let server = server.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput => Error::Usage(format!(
            "cannot listen on {nats} and {redis}: {error}; write --listen and --listen-redis as HOST:PORT"
        )),
        _ => Error::Address {
            address: format!("{nats} and {redis}"),
            error,
            option: "--listen HOST:PORT or --listen-redis",
        },
    })?;
    eprint_line(&format!(
        "the bus is ready: NATS_URL={} REDIS_URL={}; end it with Ctrl-C",
        server.nats_url(),
        server.redis_url()
    ));
    termination.requested().await;
    Ok(Exit::Success)
}
