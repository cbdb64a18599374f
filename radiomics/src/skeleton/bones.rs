//! Bones by name: the labels of a TotalSegmentator map (task "total", version 2).
//!
//! Wasserthal et al., Radiology: Artificial Intelligence 5 (2023), doi:10.1148/ryai.230024; numbers from
//! the class table of its README.

use std::fmt;
use std::str::FromStr;

use crate::error::RadiomicsError;
use crate::image::Labels;

/// Bones that are looked at together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Vertebrae.
    Spine,
    /// Ribs.
    Ribs,
    /// Sacrum and hip bones.
    Pelvis,
    /// Skull.
    Skull,
    /// Sternum.
    Sternum,
    /// Scapulae and clavicles.
    Girdle,
    /// Humeri and femora.
    Limbs,
}

const GROUPS: [(Group, &str); 7] = [
    (Group::Spine, "spine"),
    (Group::Ribs, "ribs"),
    (Group::Pelvis, "pelvis"),
    (Group::Skull, "skull"),
    (Group::Sternum, "sternum"),
    (Group::Girdle, "girdle"),
    (Group::Limbs, "limbs"),
];

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = GROUPS.iter().find(|(group, _)| group == self).map_or("", |(_, name)| *name);
        f.write_str(name)
    }
}

impl FromStr for Group {
    type Err = RadiomicsError;

    fn from_str(text: &str) -> Result<Self, RadiomicsError> {
        let known = || GROUPS.map(|(_, name)| name).join(", ");
        let found = GROUPS.iter().find(|(_, name)| *name == text).map(|(group, _)| *group);
        found.ok_or_else(|| RadiomicsError::setting("groups", text, format!("one of {}", known())))
    }
}

/// A bone of the label map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bone {
    /// Its number in the map.
    pub label: u16,
    /// Its name there.
    pub name: String,
    /// Its group.
    pub group: Group,
}

/// The 62 bones of the map, in order of their labels.
pub fn bones() -> Vec<Bone> {
    let bone = |label: u16, name: String, group: Group| Bone { label, name, group };
    let mut all =
        vec![bone(25, "sacrum".into(), Group::Pelvis), bone(26, "vertebrae_S1".into(), Group::Spine)];
    let levels =
        [('L', 5), ('T', 12), ('C', 7)].into_iter().flat_map(|(c, n)| (1..=n).rev().map(move |k| (c, k)));
    all.extend(
        (27..).zip(levels).map(|(label, (c, k))| bone(label, format!("vertebrae_{c}{k}"), Group::Spine)),
    );
    let paired = [("humerus", Group::Limbs), ("scapula", Group::Girdle), ("clavicula", Group::Girdle)];
    let paired = paired.into_iter().chain([("femur", Group::Limbs), ("hip", Group::Pelvis)]);
    let sides =
        paired.flat_map(|(name, group)| ["left", "right"].map(|side| (format!("{name}_{side}"), group)));
    all.extend((69..).zip(sides).map(|(label, (name, group))| bone(label, name, group)));
    all.push(bone(91, "skull".into(), Group::Skull));
    let ribs =
        ["left", "right"].into_iter().flat_map(|side| (1..=12).map(move |k| format!("rib_{side}_{k}")));
    all.extend((92..).zip(ribs).map(|(label, name)| bone(label, name, Group::Ribs)));
    all.push(bone(116, "sternum".into(), Group::Sternum));
    all
}

impl Labels {
    /// Only the bones of a TotalSegmentator map, each under its own number; all of them, or those of
    /// `groups`.
    ///
    /// # Errors
    /// If none of them is there.
    pub fn of_bones(mut self, groups: &[Group]) -> Result<Self, RadiomicsError> {
        let mut kept = vec![false; usize::from(u16::MAX) + 1];
        let wanted = bones().into_iter().filter(|b| groups.is_empty() || groups.contains(&b.group));
        wanted.for_each(|b| kept[usize::from(b.label)] = true);
        self.values.iter_mut().filter(|label| !kept[usize::from(**label)]).for_each(|label| *label = 0);
        if self.values.iter().all(|label| *label == 0) {
            let reason =
                "the label map holds no such bone; is it of the task \"total\", version 2?".to_owned();
            return Err(RadiomicsError::Region { label: "skeleton".into(), reason });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Geometry;

    #[test]
    fn the_table_has_the_numbers_of_the_map() {
        let all = bones();
        let name = |label| all.iter().find(|b| b.label == label).map(|b| b.name.as_str());
        // From the class table of TotalSegmentator's README.
        for (label, expected) in [
            (25, "sacrum"),
            (27, "vertebrae_L5"),
            (31, "vertebrae_L1"),
            (32, "vertebrae_T12"),
            (43, "vertebrae_T1"),
            (44, "vertebrae_C7"),
            (50, "vertebrae_C1"),
            (69, "humerus_left"),
            (72, "scapula_right"),
            (73, "clavicula_left"),
            (76, "femur_right"),
            (78, "hip_right"),
            (91, "skull"),
            (92, "rib_left_1"),
            (103, "rib_left_12"),
            (104, "rib_right_1"),
            (115, "rib_right_12"),
            (116, "sternum"),
        ] {
            assert_eq!(name(label), Some(expected));
        }
        assert_eq!((all.len(), name(51), name(117)), (62, None, None));
        assert!(all.windows(2).all(|w| w[0].label < w[1].label));
    }

    #[test]
    fn groups_choose_bones_and_organs_go() {
        let map = |values: &[u16]| Labels {
            geometry: Geometry::aligned([values.len(), 1, 1], [1.0; 3]),
            values: values.to_vec(),
        };
        let all = map(&[0, 5, 27, 78, 92]).of_bones(&[]).expect("bones");
        assert_eq!(all.values, [0, 0, 27, 78, 92]);
        let some = map(&[0, 5, 27, 78, 92]).of_bones(&["spine".parse().expect("a group"), Group::Ribs]);
        assert_eq!(some.expect("bones").values, [0, 0, 27, 0, 92]);
        assert!(map(&[5, 51]).of_bones(&[]).is_err());
        assert!("Spine".parse::<Group>().is_err());
    }
}
