//! The pure part of the script, in the browser: frames and times in, frames and events out.

use serde_json::{Value, json};

use super::{Browser, Site};

/// Runs a script that has the module as `m`, and `start(now)`, which returns a session that has been welcomed, with `does`:
/// what it did since the last call, in short.
fn run(script: &str) -> Value {
    let site = Site::start(&[]);
    let browser = Browser::start(800, 600);
    browser.open(&site.console);
    browser.run(&format!(
        "return import('/console.js').then((m) => {{
            const short = ({{ do: what, ...rest }}) => {{
                if (what === 'send') {{
                    const {{ type, payload }} = JSON.parse(rest.text);
                    return type === 'session.hello' ? `hello ${{payload.resume?.last_event_seq ?? 'anew'}}` :
                        type === 'session.ack' ? `ack ${{payload.last_processed_seq}}` : type;
                }}
                if (what === 'event') return `event ${{rest.payload.n}}`;
                if (what === 'state') return `is ${{rest.state}}`;
                if (what === 'reply' || what === 'refused') return `${{what}} ${{rest.request.payload.n}}`;
                return what;
            }};
            const open = () => {{
                const session = new m.Session('token', () => 0.5);
                let next = 0;
                return Object.assign(session, {{
                    does: () => session.take().map(short),
                    sent: () => session.take().filter((out) => out.do === 'send').map((out) => JSON.parse(out.text)),
                    says: (now, type, payload, rest = {{}}) =>
                        session.frame(now, JSON.stringify({{ arcp: '1.1', id: `f${{next++}}`, type, payload, ...rest }})),
                    event: (now, n) => session.says(now, 'job.event', {{ n }}, {{ event_seq: n, job_id: 'job_1' }}),
                    welcome: (now, id = 'sess_1') => session.says(now, 'session.welcome', {{ session_id: id, resume_token: 'rt',
                        heartbeat_interval_sec: 10, capabilities: {{ features: ['heartbeat', 'ack', 'list_jobs'] }} }}),
                }});
            }};
            const start = (now) => {{
                const session = open();
                session.start(now); session.opened(now); session.welcome(now); session.take();
                return session;
            }};
            {script}
        }})"
    ))
}

/// The Python SDK's runtime refuses a frame with another id.
#[test]
fn the_ids_of_frames_are_ulids_and_each_is_another() {
    let ids = run("const s = open();
        s.start(1764532800000); s.opened(1764532800000); s.welcome(1764532800001);
        for (let n = 0; n < 40; n++) s.request(1764532800002 + n, 'session.list_jobs', {});
        return s.sent().map((frame) => frame.id)");
    let ids: Vec<&str> = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    for id in &ids {
        let is_digit = |digit: char| "0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(digit);
        assert!(id.len() == 26 && id.chars().all(is_digit), "{id}");
        // The time is in the first ten digits.
        assert_eq!(&id[..8], "01KBB5KJ");
    }
    assert!(ids.len() >= 41 && ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

#[test]
fn a_lost_connection_is_resumed_where_it_was() {
    let told = run("const s = start(0);
        s.event(1, 1); s.event(2, 2);
        const before = s.does();
        s.lost(3, 1006);
        const lost = s.does();
        s.timeout(s.deadline()); s.opened(1000); s.welcome(1001);
        s.event(1002, 2); s.event(1003, 3);
        return [before, lost, s.does(), s.last]");
    let expected = json!([
        ["event 1", "event 2"],
        ["close", "is waiting"],
        ["is connecting", "connect", "is greeting", "hello 2", "is live", "welcome", "event 3"],
        3
    ]);
    assert_eq!(told, expected, "an event that is sent again is taken once");
}

#[test]
fn missing_events_are_asked_for_once() {
    let told = run("const s = start(0);
        s.event(1, 1); s.event(2, 4);
        const gap = s.does();
        s.timeout(s.deadline()); s.opened(10); s.welcome(11); s.event(12, 4);
        return [gap, s.does(), s.facts.lost]");
    let expected = json!([
        ["event 1", "close", "is waiting"],
        ["is connecting", "connect", "is greeting", "hello 1", "is live", "welcome", "event 4"],
        2
    ]);
    assert_eq!(told, expected);
}

#[test]
fn a_session_that_is_gone_is_opened_anew() {
    let told = run("const s = start(0);
        s.event(1, 1); s.does(); s.lost(2, 1006); s.timeout(s.deadline()); s.opened(500);
        s.says(501, 'session.error', { code: 'RESUME_WINDOW_EXPIRED', message: 'gone' });
        s.timeout(s.deadline()); s.opened(600); s.welcome(601, 'sess_2'); s.event(602, 1);
        return [s.does(), s.facts.sessions]");
    let expected = json!([
        [
            "close",
            "is waiting",
            "is connecting",
            "connect",
            "is greeting",
            "hello 1",
            "close",
            "is waiting",
            "is connecting",
            "connect",
            "is greeting",
            "hello anew",
            "is live",
            "welcome",
            "event 1"
        ],
        2
    ]);
    assert_eq!(told, expected);
}

#[test]
fn who_may_not_go_on_is_over() {
    let told = run("const ends = [
            (s) => s.lost(1, 4409),
            (s) => { s.lost(1, 1006); s.timeout(s.deadline()); s.opened(500);
                s.says(501, 'session.error', { code: 'UNAUTHENTICATED', message: 'no' }); },
            (s) => s.end(1),
        ];
        return ends.map((end) => { const s = start(0); end(s); s.lost(900, 1006); return [s.state, s.deadline() === Infinity, s.does().at(-1)]; })");
    assert_eq!(told, json!([["over", true, "is over"], ["over", true, "is over"], ["over", true, "is over"]]));
}

#[test]
fn events_are_acknowledged_after_32_or_a_quarter_of_a_second() {
    let told = run("const s = start(0);
        for (let n = 1; n <= 33; n++) s.event(n, n);
        const many = s.does().filter((out) => out.startsWith('ack'));
        s.timeout(s.deadline());
        return [many, s.does()]");
    assert_eq!(told, json!([["ack 32"], ["ack 33"]]));
}

#[test]
fn silence_is_noticed_and_pings_are_answered() {
    let told = run("const s = start(0);
        s.says(1000, 'session.ping', { nonce: 'n1' });
        const pong = s.sent()[0];
        s.timeout(11_000);
        const ping = s.does();
        s.says(11_050, 'session.pong', { ping_nonce: 'other' });
        while (s.state === 'live') s.timeout(s.deadline());
        return [pong.type, pong.payload.ping_nonce, ping, s.does().filter((out) => out !== 'session.ping')]");
    assert_eq!(told, json!(["session.pong", "n1", ["session.ping"], ["close", "is waiting"]]));
}

#[test]
fn requests_are_repeated_after_a_resume_and_answered_by_name_or_in_order() {
    let told = run("const s = start(0);
        for (const n of [1, 2, 3]) s.request(1, 'session.list_jobs', { n });
        const [first] = s.sent();
        s.says(2, 'session.jobs', { request_id: first.id });
        s.lost(3, 1006); s.timeout(s.deadline()); s.opened(500); s.welcome(501);
        const again = s.take().filter((out) => out.do === 'send').map((out) => JSON.parse(out.text)).slice(1);
        s.says(502, 'session.jobs', { request_id: first.id });
        s.says(503, 'session.error', { code: 'HEARTBEAT_LOST', message: 'of the session' });
        s.says(504, 'session.error', { code: 'INVALID_REQUEST', message: 'no' });
        s.says(505, 'session.jobs', { request_id: again[1].id });
        return [again.map((frame) => frame.payload.n), again.some((frame) => frame.id === first.id), s.does()]");
    assert_eq!(told, json!([[2, 3], false, ["refused 2", "reply 3"]]));
}

#[test]
fn texts_are_cut_between_characters_and_shown_without_effects() {
    let told = run(
        r#"return [m.visible("a\u202eb\u0000c\n\td\ud800e\u{e0041}\u200e\u00ad"), m.cut("ab\u{1f600}c", 3, 9), m.cut("1\n2\n3\n4", 99, 2),
        m.cut("whole", 9, 9), m.duration(59_999), m.duration(3_600_000 * 26), m.duration(-1), m.shown("x"), m.shown({ a: [1] }),
        ...[0, 1023, 1536, 64 * 2 ** 20, 3 * 2 ** 50].map(m.bytes)]"#,
    );
    let expected = json!([
        "a\u{27e8}U+202E\u{27e9}b\u{2400}c\n\td\u{27e8}U+D800\u{27e9}e\u{27e8}U+E0041\u{27e9}\u{27e8}U+200E\u{27e9}\u{27e8}U+00AD\u{27e9}",
        {"text": "ab", "cut": true},
        {"text": "1\n2", "cut": true},
        {"text": "whole", "cut": false},
        "59 s", "1 d 2 h", "0 s", "x", "{\"a\":[1]}", "0 B", "1,023 B", "1.5 KiB", "64 MiB", "3,072 TiB"
    ]);
    assert_eq!(told, expected);
}

#[test]
fn rows_are_a_tree_with_the_newest_live_jobs_first() {
    let told = run("const job = (id, created, status, parent = null) => [id, { id, created, status, parent, agent: id }];
        const jobs = new Map([job('a', 1, 'running'), job('b', 2, 'success'), job('c', 3, 'running', 'a'), job('d', 4, 'running'),
            job('e', 5, 'error', 'b'), job('x', 6, 'running', 'y'), job('y', 7, 'running', 'x')]);
        const rows = (options) => m.tree(jobs, options).map(({ job, level }) => `${job.id}${level}`).join(' ');
        return [rows({}), rows({ closed: new Set(['a']) }), rows({ filter: 'live' }), rows({ filter: 'failed' }), rows({ find: 'C' })]");
    assert_eq!(told, json!(["d1 a1 c2 b1 e2", "d1 a1 b1 e2", "d1 a1 c2", "e1", "c1"]));
}

/// A level is not the sum of its minutes.
#[test]
fn live_jobs_are_a_level_and_events_a_sum() {
    let told = run("const minute = 60_000, now = 100 * minute + 30_000;
        const job = (created, ended, status = 'success') => ({ created, ended, status });
        const jobs = [
            // Two at one time, and a third after them: the first runs on from before the hour.
            job(10 * minute, 98 * minute + 20_000), job(98 * minute + 10_000, 98 * minute + 30_000), job(98 * minute + 40_000, 98 * minute + 50_000),
            job(99 * minute, null, 'running'), job(99 * minute, null, 'pending'),
            // Over before the hour, and one whose end nobody told: it counts at its start alone.
            job(minute, 2 * minute), job(97 * minute, null, 'error'),
        ];
        const { most, now: level, unknown } = m.live(new Map(jobs.map((job, at) => [at, job])), now);
        const sums = Array(60).fill(0); sums[10] = 3; sums[59] = 2;
        return [most.slice(0, 2), most.slice(-5), level, unknown, m.levels(most, level), m.sums([{ name: '', values: sums }]),
            m.sums([{ name: 'succeeded', values: sums }, { name: 'failed', values: sums }])]");
    let expected = json!([
        [1, 1],
        [1, 2, 2, 2, 2],
        2,
        1,
        "2 now, at most 2 at one time in the last hour",
        "2 in this minute, at most 3 in a minute, 5 in the last hour",
        "4 in this minute, at most 6 in a minute, 10 in the last hour: 5 succeeded, 5 failed"
    ]);
    assert_eq!(told, expected);
}

/// What the runtime lists to a model, of which only the first cycle asks for the jobs that began before the hour.
#[test]
fn the_jobs_that_ended_in_the_last_hour_are_asked_for_where_they_are_known() {
    let told = run("const asked = (feature) => {
            const s = open();
            const model = new m.Model(s);
            s.start(0); s.opened(0);
            const now = Date.parse('2026-05-13T20:00:00Z');
            s.says(now, 'session.welcome', { session_id: 's', resume_token: 'rt', capabilities: { features: ['list_jobs', feature] } });
            const filters = [];
            const turn = (at, jobs) => {
                for (const output of s.take()) model.handle(at, output);
                model.turn(at);
                for (const frame of s.sent().filter((frame) => frame.type === 'session.list_jobs')) {
                    filters.push(frame.payload.filter);
                    s.says(at, 'session.jobs', { request_id: frame.id, jobs: frame.payload.filter.status ? [] : jobs });
                }
            };
            const ended = { completed_at: '2026-05-13T19:30:00Z', code: 'TIMEOUT', message: 'too slow' };
            const row = { job_id: 'j', agent: 'a', status: 'error', created_at: '2026-05-13T18:00:00Z', 'x-vendor.nuncio.ended': ended };
            const runs = { job_id: 'k', agent: 'a', status: 'running', created_at: '2026-05-13T18:00:00Z', 'x-vendor.nuncio.phase': 'cancelling' };
            for (let at = 0; at < 6; at++) turn(now + at, [row, runs]);
            const job = model.jobs.get('j');
            return [filters, [job.ended === now - 1_800_000, job.code, job.message, model.jobs.get('k').status]];
        };
        return [asked('x-vendor.nuncio.accepted_replay'), asked('other')]");
    let (after, live) = ("2026-05-13T19:00:00.000Z", json!({"status": ["pending", "running"]}));
    let new = json!({"created_after": after});
    let old = json!({"created_before": "2026-05-13T19:00:00.001Z", "x-vendor.nuncio.ended_after": after});
    let job = json!([true, "TIMEOUT", "too slow", "cancelling"]);
    assert_eq!(told, json!([[[new, old, live], job], [[new, live], job]]));
}

#[test]
fn the_state_is_asked_for_where_it_is_known_and_not_after_a_refusal() {
    let told = run("const asked = (features, answer) => {
            const s = open();
            const model = new m.Model(s);
            s.start(0); s.opened(0);
            s.says(0, 'session.welcome', { session_id: 's', resume_token: 'rt', capabilities: { features } });
            const turn = (now) => {
                for (const output of s.take()) model.handle(now, output);
                model.turn(now);
                return s.sent().filter((frame) => frame.type === 'x-vendor.nuncio.read_status');
            };
            const first = turn(1);
            for (const { id } of first) s.says(2, answer.type, { request_id: id, ...answer.payload });
            const again = [3, 4999, 5003, 16_000].map((now) => turn(now).length);
            return [first.length, again, model.status && model.status.uptime_sec];
        };
        const known = ['x-vendor.nuncio.status'];
        const error = (code) => ({ type: 'session.error', payload: { code } });
        return [asked([], {}), asked(known, { type: 'x-vendor.nuncio.status', payload: { uptime_sec: 7 } }),
            asked(known, error('PERMISSION_DENIED')), asked(known, error('INVALID_REQUEST')), asked(known, error('INTERNAL_ERROR'))]");
    let expected = json!([
        [0, [0, 0, 0, 0], null],
        [1, [0, 0, 1, 0], 7],
        [1, [0, 0, 0, 0], null],
        [1, [0, 0, 0, 0], null],
        [1, [0, 0, 0, 1], null]
    ]);
    assert_eq!(told, expected, "it is asked again after 5 s, and after 15 s if the runtime could not tell it");
}
