//! `.json`: one object of nested arrays, or the nested array of `inputs` alone.
//!
//! Numbers go straight into flat vectors, so that memory stays near the file's size.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::Number;

use super::{Array, DataError, MAX_ARRAYS, MAX_AXES, MAX_NAME_BYTES, Values};

/// Reads every array of a JSON text; `file` is for messages.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<BTreeMap<String, Array>, DataError> {
    let wrong =
        |error: serde_json::Error| DataError::Json { file: file.to_owned(), problem: error.to_string() };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let arrays = (&mut deserializer).deserialize_any(File).map_err(wrong)?;
    deserializer.end().map_err(wrong)?;
    Ok(arrays)
}

struct File;

impl<'de> Visitor<'de> for File {
    type Value = BTreeMap<String, Array>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of arrays, or an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Self::Value, A::Error> {
        let mut builder = Builder::default();
        Nested { builder: &mut builder, depth: 0 }.visit_seq(sequence)?;
        Ok(BTreeMap::from([("inputs".to_owned(), builder.finish("inputs")?)]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut arrays = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.len() > MAX_NAME_BYTES || arrays.len() == MAX_ARRAYS {
                return Err(de::Error::custom(format_args!(
                    "more than {MAX_ARRAYS} arrays, or a name of more than {MAX_NAME_BYTES} bytes"
                )));
            }
            if arrays.contains_key(&name) {
                return Err(de::Error::custom(format_args!("two arrays are named `{name}`")));
            }
            let mut builder = Builder::default();
            map.next_value_seed(Nested { builder: &mut builder, depth: 0 })?;
            let array = builder.finish(&name)?;
            arrays.insert(name, array);
        }
        Ok(arrays)
    }
}

/// Collects the elements of one array and checks that its rows have equal lengths.
#[derive(Default)]
struct Builder {
    /// Extent of every axis, `None` while its first row is being read.
    shape: Vec<Option<usize>>,
    /// Number of axes, known from the first element on.
    axes: Option<usize>,
    integers: Vec<i64>,
    /// Used from the first number on that is not an integer.
    floats: Option<Vec<f32>>,
}

impl Builder {
    fn number<E: de::Error>(&mut self, depth: usize) -> Result<(), E> {
        match *self.axes.get_or_insert(depth) {
            axes if axes == depth => Ok(()),
            axes => Err(ragged(format_args!("a number below {depth} axes, others below {axes}"))),
        }
    }

    fn integer<E: de::Error>(&mut self, depth: usize, value: i64) -> Result<(), E> {
        self.number(depth)?;
        match &mut self.floats {
            Some(floats) => floats.push(value as f32),
            None => self.integers.push(value),
        }
        Ok(())
    }

    fn float<E: de::Error>(&mut self, depth: usize, value: f64) -> Result<(), E> {
        self.number(depth)?;
        let single = value as f32;
        if !single.is_finite() {
            return Err(E::custom(format_args!("{value} is too large, or no number")));
        }
        let integers = &mut self.integers;
        self.floats
            .get_or_insert_with(|| integers.drain(..).map(|value| value as f32).collect())
            .push(single);
        Ok(())
    }

    fn finish<E: de::Error>(self, name: &str) -> Result<Array, E> {
        let values = match self.floats {
            Some(floats) => Values::Float(floats),
            None => Values::Integer(self.integers),
        };
        let shape: Vec<usize> = self.shape.into_iter().map(Option::unwrap_or_default).collect();
        let array = Array { shape, values };
        if array.is_empty() {
            return Err(E::custom(format_args!("array `{name}` has no elements")));
        }
        // An empty array beside a number passes the checks of single levels.
        let count = array.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        if count != Some(array.len()) {
            return Err(ragged(format_args!("empty arrays in `{name}`")));
        }
        Ok(array)
    }
}

fn ragged<E: de::Error>(what: fmt::Arguments<'_>) -> E {
    E::custom(format_args!("nested arrays of unequal lengths: {what}"))
}

/// One level of nesting.
struct Nested<'a> {
    builder: &'a mut Builder,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number or an array of numbers")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.builder.integer(self.depth, value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        let value = i64::try_from(value)
            .map_err(|_| E::custom(format_args!("{value} is too large for an integer")))?;
        self.builder.integer(self.depth, value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.builder.float(self.depth, value)
    }

    /// With `serde_json`'s `arbitrary_precision`, which any crate of a build may switch on for all of
    /// them, numbers come as maps that only its own type reads.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let number = Number::deserialize(MapAccessDeserializer::new(map))
            .map_err(|_| de::Error::invalid_type(Unexpected::Map, &self))?;
        match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => self.visit_i64(value),
            (None, Some(value)) => self.visit_f64(value),
            (None, None) => Err(de::Error::custom(format_args!("number out of range: {number}"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let Self { builder, depth } = self;
        if depth == MAX_AXES {
            return Err(de::Error::custom(format_args!("more than {MAX_AXES} axes")));
        }
        if builder.axes.is_some_and(|axes| depth >= axes) {
            return Err(ragged(format_args!("an array where others have a number")));
        }
        if builder.shape.len() == depth {
            builder.shape.push(None);
        }
        let mut length = 0_usize;
        while sequence.next_element_seed(Nested { builder: &mut *builder, depth: depth + 1 })?.is_some() {
            length += 1;
        }
        match builder.shape.get_mut(depth) {
            Some(Some(expected)) if *expected != length => {
                Err(ragged(format_args!("{length} where others have {expected}")))
            }
            Some(extent) => {
                *extent = Some(length);
                Ok(())
            }
            None => Err(ragged(format_args!("no extent for axis {depth}"))),
        }
    }
}
