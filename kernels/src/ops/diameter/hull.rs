//! Convex hulls of lattice points in a plane.

/// A point of the lattice.
pub(super) type Point = [i32; 2];

/// The corners of the convex hull (Andrew's monotone chain), points on its edges left out. `points`
/// ascend and differ.
pub(super) fn hull(points: &[Point]) -> Vec<Point> {
    if points.len() < 3 {
        return points.to_vec();
    }
    let mut corners: Vec<Point> = Vec::new();
    for back in [false, true] {
        let start = corners.len();
        let mut add = |p: Point| {
            while corners.len() >= start + 2
                && !turns_left(corners[corners.len() - 2], corners[corners.len() - 1], p)
            {
                corners.pop();
            }
            corners.push(p);
        };
        if back {
            points.iter().rev().for_each(|&p| add(p));
        } else {
            points.iter().for_each(|&p| add(p));
        }
        // The last point of one chain is the first of the other.
        corners.pop();
    }
    corners
}

fn turns_left(a: Point, b: Point, c: Point) -> bool {
    let d = |p: Point, k: usize| i64::from(p[k]) - i64::from(a[k]);
    d(b, 0) * d(c, 1) - d(b, 1) * d(c, 0) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_of_a_square_with_points_inside_and_on_its_edges() {
        let points: Vec<Point> = (0..25).map(|k| [k / 5, k % 5]).collect();
        let mut corners = hull(&points);
        corners.sort_unstable();
        assert_eq!(corners, [[0, 0], [0, 4], [4, 0], [4, 4]]);
        assert_eq!(hull(&[[0, 0], [1, 1], [2, 2]]), [[0, 0], [2, 2]]);
        assert_eq!(hull(&[[3, 3]]), [[3, 3]]);
    }
}
