"""Drop, bye and resume with the Python client's own `resume()` (§6.3)."""

from arcp import ResumeWindowExpiredError, SessionResume, TransportClosed, UnauthenticatedError
from support import (
    ALICE_TOO,
    BOB,
    TERMINALS,
    case,
    check,
    dial,
    equal,
    gapless,
    main,
    new_client,
    outcome,
    raises,
    run,
    session,
)


@case
async def resume_after_a_drop(options):
    tap, client = await dial(options.url), new_client()
    welcome = await client.connect(tap)
    handle = await client.submit(agent="flood", input={"n": 4000, "size": 200})
    await tap.until(lambda t: len(t.frames("job.event")) >= 500)
    tap.cut()
    error = await outcome(handle)
    check(type(error) is TransportClosed, "this_client_fails_its_own_handle_on_a_drop", repr(error))
    again, back = await dial(options.url), new_client()
    resumed = await back.resume(again, resume=_point(client))
    equal(resumed.session_id, welcome.session_id, "the_same_session")
    check(resumed.resume_token != welcome.resume_token, "a_new_token")
    equal(set(back.negotiated_features), set(client.negotiated_features), "the_same_features")
    await again.until(lambda t: t.frames(*TERMINALS, job=handle.job_id))
    everything = tap.received + again.received
    gapless(everything, "no_gap_and_no_repeat")
    logs = [f["payload"]["body"]["message"] for f in everything if f["type"] == "job.event" and f["payload"]["kind"] == "log"]
    equal(logs == ["x" * 200 + str(i) for i in range(4000)], True, "every_event_once_and_in_order")
    equal(again.received[0]["type"], "session.welcome", "the_welcome_comes_first")
    equal(again.frames("job.accepted"), [], "this_client_is_not_sent_job_accepted_again")
    _, _, end = await run(back, "echo", "on")
    equal(end.result, {"echoed": "on"}, "new_jobs_run_in_the_resumed_session")
    gapless(tap.received + again.received, "numbering_continues")
    await back.close()


@case
async def resume_many_times(options):
    """One client object resumes several times, as the package allows; the job survives every drop."""
    client = new_client()
    tap = await dial(options.url)
    await client.connect(tap)
    handle = await client.submit(agent="slow", input={"ticks": 60, "tick_ms": 50})
    taps = [tap]
    for _ in range(4):
        at_least = len(taps[-1].frames("job.event")) + 5
        await taps[-1].until(lambda t: len(t.frames("job.event")) >= at_least)  # noqa: B023
        taps[-1].cut()
        await taps[-1].ending()
        taps.append(await dial(options.url))
        await client.resume(taps[-1], resume=_point(client))
    await taps[-1].until(lambda t: t.frames(*TERMINALS, job=handle.job_id))
    everything = [f for t in taps for f in t.received]
    gapless(everything, "no_gap_and_no_repeat")
    ticks = [f["payload"]["body"]["current"] for f in everything if f["type"] == "job.event" and f["payload"]["kind"] == "progress"]
    equal(ticks, list(range(60)), "every_event_once_and_in_order")
    equal(len([f for f in everything if f["type"] in TERMINALS]), 1, "one_terminal")
    equal(len({t.received[0]["payload"]["resume_token"] for t in taps}), 5, "a_new_token_each_time")
    await client.close()


@case
async def resume_with_a_key(options):
    """An application of this client gets a new handle of its job by submitting again with the same key."""
    client, tap = new_client(), await dial(options.url)
    await client.connect(tap)
    ask = {"agent": "slow", "input": {"ticks": 40, "tick_ms": 50}, "idempotency_key": "again"}
    handle = await client.submit(**ask)
    await tap.until(lambda t: len(t.frames("job.event")) >= 5)
    tap.cut()
    await tap.ending()
    again = await dial(options.url)
    await client.resume(again, resume=_point(client))
    back = await client.submit(**ask)
    equal((back.job_id, (await outcome(back)).result), (handle.job_id, {"ticks": 40}), "the_new_handle_ends")
    gapless(tap.received + again.received, "no_gap_and_no_repeat")
    await client.close()


@case
async def resume_after_bye(options):
    client, tap = new_client(), await dial(options.url)
    await client.connect(tap)
    handle = await client.submit(agent="slow", input={"ticks": 20, "tick_ms": 50})
    await tap.until(lambda t: len(t.frames("job.event")) >= 5)
    await client.close()
    equal(tap.sent[-1]["type"], "session.bye", "this_client_says_bye")
    equal(tap.close_code, 1000, "the_connection_is_closed_normally")
    back, again = new_client(), await dial(options.url)
    await back.resume(again, resume=_point(client))
    ends = await again.until(lambda t: t.frames(*TERMINALS, job=handle.job_id))
    equal(ends[0]["payload"]["result"], {"ticks": 20}, "the_job_continued")
    gapless(tap.received + again.received, "no_event_is_lost")
    await back.close()


@case
async def resume_when_caught_up(options):
    client, tap = new_client(), await dial(options.url)
    await client.connect(tap)
    await run(client, "echo", 1)
    tap.cut()
    await tap.ending()
    back, again = new_client(), await dial(options.url)
    await back.resume(again, resume=_point(client))
    equal(again.frames("job.event", *TERMINALS), [], "nothing_is_repeated")
    handle, _, end = await run(back, "echo", 2)
    equal(end.result, {"echoed": 2}, "new_events_reach_the_new_connection")
    gapless(tap.received + again.received, "numbering_continues")
    equal(handle.accepted.agent, "echo", "its_jobs_are_accepted")
    await back.close()


@case
async def resume_before_the_first_event(options):
    client, tap = new_client(), await dial(options.url)
    await client.connect(tap)
    tap.cut()
    back, again = new_client(), await dial(options.url)
    await back.resume(again, resume=_point(client))
    _, _, end = await run(back, "echo", 1)
    equal(end.result, {"echoed": 1}, "an_unused_session_is_resumed")
    gapless(again.received, "numbering_starts_at_1")
    await back.close()


@case
async def wrong_resumes(options):
    """Wrong resumes all get the same answer and change nothing: the right one still works."""
    client, tap = new_client(), await dial(options.url)
    await client.connect(tap)
    handle = await client.submit(agent="slow", input={"ticks": 30, "tick_ms": 50})
    tap.cut()
    await tap.ending()
    right = _point(client)
    texts = set()
    for name, token, point in (
        ("a_wrong_token", ALICE_TOO, right.model_copy(update={"resume_token": "rt_" + "0" * 64})),
        ("the_session_id_as_token", ALICE_TOO, right.model_copy(update={"resume_token": right.session_id})),
        ("another_principal", BOB, right),
        ("an_unknown_session", ALICE_TOO, right.model_copy(update={"session_id": f"sess_{'0' * 26}"})),
    ):
        taps = await dial(options.url)
        error = await raises(ResumeWindowExpiredError, new_client(token).resume(taps, resume=point), f"{name}_is_refused")
        texts.add(str(error))
        await raises(TransportClosed, taps.recv(), f"{name}_is_followed_by_a_close")
    equal(len(texts), 1, "the_answers_are_indistinguishable")
    refused = new_client("tok-nobody").resume(await dial(options.url), resume=right)
    await raises(UnauthenticatedError, refused, "the_bearer_is_checked_first")
    back, again = new_client(ALICE_TOO), await dial(options.url)
    await back.resume(again, resume=right)
    ends = await again.until(lambda t: t.frames(*TERMINALS, job=handle.job_id))
    equal(ends[0]["payload"]["result"], {"ticks": 30}, "the_right_one_still_works")
    gapless(tap.received + again.received, "no_event_is_lost")
    await back.list_jobs()  # the first frame on the new connection proves the new token
    old = new_client().resume(await dial(options.url), resume=right)
    await raises(ResumeWindowExpiredError, old, "the_old_token_is_no_longer_valid")
    await back.close()


@case
async def takeover(options):
    """A resume while the old connection is still open replaces it: the old one is closed with 4409."""
    client, tap = new_client(), await dial(options.url)
    await client.connect(tap)
    handle = await client.submit(agent="slow", input={"ticks": 30, "tick_ms": 50})
    await tap.until(lambda t: len(t.frames("job.event")) >= 3)
    back, again = new_client(), await dial(options.url)
    point = _point(client)
    await back.resume(again, resume=point)
    await tap.ending()
    equal(tap.close_code, 4409, "the_old_connection_is_closed")
    equal(tap.frames("session.error", "session.closed"), [], "without_a_frame")
    await again.until(lambda t: t.frames(*TERMINALS, job=handle.job_id))
    until_then = [f for f in tap.received if f.get("event_seq", 0) <= point.last_event_seq]
    gapless(until_then + again.received, "the_new_connection_gets_the_rest")
    await back.close()


@case
async def lapsed_window(options):
    """`--resume-window 3`: after three seconds the session is gone, but its principal's jobs are not."""
    client, tap = new_client(), await dial(options.url)
    welcome = await client.connect(tap)
    equal(welcome.resume_window_sec, 3, "the_welcome_has_the_window")
    await client.close()
    async with session(options, ALICE_TOO) as (other, _):
        handle, _, _ = await run(other, "slow", {"ticks": 1, "tick_ms": 5000})  # five seconds by the runtime's clock
        back = new_client().resume(await dial(options.url), resume=_point(client))
        await raises(ResumeWindowExpiredError, back, "too_late")
        point = _point(other)
        equal([j.job_id for j in (await other.list_jobs()).jobs], [handle.job_id], "jobs_are_still_listed")
    back, again = new_client(), await dial(options.url)
    await back.resume(again, resume=point)
    _, _, end = await run(back, "echo", 1)
    equal(end.result, {"echoed": 1}, "in_time")
    await back.close()


@case
async def subscriptions_survive(options):
    async with session(options) as (owner, _):
        handle = await owner.submit(agent="slow", input={"ticks": 60, "tick_ms": 50})
        client, tap = new_client(ALICE_TOO), await dial(options.url)
        await client.connect(tap)
        await client.subscribe(handle.job_id, history=True)
        await tap.until(lambda t: len(t.frames("job.event")) >= 5)
        tap.cut()
        back, again = new_client(ALICE_TOO), await dial(options.url)
        await tap.ending()
        await back.resume(again, resume=_point(client))
        await again.until(lambda t: t.frames(*TERMINALS, job=handle.job_id))
        everything = tap.received + again.received
        gapless(everything, "no_gap_and_no_repeat")
        ticks = [f["payload"]["body"]["current"] for f in everything if f["type"] == "job.event" and f["payload"]["kind"] == "progress"]
        equal(ticks, list(range(60)), "the_subscription_needs_no_renewal")
        await back.close()


def _point(client):
    """Returns what an application has to keep to resume this client's session."""
    return SessionResume(
        session_id=client.session_id, resume_token=client.welcome.resume_token, last_event_seq=client.latest_event_seq
    )


main()
