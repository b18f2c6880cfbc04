//! An image header is what a JPEG or PNG file tells without being decoded: its size, and whether it has an end.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::DatasetError;

const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
const JPEG: [u8; 2] = [0xff, 0xd8];

/// How far from a file's last byte its end may be: some programs write a few bytes more.
const TAIL: usize = 1024;

/// The kinds of files that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Jpeg,
    Png,
}

/// Height and width in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl Kind {
    /// What the content is, whatever the file is called: PNG files that are called JPEG are known to occur.
    pub(crate) fn of(content: &[u8]) -> Option<Self> {
        if content.starts_with(&JPEG) {
            Some(Self::Jpeg)
        } else {
            content.starts_with(&PNG).then_some(Self::Png)
        }
    }

    /// What ends a file of this kind, and stands nowhere else but in images within the image.
    fn end(self) -> &'static [u8] {
        match self {
            Self::Jpeg => &[0xff, 0xd9],
            Self::Png => b"IEND",
        }
    }

    /// Whether a file with these last bytes has its end. Decoders paint grey what is missing of a JPEG.
    pub(crate) fn is_complete(self, content: &[u8]) -> bool {
        let tail = &content[content.len().saturating_sub(TAIL)..];
        tail.windows(self.end().len()).any(|window| window == self.end())
    }
}

/// Reads the size of an image, and sees to it that its file has an end.
///
/// # Errors
/// A file that is no JPEG or PNG, or is cut off.
pub(crate) fn read(path: &Path) -> Result<Size, DatasetError> {
    let open = || -> io::Result<_> {
        let mut file = BufReader::with_capacity(4096, File::open(path)?);
        let mut magic = Vec::new();
        file.by_ref().take(PNG.len() as u64).read_to_end(&mut magic)?;
        Ok((file, magic))
    };
    let (mut file, magic) = open().map_err(DatasetError::reading(path))?;
    let Some(kind) = Kind::of(&magic) else {
        return Err(DatasetError::content(path, "it is neither a JPEG nor a PNG file"));
    };
    let size = match kind {
        Kind::Jpeg => jpeg_size(&mut file),
        Kind::Png => png_size(&mut file),
    };
    let size = size.ok().filter(|size| 0 < size.height && 0 < size.width);
    let size = size.ok_or_else(|| DatasetError::content(path, "its header cannot be read"))?;
    let tail = tail(&mut file).map_err(DatasetError::reading(path))?;
    if !kind.is_complete(&tail) {
        return Err(DatasetError::content(path, "it is cut off: the end of the image is missing"));
    }
    Ok(size)
}

/// Height and width stand in the frame header, the first segment of one of the types C0 to CF but C4, C8, CC
/// (ITU-T T.81, table B.1).
fn jpeg_size(file: &mut (impl Read + Seek)) -> io::Result<Size> {
    file.seek(SeekFrom::Start(JPEG.len() as u64))?;
    loop {
        let mut marker = bytes::<1>(file)?[0];
        // Any number of FF may stand before a marker.
        while marker == 0xff {
            marker = bytes::<1>(file)?[0];
        }
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
            continue;
        }
        let length = u16::from_be_bytes(bytes(file)?);
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let [_precision, h1, h0, w1, w0] = bytes(file)?;
            let [height, width] = [[h1, h0], [w1, w0]].map(u16::from_be_bytes).map(usize::from);
            return Ok(Size { height, width });
        }
        if marker == 0xda || length < 2 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        file.seek_relative(i64::from(length) - 2)?;
    }
}

/// Width and height are the first fields of the first chunk.
fn png_size(file: &mut (impl Read + Seek)) -> io::Result<Size> {
    file.seek(SeekFrom::Start(PNG.len() as u64 + 4))?;
    if bytes(file)? != *b"IHDR" {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let [width, height] =
        [bytes(file)?, bytes(file)?].map(u32::from_be_bytes).map(|px| px as usize);
    Ok(Size { height, width })
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn tail(file: &mut (impl Read + Seek)) -> io::Result<Vec<u8>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL as u64)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail)
}
