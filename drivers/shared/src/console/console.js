// The live page of an ARCP runtime. One module in sections:
//
//   1. Text        what others wrote, made safe to show
//   2. Session     the protocol: frames and times in; frames, deadlines and events out. No IO, no clock
//   3. Model       jobs, questions, one job's events, counts; decides what to ask the runtime
//   4. Elements    small helpers for the DOM; text gets there by `textContent` alone
//   5. Views       each draws a part of the model and keeps its own nodes
//   6. Page        the socket, the clock, one drawing per frame of the screen
//
// Sections 1 to 3 are pure and run anywhere. They are exported for tests; nothing is global.

// ---- 1. Text ---------------------------------------------------------------------------------------------------------

// Characters that change how the text around them looks, or look like nothing: controls, bidi controls, invisible ones,
// tags, and halves of surrogate pairs. Line feeds and tabs are shown as they are.
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;

/** Returns the text with every character that is not seen, or acts on others, in a form that is. */
export function visible(text) {
  return String(text).replace(UNSEEN, (character) => {
    const code = character.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
  });
}

/** Returns the first part of a long text, cut between characters, and whether it was cut. */
export function cut(text, characters, lines) {
  let end = Math.min(text.length, characters);
  for (let at = -1, seen = 0; (at = text.indexOf("\n", at + 1)) !== -1 && at < end; ) if (++seen === lines) end = at;
  if (end < text.length && /[\ud800-\udbff]/.test(text[end - 1] ?? "")) end -= 1;
  return { text: text.slice(0, end), cut: end < text.length };
}

/** Returns a value of JSON as text: strings as they are, and others on one line if they fit. */
export function shown(value) {
  if (typeof value === "string") return value;
  const line = JSON.stringify(value) ?? "";
  return line.length <= 100 ? line : JSON.stringify(value, null, 2);
}

/** Returns a duration such as `850 ms`, `12 s`, `3 min 05 s` or `2 h 10 min`. */
export function duration(ms) {
  if (!Number.isFinite(ms) || ms < 0) return "0 s";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** Returns an amount without the noise of binary fractions. */
export const amount = (number) => number.toLocaleString("en", { maximumFractionDigits: 6 });

/** Returns a number of bytes such as `850 B`, `1.4 MiB` or `12 GiB`. */
export function bytes(number) {
  const power = number < 1 ? 0 : Math.min(4, Math.floor(Math.log2(number) / 10));
  return `${(number / 1024 ** power).toLocaleString("en", { maximumFractionDigits: 1 })} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

const clean = (value) => (typeof value === "string" ? value : undefined);
const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const list = (value) => (Array.isArray(value) ? value : []);
const count = (value) => value.toLocaleString("en");

// ---- 2. Session ------------------------------------------------------------------------------------------------------

const VENDOR = "x-vendor.nuncio.";
// Nuncio says more about jobs in a list to clients that know this feature: when they ended, and which session may cancel them.
const REPLAY = `${VENDOR}accepted_replay`;
// Credentials are not among them: the page has no use for secrets of jobs. The last one is the state of the runtime.
const FEATURES = ["heartbeat", "ack", "list_jobs", "subscribe", "lease_expires_at", "cost.budget", "model.use", "progress",
  "result_chunk", "agent_versions", REPLAY, `${VENDOR}status`];
const ACK_EVENTS = 32;
const ACK_DELAY = 250;
const REQUEST_TIMEOUT = 30_000;
const HELLO_TIMEOUT = 15_000;
const BACKOFF = [250, 500, 1000, 2000, 4000, 8000];
// Another connection has resumed the session (core/docs/arcp.md, §6.3).
const TAKEN_OVER = 4409;
/** Returns so many digits of a number in the base of ULIDs. */
const base32 = (number, digits) => (digits === 0 ? "" : base32(Math.floor(number / 32), digits - 1) + "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number % 32]);

/**
 * A session with a runtime, over as many connections as it takes. Methods are told what has happened and when, in
 * milliseconds; `take` returns what is to be done, in order:
 *   {do: "connect"}, {do: "close"}, {do: "send", text}
 *   {do: "state", state, why?}   greeting, live, waiting (for the next attempt) or over
 *   {do: "welcome", welcome, anew}   `anew` if it is another session than before
 *   {do: "event", type, job, payload}   a numbered frame, once and in order
 *   {do: "reply", request, type, payload} or {do: "refused", request, error}
 */
export class Session {
  #token;
  #random;
  #out = [];
  #next = 1;
  #state = "idle";
  #deadlines = new Map();
  #requests = new Map();
  #resume = null;
  #welcomed = false;
  #attempts = 0;
  #heartbeat = 0;
  #features = new Set();
  #heard = 0;
  #said = 0;
  #acked = 0;
  #unacked = 0;
  #pinged = null;
  #replaying = false;
  #loose = false;
  #gapped = 0;
  /** The number of the last event. */
  last = 0;
  /** What the page shows of the session. */
  facts = { resumes: 0, sessions: 0, received: 0, lost: 0, roundTrip: null };

  /** `random` returns a number from 0 up to 1, for ids and pauses. */
  constructor(token, random) {
    this.#token = token;
    this.#random = random;
    this.prefix = base32(Math.floor(random() * 2 ** 50), 10);
  }

  get state() { return this.#state; }

  has(feature) { return this.#features.has(feature); }

  take() { return this.#out.splice(0); }

  /** Returns the time of the next call of `timeout`, or infinity. */
  deadline() { return Math.min(Infinity, ...this.#deadlines.values()); }

  start(now) { this.#connect(now); }

  /** Ends the session for good, as the user wishes. */
  end(now) {
    if (this.#state === "live") this.#send(now, "session.close", { reason: "the page was left" });
    this.#over(null);
  }

  /** The socket is open. */
  opened(now) {
    if (this.#state !== "connecting") return;
    this.#enter("greeting");
    const payload = {
      client: { name: "nuncio-console", version: "1" },
      auth: { scheme: "bearer", token: this.#token },
      capabilities: { encodings: ["json"], features: FEATURES },
    };
    if (this.#resume) payload.resume = { ...this.#resume, last_event_seq: this.last };
    this.#heard = now;
    this.#send(now, "session.hello", payload);
  }

  /** The socket is closed, or was never open. */
  lost(now, code) {
    if (this.#state === "over" || this.#state === "waiting") return;
    if (code === TAKEN_OVER) return this.#over("Another connection has resumed this session.");
    if (!this.#welcomed) return this.#over("No runtime answers at this URL. Check the address, and that it accepts this page.");
    this.#retry(now, BACKOFF[Math.min(this.#attempts, BACKOFF.length - 1)]);
  }

  /** Asks the runtime for something. The result comes with the request, which is returned. */
  request(now, type, payload) {
    const request = { type, payload, at: now };
    if (this.#state === "live") this.#ask(now, request);
    else this.#requests.set(`later-${this.#next++}`, request);
    return request;
  }

  /** Sends what is not answered. */
  tell(now, type, payload) { if (this.#state === "live") this.#send(now, type, payload); }

  frame(now, text) {
    if (this.#state !== "greeting" && this.#state !== "live") return;
    this.#heard = now;
    let frame;
    try {
      frame = object(JSON.parse(text));
    } catch {
      // A runtime that sends this is broken, and what it says next is no better.
      return this.#retry(now, BACKOFF[BACKOFF.length - 1]);
    }
    const payload = object(frame.payload);
    if (frame.type === "session.ping") return this.#send(now, "session.pong", { ping_nonce: payload.nonce, received_at: new Date(now).toISOString() });
    if (frame.type === "session.pong") return this.#pong(now, payload);
    if (this.#state === "greeting") return this.#greeted(now, frame.type, payload);
    if (Number.isSafeInteger(frame.event_seq)) return this.#event(now, frame, payload);
    this.#answered(frame, payload);
  }

  timeout(now) {
    for (const [what, at] of [...this.#deadlines]) {
      if (at > now) continue;
      this.#deadlines.delete(what);
      if (what === "connect") this.#connect(now);
      if (what === "hello") this.lost(now);
      if (what === "ack") this.#ack(now);
      if (what === "beat") this.#beat(now);
      if (what === "requests") this.#expire(now);
    }
  }

  #enter(state, why) {
    this.#state = state;
    this.#out.push({ do: "state", state, why });
  }

  #connect(now) {
    this.#deadlines.clear();
    this.#enter("connecting");
    this.#deadlines.set("hello", now + HELLO_TIMEOUT);
    this.#out.push({ do: "connect" });
  }

  #retry(now, pause) {
    this.#deadlines.clear();
    this.#attempts += 1;
    this.#pinged = null;
    this.#out.push({ do: "close" });
    this.#enter("waiting");
    this.#deadlines.set("connect", now + pause * (0.75 + this.#random() / 2));
  }

  #over(why) {
    this.#deadlines.clear();
    this.#requests.clear();
    this.#token = "";
    this.#out.push({ do: "close" });
    this.#enter("over", why);
  }

  // No SDK that runtimes recognise by its ids has ids of this form, so frames come in the specification's own.
  #send(now, type, payload) {
    const id = base32(now, 10) + this.prefix + base32(this.#next++, 6); // There are runtimes that take ULIDs alone.
    this.#said = now;
    this.#out.push({ do: "send", text: JSON.stringify({ arcp: "1.1", id, type, payload, job_id: payload.job_id }) });
    return id;
  }

  #greeted(now, type, payload) {
    if (type === "session.welcome") return this.#welcome(now, payload);
    if (type !== "session.error") return;
    const message = clean(payload.message) ?? "";
    switch (payload.code) {
      case "UNAUTHENTICATED":
        return this.#over(`The runtime does not accept this token: ${message || "it gives no reason"}.`);
      case "RESUME_WINDOW_EXPIRED":
      case "INVALID_REQUEST":
        if (!this.#resume) break;
        this.#resume = null;
        return this.#retry(now, 0);
    }
    if (!this.#welcomed) return this.#over(`The runtime refuses the connection: ${message || payload.code}`);
    this.#retry(now, BACKOFF[Math.min(this.#attempts, BACKOFF.length - 1)]);
  }

  #welcome(now, welcome) {
    const id = clean(welcome.session_id) ?? "";
    const anew = this.#resume?.session_id !== id;
    if (anew) {
      this.last = this.#acked = this.#unacked = 0;
      this.#loose = false;
      this.facts.sessions += 1;
    } else {
      this.facts.resumes += 1;
    }
    this.#resume = { session_id: id, resume_token: clean(welcome.resume_token) ?? "" };
    this.#features = new Set(list(object(welcome.capabilities).features));
    this.#heartbeat = this.has("heartbeat") ? 1000 * (Number(welcome.heartbeat_interval_sec) || 30) : 0;
    this.#welcomed = true;
    this.#replaying = !anew;
    this.#attempts = 0;
    this.#deadlines.clear();
    this.#enter("live");
    if (this.#heartbeat) this.#deadlines.set("beat", now + this.#heartbeat);
    this.#out.push({ do: "welcome", welcome, anew });
    // What was asked on the connection before is not answered on this one.
    const unanswered = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of unanswered) this.#ask(now, request);
  }

  #ask(now, request) {
    request.at = now;
    this.#requests.set(this.#send(now, request.type, request.payload), request);
    if (!this.#deadlines.has("requests")) this.#deadlines.set("requests", now + REQUEST_TIMEOUT);
  }

  #expire(now) {
    for (const [id, request] of this.#requests) {
      const due = request.at + REQUEST_TIMEOUT;
      if (due <= now) {
        this.#requests.delete(id);
        this.#out.push({ do: "refused", request, error: { code: "TIMEOUT", message: "The runtime has not answered." } });
      } else {
        this.#deadlines.set("requests", Math.min(due, this.#deadlines.get("requests") ?? Infinity));
      }
    }
  }

  #answered(frame, payload) {
    let id = [payload.request_id, frame.reply_to, frame.id].find((id) => this.#requests.has(id));
    const refused = frame.type === "session.error";
    if (id === undefined) {
      // An answer without a name is that to the oldest request. What concerns the session does not answer any.
      const ofSession = ["HEARTBEAT_LOST", "UNAUTHENTICATED", "RESUME_WINDOW_EXPIRED"].includes(payload.code);
      const answers = ["session.jobs", "job.subscribed", "job.cancelled", ...["answered", "questions", "sessions", "status"].map((kind) => VENDOR + kind)];
      if (payload.request_id || ofSession || !(refused || answers.includes(frame.type))) return;
      id = this.#requests.keys().next().value;
      if (id === undefined) return;
    }
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    if (refused) this.#out.push({ do: "refused", request, error: payload });
    else this.#out.push({ do: "reply", request, type: frame.type, payload });
  }

  #event(now, frame, payload) {
    const seq = frame.event_seq;
    // Some runtimes number the events of watched jobs by their own sessions. A session that does not start at 1, or goes
    // back without a resume, is one of theirs; there every event is taken as it comes.
    if (!this.#loose && !this.#replaying && (seq <= this.last || (this.last === 0 && seq !== 1))) this.#loose = true;
    if (!this.#loose) {
      if (seq <= this.last) return;
      this.#replaying = false;
      if (seq > this.last + 1 && this.#gapped !== this.last) {
        // Events are missing: a resume has them sent again, once.
        this.#gapped = this.last;
        return this.#retry(now, 0);
      }
      this.facts.lost += seq - this.last - 1;
    }
    this.last = Math.max(this.last, seq);
    this.facts.received += 1;
    this.#unacked += 1;
    this.#out.push({ do: "event", type: frame.type, job: clean(frame.job_id) ?? clean(payload.job_id), payload });
    if (this.#unacked >= ACK_EVENTS) this.#ack(now);
    else if (!this.#deadlines.has("ack")) this.#deadlines.set("ack", now + ACK_DELAY);
  }

  #ack(now) {
    this.#deadlines.delete("ack");
    this.#unacked = 0;
    if (this.#state !== "live" || !this.has("ack") || this.last <= this.#acked) return;
    this.#acked = this.last;
    this.#send(now, "session.ack", { last_processed_seq: this.last });
  }

  #beat(now) {
    if (now - this.#heard >= 2 * this.#heartbeat) return this.lost(now);
    if (now - Math.min(this.#heard, this.#said) >= this.#heartbeat) {
      const nonce = `web-${this.#next++}`;
      this.#pinged = { nonce, at: now };
      this.#send(now, "session.ping", { nonce, sent_at: new Date(now).toISOString() });
    }
    const due = Math.min(this.#heard, this.#said) + this.#heartbeat;
    this.#deadlines.set("beat", Math.max(due, now + this.#heartbeat / 2));
  }

  #pong(now, { ping_nonce: nonce }) { if (this.#pinged?.nonce === nonce) this.facts.roundTrip = now - this.#pinged.at; }
}

// ---- 3. Model --------------------------------------------------------------------------------------------------------

const HOUR = 3_600_000;
const MINUTE = 60_000;
const JOBS = 5000;
const EVENTS = 1000;
const PAGE = 500;
const PAGES = 10;
const POLL = 1500;
const STATUS_POLL = 5000;
const ASKING = 32;
const LATEST = 16;
const LINGER = 3000;
const SUBSCRIPTIONS = 300;
const RESULT_TEXT = 1 << 20;

const isLive = (job) => job.status === "running" || job.status === "pending" || job.status === "cancelling";

/**
 * What the page knows. `handle` is told what the session has taken in; `turn` asks for lists, and subscribes to the jobs of
 * interest: those on the screen, the chosen one, and those that have ended unseen.
 */
export class Model {
  jobs = new Map();
  questions = new Map();
  /** The job whose events are kept. */
  chosen = null;
  welcome = {};
  /** The ids of the jobs on the screen. */
  onScreen = new Set();
  /** Events received in each minute, by the number of the minute. */
  minutes = new Map();
  /** The ids of the jobs with open questions. */
  asking = new Set();
  /** Rises when rows come, go or change places. */
  order = 0;
  /** Texts for the user, such as why a cancel was refused. */
  notices = [];
  /** The state of the runtime, if it tells it: `x-vendor.nuncio.status`. */
  status = null;
  /** The sessions that it shows, if it tells them: `x-vendor.nuncio.sessions`. */
  sessions = null;
  listed = false;
  lists = true;
  #session;
  #subscribed = new Map();
  #learn = new Set();
  #asking = 0;
  #cycle = null;
  #nextPoll = 0;
  #newest = 0;
  #generation = 0;
  #questionsAsked = false;
  #nextQuestions = 0;
  #asks = true;
  /** What is asked for again, and when: never if the runtime does not know it or refuses it, nor while it is asked. */
  #polls = [
    { feature: `${VENDOR}status`, type: `${VENDOR}read_status`, payload: {}, take: (payload) => (this.status = payload), next: Infinity },
    { feature: REPLAY, type: `${VENDOR}list_sessions`, payload: { limit: PAGE }, take: (payload) => (this.sessions = payload), next: Infinity },
  ];

  constructor(session) { this.#session = session; }

  /** Returns the time of the next `turn`. */
  deadline() {
    if (this.#session.state !== "live") return Infinity;
    const questions = this.#questionsAsked || !this.#asks ? Infinity : this.#nextQuestions;
    return Math.min(this.#cycle ? Infinity : this.#nextPoll, questions, ...this.#polls.map(({ next }) => next));
  }

  choose(now, id) {
    if (this.chosen?.id === id) return;
    const before = this.chosen?.id;
    this.chosen = id && { id, events: [], first: 0, total: 0, calls: new Map(), text: "", bytes: 0, cut: false, streamed: false, result: undefined, error: "", waiting: true };
    if (before) this.#subscribed.set(before, now);
    if (id) this.#subscribe(now, id, true);
  }

  cancel(now, id) {
    this.#session.request(now, "job.cancel", { job_id: id, reason: "cancelled in the console" }).cancel = true;
  }

  answer(now, key, value, note) {
    const question = this.questions.get(key);
    if (!question || question.sending) return;
    question.sending = true;
    question.error = "";
    const payload = { job_id: question.job, question_id: question.id, value };
    if (note) payload.note = note;
    this.#session.request(now, `${VENDOR}answer`, payload).question = key;
  }

  handle(now, output) {
    switch (output.do) {
      case "welcome": return this.#welcomed(now, output);
      case "event": return this.#event(now, output);
      case "reply": return this.#reply(now, output);
      case "refused": return this.#refused(now, output);
    }
  }

  /** Asks for what is due. `watching` follows the jobs of interest, too; once for each frame of the screen is enough. */
  turn(now, watching = false) {
    if (this.#session.state !== "live") return;
    if (!this.#cycle && now >= this.#nextPoll && this.lists) this.#poll(now);
    if (this.#asks && !this.#questionsAsked && now >= this.#nextQuestions) {
      this.#questionsAsked = true;
      this.#session.request(now, `${VENDOR}list_questions`, { limit: 100 }).questions = new Map();
    }
    for (const poll of this.#polls) {
      if (now < poll.next) continue;
      poll.next = Infinity;
      this.#session.request(now, poll.type, poll.payload).poll = poll;
    }
    if (watching && this.#session.has("subscribe")) this.#watch(now);
  }

  #welcomed(now, { welcome, anew }) {
    this.welcome = welcome;
    this.lists = this.#session.has("list_jobs");
    this.#nextPoll = this.#nextQuestions = now;
    if (!anew) return;
    for (const poll of this.#polls) {
      poll.take(null);
      poll.next = this.#session.has(poll.feature) ? now : Infinity;
    }
    // Another session has no subscriptions, and may be one of a runtime without the jobs of before.
    this.#generation += 1;
    this.#newest = 0;
    this.#cycle = null;
    this.#subscribed.clear();
    this.#learn.clear();
    this.#asking = 0;
    this.#asks = true;
    this.#questionsAsked = false;
    if (this.chosen) this.#subscribe(now, this.chosen.id, true);
  }

  // A cycle lists the jobs that are new, and then those that live: their order does not change while pages are read. The
  // first one lists those between that are older and ended within the hour, where that can be asked for.
  #poll(now) {
    const time = (at) => new Date(at).toISOString();
    const from = now - HOUR;
    const parts = [{ created_after: time(this.#newest ? this.#newest - 1 : from) }, { status: ["pending", "running"] }];
    if (!this.#newest && this.#session.has(REPLAY)) parts.splice(1, 0, { created_before: time(from + 1), [`${VENDOR}ended_after`]: time(from) });
    this.#cycle = { started: now, seen: new Set(), pages: 0, parts };
    this.#page(now);
  }

  #page(now, cursor) {
    const cycle = this.#cycle;
    const payload = { filter: cycle.parts[0], limit: PAGE };
    if (cursor) payload.cursor = cursor;
    cycle.pages += 1;
    this.#session.request(now, "session.list_jobs", payload).list = cycle;
  }

  #listed(now, { list: cycle }, payload) {
    if (cycle !== this.#cycle) return;
    for (const row of list(payload.jobs)) this.#row(now, object(row));
    const cursor = clean(payload.next_cursor);
    if (cursor && cycle.pages < PAGES) return this.#page(now, cursor);
    cycle.parts.shift();
    cycle.pages = 0;
    if (cycle.parts.length) return this.#page(now);
    // A job that lived and is not listed has ended: a subscription tells how.
    if (!cursor) {
      for (const job of this.jobs.values()) {
        if (isLive(job) && !cycle.seen.has(job.id) && job.generation === this.#generation) this.#learn.add(job.id);
      }
    }
    for (const [id, job] of this.jobs) if (job.generation !== this.#generation && id !== this.chosen?.id) this.#drop(id);
    this.#trim();
    this.listed = true;
    this.#cycle = null;
    this.#nextPoll = now + Math.min(15_000, Math.max(POLL, 5 * (now - cycle.started)));
  }

  #row(now, row) {
    const id = clean(row.job_id);
    if (!id) return;
    const job = this.#job(id, now);
    const created = Date.parse(row.created_at ?? row.submitted_at);
    if (created && created !== job.created) {
      job.created = created;
      this.order += 1;
    }
    this.#newest = Math.max(this.#newest, created || 0);
    this.#cycle.seen.add(id);
    job.seq = Number(row.last_event_seq) || 0;
    this.#describe(job, row);
    // The list may be older than an event that has told the end.
    if (isLive(job)) this.#status(now, job, row[`${VENDOR}phase`] === "cancelling" ? "cancelling" : clean(row.status));
    job.owner = row[`${VENDOR}session_closed`] === true ? null : clean(row[`${VENDOR}session_id`]) ?? null;
    const { completed_at: ended, code, message } = object(row[`${VENDOR}ended`]);
    if (isLive(job) || job.ended || !ended) return;
    Object.assign(job, { ended: Date.parse(ended) || null, code: clean(code) ?? "", message: clean(message) ?? "" });
  }

  #describe(job, { agent, lease, parent_job_id: parent, trace_id: trace, lease_constraints: constraints, budget }) {
    job.generation = this.#generation;
    job.agent = clean(agent) ?? job.agent;
    job.trace = clean(trace) ?? job.trace;
    job.expires = Date.parse(object(constraints).expires_at) || job.expires;
    if (lease) {
      job.lease = object(lease);
      for (const entry of list(job.lease["cost.budget"])) {
        const [, currency, granted] = /^([^:]+):([\d.]+)$/.exec(clean(entry) ?? "") ?? [];
        if (currency) job.granted.set(currency, Number(granted));
      }
    }
    for (const [currency, value] of Object.entries(object(budget))) {
      const left = Number(String(value).split(":").pop());
      if (Number.isFinite(left)) job.left.set(currency, left);
    }
    if (clean(parent) && parent !== job.parent && parent !== job.id) {
      job.parent = parent;
      this.order += 1;
    }
  }

  #job(id, now) {
    let job = this.jobs.get(id);
    if (!job) {
      job = {
        id, agent: "", status: "pending", parent: null, owner: null, created: now, ended: null, lease: {}, granted: new Map(), left: new Map(),
        seq: 0, progress: null, phase: "", code: "", message: "", trace: "", expires: null, learned: false, generation: this.#generation,
      };
      this.jobs.set(id, job);
      this.order += 1;
    }
    return job;
  }

  #status(now, job, status) {
    if (!status || status === job.status || (job.status === "cancelling" && status === "running")) return;
    job.status = status;
    if (!isLive(job) && job.id !== this.chosen?.id) this.#learn.delete(job.id);
    this.order += 1;
  }

  #drop(id) {
    this.jobs.delete(id);
    this.#subscribed.delete(id);
    this.#learn.delete(id);
    this.order += 1;
  }

  #trim() {
    if (this.jobs.size <= JOBS) return;
    const ended = [...this.jobs.values()].filter((job) => !isLive(job) && job.id !== this.chosen?.id);
    ended.sort((a, b) => a.created - b.created);
    for (const job of ended.slice(0, this.jobs.size - JOBS)) this.#drop(job.id);
  }

  #watch(now) {
    const wanted = new Set(this.#learn);
    for (const id of this.onScreen) {
      const job = this.jobs.get(id);
      if (job && (isLive(job) || !job.learned)) wanted.add(id);
    }
    if (this.chosen) wanted.add(this.chosen.id);
    for (const id of wanted) {
      if (this.#subscribed.has(id)) this.#subscribed.set(id, now);
      else if (this.#asking < ASKING) this.#subscribe(now, id, false);
    }
    for (const [id, since] of this.#subscribed) {
      if (wanted.has(id) || (now - since < LINGER && this.#subscribed.size < SUBSCRIPTIONS)) continue;
      this.#subscribed.delete(id);
      this.#session.tell(now, "job.unsubscribe", { job_id: id });
    }
  }

  #subscribe(now, id, history) {
    const payload = { job_id: id };
    if (history) payload.history = true;
    this.#asking += 1;
    this.#subscribed.set(id, now);
    const job = this.jobs.get(id);
    if (job && !isLive(job)) job.learned = true;
    else if (job?.seq && !history) {
      // Its latest events tell how far it is.
      payload.history = true;
      payload.from_event_seq = Math.max(0, job.seq - LATEST);
    }
    const request = this.#session.request(now, "job.subscribe", payload);
    request.subscribe = { id, history, generation: this.#generation };
  }

  #reply(now, { request, payload }) {
    if (request.list) return this.#listed(now, request, payload);
    if (request.questions) return this.#questionsListed(now, request, payload);
    if (request.poll) {
      request.poll.take(payload);
      request.poll.next = now + STATUS_POLL;
    }
    if (request.question) {
      this.questions.delete(request.question);
      this.notices.push({ text: "Your answer was sent.", tone: "good" });
    }
    if (request.cancel) {
      const job = this.jobs.get(request.payload.job_id);
      if (job && isLive(job)) this.#status(now, job, "cancelling");
    }
    if (request.subscribe) {
      const { id, history, generation } = request.subscribe;
      if (generation !== this.#generation) return;
      this.#asking -= 1;
      const job = this.#job(id, now);
      this.#describe(job, payload);
      if (isLive(job)) this.#status(now, job, clean(payload.current_status));
      this.#learn.delete(id);
      if (history && this.chosen?.id === id) {
        Object.assign(this.chosen, { events: [], first: 0, total: 0, text: "", bytes: 0, cut: false, streamed: false, error: "", waiting: false });
        this.chosen.calls.clear();
        this.chosen.truncated = payload.history_truncated === true;
      }
    }
  }

  #refused(now, { request, error }) {
    const message = `${clean(error.message) || "The runtime has refused it."}${error.code ? ` (${error.code})` : ""}`;
    if (request.list) {
      if (request.list !== this.#cycle) return;
      this.#cycle = null;
      this.#nextPoll = now + 15_000;
      this.notices.push({ text: `Jobs cannot be listed. ${message}`, tone: "bad" });
    } else if (request.questions) {
      // The runtime does not know of questions.
      this.#questionsAsked = false;
      this.#asks = error.code !== "INVALID_REQUEST";
      this.#nextQuestions = now + 15_000;
    } else if (request.poll) {
      // The state of the runtime is for operators alone.
      request.poll.take(null);
      if (!["PERMISSION_DENIED", "INVALID_REQUEST"].includes(error.code)) request.poll.next = now + 15_000;
    } else if (request.question) {
      const question = this.questions.get(request.question);
      if (question) Object.assign(question, { sending: false, error: message });
      this.#nextQuestions = now;
    } else if (request.cancel) {
      const text = `The job was not cancelled. ${this.#whyNotCancelled(error) ?? message}`;
      if (this.chosen?.id === request.payload.job_id) this.chosen.error = text;
      else this.notices.push({ text, tone: "bad" });
    } else if (request.subscribe) {
      if (request.subscribe.generation !== this.#generation) return;
      this.#asking -= 1;
      const { id } = request.subscribe;
      this.#learn.delete(id);
      if (this.chosen?.id === id) Object.assign(this.chosen, { waiting: false, error: `Its events cannot be followed. ${message}` });
      else if (error.code === "JOB_NOT_FOUND") this.#drop(id);
    }
  }

  /** Says why a job was not cancelled and what else there is to do, if the runtime gives one of two reasons. */
  #whyNotCancelled({ code, details }) {
    const { reason } = object(details);
    if (reason === "principal") return `It is the job of another principal, who may cancel it, and so may operators of the runtime. (${code})`;
    if (reason !== "session") return null;
    const window = duration(1000 * Number(this.welcome.resume_window_sec));
    return "Another session has submitted it. Cancel it there, or with the token of an operator of the runtime. Once that session " +
      `has been closed or without a connection for ${window}, every session of yours may cancel it. (${code})`;
  }

  #questionsListed(now, request, payload) {
    for (const row of list(payload.questions).map(object)) {
      const question = object(row.question);
      const key = `${row.job_id} ${question.question_id}`;
      const known = this.questions.get(key);
      request.questions.set(key, known ?? {
        key, job: row.job_id, id: question.question_id, agent: clean(row.agent) ?? "", principal: clean(row.principal) ?? "",
        mine: row.may_answer === true, sending: false, error: "", ...this.#question(question),
      });
    }
    const cursor = clean(payload.next_cursor);
    if (cursor && request.questions.size < 1000) {
      this.#session.request(now, `${VENDOR}list_questions`, { limit: 100, cursor }).questions = request.questions;
      return;
    }
    const before = this.questions.size;
    this.questions = request.questions;
    this.asking = new Set([...this.questions.values()].map((question) => question.job));
    if (this.questions.size > before) this.notices.push({ text: this.questions.size === 1 ? "1 open question" : `${count(this.questions.size)} open questions`, tone: "quiet" });
    this.#questionsAsked = false;
    this.#nextQuestions = now + 2 * POLL;
  }

  #question({ prompt, choices, schema, default: fallback, expires_at: expires }) {
    return {
      prompt: clean(prompt) ?? "", choices: Array.isArray(choices) ? choices.filter((c) => typeof c === "string") : null,
      schema: schema && typeof schema === "object" ? schema : null, fallback, expires: Date.parse(expires) || null,
    };
  }

  #event(now, { type, job: id, payload }) {
    const minute = Math.floor(now / MINUTE);
    this.minutes.set(minute, (this.minutes.get(minute) ?? 0) + 1);
    for (const old of this.minutes.keys()) if (old <= minute - 60) this.minutes.delete(old);
    if (!id) return;
    const job = this.#job(id, now);
    job.generation = this.#generation;
    const chosen = this.chosen?.id === id ? this.chosen : null;
    if (type === "job.event") return this.#progressed(now, job, payload, chosen);
    if (type !== "job.result" && type !== "job.error") return;
    const status = clean(payload.final_status) ?? (type === "job.result" ? "success" : "error");
    job.learned = true;
    job.ended = Date.parse(payload.completed_at) || now;
    job.code = clean(payload.code) ?? "";
    job.message = clean(payload.message) ?? clean(payload.summary) ?? "";
    this.#status(now, job, status === "timedout" ? "timed_out" : status);
    this.#subscribed.delete(id);
    this.#learn.delete(id);
    for (const [key, question] of this.questions) if (question.job === id) this.questions.delete(key);
    if (!chosen) return;
    this.#subscribed.set(id, now);
    chosen.result = type === "job.error" ? null : (payload.result ?? payload.output ?? null);
    this.#keep(chosen, { at: job.ended, kind: status === "success" ? "result" : "end", body: payload });
  }

  #progressed(now, job, { kind, ts, body }, chosen) {
    const details = object(body);
    if (job.status === "pending") this.#status(now, job, "running");
    switch (kind) {
      case "progress":
        job.progress = { current: Number(details.current) || 0, total: Number(details.total) || null, units: clean(details.units) ?? "", message: clean(details.message) ?? "" };
        break;
      case "status":
        // Two phases are about the page, which reads too slowly, and not about the job.
        if (details.phase === "subscription_dropped") {
          this.#subscribed.delete(job.id);
          if (chosen) this.#subscribe(now, job.id, true);
        } else if (details.phase !== "back_pressure") {
          job.phase = clean(details.phase) ?? "";
        }
        break;
      case "metric": {
        const value = Number(details.value);
        if (details.name === "cost.budget.remaining" && Number.isFinite(value)) job.left.set(clean(details.unit) ?? "", value);
        break;
      }
      case "delegate":
        this.#nextPoll = Math.min(this.#nextPoll, now);
        break;
      case `${VENDOR}question`:
      case `${VENDOR}answered`:
        this.#nextQuestions = Math.min(this.#nextQuestions, now);
        break;
    }
    if (!chosen) return;
    if (kind === "result_chunk") return this.#chunk(chosen, details);
    this.#keep(chosen, { at: Date.parse(ts) || now, kind: clean(kind) ?? "", body });
  }

  #keep(chosen, event) {
    const { kind, body } = event;
    const call = clean(object(body).call_id);
    if (kind === "tool_call" && call) chosen.calls.set(call, event);
    if (kind === "tool_result" && call && chosen.calls.has(call)) {
      event.tool = clean(object(chosen.calls.get(call).body).tool);
      event.took = event.at - chosen.calls.get(call).at;
      chosen.calls.delete(call);
    }
    if (chosen.calls.size > EVENTS) chosen.calls.delete(chosen.calls.keys().next().value);
    event.number = chosen.total++;
    chosen.events.push(event);
    if (chosen.events.length > 2 * EVENTS) {
      chosen.events = chosen.events.slice(-EVENTS);
      chosen.first = chosen.events[0].number;
    }
  }

  #chunk(chosen, { data, encoding, chunk_seq: seq }) {
    if (seq === 0) Object.assign(chosen, { text: "", bytes: 0, cut: false });
    chosen.streamed = true;
    const text = clean(data) ?? "";
    chosen.bytes += encoding === "base64" ? Math.floor((text.length * 3) / 4) : text.length;
    chosen.binary = encoding === "base64";
    if (chosen.binary) return;
    if (chosen.text.length + text.length > RESULT_TEXT) chosen.cut = true;
    else chosen.text += text;
  }
}

/** Returns the jobs as rows of a tree: the newest first, live ones before ended ones, children below their parents. */
export function tree(jobs, { filter = "all", find = "", closed = new Set() } = {}) {
  const wanted = find.trim().toLowerCase();
  const passes = (job) =>
    (filter === "all" || (filter === "live" ? isLive(job) : !isLive(job) && (filter === "ended" || job.status !== "success"))) &&
    (!wanted || job.agent.toLowerCase().includes(wanted) || job.id.toLowerCase().includes(wanted));
  const children = new Map();
  const roots = [];
  for (const job of jobs.values()) {
    if (!passes(job)) continue;
    const parent = job.parent && jobs.get(job.parent);
    if (!parent || !passes(parent)) roots.push(job);
    else if (children.has(parent.id)) children.get(parent.id).push(job);
    else children.set(parent.id, [job]);
  }
  roots.sort((a, b) => isLive(b) - isLive(a) || b.created - a.created || (a.id < b.id ? 1 : -1));
  const rows = [];
  // A circle of parents, which no honest runtime has, is reached from no root.
  const add = (job, level, at, of) => {
    const below = children.get(job.id) ?? [];
    const open = below.length > 0 && !closed.has(job.id);
    rows.push({ job, level, at, of, below: below.length, open });
    if (!open || level > 60) return;
    below.sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
    below.forEach((child, index) => add(child, level + 1, index + 1, below.length));
  };
  roots.forEach((job, index) => add(job, 1, index + 1, roots.length));
  return rows;
}

/** Returns the counts of each of the last 60 minutes, by when jobs were created and how they stand. */
export function starts(jobs, now) {
  const last = Math.floor(now / MINUTE);
  const minutes = Array.from({ length: 60 }, () => ({ running: 0, success: 0, error: 0, cancelled: 0 }));
  for (const job of jobs.values()) {
    const minute = minutes[59 - (last - Math.floor(job.created / MINUTE))];
    if (!minute) continue;
    const kind = isLive(job) ? "running" : job.status === "success" || job.status === "cancelled" ? job.status : "error";
    minute[kind] += 1;
  }
  return minutes;
}

/**
 * Returns the most jobs that lived at one time, in each of the last 60 minutes; how many live now; and how many have ended
 * nobody said when. Those count at their start alone.
 */
export function live(jobs, now) {
  const steps = [[now, 0]];
  const told = { most: [], now: 0, unknown: 0 };
  for (const job of jobs.values()) {
    const end = isLive(job) ? Infinity : (job.ended ?? job.created);
    if (isLive(job)) told.now += 1;
    else if (job.ended === null && job.created > now - HOUR) told.unknown += 1;
    steps.push([job.created, 1], [end, -1]);
  }
  steps.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const first = Math.floor(now / MINUTE) - 59;
  let level = 0;
  for (const [time, step] of steps) {
    const minute = Math.min(59, Math.floor(time / MINUTE) - first);
    while (told.most.length <= minute) told.most.push(level);
    level += step;
    if (minute >= 0) told.most[minute] = Math.max(told.most[minute], level);
  }
  return told;
}

const add = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** Returns a chart of sums per minute in words. */
export function sums(series) {
  const totals = series[0].values.map((_, at) => add(series.map(({ values }) => values[at])));
  const parts = series.length < 2 ? [] : series.map(({ name, values }) => [add(values), name]).filter(([sum]) => sum);
  const said = `${count(totals.at(-1))} in this minute, at most ${count(Math.max(...totals))} in a minute, ${count(add(totals))} in the last hour`;
  return parts.length ? `${said}: ${parts.map(([sum, name]) => `${count(sum)} ${name}`).join(", ")}` : said;
}

/** Returns a chart of a level in words. */
export const levels = (most, now) => `${count(now)} now, at most ${count(Math.max(...most))} at one time in the last hour`;

// ---- 4. Elements -----------------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
const LONG = { characters: 700, lines: 12 };

const $ = (id) => document.getElementById(id);

/** Makes an element. `properties` are set as they are; `data` and `aria` are attributes with that prefix. */
function make(tag, { data = {}, attributes = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(data)) element.dataset[name] = value;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Shows a text that may come from anyone. A node that shows it already is not touched. */
function say(node, text) {
  const safe = visible(text ?? "");
  if (node.textContent !== safe) node.textContent = safe;
}

/** Sets an attribute, or removes it if the value is null. */
function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** A text of someone else, which its direction does not escape from. */
function foreign(text, className = "") {
  const node = make("bdi", { className });
  say(node, text);
  return node;
}

/** A text of any length: its beginning, and a button that shows the rest. */
function long(text, className, expanded = false, onExpand = () => {}) {
  const box = make("div", { className: "long" });
  const body = make(className === "prose" || className === "prompt" ? "p" : "pre", { className, dir: "auto" });
  const part = cut(text, LONG.characters, LONG.lines);
  box.append(body);
  if (!part.cut || expanded) {
    say(body, text);
    return box;
  }
  say(body, `${part.text}\u2026`);
  const more = make("button", { type: "button", className: "plain more", textContent: `Show all (${count(text.length)} characters)` });
  more.addEventListener("click", () => {
    say(body, text);
    more.remove();
    body.tabIndex = -1;
    body.focus();
    onExpand();
  });
  box.append(more);
  return box;
}

/** Gives the focus to another node if it is in one that is about to go: a browser would leave it nowhere. */
function leave(node, to) { if (node.contains(document.activeElement)) to.focus(); }

const STATES = { pending: "waiting", running: "running", cancelling: "cancelling", success: "succeeded", error: "failed",
  cancelled: "cancelled", timed_out: "timed out" };

function showState(node, status) {
  mark(node, "data-state", STATES[status] ? status : "other");
  say(node, STATES[status] ?? status);
}

const clock = (at) => new Date(at).toLocaleTimeString("en-GB", { hour12: false });

/** Fills a list of names and values, keeping the nodes of names that stay. */
function showFacts(box, facts) {
  const rows = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  while (box.children.length > rows.length) box.lastChild.remove();
  rows.forEach(([name, value], at) => {
    const row = box.children[at] ?? box.appendChild(make("div", {}, make("dt"), make("dd", { dir: "auto" })));
    say(row.firstChild, name);
    say(row.lastChild, value);
  });
}

// ---- 5. Views --------------------------------------------------------------------------------------------------------

/** The jobs: rows of equal height, of which only those on the screen exist. */
class Grid {
  #box = $("grid");
  #rows = $("rows");
  #nodes = new Map();
  #list = [];
  #key = "";
  #closed = new Set();
  #active = null;
  #height = 0;

  constructor(page) {
    this.page = page;
    this.#box.addEventListener("scroll", () => page.draw(), { passive: true });
    this.#box.addEventListener("keydown", (event) => this.#press(event));
    this.#box.addEventListener("focus", () => {
      this.#active ??= this.#list[0]?.job.id ?? null;
      page.draw();
    });
    this.#rows.addEventListener("click", (event) => {
      const row = event.target.closest("[role=row]");
      if (!row) return;
      this.#active = row.dataset.job;
      if (event.target.closest(".twist")) this.#fold(this.#list.find((entry) => entry.job.id === this.#active));
      else page.choose(this.#active, false);
      page.draw();
    });
    for (const id of ["filter", "find"]) $(id).addEventListener("input", () => page.draw());
  }

  draw(model, now) {
    const [filter, find] = [$("filter").value, $("find").value];
    const key = `${model.order} ${filter} ${find}`;
    if (key !== this.#key) {
      this.#key = key;
      this.#list = tree(model.jobs, { filter, find, closed: this.#closed });
    }
    const list = this.#list;
    this.#height = parseFloat(getComputedStyle(this.#box).getPropertyValue("--row")) || 44;
    const top = this.#box.scrollTop;
    const first = Math.max(0, Math.floor(top / this.#height) - 4);
    const last = Math.min(list.length, Math.ceil((top + this.#box.clientHeight) / this.#height) + 4);
    this.#rows.style.height = `${list.length * this.#height}px`;
    mark(this.#box, "aria-rowcount", list.length + 1);
    const gone = new Set(this.#nodes.keys());
    model.onScreen.clear();
    for (let at = first; at < last; at++) {
      const entry = list[at];
      gone.delete(entry.job.id);
      model.onScreen.add(entry.job.id);
      this.#draw(entry, at, model, now);
    }
    for (const id of gone) {
      this.#nodes.get(id).row.remove();
      this.#nodes.delete(id);
    }
    if (this.#active && !model.jobs.has(this.#active)) this.#active = null;
    mark(this.#box, "aria-activedescendant", this.#active && this.#nodes.has(this.#active) ? `row-${this.#active}` : null);
    $("jobs-empty").hidden = list.length > 0 || !model.listed;
    say($("jobs-count"), list.length === model.jobs.size ? count(model.jobs.size) : `${count(list.length)} of ${count(model.jobs.size)}`);
  }

  #draw({ job, level, at: place, of, below, open }, at, model, now) {
    const node = this.#nodes.get(job.id) ?? this.#make(job.id);
    const { row } = node;
    row.style.transform = `translateY(${at * this.#height}px)`;
    row.style.setProperty("--level", Math.min(level - 1, 8));
    mark(row, "aria-rowindex", at + 2);
    mark(row, "aria-level", level);
    mark(row, "aria-posinset", place);
    mark(row, "aria-setsize", of);
    mark(row, "aria-expanded", below ? open : null);
    mark(row, "aria-selected", model.chosen?.id === job.id);
    row.classList.toggle("active", this.#active === job.id);
    node.twist.hidden = !below;
    say(node.agent, job.agent || "unknown agent");
    say(node.id, `${job.id.slice(0, 8)}\u2026${job.id.slice(-6)}`);
    showState(node.state, job.status);
    const part = progressOf(job);
    if (isLive(job) && model.asking.has(job.id)) part.text = "waits for an answer";
    node.meter.hidden = part.fraction === null;
    if (part.fraction !== null) node.bar.style.width = `${100 * part.fraction}%`;
    say(node.progress, part.text);
    mark(node.progress, "title", visible(part.text));
    say(node.cost, costs(job).map((cost) => cost.short).join(", "));
    say(node.age, duration(now - job.created));
    mark(node.age, "title", `since its submission${job.ended ? `; it took ${duration(job.ended - job.created)}` : ""}`);
  }

  #make(id) {
    const [agent, short, state, bar, progress, cost, age] = ["agent", "id", "state", "fill", "words", "", "age"].map((name) => make(name === "agent" ? "bdi" : "span", { className: name }));
    const twist = make("span", { className: "twist", attributes: { "aria-hidden": "true" } });
    const meter = make("span", { className: "meter", attributes: { "aria-hidden": "true" } }, bar);
    const cell = (className, ...children) => make("span", { className, attributes: { role: "gridcell" } }, ...children);
    const row = make("div", { className: "row", id: `row-${id}`, data: { job: id }, attributes: { role: "row" } },
      cell("name", twist, agent, short), cell("is", state), cell("progress", meter, progress), cell("cost", cost), cell("right", age));
    const node = { row, twist, agent, id: short, state, meter, bar, progress, cost, age };
    this.#nodes.set(id, node);
    this.#rows.append(row);
    return node;
  }

  #fold(entry, open = !entry.open) {
    if (!entry.below) return;
    if (open) this.#closed.delete(entry.job.id);
    else this.#closed.add(entry.job.id);
    this.#key = "";
    this.page.draw();
  }

  #press(event) {
    const list = this.#list;
    const at = list.findIndex((entry) => entry.job.id === this.#active);
    const entry = list[at];
    const page = Math.max(1, Math.floor(this.#box.clientHeight / this.#height) - 1);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: list.length - 1 };
    if (event.altKey || event.ctrlKey || event.metaKey || list.length === 0) return;
    if (event.key in moves) {
      this.#move(Math.min(list.length - 1, Math.max(0, moves[event.key])));
    } else if (entry && (event.key === "Enter" || event.key === " ")) {
      this.page.choose(entry.job.id, true);
    } else if (entry && event.key === "ArrowRight") {
      if (entry.open) this.#move(at + 1);
      else this.#fold(entry, true);
    } else if (entry && event.key === "ArrowLeft") {
      if (entry.open) this.#fold(entry, false);
      else if (entry.job.parent) this.#move(Math.max(0, list.findIndex((other) => other.job.id === entry.job.parent)));
    } else {
      return;
    }
    event.preventDefault();
  }

  #move(at) {
    this.#active = this.#list[at].job.id;
    const [top, view] = [at * this.#height, this.#box.clientHeight - this.#rows.offsetTop];
    if (top < this.#box.scrollTop) this.#box.scrollTop = top;
    else if (top + this.#height > this.#box.scrollTop + view) this.#box.scrollTop = top + this.#height - view;
    this.page.draw();
  }
}

function progressOf({ progress, phase, status, code, message }) {
  if (status !== "running" && status !== "cancelling" && status !== "pending") {
    return { fraction: null, text: status === "success" ? message : [code, message].filter(Boolean).join(": ") };
  }
  if (!progress) return { fraction: null, text: phase === "running" ? "" : phase };
  const { current, total, units, message: said } = progress;
  const text = total ? `${amount(current)} of ${amount(total)} ${units}` : `${amount(current)} ${units}`;
  return { fraction: total ? Math.min(1, Math.max(0, current / total)) : null, text: said ? `${text.trim()} \u00b7 ${said}` : text.trim() };
}

function costs({ granted, left }) {
  return [...granted].map(([currency, budget]) => {
    const spent = budget - (left.get(currency) ?? budget);
    return { currency, fraction: budget ? Math.min(1, Math.max(0, spent / budget)) : 1, over: spent > budget, short: `${amount(spent)} / ${amount(budget)} ${currency}` };
  });
}

/** The chosen job: its facts, result and events. */
class Detail {
  #shown = null;
  #drawn = 0;
  #kinds = "all";
  #result = "";
  #expanded = new Set();

  constructor(page) {
    this.page = page;
    const model = () => page.model;
    $("cancel").addEventListener("click", () => {
      $("confirm").hidden = false;
      $("confirm-no").focus();
    });
    $("confirm-no").addEventListener("click", () => this.#confirmed());
    $("confirm-yes").addEventListener("click", () => {
      this.#confirmed();
      if (model().chosen) model().cancel(Date.now(), model().chosen.id);
      page.turn();
    });
    $("close-detail").addEventListener("click", () => {
      page.choose(null, false);
      $("grid").focus();
    });
    $("kinds").addEventListener("change", () => page.draw());
  }

  #confirmed() {
    $("confirm").hidden = true;
    if (!$("cancel").hidden) $("cancel").focus();
    else $("detail-title").focus();
  }

  draw(model, now) {
    const { chosen } = model;
    $("detail").classList.toggle("none", !chosen);
    $("detail-none").hidden = Boolean(chosen);
    $("detail-job").hidden = !chosen;
    if (!chosen) {
      this.#shown = null;
      return;
    }
    const job = model.jobs.get(chosen.id);
    if (!job) return;
    if (this.#shown !== chosen.id) {
      this.#shown = chosen.id;
      this.#expanded.clear();
      this.#result = "";
      this.#empty();
      $("result").replaceChildren();
      $("confirm").hidden = true;
    }
    say($("detail-title"), job.agent || "unknown agent");
    showState($("detail-state"), job.status);
    const live = isLive(job);
    if (!live || job.status === "cancelling") {
      for (const gone of [$("cancel"), $("confirm")]) {
        leave(gone, $("detail-title"));
        gone.hidden = true;
      }
    } else {
      $("cancel").hidden = false;
    }
    say($("detail-error"), chosen.error);
    const constraints = Object.entries(job.lease).filter(([name]) => name !== "cost.budget");
    showFacts($("facts"), [
      ["Job", job.id],
      ["Delegated by", job.parent],
      ["Session", live && job.owner ? `${job.owner} (may cancel it)` : ""],
      ["Submitted", new Date(job.created).toLocaleString("en-GB")],
      [live ? "Age" : "Took", live ? duration(now - job.created) : job.ended && duration(job.ended - job.created)],
      ["Phase", live ? job.phase : ""],
      ["Failure", job.status === "success" || live ? "" : [job.code, job.message].filter(Boolean).join(": ")],
      ["Summary", job.status === "success" ? job.message : ""],
      ["Lease until", job.expires && new Date(job.expires).toLocaleString("en-GB")],
      ["May use", constraints.map(([name, patterns]) => `${name}: ${list(patterns).join(", ")}`).join("\n")],
      ["Trace", job.trace],
    ]);
    this.#meters(job);
    this.#drawResult(chosen);
    this.#drawEvents(chosen);
  }

  #meters(job) {
    const part = progressOf(job);
    const meters = costs(job).map((cost) => ({ name: `Cost in ${cost.currency}`, text: cost.short, ...cost, tone: cost.over || cost.fraction >= 0.9 ? "error" : "cost" }));
    if (part.fraction !== null) meters.unshift({ name: "Progress", text: part.text, fraction: part.fraction, tone: "running" });
    const box = $("meters");
    while (box.children.length > meters.length) box.lastChild.remove();
    meters.forEach(({ name, text, fraction, tone }, at) => {
      const row = box.children[at] ?? box.appendChild(make("div", {}, make("span"), make("bdi"), make("span", { className: "meter", attributes: { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 } }, make("span", { className: "fill" }))));
      const [label, words, meter] = row.children;
      say(label, name);
      say(words, text);
      mark(meter, "aria-label", visible(name));
      mark(meter, "aria-valuenow", Math.round(100 * fraction));
      mark(meter, "data-tone", tone);
      meter.firstChild.style.width = `${100 * fraction}%`;
    });
  }

  #drawResult(chosen) {
    const text = chosen.streamed ? chosen.text : chosen.result === undefined || chosen.result === null ? "" : shown(chosen.result);
    const key = `${text.length} ${chosen.bytes} ${chosen.cut} ${chosen.streamed} ${text.slice(-40)}`;
    $("result-box").hidden = !chosen.streamed && !text;
    if (key === this.#result) return;
    this.#result = key;
    const notes = [];
    if (chosen.binary) notes.push(`Bytes are not shown; ${count(chosen.bytes)} have come.`);
    if (chosen.cut) notes.push("The result is longer than the page keeps.");
    say($("result-note"), notes.join(" "));
    // A result that is read, and maybe focused, while it grows stays the same node.
    const open = this.#expanded.has("result") && $("result").querySelector("pre");
    if (open) say(open, text);
    else {
      const fresh = long(text, "", false, () => this.#expanded.add("result"));
      const focused = $("result").contains(document.activeElement);
      $("result").replaceChildren(fresh);
      if (focused) fresh.querySelector("button")?.focus();
    }
  }

  #empty() {
    $("events").replaceChildren();
    this.#drawn = 0;
  }

  #drawEvents(chosen) {
    const box = $("events");
    const kinds = $("kinds").value;
    const total = chosen.total;
    if (kinds !== this.#kinds || total < this.#drawn) this.#empty();
    this.#kinds = kinds;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    // Of a burst only the last rows are made: the others would be gone before they are seen.
    const from = Math.max(this.#drawn, chosen.first, total - ROWS);
    const fresh = [];
    for (let number = from; number < total; number++) {
      const event = chosen.events[number - chosen.first];
      if (kinds === "all" || kindOf(event.kind) === kinds) fresh.push(this.#row(event));
    }
    if (fresh.length) {
      box.append(...fresh);
      while (box.children.length > ROWS) {
        leave(box.firstChild, box);
        box.firstChild.remove();
      }
      if (atEnd) box.scrollTop = box.scrollHeight;
    }
    this.#drawn = total;
    say($("events-count"), chosen.waiting ? "loading" : count(total));
    const earlier = Math.max(0, total - ROWS);
    $("events-earlier").hidden = !(earlier || chosen.truncated);
    say($("events-earlier"), earlier ? `${count(earlier)} earlier events are not shown.` : "The runtime no longer keeps the earliest events.");
  }

  #row(event) {
    const { title, text, prose } = describe(event);
    const row = make("li", { data: { kind: kindOf(event.kind), tone: toneOf(event) } },
      make("time", { textContent: clock(event.at), dateTime: new Date(event.at).toISOString() }), foreign(event.kind.replace("x-vendor.nuncio.", ""), "kind"));
    const body = make("div", { className: "body" });
    if (title) body.append(foreign(title, "title"));
    if (text) body.append(long(text, prose ? "prose" : "", this.#expanded.has(event.number), () => this.#expanded.add(event.number)));
    row.append(body);
    return row;
  }
}

const ROWS = 400;
const SESSIONS = 100;

function kindOf(kind) {
  if (kind.startsWith("tool_")) return "tools";
  return kind === "log" || kind === "thought" ? "logs" : "other";
}

function toneOf({ kind, body }) {
  const details = object(body);
  if (kind === "end" || details.error || details.level === "error") return "error";
  if (kind === "result") return "success";
  if (details.level === "warn") return "warn";
  return kind === `${VENDOR}question` ? "question" : "";
}

/** Returns a line and a longer text for an event. */
function describe({ kind, body, tool, took }) {
  const b = object(body);
  const error = (e) => [e.code, e.message].filter((part) => typeof part === "string").join(": ");
  switch (kind) {
    case "log": return { title: clean(b.level) === "info" ? "" : clean(b.level), text: [clean(b.message) ?? "", b.attributes ? shown(b.attributes) : ""].filter(Boolean).join("\n"), prose: true };
    case "thought": return { text: clean(b.text) ?? shown(body), prose: true };
    case "tool_call": return { title: clean(b.tool) ?? clean(b.name), text: shown(b.args ?? b.arguments ?? "") };
    case "tool_result": return { title: [tool ?? clean(b.call_id), took === undefined ? "" : `after ${duration(took)}`].filter(Boolean).join(" "), text: b.error ? error(object(b.error)) : shown(b.result ?? b.output ?? "") };
    case "status": return { title: clean(b.phase), text: clean(b.message), prose: true };
    case "metric": return { title: clean(b.name), text: `${shown(b.value)} ${clean(b.unit) ?? ""}`.trim() };
    case "progress": return { title: progressOf({ status: "running", progress: { current: Number(b.current) || 0, total: Number(b.total) || null, units: clean(b.units) ?? "", message: clean(b.message) ?? "" } }).text };
    case "artifact_ref": return { title: clean(b.content_type) ?? clean(b.media_type), text: clean(b.uri) };
    case "delegate": return { title: clean(b.agent), text: [clean(b.child_job_id), b.input === undefined ? "" : shown(b.input)].filter(Boolean).join("\n") };
    case "result": return { title: "The job has succeeded.", text: clean(b.summary) };
    case "end": return { title: "The job has ended.", text: error(b), prose: true };
    case `${VENDOR}question`: return { title: clean(b.prompt) };
    case `${VENDOR}answered`: return { title: [clean(b.outcome), clean(b.by)].filter(Boolean).join(" by "), text: [b.value === undefined ? "" : shown(b.value), clean(b.note)].filter(Boolean).join("\n") };
    default: return { text: shown(body) };
  }
}

/** The open questions. A form stays as it is while others come and go. */
class Questions {
  #forms = new Map();

  constructor(page) { this.page = page; }

  draw(model, now) {
    const box = $("question-list");
    for (const [key, form] of this.#forms) {
      if (model.questions.has(key)) continue;
      // To the next question, and not to its buttons: whoever presses Enter twice answers one question alone.
      const next = form.item.nextElementSibling ?? form.item.previousElementSibling;
      leave(form.item, next?.querySelector(".long") ?? $("jobs-title"));
      form.item.remove();
      this.#forms.delete(key);
    }
    for (const question of model.questions.values()) {
      let form = this.#forms.get(question.key);
      if (!form && this.#forms.size < 50) {
        form = this.#make(question);
        this.#forms.set(question.key, form);
        box.append(form.item);
      }
      if (!form) continue;
      say(form.error, question.error);
      say(form.due, question.expires ? (question.expires > now ? `${duration(question.expires - now)} left` : "expired") : "");
      // A control that is disabled loses the focus, so what is sent stays as it is; the model sends it once.
      mark(form.form, "aria-busy", question.sending);
    }
    $("questions").hidden = model.questions.size === 0;
    say($("questions-title"), `Open questions (${count(model.questions.size)})`);
  }

  #make(question) {
    const { key, agent, job, principal, prompt, choices, schema, fallback, mine } = question;
    const id = `q-${this.page.next++}`;
    const [error, due] = [make("p", { className: "error", attributes: { role: "alert" } }), make("span", { className: "due" })];
    const fields = make("fieldset", { disabled: !mine }, make("legend", { className: "hidden", textContent: "Answer" }));
    const open = make("button", { type: "button", className: "plain", textContent: "Show the job" });
    open.addEventListener("click", () => this.page.choose(job, true));
    const who = make("p", { className: "who" }, foreign(agent), " asks", ...(principal ? [" for ", foreign(principal)] : []), " ", due);
    const text = long(prompt, "prompt");
    Object.assign(text, { id, tabIndex: -1 });
    const form = make("form", { attributes: { "aria-labelledby": id } }, fields, error);
    const note = make("input", { type: "text", autocomplete: "off", maxLength: 2000, attributes: { "aria-label": "Note to the answer" } });
    const send = (value) => {
      this.page.model.answer(Date.now(), key, value, note.value.trim());
      this.page.turn();
    };
    const buttons = make("div", { className: "buttons" });
    if (choices) {
      for (const choice of choices.slice(0, 100)) {
        const button = make("button", { type: "button" }, foreign(choice));
        button.addEventListener("click", () => send(choice));
        buttons.append(button);
      }
      form.addEventListener("submit", (event) => event.preventDefault());
      fields.append(buttons);
    } else {
      const control = schema ? typed(schema, id, "Answer", true) : typed({ type: "string" }, id, "Answer", true);
      buttons.append(make("button", { type: "submit", textContent: "Send answer" }));
      fields.append(control.node, buttons);
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        try {
          send(control.read());
        } catch (wrong) {
          question.error = wrong.message;
          this.page.draw();
        }
      });
    }
    fields.append(make("details", { className: "note" }, make("summary", { textContent: "Add a note" }), note));
    if (fallback !== undefined) who.append(" \u00b7 without an answer it is ", foreign(cut(shown(fallback), 80, 1).text));
    if (!mine) form.append(make("p", { className: "empty", textContent: "You may read this question but not answer it. Connect with the token of a principal that may, such as an approver of the runtime." }));
    return { item: make("li", {}, make("div", { className: "asker" }, who, open), text, form), form, error, due };
  }
}

/** Returns a control for a value of a JSON Schema, and what reads it. What it cannot draw is typed as JSON. */
function typed(schema, id, name, required, depth = 0) {
  const label = clean(schema.title) ?? name;
  const hint = clean(schema.description);
  const frame = (control, read) => {
    const node = make("div", { className: "field" }, make("label", { htmlFor: control.id }, foreign(label), ...(required ? [] : [" (optional)"])));
    if (hint) node.append(make("p", { className: "hint", dir: "auto", id: `${id}-hint`, textContent: visible(hint) }));
    if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
    node.append(control);
    return { node, read: () => (!required && control.value === "" ? undefined : read(control.value)) };
  };
  const options = Array.isArray(schema.enum) ? schema.enum : schema.type === "boolean" ? [true, false] : null;
  if (options) {
    const select = make("select", { id, required });
    select.append(make("option", { value: "", textContent: "choose" }));
    options.forEach((option, at) => select.append(make("option", { value: String(at), textContent: visible(schema.type === "boolean" ? (option ? "yes" : "no") : shown(option)) })));
    return frame(select, (at) => options[Number(at)]);
  }
  if (schema.type === "number" || schema.type === "integer") {
    const input = make("input", { id, type: "number", required, step: schema.type === "integer" ? "1" : "any" });
    if (Number.isFinite(schema.minimum)) input.min = schema.minimum;
    if (Number.isFinite(schema.maximum)) input.max = schema.maximum;
    return frame(input, Number);
  }
  if (schema.type === "string") {
    const area = make("textarea", { id, rows: depth ? 1 : 2, required: required && (schema.minLength ?? 1) > 0, spellcheck: true });
    // JSON Schema counts characters where the browser counts halves of pairs, so only the runtime checks the most.
    return frame(area, String);
  }
  const properties = Object.entries(object(schema.properties));
  if (schema.type === "object" && depth < 3 && properties.length > 0 && properties.length <= 40) {
    const must = new Set(list(schema.required));
    const members = properties.map(([member, inner], at) => [member, typed(object(inner), `${id}-${at}`, member, must.has(member), depth + 1)]);
    const node = make("fieldset", { className: "object" }, make("legend", {}, foreign(label)), ...members.map(([, control]) => control.node));
    const read = () => {
      const read = members.map(([member, control]) => [member, control.read()]).filter(([, value]) => value !== undefined);
      return read.length || required ? Object.fromEntries(read) : undefined;
    };
    return { node, read };
  }
  const area = make("textarea", { id, rows: 3, required, spellcheck: false, className: "code" });
  return frame(area, (text) => {
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`${label}: this is not JSON. Write a text as "text", a list as [1, 2].`);
    }
  });
}

/** Draws bars in an SVG of 60 minutes. */
function chart(svg, series, words) {
  mark(svg, "aria-label", words);
  const [width, height, gap] = [360, 96, 1];
  const most = Math.max(1, ...series[0].values.map((_, at) => add(series.map(({ values }) => values[at]))));
  const key = JSON.stringify([series.map(({ values }) => values)]);
  if (svg.dataset.key === key) return;
  svg.dataset.key = key;
  const shape = (tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const write = (text, x, y, anchor) => {
    const node = shape("text", { x, y, "text-anchor": anchor });
    node.textContent = text;
    return node;
  };
  const base = height - 16;
  const top = 14;
  const parts = [shape("line", { x1: 0, x2: width, y1: base + 0.5, y2: base + 0.5, class: "axis" }), shape("line", { x1: 0, x2: width, y1: top + 0.5, y2: top + 0.5, class: "axis faint" })];
  const step = width / 60;
  const floor = Array(60).fill(0);
  for (const { values, tone } of series) {
    let path = "";
    values.forEach((value, at) => {
      if (!value) return;
      const [from, to] = [floor[at], floor[at] + value];
      floor[at] = to;
      const scale = (base - top) / most;
      path += `M${(at * step + gap / 2).toFixed(2)} ${(base - from * scale).toFixed(2)}V${(base - to * scale).toFixed(2)}h${(step - gap).toFixed(2)}V${(base - from * scale).toFixed(2)}z`;
    });
    if (path) parts.push(shape("path", { d: path, "data-tone": tone }));
  }
  parts.push(write(count(most), 0, 10, "start"), write("1 h ago", 0, height - 2, "start"), write("now", width, height - 2, "end"));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...parts);
}

function drawNumbers(model, now) {
  const counts = { running: 0, pending: 0, success: 0, error: 0 };
  for (const job of model.jobs.values()) {
    if (job.status === "pending") counts.pending += 1;
    else if (isLive(job)) counts.running += 1;
    else if ((job.ended ?? job.created) > now - HOUR && job.status !== "cancelled") counts[job.status === "success" ? "success" : "error"] += 1;
  }
  for (const [name, value] of Object.entries(counts)) say($(`n-${name}`), count(value));
  say($("n-questions"), count(model.questions.size));
}

function drawCharts(model, now) {
  const minutes = starts(model.jobs, now);
  const kinds = Object.entries({ running: "live", success: "succeeded", error: "failed", cancelled: "cancelled" });
  const started = kinds.map(([tone, name]) => ({ tone, name, values: minutes.map((minute) => minute[tone]) }));
  chart($("chart-jobs"), started, `Jobs by their start: ${sums(started)}`);
  const { most, now: level, unknown } = live(model.jobs, now);
  chart($("chart-live"), [{ tone: "running", values: most }], `Live jobs: ${levels(most, level)}`);
  say($("live-note"), `most at one time, per minute${unknown ? `; without the ends of ${count(unknown)} jobs, which the runtime does not tell` : ""}`);
  const last = Math.floor(now / MINUTE);
  const events = [{ tone: "cost", values: minutes.map((_, at) => model.minutes.get(last - 59 + at) ?? 0) }];
  chart($("chart-events"), events, `Events received since this page was opened: ${sums(events)}`);
}

function drawSession(session, { welcome }, url) {
  const runtime = object(welcome.runtime);
  const capabilities = object(welcome.capabilities);
  const agents = list(capabilities.agents).map((agent) => (typeof agent === "string" ? agent : [object(agent).name, list(object(agent).versions).join(", ")].filter(Boolean).join(" @ ")));
  showFacts($("session-facts"), [
    ["URL", url],
    ["Runtime", [runtime.name, runtime.version].filter(Boolean).join(" ")],
    ["Session", clean(welcome.session_id)],
    ["Events received", `${count(session.facts.received)}, the last is number ${count(session.last)}`],
    ["Events lost", session.facts.lost ? count(session.facts.lost) : ""],
    ["Resumed", `${count(session.facts.resumes)} times`],
    ["Sessions of this page", count(session.facts.sessions)],
    ["Can be resumed for", welcome.resume_window_sec ? duration(1000 * welcome.resume_window_sec) : ""],
    ["Heartbeat", welcome.heartbeat_interval_sec ? `every ${duration(1000 * welcome.heartbeat_interval_sec)}` : ""],
    ["Round trip", session.facts.roundTrip === null ? "" : duration(session.facts.roundTrip)],
    ["Agents", agents.join("\n")],
    ["Features", list(capabilities.features).join(", ")],
  ]);
  say($("peer"), [runtime.name, runtime.version].filter(Boolean).join(" "));
}

/** Shows the state of the runtime, or nothing if it is not told. */
function drawStatus({ status }) {
  $("runtime").hidden = !status;
  if (!status) return;
  const [sessions, jobs, memory, journal] = [status.sessions, status.jobs, status.memory, status.journal].map(object);
  const [size, number, time] = [bytes, count, (s) => duration(1000 * s)].map((show) => (n) => (Number.isFinite(n) ? show(n) : null));
  const said = (...parts) => parts.filter(([value]) => value !== null).map(([value, words]) => words.replace("%", () => value)).join(", ");
  const agent = (row) => `${clean(row.agent) ?? ""} (${clean(row.topic) ?? ""}): ${said([number(row.dispatched), "% dispatched"], [number(row.outstanding), "% outstanding"])}`;
  const pool = ({ bus, agents, agents_left_out: more }) => [said([time(object(bus).since_sec), `${clean(object(bus).state) ?? "unknown"} for %`]),
    ...list(agents).map(object).map(agent), ...(more ? [`${number(more)} more agents`] : [])].join("\n");
  showFacts($("runtime-facts"), [
    ["Uptime", time(status.uptime_sec)], ["Connections", number(status.connections)],
    ["Sessions", said([number(sessions.live), "% open"], [number(sessions.detached), "% disconnected or closed"])],
    ["Jobs", said([number(jobs.running), "% running"], [number(jobs.pending), "% waiting"], [number(jobs.kept), "% ended"])],
    ["Memory", said([size(memory.bytes), "%"], [size(memory.limit), "at most %"])],
    ["Journal", said([size(journal.bytes), "%"], [size(journal.max_bytes), "at most %"], [size(journal.free_bytes), "% free on its disk"])],
    ["Commits", said([number(journal.commits), "%"], [time(journal.committed_sec), "the last % ago"], [time(journal.last_commit_us / 1e6), "in %"])],
    ["Writes fail", said([time(journal.failing_sec), "for %"], [clean(journal.error) ?? null, "%"])],
    ...list(status.pools).map((row) => ["Pool", pool(object(row))]), ["More pools", number(status.pools_left_out)], ["More shards", number(status.shards_left_out)],
    ...list(status.shards).map((row, at) => [`Shard ${at + 1}`, said([number(object(row.sessions).live), "% open sessions"], [number(object(row.jobs).running), "% jobs running"])]),
  ]);
}

/** Shows the sessions: first those with a connection, then those with jobs. */
function drawSessions({ sessions, welcome }) {
  $("sessions").hidden = !sessions;
  if (!sessions) return;
  const all = list(sessions.sessions).map(object);
  const rank = ({ state, jobs }) => (state === "live" ? 2 : 0) + (jobs > 0 ? 1 : 0);
  const rows = all.sort((a, b) => rank(b) - rank(a)).slice(0, SESSIONS);
  const more = Boolean(clean(sessions.next_cursor));
  say($("sessions-count"), `${more ? "more than " : ""}${count(all.length)}`);
  say($("sessions-more"), more || rows.length < all.length ? `${count(rows.length)} sessions are shown.` : "");
  const box = $("session-rows");
  while (box.children.length > rows.length) box.lastChild.remove();
  rows.forEach(({ session_id: id, principal, state, jobs, last_event_seq: last, resumable_until: until }, at) => {
    const row = box.children[at] ?? box.appendChild(make("tr", {}, make("th", { scope: "row", className: "id" }), ...["", "", "right", "right", ""].map((className) => make("td", { className, dir: "auto" }))));
    const words = { live: "open", detached: "disconnected", closed: "closed" };
    const time = Date.parse(until);
    const cells = [clean(id), clean(principal), `${words[state] ?? clean(state)}${id === welcome.session_id ? " (this page)" : ""}`,
      count(Number(jobs) || 0), count(Number(last) || 0), time ? clock(time) : ""];
    cells.forEach((text, cell) => say(row.children[cell], text));
  });
}

// ---- 6. Page ---------------------------------------------------------------------------------------------------------

const LINKS = { idle: "Not connected", connecting: "Connecting", greeting: "Connecting", live: "Live", waiting: "Reconnecting", over: "Not connected" };
// The token is kept here only if the user asks for it; the browser forgets it with the tab.
const KEPT = "nuncio-console";

class Page {
  session = null;
  model = null;
  next = 1;
  #socket = null;
  #timer = 0;
  #frame = 0;
  #slow = 0;
  #linkBefore = "";
  #url = "";
  #grid = new Grid(this);
  #detail = new Detail(this);
  #questions = new Questions(this);

  constructor() {
    $("login-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#login($("url").value.trim(), $("token").value, $("keep").checked);
    });
    $("leave").addEventListener("click", () => {
      sessionStorage.removeItem(KEPT);
      this.session.end(Date.now());
      this.turn();
    });
    addEventListener("resize", () => this.draw());
    document.addEventListener("visibilitychange", () => this.turn());
    // Ages go on while nothing else changes.
    setInterval(() => this.draw(), 1000);
    const beside = new URL("arcp", document.baseURI);
    beside.protocol = beside.protocol === "https:" ? "wss:" : "ws:";
    $("url").value = beside.href;
    const kept = this.#kept();
    if (kept) {
      $("keep").checked = true;
      this.#login(kept.url, kept.token, true);
    } else {
      $("token").focus();
    }
  }

  #kept() {
    try {
      const kept = object(JSON.parse(sessionStorage.getItem(KEPT) ?? "null"));
      return clean(kept.url) && clean(kept.token) ? kept : null;
    } catch {
      return null;
    }
  }

  #login(url, token, keep) {
    say($("login-error"), "");
    let wanted;
    try {
      wanted = new URL(url);
    } catch {
      wanted = null;
    }
    if (!wanted || !["ws:", "wss:"].includes(wanted.protocol) || wanted.hash) {
      say($("login-error"), "A URL of a runtime starts with ws:// or wss://, such as ws://127.0.0.1:7777/arcp.");
      return $("url").focus();
    }
    if (wanted.username || wanted.password) {
      say($("login-error"), "Leave names and passwords out of the URL, and type the token below.");
      return $("url").focus();
    }
    if (keep) sessionStorage.setItem(KEPT, JSON.stringify({ url, token }));
    else sessionStorage.removeItem(KEPT);
    $("url").value = url;
    this.#url = wanted.href;
    $("connect").disabled = true;
    this.session = new Session(token, Math.random);
    this.model = new Model(this.session);
    this.session.start(Date.now());
    this.turn();
  }

  choose(id, focus) {
    this.model.choose(Date.now(), id);
    this.turn();
    if (!id) return;
    this.#render();
    if (focus) $("detail-title").focus();
    if (matchMedia("(max-width: 1099px)").matches) $("detail").scrollIntoView({ block: "start" });
  }

  /** Does what session and model ask for, and sets the next alarm. */
  turn() {
    const { session, model } = this;
    if (!session) return;
    const now = Date.now();
    if (session.deadline() <= now) session.timeout(now);
    model.turn(now);
    for (let out = session.take(); out.length; out = session.take()) {
      for (const output of out) {
        if (output.do === "connect") this.#open();
        else if (output.do === "close") this.#close();
        else if (output.do === "send") this.#socket?.send(output.text);
        else if (output.do === "state") this.#changed(output);
        else model.handle(now, output);
      }
      model.turn(now);
    }
    clearTimeout(this.#timer);
    const due = Math.min(session.deadline(), model.deadline());
    if (due < Infinity) this.#timer = setTimeout(() => this.turn(), Math.max(5, due - Date.now()));
    this.draw();
  }

  #open() {
    let socket;
    try {
      socket = new WebSocket(this.#url);
    } catch {
      return this.session.lost(Date.now());
    }
    const told = (what) => (event) => {
      if (this.#socket !== socket) return;
      what(event);
      this.turn();
    };
    socket.onopen = told(() => this.session.opened(Date.now()));
    socket.onmessage = told(({ data }) => typeof data === "string" && this.session.frame(Date.now(), data));
    socket.onclose = told(({ code }) => {
      this.#socket = null;
      this.session.lost(Date.now(), code);
    });
    this.#socket = socket;
  }

  #close() {
    this.#socket?.close();
    this.#socket = null;
  }

  #changed({ state, why }) {
    const link = LINKS[state];
    mark($("link"), "data-state", state);
    say($("link-text"), link);
    if (this.#linkBefore && link !== this.#linkBefore && state !== "connecting") say($("live"), link);
    this.#linkBefore = link;
    if (state === "live") {
      $("token").value = "";
      $("connect").disabled = false;
      if ($("board").hidden) {
        $("login").hidden = true;
        $("board").hidden = $("leave").hidden = false;
        $("main").focus({ preventScroll: true });
      }
    }
    if (state !== "over") return;
    $("board").hidden = $("leave").hidden = true;
    $("login").hidden = $("connect").disabled = false;
    say($("peer"), "");
    if (why) sessionStorage.removeItem(KEPT);
    say($("login-error"), why ?? "");
    $("token").focus();
  }

  /** Draws once, with the next frame of the screen. */
  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
      // What came onto the screen is of interest now.
      const { session, model } = this;
      if (!session) return;
      model.turn(Date.now(), true);
      for (const output of session.take()) if (output.do === "send") this.#socket?.send(output.text);
    });
  }

  #render() {
    const { session, model } = this;
    if (!model || $("board").hidden) return;
    const now = Date.now();
    this.#grid.draw(model, now);
    this.#detail.draw(model, now);
    this.#questions.draw(model, now);
    if (now - this.#slow >= 500) {
      this.#slow = now;
      drawNumbers(model, now);
      drawCharts(model, now);
      drawSession(session, model, this.#url);
      drawStatus(model);
      drawSessions(model);
    }
    const notice = $("notice");
    if (!model.lists) {
      notice.hidden = false;
      say(notice, "This runtime does not list jobs, so there is nothing to watch.");
    }
    for (const { text, tone } of model.notices.splice(0)) {
      say($("live"), text);
      if (tone === "quiet") continue;
      notice.hidden = false;
      mark(notice, "data-tone", tone);
      say(notice, text);
    }
  }
}

if (typeof document !== "undefined") new Page();
