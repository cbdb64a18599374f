//! What decides which voxels of a CT are bone.

use osteon_core::names::nearest;

use crate::error::RadiomicsError;

/// A parameter: its name, unit, default, range, and where the default comes from.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name in `--set`.
    pub name: &'static str,
    /// Unit of its value.
    pub unit: &'static str,
    /// Its value unless another is set.
    pub default: f64,
    /// Least and greatest value.
    pub range: [f64; 2],
    /// What it does, and the reason for the default.
    pub why: &'static str,
}

const fn parameter(
    name: &'static str,
    unit: &'static str,
    default: f64,
    range: [f64; 2],
    why: &'static str,
) -> Parameter {
    Parameter { name, unit, default, range, why }
}

/// Every parameter of [`super::segment`], in the order of the steps.
pub const PARAMETERS: [Parameter; 18] = [
    parameter(
        "bodyHU",
        "HU",
        -400.0,
        [-1000.0, 100.0],
        "body from here on; between air and lung (-850) and fat (-100)",
    ),
    parameter(
        "bodyOpening",
        "mm",
        8.0,
        [0.0, 50.0],
        "thinner things at the body are no body: the shell of a table is 2-5 mm thick",
    ),
    parameter("bodyVolume", "ml", 20.0, [0.0, 1e5], "smaller parts are no body"),
    parameter(
        "implantHU",
        "HU",
        2500.0,
        [1000.0, 30000.0],
        "metal from here on; cortical bone stays below 2000, enamel below 3000",
    ),
    parameter(
        "implantMargin",
        "mm",
        3.0,
        [0.0, 50.0],
        "taken away round metal, where streaks make values meaningless",
    ),
    parameter(
        "boneHU",
        "HU",
        130.0,
        [0.0, 2000.0],
        "bone from here on; published limits are 100 to 150 with marrow, 200 to 300 for cortex",
    ),
    parameter(
        "smoothing",
        "mm",
        1.5,
        [0.0, 10.0],
        "radius of the disk whose mean is bone too: without it, noise of the STS CTs joined muscle to bone",
    ),
    parameter("seedHU", "HU", 200.0, [0.0, 2000.0], "a part of the bone has a voxel from here on"),
    parameter("coreDepth", "mm", 4.0, [0.0, 50.0], "how deep the core of a part lies"),
    parameter(
        "coreRatio",
        "1",
        1.0,
        [0.0, 100.0],
        "a part whose core has this many times the mean of its shell is contrast: bone is dense outside",
    ),
    parameter(
        "coreSpread",
        "1",
        0.25,
        [0.0, 100.0],
        "contrast is even: deviation of its core over the mean, 0.34 to 0.64 in bones of the STS CTs",
    ),
    parameter(
        "edgeDepth",
        "mm",
        30.0,
        [0.0, 100.0],
        "how far inside the circle of reconstruction a body that it cuts off is too bright (STS_005); 0: no rule",
    ),
    parameter("edgeHU", "HU", 500.0, [0.0, 3000.0], "bone from here on within that depth: cortex, not rim"),
    parameter(
        "edgeLost",
        "mm",
        10.0,
        [0.0, 100.0],
        "nothing is bone so near to a circle that cuts the body off",
    ),
    parameter(
        "closing",
        "mm",
        6.0,
        [0.0, 50.0],
        "gaps of the cortex up to twice this are bridged: vessels, thin and eaten bone",
    ),
    parameter(
        "hole",
        "mm2",
        1200.0,
        [0.0, 1e5],
        "holes of a slice up to this area are filled: marrow, lesions (and the spinal canal)",
    ),
    parameter("partVolume", "ml", 0.3, [0.0, 1e5], "smaller parts are calcifications or noise"),
    parameter(
        "dilate",
        "mm",
        0.0,
        [0.0, 50.0],
        "added round the skeleton; published spine masks were dilated",
    ),
];

/// Values of the [`PARAMETERS`].
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    values: [f64; PARAMETERS.len()],
}

impl Default for Settings {
    fn default() -> Self {
        Self { values: PARAMETERS.map(|p| p.default) }
    }
}

impl Settings {
    /// Sets a parameter from `name=value`.
    ///
    /// # Errors
    /// If there is no such parameter, or the value is outside its range.
    pub fn assign(&mut self, text: &str) -> Result<(), RadiomicsError> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let (name, value) = (name.trim(), value.trim());
        let Some(k) = PARAMETERS.iter().position(|p| p.name == name) else {
            let nearest = nearest(name, PARAMETERS.iter().map(|p| p.name)).map(ToOwned::to_owned);
            return Err(RadiomicsError::UnknownKey { key: name.to_owned(), nearest });
        };
        let [low, high] = PARAMETERS[k].range;
        let number = value.parse().ok().filter(|x| (low..=high).contains(x));
        let range = || format!("a number from {low} to {high} {}", PARAMETERS[k].unit);
        self.values[k] = number.ok_or_else(|| RadiomicsError::setting(name, value, range()))?;
        Ok(())
    }

    /// The value of a parameter.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn get(&self, name: &str) -> f64 {
        let k = PARAMETERS.iter().position(|p| p.name == name);
        self.values[k.expect("a name of PARAMETERS")]
    }

    /// All of them as `name=value`.
    pub fn list(&self) -> impl Iterator<Item = String> + '_ {
        PARAMETERS.iter().zip(&self.values).map(|(p, v)| format!("{}={v}", p.name))
    }
}
