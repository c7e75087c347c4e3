"""Spawn an agent session, with its options, and access the ambient context: the programs of the guide."""

import asyncio

from caracalai_sdk import Caracal
from caracalai_sdk.advanced import AgentKind

# Reads all CARACAL_* env vars
caracal = Caracal.from_env()


async def process_invoice(invoice_id: str):
    ctx = caracal.current()
    # ctx.agent_session_id, ctx.zone_id, ctx.delegation_edge_id, ctx.hop
    print('processing', invoice_id, ctx.agent_session_id, ctx.zone_id, ctx.delegation_edge_id, ctx.hop)


async def main():
    async with caracal.spawn() as ctx:
        print('agent session:', ctx.agent_session_id)
        # All awaits inside this block share the agent session.
        await process_invoice('inv-001')

    async with caracal.spawn(
        kind=AgentKind.EPHEMERAL,
        ttl_seconds=600,
        metadata={'purpose': 'invoice-batch'},
    ) as ctx:
        print('with options:', ctx.agent_session_id)

    async with caracal.spawn() as outer:
        async with caracal.spawn() as inner:
            print('nested:', outer.agent_session_id, inner.agent_session_id)


asyncio.run(main())
