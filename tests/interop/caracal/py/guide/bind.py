"""Receive inbound context: the program of the guide, with the headers that another session sends."""

import asyncio

from caracalai_sdk import Caracal

caracal = Caracal.from_env()


async def receive(headers):
    async with caracal.bind_from_headers(headers):
        ctx = caracal.current()
        # ctx is populated from the inbound Authorization and baggage headers
        return ctx.agent_session_id, ctx.hop


async def main():
    async with caracal.spawn() as ctx:
        headers = caracal.headers()
        session = ctx.agent_session_id
    print('bound:', session, *await receive(headers))


asyncio.run(main())
