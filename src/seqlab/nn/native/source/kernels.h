/* Recurrent layers, matrix products and the loss of an output layer on a CPU: a plain C interface.
 *
 * Every number is a float32, arrays are in row-major order. Strides are counted in floats; the last axis of
 * every array is contiguous. Shapes, with the letters used below:
 *
 *   B  batch size, in sequences     T  time steps       E  input features of the layer
 *   H  hidden units                 G  gates: 1 Elman, 3 GRU, 4 LSTM
 *   V  rows of an embedding table, or outputs of an output layer
 *
 *   x (B, T, E)    y (B, T, H)    weight_ih (G*H, E)    weight_hh (G*H, H)    bias_ih, bias_hh (G*H)
 *   h0, c0, hn, cn (B, H)         a gradient dx has the shape of x
 *
 * The equations and the order of the gates are those of seqlab/nn/cells.py.
 *
 * Ownership: the caller owns every array, and the library keeps no pointer after a call returns. Arrays of
 * one call must not overlap. Working memory comes from a pool that the library owns.
 * Threads: functions may be called from several threads at once. One call uses `threads` OpenMP threads; the
 * same input and the same number of threads give bit-identical results. Within a call, a thread that waits
 * for another one sleeps after some microseconds; between calls OpenMP's settings decide how threads wait.
 * Errors: only `size` and the range of tokens are checked; the caller checks shapes and types. Functions
 * that can fail return 0 on success and one of the codes below otherwise; on failure they write nothing.
 */
#ifndef SEQLAB_KERNELS_H
#define SEQLAB_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All other symbols are hidden: builds for several processors are loaded into one process, and the dynamic
 * linker must not resolve a function of one build to that of another. */
#define SEQLAB_API __attribute__((visibility("default")))

#define SEQLAB_WRONG_SIZE 1
#define SEQLAB_NO_MEMORY 2
#define SEQLAB_NO_THREADS 3
#define SEQLAB_WRONG_TOKEN 4

/* Names and equations: the table CELLS of seqlab/nn/cells.py. */
enum seqlab_cell {
    SEQLAB_ELMAN = 0,
    SEQLAB_ELMAN_RELU = 1,
    SEQLAB_GRU_RESET_BEFORE = 2,
    SEQLAB_GRU = 3,
    SEQLAB_LSTM = 4
};

/* One layer in one direction. Pointers marked "or null" may be null. */
typedef struct {
    int64_t size;    /* of this structure in bytes; detects a caller with another version of it */
    int64_t cell;    /* of enum seqlab_cell */
    int64_t reverse; /* not 0: each sequence is read from its last token to its first */
    int64_t threads; /* at least 1 */
    int64_t B, T, E, H;
    const int64_t *lengths; /* (B): tokens of each sequence, 0 to T; or null: T for all. With length 0 the
                               state stays unchanged */
    const float *x;
    int64_t x_row, x_step; /* strides of the batch and the time axis */
    /* Or null. (B, T), contiguous, ids 0 to V - 1 within each length: x is then a table (V, E), the input of
     * a step is the row of its token, dx (V, E) is the table's gradient, and x_step and dx_step are ignored.
     * Only for layers for which `seqlab_reads_tokens` returns 1. */
    const int64_t *tokens;
    int64_t V;
    const float *weight_ih, *weight_hh;
    const float *bias_ih; /* or null */
    const float *bias_hh; /* or null */
    const float *h0;      /* or null: zeros */
    const float *c0;      /* or null: zeros; LSTM only */
    float *y;             /* written by forward, zero at padding; read by backward */
    int64_t y_row, y_step;
    float *saved; /* seqlab_saved_floats floats, written by forward for backward; or null: no backward pass */
    float *hn;    /* written by forward: the state after each sequence's last token */
    float *cn;    /* LSTM only */
    /* Backward only. It reads all inputs of forward and overwrites `saved`, so that each forward pass allows
     * one backward pass. Gradients that are null are not computed. */
    const float *dy; /* or null: zeros; not read at padding */
    int64_t dy_row, dy_step;
    const float *dhn, *dcn; /* or null: zeros */
    float *dx;              /* or null; zero at padding */
    int64_t dx_row, dx_step;
    float *dweight_ih, *dweight_hh; /* each or null */
    float *dbias_ih, *dbias_hh;     /* each or null */
    float *dh0;                     /* or null */
    float *dc0;                     /* or null; LSTM only */
    float *dhidden; /* or null. (B, T, H), contiguous: dL/dh_t, through y and through every later step; zero
                       at padding */
} seqlab_layer;

/* Size of `saved` for this layer's sizes, cell and lengths, in floats; may be 0. */
SEQLAB_API int64_t seqlab_saved_floats(const seqlab_layer *layer);

/* 1 if a layer of these sizes, cell and number of threads accepts `tokens` and is faster with them, else 0.
 * W x is then computed once per row of the table, and the gradients of equal tokens are summed before they
 * are multiplied. Reads no pointer of the layer. */
SEQLAB_API int64_t seqlab_reads_tokens(const seqlab_layer *layer);

SEQLAB_API int seqlab_forward(const seqlab_layer *layer);
SEQLAB_API int seqlab_backward(const seqlab_layer *layer);

/* c (M, N) = a b + bias, of a (M, K), b (K, N) and bias (N) or null. An operand whose flag `transposed` is
 * not 0 is stored transposed: a as (K, M), b as (N, K). a_row, b_row: strides of the rows as stored. */
typedef struct {
    int64_t size;
    int64_t threads;
    int64_t M, N, K;
    const float *a;
    int64_t a_row, a_transposed;
    const float *b;
    int64_t b_row, b_transposed;
    const float *bias;
    float *c;
} seqlab_matrices;

SEQLAB_API int seqlab_product(const seqlab_matrices *matrices);

/* Cross-entropy of logits z (N, V) with label smoothing s. For each row
 * nats = lse(z) - (1 - s) z[target] - s mean(z), and z is overwritten with the gradient
 * softmax(z) - s / V - (1 - s) onehot(target). Targets must be 0 to V - 1. */
SEQLAB_API void seqlab_cross_entropy(
    int64_t N, int64_t V, float *logits, const int64_t *targets, double smoothing, double *nats,
    int64_t threads
);

/* An output layer and its loss in one call, for layers whose weights fit into the caches: the logits (N, V)
 * are features (N, H) weight (V, H)^T + bias; nats and gradients are those of `seqlab_cross_entropy`, summed
 * over rows. Targets must be 0 to V - 1. */
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
    float *dfeatures, *dweight, *dbias; /* of the sum of nats, contiguous; each or null: not computed */
} seqlab_head;

/* 1 if the weights fit into the caches, so that seqlab_head_loss is the faster way to the loss; else 0. */
SEQLAB_API int64_t seqlab_head_fits(int64_t H, int64_t V);
SEQLAB_API int seqlab_head_loss(const seqlab_head *head);

/* Dropout: y_i = x_i / (1 - share) if u_i >= share 2^32, else 0, with u_i of 32 random bits that depend on
 * `seed` and i alone. The backward pass is the same call with the gradient of y as x. Draws: elements are cut
 * into blocks of 4096; element i of a block takes number i / 16 of the xoshiro128++ generator i % 16, whose
 * words come from SplitMix64. x and y may be the same array. */
typedef struct {
    int64_t size;
    int64_t threads;
    int64_t count;
    const float *x;
    float *y;
    uint64_t seed;
    double share; /* 0 to less than 1 */
} seqlab_dropped;

SEQLAB_API int seqlab_dropout(const seqlab_dropped *dropped);

/* The weights of causal attention of `count` sequences and heads, each (T, T). Forward: the scores in
 * `weights` are overwritten with w = softmax over j <= i of scale * score, and zeros, and `dropped` with
 * dropout(w). Backward: `dropped` holds the gradient of dropout(w) and is overwritten with that of the
 * scores; `weights` is read. Each (T, T) takes the numbers of one block of `seqlab_dropout`, each row ceil(T / 16)
 * of every generator. */
typedef struct {
    int64_t size;
    int64_t threads;
    int64_t count, T;
    int64_t backward; /* not 0: the backward pass */
    float *weights, *dropped;
    uint64_t seed;
    double share;
    double scale;
} seqlab_attention;

SEQLAB_API int seqlab_attention_weights(const seqlab_attention *attention);

/* Memory that outlives a call, 64-byte aligned; null if there is not enough. Released blocks are cached for
 * the next allocation of a similar size; `release_unused` returns all cached blocks to the system. */
SEQLAB_API float *seqlab_allocate(int64_t floats);
SEQLAB_API void seqlab_release(float *memory);
SEQLAB_API void seqlab_release_unused(void);
/* Bytes of allocated blocks, working memory of running calls included, and bytes of cached ones. */
SEQLAB_API void seqlab_memory_use(int64_t *used, int64_t *cached);

/* The best build for this processor: 2 AVX-512, 1 AVX2, 0 portable. */
SEQLAB_API int seqlab_level(void);

/* Measured peak of multiply-adds in vectors of this build's width, all threads together, in GFLOP/s. Takes
 * about 2 ms. */
SEQLAB_API double seqlab_peak(int64_t threads);

#ifdef __cplusplus
}
#endif
#endif
