use super::*;

fn device(backend: Backend, index: usize, kind: Kind) -> DeviceInfo {
    DeviceInfo {
        backend,
        index,
        name: "made up".to_owned(),
        kind,
        memory: None,
        driver: String::new(),
        api: String::new(),
    }
}

fn machine(gpus: usize, vulkan: &[Kind]) -> Vec<DeviceInfo> {
    let mut all = vec![device(Backend::Cpu, 0, Kind::Processor)];
    all.extend((0..gpus).map(|i| device(Backend::Cuda, i, Kind::Discrete)));
    all.extend(vulkan.iter().enumerate().map(|(i, kind)| device(Backend::Wgpu, i, *kind)));
    all
}

fn chosen(request: Request, rank: usize, machine: &[DeviceInfo]) -> String {
    match choose(request, rank, machine) {
        Ok(choice) => choice.device.request(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn auto_takes_hardware_and_never_software() {
    assert_eq!(chosen(Request::Auto, 0, &machine(0, &[])), "cpu");
    assert_eq!(chosen(Request::Auto, 0, &machine(0, &[Kind::Software])), "cpu");
    assert_eq!(chosen(Request::Auto, 0, &machine(0, &[Kind::Software, Kind::Integrated])), "wgpu:1");
    assert_eq!(chosen(Request::Auto, 0, &machine(2, &[Kind::Discrete])), "cuda:0");
    let why = choose(Request::Auto, 0, &machine(0, &[Kind::Software])).expect("the processor").reason;
    assert!(why.contains("software"), "{why}");
}

#[test]
fn ranks_of_a_node_share_its_devices_by_turns() {
    for visible in 1..5 {
        let machine = machine(visible, &[]);
        for rank in 0..8 {
            let want = format!("cuda:{}", rank % visible);
            assert_eq!(chosen(Request::Auto, rank, &machine), want);
            assert_eq!(chosen(Request::Cuda(None), rank, &machine), want);
            assert_eq!(chosen(Request::Cuda(Some(0)), rank, &machine), "cuda:0");
        }
    }
}

/// What a mask leaves is numbered anew for CUDA; among Vulkan devices software stands in between.
#[test]
fn ranks_share_what_a_mask_leaves() {
    let masked = [machine(1, &[]), machine(2, &[])];
    let of_ranks = |request, machine: &[DeviceInfo]| {
        (0..4).map(|rank| chosen(request, rank, machine)).collect::<Vec<_>>()
    };
    assert_eq!(of_ranks(Request::Cuda(None), &masked[0]), ["cuda:0"; 4]);
    assert_eq!(of_ranks(Request::Auto, &masked[1]), ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]);
    let vulkan = machine(0, &[Kind::Software, Kind::Discrete, Kind::Software, Kind::Discrete]);
    for request in [Request::Wgpu(None), Request::Auto] {
        assert_eq!(of_ranks(request, &vulkan), ["wgpu:1", "wgpu:3", "wgpu:1", "wgpu:3"]);
    }
    let reason = choose(Request::Auto, 3, &masked[1]).expect("a device").reason;
    assert!(reason.contains("number 1 of 2 by local rank 3"), "{reason}");
}

#[test]
fn a_software_adapter_is_taken_only_by_name() {
    let machine = machine(0, &[Kind::Software]);
    assert_eq!(chosen(Request::Wgpu(Some(0)), 0, &machine), "wgpu:0");
    let error = chosen(Request::Wgpu(None), 0, &machine);
    assert!(error.contains("name it"), "{error}");
}

#[test]
fn a_missing_device_says_what_is_there() {
    use osteon_core::{ExitCode, Failure};
    let error = choose(Request::Cuda(Some(7)), 0, &machine(2, &[])).expect_err("two devices");
    assert!(error.to_string().contains("cuda:0, cuda:1"), "{error}");
    assert_eq!(error.exit_code(), ExitCode::Device);
    assert_eq!(error.hint().as_deref(), Some("use --device cuda:0"));
    let error = choose(Request::Cuda(None), 0, &machine(0, &[])).expect_err("no device");
    assert_eq!(error.hint().as_deref(), Some("use --device cpu"));
}

#[test]
fn discovery_always_finds_the_processor() {
    let all = devices();
    assert_eq!(all[0].backend, Backend::Cpu);
    assert!(open(&all[0]).is_err(), "the processor is not opened");
    assert!(Shared::open(&all[0]).is_err(), "nor shared");
}

/// Every WGSL module passes naga, with no device at hand.
#[cfg(feature = "wgpu")]
#[test]
fn wgsl_is_valid() {
    use ::wgpu::naga::front::wgsl;
    use ::wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};
    let mut seen = 0;
    for source in crate::ops::ALL.iter().filter_map(|op| op.source()) {
        let text = source.full_wgsl();
        let module =
            wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}: {}", source.op, e.emit_to_string(&text)));
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        validator.validate(&module).unwrap_or_else(|e| panic!("{}: {}", source.op, e.emit_to_string(&text)));
        assert!(!module.entry_points.is_empty(), "{} has no entry", source.op);
        seen += 1;
    }
    assert!(seen >= 7, "{seen} sources");
    let broken = "@group(0) @binding(0) var<storage, read> a: array<f32>;
        @compute @workgroup_size(1) fn f() { a[0] = 1.0f; }";
    let module = wgsl::parse_str(broken).expect("the syntax is right");
    let refused = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
    assert!(refused.is_err(), "a write to a read-only buffer passes");
}

/// Every CUDA source compiles for the architectures we name, without spilled registers. Needs no
/// device, only the NVRTC library (a Python wheel has it).
#[cfg(feature = "cuda")]
#[test]
fn cuda_compiles_without_spills() {
    use std::fmt::Write;
    let Some(compiler) = compiler() else { return };
    let mut table = String::new();
    for source in crate::ops::ALL.iter().filter_map(|op| op.source()) {
        for architecture in ["sm_80", "sm_90", "sm_100"] {
            let cubin = compiler.compile(&source, architecture).expect("it compiles");
            assert!(cubin.image.starts_with(b"\x7fELF"), "{}: no machine code", source.op);
            let entries = registers(&cubin.log);
            let expected = source.cuda.matches("__global__").count();
            assert_eq!(entries.len(), expected, "{} {architecture}: {}", source.op, cubin.log);
            for (entry, registers, spills) in entries {
                assert_eq!(spills, 0, "{entry} on {architecture} spills {spills} bytes");
                let _ = writeln!(table, "{architecture} {entry} {registers}");
            }
        }
    }
    if compiler.version == RECORDED {
        insta::assert_snapshot!("registers", table);
    } else {
        say(&format!(
            "not compared: registers are recorded for NVRTC {RECORDED:?}, this is {:?}",
            compiler.version
        ));
    }
    let broken = Source { op: "broken", wgsl: "", cuda: "extern \"C\" __global__ void f() { nonsense; }" };
    let error = compiler.compile(&broken, "sm_80").expect_err("it is broken").to_string();
    assert!(error.contains("nonsense"), "{error}");
}

/// The version whose registers are recorded; another may allocate otherwise.
#[cfg(feature = "cuda")]
const RECORDED: (i32, i32) = (12, 9);

#[cfg(feature = "cuda")]
fn say(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes());
}

/// The compiler, or a reason why a test of it is skipped.
#[cfg(feature = "cuda")]
fn compiler() -> Option<&'static nvrtc::Nvrtc> {
    let found = nvrtc::nvrtc();
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|all| all.split(',').any(|p| p == "nvrtc"));
    assert!(found.is_some() || !required, "no NVRTC library: kernels/shim/nvrtc.sh fetches one");
    if found.is_none() {
        say("skipped: no NVRTC library; kernels/shim/nvrtc.sh fetches one");
    }
    found
}

#[cfg(feature = "cuda")]
#[test]
fn compiled_kernels_are_kept_and_checked() {
    let Some(compiler) = compiler() else { return };
    let folder = tempfile::tempdir().expect("temporary directory");
    let source =
        Source { op: "kept", wgsl: "", cuda: "extern \"C\" __global__ void f(float* x) { x[0] = 1.0f; }" };
    let get = || compiler.compile_into(Some(folder.path()), &source, "sm_80").expect("it compiles");
    let image = get();
    let file = folder.path().join(nvrtc::cache_name(&source, "sm_80", compiler.version));
    assert_eq!(std::fs::read(&file).expect("it is kept"), nvrtc::sealed(&image));
    // What is in the cache is taken, not compiled again.
    std::fs::write(&file, nvrtc::sealed(b"another image")).expect("write");
    assert_eq!(get(), b"another image");
    for damaged in [&nvrtc::sealed(&image)[..100], b"", &[nvrtc::sealed(&image), b"x".to_vec()].concat()] {
        std::fs::write(&file, damaged).expect("write");
        assert!(get() == image, "a damaged file of {} bytes was taken", damaged.len());
        assert_eq!(std::fs::read(&file).expect("it is kept"), nvrtc::sealed(&image));
    }
    let name =
        |cuda, architecture, version| nvrtc::cache_name(&Source { cuda, ..source }, architecture, version);
    let one = name("a", "sm_80", (12, 9));
    for other in [name("b", "sm_80", (12, 9)), name("a", "sm_90", (12, 9)), name("a", "sm_80", (13, 0))] {
        assert_ne!(one, other);
    }
}

/// Entry, registers and bytes of spilled stores and loads, from what ptxas says.
#[cfg(feature = "cuda")]
fn registers(log: &str) -> Vec<(String, u32, u32)> {
    let number = |text: &str, before: &str| -> u32 {
        let head = text.split(before).next().unwrap_or_default();
        head.split_whitespace().last().and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    let mut all = Vec::new();
    for part in log.split("Compiling entry function '").skip(1) {
        let entry = part.split('\'').next().unwrap_or_default().to_owned();
        let spills = number(part, " bytes spill stores") + number(part, " bytes spill loads");
        all.push((entry, number(part, " registers"), spills));
    }
    all
}
