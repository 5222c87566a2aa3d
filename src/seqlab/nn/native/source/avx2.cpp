// The build for AVX2 and FMA.
#define SEQLAB_WIDTH 8

#include "api.hpp"
