//! The maximal correlation coefficient: the second largest singular value of a co-occurrence
//! matrix scaled by its marginals.
//!
//! PyRadiomics takes the second largest eigenvalue of `Q(i, j) = sum_k p(i, k) p(j, k) / (px(i)
//! py(k))`. For a symmetric matrix `Q` is similar to `S^2`, `S(i, j) = p(i, j) / sqrt(px(i)
//! px(j))`, whose largest eigenvalue is 1 with the eigenvector `sqrt(px)`. That one is taken out
//! and the largest remaining in size is found by Lanczos' method with full orthogonalisation,
//! which costs a few products with the sparse matrix instead of a decomposition in `G^3`.

/// Residual at which an eigenvalue counts as found.
const ENOUGH: f64 = 1e-13;

/// Of the upper half `matrix` of a symmetric matrix of probabilities with marginal `margin`; 1 for
/// a single grey level.
pub(super) fn maximal_correlation(matrix: &[(u16, u16, f64)], margin: &[f64]) -> f64 {
    let n = margin.len();
    if n < 2 {
        return 1.0;
    }
    let root: Vec<f64> = margin.iter().map(|p| p.sqrt()).collect();
    let scaled: Vec<(usize, usize, f64)> = matrix
        .iter()
        .map(|&(i, j, p)| (usize::from(i), usize::from(j), p))
        .map(|(i, j, p)| (i, j, p / (root[i] * root[j])))
        .collect();
    let apply = |x: &[f64]| {
        let mut y = vec![0.0; n];
        for &(i, j, s) in &scaled {
            y[i] += s * x[j];
            if i != j {
                y[j] += s * x[i];
            }
        }
        y
    };
    largest(n, &root, apply)
}

/// Largest eigenvalue in size of a symmetric operator on the complement of the unit vector `top`.
fn largest(n: usize, top: &[f64], apply: impl Fn(&[f64]) -> Vec<f64>) -> f64 {
    // Any start that is not orthogonal to the vector sought will do; a fixed one keeps the bits.
    let mut next: Vec<f64> = (0..n).map(|k| 1.0 + 0.5 * ((k * k + 3 * k) as f64).sin()).collect();
    let mut basis: Vec<Vec<f64>> = vec![top.to_vec()];
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut value = 0.0;
    for step in 0..n {
        // Twice is enough (Parlett).
        for _ in 0..2 {
            for b in &basis {
                let along = dot(b, &next);
                next.iter_mut().zip(b).for_each(|(x, b)| *x -= along * b);
            }
        }
        let norm = dot(&next, &next).sqrt();
        if norm < 1e-12 {
            break;
        }
        if step > 0 {
            beside.push(norm);
        }
        next.iter_mut().for_each(|x| *x /= norm);
        let product = apply(&next);
        diagonal.push(dot(&next, &product));
        basis.push(std::mem::replace(&mut next, product));
        // Fewer steps are never enough.
        let check = step < 8 || step % 8 == 0 || step + 2 >= n;
        if check && step + 1 >= 8.min(n - 1) {
            let (found, residual) = largest_of_tridiagonal(&diagonal, &beside);
            value = found;
            // The last component of the Ritz vector times what is left over.
            let mut rest = next.clone();
            for b in &basis {
                let along = dot(b, &rest);
                rest.iter_mut().zip(b).for_each(|(x, b)| *x -= along * b);
            }
            if residual * dot(&rest, &rest).sqrt() < ENOUGH {
                return value;
            }
        }
    }
    if diagonal.is_empty() {
        return value;
    }
    largest_of_tridiagonal(&diagonal, &beside).0
}

/// Largest eigenvalue in size, and the last component of its eigenvector in size, by the implicit QL
/// method (EISPACK `imtql2`), of whose vectors only the last row is kept.
fn largest_of_tridiagonal(diagonal: &[f64], beside: &[f64]) -> (f64, f64) {
    let k = diagonal.len();
    let (mut d, mut e, mut row) = (diagonal.to_vec(), beside[..k - 1].to_vec(), vec![0.0; k]);
    e.push(0.0);
    row[k - 1] = 1.0;
    for low in 0..k {
        for _ in 0..SWEEPS {
            let small = |m: &usize| e[*m].abs() <= f64::EPSILON * (d[*m].abs() + d[m + 1].abs());
            let high = (low..k - 1).find(small).unwrap_or(k - 1);
            if high == low {
                break;
            }
            let half = (d[low + 1] - d[low]) / (2.0 * e[low]);
            let shift = d[low] - e[low] / (half + (half * half + 1.0).sqrt().copysign(half));
            let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
            let mut beyond = d[high] - shift;
            let mut split = false;
            for i in (low..high).rev() {
                let (f, b) = (sine * e[i], cosine * e[i]);
                let length = (f * f + beyond * beyond).sqrt();
                e[i + 1] = length;
                if length == 0.0 {
                    d[i + 1] -= moved;
                    split = true;
                    break;
                }
                (sine, cosine) = (f / length, beyond / length);
                let left = d[i + 1] - moved;
                let turn = (d[i] - left) * sine + 2.0 * cosine * b;
                moved = sine * turn;
                d[i + 1] = left + moved;
                beyond = cosine * turn - b;
                (row[i], row[i + 1]) =
                    (cosine * row[i] - sine * row[i + 1], sine * row[i] + cosine * row[i + 1]);
            }
            if !split {
                d[low] -= moved;
                e[low] = beyond;
            }
            e[high] = 0.0;
        }
    }
    let at = (0..k).max_by(|a, b| d[*a].abs().total_cmp(&d[*b].abs()));
    at.map_or((0.0, 0.0), |i| (d[i].abs(), row[i].abs()))
}

/// Most sweeps per eigenvalue; two are usual.
const SWEEPS: usize = 64;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, SymmetricEigen};

    use super::*;

    #[test]
    fn a_tridiagonal_matrix_agrees_with_a_full_decomposition() {
        for k in [1usize, 2, 3, 8, 17] {
            let diagonal: Vec<f64> = (0..k).map(|i| ((i * i + 1) as f64).sin()).collect();
            let beside: Vec<f64> = (1..k).map(|i| if i % 5 == 4 { 0.0 } else { (i as f64).cos() }).collect();
            let full = DMatrix::from_fn(k, k, |i, j| match i.abs_diff(j) {
                0 => diagonal[i],
                1 => beside[i.min(j)],
                _ => 0.0,
            });
            let eigen = SymmetricEigen::new(full);
            let largest = eigen.eigenvalues.iamax();
            let (value, last) = largest_of_tridiagonal(&diagonal, &beside);
            assert!((value - eigen.eigenvalues[largest].abs()).abs() < 1e-14, "{k}: {value}");
            assert!((last - eigen.eigenvectors[(k - 1, largest)].abs()).abs() < 1e-13, "{k}: {last}");
        }
    }

    /// Second largest eigenvalue of Q itself, by a decomposition of S.
    fn dense(matrix: &[(u16, u16, f64)], margin: &[f64]) -> f64 {
        let n = margin.len();
        let mut s = DMatrix::zeros(n, n);
        for &(i, j, p) in matrix {
            let (i, j) = (usize::from(i), usize::from(j));
            s[(i, j)] = p / (margin[i] * margin[j]).sqrt();
            s[(j, i)] = s[(i, j)];
        }
        let mut squares: Vec<f64> = SymmetricEigen::new(s).eigenvalues.iter().map(|v| v * v).collect();
        squares.sort_by(f64::total_cmp);
        squares[n - 2].sqrt()
    }

    #[test]
    fn agrees_with_a_full_decomposition() {
        for n in [2usize, 3, 5, 40, 120] {
            let mut matrix = Vec::new();
            let mut margin = vec![0.0; n];
            for i in 0..n {
                for j in i..n {
                    let p = 1.0 / (1.0 + (i as f64 - j as f64).powi(2)) + ((i * 7 + j * 3) % 5) as f64 * 0.05;
                    matrix.push((i as u16, j as u16, p));
                    margin[i] += p;
                    if i != j {
                        margin[j] += p;
                    }
                }
            }
            let total: f64 = margin.iter().sum();
            matrix.iter_mut().for_each(|e| e.2 /= total);
            margin.iter_mut().for_each(|m| *m /= total);
            let (fast, slow) = (maximal_correlation(&matrix, &margin), dense(&matrix, &margin));
            assert!((fast - slow).abs() < 1e-12, "{n}: {fast} {slow}");
        }
    }

    #[test]
    fn two_levels_that_never_meet_are_fully_correlated() {
        assert!((maximal_correlation(&[(0, 0, 0.5), (1, 1, 0.5)], &[0.5, 0.5]) - 1.0).abs() < 1e-15);
        assert_eq!(maximal_correlation(&[(0, 0, 1.0)], &[1.0]), 1.0);
    }
}
