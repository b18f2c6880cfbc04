//! JSON fields are an object that is read name by name, so that what is missing, unexpected or left
//! over is an error with its path.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::CatalogError;

/// An object, its path in the document, and the names that were read.
pub(crate) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
    read: BTreeSet<&'static str>,
}

impl<'a> Fields<'a> {
    /// The object at a path; the document itself is at the empty path.
    pub(crate) fn new(path: String, value: &'a Value) -> Result<Self, CatalogError> {
        match value {
            Value::Object(object) => Ok(Self { path, object, read: BTreeSet::new() }),
            other => {
                let place = if path.is_empty() { "the document" } else { path.as_str() };
                Err(CatalogError::field(place, format!("{} is not an object", short(other))))
            }
        }
    }

    /// Path of a field of this object.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The object itself is wrong.
    pub(crate) fn wrong(&self, message: impl ToString) -> CatalogError {
        CatalogError::field(&self.path, message)
    }

    /// A field that may be missing, which is the same as `null`.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<&'a Value> {
        self.read.insert(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A field that must be there, if only as `null`.
    pub(crate) fn required(&mut self, name: &'static str) -> Result<&'a Value, CatalogError> {
        self.read.insert(name);
        self.object.get(name).ok_or_else(|| CatalogError::field(self.path(name), "it is missing"))
    }

    /// A field that is an object.
    pub(crate) fn object(&mut self, name: &'static str) -> Result<Self, CatalogError> {
        let value = self.required(name)?;
        Self::new(self.path(name), value)
    }

    /// A field that is a whole number.
    pub(crate) fn number(&mut self, name: &'static str) -> Result<u32, CatalogError> {
        let value = self.required(name)?;
        value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            let message = format!("{} is not a whole number of 32 bits", short(value));
            CatalogError::field(self.path(name), message)
        })
    }

    /// A field that can have one value only.
    pub(crate) fn expect(
        &mut self,
        name: &'static str,
        expected: &Value,
    ) -> Result<(), CatalogError> {
        let value = self.required(name)?;
        // Python writes 0 and 0.0 for the same number.
        let same_number = value.is_number() && value.as_f64() == expected.as_f64();
        if value == expected || same_number {
            return Ok(());
        }
        let message = format!("{} is not supported, only {expected}", short(value));
        Err(CatalogError::field(self.path(name), message))
    }

    /// Fields that can have one value only.
    pub(crate) fn expect_all(
        &mut self,
        expected: &[(&'static str, Value)],
    ) -> Result<(), CatalogError> {
        expected.iter().try_for_each(|(name, value)| self.expect(name, value))
    }

    /// Ends the reading.
    pub(crate) fn finish(self) -> Result<(), CatalogError> {
        match self.object.keys().find(|name| !self.read.contains(name.as_str())) {
            None => Ok(()),
            Some(name) => Err(CatalogError::field(self.path(name), "there is no such field")),
        }
    }
}

/// A value as JSON, cut where a message would be unreadable.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
