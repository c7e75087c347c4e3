"""The worker trust handshake and the production profile of the unmodified package 2.17.0: builders, signers, verifiers."""

from datetime import datetime, timedelta, timezone

from cap import production_signing, production_validation, trust_signing, worker_trust, worker_trust_codec
from cap.pb.cordum.agent.v1 import buspacket_pb2, handshake_pb2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lines import serve

KEY = ec.generate_private_key(ec.SECP256R1())


def public_key():
    point = KEY.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return point.hex()


def key(sec1):
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(sec1))


def at(micros):
    return datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=micros)


# ---- Packets of the handshake, one by one


def verify(packet, key_id, sec1):
    packet = worker_trust_codec.unmarshal_worker_trust_packet(bytes.fromhex(packet))
    trust_signing.verify_trust_packet(packet, {key_id: key(sec1)})
    packet.ClearField("signature")
    return packet.SerializeToString(deterministic=True).hex()


def sign(packet):
    packet = buspacket_pb2.BusPacket.FromString(bytes.fromhex(packet))
    trust_signing.sign_trust_packet(packet, KEY)
    return worker_trust_codec.marshal_worker_trust_packet(packet).hex()


# ---- A whole handshake, of which this is the worker

state = {}


def begin(scheduler, purpose, now):
    state["config"] = worker_trust.WorkerTrustConfig(
        worker_id="worker-1", expected_agent_id="agent-1", tenant_id="tenant-1",
        audience=worker_trust.WORKER_HANDSHAKE_AUDIENCE, proof_key_id="worker-key", proof_private_key=KEY,
        expected_scheduler_id="scheduler-1", scheduler_public_keys={"scheduler-key": key(scheduler)},
        sdk_version="cap-python/v2",
    )
    state["request"] = worker_trust.build_challenge_request(
        state["config"],
        worker_trust.WorkerHandshakeRequestOptions("request-1", "trace-1", purpose, bytes(range(32)), at(now)),
    )
    return worker_trust_codec.marshal_worker_trust_packet(state["request"]).hex()


def challenge(packet, token, now):
    packet = worker_trust_codec.unmarshal_worker_trust_packet(bytes.fromhex(packet))
    state["verified"] = worker_trust.verify_challenge(state["config"], state["request"], packet, at(now))
    capability = handshake_pb2.Handshake(
        component_id="worker-1", role=handshake_pb2.COMPONENT_ROLE_WORKER, supported_versions=[1],
        capabilities={"job.echo": True, "job.echo.fail": True}, sdk_version="cap-python/v2",
        ready_topics=["job.echo", "job.echo.fail"],
    )
    state["authenticate"] = worker_trust.build_authenticate(
        state["config"], state["verified"], capability, token, at(now)
    )
    return worker_trust_codec.marshal_worker_trust_packet(state["authenticate"]).hex()


def result(packet, now):
    packet = worker_trust_codec.unmarshal_worker_trust_packet(bytes.fromhex(packet))
    session = worker_trust.verify_result(
        state["config"], state["verified"], state["authenticate"], packet, at(now)
    )
    return {"token": session.token, "expires": round((session.expires_at - at(0)).total_seconds())}


# ---- The production profile


def verify_production(packet, audience, tenant, sender, key_id, sec1, now):
    trust = production_signing.ProductionTrust(
        audience=audience, public_keys={key_id: key(sec1)}, tenant=tenant, sender=sender, now=lambda: at(now)
    )
    packet = production_signing.verify_production_packet(bytes.fromhex(packet), trust)
    if packet.WhichOneof("payload") == "job_request":
        production_validation.validate_identity_binding(packet.job_request, packet.identity)
    packet.ClearField("signature")
    return packet.SerializeToString(deterministic=True).hex()


def sign_production(packet):
    return production_signing.sign_production_packet(
        buspacket_pb2.BusPacket.FromString(bytes.fromhex(packet)), KEY
    ).hex()


if __name__ == "__main__":
    serve({
        "public_key": public_key, "verify": verify, "sign": sign, "begin": begin, "challenge": challenge,
        "result": result, "verify_production": verify_production, "sign_production": sign_production,
    })
