import asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cap import client
from cap.pb.cordum.agent.v1 import job_pb2
import nats

async def main():
    nc = await nats.connect("nats://127.0.0.1:4222")
    priv = ec.generate_private_key(ec.SECP256R1())
    req = job_pb2.JobRequest(
        job_id="job-echo-1",
        topic="job.echo",
        context_ptr="redis://ctx/job-echo-1",
    )
    await client.submit_job(nc, req, "trace-1", "client-py", priv)
    await nc.drain()

asyncio.run(main())
