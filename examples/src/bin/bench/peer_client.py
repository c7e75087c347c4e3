"""Measures what each line of stdin asks for, with the client of the Python SDK 1.1.3."""

import asyncio
import sys
import time

from arcp import ClientInfo, WebSocketTransport
from arcp.client import ARCPClient, AutoAckOptions

IN_FLIGHT = 64


async def echo(client, number):
    handle = await client.submit(agent="echo", input=number)
    assert (await handle.done).result["echoed"] == number


async def events(client, count):
    start = time.perf_counter()
    handle = await client.submit(agent="flood", input=count)
    seen = 0
    async for event in handle.events():
        seen += event["kind"] == "log"
    await handle.done
    assert seen == count
    return [count / (time.perf_counter() - start)]


async def one_by_one(client, count):
    took = []
    for number in range(count):
        start = time.perf_counter()
        await echo(client, number)
        took.append((time.perf_counter() - start) * 1e6)
    took.sort()
    return [took[len(took) * percent // 100] for percent in (50, 99)]


async def in_flight(client, count):
    async def work(numbers):
        for number in numbers:
            await echo(client, number)

    numbers, start = iter(range(count)), time.perf_counter()
    await asyncio.gather(*(work(numbers) for _ in range(IN_FLIGHT)))
    return [count / (time.perf_counter() - start)]


async def main():
    client = ARCPClient(
        client=ClientInfo(name="bench", version="1.0"), token="tok-alice", auto_ack=AutoAckOptions()
    )
    await client.connect(await WebSocketTransport.connect(sys.argv[1], proxy=None))
    print("ready", flush=True)
    measures = {"events": events, "echo": one_by_one, "flight": in_flight}
    while line := await asyncio.to_thread(sys.stdin.readline):
        what, amount = line.split()
        print(*await measures[what](client, int(amount)), flush=True)


asyncio.run(main())
