//! The oracle: the formulas in f64, one tile after the other.

use super::{Shape, TileDropout};

/// Results for a bag.
pub(super) struct Reference {
    pub z: Vec<f64>,
    pub attention: Vec<f64>,
    /// As the parameters.
    pub gradient: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// One bag of tiles `x [T, D]`; `pull [H]` is the loss per unit of `z`.
pub(super) fn bag(
    shape: Shape,
    parameters: &[f64],
    x: &[f64],
    dropout: Option<TileDropout>,
    pull: &[f64],
) -> Reference {
    let Shape { inputs, hidden, attention } = shape;
    let at = shape.places();
    let layer = |w: &[f64], b: &[f64], x: &[f64]| -> Vec<f64> {
        w.chunks(x.len()).zip(b).map(|(w, b)| b + dot(w, x)).collect()
    };
    let of = |range: &std::ops::Range<usize>| &parameters[range.clone()];
    let kept = |t: usize, unit: usize| {
        dropout.map_or(1.0, |d| if d.dropout.keeps(d.key(t), unit) { 1.0 / d.dropout.keep() } else { 0.0 })
    };
    let tiles = x.len() / inputs;
    let (mut h, mut tanh, mut sigmoid, mut logits) = (vec![], vec![], vec![], vec![]);
    for (t, x) in x.chunks(inputs).enumerate() {
        let z = layer(of(&at.w), of(&at.b), x);
        let features: Vec<f64> = z.iter().enumerate().map(|(i, z)| z.max(0.0) * kept(t, i)).collect();
        let v: Vec<f64> = layer(of(&at.v), of(&at.c), &features).into_iter().map(libm::tanh).collect();
        let u: Vec<f64> =
            layer(of(&at.u), of(&at.d), &features).into_iter().map(|z| 1.0 / (1.0 + libm::exp(-z))).collect();
        let a = of(&at.a);
        logits.push((0..attention).map(|j| a[j] * v[j] * u[j]).sum::<f64>());
        h.push(features);
        tanh.push(v);
        sigmoid.push(u);
    }
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|l| libm::exp(l - max)).sum();
    let p: Vec<f64> = logits.iter().map(|l| libm::exp(l - max) / sum).collect();
    let z: Vec<f64> = (0..hidden).map(|i| (0..tiles).map(|t| p[t] * h[t][i]).sum()).collect();

    let mut gradient = vec![0.0; shape.len()];
    for t in 0..tiles {
        let slope = p[t] * (dot(pull, &h[t]) - dot(pull, &z));
        let mut dh: Vec<f64> = pull.iter().map(|pull| p[t] * pull).collect();
        for j in 0..attention {
            let (v, u, a) = (tanh[t][j], sigmoid[t][j], parameters[at.a.start + j]);
            gradient[at.a.start + j] += slope * v * u;
            let gates = [
                (slope * a * u * (1.0 - v * v), &at.v, &at.c),
                (slope * a * v * u * (1.0 - u), &at.u, &at.d),
            ];
            for (d, weight, bias) in gates {
                gradient[bias.start + j] += d;
                for i in 0..hidden {
                    gradient[weight.start + j * hidden + i] += d * h[t][i];
                    dh[i] += d * parameters[weight.start + j * hidden + i];
                }
            }
        }
        for i in 0..hidden {
            let dz = if h[t][i] > 0.0 { dh[i] * kept(t, i) } else { 0.0 };
            gradient[at.b.start + i] += dz;
            for k in 0..inputs {
                gradient[at.w.start + i * inputs + k] += dz * x[t * inputs + k];
            }
        }
    }
    Reference { z, attention: p, gradient }
}
