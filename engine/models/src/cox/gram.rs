//! Weighted Gram matrices, upper triangle.

/// Rows taken together, so that each element of the matrix is loaded once for four of them.
const PANEL: usize = 4;

/// Upper triangle of `sum_i w_i x_i x_i'` as `[F, F]` row-major; `x` is `[N, F]`.
pub(crate) fn weighted_gram(x: &[f64], f: usize, weights: &[f64]) -> Vec<f64> {
    let mut gram = vec![0.0; f * f];
    if f == 0 {
        return gram;
    }
    let panels = x.chunks(PANEL * f).zip(weights.chunks(PANEL));
    for (rows, w) in panels {
        if w.len() < PANEL {
            for (row, &w) in rows.chunks_exact(f).zip(w) {
                add_outer(&mut gram, w, row, row);
            }
            continue;
        }
        let (a, rest) = rows.split_at(f);
        let (b, rest) = rest.split_at(f);
        let (c, d) = rest.split_at(f);
        for i in 0..f {
            let (wa, wb, wc, wd) = (w[0] * a[i], w[1] * b[i], w[2] * c[i], w[3] * d[i]);
            let columns = a[i..].iter().zip(&b[i..]).zip(&c[i..]).zip(&d[i..]);
            for (g, (((a, b), c), d)) in gram[i * f + i..(i + 1) * f].iter_mut().zip(columns) {
                *g += (wa * a + wb * b) + (wc * c + wd * d);
            }
        }
    }
    gram
}

/// Adds the upper triangle of `factor * a b'`.
pub(crate) fn add_outer(matrix: &mut [f64], factor: f64, a: &[f64], b: &[f64]) {
    let f = a.len();
    for i in 0..f {
        let scaled = factor * a[i];
        for (m, b) in matrix[i * f + i..(i + 1) * f].iter_mut().zip(&b[i..]) {
            *m += scaled * b;
        }
    }
}

/// Copies the upper triangle below the diagonal.
pub(crate) fn mirror(matrix: &mut [f64], f: usize) {
    for i in 0..f {
        for j in 0..i {
            matrix[i * f + j] = matrix[j * f + i];
        }
    }
}
