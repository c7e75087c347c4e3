"""A worker and a client that use cap-sdk-python 2.10.0: `worker|client NATS REDIS [KEYS]`; unsigned without KEYS."""

import asyncio
import json
import pathlib
import statistics
import sys
import time
import uuid

import nats
import redis.asyncio
from cap import client
from cap.pb.cordum.agent.v1 import buspacket_pb2, job_pb2
from cap.runtime import Agent
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROLE, NATS, REDIS, *KEYS = sys.argv[1:]
INPUT = {"prompt": "Summarise the minutes of the meeting in one sentence."}


def private_key():
    if not KEYS:
        return None
    return serialization.load_pem_private_key((pathlib.Path(KEYS[0]) / f"{ROLE}.pem").read_bytes(), None)


def public_keys():
    if not KEYS:
        return None
    names = ["client", "router", "worker"]
    read = lambda name: (pathlib.Path(KEYS[0]) / f"{name}.pub").read_bytes()
    return {name: serialization.load_pem_public_key(read(name)) for name in names}


async def work():
    agent = Agent(
        nats_url=NATS, redis_url=REDIS, sender_id="worker", max_parallel=64,
        private_key=private_key(), public_keys=public_keys(),
    )

    @agent.job("job.echo")
    async def echo(ctx, data):
        return data

    await agent.start()
    await agent._nc.flush()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def submit():
    bus, store, key, keys = await nats.connect(NATS), redis.asyncio.from_url(REDIS), private_key(), public_keys()
    awaited = {}

    async def on_result(message):
        packet = buspacket_pb2.BusPacket()
        packet.ParseFromString(message.data)
        if keys is not None:
            signature = packet.signature
            packet.ClearField("signature")
            signed = packet.SerializeToString(deterministic=True)
            keys[packet.sender_id].verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        if (result := awaited.pop(packet.job_result.job_id, None)) is not None:
            result.set_result(packet.job_result)

    await bus.subscribe("sys.job.result", cb=on_result)
    await bus.flush()

    async def job():
        job_id = uuid.uuid4().hex
        awaited[job_id] = result = asyncio.get_running_loop().create_future()
        await store.set(f"ctx:{job_id}", json.dumps(INPUT), ex=86400)
        request = job_pb2.JobRequest(job_id=job_id, topic="job.echo", context_ptr=f"redis://ctx:{job_id}")
        await client.submit_job(bus, request, uuid.uuid4().hex, "client", key)
        pointer = (await result).result_ptr
        assert json.loads(await store.get(pointer.removeprefix("redis://"))) == INPUT

    async def jobs(left, took):
        for _ in left:
            start = time.perf_counter()
            await job()
            took.append(time.perf_counter() - start)

    async def run(count, in_flight):
        left, took, start = iter(range(count)), [], time.perf_counter()
        await asyncio.gather(*(jobs(left, took) for _ in range(in_flight)))
        return count / (time.perf_counter() - start), statistics.median(took) * 1e6

    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        single, many, in_flight = map(int, line.split())
        rate, p50 = await run(single, 1)
        print((await run(many, in_flight))[0], rate, p50, flush=True)


asyncio.run(work() if ROLE == "worker" else submit())
