//! A table picture shows a whole table: its rows as a heat map and, under it, how steady the device was.

use latency_tables::LatencyTable;
use plotters::element::Text;

use crate::report::canary_trace::CanaryTrace;
use crate::report::context;
use crate::report::heat_map::HeatMap;
use command_line::picture::{Area, Canvas, Drawing, text};

/// Pixels of the title.
const TITLE: i32 = 76;
/// Pixels between the two and below.
const GAP: i32 = 22;

/// A table to draw.
pub(crate) struct TablePicture<'a> {
    title: String,
    summary: String,
    heat_map: HeatMap,
    trace: Option<CanaryTrace<'a>>,
}

impl<'a> TablePicture<'a> {
    /// The picture of a table.
    pub(crate) fn of(table: &'a LatencyTable) -> Self {
        Self {
            title: context::title(&table.context),
            summary: context::summary(table),
            heat_map: HeatMap::of(table),
            trace: CanaryTrace::of(&table.context),
        }
    }

    /// Whether the table says how steady the device was.
    pub(crate) fn has_trace(&self) -> bool {
        self.trace.is_some()
    }
}

impl Drawing for TablePicture<'_> {
    fn size(&self) -> (u32, u32) {
        let (width, height) = self.heat_map.size();
        let trace = self.trace.as_ref().map_or(0, |trace| GAP + trace.height());
        (width.unsigned_abs(), (TITLE + height + trace + GAP).unsigned_abs())
    }

    fn draw<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        area.draw(&Text::new(self.title.clone(), (20, 16), text(20)))?;
        area.draw(&Text::new(self.summary.clone(), (20, 43), text(14)))?;
        let (_, below) = area.split_vertically(TITLE);
        let (rows, below) = below.split_vertically(self.heat_map.size().1 + GAP);
        self.heat_map.draw(&rows)?;
        self.trace.as_ref().map_or(Ok(()), |trace| trace.draw(&below))
    }
}

#[cfg(test)]
mod tests {
    use latency_tables::{TableContext, TableRow};
    use op_catalog::wire::MeasuringProtocol;
    use op_catalog::wire::row::{Failure, FailureKind};
    use op_catalog::wire::status::CanaryPoint;
    use op_catalog::{Milliseconds, PlacedOp, SpaceDefinition};

    use super::*;
    use command_line::picture::{png, png_size, svg};

    /// What a cell of the heat map is in SVG.
    const CELL: &str = r#"width="65" height="25""#;

    /// A table of a space, its latencies by the number of the row.
    fn table(space: &str, latency: impl Fn(usize) -> f64) -> LatencyTable {
        let space = SpaceDefinition::built_in(space).unwrap();
        let keys = space.build().unwrap().placed_ops();
        let mut table = LatencyTable::new(TableContext::named("pixel1")).with_space(space);
        for (number, key) in keys.into_iter().enumerate() {
            table.insert(TableRow::imported(key, 1, Milliseconds(latency(number)), 0.0));
        }
        table
    }

    fn drawn(table: &LatencyTable) -> String {
        svg(&TablePicture::of(table)).unwrap()
    }

    fn cells(table: &LatencyTable) -> usize {
        drawn(table).matches(CELL).count()
    }

    #[test]
    fn there_is_a_cell_per_row_whatever_the_space() {
        for space in SpaceDefinition::built_in_names() {
            let table = table(space, |number| 0.1 + number as f64);
            assert_eq!(cells(&table), table.rows().len(), "{space}");
        }
    }

    #[test]
    fn the_picture_names_the_device_the_blocks_the_places_and_the_latencies() {
        let mut table = table("proxyless-mobile", |number| 1.0 + number as f64);
        table.context.canary = (0..4).map(canary).collect();
        table.context.protocol = Some(MeasuringProtocol::standard());
        let svg = drawn(&table);
        for said in ["pixel1", "k3 e3", "k7 e6", "112²×16", "classifier", "70.0", "drift limit"] {
            assert!(svg.contains(said), "{said}");
        }
        assert!(!svg.contains("not measured"));
        assert_eq!(svg, drawn(&table), "same table, same bytes");
    }

    fn canary(number: u32) -> CanaryPoint {
        let at = Milliseconds(f64::from(number));
        CanaryPoint { at, round: number, time: Milliseconds(0.3), frequency_mhz: Some(2e3) }
    }

    #[test]
    fn what_failed_and_what_is_missing_is_marked_and_explained() {
        let whole = table("proxyless-small", |_| 1.0);
        let keys: Vec<PlacedOp> = whole.rows().map(|row| row.key).collect();
        let space = whole.space().unwrap().clone();
        let mut partial = LatencyTable::new(TableContext::named("x")).with_space(space);
        partial.insert(whole.row(&keys[0]).unwrap().clone());
        let (kind, message) = (FailureKind::ChildDied, String::new());
        partial.insert_failed(keys[1], Failure { kind, message, attempts: 2 });
        let svg = drawn(&partial);
        assert!(svg.contains("could not be measured") && svg.contains("not measured"), "{svg}");
        // A cell without a number is drawn twice: its ground and its frame.
        assert_eq!(cells(&partial), 1 + 2 * (keys.len() - 1));
    }

    #[test]
    fn one_row_or_none_is_a_picture_too() {
        let mut one = LatencyTable::new(TableContext::named("x"));
        assert_eq!(cells(&one), 0);
        let key = "classifier-in7x7x1280-out1x1x1000-s1".parse().unwrap();
        one.insert(TableRow::imported(key, 1, Milliseconds(0.25), 0.0));
        assert_eq!(cells(&one), 1);
        assert!(drawn(&one).contains("0.250"));
        assert!(!TablePicture::of(&one).has_trace());
    }

    #[test]
    fn two_hundred_rows_of_any_operations_are_listed_with_a_cell_each() {
        let mut table = LatencyTable::new(TableContext::named("x"));
        for channels in 1..=200 {
            let key = format!("conv-k3-in32x32x{channels}-out32x32x8-s1").parse().unwrap();
            table.insert(TableRow::imported(key, 1, Milliseconds(f64::from(channels)), 0.0));
        }
        assert_eq!(cells(&table), 200);
        let (width, height) = TablePicture::of(&table).size();
        assert!(width < 1000 && height < 4000, "{width} x {height}");
    }

    #[test]
    fn numbers_that_no_measurement_gives_are_drawn() {
        for latency in [0.0, -2.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            let table = table("proxyless-small", |number| if number == 3 { latency } else { 1.0 });
            assert_eq!(cells(&table), table.rows().len(), "{latency}");
        }
    }

    #[test]
    fn the_png_has_twice_the_size_and_always_the_same_bytes() {
        let table = table("proxyless-small", |number| number as f64);
        let picture = TablePicture::of(&table);
        let (width, height) = picture.size();
        let bytes = png(&picture).unwrap();
        assert_eq!(png_size(&bytes), Some((2 * width, 2 * height)));
        assert_eq!(png(&picture).unwrap(), bytes);
    }
}
