//! Programs reserve amounts of their budget.

use super::*;

#[test]
fn a_program_reserves_amounts_and_settles_them() {
    let serving = python(
        r#"hear()
def cost(value, number):
    say(kind="metric", body={"name": "cost.search", "value": value, "unit": "USD"}, reservation=number)
say(reserve={"currency": "USD", "amount": 0.80}, id=1)
first = hear()
say(reserve={"currency": "USD", "amount": 0.21}, id=2)
refused = hear()
cost(0.30, first["reserve"]["reservation"])
say(authorize={"cap": "tool.call", "target": "t", "reserve": {"currency": "USD", "amount": 0.7}}, id=3)
both = hear()
say(authorize={"cap": "tool.call", "target": "t", "reserve": {"currency": "USD", "amount": 0.01}}, id=4)
neither = hear()
say(release=both["authorize"]["reservation"])
say(reserve={"currency": "USD", "amount": 0.7}, id=5)
again = hear()
cost(0.1, 99)
invalid = hear()
say(result=[first, refused["reserve"]["error"]["code"], both, neither["authorize"]["code"], again, invalid["invalid"]])
"#,
        &[],
    );
    let output = submit(&serving, &["--lease", r#"{"tool.call":["t"],"cost.budget":["USD:1.00"]}"#]);
    let result: serde_json::Value = serde_json::from_str(&succeeded(&output)).expect("JSON");
    let expected = serde_json::json!([
        {"reserve": {"reservation": 1}, "id": 1},
        "BUDGET_EXHAUSTED",
        {"authorize": {"allowed": true, "target": "t", "reservation": 2}, "id": 3},
        "BUDGET_EXHAUSTED",
        {"reserve": {"reservation": 3}, "id": 5},
        {"line": 8, "reason": "there is no reservation of this number, or it was settled or released"},
    ]);
    assert_eq!(result, expected);
    let costs = bodies(&output, "metric");
    assert_eq!(costs.len(), 2, "the cost, and what remains after it: {costs:?}");
    assert!(costs[1].contains("0.7"), "{costs:?}");
}
