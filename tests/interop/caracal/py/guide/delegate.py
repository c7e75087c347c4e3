"""Delegate authority: the program of the guide."""

import asyncio
import os

from caracalai_sdk import Caracal, DelegationConstraints

caracal = Caracal.from_env()
target_agent_session_id = os.environ['TARGET_AGENT_SESSION_ID']


async def main():
    async with caracal.spawn() as source:
        async with caracal.delegate(
            to=target_agent_session_id,
            to_application_id='payments-service',
            scopes=['payment:submit', 'payment:read'],
            constraints=DelegationConstraints(resources=['resource://payments'], max_depth=2),
            ttl_seconds=300,
        ) as delegated:
            print('delegation edge:', delegated.delegation_edge_id)
            # Outbound calls carry this edge in W3C Baggage
            async with caracal.transport() as client:
                response = await client.get('http://invoices:8080/invoices/inv-001')
                seen = response.json()
                print('seen:', source.agent_session_id, seen['agent'], seen['edge'], seen['hop'])


asyncio.run(main())
