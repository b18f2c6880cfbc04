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
    let bias = fields.required("", "bias_ms")?;
    let weights = fields.required("", "weights_ms")?;
    let mut reader = Reader { unit, remarks: Vec::new(), left_out: Vec::new() };
    reader.remark(&fields)?;
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
