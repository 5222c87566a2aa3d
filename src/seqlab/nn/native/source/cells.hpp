// The element-wise part of each cell and its derivatives, for one vector of units of one row at a time. The
// equations and the order of gates are those of seqlab/nn/cells.py; there z is the share of the old state in
// a GRU, and of the new one in a GRU that resets before.
//
// Constants of a cell class:
//   GATES        blocks of H rows in its weights.
//   TWO_PHASES   whether the recurrent products take two phases: GruResetBefore needs r before U_n (r * h).
//   SEPARATE     whether U_n h + b_n is computed separately from W_n x + b_n: Gru multiplies it by r.
//   CELL_STATE   whether there is a state c besides h: Lstm.
//   SAVES_GATES  whether backward needs the activated gates; Elman cells compute their derivative from h.
#pragma once

#include "kernels.h"
#include "vector.hpp"

namespace seqlab {

// One vector of units in a forward step. Gates are `gate` floats apart; they enter as W x + U h, without
// bias, and leave activated.
struct Forward {
    float *gates;
    int64_t gate;
    const float *bias;           // of the first gate; `gate` floats apart
    const float *bias_separate;  // b_hn of Gru
    float *separate;             // Gru: in U_n h; out U_n h + b_hn, for backward
    Vector h;                    // of the previous step
    Vector c;                    // Lstm: in of the previous step, out of this one

    Vector input(int g) const { return load(gates + g * gate) + load(bias + g * gate); }
    void set_gate(int g, Vector value) const { store(gates + g * gate, value); }
};

// One vector of units in a backward step. Activated gates are overwritten with the gradients of their
// pre-activations, which are also in `da`.
struct Backward {
    float *gates;
    int64_t gate;
    float *separate;               // Gru: in U_n h + b_hn, out its gradient
    Vector h;                      // of this step
    Vector h_before, c, c_before;  // "before": of the previous step
    Vector dh;     // in dL/dh of this step; out the part of dL/dh of the previous step that bypasses U
    Vector dc;     // Lstm: in dL/dc of this step, out of the previous one
    Vector da[4];  // by gate; Gru: [3] is the gradient of U_n h + b_hn

    Vector gate_value(int g) const { return load(gates + g * gate); }
    void set_gate(int g, Vector value) {
        da[g] = value;
        store(gates + g * gate, value);
    }
};

struct Plain {
    static constexpr bool TWO_PHASES = false, SEPARATE = false, CELL_STATE = false, SAVES_GATES = true;
};

struct ElmanTanh : Plain {
    static constexpr int GATES = 1;
    static constexpr bool SAVES_GATES = false;
    static Vector forward(Forward &at) { return hyperbolic_tangent(at.input(0)); }
    static void backward(Backward &at) {
        at.set_gate(0, at.dh * (1.f - at.h * at.h));
        at.dh = Vector{};
    }
};

struct ElmanRelu : Plain {
    static constexpr int GATES = 1;
    static constexpr bool SAVES_GATES = false;
    static Vector forward(Forward &at) { return maximum(Vector{}, at.input(0)); }
    static void backward(Backward &at) {
        // h > 0 exactly where the pre-activation is: no gate has to be saved.
        at.set_gate(0, at.h > 0.f ? at.dh : Vector{});
        at.dh = Vector{};
    }
};

struct Gru : Plain {
    static constexpr int GATES = 3;
    static constexpr bool SEPARATE = true;
    static Vector forward(Forward &at) {
        const Vector r = logistic(at.input(0)), z = logistic(at.input(1));
        const Vector u = load(at.separate) + load(at.bias_separate);
        const Vector n = hyperbolic_tangent(at.input(2) + r * u);
        at.set_gate(0, r), at.set_gate(1, z), at.set_gate(2, n);
        store(at.separate, u);
        return n + z * (at.h - n);
    }
    static void backward(Backward &at) {
        const Vector r = at.gate_value(0), z = at.gate_value(1), n = at.gate_value(2);
        const Vector dn = at.dh * (1.f - z) * (1.f - n * n);
        at.set_gate(0, dn * load(at.separate) * r * (1.f - r));
        at.set_gate(1, at.dh * (at.h_before - n) * z * (1.f - z));
        at.set_gate(2, dn);
        at.da[3] = dn * r;
        store(at.separate, at.da[3]);
        at.dh *= z;
    }
};

struct GruResetBefore : Plain {
    static constexpr int GATES = 3;
    static constexpr bool TWO_PHASES = true;
    // Phase one: activates r and z, returns r * h, which the second phase multiplies by U_n.
    static Vector reset(Forward &at) {
        const Vector r = logistic(at.input(0));
        at.set_gate(0, r), at.set_gate(1, logistic(at.input(1)));
        return r * at.h;
    }
    static Vector forward(Forward &at) {
        const Vector n = hyperbolic_tangent(at.input(2)), z = load(at.gates + at.gate);
        at.set_gate(2, n);
        return at.h + z * (n - at.h);
    }
    static void backward(Backward &at) {
        const Vector z = at.gate_value(1), n = at.gate_value(2);
        at.set_gate(1, at.dh * (n - at.h_before) * z * (1.f - z));
        at.set_gate(2, at.dh * z * (1.f - n * n));
        at.dh *= 1.f - z;
    }
    // Phase two of backward, from the gradient of r * h; returns r * h, which dU_n needs.
    static Vector reset_backward(Backward &at, Vector drh) {
        const Vector r = at.gate_value(0);
        at.set_gate(0, drh * at.h_before * r * (1.f - r));
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
        at.set_gate(0, i), at.set_gate(1, f), at.set_gate(2, g), at.set_gate(3, o);
        at.c = f * at.c + i * g;
        return o * hyperbolic_tangent(at.c);
    }
    static void backward(Backward &at) {
        const Vector i = at.gate_value(0), f = at.gate_value(1), g = at.gate_value(2), o = at.gate_value(3);
        // Computed again instead of saved.
        const Vector tanh_c = hyperbolic_tangent(at.c);
        at.dc += at.dh * o * (1.f - tanh_c * tanh_c);
        at.set_gate(0, at.dc * g * i * (1.f - i));
        at.set_gate(1, at.dc * at.c_before * f * (1.f - f));
        at.set_gate(2, at.dc * i * (1.f - g * g));
        at.set_gate(3, at.dh * tanh_c * o * (1.f - o));
        at.dc *= f;
        at.dh = Vector{};
    }
};

// Calls work(Cell{}) with the class for a value of seqlab_cell.
template <class Work>
auto with_cell(int64_t cell, Work work) {
    switch (cell) {
        case SEQLAB_ELMAN:
            return work(ElmanTanh{});
        case SEQLAB_ELMAN_RELU:
            return work(ElmanRelu{});
        case SEQLAB_GRU_RESET_BEFORE:
            return work(GruResetBefore{});
        case SEQLAB_GRU:
            return work(Gru{});
        default:
            return work(Lstm{});
    }
}

}  // namespace seqlab
