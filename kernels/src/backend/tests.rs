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
    // A barrier under a condition that differs between threads must be refused.
    let broken = "@compute @workgroup_size(4) fn f(@builtin(local_invocation_index) t: u32) {
        if (t > 1u) { workgroupBarrier(); } }";
    let module = wgsl::parse_str(broken).expect("the syntax is right");
    let refused = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
    assert!(refused.is_err(), "a divergent barrier passes");
}
