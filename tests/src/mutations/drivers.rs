//! Mistakes in the drivers and in the command's `serve`.

use super::{Mutation, Suite, Tests};

/// The tests of `link`.
const LINK: Tests = Tests { package: "nuncio-link", target: "link", filter: "" };
const LINK_NATS: Tests = Tests { package: "nuncio-link", target: "nats", filter: "" };
/// All of the drivers' suite, for one pair of drivers.
const PAIR: Tests = pair("smol_tokio::");
const CAP: Tests = Tests { package: "nuncio-tests", target: "drivers", filter: "cap_smol::" };
const CARACAL: Tests = Tests { package: "nuncio-tests", target: "drivers", filter: "caracal_smol::" };
const COMMAND: Tests = Tests { package: "nuncio-cli", target: "cli", filter: "" };

const SHARED_TOKENS: Tests = shared("token::cache");

/// Unit tests of what both drivers share.
pub(super) const fn shared(filter: &'static str) -> Tests {
    Tests { package: "nuncio-shared", target: "", filter }
}

/// Tests of the drivers' suite whose names contain a text.
const fn pair(filter: &'static str) -> Tests {
    Tests { package: "nuncio-tests", target: "drivers", filter }
}

pub(super) const fn at(
    tests: Tests,
    name: &'static str,
    file: &'static str,
    original: &'static str,
    replacement: &'static str,
) -> Mutation {
    Mutation { name, file, original, replacement, suite: Suite::Tests(tests) }
}

pub(super) const DRIVERS: [Mutation; 46] = [
    at(
        LINK,
        "link: the code of the peer's close is dropped",
        "drivers/link/src/socket.rs",
        "Some(frame) => Closed::new(Cause::Peer, frame.code.into(), frame.reason.as_str()),",
        "Some(frame) => Closed::new(Cause::Peer, code::NO_STATUS, frame.reason.as_str()),",
    ),
    at(
        LINK,
        "link: a short write is continued at the wrong place",
        "drivers/link/src/buffer.rs",
        "        self.start += count.min(self.len());",
        "        self.start += (count + usize::from(count < self.len())).min(self.len());",
    ),
    at(
        LINK,
        "link: a frame that is not complete at the end of the input waits for ever",
        "drivers/link/src/socket.rs",
        "            Next::Incomplete if self.pipe.ended => return Ok(0),\n",
        "",
    ),
    at(
        LINK,
        "link: pongs are queued without end",
        "drivers/link/src/link.rs",
        "self.output.own() > OWN_OUTPUT_LIMIT",
        "self.output.own() > OWN_OUTPUT_LIMIT * 1_000",
    ),
    at(
        LINK_NATS,
        "link: the end of a line that comes in two pieces is missed",
        "drivers/link/src/nats/lines.rs",
        "let from = self.scanned.saturating_sub(1);",
        "let from = self.scanned;",
    ),
    at(
        pair("smol_tokio::suite::jobs::"),
        "a wake-up that comes before the wait is lost",
        "drivers/shared/src/io/sync.rs",
        "        self.set.store(true, Ordering::SeqCst);\n        self.waiter.wake();",
        "        self.set.store(false, Ordering::SeqCst);\n        self.waiter.wake();",
    ),
    at(
        pair("smol_tokio::suite::chaos::"),
        "the credit of a written frame is not given back",
        "drivers/shared/src/io/outlet.rs",
        "            self.port.sent(count);",
        "            self.port.sent(count - 1);",
    ),
    at(
        pair("smol_tokio::suite::connecting::"),
        "the deadline of an upgrade is not armed",
        "drivers/shared/src/io/conn.rs",
        "            self.deadline = Some(Deadline::after(self.io, open));",
        "            let _ = open;",
    ),
    at(
        shared("io::conn::"),
        "a connection that is being closed has no deadline",
        "drivers/shared/src/io/conn.rs",
        "                    self.deadline = Some(Deadline::after(self.io, self.patience.linger));",
        "                    let _ = self.patience.linger;",
    ),
    at(
        pair("smol_tokio::suite::tokens::"),
        "a token is asked for once only",
        "drivers/shared/src/arcp/client/link.rs",
        "        if renew {",
        "        if renew && !self.welcomed {",
    ),
    at(
        pair("smol_tokio::suite::tokens::"),
        "a token is asked for without a limit of time",
        "drivers/shared/src/arcp/client/supervise.rs",
        "        match timeout(&*self.io, self.connect_timeout, self.token.ask()).await {",
        "        match Some(self.token.ask().await) {",
    ),
    at(
        pair("smol_tokio::suite::connecting::"),
        "a connection that comes up after the client has ended is used",
        "drivers/shared/src/arcp/client/supervise.rs",
        "                Some(Ok(_)) if self.hub.ended().is_some() => break,\n",
        "",
    ),
    at(
        pair("smol_tokio::suite::resume::"),
        "a client reconnects without a pause",
        "drivers/shared/src/arcp/client/supervise.rs",
        "            if !pause.is_zero() && self.ended_within(pause).await {",
        "            if pause.is_zero() && self.ended_within(pause).await {",
    ),
    at(
        pair("smol_tokio::suite::jobs::"),
        "reports of a former connection count",
        "drivers/shared/src/arcp/client/link.rs",
        "        self.epoch == epoch",
        "        self.epoch >= epoch",
    ),
    at(
        PAIR,
        "a client that is dropped leaves its session open",
        "drivers/shared/src/arcp/client/owner.rs",
        "        self.hub.run(|state, now| state.client.close(now, None));",
        "        self.hub.run(|_, _| ());",
    ),
    at(
        pair("smol_tokio::suite::failing::"),
        "output is written before its record is durable",
        "drivers/shared/src/arcp/server/gate.rs",
        "Output::Event { after, .. } => *after <= self.durable,",
        "Output::Event { after, .. } => *after <= self.durable + 1,",
    ),
    at(
        pair("smol_tokio::suite::failing::"),
        "records of a failed commit are lost",
        "drivers/shared/src/arcp/journal/worker.rs",
        "                    records.extend(self.hub.take_records());",
        "                    records = self.hub.take_records();",
    ),
    at(
        pair("smol_tokio::suite::shutdown::"),
        "the last commit at a stop is skipped",
        "drivers/shared/src/arcp/journal/worker.rs",
        "        self.commit()\n    }",
        "        Ok(())\n    }",
    ),
    at(
        pair("smol_tokio::suite::shutdown::"),
        "a shutdown does not wait for running jobs",
        "drivers/shared/src/arcp/server/mod.rs",
        "match timeout(&*front.parts.io, drain, all_drained).await {",
        "match timeout(&*front.parts.io, drain / 1_000_000, all_drained).await {",
    ),
    at(
        pair("smol_tokio::suite::journal::"),
        "a shutdown returns before its journal is closed",
        "drivers/shared/src/arcp/server/mod.rs",
        "    timeout(&*front.parts.io, LAST_COMMIT, ended).await;",
        "    let _ = (LAST_COMMIT, ended);",
    ),
    at(
        pair("smol_tokio::suite::shards::"),
        "shards: a peer that leaves on the way is kept",
        "drivers/shared/src/arcp/server/relocation.rs",
        "        !self.has_ended.load(Ordering::SeqCst)",
        "        self.seat.get().is_some()",
    ),
    at(
        pair("smol_tokio::suite::shards::"),
        "shards: a connection stays on the thread in which it began",
        "drivers/shared/src/arcp/server/connection.rs",
        "        self.relocation.as_ref()?.news().map(|seat| Arc::clone(&seat.hub.parts.io))",
        "        self.relocation.as_ref()?.news().map(|_| Arc::clone(&self.hub.parts.io))",
    ),
    at(
        pair("smol_tokio::suite::shards::"),
        "shards: a slot is lent to the same shard again and again",
        "drivers/shared/src/arcp/server/slots.rs",
        "        let next = agent.waiting.pop_front();",
        "        let next = agent.waiting.front().copied();",
    ),
    at(
        pair("smol_tokio::suite::shards::"),
        "shards: a journal is taken for that of another shard",
        "drivers/shared/src/arcp/journal/mod.rs",
        "            Some(found) if found == self => Ok(Assigned::Again),",
        "            Some(found) if found.of == self.of => Ok(Assigned::Again),",
    ),
    at(
        pair("smol_tokio::suite::jobs::"),
        "a cancel does not reach the agent",
        "drivers/shared/src/arcp/server/dispatch.rs",
        "                    job.cancel(reason);",
        "                    drop(reason);",
    ),
    at(
        pair("smol_tokio::suite::context::"),
        "an agent is not told of room in the log",
        "drivers/shared/src/arcp/server/dispatch.rs",
        "            Event::Unblocked { job } => self.tell_job(job, actions, Job::unblock),",
        "            Event::Unblocked { job } => self.tell_job(job, actions, |_| ()),",
    ),
    at(
        pair("smol_tokio::suite::reservations::"),
        "a reservation that is dropped is not released",
        "drivers/shared/src/arcp/agent/reservation.rs",
        "        if self.is_open {",
        "        if self.is_open && self.id.0 == u64::MAX {",
    ),
    at(
        CAP,
        "cap: an order that a lost connection has interrupted is dropped",
        "drivers/shared/src/cap/node/link.rs",
        "Err(BusError::Disconnected(_)) => Some(order).filter(R::State::survives),",
        "Err(BusError::Disconnected(_)) => Some(order).filter(|_| false),",
    ),
    at(
        CAP,
        "cap: a handler is not told to stop",
        "drivers/shared/src/cap/worker/role.rs",
        "Action::Stop(job) => job.cancelled.cancel(),",
        "Action::Stop(job) => drop(job),",
    ),
    at(
        CAP,
        "cap: a router answers before its records are durable",
        "drivers/shared/src/cap/router/state.rs",
        "Some(records) => drop(records.send((number, record))),",
        "Some(records) => { drop(records.send((number, record))); self.machine.handle_stored(now, number); }",
    ),
    at(
        CAP,
        "cap: a blob store that does not answer is waited for",
        "drivers/shared/src/cap/client/mod.rs",
        "let stored = timeout(&*hub.io, limit, store.set(&key, blob, ttl)).await;",
        "let stored = Some(store.set(&key, blob, ttl).await).filter(|_| !limit.is_zero());",
    ),
    at(
        CAP,
        "cap: a client waits for a bus that is closed",
        "drivers/shared/src/cap/client/state.rs",
        "            self.closing.extend(slot.end(Err(NoResult::Closed)));",
        "            drop(slot);",
    ),
    at(
        CAP,
        "cap: a result overtakes the progress of its job",
        "drivers/shared/src/cap/node/inputs.rs",
        "source.next = Some((received.arrival.unwrap_or(*found), received));",
        "source.next = Some((u64::from(source.subject != Subject::JobResult), received));",
    ),
    at(
        SHARED_TOKENS,
        "caracal: a token of a client is judged by a clock that is never set",
        "drivers/shared/src/caracal/token/cache.rs",
        "clock.wall.plus_micros(micros) >= self.at || clock.now",
        "clock.now",
    ),
    at(
        CARACAL,
        "caracal: a refused token is used again",
        "drivers/shared/src/caracal/token/cache.rs",
        ".filter(|held| Some(&held.token) != refused)?;",
        ".filter(|_| refused.is_none() || self.flight > 0)?;",
    ),
    at(
        CARACAL,
        "caracal: a session that is dropped stays open",
        "drivers/shared/src/caracal/scope/mod.rs",
        "        if self.is_open\n            && self.kind != Kind::Service",
        "        if !self.is_open\n            && self.kind != Kind::Service",
    ),
    at(
        CARACAL,
        "caracal: the permit of a connection is not given back",
        "drivers/shared/src/caracal/http/pool.rs",
        "            connections.busy = connections.busy.saturating_sub(1);",
        "            connections.busy = connections.busy.max(1);",
    ),
    at(
        Tests { package: "nuncio-tokio", target: "coordinator", filter: "" },
        "caracal: a coordinator answers before its records are durable",
        "drivers/shared/src/caracal/coordinator/hub.rs",
        "is_some_and(|(after, _)| *after <= self.stored)",
        "is_some_and(|(after, _)| *after <= self.stored + 1)",
    ),
    at(
        shared("io::outlet::"),
        "a connection writes for as long as its socket takes bytes",
        "drivers/shared/src/io/outlet.rs",
        "lane.is_some_and(|lane| lane.is_resting())",
        "lane.is_some_and(|lane| lane.is_resting() && self.pipe.is_broken())",
    ),
    at(
        shared("hub::"),
        "caracal: a coordinator's timer misses a nearer deadline",
        "drivers/shared/src/caracal/coordinator/hub.rs",
        "        if is_earlier {",
        "        if is_earlier && step.is_some() {",
    ),
    at(
        COMMAND,
        "serve: SIGTERM does not drain",
        "drivers/cli/src/commands/serve/mod.rs",
        "service.shutdown(settings.drain.get())",
        "service.shutdown(std::time::Duration::ZERO)",
    ),
    at(
        COMMAND,
        "serve: a program's last line is not read",
        "drivers/cli/src/exec/pipe.rs",
        "                return self.splitter.finish();",
        "                return None;",
    ),
    at(
        COMMAND,
        "serve: the pipes of a program are not read to their end",
        "drivers/cli/src/exec/pipe.rs",
        "            biased;\n",
        "            biased;\n            () = ended.cancelled() => 0,\n",
    ),
    at(
        COMMAND,
        "serve: what a program leaves behind goes on",
        "drivers/cli/src/exec/run.rs",
        "    group.signal(Signal::KILL);\n    ended.cancel();",
        "    ended.cancel();",
    ),
    at(
        COMMAND,
        "serve: jobs that run count as waiting ones, too",
        "drivers/cli/src/commands/serve/exposition.rs",
        "(\"waiting\", agent.jobs_waiting)",
        "(\"waiting\", agent.jobs_waiting + agent.jobs_running)",
    ),
    at(
        COMMAND,
        "serve: it is ready while it stops",
        "drivers/cli/src/commands/serve/metrics.rs",
        "    if server.is_stopping() {",
        "    if !server.accepts_connections() {",
    ),
];
