// The build for AVX-512 (F, BW, CD, DQ, VL).
#define SEQLAB_WIDTH 16

#include "api.hpp"
