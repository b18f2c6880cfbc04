//! Neighbours are the rows of like operations: how far these are off their prices says how far the
//! next one is.

use nalgebra::{DMatrix, DVector};
use op_catalog::{Activation, Op, PlacedOp, Primitive, SqueezeExcite};

use super::prices::spread;

/// Distance, in natural logarithms of sizes, over which neighbours lose hold of each other: a factor of
/// e in one size.
const LENGTH: f64 = 1.0;

/// Standard deviation of a row around what its neighbours say, over that around its price.
const NOISE: f64 = 0.1;

/// Residual, over the residuals' own spread, beyond which a row is not believed: it went wrong.
const WRONG: f64 = 6.0;

/// Largest share of the rows that are not believed.
const WRONG_SHARE: f64 = 0.1;

/// Number of sizes of a place.
const SIZES: usize = 9;

/// Where an operation stands among its like: its sizes, logarithmic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    kind: std::mem::Discriminant<Op>,
    sizes: [f64; SIZES],
}

impl Place {
    /// The place of an operation.
    pub(crate) fn of(placed: &PlacedOp) -> Self {
        let (input, output) = (placed.input(), placed.output());
        let log = |number: u32| f64::from(number).ln();
        let pixels = (f64::from(input.height()) * f64::from(input.width())).ln() / 2.0;
        let sizes = [
            pixels,
            log(input.channels()),
            log(placed.middle_channels()),
            log(output.channels()),
            log(kernel(placed)),
            log(placed.stride()),
        ];
        let mut all = [0.0; SIZES];
        all[..6].copy_from_slice(&sizes);
        if let Op::MbConv(block) = placed.op() {
            all[6] = log(block.expansion.groups().count());
            all[7] = f64::from(u8::from(block.squeeze_excite == SqueezeExcite::Quarter));
            all[8] = f64::from(u8::from(block.activation == Activation::HardSwish));
        }
        Self { kind: std::mem::discriminant(&placed.op()), sizes: all }
    }

    /// Correlation of two places: Matérn's with smoothness 3/2 (Rasmussen and Williams 2006, *Gaussian
    /// processes for machine learning*, equation 4.17), nothing between different kinds.
    fn correlation(&self, other: &Self) -> f64 {
        if self.kind != other.kind {
            return 0.0;
        }
        let square: f64 = self.sizes.iter().zip(&other.sizes).map(|(a, b)| (a - b).powi(2)).sum();
        let distance = square.sqrt() * 3.0_f64.sqrt() / LENGTH;
        (1.0 + distance) * (-distance).exp()
    }
}

/// Side of the largest window.
fn kernel(placed: &PlacedOp) -> u32 {
    let sides = placed.lower().layers.into_iter().map(|layer| match layer.primitive {
        Primitive::Conv { kernel, .. } => kernel,
        Primitive::MaxPool(window) | Primitive::AveragePool(window) => window.kernel,
        _ => 1,
    });
    sides.max().unwrap_or(1)
}

/// What neighbours say of a place: the mean logarithm of the factor on its price, and its standard
/// deviation in units of the spread around prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
}

/// The places of rows, with the inverse of their correlations.
pub(crate) struct Neighbours {
    places: Vec<Place>,
    inverse: DMatrix<f64>,
}

impl Neighbours {
    /// The neighbourhood of these places; nothing where rounding makes the correlations singular.
    pub(crate) fn of(places: Vec<Place>) -> Option<Self> {
        let noise = |row: usize, column: usize| if row == column { NOISE * NOISE } else { 0.0 };
        let matrix = DMatrix::from_fn(places.len(), places.len(), |row, column| {
            places[row].correlation(&places[column]) + noise(row, column)
        });
        let inverse = matrix.cholesky()?.inverse();
        Some(Self { places, inverse })
    }

    /// What rows with these logarithms of factors say of another place (Rasmussen and Williams 2006,
    /// equations 2.25 and 2.26).
    pub(crate) fn of_place(&self, place: &Place, logarithms: &[f64]) -> Said {
        let near = DVector::from_iterator(
            self.places.len(),
            self.places.iter().map(|other| other.correlation(place)),
        );
        let weights = &self.inverse * &near;
        let mean =
            weights.iter().zip(logarithms).map(|(weight, logarithm)| weight * logarithm).sum();
        let variance = 1.0 + NOISE * NOISE - weights.dot(&near);
        Said { mean, deviation: variance.max(NOISE * NOISE).sqrt() }
    }

    /// What all other rows say of this one (equations 5.10 and 5.12). Its own logarithm is not looked
    /// at.
    pub(crate) fn of_left_out(&self, index: usize, logarithms: &[f64]) -> Said {
        let row = self.inverse.row(index);
        let others = row.iter().zip(logarithms).enumerate().filter(|(other, _)| *other != index);
        let sum: f64 = others.map(|(_, (weight, logarithm))| weight * logarithm).sum();
        Said { mean: -sum / row[index], deviation: row[index].recip().max(0.0).sqrt() }
    }

    /// The rows that are far from what all others say: by index, with what these say instead. The
    /// farthest is put right first, so that it does not make its neighbours look wrong.
    pub(crate) fn wrong(&self, logarithms: &[f64]) -> Vec<(usize, f64)> {
        let mut logarithms = logarithms.to_vec();
        let mut wrong: Vec<(usize, f64)> = Vec::new();
        let most = (WRONG_SHARE * logarithms.len() as f64) as usize;
        while wrong.len() < most {
            let said: Vec<Said> =
                (0..logarithms.len()).map(|index| self.of_left_out(index, &logarithms)).collect();
            let residuals =
                said.iter().zip(&logarithms).map(|(said, own)| (own - said.mean) / said.deviation);
            let residuals: Vec<f64> = residuals.collect();
            let sizes = (0..residuals.len()).map(|index| (residuals[index].abs(), index));
            let Some((size, index)) = sizes.max_by(|(a, _), (b, _)| a.total_cmp(b)) else { break };
            if size <= WRONG * spread(&residuals) {
                break;
            }
            logarithms[index] = said[index].mean;
            wrong.push((index, said[index].mean));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: &str) -> Place {
        Place::of(&key.parse().unwrap())
    }

    const KEYS: [&str; 4] = [
        "mbconv-k3-e3-in14x14x80-out14x14x80-s1-skip",
        "mbconv-k5-e3-in14x14x80-out14x14x80-s1-skip",
        "mbconv-k5-e6-in28x28x40-out14x14x80-s2",
        "conv-k1-in7x7x320-out7x7x1280-s1",
    ];

    #[test]
    fn what_all_others_say_is_what_a_neighbourhood_without_the_row_says() {
        let logarithms = [0.1, 0.3, -0.2, 0.4];
        let all = Neighbours::of(KEYS.map(place).to_vec()).unwrap();
        for (left_out, key) in KEYS.iter().enumerate() {
            let kept: Vec<usize> = (0..KEYS.len()).filter(|index| *index != left_out).collect();
            let without =
                Neighbours::of(kept.iter().map(|&index| place(KEYS[index])).collect()).unwrap();
            let kept: Vec<f64> = kept.iter().map(|&index| logarithms[index]).collect();
            let expected = without.of_place(&place(key), &kept);
            let found = all.of_left_out(left_out, &logarithms);
            assert!((found.mean - expected.mean).abs() < 1e-9, "{found:?} {expected:?}");
            assert!((found.deviation - expected.deviation).abs() < 1e-9);
        }
    }

    #[test]
    fn without_neighbours_the_price_stands_and_is_as_uncertain_as_prices_are() {
        let alone = Neighbours::of(KEYS[..3].iter().map(|key| place(key)).collect()).unwrap();
        let said = alone.of_place(&place(KEYS[3]), &[0.5; 3]);
        assert!(said.mean.abs() < 1e-12);
        assert!((said.deviation - 1.0).abs() < 0.01);
        let near = alone.of_place(&place("mbconv-k5-e3-in14x14x80-out14x14x96-s1"), &[0.5; 3]);
        assert!(near.mean > 0.35 && near.deviation < 0.4, "{near:?}");
    }
}
