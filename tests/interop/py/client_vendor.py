"""Vendor extensions (§15) and trace context as the Python client carries them."""

from arcp import V1_1_FEATURES, ARCPError, Capabilities, ClientInfo
from arcp.client import ARCPClient
from arcp.middleware.otel import OTEL_EXTENSION_KEY, with_tracing
from opentelemetry import trace
from support import ALICE, TERMINALS, case, check, dial, equal, main, new_client, run, session
from ulid import ULID

TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7


@case
async def vendor_events(options):
    async with session(options) as (client, _):
        _, events, _ = await run(client, "events")
        custom = [b for k, b in events if k == "x-vendor.acme.custom"]
        equal(custom, [{"anything": [1, 2, 3]}], "a_vendor_event_reaches_the_client")
        ops = {"ops": [{"cap": "x-vendor.acme.door", "target": t} for t in ("front", "back")]}
        handle, _, end = await run(client, "ops", ops, lease_request={"x-vendor.acme.door": ["front"]})
        equal(handle.lease, {"x-vendor.acme.door": ["front"]}, "a_vendor_capability_is_leased")
        equal([o["ok"] for o in end.result["out"]], [True, False], "a_vendor_capability_is_enforced")


@case
async def unknown_members(options):
    """Unknown members are ignored at every level."""
    info = ClientInfo(name="nuncio-interop", version="1", colour="green", principal="bob")
    wishes = Capabilities(features=(*V1_1_FEATURES, "x-vendor.acme.teleport"), shape="round")
    client, tap = ARCPClient(client=info, token=ALICE, capabilities=wishes, features=wishes.features), await dial(options.url)
    await client.connect(tap)
    check("x-vendor.acme.teleport" not in client.welcome.capabilities.features, "an_unknown_feature_is_not_negotiated")
    frame = _frame(client, "job.submit", {"agent": "echo", "input": 1, "x-vendor.acme.note": {"a": 1}, "mood": "good"})
    await tap.send(frame | {"extensions": {"x-vendor.acme.note": 1}, "weather": "fine"})
    ends = await tap.until(lambda t: t.frames(*TERMINALS))
    equal(ends[0]["payload"]["result"], {"echoed": 1}, "a_submit_with_unknown_members")
    async with session(options) as (alice, _):
        equal([j.agent for j in (await alice.list_jobs()).jobs], ["echo"], "the_principal_is_that_of_the_token")
    await client.close()


@case
async def vendor_messages(options):
    async with session(options) as (client, tap):
        await tap.send(_frame(client, "x-vendor.acme.poke", {"a": 1}) | {"extensions": {"optional": True}})
        await client.list_jobs()
        equal(tap.frames("session.error"), [], "an_optional_message_is_ignored")
        needed = _frame(client, "x-vendor.acme.poke", {"a": 1})
        await tap.send(needed)
        error = (await tap.until(lambda t: t.frames("session.error")))[0]["payload"]
        equal((error["code"], error.get("request_id")), ("INVALID_REQUEST", needed["id"]), "any_other_message_is_refused")
        _, _, end = await run(client, "echo", 1)
        equal(end.result, {"echoed": 1}, "the_session_continues")


@case
async def traced(options):
    """The package's OpenTelemetry transport adds the W3C trace context to the envelope."""
    tap = await dial(options.url)
    client = new_client()
    parent = trace.NonRecordingSpan(trace.SpanContext(TRACE, SPAN, is_remote=True, trace_flags=trace.TraceFlags(1)))
    with trace.use_span(parent):
        await client.connect(with_tracing(tap))
        handle, _, end = await run(client, "echo", 1, trace_id=f"{TRACE:032x}")
    context = next(f for f in tap.sent if f["type"] == "job.submit")["extensions"][OTEL_EXTENSION_KEY]
    check(context["traceparent"].startswith(f"00-{TRACE:032x}-"), "the_submit_carries_a_traceparent", context)
    equal((handle.trace_id, end.result), (f"{TRACE:032x}", {"echoed": 1}), "the_job_runs_under_its_trace")
    await client.close()


@case
async def errors_are_typed(options):
    """Every refusal raises the package's exception class for its code, with a message."""
    async with session(options) as (client, _):
        for agent, code in (("nobody", "AGENT_NOT_AVAILABLE"), ("ver@7", "AGENT_VERSION_NOT_AVAILABLE")):
            try:
                await client.submit(agent=agent)
                check(False, f"{code}_is_raised")
            except ARCPError as e:
                equal((e.code, e.retryable, bool(e.message)), (code, False, True), f"{code}_is_raised")


def _frame(client, kind, payload):
    return {"arcp": "1.1", "id": str(ULID()), "type": kind, "session_id": client.session_id, "payload": payload}


main()
