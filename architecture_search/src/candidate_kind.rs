//! A candidate kind is an entry of a space's lists of candidates: what the same entry offers on several edges has something in
//! common, whatever the widths and maps there.

use op_catalog::{Candidate, PlacedOp, SearchSpace};

/// The kind of every candidate of every edge, by its number, and how many kinds there are.
pub(crate) fn kinds(space: &SearchSpace) -> (Vec<Vec<usize>>, usize) {
    let entries = entries(space);
    let kind = |op: &PlacedOp| {
        let is_it =
            |entry: &Candidate| entry.at(op.input().channels()).is_ok_and(|at| at == op.op());
        // What none of the lists offers there would be no candidate; it would have a kind of its own.
        entries.iter().position(is_it).unwrap_or(entries.len())
    };
    let of_edges = space.edges().map(|edge| edge.iter().map(kind).collect()).collect();
    (of_edges, entries.len() + 1)
}

/// The entries of all lists.
fn entries(space: &SearchSpace) -> Vec<Candidate> {
    let definition = space.definition();
    let of_stages = definition.stages.iter().flat_map(|stage| &stage.candidates).flatten();
    let all = definition.candidates.iter().chain(of_stages).chain(&definition.shape_changing);
    let mut entries = Vec::new();
    for entry in all {
        if !entries.contains(entry) {
            entries.push(*entry);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use op_catalog::SpaceDefinition;

    use super::*;

    /// Candidates of `FBNet` have a width of their own on each edge; stages of Once-for-All have lists of their own.
    #[test]
    fn candidates_of_one_entry_are_of_one_kind_on_every_edge() {
        for (name, count) in [("fbnet", 10), ("proxyless-mobile", 7), ("ofa-mbv3", 37)] {
            let space = SpaceDefinition::built_in(name).unwrap().build().unwrap();
            let (kinds, bound) = kinds(&space);
            let entries = entries(&space);
            let mut seen = Vec::new();
            for (edge, kinds) in space.edges().zip(&kinds) {
                for (op, kind) in edge.iter().zip(kinds) {
                    assert_eq!(
                        entries[*kind].at(op.input().channels()).unwrap(),
                        op.op(),
                        "{name}"
                    );
                    assert!(*kind < bound);
                    seen.push(*kind);
                }
                let mut distinct = kinds.clone();
                distinct.sort_unstable();
                distinct.dedup();
                assert_eq!(distinct.len(), kinds.len(), "{name}");
            }
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), count, "{name}");
        }
    }
}
