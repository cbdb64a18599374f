struct Params {
    n: u32,
    width: u32,
    layer: u32,
    columns: u32,
    rows: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> cells: array<u32>;
@group(0) @binding(2) var<storage, read> voxel: array<u32>;
@group(0) @binding(3) var<storage, read_write> along_x: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> along_y: array<atomic<u32>>;

// Vertices between a voxel and the outside, in half voxels: the ends of those on each line along x (by z and y,
// `rows` lines to a z) and along y (by z and x, `columns` lines to a z): the least, which starts as all ones, and
// the greatest, which starts as 0. cells: four to a word, width and layer cells apart along y and z.
@compute @workgroup_size(GROUP)
fn diameter_ends(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = element(group, groups, t);
    if (i >= p.n) {
        return;
    }
    let here = voxel[i];
    let place = 2u * vec3<u32>(here % p.width, here % p.layer / p.width, here / p.layer);
    let stride = vec3<u32>(1u, p.width, p.layer);
    for (var face = 0u; face < 6u; face++) {
        let axis = face / 2u;
        let up = face % 2u == 1u;
        let there = select(here - stride[axis], here + stride[axis], up);
        if (cell_inside(cells[there / 4u], there) == 1u) {
            continue;
        }
        var at = place;
        at[axis] = select(at[axis] - 1u, at[axis] + 1u, up);
        let x = 2u * (at.z * p.rows + at.y);
        let y = 2u * (at.z * p.columns + at.x);
        atomicMin(&along_x[x], at.x);
        atomicMax(&along_x[x + 1u], at.x);
        atomicMin(&along_y[y], at.y);
        atomicMax(&along_y[y + 1u], at.y);
    }
}

struct Sections {
    n: u32,
    x: f32,
    y: f32,
    z: f32,
}

@group(0) @binding(0) var<uniform> q: Sections;
@group(0) @binding(1) var<storage, read> vertex: array<f32>;
@group(0) @binding(2) var<storage, read> section: array<u32>;
@group(0) @binding(3) var<storage, read_write> farthest: array<f32>;

// The square of the largest distance of each vertex from those of its section. vertex: [V, 3] in half voxels of
// x, y, z mm; section: [V, 2], first vertex and one beyond the last.
@compute @workgroup_size(GROUP)
fn diameter_farthest(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = element(group, groups, t);
    if (i >= q.n) {
        return;
    }
    var most = 0.0f;
    for (var j = section[2u * i]; j < section[2u * i + 1u]; j++) {
        let x = (vertex[3u * i] - vertex[3u * j]) * q.x;
        let y = (vertex[3u * i + 1u] - vertex[3u * j + 1u]) * q.y;
        let z = (vertex[3u * i + 2u] - vertex[3u * j + 2u]) * q.z;
        most = max(most, fma(x, x, fma(y, y, z * z)));
    }
    farthest[i] = most;
}
