//! Budgets (§9.6), also those that parents share with their children: amounts are exact and nothing is lost.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use nuncio_core::budget::{Amount, AmountError, Amounts, Budget, BudgetError, Currency, parse_amount};
use proptest::prelude::*;

fn amounts(entries: &[&str]) -> Amounts {
    let mut amounts = Amounts::new();
    for entry in entries {
        let (currency, amount) = parse_amount(entry).expect(entry);
        amounts.add(currency, amount).expect(entry);
    }
    amounts
}

fn budget(entries: &[&str]) -> Budget {
    Budget::new(amounts(entries))
}

fn amount(text: &str) -> Amount {
    Amount::from_json_number(text).expect(text)
}

fn remaining(budget: &Budget, currency: &str) -> String {
    budget.remaining_of(currency).expect(currency).to_string()
}

#[test]
fn s9_6_amount_is_currency_colon_digits() {
    for (text, currency, shown) in [
        ("USD:5.00", "USD", "5"),
        ("USD:0", "USD", "0"),
        ("credits:1000", "credits", "1000"),
        ("my_custom-unit:5", "my_custom-unit", "5"),
        ("a:007.50", "a", "7.5"),
        ("X9:0.0000000000000000000000000001", "X9", "0.0000000000000000000000000001"),
        ("USD:79228162514264337593543950335", "USD", "79228162514264337593543950335"),
        ("USD:0.30000000000000000000000000000000000000", "USD", "0.3"),
    ] {
        let (parsed, amount) = parse_amount(text).expect(text);
        assert_eq!((parsed.as_str(), amount.to_string().as_str()), (currency, shown), "{text}");
    }
}

#[test]
fn s9_6_nothing_else_is_an_amount() {
    use AmountError::{Currency, Overflow, Syntax, TooManyDigits};
    for (text, error) in [
        ("", Syntax),
        ("USD", Syntax),
        ("5.00", Syntax),
        ("USD:", Syntax),
        ("USD:.5", Syntax),
        ("USD:5.", Syntax),
        ("USD:+5", Syntax),
        ("USD:-5", Syntax),
        ("USD:1_000", Syntax),
        ("USD:1e3", Syntax),
        ("USD: 5", Syntax),
        ("USD:5 ", Syntax),
        ("USD:5:6", Syntax),
        ("USD:1.2.3", Syntax),
        ("USD:٣", Syntax),
        (":5", Currency),
        ("9USD:5", Currency),
        ("-USD:5", Currency),
        ("US D:5", Currency),
        ("€:5", Currency),
        ("ABCDEFGHIJABCDEFGHIJABCDEFGHIJABC:5", Currency),
        ("USD:79228162514264337593543950336", Overflow),
        ("USD:100000000000000000000000000000", Overflow),
        ("USD:0.00000000000000000000000000001", TooManyDigits),
        ("USD:1.79228162514264337593543950336", TooManyDigits),
    ] {
        assert_eq!(parse_amount(text), Err(error), "{text}");
    }
}

#[test]
fn s9_6_a_metric_value_is_read_exactly_from_its_text() {
    for (text, shown) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.00e7", "0"),
        ("0e99999999999999999999", "0"),
        ("12.50", "12.5"),
        ("1e-2", "0.01"),
        ("1E+2", "100"),
        ("0.1e1", "1"),
        ("1200e-2", "12"),
        ("0.0234", "0.0234"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("1.2300000000000002e-05", "0.000012300000000000002"),
        ("1000000000000000000000000000000e-30", "1"),
    ] {
        assert_eq!(amount(text).to_string(), shown, "{text}");
    }
}

#[test]
fn s9_6_negative_nan_and_overflow_are_refused() {
    use AmountError::{Negative, NotANumber, Overflow, TooManyDigits};
    for (text, error) in [
        ("-1", Negative),
        ("-0.0001", Negative),
        ("-1e-400", Negative),
        ("-1e400", Negative),
        ("NaN", NotANumber),
        ("Infinity", NotANumber),
        ("null", NotANumber),
        ("\"1\"", NotANumber),
        ("", NotANumber),
        ("-", NotANumber),
        ("+1", NotANumber),
        ("01", NotANumber),
        ("-01", NotANumber),
        (".5", NotANumber),
        ("5.", NotANumber),
        ("1e", NotANumber),
        ("1e+", NotANumber),
        ("1e1.5", NotANumber),
        ("1_000", NotANumber),
        (" 1", NotANumber),
        ("0x10", NotANumber),
        ("1e29", Overflow),
        ("1e400", Overflow),
        ("1e99999999999999999999", Overflow),
        ("1e-29", TooManyDigits),
        ("1e-400", TooManyDigits),
        ("1e-99999999999999999999", TooManyDigits),
        ("7.9228162514264337593543950336", TooManyDigits),
    ] {
        assert_eq!(Amount::from_json_number(text), Err(error), "{text}");
    }
}

#[test]
fn s9_6_currencies_are_case_sensitive_and_bounded() {
    assert_eq!(Currency::parse(&"a".repeat(32)).map(|currency| currency.as_str().len()), Ok(32));
    assert_eq!(Currency::parse(&"a".repeat(33)), Err(AmountError::Currency));
    assert_eq!(budget(&["USD:1"]).remaining_of("usd"), None);
}

#[test]
fn s9_6_the_same_currency_twice_is_summed() {
    assert_eq!(amounts(&["USD:1", "credits:4", "USD:2.5"]), amounts(&["credits:4", "USD:3.50"]));
}

#[test]
fn bytes_held_counts_the_entries() {
    assert!(Amounts::new().is_empty() && Budget::default().is_empty());
    assert!(!amounts(&["USD:0"]).is_empty() && !budget(&["USD:0"]).is_empty());
    let (none, one, two) = (amounts(&[]), amounts(&["USD:1"]), amounts(&["USD:1", "credits:4"]));
    assert_eq!(none.bytes_held(), 0);
    assert!(one.bytes_held() > "USD".len() + size_of::<Amount>());
    assert!(two.bytes_held() >= one.bytes_held() + "credits".len() + size_of::<Amount>());
    assert!(two.bytes_held() < 1_000);
    let (one, two) = (Budget::new(one), Budget::new(two));
    assert!(one.bytes_held() > "USD".len() + 3 * size_of::<Amount>());
    assert!(two.bytes_held() >= one.bytes_held() + "credits".len() + 3 * size_of::<Amount>());
    assert!(two.bytes_held() < 1_000);
}

#[test]
fn s9_6_a_sum_that_cannot_be_represented_is_refused_and_changes_nothing() {
    let mut amounts = amounts(&["USD:79228162514264337593543950335"]);
    let (usd, one) = parse_amount("USD:1").unwrap();
    assert_eq!(amounts.add(usd.clone(), one), Err(AmountError::Overflow));
    assert_eq!(amounts.add(usd, amount("1e-28")), Err(AmountError::TooManyDigits));
    assert_eq!(amounts.of("USD").unwrap().to_string(), "79228162514264337593543950335");
}

#[test]
fn s9_6_currencies_are_counted_independently() {
    let mut budget = budget(&["USD:5.00", "credits:1000"]);
    assert_eq!(budget.spend("USD", amount("1.42")), Ok(Some(amount("3.58"))));
    assert_eq!(budget.to_json_numbers(), r#"{"USD":3.58,"credits":1000}"#);
    assert_eq!(budget.to_json_amounts(), r#"{"USD":"USD:3.58","credits":"credits:1000"}"#);
}

#[test]
fn s9_6_a_currency_without_budget_is_not_counted() {
    let mut budget = budget(&["USD:5"]);
    assert_eq!(budget.spend("EUR", amount("1")), Ok(None));
    assert_eq!(remaining(&budget, "USD"), "5");
}

#[test]
fn s9_6_ten_times_a_tenth_is_one() {
    let mut budget = budget(&["USD:1"]);
    for _ in 0..10 {
        assert_eq!(budget.exhausted().next(), None);
        budget.spend("USD", amount("0.1")).unwrap();
    }
    assert_eq!(remaining(&budget, "USD"), "0");
    assert_eq!(budget.exhausted().next().map(Currency::as_str), Some("USD"));
}

#[test]
fn s9_6_the_cost_that_exhausts_a_budget_is_counted() {
    let mut budget = budget(&["USD:1", "credits:5"]);
    assert_eq!(budget.spend("USD", amount("1.5")).unwrap().unwrap().to_string(), "-0.5");
    assert_eq!(budget.exhausted().next().map(Currency::as_str), Some("USD"));
    assert_eq!(budget.to_json_numbers(), r#"{"USD":-0.5,"credits":5}"#);
}

#[test]
fn s9_6_a_budget_of_zero_is_exhausted_at_once() {
    assert!(budget(&["USD:0"]).exhausted().next().is_some());
    assert!(budget(&[]).exhausted().next().is_none());
}

#[test]
fn s9_6_a_refused_cost_changes_nothing() {
    let mut budget = budget(&["USD:1000000"]);
    let before = budget.clone();
    let below_zero = before.clone().spend("USD", amount("1000001")).unwrap().unwrap();
    assert_eq!(budget.spend("USD", below_zero), Err(BudgetError::Amount(AmountError::Negative)));
    assert_eq!(budget.spend("USD", amount("1e-28")), Err(BudgetError::Amount(AmountError::TooManyDigits)));
    assert_eq!(budget, before);
    budget.spend("USD", amount("7e28")).unwrap();
    let before = budget.clone();
    assert_eq!(budget.spend("USD", amount("7e28")), Err(BudgetError::Amount(AmountError::Overflow)));
    assert_eq!(budget, before);
}

#[test]
fn s9_4_a_child_may_have_at_most_what_remains() {
    let mut parent = budget(&["USD:5.00"]);
    parent.spend("USD", amount("3")).unwrap();
    assert_eq!(
        parent.set_aside(&amounts(&["USD:2.01"])),
        Err(BudgetError::MoreThanRemains { currency: Currency::parse("USD").unwrap(), remaining: amount("2") })
    );
    assert_eq!(parent.set_aside(&amounts(&["USD:2.00"])), Ok(()));
    assert_eq!(remaining(&parent, "USD"), "0");
    assert!(parent.exhausted().next().is_some());
}

#[test]
fn s9_4_a_child_may_have_only_the_parents_currencies() {
    let mut parent = budget(&["USD:5"]);
    let refused = BudgetError::NotBudgeted { currency: Currency::parse("credits").unwrap() };
    assert_eq!(parent.set_aside(&amounts(&["USD:1", "credits:1"])), Err(refused.clone()));
    assert_eq!(remaining(&parent, "USD"), "5", "a refusal changes nothing");
    assert_eq!(Budget::default().set_aside(&amounts(&["credits:1"])), Err(refused));
}

#[test]
fn s9_4_nothing_is_set_aside_from_an_overdrawn_budget() {
    let mut parent = budget(&["USD:1"]);
    parent.spend("USD", amount("2")).unwrap();
    assert!(matches!(parent.set_aside(&amounts(&["USD:0"])), Err(BudgetError::MoreThanRemains { .. })));
}

#[test]
fn family_what_remains_of_a_childs_share_returns() {
    let mut parent = budget(&["USD:5"]);
    let grant = amounts(&["USD:2"]);
    parent.set_aside(&grant).unwrap();
    let mut child = Budget::new(grant);
    child.spend("USD", amount("0.75")).unwrap();
    parent.give_back(&child);
    assert_eq!(remaining(&parent, "USD"), "4.25");
    assert_eq!(parent.spent_of("USD"), Some(amount("0.75")));
    assert_eq!(parent.granted_of("USD"), Some(amount("5")));
}

#[test]
fn family_a_negative_remainder_returns_as_well() {
    let mut parent = budget(&["USD:5"]);
    let grant = amounts(&["USD:2"]);
    parent.set_aside(&grant).unwrap();
    let mut child = Budget::new(grant);
    child.spend("USD", amount("10")).unwrap();
    parent.give_back(&child);
    assert_eq!(remaining(&parent, "USD"), "-5");
}

#[test]
fn family_what_a_child_set_aside_stays_set_aside() {
    let mut parent = budget(&["USD:5"]);
    let grant = amounts(&["USD:2"]);
    parent.set_aside(&grant).unwrap();
    let mut child = Budget::new(grant);
    child.set_aside(&amounts(&["USD:0.5"])).unwrap();
    parent.give_back(&child);
    assert_eq!(remaining(&parent, "USD"), "4.5");
}

#[test]
fn family_a_return_that_has_too_many_digits_is_rounded_against_the_family() {
    let mut parent = budget(&["USD:70000000000000000000000000000"]);
    let grant = amounts(&["USD:1"]);
    parent.set_aside(&grant).unwrap();
    let mut child = Budget::new(grant);
    child.spend("USD", amount("1e-27")).unwrap();
    parent.give_back(&child);
    assert_eq!(remaining(&parent, "USD"), "69999999999999999999999999999");
    assert_eq!(parent.spent_of("USD").unwrap().to_string(), "0.000000000000000000000000001");
}

#[test]
fn family_an_overflowing_return_exhausts_the_budget() {
    let mut parent = budget(&["USD:2"]);
    for _ in 0..3 {
        let mut child = budget(&["USD:0"]);
        child.spend("USD", amount("7e28")).unwrap();
        parent.give_back(&child);
    }
    assert!(parent.exhausted().next().is_some());
}

#[test]
fn s9_6_a_reserved_amount_does_not_remain() {
    let mut budget = budget(&["USD:5"]);
    assert_eq!(budget.reserve("USD", amount("4")), Ok(Some(amount("1"))));
    let usd = Currency::parse("USD").unwrap();
    let refused = BudgetError::NotEnough { currency: usd, remaining: amount("1") };
    assert_eq!(budget.reserve("USD", amount("1.01")), Err(refused));
    assert!(matches!(budget.set_aside(&amounts(&["USD:2"])), Err(BudgetError::MoreThanRemains { .. })));
    assert_eq!(budget.spent_of("USD"), Some(Amount::ZERO), "nothing is spent yet");
    budget.release("USD", amount("4"));
    assert_eq!(remaining(&budget, "USD"), "5");
    assert_eq!(budget.reserve("EUR", amount("4")), Ok(None));
    budget.release("EUR", amount("4"));
    assert_eq!(budget.settle("EUR", amount("4"), amount("1")), Ok(None));
}

#[test]
fn s9_6_a_settled_cost_takes_the_place_of_its_reservation() {
    let mut budget = budget(&["USD:5"]);
    budget.reserve("USD", amount("4")).unwrap();
    assert_eq!(budget.settle("USD", amount("4"), amount("1.5")), Ok(Some(amount("3.5"))));
    assert_eq!(budget.spent_of("USD"), Some(amount("1.5")));
    budget.reserve("USD", amount("3.5")).unwrap();
    let more = budget.settle("USD", amount("3.5"), amount("4")).unwrap().unwrap();
    assert_eq!(more.to_string(), "-0.5", "a cost above its reservation is counted in full");
}

#[test]
fn s9_6_a_release_that_has_too_many_digits_is_rounded_against_the_family() {
    let mut budget = budget(&["USD:70000000000000000000000000000"]);
    budget.reserve("USD", amount("7e28")).unwrap();
    budget.give_back(&{
        let mut child = Budget::new(amounts(&["USD:1"]));
        child.spend("USD", amount("0.999")).unwrap();
        child
    });
    budget.release("USD", amount("7e28"));
    assert_eq!(remaining(&budget, "USD"), "70000000000000000000000000000");
}

/// A decimal of up to 15 digits and its value in millionths.
fn decimal() -> impl Strategy<Value = (String, i128)> {
    (0..1_000_000_000_u64, 0..1_000_000_u32).prop_map(|(integer, millionths)| {
        (format!("{integer}.{millionths:06}"), i128::from(integer) * 1_000_000 + i128::from(millionths))
    })
}

fn millionths(amount: Amount) -> i128 {
    let text = amount.to_string();
    let (sign, text) = text.strip_prefix('-').map_or((1, text.as_str()), |text| (-1, text));
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    sign * format!("{integer}{fraction:0<6}").parse::<i128>().unwrap()
}

proptest! {
    #[test]
    fn amounts_round_trip((text, value) in decimal()) {
        let (currency, parsed) = parse_amount(&format!("USD:{text}")).unwrap();
        prop_assert_eq!(millionths(parsed), value);
        prop_assert_eq!(parse_amount(&format!("{currency}:{parsed}")), Ok((currency, parsed)));
        prop_assert_eq!(Amount::from_json_number(&parsed.to_string()), Ok(parsed));
    }

    #[test]
    fn exponents_only_move_the_point((text, value) in decimal(), shift in 0..12_i32) {
        let integer_and_fraction = text.split_once('.').unwrap();
        let digits = [integer_and_fraction.0, integer_and_fraction.1].concat();
        let digits = digits.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        let moved = format!("{digits}{}e-{}", "0".repeat(usize::try_from(shift).unwrap()), shift + 6);
        prop_assert_eq!(millionths(amount(&moved)), value);
    }

    #[test]
    fn any_text_is_an_amount_or_an_error(text in ".{0,40}") {
        let _ = parse_amount(&text);
        let _ = Amount::from_json_number(&text);
    }

    #[test]
    fn any_number_is_exact_or_an_error(text in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?") {
        if let Ok(amount) = Amount::from_json_number(&text) {
            prop_assert_eq!(Amount::from_json_number(&amount.to_string()), Ok(amount));
        }
    }

    /// What remains in a family and what it has spent always sum to what its root was granted.
    #[test]
    fn a_family_spends_its_roots_grant(
        grant in decimal(),
        steps in prop::collection::vec((0..3_u8, any::<prop::sample::Index>(), decimal()), 0..60),
    ) {
        // The jobs that have not ended, oldest first, so every parent precedes its children.
        let mut family: Vec<(Option<usize>, Budget)> = vec![(None, budget(&[&format!("USD:{}", grant.0)]))];
        let mut spent = 0;
        for (step, member, (text, value)) in steps {
            let index = member.index(family.len());
            match step {
                0 => {
                    let before = millionths(family[index].1.remaining_of("USD").unwrap());
                    let after = family[index].1.spend("USD", amount(&text)).unwrap();
                    prop_assert_eq!(millionths(after.unwrap()), before - value);
                    spent += value;
                }
                1 => {
                    let asked = amounts(&[&format!("USD:{text}")]);
                    let before = millionths(family[index].1.remaining_of("USD").unwrap());
                    let taken = family[index].1.set_aside(&asked);
                    prop_assert_eq!(taken.is_ok(), value <= before);
                    if taken.is_ok() {
                        family.push((Some(index), Budget::new(asked)));
                    }
                }
                _ => if let Some((Some(parent), ended)) = family.pop_if(|(parent, _)| parent.is_some()) {
                    family[parent].1.give_back(&ended);
                },
            }
            let remaining: i128 = family.iter().map(|(_, budget)| millionths(budget.remaining_of("USD").unwrap())).sum();
            prop_assert_eq!(remaining + spent, grant.1);
        }
    }
}
