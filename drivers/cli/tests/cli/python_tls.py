"""One echo by the unchanged Python client over TLS. Arguments: URL TOKEN; SSL_CERT_FILE names the authority."""

import asyncio
import json
import sys

from arcp import ClientInfo, WebSocketTransport
from arcp.client import ARCPClient


async def main():
    url, token = sys.argv[1:]
    client = ARCPClient(client=ClientInfo(name="nuncio-interop", version="1.0"), token=token)
    await client.connect(await WebSocketTransport.connect(url, proxy=None))
    handle = await client.submit(agent="echo", input={"n": 1})
    end = await handle.done
    print(json.dumps(end["result"] if isinstance(end, dict) else end.result))
    await client.close()


asyncio.run(main())
