//! Reads the text form of Prometheus, and refuses what its rules do not allow.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of a sample, by their names.
type Labels = BTreeMap<String, String>;

/// The metrics of one name.
pub(crate) struct Family {
    pub(crate) name: String,
    kind: String,
    samples: Vec<(String, Labels, f64)>,
}

/// Everything that was scraped.
pub(crate) struct Scrape(Vec<Family>);

impl Scrape {
    /// Reads a text. Panics at the first rule that it breaks.
    pub(crate) fn parse(text: &str) -> Scrape {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut families: Vec<Family> = Vec::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let help = line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("not the help of a family: {line:?}"));
            let (name, help) = help.split_once(' ').unwrap_or_else(|| panic!("no help: {line:?}"));
            assert!(!help.is_empty() && is_name(name), "{line:?}");
            assert!(families.iter().all(|family| family.name != name), "{name} comes twice");
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{name} is a {kind}");
            let mut family = Family { name: name.to_owned(), kind: kind.to_owned(), samples: Vec::new() };
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                family.samples.push(sample(line));
            }
            family.check();
            families.push(family);
        }
        Scrape(families)
    }

    pub(crate) fn families(&self) -> impl Iterator<Item = &Family> {
        self.0.iter()
    }

    /// Returns the value of a sample, which is there.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let samples = self.0.iter().flat_map(|family| &family.samples);
        let mut found = samples.filter(|(known, with, _)| known == name && *with == labels);
        found.next().unwrap_or_else(|| panic!("no {name} with {labels:?}")).2
    }

    /// Returns all values of a label.
    pub(crate) fn values_of(&self, label: &str) -> BTreeSet<&str> {
        let samples = self.0.iter().flat_map(|family| &family.samples);
        samples.filter_map(|(_, labels, _)| labels.get(label).map(String::as_str)).collect()
    }
}

impl Family {
    /// Checks the samples by the rules for their kind.
    fn check(&self) {
        let name = &self.name;
        assert!(!self.samples.is_empty(), "{name} has no samples");
        assert_eq!(name.ends_with("_total"), self.kind == "counter", "{name} is a {}", self.kind);
        let mut seen = BTreeSet::new();
        for (sample, labels, value) in &self.samples {
            assert!(seen.insert((sample, labels)), "{sample} comes twice with {labels:?}");
            assert!(value.is_finite(), "{sample} is {value}");
            assert!(self.kind == "gauge" || *value >= 0.0, "{sample} is {value}");
            if self.kind != "histogram" {
                assert_eq!(sample, name);
            }
        }
        if self.kind == "histogram" {
            self.check_histograms();
        }
    }

    fn check_histograms(&self) {
        let name = &self.name;
        let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        let (mut sums, mut counts) = (BTreeMap::new(), BTreeMap::new());
        for (sample, labels, value) in &self.samples {
            let mut labels = labels.clone();
            let bound = labels.remove("le");
            match (sample.strip_prefix(&**name), bound) {
                (Some("_bucket"), Some(bound)) => {
                    let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                    buckets.entry(labels).or_default().push((bound, *value));
                }
                (Some("_sum"), None) => drop(sums.insert(labels, *value)),
                (Some("_count"), None) => drop(counts.insert(labels, *value)),
                other => panic!("{sample} is not a part of a histogram: {other:?}"),
            }
        }
        assert!(buckets.keys().eq(sums.keys()) && buckets.keys().eq(counts.keys()), "{name} lacks parts");
        for (labels, buckets) in buckets {
            assert!(buckets.is_sorted_by(|(a, _), (b, _)| a < b), "the bounds of {name} do not increase");
            assert!(buckets.is_sorted_by(|(_, a), (_, b)| a <= b), "the buckets of {name} are not cumulative");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, counts[&labels])), "the last bucket of {name} is not all");
            assert!(counts[&labels] > 0.0 || sums[&labels] == 0.0, "{name} is empty, but has a sum");
        }
    }
}

/// Reads `name{label="value"} 1`.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line:?}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line:?}");
    let mut labels = Labels::new();
    if let Some(after) = rest.strip_prefix('{') {
        rest = after;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line:?}"));
            assert!(is_name(label) && !label.contains(':'), "{line:?}");
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{label} comes twice: {line:?}");
            match after.strip_prefix(',') {
                Some(after) => rest = after,
                None => {
                    rest = after.strip_prefix('}').unwrap_or_else(|| panic!("the labels have no end: {line:?}"));
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no value: {line:?}"));
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("not a number: {line:?}")))
}

/// Reads a value up to its closing quote. Returns what follows as well.
fn quoted(text: &str) -> (String, &str) {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, character) in text.char_indices() {
        match (escaped, character) {
            (false, '"') => return (value, &text[at + 1..]),
            (false, '\\') => escaped = true,
            (true, 'n') => {
                value.push('\n');
                escaped = false;
            }
            (true, '\\' | '"') | (false, _) => {
                value.push(character);
                escaped = false;
            }
            (true, other) => panic!("\\{other} is not an escape"),
        }
    }
    panic!("a value has no end: {text:?}");
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    text.bytes().all(is_part) && text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}
