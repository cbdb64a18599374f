//! Filters along the lines of a volume, sixteen lines side by side.
//!
//! Each line is filtered by the same operations in the same order whatever its neighbours are, so
//! results have the bits of a filter that takes line by line.

use rayon::prelude::*;

/// Lines side by side.
pub const WIDTH: usize = 16;

/// Sixteen lines: their values at one place after the other.
pub type Tile<T> = [[T; WIDTH]];

/// A number as volumes hold it.
pub trait Real: Copy + Default + Send + Sync + 'static {
    /// Widened.
    fn wide(self) -> f64;
    /// Rounded to nearest.
    fn round(x: f64) -> Self;
}

impl Real for f32 {
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn round(x: f64) -> Self {
        x as f32
    }
}

impl Real for f64 {
    fn wide(self) -> f64 {
        self
    }
    fn round(x: f64) -> Self {
        x
    }
}

/// Values of a volume, x fastest.
#[derive(Debug, Clone, Copy)]
pub struct Volume<V> {
    /// Voxels along x, y, z.
    pub size: [usize; 3],
    /// Values, owned or borrowed.
    pub values: V,
}

impl<V> Volume<V> {
    /// Filters every line along `axis`: `filter` reads the values at `places` of its lines (in that
    /// order, repeated as often as named) and writes `length` new ones.
    pub fn along<T: Real>(
        &self,
        axis: usize,
        places: &[usize],
        length: usize,
        filter: impl Fn(&Tile<T>, &mut Tile<T>) + Sync,
    ) -> Volume<Vec<T>>
    where
        V: AsRef<[T]>,
    {
        let values = self.values.as_ref();
        let mut size = self.size;
        size[axis] = length;
        let mut out = vec![T::default(); size.iter().product()];
        let tiles = || (vec![[T::default(); WIDTH]; places.len()], vec![[T::default(); WIDTH]; length]);
        let [nx, ny, _] = self.size;
        if out.is_empty() {
            return Volume { size, values: out };
        }
        if axis == 0 {
            out.par_chunks_mut(WIDTH * length).enumerate().for_each_init(
                tiles,
                |(read, written), (block, rows)| {
                    let lines = &values[block * WIDTH * nx..][..rows.len() / length * nx];
                    for (lane, line) in lines.chunks(nx).enumerate() {
                        read.iter_mut().zip(places).for_each(|(tile, &p)| tile[lane] = line[p]);
                    }
                    filter(read, written);
                    for (lane, row) in rows.chunks_mut(length).enumerate() {
                        row.iter_mut().zip(written.iter()).for_each(|(x, tile)| *x = tile[lane]);
                    }
                },
            );
            return Volume { size, values: out };
        }
        // Lines that start in one row of x: where its values lie, and the rows that they become.
        let stride = if axis == 1 { nx } else { nx * ny };
        let lines = if axis == 1 { 1 } else { ny };
        let mut jobs: Vec<Vec<&mut [T]>> = Vec::new();
        for (k, row) in out.chunks_mut(nx).enumerate() {
            // Rows of an output along y come one after the other, along z one of each slice.
            let job = k / (length * lines) * lines + k % lines;
            if job >= jobs.len() {
                jobs.push(Vec::with_capacity(length));
            }
            jobs[job].push(row);
        }
        let block = if axis == 1 { nx * ny } else { nx };
        jobs.into_par_iter().enumerate().for_each_init(tiles, |(read, written), (job, mut rows)| {
            for x in (0..nx).step_by(WIDTH) {
                let lanes = WIDTH.min(nx - x);
                for (tile, &p) in read.iter_mut().zip(places) {
                    tile[..lanes].copy_from_slice(&values[job * block + p * stride + x..][..lanes]);
                }
                filter(read, written);
                for (row, tile) in rows.iter_mut().zip(written.iter()) {
                    row[x..x + lanes].copy_from_slice(&tile[..lanes]);
                }
            }
        });
        Volume { size, values: out }
    }

    /// The part of the volume in a box.
    pub fn cropped<T: Real>(&self, corner: [usize; 3], size: [usize; 3]) -> Volume<Vec<T>>
    where
        V: AsRef<[T]>,
    {
        let values = self.values.as_ref();
        let rows = (0..size[2]).flat_map(|z| (0..size[1]).map(move |y| (y + corner[1], z + corner[2])));
        let start = |(y, z): (usize, usize)| (z * self.size[1] + y) * self.size[0] + corner[0];
        Volume { size, values: rows.flat_map(|r| &values[start(r)..][..size[0]]).copied().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_reads_the_places_it_is_told() {
        let size = [19, 4, 3];
        let values: Vec<f64> = (0..19 * 4 * 3).map(f64::from).collect();
        let volume = Volume { size, values };
        for axis in 0..3 {
            let n = size[axis];
            let places: Vec<usize> = (0..n - 1).rev().collect();
            let out = volume.along(axis, &places, n - 2, |read: &Tile<f64>, out| {
                out.copy_from_slice(&read[1..]);
            });
            let mut k = 0;
            for z in 0..out.size[2] {
                for y in 0..out.size[1] {
                    for x in 0..out.size[0] {
                        let mut from = [x, y, z];
                        from[axis] = n - 3 - from[axis];
                        let index = (from[2] * size[1] + from[1]) * size[0] + from[0];
                        assert_eq!(out.values[k], volume.values[index], "axis {axis} at {:?}", [x, y, z]);
                        k += 1;
                    }
                }
            }
            assert_eq!(k, out.values.len());
        }
    }
}
