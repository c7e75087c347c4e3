"""Job features of the Python client: submit, events, results, failure, cancellation, time limits, versions, keys."""

import asyncio

from arcp import (
    ERROR_CODES,
    AgentNotAvailableError,
    AgentVersionNotAvailableError,
    DuplicateKeyError,
    InternalError,
    InvalidRequestError,
    JobNotFoundError,
    error_class_for,
)
from support import (
    ALICE_TOO,
    BOB,
    TERMINALS,
    TIMESTAMP,
    ULID,
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

EVENTS = [
    ("log", {"level": "info", "message": "a log", "attributes": {"k": 1}}),
    ("thought", {"text": "a thought"}),
    ("status", {"phase": "phase-1", "message": "status message"}),
    ("metric", {"name": "rows", "value": 12, "unit": "rows", "dimensions": {"a": "b"}}),
    ("tool_call", {"tool": "search.web", "args": {"q": "x"}, "call_id": "c1"}),
    ("tool_result", {"call_id": "c1", "result": {"hits": 1}}),
    ("artifact_ref", {"uri": "arcp://artifacts/a1", "content_type": "text/plain", "byte_size": 3, "sha256": "ab"}),
    ("progress", {"current": 1, "total": 2, "units": "u", "message": "m"}),
    ("x-vendor.acme.custom", {"anything": [1, 2, 3]}),
]


@case
async def submit(options):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with session(options) as (client, tap):
        handle = await client.submit(agent="echo", input={"n": [1, 2.5, None], "ü": "☃\u0000"}, trace_id=trace)
        matches(handle.job_id, f"job_{ULID}", "job_id_form")
        equal((handle.agent_ref, handle.lease, handle.budget, handle.credentials), ("echo", {}, None, ()), "accepted")
        equal(handle.trace_id, trace, "the_trace_id_is_unchanged")
        matches(handle.accepted.accepted_at, TIMESTAMP, "accepted_at")
        equal(handle.accepted.request_id, tap.sent[-1]["id"], "request_id_is_that_of_the_submit")
        result = await handle.done
        equal(result.final_status, "success", "final_status")
        equal(result.result, {"echoed": {"n": [1, 2.5, None], "ü": "☃\u0000"}}, "the_input_comes_back_unchanged")
        matches(result.completed_at, TIMESTAMP, "completed_at")
        events = [e async for e in handle.events()]
        equal([e["kind"] for e in events], ["status", "log"], "event_kinds")
        equal(events[0]["body"]["phase"], "running", "running_is_the_first_event")
        equal(events[1]["body"], {"level": "info", "message": "echo started"}, "log_body")
        matches(events[1]["ts"], TIMESTAMP, "event_ts")
        of_job = tap.frames(job=handle.job_id)
        equal([f["type"] for f in of_job], ["job.accepted", "job.event", "job.event", "job.result"], "order_of_frames")
        check("event_seq" not in of_job[0], "job_accepted_is_not_numbered", of_job[0])
        gapless(tap.received, "event_seq")
        equal({f.get("trace_id") for f in of_job}, {trace}, "trace_id_on_every_frame_of_the_job")
        equal({f["session_id"] for f in tap.received}, {client.session_id}, "session_id_on_every_frame")
        matches(handle.job_id + " ".join(f["id"] for f in of_job), f"job_{ULID}{ULID}( {ULID})*", "envelope_ids")


@case
async def inputs(options):
    async with session(options) as (client, tap):
        for value in (None, "", 0, False, [], {}, -1.5e300, 2**53 - 1, "x" * 700_000, {"a": {"b": [{}] * 40}}):
            _, _, end = await run(client, "echo", value)
            check(end.result == {"echoed": value}, f"echo_of_{str(value)[:20]}", str(end)[:200])
        _, _, end = await run(client, "echo")
        equal(end.result, {"echoed": None}, "no_input")
        handle, _, _ = await run(client, "echo")
        matches(handle.trace_id, "(?!0{32})[0-9a-f]{32}", "a_trace_id_is_minted")
        gapless(tap.received, "event_seq")


@case
async def events(options):
    async with session(options) as (client, _):
        _, got, end = await run(client, "events")
        equal(end.result, {"ok": True}, "result")
        equal([k for k, _ in got], [k for k, _ in EVENTS], "kinds_in_order")
        for (kind, body), (_, want) in zip(got, EVENTS, strict=False):
            equal(body, want, f"body_of_{kind}")
        numbers = [type(got[3][1]["value"]), type(got[6][1]["byte_size"])]
        equal(numbers, [int, int], "integers_stay_integers")


@case
async def progress(options):
    async with session(options) as (client, _):
        for n in (5, 0):
            _, got, end = await run(client, "progress", {"n": n})
            want = [("progress", {"current": i, "total": n, "units": "steps", "message": f"step {i}"}) for i in range(n + 1)]
            equal((got, end.result), (want, {"n": n}), f"progress_to_{n}")


@case
async def versions(options):
    async with session(options) as (client, _):
        for asked, ran in (("ver", "ver@2.0.0"), ("ver@2.0.0", "ver@2.0.0"), ("ver@1.0.0", "ver@1.0.0")):
            handle, _, end = await run(client, asked)
            equal((handle.agent_ref, end.result), (ran, {"ran": ran}), f"{asked}_runs_{ran}")
        await raises(AgentVersionNotAvailableError, client.submit(agent="ver@9.9.9"), "unknown_version")
        await raises(AgentVersionNotAvailableError, client.submit(agent="echo@1.0.0"), "version_of_an_unversioned_agent")
        await raises(AgentNotAvailableError, client.submit(agent="nobody"), "unknown_agent")
        await raises(AgentNotAvailableError, client.submit(agent="nobody@1.0.0"), "unknown_agent_with_version")
        _, _, end = await run(client, "echo", 1)
        equal(end.result, {"echoed": 1}, "the_session_continues")


@case
async def fail(options):
    async with session(options) as (client, tap):
        for code in ERROR_CODES:
            asked = {"code": code, "message": f"wanted {code}", "retryable": code != "INTERNAL_ERROR"}
            handle, _, error = await run(client, "fail", asked)
            equal((type(error), str(error)), (error_class_for(code), f"wanted {code}"), f"fails_with_{code}")
            equal(error.retryable, code == "INTERNAL_ERROR", f"retryable_of_{code}_is_fixed")
            ended = [(f["type"], f["payload"]["final_status"]) for f in tap.frames(*TERMINALS, job=handle.job_id)]
            equal(ended, [("job.error", "error")], f"one_terminal_for_{code}")
        _, _, error = await run(client, "fail", {"code": "OUT_OF_PAPER"})
        equal((type(error), error.details), (InternalError, {"code": "OUT_OF_PAPER"}), "an_unknown_code_becomes_internal_error")
        _, _, error = await run(client, "fail", {"code": "INVALID_REQUEST"})
        equal(str(error), "requested failure", "default_message")
        gapless(tap.received, "event_seq")


@case
async def panic(options):
    async with session(options) as (client, tap):
        for asked in ({"throw": "raw"}, None):
            handle, _, error = await run(client, "fail", asked)
            equal((type(error), error.retryable), (InternalError, True), f"internal_error_for_{asked}")
            check("boom" not in str(tap.frames(job=handle.job_id)), "the_text_of_the_panic_stays_inside", str(error))
        _, _, end = await run(client, "echo", 1)
        equal(end.result, {"echoed": 1}, "the_runtime_goes_on")


@case
async def cancel(options):
    async with session(options) as (client, tap):
        handle = await client.submit(agent="slow")
        await tap.until(lambda t: [f for f in t.frames("job.event", job=handle.job_id) if f["payload"]["kind"] == "progress"])
        await client.cancel_job(handle.job_id, reason="because")
        asked = tap.sent[-1]["id"]
        end = await outcome(handle)
        equal(getattr(end, "final_status", end), "cancelled", "done_is_cancelled")
        confirmed = tap.frames("job.cancelled", job=handle.job_id)
        equal([f["payload"].get("request_id") for f in confirmed], [asked], "job_cancelled_answers_the_request")
        equal(confirmed and confirmed[0]["payload"].get("reason"), "because", "the_reason_is_repeated")
        ends = tap.frames("job.cancelled", *TERMINALS, job=handle.job_id)
        equal([f["type"] for f in ends], ["job.cancelled", "job.result"], "one_terminal_after_the_confirmation")
        listed = {j.job_id: j.status for j in (await client.list_jobs()).jobs}
        equal(listed[handle.job_id], "cancelled", "listed_as_cancelled")
        check(tap.received[-1]["type"] == "session.jobs" and "event_seq" not in tap.received[-1], "nothing_follows_the_terminal")
        await client.cancel_job(handle.job_id)
        await client.list_jobs()
        equal(tap.frames("session.error"), [], "cancelling_an_ended_job_is_no_error")
        gapless(tap.received, "event_seq")


@case
async def only_the_owner_may_cancel(options):
    async with session(options) as (client, tap):
        handle = await client.submit(agent="slow", input={"ticks": 30, "tick_ms": 50})
        # A refused cancel is not answered: this client would fail all its handles after a session.error.
        for token in (ALICE_TOO, BOB):
            async with session(options, token) as (other, taps):
                await other.cancel_job(handle.job_id)
                await other.list_jobs()  # once this is answered, the cancel was handled
                equal(taps.frames("session.error", "job.cancelled"), [], f"{token}_may_not_cancel")
        equal((await outcome(handle)).result, {"ticks": 30}, "the_job_continues")
        await client.cancel_job(f"job_{'0' * 26}")
        await client.list_jobs()
        equal(tap.frames("session.error", "job.cancelled"), [], "unknown_job")
        _, _, end = await run(client, "echo", 1)
        equal(end.result, {"echoed": 1}, "the_session_continues")


@case
async def stubborn(options):
    """`--cancel-grace-ms 300`: a job ends as cancelled, whether or not its agent returns within the grace period."""
    async with session(options) as (client, tap):
        for ms, name in ((20_000, "beyond_the_grace"), (100, "within_the_grace")):
            handle = await client.submit(agent="stubborn", input={"ms": ms})
            await client.cancel_job(handle.job_id)
            end = await outcome(handle)
            equal(getattr(end, "final_status", end), "cancelled", f"cancelled_{name}")
            equal(len(tap.frames(*TERMINALS, job=handle.job_id)), 1, f"one_terminal_{name}")
        gapless(tap.received, "event_seq")


@case
async def timeout(options):
    async with session(options) as (client, tap):
        handle, _, end = await run(client, "slow", {"ticks": 2000}, max_runtime_sec=1)
        equal(getattr(end, "final_status", end), "timed_out", "done_is_timed_out")
        equal([f["type"] for f in tap.frames(*TERMINALS, job=handle.job_id)], ["job.result"], "in_the_form_this_client_reads")
        equal((await client.list_jobs()).jobs[-1].status, "timed_out", "listed_as_timed_out")
        _, _, end = await run(client, "slow", {"ticks": 1, "tick_ms": 1}, max_runtime_sec=86_400)
        equal(end.result, {"ticks": 1}, "a_job_within_its_time")


@case
async def idempotency(options):
    async with session(options) as (client, tap):
        ask = {"agent": "slow", "input": {"ticks": 10, "tick_ms": 50}, "idempotency_key": "key-1"}
        first = await client.submit(**ask)
        again = await client.submit(**ask)
        equal(again.job_id, first.job_id, "the_same_job_while_it_runs")
        equal(again.accepted.accepted_at, first.accepted.accepted_at, "the_original_acceptance")
        check(again.accepted.request_id != first.accepted.request_id, "with_its_own_request_id")
        # The job now has two handles; the package passes its frames to the newest one only.
        equal((await outcome(again)).result, {"ticks": 10}, "the_newest_handle_ends")
        equal(len(tap.frames(*TERMINALS, job=first.job_id)), 1, "no_second_copy")
        late = await client.submit(**ask)
        equal((late.job_id, (await outcome(late)).result), (first.job_id, {"ticks": 10}), "an_ended_job_ends_again")
        equal(len(await events_of(late)), 0, "only_its_terminal_is_repeated")
        gapless(tap.received, "the_repeat_is_numbered")
        conflict = await raises(DuplicateKeyError, client.submit(**ask | {"input": {"ticks": 11}}), "other_input_conflicts")
        equal(conflict.details, {"existing_job_id": first.job_id}, "the_conflict_names_the_job")
        await raises(DuplicateKeyError, client.submit(**ask, max_runtime_sec=5), "other_limit_conflicts")
        async with session(options, ALICE_TOO) as (other, _):
            elsewhere = await other.submit(**ask)
            equal((elsewhere.job_id, (await outcome(elsewhere)).result), (first.job_id, {"ticks": 10}), "from_another_session")
        async with session(options, BOB) as (bob, _):
            his = await bob.submit(**ask)
            check(his.job_id != first.job_id, "keys_are_per_principal", his.job_id)
        await raises(AgentNotAvailableError, client.submit(agent="nobody", idempotency_key="key-2"), "a_submit_is_refused")
        _, _, end = await run(client, "echo", 1, idempotency_key="key-2")
        equal(end.result, {"echoed": 1}, "a_refused_submit_leaves_no_record")


@case
async def idempotency_races(options):
    async with session(options) as (client, tap), session(options, ALICE_TOO) as (other, _):
        ask = {"agent": "echo", "input": "raced", "idempotency_key": "race"}
        handles = await asyncio.gather(*[c.submit(**ask) for c in (client, other) * 10])
        equal(len({h.job_id for h in handles}), 1, "twenty_racing_submits_are_one_job")
        equal(len((await client.list_jobs()).jobs), 1, "it_ran_once")
        gapless(tap.received, "event_seq")


@case
async def parent_of_a_submit(options):
    async with session(options) as (client, _), session(options, BOB) as (bob, _):
        lease = {"agent.delegate": ["echo"], "fs.read": ["/ws/**"]}
        parent = await client.submit(agent="slow", input={"ticks": 60, "tick_ms": 50}, lease_request=lease)
        child = await client.submit(agent="echo", parent_job_id=parent.job_id, lease_request={"fs.read": ["/ws/a"]})
        equal(child.accepted.parent_job_id, parent.job_id, "the_child_names_its_parent")
        equal(child.trace_id, parent.trace_id, "the_child_has_its_parents_trace")
        equal((await outcome(child)).result, {"echoed": None}, "the_child_ends")
        # This client fails all its handles on any session.error, so the refusals come last and in bob's session.
        await raises(JobNotFoundError, bob.submit(agent="echo", parent_job_id=parent.job_id), "another_principals_parent")
        await raises(JobNotFoundError, bob.submit(agent="echo", parent_job_id=f"job_{'0' * 26}"), "unknown_parent")
        equal((await outcome(parent)).result, {"ticks": 60}, "the_parent_ends")
        await raises(JobNotFoundError, client.submit(agent="echo", parent_job_id=parent.job_id), "an_ended_parent")


@case
async def bad_submits(options):
    async with session(options) as (client, tap):
        for lease, name in (
            ({"disk.read": ["/"]}, "unknown_namespace"),
            ({"fs.read": []}, "empty_list"),
            ({"fs.read": [""]}, "empty_pattern"),
            ({"fs.read": ["relative/*"]}, "relative_path"),
            ({"fs.read": ["/ws/../etc"]}, "dots_in_a_pattern"),
            ({"cost.budget": ["5 dollars"]}, "malformed_amount"),
            ({"cost.budget": ["USD:-1"]}, "negative_amount"),
        ):
            submitted = client.submit(agent="echo", lease_request=lease)
            await raises(InvalidRequestError, submitted, f"{name}_is_refused")
            error = tap.frames("session.error")[-1]
            equal(error["payload"].get("request_id"), tap.sent[-1]["id"], f"{name}_names_the_request")
        equal((await client.list_jobs()).jobs, (), "none_of_them_became_a_job")


main()
