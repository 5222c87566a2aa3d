/* Recurrent layers, matrix products and the loss of an output layer on a CPU: a plain C interface.
 *
 * Every number is a float32 in row-major order. Strides are counted in floats; the last axis of every array
 * is dense. Shapes, with the letters used below:
 *
 *   B  rows of the batch            T  steps            E  inputs of the layer
 *   H  units                        G  gates: 1 Elman, 3 GRU, 4 LSTM
 *   V  rows of a table
 *
 *   x (B, T, E)    y (B, T, H)    weight_ih (G*H, E)    weight_hh (G*H, H)    bias_ih, bias_hh (G*H)
 *   h0, c0, hn, cn (B, H)         gradients have the shapes of what they belong to
 *
 * The equations and the order of the gates are those of seqlab/nn/cells.py.
 *
 * Ownership: the caller owns every array for the whole call and the library keeps no pointer behind it.
 * Arrays of one call must not overlap. Memory that the library needs for itself comes from a pool of its own.
 * Threads: functions may be called from several threads at once. One call uses `threads` threads of OpenMP;
 * for the same input and the same number of threads it gives the same bits.
 * Errors: nothing is checked beyond `size`; shapes and types are the caller's to check. Functions that can
 * fail return 0 when all went well, one of the numbers below otherwise, and then have written
 * nothing.
 */
#ifndef SEQLAB_KERNELS_H
#define SEQLAB_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nothing else is visible outside: builds for several processors are loaded side by side. */
#define SEQLAB_API __attribute__((visibility("default")))

#define SEQLAB_WRONG_SIZE 1
#define SEQLAB_NO_MEMORY 2
#define SEQLAB_NO_THREADS 3
#define SEQLAB_WRONG_TOKEN 4

enum seqlab_cell {
    SEQLAB_ELMAN = 0,
    SEQLAB_ELMAN_RELU = 1,
    SEQLAB_GRU_BEFORE = 2,
    SEQLAB_GRU_AFTER = 3,
    SEQLAB_LSTM = 4
};

/* One layer in one direction. Pointers marked "or null" may be null. */
typedef struct {
    int64_t size;    /* of this structure in bytes: both sides must mean the same */
    int64_t cell;    /* of enum seqlab_cell */
    int64_t reverse; /* not 0: each row is read from its last token to its first */
    int64_t threads; /* at least 1 */
    int64_t B, T, E, H;
    const int64_t *lengths; /* (B): tokens of each row, 0 to T; or null: all T. A row of 0 keeps its state */
    const float *x;
    int64_t x_row, x_step;
    /* Or null. (B, T), dense, 0 to V - 1 within each row's length: x is a table (V, E) of which a token's
     * inputs are one row, and dx (V, E) is the table's gradient; x_step and dx_step mean nothing then. Only
     * for layers that `seqlab_reads_tokens` is not 0 for. */
    const int64_t *tokens;
    int64_t V;
    const float *weight_ih, *weight_hh;
    const float *bias_ih; /* or null */
    const float *bias_hh; /* or null */
    const float *h0;      /* or null: zeros */
    const float *c0;      /* or null: zeros; LSTM only */
    float *y;             /* forward writes it, zeros behind each row's length; backward reads it */
    int64_t y_row, y_step;
    float *saved; /* seqlab_saved_floats floats of what backward needs; or null: forward keeps nothing */
    float *hn;    /* forward: state behind each row's last token */
    float *cn;    /* LSTM only */
    /* Backward only. It uses up `saved`, and reads what forward was given. */
    const float *dy; /* or null: zeros; what stands behind a row's length is not read */
    int64_t dy_row, dy_step;
    const float *dhn, *dcn; /* or null: zeros */
    float *dx;              /* or null: not wanted; zeros behind each row's length */
    int64_t dx_row, dx_step;
    float *dweight_ih, *dweight_hh; /* each or null: not wanted */
    float *dbias_ih, *dbias_hh;     /* each or null: not wanted */
    float *dh0;                     /* or null: not wanted */
    float *dc0;                     /* or null: not wanted; LSTM only */
    float *dhidden; /* (B, T, H), dense: the whole gradient of each h_t, through y and through every later
                       step; zeros behind each row's length; or null: not wanted */
} seqlab_layer;

/* Floats of `saved` for this layer's sizes, cell and lengths; may be 0. */
SEQLAB_API int64_t seqlab_saved_floats(const seqlab_layer *layer);

/* Not 0 if a layer of these sizes, cell and number of threads can be given `tokens`, and gains by it: W x is
 * computed once for each row of the table, and the gradients of equal tokens are added up before they are
 * multiplied. Looks at no pointer. */
SEQLAB_API int64_t seqlab_reads_tokens(const seqlab_layer *layer);

SEQLAB_API int seqlab_forward(const seqlab_layer *layer);
SEQLAB_API int seqlab_backward(const seqlab_layer *layer);

/* c (M, N) = a b, of a (M, K) and b (K, N). An operand is turned if its flag is not 0: then a is (K, M), b is
 * (N, K). `bias` (N) is added to every row; or null. a_row, b_row: strides of the operands' rows. */
typedef struct {
    int64_t size;
    int64_t threads;
    int64_t M, N, K;
    const float *a;
    int64_t a_row, a_turned;
    const float *b;
    int64_t b_row, b_turned;
    const float *bias;
    float *c;
} seqlab_matrices;

SEQLAB_API int seqlab_product(const seqlab_matrices *matrices);

/* Cross-entropy of logits (N, V) with smoothing s: row by row
 * nats = lse(z) - (1 - s) z[target] - s mean(z), and the gradient softmax(z) - s / V - (1 - s) onehot(target)
 * takes the place of z. Targets must be within 0 to V - 1. */
SEQLAB_API void seqlab_cross_entropy(
    int64_t N, int64_t V, float *logits, const int64_t *targets, double smoothing, double *nats,
    int64_t threads
);

/* An output layer and its loss at once, for outputs whose weights stay in the caches: logits (N, V) are
 * features (N, H) times weight (V, H), turned, plus bias; nats and gradients as of `seqlab_cross_entropy`.
 * Targets must be within 0 to V - 1. */
typedef struct {
    int64_t size;
    int64_t threads;
    int64_t N, H, V;
    const float *features;
    int64_t feature_row;
    const float *weight;
    const float *bias; /* or null */
    const int64_t *targets;
    double smoothing;
    double *nats;                       /* (N) */
    float *dfeatures, *dweight, *dbias; /* of the sum of nats, dense; each or null: not wanted */
} seqlab_head;

/* Not 0 if the weights are few enough. */
SEQLAB_API int64_t seqlab_head_fits(int64_t H, int64_t V);
SEQLAB_API int seqlab_head_loss(const seqlab_head *head);

/* Memory that lives between two calls, 64-byte aligned: null when there is none. What is given back is kept
 * for the next taker of as much; `drop` returns everything unused to the system. */
SEQLAB_API float *seqlab_take(int64_t floats);
SEQLAB_API void seqlab_give(float *memory);
SEQLAB_API void seqlab_drop(void);
/* Bytes handed out, and bytes kept for the next taker. */
SEQLAB_API void seqlab_held(int64_t *used, int64_t *kept);

/* 2 if this processor runs the AVX-512 library, 1 the AVX2 one, 0 the portable one. */
SEQLAB_API int seqlab_level(void);

/* Rate of independent multiply-adds in vectors of this library, all threads together, in GFLOP/s. Some 2 ms.
 */
SEQLAB_API double seqlab_peak(int64_t threads);

#ifdef __cplusplus
}
#endif
#endif
