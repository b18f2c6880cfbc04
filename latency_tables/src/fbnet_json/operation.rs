//! An operation of a record is an operator's type and arguments, under the names that `FBNet`'s tables
//! and `PyTorch` have for them.

use op_catalog::expansion::Groups;
use op_catalog::{
    Activation, Expansion, MbConv, Normalisation, Op, PlacedOp, Shortcut, SqueezeExcite,
};
use serde_json::{Map, Value, json};

use crate::TableError;
use crate::json_text::{JsonFields, JsonPart, join};

/// The arguments that say a block.
const BLOCK: &[&str] = &[
    "kernel_size",
    "stride",
    "expansion",
    "mid_channels",
    "groups",
    "se",
    "activation",
    "residual",
];
const CONV: &[&str] = &["kernel_size", "stride", "bn", "activation", "residual"];
const DEPTHWISE: &[&str] = &["kernel_size", "stride", "activation", "residual"];
const POOL: &[&str] = &["kernel_size", "stride"];

/// Types of operators with the arguments that they may have.
const TYPES: [(&str, &[&str]); 8] = [
    ("IRFBlock", BLOCK),
    ("Conv2d", CONV),
    ("DepthwiseConv2d", DEPTHWISE),
    ("MaxPool2d", POOL),
    ("AvgPool2d", POOL),
    ("AdaptiveAvgPool2d", &["output_size"]),
    ("Classifier", &[]),
    ("Add", &[]),
];

/// The type and the arguments of an operation; nothing for what computes nothing.
pub(super) fn print(placed: &PlacedOp) -> Option<(&'static str, Map<String, Value>)> {
    let stride = placed.stride();
    let residual = placed.shortcut() == Shortcut::Identity;
    let (name, arguments) = match placed.op() {
        Op::MbConv(block) => return Some(("IRFBlock", block_arguments(block, stride, residual))),
        Op::Conv { kernel, normalisation, activation } => {
            let bn = normalisation == Normalisation::Batch;
            let activation = activation.map(name_of);
            let kernel_size = kernel.side();
            let all = json!({"kernel_size": kernel_size, "stride": stride, "bn": bn,
                "activation": activation, "residual": residual});
            ("Conv2d", all)
        }
        Op::Depthwise { kernel, activation } => {
            let (kernel_size, activation) = (kernel.side(), activation.map(name_of));
            let all = json!({"kernel_size": kernel_size, "stride": stride,
                "activation": activation, "residual": residual});
            ("DepthwiseConv2d", all)
        }
        Op::MaxPool { .. } | Op::AveragePool { .. } if residual => return None,
        Op::MaxPool { kernel } => {
            ("MaxPool2d", json!({"kernel_size": kernel.side(), "stride": stride}))
        }
        Op::AveragePool { kernel } => {
            ("AvgPool2d", json!({"kernel_size": kernel.side(), "stride": stride}))
        }
        Op::GlobalPool => ("AdaptiveAvgPool2d", json!({"output_size": 1})),
        Op::Classifier => ("Classifier", json!({})),
        Op::Add => ("Add", json!({})),
        Op::Identity | Op::Zero => return None,
    };
    Some((name, arguments.as_object().cloned().unwrap_or_default()))
}

fn block_arguments(block: MbConv, stride: u32, residual: bool) -> Map<String, Value> {
    let mut arguments = Map::new();
    let mut put = |name: &str, value: Value| _ = arguments.insert(name.to_owned(), value);
    put("kernel_size", block.kernel.side().into());
    put("stride", stride.into());
    match block.expansion {
        // A ratio has at most three decimals, as its text has.
        Expansion::Ratio(ratio) => put("expansion", ratio.to_string().parse().unwrap_or_default()),
        Expansion::Width(width) => {
            put("mid_channels", width.channels().into());
            if width.groups() != Groups::ONE {
                put("groups", width.groups().count().into());
            }
        }
    }
    put("se", (block.squeeze_excite == SqueezeExcite::Quarter).into());
    put("activation", name_of(block.activation).into());
    put("residual", residual.into());
    arguments
}

const fn name_of(activation: Activation) -> &'static str {
    match activation {
        Activation::Relu6 => "relu6",
        Activation::Relu => "relu",
        Activation::HardSwish => "hswish",
    }
}

/// Reads an operation between these maps, `HxWxC` each. A `residual` that is not there is one wherever
/// a block preserves the shape.
pub(super) fn parse(
    path: &str,
    op_type: JsonPart<'_>,
    arguments: JsonPart<'_>,
    maps: (&str, &str),
) -> Result<PlacedOp, TableError> {
    let type_path = join(path, "op_type");
    let name: String = op_type.read(&type_path, "a text")?;
    let Some((_, known)) = TYPES.iter().find(|(known, _)| *known == name) else {
        let known = TYPES.map(|(known, _)| known).join(", ");
        let message = format!("there is no operator `{name}`; there are: {known}");
        return Err(op_type.wrong(&type_path, message));
    };
    let path = join(path, "op_args");
    let fields = arguments.object(&path)?;
    fields.expect_only(&path, known)?;
    let arguments = Arguments { path, part: arguments, fields };
    let (op, stride) = arguments.operation(&name)?;
    let (input, output) = maps;
    let text =
        format!("{op}-in{input}-out{output}-s{stride}{}", arguments.skip(&name, maps, stride)?);
    text.parse().map_err(|error| op_type.wrong(&type_path, error))
}

/// Arguments of an operator.
struct Arguments<'t> {
    path: String,
    part: JsonPart<'t>,
    fields: JsonFields<'t>,
}

impl Arguments<'_> {
    /// The operation and its stride, as they stand in a key.
    fn operation(&self, name: &str) -> Result<(String, u32), TableError> {
        Ok(match name {
            "IRFBlock" => {
                let se = if self.flag("se")?.unwrap_or(false) { "-se" } else { "" };
                let (kernel, middle) = (self.whole("kernel_size")?, self.middle()?);
                let activation = self.activation()?;
                (format!("mbconv-k{kernel}-{middle}{se}{activation}"), self.whole("stride")?)
            }
            "Conv2d" => {
                let bn = if self.flag("bn")?.unwrap_or(true) { "" } else { "-nobn" };
                let (kernel, activation) = (self.whole("kernel_size")?, self.activation()?);
                (format!("conv-k{kernel}{bn}{activation}"), self.whole("stride")?)
            }
            "DepthwiseConv2d" => {
                let (kernel, activation) = (self.whole("kernel_size")?, self.activation()?);
                (format!("depthwise-k{kernel}{activation}"), self.whole("stride")?)
            }
            "MaxPool2d" => {
                (format!("maxpool-k{}", self.whole("kernel_size")?), self.whole("stride")?)
            }
            "AvgPool2d" => {
                (format!("avgpool-k{}", self.whole("kernel_size")?), self.whole("stride")?)
            }
            "AdaptiveAvgPool2d" => match self.whole("output_size")? {
                1 => ("globalpool".to_owned(), 1),
                side => {
                    return Err(self.wrong(format!("an output of {side}, not 1, is not supported")));
                }
            },
            "Classifier" => ("classifier".to_owned(), 1),
            _ => ("add".to_owned(), 1),
        })
    }

    /// The middle of a block: a ratio of the input, or channels of its own.
    fn middle(&self) -> Result<String, TableError> {
        let (ratio, width) =
            (self.fields.optional("expansion"), self.fields.optional("mid_channels"));
        let groups = self.fields.optional("groups").map(|_| self.whole("groups")).transpose()?;
        match (ratio, width, groups.filter(|groups| *groups != 1)) {
            (Some(ratio), None, None) => {
                let ratio = ratio.number(&self.at("expansion"))?.text;
                // Python writes 6 and 6.0 for the same number.
                Ok(format!("e{}", ratio.strip_suffix(".0").unwrap_or(&ratio)))
            }
            (None, Some(_), None) => Ok(format!("m{}", self.whole("mid_channels")?)),
            (None, Some(_), Some(groups)) => {
                Ok(format!("m{}-g{groups}", self.whole("mid_channels")?))
            }
            _ => Err(self.wrong(
                "the middle is said by `expansion`, or by `mid_channels` with or without `groups`",
            )),
        }
    }

    /// The activation as it stands in a key.
    fn activation(&self) -> Result<&'static str, TableError> {
        let Some(part) = self.fields.optional("activation") else { return Ok("-linear") };
        match part.read::<String>(&self.at("activation"), "a text")?.as_str() {
            "relu6" => Ok(""),
            "relu" => Ok("-relu"),
            "hswish" => Ok("-hs"),
            _ => {
                let message = format!("{} is not relu6, relu, hswish or null", part.short());
                Err(part.wrong(&self.at("activation"), message))
            }
        }
    }

    fn skip(
        &self,
        name: &str,
        (input, output): (&str, &str),
        stride: u32,
    ) -> Result<&'static str, TableError> {
        let by_custom = name == "IRFBlock" && stride == 1 && input == output;
        Ok(if self.flag("residual")?.unwrap_or(by_custom) { "-skip" } else { "" })
    }

    fn whole(&self, name: &str) -> Result<u32, TableError> {
        let part = self.fields.required(&self.path, name)?;
        part.read(&self.at(name), "a whole number of 32 bits")
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, TableError> {
        let part = self.fields.optional(name);
        part.map(|part| part.read(&self.at(name), "true or false")).transpose()
    }

    fn at(&self, name: &str) -> String {
        join(&self.path, name)
    }

    fn wrong(&self, message: impl std::fmt::Display) -> TableError {
        self.part.wrong(&self.path, message)
    }
}
