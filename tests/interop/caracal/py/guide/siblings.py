"""Two children of one session at the same time."""

import asyncio

from caracalai_sdk import Caracal

caracal = Caracal.from_env()


async def child(both):
    async with caracal.spawn() as ctx:
        await both.wait()
        return ctx.agent_session_id


async def main():
    async with caracal.spawn():
        print('siblings:', *await asyncio.gather(*[child(both) for both in [asyncio.Barrier(3)] for _ in range(3)]))


asyncio.run(main())
