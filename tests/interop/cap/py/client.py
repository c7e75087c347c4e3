"""A client made with the unmodified package, for the versions 2.10.0 and 2.17.0: it submits, and watches the whole bus.

The settings are the first argument, as JSON. Every packet on a subject of the system is an event: its kind, what it says,
and whether it verifies and breaks no rule of the package.
"""

import asyncio
import json
import sys

from cap import client, progress, runtime, validate
from cap.pb.cordum.agent.v1 import buspacket_pb2, job_pb2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import json_format

from lines import say
from support import connect, private_key, public_keys, serve

SETTINGS = {"id": "python-client", "key": None, "public_keys": None, "watch": ["result"]} | json.loads(sys.argv[1])
KEY = private_key(SETTINGS["key"])
KEYS = public_keys(SETTINGS["public_keys"])
SUBJECTS = {
    "result": "sys.job.result", "progress": "sys.job.progress", "cancel": "sys.job.cancel", "submit": "sys.job.submit",
    "heartbeat": "sys.heartbeat", "handshake": "sys.handshake", "alert": "sys.alert", "dlq": "sys.job.dlq",
}
nc = store = None


def verifies(packet):
    """Whether the packet verifies with the key of its sender, as the package finds it out."""
    if KEYS is None:
        return None
    bare = buspacket_pb2.BusPacket()
    bare.CopyFrom(packet)
    bare.ClearField("signature")
    try:
        KEYS[packet.sender_id].verify(
            packet.signature, bare.SerializeToString(deterministic=True), ec.ECDSA(hashes.SHA256())
        )
    except Exception:
        return False
    return True


def note(kind):
    async def callback(message):
        packet = buspacket_pb2.BusPacket.FromString(message.data)
        payload = getattr(packet, packet.WhichOneof("payload"))
        say(
            event=kind, sender=packet.sender_id, trace=packet.trace_id, payload=packet.WhichOneof("payload"),
            verifies=verifies(packet), faults=[str(fault) for fault in validate.validate_bus_packet(packet)],
            said=json_format.MessageToDict(payload, preserving_proto_field_name=True), packet=message.data.hex(),
        )

    return callback


def request(job, topic, pointer, **more):
    made = job_pb2.JobRequest(job_id=job, topic=topic, context_ptr=pointer)
    json_format.ParseDict(more, made)
    return made


async def submit(job, topic, input=None, trace="trace-1", **more):
    """Stores the input and submits a job with the functions of the package."""
    key = f"ctx:{job}"
    await store.set(key, json.dumps(input).encode())
    await client.submit_job(
        nc, request(job, topic, runtime.pointer_for_key(key), **more), trace, SETTINGS["id"], private_key=KEY
    )
    await nc.flush()


async def send(subject, job, topic, times=1, version=1, key=None, sender=None, pointer=None, **more):
    """Publishes a request on any subject, also a wrong one, as often as one likes."""
    packet = buspacket_pb2.BusPacket(trace_id="trace-1", sender_id=sender or SETTINGS["id"], protocol_version=version)
    packet.created_at.GetCurrentTime()
    packet.job_request.CopyFrom(request(job, topic, pointer or f"redis://ctx:{job}", **more))
    # The number 0 stands for no key at all.
    signer = KEY if key is None else private_key(key or None)
    if signer is not None:
        unsigned = packet.SerializeToString(deterministic=True)
        packet.signature = signer.sign(unsigned, ec.ECDSA(hashes.SHA256()))
    for _ in range(times):
        await nc.publish(subject, packet.SerializeToString(deterministic=True))
    await nc.flush()


async def publish(subject, packet):
    await nc.publish(subject, bytes.fromhex(packet))
    await nc.flush()


async def cancel(job, reason="because"):
    payload = progress.cancel_payload(SETTINGS["id"], job, reason, SETTINGS["id"])
    await progress.emit_cancel(nc, payload, private_key=KEY)
    await nc.flush()


async def put(key, value):
    await store.set(key, json.dumps(value).encode())


async def get(pointer):
    found = await store.get(runtime.key_from_pointer(pointer))
    return None if found is None else json.loads(found)


async def main():
    global nc, store
    nc = await connect(SETTINGS["nats"], SETTINGS["id"])
    store = runtime.RedisBlobStore(SETTINGS["redis"])
    for kind in SETTINGS["watch"]:
        await nc.subscribe(SUBJECTS[kind], cb=note(kind))
    await nc.flush()
    say(event="ready")
    await serve({
        "submit": submit, "send": send, "publish": publish, "cancel": cancel, "put": put, "get": get,
    })


asyncio.run(main())
