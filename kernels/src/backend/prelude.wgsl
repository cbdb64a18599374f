// Shared by all ops. The same functions as prelude.cu and kernels::simd::math.

// Index of a thread in a folded line of groups.
fn element(group: vec3<u32>, groups: vec3<u32>, thread: u32) -> u32 {
    return (group.y * groups.x + group.x) * GROUP + thread;
}

// x = n ln 2 + r; (n, r + r^2 P(r)), so that exp(x) = 2^n (1 + second).
fn exp_parts(x: f32) -> vec2<f32> {
    let n = round(x * 1.44269504f);
    var r = fma(n, -0.693359375f, x);
    r = fma(n, 2.12194440e-4f, r);
    var p = 1.9875691e-4f;
    p = fma(p, r, 1.3981999e-3f);
    p = fma(p, r, 8.333452e-3f);
    p = fma(p, r, 4.1665796e-2f);
    p = fma(p, r, 1.6666665e-1f);
    p = fma(p, r, 0.5f);
    return vec2<f32>(n, fma(r * r, p, r));
}

fn pow2(n: f32) -> f32 {
    return bitcast<f32>((i32(n) + 127) << 23u);
}

// exp(x) for x <= 0; 0 below -87.
fn exp_nonpositive(x: f32) -> f32 {
    let y = exp_parts(max(x, -87.0f));
    let scale = pow2(y.x);
    return select(fma(y.y, scale, scale), 0.0f, x < -87.0f);
}

// exp(x) - 1 for x <= 0, without cancellation.
fn expm1_nonpositive(x: f32) -> f32 {
    let y = exp_parts(max(x, -87.0f));
    let scale = pow2(y.x);
    return fma(y.y, scale, scale - 1.0f);
}

// ln(x) for positive normal x; WGSL's own may be off by 5e-7 near 1.
fn ln_of(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    var e = f32(i32(bits >> 23u) - 127);
    var m = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
    if (m > 1.41421356f) {
        m = 0.5f * m;
        e = e + 1.0f;
    }
    let f = (m - 1.0f) / (m + 1.0f);
    let z = f * f;
    var p = 0.22222222f;
    p = fma(p, z, 0.28571429f);
    p = fma(p, z, 0.4f);
    p = fma(p, z, 0.66666667f);
    return fma(e, 0.69314718f, fma(p * z, f, 2.0f * f));
}

fn tanh_of(x: f32) -> f32 {
    let magnitude = abs(x);
    if (magnitude > 0.625f) {
        let q = exp_nonpositive(-2.0f * magnitude);
        let y = (1.0f - q) / (1.0f + q);
        return select(y, -y, x < 0.0f);
    }
    let z = x * x;
    var p = -5.7049887e-3f;
    p = fma(p, z, 2.063909e-2f);
    p = fma(p, z, -5.3739716e-2f);
    p = fma(p, z, 1.3331442e-1f);
    p = fma(p, z, -3.333328e-1f);
    return fma(p * z, x, x);
}

fn activation_value(kind: u32, z: f32) -> f32 {
    switch kind {
        case RELU: { return select(z, 0.0f, z < 0.0f); }
        case TANH: { return tanh_of(z); }
        case SELU: {
            return select(SELU_SCALE_ALPHA * expm1_nonpositive(min(z, 0.0f)), SELU_SCALE * z, z > 0.0f);
        }
        case ELU: { return select(expm1_nonpositive(min(z, 0.0f)), z, z > 0.0f); }
        default: { return z; }
    }
}

// f'(z) in terms of a = f(z).
fn activation_slope(kind: u32, a: f32) -> f32 {
    switch kind {
        case RELU: { return select(0.0f, 1.0f, a > 0.0f); }
        case TANH: { return 1.0f - a * a; }
        case SELU: { return select(a + SELU_SCALE_ALPHA, SELU_SCALE, a > 0.0f); }
        case ELU: { return select(a + 1.0f, 1.0f, a > 0.0f); }
        default: { return 1.0f; }
    }
}

// High word of a product, by halves: WGSL has no 64-bit integers.
fn mul_high(a: u32, b: u32) -> u32 {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return a1 * b1 + (middle >> 16u) + (other >> 16u);
}

// Whether dropout keeps a unit: 16 bits of Philox 4x32-10 at (patient, layer and unit, step).
fn keeps(low: u32, high: u32, unit: u32, layer: u32, step: u32, key: vec2<u32>, threshold: u32) -> bool {
    var c = vec4<u32>(low, high, (layer << 16u) | (unit / UNITS_PER_BLOCK), step);
    var k = key;
    for (var round = 0u; round < PHILOX_ROUNDS; round++) {
        c = vec4<u32>(
            mul_high(PHILOX_M1, c.z) ^ c.y ^ k.x,
            PHILOX_M1 * c.z,
            mul_high(PHILOX_M0, c.x) ^ c.w ^ k.y,
            PHILOX_M0 * c.x,
        );
        k += vec2<u32>(PHILOX_W0, PHILOX_W1);
    }
    let within = unit % UNITS_PER_BLOCK;
    return ((c[within / 2u] >> (16u * (within % 2u))) & 0xffffu) >= threshold;
}


// A grey level's index and one, 0 outside; two cells to a word.
fn cell_level(word: u32, cell: u32) -> u32 {
    return (word >> (16u * (cell % 2u))) & 0xffffu;
}

// Whether a cell is inside, 1 or 0; four cells to a word.
fn cell_inside(word: u32, cell: u32) -> u32 {
    return (word >> (8u * (cell % 4u))) & 1u;
}

// A number as files hold it, in half `half` of a word: f16, bf16, or a whole word of f32.
fn stored_value(word: u32, half: u32, stored: u32) -> f32 {
    if (stored == STORED_F32) {
        return bitcast<f32>(word);
    }
    let bits = (word >> (16u * half)) & 0xffffu;
    if (stored == STORED_BF16) {
        return bitcast<f32>(bits << 16u);
    }
    let sign = (bits & 0x8000u) << 16u;
    let exponent = (bits >> 10u) & 31u;
    let mantissa = bits & 0x3ffu;
    if (exponent == 0u) {
        let x = f32(mantissa) * 5.9604644775390625e-8f;
        return select(x, -x, sign != 0u);
    }
    return bitcast<f32>(sign | (select(exponent + 112u, 255u, exponent == 31u) << 23u) | (mantissa << 13u));
}
