"""Shared by the scripts in this folder: cases, checks, and a transport that records the frames it carries.

Each script drives the *unmodified* Python package (`requirements.txt`). It prints `ok NAME` or `not ok NAME: reason` for
every check and exits with 1 if any of them failed. `Tap` is an ordinary user-supplied transport (the package's own
`Transport` protocol), so checks can look at the frames without a change to the client.
"""

import argparse
import asyncio
import re
import sys
import traceback
from contextlib import asynccontextmanager

from arcp import V1_1_FEATURES, ClientInfo, TransportClosed, WebSocketTransport
from arcp.client import ARCPClient

ALICE, ALICE_TOO, BOB = "tok-alice", "tok-alice2", "tok-bob"
ALL_FEATURES = (*V1_1_FEATURES, "model.use", "provisioned_credentials")
ULID = "[0-9A-HJKMNP-TV-Z]{26}"
TIMESTAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
TERMINALS = ("job.result", "job.error")

_cases = {}
_failed = []


def case(function):
    """Registers a case under the function's name. Cases are called with the parsed options."""
    _cases[function.__name__] = function
    return function


def check(condition, name, detail=""):
    """Prints the line of one check and remembers a failure."""
    if condition:
        print(f"ok {name}", flush=True)
    else:
        _failed.append(name)
        print(f"not ok {name}: {detail}", flush=True)


def equal(got, want, name):
    """Checks that `got` equals `want`."""
    check(got == want, name, f"got {got!r}, want {want!r}")


def matches(text, pattern, name):
    """Checks that the whole text matches the pattern."""
    found = isinstance(text, str) and re.fullmatch(pattern, text) is not None
    check(found, name, f"{text!r} is not of the form {pattern}")


def gapless(frames, name, first=1):
    """Checks that the numbered frames carry `first`, `first + 1`, … without a gap or a repeat (§8.3)."""
    seqs = [f["event_seq"] for f in frames if "event_seq" in f]
    wrong = [(i, s) for i, s in enumerate(seqs, first) if i != s]
    check(bool(seqs) and not wrong, name, f"{len(seqs)} numbers, first wrong (want, got): {wrong[:1]}")


async def raises(error, awaitable, name):
    """Checks that the awaitable raises exactly this class. Returns the exception, or None if nothing was raised."""
    try:
        value = await awaitable
    except Exception as e:  # noqa: BLE001
        check(type(e) is error, name, f"raised {type(e).__name__}({e}), want {error.__name__}")
        return e
    check(False, name, f"returned {value!r}, want {error.__name__}")
    return None


class Tap:
    """A transport around another one that records every frame in both directions, in order."""

    def __init__(self, inner):
        self.inner = inner
        self.received, self.sent = [], []
        self.mute = set()  # the types of frames that are recorded but not sent
        self.ended = None
        self._changed = asyncio.Event()

    async def send(self, envelope):
        self.sent.append(envelope)
        self._wake()
        if envelope["type"] not in self.mute:
            await self.inner.send(envelope)

    async def recv(self):
        try:
            envelope = await self.inner.recv()
        except BaseException as e:
            if not isinstance(e, asyncio.CancelledError):
                self.ended = e
            self._wake()
            raise
        self.received.append(envelope)
        self._wake()
        return envelope

    async def close(self):
        await self.inner.close()
        self._wake()

    @property
    def is_closed(self):
        return self.inner.is_closed

    @property
    def close_code(self):
        return self.inner._conn.close_code

    def cut(self):
        """Aborts the TCP connection without a close frame. Data in flight is lost."""
        self.inner._conn.transport.abort()

    def frames(self, *types, job=None):
        """Returns the frames received so far of these types (default: all) and of this job (default: any)."""
        of_type = [f for f in self.received if not types or f["type"] in types]
        return [f for f in of_type if job in (None, f.get("job_id"), f["payload"].get("job_id"))]

    async def until(self, condition):
        """Waits until `condition(self)` is true, which is checked after every frame, and returns its value."""
        while True:
            changed = self._changed
            value = condition(self)
            if value:
                return value
            if self.ended is not None:
                raise TransportClosed(f"the connection ended first: {self.ended}")
            await changed.wait()

    async def ending(self):
        """Waits until the connection has ended."""
        while self.ended is None:
            await self._changed.wait()

    def _wake(self):
        self._changed.set()
        self._changed = asyncio.Event()


async def dial(url):
    return Tap(await WebSocketTransport.connect(url, proxy=None))


def new_client(token=ALICE, **options):
    return ARCPClient(
        client=ClientInfo(name="nuncio-interop", version="1.0"), token=token, handshake_timeout_sec=30.0, **options
    )


@asynccontextmanager
async def session(options, token=ALICE, **client_options):
    """Yields a connected client and its tap, and closes the client afterwards."""
    tap = await dial(options.url)
    client = new_client(token, **client_options)
    await client.connect(tap)
    try:
        yield client, tap
    finally:
        await client.close()


async def events_of(handle):
    """Returns the job's events as (kind, body), without the `status` "running" that the runtime itself sends."""
    events = [(e["kind"], e["body"]) async for e in handle.events()]
    return [e for e in events if e[0] != "status" or e[1].get("phase") != "running"]


async def outcome(handle):
    """Returns the payload of the terminal, or the exception that the package makes of it."""
    try:
        return await handle.done
    except Exception as e:  # noqa: BLE001
        return e


async def run(client, agent, input=None, **submit):
    """Submits a job and waits for its end. Returns the handle, the events and the outcome."""
    handle = await client.submit(agent=agent, input=input, **submit)
    end = await outcome(handle)
    return handle, await events_of(handle), end


def main():
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--url")
    parser.add_argument("--server", help="the command that starts a server, for scripts that start it themselves")
    parser.add_argument("--journal", help="the file in which the server keeps its journal")
    parser.add_argument("--case", action="append", choices=sorted(_cases), help="run only these cases (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--limit", type=float, default=90.0, help="seconds a case may take before it counts as hung")
    options = parser.parse_args()
    if options.list:
        print("\n".join(_cases))
        return
    for name in options.case or _cases:
        asyncio.run(_run_case(name, options))
    if _failed:
        print(f"failed: {', '.join(_failed)}", file=sys.stderr)
        sys.exit(1)


async def _run_case(name, options):
    try:
        async with asyncio.timeout(options.limit):
            await _cases[name](options)
    except Exception as e:  # noqa: BLE001
        traceback.print_exc()
        check(False, name, f"{type(e).__name__}: {e}")
