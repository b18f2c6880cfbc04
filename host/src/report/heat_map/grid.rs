//! A grid is a table laid out in two directions: across, the places of its blocks in the network; down,
//! the blocks that were measured there. What has neither a place nor a block in common with others, such
//! as a stem or a classifier, is beside it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use latency_tables::LatencyTable;
use op_catalog::mbconv::SqueezeExcite;
use op_catalog::placed_op::Shortcut;
use op_catalog::{
    Activation, Expansion, FeatureMap, MbConv, Milliseconds, Op, PlacedOp, SearchSpace, Slot,
};

/// A table in two directions.
#[derive(Debug, PartialEq)]
pub(crate) struct Grid {
    /// Places in the order of the network.
    pub(crate) places: Vec<Place>,
    /// Blocks by kernel and middle.
    pub(crate) blocks: Vec<Block>,
    /// What is known, by the indices of place and block.
    pub(crate) cells: BTreeMap<(usize, usize), Cell>,
    /// What stands alone, in the order of the network.
    pub(crate) others: Vec<(PlacedOp, Cell)>,
}

/// What a table knows of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Its latency.
    Measured(Milliseconds),
    /// That it could not be measured.
    Failed,
    /// Nothing, although the table's space has it.
    Missing,
}

/// Where a block stands: all of its key but what a search varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// What comes in.
    pub(crate) input: FeatureMap,
    /// What goes out.
    pub(crate) output: FeatureMap,
    shortcut: Shortcut,
    squeeze_excite: SqueezeExcite,
    activation: Activation,
}

/// What a search varies: in the order of kernels, then of middles.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Block {
    kernel: u32,
    /// Middle channels for a thousand input channels.
    thousandths: u32,
    /// `k3 e6`; `k3 x6` where the middle is a width of about that ratio.
    pub(crate) name: String,
}

/// How blocks whose middle is a width are told apart.
#[derive(Clone, Copy)]
enum Naming {
    /// By the nearest whole ratio, which places of other widths share.
    Ratio,
    /// By the width.
    Width,
}

impl Grid {
    /// The grid of all that the table says, and of what its space has besides.
    pub(crate) fn of(table: &LatencyTable) -> Self {
        let entries = entries(table);
        Self::laid_out(&entries, Naming::Ratio)
            .or_else(|| Self::laid_out(&entries, Naming::Width))
            .unwrap_or_else(|| Self::list(&entries))
    }

    /// Nothing across or down, all beside.
    fn list(entries: &[(PlacedOp, Cell)]) -> Self {
        let others = entries.to_vec();
        Self { places: Vec::new(), blocks: Vec::new(), cells: BTreeMap::new(), others }
    }

    /// `None` where two operations would have one cell.
    fn laid_out(entries: &[(PlacedOp, Cell)], naming: Naming) -> Option<Self> {
        let sites: Vec<_> = entries.iter().map(|(key, _)| site(key, naming)).collect();
        let shares = |site: &(Place, Block)| {
            let others = || sites.iter().flatten();
            let at_place = others().filter(|(place, _)| *place == site.0).count();
            let of_block = others().filter(|(_, block)| *block == site.1).count();
            at_place > 1 || of_block > 1
        };
        let kept: Vec<Option<&(Place, Block)>> =
            sites.iter().map(|site| site.as_ref().filter(|site| shares(site))).collect();
        let blocks: BTreeSet<&Block> = kept.iter().flatten().map(|(_, block)| block).collect();
        let blocks: Vec<Block> = blocks.into_iter().cloned().collect();
        let mut grid = Self { blocks, ..Self::list(&[]) };
        for ((key, cell), site) in entries.iter().zip(kept) {
            let Some((place, block)) = site else {
                grid.others.push((*key, *cell));
                continue;
            };
            let at = (grid.index_of(*place), grid.blocks.binary_search(block).ok()?);
            if grid.cells.insert(at, *cell).is_some() {
                return None;
            }
        }
        Some(grid)
    }

    fn index_of(&mut self, place: Place) -> usize {
        let known = self.places.iter().position(|other| *other == place);
        known.unwrap_or_else(|| {
            self.places.push(place);
            self.places.len() - 1
        })
    }

    /// All that is known, in the grid and beside it.
    pub(crate) fn all(&self) -> impl Iterator<Item = Cell> {
        self.cells.values().chain(self.others.iter().map(|(_, cell)| cell)).copied()
    }
}

impl Place {
    /// `112²×16`, `56²×24` and, where it is not the usual block, what makes it so.
    pub(crate) fn lines(&self) -> [String; 3] {
        let mut said = format!("{}{}", self.squeeze_excite, self.activation).replace('-', " ");
        if self.shortcut == Shortcut::Absent && self.input == self.output {
            said.push_str(" no skip");
        }
        [map(self.input), map(self.output), said.trim().to_owned()]
    }
}

/// A feature map in little room: `112²×16` or `112×96×16`.
pub(crate) fn map(map: FeatureMap) -> String {
    if map.height() == map.width() {
        return format!("{}²×{}", map.height(), map.channels());
    }
    format!("{}×{}×{}", map.height(), map.width(), map.channels())
}

fn site(key: &PlacedOp, naming: Naming) -> Option<(Place, Block)> {
    let Op::MbConv(block) = key.op() else { return None };
    let place = Place {
        input: key.input(),
        output: key.output(),
        shortcut: key.shortcut(),
        squeeze_excite: block.squeeze_excite,
        activation: block.activation,
    };
    Some((place, named(block, key.input().channels(), naming)))
}

fn named(block: MbConv, input_channels: u32, naming: Naming) -> Block {
    let middle = block.expansion.middle_channels(input_channels);
    let ratio = f64::from(middle) / f64::from(input_channels);
    let whole = ratio.round().max(1.0) as u32;
    let groups = block.expansion.groups().to_string().replace('-', " ");
    let (thousandths, middle) = match (block.expansion, naming) {
        (Expansion::Ratio(ratio), _) => (ratio.thousandths(), block.expansion.to_string()),
        (Expansion::Width(_), Naming::Ratio) => (1000 * whole, format!("x{whole}{groups}")),
        (Expansion::Width(_), Naming::Width) => {
            ((1000.0 * ratio).round() as u32, format!("m{middle}{groups}"))
        }
    };
    Block { kernel: block.kernel.side(), thousandths, name: format!("{} {middle}", block.kernel) }
}

/// What the table says of each operation, in the order of the network: that of its space, and without
/// one the order in which maps get smaller and thicker.
fn entries(table: &LatencyTable) -> Vec<(PlacedOp, Cell)> {
    let space = table.space().and_then(|definition| definition.build().ok());
    let mut slots = BTreeMap::new();
    for (number, slot) in space.iter().flat_map(SearchSpace::slots).enumerate() {
        let placed = match slot {
            Slot::Fixed(placed) => std::slice::from_ref(placed),
            Slot::Edge(candidates) => candidates.as_slice(),
        };
        for key in placed {
            slots.entry(*key).or_insert(number);
        }
    }
    let missing = space.iter().flat_map(|space| table.missing(space));
    let mut cells: BTreeMap<PlacedOp, Cell> = missing.map(|key| (key, Cell::Missing)).collect();
    cells.extend(table.failed().map(|(key, _)| (*key, Cell::Failed)));
    cells.extend(table.rows().map(|row| (row.key, Cell::Measured(row.headline()))));
    let mut entries: Vec<(PlacedOp, Cell)> = cells.into_iter().collect();
    entries.sort_by_key(|(key, _)| {
        let (input, output) = (key.input(), key.output());
        let shrinks = (Reverse(input.pixels()), Reverse(output.pixels()), input.channels());
        let slot = slots.get(key).copied().unwrap_or(usize::MAX);
        (slot, shrinks, input != output, output.channels(), *key)
    });
    entries
}

#[cfg(test)]
mod tests {
    use latency_tables::{TableContext, TableRow};
    use op_catalog::SpaceDefinition;
    use op_catalog::wire::row::{Failure, FailureKind};

    use super::*;

    fn table(keys: &[&str]) -> LatencyTable {
        let mut table = LatencyTable::new(TableContext::named("x"));
        for key in keys {
            table.insert(TableRow::imported(key.parse().unwrap(), 1, Milliseconds(1.0), 0.0));
        }
        table
    }

    /// Every row of a space.
    fn full(space: &str) -> LatencyTable {
        let definition = SpaceDefinition::built_in(space).unwrap();
        let keys = definition.build().unwrap().placed_ops();
        let mut table = LatencyTable::new(TableContext::named("x")).with_space(definition);
        for key in keys {
            table.insert(TableRow::imported(key, 1, Milliseconds(1.0), 0.0));
        }
        table
    }

    fn names(grid: &Grid) -> Vec<&str> {
        grid.blocks.iter().map(|block| block.name.as_str()).collect()
    }

    #[test]
    fn every_row_of_every_space_has_one_cell() {
        for space in SpaceDefinition::built_in_names() {
            let table = full(space);
            let grid = Grid::of(&table);
            assert_eq!(grid.cells.len() + grid.others.len(), table.rows().len(), "{space}");
            assert!(grid.cells.len() > 6 * grid.others.len(), "{space}: {:?}", grid.others);
        }
    }

    #[test]
    fn the_mobile_space_is_blocks_by_places_with_its_ends_beside() {
        let grid = Grid::of(&full("proxyless-mobile"));
        assert_eq!(names(&grid), ["k3 e3", "k3 e6", "k5 e3", "k5 e6", "k7 e3", "k7 e6"]);
        assert_eq!(grid.places[0].lines(), ["112²×16", "56²×24", ""]);
        let others: Vec<String> = grid.others.iter().map(|(key, _)| key.op().to_string()).collect();
        assert_eq!(others, ["conv-k3", "mbconv-k3-e1", "conv-k1", "classifier"]);
    }

    #[test]
    fn without_a_space_the_order_is_the_same() {
        let table = full("proxyless-mobile");
        let alone =
            table.rows().fold(LatencyTable::new(TableContext::named("x")), |mut all, row| {
                all.insert(row.clone());
                all
            });
        assert_eq!(Grid::of(&alone), Grid::of(&table));
    }

    #[test]
    fn a_place_that_thins_out_comes_before_one_that_shrinks() {
        let keys = [
            "mbconv-k3-e1-in8x8x16-out4x4x24-s2",
            "mbconv-k3-e1-in8x8x32-out8x8x16-s1",
            "mbconv-k3-e1-in4x4x24-out4x4x24-s1-skip",
        ];
        let grid = Grid::of(&table(&keys));
        let inputs: Vec<String> = grid.places.iter().map(|place| map(place.input)).collect();
        assert_eq!(inputs, ["8²×32", "8²×16", "4²×24"]);
    }

    #[test]
    fn widths_of_about_one_ratio_share_a_line_unless_they_are_two_at_one_place() {
        let (a, b) = (
            "mbconv-k3-m72-in8x8x24-out8x8x24-s1-skip",
            "mbconv-k3-m88-in8x8x28-out8x8x28-s1-skip",
        );
        assert_eq!(names(&Grid::of(&table(&[a, b]))), ["k3 x3"]);
        let c = "mbconv-k3-m80-in8x8x24-out8x8x24-s1-skip";
        assert_eq!(names(&Grid::of(&table(&[a, b, c]))), ["k3 m72", "k3 m80"]);
    }

    #[test]
    fn what_a_space_has_and_a_table_lacks_is_missing_or_failed() {
        let definition = SpaceDefinition::built_in("proxyless-small").unwrap();
        let keys = definition.build().unwrap().placed_ops();
        let mut table = LatencyTable::new(TableContext::named("x")).with_space(definition);
        let (kind, message) = (FailureKind::ChildDied, String::new());
        table.insert_failed(*keys.first().unwrap(), Failure { kind, message, attempts: 2 });
        let grid = Grid::of(&table);
        let number = |wanted: Cell| grid.all().filter(|cell| *cell == wanted).count();
        assert_eq!([number(Cell::Failed), number(Cell::Missing)], [1, keys.len() - 1]);
    }
}
