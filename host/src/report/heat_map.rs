//! A heat map is the picture of a table's rows: a cell each, coloured and numbered by its latency, at the
//! place of its block in the network and the block that it is.

mod colour_scale;
mod grid;

use latency_tables::LatencyTable;
use op_catalog::{Milliseconds, PlacedOp};
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, WHITE};

use command_line::picture::{
    Area, Canvas, FAINT, GREY, INK, ORANGE, Pixel, anchored, plain, text, width_of,
};

pub(crate) use colour_scale::round_step;
use colour_scale::{ColourScale, colour_at, letters_on};
use grid::{Cell, Grid};

/// Pixels of a cell across and up.
const CELL: Pixel = (66, 26);
/// Around everything.
const MARGIN: i32 = 20;
/// Of the legend above the cells.
const ABOVE: i32 = 34;
/// Of a line that names a place.
const LINE: i32 = 16;
/// To the right of the cells, for the colour bar.
const BAR: i32 = 110;
/// The least height of the colour bar.
const BAR_HEIGHT: i32 = 130;
/// Across for an operation beside the grid.
const OTHER: i32 = 350;

/// A table's rows to draw.
pub(crate) struct HeatMap {
    grid: Grid,
    scale: ColourScale,
    /// Across for the names of the blocks.
    left: i32,
}

impl HeatMap {
    /// The heat map of a table.
    pub(crate) fn of(table: &LatencyTable) -> Self {
        let grid = Grid::of(table);
        let measured = grid.all().filter_map(|cell| match cell {
            Cell::Measured(latency) => Some(latency),
            Cell::Failed | Cell::Missing => None,
        });
        let scale = ColourScale::of(measured);
        let widths = grid.blocks.iter().map(|block| width_of(&block.name, 15.0).ceil() as i32);
        let left = MARGIN + widths.max().unwrap_or(0) + 30;
        Self { grid, scale, left }
    }

    /// Pixels across and up.
    pub(crate) fn size(&self) -> Pixel {
        let cells = self.left + length(self.grid.places.len()) * CELL.0;
        let width = (cells + BAR + MARGIN).max(2 * OTHER + 2 * MARGIN);
        let others = lines_of(self.grid.others.len(), per_line(width));
        let height = match others {
            0 => self.others_top(),
            lines => self.others_top() + 30 + lines * (CELL.1 + 6),
        };
        (width, height)
    }

    fn bar_height(&self) -> i32 {
        (length(self.grid.blocks.len()) * CELL.1).max(BAR_HEIGHT)
    }

    /// Lines that name each place.
    fn lines(&self) -> i32 {
        let has_third = self.grid.places.iter().any(|place| !place.lines()[2].is_empty());
        if has_third { 3 } else { 2 }
    }

    fn others_top(&self) -> i32 {
        let under = if self.grid.places.is_empty() { 0 } else { LINE * self.lines() + 40 };
        let cells = length(self.grid.blocks.len()) * CELL.1 + under;
        ABOVE + cells.max(self.bar_height() + 40)
    }

    /// Draws it from the upper left of the area.
    ///
    /// # Errors
    /// What the surface refuses.
    pub(crate) fn draw<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        self.legend(area)?;
        self.blocks(area)?;
        self.places(area)?;
        for ((place, block), cell) in &self.grid.cells {
            self.cell(area, self.corner(*place, *block), *cell)?;
        }
        self.others(area)?;
        self.bar(area)
    }

    /// The upper left corner of a cell.
    fn corner(&self, place: usize, block: usize) -> Pixel {
        (self.left + length(place) * CELL.0, ABOVE + length(block) * CELL.1)
    }

    /// A line of words, and what the cells without a number mean where there are such.
    fn legend<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        let said = "latency of each row in ms";
        area.draw(&Text::new(said, (MARGIN, 4), text(15)))?;
        let mut x = MARGIN + width_of(said, 15.0) as i32 + 30;
        for (cell, said) in
            [(Cell::Failed, "could not be measured"), (Cell::Missing, "not measured")]
        {
            if !self.grid.all().any(|other| other == cell) {
                continue;
            }
            hatched(area, [(x, 3), (x + 26, 18)], cell)?;
            area.draw(&Text::new(said, (x + 34, 4), text(15)))?;
            x += width_of(said, 15.0) as i32 + 60;
        }
        Ok(())
    }

    fn blocks<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        for (number, block) in self.grid.blocks.iter().enumerate() {
            let (x, y) = self.corner(0, number);
            let style = anchored(15, INK, HPos::Right, VPos::Center);
            area.draw(&Text::new(block.name.clone(), (x - 8, y + CELL.1 / 2), style))?;
        }
        Ok(())
    }

    fn places<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        let bottom = self.corner(0, self.grid.blocks.len()).1;
        for (number, place) in self.grid.places.iter().enumerate() {
            let centre = self.corner(number, 0).0 + CELL.0 / 2;
            let [input, output, said] = place.lines();
            for (line, said) in (0..).zip([input, output, said]) {
                let style = anchored(13, INK, HPos::Center, VPos::Center);
                area.draw(&Text::new(said, (centre, bottom + 12 + LINE * line), style))?;
            }
        }
        if self.grid.places.is_empty() {
            return Ok(());
        }
        let said = "place in the network: the map that comes in (side² × channels), and the one that goes out";
        Ok(area.draw(&Text::new(said, (self.left, bottom + LINE * self.lines() + 10), text(13)))?)
    }

    /// What stands alone, beside its name.
    fn others<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        if self.grid.others.is_empty() {
            return Ok(());
        }
        let top = self.others_top();
        area.draw(&Text::new("other operations", (MARGIN, top), text(15)))?;
        let per_line = per_line(self.size().0);
        for (number, (key, cell)) in self.grid.others.iter().enumerate() {
            let (line, column) = (length(number) / per_line, length(number) % per_line);
            let corner = (MARGIN + column * OTHER, top + 24 + line * (CELL.1 + 6));
            self.cell(area, corner, *cell)?;
            let at = (corner.0 + CELL.0 + 10, corner.1 + CELL.1 / 2);
            let style = anchored(13, INK, HPos::Left, VPos::Center);
            area.draw(&Text::new(name(key), at, style))?;
        }
        Ok(())
    }

    fn cell<B: Canvas>(&self, area: &Area<B>, (x, y): Pixel, cell: Cell) -> anyhow::Result<()> {
        let (right, bottom) = (x + CELL.0 - 1, y + CELL.1 - 1);
        let Cell::Measured(latency) = cell else {
            return hatched(area, [(x, y), (right, bottom)], cell);
        };
        let colour = self.scale.colour(latency);
        area.draw(&Rectangle::new([(x, y), (right, bottom)], colour.filled()))?;
        let centre = (x + CELL.0 / 2, y + CELL.1 / 2);
        let style = anchored(15, letters_on(colour), HPos::Center, VPos::Center);
        Ok(area.draw(&Text::new(number(latency), centre, style))?)
    }

    /// The colour bar with its numbers.
    fn bar<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        let (left, top) = (self.corner(self.grid.places.len(), 0).0 + 26, ABOVE);
        let height = self.bar_height();
        let y_of = |share: f64| top + height - (share * f64::from(height)).round() as i32;
        for step in 0..height / 2 {
            let share = f64::from(2 * step) / f64::from(height);
            let rect = [(left, top + height - 2 * step - 2), (left + 16, top + height - 2 * step)];
            area.draw(&Rectangle::new(rect, colour_at(share).filled()))?;
        }
        for tick in self.scale.ticks() {
            let y = y_of(self.scale.share(Milliseconds(tick)));
            area.draw(&PathElement::new([(left + 16, y), (left + 21, y)], INK))?;
            let style = anchored(14, INK, HPos::Left, VPos::Center);
            area.draw(&Text::new(plain(tick), (left + 25, y), style))?;
        }
        let said = format!("ms, {}", self.scale.spacing());
        Ok(area.draw(&Text::new(said, (left, top + height + 10), text(13)))?)
    }
}

/// A cell without a number: grey where nothing is known, vermilion and crossed where measuring failed.
fn hatched<B: Canvas>(area: &Area<B>, [from, to]: [Pixel; 2], cell: Cell) -> anyhow::Result<()> {
    let colour = if cell == Cell::Failed { ORANGE } else { GREY };
    area.draw(&Rectangle::new([from, to], WHITE.filled()))?;
    let (width, height) = (to.0 - from.0, to.1 - from.1);
    for along in (height..width).step_by(9) {
        let line = [(from.0 + along, from.1), (from.0 + along - height, to.1)];
        area.draw(&PathElement::new(line, FAINT.stroke_width(1)))?;
    }
    if cell == Cell::Failed {
        for line in [[from, to], [(from.0, to.1), (to.0, from.1)]] {
            area.draw(&PathElement::new(line, colour.stroke_width(1)))?;
        }
    }
    Ok(area.draw(&Rectangle::new([from, to], colour))?)
}

/// `conv-k3, 224²×3 to 112²×32`.
fn name(key: &PlacedOp) -> String {
    format!("{}, {} to {}", key.op(), grid::map(key.input()), grid::map(key.output()))
}

/// A latency to three significant digits.
fn number(Milliseconds(ms): Milliseconds) -> String {
    let decimals = match ms.abs() {
        0.0 => 0,
        size if size < 0.0995 => 4,
        size if size < 0.9995 => 3,
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{ms:.decimals$}")
}

/// A number of things in pixels' arithmetic.
fn length(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn per_line(width: i32) -> i32 {
    ((width - 2 * MARGIN) / OTHER).max(1)
}

fn lines_of(number: usize, per_line: i32) -> i32 {
    (length(number) + per_line - 1) / per_line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_cells_have_three_digits() {
        for (ms, said) in [
            (18.5096, "18.5"),
            (0.426, "0.426"),
            (123.4, "123"),
            (9.999, "10.0"),
            (0.0, "0"),
            (-1.5, "-1.50"),
        ] {
            assert_eq!(number(Milliseconds(ms)), said);
        }
    }
}
