//! Values at places as a picture.

use crate::png::Raster;

/// Pixels of the longer side, about.
const SIDE: f64 = 800.0;
/// Dark to bright, of the colour map viridis (van der Walt and Smith, 2015).
const COLOURS: [[f64; 3]; 5] =
    [[68.0, 1.0, 84.0], [59.0, 82.0, 139.0], [33.0, 145.0, 140.0], [94.0, 201.0, 98.0], [253.0, 231.0, 37.0]];
/// Where there is no tile.
const NOWHERE: [u8; 3] = [255; 3];

/// Tiles at their places (upper left corners, in any unit), dark for 0 and bright for the largest value. The side of a
/// tile is the least distance between two along an axis. `None` without places.
///
/// # Panics
/// If there are not as many values as places.
pub fn heat_map(places: &[[f64; 2]], values: &[f64]) -> Option<Raster> {
    assert_eq!(places.len(), values.len(), "a value per place");
    let axis = |k: usize| {
        let mut along: Vec<f64> = places.iter().map(|p| p[k]).filter(|x| x.is_finite()).collect();
        along.sort_by(f64::total_cmp);
        along.dedup();
        along
    };
    let axes = [axis(0), axis(1)];
    let [(left, right), (top, bottom)] =
        [(axes[0].first()?, axes[0].last()?), (axes[1].first()?, axes[1].last()?)];
    let extent = (right - left).max(bottom - top);
    // Places that differ by less than can be shown, such as rounded ones, are one.
    let apart = axes.iter().flat_map(|a| a.windows(2)).map(|w| w[1] - w[0]).filter(|d| *d > extent / SIDE);
    let side = apart.fold(f64::INFINITY, f64::min);
    let side = if side.is_finite() { side } else { extent.max(1.0) };
    let scale = (SIDE / (extent / side + 1.0)).round().max(1.0);
    let pixel = |x: f64, from: f64| ((x - from) / side * scale).round() as usize;
    let cell = scale as usize;
    let mut picture = Raster::new(pixel(*right, *left) + cell, pixel(*bottom, *top) + cell, NOWHERE);
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    for (place, value) in places.iter().zip(values).filter(|(p, _)| p.iter().all(|x| x.is_finite())) {
        let tile = Raster::new(cell, cell, colour(value / most));
        picture.lay(&tile, pixel(place[0], *left), pixel(place[1], *top));
    }
    Some(picture)
}

/// The colour of a share from 0 to 1.
fn colour(share: f64) -> [u8; 3] {
    let at = share.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
    let low = (at as usize).min(COLOURS.len() - 2);
    let part = at - low as f64;
    std::array::from_fn(|k| (COLOURS[low][k] + part * (COLOURS[low + 1][k] - COLOURS[low][k])).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_lie_where_they_are() {
        // Three tiles of side 256, one of them below the first.
        let places = [[1000.0, 500.0], [1256.0, 500.0], [1000.0, 756.0]];
        let picture = heat_map(&places, &[0.0, 0.5, 1.0]).expect("places");
        let at = |x: usize, y: usize| {
            let k = 3 * (y * picture.width + x);
            [picture.pixels[k], picture.pixels[k + 1], picture.pixels[k + 2]]
        };
        let (right, bottom) = (picture.width - 1, picture.height - 1);
        assert_eq!((picture.width, picture.height), (800, 800));
        assert_eq!(at(0, 0), [68, 1, 84]);
        assert_eq!(at(right, 0), [33, 145, 140]);
        assert_eq!(at(0, bottom), [253, 231, 37]);
        assert_eq!(at(right, bottom), NOWHERE);
    }

    #[test]
    fn one_tile_and_none() {
        assert_eq!(heat_map(&[], &[]), None);
        let one = heat_map(&[[3.0, 4.0]], &[0.2]).expect("a place");
        assert_eq!(one.pixels[..3], [253, 231, 37]);
    }
}
