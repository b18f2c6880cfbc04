//! Export writes a config with the fields that the published files have.

use serde_json::{Value, json};

use super::{CLASS, conv_constants, identity_constants, linear_constants};
use crate::expansion::Groups;
use crate::placed_op::Shortcut;
use crate::{
    Activation, CatalogError, ExpandRatio, Expansion, MbConv, Network, Normalisation, Op, PlacedOp,
    SqueezeExcite,
};

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

fn conv_to_value(placed: &PlacedOp) -> Result<Value, CatalogError> {
    let (Op::Conv { kernel, normalisation, activation }, Shortcut::Absent) =
        (placed.op(), placed.shortcut())
    else {
        return Err(unsupported(&format!("`{placed}` where a convolution stands")));
    };
    if (normalisation, activation) != (Normalisation::Batch, Some(Activation::Relu6)) {
        let what = "another convolution than with batch normalisation and ReLU6";
        return Err(unsupported(&format!("{what} (`{placed}`)")));
    }
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
        Op::MbConv(block) => json!({
            "name": "MBInvertedConvLayer",
            "in_channels": input,
            "out_channels": output,
            "kernel_size": block.kernel.side(),
            "stride": placed.stride(),
            "expand_ratio": expand_to_value(plain_ratio(block, placed)?),
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

/// The expand ratio of a block that has nothing which `MBInvertedConvLayer` does not.
fn plain_ratio(block: MbConv, placed: &PlacedOp) -> Result<ExpandRatio, CatalogError> {
    let other = match block {
        MbConv { squeeze_excite: SqueezeExcite::Quarter, .. } => "squeeze-and-excite",
        MbConv { activation: Activation::Relu | Activation::HardSwish, .. } => {
            "another activation than ReLU6"
        }
        MbConv { expansion: Expansion::Width(width), .. } if width.groups() != Groups::ONE => {
            "groups"
        }
        MbConv { expansion: Expansion::Width(_), .. } => "a middle width that is no ratio",
        MbConv { expansion: Expansion::Ratio(ratio), .. } => return Ok(ratio),
    };
    Err(unsupported(&format!("{other} (`{placed}`)")))
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
