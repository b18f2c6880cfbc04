//! A JSON text is a document whose parts know their lines, so that what is wrong with one can be told by
//! line and value.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::TableError;
use crate::located::Located;
use crate::pairs::Pairs;

/// A document, or several one after the other.
pub(crate) struct JsonText<'t> {
    text: &'t str,
    /// Where lines end.
    ends: Vec<usize>,
}

/// A value of the document.
#[derive(Clone, Copy)]
pub(crate) struct JsonPart<'t> {
    document: &'t JsonText<'t>,
    raw: &'t str,
    start: usize,
}

/// Fields of an object, by their names; each once.
pub(crate) struct JsonFields<'t> {
    object: JsonPart<'t>,
    fields: Vec<(String, JsonPart<'t>)>,
}

impl<'t> JsonText<'t> {
    /// A text that is read only as far as it is asked for.
    pub(crate) fn new(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, ends: ends.map(|(index, _)| index).collect() }
    }

    /// The documents, one after the other, on one line each or on many.
    ///
    /// # Errors
    /// What is no JSON, by line and column.
    pub(crate) fn documents(&'t self) -> Result<Vec<JsonPart<'t>>, TableError> {
        let documents = serde_json::Deserializer::from_str(self.text).into_iter::<&RawValue>();
        documents
            .map(|document| match document {
                Ok(raw) => Ok(self.part(raw)),
                Err(error) => Err(TableError::Line {
                    line: error.line() as u64,
                    column: format!("column {}", error.column()),
                    message: format!("it is not JSON ({error})"),
                }),
            })
            .collect()
    }

    /// Raw values borrow from the text, so that their places in it are known.
    fn part(&'t self, raw: &'t RawValue) -> JsonPart<'t> {
        let raw = raw.get();
        let start = (raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        JsonPart { document: self, raw, start }
    }
}

impl<'t> JsonPart<'t> {
    /// Number of the line on which it starts, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.document.ends.partition_point(|end| *end < self.start) as u64 + 1
    }

    /// Whether it is a list.
    pub(crate) fn is_array(&self) -> bool {
        self.raw.starts_with('[')
    }

    /// Refuses it, as the value of this field.
    pub(crate) fn wrong(&self, field: &str, message: impl std::fmt::Display) -> TableError {
        TableError::Line {
            line: self.line(),
            column: field.to_owned(),
            message: message.to_string(),
        }
    }

    /// The items of a list.
    pub(crate) fn array(&self, field: &str) -> Result<Vec<JsonPart<'t>>, TableError> {
        let items: Vec<&'t RawValue> = self.read(field, "a list")?;
        Ok(items.into_iter().map(|raw| self.document.part(raw)).collect())
    }

    /// The fields of an object.
    pub(crate) fn object(&self, field: &str) -> Result<JsonFields<'t>, TableError> {
        let pairs: Pairs<String, &'t RawValue> = self.read(field, "an object")?;
        let mut fields: Vec<(String, JsonPart<'t>)> = Vec::new();
        for (name, raw) in pairs.0 {
            let part = self.document.part(raw);
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(part.wrong(&join(field, &name), "the field stands twice"));
            }
            fields.push((name, part));
        }
        Ok(JsonFields { object: *self, fields })
    }

    /// A number, as it is written.
    pub(crate) fn number(&self, field: &str) -> Result<Located, TableError> {
        match self.raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            true => Ok(Located { line: self.line(), text: self.raw.to_owned() }),
            false => Err(self.wrong(field, format!("`{}` is not a number", self.short()))),
        }
    }

    /// A value of some type.
    pub(crate) fn read<T: Deserialize<'t>>(
        &self,
        field: &str,
        what: &str,
    ) -> Result<T, TableError> {
        serde_json::from_str(self.raw)
            .map_err(|_| self.wrong(field, format!("`{}` is not {what}", self.short())))
    }

    /// The text, cut where a message would be unreadable.
    pub(crate) fn short(&self) -> String {
        match self.raw.char_indices().nth(40) {
            Some((end, _)) => format!("{}...", &self.raw[..end]),
            None => self.raw.to_owned(),
        }
    }
}

impl<'t> JsonFields<'t> {
    /// A field that may be missing, which is the same as `null`.
    pub(crate) fn optional(&self, name: &str) -> Option<JsonPart<'t>> {
        let (_, part) = self.fields.iter().find(|(known, _)| known == name)?;
        Some(*part).filter(|part| part.raw != "null")
    }

    /// A field that must be there.
    pub(crate) fn required(&self, path: &str, name: &str) -> Result<JsonPart<'t>, TableError> {
        let missing = || self.object.wrong(&join(path, name), "it is missing");
        self.optional(name).ok_or_else(missing)
    }

    /// The fields in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, JsonPart<'t>)> {
        self.fields.iter().map(|(name, part)| (name.as_str(), *part))
    }

    /// Refuses fields of other names.
    pub(crate) fn expect_only(&self, path: &str, known: &[&str]) -> Result<(), TableError> {
        match self.fields.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, part)) => {
                let known = known.join(", ");
                let message = format!("there is no such field; there are: {known}");
                Err(part.wrong(&join(path, name), message))
            }
        }
    }
}

/// The path of a field in an object.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_know_their_lines() {
        let text = JsonText::new("{\"a\": [1,\n 2.50],\n\"b\": {}}\n\n {\"c\":\n\"x\"}");
        let documents = text.documents().unwrap();
        let fields: Vec<JsonFields> =
            documents.iter().map(|document| document.object("").unwrap()).collect();
        let items = fields[0].required("", "a").unwrap().array("a").unwrap();
        let number = items[1].number("a[1]").unwrap();
        assert_eq!(number, Located { line: 2, text: "2.50".to_owned() });
        assert_eq!(fields[0].required("", "b").unwrap().line(), 3);
        assert_eq!((documents[1].line(), fields[1].optional("c").unwrap().line()), (5, 6));
    }

    #[test]
    fn what_is_wrong_is_told_by_line_and_value() {
        let error = |text: &str| match JsonText::new(text).documents() {
            Err(error) => error.to_string(),
            Ok(documents) => documents[0].object("").err().unwrap().to_string(),
        };
        assert!(error("{\"a\": 1,\n]").starts_with("line 2, column 1: it is not JSON ("));
        assert_eq!(error("\n[1]"), "line 2, : `[1]` is not an object");
        assert_eq!(error("{\"a\": 1,\n\"a\": 2}"), "line 2, a: the field stands twice");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in any::<String>()) {
            let text = JsonText::new(&text);
            for document in text.documents().unwrap_or_default() {
                prop_assert!(document.line() >= 1);
                _ = (document.object("x").is_ok(), document.array("x").is_ok());
            }
        }
    }
}
