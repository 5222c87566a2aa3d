// The element-wise part of each cell, a vector of units of one row at a time: forward, and its derivatives.
//
// A cell says how many gates it has, whether its recurrent product comes in two phases (GRU_BEFORE, whose new
// value needs the reset gate first), and whether its last gate's recurrent product is kept apart from the
// rest (GRU_AFTER, where the reset gate multiplies it).
#pragma once

#include "kernels.h"
#include "vector.hpp"

namespace seqlab {

// The numbers of one vector of units. Gates lie `gate` floats apart: before, W x + U h; behind, activated.
struct Forward {
    float *gates;
    int64_t gate;
    const float *bias;        // of the first gate; `gate` floats apart
    const float *bias_apart;  // of the product that is kept apart
    float *apart;             // U_n h of GRU_AFTER
    Vector h;                 // of the step before
    Vector c;                 // LSTM: of the step before; then of this one

    Vector input(int g) const { return load(gates + g * gate) + load(bias + g * gate); }
    void keep(int g, Vector value) const { store(gates + g * gate, value); }
};

// What comes in: dh and dc, the gradients of this step's h and c. Gates are replaced by the gradients of
// their inputs, which `da` holds, too.
struct Backward {
    float *gates;
    int64_t gate;
    float *apart;  // GRU_AFTER: U_n h + b; then the gradient of it
    Vector h;      // of this step
    Vector h_before, c, c_before;
    Vector dh;  // then: the part of the gradient of the h before that does not go through U
    Vector dc;  // LSTM; then: the gradient of the c before
    Vector da[4];

    Vector gate_value(int g) const { return load(gates + g * gate); }
    void keep(int g, Vector value) {
        da[g] = value;
        store(gates + g * gate, value);
    }
};

struct Plain {
    static constexpr bool TWO_PHASES = false, APART = false, CELL_STATE = false, KEEPS_GATES = true;
};

struct ElmanTanh : Plain {
    static constexpr int GATES = 1;
    static constexpr bool KEEPS_GATES = false;  // h says it all
    static Vector forward(Forward &at) { return hyperbolic_tangent(at.input(0)); }
    static void backward(Backward &at) {
        at.keep(0, at.dh * (1.f - at.h * at.h));
        at.dh = Vector{};
    }
};

struct ElmanRelu : Plain {
    static constexpr int GATES = 1;
    static constexpr bool KEEPS_GATES = false;
    static Vector forward(Forward &at) { return larger(Vector{}, at.input(0)); }
    static void backward(Backward &at) {
        at.keep(0, at.h > 0.f ? at.dh : Vector{});
        at.dh = Vector{};
    }
};

struct GruAfter : Plain {
    static constexpr int GATES = 3;
    static constexpr bool APART = true;
    static Vector forward(Forward &at) {
        const Vector r = logistic(at.input(0)), z = logistic(at.input(1));
        const Vector u = load(at.apart) + load(at.bias_apart);
        const Vector n = hyperbolic_tangent(at.input(2) + r * u);
        at.keep(0, r), at.keep(1, z), at.keep(2, n);
        store(at.apart, u);
        return n + z * (at.h - n);
    }
    static void backward(Backward &at) {
        const Vector r = at.gate_value(0), z = at.gate_value(1), n = at.gate_value(2);
        const Vector dn = at.dh * (1.f - z) * (1.f - n * n);
        at.keep(0, dn * load(at.apart) * r * (1.f - r));
        at.keep(1, at.dh * (at.h_before - n) * z * (1.f - z));
        at.keep(2, dn);
        at.da[3] = dn * r;
        store(at.apart, at.da[3]);
        at.dh *= z;
    }
};

struct GruBefore : Plain {
    static constexpr int GATES = 3;
    static constexpr bool TWO_PHASES = true;
    // r * h, which the second phase multiplies.
    static Vector reset(Forward &at) {
        const Vector r = logistic(at.input(0));
        at.keep(0, r), at.keep(1, logistic(at.input(1)));
        return r * at.h;
    }
    static Vector forward(Forward &at) {
        const Vector n = hyperbolic_tangent(at.input(2)), z = load(at.gates + at.gate);
        at.keep(2, n);
        return at.h + z * (n - at.h);
    }
    static void backward(Backward &at) {
        const Vector z = at.gate_value(1), n = at.gate_value(2);
        at.keep(1, at.dh * (n - at.h_before) * z * (1.f - z));
        at.keep(2, at.dh * z * (1.f - n * n));
        at.dh *= 1.f - z;
    }
    // From the gradient of r * h; returns r * h.
    static Vector reset_backward(Backward &at, Vector drh) {
        const Vector r = at.gate_value(0);
        at.keep(0, drh * at.h_before * r * (1.f - r));
        at.dh += drh * r;
        return r * at.h_before;
    }
};

struct Lstm : Plain {
    static constexpr int GATES = 4;
    static constexpr bool CELL_STATE = true;
    static Vector forward(Forward &at) {
        const Vector i = logistic(at.input(0)), f = logistic(at.input(1)),
                     g = hyperbolic_tangent(at.input(2)), o = logistic(at.input(3));
        at.keep(0, i), at.keep(1, f), at.keep(2, g), at.keep(3, o);
        at.c = f * at.c + i * g;
        return o * hyperbolic_tangent(at.c);
    }
    static void backward(Backward &at) {
        const Vector i = at.gate_value(0), f = at.gate_value(1), g = at.gate_value(2), o = at.gate_value(3);
        const Vector squashed = hyperbolic_tangent(at.c);
        at.dc += at.dh * o * (1.f - squashed * squashed);
        at.keep(0, at.dc * g * i * (1.f - i));
        at.keep(1, at.dc * at.c_before * f * (1.f - f));
        at.keep(2, at.dc * i * (1.f - g * g));
        at.keep(3, at.dh * squashed * o * (1.f - o));
        at.dc *= f;
        at.dh = Vector{};
    }
};

// Calls work(Cell{}) with the class of a cell.
template <class Work>
auto with_cell(int64_t cell, Work work) {
    switch (cell) {
        case SEQLAB_ELMAN:
            return work(ElmanTanh{});
        case SEQLAB_ELMAN_RELU:
            return work(ElmanRelu{});
        case SEQLAB_GRU_BEFORE:
            return work(GruBefore{});
        case SEQLAB_GRU_AFTER:
            return work(GruAfter{});
        default:
            return work(Lstm{});
    }
}

}  // namespace seqlab
