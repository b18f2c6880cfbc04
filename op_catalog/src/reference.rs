//! A reference network is a published one, known by name.

use crate::space::make_divisible;
use crate::{CatalogError, FeatureMap, Network, Op, PlacedOp};

/// Names of the reference networks. A width multiplier may follow `mobilenet_v2`: `mobilenet_v2@0.75`.
pub const NAMES: [&str; 5] =
    [MOBILENET_V2, "proxyless_mobile", "proxyless_cpu", "proxyless_gpu", "proxyless_mobile_14"];

const MOBILENET_V2: &str = "mobilenet_v2";

/// A chain of inverted residuals between a stem and a head, as MobileNetV2 and ProxylessNAS have it.
struct Skeleton {
    /// Channels of stem, first block, each stage, and last convolution.
    widths: Vec<u32>,
    /// Stride of each stage's first block.
    strides: &'static [u32],
    /// Kernel and expand ratio of each block, a stage a line; `--` skips one.
    stages: &'static str,
}

/// A reference network for ImageNet: 224x224 colour images, 1000 classes.
///
/// # Errors
/// A name that is not known; the error lists the known ones.
///
/// ```
/// use op_catalog::reference;
/// let network = reference::network("mobilenet_v2@0.75")?;
/// assert_eq!(network.output().channels(), 1000);
/// # Ok::<(), op_catalog::CatalogError>(())
/// ```
pub fn network(name: &str) -> Result<Network, CatalogError> {
    network_for(name, FeatureMap::new(224, 224, 3)?, 1000)
}

/// A reference network's blocks for other images and classes.
///
/// # Errors
/// A name that is not known, or images so small that a stride does not fit.
pub fn network_for(name: &str, input: FeatureMap, classes: u32) -> Result<Network, CatalogError> {
    skeleton(name)?.build(input, classes)
}

fn skeleton(name: &str) -> Result<Skeleton, CatalogError> {
    let proxyless = |widths: [u32; 9], stages| Skeleton {
        widths: widths.to_vec(),
        strides: &[2, 2, 2, 1, 2, 1],
        stages,
    };
    // The blocks of proxyless_mobile_14 are those of proxyless_mobile, wider.
    let mobile = "53 33 -- --\n73 33 53 53\n76 53 53 53\n56 53 53 53\n76 76 73 73\n76";
    // Widths and blocks: `net.config` of each network, published by mit-han-lab/proxylessnas.
    Ok(match name {
        "proxyless_mobile" => proxyless([32, 16, 32, 40, 80, 96, 192, 320, 1280], mobile),
        "proxyless_mobile_14" => proxyless([48, 24, 40, 56, 112, 136, 256, 448, 1792], mobile),
        "proxyless_cpu" => proxyless(
            [40, 24, 32, 48, 88, 104, 216, 360, 1432],
            "36 33 33 33\n36 33 33 53\n36 -- -- 33\n56 33 33 33\n56 53 53 33\n56",
        ),
        "proxyless_gpu" => proxyless(
            [40, 24, 32, 56, 112, 128, 256, 432, 1728],
            "53 -- -- --\n73 -- -- 33\n76 -- -- 53\n56 -- 33 53\n76 76 76 56\n76",
        ),
        _ => return width_multiplier(name).map(mobilenet_v2).ok_or_else(|| unknown(name)),
    })
}

/// MobileNetV2 (arXiv:1801.04381, table 2); widths rounded as in `torchvision.models.mobilenet_v2`,
/// whose last convolution grows with the multiplier but never shrinks.
fn mobilenet_v2(multiplier: f64) -> Skeleton {
    let mut widths: Vec<u32> = [32, 16, 24, 32, 64, 96, 160, 320]
        .map(|width| make_divisible(f64::from(width) * multiplier))
        .to_vec();
    widths.push(make_divisible(1280.0 * multiplier.max(1.0)));
    let stages = "36 36\n36 36 36\n36 36 36 36\n36 36 36\n36 36 36\n36";
    Skeleton { widths, strides: &[2, 2, 2, 1, 2, 1], stages }
}

/// The number after `mobilenet_v2@`; 1 without one.
fn width_multiplier(name: &str) -> Option<f64> {
    let rest = name.strip_prefix(MOBILENET_V2)?;
    if rest.is_empty() {
        return Some(1.0);
    }
    let digits = rest.strip_prefix('@')?;
    let is_decimal = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let multiplier: f64 = if is_decimal { digits.parse().ok()? } else { return None };
    (0.05..=20.0).contains(&multiplier).then_some(multiplier)
}

fn unknown(name: &str) -> CatalogError {
    let known =
        format!("{}; mobilenet_v2@M for a width multiplier M from 0.05 to 20", NAMES.join(", "));
    CatalogError::UnknownName { kind: "reference network", name: name.to_owned(), known }
}

impl Skeleton {
    fn build(&self, input: FeatureMap, classes: u32) -> Result<Network, CatalogError> {
        let [stem, first, stage_widths @ .., last] = self.widths.as_slice() else {
            return Network::new(Vec::new());
        };
        let mut chain = Chain { end: input, blocks: Vec::new() };
        chain.push(Op::conv(3)?, *stem, 2)?;
        chain.push(Op::mbconv(3, 1)?, *first, 1)?;
        for ((stage, width), stride) in self.stages.lines().zip(stage_widths).zip(self.strides) {
            for (index, code) in stage.split(' ').enumerate() {
                chain.push(block(code)?, *width, if index == 0 { *stride } else { 1 })?;
            }
        }
        chain.push(Op::conv(1)?, *last, 1)?;
        chain.push(Op::Classifier, classes, 1)?;
        Network::new(chain.blocks)
    }
}

/// The operation of a two-digit code, kernel and expand ratio.
fn block(code: &str) -> Result<Op, CatalogError> {
    let digits: Vec<u32> = code.chars().filter_map(|digit| digit.to_digit(10)).collect();
    match digits[..] {
        [kernel, expand] => Op::mbconv(kernel, expand),
        _ => Ok(Op::Zero),
    }
}

/// The blocks so far, and the map at their end.
struct Chain {
    end: FeatureMap,
    blocks: Vec<PlacedOp>,
}

impl Chain {
    fn push(&mut self, op: Op, channels: u32, stride: u32) -> Result<(), CatalogError> {
        let placed = PlacedOp::new(op, self.end, channels, stride)?;
        self.end = placed.output();
        self.blocks.push(placed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, Layer, SpaceDefinition};

    /// MACs and parameters in millions: of MobileNetV2, those of torchvision's model; of the others,
    /// counted on the published PyTorch networks.
    #[test]
    fn costs_are_the_published_ones() {
        for (name, macs, parameters) in [
            ("mobilenet_v2", "300.8", "3.50"),
            ("proxyless_mobile", "320.4", "4.08"),
            ("proxyless_cpu", "439.2", "4.36"),
            ("proxyless_gpu", "465.3", "7.12"),
        ] {
            let cost = network(name).unwrap().cost();
            assert_eq!(format!("{:.1}", cost.macs as f64 / 1e6), macs, "{name}");
            assert_eq!(format!("{:.2}", cost.parameters as f64 / 1e6), parameters, "{name}");
        }
    }

    /// Numbers in all, moving statistics included: `keras.applications.MobileNetV2(alpha=...)`, whose
    /// widths are rounded the same.
    #[test]
    fn mobilenet_v2_scales_as_published() {
        for (name, count) in [
            ("mobilenet_v2", 3_538_984),
            ("mobilenet_v2@1", 3_538_984),
            ("mobilenet_v2@0.5", 1_987_224),
            ("mobilenet_v2@0.75", 2_663_064),
            ("mobilenet_v2@1.4", 6_156_712),
        ] {
            let layers = network(name).unwrap().lower().layers;
            let weights = layers.iter().flat_map(Layer::weights);
            let numbers: usize = weights.map(|(_, shape)| shape.iter().product::<usize>()).sum();
            assert_eq!(numbers, count, "{name}");
        }
        let widths = |name| {
            let blocks = network(name).unwrap().blocks().to_vec();
            let last = blocks[blocks.len() - 2].output().channels();
            (blocks[0].output().channels(), blocks[1].output().channels(), last)
        };
        assert_eq!(widths("mobilenet_v2@0.35"), (16, 8, 1280));
        assert_eq!(widths("mobilenet_v2@1.4"), (48, 24, 1792));
    }

    #[test]
    fn the_cpu_and_gpu_networks_are_in_the_space_at_their_width_multipliers() {
        let space = |multiplier| {
            let definition = SpaceDefinition::built_in("proxyless-mobile").unwrap();
            definition.with_width_multiplier(multiplier).build().unwrap()
        };
        let find = |name, multiplier| space(multiplier).architecture_of(&network(name).unwrap());
        assert!(find("proxyless_cpu", 1.12).is_some());
        assert!(find("proxyless_gpu", 1.35).is_some());
        assert_eq!(find("proxyless_cpu", 1.0), None);
        assert_eq!(find("proxyless_mobile", 1.0), None, "its first stage is 32 wide, not 24");
    }

    #[test]
    fn every_reference_network_can_stand_beside_a_small_space() {
        for side in [28, 32] {
            let input = FeatureMap::new(side, side, 1).unwrap();
            for name in NAMES {
                let network = network_for(name, input, 10).unwrap();
                assert_eq!(network.output().channels(), 10, "{name}");
            }
        }
        let space = SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap();
        let network = space.network(&Architecture::new(vec![0; 12])).unwrap();
        let other = network_for("mobilenet_v2@0.35", network.input(), 10).unwrap();
        assert_eq!((other.input(), other.output()), (network.input(), network.output()));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        for name in [
            "resnet",
            "mobilenet_v2@",
            "mobilenet_v2@-1",
            "mobilenet_v2@nan",
            "mobilenet_v2@1e9",
            "mobilenet_v20",
        ] {
            assert_eq!(
                network(name).unwrap_err().to_string(),
                format!(
                    "there is no reference network named `{name}`; there are: mobilenet_v2, \
                     proxyless_mobile, proxyless_cpu, proxyless_gpu, proxyless_mobile_14; \
                     mobilenet_v2@M for a width multiplier M from 0.05 to 20"
                )
            );
        }
    }
}
