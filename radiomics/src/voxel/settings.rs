//! Parameters of maps, by PyRadiomics' names (`voxelSetting`).

use serde_json::Value;

use crate::error::RadiomicsError;

/// Parameters of maps; the defaults are PyRadiomics'.
#[derive(Debug, Clone, PartialEq)]
pub struct VoxelSettings {
    /// `kernelRadius`: voxels from a voxel to the border of its neighbourhood.
    pub kernel_radius: u32,
    /// `maskedKernel`: whether neighbourhoods end where the region does.
    pub masked_kernel: bool,
    /// `initValue`: the value of voxels outside the region.
    pub init_value: f64,
}

impl Default for VoxelSettings {
    fn default() -> Self {
        Self { kernel_radius: 1, masked_kernel: true, init_value: 0.0 }
    }
}

impl VoxelSettings {
    /// The names of the parameters. `voxelBatch` changes no value: memory does not grow with the number
    /// of voxels at work.
    pub(crate) const KEYS: [&str; 4] = ["kernelRadius", "maskedKernel", "initValue", "voxelBatch"];

    /// Sets a parameter of [`Self::KEYS`].
    ///
    /// # Errors
    /// If the value is out of range.
    pub(crate) fn set(&mut self, key: &str, value: &Value) -> Result<(), RadiomicsError> {
        let wrong = |range: &str| RadiomicsError::setting(key, value, range);
        match key {
            "kernelRadius" => {
                let radius = value.as_u64().filter(|r| (1..=50).contains(r));
                self.kernel_radius = radius.ok_or_else(|| wrong("an integer from 1 to 50"))? as u32;
            }
            "maskedKernel" => {
                self.masked_kernel = value.as_bool().ok_or_else(|| wrong("true or false"))?;
            }
            "initValue" => {
                // YAML's .nan arrives as text, since JSON has no such number.
                let nan = value.as_str().filter(|t| t.eq_ignore_ascii_case("nan")).map(|_| f64::NAN);
                self.init_value = value.as_f64().or(nan).ok_or_else(|| wrong("a number, or nan"))?;
            }
            _ => {
                value
                    .as_i64()
                    .filter(|n| *n == -1 || *n > 0)
                    .ok_or_else(|| wrong("-1 or an integer above 0"))?;
            }
        }
        Ok(())
    }
}
