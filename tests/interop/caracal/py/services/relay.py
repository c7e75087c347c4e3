"""A service with the SDK's middleware that calls the next service in the context of its caller."""

import asyncio
import socket

import uvicorn
from caracalai_sdk import Caracal
from fastapi import FastAPI

caracal = Caracal.from_env()

app = FastAPI()
app.add_middleware(caracal.middleware())


@app.get('/relay')
async def relay():
    ctx = caracal.current()
    async with caracal.transport() as client:
        response = await client.get('http://inventory:8080/seen')
    return {'here': ctx.agent_session_id, 'next': response.json()}


async def main():
    listener = socket.create_server(('127.0.0.1', 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level='error'))
    print(f'READY http://127.0.0.1:{listener.getsockname()[1]}', flush=True)
    await server.serve([listener])


asyncio.run(main())
