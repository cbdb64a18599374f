//! Filters along the lines of an image, one axis after the other.

use rayon::prelude::*;

/// Values of a volume, x fastest.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub size: [usize; 3],
    pub values: Vec<f64>,
}

impl Volume {
    /// Applies `filter` (line in, line out) to every line along `axis`.
    pub(crate) fn along(&self, axis: usize, filter: impl Fn(&[f64], &mut [f64]) + Sync) -> Self {
        let [nx, ny, nz] = self.size;
        let mut values = vec![0.0; self.values.len()];
        match axis {
            0 => values
                .par_chunks_mut(nx)
                .zip(self.values.par_chunks(nx))
                .for_each(|(out, line)| filter(line, out)),
            1 => values.par_chunks_mut(nx * ny).zip(self.values.par_chunks(nx * ny)).for_each(
                |(out, slice)| {
                    let (mut line, mut done) = (vec![0.0; ny], vec![0.0; ny]);
                    for x in 0..nx {
                        (0..ny).for_each(|y| line[y] = slice[y * nx + x]);
                        filter(&line, &mut done);
                        (0..ny).for_each(|y| out[y * nx + x] = done[y]);
                    }
                },
            ),
            _ => {
                // Rows of lines along z are filtered apart and put in place slice by slice.
                let rows: Vec<Vec<f64>> = (0..ny)
                    .into_par_iter()
                    .map(|y| {
                        let (mut line, mut done) = (vec![0.0; nz], vec![0.0; nz]);
                        let mut row = vec![0.0; nx * nz];
                        for x in 0..nx {
                            (0..nz).for_each(|z| line[z] = self.values[(z * ny + y) * nx + x]);
                            filter(&line, &mut done);
                            (0..nz).for_each(|z| row[z * nx + x] = done[z]);
                        }
                        row
                    })
                    .collect();
                values.par_chunks_mut(nx * ny).enumerate().for_each(|(z, slice)| {
                    for (y, row) in rows.iter().enumerate() {
                        slice[y * nx..][..nx].copy_from_slice(&row[z * nx..][..nx]);
                    }
                });
            }
        }
        Self { size: self.size, values }
    }
}
