"""Measures what each line of stdin asks for, with caracalai-sdk 0.1.1."""

import asyncio
import sys
import time

from caracalai_sdk import Caracal

BATCH = 256


async def rate(seconds, batch):
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        await batch()
        count += BATCH
    return count / (time.perf_counter() - start)


async def headers(caracal, seconds):
    async def make():
        for _ in range(BATCH):
            caracal.headers()

    async def read():
        for _ in range(BATCH):
            async with caracal.bind_from_headers(sent):
                caracal.current()

    async with caracal.spawn():
        async with caracal.delegate_to_spawn(scopes=["read"], delegation_ttl_seconds=600):
            sent = caracal.headers()
            return await rate(seconds, make), await rate(seconds, read)


async def sessions(caracal, count, at_a_time):
    async def work(left):
        for _ in left:
            async with caracal.spawn():
                pass

    left, start = iter(range(count)), time.perf_counter()
    await asyncio.gather(*(work(left) for _ in range(at_a_time)))
    return count / (time.perf_counter() - start)


async def main():
    caracal = Caracal.from_env()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        millis, many, at_a_time, single = map(int, line.split())
        made, read = await headers(caracal, millis / 1000)
        print(made, read, await sessions(caracal, many, at_a_time), await sessions(caracal, single, 1), flush=True)


asyncio.run(main())
