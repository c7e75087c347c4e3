"""Construct the client programmatically: the program of the guide."""

import asyncio
import os

from caracalai_sdk import Caracal, CaracalConfig
from caracalai_sdk.advanced import AgentKind, CoordinatorClient, ResourceBinding

caracal = Caracal(
    CaracalConfig(
        coordinator=CoordinatorClient(base_url='http://coordinator:4000'),
        zone_id='my-zone',
        application_id='my-app',
        subject_token=os.environ['CARACAL_SUBJECT_TOKEN'],
        gateway_url='http://gateway:8081',
        resources=[
            ResourceBinding(
                resource_id='resource://inventory',
                upstream_prefix='http://inventory:8080',
            ),
        ],
        default_kind=AgentKind.INSTANCE,
    )
)


async def main():
    async with caracal.spawn() as ctx:
        print('configured:', ctx.agent_session_id)


asyncio.run(main())
