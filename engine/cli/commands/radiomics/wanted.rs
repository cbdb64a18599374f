//! What is computed of regions, for every verb that computes features.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use osteon_radiomics::{Params, Profile};

use crate::failure::CommandError;

/// Features and their parameters.
#[derive(Debug, Args)]
pub struct Wanted {
    /// Add a row for the union of the labels
    #[arg(long)]
    pub whole: bool,
    /// Parameter file of PyRadiomics (.yaml)
    #[arg(long, value_name = "FILE")]
    pub params: Option<PathBuf>,
    #[arg(
        help = "Set a parameter of the features, such as binWidth=0.25 or distances=[1,2]; may be repeated"
    )]
    #[arg(long, value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub set: Vec<String>,
    /// Conventions of binning and resampling: pyradiomics or ibsi
    #[arg(long, value_name = "NAME", default_value = "pyradiomics")]
    pub profile: Profile,
    /// Add SUVmax, SUVmean, SUVpeak, metabolic volume and lesion glycolysis (columns pet_*)
    #[arg(long)]
    pub pet: bool,
}

impl Wanted {
    /// The parameters, checked.
    pub fn params(&self) -> Result<Params, CommandError> {
        let mut params = match &self.params {
            Some(path) => Params::read(path)?,
            None => Params::default(),
        };
        self.set.iter().try_for_each(|text| params.assign(text))?;
        params.settings.profile = self.profile;
        params.pet = self.pet;
        params.settings.check()?;
        Ok(params)
    }
}
