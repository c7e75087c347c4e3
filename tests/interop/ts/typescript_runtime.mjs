// The interop agents on the TypeScript SDK 2.0.0, as far as it supports them, for `nuncio conformance`. It is run by hand:
//
//     node typescript_runtime.mjs PATH_OF_SDK/packages/sdk/dist/index.js
//
// The SDK is not on npm. In a clone of agentruntimecontrolprotocol/typescript-sdk, `pnpm install && pnpm build` makes that file.
// The interval of heartbeats and the window for resumes are short, so that the rules about them are judged. A session may
// keep more than 256 MiB, the SDK's own limit for a streamed result: `--result-limit 256MiB`.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
const { ARCPServer, StaticBearerVerifier, startWebSocketServer, validateLeaseOp, ARCPError, EventLog } = await import(pathToFileURL(resolve(process.argv[2])).href);
const bearer = new StaticBearerVerifier(new Map([["tok-alice", { principal: "alice" }], ["tok-alice2", { principal: "alice" }], ["tok-bob", { principal: "bob" }]]));
const names = ["echo","slow","stubborn","progress","chunks","bigchunk","rawchunks","ops","delegate","fail","events","flood"];
const server = new ARCPServer({
  runtime: { name: "ts-peer", version: "2.0.0" },
  capabilities: { encodings: ["json"], agents: [...names.map((name) => ({ name, versions: [] })), { name: "ver", versions: ["1.0.0", "2.0.0"], default: "2.0.0" }] },
  bearer, eventLog: new EventLog(), heartbeatIntervalSeconds: 1, resumeWindowSeconds: 5,
  caps: { maxBufferedEvents: 1_000_000, maxBufferedBytes: 1 << 30 },
});
const sleep = (ms, signal) => new Promise((res, rej) => {
  const t = setTimeout(res, ms);
  signal?.addEventListener("abort", () => { clearTimeout(t); rej(signal.reason ?? new Error("aborted")); });
});
const agents = {
  echo: async (i, ctx) => { await ctx.log("info", "echo started"); return { echoed: i ?? null }; },
  slow: async (i, ctx) => { const { ticks = 100, tick_ms = 50 } = i ?? {}; for (let k = 0; k < ticks; k++) { await ctx.progress(k, { total: ticks, units: "ticks" }); await sleep(tick_ms, ctx.signal); } return { ticks }; },
  stubborn: async (i, ctx) => { const { ms = 3000 } = i ?? {}; try { await sleep(ms, ctx.signal); } catch { await sleep(ms); } return "stubborn-done"; },
  progress: async (i, ctx) => { const { n = 5 } = i ?? {}; for (let k = 0; k <= n; k++) await ctx.progress(k, { total: n, units: "steps", message: `step ${k}` }); return { n }; },
  chunks: async (i, ctx) => {
    const cs = i?.chunks ?? [{ data: "hello ", encoding: "utf8" }, { data: "d29ybGQ=", encoding: "base64" }];
    const s = ctx.streamResult();
    for (const c of cs.slice(0, -1)) await s.write(c.data, { encoding: c.encoding });
    const last = cs.at(-1);
    await s.finalize(last.data, { encoding: last.encoding, summary: `${cs.length} chunks` });
  },
  bigchunk: async (i, ctx) => {
    const { chunk_bytes = 1048577, chunks = 1 } = i ?? {};
    for (let k = 0; k < chunks; k++) await ctx.resultChunk({ result_id: "res_big", chunk_seq: k, data: "x".repeat(chunk_bytes), encoding: "utf8", more: k + 1 < chunks });
  },
  rawchunks: async (i, ctx) => { for (const b of i.bodies) await ctx.resultChunk(b); return i.inline; },
  ops: async (i, ctx) => {
    const out = []; let n = 0;
    for (const op of i?.ops ?? []) {
      if (op.sleep_ms) { await sleep(op.sleep_ms, ctx.signal); continue; }
      if (op.metric) { try { await ctx.metric(op.metric); out.push({ metric: op.metric.name }); } catch { out.push({ metric: op.metric.name, ok: false }); } continue; }
      n++; const call_id = op.call_id ?? `c${n}`;
      try {
        validateLeaseOp({ lease: ctx.lease, capability: op.cap, target: op.target, ctx: { constraints: ctx.leaseConstraints, budgetRemaining: ctx.budget } });
        await ctx.emitEvent("tool_call", { tool: op.cap, args: { target: op.target }, call_id });
        await ctx.toolResult({ call_id, result: { ok: true } });
        out.push({ target: op.target, ok: true });
      } catch (e) {
        await ctx.toolResult({ call_id, error: { code: e.code ?? "INTERNAL_ERROR", message: String(e.message), retryable: e.retryable ?? false } });
        out.push({ target: op.target, ok: false, code: e.code });
      }
    }
    return { out, budget: Object.fromEntries(ctx.budget) };
  },
  delegate: async (i, ctx) => {
    const { metrics = [], wait_ms = 300, ...body } = i ?? {};
    for (const m of metrics) await ctx.metric(m);
    await ctx.delegate({ delegate_id: "del_1", agent: "echo", input: { from: "parent" }, ...body });
    await sleep(wait_ms, ctx.signal);
    return { delegated: true };
  },
  fail: async (i) => { if (i?.throw === "raw" || !i?.code) throw new Error(i?.message ?? "boom"); throw new ARCPError({ code: i.code, message: i.message ?? "requested failure", ...(i.retryable === undefined ? {} : { retryable: i.retryable }) }); },
  events: async (_i, ctx) => {
    await ctx.log("info", "a log", { k: 1 }); await ctx.thought("a thought"); await ctx.status("phase-1", "status message");
    await ctx.metric({ name: "rows", value: 12, unit: "rows", dims: { a: "b" } });
    await ctx.toolCall({ tool: "search.web", args: { q: "x" }, call_id: "c1" }); await ctx.toolResult({ call_id: "c1", result: { hits: 1 } });
    await ctx.artifactRef({ uri: "arcp://artifacts/a1", content_type: "text/plain", byte_size: 3, sha256: "ab" });
    await ctx.progress(1, { total: 2, units: "u", message: "m" }); await ctx.emitEvent("x-vendor.acme.custom", { anything: [1, 2, 3] });
    return { ok: true };
  },
  flood: async (i, ctx) => { const { n = 100, size = 10 } = i ?? {}; for (let k = 0; k < n; k++) await ctx.log("debug", "x".repeat(size) + k); return { n }; },
};
for (const [name, fn] of Object.entries(agents)) server.registerAgent(name, fn);
for (const v of ["1.0.0", "2.0.0"]) server.registerAgentVersion("ver", v, async (_i, ctx) => ({ ran: ctx.agentRef }));
server.setDefaultAgentVersion("ver", "2.0.0");
const wss = await startWebSocketServer({ host: "127.0.0.1", port: 0, onTransport: (t) => { server.accept(t); } });
console.log(`READY ${wss.url}`);
process.on("uncaughtException", (e) => console.error("uncaught", e));
process.on("unhandledRejection", (e) => console.error("unhandled", e));
