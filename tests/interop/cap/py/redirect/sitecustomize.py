"""Lets a program that names the default port of NATS reach the server of the test, without a change to the program.

Python imports this module first if its folder is in PYTHONPATH.
"""

import asyncio
import os

connect = asyncio.BaseEventLoop.create_connection


async def create_connection(self, protocol, host=None, port=None, **options):
    if port == 4222:
        port = int(os.environ["NUNCIO_TEST_NATS_PORT"])
    return await connect(self, protocol, host, port, **options)


asyncio.BaseEventLoop.create_connection = create_connection
