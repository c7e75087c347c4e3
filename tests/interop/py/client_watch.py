"""Listing and watching jobs with the Python client."""

import json
from datetime import datetime, timedelta

from arcp import InvalidRequestError, JobNotFoundError, ListJobsFilter
from support import (
    ALICE_TOO,
    BOB,
    TERMINALS,
    TIMESTAMP,
    case,
    check,
    equal,
    events_of,
    gapless,
    main,
    matches,
    outcome,
    raises,
    run,
    session,
)


@case
async def list_jobs(options):
    async with session(options) as (client, tap), session(options, ALICE_TOO) as (other, _):
        equal((await client.list_jobs()).jobs, (), "nothing_yet")
        ran = [(await run(client, agent))[0] for agent in ("echo", "ver@1.0.0", "ver@2.0.0", "fail", "echo", "events", "echo")]
        page = await client.list_jobs()
        equal([j.job_id for j in page.jobs], [h.job_id for h in ran], "oldest_first")
        equal([j.agent for j in page.jobs], [h.agent_ref for h in ran], "resolved_agents")
        equal([j.status for j in page.jobs], ["success"] * 3 + ["error"] + ["success"] * 3, "statuses")
        equal(page.next_cursor, None, "no_next_page")
        matches(page.jobs[0].submitted_at, TIMESTAMP, "submitted_at")
        equal([j.trace_id for j in page.jobs], [h.trace_id for h in ran], "trace_ids")
        raw = tap.frames("session.jobs")[-1]["payload"]
        equal(raw["request_id"], tap.sent[-1]["id"], "request_id")
        entry = raw["jobs"][0]
        want = {"job_id", "agent", "status", "lease", "parent_job_id", "created_at", "submitted_at", "trace_id", "last_event_seq"}
        equal(set(entry), want, "members_of_an_entry")
        check("next_cursor" in raw and entry["parent_job_id"] is None and entry["created_at"] == entry["submitted_at"], "null_members_are_sent")
        ends = {f["job_id"]: f["event_seq"] for f in tap.frames(*TERMINALS)}
        equal([j.last_event_seq for j in page.jobs], [ends[h.job_id] for h in ran], "last_event_seq")
        elsewhere = [j.job_id for j in (await other.list_jobs()).jobs]
        equal(elsewhere, [h.job_id for h in ran], "another_session_of_the_principal_sees_them")


@case
async def filters(options):
    async with session(options) as (client, _):
        early = [(await run(client, agent))[0].job_id for agent in ("ver@1.0.0", "ver@2.0.0")]
        await run(client, "slow", {"ticks": 1, "tick_ms": 20})
        late = [(await run(client, agent))[0].job_id for agent in ("echo", "fail")]
        middle = (await client.list_jobs()).jobs[2]
        ran = [*early, middle.job_id, *late]
        border = datetime.fromisoformat(middle.submitted_at) + timedelta(milliseconds=10)

        async def found(**filter):
            return [ran.index(j.job_id) for j in (await client.list_jobs(filter=ListJobsFilter(**filter))).jobs]

        equal(await found(agent="ver"), [0, 1], "a_bare_name_is_every_version")
        equal(await found(agent="ver@1.0.0"), [0], "a_version")
        equal(await found(agent="nobody"), [], "an_unknown_agent")
        equal(await found(status=("error",)), [4], "a_status")
        equal(await found(status=("error", "success")), [0, 1, 2, 3, 4], "two_statuses")
        equal(await found(status=("paused",)), [], "an_unknown_status_matches_nothing")
        equal(await found(status=("success",), agent="ver@2.0.0"), [1], "both")
        equal(await found(created_after=border.isoformat()), [3, 4], "created_after")
        equal(await found(created_before=border.isoformat()), [0, 1, 2], "created_before")
        bad = client.list_jobs(filter=ListJobsFilter(created_after="yesterday"))
        await raises(InvalidRequestError, bad, "a_bad_time")
        await raises(InvalidRequestError, client.list_jobs(cursor="not a cursor"), "a_bad_cursor")
        equal(len((await client.list_jobs()).jobs), 5, "the_session_continues")


@case
async def pages(options):
    async with session(options) as (client, _):
        ran = [(await run(client, "echo", i))[0].job_id for i in range(11)]
        seen, cursor, sizes = [], None, []
        while True:
            page = await client.list_jobs(limit=3, cursor=cursor)
            sizes.append(len(page.jobs))
            seen += [j.job_id for j in page.jobs]
            cursor = page.next_cursor
            if cursor is None:
                break
            if len(seen) == 6:
                ran.append((await run(client, "echo", "meanwhile"))[0].job_id)
        equal(seen, ran, "every_job_once_including_the_one_added_meanwhile")
        equal(sizes, [3, 3, 3, 3], "pages_are_full")


@case
async def subscribe_live(options):
    async with session(options) as (owner, owned), session(options, ALICE_TOO) as (watcher, tap):
        handle = await owner.submit(agent="slow", input={"ticks": 40, "tick_ms": 50})
        await owned.until(lambda t: len(_ticks(t, handle)) >= 3)
        watched = await watcher.subscribe(handle.job_id)
        equal((watched.replayed, watched.handle.agent_ref, watched.handle.trace_id), (0, "slow", handle.trace_id), "job_subscribed")
        end = await outcome(watched.handle)
        equal(end.result, {"ticks": 40}, "the_watcher_gets_the_result")
        await outcome(handle)
        later = [f for f in owned.frames("job.event", "job.result", job=handle.job_id) if f["event_seq"] > watched.subscribed_from]
        _same_stream(tap.frames("job.event", "job.result"), later, "every_event_after_subscribed_from")
        kinds = [k for k, _ in await events_of(watched.handle)]
        equal(len(kinds), len(later) - 1, "the_handle_saw_them_all")
        gapless(tap.received, "the_watcher_has_its_own_numbering")


@case
async def subscribe_with_history(options):
    async with session(options) as (owner, owned), session(options, ALICE_TOO) as (watcher, tap):
        handle = await owner.submit(agent="slow", input={"ticks": 40, "tick_ms": 50})
        await owned.until(lambda t: len(_ticks(t, handle)) >= 10)
        floor = _ticks(owned, handle)[4]["event_seq"]
        watched = await watcher.subscribe(handle.job_id, history=True, from_event_seq=floor)
        check(watched.replayed == 1 and watched.subscribed_from > floor, "job_subscribed", watched)
        equal((await outcome(watched.handle)).result, {"ticks": 40}, "the_result")
        await outcome(handle)
        later = [f for f in owned.frames("job.event", "job.result", job=handle.job_id) if f["event_seq"] > floor]
        _same_stream(tap.frames("job.event", "job.result"), later, "replayed_and_live_events_without_a_gap")
        equal(len(await events_of(watched.handle)), len(later) - 1, "the_handle_saw_them_all")
        again = await watcher.subscribe(handle.job_id, history=True)
        await outcome(again.handle)
        equal(len(await events_of(again.handle)), 40, "an_ended_job_can_be_replayed")
        bare = await watcher.subscribe(handle.job_id)
        equal((await outcome(bare.handle)).result, {"ticks": 40}, "its_terminal_comes_without_history_too")
        equal(await events_of(bare.handle), [], "no_event_comes_without_history")
        gapless(tap.received, "one_counter_for_all_subscriptions")
        order = [f["type"] for f in tap.received if f.get("job_id") == handle.job_id]
        equal(order[0], "job.subscribed", "job_subscribed_comes_first")


@case
async def subscribe_to_many(options):
    async with session(options) as (owner, _), session(options, ALICE_TOO) as (watcher, tap):
        handles = [await owner.submit(agent="slow", input={"ticks": 10 + i, "tick_ms": 20}) for i in range(5)]
        watched = [await watcher.subscribe(h.job_id, history=True) for h in handles]
        own = await watcher.submit(agent="progress", input={"n": 20})
        for i, subscription in enumerate(watched):
            equal((await outcome(subscription.handle)).result, {"ticks": 10 + i}, f"job_{i}_ends")
            equal(len(await events_of(subscription.handle)), 10 + i, f"job_{i}_is_complete")
        equal((await outcome(own)).result, {"n": 20}, "the_watchers_own_job_ends")
        gapless(tap.received, "one_counter_for_all")


@case
async def subscribe_to_an_own_job(options):
    async with session(options) as (client, tap):
        handle = await client.submit(agent="slow", input={"ticks": 20, "tick_ms": 20})
        watched = await client.subscribe(handle.job_id, history=True)
        equal(watched.replayed, 0, "nothing_is_replayed_of_a_live_job")
        equal((await outcome(watched.handle)).result, {"ticks": 20}, "it_ends")
        equal(len(_ticks(tap, handle)), 20, "no_second_copy")
        equal(len(tap.frames(*TERMINALS, job=handle.job_id)), 1, "one_terminal")
        gapless(tap.received, "event_seq")


@case
async def subscribe_refused(options):
    async with session(options) as (owner, _), session(options, BOB) as (bob, tap):
        handle = await owner.submit(agent="slow", input={"ticks": 20, "tick_ms": 50})
        hidden = await raises(JobNotFoundError, bob.subscribe(handle.job_id, history=True), "another_principals_job")
        unknown_id = f"job_{'0' * 26}"
        unknown = await raises(JobNotFoundError, bob.subscribe(unknown_id), "an_unknown_job")
        same = str(hidden).replace(handle.job_id, "J") == str(unknown).replace(unknown_id, "J")
        check(same, "the_answers_are_indistinguishable", (str(hidden), str(unknown)))
        equal((await outcome(handle)).result, {"ticks": 20}, "the_job_continues")
        equal(len((await bob.list_jobs()).jobs), 0, "bob_lists_nothing")
        check(handle.job_id not in json.dumps(tap.frames("job.event", "session.jobs", *TERMINALS)), "bob_receives_nothing")


@case
async def open_policy(options):
    """`--open-policy`: any principal may list and watch every job, but not cancel it."""
    async with session(options) as (owner, _), session(options, BOB) as (bob, tap):
        handle = await owner.submit(agent="slow", input={"ticks": 30, "tick_ms": 50})
        equal([j.job_id for j in (await bob.list_jobs()).jobs], [handle.job_id], "bob_lists_it")
        watched = await bob.subscribe(handle.job_id, history=True)
        equal((await outcome(watched.handle)).result, {"ticks": 30}, "bob_watches_it")
        equal(len(await events_of(watched.handle)), 30, "all_of_it")
        handle = await owner.submit(agent="slow", input={"ticks": 30, "tick_ms": 50})
        await bob.cancel_job(handle.job_id)
        await bob.list_jobs()  # once this is answered, the cancel was handled
        equal(tap.frames("session.error", "job.cancelled"), [], "bob_may_not_cancel_it")
        equal((await outcome(handle)).result, {"ticks": 30}, "it_continues")


@case
async def unsubscribe(options):
    async with session(options) as (owner, owned), session(options, ALICE_TOO) as (watcher, tap):
        handle = await owner.submit(agent="slow", input={"ticks": 40, "tick_ms": 50})
        await watcher.subscribe(handle.job_id)
        await tap.until(lambda t: len(_ticks(t, handle)) >= 3)
        await watcher.unsubscribe(handle.job_id)
        await watcher.list_jobs()  # once this is answered, all events from before the unsubscribe have arrived
        silent_from = len(tap.frames(job=handle.job_id))
        equal((await outcome(handle)).result, {"ticks": 40}, "the_owner_receives_the_result")
        await watcher.list_jobs()
        equal(len(tap.frames(job=handle.job_id)), silent_from, "the_watcher_gets_nothing_more")
        equal(tap.frames("session.error"), [], "the_unsubscribe_is_not_an_error")
        await owner.unsubscribe(handle.job_id)
        _, _, end = await run(owner, "echo", 1)
        check(end.result == {"echoed": 1} and not owned.frames("session.error"), "unsubscribing_from_an_own_job_has_no_effect")
        gapless(tap.received, "event_seq")


def _ticks(tap, handle):
    return [f for f in tap.frames("job.event", job=handle.job_id) if f["payload"]["kind"] == "progress"]


def _same_stream(got, want, name):
    """Checks that both streams have the same payloads in the same order, under different envelope ids."""
    equal([f["payload"] for f in got], [f["payload"] for f in want], name)
    check(not {f["id"] for f in got} & {f["id"] for f in want}, f"{name}_under_new_ids")


main()
