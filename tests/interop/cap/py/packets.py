"""Packets of the unmodified package: reads ours, and makes and signs its own. For the versions 2.10.0 and 2.17.0.

The package verifies and signs wherever it has a function for that. Where 2.10.0 has none (it verifies within its workers,
which take job requests alone), the same three calls of protobuf and cryptography are made here.
"""

import asyncio
import importlib
import logging
import random
import struct

from cap import handshake, heartbeat, progress, worker
from cap.pb.cordum.agent.v1 import alert_pb2, buspacket_pb2, job_pb2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.descriptor import FieldDescriptor as Field

from lines import serve

try:
    from cap import packet_boundary
except ImportError:  # 2.10.0
    packet_boundary = None

KEY = ec.generate_private_key(ec.SECP256R1())
SENDER = "python-1"
SILENT = logging.getLogger("silent")
SILENT.disabled = True


def public_key():
    point = KEY.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return {"sender": SENDER, "sec1": point.hex()}


def keys(private, public):
    """Reads our keys in PEM form, and returns its own in that form and those on another curve."""
    read = serialization.load_pem_private_key(private.encode(), None)
    assert read.public_key() == serialization.load_pem_public_key(public.encode())
    written = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other = ec.generate_private_key(ec.SECP384R1())
    other_shown = other.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other_written = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "private": written.decode(), "public": shown.decode(), "other_private": other_written.decode(),
        "other_public": other_shown.decode(),
    }


class Connection:
    """A connection that keeps what is published."""

    def __init__(self):
        self.published = []
        self.callback = None

    async def publish(self, subject, data):
        self.published.append(data)

    async def subscribe(self, subject, queue="", cb=None):
        self.callback = cb

    async def drain(self):
        pass


class Message:
    def __init__(self, data):
        self.data = data


# ---- Reading


def unsigned(packet):
    """The packet without its signature, as the package encodes it again."""
    bare = type(packet)()
    bare.CopyFrom(packet)
    bare.ClearField("signature")
    return bare.SerializeToString(deterministic=True)


def is_verified(data, keys, sender):
    if packet_boundary is not None:
        return packet_boundary.decode_packet(data, keys, SILENT) is not None
    packet = buspacket_pb2.BusPacket.FromString(data)
    try:
        keys[packet.sender_id].verify(packet.signature, unsigned(packet), ec.ECDSA(hashes.SHA256()))
    except Exception:
        return False
    return True


async def reaches_handler(data, keys):
    """Whether run_worker hands the request of a packet to its handler, as it was sent."""
    connection, seen = Connection(), []

    async def connect(**_):
        return connection

    async def handler(request):
        seen.append(request.SerializeToString(deterministic=True))
        return job_pb2.JobResult(status=job_pb2.JOB_STATUS_SUCCEEDED)

    task = asyncio.create_task(
        worker.run_worker("", "job.echo", handler, public_keys=keys, connect_fn=connect, logger=SILENT)
    )
    while connection.callback is None:
        await asyncio.sleep(0)
    await connection.callback(Message(data))
    task.cancel()
    sent = buspacket_pb2.BusPacket.FromString(data).job_request.SerializeToString(deterministic=True)
    return seen == [sent] and len(connection.published) == 1


def read(packet, sender, sec1):
    data = bytes.fromhex(packet)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(sec1))
    keys = {sender: key}
    packet = buspacket_pb2.BusPacket.FromString(data)
    bare = unsigned(packet)
    verified = is_verified(data, keys, sender)
    if packet.WhichOneof("payload") == "job_request":
        assert asyncio.run(reaches_handler(data, keys)) == verified, "run_worker decides otherwise"
    packet.DiscardUnknownFields()
    return {"verified": verified, "unsigned": bare.hex(), "knows_all": unsigned(packet) == bare}


# ---- Making

TEXTS = ["", "a", "job-1", "tenant", "\0", "é", "𝄞", "\ufeff\u2028\r\n", "x" * 300, "redis://ctx:1", "ß" * 70]
PREFIXES = ["", "a", "ab", "abc", "job.echo", "job.echo.fail", "tenant", "tenant_id", "é", "éa", "\0", "\0\0", "~"]
DISTINCT = ["1a", "b\0", "job.echo", "tenant", "é", "𝄞", "~", "\x7f", "ß", "Z"]
EDGES = {
    Field.TYPE_INT32: [0, 1, -1, 127, 128, 2**31 - 1, -(2**31)],
    Field.TYPE_INT64: [0, 1, -1, 128, 2**53 + 1, 2**63 - 1, -(2**63)],
    Field.TYPE_UINT64: [0, 1, 2**32, 2**64 - 1],
    Field.TYPE_BOOL: [False, True],
    Field.TYPE_ENUM: [0, 1, 2, 3, 77, -1, 2**31 - 1, -(2**31)],
    Field.TYPE_FLOAT: [0.0, -0.0, 1.5, struct.unpack("<f", b"\xff\xff\x7f\x7f")[0], float("inf"), float("nan")],
    Field.TYPE_DOUBLE: [0.0, -0.0, 0.1, 1.7976931348623157e308, 5e-324, float("-inf"), float("nan")],
    Field.TYPE_STRING: TEXTS,
    Field.TYPE_BYTES: [b"", b"\0", bytes(range(256)), b"\xff" * 16],
}


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def fill(message, draw, prefixes):
    """Sets fields of a message at random; of a oneof, only that of a JSON-like value."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Value":
        # The last two contain values again.
        kinds = [field for field in message.DESCRIPTOR.fields if draw.random() < 0.5 or field.number < 5]
        chosen = draw.choice(kinds)
        if chosen.message_type is None:
            setattr(message, chosen.name, 0 if chosen.enum_type else draw.choice(EDGES[chosen.type]))
        else:
            getattr(message, chosen.name).SetInParent()
            fill(getattr(message, chosen.name), draw, prefixes)
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None or draw.random() < 0.3:
            continue
        if is_map(field):
            entries, value = getattr(message, field.name), field.message_type.fields_by_name["value"]
            for key in draw.sample(PREFIXES if prefixes else DISTINCT, draw.randrange(7)):
                if value.message_type is not None:
                    fill(entries[key], draw, prefixes)
                else:
                    entries[key] = draw.choice(EDGES[value.type])
        elif field.message_type is not None and field.is_repeated:
            for _ in range(draw.randrange(3)):
                fill(getattr(message, field.name).add(), draw, prefixes)
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            if draw.random() < 0.7:
                fill(getattr(message, field.name), draw, prefixes)
        elif field.is_repeated:
            getattr(message, field.name).extend(draw.choices(EDGES[field.type], k=draw.randrange(4)))
        else:
            setattr(message, field.name, draw.choice(EDGES[field.type]))


def amend(packet, draw):
    """Makes a packet satisfy the rules of 2.17.0, which 2.10.0 does not enforce."""
    packet.sender_id, packet.protocol_version = SENDER, 1
    packet.trace_id = packet.trace_id or "trace"
    packet.created_at.SetInParent()
    message = getattr(packet, packet.WhichOneof("payload"))
    for name in ("job_id", "topic", "requested_by", "message"):
        if name in message.DESCRIPTOR.fields_by_name and message.DESCRIPTOR.name != "JobProgress":
            setattr(message, name, getattr(message, name) or "given")
    for name in ("worker_id", "component_id"):
        if name in message.DESCRIPTOR.fields_by_name:
            setattr(message, name, SENDER)
    if isinstance(message, job_pb2.JobRequest):
        message.priority = draw.randrange(4)
        message.step_index = max(0, message.step_index)
        if message.HasField("budget"):
            for field in message.budget.DESCRIPTOR.fields:
                setattr(message.budget, field.name, draw.choice([0, 1, 10_000_000_000]))
    elif isinstance(message, job_pb2.JobResult):
        message.status = message.status or 5
        message.execution_ms = max(0, message.execution_ms)
    elif isinstance(message, job_pb2.JobProgress):
        message.job_id = message.job_id or "given"
        message.percent = draw.choice([0, 1, 100])
        message.status = draw.randrange(12)
    elif isinstance(message, alert_pb2.SystemAlert):
        message.severity, message.error_code_enum = draw.choice([1, 4]), draw.choice([100, 402])
        message.source_component = SENDER


def make(seed, kind, prefixes):
    draw = random.Random(seed)
    packet = buspacket_pb2.BusPacket()
    fill(packet, draw, prefixes)
    payload = getattr(packet, kind)
    payload.SetInParent()
    fill(payload, draw, prefixes)
    amend(packet, draw)
    # This function signs any packet; every other one that signs is for one kind.
    connection = Connection()
    asyncio.run(progress.emit_progress(connection, packet.SerializeToString(), private_key=KEY))
    [signed] = connection.published
    return {"packet": signed.hex(), "unsigned": unsigned(buspacket_pb2.BusPacket.FromString(signed)).hex()}


def message(module, name, seed):
    """Encodes a random message that travels outside packets."""
    made = getattr(importlib.import_module(f"cap.pb.cordum.agent.v1.{module}_pb2"), name)()
    fill(made, random.Random(seed), True)
    return made.SerializeToString(deterministic=True).hex()


def helpers():
    """What the package's helpers make: heartbeats, handshake, progress, cancellation."""
    connection = Connection()

    async def emit():
        beats = [
            heartbeat.heartbeat_payload(SENDER, "pool", 1, 2, 12.5),
            heartbeat.heartbeat_payload_with_memory(SENDER, "pool", 1, 2, 12.5, 50.0),
            heartbeat.heartbeat_payload_with_progress(
                SENDER, "pool", 1, 2, 12.5, memory_load=50.0, progress_pct=7, last_memo="step", auth_token="token"
            ),
        ]
        for beat in beats:
            await heartbeat.emit_heartbeat(connection, beat, private_key=KEY)
        await handshake.publish_handshake(
            connection, SENDER, {"job.echo": True, "job.echo.fail": True, "off": False}, private_key=KEY,
            ready_topics=["job.echo", "job.echo.fail"],
        )
        for percent in (0, 100):
            made = progress.progress_payload(SENDER, "job-1", "step", percent, "ünïcode")
            await progress.emit_progress(connection, made, private_key=KEY)
        made = progress.cancel_payload(SENDER, "job-1", "because", SENDER)
        await progress.emit_cancel(connection, made, private_key=KEY)

    asyncio.run(emit())
    return [data.hex() for data in connection.published]


if __name__ == "__main__":
    serve({
        "public_key": public_key, "keys": keys, "read": read, "make": make, "message": message, "helpers": helpers,
    })
