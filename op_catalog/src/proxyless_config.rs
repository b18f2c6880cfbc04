//! A ProxylessNAS config is the `net.config` JSON in which mit-han-lab/proxylessnas publishes its
//! networks: read and written here, field by field.
//!
//! A config says nothing of the size of images: it is read at 224x224
//! ([`Network::at_resolution`] gives others), and the size is not written. A field with a value that
//! a [`Network`] cannot carry is an error, so that nothing is lost unseen.

use serde_json::{Value, json};

use crate::json_fields::Fields;
use crate::placed_op::Shortcut;
use crate::{Activation, CatalogError, ExpandRatio, FeatureMap, Kernel, Network, Op, PlacedOp};

/// The class whose configs are read.
pub(crate) const CLASS: &str = "ProxylessNASNets";

/// Side of the images (`data_providers/imagenet.py`).
const RESOLUTION: u32 = 224;

/// Reads a config.
///
/// # Errors
/// Not JSON; a field that is missing, unknown or has a value that a network cannot carry, by its
/// path; another class of networks, such as the `PyramidTreeNet` of the CIFAR network.
pub fn import(text: &str) -> Result<Network, CatalogError> {
    let value = serde_json::from_str(text)
        .map_err(|error: serde_json::Error| CatalogError::field("the document", error))?;
    from_value(&value)
}

/// Writes a config, with the fields that the published files have.
///
/// # Errors
/// A network of another form than convolution, MBConv and Zero blocks, convolution, classifier.
pub fn export(network: &Network) -> Result<String, CatalogError> {
    let [first, blocks @ .., mix, classifier] = network.blocks() else {
        return Err(unsupported("a network of so few blocks"));
    };
    let blocks = blocks.iter().map(block_to_value).collect::<Result<Vec<_>, _>>()?;
    let config = json!({
        "name": CLASS,
        "bn": { "momentum": 0.1, "eps": 0.001 },
        "first_conv": conv_to_value(first)?,
        "blocks": blocks,
        "feature_mix_layer": conv_to_value(mix)?,
        "classifier": classifier_to_value(classifier)?,
    });
    Ok(format!("{config:#}\n"))
}

/// Reads a config that is JSON already.
pub(crate) fn from_value(value: &Value) -> Result<Network, CatalogError> {
    let mut config = Fields::new(String::new(), value)?;
    match config.required("name")? {
        Value::String(name) if name == CLASS => {}
        Value::String(name) => return Err(CatalogError::NotSupportedYet { what: name.clone() }),
        other => return Err(CatalogError::field("name", format!("{other} is not a text"))),
    }
    let mut bn = config.object("bn")?;
    bn.expect("momentum", &json!(0.1))?;
    bn.expect("eps", &json!(0.001))?;
    bn.finish()?;
    let mut first = config.object("first_conv")?;
    let input = FeatureMap::new(RESOLUTION, RESOLUTION, first.number("in_channels")?)
        .map_err(|error| CatalogError::field("first_conv", error))?;
    let mut placed = conv(first, input)?;
    let mut blocks = vec![placed];
    let list = config.required("blocks")?;
    let list = list.as_array().ok_or_else(|| CatalogError::field("blocks", "it is not a list"))?;
    for (index, value) in list.iter().enumerate() {
        placed = block(Fields::new(format!("blocks[{index}]"), value)?, placed.output())?;
        blocks.push(placed);
    }
    let mix = conv(config.object("feature_mix_layer")?, placed.output())?;
    blocks.extend([mix, classifier(config.object("classifier")?, mix.output())?]);
    config.finish()?;
    Network::new(blocks)
}

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

fn conv(mut fields: Fields, end: FeatureMap) -> Result<PlacedOp, CatalogError> {
    fields.expect_all(&conv_constants())?;
    fields.expect("in_channels", &json!(end.channels()))?;
    let op = Op::conv(fields.number("kernel_size")?).map_err(|error| fields.wrong(error))?;
    let (channels, stride) = (fields.number("out_channels")?, fields.number("stride")?);
    let placed = PlacedOp::new(op, end, channels, stride).map_err(|error| fields.wrong(error))?;
    fields.finish()?;
    Ok(placed)
}

fn block(mut fields: Fields, end: FeatureMap) -> Result<PlacedOp, CatalogError> {
    fields.expect("name", &json!("MobileInvertedResidualBlock"))?;
    let shortcut = shortcut(&mut fields, end)?;
    let mut inner = fields.object("mobile_inverted_conv")?;
    let placed = if inner.optional("name") == Some(&json!("ZeroLayer")) {
        // A skipped block gives its input, whether or not it names a shortcut
        // (`MobileInvertedResidualBlock.forward`).
        inner.expect("stride", &json!(1))?;
        PlacedOp::new(Op::Zero, end, end.channels(), 1).map_err(|error| inner.wrong(error))?
    } else {
        mbconv(&mut inner, end, shortcut)?
    };
    inner.finish()?;
    fields.finish()?;
    Ok(placed)
}

fn shortcut(fields: &mut Fields, end: FeatureMap) -> Result<Shortcut, CatalogError> {
    if fields.required("shortcut")?.is_null() {
        return Ok(Shortcut::Absent);
    }
    let mut identity = fields.object("shortcut")?;
    identity.expect_all(&identity_constants())?;
    for name in ["in_channels", "out_channels"] {
        identity.expect(name, &json!(end.channels()))?;
    }
    identity.finish()?;
    Ok(Shortcut::Identity)
}

fn mbconv(
    fields: &mut Fields,
    end: FeatureMap,
    shortcut: Shortcut,
) -> Result<PlacedOp, CatalogError> {
    fields.expect("name", &json!("MBInvertedConvLayer"))?;
    fields.expect("in_channels", &json!(end.channels()))?;
    let kernel = Kernel::new(fields.number("kernel_size")?).map_err(|error| fields.wrong(error))?;
    let op = Op::MbConv { kernel, expand: expand_ratio(fields)? };
    let (channels, stride) = (fields.number("out_channels")?, fields.number("stride")?);
    let placed = PlacedOp::with_shortcut(op, end, channels, stride, shortcut)
        .map_err(|error| fields.wrong(error))?;
    // The search code writes it, as null; a pruned network could have another number there.
    if fields.optional("mid_channels").is_some() {
        fields.expect("mid_channels", &json!(placed.middle_channels()))?;
    }
    Ok(placed)
}

fn expand_ratio(fields: &mut Fields) -> Result<ExpandRatio, CatalogError> {
    let value = fields.required("expand_ratio")?;
    let thousandths = value.as_f64().unwrap_or(f64::NAN) * 1000.0;
    let whole = thousandths.round();
    if (thousandths - whole).abs() < 1e-6 && (1.0..1e9).contains(&whole) {
        return ExpandRatio::from_thousandths(whole as u32).map_err(|error| fields.wrong(error));
    }
    let message = "it is not a positive number with at most three decimals";
    Err(CatalogError::field(fields.path("expand_ratio"), message))
}

fn classifier(mut fields: Fields, end: FeatureMap) -> Result<PlacedOp, CatalogError> {
    fields.expect_all(&linear_constants())?;
    fields.expect("in_features", &json!(end.channels()))?;
    let placed = PlacedOp::new(Op::Classifier, end, fields.number("out_features")?, 1)
        .map_err(|error| fields.wrong(error))?;
    fields.finish()?;
    Ok(placed)
}

fn conv_to_value(placed: &PlacedOp) -> Result<Value, CatalogError> {
    let (Op::Conv { kernel, activation: Activation::Relu6 }, Shortcut::Absent) =
        (placed.op(), placed.shortcut())
    else {
        return Err(unsupported(&format!("`{placed}` where a convolution stands")));
    };
    Ok(object(
        &conv_constants(),
        &[
            ("in_channels", json!(placed.input().channels())),
            ("out_channels", json!(placed.output().channels())),
            ("kernel_size", json!(kernel.side())),
            ("stride", json!(placed.stride())),
        ],
    ))
}

fn block_to_value(placed: &PlacedOp) -> Result<Value, CatalogError> {
    let (input, output) = (placed.input().channels(), placed.output().channels());
    let inner = match placed.op() {
        Op::Zero => json!({ "name": "ZeroLayer", "stride": 1 }),
        Op::MbConv { kernel, expand } => json!({
            "name": "MBInvertedConvLayer",
            "in_channels": input,
            "out_channels": output,
            "kernel_size": kernel.side(),
            "stride": placed.stride(),
            "expand_ratio": expand_to_value(expand),
        }),
        _ => return Err(unsupported(&format!("the block `{placed}`"))),
    };
    // A skipped block keeps the shortcut of the cell that it stands for.
    let has_shortcut = placed.shortcut() == Shortcut::Identity || placed.op() == Op::Zero;
    let channels = [("in_channels", json!(input)), ("out_channels", json!(output))];
    let shortcut =
        if has_shortcut { object(&identity_constants(), &channels) } else { Value::Null };
    Ok(json!({
        "name": "MobileInvertedResidualBlock",
        "mobile_inverted_conv": inner,
        "shortcut": shortcut,
    }))
}

fn expand_to_value(expand: ExpandRatio) -> Value {
    match expand.thousandths() {
        whole if whole % 1000 == 0 => json!(whole / 1000),
        thousandths => json!(f64::from(thousandths) / 1000.0),
    }
}

fn classifier_to_value(placed: &PlacedOp) -> Result<Value, CatalogError> {
    if placed.op() != Op::Classifier {
        return Err(unsupported(&format!("`{placed}` where the classifier stands")));
    }
    Ok(object(
        &linear_constants(),
        &[
            ("in_features", json!(placed.input().channels())),
            ("out_features", json!(placed.output().channels())),
        ],
    ))
}

fn object(constants: &[(&'static str, Value)], numbers: &[(&'static str, Value)]) -> Value {
    constants
        .iter()
        .chain(numbers)
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn unsupported(what: &str) -> CatalogError {
    CatalogError::NotSupportedYet { what: format!("{what}, in a ProxylessNAS config") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layer::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM};
    use crate::{SpaceDefinition, reference};

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
