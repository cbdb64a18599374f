//! The skeleton in the four STS CTs: crops round a tumour in the thigh (001), the buttock (002, 003) and
//! the arm with the chest beside it (005). All but 001 hold a table.

use std::io::{self, Write};

use osteon_radiomics::Image;
use osteon_radiomics::skeleton::{Settings, segment};

use super::data;

/// Of each CT the volume in ml that its bones can have, judged by eye: voxels from 130 HU on and marrow.
/// In 005, without the rim of an arm beyond the field of view, which thresholds alone would add (563 ml).
const VOLUMES: [(&str, [f64; 2]); 4] =
    [("001", [300.0, 400.0]), ("002", [180.0, 245.0]), ("003", [120.0, 200.0]), ("005", [150.0, 250.0])];

#[test]
fn bones_of_real_cts_have_their_volume_and_hold_no_air() {
    let Some(root) = data::folder() else { return };
    for (name, [low, high]) in VOLUMES {
        let ct = Image::read(&root.join(format!("ibsi_sts_pet/STS_{name}_CT_image.nii.gz"))).expect("a CT");
        let found = segment(&ct, &Settings::default()).expect("a skeleton");
        let _ = writeln!(io::stderr(), "STS_{name}: {:?}", found.volumes);
        let inside = || (0..found.mask.values.len()).filter(|&i| found.mask.values[i] > 0);
        let air = inside().filter(|&i| ct.samples.get(i) < -400.0).count();
        let volume = found.volumes.skeleton;
        assert!((low..high).contains(&volume), "STS_{name}: {volume} ml");
        assert_eq!(air, 0, "STS_{name}: voxels of air");
        // Crops: the body goes on beyond them.
        assert!(found.truncated, "STS_{name}");
    }
}
