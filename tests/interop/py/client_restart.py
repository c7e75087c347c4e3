"""The Python client's own `resume()` across a runtime that is killed (SIGKILL) and started again with the same journal.

`--server` is the command of the runtime without its port; `--journal` is its journal file.
"""

import asyncio
import shlex
from contextlib import asynccontextmanager

from arcp import ARCPError, SessionResume, TransportClosed
from support import TERMINALS, case, check, dial, equal, gapless, main, new_client, outcome, run


class Runtime:
    """The process of the server. A restart keeps its port."""

    def __init__(self, options):
        self.command = [*shlex.split(options.server), "--journal", options.journal]
        self.port, self.url, self.process = 0, None, None

    async def start(self):
        command = [*self.command, "--port", str(self.port)]
        self.process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        line = (await self.process.stdout.readline()).decode()
        if not line.startswith("READY "):
            raise RuntimeError(f"the server did not start: {line!r}")
        self.url = line.split()[1]
        self.port = int(self.url.split(":")[2].split("/")[0])

    async def kill(self):
        self.process.kill()
        await self.process.wait()

    async def restart(self):
        await self.kill()
        await self.start()


@asynccontextmanager
async def serving(options):
    runtime = Runtime(options)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.kill()


def _point(client):
    return SessionResume(
        session_id=client.session_id, resume_token=client.welcome.resume_token, last_event_seq=client.latest_event_seq
    )


def _ticks(frames):
    bodies = [f["payload"]["body"] for f in frames if f["type"] == "job.event" and f["payload"]["kind"] == "progress"]
    return [body["current"] for body in bodies]


@case
async def resume_after_a_restart(options):
    async with serving(options) as runtime:
        client, tap = new_client(), await dial(runtime.url)
        welcome = await client.connect(tap)
        _, _, done = await run(client, "echo", "before")
        equal(done.result, {"echoed": "before"}, "a_job_ends_before")
        handle = await client.submit(agent="slow", input={"ticks": 100_000, "tick_ms": 1})
        await tap.until(lambda t: len(t.frames("job.event", job=handle.job_id)) >= 100)
        await runtime.restart()
        await tap.ending()
        check(type(await outcome(handle)) is TransportClosed, "this_client_fails_its_own_handle_on_a_drop")
        back, again = new_client(), await dial(runtime.url)
        resumed = await back.resume(again, resume=_point(client))
        equal(resumed.session_id, welcome.session_id, "the_same_session")
        check(resumed.resume_token != welcome.resume_token, "a_new_token")
        equal(set(back.negotiated_features), set(client.negotiated_features), "the_same_features")
        ends = await again.until(lambda t: t.frames(*TERMINALS, job=handle.job_id))
        equal((ends[0]["type"], ends[0]["payload"]["code"]), ("job.error", "INTERNAL_ERROR"), "the_job_has_ended")
        equal(ends[0]["payload"]["retryable"], True, "it_may_be_retried")
        equal(ends[0]["payload"]["details"], {"reason": "runtime restarted"}, "the_error_has_the_reason")
        everything = tap.received + again.received
        gapless(everything, "no_gap_and_no_repeat")
        ticks = _ticks(everything)
        equal(ticks == list(range(len(ticks))), True, "every_event_once_and_in_order")
        equal(again.received[0]["type"], "session.welcome", "the_welcome_comes_first")
        _, _, end = await run(back, "echo", "after")
        equal(end.result, {"echoed": "after"}, "new_jobs_run_in_the_resumed_session")
        gapless(tap.received + again.received, "numbering_continues")
        statuses = sorted(job.status for job in (await back.list_jobs()).jobs)
        equal(statuses, ["error", "success", "success"], "jobs_of_both_runtimes_are_listed")
        await back.close()


@case
async def resume_with_a_key_after_a_restart(options):
    """An application of this client gets new handles of its jobs by submitting again with the same keys."""
    async with serving(options) as runtime:
        client, tap = new_client(), await dial(runtime.url)
        await client.connect(tap)
        done = {"agent": "echo", "input": [1, 2], "idempotency_key": "done"}
        cut = {"agent": "slow", "input": {"ticks": 100_000, "tick_ms": 1}, "idempotency_key": "cut"}
        first, second = await client.submit(**done), await client.submit(**cut)
        equal((await outcome(first)).result, {"echoed": [1, 2]}, "a_job_ends_before")
        await tap.until(lambda t: len(t.frames("job.event", job=second.job_id)) >= 20)
        await runtime.restart()
        await tap.ending()
        again = await dial(runtime.url)
        await client.resume(again, resume=_point(client))
        await again.until(lambda t: t.frames(*TERMINALS, job=second.job_id))
        back = await client.submit(**done)
        equal((back.job_id, (await outcome(back)).result), (first.job_id, {"echoed": [1, 2]}), "the_result_is_available")
        back = await client.submit(**cut)
        end = await outcome(back)
        equal(back.job_id, second.job_id, "the_same_job")
        ended_with = isinstance(end, ARCPError) and (end.code, end.retryable)
        equal(ended_with, ("INTERNAL_ERROR", True), "its_handle_ends_as_the_job_did")
        gapless(tap.received + again.received, "no_gap_and_no_repeat")
        await client.close()


@case
async def resume_after_many_restarts(options):
    """One session, one client object, a runtime that is killed again and again while jobs run."""
    async with serving(options) as runtime:
        client, taps, jobs = new_client(), [await dial(runtime.url)], []
        await client.connect(taps[-1])
        for number in range(5):
            # One handle at a time: this client cannot tell handles of the broken connection from new ones.
            handle = await client.submit(agent="slow", input={"ticks": 100_000, "tick_ms": 1})
            jobs.append(handle.job_id)
            await taps[-1].until(lambda t: len(t.frames("job.event", job=handle.job_id)) >= 10 + number)  # noqa: B023
            await runtime.restart()
            await taps[-1].ending()
            taps.append(await dial(runtime.url))
            await client.resume(taps[-1], resume=_point(client))
            await taps[-1].until(lambda t: t.frames(*TERMINALS, job=handle.job_id))  # noqa: B023
        everything = [f for t in taps for f in t.received]
        gapless(everything, "no_gap_and_no_repeat")
        ends = [f["job_id"] for f in everything if f["type"] in TERMINALS]
        equal(ends, jobs, "one_terminal_each")
        for job in jobs:
            ticks = _ticks(f for f in everything if f.get("job_id") == job)
            equal(ticks == list(range(len(ticks))), True, "every_event_once_and_in_order")
        equal(len({t.received[0]["payload"]["resume_token"] for t in taps}), 6, "a_new_token_each_time")
        await client.close()


@case
async def a_wrong_token_is_refused_after_a_restart(options):
    """After a restart the resume token is still required and still the same."""
    async with serving(options) as runtime:
        client, tap = new_client(), await dial(runtime.url)
        await client.connect(tap)
        await run(client, "echo", 1)
        point = _point(client)
        await runtime.restart()
        await tap.ending()
        wrong = new_client().resume(
            await dial(runtime.url), resume=point.model_copy(update={"resume_token": "rt_" + "0" * 64})
        )
        try:
            await wrong
            check(False, "a_wrong_token_is_refused")
        except ARCPError as error:
            equal(error.code, "RESUME_WINDOW_EXPIRED", "a_wrong_token_is_refused")
        again = await dial(runtime.url)
        await client.resume(again, resume=point)
        _, _, end = await run(client, "echo", 2)
        equal(end.result, {"echoed": 2}, "the_right_one_works")
        gapless(tap.received + again.received, "numbering_continues")
        await client.close()


main()
