//! ProxylessNAS' YAML is the format of the latency tables that its authors published: a key in words
//! for each operation, and `count`, `mean` and `var` of its latency in milliseconds.

use op_catalog::{CatalogError, Expansion, MbConv, Op, PlacedOp, Shortcut};

use crate::exported::{Exported, ExportedValue};
use crate::listed_row::ListedRow;
use crate::yaml_rows::{Dialect, Spread, convolution, split_key};
use crate::{LatencyTable, TableError, TimeUnit};

/// How the keys of the format begin.
pub const KEY_STARTS: [&str; 4] =
    ["Conv-input:", "Conv_1-input:", "Logits-input:", "expanded_conv-input:"];

const DIALECT: Dialect =
    Dialect { spread: Spread::Variance, read_key: parse_key, write_key: key_of };

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

/// Reads a key (`search/utils/latency_estimator.py` of mit-han-lab/proxylessnas). `idskip:1` says that
/// the block's input is added to its output. Strides that a key does not tell follow from its shapes.
fn parse_key(key: &str) -> Result<PlacedOp, CatalogError> {
    let syntax = || CatalogError::Syntax {
        text: key.to_owned(),
        expected: "a key of ProxylessNAS such as `Conv-input:224x224x3-output:112x112x32`, \
                   `Conv_1-…`, `Logits-input:7x7x1280-output:1000` or \
                   `expanded_conv-input:…-output:…-expand:6-kernel:3-stride:1-idskip:1`",
    };
    if let Some((kind, [input, output])) = split_key(key, ["input", "output"]) {
        return match kind {
            "Conv" => convolution("conv-k3", input, output),
            "Conv_1" => convolution("conv-k1", input, output),
            "Logits" => format!("classifier-in{input}-out1x1x{output}-s1").parse(),
            _ => Err(syntax()),
        };
    }
    let names = ["input", "output", "expand", "kernel", "stride", "idskip"];
    match split_key(key, names) {
        Some(("expanded_conv", [input, output, expand, kernel, stride, idskip])) => {
            let skip = match idskip {
                "0" => "",
                "1" => "-skip",
                _ => return Err(syntax()),
            };
            format!("mbconv-k{kernel}-e{expand}-in{input}-out{output}-s{stride}{skip}").parse()
        }
        _ => Err(syntax()),
    }
}

/// The key of an operation, if the format has one that is read as the same operation.
fn key_of(placed: &PlacedOp) -> Option<String> {
    let maps = format!("input:{}-output:{}", placed.input(), placed.output());
    // A block or convolution of another kind reads back as another operation, and has no key.
    let key = match placed.op() {
        Op::MbConv(MbConv { kernel, expansion: Expansion::Ratio(expand), .. }) => {
            let idskip = u8::from(placed.shortcut() == Shortcut::Identity);
            let (side, stride) = (kernel.side(), placed.stride());
            format!(
                "expanded_conv-{maps}-expand:{expand}-kernel:{side}-stride:{stride}-idskip:{idskip}"
            )
        }
        Op::Conv { kernel, .. } if kernel.side() == 3 => format!("Conv-{maps}"),
        Op::Conv { kernel, .. } if kernel.side() == 1 => format!("Conv_1-{maps}"),
        Op::Classifier => {
            format!("Logits-input:{}-output:{}", placed.input(), placed.output().channels())
        }
        _ => return None,
    };
    (parse_key(&key).as_ref() == Ok(placed)).then_some(key)
}

#[cfg(test)]
mod tests {
    use op_catalog::{Architecture, SpaceDefinition};
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{estimated_row, published, row};
    use crate::{EdgeCosts, TableContext, listed_row};

    const OFFICIAL: &str = "proxylessnas_official/mobile_trim.yaml";

    fn table(text: &str) -> Result<LatencyTable, TableError> {
        listed_row::table(&parse(text, TimeUnit::Milliseconds)?, TableContext::named("pixel1"))
    }

    fn reading(text: &str) -> String {
        table(text).unwrap_err().to_string()
    }

    #[test]
    fn the_published_table_is_read_whole_and_written_to_the_byte() {
        let Some(text) = published(OFFICIAL) else { return };
        let table = table(&text).unwrap();
        assert_eq!(table.rows().len(), 72);
        let exported = print(&table, ExportedValue::Mean).unwrap();
        assert_eq!(exported.left_out, []);
        assert!(exported.text == text, "{}", exported.text);
    }

    /// The numbers: `search/models/super_nets/super_proxyless.py` of mit-han-lab/proxylessnas with
    /// this table, for the space's extremes, its corners and at uniform logits.
    #[test]
    fn the_published_table_prices_the_published_space_as_the_published_code_does() {
        let Some(text) = published(OFFICIAL) else { return };
        let space = SpaceDefinition::built_in("proxyless-mobile").unwrap().build().unwrap();
        let table = table(&text).unwrap();
        assert!(table.complete(&space));
        let costs = EdgeCosts::new(&space, &table).unwrap();
        let all = |choice: usize| {
            let architecture = Architecture::new(vec![choice; costs.edges_ms().len()]);
            table.predict(&space.network(&architecture).unwrap()).unwrap().0
        };
        let logits: Vec<Vec<f64>> =
            costs.edges_ms().iter().map(|edge| vec![0.0; edge.len()]).collect();
        let uniform = costs.expected_under_logits(&logits).unwrap().latency.0;
        assert_eq!(format!("{:.3}", costs.fixed_ms()), "11.364");
        for (what, milliseconds, expected) in [
            ("cheapest", costs.cheapest().latency.0, "29.61"),
            ("all K3E3", all(0), "76.05"),
            ("all K3E6", all(1), "136.47"),
            ("dearest", costs.dearest().latency.0, "191.03"),
            ("uniform", uniform, "113.99"),
        ] {
            assert_eq!(format!("{milliseconds:.2}"), expected, "{what}");
        }
    }

    #[test]
    fn keys_mean_the_operations_that_they_name() {
        for (key, placed) in [
            ("Conv-input:224x224x3-output:112x112x32", "conv-k3-in224x224x3-out112x112x32-s2"),
            ("Conv_1-input:7x7x320-output:7x7x1280", "conv-k1-in7x7x320-out7x7x1280-s1"),
            ("Logits-input:7x7x1280-output:1000", "classifier-in7x7x1280-out1x1x1000-s1"),
            (
                "expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0",
                "mbconv-k3-e1-in112x112x32-out112x112x16-s1",
            ),
            (
                "expanded_conv-input:14x14x80-output:14x14x80-expand:6-kernel:7-stride:1-idskip:1",
                "mbconv-k7-e6-in14x14x80-out14x14x80-s1-skip",
            ),
        ] {
            let expected: PlacedOp = placed.parse().unwrap();
            assert_eq!(parse_key(key).unwrap(), expected);
            assert_eq!(key_of(&expected).as_deref(), Some(key));
        }
    }

    #[test]
    fn an_estimate_is_left_out_rather_than_taken_for_a_measurement() {
        let mut rows = LatencyTable::new(TableContext::named("pixel1"));
        let (measured, estimated) = ["conv-k3-in8x8x3-out8x8x4-s1", "conv-k1-in8x8x4-out8x8x4-s1"]
            .map(|key| key.parse().unwrap())
            .into();
        rows.insert(row(measured, 1.0));
        rows.insert(estimated_row(estimated, 1.0));
        let exported = print(&rows, ExportedValue::Headline).unwrap();
        assert_eq!(exported.left_out, [estimated]);
        assert!(table(&exported.text).unwrap().rows().map(|row| row.key).eq([measured]));
    }

    #[test]
    fn what_the_format_has_no_key_for_is_listed() {
        let keys = [
            "conv-k1-in7x7x320-out7x7x1280-s1",
            "conv-k5-in32x32x3-out32x32x8-s1",
            "conv-k1-linear-in7x7x320-out7x7x1280-s1",
            "maxpool-k2-in8x8x4-out4x4x4-s2",
            // From 5 to 2 rows is stride 3 for a reader of the key.
            "conv-k3-in5x5x3-out2x2x8-s4",
        ];
        let mut rows = LatencyTable::new(TableContext::named("pixel1"));
        for key in keys {
            rows.insert(row(key.parse().unwrap(), 1.0));
        }
        let exported = print(&rows, ExportedValue::Mean).unwrap();
        let left_out: Vec<String> = exported.left_out.iter().map(ToString::to_string).collect();
        let mut expected = keys[1..].to_vec();
        expected.sort_by_key(|key| key.parse::<PlacedOp>().unwrap());
        assert_eq!(left_out, expected);
        let read = table(&exported.text).unwrap();
        assert!(read.rows().map(|row| row.key.to_string()).eq([keys[0]]));
    }

    #[test]
    fn wrong_rows_are_refused_by_line_field_and_value() {
        let key = "Logits-input:7x7x1280-output:1000";
        let first = "Conv_1-input:7x7x320-output:7x7x1280:\n  count: 1\n  mean: 1.0\n  var: 0.1\n";
        for (body, message) in [
            ("{count: 1, mean: 2.0}", "line 5, var of `KEY`: the field is missing"),
            (
                "{count: 1, mean: 2.0, std: 0.1}",
                "line 5, std of `KEY`: there is no such field; there are: count, mean, var",
            ),
            ("{count: 1, mean: 2.0, mean: 0.1}", "line 5, mean of `KEY`: the field stands twice"),
            (
                "\n  count: 1\n  mean: 0.123abc\n  var: 0.1",
                "line 7, mean of `KEY`: `0.123abc` is not a number",
            ),
            (
                "\n  count: -1\n  mean: 1.0\n  var: 0.1",
                "line 6, count of `KEY`: `-1` is not a whole number from 1",
            ),
            (
                "\n  count: 1\n  mean: -2.0\n  var: 0.1",
                "line 7, mean of `KEY`: `-2.0` is negative, which no measured time is",
            ),
            (
                "\n  count: 1\n  mean: .nan\n  var: 0.1",
                "line 7, mean of `KEY`: `.nan` is not a finite number",
            ),
            (
                "\n  count: 1\n  mean: 1.0\n  var: .inf",
                "line 8, var of `KEY`: `.inf` is not a finite number",
            ),
            ("\n  count: 1\n  mean: null\n  var: 0.1", "line 5, mean of `KEY`: it is null"),
        ] {
            let text = format!("{first}{key}: {body}\n");
            assert_eq!(reading(&text), message.replace("KEY", key), "{text}");
        }
        assert!(reading(&format!("{first}{key}: [1]")).contains("line 5, column "));
        assert_eq!(reading(""), "the file: there is no row in it");
    }

    #[test]
    fn a_key_of_another_table_is_refused_by_itself() {
        let values = "{count: 1, mean: 1.0, var: 0.1}";
        for key in [
            "expanded_conv-input:7x7x8-output:7x7x8-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0",
            "AvgPool2D-input:7x7x1152-output:1x1x1152",
        ] {
            let start = format!("line 1, the key: `{key}` is not a key of ProxylessNAS such as ");
            assert!(reading(&format!("{key}: {values}")).starts_with(&start));
        }
        assert_eq!(
            reading(&format!("Conv-input:4x4x3-output:3x3x8: {values}")),
            "line 1, the key: `conv-k3` cannot be placed at 4x4x3 with stride 2: \
             it gives 2x2x8, not 3x3x8"
        );
    }

    #[test]
    fn a_row_that_stands_twice_is_refused_by_both_lines() {
        let line = "Logits-input:7x7x1280-output:1000: {count: 1, mean: 1.0, var: 0.1}\n";
        assert_eq!(
            reading(&format!("{line}# again\n{line}")),
            "line 3, `Logits-input:7x7x1280-output:1000`: it stands twice, first on line 1"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(
            key in "(Conv|Conv_1|Logits|expanded_conv)-input:[0-9x]{1,9}-output:[0-9x]{1,9}(-expand:[0-9.]{1,4}-kernel:[0-9]{1,3}-stride:[0-9]{1,2}-idskip:[01])?",
            mean in any::<f64>(),
        ) {
            if let Ok(read) = table(&format!("{key}: {{count: 1, mean: {mean}, var: 0.0}}")) {
                let again = print(&read, ExportedValue::Headline).unwrap();
                prop_assert_eq!(table(&again.text).unwrap(), read);
            }
        }

        #[test]
        fn arbitrary_yaml_is_refused_without_panic(text in "[ -~\n]{0,80}") {
            prop_assert!(table(&text).is_err());
        }
    }
}
