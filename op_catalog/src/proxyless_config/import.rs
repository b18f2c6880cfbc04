//! Import reads a config field by field, so that one with a value that a network cannot carry is named.

use serde_json::{Value, json};

use super::{CLASS, conv_constants, identity_constants, linear_constants};
use crate::json_fields::Fields;
use crate::placed_op::Shortcut;
use crate::{
    CatalogError, ExpandRatio, Expansion, FeatureMap, Kernel, MbConv, Network, Op, PlacedOp,
};

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
    let expansion = Expansion::Ratio(expand_ratio(fields)?);
    let op = Op::MbConv(MbConv::plain(kernel, expansion));
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
