//! The largest eigenvalues of a symmetric matrix and their vectors, in `f64`.
//!
//! Householder tridiagonalisation, all eigenvalues by the implicit QL iteration, the wanted vectors by inverse
//! iteration with full orthogonalisation, and back (Golub and Van Loan, Matrix Computations, 4th ed., 8.3 and 8.4;
//! Parlett, The Symmetric Eigenvalue Problem, ch. 4 and 8). For `k` vectors of a `D` by `D` matrix this is
//! `4/3 D^3 + 2 k D^2` operations, one thread, always in the same order.

/// Sweeps of QL for one eigenvalue, far more than are needed.
const SWEEPS: usize = 60;
/// Steps of inverse iteration; two nearly always suffice.
const STEPS: usize = 4;

/// Eigenvalues, all of them, the largest first; vectors of the largest.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// `[D]`.
    pub values: Vec<f64>,
    /// `[k]` vectors of length 1.
    pub vectors: Vec<Vec<f64>>,
}

/// The eigenvalues of a symmetric matrix (`[n, n]`, of which the lower triangle is read) and the vectors of the `k`
/// largest; `None` if the iteration does not end, as with NaN.
pub fn largest(mut a: Vec<f64>, n: usize, k: usize) -> Option<Eigen> {
    if a.iter().any(|x| !x.is_finite()) || a.len() != n * n {
        return None;
    }
    let (diagonal, beside, reflectors) = tridiagonal(&mut a, n);
    let mut values = ql(diagonal.clone(), beside.clone())?;
    values.sort_by(|x, y| y.total_cmp(x));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(k);
    // Of a matrix of zeros every vector is one.
    let norm = Some(values.iter().fold(0f64, |m, v| m.max(v.abs()))).filter(|&n| n > 0.0).unwrap_or(1.0);
    let mut shift = f64::INFINITY;
    for (rank, &value) in values.iter().take(k).enumerate() {
        // Shifts too close would find the same vector again.
        shift = value.min(shift - 10.0 * f64::EPSILON * norm);
        let vector = inverse_iteration(&diagonal, &beside, shift, norm, rank, &vectors);
        vectors.push(vector);
    }
    for vector in &mut vectors {
        for (first, v, beta) in reflectors.iter().rev() {
            let tail = &mut vector[*first..];
            let factor = beta * dot(v, tail);
            tail.iter_mut().zip(v).for_each(|(x, v)| *x -= factor * v);
        }
    }
    Some(Eigen { values, vectors })
}

type Reflectors = Vec<(usize, Vec<f64>, f64)>;

/// Four sums side by side, so that the compiler can use vectors.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for l in 0..8 {
            sums[l] += x[l] * y[l];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Diagonal, what is beside it, and the reflections `I - beta v v^T` that led there.
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>, Reflectors) {
    let mut beside = vec![0.0; n.saturating_sub(1)];
    let mut reflectors = Vec::new();
    let mut p = vec![0.0; n];
    for k in 0..n.saturating_sub(2) {
        let first = k + 1;
        let mut v: Vec<f64> = (first..n).map(|i| a[i * n + k]).collect();
        let scale = v.iter().fold(0f64, |m, x| m.max(x.abs()));
        let below = v[1..].iter().any(|&x| x != 0.0);
        if !below {
            beside[k] = v[0];
            continue;
        }
        v.iter_mut().for_each(|x| *x /= scale);
        let norm = dot(&v, &v).sqrt();
        let alpha = if v[0] > 0.0 { -norm } else { norm };
        beside[k] = alpha * scale;
        v[0] -= alpha;
        let beta = 2.0 / dot(&v, &v);
        // p = beta A v from the lower triangle: each row serves as a row and as a column.
        let p = &mut p[..v.len()];
        p.fill(0.0);
        for i in 0..v.len() {
            let row = &a[(first + i) * n + first..][..i + 1];
            let (before, vi) = (&row[..i], v[i]);
            p[i] += dot(before, &v[..i]) + row[i] * vi;
            p[..i].iter_mut().zip(before).for_each(|(p, x)| *p += x * vi);
        }
        p.iter_mut().for_each(|x| *x *= beta);
        let half = 0.5 * beta * dot(p, &v);
        p.iter_mut().zip(&v).for_each(|(p, v)| *p -= half * v);
        for i in 0..v.len() {
            let (vi, pi) = (v[i], p[i]);
            let row = &mut a[(first + i) * n + first..][..i + 1];
            row.iter_mut().zip(p.iter().zip(&v)).for_each(|(x, (p, v))| *x -= vi * p + pi * v);
        }
        reflectors.push((first, v, beta));
    }
    if n > 1 {
        beside[n - 2] = a[(n - 1) * n + n - 2];
    }
    ((0..n).map(|i| a[i * n + i]).collect(), beside, reflectors)
}

/// Eigenvalues of a tridiagonal matrix.
fn ql(mut d: Vec<f64>, mut e: Vec<f64>) -> Option<Vec<f64>> {
    let n = d.len();
    // What the reflections have rounded away. Beside zeros, as of fewer tiles than values, no entry is small against
    // its neighbours alone.
    let floor = f64::EPSILON * d.iter().chain(&e).fold(0f64, |m, x| m.max(x.abs()));
    e.push(0.0);
    for l in 0..n {
        for sweep in 0.. {
            let split = |m: &usize| {
                let size = d[*m].abs() + d[m + 1].abs();
                e[*m].abs() <= floor.max(f64::EPSILON * size)
            };
            let m = (l..n - 1).find(split).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if sweep == SWEEPS {
                return None;
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut r = g.hypot(1.0);
            g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut underflow = false;
            for i in (l..m).rev() {
                let f = s * e[i];
                let b = c * e[i];
                r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    underflow = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
            }
            if !underflow {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    Some(d)
}

/// A vector of `T - shift` nearly annihilated, orthogonal to those before it.
fn inverse_iteration(
    d: &[f64],
    e: &[f64],
    shift: f64,
    norm: f64,
    rank: usize,
    before: &[Vec<f64>],
) -> Vec<f64> {
    let n = d.len();
    // Nothing in the start is special, and it is the same every time.
    let start = |i: usize| osteon_core::rng::mix64((rank * n + i) as u64) as f64 / u64::MAX as f64 - 0.5;
    let mut x: Vec<f64> = (0..n).map(start).collect();
    let factors = Factors::of(d, e, shift, norm);
    for _ in 0..STEPS {
        factors.solve(&mut x);
        for _ in 0..2 {
            for other in before {
                let along = dot(&x, other);
                x.iter_mut().zip(other).for_each(|(x, o)| *x -= along * o);
            }
        }
        let scale = x.iter().fold(0f64, |m, v| m.max(v.abs())).max(f64::MIN_POSITIVE);
        x.iter_mut().for_each(|v| *v /= scale);
        let length = dot(&x, &x).sqrt();
        x.iter_mut().for_each(|v| *v /= length);
    }
    x
}

/// `P L U` of a shifted tridiagonal matrix, rows exchanged for the larger pivot.
struct Factors {
    /// The three diagonals of `U`.
    u: Vec<[f64; 3]>,
    /// Multiplier of each step, and whether rows were exchanged.
    steps: Vec<(f64, bool)>,
}

impl Factors {
    fn of(d: &[f64], e: &[f64], shift: f64, norm: f64) -> Self {
        let n = d.len();
        let tiny = f64::EPSILON * norm;
        let beside = |i: usize| e.get(i).copied().unwrap_or(0.0);
        let mut u = Vec::with_capacity(n);
        let mut steps = Vec::with_capacity(n);
        let mut row = [d[0] - shift, beside(0), 0.0];
        for i in 0..n {
            if i + 1 == n {
                row[0] = pivot(row[0], tiny);
                u.push(row);
                break;
            }
            let next = [beside(i), d[i + 1] - shift, beside(i + 1)];
            let exchanged = next[0].abs() > row[0].abs();
            let (mut upper, lower) = if exchanged { (next, row) } else { (row, next) };
            upper[0] = pivot(upper[0], tiny);
            let factor = lower[0] / upper[0];
            row = [lower[1] - factor * upper[1], lower[2] - factor * upper[2], 0.0];
            u.push(upper);
            steps.push((factor, exchanged));
        }
        Self { u, steps }
    }

    fn solve(&self, x: &mut [f64]) {
        for (i, &(factor, exchanged)) in self.steps.iter().enumerate() {
            if exchanged {
                x.swap(i, i + 1);
            }
            x[i + 1] -= factor * x[i];
        }
        for i in (0..x.len()).rev() {
            let at = |k: usize| x.get(k).copied().unwrap_or(0.0);
            x[i] = (x[i] - self.u[i][1] * at(i + 1) - self.u[i][2] * at(i + 2)) / self.u[i][0];
        }
    }
}

fn pivot(x: f64, tiny: f64) -> f64 {
    if x.abs() < tiny { tiny.copysign(x) } else { x }
}

#[cfg(test)]
mod tests {
    use osteon_core::rng::{Purpose, Stream};

    use super::*;

    /// Checks residuals, orthogonality and, with nalgebra, all eigenvalues.
    fn check(a: &[f64], n: usize, k: usize) {
        let found = largest(a.to_vec(), n, k).expect("finite");
        let matrix = nalgebra::DMatrix::from_row_slice(n, n, a);
        let mut wanted: Vec<f64> = matrix.symmetric_eigenvalues().iter().copied().collect();
        wanted.sort_by(|x, y| y.total_cmp(x));
        let norm = wanted.iter().fold(1e-300f64, |m, v| m.max(v.abs()));
        for (x, y) in found.values.iter().zip(&wanted) {
            assert!((x - y).abs() < 1e-13 * norm * n as f64, "{x} {y}");
        }
        assert_eq!(found.vectors.len(), k.min(n));
        for (j, v) in found.vectors.iter().enumerate() {
            for i in 0..n {
                let residual = dot(&a[i * n..][..n], v) - found.values[j] * v[i];
                assert!(residual.abs() < 1e-13 * norm * n as f64, "vector {j}: {residual}");
            }
            for (l, w) in found.vectors.iter().enumerate().take(j + 1) {
                let product = dot(v, w) - f64::from(u8::from(l == j));
                assert!(product.abs() < 1e-13 * n as f64, "{j} {l}: {product}");
            }
        }
    }

    fn gram(n: usize, rank: usize) -> Vec<f64> {
        let mut stream = Stream::new(8, Purpose::Synthetic, 0);
        let x: Vec<f64> = (0..n * rank).map(|i| stream.normal() / (1 + i % rank) as f64).collect();
        let at = |i: usize, j: usize| (0..rank).map(|r| x[i * rank + r] * x[j * rank + r]).sum();
        (0..n * n).map(|k| at(k / n, k % n)).collect()
    }

    #[test]
    fn vectors_and_values_of_full_and_low_rank() {
        check(&gram(60, 90), 60, 20);
        check(&gram(60, 7), 60, 12);
        check(&gram(300, 40), 300, 12);
        check(&[3.0], 1, 1);
        check(&[2.0, 1.0, 1.0, 2.0], 2, 2);
    }

    #[test]
    fn equal_eigenvalues_have_orthogonal_vectors() {
        let mut identity = vec![0.0; 25];
        (0..5).for_each(|i| identity[i * 6] = 2.0);
        check(&identity, 5, 5);
        check(&[0.0; 16], 4, 3);
    }

    #[test]
    fn nan_is_refused() {
        assert!(largest(vec![f64::NAN], 1, 1).is_none());
    }
}
