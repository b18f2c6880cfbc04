//! A label is a name beside a mark, where it covers neither another mark nor another name.

use std::ops::Range;

use command_line::picture::Pixel;

/// Which part of a name is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It goes on to the right.
    Beginning,
    /// It goes on to both sides.
    Middle,
    /// It goes on to the left.
    End,
}

/// A name to place.
pub(super) struct Name {
    /// The mark that it names.
    pub(super) mark: Pixel,
    /// Its width.
    pub(super) width: i32,
    /// What of it is to be at the mark, if there is room.
    pub(super) part: Part,
}

/// Pixels between a name and its mark.
const GAP: i32 = 11;
/// Half the height of a name.
const HALF: i32 = 8;

/// A part of the picture.
#[derive(Clone, Copy)]
pub(super) struct Rect {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

impl Rect {
    /// From the upper left to the lower right.
    pub(super) fn spanning((left, top): Pixel, (right, bottom): Pixel) -> Self {
        Self { left, top, right, bottom }
    }

    /// So many pixels more on each side.
    pub(super) fn grown(self, by: i32) -> Self {
        let Self { left, top, right, bottom } = self;
        Self { left: left - by, top: top - by, right: right + by, bottom: bottom + by }
    }

    fn of(name: &Name, (x, y): Pixel, part: Part) -> Self {
        let left = match part {
            Part::Beginning => x,
            Part::End => x - name.width,
            Part::Middle => x - name.width / 2,
        };
        Self { left, top: y - HALF, right: left + name.width, bottom: y + HALF }
    }

    fn overlap(self, other: Self) -> i32 {
        let across = self.right.min(other.right) - self.left.max(other.left);
        let up = self.bottom.min(other.bottom) - self.top.max(other.top);
        across.max(0) * up.max(0)
    }

    /// Pixels of it outside of the frame.
    fn outside(self, (across, up): &(Range<i32>, Range<i32>)) -> i32 {
        let frame = Self { left: across.start, top: up.start, right: across.end, bottom: up.end };
        self.overlap(self) - self.overlap(frame)
    }
}

/// Where each name stands: a place on its middle line, and which part of it is there. One after the
/// other, each at the first of the places around its mark that covers least.
pub(super) fn place(
    names: &[Name],
    taken: &[Rect],
    frame: &(Range<i32>, Range<i32>),
) -> Vec<(Pixel, Part)> {
    let mut taken = taken.to_vec();
    let mut placed = Vec::new();
    for name in names {
        let covered = |(at, part): &(Pixel, Part)| {
            let rect = Rect::of(name, *at, *part);
            let others: i32 = taken.iter().map(|other| rect.overlap(*other)).sum();
            others + 4 * rect.outside(frame)
        };
        let Some((at, part)) = places(name).into_iter().min_by_key(covered) else { continue };
        taken.push(Rect::of(name, at, part));
        placed.push((at, part));
    }
    placed
}

/// The places around a mark: beside it on the wanted side, then higher and lower, then the other side.
fn places(name: &Name) -> Vec<(Pixel, Part)> {
    let (x, y) = name.mark;
    let other = if name.part == Part::Beginning { Part::End } else { Part::Beginning };
    let beside = |part: Part| {
        let x = if part == Part::Beginning { x + GAP } else { x - GAP };
        [0, -10, 10, -18, 18, -27, 27].map(|down| ((x, y + down), part))
    };
    let above_and_below = [((x, y - 18), Part::Middle), ((x, y + 18), Part::Middle)];
    [beside(name.part), beside(other)].into_iter().flatten().chain(above_and_below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: (Range<i32>, Range<i32>) = (0..400, 0..400);

    fn around(mark: Pixel) -> Rect {
        Rect::spanning(mark, mark).grown(7)
    }

    fn name(mark: Pixel) -> Name {
        Name { mark, width: 100, part: Part::Beginning }
    }

    #[test]
    fn a_lonely_name_stands_where_it_is_wanted() {
        assert_eq!(
            place(&[name((100, 100))], &[around((100, 100))], &FRAME),
            [((111, 100), Part::Beginning)]
        );
    }

    #[test]
    fn names_of_near_marks_cover_neither_each_other_nor_the_marks() {
        let marks = [(100, 100), (106, 104), (150, 98), (98, 112)];
        let names = marks.map(name);
        let placed = place(&names, &marks.map(around), &FRAME);
        let rects: Vec<Rect> = names
            .iter()
            .zip(&placed)
            .map(|(name, (at, part))| Rect::of(name, *at, *part))
            .collect();
        for (index, rect) in rects.iter().enumerate() {
            assert!(rects[..index].iter().all(|other| rect.overlap(*other) == 0), "{placed:?}");
            assert!(marks.iter().all(|mark| rect.overlap(around(*mark)) == 0), "{placed:?}");
        }
    }

    #[test]
    fn a_name_at_the_edge_turns_inwards() {
        assert_eq!(place(&[name((390, 100))], &[], &FRAME)[0].1, Part::End);
    }
}
