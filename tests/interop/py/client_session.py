"""Session features of the Python client: handshake, heartbeat, acknowledgements."""

import asyncio

from arcp import V1_1_FEATURES, HeartbeatLostError, InvalidRequestError, SessionResume, UnauthenticatedError
from arcp.client import AutoAckOptions
from support import (
    ALL_FEATURES,
    BOB,
    TERMINALS,
    TIMESTAMP,
    ULID,
    case,
    check,
    dial,
    equal,
    gapless,
    main,
    matches,
    new_client,
    outcome,
    raises,
    run,
    session,
)

AGENTS = {
    "echo", "slow", "stubborn", "progress", "chunks", "bigchunk", "rawchunks", "ops", "tools", "delegate", "rotate",
    "fail", "events", "flood", "ver",
}  # fmt: skip


@case
async def connect(options):
    async with session(options) as (client, tap):
        welcome = client.welcome
        matches(welcome.session_id, f"sess_{ULID}", "session_id_form")
        equal(client.session_id, welcome.session_id, "client_session_id")
        equal(tap.received[0].get("session_id"), welcome.session_id, "session_id_on_the_envelope")
        matches(welcome.resume_token, "rt_[0-9a-f]{64}", "resume_token_form")
        equal(welcome.resume_window_sec, 600, "resume_window")
        equal(welcome.heartbeat_interval_sec, 30, "heartbeat_interval")
        check(welcome.runtime.name and welcome.runtime.version, "runtime_info", welcome.runtime)
        matches(welcome.accepted_at, TIMESTAMP, "accepted_at")
        equal(welcome.capabilities.encodings, ("json",), "encodings")
        equal(sorted(welcome.capabilities.features), sorted(V1_1_FEATURES), "features_are_the_intersection")
        equal(set(client.negotiated_features), set(V1_1_FEATURES), "negotiated")
        agents = {a.name: a for a in welcome.capabilities.agents if not isinstance(a, str)}
        equal(len(agents), len(welcome.capabilities.agents), "agents_are_in_the_rich_form")
        check(AGENTS <= set(agents), "every_agent_is_listed", AGENTS - set(agents))
        equal(sorted(agents["ver"].versions), ["1.0.0", "2.0.0"], "versions")
        equal(agents["ver"].default, "2.0.0", "default_version")
        equal((agents["echo"].versions, agents["echo"].default), ((), None), "unversioned_agent")


@case
async def connect_with_few_features(options):
    async with session(options, features=("ack", "progress")) as (client, _):
        welcome = client.welcome
        equal(set(welcome.capabilities.features), {"ack", "progress"}, "only_the_requested_features")
        equal(welcome.heartbeat_interval_sec, None, "no_heartbeat_interval")
        names = {a.name for a in welcome.capabilities.agents}
        check(AGENTS <= names, "agents_are_objects", welcome.capabilities.agents)
        await raises(InvalidRequestError, client.list_jobs(), "the_client_refuses_list_jobs_itself")
        handle, _, end = await run(client, "ver")
        equal((handle.agent_ref, end.result), ("ver", {"ran": "ver@2.0.0"}), "agent_is_the_bare_name")
        await raises(InvalidRequestError, client.submit(agent="ver@1.0.0"), "a_version_is_refused_without_its_feature")
        submit = client.submit(agent="echo", lease_request={"cost.budget": ["USD:1"]})
        await raises(InvalidRequestError, submit, "a_budget_is_refused_without_its_feature")
    async with session(options, features=()) as (client, _):
        equal(client.negotiated_features, (), "no_features_at_all")
        _, events, end = await run(client, "progress", {"n": 3})
        equal((events, end.result), ([], {"n": 3}), "progress_events_are_left_out")


@case
async def credential_features_need_a_provisioner(options):
    async with session(options, features=ALL_FEATURES) as (client, _):
        equal(set(client.negotiated_features), set(ALL_FEATURES) - {"provisioned_credentials"}, "only_model_use_is_negotiated")


@case
async def bad_token(options):
    for token in ("tok-nobody", "", "tok-alice "):
        tap = await dial(options.url)
        error = await raises(UnauthenticatedError, new_client(token).connect(tap), f"refused_{token!r}")
        check(error is not None and error.retryable is False and error.message, "error_is_complete", error)
        check(token == "" or token not in str(tap.received), "the_token_is_not_repeated", tap.received)
        await asyncio.gather(tap.recv(), return_exceptions=True)
        check(tap.ended is not None, "the_connection_is_closed")


@case
async def heartbeat_answered(options):
    """`--heartbeat 2`: an idle session stays open because the client answers the pings."""
    async with session(options) as (client, tap):
        equal(client.welcome.heartbeat_interval_sec, 2, "interval")
        await tap.until(lambda t: len(t.frames("session.ping")) >= 4)
        pings = [p["payload"]["nonce"] for p in tap.frames("session.ping")[:3]]
        pongs = [p["payload"]["ping_nonce"] for p in tap.sent if p["type"] == "session.pong"]
        equal(pongs[:3], pings, "every_ping_is_answered")
        equal(len(set(pings)), 3, "nonces_differ")
        check(all("event_seq" not in p for p in tap.frames("session.ping")), "pings_are_not_numbered")
        _, _, end = await run(client, "echo", "still here")
        equal(end.result, {"echoed": "still here"}, "the_session_is_alive")


@case
async def heartbeat_lost(options):
    """`--heartbeat 1`: two silent intervals end the connection, but neither the job nor the session."""
    tap, client = await dial(options.url), new_client()
    await client.connect(tap)
    tap.mute.add("session.pong")
    handle = await client.submit(agent="slow", input={"ticks": 80, "tick_ms": 50})
    error = await outcome(handle)
    check(type(error) is HeartbeatLostError, "the_error_is_heartbeat_lost", repr(error))
    await tap.ending()
    check(not [f for f in tap.frames(*TERMINALS)], "the_job_has_not_ended", tap.frames(*TERMINALS))
    again, back = await dial(options.url), new_client()
    point = SessionResume(
        session_id=client.session_id, resume_token=client.welcome.resume_token, last_event_seq=client.latest_event_seq
    )
    await back.resume(again, resume=point)
    last = await again.until(lambda t: t.frames(*TERMINALS, job=handle.job_id))
    equal(last[0]["payload"].get("result"), {"ticks": 80}, "the_job_continued")
    gapless(tap.received + again.received, "no_event_is_lost")
    await back.close()


@case
async def no_heartbeat_without_the_feature(options):
    """`--heartbeat 1`: a client that did not ask for heartbeats is never pinged."""
    async with session(options, features=("ack",)) as (client, tap):
        _, _, end = await run(client, "slow", {"ticks": 1, "tick_ms": 3500})
        equal(end.result, {"ticks": 1}, "a_silent_session_stays_open")
        equal(tap.frames("session.ping", "session.error"), [], "no_ping")


@case
async def ack(options):
    async with session(options) as (client, tap):
        await run(client, "flood", {"n": 200})
        await client.ack(client.latest_event_seq)
        await client.ack(3)  # backwards: ignored (§6.5)
        await client.ack(1_000_000_000)  # beyond what was sent: ignored, never an error
        _, events, _ = await run(client, "flood", {"n": 50})
        equal(len(events), 50, "acks_out_of_range_are_ignored")
        equal(tap.frames("session.error"), [], "no_error")
        gapless(tap.received, "numbering_continues")
    async with session(options, features=()) as (client, tap):
        await tap.send(_frame(client, "session.ack", {"last_processed_seq": 1}))
        _, _, end = await run(client, "echo", 1)
        check(end.result == {"echoed": 1} and not tap.frames("session.error"), "an_ack_that_was_not_negotiated_is_ignored")


@case
async def auto_ack(options):
    async with session(options, auto_ack=AutoAckOptions(every_n=10, interval_sec=0.02)) as (client, tap):
        await run(client, "flood", {"n": 100})
        acked = await tap.until(lambda t: [f for f in t.sent if f["type"] == "session.ack"])
        points = [f["payload"]["last_processed_seq"] for f in acked]
        equal(points, sorted(set(points)), "acks_increase")
        _, events, _ = await run(client, "flood", {"n": 100})
        equal(len(events), 100, "the_stream_continues")
        gapless(tap.received, "numbering_continues")
        equal(tap.frames("session.error"), [], "no_error")


@case
async def back_pressure(options):
    """`--back-pressure 50`: one warning each time a session's lag crosses the threshold, and only if the session acks."""
    async with session(options) as (client, tap), session(options) as (other, watch):
        await run(client, "flood", {"n": 300})
        equal(_warnings(tap), [], "a_session_that_never_acked_is_not_warned")
        await client.ack(client.latest_event_seq)
        handle, _, _ = await run(client, "flood", {"n": 300})
        warned = _warnings(tap)
        equal(len(warned), 1, "one_warning")
        check(warned and warned[0]["job_id"] == handle.job_id and warned[0]["payload"]["body"].get("message"), "the_form_of_the_warning")
        await run(client, "flood", {"n": 100})
        equal(len(_warnings(tap)), 1, "no_second_warning_while_it_lags")
        await client.ack(client.latest_event_seq)
        await run(client, "flood", {"n": 300})
        equal(len(_warnings(tap)), 2, "another_warning_after_it_caught_up")
        gapless(tap.received, "warnings_are_numbered_like_all_events")
        watched = await other.subscribe(handle.job_id, history=True)
        await outcome(watched.handle)
        equal(_warnings(watch), [], "not_in_the_history_of_the_job")


@case
async def principals_are_isolated(options):
    async with session(options) as (alice, _), session(options, BOB) as (bob, tap):
        await run(alice, "echo", "alice's")
        equal((await bob.list_jobs()).jobs, (), "bob_lists_none_of_alices_jobs")
        equal(tap.frames("job.event", "job.accepted", *TERMINALS), [], "no_frame_of_her_job_reaches_bob")
        check(alice.session_id != bob.session_id, "sessions_differ")


def _warnings(tap):
    events = [f for f in tap.frames("job.event") if f["payload"]["kind"] == "status"]
    return [f for f in events if f["payload"]["body"].get("phase") == "back_pressure"]


def _frame(client, kind, payload):
    return {"arcp": "1.1", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "type": kind, "session_id": client.session_id, "payload": payload}


main()
