//! The constraints of an edge, as a coordinator stores them and shows them in answers: [`EdgeLimits`] (§2.3).

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::request::read::body::integer;
use super::request::read::delegate::datetime;
use super::request::spawn::{Generation, Ttl};
use crate::json::{Members, Text, push_json_str};
use crate::time::Time;

/// The most resources of an edge of the generation 1.0.
const MAX_RESOURCES: usize = 64;
/// The most hops of an edge of the generation 1.0.
const MAX_HOPS: u64 = 10;
const MAX_BUDGET: u64 = 64;
const MAX_REASON_CHARS: usize = 256;

/// What limits an edge besides its scopes and its expiry.
///
/// `json` is the text that is answered as `constraints_json`; the other members are what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EdgeLimits {
    pub(crate) json: Box<str>,
    /// The generation whose rules they follow.
    pub(crate) generation: Generation,
    pub(crate) resources: Vec<Box<str>>,
    /// 0.1 only.
    pub(crate) actions: Vec<Box<str>>,
    pub(crate) max_hops: Option<u32>,
    pub(crate) budget: Option<u32>,
    pub(crate) ttl: Option<u32>,
    pub(crate) expires_at: Option<Time>,
    /// Members that the coordinator does not know, with their canonical texts (0.1 only).
    pub(crate) other: Vec<(Box<str>, Box<str>)>,
}

/// A constraint that is malformed, or that the generation does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidLimit(pub(crate) Option<&'static str>);

impl EdgeLimits {
    /// Reads the constraints of a request: two objects of which the second wins, and the `ttl_seconds` beside them.
    pub(crate) fn read(
        objects: &[Option<Box<RawValue>>],
        ttl: Option<Ttl>,
        generation: Generation,
    ) -> Result<EdgeLimits, InvalidLimit> {
        let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
        for object in objects.iter().flatten() {
            let Members(read) = serde_json::from_str(object.get()).map_err(|_| InvalidLimit(None))?;
            for (name, value) in read {
                members.retain(|(held, _)| held != name.as_str());
                members.push((name.as_str().into(), value.to_owned()));
            }
        }
        let find = |name: &str| members.iter().find(|(held, _)| held == name).map(|(_, value)| value.clone());
        let copied = match (find("max_depth"), find("max_hops")) {
            (Some(depth), None) if integer(&depth).is_ok() => Some(("max_hops", depth)),
            _ => None,
        };
        let raw = |number: u32| RawValue::from_string(alloc::format!("{number}")).ok();
        let added =
            ttl.filter(|_| find("ttl_seconds").is_none()).and_then(|ttl| Some(("ttl_seconds", raw(ttl.secs())?)));
        members.extend(copied.into_iter().chain(added).map(|(name, value)| (name.into(), value)));
        let limits = Self::check(&members, generation)?;
        let json = canonical_object(members.iter().map(|(name, value)| (&**name, value.get())));
        Ok(EdgeLimits { json: json.into(), ..limits })
    }

    /// Reads the text of a record.
    pub(crate) fn parse(json: &str, generation: Generation) -> Result<EdgeLimits, InvalidLimit> {
        let object: Box<RawValue> = serde_json::from_str(json).map_err(|_| InvalidLimit(None))?;
        Self::read(&[Some(object)], None, generation)
    }

    fn check(members: &[(String, Box<RawValue>)], generation: Generation) -> Result<EdgeLimits, InvalidLimit> {
        let head = generation == Generation::Head;
        let mut limits = EdgeLimits { generation, ..EdgeLimits::default() };
        let mut max_depth = None;
        let bound = |max: u64| if head { max } else { u64::from(u32::MAX) };
        for (name, value) in members {
            match name.as_str() {
                "resources" => limits.resources = texts(value).ok_or(InvalidLimit(Some("resources")))?,
                "actions" if !head => limits.actions = texts(value).ok_or(InvalidLimit(Some("actions")))?,
                "max_hops" => limits.max_hops = Some(number(value, "max_hops", bound(MAX_HOPS))?),
                "max_depth" => max_depth = Some(number(value, "max_depth", bound(MAX_HOPS))?),
                "budget" => limits.budget = Some(number(value, "budget", bound(MAX_BUDGET))?),
                "ttl_seconds" => limits.ttl = Some(number(value, "ttl_seconds", u64::from(Ttl::MAX.secs()))?),
                "expires_at" => {
                    let text = serde_json::from_str::<Text<'_>>(value.get()).ok();
                    let time = text.and_then(|text| datetime(text.as_str()));
                    limits.expires_at = Some(time.ok_or(InvalidLimit(Some("expires_at")))?);
                }
                "policy_approved" if head => {
                    if !matches!(value.get(), "true" | "false") {
                        return Err(InvalidLimit(Some("policy_approved")));
                    }
                }
                "broad_reason" if head => {
                    let text = serde_json::from_str::<Text<'_>>(value.get()).ok();
                    let length = text.map_or(0, |text| text.as_str().chars().count());
                    if !(1..=MAX_REASON_CHARS).contains(&length) {
                        return Err(InvalidLimit(Some("broad_reason")));
                    }
                }
                _ if head => return Err(InvalidLimit(None)),
                _ => limits.other.push((name.as_str().into(), canonical(value.get()).into())),
            }
        }
        if head && limits.resources.len() > MAX_RESOURCES {
            return Err(InvalidLimit(Some("resources")));
        }
        // Both name the same limit, so the narrower one counts where they may differ.
        match (limits.max_hops, max_depth) {
            (Some(hops), Some(depth)) if head && hops != depth => return Err(InvalidLimit(Some("max_hops"))),
            (Some(hops), Some(depth)) => limits.max_hops = Some(hops.min(depth)),
            (hops, depth) => limits.max_hops = hops.or(depth),
        }
        limits.other.sort();
        Ok(limits)
    }

    /// Adds a member to the answered text.
    pub(crate) fn note(&mut self, name: &str, value: &str) {
        let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(&self.json) else { return };
        let kept = members.iter().filter(|(held, _)| held.as_str() != name);
        let all = kept.map(|(held, raw)| (held.as_str(), raw.get())).chain([(name, value)]);
        self.json = canonical_object(all).into();
    }

    /// Returns whether the answered text has a member.
    pub(crate) fn has(&self, name: &str) -> bool {
        let members = serde_json::from_str::<Members<'_>>(&self.json);
        members.is_ok_and(|Members(members)| members.iter().any(|(held, _)| held.as_str() == name))
    }

    /// Returns an upper estimate of the bytes that are held.
    pub(crate) fn bytes_held(&self) -> usize {
        let texts = |texts: &[Box<str>]| texts.iter().map(|text| text.len().saturating_add(16)).sum::<usize>();
        let other = self.other.iter().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(32));
        self.json
            .len()
            .saturating_add(texts(&self.resources))
            .saturating_add(texts(&self.actions))
            .saturating_add(other.sum::<usize>())
    }
}

fn texts(value: &RawValue) -> Option<Vec<Box<str>>> {
    let texts: Vec<Text<'_>> = serde_json::from_str(value.get()).ok()?;
    let filled = texts.iter().all(|text| !text.as_str().is_empty());
    filled.then(|| texts.iter().map(|text| text.as_str().into()).collect())
}

fn number(value: &RawValue, name: &'static str, max: u64) -> Result<u32, InvalidLimit> {
    let number = integer(value).ok().filter(|number| (1..=max).contains(number));
    number.and_then(|number| u32::try_from(number).ok()).ok_or(InvalidLimit(Some(name)))
}

/// Returns a JSON value as the coordinators' database (`jsonb`) writes it: members by the length of their names and then
/// by their bytes, without white space.
fn canonical(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<Members<'_>>(json) {
            Ok(Members(members)) => canonical_object(members.iter().map(|(name, value)| (name.as_str(), value.get()))),
            Err(_) => json.into(),
        },
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(json) {
            Ok(items) => {
                let items: Vec<String> = items.iter().map(|item| canonical(item.get())).collect();
                alloc::format!("[{}]", items.join(","))
            }
            Err(_) => json.into(),
        },
        Some(b'"') => match serde_json::from_str::<Text<'_>>(json) {
            Ok(text) => {
                let mut out = String::with_capacity(json.len());
                push_json_str(&mut out, text.as_str());
                out
            }
            Err(_) => json.into(),
        },
        _ => json.into(),
    }
}

fn canonical_object<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut members: Vec<(&str, String)> = members.map(|(name, value)| (name, canonical(value))).collect();
    // A stable sort, so that the last of several members of one name wins.
    members.sort_by(|(one, _), (other, _)| (one.len(), *one).cmp(&(other.len(), *other)));
    let mut object = crate::json::Object::new();
    for (at, (name, value)) in members.iter().enumerate() {
        let is_last = members.get(at.saturating_add(1)).is_none_or(|(next, _)| next != name);
        if is_last {
            object = object.named(name, value);
        }
    }
    object.close()
}
