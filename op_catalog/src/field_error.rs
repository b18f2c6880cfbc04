//! A field error is serde's complaint about a document, with the path of the field and, where the
//! field is unknown, the fields that there are.

use crate::CatalogError;

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldError {
    /// A field that should not be there.
    Unknown { path: String, known: String },
    /// A field that cannot be read, or a missing one.
    Invalid { path: String, message: String },
}

impl FieldError {
    /// Sorts a complaint out by its text, which is all that serde gives.
    pub(crate) fn new(path: &serde_path_to_error::Path, complaint: &str) -> Self {
        let path = path.to_string();
        let unknown =
            complaint.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
        let missing =
            complaint.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
        let parent = if path == "." { String::new() } else { path.clone() };
        let Some((name, rest)) = unknown else {
            return match missing {
                Some((name, _)) => {
                    let path = if parent.is_empty() {
                        name.to_owned()
                    } else {
                        format!("{parent}.{name}")
                    };
                    Self::Invalid { path, message: "this field is missing".to_owned() }
                }
                None => Self::Invalid { path: parent, message: complaint.to_owned() },
            };
        };
        // The path ends at the unknown field where the format tells keys one by one, else before it.
        let path = match path.as_str() {
            "." => name.to_owned(),
            path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
            path => format!("{path}.{name}"),
        };
        let known = rest
            .trim_start_matches(", expected one of ")
            .trim_start_matches(", expected ")
            .replace("` or `", "`, `");
        Self::Unknown { path, known }
    }
}

impl From<FieldError> for CatalogError {
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::Unknown { path, known } => {
                Self::field(path, format!("there is no such field; there are: {known}"))
            }
            FieldError::Invalid { path, message } if path.is_empty() => {
                Self::field("the document", message)
            }
            FieldError::Invalid { path, message } => Self::field(path, message),
        }
    }
}
