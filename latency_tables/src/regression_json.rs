//! Regression JSON is a latency model as `TuNAS` publishes it: a bias, and a weight for each operation of
//! each block, in milliseconds. Their sum over a network is its latency; one alone is none.

mod edge_names;

use op_catalog::{Cost, SearchSpace, SpaceDefinition};
use serde_json::{Map, Value, json};

use self::edge_names::{BlockKind, NamedBlock, blocks};
use crate::exported::Exported;
use crate::json_text::{JsonFields, JsonPart, JsonText, join};
use crate::unit_check::{self, UnitSource};
use crate::{Content, Imported, LatencyModel, LatencyTable, TableContext, TableError, TimeUnit};

/// Reads a model of a space; its numbers are in this unit.
///
/// # Errors
/// No space; a block or an operation that the space does not have, or lacks; what is no number; by line,
/// path and value.
pub(crate) fn parse(
    text: &str,
    name: &str,
    unit: TimeUnit,
    source: UnitSource,
    space: Option<&SpaceDefinition>,
) -> Result<Imported, TableError> {
    let definition = space.ok_or(TableError::NoSpace)?;
    let space = built(definition)?;
    let text = JsonText::new(text);
    let [document] = text.documents()?[..] else {
        let message = "it is not one JSON object".to_owned();
        return Err(TableError::Field { place: "the file".to_owned(), message });
    };
    let fields = document.object("")?;
    let mut reader = Reader { unit, remarks: Vec::new(), left_out: Vec::new() };
    reader.remark(&fields)?;
    let bias = fields.required("", "bias_ms")?;
    let weights = fields.required("", "weights_ms")?;
    let (fixed, edges) = reader.weights(&weights.object("weights_ms")?, &space)?;
    let constant = reader.number(&bias, "bias_ms")? + fixed;
    let model = LatencyModel::of_weights(constant, edges)?;
    let Reader { mut remarks, left_out, .. } = reader;
    if !left_out.is_empty() {
        let space = space.name();
        remarks
            .push(format!("left out, for no network of `{space}` has it: {}", left_out.join(", ")));
    }
    let (macs, latency) = average(&space, &model);
    let bias = (bias.number("bias_ms")?, "bias_ms");
    remarks.extend(unit_check::check_rate(macs / latency, bias, unit, source)?);
    let table = LatencyTable::new(TableContext::named(name)).with_space(definition.clone());
    Ok(Imported { table: table.with_model(model)?, remarks })
}

fn built(definition: &SpaceDefinition) -> Result<SearchSpace, TableError> {
    definition.build().map_err(|error| TableError::Field {
        place: "the space".to_owned(),
        message: error.to_string(),
    })
}

/// Multiply-accumulates and latency of the space's average network.
fn average(space: &SearchSpace, model: &LatencyModel) -> (f64, f64) {
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
    let macs = |placed: &op_catalog::PlacedOp| Cost::of(&placed.lower()).macs as f64;
    let fixed: f64 = space.fixed().map(macs).sum();
    let searched = space.edges().map(|edge| mean(&edge.iter().map(macs).collect::<Vec<_>>()));
    let latency = model.constant_ms() + model.edges_ms().iter().map(|edge| mean(edge)).sum::<f64>();
    (fixed + searched.sum::<f64>(), latency)
}

/// What is found besides the weights.
struct Reader {
    unit: TimeUnit,
    remarks: Vec<String>,
    left_out: Vec<String>,
}

impl Reader {
    fn number(&self, part: &JsonPart<'_>, path: &str) -> Result<f64, TableError> {
        part.number(path)?.difference(path, self.unit)
    }

    /// Texts beside the model are where it comes from, and have no place in a table.
    fn remark(&mut self, fields: &JsonFields<'_>) -> Result<(), TableError> {
        for (name, part) in fields.iter() {
            if !["bias_ms", "weights_ms"].contains(&name) {
                let known = "a text, and there are no other fields than bias_ms and weights_ms";
                part.read::<String>(name, known)?;
                self.remarks.push(format!("left out, for a table has no place for it: `{name}`"));
            }
        }
        Ok(())
    }

    /// The sum of the weights that every network has, and the weights of each edge.
    fn weights(
        &mut self,
        weights: &JsonFields<'_>,
        space: &SearchSpace,
    ) -> Result<(f64, Vec<Vec<f64>>), TableError> {
        let blocks = blocks(space);
        let names: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
        weights.expect_only("weights_ms", &names)?;
        let (mut fixed, mut edges) = (0.0, Vec::new());
        for block in &blocks {
            let path = join("weights_ms", &block.name);
            match (weights.optional(&block.name), block.kind) {
                (Some(part), BlockKind::Searched) => edges.push(self.edge(block, part, &path)?),
                (None, BlockKind::Searched) => {
                    weights.required("weights_ms", &block.name)?;
                }
                (Some(part), BlockKind::Fixed) => fixed += self.fixed(block, part, &path)?,
                // Its weight is in the bias.
                (None, BlockKind::Fixed) => {}
            }
        }
        Ok((fixed, edges))
    }

    fn edge(
        &self,
        block: &NamedBlock,
        part: JsonPart<'_>,
        path: &str,
    ) -> Result<Vec<f64>, TableError> {
        let fields = part.object(path)?;
        let names: Vec<&str> = block.choices.iter().map(String::as_str).collect();
        fields.expect_only(path, &names)?;
        let weight = |name: &&str| self.number(&fields.required(path, name)?, &join(path, name));
        names.iter().map(weight).collect()
    }

    /// The weight of the operation that the block has; the others are left out.
    fn fixed(
        &mut self,
        block: &NamedBlock,
        part: JsonPart<'_>,
        path: &str,
    ) -> Result<f64, TableError> {
        let fields = part.object(path)?;
        let chosen = &block.choices[0];
        for (name, part) in fields.iter().filter(|(name, _)| name != chosen) {
            let weight = part.number(&join(path, name))?.text;
            self.left_out.push(format!("{}.{name} ({weight})", block.name));
        }
        self.number(&fields.required(path, chosen)?, &join(path, chosen))
    }
}

/// Writes the model of a table. What every network has is in the bias.
///
/// # Errors
/// A table without a model or without a space, whose blocks the weights are named after.
pub fn print(table: &LatencyTable) -> Result<Exported, TableError> {
    table.check_model()?;
    let lacking = |what: &str, message: &str| TableError::Field {
        place: format!("the {what}"),
        message: message.to_owned(),
    };
    let model =
        table.model().ok_or_else(|| lacking("model", "the table has none; the format is one"))?;
    let definition = table.space().ok_or_else(|| {
        lacking("space", "the table names none, and weights are named after its blocks")
    })?;
    let blocks = blocks(&built(definition)?);
    let searched = blocks.iter().filter(|block| block.kind == BlockKind::Searched);
    let weights: Map<String, Value> = searched
        .zip(model.edges_ms())
        .map(|(block, edge)| {
            let names = block.choices.iter().cloned();
            let edge: Map<String, Value> = names.zip(edge.iter().map(|ms| json!(ms))).collect();
            (block.name.clone(), edge.into())
        })
        .collect();
    let document = json!({"bias_ms": model.constant_ms(), "weights_ms": weights});
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| TableError::Field { place: ".".to_owned(), message: error.to_string() })?;
    let lost = Content::lost(table, &[Content::Model])
        .into_iter()
        .filter(|content| !content.is_of_rows())
        .collect();
    Ok(Exported { text: text + "\n", rows: 0, left_out: Vec::new(), lost })
}

#[cfg(test)]
mod tests {
    use op_catalog::Architecture;
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{published, small_space, table_of};
    use crate::{EdgeCosts, ImportOptions, import};

    const TUNAS: &str = "tunas_pixel1/tunas_proxylessnas_search_pixel1.json";

    fn read(text: &str, space: &str) -> Result<Imported, TableError> {
        let space = SpaceDefinition::built_in(space).ok();
        import::parse(text, "pixel1", &ImportOptions { space, ..ImportOptions::default() })
    }

    /// A model of the small space: the average network takes 20 ms.
    fn text() -> String {
        let space = small_space();
        let edges =
            space.edges().map(|edge| (0..edge.len()).map(|choice| choice as f64 - 3.0).collect());
        let model = LatencyModel::of_weights(20.0, edges.collect()).unwrap();
        print(&table_of(&space).with_model(model).unwrap()).unwrap().text
    }

    /// The sums of the published weights, by hand. The first block is K3E1 but in the dearest network.
    #[test]
    fn the_published_weights_price_the_published_space() {
        let Some(text) = published(TUNAS) else { return };
        let Imported { table, remarks } = read(&text, "tunas-proxyless").unwrap();
        assert_eq!(table.rows().len(), 0);
        assert_eq!(
            remarks,
            [
                "left out, for a table has no place for it: `source`",
                "left out, for a table has no place for it: `filters_note`",
            ]
        );
        let space = table.space().unwrap().build().unwrap();
        let costs = EdgeCosts::new(&space, &table).unwrap();
        let all = |choice: usize| {
            let mut choices = [choice; 22];
            choices[0] = 0;
            costs.price(&choices).unwrap().0
        };
        for (what, milliseconds, expected) in [
            ("cheapest", costs.cheapest().latency.0, "30.9"),
            ("all K3E3", all(0), "70.7"),
            ("all K3E6", all(1), "135.3"),
            ("dearest", costs.dearest().latency.0, "219.1"),
        ] {
            assert_eq!(format!("{milliseconds:.1}"), expected, "{what}");
        }
        let network = space.network(&Architecture::new(vec![0; 22])).unwrap();
        let predicted = table.best_prediction(&network).unwrap().latency;
        assert_eq!(predicted, costs.price(&[0; 22]).unwrap());
        let again = read(&print(&table).unwrap().text, "tunas-proxyless").unwrap();
        assert!(again.table == table);
        assert_eq!(again.remarks, [""; 0]);
    }

    #[test]
    fn a_models_origin_and_the_rows_are_told_to_be_left_out() {
        let space = small_space();
        let edges = space.edges().map(|edge| vec![0.0; edge.len()]).collect();
        let model = LatencyModel::of_weights(20.0, edges).unwrap();
        let model = model.with_between_instantiations(0.01).unwrap();
        let lost = print(&table_of(&space).with_model(model).unwrap()).unwrap().lost;
        let expected = [Content::DeviceName, Content::Space, Content::Rows, Content::ModelQuality];
        assert_eq!(lost, expected);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_path_and_value() {
        let text = text();
        for (from, to, message) in [
            ("20.0", "\"20\"", "line 2, bias_ms: `\"20\"` is not a number"),
            ("20.0", "1e999", "line 2, bias_ms: `1e999` is not a finite number"),
            ("20.0", "20.0ms", "line 2, column 18: it is not JSON, near `"),
            ("bias_ms", "bias", "line 2, bias: `20.0` is not a text, and there are no other"),
            (
                "s1b0",
                "s9b0",
                "line 4, weights_ms.s9b0: there is no such field; there are: first, s1b0,",
            ),
            (
                "K3E6",
                "K4E6",
                "line 6, weights_ms.s1b0.K4E6: there is no such field; there are: K3E3,",
            ),
            ("K3E6", "K3E3", "line 6, weights_ms.s1b0.K3E3: the field stands twice"),
            ("      \"K3E3\": -3.0,\n", "", "line 4, weights_ms.s1b0.K3E3: it is missing"),
            ("-3.0", "null", "line 4, weights_ms.s1b0.K3E3: it is missing"),
            (
                "20.0",
                "20000.0",
                "line 2, bias_ms: `20000.0` and the other numbers are hardly milliseconds: they look \
                 like microseconds.",
            ),
            (
                "20.0",
                "-2.0",
                "line 2, bias_ms: `-2.0` and the other numbers are hardly milliseconds: they look \
                 like no unit",
            ),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let error = read(&changed, "proxyless-small").unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        assert!(matches!(read(&text, "none"), Err(TableError::NoSpace)));
        let error = read(&text, "proxyless-mobile").unwrap_err().to_string();
        assert_eq!(error, "line 3, weights_ms.s4b0: it is missing");
        for (table, message) in [
            (table_of(&small_space()), "the model: the table has none; the format is one"),
            (
                LatencyTable::new(TableContext::named("x"))
                    .with_model(LatencyModel::of_weights(1.0, vec![vec![1.0]]).unwrap())
                    .unwrap(),
                "the space: the table names none, and weights are named after its blocks",
            ),
        ] {
            assert_eq!(print(&table).unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn any_weights_are_read_back_to_the_last_bit(
            constant in 15.0..30.0_f64, weights in prop::collection::vec(-0.5..0.5_f64, 81),
        ) {
            let space = small_space();
            let mut weights = weights.into_iter();
            let edges = space.edges().map(|edge| weights.by_ref().take(edge.len()).collect());
            let model = LatencyModel::of_weights(constant, edges.collect()).unwrap();
            let table = LatencyTable::new(TableContext::named("pixel1"))
                .with_space(space.definition().clone())
                .with_model(model)
                .unwrap();
            let text = print(&table).unwrap().text;
            prop_assert_eq!(read(&text, "proxyless-small").unwrap().table, table);
        }

        #[test]
        fn a_mutated_file_is_read_or_refused_without_panic(
            at in 0_usize..2000, length in 0_usize..40, insert in "[ -~\n]{0,8}",
        ) {
            let mut text = text();
            let start = at.min(text.len());
            text.replace_range(start..(start + length).min(text.len()), &insert);
            if let Ok(Imported { table, .. }) = read(&text, "proxyless-small") {
                let again = read(&print(&table).unwrap().text, "proxyless-small").unwrap();
                prop_assert_eq!(again.table, table);
            }
        }
    }
}
