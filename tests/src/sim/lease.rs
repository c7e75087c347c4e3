//! Leases and budgets as core/docs/arcp.md §9 describes them, for the namespaces and patterns that the simulator's
//! clients use.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::seeded::Draw;

/// Hundredths of a currency. The simulator's amounts are multiples of a quarter, which a JSON number represents
/// exactly.
pub(super) type Cents = i64;

/// All operations that the simulator's agents try.
pub(super) const OPERATIONS: [(&str, &str); 13] = [
    ("fs.read", "/ws"),
    ("fs.read", "/ws/a"),
    ("fs.read", "/ws/a/b"),
    ("fs.read", "/tmp/x"),
    ("fs.read", "/etc/passwd"),
    ("fs.write", "/ws/a"),
    ("tool.call", "t.a"),
    ("tool.call", "t.b"),
    ("tool.call", "u"),
    ("agent.delegate", "echo"),
    ("agent.delegate", "narrow"),
    ("model.use", "tier/a"),
    ("model.use", "big/a"),
];

const PATTERNS: [(&str, &[&[&str]]); 5] = [
    ("fs.read", &[&["/ws/**"], &["/ws/*"], &["/ws/a"], &["/tmp/*", "/ws/a/**"], &["/**"]]),
    ("fs.write", &[&["/ws/**"], &["/ws/a"]]),
    ("tool.call", &[&["*"], &["t.*"], &["t.a"], &["t.b", "u"]]),
    ("agent.delegate", &[&["*"], &["*"], &["echo"], &["**"]]),
    ("model.use", &[&["tier/*"], &["tier/a"], &["**"]]),
];

/// Draws a lease request.
pub(super) fn draw(draw: &mut Draw<'_, '_>, budget: bool, model: bool) -> Value {
    let mut lease = Map::new();
    for (namespace, choices) in PATTERNS {
        if draw.chance(65) && (model || namespace != "model.use") {
            lease.insert(namespace.to_owned(), json!(draw.one(choices)));
        }
    }
    if budget && draw.chance(60) {
        let amounts: &[&[&str]] =
            &[&["USD:5.00"], &["USD:1.50", "EUR:2"], &["USD:0.5", "USD:0.25"], &["EUR:1.00"], &["USD:0"]];
        lease.insert("cost.budget".to_owned(), json!(draw.one(amounts)));
    }
    Value::Object(lease)
}

/// Returns whether the patterns of a namespace cover a target.
pub(super) fn covers(lease: &Value, namespace: &str, target: &str) -> bool {
    let patterns = lease[namespace].as_array().into_iter().flatten().filter_map(Value::as_str);
    let target: Vec<&str> = target.split('/').collect();
    patterns.into_iter().any(|pattern| segments(&pattern.split('/').collect::<Vec<_>>(), &target))
}

fn segments(pattern: &[&str], target: &[&str]) -> bool {
    match (pattern, target) {
        ([], []) => true,
        (["**", rest @ ..], _) => (0..=target.len()).any(|skipped| segments(rest, &target[skipped..])),
        ([first, rest @ ..], [segment, others @ ..]) => {
            within(first.as_bytes(), segment.as_bytes()) && segments(rest, others)
        }
        _ => false,
    }
}

fn within(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|skipped| within(rest, &text[skipped..])),
        [byte, rest @ ..] => text.first() == Some(byte) && within(rest, &text[1..]),
    }
}

/// Returns the amounts that a lease requests, or `None` without `cost.budget`.
pub(super) fn amounts(lease: &Value) -> Option<BTreeMap<String, Cents>> {
    let list = lease.get("cost.budget")?.as_array()?;
    let mut amounts = BTreeMap::new();
    for entry in list.iter().filter_map(Value::as_str) {
        let (currency, digits) = entry.split_once(':')?;
        *amounts.entry(currency.to_owned()).or_insert(0) += cents(digits)?;
    }
    Some(amounts)
}

/// Parses an amount into hundredths.
pub(super) fn cents(digits: &str) -> Option<Cents> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction: Cents = format!("{fraction:0<2}").parse().ok()?;
    Some(whole.parse::<Cents>().ok()? * 100 + fraction)
}

/// Returns an amount as a JSON number.
#[expect(clippy::cast_precision_loss, reason = "amounts are at most some hundreds")]
pub(super) fn number(cents: Cents) -> f64 {
    cents as f64 / 100.0
}

/// The counter of one currency in a job's budget (§9.6).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    pub(super) granted: Cents,
    pub(super) spent: Cents,
    pub(super) set_aside: Cents,
    pub(super) reserved: Cents,
}

impl Counter {
    pub(super) fn remaining(self) -> Cents {
        self.granted - self.spent - self.set_aside - self.reserved
    }
}
