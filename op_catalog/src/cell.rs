//! A cell is a searched place in a chain: what comes in, what must go out, and which candidates do that.

use crate::space_definition::Shortcuts;
use crate::{Candidate, CatalogError, FeatureMap, Op, PlacedOp, Shortcut};

/// A place before anything is offered there.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    /// What comes in.
    pub(crate) input: FeatureMap,
    /// Channels that go out.
    pub(crate) channels: u32,
    /// Step in pixels.
    pub(crate) stride: u32,
    /// Whether it may be skipped.
    pub(crate) skips: bool,
    /// Which operations add their input here.
    pub(crate) shortcuts: Shortcuts,
}

impl Cell {
    /// Whether another shape goes out than comes in.
    pub(crate) fn changes_shape(self) -> bool {
        self.channels != self.input.channels() || self.stride > 1
    }

    /// Those of these lists, each with its place in the definition, that can stand here; all have the
    /// same output.
    ///
    /// # Errors
    /// A candidate that is another one here, gives another output, or is too large; by its place.
    pub(crate) fn offered(
        self,
        lists: &[(&str, &[Candidate])],
    ) -> Result<Vec<PlacedOp>, CatalogError> {
        let mut offered = Vec::new();
        for (place, candidates) in lists {
            for (index, candidate) in candidates.iter().enumerate() {
                let placed = self
                    .place(*candidate, &offered)
                    .map_err(|message| CatalogError::field(format!("{place}[{index}]"), message))?;
                offered.extend(placed);
            }
        }
        Ok(offered)
    }

    /// The candidate beside those that are offered already, if it can stand here.
    fn place(self, candidate: Candidate, offered: &[PlacedOp]) -> Result<Option<PlacedOp>, String> {
        let Self { input, channels, stride, skips, shortcuts } = self;
        let op = candidate.at(input.channels()).map_err(|error| error.to_string())?;
        if (channels != input.channels() && op.keeps_channels())
            || (stride > 1 && !op.has_stride())
            || (op == Op::Zero && !skips)
        {
            return Ok(None);
        }
        let placed = match shortcuts {
            Shortcuts::Cells if !self.changes_shape() && op.has_stride() => {
                PlacedOp::with_shortcut(op, input, channels, stride, Shortcut::Identity)
            }
            Shortcuts::Cells | Shortcuts::Blocks => PlacedOp::new(op, input, channels, stride),
        };
        let placed = placed.map_err(|error| error.to_string())?;
        if offered.contains(&placed) {
            return Err(format!("`{candidate}` is `{op}` at {input}, which stands before it"));
        }
        match offered.first() {
            Some(first) if first.output() != placed.output() => Err(format!(
                "`{op}` turns {input} into {}, but `{}` into {}",
                placed.output(),
                first.op(),
                first.output()
            )),
            _ => Ok(Some(placed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SearchSpace;
    use crate::space_builder::tests::build;

    /// What each edge offers, separated by blanks.
    fn offered(space: &SearchSpace) -> Vec<String> {
        let ops = |edge: &[PlacedOp]| -> Vec<String> {
            edge.iter().map(|placed| placed.op().to_string()).collect()
        };
        space.edges().map(|edge| ops(edge).join(" ")).collect()
    }

    #[test]
    fn a_stage_may_have_candidates_of_its_own() {
        let own = "cells = 2\ncandidates = [\"conv-k5\", \"mbconv-k5-e2.5\", \"maxpool-k3\", \"identity\"]";
        let space = build("cells = 2", own).unwrap();
        let offered: Vec<Vec<String>> = space
            .edges()
            .map(|edge| edge.iter().map(|placed| placed.op().to_string()).collect())
            .collect();
        assert_eq!(
            offered,
            [
                vec!["conv-k5", "mbconv-k5-e2.5"],
                vec!["conv-k5", "mbconv-k5-e2.5", "maxpool-k3", "identity"],
            ]
        );
    }

    #[test]
    fn only_the_last_cells_are_skipped_where_the_stage_says_how_many() {
        let edges = |cells| {
            let space = build("cells = 2", cells).unwrap();
            offered(&space).len()
        };
        assert_eq!(edges("cells = 4"), 3);
        assert_eq!(edges("cells = 4\nskippable = 4"), 3);
        assert_eq!(edges("cells = 4\nskippable = 1"), 1);
        assert_eq!(edges("cells = 4\nskippable = 0"), 0);
    }

    #[test]
    fn shape_changing_operations_stand_where_zero_cannot() {
        let besides = "shape_changing = [\"conv-k1\", \"identity\"]\n[input]";
        let space = build("[input]", besides).unwrap();
        assert_eq!(offered(&space), ["mbconv-k3-e3 conv-k1", "mbconv-k3-e3 zero"]);
    }

    #[test]
    fn a_space_says_whether_cells_or_blocks_alone_add_their_input() {
        let keys = |to: &str| -> Vec<String> {
            let space = build("\"zero\"]", to).unwrap();
            let last = space.edges().last().unwrap();
            last.iter().map(ToString::to_string).collect()
        };
        let offered = "\"depthwise-k3-linear\", \"maxpool-k3\", \"identity\", \"zero\"]";
        let at = "in4x4x16-out4x4x16-s1";
        assert_eq!(
            keys(offered),
            [
                format!("mbconv-k3-e3-{at}-skip"),
                format!("depthwise-k3-linear-{at}"),
                format!("maxpool-k3-{at}"),
                format!("identity-{at}"),
                format!("zero-{at}"),
            ]
        );
        assert_eq!(
            keys(&format!("{offered}\nshortcuts = \"cells\"")),
            [
                format!("mbconv-k3-e3-{at}-skip"),
                format!("depthwise-k3-linear-{at}-skip"),
                format!("maxpool-k3-{at}-skip"),
                format!("identity-{at}"),
                format!("zero-{at}"),
            ]
        );
    }

    #[test]
    fn keys_of_rounded_ratios_carry_the_width() {
        let space = build("\"zero\"", "\"mbconv-k5-x3-hs\"").unwrap();
        assert_eq!(
            offered(&space),
            ["mbconv-k3-e3 mbconv-k5-m24-hs", "mbconv-k3-e3 mbconv-k5-m48-hs"]
        );
    }
}
