//! Sets of voxels, one bit each, and what is done with them: balls, parts, holes.

use rayon::prelude::*;

/// A set of voxels of a grid; rows along x are packed into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits {
    pub size: [usize; 3],
    /// Words of a row.
    width: usize,
    words: Vec<u64>,
}

/// A part of a set: its voxels as runs along x.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Row, first voxel, end.
    runs: Vec<(u32, u32, u32)>,
    pub voxels: usize,
}

impl Part {
    /// Places in memory of its voxels.
    pub fn places(&self, size: [usize; 3]) -> impl Iterator<Item = usize> + '_ {
        self.runs.iter().flat_map(move |&(row, start, end)| {
            let first = row as usize * size[0];
            first + start as usize..first + end as usize
        })
    }
}

impl Bits {
    /// The voxels of a grid for which `member` holds; `member` is asked by place in memory.
    pub fn of(size: [usize; 3], member: impl Fn(usize) -> bool + Sync) -> Self {
        let width = size[0].div_ceil(64);
        let mut words = vec![0; width * size[1] * size[2]];
        words.par_chunks_mut(width.max(1)).enumerate().for_each(|(row, words)| {
            for x in 0..size[0] {
                words[x / 64] |= u64::from(member(row * size[0] + x)) << (x % 64);
            }
        });
        Self { size, width, words }
    }

    pub fn empty(size: [usize; 3]) -> Self {
        Self::of(size, |_| false)
    }

    pub fn has(&self, place: usize) -> bool {
        let (row, x) = (place / self.size[0], place % self.size[0]);
        self.words[row * self.width + x / 64] >> (x % 64) & 1 == 1
    }

    pub fn count(&self) -> usize {
        self.words.par_iter().map(|w| w.count_ones() as usize).sum()
    }

    pub fn and(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    pub fn or(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    pub fn without(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    fn zip(&self, other: &Self, with: impl Fn(u64, u64) -> u64 + Sync) -> Self {
        let words = self.words.par_iter().zip(&other.words).map(|(a, b)| with(*a, *b)).collect();
        Self { words, ..*self }
    }

    /// Everything else.
    fn complement(&self) -> Self {
        let mut words: Vec<u64> = self.words.par_iter().map(|w| !w).collect();
        if !self.size[0].is_multiple_of(64) {
            let last = u64::MAX >> (64 - self.size[0] % 64);
            words.iter_mut().skip(self.width - 1).step_by(self.width).for_each(|w| *w &= last);
        }
        Self { words, ..*self }
    }

    /// All voxels whose centre lies within `radius` mm of one of the set.
    pub fn dilate(&self, radius: f64, spacing: [f64; 3]) -> Self {
        if radius <= 0.0 {
            return self.clone();
        }
        let [_, ny, nz] = self.size;
        // The ball is a set of lines along x: offsets along y and z, and half a length in voxels.
        let reach = |s: f64| (radius / s + 1e-9).floor() as i64;
        let mut lines = Vec::new();
        for dz in -reach(spacing[2])..=reach(spacing[2]) {
            for dy in -reach(spacing[1])..=reach(spacing[1]) {
                let left =
                    radius.powi(2) - (dy as f64 * spacing[1]).powi(2) - (dz as f64 * spacing[2]).powi(2);
                if left >= -1e-9 {
                    lines.push((dy, dz, (left.max(0.0).sqrt() / spacing[0] + 1e-9).floor() as usize));
                }
            }
        }
        let mut words = vec![0; self.words.len()];
        words.par_chunks_mut(self.width.max(1)).enumerate().for_each(|(row, out)| {
            let (y, z) = ((row % ny) as i64, (row / ny) as i64);
            let mut wide = Vec::with_capacity(self.width);
            for &(dy, dz, half) in &lines {
                let (y, z) = (y + dy, z + dz);
                if !(0..ny as i64).contains(&y) || !(0..nz as i64).contains(&z) {
                    continue;
                }
                let from = (z as usize * ny + y as usize) * self.width;
                let line = &self.words[from..from + self.width];
                if line.iter().all(|w| *w == 0) {
                    continue;
                }
                widen(line, half, &mut wide);
                out.iter_mut().zip(&wide).for_each(|(o, w)| *o |= w);
            }
        });
        let wide = Self { words, ..*self };
        // Bits that were pushed past the end of a row.
        wide.complement().complement()
    }

    /// All voxels that have none outside the set within `radius` mm; beyond the grid nothing is
    /// outside.
    pub fn erode(&self, radius: f64, spacing: [f64; 3]) -> Self {
        self.complement().dilate(radius, spacing).complement()
    }

    /// Its parts: voxels connected through faces, edges or corners. In order of their first voxels.
    pub fn parts(&self) -> Vec<Part> {
        let ny = self.size[1];
        let runs: Vec<Vec<(u32, u32)>> =
            self.words.par_chunks(self.width.max(1)).map(|row| runs(row, self.size[0])).collect();
        let first: Vec<usize> = runs
            .iter()
            .scan(0, |sum, r| {
                *sum += r.len();
                Some(*sum - r.len())
            })
            .collect();
        let mut parent: Vec<u32> = (0..runs.iter().map(Vec::len).sum::<usize>() as u32).collect();
        for row in 0..runs.len() {
            let (y, z) = (row % ny, row / ny);
            // The rows before this one that touch it.
            let before = [
                (y > 0).then(|| row - 1),
                (z > 0 && y > 0).then(|| row - ny - 1),
                (z > 0).then(|| row - ny),
                (z > 0 && y + 1 < ny).then(|| row - ny + 1),
            ];
            for other in before.into_iter().flatten() {
                let mut k = 0;
                for (here, &(start, end)) in runs[row].iter().enumerate() {
                    while k < runs[other].len() && runs[other][k].1 < start {
                        k += 1;
                    }
                    let mut j = k;
                    while j < runs[other].len() && runs[other][j].0 <= end {
                        join(&mut parent, (first[row] + here) as u32, (first[other] + j) as u32);
                        j += 1;
                    }
                }
            }
        }
        let mut number = vec![u32::MAX; parent.len()];
        let mut parts: Vec<Part> = Vec::new();
        for (row, runs) in runs.iter().enumerate() {
            for (k, &(start, end)) in runs.iter().enumerate() {
                let root = find(&mut parent, (first[row] + k) as u32) as usize;
                if number[root] == u32::MAX {
                    number[root] = parts.len() as u32;
                    parts.push(Part { runs: Vec::new(), voxels: 0 });
                }
                let part = &mut parts[number[root] as usize];
                part.runs.push((row as u32, start, end));
                part.voxels += (end - start) as usize;
            }
        }
        parts
    }

    /// Adds a part.
    pub fn add(&mut self, part: &Part) {
        for &(row, start, end) in &part.runs {
            let row = &mut self.words[row as usize * self.width..][..self.width];
            for x in start as usize..end as usize {
                row[x / 64] |= 1 << (x % 64);
            }
        }
    }

    /// The parts for which `keep` holds.
    pub fn keep(&self, keep: impl Fn(&Part) -> bool) -> Self {
        let mut kept = Self::empty(self.size);
        self.parts().iter().filter(|part| keep(part)).for_each(|part| kept.add(part));
        kept
    }

    /// With the holes of its slices across `axis` filled that are not larger than `most` pixels. A
    /// hole is connected through edges of pixels and does not touch the border.
    pub fn fill_slices(&self, axis: usize, most: usize) -> Self {
        let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
        let stride = [1, self.size[0], self.size[0] * self.size[1]];
        let (na, nb) = (self.size[a], self.size[b]);
        let holes: Vec<Vec<usize>> = (0..self.size[axis])
            .into_par_iter()
            .map(|k| {
                let place = |i: usize| k * stride[axis] + i % na * stride[a] + i / na * stride[b];
                let mut seen: Vec<bool> = (0..na * nb).map(|i| self.has(place(i))).collect();
                let (mut filled, mut part) = (Vec::new(), Vec::new());
                for start in 0..na * nb {
                    if seen[start] {
                        continue;
                    }
                    seen[start] = true;
                    part.clear();
                    part.push(start);
                    let (mut next, mut open) = (0, false);
                    while next < part.len() {
                        let i = part[next];
                        next += 1;
                        let (x, y) = (i % na, i / na);
                        open |= x == 0 || y == 0 || x + 1 == na || y + 1 == nb;
                        let near = [
                            (x > 0).then(|| i - 1),
                            (x + 1 < na).then(|| i + 1),
                            (y > 0).then(|| i - na),
                            (y + 1 < nb).then(|| i + na),
                        ];
                        for j in near.into_iter().flatten() {
                            if !seen[j] {
                                seen[j] = true;
                                part.push(j);
                            }
                        }
                    }
                    if !open && part.len() <= most {
                        filled.extend(part.iter().map(|&i| place(i)));
                    }
                }
                filled
            })
            .collect();
        let mut whole = self.clone();
        for place in holes.into_iter().flatten() {
            let (row, x) = (place / self.size[0], place % self.size[0]);
            whole.words[row * self.width + x / 64] |= 1 << (x % 64);
        }
        whole
    }
}

/// Each bit spread over `half` bits to both sides, in doubling steps.
fn widen(line: &[u64], half: usize, wide: &mut Vec<u64>) {
    wide.clear();
    wide.extend_from_slice(line);
    let mut done = 0;
    while done < half {
        // Spreading what is spread over `done` by up to `done + 1` leaves no gap.
        let step = (half - done).min(done + 1);
        let old = wide.clone();
        spread(&old, step, wide);
        done += step;
    }
}

/// Adds the bits moved by `by` to both sides.
fn spread(old: &[u64], by: usize, out: &mut [u64]) {
    let (words, bits) = (by / 64, by % 64);
    let at = |k: Option<usize>| k.and_then(|k| old.get(k)).copied().unwrap_or(0);
    for (k, word) in out.iter_mut().enumerate() {
        let (up, down) = (k.checked_sub(words), k.checked_sub(words + 1));
        *word |= at(up) << bits | at(Some(k + words)) >> bits;
        if bits > 0 {
            *word |= at(down) >> (64 - bits) | at(Some(k + words + 1)) << (64 - bits);
        }
    }
}

/// First voxels and ends of the runs of a row.
fn runs(row: &[u64], length: usize) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (k, &word) in row.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            let low = left.trailing_zeros();
            let ones = (left >> low).trailing_ones();
            let start = k as u32 * 64 + low;
            match runs.last_mut().filter(|r| r.1 == start) {
                Some(run) => run.1 = start + ones,
                None => runs.push((start, start + ones)),
            }
            left = if low + ones >= 64 { 0 } else { left >> (low + ones) << (low + ones) };
        }
    }
    debug_assert!(runs.iter().all(|r| r.1 as usize <= length));
    runs
}

fn find(parent: &mut [u32], mut k: u32) -> u32 {
    while parent[k as usize] != k {
        parent[k as usize] = parent[parent[k as usize] as usize];
        k = parent[k as usize];
    }
    k
}

fn join(parent: &mut [u32], a: u32, b: u32) {
    let (a, b) = (find(parent, a), find(parent, b));
    parent[a.max(b) as usize] = a.min(b);
}

#[cfg(test)]
mod tests {
    use osteon_core::rng::{Purpose, Stream};

    use super::*;

    const SPACING: [f64; 3] = [1.0, 1.3, 2.2];

    /// A random set on a grid whose rows are longer than a word.
    fn random(seed: u64, size: [usize; 3], part: f64) -> Bits {
        let mut stream = Stream::new(seed, Purpose::Synthetic, 0);
        let members: Vec<bool> = (0..size.iter().product()).map(|_| stream.uniform() < part).collect();
        Bits::of(size, |i| members[i])
    }

    fn place(size: [usize; 3], i: usize) -> [usize; 3] {
        [i % size[0], i / size[0] % size[1], i / (size[0] * size[1])]
    }

    #[test]
    fn balls_are_what_their_definition_says() {
        let size = [131, 7, 5];
        for (seed, radius) in [(1, 1.0), (2, 2.6), (3, 5.0), (4, 40.0)] {
            let set = random(seed, size, 0.004);
            let count = size.iter().product();
            let members: Vec<_> = (0..count).filter(|&i| set.has(i)).map(|i| place(size, i)).collect();
            let near = |i: usize| {
                let p = place(size, i);
                let square = |q: &[usize; 3]| {
                    (0..3).map(|k| ((p[k] as f64 - q[k] as f64) * SPACING[k]).powi(2)).sum::<f64>()
                };
                members.iter().any(|q| square(q) <= radius * radius + 1e-9)
            };
            assert_eq!(set.dilate(radius, SPACING), Bits::of(size, near), "radius {radius}");
            let closed = set.dilate(radius, SPACING).erode(radius, SPACING);
            assert_eq!(closed.and(&set), set, "a closing holds what was closed");
            assert_eq!(closed.dilate(radius, SPACING).erode(radius, SPACING), closed);
        }
    }

    #[test]
    fn parts_are_those_of_a_flood() {
        let size = [70, 9, 6];
        let set = random(7, size, 0.12);
        let mut label = vec![0usize; size.iter().product()];
        let mut sizes = Vec::new();
        for start in 0..label.len() {
            if !set.has(start) || label[start] > 0 {
                continue;
            }
            sizes.push(0);
            let mut open = vec![start];
            label[start] = sizes.len();
            while let Some(i) = open.pop() {
                sizes[label[i] - 1] += 1;
                let p = place(size, i);
                for j in 0..label.len() {
                    let q = place(size, j);
                    if set.has(j) && label[j] == 0 && (0..3).all(|k| p[k].abs_diff(q[k]) <= 1) {
                        label[j] = label[i];
                        open.push(j);
                    }
                }
            }
        }
        let parts = set.parts();
        assert_eq!(parts.iter().map(|p| p.voxels).collect::<Vec<_>>(), sizes);
        let largest = parts.iter().map(|p| p.voxels).max().expect("a part");
        assert_eq!(set.keep(|p| p.voxels == largest).count() % largest, 0);
        assert_eq!(set.keep(|_| true), set);
    }

    #[test]
    fn holes_up_to_a_size_are_filled() {
        // A box with a hole of 3 x 2 in each slice across z, open along z.
        let size = [8, 7, 3];
        let inside = |i: usize| {
            let [x, y, _] = place(size, i);
            (1..7).contains(&x) && (1..6).contains(&y) && !((3..6).contains(&x) && (2..4).contains(&y))
        };
        let set = Bits::of(size, inside);
        assert_eq!(set.fill_slices(2, 5), set);
        assert_eq!(set.fill_slices(2, 6).count(), 6 * 5 * 3);
        assert_eq!(set.fill_slices(0, 100), set, "across x the hole reaches the border");
    }
}
