//! The part of JSON Schema that answers are checked against (ours).
//!
//! A schema with a keyword that is not checked is refused when the question is asked, so that no answer counts as
//! checked that was not. Keywords that only describe are ignored.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::digest::{self, Digest};
use crate::json::{Members, Text};

/// A schema, read once for each answer that it checks.
#[derive(Debug, Default)]
pub(super) struct Schema {
    types: Option<Vec<Type>>,
    /// The digests of the values of `enum`, or that of `const`.
    values: Option<BTreeSet<Digest>>,
    properties: BTreeMap<Box<str>, Schema>,
    required: Vec<Box<str>>,
    /// Whether an object may have members that `properties` does not name.
    closed: bool,
    items: Option<Box<Schema>>,
    number: Range<Number>,
    chars: Range<u64>,
    elements: Range<u64>,
}

/// The least and the greatest value that is accepted.
#[derive(Debug)]
struct Range<T> {
    least: Option<T>,
    most: Option<T>,
}

impl<T> Default for Range<T> {
    fn default() -> Range<T> {
        Range { least: None, most: None }
    }
}

impl Range<u64> {
    fn has(&self, value: usize) -> bool {
        let value = value as u64;
        self.least.is_none_or(|least| value >= least) && self.most.is_none_or(|most| value <= most)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Object,
    Array,
    Number,
    Integer,
    String,
}

impl Type {
    const ALL: [(Type, &'static str); 7] = [
        (Type::Null, "null"),
        (Type::Boolean, "boolean"),
        (Type::Object, "object"),
        (Type::Array, "array"),
        (Type::Number, "number"),
        (Type::Integer, "integer"),
        (Type::String, "string"),
    ];

    fn parse(name: &str) -> Result<Type, Why> {
        let found = Type::ALL.into_iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| kind).ok_or(Cow::Borrowed("a type is none of those of JSON Schema"))
    }

    fn name(self) -> &'static str {
        Type::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn has(self, value: &str) -> bool {
        match value.as_bytes().first() {
            Some(b'n') => self == Type::Null,
            Some(b't' | b'f') => self == Type::Boolean,
            Some(b'{') => self == Type::Object,
            Some(b'[') => self == Type::Array,
            Some(b'"') => self == Type::String,
            _ => self == Type::Number || (self == Type::Integer && Number::parse(value).is_some_and(Number::is_whole)),
        }
    }
}

/// A number as far as it is compared: exactly if it is written as an integer.
#[derive(Clone, Copy, Debug)]
enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    fn parse(text: &str) -> Option<Number> {
        if let Ok(integer) = text.parse() {
            return Some(Number::Integer(integer));
        }
        text.parse().ok().filter(|float: &f64| float.is_finite()).map(Number::Float)
    }

    fn is_whole(self) -> bool {
        match self {
            Number::Integer(_) => true,
            Number::Float(float) => float % 1.0 == 0.0,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "only a number with a fraction is compared inexactly")]
    fn float(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Float(float) => float,
        }
    }

    fn is_at_most(self, other: Number) -> bool {
        match (self, other) {
            (Number::Integer(one), Number::Integer(other)) => one <= other,
            (one, other) => one.float() <= other.float(),
        }
    }
}

/// Why a schema cannot be checked.
type Why = Cow<'static, str>;

/// A part of a value that does not fit: the names and places that lead to it, the innermost first, and a sentence.
struct Misfit {
    path: Vec<String>,
    why: String,
}

impl Misfit {
    fn within(mut self, name: String) -> Misfit {
        self.path.push(name);
        self
    }
}

fn misfit(why: String) -> Misfit {
    Misfit { path: Vec::new(), why }
}

impl Schema {
    /// Reads a schema. Its nesting was checked.
    ///
    /// # Errors
    ///
    /// A sentence that says what cannot be checked.
    pub(super) fn parse(text: &str) -> Result<Schema, String> {
        Schema::read(text).map_err(Cow::into_owned)
    }

    fn read(text: &str) -> Result<Schema, Why> {
        let members = members(text).ok_or(Cow::Borrowed("a schema is a JSON object without a member twice"))?;
        let mut schema = Schema::default();
        for (keyword, value) in members {
            let json = value.get();
            match keyword.as_str() {
                "type" => schema.types = Some(types(json)?),
                "enum" => {
                    let values: Vec<&RawValue> = read(json, "enum is an array")?;
                    if values.is_empty() {
                        return Err(Cow::Borrowed("enum has no value"));
                    }
                    schema.values = Some(values.into_iter().map(|value| digest::value(value.get())).collect());
                }
                "const" => schema.values = Some(BTreeSet::from([digest::value(json)])),
                "properties" => {
                    let properties = self::members(json).ok_or(Cow::Borrowed("properties is an object"))?;
                    for (name, schema_of) in properties {
                        schema.properties.insert(name.as_str().into(), Schema::read(schema_of.get())?);
                    }
                }
                "required" => {
                    let names: Vec<Text<'_>> = read(json, "required is an array of names")?;
                    schema.required = names.iter().map(|name| name.as_str().into()).collect();
                }
                "additionalProperties" => {
                    schema.closed = !read::<bool>(json, "additionalProperties is true or false")?;
                }
                "items" => schema.items = Some(Box::new(Schema::read(json)?)),
                "minimum" => schema.number.least = Some(number(json)?),
                "maximum" => schema.number.most = Some(number(json)?),
                "minLength" => schema.chars.least = Some(read(json, "minLength is a count")?),
                "maxLength" => schema.chars.most = Some(read(json, "maxLength is a count")?),
                "minItems" => schema.elements.least = Some(read(json, "minItems is a count")?),
                "maxItems" => schema.elements.most = Some(read(json, "maxItems is a count")?),
                "title" | "description" | "default" | "examples" | "$schema" | "$comment" => {}
                other => {
                    let other: String = other.chars().take(64).collect();
                    return Err(Cow::Owned(alloc::format!(
                        "the keyword {other:?} is not one of those that are checked"
                    )));
                }
            }
        }
        Ok(schema)
    }

    /// Checks that a JSON value, whose nesting was checked, fits.
    ///
    /// # Errors
    ///
    /// A sentence that says which part of the value does not fit, and why.
    pub(super) fn accepts(&self, value: &str) -> Result<(), String> {
        self.check(value).map_err(|Misfit { mut path, why }| {
            if path.is_empty() {
                return alloc::format!("the answer {why}");
            }
            path.reverse();
            alloc::format!("/{} {why}", path.join("/"))
        })
    }

    fn check(&self, value: &str) -> Result<(), Misfit> {
        if let Some(types) = &self.types
            && !types.iter().any(|kind| kind.has(value))
        {
            let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
            return Err(misfit(alloc::format!("has to be of the type {}", names.join(" or "))));
        }
        if let Some(values) = &self.values
            && !values.contains(&digest::value(value))
        {
            return Err(misfit("is none of the values that the schema lists".to_owned()));
        }
        match value.as_bytes().first() {
            Some(b'{') => self.check_object(value),
            Some(b'[') => self.check_array(value),
            Some(b'"') => {
                let Text(text) = serde_json::from_str(value).map_err(|_| misfit("is not valid text".to_owned()))?;
                if self.chars.has(text.chars().count()) {
                    return Ok(());
                }
                Err(misfit(alloc::format!("has to have {} characters", span(&self.chars))))
            }
            Some(b'-' | b'0'..=b'9') => {
                let number =
                    Number::parse(value).ok_or_else(|| misfit("is not a number that can be compared".into()))?;
                if self.number.least.is_some_and(|least| !least.is_at_most(number)) {
                    return Err(misfit("is below the minimum".to_owned()));
                }
                if self.number.most.is_some_and(|most| !number.is_at_most(most)) {
                    return Err(misfit("is above the maximum".to_owned()));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn check_object(&self, value: &str) -> Result<(), Misfit> {
        let members = members(value).ok_or_else(|| misfit("has a member twice".to_owned()))?;
        let members: BTreeMap<&str, &RawValue> = members.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        if let Some(missing) = self.required.iter().find(|name| !members.contains_key(&***name)) {
            return Err(misfit(alloc::format!("has to have the member {missing:?}")));
        }
        for (name, value) in members {
            let checked = match self.properties.get(name) {
                Some(schema) => schema.check(value.get()),
                None if self.closed => return Err(misfit(alloc::format!("may not have the member {name:?}"))),
                None => Schema::default().check(value.get()),
            };
            checked.map_err(|misfit| misfit.within(name.to_owned()))?;
        }
        Ok(())
    }

    fn check_array(&self, value: &str) -> Result<(), Misfit> {
        let items: Vec<&RawValue> = serde_json::from_str(value).map_err(|_| misfit("is not an array".to_owned()))?;
        if !self.elements.has(items.len()) {
            return Err(misfit(alloc::format!("has to have {} elements", span(&self.elements))));
        }
        let any = Schema::default();
        let schema = self.items.as_deref().unwrap_or(&any);
        for (index, item) in items.into_iter().enumerate() {
            schema.check(item.get()).map_err(|misfit| misfit.within(index.to_string()))?;
        }
        Ok(())
    }
}

/// The members of an object; `None` for any other text, and if a member occurs twice.
fn members(text: &str) -> Option<Vec<(Text<'_>, &RawValue)>> {
    let Members(members) = serde_json::from_str(text).ok()?;
    let names: BTreeSet<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    (names.len() == members.len()).then_some(members)
}

fn read<'a, T: Deserialize<'a>>(json: &'a str, otherwise: &'static str) -> Result<T, Why> {
    serde_json::from_str(json).map_err(|_| Cow::Borrowed(otherwise))
}

fn number(json: &str) -> Result<Number, Why> {
    let is_number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    Number::parse(json).filter(|_| is_number).ok_or(Cow::Borrowed("minimum and maximum are numbers"))
}

fn types(json: &str) -> Result<Vec<Type>, Why> {
    if let Ok(name) = serde_json::from_str::<Text<'_>>(json) {
        return Ok(Vec::from([Type::parse(name.as_str())?]));
    }
    let names: Vec<Text<'_>> = read(json, "type is a name or an array of names")?;
    names.iter().map(|name| Type::parse(name.as_str())).collect()
}

/// The bounds in words.
fn span(range: &Range<u64>) -> String {
    match (range.least, range.most) {
        (Some(least), Some(most)) => alloc::format!("{least} to {most}"),
        (Some(least), None) => alloc::format!("at least {least}"),
        (None, Some(most)) => alloc::format!("at most {most}"),
        (None, None) => String::from("any number of"),
    }
}
