// A small output layer and its loss: blocks of rows pass through logits, loss and gradients, and only the
// gradients leave a core's own caches. Rows are targets.
#pragma once

#include <cstring>

#include "output.hpp"
#include "small.hpp"

namespace seqlab {

inline bool head_fits(int64_t H, int64_t V) { return padded(H) * padded(V) <= SMALL_WEIGHTS; }

class HeadLoss {
  public:
    HeadLoss(const seqlab_head &head, int64_t threads)
        : head_(head),
          threads_(threads),
          outputs_(padded(head.V)),
          features_(padded(head.H)),
          rows_(std::clamp<int64_t>(LOGITS / outputs_, WIDTH, ROWS)) {}

    bool allocate() {
        scratch_.reserve(output_panels_, outputs_ * head_.H);
        scratch_.reserve(feature_panels_, features_ * head_.V);
        scratch_.reserve(bias_, outputs_);
        scratch_.reserve(logits_, threads_ * rows_ * outputs_);
        scratch_.reserve(lanes_, threads_ * WIDTH * outputs_);
        scratch_.reserve(dfeatures_, threads_ * rows_ * features_);
        scratch_.reserve(dweights_, threads_ * head_.H * outputs_);
        scratch_.reserve(dbias_, threads_ * outputs_);
        return scratch_.allocate();
    }

    void run(const Member &me) {
        pack(me);
        std::memset(dweights(me.number), 0, head_.H * outputs_ * sizeof(float));
        std::memset(dbias(me.number), 0, outputs_ * sizeof(float));
        me.barrier.wait();
        const Range mine = me.share(head_.N);
        for (int64_t first = mine.begin; first < mine.end; first += rows_)
            run_block(me, first, std::min(rows_, mine.end - first));
        me.barrier.wait();
        write_sums(me);
    }

  private:
    // Limits of a block: its rows, for which each element of the weights' gradients is loaded and stored
    // once, and its logits, which have to stay in the caches.
    static constexpr int64_t ROWS = 96, LOGITS = 1 << 15;

    float *dweights(int64_t thread) const { return dweights_ + thread * head_.H * outputs_; }
    float *dbias(int64_t thread) const { return dbias_ + thread * outputs_; }

    void pack(const Member &me) {
        const auto row = [&](int64_t v) { return head_.weight + v * head_.H; };
        const Range outputs = me.share(panels(head_.V));
        for (int64_t at = outputs.begin * PANEL; at < std::min(head_.V, outputs.end * PANEL); at += PANEL)
            pack_panel_of_columns(
                row, 0, head_.H, at, std::min<int64_t>(PANEL, head_.V - at), output_panels_ + at * head_.H
            );
        const Range features = me.share(panels(head_.H));
        pack_panels_of_rows(row, 0, head_.V, head_.H, features.begin, features.end, feature_panels_);
        if (me.number == 0)
            for (int64_t v = 0; v < outputs_; ++v) bias_[v] = head_.bias && v < head_.V ? head_.bias[v] : 0.f;
    }

    void run_block(const Member &me, int64_t first, int64_t count) {
        const auto each_strip = [&](auto work) { each_part(count, work); };
        const Rows<const float> features{head_.features + first * head_.feature_row, head_.feature_row};
        const Rows<float> logits{logits_ + me.number * rows_ * outputs_, outputs_};
        for (int64_t i = 0; i < count; ++i)
            std::memcpy(logits.at + i * outputs_, bias_, outputs_ * sizeof(float));
        multiply_rows(each_strip, head_.H, features, {output_panels_, head_.H, 0}, head_.V, logits, false);
        residuals(me, first, count, logits.at);
        const Rows<const float> dlogits{logits.at, outputs_};
        if (head_.dfeatures) {
            const Rows<float> to{dfeatures_ + me.number * rows_ * features_, features_};
            multiply_rows(each_strip, head_.V, dlogits, {feature_panels_, head_.V, 0}, head_.H, to, true);
            for (int64_t i = 0; i < count; ++i)
                copy(to.at + i * features_, head_.dfeatures + (first + i) * head_.H, head_.H);
        }
        if (head_.dweight)
            add_transposed(count, features, head_.H, dlogits, outputs_, {dweights(me.number), outputs_});
        if (head_.dbias) add_rows(count, dlogits, outputs_, dbias(me.number));
    }

    // Overwrites a block's logits with their gradients, and writes its nats.
    void residuals(const Member &me, int64_t first, int64_t count, float *logits) const {
        int64_t i = 0;
        for (; i + WIDTH <= count; i += WIDTH)
            residuals_of_lanes(
                logits + i * outputs_, head_.targets + first + i, head_.nats + first + i,
                lanes_ + me.number * WIDTH * outputs_
            );
        for (; i < count; ++i)
            head_.nats[first + i] =
                cross_entropy(logits + i * outputs_, head_.V, head_.targets[first + i], head_.smoothing);
    }

    // Transposes WIDTH rows of WIDTH floats.
    static void transpose_square(const float *from, int64_t from_row, float *to, int64_t to_row) {
        Vector square[WIDTH];
        SEQLAB_UNROLL
        for (int i = 0; i < WIDTH; ++i) square[i] = load(from + i * from_row);
        transpose(square);
        SEQLAB_UNROLL
        for (int i = 0; i < WIDTH; ++i) store(to + i * to_row, square[i]);
    }

    // The same for WIDTH rows at once, one per lane: a row with few outputs would leave most lanes of a
    // vector unused, and its sums would have to be reduced across lanes. transposed: working memory; output v
    // of all rows is at v * WIDTH.
    void residuals_of_lanes(float *z, const int64_t *targets, double *nats, float *transposed) const {
        const int64_t V = head_.V;
        const double smoothing = head_.smoothing;
        double target_term[WIDTH];
        for (int i = 0; i < WIDTH; ++i) target_term[i] = (1 - smoothing) * z[i * outputs_ + targets[i]];
        for (int64_t v = 0; v < outputs_; v += WIDTH)
            transpose_square(z + v, outputs_, transposed + v * WIDTH, WIDTH);
        Vector highest = load(transposed);
        for (int64_t v = 1; v < V; ++v) highest = maximum(load(transposed + v * WIDTH), highest);
        Doubles total{}, logit_sum{};
        for (int64_t v = 0; v < V; ++v) {
            const Vector logits = load(transposed + v * WIDTH), e = exponential(logits - highest);
            if (smoothing != 0) add(logit_sum, logits);
            add(total, e);
            store(transposed + v * WIDTH, e);
        }
        const Vector scale = __builtin_convertvector(1 / total, Vector);
        const double share = smoothing / static_cast<double>(V);
        const float floor = static_cast<float>(share);
        for (int64_t v = 0; v < V; ++v)
            store(transposed + v * WIDTH, load(transposed + v * WIDTH) * scale - floor);
        for (int64_t v = 0; v < outputs_; v += WIDTH)
            transpose_square(transposed + v * WIDTH, WIDTH, z + v, outputs_);
        for (int i = 0; i < WIDTH; ++i) {
            z[i * outputs_ + targets[i]] -= static_cast<float>(1 - smoothing);
            nats[i] = highest[i] + std::log(total[i]) - target_term[i] - share * logit_sum[i];
        }
    }

    // Writes the sums over all threads. The weights' gradients are stored transposed.
    void write_sums(const Member &me) const {
        const Range mine = me.share(head_.V);
        for (int64_t v = mine.begin; v < mine.end; ++v) {
            for (int64_t h = 0; head_.dweight && h < head_.H; ++h) {
                float total = 0;
                for (int64_t thread = 0; thread < threads_; ++thread)
                    total += dweights(thread)[h * outputs_ + v];
                head_.dweight[v * head_.H + h] = total;
            }
            float total = 0;
            for (int64_t thread = 0; thread < threads_; ++thread) total += dbias(thread)[v];
            if (head_.dbias) head_.dbias[v] = total;
        }
    }

    const seqlab_head &head_;
    const int64_t threads_, outputs_, features_;  // columns in whole vectors
    const int64_t rows_;                          // of a block
    Scratch scratch_;
    float *output_panels_, *feature_panels_, *bias_, *logits_, *dfeatures_, *dweights_, *dbias_, *lanes_;
};

inline int head_loss(const seqlab_head &head, int64_t threads) {
    HeadLoss pass(head, threads);
    if (!pass.allocate()) return SEQLAB_NO_MEMORY;
    return run_parallel(threads, [&](const Member &me) { pass.run(me); }) ? 0 : SEQLAB_NO_THREADS;
}

inline int head_loss(const seqlab_head &head) {
    const int status = head_loss(head, available_threads(head.threads));
    return status == SEQLAB_NO_THREADS ? head_loss(head, 1) : status;
}

}  // namespace seqlab
