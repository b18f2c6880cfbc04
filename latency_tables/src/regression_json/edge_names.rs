//! Edge names are how a file of weights names what a search chooses: `s1b0` for the first block of the
//! first stage, `K3E6` for a kernel and a ratio, `Zero` for none.

use op_catalog::{Expansion, MbConv, Op, PlacedOp, SearchSpace, Slot};

/// A block of a space, by its names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NamedBlock {
    /// `first`, or `s1b0`.
    pub(super) name: String,
    /// The names of its operations, in their order.
    pub(super) choices: Vec<String>,
    /// Whether a search chooses between them.
    pub(super) kind: BlockKind,
}

/// Whether a block is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// It has one operation, in every network.
    Fixed,
    /// It is an edge.
    Searched,
}

/// The blocks that weights can be of: the inverted residual block of the stem, and every cell.
pub(super) fn blocks(space: &SearchSpace) -> Vec<NamedBlock> {
    let definition = space.definition();
    let (stem, rest) = space.slots().split_at(definition.stem.len().min(space.slots().len()));
    let is_block =
        |slot: &&Slot| matches!(slot, Slot::Fixed(placed) if matches!(placed.op(), Op::MbConv(_)));
    let first = stem.iter().find(is_block).map(|slot| block("first".to_owned(), slot));
    // Without a block in the stem, a stage of one cell before the others is the first block.
    let leading = match definition.stages.first() {
        Some(stage) if first.is_none() && stage.cells == 1 => Some("first".to_owned()),
        _ => None,
    };
    let stages = definition.stages.iter().skip(usize::from(leading.is_some())).enumerate();
    let numbered = stages.flat_map(|(stage, cells)| {
        (0..cells.cells).map(move |cell| format!("s{}b{cell}", stage + 1))
    });
    let names = leading.into_iter().chain(numbered);
    first.into_iter().chain(names.zip(rest).map(|(name, slot)| block(name, slot))).collect()
}

fn block(name: String, slot: &Slot) -> NamedBlock {
    let (operations, kind) = match slot {
        Slot::Fixed(placed) => (std::slice::from_ref(placed), BlockKind::Fixed),
        Slot::Edge(candidates) => (candidates.as_slice(), BlockKind::Searched),
    };
    NamedBlock { name, choices: operations.iter().map(choice).collect(), kind }
}

/// `K3E6` for a block of `ProxylessNAS`, `Zero` for none, else the operation's own text.
fn choice(placed: &PlacedOp) -> String {
    match placed.op() {
        Op::Zero => "Zero".to_owned(),
        Op::MbConv(MbConv { kernel, expansion: Expansion::Ratio(ratio), .. })
            if placed.op() == plain(kernel, ratio) =>
        {
            format!("K{}E{ratio}", kernel.side())
        }
        other => other.to_string(),
    }
}

fn plain(kernel: op_catalog::Kernel, ratio: op_catalog::ExpandRatio) -> Op {
    Op::MbConv(MbConv::plain(kernel, Expansion::Ratio(ratio)))
}
