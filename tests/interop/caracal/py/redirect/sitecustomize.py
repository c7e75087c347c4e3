"""Lets a program that names the hosts of the guide reach the services of the test, without a change to the program.

Python imports this module first if its folder is in PYTHONPATH. `anyio` is what `httpx` connects with.
"""

import os

import anyio

HOSTS = dict(pair.split("=") for pair in os.environ.get("NUNCIO_TEST_HOSTS", "").split(",") if pair)
connect_tcp = anyio.connect_tcp


async def redirected(remote_host, remote_port, **options):
    if remote_host in HOSTS:
        remote_host, remote_port = "127.0.0.1", int(HOSTS[remote_host])
    return await connect_tcp(remote_host, remote_port, **options)


anyio.connect_tcp = redirected
