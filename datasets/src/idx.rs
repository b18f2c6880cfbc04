//! IDX is the file format of MNIST: a header with the dimensions, then bytes.
//!
//! Two zero bytes, the type of the values (8 for bytes), the number of dimensions, each dimension as a
//! big-endian `u32`, and the values, the last dimension fastest (LeCun, Cortes and Burges, "The MNIST database").

/// The values of a file of `N` dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Idx<const N: usize> {
    pub(crate) dimensions: [usize; N],
    pub(crate) values: Vec<u8>,
}

impl<const N: usize> Idx<N> {
    /// Takes apart the content of a file.
    ///
    /// # Errors
    /// What is wrong with it, with the numbers.
    pub(crate) fn parse(mut content: Vec<u8>) -> Result<Self, String> {
        let magic = [0, 0, 8, N as u8];
        let header = 4 + 4 * N;
        if !content.starts_with(&magic) {
            let found = hexadecimal(&content[..content.len().min(4)]);
            return Err(format!(
                "it begins with `{found}`, but an IDX file of bytes in {N} dimensions with `{}`",
                hexadecimal(&magic)
            ));
        }
        if content.len() < header {
            return Err(format!("it is cut off in its header of {header} bytes"));
        }
        let mut dimensions = [0; N];
        for (dimension, bytes) in dimensions.iter_mut().zip(content[4..header].chunks_exact(4)) {
            *dimension = bytes.iter().fold(0, |value, byte| value << 8 | usize::from(*byte));
        }
        let expected = dimensions.iter().try_fold(1_usize, |all, one| all.checked_mul(*one));
        let found = content.len() - header;
        if expected != Some(found) {
            let sides = dimensions.map(|dimension| dimension.to_string()).join(" x ");
            return Err(format!("it has {found} bytes of values, but its header says {sides}"));
        }
        content.drain(..header);
        Ok(Self { dimensions, values: content })
    }
}

/// `00 00 08 03`.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The content of a file with these values.
    pub(crate) fn print<const N: usize>(dimensions: [usize; N], values: &[u8]) -> Vec<u8> {
        let mut content = vec![0, 0, 8, N as u8];
        for dimension in dimensions {
            content.extend(u32::try_from(dimension).unwrap().to_be_bytes());
        }
        content.extend(values);
        content
    }

    #[test]
    fn what_is_no_idx_file_is_refused_with_the_numbers() {
        let good = print([2, 2, 1], &[1, 2, 3, 4]);
        let with = |at: usize, byte: u8| {
            let mut content = good.clone();
            content[at] = byte;
            content
        };
        for (content, expected) in [
            (
                vec![],
                "it begins with ``, but an IDX file of bytes in 3 dimensions with `00 00 08 03`",
            ),
            (
                with(2, 0x0d),
                "it begins with `00 00 0d 03`, but an IDX file of bytes in 3 dimensions with `00 00 08 03`",
            ),
            (
                with(3, 1),
                "it begins with `00 00 08 01`, but an IDX file of bytes in 3 dimensions with `00 00 08 03`",
            ),
            (good[..9].to_vec(), "it is cut off in its header of 16 bytes"),
            (good[..19].to_vec(), "it has 3 bytes of values, but its header says 2 x 2 x 1"),
            (with(7, 9), "it has 4 bytes of values, but its header says 9 x 2 x 1"),
            (
                [good[..4].to_vec(), vec![0xff; 12]].concat(),
                "it has 0 bytes of values, but its header says 4294967295 x 4294967295 x 4294967295",
            ),
        ] {
            assert_eq!(Idx::<3>::parse(content).unwrap_err(), expected);
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_no_other_length_of_it(
            images in 1_usize..5, height in 1_usize..5, width in 1_usize..5, seed: u8,
            cut in 0_usize..200,
        ) {
            let dimensions = [images, height, width];
            let values: Vec<u8> =
                (0..images * height * width).map(|at| seed.wrapping_add(at as u8)).collect();
            let content = print(dimensions, &values);
            let parsed = Idx::parse(content.clone());
            prop_assert_eq!(parsed, Ok(Idx { dimensions, values }));
            let cut = cut % content.len();
            prop_assert!(Idx::<3>::parse(content[..cut].to_vec()).is_err());
            prop_assert!(Idx::<3>::parse([content, vec![0]].concat()).is_err());
        }

        #[test]
        fn no_content_is_too_strange(content: Vec<u8>, has_magic: bool) {
            let magic = if has_magic { &[0, 0, 8, 1][..] } else { &[] };
            let _ = Idx::<1>::parse([magic, &content].concat());
        }
    }
}
