// The C functions of kernels.h: they check sizes, choose a cell and a pass, and turn exceptions into codes.
#pragma once

#include "attention.hpp"
#include "backward.hpp"
#include "dropout.hpp"
#include "forward.hpp"
#include "head.hpp"
#include "kernels.h"
#include "output.hpp"
#include "processor.hpp"
#include "small_backward.hpp"
#include "small_forward.hpp"

namespace seqlab {

template <class Pass>
int run(const seqlab_layer &layer, int64_t threads) {
    Pass pass(layer, threads);
    if (!pass.allocate()) return SEQLAB_NO_MEMORY;
    return run_parallel(threads, [&](const Member &me) { pass.run(me); }) ? 0 : SEQLAB_NO_THREADS;
}

// Runs a pass of a layer: `Small` where the weights fit into the caches, `Pass` otherwise.
//
// `saved` is laid out in the order in which threads process tokens, so forward and backward need the same
// plan, and with it the same number of threads. If OpenMP starts fewer, the call fails instead of continuing
// with another plan.
template <template <class> class Pass, template <class> class Small>
int run(const seqlab_layer *layer) try {
    if (layer->size != sizeof(seqlab_layer)) return SEQLAB_WRONG_SIZE;
    return with_cell(layer->cell, [&](auto cell) -> int {
        using Cell = decltype(cell);
        const int64_t threads = available_threads(layer->threads);
        if (layer->tokens) {
            if (!reads_tokens<Cell>(*layer, threads)) return SEQLAB_WRONG_SIZE;
            if (!tokens_within(*layer)) return SEQLAB_WRONG_TOKEN;
        }
        return is_small<Cell>(*layer, threads) ? run<Small<Cell>>(*layer, threads)
                                               : run<Pass<Cell>>(*layer, threads);
    });
} catch (const std::bad_alloc &) {
    return SEQLAB_NO_MEMORY;
}

}  // namespace seqlab

extern "C" {

int64_t seqlab_saved_floats(const seqlab_layer *layer) {
    return seqlab::with_cell(layer->cell, [&](auto cell) {
        return seqlab::saved_floats<decltype(cell)>(*layer);
    });
}

int64_t seqlab_reads_tokens(const seqlab_layer *layer) {
    return seqlab::with_cell(layer->cell, [&](auto cell) {
        return seqlab::reads_tokens<decltype(cell)>(*layer, seqlab::available_threads(layer->threads));
    });
}

int seqlab_forward(const seqlab_layer *layer) {
    return seqlab::run<seqlab::ForwardPass, seqlab::SmallForward>(layer);
}

int seqlab_backward(const seqlab_layer *layer) {
    return seqlab::run<seqlab::BackwardPass, seqlab::SmallBackward>(layer);
}

int seqlab_product(const seqlab_matrices *matrices) {
    return matrices->size == sizeof(seqlab_matrices) ? seqlab::multiply_matrices(*matrices)
                                                     : SEQLAB_WRONG_SIZE;
}

void seqlab_cross_entropy(
    int64_t N, int64_t V, float *logits, const int64_t *targets, double smoothing, double *nats,
    int64_t threads
) {
    seqlab::cross_entropy_of_rows(N, V, logits, targets, smoothing, nats, threads);
}

int64_t seqlab_head_fits(int64_t H, int64_t V) { return seqlab::head_fits(H, V); }

int seqlab_head_loss(const seqlab_head *head) {
    return head->size == sizeof(seqlab_head) ? seqlab::head_loss(*head) : SEQLAB_WRONG_SIZE;
}

int seqlab_dropout(const seqlab_dropped *dropped) {
    if (dropped->size != sizeof(seqlab_dropped)) return SEQLAB_WRONG_SIZE;
    seqlab::drop(*dropped);
    return 0;
}

int seqlab_attention_weights(const seqlab_attention *attention) {
    if (attention->size != sizeof(seqlab_attention)) return SEQLAB_WRONG_SIZE;
    seqlab::weigh(*attention);
    return 0;
}

float *seqlab_allocate(int64_t floats) { return seqlab::Pool::shared().allocate(floats); }

void seqlab_release(float *memory) { seqlab::Pool::shared().release(memory); }

void seqlab_release_unused(void) { seqlab::Pool::shared().release_unused(); }

void seqlab_memory_use(int64_t *used, int64_t *cached) {
    *used = seqlab::Pool::shared().bytes(true);
    *cached = seqlab::Pool::shared().bytes(false);
}

int seqlab_level(void) { return seqlab::level(); }

double seqlab_peak(int64_t threads) { return seqlab::peak(threads); }
}
