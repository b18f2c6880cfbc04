//! A space builder turns a [`SpaceDefinition`] into a [`SearchSpace`], or says by its path which field
//! is wrong.

use crate::cell::Cell;
use crate::space::{Slot, make_divisible_by};
use crate::space_definition::{FixedDefinition, InputDefinition, Scaling, StageDefinition};
use crate::{Candidate, CatalogError, FeatureMap, Op, PlacedOp, SearchSpace, SpaceDefinition};

/// The largest number of cells of all stages, of candidates in a list, and of fixed operations in
/// stem or head: far above any real space, and small enough that no file can fill the memory.
const MAX_COUNT: usize = 1000;

impl SpaceDefinition {
    /// Builds the space.
    ///
    /// # Errors
    /// The first field whose value cannot be, by its path: `stages[2].cells: ...`.
    pub fn build(&self) -> Result<SearchSpace, CatalogError> {
        self.check_numbers()?;
        let mut chain = Chain { definition: self, end: input_map(&self.input)?, slots: Vec::new() };
        for (index, fixed) in self.stem.iter().enumerate() {
            chain.fixed(&format!("stem[{index}]"), fixed)?;
        }
        for (index, stage) in self.stages.iter().enumerate() {
            chain.stage(&format!("stages[{index}]"), stage)?;
        }
        for (index, fixed) in self.head.iter().enumerate() {
            chain.fixed(&format!("head[{index}]"), fixed)?;
        }
        if chain.slots.is_empty() {
            return Err(CatalogError::field("stages", "a space needs at least one operation"));
        }
        Ok(SearchSpace::from_slots(self.clone(), chain.slots))
    }

    fn check_numbers(&self) -> Result<(), CatalogError> {
        if self.name.is_empty() || self.name.len() > 256 {
            let message = format!("it has {} bytes, not 1 to 256", self.name.len());
            return Err(CatalogError::field("name", message));
        }
        let multiplier = self.width_multiplier;
        if !(0.01..=100.0).contains(&multiplier) {
            let message = format!("{multiplier} is not between 0.01 and 100");
            return Err(CatalogError::field("width_multiplier", message));
        }
        check_width("width_divisor", self.width_divisor)?;
        check_width("classes", self.classes)?;
        check_candidates("candidates", &self.candidates)?;
        check_candidates("shape_changing", &self.shape_changing)?;
        for (place, count) in [("stem", self.stem.len()), ("head", self.head.len())] {
            if count > MAX_COUNT {
                let message = format!("{count} operations, more than {MAX_COUNT}");
                return Err(CatalogError::field(place, message));
            }
        }
        self.check_cells()
    }

    fn check_cells(&self) -> Result<(), CatalogError> {
        let mut cells = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            let place = format!("stages[{index}].cells");
            if stage.cells == 0 {
                return Err(CatalogError::field(place, "a stage needs at least one cell"));
            }
            if let Some(skippable) = stage.skippable.filter(|count| *count > stage.cells) {
                let place = format!("stages[{index}].skippable");
                let message = format!("{skippable} of {} cells", stage.cells);
                return Err(CatalogError::field(place, message));
            }
            cells += stage.cells as usize;
            if cells > MAX_COUNT {
                let message = format!("{cells} cells up to here, more than {MAX_COUNT}");
                return Err(CatalogError::field(place, message));
            }
        }
        Ok(())
    }
}

/// The slots so far, and the map at their end.
struct Chain<'a> {
    definition: &'a SpaceDefinition,
    end: FeatureMap,
    slots: Vec<Slot>,
}

impl Chain<'_> {
    fn fixed(&mut self, place: &str, fixed: &FixedDefinition) -> Result<(), CatalogError> {
        self.check_stride(place, fixed.stride)?;
        let channels = self.fixed_channels(place, fixed)?;
        let placed = PlacedOp::new(fixed.op, self.end, channels, fixed.stride)
            .map_err(|error| CatalogError::field(place, error))?;
        self.end = placed.output();
        self.slots.push(Slot::Fixed(placed));
        Ok(())
    }

    fn fixed_channels(&self, place: &str, fixed: &FixedDefinition) -> Result<u32, CatalogError> {
        match (fixed.op, fixed.width) {
            (Op::Add, _) => {
                let message = "`add` has two inputs and cannot stand in a chain";
                Err(CatalogError::field(format!("{place}.op"), message))
            }
            (Op::Classifier, None) => Ok(self.definition.classes),
            (Op::Classifier, Some(_)) => {
                let message = "the width of a classifier is the field `classes`";
                Err(CatalogError::field(format!("{place}.width"), message))
            }
            (op, None) if op.keeps_channels() => Ok(self.end.channels()),
            (op, None) => {
                Err(CatalogError::field(format!("{place}.width"), format!("`{op}` needs a width")))
            }
            (_, Some(width)) => self.scaled(place, width, fixed.scales),
        }
    }

    fn stage(&mut self, place: &str, stage: &StageDefinition) -> Result<(), CatalogError> {
        let channels = self.scaled(place, stage.width, Scaling::Always)?;
        let (candidates_place, candidates) = match &stage.candidates {
            Some(own) => (format!("{place}.candidates"), own),
            None => ("candidates".to_owned(), &self.definition.candidates),
        };
        check_candidates(&candidates_place, candidates)?;
        self.check_stride(place, stage.stride)?;
        for index in 0..stage.cells {
            let stride = if index == 0 { stage.stride } else { 1 };
            let skips = index >= stage.cells - stage.skippable.unwrap_or(stage.cells);
            let SpaceDefinition { shortcuts, shape_changing, .. } = self.definition;
            let cell = Cell { input: self.end, channels, stride, skips, shortcuts: *shortcuts };
            let besides = if cell.changes_shape() { shape_changing.as_slice() } else { &[] };
            let offered =
                cell.offered(&[(&candidates_place, candidates), ("shape_changing", besides)])?;
            let Some(first) = offered.first() else {
                let message = format!(
                    "none of `{candidates_place}` can turn {} into {channels} channels with stride {stride}",
                    self.end
                );
                return Err(CatalogError::field(place, message));
            };
            self.end = first.output();
            let slot = match offered[..] {
                [only] => Slot::Fixed(only),
                _ => Slot::Edge(offered),
            };
            self.slots.push(slot);
        }
        Ok(())
    }

    fn scaled(&self, place: &str, width: u32, scales: Scaling) -> Result<u32, CatalogError> {
        let place = format!("{place}.width");
        check_width(&place, width)?;
        let SpaceDefinition { width_multiplier: multiplier, width_divisor, .. } = *self.definition;
        let follows = match scales {
            Scaling::Always => true,
            Scaling::UpOnly => multiplier > 1.0,
            Scaling::Never => false,
        };
        let channels = if follows {
            make_divisible_by(f64::from(width) * multiplier, width_divisor)
        } else {
            width
        };
        check_width(&place, channels)?;
        Ok(channels)
    }

    fn check_stride(&self, place: &str, stride: u32) -> Result<(), CatalogError> {
        let side = self.end.height().min(self.end.width());
        if (1..=side).contains(&stride) {
            return Ok(());
        }
        let message = format!("{stride} is not between 1 and the side of the map there, {side}");
        Err(CatalogError::field(format!("{place}.stride"), message))
    }
}

fn input_map(input: &InputDefinition) -> Result<FeatureMap, CatalogError> {
    for (name, value) in
        [("height", input.height), ("width", input.width), ("channels", input.channels)]
    {
        check_width(&format!("input.{name}"), value)?;
    }
    FeatureMap::new(input.height, input.width, input.channels)
        .map_err(|error| CatalogError::field("input", error))
}

fn check_width(place: &str, width: u32) -> Result<(), CatalogError> {
    let most = FeatureMap::MAX_DIMENSION;
    if (1..=most).contains(&width) {
        return Ok(());
    }
    Err(CatalogError::field(place, format!("{width} is not between 1 and {most}")))
}

fn check_candidates(place: &str, candidates: &[Candidate]) -> Result<(), CatalogError> {
    if candidates.len() > MAX_COUNT {
        let message = format!("{} candidates, more than {MAX_COUNT}", candidates.len());
        return Err(CatalogError::field(place, message));
    }
    for (index, op) in candidates.iter().enumerate() {
        let place = format!("{place}[{index}]");
        if matches!(op, Candidate::Op(Op::Add | Op::Classifier)) {
            return Err(CatalogError::field(place, format!("`{op}` cannot be a candidate")));
        }
        if candidates[..index].contains(op) {
            return Err(CatalogError::field(place, format!("`{op}` stands twice")));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const TINY: &str = r#"
name = "tiny"
classes = 10
candidates = ["mbconv-k3-e3", "zero"]
[input]
height = 8
width = 8
channels = 3
[[stem]]
op = "conv-k3"
width = 8
[[stages]]
width = 16
cells = 2
stride = 2
[[head]]
op = "classifier"
"#;

    /// A tiny space in whose text one thing is replaced.
    pub(crate) fn build(from: &str, to: &str) -> Result<SearchSpace, CatalogError> {
        let text = TINY.replacen(from, to, 1);
        assert!(text != TINY || from == to, "{from}");
        SpaceDefinition::from_toml(&text)?.build()
    }

    #[test]
    fn an_edge_with_one_candidate_is_a_fixed_operation() {
        let space = build("", "").unwrap();
        assert_eq!(space.slots().len(), 4);
        assert_eq!(space.edges().count(), 1);
        let only = "mbconv-k3-e3-in8x8x8-out4x4x16-s2".parse().unwrap();
        assert_eq!(space.slots()[1], Slot::Fixed(only));
    }

    #[test]
    fn a_wrong_field_is_named_by_its_path() {
        for (from, to, message) in [
            ("\"tiny\"", "\"\"", "name: it has 0 bytes, not 1 to 256"),
            ("classes = 10", "classes = 0", "classes: 0 is not between 1 and 65536"),
            (
                "classes = 10",
                "classes = 10\nwidth_multiplier = nan",
                "width_multiplier: NaN is not between 0.01 and 100",
            ),
            (
                "classes = 10",
                "classes = 10\nwidth_divisor = 0",
                "width_divisor: 0 is not between 1 and 65536",
            ),
            ("channels = 3", "channels = 0", "input.channels: 0 is not between 1 and 65536"),
            (
                "height = 8",
                "height = 1000000000",
                "input.height: 1000000000 is not between 1 and 65536",
            ),
            ("width = 8\n[[stages]]", "[[stages]]", "stem[0].width: `conv-k3` needs a width"),
            ("cells = 2", "cells = 0", "stages[0].cells: a stage needs at least one cell"),
            ("cells = 2", "cells = 1001", "stages[0].cells: 1001 cells up to here, more than 1000"),
            (
                "stride = 2",
                "stride = 0",
                "stages[0].stride: 0 is not between 1 and the side of the map there, 8",
            ),
            (
                "stride = 2",
                "stride = 9",
                "stages[0].stride: 9 is not between 1 and the side of the map there, 8",
            ),
            ("width = 16", "width = 0", "stages[0].width: 0 is not between 1 and 65536"),
            (
                "[\"mbconv-k3-e3\", ",
                "[",
                "stages[0]: none of `candidates` can turn 8x8x8 into 16 channels with stride 2",
            ),
            ("stride = 2", "stride = 2\nskippable = 3", "stages[0].skippable: 3 of 2 cells"),
            (
                "\"zero\"",
                "\"mbconv-k3-m24\", \"mbconv-k3-x3\"",
                "candidates[2]: `mbconv-k3-x3` is `mbconv-k3-m24` at 8x8x8, which stands before it",
            ),
            (
                "[input]",
                "shape_changing = [\"classifier\"]\n[input]",
                "shape_changing[0]: `classifier` cannot be a candidate",
            ),
            (
                "\"zero\"",
                "\"mbconv-k3-x1-g3\"",
                "candidates[1]: middle width is 8, but must be divisible by its 3 groups",
            ),
            ("\"zero\"", "\"add\"", "candidates[1]: `add` cannot be a candidate"),
            ("\"zero\"", "\"mbconv-k3-e3\"", "candidates[1]: `mbconv-k3-e3` stands twice"),
            (
                "\"zero\"",
                "\"maxpool-k2\"",
                "candidates[1]: `maxpool-k2` turns 4x4x16 into 3x3x16, but `mbconv-k3-e3` into 4x4x16",
            ),
            (
                "op = \"classifier\"",
                "op = \"classifier\"\nwidth = 10",
                "head[0].width: the width of a classifier is the field `classes`",
            ),
            (
                "op = \"classifier\"",
                "op = \"add\"",
                "head[0].op: `add` has two inputs and cannot stand in a chain",
            ),
        ] {
            assert_eq!(build(from, to).unwrap_err().to_string(), message);
        }
    }
}
