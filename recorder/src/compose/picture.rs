//! Where each participant's picture is, and the dark where there is none. Pictures are 8-bit 4:2:0, planes Y, U, V.

/// The calm dark background as ffmpeg writes colours, and in 8-bit BT.601.
pub(super) const BACKGROUND: &str = "0x1b2430";
const BACKGROUND_YUV: [u8; 3] = [46, 135, 123];

/// Equal tiles in rows, as near to a square of tiles as can be; two are side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    columns: usize,
    rows: usize,
    tile_width: usize,
    tile_height: usize,
}

impl Grid {
    /// For `tiles` tiles of this size; both are even numbers.
    pub fn new(tiles: usize, tile_width: u16, tile_height: u16) -> Self {
        let mut columns = 1;
        while columns * columns < tiles {
            columns += 1;
        }
        let rows = tiles.div_ceil(columns).max(1);
        Self { columns, rows, tile_width: tile_width.into(), tile_height: tile_height.into() }
    }

    pub fn width(&self) -> usize {
        self.columns * self.tile_width
    }

    pub fn height(&self) -> usize {
        self.rows * self.tile_height
    }

    /// Bytes of one tile.
    pub fn tile_len(&self) -> usize {
        self.tile_width * self.tile_height * 3 / 2
    }

    /// The whole picture, dark.
    pub fn canvas(&self) -> Vec<u8> {
        dark(self.width(), self.height())
    }

    /// One tile, dark.
    pub fn dark_tile(&self) -> Vec<u8> {
        dark(self.tile_width, self.tile_height)
    }

    /// Copies a tile into its place.
    pub fn put(&self, canvas: &mut [u8], index: usize, tile: &[u8]) {
        let (column, row) = (index % self.columns, index / self.columns);
        let (mut from, mut into) = (0, 0);
        for half in [1, 2, 2] {
            let (width, height) = (self.tile_width / half, self.tile_height / half);
            let stride = self.width() / half;
            for line in 0..height {
                let at = into + (row * height + line) * stride + column * width;
                canvas[at..at + width].copy_from_slice(&tile[from..from + width]);
                from += width;
            }
            into += stride * (self.height() / half);
        }
    }
}

fn dark(width: usize, height: usize) -> Vec<u8> {
    let [y, u, v] = BACKGROUND_YUV;
    let quarter = width * height / 4;
    [vec![y; width * height], vec![u; quarter], vec![v; quarter]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_side_by_side_and_more_fill_rows() {
        let size = |tiles| {
            let grid = Grid::new(tiles, 640, 480);
            (grid.width(), grid.height())
        };
        assert_eq!(size(1), (640, 480));
        assert_eq!(size(2), (1_280, 480));
        assert_eq!(size(3), (1_280, 960));
        assert_eq!(size(5), (1_920, 960));
    }

    #[test]
    fn a_tile_lands_in_its_own_place_in_all_planes() {
        let grid = Grid::new(4, 4, 2);
        let mut canvas = vec![0; grid.width() * grid.height() * 3 / 2];
        for tile in 0..4_u8 {
            grid.put(&mut canvas, tile.into(), &vec![tile + 1; grid.tile_len()]);
        }
        let luma: Vec<u8> = [[1, 1, 1, 1, 2, 2, 2, 2], [3, 3, 3, 3, 4, 4, 4, 4]]
            .into_iter()
            .flat_map(|line| [line, line])
            .flatten()
            .collect();
        assert_eq!(canvas[..32], luma);
        assert_eq!(canvas[32..40], [1, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(canvas[40..], [1, 1, 2, 2, 3, 3, 4, 4]);
    }
}
