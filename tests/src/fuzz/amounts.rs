//! Amounts against decimal digits in text, and budgets against integers.

use nuncio_core::budget::{Amount, Amounts, Budget, Currency, parse_amount};

/// A parsed amount has the value of its text, and its own text is parsed to the same amount. The sums of a family's
/// budgets are those of integers.
pub fn amounts(data: &[u8]) {
    let Some(text) = data.split(|byte| *byte == b'\n').next().and_then(|text| std::str::from_utf8(text).ok()) else {
        return;
    };
    if let Ok(amount) = Amount::from_json_number(text) {
        let shown = amount.to_string();
        assert_eq!(value(&shown), value(text), "{text:?} -> {shown:?}");
        assert_eq!(Amount::from_json_number(&shown), Ok(amount));
        assert!(
            serde_json::from_str::<serde_json::Number>(text).is_ok() || text.len() > 30,
            "{text:?} is not a JSON number"
        );
    }
    if let Ok((currency, amount)) = parse_amount(text) {
        assert_eq!(value(&amount.to_string()), value(text.split_once(':').expect("it was parsed").1), "{text:?}");
        assert_eq!(parse_amount(&format!("{currency}:{amount}")), Ok((currency, amount)));
    }
    family(data.get(text.len() + 1..).unwrap_or_default());
}

/// Returns the significant digits and the power of ten by which they are multiplied, or `None` for zero.
fn value(text: &str) -> Option<(String, i64)> {
    let text = text.trim_start_matches('-').to_lowercase();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [integer, fraction].concat();
    let trimmed = digits.trim_end_matches('0');
    let significant = trimmed.trim_start_matches('0').to_owned();
    if significant.is_empty() {
        return None;
    }
    let power = i64::try_from(digits.len() - trimmed.len()).ok()? - i64::try_from(fraction.len()).ok()?;
    Some((significant, power + exponent.trim_start_matches('+').parse::<i64>().ok()?))
}

/// Applies steps of three bytes: the operation, the budget it affects, and the amount in hundredths.
fn family(steps: &[u8]) {
    let hundredths = |count: i128| Amount::from_json_number(&format!("{count}e-2")).expect("a small amount");
    let granted = |count: i128| {
        let mut amounts = Amounts::new();
        amounts.add(Currency::parse("USD").expect("a currency"), hundredths(count)).expect("it fits");
        amounts
    };
    let mut family: Vec<(usize, i128, Budget)> = vec![(0, 1000, Budget::new(granted(1000)))];
    let mut spent = 0;
    for [what, who, count] in steps.as_chunks::<3>().0.iter().take(64) {
        let index = usize::from(*who) % family.len();
        let count = i128::from(*count);
        let (_, left, budget) = &mut family[index];
        match what % 4 {
            0 => {
                budget.spend("USD", hundredths(count)).expect("it fits").expect("a currency of the budget");
                *left -= count;
                spent += count;
            }
            1 => {
                let asked = granted(count);
                let aside = budget.set_aside(&asked);
                assert_eq!(aside.is_ok(), count <= *left, "{count} of {left}");
                if aside.is_ok() {
                    *left -= count;
                    family.push((index, count, Budget::new(asked)));
                }
            }
            3 => {
                let cost = count / 2;
                let reserved = budget.reserve("USD", hundredths(count));
                assert_eq!(reserved.is_ok(), count <= *left, "{count} of {left}");
                if reserved.is_ok() {
                    let most = hundredths(count);
                    budget.settle("USD", most, hundredths(cost)).expect("it fits").expect("a currency of the budget");
                    *left -= cost;
                    spent += cost;
                }
            }
            _ if family.len() > 1 => {
                let (parent, rest, ended) = family.pop().expect("more than one");
                family[parent].1 += rest;
                family[parent].2.give_back(&ended);
            }
            _ => {}
        }
        for (_, left, budget) in &family {
            let remaining = budget.remaining_of("USD").expect("a currency of the budget").to_string();
            let sign = if remaining.starts_with('-') { "-" } else { "" };
            let expected = format!("{sign}{}", left.unsigned_abs());
            let shown = value(&remaining).map_or("0".to_owned(), |(digits, power)| {
                let zeros = usize::try_from(power + 2).expect("hundredths");
                format!("{sign}{digits}{}", "0".repeat(zeros))
            });
            assert_eq!(shown, expected);
            assert_eq!(budget.exhausted().next().is_some(), *left <= 0);
        }
        let remaining: i128 = family.iter().map(|(_, left, _)| left).sum();
        assert_eq!(remaining + spent, 1000);
    }
}
