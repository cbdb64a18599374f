//! Cholesky factor of a small symmetric matrix, which tells the column that makes it singular.

/// `M = L L'`, `L` lower triangular, `[F, F]` row-major.
pub(crate) struct Cholesky {
    l: Vec<f64>,
    f: usize,
}

/// A column that is, to rounding, a linear combination of the columns before it.
pub(crate) struct Singular {
    pub column: usize,
    /// Earlier columns that take part in it.
    pub of: Vec<usize>,
}

impl Cholesky {
    /// Factors `m` (only its lower triangle is read). A pivot below `tolerance` times its
    /// diagonal element is singular.
    pub(crate) fn new(m: &[f64], f: usize, tolerance: f64) -> Result<Self, Singular> {
        let mut l = vec![0.0; f * f];
        for i in 0..f {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| l[i * f + k] * l[j * f + k]).sum();
                let rest = m[i * f + j] - dot;
                if i != j {
                    l[i * f + j] = rest / l[j * f + j];
                } else if rest > tolerance * m[i * f + i] {
                    l[i * f + i] = rest.sqrt();
                } else {
                    return Err(Self::combination(&l, m, f, i));
                }
            }
        }
        Ok(Self { l, f })
    }

    /// Coefficients of column `i` on the `i` before it: `L' c = l_i`.
    fn combination(l: &[f64], m: &[f64], f: usize, i: usize) -> Singular {
        let mut c = l[i * f..i * f + i].to_vec();
        for a in (0..i).rev() {
            c[a] /= l[a * f + a];
            for b in 0..a {
                c[b] -= l[a * f + b] * c[a];
            }
        }
        let scale = m[i * f + i].sqrt();
        let matters = |&a: &usize| c[a].abs() * m[a * f + a].sqrt() > 1e-4 * scale && scale > 0.0;
        Singular { column: i, of: (0..i).filter(matters).collect() }
    }

    /// `M^-1 b`.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let (l, f) = (&self.l, self.f);
        let mut x = b.to_vec();
        for i in 0..f {
            let dot: f64 = (0..i).map(|k| l[i * f + k] * x[k]).sum();
            x[i] = (x[i] - dot) / l[i * f + i];
        }
        for i in (0..f).rev() {
            let dot: f64 = (i + 1..f).map(|k| l[k * f + i] * x[k]).sum();
            x[i] = (x[i] - dot) / l[i * f + i];
        }
        x
    }

    /// `b' M^-1 b`.
    pub(crate) fn quadratic_form(&self, b: &[f64]) -> f64 {
        self.solve(b).iter().zip(b).map(|(x, b)| x * b).sum()
    }

    /// `M^-1`, `[F, F]`.
    pub(crate) fn inverse(&self) -> Vec<f64> {
        let mut inverse = vec![0.0; self.f * self.f];
        for j in 0..self.f {
            let mut unit = vec![0.0; self.f];
            unit[j] = 1.0;
            for (i, x) in self.solve(&unit).into_iter().enumerate() {
                inverse[i * self.f + j] = x;
            }
        }
        inverse
    }
}
