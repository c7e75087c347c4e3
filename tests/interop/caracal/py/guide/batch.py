import asyncio
from caracalai_sdk import Caracal
from caracalai_sdk.advanced import AgentKind

caracal = Caracal.from_env()

async def run_batch(invoice_ids: list[str]):
    async with caracal.spawn(kind=AgentKind.EPHEMERAL, ttl_seconds=120) as ctx:
        print(f'processing {len(invoice_ids)} invoices in session {ctx.agent_session_id}')

        async with caracal.transport() as client:
            for invoice_id in invoice_ids:
                response = await client.get(f'http://invoices:8080/invoices/{invoice_id}')
                response.raise_for_status()
                print(response.json())

asyncio.run(run_batch(['inv-001', 'inv-002', 'inv-003']))
