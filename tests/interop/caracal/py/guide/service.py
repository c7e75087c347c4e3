"""ASGI middleware: the program of the guide, and a route for its complete example. Prints where it listens."""

import asyncio
import socket

import uvicorn
from caracalai_sdk import Caracal
from fastapi import FastAPI, Request

caracal = Caracal.from_env()

app = FastAPI()
app.add_middleware(caracal.middleware())


@app.get('/items')
async def list_items():
    ctx = caracal.current()
    return {'agent': ctx.agent_session_id if ctx else None}


@app.get('/invoices/{number}')
async def invoice(number: str, request: Request):
    ctx = caracal.current()
    return {
        'invoice': number,
        'agent': ctx.agent_session_id,
        'edge': ctx.delegation_edge_id,
        'hop': ctx.hop,
        'baggage': request.headers.get('baggage'),
    }


async def main():
    listener = socket.create_server(('127.0.0.1', 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level='error'))
    print(f'READY http://127.0.0.1:{listener.getsockname()[1]}', flush=True)
    await server.serve([listener])


asyncio.run(main())
