//! What two runs compare to know whether they learnt the same numbers.

use sha2::{Digest, Sha256};

use crate::TensorSpec;

/// SHA-256 over the `[B, ...]` tensors of all `problems`: for each tensor in order of name its name, its
/// shape as little-endian u64 and its values as little-endian f32; no metadata (docs/decisions/0002).
/// `params` is `[B, P]` in the layout of `tensors`.
///
/// # Panics
/// If `params` is shorter than `B` times the tensors.
pub fn model_sha256(tensors: &[TensorSpec], params: &[f32], problems: usize) -> String {
    let p: usize = tensors.iter().map(TensorSpec::len).sum();
    let mut sorted: Vec<&TensorSpec> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = Sha256::new();
    for tensor in sorted {
        hash.update(tensor.name.as_bytes());
        for d in std::iter::once(problems).chain(tensor.shape.iter().copied()) {
            hash.update((d as u64).to_le_bytes());
        }
        for b in 0..problems {
            let values = &params[b * p + tensor.offset..][..tensor.len()];
            hash.update(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
        }
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use osteon_core::files::sha256_hex;

    #[test]
    fn it_is_the_hash_of_the_bytes_named_in_the_decision() {
        let tensors = TensorSpec::layout([("w", vec![2]), ("b", vec![1])]);
        let params = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut bytes = Vec::new();
        bytes.extend(b"b");
        bytes.extend([2u64, 1].iter().flat_map(|d| d.to_le_bytes()));
        bytes.extend([3.0f32, 6.0].iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(b"w");
        bytes.extend([2u64, 2].iter().flat_map(|d| d.to_le_bytes()));
        bytes.extend([1.0f32, 2.0, 4.0, 5.0].iter().flat_map(|x| x.to_le_bytes()));
        assert_eq!(model_sha256(&tensors, &params, 2), sha256_hex(&bytes));
    }

    #[test]
    fn one_bit_changes_it_and_the_layout_does_not() {
        let forward = TensorSpec::layout([("a", vec![1]), ("b", vec![1])]);
        let backward = TensorSpec::layout([("b", vec![1]), ("a", vec![1])]);
        let hash = model_sha256(&forward, &[1.0, 2.0], 1);
        assert_eq!(hash, model_sha256(&backward, &[2.0, 1.0], 1));
        assert_ne!(hash, model_sha256(&forward, &[1.0, f32::from_bits(2f32.to_bits() + 1)], 1));
    }
}
