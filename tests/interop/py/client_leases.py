"""Leases of the Python client: patterns, tools, budgets, expiry, models, credentials."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from arcp import InvalidRequestError, LeaseConstraints, LeaseExpiredError
from support import (
    ALICE_TOO,
    ALL_FEATURES,
    BOB,
    TERMINALS,
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

LEASE = {
    "fs.read": ["/ws/**", "/etc/hosts"],
    "fs.write": ["/ws/out/*.txt"],
    "net.fetch": ["https://api.example.com/v1/*", "s3://bucket/**"],
    "tool.call": ["search.*"],
    "x-vendor.acme.door": ["front"],
}
# (capability, target, allowed): `*` matches within a segment, a segment `**` any number of segments, the rest is literal.
VERDICTS = [
    ("fs.read", "/ws/a/b/c", True),
    ("fs.read", "/ws", True),
    ("fs.read", "/ws//a/./b/", True),
    ("fs.read", "/ws/a/../b", True),
    ("fs.read", "/ws/../etc/passwd", False),
    ("fs.read", "/ws/../../ws/a", False),
    ("fs.read", "ws/a", False),
    ("fs.read", "/wsx/a", False),
    ("fs.read", "/WS/a", False),
    ("fs.read", "/etc/hosts", True),
    ("fs.read", "/etc/hosts.bak", False),
    ("fs.write", "/ws/out/a.txt", True),
    ("fs.write", "/ws/out/.txt", True),
    ("fs.write", "/ws/out/a/b.txt", False),
    ("fs.write", "/ws/a", False),
    ("net.fetch", "https://api.example.com/v1/users", True),
    ("net.fetch", "HTTPS://API.example.com:443/v1/users", True),
    ("net.fetch", "https://api.example.com/v1/users/7", False),
    ("net.fetch", "https://api.example.com/v1/../admin", False),
    ("net.fetch", "https://api.example.com/v1/%2e%2e/admin", False),
    ("net.fetch", "https://api.example.com.evil.org/v1/x", False),
    ("net.fetch", "https://me@api.example.com/v1/x", False),
    ("net.fetch", "http://api.example.com/v1/x", False),
    ("net.fetch", "s3://bucket/a/b", True),
    ("tool.call", "search.web", True),
    ("tool.call", "search", False),
    ("x-vendor.acme.door", "front", True),
    ("x-vendor.acme.door", "back", False),
    ("x-vendor.acme.window", "front", False),
]


@case
async def patterns(options):
    async with session(options) as (client, _):
        ops = [{"cap": cap, "target": target} for cap, target, _ in VERDICTS]
        handle, events, end = await run(client, "ops", {"ops": ops}, lease_request=LEASE)
        equal(handle.lease, LEASE, "the_effective_lease_is_shown")
        for (cap, target, allowed), out in zip(VERDICTS, end.result["out"], strict=True):
            want = {"target": target, "ok": True} if allowed else {"target": target, "ok": False, "code": "PERMISSION_DENIED"}
            equal(out, want, f"{cap}_{target}_{'allowed' if allowed else 'denied'}")
        equal(end.result["budget"], {}, "no_budget")
        allowed = [(f"c{i}", v) for i, v in enumerate(VERDICTS, 1) if v[2]]
        calls = [b for k, b in events if k == "tool_call"]
        equal(calls, [{"tool": v[0], "args": {"target": v[1]}, "call_id": c} for c, v in allowed], "calls_of_the_allowed_only")
        results = [b for k, b in events if k == "tool_result"]
        equal([r["call_id"] for r in results], [f"c{i}" for i in range(1, len(VERDICTS) + 1)], "a_result_for_each")
        errors = [r["error"] for r in results if "error" in r]
        form = [e["code"] == "PERMISSION_DENIED" and e["retryable"] is False and bool(e["message"]) for e in errors]
        check(len(errors) == len(VERDICTS) - len(allowed) and all(form), "refusals_are_tool_results", errors)


@case
async def no_lease(options):
    async with session(options) as (client, _):
        ops = [{"cap": cap, "target": "/ws/a"} for cap in ("fs.read", "tool.call", "net.fetch", "agent.delegate")]
        handle, _, end = await run(client, "ops", {"ops": ops})
        equal(handle.lease, {}, "the_lease_is_empty")
        equal({o.get("code") for o in end.result["out"]}, {"PERMISSION_DENIED"}, "nothing_is_allowed")


@case
async def tools(options):
    async with session(options) as (client, _):
        names = ["search.web", "shell.exec", "search.db"]
        _, events, end = await run(client, "tools", {"tools": names}, lease_request={"tool.call": ["search.*"]})
        equal(end.result, {"called": 2}, "two_of_three")
        calls = [(b["tool"], b["call_id"]) for k, b in events if k == "tool_call"]
        equal(calls, [("search.web", "t1"), ("search.db", "t3")], "calls")
        refused = [(b["call_id"], b["error"]["code"]) for k, b in events if k == "tool_result" and "error" in b]
        equal(refused, [("t2", "PERMISSION_DENIED")], "the_refusal")


@case
async def budget(options):
    async with session(options) as (client, tap):
        ops = [
            _cost("0.4"),
            {"cap": "tool.call", "target": "a"},
            _cost("0.1", "EUR"),
            {"metric": {"name": "latency", "value": 7, "unit": "USD"}},
            _cost("0.7"),
            {"cap": "tool.call", "target": "b"},
        ]
        lease = {"cost.budget": ["USD:0.50", "USD:0.50", "CHF:3"], "tool.call": ["*"]}
        handle, events, end = await run(client, "ops", {"ops": ops}, lease_request=lease)
        shown = {c: (a.split(":")[0], Decimal(a.split(":")[1])) for c, a in handle.budget.items()}
        equal(shown, {"USD": ("USD", Decimal(1)), "CHF": ("CHF", Decimal(3))}, "handle_budget_in_the_form_this_client_reads")
        equal([o.get("code") for o in end.result["out"]], [None] * 5 + ["BUDGET_EXHAUSTED"], "the_last_call_is_refused")
        equal(end.result["budget"], {"USD": -0.1, "CHF": 3}, "the_overspending_charge_is_counted")
        metrics = [(b["name"], b["value"], b.get("unit")) for k, b in events if k == "metric"]
        want = [
            ("cost.inference", 0.4, "USD"),
            ("cost.budget.remaining", 0.6, "USD"),
            ("cost.inference", 0.1, "EUR"),
            ("latency", 7, "USD"),
            ("cost.inference", 0.7, "USD"),
            ("cost.budget.remaining", -0.1, "USD"),
        ]
        equal(metrics, want, "each_charge_is_followed_by_what_remains")
        equal(len(tap.frames(*TERMINALS, job=handle.job_id)), 1, "the_job_is_not_killed")


@case
async def budget_is_exact(options):
    async with session(options) as (client, _):
        ops = [_cost("0.1") for _ in range(10)] + [{"cap": "tool.call", "target": "a"}]
        _, events, end = await run(client, "ops", {"ops": ops}, lease_request={"cost.budget": ["USD:1"], "tool.call": ["*"]})
        left = [b["value"] for k, b in events if k == "metric" and b["name"] == "cost.budget.remaining"]
        equal(left, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0], "ten_times_a_tenth_is_one")
        equal(end.result["out"][-1]["code"], "BUDGET_EXHAUSTED", "nothing_is_left")


@case
async def budget_refusals(options):
    async with session(options) as (client, _):
        own = {"metric": {"name": "cost.budget.remaining", "value": 1000, "unit": "USD"}}
        ops = [_cost("-5"), own, {"cap": "tool.call", "target": "a"}]
        _, events, end = await run(client, "ops", {"ops": ops}, lease_request={"cost.budget": ["USD:1"], "tool.call": ["*"]})
        out = end.result["out"]
        equal([o.get("ok") for o in out], [False, False, True], "a_negative_charge_and_a_forged_remainder_are_refused")
        equal([k for k, _ in events], ["tool_call", "tool_result"], "refused_metrics_make_no_event")
        equal(end.result["budget"], {"USD": 1}, "refused_metrics_change_no_budget")


@case
async def expiry(options):
    async with session(options) as (client, tap):
        past = LeaseConstraints(expires_at="2020-01-01T00:00:00Z")
        await raises(InvalidRequestError, client.submit(agent="echo", lease_constraints=past), "a_date_in_the_past")
        far = LeaseConstraints(expires_at="2126-01-01T00:00:00Z")
        handle, _, end = await run(client, "ops", {"ops": [{"cap": "tool.call", "target": "a"}]},
                                   lease_request={"tool.call": ["*"]}, lease_constraints=far)  # fmt: skip
        matches(handle.lease_constraints.expires_at, r"2126-01-01T00:00:00(\.000)?Z", "the_constraint_is_in_the_acceptance")
        equal(end.result["out"][0]["ok"], True, "a_date_in_a_hundred_years")
        ops = [{"cap": "tool.call", "target": "a"}, {"sleep_ms": 1600}, {"cap": "tool.call", "target": "b"}, {"sleep_ms": 60_000}]
        handle = await client.submit(
            agent="ops", input={"ops": ops}, lease_request={"tool.call": ["*"]}, lease_constraints=_in_seconds(1.5)
        )
        error = await outcome(handle)
        check(type(error) is LeaseExpiredError, "the_job_ends_as_lease_expired", repr(error))
        results = [b.get("error", {}).get("code") for k, b in await events_of(handle) if k == "tool_result"]
        equal(results, [None, "LEASE_EXPIRED"], "the_refused_operation_is_reported_first")
        gapless(tap.received, "event_seq")


@case
async def expiry_without_an_operation(options):
    async with session(options) as (client, tap):
        handle, _, error = await run(client, "slow", {"ticks": 2000}, lease_constraints=_in_seconds(1))
        check(type(error) is LeaseExpiredError, "the_job_ends_as_lease_expired", repr(error))
        equal([f["type"] for f in tap.frames(*TERMINALS, job=handle.job_id)], ["job.error"], "one_terminal")
        _, _, end = await run(client, "slow", {"ticks": 3, "tick_ms": 10}, lease_constraints=_in_seconds(30))
        equal(end.result, {"ticks": 3}, "a_job_within_its_lease")


@case
async def models(options):
    async with session(options, features=ALL_FEATURES) as (client, _):
        ops = [{"cap": "model.use", "target": m} for m in ("tier-fast/x", "tier-slow/x", "tier-fast/x/y")]
        _, _, end = await run(client, "ops", {"ops": ops}, lease_request={"model.use": ["tier-fast/*"]})
        codes = [o.get("code") for o in end.result["out"]]
        equal(codes, [None, "PERMISSION_DENIED", "PERMISSION_DENIED"], "only_the_leased_models")
        _, _, end = await run(client, "ops", {"ops": ops}, lease_request={})
        equal({o.get("code") for o in end.result["out"]}, {"PERMISSION_DENIED"}, "no_model_without_model_use")
        spent = [_cost("2"), ops[0], {"cap": "tool.call", "target": "a"}]
        lease = {"model.use": ["tier-fast/*"], "tool.call": ["*"], "cost.budget": ["USD:1"]}
        _, _, end = await run(client, "ops", {"ops": spent}, lease_request=lease)
        equal([o.get("code") for o in end.result["out"][1:]], [None, "BUDGET_EXHAUSTED"], "the_budget_does_not_restrict_models")
    async with session(options) as (client, _):
        submitted = client.submit(agent="echo", lease_request={"model.use": ["*"]})
        await raises(InvalidRequestError, submitted, "model_use_is_refused_without_its_feature")


@case
async def credentials(options):
    """`--creds`: one credential for a lease that names `model.use`, if the client asked for the feature."""
    lease = {"model.use": ["tier-fast/*"], "cost.budget": ["USD:2"]}
    async with session(options, features=ALL_FEATURES) as (client, tap):
        check(client.has_feature("provisioned_credentials"), "negotiated")
        handle, _, _ = await run(client, "echo", lease_request=lease, lease_constraints=_in_seconds(60))
        equal(len(handle.credentials), 1, "one_credential")
        credential = handle.credentials[0]
        matches(credential.id, f"cred_{ULID}", "its_id")
        equal(credential.value, f"sk-virt-{handle.job_id}", "its_value")
        equal((credential.scheme, credential.endpoint, credential.profile), ("bearer", "http://127.0.0.1:9/v1", "openai"), "its_use")
        equal(credential.constraints.model_use, ("tier-fast/*",), "its_models")
        raw = tap.frames("job.accepted")[0]["payload"]["credentials"][0]
        check({"model.use", "cost.budget", "expires_at"} >= set(raw["constraints"]), "its_constraints_are_dotted", raw)
        handle, _, _ = await run(client, "echo", lease_request={"tool.call": ["*"]})
        equal(handle.credentials, (), "none_without_model_use")
        await client.list_jobs()
        check("sk-virt" not in json.dumps(tap.frames("session.jobs")), "never_in_a_list")
    async with session(options, features=(*ALL_FEATURES[:-1],)) as (client, _):
        handle, _, _ = await run(client, "echo", lease_request=lease)
        equal(handle.credentials, (), "none_without_the_feature")


@case
async def rotation(options):
    """`--creds --open-policy`: the owner receives the new value once; no replay and no other principal has it."""
    async with session(options, features=ALL_FEATURES) as (client, tap):
        handle, events, end = await run(client, "rotate", lease_request={"model.use": ["*"]})
        equal(end.result, {"rotated": True}, "rotated")
        bodies = [b for k, b in events if k == "status" and b["phase"] == "credential_rotated"]
        identity = handle.credentials[0].id
        want = {"phase": "credential_rotated", "credential_id": identity, "id": identity, "value": "rotated-secret"}
        equal(bodies, [want], "the_owner_reads_the_new_value")
        for token in (ALICE_TOO, BOB):
            async with session(options, token, features=ALL_FEATURES) as (other, taps):
                watched = await other.subscribe(handle.job_id, history=True)
                await outcome(watched.handle)
                seen = [b for k, b in await events_of(watched.handle) if k == "status"]
                equal([b["phase"] for b in seen], ["credential_rotated"], f"{token}_sees_that_it_was_rotated")
                check("rotated-secret" not in json.dumps(taps.frames("job.event")), f"{token}_does_not_see_the_value")
                check(token != BOB or "sk-virt" not in json.dumps(taps.received), "bob_sees_no_credential_at_all")
        await client.list_jobs()
        check("rotated-secret" not in json.dumps(tap.frames("session.jobs")), "never_in_a_list")
        _, _, end = await run(client, "rotate", lease_request={})
        equal(end.result, {"rotated": False}, "nothing_to_rotate")


def _cost(value, unit="USD"):
    return {"metric": {"name": "cost.inference", "value": float(value), "unit": unit}}


def _in_seconds(seconds):
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return LeaseConstraints(expires_at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


main()
