//! A ProxylessNAS config is the `net.config` JSON in which mit-han-lab/proxylessnas publishes its
//! networks: read and written here, field by field.
//!
//! A config says nothing of the size of images: it is read at 224x224
//! ([`Network::at_resolution`](crate::Network::at_resolution) gives others), and the size is not written. A field with a value that
//! a [`Network`](crate::Network) cannot carry is an error, so that nothing is lost unseen.

mod export;
mod import;

use serde_json::{Value, json};

pub use export::export;
pub(crate) use import::from_value;
pub use import::import;

/// The class whose configs are read.
pub(crate) const CLASS: &str = "ProxylessNASNets";

/// What a convolution has besides its numbers (`ConvLayer` of `search/modules/layers.py`).
fn conv_constants() -> [(&'static str, Value); 9] {
    [
        ("name", json!("ConvLayer")),
        ("dilation", json!(1)),
        ("groups", json!(1)),
        ("bias", json!(false)),
        ("has_shuffle", json!(false)),
        ("use_bn", json!(true)),
        ("act_func", json!("relu6")),
        ("dropout_rate", json!(0)),
        ("ops_order", json!("weight_bn_act")),
    ]
}

/// What an identity shortcut has besides its numbers.
fn identity_constants() -> [(&'static str, Value); 5] {
    [
        ("name", json!("IdentityLayer")),
        ("use_bn", json!(false)),
        ("act_func", Value::Null),
        ("dropout_rate", json!(0)),
        ("ops_order", json!("weight_bn_act")),
    ]
}

/// What a linear layer has besides its numbers.
fn linear_constants() -> [(&'static str, Value); 6] {
    [
        ("name", json!("LinearLayer")),
        ("bias", json!(true)),
        ("use_bn", json!(false)),
        ("act_func", Value::Null),
        ("dropout_rate", json!(0)),
        ("ops_order", json!("weight_bn_act")),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use serde_json::Value;

    use super::import::from_value;
    use super::*;
    use crate::layer::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM};
    use crate::{Network, Op, SpaceDefinition, reference};

    /// One of the published files, or `None` where they are not at hand.
    fn published(name: &str) -> Option<String> {
        let folder = "../../shared/data/luts/official_arch_configs";
        let path = format!("{}/{folder}/{name}.config", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path);
        if text.is_err() {
            println!("skipped: no {path}");
        }
        text.ok()
    }

    #[test]
    fn published_files_are_the_reference_networks_and_are_written_the_same() {
        for name in ["proxyless_mobile", "proxyless_cpu", "proxyless_gpu", "proxyless_mobile_14"] {
            let Some(text) = published(name) else { return };
            let network = import(&text).unwrap();
            assert_eq!(network, reference::network(name).unwrap(), "{name}");
            let as_value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert!(as_value(&export(&network).unwrap()) == as_value(&text), "{name}");
        }
    }

    #[test]
    fn the_published_cifar_network_is_not_supported_yet() {
        let Some(text) = published("proxyless_cifar") else { return };
        assert_eq!(import(&text).unwrap_err().to_string(), "not supported yet: PyramidTreeNet");
    }

    #[test]
    fn normalisation_in_a_config_is_that_of_every_layer() {
        assert_eq!((BATCH_NORM_MOMENTUM, BATCH_NORM_EPSILON), (0.1, 0.001));
    }

    #[test]
    fn what_a_network_cannot_carry_is_refused_by_path() {
        let text = export(&reference::network("proxyless_gpu").unwrap()).unwrap();
        for (pointer, value, message) in [
            ("/bn/eps", json!(1e-5), "bn.eps: 0.00001 is not supported, only 0.001"),
            ("/first_conv/groups", json!(2), "first_conv.groups: 2 is not supported, only 1"),
            (
                "/first_conv/in_channels",
                json!(-3),
                "first_conv.in_channels: -3 is not a whole number of 32 bits",
            ),
            (
                "/feature_mix_layer/act_func",
                json!("relu"),
                "feature_mix_layer.act_func: \"relu\" is not supported, only \"relu6\"",
            ),
            (
                "/classifier/in_features",
                json!(7),
                "classifier.in_features: 7 is not supported, only 1728",
            ),
            (
                "/blocks/1/mobile_inverted_conv/stride",
                json!(500),
                "blocks[1].mobile_inverted_conv: `mbconv-k5-e3` cannot be placed at 112x112x24 with stride 500: the stride must be between 1 and the map's side, 112",
            ),
            (
                "/blocks/1/mobile_inverted_conv/kernel_size",
                json!(4),
                "blocks[1].mobile_inverted_conv: kernel is 4, but must be odd and at most 31",
            ),
            (
                "/blocks/1/mobile_inverted_conv/expand_ratio",
                json!("3"),
                "blocks[1].mobile_inverted_conv.expand_ratio: it is not a positive number with at most three decimals",
            ),
            (
                "/blocks/1/mobile_inverted_conv/mid_channels",
                json!(71),
                "blocks[1].mobile_inverted_conv.mid_channels: 71 is not supported, only 72",
            ),
            (
                "/blocks/1/mobile_inverted_conv/name",
                json!("OddLayer"),
                "blocks[1].mobile_inverted_conv.name: \"OddLayer\" is not supported, only \"MBInvertedConvLayer\"",
            ),
            (
                "/blocks/2/mobile_inverted_conv/stride",
                json!(2),
                "blocks[2].mobile_inverted_conv.stride: 2 is not supported, only 1",
            ),
            (
                "/blocks/8/shortcut/out_channels",
                json!(1),
                "blocks[8].shortcut.out_channels: 1 is not supported, only 56",
            ),
            ("/blocks/8/shortcut", json!({}), "blocks[8].shortcut.name: it is missing"),
            ("/blocks/8/extra", json!(1), "blocks[8].extra: there is no such field"),
            ("/blocks/8", json!([]), "blocks[8]: [] is not an object"),
        ] {
            let mut config: Value = serde_json::from_str(&text).unwrap();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            match config.pointer_mut(parent).unwrap() {
                Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
                object => object[name] = value,
            }
            assert_eq!(from_value(&config).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn middle_channels_may_be_null_or_right() {
        let network = reference::network("proxyless_gpu").unwrap();
        for value in [Value::Null, json!(72)] {
            let mut config: Value = serde_json::from_str(&export(&network).unwrap()).unwrap();
            config["blocks"][1]["mobile_inverted_conv"]["mid_channels"] = value;
            assert_eq!(from_value(&config).unwrap(), network);
        }
    }

    #[test]
    fn other_networks_are_not_written() {
        let network = Network::new(vec!["zero-in7x7x8-out7x7x8-s1".parse().unwrap()]).unwrap();
        assert_eq!(
            export(&network).unwrap_err().to_string(),
            "not supported yet: a network of so few blocks, in a ProxylessNAS config"
        );
    }

    #[test]
    fn blocks_that_the_format_cannot_hold_are_refused_with_what_it_lacks() {
        let published = reference::network("proxyless_gpu").unwrap();
        for (index, key, lacking) in [
            (2, "mbconv-k5-e3-se-in56x56x32-out56x56x32-s1-skip", "squeeze-and-excite"),
            (2, "mbconv-k5-e3-hs-in56x56x32-out56x56x32-s1-skip", "another activation than ReLU6"),
            (2, "mbconv-k5-m64-g2-in56x56x32-out56x56x32-s1-skip", "groups"),
            (2, "mbconv-k5-m64-in56x56x32-out56x56x32-s1-skip", "a middle width that is no ratio"),
            (
                0,
                "conv-k3-hs-in224x224x3-out112x112x40-s2",
                "another convolution than with batch normalisation and ReLU6",
            ),
        ] {
            let mut blocks = published.blocks().to_vec();
            let place = blocks.iter().position(|block| block.op() == Op::Zero).unwrap();
            blocks[if index == 0 { 0 } else { place }] = key.parse().unwrap();
            assert_eq!(
                export(&Network::new(blocks).unwrap()).unwrap_err().to_string(),
                format!("not supported yet: {lacking} (`{key}`), in a ProxylessNAS config")
            );
        }
    }

    proptest! {
        #[test]
        fn any_architecture_survives_a_config(seed in any::<u64>()) {
            use rand::SeedableRng;
            let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let definition = SpaceDefinition::built_in("proxyless-mobile").unwrap();
            let space = definition.build().unwrap();
            let network = space.network(&space.sample(&mut random)).unwrap();
            prop_assert_eq!(import(&export(&network).unwrap()).unwrap(), network);
        }

        #[test]
        fn a_mutated_file_is_read_or_refused_without_panic(
            at in 0_usize..10_000, length in 0_usize..40, insert in "[ -~\n]{0,8}",
        ) {
            let mut text = export(&reference::network("proxyless_gpu").unwrap()).unwrap();
            let (at, end) = (at.min(text.len()), (at + length).min(text.len()));
            text.replace_range(at..end, &insert);
            let _read_or_refused = import(&text);
        }
    }
}
