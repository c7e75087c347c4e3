"""Streamed results (§8.4) as the Python client reads them."""

import base64

from arcp import InternalError, InvalidRequestError
from support import TERMINALS, case, check, equal, events_of, gapless, main, outcome, run, session

SMALL = 48 * 1024  # the most decoded bytes that this client is sent in one chunk


@case
async def collect(options):
    async with session(options) as (client, tap):
        for body, name in ((None, "default"), ({"result_id": "res_mine"}, "named"), ({"finalize": False}, "left_open")):
            handle = await client.submit(agent="chunks", input=body)
            end = await outcome(handle)
            equal(await handle.collect_chunks(), b"hello world", f"{name}_content")
            equal((end.final_status, end.result, end.result_size), ("success", None, 11), f"{name}_terminal")
            chunks = _chunks(tap, handle)
            _check_stream(chunks, end, name)
            # The writer keeps to the encoding of the first chunk; chunks that the agent makes itself are passed on.
            second = ("d29ybGQ=", "base64") if name == "named" else ("world", "utf8")
            equal([(c["data"], c["encoding"]) for c in chunks[:2]], [("hello ", "utf8"), second], f"{name}_encodings")
            equal(await events_of(handle), [], f"{name}_chunks_are_not_among_the_handles_events")
            if name == "default":
                equal(end.summary, "2 chunks", "summary")
            if name == "named":
                equal(end.result_id, "res_mine", "the_agent_chose_the_result_id")
        gapless(tap.received, "event_seq")


@case
async def iterate(options):
    async with session(options) as (client, _):
        handle = await client.submit(agent="chunks", input={"chunks": [{"data": f"{i},", "encoding": "utf8"} for i in range(100)]})
        seen = [c async for c in handle.chunks()]
        equal("".join(c["data"] for c in seen), "".join(f"{i}," for i in range(100)), "chunks_one_by_one")
        equal([c["chunk_seq"] for c in seen], list(range(len(seen))), "in_order")
        equal((await outcome(handle)).result_size, 290, "result_size")


@case
async def binary(options):
    everything = bytes(range(256)) * 3
    async with session(options) as (client, tap):
        parts = [{"data": base64.b64encode(p).decode(), "encoding": "base64"} for p in (everything, b"", b"\x00", everything)]
        handle = await client.submit(agent="chunks", input={"chunks": parts})
        end = await outcome(handle)
        want = everything + b"\x00" + everything
        equal((await handle.collect_chunks(), end.result_size), (want, len(want)), "every_byte")
        _check_stream(_chunks(tap, handle), end, "binary")


@case
async def large(options):
    async with session(options) as (client, tap):
        text = "é" * 150_000
        handle = await client.submit(agent="chunks", input={"chunks": [{"data": text, "encoding": "utf8"}]})
        end = await outcome(handle)
        equal((await handle.collect_chunks() == text.encode(), end.result_size), (True, 300_000), "a_large_text")
        chunks = _chunks(tap, handle)
        sizes = [len(_decoded(c)) for c in chunks]
        check(max(sizes) <= SMALL, "chunks_are_small_enough_for_this_client", sizes)
        _check_stream(chunks, end, "large")


@case
async def empty(options):
    async with session(options) as (client, tap):
        handle = await client.submit(agent="chunks", input={"chunks": []})
        end = await outcome(handle)
        equal((await handle.collect_chunks(), end.final_status, end.result), (b"", "success", None), "an_empty_stream")
        gapless(tap.received, "event_seq")


@case
async def too_large_a_chunk(options):
    async with session(options) as (client, tap):
        handle, _, error = await run(client, "bigchunk", {"chunk_bytes": 1_048_577})
        check(type(error) is InternalError and "limit" in error.details, "beyond_the_limit", repr(error))
        equal([f["type"] for f in tap.frames(*TERMINALS, job=handle.job_id)], ["job.error"], "one_terminal")
        equal(_chunks(tap, handle), [], "the_chunk_is_not_sent")
        handle = await client.submit(agent="bigchunk", input={"chunk_bytes": 40_000})
        await outcome(handle)
        equal(await handle.collect_chunks(), b"x" * 40_000, "within_the_limit")


@case
async def broken_streams(options):
    """An invalid chunk is not sent and ends the job; later chunks have no effect."""
    good, second = _body(0), _body(1)
    async with session(options) as (client, tap):
        for bodies, sent, name in (
            ([_body(1)], 0, "does_not_begin_at_0"),
            ([good, _body(2)], 1, "a_gap"),
            ([good, _body(0)], 1, "a_repeat"),
            ([good, second | {"result_id": "res_b"}], 1, "another_result"),
            ([good, second | {"more": False}, _body(2)], 2, "after_the_last"),
        ):
            handle, _, error = await run(client, "rawchunks", {"bodies": bodies})
            check(type(error) is InvalidRequestError, f"{name}_is_refused", repr(error))
            equal([c["chunk_seq"] for c in _chunks(tap, handle)], list(range(sent)), f"{name}_is_not_sent")
            ends = tap.frames(*TERMINALS, job=handle.job_id)
            equal([f["type"] for f in ends], ["job.error"], f"{name}_makes_one_terminal")
            check("result_id" not in ends[0]["payload"], f"{name}_names_no_result", ends)
        mixed = {"bodies": [good, second | {"more": False}], "inline": {"also": "inline"}}
        handle, _, error = await run(client, "rawchunks", mixed)
        check(type(error) is InvalidRequestError, "chunks_and_an_inline_result_do_not_mix", repr(error))
        equal([f["type"] for f in tap.frames(*TERMINALS, job=handle.job_id)], ["job.error"], "one_terminal_for_the_mix")
        _, _, end = await run(client, "echo", 1)
        equal(end.result, {"echoed": 1}, "the_session_continues")
        gapless(tap.received, "event_seq")


@case
async def without_the_feature(options):
    features = ("heartbeat", "ack", "list_jobs", "subscribe")
    async with session(options, features=features) as (client, tap):
        handle, _, end = await run(client, "chunks", {"chunks": [{"data": "hello ", "encoding": "utf8"}, {"data": "world", "encoding": "utf8"}]})
        equal((end.result, end.result_id), ("hello world", None), "the_result_comes_inline")
        equal(_chunks(tap, handle), [], "no_chunk_is_sent")
        gapless(tap.received, "event_seq")


def _check_stream(chunks, end, name):
    equal([c["chunk_seq"] for c in chunks], list(range(len(chunks))), f"{name}_chunks_are_contiguous_from_0")
    equal({c["result_id"] for c in chunks}, {end.result_id}, f"{name}_under_the_result_id_of_the_terminal")
    equal([c["more"] for c in chunks], [True] * (len(chunks) - 1) + [False], f"{name}_only_the_last_chunk_says_so")


def _chunks(tap, handle):
    events = tap.frames("job.event", job=handle.job_id)
    return [f["payload"]["body"] for f in events if f["payload"]["kind"] == "result_chunk"]


def _decoded(chunk):
    return base64.b64decode(chunk["data"]) if chunk["encoding"] == "base64" else chunk["data"].encode()


def _body(seq):
    return {"result_id": "res_a", "chunk_seq": seq, "data": f"part {seq}", "encoding": "utf8", "more": True}


main()
