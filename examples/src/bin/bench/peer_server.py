"""Serves the agents that are measured with the Python SDK 1.1.3, until its stdin ends."""

import asyncio
import sys

from arcp import RuntimeInfo, serve_websocket
from arcp.runtime import ARCPRuntime, StaticBearerVerifier

LINE = "a line of a log as agents write them, long enough to be typical of what they have to say"


async def echo(input_value, ctx):
    await ctx.log("info", "echo started")
    return {"echoed": input_value}


async def flood(count, ctx):
    for _ in range(count):
        await ctx.log("debug", LINE)


async def main():
    runtime = ARCPRuntime(
        runtime=RuntimeInfo(name="bench", version="1.1.3"), bearer=StaticBearerVerifier({"tok-alice": "alice"})
    )
    runtime.register_agent("echo", echo)
    runtime.register_agent("flood", flood)
    server = await serve_websocket(runtime.accept, host="127.0.0.1", port=0)
    port = server.sockets[0].getsockname()[1]
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(f"ws://127.0.0.1:{port}/arcp", flush=True)


asyncio.run(main())
