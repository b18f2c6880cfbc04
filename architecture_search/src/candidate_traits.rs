//! Candidate traits are what candidates of an edge have more or less of: what one of them is worth says something of those
//! that are like it.

use op_catalog::{Op, PlacedOp};

use crate::EdgeValues;

/// How many there are.
pub(crate) const TRAITS: usize = 2;

/// Of every candidate of every edge: the logarithm of its middle channels, and that of its kernel's side. Either is
/// 0 on average and 1 in its standard deviation over the candidates of an edge that compute something; those that do not are in
/// the middle, as nothing is known of them.
pub(crate) fn traits<'a>(edges: impl Iterator<Item = &'a [PlacedOp]>) -> [EdgeValues; TRAITS] {
    let edges: Vec<&[PlacedOp]> = edges.collect();
    [middle_channels, kernel_side].map(|of| {
        let values = edges.iter().map(|edge| {
            let values: Vec<Option<f64>> = edge
                .iter()
                .map(|op| (!op.is_free()).then(|| f64::from(of(op).max(1)).ln()))
                .collect();
            standardised(&values)
        });
        EdgeValues::of_lists(values.collect())
    })
}

fn middle_channels(op: &PlacedOp) -> u32 {
    op.middle_channels()
}

fn kernel_side(op: &PlacedOp) -> u32 {
    match op.op() {
        Op::MbConv(block) => block.kernel.side(),
        Op::Conv { kernel, .. } | Op::Depthwise { kernel, .. } => kernel.side(),
        Op::MaxPool { kernel } | Op::AveragePool { kernel } => kernel.side(),
        Op::Classifier | Op::Add | Op::Identity | Op::Zero | Op::GlobalPool => 1,
    }
}

fn standardised(values: &[Option<f64>]) -> Vec<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let count = known.len().max(1) as f64;
    let mean = known.iter().sum::<f64>() / count;
    let deviation = (known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let of = |value: &Option<f64>| match value {
        Some(value) if deviation > 0.0 => (value - mean) / deviation,
        _ => 0.0,
    };
    values.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::mobile_space;

    #[test]
    fn wider_candidates_and_larger_kernels_have_more_and_what_computes_nothing_is_between() {
        let space = mobile_space();
        let [width, kernel] = traits(space.edges());
        let edge = 1;
        let names: Vec<String> =
            space.edges().nth(edge).unwrap().iter().map(ToString::to_string).collect();
        for (name, (width, kernel)) in
            names.iter().zip(width.edges()[edge].iter().zip(&kernel.edges()[edge]))
        {
            if name.starts_with("zero") {
                assert_eq!((*width, *kernel), (0.0, 0.0), "{name}");
                continue;
            }
            assert_eq!(name.contains("e6"), *width > 0.9, "{name} {width}");
            assert_eq!(name.contains("k7"), *kernel > 1.0, "{name} {kernel}");
        }
    }

    #[test]
    fn candidates_that_are_alike_have_none_of_a_trait() {
        assert_eq!(standardised(&[Some(2.0), Some(2.0), None]), [0.0; 3]);
        assert_eq!(standardised(&[Some(1.0), Some(3.0), None]), [-1.0, 1.0, 0.0]);
        assert_eq!(standardised(&[None]), [0.0]);
    }
}
