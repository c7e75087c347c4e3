"""Delegation as the Python client sees it: events of children, refusals, shared budgets, and cancellation."""

from support import TERMINALS, case, check, equal, events_of, gapless, main, outcome, run, session

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@case
async def delegate(options):
    async with session(options) as (client, tap):
        handle, events, end = await run(client, "delegate", lease_request={"agent.delegate": ["echo"]}, trace_id=TRACE)
        equal(end.result, {"delegated": True}, "delegated")
        bodies = [b for k, b in events if k == "delegate"]
        equal(len(bodies), 1, "one_delegate_event")
        named = {k: bodies[0].get(k) for k in ("delegate_id", "agent", "input")}
        equal(named, {"delegate_id": "del_1", "agent": "echo", "input": {"from": "parent"}}, "its_body")
        check(not [b for k, b in events if k == "tool_result"], "no_tool_result_on_success", events)
        child = _child(tap, handle)
        kinds = [f["payload"]["kind"] for f in tap.frames("job.event", job=child)]
        equal(kinds, ["status", "log"], "the_owner_receives_the_childs_events")
        ends = tap.frames(*TERMINALS)
        equal([f["job_id"] for f in ends], [child, handle.job_id], "the_child_ends_first")
        equal(ends[0]["payload"]["result"], {"echoed": {"from": "parent"}}, "the_childs_result")
        equal({f.get("trace_id") for f in tap.frames(job=child)}, {TRACE}, "the_child_has_the_trace")
        accepted = [f["job_id"] for f in tap.frames("job.accepted")]
        equal(accepted, [handle.job_id], "this_client_is_not_sent_the_childs_acceptance")
        parents = {j.job_id: j.parent_job_id for j in (await client.list_jobs()).jobs}
        equal(parents, {handle.job_id: None, child: handle.job_id}, "the_list_shows_parent_and_child")
        gapless(tap.received, "one_counter_for_both")


@case
async def submit_during_a_delegation(options):
    """This client takes any `job.accepted` for the answer to its submit, so it must not be sent those of children."""
    async with session(options) as (client, _):
        lease = {"agent.delegate": ["slow"]}
        parents = [
            await client.submit(agent="delegate", input={"agent": "slow", "input": {"ticks": 5}, "wait_ms": 5000}, lease_request=lease)
            for _ in range(5)
        ]
        for i in range(20):
            _, _, end = await run(client, "echo", i)
            check(end.result == {"echoed": i}, f"echo_{i}_is_bound_to_its_submit", end)
        for parent in parents:
            end = await outcome(parent)
            check(end.result == {"delegated": True}, "the_parent_ends", end)


@case
async def refusals(options):
    async with session(options) as (client, tap):
        everything = {"agent.delegate": ["*"]}
        for name, lease, body, code in (
            ("no_delegation_leased", {}, {}, "PERMISSION_DENIED"),
            ("another_agent_leased", {"agent.delegate": ["slow"]}, {}, "PERMISSION_DENIED"),
            ("unknown_agent", everything, {"agent": "nobody"}, "AGENT_NOT_AVAILABLE"),
            ("unknown_version", everything, {"agent": "ver@9.9.9"}, "AGENT_VERSION_NOT_AVAILABLE"),
            ("more_files", everything | {"fs.read": ["/data/*"]}, {"lease_request": {"fs.read": ["/data/**"]}}, None),
            ("brackets_are_not_a_wildcard", everything | {"tool.call": ["[!a]*"]}, {"lease_request": {"tool.call": ["*"]}}, None),
            ("another_namespace", everything | {"fs.read": ["/**"]}, {"lease_request": {"fs.write": ["/a"]}}, None),
            ("a_larger_budget", everything | {"cost.budget": ["USD:1"]}, {"lease_request": {"cost.budget": ["USD:1.01"]}}, None),
            ("another_currency", everything | {"cost.budget": ["USD:1"]}, {"lease_request": {"cost.budget": ["EUR:1"]}}, None),
            ("a_budget_its_parent_lacks", everything, {"lease_request": {"cost.budget": ["USD:1"]}}, None),
        ):
            _, events, end = await run(client, "delegate", body, lease_request=lease)
            equal(getattr(end, "result", end), {"delegated": False}, f"{name}_is_refused_and_the_parent_continues")
            errors = [(b["call_id"], b["error"]["code"]) for k, b in events if k == "tool_result" and "error" in b]
            equal(errors, [("del_1", code or "LEASE_SUBSET_VIOLATION")], f"{name}_is_reported_by_a_tool_result")
        equal({j.parent_job_id for j in (await client.list_jobs()).jobs}, {None}, "no_child_was_made")
        equal(tap.frames("session.error"), [], "no_session_error")


@case
async def subsets(options):
    async with session(options) as (client, tap):
        for name, parent, child in (
            ("equal", {"fs.read": ["/ws/**"]}, {"fs.read": ["/ws/**"]}),
            ("narrower", {"fs.read": ["/ws/**"]}, {"fs.read": ["/ws/*/src", "/ws"]}),
            ("empty", {"fs.read": ["/ws/**"]}, {}),
            ("union", {"tool.call": ["a*", "b*"]}, {"tool.call": ["ax", "bx"]}),
        ):
            handle, _, end = await run(client, "delegate", {"lease_request": child}, lease_request=parent | {"agent.delegate": ["echo"]})
            equal(getattr(end, "result", end), {"delegated": True}, f"{name}_is_a_subset")
            listed = (await client.list_jobs()).jobs
            lease = [j.lease for j in listed if j.parent_job_id == handle.job_id]
            equal(lease, [child], f"{name}_is_the_childs_lease")
        equal(tap.frames("session.error"), [], "no_session_error")


@case
async def family_budget(options):
    ops = {"ops": [_cost(0.25), {"cap": "tool.call", "target": "a"}]}
    async with session(options) as (client, tap):
        lease = {"agent.delegate": ["ops"], "tool.call": ["*"], "cost.budget": ["USD:1"]}
        body = {"agent": "ops", "input": ops, "wait_ms": 5000, "lease_request": {"tool.call": ["*"], "cost.budget": ["USD:0.4"]}}
        handle, events, end = await run(client, "delegate", body, lease_request=lease)
        equal(end.result, {"delegated": True}, "a_child_with_a_share")
        equal(_remaining(events), [0.6, 0.75], "the_share_is_reserved_and_its_rest_is_returned")
        result = tap.frames("job.result", job=_child(tap, handle))[0]["payload"]["result"]
        equal(result["budget"], {"USD": 0.15}, "the_child_spends_its_share")
    async with session(options) as (client, tap):
        spend = {"ops": [_cost(1.5), {"cap": "tool.call", "target": "a"}]}
        body = {"agent": "ops", "input": spend, "wait_ms": 5000, "lease_request": {"tool.call": ["*"]}}
        handle, _, end = await run(client, "delegate", body, lease_request=lease)
        result = tap.frames("job.result", job=_child(tap, handle))[0]["payload"]["result"]
        equal(result["out"][1].get("code"), "BUDGET_EXHAUSTED", "a_child_without_a_share_draws_on_its_parent")
        equal(end.result, {"delegated": True}, "the_parent_continues")


@case
async def cancelled_family(options):
    async with session(options) as (client, tap):
        lease = {"agent.delegate": ["slow"]}
        body = {"agent": "slow", "input": {"ticks": 2000}, "wait_ms": 100_000}
        handle = await client.submit(agent="delegate", input=body, lease_request=lease)
        await tap.until(lambda t: [f for f in t.frames("job.event") if f["payload"]["kind"] == "progress"])
        child = _child(tap, handle)
        await client.cancel_job(handle.job_id)
        end = await outcome(handle)
        equal(getattr(end, "final_status", end), "cancelled", "the_parent_is_cancelled")
        ends = [(f["job_id"], f["payload"]["final_status"]) for f in tap.frames(*TERMINALS)]
        equal(ends, [(child, "cancelled"), (handle.job_id, "cancelled")], "the_child_ends_before_its_parent")
        check([k for k, _ in await events_of(handle)] == ["delegate"], "the_parents_events_are_its_own")


@case
async def cancelled_child(options):
    async with session(options) as (client, tap):
        body = {"agent": "slow", "input": {"ticks": 2000}, "wait_ms": 100_000}
        handle = await client.submit(agent="delegate", input=body, lease_request={"agent.delegate": ["slow"]})
        await tap.until(lambda t: [f for f in t.frames("job.event") if f["payload"]["kind"] == "progress"])
        await client.cancel_job(_child(tap, handle))
        equal((await outcome(handle)).result, {"delegated": True}, "the_owner_may_cancel_the_child_alone")
        equal([f["payload"]["final_status"] for f in tap.frames(*TERMINALS)], ["cancelled", "success"], "the_parent_succeeds")


def _child(tap, parent):
    """Returns the id of the only other job whose events this session has received."""
    others = {f["job_id"] for f in tap.frames("job.event")} - {parent.job_id}
    assert len(others) == 1, f"one child expected, found {others}"
    return others.pop()


def _remaining(events):
    return [b["value"] for k, b in events if k == "metric" and b["name"] == "cost.budget.remaining"]


def _cost(value):
    return {"metric": {"name": "cost.inference", "value": value, "unit": "USD"}}


main()
