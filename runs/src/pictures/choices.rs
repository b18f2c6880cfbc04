//! Choices are the picture of how a search decided: for every edge, the probabilities of its candidates over
//! the epochs, piled up to one.

use command_line::picture::{
    Area, BLUE, Canvas, Drawing, FAINT, GREEN, GREY, INK, ORANGE, PURPLE, anchored, text,
};
use plotters::element::{Rectangle, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};

use crate::Metric;

/// Pixels of an edge, across and up, with its name.
const CELL: (i32, i32) = (190, 130);
/// Pixels of an edge's name.
const NAME: i32 = 22;
/// Edges beside each other.
const COLUMNS: usize = 4;
/// Pixels above all of it.
const TITLE: i32 = 44;
/// Pixels of a line of the legend.
const LINE: i32 = 22;

/// Dark for the first kind of candidates, lighter for what follows.
const COLOURS: [RGBColor; 9] = [
    BLUE,
    RGBColor(86, 180, 233),
    ORANGE,
    RGBColor(230, 159, 0),
    GREEN,
    RGBColor(120, 200, 170),
    GREY,
    PURPLE,
    RGBColor(240, 228, 66),
];

/// A number of edges or names, to multiply pixels with.
fn pixels(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// Names of each edge's candidates.
    candidates: Vec<Vec<String>>,
    /// Probabilities of each edge's candidates, by epoch.
    epochs: Vec<Vec<Vec<f64>>>,
}

impl Choices {
    /// Those of a run, given the names of each edge's candidates.
    pub fn of(metrics: &[Metric], candidates: Vec<Vec<String>>) -> Self {
        let of_epoch = |metric: &Metric| match metric {
            Metric::Epoch { probabilities: Some(probabilities), .. } => {
                Some(probabilities.edges().to_vec())
            }
            _ => None,
        };
        Self { candidates, epochs: metrics.iter().filter_map(of_epoch).collect() }
    }

    fn rows(&self) -> usize {
        self.candidates.len().div_ceil(COLUMNS)
    }

    /// Every name once, in the order in which edges offer them.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.candidates.iter().flatten() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    fn colour(&self, name: &str) -> RGBColor {
        let index = self.names().iter().position(|other| *other == name).unwrap_or(0);
        COLOURS[index % COLOURS.len()]
    }

    fn edge<B: Canvas>(&self, area: &Area<B>, edge: usize) -> anyhow::Result<()> {
        let (left, top) =
            (14 + CELL.0 * pixels(edge % COLUMNS), TITLE + CELL.1 * pixels(edge / COLUMNS));
        area.draw(&Text::new(format!("edge {edge}"), (left, top), text(14)))?;
        let (top, width, height) = (top + NAME, CELL.0 - 16, CELL.1 - NAME - 12);
        let box_of = [(left, top), (left + width, top + height)];
        area.draw(&Rectangle::new(box_of, FAINT.filled()))?;
        let count = self.epochs.len();
        for (index, probabilities) in self.epochs.iter().enumerate() {
            let x = |index: usize| {
                left + (f64::from(width) * index as f64 / count as f64).round() as i32
            };
            let mut sum = 0.0;
            let of_edge = probabilities.get(edge).map(Vec::as_slice).unwrap_or_default();
            for (name, probability) in self.candidates[edge].iter().zip(of_edge) {
                let y = |share: f64| top + height - (f64::from(height) * share).round() as i32;
                let corners = [(x(index), y(sum + probability)), (x(index + 1), y(sum))];
                area.draw(&Rectangle::new(corners, self.colour(name).filled()))?;
                sum += probability;
            }
        }
        Ok(())
    }
}

impl Drawing for Choices {
    fn size(&self) -> (u32, u32) {
        let legend = LINE * pixels(self.names().len().div_ceil(COLUMNS));
        let height = TITLE + CELL.1 * pixels(self.rows()) + legend + 16;
        ((28 + CELL.0 * pixels(COLUMNS)).cast_unsigned(), height.cast_unsigned())
    }

    fn draw<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        let title = format!("Probability of each candidate over {} epochs", self.epochs.len());
        area.draw(&Text::new(title, (14, 12), text(18)))?;
        for edge in 0..self.candidates.len() {
            self.edge(area, edge)?;
        }
        let top = TITLE + CELL.1 * pixels(self.rows()) + LINE / 2;
        for (index, name) in self.names().into_iter().enumerate() {
            let left = 14 + CELL.0 * pixels(index % COLUMNS);
            let y = top + LINE * pixels(index / COLUMNS);
            let corners = [(left, y - 6), (left + 14, y + 6)];
            area.draw(&Rectangle::new(corners, self.colour(name).filled()))?;
            let style = anchored(13, INK, HPos::Left, VPos::Center);
            area.draw(&Text::new(name.to_owned(), (left + 20, y), style))?;
        }
        Ok(())
    }
}
