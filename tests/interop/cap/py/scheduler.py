"""A scheduler made of the functions of the unmodified package 2.17.0, which has none of its own: it gives one worker a trust
session, sends it jobs, in the generic form or sealed, and looks at everything that it publishes.

The settings are the first argument, as JSON. The package has what such a scheduler needs: the messages, the codec with its
rules, and signer and verifier of all four phases. Challenge and result are composed here.
"""

import asyncio
import json
import logging
import secrets
import sys
from datetime import timedelta

from cap import packet_boundary, production_events, production_signing, runtime, trust_signing, worker_trust_codec
from cap.pb.cordum.agent.v1 import buspacket_pb2, handshake_pb2, job_pb2
from google.protobuf import json_format

from lines import say
from support import connect, private_key, serve

SETTINGS = {"id": "python-scheduler", "key": 1, "key_id": "server-1", "lifetime": 60} | json.loads(sys.argv[1])
KEY = private_key(SETTINGS["key"])
WORKER = SETTINGS["worker"]
WORKER_KEY = private_key(WORKER["key"]).public_key()
pending, tokens, rejections = {}, [], []
nc = store = None


def packet(**payload):
    made = buspacket_pb2.BusPacket(trace_id="trace-1", sender_id=SETTINGS["id"], protocol_version=1, **payload)
    made.created_at.GetCurrentTime()
    return made


async def answer(message, reply, trace):
    reply.trace_id = trace
    trust_signing.sign_trust_packet(reply, KEY)
    await message.respond(worker_trust_codec.marshal_worker_trust_packet(reply))


def read(message):
    """Reads a packet of the worker, which has to verify and to break no rule of the package."""
    asked = worker_trust_codec.unmarshal_worker_trust_packet(message.data)
    trust_signing.verify_trust_packet(asked, {WORKER["key_id"]: WORKER_KEY})
    return asked


async def challenge(message):
    request = read(message).worker_handshake_challenge_request
    made = handshake_pb2.WorkerHandshakeChallenge(
        request_id=request.request_id, challenge_id=secrets.token_hex(16), trace_id=request.trace_id,
        worker_id=request.worker_id, agent_id=WORKER["agent"], tenant_id=WORKER["tenant"],
        proof_key_id=request.proof_key_id, proof_algorithm=request.proof_algorithm, server_key_id=SETTINGS["key_id"],
        audience=request.audience, purpose=request.purpose, client_nonce=request.client_nonce,
        server_nonce=secrets.token_bytes(32), protocol_version=1, sdk_version=request.sdk_version,
    )
    made.issued_at.GetCurrentTime()
    made.expires_at.FromDatetime(made.issued_at.ToDatetime() + timedelta(seconds=30))
    pending[made.challenge_id] = made
    await answer(message, packet(worker_handshake_challenge=made), request.trace_id)


async def authenticate(message):
    asked = read(message)
    proof = asked.worker_handshake_authenticate
    made = pending.pop(proof.challenge.challenge_id)
    assert made == proof.challenge, "the challenge comes back unchanged"
    is_renewal = made.purpose == handshake_pb2.WORKER_HANDSHAKE_PURPOSE_RENEW
    assert asked.auth_token == (tokens[-1] if is_renewal else ""), "a renewal names the present token"
    result = handshake_pb2.WorkerHandshakeResult(challenge=made, accepted=not rejections)
    result.issued_at.GetCurrentTime()
    reply = packet()
    if rejections:
        result.rejection_reason = rejections.pop()
    else:
        tokens.append(secrets.token_hex(16))
        reply.auth_token = tokens[-1]
        result.token_expires_at.FromDatetime(
            result.issued_at.ToDatetime() + timedelta(seconds=SETTINGS["lifetime"])
        )
    reply.worker_handshake_result.CopyFrom(result)
    await answer(message, reply, made.trace_id)
    say(
        event="trusted" if result.accepted else "rejected", renewal=is_renewal,
        capabilities=dict(proof.capability_handshake.capabilities), topics=list(proof.capability_handshake.ready_topics),
    )


def note(kind):
    """What the worker publishes has to verify with its key, and to have the present token or the one before."""

    async def callback(message):
        if SETTINGS.get("production") and kind in ("result", "progress"):
            trust = production_signing.ProductionTrust(
                audience=message.subject, public_keys={WORKER["key_id"]: WORKER_KEY}, tenant=WORKER["tenant"],
                sender=WORKER["id"], clock_skew=timedelta(seconds=1),
            )
            made = production_signing.verify_production_packet(message.data, trust)
        else:
            made = packet_boundary.decode_packet(message.data, {WORKER["id"]: WORKER_KEY}, logging.getLogger("worker"))
            assert made is not None, f"a {kind} of the worker is refused"
        payload = getattr(made, made.WhichOneof("payload"))
        said = json_format.MessageToDict(payload, preserving_proto_field_name=True)
        say(event=kind, said=said, has_token=made.auth_token in tokens[-2:])

    return callback


def job_request(job, topic):
    return job_pb2.JobRequest(job_id=job, topic=topic, context_ptr=runtime.pointer_for_key(f"ctx:{job}"))


async def dispatch(job, topic, input=None, key=None):
    """Sends a job to the worker, signed in the generic form, with a wrong key if there is one."""
    await store.set(f"ctx:{job}", json.dumps(input).encode())
    signer = KEY if key is None else private_key(key)
    made = packet_boundary.finalize_packet(packet(job_request=job_request(job, topic)), signer)
    await nc.publish(f"worker.{WORKER['id']}.jobs", made.SerializeToString(deterministic=True))
    await nc.flush()


async def dispatch_sealed(job, topic, input=None, tenant=None, times=1):
    """Sends a job to the worker, sealed for its direct subject."""
    await store.set(f"ctx:{job}", json.dumps(input).encode())
    subject = f"worker.{WORKER['id']}.jobs"
    identity = buspacket_pb2.BusPacket().identity.__class__(tenant_id=tenant or WORKER["tenant"], principal_id="me")
    request = job_request(job, topic)
    request.identity.CopyFrom(identity)
    request.dispatch.CopyFrom(
        job_pb2.DispatchIdentity(dispatch_id=f"dispatch-{job}", attempt=1, assigned_worker_id=WORKER["id"])
    )
    made = packet(job_request=request)
    made.identity.CopyFrom(identity)
    raw = production_events.seal_production_event(made, key=KEY, key_id=SETTINGS["key_id"], audience=subject)
    for _ in range(times):
        await nc.publish(subject, raw)
    await nc.flush()


def reject(reason):
    """Rejects the next proof."""
    rejections.append(reason)


async def get(pointer):
    return json.loads(await store.get(runtime.key_from_pointer(pointer)))


async def main():
    global nc, store
    nc = await connect(SETTINGS["nats"], SETTINGS["id"])
    store = runtime.RedisBlobStore(SETTINGS["redis"])
    await nc.subscribe("sys.worker.handshake.challenge", cb=challenge)
    await nc.subscribe("sys.worker.handshake.authenticate", cb=authenticate)
    for kind in ("result", "progress"):
        await nc.subscribe(f"sys.job.{kind}", cb=note(kind))
    for kind in ("heartbeat", "handshake"):
        await nc.subscribe(f"sys.{kind}", cb=note(kind))
    await nc.flush()
    say(event="ready")
    await serve({"dispatch": dispatch, "dispatch_sealed": dispatch_sealed, "reject": reject, "get": get})


asyncio.run(main())
