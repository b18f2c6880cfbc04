//! Once-for-All's YAML is the format of the latency tables that its authors published: that of
//! ProxylessNAS with `std` in the place of `var`, and with keys for the blocks of MobileNetV3.

use op_catalog::expansion::Groups;
use op_catalog::{
    Activation, CatalogError, Expansion, FeatureMap, MbConv, Normalisation, Op, PlacedOp, Shortcut,
    SqueezeExcite,
};

use crate::exported::{Exported, ExportedValue};
use crate::listed_row::ListedRow;
use crate::yaml_rows::{Dialect, Spread, convolution, split_key};
use crate::{LatencyTable, TableError, TimeUnit};

/// What only this format has, in keys and in fields.
pub const MARKS: [&str; 4] = ["AvgPool2D-input:", "Conv_2-input:", "-se:", "std:"];

const DIALECT: Dialect =
    Dialect { spread: Spread::Deviation, read_key: parse_key, write_key: key_of };

/// Reads the rows; their numbers are in this unit.
///
/// # Errors
/// What is wrong, by its line and value.
pub(crate) fn parse(text: &str, unit: TimeUnit) -> Result<Vec<ListedRow>, TableError> {
    DIALECT.parse(text, unit)
}

/// Writes the rows of a table, in the order of the format's keys.
///
/// # Errors
/// A row with a number that no measurement gives.
pub fn print(table: &LatencyTable, value: ExportedValue) -> Result<Exported, TableError> {
    DIALECT.print(table, value)
}

/// Reads a key (`ofa/nas/efficiency_predictor/latency_lookup_table.py` of mit-han-lab/once-for-all).
/// `expand` is the width of the middle; where it is that of the input, there is no expansion layer, as
/// in `MBConvLayer` of `ofa/utils/layers.py`. The convolutions of the stem and the head have h-swish.
fn parse_key(key: &str) -> Result<PlacedOp, CatalogError> {
    let syntax = || CatalogError::Syntax {
        text: key.to_owned(),
        expected: "a key of Once-for-All such as `Conv-input:224x224x3-output:112x112x24`, \
                   `Conv_1-…`, `Conv_2-…`, `AvgPool2D-…`, `Logits-input:1x1x1536-output:1000` or \
                   `expanded_conv-input:…-output:…-expand:72-kernel:3-stride:1-idskip:1-se:0-hs:1`",
    };
    if let Some((kind, [input, output])) = split_key(key, ["input", "output"]) {
        return match kind {
            "Conv" => convolution("conv-k3-hs", input, output),
            "Conv_1" => convolution("conv-k1-hs", input, output),
            "Conv_2" => convolution("conv-k1-nobn-hs", input, output),
            "AvgPool2D" => format!("globalpool-in{input}-out{output}-s1").parse(),
            "Logits" => format!("classifier-in{input}-out1x1x{output}-s1").parse(),
            _ => Err(syntax()),
        };
    }
    let names = ["input", "output", "expand", "kernel", "stride", "idskip", "se", "hs"];
    let Some(("expanded_conv", [input, output, middle, kernel, stride, idskip, se, hs])) =
        split_key(key, names)
    else {
        return Err(syntax());
    };
    let flag = |value: &str, absent: &'static str, present: &'static str| match value {
        "0" => Ok(absent),
        "1" => Ok(present),
        _ => Err(syntax()),
    };
    let (skip, se, activation) =
        (flag(idskip, "", "-skip")?, flag(se, "", "-se")?, flag(hs, "-relu", "-hs")?);
    let input: FeatureMap = input.parse()?;
    let expansion = match middle == input.channels().to_string() {
        true => "e1".to_owned(),
        false => format!("m{middle}"),
    };
    format!("mbconv-k{kernel}-{expansion}{se}{activation}-in{input}-out{output}-s{stride}{skip}")
        .parse()
}

/// The key of an operation, if the format has one that is read as the same operation.
fn key_of(placed: &PlacedOp) -> Option<String> {
    let (input, output) = (placed.input(), placed.output());
    let maps = format!("input:{input}-output:{output}");
    let key = match placed.op() {
        Op::MbConv(block) => block_key(placed, block, &maps)?,
        Op::Conv { kernel, .. } if kernel.side() == 3 => format!("Conv-{maps}"),
        Op::Conv { normalisation: Normalisation::Batch, .. } => format!("Conv_1-{maps}"),
        Op::Conv { normalisation: Normalisation::Absent, .. } => format!("Conv_2-{maps}"),
        Op::GlobalPool => format!("AvgPool2D-{maps}"),
        Op::Classifier => format!("Logits-input:{input}-output:{}", output.channels()),
        _ => return None,
    };
    (parse_key(&key).as_ref() == Ok(placed)).then_some(key)
}

fn block_key(placed: &PlacedOp, block: MbConv, maps: &str) -> Option<String> {
    let hs = match block.activation {
        Activation::HardSwish => 1,
        Activation::Relu => 0,
        Activation::Relu6 => return None,
    };
    if matches!(block.expansion, Expansion::Width(width) if width.groups() != Groups::ONE) {
        return None;
    }
    let se = u8::from(block.squeeze_excite == SqueezeExcite::Quarter);
    let idskip = u8::from(placed.shortcut() == Shortcut::Identity);
    let (side, stride, middle) = (block.kernel.side(), placed.stride(), placed.middle_channels());
    Some(format!(
        "expanded_conv-{maps}-expand:{middle}-kernel:{side}-stride:{stride}-idskip:{idskip}-se:{se}-hs:{hs}"
    ))
}

#[cfg(test)]
mod tests {
    use op_catalog::SpaceDefinition;
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{published, row};
    use crate::{TableContext, listed_row};

    const NOTE10: &str = "ofa_note10/224_lookup_table.yaml";

    fn table(text: &str) -> Result<LatencyTable, TableError> {
        listed_row::table(&parse(text, TimeUnit::Milliseconds)?, TableContext::named("note10"))
    }

    fn reading(text: &str) -> String {
        table(text).unwrap_err().to_string()
    }

    #[test]
    fn the_published_table_is_read_whole_and_written_to_the_byte() {
        let Some(text) = published(NOTE10) else { return };
        let read = table(&text).unwrap();
        assert_eq!(read.rows().len(), 96);
        let space = SpaceDefinition::built_in("ofa-mbv3").unwrap().with_width_multiplier(1.2);
        assert!(read.complete(&space.build().unwrap()));
        let exported = print(&read, ExportedValue::Mean).unwrap();
        assert_eq!(exported.left_out, []);
        assert!(exported.text == text, "{}", exported.text);
        assert_eq!(table(&exported.text).unwrap(), read);
    }

    #[test]
    fn keys_mean_the_operations_that_they_name() {
        for (key, placed) in [
            ("Conv-input:224x224x3-output:112x112x24", "conv-k3-hs-in224x224x3-out112x112x24-s2"),
            ("Conv_1-input:7x7x192-output:7x7x1152", "conv-k1-hs-in7x7x192-out7x7x1152-s1"),
            ("Conv_2-input:1x1x1152-output:1x1x1536", "conv-k1-nobn-hs-in1x1x1152-out1x1x1536-s1"),
            ("AvgPool2D-input:7x7x1152-output:1x1x1152", "globalpool-in7x7x1152-out1x1x1152-s1"),
            ("Logits-input:1x1x1536-output:1000", "classifier-in1x1x1536-out1x1x1000-s1"),
            (
                "expanded_conv-input:112x112x24-output:112x112x24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0",
                "mbconv-k3-e1-relu-in112x112x24-out112x112x24-s1-skip",
            ),
            (
                "expanded_conv-input:14x14x136-output:7x7x192-expand:544-kernel:5-stride:2-idskip:0-se:1-hs:1",
                "mbconv-k5-m544-se-hs-in14x14x136-out7x7x192-s2",
            ),
        ] {
            let expected: PlacedOp = placed.parse().unwrap();
            assert_eq!(parse_key(key).unwrap(), expected);
            assert_eq!(key_of(&expected).as_deref(), Some(key));
        }
    }

    #[test]
    fn what_the_format_has_no_key_for_is_listed() {
        let keys = [
            "mbconv-k3-e6-in7x7x8-out7x7x8-s1-skip",
            "mbconv-k3-e3-relu-in7x7x8-out7x7x8-s1-skip",
            "mbconv-k3-m8-relu-in7x7x8-out7x7x8-s1-skip",
            "mbconv-k3-m16-g2-relu-in7x7x8-out7x7x8-s1-skip",
            "conv-k1-in7x7x320-out7x7x1280-s1",
            "conv-k5-hs-in32x32x3-out32x32x8-s1",
            "conv-k3-nobn-hs-in32x32x3-out32x32x8-s1",
            "depthwise-k3-in8x8x4-out4x4x4-s2",
            "maxpool-k2-in8x8x4-out4x4x4-s2",
        ];
        let mut rows = LatencyTable::new(TableContext::named("x"));
        keys.iter().for_each(|key| rows.insert(row(key.parse().unwrap(), 1.0)));
        let exported = print(&rows, ExportedValue::Mean).unwrap();
        assert_eq!((exported.left_out.len(), exported.text.as_str()), (keys.len(), ""));
    }

    #[test]
    fn wrong_rows_are_refused_by_line_field_and_value() {
        let key = "Logits-input:1x1x1536-output:1000";
        for (body, message) in [
            (
                "\n  count: 1\n  mean: 1.0\n  var: 0.1",
                "line 4, var of `KEY`: there is no such field; there are: count, mean, std",
            ),
            (
                "\n  count: 1\n  mean: 1.0\n  std: -0.1",
                "line 4, std of `KEY`: `-0.1` is negative, which no measured time is",
            ),
            (
                "\n  count: 1\n  mean: 1.0\n  std: 1e200",
                "line 3, `KEY`: variance is inf, but must be finite and not negative",
            ),
        ] {
            assert_eq!(reading(&format!("{key}: {body}")), message.replace("KEY", key));
        }
        let values = "{count: 1, mean: 1.0, std: 0.1}";
        for key in [
            "expanded_conv-input:7x7x8-output:7x7x8-expand:24-kernel:3-stride:1-idskip:1",
            "expanded_conv-input:7x7x8-output:7x7x8-expand:24-kernel:3-stride:1-idskip:1-se:2-hs:0",
            "Conv_3-input:1x1x1-output:1x1x1",
        ] {
            let start = format!("line 1, the key: `{key}` is not a key of Once-for-All such as ");
            assert!(reading(&format!("{key}: {values}")).starts_with(&start), "{key}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(
            key in "(Conv|Conv_[12]|AvgPool2D|Logits|expanded_conv)-input:[0-9x]{1,9}-output:[0-9x]{1,9}(-expand:[0-9.]{1,4}-kernel:[0-9]{1,3}-stride:[0-9]{1,2}-idskip:[01]-se:[01]-hs:[01])?",
            mean in any::<f64>(), std in 0.0..1e100_f64,
        ) {
            if let Ok(read) = table(&format!("{key}: {{count: 1, mean: {mean}, std: {std}}}")) {
                let again = print(&read, ExportedValue::Headline).unwrap();
                prop_assert_eq!(table(&again.text).unwrap(), read);
            }
        }

        #[test]
        fn any_block_is_written_and_read_back(
            side in 1_u32..30, channels in 1_u32..70, middle in 1_u32..200,
            kernel in prop_oneof![Just(3), Just(5), Just(7)],
            se in prop_oneof![Just(""), Just("-se")],
            activation in prop_oneof![Just("-relu"), Just("-hs")], mean in 0.0..1e3_f64,
        ) {
            prop_assume!(middle != channels);
            let map = format!("{side}x{side}x{channels}");
            let key = format!("mbconv-k{kernel}-m{middle}{se}{activation}-in{map}-out{map}-s1-skip");
            let mut rows = LatencyTable::new(TableContext::named("note10"));
            rows.insert(row(key.parse().unwrap(), mean));
            let exported = print(&rows, ExportedValue::Mean).unwrap();
            let read = table(&exported.text).unwrap();
            prop_assert!(read.rows().map(|row| row.key).eq(rows.rows().map(|row| row.key)));
            prop_assert!(read.rows().map(|row| row.mean).eq(rows.rows().map(|row| row.mean)));
        }
    }
}
