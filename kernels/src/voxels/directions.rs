//! Directions in which neighbours are sought.

/// Steps along x, y, z.
pub type Offset = [i32; 3];

/// One offset of each pair of opposite ones at the given Chebyshev distances, without those that
/// leave the plane when `flat` names an axis (13 at distance 1 in space, 4 in a plane).
pub fn offsets(distances: &[u32], flat: Option<usize>) -> Vec<Offset> {
    let mut all = Vec::new();
    for &distance in distances {
        let d = distance as i32;
        for z in -d..=d {
            for y in -d..=d {
                for x in -d..=d {
                    let forward = (z, y, x) > (0, 0, 0);
                    let reach = x.abs().max(y.abs()).max(z.abs());
                    let offset = [x, y, z];
                    if forward && reach == d && flat.is_none_or(|axis| offset[axis] == 0) {
                        all.push(offset);
                    }
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_directions() {
        assert_eq!(offsets(&[1], None).len(), 13);
        assert_eq!(offsets(&[1, 2], None).len(), 62);
        assert_eq!(offsets(&[1], Some(2)).len(), 4);
        assert!(offsets(&[1], Some(2)).iter().all(|o| o[2] == 0));
    }
}
