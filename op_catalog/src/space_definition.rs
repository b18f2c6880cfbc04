//! A space definition is a search space as data: what a TOML file says of it, before it is built.

use serde::{Deserialize, Serialize};

use crate::field_error::FieldError;
use crate::space::WIDTH_DIVISOR;
use crate::{Candidate, CatalogError, Op};

/// What a search space is made of. Plain data, so that a table can carry it; [`Self::build`] checks it
/// and makes the [`SearchSpace`](crate::SearchSpace).
///
/// ```
/// use op_catalog::SpaceDefinition;
/// let grey = SpaceDefinition::built_in("proxyless-small")?.with_resolution(28, 28).with_channels(1);
/// assert_eq!(grey.build()?.edges().count(), 12);
/// # Ok::<(), op_catalog::CatalogError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpaceDefinition {
    /// Its name, which architectures refer to.
    pub name: String,
    /// Classes that a `classifier` of the head tells apart.
    pub classes: u32,
    /// Factor on the widths, rounded as [`make_divisible_by`](crate::space::make_divisible_by) does.
    #[serde(default = "one")]
    pub width_multiplier: f64,
    /// What those widths are multiples of: `round_nearest` of torchvision's MobileNetV2.
    #[serde(default = "usual_divisor", skip_serializing_if = "is_usual_divisor")]
    pub width_divisor: u32,
    /// Operations that every edge offers, in this order. One that cannot change the shape (`zero`,
    /// `identity`, a pooling, a depthwise convolution) is offered only where it need not.
    pub candidates: Vec<Candidate>,
    /// Which operations of a cell add their input to their output.
    #[serde(default, skip_serializing_if = "Shortcuts::are_of_blocks")]
    pub shortcuts: Shortcuts,
    /// Operations that an edge offers besides, after its candidates, where the shape changes and they
    /// can change it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape_changing: Vec<Candidate>,
    /// The images.
    pub input: InputDefinition,
    /// Fixed operations before the stages.
    #[serde(default)]
    pub stem: Vec<FixedDefinition>,
    /// The searched part.
    #[serde(default)]
    pub stages: Vec<StageDefinition>,
    /// Fixed operations after the stages.
    #[serde(default)]
    pub head: Vec<FixedDefinition>,
}

/// Shape of the images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputDefinition {
    /// Rows of pixels.
    pub height: u32,
    /// Pixels in a row.
    pub width: u32,
    /// 3 for colour, 1 for grey.
    pub channels: u32,
}

/// A fixed operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedDefinition {
    /// The operation.
    pub op: Op,
    /// Channels that come out, before the width multiplier. Absent for a `classifier`, whose width is
    /// the number of classes, and where the operation keeps its channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Step in pixels.
    #[serde(default = "one_pixel")]
    pub stride: u32,
    /// How the width follows the multiplier.
    #[serde(default)]
    pub scales: Scaling,
}

/// How a width follows the width multiplier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// With every multiplier.
    #[default]
    Always,
    /// With multipliers above 1 only, as the last convolution of MobileNetV2 and ProxylessNAS.
    UpOnly,
    /// Not at all.
    Never,
}

/// Which operations add their input to their output, where a cell preserves the shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortcuts {
    /// Inverted residual blocks alone, as in the networks of ProxylessNAS for `ImageNet`.
    #[default]
    Blocks,
    /// Whatever convolves or pools, as in the residual cells in which ProxylessNAS searches on
    /// CIFAR-10 (Cai, Zhu, Han, section 4.1). A convolution learns a difference then, and what
    /// follows a cell has about the same features to learn from with every candidate.
    Cells,
}

impl Shortcuts {
    // By reference, as serde asks.
    #[expect(clippy::trivially_copy_pass_by_ref)]
    fn are_of_blocks(&self) -> bool {
        *self == Self::Blocks
    }
}

/// A run of searched cells of one width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageDefinition {
    /// Channels that come out of each cell, before the width multiplier.
    pub width: u32,
    /// Number of cells.
    pub cells: u32,
    /// Step in pixels of the first cell; the others have 1.
    #[serde(default = "one_pixel")]
    pub stride: u32,
    /// How many cells, the last ones, may be skipped: a `zero` among the candidates is offered on no
    /// other. Absent, it is offered wherever the shape is preserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skippable: Option<u32>,
    /// Candidates of this stage, in place of those of the space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<Candidate>>,
}

/// The built-in spaces: names and TOML.
const BUILT_IN: [(&str, &str); 5] = [
    ("proxyless-mobile", include_str!("../spaces/proxyless-mobile.toml")),
    ("proxyless-small", include_str!("../spaces/proxyless-small.toml")),
    ("ofa-mbv3", include_str!("../spaces/ofa-mbv3.toml")),
    ("fbnet", include_str!("../spaces/fbnet.toml")),
    ("tunas-proxyless", include_str!("../spaces/tunas-proxyless.toml")),
];

impl SpaceDefinition {
    /// Reads a space from TOML.
    ///
    /// # Errors
    /// A text that is not TOML, by its line; a missing, unknown or ill-typed field, by its path. Whether
    /// the numbers make a space is for [`Self::build`] to say.
    pub fn from_toml(text: &str) -> Result<Self, CatalogError> {
        let document = toml::Deserializer::parse(text).map_err(|error| {
            let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
            let line = before.lines().count().max(1);
            CatalogError::field(format!("line {line}"), error.message())
        })?;
        serde_path_to_error::deserialize(document).map_err(|error| {
            let complaint = error.inner().message().to_owned();
            FieldError::new(error.path(), &complaint).into()
        })
    }

    /// A built-in space.
    ///
    /// # Errors
    /// A name that is not built in; the error lists those that are.
    pub fn built_in(name: &str) -> Result<Self, CatalogError> {
        match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Self::from_toml(text),
            None => Err(CatalogError::UnknownName {
                kind: "search space",
                name: name.to_owned(),
                known: Self::built_in_names().join(", "),
            }),
        }
    }

    /// Names of the built-in spaces.
    pub fn built_in_names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same space under another name.
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The same space on images of another size.
    pub fn with_resolution(self, height: u32, width: u32) -> Self {
        Self { input: InputDefinition { height, width, ..self.input }, ..self }
    }

    /// The same space on images with other channels.
    pub fn with_channels(self, channels: u32) -> Self {
        Self { input: InputDefinition { channels, ..self.input }, ..self }
    }

    /// The same space for another number of classes.
    pub fn with_classes(self, classes: u32) -> Self {
        Self { classes, ..self }
    }

    /// The same space with another width multiplier.
    pub fn with_width_multiplier(self, width_multiplier: f64) -> Self {
        Self { width_multiplier, ..self }
    }

    /// The same space with widths that are multiples of something else than 8.
    pub fn with_width_divisor(self, width_divisor: u32) -> Self {
        Self { width_divisor, ..self }
    }
}

const fn one() -> f64 {
    1.0
}

const fn usual_divisor() -> u32 {
    WIDTH_DIVISOR
}

// By reference, as serde asks.
#[expect(clippy::trivially_copy_pass_by_ref)]
const fn is_usual_divisor(divisor: &u32) -> bool {
    *divisor == WIDTH_DIVISOR
}

const fn one_pixel() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOBILE: &str = BUILT_IN[0].1;

    #[test]
    fn built_in_spaces_have_the_names_of_their_files_and_build() {
        for name in SpaceDefinition::built_in_names() {
            let definition = SpaceDefinition::built_in(name).unwrap();
            assert_eq!(definition.name(), name);
            definition.build().unwrap();
        }
        assert_eq!(
            SpaceDefinition::built_in("proxyless").unwrap_err().to_string(),
            "there is no search space named `proxyless`; there are: proxyless-mobile, proxyless-small, ofa-mbv3, fbnet, tunas-proxyless"
        );
    }

    #[test]
    fn definitions_survive_json_and_toml() {
        for name in SpaceDefinition::built_in_names() {
            let definition = SpaceDefinition::built_in(name).unwrap();
            let json = serde_json::to_string(&definition).unwrap();
            assert_eq!(serde_json::from_str::<SpaceDefinition>(&json).unwrap(), definition);
            let toml = toml::to_string(&definition).unwrap();
            assert_eq!(SpaceDefinition::from_toml(&toml).unwrap(), definition);
        }
    }

    #[test]
    fn wrong_text_is_refused_by_line_or_path() {
        for (from, to, message) in [
            (
                "cells = 4",
                "cell = 4",
                "stages[0].cell: there is no such field; there are: `width`, `cells`, `stride`, `skippable`, `candidates`",
            ),
            (
                "classes = 1000",
                "classes = 1000\nclases = 1",
                "clases: there is no such field; there are: `name`, `classes`, `width_multiplier`, `width_divisor`, `candidates`, `shortcuts`, `shape_changing`, `input`, `stem`, `stages`, `head`",
            ),
            ("height = 224\n", "", "input.height: this field is missing"),
            (
                "classes = 1000",
                "classes = -1",
                "classes: invalid value: integer `-1`, expected u32",
            ),
            (
                "\"mbconv-k3-e6\"",
                "\"mbconv-k4-e6\"",
                "candidates[1]: kernel is 4, but must be odd and at most 31",
            ),
            (
                "scales = \"up_only\"",
                "scales = \"up\"",
                "head[0].scales: unknown variant `up`, expected one of `always`, `up_only`, `never`",
            ),
        ] {
            let text = MOBILE.replacen(from, to, 1);
            assert_ne!(text, MOBILE, "{from}");
            assert_eq!(SpaceDefinition::from_toml(&text).unwrap_err().to_string(), message);
        }
        let error = SpaceDefinition::from_toml("name = \"x\"\nclasses = =").unwrap_err();
        assert!(error.to_string().starts_with("line 2: "), "{error}");
    }

    proptest! {
        #[test]
        fn a_mutated_file_is_read_or_refused_without_panic(
            at in 0..MOBILE.len(), length in 0_usize..40, insert in "[ -~\n]{0,8}",
        ) {
            let mut text = MOBILE.to_owned();
            let end = (at + length).min(text.len());
            text.replace_range(at..end, &insert);
            if let Ok(definition) = SpaceDefinition::from_toml(&text) {
                let _built_or_refused = definition.build();
            }
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in any::<String>()) {
            prop_assert!(SpaceDefinition::from_toml(&text).is_err());
        }
    }
}
