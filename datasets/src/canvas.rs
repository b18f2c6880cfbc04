//! A canvas is what a window shows of a picture: the picture where it is, black elsewhere.

use crate::{ImageShape, Picture};

/// A window on a picture, in its pixels. It may reach beyond the picture on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) top: isize,
    pub(crate) left: isize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl Window {
    /// The part of the window, along one side, that lies on the picture: where it begins in the window, where in
    /// the picture, and how long it is.
    fn overlap(start: isize, window: usize, picture: usize) -> (usize, usize, usize) {
        let in_window = start.min(0).unsigned_abs().min(window);
        let in_picture = (start.max(0) as usize).min(picture);
        (in_window, in_picture, (window - in_window).min(picture - in_picture))
    }

    /// What it shows.
    pub(crate) fn of(self, picture: &Picture<'_>) -> Picture<'static> {
        let ImageShape { channels, height, width } = picture.shape();
        let (to_row, from_row, rows) = Self::overlap(self.top, self.height, height);
        let (to_column, from_column, columns) = Self::overlap(self.left, self.width, width);
        let shape = ImageShape::new(channels, self.height, self.width);
        let mut bytes = vec![0; shape.values()];
        let to = bytes.chunks_exact_mut(self.width * channels).skip(to_row);
        let from = picture.bytes().chunks_exact(width * channels).skip(from_row);
        for (to, from) in to.zip(from).take(rows) {
            to[to_column * channels..][..columns * channels]
                .copy_from_slice(&from[from_column * channels..][..columns * channels]);
        }
        Picture::new(shape, bytes)
    }
}

/// Mirrors a picture, left to right.
pub(crate) fn mirror(picture: &mut Picture<'_>) {
    let ImageShape { channels, width, .. } = picture.shape();
    for row in picture.bytes_mut().chunks_exact_mut(width * channels) {
        // All values backwards, and those of each pixel back again.
        row.reverse();
        if 1 < channels {
            row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values that count up from 1.
    fn counting(channels: usize, height: usize, width: usize) -> Picture<'static> {
        let shape = ImageShape::new(channels, height, width);
        Picture::new(shape, (1..=shape.values() as u8).collect::<Vec<_>>())
    }

    #[test]
    fn a_window_shows_its_part_and_black_outside() {
        let picture = counting(1, 2, 3);
        for (top, left, height, width, expected) in [
            (0, 0, 2, 3, vec![1, 2, 3, 4, 5, 6]),
            (1, 1, 1, 2, vec![5, 6]),
            (-1, -1, 2, 3, vec![0, 0, 0, 0, 1, 2]),
            (1, 2, 2, 2, vec![6, 0, 0, 0]),
            (-1, -2, 4, 6, [[0; 6], [0, 0, 1, 2, 3, 0], [0, 0, 4, 5, 6, 0], [0; 6]].concat()),
            (5, 5, 1, 1, vec![0]),
            (-5, -5, 1, 1, vec![0]),
        ] {
            let window = Window { top, left, height, width };
            assert_eq!(window.of(&picture).bytes(), expected, "{window:?}");
        }
    }

    #[test]
    fn mirroring_keeps_the_colours_of_pixels() {
        let mut picture = counting(3, 2, 2);
        mirror(&mut picture);
        assert_eq!(picture.bytes(), [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]);
    }

    proptest! {
        #[test]
        fn mirrored_twice_is_as_it_was_and_so_is_a_window_of_the_whole(
            is_colour: bool, height in 1_usize..6, width in 1_usize..6,
        ) {
            let picture = counting(if is_colour { 3 } else { 1 }, height, width);
            let mut mirrored = picture.clone();
            mirror(&mut mirrored);
            mirror(&mut mirrored);
            prop_assert_eq!(&mirrored, &picture);
            prop_assert_eq!(Window { top: 0, left: 0, height, width }.of(&picture), picture);
        }

        #[test]
        fn each_pixel_of_a_window_is_that_of_the_picture_at_its_place(
            top in -7_isize..7, left in -7_isize..7, rows in 1_usize..6, columns in 1_usize..6,
        ) {
            let picture = counting(3, 4, 5);
            let shown = Window { top, left, height: rows, width: columns }.of(&picture);
            for (pixel, values) in shown.bytes().chunks_exact(3).enumerate() {
                let y = top + (pixel / columns).cast_signed();
                let x = left + (pixel % columns).cast_signed();
                let is_inside = (0..4).contains(&y) && (0..5).contains(&x);
                let expected = if is_inside { 3 * (5 * y + x) as u8 + 1 } else { 0 };
                prop_assert_eq!(values[0], expected);
            }
        }
    }
}
