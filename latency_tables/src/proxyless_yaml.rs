//! ProxylessNAS' YAML is the format of the latency tables that its authors published: a key in words
//! for each operation, and `count`, `mean` and `var` of its latency in milliseconds.

use std::collections::BTreeMap;

use op_catalog::{
    CatalogError, Expansion, FeatureMap, MbConv, Milliseconds, Op, PlacedOp, Shortcut,
};
use serde::Deserialize;

use crate::{TableError, TableRow};

/// How the keys of the format begin.
pub const KEY_STARTS: [&str; 4] =
    ["Conv-input:", "Conv_1-input:", "Logits-input:", "expanded_conv-input:"];

/// What follows a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    count: u64,
    mean: f64,
    var: f64,
}

/// What the field `mean` of an exported row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportedValue {
    /// The mean, as the field's name says.
    Mean,
    /// The headline value, which is what this project's own predictions add up.
    Headline,
}

/// A table as text, and what the format has no key for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The YAML.
    pub text: String,
    /// Operations that were left out, because the format has no key for them.
    pub left_out: Vec<PlacedOp>,
}

/// Reads the rows.
///
/// # Errors
/// Text that is not YAML, by its line; a row whose key or numbers cannot be, or that stands twice, by
/// its key.
pub fn parse(text: &str) -> Result<Vec<TableRow>, TableError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let entries: BTreeMap<String, serde_json::Value> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| TableError::Field {
            place: "the YAML".to_owned(),
            message: error.to_string(),
        })?;
    entries.into_iter().map(|(key, value)| parse_row(&key, value)).collect()
}

/// Writes rows, in the order of the format's keys.
///
/// # Errors
/// A row with a number that no measurement gives.
pub fn print<'a>(
    rows: impl IntoIterator<Item = &'a TableRow>,
    value: ExportedValue,
) -> Result<Exported, TableError> {
    let mut entries = BTreeMap::new();
    let mut left_out = Vec::new();
    for row in rows {
        row.check()?;
        let mean = match value {
            ExportedValue::Mean => row.mean.0,
            ExportedValue::Headline => row.headline().0,
        };
        match key_of(&row.key) {
            Some(key) => _ = entries.insert(key, Entry { count: row.n, mean, var: row.variance }),
            None => left_out.push(row.key),
        }
    }
    // Written as PyYAML writes it, which takes an exponent without a point for a text.
    let text = entries.iter().fold(String::new(), |text, (key, Entry { count, mean, var })| {
        text + &format!("{key}:\n  count: {count}\n  mean: {mean}\n  var: {var}\n")
    });
    Ok(Exported { text, left_out })
}

fn parse_row(key: &str, value: serde_json::Value) -> Result<TableRow, TableError> {
    let refuse = |message: String| TableError::Field { place: format!("row `{key}`"), message };
    let placed = parse_key(key).map_err(|error| refuse(error.to_string()))?;
    let entry = Entry::deserialize(value).map_err(|error| refuse(error.to_string()))?;
    let row = TableRow::imported(placed, entry.count, Milliseconds(entry.mean), entry.var);
    row.check()?;
    Ok(row)
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
    let parts: Vec<&str> = key.split('-').collect();
    let field = |part: Option<&&str>, name: &str| -> Option<String> {
        part?.strip_prefix(name)?.strip_prefix(':').map(str::to_owned)
    };
    let input = field(parts.get(1), "input").ok_or_else(syntax)?;
    let output = field(parts.get(2), "output").ok_or_else(syntax)?;
    match (parts[0], parts.len()) {
        ("Conv", 3) => convolution("conv-k3", &input, &output),
        ("Conv_1", 3) => convolution("conv-k1", &input, &output),
        ("Logits", 3) => format!("classifier-in{input}-out1x1x{output}-s1").parse(),
        ("expanded_conv", 7) => {
            let number =
                |index: usize, name: &str| field(parts.get(index), name).ok_or_else(syntax);
            let (expand, kernel) = (number(3, "expand")?, number(4, "kernel")?);
            let skip = match number(6, "idskip")?.as_str() {
                "0" => "",
                "1" => "-skip",
                _ => return Err(syntax()),
            };
            let stride = number(5, "stride")?;
            format!("mbconv-k{kernel}-e{expand}-in{input}-out{output}-s{stride}{skip}").parse()
        }
        _ => Err(syntax()),
    }
}

fn convolution(op: &str, input: &str, output: &str) -> Result<PlacedOp, CatalogError> {
    let (input, output): (FeatureMap, FeatureMap) = (input.parse()?, output.parse()?);
    let stride = input.height().div_ceil(output.height());
    format!("{op}-in{input}-out{output}-s{stride}").parse()
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
    use crate::fixtures::{published, row};
    use crate::{EdgeCosts, LatencyTable, TableContext};

    const OFFICIAL: &str = "proxylessnas_official/mobile_trim.yaml";

    fn reading(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_published_table_is_read_whole_and_written_to_the_byte() {
        let Some(text) = published(OFFICIAL) else { return };
        let rows = parse(&text).unwrap();
        assert_eq!(rows.len(), 72);
        let exported = print(&rows, ExportedValue::Mean).unwrap();
        assert_eq!(exported.left_out, []);
        assert!(exported.text == text, "{}", exported.text);
    }

    /// The numbers: `search/models/super_nets/super_proxyless.py` of mit-han-lab/proxylessnas with
    /// this table, for the space's extremes, its corners and at uniform logits.
    #[test]
    fn the_published_table_prices_the_published_space_as_the_published_code_does() {
        let Some(text) = published(OFFICIAL) else { return };
        let space = SpaceDefinition::built_in("proxyless-mobile").unwrap().build().unwrap();
        let mut table = LatencyTable::new(TableContext::named("pixel1"));
        parse(&text).unwrap().into_iter().for_each(|row| table.insert(row));
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
    fn what_the_format_has_no_key_for_is_listed() {
        let keys = [
            "conv-k1-in7x7x320-out7x7x1280-s1",
            "conv-k5-in32x32x3-out32x32x8-s1",
            "conv-k1-linear-in7x7x320-out7x7x1280-s1",
            "maxpool-k2-in8x8x4-out4x4x4-s2",
            // From 5 to 2 rows is stride 3 for a reader of the key.
            "conv-k3-in5x5x3-out2x2x8-s4",
        ];
        let rows = keys.map(|key| row(key.parse().unwrap(), 1.0));
        let exported = print(&rows, ExportedValue::Mean).unwrap();
        let left_out: Vec<String> = exported.left_out.iter().map(ToString::to_string).collect();
        assert_eq!(left_out, keys[1..]);
        assert_eq!(parse(&exported.text).unwrap(), rows[..1]);
    }

    #[test]
    fn wrong_rows_are_refused_by_their_keys() {
        let key = "Logits-input:7x7x1280-output:1000";
        for (body, message) in [
            ("{count: 1, mean: 2.0}", "missing field `var`"),
            (
                "{count: 1, mean: 2.0, std: 0.1}",
                "unknown field `std`, expected one of `count`, `mean`, `var`",
            ),
            ("{count: 1, mean: fast, var: 0.1}", "invalid type: string \"fast\", expected f64"),
            ("{count: -1, mean: 1.0, var: 0.1}", "invalid value: integer `-1`, expected u64"),
        ] {
            assert_eq!(reading(&format!("{key}: {body}")), format!("row `{key}`: {message}"));
        }
        assert_eq!(
            reading(&format!("{key}: {{count: 1, mean: -2.0, var: 0.1}}")),
            "row `classifier-in7x7x1280-out1x1x1000-s1`: mean is -2, but must be finite and not negative"
        );
        assert_eq!(
            reading(&format!("{key}: {{count: 1, mean: .nan, var: 0.1}}")),
            "the YAML: non-finite float `.nan` rejected by the configured policy at line 1, column 53"
        );
    }

    #[test]
    fn a_key_of_another_table_is_refused_by_itself() {
        let values = "{count: 1, mean: 1.0, var: 0.1}";
        for key in [
            "expanded_conv-input:7x7x8-output:7x7x8-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0",
            "AvgPool2D-input:7x7x1152-output:1x1x1152",
        ] {
            assert!(reading(&format!("{key}: {values}")).starts_with(&format!("row `{key}`: ")));
        }
        assert_eq!(
            reading(&format!("Conv-input:4x4x3-output:3x3x8: {values}")),
            "row `Conv-input:4x4x3-output:3x3x8`: `conv-k3` cannot be placed at 4x4x3 with stride 2: \
             it gives 2x2x8, not 3x3x8"
        );
    }

    #[test]
    fn a_row_that_stands_twice_is_refused() {
        let line = "Logits-input:7x7x1280-output:1000: {count: 1, mean: 1.0, var: 0.1}\n";
        assert!(reading(&line.repeat(2)).contains("duplicate"), "{}", reading(&line.repeat(2)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(
            key in "(Conv|Conv_1|Logits|expanded_conv)-input:[0-9x]{1,9}-output:[0-9x]{1,9}(-expand:[0-9.]{1,4}-kernel:[0-9]{1,3}-stride:[0-9]{1,2}-idskip:[01])?",
            mean in any::<f64>(),
        ) {
            if let Ok(rows) = parse(&format!("{key}: {{count: 1, mean: {mean}, var: 0.0}}")) {
                let again = print(&rows, ExportedValue::Headline).unwrap();
                prop_assert_eq!(parse(&again.text).unwrap(), rows);
            }
        }

        #[test]
        fn arbitrary_yaml_is_refused_without_panic(text in "[ -~\n]{0,80}") {
            if let Ok(rows) = parse(&text) {
                prop_assert!(rows.is_empty());
            }
        }
    }
}
