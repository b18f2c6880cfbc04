//! A hint is what a user can do about an error; the error carries it to where it is printed.

use std::error::Error;
use std::fmt;

/// An error that reads as the one it wraps, with a hint beside it.
struct Hinted {
    error: Box<dyn Error + Send + Sync>,
    hint: String,
}

/// Adds hints to results.
pub trait WithHint<T> {
    /// The same result; its error carries the hint.
    ///
    /// # Errors
    /// Those of the result.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| {
            let error = error.into().into_boxed_dyn_error();
            anyhow::Error::new(Hinted { error, hint: hint.into() })
        })
    }
}

/// The hint that an error carries, the outermost where there are several.
pub fn of(error: &anyhow::Error) -> Option<&str> {
    let mut causes = error.chain();
    causes.find_map(|cause| Some(cause.downcast_ref::<Hinted>()?.hint.as_str()))
}

impl Error for Hinted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_hint_is_found_through_what_is_said_around_it_and_is_not_part_of_the_message() {
        let inner = Err::<(), _>(anyhow!("no such file")).context("cannot read it");
        let error = inner.hint("look elsewhere").context("profiling").unwrap_err();
        assert_eq!(format!("{error:#}"), "profiling: cannot read it: no such file");
        assert_eq!(of(&error), Some("look elsewhere"));
        assert_eq!(of(&anyhow!("other")), None);
    }
}
