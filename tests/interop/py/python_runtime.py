#!/usr/bin/env python3
"""The interop agents on the Python SDK, as a foreign runtime for our client. It has the tokens, agents and inputs of
`interop_agents`, as far as the SDK supports them.

usage: python python_runtime.py --port 0 [--heartbeat 30] [--resume-window 600] [--creds]
"""
import argparse, asyncio, base64, sys
from arcp import RuntimeInfo, serve_websocket, ARCPError
from arcp.runtime import ARCPRuntime, StaticBearerVerifier
import arcp._errors as E

ap = argparse.ArgumentParser()
ap.add_argument("--port", type=int, default=7802)
ap.add_argument("--heartbeat", type=int, default=30)
ap.add_argument("--resume-window", type=int, default=600)
ap.add_argument("--creds", action="store_true")
a = ap.parse_args()

kw = {}
if a.creds:
    from arcp.runtime import InMemoryCredentialProvisioner, InMemoryRevocationLog
    kw = dict(credential_provisioner=InMemoryCredentialProvisioner(), revocation_log=InMemoryRevocationLog())
rt = ARCPRuntime(
    runtime=RuntimeInfo(name="py-peer", version="1.1.3"),
    bearer=StaticBearerVerifier({"tok-alice": "alice", "tok-alice2": "alice", "tok-bob": "bob"}),
    heartbeat_interval_sec=a.heartbeat, resume_window_sec=a.resume_window, **kw)

async def echo(i, ctx):
    await ctx.log("info", "echo started")
    return {"echoed": i}

async def slow(i, ctx):
    i = i or {}
    ticks, tick = i.get("ticks", 100), i.get("tick_ms", 50) / 1000
    n = 0
    try:
        for n in range(ticks):
            await ctx.progress(n, total=ticks, units="ticks")
            await asyncio.sleep(tick)
    except BaseException as e:
        print(f"AGENT slow {ctx.job_id} threw at {n}/{ticks}: {e!r}", file=sys.stderr, flush=True)
        raise
    print(f"AGENT slow {ctx.job_id} finished {ticks}/{ticks}", file=sys.stderr, flush=True)
    return {"ticks": ticks}

async def stubborn(i, ctx):
    try:
        await asyncio.sleep((i or {}).get("ms", 3000) / 1000)
    except asyncio.CancelledError:
        await asyncio.sleep((i or {}).get("ms", 3000) / 1000)
    return "stubborn-done"

async def progress(i, ctx):
    n = (i or {}).get("n", 5)
    for k in range(n + 1):
        await ctx.progress(k, total=n, units="steps", message=f"step {k}")
    return {"n": n}

async def chunks(i, ctx):
    i = i or {}
    cs = i.get("chunks", [{"data": "hello ", "encoding": "utf8"}, {"data": "d29ybGQ=", "encoding": "base64"}])
    s = ctx.stream_result(result_id=i.get("result_id"))
    for c in cs:
        if c.get("encoding") == "base64":
            await s.write(base64.b64decode(c["data"]))
        else:
            await s.write(c["data"])
    if i.get("finalize") is False:
        return None
    await s.close(summary=f"{len(cs)} chunks")

async def bigchunk(i, ctx):
    i = i or {}
    s = ctx.stream_result()
    for _ in range(i.get("chunks", 1)):
        await s.write("x" * i.get("chunk_bytes", 1048577))
    await s.close()

async def rawchunks(i, ctx):
    for b in i["bodies"]:
        await ctx.result_chunk(b)
    return i.get("inline")

async def ops(i, ctx):
    out, n = [], 0
    for op in (i or {}).get("ops", []):
        if "sleep_ms" in op:
            await asyncio.sleep(op["sleep_ms"] / 1000); continue
        if "metric" in op:
            await ctx.metric(op["metric"]); out.append({"metric": op["metric"]["name"]}); continue
        n += 1
        cid = op.get("call_id", f"c{n}")
        try:
            ctx.authorize(op["cap"], op["target"])
            await ctx.tool_call({"tool": op["cap"], "args": {"target": op["target"]}, "call_id": cid})
            await ctx.tool_result({"call_id": cid, "result": {"ok": True}})
            out.append({"target": op["target"], "ok": True})
        except ARCPError as e:
            await ctx.tool_result({"call_id": cid, "error": {"code": e.code, "message": e.message, "retryable": e.retryable}})
            out.append({"target": op["target"], "ok": False, "code": e.code})
    return {"out": out, "budget": {k: float(v) for k, v in ctx.budget.items()}}

async def delegate(i, ctx):
    # The Python SDK 1.1.3 has no API to delegate, so only the event is sent.
    b = {"delegate_id": "del_1", "agent": "echo", "input": {"from": "parent"}, **{k: v for k, v in (i or {}).items() if k not in ("wait_ms", "metrics")}}
    for m in (i or {}).get("metrics", []):
        await ctx.metric(m)
    await ctx.job.emit_event("delegate", b)
    await asyncio.sleep((i or {}).get("wait_ms", 300) / 1000)
    return {"delegated": False}

async def fail(i, ctx):
    i = i or {}
    if i.get("throw") == "raw" or "code" not in i:
        raise RuntimeError(i.get("message", "boom"))
    raise E.error_class_for(i["code"])(i.get("message", "requested failure"), retryable=i.get("retryable"))

async def events(i, ctx):
    await ctx.log("info", "a log", {"k": 1})
    await ctx.thought("a thought")
    await ctx.status("phase-1", "status message")
    await ctx.metric({"name": "rows", "value": 12, "unit": "rows", "dimensions": {"a": "b"}})
    await ctx.tool_call({"tool": "search.web", "args": {"q": "x"}, "call_id": "c1"})
    await ctx.tool_result({"call_id": "c1", "result": {"hits": 1}})
    await ctx.job.emit_event("artifact_ref", {"uri": "arcp://artifacts/a1", "content_type": "text/plain", "byte_size": 3, "sha256": "ab"})
    await ctx.progress(1, total=2, units="u", message="m")
    await ctx.job.emit_event("x-vendor.acme.custom", {"anything": [1, 2, 3]})
    return {"ok": True}

async def flood(i, ctx):
    i = i or {}
    n, size = i.get("n", 100), i.get("size", 10)
    for k in range(n):
        await ctx.log("debug", "x" * size + str(k))
    return {"n": n}

async def ver(i, ctx):
    return {"ran": ctx.agent_ref}

for name, fn in dict(echo=echo, slow=slow, stubborn=stubborn, progress=progress, chunks=chunks, bigchunk=bigchunk,
                     rawchunks=rawchunks, ops=ops, delegate=delegate, fail=fail, events=events, flood=flood).items():
    rt.register_agent(name, fn)
rt.register_agent_version("ver", "1.0.0", ver)
rt.register_agent_version("ver", "2.0.0", ver)
rt.set_default_agent_version("ver", "2.0.0")

async def main():
    srv = await serve_websocket(rt.accept, host="127.0.0.1", port=a.port, path="/arcp")
    port = srv.sockets[0].getsockname()[1]
    print(f"READY ws://127.0.0.1:{port}/arcp", flush=True)
    async with srv:
        await srv.serve_forever()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
