"""A worker made with the unmodified package, for the versions 2.10.0 and 2.17.0: an Agent, or the helper run_worker.

The settings are the first argument, as JSON. Every call of a handler is the event "run". With 2.17.0 an Agent can prove
itself to a scheduler ("trust"), and take sealed jobs ("production").
"""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

from cap import progress, runtime, worker
from cap.pb.cordum.agent.v1 import job_pb2
from pydantic import BaseModel

from lines import say
from support import connect, private_key, public_keys, serve

SETTINGS = {
    "id": "python-worker", "key": None, "public_keys": None, "parallel": 8, "heartbeat": 0.2, "retries": 0,
    "pool": "", "topics": ["job.echo"], "helper": False, "trust": None, "production": False,
} | json.loads(sys.argv[1])
KEY = private_key(SETTINGS["key"])
RELEASED = {}
CALLS = {}


class Sum(BaseModel):
    a: int
    b: int


def note(job, topic):
    CALLS[job] = CALLS.get(job, 0) + 1
    say(event="run", job=job, topic=topic, call=CALLS[job])


async def echo(ctx, data):
    note(ctx.job_id, ctx.job.topic)
    return {"echo": data}


async def fail(ctx, data):
    note(ctx.job_id, ctx.job.topic)
    raise RuntimeError("the \"handler\"\nfails")


async def flaky(ctx, data):
    """Fails as often as its input says."""
    note(ctx.job_id, ctx.job.topic)
    if CALLS[ctx.job_id] <= data["failures"]:
        raise RuntimeError("not yet")
    return CALLS[ctx.job_id]


async def hold(ctx, data):
    """Ends when the test says so."""
    released = RELEASED.setdefault(ctx.job_id, asyncio.Event())
    note(ctx.job_id, ctx.job.topic)
    await released.wait()
    return {"held": data}


async def steps(ctx, data):
    """Reports its progress with the helper of the package."""
    note(ctx.job_id, ctx.job.topic)
    for percent in (0, 50, 100):
        payload = progress.progress_payload(SETTINGS["id"], ctx.job_id, f"step-{percent}", percent, "wörking")
        await progress.emit_progress(agent._nc, payload, private_key=KEY)
    return None


def add(ctx, data: Sum):
    note(ctx.job_id, ctx.job.topic)
    return Sum(a=data.a + data.b, b=0)


HANDLERS = {
    "job.echo": echo, "job.echo.fail": fail, "job.flaky": flaky, "job.hold": hold, "job.steps": steps, "job.add": add,
}
agent: Any = None


def release(job):
    RELEASED.setdefault(job, asyncio.Event()).set()


def token():
    """The token of the session, if there is one."""
    return agent.session_token


def trusting():
    """The arguments of an Agent that proves itself to a scheduler, and of one that takes sealed jobs as well."""
    trust = SETTINGS["trust"]
    if trust is None:
        return {}
    from cap import production_replay, production_signing, worker_trust

    server_keys = {trust["server_key_id"]: private_key(trust["server_key"]).public_key()}
    config = worker_trust.WorkerTrustConfig(
        worker_id=SETTINGS["id"], expected_agent_id=trust["agent"], tenant_id=trust["tenant"],
        audience=worker_trust.WORKER_HANDSHAKE_AUDIENCE, proof_key_id=trust["proof_key_id"], proof_private_key=KEY,
        expected_scheduler_id=trust["scheduler"], scheduler_public_keys=server_keys, sdk_version="cap-python/v2",
    )
    arguments = {
        "worker_trust": config, "worker_trust_mode": trust["mode"], "worker_trust_timeout": trust["timeout"],
        "worker_trust_retries": trust["retries"], "worker_trust_renew_min_interval": trust["renew"],
    }
    if SETTINGS["production"]:
        # The audience of a packet is the subject that it comes on; this one only has to be there.
        arguments["production_trust"] = production_signing.ProductionTrust(
            audience="job.echo", public_keys=server_keys, tenant=trust["tenant"], sender=trust["scheduler"],
            clock_skew=timedelta(seconds=1),
        )
        arguments["replay_store"] = production_replay.InMemoryReplayStore()
    return arguments


async def run_agent():
    global agent
    agent = runtime.Agent(
        nats_url=SETTINGS["nats"], redis_url=SETTINGS["redis"], sender_id=SETTINGS["id"], pool=SETTINGS["pool"],
        max_parallel=SETTINGS["parallel"], heartbeat_interval=SETTINGS["heartbeat"], retries=SETTINGS["retries"],
        private_key=KEY, public_keys=public_keys(SETTINGS["public_keys"]), connect_fn=connect, **trusting(),
    )
    for topic in SETTINGS["topics"]:
        models = {"input_model": Sum, "output_model": Sum} if topic == "job.add" else {}
        agent.job(topic, **models)(HANDLERS[topic])
    try:
        await agent.start()
    except RuntimeError as error:
        say(event="rejected", error=str(error), cause=f"{type(error.__cause__).__name__}: {error.__cause__}")
        return
    await agent._nc.flush()
    say(event="ready")
    await serve({"release": release, "close": agent.close, "token": token})


async def run_helper():
    """run_worker with a handler that answers with a pointer that it makes itself, as in the guide."""
    subscribed = asyncio.Event()

    async def connect_and_note(**options):
        connection = await connect(**options)
        subscribe = connection.subscribe

        async def subscribe_and_note(*arguments, **options):
            subscription = await subscribe(*arguments, **options)
            await connection.flush()
            subscribed.set()
            return subscription

        connection.subscribe = subscribe_and_note
        return connection

    async def handle(request):
        note(request.job_id, request.topic)
        return job_pb2.JobResult(
            job_id=request.job_id, status=job_pb2.JOB_STATUS_SUCCEEDED, result_ptr=f"redis://res/{request.job_id}",
            worker_id=SETTINGS["id"],
        )

    running = asyncio.create_task(worker.run_worker(
        SETTINGS["nats"], SETTINGS["topics"][0], handle, public_keys=public_keys(SETTINGS["public_keys"]),
        private_key=KEY, sender_id=SETTINGS["id"], connect_fn=connect_and_note,
    ))
    await subscribed.wait()
    say(event="ready")
    await serve({})
    running.cancel()


asyncio.run(run_helper() if SETTINGS["helper"] else run_agent())
