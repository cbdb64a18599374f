//! The skeleton of planted bodies: what is found, what is lost, what is kept out.
//!
//! `cargo test --release -p osteon-radiomics --test skeleton -- --nocapture` prints the part of each
//! planted thing that is in the mask.

use std::io::{self, Write};

use osteon_core::rng::{Purpose, Stream};
use osteon_radiomics::skeleton::{Settings, Skeleton, segment};
use osteon_radiomics::{Geometry, Image, Samples};

const SPACING: [f64; 3] = [1.25, 1.25, 3.0];
const SIZE: [usize; 3] = [248, 176, 36];

/// A thing in the body: where it is, and its value there.
type Thing = Box<dyn Fn([f64; 3]) -> Option<f64>>;

/// A body of 120 x 80 mm radii with a spine of radius 20 mm, two long bones and two ribs on a table;
/// later things lie over earlier ones. Places are in mm from the middle, y towards the back.
struct Body {
    things: Vec<Thing>,
    noise: f64,
}

fn place(i: usize) -> [f64; 3] {
    let at = [i % SIZE[0], i / SIZE[0] % SIZE[1], i / (SIZE[0] * SIZE[1])];
    std::array::from_fn(|k| (at[k] as f64 + 0.5 - SIZE[k] as f64 / 2.0) * SPACING[k])
}

/// A rod along z: a shell over a core.
fn rod(x: f64, y: f64, radius: f64, shell: (f64, f64), core: f64) -> Thing {
    Box::new(move |p| {
        let r = (p[0] - x).hypot(p[1] - y);
        (r < radius).then_some(if r > radius - shell.0 { shell.1 } else { core })
    })
}

fn ball(at: [f64; 3], radius: f64, value: f64) -> Thing {
    Box::new(move |p| inside(p, at, radius).then_some(value))
}

fn inside(p: [f64; 3], at: [f64; 3], radius: f64) -> bool {
    (0..3).map(|k| (p[k] - at[k]).powi(2)).sum::<f64>() < radius * radius
}

impl Body {
    /// With a spine of this cortex and marrow.
    fn new(cortex: f64, marrow: f64) -> Self {
        let trunk: Thing = Box::new(|p| ((p[0] / 120.0).hypot(p[1] / 80.0) < 1.0).then_some(45.0));
        let lung: Thing =
            Box::new(|p| inside([p[0], p[1], 0.0], [-55.0, -15.0, 0.0], 28.0).then_some(-850.0));
        // A bent shell of carbon fibre under a mattress.
        let table: Thing =
            Box::new(|p| (100.0..103.5).contains(&(p[1] + p[0] * p[0] / 900.0)).then_some(180.0));
        let rib = |side: f64| -> Thing {
            Box::new(move |p| {
                let away = ((p[0] / 105.0).hypot(p[1] / 66.0) - 1.0) * 80.0;
                let here = p[0] * side > 20.0 && p[1] < 30.0 && (p[2] - 0.2 * p[1]).hypot(away) < 5.5;
                here.then_some(if (p[2] - 0.2 * p[1]).hypot(away) > 3.5 { 500.0 } else { 180.0 })
            })
        };
        let things =
            vec![trunk, lung, table, rib(-1.0), rib(1.0), rod(0.0, 45.0, 20.0, (2.2, cortex), marrow)];
        Self { things, noise: 18.0 }
    }

    fn with(mut self, thing: Thing) -> Self {
        self.things.push(thing);
        self
    }

    fn image(&self) -> Image {
        let geometry = Geometry::aligned(SIZE, SPACING);
        let mut noise = Stream::new(11, Purpose::Synthetic, 0);
        let value = |i: usize| self.things.iter().rev().find_map(|thing| thing(place(i))).unwrap_or(-1000.0);
        let samples =
            (0..geometry.voxels()).map(|i| (value(i) + self.noise * noise.normal()) as i16).collect();
        Image { geometry, samples: Samples::I16(samples) }
    }

    fn skeleton(&self, set: &[&str]) -> Skeleton {
        let mut settings = Settings::default();
        set.iter().for_each(|text| settings.assign(text).expect("a parameter"));
        segment(&self.image(), &settings).expect("a skeleton")
    }
}

/// Part of the voxels at places of which `of` holds that are in the mask.
fn kept(what: &str, skeleton: &Skeleton, of: impl Fn([f64; 3]) -> bool) -> f64 {
    let of: Vec<usize> = (0..skeleton.mask.values.len()).filter(|&i| of(place(i))).collect();
    let kept = of.iter().filter(|&&i| skeleton.mask.values[i] > 0).count() as f64 / of.len() as f64;
    let _ = writeln!(io::stderr(), "{what}: {:.1} % in the mask", 100.0 * kept);
    kept
}

fn spine(p: [f64; 3]) -> bool {
    p[0].hypot(p[1] - 45.0) < 20.0
}

#[test]
fn bones_are_found_and_the_rest_is_not() {
    let skeleton = Body::new(550.0, 170.0).skeleton(&[]);
    assert!(kept("healthy spine", &skeleton, spine) > 0.99);
    assert!(
        kept("ribs", &skeleton, |p| p[0].abs() > 30.0 && p[1] < 20.0 && {
            let away = ((p[0] / 105.0).hypot(p[1] / 66.0) - 1.0) * 80.0;
            (p[2] - 0.2 * p[1]).hypot(away) < 5.0
        }) > 0.97
    );
    assert_eq!(kept("table", &skeleton, |p| p[1] + p[0] * p[0] / 900.0 > 98.0), 0.0);
    assert!(kept("lung", &skeleton, |p| inside([p[0], p[1], 0.0], [-55.0, -15.0, 0.0], 26.0)) < 0.001);
    assert!(kept("soft tissue", &skeleton, |p| p[0].abs() < 80.0 && p[1].abs() < 15.0) < 0.001);
    let volumes = skeleton.volumes;
    let body = std::f64::consts::PI * 120.0 * 80.0 * 108.0 / 1000.0;
    assert!((volumes.body / body - 1.0).abs() < 0.02, "{} ml of {body}", volumes.body);
    assert_eq!((volumes.implants, skeleton.truncated), (0.0, false));
}

#[test]
fn lytic_lesions_inside_the_bone_are_kept() {
    let at = [3.0, 45.0, 5.0];
    let lesion = move |p| inside(p, at, 12.0);
    let skeleton = Body::new(550.0, 170.0).with(ball(at, 12.0, 40.0)).skeleton(&[]);
    assert!(kept("lytic lesion of 24 mm inside a vertebra", &skeleton, lesion) > 0.99);
    let none = Body::new(550.0, 170.0).with(ball(at, 12.0, 40.0)).skeleton(&["closing=0", "hole=0"]);
    assert!(kept("the same by thresholds alone", &none, lesion) < 0.05);
}

#[test]
fn a_lesion_through_the_cortex_is_kept_in_part() {
    // Half of it lies outside the vertebra, and 14 mm of cortex are gone.
    let at = [20.0, 45.0, 0.0];
    let body = || Body::new(550.0, 170.0).with(ball(at, 10.0, 40.0));
    let lesion = move |p| inside(p, at, 10.0) && spine(p);
    let closed = kept("lesion through the cortex, the part within the bone", &body().skeleton(&[]), lesion);
    let alone = body().skeleton(&["closing=0", "hole=0"]);
    assert!(closed > 0.6 && kept("the same by thresholds alone", &alone, lesion) < 0.05, "{closed}");
}

#[test]
fn osteopenic_bone_is_found_by_its_thin_cortex() {
    let skeleton = Body::new(260.0, 60.0).skeleton(&[]);
    assert!(kept("osteopenic spine", &skeleton, spine) > 0.97);
}

#[test]
fn contrast_agent_is_no_bone_unless_it_touches_one() {
    let vessel = |p: [f64; 3]| (p[0] - 10.0).hypot(p[1] - 6.0) < 12.0;
    let aorta = || rod(10.0, 6.0, 12.0, (0.0, 0.0), 320.0);
    let skeleton = Body::new(550.0, 170.0).with(aorta()).skeleton(&[]);
    assert!(kept("aorta with contrast agent", &skeleton, vessel) < 0.01);
    assert!(skeleton.volumes.contrast > 40.0);
    assert!(kept("the spine beside it", &skeleton, spine) > 0.99);
    // It is the rule that keeps it out.
    let without = Body::new(550.0, 170.0).with(aorta()).skeleton(&["coreRatio=100"]);
    assert!(kept("the same without the rule", &without, vessel) > 0.9);
}

#[test]
fn arms_beside_the_body_belong_to_it() {
    let arm = |side: f64| -> Thing {
        Box::new(move |p| ((p[0] - side * 138.0).hypot(p[1]) < 16.0).then_some(45.0))
    };
    let bone = |side: f64| rod(side * 138.0, 0.0, 8.0, (3.0, 900.0), -20.0);
    let body = Body::new(550.0, 170.0).with(arm(-1.0)).with(arm(1.0)).with(bone(-1.0)).with(bone(1.0));
    let skeleton = body.skeleton(&[]);
    assert!(kept("bones of the arms", &skeleton, |p| (p[0].abs() - 138.0).hypot(p[1]) < 8.0) > 0.98);
    assert!(!skeleton.truncated);
}

#[test]
fn a_prosthesis_is_taken_out_and_bone_beside_it_stays() {
    let at = [-60.0, 30.0, 0.0];
    let bone = rod(at[0], at[1], 18.0, (3.0, 800.0), 150.0);
    let body = Body::new(550.0, 170.0).with(bone).with(ball(at, 11.0, 6000.0));
    let skeleton = body.skeleton(&[]);
    assert_eq!(kept("metal", &skeleton, move |p| inside(p, at, 11.0)), 0.0);
    assert!(
        kept("bone round it", &skeleton, move |p| {
            (p[0] - at[0]).hypot(p[1] - at[1]) < 17.5 && !inside(p, at, 15.5)
        }) > 0.98
    );
    let volume = 4.0 / 3.0 * std::f64::consts::PI * 11.0f64.powi(3) / 1000.0;
    assert!((skeleton.volumes.implants / volume - 1.0).abs() < 0.05, "{}", skeleton.volumes.implants);
}

#[test]
fn a_truncated_body_is_said_to_be_one() {
    let wide: Thing = Box::new(|p| (p[1].abs() < 60.0).then_some(45.0));
    let mut body = Body::new(550.0, 170.0);
    body.things.insert(0, wide);
    let skeleton = body.skeleton(&[]);
    assert!(skeleton.truncated);
    assert!(kept("spine of a truncated body", &skeleton, spine) > 0.99);
}

/// An image whose body goes on beyond a circle of 130 mm round the middle, bright inside it: values of
/// rim that fall off by a third every 6 mm, as in STS_005.
fn cut_by_the_circle(bone: Thing) -> Image {
    let wide: Thing = Box::new(|p| (p[1].abs() < 60.0).then_some(45.0));
    let mut body = Body::new(550.0, 170.0).with(bone);
    body.things.insert(0, wide);
    let mut image = body.image();
    let Samples::I16(values) = &mut image.samples else { return image };
    for (i, value) in values.iter_mut().enumerate() {
        let p = place(i);
        let depth = 130.0 - p[0].hypot(p[1]);
        *value = match depth {
            d if d < 0.0 => -2000,
            d if *value > -400 => *value + (1000.0 * (-d / 6.0).exp()) as i16,
            _ => *value,
        };
    }
    image
}

#[test]
fn a_rim_at_the_edge_of_the_field_of_view_is_no_bone() {
    // A long bone whose wall lies 15 to 35 mm inside the circle.
    let (x, y, radius) = (105.0, 0.0, 10.0);
    let image = cut_by_the_circle(rod(x, y, radius, (4.0, 1200.0), 20.0));
    let rim = |p: [f64; 3]| p[1].abs() < 55.0 && (118.0..130.0).contains(&p[0].hypot(p[1]));
    let of = |set: &str| {
        let mut settings = Settings::default();
        settings.assign(set).expect("a parameter");
        segment(&image, &settings).expect("a skeleton")
    };
    let skeleton = of("edgeDepth=30");
    assert!(kept("rim at the edge of the field of view", &skeleton, rim) < 0.01);
    assert!(kept("long bone near the rim", &skeleton, |p| (p[0] - x).hypot(p[1] - y) < radius - 1.0) > 0.97);
    assert!(kept("spine of that body", &skeleton, spine) > 0.99);
    assert!(kept("the rim without the rule", &of("edgeDepth=0"), rim) > 0.5);
}

#[test]
fn bone_under_the_skin_stays_where_air_is_one_value() {
    let shin = rod(-95.0, 0.0, 14.0, (3.0, 450.0), 60.0);
    let mut image = Body::new(550.0, 170.0).with(shin).image();
    let Samples::I16(values) = &mut image.samples else { panic!("integers") };
    values.iter_mut().filter(|v| **v < -700).for_each(|v| *v = -1024);
    let skeleton = segment(&image, &Settings::default()).expect("a skeleton");
    assert!(kept("bone under the skin", &skeleton, |p| (p[0] + 95.0).hypot(p[1]) < 13.0) > 0.98);
}

#[test]
fn what_is_no_ct_is_refused() {
    let geometry = Geometry::aligned([20, 20, 20], [3.0; 3]);
    let of = |value: f32| Image { geometry: geometry.clone(), samples: Samples::F32(vec![value; 8000]) };
    let text = |value| segment(&of(value), &Settings::default()).expect_err("no skeleton").to_string();
    assert!(text(-1000.0).contains("there is no body"), "{}", text(-1000.0));
    assert!(text(40.0).contains("no bone from 130 HU on"), "{}", text(40.0));
    let mut settings = Settings::default();
    assert!(settings.assign("boneHu=3").expect_err("unknown").to_string().contains("\"boneHU\""));
    assert!(settings.assign("boneHU=x").is_err() && settings.assign("closing=-1").is_err());
}
