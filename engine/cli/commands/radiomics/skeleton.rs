//! `osteon radiomics skeleton`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{ArgAction, Args};
use osteon_core::ExitCode;
use osteon_imaging::{Window, overview};
use osteon_radiomics::skeleton::{Group, PARAMETERS, Settings, bones, segment};
use osteon_radiomics::{Image, Labels};
use osteon_study::watch::Watch;
use osteon_table::{Column, Table};
use serde_json::json;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("from").required(true).args(["ct", "label_map", "parameters"]))]
pub struct Skeleton {
    /// CT in Hounsfield units: .nii, .nii.gz, .nrrd, .nhdr, or a folder with a DICOM series
    #[arg(long, value_name = "FILE", requires = "out")]
    pub ct: Option<PathBuf>,
    /// Label map of TotalSegmentator (task "total", version 2), the better way where there is one
    #[arg(long, value_name = "FILE", requires = "out")]
    pub label_map: Option<PathBuf>,
    /// Bones of the map to take [default: all]: spine, ribs, pelvis, skull, sternum, girdle, limbs
    #[arg(long, value_name = "GROUPS", value_delimiter = ',', requires = "label_map")]
    pub groups: Vec<Group>,
    #[arg(help = "Set a parameter of the segmentation, such as closing=8; may be repeated")]
    #[arg(long, value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub set: Vec<String>,
    /// Image on whose grid the mask is written: a voxel belongs to it if half of it or more does
    #[arg(long, value_name = "FILE")]
    pub like: Option<PathBuf>,
    /// Picture to write: greatest values of the image and outline of the mask in three planes
    #[arg(long, value_name = "PNG")]
    pub overview: Option<PathBuf>,
    /// Print the parameters with their defaults and reasons
    #[arg(long)]
    pub parameters: bool,
    /// Mask to write: .nii or .nii.gz
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub voice: Voice,
}

impl Skeleton {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let Some(out) = &self.out else { return self.list(talk) };
        let mut settings = Settings::default();
        self.set.iter().try_for_each(|text| settings.assign(text))?;
        let like = self.like.as_ref().map(|path| Image::read(path)).transpose()?;

        let mut record = json!({ "mask": out });
        let mut text = String::new();
        let (mask, seen) = match (&self.label_map, &self.ct) {
            (Some(map), _) => (Labels::read(map)?.of_bones(&self.groups)?, None),
            (None, Some(path)) => {
                let ct = Image::read(path)?;
                let found = segment(&ct, &settings)?;
                if found.truncated {
                    talk.warn("the body is cut off at a side of the image; bones may be missing");
                }
                let v = found.volumes;
                record["volumes_ml"] = json!({
                    "body": v.body, "implants": v.implants, "contrast": v.contrast, "skeleton": v.skeleton,
                });
                let _ = writeln!(
                    text,
                    "  body {:.0} ml, skeleton {:.0} ml; left out: implants {:.1} ml, contrast agent {:.1} ml",
                    v.body, v.skeleton, v.implants, v.contrast
                );
                (found.mask, Some(ct))
            }
            (None, None) => return Ok(ExitCode::Usage),
        };
        let mask = match &like {
            Some(image) => mask.by_volume(&image.geometry),
            None => mask,
        };
        let voxels = mask.values.iter().filter(|l| **l > 0).count();
        record["voxels"] = json!(voxels);
        if let Some(picture) = &self.overview {
            let (image, window) = match (&like, &seen) {
                (Some(image), _) => (image, Window::SUV),
                (None, Some(ct)) => (ct, Window::BONE),
                (None, None) => {
                    let hint = Some("add --like PET".to_owned());
                    let message = "a picture of a label map needs an image".to_owned();
                    return Err(CommandError::Plain(message, ExitCode::Usage, hint));
                }
            };
            overview(image, &mask, window).write(picture)?;
        }
        mask.write_nifti(out)?;
        if self.label_map.is_some() {
            let there = |label: u16| mask.values.contains(&label);
            let there: Vec<_> = bones().into_iter().filter(|b| there(b.label)).collect();
            let names = out.with_extension("").with_extension("labels.csv");
            let columns = vec![
                Column::ints("Label", there.iter().map(|b| i64::from(b.label))),
                Column::texts("Name", there.iter().map(|b| &b.name)),
                Column::texts("Group", there.iter().map(|b| b.group.to_string())),
            ];
            osteon_table::write(&names, &Table::new(&names, columns)?)?;
            let _ = writeln!(text, "  {} bones, named in {}", there.len(), names.display());
        }
        talk.result(&record, &format!("{}: {voxels} voxels\n{text}", out.display()))?;
        Ok(ExitCode::Ok)
    }

    fn list(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let mut text = String::new();
        for p in PARAMETERS {
            let _ = writeln!(text, "{:<14} {:>6} {:<4} {}", p.name, p.default, p.unit, p.why);
        }
        let record = PARAMETERS.map(|p| {
            json!({ "name": p.name, "default": p.default, "unit": p.unit, "range": p.range, "why": p.why })
        });
        talk.result(&record, &text)?;
        Ok(ExitCode::Ok)
    }
}
