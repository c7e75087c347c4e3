"""Make outbound calls: the program of the guide."""

import asyncio

from caracalai_sdk import Caracal

caracal = Caracal.from_env()


async def main():
    async with caracal.spawn() as ctx:
        async with caracal.transport() as client:
            response = await client.get('http://inventory:8080/items')
            items = response.json()
            print('items:', ctx.agent_session_id, items['agent'])


asyncio.run(main())
