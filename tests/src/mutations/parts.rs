//! Mistakes in single parts of the drivers, each of which tests beside the part have to find.

use super::drivers::{at, shared};
use super::{Mutation, Tests};

const SOCKET: Tests = Tests { package: "nuncio-tokio", target: "", filter: "socket::" };
const REDIS: Tests = Tests { package: "nuncio-tokio", target: "redis", filter: "" };
const HISTORY: Tests = Tests { package: "nuncio-tests", target: "journal_file", filter: "history" };
const POOL: Tests = Tests { package: "nuncio-tests", target: "drivers", filter: "cap_smol::suite::pool::" };
const ASKING: Tests = Tests { package: "nuncio-cli", target: "cli", filter: "exec::asking::" };

pub(super) const PARTS: [Mutation; 18] = [
    at(
        shared("io::conn::"),
        "the reader of a connection is not told that it cannot be written",
        "drivers/shared/src/io/pipe.rs",
        "        lock(&self.queue).broken = true;\n",
        "",
    ),
    at(
        shared("io::conn::"),
        "a connection that is dropped leaves its writer",
        "drivers/shared/src/io/conn.rs",
        "impl Drop for CancelOnDrop {\n    fn drop(&mut self) {\n        self.0.cancel();",
        "impl Drop for CancelOnDrop {\n    fn drop(&mut self) {\n        let _ = self.0.is_cancelled();",
    ),
    at(
        shared("io::process::"),
        "a child that does not end is left alone",
        "drivers/shared/src/io/process.rs",
        "                drop(child.kill());\n",
        "",
    ),
    at(
        shared("io::writer::"),
        "records that come while commits fail are lost",
        "drivers/shared/src/io/writer.rs",
        "Ok(more) => batch.push(more),",
        "Ok(more) => drop(more),",
    ),
    at(
        shared("io::alarm::"),
        "timers that nobody waits for are kept",
        "drivers/shared/src/io/alarm.rs",
        "token.strong_count() > 0",
        "token.strong_count() < 9",
    ),
    at(
        shared("server::dispatch::"),
        "the timer of a server is woken though its deadline stays",
        "drivers/shared/src/arcp/server/dispatch.rs",
        "        let earlier = next < self.armed;",
        "        let earlier = next <= self.armed;",
    ),
    at(
        shared("server::dispatch::"),
        "large events of agents cost no time",
        "drivers/shared/src/arcp/agent/job.rs",
        "        self.lane.spend_large_event(bytes, io);",
        "        let _ = (bytes, io);",
    ),
    at(
        shared("server::listen::"),
        "a socket that accepts nothing keeps the processor busy",
        "drivers/shared/src/arcp/server/listen.rs",
        "                    sleep(&*self.io, PAUSE).await;",
        "                    let _ = PAUSE;",
    ),
    at(
        shared("server::life::"),
        "sockets are refused one too late",
        "drivers/shared/src/arcp/server/life.rs",
        "self.sockets.load(Ordering::SeqCst) < self.max_sockets\n",
        "self.sockets.load(Ordering::SeqCst) <= self.max_sockets\n",
    ),
    at(
        shared("client::link::"),
        "the resume window begins anew with each failed attempt",
        "drivers/shared/src/arcp/client/link.rs",
        "        self.lost_at.get_or_insert(now);",
        "        self.lost_at = Some(now);",
    ),
    at(
        shared("retention::"),
        "an event that was acknowledged stays",
        "drivers/shared/src/arcp/journal/retention/mod.rs",
        "(fresh && seq > session.acked)",
        "(fresh && seq >= session.acked)",
    ),
    at(
        HISTORY,
        "a history with a gap is taken for whole",
        "drivers/shared/src/arcp/journal/sqlite/read.rs",
        "        Ok(cut || gaps == Some(true))",
        "        Ok(cut && gaps == Some(true))",
    ),
    at(
        shared("memory_server::"),
        "cap: replies of the store in memory are queued without end",
        "drivers/shared/src/cap/memory_server/redis.rs",
        "if link.output_len() > MAX_OUTPUT {",
        "if link.output_len() > MAX_OUTPUT * 1_000 {",
    ),
    at(
        POOL,
        "cap: the job of an agent that is dropped goes on in the pool",
        "drivers/shared/src/bridge/agent.rs",
        "        if !self.is_over && is_stopped",
        "        if self.is_over && is_stopped",
    ),
    at(
        REDIS,
        "cap: a command to Redis whose connection is lost is not made again",
        "drivers/tokio/src/cap/redis.rs",
        "Ok(Err(error)) if is_refusal(&error) =>",
        "Ok(Err(error)) if is_refusal(&error) || is_first =>",
    ),
    at(
        shared("http::pool::"),
        "caracal: a connection too many is made to an origin",
        "drivers/shared/src/caracal/http/pool.rs",
        "connections.busy >= self.max",
        "connections.busy > self.max",
    ),
    at(
        SOCKET,
        "tokio: the end of a connection is not told to its peer",
        "drivers/tokio/src/socket.rs",
        "Pin::new(self.at_home()?).poll_shutdown(cx)",
        "Pin::new(self.at_home()?).poll_flush(cx)",
    ),
    at(
        ASKING,
        "serve: a program that asks nothing waits for answers",
        "drivers/cli/src/commands/serve/exec/process.rs",
        "let asks = has_messages && program.questions;",
        "let asks = has_messages;",
    ),
];
