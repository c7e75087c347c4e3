"""What the programs of live conversations share: keys, connections, and requests that arrive while other things run."""

import asyncio
import json
import sys
import threading
import traceback

import nats
from cryptography.hazmat.primitives.asymmetric import ec

from lines import say


def private_key(number):
    """The private key whose 32 bytes all have this value, or None: the tests know the keys of both sides."""
    if number is None:
        return None
    return ec.derive_private_key(int.from_bytes(bytes([number]) * 32), ec.SECP256R1())


def public_keys(numbers):
    """Public keys by sender, from the numbers of their private keys."""
    if numbers is None:
        return None
    return {sender: private_key(number).public_key() for sender, number in numbers.items()}


async def connect(servers, name, disconnected_cb=None, reconnected_cb=None):
    """Connects as the package does, but for ever and without long pauses, so that a test does not wait for them."""

    async def disconnected():
        say(event="disconnected")
        if disconnected_cb is not None:
            await disconnected_cb()

    async def reconnected():
        if reconnected_cb is not None:
            await reconnected_cb()
        say(event="reconnected")

    return await nats.connect(
        servers=servers, name=name, reconnect_time_wait=0.02, max_reconnect_attempts=-1,
        disconnected_cb=disconnected, reconnected_cb=reconnected,
    )


async def serve(handle):
    """Answers the requests on stdin, which may be coroutines, until it ends."""
    loop, requests = asyncio.get_running_loop(), asyncio.Queue()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(requests.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(requests.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (request := await requests.get()) is not None:
        try:
            result = handle[request.pop("do")](**request)
            say(answer=await result if asyncio.iscoroutine(result) else result)
        except Exception as error:  # whatever it is, the test has to hear of it
            traceback.print_exc()
            say(error=f"{type(error).__name__}: {error}")
