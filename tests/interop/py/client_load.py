"""The Python client under load: many jobs, many events, and a refused request among running jobs."""

import asyncio

from arcp import AgentNotAvailableError
from arcp.client import AutoAckOptions
from support import ALICE_TOO, TERMINALS, case, check, equal, events_of, gapless, main, outcome, session


@case
async def hundred_jobs(options):
    async with session(options) as (client, tap):
        handles = await asyncio.gather(
            *[client.submit(agent="slow", input={"ticks": 60 + i % 7, "tick_ms": 50}) for i in range(100)]
        )
        equal(len({h.job_id for h in handles}), 100, "a_hundred_jobs")
        statuses = [j.status for j in (await client.list_jobs(limit=1000)).jobs]
        equal(len([s for s in statuses if s in ("running", "pending")]), 100, "in_flight_together")
        ends = await asyncio.gather(*map(outcome, handles))
        equal([e.result["ticks"] for e in ends], [60 + i % 7 for i in range(100)], "each_handle_gets_its_own_result")
        counts = [len(await events_of(h)) for h in handles]
        equal(counts, [60 + i % 7 for i in range(100)], "each_handle_gets_all_of_its_events")
        gapless(tap.received, "one_counter_for_all")


@case
async def thousand_echoes(options):
    async with session(options, auto_ack=AutoAckOptions(every_n=100, interval_sec=0.05)) as (client, tap):
        slots = asyncio.Semaphore(64)

        async def echo(i):
            async with slots:
                handle = await client.submit(agent="echo", input=i)
                return (await handle.done).result["echoed"]

        equal(await asyncio.gather(*map(echo, range(1000))), list(range(1000)), "each_submit_gets_its_own_answer")
        gapless(tap.received, "one_counter_for_all")
        equal(len(tap.frames(*TERMINALS)), 1000, "one_terminal_each")


@case
async def flood(options):
    for features in (None, ()):
        async with session(options, features=features) as (client, tap):
            handle = await client.submit(agent="flood", input={"n": 20_000})
            end = await outcome(handle)
            name = "with_all_features" if features is None else "with_none"
            equal(getattr(end, "result", end), {"n": 20_000}, f"{name}_it_ends")
            messages = [b["message"] for _, b in await events_of(handle)]
            equal(messages == ["x" * 10 + str(i) for i in range(20_000)], True, f"{name}_every_event_once_and_in_order")
            gapless(tap.received, f"{name}_no_gap")


@case
async def refused_request(options):
    """A refused submit does not affect running jobs: it is accepted and failed, because this client would fail all its
    handles after a session.error."""
    async with session(options) as (client, tap), session(options, ALICE_TOO) as (other, _):
        handle = await client.submit(agent="slow", input={"ticks": 30, "tick_ms": 50})
        beside = await other.submit(agent="slow", input={"ticks": 30, "tick_ms": 50})
        refused = await outcome(await client.submit(agent="nobody"))
        check(type(refused) is AgentNotAvailableError, "the_submit_is_refused", repr(refused))
        equal((await outcome(handle)).result, {"ticks": 30}, "the_other_handle_goes_on")
        ends = await tap.until(lambda t: t.frames(*TERMINALS, job=handle.job_id))
        equal(ends[0]["payload"].get("result"), {"ticks": 30}, "the_runtime_still_sends_the_jobs_end")
        ticks = [f for f in tap.frames("job.event", job=handle.job_id) if f["payload"]["kind"] == "progress"]
        equal(len(ticks), 30, "the_runtime_still_sends_every_event")
        equal(tap.frames("session.error"), [], "no_session_error")
        try:
            await client.submit(agent="nobody")
            check(False, "a_refusal_in_an_idle_session_is_an_error")
        except AgentNotAvailableError:
            check(True, "a_refusal_in_an_idle_session_is_an_error")
        errors = tap.frames("session.error")
        equal([e["payload"].get("request_id") for e in errors], [tap.sent[-1]["id"]], "one_error_that_names_the_request")
        equal(errors[0].get("session_id"), client.session_id, "the_error_names_the_session")
        check("event_seq" not in errors[0], "the_error_is_not_numbered")
        equal((await outcome(beside)).result, {"ticks": 30}, "other_sessions_are_not_affected")
        equal((await (await client.submit(agent="echo", input=1)).done).result, {"echoed": 1}, "the_session_continues")
        gapless(tap.received, "event_seq")


main()
