// The build for any processor: vectors of 128 bits.
#define SEQLAB_WIDTH 4

#include "api.hpp"
